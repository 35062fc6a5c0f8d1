// ThreadPool: functions run in real threads, while greenlets wait for them.
//
// The pool itself counts: who may hand a task over (permits of the core), which tasks wait, how many run. Threads, messages and idle
// times are piscina's. Threads belong to an *engine*, a piscina with a fixed number of them; another size makes another engine, and the
// old one ends with its last task.
//
//   P1  a task is in #waiting, or runs in one engine, or is settled; it is settled once
//   P2  permits: maxsize + 1 - outstanding, less #debt while maxsize was lowered under the tasks' feet

import { Piscina } from 'piscina';
import { describe, type Seconds, toMs } from '../core/clock.ts';
import { AsyncResult, Event } from '../event.ts';
import { InvalidThreadUseError } from '../exceptions.ts';
import { Framed } from '../framed.ts';
import { Greenlet, type OtherBody } from '../gevent-greenlet.ts';
import { debugging } from '../hub/current.ts';
import { type Hub, setThreadPoolMaker } from '../hub/hub.ts';
import { type Operation, SingleUse } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { hubHere } from '../limit.ts';
import { Semaphore } from '../lock.ts';
import { IMap, type IMapOptions, IMapUnordered, splitImap } from '../mapping.ts';
import { Full } from '../simple-queue.ts';
import type { Limit } from '../timeout.ts';
import { until } from '../until.ts';
import { checkTask, isSentError, lost, nameOf, pack, received, TaskError, type ThreadFunction } from './thread-task.ts';

const WORKER = new URL(import.meta.url.endsWith('.ts') ? './thread-worker.ts' : './thread-worker.js', import.meta.url)
  .href;

export interface ThreadPoolOptions {
  /** Seconds after which a thread without work ends; null, 0 or less: never. Default null. */
  idleTaskTimeout?: Seconds | null;
  /** Whose greenlets may use it. Default: the hub of where it is made. */
  hub?: Hub | null;
}

/** `spawnNowait` on a pool that has no room. */
export class ThreadPoolFull extends Full {}

const Task = { WAITING: 0, RUNNING: 1, SETTLED: 2 } as const;

/** What a task will give: an AsyncResult that can call the task off. */
export class ThreadResult<T = unknown> extends AsyncResult<T> {
  /** @internal */ readonly $fn: ThreadFunction;
  /** @internal */ $args: unknown[];
  /** @internal Its error is told by somebody else. */ readonly $quiet: boolean;
  /** @internal */ $state: number = Task.WAITING;
  /** @internal */ $controller: AbortController | null = null;
  /** @internal */ readonly $pool: ThreadPool;
  #cancelled = false;

  /** @internal */
  constructor(pool: ThreadPool, fn: ThreadFunction, args: unknown[], quiet: boolean) {
    super();
    this.$pool = pool;
    this.$fn = fn;
    this.$args = args;
    this.$quiet = quiet;
  }

  /** @internal */
  override describe(): string {
    return `ThreadResult.get of ${nameOf(this.$fn)}`;
  }

  /** True while a thread runs it. */
  running(): boolean {
    return this.$state === Task.RUNNING;
  }

  /**
   * Call the task off: one that waits is dropped; one that runs is stopped by ending its thread, wherever it is. Who waits for the result gets
   * a TaskError, `GEVENT_TASK_CANCELLED`. Never a switch point.
   * @returns false if it is over already
   */
  override cancel(): boolean {
    if (this.$state === Task.SETTLED) return false;
    this.#cancelled = true;
    this.$pool.$cancel(this);
    return true;
  }

  /** True if it was called off. */
  override cancelled(): boolean {
    return this.#cancelled;
  }

  override toString(): string {
    return `<ThreadResult of ${nameOf(this.$fn)} ${this.ready() ? 'ready' : this.running() ? 'running' : 'waiting'}>`;
  }
}

class Room extends Semaphore {
  override describe(): string {
    return 'ThreadPool.spawn, every thread is busy';
  }
}

class Engine {
  readonly piscina: Piscina;
  readonly ended = Promise.withResolvers<void>();
  busy = 0;
  #retired = false;
  readonly #gone: (engine: Engine) => void;

