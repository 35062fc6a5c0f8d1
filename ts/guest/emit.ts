// Writes small WebAssembly modules: the shims that stand between a guest and what it calls. No Binaryen at run time.

/** Value types, as the binary format has them. */
export const Type = { I32: 0x7f, I64: 0x7e, F32: 0x7d, F64: 0x7c, FUNCREF: 0x70, EXTERNREF: 0x6f } as const;

export interface Signature {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

export const NOTHING_TO_NOTHING: Signature = { params: [], results: [] };

export function sameSignature(a: Signature, b: Signature): boolean {
  return String(a.params) === String(b.params) && String(a.results) === String(b.results);
}

/** Kinds of imports and exports. */
export const Extern = { FUNC: 0, TABLE: 1, MEMORY: 2, GLOBAL: 3, TAG: 4 } as const;

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  do {
    const low = left % 128;
    left = Math.floor(left / 128);
    bytes.push(left > 0 ? low | 0x80 : low);
  } while (left > 0);
  return bytes;
}

/** Signed LEB128, of an i32. */
function sleb(value: number): number[] {
  const bytes: number[] = [];
  let left = value | 0;
  for (;;) {
    const low = left & 0x7f;
    left >>= 7;
    if ((left === 0 && (low & 0x40) === 0) || (left === -1 && (low & 0x40) !== 0)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}

const utf8 = new TextEncoder();

export function text(value: string): number[] {
  const bytes = utf8.encode(value);
  return [...leb(bytes.length), ...bytes];
}

function vector(items: readonly number[][]): number[] {
  return [...leb(items.length), ...items.flat()];
}

function section(id: number, items: readonly number[][]): number[] {
  if (items.length === 0) return [];
  const body = vector(items);
  return [id, ...leb(body.length), ...body];
}

export const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** A module in the making. Imports come before functions; indices are given out in order. */
export class Emitter {
  readonly #types: number[][] = [];
  readonly #imports: number[][] = [];
  readonly #functions: number[][] = [];
  readonly #exports: number[][] = [];
  readonly #bodies: number[][] = [];
  #funcs = 0;
  #globals = 0;
  #memories = 0;
  #tables = 0;

  type({ params, results }: Signature): number {
    const bytes = [0x60, ...leb(params.length), ...params, ...leb(results.length), ...results];
    const known = this.#types.findIndex((type) => String(type) === String(bytes));
    return known >= 0 ? known : this.#types.push(bytes) - 1;
  }

  #import(module: string, name: string, description: number[]): void {
    this.#imports.push([...text(module), ...text(name), ...description]);
  }

  importFunc(module: string, name: string, signature: Signature): number {
    this.#import(module, name, [Extern.FUNC, ...leb(this.type(signature))]);
    return this.#funcs++;
  }

  importGlobal(module: string, name: string, type: number, mutable: boolean): number {
    this.#import(module, name, [Extern.GLOBAL, type, mutable ? 1 : 0]);
    return this.#globals++;
  }

  importMemory(module: string, name: string): number {
    this.#import(module, name, [Extern.MEMORY, 0x00, 0x00]);
    return this.#memories++;
  }

  importTable(module: string, name: string, type: number): number {
    this.#import(module, name, [Extern.TABLE, type, 0x00, 0x00]);
    return this.#tables++;
  }

  /** A function. `code` is without its final `end`; `locals` come behind the parameters. */
  func(name: string, signature: Signature, locals: readonly number[], code: readonly number[]): number {
    this.#functions.push(leb(this.type(signature)));
    const declared = vector(locals.map((type) => [1, type]));
    const body = [...declared, ...code, 0x0b];
    this.#bodies.push([...leb(body.length), ...body]);
    this.#exports.push([...text(name), Extern.FUNC, ...leb(this.#funcs)]);
    return this.#funcs++;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array([
      ...HEADER,
      ...section(1, this.#types),
      ...section(2, this.#imports),
      ...section(3, this.#functions),
      ...section(7, this.#exports),
      ...section(10, this.#bodies),
    ]);
  }
}

// ---- code -----------------------------------------------------------------------------------------------------------

export const op = {
  i32: (value: number): number[] => [0x41, ...sleb(value)],
  get: (local: number): number[] => [0x20, ...leb(local)],
  set: (local: number): number[] => [0x21, ...leb(local)],
  tee: (local: number): number[] => [0x22, ...leb(local)],
  globalGet: (index: number): number[] => [0x23, ...leb(index)],
  globalSet: (index: number): number[] => [0x24, ...leb(index)],
  call: (index: number): number[] => [0x10, ...leb(index)],
  callIndirect: (type: number, table: number): number[] => [0x11, ...leb(type), ...leb(table)],
  tableGet: (table: number): number[] => [0x25, ...leb(table)],
  tableSet: (table: number): number[] => [0x26, ...leb(table)],
  select: [0x1b],
  sub: [0x6b],
  shl: [0x74],
  eqz: [0x45],
  gtU: [0x4b],
  and: [0x71],
  eq: [0x46],
  ne: [0x47],
  /** Without a result. */
  if: [0x04, 0x40],
  else: [0x05],
  end: [0x0b],
  return: [0x0f],
  unreachable: [0x00],
  /** A value of that type that means nothing. */
  zero(type: number): number[] {
    switch (type) {
      case Type.I32:
        return [0x41, 0];
      case Type.I64:
        return [0x42, 0];
      case Type.F32:
        return [0x43, 0, 0, 0, 0];
      case Type.F64:
        return [0x44, 0, 0, 0, 0, 0, 0, 0, 0];
      default:
        return [0xd0, type];
    }
  },
  /** Load from the first memory; the address is on the stack. */
  load(type: number, offset: number): number[] {
    const [code, align] = ACCESS[type];
    return [code, align, ...leb(offset)];
  },
  /** Of a memory, in pages. */
  size: (memory: number): number[] => [0x3f, ...leb(memory)],
  /** An f64, wherever it lies, in any of the memories. */
  storeF64: (memory: number): number[] => [0x39, 0x40, ...leb(memory), 0],
  store(type: number, offset: number): number[] {
    const [code, align] = ACCESS[type];
    return [code + STORE_BEHIND_LOAD, align, ...leb(offset)];
  },
};

/** Opcode of the load, and the natural alignment. Stores follow in the same order. */
const ACCESS: Record<number, [number, number]> = {
  [Type.I32]: [0x28, 2],
  [Type.I64]: [0x29, 3],
  [Type.F32]: [0x2a, 2],
  [Type.F64]: [0x2b, 3],
};
const STORE_BEHIND_LOAD = 0x36 - 0x28;
