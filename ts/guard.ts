// withTimeout, defer, use: a block with an end that is kept.

import { needFunction, needOptions, wrongType } from './core/arguments.ts';
import { Framed } from './framed.ts';
import { type GeneratorBody, Greenlet, type OtherBody } from './gevent-greenlet.ts';
import { Operation } from './hub/operation.ts';
import type { Park } from './hub/protocol.ts';
import { waitingGreenlet } from './hub/raw.ts';
import { type Limit, Timeout } from './timeout.ts';
import { settle } from './unwind.ts';

function* guarded(
  limit: Limit,
  fn: (...args: any[]) => unknown,
  args: unknown[],
  fallback: { value: unknown } | null,
): Generator<Park, any, any> {
  const timeout = Timeout.startNew(limit);
  try {
    return yield* settle(fn(...args));
  } catch (error) {
    if (error === timeout && fallback !== null) return fallback.value;
    throw error;
  } finally {
    timeout.cancel();
  }
}

/**
 * Run `fn(...args)` and raise Timeout in it after `seconds`. Switch point if `fn` switches.
 * With `timeoutValue` in the options that value is given instead, if it was this timeout and no other that ended it.
 *
 *     const page = yield* withTimeout(2, fetchPage, url);
 *     const page = yield* withTimeout({ seconds: 2, timeoutValue: null }, fetchPage, url);
 *
 * In a generator body `fn` runs in the current greenlet; with `await` in one of its own, which ends with the wait.
 * @see `gevent.with_timeout`, the source. Differs: `timeout_value` is given in front, so that arguments stay the last.
 */
export function withTimeout<A extends unknown[], R>(seconds: Limit, fn: GeneratorBody<A, R>, ...args: A): Operation<R>;
/** Run the async or plain function `fn(...args)` and raise Timeout in it after `seconds`. */
export function withTimeout<A extends unknown[], R>(
  seconds: Limit,
  fn: OtherBody<A, R>,
  ...args: A
): Operation<Awaited<R>>;
/** Run `fn(...args)` for `seconds` at most: then end it by a Timeout and give `timeoutValue`. */
export function withTimeout<A extends unknown[], R, V>(
  limit: { seconds: Limit; timeoutValue: V },
  fn: GeneratorBody<A, R>,
  ...args: A
): Operation<R | V>;
/** Run `fn(...args)` for `seconds` at most: then end it by a Timeout and give `timeoutValue`. */
export function withTimeout<A extends unknown[], R, V>(
  limit: { seconds: Limit; timeoutValue: V },
  fn: OtherBody<A, R>,
  ...args: A
): Operation<Awaited<R> | V>;
export function withTimeout(
  limit: Limit | { seconds: Limit; timeoutValue?: unknown },
  fn: (...args: any[]) => unknown,
  ...args: unknown[]
): Operation<any> {
  needFunction('withTimeout(seconds, fn)', fn);
  let seconds: Limit = limit as Limit;
  let fallback: { value: unknown } | null = null;
  if (limit !== null && typeof limit === 'object' && !(limit instanceof Timeout) && 'seconds' in limit) {
    if (!('timeoutValue' in limit)) {
      throw wrongType('withTimeout(seconds, fn)', 'a number of seconds or { seconds, timeoutValue }', limit);
    }
    needOptions('withTimeout(options)', limit, ['seconds', 'timeoutValue']);
    seconds = limit.seconds as Limit;
    fallback = { value: limit.timeoutValue };
  }
  // Refuse bad seconds here, where the caller is.
  if (!(seconds instanceof Timeout)) new Timeout(seconds);
  return new Framed(`withTimeout of ${fn.name || 'anonymous'}`, () => guarded(seconds, fn, args, fallback));
}

/** Have the current greenlet run `fn` at its end. */
function register(fn: () => unknown, what: string): void {
  const greenlet = waitingGreenlet();
  if (!(greenlet instanceof Greenlet)) {
    throw new TypeError(`${what}: works in a Greenlet; elsewhere use try and finally`);
  }
  const more = greenlet.$extras();
  more.deferred ??= [];
  more.deferred.push(fn);
}

class Defer extends Operation<void> {
  readonly #fn: () => unknown;

  constructor(fn: () => unknown) {
    super();
    this.#fn = fn;
  }

  describe(): string {
    return 'defer';
  }

  begin(): boolean {
    register(this.#fn, 'defer(fn)');
    return true;
  }

  complete(): void {}
}

/**
 * Have `fn` run when the current greenlet ends, however it ends: latest first, before its links are told. `fn` may be a
 * generator function and block; a kill meanwhile does not stop it. Its errors are reported. Never a switch point.
 *
 *     yield* defer(() => connection.close());
 *
 * @throws TypeError if `fn` is not a function, or outside a Greenlet
 */
export function defer(fn: () => unknown): Operation<void> {
  needFunction('defer(fn)', fn);
  return new Defer(fn);
}

/** What `use` takes. */
export type Resource =
  | { [Symbol.dispose](): void }
  | { [Symbol.asyncDispose](): PromiseLike<void> }
  | { close(): unknown };

class Use<T extends Resource> extends Operation<T> {
  readonly #resource: T;

  constructor(resource: T) {
    super();
    this.#resource = resource;
  }

  describe(): string {
    return 'use';
  }

  begin(): boolean {
    const resource = this.#resource as any;
    const end = resource[Symbol.asyncDispose] ?? resource[Symbol.dispose] ?? resource.close;
    register(() => end.call(resource), 'use(resource)');
    return true;
  }

  complete(): T {
    return this.#resource;
  }
}

/**
 * Dispose of `resource` when the current greenlet ends, however it ends; gives it back. `await using` for generator bodies,
 * where it is a syntax error. Calls `[Symbol.asyncDispose]`, `[Symbol.dispose]` or `close`, and blocks on what they give.
 *
 *     const socket = yield* use(connect(port));
 */
export function use<T extends Resource>(resource: T): Operation<T> {
  const any = resource as any;
  if (
    any === null ||
    typeof any !== 'object' ||
    ![any[Symbol.asyncDispose], any[Symbol.dispose], any.close].some((end) => typeof end === 'function')
  ) {
    throw wrongType('use(resource)', 'something disposable or with close()', resource);
  }
  return new Use(resource);
}
