// Operations: what every blocking call returns. An operation only describes; consuming it acts.
//
//   yield* op    in a generator body. The loop drives `next`: the first call tries to complete and otherwise parks the
//                running greenlet's own slot; the call with RESUME fetches the result.
//   await op     anywhere else. `then` makes a Waiter with a slot of its own, so one body may have many pending.
//
// O1  begin() either completes (true) or leaves its slot parked, ready or armed (false). It never does both.
// O2  exactly one of complete() and abandon() follows a begin() that parked. The slot is loose by then.

import { describe, isGenerator } from '../core/arguments.ts';
import { Kind, NIL, Priority, RowKind } from '../core/contract.ts';
import { BlockingSwitchOutError, OperationError } from '../exceptions.ts';
import { active, debugging, greenletOfContext, otherCopies, setActive, threadHub } from './current.ts';
import type { Hub } from './hub.ts';
import type { RowOwner } from './owners.ts';
import { Fired, type Fires, PARK, type Park, RESUME } from './protocol.ts';
import type { RawGreenlet } from './raw.ts';

// Constants of this file: see raw.ts.
const GO_ON = RESUME;
const PARKED = PARK;

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

  /** @internal The hub it is of, where main waits for it there: an isolated hub's greenlet. */
  get $home(): Hub | null {
    return null;
  }

  /** An exception ended the wait: give back what the wait held. The slot has left the core's queues already. */
  abandon(_hub: Hub, _slot: number): void {}

  /** @internal Consumed in a callback of the hub, where nothing can wait: the result if it can be had, else null. May throw. */
  $inCallback(_hub: Hub): { value: T } | null {
    return null;
  }

  /** @internal An exception ended the wait. What it gives in place of raising that, if it is its own limit that came. */
  $caught(_hub: Hub, _error: unknown): { value: T } | null {
    return null;
  }

  [Symbol.iterator](): Iterator<Park, T, any> {
    return this as unknown as Iterator<Park, T, any>;
  }

  /** @internal The body's side of the protocol. */
  next(sent?: unknown): IteratorResult<Park, T> {
    const hub = active;
    if (hub === null) throw notRunning(this);
    if (sent === GO_ON) return { done: true, value: this.complete(hub, hub.cur) };
    if (debugging) hub.debug.consumed(this);
    if (hub.parking !== null) throw hub.undoParking();
    if (hub.cur === NIL && hub.inCallback()) {
      const now = this.$inCallback(hub);
      if (now !== null) return { done: true, value: now.value };
    }
    const slot = hub.cur === NIL ? hub.adopt(this) : hub.cur;
    if (this.begin(hub, slot)) return { done: true, value: this.complete(hub, slot) };
    hub.parking = this;
    return PARKED;
  }

  /** @internal Something was thrown into the waiting body. */
  throw(error: unknown): IteratorResult<Park, T> {
    // V8 counts calls for compiling where a function returns or a loop turns round. One that only ever ends by throwing would be
    // interpreted for ever, at 200 ns a kill: hence the loop, and what there is to do in a function that returns.
    let caught: { value: T } | null = null;
    for (let once = true; once; once = false) caught = interrupted(this, error);
    if (caught === null) throw error;
    return { done: true, value: caught.value };
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
    const owner = active === null ? greenletOfContext() : active.asyncStarter();
    const hub = owner === null ? (active ?? this.$home ?? threadHub()) : owner.$hub;
    if (debugging) hub.debug.consumed(this);
    const waiter = new Waiter(this, onDone ?? null, onFailed ?? null, owner);
    waiter.start(hub);
    return waiter as Pending<A | B>;
  }
}

function interrupted<T>(op: Operation<T>, error: unknown): { value: T } | null {
  const hub = active;
  if (hub === null) return null;
  op.abandon(hub, hub.cur);
  return op.$caught(hub, error);
}

/** What `then` gives: it can be chained and awaited. */
export interface Pending<T> extends PromiseLike<T> {
  catch<B = never>(onFailed?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B>;
  finally(onFinally?: (() => void) | null): Promise<T>;
}

/** An operation with state of its own: it can be consumed once, by one consumer. */
export abstract class SingleUse<T> extends Operation<T> {
  #used = false;

