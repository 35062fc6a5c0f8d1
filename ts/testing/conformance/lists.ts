// The lists of those who wait on a row.

import { Counter, NIL, Place, RowKind, Why } from '../../core/contract.ts';
import { type Body, count, entriesOf, NORMAL, Random, runAll, runDue, same, takeMany, waitersOf } from './tools.ts';

export const LISTS: Record<string, Body> = {
  'waiters stand in the order they parked'(makeCore) {
    const core = makeCore();
    const slots = new Random(10).shuffled(takeMany(core, 20));
    const [row, other] = [core.rowNew(RowKind.LIST, 0), core.rowNew(RowKind.LIST, 0)];
    same([core.first(row), core.waiting(row), core.value(row)], [NIL, 0, 0], 'an empty row');
    for (const slot of slots) core.park(slot, slot % 2 ? row : other);
    const odd = slots.filter((slot) => slot % 2);
    same(waitersOf(core, row), odd, 'waiters');
    same([core.first(row), core.next(odd[0]), core.next(odd[9])], [odd[0], odd[1], NIL], 'first, second and last');
    same([core.waiting(row), core.waiting(other), core.counter(Counter.WAITING)], [10, 10, 20], 'how many');
    same(entriesOf(core), [], 'ring');
  },

  'wakeOne moves the first waiter to the back of the ring'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    const row = core.rowNew(RowKind.LIST, 0);
    core.park(a, row);
    core.park(b, row);
    core.arm(a, 1, NORMAL);
    core.ready(c);
    same(core.wakeOne(row), a, 'woken');
    same([core.place(a), core.why(a), core.deadline(a)], [Place.READY, Why.WOKEN, Infinity], 'place, reason, deadline');
    same([core.wakeOne(row), core.wakeOne(row)], [b, NIL], 'woken');
    same(entriesOf(core), [c, a, b], 'ring');
    same(core.counter(Counter.TIMERS), 0, 'timers');
  },

  'wakeAll moves all waiters to the back of the ring, in order'(makeCore) {
    const core = makeCore();
    const [x, ...slots] = takeMany(core, 9);
    const row = core.rowNew(RowKind.LIST, 0);
    same(core.wakeAll(row), 0, 'woken of nobody');
    core.ready(x);
    for (const slot of slots) core.park(slot, row);
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    same(core.wakeAll(row), 8, 'woken');
    same([core.waiting(row), core.first(row), core.counter(Counter.WAITING)], [0, NIL, 0], 'who is left');
    same([core.counter(Counter.TIMERS), core.nextDeadline()], [0, Infinity], 'timers');
    same(runAll(core), [x, ...slots], 'trace');
  },

  'a waiter leaves from every position, and the others keep their order'(makeCore) {
    for (const size of count(7)) {
      for (const position of count(size)) {
        const core = makeCore();
        const slots = takeMany(core, size);
        const row = core.rowNew(RowKind.LIST, 0);
        for (const slot of slots) core.park(slot, row);
        const gone = slots[position];
        core.arm(gone, 5, NORMAL);
        same(core.leave(gone), true, 'leave');
        same([core.place(gone), core.rowOf(gone), core.next(gone)], [Place.LOOSE, NIL, NIL], 'place, row, next');
        same(core.leave(gone), false, 'leave again');
        same([core.deadline(gone), core.counter(Counter.TIMERS)], [Infinity, 0], 'timer');
        core.park(gone, row);
        const order = [...slots.toSpliced(position, 1), gone];
        same(waitersOf(core, row), order, `waiters, ${position} of ${size} parked anew`);
        core.wakeAll(row);
        same(runAll(core), order, 'trace');
      }
    }
  },

  'leave takes a sleeper its timer, and leaves a ready slot in the ring'(makeCore) {
    const core = makeCore();
    const [sleeper, ready] = takeMany(core, 2);
    core.arm(sleeper, 5, NORMAL);
    core.ready(ready);
    same([core.leave(sleeper), core.leave(ready)], [false, false], 'leave');
    same(core.counter(Counter.TIMERS), 0, 'timers');
    same(runDue(core, 9), [], 'due');
    same(entriesOf(core), [ready], 'ring');
  },

  'a slot parks here, leaves, and parks there'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    const [here, there] = [core.rowNew(RowKind.LIST, 0), core.rowNew(RowKind.LIST, 0)];
    for (const slot of [a, b, c]) core.park(slot, here);
    core.leave(b);
    core.park(b, there);
    same([waitersOf(core, here), waitersOf(core, there)], [[a, c], [b]], 'waiters');
    same([core.rowOf(a), core.rowOf(b), core.rowOf(c)], [here, there, here], 'rows');
    same([core.wakeOne(there), core.wakeAll(here)], [b, 2], 'woken');
    same(runAll(core), [b, a, c], 'trace');
  },
};
