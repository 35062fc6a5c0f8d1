// Ten workers go through a hundred jobs; then a group of tasks of which one fails.

import { sleep, spawn, TaskGroup } from 'gevent-wasm';
import { Pool } from 'gevent-wasm/pool';

let now = 0;
let most = 0;

function* job(n: number): Generator<any, number, any> {
  most = Math.max(most, ++now);
  yield* sleep(0.001 * (n % 3));
  --now;
  return n * n;
}

const main = spawn(function* () {
  const pool = new Pool(10);
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  const squares = yield* pool.map(job, numbers);
  console.log(`${squares.length} squares, the last is ${squares.at(-1)}; ${most} at once`);

  // A scope that nobody outlives: the first failure ends the others.
  try {
    yield* TaskGroup.run(function* (group) {
      const slow = group.spawn(function* () {
        try {
          yield* sleep(60);
        } finally {
          console.log('the slow one is ended');
        }
      });
      group.spawn(function* () {
        yield* sleep(0.01);
        throw new Error('no such page');
      });
      yield* slow.join();
    });
  } catch (error) {
    const { errors } = error as AggregateError;
    console.log(`the group failed: ${errors.map((each) => each.message).join(', ')}`);
  }
});
await main.get();
