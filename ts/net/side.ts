// One direction of something that becomes ready: what waits for it. At most one greenlet waits in an operation; any number
// of watchers (select, poll, `loop.io`) are told whenever the state changes, and look for themselves.
//
//   S1  an operation takes nothing out of a side before complete(): so one that is killed or timed out loses nothing
//   S2  a side keeps its row of the core from its first wait to its end(), because a row for each wait would cost as much as
//       the wait; what never waits has none
//   S3  a side that has a waiter counts in hub.foreign, unless it is unreferenced: the hub is not done while it waits

import { NIL, Priority, RowKind, Why } from '../core/contract.ts';
import { ConcurrentObjectUseError } from '../exceptions.ts';
import { active } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import type { RowOwner } from '../hub/owners.ts';

export class Side implements RowOwner {
  /** What it is, as the dump and errors name it. */
  what: string;
  /** False: a wait here does not keep the hub going. */
  ref = true;
  #hub: Hub | null = null;
  #row = NIL;
  #waiting = false;
  /** Somebody waits and has not been woken. */
  #parked = false;
  #limited = false;
  #ended = false;
  #counted = false;
  #watchers: Set<() => void> | null = null;

  constructor(what: string) {
    this.what = what;
  }

  describe(): string {
    return this.what;
  }

  /** True from park() to leave(). */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** Refuse a second one. */
  claim(): void {
    if (this.#waiting) {
      throw new ConcurrentObjectUseError(`This socket is already used by another greenlet: ${this.what}`);
    }
  }

  /** Park `slot`, for `ms` at most. The caller has seen claim() pass. */
  park(hub: Hub, slot: number, ms: number | null): void {
    if (this.#hub !== hub) this.#bind(hub);
    this.#waiting = true;
    this.#parked = true;
    hub.core.park(slot, this.#row);
    if (ms !== null) {
      this.#limited = true;
      hub.arm(slot, ms, Priority.LATE);
    }
    if (this.ref) {
      this.#counted = true;
      ++hub.foreign;
    }
  }

  #bind(hub: Hub): void {
    this.dispose();
    this.#row = hub.row(RowKind.LIST, 0, this);
    this.#hub = hub;
  }

  /** Call in complete() and abandon() of what parked. True if the limit ended the wait. */
  leave(hub: Hub, slot: number): boolean {
    if (!this.#waiting) return false;
    this.#waiting = this.#parked = false;
    if (this.#counted) {
      this.#counted = false;
      --hub.foreign;
    }
    if (this.#ended) this.dispose();
    if (!this.#limited) return false;
    this.#limited = false;
    return hub.core.why(slot) === Why.TIMED_OUT;
  }

  /** The waiter's turn comes, at the back of the ring. @param clean - only the platform's code is on the stack: see `kickIo` */
  wake(clean = false): void {
    if (!this.#parked) return;
    this.#parked = false;
    const hub = this.#hub as Hub;
    // Nobody is in the row if its time was up and its turn is coming: it needs no other.
    if (hub.core.wakeOne(this.#row) === NIL) return;
    if (active !== hub) hub.kickIo(clean);
  }

  /** Nobody will wait any more: the row goes, as soon as nobody does. */
  end(): void {
    this.#ended = true;
    if (!this.#waiting) this.dispose();
  }

  /** Give the row back. */
  dispose(): void {
    const hub = this.#hub;
    if (hub === null) return;
    this.#hub = null;
    if (!hub.destroyed) hub.core.rowFree(this.#row);
    this.#row = NIL;
  }

  /** The state changed: tell the watchers. */
  changed(): void {
    if (this.#watchers === null) return;
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** True while somebody watches. */
  get watched(): boolean {
    return this.#watchers !== null;
  }

  /** Call `fn`, which must neither block nor throw, at every change. */
  watch(fn: () => void): void {
    this.#watchers ??= new Set();
    this.#watchers.add(fn);
  }

  unwatch(fn: () => void): void {
    this.#watchers?.delete(fn);
    if (this.#watchers?.size === 0) this.#watchers = null;
  }
}
