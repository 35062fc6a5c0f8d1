// Which backend a guest runs on, and why not on the others.

import { bundled } from './bundle.ts';
import { BACKENDS, type BackendName, early, wasmfxAllowed, whyNot } from './detect.ts';
import { GuestError } from './errors.ts';
import { type Imports, isDirect } from './imports.ts';
import type { LoadOptions } from './load-options.ts';
import type { Shape } from './read.ts';
import { LARGE, rewritten } from './rewrite.ts';

/** The backend that is taken, and why; why not the others. */
export interface Choice {
  readonly backend: BackendName;
  readonly reason: string;
  readonly others: Partial<Record<BackendName, string>>;
  /** Where those go that block deep. */
  readonly deep?: 'wasmfx';
}

/**
 * Frames from which on wasmfx switches faster. By bench guest-depth a switch of asyncify takes 25 ns and 8 for each frame, one of wasmfx 142
 * at any depth, and 60 on V8 15.
 */
const CROSSOVER = 14;
const CROSSOVER_V8_15 = 5;

/**
 * @param given - what the user gives the guest to import
 * @param refused - why it could not be rewritten, if that was tried
 * @throws GuestError `GEVENT_GUEST_NO_BACKEND`
 */
export function choose(shape: Shape | null, options: LoadOptions, given: Imports, refused?: string): Choice {
  const asked = options.backend ?? 'auto';
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
  const take = (backend: BackendName, reason: string): Choice =>
    backend === 'asyncify' && others.wasmfx === undefined && (shape === null || bundled(shape) === null)
      ? { backend, reason, others, deep: 'wasmfx' }
      : { backend, reason, others };
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
    if (canRewrite()) return take('asyncify', 'the module is small, and not said to block deep (load({ depth }))');
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
/** Why wasmfx would endanger the process, or null. */
export function riskOf(shape: Shape, given: Imports): string | null {
  if (!early()) return null;
  const at = shape.imports.find(({ functions, module, name }) => {
    const value = given[module]?.[name];
    return functions === true && value instanceof WebAssembly.Table && !isDirect(value);
  });
  return at === undefined
    ? null
    : `it imports the table ${at.module}.${at.name} of functions, and V8 before 15 ends the process if JSPI suspends one of them: give direct(table) if it suspends none`;
}

function canRewrite(): boolean {
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
