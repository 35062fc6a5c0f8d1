// gevent-wasm: the main entry. Re-exports only.

export { config } from './config.ts';
export type { Seconds } from './core/clock.ts';
export {
  BlockingSwitchOutError,
  ConcurrentObjectUseError,
  ControlException,
  GeventError,
  GreenletExit,
  InvalidSwitchError,
  isControl,
  KeyboardInterrupt,
  LoopExit,
  OperationError,
  rethrowControl,
  SystemExit,
} from './exceptions.ts';
export { type Candidate, type FirstDefault, type FirstKey, type FirstOf, type FirstOptions, first } from './first.ts';
export {
  kill,
  killall,
  run,
  type SignalHandler,
  shutdown,
  signalHandler,
  spawn,
  spawnLater,
  spawnRaw,
} from './gevent.ts';
export {
  type GeneratorBody,
  type GetOptions,
  Greenlet,
  type KillOptions,
  type OtherBody,
} from './gevent-greenlet.ts';
export { defer, type Resource, use, withTimeout } from './guard.ts';
export { call } from './hub/call.ts';
export { Operation } from './hub/operation.ts';
export type { Park } from './hub/protocol.ts';
export { getcurrent } from './hub/raw.ts';
export { type CreateHubOptions, createHub, getHub, type Hub } from './hub.ts';
export { shield } from './shield.ts';
export { idle, sleep } from './sleep.ts';
export { TaskGroup, type TaskGroupOptions } from './task-group.ts';
export { type Limit, Timeout, type TimeoutException, type TimeoutOptions } from './timeout.ts';
export { until } from './until.ts';
export { type Iwait, iwait, type JoinallOptions, joinall, type Linkable, type WaitOptions, wait } from './waiting.ts';
