// Loading a guest: which backend, what its imports become, and what is known of it.

import { describe } from '../core/clock.ts';
import type { Greenlet } from '../gevent-greenlet.ts';
import type { Operation } from '../hub/operation.ts';
import { getHub, type Hub } from '../hub.ts';
import { until } from '../until.ts';
import { builtinOf } from './abi.ts';
import type { Net } from './abi-sockets.ts';
import { bundled, mayCatch } from './bundle.ts';
import { type BackendName, early, enableWasmfx, switchAborts, wasmfxAllowed, whyNot } from './detect.ts';
import { Extern, type Signature, Type } from './emit.ts';
import { needsWasm } from './engine.ts';
import type { Limits } from './engines.ts';
import { GuestError } from './errors.ts';
import type { GuestGreenlet } from './guest-greenlet.ts';
import { Blocking, type Imports, type ImportValue, isDirect, isExported, Yielding } from './imports.ts';
import { Instance, missing } from './instance.ts';
import { readShape, type Shape, withStackPointer } from './read.ts';
import { asyncify, compile, OUR, rewritten, SWITCHING, withOurExports } from './rewrite.ts';
import {
  emitEarly,
  emitShims,
  emitSpawned,
  emitThunk,
  emitTrampolines,
  type ShimOf,
  SPAWN,
  type Switching,
} from './shims.ts';
import { refuseSwitch } from './switches.ts';

/** A module: its bytes, or compiled. */
export type GuestSource = ArrayBuffer | ArrayBufferView<ArrayBuffer> | WebAssembly.Module;

export interface LoadOptions {
  /** What the guest imports; a function is called for each instance, with that instance. */
  imports?: Imports | ((instance: Instance) => Imports);
  /** Default `'auto'`; `explain()` tells what that chose, and why. */
  backend?: 'auto' | BackendName;
  /** As errors and dumps name it. Default `guest`. */
  name?: string;
  /** Bytes of shadow stack for each greenlet after the first of an instance. Default 65536. */
  stackSize?: number;
  /**
   * The global that is the shadow stack pointer: its number in the module, or the name it is exported by; null: there is none.
   * Default: found by name, or by what LLVM's linker leaves in a module.
   */
  stackPointer?: string | number | null;
  /** asyncify: bytes of frames that one greenlet may leave behind when it switches. Default 1 MiB. */
  frameLimit?: number;
  /**
   * How many frames below its export the guest blocks as a rule, for `backend: 'auto'`: what asyncify costs grows with it, and from some 14
   * on (5 on V8 15) wasmfx is taken, if it was enabled. Default 0.
   */
  depth?: number;
  /** wasmfx, jspi: stacks alive at a time, in this thread. Default 4096. */
  maxStacks?: number;
  /** What makes the guest's sockets: the module `gevent-wasm/socket`, or functions of yours. Default: it has none. */
  net?: Net;
  /** The folder that the guest's files are in. Default: it has none. */
  files?: string;
  /** What is done with lines that the guest logs. Default: `console.log`. */
  log?: (line: string, greenlet: Greenlet | null) => void;
  /** Where rewritten modules are kept: a folder, or false. Default: in the user's cache folder, from 100 kB on. */
  cache?: string | boolean;
}

/** What `explain()` gives. */
export interface Explanation {
  readonly backend: BackendName;
  /** Why that one. */
  readonly reason: string;
  /** Why not the others. */
  readonly others: Readonly<Partial<Record<BackendName, string>>>;
  /** True if the module was rewritten, ahead of time or at load. */
  readonly rewritten: boolean;
  /** Of the module as it runs. */
  readonly bytes: number;
  /** Shadow stack: the global, or why there is none. */
  readonly stack: string;
  readonly limits: Limits & { readonly stackSize: number };
}

/** How the imports of a program are linked. */
export interface Plan {
  /** Imports linked as they are: a function, or the name of one of the engine's. */
  readonly functions: Readonly<Record<string, unknown>>;
  readonly before: ShimOf[];
  readonly beforeValues: (ImportValue | null)[];
  readonly beforeNames: string[];
  readonly beforeAt: [key: string, index: number][];
  /** Shims that need the instance's shadow stack pointer. */
  readonly behind: ShimOf[];
  readonly behindValues: (ImportValue | null)[];
  readonly behindNames: string[];
  readonly behindAt: [key: string, index: number][];
}

