// Slots: taken, freed, resolved, counted.

import { Counter, Kind, NIL, Place, RowKind, Why, Word } from '../../core/contract.ts';
import {
  type Body,
  count,
  entriesOf,
  GREENLET,
  NORMAL,
  nothingLeft,
  placesOf,
  Random,
  runAll,
  runDue,
  same,
  takeMany,
  turnToEnd,
  waitersOf,
} from './tools.ts';

export const SLOTS: Record<string, Body> = {
  'a fresh core is empty, and takes its slots and rows from 0 upwards'(makeCore) {
    const core = makeCore();
    same(core.words[Word.HEAD], core.words[Word.TAIL], 'HEAD and TAIL');
    same(core.nextDeadline(), Infinity, 'nextDeadline()');
    nothingLeft(core, 'counters');
    same(takeMany(core, 5), count(5), 'slots');
    same(
      count(5).map(() => core.rowNew(RowKind.LIST, 0)),
      count(5),
      'rows',
    );
  },

  'a slot is taken loose, waits nowhere, has no timer and was woken by nobody'(makeCore) {
    const core = makeCore();
    const slot = core.take(Kind.WAITER);
    same(core.place(slot), Place.LOOSE, 'place');
    same(core.rowOf(slot), NIL, 'rowOf');
    same(core.next(slot), NIL, 'next');
    same(core.why(slot), Why.WOKEN, 'why');
    same(core.deadline(slot), Infinity, 'deadline');
    same(core.disarm(slot), false, 'disarm');
    same(core.leave(slot), false, 'leave');
    same(core.unready(slot), false, 'unready');
  },

  'takeReady gives the slot that take would, at the back of the ring'(makeCore) {
    const core = makeCore();
    const slots = takeMany(core, 3);
    core.ready(slots[0]);
    for (const slot of [1, 2]) core.free(slots[slot]);
    const taken = count(3).map(() => core.takeReady(Kind.WAITER));
    same(taken, [2, 1, 3], 'slots');
    same(core.counter(Counter.KIND + Kind.WAITER), 3, 'waiters');
    same(core.place(taken[2]), Place.READY, 'place');
    same(runAll(core), [slots[0], ...taken], 'trace');
    same(core.why(taken[0]), Why.WOKEN, 'why');
  },

  'the slot freed last is taken first'(makeCore) {
    const core = makeCore();
    const slots = takeMany(core, 6);
    for (const slot of [4, 1, 3]) core.free(slots[slot]);
    same(takeMany(core, 4), [3, 1, 4, 6], 'slots');
  },

  'slots are counted, each kind by itself'(makeCore) {
    const core = makeCore();
    const kinds = Object.values(Kind);
    const taken = kinds.flatMap((kind, i) => count(i + 1).map(() => core.take(kind)));
    for (const [i, kind] of kinds.entries()) same(core.counter(Counter.KIND + kind), i + 1, `slots of kind ${kind}`);
    same(core.counter(Counter.SLOTS), 21, 'slots');
    for (const slot of taken) core.free(slot);
    nothingLeft(core, 'counters');
    core.take(Kind.LINK); // a slot that was something else before
    same(core.counter(Counter.KIND + Kind.LINK), 1, 'links');
    same(core.counter(Counter.SLOTS), 1, 'slots');
  },

  'a handle is slot + generation * 2^24, and names one life of a slot'(makeCore) {
    const core = makeCore();
    const [, , slot] = takeMany(core, 3);
    const handles: number[] = [];
    for (const life of count(50)) {
      handles.push(core.handle(slot));
      same(core.handle(slot), slot + life * 2 ** 24, `handle of life ${life}`);
      same(core.resolve(handles[life]), slot, `resolve in life ${life}`);
      core.free(slot);
      same(core.resolve(handles[life]), NIL, `resolve after life ${life}`);
      same(core.resolve(handles[life] + 2 ** 24), NIL, 'resolve of a life that has not begun');
      same(core.take(GREENLET), slot, 'the slot of the next life');
    }
    for (const handle of handles) same(core.resolve(handle), NIL, 'resolve of a life long over');
    same(core.resolve(core.handle(slot)), slot, 'resolve of the present life');
  },

  'a new life begins woken, however the last one ended'(makeCore) {
    const core = makeCore();
    const slot = core.take(GREENLET);
    const row = core.rowNew(RowKind.LIST, 0);
    core.park(slot, row);
    core.arm(slot, 1, NORMAL);
    runDue(core, 1);
    same(core.why(slot), Why.TIMED_OUT, 'why');
    core.free(slot);
    same(core.take(GREENLET), slot, 'slot');
    same(core.why(slot), Why.WOKEN, 'why in the next life');
  },

  'CAPACITY and BYTES say what is reserved'(makeCore) {
    const core = makeCore();
    takeMany(core, 1000);
    same(core.counter(Counter.CAPACITY) >= 1000, true, 'capacity for the slots taken');
    same(core.counter(Counter.BYTES) >= 1000 * 4, true, 'bytes for the slots taken');
    same(core.counter(Counter.RETIRED), 0, 'retired');
  },

  'slots grow with everything in place, wherever the ring stands'(makeCore) {
    for (const turned of [false, true]) {
      const core = makeCore({ rows: 3 });
      const random = new Random(1);
      const [a, b, c, d, e] = takeMany(core, 5);
      const sleepers = takeMany(core, 60);
      const row = core.rowNew(RowKind.LIST, 0);
      const event = core.rowNew(RowKind.EVENT, 0);
      const semaphore = core.rowNew(RowKind.SEMAPHORE, 0);
      const [taker, timedOut] = takeMany(core, 2);
      core.park(timedOut, row);
      core.arm(timedOut, 0, NORMAL);
      runDue(core, 0);
      core.semAcquire(semaphore, taker);
      if (turned) turnToEnd(core, a);
      for (const sleeper of sleepers) core.arm(sleeper, random.below(20), random.below(5));
      for (const slot of [a, b]) core.ready(slot);
      core.park(c, row);
      core.park(d, row);
      core.park(e, event);
      core.eventSet(event);
      core.words[Word.BUDGET] = 77;
      const deadlines = sleepers.map((slot) => core.deadline(slot));
      const handles = [a, b, c, d, e].map((slot) => core.handle(slot));
      const { ring } = core;
      const capacity = core.counter(Counter.CAPACITY);

      for (let i = 0; core.counter(Counter.CAPACITY) === capacity || core.ring.length === ring.length; ++i) {
        if (i > 1e6) throw new Error('a million slots more, and CAPACITY or the ring is as it was');
        core.take(GREENLET);
      }

      same(core.ring.length > ring.length, true, 'the ring is longer');
      same(core.words[Word.MASK], core.ring.length - 1, 'MASK');
      same(core.words[Word.BUDGET], 77, 'BUDGET');
      same([core.why(a), core.why(timedOut)], [Why.WOKEN, Why.TIMED_OUT], 'reasons');
      same(entriesOf(core), [a, b, ~event], 'ring');
      same(placesOf(core, [a, b, c, d, e]), [1, 1, 2, 2, 2], 'places');
      same([waitersOf(core, row), waitersOf(core, event)], [[c, d], [e]], 'waiters');
      same([core.rowOf(d), core.rowOf(e)], [row, event], 'rows');
      same(
        handles.map((handle) => core.resolve(handle)),
        [a, b, c, d, e],
        'resolved',
      );
      same(
        sleepers.map((slot) => core.deadline(slot)),
        deadlines,
        'deadlines',
      );
      same(core.semRelease(semaphore, 3), 3, 'permits');
      same(runAll(core), [a, b, e, taker], 'trace');
      same(core.value(semaphore), 2, 'permits');
      for (const sleeper of sleepers.filter((_, i) => i % 3 === 0)) same(core.disarm(sleeper), true, 'disarm');
      same(runDue(core, 20).length, 40, 'timers that fire');
      core.verify();
    }
  },

  'rows grow with everything in place, wherever the ring stands'(makeCore) {
    for (const turned of [false, true]) {
      const core = makeCore({ rows: 3 });
      const [a, b, c] = takeMany(core, 3);
      const event = core.rowNew(RowKind.EVENT, 0);
      if (turned) turnToEnd(core, a);
      core.ready(a);
      core.ready(b);
      core.park(c, event);
      core.eventSet(event);
      const rows = count(5000).map((i) => core.rowNew(RowKind.SEMAPHORE, i));
      same(entriesOf(core), [a, b, ~event], 'ring');
      same(
        rows.map((row) => core.value(row)),
        count(5000),
        'permits',
      );
      same(core.waiting(event), 1, 'waiters');
      same(core.counter(Counter.ROWS), 5001, 'rows');
      same(runAll(core), [a, b, c], 'trace');
    }
  },
};
