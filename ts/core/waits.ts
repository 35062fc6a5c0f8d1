// Who waits on what, and who is next: the rules for all of it, over the memory of either core.
//
// A slot has a record of four integers, a row one of eight. They lie in the core's memory, which also has the ready ring, and are read and
// written in place: a call into WASM costs 4 to 5 ns, which is as much as linking a waiter, and a hand-over has three of them.
//
//   links   NEXT   behind it in its row's list, or NIL; of a free slot: the next free one
//           PREV   before it in its row's list, or NIL
//           PLACE  waiting: row * 4 + Role; else LOOSE, or LATE if it woke because its time was up
//           POS    where its timer is, which the timers know; UNARMED
//   rows    FIRST  head of the list, or NIL; of a free row: the next free one
//           LAST   tail of the list, or NIL
//           EDGE   last of the pass under way; CHANNEL, QUEUE: last getter
//           COUNT  slots in the list
//           VALUE  permits, items, flag, fired
//           LIMIT  QUEUE: most items; CHANNEL: getters in the list
//           KIND   RowKind, or DEAD
//           NOTE   its notification: NONE, PENDING, PASS or GETS
//
// Records begin at multiples of their size, so a word of one is `r | WORD`: of `r + WORD` V8 looks whether it overflows, at each use.
//
//   row     FIRST ---> 4 <---> 9 <---> 2 <--- LAST       COUNT 3
//   EDGE ----------------------^                         waiters up to the edge belong to the pass under way;
//                                                        in a CHANNEL or QUEUE they are the getters, those behind it the putters
//
// Who changes a row wakes nobody. He puts the row's notifier, ~row, into the ring; when its turn comes the loop calls
// `notify`, which gives one waiter after another. Such a notification is
//
//   NONE ---- schedule: ~row at the back of the ring ----> PENDING ---- notify: the pass begins ----> PASS
//     ^                                                                     after each waiter, ~row at the front
//     +---- endPass; scheduled again at once if the row is still ready for those who wait ------------+
//
// PENDING is an EVENT's or a SEMAPHORE's alone; the others have no edge to set when a pass begins, and are scheduled as PASS. A pending one is
// called off when the last waiter leaves: who comes then does not wait behind nobody.
//
// VALUE says whether a row is ready: a raised flag, permits left, a latch that has fired; a LIST never is. Nobody is overtaken: who
// parks late, while a notification is under way, queues behind the older ones. Only a permit may be taken past them (barging,
// as in gevent). A pass of an EVENT or a SEMAPHORE wakes the waiters up to EDGE: those who were there when it began,
// whatever the flag is by now, and those who parked since while the row was ready. A LATCH has no edge: its pass ends with its list.
//
// A CHANNEL pairs getters and putters; between turns one side is empty. A pass of a QUEUE lets go on in turn a putter, whose
// item goes in, and a getter, until neither can; whoever runs may put and get as he likes meanwhile, since each step looks
// at the count anew. Raising its limit wakes nobody, so putters may wait while there is room, as in gevent, until somebody gets.
//
// Invariants, walked by waits-check.ts:
//   W1  from FIRST along NEXT to LAST, and back along PREV, are the same COUNT slots, whose PLACE is there
//   W2  a slot whose PLACE is negative is in no list
//   W3  EDGE is NIL or in the list; but for channels and queues it is NIL outside a pass, and always for a LIST or a LATCH
//   C1  in a CHANNEL or QUEUE those up to EDGE are the getters (TAKE, PEEK), those behind it the putters (WAIT)
//   N1  NOTE is not NONE exactly while ~row is in the ring (the loop calls `notify` at once when it takes it out)
//   N2  a row that is ready for those who wait has a notification under way; without it they would never wake
//   N3  below `$rowsUsed` a row is alive or in the free chain; from there on none was ever used
//   P2  a word is 0 or more; a flag is 0 or 1; a LIST's and a CHANNEL's is 0

import { Place, type Role, type RowKind, Why } from './contract.ts';

// Constants of this file, copies where others have them: one that is imported or exported is a load, and a check, at each use.
const NIL = -1;
const HEAD = 0;
const TAIL = 1;
const MASK = 2;
const SEMAPHORE = 2;
const LATCH = 3;
const CHANNEL = 4;
const QUEUE = 5;
const WAIT = 0;
const TAKE = 1;

