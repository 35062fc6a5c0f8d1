// The bytes of a module, taken one after another. Nothing in them is trusted: whatever is wrong is a GuestError.

import { GuestError } from './errors.ts';

export function malformed(what: string): GuestError {
  return new GuestError('GEVENT_GUEST_MALFORMED', `this is no WebAssembly module that can be read: ${what}`);
}

/** A piece of a module, and a place in it. */
export class Reader {
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

/** Pieces of a module as one. */
export function joined(parts: readonly (Uint8Array | number[])[]): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}
