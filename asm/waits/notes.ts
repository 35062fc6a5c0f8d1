// Notifications: who waits on a row that is ready is woken by its notifier, ~row in the ring. N1 and N2 of ts/core/waits.ts, which
// draws their states; this file does for guests what `notify`, `park` and `leave` do there.

import { ROLE_TAKE, ROLE_WAIT, ROWKIND_CHANNEL, ROWKIND_LATCH, ROWKIND_QUEUE, ROWKIND_SEMAPHORE } from '../abi';
import { notifyPair, unpair } from './channel';
import { disarm, unready } from './core';
import { append, unlink, wakeFirst } from './lists';
import { notifyQueue } from './queue';
import {
  COUNT,
  EDGE,
  FIRST,
  get,
  KIND,
  LAST,
  LOOSE,
  NOBODY,
  NONE,
  NOTE,
  PASS,
  PENDING,
  PLACE,
  POS,
  push,
  pushFront,
  rowAt,
  set,
  slotAt,
  UNARMED,
  VALUE,
} from './records';

/** See that the row's notifier runs. `note`: PENDING for an EVENT or a SEMAPHORE, PASS for the others. */
export function schedule(row: i32, note: i32): void {
  const r = rowAt(row);
  if (get(r, NOTE) !== NONE) return;
  set(r, NOTE, note);
  push(~row);
}

export function park(slot: i32, row: i32): void {
  append(slot, row, ROLE_WAIT);
  const r = rowAt(row);
  if (get(r, VALUE) === 0) return;
  if (get(r, KIND) === ROWKIND_LATCH) schedule(row, PASS);
  else if (get(r, NOTE) === PASS) set(r, EDGE, slot);
  else schedule(row, PENDING);
}

export function leave(slot: i32): bool {
  const at = slotAt(slot);
  if (get(at, POS) !== UNARMED) disarm(slot);
  const place = get(at, PLACE);
  if (place < 0) return false;
  unlink(slot, place >> 2);
  callOff(place >> 2);
  return true;
}

/** Nobody is left to notify. */
function callOff(row: i32): void {
  const r = rowAt(row);
  if (get(r, COUNT) > 0 || get(r, NOTE) !== PENDING) return;
  set(r, NOTE, NONE);
  unready(~row);
}

/** One step of the row's notifier: the waiter to run now, or NOBODY. */
export function notify(row: i32): i32 {
  const kind: u32 = get(rowAt(row), KIND);
  if (kind === ROWKIND_CHANNEL) return notifyPair(row);
  unpair();
  if (kind === ROWKIND_QUEUE) return notifyQueue(row);
  return kind === ROWKIND_LATCH ? notifyLatch(row) : notifyFlag(row);
}

/** Of an EVENT or a SEMAPHORE. */
export function notifyFlag(row: i32): i32 {
  const r = rowAt(row);
  const slot = get(r, FIRST);
  const value = get(r, VALUE);
  if (slot === get(r, LAST) && get(r, NOTE) === PENDING && value !== 0) {
    // One who waits, as it mostly is: the pass begins and ends with him. Nobody: the same, and both are NOBODY.
    return slot === NOBODY ? endPass(row) : notifyOnly(slot, r);
  }
  if (get(r, NOTE) === PENDING) {
    set(r, NOTE, PASS);
    set(r, EDGE, get(r, LAST));
  }
  const edge = get(r, EDGE);
  const permits = get(r, KIND) === ROWKIND_SEMAPHORE;
  if (edge === NOBODY || (permits && value === 0)) return endPass(row);
  if (permits) set(r, VALUE, value - (get(slotAt(slot), PLACE) & ROLE_TAKE));
  wakeFirst(slot, row);
  // Even with no permit left: the waiter that runs now may give one back at once, and the pass goes on.
  if (slot !== edge) pushFront(~row);
  else endPass(row);
  return slot;
}

function notifyOnly(slot: i32, r: usize): i32 {
  const at = slotAt(slot);
  set(r, VALUE, get(r, VALUE) - (get(at, PLACE) & ROLE_TAKE));
  if (get(at, POS) !== UNARMED) disarm(slot);
  set(at, PLACE, LOOSE);
  set(r, FIRST, NOBODY);
  set(r, LAST, NOBODY);
  set(r, COUNT, 0);
  set(r, NOTE, NONE);
  return slot;
}

function notifyLatch(row: i32): i32 {
  const r = rowAt(row);
  const slot = get(r, FIRST);
  if (slot === NOBODY) return endPass(row);
  wakeFirst(slot, row);
  pushFront(~row);
  return slot;
}

function endPass(row: i32): i32 {
  const r = rowAt(row);
  set(r, NOTE, NONE);
  set(r, EDGE, NOBODY);
  if (get(r, VALUE) > 0 && get(r, COUNT) > 0) schedule(row, PENDING);
  return NOBODY;
}
