// What the platform itself offers. Baselines are the cheapest form that does the work; what they lack beside a greenlet
// (cancellation, timeouts, a handle to join) is named in the cases.

import type { Contender, Params, Reading } from '../harness.ts';
import { random } from '../random.ts';
import { Gauge, inWindow, roundsFor, timed, timedAsync } from './gauge.ts';
import type { Parked } from './generator.ts';

const gauge = new Gauge();
let turns = 0;

async function awaiter(rounds: number, first: boolean, last: boolean): Promise<void> {
  await null;
  turns++;
  if (first) gauge.open(turns);
  for (let r = 0; r < rounds; r++) {
    await null;
    turns++;
  }
  if (last) gauge.close(turns);
  await null;
}

/** `n` async functions that await a settled value in turn. */
export function switching(n: number, total: number): Contender {
  return bodies('native:await', 'baseline', n, total, awaiter);
}

async function hander(rounds: number, first: boolean, last: boolean): Promise<void> {
  await new Promise<void>(queueMicrotask as (resolve: () => void) => void);
  turns++;
  if (first) gauge.open(turns);
  for (let r = 0; r < rounds; r++) {
    await new Promise<void>(queueMicrotask as (resolve: () => void) => void);
    turns++;
  }
  if (last) gauge.close(turns);
  await null;
}

/** The same with a promise that is resolved later, from a microtask: the usual hand-over between two async functions. */
export function microtask(n: number, total: number): Contender {
  return bodies('native:promise-microtask', 'peer', n, total, hander);
}

function bodies(
  id: string,
  role: Contender['role'],
  n: number,
  total: number,
  body: (rounds: number, first: boolean, last: boolean) => Promise<void>,
): Contender {
  const rounds = roundsFor(n, total);
  const sample = async (): Promise<Reading> => {
    const all = new Array<Promise<void>>(n);
    for (let i = 0; i < n; i++) all[i] = body(rounds, i === 0, i === n - 1);
    await Promise.all(all);
    return gauge.read();
  };
  return { id, role, load: () => ({ expect: inWindow(n, rounds), sample }) };
}

/** `n` callbacks that book themselves again through Node's loop; no promise is made. */
export function immediate(n: number, total: number): Contender {
  const rounds = roundsFor(n, total);
  const expect = inWindow(n, rounds);
  const sample = (): Promise<Reading> =>
    new Promise((resolve) => {
      let left = n * (rounds + 2);
      turns = 0;
      const step = () => {
        turns++;
        if (turns === 1) gauge.open(turns);
        else if (turns === expect + 1) gauge.close(turns);
        if (--left >= n) setImmediate(step);
        else if (left === 0) resolve(gauge.read());
      };
      for (let i = 0; i < n; i++) setImmediate(step);
    });
  return { id: 'native:setImmediate', role: 'peer', load: () => ({ expect, sample }) };
}

async function descend(depth: number, rounds: number, first: boolean, last: boolean): Promise<void> {
  await (depth > 2 ? descend(depth - 1, rounds, first, last) : awaiter(rounds, first, last));
}

/** Two chains of `depth` async functions that await each other; only the innermost is resumed. */
export function delegating(depth: number, total: number, params: Params): Contender {
  const body: typeof awaiter = (rounds, first, last) => descend(depth, rounds, first, last);
  return { ...bodies('native:await', 'baseline', 2, total, depth === 1 ? awaiter : body), params };
}

let ran = 0;

async function job(): Promise<void> {
  await null;
  ran++;
}

/** Start `alive` async functions with one await, then await them all, `batches` times. */
export function spawning(alive: number, batches: number): Contender {
  const work = async () => {
    const before = ran;
    const all = new Array<Promise<void>>(alive);
    for (let batch = 0; batch < batches; batch++) {
      for (let i = 0; i < alive; i++) all[i] = job();
      await Promise.all(all);
    }
    return ran - before;
  };
  return {
    id: 'native:await',
    role: 'baseline',
    load: () => ({ expect: alive * batches, sample: () => timedAsync(work) }),
  };
}

