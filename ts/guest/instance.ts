// One instance of a guest: its memory, its exports, the greenlets that run in it.

import { describe } from '../core/clock.ts';
import { setActive } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { Rowed } from '../hub/waitable.ts';
import { RLock } from '../lock.ts';
import { builtinOf } from './abi.ts';
import { isSocket } from './abi-sockets.ts';
import { jspi } from './detect.ts';
import { Extern, type Signature, Type } from './emit.ts';
import { cannotSwitch, type Engine, NativeEngine } from './engine.ts';
import { engineIn, engineOf } from './engines.ts';
import { fromGuest, GuestError } from './errors.ts';
import { GuestGreenlet } from './guest-greenlet.ts';
import { Handles } from './handles.ts';
import { Blocking, type Imports, type ImportValue, isDirect } from './imports.ts';
import type { JspiEngine } from './jspi.ts';
import { runner, SPAWNED } from './pilot.ts';
import type { Program } from './program.ts';
import { OUR, OURS } from './rewrite.ts';
import type { ShimOf } from './shims.ts';

/** An export that can be started. */
export interface Entry {
  readonly name: string;
  readonly signature: Signature;
}

interface Open extends Entry {
  /** What the engine calls. */
  readonly run: unknown;
  /** Its place in the engine's table; 0: none at the moment. */
  index: number;
}

/** What Binaryen adds for runtimes other than ours: called, they would leave the engine in a state of their own. */
const ASYNCIFYS = /^asyncify_(st(art|op)_(un|re)wind|get_state)$/;

/** Instances with nobody in them that keep their places in the engine's table, so that the next spawn need not take new ones. */
const IDLE = 64;
const idle = new WeakMap<Engine, Set<Instance>>();

/**
 * A guest with a memory of its own. Several greenlets may run in it; they share that memory, and each has its own stack,
 * the shadow stack of compiled C, Rust or AssemblyScript included.
 */
export class Instance {
  readonly program: Program;
  readonly hub: Hub;
  /** As errors and dumps name it. */
  readonly name: string;
  /** @internal */ readonly engine: Engine;
  /** @internal */ readonly handles: Handles;
  #exports: Record<string, any> = {};
  #raw: Record<string, any> = {};
  readonly #entries = new Map<string, Open>();
  readonly #spawnable = new Map<number, Open>();
  #spawnEntry = 0;
  #number = 0;
  #alive = 0;
  #closed = false;
  #sp: WebAssembly.Global | null = null;
  /** Top of the stack the module was linked with; free for one greenlet, like each of `#stacks`. */
  #stacks: number[] = [];
  /** For a collector: tops of all stacks but that one, */ readonly #tops: number[] = [];
  /** and who has started and not ended. */ readonly #guests = new Set<GuestGreenlet>();

  constructor(program: Program, hub: Hub, imports?: Imports | ((instance: Instance) => Imports)) {
    this.program = program;
    this.hub = hub;
    this.name = program.name;
    this.handles = new Handles(this.name);
    if (program.bundled) {
      const all = typeof imports === 'function' ? imports(this) : (imports ?? program.importsFor(this));
      this.engine = this.#linkBundled(all);
      this.#opened((this.engine as NativeEngine).raw);
      return;
    }
    this.engine = engineOf(hub, program.backend, program.limits);
    const given = typeof imports === 'function' ? imports(this) : (imports ?? program.importsFor(this));
    const linked = this.engine instanceof NativeEngine ? this.#link(this.engine, given) : this.#linkJspi(given);
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(program.module, linked);
    } catch (error) {
      if (this.engine instanceof NativeEngine && this.#number > 0) this.#forget(this.engine);
      throw notInstantiated(this.name, error);
    }
    this.#opened(instance.exports);
  }

