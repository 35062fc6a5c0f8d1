// Same program, same input, same order: the scheduler leaves nothing to chance, so two runs give the same trace.
//
//     npm run example determinism

import { joinall, sleep, spawn } from 'gevent-wasm';

/** Greenlets that yield, spawn, sleep, are killed and are linked, in an order one would hardly foresee. */
async function program(): Promise<string[]> {
  const trace: string[] = [];

  function* child(name: string) {
    trace.push(`${name}+`);
    yield* sleep(0);
    trace.push(`${name}-`);
  }

  function* worker(name: string, steps: number) {
    try {
      for (let step = 1; step <= steps; step++) {
        trace.push(`${name}${step}`);
        if (step === 2) spawn(child, `${name}c`).rawlink(() => trace.push(`${name} linked`));
        yield* sleep(step % 3 === 0 ? 0.01 : 0);
      }
    } finally {
      trace.push(`${name}!`);
    }
  }

  const workers = ['a', 'b', 'c', 'd'].map((name, index) => spawn(worker, name, index + 2));
  spawn(function* () {
    for (let turn = 0; turn < 4; turn++) yield* sleep(0);
    trace.push('kill');
    yield* workers[3].kill();
    trace.push('killed');
  });
  const finished = await joinall(workers);
  trace.push(...finished.map((g) => `joined ${'abcd'[workers.indexOf(g)]}`));
  return trace;
}

const first = await program();
const second = await program();
console.log(first.join(', '));
console.log(`second run: ${first.join() === second.join() ? 'identical' : `differs: ${second.join(', ')}`}`);
