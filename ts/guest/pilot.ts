// What a guest that is rewritten for asyncify gets of the engine: `gevent.yield`, what starts its exports, and what of `gevent` the engine does
// by itself. They are passed at each switch, and a call from module to module costs 4 to 6 ns; inside, a switch has one such call left, the engine's.
//
// It is text, which Binaryen reads as a module of its own; rewrite.ts copies the functions. What they use has the same names there.

import { ABI } from './abi.ts';
import { Extern, type Signature, sameSignature, Type } from './emit.ts';
import type { Shape } from './read.ts';
import { ARGUMENTS, SLOW } from './shims.ts';

/** What is to be put into a module. `$"@name"` stands for what is exported by that name. */
export interface Pilot {
  readonly imports: string;
  /** Stands in for the import `gevent.yield`. */
  readonly yields: string | null;
  /** Imports of `gevent` that ask the engine first, and the shim that they were only where that cannot do it. */
  readonly natives: readonly Native[];
  readonly added: readonly Added[];
}

/** Its function is `native(name)`, and calls the shim by `shim(name)`. */
interface Native {
  readonly name: string;
  readonly imports: string;
  readonly text: string;
}

/** A function more: needs something that is declared so, and is exported as `name` and called so. */
interface Added {
  readonly declaration: string;
  readonly name: string;
  readonly text: string;
}

/** The export of a rewritten module by which the engine starts its export `name`. */
export const runner = (name: string): string => `gevent:run:${name}`;
/** The export by which the engine starts what guests spawn. */
export const SPAWNED = 'gevent:spawned';
const OUR_SP = 'gevent:sp';

const IMPORTS = `
  (import "gevent:engine" "frames" (memory $__gevent_frames 0 65536))
  (import "gevent:engine" "records" (memory $gevent:records 0 65536))
  (import "gevent:engine" "core" (memory $gevent:core 0))
  (import "env" "__asyncify_state" (global $__asyncify_state (mut i32)))
  (import "env" "__asyncify_data" (global $__asyncify_data (mut i32)))
  (import "gevent:engine" "cur" (global $gevent:cur (mut i32)))
  (import "gevent:engine" "may" (global $gevent:may (mut i32)))
  (import "gevent:engine" "base" (global $gevent:base (mut i32)))
  (import "gevent:engine" "raising" (global $gevent:raising (mut i32)))
  (import "gevent:engine" "serial" (global $gevent:serial i32))
  (import "gevent:engine" "item" (global $gevent:item (mut f64)))
  (import "gevent:engine" "out" (global $gevent:out (mut i32)))
  (import "gevent:engine" "words" (global $gevent:words i32))
  (import "gevent:engine" "ring" (global $gevent:ring i32))
  (import "gevent" "yield" (func $gevent:engine.yield))`;

// asm/switch/asyncify.wat has the same, and what is left to it: to raise, to refuse, and to leave a stack.
const YIELDS = `
  (func $gevent:yields (local $tail i32)
    (if (global.get $__asyncify_state)
      (then
        (if (global.get $gevent:raising) (then (call $gevent:engine.yield)) (else (global.set $__asyncify_state (i32.const 0)))))
      (else
        (if (i32.ne (global.get $gevent:may) (i32.const 1))
          (then (call $gevent:engine.yield))
          (else
            (i32.store $gevent:core
              (i32.add (global.get $gevent:ring)
                (i32.shl (local.tee $tail (i32.load $gevent:core offset=4 (global.get $gevent:words))) (i32.const 2)))
              (global.get $gevent:cur))
            (i32.store $gevent:core offset=4 (global.get $gevent:words)
              (i32.and (i32.add (local.get $tail) (i32.const 1)) (i32.load $gevent:core offset=8 (global.get $gevent:words))))
            (global.set $__asyncify_data (global.get $gevent:base))
            (global.set $__asyncify_state (i32.const 1)))))))`;

