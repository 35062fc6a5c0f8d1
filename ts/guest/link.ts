// Makes the WebAssembly instance of a guest, its imports linked as its plan says (plan.ts).
//
// Some shims need what is only there once the guest is instantiated: the global of its shadow stack pointer, or the engine, if that is
// bundled with it. The guest then imports doors: functions that go through a table, which is filled with the shims afterwards.

import { builtinOf } from './abi.ts';
import { jspi } from './detect.ts';
import { Extern } from './emit.ts';
import { cannotSwitch, type NativeEngine } from './engine.ts';
import { engineIn } from './engines.ts';
import { fromGuest, GuestError } from './errors.ts';
import { Blocking, type Imports, isDirect } from './imports.ts';
import type { Instance } from './instance.ts';
import type { JspiEngine } from './jspi.ts';
import { missing, type Plan, planImports, type Shimmed } from './plan.ts';
import type { Program } from './program.ts';
import { OUR, OURS } from './rewrite.ts';
import { SpawnEntry } from './spawn-entry.ts';

type Values = Record<string, any>;
type ImportObject = Record<string, Values>;

/** An instance that an engine of WebAssembly runs. */
interface Linked {
  readonly engine: NativeEngine;
  /** What it exports. */
  readonly raw: Values;
  /** Null: its guests do not spawn. */
  readonly spawning: SpawnEntry | null;
}

/** Link a guest to the engine of its hub. */
export function linkNative(instance: Instance, engine: NativeEngine, given: Imports): Linked {
  const { program } = instance;
  const exports = engine.exports as unknown as Values;
  const plan = planImports(program, given, instance);
  const functions = { ...plan.functions };
  const spawning = spawns(plan.before) ? new SpawnEntry(engine, instance) : null;
  let raw: Values;
  try {
    if (plan.before.length > 0) {
      const shims = shimsOf('before', plan, engine, instance, SpawnEntry.globals(spawning));
      plan.before.forEach(({ key }, i) => void (functions[key] = shims[i]));
    }
    const doors = plan.behind.length > 0 ? new Doors(plan, program, functions) : null;
    const linked: ImportObject = {};
    for (const { module, name, kind } of program.shape?.imports ?? []) {
      let value: unknown = given[module]?.[name];
      if (module === OURS) value = name === 'serial' ? serialOf(instance, given) : exports[name];
      else if (kind === Extern.FUNC) {
        value = functions[`${module}.${name}`];
        if (typeof value === 'string') value = exports[value];
      }
      put(linked, module, name, value);
    }
    if (program.backend === 'asyncify') {
      put(linked, 'env', '__asyncify_state', exports.__asyncify_state);
      put(linked, 'env', '__asyncify_data', exports.__asyncify_data);
    }
    raw = instantiate(program, linked);
    if (doors !== null) {
      const own = { ...SpawnEntry.globals(spawning), sp: raw[program.stackPointer as string], memory: memoryOf(raw) };
      doors.open(shimsOf('behind', plan, engine, instance, own));
    }
    spawning?.open(raw, instance);
  } catch (error) {
    spawning?.close();
    throw error;
  }
  return { engine, raw, spawning };
}

/** Instantiate a guest that is its own engine. */
export function linkBundled(instance: Instance, given: Imports): Linked {
  const { program, hub } = instance;
  const plan = planImports(program, given, instance);
  const functions = { ...plan.functions };
  const doors = new Doors(plan, program, functions);
  doors.openToStart();
  const linked: ImportObject = {};
  for (const { module, name, kind } of program.shape?.imports ?? []) {
    if (module === OURS && name === 'serial') put(linked, module, name, serialOf(instance, given));
    if (module.startsWith('gevent:')) continue;
    put(linked, module, name, kind === Extern.FUNC ? functions[`${module}.${name}`] : given[module]?.[name]);
  }
  let engine: NativeEngine;
  try {
    engine = engineIn(hub, program.module, linked, program.limits);
  } catch (error) {
    throw notInstantiated(program.name, error);
  }
  const spawning = spawns(plan.behind) ? new SpawnEntry(engine, instance) : null;
  const own = { ...SpawnEntry.globals(spawning), memory: memoryOf(engine.raw) };
  doors.open(shimsOf('behind', plan, engine, instance, own));
  spawning?.open(engine.raw, instance);
  return { engine, raw: engine.raw, spawning };
}

