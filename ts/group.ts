// Group: greenlets that are kept track of together. What maps functions over them is in map-work.ts, mapping.ts and imap.ts.
//
// G1  a Greenlet is in `greenlets` from its entering to the turn in which its end is told, which is the first thing told
//     of it if it entered before anybody linked to it
// G2  #empty is up exactly while there is no member, `length` is 0

import { KILL_OPTIONS, needFunction, needOptions, TIMEOUT, wrongType } from './core/arguments.ts';
import { NIL } from './core/contract.ts';
import type { Crowd } from './crowd.ts';
import { Event } from './event.ts';
import { GreenletExit } from './exceptions.ts';
import { Framed } from './framed.ts';
import { killall, kill as killRaw } from './gevent.ts';
import { type GeneratorBody, Greenlet, killer, type OtherBody } from './gevent-greenlet.ts';
import { collectEnd, type SoleCollector } from './greenlet-links.ts';
import { debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Operation } from './hub/operation.ts';
import type { Park } from './hub/protocol.ts';
import { RawGreenlet, waitingGreenlet } from './hub/raw.ts';
import { IMap, type IMapOptions, IMapUnordered, splitImap } from './imap.ts';
import { hubHere, limitMs } from './limit.ts';
import { mapOver } from './mapping.ts';
import { type Limit, Timeout } from './timeout.ts';
import { settle } from './unwind.ts';
import { joinall } from './waiting.ts';

export interface GroupKillOptions {
  /** Default GreenletExit. */
  exception?: unknown;
  /** Wait until the group is empty. Default true. */
  block?: boolean;
  /** Seconds; then the wait ends silently. Default: no limit. */
  timeout?: Limit;
}

export interface GroupJoinOptions {
  /** Seconds. Default: no limit. */
  timeout?: Limit;
  /** Raise the failure of one that was in the group when `join` was called. Default false. */
  raiseError?: boolean;
}

function checkArguments(args: unknown, where: string): void {
  if (args !== undefined && !Array.isArray(args)) throw wrongType(where, 'an array of arguments', args);
}

export interface EnterOptions {
  /** False: raise PoolFull if there is no room. Default true. */
  blocking?: boolean;
  /** Seconds to wait for room; then PoolFull is raised. Default: no limit. */
  timeout?: Limit;
}

const ENTER_OPTIONS: readonly string[] = ['blocking', 'timeout'];

/**
 * Greenlets that are joined, killed and mapped over together. One that ends leaves by itself.
 * @see `gevent.pool.Group`, the source. Differs: `add`, `start` and `spawn` are operations, as they are in a Pool; what acts
 * at once is `addNowait`, `startNowait`, `spawnNowait`.
 */
export class Group {
  static readonly name: string = 'Group';
  readonly #members = new Set<RawGreenlet>();
  /** Members that are not among those, for they are made when their turn comes. */
  #unseen = 0;
  readonly #crowds = new Set<Crowd>();
  /** Somebody may look at the members at any time. */
  #watched = false;
  /** Members that have been shot at by `kill` or `killone`. */
  readonly dying = new Set<RawGreenlet>();
  /** What `spawn` makes. */
  greenletClass: typeof Greenlet = Greenlet;
  readonly #empty = new Event();
  readonly #leaver: Leaver;

  /** @param greenlets - the first members */
  constructor(greenlets: Iterable<RawGreenlet> | null = null) {
    this.#empty.set();
    this.#leaver = new Leaver(this);
    for (const greenlet of greenlets ?? []) this.$track(greenlet);
  }

  // ---- members --------------------------------------------------------------------------------------------------------

  /** The members. */
  get greenlets(): Set<RawGreenlet> {
    this.#watched = true;
    return this.#all();
  }

  #all(): Set<RawGreenlet> {
    for (const crowd of this.#crowds) crowd.$expand();
    return this.#members;
  }

  /** Keep track of a greenlet, until it ends or `discard`. Switch point only in a Pool that is full. */
  add(greenlet: RawGreenlet, options: EnterOptions = {}): Operation<void> {
    checkGreenlet(greenlet, 'add(greenlet)');
    needOptions('add(options)', options, ENTER_OPTIONS);
    return new Enter<void>(this, this.$room(options), () => this.$track(greenlet));
  }

  /** The same at once. Never a switch point. */
  addNowait(greenlet: RawGreenlet): void {
    checkGreenlet(greenlet, 'addNowait(greenlet)');
    this.$takeRoom();
    this.#entering(() => this.$track(greenlet));
  }

