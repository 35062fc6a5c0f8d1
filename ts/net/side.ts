// One direction of something that becomes ready: what waits for it. At most one greenlet waits in an operation; any number
// of watchers (select, poll, `loop.io`) are told whenever the state changes, and look for themselves.
//
//   S1  an operation takes nothing out of a side before complete(): so one that is killed or timed out loses nothing
//   S2  a side that has a waiter counts in hub.foreign, unless it is unreferenced: the hub is not done while it waits

import { NIL, Priority, RowKind, Why } from '../core/contract.ts';
import { ConcurrentObjectUseError } from '../exceptions.ts';
import { active } from '../hub/current.ts';
import type { Hub, RowOwner } from '../hub/hub.ts';

export class Side implements RowOwner {
  /** What it is, as the dump and errors name it. */
  what: string;
  /** False: a wait here does not keep the hub going. */
  ref = true;
  #hub: Hub | null = null;
  #row = NIL;
  #slot = NIL;
  #waiting = false;
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
    this.#row = hub.row(RowKind.LIST, 0, this);
    this.#hub = hub;
    this.#slot = slot;
    this.#waiting = true;
    hub.core.park(slot, this.#row);
    if (ms !== null) hub.arm(slot, ms, Priority.LATE);
    if (this.ref) {
      this.#counted = true;
      ++hub.foreign;
    }
  }

  /** Call in complete() and abandon() of what parked. True if the limit ended the wait. */
  leave(hub: Hub, slot: number): boolean {
    if (!this.#waiting) return false;
    this.#waiting = false;
    this.#slot = NIL;
    if (this.#counted) {
      this.#counted = false;
      --hub.foreign;
    }
    hub.core.rowFree(this.#row);
    this.#row = NIL;
    return hub.core.why(slot) === Why.TIMED_OUT;
  }

  /** The waiter's turn comes, at the back of the ring. */
  wake(): void {
    const slot = this.#slot;
    if (slot === NIL) return;
    this.#slot = NIL;
    const hub = this.#hub as Hub;
    // Its time was up and its turn is coming: it needs no other.
    if (!hub.core.leave(slot)) return;
    hub.core.ready(slot);
    if (active !== hub) hub.kick();
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
