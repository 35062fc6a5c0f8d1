// setTimeout and its kin on the hub's timers.
//
// The core says when; the platform calls. A timer that is due books the platform's own setImmediate, one each, so that its callback runs as
// Node's timers run theirs: nothing of the hub's on the stack, `process.nextTick` and microtasks in between, an exception is an
// uncaught one, and those behind it go on. On a virtual clock the hub calls by itself.
//
//   M1  ARMED: #slot is the timer's and armed. DUE: #booked is on its way, and counts in hub.foreign. Else neither
//   M2  an ARMED timer that is not `ref`ed counts in hub.unrefTimers

import { AsyncResource } from 'node:async_hooks';
import { inspect } from 'node:util';
import { NIL, Priority } from '../../core/contract.ts';
import type { Callback } from '../../hub/callback.ts';
import { contextsInUse, threadHub } from '../../hub/current.ts';
import type { Hub } from '../../hub/hub.ts';
import { type Body, Fired, type Fires, isBody, type Park } from '../../hub/protocol.ts';
import { disarm } from '../../hub/timer-watcher.ts';

type AnyFunction = (...args: any[]) => unknown;

/** The platform's, from before anything was patched. */
const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = globalThis;
export const originals = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate };

const MAX_DELAY = 2 ** 31 - 1;
const GeneratorFunction = Object.getPrototypeOf(function* () {}).constructor;
/** The hub whose end was provided for last. */
let known: Hub | null = null;
const NO_ARGS: readonly unknown[] = [];
/**
 * The context at the time of the patch. A timer keeps one of its own, 33 ns and 100 bytes, only once stores are in use, of which the
 * hub is told; what was entered before it was made is in this one.
 */
let root = new AsyncResource('Timeout');

/** The patch is put on: the hub watches for stores from here on. */
export function beginTimers(): void {
  threadHub();
  root = new AsyncResource('Timeout');
}

/** By the number that a timer gives of itself, as `clearTimeout(+timer)` needs. */
const byNumber = new Map<number, Timeout>();
let numbers = 0;

/** What runs if a callback is a generator function. */
function* through(body: Body): Generator<Park, unknown, any> {
  return yield* body;
}

/** Call it as the platform would; one that is a generator function runs as a greenlet. */
function invoke(self: object, callback: AnyFunction, args: readonly unknown[]): void {
  const result = callback.apply(self, args as unknown[]);
  if (typeof result === 'object' && result !== null && isBody(result)) threadHub().spawn(through, result);
}

/** The delay as Node's timers take it: whole milliseconds, 1 at least. */
function delayOf(delay: unknown): number {
  const ms = delay === undefined ? 1 : Number(delay);
  if (ms >= 1 && ms <= MAX_DELAY) return Math.trunc(ms);
  // Node has its say about what is out of range.
  if (ms !== 0 && !(ms > 0 && ms < 1)) clearTimeout(setTimeout(() => {}, ms));
  return 1;
}

/** What `setTimeout` and `setInterval` give. */
export class Timeout implements Fires<Hub> {
  /** Where it is armed or due, or was last. */
  #hub: Hub;
  #slot = NIL;
  #booked: unknown = null;
  #callback: AnyFunction | null;
  #args: readonly unknown[];
  #ms: number;
  readonly #repeats: boolean;
  #ref = true;
  #number = 0;
  readonly #context: AsyncResource | null;

  constructor(callback: AnyFunction, delay: unknown, args: readonly unknown[], repeats: boolean) {
    this.#callback = callback;
    this.#args = args;
    this.#ms = delayOf(delay);
    this.#repeats = repeats;
    const hub = threadHub();
    this.#hub = hub;
    this.#context = hub.slices !== null || contextsInUse() ? new AsyncResource('Timeout') : null;
    if (hub !== known) watch(hub);
    this.#slot = hub.takeTimer(this, this.#ms, Priority.NORMAL);
  }

  #arm(ms: number): void {
    const hub = threadHub();
    this.#hub = hub;
    if (hub !== known) watch(hub);
    this.#slot = hub.takeTimer(this, ms, Priority.NORMAL);
    if (!this.#ref) ++hub.unrefTimers;
  }

