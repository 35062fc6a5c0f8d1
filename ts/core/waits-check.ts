// The invariants that head waits.ts, walked. Apart from it, since only the pure core's and the debug build's verify() look at them.

import { HOLE, NIL, Role, RowKind, Word } from './contract.ts';
import {
  COUNT,
  DEAD,
  EDGE,
  FIRST,
  KIND,
  LAST,
  LIMIT,
  LINK,
  NEXT,
  NONE,
  NOTE,
  PASS,
  PLACE,
  PREV,
  ROW,
} from './waits/records.ts';
import type { Waits } from './waits.ts';

/** Throw on a broken invariant. Slots below `slotsUsed` were given out once. */
export function verifyWaits(core: Waits, slotsUsed: number): void {
  const { links } = core;
  let rows = 0;
  let waits = 0;
  for (let row = 0; row < core.$rowsUsed; ++row) {
    if (core.rows[(row << ROW) + KIND] === DEAD) continue;
    ++rows;
    verifyList(core, row);
    verifyWord(core, row);
  }
  check(rows === core.$rows, `N3: ${rows} rows are alive, ${core.$rows} counted`);
  for (let row = core.$freeRow; row !== NIL; row = core.rows[(row << ROW) + FIRST]) {
    check(core.rows[(row << ROW) + KIND] === DEAD, `N3: row ${row} is in the free chain, and alive`);
    check(++rows <= core.$rowsUsed, 'N3: the free chain of rows has no end');
  }
  check(rows === core.$rowsUsed, `N3: ${core.$rowsUsed} rows, and some are nowhere`);
  for (let slot = 0; slot < slotsUsed; ++slot) if (links[(slot << LINK) + PLACE] >= 0) ++waits;
  check(waits === core.$waits(), `W2: ${waits} slots are in a list, ${core.$waits()} counted`);
  verifyNotes(core);
}

function verifyList(core: Waits, row: number): void {
  const { rows, links } = core;
  const r = row << ROW;
  const edge = rows[r + EDGE];
  const sided = rows[r + KIND] === RowKind.CHANNEL || rows[r + KIND] === RowKind.QUEUE;
  let [count, getters, prev] = [0, 0, NIL];
  let edgeSeen = edge === NIL;
  for (let slot = rows[r + FIRST]; slot !== NIL; slot = links[(slot << LINK) + NEXT]) {
    const place = links[(slot << LINK) + PLACE];
    check(++count <= rows[r + COUNT], `W1: row ${row} has more waiters than it counts`);
    check(place >= 0 && place >> 2 === row, `W1: slot ${slot} is in row ${row}, and knows nothing of it`);
    check(links[(slot << LINK) + PREV] === prev, `W1: slot ${slot} does not point back`);
    if (sided) {
      const gets = edge !== NIL && (!edgeSeen || slot === edge);
      check(gets === ((place & 3) !== Role.WAIT), `C1: slot ${slot} of row ${row} is on the wrong side`);
      if (gets) ++getters;
    }
    if (slot === edge) edgeSeen = true;
    prev = slot;
  }
  check(count === rows[r + COUNT], `W1: row ${row} has ${count} waiters and counts ${rows[r + COUNT]}`);
  check(rows[r + LAST] === prev, `W1: the last waiter of row ${row} is not its LAST`);
  check(edgeSeen, `W3: row ${row} has lost the end of its pass`);
  check(
    rows[r + KIND] !== RowKind.CHANNEL || rows[r + LIMIT] === getters,
    `C1: row ${row} has ${getters} getters and counts ${rows[r + LIMIT]}`,
  );
}

function verifyWord(core: Waits, row: number): void {
  const [first, last, edge, count, value, , kind, note] = core.rows.subarray(row << ROW, (row + 1) << ROW);
  check(note === NONE || kind !== RowKind.LIST, `N1: row ${row} is a list, and notifies`);
  if (kind !== RowKind.CHANNEL && kind !== RowKind.QUEUE) {
    check(edge === NIL || (note === PASS && kind !== RowKind.LATCH), `W3: row ${row} has an edge without a pass`);
  }
  const met =
    kind === RowKind.CHANNEL
      ? edge !== NIL && edge !== last
      : kind === RowKind.QUEUE
        ? first !== NIL && edge !== NIL && value > 0
        : value > 0 && count > 0;
  check(!met || note !== NONE, `N2: row ${row} is ready, has waiters, and will not notify them`);
  check(value >= 0, `P2: row ${row} has ${value} permits`);
  check(value <= 1 || kind === RowKind.SEMAPHORE || kind === RowKind.QUEUE, `P2: row ${row} has a flag of ${value}`);
  check(
    value === 0 || (kind !== RowKind.LIST && kind !== RowKind.CHANNEL),
    `P2: row ${row} has a word without meaning`,
  );
}

function verifyNotes(core: Waits): void {
  const { words, ring, rows } = core;
  const seen = new Set<number>();
  for (let i = words[Word.HEAD]; i !== words[Word.TAIL]; i = (i + 1) & words[Word.MASK]) {
    const entry = ring[i];
    if (entry >= 0) {
      check(core.links[(entry << LINK) + PLACE] < 0, `R2: slot ${entry} is in the ring, and waits`);
      continue;
    }
    if (entry === HOLE) continue;
    const row = ~entry;
    check(!seen.has(row), `R2, R3: ${entry} is in the ring twice`);
    check(row < core.$rowsUsed && rows[(row << ROW) + KIND] !== DEAD, `R3: row ${row} is in the ring, and dead`);
    check(rows[(row << ROW) + NOTE] !== NONE, `N1: row ${row} is in the ring, and not pending`);
    seen.add(row);
  }
  for (let row = 0; row < core.$rowsUsed; ++row) {
    if (rows[(row << ROW) + KIND] === DEAD || rows[(row << ROW) + NOTE] === NONE) continue;
    check(seen.has(row), `N1: row ${row} is pending, and not in the ring`);
  }
}

function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`the core's wait queues are broken: ${message}`);
}
