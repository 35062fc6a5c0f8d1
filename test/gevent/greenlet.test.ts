// Greenlet: its states, members, links, deaths and hooks.

import { describe, expect, onTestFinished, test } from 'vitest';
import { config } from '../../ts/config.ts';
import { createPureCore } from '../../ts/core/pure.ts';
import { createWasmCore } from '../../ts/core/wasm-debug.ts';
import {
  call,
  createHub,
  Greenlet,
  GreenletExit,
  getcurrent,
  idle,
  joinall,
  kill,
  killall,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
} from '../../ts/index.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

function* sleeper(seconds = 100): Body {
  yield* sleep(seconds);
}

/** How a greenlet stands, in the order of gevent's table. */
function standing(g: Greenlet<any>) {
  return {
    active: g.active,
    started: g.started,
    dead: g.dead,
    ready: g.ready(),
    successful: g.successful(),
    value: g.value,
    exception: g.exception,
    excInfo: g.excInfo?.slice(0, 2),
  };
}

const unborn = {
  active: false,
  started: false,
  dead: false,
  ready: false,
  successful: false,
  value: undefined,
  exception: undefined,
  excInfo: undefined,
};
const living = { ...unborn, active: true, started: true };
const ended = { ...unborn, dead: true, ready: true };

describe.each(CORES)('on the %s core', (core) => {
  describe('states', () => {
    test('made, queued, suspended and returned: each column of the table', () => {
      const { clock } = world(core);
      let inside: object | undefined;
      const g: Greenlet<number> = new Greenlet(function* (): Body {
        inside = standing(g);
        yield* sleep(1);
        return 7;
      });
      expect(standing(g)).toEqual(unborn);
      g.start();
      expect(standing(g)).toEqual(living);
      clock.advance();
      expect(inside).toEqual(living);
      expect(standing(g)).toEqual(living);
      clock.advance(1);
      expect(standing(g)).toEqual({ ...ended, successful: true, value: 7 });
    });

    test('one that raised has the error, its class and its stack, and no value', () => {
      const { clock, reported } = world(core);
      const error = new RangeError('no');
      const g = spawn(function* fail(): Body {
        throw error;
      });
      clock.advance();
      expect(standing(g)).toEqual({ ...ended, exception: error, excInfo: [RangeError, error] });
      expect(g.excInfo?.[2]).toBe(error.stack);
      expect(reported()).toEqual(['RangeError: no | <Greenlet "Greenlet-0": fail()> failed with RangeError']);
    });

    test('a killed one counts as successful, and its value is the GreenletExit', () => {
      const { clock } = world(core);
      const exit = new GreenletExit('enough');
      const g = spawn(sleeper);
      clock.advance();
      g.kill({ exception: exit });
      expect(standing(g)).toEqual(living);
      clock.advance();
      expect(standing(g)).toEqual({ ...ended, successful: true, value: exit });
      expect(g.value).toBe(exit);
    });

    test('a body may raise GreenletExit itself, and any subclass of it is as silent', () => {
      const { clock } = world(core);
      class Enough extends GreenletExit {}
      const exit = new Enough();
      const g = spawn(() => {
        throw exit;
      });
      clock.advance();
      expect(standing(g)).toEqual({ ...ended, successful: true, value: exit });
    });

    test('a body that throws undefined has failed all the same', async () => {
      const { clock, reported } = world(core);
      const g = spawn(function* (): Body {
        throw undefined;
      });
      clock.advance();
      expect(standing(g)).toEqual({ ...ended, excInfo: [undefined, undefined] });
      expect(reported()).toEqual(['thrown: undefined | <Greenlet "Greenlet-0": anonymous()> failed with undefined']);
      expect(await rejected(g.get())).toBe('no error: undefined');
    });

    test('plain functions are bodies too: they run at their turn and cannot block', () => {
      const { clock, log } = world(core);
      const g = spawn((...args: number[]) => args, 1, 2);
      const other: Greenlet = spawn(() => log.push(getcurrent() === other));
      expect(log).toEqual([]);
      clock.advance();
      expect(g.value).toEqual([1, 2]);
      expect(log).toEqual([true]);
    });

    test('a stack overflow is an error of that greenlet, and the rest goes on', () => {
      const { clock, trace, log, reported } = world(core);
      const deep = (): number => deep() + 1;
      const g = spawn(function* (): Body {
        yield* sleep(0);
        return deep();
      });
      spawn(function* () {
        yield* sleep(1);
        trace('goes on');
      });
      clock.advance(1);
      expect(g.exception).toBeInstanceOf(RangeError);
      expect(log).toEqual(['goes on']);
      expect(reported()).toHaveLength(1);
    });
  });

  describe('the order of ends, as gevent has it', () => {
    test('who kills goes on when the order was carried out, in front of those who joined before', () => {
      const { hub, clock, trace, log } = world(core);
      const victim = spawn(sleeper);
      spawn(function* () {
        yield* victim.join();
        trace('joined');
      });
      victim.rawlink(() => trace('link'));
      spawn(function* () {
        yield* sleep(0);
        yield* victim.kill();
        trace('killed', victim.dead);
        spawn(() => trace('spawned'));
      });
      clock.advance();
      // The link was made before the joiner ran.
      expect(log).toEqual(['killed true', 'link', 'joined', 'spawned']);
      expect(leftIn(hub)).toEqual({});
    });

    test('who kills itself dies behind what was ready', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        spawn(() => trace('other'));
        try {
          yield* (getcurrent() as Greenlet).kill();
        } finally {
          trace('dies');
        }
      });
      clock.advance();
      expect(log).toEqual(['other', 'dies']);
    });

    test('one that is killed while it waits in a kill leaves no row behind', () => {
      const { hub, clock } = world(core);
      const resists = spawn(function* (): Body {
        try {
          yield* sleep(1);
        } finally {
          yield* sleep(1);
        }
      });
      const killer = spawn(function* () {
        yield* resists.kill();
      });
      clock.advance();
      kill(killer);
      clock.advance(3);
      expect([killer.dead, resists.dead, leftIn(hub)]).toEqual([true, true, {}]);
    });

    test('joinall told of the last end, and then again by who goes on from it', () => {
      const { clock, trace, log } = world(core);
      const all = [spawn(sleeper, 0), spawn(sleeper, 0)];
      spawn(function* () {
        yield* joinall(all);
        all[1].rawlink(() => trace('link'));
        spawn(() => trace('spawned'));
      });
      clock.advance();
      expect(log).toEqual(['link', 'spawned']);
    });
  });

  describe('making and starting', () => {
    test('what is no function is refused when it is made, with the value in the message', () => {
      const { hub } = world(core);
      for (const make of [(x: any) => new Greenlet(x), (x: any) => Greenlet.spawn(x)]) {
        expect(thrown(() => make(42))).toBe('TypeError: Greenlet(run): expected a function, got 42');
        expect(thrown(() => make('go'))).toBe('TypeError: Greenlet(run): expected a function, got "go"');
      }
      expect(leftIn(hub)).toEqual({});
    });

    test('without a function it runs _run, which does nothing unless a subclass defines it', () => {
      const { clock } = world(core);
      const g = Greenlet.spawn();
      const other = Greenlet.spawn(null as any, 1);
      clock.advance();
      expect([g.value, g.successful(), other.successful()]).toEqual([undefined, true, true]);
    });

    test('start() counts once: not again while it is queued, running or dead', () => {
      const { clock, trace, log } = world(core);
      const g = new Greenlet(function* () {
        trace('runs');
        g.start();
        yield* sleep(1);
      });
      g.start();
      g.start();
      g.startLater(0.5);
      clock.advance(0.5);
      g.start();
      clock.advance(1);
      g.start();
      clock.advance(1);
      expect(log).toEqual(['runs']);
    });

    test('startLater() queues it by a timer, and start() does not bring it forward', () => {
      const { clock, trace, log } = world(core);
      const g = new Greenlet(() => trace('at', clock.seconds));
      g.startLater(2);
      g.start();
      expect(g.active).toBe(true);
      clock.advance(1.999);
      expect(log).toEqual([]);
      clock.advance(1);
      expect(log).toEqual(['at 2']);
    });

    test('startLater() of 0 or less comes behind everything that is queued now', () => {
      const { clock, trace, log } = world(core);
      Greenlet.spawnLater(0, trace, 'zero');
      Greenlet.spawnLater(-1, trace, 'negative');
      spawn(function* () {
        trace('queued');
        yield* sleep(0);
        trace('yielded');
      });
      clock.advance();
      expect(log).toEqual(['queued', 'yielded', 'zero', 'negative']);
    });

    test('startLater() with what is no number of seconds changes nothing', () => {
      const { hub } = world(core);
      const g = new Greenlet(sleeper);
      expect(thrown(() => g.startLater('1' as any))).toBe(
        'TypeError: startLater(seconds): expected a number of seconds or a Temporal.Duration, got "1"',
      );
      expect(thrown(() => g.startLater(Number.NaN))).toBe(
        'RangeError: startLater(seconds): expected a number of seconds, got NaN',
      );
      expect(standing(g)).toEqual(unborn);
      expect(leftIn(hub)).toEqual({});
    });

    test('a Temporal.Duration is taken for seconds', () => {
      const { clock, trace, log } = world(core);
      Greenlet.spawnLater({ total: (unit) => (unit === 'milliseconds' ? 1500 : Number.NaN) }, trace, 'now');
      clock.advance(1.499);
      expect(log).toEqual([]);
      clock.advance(0.001);
      expect(log).toEqual(['now']);
    });

    test('args are those it is called with, and gone once it has ended or was killed', () => {
      const { clock } = world(core);
      const g = spawn(
        function* (_a: number, _b: string) {
          yield* sleep(1);
        },
        1,
        'two',
      );
      const unstarted = new Greenlet(sleeper, 3);
      expect([g.args, unstarted.args]).toEqual([[1, 'two'], [3]]);
      clock.advance();
      expect(g.args).toEqual([1, 'two']);
      unstarted.kill();
      clock.advance(1);
      expect([g.args, unstarted.args]).toEqual([[], []]);
    });

    test('this is the greenlet in bodies of every kind', async () => {
      const { clock } = world(core);
      const made: Greenlet[] = [
        spawn(function* (this: unknown): Body {
          return this;
        }),
        spawn(function (this: unknown) {
          return this;
        }),
        spawn(async function (this: unknown) {
          await sleep(0);
          return this;
        }),
      ];
      await clock.advanceAsync();
      expect(made.map((g) => g.value === g)).toEqual([true, true, true]);
    });

    test('loop is its hub’s, and its parent is the hub', () => {
      const { hub } = world(core);
      const g = new Greenlet(sleeper);
      expect([g.loop === hub.loop, g.parent === hub]).toEqual([true, true]);
    });

    test('a core without room refuses the start, and goes on', () => {
      const makeCore = {
        wasm: () => createWasmCore({ debug: true, maxSlots: 3 }),
        pure: () => createPureCore({ maxSlots: 3 }),
      };
      const { hub, clock } = world(core, { core: makeCore[core]() });
      const three = [1, 2, 3].map(() => spawn(sleeper, 1));
      const message =
        'GeventError [GEVENT_CORE_FULL]: the core has no room for another greenlet or waiter: 3 are alive';
      const late = new Greenlet(sleeper);
      expect(thrown(() => late.start())).toBe(message);
      expect(thrown(() => late.startLater(1))).toBe(message);
      expect(standing(late)).toEqual(unborn);
      expect(leftIn(hub)).toEqual({ slots: 3, greenlets: 3, ready: 3 });
      clock.advance(1);
      expect(three.every((g) => g.successful())).toBe(true);
      late.start();
      clock.advance(100);
      expect(late.successful()).toBe(true);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('join and get', () => {
    test('join() waits for the end, tells nothing of the failure, and is no switch point afterwards', () => {
      const { clock, trace, log, reported } = world(core);
      const g = spawn(function* () {
        yield* sleep(1);
        throw new Error('its own business');
      });
      spawn(function* () {
        trace('gives', yield* g.join());
        spawn(trace, 'not before the next switch');
        yield* g.join();
        trace('again, at once');
      });
      clock.advance(1);
      expect(log).toEqual(['gives undefined', 'again, at once', 'not before the next switch']);
      expect(reported()).toHaveLength(1);
    });

    test('get() gives the value, or the very same error each time', async () => {
      const { clock, reported } = world(core);
      const error = new Error('once and for all');
      const good = spawn(function* (): Body {
        yield* sleep(1);
        return { some: 'value' };
      });
      const bad = spawn(function* (): Body {
        yield* sleep(1);
        throw error;
      });
      const heard: unknown[] = [];
      spawn(function* () {
        heard.push(yield* good.get(), yield* good.get());
        for (let i = 0; i < 2; i++) {
          try {
            yield* bad.get();
          } catch (e) {
            heard.push(e);
          }
        }
      });
      clock.advance(1);
      expect(heard).toEqual([good.value, good.value, error, error]);
      expect(heard[2] === error && heard[3] === error).toBe(true);
      expect(await good.get()).toBe(good.value);
      expect(await rejected(bad.get())).toBe(told(error));
      expect(reported()).toHaveLength(1);
    });

    test('get() of a killed one gives its GreenletExit instead of raising it', async () => {
      const { clock } = world(core);
      const g = spawn(sleeper);
      g.kill();
      clock.advance();
      expect(await g.get()).toBe(g.value);
      expect(g.value).toBeInstanceOf(GreenletExit);
    });

    test('get({ block: false }) raises a Timeout without text, or gives what there is', async () => {
      const { clock, trace, log } = world(core);
      const g = spawn(function* (): Body {
        yield* sleep(1);
        return 'there';
      });
      spawn(function* () {
        spawn(trace, 'later');
        try {
          yield* g.get({ block: false });
        } catch (error) {
          trace(error instanceof Timeout, (error as Timeout).seconds, `[${(error as Timeout).message}]`);
        }
        yield* g.join();
        trace(yield* g.get({ block: false }));
      });
      clock.advance(1);
      expect(log).toEqual(['true null []', 'later', 'there']);
      expect(await rejected(new Greenlet(sleeper).get({ block: false }))).toBe('Timeout [GEVENT_TIMEOUT]: ');
    });

    test('on time: join just ends and get raises a Timeout of that many seconds; the target lives on', () => {
      const { clock, trace, log, hub } = world(core);
      const g = spawn(sleeper, 10);
      spawn(function* () {
        yield* g.join({ timeout: 1 });
        trace('joined', clock.seconds, g.dead);
        try {
          yield* g.get({ timeout: 1.5 });
        } catch (error) {
          trace(told(error), clock.seconds, g.dead);
        }
      });
      clock.advance(3);
      expect(log).toEqual(['joined 1 false', 'Timeout [GEVENT_TIMEOUT]: 1.5 seconds 2.5 false']);
      expect(leftIn(hub)).toEqual({ slots: 1, greenlets: 1, timers: 1 });
    });

    test('a timeout of 0 polls: what is ready now still comes first', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        const soon = spawn(() => 'soon');
        trace(yield* soon.get({ timeout: 0 }));
        const never = spawn(sleeper);
        trace(yield* never.join({ timeout: 0 }), clock.seconds);
      });
      clock.advance();
      expect(log).toEqual(['soon', 'undefined 0']);
    });

    test('a greenlet that ends in the instant of the timeout was in time for get', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(function* (): Body {
        yield* sleep(1);
        return 'value';
      });
      clock.advance();
      spawn(function* () {
        trace(yield* g.get({ timeout: 1 }));
      });
      clock.advance(1);
      expect(log).toEqual(['value']);
    });

    test('a Timeout as limit: get raises it, or its own exception; join just ends', () => {
      const { clock, trace, log, hub } = world(core);
      const g = spawn(sleeper);
      const plain = new Timeout(1);
      const special = new Timeout(1, new RangeError('special'));
      const byClass = new Timeout(1, SyntaxError);
      spawn(function* () {
        for (const timeout of [plain, special, byClass]) {
          try {
            yield* g.get({ timeout });
          } catch (error) {
            trace(error === plain || (error as Error).name, timeout.pending);
          }
        }
        yield* g.join({ timeout: plain });
        yield* g.join({ timeout: special });
        trace('joined');
        yield* g.get({ timeout: new Timeout(null) });
      });
      clock.advance(5);
      expect(log).toEqual(['true false', 'RangeError false', 'SyntaxError false', 'joined']);
      clock.advance(95);
      expect(leftIn(hub)).toEqual({});
    });

    test('the same for main: the Timeout reaches this wait and no other', async () => {
      const { clock } = world(core);
      const g = spawn(sleeper);
      const timeout = new Timeout(1);
      const get = rejected(g.get({ timeout }));
      const join = g.join({ timeout: new Timeout(2, new RangeError('unheard')) }).then(() => 'joined');
      const later = sleep(3).then(() => 'slept');
      await clock.advanceAsync(3);
      expect(await Promise.all([get, join, later])).toEqual(['Timeout [GEVENT_TIMEOUT]: 1 second', 'joined', 'slept']);
    });

    test('a limit that is no number of seconds is refused at the call', () => {
      const { hub } = world(core);
      const g = new Greenlet(sleeper);
      for (const [wait, where] of [
        ['join', 'timeout'],
        ['get', 'timeout'],
        ['kill', 'kill(timeout)'],
      ] as const) {
        expect(thrown(() => g[wait]({ timeout: -1 }))).toBe(`RangeError: ${where}: expected 0 or more seconds, got -1`);
        expect(thrown(() => g[wait]({ timeout: Number.NaN }))).toBe(
          `RangeError: ${where}: expected a number of seconds, got NaN`,
        );
        expect(thrown(() => g[wait]({ timeout: 'soon' as any }))).toBe(
          `TypeError: ${where}: expected a number of seconds or a Temporal.Duration, got "soon"`,
        );
      }
      expect(leftIn(hub)).toEqual({});
      expect(g.dead, 'a kill with a bad timeout is no kill').toBe(false);
    });

    test('a greenlet cannot wait for itself', () => {
      const { clock, reported } = world(core);
      const g: Greenlet = spawn(function* me(): Body {
        yield* g.join();
      });
      clock.advance();
      expect(told(g.exception)).toBe(
        'GeventError [GEVENT_JOIN_SELF]: <Greenlet "Greenlet-0": me()> cannot wait for itself',
      );
      expect(reported()).toHaveLength(1);
    });

    test('nor for one of another hub', () => {
      const { clock, hub, reported } = world(core);
      const far = createHub({ core });
      const stranger = far.spawn(sleeper);
      const g = spawn(function* (): Body {
        yield* stranger.join();
      });
      clock.advance();
      expect(told(g.exception)).toBe(
        `InvalidThreadUseError [GEVENT_INVALID_THREAD_USE]: ${stranger} belongs to ${far} and cannot be waited for on ${hub}`,
      );
      reported();
      far.destroy();
    });

    test('joining one that was never started blocks until somebody starts it', () => {
      const { clock, trace, log } = world(core);
      const g = new Greenlet(() => 'ran');
      spawn(function* () {
        trace(yield* g.get());
      });
      clock.advance(1000);
      expect(log).toEqual([]);
      g.start();
      clock.advance();
      expect(log).toEqual(['ran']);
    });

    test('a join() is consumed once', async () => {
      const { clock } = world(core);
      const g = spawn(sleeper, 1);
      const join = g.join();
      const first = join.then(() => 'joined');
      expect(await rejected(join)).toBe(
        'OperationError [GEVENT_OPERATION_REUSED]: join of <Greenlet "Greenlet-0": sleeper(1)>: this operation was consumed before; call the function again for another',
      );
      await clock.advanceAsync(1);
      expect(await first).toBe('joined');
    });
  });

  describe('links', () => {
    test('what is no function is refused', () => {
      world(core);
      const g: any = new Greenlet(sleeper);
      for (const link of ['rawlink', 'link', 'linkValue', 'linkException']) {
        expect(thrown(() => g[link](1))).toBe('TypeError: link: expected a function, got 1');
      }
    });

    test('item 8: all run in the order they were made, rawlinks in the hub and the others each in a raw greenlet', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(() => 'value');
      const context = () => {
        const current = getcurrent();
        return current === hub ? 'hub' : current instanceof Greenlet ? 'Greenlet' : current.constructor.name;
      };
      const note = (name: string) => (source: Greenlet) => trace(name, context(), source === g);
      g.link(note('link0'));
      g.link(note('link1'));
      g.link(note('link2'));
      g.rawlink(note('raw'));
      g.linkValue(note('value'));
      g.linkException(note('exception'));
      expect(g.hasLinks()).toBe(6);
      clock.advance();
      expect(log.map((line) => String(line).split(' '))).toMatchObject([
        ['link0', expect.any(String), 'true'],
        ['link1', expect.any(String), 'true'],
        ['link2', expect.any(String), 'true'],
        ['raw', 'hub', 'true'],
        ['value', expect.any(String), 'true'],
      ]);
      expect(log.filter((line) => String(line).includes(' hub '))).toHaveLength(1);
      expect(log.filter((line) => String(line).includes(' Greenlet '))).toHaveLength(0);
      expect([g.hasLinks(), leftIn(hub)]).toEqual([0, {}]);
    });

    test('linkValue runs on success, a kill included; linkException on failure only', () => {
      const { clock, trace, log, reported } = world(core);
      const bodies: Record<string, () => unknown> = {
        returned: () => 1,
        raised: () => {
          throw new Error('x');
        },
        exited: () => {
          throw new GreenletExit();
        },
      };
      for (const [name, body] of Object.entries(bodies)) {
        const g = spawn(body);
        g.linkException(() => trace(name, 'exception'));
        g.linkValue(() => trace(name, 'value'));
      }
      clock.advance();
      expect(log).toEqual(['returned value', 'raised exception', 'exited value']);
      expect(reported()).toHaveLength(1);
    });

    test('item 9: what the dying greenlet spawned runs before its links', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(() => {
        trace('g');
        spawn(trace, 'other');
      });
      g.link(() => trace('link'));
      clock.advance();
      expect(log).toEqual(['g', 'other', 'link']);
    });

    test('item 10: a joiner that came first wakes first', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(function* () {
        yield* sleep(1);
        trace('run');
      });
      spawn(function* () {
        yield* g.join();
        trace('joined');
      });
      clock.advance();
      g.link(() => trace('link'));
      clock.advance(1);
      expect(log).toEqual(['run', 'joined', 'link']);
    });

    test('links behind a joiner run when the joiner has blocked again', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(sleeper, 1);
      g.rawlink(() => trace('before'));
      spawn(function* () {
        yield* g.join();
        trace('joiner');
        spawn(trace, 'spawned by the joiner');
        yield* sleep(0);
        trace('joiner again');
      });
      clock.advance();
      g.rawlink(() => trace('behind'));
      clock.advance(1);
      expect(log).toEqual(['before', 'joiner', 'behind', 'spawned by the joiner', 'joiner again']);
    });

    test('item 11: a link that is added by a link runs in the same notification, behind all others', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(function* () {
        yield* sleep(1);
        trace('run');
      });
      g.rawlink(() => {
        trace('cb1');
        g.rawlink(() => trace('added'));
        spawn(trace, 'next turn');
      });
      g.rawlink(() => trace('cb2'));
      spawn(function* () {
        yield* g.join();
        trace('joiner');
      });
      clock.advance(1);
      expect(log).toEqual(['run', 'cb1', 'cb2', 'joiner', 'added', 'next turn']);
    });

    test('a link that is taken off by an earlier link does not run', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(() => {});
      const second = () => trace('second');
      g.rawlink(() => {
        trace('first');
        g.unlink(second);
      });
      g.rawlink(second);
      g.rawlink(() => trace('third'));
      clock.advance();
      expect(log).toEqual(['first', 'third']);
      expect(leftIn(hub)).toEqual({});
    });

    test('unlink goes by identity and takes off one; an unknown one is ignored', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(() => {});
      const twice = () => trace('twice');
      g.rawlink(twice);
      g.rawlink(twice);
      g.unlink(twice);
      g.unlink(() => {});
      g.unlink(undefined);
      expect(g.hasLinks()).toBe(1);
      clock.advance();
      expect(log).toEqual(['twice']);
      g.unlink(twice);
    });

    test('unlinkAll takes off every callback, but no joiner', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(sleeper, 1);
      g.rawlink(trace);
      g.link(trace);
      g.linkValue(trace);
      spawn(function* () {
        yield* g.join();
        trace('joined');
      });
      clock.advance();
      expect(g.hasLinks()).toBe(4);
      g.unlinkAll();
      expect(g.hasLinks()).toBe(1);
      clock.advance(1);
      expect(log).toEqual(['joined']);
      expect(leftIn(hub)).toEqual({});
    });

    test('taking off the last link of one that never ends leaves nothing behind', () => {
      const { hub } = world(core);
      const g = new Greenlet(sleeper);
      const link = () => {};
      g.rawlink(link);
      expect(leftIn(hub)).toEqual({ slots: 1, links: 1, rows: 1, waiting: 1 });
      g.unlink(link);
      expect(leftIn(hub)).toEqual({});
      g.link(link);
      g.unlinkAll();
      expect(leftIn(hub)).toEqual({});
    });

    test('linking to a finished one queues a notification: never at once, and each exactly once', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(() => {});
      clock.advance();
      spawn(trace, 'queued before');
      g.rawlink(() => trace('raw'));
      g.link(() => trace('link'));
      spawn(trace, 'queued behind');
      expect(log).toEqual([]);
      clock.advance();
      expect(log).toEqual(['queued before', 'raw', 'link', 'queued behind']);
      const off = () => trace('never');
      g.rawlink(off);
      g.unlink(off);
      clock.advance();
      expect(log).toHaveLength(4);
      expect(leftIn(hub)).toEqual({});
    });

    test('a link that raises is reported with its function and its greenlet, and the others still run', () => {
      const { clock, trace, log, reported } = world(core);
      const g = spawn(function body() {});
      g.rawlink(function raw() {
        throw new Error('raw');
      });
      g.link(function linked() {
        throw new Error('link');
      });
      g.link(function* blocked() {
        yield* sleep(1);
        throw new Error('late');
      });
      g.rawlink(() => {
        throw new GreenletExit();
      });
      g.rawlink(() => trace('still runs'));
      clock.advance();
      expect(log).toEqual(['still runs']);
      expect(reported()).toEqual([
        'Error: raw | (<function raw>, <Greenlet "Greenlet-0": body()>) failed with Error',
        'Error: link | (<function linked>, <Greenlet "Greenlet-0": body()>) failed with Error',
      ]);
      clock.advance(1);
      expect(reported()).toEqual([
        'Error: late | (<function blocked>, <Greenlet "Greenlet-0": body()>) failed with Error',
      ]);
    });

    test('a rawlink cannot block: a generator function is reported as blocking in the hub', () => {
      const { clock, trace, log, reported } = world(core);
      const g = spawn(() => {});
      g.rawlink(function* wrong() {
        trace('never runs');
      } as any);
      g.rawlink(() => {
        sleep(0)[Symbol.iterator]().next();
      });
      clock.advance();
      expect(log).toEqual([]);
      const reports = reported();
      expect(reports).toHaveLength(2);
      for (const report of reports) {
        expect(report).toContain('Impossible to call blocking function in the event loop callback');
        expect(report).toContain('failed with BlockingSwitchOutError');
      }
    });

    test('a link may block: it is entered at its place, and the next proceeds when it waits', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(() => trace('g'));
      g.link(function* () {
        trace('link begins');
        yield* sleep(1);
        trace('link ends');
      });
      g.link(() => trace('next'));
      g.rawlink(() => trace('raw'));
      clock.advance(1);
      expect(log).toEqual(['g', 'link begins', 'next', 'raw', 'link ends']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a link may be an async function', async () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(() => 'g');
      g.link(async (source) => {
        await sleep(1);
        trace('from', source.value);
      });
      g.link(() => trace('next'));
      await clock.advanceAsync(1);
      expect(log).toEqual(['next', 'from g']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a link may kill, join and spawn', () => {
      const { hub, clock, trace, log } = world(core);
      const other = spawn(sleeper);
      const g = spawn(sleeper, 1);
      g.link(function* () {
        yield* other.kill();
        trace('killed', other.dead);
        trace(yield* spawn(() => 'spawned').get());
      });
      clock.advance(1);
      expect(log).toEqual(['killed true', 'spawned']);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('kill', () => {
    test('one that was never started dies at once, never runs, and tells its links on the next turn', () => {
      const { hub, clock, trace, log } = world(core);
      const g = new Greenlet(trace, 'ran');
      g.rawlink(() => trace('link'));
      g.kill();
      expect(standing(g)).toMatchObject({ dead: true, successful: true });
      expect(g.value).toBeInstanceOf(GreenletExit);
      expect(log).toEqual([]);
      g.start();
      clock.advance();
      expect(log).toEqual(['link']);
      expect(leftIn(hub)).toEqual({});
    });

    test('one that was queued and has not run dies at once as well, by whatever means it was queued or killed', () => {
      const { hub, clock, trace, log } = world(core);
      const queued = () => spawn(trace, 'ran');
      const delayed = () => spawnLater(1, trace, 'ran');
      for (const make of [queued, delayed]) {
        for (const shoot of [
          (g: Greenlet) => g.kill(),
          (g: Greenlet) => g.kill({ block: false }),
          (g: Greenlet) => kill(g),
          (g: Greenlet) => killall([g]),
          (g: Greenlet) => g[Symbol.dispose](),
        ]) {
          const g = make();
          shoot(g);
          expect(g.dead).toBe(true);
          expect(leftIn(hub)).toEqual({});
        }
      }
      clock.advance(2);
      expect(log).toEqual([]);
    });

    test('a dead one is left alone', async () => {
      const { hub, clock } = world(core);
      const g = spawn(() => 'value');
      clock.advance();
      expect(await g.kill()).toBe(undefined);
      await g.kill({ exception: new Error('too late') });
      expect(standing(g)).toEqual({ ...ended, successful: true, value: 'value' });
      expect(leftIn(hub)).toEqual({});
    });

    test('a suspended one is thrown into on the next turn; the blocking kill returns when it has ended', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(function* () {
        try {
          yield* sleep(100);
        } catch (error) {
          trace('thrown', error instanceof GreenletExit);
          throw error;
        } finally {
          yield* sleep(1);
          trace('cleaned up');
        }
      });
      clock.advance();
      spawn(function* () {
        const order = g.kill();
        trace('ordered', g.dead);
        trace('gives', yield* order, clock.seconds);
      });
      clock.advance(1);
      expect(log).toEqual(['ordered false', 'thrown true', 'cleaned up', 'gives undefined 1']);
      expect(leftIn(hub)).toEqual({});
    });

    test('the order is given by the call, whether or not anybody waits', () => {
      const { clock } = world(core);
      const victims = [spawn(sleeper), spawn(sleeper), spawn(sleeper)];
      clock.advance();
      spawn(function* () {
        victims[0].kill();
        victims[1].kill({ block: false });
        yield* victims[2].kill({ block: false });
        expect(victims.map((g) => g.dead)).toEqual([false, false, false]);
      });
      clock.advance();
      expect(victims.map((g) => g.dead)).toEqual([true, true, true]);
    });

    test('itself, blocking: raised at once inside kill', () => {
      const { hub, clock, trace, log } = world(core);
      const g: Greenlet = spawn(function* () {
        try {
          yield* g.kill();
          trace('not here');
        } catch (error) {
          trace(error instanceof GreenletExit);
          throw error;
        } finally {
          yield* sleep(1);
          trace('cleaned up in peace');
        }
      });
      clock.advance(1);
      expect(log).toEqual([true, 'cleaned up in peace']);
      expect(g.value).toBeInstanceOf(GreenletExit);
      expect(leftIn(hub)).toEqual({});
    });

    test.each([0, 5])('itself, not blocking: raised at its next blocking call, sleep(%d)', (seconds) => {
      const { hub, clock, trace, log } = world(core);
      const g: Greenlet = spawn(function* () {
        g.kill({ block: false });
        trace('goes on');
        yield* sleep(seconds);
        trace('not here');
      });
      clock.advance();
      expect(log).toEqual(['goes on']);
      expect(g.dead).toBe(true);
      expect(leftIn(hub)).toEqual({});
    });

    test('itself, not blocking, and it ends first: nothing is raised', () => {
      const { hub, clock } = world(core);
      const g: Greenlet = spawn(function* (): Body {
        g.kill({ block: false });
        return 'made it';
      });
      clock.advance();
      expect(g.value).toBe('made it');
      expect(leftIn(hub)).toEqual({});
    });

    test('item 16: one that is due to resume does so first, and dies in its next blocking call', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(function* () {
        trace('first');
        yield* sleep(0);
        trace('resumed');
        yield* sleep(0);
        trace('not here');
      });
      spawn(function* () {
        yield* g.kill();
        trace('killed', g.dead);
      });
      clock.advance();
      expect(log).toEqual(['first', 'resumed', 'killed true']);
      expect(leftIn(hub)).toEqual({});
    });

    test('one that is due to resume and ends by that was never killed', () => {
      const { clock } = world(core);
      const g = spawn(function* (): Body {
        yield* sleep(0);
        return 'in time';
      });
      spawn(function* () {
        yield* g.kill();
      });
      clock.advance();
      expect(g.value).toBe('in time');
    });

    test('one whose timer is due in the same instant is woken first', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(function* () {
        yield* sleep(1);
        trace('woke');
        yield* sleep(1);
        trace('not here');
      });
      spawn(function* () {
        yield* sleep(1);
        yield* g.kill();
        trace('killed');
      });
      clock.advance(1);
      expect(log).toEqual(['woke', 'killed']);
    });

    test('one that resists is waited for until its natural end, and that is told in debug mode', () => {
      const { clock, trace, log, reported } = world(core);
      const g = spawn(function* resist(): Body {
        try {
          yield* sleep(100);
        } catch {
          trace('caught');
        }
        yield* sleep(5);
        return 'of its own';
      });
      clock.advance();
      spawn(function* () {
        yield* g.kill();
        trace('waited until', clock.seconds, g.value);
      });
      clock.advance(10);
      expect(log).toEqual(['caught', 'waited until 5 of its own']);
      expect(reported()).toEqual([
        expect.stringContaining(
          'GEVENT_KILL_SWALLOWED: <Greenlet "Greenlet-0": resist()> caught its GreenletExit and went on',
        ),
      ]);
    });

    test('with a timeout the wait just ends, and the resister lives on', () => {
      const { hub, clock, trace, log, reported } = world(core);
      const g = spawn(function* () {
        for (let i = 0; i < 3; i++) {
          try {
            yield* sleep(100);
          } catch {
            trace('caught', i);
          }
        }
      });
      clock.advance();
      spawn(function* () {
        trace('gives', yield* g.kill({ timeout: 1 }), clock.seconds, g.dead);
        yield* g.kill({ timeout: 0 });
        trace('polled', clock.seconds, g.dead);
      });
      clock.advance(1);
      expect(log).toEqual(['caught 0', 'gives undefined 1 false', 'caught 1', 'polled 1 false']);
      expect(leftIn(hub)).toEqual({ slots: 1, greenlets: 1, timers: 1 });
      clock.advance(100);
      expect(g.successful()).toBe(true);
      expect(reported()).toEqual([expect.stringContaining('GEVENT_KILL_SWALLOWED')]);
    });

    test('another exception, class or instance, makes it fail: reported, and not raised in the killer', () => {
      const { clock, trace, log, reported } = world(core);
      const victims = [1, 2, 3].map((n) => spawn(sleeper, n));
      const never = new Greenlet(sleeper, 0);
      const error = new RangeError('instance');
      clock.advance();
      spawn(function* () {
        yield* victims[0].kill({ exception: error });
        yield* victims[1].kill({ exception: TypeError });
        yield* victims[2].kill({ exception: Timeout });
        yield* never.kill({ exception: error });
        trace('unharmed');
      });
      clock.advance();
      expect(log).toEqual(['unharmed']);
      expect(victims[0].exception).toBe(error);
      expect([victims[1].exception, victims[2].exception].map((e) => (e as object).constructor)).toEqual([
        TypeError,
        Timeout,
      ]);
      expect([...victims, never].map((g) => g.successful())).toEqual([false, false, false, false]);
      expect(reported().map((line) => line.split(' | ')[1])).toEqual([
        '<Greenlet "Greenlet-0": sleeper(1)> failed with RangeError',
        '<Greenlet "Greenlet-1": sleeper(2)> failed with TypeError',
        '<Greenlet "Greenlet-2": sleeper(3)> failed with Timeout',
        expect.stringMatching(/^<Greenlet "Greenlet-\d+": sleeper\(0\)> failed with RangeError$/),
      ]);
    });

    test('what is no exception arrives wrapped, with the value as its cause', () => {
      const { clock, reported } = world(core);
      const suspended = spawn(sleeper);
      clock.advance();
      const never = new Greenlet(sleeper);
      for (const g of [suspended, never]) g.kill({ exception: 42 });
      clock.advance();
      for (const g of [suspended, never]) {
        expect(told(g.exception)).toBe('GeventError [GEVENT_KILLED_WITH]: killed with 42, which is no exception');
        expect((g.exception as Error).cause).toBe(42);
      }
      expect(reported()).toHaveLength(2);
      expect(thrown(() => spawn(sleeper).kill({ exception: sleeper }))).toBe(
        'TypeError: exceptions must be classes, or instances, not function sleeper',
      );
    });

    test('an error raised while it cleans up is what it failed with', () => {
      const { clock, trace, log, reported } = world(core);
      const g = spawn(function* () {
        try {
          yield* sleep(100);
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: that is the case under test
          throw new Error('in finally');
        }
      });
      clock.advance();
      spawn(function* () {
        yield* g.kill();
        trace('killed');
      });
      clock.advance();
      expect([told(g.exception), g.successful(), log]).toEqual(['Error: in finally', false, ['killed']]);
      expect(reported()).toHaveLength(1);
    });

    test('a second kill lands in the clean-up of the first', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(function* () {
        try {
          yield* sleep(100);
        } finally {
          try {
            yield* sleep(50);
          } finally {
            trace('clean-up cut short at', clock.seconds);
          }
        }
      });
      clock.advance();
      g.kill();
      clock.advance(1);
      g.kill();
      clock.advance();
      expect(log).toEqual(['clean-up cut short at 1']);
      expect([g.dead, leftIn(hub)]).toEqual([true, {}]);
    });

    test('two kills in one turn are two exceptions', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(function* () {
        try {
          yield* sleep(100);
        } finally {
          trace('one');
          try {
            yield* sleep(50);
          } finally {
            trace('two');
          }
        }
      });
      clock.advance();
      g.kill();
      g.kill();
      clock.advance();
      expect(log).toEqual(['one', 'two']);
    });

    test('one that waits for another is taken out of that wait', () => {
      const { hub, clock, trace, log } = world(core);
      const target = spawn(sleeper, 5);
      const joiner = spawn(function* () {
        try {
          yield* target.get({ timeout: 3 });
        } finally {
          trace('left', target.hasLinks());
        }
      });
      clock.advance();
      expect(target.hasLinks()).toBe(1);
      joiner.kill();
      clock.advance(1);
      expect(log).toEqual(['left 0']);
      expect(leftIn(hub)).toEqual({ slots: 1, greenlets: 1, timers: 1 });
      clock.advance(10);
      expect(leftIn(hub)).toEqual({});
    });

    test('a killer that is itself killed while it waits leaves the order standing', () => {
      const { hub, clock, trace, log } = world(core);
      const victim = spawn(function* () {
        try {
          yield* sleep(100);
        } finally {
          yield* sleep(2);
          trace('victim', clock.seconds);
        }
      });
      const killer = spawn(function* () {
        try {
          yield* victim.kill();
        } finally {
          trace('killer', clock.seconds);
        }
      });
      clock.advance(1);
      killer.kill();
      clock.advance(1);
      expect(log).toEqual(['killer 1', 'victim 2']);
      expect([victim.dead, leftIn(hub)]).toEqual([true, {}]);
    });

    test('frames of call() unwind from the innermost outward', () => {
      const { clock, trace, log } = world(core);
      function* level(n: number): Body {
        try {
          if (n === 0) yield* sleep(100);
          else yield* call(level, n - 1);
        } finally {
          trace(n);
        }
      }
      const g = spawn(level, 3);
      clock.advance();
      g.kill();
      clock.advance();
      expect(log).toEqual([0, 1, 2, 3]);
      expect(g.value).toBeInstanceOf(GreenletExit);
    });

    test('a joiner of the killed one wakes, and get gives it the exit', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(sleeper);
      spawn(function* () {
        yield* g.join();
        trace('joined');
      });
      spawn(function* () {
        trace((yield* g.get()) === g.value);
      });
      clock.advance();
      g.kill();
      clock.advance();
      expect(log).toEqual(['joined', true]);
    });

    test.each(['idle', 'joinall', 'kill', 'get'])('taken out of %s it leaves nothing behind', (where) => {
      const { hub, clock, reported } = world(core);
      const other = spawn(function* () {
        for (;;) {
          try {
            yield* sleep(1000);
          } catch (error) {
            if (hub.loop.now() > 5) throw error;
          }
        }
      });
      clock.advance();
      const before = leftIn(hub);
      const waits: Record<string, () => Body> = {
        *idle() {
          hub.loop.timer(0, 0); // never started: costs nothing
          for (;;) yield* idle();
        },
        *joinall() {
          yield* joinall([other, spawn(sleeper, 2)], { timeout: 3 });
        },
        *kill() {
          yield* other.kill({ timeout: 3 });
        },
        *get() {
          yield* other.get({ timeout: new Timeout(3) });
        },
      };
      const g = spawn(waits[where]);
      const second = spawn(function* () {
        yield* sleep(0);
        yield* g.kill();
      });
      clock.advance(where === 'joinall' ? 2 : 0);
      expect([g.dead, second.dead]).toEqual([true, true]);
      expect(leftIn(hub)).toEqual(before);
      clock.advance(10);
      other.kill();
      clock.advance();
      expect(leftIn(hub)).toEqual({});
      reported();
    });
  });

  describe('throw and switch from outside', () => {
    test('throw() by a hub callback raises where it is suspended, before throw returns', () => {
      const { hub, clock, trace, log, reported } = world(core);
      const g = spawn(function* () {
        try {
          yield* sleep(100);
        } finally {
          trace('raised');
        }
      });
      clock.advance();
      hub.runCallback(() => {
        g.throw(new RangeError('now'));
        trace('returned', g.dead);
      });
      clock.advance();
      expect(log).toEqual(['raised', 'returned true']);
      expect(told(g.exception)).toBe('RangeError: now');
      expect(reported()).toHaveLength(1);
      expect(leftIn(hub)).toEqual({});
    });

    test.each([
      ['never started', () => new Greenlet(sleeper)],
      ['queued', () => spawn(sleeper)],
      ['queued for later', () => spawnLater(1, sleeper)],
    ])('throw() at one that is %s ends it at once, from anywhere', (_, make) => {
      const { hub, clock, trace, log } = world(core);
      const fromMain = make();
      fromMain.throw();
      expect(fromMain.value).toBeInstanceOf(GreenletExit);
      hub.runCallback(() => {
        const g = make();
        g.throw();
        trace('hub', g.dead);
      });
      spawn(function* () {
        const g = make();
        yield* g.throw();
        trace('greenlet', g.dead);
        yield* sleep(0);
        trace('goes on');
      });
      clock.advance(2);
      expect(log).toEqual(['hub true', 'greenlet true', 'goes on']);
      expect(leftIn(hub)).toEqual({});
    });

    test('throw() at a dead one does nothing, whatever is thrown and whoever throws', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(() => 'value');
      clock.advance();
      expect(g.throw(new Error('unheard')).value).toBe(undefined);
      hub.runCallback(() => void g.throw(new Error('unheard')));
      spawn(function* () {
        trace('gives', yield* g.throw(new Error('unheard')));
      });
      clock.advance();
      expect([log, g.value]).toEqual([['gives undefined'], 'value']);
      expect(leftIn(hub)).toEqual({});
    });

    test('switch() at one that is queued for later starts it now, and once', () => {
      const { hub, clock, trace, log } = world(core);
      hub.runCallback(() => {
        for (const g of [
          spawnLater(1, function* () {
            trace('begins');
            yield* sleep(2);
            trace('ends', clock.seconds);
          }),
          spawn(trace, 'queued'),
          new Greenlet(trace, 'made'),
        ]) {
          g.switch();
        }
      });
      clock.advance(5);
      expect(log).toEqual(['begins', 'queued', 'made', 'ends 2']);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('subclasses', () => {
    class Adder extends Greenlet<number> {
      override *_run(a: number, b: number): Body {
        yield* sleep(1);
        return a + b;
      }
    }

    test('_run is the body, with the constructor’s arguments', () => {
      const { clock } = world(core);
      const made = new Adder(null, 1, 2);
      const spawned = Adder.spawn(null, 3, 4) as Adder;
      const delayed = Adder.spawnLater(1, null, 5, 6) as Adder;
      made.start();
      clock.advance(1);
      expect([made.value, spawned.value, delayed.value]).toEqual([3, 7, undefined]);
      clock.advance(1);
      expect(delayed.value).toBe(11);
      expect(spawned).toBeInstanceOf(Adder);
      expect(String(spawned)).toBe('<Adder "Adder-0": _run()>');
    });

    test('a constructor of its own, plain and async _run', async () => {
      const { clock } = world(core);
      class Plain extends Greenlet<string> {
        readonly word: string;
        constructor(word: string) {
          super();
          this.word = word;
        }
        override _run(): string {
          return this.word;
        }
      }
      class Async extends Greenlet<string> {
        override async _run(): Promise<string> {
          await sleep(1);
          return getcurrent() === this ? 'async' : 'lost';
        }
      }
      const plain = Plain.spawn('plain') as Plain;
      const async = Async.spawn() as Async;
      await clock.advanceAsync(1);
      expect([plain.value, async.value]).toEqual(['plain', 'async']);
    });

    test('a function given to the constructor comes before _run', () => {
      const { clock } = world(core);
      const g = new Adder(() => 100, 1, 2);
      g.start();
      clock.advance();
      expect(g.value).toBe(100);
    });

    test('toString may be overridden, and reports use it', () => {
      const { clock, reported } = world(core);
      class Named extends Greenlet {
        override toString(): string {
          return 'my own name';
        }
      }
      Named.spawn(() => {
        throw new Error('x');
      });
      clock.advance();
      expect(reported()).toEqual(['Error: x | my own name failed with Error']);
    });
  });

  describe('blocks', () => {
    test('using kills it at the end of the block, without waiting', () => {
      const { clock, trace, log } = world(core);
      let g: Greenlet | undefined;
      spawn(function* () {
        {
          using mine = spawn(sleeper);
          g = mine;
          yield* sleep(1);
          trace('in the block', mine.dead);
        }
        trace('behind it', g.dead);
        yield* sleep(0);
        trace('later', g.dead);
      });
      clock.advance(1);
      expect(log).toEqual(['in the block false', 'behind it false', 'later true']);
    });

    test('await using waits for its end', async () => {
      const { clock, trace, log } = world(core);
      spawn(async () => {
        {
          await using g = spawn(sleeper, 2);
          trace('in the block', g.active);
        }
        trace('behind it', clock.seconds);
      });
      await clock.advanceAsync(3);
      expect(log).toEqual(['in the block true', 'behind it 2']);
    });
  });

  describe('names', () => {
    test('Greenlet-N by its number, until a name is set', () => {
      const { clock } = world(core);
      const g = spawn(sleeper);
      expect([g.name, g.minimalIdent]).toEqual(['Greenlet-0', 0]);
      g.name = 'worker';
      expect([g.name, String(g), g.minimalIdent]).toEqual(['worker', '<Greenlet "worker": sleeper()>', 0]);
      clock.advance();
      expect(g.name).toBe('worker');
    });

    test('a number is unique among the living, used again after death, and stays with its greenlet for good', () => {
      const { clock } = world(core);
      const all = Array.from({ length: 20 }, () => spawn(sleeper, 1));
      const numbers = all.map((g) => g.minimalIdent);
      expect(new Set(numbers).size).toBe(20);
      clock.advance(1);
      expect(all.map((g) => g.minimalIdent)).toEqual(numbers);
      const next = Array.from({ length: 20 }, () => spawn(sleeper, 1).minimalIdent);
      expect(new Set(next)).toEqual(new Set(numbers));
    });

    test('a number that was asked for before the start stays, and nobody else gets it while the core grows', () => {
      const { clock } = world(core);
      const early = [new Greenlet(sleeper), new Greenlet(sleeper)];
      const names = early.map((g) => g.name);
      const others = Array.from({ length: 100 }, () => spawn(sleeper));
      for (const g of early) g.start();
      clock.advance();
      expect(early.map((g) => g.name)).toEqual(names);
      expect(new Set([...early, ...others].map((g) => g.minimalIdent)).size).toBe(102);
    });

    test('its text names class, name, function and arguments, each cut to fifty characters', () => {
      world(core);
      const g = new Greenlet(sleeper, 'x'.repeat(60), 12, [1, 2]);
      g.name = 'n';
      expect(String(g)).toBe(`<Greenlet "n": sleeper("${'x'.repeat(37)}...", 12, an array of 2)>`);
      const long = new Greenlet(sleeper, function averyverylongnameofafunctionthatnobodywouldreadtoitsend() {});
      long.name = 'n';
      expect(String(long)).toBe(
        `<Greenlet "n": sleeper(${'function averyverylongnameofafunctionthatnobodywouldread'.slice(0, 50)})>`,
      );
      expect(String(spawn(() => {}))).toBe('<Greenlet "Greenlet-0": anonymous()>');
    });
  });

  describe('spawn callbacks', () => {
    function during(callback: (g: Greenlet) => void): void {
      Greenlet.addSpawnCallback(callback);
      onTestFinished(() => Greenlet.removeSpawnCallback(callback));
    }

    test('they are called in start and startLater, before the greenlet is queued, and not for raw ones', () => {
      const { clock, trace, log } = world(core);
      const note = (g: Greenlet) => trace('spawned', g.args[0] as string, g.active);
      during(note);
      during(note); // a set
      spawn(trace, 'a');
      spawnLater(1, trace, 'b');
      new Greenlet(trace, 'not started');
      spawnRaw(trace, 'raw');
      const killed = new Greenlet(trace, 'killed');
      killed.kill();
      killed.start();
      expect(log).toEqual(['spawned a false', 'spawned b false']);
      Greenlet.removeSpawnCallback(note);
      Greenlet.removeSpawnCallback(note);
      Greenlet.removeSpawnCallback(() => {});
      spawn(trace, 'c');
      clock.advance(1);
      expect(log.slice(2)).toEqual(['a', 'raw', 'c', 'b']);
    });

    test('one that throws stops the start, and leaves nothing behind', () => {
      const { hub, clock } = world(core);
      during(() => {
        throw new Error('not this one');
      });
      const g = new Greenlet(sleeper);
      expect(thrown(() => g.start())).toBe('Error: not this one');
      expect(thrown(() => g.startLater(1))).toBe('Error: not this one');
      expect(standing(g)).toEqual(unborn);
      clock.advance(1);
      expect(leftIn(hub)).toEqual({});
    });

    test('what is no function is refused', () => {
      world(core);
      expect(thrown(() => Greenlet.addSpawnCallback(null as any))).toBe(
        'TypeError: addSpawnCallback: expected a function, got null',
      );
    });
  });

  test('one made by spawn() has the fields of one made by new Greenlet()', () => {
    world(core, { debug: false });
    const made = new Greenlet(sleeper);
    made.start();
    const spawned = spawn(sleeper);
    expect(Object.keys(spawned)).toEqual(Object.keys(made));
    expect(spawned.constructor).toBe(Greenlet);
    for (const [name, value] of Object.entries(made)) {
      if (name !== '$slot') expect(spawned[name as keyof Greenlet], name).toBe(value);
    }
  });

  test('a yield does not hide that a generator that blocks was driven by hand', () => {
    const { clock, hub } = world(core, { debug: false });
    let went = false;
    const g = spawn(function* () {
      yield* sleep(0);
      sleeper(1).next();
      yield* sleep(0);
      went = true;
    });
    g.$quiet = true;
    clock.advance(5);
    expect(told(g.exception)).toMatch(/GEVENT_DRIVEN_BY_HAND/);
    expect(went).toBe(false);
    expect(leftIn(hub)).toEqual({});
  });

  test('joinall gives them in the order of their ends, also when somebody else waits for some of them', () => {
    for (const linked of [[], [0], [1], [2], [0, 2]]) {
      const { clock, log } = world(core);
      function* napper(seconds: number): Body {
        yield* sleep(seconds);
      }
      const all = [3, 1, 2].map((seconds) => spawn(napper, seconds));
      for (const i of linked) all[i].rawlink(() => log.push(`link ${i}`));
      spawn(function* () {
        const ended = yield* joinall(all);
        log.push(ended.map((g) => all.indexOf(g)).join());
      });
      // Late links, and ends in one instant.
      clock.advance(0.5);
      if (linked.length === 2) all[1].rawlink(() => log.push('late'));
      clock.advance(4);
      expect(log.at(-1)).toBe('1,2,0');
      expect(log.length).toBe(1 + linked.length + (linked.length === 2 ? 1 : 0));
    }
  });

  describe('the spawn tree', () => {
    test('spawningGreenlet is who made it, while that one lives; main for what main made', async () => {
      const { hub, clock } = world(core);
      const seen: boolean[] = [];
      let child: Greenlet | undefined;
      const parent: Greenlet = spawn(function* () {
        child = spawn(sleeper, 5);
        seen.push(child.spawningGreenlet === parent);
        yield* sleep(1);
        seen.push(child.spawningGreenlet === parent);
      });
      const asyncParent: Greenlet = spawn(async () => {
        seen.push(spawn(sleeper, 1).spawningGreenlet === asyncParent);
        await sleep(0);
        seen.push(spawn(sleeper, 1).spawningGreenlet === asyncParent);
      });
      expect(parent.spawningGreenlet === hub.main).toBe(true);
      await clock.advanceAsync(1);
      expect(seen).toEqual([true, true, true, true]);
      expect(child?.spawningGreenlet).toBe(null);
      // Its number is somebody else's by now.
      const heirs = [spawn(sleeper), spawn(sleeper), spawn(sleeper)];
      expect(heirs.map((g) => g.minimalIdent)).toContain(parent.minimalIdent);
      expect(child?.spawningGreenlet).toBe(null);
    });

    test('spawnTreeLocals is one object down a tree, whoever asks first and whoever is dead by then', () => {
      const { clock, log } = world(core);
      let leaf: Greenlet | undefined;
      const root = spawn(function* () {
        spawn(function* () {
          leaf = spawn(sleeper, 5);
          yield* sleep(0);
        });
        yield* sleep(1);
      });
      const other = spawn(sleeper, 1);
      clock.advance(0.5);
      const locals = leaf?.spawnTreeLocals as Record<string, unknown>;
      locals.user = 'u1';
      log.push(root.spawnTreeLocals === locals, other.spawnTreeLocals === locals);
      clock.advance(2);
      log.push(leaf?.spawnTreeLocals === locals, root.spawnTreeLocals?.user);
      expect(log).toEqual([true, false, true, 'u1']);
    });

    test('spawningStack says where it was made, in debug mode only, and at most so many lines', () => {
      world(core, { debug: true });
      function somewhere(): Greenlet {
        return spawn(sleeper);
      }
      const stack = somewhere().spawningStack as string;
      expect(stack.split('\n')[0]).toContain('somewhere');
      expect(stack.split('\n').length).toBeLessThanOrEqual(Greenlet.spawningStackLimit);
      world(core, { debug: false });
      expect(somewhere().spawningStack).toBe(null);
    });

    test('the children of one greenlet share its tree, those of a raw one have a tree each', () => {
      const { clock, log } = world(core);
      const children: Greenlet[] = [];
      spawn(function* () {
        children.push(spawn(sleeper, 1), spawn(sleeper, 1));
      });
      spawnRaw(function* () {
        yield* sleep(0);
        children.push(spawn(sleeper, 1), spawn(sleeper, 1));
      });
      clock.advance(0.5);
      const trees = children.map((g) => g.spawnTreeLocals);
      log.push(trees[0] === trees[1], trees[2] === trees[3], trees[0] === trees[2]);
      expect(log).toEqual([true, false, false]);
    });

    test('all of it is null when the tree is not tracked', () => {
      world(core);
      config.trackGreenletTree = false;
      onTestFinished(() => {
        config.trackGreenletTree = true;
      });
      const g = spawn(sleeper);
      expect([g.spawningGreenlet, g.spawnTreeLocals]).toEqual([null, null]);
    });
  });

  describe('signal', () => {
    test('it is one object, and aborts with the exit when the greenlet is killed', () => {
      const { clock } = world(core);
      const g = spawn(sleeper);
      const { signal } = g;
      expect(g.signal).toBe(signal);
      clock.advance();
      expect(signal.aborted).toBe(false);
      g.kill();
      clock.advance();
      expect([signal.aborted, signal.reason === g.value]).toEqual([true, true]);
    });

    test('it aborts as well when the greenlet was killed with another exception, timed out or failed', () => {
      const { clock, reported } = world(core);
      const error = new Error('enough');
      const killed = spawn(sleeper);
      const timedOut = spawn(function* () {
        Timeout.startNew(1);
        yield* sleep(100);
      });
      const failed = spawn(function* (): Body {
        yield* sleep(1);
        throw error;
      });
      const all = [killed, timedOut, failed];
      const signals = all.map((g) => g.signal);
      clock.advance();
      killed.kill({ exception: error });
      clock.advance(1);
      expect(signals.map((s) => s.aborted)).toEqual([true, true, true]);
      expect(signals.map((s, i) => s.reason === all[i].exception)).toEqual([true, true, true]);
      expect(reported()).toHaveLength(3);
    });

    test('asked for too late it is aborted from the start; one that returned never aborts', () => {
      const { clock } = world(core);
      const killed = spawn(sleeper);
      killed.kill();
      const returned = spawn(() => 1);
      const before = returned.signal;
      clock.advance();
      expect([killed.signal.aborted, killed.signal.reason === killed.value]).toEqual([true, true]);
      expect([before.aborted, returned.signal.aborted]).toEqual([false, false]);
    });
  });

  describe('what bodies may not yield', () => {
    test('what is no operation is an error in the body, which may go on', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(function* (): Body {
        for (const wrong of [42, undefined, Promise.resolve(), {}]) {
          try {
            yield wrong;
          } catch (error) {
            trace(told(error));
          }
        }
        yield* sleep(1);
        return 'went on';
      });
      clock.advance(1);
      const say = (what: string) =>
        `OperationError [GEVENT_NOT_AN_OPERATION]: a greenlet yielded ${what}: expected yield* of an operation (for a promise: yield* until(promise))`;
      expect(log).toEqual([say('42'), say('undefined'), say('an object (Promise)'), say('an object (Object)')]);
      expect(g.value).toBe('went on');
    });

    test('a forgotten star is served: the operation runs and gives its result', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(() => 'value');
      spawn(function* (): Body {
        trace(yield g.get());
        trace(yield sleep(1), clock.seconds);
      });
      clock.advance(1);
      expect(log).toEqual(['value', 'undefined 1']);
    });
  });
});
