// shield: kill and Timeout wait for the end of a section.

import { describe, expect, test } from 'vitest';
import {
  first,
  GreenletExit,
  getcurrent,
  joinall,
  kill,
  killall,
  run,
  shield,
  shutdown,
  sleep,
  spawn,
  Timeout,
  until,
  withTimeout,
} from '../../ts/index.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { atEverySwitch } from '../support/inject.ts';
import { Permits } from '../support/small.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

describe.each(CORES)('on the %s core', (core) => {
  describe('in a generator body', () => {
    test('a kill arrives at the end of the section, and a blocking kill waits until the greenlet has ended', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(function* () {
        try {
          yield* shield(function* () {
            yield* sleep(2);
            trace('section ends', clock.seconds);
          });
          trace('not reached');
        } finally {
          trace('finally', clock.seconds);
        }
      });
      spawn(function* () {
        yield* sleep(1);
        yield* g.kill();
        trace('killed', clock.seconds, (g.value as unknown) instanceof GreenletExit);
      });
      clock.advance(10);
      expect(log).toEqual(['section ends 2', 'finally 2', 'killed 2 true']);
      expect(leftIn(hub)).toEqual({});
    });

    test('without anything that waited it gives the value of its function and costs no switch', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        trace(yield* shield((a: number, b: number) => a + b, 1, 2));
        trace(yield* shield(sleep, 1));
        trace(
          yield* shield(function* (text: string) {
            yield* sleep(1);
            return text;
          }, 'text'),
        );
      });
      spawn(function* () {
        trace('other');
      });
      clock.advance(5);
      expect(log).toEqual([3, 'other', undefined, 'text']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a Timeout from outside waits, and arrives as itself', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = Timeout.startNew(1);
        try {
          yield* shield(sleep, 3);
        } catch (error) {
          trace(error === timeout, clock.seconds);
        }
        trace(yield* withTimeout({ seconds: 1, timeoutValue: 'late' }, () => shield(sleep, 2)), clock.seconds);
      });
      clock.advance(9);
      expect(log).toEqual(['true 3', 'late 5']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a Timeout that is started inside works inside, while the kill waits', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(function* () {
        yield* shield(function* () {
          trace(yield* withTimeout({ seconds: 2, timeoutValue: 'gave up' }, sleep, 10), clock.seconds);
          trace((yield* first([sleep(9)], { timeout: 1, default: 'none' })).value, clock.seconds);
        });
      });
      spawn(function* () {
        yield* sleep(1);
        yield* g.kill();
        trace('killed', clock.seconds);
      });
      clock.advance(20);
      expect(log).toEqual(['gave up 2', 'none 3', 'killed 3']);
      expect(leftIn(hub)).toEqual({});
    });

    test('what waited arrives in its order: the first at the end, the others at the waits that follow', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(function* () {
        const timeout = new Timeout(2);
        timeout.start();
        try {
          yield* shield(sleep, 4);
        } catch (error) {
          trace(told(error), clock.seconds);
        }
        for (let i = 0; i < 2; ++i) {
          try {
            yield* sleep(10);
          } catch (error) {
            trace(told(error), clock.seconds);
          }
        }
        yield* sleep(1);
        trace('on', clock.seconds);
      });
      spawn(function* () {
        yield* sleep(1);
        kill(g, new RangeError('first'));
        yield* sleep(2);
        kill(g, new RangeError('third'));
      });
      clock.advance(20);
      expect(log).toEqual([
        'RangeError: first 4',
        'Timeout [GEVENT_TIMEOUT]: 2 seconds 4',
        'RangeError: third 4',
        'on 5',
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('a Timeout that is closed meanwhile is not heard of, whether it waits for the end or for the next wait', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        const timeout = Timeout.startNew(1);
        yield* shield(function* () {
          yield* sleep(2);
          timeout.close();
        });
        trace('unharmed', clock.seconds);
        const [one, two] = [Timeout.startNew(1), Timeout.startNew(1)];
        try {
          yield* shield(sleep, 2);
        } catch (error) {
          trace(error === one);
        } finally {
          two.close();
        }
        yield* sleep(1);
        trace('unharmed', clock.seconds);
      });
      clock.advance(20);
      expect(log).toEqual(['unharmed 2', true, 'unharmed 5']);
      expect(leftIn(hub)).toEqual({});
    });

    test('sections nest: a kill waits for the outermost, a Timeout of the outer one for the inner', () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(function* () {
        yield* shield(function* () {
          const timeout = Timeout.startNew(2);
          try {
            yield* shield(sleep, 3);
          } catch (error) {
            trace('inner ended', error === timeout, clock.seconds);
          }
          yield* sleep(2);
          trace('outer ends', clock.seconds);
        });
      });
      spawn(function* () {
        yield* sleep(1);
        yield* g.kill();
        trace('killed', clock.seconds);
      });
      clock.advance(20);
      expect(log).toEqual(['inner ended true 3', 'outer ends 5', 'killed 5']);
      expect(leftIn(hub)).toEqual({});
    });

    test('an error of the section goes first; the kill arrives at the next wait, if there is one', () => {
      const { hub, clock, trace, log } = world(core);
      const failing = (then: number) =>
        spawn(function* () {
          try {
            yield* shield(function* () {
              yield* sleep(2);
              throw new Error('of the section');
            });
          } catch (error) {
            trace(told(error));
          }
          if (then > 0) yield* sleep(then);
          trace('through');
        });
      const [waits, ends] = [failing(1), failing(0)];
      spawn(function* () {
        yield* sleep(1);
        yield* killall([waits, ends]);
        trace(told(waits.value), ends.value, clock.seconds);
      });
      clock.advance(20);
      expect(log).toEqual([
        'Error: of the section',
        'Error: of the section',
        'through',
        'GreenletExit [GEVENT_GREENLET_EXIT]:  undefined 2',
      ]);
      expect(leftIn(hub)).toEqual({});
    });

    test('killing oneself inside ends the section, and a raw throw is not held back', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        yield* shield(function* () {
          try {
            yield* (getcurrent() as any).kill();
          } finally {
            trace('self', clock.seconds);
          }
        });
      });
      const g = spawn(function* () {
        yield* shield(sleep, 5);
      });
      hub.loop.timer(1).start(() => g.throw());
      clock.advance(1);
      trace(g.dead, (g.value as unknown) instanceof GreenletExit);
      clock.advance(9);
      expect(log).toEqual(['self 0', 'true true']);
    });

    test('the signal aborts when the kill arrives, not when it is held back', () => {
      const { clock, trace, log } = world(core);
      const g = spawn(function* () {
        const { signal } = getcurrent() as any;
        yield* shield(function* () {
          yield* sleep(2);
          trace('inside', signal.aborted);
        });
      });
      const { signal } = g;
      clock.advance(1);
      g.kill({ block: false });
      clock.advance(3);
      expect(log).toEqual(['inside false']);
      expect(signal.aborted).toBe(true);
    });

    test('the dump and LoopExit say that it is shielded, and what is held back', async () => {
      const { hub, clock } = world(core);
      const g = spawn(function* stuck(): Body {
        yield* shield(sleep, Infinity);
      });
      clock.advance(0);
      expect(hub.whoWaits()).toEqual(['<Greenlet "Greenlet-0": stuck()> in sleep(Infinity), shielded']);
      expect(await rejected(g.kill())).toContain(
        '<Greenlet "Greenlet-0": stuck()> in sleep(Infinity), shielded from GreenletExit',
      );
    });
  });

  describe('by await', () => {
    test('an async body is not cut short in it, and hears of the kill at its end', async () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(async () => {
        try {
          trace(
            await shield(async () => {
              await sleep(2);
              trace('section ends', clock.seconds);
              return 'value';
            }),
          );
        } catch (error) {
          trace(told(error), clock.seconds);
          throw error;
        }
      });
      await clock.advanceAsync(1);
      const killed = g.kill().then(() => trace('killed', clock.seconds));
      await clock.advanceAsync(5);
      await killed;
      expect(log).toEqual(['section ends 2', 'GreenletExit [GEVENT_GREENLET_EXIT]:  2', 'killed 2']);
      expect(leftIn(hub)).toEqual({});
    });

    test('several at once in one body: what is held back waits for the last', async () => {
      const { hub, clock, trace, log } = world(core);
      const g = spawn(async () => {
        const all = [1, 3, 2].map((seconds) =>
          shield(function* () {
            yield* sleep(seconds);
            trace('section', seconds);
          }),
        );
        const outcomes = await Promise.allSettled(all);
        trace(outcomes.map(({ status }) => status).join());
      });
      await clock.advanceAsync(0.5);
      g.kill({ block: false });
      await clock.advanceAsync(5);
      expect(log).toEqual(['section 1', 'section 2', 'section 3', 'fulfilled,rejected,fulfilled']);
      expect(leftIn(hub)).toEqual({});
    });

    test('in main a Timeout ends the wait; the section goes on to its end, and so it does through shutdown', async () => {
      const { hub, clock, trace, log } = world(core);
      using timeout = Timeout.startNew(1);
      const waiting = rejected(
        shield(function* () {
          yield* sleep(3);
          trace('section ends', clock.seconds);
        }),
      );
      await clock.advanceAsync(2);
      trace(await waiting);
      shutdown();
      await clock.advanceAsync(2);
      expect(log).toEqual([told(timeout), 'section ends 3']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a section that nobody waits for any more reports its error', async () => {
      const w = world(core);
      const g = spawn(async () => {
        void shield(function* () {
          yield* sleep(1);
          throw new Error('unheard');
        }).then();
        await sleep(0);
      });
      await w.clock.advanceAsync(3);
      expect(g.successful()).toBe(true);
      expect(w.reported()[0]).toMatch(/^Error: unheard \| /);
      expect(leftIn(w.hub)).toEqual({});
    });
  });

  test('as a candidate of first: while it is tried the greenlet is shielded, then no more', () => {
    const { hub, clock, trace, log } = world(core);
    const g = spawn(function* () {
      const { index } = yield* first([
        shield(function* () {
          yield* sleep(5);
          trace('section', clock.seconds);
        }),
        sleep(2),
      ]);
      trace(index, clock.seconds);
      yield* sleep(5);
    });
    spawn(function* () {
      yield* sleep(1);
      yield* g.kill();
      trace('killed', clock.seconds);
    });
    clock.advance(20);
    expect(log).toEqual(['1 2', 'killed 2', 'section 5']);
    expect(leftIn(hub)).toEqual({});
  });

  test('a foreign promise is waited for to its end', async () => {
    const { hub, clock, trace, log } = world(core);
    const { promise, resolve } = Promise.withResolvers<string>();
    const g = spawn(function* () {
      yield* shield(function* () {
        trace(yield* until(promise));
      });
    });
    await clock.advanceAsync(1);
    g.kill({ block: false });
    await clock.advanceAsync(1);
    trace(g.dead);
    resolve('settled');
    await clock.advanceAsync(1);
    expect(log).toEqual([false, 'settled']);
    expect([g.dead, leftIn(hub)]).toEqual([true, {}]);
  });

  test('bad input is refused', () => {
    world(core);
    expect(thrown(() => shield(1 as any))).toBe('TypeError: shield(fn): expected a function, got 1');
  });

  /** Gives its lock away and takes it again inside sections, against a rival. */
  function program(hub: any, before: () => void) {
    const permits = new Permits(hub, 1);
    let [begun, done] = [0, 0];
    const victim = spawn(function* () {
      before();
      for (let i = 0; i < 3; ++i) {
        yield* sleep(1);
        yield* shield(function* () {
          yield* permits.acquire();
          ++begun;
          yield* sleep(0);
          // As a wait does that gives its lock away and takes it again.
          permits.release();
          yield* sleep(1);
          yield* permits.acquire();
          yield* shield(sleep, 0);
          permits.release();
          ++done;
        });
      }
    });
    const rival = spawn(function* () {
      for (let i = 0; i < 6; ++i) {
        yield* permits.acquire();
        yield* sleep(0.5);
        permits.release();
      }
    });
    return {
      victim,
      check() {
        expect([begun, permits.free, rival.dead, victim.dead]).toEqual([done, 1, true, true]);
      },
      close: () => permits.close(),
    };
  }

  test('a kill at every switch point never cuts a section short', () => {
    expect(atEverySwitch(core, 'kill', ({ hub }) => program(hub, () => {}))).toBeGreaterThan(15);
  });

  test('a Timeout at any time never cuts a section short', () => {
    for (let seconds = 0; seconds < 10; seconds += 0.25) {
      const simulation = world(core, { debug: false });
      simulation.hub.exceptionStream = null;
      const { check, close } = program(simulation.hub, () => new Timeout(seconds).start());
      simulation.clock.runAll();
      check();
      close();
      expect([seconds, leftIn(simulation.hub)]).toEqual([seconds, {}]);
    }
  });

  test('without a section nothing changes: a kill arrives at once', () => {
    const { clock, trace, log } = world(core);
    const g = spawn(function* () {
      yield* shield(sleep, 1);
      yield* sleep(10);
    });
    clock.advance(2);
    g.kill({ block: false });
    clock.advance(0);
    trace(g.dead);
    expect(log).toEqual([true]);
  });

  test('run: a promise for a section', async () => {
    const { clock } = world(core);
    const value = run(() => shield(async () => 5));
    const all = joinall([]);
    await clock.advanceAsync(1);
    expect([await value, await all]).toEqual([5, []]);
  });
});
