// The engine under test, on either core. Everything that depends on its API is in this file.
//
// Each contender is alone in its process, so `GEVENT_CORE` decides which core the default hub gets. With --one-process
// both cores live behind one copy of the code: then each contender has a hub of its own.

import type { Park } from '../../ts/hub/protocol.ts';
import { type Contender, type Params, type Reading, type Sampler, Unavailable } from '../harness.ts';
import { moduleExists, moduleUrl } from '../source.ts';
import { Gauge, inWindow, roundsFor, timed, timedAsync } from './gauge.ts';
import type { Parked } from './generator.ts';
import { type Sleepers, sleepersContender } from './memory.ts';
import { delays } from './native.ts';

export type CoreName = 'wasm' | 'pure';
export const CORES: readonly CoreName[] = ['wasm', 'pure'];

type Api = typeof import('../../ts/index.ts');
type CoreApi = typeof import('../../ts/core.ts');
type Body<T> = Generator<Park, T, unknown>;

const HOUR = 3600;

const gauge = new Gauge();
let turns = 0;
let ran = 0;
let cleaned = 0;
let asleep = 0;

async function engine<T>(name: string): Promise<T> {
  if (!moduleExists(name)) throw new Unavailable(`${name} is not built yet`);
  return (await import(moduleUrl(name))) as T;
}

function contender(core: CoreName, suffix: string, load: () => Promise<Sampler>, params?: Params): Contender {
  return {
    id: `engine:${core}${suffix}`,
    role: 'engine',
    env: { GEVENT_CORE: core },
    load: process.env.GEVENT_BENCH_ONE_PROCESS ? () => loadBeside(core, load) : load,
    ...(params && { params }),
  };
}

/** In company: a hub of the contender's own stands in for the thread's while it loads and while it is sampled. */
async function loadBeside(core: CoreName, load: () => Promise<Sampler>): Promise<Sampler> {
  const { createHub } = await engine<typeof import('../../ts/hub.ts')>('hub');
  const { replaceThreadHub } = await engine<typeof import('../../ts/hub/current.ts')>('hub/current');
  const hub = createHub({ core, isolated: false });
  const here = async <T>(work: () => T | Promise<T>): Promise<T> => {
    const before = replaceThreadHub(hub);
    try {
      return await work();
    } finally {
      replaceThreadHub(before);
    }
  };
  const { expect, sample } = await here(load);
  return { expect, sample: () => here(sample) };
}

/** `n` greenlets that yield by `sleep(0)`. */
export function switching(core: CoreName, n: number, total: number): Contender {
  return contender(core, '', async () => {
    const { spawn, sleep, joinall } = await engine<Api>('index');
    const rounds = roundsFor(n, total);
    function* body(first: boolean, last: boolean): Body<void> {
      yield* sleep(0);
      turns++;
      if (first) gauge.open(turns);
      for (let r = 0; r < rounds; r++) {
        yield* sleep(0);
        turns++;
      }
      if (last) gauge.close(turns);
      yield* sleep(0);
    }
    const sample = async (): Promise<Reading> => {
      const all = [];
      for (let i = 0; i < n; i++) all.push(spawn(body, i === 0, i === n - 1));
      await joinall(all);
      return gauge.read();
    };
    return { expect: inWindow(n, rounds), sample };
  });
}

/** The same with async functions for bodies. */
export function switchingAsync(core: CoreName, n: number, total: number): Contender {
  return contender(core, '-async', async () => {
    const { spawn, sleep, joinall } = await engine<Api>('index');
    const rounds = roundsFor(n, total);
    async function body(first: boolean, last: boolean): Promise<void> {
      await sleep(0);
      turns++;
      if (first) gauge.open(turns);
      for (let r = 0; r < rounds; r++) {
        await sleep(0);
        turns++;
      }
      if (last) gauge.close(turns);
      await sleep(0);
    }
    const sample = async (): Promise<Reading> => {
      const all = [];
      for (let i = 0; i < n; i++) all.push(spawn(body, i === 0, i === n - 1));
      await joinall(all);
      return gauge.read();
    };
    return { expect: inWindow(n, rounds), sample };
  });
}

