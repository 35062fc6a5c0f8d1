// Bugs planted on purpose: cores that are right but for one thing. A test that cannot find them proves nothing.

import { type Core, Counter, NIL, Role, RowKind, Why, Word } from '../../ts/core/contract.ts';
import { createPureCore, type PureCore } from '../../ts/core/pure.ts';

export interface PlantedBug {
  /** What the core does wrong, as a sentence. */
  readonly name: string;
  makeCore(): Core;
}

/** `core` under another name, some of its methods replaced. */
export function planted(core: Core, wrong: (core: Core) => Partial<Core> = () => ({})): Core {
  const methods: Record<string, unknown> = { name: 'planted', ...wrong(core) };
  return new Proxy(core, {
    get(target, name: string) {
      const value = methods[name] ?? Reflect.get(target, name, target);
      if (typeof value !== 'function') return value; // words and ring are replaced when the core grows
      methods[name] ??= value.bind(target);
      return methods[name];
    },
  });
}

/** A semaphore's waiter that leaves takes a permit along. */
export const thief = (core: Core): Partial<Core> => {
  const semaphores = new Set<number>();
  return {
    rowNew(kind, value) {
      const row = core.rowNew(kind, value);
      if (kind === RowKind.SEMAPHORE) semaphores.add(row);
      else semaphores.delete(row);
      return row;
    },
    leave(slot) {
      const row = core.rowOf(slot);
      const left = core.leave(slot);
      if (left && semaphores.has(row)) core.semTry(row);
      return left;
    },
  };
};

function onPure(name: string, wrong: (core: Core) => Partial<Core>): PlantedBug {
  return { name, makeCore: () => planted(createPureCore({ rows: 3 }), wrong) };
}

function onTimers(name: string, wrong: (timers: PureCore['timers']) => void): PlantedBug {
  return {
    name,
    makeCore() {
      const core = createPureCore({ rows: 3 });
      wrong(core.timers);
      return planted(core);
    },
  };
}

/** Wrong buckets for what is armed. In a cascade they would make it go round for ever. */
function whenArmed(wheel: PureCore['timers']['wheel'], wrong: (tick: number) => number): void {
  const { advance, bucketOf } = wheel;
  wheel.bucketOf = wrong;
  wheel.advance = (now) => {
    wheel.bucketOf = bucketOf;
    advance.call(wheel, now);
    wheel.bucketOf = wrong;
  };
}

function swapCells(core: Core, cell: number, other: number): void {
  const { ring, words } = core;
  const [i, j] = [cell & words[Word.MASK], other & words[Word.MASK]];
  [ring[i], ring[j]] = [ring[j], ring[i]];
}

