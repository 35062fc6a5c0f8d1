// What a function gave, waited for; and what a greenlet deferred, run at its end.

import { isOperation } from './hub/operation.ts';
import { type Body, isBody, PARK, type Park } from './hub/protocol.ts';
import type { RawGreenlet } from './hub/raw.ts';
import { until } from './until.ts';

/** Whatever a function gave, waited for: generators run, operations and promises are blocked on. */
export function* settle(result: unknown): Generator<Park, unknown, any> {
  if (isBody(result)) return yield* result;
  if (isOperation(result)) return yield* result;
  if (isThenable(result)) return yield* until(result);
  return result;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && typeof (value as PromiseLike<unknown>).then === 'function';
}

/** Run what was deferred, latest first. Errors are reported; an exception thrown in meanwhile ends only the one that blocks. */
export function unwind(greenlet: RawGreenlet, deferred: (() => unknown)[]): Body {
  const body = unwinding(greenlet, deferred);
  // Begun here: an exception thrown in before its turn comes would end a generator that has not begun, and no cleanup run.
  body.next();
  return body;
}

function* unwinding(greenlet: RawGreenlet, deferred: (() => unknown)[]): Generator<Park, void, any> {
  try {
    yield PARK.value;
  } catch (error) {
    greenlet.$hub.$route(greenlet, error);
  }
  for (let fn = deferred.pop(); fn !== undefined; fn = deferred.pop()) {
    try {
      yield* settle(fn());
    } catch (error) {
      greenlet.$hub.$route(greenlet, error);
    }
  }
}

const AsyncFunction = (async () => {}).constructor as new () => object;

/** An async function, also one of another realm: what is typed into a REPL is. */
export function isAsync(fn: unknown): boolean {
  if (fn instanceof AsyncFunction) return true;
  return !(fn instanceof Function) && (fn as object).constructor?.name === 'AsyncFunction';
}
