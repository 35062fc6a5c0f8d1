// Channel: a queue without room. Who puts waits for one who gets, and the other way round.
//
// Both wait on a CHANNEL row of the core, whose notifier pairs them: the getter goes on first, and finds the item of its partner in
// hub.cargo. Items that are handed over in other ways wait beside: for a getter that was taken out of its turn, in #gifts.

import { BLOCK_TIMEOUT, needOptions, wrongRange } from './core/arguments.ts';
import { Kind, RowKind } from './core/contract.ts';
import { active, debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Operation, reused } from './hub/operation.ts';
import { DONE, Fired, type Fires, PARK, type Park, RESUME } from './hub/protocol.ts';
import { Rowed } from './hub/waitable.ts';
import { type END, Items, Next } from './iteration.ts';
import { LimitedWait } from './limited.ts';
import { Empty, Full, type GetOptions, type PutOptions } from './simple-queue.ts';
import { type Limit, Timeout } from './timeout.ts';

// Constants of this file: see hub/raw.ts.
const NIL = -1;
const GO_ON = RESUME;
const PARKED = PARK;

/** In place of an item that somebody took before its putter's turn came. */
const TAKEN: unique symbol = Symbol('taken');

/**
 * Hands items over from those who put to those who get, one for one. `put` is done when somebody has the item.
 *
 * The one who gets goes on first, then the one who put.
 *
 * @see `gevent.queue.Channel`, the source.
 */
export class Channel<T = any> extends Rowed {
  static override readonly name: string = 'Channel';
  /** @internal */
  readonly $pairs = true;
  #gifts: Map<number, T> | null = null;
  #get: Get<T> | null = null;

  /** @param maxsize - 1 or nothing */
  constructor(maxsize: number | null = 1) {
    super();
    if (maxsize !== 1 && maxsize !== null) {
      throw wrongRange('Channels have a maxsize of 1', '1', maxsize);
    }
  }

  /** 1. */
  get maxsize(): number {
    return 1;
  }

  /** 0: it keeps nothing. */
  qsize(): number {
    return 0;
  }

  /** 0. */
  get length(): number {
    return 0;
  }

  /** True: it keeps nothing. */
  empty(): boolean {
    return true;
  }

  /** True: it has no room. */
  full(): boolean {
    return true;
  }

  /** Those who wait to put, minus those who wait to get. */
  get balance(): number {
    return this.$row === NIL ? 0 : (this.$hub as Hub).core.balance(this.$row);
  }

  /** @internal */
  override describe(slot: number = NIL): string {
    return slot !== NIL && (this.$hub as Hub).core.role(slot) === 0 ? 'Channel.put' : 'Channel.get';
  }

  /** @internal */
  protected override $open(hub: Hub): number {
    return hub.row(RowKind.CHANNEL, 0, this);
  }

  /** @internal */
  protected override $close(): void {}

  // ---- putting and getting --------------------------------------------------------------------------------------------

  /**
   * Hand an item over. Switch point, always.
   * @param options.block - false: only let run what is ready, as with a timeout of 0. Default true.
   * @throws Full if nobody took it before `timeout`
   * @throws LoopExit if nobody could ever get it
   */
  put(item: T | typeof END, options?: PutOptions): Operation<void> {
    if (options === undefined) return new Put(this, item as T);
    needOptions('put(options)', options, BLOCK_TIMEOUT);
    const { block = true, timeout = null } = options;
    return new TimedPut(this, item as T, block ? timeout : 0);
  }

  /**
   * Hand an item over to one who waits for it. Never a switch point: he goes on in his turn, in a callback of the hub at once.
   * @throws Full if nobody waits
   */
  putNowait(item: T | typeof END): void {
    const hub = this.$hub;
    const row = this.$row;
    if (hub === null || row === NIL) throw new Full('Channel.put: nobody waits to get');
    const { core } = hub;
    if (active === hub && hub.inCallback()) {
      const getter = core.first(row);
      if (getter === NIL || core.role(getter) === 0) throw new Full('Channel.put: nobody waits to get');
      core.leave(getter);
      this.#gifts ??= new Map();
      this.#gifts.set(getter, item as T);
      hub.runNow(getter);
      return;
    }
    // Another puts already: who waits is his.
    if (core.balance(row) >= 0) throw new Full('Channel.put: nobody waits to get');
    new Courier(this, hub, item as T);
    this.$kick();
  }

