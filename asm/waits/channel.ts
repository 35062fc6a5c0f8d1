// Channels: getters and putters, in pairs.

import { ROLE_TAKE, ROLE_WAIT } from '../abi';
import { append, appendGetter, wake } from './lists';
import { schedule } from './notes';
import {
  EDGE,
  FIRST,
  get,
  LAST,
  LIMIT,
  NEXT,
  NOBODY,
  NONE,
  NOTE,
  PASS,
  pushFront,
  rowAt,
  set,
  slotAt,
} from './records';

/** The putter paired with the getter that `notifyPair` gave last, or NOBODY. */
export let partner: i32 = NOBODY;

/** Nobody is, after another notification. */
export function unpair(): void {
  partner = NOBODY;
}

export function chanPut(row: i32, slot: i32): void {
  append(slot, row, ROLE_WAIT);
  if (get(rowAt(row), EDGE) !== NOBODY) schedule(row, PASS);
}

export function chanGet(row: i32, slot: i32): void {
  appendGetter(slot, row, ROLE_TAKE);
  const r = rowAt(row);
  set(r, LIMIT, get(r, LIMIT) + 1);
  if (get(r, LAST) !== slot) schedule(row, PASS);
}

export function notifyPair(row: i32): i32 {
  const r = rowAt(row);
  const edge = get(r, EDGE);
  partner = NOBODY;
  if (edge === NOBODY || edge === get(r, LAST)) {
    set(r, NOTE, NONE);
    return NOBODY;
  }
  const getter = get(r, FIRST);
  const putter = get(slotAt(edge), NEXT);
  wake(getter, row);
  wake(putter, row);
  // The pass goes on with what these two do next.
  pushFront(~row);
  pushFront(putter); // in front of ~row: this pair before the next
  partner = putter;
  return getter;
}
