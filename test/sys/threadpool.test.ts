// ThreadPool and ThreadPoolExecutor, on real threads.

import { describe, expect, onTestFinished, test } from 'vitest';
import { sleep, Timeout, wait, withTimeout } from '../../ts/index.ts';
import {
  fromModule,
  move,
  ThreadPool,
  ThreadPoolExecutor,
  type ThreadPoolOptions,
  ThreadResult,
} from '../../ts/sys/threadpool.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

const TASKS = new URL('./tasks.ts', import.meta.url);
type Tasks = typeof import('./tasks.ts');

/** Closed until `open()`: what runs `pass(gate)` stands there. */
class Gate {
  readonly cells = new Int32Array(new SharedArrayBuffer(8));

  open(): void {
    Atomics.store(this.cells, 0, 1);
    Atomics.notify(this.cells, 0);
  }

  /** How many have arrived. */
  get arrived(): number {
    return Atomics.load(this.cells, 1);
  }
}

const pass = (cells: Int32Array, value?: unknown) => {
  Atomics.add(cells, 1, 1);
  Atomics.wait(cells, 0, 0);
  return value;
};

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

function newPool(maxsize: number, options?: ThreadPoolOptions): ThreadPool {
  const pool = new ThreadPool(maxsize, options);
  onTestFinished(async () => {
    await pool.terminate();
  });
  return pool;
}

