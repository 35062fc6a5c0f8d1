// Reads the code of a module as far as it must be to find one's way: which instruction, and how many bytes it takes.

const ON_SWITCH = 1;

/** Instructions, and what stands behind their opcodes. */
export class Code {
  at: number;
  readonly end: number;
  /** What was passed has `switch`, or a handler for it. */
  switches = false;
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

  /** What a function declares before its instructions. */
  locals(): void {
    for (let left = this.u32(); left > 0 && this.at < this.end; --left) {
      this.u32();
      this.valueType();
    }
  }

  /** Of a load or store. */
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
      case 0xe1: // cont.bind
      case 0xe4: // resume_throw
        this.leb();
        this.leb();
        if (op === 0xe4) this.#handlers();
        return true;
      case 0xe3: // resume
      case 0xe5: // resume_throw_ref
        this.leb();
        this.#handlers();
        return true;
      case 0xe6: // switch
        this.leb();
        this.leb();
        this.switches = true;
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
      op === 0xd6 ||
      op === 0xe0 || // cont.new
      op === 0xe2; // suspend
    if (one) this.leb();
    return one;
  }

  /** Where a resumed stack's suspensions go. */
  #handlers(): void {
    for (let left = this.u32(); left > 0 && this.at < this.end; --left) {
      if (this.byte() === ON_SWITCH) this.switches = true;
      else this.leb();
      this.leb();
    }
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
