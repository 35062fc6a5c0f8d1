// A kill, a Timeout and an error at every switch point of a corpus of programs, in every greenlet: nothing is lost or left.

import { afterAll, describe, expect, test } from 'vitest';
import { CORES } from '../support/cores.ts';
import { corpus } from '../support/corpus.ts';
import { everywhere } from '../support/trial.ts';

let total = 0;

describe.each(CORES)('on the %s core', (core) => {
  for (const [name, program] of Object.entries(corpus())) {
    test(`${name}: whoever is hit wherever, nothing is lost or left`, () => {
      const hits = everywhere(core, program);
      expect(hits).toBeGreaterThan(5);
      total += hits;
    });
  }
});

afterAll(() => console.log(`injection: ${total} kills, Timeouts and errors, each in a run of its own`));
