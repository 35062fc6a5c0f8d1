// gevent-wasm/util: run info, trees by who spawned whom, assertSwitches, wrapErrors.

import { describe, expect, test } from 'vitest';
import { type Greenlet, GreenletExit, getcurrent, sleep, spawn } from '../../ts/index.ts';
import { assertSwitches, formatRunInfo, GreenletTree, printRunInfo, wrapErrors } from '../../ts/util.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

describe.each(CORES)('on the %s core', (core) => {
  describe('trees', () => {
    function* family(): Body {
      Object.assign((getcurrent() as Greenlet).spawnTreeLocals as object, { request: 7 });
      spawn(function* son(): Body {
        spawn(function* grandson(): Body {
          yield* sleep(5);
        });
        yield* sleep(5);
      });
      spawn(function* daughter(): Body {
        yield* sleep(5);
      });
      yield* sleep(2);
    }

    test('by who spawned whom; those whose spawner has ended begin a tree of their own', () => {
      const { clock } = world(core, { debug: false });
      const father = spawn(family);
      clock.advance(1);
      const names = (tree: GreenletTree): unknown => [
        (tree.greenlet as any).name ?? 'main',
        ...tree.childTrees.map(names),
      ];
      const [f, s, d, g] = [0, 1, 2, 3].map((n) => `Greenlet-${n}`);
      expect(GreenletTree.forest().map(names)).toEqual([['main', [f, [s, [g]], [d]]]]);
      expect(GreenletTree.currentTree().greenlet).toBe(father.$hub.main);
      clock.advance(2);
      expect(GreenletTree.forest().map(names)).toEqual([['main'], [s, [g]], [d]]);
      expect(GreenletTree.forest().map((tree) => tree.root)).toEqual([true, true, true]);
    });

    test('as text, with and without details', () => {
      const { hub, clock } = world(core, { debug: false });
      spawn(family);
      clock.advance(1);
      const [tree] = GreenletTree.forest();
      expect(tree.toString().split('\n')).toEqual([
        '<greenlet main>',
        ' +--- <Greenlet "Greenlet-0": family()>',
        ' |    +--- <Greenlet "Greenlet-1": son()>',
        ' |    |    +--- <Greenlet "Greenlet-3": grandson()>',
        ' |    +--- <Greenlet "Greenlet-2": daughter()>',
      ]);
      expect(tree.format()).toContain(
        ' +--- <Greenlet "Greenlet-0": family()>\n |    :    In sleep, due in 1.000 s\n |    +--- ',
      );
      hub.loop.runCallback(() => expect(GreenletTree.currentTree().greenlet).toBe(hub.main));
      clock.advance(2);
    });

    test('a greenlet may call itself a root, or be left out with those it spawned', () => {
      const { clock } = world(core, { debug: false });
      spawn(function* outer(): Body {
        const root = spawn(function* root(): Body {
          yield* sleep(5);
        });
        (root as any).greenletTreeIsRoot = true;
        const ignored = spawn(function* ignored(): Body {
          spawn(function* below(): Body {
            yield* sleep(5);
          });
          yield* sleep(5);
        });
        (ignored as any).greenletTreeIsIgnored = true;
        yield* sleep(5);
      });
      clock.advance(1);
      expect(GreenletTree.forest().map(String)).toEqual([
        '<greenlet main>\n +--- <Greenlet "Greenlet-0": outer()>',
        '<Greenlet "Greenlet-1": root()>',
      ]);
    });

    test('the run info has the thread, the trees, in debug mode the places', () => {
      const { clock, reports } = world(core);
      spawn(family);
      clock.advance(1);
      const info = formatRunInfo();
      expect(info[3]).toMatch(/^<Hub core=/);
      expect(info[4]).toMatch(/^ {2}at .*util\.test\.ts/);
      expect(info.join('\n')).toMatch(/In sleep, due in 1\.000 s\n.* at .*family.*util\.test\.ts/);
      expect(info.filter((line) => line.includes('Spawned at'))).toHaveLength(4);
      expect(formatRunInfo({ threadStacks: false, greenletStacks: false })).toHaveLength(3 + 1 + 3 + 5);
      printRunInfo({ threadStacks: false, greenletStacks: false });
      expect(reports.splice(0)[0].split('\n')).toHaveLength(13);
      const written: string[] = [];
      printRunInfo({ file: { write: (text) => written.push(text) }, limit: 1 });
      expect(written).toHaveLength(1);
    });
  });

  describe('assertSwitches', () => {
    test('raises if nobody switched, and gives the value if somebody did', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        trace(
          yield* assertSwitches({}, function* () {
            yield* sleep(0);
            return 'value';
          }),
        );
        try {
          yield* assertSwitches({}, function busy() {});
        } catch (error) {
          trace(told(error));
        }
        try {
          yield* assertSwitches({}, () => {
            throw new Error('of its own');
          });
        } catch (error) {
          trace(told(error));
        }
        trace(hub.tracer === null);
      });
      clock.advance(1);
      expect(log).toEqual([
        'value',
        'FailedToSwitch [GEVENT_FAILED_TO_SWITCH]: assertSwitches: busy did not switch',
        'Error: of its own',
        true,
      ]);
    });

    test('with a limit: no gap between two switches may be longer; time in the hub blocks nobody', () => {
      const { clock, trace, log } = world(core);
      const compute = (seconds: number) => clock.moveTo(clock.now() + seconds * 1000);
      spawn(function* () {
        for (const seconds of [0.05, 0.2]) {
          try {
            yield* assertSwitches({ maxBlockingTime: 0.1 }, function* work() {
              yield* sleep(3);
              compute(seconds);
              yield* sleep(3);
            });
            trace('fine', seconds);
          } catch (error) {
            trace((error as Error).message);
          }
        }
      });
      for (let i = 0; i < 20; ++i) clock.advance(1);
      expect(log[0]).toBe('fine 0.05');
      expect(log[1]).toMatch(/^assertSwitches: work blocked for 0\.2\d* seconds, at most 0\.1 were allowed$/);
    });

    test('hubOnly: switches between greenlets do not count; they nest, and work by await', async () => {
      const { clock, trace, log, hub } = world(core);
      const both = assertSwitches({ hubOnly: true }, function* outer() {
        yield* assertSwitches({}, sleep, 1);
      });
      const fails = rejected(assertSwitches({ hubOnly: true }, () => 5));
      const done = both.then(() => trace('done'));
      await clock.advanceAsync(2);
      await done;
      trace(await fails, hub.tracer === null);
      expect(log).toEqual([
        'done',
        'FailedToSwitch [GEVENT_FAILED_TO_SWITCH]: assertSwitches: the function did not switch true',
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('bad input is refused', () => {
      world(core, { debug: false });
      expect(thrown(() => assertSwitches({}, 1 as any))).toBe(
        'TypeError: assertSwitches(options, fn): expected a function, got 1',
      );
      expect(thrown(() => assertSwitches({ maxBlockingTime: 0 }, () => 1))).toBe(
        'RangeError: assertSwitches(maxBlockingTime): expected more than 0 seconds, got 0',
      );
    });
  });
});

describe('wrapErrors', () => {
  test('errors of the classes are returned, others raised, and properties seen through', () => {
    const fn = Object.assign(
      function fn(what: unknown) {
        throw what;
      },
      { mark: 1 },
    );
    const wrapped = wrapErrors([RangeError, GreenletExit], fn);
    const range = new RangeError('x');
    expect([wrapped(range), wrapped.name, wrapped.mark]).toEqual([range, 'fn', 1]);
    expect(thrown(() => wrapped(new TypeError('y')))).toBe('TypeError: y');
  });

  test('generator and async functions stay what they are', async () => {
    const { clock, trace, log } = world('pure');
    const body = wrapErrors(RangeError, function* (value: number): Body {
      yield* sleep(1);
      if (value > 1) throw new RangeError('big');
      return value;
    });
    spawn(function* () {
      trace(yield* body(1));
      trace(told(yield* body(2)));
    });
    clock.advance(3);
    expect(log).toEqual([1, 'RangeError: big']);
    const promised = wrapErrors(RangeError, async () => {
      throw new RangeError('later');
    });
    expect(told(await promised())).toBe('RangeError: later');
  });

  test('bad input is refused', () => {
    expect(thrown(() => wrapErrors(1 as any, () => 1))).toBe(
      'TypeError: wrapErrors(errors): expected classes of errors, got 1',
    );
    expect(thrown(() => wrapErrors(Error, 1 as any))).toBe(
      'TypeError: wrapErrors(errors, fn): expected a function, got 1',
    );
  });
});
