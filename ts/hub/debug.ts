// Debug mode (GEVENT_DEBUG=1; always on in the test kit): two mistakes that nothing else would tell of. An operation that was
// made and never consumed: `sleep(1);` without `yield*` does nothing at all. It is told of when its greenlet ends, by LoopExit,
// and, if main made it, when the process is about to end. And a kill that a general `catch` swallowed: the greenlet lives on,
// and whoever waits for its end waits.

import { GreenletExit } from '../exceptions.ts';
import type { Hub } from './hub.ts';
import { LIBRARY } from './library.ts';
import { type RawGreenlet, waitingGreenlet } from './raw.ts';

interface Described {
  describe(): string;
}

interface Killed {
  readonly exit: GreenletExit;
  /** The first operation consumed behind it, and where; or null. */
  next: { op: Described; site: Error } | null;
}

// One for all hubs: an operation is made before it is known on which hub it will be consumed.

/** What each greenlet made and has not consumed, with the place. */
const made = new WeakMap<RawGreenlet, Map<Described, Error>>();
/** The same map, by operation. */
const makers = new WeakMap<Described, Map<Described, Error>>();

/** So many operations that main never consumed are enough to tell what is wrong. */
const MOST_OF_MAIN = 20;

export class Debug {
  readonly #hub: Hub;
  readonly #killed = new WeakMap<RawGreenlet, Killed>();
  readonly #waits = new WeakMap<RawGreenlet, { atMs: number; at: Error }>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** When and where `g` consumed an operation last, or null if nobody kept that. */
  waits(g: RawGreenlet): { atMs: number; site(): string } | null {
    const kept = this.#waits.get(g);
    return kept === undefined ? null : { atMs: kept.atMs, site: () => siteText(kept.at) };
  }

  created(op: Described): void {
    const by = waitingGreenlet();
    // Hub callbacks cannot consume.
    if (by === by.$hub) return;
    let unconsumed = made.get(by);
    if (unconsumed === undefined) {
      unconsumed = new Map();
      made.set(by, unconsumed);
    }
    // Main does not end while the program runs.
    if (by === by.$hub.main && unconsumed.size === MOST_OF_MAIN) return;
    unconsumed.set(op, captureSite());
    makers.set(op, unconsumed);
  }

  /** Main or a callback made `op`, and it was carried out at once. */
  carriedOut(op: Described): void {
    makers.get(op)?.delete(op);
  }

  consumed(op: Described): void {
    makers.get(op)?.delete(op);
    const by = waitingGreenlet();
    this.#waits.set(by, { atMs: this.#hub.now(), at: captureSite() });
    const killed = this.#killed.get(by);
    if (killed !== undefined) killed.next ??= { op, site: captureSite() };
  }

  /** `error` is being thrown into `g`. */
  thrown(g: RawGreenlet, error: unknown): void {
    // Behind its end, in what it deferred, an exception ends only what blocks there.
    if (error instanceof GreenletExit && !g.$more?.outcome) this.#killed.set(g, { exit: error, next: null });
  }

  /** Operations that `g` made and nobody consumed: told once. */
  unconsumed(g: RawGreenlet): string[] {
    const unconsumed = made.get(g);
    made.delete(g);
    const told: string[] = [];
    for (const [op, site] of unconsumed ?? []) {
      const what = described(op);
      if (what === null) continue;
      const who = g === g.$hub.main ? 'main' : g;
      told.push(
        `${what} was made in ${who} and never consumed, so it did nothing; write yield* or await before it\n${siteText(site)}`,
      );
    }
    return told;
  }

  /** The process is about to end, or `g` has: report what it made and left. */
  left(g: RawGreenlet): void {
    for (const text of this.unconsumed(g)) this.#hub.report(`GEVENT_UNCONSUMED: ${text}\n`);
  }

  /** `g` has ended: report what it made and left, and a kill it did not end by. */
  ended(g: RawGreenlet): void {
    this.left(g);
    const killed = this.#killed.get(g);
    if (killed === undefined) return;
    this.#killed.delete(g);
    // Blocking in `finally` is fine, and so is an error on the way out. Raw greenlets keep no outcome that would tell.
    const { $result } = g as { $result?: unknown };
    if (killed.next === null || !('$result' in g) || $result instanceof Error) return;
    const { op, site } = killed.next;
    this.#hub.report(
      `GEVENT_KILL_SWALLOWED: ${g} caught its ${killed.exit.name} and went on, to ${op.describe()}; begin a general catch with rethrowControl(error)\n${siteText(site)}\n`,
    );
  }
}

/** Null for one whose constructor threw, and that nobody has. */
function described(op: Described): string | null {
  try {
    return op.describe();
  } catch {
    return null;
  }
}

/** Where we are. The text is made when it is read, and few ever are. */
function captureSite(): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 12;
  const site = new Error();
  Error.stackTraceLimit = limit;
  return site;
}

// Stacks show files as URLs or as plain paths.
const LIBRARY_PATH = decodeURI(LIBRARY);

/** The first frames outside this library. */
function siteText(site: Error): string {
  // Behind the three that take note. All are ours where a bundler has put the program in the same file.
  return outside((site.stack ?? '').split('\n').slice(4))
    .slice(0, 3)
    .join('\n');
}

/** Stack lines without this library's and the platform's own, unless there are no others. */
export function outside(lines: string[]): string[] {
  const inside = [LIBRARY, LIBRARY_PATH, 'node:internal'];
  const others = lines.filter((line) => !inside.some((part) => line.includes(part)));
  return others.length > 0 ? others : lines;
}