/** The engine's function has the instance before its parameters. `out`: which of them says where a number goes that it has got. */
function native(name: string, { params, results }: Signature, out: number | undefined): Native {
  const given = params.map((_, i) => `(local.get ${i})`).join(' ');
  const types = `(param ${params.map((type) => NAMES[type]).join(' ')}) ${results.length > 0 ? '(result i32)' : ''}`;
  const store = `
    (if (i32.eqz (local.get $r))
      (then (f64.store $"@gevent:memory" align=1 (global.get $gevent:out) (global.get $gevent:item))))`;
  // A pointer that is wrong is JavaScript's, before anybody waits. What the parameters are once it is back means nothing.
  const right = (then: string) => `
    (if (i32.or
          (global.get $__asyncify_state)
          (i32.le_u (local.get ${out}) (i32.sub (i32.shl (memory.size $"@gevent:memory") (i32.const 16)) (i32.const 8))))
      (then ${then}))`;
  const ask = `
    (if (i32.ne
          (local.tee $r (call $"gevent:engine.${name}" (global.get $gevent:serial) ${given}))
          (i32.const ${SLOW}))
      (then ${out === undefined ? '' : store} (return ${results.length > 0 ? '(local.get $r)' : ''})))`;
  return {
    name,
    imports: `
  (import "gevent" "${name}" (func $"gevent:shim.${name}" ${types}))
  (import "gevent:engine" "${name}" (func $"gevent:engine.${name}" (param i32 ${params.map((type) => NAMES[type]).join(' ')}) (result i32)))`,
    text: `
  (func $"gevent:native.${name}" ${types} (local $r i32)
    ${out === undefined ? ask : right(ask)}
    (call $"gevent:shim.${name}" ${given}))`,
  };
}

const BLOCK = '(i32.load $gevent:records (i32.shl (global.get $gevent:cur) (i32.const 4)))';

const SPAWNS: Added = {
  declaration: '(import "gevent" "table" (table $"@gevent:table" 0 funcref))',
  name: SPAWNED,
  text: `(func $${SPAWNED}
    (call_indirect $"@gevent:table" (param i32)
      (i32.load $__gevent_frames offset=8 ${BLOCK}) (i32.load $__gevent_frames offset=4 ${BLOCK})))`,
};

const NAMES: Record<number, string> = {
  [Type.I32]: 'i32',
  [Type.I64]: 'i64',
  [Type.F32]: 'f32',
  [Type.F64]: 'f64',
};

/** As shims.ts emits thunks. */
function thunk(of: string, { params, results }: Signature, withStack: boolean): Added {
  const names = params.map((type) => NAMES[type]);
  const result = results.map((type) => `(result ${NAMES[type]})`).join('');
  const given = names.map((type, i) => `(${type}.load $__gevent_frames offset=${ARGUMENTS + 8 * i} (i32.const 0))`);
  const call = `(call $"@${of}" ${given.join(' ')})`;
  const run = results.map(
    (type) => `(${NAMES[type]}.store $__gevent_frames offset=${ARGUMENTS} (i32.const 0) ${call})`,
  );
  const before = withStack ? `(global.set $"@${OUR_SP}" (i32.load $__gevent_frames ${BLOCK}))` : '';
  const after = withStack ? `(i32.store $__gevent_frames ${BLOCK} (global.get $"@${OUR_SP}"))` : '';
  const name = runner(of);
  return {
    declaration: `(import "gevent" "f" (func $"@${of}" (param ${names.join(' ')}) ${result}))`,
    name,
    text: `(func $"${name}" ${before} ${run[0] ?? call} ${after})`,
  };
}

/** What the module is to be given. */
export function pilotOf(shape: Shape): Pilot {
  const imports = (name: string) => shape.imports.some((it) => it.module === 'gevent' && it.name === name);
  const withStack = shape.stackPointer.kind === 'global';
  const added = shape.exports.flatMap(({ name, kind, signature }) =>
    kind === Extern.FUNC && signature !== null && plain(name) && simple(signature) && (withStack || !bare(signature))
      ? [thunk(name, signature, withStack)]
      : [],
  );
  if (imports('spawn') && shape.tables > 0 && !withStack) added.push(SPAWNS);
  const natives = shape.imports.flatMap(({ module, name, signature }) => {
    const its = module === 'gevent' ? ABI.get(name) : undefined;
    if (its?.native === undefined || signature === null || !sameSignature(signature, its.signature)) return [];
    if (its.out !== undefined && !shape.plainMemory) return [];
    return [native(name, signature, its.out)];
  });
  const memory = natives.some(({ text }) => text.includes('@gevent:memory'))
    ? '(import "gevent" "memory" (memory $"@gevent:memory" 0))'
    : '';
  return {
    imports: `${IMPORTS} ${memory} ${withStack ? `(import "gevent" "sp" (global $"@${OUR_SP}" (mut i32)))` : ''}`,
    natives,
    yields: imports('yield') ? YIELDS : null,
    added,
  };
}

/** It can be written between quotation marks. */
function plain(name: string): boolean {
  return /^[\w$.:-]+$/.test(name);
}

function simple({ params, results }: Signature): boolean {
  return params.every((type) => type in NAMES) && results.length <= 1 && results.every((type) => type in NAMES);
}

/** Such an export needs nothing before it. */
function bare({ params, results }: Signature): boolean {
  return params.length === 0 && results.length === 0;
}
