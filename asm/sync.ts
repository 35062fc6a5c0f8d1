// Events, semaphores and latches: a word of state each, and the notifier that wakes for it.
//
// The word says whether the row is ready: a raised flag, permits left, a latch that has fired; a LIST never is. Nobody
// is overtaken: who parks late, while a notification is under way, queues behind the older ones. Only a permit may be
// taken past them (barging, as in gevent).
//
// A pass of an EVENT or a SEMAPHORE wakes the waiters up to EDGE: those who were there when it began, whatever the flag
// is by now, and those who parked since while the row was ready. A LATCH has no edge: its pass ends with its list.
//
// Invariants, walked by check.ts:
//   P1  but for channels and queues, EDGE is NIL outside a pass, and always for a LIST or a LATCH
//   P2  a word is 0 or more; a flag is 0 or 1; a LIST's word is 0

import { NIL, ROLE_TAKE, ROLE_WAIT, ROWKIND_CHANNEL, ROWKIND_LATCH, ROWKIND_QUEUE, ROWKIND_SEMAPHORE } from './abi';
import { forgetPair, notifyPair } from './channel';
import { notifyQueue } from './queue';
import { pushFront } from './ready';
import {
  edge,
  first,
  last,
  NONE,
  note,
  PASS,
  PENDING,
  rowKind,
  schedule,
  setEdge,
  setNote,
  setValue,
  value,
  waiting,
} from './rows';
import { link, role, wake } from './waiters';

/** Append a loose slot to the row's list. */
export function park(slot: u32, row: u32): void {
  assert(rowKind(row) < ROWKIND_CHANNEL, 'park: channels and queues have getters and putters');
  link(slot, row, last(row), ROLE_WAIT);
  if (value(row) === 0) return;
  if (note(row) === PASS && rowKind(row) !== ROWKIND_LATCH) setEdge(row, slot);
  else schedule(row);
}

/** One step of a row's notifier: the waiter to run now, loose and disarmed, or NIL when the pass is over. */
export function notify(row: u32): u32 {
  assert(note(row) !== NONE, 'N1: notify: no notification is under way');
  forgetPair();
  const kind = rowKind(row);
  if (kind === ROWKIND_CHANNEL) return notifyPair(row);
  if (kind === ROWKIND_QUEUE) return notifyQueue(row);
  if (kind === ROWKIND_LATCH) return notifyLatch(row);

  if (note(row) === PENDING) {
    setNote(row, PASS);
    setEdge(row, last(row));
  }
  if (edge(row) === NIL || (kind === ROWKIND_SEMAPHORE && value(row) === 0)) {
    endPass(row);
    return NIL;
  }
  const slot = first(row);
  if (role(slot) === ROLE_TAKE) setValue(row, value(row) - 1);
  wake(slot, row);
  // Even with no permit left: the waiter that runs now may give one back at once, and the pass goes on.
  if (edge(row) !== NIL) pushFront(~row);
  else endPass(row);
  return slot;
}

function notifyLatch(row: u32): u32 {
  const slot = first(row);
  if (slot === NIL) {
    endPass(row);
    return NIL;
  }
  setNote(row, PASS);
  wake(slot, row);
  pushFront(~row);
  return slot;
}

function endPass(row: u32): void {
  setNote(row, NONE);
  setEdge(row, NIL);
  scheduleIfReady(row);
}

function scheduleIfReady(row: u32): void {
  if (value(row) > 0 && waiting(row) > 0) schedule(row);
}

export function eventSet(row: u32): void {
  setValue(row, 1);
  scheduleIfReady(row);
}

export function eventClear(row: u32): void {
  setValue(row, 0);
}

/** 1 if the flag is up and nobody older is still to be woken; else parks, and 0. */
export function eventWait(row: u32, slot: u32): u32 {
  if (value(row) > 0 && note(row) === NONE) return 1;
  park(slot, row);
  return 0;
}

export function latchFire(row: u32): void {
  setValue(row, 1);
  scheduleIfReady(row);
}

/** 1 with a permit; else parks, to take one when woken, and 0. */
export function semAcquire(row: u32, slot: u32): u32 {
  if (semTry(row)) return 1;
  link(slot, row, last(row), ROLE_TAKE);
  return 0;
}

export function semTry(row: u32): u32 {
  const permits = value(row);
  if (permits === 0) return 0;
  setValue(row, permits - 1);
  return 1;
}

/** The new number of permits. */
export function semRelease(row: u32, count: i32): i32 {
  const permits = value(row) + count;
  assert(count >= 0 && permits >= 0, 'P2: semRelease: too many permits');
  setValue(row, permits);
  scheduleIfReady(row);
  return permits;
}
