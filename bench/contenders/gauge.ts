// The measuring window of switch loops. Bodies count into `turns` every time they are resumed; the first body opens the
// window when it is resumed for the first time, the last closes it when it is resumed for the last time but one. So
// starting n bodies and finishing them lies outside, and in between every body is resumed exactly once a round.

import type { Reading } from '../harness.ts';

/** Resumptions inside the window, of `n` bodies that make `rounds` rounds: all but the one that opens it. */
export function inWindow(n: number, rounds: number): number {
  return n * (rounds + 1) - 1;
}

/** Rounds such that the window holds about `total` resumptions. */
export function roundsFor(n: number, total: number): number {
  return Math.max(1, Math.round(total / n) - 1);
}

export class Gauge {
  #turns = 0;
  #at = 0;
  #reading: Reading | undefined;

  open(turns: number): void {
    this.#reading = undefined;
    this.#turns = turns;
    this.#at = performance.now();
  }

  close(turns: number): void {
    const amount = (performance.now() - this.#at) * 1e6;
    this.#reading = { count: turns - this.#turns, amount };
  }

  /** What the last window held. A window that nobody closed counts as no work, which fails the run. */
  read(): Reading {
    const reading = this.#reading ?? { count: 0, amount: 1 };
    this.#reading = undefined;
    return reading;
  }
}

/** Time synchronous work that returns its count. */
export function timed(work: () => number): Reading {
  const start = performance.now();
  const count = work();
  return { count, amount: (performance.now() - start) * 1e6 };
}

/** Time work that is over when its promise settles. */
export async function timedAsync(work: () => Promise<number>): Promise<Reading> {
  const start = performance.now();
  const count = await work();
  return { count, amount: (performance.now() - start) * 1e6 };
}