/** Delays in seconds, `kinds` different ones between 1000 s and 4600 s, so that nothing fires while we measure. */
export function delays(kinds: number, count: number): Float64Array {
  const next = random();
  return Float64Array.from({ length: count }, () => 1000 + Math.floor(next() * kinds) * (3600 / kinds));
}

const NOTHING = () => {};

/** With `armed` timers pending, keep `inFlight` more: per operation cancel the oldest of these and set another. */
export function timers(armed: number, kinds: number, inFlight: number, total: number): Contender {
  return {
    id: 'native:setTimeout',
    role: 'baseline',
    load() {
      const seconds = delays(kinds, 2 ** 16);
      for (let i = 0; i < armed; i++) setTimeout(NOTHING, seconds[i & 0xffff] * 1000);
      const ring = Array.from({ length: inFlight }, (_, i) => setTimeout(NOTHING, seconds[i & 0xffff] * 1000));
      const work = () => {
        for (let i = 0, at = 0; i < total; i++) {
          clearTimeout(ring[at]);
          ring[at] = setTimeout(NOTHING, seconds[i & 0xffff] * 1000);
          if (++at === inFlight) at = 0;
        }
        return total;
      };
      return { expect: total, sample: () => timed(work) };
    },
  };
}

/** A race of an async function that ends at once against a timer, which is cleared. */
export function racing(total: number): Contender {
  const nothing = async (): Promise<number> => 1;
  const limited = async (ms: number): Promise<number> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('late')), ms)));
    try {
      return await Promise.race([nothing(), late]);
    } finally {
      clearTimeout(timer);
    }
  };
  const work = async () => {
    let count = 0;
    for (let i = 0; i < total; i++) count += await limited(1_000_000);
    return count;
  };
  return { id: 'native:race', role: 'baseline', load: () => ({ expect: total, sample: () => timedAsync(work) }) };
}

let cleaned = 0;

async function plain(wait: Promise<void>): Promise<void> {
  await wait;
}

async function guarded(wait: Promise<void>): Promise<void> {
  try {
    await wait;
  } finally {
    cleaned++;
  }
}

/** Time `stop` until all bodies have unwound. */
function unwinding(bodies: readonly Promise<void>[], body: Parked, stop: () => void): Promise<Reading> {
  return timedAsync(async () => {
    const before = cleaned;
    stop();
    const ends = await Promise.allSettled(bodies);
    return body === 'plain' ? ends.filter((end) => end.status === 'rejected').length : cleaned - before;
  });
}

/** Reject the promises that `n` async functions wait for. No timer, no signal, no listener: the least there is. */
export function rejecting(n: number, body: Parked): Contender {
  const stop = new Error('stop');
  const park = body === 'plain' ? plain : guarded;
  const sample = (): Promise<Reading> => {
    const waits = Array.from({ length: n }, () => Promise.withResolvers<void>());
    const bodies = waits.map(({ promise }) => park(promise));
    return unwinding(bodies, body, () => {
      for (let i = 0; i < n; i++) waits[i].reject(stop);
    });
  };
  return { id: 'native:reject', role: 'baseline', load: () => ({ expect: n, sample }) };
}

function abortable(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 3_600_000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** The platform's own way to cancel: an AbortController each, whose signal ends a sleep. */
export function aborting(n: number, body: Parked): Contender {
  const stop = new Error('stop');
  const park = body === 'plain' ? plain : guarded;
  const sample = (): Promise<Reading> => {
    const controllers = Array.from({ length: n }, () => new AbortController());
    const bodies = controllers.map((controller) => park(abortable(controller.signal)));
    return unwinding(bodies, body, () => {
      for (let i = 0; i < n; i++) controllers[i].abort(stop);
    });
  };
  return { id: 'native:abort', role: 'peer', load: () => ({ expect: n, sample }) };
}