  /** Add a greenlet and start it. Switch point only in a Pool that is full. */
  start(greenlet: Greenlet<any>, options: EnterOptions = {}): Operation<void> {
    checkGreenlet(greenlet, 'start(greenlet)');
    needOptions('start(options)', options, ENTER_OPTIONS);
    return new Enter<void>(this, this.$room(options), () => {
      this.$track(greenlet);
      greenlet.start();
    });
  }

  /** The same at once. */
  startNowait(greenlet: Greenlet<any>): void {
    this.addNowait(greenlet);
    greenlet.start();
  }

  /** Make a greenlet of `greenletClass`, add and start it: gives it. Switch point only in a Pool that is full. */
  spawn<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Operation<Greenlet<R>>;
  /** Make a greenlet of an async or plain function, add and start it: gives it. Switch point only in a Pool that is full. */
  spawn<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Operation<Greenlet<Awaited<R>>>;
  spawn(fn: (...args: any[]) => any, ...args: unknown[]): Operation<Greenlet<any>> {
    needFunction('spawn(fn)', fn);
    return new Enter<Greenlet<any>>(this, this.$room({}), () => this.#make(fn, args));
  }

  /**
   * The same at once. Never a switch point.
   * @throws PoolFull if it is a Pool and full
   */
  spawnNowait<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
  /** The same at once, for an async or plain function. @throws PoolFull if it is a Pool and full */
  spawnNowait<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Greenlet<Awaited<R>>;
  spawnNowait(fn: (...args: any[]) => any, ...args: unknown[]): Greenlet<any> {
    needFunction('spawnNowait(fn)', fn);
    this.$takeRoom();
    return this.#entering(() => this.#make(fn, args));
  }

  #make(fn: (...args: any[]) => any, args: unknown[]): Greenlet<any> {
    const greenlet = new this.greenletClass(fn, ...args);
    this.$track(greenlet);
    greenlet.start();
    return greenlet;
  }

  /** @internal See Runs in imap.ts. */
  get $plainGroup(): Group | null {
    return this.greenletClass === Greenlet ? this : null;
  }

  /** @internal Members may be made when their turn comes. */
  get $takesCrowds(): boolean {
    return !this.#watched;
  }

  /** @internal `count` members of a crowd begin, for which room was taken. */
  $crowdEnters(crowd: Crowd, count: number): void {
    this.#crowds.add(crowd);
    this.#unseen += count;
    this.#empty.clear();
  }

  /** @internal All of it have left. */
  $crowdOver(crowd: Crowd): void {
    this.#crowds.delete(crowd);
  }

  /** @internal One of a crowd is a member like any other. */
  $seen(greenlet: RawGreenlet): void {
    --this.#unseen;
    this.#members.add(greenlet);
  }

  /** @internal One of a crowd has left. */
  $leftUnseen(): void {
    --this.#unseen;
    if (this.length === 0) this.#empty.set();
    this.$giveRoom();
  }

  /** @internal Room that some leave can go to others of the same map at once: nobody could tell. `ours` waits for it. */
  $passesRoom(_ours: boolean): boolean {
    return false;
  }

  /** @internal Nobody waits for the group to be empty. */
  get $isUnjoined(): boolean {
    return this.#empty.$row === NIL;
  }

  /**
   * @internal Start a new greenlet as a member, for which room was taken. Not the group but `collector` is told of its end, and
   * tells the group by `$left`.
   */
  $startTold(greenlet: Greenlet<any>, collector: SoleCollector): void {
    collectEnd(greenlet, collector);
    this.#members.add(greenlet);
    this.#empty.clear();
    try {
      greenlet.start();
    } catch (error) {
      this.$left(greenlet);
      throw error;
    }
  }

