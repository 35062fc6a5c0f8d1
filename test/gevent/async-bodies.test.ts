// Async functions as bodies: the same operations, kills and timeouts, as far as promises allow; and what the platform
// carries along with them.

import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { createHub, type Hub } from '../../ts/hub.ts';
import {
  defer,
  Greenlet,
  GreenletExit,
  getcurrent,
  isControl,
  iwait,
  joinall,
  kill,
  killall,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
  wait,
} from '../../ts/index.ts';
import { CORES, program, rejected, thrown, told } from '../support/cores.ts';
import { leftIn, smallCore, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

function* sleeper(seconds = 100, value?: unknown): Body {
  yield* sleep(seconds);
  return value;
}

const exited = (g: Greenlet<any>): boolean => g.value instanceof GreenletExit;

/** A promise that is settled by hand. */
function foreign<T = void>() {
  return Promise.withResolvers<T>();
}

/** All microtasks run, and more. */
const foreignTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe.each(CORES)('on the %s core', (core) => {
  describe('life and death', () => {
    test('a body runs at its turn up to its first await, and its value or error is the greenlet’s', async () => {
      const { clock, trace, log, hub, reported } = world(core);
      const good = spawn(async (name: string) => {
        trace('runs', name);
        await sleep(1);
        return `${name} done`;
      }, 'a');
      const bad = spawn(async function fail() {
        await sleep(2);
        throw new RangeError('x');
      });
      expect(log).toEqual([]);
      await clock.advanceAsync(1);
      expect([log, good.value, bad.active]).toEqual([['runs a'], 'a done', true]);
      await clock.advanceAsync(1);
      expect(told(bad.exception)).toBe('RangeError: x');
      expect(reported()).toEqual([
        expect.stringMatching(/^RangeError: x \| <Greenlet ".*": fail\(\)> failed with RangeError$/),
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('one that throws before its first await fails like any other', async () => {
      const { clock, reported, hub } = world(core);
      const g = spawn(async () => {
        throw new Error('at once');
      });
      await clock.advanceAsync();
      expect([told(g.exception), reported().length, leftIn(hub)]).toEqual(['Error: at once', 1, {}]);
    });

    test('join, get, links, joinall and wait are the same from outside', async () => {
      const { clock, trace, log, hub } = world(core);
      const g = spawn(async () => {
        await sleep(1);
        return 'value';
      });
      g.rawlink((source) => trace('rawlink', source.value));
      g.link((source) => trace('link', source.value));
      spawn(function* () {
        yield* g.join();
        trace('join', yield* g.get());
        trace('joinall', (yield* joinall([g, g])).length, 'wait', (yield* wait([g])).length);
      });
      await clock.advanceAsync(1);
      expect(log).toEqual(['rawlink value', 'link value', 'join value', 'joinall 2 wait 1']);
      expect(leftIn(hub)).toEqual({});
    });

    test('it may use every operation itself', async () => {
      const { clock, trace, log, hub } = world(core);
      spawn(async () => {
        const other = spawn(sleeper, 2, 'other');
        trace(await other.get(), clock.seconds);
        await other.join();
        trace((await joinall([spawn(sleeper, 1), spawn(sleeper, 2)], { timeout: 1.5 })).length, clock.seconds);
        const victim = spawn(sleeper);
        await sleep(0);
        await victim.kill();
        trace(victim.dead);
        trace(told(await victim.get({ timeout: 0 })));
        trace(await rejected(new Greenlet(sleeper).get({ timeout: 1 })));
      });
      await clock.advanceAsync(10);
      expect(log).toEqual([
        'other 2',
        '1 3.5',
        true,
        'GreenletExit [GEVENT_GREENLET_EXIT]: ',
        'Timeout [GEVENT_TIMEOUT]: 1 second',
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('operations left pending at its end are given up, and nobody hears of them', async () => {
      const { clock, log, hub } = world(core);
      const target = new Greenlet(sleeper);
      spawn(async () => {
        for (const op of [sleep(50), target.join(), target.get({ timeout: 60 }), joinall([target])]) {
          void Promise.resolve(op as PromiseLike<unknown>).then(
            (value) => log.push(value),
            (error: unknown) => log.push(error),
          );
        }
        await sleep(1);
      });
      await clock.advanceAsync();
      expect(target.hasLinks()).toBe(3);
      await clock.advanceAsync(1);
      expect([target.hasLinks(), leftIn(hub)]).toEqual([0, {}]);
      await clock.advanceAsync(100);
      expect(log).toEqual([]);
    });

    test('what it left pending in its own slot is given up before its clean-up runs there', async () => {
      const { clock, trace, hub, seen } = world(core);
      spawn(async () => {
        await sleep(1);
        await defer(function* () {
          trace('cleans');
          yield* sleep(2);
          trace('cleaned');
        });
        sleep(1).then(() => trace('lost'));
      });
      await clock.advanceAsync(1);
      expect(seen()).toEqual(['cleans']);
      await clock.advanceAsync(10);
      expect(seen()).toEqual(['cleaned']);
      expect(leftIn(hub)).toEqual({});
    });

    test('what it left in the platform may begin to wait while its clean-up waits in its slot', async () => {
      const { clock, trace, hub, seen } = world(core);
      const { promise, resolve } = foreign();
      async function straggler() {
        await promise;
        trace('straggles');
        await sleep(1);
        trace('straggled');
        await sleep(10);
        trace('lost');
      }
      spawn(async () => {
        await defer(function* () {
          trace('cleans');
          yield* sleep(2);
          trace('cleaned');
        });
        void straggler();
        await sleep(1);
      });
      await clock.advanceAsync(1);
      resolve();
      await clock.advanceAsync(1);
      expect(seen()).toEqual(['cleans', 'straggles', 'straggled']);
      await clock.advanceAsync(1);
      expect(seen()).toEqual(['cleaned']);
      await clock.advanceAsync(20);
      expect(seen()).toEqual([]);
      expect(leftIn(hub)).toEqual({});
    });

    test('getcurrent() has the members of a Greenlet in the body', async () => {
      const { clock, log } = world(core);
      const g = spawn(async (word: string) => {
        await Promise.resolve();
        const me = getcurrent() as Greenlet;
        log.push(me === g, me.args[0] === word, me.active);
        me.name = 'myself';
      }, 'argument');
      await clock.advanceAsync();
      expect([log, g.name]).toEqual([[true, true, true], 'myself']);
    });
  });

  describe('kill', () => {
    test('at a pending operation it arrives there, and the body’s clean-up may block', async () => {
      const { clock, trace, log, hub } = world(core);
      const g = spawn(async () => {
        try {
          await sleep(100);
        } catch (error) {
          trace(error instanceof GreenletExit, isControl(error));
          throw error;
        } finally {
          await sleep(1);
          trace('cleaned up', clock.seconds);
        }
      });
      await clock.advanceAsync(1);
      spawn(function* () {
        yield* g.kill();
        trace('killed', g.dead);
      });
      await clock.advanceAsync(1);
      expect(log).toEqual(['true true', 'cleaned up 2', 'killed true']);
      expect([exited(g), g.successful(), leftIn(hub)]).toEqual([true, true, {}]);
    });

    test('before it has run, it never runs', async () => {
      const { clock, log, hub } = world(core);
      const g = spawn(async () => log.push('ran'));
      g.kill();
      expect(g.dead).toBe(true);
      await clock.advanceAsync();
      expect([log, leftIn(hub)]).toEqual([[], {}]);
    });

    test('while it awaits a foreign promise its signal aborts at once, and the kill arrives at its next operation', async () => {
      const { clock, trace, log, hub } = world(core);
      const { promise, resolve } = foreign();
      const g = spawn(async () => {
        const { signal } = getcurrent() as Greenlet;
        signal.addEventListener('abort', () => trace('aborted', signal.reason instanceof GreenletExit));
        await promise;
        trace('went on');
        await sleep(1);
        trace('not here');
      });
      await clock.advanceAsync();
      spawn(function* () {
        yield* g.kill();
        trace('killed');
      });
      await clock.advanceAsync(5);
      expect([log, g.dead]).toEqual([['aborted true'], false]);
      resolve();
      await clock.advanceAsync();
      expect(log).toEqual(['aborted true', 'went on', 'killed']);
      expect([exited(g), leftIn(hub)]).toEqual([true, {}]);
    });

    test('a platform call that takes the signal ends at once', async () => {
      const { clock, hub } = world(core);
      const g = spawn(async () => {
        const { signal } = getcurrent() as Greenlet;
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      });
      await clock.advanceAsync();
      g.kill();
      await clock.advanceAsync();
      expect([g.dead, exited(g), leftIn(hub)]).toEqual([true, true, {}]);
    });

    test('another exception than GreenletExit aborts the signal as well', async () => {
      const { clock, reported } = world(core);
      const g = spawn(async () => {
        const { signal } = getcurrent() as Greenlet;
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      });
      await clock.advanceAsync();
      g.kill({ exception: new RangeError('enough') });
      await clock.advanceAsync();
      expect(told(g.exception)).toBe('RangeError: enough');
      expect(reported()).toHaveLength(1);
    });

    test('with a timeout the killer waits no longer than that for the foreign promise', async () => {
      const { clock, trace, log } = world(core);
      const { promise, resolve } = foreign();
      const g = spawn(async () => {
        await promise;
      });
      await clock.advanceAsync();
      spawn(function* () {
        yield* g.kill({ timeout: 2 });
        trace('gave up', clock.seconds, g.dead);
      });
      await clock.advanceAsync(3);
      expect(log).toEqual(['gave up 2 false']);
      resolve();
      await clock.advanceAsync();
      expect([g.dead, g.value]).toEqual([true, undefined]);
    });

    test('one that ends without another operation was never killed', async () => {
      const { clock, hub } = world(core);
      const { promise, resolve } = foreign<string>();
      const g = spawn(async () => await promise);
      await clock.advanceAsync();
      g.kill();
      await clock.advanceAsync();
      resolve('made it');
      await clock.advanceAsync();
      expect([g.value, leftIn(hub)]).toEqual(['made it', {}]);
    });

    test('itself: blocking it arrives at once, not blocking at its next operation', async () => {
      const { clock, trace, log, hub } = world(core);
      const blocking: Greenlet = spawn(async () => {
        try {
          await blocking.kill();
        } finally {
          trace('blocking');
        }
      });
      const other: Greenlet = spawn(async () => {
        other.kill({ block: false });
        trace('goes on');
        await sleep(5);
        trace('not here');
      });
      await clock.advanceAsync(9);
      expect(log.sort()).toEqual(['blocking', 'goes on']);
      expect([blocking.dead, other.dead, leftIn(hub)]).toEqual([true, true, {}]);
    });

    test('one that resists is waited for', async () => {
      const { clock, trace, log, reported } = world(core);
      const g = spawn(async () => {
        try {
          await sleep(100);
        } catch {
          await sleep(3);
        }
        return 'of its own';
      });
      await clock.advanceAsync();
      const killed = g.kill().then(() => trace('killed', clock.seconds, g.value));
      await clock.advanceAsync(5);
      await killed;
      expect(log).toEqual(['killed 3 of its own']);
      reported();
    });

    test('killall of both kinds, and kill without waiting', async () => {
      const { clock, hub } = world(core);
      const async = [1, 2].map(() => spawn(async () => void (await sleep(100))));
      const all = [...async, spawn(sleeper)];
      await clock.advanceAsync();
      kill(all[0]);
      const done = killall(all.slice(1)).then(() => all.map((g) => g.dead));
      await clock.advanceAsync();
      expect(await done).toEqual([true, true, true]);
      expect(leftIn(hub)).toEqual({});
    });

    test('no kill is lost: a Timeout that follows it, or comes before it, does not take its place', async () => {
      const { clock, log, reported } = world(core);
      for (const killFirst of [true, false]) {
        const { promise, resolve } = foreign();
        const heard: string[] = [];
        const g = spawn(async () => {
          Timeout.startNew(2);
          await promise;
          for (let i = 0; i < 3; i++) {
            try {
              await sleep(1);
            } catch (error) {
              heard.push((error as Error).name);
            }
          }
        });
        await clock.advanceAsync(killFirst ? 1 : 3);
        g.kill({ block: false });
        await clock.advanceAsync(killFirst ? 3 : 1);
        resolve();
        await clock.advanceAsync(9);
        log.push(heard.join());
      }
      expect(log).toEqual(['GreenletExit,Timeout', 'Timeout,GreenletExit']);
      reported();
    });
  });

  describe('Timeout', () => {
    test('at a pending operation, and once', async () => {
      const { clock, trace, log, hub } = world(core);
      spawn(async () => {
        const timeout = Timeout.startNew(1);
        try {
          await sleep(100);
        } catch (error) {
          trace(error === timeout, clock.seconds);
        }
        await sleep(1);
        trace('once');
      });
      await clock.advanceAsync(3);
      expect(log).toEqual(['true 1', 'once']);
      expect(leftIn(hub)).toEqual({});
    });

    test('started behind a foreign await, or by a function that the body calls, it is still the body’s', async () => {
      const { clock, trace, log } = world(core);
      const limited = async () => {
        await Promise.resolve();
        const timeout = Timeout.startNew(1);
        await Promise.resolve();
        try {
          await sleep(100);
        } catch (error) {
          return error === timeout;
        }
        return 'nothing';
      };
      const main = sleep(50).then(() => 'main unharmed', told);
      spawn(async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        trace(await limited(), getcurrent() instanceof Greenlet);
      });
      await clock.advanceAsync();
      await new Promise((resolve) => setTimeout(resolve, 5));
      await clock.advanceAsync(1);
      expect(log).toEqual(['true true']);
      await clock.advanceAsync(50);
      expect(await main).toBe('main unharmed');
    });

    test('while it awaits a foreign promise it comes at the next operation, if it still stands', async () => {
      const { clock, trace, log } = world(core);
      for (const how of ['stands', 'cancel', 'close'] as const) {
        const { promise, resolve } = foreign();
        spawn(async () => {
          const timeout = Timeout.startNew(1);
          await promise;
          if (how !== 'stands') timeout[how]();
          try {
            await sleep(1);
            trace(how, 'slept');
          } catch (error) {
            trace(how, error === timeout);
          }
        });
        await clock.advanceAsync(2);
        resolve();
        await clock.advanceAsync(1);
      }
      expect(log).toEqual(['stands true', 'cancel slept', 'close slept']);
    });

    test('nested ones, and the limits of other waits: each is told from the others', async () => {
      const { clock, trace, log, hub } = world(core);
      const target = spawn(sleeper, 50);
      spawn(async () => {
        const outer = Timeout.startNew(2);
        trace(await rejected(target.get({ timeout: 1 })), outer.pending);
        try {
          await target.join({ timeout: 9 });
        } catch (error) {
          trace(error === outer, clock.seconds);
        }
      });
      await clock.advanceAsync(10);
      expect(log).toEqual(['Timeout [GEVENT_TIMEOUT]: 1 second true', 'true 2']);
      expect(leftIn(hub)).toEqual({ slots: 1, greenlets: 1, timers: 1 });
    });

    test('due in the instant of the operation it loses: cancelled by what woke, it never comes', async () => {
      const { clock, trace, log, hub } = world(core);
      const all = (['using', 'cancel'] as const).map((how) =>
        spawn(async () => {
          if (how === 'using') {
            using _ = Timeout.startNew(1);
            await sleep(1);
          } else {
            const timeout = Timeout.startNew(1, null, { ref: false });
            await sleep(1);
            timeout.cancel();
          }
          trace(how, clock.seconds);
          await sleep(1);
          return 'unharmed';
        }),
      );
      await clock.advanceAsync(3);
      expect(log).toEqual(['using 1', 'cancel 1']);
      expect(all.map((g) => g.value)).toEqual(['unharmed', 'unharmed']);
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, {}]);
    });

    test('uncaught it is the body’s failure', async () => {
      const { clock, reported } = world(core);
      const g = spawn(async () => {
        using _ = Timeout.startNew(1);
        await sleep(5);
      });
      await clock.advanceAsync(5);
      expect(told(g.exception)).toBe('Timeout [GEVENT_TIMEOUT]: 1 second');
      expect(reported()).toHaveLength(1);
    });
  });

  describe('several operations of one body', () => {
    test('Promise.all of them: each waits for itself', async () => {
      const { clock, trace, log, hub } = world(core);
      const target = spawn(sleeper, 2, 'value');
      spawn(async () => {
        const all = await Promise.all([sleep(3), target.get(), sleep(1), joinall([target])]);
        trace(all[1], all[3].length, clock.seconds);
      });
      await clock.advanceAsync(5);
      expect(log).toEqual(['value 1 3']);
      expect(leftIn(hub)).toEqual({});
    });

    test('the first of several; the others are given up with the body', async () => {
      const { clock, trace, log, hub } = world(core);
      spawn(async () => {
        trace(await Promise.race([sleep(2).then(() => 'slow'), sleep(1).then(() => 'fast')]));
      });
      await clock.advanceAsync(1);
      expect([log, leftIn(hub)]).toEqual([['fast'], {}]);
    });

    test('a kill ends the oldest of them, and with it the body', async () => {
      const { clock, trace, log, hub } = world(core);
      const g = spawn(async () => {
        const ops = [sleep(10), sleep(20), sleep(30)].map((op, i) =>
          Promise.resolve(op).then(undefined, (error: unknown) => {
            trace('operation', i, (error as Error).name);
            throw error;
          }),
        );
        await Promise.all(ops);
      });
      await clock.advanceAsync();
      g.kill();
      await clock.advanceAsync();
      expect(log).toEqual(['operation 0 GreenletExit']);
      expect([exited(g), leftIn(hub)]).toEqual([true, {}]);
    });

    test('one that fails rejects the whole, and the rest may still be waited for', async () => {
      const { clock, trace, log } = world(core);
      const bad = new Greenlet(function* (): Body {
        yield* sleep(1);
        throw new RangeError('x');
      });
      bad.$quiet = true;
      bad.start();
      spawn(async () => {
        const rest = Promise.resolve(sleep(2)).then(() => 'rest');
        trace(await rejected(Promise.all([bad.get(), rest])));
        trace(await rest, clock.seconds);
      });
      await clock.advanceAsync(3);
      expect(log).toEqual(['RangeError: x', 'rest 2']);
    });
  });

  describe('order', () => {
    test('async bodies that await operations directly take turns with generators, first come first served', async () => {
      const { clock, log } = world(core);
      const N = 4;
      for (let i = 0; i < 6; i++) {
        if (i % 2 === 0) {
          spawn(function* () {
            for (let n = 0; n < N; n++) {
              log.push(`${n}${i}`);
              yield* sleep(0);
            }
          });
        } else {
          spawn(async () => {
            for (let n = 0; n < N; n++) {
              log.push(`${n}${i}`);
              await sleep(0);
            }
          });
        }
      }
      await clock.advanceAsync();
      const expected = Array.from({ length: N }, (_, n) => Array.from({ length: 6 }, (_, i) => `${n}${i}`)).flat();
      expect(log).toEqual(expected);
    });

    test('what is taken out of the queue between two of them changes nothing for them', async () => {
      const { hub, clock, seen, trace } = world(core);
      const body = async (name: string) => {
        await sleep(0);
        for (let i = 0; i < 4; i++) {
          trace(name, i);
          await Promise.resolve();
        }
      };
      const round = async (between: boolean) => {
        let callback: { stop(): void } | undefined;
        spawn(body, 'a');
        spawn(() => {
          if (between) callback = hub.runCallback(trace, 'never');
        });
        spawn(body, 'b');
        spawn(() => callback?.stop());
        await clock.advanceAsync();
        return seen();
      };
      expect(await round(true)).toEqual(await round(false));
    });

    test('sleepers of one instant wake in the order they went to sleep, whatever their kind', async () => {
      const { clock, log } = world(core);
      for (let i = 0; i < 6; i++) {
        if (i % 2 === 0) {
          spawn(function* () {
            yield* sleep(1);
            log.push(i);
          });
        } else {
          spawn(async () => {
            await sleep(1);
            log.push(i);
          });
        }
      }
      await clock.advanceAsync(1);
      expect(log).toEqual([0, 1, 2, 3, 4, 5]);
    });

    test.each<[string, (trace: (...what: unknown[]) => void, hub: Hub) => () => void]>([
      [
        'timer',
        (trace, { loop }) => {
          const timer = loop.timer(1);
          timer.start(trace, 'timer');
          return () => timer.stop();
        },
      ],
      [
        'repeated timer',
        (trace, { loop }) => {
          const timer = loop.timer(1, 1, { ref: false });
          timer.start(trace, 'timer');
          return () => timer.close();
        },
      ],
      [
        'delayed start',
        (trace) => {
          const g = spawnLater(1, trace, 'started');
          return () => void g.kill();
        },
      ],
      [
        'sleeper',
        (trace) => {
          const g = spawn(function* () {
            yield* sleep(1);
            yield* sleep(0);
            trace('slept on');
          });
          return () => void g.kill();
        },
      ],
      [
        'join with a limit',
        () => {
          const never = new Greenlet(sleeper);
          spawn(function* () {
            yield* joinall([never], { timeout: 1 });
          });
          return () => void never.kill();
        },
      ],
      [
        'step of an iwait',
        () => {
          const steps = iwait([new Greenlet(sleeper)], { timeout: 1 });
          spawn(function* () {
            yield* steps.next();
          });
          return () => steps.close();
        },
      ],
    ])('a %s that is due with an async body may be taken back by it', async (_, begin) => {
      const { clock, trace, log, hub } = world(core);
      spawn(async () => {
        await sleep(1);
        takeBack();
        trace('taken back');
      });
      await clock.advanceAsync();
      const takeBack = begin(trace, hub);
      await clock.advanceAsync(5);
      expect(log).toEqual(['taken back']);
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, {}]);
    });

    test('joiners of one greenlet wake in the order they joined, and links behind them', async () => {
      const { clock, log } = world(core);
      const g = spawn(sleeper, 1);
      for (let i = 0; i < 4; i++) {
        if (i % 2 === 0) {
          spawn(async () => {
            await g.join();
            log.push(i);
          });
        } else {
          spawn(function* () {
            yield* g.join();
            log.push(i);
          });
        }
      }
      await clock.advanceAsync();
      g.rawlink(() => log.push('link'));
      await clock.advanceAsync(1);
      expect(log).toEqual([0, 1, 2, 3, 'link']);
    });

    test('on a clock that runs: rounds of continuations share readings of it, and who asks for the time reads it', async () => {
      let nowMs = 0;
      let readings = 0;
      const now = () => {
        ++readings;
        return nowMs;
      };
      const ready: (() => void)[] = [];
      const soon = (fn: () => void) => void ready.push(fn);
      const host = { soon, after() {}, cancel() {}, onIdle: () => () => {}, uncaught() {}, print() {} };
      const hub = createHub({ core: smallCore(core), clock: { virtual: false, now }, host });
      const gaps: number[] = [];
      const rounds = 300;
      const g = hub.spawn(async () => {
        for (let i = 0; i < rounds; i++) {
          await sleep(0);
          nowMs += 0.001;
        }
      });
      hub.spawn(function* (): Body {
        for (let i = 0; i < rounds; i++) {
          if (i % 3 === 0) gaps.push(nowMs - hub.now());
          yield* sleep(0);
        }
      });
      for (let turns = 0; turns < 100 && !g.ready(); ++turns) {
        ready.shift()?.();
        await foreignTurn();
      }
      expect(g.ready()).toBe(true);
      expect(gaps).toEqual(new Array(rounds / 3).fill(0));
      expect(readings).toBeLessThan(rounds / 2);
      expect(leftIn(hub)).toEqual({});
      hub.destroy();
    });

    test('advance() is refused while an async body has to run, and says what to use', async () => {
      const { clock } = world(core);
      spawn(async () => void (await sleep(1)));
      expect(thrown(() => clock.advance(5))).toBe(
        'GeventError [GEVENT_ASYNC_READY]: advance(): an async body is ready to run; use await advanceAsync()',
      );
      await clock.advanceAsync(5);
    });
  });

  describe('AsyncLocalStorage', () => {
    test('run(): what is set where a greenlet is spawned is its own, in bodies of every kind and across their switches', async () => {
      const { clock, log, hub } = world(core);
      const store = new AsyncLocalStorage<string>();
      const see = (what: string) => log.push(`${what} ${store.getStore()}`);
      function* generator(name: string): Body {
        see(`${name} g1`);
        yield* sleep(0);
        see(`${name} g2`);
        yield* sleep(1);
        see(`${name} g3`);
      }
      async function async(name: string) {
        see(`${name} a1`);
        await sleep(0);
        see(`${name} a2`);
        await Promise.resolve();
        see(`${name} a3`);
        await sleep(1);
        see(`${name} a4`);
      }
      for (const name of ['x', 'y']) {
        store.run(name, () => {
          spawn(generator, name);
          spawn(async, name);
          spawn(() => see(`${name} plain`));
          spawnRaw(function* () {
            see(`${name} raw1`);
            yield* sleep(0);
            see(`${name} raw2`);
          });
          hub.runCallback(() => see(`${name} callback`));
        });
      }
      spawn(generator, 'undefined');
      await clock.advanceAsync(1);
      expect(log).toHaveLength(2 * 11 + 3);
      expect(log.filter((line) => String(line).split(' ')[0] !== String(line).split(' ')[2])).toEqual([]);
      expect(store.getStore()).toBe(undefined);
    });

    test('children inherit what their spawner has at the time', async () => {
      const { clock, log } = world(core);
      const store = new AsyncLocalStorage<number>();
      function* child(name: string): Body {
        yield* sleep(0);
        log.push(`${name} ${store.getStore()}`);
      }
      store.run(1, () =>
        spawn(function* () {
          spawn(child, 'outer');
          store.run(2, () => spawn(child, 'inner'));
          yield* sleep(0);
          spawn(child, 'later');
        }),
      );
      store.run(3, () =>
        spawn(async () => {
          spawn(child, 'async outer');
          await store.run(4, async () => {
            await sleep(0);
            spawn(child, 'async inner');
          });
          spawn(child, 'async later');
        }),
      );
      await clock.advanceAsync();
      expect(log.sort()).toEqual(['async inner 4', 'async later 3', 'async outer 3', 'inner 2', 'later 1', 'outer 1']);
    });

    test('enterWith() in a body counts to its end, in every kind of body, and reaches nobody else', async () => {
      const { clock, log } = world(core);
      const store = new AsyncLocalStorage<string>();
      const see = (what: string) => log.push(`${what} ${store.getStore()}`);
      spawn(function* () {
        see('before');
        store.enterWith('generator');
        see('g1');
        yield* sleep(0);
        see('g2');
        spawn(() => see('child of g'));
        yield* sleep(1);
        see('g3');
      });
      spawn(async () => {
        see('async before');
        store.enterWith('async');
        see('a1');
        await sleep(0);
        see('a2');
        await sleep(1);
        see('a3');
      });
      spawn(() => store.enterWith('plain'));
      spawn(function* () {
        see('bystander');
        yield* sleep(0);
        see('bystander');
        yield* sleep(1);
        see('bystander');
      });
      await clock.advanceAsync(1);
      see('main');
      expect(log.sort()).toEqual(
        [
          'before undefined',
          'g1 generator',
          'g2 generator',
          'child of g generator',
          'g3 generator',
          'async before undefined',
          'a1 async',
          'a2 async',
          'a3 async',
          'bystander undefined',
          'bystander undefined',
          'bystander undefined',
          'main undefined',
        ].sort(),
      );
    });

    test('two stores at once do not mix', async () => {
      const { clock, log } = world(core);
      const [user, trace] = [new AsyncLocalStorage<string>(), new AsyncLocalStorage<number>()];
      for (const [name, n] of [
        ['a', 1],
        ['b', 2],
      ] as const) {
        user.run(name, () => {
          trace.run(n, () =>
            spawn(function* () {
              for (let i = 0; i < 3; i++) {
                log.push(`${user.getStore()}${trace.getStore()}`);
                yield* sleep(i);
              }
            }),
          );
          spawn(() => log.push(`${user.getStore()}${trace.getStore()}`));
        });
      }
      await clock.advanceAsync(5);
      expect(log.sort()).toEqual(['a1', 'a1', 'a1', 'aundefined', 'b2', 'b2', 'b2', 'bundefined']);
    });

    test('links and their greenlets have what was set where they were linked', async () => {
      const { clock, log } = world(core);
      const store = new AsyncLocalStorage<string>();
      const g = store.run('spawner', () => spawn(sleeper, 1));
      store.run('linker', () => {
        g.rawlink(() => log.push(`rawlink ${store.getStore()}`));
        g.link(function* () {
          log.push(`link ${store.getStore()}`);
          yield* sleep(1);
          log.push(`link later ${store.getStore()}`);
        });
      });
      await clock.advanceAsync(3);
      expect(log).toEqual(['rawlink linker', 'link linker', 'link later linker']);
    });

    test('timers and watchers have what was set where they were started', async () => {
      const { clock, log, hub } = world(core);
      const store = new AsyncLocalStorage<string>();
      const timer = hub.loop.timer(1, 1);
      const async = hub.loop.async();
      store.run('starter', () => {
        timer.start(() => log.push(`timer ${store.getStore()}`));
        async.start(() => log.push(`async ${store.getStore()}`));
      });
      store.run('sender', () => async.send());
      await clock.advanceAsync(2);
      timer.close();
      async.close();
      expect(log).toEqual(['async starter', 'timer starter', 'timer starter']);
    });

    test('a kill and a Timeout arrive in the body’s own context', async () => {
      const { clock, log } = world(core);
      const store = new AsyncLocalStorage<string>();
      const body = function* (name: string): Body {
        if (name === 'timeout') Timeout.startNew(1, new GreenletExit());
        try {
          yield* sleep(100);
        } finally {
          log.push(`${name} ${store.getStore()}`);
        }
      };
      const [, killed] = ['timeout', 'kill'].map((name) => store.run(name, () => spawn(body, name)));
      await clock.advanceAsync(2);
      store.run('killer', () => void killed.kill());
      await clock.advanceAsync();
      expect(log).toEqual(['timeout timeout', 'kill kill']);
    });
  });
});

describe.each(CORES)('in a process of its own, on the %s core', { timeout: 20_000 }, (core) => {
  const env = { GEVENT_CORE: core };
  const head = `import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
    import { getHub, getcurrent, Greenlet, joinall, sleep, spawn } from '#index.ts';
    const say = (...what) => process.stdout.write(what.map(String).join(' ') + '\\n');
  `;

  test('without a store nothing is captured, and no storage of ours is made without async bodies', async () => {
    const { code, stdout, stderr } = await program(
      `${head}
      import { createHook } from 'node:async_hooks';
      let resources = 0;
      createHook({ init(id, type) { if (type.startsWith('GEVENT')) ++resources; } }).enable();
      const { run } = AsyncLocalStorage.prototype;
      const f = function* () { yield* sleep(0); spawn(() => {}); yield* sleep(0.001); };
      await joinall(Array.from({ length: 100 }, () => spawn(f)));
      say(getHub().slices === null, resources);
      new AsyncLocalStorage().run(1, () => {});
      say(getHub().slices !== null);
      await joinall(Array.from({ length: 10 }, () => spawn(f)));
      say(resources > 0);`,
      env,
    );
    expect([code, stderr, stdout]).toEqual([0, '', ['true 0', 'true', 'true']]);
  });

  test('a store that first comes into use inside a body is that body’s, from that moment', async () => {
    for (const how of ['enterWith', 'run']) {
      const { code, stdout, stderr } = await program(
        `${head}
        const store = new AsyncLocalStorage();
        const body = function* (name, mine) {
          yield* sleep(0);
          if (mine) {
            if ('${how}' === 'enterWith') store.enterWith(name);
            else store.run(name, () => spawn(body, 'child', false));
          }
          for (let i = 0; i < 2; i++) { say(name, store.getStore()); yield* sleep(0); }
        };
        await joinall([spawn(body, 'first', false), spawn(body, 'second', true), spawn(body, 'third', false)]);
        say('main', store.getStore());`,
        env,
      );
      const own = how === 'enterWith' ? 'second' : undefined;
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout.filter((line) => !line.startsWith('child'))).toEqual([
        'first undefined',
        `second ${own}`,
        'third undefined',
        'first undefined',
        `second ${own}`,
        'third undefined',
        'main undefined',
      ]);
      expect(stdout.filter((line) => line.startsWith('child'))).toEqual(
        how === 'run' ? ['child second', 'child second'] : [],
      );
    }
  });

  test('in real time: async bodies, timers of the platform and stores together', async () => {
    const { code, stdout, stderr } = await program(
      `${head}
      const store = new AsyncLocalStorage();
      const body = async (name) => {
        const me = getcurrent();
        for (let i = 0; i < 3; i++) {
          await sleep(0.002);
          await new Promise((resolve) => setTimeout(resolve, 2));
          if (getcurrent() !== me || store.getStore() !== name) say('lost', name);
        }
        return name;
      };
      const all = ['a', 'b', 'c'].map((name) => store.run(name, () => spawn(body, name)));
      await joinall(all);
      say(all.map((g) => g.value).join());`,
      env,
    );
    expect([code, stderr, stdout]).toEqual([0, '', ['a,b,c']]);
  });
});
