// imap: a function over items, its results as an iterator, which may be in several hands.
//
//   I1  results come in order of the items (IMap), or of their being done; one that was handed to somebody who was killed before
//       he ran comes before those that were handed out later
//   I2  nobody waits while there is a result that he could have

import { wrongRange, wrongType } from './core/arguments.ts';
import { RowKind } from './core/contract.ts';
import type { ResultSource } from './event.ts';
import { Greenlet } from './gevent-greenlet.ts';
import type { Group } from './group.ts';
import { active, debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { type Operation, SingleUse } from './hub/operation.ts';
import { PARK, type Park, RESUME } from './hub/protocol.ts';
import { Rowed } from './hub/waitable.ts';
import { handOut, WaitForWork, Work } from './map-work.ts';
import type { Linkable } from './waiting.ts';

// Constants of this file: see hub/raw.ts.
const NIL = -1;
const GO_ON = RESUME;
const PARKED = PARK;

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
      throw wrongType(`${where}(fn, items)`, 'an iterable', each);
    }
  }
  for (const key in options) {
    if (key !== 'maxsize') throw new TypeError(`${where}(options): there is no option ${key}`);
  }
  const maxsize = options?.maxsize ?? null;
  if (maxsize !== null && (!Number.isInteger(maxsize) || maxsize < 1)) {
    throw wrongRange(`${where}(maxsize)`, 'an integer from 1', maxsize);
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
  /** Itself, if it is a group whose members are Greenlets and no class of their own. */
  readonly $plainGroup?: Group | null;
}

/** What is given in place of a value: an error, or the end: of all, or of the iterable by an error of its own. */
class Outcome {
  readonly error: unknown;
  readonly ok: boolean;
  readonly last: boolean;

  constructor(ok: boolean, error: unknown, last: boolean) {
    this.ok = ok;
    this.error = error;
    this.last = last;
  }
}

/** What those get who ask behind the end. */
const OVER = new Outcome(true, undefined, true);

/** No result. */
const NONE: unique symbol = Symbol('gevent.none');

/** Results in a ring, by number. Those that follow each other are taken one by one; others may be there before. */
class Results {
  #cells: unknown[] = new Array(16).fill(NONE);
  /** The number of the next to be taken. */
  first = 0;

  /** The next, or NONE. */
  take(): unknown {
    const cells = this.#cells;
    const at = this.first & (cells.length - 1);
    const value = cells[at];
    if (value === NONE) return NONE;
    cells[at] = NONE;
    ++this.first;
    return value;
  }

  put(number: number, value: unknown): void {
    while (number - this.first >= this.#cells.length) this.#grow();
    this.#cells[number & (this.#cells.length - 1)] = value;
  }

  #grow(): void {
    const cells = this.#cells;
    const wider = new Array(cells.length * 2).fill(NONE);
    for (let i = this.first; i < this.first + cells.length; ++i) {
      wider[i & (wider.length - 1)] = cells[i & (cells.length - 1)];
    }
    this.#cells = wider;
  }
}

/** The items of one imap. */
class ImapWork extends Work {
  readonly #to: IMapUnordered;

  constructor(to: IMapUnordered, fn: (...items: any[]) => unknown, { iterables }: Sources) {
    const one = iterables.length === 1;
    super(fn, one ? (iterables[0] as Iterable<unknown>) : zip(iterables), !one);
    this.#to = to;
  }

  override begin(): number {
    const index = super.begin();
    if (this.#to.$began() === 0) this.mayBegin = false;
    return index;
  }

  /** There is room again. */
  goOn(): void {
    this.mayBegin = this.more;
    if (this.waiter !== null) this.waiter.tell();
  }

  /** No more items. */
  stop(): void {
    this.more = this.mayBegin = false;
  }

  get over(): boolean {
    return !this.more;
  }

  override beginMore(count: number, into: unknown[]): boolean {
    return this.#to.$isUnlimited && super.beginMore(count, into) && this.#to.$beganMore(count);
  }

  set(index: number, value: unknown): boolean {
    this.#to.$arrived(index, value);
    return false;
  }

  fail(index: number, error: unknown): boolean {
    this.#to.$arrived(index, new Outcome(false, error, false));
    return false;
  }

  describe(): string {
    return 'room for another result of imap';
  }
}

/** Where those wait who want a result. */
class Arrivals extends Rowed {
  describe(): string {
    return 'imap.next';
  }

