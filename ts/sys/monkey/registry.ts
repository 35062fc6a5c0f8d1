// What has been patched: one list of changes, and the questions that can be asked of it.
//
//   R1  the first original of an item is kept; patching it again changes what is there now and not what is saved
//   R2  `changes` has an entry for each item that is not as it was, and unpatching walks it backwards

import { syncBuiltinESMExports } from 'node:module';
import { describe, wrongType } from '../../core/arguments.ts';
import { DoNotPatch, GeventDidPatchModuleEvent, GeventWillPatchModuleEvent, notify } from '../../events.ts';

/** A module of Node by its name (with or without `node:`), or an object: a module, its namespace, a class's prototype. */
export type Target = string | object;

/** Originals by the name of what they were taken from. @see `gevent.monkey.saved`, the source. */
export const saved: Record<string, Record<PropertyKey, unknown>> = Object.create(null);

interface Change {
  readonly object: object;
  readonly key: PropertyKey;
  /** undefined: it was not there. */
  readonly before: PropertyDescriptor | undefined;
}

const changes: Change[] = [];
const names = new WeakMap<object, string>();
let unnamed = 0;

/** Have `object` be known by `name`. */
export function named<T extends object>(name: string, object: T): T {
  if (!names.has(object)) names.set(object, name);
  return object;
}

function withoutScheme(name: string): string {
  return name.startsWith('node:') ? name.slice(5) : name;
}

/** The module, the object, or what a namespace is made of. */
function objectOf(target: Target, where: string): object {
  if (typeof target === 'string') {
    const name = withoutScheme(target);
    const found = name === 'globalThis' ? globalThis : process.getBuiltinModule(name);
    if (found === undefined) throw new TypeError(`${where}: Node has no module ${describe(target)}`);
    return named(name, found as object);
  }
  if ((typeof target !== 'object' && typeof target !== 'function') || target === null)
    throw wrongType(where, `a module's name or an object`, target);
  // The bindings of a namespace cannot be set; those of a module of Node follow its default export.
  const { default: inner } = target as { default?: unknown };
  const namespace = Object.prototype.toString.call(target) === '[object Module]';
  return namespace && typeof inner === 'object' && inner !== null ? inner : target;
}

/** Modules that may be given as objects. Not all of Node's: to load some is to be warned. */
const MODULES =
  'assert async_hooks buffer child_process cluster crypto dgram diagnostics_channel dns dns/promises events fs fs/promises http http2 https module net os path perf_hooks process querystring readline readline/promises stream stream/consumers stream/promises stream/web string_decoder timers timers/promises tls tty url util v8 vm worker_threads zlib';
let looked = false;

function lookUpModules(): void {
  if (looked) return;
  looked = true;
  for (const name of MODULES.split(' ')) {
    const found: unknown = process.getBuiltinModule(name);
    if (typeof found === 'object' || typeof found === 'function') named(name, found as object);
  }
}

/** The name that `saved` and the events have for it. */
export function nameOf(object: object): string {
  let name = names.get(object);
  if (name === undefined) {
    lookUpModules();
    name = names.get(object);
  }
  if (name === undefined) {
    const own = (object as { constructor?: { name?: string; prototype?: object } }).constructor;
    if (own?.prototype === object && own.name) name = `${own.name}.prototype`;
    else name = typeof object === 'function' && object.name !== '' ? object.name : `object ${++unnamed}`;
    named(name, object);
  }
  return name;
}

function put(object: object, key: PropertyKey, value: unknown, before: PropertyDescriptor | undefined): void {
  if (before !== undefined && !before.configurable && !before.writable)
    throw new TypeError(`patchItem: ${nameOf(object)}.${String(key)} cannot be changed`);
  if (before !== undefined && !before.configurable) (object as Record<PropertyKey, unknown>)[key] = value;
  else
    Object.defineProperty(object, key, {
      value,
      writable: true,
      configurable: true,
      // What was not there before must not show up where somebody lists what there is.
      enumerable: before?.enumerable ?? false,
    });
}

/**
 * Replace one item, and keep the original.
 * @param target - a module's name or an object
 * @throws TypeError if there is no such module, or the item cannot be changed
 * @see `gevent.monkey.patch_item`, the source. Differs: an item that was not there is saved as undefined, so that queries know it.
 */
export function patchItem(target: Target, name: PropertyKey, item: unknown): void {
  const object = objectOf(target, 'patchItem(target)');
  const before = Object.getOwnPropertyDescriptor(object, name);
  const original = (object as Record<PropertyKey, unknown>)[name];
  put(object, name, item, before);
  keep(object, name, original, before);
}

function keep(object: object, key: PropertyKey, original: unknown, before: PropertyDescriptor | undefined): void {
  const module = nameOf(object);
  saved[module] ??= Object.create(null) as Record<PropertyKey, unknown>;
  if (!(key in saved[module])) saved[module][key] = original;
  if (!changes.some((change) => change.object === object && change.key === key)) changes.push({ object, key, before });
}

/**
 * Take one item out, and keep it. Nothing, if it is not there.
 * @see `gevent.monkey.remove_item`, the source.
 */
