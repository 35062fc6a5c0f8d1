// Entry `gevent-wasm/lock`: Semaphore, BoundedSemaphore, DummySemaphore, RLock.

import { needOptions, TIMEOUT, wrongType } from './core/arguments.ts';
import { RowKind } from './core/contract.ts';
import { GeventError } from './exceptions.ts';
import { Framed } from './framed.ts';
import type { GeneratorBody, OtherBody } from './gevent-greenlet.ts';
import { active, debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Operation } from './hub/operation.ts';
import { PARK, type Park, RESUME } from './hub/protocol.ts';
import { type RawGreenlet, waitingGreenlet } from './hub/raw.ts';
import { Waitable } from './hub/waitable.ts';
import { LimitedWait, QuietWait } from './limited.ts';
import type { Limit } from './timeout.ts';
import { settle } from './unwind.ts';

// Constants of this file: see hub/raw.ts.
const NIL = -1;
const GO_ON = RESUME;
const PARKED = PARK;

const MAX_PERMITS = 2 ** 30;

/** `yield*` reads them at once, so each serves all. */
const YES: IteratorReturnResult<boolean> = { done: true, value: true };

export interface AcquireOptions {
  /** False: do not wait, give false. Default true. */
  blocking?: boolean;
  /** Seconds, 0 or more; 0 lets run what is ready. Default: no limit. */
  timeout?: Limit;
}

const ACQUIRE_OPTIONS: readonly string[] = ['blocking', 'timeout'];

/** What can be acquired and released. */
export interface Lock {
  acquire(options?: AcquireOptions): Operation<boolean>;
  release(): unknown;
}

/** Releases its lock at the end of a `using` block, once. */
export class Held {
  #lock: Lock | null;

  /** @internal */
  constructor(lock: Lock) {
    this.#lock = lock;
  }

