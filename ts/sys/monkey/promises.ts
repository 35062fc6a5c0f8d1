// Promises in generator bodies: `yield* promise`. And promises whose work ends when whoever waits for them is killed or timed out.

import { inspect } from 'node:util';
import { active } from '../../hub/current.ts';
import type { Park } from '../../hub/protocol.ts';
import { abortable, until } from '../../until.ts';

type AnyFunction = (...args: any[]) => any;

/** What `Promise.prototype[Symbol.iterator]` is under the patch. */
export function iterate(this: PromiseLike<unknown>): Iterator<Park, unknown, any> {
  return until(this)[Symbol.iterator]();
}

Object.defineProperty(iterate, 'name', { value: '[Symbol.iterator]' });
ours(iterate);

/** Where a function takes options that may have a signal. */
export type Place = number | ((args: readonly any[]) => number);

/** True in the body of a greenlet: what is made here can be waited for by `yield*`. */
export function inBody(): boolean {
  return active !== null && !active.inCallback();
}

/** Behind other arguments, where the last one that is an object is the options: `pipeline(...streams, options)`. */
export function lastOptions(args: readonly any[]): number {
  const last: unknown = args[args.length - 1];
  const plain = typeof last === 'object' && last !== null && Object.getPrototypeOf(last) === Object.prototype;
  return plain ? args.length - 1 : args.length;
}

/** The arguments with `signal` among the options, beside the caller's own; null if they are not such that it can be. */
export function withSignal(args: readonly any[], place: Place, signal: AbortSignal): any[] | null {
  const at = typeof place === 'number' ? place : place(args);
  const given: unknown = args[at];
  // An encoding stands for options in some; what is wrong the original refuses.
  const options = typeof given === 'string' ? { encoding: given } : (given ?? {});
  if (typeof options !== 'object') return null;
  const own: unknown = (options as { signal?: unknown }).signal;
  if (own !== undefined && own !== null && !(own instanceof AbortSignal)) return null;
  const all = [...args];
  while (all.length < at) all.push(undefined);
  all[at] = { ...options, signal: own instanceof AbortSignal ? AbortSignal.any([own, signal]) : signal };
  return all;
}

/** Have it shown as ours. */
export function ours<F extends AnyFunction>(fn: F): F {
  Object.defineProperty(fn, inspect.custom, { value: () => `[Function: ${fn.name} of gevent-wasm/monkey]` });
  return fn;
}

/** Give `replacement` the properties of `original`: its name, its promise form, and what else hangs on it. */
export function dress<F extends AnyFunction>(replacement: AnyFunction, original: F): F {
  for (const key of Reflect.ownKeys(original)) {
    if (key === 'prototype') continue;
    const mine = Object.getOwnPropertyDescriptor(replacement, key);
    if (mine === undefined || mine.configurable)
      Object.defineProperty(replacement, key, Object.getOwnPropertyDescriptor(original, key) as PropertyDescriptor);
  }
  return ours(replacement as F);
}

/**
 * `original`, which takes `{ signal }` and gives a promise. Called in a body it gives one whose work is aborted when whoever waits for it
 * by `yield*` is killed or timed out. Called anywhere else it is what it was: a promise's maker cannot know who will wait for it.
 */
export function aborting<F extends AnyFunction>(original: F, place: Place): F {
  return dress(function (this: unknown, ...args: any[]): unknown {
    if (!inBody()) return original.apply(this, args);
    const controller = new AbortController();
    const all = withSignal(args, place, controller.signal);
    if (all === null) return original.apply(this, args);
    return abortable(original.apply(this, all) as PromiseLike<unknown>, () => controller.abort());
  }, original);
}
