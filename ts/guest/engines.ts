// The engines of each hub, made when first needed.

import { GeventError } from '../exceptions.ts';
import type { Hub } from '../hub/hub.ts';
import type { BackendName } from './detect.ts';
import { type Engine, NativeEngine, needsWasm } from './engine.ts';
import { asyncify, wasmfx } from './engines.generated.ts';
import { JspiEngine } from './jspi.ts';
import type { Lift } from './lift.ts';

/** What a program may use at most. */
export interface Limits {
  /** asyncify: bytes of frames that one guest may unwind. */
  readonly frameLimit: number;
  /** wasmfx, jspi: stacks at a time. */
  readonly maxStacks: number;
}

const made = new WeakMap<Hub, Partial<Record<BackendName, Engine>>>();
const modules: Partial<Record<BackendName, WebAssembly.Module>> = {};

export function engineOf(hub: Hub, backend: BackendName, limits: Limits): Engine {
  if (hub.core.native === undefined) throw needsWasm(hub);
  let engines = made.get(hub);
  if (engines === undefined) made.set(hub, (engines = {}));
  const engine = engines[backend] ?? (engines[backend] = make(hub, backend));
  limit(engine, limits);
  return engine;
}

/** The engine that a bundled guest is. `linked` is what else it imports. */
export function engineIn(
  hub: Hub,
  module: WebAssembly.Module,
  linked: Record<string, Record<string, any>>,
  limits: Limits,
): NativeEngine {
  const engine = new NativeEngine(hub, 'asyncify', module, linked);
  limit(engine, limits);
  if (WebAssembly.Module.imports(module).some((it) => it.module === 'gevent' && it.name === 'spawn')) join(hub, engine);
  return engine;
}

function limit(engine: Engine, limits: Limits): void {
  const { backend } = engine;
  if (engine instanceof NativeEngine) {
    const amount = backend === 'asyncify' ? Math.ceil(limits.frameLimit / 65536) * 65536 : limits.maxStacks;
    engine.maxStacks = Math.max(engine.maxStacks, limits.maxStacks);
    if (engine.exports.limit(amount) === 0)
      throw new GeventError('GEVENT_GUEST_MEMORY', 'no memory for frames of guests');
  } else if (engine instanceof JspiEngine) engine.limit(limits.maxStacks);
}

function make(hub: Hub, backend: BackendName): Engine {
  if (backend === 'jspi') return new JspiEngine(hub);
  modules[backend] ??= new WebAssembly.Module(engineBytes(backend));
  const engine = new NativeEngine(hub, backend, modules[backend]);
  join(hub, engine);
  return engine;
}

/** It runs the guests that guests spawn in it. */
function join(hub: Hub, engine: NativeEngine): void {
  const before = hub.crowd;
  hub.crowd =
    before === null
      ? engine
      : { $fire: (on, slot) => (engine.owns(slot) ? engine.$fire(on, slot) : before.$fire(on, slot)) };
}

export function engineBytes(backend: 'asyncify' | 'wasmfx'): Uint8Array<ArrayBuffer> {
  return decode(backend === 'asyncify' ? asyncify : wasmfx);
}

/** What gives stacks to guests of asyncify that block deep. */
export function liftOf(engine: NativeEngine, limits: Limits): Lift {
  const lift = engine.lift(decode);
  lift.limit(limits.maxStacks);
  return lift;
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  const buffer = globalThis.Buffer?.from(base64, 'base64');
  return buffer !== undefined ? new Uint8Array(buffer) : Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
