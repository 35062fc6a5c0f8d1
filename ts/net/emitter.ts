// Waiting for one of an emitter's events, written once for what lives on Node's objects.

import type { EventEmitter } from 'node:events';
import { Why } from '../core/contract.ts';
import type { Hub } from '../hub/hub.ts';
import { RowWait } from '../hub/operation.ts';
import { limitMs } from '../limit.ts';
import type { Limit } from '../timeout.ts';

export interface EmitterWaitOptions<T> {
  /** What is waited for, as the dump shows it. */
  what: string;
  emitter: EventEmitter;
  /** Any of these ends the wait. */
  events: readonly string[];
  /** Begin: true if there is nothing to wait for. */
  begin(): boolean;
  /** The result; `late` if the limit came first. */
  end(late: boolean, hub: Hub): T;
  /** The wait was given up: by a kill, a Timeout, a `first` that another won. */
  abandoned?(): void;
  limit?: Limit;
}

export class EmitterWait<T> extends RowWait<T> {
  readonly #options: EmitterWaitOptions<T>;
  #hub: Hub | null = null;

  constructor(options: EmitterWaitOptions<T>) {
    super();
    this.#options = options;
    limitMs(options.limit ?? null, options.what);
  }

  describe(): string {
    return this.#options.what;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const { emitter, events, limit = null, what } = this.#options;
    if (this.#options.begin()) return true;
    this.#hub = hub;
    this.wait(hub, slot, limitMs(limit, what));
    ++hub.foreign;
    for (const event of events) emitter.on(event, this.#arrived);
    return false;
  }

  readonly #arrived = (): void => {
    const hub = this.#hub;
    if (hub === null) return;
    this.#forget(hub);
    this.wake(hub, false);
  };

  #forget(hub: Hub): void {
    this.#hub = null;
    --hub.foreign;
    const { emitter, events } = this.#options;
    for (const event of events) emitter.off(event, this.#arrived);
  }

  complete(hub: Hub, slot: number): T {
    // Still registered: it was its limit that woke it.
    const late = this.#hub !== null && hub.core.why(slot) === Why.TIMED_OUT;
    if (this.#hub !== null) this.#forget(hub);
    this.unwait(hub);
    return this.#options.end(late, hub);
  }

  override abandon(hub: Hub, slot: number): void {
    if (this.#hub !== null) this.#forget(hub);
    super.abandon(hub, slot);
    this.#options.abandoned?.();
  }
}
