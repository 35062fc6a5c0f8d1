// The core in plain TypeScript: what runs where there is no WebAssembly, what the benchmark compares the WASM core
// with, and the readable form of what contract.ts demands.
//
// Struct of arrays: one typed column a field, one row of each column a slot (or row). Columns grow by doubling and
// never shrink; nothing is allocated per wait.
//
//   slot column  type  meaning                                                     written by
//   KIND         u8    Kind, 0 while the slot is free or retired                   take, free
//   GEN          i32   lives the slot has had; part of every handle                free
//   LIST         i32   the list it waits in, row * 2 + side, or NIL                link, unlink
//   NEXT, PREV   i32   neighbours in that list, or NIL; NEXT chains the free slots link, unlink, free
//   ROLE         u8    Role: what it waits to do                                        link
//   WHY          u8    Why it woke last                                            woken, nextDue, take
//   + the columns of pure-timers.ts
//
//   row column   type  meaning
//   KIND         u8    RowKind, or DEAD
//   WORD         i32   permits, items, flag, fired
//   LIMIT        i32   QUEUE: most items
//   PENDING      u8    1 while the notification is under way: ~row is in the ring, or was just taken out of it
//   LAST         i32   last waiter of the pass that has begun, NIL if they all are gone, NO_PASS if none has begun;
//                      QUEUE: GETS if a getter is next in the pass that has begun, else NO_PASS
//   HEAD, TAIL   i32   ends of a list, two lists a row: [row * 2] waiters or getters, [row * 2 + 1] putters.
//   SIZE         i32   its length                        HEAD[row * 2] chains the free rows
//
// Invariants, walked by verify():
//   R1-R3  those of contract.ts
//   R4  the ring is longer than all slots, rows and holes together: holes are closed up before they fill it
//   S1  a slot's LIST is the list that holds it, its neighbours point back, SIZE counts them
//   S2  an armed slot is loose or waits: whoever wakes a slot disarms it
//   S3  a free slot has no list and no timer; every slot below `used` is alive, in the free chain, or retired
//   N1  PENDING[row] exactly if ~row is in the ring: lose one and the waiters never wake
//   N2  a row that is ready and has waiters is PENDING
//   N3  LAST[row] is in row's list: a pass is the front of the list up to LAST
//   T1-T3, V1-V3  those of pure-timers.ts and pure-wheel.ts

import { type Core, Counter, HOLE, type Kind, MAX_SLOTS, NIL, Place, Role, RowKind, Why, Word } from './contract.ts';
import { check, grown } from './pure-support.ts';
import { Timers } from './pure-timers.ts';

const SLOT_SPACE = 2 ** 24;
const GENERATIONS = 2 ** 29;
const DEAD = 255;
const NO_PASS = -2;
const GETS = -3;
const ANY_NUMBER = 2 ** 31 - 1;

/** Sizes and limits of a pure core. Tests bring the limits near; nobody else needs them. */
export interface PureOptions {
  /** Slots, and rows, that storage is reserved for at first. An integer from 1. Default: 256. */
  rows?: number;
  /** Most slots, and most rows, at a time. Default: `MAX_SLOTS`. */
  maxSlots?: number;
  /** Lives of a slot before it is retired. Default: 2^29. */
  generations?: number;
}

/** A core in plain TypeScript. */
export function createPureCore(options: PureOptions = {}): PureCore {
  return new PureCore(options);
}

/**
 * The smallest ring that is longer than all slots and rows together (R1), with room to spare for holes: a quarter, so
 * that closing them costs a few cells for each hole.
 */
function ringLength(slots: number, rows: number): number {
  let length = 4;
  while (length <= (slots + rows) * 1.25) length *= 2;
  return length;
}

export class PureCore implements Core {
  readonly name = 'pure';
  words = new Int32Array(4);
  ring: Int32Array;

  /** Never replaced; its methods are the core's timer methods. */
  readonly timers: Timers;
  readonly #maxSlots: number;
  readonly #generations: number;

  // Slots. `used` is the first index that never was given out.
  #kind: Uint8Array;
  #gen: Int32Array;
  #list: Int32Array;
  #next: Int32Array;
  #prev: Int32Array;
  #role: Uint8Array;
  #why: Uint8Array;
  #capacity: number;
  #used = 0;
  #freeSlot = NIL;

