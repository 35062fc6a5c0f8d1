// Bugs planted on purpose in what programs are hit on: the injection run must find each.

import { describe, expect, test } from 'vitest';
import type { Core } from '../../ts/core/contract.ts';
import { createPureCore } from '../../ts/core/pure.ts';
import { corpus, type Library, library } from '../support/corpus.ts';
import { planted, thief } from '../support/planted.ts';
import { everywhere } from '../support/trial.ts';

/** What is wrong, in which program, and how it is put in. */
interface Bug {
  name: string;
  program: string;
  library?: Partial<Record<keyof Library, unknown>>;
  core?: (core: Core) => Partial<Core>;
}

const bugs: Bug[] = [
  {
    name: 'Event: who leaves does not give the row back',
    program: 'Event',
    library: {
      Event: class extends library.Event {
        override $left(): void {}
      },
    },
  },
  {
    name: 'AsyncResult: who leaves does not give the row back',
    program: 'AsyncResult',
    library: {
      AsyncResult: class extends library.AsyncResult {
        override $left(): void {}
      },
    },
  },
  { name: 'Semaphore: a waiter that leaves takes a permit along', program: 'Semaphore', core: thief },
  { name: 'BoundedSemaphore: a waiter that leaves takes a permit along', program: 'BoundedSemaphore', core: thief },
  { name: 'RLock: a waiter that leaves takes the lock along', program: 'RLock', core: thief },
  {
    name: 'RLock: who is killed inside an inner block gives back both',
    program: 'RLock',
    library: {
      RLock: class extends library.RLock {
        override release(): void {
          // Only once, of two.
          if (!this.toString().includes('count=2')) super.release();
        }
      },
    },
  },
  ...(['Queue', 'SimpleQueue', 'LifoQueue', 'PriorityQueue'] as const).map((kind): Bug => {
    return {
      name: `${kind}: who leaves puts an item in`,
      program: kind,
      library: {
        [kind]: class extends (library[kind] as typeof library.Queue) {
          override $abandoned(hub: any, slot: number): void {
            super.$abandoned(hub, slot);
            this._put(-1);
          }
        },
      },
    };
  }),
  {
    name: 'Queue: an item is gone when somebody peeks',
    program: 'Queue without a limit',
    library: {
      Queue: class extends library.Queue {
        #taken = 0;
        override $takeWaited(hub: any, slot: number, role: any): any {
          if (++this.#taken === 2 && this._qsize() > 1) this._get();
          return super.$takeWaited(hub, slot, role);
        }
      },
    },
  },
  {
    name: 'JoinableQueue: what is given up counts as done',
    program: 'JoinableQueue',
    library: {
      JoinableQueue: class extends library.JoinableQueue {
        override $abandoned(hub: any, slot: number): void {
          super.$abandoned(hub, slot);
          if (this.unfinishedTasks > 0) this.taskDone();
        }
      },
    },
  },
  {
    name: 'Channel: an item that was handed over is handed over again',
    program: 'Channel',
    library: {
      Channel: class extends library.Channel {
        #last: { item: unknown } | null = null;
        override $received(hub: any, slot: number): any {
          const item = this.#last === null ? super.$received(hub, slot) : this.#last.item;
          this.#last = { item };
          return item;
        }
      },
    },
  },
  {
    name: 'Pool: who waited for room and was killed keeps it',
    program: 'Pool',
    library: {
      Pool: class extends library.Pool {
        #given = 0;
        override $giveRoom(): void {
          if (++this.#given !== 3) super.$giveRoom();
        }
      },
    },
  },
  {
    name: 'Pool: map loses the room of what failed',
    program: 'Pool.map and apply',
    library: {
      Pool: class extends library.Pool {
        #given = 0;
        override $giveRoom(): void {
          if (++this.#given !== 2) super.$giveRoom();
        }
      },
    },
  },
  {
    name: 'Group: the second is no member',
    program: 'Group',
    library: {
      Group: class extends library.Group {
        override addNowait(greenlet: any): void {
          if (this.length === 0) super.addNowait(greenlet);
        }
      },
    },
  },
  {
    name: 'imap: the room of a killed one is lost',
    program: 'imap',
    library: {
      Pool: class extends library.Pool {
        #given = 0;
        override $giveRoom(): void {
          if (++this.#given !== 2) super.$giveRoom();
        }
      },
    },
  },
  {
    name: 'timers: one that was cancelled stays armed',
    program: 'sleep and withTimeout',
    core: (core) => {
      let freed = 0;
      return { freeArmed: (slot) => ++freed === 2 || core.freeArmed(slot) };
    },
  },
  {
    name: 'slots: one that was given back is kept',
    program: 'join, get, joinall, wait, iwait, links',
    core: (core) => {
      let freed = 0;
      return {
        free(slot) {
          if (++freed !== 3) core.free(slot);
        },
      };
    },
  },
  {
    name: 'rows: one that nobody waits on is kept',
    program: 'join, get, joinall, wait, iwait, links',
    core: (core) => {
      let freed = 0;
      return {
        rowFree(row) {
          if (++freed !== 2) core.rowFree(row);
        },
      };
    },
  },
  {
    name: 'first: a loser that was woken takes a permit along',
    program: 'first',
    core: thief,
  },
];

describe('a bug that was planted is found by the injection run', () => {
  test.each(bugs)('$name', ({ program, library: wrong = {}, core }) => {
    const programs = corpus({ ...library, ...wrong } as Library);
    const make = () => (core === undefined ? createPureCore({ rows: 3 }) : planted(createPureCore({ rows: 3 }), core));
    let found: unknown = null;
    try {
      everywhere(make, programs[program]);
    } catch (error) {
      found = error;
    }
    expect(found, 'nothing was found').toBeInstanceOf(Error);
    console.log(`found: ${(found as Error).message.split('\n')[0]}`);
  });
});
