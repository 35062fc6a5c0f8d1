// Events, latches, semaphores.

import { ROLE_TAKE } from '../abi';
import { append } from './lists';
import { park, schedule } from './notes';
import { COUNT, get, NONE, NOTE, PASS, PENDING, rowAt, set, VALUE } from './records';

export function eventSet(row: i32): void {
  const r = rowAt(row);
  set(r, VALUE, 1);
  if (get(r, COUNT) > 0) schedule(row, PENDING);
}

export function latchFire(row: i32): void {
  const r = rowAt(row);
  set(r, VALUE, 1);
  if (get(r, COUNT) > 0) schedule(row, PASS);
}

export function eventClear(row: i32): void {
  set(rowAt(row), VALUE, 0);
}

export function eventWait(row: i32, slot: i32): i32 {
  const r = rowAt(row);
  if (get(r, VALUE) !== 0 && get(r, NOTE) === NONE) return 1;
  park(slot, row);
  return 0;
}

export function semAcquire(row: i32, slot: i32): i32 {
  if (semTry(row) !== 0) return 1;
  append(slot, row, ROLE_TAKE);
  return 0;
}

export function semTry(row: i32): i32 {
  const r = rowAt(row);
  const permits = get(r, VALUE);
  if (permits === 0) return 0;
  set(r, VALUE, permits - 1);
  return 1;
}

export function semRelease(row: i32, count: i32): i32 {
  const r = rowAt(row);
  const permits = get(r, VALUE) + count;
  set(r, VALUE, permits);
  if (permits > 0 && get(r, COUNT) > 0) schedule(row, PENDING);
  return permits;
}
