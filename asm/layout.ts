// The core's memory: every byte, who writes it, how it grows.
//
//   0      KINDS    8 x u32     slots alive, by kind                                      slots.ts
//   32     WORDS    4 x i32     HEAD TAIL MASK BUDGET of the ring                         ready.ts, the hub's loop
//   48     ENDS     10 x u32    first free cell of each timer lane                        heaps.ts
//   88     USED     u32         chunks that were ever used                                chunks.ts
//   92     IDLE     u32         the first idle chunk, or NIL                              chunks.ts
//   96     BITS     7 x u32     level by level, which buckets are not empty               wheel.ts
//   128    LASTS    112 x u32   cell of each bucket's last entry, or NIL                  wheel.ts
//   576    LOWS     112 x f64   no deadline in the bucket is before it                    wheel.ts
//   1472   assert messages (debug build only)
//   ring   RING     i32         ready entries                                             ready.ts, the hub's loop
//          CHUNKS   1 KiB       timer entries, 64 a chunk                                 heaps.ts, wheel.ts
//          BELOW    u32 a chunk behind it in its bucket: its last cell; chains idle chunks wheel.ts, chunks.ts
//          LANES    10 x u32    lane by lane, the chunks it uses                          heaps.ts
//          LINKS    16 bytes a slot  NEXT PREV PLACE POS: who waits where          ts/core/waits/; slots.ts, chunks.ts
//          GEN      u32 a slot  lives it has had                                      slots.ts
//          KIND     u8  a slot  what it is; 0: not alive                              slots.ts
//          ROWS     32 bytes a row   what is waited on                                ts/core/waits/
//
// One column per field, one row per slot (or row) of the scheduler. The blocks stand in this order without gaps, so
// growing one slides those behind it up: no block is ever left behind, and memory is the sum of the columns. RING comes
// first because JavaScript holds a view of it, and it never moves, it only gets longer.
//
// Rejected: a block allocator that leaves the outgrown columns as free blocks. It copies less (each doubling here moves
// everything behind the block), but a quarter to a half of the memory is then outgrown blocks.

import { MAX_SLOTS } from './abi';

// ---- fixed ----------------------------------------------------------------------------------------------------------

export const KINDS: usize = 0;
export const WORDS: usize = 32;
export const ENDS: usize = 48;
export const USED: usize = 88;
export const IDLE: usize = 92;
export const BITS: usize = 96;
export const LASTS: usize = 128;
export const LOWS: usize = 576;

/** Timer lanes: a heap for each priority, and beside each the entries set aside. */
export const LANE_COUNT: u32 = 10;
/** Timer entries are 16 bytes, 64 in a chunk. */
export const CHUNK_SHIFT: u32 = 6;
export const CHUNK_BYTES: usize = 1024;
/** A slot's record in LINKS, and a row's in ROWS: 16 and 32 bytes. */
export const LINK_SHIFT: usize = 4;
export const ROW_SHIFT: usize = 5;
/** The wheel's levels, and their buckets in all. */
export const LEVELS: u32 = 7;
export const BUCKETS: u32 = 112;
/** The first cell of a lane; see heaps.ts. */
export const ROOT: u32 = 3;
/** POS of a slot that is not armed. */
export const UNARMED: u32 = 0xffffffff;

// ---- blocks ---------------------------------------------------------------------------------------------------------

export let RING: usize = 0;
export let CHUNKS: usize = 0;
export let BELOW: usize = 0;
export let LANES: usize = 0;

export let LINKS: usize = 0;
export let GEN: usize = 0;
export let KIND: usize = 0;

export let ROWS: usize = 0;

/** Slots and rows that the columns have room for. */
export let slotRoom: u32 = 0;
export let rowRoom: u32 = 0;
/** Cells of the ring, a power of two. */
export let ringRoom: u32 = 0;
/** Chunks that one lane may come to use. */
export let laneRoom: u32 = 0;
/** Buckets of the wheel that may be filled at a time. */
export let bucketRoom: u32 = 0;

/** Most slots, most rows, and most 64 KiB pages. The release build never lowers them. */
export let maxRooms: u32 = MAX_SLOTS;
export let maxPages: u32 = 0x10000;

export function lowerLimits(rooms: u32, pages: u32): void {
  maxRooms = rooms;
  maxPages = pages;
}

// Longer than all slots and rows together (R1), and a quarter more: room for holes, so that closing them up costs a few
// cells for each.
function ringFor(slots: u32, rows: u32): u32 {
  let cells: u32 = 4;
  while (u64(cells) * 4 <= u64(slots + rows) * 5) cells <<= 1;
  return cells;
}

// All slots may be armed in one lane.
function lanesFor(slots: u32): u32 {
  return ((slots + ROOT - 1) >> CHUNK_SHIFT) + 1;
}

// However the slots are spread: each lane has an incomplete chunk, and does not use ROOT cells of its first one; each
// filled bucket has an incomplete chunk, and there are two of a bucket that is being emptied.
function chunksFor(slots: u32): u32 {
  return (slots >> CHUNK_SHIFT) + LANE_COUNT + bucketsFor(slots) + 3;
}

// Few slots do without the wheel: their heaps are small, and its chunks would be mostly empty.
function bucketsFor(slots: u32): u32 {
  return min((slots >> 7) + 4, BUCKETS);
}

function padded(bytes: u64): u64 {
  return (bytes + 63) & ~63;
}

/**
 * Make room for `slots` and `rows`, neither less than there is. False, and nothing has changed, if memory is exhausted.
 * What is new holds garbage: `take` and `rowNew` write what an index has when they first give it.
 */
export function reserve(slots: u32, rows: u32): bool {
  const cells = ringFor(slots, rows);
  const lane = lanesFor(slots);

  const ring = padded(__heap_base);
  const chunks = padded(ring + u64(cells) * 4);
  const below = chunks + u64(chunksFor(slots)) * CHUNK_BYTES;
  const lanes = below + u64(chunksFor(slots)) * 4;
  const links = padded(lanes + u64(lane) * LANE_COUNT * 4);
  const first = padded(links + u64(slots) * 21);
  const end = first + (u64(rows) << ROW_SHIFT);

  const pages = (end + 0xffff) >> 16;
  if (pages > maxPages) return false;
  if (pages > u64(memory.size()) && memory.grow(i32(pages) - memory.size()) < 0) return false;

  // From the last block to the first: each moves up into room that was free, or that the one behind it has just left.
  ROWS = slide(ROWS, usize(first), usize(rowRoom) << ROW_SHIFT);
  KIND = slide(KIND, usize(links) + usize(slots) * 20, slotRoom);
  GEN = slide(GEN, usize(links) + (usize(slots) << LINK_SHIFT), slotRoom << 2);
  LINKS = slide(LINKS, usize(links), usize(slotRoom) << LINK_SHIFT);

  for (let i = LANE_COUNT; i-- > 0; ) slide(LANES + i * (laneRoom << 2), usize(lanes) + i * (lane << 2), laneRoom << 2);
  LANES = usize(lanes);
  BELOW = slide(BELOW, usize(below), load<u32>(USED) << 2);
  CHUNKS = slide(CHUNKS, usize(chunks), usize(load<u32>(USED)) * CHUNK_BYTES);

  RING = usize(ring);
  slotRoom = slots;
  rowRoom = rows;
  laneRoom = lane;
  bucketRoom = bucketsFor(slots);
  ringRoom = cells;
  return true;
}

function slide(from: usize, to: usize, bytes: usize): usize {
  if (bytes > 0 && from !== to) memory.copy(to, from, bytes);
  return to;
}
