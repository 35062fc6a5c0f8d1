// At scale and for long: a million at once, ten million in turn, and nothing left behind by what was given up.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Core } from '../../ts/core/contract.ts';
import { createWasmCore } from '../../ts/core/wasm-debug.ts';
import { type Hub, Waiter } from '../../ts/hub.ts';
import {
  Greenlet,
  idle,
  iwait,
  joinall,
  kill,
  killall,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
  until,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import { simulate } from '../../ts/testing.ts';
import { CORES, type CoreName, told } from '../support/cores.ts';
import { leftIn, smallCore } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

const run = promisify(execFile);
const TS = new URL('../../ts/', import.meta.url).href;

/** A program in a process of its own, with `gc()`; gives what it printed as JSON. */
async function measured(core: CoreName, source: string): Promise<any> {
  const head = `import { simulate } from '${TS}testing.ts'; import { joinall, sleep, spawn } from '${TS}index.ts';`;
  const flags = ['--expose-gc', '--input-type=module-typescript', '--eval', head + source];
  const { stdout } = await run(process.execPath, flags, {
    env: { ...process.env, GEVENT_CORE: core },
    timeout: 60_000,
  });
  return JSON.parse(stdout);
}

const zero = {
  slots: 0,
  greenlets: 0,
  waiters: 0,
  callbacks: 0,
  links: 0,
  timerSlots: 0,
  guests: 0,
  rows: 0,
  ready: 0,
  waiting: 0,
  timers: 0,
  foreign: 0,
  asyncBodies: 0,
  refs: 0,
};

describe.each(CORES)('on the %s core', (core) => {
  test('a million greenlets sleep at once, and all are joined in the order of their deadlines', {
    timeout: 60_000,
  }, async () => {
    const found = await measured(
      core,
      `const { hub, clock } = simulate({ core: '${core}', debug: false });
      const N = 1_000_000;
      let state = 12345;
      const random = () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) / 0x7fffffff;
      function* body(seconds) { yield* sleep(seconds); return seconds; }
      const all = [];
      for (let i = 0; i < N; i++) all.push(spawn(body, 1 + random() * 1000));
      clock.advance(0);
      const asleep = hub.statistics();
      let done = [];
      spawn(function* () { done = yield* joinall(all); });
      clock.runAll();
      let unordered = 0;
      for (let i = 1; i < N; i++) if (done[i].value < done[i - 1].value) ++unordered;
      console.log(JSON.stringify({ asleep, joined: done.length, unordered, after: hub.statistics() }));`,
    );
    expect(found).toEqual({
      asleep: { ...zero, slots: 1_000_000, greenlets: 1_000_000, timers: 1_000_000 },
      joined: 1_000_000,
      unordered: 0,
      after: zero,
    });
  });

  test('ten million greenlets in rounds of ten thousand leave memory where it was', {
    timeout: 60_000,
  }, async () => {
    const found = await measured(
      core,
      `const { hub, clock } = simulate({ core: '${core}', debug: false });
      const ROUNDS = 1000, EACH = 10_000;
      function* body(n) { if (n % 10 === 0) yield* sleep(1); return n; }
      let joined = 0;
      spawn(function* () {
        for (let round = 0; round < ROUNDS; round++) {
          const all = [];
          for (let i = 0; i < EACH; i++) all.push(spawn(body, i));
          joined += (yield* joinall(all)).length;
          if (round === 99 || round === ROUNDS - 1) yield* sleep(1e6);
        }
      });
      const memory = () => {
        gc(); gc();
        const { heapUsed, external } = process.memoryUsage();
        return heapUsed + external;
      };
      clock.advance(1e5);
      const before = { bytes: memory(), ...hub.statistics() };
      clock.advance(1.5e6);
      const after = { bytes: memory(), ...hub.statistics() };
      clock.runAll();
      console.log(JSON.stringify({ joined, grown: after.bytes - before.bytes, same: before.slots === after.slots, end: hub.statistics() }));`,
    );
    expect(found).toEqual({ joined: 10_000_000, grown: expect.any(Number), same: true, end: zero });
    expect(found.grown).toBeLessThan(1_000_000);
  });
});

// ---- leaks ----------------------------------------------------------------------------------------------------------

function* sleeper(seconds: number): Body {
  yield* sleep(seconds);
}

const TIMES = 10_000;

interface Case {
  /** Once; gives what stays alive all the time. */
  before?: () => Greenlet<any>[];
  /** Ten thousand times, in a greenlet. */
  each: (hub: Hub, standing: Greenlet<any>[]) => Body;
}

/** A Timeout around something, caught if it is its own. */
function* limited(seconds: number, body: () => Body): Body {
  const timeout = Timeout.startNew(seconds);
  try {
    yield* body();
  } catch (error) {
    if (error !== timeout) throw error;
  } finally {
    timeout.close();
  }
}

const forever = () => [new Greenlet(sleeper, 1), spawn(sleeper, 1e9)];

const cases: Record<string, Case> = {
  'join with timeout': {
    before: forever,
    *each(_, [never, asleep]) {
      yield* never.join({ timeout: 0.001 });
      yield* asleep.join({ timeout: new Timeout(0.001) });
    },
  },
  'get that is timed out from outside': {
    before: forever,
    *each(_, [never, asleep]) {
      yield* limited(0.001, () => never.get() as unknown as Body);
      yield* limited(0.001, () => asleep.get({ timeout: 5 }) as unknown as Body);
    },
  },
  'kill of a sleeper': {
    *each() {
      const g = spawn(sleeper, 100);
      yield* sleep(0);
      yield* g.kill();
    },
  },
  'kill before the start, at once and later': {
    *each() {
      spawn(sleeper, 1).kill();
      spawnLater(5, sleeper, 1).kill();
      new Greenlet(sleeper).kill();
      kill(spawn(sleeper, 1));
      yield* sleep(0);
    },
  },
  'kill of one that joins, and of one that is joined': {
    before: forever,
    *each(_, [never]) {
      const joiner = spawn(function* () {
        yield* never.join({ timeout: 50 });
      });
      const joined = spawn(sleeper, 100);
      const other = spawn(function* () {
        yield* joined.join();
      });
      yield* sleep(0);
      yield* killall([joiner, joined]);
      yield* other.join();
    },
  },
  'Timeout started and cancelled, and fired': {
    *each() {
      Timeout.startNew(100).cancel();
      Timeout.startNew(100, null, { ref: false }).close();
      yield* limited(0.001, () => sleeper(10));
    },
  },
  'until, with kill': {
    *each() {
      const g = spawn(function* () {
        yield* until(new Promise(() => {}));
      });
      yield* sleep(0);
      yield* g.kill();
    },
  },
  'links made and taken off, on the living and on the dead': {
    before: () => [new Greenlet(sleeper), spawn(() => {})],
    *each(_, standing) {
      const link = () => {};
      for (const g of standing) {
        g.rawlink(link);
        g.link(link);
        g.unlink(link);
        g.unlinkAll();
        if (g.dead) {
          g.rawlink(link);
          g.linkValue(link);
        }
      }
      yield* sleep(0);
    },
  },
  'wait and joinall with leftovers': {
    before: forever,
    *each(_, standing) {
      yield* joinall(standing, { timeout: 0.001 });
      yield* wait([...standing, spawn(() => {})], { count: 1 });
      yield* limited(0.001, () => joinall(standing) as unknown as Body);
    },
  },
  'iwait that is left': {
    before: forever,
    *each(_, standing) {
      using steps = iwait([...standing, spawn(() => {})], { timeout: 1 });
      yield* steps.next();
      yield* limited(0.001, () => steps.next() as unknown as Body);
    },
  },
  'killall on time': {
    *each() {
      const g = spawn(function* () {
        try {
          yield* sleep(100);
        } catch {
          yield* sleep(0.002);
        }
      });
      yield* sleep(0);
      try {
        yield* killall([g], { timeout: 0.001 });
      } catch (error) {
        if (!(error instanceof Timeout)) throw error;
      }
      yield* g.join();
    },
  },
  withTimeout: {
    *each() {
      yield* withTimeout({ seconds: 0.001, timeoutValue: 0 }, sleeper, 10);
      yield* withTimeout(10, sleeper, 0.001);
    },
  },
  'unreferenced sleeps, slept and killed': {
    *each() {
      yield* sleep(0.001, { ref: false });
      const g = spawn(function* () {
        yield* sleep(10, { ref: false });
      });
      yield* sleep(0);
      yield* g.kill();
    },
  },
  'idle, had and killed': {
    *each() {
      yield* idle();
      const g = spawn(function* () {
        yield* idle();
      });
      yield* sleep(0);
      yield* g.kill();
    },
  },
  'raw greenlets, ended and killed': {
    *each() {
      const raw = spawnRaw(sleeper, 10);
      spawnRaw(sleeper, 0.001);
      yield* sleep(0.001);
      kill(raw);
      yield* sleep(0);
    },
  },
  'timers, callbacks and watchers': {
    *each(hub) {
      const timer = hub.loop.timer(10, 1, { ref: false });
      timer.start(() => {});
      timer.ref = true;
      timer.again(() => {});
      timer.close();
      hub.runCallback(() => {}).stop();
      hub.loop.timer(0).start(() => {});
      const watcher = hub.loop.async();
      watcher.start(() => {});
      watcher.send();
      watcher.close();
      const prepare = hub.loop.prepare();
      prepare.start(() => {});
      prepare.close();
      yield* sleep(0.001);
    },
  },
  'Waiter that is given up': {
    *each() {
      const waiter = new Waiter();
      yield* limited(0.001, () => waiter.get() as unknown as Body);
    },
  },
};

describe.each(CORES)('nothing is left on the %s core behind ten thousand times', { timeout: 20_000 }, (core) => {
  test.each(Object.entries(cases))('%s', (_, { before, each }) => {
    using simulation = simulate({ core: smallCore(core), debug: false });
    const { hub, clock, reports } = simulation;
    const standing = before?.() ?? [];
    let times = 0;
    const driver = new Greenlet(function* () {
      for (; times < TIMES; times++) yield* each(hub, standing);
    });
    const count = () => ({ ...hub.statistics(), unref: hub.unrefTimers });
    clock.advance();
    const atFirst = count();
    driver.start();
    clock.advance(1e6);
    hub.core.verify();
    expect([times, driver.successful(), reports]).toEqual([TIMES, true, []]);
    expect(count()).toEqual(atFirst);
  });

  test('operations that an async body and main give up', async () => {
    using simulation = simulate({ core: smallCore(core), debug: false });
    const { hub, clock } = simulation;
    const [never, asleep] = forever();
    clock.advance();
    const atFirst = hub.statistics();
    for (let round = 0; round < 20; round++) {
      const all = Array.from({ length: TIMES / 20 }, (_, i) =>
        spawn(async () => {
          const timeout = Timeout.startNew(0.5);
          try {
            await [() => never.join(), () => asleep.get({ timeout: 5 }), () => joinall([never, asleep])][i % 3]();
          } catch (error) {
            if (error !== timeout) throw error;
          }
          void never.get({ timeout: 9 });
          void sleep(50);
        }),
      );
      const main = Array.from({ length: 10 }, () => never.join().then(undefined, told));
      await clock.advanceAsync(1);
      for (const _ of main) kill(hub.main, new RangeError('enough'));
      await clock.advanceAsync(60);
      expect([all.every((g) => g.successful()), new Set(await Promise.all(main)).size]).toEqual([true, 1]);
    }
    hub.core.verify();
    expect([hub.statistics(), hub.mainWaiters.first]).toEqual([atFirst, null]);
  });
});

// ---- random programs ------------------------------------------------------------------------------------------------

/** mulberry32 */
function randomness(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A program that does at random what greenlets can do to each other. Everything it sees is in the trace. */
class Program {
  readonly trace: string[] = [];
  readonly #hub: Hub;
  readonly #random: (below: number) => number;
  readonly #now: () => number;
  readonly #mixed: boolean;
  readonly #all: Greenlet<any>[] = [];
  readonly #raw: ReturnType<typeof spawnRaw>[] = [];
  #links = 0;

  /** @param mixed - every other greenlet is an async function */
  constructor(hub: Hub, seed: number, now: () => number, mixed: boolean) {
    this.#mixed = mixed;
    this.#hub = hub;
    this.#random = randomness(seed);
    this.#now = now;
  }

  start(): void {
    for (let i = 0; i < 10; i++) this.#spawn();
  }

  /** Whatever is left is killed until it gives in. */
  end(): void {
    for (const g of [...this.#all, ...this.#raw]) kill(g);
  }

  get alive(): number {
    return [...this.#all, ...this.#raw].filter((g) => !g.dead).length;
  }

  #say(...what: unknown[]): void {
    this.trace.push(`${this.#now()} ${what.map(String).join(' ')}`);
  }

  #one(): Greenlet<any> {
    return this.#all[this.#random(this.#all.length)];
  }

  #seconds(): number {
    return [0, 0, 1, 1, 2, 3, 5][this.#random(7)];
  }

  #spawn(): Greenlet<any> {
    const number = this.#all.length;
    const steps = 3 + this.#random(20);
    const body =
      this.#mixed && number % 2 === 0
        ? async () => await this.#asyncBody(number, steps)
        : () => this.#body(number, steps);
    const g = new Greenlet<any>(body as () => Body);
    this.#all.push(g);
    g.$quiet = this.#random(2) === 0;
    const start = this.#random(8);
    if (start > 1) g.start();
    else if (start > 0) g.startLater(this.#seconds());
    return g;
  }

  *#body(me: number, steps: number): Body {
    const timeouts: Timeout[] = [];
    try {
      for (let step = 0; step < steps; step++) {
        try {
          yield* this.#step(me, timeouts);
        } catch (error) {
          const own = timeouts.indexOf(error as Timeout);
          this.#say(me, 'caught', own >= 0 ? `own timeout ${own}` : (error as Error)?.name);
          if (this.#random(3) === 0) throw error;
        }
      }
      if (this.#random(6) === 0) throw new RangeError(`of ${me}`);
      return me;
    } finally {
      if (this.#random(3) === 0) {
        yield* sleep(this.#seconds());
        this.#say(me, 'cleaned up');
      }
      for (const timeout of timeouts) timeout.close();
      this.#say(me, 'ends');
    }
  }

  async #asyncBody(me: number, steps: number): Promise<number> {
    const timeouts: Timeout[] = [];
    try {
      for (let step = 0; step < steps; step++) {
        try {
          await this.#asyncStep(me, timeouts);
        } catch (error) {
          const own = timeouts.indexOf(error as Timeout);
          this.#say(me, 'caught', own >= 0 ? `own timeout ${own}` : (error as Error)?.name);
          if (this.#random(3) === 0) throw error;
        }
      }
      return me;
    } finally {
      if (this.#random(3) === 0) {
        await sleep(this.#seconds());
        this.#say(me, 'cleaned up');
      }
      for (const timeout of timeouts) timeout.close();
      this.#say(me, 'ends');
    }
  }

  async #asyncStep(me: number, timeouts: Timeout[]): Promise<void> {
    const choice = this.#random(12);
    const other = this.#one();
    const name = this.#all.indexOf(other);
    const limit = this.#random(2) === 0 ? this.#seconds() : 4;
    this.#say(me, 'async step', choice, name);
    switch (choice) {
      case 0:
      case 1:
        return await sleep(0);
      case 2:
      case 3:
        return await sleep(this.#seconds());
      case 4:
        if (this.#all.length < 60) this.#spawn();
        return;
      case 5:
        if (name !== me) await other.join({ timeout: limit });
        return this.#say(me, 'joined', name, other.dead);
      case 6:
        if (name !== me) this.#say(me, 'got', String(await other.get({ timeout: limit })));
        return;
      case 7:
        await Promise.all([sleep(this.#seconds()), name === me ? sleep(0) : other.join({ timeout: limit })]);
        return this.#say(me, 'both');
      case 8:
        other.kill({ block: false });
        return;
      case 9:
        timeouts.push(Timeout.startNew(this.#seconds()));
        return;
      case 10:
        await Promise.resolve();
        timeouts[this.#random(timeouts.length || 1)]?.cancel();
        return;
      default:
        await withTimeout(this.#seconds(), sleeper, this.#seconds());
    }
  }

  *#step(me: number, timeouts: Timeout[]): Body {
    const choice = this.#random(22);
    const other = this.#one();
    const name = this.#all.indexOf(other);
    const limit = this.#random(2) === 0 ? this.#seconds() : null;
    this.#say(me, 'step', choice, name);
    switch (choice) {
      case 0:
      case 1:
        return yield* sleep(0);
      case 2:
      case 3:
        return yield* sleep(this.#seconds());
      case 4:
        if (this.#all.length < 100) this.#spawn();
        return;
      case 5:
        if (name !== me) yield* other.join({ timeout: limit });
        return this.#say(me, 'joined', name, other.dead);
      case 6:
        if (name !== me) this.#say(me, 'got', String(yield* other.get({ timeout: limit ?? 4 })));
        return;
      case 7: {
        const some = [this.#one(), this.#one(), other].filter((g) => g !== this.#all[me]);
        if (some.length === 0) return;
        const options = { timeout: limit ?? 4, count: 1 + this.#random(3), raiseError: this.#random(3) === 0 };
        const found = yield* joinall(some, options);
        return this.#say(me, 'joined', found.map((g: Greenlet) => this.#all.indexOf(g)).join());
      }
      case 8:
        other.kill({ block: false });
        return;
      case 9:
        yield* other.kill({ timeout: limit ?? 3, exception: this.#random(2) === 0 ? TypeError : undefined });
        return this.#say(me, 'killed', name, other.dead);
      case 10:
      case 11:
        timeouts.push(Timeout.startNew(this.#seconds()));
        return;
      case 12:
        timeouts[this.#random(timeouts.length || 1)]?.cancel();
        return;
      case 13: {
        const link = ++this.#links;
        const how = (['rawlink', 'link', 'linkValue', 'linkException'] as const)[this.#random(4)];
        const callback = () => this.#say('link', link, 'of', name);
        other[how](callback);
        if (this.#random(4) === 0) other.unlink(callback);
        return;
      }
      case 14:
        this.#hub.runCallback(() => this.#say('callback of', me));
        return;
      case 15:
        this.#hub.loop.timer(this.#seconds(), 0, { priority: this.#random(5) - 2 }).start(() => {
          this.#say('timer of', me);
          if (!other.dead) other.kill({ block: false });
        });
        return;
      case 16:
        return yield* idle();
      case 17: {
        const steps = iwait([this.#one(), this.#one()], { timeout: limit ?? 2 });
        try {
          for (let i = 0; i < 2; i++) {
            const { value } = yield* steps.next();
            this.#say(me, 'iwait', value === undefined ? 'end' : this.#all.indexOf(value));
          }
        } finally {
          steps.close();
        }
        return;
      }
      case 18:
        return yield* killall(
          [this.#one(), other].filter((g) => g !== this.#all[me]),
          { timeout: limit ?? 3 },
        );
      case 19:
        this.#raw.push(spawnRaw(() => this.#rawBody(this.#raw.length)));
        return;
      case 20:
        if (this.#raw.length > 0) kill(this.#raw[this.#random(this.#raw.length)]);
        return;
      default:
        return yield* withTimeout(this.#seconds(), sleeper, this.#seconds());
    }
  }

  *#rawBody(number: number): Body {
    try {
      for (let i = 0; i < 3; i++) {
        yield* sleep(this.#seconds());
        this.#say('raw', number, 'woke');
      }
    } finally {
      this.#say('raw', number, 'ends');
    }
  }
}

interface Played {
  trace: string[];
  left: Record<string, number>;
  alive: number;
}

async function play(core: Core, seed: number, mixed: boolean): Promise<Played> {
  using simulation = simulate({ core, debug: false });
  const { hub, clock } = simulation;
  const advance = async (seconds: number): Promise<void> => {
    if (mixed) await clock.advanceAsync(seconds);
    else clock.advance(seconds);
    core.verify();
  };
  const program = new Program(hub, seed, () => clock.seconds, mixed);
  program.start();
  for (let i = 0; i < 20; i++) await advance(1);
  for (let i = 0; i < 100 && program.alive > 0; i++) {
    program.end();
    await advance(10);
  }
  await advance(1000);
  return { trace: program.trace, left: leftIn(hub), alive: program.alive };
}

describe('random programs', () => {
  const first = Number(process.env.SEED ?? 1 + (Date.now() % 1_000_000));

  test.each([
    ['generators', false, 150],
    ['generators and async functions', true, 150],
  ] as const)(
    `of %s give the same trace on both cores, large and small, from seed ${first}`,
    {
      timeout: 60_000,
    },
    async (_, mixed, programs) => {
      const count = process.env.SEED === undefined ? programs : 1;
      let longest = 0;
      const seeds = Array.from({ length: count }, (_, i) => first + i);
      // Three that found something once: a hole in the ring that only one core had.
      if (count > 1) seeds.unshift(337, 650, 1037);
      for (const seed of seeds) {
        const expected = await play(smallCore('pure'), seed, mixed);
        longest = Math.max(longest, expected.trace.length);
        expect({ seed, left: expected.left, alive: expected.alive }).toEqual({ seed, left: {}, alive: 0 });
        expect({ seed, ...(await play(smallCore('wasm'), seed, mixed)) }).toEqual({ seed, ...expected });
        expect({ seed, ...(await play(createWasmCore(), seed, mixed)) }).toEqual({ seed, ...expected });
      }
      if (count > 1) expect(longest).toBeGreaterThan(300);
    },
  );
});
