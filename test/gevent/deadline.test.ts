// Deadlines: a Timeout by absolute time, inherited by all that is called in its scope.

import { describe, expect, test } from 'vitest';
import { currentDeadline, Deadline, withDeadline } from '../../ts/deadline.ts';
import { first, type Greenlet, run, shield, sleep, spawn, TaskGroup, Timeout, until } from '../../ts/index.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { atEverySwitch } from '../support/inject.ts';
import { Permits } from '../support/small.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

describe.each(CORES)('on the %s core', (core) => {
  test('every wait in the function ends by it, however deep, and it is a Timeout', () => {
    const { hub, clock, trace, log } = world(core);
    function* deep(levels: number): Body {
      if (levels > 0) return yield* deep(levels - 1);
      for (;;) yield* sleep(0.3);
    }
    spawn(function* () {
      try {
        yield* withDeadline(1, deep, 5);
      } catch (error) {
        trace(told(error), error instanceof Timeout, error instanceof Deadline, clock.seconds);
      }
      yield* sleep(5);
      trace('later', clock.seconds, currentDeadline());
    });
    clock.advance(20);
    expect(log).toEqual(['Deadline [GEVENT_TIMEOUT]: 1 second true true 1', 'later 6 null']);
    expect(leftIn(hub)).toEqual({});
  });

  test('nested: less time is granted, more is not; timers are armed only where one is needed', () => {
    const { hub, clock, trace, log } = world(core);
    const outer = new Deadline(4);
    spawn(function* () {
      try {
        yield* withDeadline(outer, function* () {
          trace(yield* withDeadline({ seconds: 1, timeoutValue: 'inner' }, sleep, 9), clock.seconds);
          yield* withDeadline({ seconds: 100, timeoutValue: 'not this' }, function* () {
            trace(currentDeadline() === outer, hub.statistics().timerSlots);
            yield* sleep(50);
          });
        });
      } catch (error) {
        trace(error === outer, clock.seconds);
      }
    });
    clock.advance(20);
    expect(log).toEqual(['inner 1', 'true 1', 'true 4']);
    expect(leftIn(hub)).toEqual({});
  });

  test('whoever catches it and waits on hears of it again, in finally too; a section is left in peace', () => {
    const { hub, clock, trace, log } = world(core);
    spawn(function* () {
      try {
        yield* withDeadline(1, function* () {
          for (let tries = 0; tries < 3; ++tries) {
            try {
              yield* sleep(10);
            } catch {
              trace('caught', clock.seconds);
            }
          }
          try {
            yield* shield(sleep, 2);
          } catch (error) {
            trace('behind the section', (error as Error).name, clock.seconds);
          }
          try {
            yield* sleep(1);
          } finally {
            trace('and again', clock.seconds);
          }
        });
      } catch {
        trace('out', clock.seconds);
      }
    });
    clock.advance(20);
    expect(log).toEqual(['caught 1', 'caught 1', 'caught 1', 'behind the section Deadline 3', 'and again 3', 'out 3']);
    expect(leftIn(hub)).toEqual({});
  });

  test('what is ready by then is not lost to it', () => {
    const { clock, trace, log } = world(core);
    spawn(function* () {
      trace(
        yield* withDeadline(1, function* () {
          yield* sleep(1);
          return 'in time';
        }),
      );
    });
    clock.advance(1);
    expect(log).toEqual(['in time']);
  });

  test('using opens a scope for a block', () => {
    const { hub, clock, trace, log } = world(core);
    spawn(function* () {
      {
        using deadline = Deadline.startNew(1);
        trace(deadline.pending, deadline.remaining, deadline.expired, deadline.when);
        yield* sleep(0.5);
        trace(deadline.remaining, currentDeadline() === deadline);
      }
      yield* sleep(2);
      trace(currentDeadline());
      const deadline = Deadline.at(3.5);
      try {
        yield* first([sleep(9)], { timeout: deadline });
      } catch (error) {
        trace(error === deadline, clock.seconds, deadline.expired);
      }
    });
    clock.advance(20);
    expect(log).toEqual(['true 1 false 1', '0.5 true', null, 'true 3.5 true']);
    expect(leftIn(hub)).toEqual({});
  });

  test('scopes that are left out of turn', () => {
    const { hub, clock, trace, log } = world(core);
    spawn(function* () {
      const [soon, late] = [Deadline.startNew(1), Deadline.startNew(3)];
      soon.close();
      try {
        yield* sleep(9);
      } catch (error) {
        trace(error === late, clock.seconds);
      }
      late.close();
      yield* sleep(1);
      trace(clock.seconds);
    });
    clock.advance(20);
    expect(log).toEqual(['true 3', 4]);
    expect(leftIn(hub)).toEqual({});
  });

  test('children are bound if they are spawned by the deadline, and not otherwise', () => {
    const w = world(core);
    const { clock, trace, log } = w;
    function* child(name: string): Body {
      try {
        yield* sleep(5);
        trace(name, 'slept');
      } finally {
        trace(name, clock.seconds);
      }
    }
    spawn(function* () {
      yield* withDeadline({ seconds: 2, timeoutValue: 0 }, function* () {
        (currentDeadline() as Deadline).spawn(child, 'bound').$quiet = true;
        spawn(child, 'free');
        yield* sleep(1);
      });
    });
    clock.advance(20);
    expect(log).toEqual(['bound 2', 'free slept', 'free 5']);
    expect(leftIn(w.hub)).toEqual({});
  });

  test('a TaskGroup inherits it: its greenlets know it, and all of them end by it', () => {
    const { hub, clock, trace, log } = world(core);
    const deadline = new Deadline(2);
    spawn(function* () {
      try {
        yield* withDeadline(deadline, () =>
          TaskGroup.run(function* (group) {
            group.spawn(function* () {
              trace(currentDeadline() === deadline);
              try {
                yield* sleep(9);
              } finally {
                trace('child', clock.seconds);
              }
            });
            yield* sleep(9);
          }),
        );
      } catch (error) {
        trace(error === deadline, clock.seconds);
      }
    });
    clock.advance(20);
    expect(log).toEqual([true, 'child 2', 'true 2']);
    expect(leftIn(hub)).toEqual({});
  });

  test('a bound child that never ran fails with it', () => {
    const w = world(core);
    const deadline = new Deadline(0);
    const child = deadline.spawn(sleep, 1);
    w.clock.advance(1);
    expect([child.exception === deadline, w.reported().length, leftIn(w.hub)]).toEqual([true, 1, {}]);
  });

  describe('by await', () => {
    test('an async function runs in a greenlet of its own, bound, and every further await raises it', async () => {
      const { hub, clock, trace, log } = world(core);
      const body = run(async () => {
        trace(
          await withDeadline({ seconds: 2, timeoutValue: 'late' }, async () => {
            for (;;) {
              try {
                await sleep(10);
              } catch (error) {
                trace(told(error), clock.seconds);
                await sleep(1);
              }
            }
          }),
        );
      });
      await clock.advanceAsync(5);
      await body;
      expect(log).toEqual(['Deadline [GEVENT_TIMEOUT]: 2 seconds 2', 'late']);
      expect(leftIn(hub)).toEqual({});
    });

    test('it inherits what bounds the caller; leaving the wait kills it', async () => {
      const { hub, clock, trace, log } = world(core);
      let inner: Greenlet | null = null;
      const g = spawn(async () => {
        using _outer = Deadline.startNew(1);
        try {
          await withDeadline(50, sleep, 9);
        } catch (error) {
          trace(told(error), clock.seconds);
        }
      });
      const other = spawn(async () => {
        await withDeadline(50, async function (this: Greenlet) {
          inner = this;
          await sleep(40);
        });
      });
      await clock.advanceAsync(3);
      other.kill({ block: false });
      await clock.advanceAsync(1);
      expect(log).toEqual(['Deadline [GEVENT_TIMEOUT]: 1 second 1']);
      expect([g.dead, other.dead, (inner as unknown as Greenlet).dead, leftIn(hub)]).toEqual([true, true, true, {}]);
    });

    test('main: withDeadline bounds the function; a scope in main acts once, as a Timeout', async () => {
      const { hub, clock } = world(core);
      const bounded = rejected(withDeadline(1, sleep, 9));
      using deadline = Deadline.startNew(2);
      const own = rejected(sleep(9));
      await clock.advanceAsync(3);
      expect([await bounded, await own]).toEqual([
        'Deadline [GEVENT_TIMEOUT]: 1 second',
        `Deadline [GEVENT_TIMEOUT]: ${deadline.seconds} seconds`,
      ]);
      deadline.close();
      expect(leftIn(hub)).toEqual({});
    });

    test('a foreign promise is left at the deadline', async () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        trace(
          yield* withDeadline({ seconds: 1, timeoutValue: 'left' }, () => until(new Promise(() => {}))),
          clock.seconds,
        );
      });
      await clock.advanceAsync(2);
      expect(log).toEqual(['left 1']);
      expect(leftIn(hub)).toEqual({});
    });
  });

  test('time is counted from when it is consumed; a greenlet that ends in its scope leaves nothing', () => {
    const { hub, clock, trace, log } = world(core, { debug: false });
    spawn(function* () {
      const op = withDeadline({ seconds: 1, timeoutValue: 'late' }, sleep, 9);
      yield* sleep(3);
      trace(yield* op, clock.seconds);
      Deadline.startNew(5);
      Deadline.startNew(4);
    });
    clock.advance(4);
    expect(log).toEqual(['late 4']);
    expect(leftIn(hub)).toEqual({});
  });

  test.each([
    [() => withDeadline(1, 2 as any), 'TypeError: withDeadline(seconds, fn): expected a function, got 2'],
    [
      () => withDeadline('1' as any, sleep),
      'TypeError: withDeadline(seconds): expected a number of seconds or a Temporal.Duration, got "1"',
    ],
    [
      () => Deadline.startNew(new Timeout(1)),
      'TypeError: Deadline.startNew(seconds): expected seconds or a Deadline, got an object (Timeout)',
    ],
  ])('bad input %# is refused', (make, message) => {
    world(core);
    expect(thrown(make)).toBe(message);
  });

  test.each(['kill', 'timeout'] as const)('a %s at every switch point leaves no scope, timer or permit', (how) => {
    const hits = atEverySwitch(core, how, ({ hub }) => {
      const permits = new Permits(hub, 1);
      const victim = spawn(function* () {
        yield* withDeadline(5, function* () {
          for (let i = 0; i < 3; ++i) {
            yield* withDeadline({ seconds: 1, timeoutValue: 0 }, function* () {
              yield* permits.acquire();
              try {
                yield* sleep(i);
              } finally {
                permits.release();
              }
            });
          }
        });
      });
      return { victim, check: () => expect(permits.free).toBe(1), close: () => permits.close() };
    });
    expect(hits).toBeGreaterThan(3);
  });
});
