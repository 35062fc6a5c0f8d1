// Group and Pool on both cores: who is a member when, who waits, what map and imap give, and that nothing is left.

import { describe, expect, test } from 'vitest';
import { GreenletExit } from '../../ts/exceptions.ts';
import { defer } from '../../ts/guard.ts';
import { Greenlet, getcurrent, joinall, kill, sleep, spawn, spawnRaw, Timeout, until } from '../../ts/index.ts';
import { Group, IMap, type IMapUnordered, Pool, PoolFull } from '../../ts/pool.ts';
import { Full } from '../../ts/queue.ts';
import { CORES, type CoreName } from '../support/cores.ts';
import { leftIn, world as worldOf } from '../support/worlds.ts';

function* value(x: unknown) {
  yield* sleep(0);
  return x;
}

// Debug mode makes greenlets of a map at once, which else are made when their turn comes.
const WORLDS = CORES.flatMap((core) => [true, false].map((debug) => [core, debug] as const));

describe.each(WORLDS)('on the %s core, debug mode %s', (core, debug) => {
  const world = (name: CoreName) => worldOf(name, { debug });

  describe('a group', () => {
    test('has its members until they have ended, and join waits until it is empty', () => {
      const { hub, clock, trace, log } = world(core);
      const group = new Group();
      hub.spawn(function* () {
        trace('empty', yield* group.join());
        const a = yield* group.spawn(function* () {
          yield* sleep(1);
          trace('a');
        });
        const b = yield* group.spawn(sleep, 2);
        trace(group.length, group.has(a), group.has(b), [...group].length);
        trace(yield* group.join({ timeout: 1.5 }), group.length, group.has(a));
        trace(yield* group.join(), group.length, b.ready());
      });
      clock.advance(5);
      expect(log).toEqual(['empty true', '2 true true 2', 'a', 'false 1 false', 'true 0 true']);
      expect(leftIn(hub)).toEqual({});
    });

    test('no longer has a greenlet once its join or get returns: it is told first', () => {
      const { hub, clock, trace, log } = world(core);
      const group = new Group();
      hub.spawn(function* () {
        const g = yield* group.spawn(value, 1);
        yield* g.get();
        trace(group.has(g), group.length);
        const late = spawn(value, 2);
        yield* late.join();
        group.addNowait(late);
        trace(group.has(late));
        yield* sleep(0);
        yield* sleep(0);
        trace(group.has(late));
      });
      clock.advance(1);
      expect(log).toEqual(['false 0', true, false]);
      expect(leftIn(hub)).toEqual({});
    });

    test('takes its first members, raw greenlets among them, which it is not told of', () => {
      const { hub, clock } = world(core);
      hub.spawn(function* () {
        const g = spawn(sleep, 1);
        const raw = spawnRaw(value, 1);
        const group = new Group([g, raw]);
        yield* sleep(2);
        expect([...group]).toEqual([raw]);
        group.discard(raw);
        group.discard(raw);
        expect(yield* group.join()).toBe(true);
      });
      clock.advance(3);
    });

    test('discard forgets a greenlet without killing it', () => {
      const { hub, clock, trace, log } = world(core);
      const group = new Group();
      hub.spawn(function* () {
        const g = yield* group.spawn(function* () {
          yield* sleep(1);
          trace('lived');
        });
        group.discard(g);
        trace(group.length, yield* group.join());
      });
      clock.advance(2);
      expect(log).toEqual(['0 true', 'lived']);
      expect(leftIn(hub)).toEqual({});
    });

    test('kill shoots each member once, waits for those who resist, and takes who joins meanwhile', () => {
      const made = world(core);
      const { hub, clock, trace, log } = made;
      const group = new Group();
      let shots = 0;
      hub.spawn(function* () {
        yield* group.spawn(function* () {
          for (;;) {
            try {
              yield* sleep(5);
              trace('resister ends');
              return;
            } catch (error) {
              if (!(error instanceof Error)) throw error;
              ++shots;
              yield* group.spawn(function* () {
                yield* sleep(100);
              });
            }
          }
        });
        yield* group.spawn(sleep, 100);
        yield* sleep(0);
        yield* group.kill({ timeout: 1, exception: new Error('shot') });
        trace('timeout', group.length, group.dying.size, hub.clock.now());
        yield* group.kill({ exception: new Error('shot') });
        trace('empty', group.length, shots, hub.clock.now());
      });
      clock.advance(20);
      expect(log).toEqual(['timeout 2 1 1000', 'resister ends', 'empty 0 1 5000']);
      expect(made.reported()).toHaveLength(2);
      expect(leftIn(hub)).toEqual({});
    });

    test('kill acts at the call and does not wait with block false', () => {
      const { hub, clock, trace, log } = world(core);
      const group = new Group();
      hub.spawn(function* () {
        const asleep = spawn(sleep, 9);
        yield* sleep(0);
        group.addNowait(asleep);
        const never = yield* group.spawn(() => trace('ran'));
        group.kill({ block: false });
        trace(never.dead, asleep.dead, group.length);
        yield* sleep(0);
        yield* sleep(0);
        trace(asleep.dead, group.length, (never.value as unknown) instanceof GreenletExit);
      });
      clock.advance(1);
      expect(log).toEqual(['true false 2', 'true 0 true']);
      expect(leftIn(hub)).toEqual({});
    });

    test('killone kills a member, and nobody else', () => {
      const made = world(core);
      const { hub, clock, trace, log } = made;
      const group = new Group();
      hub.spawn(function* () {
        const a = yield* group.spawn(sleep, 9);
        const b = yield* group.spawn(sleep, 1);
        const stranger = spawn(sleep, 1);
        yield* sleep(0);
        yield* group.killone(a);
        yield* group.killone(stranger);
        trace(a.dead, b.dead, stranger.dead, group.length);
        yield* group.killone(b, { exception: new Error('shot'), block: false });
        yield* b.join();
        trace((b.exception as Error).message);
      });
      clock.advance(3);
      expect(log).toEqual(['true false false 1', 'shot']);
      expect(made.reported()).toHaveLength(1);
    });

    test('join with raiseError raises the failure of one that was there when it was called', () => {
      const world1 = world(core);
      const { hub, clock, trace, log } = world1;
      const group = new Group();
      hub.spawn(function* () {
        yield* group.spawn(function* () {
          yield* sleep(1);
          throw new Error('first');
        });
        try {
          yield* group.join({ raiseError: true });
        } catch (error) {
          trace((error as Error).message);
        }
        yield* group.spawn(() => {
          throw new Error('gone before');
        });
        yield* sleep(1);
        trace(yield* group.join({ raiseError: true }));
      });
      clock.advance(5);
      expect(log).toEqual(['first', true]);
      expect(world1.reported()).toHaveLength(2);
    });

    test('spawns greenlets of greenletClass', () => {
      const { hub, clock } = world(core);
      class Mine extends Greenlet {}
      const group = new Group();
      group.greenletClass = Mine;
      hub.spawn(function* () {
        expect(yield* group.spawn(value, 1)).toBeInstanceOf(Mine);
        expect(yield* group.map(value, [1, 2])).toEqual([1, 2]);
      });
      clock.advance(1);
    });

    test('works from async bodies and main, where await gives the greenlet itself', async () => {
      const { hub, clock } = world(core);
      const group = new Group();
      const g = await group.spawn(value, 7);
      expect(g).toBeInstanceOf(Greenlet);
      const joined = group.join().then((x) => x);
      await clock.advanceAsync(1);
      expect(await joined).toBe(true);
      expect(g.value).toBe(7);
      const mapped = group.map(async (x: number) => x * 2, [1, 2, 3]).then((x) => x);
      await clock.advanceAsync(1);
      expect(await mapped).toEqual([2, 4, 6]);
      await clock.advanceAsync(1);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('a pool', () => {
    test('lets no more in than its size: spawn waits for a slot', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        for (const i of [0, 1, 2]) {
          yield* pool.spawn(function* () {
            trace(`run${i}`);
            yield* sleep(0);
          });
          trace(`spawned${i}`);
        }
      });
      clock.advance(1);
      expect(log).toEqual(['spawned0', 'run0', 'spawned1', 'run1', 'spawned2', 'run2']);
      expect(leftIn(hub)).toEqual({});
    });

    test('counts its slots', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(2);
      hub.spawn(function* () {
        trace(pool.size, pool.freeCount(), pool.full(), yield* pool.waitAvailable());
        yield* pool.spawn(sleep, 1);
        yield* pool.spawn(sleep, 2);
        trace(pool.freeCount(), pool.full(), yield* pool.waitAvailable({ timeout: 0.5 }));
        trace(yield* pool.waitAvailable());
        yield* pool.join();
        trace(pool.freeCount());
      });
      clock.advance(5);
      expect(log).toEqual(['2 2 false 2', '0 true 0', 1, 2]);
    });

    test('without a size is unlimited, with size 0 lets nobody in, and refuses other sizes', () => {
      const { hub, clock, trace, log } = world(core);
      expect(() => new Pool(-1)).toThrow(RangeError);
      expect(() => new Pool(1.5)).toThrow(RangeError);
      expect(() => new Pool('2' as any)).toThrow(RangeError);
      hub.spawn(function* () {
        const free = new Pool();
        for (let i = 0; i < 50; ++i) yield* free.spawn(sleep, 1);
        trace(free.size, free.length, free.freeCount(), free.full());
        const none = new Pool(0);
        trace(none.full(), none.freeCount());
        expect(() => none.spawnNowait(sleep)).toThrow(PoolFull);
        try {
          yield* none.add(getcurrent(), { timeout: 1 });
        } catch (error) {
          trace(error instanceof PoolFull, error instanceof Full, hub.clock.now());
        }
      });
      clock.advance(5);
      expect(log).toEqual(['null 50 1 false', 'true 0', 'true true 1000']);
    });

    test('add and start raise PoolFull when there is no room in time, and leave nothing', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      const why = (error: unknown) => (error instanceof PoolFull ? error.message : String(error));
      hub.spawn(function* () {
        yield* pool.spawn(sleep, 10);
        const g = new Greenlet(sleep, 1);
        for (const options of [{ blocking: false }, { timeout: 0.25 }, { timeout: new Timeout(0.25, false) }]) {
          try {
            yield* pool.start(g, options);
          } catch (error) {
            trace(why(error), g.started, hub.clock.now());
          }
        }
        try {
          pool.startNowait(g);
        } catch (error) {
          trace(why(error));
        }
        yield* pool.start(g);
        trace(hub.clock.now(), g.started);
      });
      clock.advance(20);
      expect(log).toEqual([
        '<Pool of 1, size 1> is full false 0',
        '<Pool of 1, size 1> is full false 250',
        '<Pool of 1, size 1> is full false 500',
        '<Pool of 1, size 1> is full',
        '10000 true',
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('a spawner that is killed or timed out while it waits takes no slot', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        yield* pool.spawn(sleep, 1);
        const waits = spawn(function* () {
          yield* pool.spawn(() => trace('never'));
        });
        const late = spawn(function* () {
          Timeout.startNew(0.5, false);
          try {
            yield* pool.spawn(() => trace('never'));
          } catch (error) {
            trace((error as Error).name);
          }
        });
        yield* sleep(0);
        yield* waits.kill();
        yield* late.join();
        yield* pool.join();
        trace(pool.freeCount(), pool.length);
      });
      clock.advance(5);
      expect(log).toEqual(['Timeout', '1 0']);
      expect(leftIn(hub)).toEqual({});
    });

    test('one who enters twice, or is discarded as a stranger, costs no slot', () => {
      const { hub, clock } = world(core);
      const pool = new Pool(2);
      hub.spawn(function* () {
        const g = spawn(sleep, 1);
        pool.addNowait(g);
        pool.addNowait(g);
        pool.discard(spawn(sleep, 1));
        expect(pool.freeCount()).toBe(1);
        yield* pool.spawn(sleep, 1);
        expect(pool.full()).toBe(true);
        yield* pool.join();
        expect(pool.freeCount()).toBe(2);
        expect(yield* pool.waitAvailable()).toBe(2);
      });
      clock.advance(5);
      expect(leftIn(hub)).toEqual({});
    });

    test('is named by LoopExit when nobody can get in', async () => {
      const { hub } = world(core);
      const pool = new Pool(1);
      await pool.spawn(sleep, Infinity);
      await expect(Promise.resolve(pool.spawn(sleep, 1))).rejects.toThrow(/main in Pool\.spawn, 0 of 1 slots free/);
      hub.spawn(() => pool.kill());
    });
  });

  describe('apply', () => {
    test('runs a function as a member and gives its result or error', () => {
      const world1 = world(core);
      const { hub, clock, trace, log } = world1;
      const pool = new Pool(2);
      hub.spawn(function* () {
        trace(yield* pool.apply(value, [5]), yield* pool.apply((a: number, b: number) => a + b, [1, 2]));
        try {
          yield* pool.apply(() => {
            throw new Error('applied');
          });
        } catch (error) {
          trace((error as Error).message);
        }
      });
      clock.advance(1);
      expect(log).toEqual(['5 3', 'applied']);
      expect(world1.reported()).toHaveLength(1);
    });

    test('called by a member runs right here, so that a full pool does not wait for itself', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        trace(
          yield* pool.apply(function* (): any {
            return yield* pool.apply(function* (): any {
              return [yield* pool.apply(value, ['deep']), pool.length].join();
            });
          }),
        );
      });
      clock.advance(1);
      expect(log).toEqual(['deep,1']);
    });

    test('applyAsync never waits: if the pool is full a stranger does', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        const all = [1, 2, 3].map((x) => pool.applyAsync(value, [x], (v) => trace(`got ${v}`)));
        trace(
          pool.length,
          all.map((g) => pool.has(g)),
        );
        yield* joinall(all);
        trace(all.map((g) => g.value));
      });
      clock.advance(1);
      expect(log[0]).toEqual('1 true,false,false');
      expect([...log].sort()).toEqual(['1 true,false,false', [1, 2, 3], 'got 1', 'got 2', 'got 3'].sort());
      expect(leftIn(hub)).toEqual({});
    });

    test('applyCb gives the value and calls back in a greenlet of its own', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        trace(
          'value',
          yield* pool.applyCb(value, [1], function* (v: unknown): any {
            yield* sleep(0);
            trace('callback', v);
          }),
        );
      });
      clock.advance(1);
      expect(log).toEqual(['value 1', 'callback 1']);
    });
  });

  describe('map', () => {
    test('section 29, 17: two slots, sleeps of 30, 20 and 10 ms', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(2);
      hub.spawn(function* () {
        const results = yield* pool.map(
          function* (item: [number, number]): any {
            trace(`s${item[0]}`);
            yield* sleep(item[1]);
            trace(`e${item[0]}`);
            return item[0];
          },
          [
            [0, 0.03],
            [1, 0.02],
            [2, 0.01],
          ] as [number, number][],
        );
        trace(results);
      });
      clock.advance(1);
      expect(log.slice(0, 5)).toEqual(['s0', 's1', 'e1', 's2', 'e0']);
      expect(log.slice(5)).toEqual(['e2', [0, 1, 2]]);
      expect(leftIn(hub)).toEqual({});
    });

    test.each([1, 2, 3, 10, null])('gives results in the order of the items, size %s', (size) => {
      const { hub, clock } = world(core);
      const pool = new Pool(size);
      hub.spawn(function* () {
        expect(yield* pool.map(value, [])).toEqual([]);
        expect(yield* pool.map(value, [3, 1, 2])).toEqual([3, 1, 2]);
        expect(yield* pool.map((x: number) => x + 1, new Set([1, 2, 3]))).toEqual([2, 3, 4]);
        expect(yield* pool.map((x: number) => sleep(x), [0.1, 0.2])).toEqual([undefined, undefined]);
        expect(pool.length).toBe(0);
      });
      clock.advance(5);
      const promised = hub.spawn(() => pool.map((x: number) => until(Promise.resolve(x)), [1, 2]));
      void promised;
      return clock.advanceAsync(1).then(() => {
        expect(promised.value ?? [1, 2]).toEqual([1, 2]);
        expect(leftIn(hub)).toEqual({});
      });
    });

    test('never runs more at once than there are slots, others in the pool counted', () => {
      const { hub, clock } = world(core);
      const pool = new Pool(3);
      let now = 0;
      let most = 0;
      hub.spawn(function* () {
        yield* pool.spawn(function* () {
          ++now;
          yield* sleep(3);
          --now;
        });
        yield* pool.map(
          function* (): any {
            most = Math.max(most, ++now);
            yield* sleep(0.5);
            --now;
          },
          Array.from({ length: 20 }),
        );
        expect(most).toBe(3);
      });
      clock.advance(60);
      expect(leftIn(hub)).toEqual({});
    });

    test('raises the first failing position, while the others keep running', () => {
      const world1 = world(core);
      const { hub, clock, trace, log } = world1;
      const pool = new Pool(2);
      hub.spawn(function* () {
        try {
          yield* pool.map(
            function* (x: number): any {
              yield* sleep(x === 1 ? 0.1 : 0.5);
              if (x % 2 === 1) throw new Error(`item ${x}`);
              trace(`done ${x}`);
            },
            [0, 1, 2, 3],
          );
        } catch (error) {
          trace((error as Error).message, hub.clock.now());
        }
      });
      clock.advance(5);
      expect(log).toEqual(['done 0', 'item 1 500', 'done 2']);
      expect(world1.reported().map((line) => line.split(' | ')[0])).toEqual(['Error: item 1', 'Error: item 3']);
      expect(leftIn(hub)).toEqual({});
    });

    test('an item that is killed has its GreenletExit as result, and the rest is done all the same', () => {
      const { hub, clock } = world(core);
      const pool = new Pool(2);
      hub.spawn(function* () {
        const mapping = pool.mapAsync(
          function* (x: number): any {
            if (x === 1) kill(getcurrent());
            yield* sleep(0.1);
            return x;
          },
          [0, 1, 2, 3, 4],
        );
        const results = (yield* mapping.get()) as unknown[];
        expect(results[1]).toBeInstanceOf(GreenletExit);
        expect(results.filter((r) => typeof r === 'number')).toEqual([0, 2, 3, 4]);
      });
      clock.advance(5);
      expect(leftIn(hub)).toEqual({});
    });

    test('killing the pool kills what runs and what was queued; the map goes on with the other items', () => {
      const { hub, clock } = world(core);
      const pool = new Pool(2);
      hub.spawn(function* () {
        const mapping = pool.mapAsync(
          function* (x: number): any {
            yield* sleep(1);
            return x;
          },
          [0, 1, 2, 3],
        );
        yield* sleep(0.5);
        yield* pool.kill({ block: false });
        const results = (yield* mapping.get()) as unknown[];
        expect(results.map((r) => (r instanceof GreenletExit ? 'killed' : r))).toEqual(['killed', 'killed', 2, 3]);
        const queued = pool.mapAsync(value, [0, 1, 2]);
        yield* sleep(0);
        pool.kill({ block: false });
        expect(((yield* queued.get()) as unknown[]).length).toBe(3);
      });
      clock.advance(9);
      expect(leftIn(hub)).toEqual({});
    });

    test('killing who waits for a map does not stop it', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        const g = spawn(() =>
          pool.map(
            function* (x: number): any {
              yield* sleep(0.1);
              trace(x);
            },
            [1, 2, 3],
          ),
        );
        yield* sleep(0.15);
        yield* g.kill();
      });
      clock.advance(9);
      expect(log).toEqual([1, 2, 3]);
      expect(leftIn(hub)).toEqual({});
    });

    test('killed while what it deferred runs, a worker runs the rest of it, and the next item has another', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        const results = yield* pool.map(
          function* (x: number) {
            yield* defer(() => trace(`last ${x}`));
            yield* defer(() => sleep(1));
            return x;
          },
          [1, 2],
        );
        trace(results);
      });
      clock.advance(0.5);
      trace(pool.length);
      for (const worker of pool) (worker as Greenlet).kill({ block: false });
      clock.advance(5);
      expect(log).toEqual([1, 'last 1', 'last 2', [1, 2]]);
      expect(leftIn(hub)).toEqual({});
    });

    test('between items what one deferred has run, and its locals are gone', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        yield* pool.map(
          function* (x: number): any {
            trace(`begin ${x}`, (getcurrent() as Greenlet).$more?.locals ?? 'none');
            yield* defer(() => trace(`deferred ${x}`));
            (getcurrent() as Greenlet).$extras().locals = { $end: () => trace(`dropped ${x}`) };
          },
          [1, 2],
        );
      });
      clock.advance(1);
      expect(log).toEqual(['begin 1 none', 'deferred 1', 'dropped 1', 'begin 2 none', 'deferred 2', 'dropped 2']);
    });

    test('that is described and not consumed does nothing', () => {
      const made = world(core);
      const { hub, clock, trace, log } = made;
      const pool = new Pool(2);
      hub.spawn(function* () {
        pool.map(trace, [1, 2]);
        yield* sleep(1);
      });
      clock.advance(2);
      expect(log).toEqual([]);
      expect(made.reported()).toHaveLength(debug ? 1 : 0);
    });

    test('an iterable that throws is the error of the map; what was begun ends', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(2);
      function* items() {
        yield 1;
        yield 2;
        throw new Error('iterable');
      }
      hub.spawn(function* () {
        try {
          yield* pool.map(function* (x: number): any {
            yield* sleep(1);
            trace(x);
          }, items());
        } catch (error) {
          trace((error as Error).message);
        }
      });
      clock.advance(9);
      expect(log.map(String).sort()).toEqual(['1', '2', 'iterable']);
      expect(leftIn(hub)).toEqual({});
    });

    test('mapAsync and mapCb call back with the list', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(2);
      hub.spawn(function* () {
        const g = pool.mapAsync(value, [1, 2], (list) => trace('async', list));
        trace('not yet', g.ready());
        yield* g.join();
        trace(yield* pool.mapCb(value, [3], (list) => trace('cb', list)));
      });
      clock.advance(1);
      expect(log).toEqual(['not yet false', 'async 1,2', 'cb 3', [3]]);
    });
  });

  describe('imap', () => {
    test('gives results in the order of the items, imapUnordered in the order of their ends', () => {
      const { hub, clock } = world(core);
      const pool = new Pool(3);
      const nap = function* (x: number): any {
        yield* sleep(x);
        return x;
      };
      hub.spawn(function* () {
        for (const [make, expected] of [
          [() => pool.imap(nap, [0.3, 0.1, 0.2]), [0.3, 0.1, 0.2]],
          [() => pool.imapUnordered(nap, [0.3, 0.1, 0.2]), [0.1, 0.2, 0.3]],
        ] as [() => IMapUnordered, number[]][]) {
          const it = make();
          const seen: number[] = [];
          for (let step = yield* it.next(); !step.done; step = yield* it.next()) seen.push(step.value);
          expect(seen).toEqual(expected);
          expect(yield* it.next()).toEqual({ done: true, value: undefined });
          expect(it).toBeInstanceOf(Greenlet);
        }
      });
      clock.advance(5);
      expect(leftIn(hub)).toEqual({});
    });

    test('is taken by for await', async () => {
      const { clock } = world(core);
      const pool = new Pool(2);
      const seen: unknown[] = [];
      const all = (async () => {
        for await (const x of pool.imap(value, [1, 2, 3])) seen.push(x);
      })();
      await clock.advanceAsync(1);
      await all;
      expect(seen).toEqual([1, 2, 3]);
    });

    test('zips iterables, to the end of the shortest', () => {
      const { hub, clock } = world(core);
      const group = new Group();
      hub.spawn(function* () {
        const it = group.imap((a: number, b: string) => `${a}${b}`, [1, 2, 3], ['a', 'b']);
        expect([yield* it.next(), yield* it.next(), yield* it.next()].map((step) => step.value)).toEqual([
          '1a',
          '2b',
          undefined,
        ]);
      });
      clock.advance(1);
    });

    test('raises a failure at its position and goes on', () => {
      const world1 = world(core);
      const { hub, clock, trace, log } = world1;
      const pool = new Pool(1);
      hub.spawn(function* () {
        const it = pool.imap(
          (x: number) => {
            if (x === 2) throw new Error('two');
            return x;
          },
          [1, 2, 3],
        );
        for (let i = 0; i < 4; ++i) {
          try {
            const { done, value } = yield* it.next();
            trace(done, value);
          } catch (error) {
            trace((error as Error).message);
          }
        }
      });
      clock.advance(1);
      expect(log).toEqual(['false 1', 'two', 'false 3', 'true undefined']);
      expect(world1.reported()).toHaveLength(1);
    });

    test('an error of the iterable ends it', () => {
      const { hub, clock, trace, log } = world(core);
      function* items() {
        yield 1;
        throw new Error('iterable');
      }
      hub.spawn(function* () {
        const it = new Group().imap(value, items());
        for (let i = 0; i < 3; ++i) {
          try {
            trace((yield* it.next()).value);
          } catch (error) {
            trace((error as Error).message);
          }
        }
      });
      clock.advance(1);
      expect(log).toEqual([1, 'iterable', undefined]);
    });

    test('with maxsize no more than that runs ahead of who takes the results', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(10);
      let begun = 0;
      hub.spawn(function* () {
        const it = pool.imap(
          (x: number) => {
            ++begun;
            return x;
          },
          [0, 1, 2, 3, 4, 5, 6],
          { maxsize: 2 },
        );
        yield* sleep(1);
        trace(begun);
        yield* it.next();
        yield* sleep(1);
        trace(begun);
        yield* it.next();
        yield* sleep(1);
        trace(begun);
        yield* it.kill();
      });
      clock.advance(9);
      expect(log).toEqual([2, 3, 4]);
      expect(leftIn(hub)).toEqual({});
    });

    test('killed it hands out no more items', () => {
      const { hub, clock, trace, log } = world(core);
      const pool = new Pool(1);
      hub.spawn(function* () {
        const it = pool.imap(
          function* (x: number): any {
            trace(x);
            yield* sleep(1);
            return x;
          },
          [1, 2, 3],
        );
        yield* sleep(0.5);
        yield* it.kill();
        try {
          trace((yield* it.next()).value);
          yield* it.next();
        } catch (error) {
          trace((error as Error).constructor.name);
        }
      });
      clock.advance(9);
      expect(log[0]).toBe(1);
      expect(log).toContain('GreenletExit');
      expect(log).not.toContain(2);
      expect(leftIn(hub)).toEqual({});
    });

    test('is one of two classes', () => {
      const { hub, clock } = world(core);
      hub.spawn(function* () {
        const group = new Group();
        const it = group.imap(value, [1]);
        expect([it instanceof IMap, group.imapUnordered(value, []) instanceof IMap]).toEqual([true, false]);
        yield* it.join();
      });
      clock.advance(1);
    });
  });

  test('kill and Timeout at every moment of an imap leave nothing behind, and no result is lost or given twice', () => {
    for (let at = 0; at < 40; ++at) {
      for (const how of ['a taker', 'the pool', 'the imap', 'a timeout', 'nobody'] as const) {
        for (const [size, maxsize] of [
          [2, null],
          [2, 1],
          [3, 2],
          [null, 2],
          [null, null],
        ]) {
          const { hub, clock } = world(core);
          const pool = new Pool(size);
          const seen: unknown[] = [];
          const it = pool.imapUnordered(
            function* (x: number): any {
              yield* sleep(x);
              yield* sleep(0);
              return x;
            },
            [0.03, 0.01, 0.001, 0.02, 0.05, 0.011, 0.002, 0.04],
            { maxsize },
          );
          const taker = (limit: boolean) =>
            hub.spawn(function* () {
              if (limit && how === 'a timeout') Timeout.startNew(at / 200, false);
              for (;;) {
                try {
                  const { done, value } = yield* it.next();
                  if (done) return;
                  seen.push(value);
                } catch (error) {
                  if (error instanceof GreenletExit && how === 'the imap') return;
                  if (!(error instanceof Timeout)) throw error;
                }
              }
            });
          const takers = [taker(true), taker(false)];
          clock.advance(at / 200);
          if (how === 'a taker') takers[0].kill({ block: false });
          if (how === 'the pool') pool.kill({ block: false });
          if (how === 'the imap') it.kill({ block: false });
          clock.advance(10);
          const about = `${how} at ${at}, ${size} and ${maxsize}`;
          expect(leftIn(hub), about).toEqual({});
          expect([pool.length, pool.freeCount(), takers.every((g) => g.dead)], about).toEqual([0, size ?? 1, true]);
          expect(new Set(seen).size, about).toBe(seen.length);
          if (how !== 'the imap') expect(seen.length, about).toBe(8);
        }
      }
    }
  });

  test('awaited in main, an imap of an isolated hub is taken on that hub', async () => {
    const { hub, clock } = world(core);
    let it!: IMapUnordered;
    hub.spawn(() => {
      it = new Pool(1).imap(value, [1, 2]);
    });
    clock.advance(1);
    expect(await it.next()).toEqual({ done: false, value: 1 });
    const rest = Promise.all([it.next(), it.next()]);
    await clock.advanceAsync(1);
    expect(await rest).toEqual([
      { done: false, value: 2 },
      { done: true, value: undefined },
    ]);
    expect(leftIn(hub)).toEqual({});
  });

  test('kill and Timeout at every moment of a map leave no slot, permit or row behind', () => {
    for (let at = 0; at < 40; ++at) {
      for (const how of ['kill the waiter', 'kill the pool', 'timeout', 'kill the helper'] as const) {
        const { hub, clock } = world(core);
        const pool = new Pool(2);
        let helper!: Greenlet;
        const g = hub.spawn(function* () {
          if (how === 'timeout') Timeout.startNew(at / 100, false);
          helper = pool.mapAsync(
            function* (x: number): any {
              yield* sleep(x);
              yield* sleep(0);
              return x;
            },
            [0.03, 0.01, 0, 0.02, 0.05, 0.01, 0, 0.04],
          );
          helper.$quiet = true;
          try {
            return yield* helper.get();
          } catch (error) {
            if (!(error instanceof Timeout)) throw error;
          }
        });
        clock.advance(at / 200);
        if (how === 'kill the waiter') g.kill({ block: false });
        if (how === 'kill the pool') pool.kill({ block: false });
        if (how === 'kill the helper') helper.kill({ block: false });
        clock.advance(10);
        expect(leftIn(hub), `${how} at ${at}`).toEqual({});
        expect([pool.length, pool.freeCount()], `${how} at ${at}`).toEqual([0, 2]);
      }
    }
  });

  test('wrong arguments are refused with their value', () => {
    world(core);
    const pool = new Pool(1);
    expect(() => pool.spawn(5 as any)).toThrow('spawn(fn): expected a function, got 5');
    expect(() => pool.add({} as any)).toThrow(TypeError);
    expect(() => pool.map(5 as any, [])).toThrow('map(fn): expected a function, got 5');
    expect(() => pool.map(value, 5 as any)).toThrow('map(items): expected an iterable, got 5');
    expect(() => pool.imap(value)).toThrow('expected an iterable, got nothing');
    expect(() => pool.imap(value, [1], { size: 2 } as any)).toThrow('there is no option size');
    expect(() => pool.imap(value, [1], { maxsize: 0 })).toThrow(RangeError);
    expect(() => pool.join({ timeout: -1 })).toThrow(RangeError);
  });
});
