// ThreadPoolExecutor: a ThreadPool as Python's concurrent.futures has it.

import { availableParallelism } from 'node:os';
import { describe, needFunction, wrongRange } from '../core/arguments.ts';
import { GeventError } from '../exceptions.ts';
import { Framed } from '../framed.ts';
import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { Operation } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { IMap, type IMapOptions, splitImap } from '../imap.ts';
import { timeoutOf } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import type { ThreadResult } from './thread-result.ts';
import { checkTask, TaskError, type ThreadFunction } from './thread-task.ts';
import { ThreadPool, type ThreadPoolOptions } from './threads.ts';

/** A future had no result in time. */
export class FutureTimeoutError extends GeventError {
  static override readonly name: string = 'FutureTimeoutError';
  constructor(message: string) {
    super('GEVENT_FUTURE_TIMEOUT', message);
  }
}

/** The result of a function given to a ThreadPoolExecutor. `wait()` and `iwait()` take it. */
export class Future<T = unknown> {
  readonly #result: ThreadResult<T>;
  readonly #callbacks = new Map<(future: any) => unknown, () => void>();

  /** @internal */
  constructor(result: ThreadResult<T>) {
    this.#result = result;
  }

  /** Wait for the value, or raise the error. @throws FutureTimeoutError if `timeout` came first */
  result(options: { timeout?: Limit } = {}): Operation<T> {
    return this.#waiting('Future.result', timeoutOf('result(options)', options) ?? null, (result) =>
      result.getNowait(),
    );
  }

  /** Wait for the error; undefined if there is none. @throws FutureTimeoutError if `timeout` came first */
  exception(options: { timeout?: Limit } = {}): Operation<unknown> {
    return this.#waiting('Future.exception', timeoutOf('exception(options)', options) ?? null, (result) => {
      if (result.cancelled()) throw result.exception;
      return result.exception;
    });
  }

  #waiting<R>(what: string, limit: Limit, give: (result: ThreadResult<T>) => R): Operation<R> {
    const result = this.#result;
    const wait = function* (): Generator<Park, R, any> {
      if (!result.ready()) {
        yield* result.wait({ timeout: limit });
        if (!result.ready()) {
          const seconds = limit instanceof Timeout ? limit.seconds : limit;
          throw new FutureTimeoutError(`${result} was not ready in ${describe(seconds)} seconds`);
        }
      }
      return give(result);
    };
    return new Framed(what, wait);
  }

  /** True once it has a result, or was cancelled. */
  done(): boolean {
    return this.#result.ready();
  }

  /** The same, as everything that can be waited for has it. */
  ready(): boolean {
    return this.#result.ready();
  }

  /** True once it has a value. */
  successful(): boolean {
    return this.#result.successful();
  }

  /** The value, if it is there. */
  get value(): T | undefined {
    return this.#result.value;
  }

  /** True while a thread runs it. */
  running(): boolean {
    return this.#result.running();
  }

  /** True if it was cancelled. */
  cancelled(): boolean {
    return this.#result.cancelled();
  }

  /** Call it off, unless a thread runs it already. */
  cancel(): boolean {
    if (this.cancelled()) return true;
    return !this.running() && this.#result.cancel();
  }

  /** Have `fn(future)` called when it is done, in the hub; at once if it is. Errors in it are reported. */
  addDoneCallback(fn: (future: this) => unknown): void {
    needFunction('addDoneCallback(fn)', fn);
    const { hub } = this.#result.$pool;
    if (this.done()) hub.callback([fn, this], fn, [this]);
    else this.#result.rawlink(() => hub.callback([fn, this], fn, [this]));
  }

  /** Have `callback(this)` called in the hub when it is done. */
  rawlink(callback: (future: this) => void): void {
    needFunction('rawlink', callback);
    const link = () => {
      this.#callbacks.delete(callback);
      callback(this);
    };
    if (this.#callbacks.has(callback)) return;
    this.#callbacks.set(callback, link);
    this.#result.rawlink(link);
  }

  /** Take a link off again; an unknown one is ignored. */
  unlink(callback: (future: any) => void): void {
    const link = this.#callbacks.get(callback);
    if (link === undefined) return;
    this.#callbacks.delete(callback);
    this.#result.unlink(link);
  }

  toString(): string {
    const state = this.cancelled() ? 'cancelled' : this.done() ? 'finished' : this.running() ? 'running' : 'pending';
    return `<Future ${state}>`;
  }
}

