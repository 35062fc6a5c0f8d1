// What a hub makes and does not know: the layers above bring it along when they are loaded.

import { GeventError } from '../exceptions.ts';
import type { ThreadPool } from '../sys/threads.ts';
import type { Hub } from './hub.ts';

/** What a hub knows of its monitor; see sys/monitor.ts. */
export interface Monitor {
  kill(): void;
}

/** @internal */
export let makeMonitor: (hub: Hub) => Monitor = () => {
  throw new GeventError('GEVENT_NO_MONITOR', "no monitor is loaded: import 'gevent-wasm/monitor' first");
};

/** @internal Set by the layer above. */
export function setMonitorMaker(maker: typeof makeMonitor): void {
  makeMonitor = maker;
}

export type ThreadPoolMaker = (hub: Hub, type: unknown, size: number, idleTaskTimeout: number | null) => ThreadPool;

/** @internal */
export let makeThreadPool: ThreadPoolMaker = () => {
  throw new GeventError('GEVENT_NO_THREADS', "no threads are loaded: import 'gevent-wasm/threadpool' first");
};

/** @internal Set by the layer above. */
export function setThreadPoolMaker(maker: ThreadPoolMaker): void {
  makeThreadPool = maker;
}

/** @internal */
export let spawnOn: (hub: Hub, fn: (...args: any[]) => unknown, args: unknown[]) => unknown = () => undefined;

/** @internal Set by the layer above, which knows what a Greenlet is. */
export function setSpawner(spawner: typeof spawnOn): void {
  spawnOn = spawner;
}
