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

import { joined } from './bytes.ts';
import { Code } from './code.ts';
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
    if (id !== SECTION) {
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
    parts.push(new Uint8Array([SECTION, ...leb(made.reduce((sum, part) => sum + part.length, 0))]), ...made);
  }
  return joined(parts);
}

const SECTION = 10;

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
  code.locals();
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
