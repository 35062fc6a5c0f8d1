// Sockets, servers and threads on gevent and on this library: real connections on loopback, the real clock on both sides.

import { beforeAll, describe, expect, test } from 'vitest';
import { CORES, type CoreName } from '../support/cores.ts';
import { live, normal } from './live.ts';
import { type Answer, original, skipped } from './original.ts';
import type { Scenario } from './scenario.ts';
import { http } from './scenarios/http.ts';
import { servers } from './scenarios/servers.ts';
import { sockets } from './scenarios/sockets.ts';
import { threads } from './scenarios/threads.ts';

const areas: Record<string, readonly Scenario[]> = { sockets, servers, http, threads };
const scenarios = Object.values(areas).flat();
const theirs = new Map<Scenario, Answer>();
const ours = new Map<CoreName, Map<Scenario, string[]>>(CORES.map((core) => [core, new Map()]));

function asExpected(one: Scenario): boolean {
  const lines = theirs.get(one)?.lines;
  const { gevent = lines, here = lines } = one.differs ?? {};
  return String(lines) === String(gevent) && CORES.every((core) => String(ours.get(core)?.get(one)) === String(here));
}

/** Clocks may be disturbed on either side: what is not as expected is tried again, slower. */
beforeAll(async () => {
  if (skipped) return;
  let open: Scenario[] = scenarios;
  for (const unit of [0.02, 0.06, 0.25]) {
    const answers = await original(
      open.map((one) => ({ text: one.python })),
      { unit },
    );
    for (const [i, one] of open.entries()) {
      const { lines, error } = answers[i];
      theirs.set(one, error === undefined ? { lines: (lines ?? []).map(normal) } : { error });
      for (const core of CORES) ours.get(core)?.set(one, (await live(core, one.body, unit)).map(normal));
    }
    open = open.filter((one) => !asExpected(one));
    if (open.length === 0) break;
  }
}, 180_000);

test('no two scenarios have the same name', () => {
  const names = scenarios.map(({ name }) => name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  const differing = scenarios.filter((one) => one.differs !== undefined).length;
  console.log(`oracle: ${scenarios.length} live scenarios, ${differing} of them with a difference that is meant`);
});

describe.skipIf(skipped).each(Object.keys(areas))('%s', (area) => {
  for (const one of areas[area]) {
    test.each(CORES)(`${one.name} (%s)`, (core) => {
      const answer = theirs.get(one);
      expect(answer?.error).toBeUndefined();
      const lines = ours.get(core)?.get(one);
      const { gevent = answer?.lines, here = answer?.lines, why } = one.differs ?? {};
      if (one.differs !== undefined) expect(here, 'a difference that is none').not.toEqual(gevent);
      expect(answer?.lines, 'gevent, where we differ by intent').toEqual(gevent);
      expect(lines, why === undefined ? 'as gevent' : `we, who differ by intent: ${why}`).toEqual(here);
      // A trace of nothing compares nothing.
      expect(lines).not.toEqual([]);
    });
  }
});
