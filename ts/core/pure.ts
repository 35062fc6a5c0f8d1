// The core in plain TypeScript: what runs where there is no WebAssembly, what the benchmark compares the WASM core
// with, and the readable form of what contract.ts demands.
//
// Who waits on what is waits.ts, timers are pure-timers.ts; here are slots, the ring and the memory.
//
//   slot column  type  meaning                                                     written by
//   KIND         u8    Kind, 0 while the slot is free or retired                   take, free
//   GEN          i32   lives the slot has had; part of every handle                free
//   + the records of waits.ts and the columns of pure-timers.ts
//
// Columns grow by doubling and never shrink; nothing is allocated per wait.
//
// Invariants, walked by verify():
//   R1-R3  those of contract.ts
//   R4  the ring is longer than all slots, rows and holes together: holes are closed up before they fill it
//   S2  an armed slot is loose or waits: whoever wakes a slot disarms it
//   S3  a free slot waits nowhere and has no timer; every slot below `used` is alive, in the free chain, or retired
//   and those of waits.ts, pure-timers.ts and pure-wheel.ts

import { type Core, Counter, HOLE, type Kind, MAX_SLOTS, NIL, Word } from './contract.ts';
import { check, grown } from './pure-support.ts';
import { Timers } from './pure-timers.ts';
import { LINK, LOOSE, NEXT, PLACE, ROW, UNARMED } from './waits/records.ts';
import { Waits } from './waits.ts';
import { verifyWaits } from './waits-check.ts';

const SLOT_SPACE = 2 ** 24;
const GENERATIONS = 2 ** 29;

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

export class PureCore extends Waits implements Core {
  readonly name = 'pure';

  /** Never replaced; its methods are the core's timer methods. */
  readonly timers: Timers;
  readonly #maxSlots: number;
  readonly #generations: number;

  // Slots. `used` is the first index that never was given out.
  #kind: Uint8Array;
  #gen: Int32Array;
  #capacity: number;
  #used = 0;
  #freeSlot = NIL;

  /** Where the next search in the ring begins. */
  #found = 0;
  /** HOLEs in the ring, at most. */
  #holes = 0;

  #slots = 0;
  #retired = 0;
  readonly #kinds = new Int32Array(256);

  constructor({ rows = 256, maxSlots = MAX_SLOTS, generations = GENERATIONS }: PureOptions) {
    const capacity = Math.min(rows, maxSlots);
    const ring = new Int32Array(ringLength(capacity, capacity));
    const words = new Int32Array(4);
    words[Word.MASK] = ring.length - 1;
    super(words, ring, new Int32Array(capacity << LINK).fill(UNARMED), new Int32Array(capacity << ROW));
    this.#maxSlots = maxSlots;
    this.#generations = generations;
    this.#capacity = capacity;
    this.timers = new Timers(capacity, this.links);
    this.#kind = new Uint8Array(capacity);
    this.#gen = new Int32Array(capacity);
  }

  // ---- slots ----------------------------------------------------------------------------------------------------

