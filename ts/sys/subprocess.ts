// Entry `gevent-wasm/subprocess`: child processes by node:child_process, as greenlets see them.

export { OSError } from '../net/errors.ts';
export type { Data } from '../net/writer.ts';
export {
  Popen,
  type PopenConstructor,
  type PopenOptions,
  type TextPopenOptions,
  type WaitOptions,
} from './popen.ts';
export { CalledProcessError, type Command, SubprocessError, TimeoutExpired } from './process-errors.ts';
export {
  type CallOptions,
  type CheckOutputOptions,
  CompletedProcess,
  call,
  checkCall,
  checkOutput,
  type GetOutputOptions,
  getoutput,
  getstatusoutput,
  type RunOptions,
  run,
} from './running.ts';
export { DEVNULL, PIPE, type SpawnSettings, STDOUT, type Stdio } from './spawning.ts';
