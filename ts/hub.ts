// Entry `gevent-wasm/hub`: hubs, the loop, and gevent's Waiter.

import { config } from './config.ts';
import { wrongType } from './core/arguments.ts';
import type { Core } from './core/contract.ts';
import { createReleaseCore } from './core/wasm.ts';
import { GeventError } from './exceptions.ts';
import { replaceThreadHub, setDebugging, setHubMaker } from './hub/current.ts';
import { Hub, type HubOptions } from './hub/hub.ts';
import { setMonitorMaker, setThreadPoolMaker } from './hub/layers-above.ts';

/** The core that `config.core` or `name` asks for. */
export function createCore(name: 'wasm' | 'pure' = config.core): Core {
  return name === 'pure' ? loadPureCore() : createReleaseCore();
}

// The pure core is loaded when it is asked for: an eighth of the package that most programs never run.
function loadPureCore(): Core {
  const none = new GeventError(
    'GEVENT_NO_PURE_CORE',
    "the pure core cannot be loaded by name here: import { createPureCore } from 'gevent-wasm/core' and pass createHub({ core: createPureCore() })",
  );
  return load('./core.ts', './core.js', none).createPureCore();
}

export interface CreateHubOptions extends Omit<HubOptions, 'core'> {
  /** `'wasm'`, `'pure'`, or a core of your own. Default: `config.core`. */
  core?: 'wasm' | 'pure' | Core;
}

/** An isolated hub beside the thread's own. Its greenlets are made by `hub.spawn` or while it runs. */
export function createHub(options: CreateHubOptions = {}): Hub {
  const { core, ...rest } = options;
  return new Hub({
    isolated: true,
    ...rest,
    core: core === undefined || typeof core === 'string' ? createCore(core) : core,
  });
}

/**
 * Make `hub` the one of this thread: what `getHub()` gives in main from now on; null: the next `getHub()` makes a new one. Greenlets stay with
 * the hub they were made on, and get that one from `getHub()`.
 * @see `gevent.hub.set_hub`, the source.
 */
export function setHub(hub: Hub | null): void {
  if (hub !== null && !(hub instanceof Hub)) throw wrongType('setHub(hub)', 'a Hub or null', hub);
  replaceThreadHub(hub);
}

// Loaded when they are asked for; loading one sets the maker that it has. In what a bundler made they are not to be found.
function load(inSources: string, built: string, error: GeventError): any {
  const { createRequire } = globalThis.process?.getBuiltinModule?.('node:module') ?? {};
  if (createRequire === undefined) throw error;
  try {
    return createRequire(import.meta.url)(import.meta.url.endsWith('.ts') ? inSources : built);
  } catch (cause) {
    error.cause = cause;
    throw error;
  }
}

setMonitorMaker((hub) => {
  const none = new GeventError(
    'GEVENT_NO_MONITOR',
    'there is no monitor here: it needs threads, and gevent-wasm as a package, not bundled',
  );
  const { PeriodicMonitoringThread } = load('./sys/monitor.ts', './monitor.js', none);
  return new PeriodicMonitoringThread(hub);
});

setThreadPoolMaker((hub, type, size, idleTaskTimeout) => {
  const { ThreadPool } = load(
    './sys/threadpool.ts',
    './threadpool.js',
    new GeventError('GEVENT_NO_THREADS', "there are no threads here; in a bundle import 'gevent-wasm/threadpool'"),
  );
  return new (typeof type === 'function' ? type : ThreadPool)(size, { idleTaskTimeout, hub });
});

// Operations may be made before the first hub is. A setting that is wrong is told of then.
try {
  if (config.debug) setDebugging(true);
} catch {}

setHubMaker(() => {
  const hub = new Hub({ core: createCore() });
  if (config.dumpSignal !== null) hub.dumpOn(config.dumpSignal);
  if (config.monitorThread) hub.startPeriodicMonitoringThread();
  return hub;
});

export type { Clock } from './core/clock.ts';
export { Callback } from './hub/callback.ts';
export { Dump, type Dumped } from './hub/dump.ts';
export { getHub, Hub, type HubOptions } from './hub/hub.ts';
export type { Monitor } from './hub/layers-above.ts';
export { Loop } from './hub/loop.ts';
export { TimerWatcher } from './hub/timer-watcher.ts';
export { Watcher, type WatcherOptions } from './hub/watcher.ts';
export { AsyncWatcher, PhaseWatcher, SignalWatcher } from './hub/watchers.ts';
export { Waiter } from './waiter.ts';
