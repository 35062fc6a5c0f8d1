// run, call, checkCall, checkOutput, getoutput: start a process, wait for it, and leave nothing of it behind.

import type { Buffer } from 'node:buffer';
import { describe, wrongType } from '../core/arguments.ts';
import { Framed } from '../framed.ts';
import type { Operation } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { limitMs } from '../limit.ts';
import type { TextEncoding } from '../net/text.ts';
import type { Data } from '../net/writer.ts';
import type { Limit } from '../timeout.ts';
import { type PipesOf, Popen, type PopenOptions, type TextPopenOptions } from './popen.ts';
import { CalledProcessError, type Command, shown, TimeoutExpired } from './process-errors.ts';
import { PIPE, STDOUT } from './spawning.ts';

export interface CallOptions extends PopenOptions {
  /** Seconds, 0 or more; then the process is killed and TimeoutExpired thrown. Default: no limit. */
  timeout?: Limit;
}

export interface CheckOutputOptions extends CallOptions {
  /** Text or bytes for its stdin. */
  input?: Data | null;
}

export interface RunOptions extends CheckOutputOptions {
  /** Read what it writes to stdout and stderr. Default false. */
  captureOutput?: boolean;
  /** Throw CalledProcessError unless it gives 0. Default false. */
  check?: boolean;
}

/** Output that was asked for is there. */
type CapturedOf<O, Name extends 'stdout' | 'stderr'> = O extends Record<Name, typeof PIPE> | { captureOutput: true }
  ? PipesOf<O>
  : PipesOf<O> | null;

/** What `run` gives. */
export class CompletedProcess<T extends Buffer | string = Buffer> {
  readonly args: Command;
  /** The exit code; minus the number of the signal that killed it. */
  readonly returncode: number;
  /** What it wrote, if that was captured; else null. */
  readonly stdout: T | null;
  readonly stderr: T | null;

