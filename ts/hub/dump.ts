// Who waits on what: for LoopExit, for a signal, for people. Nothing is kept for it while the program runs, except in debug mode the
// place and time of each wait.

import { NIL, Place } from '../core/contract.ts';
import { outside } from './debug.ts';
import type { Hub } from './hub.ts';
import { type Operation, Waiter } from './operation.ts';
import type { Fires } from './protocol.ts';
import { RawGreenlet, State } from './raw.ts';

/** One greenlet, or one operation of main, as a dump tells it. */
export interface Dumped {
  /** null: main. */
  readonly greenlet: RawGreenlet | null;
  readonly name: string;
  /** `new`: not started; `ready`: in the ready queue; `switched`: suspended in a raw switch; `foreign`: awaits what is not of this library. */
  readonly state: 'new' | 'ready' | 'running' | 'waiting' | 'switched' | 'foreign';
  /** What it waits in: `join of <Greenlet …>`, `sleep, due in 2.000 s`. */
  readonly where: string;
  /** The object it waits on, where there is one. */
  readonly on: unknown;
  /** Seconds until its wait times out or its sleep is over; null: never. */
  readonly due: number | null;
  /** Seconds it has waited. Kept in debug mode, else null. */
  readonly waited: number | null;
  /** Where it waits, and where it was spawned, as stack lines. Kept in debug mode, else null. */
  readonly site: string | null;
  readonly spawnSite: string | null;
  /** In how many `shield` sections it is, and what they hold back. */
  readonly shielded: number;
  readonly heldBack: readonly unknown[];
}

/** Everything that a hub has alive, at one moment. `String(dump)` is for people. */
export class Dump {
  readonly hub: Hub;
  /** Main's operations first, then the greenlets by their slots. */
  readonly entries: readonly Dumped[];
  /** Greenlets that wait for one another in a circle: each for the next, the last for the first. */
  readonly deadlocks: readonly (readonly RawGreenlet[])[];

  constructor(hub: Hub) {
    this.hub = hub;
    this.entries = entriesOf(hub);
    this.deadlocks = deadlocksOf(hub);
  }

  /** One line for each that waits, as LoopExit shows them. */
  lines(): string[] {
    return this.entries.filter(({ state }) => state !== 'running').map(lineOf);
  }

  /** One line for each circle. */
  deadlockLines(): string[] {
    return this.deadlocks.map((circle) => {
      const all = circle.length === 1 ? 'itself' : [...circle.slice(1), circle[0]].join(', which waits for ');
      return `deadlock: ${circle[0]} waits for ${all}`;
    });
  }

  toString(): string {
    const { hub } = this;
    const { ready, timers } = hub.statistics();
    const text = [
      `${hub} at ${(hub.clock.now() / 1000).toFixed(3)} s: ${this.entries.length} alive, ${ready} ready, ${timers} timers`,
    ];
    for (const entry of this.entries) {
      const { state, waited, site, spawnSite } = entry;
      const since = waited === null || state === 'running' ? '' : `, for ${waited.toFixed(3)} s`;
      text.push(`  ${state === 'running' ? `${entry.name} running` : lineOf(entry)}${since}`);
      if (site !== null) text.push(...site.split('\n').map((line) => `      ${line.trim()}`));
      if (spawnSite !== null) text.push(`      spawned ${spawnSite.split('\n')[0].trim()}`);
    }
    text.push(...this.deadlockLines().map((line) => `  ${line}`));
    return `${text.join('\n')}\n`;
  }
}

function lineOf({ name, state, where, shielded, heldBack }: Dumped): string {
  const held =
    heldBack.length === 0 ? '' : ` from ${heldBack.map((error) => (error as Error)?.name ?? String(error)).join(', ')}`;
  const shield = shielded === 0 ? '' : `, shielded${held}`;
  if (state === 'new') return `${name} not started yet`;
  return state === 'switched' ? `${name} switched away${shield}` : `${name} in ${where}${shield}`;
}

/** Make the greenlets that are to be made when their turn comes. */
export function expandAll(hub: Hub): void {
  for (const owner of [...hub.owners]) owner.$expand?.();
}

/** The living greenlets of a hub that have a slot, by slot. Raw ones have one only while they wait for the hub. */
export function greenletsOf(hub: Hub): RawGreenlet[] {
  const found: RawGreenlet[] = [];
  expandAll(hub);
  for (let slot = 0; slot < hub.owners.length; ++slot) {
    const g = greenletAt(hub, slot);
    if (g !== null) found.push(g);
  }
  return found;
}

function greenletAt(hub: Hub, slot: number): RawGreenlet | null {
  let owner: unknown = hub.owners[slot];
  if (owner instanceof Waiter && owner.owner?.$slot === slot) owner = owner.owner;
  return owner instanceof RawGreenlet && !owner.dead ? owner : null;
}

