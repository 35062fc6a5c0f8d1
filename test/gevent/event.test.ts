// Event and AsyncResult.

import { describe, expect, test } from 'vitest';
import { AsyncResult, Event } from '../../ts/event.ts';
import { createHub, sleep, spawn, Timeout, wait } from '../../ts/index.ts';
import { CORES, type CoreName, rejected, thrown } from '../support/cores.ts';
import { leftIn, world as worldOf } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

// With debug mode off, operations take shorter ways.
describe.each(CORES.flatMap((core) => [true, false].map((debug) => [core, debug] as const)))(
  'on the %s core, debug mode %s',
  (core, debug) => {
    const world = (name: CoreName, options = {}) => worldOf(name, { debug, ...options });

    describe('an event', () => {
      test('wakes all who wait, later, in their order, even if it is cleared at once', () => {
        const { hub, clock, trace, log } = world(core);
        const event = new Event();
        for (const i of [0, 1, 2]) {
          spawn(function* (): Body {
            trace(i, yield* event.wait());
          });
        }
        clock.advance();
        spawn(function* (): Body {
          event.set();
          trace('main');
          event.clear();
          yield* sleep(0);
          trace('then');
        });
        clock.advance();
        expect(log).toEqual(['main', '0 true', '1 true', '2 true', 'then']);
        expect(event.isSet()).toBe(false);
        expect(leftIn(hub)).toEqual({});
      });

      test('one who waits on a set event while the others are being woken queues behind them', () => {
        const { hub, clock, trace, log } = world(core);
        const event = new Event();
        for (const i of [0, 1]) {
          spawn(function* (): Body {
            yield* event.wait();
            trace(i);
          });
        }
        clock.advance();
        spawn(function* (): Body {
          event.set();
          trace('late', yield* event.wait({ timeout: 0 }));
        });
        clock.advance();
        expect(log).toEqual([0, 1, 'late true']);
        expect(leftIn(hub)).toEqual({});
      });

      test('a waiter that clears it and a third that begins to wait then: the second is woken, the third times out', () => {
        const { hub, clock, trace, log } = world(core);
        const event = new Event();
        spawn(function* (): Body {
          yield* event.wait();
          trace('w1');
          event.clear();
          spawn(function* (): Body {
            trace('w3', yield* event.wait({ timeout: 1 }));
          });
        });
        spawn(function* (): Body {
          yield* event.wait();
          trace('w2', event.isSet());
        });
        clock.advance();
        event.set();
        clock.advance(2);
        expect(log).toEqual(['w1', 'w2 false', 'w3 false']);
        expect(leftIn(hub)).toEqual({});
      });

      test('waits no longer than the timeout; 0 lets run what is ready; negative and NaN are refused', () => {
        const { hub, clock, trace, log } = world(core);
        const event = new Event();
        spawn(function* (): Body {
          trace('zero', yield* event.wait({ timeout: 0 }));
          trace('one', yield* event.wait({ timeout: 1 }), hub.clock.now());
          event.set();
          trace('set', yield* event.wait({ timeout: 1 }), yield* event.wait());
        });
        spawn(function* (): Body {
          trace('ran');
        });
        clock.advance(1);
        expect(log).toEqual(['ran', 'zero false', 'one false 1000', 'set true true']);
        expect(thrown(() => event.wait({ timeout: -1 }))).toBe(
          'RangeError: wait(timeout): expected 0 or more seconds, got -1',
        );
        expect(thrown(() => event.wait({ timeout: Number.NaN }))).toContain('RangeError');
        expect(thrown(() => event.wait({ timeout: 'x' as any }))).toContain('TypeError');
        expect(leftIn(hub)).toEqual({});
      });

      test('a Timeout as timeout: false if it is that one, pending or not; its own exception is raised; a foreign one goes through', () => {
        const { hub, clock, trace, log } = world(core);
        const event = new Event();
        spawn(function* (): Body {
          trace('own', yield* event.wait({ timeout: new Timeout(1) }));
          const started = Timeout.startNew(1);
          trace('started', yield* event.wait({ timeout: started }));
          try {
            yield* event.wait({ timeout: new Timeout(1, new RangeError('mine')) });
          } catch (e) {
            trace('raised', e);
          }
          const outer = Timeout.startNew(1);
          try {
            yield* event.wait({ timeout: 5 });
          } catch (e) {
            trace('outer', e === outer);
          }
        });
        clock.advance(10);
        expect(log).toEqual(['own false', 'started false', 'raised RangeError: mine', 'outer true']);
        expect(leftIn(hub)).toEqual({});
      });

      test('await works as well, in main and in async bodies', async () => {
        const { hub, trace, log } = world(core, { auto: true });
        const event = new Event();
        const g = spawn(async () => {
          trace('async', await event.wait());
          trace('again', await event.wait(), await event.wait({ timeout: 1 }));
        });
        const waiting = event.wait().then((value) => trace('main', value));
        hub.loop.timer(1).start(() => event.set());
        await waiting;
        await g.join();
        event.clear();
        trace('timeout', await event.wait({ timeout: 1 }));
        const own = new Timeout(1);
        own.start();
        trace('own', await event.wait({ timeout: own }));
        expect(log).toEqual(['main true', 'async true', 'again true true', 'timeout false', 'own false']);
        expect(leftIn(hub)).toEqual({});
      });

      test('killed and timed out waiters leave nothing, ten thousand times', () => {
        const { hub, clock } = world(core);
        const event = new Event();
        const before = hub.statistics();
        for (let i = 0; i < 1000; ++i) {
          const killed = Array.from({ length: 5 }, () => spawn(() => event.wait() as any));
          for (let k = 0; k < 5; ++k) spawn(() => event.wait({ timeout: 1 }) as any);
          clock.advance();
          for (const g of killed) g.kill({ block: false });
          clock.advance(1);
        }
        expect(hub.statistics()).toEqual(before);
      });

      test('links are called once, in their order among the waiters, and those added meanwhile are not part of it', () => {
        const { hub, clock, trace, log } = world(core);
        const event = new Event();
        const again = () => trace('again');
        const first = (source: Event) => {
          trace('first', source === event);
          event.rawlink(again);
        };
        event.rawlink(first);
        spawn(function* (): Body {
          yield* event.wait();
          trace('waiter');
        });
        clock.advance();
        const last = () => trace('last');
        event.rawlink(last);
        event.rawlink(last);
        expect(event.linkcount()).toBe(4);
        event.unlink(() => {});
        spawn(function* (): Body {
          event.set();
          event.clear();
          trace('set');
        });
        clock.advance();
        expect(log.splice(0)).toEqual(['set', 'first true', 'waiter', 'last']);
        expect(event.linkcount()).toBe(1);
        event.unlink(again);
        expect(event.linkcount()).toBe(0);
        expect(leftIn(hub)).toEqual({});
      });

      test('a link on an event that is set is called on the next turn, one added during a notification in the next one', () => {
        const { hub, clock, trace, log } = world(core);
        const event = new Event();
        event.set();
        event.rawlink(() => {
          trace('one');
          event.rawlink(() => trace('two'));
        });
        trace('linked');
        clock.advance();
        expect(log).toEqual(['linked', 'one', 'two']);
        expect(thrown(() => event.rawlink(5 as any))).toBe('TypeError: rawlink: expected a function, got 5');
        expect(leftIn(hub)).toEqual({});
      });

      test('an error in a link is reported with link and event, and the others are called', () => {
        const { hub, clock, trace, log, reported } = world(core);
        const event = new Event();
        event.rawlink(function faulty() {
          throw new Error('x');
        });
        event.rawlink(() => trace('other'));
        event.rawlink(function* blocking() {} as any);
        event.set();
        clock.advance();
        expect(log).toEqual(['other']);
        expect(reported()).toEqual([
          expect.stringMatching(/^Error: x \| .*faulty.*Event.* failed with Error$/),
          expect.stringContaining('BlockingSwitchOutError'),
        ]);
        expect(leftIn(hub)).toEqual({});
      });

      test('wait() collects events, semaphores and results as they become ready', () => {
        const { hub, clock, trace, log } = world(core);
        const [a, b] = [new Event(), new AsyncResult<number>()];
        spawn(function* (): Body {
          const ready = yield* wait<Event | AsyncResult<number>>([a, b], { timeout: 5 });
          trace(ready[0] === b, ready.length);
        });
        clock.advance(1);
        b.set(5);
        clock.advance(10);
        expect(log).toEqual(['true 1']);
        expect([a.linkcount(), b.linkcount()]).toEqual([0, 0]);
        expect(leftIn(hub)).toEqual({});
      });

      test('blocking on it in a callback of the hub is refused, unless it is set', () => {
        const { hub, clock, reported, trace, log } = world(core);
        const event = new Event();
        hub.runCallback(() => {
          event.set();
          event.clear();
          [...(event.wait() as any)];
        });
        hub.runCallback(() => {
          event.wait().then(null, (e) => trace((e as Error).name));
        });
        clock.advance();
        expect(reported()).toEqual([expect.stringContaining('BlockingSwitchOutError')]);
        return Promise.resolve().then(() => expect(log).toEqual(['BlockingSwitchOutError']));
      });

      test('belongs to the hub on which somebody waited first', () => {
        const { hub, clock } = world(core);
        const event = new Event();
        expect(event.hub).toBe(null);
        spawn(() => event.wait({ timeout: 1 }) as any);
        clock.advance(2);
        expect(event.hub).toBe(hub);
        const other = createHub({ core: 'pure' });
        const g = other.spawn(() => event.wait() as any);
        other.exceptionStream = null;
        other.turn();
        expect(String(g.exception)).toMatch(/InvalidThreadUseError: <Event clear _links\[0\]> belongs to <Hub/);
        other.destroy();
      });

      test('of a hub that is destroyed cannot be waited for', async () => {
        const { clock } = world(core);
        const event = new Event();
        const other = createHub({ core: 'pure' });
        other.spawn(() => event.wait({ timeout: 0 }) as any);
        other.turn();
        other.destroy();
        const refused = rejected(event.wait({ timeout: 1 }));
        await clock.advanceAsync();
        expect(await refused).toContain('which is destroyed');
        event.set();
        expect(await event.wait()).toBe(true);
      });

      test('LoopExit and the dump name it', async () => {
        const { hub, clock } = world(core);
        const event = new Event();
        spawn(() => event.wait() as any);
        spawn(() => new AsyncResult().get() as any);
        clock.advance();
        expect(hub.whoWaits().map((line) => line.replace(/^<.*> in/, 'in'))).toEqual([
          'in Event.wait',
          'in AsyncResult.get',
        ]);
        const refused = rejected(event.wait());
        await clock.advanceAsync();
        expect(await refused).toContain('main in Event.wait');
      });

      test('has a text', () => {
        const { clock } = world(core);
        const event = new Event();
        spawn(() => event.wait() as any);
        clock.advance();
        expect(String(event)).toBe('<Event clear _links[1]>');
        event.set();
        clock.advance();
        expect([String(event), String(new (class Mine extends Event {})())]).toEqual([
          '<Event set _links[0]>',
          '<Mine clear _links[0]>',
        ]);
      });
    });

    describe('an AsyncResult', () => {
      test('gives its value to all who wait, and to those who come later at once', () => {
        const { hub, clock, trace, log } = world(core);
        const result = new AsyncResult<number>();
        for (const i of [0, 1]) {
          spawn(function* (): Body {
            trace(i, yield* result.get());
          });
        }
        spawn(function* (): Body {
          trace('wait', yield* result.wait());
        });
        clock.advance();
        expect([result.ready(), result.successful(), result.value, result.exception, result.excInfo]).toEqual([
          false,
          false,
          undefined,
          undefined,
          [],
        ]);
        result.set(7);
        trace('set');
        clock.advance();
        spawn(function* (): Body {
          trace('late', yield* result.get({ block: false }), result.getNowait(), yield* result.result());
        });
        clock.advance();
        expect(log).toEqual(['set', '0 7', '1 7', 'wait 7', 'late 7 7 7']);
        expect([result.ready(), result.successful(), result.value, result.done()]).toEqual([true, true, 7, true]);
        expect([result.cancel(), result.cancelled()]).toEqual([false, false]);
        expect(leftIn(hub)).toEqual({});
      });

      test('raises the very error; wait gives undefined for it', () => {
        const { hub, clock, trace, log } = world(core);
        const result = new AsyncResult();
        const error = new RangeError('x');
        spawn(function* (): Body {
          try {
            yield* result.get();
          } catch (e) {
            trace(e === error);
          }
          trace('wait', yield* result.wait());
        });
        clock.advance();
        result.setException(error);
        clock.advance();
        expect(log).toEqual([true, 'wait undefined']);
        expect([result.ready(), result.successful(), result.value, result.exception]).toEqual([
          true,
          false,
          undefined,
          error,
        ]);
        expect(result.excInfo).toEqual([RangeError, error, error.stack]);
        expect(leftIn(hub)).toEqual({});
      });

      test('set again the newest value counts, and a value counts more than an error', () => {
        const { hub, clock, trace, log } = world(core);
        const result = new AsyncResult<number>();
        result.rawlink(() => trace('first link'));
        result.set(1);
        result.set(2);
        clock.advance();
        result.rawlink(() => trace('second link'));
        result.setException(new Error('late'));
        clock.advance();
        expect([result.getNowait(), result.successful(), String(result.exception)]).toEqual([2, true, 'Error: late']);
        const other = new AsyncResult<number>();
        other.setException(new Error('old'));
        other.set(5);
        expect([other.getNowait(), String(other.exception)]).toEqual([5, 'Error: old']);
        expect(log).toEqual(['first link', 'second link']);
        expect(leftIn(hub)).toEqual({});
      });

      test('get raises Timeout: without text if it must not block, else with the seconds; an own Timeout raises itself', () => {
        const { hub, clock, trace, log } = world(core);
        const result = new AsyncResult();
        const own = new Timeout(1, new RangeError('mine'));
        spawn(function* (): Body {
          for (const options of [{ block: false }, { timeout: 1 }, { timeout: own }]) {
            try {
              yield* result.get(options);
            } catch (e) {
              trace(e);
            }
          }
          trace('wait', yield* result.wait({ timeout: 1 }));
        });
        expect(thrown(() => result.getNowait())).toBe('Timeout [GEVENT_TIMEOUT]: ');
        clock.advance(5);
        expect(log.map(String)).toEqual(['Timeout', 'Timeout: 1 second', 'RangeError: mine', 'wait undefined']);
        expect(thrown(() => result.get({ timeout: -1 }))).toContain('RangeError');
        expect(leftIn(hub)).toEqual({});
      });

      test('undefined is a value', () => {
        world(core);
        const result = new AsyncResult<void>();
        result.set();
        expect([result.successful(), result.getNowait()]).toEqual([true, undefined]);
      });

      test('takes over what a greenlet or another result ended with', () => {
        const { hub, clock, reported } = world(core);
        const [good, bad, copy] = [new AsyncResult<number>(), new AsyncResult(), new AsyncResult<number>()];
        spawn(() => 5).rawlink(good.copyFrom);
        spawn(() => {
          throw new Error('x');
        }).rawlink(bad.copyFrom);
        good.rawlink(copy.copyFrom);
        clock.advance();
        expect([good.value, copy.value, String(bad.exception)]).toEqual([5, 5, 'Error: x']);
        expect(reported().length).toBe(1);
        expect(leftIn(hub)).toEqual({});
      });

      test('one set from a callback of the hub, or from main, wakes its waiters', async () => {
        const { hub, clock, trace, log } = world(core, { auto: true });
        const result = new AsyncResult<number>();
        hub.loop.timer(2).start(() => result.set(9));
        trace(await result.get());
        expect(await result.wait()).toBe(9);
        await clock.advanceAsync();
        expect(log).toEqual([9]);
        expect(leftIn(hub)).toEqual({});
      });
    });
  },
);
