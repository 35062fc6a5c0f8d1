// hub.wait and its cancelling, the end of a hub that main waits on, main on isolated hubs, and the statics of greenlet.

import { describe, expect, test } from 'vitest';
import { getcurrent, gettrace, greenlet, settrace } from '../../ts/greenlet.ts';
import { createHub, first, sleep, spawn } from '../../ts/index.ts';
import { CORES, rejected, told } from '../support/cores.ts';
import { atEverySwitch } from '../support/inject.ts';
import { leftIn, world } from '../support/worlds.ts';

describe.each(CORES)('on the %s core', (core) => {
  describe('hub.wait', () => {
    test('starts the watcher, waits until it fires, and stops it', () => {
      const { hub, clock, trace, log } = world(core);
      const timer = hub.loop.timer(1, 1);
      spawn(function* () {
        yield* hub.wait(timer);
        trace('fired', clock.seconds, timer.active);
        const { index } = yield* first([hub.wait(timer), sleep(0.5)]);
        trace(index, timer.active);
        timer.close();
      });
      clock.advance(9);
      expect(log).toEqual(['fired 1 false', '1 false']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a watcher that is in use is refused', () => {
      const { hub, clock, trace, log } = world(core);
      const timer = hub.loop.timer(1);
      for (let i = 0; i < 2; ++i) {
        spawn(function* () {
          try {
            yield* hub.wait(timer);
            trace('fired');
          } catch (error) {
            trace(told(error).slice(0, 60));
          }
        });
      }
      clock.advance(2);
      expect(log).toEqual(['ConcurrentObjectUseError [GEVENT_CONCURRENT_USE]: hub.wait(w', 'fired']);
      expect(leftIn(hub)).toEqual({});
    });

    test('cancelWait raises in who waits; without a watcher, or if nobody waits, nothing happens', () => {
      const { hub, clock, trace, log } = world(core);
      const [waited, free] = [hub.loop.timer(9), hub.loop.timer(9)];
      spawn(function* () {
        try {
          yield* hub.wait(waited);
        } catch (error) {
          trace(told(error), clock.seconds);
        }
      });
      clock.advance(1);
      hub.cancelWait(null, new Error('x'));
      hub.cancelWait(free, new Error('x'));
      hub.cancelWait(waited, new RangeError('cancelled'), true);
      trace('ordered');
      clock.advance(1);
      expect(log).toEqual(['ordered', 'RangeError: cancelled 1']);
      expect(() => waited.start(() => 1)).toThrow('closed');
      expect(leftIn(hub)).toEqual({});
    });

    test('cancelWaitsCloseAndThen calls at once if nobody waits, else behind those who did', () => {
      const { hub, clock, trace, log } = world(core);
      const timers = [hub.loop.timer(9), hub.loop.timer(9)];
      hub.cancelWaitsCloseAndThen([null, hub.loop.timer(1)], new Error('x'), trace, 'at once');
      for (const timer of timers) {
        spawn(function* () {
          try {
            yield* hub.wait(timer);
          } catch {
            trace('cancelled');
          }
        });
      }
      clock.advance(1);
      hub.cancelWaitsCloseAndThen(timers, new Error('x'), trace, 'then');
      clock.advance(0);
      expect(log).toEqual(['at once', 'cancelled', 'cancelled', 'then']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a kill at every switch point leaves no watcher', () => {
      const hits = atEverySwitch(core, 'kill', ({ hub }) => {
        const timer = hub.loop.timer(0.1);
        const victim = spawn(function* () {
          for (let i = 0; i < 3; ++i) yield* hub.wait(timer);
        });
        return { victim, check: () => expect(timer.active).toBe(false) };
      });
      expect(hits).toBeGreaterThan(5);
    });
  });

  test('a hub that is destroyed while main waits rejects that wait', async () => {
    const { hub, clock } = world(core);
    const waiting = [rejected(sleep(5)), rejected(spawn(sleep, 9).get())];
    await clock.advanceAsync(1);
    hub.destroy();
    const text = `HubDestroyed [GEVENT_GREENLET_EXIT]: <Hub core=${hub.core.name}> was destroyed`;
    expect(await Promise.all(waiting)).toEqual([text, text]);
  });

  test("main waits on an isolated hub for that hub's greenlets, and for its end", async () => {
    const hub = createHub({ core });
    const g = hub.spawn(function* () {
      yield* sleep(0.001);
      return 'value';
    });
    expect(await g.get()).toBe('value');
    hub.spawn(sleep, 0.001);
    expect(await hub.join()).toBe(true);
    expect(leftIn(hub)).toEqual({});
    hub.destroy();
  });
});

test('the functions are under the class as well, as in greenlet', () => {
  world('pure');
  expect([greenlet.settrace, greenlet.gettrace]).toEqual([settrace, gettrace]);
  expect(greenlet.getcurrent()).toBe(getcurrent());
});