  /** Call first in begin(). */
  protected use(): void {
    if (this.#used) throw reused(this);
    this.#used = true;
  }
}

/** What a second consumption of an operation with state gets. */
export function reused(op: { describe(): string }): OperationError {
  return new OperationError(
    'GEVENT_OPERATION_REUSED',
    `${op.describe()}: this operation was consumed before; call the function again for another`,
  );
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

  /** End the wait: the waiter runs next (`front`), or in its turn. False if it has ended already. */
  protected wake(hub: Hub, front: boolean): boolean {
    const slot = this.#slot;
    if (slot === NIL) return false;
    this.#slot = NIL;
    // Its time was up and its turn is coming: it needs no other.
    if (!hub.core.leave(slot)) return false;
    if (front) hub.core.readyFront(slot);
    else hub.core.ready(slot);
    this.kick(hub);
    return true;
  }

  /** Have the hub run, for a wait that has ended. */
  protected kick(hub: Hub): void {
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
    `${op.describe()}: yield* works in the body of a greenlet; use await here${otherCopies()}`,
  );
}

/** A list of waiters, oldest first. */
export class WaiterList {
  first: Waiter | null = null;
  last: Waiter | null = null;

  push(waiter: Waiter): void {
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
    waiter.before = waiter.after = null;
  }
}

// `await` passes two native functions, so settling them in the loop is safe and saves a promise and a microtask. Callbacks
// of a direct `op.then(f)` are called from the loop as well, with no hub active, and from a microtask if the
// operation did not have to wait, never from inside `then`.
//
// A body that waits for one thing, as it mostly does, waits in its own slot; only further ones at once take others. In its
// own it is in no list: the slot's owner is the waiter, the oldest of that body. A list would be two more write barriers.
//
// Rejected: keeping waiters for use again. Storing new objects in old ones costs the collector's write barriers, 12 ns an
// await, more than the allocation does.
/** One `then` of an operation: a slot, two callbacks, and a place in the list of those its owner waits in. */
export class Waiter implements Fires<Hub>, Pending<any> {
  readonly op: Operation<any>;
  readonly #done: ((value: any) => unknown) | null;
  readonly #failed: ((error: unknown) => unknown) | null;
  slot = NIL;
  /** Order of starting, over all waiters of the hub; a Timeout in main looks at it. */
  serial = 0;
  /** Whose it is; null: main. */
  readonly owner: RawGreenlet | null;
  before: Waiter | null = null;
  after: Waiter | null = null;
  /** What became of it, for those who chain: nothing yet, a promise of it, or the value wrapped. */
  #chain: PromiseWithResolvers<any> | Settled | null = null;

  constructor(
    op: Operation<any>,
    done: ((value: any) => unknown) | null,
    failed: ((error: unknown) => unknown) | null,
    owner: RawGreenlet | null,
  ) {
    this.op = op;
    this.#done = done;
    this.#failed = failed;
    this.owner = owner;
  }

  start(hub: Hub): void {
    const { op, owner } = this;
    if (hub.inCallback()) return this.#inCallback(hub);
    const pending = owner === null ? hub.takeMainError() : owner.$takeError();
    if (pending !== null) return this.#failLater(pending.error);
    try {
      // Not in its first slice: there the slot is the running greenlet's. Nor behind its end, while its clean-up waits there.
      if (owner !== null && active === null && owner.$ownSlotIsFree()) {
        this.slot = owner.$slot;
        hub.owners[this.slot] = this;
      } else this.slot = hub.take(Kind.WAITER, this);
      if (!op.begin(hub, this.slot)) {
        // Behind what begin() may have started: a Timeout of this very wait is meant for it.
        this.serial = ++hub.waiterSerial;
        if (owner === null) hub.mainWaiters.push(this);
        else if (this.slot !== owner.$slot) owner.$waiters().push(this);
        hub.kick();
        return;
      }
      const value = op.complete(hub, this.slot);
      this.#leave(hub);
      later(() => this.#succeed(value));
    } catch (error) {
      this.#leave(hub);
      this.#failLater(error);
    }
  }

  #inCallback(hub: Hub): void {
    try {
      const now = this.op.$inCallback(hub);
      if (now === null) this.#failLater(new BlockingSwitchOutError());
      else later(() => this.#succeed(now.value));
    } catch (error) {
      this.#failLater(error);
    }
  }

  /** Give the slot back, or its owner's own back to it. */
  #leave(hub: Hub): void {
    const { slot, owner } = this;
    if (slot === NIL) return;
    this.slot = NIL;
    if (owner !== null && owner.$slot === slot) hub.owners[slot] = owner;
    else hub.release(slot);
  }

