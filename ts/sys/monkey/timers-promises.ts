// node:timers/promises on the patched timers.

import { addAbortListener } from 'node:events';
import { promisify } from 'node:util';
import { abortable } from '../../until.ts';
import { inBody, ours } from './promises.ts';
import { patched, type Timeout } from './timers.ts';

const platform = process.getBuiltinModule('node:timers/promises');
const original = {
  setTimeout: platform.setTimeout,
  setInterval: platform.setInterval,
  setImmediate: platform.setImmediate,
};

interface Options {
  signal?: AbortSignal;
  ref?: boolean;
}

/** As Node's: the same name, code and cause. */
function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}

/** False: let Node say what is wrong with them. */
function valid(delay: unknown, options: Options | undefined): boolean {
  if (delay !== undefined && typeof delay !== 'number') return false;
  if (options === undefined) return true;
  if (typeof options !== 'object' || options === null) return false;
  const { signal, ref } = options;
  return (signal === undefined || signal instanceof AbortSignal) && (ref === undefined || typeof ref === 'boolean');
}

/** A promise that `start` settles later, given what cancels that; in a body it is cancelled when its waiter leaves, too. */
function pending<T>(value: T, signal: AbortSignal | undefined, start: (done: () => void) => () => void): Promise<T> {
  if (signal?.aborted) return Promise.reject(abortError(signal));
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let listening: Disposable | null = null;
  const stop = start(() => {
    listening?.[Symbol.dispose]();
    resolve(value);
  });
  if (signal !== undefined) {
    listening = addAbortListener(signal, () => {
      stop();
      reject(abortError(signal));
    });
  }
  if (!inBody()) return promise;
  return abortable(promise, () => {
    listening?.[Symbol.dispose]();
    stop();
  });
}

function setTimeout<T = void>(delay?: number, value?: T, options?: Options): Promise<T> {
  if (!valid(delay, options)) return original.setTimeout(delay, value, options) as Promise<T>;
  return pending(value as T, options?.signal, (done) => {
    const timer = patched.setTimeout(done, delay) as Timeout;
    if (options?.ref === false) timer.unref();
    return () => timer.close();
  });
}

function setImmediate<T = void>(value?: T, options?: Options): Promise<T> {
  if (!valid(undefined, options)) return original.setImmediate(value, options) as Promise<T>;
  return pending(value as T, options?.signal, (done) => {
    const immediate = patched.setImmediate(done);
    if (options?.ref === false) (immediate as NodeJS.Immediate).unref();
    return () => patched.clearImmediate(immediate);
  });
}

async function* setInterval<T = void>(delay?: number, value?: T, options?: Options): AsyncGenerator<T, void> {
  if (!valid(delay, options)) return yield* original.setInterval(delay, value, options);
  const { signal, ref } = options ?? {};
  if (signal?.aborted) throw abortError(signal);
  let ticks = 0;
  let wake: PromiseWithResolvers<void> | null = null;
  const interval = patched.setInterval(() => {
    ++ticks;
    wake?.resolve();
  }, delay) as Timeout;
  if (ref === false) interval.unref();
  const listening = signal === undefined ? null : addAbortListener(signal, () => wake?.resolve());
  try {
    for (;;) {
      if (ticks === 0 && !signal?.aborted) {
        wake = Promise.withResolvers();
        await wake.promise;
        wake = null;
      }
      if (signal?.aborted) throw abortError(signal);
      for (; ticks > 0; --ticks) yield value as T;
    }
  } finally {
    interval.close();
    listening?.[Symbol.dispose]();
  }
}

export const timersPromises = { setTimeout, setInterval, setImmediate };

/** `timers/promises.scheduler`. */
export const scheduler = {
  wait: (delay?: number, options?: Options): Promise<void> => setTimeout(delay, undefined, options),
  yield: (): Promise<void> => setImmediate(),
};

// As Node's have it.
Object.defineProperty(patched.setTimeout, promisify.custom, { enumerable: true, get: () => setTimeout });
Object.defineProperty(patched.setImmediate, promisify.custom, { enumerable: true, get: () => setImmediate });
for (const functions of [patched, timersPromises, scheduler]) Object.values(functions).forEach(ours);
