// Objects that guests reach without JavaScript: which row a handle stands for is written into cells of the engine, where its code looks.
// asm/switch/waits.wat has the layout. A cell is a memory of what was found out here, no more: what is not in it is asked for here, and what
// takes its place there is found out again.
//
// An item that a guest waits with on a channel lies in its mark; JavaScript that gets it asks here.
//
// K1  a cell's row is alive, and the object's that the handle names

import type { Channel } from '../channel.ts';
import { active } from '../hub/current.ts';
import type { SharedRows } from '../hub/owners.ts';
import type { Rowed } from '../hub/waitable.ts';
import { END } from '../iteration.ts';
import { numberOf } from './abi-sync.ts';
import type { NativeEngine } from './engine.ts';

const CELLS = 4096;
const CELL_WORDS = 4;
const [INSTANCE, HANDLE, ROW, BITS] = [0, 1, 2, 3];

/** Where marks begin, behind the cells, in bytes; 16 for each slot. */
export const MARKS = 67584;

/** The lower bits of a mark: it puts. */
const PUTS = 4;

const indexOf = (instance: number, handle: number) => ((handle + Math.imul(instance, 61)) & (CELLS - 1)) * CELL_WORDS;

let serials = 0;

/** A number for one more instance, never given again. */
export function nextSerial(): number {
  return ++serials;
}

/** The cells of one engine. */
export class Cells {
  readonly #engine: NativeEngine;
  readonly #rows: RowsOfGuests;
  #marks: DataView;

  constructor(engine: NativeEngine) {
    this.#engine = engine;
    const { hub } = engine;
    this.#marks = new DataView(engine.exports.marks.buffer);
    hub.shared ??= new RowsOfGuests();
    this.#rows = hub.shared as RowsOfGuests;
  }

  /** Growing the memory detaches it. */
  get #words(): Int32Array {
    return new Int32Array(this.#engine.exports.marks.buffer, 0, CELLS * CELL_WORDS);
  }

  /**
   * Let guest code reach the object from now on, until its row goes. `bits`: 1: also release it. `waits`: it is about to wait, and the
   * object is of this hub then.
   */
  share(instance: number, handle: number, object: Rowed, bits: number, waits: boolean): void {
    const { hub } = this.#engine;
    if (active !== hub || (object.hub !== hub && (object.hub !== null || !waits))) return;
    const row = object.$rowFor(hub);
    const at = indexOf(instance, handle);
    this.#words.set([instance, handle, row, bits], at);
    this.#rows.add(row, this, at);
    // It may have been left alone by the time anybody looks.
    object.$left(hub);
  }

  /** The handle names nothing any more; null: none of the instance's does. */
  forget(instance: number, handle: number | null): void {
    const words = this.#words;
    const empty = (at: number) => {
      if (words[at + INSTANCE] === instance && (handle === null || words[at + HANDLE] === handle))
        words[at + INSTANCE] = 0;
    };
    if (handle !== null) empty(indexOf(instance, handle));
    else for (let at = 0; at < words.length; at += CELL_WORDS) empty(at);
  }

  /** What a guest of this engine waits with on a channel; undefined: it does not, not without JavaScript. */
  itemOf(slot: number): number | undefined {
    if (!this.#engine.owns(slot)) return undefined;
    const { buffer } = this.#engine.exports.marks;
    if (this.#marks.buffer !== buffer) this.#marks = new DataView(buffer);
    const at = MARKS + 16 * slot;
    return (this.#marks.getInt32(at, true) & 7) === PUTS ? this.#marks.getFloat64(at + 8, true) : undefined;
  }

  /** The row is given back. */
  gone(row: number, at: number): void {
    const words = this.#words;
    if (words[at + ROW] === row) words[at + INSTANCE] = words[at + BITS] = 0;
  }
}

/** The rows of one hub that are in cells. */
class RowsOfGuests implements SharedRows {
  readonly #places = new Map<number, [cells: Cells, at: number][]>();

  add(row: number, cells: Cells, at: number): void {
    const places = this.#places.get(row);
    if (places === undefined) this.#places.set(row, [[cells, at]]);
    else if (!places.some(([its, there]) => its === cells && there === at)) places.push([cells, at]);
  }

  has(row: number): boolean {
    return this.#places.has(row);
  }

  itemOf(row: number, slot: number): number | undefined {
    for (const [cells] of this.#places.get(row) ?? []) {
      const item = cells.itemOf(slot);
      if (item !== undefined) return item;
    }
    return undefined;
  }

  gone(row: number): void {
    for (const [cells, at] of this.#places.get(row) ?? []) cells.gone(row, at);
    this.#places.delete(row);
  }
}

/** What a guest that waited without JavaScript was given by JavaScript on a channel. */
export function received({ hub, exports }: NativeEngine, slot: number, row: number): number {
  const channel = hub.rowOwners[row] as Channel;
  const item: unknown = channel.$received(hub, slot);
  if (item !== END) return numberOf(item, channel);
  exports.over.value = 1;
  return 0;
}
