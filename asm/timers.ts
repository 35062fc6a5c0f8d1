// Timers: for each priority an indexed 4-ary min-heap over (deadline, arming).
//
//   entry, 16 bytes     f64 at | u64 key = arming << 24 | slot
//
// Of two entries with one deadline the smaller key was armed first. It is in the entry because ties are common: what
// falls asleep in one turn, equally long, has one deadline, since the hub reads its clock once a turn.
//
// Entries lie in chunks of 64 cells, and each lane has a table of its chunks. So all lanes share room for as many
// entries as there are slots, whatever their mix, and `arm` cannot fail: `take` has reserved for it.
//
//   lanes 0 to 4   the heaps, by priority
//   lanes 5 to 9   entries of these priorities that are set aside, in no order: due, but armed after `beginDue`
//
//   cells   . . . [3]  [4 5 6 7]  [8 9 10 11]  [12 ...     The root is cell 3. Children of c: 4c - 8 to 4c - 5,
//                  |    of 3       of 4         of 5       so siblings share a cache line, and never cross a chunk
//
// Invariants, walked by check.ts:
//   H1  in a heap no child is before its parent, so the earliest is at the root
//   H2  the entry at POS[slot] is slot's, or POS[slot] is UNARMED: disarm finds it without a scan
//   H3  keys differ and are below armings << 24, so no two entries compare equal and the order is total
//   H4  a lane has the chunks that its entries need; all other chunks that were ever used are in IDLES
//
// Rejected: heaps that grow by themselves when full. `arm` would need an answer for "no memory", and five heaps that
// once were full would hold five times the room.

import { NIL, PRIORITY_LATEST } from './abi';
import {
  CHUNK_BYTES,
  CHUNK_SHIFT,
  CHUNKS,
  ENDS,
  IDLE,
  IDLES,
  LANES,
  laneRoom,
  POS,
  ROOT,
  UNARMED,
  USED,
} from './layout';

/** From a heap's lane to the lane of what was set aside from it; the number of heaps. */
export const ASIDE: u32 = PRIORITY_LATEST + 1;
export const CELL_MASK: u32 = 0x1ffffff;
export const LANE_SHIFT: u32 = 25;
export const SLOT_BITS: u64 = 24;
const SLOT_MASK: u64 = 0xffffff;
const CHUNK_MASK: u32 = (1 << CHUNK_SHIFT) - 1;

export let armed: u32 = 0;
export let armings: u64 = 0;
/** A key has 40 bits for it; at ten million a second they last 30 hours. See `renumber`. */
let maxArmings: u64 = 1 << 40;
/** The pass gives entries whose key is below this. */
let horizon: u64 = 0;

export function lowerArmings(limit: u64): void {
  maxArmings = limit;
}

export function initTimers(): void {
  for (let lane: u32 = 0; lane < ASIDE * 2; ++lane) setEnd(lane, ROOT);
}

export function arm(slot: u32, at: f64, priority: u32): void {
  assert(posOf(slot) === UNARMED, 'H2: arm: the slot is armed');
  assert(!isNaN(at), 'H1: arm: NaN has no order');
  assert(priority < ASIDE, 'arm: no such priority');
  if (armings >= maxArmings) renumber();
  insert(priority, at, (armings++ << SLOT_BITS) | u64(slot));
  ++armed;
}

/** False if it was not armed: it had fired, or never was. Both are ordinary races. */
export function disarm(slot: u32): bool {
  const pos = posOf(slot);
  if (pos === UNARMED) return false;
  drop(slot, pos >> LANE_SHIFT, pos & CELL_MASK);
  return true;
}

export function deadline(slot: u32): f64 {
  const pos = posOf(slot);
  return pos === UNARMED ? Infinity : atOf(entry(pos >> LANE_SHIFT, pos & CELL_MASK));
}

/** O(1), but for entries set aside: there are some only within a pass. */
export function nextDeadline(): f64 {
  let earliest = Infinity;
  for (let lane: u32 = 0; lane < ASIDE; ++lane) {
    if (endOf(lane) > ROOT) earliest = min(earliest, atOf(entry(lane, ROOT)));
    const end = endOf(lane + ASIDE);
    for (let cell = ROOT; cell < end; ++cell) earliest = min(earliest, atOf(entry(lane + ASIDE, cell)));
  }
  return earliest;
}

export function beginDue(): void {
  putBack();
  horizon = armings << SLOT_BITS;
}

