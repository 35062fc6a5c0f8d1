// Who waits on a row, in order, and the turn of its notifier: what all kinds of rows have in common.

import { Place, type RowKind, Why } from '../contract.ts';
import {
  ANY_NUMBER,
  CHANNEL,
  COUNT,
  DEAD,
  EDGE,
  FIRST,
  HEAD,
  KIND,
  LAST,
  LATE,
  LIMIT,
  LINK,
  LOOSE,
  MASK,
  NEXT,
  NIL,
  NONE,
  NOTE,
  PENDING,
  PLACE,
  POS,
  PREV,
  QUEUE,
  ROW,
  TAIL,
  TAKE,
  UNARMED,
  VALUE,
} from './records.ts';

/** Lists of slots, the ring, and what all rows have in common. */
export abstract class Lists {
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

  // ---- slots ---------------------------------------------------------------------------------------------------------

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

  // ---- ready ring ----------------------------------------------------------------------------------------------------

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

  // ---- rows ----------------------------------------------------------------------------------------------------------

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

  // ---- lists ---------------------------------------------------------------------------------------------------------

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

  // ---- notifiers -----------------------------------------------------------------------------------------------------

  /** See that the row's notifier runs. `note`: PENDING for an EVENT or a SEMAPHORE, PASS for the others. */
  $schedule(row: number, note: number): void {
    const at = (row << ROW) | NOTE;
    if (this.rows[at] !== NONE) return;
    this.rows[at] = note;
    this.$push(~row);
  }

  /** Nobody is left to notify. */
  $callOff(row: number): void {
    const { rows } = this;
    const r = row << ROW;
    if (rows[r | COUNT] > 0 || rows[r | NOTE] !== PENDING) return;
    rows[r | NOTE] = NONE;
    this.unready(~row);
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
}
