// What goes wrong with guests. Every class has a stable code.

import { GeventError } from '../exceptions.ts';

/** A guest cannot be loaded, started or switched as asked. `code` says why. */
export class GuestError extends GeventError {
  static override readonly name: string = 'GuestError';
}

/**
 * Guest code trapped: `unreachable`, an access out of bounds, a division by zero, an overflow of its stack. The end of that
 * greenlet and of nothing else. `cause` is the engine's own error; `stack` names the guest's functions.
 */
export class GuestTrap extends GeventError {
  static override readonly name: string = 'GuestTrap';
  constructor(who: string, cause: Error) {
    // JavaScriptCore quotes the JavaScript that called, which is ours.
    const what = cause.message.replace(/ \(evaluating '.*'\)$/s, '');
    super('GEVENT_GUEST_TRAP', `${who} trapped: ${what}`, { cause });
    const frames = (cause.stack ?? '').split('\n').filter((line) => /^\s+at |@/.test(line));
    this.stack = `${this.name}: ${this.message}\n${frames.join('\n')}`;
  }
}

/** What becomes of an error that left guest code: traps are wrapped, all else is somebody's own. */
export function fromGuest(who: string, error: unknown): unknown {
  const overflow = error instanceof RangeError && /call stack|recursion/i.test(error.message);
  return error instanceof WebAssembly.RuntimeError || overflow ? new GuestTrap(who, error as Error) : error;
}
