// Greenlets of this guest.

import * as gevent from './imports';
import './stacks';

/** A greenlet: this one, one that `spawn` made, or one whose id somebody told. An id is never used again. */
export class Greenlet {
  constructor(public readonly id: f64) {}

  /** True once it has ended. */
  get dead(): bool {
    return gevent.alive(this.id) === 0;
  }

  /** Wait until it has ended: true; false if so many seconds were over first. Switch point, unless it has ended. */
  join(timeout: f64 = -1): bool {
    return gevent.join(this.id, timeout) === 0;
  }

  /** End it where it waits. The order is carried out in its turn; `join` waits for that. False if it had ended. */
  kill(): bool {
    return gevent.kill(this.id) !== 0;
  }
}

/** What a greenlet begins with, kept from the collector until then. */
class Start<T> {
  constructor(
    public fn: (arg: T) => void,
    public arg: T,
  ) {}
}

/** Run `fn(arg)` as a greenlet, from the next turn on. Functions of AssemblyScript close over nothing: pass what is needed. */
export function spawn<T>(fn: (arg: T) => void, arg: T): Greenlet {
  let slot: i32;
  if (isInteger<T>() && sizeof<T>() === 4 && !isReference<T>()) {
    // As the host calls it.
    slot = gevent.spawn(fn.index, <usize>arg);
  } else {
    const start = new Start<T>(fn, arg);
    const entry = (at: usize): void => {
      const begun = changetype<Start<T>>(at);
      const run = begun.fn;
      const given = begun.arg;
      __unpin(at);
      run(given);
    };
    slot = gevent.spawn(entry.index, __pin(changetype<usize>(start)));
  }
  return new Greenlet(gevent.id(slot));
}

function run(index: usize): void {
  call_indirect<void>(<u32>index);
}

/** The same for a function without an argument. */
export function start(fn: () => void): Greenlet {
  const entry: (index: usize) => void = run;
  return new Greenlet(gevent.id(gevent.spawn(entry.index, fn.index)));
}

/** The greenlet that runs, or null in a function that the host called directly. */
export function getcurrent(): Greenlet | null {
  const id = gevent.getcurrent();
  return id < 0 ? null : new Greenlet(id);
}

/** Let others run. Switch point. */
export function yield_(): void {
  gevent.yield_();
}

/** Wait so many seconds; 0 lets others run, Infinity is for good. Switch point. */
export function sleep(seconds: f64): void {
  gevent.sleep(seconds);
}

/** Seconds on the clock of the host's hub. */
export function now(): f64 {
  return gevent.now();
}

/** A line for the host's log: its console, unless it says otherwise. */
export function log(line: string): void {
  const text = String.UTF8.encode(line);
  gevent.log(changetype<usize>(text), text.byteLength);
}
