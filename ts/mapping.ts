// map and imap: functions over items, run by the members of a group.
//
// A bounded Pool runs `map` in at most `size` greenlets, each taking one item after another, since a greenlet an item costs
// three times what a no-op does. Between items such a greenlet lets others run and is made as new: what it deferred has run, its locals
// are gone. An unbounded group, or one with a greenletClass of its own, has a greenlet for each item.
//
//   M1  an item that was begun has a result: what fn gave, its error, or the GreenletExit its greenlet was killed with
//   M2  the error of an item is reported when it happens, as any greenlet's, and raised by position

import { describe } from './core/clock.ts';
import { Deque } from './deque.ts';
import type { ResultSource } from './event.ts';
import { GreenletExit } from './exceptions.ts';
import { Greenlet } from './gevent-greenlet.ts';
import type { Group } from './group.ts';
import type { Hub } from './hub/hub.ts';
import { type Operation, RowWait } from './hub/operation.ts';
import type { Park } from './hub/protocol.ts';
import { Semaphore } from './lock.ts';
import { sleep } from './sleep.ts';
import { settle } from './unwind.ts';
import type { Linkable } from './waiting.ts';

// ---- map ------------------------------------------------------------------------------------------------------------

const turn = sleep(0);

interface Outcome {
  readonly error: unknown;
}

/** The items of one map, one taken ahead so that their end is known, and their results by position. */
class Work {
  readonly fn: (item: any) => unknown;
  readonly values: unknown[] = [];
  /** The next item, if there is `more`. */
  item: unknown = undefined;
  /** There is an item that nobody has begun. */
  more = true;
  /** Items begun: the position of the next. */
  begun = 0;
  /** An array needs no iterator. */
  readonly #list: unknown[] | null;
  readonly #items: Iterator<unknown> | null;
  /** Done before one that comes before them. */
  readonly #early = new Set<number>();
  #failures: Map<number, Outcome> | null = null;
  /** All below are done, and none of them failed. */
  #prefix = 0;
  /** What the map raises: the first failing position, or what the iterable threw. */
  #failure: Outcome | null = null;
  /** The one who waits for it. */
  waiter: WaitForWork | null = null;

  constructor(fn: (item: any) => unknown, items: Iterable<unknown>) {
    this.fn = fn;
    this.#list = Array.isArray(items) ? items : null;
    this.#items = this.#list === null ? items[Symbol.iterator]() : null;
    this.#lookAhead();
  }

  #lookAhead(): void {
    const list = this.#list;
    if (list !== null) {
      this.more = this.begun < list.length;
      this.item = list[this.begun];
      return;
    }
    const { done, value } = (this.#items as Iterator<unknown>).next();
    this.more = !done;
    this.item = value;
  }

  /** The next item is begun, by somebody who has read it. Gives its position. */
  begin(): number {
    const index = this.begun++;
    try {
      this.#lookAhead();
    } catch (error) {
      this.more = false;
      this.#failure = { error };
    }
    if (!this.more && this.waiter !== null) this.waiter.tell();
    return index;
  }

