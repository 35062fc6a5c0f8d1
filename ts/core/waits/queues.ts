// Queues: VALUE items, LIMIT of them at most; getters up to EDGE, putters behind it, and both may wait at once.

import type { Role } from '../contract.ts';
import { Channels } from './channels.ts';
import {
  ANY_NUMBER,
  COUNT,
  EDGE,
  FIRST,
  GETS,
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
  VALUE,
  WAIT,
} from './records.ts';

/** Rows of those who wait for items, and of those who wait for room. */
export abstract class Queues extends Channels {
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
