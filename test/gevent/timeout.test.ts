// Timeout and withTimeout.

import { describe, expect, test } from 'vitest';
import { Word } from '../../ts/core/contract.ts';
import {
  createHub,
  type Greenlet,
  getcurrent,
  isControl,
  joinall,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
  until,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import { randomFrom } from '../oracle/programs/grammar.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { leftIn, smallCore, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

function* sleeper(seconds = 100, value?: unknown): Body {
  yield* sleep(seconds);
  return value;
}

describe.each(CORES)('on the %s core', (core) => {
  describe('what it is', () => {
    test('an Error and a control exception with a stable code; made without a stack', () => {
      world(core);
      const timeout = new Timeout(1);
      expect([timeout instanceof Error, isControl(timeout), timeout.name]).toEqual([true, true, 'Timeout']);
      expect((timeout as unknown as { code: string }).code).toBe('GEVENT_TIMEOUT');
      expect(timeout.stack).toContain('no stack is kept');
    });

    test('its text tells seconds, silence and the exception instead', () => {
      world(core);
      const text = (...args: ConstructorParameters<typeof Timeout>) => new Timeout(...args).message;
      expect([text(), text(null), text(null, false)]).toEqual(['', '', '']);
      expect([text(0.5), text(1), text(2), text(0)]).toEqual(['0.5 seconds', '1 second', '2 seconds', '0 seconds']);
      expect([text(0.5, false), text(1, false)]).toEqual(['0.5 seconds (silent)', '1 second (silent)']);
      expect([text(1.5, 'of my own'), text(1, RangeError), text(2, new RangeError('x'))]).toEqual([
        '1.5 seconds: of my own',
        '1 second: RangeError',
        '2 seconds: RangeError: x',
      ]);
      expect([String(new Timeout(1)), String(new Timeout())]).toEqual(['Timeout: 1 second', 'Timeout']);
    });

    test('seconds and exception are kept as given; a Temporal.Duration is read once', () => {
      world(core);
      const exception = new Error('x');
      const timeout = new Timeout(2.5, exception);
      expect([timeout.seconds, timeout.exception === exception, timeout.pending]).toEqual([2.5, true, false]);
      expect([new Timeout().seconds, new Timeout({ total: () => 1500 }).seconds]).toEqual([null, 1.5]);
    });

    test.each([
      [
        () => new Timeout('1' as any),
        'TypeError: Timeout(seconds): expected a number of seconds or a Temporal.Duration, got "1"',
      ],
      [() => new Timeout(Number.NaN), 'RangeError: Timeout(seconds): expected a number of seconds, got NaN'],
      [
        () => new Timeout(1, null, { priority: 3 }),
        'RangeError: Timeout(priority): expected an integer from -2 to 2, got 3',
      ],
      [
        () => Timeout.startNew('1' as any),
        'TypeError: Timeout(seconds): expected a number of seconds or a Temporal.Duration, got "1"',
      ],
    ])('bad input %# is refused with the value, and nothing is armed', (make, message) => {
      const { hub } = world(core);
      expect(thrown(make)).toBe(message);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('start, cancel, close', () => {
    test('it arrives in the greenlet that started it, at the time, and is itself what is raised', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = new Timeout(1);
        timeout.start();
        trace(timeout.pending);
        try {
          yield* sleep(100);
        } catch (error) {
          trace(error === timeout, timeout.pending, clock.seconds);
        }
        yield* sleep(1);
        trace('once');
      });
      clock.advance(5);
      expect(log).toEqual([true, 'true false 1', 'once']);
      expect(leftIn(hub)).toEqual({});
    });

    test('started where somebody else made it, it belongs to who started it', () => {
      const { clock, trace, log } = world(core);
      const timeout = new Timeout(1);
      spawn(function* maker() {
        yield* sleep(3);
        trace('maker unharmed');
      });
      spawn(function* () {
        timeout.start();
        try {
          yield* sleep(2);
        } catch (error) {
          trace(error === timeout);
        }
      });
      clock.advance(3);
      expect(log).toEqual([true, 'maker unharmed']);
    });

    test('starting a pending one is an error; after cancel it may be started again, after close never', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = new Timeout(1);
        timeout.start();
        trace(thrown(() => timeout.start()));
        timeout.cancel();
        timeout.cancel();
        trace(timeout.pending);
        yield* sleep(2);
        trace('cancelled in time');
        timeout.start();
        try {
          yield* sleep(5);
        } catch (error) {
          trace(error === timeout, clock.seconds);
        }
        timeout.start();
        timeout.close();
        timeout.close();
        yield* sleep(2);
        trace(thrown(() => timeout.start()));
      });
      clock.advance(9);
      expect(log).toEqual([
        'GeventError [GEVENT_TIMEOUT_PENDING]: Timeout: 1 second is already started; to restart it, cancel it first',
        false,
        'cancelled in time',
        'true 3',
        'GeventError [GEVENT_TIMEOUT_CLOSED]: Timeout: 1 second is closed and cannot be started again',
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('null never expires: start does nothing, as often as one likes', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = Timeout.startNew();
        timeout.start();
        timeout.start();
        trace(timeout.pending, leftIn(hub).timers);
        yield* sleep(1e9);
        trace('never');
      });
      clock.advance(2e9);
      expect(log).toEqual(['false undefined', 'never']);
    });

    test.each([0, -5])('%d seconds expire as soon as the loop looks, behind what is ready', (seconds) => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = Timeout.startNew(seconds);
        spawn(trace, 'spawned');
        try {
          for (let i = 0; i < 3; i++) {
            yield* sleep(0);
            trace('yielded', i);
          }
          yield* sleep(1);
        } catch (error) {
          trace(error === timeout, clock.seconds);
        }
      });
      clock.advance();
      expect(log).toEqual(['spawned', 'yielded 0', 'yielded 1', 'yielded 2', 'true 0']);
    });

    test('computation is not interrupted: it comes at the next switch, if it still stands', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = Timeout.startNew(1);
        clock.moveTo(5000);
        trace('computed');
        timeout.cancel();
        yield* sleep(1);
        trace('unharmed');
      });
      clock.advance(6);
      expect([log, leftIn(hub)]).toEqual([['computed', 'unharmed'], {}]);
    });

    test('startNew starts a Timeout it is given, unless that is pending, and gives it back', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = new Timeout(1);
        trace(Timeout.startNew(timeout) === timeout, timeout.pending);
        trace(Timeout.startNew(timeout) === timeout, timeout.pending);
        const other = Timeout.startNew(2, RangeError);
        trace(other.pending, other.exception === RangeError);
        other.close();
        timeout.close();
        yield* sleep(0);
      });
      clock.advance(5);
      expect(log).toEqual(['true true', 'true true', 'true true']);
    });

    test('a using block closes it', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        {
          using timeout = Timeout.startNew(1);
          trace(timeout.pending);
        }
        yield* sleep(2);
        trace('unharmed');
        try {
          using timeout = Timeout.startNew(1);
          yield* sleep(3);
          trace('not here', timeout);
        } catch (error) {
          trace(told(error));
        }
      });
      clock.advance(9);
      expect(log).toEqual([true, 'unharmed', 'Timeout [GEVENT_TIMEOUT]: 1 second']);
      expect(leftIn(hub)).toEqual({});
    });

    test('one whose greenlet has ended fires at nobody', () => {
      const { hub, clock } = world(core);
      spawn(function* () {
        Timeout.startNew(1);
      });
      clock.advance(2);
      expect(leftIn(hub)).toEqual({});
    });

    test('nor at the greenlet that has its number by then', () => {
      const { hub, clock } = world(core);
      spawn(function* () {
        Timeout.startNew(1);
        yield* sleep(0.5);
      });
      clock.advance(0.5);
      const heirs = Array.from({ length: 5 }, () => spawn(sleeper, 2));
      clock.advance(5);
      expect(heirs.every((g) => g.successful())).toBe(true);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('what is raised', () => {
    test('itself for null, false and text; else the exception or class given', () => {
      const { clock, trace, log } = world(core);
      const error = new RangeError('given');
      for (const exception of [null, false, 'text', error, RangeError] as const) {
        spawn(function* () {
          const timeout = Timeout.startNew(1, exception);
          try {
            yield* sleep(5);
          } catch (e) {
            trace(e === timeout ? 'itself' : e === error ? 'the one given' : `a new ${(e as Error).name}`);
          }
        });
      }
      clock.advance(1);
      expect(log).toEqual(['itself', 'itself', 'itself', 'the one given', 'a new RangeError']);
    });

    test('what is no exception is reported, and the block is not interrupted', () => {
      const { hub, clock, trace, log, reported } = world(core);
      spawn(function* () {
        Timeout.startNew(1, 42 as any);
        yield* sleep(2);
        trace('not interrupted');
      });
      clock.advance(2);
      expect(log).toEqual(['not interrupted']);
      expect(reported()).toEqual([
        'TypeError: exceptions must be classes, or instances, not 42 | Timeout: 1 second: 42 failed with TypeError',
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('uncaught it is the failure of its greenlet, and reported', () => {
      const { clock, reported } = world(core);
      let timeout: Timeout | undefined;
      const g = spawn(function* late() {
        timeout = Timeout.startNew(1);
        yield* sleep(5);
      });
      clock.advance(1);
      expect([g.exception === timeout, g.successful()]).toEqual([true, false]);
      expect(reported()).toEqual(['Timeout: 1 second | <Greenlet "Greenlet-0": late()> failed with Timeout']);
    });

    test('a subclass may decide what happens', () => {
      const { hub, clock, trace, log } = world(core);
      class Gentle extends Timeout {
        protected override onExpiration(greenlet: any, exception: unknown): void {
          trace('expired for', greenlet === g, exception === this, getcurrent() === hub);
        }
      }
      const g: Greenlet = spawn(function* () {
        new Gentle(1).start();
        yield* sleep(2);
        trace('not interrupted');
      });
      clock.advance(2);
      expect(log).toEqual(['expired for true true true', 'not interrupted']);
    });
  });

  describe('several at once', () => {
    function* nested(outer: number, inner: number, log: (...what: unknown[]) => void): Body {
      const first = Timeout.startNew(outer);
      const second = Timeout.startNew(inner);
      const which = (error: unknown) => (error === first ? 'outer' : error === second ? 'inner' : 'neither');
      for (let i = 0; i < 2; i++) {
        try {
          yield* sleep(10);
        } catch (error) {
          log(which(error), 'pending', first.pending, second.pending);
        }
      }
      first.close();
      second.close();
    }

    test('item 18: the shorter inner one fires first, then the outer', () => {
      const { clock, trace, log } = world(core);
      spawn(nested, 0.02, 0.01, trace);
      clock.advance(1);
      expect(log).toEqual(['inner pending true false', 'outer pending false false']);
    });

    test('the shorter outer one fires through the inner', () => {
      const { clock, trace, log } = world(core);
      spawn(nested, 0.01, 0.02, trace);
      clock.advance(1);
      expect(log).toEqual(['outer pending false true', 'inner pending false false']);
    });

    test('of equal ones the one that was started first fires first', () => {
      const { clock, trace, log } = world(core);
      spawn(nested, 0.01, 0.01, trace);
      clock.advance(1);
      expect(log[0]).toBe('outer pending false true');
      expect(log[1]).toBe('inner pending false false');
    });

    test('priorities order those of one instant, and the default comes behind sleeps and timers', () => {
      const { hub, clock, trace, log } = world(core);
      const start = (name: string, options?: { priority: number }) =>
        spawn(function* () {
          Timeout.startNew(1, null, options);
          try {
            yield* sleep(5);
          } catch {
            trace(name);
          }
        });
      start('lowest', { priority: -2 });
      start('default');
      start('normal', { priority: 0 });
      start('highest', { priority: 2 });
      start('high', { priority: 1 });
      clock.advance();
      hub.loop.timer(1).start(() => trace('timer'));
      spawn(sleeper, 1).rawlink(() => trace('sleeper'));
      clock.advance(1);
      expect(log).toEqual(['highest', 'high', 'normal', 'timer', 'default', 'lowest', 'sleeper']);
    });

    test('what becomes ready in the same instant wins, twenty times out of twenty', () => {
      const { hub, clock } = world(core);
      const all = Array.from({ length: 20 }, () =>
        spawn(function* (): Body {
          using _ = Timeout.startNew(1);
          yield* sleep(1);
          return 'slept';
        }),
      );
      clock.advance(1);
      expect(all.map((g) => g.value)).toEqual(Array(20).fill('slept'));
      expect(leftIn(hub)).toEqual({});
    });

    test('a foreign Timeout passes through every wait that has a limit of its own', () => {
      const { hub, clock, trace, log } = world(core);
      const target = spawn(sleeper, 50);
      const waits: Record<string, () => Body> = {
        *join() {
          yield* target.join({ timeout: 5 });
        },
        *get() {
          yield* target.get({ timeout: 5 });
        },
        *joinall() {
          yield* joinall([target], { timeout: 5 });
        },
        *wait() {
          yield* wait([target], { timeout: 5 });
        },
        *withTimeout() {
          yield* withTimeout({ seconds: 5, timeoutValue: 'mine' }, sleeper);
        },
        *until() {
          yield* until(new Promise(() => {}));
        },
      };
      for (const [name, body] of Object.entries(waits)) {
        spawn(function* () {
          const outer = Timeout.startNew(1);
          try {
            yield* body();
            trace(name, 'swallowed it');
          } catch (error) {
            trace(name, error === outer);
          }
        });
      }
      clock.advance(1);
      expect(log).toEqual(['join true', 'get true', 'joinall true', 'wait true', 'withTimeout true', 'until true']);
      expect([target.hasLinks(), leftIn(hub)]).toEqual([0, { slots: 1, greenlets: 1, timers: 1 }]);
    });
  });

  describe('ref', () => {
    test('one without ref does not keep the loop going; one with does', async () => {
      const { hub, clock, trace, log } = world(core);
      const limited = function* (ref: boolean) {
        const timeout = Timeout.startNew(3, null, { ref });
        try {
          yield* sleep(60, { ref: false });
        } catch (error) {
          if (error !== timeout) throw error;
        }
      };
      const joined = () => hub.join().then((all) => trace(all, 'at', clock.seconds));
      spawn(limited, false);
      joined();
      await clock.advanceAsync();
      spawn(limited, true);
      joined();
      await clock.advanceAsync(10);
      expect(log).toEqual(['true at 0', 'true at 3']);
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, {}]);
    });

    test('its account is settled by firing, cancelling and closing alike', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        const make = (seconds: number) => Timeout.startNew(seconds, null, { ref: false });
        make(1).cancel();
        make(2).close();
        yield* sleep(3);
        const fires = make(1);
        try {
          yield* sleep(5);
        } catch (error) {
          trace(error === fires, clock.seconds);
        }
      });
      clock.advance(9);
      expect(log).toEqual(['true 4']);
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, {}]);
    });
  });

  describe('in main', () => {
    test('it rejects the oldest pending operation that was begun after it', async () => {
      const { clock, trace, log } = world(core);
      const outcome = (name: string) =>
        sleep(9).then(
          () => trace(name, 'slept'),
          (e) => trace(name, e === timeout),
        );
      outcome('before');
      const timeout = Timeout.startNew(1);
      outcome('first');
      outcome('second');
      await clock.advanceAsync(1);
      expect([log, timeout.pending]).toEqual([['first true'], false]);
      await clock.advanceAsync(9);
      expect(log).toEqual(['first true', 'before slept', 'second slept']);
    });

    test('or else the next one, if it still stands by then', async () => {
      const { clock } = world(core);
      Timeout.startNew(1);
      clock.advance(2);
      expect(await rejected(sleep(1))).toBe('Timeout [GEVENT_TIMEOUT]: 1 second');
      const next = rejected(sleep(1));
      await clock.advanceAsync(1);
      expect(await next).toBe('nothing was thrown');
    });

    test('closed before main hears of it, it is never heard of', async () => {
      const { clock } = world(core);
      {
        using _ = Timeout.startNew(1);
        clock.advance(2);
      }
      const next = rejected(sleep(1));
      await clock.advanceAsync(1);
      expect(await next).toBe('nothing was thrown');
    });
  });

  describe('elsewhere', () => {
    test('in a raw greenlet, while it sleeps and while it waits for a join', () => {
      const { hub, clock, trace, log } = world(core);
      const target = spawn(sleeper, 50);
      for (const body of [sleeper, () => target.join()]) {
        spawnRaw(function* () {
          const timeout = Timeout.startNew(1);
          try {
            yield* body() as Body;
          } catch (error) {
            trace(error === timeout, clock.seconds);
          }
        });
      }
      clock.advance(1);
      expect(log).toEqual(['true 1', 'true 1']);
      expect(leftIn(hub)).toEqual({ slots: 1, greenlets: 1, timers: 1 });
    });

    test('in another hub it counts on that hub', () => {
      const { hub, trace, log } = world(core);
      const far = createHub({ core });
      const g = far.spawn(function* () {
        const timeout = Timeout.startNew(0);
        try {
          yield* sleep(60);
        } catch (error) {
          trace(error === timeout);
        }
      });
      far.turn();
      far.turn();
      expect([log, g.dead, leftIn(hub), leftIn(far)]).toEqual([[true], true, {}, {}]);
      far.destroy();
    });
  });

  describe('withTimeout', () => {
    test('gives what the function gives, whatever kind it is, with its arguments', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        trace(yield* withTimeout(5, sleeper, 1, 'generator'));
        trace(yield* withTimeout(5, (a: number, b: number) => a + b, 1, 2));
        trace(yield* withTimeout(null, sleeper, 1, 'no limit'));
        const target = spawn(sleeper, 1, 'operation');
        trace(yield* withTimeout(5, () => target.get()));
      });
      clock.advance(9);
      expect(log).toEqual(['generator', 3, 'no limit', 'operation']);
      expect(leftIn(hub)).toEqual({});
    });

    test('raises on time in the function, and there its clean-up runs', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        try {
          yield* withTimeout(1, function* () {
            try {
              yield* sleep(100);
            } finally {
              trace('cleaned up', clock.seconds);
            }
          });
        } catch (error) {
          trace(told(error));
        }
      });
      clock.advance(1);
      expect(log).toEqual(['cleaned up 1', 'Timeout [GEVENT_TIMEOUT]: 1 second']);
      expect(leftIn(hub)).toEqual({});
    });

    test('timeoutValue is given for its own timeout only', () => {
      const { clock, trace, log } = world(core);
      const run = (seconds: number) =>
        spawn(function* () {
          const outer = Timeout.startNew(2);
          try {
            trace(yield* withTimeout({ seconds, timeoutValue: 'instead' }, sleeper, 50));
          } catch (error) {
            trace('outer', error === outer);
          }
          outer.close();
        });
      run(1);
      run(3);
      spawn(function* () {
        try {
          yield* withTimeout({ seconds: 9, timeoutValue: undefined }, () => {
            throw new Timeout(1);
          });
        } catch (error) {
          trace('foreign', told(error));
        }
        trace('undefined too', yield* withTimeout({ seconds: 1, timeoutValue: undefined }, sleeper));
      });
      clock.advance(5);
      expect(log).toEqual([
        'foreign Timeout [GEVENT_TIMEOUT]: 1 second',
        'instead',
        'undefined too undefined',
        'outer true',
      ]);
    });

    test('a Timeout may be given for the seconds: it is used as it is', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = new Timeout(1, new RangeError('its own'));
        try {
          yield* withTimeout(timeout, sleeper);
        } catch (error) {
          trace(told(error));
        }
        const plain = new Timeout(1);
        trace(yield* withTimeout({ seconds: plain, timeoutValue: 'value' }, sleeper));
      });
      clock.advance(5);
      expect(log).toEqual(['RangeError: its own', 'value']);
    });

    test('what wins in the same instant is the result', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        for (let i = 1; i <= 20; i++) trace(yield* withTimeout(i, sleeper, i, 'result'));
      });
      clock.advance(1000);
      expect(log).toEqual(Array(20).fill('result'));
    });

    test('awaited, it runs in a greenlet of its own that ends with the wait', async () => {
      const { hub, clock, trace, log } = world(core);
      const body = function* () {
        try {
          yield* sleep(100);
        } finally {
          trace('ended', clock.seconds);
        }
      };
      const main = rejected(withTimeout(1, body));
      spawn(async () => {
        trace(await withTimeout({ seconds: 2, timeoutValue: 'value' }, body));
        trace(await withTimeout(5, sleeper, 1, 'in time'));
      });
      await clock.advanceAsync(5);
      expect(await main).toBe('Timeout [GEVENT_TIMEOUT]: 1 second');
      expect(log).toEqual(['ended 1', 'ended 2', 'value', 'in time']);
      expect(leftIn(hub)).toEqual({});
    });

    test('the error of its function is its own', async () => {
      const { hub, clock, trace, log } = world(core);
      const fail = function* (): Body {
        yield* sleep(1);
        throw new RangeError('x');
      };
      spawn(function* () {
        try {
          yield* withTimeout(5, fail);
        } catch (error) {
          trace(told(error));
        }
      });
      const main = rejected(withTimeout(5, fail));
      await clock.advanceAsync(1);
      expect([log, await main]).toEqual([['RangeError: x'], 'RangeError: x']);
      expect(leftIn(hub)).toEqual({});
    });

    test('bad input is refused at the call', () => {
      const { hub } = world(core);
      expect(thrown(() => withTimeout(1, 42 as any))).toBe(
        'TypeError: withTimeout(seconds, fn): expected a function, got 42',
      );
      expect(thrown(() => withTimeout('x' as any, sleeper))).toBe(
        'TypeError: Timeout(seconds): expected a number of seconds or a Temporal.Duration, got "x"',
      );
      expect(leftIn(hub)).toEqual({});
    });
  });

  test('a Timeout and a kill in one instant both arrive', () => {
    const { clock, trace, log, reported } = world(core);
    const g = spawn(function* () {
      const timeout = Timeout.startNew(1);
      for (let i = 0; i < 2; i++) {
        try {
          yield* sleep(10);
        } catch (error) {
          trace(error === timeout ? 'timeout' : (error as Error).name);
        }
      }
    });
    spawnLater(1, () => void g.kill());
    clock.advance(2);
    expect(log.sort()).toEqual(['GreenletExit', 'timeout']);
    reported();
  });

  describe('the one started last in a slice, which the core does not know yet', () => {
    test('keeps its place among equal deadlines of Timeouts and sleeps', () => {
      const { hub, clock, trace, log } = world(core);
      const limited = (name: string) =>
        spawn(function* () {
          try {
            Timeout.startNew(1, null, { priority: 0 });
            yield* sleep(5);
          } catch {
            trace(name);
          }
        });
      const sleeping = (name: string) =>
        spawn(function* () {
          yield* sleep(1);
          trace(name);
        });
      limited('a');
      sleeping('b');
      limited('c');
      spawnLater(1, () => trace('d'));
      limited('e');
      limited('f');
      sleeping('g');
      clock.advance(2);
      // spawnLater was called in main, before any of them ran; its greenlet takes another turn of the ring.
      expect(log.filter((name) => name !== 'd')).toEqual(['a', 'b', 'c', 'e', 'f', 'g']);
      expect(leftIn(hub)).toEqual({});
    });

    test('is counted, can be cancelled before and after, and fires if it is not', () => {
      const { hub, clock, trace, log } = world(core);
      const armed = () => [hub.statistics().timers, hub.statistics().timerSlots];
      spawn(function* () {
        const first = Timeout.startNew(1);
        trace(armed());
        first.cancel();
        trace(armed());
        first.start();
        const second = Timeout.startNew(2, null, { ref: false });
        first.cancel();
        trace(armed(), first.pending, second.pending, hub.unrefTimers);
        second.cancel();
        second.start();
        try {
          yield* sleep(10);
        } catch (error) {
          trace(error === second, second.pending, armed(), hub.unrefTimers);
        }
      });
      clock.advance(20);
      expect(log).toEqual([[1, 1], [0, 0], '1,1 false true 1', 'true false 0,0 0']);
      expect(leftIn(hub)).toEqual({});
    });

    test('is one of thousands started in one slice, of which those not cancelled fire', () => {
      const { hub, clock } = world(core);
      let fired = 0;
      class Counted extends Timeout {
        protected override onExpiration(): void {
          fired++;
        }
      }
      spawn(function* () {
        const all = Array.from({ length: 5000 }, (_, i) => {
          const timeout = new Counted(1 + (i % 7));
          timeout.start();
          if (i % 5 === 0) timeout.cancel();
          return timeout;
        });
        expect(hub.statistics().timers).toBe(4000);
        for (let i = 1; i < 5000; i += 5) all[i].cancel();
        expect(hub.statistics().timers).toBe(3000);
      });
      clock.advance(20);
      expect(fired).toBe(3000);
      expect(leftIn(hub)).toEqual({});
    });

    test('on a clock that runs: starts share a reading of it, and nothing fires early, or later than what was computed', () => {
      let nowMs = 0;
      let slice = {};
      /** What bodies compute, in ms: in this turn of the hub, and since the last reading of the clock. */
      let turn = 0;
      let reading = { ms: 0, slice };
      const chance = randomFrom(17);
      const host = { soon() {}, after() {}, cancel() {}, onIdle: () => () => {}, uncaught() {}, print() {} };
      const now = () => {
        reading = { ms: 0, slice };
        return nowMs;
      };
      const hub = createHub({ core: smallCore(core), clock: { virtual: false, now }, host });
      let strays = 0;
      const fired: Seen[] = [];
      let ends = 0;
      class Seen extends Timeout {
        dueMs = 0;
        firedMs = 0;
        reading = reading;
        protected override onExpiration(): void {
          this.firedMs = nowMs;
          fired.push(this);
        }
      }
      function* body(): Body {
        const mine: Seen[] = [];
        slice = {};
        for (let left = 6000; left > 0; --left) {
          const step = chance(100);
          if (step < 60) {
            const timeout = new Seen(chance(20) / 1000);
            timeout.start();
            timeout.dueMs = nowMs + Number(timeout.seconds) * 1000;
            timeout.reading = reading;
            // Not that of another slice.
            if (reading.slice !== slice) ++strays;
            if (chance(10) < 7) timeout.cancel();
            else mine.push(timeout);
          } else if (step < 70) mine.splice(chance(mine.length + 1), 1)[0]?.cancel();
          else if (step < 95) {
            const ms = chance(200) < 1 ? 4 : 0.001;
            nowMs += ms;
            turn += ms;
            reading.ms += ms;
          } else {
            // The batch is over, and the loop looks at the clock.
            if (chance(2) < 1) hub.core.words[Word.BUDGET] = 0;
            yield* sleep(chance(20) < 1 ? 0.003 : 0);
            slice = {};
          }
        }
        for (const timeout of mine) timeout.cancel();
      }
      for (let i = 0; i < 4; i++) hub.spawn(body);
      for (let left = 1000; left > 0; --left) {
        const before = turn;
        turn = 0;
        fired.length = 0;
        hub.turn();
        hub.core.verify();
        for (const { dueMs, firedMs, reading } of fired) {
          expect(firedMs - dueMs).toBeGreaterThanOrEqual(-0.5); // SHARED_GAP_MS
          expect(firedMs - dueMs).toBeLessThan(2.5 + reading.ms + before + turn);
        }
        ends += fired.length;
        nowMs += 1;
      }
      expect(strays).toBe(0);
      expect(ends).toBeGreaterThan(200);
      expect(leftIn(hub)).toEqual({});
      hub.destroy();
    });
  });
});