  /** Room was taken: `enter`, or give it back. */
  #entering<T>(enter: () => T): T {
    try {
      return enter();
    } catch (error) {
      this.$giveRoom();
      throw error;
    }
  }

  /** Keep track of it no longer. It is not killed. */
  discard(greenlet: RawGreenlet): void {
    for (const crowd of this.#crowds) if (crowd.isRunning(greenlet)) crowd.$expand();
    this.$left(greenlet);
  }

  has(greenlet: RawGreenlet): boolean {
    if (this.#members.has(greenlet)) return true;
    for (const crowd of this.#crowds) if (crowd.isRunning(greenlet)) return true;
    return false;
  }

  get length(): number {
    return this.#members.size + this.#unseen;
  }

  [Symbol.iterator](): Iterator<RawGreenlet> {
    return this.#all()[Symbol.iterator]();
  }

  /** False: there is always room. */
  full(): boolean {
    return false;
  }

  /** Wait for room: how much there is. A group has always room for one more. */
  waitAvailable(options: { timeout?: Limit } = {}): Operation<number> {
    needOptions('waitAvailable(options)', options, TIMEOUT);
    return new Enter<number>(this, null, () => 1);
  }

  /** @internal The operation that takes room for one, or null if it need not be taken. */
  $room(_options: EnterOptions): Operation<boolean> | null {
    return null;
  }

  /** @internal Take room for one now, or throw PoolFull. */
  $takeRoom(): void {}

  /** @internal */
  $giveRoom(): void {}

  /** @internal Take room for one, if there is. */
  $takesRoom(): boolean {
    return true;
  }

  /** @internal The same, or park `slot` in the line of those who wait for room. */
  $enterRoom(_hub: Hub, _slot: number): boolean {
    return true;
  }

  /** @internal One who was parked there has gone, with room or without. */
  $leftRoom(_hub: Hub): void {}

  /** @internal What `add` raises when there was no room in time. */
  $noRoom(): Error {
    return new Error('unreachable');
  }

  /** @internal A member from now on. Room has been taken. */
  $track(greenlet: RawGreenlet): void {
    checkGreenlet(greenlet, 'add(greenlet)');
    if (this.has(greenlet)) return this.$giveRoom();
    if (greenlet instanceof Greenlet) collectEnd(greenlet, this.#leaver);
    this.#members.add(greenlet);
    this.#empty.clear();
  }

  /** @internal It is a member no longer. */
  $left(greenlet: RawGreenlet): void {
    if (!this.#members.delete(greenlet)) return;
    this.dying.delete(greenlet);
    if (this.length === 0) this.#empty.set();
    this.$giveRoom();
  }

  // ---- together -------------------------------------------------------------------------------------------------------

  /**
   * Wait until the group is empty, if only for a moment: true; false if `timeout` came first. Switch point, unless it is empty.
   * With `raiseError` the failure of a greenlet that was a member at the call is raised.
   */
  join(options: GroupJoinOptions = {}): Operation<boolean> {
    needOptions('join(options)', options, ['raiseError', 'timeout']);
    const { timeout = null, raiseError = false } = options;
    limitMs(timeout, 'join(timeout)');
    const members = raiseError ? [...this.#all()] : [];
    return new Framed('Group.join', () => this.#joining(members, timeout));
  }

  *#joining(members: RawGreenlet[], timeout: Limit): Generator<Park, boolean, any> {
    const emptied = yield* this.#empty.wait({ timeout });
    for (const g of members) if (g instanceof Greenlet && g.ready() && !g.successful()) throw g.exception;
    return emptied;
  }

  /**
   * Kill the members. The order is given at once, to each member only once; the operation waits until the group is empty, and
   * kills those who join it meanwhile. Never raises for `timeout`.
   */
  kill(options: GroupKillOptions = {}): Operation<void> {
    needOptions('kill(options)', options, KILL_OPTIONS);
    const { exception = GreenletExit, block = true, timeout = null } = options;
    killer(exception);
    limitMs(timeout, 'kill(timeout)');
    this.#shoot(exception);
    const operation = new Framed('Group.kill', () => this.#killing(exception, block, timeout));
    // The order stands, whether or not anybody waits for the end.
    if (debugging) hubHere().debug.consumed(operation);
    return operation;
  }

  #shoot(exception: unknown): void {
    for (const greenlet of [...this.#all()]) {
      if (this.dying.has(greenlet)) continue;
      this.dying.add(greenlet);
      killRaw(greenlet, exception);
      // A raw greenlet tells nobody of its end.
      if (!(greenlet instanceof Greenlet) && greenlet.dead) this.$left(greenlet);
    }
  }

  *#killing(exception: unknown, block: boolean, limit: Limit): Generator<Park, void, any> {
    if (!block) return;
    const timeout = Timeout.startNew(limit);
    try {
      while (this.length > 0) {
        this.#shoot(exception);
        const members = [...this.#all()];
        const told = members.filter((g): g is Greenlet<any> => g instanceof Greenlet);
        const raw = members.filter((g) => !(g instanceof Greenlet));
        yield* joinall(told);
        if (raw.length > 0) yield* killall(raw, { exception });
        for (const g of raw) if (g.dead) this.$left(g);
        if (told.length === 0 && raw.some((g) => !g.dead)) return;
      }
    } catch (error) {
      if (error !== timeout) throw error;
    } finally {
      timeout.cancel();
    }
  }

  /** Kill one member, unless it is dying already. The order is given at once; waits for its end. */
  killone(greenlet: RawGreenlet, options: GroupKillOptions = {}): Operation<void> {
    checkGreenlet(greenlet, 'killone(greenlet)');
    needOptions('killone(options)', options, KILL_OPTIONS);
    const { exception = GreenletExit, block = true, timeout = null } = options;
    killer(exception);
    const mine = this.has(greenlet) && !this.dying.has(greenlet);
    if (mine) {
      this.dying.add(greenlet);
      killRaw(greenlet, exception);
    }
    if (!mine || !block || !(greenlet instanceof Greenlet)) {
      const operation = new Enter<void>(this, null, () => {});
      if (debugging) hubHere().debug.consumed(operation);
      return operation;
    }
    const join = greenlet.join({ timeout });
    if (debugging) hubHere().debug.consumed(join);
    return join;
  }

  // ---- mapping --------------------------------------------------------------------------------------------------------

  /**
   * Run `fn(...args)` as a member and wait for its result; its error is raised here. Called by a member it runs right here, so
   * that a full pool cannot wait for itself.
   */
  apply<A extends unknown[], R>(fn: (...args: A) => R, args?: A): Operation<any> {
    needFunction('apply(fn)', fn);
    checkArguments(args, 'apply(args)');
    const caller = waitingGreenlet();
    return new Framed('apply', () => this.#apply(caller, fn, (args ?? []) as unknown[]));
  }

  *#apply(caller: RawGreenlet, fn: (...args: any[]) => unknown, args: unknown[]): Generator<Park, any, any> {
    if (this.has(caller)) return yield* settle(fn(...args));
    const greenlet = yield* this.spawn(fn as OtherBody<unknown[], unknown>, ...args);
    return yield* greenlet.get();
  }

  /**
   * `apply` that does not wait: gives a Greenlet with the result. If the pool is full, a greenlet that is no member does the
   * waiting. `callback(value)` runs in a greenlet of its own after a success. Never a switch point.
   */
  applyAsync(
    fn: (...args: any[]) => unknown,
    args: unknown[] = [],
    callback: ((value: any) => unknown) | null = null,
  ): Greenlet<any> {
    needFunction('applyAsync(fn)', fn);
    checkArguments(args, 'applyAsync(args)');
    if (callback !== null) needFunction('applyAsync(callback)', callback);
    if (this.full()) {
      const self = this;
      return Greenlet.spawn(function* (): Generator<Park, unknown, any> {
        return yield* self.applyCb(fn, args, callback);
      });
    }
    const greenlet = this.spawnNowait(fn as OtherBody<unknown[], unknown>, ...args);
    if (callback !== null) greenlet.linkValue((g: Greenlet<any>) => callback(g.value));
    return greenlet;
  }

  /** `apply`, and then `callback(value)` in a greenlet of its own. */
  applyCb(
    fn: (...args: any[]) => unknown,
    args: unknown[] = [],
    callback: ((value: any) => unknown) | null = null,
  ): Operation<any> {
    needFunction('applyCb(fn)', fn);
    checkArguments(args, 'applyCb(args)');
    if (callback !== null) needFunction('applyCb(callback)', callback);
    const caller = waitingGreenlet();
    const self = this;
    return new Framed('applyCb', function* () {
      const value = yield* self.#apply(caller, fn, args);
      if (callback !== null) Greenlet.spawn(callback as OtherBody<[unknown], unknown>, value);
      return value;
    });
  }

  /**
   * `fn(item)` for each item, as members: their results in the order of the items. The first failing position is raised; the
   * others keep running. Switch point.
   */
  map<T, R>(fn: (item: T) => R, items: Iterable<T>): Operation<Results<R>> {
    needFunction('map(fn)', fn);
    checkIterable(items, 'map(items)');
    return this.#mapped(fn, items, null);
  }

  /** A helper greenlet does it, and goes on if whoever waits is killed. */
  #mapped(fn: any, items: Iterable<any>, callback: any): Operation<any> {
    const self = this;
    return new Framed('map', function* () {
      return yield* self.mapAsync(fn, items, callback).get();
    });
  }

  /** `map` that does not wait: a Greenlet with the list. `callback(list)` runs in that greenlet. Never a switch point. */
  mapAsync<T, R>(
    fn: (item: T) => R,
    items: Iterable<T>,
    callback: ((results: Results<R>) => unknown) | null = null,
  ): Greenlet<Results<R>> {
    needFunction('map(fn)', fn);
    checkIterable(items, 'map(items)');
    if (callback !== null) needFunction('mapAsync(callback)', callback);
    return Greenlet.spawn(mapBody, this, fn, items, callback) as Greenlet<any>;
  }

  /** `map`, and then `callback(list)` before this returns. */
  mapCb<T, R>(
    fn: (item: T) => R,
    items: Iterable<T>,
    callback: ((results: Results<R>) => unknown) | null = null,
  ): Operation<Results<R>> {
    needFunction('map(fn)', fn);
    checkIterable(items, 'map(items)');
    if (callback !== null) needFunction('mapCb(callback)', callback);
    return this.#mapped(fn, items, callback);
  }

  /**
   * `map` as an iterator, lazily and in order: `for await (const r of group.imap(fn, items))`, or `yield* it.next()`. Several
   * iterables are zipped. A failure is raised at its position and the iteration goes on. With `maxsize` at most so many results
   * wait to be taken.
   */
  imap<R>(
    fn: (...items: any[]) => R,
    ...rest: [...iterables: Iterable<any>[], options: IMapOptions] | Iterable<any>[]
  ): IMap<any> {
    needFunction('imap(fn)', fn);
    const ordered = new IMap<any>(this, fn, splitImap(rest, 'imap'));
    ordered.start();
    return ordered;
  }

  /** The same in the order in which they are done. */
  imapUnordered<R>(
    fn: (...items: any[]) => R,
    ...rest: [...iterables: Iterable<any>[], options: IMapOptions] | Iterable<any>[]
  ): IMapUnordered<any> {
    needFunction('imapUnordered(fn)', fn);
    const unordered = new IMapUnordered<any>(this, fn, splitImap(rest, 'imapUnordered'));
    unordered.start();
    return unordered;
  }

  toString(): string {
    return `<${this.constructor.name} of ${this.length}>`;
  }
}

/** What a mapped function's results are. */
export type Results<R> = (R extends Generator<any, infer T, any> ? T : Awaited<R>)[];

function* mapBody(
  group: Group,
  fn: (item: any) => unknown,
  items: Iterable<unknown>,
  callback: ((results: any) => unknown) | null,
): Generator<Park, unknown[], any> {
  // Its error is told by get(); those of the items have been reported.
  (waitingGreenlet() as Greenlet<any>).$quiet = true;
  const results = yield* mapOver(group, fn, items);
  if (callback !== null) yield* settle(callback(results));
  return results;
}

/** Tells the group of its members' ends. */
class Leaver implements SoleCollector {
  readonly #group: Group;

  constructor(group: Group) {
    this.#group = group;
  }

  found(greenlet: Greenlet<any>): false {
    this.#group.$left(greenlet);
    return false;
  }

  ended(): boolean {
    return true;
  }

  linked(): void {}
}

/** Takes room, and does something with it. */
class Enter<T> extends Operation<T> {
  readonly #group: Group;
  readonly #room: Operation<boolean> | null;
  readonly #enter: () => T;

  constructor(group: Group, room: Operation<boolean> | null, enter: () => T) {
    super();
    this.#group = group;
    this.#room = room;
    this.#enter = enter;
    if (debugging && room !== null) hubHere().debug.consumed(room);
  }

  describe(): string {
    return this.#room === null ? `${this.#group}` : this.#room.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    return this.#room === null || this.#room.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): T {
    if (this.#room === null) return this.#enter();
    if (!this.#room.complete(hub, slot)) throw this.#group.$noRoom();
    try {
      return this.#enter();
    } catch (error) {
      this.#group.$giveRoom();
      throw error;
    }
  }

  override abandon(hub: Hub, slot: number): void {
    this.#room?.abandon(hub, slot);
  }

  override $caught(hub: Hub, error: unknown): { value: T } | null {
    const caught = this.#room?.$caught(hub, error) ?? null;
    if (caught === null) return null;
    throw this.#group.$noRoom();
  }
}

function checkGreenlet(greenlet: unknown, where: string): void {
  if (!(greenlet instanceof RawGreenlet)) throw wrongType(where, 'a greenlet', greenlet);
}

function checkIterable(items: unknown, where: string): void {
  if (typeof (items as Iterable<unknown>)?.[Symbol.iterator] !== 'function') {
    throw wrongType(where, 'an iterable', items);
  }
}