  #opened(raw: Record<string, any>): void {
    const { program } = this;
    this.#raw = raw;
    this.#exports = Object.fromEntries(
      Object.entries(raw).filter(([name]) => !/^(gevent|engine):/.test(name) && !ASYNCIFYS.test(name)),
    );
    this.#after?.();
    const sp = program.stackPointer;
    if (sp !== null) {
      this.#sp = this.#raw[sp] as WebAssembly.Global;
      this.#stacks.push(this.#sp.value);
    }
    // As WASI's reactors have it.
    if (program.$initializes && typeof this.#raw._initialize === 'function') this.#raw._initialize();
  }

  // ---- linking ------------------------------------------------------------------------------------------------------

  /** What can only be done when the instance is there. */
  #after: (() => void) | null = null;

  /**
   * Instantiate a module that is its own engine. What its imports become needs that engine; so they are doors into a table, behind which
   * stands at first what its start function may call.
   */
  #linkBundled(given: Imports): NativeEngine {
    const { program, hub, name } = this;
    const plan = program.plan(given, this);
    const early: Record<string, unknown> = {};
    plan.behind.forEach((shim, i) => {
      const value = plan.behindValues[i];
      early[`f${i}`] =
        shim.kind === 'plain' && typeof value === 'function'
          ? value
          : () => {
              throw cannotSwitch(false, plan.behindNames[i]);
            };
    });
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: plan.behind.length });
    const doors = new WebAssembly.Instance(program.shimModule('doors', plan), { i: { shims: table } }).exports;
    const first = new WebAssembly.Instance(program.shimModule('early', plan), { j: early as any }).exports;
    plan.behind.forEach((_, i) => void table.set(i, first[i]));
    const functions: Record<string, unknown> = { ...plan.functions };
    for (const [key, i] of plan.behindAt) functions[key] = doors[i];
    const linked: Record<string, Record<string, any>> = {};
    for (const it of program.shape?.imports ?? []) {
      if (it.module.startsWith('gevent:')) continue;
      linked[it.module] ??= {};
      linked[it.module][it.name] =
        it.kind === Extern.FUNC ? functions[`${it.module}.${it.name}`] : given[it.module]?.[it.name];
    }
    let engine: NativeEngine;
    try {
      engine = engineIn(hub, program.module, linked, program.limits);
    } catch (error) {
      throw notInstantiated(name, error);
    }
    const spawns = plan.behind.some((shim) => shim.kind === 'spawn');
    if (spawns) {
      this.#number = nextNumber(engine, this);
      this.#spawnEntry = engine.addEntry(null);
    }
    this.#after = () => {
      const shims = new WebAssembly.Instance(program.shimModule('behind', plan), {
        e: engine.exports as unknown as Record<string, any>,
        j: this.#functions(engine, plan.behind, plan.behindValues, plan.behindNames),
        i: this.#own(),
      }).exports;
      plan.behind.forEach((_, i) => void table.set(i, shims[i]));
      if (spawns) this.#openSpawn(engine);
    };
    return engine;
  }

  #own(): Record<string, WebAssembly.Global> {
    return {
      entry: new WebAssembly.Global({ value: 'i32' }, this.#spawnEntry),
      number: new WebAssembly.Global({ value: 'i32' }, this.#number),
    };
  }

  /** What shims call. */
  #functions(
    engine: NativeEngine,
    shims: readonly ShimOf[],
    values: readonly (ImportValue | null)[],
    names: readonly string[],
  ): Record<string, any> {
    const made: Record<string, any> = {};
    shims.forEach((shim, i) => {
      const value = values[i];
      if (shim.kind === 'plain') {
        const fn = value ?? ((fn: number, arg: number) => this.#spawnIndirect(fn, arg));
        made[`begin${i}`] = engine.plain(fn as (...args: any[]) => unknown, shim.signature.params.length);
      } else if (shim.kind === 'blocking') {
        made[`begin${i}`] = engine.beginner((value as Blocking).fn, names[i]);
        made[`complete${i}`] = engine.completer();
      }
    });
    return made;
  }

  /** What the engine calls to start what the guest spawns. */
  #openSpawn({ exports }: NativeEngine): void {
    const inside: unknown = this.#raw[SPAWNED];
    if (inside !== undefined) {
      exports.entries.set(this.#spawnEntry, inside);
      return;
    }
    const table = this.#raw[OUR.table] ?? this.#raw.__indirect_function_table ?? this.#raw.table;
    if (!(table instanceof WebAssembly.Table)) {
      throw new GuestError(
        'GEVENT_GUEST_IMPORT',
        `${this.name} imports gevent.spawn, and has no table of functions (is the table exported? asc --exportTable, clang -Wl,--export-table)`,
      );
    }
    const made = new WebAssembly.Instance(this.program.spawnedModule(), {
      e: exports as unknown as Record<string, any>,
      i: { table },
    }).exports;
    exports.entries.set(this.#spawnEntry, made['0']);
  }

  #link(engine: NativeEngine, given: Imports): Record<string, Record<string, any>> {
    const { program } = this;
    const { exports } = engine;
    const linked: Record<string, Record<string, any>> = {};
    const put = (module: string, name: string, value: unknown) => {
      linked[module] ??= {};
      linked[module][name] = value;
    };
    const plan = program.plan(given, this);
    const functions = { ...plan.functions };
    const spawns = plan.before.some((shim) => shim.kind === 'spawn');
    if (spawns) {
      this.#number = nextNumber(engine, this);
      this.#spawnEntry = engine.addEntry(null);
    }
    const own = this.#own();
    if (plan.before.length > 0) {
      const shims = new WebAssembly.Instance(program.shimModule('before', plan), {
        e: exports as unknown as Record<string, any>,
        j: this.#functions(engine, plan.before, plan.beforeValues, plan.beforeNames),
        i: own,
      }).exports;
      for (const [key, i] of plan.beforeAt) functions[key] = shims[i];
    }
    if (plan.behind.length > 0) {
      const table = new WebAssembly.Table({ element: 'anyfunc', initial: plan.behind.length });
      const doors = new WebAssembly.Instance(program.shimModule('doors', plan), { i: { shims: table } }).exports;
      for (const [key, i] of plan.behindAt) functions[key] = doors[i];
      this.#after = () => {
        const shims = new WebAssembly.Instance(program.shimModule('behind', plan), {
          e: exports as unknown as Record<string, any>,
          j: this.#functions(engine, plan.behind, plan.behindValues, plan.behindNames),
          i: { ...own, sp: this.#raw[program.stackPointer as string] },
        }).exports;
        plan.behind.forEach((_, i) => void table.set(i, shims[i]));
      };
    }
    for (const it of program.shape?.imports ?? []) {
      const key = `${it.module}.${it.name}`;
      if (it.module === OURS) put(OURS, it.name, (exports as any)[it.name]);
      else if (it.kind !== Extern.FUNC) put(it.module, it.name, given[it.module]?.[it.name]);
      else if (typeof functions[key] === 'string') put(it.module, it.name, (exports as any)[functions[key] as string]);
      else put(it.module, it.name, functions[key]);
    }
    if (program.backend === 'asyncify') {
      put('env', '__asyncify_state', exports.__asyncify_state);
      put('env', '__asyncify_data', (exports as any).__asyncify_data);
    }
    if (spawns) {
      const before = this.#after;
      this.#after = () => {
        before?.();
        this.#openSpawn(engine);
      };
    }
    return linked;
  }

  #linkJspi(given: Imports): Record<string, Record<string, any>> {
    const engine = this.engine as JspiEngine;
    const linked: Record<string, Record<string, any>> = {};
    const { Suspending } = jspi();
    for (const { module, name, kind } of WebAssembly.Module.imports(this.program.module)) {
      linked[module] ??= {};
      const value = given[module]?.[name];
      const what = `${module}.${name}`;
      if (kind !== 'function') linked[module][name] = value;
      else if (value instanceof Blocking) linked[module][name] = new Suspending(engine.blocking(value.fn, what));
      else if (typeof value === 'function') {
        linked[module][name] = isDirect(value) ? value : engine.plain(value as (...args: any[]) => unknown);
      } else if (module === 'gevent' && name === 'yield') {
        linked[module][name] = new Suspending(engine.blocking(() => engine.yielding(), what));
      } else if (module === 'gevent' && name === 'sleep') {
        linked[module][name] = new Suspending(engine.blocking((s: number) => engine.sleeping(s), what));
      } else if (module === 'gevent' && name === 'spawn') {
        linked[module][name] = (fn: number, arg: number) => this.#spawnIndirect(fn, arg);
      } else {
        const builtin = builtinOf(module, name);
        if (builtin === undefined) throw missing(this.name, what);
        const fn = builtin.make(this);
        linked[module][name] =
          builtin.kind === 'direct'
            ? fn
            : builtin.kind === 'plain'
              ? engine.plain(fn)
              : new Suspending(engine.blocking(fn, what));
      }
    }
    return linked;
  }

  /** gevent.spawn where the engine cannot do it: a function of the guest's table becomes a greenlet. */
  #spawnIndirect(fn: number, arg: number): number {
    const key = `function ${fn}`;
    let entry = this.#spawnable.get(fn);
    if (entry === undefined) {
      const table = this.#raw[OUR.table] ?? this.#raw.__indirect_function_table ?? this.#raw.table;
      const run: unknown = table instanceof WebAssembly.Table && fn >= 0 && fn < table.length ? table.get(fn) : null;
      if (typeof run !== 'function') {
        throw new GuestError(
          'GEVENT_GUEST_IMPORT',
          `${this.name}: gevent.spawn(${fn}): no such function in its table (is the table exported? asc --exportTable, clang -Wl,--export-table)`,
        );
      }
      entry = this.#open(key, run, { params: [Type.I32], results: [] });
      this.#spawnable.set(fn, entry);
    }
    const g = this.#make(entry, [arg]);
    g.start();
    return g.$slot;
  }

  // ---- starting -----------------------------------------------------------------------------------------------------

  /**
   * Run an export as a greenlet. It starts on the next turn.
   * @param name - of an exported function
   * @param args - converted as in a direct call: numbers, BigInt for i64, anything for externref
   * @throws TypeError if there is no such function
   */
  spawn<T = any>(name: string, ...args: unknown[]): GuestGreenlet<T> {
    const greenlet = this.greenlet<T>(name, ...args);
    greenlet.start();
    return greenlet;
  }

  /** The same, not started: for `start()`, `startLater()` and `pool.start(greenlet)`. */
  greenlet<T = any>(name: string, ...args: unknown[]): GuestGreenlet<T> {
    if (this.#closed) throw new GuestError('GEVENT_GUEST_CLOSED', `${this.name} is closed`);
    return this.#make(this.#entryOf(name), args);
  }

  #make<T>(entry: Open, args: unknown[]): GuestGreenlet<T> {
    const before = this.hub.activate();
    try {
      return new GuestGreenlet<T>(this, entry, args);
    } finally {
      setActive(before);
    }
  }

  #entryOf(name: string): Open {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const f: unknown = Object.hasOwn(this.#exports, name) ? this.#exports[name] : undefined;
    if (typeof f !== 'function') {
      const there = Object.keys(this.#exports).filter((it) => typeof this.#exports[it] === 'function');
      throw new TypeError(
        `spawn(name): expected the name of an exported function of ${this.name}, got ${describe(name)}; there are ${there.join(', ') || 'none'}`,
      );
    }
    const entry = this.#open(name, f, this.program.signatureOf(name));
    this.#entries.set(name, entry);
    return entry;
  }

  #open(name: string, f: unknown, signature: Signature): Open {
    if (!(this.engine instanceof NativeEngine)) return { name, signature, run: jspi().promising(f), index: 0 };
    const sp = this.program.stackPointer;
    if (sp === null && signature.params.length === 0 && signature.results.length === 0) {
      return { name, signature, run: f, index: 0 };
    }
    // Functions of its table have no name.
    const inside: unknown = this.#raw[runner(name)];
    if (inside !== undefined && f === this.#exports[name]) return { name, signature, run: inside, index: 0 };
    const { exports } = this.engine;
    const i = (sp === null ? { f } : { f, sp: this.#raw[sp] }) as Record<string, any>;
    const e = exports as unknown as Record<string, any>;
    const run = new WebAssembly.Instance(this.program.thunkModule(signature), { e, i }).exports['0'];
    return { name, signature, run, index: 0 };
  }

  /** What the module exports; calling it directly runs it at once, and it must not block then. */
  get exports(): Readonly<Record<string, any>> {
    return this.#exports;
  }

  /** Its memory, if it has one. */
  get memory(): WebAssembly.Memory {
    const memory = this.#raw.memory ?? this.#raw[OUR.memory];
    if (memory instanceof WebAssembly.Memory) return memory;
    throw new GuestError('GEVENT_GUEST_IMPORT', `${this.name} has no memory`);
  }

  /**
   * The number that an object is to this guest: of a Channel, Queue, Semaphore, Event, socket, for its imports of `gevent`. The same
   * object has the same one, until the guest closes it. `spawn` gives such objects handles by itself where an i32 is wanted.
   */
  handle(object: object): number {
    if (typeof object !== 'object' || object === null) {
      throw new TypeError(`handle(object): expected an object, got ${describe(object)}`);
    }
    return this.handles.of(object);
  }

  /** @internal Arguments as the guest has them: what it can use by a handle is a handle. */
  $handed(args: readonly unknown[]): readonly unknown[] {
    return args.some(isHanded) ? args.map((arg) => (isHanded(arg) ? this.handles.of(arg) : arg)) : args;
  }

  /** Greenlets that have started in it and not ended, those that guests spawned left out. */
  get alive(): number {
    return this.#alive;
  }

  // ---- what the engine tells ----------------------------------------------------------------------------------------

  /** @internal It is about to run for the first time. Gives what the engine calls. */
  $entered(g: GuestGreenlet): number {
    const entry = g.$entry as Open;
    g.$inside = true;
    ++this.#alive;
    if (this.#sp !== null) {
      g.$sp = g.$stack = this.#takeStack();
      if (this.program.collects) this.#guests.add(g);
    } else if (this.#alive > 1) this.#mindDoubt();
    if (this.engine instanceof NativeEngine) {
      if (entry.index === 0) entry.index = this.engine.addEntry(entry.run);
      idle.get(this.engine)?.delete(this);
    }
    return entry.index;
  }

  /** @internal For JSPI: what starts it. */
  $runOf(g: GuestGreenlet): (...args: unknown[]) => Promise<unknown> {
    return (g.$entry as Open).run as (...args: unknown[]) => Promise<unknown>;
  }

  /** @internal For JSPI: put its shadow stack pointer in place, */
  $useStack(g: GuestGreenlet): void {
    if (this.#sp !== null) this.#sp.value = g.$sp;
  }

  /** @internal and take it back. */
  $keepStack(g: GuestGreenlet): void {
    if (this.#sp !== null) g.$sp = this.#sp.value;
  }

  /** @internal JavaScript met one that a guest spawned. */
  $met(g: GuestGreenlet): void {
    g.$inside = true;
    ++this.#alive;
  }

  /** @internal It has ended, whatever it was about to do. */
  $left(g: GuestGreenlet, ok: boolean): void {
    if (!g.$inside) return;
    g.$inside = false;
    if (g.$stack !== 0) {
      if (this.#guests.delete(g) && !ok) this.#clearStack(g.$stack);
      this.#stacks.push(g.$stack);
      g.$stack = 0;
    }
    if (--this.#alive > 0 || !(this.engine instanceof NativeEngine)) return;
    if (this.#closed) return this.#dropEntries(this.engine);
    let waiting = idle.get(this.engine);
    if (waiting === undefined) idle.set(this.engine, (waiting = new Set()));
    waiting.add(this);
    if (waiting.size <= IDLE) return;
    const [first] = waiting;
    waiting.delete(first);
    first.#dropEntries(this.engine);
  }

  #dropEntries(engine: NativeEngine): void {
    for (const entry of [...this.#entries.values(), ...this.#spawnable.values()]) {
      if (entry.index === 0) continue;
      engine.dropEntry(entry.index);
      entry.index = 0;
    }
  }

  #mindDoubt(): void {
    const { shape, sharedStack } = this.program;
    if (sharedStack || shape?.stackPointer.kind !== 'doubtful') return;
    throw new GuestError(
      'GEVENT_GUEST_STACK_POINTER',
      `${this.name}: ${shape.stackPointer.why}, and may be a stack pointer; before several greenlets run in one instance, say so by load({ stackPointer: number, name or null })`,
    );
  }

  /** @internal A shadow stack for one more greenlet. */
  #takeStack(): number {
    const free = this.#stacks.pop();
    if (free !== undefined) return free;
    const { stackSize, shape } = this.program;
    if (
      shape?.stackPointer.kind === 'global' &&
      shape.stackPointer.from === 'assemblyscript' &&
      !this.program.sharedStack &&
      !this.program.collects
    ) {
      throw new GuestError(
        'GEVENT_GUEST_COLLECTOR',
        `${this.name}: AssemblyScript's incremental runtime looks for references on one stack only, so a second greenlet in this instance could lose its objects: let it import 'gevent-wasm/assembly', which visits them all, compile with --runtime minimal or stub, or give each greenlet an instance (program.instantiate())`,
      );
    }
    const pages = Math.ceil(stackSize / 65536);
    const { memory } = this;
    let from: number;
    try {
      from = memory.grow(pages) * 65536;
    } catch (cause) {
      throw new GuestError('GEVENT_GUEST_MEMORY', `${this.name}: no memory for the stack of another greenlet`, {
        cause,
      });
    }
    for (let top = from + stackSize; top <= from + pages * 65536; top += stackSize) {
      this.#stacks.push(top);
      if (this.program.collects) this.#tops.push(top);
    }
    return this.#stacks.pop() as number;
  }

  /**
   * @internal For a collector in the guest: write pairs of pointer and top, of each stack in which references may be, as far as there is
   * room for; how many there are. Left out is what the collector visits itself: the module's own stack, while it is in use.
   */
  $stacks(at: number, room: number): number {
    const sp = (this.#sp as WebAssembly.Global).value as number;
    const inUse = this.#tops.find((top) => sp <= top && sp > top - this.program.stackSize) ?? 0;
    const pairs: [number, number][] = inUse === 0 ? [] : [[0, inUse]];
    for (const g of this.#guests) if (!this.engine.runs(g)) pairs.push([this.engine.stackOf(g), g.$stack]);
    const into = new DataView(this.memory.buffer);
    pairs.slice(0, room).forEach(([from, top], i) => {
      into.setUint32(at + 8 * i, from, true);
      into.setUint32(at + 8 * i + 4, top, true);
    });
    return pairs.length;
  }

  /** Whoever was cut short has left references in it that nobody keeps alive, and the pointer may still be below them. */
  #clearStack(top: number): void {
    const { stackSize, shape } = this.program;
    const bottom = this.#tops.includes(top) ? top - stackSize : (shape?.dataEnd ?? top);
    new Uint8Array(this.memory.buffer, bottom, top - bottom).fill(0);
  }

  /**
   * Let go of it: no more spawns. Greenlets that still run in it end as they would.
   * What its guest opened and left open, sockets and files, is closed.
   * Not needed for an instance that is dropped, unless its guest spawns guests or opens something.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.handles.clear();
    if (!(this.engine instanceof NativeEngine)) return;
    idle.get(this.engine)?.delete(this);
    if (this.#alive === 0) this.#dropEntries(this.engine);
    if (this.#number > 0) this.#forget(this.engine);
  }

  #forget(engine: NativeEngine): void {
    engine.instances[this.#number] = null;
    engine.dropEntry(this.#spawnEntry);
    this.#number = 0;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return `<Instance ${this.name}>`;
  }
}

function nextNumber(engine: NativeEngine, instance: Instance): number {
  if (engine.instances.length === 0) engine.instances.push(null);
  const free = engine.instances.indexOf(null, 1);
  if (free > 0) {
    engine.instances[free] = instance;
    return free;
  }
  if (engine.instances.length >= 1 << 24) throw new GuestError('GEVENT_GUEST_MEMORY', 'too many instances that spawn');
  return engine.instances.push(instance) - 1;
}

/** Objects that guests use by handles. What is not of them is converted as in a direct call. */
function isHanded(arg: unknown): arg is object {
  return arg instanceof Rowed || arg instanceof RLock || (typeof arg === 'object' && arg !== null && isSocket(arg));
}

export function missing(name: string, what: string): GuestError {
  return new GuestError(
    'GEVENT_GUEST_IMPORT',
    `${name} imports the function ${what}, and load({ imports }) gives none`,
  );
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
