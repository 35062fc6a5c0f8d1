// Queues and channels under random programs of puts, gets, peeks, timeouts and kills: whatever was put was got once, in the
// container's order, or is still there; nobody got what was never put; nobody waits without a reason; nothing is left.
// The seed of a failure is printed by fast-check.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Greenlet, sleep, spawn } from '../../ts/index.ts';
import { Semaphore } from '../../ts/lock.ts';
import { Channel, LifoQueue, PriorityQueue, Queue } from '../../ts/queue.ts';
import { CORES, type CoreName } from '../support/cores.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

/** What a greenlet does, one after another: kind, and how long it waits at most, in tenths of a second; 0: without limit. */
type Act = { kind: 'put' | 'get' | 'peek' | 'sleep' | 'putNowait' | 'getNowait'; limit: number };
/** Greenlets, the acts of each, and which of them is killed when. */
type Program = { acts: Act[][]; kills: { who: number; at: number }[]; maxsize: number };

const act: fc.Arbitrary<Act> = fc.record({
  kind: fc.constantFrom('put', 'put', 'get', 'get', 'peek', 'sleep', 'putNowait', 'getNowait'),
  limit: fc.constantFrom(0, 0, 1, 2, 5),
});
const program: fc.Arbitrary<Program> = fc.record({
  acts: fc.array(fc.array(act, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 8 }),
  kills: fc.array(fc.record({ who: fc.nat(7), at: fc.nat(8) }), { maxLength: 6 }),
  maxsize: fc.integer({ min: 0, max: 3 }),
});

/** Play it. Gives the trace; checks on the way. */
function play(
  core: CoreName,
  debug: boolean,
  make: (maxsize: number) => any,
  { acts, kills, maxsize }: Program,
): string[] {
  const { hub, clock } = world(core, { debug });
  hub.exceptionStream = null;
  const queue = make(maxsize);
  const trace: string[] = [];
  const [put, got] = [new Set<number>(), [] as number[]];
  let next = 0;
  const greenlets: Greenlet[] = acts.map((mine, who) =>
    spawn(function* (): Body {
      for (const { kind, limit } of mine) {
        const options = limit === 0 ? undefined : { timeout: limit / 10 };
        try {
          if (kind === 'sleep') yield* sleep(limit / 10);
          else if (kind.startsWith('put')) {
            const item = next++;
            // A killed or timed out put brings nothing; so it counts from when it is done.
            if (kind === 'put') yield* queue.put(item, options);
            else queue.putNowait(item);
            put.add(item);
            trace.push(`${who} put ${item}`);
          } else {
            const item =
              kind === 'get'
                ? yield* queue.get(options)
                : kind === 'peek' && queue.peek
                  ? yield* queue.peek(options)
                  : queue.getNowait();
            trace.push(`${who} ${kind} ${item}`);
            if (kind !== 'peek' || !queue.peek) got.push(item);
          }
        } catch (e) {
          trace.push(`${who} ${(e as Error).name}`);
          if ((e as Error).name === 'GreenletExit') throw e;
        }
      }
    }),
  );
  for (let at = 0; at <= 8; ++at) {
    for (const { who, at: when } of kills) if (when === at) greenlets[who]?.kill({ block: false });
    clock.advance(0.1);
    hub.core.verify();
  }
  clock.advance(100);
  // Who waits still has a reason to.
  const waits = hub.whoWaits().join('\n');
  if (queue.length > 0) expect(waits).not.toMatch(/Queue\.(get|peek)/);
  if (!(queue instanceof Channel) && !queue.full()) expect(waits).not.toContain('Queue.put');
  for (const g of greenlets) g.kill({ block: false });
  clock.advance(1);
  expect(new Set(got).size).toBe(got.length);
  const there: number[] = [];
  // What somebody put into a channel without waiting may still be on offer.
  while (!queue.empty() || queue.balance > 0) there.push(queue.getNowait());
  clock.advance();
  // A channel's putter may be killed after its item was taken; then it was put all the same.
  const all = [...got, ...there].sort((a, b) => a - b);
  for (const item of put) expect(all).toContain(item);
  for (const item of all) expect(item).toBeLessThan(next);
  if (!(queue instanceof Channel)) expect(all).toEqual([...put].sort((a, b) => a - b));
  expect(leftIn(hub)).toEqual({});
  return trace;
}

const kinds: [string, (maxsize: number) => any][] = [
  ['Queue', (maxsize) => new Queue(maxsize)],
  ['LifoQueue', (maxsize) => new LifoQueue(maxsize)],
  ['PriorityQueue', (maxsize) => new PriorityQueue(maxsize)],
  ['Channel', () => new Channel()],
];

describe.each(kinds)('%s', (_name, make) => {
  test('conserves items whoever is killed or timed out, and both cores do the same, in debug mode and without', {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(program, (random) => {
        const [trace, ...others] = CORES.flatMap((core) =>
          [true, false].map((debug) => play(core, debug, make, random)),
        );
        for (const other of others) expect(other).toEqual(trace);
      }),
      { numRuns: 150 },
    );
  });
});

describe.each(CORES)('on the %s core', (core) => {
  test('a queue hands items over in the order in which they went in', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(program, (random) => {
        const { hub, clock } = world(core, { debug: random.acts.length % 2 === 0 });
        const queue = new Queue<number>(random.maxsize);
        const inside: number[] = [];
        const entered = queue._put;
        queue._put = function (item) {
          inside.push(item);
          entered.call(this, item);
        };
        const left = queue._get;
        queue._get = function () {
          const item = left.call(this) as number;
          expect(item).toBe(inside.shift());
          return item;
        };
        let next = 0;
        for (const acts of random.acts) {
          spawn(function* (): Body {
            for (const { kind, limit } of acts) {
              try {
                if (kind.startsWith('put')) yield* queue.put(next++, { timeout: limit / 10 });
                else if (kind === 'sleep') yield* sleep(limit / 10);
                else yield* queue.get({ timeout: limit / 10 });
              } catch {}
            }
          });
        }
        clock.advance(100);
        expect([...queue.queue]).toEqual(inside);
        expect(leftIn(hub)).toEqual({});
      }),
      { numRuns: 100 },
    );
  });

  test('permits are conserved whoever is killed or timed out', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(program, ({ acts, kills, maxsize }) => {
        const { hub, clock } = world(core, { debug: acts.length % 2 === 0 });
        const semaphore = new Semaphore(maxsize);
        let held = 0;
        const greenlets = acts.map((mine) =>
          spawn(function* (): Body {
            for (const { limit } of mine) {
              if (!(yield* semaphore.acquire(limit === 0 ? undefined : { timeout: limit / 10 }))) continue;
              ++held;
              expect(held).toBeLessThanOrEqual(maxsize);
              try {
                yield* sleep(limit / 20);
              } finally {
                --held;
                semaphore.release();
              }
            }
          }),
        );
        for (let at = 0; at <= 8; ++at) {
          for (const { who, at: when } of kills) if (when === at) greenlets[who]?.kill({ block: false });
          clock.advance(0.1);
        }
        for (const g of greenlets) g.kill({ block: false });
        clock.advance(100);
        expect([semaphore.counter, held]).toEqual([maxsize, 0]);
        expect(leftIn(hub)).toEqual({});
      }),
      { numRuns: 100 },
    );
  });
});
