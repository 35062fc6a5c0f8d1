// wait, iwait, joinall: wait for several things at once. Anything with `rawlink` and `unlink` can be waited for.

import { describe, needOptions, wrongRange, wrongType } from './core/arguments.ts';
import { Greenlet } from './gevent-greenlet.ts';
import { collectEnd, type SoleCollector } from './greenlet-links.ts';
import type { Hub } from './hub/hub.ts';
import { type Operation, RowWait } from './hub/operation.ts';
import { hubHere, limitMs } from './limit.ts';
import { type Limit, Timeout } from './timeout.ts';

/** What can be waited for: greenlets, events, semaphores, results. */
export interface Linkable {
  rawlink(callback: (source: any) => void): void;
  unlink(callback: (source: any) => void): void;
}

export interface WaitOptions {
  /** Seconds, 0 or more; 0 only polls. Default: no limit. */
  timeout?: Limit;
  /** Stop after this many, an integer from 1. Default: all. */
  count?: number;
}

export interface JoinallOptions extends WaitOptions {
  /** Rethrow the first failure at once; the others keep running. Default false. */
  raiseError?: boolean;
}

const COUNT_TIMEOUT: readonly string[] = ['count', 'timeout'];

function checkCount(count: number | undefined | null, where: string): number {
  if (count === undefined || count === null) return Infinity;
  if (!Number.isInteger(count) || count < 1) {
    throw wrongRange(where, 'count to be an integer from 1', count);
  }
  return count;
}

function checkAll(objects: Iterable<unknown>, where: string): Linkable[] {
  if (objects === null || typeof objects !== 'object' || typeof objects[Symbol.iterator] !== 'function') {
    throw wrongType(where, 'an iterable of greenlets or other linkable objects', objects);
  }
  const all = [...objects] as Linkable[];
  for (let i = 0; i < all.length; ++i) {
    if (typeof all[i]?.rawlink !== 'function') {
      throw new TypeError(`${where}: expected an object with rawlink(), got ${describe(all[i])} at position ${i}`);
    }
  }
  return all;
}

/** Collects what becomes ready, in that order, until there is enough. */
class Collect<T extends Linkable> extends RowWait<T[]> implements SoleCollector {
  readonly #what: string;
  readonly #objects: T[];
  readonly #limit: Limit;
  readonly #enough: number;
  readonly #raise: boolean;
  /** Filled up to `#count`. Made in full: a push that has to grow it is a call. */
  readonly #ready: T[];
  #count = 0;
  #failure: { error: unknown } | null = null;
  #hub: Hub | null = null;
  #links: { detach(): void }[] = [];

  constructor(what: string, objects: T[], limit: Limit, count: number, raise: boolean) {
    limitMs(limit, `${what}(timeout)`);
    super();
    this.#what = what;
    this.#objects = objects;
    this.#limit = limit;
    this.#enough = Math.min(count, objects.length);
    this.#raise = raise;
    this.#ready = new Array(this.#enough);
  }

  describe(): string {
    return `${this.#what} of ${this.#objects.length} objects, ${this.#count} ready`;
  }