function framed(backend: BackendName, fn: (...args: any[]) => unknown): (...args: any[]) => unknown {
  return backend === 'wasmfx' && isExported(fn) ? (...args: any[]) => fn(...args) : fn;
}

const YIELD: Signature = { params: [], results: [] };
const SLEEP: Signature = { params: [Type.F64], results: [] };

/** A loaded guest. */
export class Program {
  readonly name: string;
  readonly module: WebAssembly.Module;
  readonly backend: BackendName;
  /** @internal */ readonly shape: Shape | null;
  /** @internal Export that is the shadow stack pointer. */ readonly stackPointer: string | null;
  /** @internal */ readonly stackSize: number;
  /** @internal */ readonly limits: Limits;
  /** @internal It is its own engine. */ readonly bundled: boolean;
  /** @internal What is thrown into it may be caught there. */ readonly catches: boolean;
  /** @internal The user says that its stack may be one of several. */ readonly sharedStack: boolean;
  /** @internal Its collector asks for the stacks of its greenlets. */ readonly collects: boolean;
  /** @internal */ readonly net: Net | null;
  /** @internal */ readonly files: string | null;
  /** @internal */ readonly log: (line: string, greenlet: Greenlet | null) => void;
  /** @internal False: `_initialize` is run as a greenlet by whoever makes instances. */ $initializes = true;
  readonly #explanation: Explanation;
  readonly #imports: LoadOptions['imports'];
  readonly #instances = new WeakMap<Hub, Instance>();
  readonly #thunks = new Map<string, WebAssembly.Module>();
  readonly #shims = new Map<string, WebAssembly.Module>();
  #spawned: WebAssembly.Module | null = null;

  /** @internal */
  constructor(module: WebAssembly.Module, shape: Shape | null, options: LoadOptions, chosen: Explanation) {
    this.module = module;
    this.shape = shape;
    this.name = options.name ?? 'guest';
    this.backend = chosen.backend;
    this.#explanation = chosen;
    this.#imports = options.imports;
    this.stackSize = chosen.limits.stackSize;
    this.limits = chosen.limits;
    const said = shape === null ? null : bundled(shape);
    this.bundled = said !== null;
    this.catches = shape === null || (said?.catches ?? mayCatch(shape));
    this.net = options.net ?? null;
    this.files = options.files ?? null;
    this.log = options.log ?? ((line) => console.log(line));
    this.collects = WebAssembly.Module.imports(module).some((it) => it.module === 'gevent' && it.name === 'stacks');
    this.sharedStack = options.stackPointer !== undefined || said?.sharedStack === true;
    this.stackPointer = this.#findStack(options.stackPointer);
  }

