// In place of test/support/real.ts: the hub that the thread has, since modules of ours that are no entries are copies here.

import { expect, onTestFinished } from 'vitest';
import { getHub, type Hub } from '../../ts/hub.ts';
import type { RealWorld } from '../support/real.ts';
import { inOneLine, leftIn } from '../support/worlds.ts';

export function realWorld(): RealWorld {
  const hub: Hub = getHub();
  const reports: string[] = [];
  const stream = hub.exceptionStream;
  hub.exceptionStream = { write: (text: string) => reports.push(text) };
  const before = leftIn(hub);
  const made: RealWorld = { hub, reported: () => reports.splice(0).map(inOneLine) };
  onTestFinished(async () => {
    try {
      for (let i = 0; i < 20 && Object.keys(leftIn(hub)).length > Object.keys(before).length; ++i) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect(leftIn(hub), 'left in the core').toEqual(before);
      expect(made.reported(), 'reports that the test did not ask for').toEqual([]);
    } finally {
      hub.exceptionStream = stream;
    }
  });
  return made;
}
