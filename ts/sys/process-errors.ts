// What goes wrong with processes once they run. That one cannot be started is an OSError.

import { constants } from 'node:os';
import { GeventError } from '../exceptions.ts';

export type Command = string | readonly string[];
type Output = Buffer | string | null;

/** Base of the two below. @see `subprocess.SubprocessError`, the source. */
export class SubprocessError extends GeventError {
  static override readonly name: string = 'SubprocessError';
}

/** @internal A command as messages show it. */
export function shown(cmd: Command): string {
  return typeof cmd === 'string' ? `'${cmd}'` : `[${cmd.map((arg) => `'${arg}'`).join(', ')}]`;
}

function signalOf(number: number): string {
  for (const [name, value] of Object.entries(constants.signals)) if (value === number) return `${name} (${value})`;
  return `unknown signal ${number}`;
}

/** A process gave another exit code than 0, and that was asked for. */
export class CalledProcessError extends SubprocessError {
  static override readonly name: string = 'CalledProcessError';
  readonly returncode: number;
  readonly cmd: Command;
  /** What it wrote, if that was captured; else null. */
  readonly output: Output;
  readonly stderr: Output;

  constructor(returncode: number, cmd: Command, output: Output = null, stderr: Output = null) {
    const how = returncode < 0 ? `died of ${signalOf(-returncode)}` : `returned non-zero exit status ${returncode}`;
    super('GEVENT_PROCESS_FAILED', `Command ${shown(cmd)} ${how}`);
    this.returncode = returncode;
    this.cmd = cmd;
    this.output = output;
    this.stderr = stderr;
  }

  get stdout(): Output {
    return this.output;
  }
}

/** A process did not end in time. Not gevent's `Timeout`: a general `catch` may take it. */
export class TimeoutExpired extends SubprocessError {
  static override readonly name: string = 'TimeoutExpired';
  readonly cmd: Command;
  /** Seconds. */
  readonly timeout: number;
  /** What it has written so far, if that is captured; else null. */
  readonly output: Output;
  readonly stderr: Output;

  constructor(cmd: Command, timeout: number, output: Output = null, stderr: Output = null) {
    super('GEVENT_PROCESS_TIMEOUT', `Command ${shown(cmd)} timed out after ${timeout} seconds`);
    this.cmd = cmd;
    this.timeout = timeout;
    this.output = output;
    this.stderr = stderr;
  }

  get stdout(): Output {
    return this.output;
  }
}