  /** Nothing is left to wait for: all items have been begun, and all are done or one has failed at its position. */
  get over(): boolean {
    return !this.more && (this.#failure !== null || this.#prefix === this.begun);
  }

  results(): unknown[] {
    if (this.#failure !== null) throw this.#failure.error;
    return this.values;
  }

  set(index: number, value: unknown): void {
    this.values[index] = value;
    if (index === this.#prefix) this.#advance();
    else this.#early.add(index);
  }

  fail(index: number, error: unknown): void {
    this.#failures ??= new Map();
    this.#failures.set(index, { error });
    this.set(index, undefined);
  }

  /** The result at the prefix is there. */
  #advance(): void {
    do {
      const failure = this.#failures === null ? undefined : this.#failures.get(this.#prefix);
      if (failure !== undefined) {
        this.#failure ??= failure;
        break;
      }
      ++this.#prefix;
    } while (this.#early.size > 0 && this.#early.delete(this.#prefix));
    if (!this.more && this.over && this.waiter !== null) this.waiter.tell();
  }

  describe(): string {
    return `map, ${this.#prefix} of ${this.more ? 'the' : this.begun} results`;
  }
}

/** Waits until work is over, or there is room for another greenlet to do some. */
class WaitForWork extends RowWait<void> {
  readonly #work: Work;
  readonly #group: Group;
  #hub: Hub | null = null;

  constructor(work: Work, group: Group) {
    super();
    this.#work = work;
    this.#group = group;
  }

  describe(): string {
    return this.#work.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (this.#work.over) return true;
    this.#hub = hub;
    this.#work.waiter = this;
    if (this.#work.more) this.#group.$onRoom(this.tell);
    this.wait(hub, slot, null);
    return false;
  }

  readonly tell = (): void => {
    if (this.#hub !== null) this.wake(this.#hub, false);
  };

  complete(hub: Hub): void {
    this.#leave();
    this.unwait(hub);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#leave();
    super.abandon(hub, slot);
  }

  #leave(): void {
    if (this.#hub === null) return;
    this.#hub = null;
    this.#work.waiter = null;
    this.#group.$offRoom(this.tell);
  }
}

/** A greenlet that runs items of a map. */
class MapWorker extends Greenlet<void> {
  readonly #work: Work;
  /** The item in hand, or -1. */
  #index: number;
  #item: unknown;

  constructor(work: Work, index: number, item: unknown) {
    super();
    this.#work = work;
    this.#index = index;
    this.#item = item;
  }

  override *_run(): Generator<Park, void, any> {
    const work = this.#work;
    const { fn } = work;
    for (;;) {
      try {
        const given = fn(this.#item);
        const value = given !== null && typeof given === 'object' ? yield* settle(given) : given;
        work.set(this.#index, value);
      } catch (error) {
        if (error instanceof GreenletExit) throw error; // $failed has its result
        this.$hub.$route(this, error);
        work.fail(this.#index, error);
      }
      this.#index = -1;
      this.#item = undefined;
      if (this.$more !== null) yield* renew(this);
      if (!work.more) return;
      this.#item = work.item;
      this.#index = work.begin();
      // Its turn is over, as that of the greenlet of the item before would be.
      yield* turn;
    }
  }

  /** @internal M1: killed, perhaps before it ran. */
  override $failed(error: unknown): boolean {
    if (this.#index >= 0) {
      if (error instanceof GreenletExit) this.#work.set(this.#index, error);
      else this.#work.fail(this.#index, error);
      this.#index = -1;
    }
    return super.$failed(error);
  }

  override toString(): string {
    return `<MapWorker ${JSON.stringify(this.name)}: ${this.#work.fn.name || 'anonymous'}(${describe(this.#item).slice(0, 50)})>`;
  }
}

/** What a greenlet keeps for itself, gone: the next item begins afresh. */
function* renew(greenlet: Greenlet<any>): Generator<Park, void, any> {
  const more = greenlet.$extras();
  for (let fn = more.deferred?.pop(); fn !== undefined; fn = more.deferred?.pop()) {
    try {
      yield* settle(fn());
    } catch (error) {
      // Killed, it ends, and what is left of them runs then.
      if (error instanceof GreenletExit) throw error;
      greenlet.$hub.$route(greenlet, error);
    }
  }
  more.locals?.$end();
  more.locals = null;
  more.name = null;
}

/** @internal The body of `map`: runs in a greenlet of its own, and goes on spawning when nobody waits for it. */
export function* mapOver(
  group: Group,
  fn: (item: any) => unknown,
  items: Iterable<unknown>,
): Generator<Park, unknown[], any> {
  if (group.greenletClass !== Greenlet || !Number.isFinite((group as { size?: number | null }).size ?? Infinity)) {
    return yield* mapEach(group, fn, items);
  }
  const work = new Work(fn, items);
  for (;;) {
    while (work.more && !group.full()) {
      const { item } = work;
      group.startNowait(new MapWorker(work, work.begin(), item));
    }
    if (work.over) return work.results();
    yield* new WaitForWork(work, group);
  }
}

function* mapEach(group: Group, fn: (item: any) => unknown, items: Iterable<unknown>): Generator<Park, unknown[], any> {
  const greenlets: Greenlet<any>[] = [];
  for (const item of items) greenlets.push(yield* group.spawn(fn as (item: unknown) => unknown, item));
  const results: unknown[] = [];
  for (const greenlet of greenlets) results.push(yield* greenlet.get());
  return results;
}

// ---- imap -----------------------------------------------------------------------------------------------------------

export interface IMapOptions {
  /** At most so many results that nobody has taken, an integer from 1. Default: no limit. */
  maxsize?: number | null;
}

interface Sources {
  iterables: Iterable<any>[];
  maxsize: number | null;
}

/** @internal Iterables, and options behind them. */
export function splitImap(rest: readonly unknown[], where: string): Sources {
  const last = rest.at(-1);
  const options =
    typeof last === 'object' && last !== null && typeof (last as Iterable<unknown>)[Symbol.iterator] !== 'function'
      ? (last as IMapOptions)
      : null;
  const iterables = (options === null ? rest : rest.slice(0, -1)) as Iterable<any>[];
  if (iterables.length === 0) throw new TypeError(`${where}(fn, items): expected an iterable, got nothing`);
  for (const each of iterables) {
    if (typeof each?.[Symbol.iterator] !== 'function') {
      throw new TypeError(`${where}(fn, items): expected an iterable, got ${describe(each)}`);
    }
  }
  for (const key in options) {
    if (key !== 'maxsize') throw new TypeError(`${where}(options): there is no option ${key}`);
  }
  const maxsize = options?.maxsize ?? null;
  if (maxsize !== null && (!Number.isInteger(maxsize) || maxsize < 1)) {
    throw new RangeError(`${where}(maxsize): expected an integer from 1, got ${describe(maxsize)}`);
  }
  return { iterables, maxsize };
}

function* zip(iterables: Iterable<any>[]): Generator<unknown[], void, undefined> {
  const iterators = iterables.map((each) => each[Symbol.iterator]());
  for (;;) {
    const items: unknown[] = [];
    for (const iterator of iterators) {
      const { done, value } = iterator.next();
      if (done) return;
      items.push(value);
    }
    yield items;
  }
}

/** @internal What runs the functions: a group, or a pool of threads. */
export interface Runs {
  spawn(fn: any, ...args: unknown[]): Operation<Linkable & ResultSource<unknown>>;
  /** Start a greenlet of ours as a member, or null if members are of a class of their own. */
  $startTask?(task: Greenlet<any>): Operation<void> | null | true;
}

/** A greenlet of an imap: told of its end together with its group, so that it needs no link. */
export class ImapTask extends Greenlet<any> {
  readonly #of: IMapUnordered;
  #index = -1;

  constructor(of: IMapUnordered, fn: any, items: unknown[]) {
    super(fn, ...items);
    this.#of = of;
  }

  /** @internal It has been started. */
  $begun(index: number): void {
    this.#index = index;
  }

  /** @internal The group has been told. */
  $told(): void {
    if (this.#index >= 0) this.#of.$taskEnded(this, this.#index);
  }
}

/** A result, or the end (`last`): of all, or of the iterable by an error of its own. */
interface Result {
  readonly index: number;
  readonly ok: boolean;
  readonly value: unknown;
  readonly last: boolean;
}

/**
 * The iterator that `imapUnordered` gives. It is a Greenlet, which hands the items out: killing it stops that.
 * @see `gevent.pool.IMapUnordered`, the source.
 */
export class IMapUnordered<R = any> extends Greenlet<void> {
  readonly #group: Runs;
  readonly #fn: any;
  readonly #sources: Sources;
  /** Results that may still be made before some are taken; null: any number. */
  #room: Semaphore | null;
  #outstanding = 0;
  #count = 0;
  /** The end is among the results. */
  #finished = false;
  /** And was taken. */
  #over = false;
  /** Those who wait for a result, oldest first. */
  readonly #waiters: NextResult<R>[] = [];

  /** @internal */
  constructor(group: Runs, fn: any, sources: Sources) {
    super();
    this.#group = group;
    this.#fn = fn;
    this.#sources = sources;
    this.#room = sources.maxsize === null ? null : new Semaphore(sources.maxsize);
    this.$quiet = true;
  }

  override *_run(): Generator<Park, void, any> {
    const group = this.#group;
    for (const items of zip(this.#sources.iterables)) {
      if (this.#room !== null) yield* this.#room.acquire();
      const task = group.$startTask === undefined ? null : new ImapTask(this, this.#fn, items);
      const start = task === null ? null : (group.$startTask as NonNullable<Runs['$startTask']>)(task);
      if (start === null) {
        const running = yield* group.spawn(this.#fn, ...items);
        const index = this.#count++;
        ++this.#outstanding;
        running.rawlink((ended) => this.$taskEnded(ended, index));
      } else {
        if (start !== true) yield* start;
        (task as ImapTask).$begun(this.#count++);
        ++this.#outstanding;
      }
    }
    this.#room = null;
    if (this.#outstanding === 0) this.#finish(true, undefined);
  }

  /** @internal The iterable's own error ends the iteration, and may come before results of those who still run; so does a kill. */
  override $failed(error: unknown): boolean {
    this.#room = null;
    this.#finish(false, error);
    return super.$failed(error);
  }

  #finish(ok: boolean, value: unknown): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#put({ index: this.#count, ok, value, last: true });
  }

  /** @internal */
  $taskEnded(ended: ResultSource<unknown>, index: number): void {
    --this.#outstanding;
    const ok = ended.successful();
    this.#put({ index, ok, value: ok ? ended.value : ended.exception, last: false });
    if (this.ready() && this.#outstanding === 0) this.#finish(true, undefined);
  }

  #put(result: Result): void {
    this.$store(result);
    while (this.#waiters.length > 0) {
      const next = this.$take();
      if (next === undefined) return;
      (this.#waiters.shift() as NextResult<R>).hand(this.$hub, next);
    }
  }

  readonly #results = new Deque<Result>();

  /** @internal A result is there. */
  protected $store(result: Result): void {
    this.#results.push(result);
  }

  /** @internal The next result, if it is there. */
  protected $take(): Result | undefined {
    return this.#results.shift();
  }

  /** @internal It was handed to one who was killed before he could take it: it is the next again. */
  protected $return(result: Result): void {
    const rest = [...this.#results];
    while (this.#results.shift() !== undefined);
    for (const each of [result, ...rest]) this.#results.push(each);
  }

  /**
   * The next result: `{ done, value }`. Its failure is raised, and the iteration goes on behind it. Switch point, unless one
   * is there.
   */
  next(): Operation<IteratorResult<R, undefined>> {
    return new NextResult<R>(this);
  }

  /** @internal A `next` begins: a result, if one is there, else it waits. */
  $wanted(next: NextResult<R>): Result | undefined {
    if (this.#over) return OVER;
    this.#room?.release();
    const result = this.#waiters.length > 0 ? undefined : this.$take();
    if (result === undefined) this.#waiters.push(next);
    return result;
  }

  /** @internal */
  $given(result: Result): IteratorResult<R, undefined> {
    if (result.last) {
      this.#over = true;
      // Nobody else will get anything.
      for (const other of this.#waiters.splice(0)) other.hand(this.$hub, OVER);
    }
    if (!result.ok) throw result.value;
    return result.last ? { done: true, value: undefined } : { done: false, value: result.value as R };
  }

  /** @internal A `next` was given up. */
  $unwanted(next: NextResult<R>, result: Result | undefined): void {
    if (result !== undefined) this.$return(result);
    const at = this.#waiters.indexOf(next);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<R, void, void> {
    for (;;) {
      const { done, value } = await this.next();
      if (done) return;
      yield value as R;
    }
  }
}

/** One step of an imap. */
class NextResult<R> extends RowWait<IteratorResult<R, undefined>> {
  readonly #of: IMapUnordered<R>;
  #result: Result | undefined;

  constructor(of: IMapUnordered<R>) {
    super();
    this.#of = of;
  }

  describe(): string {
    return 'imap.next';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#result = this.#of.$wanted(this);
    if (this.#result !== undefined) return true;
    this.wait(hub, slot, null);
    return false;
  }

  /** A result is handed over: whoever asks later cannot have it. */
  hand(hub: Hub, result: Result): void {
    this.#result = result;
    this.wake(hub, false);
  }

  complete(hub: Hub): IteratorResult<R, undefined> {
    this.unwait(hub);
    return this.#of.$given(this.#result as Result);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#of.$unwanted(this, this.#result);
    super.abandon(hub, slot);
  }
}

/** What those get who ask behind the end. */
const OVER: Result = { index: -1, ok: true, value: undefined, last: true };

/**
 * The iterator that `imap` gives: results in the order of the items.
 * @see `gevent.pool.IMap`, the source.
 */
export class IMap<R = any> extends IMapUnordered<R> {
  readonly #held = new Map<number, Result>();
  #index = 0;

  /** @internal */
  protected override $store(result: Result): void {
    this.#held.set(result.index, result);
  }

  /** @internal */
  protected override $take(): Result | undefined {
    const result = this.#held.get(this.#index);
    if (result !== undefined) this.#held.delete(this.#index++);
    return result;
  }

  /** @internal */
  protected override $return(result: Result): void {
    this.#index = result.index;
    this.#held.set(result.index, result);
  }
}

/** @internal */
export function imap(group: Runs, fn: any, sources: Sources): IMap<any> {
  const made = new IMap<any>(group, fn, sources);
  made.start();
  return made;
}
