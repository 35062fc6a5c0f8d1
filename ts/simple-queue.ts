// SimpleQueue: items between greenlets, and what waits for them.
//
// The items stay here. Who waits for one, or for room, waits on a QUEUE row of the core, which is told how many items there
// are as long as it exists, and whose notifier lets putters and getters go on in turn. A putter brings its item along when
// it goes on, a getter takes its own; so whoever is killed or timed out before that has done nothing.

import { BLOCK_TIMEOUT, needOptions, wrongType } from './core/arguments.ts';
import { Role, RowKind } from './core/contract.ts';
import { Deque } from './deque.ts';
import { GeventError } from './exceptions.ts';
import { active, debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Operation, reused } from './hub/operation.ts';
import { DONE, PARK, type Park, RESUME } from './hub/protocol.ts';
import { Rowed } from './hub/waitable.ts';
import { type END, Items, Next, ShutDown } from './iteration.ts';
import { LimitedWait } from './limited.ts';
import { type Limit, Timeout } from './timeout.ts';

// Constants of this file: see hub/raw.ts.
const NIL = -1;
const GO_ON = RESUME;
const PARKED = PARK;
const { WAIT, TAKE, PEEK } = Role;

export { ShutDown };

/** There was nothing to get. */
export class Empty extends GeventError {
  static override readonly name: string = 'Empty';
  constructor(message = 'the queue is empty') {
    super('GEVENT_QUEUE_EMPTY', message);
  }
}

/** There was no room to put. */
export class Full extends GeventError {
  static override readonly name: string = 'Full';
  constructor(message = 'the queue is full') {
    super('GEVENT_QUEUE_FULL', message);
  }
}

export interface PutOptions {
  /** False: raise Full at once if there is no room. Default true. */
  block?: boolean;
  /** Seconds, 0 or more; then Full is raised, or what a Timeout has as its exception. Default: no limit. */
  timeout?: Limit;
}

export interface GetOptions {
  /** False: raise Empty at once if there is no item. Default true. */
  block?: boolean;
  /** Seconds, 0 or more; then Empty is raised, or what a Timeout has as its exception. Default: no limit. */
  timeout?: Limit;
}

const MAX_ITEMS = 2 ** 31 - 1;

/** @internal Methods of containers of our own, which do just what they say. */
export const $OWN = new Set<unknown>();

/**
 * Items, first in, first out, between those who put and those who get.
 *
 * `put` waits while there are `maxsize` items, `get` while there are none. Both only schedule that those who wait go on, in turn one who
 * puts and one who gets; until then anybody may take the item or the room.
 *
 * @see `gevent.queue.SimpleQueue`, the source.
 */
export class SimpleQueue<T = any> extends Rowed {
  static override readonly name: string = 'SimpleQueue';
  /** What the items are in. Read it; who changes it wakes nobody. */
  queue!: any;
  /** Most items, or 0. */
  #limit: number;
  #get: Get<T> | null = null;
  /** Slots that a shutdown woke. */
  #evicted: Set<number> | null = null;
  /** @internal */ protected $closed = false;
  /** Adding and taking change the number of items by one: what the core counts when it wakes somebody. */
  readonly #countsAlone: boolean;

  /**
   * @param maxsize - most items; 0 or less, null or undefined: any number
   * @param items - there at the beginning, even if they are more than `maxsize`
   */
  constructor(maxsize?: number | null, items: Iterable<T> = [], options?: object) {
    super();
    this.#limit = toLimit(maxsize, `${new.target.name}(maxsize)`);
    if (typeof (items as any)?.[Symbol.iterator] !== 'function') {
      throw wrongType(`${new.target.name}(items)`, 'an iterable', items);
    }
    this._init(this.maxsize, items, options);
    this.#countsAlone = $OWN.has(this._put) && $OWN.has(this._get) && $OWN.has(this._qsize);
  }

  // ---- for subclasses -------------------------------------------------------------------------------------------------