  // Rows
  #rowKind: Uint8Array;
  #word: Int32Array;
  #limit: Int32Array;
  #pending: Uint8Array;
  #last: Int32Array;
  #head: Int32Array;
  #tail: Int32Array;
  #size: Int32Array;
  #rowCapacity: number;
  #rowsUsed = 0;
  #freeRow = NIL;

  /** Where the next search in the ring begins. */
  #found = 0;
  /** HOLEs in the ring, at most. */
  #holes = 0;

  #partner = NIL;
  #slots = 0;
  #rows = 0;
  #waiting = 0;
  #retired = 0;
  readonly #kinds = new Int32Array(256);

  constructor({ rows = 256, maxSlots = MAX_SLOTS, generations = GENERATIONS }: PureOptions) {
    const capacity = Math.min(rows, maxSlots);
    this.#maxSlots = maxSlots;
    this.#generations = generations;
    this.#capacity = capacity;
    this.#rowCapacity = capacity;
    this.ring = new Int32Array(ringLength(capacity, capacity));
    this.words[Word.MASK] = this.ring.length - 1;
    this.timers = new Timers(capacity);

    this.#kind = new Uint8Array(capacity);
    this.#gen = new Int32Array(capacity);
    this.#list = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#prev = new Int32Array(capacity);
    this.#role = new Uint8Array(capacity);
    this.#why = new Uint8Array(capacity);

    this.#rowKind = new Uint8Array(capacity);
    this.#word = new Int32Array(capacity);
    this.#limit = new Int32Array(capacity);
    this.#pending = new Uint8Array(capacity);
    this.#last = new Int32Array(capacity);
    this.#head = new Int32Array(capacity * 2);
    this.#tail = new Int32Array(capacity * 2);
    this.#size = new Int32Array(capacity * 2);
  }

  // ---- slots ----------------------------------------------------------------------------------------------------

