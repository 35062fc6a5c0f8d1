// Timers of the loop. Each is a slot of the core, which counts it while it is armed; what is counted here are only those that do not
// keep the loop going.

import { needFunction, wrongRange } from '../core/arguments.ts';
import { type Seconds, toMs } from '../core/clock.ts';
import { Kind, NIL, Place } from '../core/contract.ts';
import type { AnyFunction } from './callback.ts';
import type { Hub } from './hub.ts';
import type { Loop } from './loop.ts';
import { Fired, type Fires } from './protocol.ts';
import { Watcher } from './watcher.ts';

const NAMES = ['highest', 'high', 'normal', 'low', 'lowest'];

/** Take back a timer that has not been called: it is armed, or due and waits in the ring for continuations to run first. */
export function disarm({ core }: Hub, slot: number): void {
  if (!core.disarm(slot) && core.place(slot) === Place.READY) core.unready(slot);
}

/** Calls back after `after` seconds, then every `repeat` seconds if that is not 0. */
export class TimerWatcher extends Watcher implements Fires<Hub> {
  readonly #afterMs: number;
  readonly #repeatMs: number;
  #slot = NIL;
  /** Active, with nothing armed. */
  #endless = false;
  /** It is one of `hub.unrefTimers`. */
  #unref = false;

  /** @internal */
  constructor(loop: Loop, after: Seconds, repeat: Seconds, ref: boolean, priority: number | null | undefined) {
    super(loop, ref, priority);
    this.#afterMs = toMs(after, 'timer(after)');
    this.#repeatMs = toMs(repeat, 'timer(repeat)');
    if (this.#repeatMs < 0) throw wrongRange('timer(repeat)', '0 or more seconds', repeat);
  }

  get $kind(): string {
    return `timer priority=${NAMES[2 - this.priority]}`;
  }

  get active(): boolean {
    return this.#slot !== NIL;
  }

  protected $arm(): void {
    this.#armFor(this.#afterMs);
  }

  #armFor(ms: number): void {
    const hub = this.loop.$hub;
    this.#slot = hub.take(Kind.TIMER, this);
    this.#endless = ms === Infinity;
    this.$count();
    hub.arm(this.#slot, ms, 2 - this.priority);
  }

  protected $disarm(): void {
    const hub = this.loop.$hub;
    disarm(hub, this.#slot);
    hub.release(this.#slot);
    this.#slot = NIL;
  }

  protected override $count(): void {
    // Counted by the core while armed; a change of `ref` while armed moves it to the other side.
    if (this.active && !this.ref && !this.#endless && !this.#unref) {
      this.#unref = true;
      ++this.loop.$hub.unrefTimers;
    }
  }

  protected override $uncount(): void {
    if (!this.#unref) return;
    this.#unref = false;
    --this.loop.$hub.unrefTimers;
  }

  /** Arm again, `repeat` seconds from now. */
  again(callback: AnyFunction, ...args: unknown[]): void {
    needFunction('timer.again(callback)', callback);
    this.$open();
    this.stop();
    if (this.#repeatMs === 0) return;
    this.$set(callback, args);
    this.#armFor(this.#repeatMs);
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    const { callback, args } = this;
    if (this.#repeatMs > 0 && this.#repeatMs !== Infinity) {
      hub.arm(slot, this.#repeatMs, 2 - this.priority);
    } else {
      this.#slot = NIL;
      this.$uncount();
      hub.release(slot);
      this.callback = null;
      this.args = [];
    }
    this.$call(callback as AnyFunction, args);
    return Fired.DONE;
  }
}
