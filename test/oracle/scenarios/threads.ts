// ThreadPool and ThreadPoolExecutor: real threads on both sides.

import { sleep, spawn } from '../../../ts/index.ts';
import { ThreadPool, ThreadPoolExecutor } from '../../../ts/sys/threadpool.ts';
import { T } from '../live.ts';
import { differs, same, told } from '../scenario.ts';

// What runs in threads is sent as its text, so it stands by itself.
const nap = (seconds: number, value?: unknown): unknown => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
  return value;
};
const refuse = (): never => {
  throw new RangeError('no');
};
const double = (n: number): number => 2 * n;
const add = (a: number, b: number): number => a + b;

/** The same, as each Python text has it. */
const TASKS = `
    from time import sleep as blocking
    from gevent.threadpool import ThreadPool, ThreadPoolExecutor
    def nap(seconds, value=None):
        blocking(seconds)
        return value
    def refuse(): raise ValueError('no')
    def double(n): return 2 * n
    def add(a, b): return a + b`;

export const threads = [
  same(
    'a task gives a result that can be waited for; its error is raised there, and reported',
    `${TASKS}
    pool = ThreadPool(2)
    r = pool.spawn(add, 1, 2)
    log(r.ready(), r.get(), r.ready(), r.successful(), r.value, r.exception)
    r = pool.spawn(refuse)
    log(told(r.get))
    sleep(T)
    log(r.ready(), r.successful(), r.value, r.exception)
    log(told(lambda: pool.apply(refuse)))
    sleep(T)
    pool.kill()
    `,
    function* (log) {
      const pool = new ThreadPool(2);
      const sum = yield* pool.spawn(add, 1, 2);
      log(sum.ready(), yield* sum.get(), sum.ready(), sum.successful(), sum.value, sum.exception);
      const r = yield* pool.spawn(refuse);
      log(yield* told(() => r.get()));
      yield* sleep(T);
      log(r.ready(), r.successful(), r.value, r.exception);
      log(yield* told(() => pool.apply(refuse)));
      yield* sleep(T);
      yield* pool.kill();
    },
  ),

  same(
    'apply, map and imap, blocking, as greenlets and with callbacks',
    `${TASKS}
    pool = ThreadPool(2)
    heard = lambda value: log('heard', value)
    log(pool.apply(add, (1, 2)))
    g = pool.apply_async(add, (3, 4), callback=heard)
    log(g.get())
    sleep(T)
    log(pool.map(double, range(5)))
    g = pool.map_async(double, range(3), callback=heard)
    log(g.get())
    sleep(T)
    log(pool.map_cb(double, range(3), callback=heard))
    log([n for n in pool.imap(double, range(6))])
    log([n for n in pool.imap(add, [1, 2], [10, 20])])
    log(sorted(pool.imap_unordered(double, range(6))))
    log(len(pool), pool.hub is hub)
    pool.kill()
    `,
    function* (log) {
      const pool = new ThreadPool(2);
      const heard = (value: unknown) => log('heard', value);
      log(yield* pool.apply(add, [1, 2]));
      const sum = pool.applyAsync(add, [3, 4], heard);
      log(yield* sum.get());
      yield* sleep(T);
      log(yield* pool.map(double, [0, 1, 2, 3, 4]));
      const all = pool.mapAsync(double, [0, 1, 2], heard);
      log(yield* all.get());
      yield* sleep(T);
      log(yield* pool.mapCb(double, [0, 1, 2], heard));
      const taken = function* (it: any): Generator<any, number[], any> {
        const items: number[] = [];
        for (let step = yield* it.next(); !step.done; step = yield* it.next()) items.push(step.value);
        return items;
      };
      log(yield* taken(pool.imap(double, [0, 1, 2, 3, 4, 5])));
      log(yield* taken(pool.imap(add, [1, 2], [10, 20])));
      log((yield* taken(pool.imapUnordered(double, [0, 1, 2, 3, 4, 5]))).sort((a, b) => a - b));
      log(pool.length, pool.hub.destroyed === false);
      yield* pool.kill();
    },
  ),

  differs(
    {
      why: 'a callback runs in a greenlet of its own, here as for a Pool; and what map raises is reported by the tasks alone',
      gevent: ['heard 8', '8', 'reported ValueError', 'reported ValueError', 'reported ValueError', 'ValueError'],
      here: ['8', 'heard 8', 'reported ValueError', 'reported ValueError', 'ValueError'],
    },
    'apply_cb, and a map that fails',
    `${TASKS}
    pool = ThreadPool(2)
    log(pool.apply_cb(double, (4,), callback=lambda value: log('heard', value)))
    sleep(T)
    error = told(lambda: pool.map(lambda n: refuse(), range(2)))
    sleep(T)
    log(error)
    pool.kill()
    `,
    function* (log) {
      const pool = new ThreadPool(2);
      log(yield* pool.applyCb(double, [4], (value: unknown) => log('heard', value)));
      yield* sleep(T);
      const error = yield* told(() => pool.map(refuse as () => never, [0, 1]));
      yield* sleep(T);
      log(error);
      yield* pool.kill();
    },
  ),

  same(
    'threads run at once as many as maxsize; greenlets go on meanwhile; join waits for all',
    `${TASKS}
    pool = ThreadPool(2)
    log(pool.maxsize, len(pool))
    pool.map(nap, [0, 0])
    order = []
    def task(n, seconds):
        r = pool.spawn(nap, seconds, n)
        log('sent', n)
        order.append(r.get())
    gs = [spawn(task, 0, 6 * T), spawn(task, 1, 2 * T), spawn(task, 2, 2 * T)]
    sleep(T)
    log('free', len(pool), pool.size)
    pool.join()
    sleep(T)
    log(order, len(pool))
    pool.maxsize = 3
    log(pool.maxsize)
    pool.kill()
    log(pool.size)
    `,
    function* (log) {
      const pool = new ThreadPool(2);
      log(pool.maxsize, pool.length);
      yield* pool.map(nap, [0, 0]);
      const order: unknown[] = [];
      const task = function* (n: number, seconds: number): Generator<any, any, any> {
        const r = yield* pool.spawn(nap, seconds, n);
        log('sent', n);
        order.push(yield* r.get());
      };
      spawn(task, 0, 6 * T);
      spawn(task, 1, 2 * T);
      spawn(task, 2, 2 * T);
      yield* sleep(T);
      log('free', pool.length, pool.size);
      yield* pool.join();
      yield* sleep(T);
      log(order, pool.length);
      pool.maxsize = 3;
      log(pool.maxsize);
      yield* pool.kill();
      log(pool.size);
    },
  ),

  differs(
    {
      why: "an executor's errors are its futures', who are there to be asked",
      gevent: ['reported ValueError', '3 true none', 'ValueError true', '[2 4 6]', 'true'],
      here: ['3 true none', 'ValueError true', '[2 4 6]', 'true'],
    },
    'an executor: futures, their results and errors, map in order, and nothing more after shutdown',
    `${TASKS}
    with ThreadPoolExecutor(2) as executor:
        a = executor.submit(add, 1, 2)
        b = executor.submit(refuse)
        log(a.result(), a.done(), a.exception())
        log(told(b.result), b.done())
        log(list(executor.map(double, [1, 2, 3])))
    log(isinstance(told(lambda: executor.submit(double, 1)), Exception))
    `,
    function* (log) {
      const executor = new ThreadPoolExecutor(2);
      const a = yield* executor.submit(add, 1, 2);
      const b = yield* executor.submit(refuse);
      log(yield* a.result(), a.done(), yield* a.exception());
      log(yield* told(() => b.result()), b.done());
      const results = executor.map(double, [1, 2, 3]);
      const items: unknown[] = [];
      for (let step = yield* results.next(); !step.done; step = yield* results.next()) items.push(step.value);
      log(items);
      yield* executor.shutdown();
      log((yield* told(() => executor.submit(double, 1))) instanceof Error);
    },
  ),
];
