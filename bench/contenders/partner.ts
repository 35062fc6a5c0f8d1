// The other thread of `threads.ts`.

import { type MessagePort, workerData } from 'node:worker_threads';
import { Shared, Turn } from './threads.ts';

const { shared, port } = workerData as { shared?: Int32Array; port?: MessagePort };

if (shared) {
  // Ends with its process: a thread in Atomics.wait hears nothing else.
  for (;;) {
    Atomics.wait(shared, Shared.TURN, Turn.MAIN);
    shared[Shared.COUNT]++;
    Atomics.store(shared, Shared.TURN, Turn.MAIN);
    Atomics.notify(shared, Shared.TURN, 1);
  }
}

if (port) {
  let seen = 0;
  port.on('message', () => port.postMessage(++seen));
}
