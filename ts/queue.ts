// Entry `gevent-wasm/queue`: queues between greenlets, and channels. Re-exports only.

export { Channel } from './channel.ts';
export { Deque } from './deque.ts';
export { END, forEach, type Source } from './iteration.ts';
export { JoinableQueue, LifoQueue, PriorityQueue, Queue, type QueueOptions, UnboundQueue } from './joinable.ts';
export { Empty, Full, type GetOptions, type PutOptions, ShutDown, SimpleQueue } from './simple-queue.ts';
