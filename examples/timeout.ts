// A Timeout limits whatever its starter waits for, here the end of another greenlet.
//
//     npm run example timeout [limit [work]]     3 and 4 seconds unless you say otherwise

import { sleep, spawn, Timeout } from 'gevent-wasm';

const limit = Number(process.argv[2] ?? 3);
const work = Number(process.argv[3] ?? 4);

function* wait() {
  yield* sleep(work);
}

const timeout = new Timeout(limit);
timeout.start();
const waiter = spawn(wait);
try {
  await waiter.join();
} catch (error) {
  if (error !== timeout) throw error; // somebody else's timeout, or a failure
  console.log('Could not complete');
} finally {
  timeout.close();
  // The timeout ended our wait, not the greenlet. Python's process would end here anyhow; Node's waits for it.
  await waiter.kill();
}