// A slot's record.
const NEXT = 0;
const PREV = 1;
const PLACE = 2;
const POS = 3;
/** `slot << LINK` is where it begins. */
const LINK = 2;

const LOOSE = -1;
const LATE = -2;
const UNARMED = -1;

// A row's.
const FIRST = 0;
const LAST = 1;
const EDGE = 2;
const COUNT = 3;
const VALUE = 4;
const LIMIT = 5;
const KIND = 6;
const NOTE = 7;
/** `row << ROW` is where it begins. */
const ROW = 3;

const NONE = 0;
const PENDING = 1;
const PASS = 2;
/** QUEUE: the pass goes on with a getter. */
const GETS = 3;

const DEAD = 255;
const ANY_NUMBER = 2 ** 31 - 1;

/** For the cores, and for those who check them. */
export const Record = { NEXT, PREV, PLACE, POS, LINK, LOOSE, UNARMED, ROW } as const;
export const RowRecord = { FIRST, LAST, EDGE, COUNT, LIMIT, KIND, NOTE, NONE, PASS, DEAD } as const;

/** What both cores are made of, but for slots, timers and the memory itself. */
export abstract class Waits {
  // Declared only: stored once, in the constructor, they are constants to the compiler until the core grows.
  declare words: Int32Array;
  declare ring: Int32Array;
  /** @internal Replaced on growth, like the others. */ declare links: Int32Array;
  /** @internal */ declare rows: Int32Array;
  /** @internal */ $rowsUsed = 0;
  /** @internal */ $freeRow = NIL;
  $partner = NIL;
  /** @internal */ $rows = 0;

  constructor(words: Int32Array, ring: Int32Array, links: Int32Array, rows: Int32Array) {
    this.words = words;
    this.ring = ring;
    this.links = links;
    this.rows = rows;
  }

  abstract disarm(slot: number): boolean;
  abstract unready(entry: number): boolean;
  /** @internal True if the entry is in the ring. */ abstract $inRing(entry: number): boolean;
  /** @internal Take the next due slot out of the timers, or NIL. */ abstract $takeDue(nowMs: number): number;
  /** @internal Room for more rows than `rows` has. False, and nothing has changed, if there is no memory for it. */
  abstract $moreRows(): boolean;

  // ---- slots --------------------------------------------------------------------------------------------------------

  place(slot: number): number {
    const at = slot << LINK;
    if (this.links[at | PLACE] >= 0) return Place.WAITING;
    if (this.links[at | POS] !== UNARMED) return Place.LOOSE; // R4
    return this.$inRing(slot) ? Place.READY : Place.LOOSE;
  }

  rowOf(slot: number): number {
    const place = this.links[(slot << LINK) | PLACE];
    return place >= 0 ? place >> 2 : NIL;
  }

  role(slot: number): number {
    return this.links[(slot << LINK) | PLACE] & 3;
  }

  why(slot: number): number {
    return this.links[(slot << LINK) | PLACE] === LATE ? Why.TIMED_OUT : Why.WOKEN;
  }

  // ---- ready ring ---------------------------------------------------------------------------------------------------

  ready(slot: number): void {
    this.$push(slot);
  }

  readyFront(slot: number): void {
    this.$pushFront(slot);
  }

  $push(entry: number): void {
    const { words } = this;
    const tail = words[TAIL];
    this.ring[tail] = entry;
    words[TAIL] = (tail + 1) & words[MASK];
  }

  $pushFront(entry: number): void {
    const { words } = this;
    const head = (words[HEAD] - 1) & words[MASK];
    this.ring[head] = entry;
    words[HEAD] = head;
  }

  // ---- rows ---------------------------------------------------------------------------------------------------------

  rowNew(kind: RowKind, value: number): number {
    let row = this.$freeRow;
    if (row !== NIL) {
      this.$freeRow = this.rows[(row << ROW) | FIRST];
    } else {
      if (this.$rowsUsed === this.rows.length >> ROW && !this.$moreRows()) return NIL;
      row = this.$rowsUsed++;
    }
    const { rows } = this;
    const r = row << ROW;
    rows[r | FIRST] = rows[r | LAST] = rows[r | EDGE] = NIL;
    rows[r | COUNT] = 0;
    rows[r | VALUE] = value;
    rows[r | LIMIT] = kind === QUEUE ? ANY_NUMBER : 0;
    rows[r | KIND] = kind;
    rows[r | NOTE] = NONE;
    ++this.$rows;
    return row;
  }

