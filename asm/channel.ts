// Channels: getters and putters wait in one list, and a notifier pairs them. Items are not the core's.
//
//   FIRST ---> g1 <---> g2 <---> p1 <---> p2 <--- LAST       g2 is the EDGE; here two pairs wait for the notifier
//
// One list is enough, since each side is FIFO in itself: a getter is linked behind the edge, a putter at the end.
// Between turns one side is empty.
//
// Invariant, walked by check.ts:
//   C1  those up to EDGE are the getters (ROLE is TAKE), those behind it the putters (ROLE is WAIT)

import { NIL, ROLE_TAKE, ROLE_WAIT, ROWKIND_CHANNEL } from './abi';
import { pushFront } from './ready';
import { edge, first, last, NONE, PASS, rowKind, schedule, setEdge, setNote, takers, waiting } from './rows';
import { nextOf } from './slots';
import { link, wake } from './waiters';

/** The putter that goes with the getter `notify` gave last. */
let partnerSlot: u32 = NIL;

export function partner(): u32 {
  return partnerSlot;
}

export function forgetPair(): void {
  partnerSlot = NIL;
}

export function chanPut(row: u32, slot: u32): void {
  assert(rowKind(row) === ROWKIND_CHANNEL, 'chanPut: not a channel');
  link(slot, row, last(row), ROLE_WAIT);
  if (hasPair(row)) schedule(row);
}

export function chanGet(row: u32, slot: u32): void {
  assert(rowKind(row) === ROWKIND_CHANNEL, 'chanGet: not a channel');
  link(slot, row, edge(row), ROLE_TAKE);
  setEdge(row, slot);
  if (hasPair(row)) schedule(row);
}

/** The getter, to run now; the putter is next in the ring. NIL if there is no pair any more. */
export function notifyPair(row: u32): u32 {
  if (!hasPair(row)) {
    setNote(row, NONE);
    return NIL;
  }
  const getter = first(row);
  const putter = nextOf(edge(row));
  wake(getter, row);
  wake(putter, row);
  // The pass goes on with what these two do next.
  setNote(row, PASS);
  pushFront(~row);
  pushFront(putter); // in front of ~row: this pair before the next
  partnerSlot = putter;
  return getter;
}

/** Waiting putters minus waiting getters. */
export function balance(row: u32): i32 {
  return i32(waiting(row)) - i32(takers(row) << 1);
}

function hasPair(row: u32): bool {
  return edge(row) !== NIL && edge(row) !== last(row);
}