/** Two raw greenlets that switch to each other, started by main, which gets control back at the end. */
export function greenletSwitching(core: CoreName, total: number): Contender {
  return contender(core, '', async () => {
    const { greenlet } = await engine<typeof import('../../ts/greenlet.ts')>('greenlet');
    const work = () => {
      turns = 0;
      const ping = new greenlet(function* (): Body<void> {
        while (turns < total) {
          turns++;
          yield* pong.switch();
        }
      });
      const pong = new greenlet(function* (): Body<void> {
        while (turns < total) {
          turns++;
          yield* ping.switch();
        }
      });
      ping.switch();
      const seen = turns;
      pong.switch();
      return seen;
    };
    return { expect: total, sample: () => timed(work) };
  });
}

/** Spawn `alive` empty greenlets, join them, `batches` times. */
export function spawning(core: CoreName, alive: number, batches: number): Contender {
  return contender(core, '', async () => {
    const { spawn, joinall } = await engine<Api>('index');
    function* empty(): Body<void> {
      ran++;
    }
    const work = async () => {
      const before = ran;
      const all = new Array(alive);
      for (let batch = 0; batch < batches; batch++) {
        for (let i = 0; i < alive; i++) all[i] = spawn(empty);
        await joinall(all);
      }
      return ran - before;
    };
    return { expect: alive * batches, sample: () => timedAsync(work) };
  });
}

/** `n` sleepers, and one killall() that waits until all have ended. */
export function killingAll(core: CoreName, n: number): Contender {
  return contender(core, '', async () => {
    const { spawn, sleep, killall } = await engine<Api>('index');
    function* body(): Body<void> {
      yield* sleep(HOUR);
    }
    const sample = async (): Promise<Reading> => {
      const all = Array.from({ length: n }, () => spawn(body));
      await sleep(0);
      return timedAsync(async () => {
        await killall(all);
        return all.filter((each) => each.ready()).length;
      });
    };
    return { expect: n, sample };
  });
}

/** `yield* withTimeout(s, fn)` of a body that ends at once. */
export function limited(core: CoreName, total: number): Contender {
  return contender(core, '', async () => {
    const { spawn, withTimeout } = await engine<Api>('index');
    function* nothing(): Body<number> {
      return 1;
    }
    function* work(): Body<number> {
      let count = 0;
      for (let i = 0; i < total; i++) count += yield* withTimeout(1000, nothing);
      return count;
    }
    return { expect: total, sample: () => timedAsync(async () => await spawn(work).get()) };
  });
}

/** The bare core: `armed` timers pending, `inFlight` more; per operation disarm the oldest of these and arm it anew. */
export function coreTimers(core: CoreName, armed: number, kinds: number, inFlight: number, total: number): Contender {
  return contender(core, '', async () => {
    const { Counter, createPureCore, createWasmCore, Kind, Priority } = await engine<CoreApi>('core');
    const made = core === 'wasm' ? createWasmCore() : createPureCore();
    const seconds = delays(kinds, 2 ** 16);
    let clock = 0;
    for (let i = 0; i < armed; i++) made.arm(made.take(Kind.TIMER), seconds[i & 0xffff] * 1000, Priority.NORMAL);
    const ring = Int32Array.from({ length: inFlight }, () => made.take(Kind.TIMER));
    for (let i = 0; i < inFlight; i++) made.arm(ring[i], seconds[i & 0xffff] * 1000, Priority.NORMAL);
    const work = () => {
      let count = 0;
      let now = clock; // a captured one is boxed anew at every step
      for (let i = 0, at = 0; i < total; i++) {
        now += 0.0001;
        if (made.disarm(ring[at])) count++;
        made.arm(ring[at], now + seconds[i & 0xffff] * 1000, Priority.NORMAL);
        if (++at === inFlight) at = 0;
      }
      clock = now;
      return made.counter(Counter.TIMERS) === armed + inFlight ? count : 0;
    };
    return { expect: total, sample: () => timed(work) };
  });
}

