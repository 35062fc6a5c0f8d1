// Which global of a module is its shadow stack pointer. Nothing says so for certain: it is told by names, by what compilers leave in a
// module, or by the user.

import { wrongType } from '../core/arguments.ts';
import { Reader } from './bytes.ts';
import { Extern, Type } from './emit.ts';
import type { ExportOf, Shape } from './read.ts';

/** Where the shadow stack pointer is. */
export type StackPointer =
  /** There is none. */
  | { readonly kind: 'none' }
  /** A global that may be one: whoever wants several greenlets in an instance must say. */
  | { readonly kind: 'doubtful'; readonly why: string }
  | { readonly kind: 'global'; readonly index: number; readonly from: 'llvm' | 'assemblyscript' };

const LLVM = '__stack_pointer';
const ASSEMBLYSCRIPT = '~lib/memory/__stack_pointer';

/** A module of which everything else is known. */
type Found = Omit<Shape, 'stackPointer'>;

/** @param memory - bytes of its memory at the start */
export function findStackPointer(module: Found, memory: number): StackPointer {
  const says = (name: string) => module.imports.some((it) => it.module === 'gevent' && it.name === name);
  if (module.memories === 0 || says('stackless')) return { kind: 'none' };
  return says('stacks') ? findAssembly(module, memory) : findAny(module);
}

// A name decides, as export or in the name section. Without names: LLVM's linker puts it first, and leaves other traces.
function findAny({ globals, exports, customs }: Found): StackPointer {
  const names = namesOf(exports, customs);
  const llvm = names.get(LLVM);
  if (llvm !== undefined) return { kind: 'global', index: llvm, from: 'llvm' };
  const assembly = names.get(ASSEMBLYSCRIPT);
  if (assembly !== undefined) return { kind: 'global', index: assembly, from: 'assemblyscript' };
  const candidates = globals
    .map((it, index) => ({ ...it, index }))
    .filter(
      ({ type, mutable, init }) => type === Type.I32 && mutable && init !== null && init >= 1024 && init % 4 === 0,
    );
  if (candidates.length === 0) return { kind: 'none' };
  // With names for globals, and none of them one of these two, it is something else.
  if (customs.has('name') && names.size > exports.filter((it) => it.kind === Extern.GLOBAL).length) {
    return { kind: 'none' };
  }
  const byLlvm =
    customs.has('producers') ||
    customs.has('target_features') ||
    exports.some(({ name }) =>
      /^(__wasm_call_ctors|__heap_base|__data_end|_start|_initialize|main|__original_main)$/.test(name),
    );
  const first = candidates[0];
  if (byLlvm && first.init !== null && first.init % 16 === 0) {
    return { kind: 'global', index: first.index, from: 'llvm' };
  }
  return { kind: 'doubtful', why: `global ${first.index} starts with ${first.init} and has no name` };
}

/**
 * A module of AssemblyScript whose SDK tells that it has a shadow stack. Without names: the mutable global that starts behind the data
 * and within the memory, if there is one only.
 */
function findAssembly({ globals, exports, customs, dataEnd }: Found, memory: number): StackPointer {
  const named = namesOf(exports, customs).get(ASSEMBLYSCRIPT);
  if (named !== undefined) return { kind: 'global', index: named, from: 'assemblyscript' };
  const exported = new Set(exports.filter((it) => it.kind === Extern.GLOBAL).map((it) => it.index));
  const within = (init: number | null) => init !== null && init % 4 === 0 && init > dataEnd && init <= memory;
  const found = globals
    .map((it, index) => ({ ...it, index }))
    .filter((it) => it.type === Type.I32 && it.mutable && within(it.init) && !exported.has(it.index));
  if (found.length === 1) return { kind: 'global', index: found[0].index, from: 'assemblyscript' };
  const which = found.map(({ index }) => index).join(', ');
  return {
    kind: 'doubtful',
    why: `one of its globals ${which} is the stack pointer, and they have no names (asc --debug)`,
  };
}

/** Globals by their names: those they are exported by, and those of the name section. */
function namesOf(exports: readonly ExportOf[], customs: ReadonlyMap<string, Uint8Array>): Map<string, number> {
  const names = new Map<string, number>();
  for (const it of exports) if (it.kind === Extern.GLOBAL) names.set(it.name, it.index);
  const section = customs.get('name');
  if (section !== undefined) readGlobalNames(section, names);
  return names;
}

function readGlobalNames(bytes: Uint8Array, names: Map<string, number>): void {
  try {
    const reader = new Reader(bytes);
    while (reader.at < reader.end) {
      const id = reader.byte();
      const size = reader.u32();
      const part = new Reader(bytes, reader.at, reader.at + size);
      reader.skip(size);
      if (id !== 7) continue;
      for (let left = part.count(); left > 0; --left) {
        const index = part.u32();
        names.set(part.name(), index);
      }
    }
  } catch {
    // A name section may be wrong without the module being so.
  }
}

/** What the user says of it goes before what was found. */
export function withStackPointer(shape: Shape, named: string | number | null | undefined, where: string): Shape {
  if (named === undefined) return shape;
  if (named === null) return { ...shape, stackPointer: { kind: 'none' } };
  const index =
    typeof named === 'number'
      ? named
      : (shape.exports.find((it) => it.kind === Extern.GLOBAL && it.name === named)?.index ?? -1);
  const global = shape.globals[index];
  if (global === undefined || global.type !== Type.I32 || !global.mutable || global.imported) {
    throw wrongType(where, 'a mutable i32 global of the module', named);
  }
  return { ...shape, stackPointer: { kind: 'global', index, from: 'llvm' } };
}
