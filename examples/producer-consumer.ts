// A bounded queue between producers and workers: the queue holds producers up, join() waits for the work, shutdown ends it.

import { joinall, sleep, spawn } from 'gevent-wasm';
import { Semaphore } from 'gevent-wasm/lock';
import { Channel, forEach, Queue } from 'gevent-wasm/queue';

const jobs = new Queue<number>(2);
const results = new Channel<string>();
const oven = new Semaphore(1);

function* producer() {
  for (let job = 1; job <= 5; ++job) {
    yield* jobs.put(job); // waits while two are there
    console.log(`ordered ${job}`);
  }
}

function* worker(name: string) {
  yield* forEach(jobs, function* (job) {
    {
      using _ = yield* oven.lock();
      yield* sleep(0.01);
    }
    yield* results.put(`${name} baked ${job}`);
    jobs.taskDone();
  });
  return `${name} went home`;
}

spawn(async () => {
  for await (const line of results) console.log(line);
});

const workers = [spawn(worker, 'ann'), spawn(worker, 'bob')];
await spawn(producer).join();
await jobs.join();
jobs.shutdown();
for (const each of await joinall(workers)) console.log(each.value);
