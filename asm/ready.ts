// The ready ring. The hub's loop takes entries out and appends some without a call, so only the ring knows what is in
// it: no column says that a slot is ready.
//
//   RING   . . [ 7 | 2 | ~0 | hole | 9 ] . .        HEAD is the 7's cell, TAIL the one behind the 9; both wrap by MASK
//
// Invariants, walked by check.ts:
//   R1  HEAD === TAIL means empty; the ring is longer than all slots, rows and holes together, so it is never full
//   R2  a slot in the ring is alive, waits in no list and has no timer, and is there once
//   R3  ~row is in the ring once if row's notification is under way, else not at all

import { HOLE, NIL, WORD_HEAD, WORD_MASK, WORD_TAIL } from './abi';
import { POS, RING, ROW, reserve, ringRoom, rowRoom, slotRoom, UNARMED, WORDS } from './layout';

/** Holes in the ring, at most: the loop skips them without telling. */
export let holes: u32 = 0;
/** Where the next search begins. */
let found: u32 = 0;

export function word(index: usize): u32 {
  return load<u32>(WORDS + (index << 2));
}

function setWord(index: usize, value: u32): void {
  store<u32>(WORDS + (index << 2), value);
}

export function cell(index: u32): u32 {
  return load<u32>(RING + (usize(index) << 2));
}

function setCell(index: u32, entry: u32): void {
  store<u32>(RING + (usize(index) << 2), entry);
}

/** Append an entry. */
export function push(entry: u32): void {
  const tail = word(WORD_TAIL);
  setCell(tail, entry);
  setWord(WORD_TAIL, (tail + 1) & word(WORD_MASK));
  assert(word(WORD_TAIL) !== word(WORD_HEAD), 'R1: the ring is full');
}

/** Put an entry in front of all others. */
export function pushFront(entry: u32): void {
  const head = (word(WORD_HEAD) - 1) & word(WORD_MASK);
  setCell(head, entry);
  setWord(WORD_HEAD, head);
  assert(word(WORD_TAIL) !== head, 'R1: the ring is full');
}

export function ready(slot: u32): void {
  assert(!isQueued(slot) && !isArmed(slot), 'R2: ready: the slot waits, is in the ring or is armed');
  push(slot);
}

export function readyFront(slot: u32): void {
  assert(!isQueued(slot) && !isArmed(slot), 'R2: readyFront: the slot waits, is in the ring or is armed');
  pushFront(slot);
}

/** Take a slot out of the ring; a HOLE stays. False if it is not there. O(ready). */
export function unready(slot: u32): bool {
  return punch(slot);
}

export function punch(entry: u32): bool {
  const at = find(entry);
  if (at === NIL) return false;
  setCell(at, HOLE);
  if (++holes >= ringRoom - slotRoom - rowRoom) moveTogether(); // R1
  return true;
}

/** The cell that holds `entry`, or NIL. Begins behind the last one found: finding many in ring order is one pass. */
export function find(entry: u32): u32 {
  const head = word(WORD_HEAD);
  const mask = word(WORD_MASK);
  const length = (word(WORD_TAIL) - head) & mask;
  let index = (found - head) & mask;
  for (let left = length; left > 0; --left) {
    if (index >= length) index = 0;
    const at = (head + index++) & mask;
    if (cell(at) !== entry) continue;
    found = at + 1;
    return at;
  }
  return NIL;
}

/** Entries in the ring, holes left out. */
export function readyCount(): u32 {
  const head = word(WORD_HEAD);
  const tail = word(WORD_TAIL);
  const mask = word(WORD_MASK);
  const length = (tail - head) & mask;
  if (holes === 0) return length;
  holes = 0;
  for (let i = head; i !== tail; i = (i + 1) & mask) if (cell(i) === HOLE) ++holes;
  return length - holes;
}

// Close up the holes, in place.
function moveTogether(): void {
  if (holes === 0) return;
  const mask = word(WORD_MASK);
  const end = word(WORD_TAIL);
  let tail = word(WORD_HEAD);
  for (let i = tail; i !== end; i = (i + 1) & mask) {
    const entry = cell(i);
    if (entry === HOLE) continue;
    setCell(tail, entry);
    tail = (tail + 1) & mask;
  }
  setWord(WORD_TAIL, tail);
  holes = 0;
}

/** `reserve`, and let the ring run into its new room. */
export function grow(slots: u32, rows: u32): bool {
  const old = ringRoom;
  if (!reserve(slots, rows)) return false;
  if (ringRoom !== old) unwrap(old);
  moveTogether(); // a ring that is no longer has less room for holes than before
  return true;
}

//   before    [ c d . . a b ]                           after    [ . . . . a b c d . . . . ]
// The ring is at least twice as long as it was, so what had wrapped to its front fits behind its old end.
function unwrap(old: u32): void {
  const tail = word(WORD_TAIL);
  if (tail < word(WORD_HEAD)) {
    memory.copy(RING + (usize(old) << 2), RING, usize(tail) << 2);
    setWord(WORD_TAIL, old + tail);
  }
  setWord(WORD_MASK, ringRoom - 1);
}

/** For asserts: the slot waits or is in the ring. Looks at 256 cells: a search at every call would take hours. */
export function isQueued(slot: u32): bool {
  if (ASC_NO_ASSERT) return false;
  if (load<u32>(ROW + (usize(slot) << 2)) !== NIL) return true;
  const mask = word(WORD_MASK);
  const length = (word(WORD_TAIL) - word(WORD_HEAD)) & mask;
  for (let i: u32 = 0; i < min<u32>(length, 256); ++i) {
    if (cell((word(WORD_HEAD) + i) & mask) === slot) return true;
  }
  return false;
}

function isArmed(slot: u32): bool {
  return load<u32>(POS + (usize(slot) << 2)) !== UNARMED;
}
