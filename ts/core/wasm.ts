// The core in WebAssembly (asm/), as a Core. Nothing else in ts/ knows that there is a WASM module.
//
// What the border takes care of:
//   - u32 leaves WASM as a signed i32, so the core's NIL arrives as -1, its ~row as a negative number;
//   - a bool leaves as 0 or 1;
//   - growing memory detaches every view: `words` and `ring` are made anew after it. Only `take` and `rowNew` grow, and
//     only when they give an index that there was no room for before, which costs one comparison.

import { release } from './bytes.generated.ts';
import { type Core, type Kind, MAX_SLOTS, type NativeCore, type Role, type RowKind, Word } from './contract.ts';

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

/** An exported global: it changes with the core. */
interface Variable {
  readonly value: number;
}

/** The exports of asm/index.ts, as they leave WASM. */
interface Exports {
  memory: WebAssembly.Memory;
  init(slots: number, rows: number): number;
  WORDS: Variable;
  RING: Variable;
  slotRoom: Variable;
  rowRoom: Variable;
  take(kind: number): number;
  takeReady(kind: number): number;
  free(slot: number): void;
  handle(slot: number): number;
  resolve(handle: number): number;
  place(slot: number): number;
  rowOf(slot: number): number;
  role(slot: number): number;
  why(slot: number): number;
  ready(slot: number): void;
  readyFront(slot: number): void;
  unready(slot: number): number;
  arm(slot: number, atMs: number, priority: number): void;
  disarm(slot: number): number;
  takeArmed(kind: number, atMs: number, priority: number): number;
  freeArmed(slot: number): number;
  deadline(slot: number): number;
  nextDeadline(): number;
  beginDue(): void;
  nextDue(nowMs: number): number;
  rowNew(kind: number, value: number): number;
  rowFree(row: number): void;
  value(row: number): number;
  waiting(row: number): number;
  quiet(row: number): number;
  first(row: number): number;
  next(slot: number): number;
  park(slot: number, row: number): void;
  leave(slot: number): number;
  wakeOne(row: number): number;
  wakeAll(row: number): number;
  notify(row: number): number;
  eventSet(row: number): void;
  eventClear(row: number): void;
  eventWait(row: number, slot: number): number;
  latchFire(row: number): void;
  semAcquire(row: number, slot: number): number;
  semTry(row: number): number;
  semRelease(row: number, count: number): number;
  chanPut(row: number, slot: number): void;
  chanGet(row: number, slot: number): void;
  balance(row: number): number;
  queueLimit(row: number, limit: number): void;
  queueItems(row: number, items: number): void;
  queueWait(row: number, slot: number, role: number): void;
  queueStep(row: number, role: number): number;
  partner(): number;
  counter(which: number): number;
}

/** The exports of asm/check.ts. */
interface DebugExports extends Exports {
  verify(): void;
  lowerLimits(rooms: number, pages: number): void;
  lowerGenerations(limit: number): void;
  lowerArmings(limit: bigint): void;
}

/** A new core, with a memory of its own. Compiles the module at the first call in a thread, synchronously. */
export function createWasmCore(options: WasmCoreOptions = {}): Core {
  const exports = options.debug ? debugInstance(options) : releaseInstance();
  const { rows, maxSlots = MAX_SLOTS } = options;
  if (exports.init(Math.min(rows ?? 1024, maxSlots), Math.min(rows ?? 256, maxSlots)) === 0) {
    throw new RangeError('createWasmCore: there is not enough memory for a core');
  }
  return bind(exports);
}

