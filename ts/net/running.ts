// How a server's handlers run: what `spawn` may be, and waiting for room where that is a pool.

import { wrongRange, wrongType } from '../core/arguments.ts';
import { spawnRaw } from '../gevent.ts';
import type { Hub } from '../hub/hub.ts';
import type { Operation } from '../hub/operation.ts';
import { Pool } from '../pool.ts';
import type { Limit } from '../timeout.ts';

/** Whose `spawn` runs handlers, with a limit of its own perhaps. */
export interface PoolLike {
  spawn(fn: (...args: any[]) => any, ...args: any[]): unknown;
  spawnNowait?(fn: (...args: any[]) => any, ...args: any[]): unknown;
  full?(): boolean;
  join?(options?: { timeout?: Limit }): Operation<unknown>;
  kill?(options?: { block?: boolean; timeout?: Limit }): Operation<unknown>;
}

/**
 * How handlers run: `'default'` a Greenlet each; `'raw'` a raw greenlet; a number: a Pool of that size, which holds back what
 * comes while it is full; a pool; a function `(fn, ...args)`; null: in the hub itself, where nothing may block.
 */
export type Spawn =
  | 'default'
  | 'raw'
  | number
  | PoolLike
  | ((fn: (...args: any[]) => any, ...args: any[]) => unknown)
  | null;

/** Runs a handler; gives its greenlet, as a rule. */
export type Run = (fn: (...args: any[]) => any, ...args: any[]) => unknown;

/** What `spawn` means: the pool, if it is one, and how to run a handler; null: in the hub. */
export function running(hub: Hub, spawn: Spawn): { pool: PoolLike | null; run: Run | null } {
  if (spawn === 'default') {
    return { pool: null, run: (fn, ...args) => hub.spawn(fn as () => unknown, ...(args as [])) };
  }
  if (spawn === 'raw') return { pool: null, run: spawnRaw as never };
  if (spawn === null) return { pool: null, run: null };
  if (typeof spawn === 'function') return { pool: null, run: spawn };
  if (typeof spawn === 'number' && (!Number.isInteger(spawn) || spawn < 1)) {
    throw wrongRange('spawn', 'an integer from 1', spawn);
  }
  const pool: PoolLike = typeof spawn === 'number' ? (new Pool(spawn) as never) : spawn;
  if (typeof pool?.spawn !== 'function') {
    throw wrongType('spawn', `'default', 'raw', a number, a pool, a function or null`, spawn);
  }
  return {
    pool,
    run: (fn, ...args) => (pool.spawnNowait ? pool.spawnNowait(fn, ...args) : pool.spawn(fn, ...args)),
  };
}

/** Waits for room in a pool, for whoever must not block. */
export class RoomWatch {
  readonly #hub: Hub;
  readonly #onRoom: () => void;
  #cancel: (() => void) | null = null;

  constructor(hub: Hub, onRoom: () => void) {
    this.#hub = hub;
    this.#onRoom = onRoom;
  }

  /** Have it called once there may be room. @param seconds - to look again where the pool cannot tell */
  start(pool: PoolLike, seconds: number): void {
    if (this.#cancel !== null) return;
    const told = pool as PoolLike & { $onRoom?(fn: () => void): void; $offRoom?(fn: () => void): void };
    const came = (): void => {
      this.#cancel = null;
      this.#onRoom();
    };
    if (told.$onRoom !== undefined) {
      told.$onRoom(came);
      this.#cancel = () => told.$offRoom?.(came);
    } else {
      const timer = this.#hub.loop.timer(seconds, 0, { ref: false });
      timer.start(came);
      this.#cancel = () => timer.close();
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}
