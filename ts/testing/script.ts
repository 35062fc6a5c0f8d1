// Random scripts for two cores. A step is an operation and three random numbers; what these choose (which slot, which row, which
// deadline) is decided when the step is played. So every part of a script is a script as well.

import { Random } from './conformance/tools.ts';

const OPS = [
  'take',
  'free',
  'resolve',
  'ready',
  'readyFront',
  'append',
  'unready',
  'turn',
  'arm',
  'disarm',
  'beginDue',
  'nextDue',
  'newRow',
  'freeRow',
  'wait',
  'signal',
  'leave',
] as const;
export type Op = (typeof OPS)[number];

export type Step = readonly [op: Op, x: number, y: number, z: number];

export interface Script {
  readonly seed: number;
  readonly profile: Profile;
  readonly steps: readonly Step[];
}

// How often each operation comes. The weights let structures grow deep: with arm, disarm and nextDue equally likely a
// heap stays so flat that a disarm which sifts only one way is not found.
const PROFILES = {
  wheel: { take: 5, free: 1, arm: 14, disarm: 5, beginDue: 1, nextDue: 3, wait: 2, leave: 1, newRow: 1 },
  timers: { take: 4, free: 1, arm: 14, disarm: 6, beginDue: 1, nextDue: 1, wait: 1, leave: 1, newRow: 1 },
  ring: { take: 6, free: 1, ready: 8, readyFront: 3, append: 4, unready: 4, turn: 5, newRow: 1, wait: 1, signal: 1 },
  holes: { take: 3, newRow: 1, freeRow: 1, ready: 12, append: 4, unready: 14, turn: 2, wait: 1, signal: 1 },
  rows: { take: 4, free: 1, newRow: 2, freeRow: 1, wait: 16, signal: 8, leave: 3, turn: 8, arm: 1, nextDue: 1 },
  deepRows: { take: 6, newRow: 1, wait: 20, signal: 3, leave: 4, turn: 3, beginDue: 1, nextDue: 1, arm: 2 },
  lives: { take: 10, free: 10, resolve: 6, ready: 2, turn: 3, newRow: 3, freeRow: 3, wait: 4, signal: 2, leave: 1 },
  all: Object.fromEntries(OPS.map((op) => [op, 1])),
} as const satisfies Record<string, Partial<Record<Op, number>>>;
export type Profile = keyof typeof PROFILES;

/** A random script; the same numbers give the same script. `profile`: what it is mostly about. Default: by the seed. */
export function randomScript(seed: number, steps: number, profile?: Profile): Script {
  const random = new Random(seed);
  const names = Object.keys(PROFILES) as Profile[];
  const chosen = profile ?? names[random.below(names.length)];
  const bag = Object.entries(PROFILES[chosen]).flatMap(([op, weight]) => Array<Op>(weight).fill(op as Op));
  // A script that starts from nothing spends its first steps on finding nobody there; one that takes all its slots at
  // first never sees the ring grow while it is in use.
  const opening = Array.from(
    { length: Math.min(steps, random.below(2) ? 5 : steps / 6) },
    (_, i): Op => (i < 2 ? 'newRow' : 'take'),
  );
  const ops = [...opening, ...Array.from({ length: steps - opening.length }, () => bag[random.below(bag.length)])];
  return { seed, profile: chosen, steps: ops.map((op) => [op, random.next(), random.next(), random.next()]) };
}

/** The script without the steps it does without. `differs` says whether a script still shows the difference. */
export function shrinkScript(script: Script, differs: (script: Script) => boolean): Script {
  let { steps } = script;
  for (let chunk = steps.length >> 1; chunk >= 1; chunk >>= 1) {
    for (let from = steps.length - chunk; from >= 0; from -= chunk) {
      const fewer = steps.toSpliced(from, chunk);
      if (differs({ ...script, steps: fewer })) steps = fewer;
    }
  }
  return { ...script, steps };
}
