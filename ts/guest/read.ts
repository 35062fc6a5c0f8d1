// Reads what a module is like, from its bytes: signatures, which WebAssembly's own reflection does not give, and what tells where its
// shadow stack is. Only the sections that are needed are read; the engine validates the rest.

import { malformed, Reader } from './bytes.ts';
import { Extern, HEADER, type Signature, Type } from './emit.ts';
import { findStackPointer, type StackPointer } from './stack-pointer.ts';

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

export interface Shape {
  readonly imports: readonly ImportOf[];
  readonly exports: readonly ExportOf[];
  readonly globals: readonly GlobalOf[];
  readonly memories: number;
  /** Its first memory has addresses of 32 bits. */
  readonly plainMemory: boolean;
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

/** Of the flags of a memory: its addresses have 64 bits. */
const WIDE = 4;

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
  let plainMemory = false;
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
          if (memories === 0) plainMemory = (bytes[section.at] & WIDE) === 0;
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
      if (memories === 0 && own > 0) {
        plainMemory = (bytes[section.at] & WIDE) === 0;
        pages = section.limits();
      }
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
  const module = {
    imports,
    exports,
    globals,
    memories,
    plainMemory,
    tables,
    tags,
    collected,
    customs,
    dataEnd: endOfData(data),
    size: bytes.length,
  };
  return { ...module, stackPointer: findStackPointer(module, pages * 65536) };
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
