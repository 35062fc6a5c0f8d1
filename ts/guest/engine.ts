// Engines of guests that WebAssembly itself switches: asm/switch/*.wat beside the hub's core. One of each kind a hub.
//
// The hub's loop comes to a guest's slot as to any other, through `$fire`, and enters the engine, which goes on popping the
// ring as long as guests are next. What comes out of it is the end of one guest, an error of one guest, or nothing.
//
// E1  an engine is entered from the hub's context only, never while it runs
// E2  a guest that waits in a JavaScript operation has it in $op; complete or abandon follows exactly once (O2)
// E3  whoever has a record in the engine is a living slot; the record goes before the slot does

import { toWaitMs } from '../core/clock.ts';
import { Counter, NIL, Priority, Word } from '../core/contract.ts';
import { GeventError, HubDestroyed } from '../exceptions.ts';
import { debugging } from '../hub/current.ts';
import { NOTHING, traced } from '../hub/drive.ts';
import type { Hub } from '../hub/hub.ts';
import { isOperation, type Operation } from '../hub/operation.ts';
import { VACANT } from '../hub/owners.ts';
import { Fired, type Fires, State } from '../hub/protocol.ts';
import { until } from '../until.ts';
import { isThenable } from '../unwind.ts';
import type { BackendName } from './detect.ts';
import { Type } from './emit.ts';
import { fromGuest, GuestError } from './errors.ts';
import { GuestGreenlet } from './guest-greenlet.ts';
import type { Instance } from './instance.ts';
import { LEAVE, Lift } from './lift.ts';
import { Cells, MARKS, received } from './sharing.ts';
import { ARGUMENTS, type Switching } from './shims.ts';
import { giveStack, noStack, takeStack } from './stacks.ts';

/** What runs the guests of one backend on one hub. */
export interface Engine {
  readonly backend: BackendName;
  readonly hub: Hub;
  /** Its first turn. */
  begin(g: GuestGreenlet, slot: number): number;
  /** A later one. */
  resume(g: GuestGreenlet, slot: number): number;
  /** Raise in one that waits, and was taken out of its wait. */
  raise(g: GuestGreenlet, error: unknown): void;
  /** The shadow stack pointer of one that waits. */
  stackOf(g: GuestGreenlet): number;
  /** True if it runs now. */
  runs(g: GuestGreenlet): boolean;
  /** Whose the slot is; a guest that JavaScript never met becomes an object. */
  ownerOf(slot: number): Fires<Hub>;
}

/** What asm/switch/*.wat export. */
export interface EngineExports {
  readonly frames: WebAssembly.Memory;
  readonly records: WebAssembly.Memory;
  readonly marks: WebAssembly.Memory;
  readonly over: WebAssembly.Global;
  readonly entries: WebAssembly.Table;
  readonly refs: WebAssembly.Table;
  readonly cur: WebAssembly.Global;
  readonly may: WebAssembly.Global;
  readonly room: WebAssembly.Global;
  readonly live: WebAssembly.Global;
  readonly __asyncify_state?: WebAssembly.Global;
  readonly patience: WebAssembly.Global;
  readonly hold: WebAssembly.Global;
  run(slot: number): number;
  runOne(slot: number): number;
  probe(slot: number, used: number, times: number): number;
  enter(slot: number, entry: number, sp: number, flags: number): void;
  drop(slot: number): void;
  fault(): number;
  throwing(): void;
  unmark(slot: number): void;
  limit(amount: number): number;
  yield(): void;
  sleep(seconds: number): void;
  park(): void;
  spawn(entry: number, instance: number, fn: number, arg: number): number;
  fn(): number;
  arg(): number;
  trim?(keep: number): void;
}

/** Modules that a bundled engine imports, and nobody else; and what stands before the names of its exports. See bundle.ts. */
export const CORE = 'gevent:core';
export const JS = 'gevent:js';
export const ENGINE = 'engine:';

