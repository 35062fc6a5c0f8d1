// Random programs on gevent and on both cores: thousands a run, traces compared line by line.
//
//     GEVENT_ORACLE_SEED=123 GEVENT_ORACLE_PROGRAMS=1 npx vitest run test/oracle/random.test.ts

import { describe, expect, test } from 'vitest';
import { CORES } from '../support/cores.ts';
import { missing, skipped } from './original.ts';
import { makeProgram } from './programs/grammar.ts';
import { compare, grammar, report, shrink } from './programs/run.ts';

const PROGRAMS = Number(process.env.GEVENT_ORACLE_PROGRAMS ?? 3000);
const SEED = Number(process.env.GEVENT_ORACLE_SEED ?? Date.now() % 2 ** 31);
const BATCH = 1000;

describe.skipIf(skipped)('random programs', () => {
  test(`${PROGRAMS} of them from seed ${SEED}`, { timeout: 600_000 }, async () => {
    expect(missing).toBe('');
    let lines = 0;
    for (let first = 0; first < PROGRAMS; first += BATCH) {
      const seeds = Array.from({ length: Math.min(BATCH, PROGRAMS - first) }, (_, i) => SEED + first + i);
      const programs = seeds.map((seed) => makeProgram(grammar, seed));
      const found = await compare(programs, CORES);
      const at = found.findIndex((one) => one !== null);
      if (at >= 0) {
        const smallest = await shrink(found[at] as NonNullable<(typeof found)[number]>);
        const others = found.filter((one) => one !== null).length - 1;
        expect.fail(`seed ${seeds[at]} differs, and ${others} more of this batch:\n${report(smallest)}`);
      }
      lines += programs.length;
    }
    console.log(`random programs: ${lines} compared on gevent and ${CORES.length} cores, from seed ${SEED}`);
  });
});
