// The other thread of `threads.ts`.

import { type MessagePort, workerData } from 'node:worker_threads';
import { Shared, Turn } from './threads.ts';

const { shared, port } = workerData as { shared?: Int32Array; port?: MessagePort };

if (shared) {
  // Ends with its process: a thread in Atomics.wait hears nothing else.
  for (;;) {
    // A notify may come late and wake the wait of the next round, so the turn itself is looked at.
    while (Atomics.load(shared, Shared.TURN) === Turn.MAIN) Atomics.wait(shared, Shared.TURN, Turn.MAIN);
    shared[Shared.COUNT]++;
    Atomics.store(shared, Shared.TURN, Turn.MAIN);
    Atomics.notify(shared, Shared.TURN, 1);
  }
}

if (port) {
  let seen = 0;
  port.on('message', () => port.postMessage(++seen));
}