function inBundle(raw: Record<string, unknown>): Record<string, unknown> {
  const its = Object.entries(raw).filter(([name]) => name.startsWith(ENGINE));
  return Object.fromEntries(its.map(([name, it]) => [name.slice(ENGINE.length), it]));
}

const WATCHED = 2;
const { BUDGET } = Word;
const RECORD_WORDS = 4;
const ENTRY = 2;
const FLAGS = 3;

export class NativeEngine implements Engine, Fires<Hub> {
  readonly hub: Hub;
  readonly backend: Switching;
  readonly exports: EngineExports;
  /** Instances by the number that guests spawned in them carry. */
  readonly instances: (Instance | null)[] = [];
  /** Objects that its guests reach by themselves. */
  readonly cells: Cells;
  /** For the text of an error. */
  maxStacks = 0;
  readonly #freeEntries: number[] = [];
  #entryTop = LEAVE + 1;
  #lift: Lift | null = null;
  #records: Int32Array;
  #view: DataView;

  /** What the module exports: also a guest's, if it is bundled with one. */
  readonly raw: Record<string, any>;

  /** @param linked - for a module that is bundled with a guest: what that imports */
  constructor(
    hub: Hub,
    backend: Switching,
    module: WebAssembly.Module,
    linked: Record<string, Record<string, any>> | null = null,
  ) {
    this.hub = hub;
    this.backend = backend;
    const native = hub.core.native;
    if (native === undefined) throw needsWasm(hub);
    const js = {
      grown: (slot: number) => {
        native.grown();
        this.#reach(slot);
      },
      arm: (slot: number, seconds: number) => this.#arm(slot, seconds),
      refuse: (why: number) => {
        throw this.#refusal(why);
      },
      deep: (slot: number, used: number) => this.#lift?.deep(slot, used),
      limit: (slot: number, seconds: number) => hub.arm(slot, toWaitMs(seconds, 'timeout'), Priority.LATE),
      received: (slot: number, row: number) => received(this, slot, row),
      raise: (slot: number) => {
        throw this.#errorOf(hub.owners[slot] as GuestGreenlet);
      },
      stack: takeStack,
      unstack: giveStack,
    };
    const { memory, words, ring, LINKS, ROWS, take, free, disarm, unready } = native;
    const core = { memory, words, ring, LINKS, ROWS, take, free, disarm, unready };
    const imports = linked === null ? { core, js } : { ...linked, [CORE]: core, [JS]: js };
    this.raw = new WebAssembly.Instance(module, imports).exports;
    this.exports = (linked === null ? this.raw : inBundle(this.raw)) as unknown as EngineExports;
    this.#records = new Int32Array(this.exports.records.buffer);
    this.#view = new DataView(this.exports.frames.buffer);
    this.cells = new Cells(this);
    this.#reach(0);
    if (backend === 'wasmfx') {
      hub.closers.push(() => {
        this.#close(() => true);
        this.exports.trim?.(0);
      });
    }
  }

  /** What gives stacks to guests that block deep; made at the first call. */
  lift(bytes: (base64: string) => Uint8Array<ArrayBuffer>): Lift {
    if (this.#lift === null) {
      const lift = new Lift(this, bytes);
      this.#lift = lift;
      this.hub.closers.push(() => {
        this.#close((slot) => lift.isLifted(slot));
        lift.trim();
      });
    }
    return this.#lift;
  }

  /** The same, null before that. */
  get lifting(): Lift | null {
    return this.#lift;
  }

