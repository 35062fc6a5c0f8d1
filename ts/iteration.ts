// Going through what a queue or channel gives, one item after another.

import { wrongType } from './core/arguments.ts';
import { GeventError } from './exceptions.ts';
import { Framed } from './framed.ts';
import { debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Operation } from './hub/operation.ts';
import type { Park } from './hub/protocol.ts';
import { settle } from './unwind.ts';

/**
 * Put into a queue or channel it ends the iteration that gets it, as the class StopIteration does in gevent. To those who `get`
 * it is an item.
 */
export const END: unique symbol = Symbol('gevent.queue.END');

/** What raises at an end: the queue was shut down and is empty. */
export class ShutDown extends GeventError {
  static override readonly name: string = 'ShutDown';
  constructor(message = 'the queue was shut down') {
    super('GEVENT_QUEUE_SHUT_DOWN', message);
  }
}

/** What can be iterated over: anything with a `get`. */
export interface Source<T> {
  get(): Operation<T>;
}

/** One step: the next item, or that there is none. */
export class Next<T> extends Operation<IteratorResult<T, undefined>> {
  readonly #get: Operation<T>;
  /** It ended before it began to wait. */
  #ended = false;

  constructor(get: Operation<T>) {
    super();
    this.#get = get;
  }

  describe(): string {
    return this.#get.describe();
  }

  override $inCallback(hub: Hub): { value: IteratorResult<T, undefined> } | null {
    const now = this.#get.$inCallback(hub);
    return now === null ? null : { value: step(now.value) };
  }

  begin(hub: Hub, slot: number): boolean {
    if (debugging) hub.debug.consumed(this.#get);
    try {
      return this.#get.begin(hub, slot);
    } catch (error) {
      if (!(error instanceof ShutDown)) throw error;
      this.#ended = true;
      return true;
    }
  }

  complete(hub: Hub, slot: number): IteratorResult<T, undefined> {
    if (this.#ended) return { done: true, value: undefined };
    try {
      return step(this.#get.complete(hub, slot));
    } catch (error) {
      if (!(error instanceof ShutDown)) throw error;
      return this.#last(hub, slot);
    }
  }

  /** A shutdown raises in all who wait, also if there are items by then: those come before the end. */
  #last(hub: Hub, slot: number): IteratorResult<T, undefined> {
    try {
      if (this.#get.begin(hub, slot)) return step(this.#get.complete(hub, slot));
      this.#get.abandon(hub, slot);
    } catch (error) {
      if (!(error instanceof ShutDown)) throw error;
    }
    return { done: true, value: undefined };
  }

  override abandon(hub: Hub, slot: number): void {
    this.#get.abandon(hub, slot);
  }
}

function step<T>(item: T): IteratorResult<T, undefined> {
  return (item as unknown) === END ? { done: true, value: undefined } : { done: false, value: item };
}

/** Each step is an operation, and `for await` takes them as they are. */
export class Items<T> implements AsyncIterableIterator<T> {
  readonly #source: { next(): Operation<IteratorResult<T, undefined>> };

  constructor(source: { next(): Operation<IteratorResult<T, undefined>> }) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return this.#source.next().then() as unknown as Promise<IteratorResult<T, undefined>>;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function* each<T>(source: Source<T>, fn: (item: T) => unknown): Generator<Park, number, any> {
  let shut = false;
  for (let count = 0; ; ) {
    let item: T;
    try {
      item = yield* source.get();
    } catch (error) {
      if (!(error instanceof ShutDown)) throw error;
      if (shut) return count;
      // It waited: items may have come since, and are given out first.
      shut = true;
      continue;
    }
    if ((item as unknown) === END) return count;
    ++count;
    const result = fn(item);
    if (result !== undefined) yield* settle(result);
  }
}

/**
 * Run `fn(item)` for each item that `source` gives, one after another, until it is shut down and empty, or gives `END`: how many
 * there were. `fn` may be a generator function, or give an operation or a promise, and is waited for. Switch point.
 *
 *     yield* forEach(queue, function* (job) { yield* handle(job); });
 *
 * In a generator body it runs in the current greenlet; with `await` in one of its own. In async code `for await` does the same.
 */
export function forEach<T>(source: Source<T>, fn: (item: T) => unknown): Operation<number> {
  if (typeof source?.get !== 'function') {
    throw wrongType('forEach(source)', 'a queue or channel', source);
  }
  if (typeof fn !== 'function') throw wrongType('forEach(fn)', 'a function', fn);
  return new Framed('forEach', () => each(source, fn));
}
