// Who of the asyncify engine's guests gets a stack of its own, and when: asm/switch/lift.wat does it. For `backend: 'auto'`, where wasmfx is on.
//
// What a switch costs asyncify depends on the frames there are between the guest's start and where it blocks, and no more on bytes than on
// their number. So it is measured: the engine stops at a deep unwinding now and then (`patience`), and the guest is rewound and unwound
// some hundred times, at which nothing of it runs. If that takes longer than leaving a stack, which is measured the same way, it is lifted.
// A lifted guest unwinds once in thousands of times that any of them leaves: it comes down, and is lifted again if it is still deep.

import { VACANT } from '../hub/owners.ts';
import type { NativeEngine } from './engine.ts';
import { lift } from './engines.generated.ts';
import type { GuestGreenlet } from './guest-greenlet.ts';
import type { Instance } from './instance.ts';
import { giveStack, takeStack } from './stacks.ts';

interface LiftExports {
  readonly limit: WebAssembly.Global;
  readonly stacks: WebAssembly.Global;
  isLifted(slot: number): number;
  lift(slot: number, entry: number): void;
  forget(slot: number): void;
  resume(): void;
  leave(): void;
  trim(): void;
  measure(times: number): number;
}

/** Entry of the engine's table that is `leave`, where asyncify.wat looks for it. */
export const LEAVE = 1;
/** Deep unwindings until one is looked at: so many to 15 more, so that no order of the guests leaves one of them out. */
const PATIENCE = 49;
/** What a lifted guest pays besides the bare switch that `measure` makes: calls between the modules. */
const BESIDES = 20;
/** A measurement is long enough for the clock at so many milliseconds, and stopped at so many rounds for clocks that are made coarse. */
const LONG_ENOUGH = 0.05;
const MOST = 8192;

/** What is known of guests started by one entry that unwind about so many bytes. */
interface Known {
  ns: number;
  /** Uses until it is measured again; longer each time. */
  left: number;
  next: number;
}

let module: WebAssembly.Module | null = null;

export class Lift {
  readonly #engine: NativeEngine;
  readonly #exports: LiftExports;
  readonly #known = new Map<number, Known>();
  /** For tests: whoever JavaScript starts has a stack from the start. */
  eager = false;
  #looked = 0;
  /** Nanoseconds of leaving a stack and coming back; 0: not known yet. */
  #stackNs = 0;
  #entry = 0;

  constructor(engine: NativeEngine, bytes: (base64: string) => Uint8Array<ArrayBuffer>) {
    this.#engine = engine;
    module ??= new WebAssembly.Module(bytes(lift));
    const e = engine.exports as unknown as Record<string, any>;
    this.#exports = new WebAssembly.Instance(module, { e, js: { stack: takeStack, unstack: giveStack } })
      .exports as unknown as LiftExports;
    engine.exports.entries.set(LEAVE, this.#exports.leave);
    this.#wait();
  }

  /** Most stacks; a higher limit than before counts. */
  limit(stacks: number): void {
    this.#exports.limit.value = Math.max(this.#exports.limit.value, stacks);
  }

  /** What the engine calls to go on with a lifted guest. */
  get resume(): unknown {
    return this.#exports.resume;
  }

  /** Its place in the engine's table, for instances without a shadow stack. */
  get entry(): number {
    this.#entry ||= this.#engine.addEntry(this.#exports.resume);
    return this.#entry;
  }

  isLifted(slot: number): boolean {
    return this.#exports.isLifted(slot) !== 0;
  }

  /** The guest is over, and did not return. */
  forget(slot: number): void {
    this.#exports.forget(slot);
  }

  /** Give back stacks that nobody is on. */
  trim(): void {
    this.#exports.trim();
  }

  /** Stacks it has, idle ones included. */
  get stacks(): number {
    return this.#exports.stacks.value;
  }

  #wait(): void {
    this.#looked += 7;
    this.#engine.exports.patience.value = PATIENCE + (this.#looked & 15);
  }

  /** The engine has unwound a guest: so many bytes. */
  deep(slot: number, used: number): void {
    this.#wait();
    const owner = this.#engine.hub.owners[slot];
    const instance: Instance | null =
      owner === VACANT ? this.#engine.spawnerOf(slot) : (owner as GuestGreenlet).instance;
    if (instance === null || !instance.$lifts) return;
    const entry = this.#engine.entryOf(slot);
    const key = entry * 128 + Math.round(Math.log2(used) * 4);
    let known = this.#known.get(key);
    if (known === undefined) {
      if (this.#known.size > 1000) this.#known.clear();
      this.#known.set(key, (known = { ns: 0, left: 0, next: 8 }));
    }
    if (--known.left < 0) {
      known.ns = timeOf((times) => this.#engine.exports.probe(slot, used, times) !== 0);
      known.left = known.next;
      known.next = Math.min(known.next * 8, 1 << 20);
      this.#stackNs ||= Math.min(this.#measure(), this.#measure());
    }
    if (known.ns <= this.#stackNs) return;
    this.lift(slot, instance);
    // Where one is, there are others.
    this.#engine.exports.patience.value = 1;
  }

  /** From its next turn on the guest has a stack, if there is one for it. */
  lift(slot: number, instance: Instance): void {
    this.#exports.lift(slot, instance.$liftEntry(this));
  }

  #measure(): number {
    const ns = timeOf((times) => this.#exports.measure(times) !== 0);
    return ns === 0 ? Infinity : ns + BESIDES;
  }
}

/** Nanoseconds a time; 0: it could not be done. */
function timeOf(work: (times: number) => boolean): number {
  for (let times = 32; ; times *= 2) {
    const before = performance.now();
    if (!work(times)) return 0;
    const took = performance.now() - before;
    if (took >= LONG_ENOUGH || times >= MOST) return (took * 1e6) / times;
  }
}
