// No means: one pause of the collector or of the machine moves a mean and leaves a median where it was.

export interface Summary {
  readonly samples: number;
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
}

/** Faster, slower, or no difference that the spread of the samples would not explain as well. */
export type Verdict = 'faster' | 'slower' | 'same';

export function summarize(values: readonly number[]): Summary {
  const sorted = ascending(values);
  return { samples: sorted.length, min: sorted[0], p50: median(sorted), p99: rank(sorted, 0.99) };
}

/**
 * Compare samples that were taken in turns. Each is divided by its neighbour in time, so that drift cancels, and the
 * middle four fifths of these ratios must lie on one side of 1.
 */
export function verdict(values: readonly number[], other: readonly number[]): Verdict {
  const ratios = ascending(values.slice(0, other.length).map((value, i) => value / other[i]));
  if (rank(ratios, 0.9) < 1) return 'faster';
  if (rank(ratios, 0.1) > 1) return 'slower';
  return 'same';
}

function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Nearest rank: always a value that was measured. With fewer than 100 samples the 99th percentile is the largest. */
function rank(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}
