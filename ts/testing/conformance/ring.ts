// The ready ring: order, holes, growth.

import { Counter, HOLE, NIL, Place, RowKind, Word } from '../../core/contract.ts';
import {
  append,
  type Body,
  count,
  entriesOf,
  NORMAL,
  placesOf,
  Random,
  runAll,
  same,
  takeEntry,
  takeMany,
  turn,
  turnToEnd,
} from './tools.ts';

export const RING: Record<string, Body> = {
  'ready slots run in the order they became ready'(makeCore) {
    const core = makeCore();
    const slots = new Random(2).shuffled(takeMany(core, 50));
    for (const slot of slots) core.ready(slot);
    same(core.counter(Counter.READY), 50, 'ready');
    same(entriesOf(core), slots, 'ring');
    same(runAll(core), slots, 'trace');
    same(core.counter(Counter.READY), 0, 'ready');
  },

  'a slot made ready at the front runs before all others'(makeCore) {
    const core = makeCore();
    const [a, b, c, d] = takeMany(core, 4);
    core.readyFront(a);
    core.ready(b);
    core.readyFront(c);
    core.readyFront(d);
    same(entriesOf(core), [d, c, a, b], 'ring');
    same(placesOf(core, [a, b, c, d]), [1, 1, 1, 1], 'places');
    same(runAll(core), [d, c, a, b], 'trace');
  },

  'the ring is a power of two long, masked, and goes round'(makeCore) {
    const core = makeCore();
    const slots = takeMany(core, 7);
    const expected: number[] = [];
    const trace: number[] = [];
    for (const slot of slots.slice(0, 3)) core.ready(slot);
    expected.push(...slots.slice(0, 3));
    for (let i = 3; i < core.ring.length * 3 + 5; ++i) {
      core.ready(slots[i % 7]);
      expected.push(slots[i % 7]);
      trace.push(turn(core) as number);
      same(core.words[Word.MASK], core.ring.length - 1, 'MASK');
      same(core.counter(Counter.READY), 3, 'ready');
    }
    same(Math.log2(core.ring.length) % 1, 0, 'log2 of the ring length, its fraction');
    same([...trace, ...runAll(core)], expected, 'trace');
  },

  'the front of the ring goes round as well'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    for (let i = 0; i < core.ring.length * 2 + 3; ++i) {
      core.readyFront(a);
      core.readyFront(b);
      core.ready(c);
      same(entriesOf(core), [b, a, c], 'ring');
      runAll(core);
      core.readyFront(c);
      core.readyFront(b);
      same(runAll(core), [b, c], 'trace');
    }
  },

  'the ring holds all slots and all notifiers at once'(makeCore) {
    for (const size of [1, 2, 3, 4, 30, 256, 700]) {
      const core = makeCore({ rows: 1 });
      const slots = takeMany(core, size);
      const rows = count(size).map(() => core.rowNew(RowKind.LATCH, 0));
      for (const i of count(size)) {
        core.park(slots[i], rows[i]);
        core.latchFire(rows[i]);
        core.leave(slots[i]);
        core.ready(slots[i]);
      }
      same(
        entriesOf(core),
        count(size).flatMap((i) => [~rows[i], slots[i]]),
        `ring of ${size} slots and rows`,
      );
      same(core.counter(Counter.READY), size * 2, 'ready');
      same(runAll(core), slots, 'trace');
    }
  },

  'a slot is loose, ready or waiting, and loose again when the loop took it'(makeCore) {
    const core = makeCore();
    const [a, b] = takeMany(core, 2);
    const row = core.rowNew(RowKind.LIST, 0);
    core.ready(a);
    same(placesOf(core, [a, b]), [Place.READY, Place.LOOSE], 'places');
    same(core.rowOf(a), NIL, 'rowOf');
    takeEntry(core);
    same(core.place(a), Place.LOOSE, 'place of the slot that was taken');
    core.park(a, row);
    same([core.place(a), core.rowOf(a)], [Place.WAITING, row], 'place and row');
    core.wakeOne(row);
    same([core.place(a), core.rowOf(a)], [Place.READY, NIL], 'place and row');
    core.arm(b, 5, NORMAL);
    same(core.place(b), Place.LOOSE, 'place of a sleeper');
  },

  'a slot that the loop appends in place is as ready as any'(makeCore) {
    const core = makeCore();
    const [a, b, c, d] = takeMany(core, 4);
    core.ready(a);
    append(core, b);
    core.ready(c);
    append(core, d);
    same(placesOf(core, [a, b, c, d]), [1, 1, 1, 1], 'places');
    same(core.counter(Counter.READY), 4, 'ready');
    same([core.unready(b), core.unready(b)], [true, false], 'unready');
    same(runAll(core), [a, c, d], 'trace');
    same(placesOf(core, [a, b, c, d]), [0, 0, 0, 0], 'places');
    for (let i = 0; i < core.ring.length * 2; ++i) append(core, takeEntry(core) ?? a);
    same(placesOf(core, [a, b]), [1, 0], 'places after two rounds');
  },

  'a slot is taken out of the ring again, and leaves a hole'(makeCore) {
    const core = makeCore();
    takeMany(core, 20);
    const [a, b, c, d] = takeMany(core, 4);
    for (const slot of [a, b, c]) core.ready(slot);
    const cell = (core.words[Word.HEAD] + 1) & core.words[Word.MASK];
    same(core.unready(b), true, 'unready');
    same(core.ring[cell], HOLE, 'its cell');
    same(core.counter(Counter.READY), 2, 'ready');
    same([core.unready(b), core.unready(d)], [false, false], 'unready of slots that are not there');
    same(core.place(b), Place.LOOSE, 'place');
    core.ready(b);
    same(entriesOf(core), [a, c, b], 'ring');
    same(core.unready(a), true, 'unready of the first');
    same(core.unready(b), true, 'unready of the last');
    same(runAll(core), [c], 'trace');
    same(core.unready(c), false, 'unready of one that ran');
    same(core.counter(Counter.READY), 0, 'ready');
  },

  'unready tells a slot from the notifier of the row of that number, and a waiter from a ready slot'(makeCore) {
    const core = makeCore();
    const [a, b] = takeMany(core, 2);
    const [, row] = [core.rowNew(RowKind.EVENT, 0), core.rowNew(RowKind.EVENT, 0)];
    core.park(a, row);
    core.eventSet(row);
    same([row, b], [1, 1], 'numbers');
    same([core.unready(a), core.unready(b)], [false, false], 'unready');
    same(entriesOf(core), [~row], 'ring');
    same(core.waiting(row), 1, 'waiters');
  },

  'slots are taken out of every position, and the others keep their order'(makeCore) {
    for (const turned of [false, true]) {
      for (const size of count(8)) {
        for (const position of count(size)) {
          const core = makeCore({ rows: 4 });
          const slots = takeMany(core, size);
          if (turned) turnToEnd(core, slots[0]);
          for (const slot of slots) core.ready(slot);
          same(core.unready(slots[position]), true, `unready ${position} of ${size}`);
          same(core.counter(Counter.READY), size - 1, 'ready');
          same(runAll(core), slots.toSpliced(position, 1), 'trace');
        }
      }
    }
  },

  'any number of slots may be taken out, in any order, and holes never fill the ring'(makeCore) {
    for (const size of [10, 31, 44, 96]) {
      const core = makeCore({ rows: 3 });
      const slots = takeMany(core, size);
      const random = new Random(size);
      for (const slot of slots) core.ready(slot);
      let order = slots;
      for (let i = 0; i < 1000; ++i) {
        const slot = slots[random.below(size)];
        same(core.unready(slot), true, 'unready');
        core.ready(slot);
        order = [...order.filter((other) => other !== slot), slot];
        if (random.below(4) > 0) {
          same(turn(core), order[0], 'what runs');
          core.ready(order[0]);
          order = [...order.slice(1), order[0]];
        }
        if (i % 50 === 0) same(entriesOf(core), order, 'ring');
      }
      for (const slot of random.shuffled(order.splice(2, size - 5))) same(core.unready(slot), true, 'unready');
      same(core.counter(Counter.READY), 5, 'ready');
      same(runAll(core), order, 'trace');
    }
  },

  'holes that were there before the core grew do not fill the ring after it'(makeCore) {
    for (const holes of count(40)) {
      const core = makeCore({ rows: 3 });
      const slots = takeMany(core, 6);
      core.ready(slots[0]);
      for (let i = 0; i < holes; ++i) {
        core.ready(slots[1]);
        core.unready(slots[1]);
      }
      const rows = count(6).map(() => core.rowNew(RowKind.LATCH, 0));
      for (const [i, row] of rows.entries()) {
        core.park(slots[5], row);
        core.latchFire(row);
        core.leave(slots[5]);
        if (i > 0) core.ready(slots[i]);
      }
      const expected = [slots[0], ~rows[0], ...count(5).flatMap((i) => [~rows[i + 1], slots[i + 1]])];
      same(entriesOf(core), expected, `ring after ${holes} holes`);
    }
  },

  'holes that the loop has skipped are not counted any more'(makeCore) {
    const core = makeCore();
    const [a, b, c, d] = takeMany(core, 4);
    for (const slot of [a, b, c]) core.ready(slot);
    core.unready(a);
    core.unready(b);
    same(core.counter(Counter.READY), 1, 'ready');
    same(turn(core), c, 'what runs');
    core.ready(d);
    core.ready(a);
    same(core.counter(Counter.READY), 2, 'ready');
    same(runAll(core), [d, a], 'trace');
    same(core.counter(Counter.READY), 0, 'ready');
  },

  'the whole ring can be taken out, forwards and backwards'(makeCore) {
    for (const backwards of [false, true]) {
      const core = makeCore();
      const slots = takeMany(core, 120);
      turnToEnd(core, slots[0]);
      for (const slot of slots) core.ready(slot);
      for (const slot of backwards ? slots.toReversed() : slots) same(core.unready(slot), true, `unready ${slot}`);
      same(core.counter(Counter.READY), 0, 'ready');
      same(runAll(core), [], 'trace');
    }
  },
};
