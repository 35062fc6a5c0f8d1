// One child process that holds contenders, asked for one thing at a time.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Scale } from './harness.ts';

export type Request =
  | { kind: 'load'; case: string; group: number; contender: number; scale: Scale }
  | { kind: 'sample'; contender: number };

export type Reply =
  | { kind: 'loaded' }
  /** `off` is the share of the sample's time in which its thread was not on a processor. */
  | { kind: 'reading'; count: number; amount: number; expect: number; off: number }
  | { kind: 'unavailable'; why: string }
  | { kind: 'failed'; why: string };

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));

export class Lane {
  readonly #child: ChildProcess;
  #answer: ((reply: Reply) => void) | undefined;
  #gone: string | undefined;

  static open(flags: readonly string[], env: Readonly<Record<string, string>>): Lane {
    return new Lane(flags, env);
  }

  private constructor(flags: readonly string[], env: Readonly<Record<string, string>>) {
    // The child's standard output goes to standard error: the parent's own may be one JSON document and nothing else.
    this.#child = fork(CHILD, [], {
      execArgv: [...process.execArgv, ...flags],
      env: { ...process.env, ...env },
      stdio: ['ignore', process.stderr, process.stderr, 'ipc'],
    });
    this.#child.on('message', (reply) => this.#settle(reply as Reply));
    this.#child.on('error', (error) => this.#end(error.message));
    this.#child.on('exit', (code, signal) => this.#end(`its process ended with ${signal ?? `exit code ${code}`}`));
  }

  /** One request at a time. Never rejects: a child that dies or does not answer within `limitMs` gives `failed`. */
  ask(request: Request, limitMs: number): Promise<Reply> {
    if (this.#gone !== undefined) return Promise.resolve({ kind: 'failed', why: this.#gone });
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#end(`no answer in ${limitMs / 1000} s`);
        this.#child.kill('SIGKILL');
      }, limitMs);
      this.#answer = (reply) => {
        clearTimeout(timer);
        resolve(reply);
      };
      this.#child.send(request);
    });
  }

  close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      // A contender may have a million timers pending or a thread parked; nothing of it is worth an orderly end. The
      // child passes the news to processes it started itself when its channel closes.
      if (this.#child.connected) this.#child.disconnect();
      else this.#child.kill('SIGKILL');
    });
  }

  #settle(reply: Reply): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(reply);
  }

  #end(why: string): void {
    this.#gone ??= why;
    this.#settle({ kind: 'failed', why });
  }
}
