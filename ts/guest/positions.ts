// What Binaryen's asyncify leaves is made to keep the place of its next frame in a global instead of in a word of memory that the
// global points to. Each frame moves it twice when it is left and twice when it is entered again, and each of these waits for
// the store of the one before: a quarter of what a frame costs.
//
// Asyncify writes, with D its global and M the memory of frames, and nothing else of D:
//
//     global.get D  i32.load M                                    ->   global.get D
//     global.get D  <the new place, computed of it>  i32.store M  ->   <the new place>  global.set D
//
// Instructions are decoded only in functions that mention D. What is met and not known leaves the module as it was, as null.

import { leb } from './emit.ts';

/** Null: not everything in there is as described. */
export function positions(bytes: Uint8Array, data: number, frames: number): Uint8Array<ArrayBuffer> | null {
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  const top = new Code(bytes, 8, bytes.length);
  while (top.at < top.end) {
    const from = top.at;
    const id = top.byte();
    const size = top.u32();
    const body = top.at;
    top.at += size;
    if (id !== CODE) {
      parts.push(bytes.subarray(from, top.at));
      continue;
    }
    const code = new Code(bytes, body, top.at);
    const count = code.u32();
    const made: Uint8Array[] = [new Uint8Array(leb(count))];
    for (let i = 0; i < count; ++i) {
      const start = code.at;
      const length = code.u32();
      const inner = code.at;
      code.at += length;
      if (!mentions(bytes, inner, code.at, data)) {
        made.push(bytes.subarray(start, code.at));
        continue;
      }
      const changed = change(bytes, inner, code.at, data, frames);
      if (changed === null) return null;
      made.push(new Uint8Array(leb(changed.length)), changed);
    }
    parts.push(new Uint8Array([CODE, ...leb(made.reduce((sum, part) => sum + part.length, 0))]), ...made);
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const CODE = 10;

/** Some byte sequence in there reads like `global.get D`: it may be that. */
function mentions(bytes: Uint8Array, from: number, to: number, data: number): boolean {
  const index = leb(data);
  for (let at = bytes.indexOf(Op.GLOBAL_GET, from); at >= 0 && at < to; at = bytes.indexOf(Op.GLOBAL_GET, at + 1)) {
    if (index.every((byte, i) => bytes[at + 1 + i] === byte)) return true;
  }
  return false;
}

const Op = {
  LOCAL_GET: 0x20,
  LOCAL_TEE: 0x22,
  GLOBAL_GET: 0x23,
  GLOBAL_SET: 0x24,
  I32_LOAD: 0x28,
  I32_STORE: 0x36,
  I32_CONST: 0x41,
  I32_ADD: 0x6a,
  I32_SUB: 0x6b,
} as const;

/** What a new place is computed of. */
const COMPUTES: ReadonlySet<number> = new Set([Op.LOCAL_GET, Op.LOCAL_TEE, Op.I32_CONST, Op.I32_ADD, Op.I32_SUB]);

function change(bytes: Uint8Array, from: number, to: number, data: number, frames: number): Uint8Array | null {
  const code = new Code(bytes, from, to);
  for (let left = code.u32(); left > 0; --left) {
    code.u32();
    code.valueType();
  }
  const made = new Uint8Array(to - from);
  let size = 0;
  let copied = from;
  /** Copy what stands before `until`, and go on behind `next`. */
  const skip = (until: number, next: number) => {
    made.set(bytes.subarray(copied, until), size);
    size += until - copied;
    copied = next;
  };
  let pending = 0;
  while (code.at < to) {
    const at = code.at;
    const op = code.byte();
    if (op === Op.GLOBAL_GET && code.u32() === data) {
      const behind = code.at;
      if (behind < to && bytes[behind] === Op.I32_LOAD) {
        code.byte();
        const { memory, offset } = code.access();
        if (memory !== frames || offset !== 0) return null;
        skip(behind, code.at);
      } else {
        ++pending;
        skip(at, behind);
      }
    } else if (op === Op.I32_STORE && pending > 0) {
      const { memory, offset } = code.access();
      if (memory !== frames || offset !== 0) return null;
      --pending;
      skip(at, code.at);
      const set = [Op.GLOBAL_SET, ...leb(data)];
      made.set(set, size);
      size += set.length;
    } else {
      if (pending > 0 && !COMPUTES.has(op)) return null;
      if (op !== Op.GLOBAL_GET && !code.immediates(op)) return null;
    }
  }
  if (pending > 0) return null;
  skip(to, to);
  return made.subarray(0, size);
}

/** Instructions, and what stands behind their opcodes. */
class Code {
  at: number;
  readonly end: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte(): number {
    return this.#bytes[this.at++];
  }

  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80 || byte === undefined) return value;
    }
  }

  /** A number of whatever width and sign. */
  leb(): void {
    while (this.byte() >= 0x80);
  }

  valueType(): void {
    const type = this.byte();
    if (type === 0x63 || type === 0x64) this.leb();
  }

  access(): { memory: number; offset: number } {
    const align = this.u32();
    const memory = align & 0x40 ? this.u32() : 0;
    return { memory, offset: this.u32() };
  }

  /** Pass what stands behind `op`. False: it is not known. */
  immediates(op: number): boolean {
    if (op >= 0x45 && op <= 0xc4) return true;
    if (op >= 0x28 && op <= 0x3e) {
      this.access();
      return true;
    }
    switch (op) {
      case 0x00: // unreachable
      case 0x01: // nop
      case 0x05: // else
      case 0x0a: // throw_ref
      case 0x0b: // end
      case 0x0f: // return
      case 0x19: // catch_all
      case 0x1a: // drop
      case 0x1b: // select
      case 0xd1: // ref.is_null
      case 0xd3: // ref.eq
      case 0xd4: // ref.as_non_null
        return true;
      case 0x02: // block: a type, or the number of one
      case 0x03: // loop
      case 0x04: // if
      case 0x06: // try
        this.valueType();
        return true;
      case 0x0e: // br_table
        for (let left = this.u32(); left >= 0; --left) this.leb();
        return true;
      case 0x11: // call_indirect
      case 0x13: // return_call_indirect
        this.leb();
        this.leb();
        return true;
      case 0x1c: // select of a type
        for (let left = this.u32(); left > 0; --left) this.valueType();
        return true;
      case 0x1f: // try_table
        this.valueType();
        for (let left = this.u32(); left > 0; --left) {
          if (this.byte() < 2) this.leb();
          this.leb();
        }
        return true;
      case 0x43:
        this.at += 4;
        return true;
      case 0x44:
        this.at += 8;
        return true;
      case 0xfb:
        return this.#collected(this.u32());
      case 0xfc:
        return this.#bulk(this.u32());
      case 0xfd:
        return this.#vector(this.u32());
      case 0xfe:
        if (this.u32() === 3) this.byte();
        else this.access();
        return true;
    }
    const one =
      (op >= 0x07 && op <= 0x09) || // catch, throw, rethrow
      (op >= 0x0c && op <= 0x18) || // br, br_if, call, return_call, call_ref, return_call_ref, delegate
      (op >= 0x20 && op <= 0x26) ||
      (op >= 0x3f && op <= 0x42) ||
      op === 0xd0 || // ref.null
      op === 0xd2 || // ref.func
      op === 0xd5 || // br_on_null
      op === 0xd6;
    if (one) this.leb();
    return one;
  }

  #bulk(op: number): boolean {
    if (op > 17) return op <= 22;
    const count = op <= 7 ? 0 : op === 8 || op === 10 || op === 12 || op === 14 ? 2 : 1;
    for (let left = count; left > 0; --left) this.leb();
    return true;
  }

  #vector(op: number): boolean {
    if (op <= 11 || op === 92 || op === 93) this.access();
    else if (op === 12 || op === 13) this.at += 16;
    else if (op >= 21 && op <= 34) ++this.at;
    else if (op >= 84 && op <= 91) {
      this.access();
      ++this.at;
    }
    return true;
  }

  #collected(op: number): boolean {
    if (op > 30) return false;
    if (op === 24 || op === 25) {
      ++this.at;
      for (let left = 3; left > 0; --left) this.leb();
      return true;
    }
    const two = (op >= 2 && op <= 5) || (op >= 8 && op <= 10) || (op >= 17 && op <= 19);
    const none = op === 15 || op >= 26;
    for (let left = none ? 0 : two ? 2 : 1; left > 0; --left) this.leb();
    return true;
  }
}