  #findStack(named: string | number | null | undefined): string | null {
    if (named === null) return null;
    if (typeof named === 'number') return OUR.sp;
    const exported = WebAssembly.Module.exports(this.module).filter((it) => it.kind === 'global');
    if (named !== undefined) {
      if (exported.some((it) => it.name === named)) return named;
      throw new TypeError(`load({ stackPointer }): expected the name of an exported global, got ${describe(named)}`);
    }
    return exported.find((it) => it.name === OUR.sp || it.name === '__stack_pointer')?.name ?? null;
  }

  // ---- for users ----------------------------------------------------------------------------------------------------

  /** The instance that `spawn` runs in, on the current hub; made at the first call. */
  get instance(): Instance {
    const hub = getHub();
    let instance = this.#instances.get(hub);
    if (instance === undefined) this.#instances.set(hub, (instance = new Instance(this, hub)));
    return instance;
  }

  /** Another instance, with a memory of its own. `imports`: other than those of `load`. */
  instantiate(imports?: Imports | ((instance: Instance) => Imports)): Instance {
    return new Instance(this, getHub(), imports);
  }

  /** Run an export as a greenlet, in `program.instance`; see `Instance.spawn`. */
  spawn<T = any>(name: string, ...args: unknown[]): GuestGreenlet<T> {
    return this.instance.spawn<T>(name, ...args);
  }

  /** The same, not started. */
  greenlet<T = any>(name: string, ...args: unknown[]): GuestGreenlet<T> {
    return this.instance.greenlet<T>(name, ...args);
  }

  /** The number that an object is to `program.instance`; see `Instance.handle`. */
  handle(object: object): number {
    return this.instance.handle(object);
  }

  /** Which backend runs it and why, and what its limits are. */
  explain(): Explanation {
    return this.#explanation;
  }

  toString(): string {
    return `<Program ${this.name} ${this.backend}>`;
  }

  // ---- for instances ------------------------------------------------------------------------------------------------

  /** @internal */
  importsFor(instance: Instance): Imports {
    return (typeof this.#imports === 'function' ? this.#imports(instance) : this.#imports) ?? {};
  }

  /** @internal */
  signatureOf(name: string): Signature {
    const found = this.shape?.exports.find((it) => it.name === name && it.kind === Extern.FUNC)?.signature;
    if (found != null) return found;
    if (this.backend === 'jspi') return { params: [], results: [] };
    throw new GuestError(
      'GEVENT_GUEST_SIGNATURE',
      `${this.name}.${name}: its signature could not be read; use backend 'jspi'`,
    );
  }

  /** @internal What each imported function is linked to. */
  plan(given: Imports, instance: Instance): Plan {
    const plan = {
      functions: {} as Record<string, unknown>,
      before: [] as ShimOf[],
      beforeValues: [] as (ImportValue | null)[],
      beforeNames: [] as string[],
      beforeAt: [] as [string, number][],
      behind: [] as ShimOf[],
      behindValues: [] as (ImportValue | null)[],
      behindNames: [] as string[],
      behindAt: [] as [string, number][],
    };
    const late = this.backend === 'wasmfx' && this.stackPointer !== null;
    const { bundled: all } = this;
    const instrumented = this.shape === null ? null : rewritten(this.shape);
    const mayBlock = (key: string) => {
      if (instrumented === null || instrumented.blocking.includes(key)) return;
      throw new GuestError(
        'GEVENT_GUEST_REWRITTEN',
        `${this.name}: ${key} is blocking, and the module was rewritten for others: ${instrumented.blocking.join(', ') || 'none'}; rewrite it with --imports ${key}`,
      );
    };
    const add = (key: string, shim: ShimOf, value: ImportValue | null) => {
      const isLate = all || (late && (shim.kind === 'blocking' || shim.kind === 'engine'));
      const [shims, values, names, at] = isLate
        ? [plan.behind, plan.behindValues, plan.behindNames, plan.behindAt]
        : [plan.before, plan.beforeValues, plan.beforeNames, plan.beforeAt];
      at.push([key, shims.push(shim) - 1]);
      values.push(value);
      names.push(key);
    };
    const risk = this.backend === 'wasmfx' ? riskOf(this.shape as Shape, given) : null;
    if (risk !== null) throw new GuestError('GEVENT_GUEST_IMPORT', `${this.name}: ${risk}`);
    for (const { module, name, kind, signature } of this.shape?.imports ?? []) {
      // `gevent:…` is the engine's.
      if (kind !== Extern.FUNC || module.startsWith('gevent:')) continue;
      const key = `${module}.${name}`;
      const value = given[module]?.[name];
      if (signature === null) {
        throw new GuestError(
          'GEVENT_GUEST_SIGNATURE',
          `${this.name}: the signature of its import ${key} could not be read`,
        );
      }
      if (value instanceof Blocking) {
        mayBlock(key);
        if (value instanceof Yielding) add(key, { kind: 'engine', name: 'yield', signature }, null);
        else add(key, { kind: 'blocking', signature }, value);
      } else if (typeof value === 'function') {
        // Code of another module that JSPI suspends, reached without a JavaScript frame on a stack of wasmfx, crashes V8 14.6.
        if (isDirect(value)) plan.functions[key] = framed(this.backend, value as (...args: any[]) => unknown);
        else add(key, { kind: 'plain', signature }, value);
      } else if (value !== undefined) {
        throw new TypeError(`load({ imports }): expected a function for ${key}, got ${describe(value)}`);
      } else if (module === 'gevent' && (name === 'yield' || name === 'sleep')) {
        const own = name === 'yield' ? YIELD : SLEEP;
        if (late) add(key, { kind: 'engine', name, signature: own }, null);
        else plan.functions[key] = name;
      } else if (module === 'gevent' && name === 'spawn') {
        if (String(signature.params) !== String(SPAWN.params)) throw missing(this.name, `${key} of another signature`);
        // Each needs a stack of its own, which JavaScript gives out.
        if (this.stackPointer === null) add(key, { kind: 'spawn' }, null);
        else add(key, { kind: 'plain', signature: SPAWN }, null);
      } else {
        const builtin = builtinOf(module, name);
        if (builtin === undefined) throw missing(this.name, key);
        if (
          String([signature.params, signature.results]) !==
          String([builtin.signature.params, builtin.signature.results])
        ) {
          throw missing(this.name, `${key} of another signature`);
        }
        const fn = builtin.make(instance);
        if (builtin.kind === 'direct') plan.functions[key] = fn;
        else if (builtin.kind === 'plain') add(key, { kind: 'plain', signature }, fn);
        else {
          mayBlock(key);
          add(key, { kind: 'blocking', signature }, new Blocking(fn));
        }
      }
    }
    return plan;
  }

  /** @internal */
  shimModule(which: 'before' | 'behind' | 'doors' | 'early', plan: Plan): WebAssembly.Module {
    const shims = which === 'before' ? plan.before : plan.behind;
    const key = `${which} ${shims.map((it) => ('signature' in it ? `${it.kind}${it.signature.params}:${it.signature.results}` : it.kind))}`;
    let module = this.#shims.get(key);
    if (module === undefined) {
      const switching = this.backend as Switching;
      const signatures = shims.map((it) => ('signature' in it ? it.signature : SPAWN));
      const bytes =
        which === 'doors'
          ? emitTrampolines(signatures)
          : which === 'early'
            ? emitEarly(signatures)
            : emitShims(shims, switching, which === 'behind' && !this.bundled);
      this.#shims.set(key, (module = new WebAssembly.Module(bytes)));
    }
    return module;
  }

  /** @internal */
  thunkModule(signature: Signature): WebAssembly.Module {
    const key = `${signature.params}:${signature.results}`;
    let module = this.#thunks.get(key);
    if (module === undefined) {
      this.#thunks.set(key, (module = new WebAssembly.Module(emitThunk(signature, this.stackPointer !== null))));
    }
    return module;
  }

  /** @internal */
  spawnedModule(): WebAssembly.Module {
    this.#spawned ??= new WebAssembly.Module(emitSpawned());
    return this.#spawned;
  }
}

