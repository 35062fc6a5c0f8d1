// What the patches add, for TypeScript: promises and objects of Node that can be waited for. Not the calls without callback: an overload more
// would change what other code infers of these functions, `vi.spyOn(fs, 'readFile')` for one. Their promise forms are typed.

import type { Park } from '../../hub/protocol.ts';

declare global {
  interface Promise<T> {
    /** Under `patchPromise`: wait for it in the body of a greenlet, by `yield*`. */
    [Symbol.iterator](): Iterator<Park, T, any>;
  }
}

declare module 'node:net' {
  interface Socket {
    /** Under `patchSocket`: wait until it is connected. */
    [Symbol.iterator](): Iterator<Park, this, any>;
  }
  interface Server {
    /** Under `patchSocket`: wait until it listens. */
    [Symbol.iterator](): Iterator<Park, this, any>;
  }
}

declare module 'node:dgram' {
  interface Socket {
    /** Under `patchSocket`: wait until it is bound. */
    [Symbol.iterator](): Iterator<Park, this, any>;
  }
}

declare module 'node:http' {
  interface ClientRequest {
    /** Under `patchSocket`: wait for the response. */
    [Symbol.iterator](): Iterator<Park, import('node:http').IncomingMessage, any>;
  }
}

declare module 'node:child_process' {
  interface ChildProcess {
    /** Under `patchSubprocess`: wait for its end; the exit code, or the number of the signal that ended it below zero. */
    [Symbol.iterator](): Iterator<Park, number, any>;
  }
}