  /** The hub goes away. Stacks of guests that still wait would never be collected, so each is ended. */
  #close(which: (slot: number) => boolean): void {
    const { hub, exports } = this;
    if (exports.cur.value >= 0) return;
    // One that catches it and waits again is asked again, and then left.
    for (let round = 0; round < 3; ++round) {
      for (let slot = 0; slot < exports.room.value; ++slot) {
        if (!this.owns(slot) || !which(slot)) continue;
        const g = this.greenletAt(slot);
        hub.withdraw(slot);
        this.raise(g, new HubDestroyed('the hub is destroyed'));
      }
    }
  }

  // ---- room ---------------------------------------------------------------------------------------------------------

  /** Have records, and places in the hub's tables, for all slots the core has room for. */
  #reach(slot: number): void {
    const { hub, exports } = this;
    const room = Math.max(hub.core.counter(Counter.CAPACITY), slot + 1);
    while (hub.owners.length < room) {
      hub.owners.push(VACANT);
      hub.bodies.push(null);
    }
    const bytes = room * RECORD_WORDS * 4;
    const reach = (memory: WebAssembly.Memory, end: number) => {
      const short = end - memory.buffer.byteLength;
      if (short > 0) memory.grow(Math.ceil(short / 65536));
    };
    reach(exports.records, bytes);
    reach(exports.marks, MARKS + bytes);
    this.#records = new Int32Array(exports.records.buffer);
    exports.room.value = room;
  }

  /** What the guest is started by. */
  entryOf(slot: number): number {
    return this.#records[slot * RECORD_WORDS + ENTRY];
  }

  /** The instance whose guest has spawned this one. */
  spawnerOf(slot: number): Instance | null {
    return this.instances[this.#records[slot * RECORD_WORDS + FLAGS] >>> 8] ?? null;
  }

  /** True if the slot is a guest of ours. */
  owns(slot: number): boolean {
    return slot < this.exports.room.value && this.#records[slot * RECORD_WORDS + ENTRY] !== 0;
  }

  // ---- entries ------------------------------------------------------------------------------------------------------

  /** Put a function of no arguments and no results where guests are started from. */
  addEntry(fn: unknown): number {
    const { entries } = this.exports;
    const index = this.#freeEntries.pop() ?? this.#entryTop++;
    if (index >= entries.length) entries.grow(entries.length);
    entries.set(index, fn);
    return index;
  }

  dropEntry(index: number): void {
    this.exports.entries.set(index, null);
    this.#freeEntries.push(index);
  }

  // ---- turns --------------------------------------------------------------------------------------------------------

  begin(g: GuestGreenlet, slot: number): number {
    const entry = g.$entry;
    try {
      if (slot >= this.exports.room.value) this.#reach(slot);
      if (entry === null) throw new GeventError('GEVENT_BUG', `${g} has nothing to start`);
      const index = g.instance.$entered(g);
      this.#pass(entry.signature.params, g.instance.$handed(g.args));
      this.exports.enter(slot, index, g.$stack, WATCHED);
      if (this.#lift?.eager === true && g.instance.$lifts) this.#lift.lift(slot, g.instance);
    } catch (error) {
      g.$concluded(false, error);
      return Fired.DONE;
    }
    return this.#turn(g, slot);
  }

  resume(g: GuestGreenlet, slot: number): number {
    return this.#turn(g, slot);
  }

  /** The turn of a slot that a guest spawned, and that JavaScript never met. */
  $fire(_hub: Hub, slot: number): number {
    if (!this.owns(slot))
      throw new GeventError('GEVENT_BUG', `slot ${slot} has no owner and was run: a bug of gevent-wasm`);
    const { hub } = this;
    if (hub.tracer !== null) return this.#turn(this.greenletAt(slot), slot);
    if (hub.slices !== null) hub.slices.call(null, () => this.#go(slot, true));
    else this.#go(slot, false);
    return Fired.DONE;
  }

  #turn(g: GuestGreenlet, slot: number): number {
    const { hub } = this;
    if (hub.slices === null && hub.tracer === null) {
      this.#go(slot, false);
      return Fired.DONE;
    }
    const fault = traced(hub, 'switch', hub, g);
    if (fault !== NOTHING) {
      this.raise(g, fault);
      return Fired.DONE;
    }
    if (hub.slices === null) this.#go(slot, true);
    else hub.slices.call(g.$more?.context ?? null, () => this.#go(slot, true));
    if (hub.tracer !== null && !g.dead) {
      const late = traced(hub, 'switch', g, hub);
      if (late !== NOTHING) hub.$route(g, late);
    }
    return Fired.DONE;
  }

  #go(slot: number, only: boolean): void {
    const { hub, exports } = this;
    const alone = only || hub.single;
    hub.cur = slot;
    const budget = hub.core.words[BUDGET];
    let ended: number;
    try {
      ended = alone ? exports.runOne(slot) : exports.run(slot);
    } catch (error) {
      hub.cur = NIL;
      // runOne had set it to nought, and could not put it back.
      if (alone) hub.core.words[BUDGET] = budget;
      this.#failed(error);
      return;
    }
    hub.cur = NIL;
    if (ended >= 0) this.#ended(ended);
  }

  #ended(slot: number): void {
    const g = this.hub.owners[slot] as GuestGreenlet;
    let value: unknown;
    try {
      value = this.#results(g.$entry?.signature.results ?? []);
    } catch (error) {
      g.$concluded(false, error);
      return;
    }
    g.$concluded(true, value);
  }

  /** An exception came out of the engine: the end of one guest, and of nothing else. */
  #failed(thrown: unknown): void {
    const { hub, exports } = this;
    const unwinding = exports.__asyncify_state?.value === 1;
    const slot = exports.fault();
    if (slot < 0) throw thrown;
    const g = this.greenletAt(slot);
    // Where it was to wait, if it failed on its way there.
    if (!hub.core.leave(slot) && (unwinding || g.$op !== null)) hub.core.unready(slot);
    let error = fromGuest(g.$what, thrown);
    if (unwinding && error !== thrown) {
      error = new GuestError(
        'GEVENT_GUEST_STACK',
        `${g.$what}: its frames need more than the engine keeps for one guest: raise frameLimit, or use another backend`,
        { cause: thrown },
      );
    }
    error = this.#abandon(g, error);
    this.#lift?.forget(slot);
    exports.unmark(slot);
    exports.drop(slot);
    g.$concluded(false, error);
  }

  /** O2 for what it waited in. Gives the error that counts. */
  #abandon(g: GuestGreenlet, error: unknown): unknown {
    const op = g.$op;
    g.$op = null;
    g.$error = null;
    if (op === null) return error;
    try {
      op.abandon(this.hub, g.$slot);
      return error;
    } catch (e) {
      return e;
    }
  }

  raise(g: GuestGreenlet, error: unknown): void {
    const { exports } = this;
    if (exports.cur.value >= 0) throw new GeventError('GEVENT_BUG', `${g} cannot be interrupted while guests run`);
    // A stack has to be left, so that it is not lost.
    const drops = this.backend === 'asyncify' && !g.instance.program.catches && this.#lift?.isLifted(g.$slot) !== true;
    if (drops) {
      // Nobody in there could catch it: what it had unwound is dropped.
      const final = this.#abandon(g, error);
      exports.unmark(g.$slot);
      exports.drop(g.$slot);
      g.$concluded(false, final);
      return;
    }
    g.$error = { error };
    if (g.$op === null) exports.throwing();
    this.#go(g.$slot, true);
  }

  // ---- what guests call ---------------------------------------------------------------------------------------------

  /** The greenlet of a slot. A guest that another spawned becomes an object when JavaScript first meets it. */
  greenletAt(slot: number): GuestGreenlet {
    const { hub } = this;
    const owner = hub.owners[slot];
    if (owner !== VACANT) return owner as GuestGreenlet;
    const flags = this.#records[slot * RECORD_WORDS + FLAGS];
    const instance = this.instances[flags >>> 8] as Instance;
    this.#records[slot * RECORD_WORDS + FLAGS] = flags | WATCHED;
    const g = new GuestGreenlet(instance, null, []);
    g.$slot = slot;
    g.$state = State.LIVE;
    hub.owners[slot] = g;
    instance.$met(g);
    return g;
  }

  runs(g: GuestGreenlet): boolean {
    return this.exports.cur.value === g.$slot;
  }

  stackOf(g: GuestGreenlet): number {
    const record = g.$slot * RECORD_WORDS;
    if (this.backend === 'wasmfx') return this.#records[record + 1];
    return this.#data().getInt32(this.#records[record], true);
  }

  ownerOf(slot: number): Fires<Hub> {
    return this.hub.owners[slot] === VACANT && this.owns(slot) ? this.greenletAt(slot) : this.hub.owners[slot];
  }

  #arm(slot: number, seconds: number): number {
    if (Number.isNaN(seconds)) throw new RangeError('sleep(seconds): expected a number of seconds, got NaN');
    if (seconds <= 0) return 0;
    this.hub.arm(slot, seconds * 1000, Priority.NORMAL);
    return 1;
  }

  #refusal(why: number): GuestError {
    if (why === 1) return new GuestError('GEVENT_GUEST_MEMORY', 'there is no memory left for the frames of guests');
    if (why === 2) return new GuestError('GEVENT_CORE_FULL', 'the core has no room for another guest');
    if (why === 3) return noStack(this.maxStacks);
    return cannotSwitch(this.exports.cur.value >= 0);
  }

  #errorOf(g: GuestGreenlet): unknown {
    const error = (g.$error as { error: unknown }).error;
    g.$error = null;
    return error;
  }

  /** How a blocking import begins; see shims.ts. */
  beginner(fn: (...args: any[]) => unknown, what: string): (who: number, ...args: unknown[]) => number {
    const { hub } = this;
    const { may } = this.exports;
    return (who, ...args) => {
      const slot = who >= 0 ? who : -2 - who;
      const outside = slot < 0;
      const g = outside ? null : this.greenletAt(slot);
      try {
        if (!outside) hub.cur = slot;
        const op = asOperation(fn.apply(g ?? undefined, args));
        if (op === null) return this.#done(g, lastPlain);
        if (debugging) hub.debug.consumed(op);
        if (who < 0) throw cannotSwitch(!outside, what);
        if (op.begin(hub, slot)) return this.#done(g, op.complete(hub, slot));
        (g as GuestGreenlet).$op = op;
        return 0;
      } catch (error) {
        if (who >= 0) may.value = 1;
        throw error;
      }
    };
  }

  /** Where results are kept of one who calls from no greenlet. */
  #outside: unknown = undefined;

  #done(g: GuestGreenlet | null, value: unknown): number {
    if (g === null) this.#outside = value;
    else g.$value = value;
    return 1;
  }

  completer(): (slot: number) => unknown {
    const { hub } = this;
    const { may } = this.exports;
    return (slot) => {
      if (slot < 0) {
        const value = this.#outside;
        this.#outside = undefined;
        return value;
      }
      const g = hub.owners[slot] as GuestGreenlet;
      const op = g.$op;
      if (op === null) {
        const value = g.$value;
        g.$value = undefined;
        return value;
      }
      g.$op = null;
      hub.cur = slot;
      try {
        if (g.$error === null) return op.complete(hub, slot);
        const error = this.#errorOf(g);
        op.abandon(hub, slot);
        throw error;
      } catch (error) {
        may.value = 1;
        throw error;
      }
    };
  }

  /** A function that does not block, and may ask who calls it. One form for each number of arguments: spreading costs more than the call. */
  plain(fn: (...args: any[]) => unknown, arity: number): (who: number, ...args: any[]) => unknown {
    const { hub } = this;
    const { owners } = hub;
    const { may } = this.exports;
    const here = (who: number) => {
      const slot = who >= 0 ? who : -2 - who;
      if (slot < 0) return;
      if (owners[slot] === VACANT) this.greenletAt(slot);
      hub.cur = slot;
    };
    // Guest code may catch it, and go on.
    const failed = (who: number, error: unknown) => {
      if (who >= 0) may.value = 1;
      return error;
    };
    if (arity === 0)
      return (who) => {
        here(who);
        try {
          return fn();
        } catch (error) {
          throw failed(who, error);
        }
      };
    if (arity === 1)
      return (who, a) => {
        here(who);
        try {
          return fn(a);
        } catch (error) {
          throw failed(who, error);
        }
      };
    if (arity === 2)
      return (who, a, b) => {
        here(who);
        try {
          return fn(a, b);
        } catch (error) {
          throw failed(who, error);
        }
      };
    return (who, ...args) => {
      here(who);
      try {
        return fn(...args);
      } catch (error) {
        throw failed(who, error);
      }
    };
  }

  // ---- values -------------------------------------------------------------------------------------------------------

  #data(): DataView {
    // Growing detaches it.
    const { buffer } = this.exports.frames;
    if (this.#view.buffer !== buffer) this.#view = new DataView(buffer);
    return this.#view;
  }

  /** Write what a guest starts with. @throws TypeError as a direct call would */
  #pass(params: readonly number[], args: readonly unknown[]): void {
    if (params.length === 0) return;
    const data = this.#data();
    const { refs } = this.exports;
    if (params.length > refs.length) refs.grow(params.length - refs.length);
    for (let i = 0; i < params.length; ++i) {
      const at = ARGUMENTS + 8 * i;
      const arg = args[i];
      switch (params[i]) {
        case Type.I32:
          data.setInt32(at, Number(arg) | 0, true);
          break;
        case Type.I64:
          data.setBigInt64(at, BigInt.asIntN(64, toBigInt(arg)), true);
          break;
        case Type.F32:
          data.setFloat32(at, Number(arg), true);
          break;
        case Type.F64:
          data.setFloat64(at, Number(arg), true);
          break;
        default:
          refs.set(i, arg);
      }
    }
  }

  #results(results: readonly number[]): unknown {
    if (results.length === 0) return undefined;
    const data = this.#data();
    const values = results.map((type, i) => {
      const at = ARGUMENTS + 8 * i;
      switch (type) {
        case Type.I32:
          return data.getInt32(at, true);
        case Type.I64:
          return data.getBigInt64(at, true);
        case Type.F32:
          return data.getFloat32(at, true);
        case Type.F64:
          return data.getFloat64(at, true);
        default: {
          const value: unknown = this.exports.refs.get(i);
          this.exports.refs.set(i, null);
          return value;
        }
      }
    });
    return values.length === 1 ? values[0] : values;
  }
}