export function removeItem(target: Target, name: PropertyKey): void {
  const object = objectOf(target, 'removeItem(target)');
  const before = Object.getOwnPropertyDescriptor(object, name);
  if (before === undefined) return;
  const original = (object as Record<PropertyKey, unknown>)[name];
  if (!before.configurable) throw new TypeError(`removeItem: ${nameOf(object)}.${String(name)} cannot be removed`);
  delete (object as Record<PropertyKey, unknown>)[name];
  keep(object, name, original, before);
}

/** What `patchModule` takes its items from. */
export interface PatchSource {
  /** The items it has for a target, if they are not named by the caller. */
  __implements__?: readonly PropertyKey[];
  /** Called before the first item is replaced. */
  geventWillMonkeyPatch?(target: object, items: readonly PropertyKey[], warn: (text: string) => void): void;
  /** Called behind the last. */
  geventDidMonkeyPatch?(target: object): void;
}

/**
 * Replace items of a module by those of the same names in `source`, and tell subscribers before and after.
 *
 * @param options.items - which; default: the source's `__implements__`
 * @param options.warn - what the source's `geventWillMonkeyPatch` gets. Default: a MonkeyPatchWarning
 * @returns false if a subscriber refused by `DoNotPatch`
 * @throws TypeError if nothing says which items, or the source lacks one
 * @see `gevent.monkey.patch_module`, the source.
 */
export function patchModule(
  target: Target,
  source: object,
  options: { items?: readonly PropertyKey[]; warn?: (text: string) => void } = {},
): boolean {
  const { __implements__, geventWillMonkeyPatch, geventDidMonkeyPatch } = source as PatchSource;
  const named = options.items ?? __implements__;
  if (named === undefined) throw new TypeError('patchModule(source): it has no __implements__, and no items are named');
  const object = objectOf(target, 'patchModule(target)');
  const name = nameOf(object);
  const items = [...named];
  for (const item of items)
    if (!(item in source)) throw new TypeError(`patchModule(source): it has no ${String(item)} for ${name}`);
  try {
    notify(new GeventWillPatchModuleEvent(name, source, object, items));
  } catch (error) {
    if (error instanceof DoNotPatch) return false;
    throw error;
  }
  geventWillMonkeyPatch?.call(source, object, items, options.warn ?? warn);
  for (const item of items) patchItem(object, item, (source as Record<PropertyKey, unknown>)[item]);
  syncBuiltinESMExports();
  geventDidMonkeyPatch?.call(source, object);
  notify(new GeventDidPatchModuleEvent(name, source, object));
  return true;
}

/** The warnings of this module: patching came too late, or twice with different arguments. */
export class MonkeyPatchWarning extends Error {
  static override readonly name: string = 'MonkeyPatchWarning';
  override name = 'MonkeyPatchWarning';
  readonly code = 'GEVENT_MONKEY_PATCH';
}

/** Tell by the platform's `warning` event, which prints. */
export function warn(text: string): void {
  process.emitWarning(new MonkeyPatchWarning(text));
}

// ---- queries --------------------------------------------------------------------------------------------------------

function nameFor(target: Target, where: string): string {
  return typeof target === 'string' ? withoutScheme(target) : nameOf(objectOf(target, where));
}

/**
 * True if anything of that module was replaced, be it in a class of its.
 * @see `gevent.monkey.is_module_patched`, the source.
 */
export function isModulePatched(module: Target): boolean {
  const name = nameFor(module, 'isModulePatched(module)');
  return name in saved || Object.keys(saved).some((other) => other.startsWith(`${name}.`));
}

/**
 * True if that item was replaced.
 * @see `gevent.monkey.is_object_patched`, the source.
 */
export function isObjectPatched(module: Target, item: PropertyKey): boolean {
  const name = nameFor(module, 'isObjectPatched(module)');
  return name in saved && item in saved[name];
}

/**
 * True if anything was patched at all.
 * @see `gevent.monkey.is_anything_patched`, the source.
 */
export function isAnythingPatched(): boolean {
  return changes.length > 0;
}

/**
 * What a module had before it was patched, or has, if it was not.
 * @param item - a name, or several: then an array is given
 * @see `gevent.monkey.get_original`, the source.
 */
export function getOriginal(module: Target, item: PropertyKey): any;
export function getOriginal(module: Target, item: readonly PropertyKey[]): any[];
export function getOriginal(module: Target, item: PropertyKey | readonly PropertyKey[]): any {
  if (Array.isArray(item)) return item.map((each) => getOriginal(module, each));
  const key = item as PropertyKey;
  const name = nameFor(module, 'getOriginal(module)');
  if (name in saved && key in saved[name]) return saved[name][key];
  return (objectOf(module, 'getOriginal(module)') as Record<PropertyKey, unknown>)[key];
}

/** Put back all that was changed, last first. */
export function restore(): void {
  for (const { object, key, before } of changes.splice(0).reverse()) {
    if (before === undefined) delete (object as Record<PropertyKey, unknown>)[key];
    else Object.defineProperty(object, key, before);
  }
  for (const name of Object.keys(saved)) delete saved[name];
  syncBuiltinESMExports();
}
