// The small modules between a guest and the rest: what its imports become, and how its exports are started. Made once a
// program, from signatures alone, and instantiated once an instance.
//
//   shim    a blocking import. Calls JavaScript, lets it return, then leaves the guest, then fetches the result:
//             begin(who, ...args) gives 1: done, or 0: parked; then park, here the guest is away; then complete(slot)
//           `who` is the running guest's slot, or -2 - slot if a JavaScript frame stands between, or -1 outside any guest.
//           One that is `native` asks the engine first, whose function has the instance before its parameters, and gives SLOW where
//           JavaScript is needed: asm/switch/waits.wat. For wasmfx; a guest that is rewritten does that inside (pilot.ts).
//   thunk   an export as the engine starts it: no arguments, no results; they lie at ARGUMENTS in the engine's memory
//
// Under asyncify a shim is called a second time when the guest is rewound, with state 2; a thunk each time, and what it then
// loads and stores means nothing. Under wasmfx a shim is on the guest's stack and simply goes on.
//
// Several greenlets in one instance have a shadow stack each. asyncify: the thunk sets the pointer and takes it back, being
// passed at every switch. wasmfx: whoever leaves sets it back on return, and leaves it in its record for those who ask; but a shim is needed before there is the instance
// whose global it is, so the import is a trampoline into a table that is filled afterwards.

import { Emitter, NOTHING_TO_NOTHING, op, type Signature, Type } from './emit.ts';

/** Where in the engine's memory arguments and results lie, 8 bytes each. */
export const ARGUMENTS = 64;

export type Switching = 'asyncify' | 'wasmfx';

const isReference = (type: number): boolean => type === Type.EXTERNREF || type === Type.FUNCREF;

/** A JavaScript function that is not to be switched away from: it learns who runs, and guests may not switch below it. */
export interface PlainImport {
  readonly kind: 'plain';
  readonly signature: Signature;
  /** The engine's function that may do it in its place. */
  readonly native?: string;
}

/** A JavaScript function that blocks. */
export interface BlockingImport {
  readonly kind: 'blocking';
  readonly signature: Signature;
  readonly native?: string;
  /** Its parameter that says where an f64 is to lie, which the engine has got. */
  readonly out?: number;
}

/** A function of the engine that switches, for a guest whose shadow stack must be set back, or that wants results: noughts. */
export interface EngineImport {
  readonly kind: 'engine';
  readonly name: string;
  readonly signature: Signature;
}

/** `spawn` of the guest ABI: bound to an instance. Only where there is no shadow stack to give out. */
export interface SpawnImport {
  readonly kind: 'spawn';
}

export type ShimOf = PlainImport | BlockingImport | EngineImport | SpawnImport;

/** What a function of the engine gives where JavaScript is to do it. */
export const SLOW = -1000;

export const SPAWN: Signature = { params: [Type.I32, Type.I32], results: [Type.I32] };
const FOUR: Signature = { params: [Type.I32, Type.I32, Type.I32, Type.I32], results: [Type.I32] };
const TAKES_I32: Signature = { params: [Type.I32], results: [] };

/**
 * The module whose exports "0", "1", … a guest imports. It imports from `e` the engine, from `j` begin, complete and plain
 * functions by number, from `i` what belongs to the instance.
 */