/** `new Timeout(s).start()` and `cancel()`, one at a time in one greenlet, with `armed` others started. */
export function timeouts(core: CoreName, armed: number, kinds: number, total: number): Contender {
  return contender(core, '', async () => {
    const { spawn, Timeout } = await engine<Api>('index');
    const seconds = delays(kinds, 2 ** 16);
    function* arm(): Body<void> {
      for (let i = 0; i < armed; i++) new Timeout(seconds[i & 0xffff]).start();
    }
    await spawn(arm).join();
    function* work(): Body<number> {
      let count = 0;
      for (let i = 0; i < total; i++) {
        const timeout = new Timeout(seconds[i & 0xffff]);
        timeout.start();
        if (timeout.pending) count++;
        timeout.cancel();
      }
      return count;
    }
    const sample = () => timedAsync(async () => (await spawn(work).get()) as number);
    return { expect: total, sample };
  });
}

/** Greenlets in a sleep of an hour. */
export function sleepers(core: CoreName, n: number, what: Sleepers): Contender {
  return sleepersContender(
    `engine:${core}`,
    'engine',
    n,
    what,
    async () => {
      const { spawn, sleep, getHub } = await engine<Api>('index');
      const { Counter } = await engine<CoreApi>('core');
      function* body(): Body<void> {
        asleep++;
        yield* sleep(HOUR);
      }
      return {
        start(count) {
          for (let i = 0; i < count; i++) spawn(body);
        },
        asleep: () => asleep,
        // V8 counts the pure core's arrays as external; a WASM memory it does not count at all.
        hidden: () => (core === 'wasm' ? getHub().core.counter(Counter.BYTES) : 0),
      };
    },
    { GEVENT_CORE: core },
  );
}

/** Two greenlets whose innermost of `depth` frames yields; the frames are stacked by `call` or by `yield*`. */
export function delegating(core: CoreName, by: 'call' | 'yield*', depth: number, total: number): Contender {
  const load = async () => {
    const { spawn, sleep, joinall, call } = await engine<Api>('index');
    const rounds = roundsFor(2, total);
    function* byCall(levels: number, first: boolean, last: boolean): Body<void> {
      if (levels > 1) {
        yield* call(byCall, levels - 1, first, last);
        return;
      }
      yield* sleep(0);
      turns++;
      if (first) gauge.open(turns);
      for (let r = 0; r < rounds; r++) {
        yield* sleep(0);
        turns++;
      }
      if (last) gauge.close(turns);
      yield* sleep(0);
    }
    function* byStar(levels: number, first: boolean, last: boolean): Body<void> {
      yield* levels > 2 ? byStar(levels - 1, first, last) : byCall(1, first, last);
    }
    // One level is the loop itself in either form.
    const body = by === 'call' || depth === 1 ? byCall : byStar;
    const sample = async (): Promise<Reading> => {
      await joinall([spawn(body, depth, true, false), spawn(body, depth, false, true)]);
      return gauge.read();
    };
    return { expect: inWindow(2, rounds), sample };
  };
  return contender(core, '', load, { by });
}

/** Kill `n` sleeping greenlets without waiting, then let them all unwind. */
export function killing(core: CoreName, n: number, parked: Parked): Contender {
  return contender(core, '', async () => {
    const { spawn, sleep, joinall, killall } = await engine<Api>('index');
    function* plain(): Body<void> {
      yield* sleep(HOUR);
    }
    function* guarded(): Body<void> {
      try {
        yield* sleep(HOUR);
      } finally {
        cleaned++;
      }
    }
    const body = parked === 'plain' ? plain : guarded;
    const sample = async (): Promise<Reading> => {
      const all = Array.from({ length: n }, () => spawn(body));
      await sleep(0);
      return timedAsync(async () => {
        const before = cleaned;
        killall(all, { block: false });
        await joinall(all);
        return parked === 'plain' ? all.filter((each) => each.ready()).length : cleaned - before;
      });
    };
    return { expect: n, sample };
  });
}
