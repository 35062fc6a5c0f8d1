// Rows of all kinds: their lives, and their waiters with deadlines.

import { Counter, NIL, RowKind } from '../../core/contract.ts';
import { type Body, count, entriesOf, nothingLeft, parked, runAll, runDue, same, takeMany, turn } from './tools.ts';

export const ROWS: Record<string, Body> = {
  'several rows that are pending have their passes one after the other, in order'(makeCore) {
    const core = makeCore();
    const rows = [RowKind.EVENT, RowKind.SEMAPHORE, RowKind.LATCH, RowKind.EVENT].map((kind) => core.rowNew(kind, 0));
    const [event, semaphore, latch, second] = rows;
    const channel = core.rowNew(RowKind.CHANNEL, 0);
    const waiters = rows.map((row) => {
      const slots = takeMany(core, 3);
      for (const slot of slots) row === semaphore ? core.semAcquire(row, slot) : core.park(slot, row);
      return slots;
    });
    const [getter, putter] = takeMany(core, 2);
    core.eventSet(second);
    core.semRelease(semaphore, 2);
    core.chanGet(channel, getter);
    core.chanPut(channel, putter);
    core.eventSet(event);
    core.latchFire(latch);
    same(
      entriesOf(core),
      [second, semaphore, channel, event, latch].map((row) => ~row),
      'ring',
    );
    same(
      runAll(core),
      [...waiters[3], ...waiters[1].slice(0, 2), getter, putter, ...waiters[0], ...waiters[2]],
      'trace',
    );
  },

  'a notification scheduled during a pass waits for its turn'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    const latch = core.rowNew(RowKind.LATCH, 0);
    const [waiter, other] = takeMany(core, 2);
    core.park(waiter, latch);
    core.eventSet(row);
    core.ready(other);
    same(turn(core), slots[0], 'first');
    core.latchFire(latch);
    same(entriesOf(core), [~row, other, ~latch], 'ring');
    same(runAll(core), [slots[1], slots[2], other, waiter], 'trace');
  },

  'the row freed last is made first, and is as new'(makeCore) {
    const core = makeCore();
    const [a, b, c] = count(3).map(() => core.rowNew(RowKind.SEMAPHORE, 7));
    core.rowFree(b);
    core.rowFree(a);
    same(core.counter(Counter.ROWS), 1, 'rows');
    same([core.rowNew(RowKind.LIST, 0), core.rowNew(RowKind.EVENT, 1)], [a, b], 'rows');
    same([core.value(a), core.waiting(a), core.first(a)], [0, 0, NIL], 'the new row');
    same([core.value(b), core.value(c), core.counter(Counter.ROWS)], [1, 7, 3], 'the others');
  },

  'a row that is freed takes its notifier with it'(makeCore) {
    for (const began of [false, true]) {
      const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
      const [a, b] = takeMany(core, 2);
      core.ready(a);
      core.eventSet(row);
      core.ready(b);
      if (began) {
        same([turn(core), turn(core)], [a, slots[0]], 'what runs');
        core.readyFront(a);
      }
      for (const slot of slots) core.leave(slot);
      core.rowFree(row);
      same([entriesOf(core), core.counter(Counter.READY)], [[a, b], 2], 'ring');
      same(core.rowNew(RowKind.EVENT, 0), row, 'the next row');
      core.park(slots[0], row);
      same(entriesOf(core), [a, b], 'ring');
      core.eventSet(row);
      same(entriesOf(core), [a, b, ~row], 'ring');
      same(runAll(core), [a, b, slots[0]], 'trace');
    }
  },

  'rows are freed with their notifiers any number of times, and holes never fill the ring'(makeCore) {
    const core = makeCore({ rows: 3 });
    const [a, ...others] = takeMany(core, 10);
    for (const slot of others) core.ready(slot);
    for (let i = 0; i < core.ring.length * 2 + 100; ++i) {
      const row = core.rowNew(RowKind.LATCH, 0);
      core.latchFire(row);
      core.park(a, row);
      core.leave(a);
      core.rowFree(row);
    }
    same([entriesOf(core), core.counter(Counter.READY)], [others, 9], 'ring');
  },

  'a row that becomes ready with a notification under way has one entry in the ring'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 4);
    for (let i = 0; i < 3; ++i) core.semRelease(row, 1);
    same(entriesOf(core), [~row], 'ring');
    same(turn(core), slots[0], 'first');
    core.semRelease(row, 1);
    same(entriesOf(core), [~row], 'ring');
    same(runAll(core), slots.slice(1), 'trace');
  },

  'when all is given back, all counters are back at zero'(makeCore) {
    const core = makeCore({ rows: 3 });
    for (const round of count(3)) {
      const slots = takeMany(core, 64);
      const rows = Object.values(RowKind).map((kind) => core.rowNew(kind, 0));
      for (const [i, slot] of slots.entries()) {
        const row = rows[i % 5];
        if (i % 5 === RowKind.CHANNEL) i % 2 ? core.chanPut(row, slot) : core.chanGet(row, slot);
        else if (i % 5 === RowKind.SEMAPHORE) core.semAcquire(row, slot);
        else core.park(slot, row);
        if (i % 3 === 0) core.arm(slot, i, i % 5);
      }
      core.wakeOne(rows[RowKind.LIST]);
      core.eventSet(rows[RowKind.EVENT]);
      core.semRelease(rows[RowKind.SEMAPHORE], 2);
      core.latchFire(rows[RowKind.LATCH]);
      if (round > 0) for (let i = 0; i < 9; ++i) turn(core);
      runDue(core, 30);
      for (const slot of slots) {
        core.leave(slot);
        core.unready(slot);
        core.free(slot);
      }
      for (const row of rows) core.rowFree(row);
      nothingLeft(core, `counters after round ${round}`);
      same([core.nextDeadline(), entriesOf(core)], [Infinity, []], 'deadline and ring');
    }
  },
};
