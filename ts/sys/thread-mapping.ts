// Calls of a ThreadPool that wait for what they hand over: one function, or one for each of many items.

import { needFunction, wrongType } from '../core/arguments.ts';
import { Framed } from '../framed.ts';
import { Greenlet, type OtherBody } from '../gevent-greenlet.ts';
import type { Hub } from '../hub/hub.ts';
import type { Operation } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { IMap, type IMapOptions, IMapUnordered, splitImap } from '../imap.ts';
import type { ThreadResult } from './thread-result.ts';
import { checkTask, type ThreadFunction } from './thread-task.ts';

/** Arguments as one array, which may be left out if there are none. */
type Arguments<A extends unknown[]> = [] extends A ? [args?: A] : [args: A];
type ImapRest = [...iterables: Iterable<any>[], options: IMapOptions] | Iterable<any>[];

/** @internal What ThreadPool has besides handing tasks over one by one. */
export abstract class ThreadMapping {
  abstract readonly hub: Hub;
  abstract spawn<A extends unknown[], R>(fn: ThreadFunction<A, R>, ...args: A): Operation<ThreadResult<Awaited<R>>>;

  /** Run `fn(...args)` in a thread and wait for what it gives; its error is raised here. Killed or timed out, it calls the task off. */
  apply<A extends unknown[], R>(fn: ThreadFunction<A, R>, ...[args]: Arguments<A>): Operation<Awaited<R>> {
    checkTask(fn, 'apply(fn)');
    return new Framed('ThreadPool.apply', () => this.#apply(fn, args ?? []));
  }

  *#apply(fn: ThreadFunction, args: unknown[]): Generator<Park, any, any> {
    const result = yield* this.spawn(fn, ...args);
    try {
      return yield* result.get();
    } finally {
      result.cancel();
    }
  }

  /** `apply` that does not wait: a Greenlet with the result. `callback(value)` runs in a greenlet of its own. Never a switch point. */
  applyAsync<R>(
    fn: ThreadFunction<any[], R>,
    args: unknown[] = [],
    callback: ((value: Awaited<R>) => unknown) | null = null,
  ): Greenlet<Awaited<R>> {
    checkTask(fn, 'applyAsync(fn)');
    checkCallback(callback, 'applyAsync(callback)');
    return this.#quietly(() => this.#applyCb(fn, args, callback));
  }

  /** `apply`, and then `callback(value)` in a greenlet of its own. */
  applyCb<R>(
    fn: ThreadFunction<any[], R>,
    args: unknown[] = [],
    callback: ((value: Awaited<R>) => unknown) | null = null,
  ): Operation<Awaited<R>> {
    checkTask(fn, 'applyCb(fn)');
    checkCallback(callback, 'applyCb(callback)');
    return new Framed('ThreadPool.applyCb', () => this.#applyCb(fn, args, callback));
  }

  *#applyCb(
    fn: ThreadFunction,
    args: unknown[],
    callback: ((value: any) => unknown) | null,
  ): Generator<Park, any, any> {
    const value = yield* this.#apply(fn, args);
    if (callback !== null) Greenlet.spawn(callback as OtherBody<[unknown], unknown>, value);
    return value;
  }

  /**
   * `fn(item)` for each item, in threads: the results in the order of the items. The first failing position is raised, the others run on.
   * Killed or timed out, it calls off what is not over. Switch point.
   */
  map<T, R>(fn: ThreadFunction<[T], R>, items: Iterable<T>): Operation<Awaited<R>[]> {
    return this.mapCb(fn, items);
  }

  /** `map`, and then `callback(list)` before this returns. */
  mapCb<T, R>(
    fn: ThreadFunction<[T], R>,
    items: Iterable<T>,
    callback: ((values: Awaited<R>[]) => unknown) | null = null,
  ): Operation<Awaited<R>[]> {
    checkMap(fn, items, callback);
    return new Framed('ThreadPool.map', () => this.#map(fn, items, callback));
  }

  /** `map` that does not wait: a Greenlet with the list. `callback(list)` runs in that greenlet. Never a switch point. */
  mapAsync<T, R>(
    fn: ThreadFunction<[T], R>,
    items: Iterable<T>,
    callback: ((values: Awaited<R>[]) => unknown) | null = null,
  ): Greenlet<Awaited<R>[]> {
    checkMap(fn, items, callback);
    return this.#quietly(() => this.#map(fn, items, callback));
  }

  *#map(
    fn: ThreadFunction,
    items: Iterable<unknown>,
    callback: ((values: any[]) => unknown) | null,
  ): Generator<Park, any[], any> {
    const results: ThreadResult<any>[] = [];
    const values: unknown[] = [];
    let interrupted = true;
    try {
      for (const item of items) results.push(yield* this.spawn(fn, item));
      for (const result of results) {
        yield* result.wait();
        if (!result.successful()) {
          interrupted = false;
          throw result.exception;
        }
        values.push(result.value);
      }
      interrupted = false;
    } finally {
      if (interrupted) for (const result of results) result.cancel();
    }
    callback?.(values);
    return values;
  }

  /** The errors of its tasks have been reported. */
  #quietly<T>(body: () => Generator<Park, T, any>): Greenlet<T> {
    const greenlet = this.hub.spawn(body);
    greenlet.$quiet = true;
    return greenlet;
  }

  /**
   * `map` as an iterator, in order: `for await (const r of pool.imap(fn, items))`, or `yield* it.next()`. Several iterables are zipped.
   * With `maxsize` at most so many results wait to be taken.
   */
  imap<R>(fn: ThreadFunction<any[], R>, ...rest: ImapRest): IMap<Awaited<R>> {
    checkTask(fn, 'imap(fn)');
    const made = new IMap<Awaited<R>>(this, fn, splitImap(rest, 'imap'));
    made.start();
    return made;
  }

  /** The same in the order in which they are done. */
  imapUnordered<R>(fn: ThreadFunction<any[], R>, ...rest: ImapRest): IMapUnordered<Awaited<R>> {
    checkTask(fn, 'imapUnordered(fn)');
    const made = new IMapUnordered<Awaited<R>>(this, fn, splitImap(rest, 'imapUnordered'));
    made.start();
    return made;
  }
}

function checkCallback(callback: unknown, where: string): void {
  if (callback !== null) needFunction(where, callback);
}

function checkMap(fn: unknown, items: unknown, callback: unknown): void {
  checkTask(fn, 'map(fn)');
  if (typeof (items as Iterable<unknown>)?.[Symbol.iterator] !== 'function') {
    throw wrongType('map(items)', 'an iterable', items);
  }
  checkCallback(callback, 'map(callback)');
}
