// Reads what a module is like, from its bytes: signatures, which WebAssembly's own reflection does not give, and where its
// shadow stack is. Also writes what little must be changed in a module: an export more, a custom section more.
//
// It reads the sections it needs and trusts none of them: whatever is wrong is a GuestError, and the engine validates the rest.

import { describe } from '../core/clock.ts';
import { Extern, HEADER, leb, type Signature, Type, text } from './emit.ts';
import { GuestError } from './errors.ts';

export interface ImportOf {
  readonly module: string;
  readonly name: string;
  readonly kind: number;
  /** Of a function. */
  readonly signature: Signature | null;
  /** A table that may hold functions. */
  readonly functions?: boolean;
}

export interface ExportOf {
  readonly name: string;
  readonly kind: number;
  readonly index: number;
  readonly signature: Signature | null;
}

interface GlobalOf {
  readonly type: number;
  readonly mutable: boolean;
  /** The constant it starts with, if it is one. */
  readonly init: number | null;
  readonly imported: boolean;
}

/** Where the shadow stack pointer is. */
export type StackPointer =
  /** There is none. */
  | { readonly kind: 'none' }
  /** A global that may be one: whoever wants several greenlets in an instance must say. */
  | { readonly kind: 'doubtful'; readonly why: string }
  | { readonly kind: 'global'; readonly index: number; readonly from: 'llvm' | 'assemblyscript' };

export interface Shape {
  readonly imports: readonly ImportOf[];
  readonly exports: readonly ExportOf[];
  readonly globals: readonly GlobalOf[];
  readonly memories: number;
  readonly tables: number;
  /** It has exception tags, so what is thrown into it may be caught. */
  readonly tags: boolean;
  /** Types of the garbage collection proposal. */
  readonly collected: boolean;
  readonly customs: ReadonlyMap<string, Uint8Array>;
  readonly stackPointer: StackPointer;
  /** Where the data ends that has a constant place. */
  readonly dataEnd: number;
  readonly size: number;
}

export function malformed(what: string): GuestError {
  return new GuestError('GEVENT_GUEST_MALFORMED', `this is no WebAssembly module that can be read: ${what}`);
}

class Reader {
  at: number;
  readonly bytes: Uint8Array;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    if (end > bytes.length) throw malformed('a section reaches beyond the end');
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte(): number {
    if (this.at >= this.end) throw malformed('it ends in the middle');
    return this.bytes[this.at++];
  }

  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed('a number is too long');
  }

  /** Signed; exact up to 2^53, which is enough for what is read. */
  signed(): number {
    let value = 0;
    let shift = 0;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      shift += 7;
      if (byte < 0x80) return byte & 0x40 ? value - 2 ** shift : value;
      if (shift > 63) throw malformed('a number is too long');
    }
  }

  name(): string {
    const length = this.u32();
    const from = this.at;
    this.skip(length);
    return decoder.decode(this.bytes.subarray(from, from + length));
  }

  skip(length: number): void {
    this.at += length;
    if (this.at > this.end) throw malformed('it ends in the middle');
  }

  count(): number {
    const count = this.u32();
    if (count > this.end - this.at) throw malformed('it counts more than it holds');
    return count;
  }

  /** A value type; of a reference to a type only the first byte. */
  valueType(): number {
    const type = this.byte();
    if (type === 0x63 || type === 0x64) this.signed();
    return type;
  }

  /** The least. */
  limits(): number {
    const flags = this.byte();
    const least = this.u32();
    if (flags & 1) this.u32();
    return least;
  }
}

const decoder = new TextDecoder('utf-8');

