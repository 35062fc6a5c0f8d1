// Bad input and bad days. Each gives the error that says so: class, code, and a message with the value; whoever had nothing
// to do with it goes on; and nothing is left in the core.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Kind, NIL, RowKind } from '../../ts/core/contract.ts';
import { AsyncResult, Event } from '../../ts/event.ts';
import { greenlet } from '../../ts/greenlet.ts';
import {
  call,
  createHub,
  first,
  Greenlet,
  GreenletExit,
  getcurrent,
  idle,
  iwait,
  joinall,
  kill,
  killall,
  type Operation,
  run,
  signalHandler,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
  until,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import { RLock, Semaphore } from '../../ts/lock.ts';
import { Pool } from '../../ts/pool.ts';
import { Channel, Queue } from '../../ts/queue.ts';
import type { Simulation } from '../../ts/testing.ts';
import { CORES, program, rejected, simulateOn, thrown, told } from '../support/cores.ts';
import { world } from '../support/worlds.ts';

type Body<T = any> = Generator<any, T, any>;

describe.each(CORES)('on the %s core', (core) => {
  let sim: Simulation;
  let trace: Simulation['trace'];
  let log: unknown[];
  let reports: string[];
  let atFirst: Record<string, number>;

  function begin(options: { maxSlots?: number } = {}): void {
    sim = simulateOn(core, options);
    ({ trace, log, reports } = sim);
    atFirst = sim.hub.statistics();
  }

  beforeEach(() => begin());

  afterEach(() => {
    sim.hub.core.verify();
    sim.close();
  });

  function* nap(seconds: number, value?: unknown): Body {
    yield* sleep(seconds);
    return value;
  }

  /** A bystander that must go on, and everything gone after it. */
  function bystander(): () => void {
    const g = spawn(nap, 50, 'went on');
    return () => {
      sim.clock.advance(50);
      expect(g.value).toBe('went on');
      sim.hub.core.verify();
      expect(sim.hub.statistics()).toEqual(atFirst);
    };
  }

  describe('what is no function', () => {
    const bad: [unknown, string][] = [
      [42, '42'],
      ['print', '"print"'],
      [{}, 'an object (Object)'],
      [nap(1), 'a generator'],
    ];
    const calls: [string, (fn: any) => unknown, string][] = [
      ['spawn', (fn) => spawn(fn), 'spawn(fn): expected a function'],
      ['spawnLater', (fn) => spawnLater(1, fn), 'spawnLater(seconds, fn): expected a function'],
      ['spawnRaw', (fn) => spawnRaw(fn), 'spawnRaw(fn): expected a function'],
      ['hub.spawn', (fn) => sim.hub.spawn(fn), 'expected a function'],
      ['new Greenlet', (fn) => new Greenlet(fn), 'Greenlet(run): expected a function'],
      ['Greenlet.spawn', (fn) => Greenlet.spawn(fn), 'Greenlet(run): expected a function'],
      ['Greenlet.spawnLater', (fn) => Greenlet.spawnLater(1, fn), 'Greenlet(run): expected a function'],
      ['link', (fn) => new Greenlet().link(fn), 'link: expected a function'],
      ['rawlink', (fn) => new Greenlet().rawlink(fn), 'link: expected a function'],
      ['linkValue', (fn) => new Greenlet().linkValue(fn), 'link: expected a function'],
      ['linkException', (fn) => new Greenlet().linkException(fn), 'link: expected a function'],
      ['addSpawnCallback', (fn) => Greenlet.addSpawnCallback(fn), 'addSpawnCallback: expected a function'],
      ['signalHandler', (fn) => signalHandler('SIGUSR2', fn), 'signalHandler(signal, handler): expected a function'],
      ['loop.timer().start', (fn) => sim.hub.loop.timer(1).start(fn), 'expected a function'],
      ['loop.runCallback', (fn) => sim.hub.loop.runCallback(fn), 'expected a function'],
    ];

    test.each(calls)('%s of it is a TypeError that shows it', (_name, action, text) => {
      const goOn = bystander();
      for (const [value, shown] of bad) {
        const message = thrown(() => action(value));
        expect(message).toMatch(/^TypeError: /);
        expect(message).toContain(text);
        expect(message).toContain(`got ${shown}`);
      }
      goOn();
      expect(reports).toEqual([]);
    });

    test('undefined is none either, but for the Greenlet whose class says what it runs', async () => {
      expect(thrown(() => spawn(undefined as never))).toBe('TypeError: spawn(fn): expected a function, got undefined');
      expect(await rejected(run(undefined as never))).toBe('TypeError: spawn(fn): expected a function, got undefined');
      expect(thrown(() => new Greenlet(undefined))).toBe('nothing was thrown');
    });
  });

  describe('what is no time', () => {
    const nan = 'RangeError: %: expected a number of seconds, got NaN';
    const bad: [unknown, string][] = [
      [Number.NaN, nan],
      ['1', 'TypeError: %: expected a number of seconds or a Temporal.Duration, got "1"'],
      [10n, 'TypeError: %: expected a number of seconds or a Temporal.Duration, got 10n'],
      [true, 'TypeError: %: expected a number of seconds or a Temporal.Duration, got true'],
      [{}, 'TypeError: %: expected a number of seconds or a Temporal.Duration, got an object (Object)'],
      [new Date(0), 'TypeError: %: expected a number of seconds or a Temporal.Duration, got an object (Date)'],
    ];
    const living = () => spawn(nap, 9);
    const calls: [string, (s: any) => unknown, string][] = [
      ['sleep', (s) => sleep(s), 'sleep(seconds)'],
      ['spawnLater', (s) => spawnLater(s, nap, 1), 'startLater(seconds)'],
      ['startLater', (s) => new Greenlet().startLater(s), 'startLater(seconds)'],
      ['Timeout', (s) => new Timeout(s), 'Timeout(seconds)'],
      ['Timeout.startNew', (s) => Timeout.startNew(s), 'Timeout(seconds)'],
      ['withTimeout', (s) => withTimeout(s, nap, 1), 'Timeout(seconds)'],
      ['loop.timer', (s) => sim.hub.loop.timer(s), 'timer(after)'],
      ['timer`s repeat', (s) => sim.hub.loop.timer(1, s), 'timer(repeat)'],
    ];
    const waits: [string, (s: any) => unknown, string][] = [
      ['hub.join', (timeout) => sim.hub.join({ timeout }), 'hub.join(timeout)'],
      ['join', (timeout) => living().join({ timeout }), 'timeout'],
      ['get', (timeout) => living().get({ timeout }), 'timeout'],
      ['kill', (timeout) => living().kill({ timeout }), 'timeout'],
      ['joinall', (timeout) => joinall([living()], { timeout }), 'timeout'],
      ['wait', (timeout) => wait([living()], { timeout }), 'timeout'],
      ['iwait', (timeout) => iwait([living()], { timeout }), 'timeout'],
      ['killall', (timeout) => killall([living()], { timeout }), 'timeout'],
      ['wait for all', (timeout) => wait(null, { timeout }), 'timeout'],
    ];

    test.each([...calls, ...waits])('%s refuses it where it is called', (_name, action, where) => {
      const goOn = bystander();
      for (const [value, text] of bad) {
        const [before, after] = text.split('%');
        const message = thrown(() => action(value));
        expect(message.startsWith(before)).toBe(true);
        expect(message).toContain(where);
        expect(message.endsWith(after)).toBe(true);
      }
      goOn();
    });

    test.each(waits)('%s refuses a negative one, and shows it', (_name, action) => {
      const goOn = bystander();
      expect(thrown(() => action(-0.5))).toMatch(/^RangeError: .*timeout\)?: expected 0 or more seconds, got -0\.5$/);
      goOn();
    });

    test('sleep and later starts take negative ones for "behind all that is ready"', () => {
      spawnLater(-1, () => trace('later'));
      spawn(function* () {
        yield* sleep(-5);
        trace('slept');
        yield* sleep(Number.NEGATIVE_INFINITY);
        trace('again');
      });
      spawn(() => trace('other'));
      sim.clock.advance();
      expect(log).toEqual(['other', 'slept', 'again', 'later']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('an endless sleep ends by a kill', () => {
      const g = spawn(nap, Number.POSITIVE_INFINITY);
      sim.clock.advance(1e9);
      expect(g.dead).toBe(false);
      g.kill();
      sim.clock.advance();
      expect(g.dead).toBe(true);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('counts are integers from 1', () => {
      for (const count of [0, -1, 1.5, Number.NaN, '1', Number.POSITIVE_INFINITY]) {
        for (const action of [joinall, wait, iwait] as ((list: Greenlet[], options: any) => unknown)[]) {
          expect(thrown(() => action([living()], { count }))).toMatch(
            /^RangeError: \w+\(count\): expected count to be an integer from 1, got /,
          );
        }
      }
    });
  });

  describe('what is no greenlet', () => {
    const odd: [unknown, string][] = [
      [42, '42'],
      [null, 'null'],
      [{ join: () => 1 }, 'an object (Object)'],
      [Promise.resolve(), 'an object (Promise)'],
    ];

    test.each([
      ['joinall', joinall, 'joinall(greenlets): expected an object with rawlink()'],
      ['wait', wait, 'wait(objects): expected an object with rawlink()'],
      ['iwait', iwait, 'iwait(objects): expected an object with rawlink()'],
    ])('%s of a foreign object is a TypeError that shows it and its place', (_name, action, text) => {
      const goOn = bystander();
      const good = spawn(nap, 1);
      for (const [value, shown] of odd) {
        expect(thrown(() => (action as (list: unknown) => unknown)([good, value]))).toBe(
          `TypeError: ${text}, got ${shown} at position 1`,
        );
      }
      for (const value of [42, { length: 1 }]) {
        expect(thrown(() => (action as (list: unknown) => unknown)(value))).toMatch(
          /^TypeError: \w+\(\w+\): expected an iterable of greenlets or other linkable objects, got /,
        );
      }
      expect(good.hasLinks()).toBe(0);
      goOn();
    });

    test('kill and killall of one are TypeErrors, and nobody is killed', () => {
      const goOn = bystander();
      const good = spawn(nap, 1, 'alive');
      for (const [value, shown] of odd) {
        expect(thrown(() => kill(value as never))).toBe(`TypeError: kill(greenlet): expected a greenlet, got ${shown}`);
        expect(thrown(() => killall([good, value] as never))).toBe(
          `TypeError: killall(greenlets): expected greenlets, got ${shown}`,
        );
      }
      goOn();
      expect(good.value).toBe('alive');
    });

    test('an object whose rawlink() throws fails the wait, which leaves no trace', () => {
      const goOn = bystander();
      const broken = {
        rawlink() {
          throw new Error('cannot be linked');
        },
        unlink() {},
      };
      const g = spawn(function* () {
        const good = spawn(nap, 2);
        for (const make of [wait, joinall, (list: any[]) => iwait(list).next()] as ((
          list: any[],
        ) => Operation<unknown>)[]) {
          try {
            yield* make([good, broken]);
          } catch (error) {
            trace(told(error));
          }
          trace(good.hasLinks());
          yield* sleep(0.1);
        }
        return 'goes on';
      });
      goOn();
      expect(g.value).toBe('goes on');
      expect(log).toEqual(Array(3).fill(['Error: cannot be linked', 0]).flat());
    });

    test('waiting for oneself is refused', () => {
      const goOn = bystander();
      const g: Greenlet = spawn(function* (): Body {
        try {
          yield* g.join();
        } catch (error) {
          trace(told(error));
        }
        try {
          yield* g.get({ timeout: 1 });
        } catch (error) {
          trace(told(error));
        }
        yield* sleep(1);
      });
      goOn();
      expect(log).toEqual(Array(2).fill(`GeventError [GEVENT_JOIN_SELF]: ${g} cannot wait for itself`));
    });

    test('waiting for a greenlet of another hub is refused', () => {
      const far = createHub({ core });
      const there = far.spawn(nap, 1);
      const goOn = bystander();
      const g = spawn(function* () {
        yield* there.join();
      });
      goOn();
      expect(told(g.exception)).toMatch(
        /^InvalidThreadUseError \[GEVENT_INVALID_THREAD_USE\]: <Greenlet .*> belongs to <Hub /,
      );
      far.destroy();
    });

    test('hub.join() is main`s', () => {
      const goOn = bystander();
      const g = spawn(function* () {
        yield* sim.hub.join();
      });
      goOn();
      expect(told(g.exception)).toBe(
        'GeventError [GEVENT_MAIN_ONLY]: hub.join(): only possible from the MAIN greenlet',
      );
    });
  });

  describe('what is no exception', () => {
    test('kill with it ends the greenlet with an error that names it', () => {
      const goOn = bystander();
      const [fresh, sleeping] = [new Greenlet(nap, 1), spawn(nap, 9)];
      sim.clock.advance();
      for (const g of [fresh, sleeping]) g.kill({ exception: 42 });
      goOn();
      for (const g of [fresh, sleeping]) {
        expect(told(g.exception)).toBe('GeventError [GEVENT_KILLED_WITH]: killed with 42, which is no exception');
        expect((g.exception as Error).cause).toBe(42);
      }
      expect(reports.length).toBe(2);
    });

    test('kill with a class that is none is refused where it is called', () => {
      const goOn = bystander();
      const g = spawn(nap, 9, 'alive');
      const raw = spawnRaw(nap, 9);
      sim.clock.advance();
      const text = 'TypeError: exceptions must be classes, or instances, not function Map';
      expect(thrown(() => g.kill({ exception: Map }))).toBe(text);
      expect(thrown(() => kill(g, Map))).toBe(text);
      expect(thrown(() => kill(raw, Map))).toBe(text);
      expect(thrown(() => killall([g, raw], { exception: Map }))).toBe(text);
      goOn();
      expect([g.value, raw.dead]).toEqual(['alive', true]);
    });

    test('a Timeout that is to raise it reports that, and interrupts nobody', () => {
      const goOn = bystander();
      const g = spawn(function* () {
        const timeout = new Timeout(1, { no: 'exception' } as never);
        timeout.start();
        yield* sleep(2);
        return timeout.pending;
      });
      goOn();
      expect(g.value).toBe(false);
      expect(reports.length).toBe(1);
      expect(reports[0]).toMatch(/^TypeError: exceptions must be classes, or instances, not an object \(Object\)/);
    });

    test('a Timeout that is closed, or belongs to a wait that runs, cannot be a limit; nothing stays parked', () => {
      const goOn = bystander();
      const closed = new Timeout(1);
      closed.close();
      const slow = spawn(nap, 5);
      const g = spawn(function* () {
        const waits: (() => Operation<unknown>)[] = [
          () => slow.join({ timeout: closed }),
          () => slow.get({ timeout: closed }),
          () => slow.kill({ timeout: closed }),
          () => joinall([slow], { timeout: closed }),
          () => wait([slow], { timeout: closed }),
          () => withTimeout(closed, nap, 1),
        ];
        for (const make of waits) {
          try {
            yield* make();
            trace('no error');
          } catch (error) {
            trace((error as { code: string }).code);
          }
          yield* sleep(0.1);
        }
        return 'goes on';
      });
      goOn();
      expect(g.value).toBe('goes on');
      expect(log.at(-1)).toBe('GEVENT_TIMEOUT_CLOSED');
    });
  });

  describe('blocking inside a callback of the hub', () => {
    const text =
      'BlockingSwitchOutError [GEVENT_SWITCH_IN_HUB]: Impossible to call blocking function in the event loop callback';

    function blocks(op: Operation<unknown>): void {
      trace(thrown(() => (op as unknown as Iterator<unknown>).next()));
    }

    test('is refused for every kind of operation, in callbacks, timers and links', () => {
      const goOn = bystander();
      const slow = spawn(nap, 2);
      const places: ((fn: () => void) => unknown)[] = [
        (fn) => sim.hub.runCallback(fn),
        (fn) => sim.hub.loop.timer(1).start(fn),
        (fn) => spawn(() => 1).rawlink(fn),
      ];
      for (const place of places) {
        place(() => {
          for (const op of [sleep(0), sleep(1), idle(), slow.join(), slow.get(), joinall([slow]), wait([slow])])
            blocks(op);
          blocks(until(Promise.resolve()));
          blocks(sim.hub.join());
        });
      }
      goOn();
      expect(log.length).toBe(27);
      for (const line of log) expect(String(line).startsWith(text)).toBe(true);
      expect(log[1]).toBe(`${text}: sleep(1)`);
      expect(reports).toEqual([]);
    });

    test('what needs no wait is allowed', () => {
      const goOn = bystander();
      const done = spawn(() => 'value');
      sim.clock.advance();
      sim.hub.runCallback(() => {
        trace(done.value);
        spawn(() => trace('spawned'));
        done.kill({ block: false });
      });
      goOn();
      expect(log).toEqual(['value', 'spawned']);
    });

    test('a generator function as callback is an error that says what to do', () => {
      const goOn = bystander();
      sim.hub.runCallback(function* wrong() {
        yield* sleep(1);
      });
      goOn();
      expect(reports.length).toBe(1);
      expect(reports[0]).toMatch(
        /^BlockingSwitchOutError: Impossible to call blocking function in the event loop callback: a callback must be a plain function; spawn\(\) a generator function/,
      );
      expect(reports[0]).toMatch(/<callback .*> failed with BlockingSwitchOutError\n/);
    });
  });

  describe('links', () => {
    test('a link that throws is reported with its greenlet, and the others still run', () => {
      const goOn = bystander();
      const g = spawn(() => 'value');
      g.rawlink(() => trace('first'));
      g.rawlink(function bad() {
        throw new Error('from a rawlink');
      });
      g.link(function worse() {
        throw new Error('from a link');
      });
      g.link(() => trace('last'));
      goOn();
      expect(log).toEqual(['first', 'last']);
      expect(reports.map((text) => text.split('\n')[0])).toEqual(['Error: from a rawlink', 'Error: from a link']);
      expect(reports[0]).toContain(`(<function bad>, ${g}) failed with Error\n`);
      expect(g.value).toBe('value');
    });

    test('a spawn callback that throws stops that start, and no other', () => {
      const bad = () => {
        throw new Error('no spawning today');
      };
      Greenlet.addSpawnCallback(bad);
      const g = new Greenlet(nap, 1, 'later');
      expect(thrown(() => g.start())).toBe('Error: no spawning today');
      expect(g.started).toBe(false);
      Greenlet.removeSpawnCallback(bad);
      g.start();
      bystander()();
      expect(g.value).toBe('later');
    });
  });

  describe('bodies on a bad day', () => {
    const bodies: [string, () => unknown][] = [
      [
        'generator',
        function* (): Body {
          yield* sleep(0);
          throw undefined;
        },
      ],
      [
        'async function',
        async () => {
          await sleep(0);
          throw undefined;
        },
      ],
      [
        'plain function',
        () => {
          throw undefined;
        },
      ],
      ['promise', () => Promise.reject(undefined)],
    ];

    test.each(bodies)('a %s that throws undefined has failed, and that is what get() throws', async (_name, body) => {
      const g = spawn(body as () => Body);
      const joined = joinall([g], { raiseError: true }).then(
        () => 'no error',
        (error) => ['joinall', error],
      );
      const got = g.get().then(
        () => 'no error',
        (error) => ['get', error],
      );
      const inBody = spawn(function* () {
        try {
          yield* g.get();
        } catch (error) {
          return ['body', error];
        }
        return 'no error';
      });
      const links: string[] = [];
      g.linkException(() => links.push('exception'));
      g.linkValue(() => links.push('value'));
      await sim.clock.advanceAsync();
      expect([g.dead, g.successful(), g.value, g.exception]).toEqual([true, false, undefined, undefined]);
      expect(g.excInfo?.slice(0, 2)).toEqual([undefined, undefined]);
      expect([await joined, await got, inBody.value]).toEqual([
        ['joinall', undefined],
        ['get', undefined],
        ['body', undefined],
      ]);
      expect(links).toEqual(['exception']);
      expect(reports.length).toBe(1);
      expect(reports[0]).toMatch(/^thrown: undefined\n.*<Greenlet .*> failed with undefined\n/);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test.each([
      ['a string', 'text', /^thrown: text\n/],
      ['a symbol', Symbol('odd'), /^thrown: Symbol\(odd\)\n/],
      ['an object', { some: 'thing' }, /^thrown: /],
      ['an object without text', Object.create(null), /^thrown: /],
      [
        'an error whose stack cannot be read',
        Object.defineProperty(new Error('sealed'), 'stack', {
          get() {
            throw new Error('no stack');
          },
        }),
        /./,
      ],
    ])('thrown %s is kept as it is, and somebody hears of it', (_name, value, report) => {
      const goOn = bystander();
      const g = spawn(function* () {
        yield* sleep(1);
        throw value;
      });
      goOn();
      expect(g.exception === value).toBe(true);
      expect(reports.length).toBe(1);
      expect(reports[0]).toMatch(report);
    });

    test('an exception in finally during a kill takes the place of the GreenletExit', () => {
      const goOn = bystander();
      const g = spawn(function* () {
        try {
          yield* sleep(9);
        } finally {
          yield* sleep(1);
          // biome-ignore lint/correctness/noUnsafeFinally: what is tested
          throw new RangeError('in finally');
        }
      });
      const killer = spawn(function* () {
        yield* sleep(1);
        yield* g.kill();
        return 'killed';
      });
      goOn();
      expect([told(g.exception), g.successful(), killer.value]).toEqual(['RangeError: in finally', false, 'killed']);
      expect(reports.length).toBe(1);
    });

    test('a kill that is swallowed: kill() waits for the natural end, or for its timeout', () => {
      const goOn = bystander();
      const g = spawn(function* () {
        for (let times = 0; times < 2; ++times) {
          try {
            yield* sleep(9);
          } catch {
            trace('swallowed', sim.clock.seconds);
          }
        }
        yield* sleep(5);
        return 'natural';
      });
      const order = spawn(function* () {
        yield* sleep(1);
        yield* g.kill({ timeout: 2 });
        trace('left alone', sim.clock.seconds, g.dead);
        try {
          yield* killall([g], { timeout: 1 });
        } catch (error) {
          trace(told(error), sim.clock.seconds);
        }
        yield* g.kill();
        trace('killed', sim.clock.seconds);
      });
      goOn();
      expect(log).toEqual([
        'swallowed 1',
        'left alone 3 false',
        'swallowed 3',
        'Timeout [GEVENT_TIMEOUT]: 1 second 4',
        'killed 4',
      ]);
      expect(order.successful()).toBe(true);
      expect(g.value).toBeInstanceOf(GreenletExit);
    });

    test('a kill that is swallowed and then waited for without limit ends with the greenlet', () => {
      const goOn = bystander();
      const g = spawn(function* () {
        try {
          yield* sleep(9);
        } catch {
          yield* sleep(5);
        }
        return 'natural';
      });
      spawn(function* () {
        yield* sleep(1);
        yield* killall([g]);
        trace(sim.clock.seconds, g.value);
      });
      goOn();
      expect(log).toEqual(['6 natural']);
    });

    function* deep(n: number): Body {
      return yield* deep(n + 1);
    }
    function plainDeep(n: number): number {
      return 1 + plainDeep(n + 1);
    }

    test.each([
      [
        'a plain recursion in a generator',
        function* () {
          yield* sleep(1);
          plainDeep(0);
        },
      ],
      ['an endless yield*', () => deep(0)],
      ['a plain body', () => plainDeep(0)],
      [
        'an async body',
        async () => {
          await sleep(1);
          plainDeep(0);
        },
      ],
      [
        'a frame',
        function* (): Body {
          yield* call(function* (): Body {
            yield* sleep(1);
            yield* deep(0);
          });
        },
      ],
      [
        'a callback',
        () => {
          sim.hub.runCallback(() => void plainDeep(0));
          throw new RangeError('Maximum call stack size exceeded');
        },
      ],
    ] as [string, () => unknown][])(
      'a stack overflow in %s is a RangeError of that greenlet alone',
      async (_name, body) => {
        const other = spawn(nap, 3, 'went on');
        const g = spawn(body as () => Body);
        await sim.clock.advanceAsync(3);
        expect(told(g.exception)).toBe('RangeError: Maximum call stack size exceeded');
        expect(other.value).toBe('went on');
        expect(sim.hub.statistics()).toEqual(atFirst);
      },
    );

    test('a stack overflow while frames unwind goes through all of them', () => {
      const goOn = bystander();
      let unwound = 0;
      function* frame(n: number): Body {
        try {
          yield* n === 0 ? deep(0) : call(frame, n - 1);
        } finally {
          ++unwound;
        }
      }
      const g = spawn(frame, 1000);
      goOn();
      expect([told(g.exception), unwound]).toEqual(['RangeError: Maximum call stack size exceeded', 1001]);
    });

    test('greenlets spawned on the way to a stack overflow run, each of them', () => {
      let ran = 0;
      let spawned = 0;
      function dig(): void {
        spawn(() => ++ran);
        ++spawned;
        dig();
      }
      const g = spawn(dig);
      bystander()();
      expect(told(g.exception)).toBe('RangeError: Maximum call stack size exceeded');
      // the last one may have failed half-way, in spawn() itself
      expect(spawned - ran).toBeLessThanOrEqual(1);
      expect(ran).toBeGreaterThan(100);
    });

    test('a yield of something hostile is an error of that greenlet', () => {
      const goOn = bystander();
      const hostile = {
        get constructor() {
          throw new Error('looked at');
        },
      };
      const g = spawn(function* (): Body {
        yield hostile;
      });
      goOn();
      expect((g.exception as { code: string }).code).toBe('GEVENT_NOT_AN_OPERATION');
    });

    test('a generator that blocks, driven by hand or by for-of, is an error there; nothing waits twice', () => {
      const goOn = bystander();
      const looped = spawn(function* () {
        let items = 0;
        for (const _ of nap(1)) if (++items > 9) break;
      });
      const stepped = spawn(function* () {
        nap(1).next();
        yield* sleep(1);
      });
      goOn();
      for (const g of [looped, stepped]) {
        expect(g.exception).toMatchObject({ name: 'OperationError', code: expect.stringMatching(/^GEVENT_/) });
      }
    });
  });

  describe('a hub whose handlers fail', () => {
    test('an error in handleError is reported, the greenlet keeps its own, and the loop goes on', () => {
      const goOn = bystander();
      sim.hub.handleError = () => {
        throw new TypeError('the handler is broken');
      };
      const g = spawn(function* () {
        yield* sleep(1);
        throw new Error('original');
      });
      spawn(() => {
        throw new Error('plain original');
      });
      spawn(nap, 1).rawlink(() => {
        throw new Error('a link');
      });
      goOn();
      expect(told(g.exception)).toBe('Error: original');
      expect(reports.length).toBe(3);
      for (const report of reports) expect(report).toMatch(/^TypeError: the handler is broken/);
    });

    test('a stream that fails loses the report and nothing else', () => {
      const goOn = bystander();
      sim.hub.exceptionStream = {
        write() {
          throw new Error('disk full');
        },
      };
      const g = spawn(function* () {
        yield* sleep(1);
        throw new Error('original');
      });
      const other = spawn(function* () {
        sleep(1); // never consumed, so reported
        yield* sleep(0);
        return 'value';
      });
      goOn();
      expect([told(g.exception), other.value]).toEqual(['Error: original', 'value']);
    });
  });

  describe('a core that is full', () => {
    const full = 'GeventError [GEVENT_CORE_FULL]: the core has no room for another greenlet or waiter: 8 are alive';

    beforeEach(() => {
      sim.close();
      begin({ maxSlots: 8 });
    });

    /** Take all slots but `free`; gives how to free them. */
    function fill(free: number): () => void {
      const { core: taken } = sim.hub;
      const slots: number[] = [];
      for (let slot = taken.take(Kind.CALLBACK); slot !== NIL; slot = taken.take(Kind.CALLBACK)) slots.push(slot);
      for (let i = 0; i < free; ++i) taken.free(slots.pop() as number);
      return () => {
        for (const slot of slots.splice(0)) taken.free(slot);
      };
    }

    /** The same with rows. */
    function fillRows(free: number): () => void {
      const { core: taken } = sim.hub;
      const rows: number[] = [];
      for (let row = taken.rowNew(RowKind.LIST, 0); row !== NIL; row = taken.rowNew(RowKind.LIST, 0)) rows.push(row);
      for (let i = 0; i < free; ++i) taken.rowFree(rows.pop() as number);
      return () => {
        for (const row of rows.splice(0)) taken.rowFree(row);
      };
    }

    test('spawn says so; that greenlet can be started later, and the others go on', () => {
      const all = Array.from({ length: 8 }, (_, i) => spawn(nap, 1, i));
      const extra = new Greenlet(nap, 1, 'extra');
      expect(thrown(() => extra.start())).toBe(full);
      expect(thrown(() => extra.startLater(1))).toBe(full);
      expect(thrown(() => spawn(nap, 1))).toBe(full);
      expect(thrown(() => spawnLater(1, nap, 1))).toBe(full);
      expect(thrown(() => spawnRaw(nap, 1))).toBe(full);
      expect(extra.started).toBe(false);
      sim.clock.advance(1);
      expect(all.map((g) => g.value)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      extra.start();
      sim.clock.advance(1);
      expect(extra.value).toBe('extra');
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('an await in main is rejected with it', async () => {
      const release = fill(0);
      expect(await sleep(1).then(null, told)).toBe(full);
      release();
      const slept = sleep(1).then(() => 'slept');
      sim.clock.advance(1);
      expect(await slept).toBe('slept');
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('so is one beside another in an async body', async () => {
      const release = fill(1);
      const g = spawn(async () => {
        const both = await Promise.allSettled([sleep(1), sleep(1)]);
        return both.map((one) => (one.status === 'rejected' ? told(one.reason) : 'slept'));
      });
      await sim.clock.advanceAsync(1);
      expect(g.value).toEqual(['slept', full]);
      release();
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a raw greenlet hears of it where it would wait, and may go on', () => {
      const release = fill(0);
      const g = new greenlet(function* (): Body {
        for (const op of [sleep(0), sleep(1), until(Promise.resolve())]) {
          try {
            yield* op;
          } catch (error) {
            trace(told(error));
          }
        }
        return 'went on';
      });
      expect(g.switch().value).toBe('went on');
      expect(log).toEqual([full, full, full]);
      release();
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('timeouts, callbacks, links and orders say so, and can be repeated when there is room', () => {
      const g = spawn(nap, 1);
      sim.clock.advance();
      const release = fill(0);
      const timeout = new Timeout(1);
      const link = () => trace('link');
      expect(thrown(() => timeout.start())).toBe(full);
      expect(timeout.pending).toBe(false);
      expect(thrown(() => sim.hub.runCallback(link))).toBe(full);
      for (const way of ['link', 'rawlink', 'linkValue', 'linkException'] as const) {
        expect(thrown(() => g[way](link))).toBe(full);
      }
      expect(g.hasLinks()).toBe(0);
      const timer = sim.hub.loop.timer(1);
      expect(thrown(() => timer.start(link))).toBe(full);
      expect(timer.active).toBe(false);
      for (const order of [() => kill(g), () => g.kill(), () => killall([g])]) expect(thrown(order)).toBe(full);
      expect(g.dead).toBe(false);
      release();
      g.unlink(link);
      timeout.start();
      timeout.cancel();
      g.rawlink(link);
      g.kill();
      timer.start(() => trace('timer'));
      sim.clock.advance(1);
      expect([g.value instanceof GreenletExit, log]).toEqual([true, ['link', 'timer']]);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test.each([
      ['joinall', (list: Greenlet[]) => joinall(list)],
      ['wait', (list: Greenlet[]) => wait(list)],
      ['iwait', (list: Greenlet[]) => iwait(list).next()],
    ])('%s that finds no room for its last link leaves none behind', (_name, make) => {
      const others = [spawn(nap, 5), spawn(nap, 5), spawn(nap, 5)];
      // each has one link already, so that further ones take slots: 3 + 3 + 1 of 8
      for (const g of others) g.rawlink(() => {});
      const g = spawn(function* (): Body {
        try {
          yield* make(others) as Operation<unknown>;
        } catch (error) {
          trace(told(error));
        }
        trace(...others.map((other) => other.hasLinks()));
        yield* sleep(1);
        return 'went on';
      });
      sim.clock.advance(5);
      expect(g.value).toBe('went on');
      expect(log).toEqual([full, '1 1 1']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('killall that finds no room for the link to one that resists tells so, and leaves none behind', () => {
      function* resists(): Body {
        try {
          yield* sleep(10);
        } catch {
          yield* sleep(1);
        }
      }
      const others = [spawn(resists), spawn(resists), spawn(resists)];
      for (const g of others) g.rawlink(() => {});
      const g = spawn(function* (): Body {
        yield* sleep(0);
        try {
          yield* killall(others);
        } catch (error) {
          trace(told(error));
        }
        trace(...others.map((other) => other.hasLinks()));
      });
      sim.clock.advance(5);
      expect([g.dead, log]).toEqual([true, [full, '1 1 1']]);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('without a row to wait on, waits and links fail where they are, and leave no slot behind', async () => {
      const other = spawn(nap, 5);
      sim.clock.advance();
      const release = fillRows(0);
      const before = sim.hub.statistics();
      const text = 'GeventError [GEVENT_CORE_FULL]: the core has no room for another wait queue';
      const waits: (() => Operation<unknown>)[] = [
        () => other.join(),
        () => other.get(),
        () => joinall([other]),
        () => wait([other]),
        () => iwait([other]).next(),
        () => until(new Promise(() => {})),
        () => idle(),
      ];
      const g = spawn(function* () {
        for (const make of waits) {
          try {
            yield* make();
          } catch (error) {
            trace(told(error));
          }
        }
        yield* sleep(1);
        return 'went on';
      });
      expect(thrown(() => other.rawlink(() => {}))).toBe(text);
      expect(other.hasLinks()).toBe(0);
      sim.clock.advance(1);
      expect(log).toEqual(waits.map(() => text));
      for (const make of waits) expect(await make().then(null, told)).toBe(text);
      expect(g.value).toBe('went on');
      expect(sim.hub.statistics()).toEqual(before);
      release();
      sim.clock.advance(5);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a thousand rounds at the edge lose nothing', () => {
      let refused = 0;
      for (let round = 0; round < 1000; ++round) {
        for (let i = 0; i < 12; ++i) {
          try {
            const g = spawn(nap, i % 3, i);
            if (i % 4 === 0) g.rawlink(() => {});
            if (i % 5 === 0) g.kill();
          } catch (error) {
            if ((error as { code?: string }).code !== 'GEVENT_CORE_FULL') throw error;
            ++refused;
          }
        }
        sim.clock.advance(3);
        sim.hub.core.verify();
        expect(sim.hub.statistics()).toEqual(atFirst);
      }
      expect(refused).toBeGreaterThan(1000);
      expect(reports).toEqual([]);
    });
  });

  test('everything that goes wrong at once, a thousand times, leaves nothing', async () => {
    for (let i = 0; i < 1000; ++i) {
      spawn(function* (): Body {
        try {
          yield 42;
        } finally {
          yield* sleep(0.1);
        }
      });
      spawn(function* () {
        yield* joinall([spawn(nap, 0), spawn(nap, 0.1)], { timeout: 0.05 });
        throw undefined;
      });
      const doomed = spawn(function* () {
        try {
          yield* withTimeout(0.1, () => call(nap, 1));
        } finally {
          yield* sleep(0);
        }
      });
      spawnLater(0.05, () => doomed.kill());
      spawn(function* () {
        const g = getcurrent();
        yield* until(Promise.resolve());
        kill(g);
        yield* idle();
      });
    }
    await sim.clock.advanceAsync(2);
    expect(sim.hub.statistics()).toEqual(atFirst);
  });
});

describe.each(CORES)('in a process of its own, on the %s core', { timeout: 30_000 }, (core) => {
  const env = { GEVENT_CORE: core };

  test('a bad day does not end the process, and its end is clean', async () => {
    const ran = await program(
      `
      import { getHub, joinall, sleep, spawn, call } from '#index.ts';
      process.on('unhandledRejection', (e) => console.log('leaked', e));
      process.on('uncaughtException', (e) => console.log('uncaught', e));
      const firsts = [];
      getHub().exceptionStream = { write: (text) => firsts.push(text.split('\\n')[0]) };
      function deep() { return 1 + deep(); }
      function* deeper() { return yield* deeper(); }
      const all = [
        spawn(() => deep()),
        spawn(() => deeper()),
        spawn(async () => deep()),
        spawn(function* () { yield* call(deeper); }),
        spawn(function* () { throw undefined; }),
        spawn(function* () { yield 1; }),
        spawn(function* () { yield* sleep(0.005); throw new Error('late'); }),
        spawn(() => 'good'),
      ];
      getHub().runCallback(() => deep());
      getHub().runCallback(() => { throw undefined; });
      await joinall(all);
      await sleep(0.01);
      console.log(all.map((g) => g.successful() ? 'y' : 'n').join(''), firsts.length, getHub().statistics().slots);
      `,
      env,
    );
    expect(ran).toEqual({ code: 0, stdout: ['nnnnnnny 9 0'], stderr: '' });
  });

  test('an async callback of the hub that blocks is reported, not leaked', async () => {
    const ran = await program(
      `
      import { getHub, sleep, spawn } from '#index.ts';
      process.on('unhandledRejection', (e) => console.log('leaked', e.name));
      getHub().exceptionStream = { write: (text) => console.log(text.split('\\n')[0]) };
      getHub().runCallback(async () => { await null; throw new Error('async callback'); });
      getHub().runCallback(async () => { await sleep(0); });
      spawn(() => 1).rawlink(async () => { throw new Error('async link'); });
      await sleep(0.01);
      `,
      env,
    );
    expect([ran.stderr, ran.code]).toEqual(['', 0]);
    expect(ran.stdout.filter((line) => line.startsWith('leaked'))).toEqual([]);
    expect(ran.stdout).toEqual(expect.arrayContaining(['Error: async callback', 'Error: async link']));
  });

  test('nothing can wake main: LoopExit names who waits on what, in a hub of its own as well', async () => {
    const ran = await program(
      `
      import { createHub, getHub, sleep, spawn, until } from '#index.ts';
      const far = createHub();
      const there = far.spawn(function* stuck() { yield* sleep(Infinity); });
      const here = spawn(function* stuck() { yield* getHub().switch(); });
      try { await here.join(); } catch (e) { console.log(e.name, e.code, e.message.split('\\n').length); }
      try { await sleep(Infinity); } catch (e) { console.log(e.name, e.code); }
      `,
      env,
    );
    expect(ran.stdout[0]).toMatch(/^LoopExit GEVENT_LOOP_EXIT /);
    expect(ran.stdout[1]).toBe('LoopExit GEVENT_LOOP_EXIT');
    expect([ran.stderr, ran.code]).toEqual(['', 0]);
  });
});

test.each(CORES)('in debug mode a wait that was refused is not told of as never consumed (%s)', (core) => {
  const { hub, clock, reported } = world(core, { debug: true });
  const timeout = -1;
  const sleeper = hub.spawn(sleep, 1);
  const refused: (() => unknown)[] = [
    () => sleeper.join({ timeout }),
    () => sleeper.get({ timeout }),
    () => sleeper.kill({ timeout }),
    () => joinall([sleeper], { timeout }),
    () => wait([sleeper], { timeout }),
    () => killall([sleeper], { timeout }),
    () => first([sleep(1)], { timeout }),
    () => new Queue().get({ timeout }),
    () => new Queue(1).put(1, { timeout }),
    () => new Channel().get({ timeout }),
    () => new Event().wait({ timeout }),
    () => new AsyncResult().get({ timeout }),
    () => new Semaphore().acquire({ timeout }),
    () => new RLock().acquire({ timeout }),
    () => new Pool(1).join({ timeout }),
  ];
  const errors: unknown[] = [];
  hub.spawn(function* () {
    for (const fn of refused) errors.push(thrown(fn));
    yield* sleep(0);
  });
  clock.advance(2);
  expect(errors.filter((error) => !/^RangeError: .*0 or more seconds, got -1/.test(String(error)))).toEqual([]);
  expect(errors.length).toBe(refused.length);
  expect(reported().filter((line) => !line.includes('sleep(1) was made'))).toEqual([]);
});