function entriesOf(hub: Hub): Dumped[] {
  const entries: Dumped[] = [];
  expandAll(hub);
  for (let waiter = hub.mainWaiters.first; waiter !== null; waiter = waiter.after) {
    entries.push(entry(hub, null, 'waiting', waiter.slot, waiter.op));
  }
  for (let slot = 0; slot < hub.owners.length; ++slot) {
    const g = greenletAt(hub, slot);
    if (g === null) continue;
    if (g.$state === State.QUEUED) entries.push(entry(hub, g, 'new', slot, null));
    else if (hub.asyncBodies.has(g)) {
      const first = g.$firstWaiter();
      entries.push(entry(hub, g, first === null ? 'foreign' : 'waiting', first?.slot ?? NIL, first?.op ?? null));
    } else if (g.$state === State.SWITCHED) entries.push(entry(hub, g, 'switched', NIL, null));
    else entries.push(entry(hub, g, slot === hub.cur ? 'running' : 'waiting', slot, null));
  }
  return entries;
}

function entry(
  hub: Hub,
  greenlet: RawGreenlet | null,
  state: Dumped['state'],
  slot: number,
  op: Operation<unknown> | null,
): Dumped {
  const { core } = hub;
  const row = slot === NIL ? NIL : core.rowOf(slot);
  const at = slot === NIL ? Infinity : core.deadline(slot);
  const due = at === Infinity ? null : (at - hub.clock.now()) / 1000;
  const ready = state === 'waiting' && op === null && row === NIL && due === null && core.place(slot) === Place.READY;
  const kept = greenlet === null ? null : hub.debug.waits(greenlet);
  const shield = greenlet?.$more?.shield ?? null;
  return {
    greenlet,
    name: greenlet === null ? 'main' : String(greenlet),
    state: ready ? 'ready' : state,
    where: ready ? 'the ready queue' : whereOf(hub, state, slot, row, due, op),
    on: row === NIL ? null : hub.rowOwners[row],
    due,
    waited: kept === null ? null : (hub.clock.now() - kept.atMs) / 1000,
    site: kept === null ? null : kept.site(),
    spawnSite: spawnSiteOf(greenlet),
    shielded: shield?.depth ?? 0,
    heldBack: shield?.held.map(({ error }) => error) ?? [],
  };
}

function spawnSiteOf(greenlet: RawGreenlet | null): string | null {
  const kept = greenlet?.$more?.spawnSite ?? null;
  return kept === null ? null : outside(kept.split('\n')).join('\n');
}

function whereOf(
  hub: Hub,
  state: Dumped['state'],
  slot: number,
  row: number,
  due: number | null,
  op: Operation<unknown> | null,
): string {
  if (state === 'foreign') return 'await of a foreign promise';
  const limit = due === null ? '' : `, due in ${due.toFixed(3)} s`;
  if (op !== null) return op.describe() + limit;
  if (row !== NIL) return hub.rowOwners[row].describe(slot) + limit;
  return due === null ? 'sleep(Infinity)' : `sleep${limit}`;
}

// ---- who waits for whom ---------------------------------------------------------------------------------------------

/** What must all happen before `g` can go on, as greenlets that have to do it. None if time, or anybody else, may wake it. */
function blockers(hub: Hub, g: RawGreenlet, timed: ReadonlySet<RawGreenlet>): RawGreenlet[] {
  if (g.dead || timed.has(g) || g.$slot < 0) return [];
  let slot = g.$slot;
  if (hub.asyncBodies.has(g)) {
    const first = g.$firstWaiter();
    const others = g.$more?.waiters ?? null;
    if (first === null || (others !== null && others.last !== null && others.last !== first)) return [];
    slot = first.slot;
  }
  const row = hub.core.rowOf(slot);
  if (row === NIL || hub.core.deadline(slot) !== Infinity) return [];
  return [...(hub.rowOwners[row].$blockers?.() ?? [])];
}

/** A circle has no beginning; told from its first name on, it is the same however it was found. */
function turned(circle: RawGreenlet[]): RawGreenlet[] {
  const names = circle.map(String);
  const first = names.indexOf(names.toSorted()[0]);
  return [...circle.slice(first), ...circle.slice(0, first)];
}

function deadlocksOf(hub: Hub): RawGreenlet[][] {
  const timed = new Set<RawGreenlet>();
  for (const owner of hub.owners as (Fires<Hub> & { $interrupts?: RawGreenlet | null })[]) {
    if (owner.$interrupts) timed.add(owner.$interrupts);
  }
  const circles: RawGreenlet[][] = [];
  const seen = new Set<RawGreenlet>();
  for (const start of greenletsOf(hub)) {
    // Depth first, without recursion: chains may be long.
    const path: RawGreenlet[] = [];
    const stack: (RawGreenlet | null)[] = [start];
    while (stack.length > 0) {
      const g = stack.pop() as RawGreenlet | null;
      if (g === null) {
        path.pop();
        continue;
      }
      const at = path.indexOf(g);
      if (at >= 0) circles.push(turned(path.slice(at)));
      if (seen.has(g)) continue;
      seen.add(g);
      path.push(g);
      stack.push(null, ...blockers(hub, g, timed));
    }
  }
  return circles;
}
