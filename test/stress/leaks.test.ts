// Ten thousand waits of each kind that end without what they waited for: by a kill, a timeout of their own, one from outside, in turn.
// Afterwards every counter of the hub is what it was, and the object is as new.

import { describe, expect, test } from 'vitest';
import { AsyncResult, Event } from '../../ts/event.ts';
import {
  first,
  type Greenlet,
  idle,
  iwait,
  joinall,
  kill,
  killall,
  type Operation,
  shield,
  sleep,
  spawn,
  Timeout,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import { RLock, Semaphore } from '../../ts/lock.ts';
import { Pool } from '../../ts/pool.ts';
import { Channel, JoinableQueue, LifoQueue, PriorityQueue, Queue, SimpleQueue } from '../../ts/queue.ts';
import { CORES, simulateOn } from '../support/cores.ts';

const REPETITIONS = 10_000;
const AT_ONCE = 500;

type Body = Generator<any, any, any>;
/** Makes one wait that will not come true; `timeout` in seconds, or none. */
type Waits = (timeout: number | null) => Operation<any> | Body;

function* endless(): Body {
  yield* sleep(Infinity);
}

/** Each makes its object, with whatever keeps the wait from ending, and may say what must be as it was. */
const KINDS: Record<string, () => { waits: Waits; as?: () => unknown; helpers?: Greenlet[] }> = {
  sleep: () => ({ waits: (timeout) => (timeout === null ? sleep(100) : withTimeout(timeout, sleep as any, 100)) }),
  idle: () => ({ waits: () => idle() }),
  'Greenlet.join': () => {
    const helpers = [spawn(endless)];
    return { waits: (timeout) => helpers[0].join({ timeout }), as: () => helpers[0].hasLinks(), helpers };
  },
  'Greenlet.get': () => {
    const helpers = [spawn(endless)];
    return { waits: (timeout) => helpers[0].get({ timeout }), as: () => helpers[0].hasLinks(), helpers };
  },
  'joinall, wait and iwait': () => {
    const helpers = [spawn(endless), spawn(endless)];
    let turn = 0;
    const waits: Waits = (timeout) => {
      const which = turn++ % 3;
      if (which === 0) return joinall(helpers, { timeout });
      return which === 1 ? wait(helpers, { timeout }) : iterating(helpers, timeout);
    };
    return { waits, as: () => helpers.map((g) => g.hasLinks()), helpers };
  },
  'Event.wait': () => {
    const event = new Event();
    return { waits: (timeout) => event.wait({ timeout }), as: () => [event.isSet(), event.linkcount()] };
  },
  'AsyncResult.get': () => {
    const result = new AsyncResult();
    return { waits: (timeout) => result.get({ timeout }), as: () => [result.ready(), result.linkcount()] };
  },
  'Semaphore.acquire': () => {
    const semaphore = new Semaphore(0);
    return { waits: (timeout) => semaphore.acquire({ timeout }), as: () => [semaphore.counter, semaphore.linkcount()] };
  },
  'Semaphore.wait': () => {
    const semaphore = new Semaphore(0);
    return { waits: (timeout) => semaphore.wait({ timeout }), as: () => [semaphore.counter, semaphore.linkcount()] };
  },
  'RLock.acquire': () => {
    const lock = new RLock();
    const holder = spawn(function* (): Body {
      using _ = yield* lock.lock();
      yield* endless();
    });
    return { waits: (timeout) => lock.acquire({ timeout }), as: () => lock.locked(), helpers: [holder] };
  },
  'JoinableQueue.join': () => {
    const queue = new JoinableQueue(null, [1]);
    return { waits: (timeout) => queue.join({ timeout }), as: () => queue.unfinishedTasks };
  },
  'Channel.put': () => {
    const channel = new Channel<number>();
    return { waits: (timeout) => channel.put(1, { timeout }), as: () => channel.balance };
  },
  'Channel.get': () => {
    const channel = new Channel<number>();
    return { waits: (timeout) => channel.get({ timeout }), as: () => channel.balance };
  },
  'Pool.spawn and waitAvailable': () => {
    const pool = new Pool(1);
    const helpers = [pool.spawnNowait(endless)];
    let turn = 0;
    const waits: Waits = (timeout) =>
      turn++ % 2 === 0 ? pool.waitAvailable({ timeout }) : withTimeout(timeout, () => pool.spawn(endless));
    return { waits, as: () => [pool.length, pool.freeCount()], helpers };
  },
  'Pool.join': () => {
    const pool = new Pool(2);
    const helpers = [pool.spawnNowait(endless)];
    return { waits: (timeout) => pool.join({ timeout }), as: () => [pool.length, pool.freeCount()], helpers };
  },
  first: () => {
    const [event, semaphore, queue] = [new Event(), new Semaphore(0), new Queue<number>()];
    const waits: Waits = (timeout) => first([event.wait(), semaphore.acquire(), queue.get(), sleep(100)], { timeout });
    return { waits, as: () => [event.linkcount(), semaphore.counter, semaphore.linkcount(), queue.qsize()] };
  },
  'kill of one that resists': () => {
    function* resists(): Body {
      for (;;) {
        try {
          yield* sleep(Infinity);
        } catch (error) {
          if (error instanceof Error && error.message === 'end') return;
        }
      }
    }
    const helpers = [spawn(resists)];
    return { waits: (timeout) => helpers[0].kill({ timeout }), as: () => helpers[0].hasLinks(), helpers };
  },
};

for (const Kind of [Queue, LifoQueue, PriorityQueue, SimpleQueue]) {
  KINDS[`${Kind.name}.put`] = () => {
    const queue = new Kind<number>(1, [1]);
    return { waits: (timeout) => queue.put(2, { timeout }), as: () => queue.qsize() };
  };
  KINDS[`${Kind.name}.get and peek`] = () => {
    const queue = new Kind<number>(1);
    let turn = 0;
    const waits: Waits = (timeout) => (turn++ % 2 === 0 ? queue.get({ timeout }) : queue.peek({ timeout }));
    return { waits, as: () => queue.qsize() };
  };
}

function* iterating(greenlets: Greenlet[], timeout: number | null): Body {
  using it = iwait(greenlets, { timeout });
  while (!(yield* it.next()).done);
}

function* waiter(waits: Waits, how: number): Body {
  try {
    if (how === 1) yield* waits(1);
    else if (how === 2) yield* withTimeout(1, () => waits(null) as Operation<any>);
    else yield* waits(null);
  } catch (error) {
    // What waits are refused with; the rest is a failure, and reported.
    if (!(error instanceof Timeout) && !['Empty', 'Full'].includes((error as Error).name)) throw error;
  }
}

describe.each(CORES)('on the %s core', (core) => {
  test.each(Object.keys(KINDS))(`${REPETITIONS} times %s is left without a trace`, (name) => {
    const { hub, clock, reports, close } = simulateOn(core, { debug: false });
    try {
      const { waits, as = () => null, helpers = [] } = KINDS[name]();
      clock.advance(0);
      const before = { counters: hub.statistics(), as: as() };
      for (let done = 0; done < REPETITIONS; done += AT_ONCE) {
        const greenlets = Array.from({ length: AT_ONCE }, (_, n) => spawn(waiter, waits, n % 3));
        clock.advance(0);
        for (let n = 0; n < AT_ONCE; n += 3) kill(greenlets[n]);
        clock.advance(2);
        // Those that nothing else ends.
        killall(greenlets, { block: false });
        clock.advance(2);
        if (greenlets.some((greenlet) => !greenlet.dead)) throw new Error('some have not ended');
      }
      expect({ counters: hub.statistics(), as: as() }).toEqual(before);
      expect(reports).toEqual([]);
      hub.core.verify();
      killall(helpers, { exception: new Error('end'), block: false });
      hub.exceptionStream = null;
      clock.runAll();
      expect(Object.values(hub.statistics()).filter((count) => count > 0)).toEqual([]);
    } finally {
      close();
    }
  });

  test(`${REPETITIONS} Timeouts started and cancelled, sections shielded, links made and taken off`, () => {
    const { hub, clock, close } = simulateOn(core, { debug: false });
    try {
      const target = spawn(endless);
      const event = new Event();
      const g = spawn(function* (): Body {
        for (let n = 0; n < REPETITIONS; ++n) {
          const timeout = Timeout.startNew(1);
          const link = () => {};
          target.link(link);
          event.rawlink(link);
          yield* shield(sleep as any, 0);
          target.unlink(link);
          event.unlink(link);
          timeout.close();
        }
      });
      clock.advance(0);
      expect(g.successful()).toBe(true);
      expect([target.hasLinks(), event.linkcount()]).toEqual([0, 0]);
      kill(target);
      clock.runAll();
      expect(Object.values(hub.statistics()).filter((count) => count > 0)).toEqual([]);
    } finally {
      close();
    }
  });
});
