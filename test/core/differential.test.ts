// Two cores, one random script, the same answers. GEVENT_SEED=… runs the scripts of an earlier run again.

import { expect, test } from 'vitest';
import { Counter, Kind } from '../../ts/core/contract.ts';
import { createPureCore } from '../../ts/core/pure.ts';
import { createWasmCore } from '../../ts/core/wasm-debug.ts';
import type { MakeCore } from '../../ts/testing/conformance.ts';
import {
  type CompareOptions,
  compareCores,
  type Profile,
  randomScript,
  shrinkScript,
} from '../../ts/testing/differential.ts';
import { createModelCore } from '../../ts/testing/model.ts';

const SEED = Number(process.env.GEVENT_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`test/core/differential.test.ts: GEVENT_SEED=${SEED}`);

const pure: MakeCore = (limits) => createPureCore({ rows: 3, ...limits });
const wasm: MakeCore = () => createWasmCore({ rows: 3 });
const debug: MakeCore = (limits) => createWasmCore({ debug: true, rows: 3, ...limits });

interface Runs extends CompareOptions {
  scripts: number;
  steps: number;
  profile?: Profile;
}

/** Play the scripts; on a difference fail with the shortest script that shows it. */
function expectNoDifference(makeA: MakeCore, makeB: MakeCore, { scripts, steps, profile, ...options }: Runs): void {
  for (let i = 0; i < scripts; ++i) {
    const script = randomScript(SEED + i, steps, profile);
    if (compareCores(makeA(), makeB(), script, options) === undefined) continue;
    const shortest = shrinkScript(script, (shorter) => compareCores(makeA(), makeB(), shorter, options) !== undefined);
    const difference = compareCores(makeA(), makeB(), shortest, options);
    throw new Error(`GEVENT_SEED=${SEED}, ${difference?.message}, after ${JSON.stringify(shortest.steps)}`);
  }
}

test('pure does what the naive model does', () => {
  expectNoDifference(createModelCore, pure, { scripts: 500, steps: 200, verify: true });
});

test('wasm does what pure does', () => {
  expectNoDifference(pure, wasm, { scripts: 2000, steps: 250 });
});

test('the debug build of wasm does what pure does, and nothing is broken after any step', () => {
  expectNoDifference(pure, debug, { scripts: 500, steps: 200, verify: true });
});

test('cores that run out of slots, rows and generations do it alike', () => {
  const limits = { rows: 2, maxSlots: 7, generations: 4 };
  const near = (makeCore: MakeCore) => () => makeCore(limits);
  for (const profile of ['lives', 'all'] as const) {
    expectNoDifference(near(createModelCore), near(pure), { scripts: 100, steps: 250, profile, verify: true });
    expectNoDifference(near(pure), near(debug), { scripts: 100, steps: 250, profile, verify: true });
  }
});

test('numbering the armings anew changes no order', () => {
  const renumbering = () => createWasmCore({ debug: true, rows: 3, armings: 130 });
  expectNoDifference(pure, renumbering, { scripts: 150, steps: 400, profile: 'timers', verify: true });
});

test('the wheel keeps its invariants with many timers in a bucket', () => {
  for (const slots of [400, 1500]) {
    const runs = { scripts: 2, steps: slots * 4, profile: 'wheel' as const, mostSlots: slots };
    expectNoDifference(pure, debug, { ...runs, verify: slots === 400 });
  }
});

test.each<Profile>(['timers', 'wheel', 'deepRows', 'rows', 'holes'])('thousands of slots, mostly %s', (profile) => {
  expectNoDifference(pure, wasm, { scripts: 2, steps: 6000, profile, mostSlots: 2000 });
});

test('the scripts grow deep: many timers, long lists, a long ring', () => {
  const deepest = new Map([Counter.TIMERS, Counter.WAITING, Counter.READY, Counter.SLOTS].map((which) => [which, 0]));
  const watched: MakeCore = () => {
    const core = createPureCore({ rows: 3 });
    core.verify = () => {
      for (const [which, most] of deepest) deepest.set(which, Math.max(most, core.counter(which)));
    };
    return core;
  };
  for (let i = 0; i < 60; ++i) {
    const profile = (['timers', 'deepRows', 'ring'] as const)[i % 3];
    compareCores(watched(), watched(), randomScript(SEED + i, 300, profile), { verify: true });
  }
  expect(Math.min(...deepest.values())).toBeGreaterThan(30);
});

test('a script is made of its seed alone', () => {
  expect(randomScript(SEED, 100)).toEqual(randomScript(SEED, 100));
  expect(randomScript(SEED, 100).steps).not.toEqual(randomScript(SEED + 1, 100).steps);
  expect(randomScript(SEED, 100).steps).toHaveLength(100);
});

test('a difference is told with seed, step, question and both answers, and shrinks to the few steps it takes', () => {
  const makeWrong: MakeCore = () => {
    const core = createPureCore({ rows: 3 });
    core.semTry = () => 0;
    return core;
  };
  const differs = (script: ReturnType<typeof randomScript>) => compareCores(pure(), makeWrong(), script);
  const seed = Array.from({ length: 1000 }, (_, i) => SEED + i).find((i) => differs(randomScript(i, 200, 'rows')));
  const script = randomScript(seed ?? SEED, 200, 'rows');
  expect(differs(script)?.message).toMatch(/^seed \d+ \(rows\), step \d+ of 200 \(\w+\), .+: pure .+, pure .+$/);
  const shortest = shrinkScript(script, (shorter) => differs(shorter) !== undefined);
  expect(shortest.steps.length).toBeLessThan(8);
  expect(differs(shortest)).toBeDefined();
});

test('an error of the second core is a difference', () => {
  const makeWrong = () => {
    const core = createPureCore();
    core.take = () => {
      throw new Error('no slots today');
    };
    return core;
  };
  const difference = compareCores(createPureCore(), makeWrong(), randomScript(SEED, 50));
  expect(difference).toMatchObject({ op: 'take', a: '0', b: 'throws no slots today' });
});

test('what a core leaves behind is a difference', () => {
  const leaky = () => {
    const core = createPureCore();
    const { counter } = core;
    core.counter = (which) => counter.call(core, which) + (which === Counter.KIND + Kind.GUEST ? 1 : 0);
    return core;
  };
  const difference = compareCores(leaky(), leaky(), { seed: 0, profile: 'all', steps: [] });
  expect(difference).toMatchObject({ step: 0, op: 'clear up', what: 'what is left behind' });
});
