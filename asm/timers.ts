// Timers, in two structures: heaps (heaps.ts) know the exact order of what is due soon, and of all that no bucket would
// take; the wheel (wheel.ts) holds the rest, in no order.
//
// Invariants, walked by check.ts:
//   H2  the entry at POS[slot] is slot's, or POS[slot] is UNARMED: disarm finds it without a scan
//   H3  keys differ and are below armings << 27, so no two entries compare equal and the order is total

import { NIL, PRIORITY_LATEST } from './abi';
import { atOf, entryAt, keyOf, LOWER_BITS, LOWER_MASK, posOf, setPos, slotOf } from './chunks';
import {
  ASIDE,
  append,
  CELL_MASK,
  earliestOf,
  endOf,
  entry,
  initHeaps,
  insert,
  LANE_SHIFT,
  remove,
  retract,
  sort,
  write,
} from './heaps';
import { IDLE, ROOT, UNARMED } from './layout';
import { gather, initWheel, openBefore, openDue, put, takeOut, WHEEL } from './wheel';

export let armed: u32 = 0;
export let armings: u64 = 0;
/** A key has 37 bits for it; at a million a second they last 38 hours. See `renumber`. */
let maxArmings: u64 = 1 << 37;
/** The pass gives entries whose key is below this. */
let horizon: u64 = 0;

export function lowerArmings(limit: u64): void {
  maxArmings = limit;
}

export function initTimers(): void {
  store<u32>(IDLE, NIL);
  initHeaps();
  initWheel();
}

export function arm(slot: u32, at: f64, priority: u32): void {
  assert(posOf(slot) === UNARMED, 'H2: arm: the slot is armed');
  assert(!isNaN(at), 'H1: arm: NaN has no order');
  assert(priority <= PRIORITY_LATEST, 'arm: no such priority');
  if (armings >= maxArmings) renumber();
  const key = (armings++ << LOWER_BITS) | u64((priority << 24) | slot);
  if (!put(at, key)) insert(priority, at, key);
  ++armed;
}

/** False if it was not armed: it had fired, or never was. Both are ordinary races. */
export function disarm(slot: u32): bool {
  const pos = posOf(slot);
  if (pos === UNARMED) return false;
  setPos(slot, UNARMED);
  --armed;
  if (pos >= WHEEL) takeOut(pos);
  else remove(pos >> LANE_SHIFT, pos & CELL_MASK);
  return true;
}

export function deadline(slot: u32): f64 {
  const pos = posOf(slot);
  if (pos === UNARMED) return Infinity;
  const cell = pos & CELL_MASK;
  return atOf(pos >= WHEEL ? entryAt(cell) : entry(pos >> LANE_SHIFT, cell));
}

/** Opens a bucket if the earliest is not in a heap yet, so over time each timer costs this at most one insertion. */
export function nextDeadline(): f64 {
  const earliest = earliestOf();
  return openBefore(earliest) ? earliestOf() : earliest;
}

export function beginDue(): void {
  putBack();
  horizon = armings << LOWER_BITS;
}

/** Disarm the next slot of the pass that is due, and give it; NIL if there is none. */
export function takeDue(now: f64): u32 {
  openDue(now);
  for (let lane: u32 = 0; lane < ASIDE; ++lane) {
    while (endOf(lane) > ROOT) {
      const root = entry(lane, ROOT);
      const at = atOf(root);
      const key = keyOf(root);
      if (at > now) break;
      remove(lane, ROOT);
      if (key < horizon) {
        setPos(slotOf(key), UNARMED);
        --armed;
        return slotOf(key);
      }
      // Armed in this pass and due already. If it stayed it would hide older ones below it.
      append(lane + ASIDE, at, key);
    }
  }
  putBack();
  return NIL;
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

// Number the armings anew, from 0. The order of each priority stays, and on which side of the horizon an entry is.
function renumber(): void {
  putBack();
  gather();
  let older: u64 = 0;
  let younger: u64 = armed;
  for (let lane: u32 = 0; lane < ASIDE; ++lane) {
    sort(lane);
    const end = endOf(lane);
    for (let cell = ROOT; cell < end; ++cell) {
      const at = atOf(entry(lane, cell));
      const key = keyOf(entry(lane, cell));
      const arming = key < horizon ? older++ : younger++;
      write(lane, cell, at, (arming << LOWER_BITS) | (key & LOWER_MASK));
    }
  }
  horizon = u64(armed) << LOWER_BITS;
  armings = younger;
}
