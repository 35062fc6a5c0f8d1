// Where timers' entries lie, in a heap as in the wheel: chunks of 64 cells, shared by all, so that there is room for as
// many entries as there are slots, whatever their mix, and `arm` cannot fail: `take` has reserved for it.
//
//   entry, 16 bytes     f64 at | u64 key = arming << 27 | priority << 24 | slot
//
// Of two entries with one deadline the smaller key was armed first. It is in the entry because ties are common: what
// falls asleep in one turn, equally long, has one deadline, since the hub reads its clock once a turn.
//
// Invariant, walked by check.ts:
//   H4  a chunk below USED is in use or in the chain of idle ones, which goes from IDLE along BELOW

import { NIL } from './abi';
import { BELOW, CHUNK_SHIFT, CHUNKS, IDLE, LINK_SHIFT, LINKS, USED } from './layout';

/** Bits of a key below the arming. */
export const LOWER_BITS: u64 = 27;
export const LOWER_MASK: u64 = 0x7ffffff;
const SLOT_MASK: u64 = 0xffffff;
export const CHUNK_MASK: u32 = (1 << CHUNK_SHIFT) - 1;

/** Take a chunk that nobody uses: H4. */
export function newChunk(): u32 {
  const idle = load<u32>(IDLE);
  if (idle !== NIL) {
    store<u32>(IDLE, belowOf(idle));
    return idle;
  }
  const used = load<u32>(USED);
  store<u32>(USED, used + 1);
  return used;
}

export function freeChunk(chunk: u32): void {
  setBelow(chunk, load<u32>(IDLE));
  store<u32>(IDLE, chunk);
}

export function belowOf(chunk: u32): u32 {
  return load<u32>(BELOW + (usize(chunk) << 2));
}

export function setBelow(chunk: u32, below: u32): void {
  store<u32>(BELOW + (usize(chunk) << 2), below);
}

/** The entry in a cell; cells are numbered through all chunks. */
export function entryAt(cell: u32): usize {
  return CHUNKS + (usize(cell) << 4);
}

export function atOf(entry: usize): f64 {
  return load<f64>(entry);
}

export function keyOf(entry: usize): u64 {
  return load<u64>(entry, 8);
}

export function slotOf(key: u64): u32 {
  return u32(key & SLOT_MASK);
}

export function priorityOf(key: u64): u32 {
  return (u32(key) >> 24) & 7;
}

export function posOf(slot: u32): u32 {
  return load<u32>(LINKS + (usize(slot) << LINK_SHIFT), 12);
}

export function setPos(slot: u32, pos: u32): void {
  store<u32>(LINKS + (usize(slot) << LINK_SHIFT), pos, 12);
}

/** Write an entry and where it is. The only writer of both, so that H2 cannot drift. */
export function setEntry(to: usize, at: f64, key: u64, pos: u32): void {
  store<f64>(to, at);
  store<u64>(to, key, 8);
  setPos(slotOf(key), pos);
}
