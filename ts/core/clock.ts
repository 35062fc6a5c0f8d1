// The facade speaks seconds, the core f64 milliseconds; this file alone converts. Clocks are monotonic.

import { wrongType } from './arguments.ts';

/** Where a hub reads the time. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number;
  /** True if time passes only when somebody advances it. */
  readonly virtual: boolean;
}

/** A number of seconds, or a `Temporal.Duration` without years, months or weeks. */
export type Seconds = number | DurationLike;

/** The part of `Temporal.Duration` that is read here. */
export interface DurationLike {
  total(unit: 'milliseconds'): number;
}

// Bound once: the global accessor costs half as much again as the call.
const performance = globalThis.performance;

export const realClock: Clock = { now: () => performance.now(), virtual: false };

/** A clock that stands still until it is told to move. */
export class VirtualClock implements Clock {
  readonly virtual = true;
  #now: number;

  constructor(startMs = 0) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  /** Move to `atMs`; never back. */
  moveTo(atMs: number): void {
    if (atMs > this.#now) this.#now = atMs;
  }
}

/** Milliseconds from what a user calls seconds. Infinity is allowed where waiting without end is. */
export function toMs(seconds: Seconds, where: string): number {
  if (typeof seconds === 'number') {
    if (Number.isNaN(seconds)) throw new RangeError(`${where}: expected a number of seconds, got NaN`);
    return seconds * 1000;
  }
  if (typeof seconds === 'object' && seconds !== null && typeof seconds.total === 'function') {
    return seconds.total('milliseconds');
  }
  throw wrongType(where, 'a number of seconds or a Temporal.Duration', seconds);
}

/** Like `toMs`, for waits that cannot be negative. */
export function toWaitMs(seconds: Seconds, where: string): number {
  const ms = toMs(seconds, where);
  if (ms < 0) throw new RangeError(`${where}: expected 0 or more seconds, got ${ms / 1000}`);
  return ms;
}
