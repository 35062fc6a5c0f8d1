// The main library on the engine's own event loop and clock: what a program of users does first.

import { expect, test } from 'vitest';
import { createPureCore } from '../../ts/core.ts';
import { withDeadline } from '../../ts/deadline.ts';
import { Event } from '../../ts/event.ts';
import { greenlet } from '../../ts/greenlet.ts';
import {
  call,
  createHub,
  first,
  GreenletExit,
  getcurrent,
  getHub,
  iwait,
  joinall,
  kill,
  shield,
  sleep,
  spawn,
  spawnLater,
  TaskGroup,
  Timeout,
  until,
  withTimeout,
} from '../../ts/index.ts';
import { Semaphore } from '../../ts/lock.ts';
import { Pool } from '../../ts/pool.ts';
import { Channel, Queue } from '../../ts/queue.ts';
import { simulate } from '../../ts/testing.ts';

test('generator, async and plain bodies run, sleep and give results', async () => {
  const log: string[] = [];
  const all = [
    spawn(function* (name: string) {
      yield* sleep(0.02);
      log.push(name);
      return 1;
    }, 'generator'),
    spawn(async (name: string) => {
      await sleep(0.01);
      log.push(name);
      return 2;
    }, 'async'),
    spawn((name: string) => {
      log.push(name);
      return 3;
    }, 'plain'),
  ];
  await joinall(all as never);
  expect(log).toEqual(['plain', 'async', 'generator']);
  expect(all.map((it) => it.value)).toEqual([1, 2, 3]);
});

test('main and greenlets take turns; sleep(0) lets others run', async () => {
  const log: number[] = [];
  const other = spawn(function* () {
    for (let i = 0; i < 3; ++i) {
      log.push(i);
      yield* sleep(0);
    }
  });
  await sleep(0);
  log.push(10);
  await other.join();
  expect(log[0]).toBe(0);
  expect(log.length).toBe(4);
});

test('items go through queues and channels', async () => {
  const queue = new Queue<number>(1);
  const channel = new Channel<number>();
  const log: number[] = [];
  const consumer = spawn(function* () {
    for (let i = 0; i < 3; ++i) log.push(yield* queue.get());
    log.push(yield* channel.get());
  });
  for (let i = 0; i < 3; ++i) await queue.put(i);
  await channel.put(9);
  await consumer.join();
  expect(log).toEqual([0, 1, 2, 9]);
});

test('Timeout ends waits, and is told apart by identity', async () => {
  const it = spawn(function* () {
    const timeout = Timeout.startNew(0.01);
    try {
      yield* sleep(5);
      return 'slept';
    } catch (error) {
      return error === timeout ? 'timed out' : 'something else';
    } finally {
      timeout.cancel();
    }
  });
  expect(await it.get()).toBe('timed out');
  expect(await withTimeout({ seconds: 0.01, timeoutValue: 'late' }, () => sleep(5))).toBe('late');
});

test('kill, links, errors', async () => {
  const log: unknown[] = [];
  const it = spawn(function* () {
    try {
      yield* sleep(10);
    } finally {
      log.push('cleaned up');
    }
  });
  it.rawlink(() => log.push('linked'));
  await sleep(0);
  kill(it);
  await it.join();
  expect(it.value).toBeInstanceOf(GreenletExit);
  expect(log).toEqual(['cleaned up', 'linked']);
  const hub = getHub();
  const stream = hub.exceptionStream;
  let said = '';
  hub.exceptionStream = {
    write: (text: string) => {
      said += text;
    },
  };
  const bad = spawn(() => {
    throw new RangeError('on purpose');
  });
  await bad.join();
  hub.exceptionStream = stream;
  expect(bad.exception).toBeInstanceOf(RangeError);
  expect(said).toContain('RangeError: on purpose');
});

