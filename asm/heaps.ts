// An indexed 4-ary min-heap over (deadline, arming) for each priority, and beside it the entries set aside.
//
//   lanes 0 to 4   the heaps, by priority
//   lanes 5 to 9   entries of these priorities that are set aside, in no order: due, but armed after `beginDue`
//
//   cells   . . . [3]  [4 5 6 7]  [8 9 10 11]  [12 ...     The root is cell 3. Children of c: 4c - 8 to 4c - 5,
//                  |    of 3       of 4         of 5       so siblings share a cache line, and never cross a chunk
//
// Each lane has a table of its chunks. Invariants, walked by check.ts:
//   H1  in a heap no child is before its parent, so the earliest is at the root
//
// Rejected: heaps that grow by themselves when full. `arm` would need an answer for "no memory", and five heaps that
// once were full would hold five times the room.

import { PRIORITY_LATEST } from './abi';
import { atOf, CHUNK_MASK, entryAt, freeChunk, keyOf, newChunk, setEntry } from './chunks';
import { CHUNK_SHIFT, ENDS, LANES, laneRoom, ROOT } from './layout';

/** From a heap's lane to the lane of what was set aside from it; the number of heaps. */
export const ASIDE: u32 = PRIORITY_LATEST + 1;
export const CELL_MASK: u32 = 0x1ffffff;
export const LANE_SHIFT: u32 = 25;

export function initHeaps(): void {
  for (let lane: u32 = 0; lane < ASIDE * 2; ++lane) setEnd(lane, ROOT);
}

export function insert(lane: u32, at: f64, key: u64): void {
  rise(lane, extend(lane), at, key);
}

export function append(lane: u32, at: f64, key: u64): void {
  write(lane, extend(lane), at, key);
}

/** The earliest deadline in all lanes. O(1), but for entries set aside: there are some only within a pass. */
export function earliestOf(): f64 {
  let earliest = Infinity;
  for (let lane: u32 = 0; lane < ASIDE; ++lane) {
    if (endOf(lane) > ROOT) earliest = min(earliest, atOf(entry(lane, ROOT)));
    const end = endOf(lane + ASIDE);
    for (let cell = ROOT; cell < end; ++cell) earliest = min(earliest, atOf(entry(lane + ASIDE, cell)));
  }
  return earliest;
}

// The last entry fills the hole. It may belong above or below it; only one of the two moves it.
export function remove(lane: u32, cell: u32): void {
  const last = entry(lane, endOf(lane) - 1);
  const at = atOf(last);
  const key = keyOf(last);
  retract(lane);
  if (cell === endOf(lane)) return;
  if (lane >= ASIDE) write(lane, cell, at, key);
  else if (cell > ROOT && before(at, key, entry(lane, parentOf(cell)))) rise(lane, cell, at, key);
  else sink(lane, cell, at, key);
}

// Move the hole at `cell` up to where the entry belongs, and put it there.
function rise(lane: u32, cell: u32, at: f64, key: u64): void {
  while (cell > ROOT) {
    const parent = parentOf(cell);
    const above = entry(lane, parent);
    if (!before(at, key, above)) break;
    write(lane, cell, atOf(above), keyOf(above));
    cell = parent;
  }
  write(lane, cell, at, key);
}

// The same downwards.
function sink(lane: u32, cell: u32, at: f64, key: u64): void {
  const end = endOf(lane);
  for (;;) {
    const child = (cell << 2) - 8;
    if (child >= end) break;
    const eldest = entry(lane, child);
    let best = eldest;
    const beyond = eldest + (usize(min<u32>(end - child, 4)) << 4);
    for (let other = eldest + 16; other < beyond; other += 16) {
      if (before(atOf(other), keyOf(other), best)) best = other;
    }
    if (before(at, key, best)) break;
    write(lane, cell, atOf(best), keyOf(best));
    cell = child + u32((best - eldest) >> 4);
  }
  write(lane, cell, at, key);
}

/**
 * Sort a heap, which stays one. Heap sort: the minima, taken out one by one, fill it from its end, so it comes out sorted
 * backwards.
 */
export function sort(lane: u32): void {
  const end = endOf(lane);
  for (let last = end; --last > ROOT; ) {
    const at = atOf(entry(lane, ROOT));
    const key = keyOf(entry(lane, ROOT));
    setEnd(lane, last);
    sink(lane, ROOT, atOf(entry(lane, last)), keyOf(entry(lane, last)));
    write(lane, last, at, key);
  }
  setEnd(lane, end);
  for (let low = ROOT, high = end - 1; low < high; ++low, --high) {
    const at = atOf(entry(lane, low));
    const key = keyOf(entry(lane, low));
    write(lane, low, atOf(entry(lane, high)), keyOf(entry(lane, high)));
    write(lane, high, at, key);
  }
}

export function before(at: f64, key: u64, other: usize): bool {
  const otherAt = atOf(other);
  return at < otherAt || (at === otherAt && key < keyOf(other));
}

export function write(lane: u32, cell: u32, at: f64, key: u64): void {
  setEntry(entry(lane, cell), at, key, (lane << LANE_SHIFT) | cell);
}

// One cell more; gives it.
function extend(lane: u32): u32 {
  const cell = endOf(lane);
  if ((cell & CHUNK_MASK) === 0 || cell === ROOT) setChunk(lane, cell, newChunk());
  setEnd(lane, cell + 1);
  return cell;
}

export function retract(lane: u32): void {
  const cell = endOf(lane) - 1;
  setEnd(lane, cell);
  if ((cell & CHUNK_MASK) === 0 || cell === ROOT) freeChunk(chunkOf(lane, cell));
}

export function entry(lane: u32, cell: u32): usize {
  return entryAt((chunkOf(lane, cell) << CHUNK_SHIFT) | (cell & CHUNK_MASK));
}

function chunkOf(lane: u32, cell: u32): u32 {
  return load<u32>(LANES + (usize(lane * laneRoom + chunkNumber(cell)) << 2));
}

function setChunk(lane: u32, cell: u32, chunk: u32): void {
  store<u32>(LANES + (usize(lane * laneRoom + chunkNumber(cell)) << 2), chunk);
}

export function chunkNumber(cell: u32): u32 {
  return cell >> CHUNK_SHIFT;
}

export function endOf(lane: u32): u32 {
  return load<u32>(ENDS + (usize(lane) << 2));
}

function setEnd(lane: u32, end: u32): void {
  store<u32>(ENDS + (usize(lane) << 2), end);
}

export function parentOf(cell: u32): u32 {
  return (cell >> 2) + 2;
}
