// LATCH rows: told once, to all.

import { Counter, NIL, Priority, RowKind, Why } from '../../core/contract.ts';
import { type Body, entriesOf, parked, runAll, runDue, same, takeMany, turn } from './tools.ts';

export const LATCHES: Record<string, Body> = {
  'a latch fires for good: whoever parks later is notified too'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.LATCH, 0);
    const [a, b] = takeMany(core, 2);
    same(core.value(row), 0, 'value');
    core.latchFire(row);
    same([core.value(row), entriesOf(core)], [1, []], 'value and ring');
    core.ready(b);
    core.park(a, row);
    same(entriesOf(core), [b, ~row], 'ring');
    same(runAll(core), [b, a], 'trace');
    core.park(a, row);
    core.latchFire(row);
    same(entriesOf(core), [~row], 'ring');
    same(runAll(core), [a], 'trace');
  },

  'the pass of a latch takes in all who arrive meanwhile, and ends with an extra NIL'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.LATCH, 2);
    const [late, later, last, other] = takeMany(core, 4);
    same(entriesOf(core), [], 'ring before it fires');
    core.latchFire(row);
    core.latchFire(row);
    core.ready(other);
    same(entriesOf(core), [~row, other], 'ring');
    same(turn(core), slots[0], 'first');
    core.park(late, row);
    same([turn(core), turn(core)], [slots[1], late], 'what runs');
    same(entriesOf(core), [~row, other], 'ring when the list is empty');
    core.park(later, row);
    same(turn(core), later, 'what runs');
    same(turn(core), NIL, 'end of the pass');
    same(entriesOf(core), [other], 'ring');
    core.park(last, row);
    same(entriesOf(core), [other, ~row], 'ring');
    same([turn(core), turn(core), turn(core), turn(core)], [other, last, NIL, undefined], 'the next pass');
  },

  'waiters of a latch are disarmed and woken, and those who left are not notified'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.LATCH, 4);
    for (const slot of slots) core.arm(slot, slot === slots[2] ? 5 : 9, Priority.LATE);
    core.latchFire(row);
    core.leave(slots[0]);
    same(turn(core), slots[1], 'first');
    same(runDue(core, 5), [slots[2]], 'due');
    same(runAll(core), [slots[3]], 'trace');
    same([core.why(slots[1]), core.why(slots[2])], [Why.WOKEN, Why.TIMED_OUT], 'reasons');
    same(core.counter(Counter.TIMERS), 0, 'timers');
  },
};
