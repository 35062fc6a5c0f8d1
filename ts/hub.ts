// Entry `gevent-wasm/hub`: hubs, the loop, and gevent's Waiter.

import { config } from './config.ts';
import type { Core } from './core/contract.ts';
import { createPureCore } from './core/pure.ts';
import { createWasmCore } from './core/wasm.ts';
import { setHubMaker } from './hub/current.ts';
import { Hub, type HubOptions } from './hub/hub.ts';

/** The core that `config.core` or `name` asks for. */
export function createCore(name: 'wasm' | 'pure' = config.core): Core {
  return name === 'pure' ? createPureCore() : createWasmCore();
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

setHubMaker(() => new Hub({ core: createCore() }));

export type { Clock } from './core/clock.ts';
export { getHub, Hub, type HubOptions } from './hub/hub.ts';
export {
  AsyncWatcher,
  Callback,
  Loop,
  PhaseWatcher,
  SignalWatcher,
  TimerWatcher,
  Watcher,
  type WatcherOptions,
} from './hub/loop.ts';
export { Waiter } from './waiter.ts';
