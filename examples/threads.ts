// Computation in real threads, while the greenlets of this one go on. Functions are sent as text and see nothing but their arguments.
//
//     npm run example threads

import { sleep, spawn } from 'gevent-wasm';
import { ThreadPool } from 'gevent-wasm/threadpool';

const sumTo = (n: number): number => {
  let sum = 0;
  for (let i = 1; i <= n; ++i) sum += i;
  return sum;
};

const pool = new ThreadPool(2);
let beats = 0;
const heart = spawn(function* () {
  for (;;) {
    ++beats;
    yield* sleep(0.001);
  }
});

const work = spawn(function* () {
  console.log('sums:', (yield* pool.map(sumTo, [1e3, 1e6, 3e7])).join(', '));
  console.log('meanwhile this thread went on:', beats > 1);
  // One that never ends: the timeout ends its thread.
  const endless = yield* pool.spawn(() => {
    for (;;);
  });
  yield* endless.wait({ timeout: 0.05 });
  console.log('called off:', endless.cancel());
});

await work.get();
await heart.kill();
await pool.kill();
console.log('threads left:', pool.size);
