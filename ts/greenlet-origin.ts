// Where a greenlet comes from: who made it, in which spawn tree; in debug mode also at which place in the program.

import { NIL } from './core/contract.ts';
import { Greenlet } from './gevent-greenlet.ts';
import { active, debugging, greenletOfContext } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { RawGreenlet } from './hub/raw.ts';

/** Where greenlets come from: one for all that a greenlet makes in a row. */
export class Origin {
  readonly hub: Hub;
  /** Handle of the greenlet that made them, or NIL for main. */
  readonly spawner: number;
  /** Values of the spawn tree; made when first asked for, or by a greenlet's first child. */
  tree: Record<string, unknown> | null;

  constructor(hub: Hub, spawner: number, tree: Record<string, unknown> | null) {
    this.hub = hub;
    this.spawner = spawner;
    this.tree = tree;
  }
}

let latestOrigin: Origin | null = null;

/** The origin of what the running greenlet makes; null: main, or a callback. */
export function originHere(hub: Hub): Origin | null {
  const parent: unknown = active === null ? greenletOfContext() : active.cur === NIL ? null : active.owners[active.cur];
  if (!(parent instanceof RawGreenlet) || parent.$slot < 0) return null;
  const spawner = hub.core.handle(parent.$slot);
  if (!(parent instanceof Greenlet)) return new Origin(hub, spawner, null);
  if (latestOrigin !== null && latestOrigin.spawner === spawner && latestOrigin.hub === hub) return latestOrigin;
  latestOrigin = new Origin(hub, spawner, treeOf(parent));
  return latestOrigin;
}

/** Another one than before: the running greenlet has made one meanwhile. */
export function lastOrigin(): Origin | null {
  return latestOrigin;
}

export function treeOf(greenlet: Greenlet): Record<string, unknown> {
  greenlet.$origin ??= new Origin(greenlet.$hub, NIL, null);
  greenlet.$origin.tree ??= {};
  return greenlet.$origin.tree;
}

/** What only debug mode and stores of the platform ask for. */
export function remember(greenlet: Greenlet): void {
  if (debugging) greenlet.$extras().spawnSite = spawnStack();
  const { slices } = greenlet.$hub;
  if (slices !== null) greenlet.$extras().context = slices.captureFor(greenlet);
}

function spawnStack(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = Greenlet.spawningStackLimit + 4;
  const lines = (new Error().stack ?? '').split('\n').slice(5);
  Error.stackTraceLimit = limit;
  return lines.join('\n');
}
