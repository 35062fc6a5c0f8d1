// Random programs on gevent and on both cores: thousands a run, traces compared line by line. Another seed each time:
//
//     GEVENT_ORACLE_SEED=123 GEVENT_ORACLE_PROGRAMS=1 npx vitest run test/oracle/random.test.ts

import { describe, expect, test } from 'vitest';
import { CORES } from '../support/cores.ts';
import { missing, skipped } from './original.ts';
import { search } from './programs/run.ts';

const PROGRAMS = Number(process.env.GEVENT_ORACLE_PROGRAMS ?? 4000);
const SEED = Number(process.env.GEVENT_ORACLE_SEED ?? Date.now() % 2 ** 31);

describe.skipIf(skipped)('random programs', () => {
  test(`${PROGRAMS} of them from seed ${SEED} leave the same traces`, { timeout: 600_000 }, async () => {
    expect(missing).toBe('');
    const found = await search(SEED, PROGRAMS, CORES);
    if (found !== null) {
      expect.fail(`seed ${found.seed} differs, and ${found.others} more of its batch:\n${found.text}`);
    }
    console.log(`random programs: ${PROGRAMS} compared on gevent and ${CORES.length} cores, from seed ${SEED}`);
  });
});