/** Read a module. @throws GuestError `GEVENT_GUEST_MALFORMED` */
export function readShape(bytes: Uint8Array): Shape {
  if (HEADER.some((byte, i) => bytes[i] !== byte)) {
    throw malformed(bytes.length < 8 ? `${bytes.length} bytes` : 'the first bytes are not those of version 1');
  }
  const types: (Signature | null)[] = [];
  const imports: ImportOf[] = [];
  const functions: number[] = [];
  const globals: GlobalOf[] = [];
  const raw: { name: string; kind: number; index: number }[] = [];
  const customs = new Map<string, Uint8Array>();
  let data: Reader | null = null;
  let pages = 0;
  let memories = 0;
  let tables = 0;
  let tags = false;
  let collected = false;
  const top = new Reader(bytes, 8);
  while (top.at < top.end) {
    const id = top.byte();
    const size = top.u32();
    const section = new Reader(bytes, top.at, top.at + size);
    top.skip(size);
    if (id === 0) {
      const name = section.name();
      customs.set(name, bytes.subarray(section.at, section.end));
    } else if (id === 1) {
      collected = !readTypes(section, types) || collected;
    } else if (id === 2) {
      for (let left = section.count(); left > 0; --left) {
        const module = section.name();
        const name = section.name();
        const kind = section.byte();
        let signature: Signature | null = null;
        let holdsFunctions = false;
        if (kind === Extern.FUNC) {
          const type = section.u32();
          functions.push(type);
          signature = types[type] ?? null;
        } else if (kind === Extern.TABLE) {
          holdsFunctions = section.valueType() !== Type.EXTERNREF;
          section.limits();
          ++tables;
        } else if (kind === Extern.MEMORY) {
          section.limits();
          ++memories;
        } else if (kind === Extern.GLOBAL) {
          const type = section.valueType();
          globals.push({ type, mutable: section.byte() === 1, init: null, imported: true });
        } else if (kind === Extern.TAG) {
          section.byte();
          section.u32();
          tags = true;
        } else throw malformed(`an import of kind ${kind}`);
        imports.push({ module, name, kind, signature, functions: holdsFunctions });
      }
    } else if (id === 3) {
      for (let left = section.count(); left > 0; --left) functions.push(section.u32());
    } else if (id === 4) {
      tables += section.count();
    } else if (id === 5) {
      const own = section.count();
      if (memories === 0 && own > 0) pages = section.limits();
      memories += own;
    } else if (id === 6) {
      readGlobals(section, globals);
    } else if (id === 7) {
      for (let left = section.count(); left > 0; --left) {
        raw.push({ name: section.name(), kind: section.byte(), index: section.u32() });
      }
    } else if (id === 11) {
      data = section;
    } else if (id === 13) tags = true;
  }
  const exports = raw.map((it) => ({
    ...it,
    signature: it.kind === Extern.FUNC ? (types[functions[it.index]] ?? null) : null,
  }));
  const dataEnd = endOfData(data);
  return {
    imports,
    exports,
    globals,
    memories,
    tables,
    tags,
    collected,
    customs,
    stackPointer:
      memories === 0 || imports.some((it) => it.module === 'gevent' && it.name === 'stackless')
        ? { kind: 'none' }
        : imports.some((it) => it.module === 'gevent' && it.name === 'stacks')
          ? findAssembly(globals, exports, customs, dataEnd, pages * 65536)
          : findStackPointer(globals, exports, customs),
    dataEnd,
    size: bytes.length,
  };
}

/** Function types in their order. False: there are types of another kind, and what follows is not known. */
function readTypes(section: Reader, types: (Signature | null)[]): boolean {
  for (let left = section.count(); left > 0; --left) {
    if (section.byte() !== 0x60) return false;
    const params = Array.from({ length: section.count() }, () => section.valueType());
    const results = Array.from({ length: section.count() }, () => section.valueType());
    types.push({ params, results });
  }
  return true;
}

