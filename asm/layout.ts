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
//          NEXT     u32 a slot  behind it in its row's list; NIL; chains free slots       waiters.ts, slots.ts
//          PREV     u32 a slot  before it in its row's list; NIL                          waiters.ts
//          ROW      u32 a slot  the row it waits in, or NIL                               waiters.ts, slots.ts
//          POS      u32 a slot  lane << 25 | cell of the slot's timer; UNARMED            chunks.ts, slots.ts
//          GEN      u32 a slot  lives it has had                                          slots.ts
//          KIND     u8  a slot  what it is; 0: not alive                                  slots.ts
//          WHY      u8  a slot  why it woke last                                          waiters.ts, slots.ts
//          ROLE    u8  a slot  what it waits to do, Role                                waiters.ts
//          FIRST    u32 a row   head of its list, or NIL; chains free rows                waiters.ts, rows.ts
//          LAST     u32 a row   tail of its list, or NIL                                  waiters.ts, rows.ts
//          EDGE     u32 a row   last of the pass under way; CHANNEL, QUEUE: last getter   waiters, sync, channel.ts
//          COUNT    u32 a row   slots in its list                                         waiters.ts, rows.ts
//          TAKERS   u32 a row   slots in it that wait to take something                   waiters.ts, rows.ts
//          VALUE    i32 a row   permits, items, flag, fired                               sync, queue.ts, rows.ts
//          LIMIT    i32 a row   QUEUE: most items                                         queue.ts, rows.ts
//          ROWKIND  u8  a row   what it is; DEAD                                          rows.ts
//          NOTE     u8  a row   its notification: NONE, PENDING, PASS or GETS             rows, sync, channel, queue.ts
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

export let NEXT: usize = 0;
export let PREV: usize = 0;
export let ROW: usize = 0;
export let POS: usize = 0;
export let GEN: usize = 0;
export let KIND: usize = 0;
export let WHY: usize = 0;
export let ROLE: usize = 0;

export let FIRST: usize = 0;
export let LAST: usize = 0;
export let EDGE: usize = 0;
export let COUNT: usize = 0;
export let TAKERS: usize = 0;
export let VALUE: usize = 0;
export let LIMIT: usize = 0;
export let ROWKIND: usize = 0;
export let NOTE: usize = 0;

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
 * What is new holds garbage: `take` and `rowNew` write the columns of an index when they first give it.
 */
export function reserve(slots: u32, rows: u32): bool {
  const cells = ringFor(slots, rows);
  const lane = lanesFor(slots);

  const ring = padded(__heap_base);
  const chunks = padded(ring + u64(cells) * 4);
  const below = chunks + u64(chunksFor(slots)) * CHUNK_BYTES;
  const lanes = below + u64(chunksFor(slots)) * 4;
  const next = lanes + u64(lane) * LANE_COUNT * 4;
  const first = padded(next + u64(slots) * 23);
  const end = first + u64(rows) * 30;

  const pages = (end + 0xffff) >> 16;
  if (pages > maxPages) return false;
  if (pages > u64(memory.size()) && memory.grow(i32(pages) - memory.size()) < 0) return false;

  // From the last block to the first: each moves up into room that was free, or that the one behind it has just left.
  const s = usize(slots) << 2;
  const r = usize(rows) << 2;
  NOTE = slide(NOTE, usize(first) + r * 7 + rows, rowRoom);
  ROWKIND = slide(ROWKIND, usize(first) + r * 7, rowRoom);
  LIMIT = slide(LIMIT, usize(first) + r * 6, rowRoom << 2);
  VALUE = slide(VALUE, usize(first) + r * 5, rowRoom << 2);
  TAKERS = slide(TAKERS, usize(first) + r * 4, rowRoom << 2);
  COUNT = slide(COUNT, usize(first) + r * 3, rowRoom << 2);
  EDGE = slide(EDGE, usize(first) + r * 2, rowRoom << 2);
  LAST = slide(LAST, usize(first) + r, rowRoom << 2);
  FIRST = slide(FIRST, usize(first), rowRoom << 2);

  ROLE = slide(ROLE, usize(next) + s * 5 + slots * 2, slotRoom);
  WHY = slide(WHY, usize(next) + s * 5 + slots, slotRoom);
  KIND = slide(KIND, usize(next) + s * 5, slotRoom);
  GEN = slide(GEN, usize(next) + s * 4, slotRoom << 2);
  POS = slide(POS, usize(next) + s * 3, slotRoom << 2);
  ROW = slide(ROW, usize(next) + s * 2, slotRoom << 2);
  PREV = slide(PREV, usize(next) + s, slotRoom << 2);
  NEXT = slide(NEXT, usize(next), slotRoom << 2);

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