  /**
   * Take an item over. Switch point, always.
   * @param options.block - false: only let run what is ready, as with a timeout of 0. Default true.
   * @throws Empty if there was none before `timeout`
   * @throws LoopExit if nobody could ever put one
   */
  get(options?: GetOptions): Operation<T> {
    if (options !== undefined) {
      needOptions('get(options)', options, BLOCK_TIMEOUT);
      const { block = true, timeout = null } = options;
      return new TimedGet<T>(this, block ? timeout : 0);
    }
    if (debugging) return new Get<T>(this);
    this.#get ??= new Get<T>(this);
    return this.#get;
  }

  /**
   * Take the item over of one who waits to put. Never a switch point: he goes on in his turn.
   * @throws Empty if nobody waits
   */
  getNowait(): T {
    const hub = this.$hub;
    const putter = hub === null || this.$row === NIL ? NIL : firstPutter(hub, this.$row);
    if (hub === null || putter === NIL) throw new Empty('Channel.get: nobody waits to put');
    let item = hub.cargo[putter] as T;
    const theirs = item === undefined ? hub.shared?.itemOf(this.$row, putter) : undefined;
    if (theirs === undefined) hub.cargo[putter] = TAKEN;
    else item = theirs as T;
    hub.core.leave(putter);
    hub.core.ready(putter);
    this.$kick();
    return item;
  }

  /** One step of an iteration: `{ done, value }`. At an end when it gets `END`. */
  next(): Operation<IteratorResult<T, undefined>> {
    return new Next<T>(this.get());
  }

  /** Take items over one after another, until `END`. In a generator body use `forEach`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return new Items<T>(this);
  }

  override toString(): string {
    return `<Channel balance=${this.balance}>`;
  }

  // ---- what the operations do ------------------------------------------------------------------------------------------

  /** @internal Park with an item. */
  $offer(hub: Hub, slot: number, item: T): void {
    const row = this.$rowFor(hub);
    const { cargo } = hub;
    while (cargo.length <= slot) cargo.push(undefined);
    cargo[slot] = item;
    hub.core.chanPut(row, slot);
  }

  /** @internal The putter's turn has come, or it leaves. True if somebody took the item out of his turn. */
  $offered(hub: Hub, slot: number): boolean {
    const taken = hub.cargo[slot] === TAKEN;
    hub.cargo[slot] = undefined;
    this.$left(hub);
    return taken;
  }

  /** @internal */
  override $abandoned(hub: Hub, slot: number): void {
    if (slot < hub.cargo.length) hub.cargo[slot] = undefined;
    this.$left(hub);
  }

  /** @internal Park for an item. */
  $ask(hub: Hub, slot: number): void {
    hub.core.chanGet(this.$rowFor(hub), slot);
  }

  /** @internal True if an item was given to this getter out of its turn. */
  $hasGift(slot: number): boolean {
    return this.#gifts?.has(slot) ?? false;
  }

  /** @internal The item for a getter that was woken. */
  $received(hub: Hub, slot: number): T {
    this.$left(hub);
    const gifts = this.#gifts;
    if (gifts?.has(slot)) {
      const item = gifts.get(slot) as T;
      gifts.delete(slot);
      return item;
    }
    const { cargo } = hub;
    const partner = hub.core.partner();
    const item = cargo[partner] as T;
    if (item === undefined && hub.shared !== null) {
      const theirs = hub.shared.itemOf(this.$row, partner);
      if (theirs !== undefined) return theirs as T;
    }
    cargo[partner] = undefined;
    return item;
  }
}

function firstPutter(hub: Hub, row: number): number {
  let slot = hub.core.first(row);
  while (slot !== NIL && hub.core.role(slot) !== 0) slot = hub.core.next(slot);
  return slot;
}

class Put<T> extends Operation<void> {
  readonly #channel: Channel<T>;
  readonly #item: T;
  #used = false;

  constructor(channel: Channel<T>, item: T) {
    super();
    this.#channel = channel;
    this.#item = item;
  }

