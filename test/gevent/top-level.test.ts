// gevent's top-level functions.

import { afterEach, describe, expect, test } from 'vitest';
import type { greenlet as RawGreenlet } from '../../ts/greenlet.ts';
import {
  createHub,
  Greenlet,
  GreenletExit,
  getcurrent,
  getHub,
  idle,
  iwait,
  joinall,
  kill,
  killall,
  run,
  shutdown,
  signalHandler,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
  until,
  wait,
} from '../../ts/index.ts';
import { CORES, program, rejected, thrown, told } from '../support/cores.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

function* sleeper(seconds = 100, value?: unknown): Body {
  yield* sleep(seconds);
  return value;
}

function* failer(seconds: number, error: unknown): Body {
  yield* sleep(seconds);
  throw error;
}

const values = (greenlets: Greenlet<any>[]) => greenlets.map((g) => g.value);

/** Something to wait for that is no greenlet. */
class Flag {
  readonly links: ((source: this) => void)[] = [];
  rawlink(callback: (source: any) => void): void {
    this.links.push(callback);
  }
  unlink(callback: (source: any) => void): void {
    const at = this.links.indexOf(callback);
    if (at >= 0) this.links.splice(at, 1);
  }
  /** In the hub, as events do. */
  raise(): void {
    getHub().runCallback(() => {
      for (const link of this.links.splice(0)) link(this);
    });
  }
}

