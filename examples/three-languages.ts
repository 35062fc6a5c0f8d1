// One pipeline in three languages, a sieve: C makes the numbers, AssemblyScript filters them, one greenlet a prime, JavaScript collects
// what comes out. Each stage is a greenlet that blocks in plain calls, and all of them pass their items through the same kind of
// Channel.
//
//     npm run example three-languages

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { joinall, spawn } from 'gevent-wasm';
import { load } from 'gevent-wasm/guest';
import { Channel, END } from 'gevent-wasm/queue';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = join(root, 'examples/three-languages');

/** Compiled here and now. The package is no dependency of itself, so the compiler is told where to find it. */
function assembly(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'gevent-guest-'));
  try {
    mkdirSync(join(folder, 'packages'));
    symlinkSync(root, join(folder, 'packages/gevent-wasm'), 'junction');
    const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
    const out = join(folder, 'primes.wasm');
    execFileSync(process.execPath, [asc, 'primes.ts', '-O', '--path', join(folder, 'packages'), '--outFile', out], {
      cwd: sources,
      stdio: 'inherit',
    });
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Compiled by clang if it is here and knows WebAssembly, else as it was compiled for the repository. */
function c(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'gevent-guest-'));
  const out = join(folder, 'numbers.wasm');
  const flags = ['--target=wasm32', '-O2', '-nostdlib', '-Wl,--no-entry', '-o', out];
  try {
    execFileSync('clang', [...flags, join(sources, 'numbers.c')], { stdio: 'ignore' });
    return readFileSync(out);
  } catch {
    return readFileSync(join(sources, 'numbers.wasm'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const numbers = await load(c(), { name: 'numbers.c' });
const filters = await load(assembly(), { name: 'primes.ts' });

const COUNT = 12;
const channels = Array.from({ length: COUNT + 1 }, () => new Channel<number>());

const source = numbers.spawn<number>('numbers', channels[0], 2, 100);
const stages = Array.from({ length: COUNT }, (_, i) => filters.spawn<number>('filter', channels[i], channels[i + 1]));
const rest = spawn(function* () {
  const left: number[] = [];
  for (;;) {
    const number: unknown = yield* channels[COUNT].get();
    if (number === END) return left;
    left.push(number as number);
  }
});

await joinall([source, rest, ...stages] as (typeof source)[]);
console.log(`C made ${source.value} numbers`);
console.log(`AssemblyScript found ${stages.map((stage) => stage.value).join(' ')}`);
console.log(`JavaScript got what is left: ${rest.value?.join(' ')}`);
