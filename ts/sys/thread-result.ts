// What a task in a thread will give.

import { AsyncResult } from '../event.ts';
import { nameOf, type ThreadFunction } from './thread-task.ts';
import type { ThreadPool } from './threads.ts';

/** Where a task is. */
export const Task = { WAITING: 0, RUNNING: 1, SETTLED: 2 } as const;

/** What a task will give: an AsyncResult that can call the task off. */
export class ThreadResult<T = unknown> extends AsyncResult<T> {
  /** @internal */ readonly $fn: ThreadFunction;
  /** @internal */ $args: unknown[];
  /** @internal Its error is told by somebody else. */ readonly $quiet: boolean;
  /** @internal */ $state: number = Task.WAITING;
  /** @internal */ $controller: AbortController | null = null;
  /** @internal */ readonly $pool: ThreadPool;
  #cancelled = false;

  /** @internal */
  constructor(pool: ThreadPool, fn: ThreadFunction, args: unknown[], quiet: boolean) {
    super();
    this.$pool = pool;
    this.$fn = fn;
    this.$args = args;
    this.$quiet = quiet;
  }

  /** @internal */
  override describe(): string {
    return `ThreadResult.get of ${nameOf(this.$fn)}`;
  }

  /** True while a thread runs it. */
  running(): boolean {
    return this.$state === Task.RUNNING;
  }

  /**
   * Call the task off: one that waits is dropped; one that runs is stopped by ending its thread, wherever it is. Who waits for the result gets
   * a TaskError, `GEVENT_TASK_CANCELLED`. Never a switch point.
   * @returns false if it is over already
   */
  override cancel(): boolean {
    if (this.$state === Task.SETTLED) return false;
    this.#cancelled = true;
    this.$pool.$cancel(this);
    return true;
  }

  /** True if it was called off. */
  override cancelled(): boolean {
    return this.#cancelled;
  }

  override toString(): string {
    return `<ThreadResult of ${nameOf(this.$fn)} ${this.ready() ? 'ready' : this.running() ? 'running' : 'waiting'}>`;
  }
}