/** What a plain return of a blocking import was, when `asOperation` gave null. */
let lastPlain: unknown;

/** What a blocking import returned, as an operation; null: a plain value, in `lastPlain`. */
function asOperation(outcome: unknown): Operation<unknown> | null {
  if (isOperation(outcome)) return outcome;
  if (isThenable(outcome)) return until(outcome);
  lastPlain = outcome;
  return null;
}

function toBigInt(arg: unknown): bigint {
  if (typeof arg === 'bigint') return arg;
  throw new TypeError(`expected a BigInt for an i64, got ${typeof arg}`);
}

export function cannotSwitch(inGuest: boolean, what = 'a blocking import'): GuestError {
  return inGuest
    ? new GuestError(
        'GEVENT_GUEST_JS_FRAME',
        `${what} was called below a JavaScript frame, which no engine can switch: let that import be blocking(fn) and return an operation`,
      )
    : new GuestError(
        'GEVENT_GUEST_NOT_SPAWNED',
        `${what} was called by a guest that is no greenlet: start the export by program.spawn()`,
      );
}

export function needsWasm(hub: Hub): GuestError {
  return new GuestError(
    'GEVENT_GUEST_NEEDS_WASM',
    `guests need the WebAssembly core, and ${hub} has another: run without GEVENT_CORE=pure, or createHub({ core: 'wasm' })`,
  );
}
