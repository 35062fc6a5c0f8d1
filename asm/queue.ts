// Queues: putters that wait for room and getters that wait for an item, in one list as a channel's (C1): getters up to
// EDGE, putters behind it. The items are not the core's; it counts them (VALUE) and knows how many there is room for.
//
// A pass of the notifier alternates: a putter, whose item goes in, a getter, a putter …, until neither can go on. The one
// that runs may put and get as it likes meanwhile: each step looks at the count anew.
//
//   PENDING, PASS   try a putter, then a getter          GETS   a putter went on: try a getter, then a putter
//
// Raising the limit wakes nobody, so putters may wait while there is room, as in gevent, until somebody gets.
//
// Invariants, walked by check.ts:
//   C1  that of channel.ts, with getters that TAKE or PEEK
//   Q1  a getter and an item have a notification under way

import { NIL, ROLE_TAKE, ROLE_WAIT, ROWKIND_QUEUE } from './abi';
import { pushFront } from './ready';
import {
  edge,
  first,
  GETS,
  last,
  limit,
  NONE,
  note,
  PASS,
  rowKind,
  schedule,
  setEdge,
  setLimit,
  setNote,
  setValue,
  value,
} from './rows';
import { nextOf } from './slots';
import { link, role, wake } from './waiters';

export function queueLimit(row: u32, limit: i32): void {
  assert(rowKind(row) === ROWKIND_QUEUE, 'queueLimit: not a queue');
  setLimit(row, limit === 0 ? i32.MAX_VALUE : limit);
}

export function queueItems(row: u32, items: i32): void {
  assert(rowKind(row) === ROWKIND_QUEUE && items >= 0, 'queueItems: not a queue, or fewer than no items');
  const before = value(row);
  setValue(row, items);
  if (items > before ? firstGetter(row) !== NIL : items < before && firstPutter(row) !== NIL) schedule(row);
}

export function queueWait(row: u32, slot: u32, role: u32): void {
  assert(rowKind(row) === ROWKIND_QUEUE, 'queueWait: not a queue');
  if (role === ROLE_WAIT) {
    link(slot, row, last(row), role);
    if (firstGetter(row) !== NIL) schedule(row);
  } else {
    link(slot, row, edge(row), role);
    setEdge(row, slot);
    if (value(row) > 0 || firstPutter(row) !== NIL) schedule(row);
  }
}

export function queueStep(row: u32, role: u32): u32 {
  return role === ROLE_WAIT ? stepPutter(row) : stepGetter(row);
}

/** One step of the notifier: who goes on now, or NIL when nobody can. */
export function notifyQueue(row: u32): u32 {
  if (note(row) !== GETS) {
    if (canPut(row)) return goOn(row, stepPutter(row), GETS);
    if (canGet(row)) return goOn(row, stepGetter(row), PASS);
  } else {
    if (canGet(row)) return goOn(row, stepGetter(row), PASS);
    if (canPut(row)) return goOn(row, stepPutter(row), GETS);
  }
  setNote(row, NONE);
  return NIL;
}

function goOn(row: u32, slot: u32, note: u32): u32 {
  setNote(row, note);
  pushFront(~row);
  return slot;
}

function canPut(row: u32): bool {
  return firstPutter(row) !== NIL && value(row) < limit(row);
}

function canGet(row: u32): bool {
  return firstGetter(row) !== NIL && value(row) > 0;
}

function stepPutter(row: u32): u32 {
  const slot = firstPutter(row);
  if (slot === NIL) return NIL;
  setValue(row, value(row) + 1);
  wake(slot, row);
  return slot;
}

function stepGetter(row: u32): u32 {
  const slot = firstGetter(row);
  if (slot === NIL) return NIL;
  if (role(slot) === ROLE_TAKE && value(row) > 0) setValue(row, value(row) - 1);
  wake(slot, row);
  return slot;
}

function firstGetter(row: u32): u32 {
  return edge(row) === NIL ? NIL : first(row);
}

function firstPutter(row: u32): u32 {
  return edge(row) === NIL ? first(row) : nextOf(edge(row));
}