export const plantedBugs: readonly PlantedBug[] = [
  onPure('order: wakeAll of four or more swaps the last two', (core) => ({
    wakeAll(row) {
      const count = core.wakeAll(row);
      if (count >= 4) swapCells(core, core.words[Word.TAIL] - 1, core.words[Word.TAIL] - 2);
      return count;
    },
  })),

  onPure('order: a ring that grows while it goes over its end swaps its first two entries', (core) => ({
    take(kind) {
      const { ring, words } = core;
      const wraps = words[Word.HEAD] > words[Word.TAIL];
      const slot = core.take(kind);
      if (wraps && core.ring !== ring) swapCells(core, core.words[Word.HEAD], core.words[Word.HEAD] + 1);
      return slot;
    },
  })),

  onPure('lost wake-up: a pass that ends on a ready row with waiters schedules no other', (core) => ({
    notify(row) {
      const slot = core.notify(row);
      const { ring, words } = core;
      const back = (words[Word.TAIL] - 1) & words[Word.MASK];
      // At the back and not at the front as well: then it is not this pass going on.
      if (words[Word.HEAD] !== words[Word.TAIL] && back !== words[Word.HEAD] && ring[back] === ~row) {
        words[Word.TAIL] = back;
      }
      return slot;
    },
  })),

  onPure('lost wake-up: a slot parked on a raised flag is not notified', (core) => ({
    park(slot, row) {
      const pending = core.counter(Counter.READY);
      core.park(slot, row);
      if (core.value(row) > 0 && core.counter(Counter.READY) > pending) {
        core.words[Word.TAIL] = (core.words[Word.TAIL] - 1) & core.words[Word.MASK];
      }
    },
  })),

  onPure('handles: one of an earlier life is accepted', (core) => ({
    resolve(handle) {
      const slot = handle % 2 ** 24;
      return core.resolve(core.handle(slot));
    },
  })),

  onTimers('timers: disarm fills the hole by sifting down only', (timers) => {
    timers.fillHole = timers.siftDown;
  }),

  onTimers('timers: disarm fills the hole by sifting up only', (timers) => {
    timers.fillHole = timers.siftUp;
  }),

  onTimers('timers: of equal deadlines the one armed last comes first', (timers) => {
    const { before } = timers;
    timers.before = (at, slot, otherAt, other) =>
      at === otherAt ? !before.call(timers, at, slot, otherAt, other) : at < otherAt;
  }),

  onTimers('wheel: the bucket is found without regard to how far time has come', ({ wheel }) => {
    whenArmed(wheel, (tick) => {
      const level = (31 - Math.clz32(tick | 1)) >> 2;
      return (level << 4) | ((tick >> (level << 2)) & 15);
    });
  }),

  onTimers('wheel: a deadline beside the first bucket of a level goes into the next one', ({ wheel }) => {
    const { bucketOf } = wheel;
    whenArmed(wheel, (tick) => {
      const bucket = bucketOf.call(wheel, tick);
      return bucket >= 16 && bucket % 16 < 15 ? bucket + 1 : bucket;
    });
  }),

  onTimers('wheel: a cascade puts the first it meets a tick too late', (timers) => {
    const { wheel } = timers;
    const { advance } = wheel;
    const { again } = timers;
    wheel.advance = (now) => {
      let first = true;
      timers.again = (slot, at) => {
        again.call(timers, slot, first ? at + 4 : at);
        first = false;
      };
      advance.call(wheel, now);
      timers.again = again;
    };
  }),

  onTimers('wheel: the tick that is under way is not opened', ({ wheel }) => {
    const { openDue } = wheel;
    wheel.openDue = (now) => openDue.call(wheel, now - 4);
  }),

  onTimers('wheel: a bucket is looked into only when the heaps are empty', ({ wheel }) => {
    const { openBefore } = wheel;
    wheel.openBefore = (earliest) => earliest === Infinity && openBefore.call(wheel, earliest);
  }),

  onTimers('wheel: the timer that fills a hole is not told where it is', ({ wheel }) => {
    const { takeOut, buckets } = wheel;
    wheel.takeOut = (place) => {
      const slot = buckets[place >> 24].slot[place & 0xffffff];
      takeOut.call(wheel, place);
      return slot;
    };
  }),

  onPure('timers: those armed during a pass fire in it', (core) => ({
    nextDue(nowMs) {
      const slot = core.nextDue(nowMs);
      if (slot !== NIL) return slot;
      core.beginDue();
      return core.nextDue(nowMs);
    },
  })),

  onPure('permits: a waiter that leaves before it is notified takes one along', thief),

  onPure('reasons: a slot that timed out once has timed out for ever', (core) => {
    const timedOut = new Set<number>();
    return {
      why(slot) {
        if (core.why(slot) === Why.TIMED_OUT) timedOut.add(slot);
        return timedOut.has(slot) ? Why.TIMED_OUT : core.why(slot);
      },
    };
  }),

  onPure('queues: one that only looks takes the item', (core) => ({
    queueWait: (row, slot, role) => core.queueWait(row, slot, role === Role.PEEK ? Role.TAKE : role),
  })),

  onPure('lost wake-up: a putter that queues behind a getter does not have them meet', (core) => ({
    queueWait(row, slot, role) {
      const pending = core.counter(Counter.READY);
      core.queueWait(row, slot, role);
      if (role === Role.WAIT && core.counter(Counter.READY) > pending) {
        core.words[Word.TAIL] = (core.words[Word.TAIL] - 1) & core.words[Word.MASK];
      }
    },
  })),

  onPure('queues: putters go on without room', (core) => ({
    queueLimit: (row, limit) => core.queueLimit(row, limit === 0 ? 0 : limit + 1),
  })),
];
