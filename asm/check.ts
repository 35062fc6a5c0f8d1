// The debug build's own exports: walk every structure and assert every invariant that heads a file; those of rows are ts/core/waits.ts's; lower the limits
// that no test could reach.

import { HOLE, MAX_SLOTS, NIL, WORD_HEAD, WORD_MASK, WORD_TAIL } from './abi';
import { atOf, belowOf, CHUNK_MASK, entryAt, keyOf, LOWER_BITS, posOf, slotOf } from './chunks';
import { ASIDE, before, chunkNumber, endOf, entry, LANE_SHIFT, parentOf } from './heaps';
import {
  BUCKETS,
  bucketRoom,
  CHUNK_SHIFT,
  IDLE,
  KIND,
  ROOT,
  ringRoom,
  rowRoom,
  slotRoom,
  UNARMED,
  USED,
} from './layout';
import { cell, holes, word } from './ready';
import {
  freeSlot,
  generationOf,
  generations,
  isAlive,
  kindCount,
  kindOf,
  nextOf,
  placeOf,
  retired,
  slots,
  slotTop,
} from './slots';
import { armed, armings } from './timers';
import { bitsOf, filled, lastOf, lowOf, properBucket, WHEEL } from './wheel';

export { lowerLimits } from './layout';
export { lowerGenerations, slotTop } from './slots';
export { lowerArmings } from './timers';

/** Assert every invariant; changes nothing. Takes time in proportion to what the core holds. */
export function verify(): void {
  verifySlots();
  verifyRing();
  verifyTimers();
}

function verifySlots(): void {
  assert(slotTop <= slotRoom && slotRoom <= MAX_SLOTS, 'S1: more slots than room for them');
  let alive: u32 = 0;
  let timers: u32 = 0;
  for (let slot: u32 = 0; slot < slotTop; ++slot) {
    if (posOf(slot) !== UNARMED) ++timers;
    if (isAlive(slot)) ++alive;
    else assert(placeOf(slot) < 0 && posOf(slot) === UNARMED, 'S3: a free slot waits or is armed');
    assert(generationOf(slot) <= generations, 'S4: a slot has outlived its generations');
  }
  assert(alive === slots, 'S2: the living are miscounted');
  assert(timers === armed, 'H2: the armed are miscounted');

  let kinds: u32 = 0;
  for (let kind: u32 = 1; kind < 8; ++kind) kinds += kindCount(kind);
  for (let slot: u32 = 0; slot < slotTop; ++slot)
    if (isAlive(slot)) assert(kindCount(kindOf(slot)) > 0, 'S2: an uncounted kind');
  assert(kinds === slots, 'S2: the kinds are miscounted');

  let chained: u32 = 0;
  for (let slot = freeSlot; slot !== NIL; slot = nextOf(slot)) {
    assert(slot < slotTop && !isAlive(slot), 'S1: a living slot is in the free chain');
    assert(++chained <= slotTop, 'S1: the free chain has no end');
  }
  assert(alive + chained + retired === slotTop, 'S1: a slot is nowhere');
}

// What was met in the ring is marked, and unmarked by a second walk.
const MARK: u32 = 0x80;

function verifyRing(): void {
  const mask = word(WORD_MASK);
  assert(ringRoom === mask + 1 && (ringRoom & mask) === 0, 'R1: MASK does not fit the ring');
  assert(ringRoom > slotRoom + rowRoom + holes, 'R1: the ring can overflow');
  let seenHoles: u32 = 0;
  for (let i = word(WORD_HEAD); i !== word(WORD_TAIL); i = (i + 1) & mask) {
    const it = cell(i);
    if (it === HOLE) {
      ++seenHoles;
    } else if (i32(it) >= 0) {
      assert(isAlive(it) && kindOf(it) < MARK, 'R2: a slot is in the ring twice, or not alive');
      assert(placeOf(it) < 0 && posOf(it) === UNARMED, 'R2: a slot in the ring waits or is armed');
      store<u8>(KIND + it, kindOf(it) | MARK);
    }
  }
  for (let i = word(WORD_HEAD); i !== word(WORD_TAIL); i = (i + 1) & mask) {
    const it = cell(i);
    if (i32(it) >= 0) store<u8>(KIND + it, kindOf(it) & ~MARK);
  }
  assert(seenHoles <= holes, 'R1: more holes than counted');
}

function verifyTimers(): void {
  inBuckets = 0;
  let chunks = verifyWheel();
  let entries = inBuckets;
  for (let idle = load<u32>(IDLE); idle !== NIL; idle = belowOf(idle)) {
    assert(++chunks <= load<u32>(USED), 'H4: the idle chunks have no end');
  }
  for (let lane: u32 = 0; lane < ASIDE * 2; ++lane) {
    const end = endOf(lane);
    entries += end - ROOT;
    if (end > ROOT) chunks += chunkNumber(end - 1) + 1;
    for (let at = ROOT; at < end; ++at) {
      const it = entry(lane, at);
      verifyEntry(it, (lane << LANE_SHIFT) | at);
      if (lane >= ASIDE || at === ROOT) continue;
      assert(
        before(atOf(entry(lane, parentOf(at))), keyOf(entry(lane, parentOf(at))), it),
        'H1: a child is before its parent',
      );
    }
  }
  assert(entries === armed, 'H2: the armed are miscounted');
  assert(chunks === load<u32>(USED), 'H4: a chunk is nowhere');
}

function verifyEntry(it: usize, pos: u32): void {
  assert(posOf(slotOf(keyOf(it))) === pos, 'H2: a slot is not where its timer is');
  assert(keyOf(it) >> LOWER_BITS < armings, 'H3: a timer was armed in the future');
}

let inBuckets: u32 = 0;

// Counts its timers, and gives the chunks it uses.
function verifyWheel(): u32 {
  let chunks: u32 = 0;
  let full: u32 = 0;
  for (let bucket: u32 = 0; bucket < BUCKETS; ++bucket) {
    const last = lastOf(bucket);
    const bit = (bitsOf(bucket >> 4) >> (bucket & 15)) & 1;
    assert(bit === u32(last !== NIL), 'V2: a bucket is filled, and has no bit, or the other way round');
    full += bit;
    for (let cell = last; cell !== NIL; cell = belowOf(cell >> CHUNK_SHIFT)) {
      assert(++chunks <= load<u32>(USED), 'V4: the chunks of a bucket have no end');
      assert(cell === last || (cell & CHUNK_MASK) === CHUNK_MASK, 'V4: a chunk below another has holes');
      for (let at = cell & ~CHUNK_MASK; at <= cell; ++at) {
        const it = entryAt(at);
        verifyEntry(it, WHEEL + (bucket << LANE_SHIFT) + at);
        assert(properBucket(atOf(it)) === bucket, 'V1: a timer is in the wrong bucket');
        assert(atOf(it) >= lowOf(bucket), 'V3: a timer is before all of its bucket');
        ++inBuckets;
      }
    }
  }
  assert(full === filled && filled <= bucketRoom, 'V2: the filled buckets are miscounted');
  return chunks;
}
