// Inputs come from one printed seed, so that a run can be repeated and all contenders get the same.

export const SEED = 20_260_117;

/** Mulberry32: uniform in [0, 1), the same sequence for the same seed everywhere. */
export function random(seed: number = SEED): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
