// Examples as a user runs them: each in a process of its own, on the sources.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const EXAMPLES = join(import.meta.dirname, '../../examples');

export interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: string | null;
  readonly seconds: number;
}

export function run(name: string, ...args: string[]): Promise<Run> {
  return start(name, ...args).ended;
}

export function start(name: string, ...args: string[]) {
  const began = performance.now();
  const child = spawn(process.execPath, ['--conditions=source', join(EXAMPLES, `${name}.ts`), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 50_000,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Run>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({ stdout, stderr, code, signal, seconds: (performance.now() - began) / 1000 }),
    );
  });
  return { child, ended };
}

export const clean = { stderr: '', code: 0, signal: null };
export const lines = (...all: string[]): string => `${all.join('\n')}\n`;

/** What an example prints until a line with `text` came. */
export function printed(child: ReturnType<typeof start>['child'], text: string): Promise<string> {
  let all = '';
  return new Promise((resolve) => {
    child.stdout.on('data', (data: string) => {
      all += data;
      if (all.includes(text)) resolve(all);
    });
  });
}

/** An example that serves, and where: what it prints behind `listening on`. */
export async function serving(name: string, ...args: string[]) {
  const { child, ended } = start(name, ...args);
  const announced = printed(child, '\n');
  const early = ended.then(({ stderr, code }) => {
    throw new Error(`${name} ended with ${code}: ${stderr}`);
  });
  early.catch(() => {});
  const text = await Promise.race([announced, early]);
  return { child, ended, url: (/listening on (\S+)/.exec(text) as RegExpExecArray)[1] };
}

/** Where a program is, or null. */
export function which(name: string): string | null {
  const found = (process.env.PATH ?? '').split(':').map((dir) => join(dir, name));
  return found.find((file) => existsSync(file)) ?? null;
}
