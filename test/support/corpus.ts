// One program for each primitive, to be hit everywhere (trial.ts). Each says what must hold at the end, whoever died where: items put
// are items got and items still there, permits are those held and those free, links are those of who still waits.

import * as events from '../../ts/event.ts';
import {
  call,
  defer,
  first,
  iwait,
  joinall,
  type Operation,
  shield,
  sleep,
  spawn,
  TaskGroup,
  until,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import * as locals from '../../ts/local.ts';
import * as locks from '../../ts/lock.ts';
import * as pools from '../../ts/pool.ts';
import * as queues from '../../ts/queue.ts';
import type { Program, Trial } from './trial.ts';

type Body = Generator<any, any, any>;

/** The classes that programs use; some replaced to plant a bug. */
export const library = { ...events, ...locks, ...queues, ...pools, ...locals };
export type Library = typeof library;

function same(what: string, actual: unknown, expected: unknown): void {
  if (String(actual) !== String(expected)) throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
}

/** Producers and consumers over anything with put and get. */
function exchange(t: Trial, q: any, rest: () => number[], amount: number): void {
  const put: number[] = [];
  const got: number[] = [];
  function* producer(from: number): Body {
    for (let n = from; n < from + amount; ++n) {
      yield* q.put(n);
      put.push(n);
    }
  }
  function* consumer(patient: boolean): Body {
    for (let n = 0; n < amount; ++n) {
      try {
        got.push(yield* patient ? q.get() : q.get({ timeout: n }));
      } catch (error) {
        if (!(error instanceof queues.Empty)) throw error;
      }
    }
  }
  t.spawn(producer, 0);
  t.spawn(consumer, true);
  t.spawn(producer, 100);
  t.spawn(consumer, false);
  t.check(() => same('items', [...got, ...rest()].sort(), put.sort()));
}

function* drain(q: any): Generator<number> {
  while (q.qsize() > 0) yield q.getNowait();
}

/** Several that take a lock, some with a limit, and give it back in the end. */
function sharing(t: Trial, lock: any, free: () => number, total: number): void {
  let held = 0;
  function* worker(n: number): Body {
    for (let i = 0; i < 2; ++i) {
      if (!(yield* n === 2 ? lock.acquire({ timeout: 1 }) : lock.acquire())) continue;
      ++held;
      try {
        yield* sleep(n === 1 ? 0 : 1);
      } finally {
        --held;
        lock.release();
      }
    }
  }
  for (let n = 0; n < 4; ++n) t.spawn(worker, n);
  t.check(() => same('permits', held + free(), total));
}

/** Room for as many as say so, and no more. */
function roomy(pool: pools.Pool, size: number, members: number): void {
  same('room', [pool.freeCount(), pool.length], [size - members, members]);
  for (let n = members; n < size; ++n) pool.spawnNowait(() => {});
  let refused = false;
  try {
    pool.spawnNowait(() => {});
  } catch {
    refused = true;
  }
  same('refused', refused, true);
}

/** All programs, by name. */
export function corpus(lib: Library = library): Record<string, Program> {
  return {
    'sleep and withTimeout'(t) {
      for (let n = 0; n < 3; ++n) {
        t.spawn(function* (): Body {
          yield* sleep(0);
          yield* withTimeout({ seconds: 1, timeoutValue: null }, sleep as any, n);
          yield* sleep(1);
        });
      }
    },

    'join, get, joinall, wait, iwait, links'(t) {
      const targets = [1, 2, 3].map((n) =>
        t.spawn(function* (): Body {
          yield* sleep(n);
          return n;
        }),
      );
      const waiting = [
        t.spawn(function* (): Body {
          yield* targets[0].join({ timeout: 2 });
          yield* targets[2].get();
        }),
        t.spawn(function* (): Body {
          yield* joinall(targets, { timeout: 2.5 });
          yield* joinall(targets);
        }),
        t.spawn(function* (): Body {
          yield* wait(targets, { count: 1 });
          const it = iwait(targets);
          try {
            while (!(yield* it.next()).done);
          } finally {
            it.close();
          }
        }),
      ];
      let told = 0;
      for (const target of targets) {
        target.link(() => ++told);
        target.rawlink(() => ++told);
      }
      t.check(() => {
        same(
          'links',
          targets.map((g) => g.hasLinks()),
          [0, 0, 0],
        );
        same('told', told, 6);
        same('waiting', t.alive(waiting), 0);
      });
    },

    'kill of one another'(t) {
      const resists = t.spawn(function* (): Body {
        try {
          yield* sleep(3);
        } finally {
          yield* sleep(1);
        }
      });
      for (let n = 0; n < 2; ++n) {
        t.spawn(function* (): Body {
          yield* sleep(n);
          yield* resists.kill({ timeout: 2 });
          yield* resists.join();
        });
      }
      t.check(() => same('dead', [resists.dead, resists.hasLinks()], [true, 0]));
    },

    'defer and call'(t) {
      let opened = 0;
      let closed = 0;
      for (let n = 0; n < 2; ++n) {
        t.spawn(function* (): Body {
          yield* defer(function* (): Body {
            // An exception ends what blocks here, and only that.
            try {
              yield* sleep(0);
            } finally {
              ++closed;
            }
          });
          ++opened;
          yield* call(function* (): Body {
            yield* sleep(1);
            yield* sleep(0);
          });
        });
      }
      t.check(() => same('closed', closed, opened));
    },

    Event(t) {
      const event = new lib.Event();
      const waiting = [0, 1, 2].map((n) =>
        t.spawn(function* (): Body {
          for (let i = 0; i < 2; ++i) yield* n === 1 ? event.wait({ timeout: 1 }) : event.wait();
        }),
      );
      t.spawn(function* (): Body {
        for (let n = 0; n < 3; ++n) {
          yield* sleep(1);
          event.set();
          if (n < 2) event.clear();
        }
      });
      t.check(() => same('waiters', event.linkcount(), t.alive(waiting)));
    },

    AsyncResult(t) {
      const result = new lib.AsyncResult<number>();
      const waiting = [0, 1, 2].map((n) =>
        t.spawn(function* (): Body {
          if (n === 1) yield* result.wait({ timeout: 1 });
          same('value', yield* result.get(), 7);
        }),
      );
      t.spawn(function* (): Body {
        yield* sleep(2);
        result.set(7);
      });
      t.check(() => same('waiters', result.linkcount(), t.alive(waiting)));
    },

    Semaphore(t) {
      const semaphore = new lib.Semaphore(2);
      sharing(t, semaphore, () => semaphore.counter, 2);
    },

    BoundedSemaphore(t) {
      const semaphore = new lib.BoundedSemaphore(1);
      sharing(t, semaphore, () => semaphore.counter, 1);
    },

    DummySemaphore(t) {
      sharing(t, new lib.DummySemaphore(), () => 0, 0);
    },

    RLock(t) {
      const lock = new lib.RLock();
      for (let n = 0; n < 3; ++n) {
        t.spawn(function* (): Body {
          using _outer = yield* lock.lock();
          yield* sleep(n);
          using _inner = yield* lock.lock();
          yield* sleep(0);
        });
      }
      t.check(() => same('held', lock.locked(), false));
    },

    Queue(t) {
      const q = new lib.Queue<number>(1);
      exchange(t, q, () => [...drain(q)], 3);
    },
    'Queue without a limit'(t) {
      const q = new lib.Queue<number>();
      exchange(t, q, () => [...drain(q)], 3);
    },
    SimpleQueue(t) {
      const q = new lib.SimpleQueue<number>();
      exchange(t, q, () => [...drain(q)], 3);
    },
    LifoQueue(t) {
      const q = new lib.LifoQueue<number>(2);
      exchange(t, q, () => [...drain(q)], 3);
    },
    PriorityQueue(t) {
      const q = new lib.PriorityQueue<number>(2);
      exchange(t, q, () => [...drain(q)], 3);
    },

    JoinableQueue(t) {
      const q = new lib.JoinableQueue<number>(2);
      let unfinished = 0;
      t.spawn(function* (): Body {
        for (let n = 0; n < 4; ++n) {
          yield* q.put(n);
          ++unfinished;
        }
      });
      for (let n = 0; n < 2; ++n) {
        t.spawn(function* (): Body {
          for (let i = 0; i < 2; ++i) {
            yield* q.get();
            try {
              yield* sleep(n);
            } finally {
              q.taskDone();
              --unfinished;
            }
          }
        });
      }
      t.spawn(function* (): Body {
        yield* q.join({ timeout: 1 });
        yield* q.join();
      });
      t.check(() => same('unfinished', q.unfinishedTasks, unfinished));
    },

    Channel(t) {
      const channel = new lib.Channel<number>();
      exchange(t, channel, () => [], 3);
      t.check(() =>
        same('a side waits', channel.balance === 0 || t.alive(t.greenlets) >= Math.abs(channel.balance), true),
      );
    },

    Group(t) {
      const group = new lib.Group();
      let early = 0;
      const members = [1, 2].map((n) =>
        t.spawn(function* (): Body {
          yield* sleep(n);
        }),
      );
      for (const member of members) group.addNowait(member);
      t.spawn(function* (): Body {
        yield* group.join({ timeout: 1 });
        yield* group.join();
        early = t.alive(members);
      });
      t.spawn(function* (): Body {
        yield* sleep(1);
        yield* group.kill();
      });
      t.check(() => same('members', [group.length, early], [t.alive(members), 0]));
    },

    Pool(t) {
      const pool = new lib.Pool(2);
      const members: any[] = [];
      for (let n = 0; n < 3; ++n) {
        t.spawn(function* (): Body {
          for (let i = 0; i < 2; ++i) {
            const member = yield* pool.spawn(function* (): Body {
              yield* sleep(1);
            });
            members.push(member);
            t.greenlets.push(member);
          }
          yield* pool.waitAvailable({ timeout: 1 });
        });
      }
      t.check(() => roomy(pool, 2, t.alive(members)));
    },

    'Pool.map and apply'(t) {
      const pool = new lib.Pool(2);
      function* work(n: number): Body {
        yield* sleep(n);
        return n;
      }
      t.spawn(function* (): Body {
        yield* pool.map(work, [2, 1, 0, 1]);
      });
      t.spawn(function* (): Body {
        yield* pool.apply(work, [1]);
        yield* pool.apply(work, [0]);
      });
      t.check(() => roomy(pool, 2, 0));
    },

    imap(t) {
      const pool = new lib.Pool(2);
      function* work(n: number): Body {
        yield* sleep(n);
        return n;
      }
      t.spawn(function* (): Body {
        const it = pool.imap(work, [1, 0, 2]);
        t.greenlets.push(it);
        while (!(yield* it.next()).done);
      });
      t.spawn(function* (): Body {
        const it = pool.imapUnordered(work, [2, 1]);
        t.greenlets.push(it);
        while (!(yield* it.next()).done);
      });
      t.check(() => roomy(pool, 2, 0));
    },

    local(t) {
      const values = new lib.local();
      for (let n = 0; n < 2; ++n) {
        t.spawn(function* (): Body {
          values.x = n;
          yield* sleep(1);
          same('value', values.x, n);
        });
      }
      t.check(() => same('values', Object.keys(values), []));
    },

    shield(t) {
      let begun = 0;
      let ended = 0;
      for (let n = 0; n < 2; ++n) {
        t.spawn(function* (): Body {
          yield* sleep(0);
          yield* shield(function* (): Body {
            ++begun;
            yield* sleep(1);
            yield* sleep(0);
            ++ended;
          });
          yield* sleep(1);
        });
      }
      t.check(() => same('sections', ended, begun));
    },

    TaskGroup(t) {
      const children: any[] = [];
      function* child(n: number): Body {
        yield* sleep(n);
        if (n === 2) throw new Error('of a child');
      }
      t.spawn(function* (): Body {
        try {
          yield* TaskGroup.run(function* (group: any): Body {
            for (let n = 0; n < 3; ++n) children.push(group.spawn(child, n));
            yield* sleep(1);
          });
        } catch (error) {
          if (!(error instanceof AggregateError)) throw error;
        }
      });
      t.check(() => same('children', t.alive(children), 0));
    },

    first(t) {
      const q = new lib.Queue<number>(1);
      const semaphore = new lib.Semaphore(1);
      const event = new lib.Event();
      let held = 0;
      const put: number[] = [];
      const got: number[] = [];
      for (let n = 0; n < 2; ++n) {
        t.spawn(function* (): Body {
          for (let i = 0; i < 2; ++i) {
            const all: Record<string, Operation<any>> = {
              item: q.get(),
              permit: semaphore.acquire(),
              event: event.wait(),
              late: sleep(2),
            };
            const { key, value } = yield* first(all);
            if (key === 'item') got.push(value);
            if (key !== 'permit') continue;
            ++held;
            try {
              yield* sleep(1);
            } finally {
              --held;
              semaphore.release();
            }
          }
        });
      }
      t.spawn(function* (): Body {
        for (let n = 0; n < 3; ++n) {
          yield* q.put(n);
          put.push(n);
        }
      });
      t.spawn(function* (): Body {
        yield* sleep(1);
        event.set();
        event.clear();
      });
      t.check(() => {
        same('permits', held + semaphore.counter, 1);
        same('items', [...got, ...drain(q)].sort(), put.sort());
        same('waiters', event.linkcount(), 0);
      });
    },

    'a foreign promise'(t) {
      const { promise, resolve } = Promise.withResolvers<void>();
      t.spawn(function* (): Body {
        yield* withTimeout({ seconds: 1, timeoutValue: null }, function* (): Body {
          yield* until(promise);
        });
        resolve();
      });
      spawn(function* (): Body {
        yield* sleep(3);
      });
    },
  };
}
