// The wheel: timers that are not due for a while, in buckets without order. To arm and to cancel is a few stores, and
// most timers guard something that goes well: they are cancelled here, and no order is ever found for them.
//
//   level   buckets of          from TICK, the first tick that was not opened yet (a tick is 4 ms)
//   0       1 tick              [ 0 1 2 … 15 ]      the last digit of the tick, in base 16
//   1       16 ticks, 64 ms     [ 0 1 2 … 15 ]      the digit before it
//   …       …
//   6       2^24 ticks, 19 h    [ 0 1 2 … 15 ]      the wheel ends after 2^28 ticks, 12 days
//
// A deadline's level is that of the first digit in which its tick differs from TICK. So all of a level comes before all
// of the next one, and the earliest bucket is the first in the lowest level that has any.
//
// A bucket is *opened* when its time has come, or when somebody asks for the earliest deadline: its entries move to the
// heaps, which alone know an exact order. What is before TICK, or behind the wheel's end, or finds no room for one
// bucket more, goes to the heaps at once. They take anything, so whether an entry is here is a matter of speed only.
//
//   bucket   LAST ---> [ 8 9 ] --BELOW--> [ 64 entries ] --BELOW--> [ 64 entries ]      to leave, the last one fills the hole
//
// Invariants, walked by check.ts:
//   V1  an entry's tick is TICK or later, and its bucket is the one that TICK makes it
//   V2  BITS has a bit for each bucket that is not empty; `filled` counts them, at most bucketRoom
//   V3  no deadline in a bucket is before its LOW, a deadline that is or was in it
//   V4  only the first chunk of a bucket's chain has less than 64 entries
//
// A bucket's number is in POS of its slots; with more than 117 buckets there would be no room for it, and to cancel would
// cost another load.
//
// Rejected: doubly linked buckets, 8 bytes more a slot and a cache miss for each neighbour. A bucket sorted when it is
// opened, without heaps: what is armed for its time meanwhile would have to be put in between.

import { NIL } from './abi';
import {
  atOf,
  belowOf,
  CHUNK_MASK,
  entryAt,
  freeChunk,
  keyOf,
  newChunk,
  priorityOf,
  setBelow,
  setEntry,
} from './chunks';
import { CELL_MASK, insert, LANE_SHIFT } from './heaps';
import { BITS, BUCKETS, bucketRoom, CHUNK_SHIFT, LANE_COUNT, LASTS, LEVELS, LOWS } from './layout';

/** From here on a POS is that of an entry in the wheel: lane LANE_COUNT + bucket. */
export const WHEEL: u32 = LANE_COUNT << LANE_SHIFT;

const DIGIT: u32 = 4;
const TICK_MS: f64 = 4;
/** 2^28 ticks. */
const SPAN_MS: f64 = 1073741824;
/** From here on, in 35 thousand years, a double holds no ticks. */
const LAST_MS: f64 = 1125899906842624;

// A time as the wheel sees it is SPAN_MS + (at - BASE), which is in [SPAN_MS, 2 SPAN_MS) if the wheel goes that far. All
// of these have one exponent, so the tick is in their mantissa: a conversion of doubles to integers costs twice all of
// `put`. The sum may round, by 2^-23 ms; that keeps the order, and what is due is found by the same sum.

/** BASE: the time of tick 0, a multiple of SPAN_MS. */
let base: f64 = 0;
let tick: u32 = 0;
/** What is seen before it goes to the heaps: tick TICK. */
let edge: f64 = SPAN_MS;

export let filled: u32 = 0;

export function initWheel(): void {
  for (let bucket: u32 = 0; bucket < BUCKETS; ++bucket) setLast(bucket, NIL);
}

/** False if the entry must go to the heaps. */
export function put(at: f64, key: u64): bool {
  const seen = see(at);
  if (seen < edge || seen >= SPAN_MS * 2) return false;
  const bucket = bucketOf(seen);
  const last = lastOf(bucket);
  let cell = last + 1;
  if (last === NIL) {
    if (filled === bucketRoom) return false;
    cell = chunkOn(NIL);
    setLow(bucket, at);
    flip(bucket);
    ++filled;
  } else {
    if (at < lowOf(bucket)) setLow(bucket, at);
    if ((cell & CHUNK_MASK) === 0) cell = chunkOn(last);
  }
  setLast(bucket, cell);
  setEntry(entryAt(cell), at, key, WHEEL + (bucket << LANE_SHIFT) + cell);
  return true;
}

export function takeOut(pos: u32): void {
  const bucket = (pos - WHEEL) >> LANE_SHIFT;
  const cell = pos & CELL_MASK;
  const last = lastOf(bucket);
  if (cell !== last) setEntry(entryAt(cell), atOf(entryAt(last)), keyOf(entryAt(last)), pos);
  if ((last & CHUNK_MASK) !== 0) {
    setLast(bucket, last - 1);
    return;
  }
  const below = belowOf(last >> CHUNK_SHIFT);
  freeChunk(last >> CHUNK_SHIFT);
  setLast(bucket, below);
  if (below !== NIL) return;
  flip(bucket);
  --filled;
}