  rowFree(row: number): void {
    const { rows } = this;
    const r = row << ROW;
    if (rows[r | NOTE] !== NONE) this.unready(~row);
    rows[r | NOTE] = NONE;
    rows[r | KIND] = DEAD;
    rows[r | FIRST] = this.$freeRow;
    this.$freeRow = row;
    --this.$rows;
  }

  value(row: number): number {
    return this.rows[(row << ROW) | VALUE];
  }

  waiting(row: number): number {
    return this.rows[(row << ROW) | COUNT];
  }

  quiet(row: number): boolean {
    const r = row << ROW;
    return this.rows[r | COUNT] === 0 && this.rows[r | NOTE] === NONE;
  }

  first(row: number): number {
    return this.rows[(row << ROW) | FIRST];
  }

  next(slot: number): number {
    const at = slot << LINK;
    return this.links[at | PLACE] >= 0 ? this.links[at | NEXT] : NIL;
  }

  /** @internal Slots in all lists together. */
  $waits(): number {
    let sum = 0;
    for (let row = 0; row < this.$rowsUsed; ++row) {
      if (this.rows[(row << ROW) | KIND] !== DEAD) sum += this.rows[(row << ROW) | COUNT];
    }
    return sum;
  }

  // ---- waiting and waking -------------------------------------------------------------------------------------------

  park(slot: number, row: number): void {
    this.$append(slot, row, WAIT);
    const { rows } = this;
    const r = row << ROW;
    if (rows[r | VALUE] === 0) return;
    if (rows[r | KIND] === LATCH) this.$schedule(row, PASS);
    else if (rows[r | NOTE] === PASS) rows[r | EDGE] = slot;
    else this.$schedule(row, PENDING);
  }

  leave(slot: number): boolean {
    const at = slot << LINK;
    const { links } = this;
    if (links[at | POS] !== UNARMED) this.disarm(slot);
    const place = links[at | PLACE];
    if (place < 0) return false;
    this.$unlink(slot, place >> 2);
    this.$callOff(place >> 2);
    return true;
  }

  /** Nobody is left to notify. */
  $callOff(row: number): void {
    const { rows } = this;
    const r = row << ROW;
    if (rows[r | COUNT] > 0 || rows[r | NOTE] !== PENDING) return;
    rows[r | NOTE] = NONE;
    this.unready(~row);
  }

  wakeOne(row: number): number {
    const slot = this.rows[(row << ROW) | FIRST];
    if (slot === NIL) return NIL;
    this.$wake(slot, row);
    this.$push(slot);
    return slot;
  }

  wakeAll(row: number): number {
    let count = 0;
    while (this.wakeOne(row) !== NIL) ++count;
    return count;
  }

  nextDue(nowMs: number): number {
    const slot = this.$takeDue(nowMs);
    if (slot === NIL) return NIL;
    const at = (slot << LINK) | PLACE;
    const place = this.links[at];
    if (place < 0) {
      this.links[at] = LOOSE;
      return slot;
    }
    this.$unlink(slot, place >> 2);
    this.$callOff(place >> 2);
    this.links[at] = LATE;
    return slot;
  }

  notify(row: number): number {
    const { rows, links } = this;
    const r = row << ROW;
    const slot = rows[r | FIRST];
    // One who waits for an event or for a permit, as it mostly is: the pass begins and ends with him. Short, so that it is inlined.
    const value = rows[r | VALUE];
    if (slot !== rows[r | LAST] || rows[r | NOTE] !== PENDING || value === 0) {
      return this.$notify(row);
    }
    const at = slot << LINK;
    rows[r | VALUE] = value - (links[at | PLACE] & TAKE);
    if (links[at | POS] !== UNARMED) this.disarm(slot);
    links[at | PLACE] = LOOSE;
    rows[r | FIRST] = rows[r | LAST] = NIL;
    rows[r | COUNT] = 0;
    rows[r | NOTE] = NONE;
    this.$partner = NIL;
    return slot;
  }