/** Hands a function over, when there is room. */
class Submit<T> extends Operation<Future<T>> {
  readonly #spawn: Operation<ThreadResult<T>>;
  readonly #check: () => void;

  constructor(spawn: Operation<ThreadResult<T>>, hub: Hub, check: () => void) {
    super();
    this.#spawn = spawn;
    this.#check = check;
    if (debugging) hub.debug.consumed(spawn);
  }

  describe(): string {
    return this.#spawn.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    this.#check();
    return this.#spawn.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): Future<T> {
    return new Future(this.#spawn.complete(hub, slot));
  }

  override abandon(hub: Hub, slot: number): void {
    this.#spawn.abandon(hub, slot);
  }
}

/**
 * A ThreadPool behind the interface of futures. Errors are the futures' and are not reported.
 * @see `gevent.threadpool.ThreadPoolExecutor`, the source. Differs: `submit` waits while `maxWorkers + 1` tasks are not over.
 */
export class ThreadPoolExecutor {
  readonly #pool: ThreadPool;
  #shut = false;

  /** @param maxWorkers - threads at most, an integer from 1. Default: as many as the machine has processors for */
  constructor(maxWorkers: number = availableParallelism(), options: ThreadPoolOptions = {}) {
    if (!Number.isInteger(maxWorkers) || maxWorkers < 1) {
      throw wrongRange('ThreadPoolExecutor(maxWorkers)', 'an integer from 1', maxWorkers);
    }
    this.#pool = new ThreadPool(maxWorkers, options);
  }

  /** Have `fn(...args)` run in a thread. Switch point only while `maxWorkers + 1` are not over. */
  submit<A extends unknown[], R>(fn: ThreadFunction<A, R>, ...args: A): Operation<Future<Awaited<R>>> {
    checkTask(fn, 'submit(fn)');
    this.#check();
    return new Submit<Awaited<R>>(this.#pool.$spawnQuiet(fn, args), this.#pool.hub, () => this.#check());
  }

  #check(): void {
    if (this.#shut) throw new TaskError('GEVENT_EXECUTOR_SHUT', 'cannot schedule new futures after shutdown');
  }

  /** The results in order, as an iterator. Several iterables are zipped. */
  map<R>(
    fn: ThreadFunction<any[], R>,
    ...rest: [...iterables: Iterable<any>[], options: IMapOptions] | Iterable<any>[]
  ): IMap<Awaited<R>> {
    checkTask(fn, 'map(fn)');
    this.#check();
    const pool = this.#pool;
    const runs = { spawn: (task: ThreadFunction, ...args: unknown[]) => pool.$spawnQuiet(task, args) };
    const made = new IMap<Awaited<R>>(runs, fn, splitImap(rest, 'map'));
    made.start();
    return made;
  }

  /**
   * Take no more functions, and end the threads when all is over. The order is given at once.
   * @param options.wait - wait for that. Default true
   * @param options.cancelFutures - call off what has not begun. Default false
   */
  shutdown({ wait = true, cancelFutures = false }: { wait?: boolean; cancelFutures?: boolean } = {}): Operation<void> {
    this.#shut = true;
    if (cancelFutures) this.#pool.$cancelWaiting();
    const killed = this.#pool.kill();
    if (wait) return killed;
    const operation = new Framed<void>('ThreadPoolExecutor.shutdown', function* () {});
    if (debugging) this.#pool.hub.debug.consumed(operation);
    return operation;
  }

  /** Ends an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  toString(): string {
    return `<ThreadPoolExecutor ${this.#pool}>`;
  }
}
