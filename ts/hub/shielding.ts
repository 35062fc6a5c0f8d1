// What kill and Timeout do while a greenlet is in a section that they must not cut short: they wait for its end.
//
// A section has a number, and so has every moment: that of the last section begun, anywhere. What was started after a section
// began belongs into it and is not held back by it, so that a section can have timeouts of its own.
//
// S1  an exception is held back while a section is active that began after the moment it was started (a kill: never)
// S2  what is held back leaves in the order it came

import type { Hub } from './hub.ts';
import type { RawGreenlet } from './raw.ts';

/** How many sections were begun so far. */
let sections = 0;

/** The number of this moment. */
export function moment(): number {
  return sections;
}

interface Held {
  readonly error: unknown;
  readonly since: number;
}

/** The sections of one greenlet, and what they hold back. */
export class Shielding {
  /** Numbers of the sections it is in. In generator bodies the innermost is the last; an async body may end them in any order. */
  #active: number[] = [];
  readonly held: Held[] = [];
  /** The latest of them, or 0. */
  innermost = 0;

  /** How many sections it is in. */
  get depth(): number {
    return this.#active.length;
  }

  enter(): number {
    const section = ++sections;
    this.#active.push(section);
    this.innermost = section;
    return section;
  }

  leave(section: number): void {
    this.#active = this.#active.filter((active) => active !== section);
    this.innermost = Math.max(0, ...this.#active);
  }

  hold(error: unknown, since: number): void {
    this.held.push({ error, since });
  }

  /** Nobody shall hear of it any more. */
  forget(error: unknown): void {
    const at = this.held.findIndex((held) => held.error === error);
    if (at >= 0) this.held.splice(at, 1);
  }

  /** The first that is free to go, or null. */
  take(): Held | null {
    const at = this.held.findIndex(({ since }) => since >= this.innermost);
    return at < 0 ? null : this.held.splice(at, 1)[0];
  }
}

/** An open deadline of a greenlet, innermost first; see deadline.ts. */
export interface Bounds {
  readonly outer: Bounds | null;
  /** What the next operation of an async body is to raise, or null. */
  $over(): { error: unknown } | null;
  /** Its section is over: if its time is up, it must come (again). */
  $again(): void;
  /** The greenlet has ended. */
  $end(): void;
  /** Bind a greenlet that was not started yet to what bounds this one: for what spawns on behalf of a scope. */
  $inherit(child: RawGreenlet): void;
}

/** Take back an exception that is on its way to a greenlet that has not been in a wait. */
export function takeBack(greenlet: RawGreenlet, error: unknown): void {
  if (greenlet === greenlet.$hub.main) greenlet.$hub.forgetInMain(error);
  const more = greenlet.$more;
  if (more === null) return;
  more.shield?.forget(error);
  if (more.pendingErrors === null) return;
  more.pendingErrors = more.pendingErrors.filter((pending) => pending !== error);
  if (more.pendingErrors.length === 0) more.pendingErrors = null;
}

/** A section of `g` is over and something was held back: deliver what may leave, each at the next wait of `g`. */
export function flush(
  hub: Hub,
  g: RawGreenlet,
  deliver: (hub: Hub, g: RawGreenlet, error: unknown, since: number) => void,
): void {
  const shielding = g.$more?.shield ?? null;
  if (shielding === null) return;
  for (let next = shielding.take(); next !== null && !g.dead; next = shielding.take()) {
    deliver(hub, g, next.error, next.since);
  }
}
