// The platform, as far as the hub needs it: run something soon, wake me at a time, tell me when nothing is left.
// Nothing here is touched before the first hub is made. Node, Deno, Bun, browsers and workers.

export interface Host {
  /** Run `fn` after pending I/O has had its turn. Keeps the process alive until then. */
  soon(fn: () => void): void;
  /** Run `fn` in `ms` milliseconds or later; gives something for `cancel`. `ref` false: does not keep the process alive. */
  after(ms: number, fn: () => void, ref: boolean): unknown;
  cancel(timer: unknown): void;
  /** Call `fn` whenever the platform finds nothing left to do; gives what stops that. A no-op where it cannot tell (browsers). */
  onIdle(fn: () => void): () => void;
  /** Let an error that belongs to nobody end the program the platform's way. */
  uncaught(error: unknown): void;
  /** Write diagnostics. */
  print(text: string): void;
}

/** The platform's timer functions. */
export interface PlatformTimers {
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
  setInterval(fn: () => void, ms: number): unknown;
  clearInterval(timer: any): void;
  setImmediate?: (fn: () => void) => unknown;
}

/** The global ones, as they are when they are called; where these are the hub's own, what stood there before. */
let timers: PlatformTimers = globalThis;

/** Have all hubs wait by `originals`, for the globals are about to wait by a hub; null: by the globals again. */
export function setPlatformTimers(originals: PlatformTimers | null): void {
  timers = originals ?? globalThis;
}

/** What hubs wait by. */
export function platformTimers(): PlatformTimers {
  return timers;
}

/** The longest delay a platform timer takes; a later deadline is reached in several steps. */
export const MAX_DELAY = 2 ** 31 - 1;

interface NodeTimer {
  unref?(): void;
}

function soonByChannel(): (fn: () => void) => void {
  const queue: (() => void)[] = [];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => queue.shift()?.();
  return (fn) => {
    queue.push(fn);
    channel.port2.postMessage(0);
  };
}

export function platformHost(): Host {
  const soon: (fn: () => void) => void =
    typeof timers.setImmediate === 'function' ? (fn) => void timers.setImmediate?.(fn) : soonByChannel();
  return {
    soon,
    after(ms, fn, ref) {
      const timer = timers.setTimeout(fn, ms > MAX_DELAY ? MAX_DELAY : ms);
      if (!ref) (timer as NodeTimer).unref?.();
      return timer;
    },
    cancel(timer) {
      timers.clearTimeout(timer);
    },
    onIdle(fn) {
      if (typeof process === 'undefined' || typeof process.on !== 'function') return () => {};
      process.on('beforeExit', fn);
      return () => process.off('beforeExit', fn);
    },
    uncaught(error) {
      soon(() => {
        throw error;
      });
    },
    print(text) {
      if (typeof process !== 'undefined' && process.stderr?.write) process.stderr.write(text);
      else console.error(text);
    },
  };
}
