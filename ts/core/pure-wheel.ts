// Timers of the pure core that are not due for a while, in buckets without order: asm/wheel.ts in TypeScript, where the
// drawing and the reasons stand. What differs: a bucket is a pair of columns that grow, not a chain of chunks.
//
//   V1  an entry's tick is TICK or later, and its bucket is the one that TICK makes it
//   V2  BITS has a bit for each bucket that is not empty; `filled` counts them
//   V3  no deadline in a bucket is before its LOW

import { NIL } from './contract.ts';
import { check, grown } from './pure-support.ts';

const LEVELS = 7;
const DIGIT = 4;
const TICK_MS = 4;
/** 2^28 ticks: where the wheel ends. */
const SPAN_MS = 2 ** 30;
/** From here on a double holds no ticks. */
const LAST_MS = 2 ** 50;
/** Entries for which an empty bucket keeps its columns. */
const KEPT = 64;

class Bucket {
  size = 0;
  at = new Float64Array(0);
  slot = new Int32Array(0);
}

/** Who takes the entries of a bucket that is emptied. */
export interface Receiver {
  /** Have room in the heaps for the first `count` of `slots`. Throws a RangeError, and nothing has changed, if there is no memory. */
  makeRoomFor(slots: Int32Array, count: number): void;
  /** Put the entry into its heap, where there is room. */
  toHeap(slot: number, at: number): void;
  /** Put the entry into the wheel again, or else into its heap. */
  again(slot: number, at: number): void;
}

/** An entry's *place* is bucket << 24 | index. Exported so that a test can plant a bug in it. */
export class Wheel {
  readonly buckets: readonly Bucket[] = Array.from({ length: LEVELS << DIGIT }, () => new Bucket());
  /** Beside the buckets: a double in an object costs a load more. */
  readonly #lows = new Float64Array(LEVELS << DIGIT);
  readonly #bits = new Int32Array(LEVELS);
  /** Time of tick 0, a multiple of SPAN_MS. */
  #base = 0;
  /** TICK. What is before it goes to the heaps. */
  #tick = 0;
  filled = 0;
  readonly #receiver: Receiver;

  constructor(receiver: Receiver) {
    this.#receiver = receiver;
  }

  get bytes(): number {
    let sum = this.#bits.byteLength + this.#lows.byteLength;
    for (const { at, slot } of this.buckets) sum += at.byteLength + slot.byteLength;
    return sum;
  }

