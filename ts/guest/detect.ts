// Which backends this process has. Never by trying what may abort it: see the comment at each.

import { Emitter } from './emit.ts';

export type BackendName = 'asyncify' | 'wasmfx' | 'jspi';
export const BACKENDS: readonly BackendName[] = ['asyncify', 'wasmfx', 'jspi'];

/** undefined: not looked yet; null: there; else why not. */
const known: Partial<Record<BackendName, string | null>> = {};

/** Null if the backend can be used here, else why not. */
export function whyNot(backend: BackendName): string | null {
  let why = known[backend];
  if (why === undefined) {
    known[backend] = why = backend === 'asyncify' ? probeMemories() : backend === 'jspi' ? probeJspi() : probeWasmfx();
  }
  return why;
}

// Two memories in one module: the frames of guests are in the engine's own.
function probeMemories(): string | null {
  const m = new Emitter();
  m.importMemory('a', 'a');
  m.importMemory('a', 'b');
  return WebAssembly.validate(m.bytes()) ? null : 'this engine has one memory a module only';
}

interface Jspi {
  Suspending: new (fn: (...args: any[]) => unknown) => object;
  promising(fn: unknown): (...args: unknown[]) => Promise<unknown>;
}

export function jspi(): Jspi {
  return WebAssembly as unknown as Jspi;
}

function probeJspi(): string | null {
  return 'Suspending' in WebAssembly && 'promising' in WebAssembly
    ? null
    : 'this engine has no WebAssembly.Suspending (Node has it from 24 on)';
}

let allowed = false;

/**
 * Let the wasmfx backend be used: asks V8 for stack switching, for the whole process and for good, and lets
 * `backend: 'auto'` choose it. Under Node from 26 on; elsewhere the engine's own flag has to be given. An experimental part
 * of the engine: not for code you do not trust.
 * @returns null if it is there, else why not
 */
export function enableWasmfx(): string | null {
  allowed = true;
  delete known.wasmfx;
  return whyNot('wasmfx');
}

/** Its V8 is one before 15, which has more ways to end the process by stack switching. */
export function early(): boolean {
  const { process, Deno } = globalThis as { process?: { versions?: Record<string, string> }; Deno?: unknown };
  return Deno === undefined && Number.parseInt(process?.versions?.v8 ?? '15', 10) < 15;
}

/** Stack switching is on, and `switch` would end the process. */
export function switchAborts(): boolean {
  return allowed && whyNot('wasmfx') === null && early();
}

const NOT_ALLOWED = "it is experimental in this engine: ask for it by enableWasmfx() or backend: 'wasmfx'";

/** True once somebody asked for it. */
export function wasmfxAllowed(): boolean {
  return allowed;
}

function probeWasmfx(): string | null {
  if (!allowed) return NOT_ALLOWED;
  const v8Version = globalThis.process?.versions?.v8;
  const { Deno } = globalThis as { Deno?: unknown };
  if (v8Version !== undefined && Deno === undefined && globalThis.process?.versions?.bun === undefined) {
    const [major, minor] = v8Version.split('.').map(Number);
    // Node 24 and 25 know the flag, and reject or abort on what it enables.
    if (major < 14 || (major === 14 && minor < 6))
      return `V8 ${v8Version} has no complete stack switching (Node has it from 26 on)`;
    // The flag's name in V8 up to 15.0 at least, and in 15.6; an unknown one prints a line, so one is chosen.
    const flag = major > 15 || (major === 15 && minor >= 6) ? '--wasm-wasmfx' : '--experimental-wasm-wasmfx';
    const v8 = globalThis.process.getBuiltinModule('node:v8');
    v8.setFlagsFromString(flag);
  }
  try {
    if (!WebAssembly.validate(PROBE)) return 'this engine does not have stack switching, or its flag was not given';
    const { probe } = new WebAssembly.Instance(new WebAssembly.Module(PROBE)).exports as { probe(): number };
    return probe() === 42 ? null : 'stack switching gave a wrong answer';
  } catch (error) {
    return `stack switching failed: ${error}`;
  }
}

// (module
//   (type $f (func)) (type $k (cont $f)) (tag $t (type $f)) (elem declare func $b)
//   (func $b (suspend $t))
//   (func (export "probe") (result i32) (local $c (ref null $k))
//     (block $h (result (ref $k)) (resume $k (on $t $h) (cont.new $k (ref.func $b))) (return (i32.const 0)))
//     (local.set $c) (resume $k (local.get $c)) (i32.const 42)))
// Nothing of `switch`: compiling it aborts V8 14.6.
const PROBE = new Uint8Array([
  // biome-ignore format: bytes
  0, 97, 115, 109, 1, 0, 0, 0, 1, 10, 3, 96, 0, 0, 93, 0, 96, 0, 1, 127, 3, 3, 2, 0, 2, 13, 3, 1, 0, 0, 7, 9, 1, 5, 112,
  114, 111, 98, 101, 0, 1, 9, 5, 1, 3, 0, 1, 0, 10, 38, 2, 4, 0, 226, 0, 11, 31, 1, 1, 99, 1, 2, 100, 1, 210, 0, 224, 1,
  227, 1, 1, 0, 0, 0, 65, 0, 15, 11, 33, 0, 32, 0, 227, 1, 0, 65, 42, 11,
]);
