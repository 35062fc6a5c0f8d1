// The first of several waits, a section that is not cut short, a deadline for all that is below it, and who waits on what.

import { first, getHub, rethrowControl, shield, sleep, spawn } from 'gevent-wasm';
import { currentDeadline, Deadline, withDeadline } from 'gevent-wasm/deadline';
import { Event } from 'gevent-wasm/event';
import { RLock } from 'gevent-wasm/lock';

const stop = new Event();

function* server() {
  for (let served = 0; ; ++served) {
    // Exactly one of the two happens; the other leaves nothing behind.
    const won = yield* first({ tick: sleep(0.02), stopped: stop.wait() });
    if (won.key === 'stopped') return served;
  }
}

function* write(text: string) {
  yield* shield(function* () {
    yield* sleep(0.05); // half of it is out: a kill has to wait
    console.log(`written whole: ${text}`);
  });
  console.log('never reached');
}

function* request() {
  yield* sleep(0.01);
  const left = (currentDeadline() as Deadline).remaining;
  console.log(`time is left: ${left > 0 && left < 0.05}`);
  for (;;) {
    try {
      yield* withDeadline(60, sleep, 60); // asks for more than there is
    } catch (error) {
      rethrowControl(error);
    }
  }
}

const serving = spawn(server);
const writer = spawn(write, 'the reply');
await sleep(0.01);
await writer.kill(); // waits until the section is over
stop.set();
console.log(`served until told to stop: ${(await serving.get()) > 0}`);

try {
  await withDeadline(0.05, request);
} catch (error) {
  console.log(`request ended by ${(error as Error).name}, a Timeout: ${error instanceof Deadline}`);
}

const locks = [new RLock(), new RLock()];
const both = [0, 1].map((at) =>
  spawn(function* clumsy() {
    yield* locks[at].acquire();
    yield* sleep(0.01);
    yield* locks[1 - at].acquire();
  }),
);
await sleep(0.02);
both[0].name = 'left';
both[1].name = 'right';
for (const line of getHub().dump().deadlockLines()) console.log(line);
for (const g of both) await g.kill();