// The section is read as far as its initializers are constants: what stands behind another kind is not needed.
function readGlobals(section: Reader, globals: GlobalOf[]): void {
  for (let left = section.count(); left > 0; --left) {
    const type = section.valueType();
    const mutable = section.byte() === 1;
    let init: number | null = null;
    const code = section.byte();
    if (code === 0x41 || code === 0x42) init = section.signed();
    else if (code === 0x43) section.skip(4);
    else if (code === 0x44) section.skip(8);
    else if (code === 0x23 || code === 0xd2) section.u32();
    else if (code === 0xd0) section.signed();
    else return;
    globals.push({ type, mutable, init, imported: false });
    if (section.byte() !== 0x0b) return;
  }
}

const LLVM = '__stack_pointer';
const ASSEMBLYSCRIPT = '~lib/memory/__stack_pointer';

// A name decides, as export or in the name section. Without names: LLVM's linker puts it first, and leaves other traces.
function findStackPointer(
  globals: readonly GlobalOf[],
  exports: readonly ExportOf[],
  customs: ReadonlyMap<string, Uint8Array>,
): StackPointer {
  const section = customs.get('name');
  const names = namesOf(exports, customs);
  const llvm = names.get(LLVM);
  if (llvm !== undefined) return { kind: 'global', index: llvm, from: 'llvm' };
  const assembly = names.get(ASSEMBLYSCRIPT);
  if (assembly !== undefined) return { kind: 'global', index: assembly, from: 'assemblyscript' };
  const candidates = globals
    .map((it, index) => ({ ...it, index }))
    .filter(({ type, mutable, init }) => type === 0x7f && mutable && init !== null && init >= 1024 && init % 4 === 0);
  if (candidates.length === 0) return { kind: 'none' };
  // With names for globals, and none of them one of these two, it is something else.
  if (section !== undefined && [...names.keys()].length > exports.filter((it) => it.kind === Extern.GLOBAL).length) {
    return { kind: 'none' };
  }
  const byLlvm =
    customs.has('producers') ||
    customs.has('target_features') ||
    exports.some(({ name }) =>
      /^(__wasm_call_ctors|__heap_base|__data_end|_start|_initialize|main|__original_main)$/.test(name),
    );
  const first = candidates[0];
  if (byLlvm && first.init !== null && first.init % 16 === 0)
    return { kind: 'global', index: first.index, from: 'llvm' };
  return { kind: 'doubtful', why: `global ${first.index} starts with ${first.init} and has no name` };
}

/**
 * A module of AssemblyScript whose SDK tells that it has a shadow stack. Without names: the mutable global that starts behind the data
 * and within the memory, if there is one only.
 */
function findAssembly(
  globals: readonly GlobalOf[],
  exports: readonly ExportOf[],
  customs: ReadonlyMap<string, Uint8Array>,
  from: number,
  to: number,
): StackPointer {
  const named = namesOf(exports, customs).get(ASSEMBLYSCRIPT);
  if (named !== undefined) return { kind: 'global', index: named, from: 'assemblyscript' };
  const exported = new Set(exports.filter((it) => it.kind === Extern.GLOBAL).map((it) => it.index));
  const found = globals
    .map((it, index) => ({ ...it, index }))
    .filter(({ type, mutable, init, index }) => {
      return (
        type === Type.I32 &&
        mutable &&
        init !== null &&
        init % 4 === 0 &&
        init > from &&
        init <= to &&
        !exported.has(index)
      );
    });
  if (found.length === 1) return { kind: 'global', index: found[0].index, from: 'assemblyscript' };
  const which = found.map(({ index }) => index).join(', ');
  return {
    kind: 'doubtful',
    why: `one of its globals ${which} is the stack pointer, and they have no names (asc --debug)`,
  };
}

/** Where the last of the data ends that has a constant place. */
function endOfData(section: Reader | null): number {
  let end = 0;
  if (section === null) return end;
  for (let left = section.count(); left > 0; --left) {
    const kind = section.u32();
    if (kind === 2) section.u32();
    let at = 0;
    if (kind !== 1) {
      if (section.byte() !== 0x41) return end;
      at = section.signed();
      section.byte();
    }
    const length = section.u32();
    section.skip(length);
    if (kind !== 1) end = Math.max(end, at + length);
  }
  return end;
}

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
    throw new TypeError(`${where}: expected a mutable i32 global of the module, got ${describe(named)}`);
  }
  return { ...shape, stackPointer: { kind: 'global', index, from: 'llvm' } };
}

