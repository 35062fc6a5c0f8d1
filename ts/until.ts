// until(promise): the bridge from the platform's promises into greenlets.

import { describe } from './core/clock.ts';
import type { Hub } from './hub/hub.ts';
import { type Operation, RowWait } from './hub/operation.ts';

class Until<T> extends RowWait<T> {
  readonly #promise: PromiseLike<T>;
  #settled = false;
  #ok = false;
  #value: unknown;

  constructor(promise: PromiseLike<T>) {
    super();
    this.#promise = promise;
  }

  describe(): string {
    return 'until(promise)';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.wait(hub, slot, null);
    ++hub.foreign;
    try {
      this.#promise.then(
        (value) => this.#settle(hub, true, value),
        (error: unknown) => this.#settle(hub, false, error),
      );
    } catch (error) {
      // A promise would take it as a rejection, unless the thenable called back before.
      this.#settle(hub, false, error);
    }
    return false;
  }

  #settle(hub: Hub, ok: boolean, value: unknown): void {
    if (!this.waiting) return;
    this.#settled = true;
    this.#ok = ok;
    this.#value = value;
    --hub.foreign;
    this.wake(hub, false);
  }

  complete(hub: Hub): T {
    this.unwait(hub);
    if (!this.#ok) throw this.#value;
    return this.#value as T;
  }

  override abandon(hub: Hub, slot: number): void {
    // Left before it settled: the promise goes on, and nobody here hears of it.
    if (!this.#settled) {
      this.#settled = true;
      --hub.foreign;
    }
    super.abandon(hub, slot);
  }
}

/**
 * Block the current greenlet on a promise or thenable: `const r = yield* until(fetch(url, { signal }))`.
 * Switch point, always. Killed or timed out, the greenlet leaves at once; the promise goes on unheard, so pass
 * `getcurrent().signal` to what can be aborted.
 *
 * @returns what the promise gives; its rejection is thrown here
 * @throws TypeError if `promise` has no `then`
 */
export function until<T>(promise: PromiseLike<T>): Operation<T> {
  if (
    promise === null ||
    (typeof promise !== 'object' && typeof promise !== 'function') ||
    typeof promise.then !== 'function'
  ) {
    throw new TypeError(`until(promise): expected a promise or thenable, got ${describe(promise)}`);
  }
  return new Until(promise);
}
