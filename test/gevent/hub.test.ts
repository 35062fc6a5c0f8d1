// The hub and its loop: what runs when, what is reported where, and when nothing can go on.

import { describe, expect, onTestFinished, test } from 'vitest';
import { config } from '../../ts/config.ts';
import type { Clock } from '../../ts/core/clock.ts';
import { ConcurrentObjectUseError, KeyboardInterrupt, LoopExit, SystemExit } from '../../ts/exceptions.ts';
import type { Host } from '../../ts/hub/host.ts';
import { createHub, getHub, type Hub, setHub, Waiter } from '../../ts/hub.ts';
import {
  Greenlet,
  GreenletExit,
  getcurrent,
  iwait,
  joinall,
  kill,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
  until,
} from '../../ts/index.ts';
import { CORES, program, rejected, thrown, told } from '../support/cores.ts';
import { inOneLine, leftIn, smallCore, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

function* sleeper(seconds = 100, value?: unknown): Body {
  yield* sleep(seconds);
  return value;
}

/** A platform that does nothing by itself: time and ticks are ours. */
class Platform implements Host, Clock {
  readonly virtual = false;
  time = 0;
  readonly soons: (() => void)[] = [];
  readonly timers: { at: number; fn: () => void; ref: boolean }[] = [];
  readonly printed: string[] = [];
  readonly errors: unknown[] = [];
  mostTimers = 0;
  now(): number {
    return this.time;
  }
  soon(fn: () => void): void {
    this.soons.push(fn);
  }
  after(ms: number, fn: () => void, ref: boolean): unknown {
    const timer = { at: this.time + ms, fn, ref };
    this.timers.push(timer);
    this.mostTimers = Math.max(this.mostTimers, this.timers.length);
    return timer;
  }
  cancel(timer: unknown): void {
    this.timers.splice(this.timers.indexOf(timer as (typeof this.timers)[number]), 1);
  }
  onIdle(): () => void {
    return () => {};
  }
  uncaught(error: unknown): void {
    this.errors.push(error);
  }
  print(text: string): void {
    this.printed.push(text);
  }
  /** One round of the platform's loop. */
  tick(): void {
    for (const fn of this.soons.splice(0)) fn();
  }
  /** Rounds until nothing is wanted at once. */
  settle(): void {
    while (this.soons.length > 0) this.tick();
  }
  /** Time passes, and the timers that are due fire. */
  pass(ms: number): void {
    this.time += ms;
    for (const timer of this.timers.filter(({ at }) => at <= this.time)) {
      this.cancel(timer);
      timer.fn();
    }
    this.settle();
  }
}

function onPlatform(core: (typeof CORES)[number]): { hub: Hub; platform: Platform } {
  const platform = new Platform();
  const hub = createHub({ core: smallCore(core), clock: platform, host: platform });
  onTestFinished(() => {
    hub.core.verify();
    hub.destroy();
  });
  return { hub, platform };
}

describe.each(CORES)('on the %s core', (core) => {
  describe('a turn', () => {
    test('runs what is ready in order, callbacks, greenlets and raw greenlets alike, and then what is due', () => {
      const { hub, clock, trace, log } = world(core);
      hub.loop.timer(0).start(() => trace('timer'));
      spawnLater(0, trace, 'spawned later');
      hub.runCallback(() => trace('callback 1'));
      spawn(function* () {
        trace('greenlet');
        yield* sleep(0);
        trace('greenlet again');
      });
      spawnRaw(() => trace('raw'));
      hub.runCallback(() => trace('callback 2'));
      clock.advance();
      expect(log).toEqual(['callback 1', 'greenlet', 'raw', 'callback 2', 'greenlet again', 'timer', 'spawned later']);
    });

    test('what is queued while it runs still belongs to it, behind what was there', () => {
      const { hub, clock, trace, log } = world(core);
      hub.loop.timer(0).start(() => trace('timer'));
      hub.runCallback(() => {
        trace('a');
        hub.runCallback(() => {
          trace('c');
          hub.runCallback(() => trace('d'));
        });
      });
      hub.runCallback(() => trace('b'));
      clock.advance();
      expect(log).toEqual(['a', 'b', 'c', 'd', 'timer']);
    });

    test('what is due runs by priority, then deadline, then the order of arming', () => {
      const { hub, clock, log } = world(core);
      for (const [name, after, priority] of [
        ['normal 2 s', 2, 0],
        ['normal 1 s', 1, 0],
        ['normal 1 s again', 1, 0],
        ['lowest', 0.5, -2],
        ['low', 0.5, -1],
        ['high 3 s', 3, 1],
        ['high 2 s', 2, 1],
        ['highest', 3, 2],
      ] as const) {
        hub.loop.timer(after, 0, { priority }).start(() => log.push(name));
      }
      clock.moveTo(5000);
      clock.advance();
      expect(log).toEqual([
        'highest',
        'high 2 s',
        'high 3 s',
        'normal 1 s',
        'normal 1 s again',
        'normal 2 s',
        'low',
        'lowest',
      ]);
    });

    test('what a timer makes ready runs when all that are due have run; what it arms waits for the next phase', () => {
      const { hub, clock, trace, log } = world(core);
      hub.loop.timer(1).start(() => {
        trace('first');
        hub.runCallback(() => trace('callback of the first'));
        hub.loop.timer(0).start(() => trace('timer of the first'));
      });
      hub.loop.timer(1).start(() => trace('second'));
      clock.advance(1);
      expect(log).toEqual(['first', 'second', 'callback of the first', 'timer of the first']);
    });

    test('a hub that runs cannot be made to run again', () => {
      const { hub, clock, trace, log } = world(core);
      hub.runCallback(() => trace(thrown(() => hub.turn())));
      clock.advance();
      expect(log).toEqual(['GeventError [GEVENT_HUB_RUNNING]: the hub runs already']);
    });

    test('thousands that spawn, yield, sleep and end keep their order while the core grows', () => {
      const { hub, clock, log } = world(core);
      const N = 1500;
      const order: number[] = [];
      spawn(function* () {
        for (let i = 0; i < N; i++) {
          spawn(function* () {
            order.push(i);
            yield* sleep(0);
            order.push(i);
            yield* sleep(1 + (i % 3));
            order.push(i);
            hub.runCallback(() => order.push(i));
          });
          if (i % 100 === 0) yield* sleep(0);
        }
        log.push('spawned');
      });
      clock.advance(10);
      expect([order.length, log]).toEqual([4 * N, ['spawned']]);
      const slept = order.slice(2 * N);
      const expected = [0, 1, 2].flatMap((rest) => {
        const those = Array.from({ length: N }, (_, i) => i).filter((i) => i % 3 === rest);
        // Those of one group wake in one timer phase, and their callbacks follow.
        return [...those, ...those];
      });
      expect(new Set(slept).size).toBe(N);
      expect(slept.filter((i) => i % 3 === 0).slice(0, 20)).toEqual(expected.slice(0, 20));
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('callbacks', () => {
    test('pending until they run, active until they have run, and then without function and arguments', () => {
      const { hub, clock, trace, log } = world(core);
      const state = () =>
        [callback.pending, callback.active, callback.callback === null, callback.args].map(String).join();
      const callback = hub.loop.runCallback((...args: unknown[]) => trace(state(), args.join()), 1, 2);
      expect(state()).toBe('true,true,false,1,2');
      clock.advance();
      expect(log).toEqual(['false,true,true,1,2 1,2']);
      expect(state()).toBe('false,false,true,null');
      expect(String(callback)).toBe('<callback stopped>');
      callback.stop();
    });

    test.each(['stop', 'close'] as const)('%s() takes one back, from outside or from a callback before it', (how) => {
      const { hub, clock, trace, log } = world(core);
      const callbacks = ['a', 'b', 'c', 'd'].map((name) => hub.runCallback(trace, name));
      callbacks[1][how]();
      callbacks[1][how]();
      expect([callbacks[1].pending, callbacks[1].active]).toEqual([false, false]);
      hub.runCallback(() => {
        trace('stopper');
        last[how]();
      });
      const last = hub.runCallback(trace, 'last');
      hub.runCallback(trace, 'end');
      callbacks[3][how]();
      clock.advance();
      expect(log).toEqual(['a', 'c', 'stopper', 'end']);
      expect(leftIn(hub)).toEqual({});
    });

    test('what is no function is refused where it is given, unlike in gevent, and queues nothing', () => {
      const { hub, clock, trace, log } = world(core);
      expect(() => hub.runCallback(42 as any, 'x')).toThrow(TypeError);
      hub.runCallback(trace, 'goes on');
      clock.advance();
      expect(log).toEqual(['goes on']);
    });

    test('each keeps the loop going until it has run', async () => {
      const { hub, clock, trace, log } = world(core);
      hub.runCallback(trace, 'ran');
      const join = hub.join().then(() => trace('joined'));
      await clock.advanceAsync();
      await join;
      expect(log).toEqual(['ran', 'joined']);
    });

    test('nothing may block in one', () => {
      const { hub, clock, log, reported } = world(core);
      const target = new Greenlet(sleeper);
      const waiter = new Waiter();
      for (const op of [
        () => sleep(0),
        () => sleep(1),
        () => target.join(),
        () => target.get({ timeout: 1 }),
        () => joinall([target]),
        () => iwait([target]).next(),
        () => waiter.get(),
        () => until(new Promise(() => {})),
        () => hub.join(),
      ]) {
        hub.runCallback(() => log.push(told(thrownBy(() => (op() as any)[Symbol.iterator]().next()))));
        hub.runCallback(function* () {
          yield* op();
        } as any);
      }
      clock.advance();
      const text =
        /^BlockingSwitchOutError \[GEVENT_SWITCH_IN_HUB\]: Impossible to call blocking function in the event loop callback/;
      expect(log).toEqual(Array(9).fill(expect.stringMatching(text)));
      expect(reported()).toEqual(Array(9).fill(expect.stringContaining('failed with BlockingSwitchOutError')));
      expect(leftIn(hub)).toEqual({});
    });

    test('an operation that is awaited in one by then() is refused as well', async () => {
      const { hub, clock } = world(core);
      const outcomes: Promise<string>[] = [];
      hub.runCallback(() => {
        outcomes.push(sleep(1).then(() => 'slept', told) as unknown as Promise<string>);
      });
      clock.advance();
      expect(await outcomes[0]).toContain('GEVENT_SWITCH_IN_HUB');
      expect(leftIn(hub)).toEqual({});
    });

    test('what does not have to wait is allowed', () => {
      const { hub, clock, trace, log } = world(core);
      const dead = spawn(() => 'value');
      clock.advance();
      hub.runCallback(() => {
        trace((dead.get() as any)[Symbol.iterator]().next === undefined);
        spawn(trace, 'spawned');
        dead.kill();
      });
      clock.advance();
      expect(log).toEqual([false, 'spawned']);
    });
  });

  describe('timers', () => {
    test('once: called in the hub, with its arguments; before that active, afterwards without function', () => {
      const { hub, clock, trace, log } = world(core);
      const timer = hub.loop.timer(1.5);
      expect([timer.active, timer.pending, timer.ref, timer.priority]).toEqual([false, false, true, 0]);
      timer.start(
        (...args: unknown[]) => trace(clock.seconds, args.join(), getcurrent() === hub, timer.active),
        'x',
        'y',
      );
      expect(timer.active).toBe(true);
      clock.advance(10);
      expect(log).toEqual(['1.5 x,y true false']);
      expect([timer.active, timer.callback, timer.args]).toEqual([false, null, []]);
      timer.start(trace, 'again');
      clock.advance(1.5);
      expect(log.slice(1)).toEqual(['again']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a negative time is now', () => {
      const { hub, clock, trace, log } = world(core);
      hub.loop.timer(-3).start(trace, 'now');
      clock.advance();
      expect(log).toEqual(['now']);
    });

    test('repeat: again and again until it is stopped, also from within', () => {
      const { hub, clock, log } = world(core);
      const timer = hub.loop.timer(1, 0.5);
      timer.start(() => {
        log.push(clock.seconds);
        if (log.length === 4) timer.stop();
      });
      clock.advance(10);
      expect(log).toEqual([1, 1.5, 2, 2.5]);
      expect([timer.active, leftIn(hub)]).toEqual([false, {}]);
    });

    test('again() arms for the repeat, from now; without a repeat it only stops', () => {
      const { hub, clock, log } = world(core);
      const timer = hub.loop.timer(10, 2);
      timer.start(() => log.push('not this'));
      clock.advance(1);
      timer.again((name: string) => log.push(`${name} ${clock.seconds}`), 'tick');
      clock.advance(4);
      expect(log).toEqual(['tick 3', 'tick 5']);
      timer.close();
      const once = hub.loop.timer(1);
      once.start(() => log.push('never'));
      once.again(() => log.push('never'));
      expect([once.active, once.callback]).toEqual([false, null]);
      clock.advance(5);
      expect([log.length, leftIn(hub)]).toEqual([2, {}]);
    });

    test('start() of an active one begins anew', () => {
      const { hub, clock, log } = world(core);
      const timer = hub.loop.timer(2);
      timer.start(() => log.push('old'));
      clock.advance(1);
      timer.start(() => log.push(`new at ${clock.seconds}`));
      clock.advance(9);
      expect([log, leftIn(hub)]).toEqual([['new at 3'], {}]);
    });

    test('stop() is harmless at any time, close() final, and using closes', () => {
      const { hub, clock, trace, log } = world(core);
      const timer = hub.loop.timer(1);
      timer.stop();
      timer.start(trace, 'never');
      timer.stop();
      timer.stop();
      timer.start(trace, 'never');
      timer.close();
      timer.close();
      const closed = 'GeventError [GEVENT_WATCHER_CLOSED]: <timer priority=normal>: this watcher is closed';
      expect(thrown(() => timer.start(trace))).toBe(closed);
      expect(thrown(() => timer.again(trace))).toBe(closed);
      {
        using held = hub.loop.timer(1);
        held.start(trace, 'never');
      }
      clock.advance(5);
      expect([log, leftIn(hub)]).toEqual([[], {}]);
    });

    test('a callback that raises is reported as the timer’s; the loop and its repeats go on', () => {
      const { hub, clock, log, reported } = world(core);
      const timer = hub.loop.timer(1, 1, { priority: 1 });
      timer.start(function tick() {
        log.push(clock.seconds);
        throw new Error('tick');
      });
      hub.loop.timer(1.5).start(() => {
        throw new GreenletExit();
      });
      clock.advance(2);
      timer.close();
      expect(log).toEqual([1, 2]);
      expect(reported()).toEqual(
        Array(2).fill('Error: tick | <timer priority=high active callback=tick> failed with Error'),
      );
    });

    test('ref says whether it keeps the loop going, also when it changes while active', async () => {
      const { hub, clock, trace, log } = world(core);
      const a = hub.loop.timer(5, 0, { ref: false });
      const b = hub.loop.timer(6);
      a.start(trace, 'a');
      b.start(trace, 'b');
      expect(hub.quiescent()).toBe(false);
      b.ref = false;
      b.ref = false;
      expect(hub.quiescent()).toBe(true);
      a.ref = true;
      expect(hub.quiescent()).toBe(false);
      a.ref = false;
      const join = hub.join().then(() => trace('joined at', clock.seconds));
      await clock.advanceAsync(7);
      await join;
      expect(log).toEqual(['joined at 0', 'a', 'b']);
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, {}]);
    });

    test('priority is settled while it is inactive, between -2 and 2', () => {
      const { hub, clock, trace, log } = world(core);
      const timer = hub.loop.timer(1);
      timer.priority = 2;
      hub.loop.timer(1, 0, { priority: null }).start(trace, 'normal');
      timer.start(trace, 'highest');
      expect(thrown(() => (timer.priority = 1))).toBe(
        'GeventError [GEVENT_WATCHER_ACTIVE]: cannot set the priority of an active watcher',
      );
      for (const wrong of [3, -3, 0.5, 'x']) {
        expect(thrown(() => hub.loop.timer(1, 0, { priority: wrong as number }))).toContain(
          'RangeError: priority: expected an integer from -2 to 2, got ',
        );
      }
      clock.advance(1);
      expect(log).toEqual(['highest', 'normal']);
    });

    test('bad arguments are refused with the value', () => {
      const { hub } = world(core);
      expect(thrown(() => hub.loop.timer(1, -1))).toBe('RangeError: timer(repeat): expected 0 or more seconds, got -1');
      expect(thrown(() => hub.loop.timer('x' as any))).toBe(
        'TypeError: timer(after): expected a number of seconds or a Temporal.Duration, got "x"',
      );
      expect(thrown(() => hub.loop.timer(Number.NaN))).toBe(
        'RangeError: timer(after): expected a number of seconds, got NaN',
      );
      expect(thrown(() => hub.loop.timer(1).start(1 as any))).toBe(
        'TypeError: timer priority=normal.start(callback): expected a function, got 1',
      );
      expect(thrown(() => hub.loop.timer(1, 1).again(null as any))).toBe(
        'TypeError: timer.again(callback): expected a function, got null',
      );
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('other watchers', () => {
    test('async: called once for the sends before it runs, from wherever they came', () => {
      const { hub, clock, trace, log } = world(core);
      const watcher = hub.loop.async();
      watcher.send();
      watcher.start((word: string) => trace(word, getcurrent() === hub), 'sent');
      expect([watcher.active, watcher.pending]).toEqual([true, false]);
      watcher.send();
      watcher.send();
      watcher.sendIgnoringArg('ignored');
      expect(watcher.pending).toBe(true);
      spawn(() => watcher.send());
      clock.advance();
      expect(log).toEqual(['sent true', 'sent true']);
      watcher.send();
      watcher.stop();
      watcher.send();
      clock.advance();
      expect(log).toHaveLength(2);
      watcher.close();
      expect([watcher.active, leftIn(hub)]).toEqual([false, {}]);
    });

    test('prepare, check and idle: before, after, and when nothing is left to do', () => {
      const { hub, clock, trace, log } = world(core);
      const prepare = hub.loop.prepare();
      const check = hub.loop.check();
      const idle = hub.loop.idle();
      const watcher = hub.loop.async();
      prepare.start(trace, 'prepare');
      check.start(trace, 'check');
      idle.start(() => {
        trace('idle');
        for (const each of [prepare, check, idle, watcher]) each.close();
      });
      watcher.start(trace, 'async');
      watcher.send();
      hub.loop.timer(0).start(trace, 'timer');
      hub.runCallback(trace, 'callback');
      clock.advance();
      expect(log).toEqual(['prepare', 'async', 'callback', 'timer', 'check', 'idle']);
      expect(leftIn(hub)).toEqual({});
    });

    test('those of higher priority are called first, and one may stop another', () => {
      const { hub, clock, trace, log } = world(core);
      const watchers = [-2, 1, 0, 2].map((priority) => {
        const watcher = hub.loop.prepare({ priority });
        watcher.start(() => {
          trace(priority);
          if (priority === 1) watchers[0].stop();
        });
        return watcher;
      });
      clock.advance();
      expect(log).toEqual([2, 1, 0]);
      for (const watcher of watchers) watcher.close();
    });

    test('what an idle watcher makes ready runs in the same advance, and idle comes again behind it', () => {
      const { hub, clock, trace, log } = world(core);
      const idle = hub.loop.idle();
      let times = 0;
      idle.start(() => {
        trace('idle', ++times);
        if (times === 3) idle.close();
        else spawn(trace, 'spawned');
      });
      spawn(trace, 'first');
      clock.advance();
      expect(log).toEqual(['first', 'idle 1', 'spawned', 'idle 2', 'spawned', 'idle 3']);
    });

    test('errors in them are reported with the watcher', () => {
      const { hub, clock, reported } = world(core);
      const made = [hub.loop.prepare(), hub.loop.check(), hub.loop.async()];
      for (const watcher of made) {
        watcher.start(function fail() {
          throw new Error('x');
        });
      }
      made[2].close();
      const watcher = hub.loop.async();
      watcher.start(function sent() {
        watcher.close();
        throw new Error('y');
      });
      watcher.send();
      clock.advance();
      expect(reported()).toEqual([
        'Error: x | <prepare active callback=fail> failed with Error',
        'Error: y | <async> failed with Error',
        'Error: x | <check active callback=fail> failed with Error',
      ]);
      for (const each of made) each.close();
    });

    test('loop: counts, clock and references', () => {
      const { hub, clock } = world(core);
      const { loop } = hub;
      expect([loop.backend, loop.default, loop.MAXPRI, loop.MINPRI]).toEqual([core, false, 2, -2]);
      expect([loop.pendingcnt, loop.activecnt]).toEqual([0, 0]);
      hub.runCallback(() => {});
      loop.timer(5).start(() => {});
      loop.ref();
      expect([loop.pendingcnt, loop.activecnt, hub.quiescent()]).toEqual([1, 2, false]);
      clock.advance(10);
      expect([loop.pendingcnt, loop.activecnt, hub.quiescent()]).toEqual([0, 1, false]);
      loop.unref();
      expect([loop.activecnt, hub.quiescent()]).toEqual([0, true]);
      expect(thrown(() => loop.unref())).toBe('GeventError [GEVENT_LOOP_UNREF]: loop.unref() without a matching ref()');
      expect(loop.now()).toBe(10);
    });
  });

  describe('where errors go', () => {
    /** Main waits, and tells what it was woken by. */
    const inMain = () => sleep(50).then(() => 'slept', told) as unknown as Promise<string>;
    const failing = (error: unknown) =>
      function fail(..._args: unknown[]) {
        throw error;
      };

    test('the failure of a greenlet: stored, reported with the greenlet, and nothing else', async () => {
      const { clock, reported } = world(core);
      const error = new Error('x');
      const main = inMain();
      const g = spawn(failing(error), 'argument');
      await clock.advanceAsync(50);
      expect([g.exception === error, await main]).toEqual([true, 'slept']);
      expect(reported()).toEqual(['Error: x | <Greenlet "Greenlet-1": fail("argument")> failed with Error']);
    });

    test('a callback, a timer, a raw greenlet: reported, main and other sleepers unharmed', async () => {
      const { hub, clock, reported } = world(core);
      const main = inMain();
      const other = spawn(sleeper, 10, 'unharmed');
      hub.runCallback(failing(new Error('callback')), 1);
      hub.loop.timer(1).start(failing(new Error('timer')));
      spawnRaw(failing(new Error('raw')));
      await clock.advanceAsync(50);
      expect([other.value, await main]).toEqual(['unharmed', 'slept']);
      expect(reported()).toEqual([
        'Error: callback | <callback fail args=(1)> failed with Error',
        expect.stringMatching(/^Error: raw \| <.*> failed with Error$/),
        'Error: timer | <timer priority=normal> failed with Error',
      ]);
    });

    test('item 20: SystemExit in a greenlet is raised in main and stored, not reported', async () => {
      const { clock } = world(core);
      const exit = new SystemExit(3);
      const main = inMain();
      const g = spawn(failing(exit));
      await clock.advanceAsync();
      expect(await main).toBe('SystemExit [GEVENT_SYSTEM_EXIT]: 3');
      expect([g.exception === exit, g.successful()]).toEqual([true, false]);
    });

    test('KeyboardInterrupt is raised in main, stored and reported', async () => {
      const { hub, clock, reported } = world(core);
      const main = inMain();
      const g = spawn(failing(new KeyboardInterrupt()));
      await clock.advanceAsync();
      expect(await main).toBe('KeyboardInterrupt [GEVENT_KEYBOARD_INTERRUPT]: ');
      expect(g.exception).toBeInstanceOf(KeyboardInterrupt);
      expect(reported()).toEqual(['KeyboardInterrupt | <Greenlet "Greenlet-1": fail()> failed with KeyboardInterrupt']);
      expect(leftIn(hub)).toEqual({});
    });

    test('GreenletExit says nothing, wherever it comes from', async () => {
      const { hub, clock } = world(core);
      const main = inMain();
      hub.runCallback(failing(new GreenletExit()));
      hub.loop.timer(1).start(failing(new GreenletExit()));
      spawn(failing(new GreenletExit()));
      spawnRaw(failing(new GreenletExit()));
      await clock.advanceAsync(50);
      expect(await main).toBe('slept');
    });

    test('without a context an error is main’s: in its oldest operation, or else the platform’s', async () => {
      const { hub, platform } = onPlatform(core);
      const { clock, hub: simulated, reported } = world(core);
      const [oldest, second] = [inMain(), inMain()];
      await clock.advanceAsync();
      simulated.handleError(null, new RangeError('nobody’s'));
      expect(await oldest).toBe('RangeError: nobody’s');
      await clock.advanceAsync(50);
      expect([await second, reported()]).toEqual(['slept', ['RangeError: nobody’s | ']]);
      const error = new Error('to the platform');
      hub.handleSystemError(error);
      expect(platform.errors).toEqual([error]);
    });

    test('NOT_ERROR and SYSTEM_ERROR may be extended per hub', async () => {
      const { hub, clock, reported } = world(core);
      class Expected extends Error {}
      class Grave extends Error {}
      hub.NOT_ERROR = [...hub.NOT_ERROR, Expected];
      hub.SYSTEM_ERROR.push(Grave);
      const main = inMain();
      const expected = spawn(failing(new Expected('quiet')));
      hub.runCallback(failing(new Grave('to main')));
      await clock.advanceAsync();
      expect([told(expected.exception), await main]).toEqual(['Error: quiet', 'Error: to main']);
      expect(reported()).toEqual(['Error: to main | <callback fail args=()> failed with Error']);
      expect(createHub({ core }).SYSTEM_ERROR).not.toContain(Grave);
    });

    test('handleError may be replaced by assignment', () => {
      const { hub, clock, log } = world(core);
      const error = new Error('x');
      hub.handleError = (context, e) => log.push(`${context}: ${e === error}`);
      const g = spawn(failing(error));
      hub.runCallback(failing(error));
      clock.advance();
      expect(log).toEqual(['<Greenlet "Greenlet-0": fail()>: true', '<callback fail args=()>: true']);
      expect(g.exception).toBe(error);
    });

    test('one that itself fails is reported, the first error stays stored, and the loop goes on', () => {
      const { hub, clock, trace, log, reported } = world(core);
      hub.handleError = () => {
        throw new Error('in the handler');
      };
      const g = spawn(failing(new Error('first')));
      hub.runCallback(failing(new Error('second')));
      spawn(function* () {
        yield* sleep(1);
        trace('goes on');
      });
      clock.advance(1);
      expect([told(g.exception), log]).toEqual(['Error: first', ['goes on']]);
      expect(reported()).toHaveLength(2);
    });

    test('a stream that fails does not take the loop with it, and without a stream nothing is written', () => {
      const { hub, clock, trace, log } = world(core);
      hub.exceptionStream = {
        write() {
          throw new Error('disk full');
        },
      };
      spawn(failing(new Error('x')));
      spawn(trace, 'goes on');
      clock.advance();
      hub.exceptionStream = null;
      spawn(failing(new Error('x')));
      spawn(trace, 'goes on');
      clock.advance();
      expect(log).toEqual(['goes on', 'goes on']);
    });

    test('a report is the stack, then when, what and how; what is no Error is told, too', () => {
      const { hub, reports } = world(core);
      const error = new TypeError('no');
      hub.printException('what', error);
      hub.printException(undefined, { some: 'object' });
      hub.printException(['a', failing(1)], 'text');
      const [first, second, third] = reports.splice(0);
      expect(first).toMatch(/^TypeError: no\n( {4}at .*\n)+\d{4}-\d\d-\d\dT[\d:.]+Z what failed with TypeError\n\n$/);
      expect(inOneLine(second)).toBe('thrown: [object Object] | ');
      expect(inOneLine(third)).toBe('thrown: text | (a, <function fail>) failed with string');
    });

    test('config.formatContext writes the context', () => {
      const { hub, clock, reported } = world(core);
      const before = config.formatContext;
      config.formatContext = (context) => `[[${(context as object).constructor.name}]]`;
      onTestFinished(() => {
        config.formatContext = before;
      });
      hub.runCallback(failing(new Error('x')));
      clock.advance();
      expect(reported()).toEqual(['Error: x | [[Callback]] failed with Error']);
    });
  });

  describe('LoopExit', () => {
    test('main waits for what can never come: it is told who waits on what, and those are left as they are', async () => {
      const { hub, clock } = world(core);
      const never = new Greenlet(sleeper);
      const g = spawn(function* stuck() {
        yield* never.join();
      });
      g.name = 'stuck';
      const raw = spawnRaw(function* () {
        yield* g.get();
      });
      const async = spawn(async function asyncly() {
        await never.get();
      });
      async.name = 'async';
      let error: unknown;
      const main = g.join().then(undefined, (e) => {
        error = e;
      });
      await clock.advanceAsync();
      await main;
      expect(error).toBeInstanceOf(LoopExit);
      const exit = error as LoopExit;
      expect([(exit as any).code, exit.hub === hub]).toEqual(['GEVENT_LOOP_EXIT', true]);
      const [head, ...lines] = exit.message.split('\n');
      expect(head).toBe('This operation would block forever: 4 waiting, no timer armed');
      expect(lines.sort()).toEqual(
        [
          `  ${async} in get of ${never}`,
          `  ${raw} in join of ${g}`,
          `  ${g} in join of ${never}`,
          `  main in join of ${g}`,
        ].sort(),
      );
      expect([g.active, raw.dead, async.active]).toEqual([true, false, true]);
    });

    test('the hub survives: what waited goes on when somebody wakes it, and main may wait again', async () => {
      const { clock } = world(core);
      const never = new Greenlet(() => 'after all');
      const g = spawn(function* (): Body {
        return yield* never.get();
      });
      const first = g.get().then(undefined, told);
      await clock.advanceAsync();
      expect(await first).toContain('GEVENT_LOOP_EXIT');
      never.start();
      expect(await g.get()).toBe('after all');
    });

    test('it rejects all that main waits for', async () => {
      const { clock } = world(core);
      const never = new Greenlet(sleeper);
      const all = [never.join(), never.get(), new Waiter().get(), joinall([never])].map((op) =>
        (op as PromiseLike<unknown>).then(() => 'done', told),
      );
      await clock.advanceAsync();
      for (const outcome of await Promise.all(all)) expect(outcome).toContain('LoopExit [GEVENT_LOOP_EXIT]');
    });

    test.each([
      ['a sleep without ref', () => void sleep(5, { ref: false }).then(undefined, () => {})],
      ['a Timeout without ref', () => void spawn(() => void Timeout.startNew(5, null, { ref: false }))],
      ['a sleep without end', () => void spawn(sleeper, Number.POSITIVE_INFINITY)],
      [
        'a timer without ref',
        () =>
          void getHub()
            .loop.timer(5, 5, { ref: false })
            .start(() => {}),
      ],
    ])('%s does not prevent it', async (_, arm) => {
      const { clock } = world(core);
      arm();
      let outcome = 'still waits';
      new Greenlet(sleeper).join().then(undefined, (error) => {
        outcome = told(error);
      });
      await clock.advanceAsync();
      await clock.advanceAsync();
      expect(outcome).toContain('This operation would block forever');
    });

    test.each([
      ['a sleeper', () => void spawn(sleeper, 5)],
      ['a promise that somebody waits for', () => void spawn(() => until(new Promise(() => {})) as any)],
      ['an async body in a foreign await', () => void spawn(() => new Promise(() => {}))],
      [
        'an active async watcher',
        () =>
          getHub()
            .loop.async()
            .start(() => {}),
      ],
      ['a reference', () => getHub().loop.ref()],
    ])('%s prevents it', async (_, keep) => {
      const { clock } = world(core);
      keep();
      let outcome = 'still waits';
      new Greenlet(sleeper).join().then(undefined, (error) => {
        outcome = told(error);
      });
      await clock.advanceAsync();
      await clock.advanceAsync();
      expect(outcome).toBe('still waits');
      kill(getHub().main, new RangeError('enough'));
      await clock.advanceAsync();
      expect(outcome).toBe('RangeError: enough');
    });

    test('with many who wait the text stops at fifty', async () => {
      const { clock } = world(core);
      const never = new Greenlet(sleeper);
      for (let i = 0; i < 60; i++) spawn(() => never.join() as any);
      const main = never.join().then(undefined, (e) => (e as Error).message.split('\n'));
      await clock.advanceAsync();
      const lines = (await main) as string[];
      expect([lines.length, lines[0], lines.at(-1)]).toEqual([
        52,
        'This operation would block forever: 61 waiting, no timer armed',
        '  and 11 more',
      ]);
    });
  });

  test.each([
    ['sleep', () => void spawn(() => sleep(Infinity, { ref: false }) as any)],
    [
      'timer',
      () =>
        getHub()
          .loop.timer(Infinity, 0, { ref: false })
          .start(() => {}),
    ],
    [
      'repeat',
      () =>
        getHub()
          .loop.timer(0, Infinity, { ref: false })
          .start(() => {}),
    ],
    ['Timeout', () => void spawn(() => void Timeout.startNew(Infinity, null, { ref: false }))],
    [
      'hub.join',
      () =>
        void getHub()
          .join({ timeout: Infinity })
          .then(() => {}),
    ],
  ])('an endless %s arms nothing, and does not count against what does', async (_, arm) => {
    const { hub, clock, trace, log } = world(core);
    arm();
    await clock.advanceAsync();
    expect(hub.unrefTimers).toBe(0);
    spawn(sleeper, 2);
    hub.join().then((all) => trace(all, 'at', clock.seconds));
    await clock.advanceAsync(5);
    expect(log).toEqual(['true at 2']);
  });

  describe('hub.join', () => {
    test('true when nothing is left, at once if that is so, and again and again', async () => {
      const { hub, clock, trace, log } = world(core);
      expect(await hub.join()).toBe(true);
      expect(await hub.join({ timeout: 5 })).toBe(true);
      spawn(sleeper, 2);
      spawn(function* () {
        yield* sleep(1);
        spawn(sleeper, 2);
      });
      const join = hub.join().then((all) => trace(all, clock.seconds));
      await clock.advanceAsync(5);
      await join;
      expect(log).toEqual(['true 3']);
      spawn(trace, 'usable afterwards');
      expect(await hub.join()).toBe(true);
      expect(log.at(-1)).toBe('usable afterwards');
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, {}]);
    });

    test('false when the time is over first; 0 only looks', async () => {
      const { hub, clock, trace, log } = world(core);
      spawn(sleeper, 10);
      for (const timeout of [2, 0, null, 20]) {
        hub.join({ timeout }).then((all) => trace(timeout, all, clock.seconds));
      }
      await clock.advanceAsync(30);
      expect(log).toEqual(['0 false 0', '2 false 2', 'null true 10', '20 true 10']);
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, {}]);
    });

    test('greenlets that wait for ever do not hold it', async () => {
      const { hub, clock } = world(core);
      const g = spawn(function* () {
        yield* new Greenlet(sleeper).join();
      });
      const join = hub.join();
      const outcome = join.then((all) => all);
      await clock.advanceAsync();
      expect([await outcome, g.active]).toEqual([true, true]);
    });

    test.each([
      [
        'generator',
        () =>
          spawn(function* (): Body {
            return yield* getHub().join();
          }),
      ],
      ['async', () => spawn(async () => await getHub().join())],
    ])('%s bodies may not', async (_, start) => {
      const { hub, clock, reported } = world(core);
      const g = start();
      await clock.advanceAsync();
      expect(told(g.exception)).toBe(
        'GeventError [GEVENT_MAIN_ONLY]: hub.join(): only possible from the MAIN greenlet',
      );
      expect(reported()).toHaveLength(1);
      expect(leftIn(hub)).toEqual({});
    });

    test('an error that is raised in main ends the wait, and leaves nothing', async () => {
      const { hub, clock } = world(core);
      spawn(sleeper, 10);
      const join = rejected(hub.join({ timeout: 5 }));
      await clock.advanceAsync(1);
      kill(hub.main, new RangeError('enough'));
      await clock.advanceAsync(1);
      expect(await join).toBe('RangeError: enough');
      expect([hub.unrefTimers, leftIn(hub)]).toEqual([0, { slots: 1, greenlets: 1, timers: 1 }]);
    });

    test('bad seconds are refused', () => {
      const { hub } = world(core);
      expect(thrown(() => hub.join({ timeout: -1 }))).toBe(
        'RangeError: hub.join(timeout): expected 0 or more seconds, got -1',
      );
    });
  });

  describe('Waiter', () => {
    test('a value that comes first is kept, and given as often as it is asked for', async () => {
      const { hub } = world(core);
      const waiter = new Waiter<string>();
      expect([waiter.ready(), waiter.successful(), waiter.excInfo, waiter.hub === hub]).toEqual([
        false,
        false,
        undefined,
        true,
      ]);
      waiter.switch('value');
      expect([waiter.ready(), waiter.successful()]).toEqual([true, true]);
      expect([await waiter.get(), await waiter.get()]).toEqual(['value', 'value']);
      waiter.clear();
      expect(waiter.ready()).toBe(false);
      waiter.switchArgs(1, 2);
      expect(await waiter.get()).toEqual([1, 2]);
      const error = new RangeError('x');
      waiter.throw(error);
      expect([waiter.successful(), waiter.excInfo]).toEqual([false, [RangeError, error]]);
      expect(await rejected(waiter.get())).toBe('RangeError: x');
      expect(leftIn(hub)).toEqual({});
    });

    test('get() parks until a callback hands something over; that one runs next', () => {
      const { hub, clock, trace, log } = world(core);
      const [good, bad] = [new Waiter<string>(), new Waiter()];
      spawn(function* () {
        trace(yield* good.get());
        try {
          yield* bad.get();
        } catch (error) {
          trace(told(error));
        }
      });
      clock.advance();
      hub.runCallback(() => {
        good.switch('value');
        trace('handed over');
      });
      hub.runCallback(() => {
        trace('next');
        bad.throw(new Error('x'));
      });
      hub.runCallback(trace, 'last');
      clock.advance();
      expect(log).toEqual(['handed over', 'value', 'next', 'Error: x', 'last']);
      expect(leftIn(hub)).toEqual({});
    });

    test('two cannot wait at once, and nobody clears it under a waiter', () => {
      const { clock, trace, log } = world(core);
      const waiter = new Waiter();
      spawn(function* () {
        trace('first', yield* waiter.get());
      });
      spawn(function* () {
        try {
          yield* waiter.get();
        } catch (error) {
          trace(error instanceof ConcurrentObjectUseError, (error as Error).message);
        }
        trace(thrown(() => waiter.clear()));
      });
      clock.advance();
      getHub().runCallback(() => waiter.switch('value'));
      clock.advance();
      expect(log).toEqual([
        'true This Waiter is already used by another greenlet: two get() at once',
        'GeventError [GEVENT_CONCURRENT_USE]: Waiter.clear(): a greenlet waits on it',
        'first value',
      ]);
    });

    test('a greenlet may not hand over to one that waits', () => {
      const { clock, trace, log } = world(core);
      const waiter = new Waiter();
      const g = spawn(sleeperOn(waiter));
      spawn(() => trace(thrown(() => waiter.switch(1))));
      clock.advance();
      expect(log).toEqual([
        'GeventError [GEVENT_HUB_ONLY]: Waiter: a waiting greenlet can only be switched to from the hub',
      ]);
      expect(g.active).toBe(true);
    });

    test('killed or timed out it is free for the next, who gets what comes', () => {
      const { hub, clock, trace, log } = world(core);
      const waiter = new Waiter();
      const first = spawn(sleeperOn(waiter));
      clock.advance();
      first.kill();
      clock.advance();
      spawn(function* () {
        const timeout = Timeout.startNew(1);
        try {
          yield* waiter.get();
        } catch (error) {
          trace(error === timeout);
        }
        trace(yield* waiter.get());
      });
      clock.advance(2);
      hub.runCallback(() => waiter.switch('value'));
      clock.advance();
      expect([log, leftIn(hub)]).toEqual([[true, 'value'], {}]);
    });

    test('its switch is a link', () => {
      const { clock, trace, log } = world(core);
      const waiter = new Waiter<Greenlet>();
      const g = spawn(sleeper, 1, 'value');
      g.rawlink((source) => waiter.switch(source));
      spawn(function* () {
        trace((yield* waiter.get()).value);
      });
      clock.advance(1);
      expect(log).toEqual(['value']);
    });
  });

  describe('several hubs', () => {
    test('each runs its own, and a turn of one inside a greenlet of another comes back to it', () => {
      const { hub, clock, trace, log } = world(core);
      const { hub: far } = onPlatform(core);
      const inside = far.spawn(function* () {
        trace('far', getHub() === far, getcurrent() === inside);
        yield* sleep(0);
        trace('far again', getHub() === far);
      });
      const g: Greenlet = spawn(function* () {
        far.turn();
        trace('back', getHub() === hub, getcurrent() === g);
        yield* sleep(0);
        trace('mine again', getcurrent() === g);
      });
      clock.advance();
      expect(log).toEqual(['far true true', 'far again true', 'back true true', 'mine again true']);
      expect([leftIn(hub), leftIn(far)]).toEqual([{}, {}]);
    });

    test('a kill from another hub arrives on its own', () => {
      const { hub, clock } = world(core);
      const { hub: far } = onPlatform(core);
      const g = far.spawn(sleeper);
      far.turn();
      spawn(() => void g.kill({ block: false }));
      clock.advance();
      expect(g.dead).toBe(false);
      far.turn();
      expect([g.dead, leftIn(hub), leftIn(far)]).toEqual([true, {}, {}]);
    });
  });

  describe('destroy', () => {
    test('what is pending never runs, a second time is harmless, and getHub() makes another', () => {
      const { hub, clock, trace, log } = world(core);
      hub.runCallback(trace, 'never');
      spawn(trace, 'never');
      hub.loop.timer(0).start(trace, 'never');
      hub.destroy();
      hub.destroy();
      expect(hub.destroyed).toBe(true);
      const next = getHub();
      expect(next === hub).toBe(false);
      next.destroy();
      expect(log).toEqual([]);
      void clock;
    });

    test('its timer and ticks of the platform are off', () => {
      const { hub, platform } = onPlatform(core);
      const seen: unknown[] = [];
      hub.spawn(function* () {
        yield* sleep(1);
        seen.push('woke');
      });
      platform.settle();
      expect(platform.timers).toHaveLength(1);
      hub.runCallback(() => seen.push('ran'));
      hub.destroy();
      expect(platform.timers).toHaveLength(0);
      platform.pass(5000);
      expect(seen).toEqual([]);
    });
  });

  describe('inside the platform’s loop', () => {
    test('at most one timer is armed, for the earliest deadline', () => {
      const { hub, platform } = onPlatform(core);
      const woke: number[] = [];
      for (const seconds of [3, 1, 2]) {
        hub.spawn(function* () {
          yield* sleep(seconds);
          woke.push(seconds, platform.time);
        });
      }
      platform.settle();
      expect(platform.timers.map(({ at }) => at)).toEqual([1000]);
      hub.spawn(sleeper, 0.5);
      platform.settle();
      expect(platform.timers.map(({ at }) => at)).toEqual([500]);
      hub.spawn(sleeper, 10);
      platform.settle();
      expect(platform.timers.map(({ at }) => at)).toEqual([500]);
      for (let i = 0; i < 30; i++) platform.pass(100);
      expect(woke).toEqual([1, 1000, 2, 2000, 3, 3000]);
      expect(platform.mostTimers).toBe(1);
      platform.pass(10_000);
      expect([platform.timers, leftIn(hub)]).toEqual([[], {}]);
    });

    test('a platform timer that comes too early only looks again', () => {
      const { hub, platform } = onPlatform(core);
      const g = hub.spawn(sleeper, 1);
      platform.settle();
      const [timer] = platform.timers.splice(0);
      platform.time = 999.5;
      timer.fn();
      platform.settle();
      expect([g.dead, platform.timers.map(({ at }) => at)]).toEqual([false, [1000.5]]);
      platform.pass(1);
      expect(g.dead).toBe(true);
    });

    test('it holds the process only for those that count', () => {
      const { hub, platform } = onPlatform(core);
      const timer = hub.loop.timer(5, 0, { ref: false });
      timer.start(() => {});
      platform.settle();
      expect(platform.timers.map(({ ref }) => ref)).toEqual([false]);
      timer.ref = true;
      platform.settle();
      expect(platform.timers.map(({ ref }) => ref)).toEqual([true]);
      timer.ref = false;
      platform.settle();
      expect(platform.timers.map(({ ref }) => ref)).toEqual([false]);
      hub.spawn(sleeper, 9);
      platform.settle();
      expect(platform.timers.map(({ ref }) => ref)).toEqual([true]);
    });

    test('a tick is asked for once, however much there is', () => {
      const { hub, platform } = onPlatform(core);
      for (let i = 0; i < 100; i++) {
        hub.spawn(sleeper, 1);
        hub.runCallback(() => {});
      }
      expect(platform.soons).toHaveLength(1);
      platform.settle();
      expect(platform.soons).toHaveLength(0);
    });

    test.each(['greenlets', 'callbacks', 'spawns', 'raw switches'])(
      'a flood of %s gives the platform its turn after the switch interval, and timers theirs',
      (what) => {
        const { hub, platform } = onPlatform(core);
        let turns = 0;
        let stop = false;
        const spend = () => {
          platform.time += 0.01;
          if (++turns > 100_000) throw new Error('the platform never had its turn');
          return !stop;
        };
        const again = () => void (spend() && hub.runCallback(again));
        const beget = () => void (spend() && spawn(beget));
        const floods: Record<string, () => void> = {
          greenlets: () => {
            for (let i = 0; i < 3; i++) {
              hub.spawn(function* () {
                while (spend()) yield* sleep(0);
              });
            }
          },
          callbacks: again,
          spawns: () => void hub.spawn(beget),
          'raw switches': () =>
            hub.runCallback(() =>
              spawnRaw(function* () {
                while (spend()) yield* sleep(0);
              }),
            ),
        };
        floods[what]();
        const woke = hub.spawn(sleeper, 0.012);
        const ticks: number[] = [];
        for (let i = 0; i < 4; i++) {
          const before = turns;
          platform.tick();
          ticks.push(turns - before);
        }
        // 5 ms are 500 turns of a hundredth; the clock is looked at once a batch.
        for (const each of ticks) expect(each).toSatisfy((n: number) => n >= 400 && n < 700);
        expect(woke.dead).toBe(true);
        stop = true;
        platform.settle();
        expect(leftIn(hub)).toEqual({});
      },
    );

    test('config.switchInterval says how long that is', () => {
      const { hub, platform } = onPlatform(core);
      config.switchInterval = 0.02;
      onTestFinished(() => {
        config.switchInterval = 0.005;
      });
      let turns = 0;
      const flood = hub.spawn(function* () {
        while (++turns < 100_000) {
          platform.time += 0.01;
          yield* sleep(0);
        }
      });
      platform.tick();
      expect(turns).toSatisfy((n: number) => n >= 1900 && n < 2300);
      flood.kill();
      platform.settle();
    });

    test('time that a body spends computing counts: what it arms afterwards is armed from then', () => {
      const { hub, platform } = onPlatform(core);
      const woke: number[] = [];
      hub.spawn(function* () {
        using _ = Timeout.startNew(10);
        platform.time += 100;
        yield* sleep(0.05);
        woke.push(platform.time);
      });
      hub.spawn(function* () {
        yield* sleep(0.05);
        woke.push(platform.time);
      });
      platform.settle();
      for (let i = 0; i < 30; i++) platform.pass(10);
      expect(woke).toEqual([150, 150]);
    });

    test('and so does the limit of an iwait', () => {
      const { hub, platform } = onPlatform(core);
      let ended = 0;
      hub.spawn(function* () {
        Timeout.startNew(50).cancel();
        platform.time += 100;
        yield* iwait([new Greenlet(sleeper)], { timeout: 0.05 }).next();
        ended = platform.time;
      });
      platform.settle();
      for (let i = 0; i < 30; i++) platform.pass(10);
      expect(ended).toBe(150);
    });

    test('loop.updateNow() reads the clock, loop.now() tells', () => {
      const { hub, platform } = onPlatform(core);
      const seen: number[] = [];
      hub.runCallback(() => {
        hub.loop.updateNow();
        seen.push(hub.loop.now());
        platform.time += 100;
        hub.loop.updateNow();
        seen.push(hub.loop.now());
      });
      platform.settle();
      expect(seen).toEqual([0, 0.1]);
    });

    test('an idle watcher asks for turns, but not at the expense of the platform', () => {
      const { hub, platform } = onPlatform(core);
      let idled = 0;
      const idle = hub.loop.idle();
      hub.spawn(() => {
        idle.start(() => {
          if (++idled === 3) idle.close();
        });
      });
      for (let i = 1; i <= 5; i++) platform.tick();
      expect(idled).toBe(3);
      expect(platform.soons).toHaveLength(0);
    });
  });
});

function thrownBy(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

function sleeperOn(waiter: Waiter): () => Body {
  return function* () {
    yield* waiter.get();
  };
}

describe.each(CORES)('in a process of its own, on the %s core', { timeout: 20_000 }, (core) => {
  const env = { GEVENT_CORE: core };
  const head = `import { createHub, getHub, Greenlet, idle, joinall, sleep, spawn, spawnLater, spawnRaw, until, Timeout } from '#index.ts';
    const say = (...what) => process.stdout.write(what.join(' ') + '\\n');
  `;

  test('LoopExit reaches a top-level await, and the program may go on', async () => {
    const { code, stdout, stderr } = await program(
      `${head}
      const never = new Greenlet(function later() {});
      const g = spawn(function* waits() { yield* never.join(); });
      try { await g.join(); } catch (error) { say(error.code, error.message); }
      never.start();
      await g.join();
      say('woken after all');`,
      env,
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toEqual([
      'GEVENT_LOOP_EXIT This operation would block forever: 2 waiting, no timer armed',
      '  main in join of <Greenlet "Greenlet-0": waits()>',
      expect.stringMatching(/^ {2}<Greenlet "Greenlet-0": waits\(\)> in join of <Greenlet "Greenlet-\d+": later\(\)>$/),
      '  a call that blocks does nothing without yield* or await: GEVENT_DEBUG=1 names those that were left so',
      'woken after all',
    ]);
  });

  test('in debug mode LoopExit names what was never consumed, by main before there was a hub and by who still waits', async () => {
    const { stdout } = await program(
      `${head}
      import { Event } from '#event.ts';
      sleep(0.25);
      const event = new Event();
      spawn(function* sets() { new Event().wait(); yield* event.wait(); });
      try { await event.wait(); } catch (error) { say(error.message); }`,
      { ...env, GEVENT_DEBUG: '1' },
    );
    expect(stdout.filter((line) => !line.startsWith('      at '))).toEqual([
      'This operation would block forever: 2 waiting, no timer armed',
      '  main in Event.wait',
      expect.stringMatching(/^ {2}<Greenlet "Greenlet-\d+": sets\(\)> in Event.wait$/),
      '  sleep(0.25) was made in main and never consumed, so it did nothing; write yield* or await before it',
      expect.stringMatching(/^ {2}Event.wait was made in <Greenlet "Greenlet-\d+": sets\(\)> and never consumed/),
    ]);
  });

  test('in debug mode raw switches that main makes are carried out at once, and not said to be forgotten', async () => {
    const { code, stdout, stderr } = await program(
      `${head} import { greenlet } from '#greenlet.ts';
      const g = new greenlet(function* () { const x = yield* g.parent.switch(1); say(x); });
      g.switch(); g.switch('resumed'); await sleep(0);`,
      { ...env, GEVENT_DEBUG: '1' },
    );
    expect({ code, stdout, stderr: String(stderr) }).toEqual({ code: 0, stdout: ['resumed'], stderr: '' });
  });

  test('in debug mode a program that ends says what main never consumed, and where', async () => {
    const { code, stderr } = await program(`${head} await sleep(0.01); sleep(0.25);`, { ...env, GEVENT_DEBUG: '1' });
    expect(code).toBe(0);
    expect(stderr).toContain('GEVENT_UNCONSUMED: sleep(0.25) was made in main and never consumed');
    expect(stderr.split('\n').filter((line) => line.includes('GEVENT_UNCONSUMED'))).toHaveLength(1);
  });

  test('uncaught it ends the process with its text', async () => {
    const { code, stdout, stderr } = await program(
      `${head} await new Greenlet(() => {}).join(); say('not here');`,
      env,
    );
    expect([code, stdout]).toEqual([1, []]);
    expect(stderr).toContain(
      'LoopExit: This operation would block forever: 1 waiting, no timer armed\n  main in join of',
    );
  });

  test('a foreign handle that lives prevents it; so does a sleeper', async () => {
    const { code, stdout } = await program(
      `${head}
      const never = new Greenlet(() => {});
      setTimeout(() => { say('handle done'); spawn(function* () { yield* sleep(0.05); say('sleeper done'); }); }, 50);
      await never.join().then(undefined, (error) => say(error.code));`,
      env,
    );
    expect([code, stdout]).toEqual([0, ['handle done', 'sleeper done', 'GEVENT_LOOP_EXIT']]);
  });

  test('greenlets that wait for ever without main waiting do not hold the process, and say nothing', async () => {
    const { code, stdout, stderr } = await program(
      `${head}
      spawn(function* () { yield* new Greenlet(() => {}).join(); });
      spawn(function* () { yield* sleep(1000, { ref: false }); });
      spawn(function* () { yield* until(new Promise(() => {})); });
      say('end');`,
      env,
    );
    expect([code, stdout, stderr]).toEqual([0, ['end'], '']);
  });

  test('hub.join() waits for the loop and not for what is the platform’s', async () => {
    const { code, stdout } = await program(
      `${head}
      const handle = setTimeout(() => say('not in time'), 5000);
      spawn(function* () { yield* sleep(0.02); say('slept'); });
      say(await getHub().join({ timeout: 0 }));
      say(await getHub().join());
      clearTimeout(handle);`,
      env,
    );
    expect([code, stdout]).toEqual([0, ['false', 'slept', 'true']]);
  });

  test.each([
    ['generators', 'const f = function* () { while (!over()) yield* sleep(0); }; spawn(f); spawn(f);'],
    ['async bodies', 'const f = async () => { while (!over()) await sleep(0); }; spawn(f); spawn(f);'],
    ['callbacks', 'const f = () => { if (!over()) getHub().runCallback(f); }; f();'],
    ['spawns', 'const f = () => { if (!over()) spawn(f); }; f();'],
    ['main’s own awaits', '(async () => { while (!over()) await sleep(0); })();'],
    ['timers that are due', 'const f = () => { if (!over()) spawnLater(0, f); }; f();'],
    ['joins', 'spawn(function* () { while (!over()) yield* spawn(() => 1).join(); });'],
    ['idle', 'spawn(function* () { while (!over()) yield* idle(); });'],
  ])('a flood of %s lets setImmediate, setTimeout, a file and a sleeper through', async (_, flood) => {
    const { code, stdout, stderr } = await program(
      `${head}
      import { readFile } from 'node:fs';
      const seen = new Set();
      const over = () => seen.size === 5;
      const see = (what) => { seen.add(what); };
      ${flood}
      setImmediate(see, 'immediate');
      setImmediate(() => setImmediate(see, 'another immediate'));
      setTimeout(see, 1, 'timeout');
      readFile(process.execPath + '.nothing', () => see('file'));
      spawn(function* () { yield* sleep(0.001); see('sleeper'); });
      await getHub().join();
      say([...seen].sort().join());`,
      env,
    );
    expect([code, stderr, stdout]).toEqual([0, '', ['another immediate,file,immediate,sleeper,timeout']]);
  });

  test('an error that belongs to nobody ends the process the platform’s way', async () => {
    const { code, stdout, stderr } = await program(
      `${head}
      process.on('uncaughtException', (error) => say('uncaught', error.message));
      getHub().handleError(null, new Error('nobody waits'));
      spawn(function* () { yield* sleep(0.01); say('goes on'); });`,
      env,
    );
    expect([code, stdout]).toEqual([0, ['uncaught nobody waits', 'goes on']]);
    expect(stderr).toContain('Error: nobody waits');
  });

  test('a destroyed hub lets the process go; hubs that come and go leave no listeners', async () => {
    const { code, stdout, stderr } = await program(
      `${head}
      const before = process.listenerCount('beforeExit');
      for (let i = 0; i < 20; i++) {
        spawn(function* () { yield* sleep(1000); });
        getHub().loop.ref();
        getHub().destroy();
      }
      say(process.listenerCount('beforeExit') - before);
      say('end');`,
      env,
    );
    expect([code, stdout, stderr]).toEqual([0, ['0', 'end'], '']);
  });

  test('watchers of signals: by name and number, until stopped, holding the process only if referenced', async () => {
    const { code, stdout, stderr } = await program(
      `${head}
      import { constants } from 'node:os';
      const { loop } = getHub();
      const named = loop.signal('SIGUSR2');
      const numbered = loop.signal(constants.signals.SIGUSR2, { ref: false });
      say(named.active, String(named));
      named.start((word) => {
        say('named', word, getHub().inCallback());
        named.stop();
        say(process.listenerCount('SIGUSR2'));
        numbered.close();
        say(process.listenerCount('SIGUSR2'));
      }, 'argument');
      numbered.start(() => say('numbered'));
      setTimeout(() => process.kill(process.pid, 'SIGUSR2'), 20).unref();`,
      env,
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toEqual(['false <signal SIGUSR2>', 'named argument true', '1', '0']);
  });

  test('an async watcher holds the process while it is active and referenced', async () => {
    const { code, stdout, stderr } = await program(
      `${head}
      const watcher = getHub().loop.async();
      watcher.start(() => { say('sent'); watcher.close(); });
      setTimeout(() => watcher.send(), 20).unref();
      const other = getHub().loop.async({ ref: false });
      other.start(() => {});`,
      env,
    );
    expect([code, stdout, stderr]).toEqual([0, ['sent'], '']);
  });

  test('what is reported goes to standard error', async () => {
    const { code, stdout, stderr } = await program(`${head} spawn(function fail() { throw new Error('x'); });`, env);
    expect([code, stdout]).toEqual([0, []]);
    expect(stderr).toMatch(/^Error: x\n(.*\n)+.*Z <Greenlet "Greenlet-0": fail\(\)> failed with Error\n\n$/);
  });

  test('in debug mode an operation that nobody consumed is told of, with its line', async () => {
    const { code, stderr } = await program(`${head} spawn(function* forgetful() { sleep(1); yield* sleep(0); });`, {
      ...env,
      GEVENT_DEBUG: '1',
    });
    expect(code).toBe(0);
    expect(stderr).toContain(
      'GEVENT_UNCONSUMED: sleep(1) was made in <Greenlet "Greenlet-0": forgetful()> and never consumed',
    );
  });
});

test.each(CORES)(
  'setHub: another hub stands for the thread in main, and a greenlet keeps its own (%s)',
  async (core) => {
    const before = getHub();
    const other = createHub({ core });
    try {
      setHub(other);
      expect(getHub()).toBe(other);
      const g = spawn(function* (): Body {
        yield* sleep(0);
        return getHub();
      });
      setHub(before);
      expect(getHub()).toBe(before);
      setHub(other);
      expect(await g.get()).toBe(other);
      setHub(null);
      expect([before, other]).not.toContain(getHub());
      getHub().destroy();
    } finally {
      setHub(before);
      other.destroy();
    }
    expect(thrown(() => setHub({} as Hub))).toBe(
      'TypeError: setHub(hub): expected a Hub or null, got an object (Object)',
    );
  },
);
