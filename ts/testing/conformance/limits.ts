// A core at its limits, for cores that keep to those they are given.

import { Counter, NIL, RowKind } from '../../core/contract.ts';
import { type Body, count, GREENLET, runAll, same, takeMany } from './tools.ts';

export const LIMITS: Record<string, Body> = {
  'a slot whose generations are spent is retired, and its handles stay dead'(makeCore) {
    const core = makeCore({ generations: 3 });
    const [, slot] = takeMany(core, 2);
    const handles: number[] = [];
    for (const life of count(3)) {
      handles.push(core.handle(slot));
      core.free(slot);
      same(core.counter(Counter.RETIRED), life === 2 ? 1 : 0, `retired after life ${life}`);
      if (life < 2) same(core.take(GREENLET), slot, 'the next life');
    }
    same(core.take(GREENLET), 2, 'the next slot');
    for (const handle of handles) same(core.resolve(handle), NIL, 'resolve');
    same(core.counter(Counter.SLOTS), 2, 'slots');
  },

  'take gives NIL when the slots are exhausted, and goes on when one is freed'(makeCore) {
    for (const rows of [1, 3, 5]) {
      const core = makeCore({ rows, maxSlots: 5 });
      const slots = takeMany(core, 5);
      same(slots, count(5), 'slots');
      same([core.take(GREENLET), core.take(GREENLET)], [NIL, NIL], 'slots beyond the last');
      same(core.counter(Counter.SLOTS), 5, 'slots');
      for (const slot of slots) core.ready(slot);
      same(runAll(core), slots, 'trace');
      core.free(slots[2]);
      same([core.take(GREENLET), core.take(GREENLET)], [slots[2], NIL], 'slots');
    }
  },

  'rowNew gives NIL when the rows are exhausted, and goes on when one is freed'(makeCore) {
    const core = makeCore({ rows: 2, maxSlots: 5 });
    const rows = count(5).map((i) => core.rowNew(RowKind.SEMAPHORE, i));
    same(rows, count(5), 'rows');
    same(core.rowNew(RowKind.LIST, 0), NIL, 'a row beyond the last');
    same(core.counter(Counter.ROWS), 5, 'rows');
    same(
      rows.map((row) => core.value(row)),
      count(5),
      'permits',
    );
    core.rowFree(rows[3]);
    same([core.rowNew(RowKind.EVENT, 1), core.rowNew(RowKind.EVENT, 1)], [rows[3], NIL], 'rows');
  },

  'retired slots are gone from the slot space'(makeCore) {
    const core = makeCore({ rows: 1, maxSlots: 4, generations: 1 });
    for (const slot of takeMany(core, 4)) core.free(slot);
    same(
      [core.take(GREENLET), core.counter(Counter.RETIRED), core.counter(Counter.SLOTS)],
      [NIL, 4, 0],
      'what is left',
    );
  },
};
