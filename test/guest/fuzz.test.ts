// Modules that are no modules: real ones, cut off and changed at random, loaded and run on every backend. Each gives a clear error,
// or runs, and the engines are as good as before. In a process of its own, so that a crash of the engine below us would be seen.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { BACKENDS, c, hasClang, hasWasi, wasi, wat } from '../support/guests.ts';

const SEED = Number(process.env.GEVENT_FUZZ_SEED ?? 20261125);
/** Mutations in all; each module meets each backend. */
const COUNT = Number(process.env.GEVENT_FUZZ_COUNT ?? 420);

interface Line {
  readonly i?: number;
  readonly name?: string;
  readonly backend?: string;
  readonly told?: string;
  readonly sound?: string;
}

const WAT_GUEST = wat(`(module
  (import "gevent" "yield" (func $yield)) (import "gevent" "sleep" (func $sleep (param f64)))
  (import "gevent" "spawn" (func $spawn (param i32 i32) (result i32)))
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (memory (export "memory") 1) (table (export "table") 2 funcref) (elem (i32.const 0) $child $child)
  (func $child (param i32) (call $yield))
  (func (export "run") (param $n i32) (result i32)
    (drop (call $spawn (i32.const 0) (local.get $n)))
    (call $sleep (f64.const 0.001))
    (i32.store (i32.const 16) (call $wait (local.get $n)))
    (i32.load (i32.const 16)))
  (func (export "wide") (param i64) (result i64) (call $yield) (local.get 0)))`);

const WAT_WASI = wat(`(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\40\\00\\00\\00\\10\\00\\00\\00")
  (func (export "_start")
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i64.store (i32.const 152) (i64.const 1000))
    (drop (call $poll (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 8)))
    (drop (call $yield))
    (drop (call $close (i32.const 1)))
    (call $exit (i32.const 7))))`);

const SMALL = `
  #include <stdio.h>
  #include <unistd.h>
  int main(void) { char line[9]; while (fgets(line, sizeof line, stdin)) puts(line); usleep(1000); return 3; }`;

/** Run mutations from a number on, until the process ends. Gives its lines, and how it ended; null: it had to be stopped. */
async function run(
  folder: string,
  from: number,
): Promise<{ lines: Line[]; code: number | null; signal: string | null; stuck: boolean }> {
  const script = join(import.meta.dirname, '../support/fuzz-guests.ts');
  const child = spawn(process.execPath, [script, String(SEED), String(from), String(COUNT), folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const lines: Line[] = [];
  let stuck = false;
  // Code that computes for ever cannot be stopped from inside.
  const stop = () => {
    stuck = true;
    child.kill('SIGKILL');
  };
  let watchdog = setTimeout(stop, 20_000);
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line) as Line);
    clearTimeout(watchdog);
    watchdog = setTimeout(stop, 10_000);
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once('close', (code, signal) => resolve([code, signal]));
  });
  clearTimeout(watchdog);
  if (code !== 0 && !stuck) lines.push({ told: `? the process ended with ${code ?? signal}: ${stderr.slice(-2000)}` });
  return { lines, code, signal, stuck };
}

test(`${COUNT} mutations of real modules give errors, never a crash, and leave the engines sound`, {
  timeout: 240_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gevent-fuzz-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const put = (name: string, bytes: Uint8Array): void => writeFileSync(join(folder, `${name}.wasm`), bytes);
  put('guest-wat', WAT_GUEST);
  put('wasi-wat', WAT_WASI);
  const programs = join(import.meta.dirname, 'programs');
  const bindings = join(import.meta.dirname, '../../ts/guest/bindings');
  if (hasClang)
    put('guest-c', c(readFileSync(join(programs, 'guest.c'), 'utf8'), '-Wl,--export-table', '-I', bindings));
  if (hasWasi) put('wasi-c', wasi(SMALL, '-Wl,--strip-all'));

  const results = new Map<number, Line>();
  const sound: Line[] = [];
  let endless = 0;
  for (let from = 0; ; ) {
    const { lines, stuck } = await run(folder, from);
    for (const line of lines) {
      if (line.sound !== undefined) sound.push(line);
      else if (line.i !== undefined) results.set(line.i, { ...results.get(line.i), ...line });
      else
        throw new Error(`seed ${SEED}: ${line.told} after ${JSON.stringify(results.get(Math.max(...results.keys())))}`);
    }
    if (!stuck) break;
    ++endless;
    from = Math.max(from, ...results.keys()) + 1;
  }

  const all = [...results.values()];
  expect(
    all.filter(({ told }) => told?.startsWith('?')),
    `seed ${SEED}`,
  ).toEqual([]);
  expect(results.size).toBe(COUNT);
  // Each has come on each backend, most are refused, and some live.
  for (const backend of BACKENDS) {
    const here = all.filter((line) => line.backend === backend).map(({ told }) => told ?? 'endless');
    const refused = here.filter((told) => told === 'GEVENT_GUEST_MALFORMED').length;
    expect(refused, backend).toBeGreaterThan(here.length / 4);
    expect(refused, backend).toBeLessThan(here.length);
  }
  expect(endless).toBeLessThan(COUNT / 50);
  expect(sound.length).toBeGreaterThanOrEqual(2 * BACKENDS.length);
  for (const { sound: name, told } of sound) {
    const whole = /^(ran|ended|GEVENT_GUEST_HANDLE|trap)$/;
    expect(told, name).toMatch(name?.startsWith('wasi-c') ? /^exit 3$/ : name?.startsWith('wasi') ? /^exit 7$/ : whole);
  }
});
