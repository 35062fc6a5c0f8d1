// Entry `gevent-wasm/signal`: one handler a signal, as Python's module has it. Handlers run in greenlets of their own.

import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { wrongType } from '../core/arguments.ts';
import { GeventError } from '../exceptions.ts';
import { signalHandler, type SignalHandler as Watching } from '../gevent.ts';
import { signalName } from '../hub/watchers.ts';
import { hubHere } from '../limit.ts';
import { OSError } from '../net/errors.ts';
// For whoever imports only this: the hub of the thread.
import '../hub.ts';

/** What the system does by itself. */
export const SIG_DFL = 0;
/** Nothing. */
export const SIG_IGN = 1;

/** What is called at a signal: with its number, and null where Python has a frame. It may block. */
export type Handler = (signum: number, frame: null) => unknown;
export type Disposition = Handler | typeof SIG_DFL | typeof SIG_IGN;

interface Installed {
  readonly handler: Disposition;
  remove(): void;
}

const installed = new Map<string, Installed>();

/** Never to be caught. */
const FIRM = ['SIGKILL', 'SIGSTOP'];

/**
 * Have `handler(signum, null)` called when the process gets a signal; gives the handler before. Never a switch point.
 *
 * It runs in a new greenlet, at the next turn of the loop, may block, and its errors are raised in main. SIG_DFL gives the signal back
 * to the system, SIG_IGN ignores it. Handlers do not keep the process going. At SIGCHLD children have been noticed when it runs, so
 * that `waitpid(-1, WNOHANG)` tells of them; several that ended at once may be one signal.
 *
 * @param signum - `'SIGTERM'` or its number
 * @returns null if somebody else handles it: by `process.on`, or by `signalHandler`
 * @throws OSError EINVAL for SIGKILL and SIGSTOP
 * @throws GeventError `GEVENT_SIGNAL_THREAD` outside the main thread, where no signal comes
 * @see `gevent.signal.signal`, the source. Differs: SIGINT is the system's at first, no KeyboardInterrupt.
 */
export function signal(signum: string | number, handler: Disposition): Disposition | null {
  const name = signalName(signum);
  if (handler !== SIG_DFL && handler !== SIG_IGN && typeof handler !== 'function') {
    throw wrongType('signal(handler)', 'a function, SIG_DFL or SIG_IGN', handler);
  }
  if (!isMainThread) {
    throw new GeventError('GEVENT_SIGNAL_THREAD', 'signal: signals come to the main thread only');
  }
  if (FIRM.includes(name)) throw new OSError('EINVAL', `signal: EINVAL: ${name} cannot be handled`);
  const before = getsignal(name);
  installed.get(name)?.remove();
  installed.delete(name);
  if (handler === SIG_DFL) return before;
  installed.set(name, handler === SIG_IGN ? ignoring(name) : handling(name, handler));
  return before;
}

function ignoring(name: string): Installed {
  const nothing = (): void => {};
  process.on(name, nothing);
  return { handler: SIG_IGN, remove: () => void process.off(name, nothing) };
}

function handling(name: string, handler: Handler): Installed {
  const number = (constants.signals as Record<string, number>)[name];
  const hub = hubHere();
  const watching: Watching = signalHandler(name, handler as (...args: unknown[]) => unknown, number, null);
  // A hub that is no more hears of nothing.
  const gone = (): void => {
    if (installed.get(name) === mine) installed.delete(name);
  };
  hub.closers.push(gone);
  const mine: Installed = {
    handler,
    remove() {
      watching.cancel();
      const at = hub.closers.indexOf(gone);
      if (at >= 0) hub.closers.splice(at, 1);
    },
  };
  return mine;
}

/** What happens at a signal: what `signal` was given, SIG_DFL, or null if somebody else handles it. */
export function getsignal(signum: string | number): Disposition | null {
  const name = signalName(signum);
  const mine = installed.get(name);
  if (mine !== undefined) return mine.handler;
  return process.listenerCount(name as NodeJS.Signals) > 0 ? null : SIG_DFL;
}
