// until(promise): the bridge from the platform's promises into greenlets.

import { needOptions, wrongType } from './core/arguments.ts';
import { ForeignWait } from './foreign.ts';
import type { Hub } from './hub/hub.ts';
import type { Operation } from './hub/operation.ts';

/** What ends the work behind a promise whose only waiter has left, where its maker said so. */
const aborts = new WeakMap<object, () => void>();

/** @internal Have `abort` called when whoever waits for `promise` by `until` is killed or timed out. */
export function abortable<P extends PromiseLike<unknown>>(promise: P, abort: () => void): P {
  aborts.set(promise, abort);
  return promise;
}

class Until<T> extends ForeignWait<T> {
  readonly #promise: PromiseLike<T>;
  readonly #late: ((value: T) => unknown) | null;
  #settled = false;
  #ok = false;
  #value: unknown;
  #left = false;

  constructor(promise: PromiseLike<T>, late: ((value: T) => unknown) | null) {
    super();
    this.#promise = promise;
    this.#late = late;
  }

  describe(): string {
    return 'until(promise)';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.wait(hub, slot, null);
    try {
      this.#promise.then(
        (value) => this.#settle(true, value),
        (error: unknown) => this.#settle(false, error),
      );
    } catch (error) {
      // A promise would take it as a rejection, unless the thenable called back before.
      this.#settle(false, error);
    }
    return false;
  }

  #settle(ok: boolean, value: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#ok = ok;
    this.#value = value;
    // Left before it settled: the promise goes on, and nobody waits for it here.
    if (this.#left) this.#forNobody();
    else this.happened();
  }

  #forNobody(): void {
    if (this.#ok) this.#late?.(this.#value as T);
  }

  override abandon(hub: Hub, slot: number): void {
    super.abandon(hub, slot);
    this.#left = true;
    if (!this.#settled) aborts.get(this.#promise)?.();
    // It had come, and whoever it was for is killed before his turn. Not in the middle of that.
    else if (this.#late !== null) queueMicrotask(() => this.#forNobody());
  }

  complete(hub: Hub): T {
    this.unwait(hub);
    if (!this.#ok) throw this.#value;
    return this.#value as T;
  }
}

/**
 * Block the current greenlet on a promise or thenable: `const r = yield* until(fetch(url, { signal }))`.
 * Switch point, always. Killed or timed out, the greenlet leaves at once; the promise goes on unheard, so pass
 * `getcurrent().signal` to what can be aborted.
 *
 * @param options.late - called with what the promise gives if whoever waited has left before: for what must be given back, as in
 *   `until(pool.connect(), { late: (client) => client.release() })`
 * @returns what the promise gives; its rejection is thrown here
 * @throws TypeError if `promise` has no `then`, or `late` is no function
 */
export function until<T>(promise: PromiseLike<T>, options?: { late?: (value: T) => unknown }): Operation<T> {
  if (
    promise === null ||
    (typeof promise !== 'object' && typeof promise !== 'function') ||
    typeof promise.then !== 'function'
  ) {
    throw wrongType('until(promise)', 'a promise or thenable', promise);
  }
  needOptions('until(options)', options, ['late']);
  const { late = null } = options ?? {};
  if (late !== null && typeof late !== 'function') throw wrongType('until(late)', 'a function', late);
  return new Until(promise, late);
}
