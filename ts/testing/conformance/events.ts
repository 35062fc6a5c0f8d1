// EVENT rows: who is told of a set, in which turn.

import { Counter, NIL, Place, Priority, RowKind, Why } from '../../core/contract.ts';
import {
  type Body,
  entriesOf,
  GREENLET,
  NORMAL,
  parked,
  runAll,
  runDue,
  same,
  takeMany,
  turn,
  waitersOf,
} from './tools.ts';

export const EVENTS: Record<string, Body> = {
  'setting an event schedules its notifier once, behind what is ready, and only if somebody waits'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.EVENT, 0);
    const [a, b] = takeMany(core, 2);
    core.eventSet(row);
    same([core.value(row), entriesOf(core)], [1, []], 'flag and ring');
    core.eventClear(row);
    same(core.value(row), 0, 'flag');
    same(core.eventWait(row, a), 0, 'eventWait');
    same([core.place(a), core.rowOf(a)], [Place.WAITING, row], 'place and row');
    core.ready(b);
    core.eventSet(row);
    core.eventSet(row);
    same(entriesOf(core), [b, ~row], 'ring');
    same(core.counter(Counter.READY), 2, 'ready');
    same(runAll(core), [b, a], 'trace');
  },

  'an event that was new with its flag up is up'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.EVENT, 1);
    same([core.value(row), core.eventWait(row, core.take(GREENLET))], [1, 1], 'flag and eventWait');
    same([core.waiting(row), entriesOf(core)], [0, []], 'waiters and ring');
  },

  'the waiters of an event run in order, before anything else goes on, loose, woken and without timer'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    const other = core.take(GREENLET);
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    core.eventSet(row);
    core.ready(other);
    for (const [i, slot] of slots.entries()) {
      same(entriesOf(core), [~row, other], 'ring');
      same(turn(core), slot, 'what runs');
      same([core.place(slot), core.why(slot), core.deadline(slot)], [Place.LOOSE, Why.WOKEN, Infinity], 'its state');
      same([core.waiting(row), core.counter(Counter.TIMERS)], [2 - i, 2 - i], 'waiters and timers left');
    }
    same(entriesOf(core), [other], 'ring after the last waiter');
    same(core.value(row), 1, 'flag');
  },

  'what a waiter makes ready runs behind the pass, and what it puts in front runs before the pass goes on'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    const [first, behind, front] = [slots[0], ...takeMany(core, 2)];
    core.eventSet(row);
    const trace = runAll(core, (slot) => {
      if (slot !== first) return;
      core.ready(behind);
      core.readyFront(front);
    });
    same(trace, [first, front, slots[1], slots[2], behind], 'trace');
  },

  'a flag lowered before or during the pass stops nobody who was there when it began'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    const [late, later] = takeMany(core, 2);
    core.eventSet(row);
    core.park(late, row);
    core.eventClear(row);
    same(core.eventWait(row, later), 0, 'eventWait before the pass begins');
    same(entriesOf(core), [~row], 'ring');
    same(runAll(core), [...slots, late, later], 'trace');
    same(core.value(row), 0, 'flag');

    for (const slot of slots) core.park(slot, row);
    core.eventSet(row);
    same(
      runAll(core, () => core.eventClear(row)),
      slots,
      'trace',
    );
  },

  'who parks during a pass while the flag is down waits for another'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 2);
    const [late, other] = takeMany(core, 2);
    core.eventSet(row);
    core.ready(other);
    same(turn(core), slots[0], 'first');
    core.eventClear(row);
    same(core.eventWait(row, late), 0, 'eventWait');
    same(runAll(core), [slots[1], other], 'trace');
    same(waitersOf(core, row), [late], 'who waits');
    core.eventSet(row);
    same(runAll(core), [late], 'trace');
  },

  'a flag raised again during the pass gives those who came in between a pass of their own, at the back'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 2);
    const [late, other] = takeMany(core, 2);
    core.eventSet(row);
    core.ready(other);
    same(turn(core), slots[0], 'first');
    core.eventClear(row);
    core.eventWait(row, late);
    core.eventSet(row);
    same(entriesOf(core), [~row, other], 'ring');
    same(turn(core), slots[1], 'last of the pass');
    same(entriesOf(core), [other, ~row], 'ring');
    same(runAll(core), [other, late], 'trace');
  },

  'who waits on a raised flag while its notification is under way queues behind the older ones'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 2);
    const [early, late, other] = takeMany(core, 3);
    core.eventSet(row);
    core.ready(other);
    same(core.eventWait(row, early), 0, 'eventWait before the pass begins');
    same(turn(core), slots[0], 'first');
    same(core.eventWait(row, late), 0, 'eventWait during the pass');
    same(entriesOf(core), [~row, other], 'ring');
    same([turn(core), turn(core)], [slots[1], early], 'what runs');
    same(entriesOf(core), [~row, other], 'ring');
    same(runAll(core), [late, other], 'trace');
  },

  'a late waiter brings those into the pass who parked before it while the flag was down'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 2);
    const [between, late, other] = takeMany(core, 3);
    core.eventSet(row);
    core.ready(other);
    same(turn(core), slots[0], 'first');
    core.eventClear(row);
    core.eventWait(row, between);
    core.eventSet(row);
    core.eventWait(row, late);
    same(runAll(core), [slots[1], between, late, other], 'trace');
  },

  'once the last waiter of the pass is given, the notification is over'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 1);
    const next = core.take(GREENLET);
    core.eventSet(row);
    same(turn(core), slots[0], 'what runs');
    same([entriesOf(core), core.eventWait(row, next)], [[], 1], 'ring and eventWait');
    same(core.place(next), Place.LOOSE, 'place');
  },

  'a slot parked on a raised flag is notified'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.EVENT, 1);
    const [a, b] = takeMany(core, 2);
    core.park(a, row);
    core.park(b, row);
    same(entriesOf(core), [~row], 'ring');
    same(runAll(core), [a, b], 'trace');
  },

  'who leaves during a pass is not notified, wherever it stood, and the pass ends where it would have'(makeCore) {
    for (const leavers of [[1], [2], [3], [1, 2], [3, 2], [1, 3], [1, 2, 3], [3, 2, 1]]) {
      const { core, row, slots } = parked(makeCore, RowKind.EVENT, 4);
      const late = core.take(GREENLET);
      core.eventSet(row);
      same(turn(core), slots[0], 'first');
      core.eventClear(row);
      core.eventWait(row, late);
      for (const i of leavers) same(core.leave(slots[i]), true, 'leave');
      core.verify();
      const rest = slots.filter((_, i) => i > 0 && !leavers.includes(i));
      same(runAll(core), rest, `trace without ${leavers}`);
      same(waitersOf(core, row), [late], 'who waits');
      core.eventSet(row);
      same(runAll(core), [late], 'the next pass');
    }
  },

  'a pass is called off when all have left before it began; one that has begun takes in who comes while the flag is up'(
    makeCore,
  ) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    core.eventSet(row);
    core.leave(slots[0]);
    core.arm(slots[1], 5, Priority.LATE);
    same(runDue(core, 5), [slots[1]], 'due');
    same(entriesOf(core), [~row], 'while one is left');
    core.leave(slots[2]);
    same([entriesOf(core), turn(core)], [[], undefined], 'the pass');
    same(core.eventWait(row, slots[0]), 1, 'eventWait');
    core.park(slots[0], row);
    same([entriesOf(core), turn(core), turn(core)], [[~row], slots[0], undefined], 'another');

    core.eventClear(row);
    for (const slot of slots) core.park(slot, row);
    core.eventSet(row);
    same(turn(core), slots[0], 'first');
    for (const slot of slots.slice(1)) core.leave(slot);
    same(core.eventWait(row, slots[2]), 0, 'eventWait');
    same([turn(core), turn(core)], [slots[2], undefined], 'the rest of the pass');
  },

  'a waiter whose time runs out during a pass is timed out, not notified'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    for (const slot of slots) core.arm(slot, slot === slots[0] ? 9 : 5, Priority.LATE);
    core.eventSet(row);
    same(turn(core), slots[0], 'first');
    same(runDue(core, 5), [slots[1], slots[2]], 'due');
    same(core.why(slots[1]), Why.TIMED_OUT, 'why');
    same([turn(core), turn(core)], [NIL, undefined], 'the rest of the pass');
  },

  'a waiter that parks again during the pass is served once, unless the flag is up'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    core.eventSet(row);
    core.eventClear(row);
    same(
      runAll(core, (slot) => core.park(slot, row)),
      slots,
      'trace with the flag down',
    );
    same(waitersOf(core, row), slots, 'who waits');
    core.eventSet(row);
    const trace: number[] = [];
    for (let i = 0; i < 7; ++i) {
      const slot = turn(core) as number;
      trace.push(slot);
      core.park(slot, row);
    }
    const [a, b, c] = slots;
    same(trace, [a, b, c, a, b, c, a], 'trace with the flag up');
  },
};