// ---- load -----------------------------------------------------------------------------------------------------------

const BACKENDS: readonly BackendName[] = ['asyncify', 'wasmfx', 'jspi'];

/**
 * Load a guest: a WebAssembly module whose exports can run as greenlets, blocking in their imports as they like. Switch point.
 *
 *     const program = await load(bytes, { imports: { env: { pause: blocking((ms) => sleep(ms / 1000)) } } });
 *     const greenlet = program.spawn('main', 3);
 *     await greenlet.get();
 *
 * @param source - the bytes; or a compiled module, which only `jspi` can run
 * @param options.backend - `asyncify` (every engine; rewrites the module by Binaryen, unless that was done ahead of time),
 *   `wasmfx` (stack switching, where the engine has it), `jspi`. Default `auto`
 * @throws GuestError GEVENT_GUEST_NEEDS_WASM under the pure core; GEVENT_GUEST_NO_BACKEND if none fits, with each one's reason;
 *   GEVENT_GUEST_MALFORMED, GEVENT_GUEST_NOT_REWRITABLE, GEVENT_GUEST_NO_BINARYEN
 */
export function load(source: GuestSource, options: LoadOptions = {}): Operation<Program> {
  const hub = getHub();
  if (hub.core.native === undefined) throw needsWasm(hub);
  const checked = check(source, options);
  return until(loading(checked, options));
}

/** @internal What `load` can tell at once. */
export function check(source: unknown, options: LoadOptions): Uint8Array | WebAssembly.Module {
  const { backend = 'auto', stackSize = 65536, frameLimit = 1 << 20, maxStacks = 4096, depth = 0 } = options;
  if (backend !== 'auto' && !BACKENDS.includes(backend)) {
    throw new TypeError(`load({ backend }): expected auto, ${BACKENDS.join(', ')}, got ${describe(backend)}`);
  }
  const integer = (name: string, value: number, least: number, most: number) => {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(`load({ ${name} }): expected an integer from ${least} to ${most}, got ${describe(value)}`);
    }
  };
  integer('stackSize', stackSize, 1024, 1 << 28);
  if (stackSize % 16 !== 0) throw new RangeError(`load({ stackSize }): expected a multiple of 16, got ${stackSize}`);
  integer('frameLimit', frameLimit, 1024, 1 << 28);
  integer('maxStacks', maxStacks, 1, 30_000);
  integer('depth', depth, 0, 1 << 24);
  const { net, files, log } = options;
  if (net !== undefined && (typeof net?.createConnection !== 'function' || typeof net.createServer !== 'function')) {
    throw new TypeError(
      `load({ net }): expected the module gevent-wasm/socket, or an object with createConnection and createServer, got ${describe(net)}`,
    );
  }
  if (files !== undefined && typeof files !== 'string') {
    throw new TypeError(`load({ files }): expected the path of a folder, got ${describe(files)}`);
  }
  if (log !== undefined && typeof log !== 'function') {
    throw new TypeError(`load({ log }): expected a function, got ${describe(log)}`);
  }
  if (source instanceof WebAssembly.Module) return source;
  if (
    source instanceof ArrayBuffer ||
    (typeof SharedArrayBuffer !== 'undefined' && source instanceof SharedArrayBuffer)
  ) {
    return new Uint8Array(source);
  }
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  throw new TypeError(`load(source): expected the bytes of a module, or a WebAssembly.Module, got ${describe(source)}`);
}

