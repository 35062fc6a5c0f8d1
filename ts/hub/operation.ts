// Operations: what every blocking call returns. An operation only describes; consuming it acts.
//
//   yield* op    in a generator body. The loop drives `next`: the first call tries to complete and otherwise parks the
//                running greenlet's own slot; the call with RESUME fetches the result.
//   await op     anywhere else. `then` makes a Waiter with a slot of its own, so one body may have many pending.
//
// O1  begin() either completes (true) or leaves its slot parked, ready or armed (false). It never does both.
// O2  exactly one of complete() and abandon() follows a begin() that parked. The slot is loose by then.

import { describe } from '../core/clock.ts';
import { Kind, NIL, Priority, RowKind } from '../core/contract.ts';
import { BlockingSwitchOutError, OperationError } from '../exceptions.ts';
import { active, debugging, greenletOfContext, setActive, threadHub } from './current.ts';
import type { Hub, RowOwner } from './hub.ts';
import { Fired, PARK, type Park, RESUME } from './protocol.ts';
import type { RawGreenlet } from './raw.ts';

export abstract class Operation<T> implements PromiseLike<T> {
  constructor() {
    if (debugging) threadHub().debug.created(this);
  }

  /** What is waited for, as the dump and error messages show it. */
  abstract describe(): string;

  /** Try to complete; else park `slot` (O1). May throw: then nothing is parked. */
  abstract begin(hub: Hub, slot: number): boolean;

  /** The result, after begin() gave true or the slot was woken. May throw. */
  abstract complete(hub: Hub, slot: number): T;

  /** An exception ended the wait: give back what the wait held. The slot has left the core's queues already. */
  abandon(_hub: Hub, _slot: number): void {}

  [Symbol.iterator](): Iterator<Park, T, any> {
    return this as unknown as Iterator<Park, T, any>;
  }

  /** @internal The body's side of the protocol. */
  next(sent?: unknown): IteratorResult<Park, T> {
    const hub = active;
    if (hub === null) throw notRunning(this);
    if (sent === RESUME) return { done: true, value: this.complete(hub, hub.cur) };
    if (debugging) hub.debug.consumed(this);
    const slot = hub.cur === NIL ? hub.adopt(this) : hub.cur;
    if (this.begin(hub, slot)) return { done: true, value: this.complete(hub, slot) };
    return PARK;
  }

  /** @internal Something was thrown into the waiting body. */
  throw(error: unknown): IteratorResult<Park, T> {
    const hub = active;
    if (hub !== null) this.abandon(hub, hub.cur);
    throw error;
  }

  /** @internal The waiting body was closed. */
  return(value: T): IteratorResult<Park, T> {
    const hub = active;
    if (hub !== null) this.abandon(hub, hub.cur);
    return { done: true, value };
  }

  /**
   * Consume from async code or the top level of a program: what `await` calls.
   * The result is a light PromiseLike; it makes a promise only if it is chained.
   */
  then<A = T, B = never>(
    onDone?: ((value: T) => A | PromiseLike<A>) | null,
    onFailed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Pending<A | B> {
    const owner = active === null ? greenletOfContext() : null;
    const hub = owner === null ? (active ?? threadHub()) : owner.$hub;
    if (debugging) hub.debug.consumed(this);
    const waiter = new Waiter<T, A, B>(this, onDone ?? null, onFailed ?? null);
    waiter.start(hub, owner);
    return waiter;
  }
}

/** What `then` gives: can be chained and awaited. */
export interface Pending<T> extends PromiseLike<T> {
  catch<B = never>(onFailed?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B>;
  finally(onFinally?: (() => void) | null): Promise<T>;
}

/** An operation with state of its own: it can be consumed once, by one consumer. */
export abstract class SingleUse<T> extends Operation<T> {
  #used = false;

  /** Call first in begin(). */
  protected use(): void {
    if (this.#used) {
      throw new OperationError(
        'GEVENT_OPERATION_REUSED',
        `${this.describe()}: this operation was consumed before; call the function again for another`,
      );
    }
    this.#used = true;
  }
}

/** An operation that waits on a row of its own, until this side wakes it or its time is up. */
export abstract class RowWait<T> extends SingleUse<T> implements RowOwner {
  #row = NIL;
  #slot = NIL;