  /** Release it now. Later calls, and the end of the block, do nothing. */
  release(): void {
    const lock = this.#lock;
    this.#lock = null;
    lock?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** `acquire` that gives something to release with. */
class Hold extends Operation<Held> {
  readonly #lock: Lock;
  readonly #acquire: Operation<boolean>;

  constructor(lock: Lock) {
    super();
    this.#lock = lock;
    this.#acquire = lock.acquire();
  }

  describe(): string {
    return this.#acquire.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    if (debugging) hub.debug.consumed(this.#acquire);
    return this.#acquire.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): Held {
    this.#acquire.complete(hub, slot);
    return new Held(this.#lock);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#acquire.abandon(hub, slot);
  }
}

function* holding(lock: Lock, fn: (...args: any[]) => unknown, args: unknown[]): Generator<Park, any, any> {
  yield* lock.acquire();
  try {
    return yield* settle(fn(...args));
  } finally {
    lock.release();
  }
}

function holdWhile(lock: Lock, fn: (...args: any[]) => unknown, args: unknown[]): Operation<any> {
  const what = lock.constructor.name;
  if (typeof fn !== 'function') throw wrongType(`${what}.with(fn)`, 'a function', fn);
  return new Framed(`${what}.with`, () => holding(lock, fn, args));
}

/**
 * A number of permits. Who finds none waits, in order of arrival; but a permit that is there goes to whoever asks first.
 *
 *     const slots = new Semaphore(10);
 *     { using _ = yield* slots.lock(); yield* work(); }
 *
 * @see `gevent.lock.Semaphore`, the source. Differs: belongs to one thread.
 */
export class Semaphore extends Waitable implements Lock {
  static override readonly name: string = 'Semaphore';
  /** Not while there is a row (O3). */
  #permits: number;
  #acquire: Acquire | null = null;
  /** @internal What it began with. */ readonly $initial: number;

  /** @param value - permits at the beginning, an integer of 0 or more */
  constructor(value = 1) {
    super();
    checkPermits(value, 0, `${new.target.name}(value)`);
    this.#permits = this.$initial = value;
  }

  /** @internal */
  override describe(slot: number = NIL): string {
    const waits = slot !== NIL && (this.$hub as Hub).core.role(slot) === 0 ? 'wait' : 'acquire';
    return `${this.constructor.name}.${waits}, ${this.counter} of ${this.$initial} permits free`;
  }

  /** @internal */
  protected override $open(hub: Hub): number {
    return hub.row(RowKind.SEMAPHORE, this.#permits, this);
  }

  /** @internal */
  protected override $close(hub: Hub, row: number): void {
    this.#permits = hub.core.value(row);
  }

  /** Permits that are free. */
  get counter(): number {
    return this.$row === NIL ? this.#permits : (this.$hub as Hub).core.value(this.$row);
  }

  /** True if no permit is free. */
  locked(): boolean {
    return this.counter === 0;
  }

  /** True if a permit is free. */
  ready(): boolean {
    return this.counter > 0;
  }

  /**
   * Take a permit: true; false if `timeout` came first, or there is none and `blocking` is false. Switch point, unless one is free.
   * Whoever is killed or timed out while waiting takes nothing.
   * @throws InvalidThreadUseError if it must wait and was used on another hub before
   * @throws LoopExit if nobody could ever release one
   */
  acquire(options?: AcquireOptions): Operation<boolean> {
    if (options !== undefined) {
      needOptions('acquire(options)', options, ACQUIRE_OPTIONS);
      const { blocking = true, timeout = null } = options;
      if (!blocking) return new Try(this, timeout);
      if (timeout !== null) return new TimedAcquire(this, timeout);
    }
    if (debugging) return new Acquire(this);
    if (this.#acquire === null) this.#acquire = new Acquire(this);
    return this.#acquire;
  }

  /** Take a permit if one is free. Never a switch point. */
  acquireNowait(): boolean {
    if (this.$row !== NIL) return (this.$hub as Hub).core.semTry(this.$row) !== 0;
    if (this.#permits === 0) return false;
    --this.#permits;
    return true;
  }

  /** @internal Take one, or park. */
  $enter(hub: Hub, slot: number): boolean {
    if (this.$row === NIL && this.#permits > 0) {
      --this.#permits;
      return true;
    }
    return hub.core.semAcquire(this.$rowFor(hub), slot) !== 0;
  }

  /**
   * Give `count` permits back, or more than there were. Never a switch point: those who wait get theirs later, and until then
   * anybody may take them.
   * @param count - an integer from 1. Default 1
   * @returns the number of free permits now
   */
  release(count = 1): number {
    if (count !== 1) this.#checkRelease(count);
    if (this.$row === NIL) return (this.#permits += count);
    const now = (this.$hub as Hub).core.semRelease(this.$row, count);
    this.$kick();
    return now;
  }

  // Not for each single one: so many, one by one, nobody releases.
  #checkRelease(count: number): void {
    checkPermits(count, 1, `${this.constructor.name}.release(count)`);
    const now = this.counter + count;
    if (now <= MAX_PERMITS) return;
    throw new RangeError(
      `${this.constructor.name}.release(count): expected at most ${MAX_PERMITS} permits, got ${now}`,
    );
  }

  /**
   * Wait until a permit is free, without taking it: gives how many are, by then perhaps none. Switch point, unless one is free.
   * @param options.timeout - seconds, 0 or more. Default: no limit.
   */
  wait(options?: { timeout?: Limit }): Operation<number> {
    needOptions('wait(options)', options, TIMEOUT);
    return new WaitForPermit(this, options?.timeout ?? null);
  }

  /** Take a permit for a block: `using _ = yield* semaphore.lock();` */
  lock(): Operation<Held> {
    return new Hold(this);
  }

  /**
   * Run `fn(...args)` with a permit, and give it back however that ends. In a generator body `fn` runs in the current greenlet;
   * with `await` in one of its own.
   */
  with<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Operation<R>;
  /** Run the async or plain function `fn(...args)` holding it, and release it however that ends. */
  with<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Operation<Awaited<R>>;
  with(fn: (...args: any[]) => unknown, ...args: unknown[]): Operation<any> {
    return holdWhile(this, fn, args);
  }

  override toString(): string {
    return `<${this.constructor.name} counter=${this.counter} _links[${this.linkcount()}]>`;
  }
}

function checkPermits(value: number, least: number, where: string): void {
  if (typeof value !== 'number') throw wrongType(where, 'an integer', value);
  if (!Number.isInteger(value) || value < least || value > MAX_PERMITS) {
    throw new RangeError(`${where}: expected an integer from ${least} to ${MAX_PERMITS}, got ${value}`);
  }
}

/** Without a limit it has no state, so one object serves all who wait. */
class Acquire extends Operation<boolean> {
  readonly #semaphore: Semaphore;

  constructor(semaphore: Semaphore) {
    super();
    this.#semaphore = semaphore;
  }

  describe(): string {
    return this.#semaphore.describe();
  }

  override $inCallback(): { value: boolean } | null {
    return this.#semaphore.acquireNowait() ? YES : null;
  }

  override next(sent?: unknown): IteratorResult<Park, boolean> {
    const semaphore = this.#semaphore;
    if (sent === GO_ON && semaphore.$alone === true) return YES;
    const hub = active;
    if (sent === GO_ON || hub === null || hub.parking !== null || debugging) return super.next(sent);
    const slot = hub.cur;
    if (slot === NIL) return super.next(sent);
    if (semaphore.$enter(hub, slot)) return YES;
    hub.parking = true;
    return PARKED;
  }

  begin(hub: Hub, slot: number): boolean {
    return this.#semaphore.$enter(hub, slot);
  }

  complete(hub: Hub): boolean {
    this.#semaphore.$left(hub);
    return true;
  }

  override abandon(hub: Hub): void {
    this.#semaphore.$left(hub);
  }
}

class TimedAcquire extends QuietWait<boolean> {
  readonly #semaphore: Semaphore;

  constructor(semaphore: Semaphore, limit: Limit) {
    super(limit, 'acquire(timeout)');
    this.#semaphore = semaphore;
  }

  describe(): string {
    return this.#semaphore.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (this.#semaphore.$enter(hub, slot)) return true;
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): boolean {
    if (this.waited) this.#semaphore.$left(hub);
    return this.timedOut(hub, slot) ? this.ranOut(hub) : true;
  }

  protected override late(): boolean {
    return false;
  }

  override abandon(hub: Hub): void {
    this.#semaphore.$left(hub);
  }
}

/** `acquire` that does not wait. */
class Try extends LimitedWait<boolean> {
  readonly #lock: { acquireNowait(): boolean };

  constructor(lock: { acquireNowait(): boolean }, limit: Limit) {
    super(limit, 'acquire(timeout)');
    this.#lock = lock;
  }

  describe(): string {
    return 'acquire without blocking';
  }

  override $inCallback(): { value: boolean } {
    return { value: this.complete() };
  }

  begin(): boolean {
    this.use();
    return true;
  }

  complete(): boolean {
    return this.#lock.acquireNowait();
  }
}

class WaitForPermit extends QuietWait<number> {
  readonly #semaphore: Semaphore;

  constructor(semaphore: Semaphore, limit: Limit) {
    super(limit, 'wait(timeout)');
    this.#semaphore = semaphore;
  }

  describe(): string {
    return this.#semaphore.describe().replace('.acquire', '.wait');
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const semaphore = this.#semaphore;
    if (semaphore.ready()) return true;
    hub.core.park(slot, semaphore.$rowFor(hub));
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): number {
    if (this.waited) this.#semaphore.$left(hub);
    return this.timedOut(hub, slot) ? this.ranOut(hub) : this.#semaphore.counter;
  }

  protected override late(): number {
    return this.#semaphore.counter;
  }

  override abandon(hub: Hub): void {
    this.#semaphore.$left(hub);
  }
}

/**
 * A semaphore that never has more permits than at the beginning: to release too often is an error.
 * @see `gevent.lock.BoundedSemaphore`, the source.
 */
export class BoundedSemaphore extends Semaphore {
  static override readonly name: string = 'BoundedSemaphore';
  /** @throws RangeError if more would be free than at the beginning */
  override release(count = 1): number {
    if (this.counter + count > this.$initial) {
      throw new RangeError(
        `Semaphore released too many times: ${this.counter} of ${this.$initial} permits are free, ${count} more given back`,
      );
    }
    return super.release(count);
  }
}

/**
 * Looks like a semaphore and never blocks.
 * @see `gevent.lock.DummySemaphore`, the source.
 */
export class DummySemaphore implements Lock {
  /** True, at once. */
  acquire(options: AcquireOptions = {}): Operation<boolean> {
    needOptions('acquire(options)', options, ACQUIRE_OPTIONS);
    return new Always(true, 'DummySemaphore.acquire', options.timeout ?? null);
  }

  /** True. */
  acquireNowait(): boolean {
    return true;
  }

  /** Nothing happens. */
  release(_count = 1): void {}

  /** False. */
  locked(): boolean {
    return false;
  }

  /** True. */
  ready(): boolean {
    return true;
  }

  /** 1, at once. */
  wait(options: { timeout?: Limit } = {}): Operation<number> {
    needOptions('wait(options)', options, TIMEOUT);
    return new Always(1, 'DummySemaphore.wait', options.timeout ?? null);
  }

  /** Nothing happens: the callback is never called. */
  rawlink(_callback: (source: this) => void): void {}

  /** Nothing happens. */
  unlink(_callback: (source: any) => void): void {}

  /** Nothing to release, for a block all the same. */
  lock(): Operation<Held> {
    return new Hold(this);
  }

  /** Run `fn(...args)`. */
  with<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Operation<R>;
  /** Run the async or plain function `fn(...args)` holding it, and release it however that ends. */
  with<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Operation<Awaited<R>>;
  with(fn: (...args: any[]) => unknown, ...args: unknown[]): Operation<any> {
    return holdWhile(this, fn, args);
  }
}

/** An answer that need not be waited for. */
class Always<T> extends LimitedWait<T> {
  readonly #value: T;
  readonly #what: string;

  constructor(value: T, what: string, limit: Limit) {
    super(limit, 'timeout');
    this.#value = value;
    this.#what = what;
  }

  describe(): string {
    return this.#what;
  }

  begin(): boolean {
    return true;
  }

  complete(): T {
    return this.#value;
  }
}

/**
 * A lock that its holder may take again; it is free when it was released as often. The holder is a greenlet: main is one.
 * @see `gevent.lock.RLock`, the source.
 */
export class RLock implements Lock {
  readonly #block: Semaphore;
  #owner: RawGreenlet | null = null;
  #count = 0;

  constructor() {
    this.#block = new RLockBlock(this);
  }

  /** @internal */
  get $owner(): RawGreenlet | null {
    return this.#owner;
  }

  /** @internal As the dump names those who wait for it. */
  describe(): string {
    return this.#owner === null ? 'RLock.acquire' : `RLock.acquire, held by ${this.#owner}`;
  }

  /**
   * Take the lock: true; false if `timeout` came first, or somebody else has it and `blocking` is false. Switch point, unless it is
   * free or one's own.
   */
  acquire(options: AcquireOptions = {}): Operation<boolean> {
    needOptions('acquire(options)', options, ACQUIRE_OPTIONS);
    const { blocking = true, timeout = null } = options;
    if (!blocking) return new Try(this, timeout);
    return new AcquireRLock(this, timeout);
  }

  /** Take it if it is free or one's own. Never a switch point. */
  acquireNowait(): boolean {
    const me = waitingGreenlet();
    if (this.#owner === me) ++this.#count;
    else if (this.#block.acquireNowait()) this.$taken(me);
    else return false;
    return true;
  }

  /** @internal Take it, or park. */
  $enter(hub: Hub, slot: number, me: RawGreenlet): boolean {
    if (this.#owner === me) {
      ++this.#count;
      return true;
    }
    if (!this.#block.$enter(hub, slot)) return false;
    this.$taken(me);
    return true;
  }

  /** @internal */
  $taken(by: RawGreenlet): void {
    this.#owner = by;
    this.#count = 1;
  }

  /** @internal */
  $left(hub: Hub): void {
    this.#block.$left(hub);
  }

  /**
   * Give it back once. Never a switch point.
   * @throws GeventError `GEVENT_NOT_OWNER` if the current greenlet does not hold it
   */
  release(): void {
    const me = waitingGreenlet();
    if (this.#owner !== me) {
      throw new GeventError('GEVENT_NOT_OWNER', `cannot release un-acquired lock: ${this}, this is ${me}`);
    }
    if (--this.#count > 0) return;
    this.#owner = null;
    this.#block.release();
  }

  /** True while somebody holds it. */
  locked(): boolean {
    return this.#block.locked();
  }

  /** Take it for a block: `using _ = yield* rlock.lock();` */
  lock(): Operation<Held> {
    return new Hold(this);
  }

  /** Run `fn(...args)` holding it, and release it however that ends. With `await` the holder is a greenlet made for that. */
  with<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Operation<R>;
  /** Run the async or plain function `fn(...args)` holding it, and release it however that ends. */
  with<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Operation<Awaited<R>>;
  with(fn: (...args: any[]) => unknown, ...args: unknown[]): Operation<any> {
    return holdWhile(this, fn, args);
  }

  toString(): string {
    return `<RLock ${this.#owner === null ? 'free' : `owner=${this.#owner} count=${this.#count}`}>`;
  }
}

/** What an RLock waits on. */
class RLockBlock extends Semaphore {
  readonly #lock: RLock;

  constructor(lock: RLock) {
    super(1);
    this.#lock = lock;
  }

  override describe(): string {
    return this.#lock.describe();
  }

  /** @internal Its owner, and nobody else, can let others in: the dump finds deadlocks by it. */
  $blockers(): RawGreenlet[] {
    const owner = this.#lock.$owner;
    return owner === null ? [] : [owner];
  }

  override toString(): string {
    return String(this.#lock);
  }
}

class AcquireRLock extends QuietWait<boolean> {
  readonly #lock: RLock;
  #me: RawGreenlet | null = null;

  constructor(lock: RLock, limit: Limit) {
    super(limit, 'acquire(timeout)');
    this.#lock = lock;
  }

  describe(): string {
    return this.#lock.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    // Known here only: an async body is woken in the hub.
    this.#me = waitingGreenlet();
    if (this.#lock.$enter(hub, slot, this.#me)) return true;
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): boolean {
    if (!this.waited) return true;
    this.#lock.$left(hub);
    if (this.timedOut(hub, slot)) return this.ranOut(hub);
    this.#lock.$taken(this.#me as RawGreenlet);
    return true;
  }

  protected override late(): boolean {
    return false;
  }

  override abandon(hub: Hub): void {
    this.#lock.$left(hub);
  }
}
