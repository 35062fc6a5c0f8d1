// The list of those who wait on a row: in, and out again. W1, W2 and W3 of ts/core/waits.ts.

import { ROLE_TAKE, ROWKIND_CHANNEL } from '../abi';
import { disarm } from './core';
import {
  COUNT,
  EDGE,
  FIRST,
  get,
  KIND,
  LAST,
  LIMIT,
  LOOSE,
  NEXT,
  NOBODY,
  PLACE,
  POS,
  PREV,
  push,
  rowAt,
  set,
  slotAt,
  UNARMED,
} from './records';

export function append(slot: i32, row: i32, role: i32): void {
  const r = rowAt(row);
  const at = slotAt(slot);
  const last = get(r, LAST);
  set(at, NEXT, NOBODY);
  set(at, PREV, last);
  set(at, PLACE, (row << 2) | role);
  if (last === NOBODY) set(r, FIRST, slot);
  else set(slotAt(last), NEXT, slot);
  set(r, LAST, slot);
  set(r, COUNT, get(r, COUNT) + 1);
}

/** Behind the last getter: before the putters, if there are any. */
export function appendGetter(slot: i32, row: i32, role: i32): void {
  const r = rowAt(row);
  const at = slotAt(slot);
  const edge = get(r, EDGE);
  const next = edge === NOBODY ? get(r, FIRST) : get(slotAt(edge), NEXT);
  set(at, NEXT, next);
  set(at, PREV, edge);
  set(at, PLACE, (row << 2) | role);
  if (edge === NOBODY) set(r, FIRST, slot);
  else set(slotAt(edge), NEXT, slot);
  if (next === NOBODY) set(r, LAST, slot);
  else set(slotAt(next), PREV, slot);
  set(r, EDGE, slot);
  set(r, COUNT, get(r, COUNT) + 1);
}

export function unlink(slot: i32, row: i32): void {
  const r = rowAt(row);
  const at = slotAt(slot);
  const next = get(at, NEXT);
  const prev = get(at, PREV);
  if (get(r, KIND) === ROWKIND_CHANNEL) set(r, LIMIT, get(r, LIMIT) - (get(at, PLACE) & ROLE_TAKE));
  if (get(r, EDGE) === slot) set(r, EDGE, prev); // W3
  if (prev === NOBODY) set(r, FIRST, next);
  else set(slotAt(prev), NEXT, next);
  if (next === NOBODY) set(r, LAST, prev);
  else set(slotAt(next), PREV, prev);
  set(at, PLACE, LOOSE);
  set(r, COUNT, get(r, COUNT) - 1);
}

/** Whoever wakes a waiter disarms it, wherever it then goes. */
export function wake(slot: i32, row: i32): void {
  if (get(slotAt(slot), POS) !== UNARMED) disarm(slot);
  unlink(slot, row);
}

/** The same for the first of the list. */
export function wakeFirst(slot: i32, row: i32): void {
  const r = rowAt(row);
  const at = slotAt(slot);
  if (get(at, POS) !== UNARMED) disarm(slot);
  const next = get(at, NEXT);
  set(at, PLACE, LOOSE);
  set(r, FIRST, next);
  if (next === NOBODY) set(r, LAST, NOBODY);
  else set(slotAt(next), PREV, NOBODY);
  set(r, COUNT, get(r, COUNT) - 1);
  if (get(r, EDGE) === slot) set(r, EDGE, NOBODY); // W3
}

export function wakeOne(row: i32): i32 {
  const slot = get(rowAt(row), FIRST);
  if (slot === NOBODY) return NOBODY;
  wake(slot, row);
  push(slot);
  return slot;
}

export function wakeAll(row: i32): i32 {
  let count = 0;
  while (wakeOne(row) !== NOBODY) ++count;
  return count;
}