  /** Make the container. Runs before the fields of a subclass get their values. */
  _init(_maxsize: number | null, items: Iterable<T>, _options?: object): void {
    this.queue = new Deque(items);
  }

  /** How many items are in it. */
  _qsize(): number {
    return this.queue.length;
  }

  /** Add an item. */
  _put(item: T): void {
    this.queue.push(item);
  }

  /** Take the next item out; there is one. */
  _get(): T {
    return this.queue.shift();
  }

  /** The next item; there is one. */
  _peek(): T {
    return this.queue.peek();
  }

  // ---- state ----------------------------------------------------------------------------------------------------------

  /** Most items, or null for any number. Setting it wakes nobody: those who wait for room go on at the next get. */
  get maxsize(): number | null {
    return this.#limit === 0 ? null : this.#limit;
  }

  set maxsize(maxsize: number | null) {
    this.#limit = toLimit(maxsize, `${this.constructor.name}.maxsize`);
    if (this.$row !== NIL) (this.$hub as Hub).core.queueLimit(this.$row, this.#limit);
  }

  /** How many items there are. */
  qsize(): number {
    return this._qsize();
  }

  /** The same. */
  get length(): number {
    return this._qsize();
  }

  /** True if there are no items. */
  empty(): boolean {
    return this._qsize() === 0;
  }

  /** True if there is no room. */
  full(): boolean {
    return this.#limit !== 0 && this._qsize() >= this.#limit;
  }

  /** Another queue with the same `maxsize` and the same items. */
  copy(): this {
    return new (this.constructor as any)(this.maxsize, this.queue);
  }

  /** @internal */
  override describe(slot: number = NIL): string {
    const role = slot === NIL ? TAKE : (this.$hub as Hub).core.role(slot);
    if (role === WAIT) return this.$describe('put');
    return this.$describe(role === PEEK ? 'peek' : 'get');
  }

  /** @internal */
  $describe(what: string): string {
    const full = what === 'put' && this.maxsize !== null ? `, ${this._qsize()} of ${this.maxsize} items` : '';
    return `${this.constructor.name}.${what}${full}`;
  }

  /** @internal */
  protected override $open(hub: Hub): number {
    const row = hub.row(RowKind.QUEUE, this._qsize(), this);
    hub.core.queueLimit(row, this.#limit);
    return row;
  }

  /** @internal */
  protected override $close(): void {}

  // ---- putting and getting --------------------------------------------------------------------------------------------

  /**
   * Put an item in. Switch point, unless there is room.
   * @throws Full if `timeout` came first, or at once with `block: false`
   * @throws LoopExit if nobody could ever make room
   */
  put(item: T | typeof END, options?: PutOptions): Operation<void> {
    if (options === undefined) return new Put(this, item as T);
    needOptions('put(options)', options, BLOCK_TIMEOUT);
    return new TimedPut(this, item as T, options.block ?? true, options.timeout ?? null);
  }

  /**
   * Put an item in now. Never a switch point; but in a callback of the hub those who wait to get run first, to make room.
   * @throws Full if there is no room
   */
  putNowait(item: T | typeof END): void {
    this.$refuse();
    if (!this.$roomNow()) throw new Full(this.$fullText());
    this.$add(item as T);
  }

  /**
   * Take the next item out. Switch point, unless there is one.
   * @throws Empty if `timeout` came first, or at once with `block: false`
   * @throws LoopExit if nobody could ever put one in
   */
  get(options?: GetOptions): Operation<T> {
    if (options !== undefined) return new TimedGet<T>(this, options, TAKE);
    if (debugging) return new Get<T>(this);
    this.#get ??= new Get<T>(this);
    return this.#get;
  }

  /**
   * Take the next item out now. Never a switch point; but in a callback of the hub those who wait to put run first.
   * @throws Empty if there is none
   */
  getNowait(): T {
    if (!this.$itemNow()) throw this.$nothing();
    return this.$take();
  }

  /** The next item, which stays. Switch point, unless there is one. */
  peek(options?: GetOptions): Operation<T> {
    return new TimedGet<T>(this, options === undefined ? {} : options, PEEK);
  }

  /** The next item, which stays. Never a switch point. */
  peekNowait(): T {
    if (!this.$itemNow()) throw this.$nothing();
    return this._peek();
  }

  /** One step of an iteration: `{ done, value }`. At an end once the queue was shut down and is empty, or gave `END`. */
  next(): Operation<IteratorResult<T, undefined>> {
    return new Next<T>(this.get());
  }

  /** Take items out one after another, until an end. In a generator body use `forEach`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return new Items<T>(this);
  }

  override toString(): string {
    const limit = this.maxsize === null ? '' : ` maxsize=${this.maxsize}`;
    return `<${this.constructor.name}${limit} items=${this._qsize()} waiting=${this.$waiting}>`;
  }

  // ---- what the operations do ------------------------------------------------------------------------------------------

  /** @internal */
  get $isClosed(): boolean {
    return this.$closed;
  }

  /** @internal True if an item fits in. */
  get $room(): boolean {
    return this.#limit === 0 || this._qsize() < this.#limit;
  }

  /** @internal The same, in a callback of the hub after those who wait to get have run. */
  $roomNow(): boolean {
    const hub = this.$callbackHub();
    if (hub === null) return this.$room;
    while (!this.$room && this._qsize() > 0) {
      const slot = this.$row === NIL ? NIL : hub.core.queueStep(this.$row, TAKE);
      if (slot === NIL) break;
      hub.runNow(slot);
    }
    return this.$room;
  }

  /** @internal True if there is an item, in a callback of the hub after those who wait to put have run. */
  $itemNow(): boolean {
    const hub = this.$callbackHub();
    while (hub !== null && this._qsize() === 0) {
      const slot = this.$row === NIL ? NIL : hub.core.queueStep(this.$row, WAIT);
      if (slot === NIL) break;
      hub.runNow(slot);
    }
    return this._qsize() > 0;
  }

  /** @internal Its hub, if this is one of its callbacks. */
  protected $callbackHub(): Hub | null {
    return active !== null && active === this.$hub && active.inCallback() ? active : null;
  }

  /** @internal Refuse to put into what was shut down. */
  $refuse(): void {
    if (this.$isClosed) throw new ShutDown(`${this.constructor.name}.put: the queue was shut down`);
  }

  /** @internal An item goes in. */
  $add(item: T): void {
    if (this.#countsAlone) {
      this._put(item);
      this.$counted();
      if (this.$row !== NIL) this.$recount();
      return;
    }
    try {
      this._put(item);
      this.$counted();
    } finally {
      this.$recount();
    }
  }

  /** @internal A putter was woken. */
  $addWaited(hub: Hub, slot: number, item: T): void {
    this.$left(hub);
    if (this.#evicted?.delete(slot)) this.$refuse();
    if (!this.#countsAlone) return this.$add(item);
    this._put(item);
    this.$counted();
  }

  /** @internal An item has come in. */
  protected $counted(): void {}

  /** @internal An item goes out. */
  $take(): T {
    if (this.#countsAlone) {
      const item = this._get();
      if (this.$row !== NIL) this.$recount();
      return item;
    }
    try {
      return this._get();
    } finally {
      this.$recount();
    }
  }

  /** @internal A getter was woken. */
  $takeWoken(hub: Hub, slot: number): T {
    this.$left(hub);
    if (this.#evicted?.delete(slot)) throw this.$nothing();
    return this.#countsAlone ? this._get() : this.$take();
  }

  /** @internal A getter was woken, or need not wait. */
  $takeWaited(hub: Hub, slot: number, role: Role): T {
    this.$left(hub);
    if (this.#evicted?.delete(slot)) throw this.$nothing();
    return role === PEEK ? this._peek() : this.$take();
  }

  /** @internal */
  override $abandoned(hub: Hub, slot: number): void {
    this.#evicted?.delete(slot);
    this.$left(hub);
  }

  /** @internal Tell the core how many items there are. It counts along when somebody it woke goes on; then this changes nothing. */
  $recount(): void {
    if (this.$row === NIL) return;
    (this.$hub as Hub).core.queueItems(this.$row, this._qsize());
    this.$kick();
  }

  /** @internal Park as one who puts, gets or looks. */
  $enter(hub: Hub, slot: number, role: Role): void {
    hub.core.queueWait(this.$rowFor(hub), slot, role);
  }

  /** @internal What getting raises when there is nothing. */
  $nothing(): Error {
    if (this.$closed) return new ShutDown(`${this.constructor.name}.get: the queue was shut down and is empty`);
    return new Empty(`${this.constructor.name}.get: the queue is empty`);
  }

  /** @internal */
  $fullText(): string {
    return `${this.constructor.name}.put: the queue is full, ${this._qsize()} of ${this.maxsize} items`;
  }

  /** @internal Raise ShutDown in all who wait. */
  protected $evict(): void {
    if (this.$row === NIL) return;
    const { core } = this.$hub as Hub;
    this.#evicted ??= new Set();
    for (let slot = core.first(this.$row); slot !== NIL; slot = core.next(slot)) this.#evicted.add(slot);
    core.wakeAll(this.$row);
    this.$kick();
  }

  /** @internal All items are gone. */
  protected $emptied(): void {
    this.$recount();
  }
}

$OWN.add(SimpleQueue.prototype._put).add(SimpleQueue.prototype._get).add(SimpleQueue.prototype._qsize);

function toLimit(maxsize: number | null | undefined, where: string): number {
  if (maxsize === undefined || maxsize === null) return 0;
  if (typeof maxsize !== 'number') throw wrongType(where, 'an integer or null', maxsize);
  if (!Number.isInteger(maxsize) || maxsize > MAX_ITEMS) {
    throw new RangeError(`${where}: expected an integer of at most ${MAX_ITEMS}, got ${maxsize}`);
  }
  return maxsize > 0 ? maxsize : 0;
}

// Where a Put is in its life.
const FRESH = 0;
const USED = 1;
const WAITED = 2;

class Put<T> extends Operation<void> {
  readonly #queue: SimpleQueue<T>;
  readonly #item: T;
  #state: number = FRESH;

  constructor(queue: SimpleQueue<T>, item: T) {
    super();
    this.#queue = queue;
    this.#item = item;
  }

  describe(): string {
    return this.#queue.$describe('put');
  }

  override $inCallback(): { value: undefined } {
    this.$use();
    this.#queue.putNowait(this.#item);
    return DONE;
  }

  override next(sent?: unknown): IteratorResult<Park, void> {
    const hub = active;
    if (hub === null) return super.next(sent);
    const queue = this.#queue;
    const slot = hub.cur;
    if (sent === GO_ON) {
      queue.$addWaited(hub, slot, this.#item);
      return DONE;
    }
    if (slot === NIL || hub.parking !== null || debugging) return super.next(sent);
    this.$use();
    queue.$refuse();
    if (queue.$room) {
      queue.$add(this.#item);
      return DONE;
    }
    queue.$enter(hub, slot, WAIT);
    hub.parking = true;
    return PARKED;
  }

  $use(): void {
    if (this.#state !== FRESH) throw reused(this);
    this.#state = USED;
  }

  begin(hub: Hub, slot: number): boolean {
    this.$use();
    const queue = this.#queue;
    queue.$refuse();
    if (queue.$room) return true;
    queue.$enter(hub, slot, WAIT);
    this.#state = WAITED;
    return false;
  }

  complete(hub: Hub, slot: number): void {
    if (this.#state === WAITED) this.#queue.$addWaited(hub, slot, this.#item);
    else this.#queue.$add(this.#item);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#queue.$abandoned(hub, slot);
  }
}

class TimedPut<T> extends LimitedWait<void> {
  readonly #queue: SimpleQueue<T>;
  readonly #item: T;
  readonly #block: boolean;

  constructor(queue: SimpleQueue<T>, item: T, block: boolean, limit: Limit) {
    super(limit, 'put(timeout)');
    this.#queue = queue;
    this.#item = item;
    this.#block = block;
  }

  describe(): string {
    return this.#queue.$describe('put');
  }

  override $inCallback(): { value: undefined } {
    this.use();
    this.#queue.putNowait(this.#item);
    return DONE;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const queue = this.#queue;
    queue.$refuse();
    if (queue.$room) return true;
    if (!this.#block) throw new Full(queue.$fullText());
    queue.$enter(hub, slot, WAIT);
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): void {
    const queue = this.#queue;
    if (!this.waited) queue.$add(this.#item);
    else if (!this.timedOut(hub, slot)) queue.$addWaited(hub, slot, this.#item);
    else {
      queue.$abandoned(hub, slot);
      throw this.limit instanceof Timeout ? this.expired(hub) : new Full(queue.$fullText());
    }
  }

  override abandon(hub: Hub, slot: number): void {
    this.#queue.$abandoned(hub, slot);
  }
}

/** Without a limit it has no state, so one object serves all who get. */
class Get<T> extends Operation<T> {
  readonly #queue: SimpleQueue<T>;

  constructor(queue: SimpleQueue<T>) {
    super();
    this.#queue = queue;
  }

  describe(): string {
    return this.#queue.$describe('get');
  }

  override $inCallback(): { value: T } {
    return { value: this.#queue.getNowait() };
  }

  override next(sent?: unknown): IteratorResult<Park, T> {
    const hub = active;
    if (hub === null) return super.next(sent);
    const queue = this.#queue;
    const slot = hub.cur;
    if (sent === GO_ON) return { done: true, value: queue.$takeWoken(hub, slot) };
    if (slot === NIL || hub.parking !== null || debugging) return super.next(sent);
    if (queue._qsize() > 0) return { done: true, value: queue.$take() };
    if (queue.$isClosed) throw queue.$nothing();
    queue.$enter(hub, slot, TAKE);
    hub.parking = true;
    return PARKED;
  }

  begin(hub: Hub, slot: number): boolean {
    const queue = this.#queue;
    if (queue.qsize() > 0) return true;
    if (queue.$isClosed) throw queue.$nothing();
    queue.$enter(hub, slot, TAKE);
    return false;
  }

  complete(hub: Hub, slot: number): T {
    return this.#queue.$takeWaited(hub, slot, TAKE);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#queue.$abandoned(hub, slot);
  }
}

class TimedGet<T> extends LimitedWait<T> {
  readonly #queue: SimpleQueue<T>;
  readonly #block: boolean;
  readonly #role: Role;

  constructor(queue: SimpleQueue<T>, options: GetOptions, role: Role) {
    needOptions(`${role === PEEK ? 'peek' : 'get'}(options)`, options, BLOCK_TIMEOUT);
    super(options.timeout ?? null, `${role === PEEK ? 'peek' : 'get'}(timeout)`);
    this.#queue = queue;
    this.#block = options.block ?? true;
    this.#role = role;
  }

  describe(): string {
    return this.#queue.$describe(this.#role === PEEK ? 'peek' : 'get');
  }

  override $inCallback(): { value: T } {
    this.use();
    return { value: this.#role === PEEK ? this.#queue.peekNowait() : this.#queue.getNowait() };
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const queue = this.#queue;
    if (queue.qsize() > 0) return true;
    if (!this.#block || queue.$isClosed) throw queue.$nothing();
    queue.$enter(hub, slot, this.#role);
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): T {
    const queue = this.#queue;
    if (!this.timedOut(hub, slot)) return queue.$takeWaited(hub, slot, this.#role);
    queue.$abandoned(hub, slot);
    throw this.limit instanceof Timeout ? this.expired(hub) : queue.$nothing();
  }

  override abandon(hub: Hub, slot: number): void {
    this.#queue.$abandoned(hub, slot);
  }
}
