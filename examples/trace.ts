// Record a schedule, for ui.perfetto.dev, chrome://tracing or docs/trace-viewer.html.
//
//   node examples/trace.ts [file]        writes the trace to `file`

import { writeFileSync } from 'node:fs';
import { joinall, sleep, spawn } from 'gevent-wasm';
import { Semaphore } from 'gevent-wasm/lock';
import { traceSchedule } from 'gevent-wasm/util';

const printers = new Semaphore(2);

function compute(seconds: number) {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end);
}

function* job(number: number) {
  compute(0.001);
  yield* printers.acquire();
  compute(0.002);
  yield* sleep(0.003 * number);
  printers.release();
  compute(0.001);
}

function* boss() {
  const jobs = [1, 2, 3, 4].map((number) => spawn(job, number));
  yield* joinall(jobs);
  compute(0.001);
}

const trace = traceSchedule();
await spawn(boss).get();
trace.stop();

const count = (ph: string) => trace.events.filter((event) => event.ph === ph).length;
const tracks = trace.events.filter(({ name }) => name === 'thread_name').length;
console.log(`${tracks} greenlets, arrows in pairs: ${count('s') === count('f')}`);
const [file] = process.argv.slice(2);
if (file !== undefined) writeFileSync(file, JSON.stringify(trace));
