// All scenarios, by area.

import type { Scenario } from '../scenario.ts';
import { greenlets } from './greenlet.ts';
import { interleavings } from './interleavings.ts';
import { timeouts } from './timeouts.ts';
import { topLevel } from './top-level.ts';

export const areas: Record<string, readonly Scenario[]> = {
  interleavings,
  greenlets,
  'top level': topLevel,
  timeouts,
};