  take(kind: Kind): number {
    let slot = this.#freeSlot;
    if (slot !== NIL) {
      this.#freeSlot = this.links[(slot << LINK) + NEXT];
    } else {
      if (this.#used === this.#capacity && !this.#growSlots()) return NIL;
      slot = this.#used++;
    }
    this.#kind[slot] = kind;
    this.links[(slot << LINK) + PLACE] = LOOSE;
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
    this.links[(slot << LINK) + NEXT] = this.#freeSlot;
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

  // Every new column is made before the first is put in place: without memory for all, nothing has changed but that the
  // ring and the timers have room to spare.
  #growSlots(): boolean {
    const capacity = Math.min(this.#capacity * 2, this.#maxSlots);
    if (capacity === this.#capacity) return false;
    try {
      this.#growRing(capacity, this.#rowRoom);
      this.timers.reserve(capacity);
      const kind = grown(this.#kind, capacity);
      const gen = grown(this.#gen, capacity);
      const links = grown(this.links, capacity << LINK).fill(UNARMED, this.links.length);
      this.#kind = kind;
      this.#gen = gen;
      this.links = this.timers.links = links;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    this.#capacity = capacity;
    return true;
  }

  // ---- ready ring -----------------------------------------------------------------------------------------------

  override $inRing(entry: number): boolean {
    return this.#find(entry) !== NIL;
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

  unready(entry: number): boolean {
    const cell = this.#find(entry);
    if (cell === NIL) return false;
    this.ring[cell] = HOLE;
    ++this.#holes;
    this.#closeHoles(this.#capacity, this.#rowRoom);
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

  override $takeDue(nowMs: number): number {
    return this.timers.nextDue(nowMs);
  }

  // ---- rows -----------------------------------------------------------------------------------------------------

  get #rowRoom(): number {
    return this.rows.length >> ROW;
  }

  override $moreRows(): boolean {
    const room = Math.min(this.#rowRoom * 2, this.#maxSlots);
    if (room === this.#rowRoom) return false;
    try {
      const rows = grown(this.rows, room << ROW);
      this.#growRing(this.#capacity, room);
      this.rows = rows;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    return true;
  }

  // ---- accounts -------------------------------------------------------------------------------------------------

  counter(which: number): number {
    switch (which) {
      case Counter.SLOTS:
        return this.#slots;
      case Counter.ROWS:
        return this.$rows;
      case Counter.READY:
        return this.#readyCount();
      case Counter.WAITING:
        return this.$waits();
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
    const { words, ring, links, rows } = this;
    let sum = this.timers.bytes;
    for (const column of [words, ring, links, rows, this.#kind, this.#gen, this.#kinds]) sum += column.byteLength;
    return sum;
  }

  verify(): void {
    this.#verifySlots();
    this.#verifyRing();
    verifyWaits(this, this.#used);
    this.timers.verify();
  }

  #verifySlots(): void {
    let alive = 0;
    let free = 0;
    const kinds = new Int32Array(this.#kinds.length);
    for (let slot = 0; slot < this.#used; ++slot) {
      if (this.#kind[slot] !== 0) {
        ++alive;
        ++kinds[this.#kind[slot]];
      } else {
        check(
          this.links[(slot << LINK) + PLACE] < 0 && !this.timers.armed(slot),
          `S3: slot ${slot} is free, and waits or is armed`,
        );
      }
      check(this.#gen[slot] <= this.#generations, `S3: slot ${slot} has outlived its generations`);
    }
    for (let slot = this.#freeSlot; slot !== NIL; slot = this.links[(slot << LINK) + NEXT]) {
      check(this.#kind[slot] === 0 && ++free <= this.#used, `S3: slot ${slot} is in the free chain, and alive`);
    }
    check(alive === this.#slots, `S3: ${alive} slots are alive, ${this.#slots} counted`);
    check(alive + free + this.#retired === this.#used, `S3: ${this.#used} slots, and some are nowhere`);
    for (let kind = 1; kind < kinds.length; ++kind) {
      check(
        kinds[kind] === this.#kinds[kind],
        `S3: ${kinds[kind]} slots of kind ${kind}, ${this.#kinds[kind]} counted`,
      );
    }
  }

  #verifyRing(): void {
    const { ring } = this;
    const mask = this.words[Word.MASK];
    const seen = new Set<number>();
    let holes = 0;
    check(ring.length === mask + 1 && (ring.length & mask) === 0, `R1: mask ${mask} does not fit the ring`);
    check(ring.length > this.#capacity + this.#rowRoom + this.#holes, `R4: a ring of ${ring.length} can overflow`);
    for (let i = this.words[Word.HEAD]; i !== this.words[Word.TAIL]; i = (i + 1) & mask) {
      const entry = ring[i];
      if (entry === HOLE) {
        ++holes;
        continue;
      }
      check(!seen.has(entry), `R2, R3: ${entry} is in the ring twice`);
      seen.add(entry);
      if (entry < 0) continue;
      check(entry < this.#used && this.#kind[entry] !== 0, `R2: slot ${entry} is in the ring, and dead`);
      check(!this.timers.armed(entry), `S2: slot ${entry} is in the ring, and armed`);
    }
    check(holes <= this.#holes, `R4: ${holes} holes are in the ring, ${this.#holes} counted`);
  }
}
