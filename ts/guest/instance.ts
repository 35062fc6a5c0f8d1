// One instance of a guest: its memory, its exports, the greenlets that run in it.

import { describe, wrongType } from '../core/arguments.ts';
import { setActive } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { Rowed } from '../hub/waitable.ts';
import { RLock } from '../lock.ts';
import { isSocket } from './abi-sockets.ts';
import { riskOf } from './choose.ts';
import { jspi } from './detect.ts';
import { type Signature, Type } from './emit.ts';
import { type Engine, NativeEngine } from './engine.ts';
import { engineOf, liftOf } from './engines.ts';
import { GuestError } from './errors.ts';
import { GuestGreenlet } from './guest-greenlet.ts';
import { Handles } from './handles.ts';
import type { Imports } from './imports.ts';
import type { JspiEngine } from './jspi.ts';
import type { Lift } from './lift.ts';
import { linkBundled, linkJspi, linkNative } from './link.ts';
import { runner } from './pilot.ts';
import type { Program } from './program.ts';
import type { Shape } from './read.ts';
import { OUR } from './rewrite.ts';
import { ShadowStacks } from './shadow-stacks.ts';
import { nextSerial } from './sharing.ts';
import { functionsOf, type SpawnEntry, TABLE } from './spawn-entry.ts';

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
  /** @internal What the cells of engines know it by. */ readonly $serial = nextSerial();
  /** @internal Null: the guest has none, or they cannot be told. */ readonly shadows: ShadowStacks | null = null;
  #exports: Readonly<Record<string, any>> = {};
  /** With what is not the user's. */
  #raw: Readonly<Record<string, any>> = {};
  readonly #entries = new Map<string, Open>();
  readonly #spawnable = new Map<number, Open>();
  readonly #spawning: SpawnEntry | null = null;
  /** @internal Guests of it that block deep get stacks. */ readonly $lifts: boolean = false;
  #liftEntry = 0;
  #alive = 0;
  #closed = false;

  constructor(program: Program, hub: Hub, imports?: Imports | ((instance: Instance) => Imports)) {
    this.program = program;
    this.hub = hub;
    this.name = program.name;
    this.handles = new Handles(this.name);
    const ask = () => (typeof imports === 'function' ? imports(this) : (imports ?? program.importsFor(this)));
    if (program.bundled) {
      const { engine, raw, spawning } = linkBundled(this, ask());
      this.engine = engine;
      this.#raw = raw;
      this.#spawning = spawning;
    } else {
      const engine = engineOf(hub, program.backend, program.limits);
      this.engine = engine;
      if (engine instanceof NativeEngine) {
        const given = ask();
        this.$lifts = program.lifts && riskOf(program.shape as Shape, given) === null;
        const { raw, spawning } = linkNative(this, engine, given);
        this.#raw = raw;
        this.#spawning = spawning;
      } else this.#raw = linkJspi(this, engine as JspiEngine, ask());
    }
    this.#exports = Object.fromEntries(
      Object.entries(this.#raw).filter(([name]) => !/^(gevent|engine):/.test(name) && !ASYNCIFYS.test(name)),
    );
    if (this.$lifts) liftOf(this.engine as NativeEngine, program.limits);
    const sp = program.stackPointer;
    if (sp !== null) this.shadows = new ShadowStacks(this, this.#raw[sp]);
    // As WASI's reactors have it.
    if (program.$initializes && typeof this.#raw._initialize === 'function') this.#raw._initialize();
  }

  /** @internal gevent.spawn where the engine cannot do it: a function of the guest's table becomes a greenlet. */
  $spawnIndirect(fn: number, arg: number): number {
    const key = `function ${fn}`;
    let entry = this.#spawnable.get(fn);
    if (entry === undefined) {
      const table = functionsOf(this.#raw);
      const run: unknown = table !== null && fn >= 0 && fn < table.length ? table.get(fn) : null;
      if (typeof run !== 'function') {
        throw new GuestError(
          'GEVENT_GUEST_IMPORT',
          `${this.name}: gevent.spawn(${fn}): no such function in its ${TABLE}`,
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
      throw wrongType('handle(object)', 'an object', object);
    }
    return this.handles.of(object);
  }

  /** @internal From now on guest code reaches what the handle names by itself, as long as it has a row. See sharing.ts. */
  $share(handle: number, object: Rowed, bits: number, waits: boolean): void {
    if (!(this.engine instanceof NativeEngine) || this.#closed) return;
    this.engine.cells.share(this.$serial, handle, object, bits, waits);
  }

  /** @internal Forget a handle; what it stood for, or null. */
  $dropHandle(handle: number): object | null {
    if (this.engine instanceof NativeEngine) this.engine.cells.forget(this.$serial, handle);
    return this.handles.drop(handle);
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
    if (this.shadows !== null) this.shadows.take(g);
    else if (this.#alive > 1) this.#mindDoubt();
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

  /** @internal JavaScript met one that a guest spawned. */
  $met(g: GuestGreenlet): void {
    g.$inside = true;
    ++this.#alive;
  }

  /** @internal It has ended, whatever it was about to do. */
  $left(g: GuestGreenlet, ok: boolean): void {
    if (!g.$inside) return;
    g.$inside = false;
    this.shadows?.giveBack(g, ok);
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

  /** @internal What the engine calls for one of its guests that has a stack: as a thunk, it minds the shadow stack pointer. */
  $liftEntry(lift: Lift): number {
    const sp = this.program.stackPointer;
    if (sp === null) return lift.entry;
    if (this.#liftEntry === 0) {
      const engine = this.engine as NativeEngine;
      const run = new WebAssembly.Instance(this.program.thunkModule({ params: [], results: [] }), {
        e: engine.exports as unknown as Record<string, any>,
        i: { f: lift.resume, sp: this.#raw[sp] } as Record<string, any>,
      }).exports['0'];
      this.#liftEntry = engine.addEntry(run);
    }
    return this.#liftEntry;
  }

  #dropEntries(engine: NativeEngine): void {
    if (this.#liftEntry !== 0) engine.dropEntry(this.#liftEntry);
    this.#liftEntry = 0;
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
    this.engine.cells.forget(this.$serial, null);
    idle.get(this.engine)?.delete(this);
    if (this.#alive === 0) this.#dropEntries(this.engine);
    this.#spawning?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return `<Instance ${this.name}>`;
  }
}

/** Objects that guests use by handles. What is not of them is converted as in a direct call. */
function isHanded(arg: unknown): arg is object {
  return arg instanceof Rowed || arg instanceof RLock || (typeof arg === 'object' && arg !== null && isSocket(arg));
}