  describe(): string {
    return 'Channel.put';
  }

  override $inCallback(): { value: undefined } {
    this.#channel.putNowait(this.#item);
    return DONE;
  }

  override next(sent?: unknown): IteratorResult<Park, void> {
    const hub = active;
    if (hub === null) return super.next(sent);
    const slot = hub.cur;
    if (sent === GO_ON) {
      this.#channel.$offered(hub, slot);
      return DONE;
    }
    if (slot === NIL || hub.parking !== null || debugging) return super.next(sent);
    this.begin(hub, slot);
    hub.parking = true;
    return PARKED;
  }

  begin(hub: Hub, slot: number): boolean {
    if (this.#used) throw reused(this);
    this.#used = true;
    this.#channel.$offer(hub, slot, this.#item);
    return false;
  }

  complete(hub: Hub, slot: number): void {
    this.#channel.$offered(hub, slot);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#channel.$offered(hub, slot);
  }
}

class TimedPut<T> extends LimitedWait<void> {
  readonly #channel: Channel<T>;
  readonly #item: T;

  constructor(channel: Channel<T>, item: T, limit: Limit) {
    super(limit, 'put(timeout)');
    this.#channel = channel;
    this.#item = item;
  }

  describe(): string {
    return 'Channel.put';
  }

  override $inCallback(): { value: undefined } {
    this.use();
    this.#channel.putNowait(this.#item);
    return DONE;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#channel.$offer(hub, slot, this.#item);
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): void {
    const taken = this.#channel.$offered(hub, slot);
    if (taken || !this.timedOut(hub, slot)) return;
    throw this.limit instanceof Timeout ? this.expired(hub) : new Full('Channel.put: nobody got the item in time');
  }

  override abandon(hub: Hub, slot: number): void {
    this.#channel.$offered(hub, slot);
  }
}

/** Waits with an item that its putter does not wait for. */
class Courier<T> implements Fires<Hub> {
  readonly #channel: Channel<T>;

  constructor(channel: Channel<T>, hub: Hub, item: T) {
    this.#channel = channel;
    const slot = hub.take(Kind.CALLBACK, this);
    channel.$offer(hub, slot, item);
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    this.#channel.$offered(hub, slot);
    hub.release(slot);
    return Fired.DONE;
  }
}

/** Without a limit it has no state, so one object serves all who get. */
class Get<T> extends Operation<T> {
  readonly #channel: Channel<T>;

  constructor(channel: Channel<T>) {
    super();
    this.#channel = channel;
  }

  describe(): string {
    return 'Channel.get';
  }

  override $inCallback(): { value: T } {
    return { value: this.#channel.getNowait() };
  }

  override next(sent?: unknown): IteratorResult<Park, T> {
    const hub = active;
    if (hub === null) return super.next(sent);
    const slot = hub.cur;
    if (sent === GO_ON) return { done: true, value: this.#channel.$received(hub, slot) };
    if (slot === NIL || hub.parking !== null || debugging) return super.next(sent);
    this.#channel.$ask(hub, slot);
    hub.parking = true;
    return PARKED;
  }

  begin(hub: Hub, slot: number): boolean {
    this.#channel.$ask(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): T {
    return this.#channel.$received(hub, slot);
  }

  override abandon(hub: Hub): void {
    this.#channel.$left(hub);
  }
}

class TimedGet<T> extends LimitedWait<T> {
  readonly #channel: Channel<T>;

  constructor(channel: Channel<T>, limit: Limit) {
    super(limit, 'get(timeout)');
    this.#channel = channel;
  }

  describe(): string {
    return 'Channel.get';
  }

  override $inCallback(): { value: T } {
    this.use();
    return { value: this.#channel.getNowait() };
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#channel.$ask(hub, slot);
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): T {
    const channel = this.#channel;
    if (channel.$hasGift(slot) || !this.timedOut(hub, slot)) return channel.$received(hub, slot);
    channel.$left(hub);
    throw this.limit instanceof Timeout ? this.expired(hub) : new Empty('Channel.get: nobody put an item in time');
  }

  override abandon(hub: Hub): void {
    this.#channel.$left(hub);
  }
}
