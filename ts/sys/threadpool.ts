// Entry `gevent-wasm/threadpool`: functions in real threads.

export { move } from 'piscina';
export { Future, FutureTimeoutError, ThreadPoolExecutor } from './executor.ts';
export { ThreadResult } from './thread-result.ts';
export { fromModule, type ModuleFunction, TaskError, type ThreadFunction } from './thread-task.ts';
export { ThreadPool, ThreadPoolFull, type ThreadPoolOptions } from './threads.ts';