interface Choice {
  readonly backend: BackendName;
  readonly reason: string;
  readonly others: Partial<Record<BackendName, string>>;
}

async function loading(source: Uint8Array | WebAssembly.Module, options: LoadOptions): Promise<Program> {
  const limits = {
    frameLimit: options.frameLimit ?? 1 << 20,
    maxStacks: options.maxStacks ?? 4096,
    stackSize: options.stackSize ?? 65536,
  };
  const bytes = source instanceof Uint8Array ? source : null;
  const shape = bytes === null ? null : asBefore(readShape(bytes), options.stackPointer);
  if (options.backend === 'wasmfx') enableWasmfx();
  // Only with types of continuations, which are read as types of the collector.
  if (bytes !== null && shape?.collected && switchAborts()) refuseSwitch(bytes);
  let choice = await choose(shape, options);
  let ready: Uint8Array<ArrayBuffer> | null = null;
  if (choice.backend === 'asyncify' && bytes !== null && shape !== null) {
    const { cache } = options;
    try {
      const blocking = blockingIn(shape, options);
      ready = await asyncify(bytes, { blocking, shape, ...(cache === undefined ? {} : { cache }) });
    } catch (error) {
      const auto = (options.backend ?? 'auto') === 'auto';
      if (!auto || !(error instanceof GuestError) || error.code !== 'GEVENT_GUEST_NOT_REWRITABLE') throw error;
      choice = await choose(shape, options, error.message);
    }
  }
  const { backend } = choice;
  if (backend !== 'asyncify' && bytes !== null && shape !== null) ready = withOurExports(bytes, shape);
  const module = ready === null ? (source as WebAssembly.Module) : await compile(ready);
  const final = ready === null ? null : backend === 'asyncify' ? readShape(ready) : shape;
  const stack = shape?.stackPointer;
  return new Program(
    module,
    final === null || shape === null ? final : { ...final, stackPointer: shape.stackPointer, dataEnd: shape.dataEnd },
    options,
    {
      ...choice,
      rewritten: backend === 'asyncify',
      bytes: ready?.length ?? 0,
      stack:
        stack === undefined
          ? 'not known: the bytes were not given'
          : stack.kind === 'global'
            ? `global ${stack.index}, as ${stack.from} has it`
            : stack.kind === 'none'
              ? 'none'
              : `perhaps: ${stack.why}; name it by load({ stackPointer })`,
      limits,
    },
  );
}

/** A bundled module says what was known of it. */
function asBefore(shape: Shape, named: string | number | null | undefined): Shape {
  const said = bundled(shape);
  if (said === null) return withStackPointer(shape, named, 'load({ stackPointer })');
  if (named != null) throw new TypeError('load({ stackPointer }): this module is bundled; name it to bundle()');
  return { ...shape, stackPointer: said.stackPointer, dataEnd: said.dataEnd };
}

/** The imports that are given as blocking. A function is asked with a stand-in for the instance. */
function blockingIn(shape: Shape, options: LoadOptions): string[] {
  const given = imported(options);
  return shape.imports
    .filter((it) => given[it.module]?.[it.name] instanceof Blocking)
    .map((it) => `${it.module}.${it.name}`);
}

function imported(options: LoadOptions): Imports {
  if (typeof options.imports !== 'function') return options.imports ?? {};
  // It may look at nothing of it yet, only close over it.
  return options.imports(Object.create(Instance.prototype) as Instance);
}

const LARGE = 100_000;
/** Frames from which on wasmfx switches faster, see bench guest-depth: 25 ns and 8 a frame against 142; V8 15 needs 60. */
const CROSSOVER = 14;
const CROSSOVER_V8_15 = 5;

