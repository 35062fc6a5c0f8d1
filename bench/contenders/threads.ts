// Two operating system threads that hand a turn over: what one gets without a scheduler of one's own.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { Contender, Reading } from '../harness.ts';

/** Shared words, one Int32 each: whose turn it is, and how often the worker had it. */
export const Shared = { TURN: 0, COUNT: 1 } as const;
export const Turn = { MAIN: 0, WORKER: 1 } as const;

const PARTNER = new URL('./partner.ts', import.meta.url);

export function atomics(total: number): Contender {
  return {
    id: 'thread:atomics',
    role: 'peer',
    waits: true,
    async load() {
      const shared = new Int32Array(new SharedArrayBuffer(8));
      const worker = await start({ shared });
      const sample = (): Reading => {
        const before = shared[Shared.COUNT];
        let mine = 0;
        const from = performance.now();
        for (let i = 0; i < total; i += 2) {
          Atomics.store(shared, Shared.TURN, Turn.WORKER);
          Atomics.notify(shared, Shared.TURN, 1);
          while (Atomics.load(shared, Shared.TURN) === Turn.WORKER) Atomics.wait(shared, Shared.TURN, Turn.WORKER);
          mine++;
        }
        const amount = (performance.now() - from) * 1e6;
        return { count: mine + shared[Shared.COUNT] - before, amount };
      };
      return { expect: total, sample, close: () => void worker.terminate() };
    },
  };
}

export function messageport(total: number): Contender {
  return {
    id: 'thread:messageport',
    role: 'peer',
    waits: true,
    async load() {
      const { port1, port2 } = new MessageChannel();
      const worker = await start({ port: port2 }, [port2]);
      const sample = () => pingPong(port1, total);
      return { expect: total, sample, close: () => void worker.terminate() };
    },
  };
}

/** The partner answers each message with the number of messages it has seen. */
function pingPong(port: MessagePort, total: number): Promise<Reading> {
  return new Promise((resolve) => {
    let mine = 0;
    let base = -1;
    const from = performance.now();
    const onMessage = (theirs: number) => {
      mine++;
      if (base < 0) base = theirs - 1;
      if (mine * 2 < total) {
        port.postMessage(0);
        return;
      }
      const amount = (performance.now() - from) * 1e6;
      port.off('message', onMessage);
      resolve({ count: mine + theirs - base, amount });
    };
    port.on('message', onMessage);
    port.postMessage(0);
  });
}

function start(data: object, transfer: readonly MessagePort[] = []): Promise<Worker> {
  const worker = new Worker(PARTNER, { workerData: data, transferList: [...transfer] });
  return new Promise((resolve, reject) => {
    worker.once('online', () => resolve(worker));
    worker.once('error', reject);
  });
}
