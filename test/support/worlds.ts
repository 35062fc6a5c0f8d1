// A little world for a test: a simulated hub on the smallest core that has all its asserts, so that every growth is near.
// When the test is over the core is walked, and whatever the hub reported without the test asking for it is a failure.

import { expect, onTestFinished } from 'vitest';
import type { Hub } from '../../ts/hub.ts';
import { type SimulateOptions, type Simulation, simulate } from '../../ts/testing.ts';
import { type CoreName, smallCore } from './cores.ts';

export { smallCore } from './cores.ts';

export interface World extends Simulation {
  /** The reports since the last call, one line each: the error's first line, and what failed with it. */
  reported(): string[];
  /** The log since the last call. */
  seen(): unknown[];
}

export function world(name: CoreName, options: SimulateOptions = {}): World {
  const simulation = simulate({ core: smallCore(name), ...options });
  const { hub, reports, log } = simulation;
  const made: World = Object.assign(simulation, {
    reported: () => reports.splice(0).map(inOneLine),
    seen: () => log.splice(0),
  });
  onTestFinished(() => {
    try {
      hub.core.verify();
      expect(made.reported(), 'reports that the test did not ask for').toEqual([]);
    } finally {
      simulation.close();
    }
  });
  return made;
}

/** The report of an error without its stack and time: `Error: text | <Greenlet …> failed with Error`. */
export function inOneLine(report: string): string {
  const first = report.slice(0, report.indexOf('\n'));
  const about = /\n\S+Z (.*)\n\n$/.exec(report)?.[1];
  return about === undefined ? first : `${first} | ${about}`;
}

/** Every count of `hub.statistics()` that is not zero. */
export function leftIn(hub: Hub): Record<string, number> {
  return Object.fromEntries(Object.entries(hub.statistics()).filter(([, count]) => count !== 0));
}