test('events, semaphores, pools, groups', async () => {
  const event = new Event();
  const semaphore = new Semaphore(1);
  const log: string[] = [];
  const waiter = spawn(function* () {
    yield* event.wait();
    using _ = yield* semaphore.lock();
    log.push('in');
  });
  await sleep(0);
  event.set();
  await waiter.join();
  expect(log).toEqual(['in']);
  const pool = new Pool(2);
  const squares = await pool.map(
    function* (x: number) {
      yield* sleep(0.001);
      return x * x;
    },
    [1, 2, 3],
  );
  expect(squares).toEqual([1, 4, 9]);
  const sum = await TaskGroup.run(function* (group) {
    const a = group.spawn(function* () {
      yield* sleep(0.001);
      return 2;
    });
    const b = group.spawn(() => 3);
    return (yield* a.get()) + (yield* b.get());
  });
  expect(sum).toBe(5);
});

test('first, shield, deadlines, frames', async () => {
  const it = spawn(function* () {
    const fastest = yield* first([sleep(5), until(Promise.resolve('promise'))]);
    const inner = yield* call(function* () {
      yield* sleep(0);
      return 'frame';
    });
    const shielded = yield* shield(function* () {
      yield* sleep(0.001);
      return 'whole';
    });
    let deadline = '';
    try {
      yield* withDeadline(0.01, () => sleep(5));
    } catch (error) {
      deadline = (error as Error).name;
    }
    return [fastest.index, inner, shielded, deadline];
  });
  expect(await it.get()).toEqual([1, 'frame', 'whole', 'Deadline']);
});

test('raw greenlets switch to each other', () => {
  const log: string[] = [];
  const two = new greenlet(function* (from: string): Generator<any, string, any> {
    log.push(`two, from ${from}`);
    const again: unknown = yield* one.switch('two');
    return `two got ${again}`;
  });
  const one = new greenlet(function* (from: string): Generator<any, string, any> {
    log.push(`one, from ${from}`);
    const back: unknown = yield* two.switch('one');
    log.push(`one, from ${back}`);
    return 'one is done';
  });
  expect(one.switch('main').value).toBe('one is done');
  expect(log).toEqual(['one, from main', 'two, from one', 'one, from two']);
  expect(two.switch('main').value).toBe('two got main');
});

test('what becomes ready at one time runs by priority and order', async () => {
  const log: number[] = [];
  const all = [0.02, 0.01, 0.01].map((seconds, i) => spawnLater(seconds, () => void log.push(i)));
  await joinall(all);
  expect(log).toEqual([1, 2, 0]);
  const done: number[] = [];
  for await (const it of iwait(all)) done.push(all.indexOf(it));
  expect(done.length).toBe(3);
});

test('the current greenlet is known behind awaits', async () => {
  const it = spawn(async () => {
    const before = getcurrent();
    await sleep(0.001);
    return before === getcurrent();
  });
  expect(await it.get()).toBe(true);
});

test('virtual time, and the core that is no WebAssembly', async () => {
  using world = simulate({ core: createPureCore() });
  const log: number[] = [];
  world.hub.spawn(function* () {
    yield* sleep(3600);
    log.push(1);
  });
  world.hub.spawn(async () => {
    await sleep(1800);
    log.push(2);
  });
  await world.clock.advanceAsync(3600);
  expect(log).toEqual([2, 1]);
});

test('a hub of its own is destroyed without a trace', async () => {
  const hub = createHub();
  const it = hub.spawn(function* () {
    yield* sleep(0.001);
    return 'ran';
  });
  await hub.join({ timeout: 5 });
  expect(it.value).toBe('ran');
  hub.destroy();
});

test('a hundred thousand greenlets', async () => {
  let sum = 0;
  const all = Array.from({ length: 100_000 }, (_, i) =>
    spawn(function* () {
      yield* sleep(0);
      sum += i;
    }),
  );
  await joinall(all);
  expect(sum).toBe((100_000 * 99_999) / 2);
});