describe.each(CORES)('on the %s core', (core) => {
  describe('spawn', () => {
    test('item 1: what is spawned is queued behind the ready ones and never runs before the spawner yields', () => {
      const { clock, trace, log } = world(core);
      const a = spawn(function* () {
        trace('A1');
        spawn(trace, 'child');
        yield* sleep(0);
        trace('A2');
      });
      const b = spawn(function* () {
        trace('B1');
        yield* sleep(0);
        trace('B2');
      });
      spawn(function* () {
        yield* joinall([a, b]);
        trace('joined');
      });
      expect(log).toEqual([]);
      clock.advance();
      expect(log).toEqual(['A1', 'B1', 'child', 'A2', 'B2', 'joined']);
    });

    test('item 2: two that yield once take turns', () => {
      const { clock, trace, log } = world(core);
      for (const name of [1, 2]) {
        spawn(function* () {
          trace(`${name}A`);
          yield* sleep(0);
          trace(`${name}B`);
        });
      }
      clock.advance();
      expect(log).toEqual(['1A', '2A', '1B', '2B']);
    });

    test('item 3: they run in the order they were spawned, and wake so from equal sleeps', () => {
      const { clock, log } = world(core);
      for (let i = 0; i < 50; i++) {
        spawn(function* () {
          log.push(i);
          yield* sleep(1);
          log.push(100 + i);
        });
      }
      clock.advance(1);
      const numbers = Array.from({ length: 50 }, (_, i) => i);
      expect(log).toEqual([...numbers, ...numbers.map((i) => 100 + i)]);
    });

    test('item 4: sleeps of 0 come before the shortest real sleep', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        for (const name of ['t0', 't1']) {
          yield* sleep(1e-6);
          trace(name);
        }
        trace('t2');
      });
      spawn(function* () {
        for (const name of ['z0', 'z1', 'z2']) {
          trace(name);
          yield* sleep(0);
        }
      });
      clock.advance(1);
      expect(log).toEqual(['z0', 'z1', 'z2', 't0', 't1', 't2']);
    });

    test('arguments reach bodies of every kind', async () => {
      const { clock } = world(core);
      const all = [
        spawn(
          function* (a: number, b: number): Body {
            return a + b;
          },
          1,
          2,
        ),
        spawn((a: number, b: number) => a + b, 3, 4),
        spawn(async (a: number, b: number) => a + b, 5, 6),
      ];
      await clock.advanceAsync();
      expect(values(all)).toEqual([3, 7, 11]);
    });

    test('a plain function that gives a promise, a generator or an operation is waited for', async () => {
      const { clock } = world(core);
      const all: Greenlet<any>[] = [
        spawn(() => Promise.resolve('promise')),
        spawn(() => (sleeper as any)(1, 'generator')),
        spawn(() => spawn(sleeper, 1, 'greenlet').get() as any),
      ];
      await clock.advanceAsync(1);
      expect(values(all)).toEqual(['promise', 'generator', 'greenlet']);
    });

    test('a greenlet is no promise: awaiting the call gives the greenlet', async () => {
      world(core);
      const g = await spawn(sleeper);
      expect(g).toBeInstanceOf(Greenlet);
    });

    test.each([
      [() => spawn(42 as any), 'TypeError: spawn(fn): expected a function, got 42'],
      [() => spawn(undefined as any), 'TypeError: spawn(fn): expected a function, got undefined'],
      [
        () => spawn(sleeper() as any),
        'TypeError: spawn(fn): expected a function, got a generator; do not call the function, pass it and its arguments',
      ],
      [
        () => spawnLater(1, {} as any),
        'TypeError: spawnLater(seconds, fn): expected a function, got an object (Object)',
      ],
      [
        () => spawnLater('1' as any, sleeper),
        'TypeError: startLater(seconds): expected a number of seconds or a Temporal.Duration, got "1"',
      ],
      [() => spawnLater(Number.NaN, sleeper), 'RangeError: startLater(seconds): expected a number of seconds, got NaN'],
      [() => spawnRaw(null as any), 'TypeError: spawnRaw(fn): expected a function, got null'],
      [
        () => sleep('1' as any),
        'TypeError: sleep(seconds): expected a number of seconds or a Temporal.Duration, got "1"',
      ],
      [() => sleep(Number.NaN), 'RangeError: sleep(seconds): expected a number of seconds, got NaN'],
      [() => kill({} as any), 'TypeError: kill(greenlet): expected a greenlet, got an object (Object)'],
      [() => killall([1 as any]), 'TypeError: killall(greenlets): expected greenlets, got 1'],
      [
        () => killall([], { exception: sleeper }),
        'TypeError: exceptions must be classes, or instances, not function sleeper',
      ],
      [
        () => joinall([{}] as any),
        'TypeError: joinall(greenlets): expected an object with rawlink(), got an object (Object) at position 0',
      ],
      [
        () => joinall(7 as any),
        'TypeError: joinall(greenlets): expected an iterable of greenlets or other linkable objects, got 7',
      ],
      [() => joinall([], { count: 0 }), 'RangeError: joinall(count): expected count to be an integer from 1, got 0'],
      [() => wait([], { count: 1.5 }), 'RangeError: wait(count): expected count to be an integer from 1, got 1.5'],
      [() => joinall([], { timeout: -1 }), 'RangeError: joinall(timeout): expected 0 or more seconds, got -1'],
      [() => wait([], { timeout: Number.NaN }), 'RangeError: wait(timeout): expected a number of seconds, got NaN'],
      [() => iwait([], { timeout: -2 }), 'RangeError: iwait(timeout): expected 0 or more seconds, got -2'],
      [
        () => signalHandler('SIGTERM', 1 as any),
        'TypeError: signalHandler(signal, handler): expected a function, got 1',
      ],
      [
        () => signalHandler('SIGNOPE', () => {}),
        'RangeError: signal: expected a name such as \'SIGTERM\' or its number, got "SIGNOPE"',
      ],
    ])('bad input %# is refused at the call with the value, and leaves nothing', (call, message) => {
      const { hub } = world(core);
      expect(thrown(call)).toBe(message);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('spawnLater and spawnRaw', () => {
    test('spawnLater runs after its delay, in order of deadline and then of the call', () => {
      const { clock, log } = world(core);
      for (const [seconds, name] of [
        [2, 'b'],
        [1, 'a'],
        [2, 'c'],
      ] as const) {
        spawnLater(seconds, () => log.push(`${name} at ${clock.seconds}`));
      }
      clock.advance(3);
      expect(log).toEqual(['a at 1', 'b at 2', 'c at 2']);
    });

    test('spawnRaw runs at its turn, as a greenlet without result or links whose parent is the hub', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(trace, 'before');
      const raw: RawGreenlet = spawnRaw(function* (word: string) {
        trace(word, getcurrent() === raw, raw.parent === hub, raw instanceof Greenlet);
        yield* sleep(1);
        trace('woke');
      }, 'raw');
      spawn(trace, 'behind');
      expect(raw.dead).toBe(false);
      clock.advance(1);
      expect(log).toEqual(['before', 'raw true true false', 'behind', 'woke']);
      expect([raw.dead, leftIn(hub)]).toEqual([true, {}]);
    });

    test('the failure of a raw greenlet is reported, and the loop goes on', () => {
      const { hub, clock, trace, log, reported } = world(core);
      spawnRaw(function* () {
        yield* sleep(1);
        throw new Error('late');
      });
      spawnRaw(() => {
        throw new Error('at once');
      });
      spawnRaw(function* () {
        throw new GreenletExit();
      });
      spawnRaw(trace, 'goes on');
      clock.advance(1);
      expect(log).toEqual(['goes on']);
      expect(reported().map((line) => line.split(' | ')[0])).toEqual(['Error: at once', 'Error: late']);
      expect(leftIn(hub)).toEqual({});
    });

    test('an async function is no body for a raw greenlet', () => {
      const { clock, reported } = world(core);
      spawnRaw(async () => {});
      clock.advance();
      expect(reported()).toEqual([expect.stringContaining('an async function cannot be switched')]);
    });
  });

  describe('getcurrent', () => {
    test('main, generator bodies, plain bodies, callbacks, rawlinks and links each see themselves', () => {
      const { hub, clock, log } = world(core);
      const see = (what: string, expected: unknown) => log.push(`${what} ${getcurrent() === expected}`);
      see('main', hub.main);
      const g: Greenlet = spawn(function* () {
        see('generator', g);
        yield* sleep(0);
        see('resumed', g);
        yield* (function* () {
          yield* sleep(0);
          see('nested', g);
        })();
      });
      const plain: Greenlet = spawn(() => see('plain', plain));
      hub.runCallback(() => see('callback', hub));
      hub.loop.timer(0).start(() => see('timer', hub));
      g.rawlink(() => see('rawlink', hub));
      g.link(() => log.push(`link ${getcurrent() !== hub && getcurrent() !== hub.main && getcurrent() !== g}`));
      const raw: RawGreenlet = spawnRaw(() => see('raw', raw));
      clock.advance();
      see('main', hub.main);
      expect(log).toEqual([
        'main true',
        'generator true',
        'plain true',
        'callback true',
        'raw true',
        'resumed true',
        'nested true',
        'rawlink true',
        'link true',
        'timer true',
        'main true',
      ]);
    });

    test('async bodies see themselves across awaits of operations and of foreign promises, and main does behind its own', async () => {
      const { hub, clock, log } = world(core);
      const body = async (name: string) => {
        const me = getcurrent();
        const see = (what: string) => log.push(`${name} ${what} ${getcurrent() === me && me instanceof Greenlet}`);
        await sleep(1);
        see('operation');
        await Promise.resolve();
        see('promise');
        await new Promise((resolve) => setTimeout(resolve, 1));
        see('timer');
        await (async () => {
          await sleep(1);
          see('nested');
        })();
        await Promise.all([sleep(1), Promise.resolve()]);
        see('all');
      };
      const all = ['a', 'b'].map((name) => spawn(body, name));
      for (let i = 0; i < 5; i++) {
        await clock.advanceAsync(1);
        await new Promise((resolve) => setTimeout(resolve, 3));
        log.push(getcurrent() === hub.main);
      }
      expect(all.map((g) => g.dead)).toEqual([true, true]);
      expect(log.filter((line) => String(line).endsWith('false'))).toEqual([]);
      expect(log.filter((line) => typeof line === 'string')).toHaveLength(10);
    });

    test('behind the end of an async body, what it left in the platform belongs to main', async () => {
      const { hub, clock, log } = world(core);
      const g: Greenlet = spawn(async () => {
        setTimeout(() => log.push(getcurrent() === hub.main), 1);
        log.push(getcurrent() === g);
      });
      await clock.advanceAsync();
      expect(g.dead).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(log).toEqual([true, true]);
    });

    test('in each of several hubs it is that hub’s', () => {
      const { hub, clock, log } = world(core);
      const far = createHub({ core });
      const g: Greenlet = far.spawn(() => log.push(getcurrent() === g, getHub() === far));
      far.runCallback(() => log.push(getcurrent() === far));
      far.turn();
      spawn(() => log.push(getHub() === hub));
      clock.advance();
      expect(log).toEqual([true, true, true, true]);
      far.destroy();
    });
  });

  describe('sleep and idle', () => {
    test('sleeps wake by deadline, then in the order they began', () => {
      const { clock, log } = world(core);
      for (const seconds of [3, 1, 2, 1, 3, 2]) {
        const n = log.length;
        log.push(n);
        spawn(function* () {
          yield* sleep(seconds);
          log.push(`${n} at ${clock.seconds}`);
        });
      }
      log.length = 0;
      clock.advance(3);
      expect(log).toEqual(['1 at 1', '3 at 1', '2 at 2', '5 at 2', '0 at 3', '4 at 3']);
    });

    test('a sleep of 0 or less gives way once, behind all that are ready, in the same turn', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        yield* sleep(-5);
        trace('negative');
        yield* sleep();
        trace('none');
      });
      spawn(function* () {
        trace('other');
        yield* sleep(0);
        trace('other again');
      });
      clock.advance();
      expect(log).toEqual(['other', 'negative', 'other again', 'none']);
    });

    test('one sleep may be slept by many, and many times', () => {
      const { clock, log } = world(core);
      const nap = sleep(1);
      for (const name of ['a', 'b']) {
        spawn(function* () {
          for (let i = 0; i < 3; i++) {
            yield* nap;
            log.push(`${name} ${clock.seconds}`);
          }
        });
      }
      clock.advance(3);
      expect(log).toEqual(['a 1', 'b 1', 'a 2', 'b 2', 'a 3', 'b 3']);
    });

    test('a sleep that is not referenced wakes all the same, however it is slept, and is accounted for', async () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        yield* sleep(1, { ref: false });
        trace('generator');
      });
      spawn(async () => {
        await sleep(1, { ref: false });
        trace('async');
      });
      const main = sleep(1, { ref: false }).then(
        () => trace('main'),
        (error: unknown) => trace(told(error)),
      );
      const killed = spawn(function* () {
        yield* sleep(5, { ref: false });
      });
      spawn(sleeper, 1);
      await clock.advanceAsync(1);
      await main;
      killed.kill();
      clock.advance();
      expect(log.sort()).toEqual(['async', 'generator', 'main']);
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, {}]);
    });

    test('item 5: idle waits while anybody is ready, and comes before those who sleep', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        yield* idle();
        trace('idle');
      });
      spawn(function* () {
        for (let i = 0; i < 3; i++) {
          trace('s0');
          yield* sleep(0);
        }
        yield* sleep(0.01);
        trace('timer');
      });
      clock.advance(1);
      expect(log).toEqual(['s0', 's0', 's0', 'idle', 'timer']);
    });

    test('idle alone ends in the same turn, and again and again', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        for (let i = 0; i < 3; i++) {
          yield* idle();
          trace('idle', i);
        }
      });
      clock.advance();
      expect(log).toEqual(['idle 0', 'idle 1', 'idle 2']);
      expect(leftIn(hub)).toEqual({});
    });

    test('of several the one of highest priority is first', () => {
      const { clock, trace, log } = world(core);
      for (const priority of [-2, 0, 2, 1, -1]) {
        spawn(function* () {
          yield* idle(priority);
          trace(priority);
        });
      }
      clock.advance();
      expect(log).toEqual([2, 1, 0, -1, -2]);
    });

    test('an idle priority out of range is refused, and the greenlet can go on', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        try {
          yield* idle(3);
        } catch (error) {
          trace(told(error));
        }
        yield* sleep(1);
        trace('goes on');
      });
      clock.advance(1);
      expect(log).toEqual(['RangeError: priority: expected an integer from -2 to 2, got 3', 'goes on']);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('joinall', () => {
    test('gives them in the order they ended, failures included', () => {
      const { hub, clock, trace, log, reported } = world(core);
      const slow = spawn(sleeper, 3);
      const bad = spawn(failer, 2, new Error('x'));
      const fast = spawn(sleeper, 1);
      spawn(function* () {
        const done = yield* joinall([slow, bad, fast]);
        trace(done.map((g) => (g === slow ? 'slow' : g === bad ? 'bad' : 'fast')).join(), clock.seconds);
      });
      clock.advance(3);
      expect(log).toEqual(['fast,bad,slow 3']);
      expect(reported()).toHaveLength(1);
      expect(leftIn(hub)).toEqual({});
    });

    test('any iterable is read once, at the call', () => {
      const { clock, trace, log } = world(core);
      const all = [spawn(sleeper, 1, 'a'), spawn(sleeper, 1, 'b')];
      spawn(function* () {
        const join = joinall(new Set(all));
        const lazy = joinall(all.values());
        all.length = 0;
        trace(values(yield* join).join());
        trace(values(yield* lazy).join());
      });
      clock.advance(1);
      // Woken by b's notice it links to b again, which is told in that same turn.
      expect(log).toEqual(['a,b', 'b,a']);
    });

    test('duplicates are given as often as they were', () => {
      const { clock, trace, log } = world(core);
      const [a, b] = [spawn(sleeper, 1, 'a'), spawn(sleeper, 2, 'b')];
      spawn(function* () {
        trace(values(yield* joinall([a, b, a])).join());
        trace(values(yield* joinall([b, a, b], { count: 2 })).join());
      });
      clock.advance(2);
      expect(log).toEqual(['a,a,b', 'b,b']);
    });

    test('of nothing: an empty list, at once', async () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        spawn(trace, 'not before');
        trace((yield* joinall([])).length);
      });
      clock.advance();
      expect(log).toEqual([0, 'not before']);
      expect(await joinall([])).toEqual([]);
      expect(leftIn(hub)).toEqual({});
    });

    test('those that have ended before come first, in the order given', () => {
      const { hub, clock, trace, log } = world(core);
      const [a, b] = [spawn(sleeper, 2, 'a'), spawn(sleeper, 1, 'b')];
      const late = spawn(sleeper, 3, 'late');
      clock.advance(2);
      spawn(function* () {
        trace(values(yield* joinall([late, a, b])).join());
      });
      clock.advance(1);
      expect(log).toEqual(['a,b,late']);
      expect(leftIn(hub)).toEqual({});
    });

    test('on time it gives those that have ended, and takes its links off the others', () => {
      const { hub, clock, trace, log } = world(core);
      const all = [spawn(sleeper, 5, 'c'), spawn(sleeper, 1, 'a'), spawn(sleeper, 2, 'b')];
      spawn(function* () {
        trace(values(yield* joinall(all, { timeout: 2.5 })).join(), clock.seconds, all[0].hasLinks());
        trace(values(yield* joinall(all, { timeout: 0 })).join(), clock.seconds);
      });
      clock.advance(3);
      expect(log).toEqual(['a,b 2.5 0', 'a,b 2.5']);
      expect(leftIn(hub)).toEqual({ slots: 1, greenlets: 1, timers: 1 });
    });

    test('it stops after count', () => {
      const { hub, clock, trace, log } = world(core);
      const all = [3, 1, 2].map((n) => spawn(sleeper, n, n));
      spawn(function* () {
        trace(values(yield* joinall(all, { count: 2 })).join(), clock.seconds, all[0].hasLinks());
        trace(values(yield* joinall(all, { count: 9 })).join(), clock.seconds);
      });
      clock.advance(3);
      expect(log).toEqual(['1,2 2 0', '2,1,3 3']);
      expect(leftIn(hub)).toEqual({});
    });

    test('raiseError raises the first failure when it happens, and the others go on', () => {
      const { hub, clock, trace, log, reported } = world(core);
      const error = new RangeError('first');
      const all = [
        spawn(sleeper, 1),
        spawn(failer, 2, error),
        spawn(failer, 3, new Error('second')),
        spawn(sleeper, 4),
      ];
      spawn(function* () {
        try {
          yield* joinall(all, { raiseError: true });
        } catch (e) {
          trace(e === error, clock.seconds, all.map((g) => g.hasLinks()).join());
        }
      });
      clock.advance(4);
      expect(log).toEqual(['true 2 0,0,0,0']);
      expect(all.map((g) => g.dead)).toEqual([true, true, true, true]);
      expect(reported()).toHaveLength(2);
      expect(leftIn(hub)).toEqual({});
    });

    test('raiseError raises what was thrown even if that is undefined, and passes over killed ones', async () => {
      const { clock, reported } = world(core);
      const killed = spawn(sleeper);
      killed.kill();
      const odd = spawn(failer, 1, undefined);
      const outcome = rejected(joinall([killed, odd], { raiseError: true }));
      await clock.advanceAsync(1);
      expect(await outcome).toBe('no error: undefined');
      expect(reported()).toHaveLength(1);
    });

    test('raiseError of one that failed before the call', async () => {
      const { clock, reported } = world(core);
      const bad = spawn(failer, 0, new Error('early'));
      await clock.advanceAsync();
      const outcome = rejected(joinall([spawn(sleeper), bad], { raiseError: true }));
      await clock.advanceAsync();
      expect(await outcome).toBe('Error: early');
      expect(reported()).toHaveLength(1);
    });
  });

  describe('wait', () => {
    test('gives what became ready in that order, whatever kind it is', () => {
      const { hub, clock, trace, log } = world(core);
      const flag = new Flag();
      const g = spawn(sleeper, 2);
      spawnLater(1, () => flag.raise());
      spawn(function* () {
        const ready = yield* wait<Flag | Greenlet>([g, flag]);
        trace(ready.map((object) => (object === flag ? 'flag' : 'greenlet')).join(), clock.seconds);
      });
      clock.advance(2);
      expect(log).toEqual(['flag,greenlet 2']);
      expect([flag.links.length, leftIn(hub)]).toEqual([0, {}]);
    });

    test('the timeout cuts the list short; leftovers are unlinked', () => {
      const { hub, clock, trace, log } = world(core);
      const [ready, never] = [new Flag(), new Flag()];
      spawnLater(1, () => ready.raise());
      spawn(function* () {
        trace((yield* wait([never, ready], { timeout: 2 })).length, clock.seconds, never.links.length);
        trace((yield* wait([never], { timeout: new Timeout(1) })).length, clock.seconds, never.links.length);
      });
      clock.advance(5);
      expect(log).toEqual(['1 2 0', '0 3 0']);
      expect(leftIn(hub)).toEqual({});
    });

    test('count', () => {
      const { clock, trace, log } = world(core);
      const flags = [new Flag(), new Flag(), new Flag()];
      spawn(function* () {
        trace((yield* wait(flags, { count: 1 }))[0] === flags[2], flags.map((f) => f.links.length).join());
      });
      clock.advance();
      flags[2].raise();
      clock.advance();
      expect(log).toEqual(['true 0,0,0']);
    });

    test('killed in a wait, nothing stays linked', () => {
      const { hub, clock } = world(core);
      const flag = new Flag();
      const target = new Greenlet(sleeper);
      const g = spawn(function* () {
        yield* wait<any>([flag, target]);
      });
      clock.advance();
      expect([flag.links.length, target.hasLinks()]).toEqual([1, 1]);
      g.kill();
      clock.advance();
      expect([flag.links.length, target.hasLinks(), leftIn(hub)]).toEqual([0, 0, {}]);
    });

    test.each(['wait', 'iwait'])('an object whose rawlink throws: %s raises that, and nothing is left', (which) => {
      const { hub, clock, trace, log } = world(core);
      const flag = new Flag();
      const broken = {
        rawlink() {
          throw new Error('no links here');
        },
        unlink() {},
      };
      spawn(function* () {
        try {
          if (which === 'wait') yield* wait<any>([flag, broken], { timeout: 5 });
          else yield* iwait<any>([flag, broken]).next();
        } catch (error) {
          trace(told(error), flag.links.length);
        }
        yield* sleep(1);
        trace('goes on');
      });
      clock.advance(1);
      expect(log).toEqual(['Error: no links here 0', 'goes on']);
      expect(leftIn(hub)).toEqual({});
    });

    test('an object that is ready at once, and says so in rawlink', () => {
      const { clock, trace, log } = world(core);
      const eager = {
        rawlink: (callback: (source: unknown) => void) => callback(eager),
        unlink() {},
      };
      spawn(function* () {
        trace((yield* wait([eager, eager])).length);
      });
      clock.advance();
      expect(log).toEqual([2]);
    });

    test('without objects main waits for the loop: true at its end, false on time; sleeps without ref do not count', async () => {
      const { clock } = world(core);
      spawn(sleeper, 2);
      spawn(function* () {
        yield* sleep(50, { ref: false });
      });
      const outcomes = [wait(null, { timeout: 1 }), wait(), wait(undefined, { timeout: new Timeout(9) })].map((op, i) =>
        op.then((all) => `${i} ${all} at ${clock.seconds}`),
      );
      await clock.advanceAsync(10);
      expect(await Promise.all(outcomes)).toEqual(['0 false at 1', '1 true at 2', '2 true at 2']);
    });
  });

  describe('iwait', () => {
    test('for await gives them as they end, and ends itself', async () => {
      const { hub, clock, trace, log } = world(core);
      const all = [3, 1, 2].map((n) => spawn(sleeper, n, n));
      const loop = (async () => {
        for await (const g of iwait(all)) trace(g.value, clock.seconds);
        trace('end');
      })();
      await clock.advanceAsync(3);
      await loop;
      expect(log).toEqual(['1 1', '2 2', '3 3', 'end']);
      expect(leftIn(hub)).toEqual({});
    });

    test('in a generator body it is one operation a step; nothing is linked before the first', () => {
      const { hub, clock, trace, log } = world(core);
      const all = [2, 1].map((n) => spawn(sleeper, n, n));
      spawn(function* () {
        const steps = iwait(all);
        trace('linked', all[0].hasLinks());
        for (;;) {
          const { done, value } = yield* steps.next();
          if (done) break;
          trace(value.value, clock.seconds);
        }
        trace('end', (yield* steps.next()).done);
      });
      clock.advance(2);
      expect(log).toEqual(['linked 0', '1 1', '2 2', 'end true']);
      expect(leftIn(hub)).toEqual({});
    });

    test('what ended while nobody looked is given in order, at once', () => {
      const { clock, trace, log } = world(core);
      const all = [3, 1, 2].map((n) => spawn(sleeper, n, n));
      spawn(function* () {
        const steps = iwait(all);
        trace((yield* steps.next()).value?.value);
        yield* sleep(5);
        spawn(trace, 'not before');
        trace((yield* steps.next()).value?.value);
        trace((yield* steps.next()).value?.value);
      });
      clock.advance(6);
      expect(log).toEqual([1, 2, 3, 'not before']);
    });

    test('it stops after count, also when more are ready by then', () => {
      const { clock, trace, log } = world(core);
      const all = [1, 1, 1].map((n, i) => spawn(sleeper, n, i));
      spawn(function* () {
        const steps = iwait(all, { count: 2 });
        trace((yield* steps.next()).value?.value);
        yield* sleep(1);
        trace((yield* steps.next()).value?.value);
        trace((yield* steps.next()).done);
        trace((yield* steps.next()).done);
      });
      clock.advance(3);
      expect(log).toEqual([0, 1, true, true]);
    });

    test('the timeout runs from the first step and is for all of them', () => {
      const { hub, clock, trace, log } = world(core);
      const all = [1, 2, 4, 6].map((n) => spawn(sleeper, n, n));
      spawn(function* () {
        const steps = iwait(all, { timeout: 5 });
        yield* sleep(0.5);
        for (;;) {
          const { done, value } = yield* steps.next();
          if (done) break;
          trace(value.value, clock.seconds);
        }
        trace('end', clock.seconds, all[3].hasLinks());
      });
      clock.advance(10);
      expect(log).toEqual(['1 1', '2 2', '4 4', 'end 5.5 0']);
      expect(leftIn(hub)).toEqual({});
    });

    test('what becomes ready behind the timeout is not given, even if the step is late as well', () => {
      const { clock, trace, log } = world(core);
      const all = [1, 2, 4].map((n) => spawn(sleeper, n, n));
      spawn(function* () {
        const steps = iwait(all, { timeout: 3 });
        trace((yield* steps.next()).value?.value);
        yield* sleep(9);
        trace((yield* steps.next()).value?.value);
        trace((yield* steps.next()).done);
      });
      clock.advance(20);
      expect(log).toEqual([1, 2, true]);
    });

    test('a timeout of 0 polls', () => {
      const { clock, trace, log } = world(core);
      const all = [spawn(() => 'ended'), spawn(sleeper)];
      clock.advance();
      spawn(function* () {
        const steps = iwait(all, { timeout: 0 });
        trace((yield* steps.next()).value?.value);
        trace((yield* steps.next()).done, clock.seconds);
      });
      clock.advance();
      expect(log).toEqual(['ended', 'true 0']);
    });

    test('of nothing it ends at once', async () => {
      const { hub } = world(core);
      expect(await iwait([]).next()).toEqual({ done: true, value: undefined });
      for await (const _ of iwait([])) throw new Error('there is nothing');
      expect(leftIn(hub)).toEqual({});
    });

    test('close(), the end of a using block and break take off the links that are left', async () => {
      const { hub, clock, trace, log } = world(core);
      const targets = [new Greenlet(sleeper), spawn(sleeper, 1)];
      const linked = () => targets[0].hasLinks();
      const steps = iwait(targets);
      const first = steps.next();
      const loop = (async () => {
        await first;
        trace('before close', linked());
        steps.close();
        steps.close();
        trace('closed', linked());
        {
          using more = iwait(targets);
          await more.next();
          trace('in the block', linked());
        }
        trace('behind it', linked());
        for await (const _ of iwait(targets)) {
          trace('in the loop', linked());
          break;
        }
        trace('behind it', linked());
      })();
      await clock.advanceAsync(1);
      await loop;
      expect(log).toEqual([
        'before close 1',
        'closed 0',
        'in the block 1',
        'behind it 0',
        'in the loop 1',
        'behind it 0',
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('a step that is killed or timed out loses nothing', () => {
      const { clock, trace, log } = world(core);
      const all = [2, 3].map((n) => spawn(sleeper, n, n));
      const steps = iwait(all);
      spawn(function* () {
        const timeout = Timeout.startNew(1);
        try {
          yield* steps.next();
        } catch (error) {
          trace(error === timeout);
        }
        trace((yield* steps.next()).value?.value);
        trace((yield* steps.next()).value?.value);
        trace((yield* steps.next()).done);
      });
      clock.advance(3);
      expect(log).toEqual([true, 2, 3, true]);
    });

    test('several steps at once are served in order, and end together', async () => {
      const { hub, clock } = world(core);
      const all = [2, 1].map((n) => spawn(sleeper, n, n));
      const steps = iwait(all);
      const got = Promise.all(
        [1, 2, 3].map(() => steps.next().then(({ done, value }) => (done ? 'end' : value.value))),
      );
      await clock.advanceAsync(2);
      expect(await got).toEqual([1, 2, 'end']);
      expect(leftIn(hub)).toEqual({});
    });

    test('closed while a step waits: the step ends', async () => {
      const { hub, clock } = world(core);
      spawn(sleeper, 1);
      const steps = iwait([new Greenlet(sleeper)]);
      const step = steps.next().then(({ done }) => done);
      await clock.advanceAsync();
      steps.close();
      await clock.advanceAsync(1);
      expect(await step).toBe(true);
      expect(leftIn(hub)).toEqual({});
    });

    test('objects that are no greenlets', () => {
      const { clock, trace, log } = world(core);
      const flags = [new Flag(), new Flag()];
      spawn(function* () {
        const steps = iwait(flags);
        trace((yield* steps.next()).value === flags[1]);
        trace((yield* steps.next()).value === flags[0]);
      });
      clock.advance();
      flags[1].raise();
      clock.advance();
      flags[0].raise();
      clock.advance();
      expect(log).toEqual([true, true]);
    });
  });

  describe('kill and killall', () => {
    test('kill orders and does not wait, for both kinds and for main', async () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(sleeper);
      const raw = spawnRaw(function* () {
        try {
          yield* sleep(100);
        } finally {
          trace('raw');
        }
      });
      const main = rejected(sleep(100));
      await clock.advanceAsync();
      expect([kill(g), kill(raw), kill(hub.main, new RangeError('for main'))]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect([g.dead, raw.dead]).toEqual([false, false]);
      await clock.advanceAsync();
      expect([g.dead, raw.dead, log]).toEqual([true, true, ['raw']]);
      expect(await main).toBe('RangeError: for main');
      kill(raw);
      kill(g);
      clock.advance();
      expect(leftIn(hub)).toEqual({});
    });

    test('main that is in no operation hears of it in its next one', async () => {
      const { hub, clock } = world(core);
      kill(hub.main, new RangeError('for main'));
      await clock.advanceAsync();
      expect(await rejected(sleep(1))).toBe('RangeError: for main');
      const next = sleep(1).then(() => 'slept');
      await clock.advanceAsync(1);
      expect(await next).toBe('slept');
    });

    test('a raw greenlet that was spawned before the kill still runs first', () => {
      const { clock, trace, log } = world(core);
      const raw = spawnRaw(function* () {
        trace('runs');
        yield* sleep(100);
        trace('not here');
      });
      kill(raw);
      clock.advance();
      expect([log, raw.dead]).toEqual([['runs'], true]);
    });

    test('killall takes any iterable of both kinds, and waits until all have ended', () => {
      const { hub, clock, trace, log } = world(core);
      const quick = spawn(sleeper);
      const slow = spawn(function* () {
        try {
          yield* sleep(100);
        } finally {
          yield* sleep(2);
        }
      });
      const raw = spawnRaw(sleeper);
      const never = new Greenlet(sleeper);
      const dead = spawn(() => 1);
      clock.advance();
      spawn(function* () {
        const queued = spawn(trace, 'never runs');
        trace('gives', yield* killall(new Set([quick, slow, raw, never, dead, queued])), clock.seconds);
        trace([quick, slow, raw, never, queued].map((g) => g.dead).join());
      });
      clock.advance(2);
      expect(log).toEqual(['gives undefined 2', 'true,true,true,true,true']);
      expect(leftIn(hub)).toEqual({});
    });

    test('it waits for raw ones, too: until they were thrown into', () => {
      const { hub, clock, trace, log } = world(core);
      const raws = [spawnRaw(sleeper), spawnRaw(sleeper)];
      clock.advance();
      spawn(function* () {
        yield* killall(raws);
        trace(raws.map((g) => g.dead).join());
      });
      clock.advance();
      expect(log).toEqual(['true,true']);
      expect(leftIn(hub)).toEqual({});
    });

    test('one that resists is joined; the timeout raises, and leaves it to itself', () => {
      const { hub, clock, trace, log, reported } = world(core);
      const resist = function* () {
        try {
          yield* sleep(100);
        } catch {
          yield* sleep(5);
        }
      };
      const all = [spawn(resist), spawn(sleeper)];
      clock.advance();
      spawn(function* () {
        try {
          yield* killall(all, { timeout: 2 });
        } catch (error) {
          trace(told(error), clock.seconds, all.map((g) => g.dead).join());
        }
        const limit = new Timeout(1, new RangeError('its own'));
        try {
          yield* killall([spawn(resist), all[0]].slice(1), { timeout: limit, exception: new RangeError('ignored') });
        } catch (error) {
          trace(told(error), clock.seconds);
        }
      });
      clock.advance(2);
      expect(log).toEqual(['Timeout [GEVENT_TIMEOUT]: 2 seconds 2 false,true']);
      clock.advance(10);
      reported();
      hub.core.verify();
    });

    test('of nothing, or of the dead, it returns at once', async () => {
      const { hub, clock, trace, log } = world(core);
      const dead = spawn(() => 1);
      clock.advance();
      spawn(function* () {
        spawn(trace, 'not before');
        yield* killall([]);
        yield* killall([dead]);
        trace('at once');
      });
      clock.advance();
      expect(log).toEqual(['at once', 'not before']);
      await killall([]);
      expect(leftIn(hub)).toEqual({});
    });

    test('the order is given by the call; with block false nobody waits', () => {
      const { clock, trace, log } = world(core);
      const [a, b] = [spawn(sleeper), spawn(sleeper)];
      clock.advance();
      spawn(function* () {
        killall([a]);
        yield* killall([b], { block: false });
        trace(a.dead, b.dead);
        yield* sleep(0);
        trace(a.dead, b.dead);
      });
      clock.advance();
      expect(log).toEqual(['false false', 'true true']);
    });

    test('they are thrown into in the order given, each with an exception of its own', () => {
      const { clock, trace, log, reported } = world(core);
      const all = ['a', 'b', 'c'].map((name) =>
        spawn(function* () {
          try {
            yield* sleep(100);
          } finally {
            trace(name);
          }
        }),
      );
      clock.advance();
      const never = new Greenlet(sleeper);
      killall([all[2], never, all[0], all[1]], { exception: RangeError });
      clock.advance();
      expect(log).toEqual(['c', 'a', 'b']);
      expect(new Set([...all, never].map((g) => g.exception)).size).toBe(4);
      expect(reported()).toHaveLength(4);
    });

    test('one among them that cannot be thrown into does not save the others', () => {
      const { clock, reported } = world(core);
      const hopeless = spawnRaw(sleeper);
      const all = [spawn(sleeper), spawn(sleeper)];
      clock.advance();
      killall([all[0], hopeless, all[1]], { exception: 42 });
      clock.advance();
      expect(all.map((g) => told(g.exception))).toEqual(
        Array(2).fill('GeventError [GEVENT_KILLED_WITH]: killed with 42, which is no exception'),
      );
      expect(hopeless.dead).toBe(true);
      expect(reported()).toHaveLength(3);
    });

    test('the caller may be among them: it is killed in its wait', () => {
      const { hub, clock, trace, log } = world(core);
      const other = spawn(sleeper);
      const g: Greenlet = spawn(function* () {
        try {
          yield* killall([g, other]);
        } finally {
          trace('killed');
        }
      });
      clock.advance();
      expect([log, g.dead, other.dead]).toEqual([['killed'], true, true]);
      expect(leftIn(hub)).toEqual({});
    });

    test('awaited by main and by an async body', async () => {
      const { hub, clock, trace, log } = world(core);
      const all = [spawn(sleeper), spawn(sleeper)];
      clock.advance();
      const main = killall([all[0]]).then(() => trace('main', all[0].dead));
      spawn(async () => {
        await killall([all[1]]);
        trace('async', all[1].dead);
      });
      await clock.advanceAsync();
      await main;
      expect(log.sort()).toEqual(['async true', 'main true']);
      expect(leftIn(hub)).toEqual({});
    });

    test('greenlets of several hubs are each killed on their own', async () => {
      const { hub, clock } = world(core);
      const far = createHub({ core });
      const all = [spawn(sleeper), far.spawn(sleeper)];
      spawn(sleeper, 1);
      clock.advance();
      far.turn();
      const done = killall(all).then(() => 'all dead');
      await clock.advanceAsync();
      far.turn();
      await clock.advanceAsync();
      expect(all.map((g) => g.dead)).toEqual([true, true]);
      expect(await done).toBe('all dead');
      await clock.advanceAsync(1);
      expect(leftIn(hub)).toEqual({});
      far.destroy();
    });
  });

  describe('shutdown', () => {
    test('ends every greenlet, of every kind and in every state, and then what main waits for', async () => {
      const { hub, clock, trace, log } = world(core);
      const suspended = spawn(function* () {
        try {
          yield* sleep(1000);
        } finally {
          trace('cleaned up');
        }
      });
      const raw = spawnRaw(sleeper);
      const async = spawn(async () => {
        await sleep(1000);
      });
      const delayed = spawnLater(1000, trace, 'never');
      const main = [sleep(1000), suspended.join().then(() => sleep(1000))].map(rejected);
      await clock.advanceAsync();
      const queued = spawn(trace, 'never');
      shutdown();
      await clock.advanceAsync();
      expect([suspended, raw, async, delayed, queued].map((g) => g.dead)).toEqual([true, true, true, true, true]);
      expect(await main[0]).toBe('SystemExit [GEVENT_SYSTEM_EXIT]: 0');
      expect(log).toEqual(['cleaned up']);
      // What main began when its join was over is rejected as well.
      expect(await main[1]).toBe('SystemExit [GEVENT_SYSTEM_EXIT]: 0');
      expect(leftIn(hub)).toEqual({});
    });

    test.each(['generator', 'async'])('the %s body that calls it is let finish', async (kind) => {
      const { clock, trace, log } = world(core);
      const other = spawn(sleeper);
      const caller =
        kind === 'async'
          ? spawn(async () => {
              await sleep(0);
              shutdown();
              await sleep(1);
              trace('finished', other.dead);
            })
          : spawn(function* () {
              shutdown();
              yield* sleep(1);
              trace('finished', other.dead);
            });
      await clock.advanceAsync(1);
      expect([log, caller.value]).toEqual([['finished true'], undefined]);
    });
  });

  describe('run', () => {
    test('a promise for what a body of any kind gives', async () => {
      const { clock } = world(core);
      const all = [run(sleeper, 1, 'generator'), run(() => 'plain'), run(async () => 'async')];
      expect(all.every((promise) => promise instanceof Promise)).toBe(true);
      await clock.advanceAsync(1);
      expect(await Promise.all(all)).toEqual(['generator', 'plain', 'async']);
    });

    test('its error is the promise’s and is not reported besides', async () => {
      const { clock } = world(core);
      const failed = rejected(run(failer, 1, new RangeError('heard')));
      await clock.advanceAsync(1);
      expect(await failed).toBe('RangeError: heard');
      expect(await rejected(run(42 as any))).toBe('TypeError: spawn(fn): expected a function, got 42');
    });
  });

  describe('until, in greenlets', () => {
    test('a killed greenlet leaves at once, and the promise goes on unheard', async () => {
      const { hub, clock, trace, log } = world(core);
      let reject: (error: unknown) => void = () => {};
      const promise = new Promise((_, r) => {
        reject = r;
      });
      const g = spawn(function* () {
        try {
          yield* until(promise);
        } finally {
          trace('left');
        }
      });
      clock.advance();
      expect(leftIn(hub)).toEqual({ slots: 1, greenlets: 1, rows: 1, waiting: 1, foreign: 1 });
      g.kill();
      clock.advance();
      expect([log, leftIn(hub)]).toEqual([['left'], {}]);
      reject(new Error('nobody hears'));
      await clock.advanceAsync();
      expect(leftIn(hub)).toEqual({});
    });
  });
});

describe('signals, in a process of their own', { timeout: 20_000 }, () => {
  const head = `import { run, shutdown, signalHandler, sleep, spawn, spawnRaw, getcurrent, Greenlet } from '#index.ts';
    const say = (...what) => process.stdout.write(what.join(' ') + '\\n');
    const send = (name) => process.kill(process.pid, name);
  `;

  test('the handler runs in a new greenlet with its arguments, each time, and may block', async () => {
    const { code, stdout, stderr } = await program(`${head}
      let n = 0;
      const handler = signalHandler('SIGUSR2', function* (word) {
        const me = getcurrent();
        say(word, me instanceof Greenlet, ++n);
        yield* sleep(0.001);
        say('slept', getcurrent() === me);
        if (n < 2) send('SIGUSR2');
        else handler.cancel(), done();
      }, 'called');
      let done; const over = new Promise((resolve) => { done = resolve; });
      send('SIGUSR2');
      const keep = setInterval(() => {}, 1000);
      await over;
      clearInterval(keep);
      say(process.listenerCount('SIGUSR2'));`);
    expect([code, stdout, stderr]).toEqual([
      0,
      ['called true 1', 'slept true', 'called true 2', 'slept true', '0'],
      '',
    ]);
  });

  test('a handler does not keep the process alive, unless it is referenced', async () => {
    const idleOne = await program(`${head} signalHandler('SIGUSR2', () => {}); say('end');`);
    expect([idleOne.code, idleOne.stdout, idleOne.stderr]).toEqual([0, ['end'], '']);
    const held = await program(`${head}
      const handler = signalHandler('SIGUSR2', () => { say('handled'); handler.ref = false; });
      say(handler.ref);
      handler.ref = true;
      setTimeout(() => send('SIGUSR2'), 50).unref();`);
    expect([held.code, held.stdout, held.stderr]).toEqual([0, ['false', 'handled'], '']);
  });

  test('a handler’s error is raised in main, where it waits', async () => {
    const { code, stdout, stderr } = await program(`${head}
      signalHandler('SIGUSR2', function* () { yield* sleep(0); throw new RangeError('from the handler'); });
      setTimeout(() => send('SIGUSR2'), 10);
      try { await sleep(5); } catch (error) { say(String(error)); }
      say('goes on');`);
    expect([code, stdout]).toEqual([0, ['RangeError: from the handler', 'goes on']]);
    expect(stderr).toContain('RangeError: from the handler');
  });

  test('SIGQUIT to shutdown ends a thousand seconds’ sleep of every kind at once, with exit code 0', async () => {
    const { code, stdout, stderr } = await program(`${head}
      signalHandler('SIGQUIT', shutdown);
      const g = spawn(function* () { try { yield* sleep(1000); } finally { say('cleaned up'); } });
      spawnRaw(function* () { try { yield* sleep(1000); } finally { say('raw as well'); } });
      setTimeout(() => send('SIGQUIT'), 10);
      await g.join();
      say('end');`);
    expect([code, stdout, stderr]).toEqual([0, ['cleaned up', 'raw as well', 'end'], '']);
  });

  test('a destroyed hub handles no more signals', async () => {
    const { code, stdout } = await program(`${head}
      import { getHub } from '#index.ts';
      signalHandler('SIGUSR2', () => {});
      getHub().destroy();
      say(process.listenerCount('SIGUSR2'));`);
    expect([code, stdout]).toEqual([0, ['0']]);
  });
});

afterEach(() => {
  process.removeAllListeners('SIGUSR2');
});
