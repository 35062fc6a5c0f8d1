// Queues: putters while there is room, getters while there are items. The items are not here.

import { ROLE_TAKE, ROLE_WAIT } from '../abi';
import { disarm } from './core';
import { append, appendGetter, wakeFirst } from './lists';
import { schedule } from './notes';
import {
  COUNT,
  EDGE,
  FIRST,
  GETS,
  get,
  LAST,
  LIMIT,
  LOOSE,
  NEXT,
  NOBODY,
  NONE,
  NOTE,
  PASS,
  PLACE,
  POS,
  PREV,
  pushFront,
  rowAt,
  set,
  slotAt,
  UNARMED,
  VALUE,
} from './records';

export function queueItems(row: i32, items: i32): void {
  const r = rowAt(row);
  const before = get(r, VALUE);
  set(r, VALUE, items);
  if (get(r, COUNT) === 0 || items === before) return;
  // More: for a getter, and there is one if there is an edge. Fewer: for a putter, who is behind it.
  const edge = get(r, EDGE);
  if (items > before ? edge !== NOBODY : edge !== get(r, LAST)) schedule(row, PASS);
}

export function queueWait(row: i32, slot: i32, role: i32): void {
  const r = rowAt(row);
  if (role === ROLE_WAIT) {
    append(slot, row, role);
    if (get(r, EDGE) !== NOBODY) schedule(row, PASS);
  } else {
    appendGetter(slot, row, role);
    if (get(slotAt(slot), NEXT) !== NOBODY || get(r, VALUE) > 0) schedule(row, PASS);
  }
}

export function queueStep(row: i32, role: i32): i32 {
  return role === ROLE_WAIT ? stepPutter(row) : stepGetter(row);
}

export function notifyQueue(row: i32): i32 {
  const r = rowAt(row);
  const edge = get(r, EDGE);
  const items = get(r, VALUE);
  const canGet = edge !== NOBODY && items > 0;
  if (edge !== get(r, LAST) && items < get(r, LIMIT) && !(canGet && get(r, NOTE) === GETS)) {
    set(r, NOTE, GETS);
    pushFront(~row);
    return stepPutter(row);
  }
  if (canGet) {
    set(r, NOTE, PASS);
    pushFront(~row);
    return stepGetter(row);
  }
  set(r, NOTE, NONE);
  return NOBODY;
}

function stepPutter(row: i32): i32 {
  const r = rowAt(row);
  const edge = get(r, EDGE);
  const slot = edge === NOBODY ? get(r, FIRST) : get(slotAt(edge), NEXT);
  if (slot === NOBODY) return NOBODY;
  const at = slotAt(slot);
  if (get(at, POS) !== UNARMED) disarm(slot);
  const next = get(at, NEXT);
  set(at, PLACE, LOOSE);
  if (edge === NOBODY) set(r, FIRST, next);
  else set(slotAt(edge), NEXT, next);
  if (next === NOBODY) set(r, LAST, edge);
  else set(slotAt(next), PREV, edge);
  set(r, COUNT, get(r, COUNT) - 1);
  set(r, VALUE, get(r, VALUE) + 1);
  return slot;
}

function stepGetter(row: i32): i32 {
  const r = rowAt(row);
  if (get(r, EDGE) === NOBODY) return NOBODY;
  const slot = get(r, FIRST);
  const items = get(r, VALUE);
  if (items > 0) set(r, VALUE, items - (get(slotAt(slot), PLACE) & ROLE_TAKE));
  wakeFirst(slot, row);
  return slot;
}