  /** Park `slot`; `ms` null waits without end. */
  protected wait(hub: Hub, slot: number, ms: number | null): void {
    this.#row = hub.row(RowKind.LIST, 0, this);
    this.#slot = slot;
    hub.core.park(slot, this.#row);
    if (ms !== null) hub.arm(slot, ms, Priority.LATE);
  }

  /** True while somebody is parked here. */
  protected get waiting(): boolean {
    return this.#slot !== NIL;
  }

  /** End the wait: the waiter runs next (`front`), or in its turn. */
  protected wake(hub: Hub, front: boolean): void {
    const slot = this.#slot;
    if (slot === NIL) return;
    this.#slot = NIL;
    hub.core.leave(slot);
    if (front) hub.core.readyFront(slot);
    else hub.core.ready(slot);
    hub.kick();
  }

  /** Call in complete() and abandon(). */
  protected unwait(hub: Hub): void {
    this.#slot = NIL;
    if (this.#row === NIL) return;
    hub.core.rowFree(this.#row);
    this.#row = NIL;
  }

  override abandon(hub: Hub, _slot: number): void {
    this.unwait(hub);
  }
}

function notRunning(op: { describe(): string }): OperationError {
  return new OperationError(
    'GEVENT_NOT_IN_GREENLET',
    `${op.describe()}: yield* works in the body of a greenlet; use await here`,
  );
}

/** A list of waiters, oldest first. */
export class WaiterList {
  first: Waiter | null = null;
  last: Waiter | null = null;

  push(waiter: Waiter): void {
    waiter.list = this;
    waiter.before = this.last;
    if (this.last === null) this.first = waiter;
    else this.last.after = waiter;
    this.last = waiter;
  }

  remove(waiter: Waiter): void {
    if (waiter.before === null) this.first = waiter.after;
    else waiter.before.after = waiter.after;
    if (waiter.after === null) this.last = waiter.before;
    else waiter.after.before = waiter.before;
    waiter.list = waiter.before = waiter.after = null;
  }
}

// `await` passes two native functions, so settling them in the loop is safe and saves a promise and a microtask. Callbacks
// of a direct `op.then(f)` are called from the loop as well, with no hub active, and from a microtask if the
// operation did not have to wait, never from inside `then`.
/** One `then` of an operation: a slot, two callbacks, and whose it is. */
// biome-ignore lint/suspicious/noThenProperty: a waiter is what then() returns
export class Waiter<T = any, A = any, B = any> implements Pending<A | B> {
  readonly op: Operation<T>;
  readonly #done: ((value: T) => A | PromiseLike<A>) | null;
  readonly #failed: ((error: unknown) => B | PromiseLike<B>) | null;
  slot = NIL;
  /** Order of starting, over all waiters of the hub; a Timeout in main looks at it. */
  serial = 0;
  owner: RawGreenlet | null = null;
  list: WaiterList | null = null;
  before: Waiter | null = null;
  after: Waiter | null = null;
  #chain: PromiseWithResolvers<A | B> | null = null;
  #outcome: { ok: boolean; value: unknown } | null = null;

  constructor(
    op: Operation<T>,
    done: ((value: T) => A | PromiseLike<A>) | null,
    failed: ((error: unknown) => B | PromiseLike<B>) | null,
  ) {
    this.op = op;
    this.#done = done;
    this.#failed = failed;
  }

  start(hub: Hub, owner: RawGreenlet | null): void {
    this.owner = owner;
    this.serial = ++hub.waiterSerial;
    const waiters = owner === null ? hub.mainWaiters : owner.$waiters();
    let error: unknown;
    try {
      if (hub.inCallback()) throw new BlockingSwitchOutError();
      const pending = owner === null ? hub.takeMainError(this) : owner.$takeError();
      if (pending !== null) throw pending.error;
      const slot = hub.take(Kind.WAITER, this);
      let complete = false;
      try {
        complete = this.op.begin(hub, slot);
        if (!complete) {
          this.slot = slot;
          waiters.push(this);
          hub.kick();
          return;
        }
        const value = this.op.complete(hub, slot);
        hub.release(slot);
        later(() => this.#succeed(value));
        return;
      } catch (e) {
        hub.release(slot);
        throw e;
      }
    } catch (e) {
      error = e;
    }
    later(() => this.#fail(error));
  }

  /** @internal The loop: this slot's turn has come. */
  $fire(hub: Hub, slot: number): number {
    this.list?.remove(this);
    this.slot = NIL;
    let value: T;
    try {
      value = this.op.complete(hub, slot);
    } catch (error) {
      hub.release(slot);
      hub.outside(() => this.#fail(error));
      return Fired.SETTLED;
    }
    hub.release(slot);
    setActive(null);
    this.#succeed(value);
    setActive(hub);
    return Fired.SETTLED;
  }

  /** @internal Nobody will hear of it any more: leave without a word. */
  $drop(hub: Hub): void {
    this.list?.remove(this);
    if (this.slot === NIL) return;
    const slot = this.slot;
    this.slot = NIL;
    hub.withdraw(slot);
    this.op.abandon(hub, slot);
    hub.release(slot);
  }

  /** @internal End the wait with an exception. False if it is over already. */
  $throw(hub: Hub, error: unknown): boolean {
    const slot = this.slot;
    if (slot === NIL) return false;
    this.list?.remove(this);
    this.slot = NIL;
    hub.withdraw(slot);
    let thrown = error;
    try {
      this.op.abandon(hub, slot);
    } catch (e) {
      thrown = e;
    }
    hub.release(slot);
    hub.outside(() => this.#fail(thrown));
    return true;
  }

  #succeed(value: T): void {
    const done = this.#done;
    if (done === null) return this.#settle(true, value);
    try {
      this.#settle(true, done(value));
    } catch (error) {
      this.#settle(false, error);
    }
  }

  #fail(error: unknown): void {
    const failed = this.#failed;
    if (failed === null) return this.#settle(false, error);
    try {
      this.#settle(true, failed(error));
    } catch (e) {
      this.#settle(false, e);
    }
  }

  #settle(ok: boolean, value: unknown): void {
    if (this.#chain !== null) {
      if (ok) this.#chain.resolve(value as A);
      else this.#chain.reject(value);
    } else if (!ok) {
      // Nobody chained, so nobody will hear of it unless the platform does.
      this.#chain = Promise.withResolvers();
      this.#chain.reject(value);
    } else if (value !== undefined) this.#outcome = { ok, value };
    else this.#outcome = SETTLED;
  }

  #promise(): Promise<A | B> {
    if (this.#chain === null) {
      this.#chain = Promise.withResolvers();
      if (this.#outcome !== null) this.#chain.resolve(this.#outcome.value as A);
    }
    return this.#chain.promise;
  }

  then<C = A | B, D = never>(
    onDone?: ((value: A | B) => C | PromiseLike<C>) | null,
    onFailed?: ((error: unknown) => D | PromiseLike<D>) | null,
  ): Promise<C | D> {
    return this.#promise().then(onDone, onFailed);
  }

  catch<D = never>(onFailed?: ((error: unknown) => D | PromiseLike<D>) | null): Promise<A | B | D> {
    return this.#promise().catch(onFailed);
  }

  finally(onFinally?: (() => void) | null): Promise<A | B> {
    return this.#promise().finally(onFinally);
  }
}

const SETTLED = { ok: true, value: undefined };
const settled = Promise.resolve();

/** Run `fn` in a microtask. A bare promise reaction: queueMicrotask costs three times as much. */
export function later(fn: () => void): void {
  settled.then(fn);
}

/** True if `value` is one of our operations. */
export function isOperation(value: unknown): value is Operation<unknown> {
  return value instanceof Operation;
}

/** For messages about something that should have been an operation. */
export function notAnOperation(value: unknown): OperationError {
  return new OperationError(
    'GEVENT_NOT_AN_OPERATION',
    `a greenlet yielded ${describe(value)}: expected yield* of an operation (for a promise: yield* until(promise))`,
  );
}
