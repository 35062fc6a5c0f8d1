import { describe, expect, test } from 'vitest';
import { createPureCore } from '../../ts/core/pure.ts';
import { createWasmCore } from '../../ts/core/wasm-debug.ts';
import {
  type ConformanceOptions,
  coreConformance,
  type MakeCore,
  runCoreConformance,
} from '../../ts/testing/conformance.ts';
import { createModelCore } from '../../ts/testing/model.ts';
import { plantedBugs } from '../support/planted.ts';

const cores: [string, MakeCore, ConformanceOptions?][] = [
  ['pure', createPureCore],
  ['pure, three rows at first', (limits) => createPureCore({ rows: 3, ...limits })],
  ['wasm', createWasmCore, { limits: false }],
  ['wasm, three rows at first', (limits) => createWasmCore({ rows: 3, ...limits }), { limits: false }],
  ['wasm debug', (limits) => createWasmCore({ debug: true, ...limits })],
  ['wasm debug, three rows at first', (limits) => createWasmCore({ debug: true, rows: 3, ...limits })],
  ['the naive model', createModelCore, { large: false }],
];

describe.each(cores)('core %s', (_, makeCore, options) => {
  for (const { name, run } of coreConformance(options)) test(name, () => run(makeCore));
});

test('the suite runs without a test runner, and says nothing of a core that conforms', () => {
  expect(runCoreConformance(createPureCore)).toBeUndefined();
});

test('the suite without a test runner names each case that failed, and why', () => {
  const makeCore = () => {
    const core = createPureCore();
    core.readyFront = core.ready;
    return core;
  };
  let error: unknown;
  try {
    runCoreConformance(makeCore, { limits: false });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(AggregateError);
  const { errors, message } = error as AggregateError;
  expect(message).toContain(`${errors.length} of ${coreConformance({ limits: false }).length} cases`);
  expect(message).toContain('a slot made ready at the front runs before all others: ring: expected [3, 2, 0, 1], got ');
  expect(errors.every((each) => each.cause instanceof Error)).toBe(true);
});

test('cases are sentences, each there once, in one order whatever is left out', () => {
  const names = coreConformance().map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const fewer = coreConformance({ limits: false, large: false }).map(({ name }) => name);
  expect(names.filter((name) => fewer.includes(name))).toEqual(fewer);
});

test.each(plantedBugs)('the suite finds a planted bug: $name', ({ makeCore }) => {
  expect(() => runCoreConformance(makeCore, { limits: false, large: false })).toThrow(AggregateError);
});
