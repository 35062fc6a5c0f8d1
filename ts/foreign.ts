// A wait for what happens outside the hub: a promise, an event of a socket, an answer of the platform.
//
//   F1  it counts in hub.foreign from its beginning until that has happened or the wait is given up, so that the hub is not
//       done meanwhile

import type { Hub } from './hub/hub.ts';
import { RowWait } from './hub/operation.ts';

export abstract class ForeignWait<T> extends RowWait<T> {
  /** F1: where it counts, or null. */
  #hub: Hub | null = null;

  /** Park `slot`; `ms` null waits without end. */
  protected override wait(hub: Hub, slot: number, ms: number | null): void {
    super.wait(hub, slot, ms);
    this.#hub = hub;
    ++hub.foreign;
  }

  /** True until it has happened or the wait was given up. In complete() that means: its limit came first. */
  protected get expecting(): boolean {
    return this.#hub !== null;
  }

  /** It has happened: the waiter's turn comes. Nothing, if nobody waits. */
  protected happened(): void {
    const hub = this.#hub;
    if (hub === null) return;
    this.#end(hub);
    this.wake(hub, false);
  }

  /** Nobody listens for it any more. Called once for each wait(). */
  protected ended(): void {}

  #end(hub: Hub): void {
    this.#hub = null;
    --hub.foreign;
    this.ended();
  }

  /** Call in complete(); abandon() does. */
  protected override unwait(hub: Hub): void {
    if (this.#hub !== null) this.#end(hub);
    super.unwait(hub);
  }
}
