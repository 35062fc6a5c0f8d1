// TaskGroup on both cores: who is waited for, killed and told, whatever ends the scope.

import { describe, expect, test } from 'vitest';
import { GreenletExit } from '../../ts/exceptions.ts';
import { type Greenlet, kill, sleep, spawn, TaskGroup, Timeout } from '../../ts/index.ts';
import { CORES } from '../support/cores.ts';
import { leftIn, world } from '../support/worlds.ts';

describe.each(CORES)('TaskGroup on the %s core', (core) => {
  test('waits for the body and all its greenlets, and gives what the body returns', () => {
    const { hub, clock, trace, log } = world(core);
    hub.spawn(function* () {
      const result = yield* TaskGroup.run(function* (group) {
        group.spawn(function* () {
          yield* sleep(2);
          trace('slow');
        });
        const quick = group.spawn(function* (): any {
          yield* sleep(1);
          return 20;
        });
        return (yield* quick.get()) + 1;
      });
      trace(result, hub.clock.now());
    });
    clock.advance(5);
    expect(log).toEqual(['slow', '21 2000']);
    expect(leftIn(hub)).toEqual({});
  });

  test('the first failure kills the rest, the body too; all failures are in one AggregateError, told once', () => {
    const { hub, clock, trace, log } = world(core);
    hub.spawn(function* () {
      try {
        yield* TaskGroup.run(function* (group) {
          group.spawn(function* () {
            yield* sleep(1);
            throw new Error('first');
          });
          group.spawn(function* () {
            try {
              yield* sleep(9);
            } finally {
              trace('cleaned');
              // biome-ignore lint/correctness/noUnsafeFinally: that is what is tested
              throw new Error('second');
            }
          });
          group.spawn(function* () {
            yield* sleep(9);
          });
          yield* sleep(9);
          trace('never');
        });
      } catch (error) {
        const { errors, message } = error as AggregateError;
        trace(error instanceof AggregateError, errors.map((each) => each.message).join(), message, hub.clock.now());
      }
    });
    clock.advance(20);
    expect(log).toEqual(['cleaned', 'true first,second 2 of 4 greenlets of a TaskGroup failed: Error: first, … 1000']);
    expect(leftIn(hub)).toEqual({});
  });

  test('a failure of the body kills the greenlets and is among the errors', () => {
    const { hub, clock, trace, log } = world(core);
    let child!: Greenlet;
    hub.spawn(function* () {
      try {
        yield* TaskGroup.run((group) => {
          child = group.spawn(sleep, 9);
          throw new Error('body');
        });
      } catch (error) {
        trace((error as AggregateError).errors[0].message, child.dead);
      }
    });
    clock.advance(1);
    expect(log).toEqual(['body true']);
    expect(leftIn(hub)).toEqual({});
  });

  test('a greenlet that is killed has not failed', () => {
    const { hub, clock, trace, log } = world(core);
    hub.spawn(function* () {
      trace(
        yield* TaskGroup.run(function* (group) {
          const g = group.spawn(sleep, 9);
          yield* sleep(1);
          yield* g.kill();
          return 'fine';
        }),
      );
    });
    clock.advance(5);
    expect(log).toEqual(['fine']);
  });

  test.each(['kill', 'timeout'] as const)('a %s of who waits ends all of it first', (how) => {
    const { hub, clock, trace, log } = world(core);
    const g = hub.spawn(function* () {
      if (how === 'timeout') Timeout.startNew(1);
      try {
        yield* TaskGroup.run(function* (group) {
          group.spawn(function* () {
            try {
              yield* sleep(9);
            } finally {
              yield* sleep(2);
              trace('child ended', hub.clock.now());
            }
          });
          yield* sleep(9);
        });
      } catch (error) {
        trace((error as Error).name, hub.clock.now());
        if (how === 'kill') throw error;
      }
    });
    clock.advance(1);
    if (how === 'kill') kill(g);
    clock.advance(9);
    expect(log).toEqual(['child ended 3000', `${how === 'kill' ? 'GreenletExit' : 'Timeout'} 3000`]);
    expect(leftIn(hub)).toEqual({});
  });

  test('a timeout for the scope, and one in the body, are raised as they are', () => {
    const { hub, clock, trace, log } = world(core);
    hub.spawn(function* () {
      const outer = new Timeout(1);
      try {
        yield* TaskGroup.run((group) => void group.spawn(sleep, 9), { timeout: outer });
      } catch (error) {
        trace(error === outer, hub.clock.now());
      }
      let inner!: Timeout;
      try {
        yield* TaskGroup.run(function* (group) {
          group.spawn(sleep, 9);
          inner = Timeout.startNew(1);
          yield* sleep(9);
        });
      } catch (error) {
        trace(error === inner, hub.clock.now());
      }
    });
    clock.advance(9);
    expect(log).toEqual(['true 1000', 'true 2000']);
    expect(leftIn(hub)).toEqual({});
  });

  test('errors that come while something else is raised are reported, not lost', () => {
    const made = world(core);
    const { hub, clock } = made;
    const g = hub.spawn(function* () {
      yield* TaskGroup.run((group) => {
        group.spawn(function* () {
          try {
            yield* sleep(9);
          } finally {
            // biome-ignore lint/correctness/noUnsafeFinally: that is what is tested
            throw new Error('while ending');
          }
        });
      });
    });
    clock.advance(1);
    kill(g);
    clock.advance(1);
    expect(made.reported()).toEqual(['Error: while ending | <TaskGroup of 0> failed with Error']);
    expect(g.value).toBeInstanceOf(GreenletExit);
    expect(leftIn(hub)).toEqual({});
  });

  test('nests: an inner failure is one error of the outer', () => {
    const { hub, clock, trace, log } = world(core);
    hub.spawn(function* () {
      try {
        yield* TaskGroup.run(function* (outer) {
          outer.spawn(sleep, 9);
          yield* TaskGroup.run((inner) => {
            inner.spawn(() => {
              throw new Error('deep');
            });
          });
        });
      } catch (error) {
        trace((error as AggregateError).errors[0].errors[0].message);
      }
    });
    clock.advance(1);
    expect(log).toEqual(['deep']);
    expect(leftIn(hub)).toEqual({});
  });

  test('kill ends the scope without an error', () => {
    const { hub, clock, trace, log } = world(core);
    hub.spawn(function* () {
      trace(
        yield* TaskGroup.run(function* (group) {
          group.spawn(sleep, 9);
          spawn(function* () {
            yield* sleep(1);
            yield* group.kill();
          });
          yield* sleep(9);
        }),
        hub.clock.now(),
      );
    });
    clock.advance(9);
    expect(log).toEqual(['undefined 1000']);
    expect(leftIn(hub)).toEqual({});
  });

  test('nothing can be spawned in a scope that has ended or is ending', () => {
    const { hub, clock, trace, log } = world(core);
    let kept!: TaskGroup;
    hub.spawn(function* () {
      yield* TaskGroup.run((group) => {
        kept = group;
      });
      try {
        kept.spawn(sleep, 1);
      } catch (error) {
        trace((error as { code: string }).code);
      }
      yield* TaskGroup.run(function* (group) {
        group.spawn(function* () {
          try {
            yield* sleep(9);
          } finally {
            try {
              group.spawn(sleep, 1);
            } catch (error) {
              trace((error as Error).message);
            }
          }
        });
        yield* sleep(1);
        group.kill();
      });
    });
    clock.advance(9);
    expect(log).toEqual(['GEVENT_TASK_GROUP_CLOSED', '<TaskGroup of 2> is ending: nothing can be spawned in it']);
  });

  test('await using waits for all at the end of the block, and raises what failed', async () => {
    const { hub, clock } = world(core);
    const seen: unknown[] = [];
    const work = (async () => {
      {
        await using group = new TaskGroup();
        group.spawn(function* () {
          yield* sleep(1);
          seen.push('done');
        });
        expect(group.length).toBe(1);
      }
      seen.push('after');
      await using group = new TaskGroup();
      group.signal.addEventListener('abort', () => seen.push('aborted'));
      group.spawn(() => {
        throw new Error('in block');
      });
    })().catch((error: AggregateError) => seen.push(error.errors[0].message));
    await clock.advanceAsync(2);
    await work;
    expect(seen).toEqual(['done', 'after', 'aborted', 'in block']);
    await clock.advanceAsync(0);
    expect(leftIn(hub)).toEqual({});
  });

  test('await TaskGroup.run in async code', async () => {
    const { hub, clock } = world(core);
    const result = TaskGroup.run(async (group) => {
      const g = group.spawn(async () => {
        await sleep(1);
        return 4;
      });
      return (await g.get()) + 1;
    }).then((x) => x);
    await clock.advanceAsync(2);
    expect(await result).toBe(5);
    await clock.advanceAsync(0);
    expect(leftIn(hub)).toEqual({});
  });

  test('a kill at every moment leaves nobody and nothing', () => {
    for (let at = 0; at < 30; ++at) {
      const { hub, clock } = world(core);
      let alive = 0;
      const g = hub.spawn(function* () {
        yield* TaskGroup.run(function* (group) {
          for (const x of [0, 1, 2, 3]) {
            group.spawn(function* () {
              ++alive;
              try {
                yield* sleep(x / 100);
                yield* sleep(0.01);
              } finally {
                --alive;
              }
            });
            yield* sleep(0.01);
          }
        });
      });
      clock.advance(at / 400);
      kill(g);
      clock.advance(0);
      expect([alive, g.dead, leftIn(hub)]).toEqual([0, true, {}]);
    }
  });

  test('wrong arguments are refused', () => {
    world(core);
    expect(() => TaskGroup.run(5 as any)).toThrow('TaskGroup.run(body): expected a function, got 5');
    expect(() => new TaskGroup().spawn('x' as any)).toThrow(TypeError);
    expect(() => new TaskGroup({ timeout: -1 })).toThrow(RangeError);
  });
});
