// Schedulers from npm that offer something like a greenlet: a body that looks sequential, a handle to join, cancellation.
// Both are loaded inside `load`, so that no other process pays for them.

import type { Contender, Reading } from '../harness.ts';
import { Gauge, inWindow, roundsFor, timedAsync } from './gauge.ts';
import { type Sleepers, sleepersContender } from './memory.ts';

const gauge = new Gauge();
let turns = 0;
let ran = 0;
let asleep = 0;

export const effect = {
  /** Fibers that call `Effect.yieldNow`. */
  switching(n: number, total: number): Contender {
    return {
      id: 'npm:effect',
      role: 'peer',
      async load() {
        const { Effect, Fiber } = await import('effect');
        const rounds = roundsFor(n, total);
        const body = (first: boolean, last: boolean) =>
          Effect.gen(function* () {
            yield* Effect.yieldNow;
            turns++;
            if (first) gauge.open(turns);
            for (let r = 0; r < rounds; r++) {
              yield* Effect.yieldNow;
              turns++;
            }
            if (last) gauge.close(turns);
            yield* Effect.yieldNow;
          });
        const all = Effect.gen(function* () {
          const fibers = [];
          for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(body(i === 0, i === n - 1)));
          for (const fiber of fibers) yield* Fiber.join(fiber);
        });
        const sample = async (): Promise<Reading> => {
          await Effect.runPromise(all);
          return gauge.read();
        };
        return { expect: inWindow(n, rounds), sample };
      },
    };
  },

  spawning(alive: number, batches: number): Contender {
    return {
      id: 'npm:effect',
      role: 'peer',
      async load() {
        const { Effect, Fiber } = await import('effect');
        const empty = Effect.sync(() => {
          ran++;
        });
        const work = Effect.gen(function* () {
          const before = ran;
          for (let batch = 0; batch < batches; batch++) {
            const fibers = [];
            for (let i = 0; i < alive; i++) fibers.push(yield* Effect.forkChild(empty));
            for (const fiber of fibers) yield* Fiber.join(fiber);
          }
          return ran - before;
        });
        return { expect: alive * batches, sample: () => timedAsync(() => Effect.runPromise(work)) };
      },
    };
  },

  sleepers(n: number, what: Sleepers): Contender {
    return sleepersContender('npm:effect', 'peer', n, what, async () => {
      const { Effect } = await import('effect');
      const body = Effect.gen(function* () {
        asleep++;
        yield* Effect.sleep(3_600_000);
      });
      return {
        start(count) {
          for (let i = 0; i < count; i++) Effect.runFork(body);
        },
        asleep: () => asleep,
      };
    });
  },
};

export const effection = {
  /** Tasks that pass through an action which resolves at once: Effection has no operation that only yields. */
  switching(n: number, total: number): Contender {
    return {
      id: 'npm:effection',
      role: 'peer',
      async load() {
        const { action, run, spawn } = await import('effection');
        const rounds = roundsFor(n, total);
        const pass = () =>
          action<void>((resolve) => {
            resolve();
            return () => {};
          });
        function* body(first: boolean, last: boolean) {
          yield* pass();
          turns++;
          if (first) gauge.open(turns);
          for (let r = 0; r < rounds; r++) {
            yield* pass();
            turns++;
          }
          if (last) gauge.close(turns);
          yield* pass();
        }
        const sample = async (): Promise<Reading> => {
          await run(function* () {
            const tasks = [];
            for (let i = 0; i < n; i++) tasks.push(yield* spawn(() => body(i === 0, i === n - 1)));
            for (const task of tasks) yield* task;
          });
          return gauge.read();
        };
        return { expect: inWindow(n, rounds), sample };
      },
    };
  },

  spawning(alive: number, batches: number): Contender {
    return {
      id: 'npm:effection',
      role: 'peer',
      async load() {
        const { run, spawn } = await import('effection');
        function* empty() {
          ran++;
        }
        const work = async () =>
          await run(function* () {
            const before = ran;
            for (let batch = 0; batch < batches; batch++) {
              const tasks = [];
              for (let i = 0; i < alive; i++) tasks.push(yield* spawn(empty));
              for (const task of tasks) yield* task;
            }
            return ran - before;
          });
        return { expect: alive * batches, sample: () => timedAsync(work) };
      },
    };
  },

  sleepers(n: number, what: Sleepers): Contender {
    return sleepersContender('npm:effection', 'peer', n, what, async () => {
      const { run, sleep } = await import('effection');
      function* body() {
        asleep++;
        yield* sleep(3_600_000);
      }
      return {
        start(count) {
          for (let i = 0; i < count; i++) run(body);
        },
        asleep: () => asleep,
      };
    });
  },
};