  protected $open(hub: Hub): number {
    return hub.row(RowKind.LIST, 0, this);
  }

  protected $close(): void {}

  override toString(): string {
    return 'an imap';
  }
}

/**
 * The iterator that `imapUnordered` gives. It is a Greenlet, which hands the items out: killing it stops that.
 * @see `gevent.pool.IMapUnordered`, the source.
 */
export class IMapUnordered<R = any> extends Greenlet<void> {
  readonly #runs: Runs;
  readonly #fn: any;
  readonly #sources: Sources;
  #work: ImapWork | null = null;
  /** Results that may still be made before some are taken. */
  #room: number;
  /** Items begun and not done. */
  #outstanding = 0;
  /** The end is among the results. */
  #finished = false;
  /** And was taken. */
  #over = false;
  readonly #results = new Results();
  /** Results put there: the number of the next, unless that is its item's. */
  #count = 0;
  /** Handed to those who were killed before they ran: I1. */
  #returned: NextResult<R>[] | null = null;
  /** Hand-overs to those who waited. */
  #handed = 0;
  /** Those who wait for a result, oldest first. */
  readonly #waiters: NextResult<R>[] = [];
  readonly #arrivals = new Arrivals();

  /** @internal */
  constructor(runs: Runs, fn: any, sources: Sources) {
    super();
    this.#runs = runs;
    this.#fn = fn;
    this.#sources = sources;
    this.#room = sources.maxsize ?? Infinity;
    this.#arrivals.$hub = this.$hub;
    this.$quiet = true;
  }