  /** M1: neither armed nor due from here on. */
  #stop(): void {
    const hub = this.#hub;
    const slot = this.#slot;
    if (slot !== NIL) {
      this.#slot = NIL;
      if (!this.#ref) --hub.unrefTimers;
      if (!hub.releaseTimer(slot)) {
        disarm(hub, slot);
        hub.release(slot);
      }
    } else if (this.#booked !== null) {
      clearImmediate(this.#booked as NodeJS.Immediate);
      this.#booked = null;
      over(hub);
    }
  }

  /** @internal Its time has come. */
  $fire(hub: Hub, slot: number): number {
    this.#slot = NIL;
    if (!this.#ref) --hub.unrefTimers;
    hub.release(slot);
    if (hub.clock.virtual) {
      hub.outside(() => {
        try {
          this.#run();
        } catch (error) {
          // By its text: as a value it is a number.
          hub.$route({ toString: () => this.toString() }, error);
        }
      });
      return Fired.SETTLED;
    }
    ++hub.foreign;
    this.#booked = setImmediate(callDue, this);
    return Fired.DONE;
  }

  /** @internal */
  $due(): void {
    this.#booked = null;
    try {
      this.#run();
    } finally {
      over(this.#hub);
    }
  }

  #run(): void {
    const callback = this.#callback as AnyFunction;
    if (!this.#repeats) {
      (this.#context ?? root).runInAsyncScope(invoke, undefined, this, callback, this.#args);
      // Armed again by refresh(), it keeps what it calls.
      if (this.#slot === NIL) this.#forget();
      return;
    }
    const began = this.#hub.clock.now();
    try {
      (this.#context ?? root).runInAsyncScope(invoke, undefined, this, callback, this.#args);
    } finally {
      // The next is a period behind the beginning of this one; an exception does not end it.
      if (this.#callback !== null && this.#slot === NIL) this.#arm(this.#ms - (this.#hub.clock.now() - began));
    }
  }

  #forget(): void {
    if (this.#number !== 0) byNumber.delete(this.#number);
  }

  /** Cancel it. The same as `clearTimeout`. */
  close(): this {
    this.#stop();
    this.#callback = null;
    this.#args = NO_ARGS;
    this.#forget();
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Start anew, from now; also when it has been called. Nothing for one that was cancelled. */
  refresh(): this {
    if (this.#callback === null) return this;
    this.#stop();
    this.#arm(this.#ms);
    if (this.#number !== 0) byNumber.set(this.#number, this);
    return this;
  }

  /** The process lives on for it: the default. */
  ref(): this {
    if (!this.#ref) {
      this.#ref = true;
      if (this.#slot !== NIL) {
        --this.#hub.unrefTimers;
        this.#hub.kick();
      }
    }
    return this;
  }

  /** The process does not live on for it. */
  unref(): this {
    if (this.#ref) {
      this.#ref = false;
      if (this.#slot !== NIL) {
        ++this.#hub.unrefTimers;
        this.#hub.kick();
      }
    }
    return this;
  }

  hasRef(): boolean {
    return this.#ref;
  }

  /** A number that `clearTimeout` takes for it. */
  [Symbol.toPrimitive](): number {
    if (this.#number === 0) {
      this.#number = ++numbers;
      if (this.#slot !== NIL || this.#booked !== null) byNumber.set(this.#number, this);
    }
    return this.#number;
  }

  /** @internal Its hub is gone: go on elsewhere, once that is settled. */
  $move(): void {
    const hub = this.#hub;
    hub.handOver();
    const at = hub.core.deadline(this.#slot);
    // One that is due and waits in the ring is armed no more.
    const left = at === Infinity ? 0 : at - hub.clock.now();
    this.#stop();
    queueMicrotask(() => {
      if (this.#callback !== null && this.#slot === NIL) this.#arm(left);
    });
  }

  toString(): string {
    const name = this.#callback?.name;
    return `<Timeout ${this.#ms} ms${this.#repeats ? ' repeated' : ''}${name ? ` ${name}` : ''}>`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

function callDue(timer: Timeout): void {
  timer.$due();
}

/** One that was due has been called or cancelled. */
function over(hub: Hub): void {
  --hub.foreign;
  // Somebody may wait for the hub to have nothing left.
  if (hub.joiners.size > 0 || hub.isolated) hub.kick();
}

const watched = new WeakSet<Hub>();

/** Timers are the process's: those of a hub that is destroyed go on. On a virtual clock they end with it. */
function watch(hub: Hub): void {
  known = hub;
  if (watched.has(hub)) return;
  watched.add(hub);
  hub.closers.push(() => {
    if (known === hub) known = null;
    if (hub.clock.virtual) return;
    for (const owner of [...hub.owners]) if (owner instanceof Timeout) owner.$move();
  });
}

/** What `setImmediate` gives on a virtual clock. */
class Immediate {
  readonly #callback: Callback;
  #ref = true;

  constructor(hub: Hub, callback: AnyFunction, args: readonly unknown[]) {
    this.#callback = hub.loop.runCallback(() => hub.outside(() => invoke(this, callback, args)));
  }

  close(): void {
    this.#callback.stop();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  ref(): this {
    this.#ref = true;
    return this;
  }

  unref(): this {
    this.#ref = false;
    return this;
  }

  hasRef(): boolean {
    return this.#ref;
  }
}

function clear(timer: unknown, original: (timer: any) => void): void {
  if (timer instanceof Timeout || timer instanceof Immediate) {
    timer.close();
    return;
  }
  if (typeof timer === 'number' || typeof timer === 'string') {
    const found = byNumber.get(Number(timer));
    if (found !== undefined) {
      found.close();
      return;
    }
  }
  original(timer);
}

// Functions with Node's names, since programs and their reports see them.
const timerFunctions = {
  setTimeout(callback: AnyFunction, delay?: number, ...args: unknown[]): unknown {
    // Node's own error tells what is wrong.
    if (typeof callback !== 'function') return setTimeout(callback, delay);
    return new Timeout(callback, delay, args.length === 0 ? NO_ARGS : args, false);
  },
  setInterval(callback: AnyFunction, delay?: number, ...args: unknown[]): unknown {
    if (typeof callback !== 'function') return setInterval(callback, delay);
    return new Timeout(callback, delay, args, true);
  },
  setImmediate(callback: AnyFunction, ...args: unknown[]): unknown {
    const hub = threadHub();
    if (hub.clock.virtual && typeof callback === 'function') return new Immediate(hub, callback, args);
    // The platform's own is right as it is: behind the I/O of this round.
    if (callback instanceof GeneratorFunction) return setImmediate(() => invoke(globalThis, callback, args));
    return setImmediate(callback, ...args);
  },
  clearTimeout: (timer?: unknown): void => clear(timer, clearTimeout),
  clearInterval: (timer?: unknown): void => clear(timer, clearInterval),
  clearImmediate: (timer?: unknown): void => clear(timer, clearImmediate),
};

/** The six functions, on the hub of the thread. */
export const patched = timerFunctions;
