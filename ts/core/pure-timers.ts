// The timers of the pure core, in two structures: heaps know the exact order of what is due soon, and of all that the
// wheel (pure-wheel.ts) would not take; the wheel holds the rest, in no order.
//
// One indexed 4-ary min-heap a priority, over (AT, SEQ); AT lies in the heap beside the slot, so that a comparison
// leaves it only on a tie. Binary was slower at a million timers: 44 against 31 ns to arm, 700 against 590 to fire.
//
//   T1  before(parent(i), i) for every i > 0, so the earliest is at 0
//   T2  POS[s] is lane << 24 | index of s in a heap, or IN_WHEEL + its place there, so that cancel finds its entry without
//       a scan; UNARMED if s is not armed
//   T3  SEQ, armings * 8 + priority, grows with every arming, so no two entries compare equal; f64: a u32 would wrap
//       within an hour
//
// `nextDue` must not give a timer armed after `beginDue` (SEQ >= limit), or one that rearms itself for the past would
// starve the hub. If such a timer is due it waits in a sixth heap, `late`, for the next pass to begin.

import { NIL } from './contract.ts';
import { check, grown } from './pure-support.ts';
import { type Receiver, Wheel } from './pure-wheel.ts';
import { LINK, POS, UNARMED } from './waits/records.ts';

const LATE = 5;
/** Lanes up to 7 are heaps, the others buckets. */
const IN_WHEEL = 8 << 24;

class Heap {
  readonly lane: number;
  size = 0;
  at = new Float64Array(4);
  slot = new Int32Array(4);

  constructor(lane: number) {
    this.lane = lane << 24;
  }
}

/** The timers of a pure core. Exported so that a test can plant a bug in it. */
export class Timers implements Receiver {
  readonly heaps: readonly Heap[] = [0, 1, 2, 3, 4, LATE].map((lane) => new Heap(lane));
  readonly wheel = new Wheel(this);
  /** @internal Of the core; replaced when it grows. */ links: Int32Array;
  #seq: Float64Array;
  #nextSeq = 8;
  #limit = 0;
  size = 0;

  constructor(slots: number, links: Int32Array) {
    this.links = links;
    this.#seq = new Float64Array(slots);
  }

  get bytes(): number {
    let sum = this.#seq.byteLength + this.wheel.bytes;
    for (const heap of this.heaps) sum += heap.at.byteLength + heap.slot.byteLength;
    return sum;
  }

  reserve(slots: number): void {
    this.#seq = grown(this.#seq, slots);
  }

  armed(slot: number): boolean {
    return this.links[(slot << LINK) + POS] !== UNARMED;
  }

  arm(slot: number, atMs: number, priority: number): void {
    this.#seq[slot] = this.#nextSeq + priority;
    this.again(slot, atMs);
    this.#nextSeq += 8;
    ++this.size;
  }

  again(slot: number, at: number): void {
    const place = this.wheel.put(slot, at);
    if (place === NIL) this.toHeap(slot, at);
    else this.links[(slot << LINK) + POS] = IN_WHEEL + place;
  }

  toHeap(slot: number, at: number): void {
    this.#insert(this.#heapOf(slot), slot, at);
  }

  makeRoomFor(slots: Int32Array, count: number): void {
    const counts = new Int32Array(LATE);
    for (let i = 0; i < count; ++i) ++counts[this.#seq[slots[i]] % 8];
    for (let priority = 0; priority < LATE; ++priority) this.#makeRoom(this.heaps[priority], counts[priority]);
  }

  disarm(slot: number): boolean {
    const pos = this.links[(slot << LINK) + POS];
    if (pos === UNARMED) return false;
    if (pos >= IN_WHEEL) this.links[(this.wheel.takeOut(pos - IN_WHEEL) << LINK) + POS] = pos;
    else this.#remove(this.heaps[pos >> 24], pos & 0xffffff);
    this.links[(slot << LINK) + POS] = UNARMED;
    --this.size;
    return true;
  }

  deadline(slot: number): number {
    const pos = this.links[(slot << LINK) + POS];
    if (pos === UNARMED) return Infinity;
    return pos >= IN_WHEEL ? this.wheel.atOf(pos - IN_WHEEL) : this.heaps[pos >> 24].at[pos & 0xffffff];
  }

  /** Opens a bucket if the earliest is not in a heap yet, so over time each timer costs this at most one insertion. */
  nextDeadline(): number {
    const earliest = this.#earliest();
    return this.wheel.openBefore(earliest) ? this.#earliest() : earliest;
  }

  #earliest(): number {
    let earliest = Infinity;
    for (const heap of this.heaps) if (heap.size > 0 && heap.at[0] < earliest) earliest = heap.at[0];
    return earliest;
  }

  beginDue(): void {
    this.#flushLate();
    this.#limit = this.#nextSeq;
  }

