// Rows: what can be waited on. A list (waiters.ts), a word of state (sync.ts, channel.ts), and a notifier.
//
// Who changes a row wakes nobody. He puts the row's notifier, ~row, into the ring; when its turn comes the loop calls
// `notify`, which gives one waiter after another. Such a notification is
//
//   NONE ---- schedule: ~row at the back of the ring ----> PENDING ---- notify: the pass begins ----> PASS
//     ^                                                                     after each waiter, ~row at the front
//     +---- endPass; scheduled again at once if the row is still ready for those who wait ------------+
//
// A pending one of an event or a semaphore is called off when the last waiter leaves: who comes then does not wait behind nobody.
//
// Invariants, walked by check.ts:
//   N1  NOTE is not NONE exactly while ~row is in the ring (the loop calls `notify` at once when it takes it out)
//   N2  a row that is ready for those who wait has a notification under way; without it they would never wake
//   N3  below `rowTop` a row is alive or in the free chain; from there on none was ever used

import { NIL, ROWKIND_QUEUE } from './abi';
import { COUNT, EDGE, FIRST, LAST, LIMIT, maxRooms, NOTE, ROWKIND, rowRoom, slotRoom, TAKERS, VALUE } from './layout';
import { grow, punch, push } from './ready';

export const NONE: u32 = 0;
export const PENDING: u32 = 1;
export const PASS: u32 = 2;
/** QUEUE: the pass goes on with a getter. */
export const GETS: u32 = 3;
/** ROWKIND of a row that is not alive. */
export const DEAD: u32 = 7;

export let rows: u32 = 0;
export let rowTop: u32 = 0;
export let freeRow: u32 = NIL;

/** The last row freed if there is one. NIL, and nothing has changed, when there is no memory for more. */
export function rowNew(kind: u32, value: i32): u32 {
  assert(kind <= ROWKIND_QUEUE, 'rowNew: no such kind');
  assert(value >= 0, 'rowNew: a negative word');
  let row = freeRow;
  if (row !== NIL) {
    freeRow = first(row);
  } else {
    if (rowTop === rowRoom && !growRows()) return NIL;
    row = rowTop++;
  }
  const at = usize(row) << 2;
  store<u32>(FIRST + at, NIL);
  store<u32>(LAST + at, NIL);
  store<u32>(EDGE + at, NIL);
  store<u32>(COUNT + at, 0);
  store<u32>(TAKERS + at, 0);
  store<i32>(VALUE + at, value);
  store<i32>(LIMIT + at, i32.MAX_VALUE);
  store<u8>(ROWKIND + row, kind);
  store<u8>(NOTE + row, NONE);
  ++rows;
  return row;
}

function growRows(): bool {
  const room = min(rowRoom << 1, maxRooms);
  return room > rowRoom && grow(slotRoom, room);
}

export function rowFree(row: u32): void {
  assert(isRow(row), 'N3: rowFree: the row is not alive');
  assert(waiting(row) === 0, 'rowFree: somebody waits');
  if (note(row) !== NONE) punch(~row);
  store<u8>(NOTE + row, NONE);
  store<u8>(ROWKIND + row, DEAD);
  store<u32>(FIRST + (usize(row) << 2), freeRow);
  freeRow = row;
  --rows;
}

/** See that the row's notifier runs. */
export function schedule(row: u32): void {
  if (note(row) !== NONE) return;
  setNote(row, PENDING);
  push(~row);
}

export function isRow(row: u32): bool {
  return row < rowTop && rowKind(row) !== DEAD;
}

export function rowKind(row: u32): u32 {
  return load<u8>(ROWKIND + row);
}

export function note(row: u32): u32 {
  return load<u8>(NOTE + row);
}

export function setNote(row: u32, note: u32): void {
  store<u8>(NOTE + row, note);
}

export function value(row: u32): i32 {
  return load<i32>(VALUE + (usize(row) << 2));
}

export function setValue(row: u32, value: i32): void {
  store<i32>(VALUE + (usize(row) << 2), value);
}

export function limit(row: u32): i32 {
  return load<i32>(LIMIT + (usize(row) << 2));
}

export function setLimit(row: u32, limit: i32): void {
  store<i32>(LIMIT + (usize(row) << 2), limit);
}

export function first(row: u32): u32 {
  return load<u32>(FIRST + (usize(row) << 2));
}

export function last(row: u32): u32 {
  return load<u32>(LAST + (usize(row) << 2));
}

export function edge(row: u32): u32 {
  return load<u32>(EDGE + (usize(row) << 2));
}

export function setEdge(row: u32, slot: u32): void {
  store<u32>(EDGE + (usize(row) << 2), slot);
}

export function waiting(row: u32): u32 {
  return load<u32>(COUNT + (usize(row) << 2));
}

export function quiet(row: u32): bool {
  return waiting(row) === 0 && note(row) === NONE;
}

export function takers(row: u32): u32 {
  return load<u32>(TAKERS + (usize(row) << 2));
}
