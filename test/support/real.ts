// A hub on the real clock and the small core with all its asserts, standing in as the thread's for one test with real sockets.

import { expect, onTestFinished } from 'vitest';
import { replaceThreadHub } from '../../ts/hub/current.ts';
import { Hub } from '../../ts/hub.ts';
import type { CoreName } from './cores.ts';
import { inOneLine, leftIn, smallCore } from './worlds.ts';

export interface RealWorld {
  readonly hub: Hub;
  /** The reports since the last call, one line each. */
  reported(): string[];
}

/** When the test is over nothing may be left in the core, and every report must have been asked for. */
export function realWorld(name: CoreName): RealWorld {
  const hub = new Hub({ core: smallCore(name) });
  const reports: string[] = [];
  hub.exceptionStream = { write: (text: string) => reports.push(text) };
  const before = replaceThreadHub(hub);
  const made: RealWorld = { hub, reported: () => reports.splice(0).map(inOneLine) };
  onTestFinished(async () => {
    try {
      // Callbacks on their way (closing sockets) get their turns.
      for (let i = 0; i < 20 && Object.keys(leftIn(hub)).length > 0; ++i) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      hub.core.verify();
      expect(leftIn(hub), 'left in the core').toEqual({});
      expect(made.reported(), 'reports that the test did not ask for').toEqual([]);
    } finally {
      hub.destroy();
      replaceThreadHub(before);
    }
  });
  return made;
}