  /** @internal */
  $blockers(): Greenlet[] {
    // Only if all must end, and nothing but greenlets: others may be woken by anybody.
    const objects: Linkable[] = this.#objects;
    if (this.#enough < objects.length || !objects.every((object) => object instanceof Greenlet)) return [];
    return (objects as Greenlet[]).filter((greenlet) => !greenlet.dead);
  }

  begin(hub: Hub, slot: number): boolean {
    if (this.#enough === 0) return true;
    this.use();
    this.#hub = hub;
    this.wait(hub, slot, limitMs(this.#limit, 'timeout'));
    try {
      for (const object of this.#objects) {
        if (object instanceof Greenlet && object.$isFree) object.$collector = this;
        else this.#linkTo(object);
      }
    } catch (error) {
      // Somebody's rawlink() failed: nothing may stay parked.
      hub.core.leave(slot);
      this.abandon(hub, slot);
      throw error;
    }
    return false;
  }

  #linkTo(object: T): void {
    if (!(object instanceof Greenlet)) {
      const link = () => this.found(object);
      object.rawlink(link);
      this.#links.push({ detach: () => object.unlink(link) });
    } else collectEnd(object, this);
  }

  /** @internal */
  linked(link: { detach(): void }): void {
    this.#links.push(link);
  }

  /** @internal */
  ended(greenlet: unknown): boolean {
    // Links have their turn later, and those who ended before must be found before. And the one that completes the wait
    // ends it in its turn.
    if (this.#links.length > 0 || this.#raise || this.#count + 1 >= this.#enough) return true;
    this.#ready[this.#count++] = greenlet as T;
    return false;
  }

  /** @internal */
  found(found: unknown): boolean {
    const object = found as T;
    if (this.#count >= this.#enough || this.#failure !== null || !this.waiting) return false;
    if (this.#raise && object instanceof Greenlet && !object.successful()) this.#failure = { error: object.exception };
    else this.#ready[this.#count++] = object;
    if (this.#failure === null && this.#count < this.#enough) return false;
    return this.wake(this.#hub as Hub, true);
  }

  complete(hub: Hub, slot: number): T[] {
    if (this.#hub !== null) this.abandon(hub, slot);
    if (this.#failure !== null) throw this.#failure.error;
    this.#ready.length = this.#count;
    return this.#ready;
  }

  override abandon(hub: Hub, slot: number): void {
    if (this.#count < this.#objects.length) {
      for (const link of this.#links) link.detach();
      for (const object of this.#objects) {
        if (object instanceof Greenlet && object.$collector === this) object.$collector = null;
      }
    }
    this.#links = [];
    super.abandon(hub, slot);
  }
}

/**
 * Wait for greenlets to finish. Switch point, unless `greenlets` is empty.
 *
 * Results come in completion order: `joinall([slow, fast])` gives `[fast, slow]`. A greenlet that failed has finished too;
 * read its `exception`, or ask for `raiseError`.
 *
 * @param greenlets - any iterable; read once, when called
 * @returns the finished greenlets, at most `count` of them; fewer when the timeout came first
 * @throws RangeError if `timeout` is negative or NaN, or `count` is not a positive integer
 * @throws TypeError if something else than greenlets is given
 * @throws LoopExit if none of them could ever finish
 * @see `gevent.joinall`, the source. Differs: keyword arguments are one options object.
 */
export function joinall<T>(greenlets: Iterable<Greenlet<T>>, options: JoinallOptions = {}): Operation<Greenlet<T>[]> {
  const all = checkAll(greenlets, 'joinall(greenlets)') as unknown as Greenlet<T>[];
  needOptions('joinall(options)', options, ['raiseError', 'count', 'timeout']);
  const { timeout, count, raiseError = false } = options;
  return new Collect('joinall', all, timeout ?? null, checkCount(count, 'joinall(count)'), raiseError);
}

/**
 * Wait for objects to become ready: those that did, in that order; the timeout just cuts the list short. Switch point,
 * unless `objects` is empty. Without objects: wait until the loop has nothing left to do, from main only; gives a boolean.
 * @see `gevent.wait`, the source.
 */
export function wait(objects?: null, options?: { timeout?: Limit }): Operation<boolean>;
/** Wait for objects to become ready: those that did, in that order; the timeout just cuts the list short. Switch point, unless `objects` is empty. */
export function wait<T extends Linkable>(objects: Iterable<T>, options?: WaitOptions): Operation<T[]>;
export function wait<T extends Linkable>(
  objects?: Iterable<T> | null,
  options: WaitOptions = {},
): Operation<T[]> | Operation<boolean> {
  needOptions('wait(options)', options, COUNT_TIMEOUT);
  const { timeout = null, count } = options;
  if (objects === undefined || objects === null) {
    return hubHere().join({ timeout: timeout instanceof Timeout ? timeout.seconds : timeout });
  }
  const all = checkAll(objects, 'wait(objects)') as T[];
  return new Collect('wait', all, timeout, checkCount(count, 'wait(count)'), false);
}

/** One step of an iwait. */
class Next<T extends Linkable> extends RowWait<IteratorResult<T, undefined>> {
  readonly #from: Iwait<T>;

  constructor(from: Iwait<T>) {
    super();
    this.#from = from;
  }

  describe(): string {
    return `iwait of ${this.#from.pending} objects`;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const from = this.#from;
    from.start(hub);
    if (from.found.length > 0 || from.done) return true;
    // With no time left it still polls: what is ready already says so in this turn.
    this.wait(hub, slot, from.left(hub));
    from.steps.push(this);
    return false;
  }

  arrived(hub: Hub): void {
    this.wake(hub, true);
  }

  complete(hub: Hub): IteratorResult<T, undefined> {
    const from = this.#from;
    this.#leave();
    this.unwait(hub);
    if (from.found.length > 0 && !from.done) return { done: false, value: from.take() };
    from.close();
    return { done: true, value: undefined };
  }

  override abandon(hub: Hub, slot: number): void {
    this.#leave();
    super.abandon(hub, slot);
  }

  #leave(): void {
    const at = this.#from.steps.indexOf(this);
    if (at >= 0) this.#from.steps.splice(at, 1);
  }
}

/** Objects as they become ready: `for await (const g of iwait(gs))`, or `yield* it.next()` until `done`. */
export class Iwait<T extends Linkable> {
  readonly #objects: T[];
  readonly #limitMs: number | null;
  #endsAt: number | null = null;
  #count: number;
  #links: (() => void)[] = [];
  #started = false;
  #closed = false;
  #linked = 0;
  #hub: Hub | null = null;
  /** @internal Ready and not yet given. */ readonly found: T[] = [];
  /** @internal Steps that wait, oldest first. */ readonly steps: Next<T>[] = [];

  /** @internal */
  constructor(objects: T[], limitMs: number | null, count: number) {
    this.#objects = objects;
    this.#limitMs = limitMs;
    this.#count = Math.min(count, objects.length);
  }

  /** How many have not become ready. */
  get pending(): number {
    return this.#objects.length - this.#linked;
  }

  /** @internal Everything has been given. */
  get done(): boolean {
    return this.#closed || this.#count === 0;
  }

  /** The next that becomes ready: `{ done, value }`. Switch point, unless one is ready. */
  next(): Operation<IteratorResult<T, undefined>> {
    return new Next(this);
  }

  /** @internal Links are made at the first `next`. */
  start(hub: Hub): void {
    if (this.#started) return;
    this.#started = true;
    this.#hub = hub;
    if (this.#limitMs !== null) this.#endsAt = hub.updateNow() + this.#limitMs;
    try {
      for (const object of this.#objects) {
        const link = () => this.#found(object);
        object.rawlink(link);
        this.#links.push(() => object.unlink(link));
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #found(object: T): void {
    ++this.#linked;
    const hub = this.#hub as Hub;
    // Nobody waits and the time is up: it comes too late, even if the next step is taken later still.
    if (this.#endsAt !== null && this.steps.length === 0 && hub.now() > this.#endsAt) return;
    this.found.push(object);
    this.steps.shift()?.arrived(hub);
  }

  /** @internal Milliseconds left, or null. */
  left(hub: Hub): number | null {
    return this.#endsAt === null ? null : Math.max(0, this.#endsAt - hub.now());
  }

  /** @internal */
  take(): T {
    const value = this.found.shift() as T;
    if (--this.#count === 0) this.close();
    return value;
  }

  /** Take the remaining links off. Done by itself at the end. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const unlink of this.#links) unlink();
    this.#links = [];
    // Steps that wait for more than there is.
    for (const step of this.steps.splice(0)) step.arrived(this.#hub as Hub);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    try {
      for (;;) {
        const { done, value } = await this.next();
        if (done) return;
        yield value as T;
      }
    } finally {
      this.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Iterate over objects as they become ready. Starts at the first `next()`; closing it takes leftover links off.
 * @see `gevent.iwait`, the source. Differs: an asynchronous iterator, or one operation a step.
 */
export function iwait<T extends Linkable>(objects: Iterable<T>, options: WaitOptions = {}): Iwait<T> {
  needOptions('iwait(options)', options, COUNT_TIMEOUT);
  const { timeout = null, count } = options;
  const ms = limitMs(timeout, 'iwait(timeout)');
  return new Iwait(checkAll(objects, 'iwait(objects)') as T[], ms, checkCount(count, 'iwait(count)'));
}
