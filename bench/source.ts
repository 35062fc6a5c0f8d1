// Where the engine under test is taken from: the built package, since that is what users run, unless there is none or it
// is older than the TypeScript sources; then these, which Node runs with their types stripped. `--from` decides otherwise.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Source = 'dist' | 'ts';

const ROOT = new URL('../', import.meta.url);

/** What the run measures. Children are told through the environment: a build that ends meanwhile must not divide them. */
export function source(): Source {
  process.env.GEVENT_BENCH_FROM ??= existsSync(new URL('dist/index.js', ROOT)) && !buildIsStale() ? 'dist' : 'ts';
  return process.env.GEVENT_BENCH_FROM as Source;
}

/** The address of a module of the engine: `moduleUrl('core/wasm')`. */
export function moduleUrl(name: string): string {
  return new URL(`${source()}/${name}.${source() === 'dist' ? 'js' : 'ts'}`, ROOT).href;
}

export function moduleExists(name: string): boolean {
  return existsSync(fileURLToPath(moduleUrl(name)));
}

/** True if there is a build and a source file is younger. */
export function buildIsStale(): boolean {
  if (!existsSync(new URL('dist/', ROOT)) || !existsSync(new URL('ts/', ROOT))) return false;
  return newest(new URL('ts/', ROOT)) > newest(new URL('dist/', ROOT));
}

function newest(folder: URL): number {
  let latest = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) latest = Math.max(latest, statSync(`${entry.parentPath}/${entry.name}`).mtimeMs);
  }
  return latest;
}