export function emitShims(shims: readonly ShimOf[], switching: Switching, withStack: boolean): Uint8Array<ArrayBuffer> {
  const m = new Emitter();
  const begins: number[] = [];
  const completes: number[] = [];
  const natives: number[] = [];
  const park = m.importFunc('e', 'park', NOTHING_TO_NOTHING);
  const spawn = m.importFunc('e', 'spawn', FOUR);
  shims.forEach((shim, i) => {
    if (shim.kind === 'engine') begins[i] = m.importFunc('e', shim.name, { ...shim.signature, results: [] });
    if (shim.kind !== 'plain' && shim.kind !== 'blocking') return;
    const { params, results } = shim.signature;
    const blocks = shim.kind === 'blocking';
    if (shim.native !== undefined) {
      natives[i] = m.importFunc('e', shim.native, { params: [Type.I32, ...params], results: [Type.I32] });
    }
    begins[i] = m.importFunc('j', `begin${i}`, {
      params: [Type.I32, ...params],
      results: blocks ? [Type.I32] : results,
    });
    if (blocks) completes[i] = m.importFunc('j', `complete${i}`, { params: [Type.I32], results });
  });
  const cur = m.importGlobal('e', 'cur', Type.I32, true);
  const may = m.importGlobal('e', 'may', Type.I32, true);
  const rewrites = switching === 'asyncify';
  const state = rewrites ? m.importGlobal('e', '__asyncify_state', Type.I32, true) : -1;
  const raising = rewrites ? m.importGlobal('e', 'raising', Type.I32, true) : -1;
  const sp = withStack ? m.importGlobal('i', 'sp', Type.I32, true) : -1;
  const entry = m.importGlobal('i', 'entry', Type.I32, false);
  const number = m.importGlobal('i', 'number', Type.I32, false);
  const serial = m.importGlobal('i', 'serial', Type.I32, false);
  const stores = shims.some((shim) => 'out' in shim && shim.out !== undefined);
  const item = stores ? m.importGlobal('e', 'item', Type.F64, true) : -1;
  const out = stores ? m.importGlobal('e', 'out', Type.I32, true) : -1;
  // Where the engine's record of the running guest has room for it.
  if (withStack) m.importMemory('e', 'records');
  const memory = stores ? m.importMemory('i', 'memory') : -1;
  const keepStack = withStack
    ? [op.globalGet(cur), op.i32(4), op.shl, op.globalGet(sp), op.store(Type.I32, 4)].flat()
    : [];

  // may ? cur : -2 - cur
  const who = [op.globalGet(cur), op.i32(-2), op.globalGet(cur), op.sub, op.globalGet(may), op.select].flat();
  const noMore = [...op.i32(0), ...op.globalSet(may)];

  /** Ask the engine, and return what it gives, if it did it. */
  const native = (i: number, shim: PlainImport | BlockingImport, given: number[], saved: number): number[] => {
    const result = saved + 1;
    const keeps = shim.kind === 'blocking' && withStack;
    const where = shim.kind === 'blocking' ? shim.out : undefined;
    const ask = [
      ...(keeps ? [...keepStack, ...op.globalGet(sp), ...op.set(saved)] : []),
      ...op.globalGet(serial),
      ...given,
      ...op.call(natives[i]),
      ...op.set(result),
      ...(keeps ? [...op.get(saved), ...op.globalSet(sp)] : []),
    ];
    const returned = shim.signature.results.length === 0 ? [] : op.get(result);
    const done = (then: number[]) =>
      [op.get(result), op.i32(SLOW), op.ne, op.if, then, returned, op.return, op.end].flat();
    if (where === undefined) return [...ask, ...done([])];
    // A pointer that is wrong is JavaScript's, before anybody waits.
    const wrong = [op.get(where), op.size(memory), op.i32(16), op.shl, op.i32(8), op.sub, op.gtU].flat();
    const store = [
      op.get(result),
      op.eqz,
      op.if,
      op.globalGet(out),
      op.globalGet(item),
      op.storeF64(memory),
      op.end,
    ].flat();
    return [...wrong, ...op.eqz, ...op.if, ...ask, ...done(store), ...op.end];
  };

  shims.forEach((shim, i) => {
    if (shim.kind === 'spawn') {
      const code = [op.globalGet(entry), op.globalGet(number), op.get(0), op.get(1), op.call(spawn)].flat();
      m.func(String(i), SPAWN, [], code);
      return;
    }
    const { params, results } = shim.signature;
    const given = params.flatMap((_, k) => op.get(k));
    const saved = params.length;
    if (shim.kind === 'engine') {
      const keep = sp < 0 ? [] : [...keepStack, ...op.globalGet(sp), ...op.set(saved)];
      const again = sp < 0 ? [] : [...op.get(saved), ...op.globalSet(sp)];
      const code = [keep, given, op.call(begins[i]), again, results.flatMap(op.zero)].flat();
      m.func(String(i), shim.signature, [Type.I32], code);
      return;
    }
    const tries = shim.native === undefined ? [] : native(i, shim, given, saved);
    if (shim.kind === 'plain') {
      const code = [tries, op.globalGet(may), op.set(saved), who, noMore, given, op.call(begins[i])].flat();
      m.func(String(i), shim.signature, [Type.I32, Type.I32], [...code, ...op.get(saved), ...op.globalSet(may)]);
      return;
    }
    const before = saved + 1;
    const begin = [who, noMore, given, op.call(begins[i])].flat();
    const complete = [noMore, op.globalGet(cur), op.call(completes[i]), op.get(saved), op.globalSet(may)].flat();
    const again = [...op.get(saved), ...op.globalSet(may)];
    const keep = [...op.globalGet(may), ...op.set(saved)];
    if (switching === 'wasmfx') {
      const away = withStack
        ? [keepStack, op.globalGet(sp), op.set(before), op.call(park), op.get(before), op.globalSet(sp)].flat()
        : op.call(park);
      const code = [tries, keep, begin, op.eqz, op.if, again, away, op.end, complete].flat();
      m.func(String(i), shim.signature, [Type.I32, Type.I32], code);
      return;
    }
    const meaningless = [...results.flatMap(op.zero), ...op.return];
    // The engine asks what unwinding costs: see `probe` in asyncify.wat.
    const probed = [
      ...op.globalGet(raising),
      ...op.i32(2),
      ...op.eq,
      ...op.if,
      ...op.call(park),
      ...meaningless,
      ...op.end,
    ];
    // One that has a stack is back now, and the others are away.
    const away = [...op.call(park), ...op.globalGet(state), ...op.if, ...meaningless, ...op.end];
    const code = [
      tries,
      keep,
      [...op.globalGet(state), ...op.if, ...probed, ...op.i32(0), ...op.globalSet(state), ...op.else],
      [...begin, ...op.eqz, ...op.if, ...again, ...away, ...op.end, ...op.end],
      complete,
    ].flat();
    m.func(String(i), shim.signature, [Type.I32, Type.I32], code);
  });
  return m.bytes();
}

