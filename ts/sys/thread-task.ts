// What a thread can be given to run, and what comes back from it.
//
// Threads share no objects. A function reaches one in one of two ways: by name, as the export of a module that the thread
// loads itself; or as text, which sees nothing of where it was written. Arguments and results are copied by the structured clone
// algorithm, or moved.

import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transferableSymbol, valueSymbol } from 'piscina';
import { describe, wrongType } from '../core/arguments.ts';
import { GeventError } from '../exceptions.ts';
import type { SentError, SentTask } from './thread-worker.ts';

/** A function that a thread finds by itself. Made by `fromModule`. */
export interface ModuleFunction<A extends unknown[] = any[], R = any> {
  /** URL of the module. */
  readonly module: string;
  /** Its export. */
  readonly name: string;
  /** @internal For the types: never there. */
  readonly $type?: (...args: A) => R;
}

/** What a thread can run: a function by module and name, or a plain or async function that needs nothing but its arguments. */
export type ThreadFunction<A extends unknown[] = any[], R = any> = ModuleFunction<A, R> | ((...args: A) => R);

/** A task cannot be sent to a thread, or its result back. */
export class TaskError extends GeventError {
  static override readonly name: string = 'TaskError';
}

/**
 * A function for threads, by module and export. The thread loads the module once and keeps it, with all the state that it has.
 *
 *     const hash = fromModule<typeof import('./work.js').hash>(new URL('./work.js', import.meta.url), 'hash');
 *     const result = yield* pool.spawn(hash, bytes);
 *
 * @param module - a URL, an absolute path, or a module of Node's (`node:zlib`)
 * @param name - the export. Default `'default'`
 * @throws TypeError if it is none of these; a relative path could be relative to anything
 */
export function fromModule<F extends (...args: any[]) => any = (...args: any[]) => any>(
  module: URL | string,
  name = 'default',
): ModuleFunction<Parameters<F>, ReturnType<F>> {
  const url = module instanceof URL ? module.href : module;
  if (typeof url !== 'string' || url === '') {
    throw wrongType('fromModule(module)', 'a URL or an absolute path', module);
  }
  if (typeof name !== 'string' || name === '') {
    throw wrongType('fromModule(name)', 'the name of an export', name);
  }
  if (isAbsolute(url)) return { module: pathToFileURL(url).href, name };
  if (/^(file|data|node):/.test(url)) return { module: url, name };
  throw new TypeError(
    `fromModule(module): expected a URL, an absolute path or a module of Node's, got ${describe(module)}: new URL(${describe(module)}, import.meta.url) is relative to this file`,
  );
}

const texts = new WeakMap<object, string>();

/** @internal Refuse what no thread could run, where the caller is. */
export function checkTask(fn: unknown, where: string): void {
  if (typeof fn === 'function') textOf(fn as () => unknown, where);
  else if (typeof (fn as ModuleFunction)?.module !== 'string' || typeof (fn as ModuleFunction).name !== 'string') {
    throw wrongType(where, 'a function or fromModule()', fn);
  }
}

/** The text of a function, if that is all there is to it. */
function textOf(fn: (...args: any[]) => unknown, where: string): string {
  let text = texts.get(fn);
  if (text !== undefined) return text;
  text = Function.prototype.toString.call(fn);
  const why = unsendable(fn, text);
  if (why !== null) {
    const name = fn.name || 'an anonymous function';
    throw new TaskError('GEVENT_TASK_UNSENDABLE', `${where}: ${name} cannot be sent to a thread: ${why}`);
  }
  texts.set(fn, text);
  return text;
}

function unsendable(fn: (...args: any[]) => unknown, text: string): string | null {
  const kind = Object.prototype.toString.call(fn);
  if (/Generator/.test(kind)) return 'it is a generator function, and a thread runs plain and async functions';
  if (/\{\s*\[native code\]\s*\}$/.test(text))
    return "it is bound or the platform's own: export a function from a module and use fromModule()";
  if (/^class\b/.test(text)) return 'it is a class';
  try {
    new Function(`'use strict'; return (${text}\n)`);
    return null;
  } catch {
    return 'its text is no function by itself (a method, perhaps): use a function or an arrow function';
  }
}

/** @internal As it is sent, and what is moved with it. */
export function pack(fn: ThreadFunction, args: unknown[]): { task: SentTask; transferList: ArrayBuffer[] } {
  const transferList: ArrayBuffer[] = [];
  const sent = args.map((arg) => {
    if (!isMoved(arg)) return arg;
    transferList.push(...[arg[transferableSymbol]].flat());
    return arg[valueSymbol];
  });
  const task: SentTask =
    typeof fn === 'function'
      ? { source: textOf(fn, 'ThreadPool'), module: null, name: fn.name || 'anonymous', args: sent }
      : { source: null, module: fn.module, name: fn.name, args: sent };
  return { task, transferList };
}

function isMoved(value: unknown): value is Record<symbol, any> {
  return typeof value === 'object' && value !== null && transferableSymbol in value && valueSymbol in value;
}

/** @internal For messages: what a task runs. */
export function nameOf(fn: ThreadFunction): string {
  return typeof fn === 'function' ? fn.name || 'anonymous' : `${fn.name} of ${fn.module}`;
}

/** @internal True if a task sent back how it failed. */
export function isSentError(value: unknown): value is SentError {
  return typeof value === 'object' && value !== null && (value as SentError)['gevent-wasm:failed'] === true;
}

const CLASSES: Record<string, new (message?: string) => Error> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** @internal What the task threw, made again: of its class if that is one of the language's, else an Error of its name. */
export function received({ error, value }: SentError): unknown {
  if (error === null) return value;
  const { name, message, stack, cause, errors, own } = error;
  const made =
    errors === null ? new (CLASSES[name] ?? Error)(message) : new AggregateError(errors.map(received), message);
  if (made.name !== name) hide(made, 'name', name);
  hide(made, 'stack', stack);
  if (cause !== null) hide(made, 'cause', received(cause));
  for (const key of Object.keys(own)) if (key !== 'errors') (made as any)[key] = own[key];
  return made;
}

function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true });
}

/** @internal What became of a task that the thread itself could not tell. */
export function lost(error: unknown, fn: ThreadFunction): unknown {
  const { name, message } = error as Error;
  return name === 'DataCloneError'
    ? new TaskError('GEVENT_TASK_ARGUMENTS', `${nameOf(fn)}: its arguments cannot be sent: ${message}`, {
        cause: error,
      })
    : new TaskError('GEVENT_THREAD_DIED', `${nameOf(fn)}: its thread ended before it: ${message}`, { cause: error });
}
