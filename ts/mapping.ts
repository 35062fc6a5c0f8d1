// map: a function over items, run by the members of a group; its results in a list.

import type { Greenlet } from './gevent-greenlet.ts';
import type { Group } from './group.ts';
import type { Park } from './hub/protocol.ts';
import { type Failure, handOut, WaitForWork, Work } from './map-work.ts';

/** The items of one map, and their results by position. */
class MapWork extends Work {
  readonly #values: unknown[] = [];
  /** Done before one that comes before them. */
  readonly #early = new Set<number>();
  #failures: Map<number, Failure> | null = null;
  /** All below are done, and none of them failed. */
  #prefix = 0;

  constructor(fn: (item: any) => unknown, items: Iterable<unknown>) {
    super(fn, items, false);
  }

  /** All items have been begun, and all are done, or one has failed at its position. */
  get over(): boolean {
    return !this.more && (this.failure !== null || this.#prefix === this.begun);
  }

  results(): unknown[] {
    if (this.failure !== null) throw this.failure.error;
    return this.#values;
  }

  set(index: number, value: unknown): boolean {
    this.#values[index] = value;
    if (index === this.#prefix) return this.#advance();
    this.#early.add(index);
    return false;
  }

  fail(index: number, error: unknown): boolean {
    this.#failures ??= new Map();
    this.#failures.set(index, { error });
    return this.set(index, undefined);
  }

  /** The result at the prefix is there. */
  #advance(): boolean {
    do {
      const failure = this.#failures === null ? undefined : this.#failures.get(this.#prefix);
      if (failure !== undefined) {
        this.failure ??= failure;
        break;
      }
      ++this.#prefix;
    } while (this.#early.size > 0 && this.#early.delete(this.#prefix));
    return !this.more && this.waiter !== null && this.over && this.waiter.tellFirst();
  }

  describe(): string {
    return `map, ${this.#prefix} of ${this.more ? 'the' : this.begun} results`;
  }
}

/** @internal The body of `map`: runs in a greenlet of its own, and goes on spawning when nobody waits for it. */
export function* mapOver(
  group: Group,
  fn: (item: any) => unknown,
  items: Iterable<unknown>,
): Generator<Park, unknown[], any> {
  if (group.$plainGroup === null) return yield* mapEach(group, fn, items);
  const work = new MapWork(fn, items);
  yield* handOut(group, work);
  while (!work.over) yield* new WaitForWork(work);
  return work.results();
}

/** With members of a class of their own. */
function* mapEach(group: Group, fn: (item: any) => unknown, items: Iterable<unknown>): Generator<Park, unknown[], any> {
  const greenlets: Greenlet<any>[] = [];
  for (const item of items) greenlets.push(yield* group.spawn(fn as (item: unknown) => unknown, item));
  const results: unknown[] = [];
  for (const greenlet of greenlets) results.push(yield* greenlet.get());
  return results;
}
