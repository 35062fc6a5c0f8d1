// Who spawned whom, as trees.

import { Greenlet } from './gevent-greenlet.ts';
import { type Dumped, greenletsOf } from './hub/dump.ts';
import type { Hub } from './hub/hub.ts';
import { getcurrent, type RawGreenlet } from './hub/raw.ts';
import { hubHere } from './limit.ts';

/** What a greenlet may say of itself to steer the trees. */
interface Steered {
  /** Begins a tree, whoever spawned it. */
  greenletTreeIsRoot?: boolean;
  /** Is left out, with those it spawned. */
  greenletTreeIsIgnored?: boolean;
}

/**
 * A greenlet and those it spawned, as far as they are alive. Not by `parent`, which is the hub for all.
 * @see `gevent.util.GreenletTree`, the source. Differs: built from greenlets the hub knows; a raw greenlet that is switched away is unknown to it.
 */
export class GreenletTree {
  readonly greenlet: RawGreenlet;
  readonly childTrees: GreenletTree[] = [];
  #details: Dumped | null = null;

  /** @internal */
  constructor(greenlet: RawGreenlet) {
    this.greenlet = greenlet;
  }

  /** All trees: main's first, then those whose spawner has ended or who call themselves roots, by their numbers. */
  static forest(hub: Hub = hubHere()): GreenletTree[] {
    const trees = new Map<RawGreenlet, GreenletTree>([[hub.main, new GreenletTree(hub.main)]]);
    const living = greenletsOf(hub).filter((greenlet) => !(greenlet as Steered).greenletTreeIsIgnored);
    living.sort((a, b) => rank(a) - rank(b));
    for (const greenlet of living) trees.set(greenlet, new GreenletTree(greenlet));
    for (const entry of hub.dump().entries) {
      const tree = trees.get(entry.greenlet ?? hub.main);
      if (tree !== undefined) tree.#details = entry;
    }
    const roots: GreenletTree[] = [trees.get(hub.main) as GreenletTree];
    const ignored = new Set(greenletsOf(hub).filter((greenlet) => (greenlet as Steered).greenletTreeIsIgnored));
    for (const greenlet of living) {
      const tree = trees.get(greenlet) as GreenletTree;
      const spawner = greenlet instanceof Greenlet ? greenlet.spawningGreenlet : null;
      if (spawner !== null && ignored.has(spawner)) ignored.add(greenlet);
      else if (spawner === null || (greenlet as Steered).greenletTreeIsRoot) roots.push(tree);
      else (trees.get(spawner) ?? roots[0]).childTrees.push(tree);
    }
    return roots;
  }

  /** The tree that the current greenlet is in. */
  static currentTree(): GreenletTree {
    const forest = GreenletTree.forest();
    return forest.find((tree) => tree.isCurrentTree) ?? forest[0];
  }

  /** True if the current greenlet is in it. */
  get isCurrentTree(): boolean {
    const current = getcurrent();
    return this.greenlet === current || this.childTrees.some((tree) => tree.isCurrentTree);
  }

  /** True if it is a tree of its own, and no part of another. */
  get root(): boolean {
    const { greenlet } = this;
    if (greenlet === greenlet.$hub.main || (greenlet as Steered).greenletTreeIsRoot) return true;
    return !(greenlet instanceof Greenlet) || greenlet.spawningGreenlet === null;
  }

  /** A line for each greenlet; with `details` (the default) also where it waits, where it was spawned and its tree's locals. */
  formatLines({ details = true }: { details?: boolean } = {}): string[] {
    const lines = [String(this.greenlet)];
    if (details) lines.push(...this.#told().map((line) => ` :    ${line}`));
    for (const child of this.childTrees) {
      const [first, ...rest] = child.formatLines({ details });
      lines.push(` +--- ${first}`, ...rest.map((line) => ` |   ${line}`));
    }
    return lines;
  }

  #told(): string[] {
    const { greenlet } = this;
    const lines: string[] = [];
    const entry = this.#details;
    if (greenlet === getcurrent()) lines.push('Running');
    else if (entry !== null) lines.push(entry.state === 'new' ? 'Not started' : `In ${entry.where}`);
    if (entry !== null && entry.site !== null && greenlet !== getcurrent()) lines.push(...indented(entry.site));
    if (entry !== null && entry.spawnSite !== null) lines.push('Spawned at', ...indented(entry.spawnSite));
    if (greenlet instanceof Greenlet && this.root && greenlet.spawnTreeLocals !== null) {
      const locals = Object.entries(greenlet.spawnTreeLocals);
      if (locals.length > 0)
        lines.push('Spawn tree locals', ...locals.map(([key, value]) => `  ${key}: ${safely(value)}`));
    }
    return lines;
  }

  /** The lines as one text. */
  format(options?: { details?: boolean }): string {
    return this.formatLines(options).join('\n');
  }

  /** Without details. */
  toString(): string {
    return this.format({ details: false });
  }
}

/** Raw ones first, then by number. */
function rank(greenlet: RawGreenlet): number {
  return greenlet instanceof Greenlet ? greenlet.minimalIdent + 1 : 0;
}

function indented(stack: string): string[] {
  return stack.split('\n').map((line) => `  ${line.trim()}`);
}

function safely(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'a value that cannot be written';
  }
}
