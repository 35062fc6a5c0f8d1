// What only the pure core has: verify() that finds broken invariants, and growth that may fail for lack of memory.

import { afterEach, expect, test } from 'vitest';
import { Counter, HOLE, Kind, NIL, Priority, RowKind, Word } from '../../ts/core/contract.ts';
import { createPureCore, type PureCore } from '../../ts/core/pure.ts';

/** A core with something of everything in it. */
function busyCore(): { core: PureCore; ready: number[]; event: number } {
  const core = createPureCore({ rows: 4 });
  const [a, b, c, d] = Array.from({ length: 4 }, () => core.take(Kind.GREENLET));
  const event = core.rowNew(RowKind.EVENT, 0);
  core.ready(a);
  core.ready(b);
  core.park(c, event);
  core.eventSet(event);
  for (const at of [5, 3, 8, 1, 9]) core.arm(core.take(Kind.TIMER), at, Priority.NORMAL);
  core.arm(d, 4, Priority.LATE);
  core.verify();
  return { core, ready: [a, b], event };
}

test('verify finds a slot that is in the ring twice', () => {
  const { core, ready } = busyCore();
  core.ready(ready[0]);
  expect(() => core.verify()).toThrow(`core:pure is broken: R2, R3: ${ready[0]} is in the ring twice`);
});

test('verify finds a slot that is in the ring and in a list', () => {
  const { core, ready, event } = busyCore();
  core.park(ready[1], event);
  expect(() => core.verify()).toThrow(`R2: slot ${ready[1]} is in the ring, and waits`);
});

test('verify finds a slot that is in the ring and armed', () => {
  const { core, ready } = busyCore();
  core.arm(ready[1], 7, Priority.NORMAL);
  expect(() => core.verify()).toThrow(`S2: slot ${ready[1]} is in the ring, and armed`);
});

test('verify finds a slot that was freed while it was in use', () => {
  const inRing = busyCore();
  inRing.core.free(inRing.ready[0]);
  expect(() => inRing.core.verify()).toThrow(`R2: slot ${inRing.ready[0]} is in the ring, and dead`);
  const waiting = busyCore();
  waiting.core.free(waiting.core.first(waiting.event));
  expect(() => waiting.core.verify()).toThrow('S3: slot 2 is free, and waits or is armed');
});

test('verify finds a notifier that fell out of the ring, and one that is in it for no reason', () => {
  const lost = busyCore();
  const { words, ring } = lost.core;
  expect(ring[words[Word.TAIL] - 1]).toBe(~lost.event);
  words[Word.TAIL] -= 1;
  expect(() => lost.core.verify()).toThrow(`N1: row ${lost.event} is pending, and not in the ring`);

  const { core } = busyCore();
  const row = core.rowNew(RowKind.EVENT, 0);
  core.ready(~row);
  expect(() => core.verify()).toThrow(`N1: row ${row} is in the ring, and not pending`);
});

test('verify finds a timer in the wrong place of its heap', () => {
  const { core } = busyCore();
  core.nextDue(9); // opens the buckets, and gives none: no pass has begun
  core.beginDue();
  core.verify();
  const heap = core.timers.heaps[Priority.NORMAL];
  [heap.at[0], heap.at[1]] = [heap.at[1], heap.at[0]];
  expect(() => core.verify()).toThrow(/T1: heap entry \d is early/);
  [heap.at[0], heap.at[1]] = [heap.at[1], heap.at[0]];
  core.verify();
  heap.size -= 1;
  expect(() => core.verify()).toThrow('T2: 5 timers in heaps and wheel, 6 counted');
});

test('verify finds a timer in the wrong bucket of the wheel', () => {
  const { core } = busyCore();
  const { buckets } = core.timers.wheel;
  const [first] = buckets.filter(({ size }) => size > 0);
  first.at[0] += 4;
  expect(() => core.verify()).toThrow(/V1: a timer for [5-9] is in bucket \d/);
  first.at[0] -= 4;
  core.verify();
  const { size } = first;
  first.size = 0;
  expect(() => core.verify()).toThrow('V2: bucket 0 holds 0 timers, its bit is 1');
  first.size = size;
  first.at[0] = 0;
  expect(() => core.verify()).toThrow('V3: a timer for 0 is before all of bucket 0');
});

test('verify finds a ring whose holes the core does not know', () => {
  const { core } = busyCore();
  core.ready(HOLE);
  expect(() => core.verify()).toThrow('R4: 1 holes are in the ring, 0 counted');
});

// ---- no memory ----------------------------------------------------------------------------------------------------

const constructors = [Int32Array, Uint8Array, Float64Array];
afterEach(() => {
  for (const type of constructors) type.prototype.constructor = type;
});

/** From the `allowed`-th column on there is no memory to grow it. */
function outOfMemory(allowed: number): void {
  let columns = 0;
  for (const type of constructors) {
    // A constructor, as the core calls it; what it returns is what `new` gives.
    type.prototype.constructor = function grow(length: number) {
      if (columns++ >= allowed) throw new RangeError('Array buffer allocation failed');
      return new type(length);
    };
  }
}

