// Slots: taken, freed, and named by handles.
//
// Invariants, walked by check.ts:
//   S1  below `slotTop` a slot is alive (KIND is not 0), in the free chain, or retired; from there on none was used yet
//   S2  KINDS counts the living by kind, `slots` all of them
//   S3  a slot that is not alive is in no list and has no timer
//   S4  GEN counts the lives a slot has ended and never goes back: a handle names one life for good

import { NIL } from './abi';
import { posOf, setPos } from './chunks';
import { GEN, KIND, KINDS, LINK_SHIFT, LINKS, maxRooms, rowRoom, slotRoom, UNARMED } from './layout';
import { grow, push } from './ready';
import { arm, disarm } from './timers';

/** With a generation below it a handle is below 2^53. */
const MAX_GENERATIONS: u32 = 1 << 29;
/** Its PLACE when it is taken. */
const LOOSE: u32 = 0xffffffff;

export let slots: u32 = 0;
export let slotTop: u32 = 0;
export let retired: u32 = 0;
export let freeSlot: u32 = NIL;
export let generations: u32 = MAX_GENERATIONS;

/** For tests: no program sees the end of 2^29 lives. */
export function lowerGenerations(limit: u32): void {
  generations = limit;
}

/** A loose slot, the last one freed if there is one. NIL, and nothing has changed, when there is no memory for more. */
export function take(kind: u32): u32 {
  assert(kind > 0 && kind < 8, 'S2: take: no such kind');
  let slot = freeSlot;
  if (slot !== NIL) {
    freeSlot = nextOf(slot);
  } else {
    if (slotTop === slotRoom && !growSlots()) return NIL;
    slot = slotTop++;
    store<u32>(GEN + (usize(slot) << 2), 0);
    setPos(slot, UNARMED);
  }
  store<u8>(KIND + slot, kind);
  store<u32>(LINKS + (usize(slot) << LINK_SHIFT), LOOSE, 8);
  countKind(kind, 1);
  ++slots;
  return slot;
}

/** The same, in the ring at once. */
export function takeReady(kind: u32): u32 {
  const slot = take(kind);
  if (slot !== NIL) push(slot);
  return slot;
}

function growSlots(): bool {
  const room = min(slotRoom << 1, maxRooms);
  return room > slotRoom && grow(room, rowRoom);
}

export function free(slot: u32): void {
  assert(isAlive(slot), 'S1: free: the slot is not alive');
  assert(placeOf(slot) < 0 && posOf(slot) === UNARMED, 'S3: free: the slot waits or is armed');
  countKind(kindOf(slot), -1);
  --slots;
  store<u8>(KIND + slot, 0);
  const generation = generationOf(slot) + 1;
  store<u32>(GEN + (usize(slot) << 2), generation);
  if (generation === generations) {
    ++retired;
    return;
  }
  store<u32>(LINKS + (usize(slot) << LINK_SHIFT), freeSlot);
  freeSlot = slot;
}

/** `take` and `arm`; NIL, and nothing is armed, when there is no memory for a slot. */
export function takeArmed(kind: u32, at: f64, priority: u32): u32 {
  const slot = take(kind);
  if (slot !== NIL) arm(slot, at, priority);
  return slot;
}

/** `disarm` and `free`. False, and nothing has changed, if it was not armed. */
export function freeArmed(slot: u32): bool {
  if (!disarm(slot)) return false;
  free(slot);
  return true;
}

export function handle(slot: u32): f64 {
  return f64((u64(generationOf(slot)) << 24) | u64(slot));
}

/** The slot, or NIL if that life is over. */
export function resolve(handle: f64): u32 {
  const bits = u64(handle);
  const slot = u32(bits & 0xffffff);
  return isAlive(slot) && u64(generationOf(slot)) === bits >> 24 ? slot : NIL;
}

/** PLACE of ts/core/waits/: less than 0 if it waits nowhere. */
export function placeOf(slot: u32): i32 {
  return load<i32>(LINKS + (usize(slot) << LINK_SHIFT), 8);
}

export function nextOf(slot: u32): u32 {
  return load<u32>(LINKS + (usize(slot) << LINK_SHIFT));
}

export function isAlive(slot: u32): bool {
  return slot < slotTop && kindOf(slot) !== 0;
}

export function kindOf(slot: u32): u32 {
  return load<u8>(KIND + slot);
}

export function generationOf(slot: u32): u32 {
  return load<u32>(GEN + (usize(slot) << 2));
}

export function kindCount(kind: u32): u32 {
  return load<u32>(KINDS + (usize(kind) << 2));
}

function countKind(kind: u32, by: u32): void {
  store<u32>(KINDS + (usize(kind) << 2), kindCount(kind) + by);
}