// A class a core, its methods over constants: V8 then knows which function a call site runs, and inlines the call into
// WASM, also with another core in the process. ns a call on Node 26, semTry + semRelease / park + leave:
//
//                                        one core      two WASM cores    WASM and pure
//   class a core                         2.9 / 7.2     2.9 / 7.3         3.1 / 7.3
//   one class, exports in its fields     2.9 / 7.4     5.7 / 9.7         3.2 / 7.6
//   object of arrow functions            2.9 / 7.4     7.9 / 12.0        5.8 / 10.5
//   object of the exports themselves     5.2 / 7.8     5.9 / 10.5        6.1 / 10.5
//
// With five cores in one thread a call site has seen too many classes, and a call costs about 8 more.
function bind(exports: Exports & Partial<DebugExports>): Core {
  const { memory, WORDS, RING, slotRoom, rowRoom, counter, verify } = exports;
  const { take, takeReady, free, handle, resolve, place, rowOf, role, why, ready, readyFront, unready } = exports;
  const { arm, disarm, takeArmed, freeArmed, deadline, nextDeadline, beginDue, nextDue } = exports;
  const { rowNew, rowFree, value, waiting, quiet, first, next, park, leave, wakeOne, wakeAll, notify } = exports;
  const { eventSet, eventClear, eventWait, latchFire, semAcquire, semTry, semRelease } = exports;
  const { chanPut, chanGet, balance, partner, queueLimit, queueItems, queueWait, queueStep } = exports;
  const viewWords = () => new Int32Array(memory.buffer, WORDS.value, 4);
  const viewRing = (words: Int32Array) => new Int32Array(memory.buffer, RING.value, words[Word.MASK] + 1);

  class WasmCore implements Core {
    readonly name = 'wasm';
    readonly native: NativeCore = {
      memory,
      words: WORDS.value,
      ring: RING.value,
      take,
      free,
      grown: () => this.#grown(),
    };
    words = viewWords();
    ring = viewRing(this.words);
    #slotRoom = slotRoom.value;
    #rowRoom = rowRoom.value;

    #grown(): void {
      this.words = viewWords();
      this.ring = viewRing(this.words);
      this.#slotRoom = slotRoom.value;
      this.#rowRoom = rowRoom.value;
    }

    take(kind: Kind): number {
      const slot = take(kind);
      if (slot >= this.#slotRoom) this.#grown();
      return slot;
    }
    takeReady(kind: Kind): number {
      const slot = takeReady(kind);
      if (slot >= this.#slotRoom) this.#grown();
      return slot;
    }
    free(slot: number): void {
      free(slot);
    }
    handle(slot: number): number {
      return handle(slot);
    }
    resolve(of: number): number {
      return resolve(of);
    }
    place(slot: number): number {
      return place(slot);
    }
    rowOf(slot: number): number {
      return rowOf(slot);
    }
    role(slot: number): number {
      return role(slot);
    }
    why(slot: number): number {
      return why(slot);
    }

    ready(slot: number): void {
      ready(slot);
    }
    readyFront(slot: number): void {
      readyFront(slot);
    }
    unready(slot: number): boolean {
      return unready(slot) !== 0;
    }

    arm(slot: number, atMs: number, priority: number): void {
      arm(slot, atMs, priority);
    }
    disarm(slot: number): boolean {
      return disarm(slot) !== 0;
    }
    takeArmed(kind: Kind, atMs: number, priority: number): number {
      const slot = takeArmed(kind, atMs, priority);
      if (slot >= this.#slotRoom) this.#grown();
      return slot;
    }
    freeArmed(slot: number): boolean {
      return freeArmed(slot) !== 0;
    }
    deadline(slot: number): number {
      return deadline(slot);
    }
    nextDeadline(): number {
      return nextDeadline();
    }
    beginDue(): void {
      beginDue();
    }
    nextDue(nowMs: number): number {
      return nextDue(nowMs);
    }

    rowNew(kind: RowKind, word: number): number {
      const row = rowNew(kind, word);
      if (row >= this.#rowRoom) this.#grown();
      return row;
    }
    rowFree(row: number): void {
      rowFree(row);
    }
    value(row: number): number {
      return value(row);
    }
    waiting(row: number): number {
      return waiting(row);
    }
    quiet(row: number): boolean {
      return quiet(row) !== 0;
    }
    first(row: number): number {
      return first(row);
    }
    next(slot: number): number {
      return next(slot);
    }
    park(slot: number, row: number): void {
      park(slot, row);
    }
    leave(slot: number): boolean {
      return leave(slot) !== 0;
    }
    wakeOne(row: number): number {
      return wakeOne(row);
    }
    wakeAll(row: number): number {
      return wakeAll(row);
    }
    notify(row: number): number {
      return notify(row);
    }

    eventSet(row: number): void {
      eventSet(row);
    }
    eventClear(row: number): void {
      eventClear(row);
    }
    eventWait(row: number, slot: number): number {
      return eventWait(row, slot);
    }
    latchFire(row: number): void {
      latchFire(row);
    }
    semAcquire(row: number, slot: number): number {
      return semAcquire(row, slot);
    }
    semTry(row: number): number {
      return semTry(row);
    }
    semRelease(row: number, count: number): number {
      return semRelease(row, count);
    }
    chanPut(row: number, slot: number): void {
      chanPut(row, slot);
    }
    chanGet(row: number, slot: number): void {
      chanGet(row, slot);
    }
    balance(row: number): number {
      return balance(row);
    }
    queueLimit(row: number, limit: number): void {
      queueLimit(row, limit);
    }
    queueItems(row: number, items: number): void {
      queueItems(row, items);
    }
    queueWait(row: number, slot: number, how: Role): void {
      queueWait(row, slot, how);
    }
    queueStep(row: number, how: Role): number {
      return queueStep(row, how);
    }
    partner(): number {
      return partner();
    }

    counter(which: number): number {
      return counter(which);
    }
    verify(): void {
      verify?.();
    }
  }
  return new WasmCore();
}

// ---- modules and instances ------------------------------------------------------------------------------------------

let releaseModule: WebAssembly.Module | undefined;
let debugModule: WebAssembly.Module | undefined;

function compile(base64: string): WebAssembly.Module {
  // Browsers copy char by char. Here that would take 2 ms, more than all the rest.
  const buffer = globalThis.Buffer?.from(base64, 'base64');
  const bytes = buffer ?? Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return new WebAssembly.Module(bytes);
}

function releaseInstance(): Exports {
  releaseModule ??= compile(release);
  return new WebAssembly.Instance(releaseModule).exports as unknown as Exports;
}

function debugInstance({ maxSlots, generations, armings, pages }: WasmCoreOptions): DebugExports {
  debugModule ??= compile(debugBytes());
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
function debugBytes(): string {
  const { createRequire } = globalThis.process?.getBuiltinModule?.('node:module') ?? {};
  if (createRequire === undefined) throw new Error('createWasmCore: the debug build can be loaded under Node only');
  const file = `./debug.generated.${import.meta.url.slice(-2)}`; // .ts from the sources, .js from dist
  return createRequire(import.meta.url)(file).debug;
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