/** Link a guest that the JavaScript engine itself suspends: its imports are JavaScript functions. Gives what it exports. */
export function linkJspi(instance: Instance, engine: JspiEngine, given: Imports): Values {
  const { program } = instance;
  const linked: ImportObject = {};
  const { Suspending } = jspi();
  for (const { module, name, kind } of WebAssembly.Module.imports(program.module)) {
    const value = given[module]?.[name];
    const key = `${module}.${name}`;
    const suspending = (fn: (...args: any[]) => unknown) => new Suspending(engine.blocking(fn, key));
    let made: unknown = value;
    if (kind === 'function') {
      if (value instanceof Blocking) made = suspending(value.fn);
      else if (typeof value === 'function')
        made = isDirect(value) ? value : engine.plain(value as (...args: any[]) => unknown);
      else if (key === 'gevent.yield') made = suspending(() => engine.yielding());
      else if (key === 'gevent.sleep') made = suspending((seconds: number) => engine.sleeping(seconds));
      else if (key === 'gevent.spawn') made = (fn: number, arg: number) => instance.$spawnIndirect(fn, arg);
      else {
        const builtin = builtinOf(module, name);
        if (builtin === undefined) throw missing(program.name, key);
        const fn = builtin.make(instance);
        made = builtin.kind === 'direct' ? fn : builtin.kind === 'plain' ? engine.plain(fn) : suspending(fn);
      }
    }
    put(linked, module, name, made);
  }
  return instantiate(program, linked);
}

/** Functions behind which stands at first nothing, later the shims. */
class Doors {
  readonly #plan: Plan;
  readonly #program: Program;
  readonly #table: WebAssembly.Table;

  /** Puts them into `functions`. */
  constructor(plan: Plan, program: Program, functions: Record<string, unknown>) {
    this.#plan = plan;
    this.#program = program;
    this.#table = new WebAssembly.Table({ element: 'anyfunc', initial: plan.behind.length });
    const module = program.shimModule('doors', plan);
    const doors = new WebAssembly.Instance(module, { i: { shims: this.#table } }).exports;
    plan.behind.forEach(({ key }, i) => void (functions[key] = doors[i]));
  }

  /** To what a start function may call: what blocks is refused. */
  openToStart(): void {
    const early: Values = {};
    this.#plan.behind.forEach(({ key, shim, value }, i) => {
      const refuse = () => {
        throw cannotSwitch(false, key);
      };
      early[`f${i}`] = shim.kind === 'plain' && typeof value === 'function' ? value : refuse;
    });
    this.open(new WebAssembly.Instance(this.#program.shimModule('early', this.#plan), { j: early }).exports);
  }

  open(shims: Values): void {
    this.#plan.behind.forEach((_, i) => void this.#table.set(i, shims[i]));
  }
}

/** The shims of a plan, by their places in it. `own`: what belongs to the instance. */
function shimsOf(
  which: 'before' | 'behind',
  plan: Plan,
  engine: NativeEngine,
  instance: Instance,
  own: Values,
): Values {
  const called: Values = {};
  plan[which].forEach(({ key, shim, value }, i) => {
    if (shim.kind === 'plain') {
      const fn = value ?? ((fn: number, arg: number) => instance.$spawnIndirect(fn, arg));
      called[`begin${i}`] = engine.plain(fn as (...args: any[]) => unknown, shim.signature.params.length);
    } else if (shim.kind === 'blocking') {
      called[`begin${i}`] = engine.beginner((value as Blocking).fn, key);
      called[`complete${i}`] = engine.completer();
    }
  });
  const e = engine.exports as unknown as Values;
  const module = instance.program.shimModule(which, plan);
  const made = (serial: number, more: Values) => {
    const i = { ...own, ...more, serial: new WebAssembly.Global({ value: 'i32' }, serial) };
    return new WebAssembly.Instance(module, { e, j: called, i }).exports;
  };
  try {
    return made(instance.$serial, {});
  } catch (error) {
    if (!(error instanceof WebAssembly.LinkError) || !('memory' in own)) throw error;
    // A memory that is shared, or of 64 bits, or none: JavaScript stores what it is to get. No cell is of number 0.
    return made(0, { memory: new WebAssembly.Memory({ initial: 0 }) });
  }
}

/** What the cells know the instance by; nought, which they never hold, if the user does by himself what the engine would. */
function serialOf({ $serial }: Instance, given: Imports): WebAssembly.Global {
  const users = Object.keys(given.gevent ?? {}).some((name) => builtinOf('gevent', name)?.native !== undefined);
  return new WebAssembly.Global({ value: 'i32' }, users ? 0 : $serial);
}

function memoryOf(raw: Values): unknown {
  return raw.memory ?? raw[OUR.memory];
}

function spawns(shims: readonly Shimmed[]): boolean {
  return shims.some(({ shim }) => shim.kind === 'spawn');
}

function put(into: ImportObject, module: string, name: string, value: unknown): void {
  into[module] ??= {};
  into[module][name] = value;
}

function instantiate(program: Program, linked: ImportObject): Values {
  try {
    return new WebAssembly.Instance(program.module, linked).exports;
  } catch (error) {
    throw notInstantiated(program.name, error);
  }
}

/** Why there is no instance. */
function notInstantiated(name: string, error: unknown): unknown {
  if (error instanceof WebAssembly.LinkError) {
    return new GuestError('GEVENT_GUEST_IMPORT', `${name}: ${error.message}`, { cause: error });
  }
  if (error instanceof RangeError && /memory|table/i.test(error.message)) {
    return new GuestError('GEVENT_GUEST_MEMORY', `${name}: ${error.message}`, { cause: error });
  }
  // A segment that does not fit, or a start function.
  return fromGuest(name, error);
}