  /** The place of the entry; NIL: it must go to the heaps. */
  put(slot: number, at: number): number {
    const from = at - this.#base;
    if (!(from >= 0 && from < SPAN_MS)) return NIL;
    const tick = (from / TICK_MS) | 0;
    if (tick < this.#tick) return NIL;
    const number = this.bucketOf(tick);
    const bucket = this.buckets[number];
    const { size } = bucket;
    if (size === bucket.slot.length && !this.#widen(bucket)) return NIL;
    if (size === 0) {
      this.#lows[number] = at;
      this.#flip(number);
      ++this.filled;
    } else if (at < this.#lows[number]) {
      this.#lows[number] = at;
    }
    bucket.at[size] = at;
    bucket.slot[size] = slot;
    bucket.size = size + 1;
    return (number << 24) | size;
  }

  /** The slot of the entry that has moved to the place; the one that was there if none has. */
  takeOut(place: number): number {
    const bucket = this.buckets[place >> 24];
    const index = place & 0xffffff;
    const last = bucket.size - 1;
    const slot = bucket.slot[last];
    bucket.slot[index] = slot;
    bucket.at[index] = bucket.at[last];
    bucket.size = last;
    if (last === 0) this.#emptied(place >> 24);
    return slot;
  }

  atOf(place: number): number {
    return this.buckets[place >> 24].at[place & 0xffffff];
  }

  /** Open the bucket that may hold something earlier than `earliest`. False if there is none. */
  openBefore(earliest: number): boolean {
    if (this.filled === 0) return false;
    // Those behind the first bucket are later than all in it, and so than its LOW.
    const first = this.#first();
    if (this.#lows[first] >= earliest) return false;
    this.#empty(first, true);
    return true;
  }

  /** Open all that could be due at `now`. */
  openDue(now: number): void {
    if (now - this.#base >= this.#tick * TICK_MS) this.advance(now);
  }

  /** Move TICK behind `now`. */
  advance(now: number): void {
    if (now - this.#base >= SPAN_MS) {
      while (this.filled > 0) this.#empty(this.#first(), true);
      if (now >= LAST_MS) return;
      this.#base = Math.floor(now / SPAN_MS) * SPAN_MS;
      this.#tick = 0;
    }
    const target = Math.floor((now - this.#base) / TICK_MS) + 1;
    while (this.filled > 0) {
      const first = this.#first();
      const shift = (first >> DIGIT) << 2;
      const start = this.#startOf(first);
      if (start + (1 << shift) <= target) {
        this.#empty(first, true);
      } else if (start <= target && shift > 0) {
        // It holds what is due and what is not. As seen from its own start, its entries are levels below it.
        this.#empty(first, false, start);
      } else {
        break;
      }
    }
    this.#tick = target;
  }

  #empty(number: number, open: boolean, tick = this.#tick): void {
    const bucket = this.buckets[number];
    const { size, slot, at } = bucket;
    this.#receiver.makeRoomFor(slot, size);
    this.#tick = tick;
    bucket.size = 0;
    this.#emptied(number);
    // In the order in which they came: with one deadline for all, each stays where the heap puts it first.
    for (let i = 0; i < size; ++i) {
      if (open) this.#receiver.toHeap(slot[i], at[i]);
      else this.#receiver.again(slot[i], at[i]);
    }
  }

  #emptied(number: number): void {
    const bucket = this.buckets[number];
    this.#flip(number);
    --this.filled;
    if (bucket.slot.length <= KEPT) return;
    bucket.at = new Float64Array(0);
    bucket.slot = new Int32Array(0);
  }

  /** False if there is no memory for it. */
  #widen(bucket: Bucket): boolean {
    const length = Math.max(8, bucket.size * 2);
    try {
      const at = grown(bucket.at, length);
      bucket.slot = grown(bucket.slot, length);
      bucket.at = at;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    return true;
  }

  bucketOf(tick: number): number {
    const level = (31 - Math.clz32((tick ^ this.#tick) | 1)) >> 2;
    return (level << DIGIT) | ((tick >> (level << 2)) & 15);
  }

  /** The first tick of a bucket. */
  #startOf(number: number): number {
    const shift = (number >> DIGIT) << 2;
    return ((this.#tick >> (shift + DIGIT)) << (shift + DIGIT)) | ((number & 15) << shift);
  }

  /** There must be one. */
  #first(): number {
    let level = 0;
    while (this.#bits[level] === 0) ++level;
    const bits = this.#bits[level];
    return (level << DIGIT) | (31 - Math.clz32(bits & -bits));
  }

  #flip(number: number): void {
    this.#bits[number >> DIGIT] ^= 1 << (number & 15);
  }

  /** Calls `seen` for each entry. */
  verify(seen: (slot: number, place: number) => void): void {
    let filled = 0;
    for (const [number, { size, at, slot }] of this.buckets.entries()) {
      const bit = (this.#bits[number >> DIGIT] >> (number & 15)) & 1;
      check(bit === (size > 0 ? 1 : 0), `V2: bucket ${number} holds ${size} timers, its bit is ${bit}`);
      filled += bit;
      for (let i = 0; i < size; ++i) {
        const from = at[i] - this.#base;
        const tick = Math.floor(from / TICK_MS);
        check(
          tick >= this.#tick && from < SPAN_MS && this.bucketOf(tick) === number,
          `V1: a timer for ${at[i]} is in bucket ${number}`,
        );
        check(at[i] >= this.#lows[number], `V3: a timer for ${at[i]} is before all of bucket ${number}`);
        seen(slot[i], (number << 24) | i);
      }
    }
    check(filled === this.filled, `V2: ${filled} buckets are filled, ${this.filled} counted`);
  }
}
