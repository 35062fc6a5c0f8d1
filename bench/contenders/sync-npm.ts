// Queues and locks from npm. What each leaves out is said in the cases.

import type { Contender } from '../harness.ts';
import { timedAsync } from './gauge.ts';

function npm(name: string, expect: number, make: () => Promise<() => Promise<number>>): Contender {
  return {
    id: `npm:${name}`,
    role: 'peer',
    async load() {
      const work = await make();
      return { expect, sample: () => timedAsync(work) };
    },
  };
}

/** A queue of tasks with a worker: no consumer asks for items, so it is the unbounded queue's peer only. */
export function fastq(total: number): Contender {
  return npm('fastq', total, async () => {
    const { default: make } = await import('fastq');
    return async () => {
      let seen = 0;
      const queue = make.promise(async (_item: number) => {
        seen++;
      }, 1);
      for (let i = 0; i < total; i++) void queue.push(i);
      await queue.drained();
      return seen;
    };
  });
}

export function csp(buffer: number, total: number): Contender {
  return npm('@thi.ng/csp', total, async () => {
    const { Channel } = await import('@thi.ng/csp');
    return async () => {
      const channel = new Channel<number>(buffer);
      let seen = 0;
      const produce = async () => {
        for (let i = 0; i < total; i++) await channel.write(i);
      };
      const consume = async () => {
        for (let i = 0; i < total; i++) {
          await channel.read();
          seen++;
        }
      };
      await Promise.all([produce(), consume()]);
      return seen;
    };
  });
}

export function effectQueue(capacity: number, total: number): Contender {
  return npm('effect', total, async () => {
    const { Effect, Queue } = await import('effect');
    return () => {
      let seen = 0;
      const all = Effect.gen(function* () {
        const queue = yield* capacity === 0 ? Queue.unbounded<number>() : Queue.bounded<number>(capacity);
        const produce = Effect.gen(function* () {
          for (let i = 0; i < total; i++) yield* Queue.offer(queue, i);
        });
        const consume = Effect.gen(function* () {
          for (let i = 0; i < total; i++) {
            yield* Queue.take(queue);
            seen++;
          }
        });
        yield* Effect.all([produce, consume], { concurrency: 'unbounded', discard: true });
        return seen;
      });
      return Effect.runPromise(all as never) as Promise<number>;
    };
  });
}

export function effectionQueue(total: number): Contender {
  return npm('effection', total, async () => {
    const { createQueue, run, spawn } = await import('effection');
    return () =>
      run(function* () {
        const queue = createQueue<number, void>();
        let seen = 0;
        const consumer = yield* spawn(function* () {
          for (let i = 0; i < total; i++) {
            yield* queue.next();
            seen++;
          }
        });
        for (let i = 0; i < total; i++) queue.add(i);
        yield* consumer;
        return seen;
      }) as unknown as Promise<number>;
  });
}

export function mutex(total: number): Contender {
  return npm('async-mutex', total, async () => {
    const { Mutex } = await import('async-mutex');
    return async () => {
      const lock = new Mutex();
      let seen = 0;
      for (let i = 0; i < total; i++) {
        const release = await lock.acquire();
        seen++;
        release();
      }
      return seen;
    };
  });
}

/** `n` async functions pass one permit on. */
export function passing(n: number, total: number): Contender {
  return npm('async-mutex', total, async () => {
    const { Semaphore } = await import('async-mutex');
    return async () => {
      const turns = Array.from({ length: n }, (_, i) => new Semaphore(i === 0 ? 1 : 0));
      let seen = 0;
      const body = async (i: number) => {
        for (let k = 0; k < total / n; k++) {
          await turns[i].acquire();
          seen++;
          turns[(i + 1) % n].release();
        }
      };
      await Promise.all(turns.map((_, i) => body(i)));
      return seen;
    };
  });
}
