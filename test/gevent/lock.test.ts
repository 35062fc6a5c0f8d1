// Semaphore, BoundedSemaphore, DummySemaphore, RLock.

import { describe, expect, test } from 'vitest';
import { createHub, getcurrent, sleep, spawn, Timeout, wait } from '../../ts/index.ts';
import { BoundedSemaphore, DummySemaphore, RLock, Semaphore } from '../../ts/lock.ts';
import { CORES, type CoreName, rejected, thrown } from '../support/cores.ts';
import { leftIn, world as worldOf } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

// With debug mode off, operations take shorter ways.
describe.each(CORES.flatMap((core) => [true, false].map((debug) => [core, debug] as const)))(
  'on the %s core, debug mode %s',
  (core, debug) => {
    const world = (name: CoreName, options = {}) => worldOf(name, { debug, ...options });

    describe('a semaphore', () => {
      test('gives permits while there are some, then to those who wait, in order', () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(2);
        for (const i of [0, 1, 2, 3]) {
          spawn(function* (): Body {
            trace('in', i, yield* semaphore.acquire());
            yield* sleep(1);
            trace('out', i, semaphore.release());
          });
        }
        clock.advance(1);
        expect([semaphore.counter, semaphore.locked(), semaphore.ready()]).toEqual([0, true, false]);
        clock.advance(1);
        expect(log).toEqual([
          'in 0 true',
          'in 1 true',
          'out 0 1',
          'out 1 2',
          'in 2 true',
          'in 3 true',
          'out 2 1',
          'out 3 2',
        ]);
        expect([semaphore.counter, semaphore.locked(), semaphore.ready()]).toEqual([2, false, true]);
        expect(leftIn(hub)).toEqual({});
      });

      test('a permit may be taken past those who wait: the holder of the only one releases and takes it again', () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(1);
        spawn(function* (): Body {
          yield* semaphore.acquire();
          yield* sleep(1);
          semaphore.release();
          trace('holder again', yield* semaphore.acquire());
          yield* sleep(1);
          semaphore.release();
        });
        for (const i of [0, 1, 2, 3]) {
          spawn(function* (): Body {
            yield* semaphore.acquire();
            trace(i);
            semaphore.release();
          });
        }
        clock.advance(1);
        expect(log.splice(0)).toEqual(['holder again true']);
        clock.advance(1);
        expect(log).toEqual([0, 1, 2, 3]);
        expect(semaphore.counter).toBe(1);
        expect(leftIn(hub)).toEqual({});
      });

      test('wait takes nothing: one who waits and one who acquires are both woken by one release', () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(0);
        spawn(function* (): Body {
          trace('wait', yield* semaphore.wait());
        });
        spawn(function* (): Body {
          trace('acquire', yield* semaphore.acquire());
        });
        clock.advance();
        expect(hub.whoWaits().map((line) => line.replace(/^<.*> in/, 'in'))).toEqual([
          'in Semaphore.wait, 0 of 0 permits free',
          'in Semaphore.acquire, 0 of 0 permits free',
        ]);
        expect(semaphore.release()).toBe(1);
        clock.advance();
        expect(log).toEqual(['wait 1', 'acquire true']);
        expect(leftIn(hub)).toEqual({});
      });

      test('wait behind one who takes the only permit goes on waiting; a timeout gives the permits free then, perhaps none', () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(0);
        spawn(function* (): Body {
          yield* semaphore.acquire();
          trace('acquired');
        });
        spawn(function* (): Body {
          trace('wait', yield* semaphore.wait({ timeout: 2 }));
          semaphore.release();
          trace('wait', yield* semaphore.wait({ timeout: new Timeout(1) }), yield* semaphore.wait());
        });
        clock.advance(1);
        semaphore.release();
        clock.advance(1);
        expect(log).toEqual(['acquired', 'wait 0', 'wait 1 1']);
        expect(leftIn(hub)).toEqual({});
      });

      test('acquire with a timeout, without blocking, and by a Timeout of one’s own', () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(1);
        spawn(function* (): Body {
          trace(yield* semaphore.acquire({ blocking: false }), yield* semaphore.acquire({ blocking: false }));
          trace(yield* semaphore.acquire({ timeout: 0 }), yield* semaphore.acquire({ timeout: 1 }), hub.clock.now());
          trace(yield* semaphore.acquire({ timeout: new Timeout(1) }), semaphore.acquireNowait());
          try {
            yield* semaphore.acquire({ timeout: new Timeout(1, new RangeError('mine')) });
          } catch (e) {
            trace(e);
          }
          semaphore.release();
          trace(yield* semaphore.acquire({ timeout: 1 }));
        });
        clock.advance(5);
        expect(log.map(String)).toEqual(['true false', 'false false 1000', 'false false', 'RangeError: mine', 'true']);
        expect(thrown(() => semaphore.acquire({ timeout: -1 }))).toContain('RangeError: acquire(timeout)');
        expect(thrown(() => semaphore.acquire({ blocking: false, timeout: -1 }))).toContain('RangeError');
        expect(thrown(() => semaphore.wait({ timeout: -1 }))).toContain('RangeError: wait(timeout)');
        expect(leftIn(hub)).toEqual({});
      });

      test('a waiter that is killed or timed out takes nothing; one killed after the release has it already', () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(0);
        const waiter = (name: string, timeout?: number) =>
          spawn(function* (): Body {
            try {
              trace(name, yield* semaphore.acquire(timeout === undefined ? {} : { timeout }));
            } finally {
              trace(name, 'over');
            }
          });
        const a = waiter('a');
        waiter('b', 1);
        const c = waiter('c');
        waiter('d');
        clock.advance();
        a.kill({ block: false });
        clock.advance(1);
        semaphore.release();
        // Behind the notification: it comes too late.
        c.kill({ block: false });
        clock.advance();
        expect(log.splice(0)).toEqual(['a over', 'b false', 'b over', 'c true', 'c over']);
        semaphore.release();
        clock.advance();
        expect(log).toEqual(['d true', 'd over']);
        expect(semaphore.counter).toBe(0);
        expect(leftIn(hub)).toEqual({});
      });

      test('links are called while permits are left, and stay when there are none', () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(0);
        const seen = () => trace('link', semaphore.counter);
        semaphore.rawlink(seen);
        spawn(function* (): Body {
          yield* semaphore.acquire();
          trace('acquired');
        });
        clock.advance();
        const behind = () => trace('behind');
        semaphore.rawlink(behind);
        expect(semaphore.linkcount()).toBe(3);
        semaphore.release();
        clock.advance();
        expect(log.splice(0)).toEqual(['link 1', 'acquired']);
        expect(semaphore.linkcount()).toBe(1);
        semaphore.release();
        clock.advance();
        expect(log.splice(0)).toEqual(['behind']);
        semaphore.rawlink(seen);
        clock.advance();
        expect(log).toEqual(['link 1']);
        expect(leftIn(hub)).toEqual({});
      });

      test('released several at once; more than there were; not less than one, not beyond 2^30', () => {
        const { clock, trace, log } = world(core);
        const semaphore = new Semaphore(0);
        for (const i of [0, 1, 2]) {
          spawn(function* (): Body {
            yield* semaphore.acquire();
            trace(i);
          });
        }
        clock.advance();
        expect(semaphore.release(2)).toBe(2);
        clock.advance();
        expect(log).toEqual([0, 1]);
        expect(semaphore.release(2)).toBe(2);
        clock.advance();
        expect([log.length, semaphore.counter]).toEqual([3, 1]);
        expect(thrown(() => semaphore.release(0))).toBe(
          'RangeError: Semaphore.release(count): expected an integer from 1 to 1073741824, got 0',
        );
        expect(thrown(() => semaphore.release(1.5))).toContain('RangeError');
        expect(thrown(() => semaphore.release('2' as any))).toContain('TypeError');
        expect(thrown(() => semaphore.release(2 ** 30))).toContain('RangeError');
        expect(thrown(() => new Semaphore(-1))).toContain('RangeError: Semaphore(value): expected an integer from 0');
        expect(thrown(() => new Semaphore(1.5))).toContain('RangeError');
        expect(thrown(() => new BoundedSemaphore('a' as any))).toContain('TypeError: BoundedSemaphore(value)');
        expect([new Semaphore().counter, String(new Semaphore(3))]).toEqual([1, '<Semaphore counter=3 _links[0]>']);
      });

      test('await takes and waits for permits too; an async body that is killed takes nothing', async () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(1);
        const body = async (name: string) => {
          trace(name, await semaphore.acquire());
          await sleep(1);
          semaphore.release();
        };
        spawn(body, 'a');
        const b = spawn(body, 'b');
        spawn(body, 'c');
        await clock.advanceAsync();
        b.kill({ block: false });
        await clock.advanceAsync(1);
        await clock.advanceAsync(1);
        expect(log).toEqual(['a true', 'c true']);
        expect(await semaphore.acquire()).toBe(true);
        semaphore.release();
        expect(leftIn(hub)).toEqual({});
      });

      test('contended and dropped over and over it leaves nothing behind', () => {
        const { hub, clock } = world(core);
        const before = hub.statistics();
        for (let i = 0; i < 1000; ++i) {
          const semaphore = new Semaphore(1);
          const gs = Array.from({ length: 5 }, () =>
            spawn(function* (): Body {
              yield* semaphore.acquire();
              try {
                yield* sleep(1);
              } finally {
                semaphore.release();
              }
            }),
          );
          for (let k = 0; k < 5; ++k) spawn(() => semaphore.acquire({ timeout: 0.5 }) as any);
          clock.advance(0.2);
          gs[0].kill({ block: false });
          gs[2].kill({ block: false });
          clock.advance(10);
          expect(semaphore.counter).toBe(1);
        }
        expect(hub.statistics()).toEqual(before);
      });

      test('many idle ones while the hub never rests keep no rows', () => {
        const { hub, clock } = world(core);
        let most = 0;
        spawn(function* (): Body {
          for (let i = 0; i < 2000; ++i) {
            const semaphore = new Semaphore(0);
            spawn(() => semaphore.acquire() as any);
            yield* sleep(0);
            semaphore.release();
            yield* sleep(0);
            most = Math.max(most, hub.statistics().rows);
          }
        });
        clock.advance();
        expect(most).toBeLessThan(260);
        expect(leftIn(hub)).toEqual({});
      });

      test('can be waited for by wait(), together with others', () => {
        const { hub, clock, trace, log } = world(core);
        const [a, b] = [new Semaphore(0), new Semaphore(1)];
        spawn(function* (): Body {
          trace((yield* wait([a, b], { count: 1 }))[0] === b);
        });
        clock.advance();
        expect([log, a.linkcount()]).toEqual([[true], 0]);
        expect(leftIn(hub)).toEqual({});
      });

      test('belongs to one hub', () => {
        const { clock } = world(core);
        const semaphore = new Semaphore(0);
        spawn(() => semaphore.acquire({ timeout: 0 }) as any);
        clock.advance();
        const other = createHub({ core: 'pure' });
        other.exceptionStream = null;
        const g = other.spawn(() => semaphore.acquire() as any);
        other.turn();
        expect(String(g.exception)).toContain('InvalidThreadUseError');
        semaphore.release();
        const h = other.spawn(() => semaphore.acquire() as any);
        other.turn();
        expect([h.successful(), semaphore.counter]).toEqual([true, 0]);
        other.destroy();
      });

      test('used by two greenlets in a row in one callback of the hub it never blocks there', () => {
        const { hub, clock, trace, log, reported } = world(core);
        const semaphore = new Semaphore(1);
        hub.runCallback(() => {
          trace(semaphore.acquireNowait(), semaphore.acquireNowait(), semaphore.release());
          [...(semaphore.acquire() as any)];
          trace(semaphore.counter);
          [...(semaphore.acquire() as any)];
        });
        clock.advance();
        expect(log).toEqual(['true false 1', 0]);
        expect(reported()).toEqual([expect.stringContaining('BlockingSwitchOutError')]);
      });
    });

    describe('for a block', () => {
      test('lock() releases at the end of a using block, also when the body is killed there', () => {
        const { hub, clock, trace, log } = world(core);
        const semaphore = new Semaphore(1);
        const body = function* (name: string): Body {
          using _ = yield* semaphore.lock();
          trace(name, semaphore.counter);
          yield* sleep(1);
        };
        const g = spawn(body, 'a');
        spawn(body, 'b');
        spawn(body, 'c').kill({ block: false });
        clock.advance(0.5);
        g.kill({ block: false });
        clock.advance(5);
        expect(log).toEqual(['a 0', 'b 0']);
        expect(semaphore.counter).toBe(1);
        expect(leftIn(hub)).toEqual({});
      });

      test('what lock() gives releases once', async () => {
        world(core);
        const semaphore = new Semaphore(1);
        const held = await semaphore.lock();
        expect(semaphore.counter).toBe(0);
        held.release();
        held.release();
        held[Symbol.dispose]();
        expect(semaphore.counter).toBe(1);
      });

      test('with(fn) holds it while fn runs, of whatever kind it is, and passes value and error on', async () => {
        const { hub, clock, trace, log } = world(core, { auto: true });
        const semaphore = new Semaphore(1);
        function* work(name: string): Generator<any, string, any> {
          trace(name, semaphore.counter);
          yield* sleep(1);
          return name;
        }
        const g = spawn(function* (): Body {
          trace(yield* semaphore.with(work, 'a'), semaphore.counter);
          trace(yield* semaphore.with((x: number) => x + 1, 5));
          try {
            yield* semaphore.with(() => {
              throw new Error('x');
            });
          } catch (e) {
            trace(e, semaphore.counter);
          }
        });
        await g.join();
        expect(await semaphore.with(work, 'main')).toBe('main');
        expect(await semaphore.with(async () => 7)).toBe(7);
        expect(log).toEqual(['a 0', 'a 1', 6, 'Error: x 1', 'main 0']);
        expect(semaphore.counter).toBe(1);
        expect(thrown(() => semaphore.with(5 as any))).toBe(
          'TypeError: Semaphore.with(fn): expected a function, got 5',
        );
        await clock.advanceAsync();
        expect(leftIn(hub)).toEqual({});
      });

      test('a kill while with() waits or works gives the permit back', () => {
        const { hub, clock } = world(core);
        const semaphore = new Semaphore(1);
        const body = () =>
          function* (): Body {
            yield* semaphore.with(function* (): Body {
              yield* sleep(10);
            });
          };
        const [a, b, c] = [spawn(body()), spawn(body()), spawn(body())];
        clock.advance();
        b.kill({ block: false });
        a.kill({ block: false });
        clock.advance(1);
        expect(semaphore.counter).toBe(0);
        c.kill({ block: false });
        clock.advance();
        expect(semaphore.counter).toBe(1);
        expect(leftIn(hub)).toEqual({});
      });
    });

    describe('a bounded semaphore', () => {
      test('refuses more permits than it began with', () => {
        const { clock } = world(core);
        const semaphore = new BoundedSemaphore(2);
        expect(thrown(() => semaphore.release())).toBe(
          'RangeError: Semaphore released too many times: 2 of 2 permits are free, 1 more given back',
        );
        semaphore.acquireNowait();
        expect(thrown(() => semaphore.release(2))).toContain('released too many times');
        expect(semaphore.release()).toBe(2);
        spawn(function* (): Body {
          yield* semaphore.acquire();
          yield* semaphore.acquire();
          yield* semaphore.acquire({ timeout: 1 });
          semaphore.release();
          semaphore.release();
        });
        clock.advance(2);
        expect([semaphore.counter, thrown(() => semaphore.release())]).toEqual([
          2,
          expect.stringContaining('too many'),
        ]);
      });
    });

    describe('a dummy semaphore', () => {
      test('never blocks and never says no', async () => {
        const { hub, clock } = world(core);
        const dummy = new DummySemaphore();
        expect([await dummy.acquire(), await dummy.acquire({ timeout: 0 }), dummy.acquireNowait()]).toEqual([
          true,
          true,
          true,
        ]);
        expect([dummy.locked(), dummy.ready(), await dummy.wait(), dummy.release()]).toEqual([
          false,
          true,
          1,
          undefined,
        ]);
        dummy.rawlink(() => expect.fail('a link was called'));
        dummy.unlink(() => {});
        (await dummy.lock()).release();
        expect(await dummy.with((x: number) => x, 3)).toBe(3);
        await clock.advanceAsync();
        expect(leftIn(hub)).toEqual({});
      });
    });

    describe('an RLock', () => {
      test('is taken again by its holder, and free when it was released as often', () => {
        const { hub, clock, trace, log } = world(core);
        const lock = new RLock();
        spawn(function* (): Body {
          trace(
            yield* lock.acquire(),
            yield* lock.acquire(),
            yield* lock.acquire({ blocking: false }),
            lock.acquireNowait(),
          );
          for (let i = 0; i < 4; ++i) {
            yield* sleep(1);
            lock.release();
            trace(lock.locked());
          }
        });
        spawn(function* (): Body {
          trace(yield* lock.acquire({ blocking: false }), lock.acquireNowait(), yield* lock.acquire({ timeout: 0.5 }));
          trace('other', yield* lock.acquire(), hub.clock.now());
          lock.release();
        });
        clock.advance(0.7);
        expect(hub.whoWaits().some((line) => /in RLock.acquire, held by <Greenlet/.test(line))).toBe(true);
        clock.advance(9);
        expect(log).toEqual(['true true true true', 'false false false', true, true, true, false, 'other true 4000']);
        expect([lock.locked(), String(lock)]).toEqual([false, '<RLock free>']);
        expect(leftIn(hub)).toEqual({});
      });

      test('cannot be released by another, nor when it is free', () => {
        const { clock, reported } = world(core);
        const lock = new RLock();
        expect(thrown(() => lock.release())).toContain(
          '[GEVENT_NOT_OWNER]: cannot release un-acquired lock: <RLock free>',
        );
        spawn(function* (): Body {
          yield* lock.acquire();
          yield* sleep(5);
          lock.release();
        });
        spawn(() => lock.release());
        clock.advance(1);
        expect(reported()).toEqual([
          expect.stringContaining('cannot release un-acquired lock: <RLock owner=<Greenlet'),
        ]);
        expect(String(lock)).toContain('count=1');
        clock.advance(5);
        expect(lock.locked()).toBe(false);
      });

      test('a waiter killed or timed out does not become its holder', () => {
        const { hub, clock, trace, log } = world(core);
        const lock = new RLock();
        spawn(function* (): Body {
          using _ = yield* lock.lock();
          yield* lock.with(function* (): Body {
            yield* sleep(2);
          });
        });
        const killed = spawn(() => lock.acquire() as any);
        spawn(function* (): Body {
          trace(yield* lock.acquire({ timeout: 1 }));
        });
        spawn(function* (): Body {
          trace(yield* lock.acquire());
          lock.release();
        });
        clock.advance(0.5);
        killed.kill({ block: false });
        clock.advance(5);
        expect([log, lock.locked()]).toEqual([[false, true], false]);
        expect(leftIn(hub)).toEqual({});
      });

      test('knows async bodies and main apart', async () => {
        const { hub, clock, trace, log } = world(core);
        const lock = new RLock();
        spawn(async () => {
          trace('a', await lock.acquire(), await lock.acquire());
          await sleep(1);
          lock.release();
          lock.release();
        });
        spawn(async () => {
          trace('b', await lock.acquire(), getcurrent() !== hub.main);
          lock.release();
        });
        const mine = lock.acquire().then(async () => {
          trace('main', await lock.acquire());
          lock.release();
          lock.release();
        });
        await clock.advanceAsync(2);
        await mine;
        expect(log.slice().sort()).toEqual(['a true true', 'b true true', 'main true']);
        expect([lock.locked(), await rejected(Promise.reject(new Error('none')))]).toEqual([false, 'Error: none']);
        expect(leftIn(hub)).toEqual({});
      });
    });
  },
);
