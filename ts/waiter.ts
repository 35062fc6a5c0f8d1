// gevent's Waiter: one value on its way from the hub to one greenlet.

import { ConcurrentObjectUseError, GeventError } from './exceptions.ts';
import { active } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { getHub } from './hub/hub.ts';
import { type Operation, RowWait } from './hub/operation.ts';

/**
 * Carries one value or error to one greenlet. `switch` and `throw` are for the hub's callbacks; they store if nobody waits.
 * @see `gevent.hub.Waiter`, the source.
 */
export class Waiter<T = any> {
  readonly hub: Hub;
  #outcome: { ok: boolean; value: unknown } | null = null;
  #get: Get<T> | null = null;

  constructor(hub: Hub = getHub()) {
    this.hub = hub;
  }

  /** Hand the value over, or store it. */
  switch(value?: T): void {
    this.#settle(true, value);
  }

  /** Hand several over, as an array. */
  switchArgs(...args: unknown[]): void {
    this.#settle(true, args);
  }

  /** Hand an error over, or store it. */
  throw(error: unknown): void {
    this.#settle(false, error);
  }

  #settle(ok: boolean, value: unknown): void {
    if (this.#get !== null && active !== null && !active.inCallback()) {
      throw new GeventError('GEVENT_HUB_ONLY', 'Waiter: a waiting greenlet can only be switched to from the hub');
    }
    this.#outcome = { ok, value };
    this.#get?.arrived();
  }

  /** The stored value or error, else wait for it. Switch point, unless stored. */
  get(): Operation<T> {
    return new Get(this);
  }

  ready(): boolean {
    return this.#outcome !== null;
  }

  successful(): boolean {
    return this.#outcome?.ok ?? false;
  }

  get excInfo(): [unknown, unknown] | undefined {
    if (this.#outcome === null || this.#outcome.ok) return undefined;
    return [(this.#outcome.value as object)?.constructor, this.#outcome.value];
  }

  /** Forget what is stored. */
  clear(): void {
    if (this.#get !== null) throw new GeventError('GEVENT_CONCURRENT_USE', 'Waiter.clear(): a greenlet waits on it');
    this.#outcome = null;
  }

  /** @internal */
  $enter(get: Get<T>): boolean {
    if (this.#outcome !== null) return false;
    if (this.#get !== null) {
      throw new ConcurrentObjectUseError('This Waiter is already used by another greenlet: two get() at once');
    }
    this.#get = get;
    return true;
  }

  /** @internal */
  $leave(get: Get<T>): void {
    if (this.#get === get) this.#get = null;
  }

  /** @internal */
  $take(): T {
    const outcome = this.#outcome as { ok: boolean; value: unknown };
    if (!outcome.ok) throw outcome.value;
    return outcome.value as T;
  }
}

class Get<T> extends RowWait<T> {
  readonly #waiter: Waiter<T>;

  constructor(waiter: Waiter<T>) {
    super();
    this.#waiter = waiter;
  }

  describe(): string {
    return 'Waiter.get';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (!this.#waiter.$enter(this)) return true;
    this.wait(hub, slot, null);
    return false;
  }

  arrived(): void {
    this.wake(this.#waiter.hub, true);
  }

  complete(hub: Hub, slot: number): T {
    this.abandon(hub, slot);
    return this.#waiter.$take();
  }

  override abandon(hub: Hub, slot: number): void {
    this.#waiter.$leave(this);
    super.abandon(hub, slot);
  }
}
