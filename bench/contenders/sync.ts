// Queues, events, semaphores and links of the engine. Like engine.ts, but for what waits.

import type { Park } from '../../ts/hub/protocol.ts';
import { type Contender, Unavailable } from '../harness.ts';
import { moduleExists, moduleUrl } from '../source.ts';
import { timedAsync } from './gauge.ts';

type Core = 'wasm' | 'pure';
type Body<T = void> = Generator<Park, T, unknown>;
type Api = typeof import('../../ts/index.ts') &
  typeof import('../../ts/event.ts') &
  typeof import('../../ts/lock.ts') &
  typeof import('../../ts/queue.ts') &
  typeof import('../../ts/local.ts');

async function all(): Promise<Api> {
  const names = ['index', 'event', 'lock', 'queue', 'local'];
  for (const name of names) if (!moduleExists(name)) throw new Unavailable(`${name} is not built yet`);
  return Object.assign({}, ...(await Promise.all(names.map((name) => import(moduleUrl(name)))))) as Api;
}

/** `work` counts what it saw happen. */
function engine(core: Core, expect: number, make: (api: Api) => () => Promise<number>, suffix = ''): Contender {
  return {
    id: `engine:${core}${suffix}`,
    role: 'engine',
    env: { GEVENT_CORE: core },
    async load() {
      const work = make(await all());
      return { expect, sample: () => timedAsync(work) };
    },
  };
}

export type Form = 'one' | 'unbounded' | 'channel';

/** One greenlet puts `total` items, another gets them. */
export function handing(core: Core, form: Form, total: number): Contender {
  return engine(core, total, ({ spawn, Queue, Channel, joinall }) => async () => {
    const queue = form === 'channel' ? new Channel<number>() : new Queue<number>(form === 'one' ? 1 : null);
    let seen = 0;
    function* produce(): Body {
      for (let i = 0; i < total; i++) yield* queue.put(i);
    }
    function* consume(): Body {
      for (let i = 0; i < total; i++) {
        yield* queue.get();
        seen++;
      }
    }
    await joinall([spawn(produce), spawn(consume)]);
    return seen;
  });
}

/** The same with async functions for bodies. */
export function handingAsync(core: Core, form: Form, total: number): Contender {
  return engine(
    core,
    total,
    ({ spawn, Queue, Channel, joinall }) =>
      async () => {
        const queue = form === 'channel' ? new Channel<number>() : new Queue<number>(form === 'one' ? 1 : null);
        let seen = 0;
        const produce = async () => {
          for (let i = 0; i < total; i++) await queue.put(i);
        };
        const consume = async () => {
          for (let i = 0; i < total; i++) {
            await queue.get();
            seen++;
          }
        };
        await joinall([spawn(produce), spawn(consume)]);
        return seen;
      },
    '-async',
  );
}

/** Two greenlets that yield in turn: what a hand-over cannot do without. */
export function yielding(core: Core, total: number): Contender {
  return engine(
    core,
    total,
    ({ spawn, sleep, joinall }) =>
      async () => {
        let seen = 0;
        function* body(): Body {
          for (let i = 0; i < total / 2; i++) {
            yield* sleep(0);
            seen++;
          }
        }
        await joinall([spawn(body), spawn(body)]);
        return seen;
      },
    '-yield',
  );
}

/** Two greenlets and two events: each sets the other's and waits for its own. */
export function pingPong(core: Core, total: number): Contender {
  return engine(core, total, ({ spawn, Event, joinall }) => async () => {
    const [a, b] = [new Event(), new Event()];
    let seen = 0;
    function* body(mine: typeof a, other: typeof a): Body {
      for (let i = 0; i < total / 2; i++) {
        yield* mine.wait();
        mine.clear();
        seen++;
        other.set();
      }
    }
    a.set();
    await joinall([spawn(body, a, b), spawn(body, b, a)]);
    return seen;
  });
}

/** One greenlet takes and gives back a permit nobody else wants. */
export function permits(core: Core, total: number): Contender {
  return engine(core, total, ({ spawn, Semaphore }) => async () => {
    const semaphore = new Semaphore(1);
    let seen = 0;
    function* body(): Body {
      for (let i = 0; i < total; i++) {
        yield* semaphore.acquire();
        seen++;
        semaphore.release();
      }
    }
    await spawn(body).join();
    return seen;
  });
}

/** `n` greenlets pass one permit on: each hand-over is a release, a switch, and the acquire that it ends. */
export function passing(core: Core, n: number, total: number): Contender {
  return engine(core, total, ({ spawn, Semaphore, joinall }) => async () => {
    const turns = Array.from({ length: n }, (_, i) => new Semaphore(i === 0 ? 1 : 0));
    let seen = 0;
    function* body(i: number): Body {
      for (let k = 0; k < total / n; k++) {
        yield* turns[i].acquire();
        seen++;
        turns[(i + 1) % n].release();
      }
    }
    await joinall(turns.map((_, i) => spawn(body, i)));
    return seen;
  });
}

/** `n` greenlets wait for one event; it is set, and all have woken. */
export function waking(core: Core, n: number, times: number): Contender {
  return engine(core, n * times, ({ spawn, sleep, Event, joinall }) => async () => {
    const event = new Event();
    let seen = 0;
    function* body(): Body {
      for (let i = 0; i < times; i++) {
        yield* event.wait();
        seen++;
      }
    }
    function* set(): Body {
      for (let i = 0; i < times; i++) {
        yield* sleep(0);
        event.set();
        event.clear();
      }
    }
    await joinall([...Array.from({ length: n }, () => spawn(body)), spawn(set)]);
    return seen;
  });
}

/** `n` functions are linked to an event, it is set, and all were called; so many times. */
export function linking(core: Core, n: number, times: number): Contender {
  return engine(core, n * times, ({ Event, sleep }) => async () => {
    let seen = 0;
    for (let k = 0; k < times; k++) {
      const event = new Event();
      for (let i = 0; i < n; i++) event.rawlink(() => seen++);
      event.set();
      await sleep(0);
    }
    return seen;
  });
}

/** A greenlet reads and writes a property of a local. */
export function localReads(core: Core, total: number): Contender {
  return engine(core, total, ({ spawn, local }) => async () => {
    const mine = new local() as { count: number };
    function* body(): Generator<Park, number, unknown> {
      mine.count = 0;
      for (let i = 0; i < total; i++) mine.count = mine.count + 1;
      return mine.count;
    }
    return await spawn(body).get();
  });
}
