// Floors: bare generators driven by hand. No scheduler can hand control to a JavaScript body for less.

import type { Contender, Params, Sampler } from '../harness.ts';
import { inWindow, roundsFor, timed } from './gauge.ts';

/** A body that is killed while parked: with nothing around the wait, or inside try/finally. */
export type Parked = 'plain' | 'finally';

let turns = 0;

function* ticker(): Generator<undefined, never, undefined> {
  for (;;) {
    yield undefined;
    turns++;
  }
}

/** Round robin over `n` generators. */
export function switching(n: number, total: number): Contender {
  return {
    id: 'floor:generator',
    role: 'floor',
    load() {
      const expect = inWindow(n, roundsFor(n, total));
      const ring = Array.from({ length: n }, ticker);
      for (const generator of ring) generator.next();
      return { expect, sample: () => timed(() => turnAll(ring, expect)) };
    },
  };
}

function turnAll(ring: readonly Generator[], total: number): number {
  const before = turns;
  for (let left = total; left > 0; ) {
    const round = Math.min(left, ring.length);
    for (let i = 0; i < round; i++) ring[i].next();
    left -= round;
  }
  return turns - before;
}

/** The same loop for two, written out: what raw greenlets have to be compared with. */
export function alternating(total: number): Contender {
  return {
    id: 'floor:generator',
    role: 'floor',
    load() {
      const ping = ticker();
      const pong = ticker();
      ping.next();
      pong.next();
      const alternate = () => {
        const before = turns;
        for (let i = 0; i < total; i += 2) {
          ping.next();
          pong.next();
        }
        return turns - before;
      };
      return { expect: total, sample: () => timed(alternate) };
    },
  };
}

function chain(depth: number): Generator<undefined, never, undefined> {
  return depth > 1 ? link(chain(depth - 1)) : ticker();
}

function* link(inner: Generator<undefined, never, undefined>): Generator<undefined, never, undefined> {
  return yield* inner;
}

/** Two generators of `depth` levels, chained by `yield*`: V8 passes every level on each resumption. */
export function delegating(depth: number, total: number, params: Params): Contender {
  return {
    id: 'native:generator',
    role: 'peer',
    params,
    load() {
      const expect = inWindow(2, roundsFor(2, total));
      const ring = [chain(depth), chain(depth)];
      for (const generator of ring) generator.next();
      return { expect, sample: () => timed(() => turnAll(ring, expect)) };
    },
  };
}

let ran = 0;

function* empty(): Generator<undefined, void, undefined> {
  ran++;
}

/** Create `alive` generators, then finish them all, `batches` times. */
export function spawning(alive: number, batches: number): Contender {
  return {
    id: 'floor:generator',
    role: 'floor',
    load(): Sampler {
      const ring: Generator[] = new Array(alive);
      const work = () => {
        const before = ran;
        for (let batch = 0; batch < batches; batch++) {
          for (let i = 0; i < alive; i++) ring[i] = empty();
          for (let i = 0; i < alive; i++) ring[i].next();
        }
        return ran - before;
      };
      return { expect: alive * batches, sample: () => timed(work) };
    },
  };
}

let cleaned = 0;

function* plain(): Generator<undefined, void, undefined> {
  yield undefined;
}

function* guarded(): Generator<undefined, void, undefined> {
  try {
    yield undefined;
  } finally {
    cleaned++;
  }
}

/** Throw one prepared error into `n` parked generators and catch it again. */
export function killing(n: number, body: Parked): Contender {
  return {
    id: 'floor:generator',
    role: 'floor',
    load() {
      const stop = new Error('stop');
      const sample = () => {
        const ring = Array.from({ length: n }, body === 'plain' ? plain : guarded);
        for (const generator of ring) generator.next();
        return timed(() => {
          const before = cleaned;
          let caught = 0;
          for (let i = 0; i < n; i++) {
            try {
              ring[i].throw(stop);
            } catch (error) {
              if (error !== stop) throw error;
              caught++;
            }
          }
          return body === 'plain' ? caught : cleaned - before;
        });
      };
      return { expect: n, sample };
    },
  };
}

/** `return()` runs the same clean-up without an error, so no body could catch it; what a kill costs at the very least. */
export function returning(n: number, body: Parked): Contender {
  return {
    id: 'native:generator-return',
    role: 'peer',
    load() {
      const sample = () => {
        const ring = Array.from({ length: n }, body === 'plain' ? plain : guarded);
        for (const generator of ring) generator.next();
        return timed(() => {
          const before = cleaned;
          let ended = 0;
          for (let i = 0; i < n; i++) if (ring[i].return().done) ended++;
          return body === 'plain' ? ended : cleaned - before;
        });
      };
      return { expect: n, sample };
    },
  };
}