  /** The same in general. */
  $notify(row: number): number {
    switch (this.rows[(row << ROW) | KIND]) {
      case QUEUE:
        return this.$notifyQueue(row);
      case CHANNEL:
        return this.$notifyPair(row);
      case LATCH:
        return this.$notifyLatch(row);
      default:
        return this.$notifyFlag(row);
    }
  }

  $notifyFlag(row: number): number {
    const { rows, links } = this;
    const r = row << ROW;
    this.$partner = NIL;
    if (rows[r | NOTE] === PENDING) {
      rows[r | NOTE] = PASS;
      rows[r | EDGE] = rows[r | LAST];
    }
    const edge = rows[r | EDGE];
    const permits = rows[r | KIND] === SEMAPHORE;
    const value = rows[r | VALUE];
    if (edge === NIL || (permits && value === 0)) {
      this.$endPass(row);
      return NIL;
    }
    const slot = rows[r | FIRST];
    if (permits) rows[r | VALUE] = value - (links[(slot << LINK) | PLACE] & TAKE);
    this.$wakeFirst(slot, row);
    // Even with no permit left: the waiter that runs now may give one back at once, and the pass goes on.
    if (slot !== edge) this.$pushFront(~row);
    else this.$endPass(row);
    return slot;
  }

  $notifyLatch(row: number): number {
    const slot = this.rows[(row << ROW) | FIRST];
    this.$partner = NIL;
    if (slot === NIL) {
      this.$endPass(row);
      return NIL;
    }
    this.$wakeFirst(slot, row);
    this.$pushFront(~row);
    return slot;
  }

  $endPass(row: number): void {
    const { rows } = this;
    const r = row << ROW;
    rows[r | NOTE] = NONE;
    rows[r | EDGE] = NIL;
    if (rows[r | VALUE] > 0 && rows[r | COUNT] > 0) this.$schedule(row, PENDING);
  }

  /** See that the row's notifier runs. `note`: PENDING for an EVENT or a SEMAPHORE, PASS for the others. */
  $schedule(row: number, note: number): void {
    const at = (row << ROW) | NOTE;
    if (this.rows[at] !== NONE) return;
    this.rows[at] = note;
    this.$push(~row);
  }

  // Whoever wakes a waiter disarms it, wherever it then goes.
  $wake(slot: number, row: number): void {
    if (this.links[(slot << LINK) | POS] !== UNARMED) this.disarm(slot);
    this.$unlink(slot, row);
  }

  /** The same for the first of the list. */
  $wakeFirst(slot: number, row: number): void {
    const { rows, links } = this;
    const r = row << ROW;
    const at = slot << LINK;
    if (links[at | POS] !== UNARMED) this.disarm(slot);
    const next = links[at | NEXT];
    links[at | PLACE] = LOOSE;
    rows[r | FIRST] = next;
    if (next === NIL) rows[r | LAST] = NIL;
    else links[(next << LINK) | PREV] = NIL;
    --rows[r | COUNT];
    if (rows[r | EDGE] === slot) rows[r | EDGE] = NIL; // W3
  }

  $append(slot: number, row: number, role: number): void {
    const { rows, links } = this;
    const r = row << ROW;
    const at = slot << LINK;
    const last = rows[r | LAST];
    links[at | PLACE] = (row << 2) | role;
    links[at | NEXT] = NIL;
    links[at | PREV] = last;
    rows[r | LAST] = slot;
    if (last === NIL) {
      rows[r | FIRST] = slot;
      rows[r | COUNT] = 1;
    } else {
      links[(last << LINK) | NEXT] = slot;
      ++rows[r | COUNT];
    }
  }

  /** Behind the last getter: before the putters, if there are any. */
  $appendGetter(slot: number, row: number, role: number): void {
    const { rows, links } = this;
    const r = row << ROW;
    const at = slot << LINK;
    const edge = rows[r | EDGE];
    const next = edge === NIL ? rows[r | FIRST] : links[(edge << LINK) | NEXT];
    links[at | NEXT] = next;
    links[at | PREV] = edge;
    links[at | PLACE] = (row << 2) | role;
    if (edge === NIL) rows[r | FIRST] = slot;
    else links[(edge << LINK) | NEXT] = slot;
    if (next === NIL) rows[r | LAST] = slot;
    else links[(next << LINK) | PREV] = slot;
    rows[r | EDGE] = slot;
    ++rows[r | COUNT];
  }

