// call(fn, ...args): a frame on the greenlet's own stack instead of the JavaScript engine's. Resuming through a chain of
// live `yield*` costs 18 ns a level; frames kept here cost nothing while they wait, and depth is bounded by memory alone.

import { wrongType } from '../core/arguments.ts';
import { isControl } from '../exceptions.ts';
import { active, debugging } from './current.ts';
import type { Hub } from './hub.ts';
import { HUB_FOLDER } from './library.ts';
import { SingleUse } from './operation.ts';
import { type Body, CALL, isBody, type Park, RESUME } from './protocol.ts';

class Call<T> extends SingleUse<T> {
  readonly #fn: (...args: any[]) => Generator<Park, T, any>;
  readonly #args: unknown[];

  constructor(fn: (...args: any[]) => Generator<Park, T, any>, args: unknown[]) {
    super();
    this.#fn = fn;
    this.#args = args;
  }

  describe(): string {
    return `call(${this.#fn.name || 'anonymous'})`;
  }

  override next(sent?: unknown): IteratorResult<Park, T> {
    const hub = active;
    if (hub === null) return super.next(sent);
    if (sent === RESUME) return { done: true, value: hub.takeFrameValue() as T };
    this.use();
    if (debugging) hub.debug.consumed(this);
    const fn = this.#fn;
    const body: unknown = fn(...this.#args);
    if (!isBody(body)) return { done: true, value: body as T };
    hub.callee = body as Body;
    return CALL;
  }

  override throw(error: unknown): IteratorResult<Park, T> {
    throw withCallers(error, Call.prototype.throw);
  }

  begin(_hub: Hub, _slot: number): boolean {
    throw new TypeError(`${this.describe()}: call() belongs in a generator body; elsewhere spawn(fn).get()`);
  }

  complete(): T {
    return undefined as T;
  }
}

/**
 * Run a generator function as a frame of the current greenlet: `const v = yield* call(fn, ...args)`. Means what
 * `yield* fn(...args)` means, at a cost per switch that does not grow with depth. Worth it from two levels on.
 *
 * @returns what `fn` returns; its errors are thrown here, with the callers' frames added to their stack
 * @throws TypeError if `fn` is not a function
 */
export function call<A extends unknown[], T>(fn: (...args: A) => Generator<Park, T, any>, ...args: A): Call<T> {
  if (typeof fn !== 'function') throw wrongType('call(fn)', 'a generator function', fn);
  return new Call(fn, args);
}

export type { Call };

/** The frames above `from` on the JavaScript stack are the caller's: add the first of them to the error's own stack. */
function withCallers(error: unknown, from: (...args: any[]) => unknown): unknown {
  if (!(error instanceof Error) || isControl(error) || typeof error.stack !== 'string') return error;
  // One line a frame, up to a screenful: a deep recursion must not pay for a stack nobody reads.
  if (Error.captureStackTrace === undefined || error.stack.length > 8192) return error;
  const here: { stack?: string } = {};
  Error.captureStackTrace(here, from);
  // The first line says "Error". Behind it, down to the loop, are the bodies that wait in `yield*`, the innermost first.
  const lines = (here.stack ?? '').split('\n').slice(1);
  const end = lines.findIndex((line) => line.includes(HUB_FOLDER));
  const callers = (end === -1 ? lines.slice(0, 1) : lines.slice(0, end)).filter(
    (line) => !line.includes('(<anonymous>)'),
  );
  try {
    // What stands between the body that threw and its caller is this library's loop; below that, whoever had it run.
    const thrown = error.stack.split('\n');
    const loop = thrown.findIndex(
      (line, i) => i > 0 && line.includes(HUB_FOLDER) && thrown[i - 1].includes('(<anonymous>)'),
    );
    const inner = thrown.slice(0, loop === -1 ? thrown.length : loop).filter((line) => !line.includes(HUB_FOLDER));
    error.stack = `${inner.join('\n')}\n${callers.join('\n')}`;
  } catch {
    // A frozen error keeps the stack it has.
  }
  return error;
}
