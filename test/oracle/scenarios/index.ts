// All scenarios, by area.

import type { Scenario } from '../scenario.ts';
import { context } from './context.ts';
import { events } from './events.ts';
import { greenlets } from './greenlet.ts';
import { interleavings } from './interleavings.ts';
import { locks } from './locks.ts';
import { mapping } from './mapping.ts';
import { members } from './members.ts';
import { pools } from './pools.ts';
import { queues } from './queues.ts';
import { timeouts } from './timeouts.ts';
import { topLevel } from './top-level.ts';

export const areas: Record<string, readonly Scenario[]> = {
  interleavings,
  greenlets,
  'top level': topLevel,
  timeouts,
  events,
  locks,
  queues,
  pools,
  mapping,
  context,
  members,
};
