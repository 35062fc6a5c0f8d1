// ThreadPool: functions run in real threads, while greenlets wait for them.
//
// The pool itself counts: who may hand a task over (permits of the core), which tasks wait, how many run. Threads belong to an engine
// with a fixed number of them (thread-engine.ts); another size makes another engine, and the old one ends with its last task.
//
//   P1  a task is in #waiting, or runs in one engine, or is settled; it is settled once
//   P2  permits: maxsize + 1 - outstanding, less #debt while maxsize was lowered under the tasks' feet

import { needOptions, wrongRange, wrongType } from '../core/arguments.ts';
import { type Seconds, toMs } from '../core/clock.ts';
import { Event } from '../event.ts';
import { InvalidThreadUseError } from '../exceptions.ts';
import { Framed } from '../framed.ts';
import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { setThreadPoolMaker } from '../hub/layers-above.ts';
import { type Operation, SingleUse } from '../hub/operation.ts';
import { hubHere } from '../limit.ts';
import { Semaphore } from '../lock.ts';
import { Full } from '../simple-queue.ts';
import type { Limit } from '../timeout.ts';
import { until } from '../until.ts';
import { Engine } from './thread-engine.ts';
import { ThreadMapping } from './thread-mapping.ts';
import { Task, ThreadResult } from './thread-result.ts';
import { checkTask, isSentError, lost, nameOf, pack, received, TaskError, type ThreadFunction } from './thread-task.ts';

export interface ThreadPoolOptions {
  /** Seconds after which a thread without work ends; null, 0 or less: never. Default null. */
  idleTaskTimeout?: Seconds | null;
  /** Whose greenlets may use it. Default: the hub of where it is made. */
  hub?: Hub | null;
}

/** `spawnNowait` on a pool that has no room. */
export class ThreadPoolFull extends Full {
  static override readonly name: string = 'ThreadPoolFull';
}

class Room extends Semaphore {
  override describe(): string {
    return 'ThreadPool.spawn, every thread is busy';
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
export class ThreadPool extends ThreadMapping {
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
  constructor(maxsize: number, options: ThreadPoolOptions = {}) {
    super();
    needOptions('ThreadPool(options)', options, ['idleTaskTimeout', 'hub']);
    const { idleTaskTimeout = null, hub = null } = options;
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

  override toString(): string {
    return `<ThreadPool tasks=${this.#outstanding} size=${this.size} maxsize=${this.#maxsize}>`;
  }
}

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
  if (typeof size !== 'number') throw wrongType(where, 'an integer of 0 or more', size);
  if (!Number.isInteger(size) || size < 0) {
    throw wrongRange(where, 'an integer of 0 or more', size);
  }
  if (size > most) throw new RangeError(`${where}: expected at most maxsize, ${most}, got ${size}`);
}

setThreadPoolMaker((hub, type, size, idleTaskTimeout) => {
  const Type = typeof type === 'function' ? (type as typeof ThreadPool) : ThreadPool;
  return new Type(size, { idleTaskTimeout, hub });
});