  $unlink(slot: number, row: number): void {
    const { rows, links } = this;
    const r = row << ROW;
    const at = slot << LINK;
    const next = links[at | NEXT];
    const prev = links[at | PREV];
    if (rows[r | KIND] === CHANNEL) rows[r | LIMIT] -= links[at | PLACE] & TAKE;
    if (rows[r | EDGE] === slot) rows[r | EDGE] = prev; // W3; before the edge everyone is of the pass, or a getter
    if (prev === NIL) rows[r | FIRST] = next;
    else links[(prev << LINK) | NEXT] = next;
    if (next === NIL) rows[r | LAST] = prev;
    else links[(next << LINK) | PREV] = prev;
    links[at | PLACE] = LOOSE;
    --rows[r | COUNT];
  }

  // ---- events, latches, semaphores ----------------------------------------------------------------------------------

  eventSet(row: number): void {
    const { rows } = this;
    const r = row << ROW;
    rows[r | VALUE] = 1;
    if (rows[r | COUNT] > 0) this.$schedule(row, PENDING);
  }

  eventClear(row: number): void {
    this.rows[(row << ROW) | VALUE] = 0;
  }

  eventWait(row: number, slot: number): number {
    const r = row << ROW;
    if (this.rows[r | VALUE] === 0) {
      this.$append(slot, row, WAIT);
      return 0;
    }
    if (this.rows[r | NOTE] === NONE) return 1;
    this.park(slot, row);
    return 0;
  }

  latchFire(row: number): void {
    const { rows } = this;
    const r = row << ROW;
    rows[r | VALUE] = 1;
    if (rows[r | COUNT] > 0) this.$schedule(row, PASS);
  }

  semAcquire(row: number, slot: number): number {
    if (this.semTry(row) !== 0) return 1;
    this.$append(slot, row, TAKE);
    return 0;
  }

  semTry(row: number): number {
    const at = (row << ROW) | VALUE;
    const permits = this.rows[at];
    if (permits === 0) return 0;
    this.rows[at] = permits - 1;
    return 1;
  }

  semRelease(row: number, count: number): number {
    const { rows } = this;
    const r = row << ROW;
    const permits = rows[r | VALUE] + count;
    rows[r | VALUE] = permits;
    if (permits > 0 && rows[r | COUNT] > 0) this.$schedule(row, PENDING);
    return permits;
  }

  // ---- channels -----------------------------------------------------------------------------------------------------

  chanPut(row: number, slot: number): void {
    this.$append(slot, row, WAIT);
    if (this.rows[(row << ROW) | EDGE] !== NIL) this.$schedule(row, PASS);
  }

  chanGet(row: number, slot: number): void {
    this.$appendGetter(slot, row, TAKE);
    const { rows } = this;
    const r = row << ROW;
    ++rows[r | LIMIT];
    if (rows[r | LAST] !== slot) this.$schedule(row, PASS);
  }

  balance(row: number): number {
    const r = row << ROW;
    return this.rows[r | COUNT] - 2 * this.rows[r | LIMIT];
  }

  partner(): number {
    return this.$partner;
  }

  $notifyPair(row: number): number {
    const { rows, links } = this;
    const r = row << ROW;
    const edge = rows[r | EDGE];
    if (edge === NIL || edge === rows[r | LAST]) {
      rows[r | NOTE] = NONE;
      this.$partner = NIL;
      return NIL;
    }
    const getter = rows[r | FIRST];
    const putter = links[(edge << LINK) | NEXT];
    if (rows[r | COUNT] === 2) {
      // One of each: nobody is left.
      if (links[(getter << LINK) | POS] !== UNARMED) this.disarm(getter);
      if (links[(putter << LINK) | POS] !== UNARMED) this.disarm(putter);
      links[(getter << LINK) | PLACE] = links[(putter << LINK) | PLACE] = LOOSE;
      rows[r | FIRST] = rows[r | LAST] = rows[r | EDGE] = NIL;
      rows[r | COUNT] = rows[r | LIMIT] = 0;
    } else {
      this.$wake(getter, row);
      this.$wake(putter, row);
    }
    // The pass goes on with what these two do next.
    this.$pushFront(~row);
    this.$pushFront(putter); // in front of ~row: this pair before the next
    this.$partner = putter;
    return getter;
  }

