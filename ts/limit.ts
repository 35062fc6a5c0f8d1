// What waiting calls make of their `timeout`, and where they wait.

import { needOptions, TIMEOUT } from './core/arguments.ts';
import { toWaitMs } from './core/clock.ts';
import { active, greenletOfContext, threadHub } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { type Limit, Timeout } from './timeout.ts';
// Whoever is loaded first brings the hub along.
import './hub.ts';

/** Milliseconds that a wait with this limit arms, or null. A Timeout that is pending comes by itself. */
export function limitMs(limit: Limit, where: string): number | null {
  if (limit instanceof Timeout) return limit.$limitMs();
  return limit === null ? null : toWaitMs(limit, where);
}

/** The `timeout` of options that have no other; undefined if there is none. */
export function timeoutOf(where: string, options: { timeout?: Limit } | undefined): Limit | undefined {
  if (options === undefined) return undefined;
  needOptions(where, options, TIMEOUT);
  return options.timeout;
}

/** What a wait raises whose limit has come. */
export function expired(hub: Hub, limit: Limit): unknown {
  return limit instanceof Timeout ? (limit.$raised(hub) ?? limit) : new Timeout(limit);
}

/** The hub on which something done now would wait. */
export function hubHere(): Hub {
  return active ?? greenletOfContext()?.$hub ?? threadHub();
}
