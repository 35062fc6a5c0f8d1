// Entry `gevent-wasm/pool`: Group, and Pool, a group with a limited number of members.

import { needOptions, TIMEOUT, wrongRange } from './core/arguments.ts';
import { type EnterOptions, Group } from './group.ts';
import type { Hub } from './hub/hub.ts';
import type { Operation } from './hub/operation.ts';
import { Semaphore } from './lock.ts';
import { Full } from './simple-queue.ts';
import type { Limit } from './timeout.ts';

export { type EnterOptions, Group, type GroupJoinOptions, type GroupKillOptions, type Results } from './group.ts';
export { IMap, type IMapOptions, IMapUnordered } from './imap.ts';

/** There is no room in a Pool, or there was none in time. */
export class PoolFull extends Full {
  static override readonly name: string = 'PoolFull';
}

/** Room for members: the permits are the core's. */
class Room extends Semaphore {
  override describe(): string {
    return `Pool.spawn, ${this.counter} of ${this.$initial} slots free`;
  }
}

/**
 * A Group of at most `size` greenlets: `spawn`, `start` and `add` wait while it is full.
 *
 *     const pool = new Pool(10);
 *     for (const url of urls) yield* pool.spawn(fetchPage, url);
 *     yield* pool.join();
 *
 * @see `gevent.pool.Pool`, the source.
 */
export class Pool extends Group {
  static override readonly name: string = 'Pool';
  /** The most members, or null: no limit. */
  readonly size: number | null;
  readonly #room: Room | null;

  /** @param size - an integer of 0 or more; 0: nothing can ever run in it; null: no limit. Default null */
  constructor(size: number | null = null) {
    super();
    if (size !== null && (!Number.isInteger(size) || size < 0)) {
      throw wrongRange('Pool(size)', 'an integer of 0 or more', size);
    }
    this.size = size;
    this.#room = size === null ? null : new Room(size);
  }

  /** How many may enter without waiting; 1 if there is no limit. */
  freeCount(): number {
    return this.size === null ? 1 : Math.max(0, this.size - this.length);
  }

  /** True if whoever wants to enter must wait. */
  override full(): boolean {
    return this.freeCount() <= 0;
  }

  /** Wait until there is room: how much, or 0 if `timeout` came first. Switch point, unless there is. */
  override waitAvailable(options: { timeout?: Limit } = {}): Operation<number> {
    needOptions('waitAvailable(options)', options, TIMEOUT);
    return this.#room === null ? super.waitAvailable(options) : this.#room.wait(options);
  }

  /** @internal */
  override $room({ blocking = true, timeout = null }: EnterOptions): Operation<boolean> | null {
    if (this.#room === null) return null;
    return blocking && timeout === null ? this.#room.acquire() : this.#room.acquire({ blocking, timeout });
  }

  /** @internal */
  override $takeRoom(): void {
    if (this.#room !== null && !this.#room.acquireNowait()) throw this.$noRoom();
  }

  /** @internal */
  override $giveRoom(): void {
    this.#room?.release();
  }

  /** @internal */
  override $passesRoom(ours: boolean): boolean {
    return this.#room !== null && ours && this.#room.linkcount() === 1 && this.#room.counter === 0;
  }

  /** @internal */
  override $takesRoom(): boolean {
    return this.#room === null || this.#room.acquireNowait();
  }

  /** @internal */
  override $enterRoom(hub: Hub, slot: number): boolean {
    return this.#room === null || this.#room.$enter(hub, slot);
  }

  /** @internal */
  override $leftRoom(hub: Hub): void {
    this.#room?.$left(hub);
  }

  /** @internal */
  override $noRoom(): Error {
    return new PoolFull(`${this} is full`);
  }

  override toString(): string {
    return `<${this.constructor.name} of ${this.length}, size ${this.size ?? 'unlimited'}>`;
  }
}
