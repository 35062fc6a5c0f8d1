// The smallest things to wait for that can lose something: permits of a core row, and items handed to who waits. For tests of
// what goes around operations, whatever the library's own locks and queues do.

import { NIL, RowKind } from '../../ts/core/contract.ts';
import { Operation, SingleUse } from '../../ts/hub/operation.ts';
import type { Hub } from '../../ts/hub.ts';

/** Permits on a SEMAPHORE row. */
export class Permits {
  readonly hub: Hub;
  readonly row: number;

  constructor(hub: Hub, count: number) {
    this.hub = hub;
    this.row = hub.row(RowKind.SEMAPHORE, count, this);
  }

  describe(): string {
    return 'Permits.acquire';
  }

  get free(): number {
    return this.hub.core.value(this.row);
  }

  acquire(): Operation<string> {
    return new Acquire(this);
  }

  release(): void {
    this.hub.core.semRelease(this.row, 1);
    this.hub.kick();
  }

  close(): void {
    this.hub.core.rowFree(this.row);
  }
}

class Acquire extends Operation<string> {
  readonly #of: Permits;

  constructor(of: Permits) {
    super();
    this.#of = of;
  }

  describe(): string {
    return 'Permits.acquire';
  }

  begin(hub: Hub, slot: number): boolean {
    return hub.core.semAcquire(this.#of.row, slot) === 1;
  }

  complete(): string {
    return 'permit';
  }
}

/** Items that a put hands to the one who waits longest; whoever is killed with one in hand puts it back in front. */
export class Items {
  readonly hub: Hub;
  readonly row: number;
  readonly items: unknown[] = [];
  readonly handed = new Map<number, unknown>();

  constructor(hub: Hub) {
    this.hub = hub;
    this.row = hub.row(RowKind.LIST, 0, this);
  }

  describe(): string {
    return 'Items.get';
  }

  put(item: unknown): void {
    const slot = this.hub.core.wakeOne(this.row);
    if (slot === NIL) this.items.push(item);
    else this.handed.set(slot, item);
    this.hub.kick();
  }

  get(): Operation<any> {
    return new GetItem(this);
  }

  /** @internal Back in front, or to the next who waits. */
  giveBack(item: unknown): void {
    const slot = this.hub.core.wakeOne(this.row);
    if (slot === NIL) this.items.unshift(item);
    else this.handed.set(slot, item);
  }

  close(): void {
    this.hub.core.rowFree(this.row);
  }
}

class GetItem extends SingleUse<unknown> {
  readonly #of: Items;
  #waits = false;

  constructor(of: Items) {
    super();
    this.#of = of;
  }

  describe(): string {
    return 'Items.get';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (this.#of.items.length > 0) return true;
    this.#waits = true;
    hub.core.park(slot, this.#of.row);
    return false;
  }

  complete(_hub: Hub, slot: number): unknown {
    const { items, handed } = this.#of;
    if (!this.#waits) return items.shift();
    const item = handed.get(slot);
    handed.delete(slot);
    return item;
  }

  override abandon(_hub: Hub, slot: number): void {
    const { handed } = this.#of;
    if (!handed.has(slot)) return;
    const item = handed.get(slot);
    handed.delete(slot);
    this.#of.giveBack(item);
  }
}
