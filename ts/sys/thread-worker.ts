// What runs in a thread of a ThreadPool: piscina loads this file there and calls `run` with each task. It imports nothing of this
// library, so that a thread costs no more than it must.

/** A task as it is sent. */
export interface SentTask {
  /** Text of a function, or null. */
  readonly source: string | null;
  /** URL of a module, if it is not a text. */
  readonly module: string | null;
  /** The export of that module, or the function's name, for messages. */
  readonly name: string;
  readonly args: unknown[];
}

/** An error as it is sent back: what a structured clone would lose of it is kept beside it. */
export interface SentError {
  readonly 'gevent-wasm:failed': true;
  /** Null: what was thrown is no Error, and is `value`. */
  readonly error: {
    readonly name: string;
    readonly message: string;
    readonly stack: string | undefined;
    readonly cause: SentError | null;
    readonly errors: SentError[] | null;
    /** Its own further properties, as far as they can be sent. */
    readonly own: Record<string, unknown>;
  } | null;
  readonly value: unknown;
}

// A result that cannot be cloned would end the thread, for piscina finds that out when it sends it, behind `run`. To try the clone here
// first would cost large results twice. So sending is watched, and an error goes in place of such a result.
const { MessagePort } = process.getBuiltinModule('node:worker_threads');
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function postMessage(this: unknown, message: any, ...rest: any[]): void {
  try {
    post.call(this as any, message, ...rest);
  } catch (error) {
    if (typeof message?.taskId !== 'number' || !('result' in message)) throw error;
    const text = `its result cannot be sent back: ${(error as Error).message}`;
    post.call(this as any, { ...message, result: sent(coded(new TypeError(text), 'GEVENT_TASK_RESULT'), 0) });
  }
};

const compiled = new Map<string, (...args: unknown[]) => unknown>();
/** Texts kept compiled: programs send the same few again and again. */
const MOST_COMPILED = 200;

/** What a function sent as text may not do: see anything of where it was written. */
const UNSEEN =
  'a function that is sent to a thread sees its arguments and the globals, and nothing of where it was written: pass it, or export the function from a module and use fromModule()';

export async function run(task: SentTask): Promise<unknown> {
  try {
    const given = (await find(task))(...task.args);
    if (isGenerator(given)) {
      throw coded(
        new TypeError(`${task.name} is a generator function: a thread runs plain and async functions`),
        'GEVENT_TASK_UNSENDABLE',
      );
    }
    return await given;
  } catch (error) {
    if (task.source !== null && error instanceof ReferenceError && / is not defined$/.test(error.message)) {
      error.message += ` (${UNSEEN})`;
      coded(error, 'GEVENT_TASK_CLOSURE');
    }
    return sent(error, 0);
  }
}

async function find({ source, module, name }: SentTask): Promise<(...args: unknown[]) => unknown> {
  if (module !== null) {
    const exports = await import(module);
    const fn: unknown = exports[name];
    if (typeof fn === 'function') return fn as (...args: unknown[]) => unknown;
    throw coded(new TypeError(`${module} exports no function ${name}`), 'GEVENT_TASK_NOT_FOUND');
  }
  let fn = compiled.get(source as string);
  if (fn === undefined) {
    fn = new Function(`'use strict'; return (${source}\n)`)() as (...args: unknown[]) => unknown;
    if (compiled.size >= MOST_COMPILED) compiled.clear();
    compiled.set(source as string, fn);
  }
  return fn;
}

function isGenerator(value: unknown): boolean {
  return /^\[object (Async)?Generator\]$/.test(Object.prototype.toString.call(value));
}

function coded<E extends Error>(error: E, code: string): E {
  return Object.assign(error, { code });
}

/** Causes and errors of errors that are followed. */
const DEPTH = 8;

function sent(error: unknown, depth: number): SentError {
  const failed = 'gevent-wasm:failed' as const;
  if (!(error instanceof Error)) return { [failed]: true, error: null, value: sendable(error) ? error : String(error) };
  const own: Record<string, unknown> = {};
  for (const key of Object.keys(error)) {
    const value = (error as unknown as Record<string, unknown>)[key];
    if (sendable(value)) own[key] = value;
  }
  // A class that defines `code` by its prototype has it as well.
  const { code } = error as { code?: unknown };
  if (code !== undefined && sendable(code)) own.code = code;
  const { errors } = error as { errors?: unknown };
  const deeper = depth < DEPTH;
  return {
    [failed]: true,
    error: {
      name: String(error.name),
      message: String(error.message),
      stack: error.stack,
      cause: deeper && error.cause !== undefined ? sent(error.cause, depth + 1) : null,
      errors: deeper && Array.isArray(errors) ? errors.map((each) => sent(each, depth + 1)) : null,
      own,
    },
    value: undefined,
  };
}

function sendable(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return typeof value !== 'function' && typeof value !== 'symbol';
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