  // ---- queues -------------------------------------------------------------------------------------------------------

  queueLimit(row: number, limit: number): void {
    this.rows[(row << ROW) | LIMIT] = limit === 0 ? ANY_NUMBER : limit;
  }

  queueItems(row: number, items: number): void {
    const { rows } = this;
    const r = row << ROW;
    const before = rows[r | VALUE];
    rows[r | VALUE] = items;
    if (rows[r | COUNT] === 0 || items === before) return;
    // More: for a getter, and there is one if there is an edge. Fewer: for a putter, who is behind it.
    const edge = rows[r | EDGE];
    if (items > before ? edge !== NIL : edge !== rows[r | LAST]) this.$schedule(row, PASS);
  }

  // In one piece: too long to be inlined, so that what calls it has its own parts inlined instead.
  queueWait(row: number, slot: number, role: Role): void {
    const { rows, links } = this;
    const r = row << ROW;
    const at = slot << LINK;
    const edge = rows[r | EDGE];
    const last = rows[r | LAST];
    let meets: boolean;
    links[at | PLACE] = (row << 2) | role;
    if (role === WAIT) {
      links[at | NEXT] = NIL;
      links[at | PREV] = last;
      if (last === NIL) rows[r | FIRST] = slot;
      else links[(last << LINK) | NEXT] = slot;
      rows[r | LAST] = slot;
      meets = edge !== NIL;
    } else {
      const next = edge === NIL ? rows[r | FIRST] : links[(edge << LINK) | NEXT];
      links[at | NEXT] = next;
      links[at | PREV] = edge;
      if (edge === NIL) rows[r | FIRST] = slot;
      else links[(edge << LINK) | NEXT] = slot;
      if (next === NIL) rows[r | LAST] = slot;
      else links[(next << LINK) | PREV] = slot;
      rows[r | EDGE] = slot;
      meets = next !== NIL || rows[r | VALUE] > 0;
    }
    ++rows[r | COUNT];
    if (!meets || rows[r | NOTE] !== NONE) return;
    rows[r | NOTE] = PASS;
    this.$push(~row);
  }

  queueStep(row: number, role: Role): number {
    return role === WAIT ? this.$stepPutter(row) : this.$stepGetter(row);
  }

  $notifyQueue(row: number): number {
    this.$partner = NIL;
    const { rows } = this;
    const r = row << ROW;
    const edge = rows[r | EDGE];
    const items = rows[r | VALUE];
    // Nobody: all three are NIL.
    const canGet = edge !== NIL && items > 0;
    if (edge !== rows[r | LAST] && items < rows[r | LIMIT] && !(canGet && rows[r | NOTE] === GETS)) {
      rows[r | NOTE] = GETS;
      this.$pushFront(~row);
      return this.$stepPutter(row);
    }
    if (canGet) {
      rows[r | NOTE] = PASS;
      this.$pushFront(~row);
      return this.$stepGetter(row);
    }
    rows[r | NOTE] = NONE;
    return NIL;
  }

  $stepPutter(row: number): number {
    const { rows, links } = this;
    const r = row << ROW;
    const edge = rows[r | EDGE];
    const slot = edge === NIL ? rows[r | FIRST] : links[(edge << LINK) | NEXT];
    if (slot === NIL) return NIL;
    const at = slot << LINK;
    if (links[at | POS] !== UNARMED) this.disarm(slot);
    const next = links[at | NEXT];
    links[at | PLACE] = LOOSE;
    if (edge === NIL) rows[r | FIRST] = next;
    else links[(edge << LINK) | NEXT] = next;
    if (next === NIL) rows[r | LAST] = edge;
    else links[(next << LINK) | PREV] = edge;
    --rows[r | COUNT];
    ++rows[r | VALUE];
    return slot;
  }

  $stepGetter(row: number): number {
    const { rows, links } = this;
    const r = row << ROW;
    if (rows[r | EDGE] === NIL) return NIL;
    const slot = rows[r | FIRST];
    if (rows[r | VALUE] > 0) rows[r | VALUE] -= links[(slot << LINK) | PLACE] & TAKE;
    this.$wakeFirst(slot, row);
    return slot;
  }
}
