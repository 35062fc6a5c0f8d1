// Waiting for one of an emitter's events, written once for what lives on Node's objects.

import type { EventEmitter } from 'node:events';
import { Why } from '../core/contract.ts';
import { ForeignWait } from '../foreign.ts';
import type { Hub } from '../hub/hub.ts';
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
  limit?: Limit;
}

export class EmitterWait<T> extends ForeignWait<T> {
  readonly #options: EmitterWaitOptions<T>;

  constructor(options: EmitterWaitOptions<T>) {
    limitMs(options.limit ?? null, options.what);
    super();
    this.#options = options;
  }

  describe(): string {
    return this.#options.what;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const { emitter, events, limit = null, what } = this.#options;
    if (this.#options.begin()) return true;
    this.wait(hub, slot, limitMs(limit, what));
    for (const event of events) emitter.on(event, this.#arrived);
    return false;
  }

  readonly #arrived = (): void => this.happened();

  protected override ended(): void {
    const { emitter, events } = this.#options;
    for (const event of events) emitter.off(event, this.#arrived);
  }

  complete(hub: Hub, slot: number): T {
    const late = this.expecting && hub.core.why(slot) === Why.TIMED_OUT;
    this.unwait(hub);
    return this.#options.end(late, hub);
  }
}
