// Bugs planted on purpose in the library that random programs run on: the comparison with gevent must find each.

import { beforeAll, describe, expect, test } from 'vitest';
import * as events from '../../ts/event.ts';
import * as lib from '../../ts/index.ts';
import * as locks from '../../ts/lock.ts';
import * as pools from '../../ts/pool.ts';
import * as queues from '../../ts/queue.ts';
import { type Answer, original, skipped } from './original.ts';
import { makeProgram, type Program, type Written, write } from './programs/grammar.ts';
import { grammar, runHere } from './programs/run.ts';

const PROGRAMS = 1500;
const SEED = 7_000_000;

interface Bug {
  name: string;
  replaced: Record<string, unknown>;
}

const bugs: Bug[] = [
  {
    name: 'spawn: the last comes first',
    replaced: { spawn: (fn: any, ...args: any[]) => lib.spawnLater(0, fn, ...args) },
  },
  { name: 'sleep(0): goes on at once', replaced: { sleep: () => undefined } },
  {
    name: 'kill: one that never ran is left to run',
    replaced: { kill: (g: any) => (g.active ? undefined : lib.kill(g)) },
  },
  {
    name: 'killall: the last is spared',
    replaced: { killall: (all: any[], options: any) => lib.killall(all.slice(1), options) },
  },
  {
    name: 'joinall: no timeout',
    replaced: { joinall: (all: any, { timeout: _, ...options }: any = {}) => lib.joinall(all, options) },
  },
  {
    name: 'wait: count is ignored',
    replaced: { wait: (all: any, { count: _, ...options }: any = {}) => lib.wait(all, options) },
  },
  {
    name: 'Timeout: one that is closed comes all the same',
    replaced: {
      Timeout: class extends lib.Timeout {
        override close(): void {}
      },
    },
  },
  {
    name: 'Event: clear does nothing',
    replaced: {
      Event: class extends events.Event {
        override clear(): void {}
      },
    },
  },
  {
    name: 'AsyncResult: the first value wins',
    replaced: {
      AsyncResult: class extends events.AsyncResult<any> {
        override set(value?: unknown): void {
          if (!this.ready()) super.set(value);
        }
      },
    },
  },
  {
    name: 'Semaphore: a release with waiters gives one more',
    replaced: {
      Semaphore: class extends locks.Semaphore {
        override release(count = 1): number {
          return super.release(this.linkcount() > 1 ? count + 1 : count);
        }
      },
    },
  },
  {
    name: 'BoundedSemaphore: has no bound',
    replaced: { BoundedSemaphore: locks.Semaphore },
  },
  {
    name: 'RLock: not reentrant without blocking',
    replaced: {
      RLock: class extends locks.RLock {
        override acquire(options: any = {}): any {
          return options.blocking === false && this.locked() ? false : super.acquire(options);
        }
      },
    },
  },
  {
    name: 'Queue: the latest first',
    replaced: {
      Queue: class extends queues.Queue {
        override _put(item: unknown): void {
          this.queue.unshift(item);
        }
      },
    },
  },
  {
    name: 'SimpleQueue: peek takes the item',
    replaced: {
      SimpleQueue: class extends queues.SimpleQueue {
        override peek(options?: any): any {
          return this.get(options);
        }
      },
    },
  },
  { name: 'LifoQueue: the first first', replaced: { LifoQueue: queues.Queue } },
  { name: 'PriorityQueue: no order', replaced: { PriorityQueue: queues.Queue } },
  {
    name: 'JoinableQueue: two tasks are done at once',
    replaced: {
      JoinableQueue: class extends queues.JoinableQueue {
        override taskDone(): void {
          if (this.unfinishedTasks > 1) super.taskDone();
          super.taskDone();
        }
      },
    },
  },
  {
    name: 'Channel: a queue of one',
    replaced: {
      Channel: class extends queues.Queue {
        constructor() {
          super(1);
        }
        get balance() {
          return 0;
        }
      },
    },
  },
  {
    name: 'Pool: room for one more',
    replaced: {
      Pool: class extends pools.Pool {
        constructor(size: number) {
          super(size + 1);
        }
      },
    },
  },
  {
    name: 'Group: join does not wait',
    replaced: {
      Group: class extends pools.Group {
        override join(): any {
          return true;
        }
      },
    },
  },
];

describe.skipIf(skipped)('a bug that was planted is found by random programs', () => {
  let programs: Program[] = [];
  let written: Written[] = [];
  let answers: Answer[] = [];

  beforeAll(async () => {
    programs = Array.from({ length: PROGRAMS }, (_, i) => makeProgram(grammar, SEED + i));
    written = programs.map((program) => write(grammar, program));
    answers = await original(
      written.map(({ python }) => ({ text: python })),
      { each: 100, distinct: true },
    );
  }, 120_000);

  test.each(bugs)('$name', ({ replaced }) => {
    const name = Object.keys(replaced)[0];
    const tried = written.filter(({ ts }) => ts.includes(name));
    const at = tried.findIndex((one) => {
      const theirs = answers[written.indexOf(one)].lines as string[];
      return String(runHere('pure', one, replaced)) !== String(theirs);
    });
    expect(at, `none of ${tried.length} programs found it`).toBeGreaterThanOrEqual(0);
    console.log(`found by program ${at + 1} of ${tried.length}`);
  });
});