  nextDue(nowMs: number): number {
    this.wheel.openDue(nowMs);
    for (let priority = 0; priority < LATE; ++priority) {
      const heap = this.heaps[priority];
      while (heap.size > 0 && heap.at[0] <= nowMs) {
        const slot = heap.slot[0];
        if (this.#seq[slot] < this.#limit) {
          this.disarm(slot);
          return slot;
        }
        this.#move(slot, this.heaps[LATE]);
      }
    }
    return NIL;
  }

  #flushLate(): void {
    const late = this.heaps[LATE];
    while (late.size > 0) {
      const slot = late.slot[late.size - 1];
      this.#move(slot, this.#heapOf(slot));
    }
  }

  /** Move an entry of a heap into another one; it stays where it is if there is no memory. */
  #move(slot: number, heap: Heap): void {
    const at = this.deadline(slot);
    const pos = this.links[(slot << LINK) + POS];
    this.#makeRoom(heap, 1);
    this.#remove(this.heaps[pos >> 24], pos & 0xffffff);
    this.#insert(heap, slot, at);
  }

  /** The heap of its priority. */
  #heapOf(slot: number): Heap {
    return this.heaps[this.#seq[slot] % 8];
  }

  // The only writer of heap entries and their POS, so T2 cannot drift.
  #place(heap: Heap, index: number, slot: number, at: number): void {
    heap.slot[index] = slot;
    heap.at[index] = at;
    this.links[(slot << LINK) + POS] = heap.lane | index;
  }

  #makeRoom(heap: Heap, more: number): void {
    const size = heap.size + more;
    if (size <= heap.at.length) return;
    const length = Math.max(size, heap.at.length * 2);
    const at = grown(heap.at, length);
    heap.slot = grown(heap.slot, length);
    heap.at = at;
  }

  #insert(heap: Heap, slot: number, at: number): void {
    this.#makeRoom(heap, 1);
    this.siftUp(heap, heap.size++, slot, at);
  }

  #remove(heap: Heap, index: number): void {
    const last = --heap.size;
    if (index !== last) this.fillHole(heap, index, heap.slot[last], heap.at[last]);
  }

  /** Put the heap's last entry into a hole. It may belong above or below; only one of the two moves it. */
  fillHole(heap: Heap, index: number, slot: number, at: number): void {
    const parent = (index - 1) >> 2;
    if (index > 0 && this.before(at, slot, heap.at[parent], heap.slot[parent])) this.siftUp(heap, index, slot, at);
    else this.siftDown(heap, index, slot, at);
  }

  siftUp(heap: Heap, index: number, slot: number, at: number): void {
    while (index > 0) {
      const parent = (index - 1) >> 2;
      if (!this.before(at, slot, heap.at[parent], heap.slot[parent])) break;
      this.#place(heap, index, heap.slot[parent], heap.at[parent]);
      index = parent;
    }
    this.#place(heap, index, slot, at);
  }

  siftDown(heap: Heap, index: number, slot: number, at: number): void {
    const { size } = heap;
    for (;;) {
      let child = index * 4 + 1;
      if (child >= size) break;
      const end = Math.min(child + 4, size);
      for (let other = child + 1; other < end; ++other) {
        if (this.before(heap.at[other], heap.slot[other], heap.at[child], heap.slot[child])) child = other;
      }
      if (!this.before(heap.at[child], heap.slot[child], at, slot)) break;
      this.#place(heap, index, heap.slot[child], heap.at[child]);
      index = child;
    }
    this.#place(heap, index, slot, at);
  }

  before(at: number, slot: number, otherAt: number, other: number): boolean {
    return at < otherAt || (at === otherAt && this.#seq[slot] < this.#seq[other]);
  }

  verify(): void {
    let entries = 0;
    for (const heap of this.heaps) {
      entries += heap.size;
      for (let i = 0; i < heap.size; ++i) {
        const slot = heap.slot[i];
        const parent = (i - 1) >> 2;
        if (i > 0) {
          check(this.before(heap.at[parent], heap.slot[parent], heap.at[i], slot), `T1: heap entry ${i} is early`);
        }
        check(this.links[(slot << LINK) + POS] === (heap.lane | i), `T2: slot ${slot} is not where it is armed`);
        check(heap === this.heaps[LATE] || heap === this.#heapOf(slot), `T2: slot ${slot} has another priority`);
        check(this.#seq[slot] < this.#nextSeq, `T3: slot ${slot} was armed in the future`);
      }
    }
    this.wheel.verify((slot, place) => {
      ++entries;
      check(this.links[(slot << LINK) + POS] === IN_WHEEL + place, `T2: slot ${slot} is not where it is armed`);
      check(this.#seq[slot] < this.#nextSeq, `T3: slot ${slot} was armed in the future`);
    });
    check(entries === this.size, `T2: ${entries} timers in heaps and wheel, ${this.size} counted`);
    let positions = 0;
    for (let at = POS; at < this.links.length; at += 1 << LINK) if (this.links[at] !== UNARMED) ++positions;
    check(positions === this.size, `T2: ${positions} slots have a timer, ${this.size} counted`);
  }
}