  #unlist(hub: Hub): void {
    const { owner } = this;
    if (owner === null) hub.mainWaiters.remove(this);
    else if (owner.$slot === this.slot) this.#leave(hub);
    else owner.$waiters().remove(this);
  }

  #failLater(error: unknown): void {
    later(() => this.#fail(error));
  }

  /** @internal The loop: this slot's turn has come. */
  $fire(hub: Hub, slot: number): number {
    this.#unlist(hub);
    let value: unknown;
    try {
      value = this.op.complete(hub, slot);
    } catch (error) {
      this.#leave(hub);
      hub.outside(() => this.#fail(error));
      return Fired.SETTLED;
    }
    this.#leave(hub);
    setActive(null);
    this.#succeed(value);
    setActive(hub);
    return Fired.SETTLED;
  }

  /** @internal Nobody will hear of it any more: leave without a word. */
  $drop(hub: Hub): void {
    const { slot } = this;
    this.#unlist(hub);
    hub.withdraw(slot);
    this.op.abandon(hub, slot);
    this.#leave(hub);
  }

  /** @internal End the wait with an exception. */
  $throw(hub: Hub, error: unknown): void {
    const { slot } = this;
    this.#unlist(hub);
    hub.withdraw(slot);
    let thrown = error;
    let caught: { value: unknown } | null = null;
    try {
      this.op.abandon(hub, slot);
      caught = this.op.$caught(hub, error);
    } catch (e) {
      thrown = e;
    }
    this.#leave(hub);
    hub.outside(() => (caught === null ? this.#fail(thrown) : this.#succeed(caught.value)));
  }

  #succeed(value: unknown): void {
    const done = this.#done;
    if (done === null) return this.#settle(value);
    try {
      this.#settle(done(value));
    } catch (error) {
      this.#reject(error);
    }
  }

  #fail(error: unknown): void {
    const failed = this.#failed;
    if (failed === null) return this.#reject(error);
    try {
      this.#settle(failed(error));
    } catch (e) {
      this.#reject(e);
    }
  }

  #settle(value: unknown): void {
    const chain = this.#chain;
    if (chain === null) this.#chain = value === undefined ? NOTHING_GIVEN : new Settled(value);
    else (chain as PromiseWithResolvers<unknown>).resolve(value);
  }

  /** If nobody chained, nobody will hear of it unless the platform does. */
  #reject(error: unknown): void {
    this.#chain ??= Promise.withResolvers();
    (this.#chain as PromiseWithResolvers<unknown>).reject(error);
  }

  #promise(): Promise<any> {
    let chain = this.#chain;
    if (chain === null || chain instanceof Settled) {
      const made = Promise.withResolvers<any>();
      if (chain !== null) made.resolve(chain.value);
      this.#chain = chain = made;
    }
    return chain.promise;
  }

  then<C = any, D = never>(
    onDone?: ((value: any) => C | PromiseLike<C>) | null,
    onFailed?: ((error: unknown) => D | PromiseLike<D>) | null,
  ): Promise<C | D> {
    return this.#promise().then(onDone, onFailed);
  }

  catch<D = never>(onFailed?: ((error: unknown) => D | PromiseLike<D>) | null): Promise<any> {
    return this.#promise().catch(onFailed);
  }

  finally(onFinally?: (() => void) | null): Promise<any> {
    return this.#promise().finally(onFinally);
  }
}

class Settled {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

const NOTHING_GIVEN = new Settled(undefined);
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
  const hint = isGenerator(value)
    ? 'write yield* where it says yield'
    : 'expected yield* of an operation (for a promise: yield* until(promise))';
  return new OperationError(
    'GEVENT_NOT_AN_OPERATION',
    `a greenlet yielded ${describe(value)}: ${hint}${otherCopies()}`,
  );
}