/** Disarm the next slot of the pass that is due, and give it; NIL if there is none. */
export function takeDue(now: f64): u32 {
  for (let lane: u32 = 0; lane < ASIDE; ++lane) {
    while (endOf(lane) > ROOT) {
      const root = entry(lane, ROOT);
      const at = atOf(root);
      const key = keyOf(root);
      if (at > now) break;
      if (key < horizon) {
        drop(slotOf(key), lane, ROOT);
        return slotOf(key);
      }
      // Armed in this pass and due already. If it stayed it would hide older ones below it.
      remove(lane, ROOT);
      append(lane + ASIDE, at, key);
    }
  }
  putBack();
  return NIL;
}

function drop(slot: u32, lane: u32, cell: u32): void {
  remove(lane, cell);
  setPos(slot, UNARMED);
  --armed;
}

function putBack(): void {
  for (let lane: u32 = 0; lane < ASIDE; ++lane) {
    while (endOf(lane + ASIDE) > ROOT) {
      const last = entry(lane + ASIDE, endOf(lane + ASIDE) - 1);
      const at = atOf(last);
      const key = keyOf(last);
      retract(lane + ASIDE);
      insert(lane, at, key);
    }
  }
}

// Number the armings anew, from 0. The order within a heap stays, and on which side of the horizon an entry is.
// Heap sort: the minima, taken out one by one, fill the heap from its end, so it comes out sorted backwards.
function renumber(): void {
  putBack();
  let older: u64 = 0;
  let younger: u64 = armed;
  for (let lane: u32 = 0; lane < ASIDE; ++lane) {
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
    for (let cell = ROOT; cell < end; ++cell) {
      const key = keyOf(entry(lane, cell));
      const arming = key < horizon ? older++ : younger++;
      write(lane, cell, atOf(entry(lane, cell)), (arming << SLOT_BITS) | (key & SLOT_MASK));
    }
  }
  horizon = u64(armed) << SLOT_BITS;
  armings = younger;
}

// ---- lanes ----------------------------------------------------------------------------------------------------------

function insert(lane: u32, at: f64, key: u64): void {
  rise(lane, extend(lane), at, key);
}

function append(lane: u32, at: f64, key: u64): void {
  write(lane, extend(lane), at, key);
}

// The last entry fills the hole. It may belong above or below it; only one of the two moves it.
function remove(lane: u32, cell: u32): void {
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

export function before(at: f64, key: u64, other: usize): bool {
  const otherAt = atOf(other);
  return at < otherAt || (at === otherAt && key < keyOf(other));
}

// The only writer of entries and of their slots' POS, so that H2 cannot drift.
function write(lane: u32, cell: u32, at: f64, key: u64): void {
  const to = entry(lane, cell);
  store<f64>(to, at);
  store<u64>(to, key, 8);
  setPos(slotOf(key), (lane << LANE_SHIFT) | cell);
}

// One cell more; gives it. Its chunk may have to come from the idle ones, or from those never used: H4.
function extend(lane: u32): u32 {
  const cell = endOf(lane);
  if ((cell & CHUNK_MASK) === 0 || cell === ROOT) {
    const idle = load<u32>(IDLE);
    if (idle > 0) {
      setChunk(lane, cell, load<u32>(IDLES + (usize(idle - 1) << 2)));
      store<u32>(IDLE, idle - 1);
    } else {
      setChunk(lane, cell, load<u32>(USED));
      store<u32>(USED, load<u32>(USED) + 1);
    }
  }
  setEnd(lane, cell + 1);
  return cell;
}

function retract(lane: u32): void {
  const cell = endOf(lane) - 1;
  setEnd(lane, cell);
  if ((cell & CHUNK_MASK) === 0 || cell === ROOT) {
    const idle = load<u32>(IDLE);
    store<u32>(IDLES + (usize(idle) << 2), chunkOf(lane, cell));
    store<u32>(IDLE, idle + 1);
  }
}

export function entry(lane: u32, cell: u32): usize {
  return CHUNKS + usize(chunkOf(lane, cell)) * CHUNK_BYTES + (usize(cell & CHUNK_MASK) << 4);
}

export function chunkOf(lane: u32, cell: u32): u32 {
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

export function atOf(entry: usize): f64 {
  return load<f64>(entry);
}

export function keyOf(entry: usize): u64 {
  return load<u64>(entry, 8);
}

export function slotOf(key: u64): u32 {
  return u32(key & SLOT_MASK);
}

export function parentOf(cell: u32): u32 {
  return (cell >> 2) + 2;
}

export function posOf(slot: u32): u32 {
  return load<u32>(POS + (usize(slot) << 2));
}

export function setPos(slot: u32, pos: u32): void {
  store<u32>(POS + (usize(slot) << 2), pos);
}
