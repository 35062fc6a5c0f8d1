// Wait lists: doubly linked, so that leaving costs the same wherever a waiter stands.
//
//   row     FIRST ---> 4 <---> 9 <---> 2 <--- LAST       COUNT 3
//   EDGE ----------------------^                         waiters up to the edge belong to the pass under way (sync.ts);
//                                                        in a CHANNEL or QUEUE they are the getters, the others the putters
// Invariants, walked by check.ts:
//   W1  from FIRST along NEXT to LAST, and back along PREV, are the same COUNT slots, TAKERS of them to TAKE;
//       each has ROW[slot] === row
//   W2  a slot with ROW[slot] === NIL is in no list; `allWaiting` is the sum of COUNT
//   W3  EDGE is NIL or in the list

import {
  NIL,
  ROLE_TAKE,
  ROWKIND_EVENT,
  ROWKIND_LIST,
  ROWKIND_QUEUE,
  ROWKIND_SEMAPHORE,
  WHY_TIMED_OUT,
  WHY_WOKEN,
} from './abi';
import { COUNT, FIRST, LAST, NEXT, PREV, ROLE, ROW, TAKERS, WHY } from './layout';
import { isQueued, punch, push } from './ready';
import { edge, first, isRow, NONE, note, PENDING, rowKind, setEdge, setNote, takers, waiting } from './rows';
import { isAlive, nextOf, rowOf } from './slots';
import { disarm, takeDue } from './timers';

export let allWaiting: u32 = 0;

/** The slot behind `slot` in its list, or NIL. */
export function next(slot: u32): u32 {
  return rowOf(slot) === NIL ? NIL : nextOf(slot);
}

/** Take the slot out of its list and disarm it. True if it waited. */
export function leave(slot: u32): bool {
  disarm(slot);
  const row = rowOf(slot);
  if (row === NIL) return false;
  unlink(slot, row);
  callOff(row);
  return true;
}

/** Nobody is left to notify. */
function callOff(row: u32): void {
  if (waiting(row) > 0 || note(row) !== PENDING) return;
  const kind = rowKind(row);
  if (kind !== ROWKIND_EVENT && kind !== ROWKIND_SEMAPHORE) return;
  setNote(row, NONE);
  punch(~row);
}

/** Move the first waiter to the ring. It, or NIL. */
export function wakeOne(row: u32): u32 {
  assert(rowKind(row) === ROWKIND_LIST || rowKind(row) === ROWKIND_QUEUE, 'wakeOne: the row has a notifier for that');
  const slot = first(row);
  if (slot === NIL) return NIL;
  wake(slot, row);
  push(slot);
  return slot;
}

/** Move all waiters to the ring, in order. How many. */
export function wakeAll(row: u32): u32 {
  const count = waiting(row);
  while (wakeOne(row) !== NIL) {}
  return count;
}

/** The next due slot, loose; NIL when the pass is over. */
export function nextDue(now: f64): u32 {
  const slot = takeDue(now);
  if (slot === NIL) return NIL;
  const row = rowOf(slot);
  setWhy(slot, row === NIL ? WHY_WOKEN : WHY_TIMED_OUT);
  if (row !== NIL) {
    unlink(slot, row);
    callOff(row);
  }
  return slot;
}

/** What happens to a waiter that is woken, wherever it then goes. */
export function wake(slot: u32, row: u32): void {
  disarm(slot);
  unlink(slot, row);
  setWhy(slot, WHY_WOKEN);
}

/** Put a loose slot into the row's list, behind `before`; NIL: in front. */
export function link(slot: u32, row: u32, before: u32, role: u32): void {
  assert(isRow(row), 'N3: the row is not alive');
  assert(isAlive(slot) && !isQueued(slot), 'R2: the slot is not alive, waits or is in the ring');
  const after = before === NIL ? first(row) : nextOf(before);
  store<u8>(ROLE + slot, role);
  store<u32>(ROW + (usize(slot) << 2), row);
  join(row, before, slot);
  join(row, slot, after);
  count(slot, row, 1);
}

export function unlink(slot: u32, row: u32): void {
  const before = load<u32>(PREV + (usize(slot) << 2));
  if (edge(row) === slot) setEdge(row, before); // W3; before the edge everyone is of the pass, or a getter
  join(row, before, nextOf(slot));
  store<u32>(ROW + (usize(slot) << 2), NIL);
  count(slot, row, -1);
}

// The only writer of FIRST, LAST, and of waiting slots' NEXT and PREV, so W1 cannot drift. NIL: the end of the list.
function join(row: u32, before: u32, after: u32): void {
  store<u32>(before === NIL ? FIRST + (usize(row) << 2) : NEXT + (usize(before) << 2), after);
  store<u32>(after === NIL ? LAST + (usize(row) << 2) : PREV + (usize(after) << 2), before);
}

function count(slot: u32, row: u32, by: u32): void {
  store<u32>(COUNT + (usize(row) << 2), waiting(row) + by);
  store<u32>(TAKERS + (usize(row) << 2), takers(row) + by * u32(role(slot) === ROLE_TAKE));
  allWaiting += by;
}

/** What the slot waits to do. */
export function role(slot: u32): u32 {
  return load<u8>(ROLE + slot);
}

function setWhy(slot: u32, why: u32): void {
  store<u8>(WHY + slot, why);
}