test('take and rowNew give NIL when there is no memory, nothing has changed, and they go on when there is', () => {
  for (let allowed = 0; allowed < 4; ++allowed) {
    const core = createPureCore({ rows: 4 });
    const slots = Array.from({ length: 4 }, () => core.take(Kind.GREENLET));
    const rows = Array.from({ length: 4 }, (_, i) => core.rowNew(RowKind.SEMAPHORE, i));
    core.arm(slots[0], 5, Priority.NORMAL);
    core.park(slots[1], rows[0]);
    core.ready(slots[2]);

    outOfMemory(allowed);
    expect(core.take(Kind.GREENLET)).toBe(NIL);
    core.verify();
    outOfMemory(0);
    expect(core.rowNew(RowKind.LIST, 0)).toBe(NIL);
    core.verify();
    expect([core.counter(Counter.SLOTS), core.counter(Counter.ROWS), core.counter(Counter.CAPACITY)]).toEqual([
      4, 4, 4,
    ]);

    for (const type of constructors) type.prototype.constructor = type;
    expect([core.take(Kind.GREENLET), core.rowNew(RowKind.LIST, 0)]).toEqual([4, 4]);
    core.verify();
    expect(rows.map((row) => core.value(row))).toEqual([0, 1, 2, 3]);
    expect([core.deadline(slots[0]), core.rowOf(slots[1]), core.place(slots[2])]).toEqual([5, rows[0], 1]);
  }
});

test('without memory for another timer in its heap arm throws, and no timer is lost', () => {
  const core = createPureCore({ rows: 16 });
  const slots = Array.from({ length: 9 }, () => core.take(Kind.TIMER));
  for (const slot of slots.slice(0, 4)) core.arm(slot, slot - 9, Priority.NORMAL);
  outOfMemory(1);
  expect(() => core.arm(slots[4], -9, Priority.NORMAL)).toThrow(RangeError);
  core.verify();
  for (const slot of slots.slice(5)) core.arm(slot, slot - 9, Priority.HIGH);
  core.beginDue();
  expect([0, 1, 2, 3].map(() => core.nextDue(9))).toEqual([5, 6, 7, 8]);
  expect([core.counter(Counter.TIMERS), core.nextDeadline()]).toEqual([4, -9]);

  // Five timers armed in the pass have no room in the heap that would keep them for the next one.
  for (const type of constructors) type.prototype.constructor = type;
  for (const slot of slots.slice(4)) core.arm(slot, -slot, Priority.HIGH);
  outOfMemory(1);
  expect(() => core.nextDue(9)).toThrow(RangeError);
  core.verify();
  for (const type of constructors) type.prototype.constructor = type;
  expect([0, 1, 2, 3, 4].map(() => core.nextDue(9))).toEqual([0, 1, 2, 3, NIL]);
  core.beginDue();
  expect([0, 1, 2, 3, 4, 5].map(() => core.nextDue(9))).toEqual([8, 7, 6, 5, 4, NIL]);
});

test('without memory the wheel gives to the heaps, or keeps what it has, and no timer is lost', () => {
  const core = createPureCore({ rows: 16 });
  const slots = Array.from({ length: 16 }, () => core.take(Kind.TIMER));
  for (const slot of slots.slice(0, 8)) core.arm(slot, 5000, Priority.NORMAL);
  outOfMemory(1);
  // The bucket is full, the heap has room for four.
  for (const slot of slots.slice(8, 12)) core.arm(slot, 5000, Priority.NORMAL);
  expect(() => core.arm(slots[12], 5000, Priority.NORMAL)).toThrow(RangeError);
  core.verify();
  core.beginDue();
  expect(() => core.nextDue(4999)).toThrow(RangeError); // a cascade
  expect(() => core.nextDue(5000)).toThrow(RangeError);
  core.verify();
  expect(core.counter(Counter.TIMERS)).toBe(12);
  for (const type of constructors) type.prototype.constructor = type;
  expect(core.nextDue(4999)).toBe(NIL);
  core.verify();
  expect(slots.slice(0, 13).map(() => core.nextDue(5000))).toEqual([...slots.slice(0, 12), NIL]);
});

test('an error that is not one of memory is not hidden', () => {
  const core = createPureCore({ rows: 1 });
  core.take(Kind.GREENLET);
  core.rowNew(RowKind.LIST, 0);
  Int32Array.prototype.constructor = () => {
    throw new TypeError('something else');
  };
  expect(() => core.take(Kind.GREENLET)).toThrow(TypeError);
  expect(() => core.rowNew(RowKind.LIST, 0)).toThrow(TypeError);
});

test('a core that may have one slot has one slot', () => {
  const core = createPureCore({ rows: 100, maxSlots: 1 });
  expect([core.take(Kind.GREENLET), core.take(Kind.GREENLET)]).toEqual([0, NIL]);
  expect(core.counter(Counter.CAPACITY)).toBe(1);
});

test('bytes cover every column: a slot costs under 70 bytes, an armed one under 100', () => {
  const core = createPureCore({ rows: 1 });
  const before = core.counter(Counter.BYTES);
  const size = 2 ** 16;
  for (let i = 0; i < size; ++i) core.take(Kind.GREENLET);
  const idle = core.counter(Counter.BYTES) - before;
  expect(idle / size).toBeGreaterThan(30);
  expect(idle / size).toBeLessThan(70);
  for (let slot = 0; slot < size; ++slot) core.arm(slot, slot, Priority.NORMAL);
  expect((core.counter(Counter.BYTES) - before) / size).toBeLessThan(100);
});
