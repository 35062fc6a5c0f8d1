// Entry `gevent-wasm/local`: an object whose properties are each greenlet's own; and context variables.

import { type Dict, type Locals, localsOf } from './greenlet-locals.ts';
import { getcurrent, type RawGreenlet } from './hub/raw.ts';
import './hub.ts';

export { Context, ContextVar, copyContext, Token } from './contextvars.ts';

/** What stands behind a proxy: how its object is made again in another greenlet. */
class Maker {
  readonly type: new (
    ...args: any[]
  ) => local;
  readonly args: unknown[];
  proxy!: object;

  constructor(type: new (...args: any[]) => local, args: unknown[]) {
    this.type = type;
    this.args = args;
  }
}

const makers = new WeakMap<object, Maker>();
/** The object whose constructor runs again, for a greenlet that is new to it. */
let again: object | null = null;

/** The current greenlet's values; its constructor runs first if this greenlet is new to it. */
function dictOf(maker: Maker): Dict {
  const locals = localsOf(getcurrent());
  const known = locals.get(maker.proxy);
  if (known !== undefined) return known;
  const dict: Dict = Object.create(null);
  locals.set(maker.proxy, dict);
  if (maker.type !== local) {
    const outer = again;
    again = maker.proxy;
    try {
      new maker.type(...maker.args);
    } catch (error) {
      locals.delete(maker.proxy);
      throw error;
    } finally {
      again = outer;
    }
  }
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
    return key in dict ? dict[key] : Reflect.get(maker.type.prototype, key, receiver);
  },
  set(maker, key, value, receiver) {
    const dict = dictOf(maker);
    if (key in maker.type.prototype && setByClass(maker, key, value, receiver)) return true;
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
    localsOf(getcurrent()).set(proxy, Object.create(null));
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
  localsOf(getcurrent()).set(made.proxy, Object.assign(Object.create(null), values));
  return made.proxy;
}

/** What `greenlet` keeps in locals: `[the local, its values]` each. For debugging. */
export function allLocalDictsForGreenlet(greenlet: RawGreenlet): [local, Record<PropertyKey, unknown>][] {
  const locals = greenlet.$more?.locals as Locals | null | undefined;
  if (locals == null) return [];
  return ([...locals] as [local, Record<PropertyKey, unknown>][]).filter(([object]) => makers.has(object));
}
