// Options that there are not, and positional habits brought from Python. Each would else wait for ever without a word.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AsyncResult, Event } from '../../ts/event.ts';
import {
  first,
  iwait,
  joinall,
  killall,
  type Operation,
  sleep,
  spawn,
  TaskGroup,
  Timeout,
  until,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import { DummySemaphore, RLock, Semaphore } from '../../ts/lock.ts';
import { Group, Pool } from '../../ts/pool.ts';
import { Channel, PriorityQueue, Queue, SimpleQueue } from '../../ts/queue.ts';
import { type Simulation, simulate } from '../../ts/testing.ts';
import { CORES, simulateOn, thrown } from '../support/cores.ts';

describe.each(CORES)('on the %s core', (core) => {
  let sim: Simulation;
  let atFirst: Record<string, number>;

  beforeEach(() => {
    sim = simulateOn(core);
    atFirst = sim.hub.statistics();
  });
  afterEach(() => sim.close());

  const G = () => spawn(sleep, 100);
  /** What is called, what it is given, and the names that it knows. */
  const calls: [string, (options: any) => unknown, string, string][] = [
    ['Queue.get', (o) => new Queue().get(o), 'get', 'block, timeout'],
    ['Queue.peek', (o) => new Queue().peek(o), 'peek', 'block, timeout'],
    ['Queue.put', (o) => new Queue(1).put(1, o), 'put', 'block, timeout'],
    ['Queue.join', (o) => new Queue().join(o), 'join', 'timeout'],
    ['SimpleQueue.get', (o) => new SimpleQueue().get(o), 'get', 'block, timeout'],
    ['new Queue', (o) => new Queue(1, [], o), 'Queue', 'unfinishedTasks, compare'],
    ['new PriorityQueue', (o) => new PriorityQueue(1, [], o), 'PriorityQueue', 'unfinishedTasks, compare'],
    ['Channel.get', (o) => new Channel().get(o), 'get', 'block, timeout'],
    ['Channel.put', (o) => new Channel().put(1, o), 'put', 'block, timeout'],
    ['Event.wait', (o) => new Event().wait(o), 'wait', 'timeout'],
    ['AsyncResult.get', (o) => new AsyncResult().get(o), 'get', 'block, timeout'],
    ['AsyncResult.wait', (o) => new AsyncResult().wait(o), 'wait', 'timeout'],
    ['Semaphore.acquire', (o) => new Semaphore().acquire(o), 'acquire', 'blocking, timeout'],
    ['Semaphore.wait', (o) => new Semaphore().wait(o), 'wait', 'timeout'],
    ['DummySemaphore.acquire', (o) => new DummySemaphore().acquire(o), 'acquire', 'blocking, timeout'],
    ['DummySemaphore.wait', (o) => new DummySemaphore().wait(o), 'wait', 'timeout'],
    ['RLock.acquire', (o) => new RLock().acquire(o), 'acquire', 'blocking, timeout'],
    ['Greenlet.join', (o) => G().join(o), 'join', 'timeout'],
    ['Greenlet.get', (o) => G().get(o), 'get', 'block, timeout'],
    ['Greenlet.kill', (o) => G().kill(o), 'kill', 'exception, block, timeout'],
    ['joinall', (o) => joinall([G()], o), 'joinall', 'raiseError, count, timeout'],
    ['killall', (o) => killall([G()], o), 'killall', 'exception, block, timeout'],
    ['wait', (o) => wait([G()], o), 'wait', 'count, timeout'],
    ['iwait', (o) => iwait([G()], o), 'iwait', 'count, timeout'],
    ['first', (o) => first([sleep(1)], o), 'first', 'default, timeout'],
    ['until', (o) => until(Promise.resolve(1), o), 'until', 'late'],
    ['sleep', (o) => sleep(1, o), 'sleep', 'ref'],
    ['Timeout', (o) => new Timeout(1, null, o), 'Timeout', 'priority, ref'],
    ['TaskGroup', (o) => new TaskGroup(o), 'TaskGroup', 'timeout'],
    ['Group.add', (o) => new Group().add(G(), o), 'add', 'blocking, timeout'],
    ['Group.join', (o) => new Group().join(o), 'join', 'raiseError, timeout'],
    ['Group.kill', (o) => new Group().kill(o), 'kill', 'exception, block, timeout'],
    ['Pool.start', (o) => new Pool(1).start(G(), o), 'start', 'blocking, timeout'],
    ['Pool.waitAvailable', (o) => new Pool(1).waitAvailable(o), 'waitAvailable', 'timeout'],
    ['hub.join', (o) => sim.hub.join(o), 'hub.join', 'timeout'],
    ['simulate', (o) => simulate(o), 'simulate', 'core, debug, auto'],
  ];

  test.each(calls)(
    '%s tells a name that it does not know, and a value that is no object of options',
    (_, call, where, names) => {
      const are = names.includes(',') ? 'are' : 'is';
      expect(thrown(() => call({ tmeout: 1 }))).toBe(
        `TypeError: ${where}(options): there is no option "tmeout"; there ${are} ${names}`,
      );
      for (const [value, shown] of [
        [true, 'true'],
        [1, '1'],
        [null, 'null'],
        [TypeError, 'function TypeError'],
      ]) {
        expect(thrown(() => call(value))).toBe(
          `TypeError: ${where}(options): expected an object { ${names} }, got ${shown}`,
        );
      }
      sim.clock.advance(1000);
      expect(sim.hub.statistics()).toEqual(atFirst);
    },
  );

  test.each(calls)('%s takes none, and undefined for one', (_, call) => {
    expect(thrown(() => void call(undefined))).toBe('nothing was thrown');
    expect(thrown(() => void call({}))).toBe('nothing was thrown');
  });

  test('what is called that should have been passed is told', () => {
    function* body(): Generator<any, void, any> {}
    const hint = '; do not call the function, pass it and its arguments';
    expect(thrown(() => spawn(body() as never))).toBe(
      `TypeError: spawn(fn): expected a function, got a generator${hint}`,
    );
    expect(thrown(() => spawn(sleep(1) as never))).toBe(
      `TypeError: spawn(fn): expected a function, got an object (Sleep)${hint}`,
    );
    expect(thrown(() => spawn(Promise.resolve() as never))).toBe(
      `TypeError: spawn(fn): expected a function, got an object (Promise)${hint}`,
    );
    expect(thrown(() => withTimeout({ seconds: 1 } as never, body))).toBe(
      'TypeError: withTimeout(seconds, fn): expected a number of seconds or { seconds, timeoutValue }, got an object (Object)',
    );
  });

  test('the arguments of apply are an array', () => {
    const pool = new Pool(1);
    for (const name of ['apply', 'applyAsync', 'applyCb'] as const) {
      expect(thrown(() => pool[name]((x: unknown) => x, 1 as never))).toBe(
        `TypeError: ${name}(args): expected an array of arguments, got 1`,
      );
    }
  });

  test('a deadline of one object for several calls is fine, as long as each knows all of it', () => {
    const limit = { timeout: 5 };
    const ops: Operation<unknown>[] = [new Queue().get(limit), new Event().wait(limit), G().join(limit)];
    expect(ops).toHaveLength(3);
  });

  test('an operation of another copy of the library is told to be perhaps just that', () => {
    const copies: string[] = (globalThis as any)[Symbol.for('gevent-wasm.copies')];
    const first = copies[0];
    copies.push('file:///elsewhere/gevent-wasm/dist/hub.js');
    try {
      const both = `${copies.length} copies of gevent-wasm are loaded: ${copies.join(', ')}`;
      expect(both).toContain(first);
      expect(thrown(() => (sleep(1) as any).next())).toContain(`use await here; ${both}`);
      const g = spawn(function* () {
        yield { then() {} } as never;
      });
      sim.clock.advance(0);
      expect(String(g.exception)).toContain(`; ${both}`);
    } finally {
      copies.pop();
    }
    sim.clock.advance(1);
    expect(sim.hub.statistics()).toEqual(atFirst);
  });
});
