// Events, semaphores, latches. Nobody who waits is overtaken by one who comes later, but for permits, which whoever asks first may take.

import { Lists } from './lists.ts';
import {
  COUNT,
  EDGE,
  FIRST,
  KIND,
  LAST,
  LATCH,
  LINK,
  NIL,
  NONE,
  NOTE,
  PASS,
  PENDING,
  PLACE,
  ROW,
  SEMAPHORE,
  TAKE,
  VALUE,
  WAIT,
} from './records.ts';

/** Rows with a word that is up or down, or counts. */
export abstract class Flags extends Lists {
  park(slot: number, row: number): void {
    this.$append(slot, row, WAIT);
    const { rows } = this;
    const r = row << ROW;
    if (rows[r | VALUE] === 0) return;
    if (rows[r | KIND] === LATCH) this.$schedule(row, PASS);
    else if (rows[r | NOTE] === PASS) rows[r | EDGE] = slot;
    else this.$schedule(row, PENDING);
  }

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

  $endPass(row: number): void {
    const { rows } = this;
    const r = row << ROW;
    rows[r | NOTE] = NONE;
    rows[r | EDGE] = NIL;
    if (rows[r | VALUE] > 0 && rows[r | COUNT] > 0) this.$schedule(row, PENDING);
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
}
