// Context variables: Python's contextvars, a context for each greenlet.
//
// What async code needs of this, AsyncLocalStorage does, and greenlets carry that along. A ContextVar differs in that a new greenlet
// begins with an empty context, that `set` holds for the rest of the greenlet, and that a context can be copied, looked at and entered.

import { GeventError } from './exceptions.ts';
import { localsOf } from './greenlet-locals.ts';
import { type Body, isBody, type Park } from './hub/protocol.ts';
import { getcurrent } from './hub/raw.ts';
import { isThenable } from './unwind.ts';

/** Under this a greenlet's locals have its context. */
const STATE = {};

interface State {
  context: Context;
}

/** The current greenlet's; it begins with an empty context. */
function state(): State {
  const locals = localsOf(getcurrent());
  let mine = locals.get(STATE) as State | undefined;
  if (mine === undefined) {
    mine = { context: new Context() };
    locals.set(STATE, mine as unknown as Record<PropertyKey, unknown>);
  }
  return mine;
}

/**
 * A variable that each greenlet has for itself.
 * @see `gevent.contextvars.ContextVar`, the source.
 */
export class ContextVar<T = any> {
  readonly name: string;
  readonly #default: { value: T } | null;

  /** @param options.default - what `get` gives where it was not set */
  constructor(name: string, options?: { default: T }) {
    if (typeof name !== 'string') throw new TypeError(`ContextVar(name): expected a string, got ${typeof name}`);
    this.name = name;
    this.#default = options === undefined ? null : { value: options.default };
  }

  /**
   * Its value in the current context; else `fallback`, if that is given; else its default.
   * @throws GeventError `GEVENT_CONTEXT_LOOKUP` if there is none of these
   */
  get(...fallback: [] | [T]): T {
    const { context } = state();
    if (context.has(this)) return context.get(this) as T;
    if (fallback.length > 0) return fallback[0] as T;
    if (this.#default !== null) return this.#default.value;
    throw new GeventError('GEVENT_CONTEXT_LOOKUP', `${this} has no value here, and no default`);
  }

  /** Set it in the current context; gives a token to `reset` it by. */
  set(value: T): Token<T> {
    const { context } = state();
    const token = new Token<T>(this, context, context.has(this) ? (context.get(this) as T) : Token.MISSING);
    context.$set(this, value);
    return token;
  }

  /**
   * Give it back the value that it had before the `set` that gave `token`.
   * @throws GeventError `GEVENT_CONTEXT_TOKEN` if that is of another variable or context, or was used before
   */
  reset(token: Token<T>): void {
    if (!(token instanceof Token)) throw new TypeError('reset(token): expected a Token');
    token.$use(this, state().context);
  }

  toString(): string {
    return `<ContextVar ${this.name}>`;
  }
}

/** What `ContextVar.set` gives. */
export class Token<T = any> {
  /** What `oldValue` is, if there was none. */
  static readonly MISSING: unique symbol = Symbol('Token.MISSING');
  /** Whose `set` made it. */
  readonly var: ContextVar<T>;
  /** The value before. */
  readonly oldValue: T | typeof Token.MISSING;
  readonly #context: Context;
  #used = false;

  /** @internal */
  constructor(variable: ContextVar<T>, context: Context, oldValue: T | typeof Token.MISSING) {
    this.var = variable;
    this.oldValue = oldValue;
    this.#context = context;
  }

  /** @internal */
  $use(variable: ContextVar<T>, context: Context): void {
    const wrong = this.#used
      ? 'has already been used once'
      : this.var !== variable
        ? 'was created by a different ContextVar'
        : this.#context !== context
          ? 'was created in a different Context'
          : null;
    if (wrong !== null) throw new GeventError('GEVENT_CONTEXT_TOKEN', `this Token of ${this.var} ${wrong}`);
    this.#used = true;
    if (this.oldValue === Token.MISSING) context.$delete(variable);
    else context.$set(variable, this.oldValue);
  }
}

/**
 * The values of context variables. Looked at it shows what was set, without defaults.
 * @see `gevent.contextvars.Context`, the source.
 */
export class Context {
  /** Replaced when it is written to, so that a copy costs nothing. */
  #values: ReadonlyMap<ContextVar, unknown> = new Map();
  #outer: Context | null = null;

  /** The value that was set, or `fallback`. */
  get<T, F = undefined>(variable: ContextVar<T>, fallback?: F): T | F {
    return this.#values.has(variable) ? (this.#values.get(variable) as T) : (fallback as F);
  }

  /** True if a value was set. */
  has(variable: ContextVar): boolean {
    return this.#values.has(variable);
  }

  /** How many were set. */
  get size(): number {
    return this.#values.size;
  }

  keys(): IterableIterator<ContextVar> {
    return this.#values.keys();
  }

  values(): IterableIterator<unknown> {
    return this.#values.values();
  }

  entries(): IterableIterator<[ContextVar, unknown]> {
    return this.#values.entries();
  }

  [Symbol.iterator](): IterableIterator<[ContextVar, unknown]> {
    return this.#values.entries();
  }

  /** Another with the same values. */
  copy(): Context {
    const copy = new Context();
    copy.#values = this.#values;
    return copy;
  }

  /**
   * Call `fn(...args)` with this as the current greenlet's context. Of a generator function the context holds while `yield*` runs it
   * (`yield* context.run(function* () {…})`), of an async one until it has settled; in main, where concurrent calls have one
   * context in common, use AsyncLocalStorage for that.
   * @throws GeventError `GEVENT_CONTEXT_ENTERED` if somebody is in it
   */
  run<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R {
    const mine = this.#enter();
    let stays = false;
    try {
      const result = fn(...args);
      if (isBody(result)) return this.#running(result) as R;
      if (isThenable(result)) {
        stays = true;
        return Promise.resolve(result).finally(() => this.#leave(mine)) as R;
      }
      return result;
    } finally {
      if (!stays) this.#leave(mine);
    }
  }

  *#running(body: Body): Generator<Park, unknown, unknown> {
    const mine = this.#enter();
    try {
      return yield* body;
    } finally {
      this.#leave(mine);
    }
  }

  #enter(): State {
    if (this.#outer !== null) {
      throw new GeventError('GEVENT_CONTEXT_ENTERED', 'cannot enter this Context: it is already entered');
    }
    const mine = state();
    this.#outer = mine.context;
    mine.context = this;
    return mine;
  }

  #leave(mine: State): void {
    mine.context = this.#outer as Context;
    this.#outer = null;
  }

  /** @internal */
  $set(variable: ContextVar, value: unknown): void {
    this.#values = new Map(this.#values).set(variable, value);
  }

  /** @internal */
  $delete(variable: ContextVar): void {
    const values = new Map(this.#values);
    values.delete(variable);
    this.#values = values;
  }
}

/** A copy of the current greenlet's context. */
export function copyContext(): Context {
  return state().context.copy();
}