/** `refused`: why it could not be rewritten, if that was tried. */
async function choose(shape: Shape | null, options: LoadOptions, refused?: string): Promise<Choice> {
  const asked = options.backend ?? 'auto';
  const given = shape === null ? {} : imported(options);
  const done = shape === null ? null : rewritten(shape);
  const others: Partial<Record<BackendName, string>> = {};
  if (asked !== 'auto') {
    const why =
      refusal(asked, shape, given) ??
      (done !== null && asked !== 'asyncify' ? 'the module is rewritten for asyncify' : null);
    if (why !== null) throw noBackend({ [asked]: why });
    return { backend: asked, reason: 'it was asked for', others };
  }
  for (const backend of BACKENDS) {
    const why = refusal(backend, shape, given);
    if (why !== null) others[backend] = why;
  }
  const take = (backend: BackendName, reason: string): Choice => ({ backend, reason, others });
  if (done !== null) {
    if (others.asyncify !== undefined) throw noBackend(others);
    return take(
      'asyncify',
      shape !== null && bundled(shape) !== null
        ? 'the module was bundled with its engine ahead of time'
        : 'the module was rewritten for it ahead of time',
    );
  }
  const large = shape !== null && shape.size > LARGE;
  if (shape?.collected) others.asyncify ??= 'it has types of the garbage collector, which asyncify does not know';
  if (refused !== undefined) others.asyncify ??= refused;
  const { depth = 0 } = options;
  const crossover = early() ? CROSSOVER : CROSSOVER_V8_15;
  if (others.wasmfx === undefined && depth >= crossover) {
    others.asyncify ??= `it blocks ${depth} frames deep, and from ${crossover} on a switch costs more than with wasmfx`;
    return take('wasmfx', `it blocks ${depth} frames deep`);
  }
  if (others.asyncify === undefined && !large) {
    if (await canRewrite(shape as Shape, options))
      return take('asyncify', 'the module is small, and not said to block deep (load({ depth }))');
    others.asyncify = 'it would have to be rewritten, and the package binaryen is not installed';
  }
  if (large)
    others.asyncify ??= `rewriting ${shape?.size} bytes takes seconds: do it ahead of time, or ask for it by backend: 'asyncify'`;
  if (others.wasmfx === undefined)
    return take('wasmfx', large ? 'the module is large, and runs as it is' : 'it runs as it is');
  if (others.jspi === undefined)
    return take('jspi', large ? 'the module is large, and runs as it is' : 'it runs as it is');
  if (large && refused === undefined && refusal('asyncify', shape, given) === null) {
    delete others.asyncify;
    return take('asyncify', 'there is no other here, though rewriting takes seconds');
  }
  throw noBackend(others);
}

function refusal(backend: BackendName, shape: Shape | null, given: Imports): string | null {
  if (backend !== 'jspi' && shape === null) return 'the bytes are needed, a compiled module was given';
  if (backend === 'wasmfx' && !wasmfxAllowed()) return whyNot('wasmfx');
  return whyNot(backend) ?? (backend === 'wasmfx' ? riskOf(shape as Shape, given) : null);
}

// A function that JSPI suspends, called on a stack of wasmfx with no JavaScript frame between, is a segmentation fault of V8
// 14.6, before any code of ours. A function that is imported gets such a frame; those of a table cannot, and nobody sees what they are.
function riskOf(shape: Shape, given: Imports): string | null {
  if (!early()) return null;
  const at = shape.imports.find(({ functions, module, name }) => {
    const value = given[module]?.[name];
    return functions === true && value instanceof WebAssembly.Table && !isDirect(value);
  });
  return at === undefined
    ? null
    : `it imports the table ${at.module}.${at.name} of functions, and V8 before 15 ends the process if JSPI suspends one of them: give direct(table) if it suspends none`;
}

async function canRewrite(_shape: Shape, _options: LoadOptions): Promise<boolean> {
  try {
    import.meta.resolve('binaryen');
    return true;
  } catch {
    return false;
  }
}

function noBackend(reasons: Partial<Record<BackendName, string>>): GuestError {
  const lines = Object.entries(reasons).map(([name, why]) => `\n  ${name}: ${why}`);
  return new GuestError('GEVENT_GUEST_NO_BACKEND', `no backend can run this guest:${lines.join('')}`);
}

export { SWITCHING };
