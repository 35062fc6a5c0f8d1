// The differential driver must find bugs planted on purpose, and soon. GEVENT_SEED=… runs an earlier run again.

import { expect, test } from 'vitest';
import { createPureCore } from '../../ts/core/pure.ts';
import { compareCores, randomScript } from '../../ts/testing/differential.ts';
import { planted, plantedBugs } from '../support/planted.ts';

const SEED = Number(process.env.GEVENT_SEED ?? Math.floor(Math.random() * 2 ** 31));
const SCRIPTS = 600;
const STEPS = 300;

test.each(plantedBugs)('the driver finds it: $name', ({ name, makeCore }) => {
  for (let scripts = 1; scripts <= SCRIPTS; ++scripts) {
    const script = randomScript(SEED + scripts, STEPS);
    const difference = compareCores(createPureCore({ rows: 3 }), makeCore(), script);
    if (difference === undefined) continue;
    console.log(`${name}: found in script ${scripts}: ${difference.message}`);
    return;
  }
  expect.fail(`GEVENT_SEED=${SEED}: ${SCRIPTS} scripts of ${STEPS} steps did not find it`);
});

test('a core that is only wrapped is not found guilty', () => {
  const wrapped = () => planted(createPureCore({ rows: 3 }));
  for (let i = 0; i < 50; ++i) {
    expect(compareCores(createPureCore({ rows: 3 }), wrapped(), randomScript(SEED + i, STEPS))).toBeUndefined();
  }
});
