// Operations: what every blocking call gives. They describe until they are consumed; then exactly one consumer is served,
// and whatever ends the wait leaves nothing behind.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { greenlet } from '../../ts/greenlet.ts';
import {
  call,
  defer,
  type Greenlet,
  GreenletExit,
  getcurrent,
  idle,
  iwait,
  joinall,
  killall,
  type Operation,
  sleep,
  spawn,
  Timeout,
  until,
  use,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import { Queue } from '../../ts/queue.ts';
import type { Simulation } from '../../ts/testing.ts';
import { CORES, program, simulateOn, thrown, told } from '../support/cores.ts';

type Body<T = any> = Generator<any, T, any>;

/** This file's line of a call, as stacks show it. */
function line(): number {
  return Number(/operations\.test\.ts:(\d+)/.exec((new Error().stack as string).split('\n')[2])?.[1]);
}

describe.each(CORES)('on the %s core', (core) => {
  let sim: Simulation;
  let trace: Simulation['trace'];
  let log: unknown[];
  let reports: string[];
  let atFirst: Record<string, number>;

  beforeEach(() => {
    sim = simulateOn(core);
    ({ trace, log, reports } = sim);
    atFirst = sim.hub.statistics();
  });

  afterEach(() => {
    sim.hub.core.verify();
    sim.close();
  });

  /** Nothing is left in the core, and the hub had nothing to tell. */
  function expectClean(): void {
    sim.hub.core.verify();
    expect(sim.hub.statistics()).toEqual(atFirst);
    expect(reports).toEqual([]);
  }

  /** `yield*` as JavaScriptCore does it, and as compilers write it for old targets: the result objects are copies. */
  function* copying<T>(op: Iterable<any, T, any>): Generator<any, T, any> {
    const inner = op[Symbol.iterator]();
    let result = inner.next();
    while (!result.done) {
      let sent: unknown;
      try {
        sent = yield result.value;
      } catch (error) {
        if (inner.throw === undefined) throw error;
        result = inner.throw(error);
        continue;
      }
      result = inner.next(sent);
    }
    return result.value;
  }

  test('a `yield*` that copies result objects works like one that passes them through', () => {
    const queue = new Queue<number>(1);
    const work = function* (each: <T>(op: Iterable<any, T, any>) => Generator<any, T, any>): Body {
      trace('first', yield* each(sleep(1)));
      trace('yields', yield* each(sleep(0)));
      spawn(function* (): Body {
        for (const item of [1, 2]) yield* each(queue.put(item));
      });
      yield* each(sleep(0));
      trace('items', yield* each(queue.get()), yield* each(queue.get()));
      trace('call', yield* each(call(nap, 1, 'called')));
      const pong = new greenlet(function* (x: number): Body {
        for (;;) x = yield* each((getcurrent().parent as greenlet).switch(x + 1));
      });
      trace('switch', yield* each(pong.switch(1)), yield* each(pong.switch(5)));
      const timeout = Timeout.startNew(1);
      try {
        yield* each(sleep(2));
      } catch (error) {
        trace('timed out', error === timeout);
      }
      yield* each(sleep(Infinity));
    };
    const run = (each: (op: any) => Generator<any, any, any>): unknown[] => {
      const worker = spawn(work, each);
      sim.clock.advance(10);
      const killer = worker.kill({ block: false });
      sim.clock.advance(1);
      void killer;
      trace('killed', worker.value instanceof GreenletExit);
      return log.splice(0);
    };
    const expected = run((op) => op[Symbol.iterator]());
    expect(run(copying)).toEqual(expected);
    expect(expected.length).toBe(7);
    expectClean();
  });

  function* nap(seconds: number, value?: unknown): Body {
    yield* sleep(seconds);
    return value;
  }

  /** Run a body alone, with time until it ends, and give the greenlet. */
  function run<A extends unknown[]>(body: (...args: A) => Body, ...args: A): Greenlet {
    const g = spawn(body, ...args);
    sim.clock.runAll();
    return g;
  }

  describe('describing', () => {
    test('an operation that is not consumed has no effect', () => {
      const sleeper = spawn(nap, 5);
      sim.clock.advance();
      const before = sim.hub.statistics();
      const never = vi.fn();
      const thenable = { then: never };
      sleep(0);
      sleep(1);
      idle();
      sleeper.join({ timeout: 1 });
      sleeper.get({ timeout: 1 });
      sleeper.get({ block: false });
      joinall([sleeper], { timeout: 1 });
      wait([sleeper], { timeout: 1 });
      iwait([sleeper]).next();
      wait();
      until(thenable);
      call(never as () => Body);
      withTimeout(1, never);
      defer(never);
      use({ close: never });
      sim.hub.join({ timeout: 1 });
      expect(sim.hub.statistics()).toEqual(before);
      sim.clock.advance(3);
      expect(never).not.toHaveBeenCalled();
      expect([sim.hub.statistics(), sleeper.hasLinks()]).toEqual([before, 0]);
    });

    test('orders act at the call, consumed or not', () => {
      const [a, b] = [spawn(nap, 5), spawn(nap, 5)];
      sim.clock.advance();
      a.kill();
      killall([b]);
      sim.clock.advance();
      expect([a.dead, b.dead]).toEqual([true, true]);
      expectClean();
    });

    test('made in a body and left, it is reported with its line when the body ends', () => {
      let at = 0;
      run(function* forgetful() {
        sleep(1);
        at = line() - 1;
        yield* sleep(0);
        sleep(0);
      });
      expect(reports.length).toBe(2);
      expect(reports[0]).toMatch(
        /^GEVENT_UNCONSUMED: sleep\(1\) was made in <Greenlet "Greenlet-\d+": forgetful\(\)> and never consumed, so it did nothing; write yield\* or await before it\n/,
      );
      expect(reports[0]).toContain(`operations.test.ts:${at}:`);
      expect(reports[1]).toMatch(/^GEVENT_UNCONSUMED: sleep\(0\)[\s\S]*operations\.test\.ts:/);
    });

    test('so it is in a frame, in an async body and in a raw greenlet', async () => {
      function* forget(): Body {
        sleep(1);
      }
      spawn(function* () {
        yield* call(forget);
      });
      spawn(async () => {
        sleep(2);
        await sleep(0);
        sleep(3);
      });
      await sim.clock.advanceAsync();
      new greenlet(function* (): Body {
        sleep(4);
      }).switch();
      expect(reports.map((text) => /sleep\(\d\)/.exec(text)?.[0])).toEqual([
        'sleep(1)',
        'sleep(2)',
        'sleep(3)',
        'sleep(4)',
      ]);
    });

    test('what is consumed, or ordered, or made by another operation, is not reported', async () => {
      function* body(): Body {
        const sleepers = [spawn(nap, 9), spawn(nap, 9), spawn(nap, 9), spawn(nap, 9)];
        yield* sleep(0);
        sleepers[0].kill();
        sleepers[1].kill({ block: false });
        yield* killall([sleepers[2]]);
        yield* sleepers[3].kill();
        yield* joinall(sleepers);
        yield* withTimeout(1, nap, 0);
        yield* joinall([], { timeout: 1 });
        const dead = spawn(nap, 0);
        yield* dead.join();
        yield* dead.join();
        {
          using _g = spawn(nap, 9);
        }
        for (const it = iwait([spawn(nap, 0)]); !(yield* it.next()).done; );
        yield until(Promise.resolve());
        yield sleep(0);
      }
      spawn(body);
      spawn(async () => {
        await withTimeout(1, nap, 0);
        await Promise.all([sleep(0), sleep(1)]);
      });
      await sim.clock.advanceAsync(1);
      expectClean();
    });

    test('a program that runs for long does not pile up what it has consumed', () => {
      const ops: WeakRef<object>[] = [];
      spawn(function* () {
        for (let i = 0; i < 100; ++i) {
          const op = sleep(0);
          ops.push(new WeakRef(op));
          yield* op;
        }
        yield* sleep(100);
      });
      sim.clock.advance();
      return collected(ops).then((left) => expect(left).toBeLessThan(10));
    });
  });

  describe('consuming twice', () => {
    const reused = (what: string) =>
      `OperationError [GEVENT_OPERATION_REUSED]: ${what}: this operation was consumed before; call the function again for another`;

    const stateful: [string, () => Operation<unknown>, string][] = [
      ['idle', () => idle(), 'idle'],
      ['until', () => until(Promise.resolve(1)), 'until(promise)'],
      ['joinall', () => joinall([spawn(nap, 1)]), 'joinall of 1 objects, 1 ready'],
      ['wait', () => wait([spawn(nap, 1)]), 'wait of 1 objects, 1 ready'],
      ['iwait', () => iwait([spawn(nap, 1)]).next(), 'iwait of 0 objects'],
    ];

    test.each(stateful)('%s is refused the second time', async (_name, make, described) => {
      spawn(function* () {
        const op = make();
        yield* op;
        try {
          yield* op;
        } catch (error) {
          trace(told(error));
        }
        yield* sleep(1);
        trace('goes on');
      });
      spawn(async () => {
        const op = make();
        await op;
        await op.then(null, (error: unknown) => trace(told(error)));
        trace('goes on');
      });
      await sim.clock.advanceAsync(5);
      expect(log.sort()).toEqual([reused(described), reused(described), 'goes on', 'goes on']);
      expectClean();
    });

    test.each([
      ['call', () => call(nap, 1), 'call(nap)'],
      ['withTimeout', () => withTimeout(3, nap, 1), 'withTimeout of nap'],
    ])('%s is refused the second time', (_name, make, described) => {
      const g = run(function* () {
        const op = make();
        yield* op;
        yield* op;
      });
      expect(told(g.exception)).toBe(reused(described));
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('another consumer is refused while the first one waits, and the first is not disturbed', async () => {
      const slow = spawn(nap, 1, 'value');
      const op = slow.get();
      const described = op.describe();
      const first = spawn(function* () {
        return yield* op;
      });
      const second = spawn(function* () {
        return yield* op;
      });
      const third = op.then(null, told);
      sim.clock.advance(1);
      const texts = [told(first.exception), told(second.exception), await third];
      // the await acted at once, before the greenlets ran
      expect(texts).toEqual([reused(described), reused(described), 'value']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('one without state of its own serves as often as it is asked', () => {
      const [zero, one] = [sleep(0), sleep(1)];
      const done = run(function* () {
        for (let i = 0; i < 3; ++i) {
          yield* zero;
          yield* one;
        }
        return sim.clock.seconds;
      });
      expect(done.value).toBe(3);
      expectClean();
    });
  });

  describe('plain yield', () => {
    test('of an operation gives its result', () => {
      const child = spawn(nap, 1, 'value');
      const g = run(function* () {
        const got = [yield sleep(0), yield sleep(1), yield child.get(), yield call(nap, 1, 'frame')];
        return [...got, yield withTimeout(1, nap, 0.5, 'guarded')];
      });
      expect(g.value).toEqual([undefined, undefined, 'value', 'frame', 'guarded']);
      expectClean();
    });

    test('throws what the operation throws', () => {
      const child = spawn(function* () {
        yield* sleep(1);
        throw new Error('from the child');
      });
      const g = run(function* (): Body {
        try {
          yield child.get();
        } catch (error) {
          return told(error);
        }
      });
      expect(g.value).toBe('Error: from the child');
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('mixes with yield*, and both with frames', () => {
      function* inner(x: number): Body {
        const a = yield sleep(1);
        const b = yield* call(nap, 1, x);
        const c = yield call(nap, 1, x + 1);
        return [a, b, c];
      }
      const g = run(function* () {
        return [yield* inner(1), yield call(inner, 10), yield* call(inner, 20)];
      });
      expect(g.value).toEqual([
        [undefined, 1, 2],
        [undefined, 10, 11],
        [undefined, 20, 21],
      ]);
      expectClean();
    });

    test('is left by a kill, with finally', () => {
      const g = spawn(function* (): Body {
        try {
          yield sleep(9);
        } finally {
          trace('finally');
          yield sleep(1);
          trace('cleaned up');
        }
      });
      sim.clock.advance();
      g.kill();
      sim.clock.advance(1);
      expect([log, g.value instanceof GreenletExit]).toEqual([['finally', 'cleaned up'], true]);
      expectClean();
    });

    test('of a switch gives what is sent', () => {
      const g = new greenlet(function* (x: number): Body {
        const y = yield sim.hub.main.switch(x + 1);
        return y * 2;
      });
      expect([g.switch(1).value, g.switch(4).value]).toEqual([2, 8]);
    });

    const shown: [unknown, string][] = [
      [undefined, 'undefined'],
      [null, 'null'],
      [42, '42'],
      ['text', '"text"'],
      [Symbol('s'), 'Symbol(s)'],
      [10n, '10n'],
      [{}, 'an object (Object)'],
      [[1, 2], 'an array of 2'],
      [Promise.resolve(), 'an object (Promise)'],
      [() => 1, 'function (anonymous)'],
      [Object.create(null), 'an object'],
    ];

    test.each(shown)('of something else (%s) is an error there that names it, and the body goes on', (value, name) => {
      const g = run(function* (): Body {
        try {
          yield value;
        } catch (error) {
          trace(told(error));
        }
        yield* sleep(1);
        return 'went on';
      });
      expect(log).toEqual([
        `OperationError [GEVENT_NOT_AN_OPERATION]: a greenlet yielded ${name}: expected yield* of an operation (for a promise: yield* until(promise))`,
      ]);
      expect(g.value).toBe('went on');
      expectClean();
    });

    test('of a greenlet or a generator is no less wrong', () => {
      const g = run(function* (): Body {
        for (const odd of [getcurrent(), nap(1)]) {
          try {
            yield odd;
          } catch (error) {
            trace(told(error));
          }
        }
      });
      expect(log).toEqual([
        expect.stringContaining('a greenlet yielded an object (Greenlet)'),
        expect.stringContaining('a greenlet yielded a generator: write yield* where it says yield'),
      ]);
      expect(g.successful()).toBe(true);
    });

    test('of nonsense in a frame ends that frame, and its caller hears of it', () => {
      function* bad(): Body {
        yield 42;
      }
      const g = run(function* (): Body {
        try {
          yield* call(bad);
        } catch (error) {
          return (error as { code: string }).code;
        }
      });
      expect(g.value).toBe('GEVENT_NOT_AN_OPERATION');
      expectClean();
    });
  });

  test('yield* of an operation outside any greenlet is an error that says what to do', () => {
    const body = nap(1);
    expect(thrown(() => body.next())).toBe(
      'OperationError [GEVENT_NOT_IN_GREENLET]: sleep(1): yield* works in the body of a greenlet; use await here',
    );
  });

  test('generators may call each other by yield*, with values, errors and kills going through', () => {
    function* inner(n: number): Body {
      try {
        yield* sleep(1);
        if (n === 3) throw new Error(`inner ${n}`);
        return n;
      } finally {
        trace('finally', n);
      }
    }
    function* middle(n: number): Body {
      return [yield* inner(n), yield* inner(n + 1)];
    }
    const g = spawn(function* () {
      trace(...(yield* middle(1)));
      try {
        yield* middle(3);
      } catch (error) {
        trace(told(error));
      }
      yield* middle(4);
    });
    sim.clock.advance(3);
    g.kill();
    sim.clock.advance();
    expect(log).toEqual(['finally 1', 'finally 2', '1 2', 'finally 3', 'Error: inner 3', 'finally 4']);
    expect(sim.clock.seconds).toBe(3);
    expectClean();
  });

  describe('call', () => {
    test('gives what the generator returns, with arguments, switches or none', () => {
      function* sum(...numbers: number[]): Body<number> {
        yield* sleep(1);
        return numbers.reduce((a, b) => a + b, 0);
      }
      function* none(): Body {}
      const g = run(function* () {
        return [yield* call(sum, 1, 2, 3), yield* call(sum), yield* call(none), sim.clock.seconds];
      });
      expect(g.value).toEqual([6, 0, undefined, 2]);
      expectClean();
    });

    test('of a plain function gives its result at once, and throws what it throws', () => {
      const g = run(function* (): Body {
        const plain = call as unknown as (fn: unknown, ...args: unknown[]) => Operation<unknown>;
        const got = yield* plain((x: number) => x * 2, 4);
        try {
          yield* plain(() => {
            throw new Error('plain');
          });
        } catch (error) {
          return [got, told(error)];
        }
      });
      expect(g.value).toEqual([8, 'Error: plain']);
      expectClean();
    });

    test('of what is no function is a TypeError that shows it; in async code it says where it belongs', async () => {
      expect(thrown(() => call(42 as never))).toBe('TypeError: call(fn): expected a generator function, got 42');
      expect(await call(nap, 1).then(null, told)).toBe(
        'TypeError: call(nap): call() belongs in a generator body; elsewhere spawn(fn).get()',
      );
      expectClean();
    });

    test('an error arrives in the caller, which may catch it, and go on calling', () => {
      function* fails(n: number): Body {
        yield* sleep(1);
        throw new Error(`level ${n}`);
      }
      function* level(n: number): Body {
        try {
          yield* n === 0 ? call(fails, n) : call(level, n - 1);
        } catch (error) {
          trace('level', n, (error as Error).message);
          if (n === 1) throw new Error('changed');
          if (n === 2) return 'caught';
          throw error;
        }
      }
      const g = run(function* () {
        return [yield* call(level, 3), yield* call(nap, 1, 'and on')];
      });
      expect(log).toEqual(['level 0 level 0', 'level 1 level 0', 'level 2 changed']);
      expect(g.value).toEqual([undefined, 'and on']);
      expectClean();
    });

    test('undefined can be thrown through frames', () => {
      function* fails(): Body {
        yield* sleep(0);
        throw undefined;
      }
      function* through(): Body {
        yield* call(fails);
      }
      const g = run(function* (): Body {
        try {
          yield* call(through);
        } catch (error) {
          return ['caught', error];
        }
      });
      expect(g.value).toEqual(['caught', undefined]);
    });

    test('the stack of an error names every caller', () => {
      function* thrower(): Body {
        yield* sleep(1);
        throw new Error('deep');
      }
      function* second(): Body {
        yield* call(thrower);
      }
      function* helper(): Body {
        yield* call(second);
      }
      function* first(): Body {
        yield* helper();
      }
      const g = run(function* outermost() {
        yield* call(first);
      });
      const stack = (g.exception as Error).stack as string;
      const names = [...stack.matchAll(/at (?:\w+\.)?(\w+) .*operations\.test\.ts/g)].map((match) => match[1]);
      expect(names).toEqual(['thrower', 'second', 'helper', 'first', 'outermost']);
      expect(stack).not.toMatch(/ts\/hub\//);
    });

    test('an error that cannot be changed keeps the stack it has', () => {
      const frozen = Object.freeze(new Error('frozen'));
      function* fails(): Body {
        yield* sleep(0);
        throw frozen;
      }
      const g = run(function* () {
        yield* call(fails);
      });
      expect(g.exception).toBe(frozen);
    });

    test('a hundred thousand levels deep: values, an error, and finally in each when killed', {
      timeout: 30_000,
    }, () => {
      const DEPTH = 100_000;
      let left = 0;
      function* down(n: number, end: () => Body): Body {
        try {
          return n === 0 ? yield* call(end) : 1 + (yield* call(down, n - 1, end));
        } finally {
          ++left;
        }
      }
      const value = run(down, DEPTH, function* () {
        yield* sleep(1);
        return 1;
      });
      expect([value.value, left]).toEqual([DEPTH + 1, DEPTH + 1]);
      left = 0;
      const error = run(down, DEPTH, function* () {
        yield* sleep(1);
        throw new RangeError('from the bottom');
      });
      expect([told(error.exception), left]).toEqual(['RangeError: from the bottom', DEPTH + 1]);
      left = 0;
      const killed = spawn(down, DEPTH, () => nap(100));
      sim.clock.advance();
      killed.kill();
      sim.clock.advance();
      expect([killed.value instanceof GreenletExit, left]).toEqual([true, DEPTH + 1]);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    function* guardedLevel(n: number): Body {
      try {
        if (n === 0) yield* sleep(100);
        else yield* call(guardedLevel, n - 1);
      } finally {
        trace('finally', n);
        yield* sleep(1);
        trace('cleaned', n);
      }
    }

    test('a kill runs the finally of each frame, innermost first, and they may block', () => {
      const g = spawn(guardedLevel, 2);
      sim.clock.advance(1);
      g.kill();
      sim.clock.advance(3);
      expect(log).toEqual(['finally 0', 'cleaned 0', 'finally 1', 'cleaned 1', 'finally 2', 'cleaned 2']);
      expect([g.value instanceof GreenletExit, sim.clock.seconds]).toEqual([true, 4]);
      expectClean();
    });

    test('a Timeout goes up through the frames to the one that catches it, which goes on', () => {
      const g = run(function* () {
        const timeout = new Timeout(1);
        timeout.start();
        try {
          yield* call(guardedLevel, 1);
        } catch (error) {
          trace(error === timeout);
        }
        yield* call(nap, 1);
        return sim.clock.seconds;
      });
      expect(log).toEqual(['finally 0', 'cleaned 0', 'finally 1', 'cleaned 1', true]);
      expect(g.value).toBe(4);
      expectClean();
    });

    test('a second kill meanwhile ends the finally that blocks, and the ones outside still run', () => {
      const g = spawn(guardedLevel, 1);
      sim.clock.advance(1);
      g.kill();
      sim.clock.advance();
      g.kill();
      sim.clock.advance(2);
      expect(log).toEqual(['finally 0', 'finally 1', 'cleaned 1']);
      expect(g.value).toBeInstanceOf(GreenletExit);
      expectClean();
    });

    test('control may go to another greenlet and back from inside frames', () => {
      const other = new greenlet(function* (x: number): Body {
        for (;;) x = yield* g.switch(x * 10);
      });
      function* frame(x: number): Body {
        return yield* other.switch(x);
      }
      const g = new greenlet(function* (): Body {
        return [yield* call(frame, 1), yield* call(frame, 2)];
      });
      expect(g.switch().value).toEqual([10, 20]);
      expectClean();
    });

    test('frames belong to their greenlet: many at once do not mix', () => {
      function* level(n: number, name: string): Body {
        yield* sleep(0);
        if (n === 0) return name;
        const below = yield* call(level, n - 1, name);
        yield* sleep(1);
        return `${below}${n}`;
      }
      const all = ['a', 'b', 'c'].map((name, i) => spawn(level, 3 + i, name));
      sim.clock.runAll();
      expect(all.map((g) => g.value)).toEqual(['a123', 'b1234', 'c12345']);
      expectClean();
    });
  });

  describe('until', () => {
    test('gives what the promise gives, and throws what it is rejected with', async () => {
      const gate = Promise.withResolvers<string>();
      const g = spawn(function* () {
        trace('value', yield* until(gate.promise));
        for (const reason of [new Error('no'), undefined]) {
          try {
            yield* until(Promise.reject(reason));
          } catch (error) {
            trace('rejected', error);
          }
        }
      });
      sim.clock.advance();
      expect(sim.hub.statistics()).toMatchObject({ foreign: 1, waiting: 1 });
      gate.resolve('kept');
      await sim.clock.advanceAsync();
      expect(log).toEqual(['value kept', 'rejected Error: no', 'rejected undefined']);
      expect(g.successful()).toBe(true);
      expectClean();
    });

    test('is a switch point even for a promise that is settled', async () => {
      spawn(function* () {
        trace(yield* until(Promise.resolve('settled')));
      });
      spawn(() => trace('other'));
      await sim.clock.advanceAsync();
      expect(log).toEqual(['other', 'settled']);
    });

    test('greenlets go on in the order in which their promises settle', async () => {
      const gates = [0, 1, 2].map(() => Promise.withResolvers<number>());
      for (const { promise } of gates) {
        spawn(function* () {
          trace(yield* until(promise));
        });
      }
      sim.clock.advance();
      for (const i of [2, 0, 1]) gates[i].resolve(i);
      await sim.clock.advanceAsync();
      expect(log).toEqual([2, 0, 1]);
      expectClean();
    });

    test.each(['resolved', 'rejected'])(
      'a killed greenlet leaves at once; the promise %s later is not heard of',
      async (how) => {
        const gate = Promise.withResolvers<void>();
        const g = spawn(function* () {
          const { signal } = getcurrent() as Greenlet;
          signal.addEventListener('abort', () => trace('aborted'));
          try {
            yield* until(gate.promise);
          } finally {
            trace('finally');
          }
        });
        sim.clock.advance();
        g.kill();
        sim.clock.advance();
        expect([g.dead, log.sort()]).toEqual([true, ['aborted', 'finally']]);
        expectClean();
        if (how === 'resolved') gate.resolve();
        else gate.reject(new Error('nobody hears'));
        await sim.clock.advanceAsync(1);
        expectClean();
      },
    );

    test('so it is with a timeout while it waits', async () => {
      const gate = Promise.withResolvers<string>();
      const g = spawn(function* () {
        const missed = yield* withTimeout({ seconds: 1, timeoutValue: 'too late' }, () => until(gate.promise));
        yield* sleep(5);
        return missed;
      });
      sim.clock.advance(2);
      gate.resolve('unheard');
      await sim.clock.advanceAsync(10);
      expect(g.value).toBe('too late');
      expectClean();
    });

    test('settled and killed in the same turn, it is the kill that counts, once', async () => {
      const gate = Promise.withResolvers<void>();
      const g = spawn(function* () {
        try {
          yield* until(gate.promise);
          trace('value');
        } finally {
          trace('finally');
        }
      });
      sim.clock.advance();
      gate.resolve();
      await gate.promise;
      // the promise has put the greenlet behind the kill
      g.kill();
      sim.clock.advance();
      expect([log, g.dead]).toEqual([['value', 'finally'], true]);
      expectClean();
    });

    test('thenables that call back at once, twice, or throw are served like promises', () => {
      const sync = { then: (done: (x: string) => void) => done('sync') };
      const failing = { then: (_: unknown, failed: (e: unknown) => void) => failed(new Error('sync failure')) };
      const eager = {
        then(done: (x: number) => void, failed: (e: unknown) => void) {
          done(1);
          done(2);
          failed(new Error('late'));
        },
      };
      const throwing = {
        then() {
          throw new Error('thrown by then');
        },
      };
      const callable = Object.assign(() => {}, { then: (done: (x: string) => void) => done('callable') });
      const g = run(function* (): Body {
        const got: unknown[] = [];
        for (const thenable of [sync, failing, eager, throwing, callable]) {
          try {
            got.push(yield* until(thenable as never));
          } catch (error) {
            got.push(told(error));
          }
        }
        yield* sleep(1);
        return got;
      });
      expect(g.value).toEqual(['sync', 'Error: sync failure', 1, 'Error: thrown by then', 'callable']);
      expectClean();
    });

    test('what throws behind its back after it settled changes nothing', () => {
      const odd = {
        then(done: (x: string) => void) {
          done('first');
          throw new Error('too late');
        },
      };
      expect(run(() => nestedUntil(odd as never)).value).toBe('first');
      expectClean();
    });

    function* nestedUntil(promise: PromiseLike<unknown>): Body {
      return yield* until(promise);
    }

    test.each([
      [undefined, 'undefined'],
      [null, 'null'],
      [42, '42'],
      [{}, 'an object (Object)'],
      [{ then: 1 }, 'an object (Object)'],
      [() => 1, 'function (anonymous)'],
    ])('of %s is a TypeError where it is called', (value, shown) => {
      expect(thrown(() => until(value as never))).toBe(
        `TypeError: until(promise): expected a promise or thenable, got ${shown}`,
      );
    });

    test('works in async bodies and in main as well', async () => {
      const body = spawn(async () => [
        await until(Promise.resolve(1)),
        await until(Promise.reject(new Error('no'))).then(null, told),
      ]);
      const main = until(Promise.resolve('main')).then((x) => trace(x));
      await sim.clock.advanceAsync();
      await main;
      expect([body.value, log]).toEqual([[1, 'Error: no'], ['main']]);
      expectClean();
    });
  });

  describe('defer and use', () => {
    test('what was deferred runs at the end, latest first, before anyone hears of the end', () => {
      const g = spawn(function* () {
        yield* defer(() => trace('first'));
        yield* defer(() => trace('second'));
        yield* sleep(1);
        trace('body');
        return 'value';
      });
      g.rawlink(() => trace('link'));
      spawn(function* () {
        trace('joined', yield* g.get());
      });
      sim.clock.advance(1);
      expect(log).toEqual(['body', 'second', 'first', 'link', 'joined value']);
      expectClean();
    });

    test.each([
      ['an error', (g: Greenlet) => void g],
      ['a kill', (g: Greenlet) => void g.kill()],
    ])('so it does after %s', (what, act) => {
      const g = spawn(function* () {
        yield* defer(() => trace('deferred'));
        try {
          yield* sleep(1);
          throw new Error('failed');
        } finally {
          trace('finally');
        }
      });
      sim.clock.advance();
      act(g);
      sim.clock.advance(1);
      expect(log).toEqual(['finally', 'deferred']);
      expect(
        what === 'a kill' ? (g.value as unknown) instanceof GreenletExit : told(g.exception) === 'Error: failed',
      ).toBe(true);
      expect(reports.length).toBe(what === 'a kill' ? 0 : 1);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('cleanup may block, as a generator, an operation or a promise; joiners wait for it', async () => {
      const g = spawn(function* () {
        yield* defer(function* () {
          yield* sleep(1);
          trace('generator', sim.clock.seconds);
        });
        yield* defer(() => sleep(1));
        yield* defer(async () => {
          await sleep(1);
          trace('async', sim.clock.seconds);
        });
        return 'value';
      });
      spawn(function* () {
        yield* g.join();
        trace('joined', sim.clock.seconds);
      });
      await sim.clock.advanceAsync();
      expect([g.dead, g.ready(), g.value]).toEqual([false, false, undefined]);
      await sim.clock.advanceAsync(3);
      expect(log).toEqual(['async 1', 'generator 3', 'joined 3']);
      expect(g.value).toBe('value');
      expectClean();
    });

    test('an error in cleanup is reported, the rest still runs, and the outcome stays', () => {
      const g = run(function* tidy() {
        yield* defer(() => trace('last'));
        yield* defer(function* () {
          yield* sleep(1);
          throw new Error('in cleanup');
        });
        yield* defer(() => {
          throw new RangeError('at once');
        });
        return 'value';
      });
      expect([log, g.value]).toEqual([['last'], 'value']);
      expect(reports.length).toBe(2);
      expect(reports[0]).toMatch(
        /^RangeError: at once[\s\S]*<Greenlet "Greenlet-\d+": tidy\(\)> failed with RangeError\n/,
      );
      expect(reports[1]).toMatch(/^Error: in cleanup/);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('a kill or Timeout during cleanup ends only what blocks there', () => {
      const g = spawn(function* () {
        yield* defer(function* () {
          yield* sleep(1);
          trace('third');
        });
        yield* defer(function* () {
          yield* sleep(100);
          trace('never');
        });
        yield* defer(() => withTimeout(1, nap, 100));
        return 'value';
      });
      sim.clock.advance(2);
      g.kill();
      sim.clock.advance(1);
      expect([log, g.value]).toEqual([['third'], 'value']);
      expect(reports.length).toBe(1);
      expect(reports[0]).toMatch(/failed with Timeout/);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('cleanup may defer more; inside a frame it is still the greenlet`s end that counts', () => {
      function* frame(): Body {
        yield* defer(() => trace('from the frame'));
        trace('frame ends');
      }
      run(function* () {
        yield* defer(function* () {
          yield* defer(() => trace('deferred in cleanup'));
          trace('cleanup');
        });
        yield* call(frame);
        yield* sleep(1);
        trace('body ends');
      });
      expect(log).toEqual(['frame ends', 'body ends', 'from the frame', 'cleanup', 'deferred in cleanup']);
      expectClean();
    });

    test('in an async body, also when it is killed between its end and its cleanup', async () => {
      const g = spawn(async () => {
        await defer(() => trace('first'));
        await defer(function* () {
          yield* sleep(1);
          trace('second');
        });
        return 'value';
      });
      const other = spawn(async () => {
        await defer(() => trace('other'));
        await sleep(9);
      });
      await sim.clock.advanceAsync(1);
      expect([log, g.value]).toEqual([['second', 'first'], 'value']);
      other.kill();
      await sim.clock.advanceAsync();
      expect(log).toEqual(['second', 'first', 'other']);
      const plain = spawn(async () => {
        await defer(() => trace('kept'));
        spawn(() => plain.kill());
      });
      await sim.clock.advanceAsync();
      expect([log.at(-1), plain.dead]).toEqual(['kept', true]);
      expectClean();
    });

    test('a plain body cannot consume defer; a kill between the end of a body and its cleanup does not drop that', async () => {
      const gate = Promise.withResolvers<void>();
      const g = spawn(async () => {
        await defer(() => trace('cleanup'));
        await gate.promise;
      });
      await sim.clock.advanceAsync();
      gate.resolve();
      // The body's promise settles in microtasks; the cleanup then waits for its turn, and the kill comes first.
      for (let i = 0; i < 10; ++i) await null;
      g.throw();
      await sim.clock.advanceAsync();
      expect([log, g.dead]).toEqual([['cleanup'], true]);
      expectClean();
    });

    test('outside a Greenlet, and of no function, it is a TypeError', async () => {
      expect(thrown(() => defer(42 as never))).toBe('TypeError: defer(fn): expected a function, got 42');
      const text = 'TypeError: defer(fn): works in a Greenlet; elsewhere use try and finally';
      expect(await defer(() => 1).then(null, told)).toBe(text);
      const raw = new greenlet(function* (): Body {
        try {
          yield* defer(() => 1);
        } catch (error) {
          return told(error);
        }
      });
      expect(raw.switch().value).toBe(text);
    });

    test('use gives the resource and disposes of it at the end, the best way it has', async () => {
      const way = (name: string) => () => void trace(name);
      const resources = [
        { [Symbol.dispose]: way('dispose') },
        { close: way('close') },
        { [Symbol.dispose]: way('no'), close: way('no'), [Symbol.asyncDispose]: async () => way('asyncDispose')() },
        {
          *close(): Body {
            yield* sleep(1);
            trace('slow close of', this === resources[3]);
          },
        },
      ];
      const g = spawn(function* () {
        const got: unknown[] = [];
        for (const resource of resources) got.push(yield* use(resource));
        return got;
      });
      await sim.clock.advanceAsync(1);
      expect((g.value as unknown[]).every((x, i) => x === resources[i])).toBe(true);
      expect(log).toEqual(['slow close of true', 'asyncDispose', 'close', 'dispose']);
      expectClean();
    });

    test.each([
      [null, 'null'],
      [42, '42'],
      [{}, 'an object (Object)'],
      [{ close: 1 }, 'an object (Object)'],
    ])('use of %s is a TypeError', (value, shown) => {
      expect(thrown(() => use(value as never))).toBe(
        `TypeError: use(resource): expected something disposable or with close(), got ${shown}`,
      );
    });
  });

  describe('withTimeout', () => {
    test('gives what the function gives, of whatever kind it is', async () => {
      const kinds = [
        (x: number) => nap(0.5, x),
        (x: number) => x,
        async (x: number) => x,
        (x: number) => spawn(nap, 0.5, x).get(),
      ];
      const inBody = spawn(function* (): Body {
        const got: unknown[] = [];
        for (const fn of kinds) got.push(yield* withTimeout(1, fn as (x: number) => unknown, 7));
        return got;
      });
      const inAsync = spawn(async () => {
        const got: unknown[] = [];
        for (const fn of kinds) got.push(await withTimeout(1, fn as (x: number) => unknown, 7));
        return got;
      });
      const inMain = Promise.all(kinds.map((fn) => withTimeout(1, fn as (x: number) => unknown, 7)));
      await sim.clock.advanceAsync(2);
      expect([inBody.value, inAsync.value, await inMain]).toEqual(Array(3).fill([7, 7, 7, 7]));
      expectClean();
    });

    test('raises its Timeout in the function, or gives the value that was to be given instead', async () => {
      function* stubborn(): Body {
        try {
          yield* sleep(100);
        } finally {
          trace('left at', sim.clock.seconds);
        }
      }
      const g = spawn(function* () {
        try {
          yield* withTimeout(1, stubborn);
        } catch (error) {
          trace(told(error));
        }
        return yield* withTimeout({ seconds: 1, timeoutValue: 'instead' }, stubborn);
      });
      const main = withTimeout({ seconds: 3, timeoutValue: null }, stubborn).then((x) => trace('main', x));
      const mainFails = withTimeout(4, stubborn).then(null, told);
      await sim.clock.advanceAsync(4);
      await main;
      expect(log).toEqual([
        'left at 1',
        'Timeout [GEVENT_TIMEOUT]: 1 second',
        'left at 2',
        'left at 3',
        'main null',
        'left at 4',
      ]);
      expect([g.value, await mainFails]).toEqual(['instead', 'Timeout [GEVENT_TIMEOUT]: 4 seconds']);
      expectClean();
    });

    test('no value is given for a Timeout of somebody else', () => {
      const g = run(function* (): Body {
        const outer = Timeout.startNew(1);
        try {
          yield* withTimeout({ seconds: 5, timeoutValue: 'wrong' }, nap, 100);
        } catch (error) {
          return error === outer;
        }
      });
      expect(g.value).toBe(true);
      expectClean();
    });

    test('errors of the function pass, and the timer is gone', () => {
      const g = run(function* (): Body {
        try {
          yield* withTimeout({ seconds: 9, timeoutValue: 1 }, () => {
            throw new Error('at once');
          });
        } catch (error) {
          return [told(error), sim.hub.statistics().timers];
        }
      });
      expect(g.value).toEqual(['Error: at once', 0]);
      expectClean();
    });

    test('takes no limit, a Timeout with its own exception, and a Temporal.Duration', () => {
      class TooSlow extends Error {}
      const g = run(function* (): Body {
        const got: unknown[] = [yield* withTimeout(null, nap, 50, 'no limit')];
        try {
          yield* withTimeout(new Timeout(1, TooSlow), nap, 50);
        } catch (error) {
          got.push(error instanceof TooSlow);
        }
        got.push(yield* withTimeout({ seconds: new Timeout(1), timeoutValue: 'its own' }, nap, 50));
        got.push(yield* withTimeout({ total: () => 500 }, nap, 0.1, 'duration'));
        return got;
      });
      expect(g.value).toEqual(['no limit', true, 'its own', 'duration']);
      expectClean();
    });

    test('limits nest: the one that is due first wins', () => {
      const g = run(function* () {
        const inner = yield* withTimeout(5, function* () {
          return yield* withTimeout({ seconds: 1, timeoutValue: 'inner' }, nap, 9);
        });
        const outer = yield* withTimeout({ seconds: 1, timeoutValue: 'outer' }, function* () {
          return yield* withTimeout({ seconds: 5, timeoutValue: 'inner' }, nap, 9);
        });
        return [inner, outer, sim.clock.seconds];
      });
      expect(g.value).toEqual(['inner', 'outer', 2]);
      expectClean();
    });

    test('a kill goes through, and an await that ends early ends its function', async () => {
      function* traced(): Body {
        try {
          yield* sleep(100);
        } catch (error) {
          trace(told(error).split(':')[0]);
          throw error;
        }
      }
      const g = spawn(function* () {
        yield* withTimeout(50, traced);
      });
      const body = spawn(async () => {
        await withTimeout(50, traced);
      });
      await sim.clock.advanceAsync(1);
      g.kill();
      body.kill();
      await sim.clock.advanceAsync();
      const exit = 'GreenletExit [GEVENT_GREENLET_EXIT]';
      expect(log).toEqual([exit, exit]);
      expect([g.dead, body.dead]).toEqual([true, true]);
      expectClean();
    });

    test('on a hub of its own, in an async body, it runs on that hub', async () => {
      const { createHub } = await import('../../ts/index.ts');
      const far = createHub({ core });
      const g = far.spawn(async () => {
        await sleep(0);
        return await withTimeout(5, nap, 0.001, 'far away');
      });
      await vi.waitUntil(() => g.dead);
      expect([g.value, g.exception]).toEqual(['far away', undefined]);
      far.destroy();
    });

    test.each([
      [() => withTimeout(Number.NaN, nap, 1), 'RangeError: Timeout(seconds): expected a number of seconds, got NaN'],
      [
        () => withTimeout('1' as never, nap, 1),
        'TypeError: Timeout(seconds): expected a number of seconds or a Temporal.Duration, got "1"',
      ],
      [() => withTimeout(1, 42 as never), 'TypeError: withTimeout(seconds, fn): expected a function, got 42'],
      [
        () => withTimeout({ seconds: 'x', timeoutValue: 1 } as never, nap, 1),
        'TypeError: Timeout(seconds): expected a number of seconds or a Temporal.Duration, got "x"',
      ],
    ])('bad arguments are refused where it is called (%#)', (action, text) => {
      expect(thrown(action)).toBe(text);
      expectClean();
    });
  });

  describe('using', () => {
    test('a Greenlet is killed at the end of its block, without waiting', () => {
      const g = run(function* () {
        const kept: Greenlet[] = [];
        {
          using child = spawn(nap, 100);
          kept.push(child);
          yield* sleep(1);
        }
        const before = kept[0].dead;
        yield* sleep(0);
        return [before, kept[0].dead];
      });
      expect(g.value).toEqual([false, true]);
      expectClean();
    });

    test('a Timeout is closed at the end of its block, also when something is thrown', () => {
      const g = run(function* (): Body {
        try {
          using timeout = new Timeout(1);
          timeout.start();
          yield* sleep(0.5);
          throw new Error('out');
        } catch {
          yield* sleep(5);
        }
        using timeout = Timeout.startNew(1);
        try {
          yield* sleep(5);
        } catch (error) {
          return [error === timeout, sim.clock.seconds];
        }
      });
      expect(g.value).toEqual([true, 6.5]);
      expectClean();
    });

    test('await using of a Greenlet waits for its end', async () => {
      const ended = (async () => {
        let g: Greenlet;
        {
          await using child = spawn(nap, 2, 'value');
          g = child;
        }
        return [g.value, sim.clock.seconds];
      })();
      await sim.clock.advanceAsync(2);
      expect(await ended).toEqual(['value', 2]);
      expectClean();
    });
  });

  describe('await in main', () => {
    test('several at once wait side by side; each settles in its turn', async () => {
      const note = (name: string) => () => trace(name, sim.clock.seconds);
      const child = spawn(nap, 1, 'value');
      const all = Promise.all([
        sleep(2).then(note('sleep(2)')),
        sleep(1).then(note('sleep(1)')),
        child.get().then((value) => trace(value)),
        sleep(0).then(note('sleep(0)')),
        sleep(1).then(note('sleep(1) again')),
        joinall([child]).then((list) => trace(list.length)),
        until(Promise.resolve()).then(note('until')),
      ]);
      await sim.clock.advanceAsync(2);
      await all;
      expect(log).toEqual(
        ['sleep(0) 0', 'until 0', 'sleep(1) 1', 'sleep(1) again 1', 'value', '1', 'sleep(2) 2'].map((x) =>
          x === '1' ? 1 : x,
        ),
      );
      expectClean();
    });

    test('Promise.all of operations gives their values; of a failing one its error, while the others go on', async () => {
      const good = spawn(nap, 1, 'good');
      const bad = spawn(function* () {
        yield* sleep(1);
        throw new Error('bad');
      });
      bad.rawlink(() => {});
      const values = Promise.all([good.get(), sleep(1), 'plain', nothing()]);
      const fails = Promise.all([good.get(), bad.get(), sleep(2).then(() => trace('went on'))]).then(null, told);
      await sim.clock.advanceAsync(2);
      expect([await values, await fails]).toEqual([['good', undefined, 'plain', undefined], 'Error: bad']);
      expect(log).toEqual(['went on']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    function nothing(): Operation<void> {
      return sleep(0);
    }

    test('two in main and greenlets take turns in the order they came', async () => {
      const turns = async (name: string) => {
        for (let i = 0; i < 3; ++i) {
          await sleep(0);
          trace(name, i);
        }
      };
      const main = [turns('main a'), turns('main b')];
      spawn(function* () {
        for (let i = 0; i < 3; ++i) {
          yield* sleep(0);
          trace('g', i);
        }
      });
      await sim.clock.advanceAsync();
      await Promise.all(main);
      for (const name of ['main a', 'main b', 'g']) {
        expect(log.filter((x) => String(x).startsWith(name))).toEqual([0, 1, 2].map((i) => `${name} ${i}`));
      }
      expect(log.filter((x) => String(x).startsWith('main'))).toEqual(
        [0, 1, 2].flatMap((i) => [`main a ${i}`, `main b ${i}`]),
      );
    });

    test('then acts at once, calls back later, and never from inside', async () => {
      const done = spawn(() => 'value');
      sim.clock.advance();
      let inside = true;
      const got = done.get().then((value) => [value, inside]);
      inside = false;
      expect(await got).toEqual(['value', false]);
    });

    test('then, catch and finally chain like a promise`s', async () => {
      const fails = () =>
        spawn(function* () {
          yield* sleep(1);
          throw new Error('failed');
        });
      const chains = [
        sleep(1)
          .then(() => 1)
          .then((x) => x + 1),
        sleep(1)
          .then()
          .then(() => 'passed on'),
        sleep(1)
          .then(null)
          .finally(() => trace('finally'))
          .then((x) => ['finally keeps', x]),
        fails()
          .get()
          .then(() => 'no')
          .catch(told),
        fails()
          .get()
          .then(null, told)
          .then((x) => [x]),
        fails()
          .get()
          .then(null, null)
          .finally(() => trace('finally of a failure'))
          .catch(told),
        sleep(1)
          .then(() => {
            throw new Error('in the callback');
          })
          .catch(told),
        sleep(1)
          .then(() => sleep(1))
          .then(() => sim.clock.seconds),
        sleep(1)
          .then(() => Promise.reject(new Error('a promise')))
          .catch(told),
        fails()
          .get()
          .then(null, (error) => {
            throw new Error(`again ${(error as Error).message}`);
          })
          .catch(told),
      ];
      await sim.clock.advanceAsync(3);
      expect(await Promise.all(chains)).toEqual([
        2,
        'passed on',
        ['finally keeps', undefined],
        'Error: failed',
        ['Error: failed'],
        'Error: failed',
        'Error: in the callback',
        2,
        'Error: a promise',
        'Error: again failed',
      ]);
      expect(log.sort()).toEqual(['finally', 'finally of a failure']);
      expect(sim.hub.statistics()).toEqual(atFirst);
    });

    test('one can be chained twice, and after it settled', async () => {
      const pending = sleep(1).then(() => 'value');
      const early = [pending.then((x) => `${x} a`), pending.then((x) => `${x} b`)];
      await sim.clock.advanceAsync(1);
      expect([...(await Promise.all(early)), await pending, await pending]).toEqual([
        'value a',
        'value b',
        'value',
        'value',
      ]);
    });

    test('by hand in the first slice of an async body it is that body`s, and goes with it', async () => {
      const g = spawn(async () => {
        sleep(5).then(() => trace('nobody is left to hear'));
        until(Promise.reject(new Error('unheard'))).then(() => {}, told);
        await sleep(1);
        return 'value';
      });
      await sim.clock.advanceAsync(1);
      expect(g.value).toBe('value');
      expectClean();
      await sim.clock.advanceAsync(9);
      expect(log).toEqual([]);
    });

    test('a value that is itself to be awaited is', async () => {
      const g = spawn(() => 1);
      const thenable = { then: (done: (x: string) => void) => done('thenable') } as PromiseLike<string>;
      const got = g.get().then(() => thenable);
      await sim.clock.advanceAsync();
      expect(await got).toBe('thenable');
    });
  });

  describe('a kill that a general catch swallows', () => {
    test('is reported when the greenlet ends otherwise, with the place it went on to', () => {
      let at = 0;
      const g = spawn(function* careless() {
        try {
          yield* sleep(9);
        } catch {
          trace('ignored');
        }
        at = line() + 1;
        yield* sleep(1);
      });
      sim.clock.advance();
      g.kill();
      sim.clock.advance(1);
      expect(reports.length).toBe(1);
      expect(reports[0]).toMatch(
        /^GEVENT_KILL_SWALLOWED: <Greenlet "Greenlet-\d+": careless\(\)> caught its GreenletExit and went on, to sleep\(1\); begin a general catch with rethrowControl\(error\)\n/,
      );
      expect(reports[0]).toContain(`operations.test.ts:${at}:`);
    });

    test('is not reported for a finally that blocks, for an error on the way out, nor for a last return', () => {
      const bodies = [
        function* (): Body {
          try {
            yield* sleep(9);
          } finally {
            yield* sleep(1);
          }
        },
        function* (): Body {
          try {
            yield* sleep(9);
          } catch (error) {
            yield* sleep(1);
            throw error;
          }
        },
        function* (): Body {
          try {
            yield* sleep(9);
          } catch {
            return 'last words';
          }
        },
      ];
      const all = bodies.map((body) => spawn(body));
      sim.clock.advance();
      killall(all);
      sim.clock.advance(1);
      expect(all.every((g) => g.dead)).toBe(true);
      expectClean();
    });
  });
});

/** How many of them are still there after some collections. */
async function collected(refs: WeakRef<object>[]): Promise<number> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let i = 0; i < 5; ++i) {
    await new Promise(setImmediate);
    gc();
  }
  return refs.filter((ref) => ref.deref() !== undefined).length;
}

describe.each(CORES)('in a process of its own, on the %s core', { timeout: 30_000 }, (core) => {
  const env = { GEVENT_CORE: core };

  test('no rejection leaks from greenlets that fail, are killed or leave promises behind', async () => {
    const ran = await program(
      `
      import { getHub, joinall, killall, sleep, spawn, spawnRaw, Timeout, until, withTimeout } from '#index.ts';
      process.on('unhandledRejection', (e) => console.log('leaked', e));
      getHub().exceptionStream = { write: (text) => console.log(text.split('\\n')[0]) };
      const never = () => new Promise(() => {});
      const rejects = (ms) => new Promise((_, no) => setTimeout(() => no(new Error('late')), ms));
      spawn(function* () { yield* until(Promise.reject(new Error('generator'))); });
      spawn(async () => { await sleep(0); throw new Error('async'); });
      spawn(() => { throw new Error('plain'); });
      spawn(() => Promise.reject(new Error('promise')));
      spawnRaw(function* () { yield* sleep(0); throw new Error('raw'); });
      const all = [
        spawn(function* () { yield* until(rejects(20)); }),
        spawn(async () => { await until(rejects(20)); }),
        spawn(async () => { await Promise.all([sleep(1), sleep(2), until(rejects(20))]); }),
        spawn(async () => { sleep(1).then(() => {}); until(rejects(20)).then(() => {}); await sleep(1); }),
        spawn(async () => { await withTimeout(5, () => until(rejects(20))); }),
        spawn(async () => { try { await sleep(1); } finally { await sleep(0); } }),
      ];
      await sleep(0.005);
      await killall(all);
      await joinall(all);
      await withTimeout({ seconds: 0.001, timeoutValue: null }, () => until(rejects(10)));
      await sleep(0.05);
      console.log('dead', all.filter((g) => g.dead).length, JSON.stringify(getHub().statistics().slots));
      `,
      env,
    );
    expect(ran.stderr).toBe('');
    expect(ran.stdout.sort()).toEqual([
      'Error: async',
      'Error: generator',
      'Error: plain',
      'Error: promise',
      'Error: raw',
      'dead 6 0',
    ]);
    expect(ran.code).toBe(0);
  });

  test('an awaited failure that nobody handles is the platform`s to tell, once', async () => {
    const ran = await program(
      `
      import { getHub, sleep, spawn } from '#index.ts';
      getHub().exceptionStream = null;
      process.on('unhandledRejection', (e) => console.log('unhandled', e.message));
      const fails = () => spawn(function* () { yield* sleep(0); throw new Error('failed'); });
      fails().get().then(() => {});
      fails().get().then(() => {}, (e) => console.log('handled', e.message));
      fails().get().then(() => {}).then(() => {}).catch((e) => console.log('handled', e.message));
      await sleep(0.01);
      `,
      env,
    );
    expect([ran.stderr, ran.stdout.sort()]).toEqual(['', ['handled failed', 'handled failed', 'unhandled failed']]);
  });

  test('GEVENT_DEBUG=1 names the line of an operation that was never consumed; without it nothing is said', async () => {
    const source = `
      import { sleep, spawn } from '#index.ts';
      function* forgetful() {
        sleep(1); // line 4
        yield* sleep(0);
      }
      await spawn(forgetful).join();
    `;
    const loud = await program(source, { ...env, GEVENT_DEBUG: '1' });
    expect(loud.stderr).toMatch(
      /^GEVENT_UNCONSUMED: sleep\(1\) was made in <Greenlet "Greenlet-\d+": forgetful\(\)> and never consumed[^\n]*\n[^\n]*forgetful[^\n]*:4:9\)?\n/,
    );
    const quiet = await program(source, { ...env, GEVENT_DEBUG: '' });
    expect([quiet.stderr, quiet.code]).toEqual(['', 0]);
  });
});
