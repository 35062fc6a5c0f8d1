// A wait on a row with a limit of its own: what a wait without one, shared by all, cannot be.

import { Priority, Why } from './core/contract.ts';
import type { Hub } from './hub/hub.ts';
import { SingleUse } from './hub/operation.ts';
import { expired, limitMs } from './limit.ts';
import { type Limit, Timeout } from './timeout.ts';

export abstract class LimitedWait<T> extends SingleUse<T> {
  protected readonly limit: Limit;
  #parked = false;

  constructor(limit: Limit, where: string) {
    // First: debug mode would miss the consumer of what exists.
    if (limit !== null) limitMs(limit, where);
    super();
    this.limit = limit;
  }

  /** Its slot was just parked: arm the limit. */
  protected parked(hub: Hub, slot: number): void {
    this.#parked = true;
    const ms = this.limit === null ? null : limitMs(this.limit, 'timeout');
    if (ms !== null) hub.arm(slot, ms, Priority.LATE);
  }

  /** True if it had to wait. */
  protected get waited(): boolean {
    return this.#parked;
  }

  /** True if the limit ended the wait. */
  protected timedOut(hub: Hub, slot: number): boolean {
    return this.#parked && this.limit !== null && hub.core.why(slot) === Why.TIMED_OUT;
  }

  /** What the wait raises then. */
  protected expired(hub: Hub): unknown {
    return expired(hub, this.limit);
  }
}

/** One that says in its result that the limit came. A Timeout with an exception of its own raises that all the same. */
export abstract class QuietWait<T> extends LimitedWait<T> {
  /** The result then. */
  protected abstract late(): T;

  /** For complete(): the limit came. */
  protected ranOut(hub: Hub): T {
    const { limit } = this;
    if (limit instanceof Timeout) {
      const raised = this.expired(hub);
      if (raised !== limit) throw raised;
    }
    return this.late();
  }

  /** @internal A Timeout that was pending came by itself. */
  override $caught(_hub: Hub, error: unknown): { value: T } | null {
    return error === this.limit && this.limit !== null ? { value: this.late() } : null;
  }
}
