// Every scenario on gevent and on this library, on both cores: the same log, or the difference it declares.

import { beforeAll, describe, expect, test } from 'vitest';
import { CORES } from '../support/cores.ts';
import { type Answer, missing, original, skipped } from './original.ts';
import { here, isMain, type Scenario } from './scenario.ts';
import { areas } from './scenarios/index.ts';

const scenarios = Object.values(areas).flat();
const theirs = new Map<Scenario, Answer>();
const ours = new Map<Scenario, string[]>();

const expected = (one: Scenario): string[] | undefined => one.differs?.gevent ?? ours.get(one);

/** The real clock that gevent runs on may be disturbed: what is unlike is tried again, slower. */
beforeAll(async () => {
  if (skipped) return;
  for (const one of scenarios) ours.set(one, await here('pure', one.body));
  let open: Scenario[] = scenarios;
  for (const unit of [0.01, 0.05, 0.2]) {
    const answers = await original(
      open.map((one) => ({ text: one.python, main: isMain(one) })),
      { unit },
    );
    for (const [i, one] of open.entries()) theirs.set(one, answers[i]);
    open = open.filter((one) => String(theirs.get(one)?.lines) !== String(expected(one)));
    if (open.length === 0) break;
  }
}, 120_000);

test.skipIf(skipped)('gevent is there to compare with', () => {
  expect(missing).toBe('');
});

test('no two scenarios have the same name', () => {
  for (const [area, all] of Object.entries(areas)) {
    const names = all.map(({ name }) => name);
    expect([area, names.filter((name, i) => names.indexOf(name) !== i)]).toEqual([area, []]);
  }
});

test('the twenty canonical interleavings are among them', () => {
  const names = scenarios.map(({ name }) => name);
  const numbers = names.map((name) => Number(/^(?:interleaving )?(\d+): /.exec(name)?.[1] ?? 0)).filter((n) => n > 0);
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  const differing = scenarios.filter((one) => one.differs !== undefined).length;
  console.log(`oracle: ${scenarios.length} scenarios, ${differing} of them with a difference that is meant`);
});

describe.skipIf(skipped).each(Object.keys(areas))('%s', (area) => {
  for (const one of areas[area]) {
    test.each(CORES)(`${one.name} (%s)`, async (core) => {
      const answer = theirs.get(one);
      expect(answer?.error).toBeUndefined();
      const lines = await here(core, one.body);
      if (one.differs === undefined) expect(lines).toEqual(answer?.lines);
      else {
        expect(one.differs.here, 'a difference that is none').not.toEqual(one.differs.gevent);
        expect(answer?.lines, 'gevent, where we differ by intent').toEqual(one.differs.gevent);
        expect(lines, `we, who differ by intent: ${one.differs.why}`).toEqual(one.differs.here);
      }
      // Debug mode makes greenlets that may else be made when their turn comes.
      if (area === 'pools' || area === 'mapping') expect(await here(core, one.body, false)).toEqual(lines);
      // A trace of nothing compares nothing.
      expect(lines).not.toEqual([]);
    });
  }
});
