// The stamp on every result: enough to tell whether two runs may be compared at all.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { SEED } from './random.ts';
import { buildIsStale, source } from './source.ts';

export interface Environment {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** One-minute load average when the run began: above a fraction of a core, something else was running. */
  readonly load: number;
  readonly node: string;
  readonly v8: string;
  readonly flags: readonly string[];
  /** `dist`, the built package, or `ts`, its sources with the types stripped. */
  readonly measured: string;
  readonly wasmBytes: number | null;
  readonly commit: string | null;
  /** True if the working tree differs from the commit. */
  readonly dirty: boolean | null;
  readonly seed: number;
}

const ROOT = fileURLToPath(new URL('../', import.meta.url));

export function environment(): Environment {
  const status = git('status', '--porcelain');
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch} ${release()}`,
    load: Math.round(loadavg()[0] * 100) / 100,
    node: process.version,
    v8: process.versions.v8,
    flags: [...process.execArgv, ...(process.env.NODE_OPTIONS?.split(/\s+/).filter(Boolean) ?? [])],
    measured: source(),
    wasmBytes: wasmBytes(),
    commit: git('rev-parse', '--short=12', 'HEAD'),
    dirty: status === null ? null : status !== '',
    seed: SEED,
  };
}

/** What a reader should know before he believes the run. */
export function environmentWarnings({ load, cores, measured }: Environment): string[] {
  const found: string[] = [];
  if (buildIsStale()) {
    const which = measured === 'dist' ? 'the figures are those of the old build' : 'the sources were measured instead';
    found.push(`dist/ is older than ts/: ${which}`);
  }
  if (load > cores / 2) found.push(`load average ${load} at the start: the machine was busy`);
  return found;
}

function git(...args: string[]): string | null {
  try {
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}

/** Size of the release core, which is embedded as base64. */
function wasmBytes(): number | null {
  // The same bytes go into the built package.
  const file = 'ts/core/bytes.generated.ts';
  if (!existsSync(ROOT + file)) return null;
  const text = readFileSync(ROOT + file, 'utf8').match(/['"`]([A-Za-z0-9+/]{100,})={0,2}['"`]/)?.[1];
  return text ? Math.floor((text.length * 3) / 4) : null;
}
