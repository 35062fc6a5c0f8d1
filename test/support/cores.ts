// What the tests of the facade share: both cores, what a call threw, programs in a process of their own.

import { spawn } from 'node:child_process';
import type { Core } from '../../ts/core/contract.ts';
import { createPureCore } from '../../ts/core/pure.ts';
import { createWasmCore } from '../../ts/core/wasm-debug.ts';
import { type SimulateOptions, type Simulation, simulate } from '../../ts/testing.ts';

export { rejected, thrown, told } from './told.ts';

export const CORES = ['wasm', 'pure'] as const;
export type CoreName = (typeof CORES)[number];

/** That core with all its asserts, and so small that every growth is near. */
export const smallCore = (name: CoreName): Core =>
  name === 'pure' ? createPureCore({ rows: 3 }) : createWasmCore({ debug: true, rows: 3 });

/** A simulation on that core, with all its asserts; `maxSlots` brings its end near. */
export function simulateOn(name: CoreName, options: SimulateOptions & { maxSlots?: number } = {}): Simulation {
  const { maxSlots, ...rest } = options;
  const limits = maxSlots === undefined ? {} : { maxSlots };
  const core = name === 'pure' ? createPureCore(limits) : createWasmCore({ debug: true, ...limits });
  return simulate({ core, ...rest });
}

export interface Ran {
  code: number | null;
  stdout: string[];
  stderr: string;
}

const TS = new URL('../../ts/', import.meta.url).href;

/**
 * Run a program in a process of its own, without an IPC channel. `import` of `'#index.ts'` and the like is from ts/.
 * It is killed after ten seconds.
 */
export function program(source: string, env: Record<string, string> = {}): Promise<Ran> {
  const text = source.replaceAll(/from '#/g, `from '${TS}`);
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', text], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 10_000,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => (stdout += data));
  child.stderr.setEncoding('utf8').on('data', (data: string) => (stderr += data));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: stdout.split('\n').slice(0, -1), stderr }));
  });
}
