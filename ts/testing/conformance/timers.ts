// Timers: exact by deadline and order of arming, whatever is armed and disarmed between.

import { Counter, Kind, NIL, Place, Priority, RowKind, Why } from '../../core/contract.ts';
import {
  type Armed,
  armMany,
  type Body,
  count,
  entriesOf,
  GREENLET,
  inOrder,
  NORMAL,
  Random,
  runDue,
  same,
  takeMany,
  waitersOf,
} from './tools.ts';

export const TIMERS: Record<string, Body> = {
  'a timer is due at its deadline, not before, and fires once'(makeCore) {
    const core = makeCore();
    const slot = core.take(GREENLET);
    core.arm(slot, 10.5, NORMAL);
    same([core.deadline(slot), core.nextDeadline(), core.counter(Counter.TIMERS)], [10.5, 10.5, 1], 'the armed timer');
    same(runDue(core, 10.499), [], 'due before');
    same(runDue(core, 10.5), [slot], 'due');
    same(core.place(slot), Place.LOOSE, 'place');
    same(
      [core.deadline(slot), core.nextDeadline(), core.counter(Counter.TIMERS)],
      [Infinity, Infinity, 0],
      'afterwards',
    );
    same(core.disarm(slot), false, 'disarm');
    same(runDue(core, 11), [], 'due again');
    core.arm(slot, 12, NORMAL);
    same(runDue(core, 12), [slot], 'due when armed again');
  },

  'deadlines are kept exactly'(makeCore) {
    const core = makeCore();
    const deadlines = [0.1 + 0.2, 2 ** 53 - 1, 1e-300, 1e300, 1700000000000.125, Math.PI, -0.5, 2 ** 31, 2 ** 32 + 0.5];
    const slots = takeMany(core, deadlines.length);
    for (const [i, slot] of slots.entries()) core.arm(slot, deadlines[i], i % 5);
    same(
      slots.map((slot) => core.deadline(slot)),
      deadlines,
      'deadlines',
    );
    same(core.nextDeadline(), -0.5, 'nextDeadline()');
  },

  'timers of one deadline fire in the order they were armed'(makeCore) {
    const core = makeCore();
    const slots = new Random(4).shuffled(takeMany(core, 200));
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    same(runDue(core, 5), slots, 'order');
  },

  'a timer armed anew goes behind the others of its deadline'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    for (const slot of [a, b, c]) core.arm(slot, 5, NORMAL);
    same(core.disarm(a), true, 'disarm');
    core.arm(a, 5, NORMAL);
    same(runDue(core, 5), [b, c, a], 'order');
  },

  'due timers come by priority, then deadline, then arming'(makeCore) {
    const core = makeCore();
    const random = new Random(5);
    same([Priority.HIGHEST, Priority.HIGH, NORMAL, Priority.LATE, Priority.LATEST], count(5), 'priorities');
    for (const size of [2, 3, 5, 9, 17, 100, 400]) {
      const timers = armMany(core, size, random, 12, 5);
      const due = timers.filter((timer) => timer.at <= 8);
      same(core.nextDeadline(), Math.min(...timers.map((timer) => timer.at)), 'nextDeadline()');
      same(runDue(core, 8), inOrder(due), `order of ${size}`);
      same(runDue(core, 12), inOrder(timers.filter((timer) => timer.at > 8)), 'the rest');
    }
  },

  'a timer of a high priority that is not due holds up nobody'(makeCore) {
    const core = makeCore();
    const [a, b] = takeMany(core, 2);
    core.arm(a, 9, Priority.HIGHEST);
    core.arm(b, 5, Priority.LATEST);
    same(core.nextDeadline(), 5, 'nextDeadline()');
    same(runDue(core, 5), [b], 'due');
    same(core.nextDeadline(), 9, 'nextDeadline()');
  },

  'a timer is cancelled in every position of the heap, and the others keep their order'(makeCore) {
    const random = new Random(6);
    for (let size = 1; size <= 45; ++size) {
      for (let position = 0; position < size; ++position) {
        const core = makeCore({ rows: 64 });
        runDue(core, -0.5 + size * 2 * (position % 2)); // once they are to come, and once they are in the past
        const timers = armMany(core, size, random, size * 2, 1);
        const [cancelled] = timers.splice(position, 1);
        same(core.disarm(cancelled.slot), true, 'disarm');
        same(core.disarm(cancelled.slot), false, 'disarm again');
        same(core.deadline(cancelled.slot), Infinity, 'deadline');
        same(core.nextDeadline(), Math.min(Infinity, ...timers.map((timer) => timer.at)), 'nextDeadline()');
        same(runDue(core, size * 2), inOrder(timers), `order of ${size} without number ${position}`);
      }
    }
  },

  'timers of every scale come in order, wherever time stands and however it jumps'(makeCore) {
    const random = new Random(10);
    const DAY = 86_400_000;
    for (const start of [0, 0.3, 255.9, 4096, 2 ** 30 - 5, 2 ** 30 + DAY, 2 ** 32 - 1, 1.7e12, 2 ** 50 - 3, 2 ** 52]) {
      const core = makeCore();
      let timers: Armed[] = [];
      let now = start;
      for (const round of count(40)) {
        // Every second round the clock has been read before.
        if (round % 2) runDue(core, now - 1e-3);
        timers = timers.filter(({ at }) => at > now - 1e-3 || round % 2 === 0);
        for (const slot of takeMany(core, 12)) {
          const ahead = 2 ** (random.below(38) - 5) * (1 + random.below(3) / 4);
          const at = now + (random.below(6) === 0 ? -ahead : ahead);
          const timer = { slot, at, priority: random.below(5), seq: core.counter(Counter.SLOTS) };
          core.arm(slot, at, timer.priority);
          timers.push(timer);
        }
        for (const gone of count(2)) same(core.disarm(timers.splice(gone * 5, 1)[0].slot), true, 'disarm');
        if (round % 3 === 0) same(core.nextDeadline(), Math.min(...timers.map(({ at }) => at)), 'nextDeadline()');
        now += round % 4 ? 2 ** random.below(16) / 8 : 2 ** random.below(34);
        const due = timers.filter(({ at }) => at <= now);
        timers = timers.filter(({ at }) => at > now);
        same(runDue(core, now), inOrder(due), `from ${start}, round ${round}, ${now}`);
        same(core.nextDeadline(), Math.min(Infinity, ...timers.map(({ at }) => at)), 'nextDeadline()');
        core.verify();
      }
      same(runDue(core, Infinity), inOrder(timers), 'the rest');
    }
  },

  'a timer is due at its very deadline, on whatever boundary'(makeCore) {
    const core = makeCore();
    const [a, b] = takeMany(core, 2);
    let now = 0;
    for (const step of [4, 64, 1024, 2 ** 14, 2 ** 18, 2 ** 22, 2 ** 26, 2 ** 30]) {
      for (const off of [-1, -1e-4, -1e-6, -1e-7, -(2 ** -24), 0, 2 ** -24, 1e-7, 1]) {
        const at = now + step + off;
        core.arm(a, at, NORMAL);
        core.arm(b, now + step, Priority.LATE);
        const first = Math.min(at, now + step);
        const tie = at === now + step;
        same(core.deadline(a), at, 'deadline');
        if (off < 0) same(core.nextDeadline(), first, 'nextDeadline()');
        const early = runDue(core, first - 2 ** -16);
        same(early, [], `${step} ms and ${off}: before the first`);
        same(runDue(core, first), tie ? [a, b] : at === first ? [a] : [b], `${step} ms and ${off}: the first`);
        same(runDue(core, now + step + 1).length, tie ? 0 : 1, 'the second');
        now += step + 1;
      }
      now = Math.ceil(now / step) * step;
      runDue(core, now);
    }
  },

  'many timers of a few deadlines are cancelled from the middle, and the others fire in the order of arming'(makeCore) {
    const core = makeCore();
    const random = new Random(11);
    const timers: Armed[] = takeMany(core, 600).map((slot, seq) => {
      const timer = { slot, at: 30_000 + 7 * random.below(4), priority: 2 + random.below(2), seq };
      core.arm(slot, timer.at, timer.priority);
      return timer;
    });
    const left = timers.filter(({ slot }) => {
      if (random.below(3) > 0) return true;
      same(core.disarm(slot), true, 'disarm');
      return false;
    });
    core.verify();
    same(
      left.map(({ slot }) => core.deadline(slot)),
      left.map(({ at }) => at),
      'deadlines',
    );
    runDue(core, 29_999);
    core.verify();
    for (const at of [30_000, 30_007, 30_014, 30_021]) {
      same(core.nextDeadline(), at, 'nextDeadline()');
      same(runDue(core, at), inOrder(left.filter((timer) => timer.at === at)), `due at ${at}`);
    }
  },

  'a slot taken armed is one that was taken and armed, and freed armed it is gone with its timer'(makeCore) {
    const core = makeCore({ rows: 3 });
    const row = core.rowNew(RowKind.LIST, 0);
    const [a, b] = takeMany(core, 2);
    core.arm(a, 7000, NORMAL);
    const slots = count(20).map(() => core.takeArmed(Kind.TIMER, 7000, NORMAL));
    same(
      slots,
      count(20).map((i) => i + 2),
      'slots',
    );
    same([core.counter(Counter.TIMERS), core.counter(Counter.KIND + Kind.TIMER)], [21, 20], 'timers and their slots');
    same(
      [core.place(slots[9]), core.why(slots[9]), core.deadline(slots[9])],
      [Place.LOOSE, Why.WOKEN, 7000],
      'one of them',
    );
    const handle = core.handle(slots[3]);
    same([core.freeArmed(slots[3]), core.resolve(handle)], [true, NIL], 'freeArmed');
    same(core.takeArmed(Kind.TIMER, -1, Priority.LATE), slots[3], 'the slot freed last');
    same([core.freeArmed(b), core.resolve(core.handle(b))], [false, b], 'freeArmed of one that is not armed');
    core.park(b, row);
    same([core.freeArmed(b), core.rowOf(b)], [false, row], 'freeArmed of one that waits');
    core.verify();
    same(runDue(core, 0), [slots[3]], 'due at once');
    same(core.freeArmed(slots[3]), false, 'freeArmed of one that has fired');
    same(runDue(core, 7000), [a, ...slots.filter((slot) => slot !== slots[3])], 'due');
  },

  'deadlines may be past, zero, negative or infinite'(makeCore) {
    const core = makeCore();
    const [a, b, c, d, e] = takeMany(core, 5);
    core.arm(a, Infinity, NORMAL);
    core.arm(b, 0, NORMAL);
    core.arm(c, -5, NORMAL);
    core.arm(d, -Infinity, NORMAL);
    core.arm(e, Infinity, NORMAL);
    same(core.nextDeadline(), -Infinity, 'nextDeadline()');
    same(core.counter(Counter.TIMERS), 5, 'timers');
    same(runDue(core, 1e300), [d, c, b], 'due');
    same([core.nextDeadline(), core.counter(Counter.TIMERS)], [Infinity, 2], 'what is left');
    same([core.disarm(a), core.disarm(a)], [true, false], 'disarm of one at Infinity');
    same(runDue(core, Infinity), [e], 'due at the end of time');
  },

  'timers armed during a pass belong to the next one, though they are due and earlier'(makeCore) {
    const core = makeCore();
    const [a, b, c, d, e] = takeMany(core, 5);
    core.arm(a, 5, NORMAL);
    core.arm(b, 6, NORMAL);
    core.arm(c, 6, Priority.LATE);
    core.beginDue();
    core.arm(d, 1, Priority.HIGHEST);
    same(core.nextDue(10), a, 'first');
    core.arm(a, 2, NORMAL); // one that rearms itself for the past
    core.arm(e, 3, Priority.LATE);
    same(core.nextDue(10), b, 'second');
    same(core.nextDue(10), c, 'third');
    same(core.nextDue(10), NIL, 'end of the pass');
    same(core.nextDue(10), NIL, 'end of the pass, asked again');
    same(runDue(core, 10), [d, a, e], 'next pass');
  },

  'timers armed during a pass count, show and can be cancelled like any'(makeCore) {
    const core = makeCore();
    const slots = takeMany(core, 12);
    const late = takeMany(core, 9);
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    core.beginDue();
    same(core.nextDue(5), slots[0], 'first');
    for (const [i, slot] of late.entries()) core.arm(slot, -i, i % 2 ? NORMAL : Priority.HIGH);
    same(core.nextDue(5), slots[1], 'second');
    same(core.nextDeadline(), -8, 'nextDeadline()');
    same(
      late.map((slot) => core.deadline(slot)),
      late.map((_, i) => -i),
      'deadlines',
    );
    same(core.counter(Counter.TIMERS), 19, 'timers');
    same([core.disarm(late[8]), core.disarm(late[8]), core.disarm(late[3])], [true, false, true], 'disarm');
    same(core.nextDeadline(), -7, 'nextDeadline()');
    core.arm(late[3], 5, NORMAL);
    same(core.disarm(slots[5]), true, 'disarm of an older one');
    core.verify();
    // The pass is broken off; the next one has them all.
    const expected = [6, 4, 2, 0].map((i) => late[i]).concat(late[7], late[5], late[1]);
    same(runDue(core, 5), [...expected, ...slots.slice(2).filter((slot) => slot !== slots[5]), late[3]], 'next pass');
  },

  'a timer cancelled during a pass does not fire, and one armed anew waits for the next pass'(makeCore) {
    const core = makeCore();
    const [a, b, c, d] = takeMany(core, 4);
    for (const slot of [a, b, c, d]) core.arm(slot, 5, NORMAL);
    core.beginDue();
    same(core.nextDue(5), a, 'first');
    core.disarm(b);
    core.disarm(c);
    core.arm(c, 5, NORMAL);
    same([core.nextDue(5), core.nextDue(5)], [d, NIL], 'rest of the pass');
    same(runDue(core, 5), [c], 'next pass');
  },

  'within a pass time may go on'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    core.arm(a, 5, Priority.LATE);
    core.arm(b, 7, NORMAL);
    core.arm(c, 9, Priority.HIGHEST);
    core.beginDue();
    same([core.nextDue(5), core.nextDue(5), core.nextDue(7), core.nextDue(9)], [a, NIL, b, c], 'what is due');
  },

  'every timer armed before a pass can fire in it, wherever the younger ones stand'(makeCore) {
    const core = makeCore();
    const random = new Random(8);
    for (const round of count(20)) {
      const older = armMany(core, 30 + round, random, 50, 3);
      core.beginDue();
      const fired: number[] = [];
      const younger: Armed[] = [];
      for (let slot = core.nextDue(40); slot !== NIL; slot = core.nextDue(40)) {
        fired.push(slot);
        const timer = { slot, at: random.below(60), priority: random.below(5), seq: 1000 + fired.length };
        core.arm(slot, timer.at, timer.priority);
        younger.push(timer);
      }
      const due = older.filter((timer) => timer.at <= 40);
      const left = older.filter((timer) => timer.at > 40);
      same(fired, inOrder(due), 'the pass');
      same(runDue(core, 60), inOrder([...left, ...younger]), 'the next pass');
    }
  },

  'a slot whose timer fires while it waits leaves its row, timed out'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.LIST, 0);
    const [a, b, c] = takeMany(core, 3);
    for (const slot of [a, b, c]) core.park(slot, row);
    core.arm(b, 5, Priority.LATE);
    same(core.place(b), Place.WAITING, 'place of a waiter with a timer');
    same(runDue(core, 5), [b], 'due');
    same([core.place(b), core.rowOf(b), core.why(b)], [Place.LOOSE, NIL, Why.TIMED_OUT], 'place, row and reason');
    same(waitersOf(core, row), [a, c], 'who waits');
    same([core.waiting(row), core.counter(Counter.WAITING)], [2, 2], 'how many wait');
    same(entriesOf(core), [], 'ring');
    core.park(b, row);
    core.wakeAll(row);
    same(
      [a, c, b].map((slot) => core.why(slot)),
      [Why.WOKEN, Why.WOKEN, Why.WOKEN],
      'reasons',
    );
  },
};