  constructor(
    threads: number,
    least: number,
    idleMs: number,
    gone: (engine: Engine) => void,
    failed: (e: unknown) => void,
  ) {
    this.#gone = gone;
    // Without 'sync', which has a thread without work stand still: connections and timers that a module keeps there would as well.
    this.piscina = new Piscina({
      filename: WORKER,
      name: 'run',
      minThreads: least,
      maxThreads: threads,
      idleTimeout: idleMs,
      atomics: 'disabled',
    });
    this.piscina.on('error', failed);
  }

  /** End it when its tasks have. */
  retire(): void {
    this.#retired = true;
    if (this.busy === 0) this.end();
  }

  /** One task less. */
  left(): void {
    if (--this.busy === 0 && this.#retired) this.end();
  }

  /** End its threads, whatever they do. */
  end(): void {
    this.#retired = true;
    this.piscina.destroy().then(() => {
      this.#gone(this);
      this.ended.resolve();
    });
  }
}

/**
 * Functions run in at most `maxsize` threads. `spawn` hands one over and gives a result to wait for.
 *
 *     const pool = new ThreadPool(4);
 *     const sum = yield* pool.apply((n) => { let s = 0; for (let i = 0; i < n; ++i) s += i; return s; }, [1e9]);
 *
 * A function is sent by module and export (`fromModule`), or as text, if it needs nothing but its arguments. Arguments and results are
 * copied, or moved (`move`). What keeps the process alive are running tasks; threads without work do not.
 * @see `gevent.threadpool.ThreadPool`, the source. Differs: threads share no objects, so functions, arguments and results have to be sent;
 *   a task can be called off.
 */
export class ThreadPool {
  /** Whose greenlets may use it. */
  readonly hub: Hub;
  #maxsize: number;
  readonly #idleMs: number;
  readonly #room: Room;
  /** Permits that are to be taken back as tasks end. */
  #debt = 0;
  readonly #waiting: ThreadResult<any>[] = [];
  readonly #running = new Set<ThreadResult<any>>();
  #outstanding = 0;
  readonly #none = new Event();
  #engine: Engine | null = null;
  readonly #engines = new Set<Engine>();
  readonly #closer = () => this.#terminate();

  /**
   * @param maxsize - threads at most, an integer of 0 or more; they are started when they are needed
   * @throws TypeError or RangeError if it is none
   */
  constructor(maxsize: number, { idleTaskTimeout = null, hub = null }: ThreadPoolOptions = {}) {
    checkSize(maxsize, 'ThreadPool(maxsize)', Infinity);
    const idleMs = idleTaskTimeout === null ? 0 : toMs(idleTaskTimeout, 'ThreadPool(idleTaskTimeout)');
    this.#idleMs = idleMs > 0 ? idleMs : Infinity;
    this.#maxsize = maxsize;
    this.#room = new Room(maxsize + 1);
    this.hub = hub ?? hubHere();
    this.#none.set();
  }

  /** Threads at most. Raising it lets those go on who wait in `spawn`; lowering it lets running tasks end. */
  get maxsize(): number {
    return this.#maxsize;
  }

