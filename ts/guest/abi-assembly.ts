// What the library of AssemblyScript imports from module `env`. Given to guests that import it with its types, unless the user gives
// something else.

import { type Builtin, direct, plain } from './builtin.ts';
import { GuestError } from './errors.ts';
import type { Instance } from './instance.ts';
import { viewOf } from './memory.ts';

/** A string of AssemblyScript: UTF-16, its length in bytes 4 before it. Never an error: it is for error messages. */
function stringAt(instance: Instance, at: number): string {
  try {
    if (at === 0) return '';
    const head = viewOf(instance, at - 4, 4);
    const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true);
    return new TextDecoder('utf-16le').decode(new Uint8Array(viewOf(instance, at, length)));
  } catch {
    return '(text that cannot be read)';
  }
}

export const ENV: ReadonlyMap<string, Builtin> = new Map([
  [
    'abort',
    direct('iiii>', (instance) => (message: number, file: number, line: number, column: number) => {
      const text = stringAt(instance, message) || 'abort';
      throw new GuestError(
        'GEVENT_GUEST_ABORT',
        `${instance.name}: ${text} at ${stringAt(instance, file)}:${line}:${column}`,
      );
    }),
  ],
  ['seed', direct('>d', () => () => Math.random() * 2 ** 53)],
  ['Date.now', direct('>d', () => () => Date.now())],
  ['console.log', plain('i>', (instance) => (text: number) => instance.program.log(stringAt(instance, text), null))],
]);
