// Channels: getters up to EDGE, putters behind it; between turns one side is empty.

import { Flags } from './flags.ts';
import {
  COUNT,
  EDGE,
  FIRST,
  LAST,
  LIMIT,
  LINK,
  LOOSE,
  NEXT,
  NIL,
  NONE,
  NOTE,
  PASS,
  PLACE,
  POS,
  PREV,
  ROW,
  TAKE,
  UNARMED,
  WAIT,
} from './records.ts';

/** Rows that pair those who get with those who put. */
export abstract class Channels extends Flags {
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
}