  set maxsize(maxsize: number) {
    checkSize(maxsize, 'ThreadPool.maxsize', Infinity);
    const more = maxsize - this.#maxsize;
    if (more === 0) return;
    this.#maxsize = maxsize;
    this.#retire();
    if (more > 0) {
      const owed = Math.min(this.#debt, more);
      this.#debt -= owed;
      if (more > owed) this.#room.release(more - owed);
    } else for (let i = more; i < 0; ++i) if (!this.#room.acquireNowait()) ++this.#debt;
    this.#pump();
  }

  /** Threads alive. Set it, up to `maxsize`, to have them ready; to 0 to have them end when their tasks do. */
  get size(): number {
    let size = 0;
    for (const { piscina } of this.#engines) size += piscina.threads.length;
    return size;
  }

  set size(size: number) {
    checkSize(size, 'ThreadPool.size', this.#maxsize);
    if (size === this.size) return;
    this.#retire();
    if (size > 0) this.#engine = this.#start(size);
  }

  /** Tasks that are not over. */
  get length(): number {
    return this.#outstanding;
  }

  /**
   * Have `fn(...args)` run in a thread: gives its result to be, an AsyncResult. Switch point only once `maxsize + 1` tasks are not
   * over. Its error is reported, and raised by the result's `get()`.
   * @throws TaskError `GEVENT_TASK_UNSENDABLE` if `fn` is no function that can be sent
   * @throws InvalidThreadUseError if it is used on another hub
   */
  spawn<A extends unknown[], R>(fn: ThreadFunction<A, R>, ...args: A): Operation<ThreadResult<Awaited<R>>> {
    checkTask(fn, 'spawn(fn)');
    return new Submit<Awaited<R>>(this, this.#room, fn, args, false);
  }

  /** The same now. @throws ThreadPoolFull if it would have to wait */
  spawnNowait<A extends unknown[], R>(fn: ThreadFunction<A, R>, ...args: A): ThreadResult<Awaited<R>> {
    checkTask(fn, 'spawnNowait(fn)');
    if (!this.#room.acquireNowait()) throw new ThreadPoolFull(`${this} is full`);
    return this.$submit(fn, args, false);
  }

  /** @internal `spawn` of a task whose error is told by somebody else. */
  $spawnQuiet(fn: ThreadFunction, args: unknown[]): Operation<ThreadResult<any>> {
    return new Submit<any>(this, this.#room, fn, args, true);
  }

  // ---- tasks --------------------------------------------------------------------------------------------------------

  /** @internal There is a permit for it. */
  $submit<T>(fn: ThreadFunction, args: unknown[], quiet: boolean): ThreadResult<T> {
    const result = new ThreadResult<T>(this, fn, args, quiet);
    if (this.#outstanding++ === 0) this.#none.clear();
    ++this.hub.foreign;
    this.#waiting.push(result);
    this.#pump();
    return result;
  }

  #pump(): void {
    while (this.#running.size < this.#maxsize && this.#waiting.length > 0) {
      this.#engine ??= this.#start(0);
      this.#run(this.#waiting.shift() as ThreadResult<any>, this.#engine);
    }
  }

  #run(result: ThreadResult<any>, engine: Engine): void {
    const { $fn: fn, $args: args } = result;
    result.$state = Task.RUNNING;
    result.$controller = new AbortController();
    this.#running.add(result);
    ++engine.busy;
    const { task, transferList } = pack(fn, args);
    engine.piscina.run(task, { transferList: transferList as any, signal: result.$controller.signal }).then(
      (value) => {
        this.#ran(result, engine);
        if (isSentError(value)) this.#settle(result, false, received(value));
        else this.#settle(result, true, value);
      },
      (error: unknown) => {
        this.#ran(result, engine);
        this.#settle(result, false, lost(error, fn));
      },
    );
  }

  #ran(result: ThreadResult<any>, engine: Engine): void {
    this.#running.delete(result);
    engine.left();
    this.#pump();
  }

  /** P1 */
  #settle(result: ThreadResult<any>, ok: boolean, value: unknown): void {
    if (result.$state === Task.SETTLED) return;
    result.$state = Task.SETTLED;
    result.$controller = null;
    result.$args = [];
    const { hub } = this;
    --hub.foreign;
    if (--this.#outstanding === 0) this.#none.set();
    if (this.#debt > 0) --this.#debt;
    else this.#room.release();
    if (ok) result.set(value);
    else {
      result.setException(value);
      if (!result.$quiet && !result.cancelled() && !hub.destroyed) hub.$route(result, value);
    }
    hub.kick();
  }

  /** @internal */
  $cancel(result: ThreadResult<any>): void {
    const at = this.#waiting.indexOf(result);
    if (at >= 0) this.#waiting.splice(at, 1);
    const controller = result.$controller;
    this.#settle(result, false, new TaskError('GEVENT_TASK_CANCELLED', `${nameOf(result.$fn)} was called off`));
    controller?.abort();
  }

  // ---- threads ------------------------------------------------------------------------------------------------------

  #start(least: number): Engine {
    const engine = new Engine(
      Math.max(1, this.#maxsize),
      least,
      this.#idleMs,
      (gone) => {
        this.#engines.delete(gone);
        if (this.#engines.size > 0) return;
        const { closers } = this.hub;
        const at = closers.indexOf(this.#closer);
        if (at >= 0) closers.splice(at, 1);
      },
      (error) => this.hub.$route(this, error),
    );
    if (this.#engines.size === 0) this.hub.closers.push(this.#closer);
    this.#engines.add(engine);
    return engine;
  }

  /** The present threads end with their tasks. */
  #retire(): void {
    this.#engine?.retire();
    this.#engine = null;
  }

  /** Wait until no task is left: true; false if `timeout` came first. Switch point, unless there is none. */
  join(options: { timeout?: Limit } = {}): Operation<boolean> {
    return this.#none.wait(options);
  }

  /**
   * End the threads when all tasks handed over so far are over, and wait for that. The order is given at once; `spawn` starts new threads
   * afterwards. To end them at once: `terminate`.
   */
  kill(): Operation<void> {
    const engine = this.#engine;
    // Theirs is the last work of these threads.
    if (engine !== null) for (const result of this.#waiting.splice(0)) this.#run(result, engine);
    this.#retire();
    return this.#ending('ThreadPool.kill');
  }

  /** Call every task off and end the threads at once, wherever they are; waits until they have ended. The order is given at once. */
  terminate(): Operation<void> {
    this.#terminate();
    return this.#ending('ThreadPool.terminate');
  }

  /** @internal Call off what no thread has begun. */
  $cancelWaiting(): void {
    for (const result of [...this.#waiting]) result.cancel();
  }

  #terminate(): void {
    this.#engine = null;
    for (const result of [...this.#waiting, ...this.#running]) result.cancel();
    for (const engine of this.#engines) engine.end();
  }

  #ending(what: string): Operation<void> {
    const engines = [...this.#engines];
    const operation = new Framed<void>(what, function* () {
      for (const engine of engines) yield* until(engine.ended.promise);
    });
    // The order stands, whether or not anybody waits for the end.
    if (debugging) this.hub.debug.consumed(operation);
    return operation;
  }

  /** Ends an `await using` block: waits for the tasks, and ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  // ---- mapping ------------------------------------------------------------------------------------------------------

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

  toString(): string {
    return `<ThreadPool tasks=${this.#outstanding} size=${this.size} maxsize=${this.#maxsize}>`;
  }
}

/** Arguments as one array, which may be left out if there are none. */
type Arguments<A extends unknown[]> = [] extends A ? [args?: A] : [args: A];
type ImapRest = [...iterables: Iterable<any>[], options: IMapOptions] | Iterable<any>[];

/** Hands a task over, when there is room. */
class Submit<T> extends SingleUse<ThreadResult<T>> {
  readonly #pool: ThreadPool;
  readonly #room: Operation<boolean>;
  readonly #fn: ThreadFunction;
  readonly #args: unknown[];
  readonly #quiet: boolean;

  constructor(pool: ThreadPool, room: Room, fn: ThreadFunction, args: unknown[], quiet: boolean) {
    super();
    this.#pool = pool;
    this.#room = room.acquire();
    this.#fn = fn;
    this.#args = args;
    this.#quiet = quiet;
    if (debugging) pool.hub.debug.consumed(this.#room);
  }

  describe(): string {
    return this.#room.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (hub !== this.#pool.hub) {
      throw new InvalidThreadUseError(`${this.#pool} belongs to ${this.#pool.hub} and cannot be used on ${hub}`);
    }
    return this.#room.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): ThreadResult<T> {
    this.#room.complete(hub, slot);
    return this.#pool.$submit<T>(this.#fn, this.#args, this.#quiet);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#room.abandon(hub, slot);
  }

  override $inCallback(hub: Hub): { value: ThreadResult<T> } | null {
    if (this.#room.$inCallback(hub) === null) return null;
    this.use();
    return { value: this.#pool.$submit<T>(this.#fn, this.#args, this.#quiet) };
  }
}

function checkSize(size: unknown, where: string, most: number): void {
  if (typeof size !== 'number')
    throw new TypeError(`${where}: expected an integer of 0 or more, got ${describe(size)}`);
  if (!Number.isInteger(size) || size < 0) {
    throw new RangeError(`${where}: expected an integer of 0 or more, got ${describe(size)}`);
  }
  if (size > most) throw new RangeError(`${where}: expected at most maxsize, ${most}, got ${size}`);
}

function checkCallback(callback: unknown, where: string): void {
  if (callback !== null && typeof callback !== 'function') {
    throw new TypeError(`${where}: expected a function, got ${describe(callback)}`);
  }
}

function checkMap(fn: unknown, items: unknown, callback: unknown): void {
  checkTask(fn, 'map(fn)');
  if (typeof (items as Iterable<unknown>)?.[Symbol.iterator] !== 'function') {
    throw new TypeError(`map(items): expected an iterable, got ${describe(items)}`);
  }
  checkCallback(callback, 'map(callback)');
}

setThreadPoolMaker((hub, type, size, idleTaskTimeout) => {
  const Type = typeof type === 'function' ? (type as typeof ThreadPool) : ThreadPool;
  return new Type(size, { idleTaskTimeout, hub });
});