  override *_run(): Generator<Park, void, any> {
    const work = new ImapWork(this, this.#fn, this.#sources);
    this.#work = work;
    const group = this.#runs.$plainGroup ?? null;
    if (group !== null) yield* handOut(group, work);
    else yield* this.#spawnEach(work);
    if (work.failure !== null) throw work.failure.error;
    this.#room = Infinity;
    if (this.#outstanding === 0) this.#finish(true, undefined);
  }

  *#spawnEach(work: ImapWork): Generator<Park, void, any> {
    const runs = this.#runs;
    while (work.more) {
      if (!work.mayBegin) {
        yield* new WaitForWork(work);
        continue;
      }
      const args = work.spread ? (work.item as unknown[]) : [work.item];
      const running = yield* runs.spawn(this.#fn, ...args);
      const index = work.begin();
      running.rawlink((ended) => work.ended(index, ended));
    }
  }

  /** @internal The iterable's own error ends the iteration, and may come before results of those who still run; so does a kill. */
  override $failed(error: unknown): boolean {
    this.#room = Infinity;
    if (this.#work !== null) this.#work.stop();
    this.#finish(false, error);
    return super.$failed(error);
  }

  #finish(ok: boolean, error: unknown): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#put(this.#work === null ? 0 : this.#work.begun, new Outcome(ok, error, true));
  }

  /** @internal There is always room for results. */
  get $isUnlimited(): boolean {
    return this.#room === Infinity;
  }

  /** @internal */
  $beganMore(count: number): true {
    this.#outstanding += count;
    return true;
  }

  /** @internal An item was begun: the room left. */
  $began(): number {
    ++this.#outstanding;
    return --this.#room;
  }

  /** @internal The result of an item, or an Outcome that is none. */
  $arrived(index: number, value: unknown): void {
    this.#put(index, value);
    if (--this.#outstanding === 0 && this.ready()) this.#finish(true, undefined);
  }

  #put(index: number, value: unknown): void {
    this.#results.put(this.$numbered ? index : this.#count++, value);
    this.#serve();
  }

  /** @internal Results come in the order of the items. */
  get $numbered(): boolean {
    return false;
  }

  /** I2 */
  #serve(): void {
    while (this.#waiters.length > 0) {
      const value = this.#take();
      if (value === NONE) return;
      (this.#waiters.shift() as NextResult<R>).hand(this.$hub, value, ++this.#handed);
    }
  }

  #take(): unknown {
    const returned = this.#returned;
    if (returned === null) return this.#results.take();
    const { value } = returned.shift() as NextResult<R>;
    if (returned.length === 0) this.#returned = null;
    return value;
  }

  /**
   * The next result: `{ done, value }`. Its failure is raised, and the iteration goes on behind it. Switch point, unless one
   * is there.
   */
  next(): Operation<IteratorResult<R, undefined>> {
    return new NextResult<R>(this);
  }

  /** @internal A `next` begins: gives it a result, if one is there; else it waits. True if there was one. */
  $wanted(next: NextResult<R>, hub: Hub, slot: number): boolean {
    if (this.#over) {
      next.value = OVER;
      return true;
    }
    if (++this.#room === 1 && this.#work !== null) this.#work.goOn();
    // Those who wait came before, and there is none for them either.
    next.value = this.#take();
    if (next.value !== NONE) return true;
    hub.core.park(slot, this.#arrivals.$rowFor(hub));
    this.#waiters.push(next);
    return false;
  }

  /** @internal What a `next` ends with. */
  $given(value: unknown): IteratorResult<R, undefined> {
    if (!(value instanceof Outcome)) return { done: false, value: value as R };
    if (value.last) {
      this.#over = true;
      // Nobody else will get anything.
      for (const other of this.#waiters.splice(0)) other.hand(this.$hub, OVER, 0);
    }
    if (!value.ok) throw value.error;
    return { done: true, value: undefined };
  }

  /** @internal Who waited has gone. */
  $left(hub: Hub): void {
    this.#arrivals.$left(hub);
  }

  /** @internal A `next` was given up. */
  $unwanted(next: NextResult<R>): void {
    if (next.value === NONE) {
      const at = this.#waiters.indexOf(next);
      if (at >= 0) this.#waiters.splice(at, 1);
      return;
    }
    if (next.value === OVER) return;
    this.#returned ??= [];
    const later = this.#returned.findIndex((other) => other.handed > next.handed);
    this.#returned.splice(later < 0 ? this.#returned.length : later, 0, next);
    this.#serve();
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
class NextResult<R> extends SingleUse<IteratorResult<R, undefined>> {
  readonly #of: IMapUnordered<R>;
  #slot = NIL;
  /** What it gives; NONE as long as it waits. */
  value: unknown = NONE;
  /** Which hand-over that was. */
  handed = 0;

  constructor(of: IMapUnordered<R>) {
    super();
    this.#of = of;
  }

  describe(): string {
    return 'imap.next';
  }

  override get $home(): Hub {
    return this.#of.$hub;
  }

  override next(sent?: unknown): IteratorResult<Park, IteratorResult<R, undefined>> {
    const hub = active;
    if (hub === null || hub.cur === NIL || hub.parking !== null || debugging) return super.next(sent);
    if (sent === GO_ON || this.begin(hub, hub.cur)) return { done: true, value: this.complete(hub) };
    hub.parking = this;
    return PARKED;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (this.#of.$wanted(this, hub, slot)) return true;
    this.#slot = slot;
    return false;
  }

  /** A result is handed over: whoever asks later cannot have it. */
  hand(hub: Hub, value: unknown, handed: number): void {
    this.value = value;
    this.handed = handed;
    const slot = this.#slot;
    if (!hub.core.leave(slot)) return;
    hub.core.ready(slot);
    if (active !== hub) hub.kick();
  }

  complete(hub: Hub): IteratorResult<R, undefined> {
    if (this.#slot !== NIL) this.#of.$left(hub);
    return this.#of.$given(this.value);
  }

  override abandon(hub: Hub): void {
    this.#of.$left(hub);
    this.#of.$unwanted(this);
  }
}

/**
 * The iterator that `imap` gives: results in the order of the items.
 * @see `gevent.pool.IMap`, the source.
 */
export class IMap<R = any> extends IMapUnordered<R> {
  /** @internal */
  override get $numbered(): boolean {
    return true;
  }
}