describe.each(CORES)('on the %s core', (core) => {
  describe('tasks', () => {
    test('a function runs in another thread and gives its result in generator bodies, async bodies and main', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(2);
      const where = () => process.getBuiltinModule('node:worker_threads').threadId;
      const inBody = hub.spawn(function* () {
        const result = yield* pool.spawn((a: number, b: number) => a + b, 1, 2);
        return [result instanceof ThreadResult, yield* result.get(), yield* pool.apply(where)];
      });
      const inAsync = hub.spawn(async () => await pool.apply(where));
      const [isResult, sum, thread] = await inBody.get();
      expect([isResult, sum]).toEqual([true, 3]);
      expect([(thread as number) > 0, (await inAsync.get()) > 0]).toEqual([true, true]);
    });

    test('by module and export, which keeps its state from task to task; async ones are waited for', async () => {
      realWorld(core);
      const pool = newPool(1);
      const raise = fromModule<Tasks['raise']>(TASKS, 'raise');
      expect([await pool.apply(raise), await pool.apply(raise)]).toEqual([1, 2]);
      expect(await pool.apply(fromModule<Tasks['later']>(TASKS.pathname, 'later'), [5, 'late'])).toBe('late');
      expect(await pool.apply(fromModule<Tasks['default']>(TASKS), ['loud'])).toBe('LOUD');
      expect(await pool.apply(fromModule<(path: string) => string>('node:path', 'basename'), ['/a/b'])).toBe('b');
    });

    test('arguments and results are copied; a moved buffer is gone here', async () => {
      realWorld(core);
      const pool = newPool(1);
      const [bytes, moved] = [new Uint8Array(3), new Uint8Array(4)];
      const grow = (...all: Uint8Array[]) => all.map((each) => each.fill(7));
      const [copy, got] = await pool.apply(grow, [bytes, move(moved) as unknown as Uint8Array]);
      expect([bytes[0], copy[0], got.length, moved.length]).toEqual([0, 7, 4, 0]);
    });

    test('an error arrives with class, text, cause, own properties and the stack of its thread, and is reported', async () => {
      const { reported } = realWorld(core);
      const pool = newPool(1);
      const result = await pool.spawn(() => {
        throw new RangeError('too far', { cause: new TypeError('below') });
      });
      expect(await rejected(result.get())).toBe('RangeError: too far');
      const error = result.exception as RangeError;
      expect([error instanceof RangeError, error.cause instanceof TypeError, result.successful()]).toEqual([
        true,
        true,
        false,
      ]);
      expect(error.stack).toContain('thread-worker');
      expect(reported()).toEqual(['RangeError: too far | <ThreadResult of anonymous ready> failed with RangeError']);

      const odd = await pool.spawn(fromModule(TASKS, 'odd'));
      expect(await rejected(odd.get())).toBe('Odd [E_ODD]: odd');
      expect(odd.exception).toMatchObject({ detail: { at: 7 }, cause: expect.any(RangeError) });
      expect(reported()).toHaveLength(1);
    });

    test.each([
      ['null', () => Promise.reject(null), null],
      ['a text', () => Promise.reject('text'), 'text'],
      ['an object', () => Promise.reject({ a: 1 }), { a: 1 }],
    ])('what is thrown may be %s', async (_name, fn, expected) => {
      const { reported } = realWorld(core);
      const result = await newPool(1).spawn(fn as () => unknown);
      await result.wait();
      expect([result.exception, result.ready(), result.successful()]).toEqual([expected, true, false]);
      expect(reported()).toHaveLength(1);
    });

    test('many errors at once arrive as an AggregateError', async () => {
      const { reported } = realWorld(core);
      const result = await newPool(1).spawn(() => Promise.any([Promise.reject(new RangeError('x'))]));
      await result.wait();
      const error = result.exception as AggregateError;
      expect([error instanceof AggregateError, error.errors.map(told)]).toEqual([true, ['RangeError: x']]);
      reported();
    });
  });

  describe('what cannot be sent', () => {
    const outer = 1;
    const make = () => ({ method() {} }).method;
    test.each([
      ['a generator function', function* () {}, 'it is a generator function'],
      ['an async generator function', async function* () {}, 'it is a generator function'],
      ['a bound function', Math.max.bind(null), 'it is bound or the platform’s own'],
      ['a class', class {}, 'it is a class'],
      ['a method', make(), 'its text is no function by itself'],
    ])('%s is refused where it is handed over', (_name, fn, why) => {
      realWorld(core);
      const pool = newPool(1);
      const text = thrown(() => pool.spawn(fn as () => void)).replace("'", '’');
      expect(text).toContain('TaskError [GEVENT_TASK_UNSENDABLE]: spawn(fn): ');
      expect(text).toContain(why);
    });

    test('a function that sees something of where it was written fails and says why', async () => {
      const { reported } = realWorld(core);
      const result = await newPool(1).spawn(() => outer);
      expect(await rejected(result.get())).toMatch(
        /^ReferenceError \[GEVENT_TASK_CLOSURE\]: .* is not defined \(a function/,
      );
      expect(reported()).toHaveLength(1);
    });

    test('arguments, results and exports that do not exist; the thread lives on', async () => {
      const { reported } = realWorld(core);
      const pool = newPool(1);
      const thread = () => process.getBuiltinModule('node:worker_threads').threadId;
      const before = await pool.apply(thread);
      const tried = [
        await rejected(pool.apply((value: unknown) => value, [() => 1])),
        await rejected(pool.apply(() => () => 1)),
        await rejected(pool.apply(fromModule(TASKS, 'nothing'))),
      ];
      expect(tried.map((text) => text.slice(0, text.indexOf(']') + 1))).toEqual([
        'TaskError [GEVENT_TASK_ARGUMENTS]',
        'TypeError [GEVENT_TASK_RESULT]',
        'TypeError [GEVENT_TASK_NOT_FOUND]',
      ]);
      expect(await pool.apply(thread)).toBe(before);
      expect(reported()).toHaveLength(3);
    });

    test('a thread that ends takes its task along, and no other', async () => {
      const { reported } = realWorld(core);
      const pool = newPool(1);
      const lost = await pool.spawn(() => process.exit(3));
      const next = await pool.spawn(() => 'next');
      expect(await rejected(lost.get())).toMatch(/^TaskError \[GEVENT_THREAD_DIED\]/);
      expect(await next.get()).toBe('next');
      expect(reported()).toHaveLength(1);
    });

    test.each([
      [() => fromModule('./tasks.ts'), 'TypeError: fromModule(module): expected a URL'],
      [() => fromModule(1 as any), 'TypeError: fromModule(module): expected a URL or an absolute path, got 1'],
      [() => fromModule(TASKS, ''), 'TypeError: fromModule(name): expected the name of an export, got ""'],
      [() => new ThreadPool(-1), 'RangeError: ThreadPool(maxsize): expected an integer of 0 or more, got -1'],
      [() => new ThreadPool('a' as any), 'TypeError: ThreadPool(maxsize): expected an integer of 0 or more, got "a"'],
      [() => new ThreadPool(1).spawn(1 as any), 'TypeError: spawn(fn): expected a function or fromModule(), got 1'],
      [() => new ThreadPool(1).map(() => 1, 1 as any), 'TypeError: map(items): expected an iterable, got 1'],
      [
        () => Object.assign(new ThreadPool(1), { size: 2 }),
        'RangeError: ThreadPool.size: expected at most maxsize, 1, got 2',
      ],
      [
        () => new ThreadPoolExecutor(0),
        'RangeError: ThreadPoolExecutor(maxWorkers): expected an integer from 1, got 0',
      ],
    ])('bad arguments (%#)', (action, text) => {
      realWorld(core);
      expect(thrown(action)).toContain(text);
    });
  });

  describe('room', () => {
    test('spawn blocks once maxsize + 1 tasks are not over; raising maxsize lets it go on', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(2);
      const gate = new Gate();
      const log: number[] = [];
      const spawner = hub.spawn(function* () {
        for (let i = 0; i < 6; ++i) {
          yield* pool.spawn(pass, gate.cells);
          log.push(i);
        }
      });
      await until(() => gate.arrived === 2);
      expect([log, pool.length, pool.size, hub.whoWaits().join()]).toEqual([
        [0, 1, 2],
        3,
        2,
        expect.stringContaining('ThreadPool.spawn, every thread is busy'),
      ]);
      expect(thrown(() => pool.spawnNowait(pass, gate.cells))).toMatch(
        /^ThreadPoolFull.*<ThreadPool tasks=3 size=2 maxsize=2> is full$/,
      );
      pool.maxsize = 4;
      await until(() => gate.arrived === 4);
      expect([log, pool.length]).toEqual([[0, 1, 2, 3, 4], 5]);
      gate.open();
      await spawner.get();
      expect(await pool.join()).toBe(true);
      expect([log.length, pool.length]).toEqual([6, 0]);
    });

    test('lowering maxsize lets running tasks end, and then fewer run', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(3);
      const [first, second] = [new Gate(), new Gate()];
      for (let i = 0; i < 3; ++i) pool.spawnNowait(pass, first.cells);
      await until(() => first.arrived === 3);
      pool.maxsize = 1;
      first.open();
      await pool.join();
      hub.spawn(function* () {
        for (let i = 0; i < 3; ++i) yield* pool.spawn(pass, second.cells);
      });
      await until(() => second.arrived === 1);
      await sleep(0.02);
      expect([second.arrived, pool.length]).toEqual([1, 2]);
      second.open();
      await until(() => second.arrived === 3);
      await pool.join();
    });

    test('a pool of no threads takes one task and keeps it until it has one', async () => {
      realWorld(core);
      const pool = newPool(0);
      const result = await pool.spawn(() => 'at last');
      expect(await rejected(withTimeout(0.01, () => pool.spawn(() => 1)))).toBe(
        'Timeout [GEVENT_TIMEOUT]: 0.01 seconds',
      );
      expect([pool.size, pool.length]).toEqual([0, 1]);
      pool.maxsize = 1;
      expect(await result.get()).toBe('at last');
    });

    test('who is killed while it waits for room hands nothing over', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(1);
      const gate = new Gate();
      pool.spawnNowait(pass, gate.cells);
      pool.spawnNowait(pass, gate.cells);
      const waiting = hub.spawn(() => pool.spawn(pass, gate.cells));
      await sleep(0);
      await waiting.kill();
      gate.open();
      await pool.join();
      expect([gate.arrived, pool.length]).toEqual([2, 0]);
    });

    test('another hub may not use it; in a callback it does not wait', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(1);
      const got: unknown[] = [];
      hub.runCallback(() => {
        got.push(pool.spawnNowait(() => 1));
      });
      await sleep(0.001);
      expect(await (got[0] as ThreadResult).get()).toBe(1);
      const other = realWorld(core);
      expect(await rejected(other.hub.spawn(() => pool.spawn(() => 1)).get())).toMatch(/^InvalidThreadUseError/);
      expect(other.reported()).toHaveLength(1);
    });
  });

  describe('calling off', () => {
    test('cancel drops a task that waits, and ends the thread of one that runs', async () => {
      realWorld(core);
      const pool = newPool(1);
      const gate = new Gate();
      const running = pool.spawnNowait(() => {
        for (;;);
      });
      const waiting = pool.spawnNowait(pass, gate.cells);
      await until(() => running.running());
      expect([waiting.cancel(), waiting.cancelled(), waiting.cancel(), pool.length]).toEqual([true, true, false, 1]);
      expect(await rejected(waiting.get())).toBe('TaskError [GEVENT_TASK_CANCELLED]: pass was called off');
      expect(running.cancel()).toBe(true);
      expect(await rejected(running.get())).toContain('GEVENT_TASK_CANCELLED');
      expect(await pool.apply(() => 'on with it')).toBe('on with it');
      expect([gate.arrived, pool.length]).toEqual([0, 0]);
    });

    test('a task that is over cannot be called off', async () => {
      realWorld(core);
      const result = newPool(1).spawnNowait(() => 1);
      await result.wait();
      expect([result.cancel(), result.cancelled(), result.value]).toEqual([false, false, 1]);
    });

    test('apply that is killed or timed out calls its task off; get() leaves it alone', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(1);
      const gate = new Gate();
      const applies = hub.spawn(() => pool.apply(pass, [gate.cells]));
      await until(() => gate.arrived === 1);
      await applies.kill();
      expect(pool.length).toBe(0);
      expect(await rejected(withTimeout(0.02, () => pool.apply(pass, [gate.cells])))).toMatch(/^Timeout/);
      expect(pool.length).toBe(0);
      const result = pool.spawnNowait(pass, gate.cells, 'kept');
      expect(await rejected(result.get({ timeout: 0.01 }))).toMatch(/^Timeout/);
      const timeout = new Timeout(0.01);
      expect(await result.wait({ timeout })).toBe(undefined);
      gate.open();
      expect(await result.get()).toBe('kept');
    });

    test('map that is killed calls off all that is not over', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(2);
      const gate = new Gate();
      const maps = hub.spawn(() => pool.map(pass, [gate.cells, gate.cells, gate.cells, gate.cells]));
      await until(() => gate.arrived === 2);
      await maps.kill();
      expect(pool.length).toBe(0);
    });
  });

  describe('threads', () => {
    test('they are started on demand, end by size, and end when idle', async () => {
      realWorld(core);
      const pool = newPool(3, { idleTaskTimeout: 0.01 });
      expect(pool.size).toBe(0);
      await pool.apply(() => 1);
      expect(pool.size).toBe(1);
      await until(() => pool.size === 0);
      expect(await pool.apply(() => 2)).toBe(2);
      pool.size = 3;
      expect(pool.size).toBe(3);
      pool.size = 0;
      await until(() => pool.size === 0);
    });

    test('kill lets the tasks end, also those that wait, and then the threads; spawn starts new ones', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(1);
      const gate = new Gate();
      const results = [pool.spawnNowait(pass, gate.cells, 1), pool.spawnNowait(pass, gate.cells, 2)];
      await until(() => gate.arrived === 1);
      const killer = hub.spawn(() => pool.kill());
      await sleep(0.02);
      expect(killer.ready()).toBe(false);
      gate.open();
      await killer.get();
      expect([pool.size, results.map((result) => result.value)]).toEqual([0, [1, 2]]);
      expect(await pool.apply(() => 'again')).toBe('again');
    });

    test('terminate ends them at once, whatever they do', async () => {
      realWorld(core);
      const pool = newPool(1);
      const results = [pool.spawnNowait(pass, new Gate().cells), pool.spawnNowait(pass, new Gate().cells)];
      await pool.terminate();
      expect([pool.size, pool.length, results.every((result) => result.cancelled())]).toEqual([0, 0, true]);
    });

    test('a hub that is destroyed takes its threads along', async () => {
      const { hub } = realWorld(core);
      const pool = new ThreadPool(1);
      const result = pool.spawnNowait(pass, new Gate().cells);
      hub.destroy();
      await until(() => pool.size === 0);
      expect([result.cancelled(), hub.foreign, hub.closers.length]).toEqual([true, 0, 0]);
    });

    test("the hub's own is made when it is asked for", async () => {
      const { hub } = realWorld(core);
      hub.threadpoolSize = 2;
      const pool = hub.threadpool;
      expect([pool instanceof ThreadPool, pool === hub.threadpool, pool.maxsize, pool.hub === hub]).toEqual([
        true,
        true,
        2,
        true,
      ]);
      expect(await pool.apply(() => 1)).toBe(1);
      await pool.kill();
      class Mine extends ThreadPool {}
      hub.threadpool = null;
      hub.threadpoolClass = Mine;
      expect(hub.threadpool).toBeInstanceOf(Mine);
    });
  });

  describe('mapping', () => {
    test('map keeps the order; the first failing position is raised, and the others run on', async () => {
      const { reported } = realWorld(core);
      const pool = newPool(2);
      expect(await pool.map((x: number) => x * 2, [1, 2, 3, 4, 5])).toEqual([2, 4, 6, 8, 10]);
      expect(await pool.map((x: number) => x, [])).toEqual([]);
      const ran = new Gate();
      const fail = (cells: Int32Array) => {
        if (Atomics.add(cells, 1, 1) === 0) throw new Error('first');
      };
      expect(await rejected(pool.map(fail, [ran.cells, ran.cells, ran.cells]))).toBe('Error: first');
      await pool.join();
      expect([ran.arrived, reported().length]).toEqual([3, 1]);
    });

    test('the forms with callbacks', async () => {
      realWorld(core);
      const pool = newPool(2);
      const got: unknown[] = [];
      const note = (value: unknown) => void got.push(value);
      const double = (x: number) => x * 2;
      expect(await pool.applyCb(double, [1], note)).toBe(2);
      expect(await pool.applyAsync(double, [2], note).get()).toBe(4);
      expect(await pool.mapCb(double, [3], note)).toEqual([6]);
      expect(await pool.mapAsync(double, [4], note).get()).toEqual([8]);
      await sleep(0);
      expect(got).toEqual([2, 4, [6], [8]]);
    });

    test('imap in order and as they are done; maxsize bounds what runs ahead', async () => {
      const { hub } = realWorld(core);
      const pool = newPool(2);
      const add = (a: number, b: number) => a + b;
      const inOrder: number[] = [];
      for await (const value of pool.imap(add, [1, 2, 3], [10, 20, 30, 40])) inOrder.push(value);
      expect(inOrder).toEqual([11, 22, 33]);
      const unordered: number[] = [];
      await hub
        .spawn(function* () {
          const it = pool.imapUnordered((x: number) => x, [1, 2, 3], { maxsize: 1 });
          for (let step = yield* it.next(); !step.done; step = yield* it.next()) unordered.push(step.value);
        })
        .get();
      expect(unordered.sort()).toEqual([1, 2, 3]);
    });
  });

  describe('the executor', () => {
    test('submit gives futures that can be waited for together', async () => {
      realWorld(core);
      await using executor = new ThreadPoolExecutor(2);
      const one = await executor.submit((x: number) => x + 1, 1);
      const bad = await executor.submit(() => {
        throw new RangeError('bad');
      });
      expect(await wait([one, bad])).toHaveLength(2);
      expect([await one.result(), one.done(), await one.exception(), one.value]).toEqual([2, true, undefined, 2]);
      expect([await rejected(bad.result()), told(await bad.exception())]).toEqual([
        'RangeError: bad',
        'RangeError: bad',
      ]);
      const sums: number[] = [];
      for await (const sum of executor.map((a: number, b: number) => a + b, [1, 2], [3, 4])) sums.push(sum);
      expect(sums).toEqual([4, 6]);
    });

    test('timeouts, callbacks, cancelling', async () => {
      const { reported } = realWorld(core);
      await using executor = new ThreadPoolExecutor(1);
      const gate = new Gate();
      const slow = await executor.submit(pass, gate.cells, 'slow');
      const next = await executor.submit(pass, gate.cells);
      await until(() => slow.running());
      expect(await rejected(slow.result({ timeout: 0.01 }))).toMatch(/^FutureTimeoutError \[GEVENT_FUTURE_TIMEOUT\]/);
      expect([slow.cancel(), next.cancel(), next.cancelled(), String(next)]).toEqual([
        false,
        true,
        true,
        '<Future cancelled>',
      ]);
      expect(await rejected(next.result())).toContain('GEVENT_TASK_CANCELLED');
      const called: unknown[] = [];
      slow.addDoneCallback((future) => called.push(future.value));
      slow.addDoneCallback(() => {
        throw new Error('in a callback');
      });
      gate.open();
      expect(await slow.result()).toBe('slow');
      await sleep(0);
      slow.addDoneCallback((future) => called.push(future === slow));
      expect(called).toEqual(['slow', true]);
      expect(reported()).toHaveLength(1);
    });

    test('shutdown takes no more, and waits for what there is', async () => {
      realWorld(core);
      const executor = new ThreadPoolExecutor(1);
      const gate = new Gate();
      const running = await executor.submit(pass, gate.cells, 1);
      const waiting = await executor.submit(pass, gate.cells, 2);
      await until(() => running.running());
      await executor.shutdown({ wait: false, cancelFutures: true });
      expect(thrown(() => executor.submit(pass, gate.cells))).toBe(
        'TaskError [GEVENT_EXECUTOR_SHUT]: cannot schedule new futures after shutdown',
      );
      gate.open();
      await executor.shutdown();
      expect([running.value, waiting.cancelled()]).toEqual([1, true]);
    });
  });
});
