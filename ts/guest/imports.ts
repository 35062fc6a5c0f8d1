// What a guest is given to import.

import { needFunction, wrongType } from '../core/arguments.ts';
import { sleep } from '../sleep.ts';

/** Values by module and name, as for WebAssembly.instantiate; functions that block are marked by `blocking`. */
export type Imports = Record<string, Record<string, ImportValue>>;
export type ImportValue =
  | Blocking
  | ((...args: any[]) => unknown)
  | WebAssembly.Memory
  | WebAssembly.Table
  | WebAssembly.Global
  | WebAssembly.Tag
  | number
  | bigint;

/** Made by `blocking(fn)`. */
export class Blocking {
  /** @internal */ readonly fn: (...args: any[]) => unknown;

  constructor(fn: (...args: any[]) => unknown) {
    this.fn = fn;
  }
}

/**
 * An import at which the guest's greenlet waits: `fn` returns an operation (`sleep(1)`, `queue.get()`) or a promise, and
 * the guest gets what that gives, or its error. Other greenlets run meanwhile. A plain value is passed on at once.
 *
 *     load(bytes, { imports: { env: { recv: blocking((fd) => sockets[fd].recv()) } } })
 *
 * `this` in `fn` is the greenlet. Several results are an array.
 * @throws TypeError if `fn` is no function, or one that could not be started: a generator function
 */
export function blocking(fn: (...args: any[]) => unknown): Blocking {
  needFunction('blocking(fn)', fn);
  if (/GeneratorFunction$/.test(fn.constructor.name)) {
    throw new TypeError(
      'blocking(fn): expected a function that returns an operation or a promise, got a generator function',
    );
  }
  return new Blocking(fn);
}

/** @internal An import that only lets others run, which the engine does without JavaScript. Its results are nought. */
export class Yielding extends Blocking {}

/** @internal */
export const yielding: Blocking = new Yielding(() => sleep(0));

const directs = new WeakSet<object>();

/**
 * An import that is linked as it is, which saves 4 ns a call: `fn` must not use gevent, nor call back into the guest what
 * might block. Exports of other modules are such functions.
 *
 * A table of functions has to be marked so for guests on wasmfx, on V8 before 15: none of its functions may be one that JSPI suspends
 * (an import made by `WebAssembly.Suspending`), at which the engine would end the process.
 */
export function direct<F extends ((...args: any[]) => unknown) | WebAssembly.Table>(it: F): F {
  if (typeof it !== 'function' && !((it as unknown) instanceof WebAssembly.Table)) {
    throw wrongType('direct(fn)', 'a function or a table', it);
  }
  directs.add(it);
  return it;
}

export function isDirect(fn: object): boolean {
  return directs.has(fn);
}

let probe: WebAssembly.Table | null = null;

/** True for a function that is another module's: only those go into a table. */
export function isExported(fn: unknown): boolean {
  probe ??= new WebAssembly.Table({ element: 'anyfunc', initial: 1 });
  try {
    probe.set(0, fn as () => void);
    probe.set(0, null);
    return true;
  } catch {
    return false;
  }
}
