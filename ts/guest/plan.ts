// What becomes of each function that a guest imports: whether it is linked as it is or through a shim, and through which.

import { wrongType } from '../core/arguments.ts';
import { builtinOf } from './abi.ts';
import { riskOf } from './choose.ts';
import { early } from './detect.ts';
import { Extern, type Signature, sameSignature, Type } from './emit.ts';
import { GuestError } from './errors.ts';
import { Blocking, type Imports, type ImportValue, isDirect, isExported, Yielding } from './imports.ts';
import type { Instance } from './instance.ts';
import type { Program } from './program.ts';
import type { Shape } from './read.ts';
import { rewritten } from './rewrite.ts';
import { type ShimOf, SPAWN } from './shims.ts';

/** An import that is linked through a shim. */
export interface Shimmed {
  /** Of the import: `module.name`. */
  readonly key: string;
  readonly shim: ShimOf;
  /** What the shim calls; null: the engine, or the instance's own. */
  readonly value: ImportValue | null;
}

/** How the imports of a program are linked. */
export interface Plan {
  /** Imports linked as they are: a function, or the name of one of the engine's. */
  readonly functions: Readonly<Record<string, unknown>>;
  /** Shims that are there before the instance, */
  readonly before: readonly Shimmed[];
  /** and those that need something of the instance: its shadow stack pointer, its memory, or the engine in it. */
  readonly behind: readonly Shimmed[];
}

const YIELD: Signature = { params: [], results: [] };
const SLEEP: Signature = { params: [Type.F64], results: [] };

/** What each imported function is linked to. `given`: what the user gives; the rest is the package's own, made for `instance`. */
export function planImports(program: Program, given: Imports, instance: Instance): Plan {
  const { name: guest, backend, shape, stackPointer } = program;
  const functions: Record<string, unknown> = {};
  const before: Shimmed[] = [];
  const behind: Shimmed[] = [];
  const late = backend === 'wasmfx' && stackPointer !== null;
  const instrumented = shape === null ? null : rewritten(shape);
  const mayBlock = (key: string) => {
    if (instrumented === null || instrumented.blocking.includes(key)) return;
    throw new GuestError(
      'GEVENT_GUEST_REWRITTEN',
      `${guest}: ${key} is blocking, and the module was rewritten for others: ${instrumented.blocking.join(', ') || 'none'}; rewrite it with --imports ${key}`,
    );
  };
  const add = (key: string, shim: ShimOf, value: ImportValue | null) => {
    const stores = shim.kind === 'blocking' && shim.out !== undefined;
    const isLate = program.bundled || stores || (late && (shim.kind === 'blocking' || shim.kind === 'engine'));
    (isLate ? behind : before).push({ key, shim, value });
  };
  const mayHaveStack = backend === 'wasmfx' || (instance.$lifts && early());
  const risk = backend === 'wasmfx' ? riskOf(shape as Shape, given) : null;
  if (risk !== null) throw new GuestError('GEVENT_GUEST_IMPORT', `${guest}: ${risk}`);
  for (const { module, name, kind, signature } of shape?.imports ?? []) {
    // `gevent:…` is the engine's.
    if (kind !== Extern.FUNC || module.startsWith('gevent:')) continue;
    const key = `${module}.${name}`;
    const value = given[module]?.[name];
    if (signature === null) {
      throw new GuestError('GEVENT_GUEST_SIGNATURE', `${guest}: the signature of its import ${key} could not be read`);
    }
    if (value instanceof Blocking) {
      mayBlock(key);
      if (value instanceof Yielding) add(key, { kind: 'engine', name: 'yield', signature }, null);
      else add(key, { kind: 'blocking', signature }, value);
    } else if (typeof value === 'function') {
      if (!isDirect(value)) add(key, { kind: 'plain', signature }, value);
      // Code of another module that JSPI suspends, reached without a JavaScript frame on a stack of wasmfx, crashes V8 14.6.
      else functions[key] = mayHaveStack && isExported(value) ? (...args: unknown[]) => value(...args) : value;
    } else if (value !== undefined) {
      throw wrongType('load({ imports })', `a function for ${key}`, value);
    } else if (module === 'gevent' && (name === 'yield' || name === 'sleep')) {
      const own = name === 'yield' ? YIELD : SLEEP;
      if (late) add(key, { kind: 'engine', name, signature: own }, null);
      else functions[key] = name;
    } else if (module === 'gevent' && name === 'spawn') {
      if (String(signature.params) !== String(SPAWN.params)) throw missing(guest, `${key} of another signature`);
      // Each needs a stack of its own, which JavaScript gives out.
      if (stackPointer === null) add(key, { kind: 'spawn' }, null);
      else add(key, { kind: 'plain', signature: SPAWN }, null);
    } else {
      const builtin = builtinOf(module, name);
      if (builtin === undefined) throw missing(guest, key);
      if (!sameSignature(signature, builtin.signature)) throw missing(guest, `${key} of another signature`);
      const fn = builtin.make(instance);
      // A guest that is rewritten has asked the engine before it calls this.
      const its = builtin.native === undefined || backend === 'asyncify' ? {} : { native: builtin.native };
      if (builtin.kind === 'direct') functions[key] = fn;
      else if (builtin.kind === 'plain') add(key, { kind: 'plain', signature, ...its }, fn);
      else {
        mayBlock(key);
        const out = builtin.out === undefined || backend === 'asyncify' ? {} : { out: builtin.out };
        add(key, { kind: 'blocking', signature, ...its, ...out }, new Blocking(fn));
      }
    }
  }
  return { functions, before, behind };
}

/** The error of an import that nobody supplies. */
export function missing(guest: string, what: string): GuestError {
  return new GuestError(
    'GEVENT_GUEST_IMPORT',
    `${guest} imports the function ${what}, and load({ imports }) gives none`,
  );
}
