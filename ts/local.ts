// Entry `gevent-wasm/local`: an object whose properties are each greenlet's own; and context variables.

import { type Dict, Keeper, type Locals, localsOf } from './greenlet-locals.ts';
import { getcurrent, type RawGreenlet } from './hub/raw.ts';
import './hub.ts';

export { Context, ContextVar, copyContext, Token } from './contextvars.ts';

/** What stands behind a proxy: how its object is made again in another greenlet. */
class Maker extends Keeper {
  readonly type: new (
    ...args: any[]
  ) => local;
  readonly args: unknown[];
  /** Without accessors of a class, so that a write need not look for them. */
  readonly plain: boolean;
  proxy!: object;

  constructor(type: new (...args: any[]) => local, args: unknown[]) {
    super();
    this.type = type;
    this.args = args;
    this.plain = type === local;
  }
}

/** Values of one greenlet. Without a prototype in all but name: V8 looks a property up in a table where there is none at all. */
const Values = function Values() {} as unknown as new () => Dict;
(Values as { prototype: unknown }).prototype = Object.freeze(Object.create(null));

const makers = new WeakMap<object, Maker>();
/** The object whose constructor runs again, for a greenlet that is new to it. */
let again: object | null = null;

/** The current greenlet's values; its constructor runs first if this greenlet is new to it. */
function dictOf(maker: Maker): Dict {
  const greenlet = getcurrent();
  const more = greenlet.$more;
  const last = maker.$locals;
  return more !== null && last !== null && more.locals === last ? (maker.$dict as Dict) : lookUp(maker, greenlet);
}

function lookUp(maker: Maker, greenlet: RawGreenlet): Dict {
  const locals = localsOf(greenlet);
  const known = locals.get(maker);
  if (known !== undefined) return remember(maker, locals, known);
  const dict = new Values();
  locals.set(maker, dict);
  if (maker.type !== local) {
    const outer = again;
    again = maker.proxy;
    try {
      new maker.type(...maker.args);
    } catch (error) {
      locals.delete(maker);
      throw error;
    } finally {
      again = outer;
    }
  }
  return remember(maker, locals, dict);
}

function remember(maker: Maker, locals: Locals, dict: Dict): Dict {
  maker.$locals = locals;
  maker.$dict = dict;
  return dict;
}

/** Setters of the class win, as its getters do. False if it has none for `key`. */
function setByClass(maker: Maker, key: PropertyKey, value: unknown, receiver: unknown): boolean {
  for (let at = maker.type.prototype; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    const property = Object.getOwnPropertyDescriptor(at, key);
    if (property?.set) return Reflect.set(at, key, value, receiver);
    if (property) return false;
  }
  return false;
}

const handler: ProxyHandler<Maker> = {
  get(maker, key, receiver) {
    const dict = dictOf(maker);
    const value = dict[key];
    // In this order: nearly always there is one.
    return value !== undefined || key in dict ? value : Reflect.get(maker.type.prototype, key, receiver);
  },
  set(maker, key, value, receiver) {
    const dict = dictOf(maker);
    if (!maker.plain && key in maker.type.prototype && setByClass(maker, key, value, receiver)) return true;
    dict[key] = value;
    return true;
  },
  has: (maker, key) => key in dictOf(maker) || key in maker.type.prototype,
  deleteProperty: (maker, key) => Reflect.deleteProperty(dictOf(maker), key),
  ownKeys: (maker) => Reflect.ownKeys(dictOf(maker)),
  getOwnPropertyDescriptor(maker, key) {
    const property = Object.getOwnPropertyDescriptor(dictOf(maker), key);
    // What is behind the proxy does not have it, so it must be configurable.
    return property && { ...property, configurable: true };
  },
  defineProperty(maker, key, property) {
    return Reflect.defineProperty(dictOf(maker), key, { ...property, configurable: true });
  },
  getPrototypeOf: (maker) => maker.type.prototype,
  setPrototypeOf: () => false,
  preventExtensions: () => false,
};

/**
 * An object whose properties each greenlet has for itself: `const data = new local(); data.user = 'a'`.
 *
 * A subclass's constructor runs again, with the same arguments, in each greenlet that touches the object, before its first
 * access; it cannot have `#private` fields. What a greenlet set goes when it ends. In async bodies it holds across awaits;
 * main has its own.
 * @see `gevent.local.local`, the source. Differs: a missing property is undefined.
 */
export class local {
  [key: PropertyKey]: any;

  constructor(...args: unknown[]) {
    if (again !== null) {
      const proxy = again;
      again = null;
      // biome-ignore lint/correctness/noConstructorReturn: the object exists; only its fields are set anew
      return proxy as local;
    }
    if (args.length > 0 && new.target === local) {
      throw new TypeError('local(): initialization arguments are not supported; define a subclass with a constructor');
    }
    const maker = new Maker(new.target, args);
    const proxy = new Proxy(maker, handler) as unknown as local;
    maker.proxy = proxy;
    makers.set(proxy, maker);
    // The constructor that is running is this greenlet's.
    localsOf(getcurrent()).set(maker, new Values());
    // biome-ignore lint/correctness/noConstructorReturn: see above
    return proxy;
  }

  /** A copy with the current greenlet's values; in other greenlets it begins afresh. */
  static copy<T extends local>(object: T): T {
    const maker = makers.get(object);
    if (maker === undefined) throw new TypeError('local.copy(object): expected a local');
    return copyOf(maker, { ...dictOf(maker) }) as T;
  }
}

function copyOf(maker: Maker, values: Dict): object {
  const made = new Maker(maker.type, maker.args);
  made.proxy = new Proxy(made, handler);
  makers.set(made.proxy, made);
  localsOf(getcurrent()).set(made, Object.assign(new Values(), values));
  return made.proxy;
}

/** What `greenlet` keeps in locals: `[the local, its values]` each. For debugging. */
export function allLocalDictsForGreenlet(greenlet: RawGreenlet): [local, Record<PropertyKey, unknown>][] {
  const locals = greenlet.$more?.locals as Locals | null | undefined;
  if (locals == null) return [];
  const all: [local, Dict][] = [];
  for (const [of, dict] of locals) if (of instanceof Maker) all.push([of.proxy as local, dict]);
  return all;
}
