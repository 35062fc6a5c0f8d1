// until(promise, { late }): what comes for somebody who has left is given back.

import { describe, expect, test } from 'vitest';
import { first, kill, sleep, spawn, Timeout, until } from '../../ts/index.ts';
import { CORES, thrown } from '../support/cores.ts';
import { leftIn, world } from '../support/worlds.ts';

const pause = () => new Promise<void>((resolve) => setImmediate(resolve));

describe.each(CORES)('on the %s core', (core) => {
  test('whoever waits gets it, and nobody else is told', async () => {
    const { hub, clock, log, trace } = world(core);
    const waiting = spawn(function* () {
      trace('got', yield* until(Promise.resolve(1), { late: trace }));
    });
    await clock.advanceAsync(0);
    expect([log, waiting.ready(), leftIn(hub)]).toEqual([['got 1'], true, {}]);
  });

  test('killed, timed out, or lost against another: it is given back when it comes, and a rejection is nothing', async () => {
    const { hub, clock, log, trace } = world(core);
    const makers = Array.from({ length: 5 }, () => Promise.withResolvers<string>());
    const wait = (i: number) => until(makers[i].promise, { late: (value) => trace('back', value) });
    const killed = spawn(function* () {
      yield* wait(0);
    });
    const late = spawn(function* () {
      using _ = Timeout.startNew(1, false);
      yield* wait(1);
    });
    const loser = spawn(function* () {
      yield* first([wait(2), sleep(1)]);
    });
    const rejected = spawn(function* () {
      yield* wait(3);
    });
    late.$quiet = true;
    clock.advance(0);
    kill(killed);
    kill(rejected);
    clock.advance(2);
    expect([killed, late, loser, rejected].map((g) => g.ready())).toEqual([true, true, true, true]);
    expect(log).toEqual([]);
    for (const i of [2, 1, 0]) makers[i].resolve(`${i}`);
    makers[3].reject(new Error('for nobody'));
    await pause();
    expect([log, leftIn(hub)]).toEqual([['back 2', 'back 1', 'back 0'], {}]);
  });

  test('killed between its coming and his turn: given back once', async () => {
    const { hub, clock, log, trace } = world(core);
    const { promise, resolve } = Promise.withResolvers<number>();
    const waiting = spawn(function* () {
      yield* until(promise, { late: (value) => trace('back', value) });
    });
    clock.advance(0);
    resolve(7);
    // The reaction runs, the hub does not yet.
    await null;
    kill(waiting);
    // Behind it in the ring, so the value's turn would come first; a throw goes before.
    const slow = spawn(function* () {
      yield* until(Promise.resolve());
    });
    await clock.advanceAsync(0);
    expect(log.length + (waiting.value === undefined ? 1 : 0)).toBe(1);
    expect([waiting.ready(), slow.ready(), leftIn(hub)]).toEqual([true, true, {}]);
  });

  test('what is no function is refused', () => {
    world(core);
    expect(thrown(() => until(Promise.resolve(), { late: 1 as any }))).toBe(
      'TypeError: until(late): expected a function, got 1',
    );
  });
});
