// first over the library's own things to wait for: exactly one happens, whatever it is.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AsyncResult, Event } from '../../ts/event.ts';
import { first, type Operation, sleep, spawn } from '../../ts/index.ts';
import { Semaphore } from '../../ts/lock.ts';
import { Channel, Queue } from '../../ts/queue.ts';
import { CORES, simulateOn } from '../support/cores.ts';
import { atEverySwitch } from '../support/inject.ts';
import { leftIn, world } from '../support/worlds.ts';

describe.each(CORES)('on the %s core', (core) => {
  test('a get, a put, an event, a result, a permit: each can win, and the others leave nothing', () => {
    const { hub, clock, trace, log } = world(core);
    const [queue, full] = [new Queue<string>(), new Queue<string>(1)];
    full.putNowait('there');
    const [event, result, semaphore, channel] = [
      new Event(),
      new AsyncResult(),
      new Semaphore(0),
      new Channel<string>(),
    ];
    const wins = [
      () => queue.putNowait('item'),
      () => full.getNowait(),
      () => event.set(),
      () => result.set('result'),
      () => semaphore.release(),
      () =>
        spawn(function* () {
          yield* channel.put('handed');
        }),
    ];
    spawn(function* () {
      for (let i = 0; i < wins.length; ++i) {
        const { key, value } = yield* first({
          get: queue.get(),
          put: full.put('more'),
          event: event.wait(),
          result: result.get(),
          permit: semaphore.acquire(),
          channel: channel.get(),
        });
        trace(key, value, queue.qsize(), full.qsize(), semaphore.counter);
        event.clear();
        if (key === 'result') break;
      }
    });
    for (const win of [0, 1, 2, 4, 5, 3]) {
      clock.advance(1);
      wins[win]();
    }
    clock.advance(1);
    expect(log).toEqual([
      'get item 0 1 0',
      'put undefined 0 1 0',
      'event true 0 1 0',
      'permit true 0 1 0',
      'channel handed 0 1 0',
      'result result 0 1 0',
    ]);
    expect(leftIn(hub)).toEqual({});
  });

  test('both sides of one channel would meet in one first: that is refused, and nothing is left', () => {
    const { hub, clock, trace, log } = world(core);
    const [channel, other] = [new Channel<string>(), new Channel<string>()];
    spawn(function* () {
      const tries = [
        () => first({ got: channel.get(), put: channel.put('mine') }),
        () => first([channel.put('mine'), first([sleep(1), channel.get()])]),
      ];
      for (const attempt of tries) {
        try {
          yield* attempt() as Operation<unknown>;
        } catch (error) {
          trace((error as { code: string }).code);
        }
      }
      // One side only, or two channels, are fine.
      const { index } = yield* first([channel.put('a'), channel.put('b'), other.get(), sleep(5)]);
      trace('won', index);
    });
    clock.advance(1);
    spawn(function* () {
      trace('got', yield* channel.get());
    });
    clock.advance(9);
    expect(log).toEqual(['GEVENT_FIRST_MEETS_ITSELF', 'GEVENT_FIRST_MEETS_ITSELF', 'got a', 'won 0']);
    expect(leftIn(hub)).toEqual({});
  });

  test('random programs over queues, channels and semaphores: items put are got or queued, once', () => {
    const wait = fc.constantFrom('get', 'take', 'permit', 'nap', 'yield');
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.array(wait, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.array(fc.constantFrom('put', 'hand', 'release', 'kill', 'pause', 'pause'), { maxLength: 30 }),
        (choosers, steps) => {
          const simulation = simulateOn(core, { debug: false });
          const { hub, clock } = simulation;
          try {
            const [queue, channel, semaphore] = [new Queue<number>(2), new Channel<number>(), new Semaphore(1)];
            const got: number[] = [];
            const put: number[] = [];
            let [permits, held] = [1, 0];
            const greenlets = choosers.map((rounds) =>
              spawn(function* () {
                for (const kinds of rounds) {
                  const ops = kinds.map((kind): Operation<any> => {
                    if (kind === 'get') return queue.get();
                    if (kind === 'take') return channel.get();
                    if (kind === 'permit') return semaphore.acquire();
                    return sleep(kind === 'nap' ? 0.5 : 0);
                  });
                  const { value } = yield* first(ops, { timeout: 3, default: undefined });
                  if (value === true) ++held;
                  else if (typeof value === 'number') got.push(value);
                }
              }),
            );
            let serial = 0;
            let victim = 0;
            spawn(function* () {
              for (const step of steps) {
                const item = serial++;
                if (step === 'release') {
                  ++permits;
                  semaphore.release();
                } else if (step === 'kill') greenlets[victim++]?.kill({ block: false });
                else if (step === 'pause') yield* sleep(0.25);
                else {
                  // A putter that chooses, too.
                  spawn(function* () {
                    const op = step === 'put' ? queue.put(item) : channel.put(item);
                    const { index } = yield* first([op, sleep(1)]);
                    if (index === 0) put.push(item);
                  });
                }
              }
            });
            clock.advance(100);
            while (!queue.empty()) got.push(queue.getNowait());
            expect(got.toSorted()).toEqual(put.toSorted());
            expect(held + semaphore.counter).toBe(permits);
            clock.advance(1);
            hub.core.verify();
            expect(leftIn(hub)).toEqual({});
          } finally {
            simulation.close();
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a kill at every switch point', () => {
    const hits = atEverySwitch(core, 'kill', () => {
      const [queue, channel] = [new Queue<number>(1), new Channel<number>()];
      let [got, put] = [0, 0];
      const victim = spawn(function* () {
        for (let i = 0; i < 4; ++i) {
          yield* first([queue.get(), channel.get()]);
          ++got;
        }
      });
      for (let i = 0; i < 4; ++i) {
        spawn(function* () {
          const { index } = yield* first([i % 2 ? queue.put(i) : channel.put(i), sleep(2)]);
          if (index === 0) ++put;
        });
      }
      return { victim, check: () => expect(got + queue.qsize()).toBe(put) };
    });
    expect(hits).toBeGreaterThan(8);
  });
});
