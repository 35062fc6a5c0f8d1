// TaskGroup: a scope that owns greenlets. It ends when all of them have ended, and the first that fails ends the others.
//
//   T1  nobody outlives the scope: whatever ends it (a result, a failure, a kill, a Timeout) ends its greenlets first
//   T2  an error is told once: it is among the errors of the AggregateError, or, if something else is raised, reported

import { describe, needFunction, needOptions, TIMEOUT } from './core/arguments.ts';
import { Event } from './event.ts';
import { GeventError, GreenletExit, isControl } from './exceptions.ts';
import { Framed } from './framed.ts';
import { kill } from './gevent.ts';
import { type GeneratorBody, Greenlet, type OtherBody, type ResultOf } from './gevent-greenlet.ts';
import { collectEnd, type SoleCollector } from './greenlet-links.ts';
import { debugging } from './hub/current.ts';
import type { Operation } from './hub/operation.ts';
import type { Park } from './hub/protocol.ts';
import { waitingGreenlet } from './hub/raw.ts';
import { hubHere, limitMs } from './limit.ts';
import { shield } from './shield.ts';
import { type Limit, Timeout } from './timeout.ts';

export interface TaskGroupOptions {
  /** Seconds for the whole scope, or a Timeout or Deadline; then its greenlets are killed and it is raised. Default: no limit. */
  timeout?: Limit;
}

/**
 * A scope that owns greenlets (a nursery): it waits for all, kills the rest when one fails, and raises an AggregateError of
 * the failures. A greenlet that is killed has not failed.
 *
 *     const total = yield* TaskGroup.run(function* (group) {
 *       const a = group.spawn(fetchPage, 1);
 *       const b = group.spawn(fetchPage, 2);
 *       return (yield* a.get()) + (yield* b.get());
 *     });
 *
 * In async code also `await using group = new TaskGroup()`: the end of the block waits for all. It cannot know that the block
 * threw, so then they are waited for as well; `TaskGroup.run` kills them.
 */
export class TaskGroup {
  readonly #members = new Set<Greenlet<any>>();
  readonly #empty = new Event();
  readonly #limit: Limit;
  readonly #collector: SoleCollector;
  #errors: unknown[] = [];
  #ending = false;
  #closed = false;
  #count = 0;
  #controller: AbortController | null = null;

  constructor(options: TaskGroupOptions = {}) {
    needOptions('TaskGroup(options)', options, TIMEOUT);
    this.#limit = options.timeout ?? null;
    limitMs(this.#limit, 'TaskGroup(timeout)');
    this.#empty.set();
    this.#collector = { found: (g) => this.#ended(g), ended: () => true, linked() {} };
  }

  /**
   * Run `body(group)` in a greenlet of a new group, and wait for it and all others: gives what it returns. Killed or timed out, the
   * waiting greenlet first kills the group and waits for its end. Switch point.
   * @throws AggregateError of what failed; a control exception that left `body`, such as its own Timeout, as it is
   */
  static run<R>(body: (group: TaskGroup) => R, options: TaskGroupOptions = {}): Operation<ResultOf<R>> {
    needFunction('TaskGroup.run(body)', body);
    const group = new TaskGroup(options);
    return new Framed('TaskGroup', () => group.#scope(body));
  }

  /**
   * Run `fn(...args)` in a greenlet of the group. Never a switch point. Its failure is the group's and not reported.
   * @throws GeventError `GEVENT_TASK_GROUP_CLOSED` if the scope has ended, or is ending because of a failure
   */
  spawn<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
  spawn<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Greenlet<Awaited<R>>;
  spawn(fn: (...args: any[]) => any, ...args: unknown[]): Greenlet<any> {
    needFunction('spawn(fn)', fn);
    if (this.#closed || this.#ending) {
      throw new GeventError(
        'GEVENT_TASK_GROUP_CLOSED',
        `${this} ${this.#closed ? 'has ended' : 'is ending'}: nothing can be spawned in it`,
      );
    }
    const greenlet = new Greenlet<any>(fn, ...args);
    // Bound by what bounds the spawner, so that `currentDeadline()` is right in it.
    waitingGreenlet().$more?.deadline?.$inherit(greenlet);
    greenlet.$quiet = true;
    collectEnd(greenlet, this.#collector);
    this.#members.add(greenlet);
    ++this.#count;
    this.#empty.clear();
    greenlet.start();
    return greenlet;
  }

  /** Kill all its greenlets; the scope ends without an error. The order is given at once; waits for their ends. */
  kill(): Operation<void> {
    this.#killAll();
    const wait = new Framed<void>('TaskGroup.kill', () => this.#emptied());
    if (debugging) hubHere().debug.consumed(wait);
    return wait;
  }

  /** Wait for all its greenlets; afterwards the group is closed. Switch point, unless there are none. */
  join(): Operation<void> {
    return new Framed<void>('TaskGroup.join', () => this.#scope(null));
  }

  /** Aborts when a greenlet of the group has failed, or it is killed. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#ending) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Greenlets that have not ended. */
  get length(): number {
    return this.#members.size;
  }

  [Symbol.iterator](): Iterator<Greenlet<any>> {
    return this.#members[Symbol.iterator]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.join();
  }

  toString(): string {
    return `<TaskGroup of ${this.#members.size}>`;
  }

  #ended(greenlet: Greenlet<any>): false {
    this.#members.delete(greenlet);
    if (!greenlet.successful()) {
      this.#errors.push(greenlet.exception);
      this.#killAll();
    }
    if (this.#members.size === 0) this.#empty.set();
    return false;
  }

  #killAll(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#controller?.abort();
    for (const greenlet of this.#members) kill(greenlet);
  }

  *#emptied(): Generator<Park, void, any> {
    yield* this.#empty.wait();
  }

  *#scope(fn: ((group: TaskGroup) => unknown) | null): Generator<Park, any, any> {
    const timeout = Timeout.startNew(this.#limit);
    let body: Greenlet<any> | null = null;
    try {
      if (fn !== null) body = this.spawn(fn as OtherBody<[TaskGroup], unknown>, this);
      yield* this.#empty.wait();
    } catch (error) {
      // T1: a kill or a Timeout of whoever waits here.
      this.#killAll();
      yield* shield(() => this.#emptied());
      // A Deadline that they inherited is what is raised here, and told by that.
      for (const each of this.#errors) if (each !== error) hubHere().$route(this, each);
      throw error;
    } finally {
      timeout.cancel();
      this.#closed = true;
    }
    return this.#outcome(body);
  }

  #outcome(body: Greenlet<any> | null): unknown {
    const errors = this.#errors;
    this.#errors = [];
    const left = body === null || body.successful() ? undefined : body.exception;
    if (isControl(left)) {
      for (const each of errors) if (each !== left) hubHere().$route(this, each);
      throw left;
    }
    if (errors.length > 0) {
      throw new AggregateError(
        errors,
        `${errors.length} of ${this.#count} greenlets of a TaskGroup failed: ${summary(errors)}`,
      );
    }
    const value = body?.value;
    // Killed by somebody, or by kill(): there is no result.
    return value instanceof GreenletExit ? undefined : value;
  }
}

function summary(errors: unknown[]): string {
  const first = errors[0];
  return `${first instanceof Error ? `${first.name}: ${first.message}` : describe(first)}${errors.length > 1 ? ', …' : ''}`;
}
