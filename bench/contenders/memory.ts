// How bytes per sleeper are taken. One process a sample, started with --expose-gc:
//
//   heap   JS heap + what V8 knows to be outside of it (array buffers) + memory it does not know of (a WASM core's)
//   rss    the pages the process holds, for comparing with other languages; coarse, since the collector keeps some
//
// Code, hidden classes and the first growth of pools are paid for by a first hundred sleepers before the first look.

import { setImmediate as soon } from 'node:timers/promises';
import { type Contender, type Reading, type Role, Unavailable } from '../harness.ts';

export type Sleepers = 'heap' | 'rss';

export interface Dormitory {
  /** Start `count` bodies that go to sleep for an hour. */
  start(count: number): void;
  /** Bodies that have run up to their sleep, ever. */
  asleep(): number;
  /** Bytes that V8 does not know of. */
  hidden?(): number;
}

const FIRST = 100;

export function sleepersContender(
  id: string,
  role: Role,
  n: number,
  what: Sleepers,
  open: () => Promise<Dormitory>,
  env?: Readonly<Record<string, string>>,
): Contender {
  return {
    id,
    role,
    flags: ['--expose-gc'],
    ...(env && { env }),
    async load() {
      const dormitory = await open();
      await fill(dormitory, FIRST);
      const sample = async (): Promise<Reading> => {
        const already = dormitory.asleep();
        const before = await footprint(dormitory, what);
        await fill(dormitory, n);
        const after = await footprint(dormitory, what);
        return { count: dormitory.asleep() - already, amount: after - before };
      };
      return { expect: n, sample };
    },
  };
}

async function fill(dormitory: Dormitory, count: number): Promise<void> {
  const goal = dormitory.asleep() + count;
  dormitory.start(count);
  while (dormitory.asleep() < goal) await soon();
  await soon();
}

async function footprint(dormitory: Dormitory, what: Sleepers): Promise<number> {
  const collect = globalThis.gc;
  if (!collect) throw new Unavailable('needs --expose-gc');
  // The second pass frees what finalizers of the first let go.
  for (let i = 0; i < 3; i++) {
    collect();
    await soon();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return what === 'rss' ? rss : heapUsed + external + (dormitory.hidden?.() ?? 0);
}

let asleep = 0;

async function sleeper(): Promise<void> {
  asleep++;
  await new Promise((resolve) => setTimeout(resolve, 3_600_000));
}

/** An async function that awaits a promise that a Node timer resolves. */
export function promises(n: number, what: Sleepers): Contender {
  return sleepersContender('native:await', 'baseline', n, what, async () => ({
    start(count) {
      for (let i = 0; i < count; i++) sleeper();
    },
    asleep: () => asleep,
  }));
}

/** A Node timer and its callback, nothing else: no body is suspended. */
export function timeouts(n: number, what: Sleepers): Contender {
  return sleepersContender('native:setTimeout', 'peer', n, what, async () => ({
    start(count) {
      const wake = () => {};
      for (let i = 0; i < count; i++) setTimeout(wake, 3_600_000);
      asleep += count;
    },
    asleep: () => asleep,
  }));
}

function* parked(): Generator<undefined, void, undefined> {
  asleep++;
  yield undefined;
}

/** A suspended generator and its deadline in an array: the least a scheduler of generators has to keep. */
export function generators(n: number, what: Sleepers): Contender {
  return sleepersContender('floor:generator', 'floor', n, what, async () => {
    const kept: object[] = [];
    return {
      start(count) {
        const bodies = Array.from({ length: count }, parked);
        for (const body of bodies) body.next();
        kept.push({ bodies, deadlines: new Float64Array(count).fill(3_600_000) });
      },
      asleep: () => asleep,
    };
  });
}