/** The module with exports more. Section order is kept; a module without exports gets the section in its place. */
export function withExports(
  bytes: Uint8Array,
  added: readonly { name: string; kind: number; index: number }[],
): Uint8Array<ArrayBuffer> {
  if (added.length === 0) return new Uint8Array(bytes);
  const more = added.map(({ name, kind, index }) => [...text(name), kind, ...leb(index)]);
  const top = new Reader(bytes, 8);
  const parts: (Uint8Array | number[])[] = [bytes.subarray(0, 8)];
  let done = false;
  const insert = () => {
    done = true;
    const body = [...leb(more.length), ...more.flat()];
    parts.push([7, ...leb(body.length), ...body]);
  };
  while (top.at < top.end) {
    const from = top.at;
    const id = top.byte();
    const size = top.u32();
    const body = top.at;
    top.skip(size);
    if (id === 7) {
      const section = new Reader(bytes, body, top.at);
      const count = section.count();
      const rest = bytes.subarray(section.at, section.end);
      const head = leb(count + more.length);
      parts.push([7, ...leb(head.length + rest.length + more.flat().length), ...head], rest, more.flat());
      done = true;
      continue;
    }
    // Start, element, code, data and data count come behind it.
    if (!done && id !== 0 && id > 7 && id !== 13) insert();
    parts.push(bytes.subarray(from, top.at));
  }
  if (!done) insert();
  return join(parts);
}

/** The module with other names of imports and exports. Where `imported` gives a third, true, a memory is imported whatever its limit. */
export function withNames(
  bytes: Uint8Array,
  imported: (module: string, name: string) => readonly [module: string, name: string, unlimited?: boolean],
  exported: (name: string) => string,
): Uint8Array<ArrayBuffer> {
  const top = new Reader(bytes, 8);
  const parts: (Uint8Array | number[])[] = [bytes.subarray(0, 8)];
  while (top.at < top.end) {
    const from = top.at;
    const id = top.byte();
    const size = top.u32();
    const section = new Reader(bytes, top.at, top.at + size);
    top.skip(size);
    if (id !== 2 && id !== 7) {
      parts.push(bytes.subarray(from, top.at));
      continue;
    }
    const count = section.count();
    const body: (Uint8Array | number[])[] = [leb(count)];
    for (let left = count; left > 0; --left) {
      let unlimited = false;
      if (id === 2) {
        const [module, name, third] = imported(section.name(), section.name());
        body.push(text(module), text(name));
        unlimited = third === true;
      } else body.push(text(exported(section.name())));
      const start = section.at;
      const kind = section.byte();
      if (id === 7 || kind === Extern.FUNC) section.u32();
      else if (kind === Extern.TABLE) {
        section.valueType();
        section.limits();
      } else if (kind === Extern.MEMORY) {
        const flags = bytes[section.at];
        const least = section.limits();
        if (unlimited) {
          body.push([kind, flags & ~1, ...leb(least)]);
          continue;
        }
      } else if (kind === Extern.GLOBAL) {
        section.valueType();
        section.byte();
      } else {
        section.byte();
        section.u32();
      }
      body.push(bytes.subarray(start, section.at));
    }
    const made = join(body);
    parts.push([id, ...leb(made.length)], made);
  }
  return join(parts);
}

export function withCustom(bytes: Uint8Array, name: string, content: string): Uint8Array<ArrayBuffer> {
  const body = [...text(name), ...new TextEncoder().encode(content)];
  return join([bytes, [0, ...leb(body.length), ...body]]);
}

function join(parts: readonly (Uint8Array | number[])[]): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}
