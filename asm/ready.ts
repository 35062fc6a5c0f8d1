// The ready ring. The hub's loop takes entries out and appends some without a call, so only the ring knows what is in
// it: no column says that a slot is ready. Who waits is put there by ts/core/waits.ts, in place as well.
//
//   RING   . . [ 7 | 2 | ~0 | hole | 9 ] . .        HEAD is the 7's cell, TAIL the one behind the 9; both wrap by MASK
//
// Invariants, walked by check.ts:
//   R1  HEAD === TAIL means empty; the ring is longer than all slots, rows and holes together, so it is never full
//   R2  a slot in the ring is alive, waits in no list and has no timer, and is there once
//   R3  ~row is in the ring once if row's notification is under way, else not at all

import { HOLE, NIL, WORD_HEAD, WORD_MASK, WORD_TAIL } from './abi';
import { maxRooms, RING, reserve, ringRoom, rowRoom, slotRoom, WORDS } from './layout';

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

/** Take an entry out of the ring; a HOLE stays. False if it is not there. O(ready). */
export function unready(entry: u32): bool {
  const at = find(entry);
  if (at === NIL) return false;
  setCell(at, HOLE);
  if (++holes >= ringRoom - slotRoom - rowRoom) moveTogether(); // R1
  return true;
}

/** True if the entry is in the ring. O(ready). */
export function inRing(entry: u32): bool {
  return find(entry) !== NIL;
}

/** The cell that holds `entry`, or NIL. Begins behind the last one found: finding many in ring order is one pass. */
function find(entry: u32): u32 {
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

/** Room for more rows. False, and nothing has changed, if there is no memory for them. */
export function growRows(): bool {
  const room = min(rowRoom << 1, maxRooms);
  return room > rowRoom && grow(slotRoom, room);
}