/** The stand-ins for shims that need the instance: they call into the table `i.shims`. */
export function emitTrampolines(signatures: readonly Signature[]): Uint8Array<ArrayBuffer> {
  const m = new Emitter();
  const table = m.importTable('i', 'shims', Type.FUNCREF);
  signatures.forEach((signature, i) => {
    const code = [...signature.params.flatMap((_, k) => op.get(k)), ...op.i32(i)];
    m.func(String(i), signature, [], [...code, ...op.callIndirect(m.type(signature), table)]);
  });
  return m.bytes();
}

/** What stands in their places before there is an engine: calls of `j.f0`, `j.f1`, …. */
export function emitEarly(signatures: readonly Signature[]): Uint8Array<ArrayBuffer> {
  const m = new Emitter();
  const functions = signatures.map((signature, i) => m.importFunc('j', `f${i}`, signature));
  signatures.forEach((signature, i) => {
    m.func(String(i), signature, [], [...signature.params.flatMap((_, k) => op.get(k)), ...op.call(functions[i])]);
  });
  return m.bytes();
}

/** The module whose export "0" is the export `i.f` as the engine starts it. */
export function emitThunk({ params, results }: Signature, withStack: boolean): Uint8Array<ArrayBuffer> {
  const m = new Emitter();
  const f = m.importFunc('i', 'f', { params, results });
  const at = withStack ? m.importFunc('e', 'block', { params: [], results: [Type.I32] }) : -1;
  m.importMemory('e', 'frames');
  const stack = stackOf(m, at);
  const refs = m.importTable('e', 'refs', Type.EXTERNREF);
  const load = params.flatMap((type, i) =>
    isReference(type) ? [...op.i32(i), ...op.tableGet(refs)] : [...op.i32(ARGUMENTS + 8 * i), ...op.load(type, 0)],
  );
  const store = results.flatMap((type, i) =>
    isReference(type)
      ? [...op.i32(i), ...op.get(i), ...op.tableSet(refs)]
      : [...op.i32(ARGUMENTS + 8 * i), ...op.get(i), ...op.store(type, 0)],
  );
  const take = results.flatMap((_, i) => op.set(results.length - 1 - i));
  m.func('0', NOTHING_TO_NOTHING, results, [stack.before, load, op.call(f), take, store, stack.after].flat());
  return m.bytes();
}

/** The module whose export "0" runs what guests spawn: a function of the guest's own table, with one argument. */
export function emitSpawned(): Uint8Array<ArrayBuffer> {
  const m = new Emitter();
  const fn = m.importFunc('e', 'fn', { params: [], results: [Type.I32] });
  const arg = m.importFunc('e', 'arg', { params: [], results: [Type.I32] });
  const table = m.importTable('i', 'table', Type.FUNCREF);
  const code = [...op.call(arg), ...op.call(fn), ...op.callIndirect(m.type(TAKES_I32), table)];
  m.func('0', NOTHING_TO_NOTHING, [], code);
  return m.bytes();
}

/** Put the greenlet's own shadow stack pointer in place, and take it back. The engine's function `block` says where it is. */
function stackOf(m: Emitter, block: number): { before: number[]; after: number[] } {
  if (block < 0) return { before: [], after: [] };
  const sp = m.importGlobal('i', 'sp', Type.I32, true);
  return {
    before: [...op.call(block), ...op.load(Type.I32, 0), ...op.globalSet(sp)],
    after: [...op.call(block), ...op.globalGet(sp), ...op.store(Type.I32, 0)],
  };
}
