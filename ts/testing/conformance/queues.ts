// QUEUE rows: items and room, and who waits for which.

import { Counter, NIL, Place, Priority, Role, RowKind, Why } from '../../core/contract.ts';
import { type Body, entriesOf, NORMAL, placesOf, runAll, runDue, same, takeMany, turn, waitersOf } from './tools.ts';

const { WAIT, TAKE, PEEK } = Role;

export const QUEUES: Record<string, Body> = {
  'a getter and an item meet: the notifier is scheduled, and the item is counted off when it runs'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    const [getter, other] = takeMany(core, 2);
    core.queueWait(row, getter, TAKE);
    same([entriesOf(core), core.role(getter), core.waiting(row)], [[], TAKE, 1], 'ring, role, waiters');
    core.queueItems(row, 1);
    core.ready(other);
    same([entriesOf(core), core.value(row)], [[~row, other], 1], 'ring and items');
    core.queueItems(row, 2);
    same([turn(core), core.value(row), entriesOf(core)], [getter, 1, [~row, other]], 'getter, items, ring');
    same([runAll(core), core.value(row)], [[other], 1], 'trace and items');
  },

  'a putter waits for room: the notifier is scheduled when somebody gets, and counts its item'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 2);
    core.queueLimit(row, 2);
    const [first, second] = takeMany(core, 2);
    core.queueWait(row, first, WAIT);
    core.queueWait(row, second, WAIT);
    same([entriesOf(core), core.role(first)], [[], WAIT], 'ring and role');
    core.queueItems(row, 1);
    same([entriesOf(core), turn(core), core.value(row)], [[~row], first, 2], 'ring, putter, items');
    same([turn(core), turn(core), waitersOf(core, row)], [NIL, undefined, [second]], 'the pass ends, and one waits');
  },

  'putters and getters go on in turn, a putter first'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 1);
    core.queueLimit(row, 1);
    const [p1, p2, p3, g1, g2, g3, g4, other] = takeMany(core, 8);
    for (const putter of [p1, p2, p3]) core.queueWait(row, putter, WAIT);
    core.queueItems(row, 0);
    for (const getter of [g1, g2, g3, g4]) core.queueWait(row, getter, TAKE);
    core.ready(other);
    same(waitersOf(core, row), [g1, g2, g3, g4, p1, p2, p3], 'getters, then putters');
    same(runAll(core), [p1, g1, p2, g2, p3, g3, other], 'trace');
    same([core.value(row), waitersOf(core, row)], [0, [g4]], 'items, and who waits');
  },

  'with room for all, each putter is followed by a getter as long as there are any'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    const [p1, p2, p3, g1] = takeMany(core, 4);
    for (const putter of [p1, p2, p3]) core.queueWait(row, putter, WAIT);
    core.queueWait(row, g1, TAKE);
    same([runAll(core), core.value(row)], [[p1, g1, p2, p3], 2], 'trace and items');
  },

  'a putter that queues behind a getter has them meet'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    const [getter, putter] = takeMany(core, 2);
    core.queueWait(row, getter, TAKE);
    same(entriesOf(core), [], 'ring');
    core.queueWait(row, putter, WAIT);
    same([entriesOf(core), runAll(core), core.value(row)], [[~row], [putter, getter], 0], 'ring, trace, items');
  },

  'one who only looks is woken by an item and leaves it to the next'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    const [looks, getter, late] = takeMany(core, 3);
    core.queueWait(row, looks, PEEK);
    core.queueWait(row, getter, TAKE);
    core.queueWait(row, late, PEEK);
    same(core.role(looks), PEEK, 'role');
    core.queueItems(row, 1);
    same([runAll(core), core.value(row), waitersOf(core, row)], [[looks, getter], 0, [late]], 'trace, items, waiters');
  },

  'what happens while one of the pass runs counts: it goes on, without a second notification'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    core.queueLimit(row, 1);
    const [g1, g2, other] = takeMany(core, 3);
    core.queueWait(row, g1, TAKE);
    core.queueItems(row, 1);
    core.ready(other);
    same(turn(core), g1, 'the getter');
    core.queueItems(row, 1);
    core.queueWait(row, g2, TAKE);
    same(
      [entriesOf(core), runAll(core)],
      [
        [~row, other],
        [g2, other],
      ],
      'ring and trace',
    );
  },

  'raising the limit wakes nobody; 0 is any number'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 1);
    core.queueLimit(row, 1);
    const [putter, next] = takeMany(core, 2);
    core.queueWait(row, putter, WAIT);
    core.queueLimit(row, 0);
    same(entriesOf(core), [], 'ring');
    core.queueItems(row, 2);
    same(entriesOf(core), [], 'ring after an item more');
    core.queueWait(row, next, WAIT);
    core.queueItems(row, 1);
    same([runAll(core), core.value(row)], [[putter, next], 3], 'trace and items');
  },

  'who leaves before its turn takes and brings nothing'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    core.queueLimit(row, 1);
    const [g1, g2, p1, p2] = takeMany(core, 4);
    core.queueWait(row, g1, TAKE);
    core.queueWait(row, g2, TAKE);
    core.queueItems(row, 1);
    core.arm(g1, 5, Priority.LATE);
    same([runDue(core, 5), core.why(g1)], [[g1], Why.TIMED_OUT], 'due and reason');
    core.leave(g2);
    same([turn(core), core.value(row), entriesOf(core)], [NIL, 1, []], 'the pass is empty');
    core.queueWait(row, p1, WAIT);
    core.queueWait(row, p2, WAIT);
    core.queueItems(row, 0);
    core.leave(p1);
    same([runAll(core), core.value(row), core.why(p2)], [[p2], 1, Why.WOKEN], 'trace, items, reason');
  },

  'a step takes the first of a side, whatever there is'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    core.queueLimit(row, 1);
    const [p1, p2, g1, looks] = takeMany(core, 4);
    same([core.queueStep(row, WAIT), core.queueStep(row, TAKE)], [NIL, NIL], 'of nobody');
    core.queueWait(row, p1, WAIT);
    core.queueWait(row, p2, WAIT);
    core.arm(p1, 5, NORMAL);
    same(
      [core.queueStep(row, WAIT), core.value(row), core.counter(Counter.TIMERS)],
      [p1, 1, 0],
      'putter, items, timers',
    );
    core.queueStep(row, WAIT);
    same(core.value(row), 2, 'items beyond the limit');
    core.queueItems(row, 1);
    core.queueWait(row, g1, TAKE);
    core.queueWait(row, looks, PEEK);
    same([core.queueStep(row, TAKE), core.value(row)], [g1, 0], 'getter and items');
    same([core.queueStep(row, TAKE), core.value(row)], [looks, 0], 'one who looks, and items');
    same(placesOf(core, [p1, p2, g1, looks]), [Place.LOOSE, Place.LOOSE, Place.LOOSE, Place.LOOSE], 'places');
    same(runAll(core), [], 'what is left of the notification');
  },

  'all are woken at once, getters before putters'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 1);
    core.queueLimit(row, 1);
    const [p1, p2, g1, g2] = takeMany(core, 4);
    core.queueWait(row, p1, WAIT);
    core.queueWait(row, p2, WAIT);
    core.queueItems(row, 0);
    core.queueWait(row, g1, TAKE);
    core.queueWait(row, g2, TAKE);
    core.arm(g2, 5, NORMAL);
    same([core.wakeOne(row), core.wakeAll(row)], [g1, 3], 'woken');
    same([entriesOf(core), core.counter(Counter.TIMERS)], [[~row, g1, g2, p1, p2], 0], 'ring and timers');
    same([runAll(core), core.value(row)], [[g1, g2, p1, p2], 0], 'trace and items');
    core.rowFree(row);
  },

  'a row that was a queue has no limit left in its next life'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    core.queueLimit(row, 1);
    core.rowFree(row);
    const next = core.rowNew(RowKind.QUEUE, 5);
    const [putter, getter] = takeMany(core, 2);
    same(next, row, 'the same row');
    core.queueWait(next, putter, WAIT);
    core.queueWait(next, getter, TAKE);
    same([runAll(core), core.value(next)], [[putter, getter], 5], 'trace and items');
  },
};
