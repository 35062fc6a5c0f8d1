// Child processes and files on gevent and on this library: the same log.

import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { CORES } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';
import { type Answer, original, skipped } from './original.ts';
import { type Log, type Scenario, shown } from './scenario.ts';
import { IMPORTS, processes, T } from './scenarios/processes.ts';

/** Without the margin that it has here. */
const flush = (text: string): string => {
  const lines = text.split('\n');
  const indent = Math.min(...lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(indent)).join('\n');
};

describe.skipIf(skipped || process.platform !== 'linux')('processes and files', () => {
  const theirs = new Map<Scenario, Answer>();

  beforeAll(async () => {
    const texts = processes.map((one) => ({ text: IMPORTS + flush(one.python) }));
    const answers = await original(texts, { unit: T });
    for (const [i, one] of processes.entries()) theirs.set(one, answers[i]);
  }, 120_000);

  for (const one of processes) {
    test.each(CORES)(`${one.name} (%s)`, async (core) => {
      const answer = theirs.get(one) as Answer;
      expect(answer.error).toBeUndefined();
      const { hub, reported } = realWorld(core);
      const lines: string[] = [];
      const log: Log = (...what) => lines.push(what.map(shown).join(' '));
      onTestFinished(() => void reported());
      const body = hub.spawn(one.body as (log: Log) => Generator<any, any, any>, log);
      await body.get({ timeout: 30 });
      if (one.differs === undefined) expect(lines).toEqual(answer.lines);
      else {
        expect(answer.lines, 'gevent, where we differ by intent').toEqual(one.differs.gevent);
        expect(lines, one.differs.why).toEqual(one.differs.here);
      }
      expect(lines).not.toEqual([]);
    });
  }
});