/** Open the bucket that may hold something earlier than `earliest`. False if there is none. */
export function openBefore(earliest: f64): bool {
  if (filled === 0) return false;
  // Those behind the first bucket are later than all in it, and so than its LOW.
  const bucket = firstBucket();
  if (lowOf(bucket) >= earliest) return false;
  empty(bucket, true);
  return true;
}

/** Open all that could be due at `now`. */
export function openDue(now: f64): void {
  if (see(now) >= edge) advance(now);
}

// Move the edge behind `now`.
function advance(now: f64): void {
  if (see(now) >= SPAN_MS * 2) {
    gather();
    if (now >= LAST_MS) return;
    base = floor(now / SPAN_MS) * SPAN_MS;
    tick = 0;
  }
  const target = tickOf(see(now)) + 1;
  while (filled > 0) {
    const bucket = firstBucket();
    const shift = (bucket >> DIGIT) << 2;
    const start = startOf(bucket);
    if (start + (1 << shift) <= target) {
      empty(bucket, true);
    } else if (start <= target && shift > 0) {
      // It holds what is due and what is not. As seen from its own start, its entries are levels below it.
      tick = start;
      empty(bucket, false);
    } else {
      break;
    }
  }
  tick = target;
  edge = SPAN_MS + f64(tick) * TICK_MS;
}

/** Open all buckets. */
export function gather(): void {
  while (filled > 0) empty(firstBucket(), true);
}

// Move a bucket's entries: to the heaps, or to where they belong by now. In the order in which they came, because then,
// with one deadline for all, each stays where the heap puts it first.
function empty(bucket: u32, open: bool): void {
  let cell = lastOf(bucket);
  setLast(bucket, NIL);
  flip(bucket);
  --filled;
  let chain = NIL;
  while (cell !== NIL) {
    const below = belowOf(cell >> CHUNK_SHIFT);
    setBelow(cell >> CHUNK_SHIFT, chain);
    chain = cell;
    cell = below;
  }
  while (chain !== NIL) {
    const chunk = chain >> CHUNK_SHIFT;
    const next = belowOf(chunk);
    const beyond = entryAt(chain + 1);
    for (let from = entryAt(chunk << CHUNK_SHIFT); from < beyond; from += 16) {
      const at = atOf(from);
      const key = keyOf(from);
      if (open || !put(at, key)) insert(priorityOf(key), at, key);
    }
    freeChunk(chunk);
    chain = next;
  }
}

// ---- ticks and buckets ----------------------------------------------------------------------------------------------

function see(at: f64): f64 {
  return SPAN_MS + (at - base);
}

// The upper 28 bits of the mantissa.
function tickOf(seen: f64): u32 {
  return u32(reinterpret<u64>(seen) >> 24) & 0xfffffff;
}

function bucketOf(seen: f64): u32 {
  const its = tickOf(seen);
  const level = (31 - clz((its ^ tick) | 1)) >> 2;
  return (level << DIGIT) | ((its >> (level << 2)) & 15);
}

/** For check.ts: the bucket that V1 demands, or NIL. */
export function properBucket(at: f64): u32 {
  const seen = see(at);
  return seen < edge || seen >= SPAN_MS * 2 ? NIL : bucketOf(seen);
}

/** The first tick of a bucket. */
function startOf(bucket: u32): u32 {
  const shift = (bucket >> DIGIT) << 2;
  const above = (tick >> (shift + DIGIT)) << (shift + DIGIT);
  return above | ((bucket & 15) << shift);
}

/** There must be one. */
function firstBucket(): u32 {
  let level: u32 = 0;
  while (bitsOf(level) === 0) ++level;
  assert(level < LEVELS, 'V2: the wheel has entries, and no bucket');
  return (level << DIGIT) | ctz(bitsOf(level));
}

// A chunk on top of what a bucket has; gives its first cell.
function chunkOn(below: u32): u32 {
  const chunk = newChunk();
  setBelow(chunk, below);
  return chunk << CHUNK_SHIFT;
}

function flip(bucket: u32): void {
  const at = BITS + (usize(bucket >> DIGIT) << 2);
  store<u32>(at, load<u32>(at) ^ (1 << (bucket & 15)));
}

export function bitsOf(level: u32): u32 {
  return load<u32>(BITS + (usize(level) << 2));
}

/** The cell of its last entry, or NIL. */
export function lastOf(bucket: u32): u32 {
  return load<u32>(LASTS + (usize(bucket) << 2));
}

function setLast(bucket: u32, cell: u32): void {
  store<u32>(LASTS + (usize(bucket) << 2), cell);
}

export function lowOf(bucket: u32): f64 {
  return load<f64>(LOWS + (usize(bucket) << 3));
}

function setLow(bucket: u32, at: f64): void {
  store<f64>(LOWS + (usize(bucket) << 3), at);
}
