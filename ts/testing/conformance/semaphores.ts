// SEMAPHORE rows: permits and who gets them.

import { Counter, NIL, Place, Priority, RowKind, Why } from '../../core/contract.ts';
import {
  type Body,
  entriesOf,
  GREENLET,
  NORMAL,
  parked,
  placesOf,
  Random,
  runAll,
  runDue,
  same,
  takeMany,
  turn,
  waitersOf,
} from './tools.ts';

export const SEMAPHORES: Record<string, Body> = {
  'permits are counted, taken at once while there are any, and given back'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.SEMAPHORE, 3);
    const [a, b] = takeMany(core, 2);
    same([core.value(row), core.semTry(row), core.value(row)], [3, 1, 2], 'permits');
    same([core.semAcquire(row, a), core.semAcquire(row, b), core.value(row)], [1, 1, 0], 'permits');
    same([core.semTry(row), core.value(row)], [0, 0], 'permits');
    same(placesOf(core, [a, b]), [0, 0], 'places');
    same([core.semRelease(row, 1), core.semRelease(row, 4)], [1, 5], 'permits');
    same([entriesOf(core), core.waiting(row)], [[], 0], 'ring and waiters');
  },

  'as many waiters run as permits are released, in order, and each takes one'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 5);
    const other = core.take(GREENLET);
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    same([core.place(slots[0]), core.rowOf(slots[0])], [Place.WAITING, row], 'place and row');
    same(core.semRelease(row, 1), 1, 'permits');
    same(core.semRelease(row, 2), 3, 'permits');
    core.ready(other);
    same(entriesOf(core), [~row, other], 'ring');
    same([turn(core), core.value(row)], [slots[0], 2], 'first');
    same(core.place(slots[0]), Place.LOOSE, 'place');
    same(runAll(core), [slots[1], slots[2], other], 'trace');
    same([core.value(row), waitersOf(core, row)], [0, slots.slice(3)], 'what is left');
    same(core.counter(Counter.TIMERS), 2, 'timers');
  },

  'whoever asks before the notification has the permit, and the waiter stays'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 2);
    const barger = core.take(GREENLET);
    core.semRelease(row, 1);
    same([core.semAcquire(row, barger), core.value(row)], [1, 0], 'the barger');
    same([turn(core), turn(core)], [NIL, undefined], 'the pass');
    same(waitersOf(core, row), slots, 'who waits');
    core.semRelease(row, 1);
    same(core.semTry(row), 1, 'semTry');
    same(runAll(core), [], 'trace');
    core.semRelease(row, 1);
    same(runAll(core), [slots[0]], 'trace');
  },

  'permits taken during the pass end it, and a later release begins another'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 4);
    core.semRelease(row, 3);
    same(turn(core), slots[0], 'first');
    same([core.semTry(row), core.semTry(row)], [1, 1], 'semTry');
    same(runAll(core), [], 'trace');
    core.semRelease(row, 2);
    same(runAll(core), [slots[1], slots[2]], 'trace');
  },

  'a permit that the waiter running now gives back goes on with the same pass'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 3);
    const other = core.take(GREENLET);
    core.semRelease(row, 1);
    core.ready(other);
    same(
      runAll(core, (slot) => slot !== other && core.semRelease(row, 1)),
      [...slots, other],
      'trace',
    );
    same(core.value(row), 1, 'permits');
  },

  'who parks without asking for a permit is notified while there are any, and takes none'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.SEMAPHORE, 0);
    const [taker, watcher, second, last] = takeMany(core, 4);
    core.park(watcher, row);
    core.semAcquire(row, taker);
    core.semAcquire(row, second);
    core.park(last, row);
    core.semRelease(row, 1);
    same([turn(core), core.value(row)], [watcher, 1], 'first');
    same([turn(core), core.value(row)], [taker, 0], 'second');
    same(runAll(core), [], 'trace');
    same(waitersOf(core, row), [second, last], 'who waits');
    core.semRelease(row, 2);
    same(runAll(core), [second, last], 'trace');
    same(core.value(row), 1, 'permits');
  },

  'a slot parked on a semaphore with permits is notified, and belongs to a pass that is under way'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.SEMAPHORE, 2);
    const [a, b, c, other] = takeMany(core, 4);
    core.park(a, row);
    core.park(b, row);
    core.ready(other);
    same(entriesOf(core), [~row, other], 'ring');
    same(turn(core), a, 'first');
    core.park(c, row);
    same(runAll(core), [b, c, other], 'trace');
  },

  'acquirers that come during the pass wait for another, which is scheduled at the back'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 2);
    const [late, other] = takeMany(core, 2);
    core.semRelease(row, 1);
    same(turn(core), slots[0], 'first');
    same(core.semAcquire(row, late), 0, 'semAcquire');
    core.semRelease(row, 2);
    core.ready(other);
    same(turn(core), slots[1], 'last of the pass');
    same(entriesOf(core), [other, ~row], 'ring');
    same(runAll(core), [other, late], 'trace');
    same(core.value(row), 0, 'permits');
  },

  'a waiter that is killed between release and notification loses no permit'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 3);
    core.semRelease(row, 1);
    same(core.leave(slots[0]), true, 'leave');
    same(core.value(row), 1, 'permits');
    same([runAll(core), core.value(row)], [[slots[1]], 0], 'trace and permits');
    core.semRelease(row, 1);
    core.leave(slots[2]);
    same([turn(core), core.value(row)], [undefined, 1], 'the pass that was called off');
    same([core.semTry(row), core.value(row)], [1, 0], 'semTry');
  },

  'waiters that leave or time out during the pass take nothing'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 5);
    core.arm(slots[3], 5, Priority.LATE);
    core.semRelease(row, 4);
    same(turn(core), slots[0], 'first');
    core.leave(slots[1]);
    same(runDue(core, 5), [slots[3]], 'due');
    same(core.why(slots[3]), Why.TIMED_OUT, 'why');
    same([runAll(core), core.value(row)], [[slots[2], slots[4]], 1], 'trace and permits');
  },

  'permits are conserved, whoever comes and goes'(makeCore) {
    const core = makeCore();
    const random = new Random(11);
    const row = core.rowNew(RowKind.SEMAPHORE, 4);
    const slots = takeMany(core, 12);
    const holders = new Set<number>();
    for (let i = 0; i < 4000; ++i) {
      const slot = slots[random.below(12)];
      if (holders.delete(slot)) core.semRelease(row, 1);
      else if (core.place(slot) === Place.WAITING) core.leave(slot);
      else if (core.semAcquire(row, slot)) holders.add(slot);
      if (random.below(2)) {
        const given = turn(core);
        if (given !== undefined && given !== NIL) holders.add(given);
      }
      same(core.value(row) + holders.size, 4, 'permits and holders');
    }
  },
};
