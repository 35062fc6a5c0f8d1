// CHANNEL rows: pairs of those who put and those who get.

import { Counter, NIL, Place, Priority, RowKind, Why } from '../../core/contract.ts';
import {
  type Body,
  count,
  entriesOf,
  GREENLET,
  NORMAL,
  placesOf,
  runAll,
  runDue,
  same,
  takeMany,
  turn,
  waitersOf,
} from './tools.ts';

export const CHANNELS: Record<string, Body> = {
  'putter and getter park, and the second of a pair schedules the notifier at the back'(makeCore) {
    for (const putFirst of [true, false]) {
      const core = makeCore();
      const row = core.rowNew(RowKind.CHANNEL, 0);
      const [putter, getter, other] = takeMany(core, 3);
      core.ready(other);
      if (putFirst) core.chanPut(row, putter);
      else core.chanGet(row, getter);
      same([core.balance(row), core.waiting(row), entriesOf(core)], [putFirst ? 1 : -1, 1, [other]], 'one of the pair');
      if (putFirst) core.chanGet(row, getter);
      else core.chanPut(row, putter);
      same([core.balance(row), core.waiting(row), entriesOf(core)], [0, 2, [other, ~row]], 'both');
      same(placesOf(core, [putter, getter]), [Place.WAITING, Place.WAITING], 'places');
      same([turn(core), turn(core)], [other, getter], 'what runs');
      same([core.partner(), entriesOf(core)], [putter, [putter, ~row]], 'partner and ring');
      same(placesOf(core, [putter, getter]), [Place.READY, Place.LOOSE], 'places');
      same([runAll(core), core.waiting(row)], [[putter], 0], 'trace and waiters');
    }
  },

  'two of a side are no pair'(makeCore) {
    for (const how of ['chanPut', 'chanGet'] as const) {
      const core = makeCore();
      const row = core.rowNew(RowKind.CHANNEL, 0);
      for (const slot of takeMany(core, 3)) core[how](row, slot);
      same([core.waiting(row), entriesOf(core)], [3, []], `waiters and ring after three times ${how}`);
    }
  },

  'pairs are served in order of arrival, getter before putter, each before the next'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [p1, p2, p3, g1, g2, other] = takeMany(core, 6);
    for (const putter of [p1, p2, p3]) core.chanPut(row, putter);
    for (const getter of [g1, g2]) core.chanGet(row, getter);
    core.ready(other);
    same([core.balance(row), entriesOf(core)], [1, [~row, other]], 'balance and ring');
    same([turn(core), core.partner()], [g1, p1], 'first pair');
    same(entriesOf(core), [p1, ~row, other], 'ring');
    same([turn(core), turn(core), core.partner()], [p1, g2, p2], 'second pair');
    same(entriesOf(core), [p2, ~row, other], 'ring after the last pair');
    same(runAll(core), [p2, other], 'trace');
    same([core.balance(row), core.waiting(row), core.first(row)], [1, 1, p3], 'who is left');
  },

  'both of a pair are woken and disarmed'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [putter, getter] = takeMany(core, 2);
    core.park(putter, core.rowNew(RowKind.LIST, 0));
    core.arm(putter, 1, NORMAL);
    runDue(core, 1);
    same(core.why(putter), Why.TIMED_OUT, 'why');
    core.chanPut(row, putter);
    core.chanGet(row, getter);
    core.arm(putter, 5, NORMAL);
    core.arm(getter, 5, NORMAL);
    same(turn(core), getter, 'what runs');
    same([core.why(putter), core.why(getter)], [Why.WOKEN, Why.WOKEN], 'reasons');
    same([core.counter(Counter.TIMERS), core.counter(Counter.WAITING)], [0, 0], 'timers and waiters');
  },

  'partner is NIL before the first pair, and after a notification that gave none'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const event = core.rowNew(RowKind.EVENT, 1);
    const [putter, getter, waiter] = takeMany(core, 3);
    same(core.partner(), NIL, 'partner');
    core.chanPut(row, putter);
    core.chanGet(row, getter);
    turn(core);
    same(core.partner(), putter, 'partner');
    core.park(waiter, event);
    same(runAll(core), [putter, waiter], 'trace');
    same(core.partner(), NIL, 'partner after the pass of an event');
  },

  'a pair that one side leaves is none: the other side stays, and pairs with the next'(makeCore) {
    for (const [leaver, left] of [
      [0, 1],
      [1, 0],
    ]) {
      const core = makeCore();
      const row = core.rowNew(RowKind.CHANNEL, 0);
      const pair = takeMany(core, 2);
      const next = core.take(GREENLET);
      core.chanPut(row, pair[0]);
      core.chanGet(row, pair[1]);
      same(core.leave(pair[leaver]), true, 'leave');
      same([turn(core), turn(core), core.partner()], [NIL, undefined, NIL], 'the pass');
      same([core.balance(row), waitersOf(core, row)], [left ? -1 : 1, [pair[left]]], 'who is left');
      if (leaver) core.chanGet(row, next);
      else core.chanPut(row, next);
      same(entriesOf(core), [~row], 'ring');
      same(runAll(core), leaver ? [next, pair[0]] : [pair[1], next], 'trace');
    }
  },

  'who leaves during the pass does not break the other pairs'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [p1, p2, p3, g1, g2, g3] = takeMany(core, 6);
    for (const putter of [p1, p2, p3]) core.chanPut(row, putter);
    for (const getter of [g1, g2, g3]) core.chanGet(row, getter);
    core.arm(p3, 5, Priority.LATE);
    same(turn(core), g1, 'first');
    core.leave(p2);
    core.leave(g2);
    same(runAll(core), [p1, g3, p3], 'trace');
    same([core.why(p3), core.counter(Counter.TIMERS)], [Why.WOKEN, 0], 'reason and timers');
  },

  'a putter times out of a channel'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [p1, p2, getter] = takeMany(core, 3);
    core.chanPut(row, p1);
    core.chanPut(row, p2);
    core.arm(p1, 5, Priority.LATE);
    same([runDue(core, 5), core.why(p1), core.balance(row)], [[p1], Why.TIMED_OUT, 1], 'due, reason and balance');
    core.chanGet(row, getter);
    same(runAll(core), [getter, p2], 'trace');
  },

  'pairs that arrive while a pass goes on are served in it, those that its last pair makes as well'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [p1, p2, p3, p4, g1, g2, g3, g4] = takeMany(core, 8);
    const other = core.take(GREENLET);
    for (const putter of [p1, p2]) core.chanPut(row, putter);
    for (const getter of [g1, g2]) core.chanGet(row, getter);
    core.ready(other);
    same(turn(core), g1, 'first');
    core.chanPut(row, p3);
    core.chanGet(row, g3);
    same(entriesOf(core), [p1, ~row, other], 'ring');
    same([turn(core), turn(core), turn(core), turn(core)], [p1, g2, p2, g3], 'what runs');
    core.chanPut(row, p4);
    core.chanGet(row, g4);
    same(entriesOf(core), [p3, ~row, other], 'ring');
    same(runAll(core), [p3, g4, p4, other], 'trace');
  },

  'first and next show all who wait on a channel, each side in order'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const putters = takeMany(core, 3);
    const getters = takeMany(core, 4);
    for (const i of count(4)) {
      if (i < 3) core.chanPut(row, putters[i]);
      core.chanGet(row, getters[i]);
    }
    const seen = waitersOf(core, row);
    same([core.waiting(row), seen.length], [7, 7], 'how many wait');
    same(
      seen.filter((slot) => getters.includes(slot)),
      getters,
      'getters',
    );
    same(
      seen.filter((slot) => putters.includes(slot)),
      putters,
      'putters',
    );
    same(
      seen.map((slot) => core.rowOf(slot)),
      seen.map(() => row),
      'rows',
    );
  },
};
