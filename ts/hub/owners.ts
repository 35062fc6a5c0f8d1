// What slots and rows of the core belong to.

import { GeventError } from '../exceptions.ts';
import type { Hub } from './hub.ts';
import type { Fires } from './protocol.ts';
import type { RawGreenlet } from './raw.ts';

/** What a row of the core stands for. */
export interface RowOwner {
  /** What `slot` waits for there, as the dump names it: `Queue.get`, `join of <Greenlet …>`. */
  describe(slot: number): string;
  /** @internal Those who wait here wait for one another, in two roles: a channel. */
  readonly $pairs?: boolean;
  /** @internal The row's notifier ended a pass. */
  $rowDone?(hub: Hub, row: number): void;
  /**
   * @internal Greenlets that must all act before those who wait on the row can go on: owners of a lock, greenlets to end. Left out where
   * anybody could. The dump finds deadlocks by it.
   */
  $blockers?(): Iterable<RawGreenlet>;
}

/** Rows that are known elsewhere as well: who waits there may come and leave without a word. */
export interface SharedRows {
  has(row: number): boolean;
  /** What a putter on a channel waits with that is not in `cargo`; undefined: it is no such. */
  itemOf(row: number, slot: number): unknown;
  /** It was given back. */
  gone(row: number): void;
}

/** Of a row that is free. */
export const NOBODY: RowOwner = { describe: () => 'nobody' };

/** What stands for a slot that no object owns. */
export const VACANT: Fires<Hub> = {
  $fire(hub, slot) {
    if (hub.crowd !== null) return hub.crowd.$fire(hub, slot);
    throw new GeventError('GEVENT_BUG', `slot ${slot} has no owner and was run: a bug of gevent-wasm`);
  },
};
