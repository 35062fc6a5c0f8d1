// A loaded guest: what is known of its module, and the small modules that link instances of it, each compiled once.

import { wrongType } from '../core/arguments.ts';
import type { Greenlet } from '../gevent-greenlet.ts';
import { getHub, type Hub } from '../hub.ts';
import type { Net } from './abi-sockets.ts';
import { bundled, mayCatch } from './bundle.ts';
import type { BackendName } from './detect.ts';
import { Extern, type Signature } from './emit.ts';
import type { Limits } from './engines.ts';
import { GuestError } from './errors.ts';
import type { GuestGreenlet } from './guest-greenlet.ts';
import type { Imports } from './imports.ts';
import { Instance } from './instance.ts';
import type { LoadOptions } from './load-options.ts';
import type { Plan } from './plan.ts';
import type { Shape } from './read.ts';
import { OUR } from './rewrite.ts';
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

/** What `explain()` gives. */
export interface Explanation {
  readonly backend: BackendName;
  /** Why that one. */
  readonly reason: string;
  /** Why not the others. */
  readonly others: Readonly<Partial<Record<BackendName, string>>>;
  /** Where greenlets go that turn out to block deep, while they do: a stack of wasmfx. Absent: they stay. */
  readonly deep?: 'wasmfx';
  /** True if the module was rewritten, ahead of time or at load. */
  readonly rewritten: boolean;
  /** Of the module as it runs. */
  readonly bytes: number;
  /** Shadow stack: the global, or why there is none. */
  readonly stack: string;
  readonly limits: Limits & { readonly stackSize: number };
}

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
  /** @internal Guests of it that block deep may get stacks. */ readonly lifts: boolean;
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
    this.lifts = chosen.deep === 'wasmfx';
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
      throw wrongType('load({ stackPointer })', 'the name of an exported global', named);
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

  /** @internal */
  shimModule(which: 'before' | 'behind' | 'doors' | 'early', plan: Plan): WebAssembly.Module {
    const shims = plan[which === 'before' ? 'before' : 'behind'].map((it) => it.shim);
    const text = (it: ShimOf) =>
      'signature' in it
        ? `${it.kind}${it.signature.params}:${it.signature.results}${'native' in it ? it.native : ''}`
        : it.kind;
    const key = `${which} ${shims.map(text)}`;
    let module = this.#shims.get(key);
    if (module === undefined) {
      const switching = this.backend as Switching;
      const signatures = shims.map((it) => ('signature' in it ? it.signature : SPAWN));
      const bytes =
        which === 'doors'
          ? emitTrampolines(signatures)
          : which === 'early'
            ? emitEarly(signatures)
            : emitShims(shims, switching, which === 'behind' && switching === 'wasmfx' && this.stackPointer !== null);
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
