// Either build of the core in WebAssembly. The debug build is for tests, and in no bundle of the main entry: neither its bytes nor this file.

import { type Core, MAX_SLOTS } from './contract.ts';
import type { Waits } from './waits.ts';
import { bind, compile, createReleaseCore, type Exports, FIRST_ROWS, FIRST_SLOTS, type Variable } from './wasm.ts';

export interface WasmCoreOptions {
  /** The build with asserts, whose `verify` looks at everything. It is in no bundle. Default: false. */
  debug?: boolean;
  /** Slots, and rows, that storage is reserved for at first. Default: 1024 slots and 256 rows, one page. */
  rows?: number;
  /** Limits brought near for tests; debug build only. Most slots, and most rows, at a time. */
  maxSlots?: number;
  /** Lives of a slot before it is retired; debug build only. Default: 2^29. */
  generations?: number;
  /** Armings before they are numbered anew; debug build only. Default: 2^40. */
  armings?: number;
  /** Most 64 KiB pages of memory; debug build only. Default: 65536. */
  pages?: number;
}

/** The exports of asm/check.ts as well. */
interface DebugExports extends Exports {
  slotTop: Variable;
  verify(): void;
  lowerLimits(rooms: number, pages: number): void;
  lowerGenerations(limit: number): void;
  lowerArmings(limit: bigint): void;
}

/** A new core, with a memory of its own. Compiles the module at the first call in a thread, synchronously. */
export function createWasmCore(options: WasmCoreOptions = {}): Core {
  const { debug = false, rows, maxSlots = MAX_SLOTS } = options;
  const slots = Math.min(rows ?? FIRST_SLOTS, maxSlots);
  const firstRows = Math.min(rows ?? FIRST_ROWS, maxSlots);
  if (!debug) return createReleaseCore(slots, firstRows);
  const exports = debugInstance(options);
  const { slotTop, verify } = exports;
  return bind(exports, slots, firstRows, { slotTop, verify, verifyWaits });
}

let debugModule: WebAssembly.Module | undefined;
let verifyWaits: (core: Waits, slotsUsed: number) => void;

function debugInstance({ maxSlots, generations, armings, pages }: WasmCoreOptions): DebugExports {
  debugModule ??= loadDebug();
  let memory: WebAssembly.Memory;
  const abort = (message: number, file: number, line: number): never => {
    throw trap(`${textAt(memory, message)} (${textAt(memory, file)}:${line})`);
  };
  const raw = new WebAssembly.Instance(debugModule, { env: { abort } }).exports as unknown as DebugExports;
  memory = raw.memory;
  const exports = Object.fromEntries(
    Object.entries(raw).map(([name, it]) => [name, guarded(it)]),
  ) as unknown as DebugExports;
  if (maxSlots !== undefined || pages !== undefined) exports.lowerLimits(maxSlots ?? MAX_SLOTS, pages ?? 65536);
  if (generations !== undefined) exports.lowerGenerations(generations);
  if (armings !== undefined) exports.lowerArmings(BigInt(armings));
  return exports;
}

// The debug build is found at run time, where the process can load modules synchronously, so that no bundler embeds it.
function loadDebug(): WebAssembly.Module {
  const { createRequire } = globalThis.process?.getBuiltinModule?.('node:module') ?? {};
  if (createRequire === undefined) throw new Error('createWasmCore: the debug build can be loaded under Node only');
  const load = createRequire(import.meta.url);
  const kind = import.meta.url.slice(-2); // ts from the sources, js from dist
  verifyWaits = load(`./waits-check.${kind}`).verifyWaits;
  return compile(load(`./debug.generated.${kind}`).debug);
}

function guarded<T>(it: T): T {
  if (typeof it !== 'function') return it;
  const call = (...args: unknown[]) => {
    try {
      return it(...args);
    } catch (error) {
      throw error instanceof WebAssembly.RuntimeError ? trap(error.message, error) : error;
    }
  };
  return call as T;
}

function trap(message: string, cause?: unknown): Error {
  const error = new Error(`the WASM core trapped: ${message}. This is a bug of gevent-wasm, please report it`, {
    cause,
  });
  return Object.assign(error, { code: 'GEVENT_CORE_TRAP' });
}

/** A string of AssemblyScript: UTF-16, its length in bytes 4 before it. */
function textAt(memory: WebAssembly.Memory, at: number): string {
  const bytes = new DataView(memory.buffer).getUint32(at - 4, true);
  return String.fromCharCode(...new Uint16Array(memory.buffer, at, bytes / 2));
}