  take(kind: Kind): number {
    let slot = this.#freeSlot;
    if (slot !== NIL) {
      this.#freeSlot = this.#next[slot];
    } else {
      if (this.#used === this.#capacity && !this.#growSlots()) return NIL;
      slot = this.#used++;
    }
    this.#kind[slot] = kind;
    this.#list[slot] = NIL;
    this.#why[slot] = Why.WOKEN;
    ++this.#slots;
    ++this.#kinds[kind];
    return slot;
  }

  takeReady(kind: Kind): number {
    const slot = this.take(kind);
    if (slot !== NIL) this.ready(slot);
    return slot;
  }

  free(slot: number): void {
    --this.#slots;
    --this.#kinds[this.#kind[slot]];
    this.#kind[slot] = 0;
    if (++this.#gen[slot] === this.#generations) {
      ++this.#retired;
      return;
    }
    this.#next[slot] = this.#freeSlot;
    this.#freeSlot = slot;
  }

  handle(slot: number): number {
    return slot + this.#gen[slot] * SLOT_SPACE;
  }

  resolve(handle: number): number {
    const generation = Math.floor(handle / SLOT_SPACE);
    const slot = handle - generation * SLOT_SPACE;
    return slot < this.#used && this.#gen[slot] === generation && this.#kind[slot] !== 0 ? slot : NIL;
  }

  place(slot: number): number {
    if (this.#list[slot] !== NIL) return Place.WAITING;
    if (this.timers.armed(slot)) return Place.LOOSE; // S2
    return this.#find(slot) === NIL ? Place.LOOSE : Place.READY;
  }

  rowOf(slot: number): number {
    return this.#list[slot] >> 1; // NIL >> 1 is NIL
  }

  role(slot: number): number {
    return this.#role[slot];
  }

  why(slot: number): number {
    return this.#why[slot];
  }

  // Every new column is made before the first is put in place: without memory for all, nothing has changed but that the
  // ring and the timers have room to spare.
  #growSlots(): boolean {
    const capacity = Math.min(this.#capacity * 2, this.#maxSlots);
    if (capacity === this.#capacity) return false;
    try {
      this.#growRing(capacity, this.#rowCapacity);
      this.timers.reserve(capacity);
      const kind = grown(this.#kind, capacity);
      const gen = grown(this.#gen, capacity);
      const list = grown(this.#list, capacity);
      const next = grown(this.#next, capacity);
      const prev = grown(this.#prev, capacity);
      const role = grown(this.#role, capacity);
      const why = grown(this.#why, capacity);
      this.#kind = kind;
      this.#gen = gen;
      this.#list = list;
      this.#next = next;
      this.#prev = prev;
      this.#role = role;
      this.#why = why;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    this.#capacity = capacity;
    return true;
  }

  // ---- ready ring -----------------------------------------------------------------------------------------------

  ready(slot: number): void {
    this.#push(slot);
  }

  readyFront(slot: number): void {
    this.#pushFront(slot);
  }

  unready(slot: number): boolean {
    return this.#punch(slot);
  }

  #push(entry: number): void {
    const { words } = this;
    const tail = words[Word.TAIL];
    this.ring[tail] = entry;
    words[Word.TAIL] = (tail + 1) & words[Word.MASK];
  }

  #pushFront(entry: number): void {
    const { words } = this;
    const head = (words[Word.HEAD] - 1) & words[Word.MASK];
    this.ring[head] = entry;
    words[Word.HEAD] = head;
  }

  // The hub takes entries out of the ring, and appends some, without telling: only the ring knows what is in it. The
  // search begins behind the last cell found.
  #find(entry: number): number {
    const { ring } = this;
    const head = this.words[Word.HEAD];
    const mask = this.words[Word.MASK];
    const length = (this.words[Word.TAIL] - head) & mask;
    let index = (this.#found - head) & mask;
    for (let left = length; left > 0; --left) {
      if (index >= length) index = 0;
      const cell = (head + index++) & mask;
      if (ring[cell] !== entry) continue;
      this.#found = (cell + 1) & mask;
      return cell;
    }
    return NIL;
  }

  #punch(entry: number): boolean {
    const cell = this.#find(entry);
    if (cell === NIL) return false;
    this.ring[cell] = HOLE;
    ++this.#holes;
    this.#closeHoles(this.#capacity, this.#rowCapacity);
    return true;
  }

  /** Close them up if with so many slots and rows they could fill the ring (R4). */
  #closeHoles(slots: number, rows: number): void {
    if (this.#holes >= this.ring.length - slots - rows) this.#moveRing(this.ring);
  }

  /** Entries in the ring without the holes. Counts them too, because the hub skips them without telling. */
  #readyCount(): number {
    const { ring } = this;
    const head = this.words[Word.HEAD];
    const tail = this.words[Word.TAIL];
    const mask = this.words[Word.MASK];
    const length = (tail - head) & mask;
    if (this.#holes === 0) return length;
    let holes = 0;
    for (let i = head; i !== tail; i = (i + 1) & mask) if (ring[i] === HOLE) ++holes;
    this.#holes = holes;
    return length - holes;
  }

  #growRing(slots: number, rows: number): void {
    const length = ringLength(slots, rows);
    if (length > this.ring.length) this.#moveRing(new Int32Array(length));
    else this.#closeHoles(slots, rows);
  }

  /** Move the entries to another ring, or closer together in the same one. The holes stay behind. */
  #moveRing(ring: Int32Array): void {
    const { words, ring: from } = this;
    const fromMask = words[Word.MASK];
    const mask = ring.length - 1;
    const head = words[Word.HEAD];
    let tail = head & mask;
    words[Word.HEAD] = tail;
    for (let i = head; i !== words[Word.TAIL]; i = (i + 1) & fromMask) {
      if (from[i] === HOLE) continue;
      ring[tail] = from[i];
      tail = (tail + 1) & mask;
    }
    words[Word.TAIL] = tail;
    words[Word.MASK] = mask;
    this.ring = ring;
    this.#found = words[Word.HEAD];
    this.#holes = 0;
  }

  // ---- timers ---------------------------------------------------------------------------------------------------

  arm(slot: number, atMs: number, priority: number): void {
    this.timers.arm(slot, atMs, priority);
  }

  disarm(slot: number): boolean {
    return this.timers.disarm(slot);
  }

  takeArmed(kind: Kind, atMs: number, priority: number): number {
    const slot = this.take(kind);
    if (slot !== NIL) this.arm(slot, atMs, priority);
    return slot;
  }

  freeArmed(slot: number): boolean {
    if (!this.disarm(slot)) return false;
    this.free(slot);
    return true;
  }

  deadline(slot: number): number {
    return this.timers.deadline(slot);
  }

  nextDeadline(): number {
    return this.timers.nextDeadline();
  }

  beginDue(): void {
    this.timers.beginDue();
  }

  nextDue(nowMs: number): number {
    const slot = this.timers.nextDue(nowMs);
    if (slot === NIL) return NIL;
    if (this.#list[slot] === NIL) {
      this.#why[slot] = Why.WOKEN;
    } else {
      this.leave(slot);
      this.#why[slot] = Why.TIMED_OUT;
    }
    return slot;
  }

  // ---- rows: waiting --------------------------------------------------------------------------------------------

  rowNew(kind: RowKind, value: number): number {
    let row = this.#freeRow;
    if (row !== NIL) {
      this.#freeRow = this.#head[row * 2];
    } else {
      if (this.#rowsUsed === this.#rowCapacity && !this.#growRows()) return NIL;
      row = this.#rowsUsed++;
    }
    this.#rowKind[row] = kind;
    this.#word[row] = value;
    this.#pending[row] = 0;
    this.#last[row] = NO_PASS;
    this.#limit[row] = ANY_NUMBER;
    for (const list of [row * 2, row * 2 + 1]) {
      this.#head[list] = NIL;
      this.#tail[list] = NIL;
      this.#size[list] = 0;
    }
    ++this.#rows;
    return row;
  }

  rowFree(row: number): void {
    if (this.#pending[row]) this.#punch(~row);
    this.#rowKind[row] = DEAD;
    this.#head[row * 2] = this.#freeRow;
    this.#freeRow = row;
    --this.#rows;
  }

  value(row: number): number {
    return this.#word[row];
  }

  waiting(row: number): number {
    return this.#size[row * 2] + this.#size[row * 2 + 1];
  }

  quiet(row: number): boolean {
    return this.waiting(row) === 0 && this.#pending[row] === 0;
  }

  // A channel's list is read as its getters, then its putters.
  first(row: number): number {
    const slot = this.#head[row * 2];
    return slot === NIL ? this.#head[row * 2 + 1] : slot;
  }

  next(slot: number): number {
    const list = this.#list[slot];
    if (list === NIL) return NIL;
    const next = this.#next[slot];
    return next === NIL && (list & 1) === 0 ? this.#head[list + 1] : next;
  }

  park(slot: number, row: number): void {
    this.#link(slot, row * 2, Role.WAIT);
    if (!this.#isReady(row)) return;
    if (!this.#pending[row]) this.#schedule(row);
    else if (this.#last[row] !== NO_PASS) this.#last[row] = slot;
  }

  leave(slot: number): boolean {
    this.timers.disarm(slot);
    const list = this.#list[slot];
    if (list === NIL) return false;
    this.#unlink(slot);
    if (this.#size[list] === 0) this.#callOff(list >> 1);
    return true;
  }

  /** Nobody is left to notify. */
  #callOff(row: number): void {
    const kind = this.#rowKind[row];
    if (kind !== RowKind.EVENT && kind !== RowKind.SEMAPHORE) return;
    if (!this.#pending[row] || this.#last[row] !== NO_PASS) return;
    this.#pending[row] = 0;
    this.#punch(~row);
  }

  wakeOne(row: number): number {
    const slot = this.first(row);
    if (slot === NIL) return NIL;
    this.#woken(slot);
    this.ready(slot);
    return slot;
  }

  wakeAll(row: number): number {
    let count = 0;
    while (this.wakeOne(row) !== NIL) ++count;
    return count;
  }

  notify(row: number): number {
    this.#partner = NIL;
    const kind = this.#rowKind[row];
    if (kind === RowKind.CHANNEL) return this.#notifyPair(row);
    if (kind === RowKind.LATCH) return this.#notifyLatch(row);
    if (kind === RowKind.QUEUE) return this.#notifyQueue(row);

    if (this.#last[row] === NO_PASS) this.#last[row] = this.#tail[row * 2];
    if (this.#last[row] === NIL || (kind === RowKind.SEMAPHORE && this.#word[row] === 0)) {
      this.#endPass(row);
      return NIL;
    }
    const slot = this.#head[row * 2];
    if (this.#role[slot] === Role.TAKE) --this.#word[row];
    this.#woken(slot);
    // Without permits the pass may go on all the same: the waiter that runs now may release its permit at once.
    if (this.#last[row] !== NIL) this.#pushFront(~row);
    else this.#endPass(row);
    return slot;
  }

  #notifyLatch(row: number): number {
    const slot = this.#head[row * 2];
    if (slot === NIL) {
      this.#endPass(row);
      return NIL;
    }
    this.#woken(slot);
    this.#pushFront(~row);
    return slot;
  }

  #notifyPair(row: number): number {
    if (!this.#isReady(row)) {
      this.#endPass(row);
      return NIL;
    }
    const getter = this.#head[row * 2];
    const putter = this.#head[row * 2 + 1];
    this.#woken(getter);
    this.#woken(putter);
    this.#pushFront(~row); // the pass goes on with what these two do next
    this.readyFront(putter); // in front of ~row: this pair before the next
    this.#partner = putter;
    return getter;
  }

  // In turn a putter and a getter, until neither can go on.
  #notifyQueue(row: number): number {
    const getsFirst = this.#last[row] === GETS;
    const canPut = this.#head[row * 2 + 1] !== NIL && this.#word[row] < this.#limit[row];
    const canGet = this.#head[row * 2] !== NIL && this.#word[row] > 0;
    this.#last[row] = NO_PASS;
    if (!canPut && !canGet) {
      this.#pending[row] = 0;
      return NIL;
    }
    const puts = canPut && !(canGet && getsFirst);
    if (puts) this.#last[row] = GETS;
    this.#pushFront(~row);
    return this.queueStep(row, puts ? Role.WAIT : Role.TAKE);
  }

  #endPass(row: number): void {
    this.#last[row] = NO_PASS;
    this.#pending[row] = 0;
    if (this.#isReady(row) && this.#size[row * 2] > 0) this.#schedule(row);
  }

  #schedule(row: number): void {
    if (this.#pending[row]) return;
    this.#pending[row] = 1;
    this.#push(~row);
  }

  #isReady(row: number): boolean {
    if (this.#rowKind[row] === RowKind.CHANNEL) return this.#size[row * 2] > 0 && this.#size[row * 2 + 1] > 0;
    return this.#word[row] > 0;
  }

  /** What whoever wakes a waiter does to it, whichever way it then goes. */
  #woken(slot: number): void {
    this.timers.disarm(slot);
    this.#unlink(slot);
    this.#why[slot] = Why.WOKEN;
  }

  #link(slot: number, list: number, role: number): void {
    const tail = this.#tail[list];
    this.#list[slot] = list;
    this.#role[slot] = role;
    this.#prev[slot] = tail;
    this.#next[slot] = NIL;
    if (tail === NIL) this.#head[list] = slot;
    else this.#next[tail] = slot;
    this.#tail[list] = slot;
    ++this.#size[list];
    ++this.#waiting;
  }

  #unlink(slot: number): void {
    const list = this.#list[slot];
    const next = this.#next[slot];
    const prev = this.#prev[slot];
    if (prev === NIL) this.#head[list] = next;
    else this.#next[prev] = next;
    if (next === NIL) this.#tail[list] = prev;
    else this.#prev[next] = prev;
    if (this.#last[list >> 1] === slot) this.#last[list >> 1] = prev; // N3
    this.#list[slot] = NIL;
    --this.#size[list];
    --this.#waiting;
  }

  #growRows(): boolean {
    const capacity = Math.min(this.#rowCapacity * 2, this.#maxSlots);
    if (capacity === this.#rowCapacity) return false;
    try {
      const rowKind = grown(this.#rowKind, capacity);
      const word = grown(this.#word, capacity);
      const limit = grown(this.#limit, capacity);
      const pending = grown(this.#pending, capacity);
      const last = grown(this.#last, capacity);
      const head = grown(this.#head, capacity * 2);
      const tail = grown(this.#tail, capacity * 2);
      const size = grown(this.#size, capacity * 2);
      this.#growRing(this.#capacity, capacity);
      this.#rowKind = rowKind;
      this.#word = word;
      this.#limit = limit;
      this.#pending = pending;
      this.#last = last;
      this.#head = head;
      this.#tail = tail;
      this.#size = size;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    this.#rowCapacity = capacity;
    return true;
  }

  // ---- rows: words ----------------------------------------------------------------------------------------------

  eventSet(row: number): void {
    this.#word[row] = 1;
    if (this.#size[row * 2] > 0) this.#schedule(row);
  }

  eventClear(row: number): void {
    this.#word[row] = 0;
  }

  eventWait(row: number, slot: number): number {
    if (this.#word[row] !== 0 && !this.#pending[row]) return 1;
    this.park(slot, row);
    return 0;
  }

  latchFire(row: number): void {
    this.eventSet(row);
  }

  semAcquire(row: number, slot: number): number {
    if (this.semTry(row)) return 1;
    this.#link(slot, row * 2, Role.TAKE);
    return 0;
  }

  semTry(row: number): number {
    if (this.#word[row] === 0) return 0;
    --this.#word[row];
    return 1;
  }

  semRelease(row: number, count: number): number {
    this.#word[row] += count;
    if (this.#size[row * 2] > 0) this.#schedule(row);
    return this.#word[row];
  }

  chanPut(row: number, slot: number): void {
    this.#link(slot, row * 2 + 1, Role.WAIT);
    if (this.#isReady(row)) this.#schedule(row);
  }

  chanGet(row: number, slot: number): void {
    this.#link(slot, row * 2, Role.TAKE);
    if (this.#isReady(row)) this.#schedule(row);
  }

  balance(row: number): number {
    return this.#size[row * 2 + 1] - this.#size[row * 2];
  }

  queueLimit(row: number, limit: number): void {
    this.#limit[row] = limit === 0 ? ANY_NUMBER : limit;
  }

  queueItems(row: number, items: number): void {
    const before = this.#word[row];
    this.#word[row] = items;
    if (items > before && this.#size[row * 2] > 0) this.#schedule(row);
    if (items < before && this.#size[row * 2 + 1] > 0) this.#schedule(row);
  }

  queueWait(row: number, slot: number, role: Role): void {
    this.#link(slot, row * 2 + (role === Role.WAIT ? 1 : 0), role);
    const [getters, putters] = [this.#size[row * 2], this.#size[row * 2 + 1]];
    if (getters > 0 && (putters > 0 || this.#word[row] > 0)) this.#schedule(row);
  }

  queueStep(row: number, role: Role): number {
    const slot = this.#head[row * 2 + (role === Role.WAIT ? 1 : 0)];
    if (slot === NIL) return NIL;
    if (role === Role.WAIT) ++this.#word[row];
    else if (this.#role[slot] === Role.TAKE && this.#word[row] > 0) --this.#word[row];
    this.#woken(slot);
    return slot;
  }

  partner(): number {
    return this.#partner;
  }

  // ---- accounts -------------------------------------------------------------------------------------------------

  counter(which: number): number {
    switch (which) {
      case Counter.SLOTS:
        return this.#slots;
      case Counter.ROWS:
        return this.#rows;
      case Counter.READY:
        return this.#readyCount();
      case Counter.WAITING:
        return this.#waiting;
      case Counter.TIMERS:
        return this.timers.size;
      case Counter.CAPACITY:
        return this.#capacity;
      case Counter.RETIRED:
        return this.#retired;
      case Counter.BYTES:
        return this.#bytes();
      default:
        return this.#kinds[which - Counter.KIND];
    }
  }

  #bytes(): number {
    const slots = [this.#kind, this.#gen, this.#list, this.#next, this.#prev, this.#role, this.#why];
    const rows = [
      this.#rowKind,
      this.#word,
      this.#limit,
      this.#pending,
      this.#last,
      this.#head,
      this.#tail,
      this.#size,
    ];
    let sum = this.timers.bytes;
    for (const column of [this.words, this.ring, this.#kinds, ...slots, ...rows]) sum += column.byteLength;
    return sum;
  }

  verify(): void {
    this.#verifyLists();
    this.#verifySlots();
    this.#verifyRing();
    this.timers.verify();
  }

  #verifyLists(): void {
    let waiting = 0;
    for (let row = 0; row < this.#rowsUsed; ++row) {
      if (this.#rowKind[row] === DEAD) continue;
      let lastSeen = this.#last[row] < 0;
      for (const list of [row * 2, row * 2 + 1]) {
        let size = 0;
        let prev = NIL;
        for (let slot = this.#head[list]; slot !== NIL; slot = this.#next[slot]) {
          check(++size <= this.#size[list], `S1: row ${row} has more waiters than it counts`);
          check(this.#list[slot] === list, `S1: slot ${slot} is in row ${row}, and knows nothing of it`);
          check(this.#prev[slot] === prev, `S1: slot ${slot} does not point back`);
          if (slot === this.#last[row]) lastSeen = true;
          prev = slot;
        }
        check(size === this.#size[list], `S1: row ${row} has ${size} waiters and counts ${this.#size[list]}`);
        check(this.#tail[list] === prev, `S1: the last waiter of row ${row} is not its tail`);
        waiting += size;
      }
      check(lastSeen, `N3: row ${row} has lost the end of its pass`);
      check(this.#last[row] === NO_PASS || this.#pending[row] === 1, `N3: row ${row} has a pass, and no notification`);
      const queue = this.#rowKind[row] === RowKind.QUEUE;
      check(!queue || this.#last[row] === NO_PASS || this.#last[row] === GETS, `N3: queue ${row} has an edge`);
      check(this.#word[row] >= 0, `row ${row} has ${this.#word[row]} permits`);
      if (this.#isReady(row) && this.#size[row * 2] > 0) {
        check(this.#pending[row] === 1, `N2: row ${row} is ready, has waiters, and will not notify them`);
      }
    }
    check(waiting === this.#waiting, `S1: ${waiting} slots wait, ${this.#waiting} counted`);
  }

  #verifySlots(): void {
    let alive = 0;
    let linked = 0;
    let free = 0;
    const kinds = new Int32Array(this.#kinds.length);
    for (let slot = 0; slot < this.#used; ++slot) {
      if (this.#list[slot] !== NIL) ++linked;
      if (this.#kind[slot] !== 0) {
        ++alive;
        ++kinds[this.#kind[slot]];
      } else {
        check(this.#list[slot] === NIL && !this.timers.armed(slot), `S3: slot ${slot} is free, and waits or is armed`);
      }
      check(this.#gen[slot] <= this.#generations, `S3: slot ${slot} has outlived its generations`);
    }
    for (let slot = this.#freeSlot; slot !== NIL; slot = this.#next[slot]) {
      check(this.#kind[slot] === 0 && ++free <= this.#used, `S3: slot ${slot} is in the free chain, and alive`);
    }
    check(linked === this.#waiting, `S1: ${linked} slots are in a list, ${this.#waiting} counted`);
    check(alive === this.#slots, `S3: ${alive} slots are alive, ${this.#slots} counted`);
    check(alive + free + this.#retired === this.#used, `S3: ${this.#used} slots, and some are nowhere`);
    for (let kind = 1; kind < kinds.length; ++kind) {
      check(
        kinds[kind] === this.#kinds[kind],
        `S3: ${kinds[kind]} slots of kind ${kind}, ${this.#kinds[kind]} counted`,
      );
    }
    let rows = 0;
    for (let row = 0; row < this.#rowsUsed; ++row) if (this.#rowKind[row] !== DEAD) ++rows;
    check(rows === this.#rows, `${rows} rows are alive, ${this.#rows} counted`);
  }

  #verifyRing(): void {
    const { ring } = this;
    const mask = this.words[Word.MASK];
    const seen = new Set<number>();
    let holes = 0;
    check(ring.length === mask + 1 && (ring.length & mask) === 0, `R1: mask ${mask} does not fit the ring`);
    check(ring.length > this.#capacity + this.#rowCapacity + this.#holes, `R4: a ring of ${ring.length} can overflow`);
    for (let i = this.words[Word.HEAD]; i !== this.words[Word.TAIL]; i = (i + 1) & mask) {
      const entry = ring[i];
      if (entry === HOLE) {
        ++holes;
        continue;
      }
      check(!seen.has(entry), `R2, R3: ${entry} is in the ring twice`);
      seen.add(entry);
      if (entry < 0) {
        check(~entry < this.#rowsUsed && this.#rowKind[~entry] !== DEAD, `R3: row ${~entry} is in the ring, and dead`);
        check(this.#pending[~entry] === 1, `N1: row ${~entry} is in the ring, and not pending`);
      } else {
        check(entry < this.#used && this.#kind[entry] !== 0, `R2: slot ${entry} is in the ring, and dead`);
        check(this.#list[entry] === NIL, `R2: slot ${entry} is in the ring, and waits`);
        check(!this.timers.armed(entry), `S2: slot ${entry} is in the ring, and armed`);
      }
    }
    check(holes <= this.#holes, `R4: ${holes} holes are in the ring, ${this.#holes} counted`);
    for (let row = 0; row < this.#rowsUsed; ++row) {
      if (this.#rowKind[row] === DEAD || !this.#pending[row]) continue;
      check(seen.has(~row), `N1: row ${row} is pending, and not in the ring`);
    }
  }
}
