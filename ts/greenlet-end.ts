// The operations that wait for a greenlet's end, and what a kill sends it.

import { Kind, NIL, Priority, RowKind } from './core/contract.ts';
import { GeventError, InvalidThreadUseError } from './exceptions.ts';
import type { Greenlet } from './gevent-greenlet.ts';
import { debugging } from './hub/current.ts';
import { deliver } from './hub/drive.ts';
import type { Hub } from './hub/hub.ts';
import { SingleUse } from './hub/operation.ts';
import { Fired, type Fires, type Park } from './hub/protocol.ts';
import { State, SwitchOperation, waitingGreenlet } from './hub/raw.ts';
import { expired, limitMs } from './limit.ts';
import { type Limit, Timeout } from './timeout.ts';

/** Parks on the greenlet's latch until it has ended or the limit came. */
abstract class AwaitEnd<G, T> extends SingleUse<T> {
  readonly greenlet: Greenlet<G>;
  protected readonly limit: Limit;

  constructor(greenlet: Greenlet<G>, limit: Limit) {
    if (limit !== null) limitMs(limit, 'timeout');
    super();
    this.greenlet = greenlet;
    this.limit = limit;
  }

  override get $home(): Hub {
    return this.greenlet.$hub;
  }

  begin(hub: Hub, slot: number): boolean {
    const { greenlet } = this;
    if (greenlet.$state === State.DEAD) return true;
    this.use();
    if (waitingGreenlet() === greenlet) throw new GeventError('GEVENT_JOIN_SELF', `${greenlet} cannot wait for itself`);
    this.sameHub(hub);
    this.park(hub, slot);
    return false;
  }

  protected sameHub(hub: Hub): void {
    const { greenlet } = this;
    if (greenlet.$hub === hub) return;
    throw new InvalidThreadUseError(`${greenlet} belongs to ${greenlet.$hub} and cannot be waited for on ${hub}`);
  }

  protected park(hub: Hub, slot: number): void {
    const { greenlet, limit } = this;
    hub.core.park(slot, greenlet.$latch());
    const ms = limit === null ? null : limitMs(limit, 'timeout');
    if (ms !== null) hub.arm(slot, ms, Priority.LATE);
  }

  abstract override complete(hub: Hub, slot: number): T;

  override abandon(_hub: Hub): void {
    this.greenlet.$unlatch();
  }
}

export class Join extends AwaitEnd<any, void> {
  describe(): string {
    return `join of ${this.greenlet}`;
  }

  complete(): void {
    this.greenlet.$unlatch();
  }
}

export class Get<T> extends AwaitEnd<T, T> {
  readonly #block: boolean;

  constructor(greenlet: Greenlet<T>, block: boolean, limit: Limit) {
    super(greenlet, limit);
    this.#block = block;
  }

  describe(): string {
    return `get of ${this.greenlet}`;
  }

  override begin(hub: Hub, slot: number): boolean {
    if (!this.#block && this.greenlet.$state !== State.DEAD) throw new Timeout();
    return super.begin(hub, slot);
  }

  complete(hub: Hub): T {
    const { greenlet, limit } = this;
    // Not by why the slot woke: what has ended in the very instant of the timeout was in time.
    if (greenlet.$state !== State.DEAD) {
      greenlet.$unlatch();
      throw expired(hub, limit);
    }
    if (!greenlet.successful()) throw greenlet.$result;
    return greenlet.$result as T;
  }
}

/** A throw at a greenlet that is not there to be switched to. */
export class NoSwitch extends SwitchOperation {
  constructor(greenlet: Greenlet<any>) {
    super(greenlet, 0, undefined, null);
    this.result = { value: undefined };
    if (debugging) greenlet.$hub.debug.consumed(this);
  }

  override next(): IteratorResult<Park, undefined> {
    return { done: true, value: undefined };
  }
}

/** An exception on its way into a greenlet: a callback of the hub, without the generality. */
export class KillOrder implements Fires<Hub> {
  readonly #greenlet: Greenlet<any>;
  readonly #error: unknown;
  /** Who waits for it. */
  waiter: Kill | null = null;
  carriedOut = false;
  /** It is no section's to hold back: the greenlet waits for its own death. */
  own = false;

  constructor(greenlet: Greenlet<any>, error: unknown) {
    const hub = greenlet.$hub;
    this.#greenlet = greenlet;
    this.#error = error;
    hub.core.ready(hub.take(Kind.CALLBACK, this));
    hub.kick();
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    this.carriedOut = true;
    hub.release(slot);
    try {
      deliver(hub, this.#greenlet, this.#error, this.own ? Infinity : 0);
    } catch (error) {
      hub.$route(this.#greenlet, error);
    }
    this.waiter?.shot(hub);
    return Fired.DONE;
  }
}

/** Waits until the death of a greenlet was ordered, then for its end. It goes on in front of all who only join. */
export class Kill extends Join {
  readonly #block: boolean;
  readonly #order: KillOrder | null;
  #slot = NIL;
  #row = NIL;

  constructor(greenlet: Greenlet<any>, block: boolean, limit: Limit, order: KillOrder | null) {
    super(greenlet, limit);
    this.#block = block;
    this.#order = order;
    // The order stands, whether or not anybody waits for the end.
    if (debugging) this.greenlet.$hub.debug.consumed(this);
  }

  override describe(): string {
    return `kill of ${this.greenlet}`;
  }

  override begin(hub: Hub, slot: number): boolean {
    const { greenlet } = this;
    const order = this.#order;
    if (greenlet.$state === State.DEAD || !this.#block) return true;
    if (order === null || order.carriedOut) return super.begin(hub, slot);
    this.use();
    this.sameHub(hub);
    // Not among those who wait for its end: they are told later than the order is carried out.
    this.#row = hub.row(RowKind.LIST, 0, this);
    hub.core.park(slot, this.#row);
    this.#slot = slot;
    order.waiter = this;
    order.own = waitingGreenlet() === greenlet;
    return false;
  }

  /** The order was carried out: the end has come, or has to be waited for like any other. */
  shot(hub: Hub): void {
    const slot = this.#slot;
    const { core } = hub;
    if (slot === NIL || !core.leave(slot)) return;
    this.#leave(hub);
    if (this.greenlet.$state === State.DEAD) core.readyFront(slot);
    else this.park(hub, slot);
  }

  #leave(hub: Hub): void {
    if (this.#slot === NIL) return;
    this.#slot = NIL;
    hub.core.rowFree(this.#row);
  }

  override abandon(hub: Hub): void {
    this.#leave(hub);
    super.abandon(hub);
  }
}
