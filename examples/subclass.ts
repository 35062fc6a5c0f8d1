// Two ways to a greenlet: spawn a function, or subclass Greenlet, say what it does in `_run`, and start it yourself.
//
//     npm run example subclass [seconds]

import { Greenlet, joinall, sleep, spawn } from 'gevent-wasm';

const seconds = Number(process.argv[2] ?? 0);

class Speaker extends Greenlet {
  readonly words: string;

  constructor(words: string) {
    super();
    this.words = words;
  }

  override *_run() {
    console.log(`the subclass says: ${this.words}`);
    yield* sleep(seconds);
    console.log('the subclass is done');
  }
}

function* task(id: number, words: string) {
  console.log(`task ${id} says: ${words}`);
  yield* sleep(seconds);
  console.log(`task ${id} is done`);
}

const green0 = spawn(task, 0, 'spawned by the function'); // made and queued in one go
const green1 = Greenlet.spawn(task, 1, 'spawned by the class');
const green2 = new Speaker('made first, started later'); // made only; start() queues it
green2.start();

await joinall([green0, green1, green2]);
console.log('all tasks done');