  constructor(args: Command, returncode: number, stdout: T | null = null, stderr: T | null = null) {
    this.args = args;
    this.returncode = returncode;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** @throws CalledProcessError unless the exit code is 0 */
  checkReturncode(): void {
    const { returncode, args, stdout, stderr } = this;
    if (returncode !== 0) throw new CalledProcessError(returncode, args, stdout, stderr);
  }

  toString(): string {
    return `<CompletedProcess ${shown(this.args)} returncode=${this.returncode}>`;
  }
}

type Frame<T> = Generator<Park, T, any>;

/** `work` with a child that is gone afterwards, whatever became of it. */
function* alone<T>(args: Command, options: PopenOptions, work: (popen: Popen<any>) => Frame<T>): Frame<T> {
  const popen: Popen<any> = new Popen(args, options);
  try {
    return yield* work(popen);
  } catch (error) {
    popen.kill();
    yield* popen.wait();
    if (!(error instanceof TimeoutExpired)) throw error;
    // With what it had still written.
    const [stdout, stderr] = yield* popen.$rest();
    throw new TimeoutExpired(args, error.timeout, stdout, stderr);
  } finally {
    popen.close();
  }
}

function* running(args: Command, options: RunOptions): Frame<CompletedProcess<any>> {
  const { captureOutput = false, check = false, input, timeout = null, ...rest } = options;
  const popenOptions: PopenOptions = { ...rest };
  if (input !== undefined && input !== null) popenOptions.stdin = PIPE;
  if (captureOutput) popenOptions.stdout = popenOptions.stderr = PIPE;
  const completed = yield* alone(args, popenOptions, function* (popen): Frame<CompletedProcess<any>> {
    const [stdout, stderr] = yield* popen.communicate(input, { timeout });
    return new CompletedProcess(args, popen.returncode as number, stdout, stderr);
  });
  if (check) completed.checkReturncode();
  return completed;
}

function checkLimit(options: CallOptions, where: string): void {
  if (options === null || typeof options !== 'object') {
    throw wrongType(`${where}(options)`, 'an object', options);
  }
  limitMs(options.timeout ?? null, `${where}(timeout)`);
}

function given(options: object, ...names: string[]): string[] {
  return names.filter((name) => ((options as Record<string, unknown>)[name] ?? null) !== null);
}

/**
 * Run a command and wait for its end. Switch point. If the wait is cut short, by `timeout`, a kill or a Timeout, the process is killed.
 * @throws CalledProcessError with `check`, if it gives anything but 0
 * @throws TimeoutExpired if `timeout` came first
 * @throws OSError if it cannot be started
 * @see `gevent.subprocess.run`, the source.
 */
export function run<const O extends RunOptions = RunOptions>(
  args: Command,
  options: O = {} as O,
): Operation<
  CompletedProcess<PipesOf<O>> & {
    readonly stdout: CapturedOf<O, 'stdout'>;
    readonly stderr: CapturedOf<O, 'stderr'>;
  }
> {
  checkLimit(options, 'run');
  if (given(options, 'input', 'stdin').length === 2) {
    throw new RangeError('run: stdin and input arguments may not both be used');
  }
  if (options.captureOutput && given(options, 'stdout', 'stderr').length > 0) {
    throw new RangeError('run: stdout and stderr arguments may not be used with captureOutput');
  }
  return new Framed(`run of ${shown(args)}`, () => running(args, options));
}

/** Run a command and wait for its end: its exit code. Switch point. A wait that is cut short kills it. */
export function call(args: Command, options: CallOptions = {}): Operation<number> {
  checkLimit(options, 'call');
  const { timeout = null, ...rest } = options;
  return new Framed(`call of ${shown(args)}`, () => alone(args, rest, (popen) => popen.wait({ timeout }) as any));
}

/**
 * The same, for one that must give 0. Switch point.
 * @throws CalledProcessError if it gives anything else
 */
export function checkCall(args: Command, options: CallOptions = {}): Operation<number> {
  checkLimit(options, 'checkCall');
  const { timeout = null, ...rest } = options;
  return new Framed(`checkCall of ${shown(args)}`, function* (): Frame<number> {
    const code = yield* alone(args, rest, (popen) => popen.wait({ timeout }) as any);
    if (code !== 0) throw new CalledProcessError(code as number, args);
    return 0;
  });
}

/**
 * What a command writes to stdout. Switch point. A wait that is cut short kills it.
 * @throws CalledProcessError if it gives anything but 0, with what it wrote
 * @throws TimeoutExpired if `timeout` came first, with what it had written
 * @throws RangeError for `stdout` and `check`, which are decided; for `input` together with `stdin`
 */
export function checkOutput(args: Command, options: CheckOutputOptions & TextPopenOptions): Operation<string>;
export function checkOutput(args: Command, options?: CheckOutputOptions): Operation<Buffer>;
export function checkOutput(args: Command, options: CheckOutputOptions = {}): Operation<any> {
  checkLimit(options, 'checkOutput');
  for (const name of ['stdout', 'check', 'captureOutput']) {
    if (name in options) throw new RangeError(`checkOutput: ${name} argument not allowed, it will be overridden`);
  }
  if (given(options, 'input', 'stdin').length === 2) {
    throw new RangeError('checkOutput: stdin and input arguments may not both be used');
  }
  return new Framed(`checkOutput of ${shown(args)}`, function* (): Frame<any> {
    return (yield* running(args, { ...options, stdout: PIPE, check: true })).stdout;
  });
}

export interface GetOutputOptions {
  encoding?: TextEncoding;
  errors?: 'strict' | 'replace';
}

/**
 * Run a command line in a shell: `[exit code, what it wrote]`, to stdout and stderr, without the last newline. Switch point.
 * @see `subprocess.getstatusoutput`, the source.
 */
export function getstatusoutput(cmd: string, options: GetOutputOptions = {}): Operation<[number, string]> {
  if (typeof cmd !== 'string') throw wrongType('getstatusoutput(cmd)', 'a string', cmd);
  return new Framed(`getstatusoutput of ${describe(cmd)}`, function* (): Frame<[number, string]> {
    const settings = { ...options, shell: true, text: true, stdout: PIPE, stderr: STDOUT } as const;
    const { returncode, stdout } = yield* running(cmd, settings);
    return [returncode, (stdout as string).replace(/\n$/, '')];
  });
}

/** What a command line writes in a shell, to stdout and stderr, without the last newline. Switch point. */
export function getoutput(cmd: string, options: GetOutputOptions = {}): Operation<string> {
  if (typeof cmd !== 'string') throw wrongType('getoutput(cmd)', 'a string', cmd);
  return new Framed(`getoutput of ${describe(cmd)}`, function* (): Frame<string> {
    return (yield* getstatusoutput(cmd, options))[1];
  });
}
