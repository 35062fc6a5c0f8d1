// The core as a whole: how it starts, and what it counts.

import {
  COUNTER_BYTES,
  COUNTER_CAPACITY,
  COUNTER_KIND,
  COUNTER_READY,
  COUNTER_RETIRED,
  COUNTER_SLOTS,
  COUNTER_TIMERS,
} from './abi';
import { slotRoom } from './layout';
import { grow, readyCount } from './ready';
import { kindCount, retired, slots } from './slots';
import { armed, initTimers } from './timers';

/** Once, before anything else, with room for that many. False if there is no memory for it. */
export function init(slots: u32, rows: u32): bool {
  assert(slotRoom === 0 && slots > 0 && rows > 0, 'init: called twice, or with no room');
  initTimers();
  return grow(slots, rows);
}

/** All but those of rows, which ts/core/waits.ts counts. */
export function counter(which: u32): f64 {
  switch (which) {
    case COUNTER_SLOTS:
      return slots;
    case COUNTER_READY:
      return readyCount();
    case COUNTER_TIMERS:
      return armed;
    case COUNTER_CAPACITY:
      return slotRoom;
    case COUNTER_RETIRED:
      return retired;
    case COUNTER_BYTES:
      return f64(memory.size()) * 65536;
    default:
      return kindCount(which - COUNTER_KIND);
  }
}
