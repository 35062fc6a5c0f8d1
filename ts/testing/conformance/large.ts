// Sizes at which a naive core takes long.

import { Counter, MAX_SLOTS } from '../../core/contract.ts';
import { armMany, type Body, inOrder, Random, runAll, runDue, same, takeMany } from './tools.ts';

export const LARGE: Record<string, Body> = {
  'a core takes a hundred thousand slots'(makeCore) {
    const core = makeCore({ rows: 3 });
    const slots = takeMany(core, 100_000);
    same(new Set(slots).size, 100_000, 'different slots');
    same(
      slots.every((slot) => slot >= 0 && slot < MAX_SLOTS),
      true,
      'slots within bounds',
    );
    for (const slot of slots) core.ready(slot);
    // In ring order this is one pass; a search from the front each time would take minutes.
    for (const slot of slots) if (slot % 10 > 0) core.unready(slot);
    same(core.counter(Counter.READY), 10_000, 'ready');
    for (const slot of slots) if (slot % 10 > 0) core.ready(slot);
    same(runAll(core).length, 100_000, 'slots that ran');
    for (const slot of slots) core.free(slot);
    same(core.counter(Counter.SLOTS), 0, 'slots');
  },

  'a million milliseconds of random timers fire in order'(makeCore) {
    const core = makeCore();
    const random = new Random(9);
    const timers = armMany(core, 20_000, random, 1_000_000, 5);
    const fired: number[] = [];
    for (let now = 0; now < 1_000_000; now += 1000) {
      const due = runDue(core, now);
      for (const slot of due) same(core.deadline(slot), Infinity, 'deadline of one that fired');
      same(core.nextDeadline() > now, true, 'the next deadline is to come');
      fired.push(...due);
    }
    const byPass = (at: number) => Math.ceil(at / 1000);
    const expected = timers
      .filter((timer) => byPass(timer.at) <= 999)
      .toSorted((a, b) => byPass(a.at) - byPass(b.at) || a.priority - b.priority || a.at - b.at || a.seq - b.seq);
    same(
      fired,
      expected.map((timer) => timer.slot),
      'order',
    );
  },

  'cancelling half of many timers keeps the order of the other half'(makeCore) {
    const core = makeCore();
    const random = new Random(7);
    for (const size of [10, 100, 3000]) {
      const timers = random.shuffled(armMany(core, size, random, size, 2));
      for (const timer of timers.splice(0, size / 2)) same(core.disarm(timer.slot), true, 'disarm');
      same(core.counter(Counter.TIMERS), size / 2, 'timers');
      same(runDue(core, size), inOrder(timers), `order of ${size / 2}`);
    }
  },
};
