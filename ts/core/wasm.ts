// The core in WebAssembly (asm/), as a Core. Nothing else in ts/ but wasm-debug.ts knows that there is a WASM module.
//
// What the border takes care of:
//   - u32 leaves WASM as a signed i32, so the core's NIL arrives as -1, its ~row as a negative number;
//   - a bool leaves as 0 or 1;
//   - growing memory detaches every view: `words` and `ring` are made anew after it. Only `take` and `rowNew` grow, and
//     only when they give an index that there was no room for before, which costs one comparison.
//
// Slots, timers and the memory are WASM's. Who waits on what is waits.ts, in place in that memory.

import { release } from './bytes.generated.ts';
import { type Core, Counter, type Kind, type NativeCore, Word } from './contract.ts';
import { LINK, ROW } from './waits/records.ts';
import { Waits } from './waits.ts';

/** Storage reserved for at first: one page. */
export const FIRST_SLOTS = 1024;
export const FIRST_ROWS = 256;

/** An exported global: it changes with the core. */
export interface Variable {
  readonly value: number;
}

/** The exports of asm/index.ts, as they leave WASM. */
export interface Exports {
  memory: WebAssembly.Memory;
  init(slots: number, rows: number): number;
  WORDS: Variable;
  RING: Variable;
  LINKS: WebAssembly.Global;
  ROWS: WebAssembly.Global;
  slotRoom: Variable;
  rowRoom: Variable;
  take(kind: number): number;
  takeReady(kind: number): number;
  free(slot: number): void;
  handle(slot: number): number;
  resolve(handle: number): number;
  unready(slot: number): number;
  arm(slot: number, atMs: number, priority: number): void;
  disarm(slot: number): number;
  takeArmed(kind: number, atMs: number, priority: number): number;
  freeArmed(slot: number): number;
  deadline(slot: number): number;
  nextDeadline(): number;
  beginDue(): void;
  takeDue(nowMs: number): number;
  inRing(entry: number): number;
  growRows(): number;
  counter(which: number): number;
}

/** What the debug build has beside that: `verify` walks everything, up to slot `slotTop`. */
interface Checks {
  readonly slotTop: Variable;
  verify(): void;
  verifyWaits(core: Waits, slotsUsed: number): void;
}

let releaseModule: WebAssembly.Module | undefined;

/** A new core of the release build, with room for `slots` and `rows` at first. Compiles the module at the first call in a thread, synchronously. */
export function createReleaseCore(slots = FIRST_SLOTS, rows = FIRST_ROWS): Core {
  releaseModule ??= compile(release);
  return bind(new WebAssembly.Instance(releaseModule).exports as unknown as Exports, slots, rows);
}

export function compile(base64: string): WebAssembly.Module {
  // Browsers copy char by char. Here that would take 2 ms, more than all the rest.
  const buffer = globalThis.Buffer?.from(base64, 'base64');
  const bytes = buffer ?? Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return new WebAssembly.Module(bytes);
}

// A class a core, its methods over constants: V8 then knows which function a call site runs, and inlines the call into
// WASM, also with another core in the process. ns a call on Node 26, semTry + semRelease / park + leave, when these were
// calls into WASM as well:
//
//                                        one core      two WASM cores    WASM and pure
//   class a core                         2.9 / 7.2     2.9 / 7.3         3.1 / 7.3
//   one class, exports in its fields     2.9 / 7.4     5.7 / 9.7         3.2 / 7.6
//   object of arrow functions            2.9 / 7.4     7.9 / 12.0        5.8 / 10.5
//   object of the exports themselves     5.2 / 7.8     5.9 / 10.5        6.1 / 10.5
//
// With five cores in one thread a call site has seen too many classes, and a call costs about 8 more.
export function bind(exports: Exports, slots: number, rows: number, checks?: Checks): Core {
  if (exports.init(slots, rows) === 0) throw new RangeError('createWasmCore: there is not enough memory for a core');
  const { memory, WORDS, RING, LINKS, ROWS, slotRoom, rowRoom, counter } = exports;
  const { take, takeReady, free, handle, resolve, unready, inRing, growRows } = exports;
  const { arm, disarm, takeArmed, freeArmed, deadline, nextDeadline, beginDue, takeDue } = exports;
  const viewWords = () => new Int32Array(memory.buffer, WORDS.value, 4);
  const viewRing = (words: Int32Array) => new Int32Array(memory.buffer, RING.value, words[Word.MASK] + 1);
  const viewLinks = () => new Int32Array(memory.buffer, LINKS.value, slotRoom.value << LINK);
  const viewRows = () => new Int32Array(memory.buffer, ROWS.value, rowRoom.value << ROW);

  class WasmCore extends Waits implements Core {
    readonly name = 'wasm';
    readonly native: NativeCore = {
      memory,
      words: WORDS.value,
      ring: RING.value,
      LINKS,
      ROWS,
      take,
      free,
      disarm,
      unready,
      grown: () => this.#grown(),
    };
    #slotRoom = slotRoom.value;

    constructor() {
      const words = viewWords();
      super(words, viewRing(words), viewLinks(), viewRows());
    }

    #grown(): void {
      this.words = viewWords();
      this.ring = viewRing(this.words);
      this.links = viewLinks();
      this.rows = viewRows();
      this.#slotRoom = slotRoom.value;
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
    unready(entry: number): boolean {
      return unready(entry) !== 0;
    }
    override $inRing(entry: number): boolean {
      return inRing(entry) !== 0;
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
    override $takeDue(nowMs: number): number {
      return takeDue(nowMs);
    }
    override $moreRows(): boolean {
      if (growRows() === 0) return false;
      this.#grown();
      return true;
    }

    counter(which: number): number {
      if (which === Counter.ROWS) return this.$rows;
      if (which === Counter.WAITING) return this.$waits();
      return counter(which);
    }
    verify(): void {
      if (checks === undefined) return;
      checks.verify();
      checks.verifyWaits(this, checks.slotTop.value);
    }
  }
  return new WasmCore();
}
