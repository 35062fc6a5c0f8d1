// A differential driver: plays one random script to two cores and tells where they part.

import type { Core } from '../core/contract.ts';
import { type CompareOptions, Parting, Player } from './player.ts';
import type { Op, Script } from './script.ts';

export type { CompareOptions } from './player.ts';
export { type Profile, randomScript, type Script, type Step, shrinkScript } from './script.ts';

export interface Difference {
  /** Index of the step after which they parted; the number of steps if it was in the clearing up. */
  readonly step: number;
  readonly op: Op | 'clear up';
  /** What was asked. */
  readonly what: string;
  /** The answers. */
  readonly a: string;
  readonly b: string;
  /** All of this, in one line. */
  readonly message: string;
}

/**
 * Play a script to two fresh cores, and clear everything up behind it. All answers, the ring, the counters and all rows
 * are compared after each step; every slot now and then, and at the end.
 *
 * @returns the first difference; undefined if there is none
 */
export function compareCores(a: Core, b: Core, script: Script, options: CompareOptions = {}): Difference | undefined {
  const player = new Player(a, b, script, options);
  let step = 0;
  try {
    for (; step < script.steps.length; ++step) player.play(script.steps[step], step);
    player.clearUp();
    return undefined;
  } catch (parting) {
    if (!(parting instanceof Parting)) throw parting;
    const op = step < script.steps.length ? script.steps[step][0] : 'clear up';
    const where = `seed ${script.seed} (${script.profile}), step ${step} of ${script.steps.length} (${op})`;
    const answers = `${a.name} ${parting.a}, ${b.name} ${parting.b}`;
    return {
      step,
      op,
      what: parting.what,
      a: parting.a,
      b: parting.b,
      message: `${where}, ${parting.what}: ${answers}`,
    };
  }
}
