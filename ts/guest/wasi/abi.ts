// The numbers of WASI preview 1, and the memory of a program as its calls see it.

/** Error numbers are places in this list. */
const ERRNOS = (
  'SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY CANCELED CHILD CONNABORTED ' +
  'CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG HOSTUNREACH IDRM ILSEQ INPROGRESS INTR INVAL IO ' +
  'ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS NODEV NOENT ' +
  'NOEXEC NOLCK NOLINK NOMEM NOMSG NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE NOTSOCK NOTSUP NOTTY ' +
  'NXIO OVERFLOW OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH STALE TIMEDOUT TXTBSY XDEV ' +
  'NOTCAPABLE'
).split(' ');

const NUMBERS = new Map(ERRNOS.map((name, number) => [`E${name}`, number]));

/** The number of an error code of the system, `ECONNRESET` and the like; undefined for what is none. */
export function errnoOf(code: unknown): number | undefined {
  if (typeof code !== 'string') return undefined;
  return NUMBERS.get(code === 'EOPNOTSUPP' ? 'ENOTSUP' : code === 'EWOULDBLOCK' ? 'EAGAIN' : code);
}

export const Errno = {
  SUCCESS: 0,
  AGAIN: 6,
  BADF: 8,
  FAULT: 21,
  INVAL: 28,
  IO: 29,
  MFILE: 33,
  NOSYS: 52,
  NOTSOCK: 57,
  NOTSUP: 58,
  PIPE: 64,
  SPIPE: 70,
  XDEV: 75,
} as const;

/** Thrown by what a call is made of; its number is what the call gives. */
export class WasiErrno extends Error {
  static override readonly name: string = 'WasiErrno';
  readonly errno: number;

  constructor(errno: number) {
    super(`WASI error ${ERRNOS[errno]}`);
    this.errno = errno;
  }
}

export const FileType = { UNKNOWN: 0, CHARACTER_DEVICE: 2, SOCKET_DGRAM: 5, SOCKET_STREAM: 6 } as const;

/** Flag of a descriptor: calls that would wait fail with EAGAIN. */
export const NONBLOCK = 4;
export const FDFLAGS = 0x1f;

export const Right = {
  READ: 1n << 1n,
  SET_FLAGS: 1n << 3n,
  WRITE: 1n << 6n,
  STAT: 1n << 21n,
  POLL: 1n << 27n,
  SHUTDOWN: 1n << 28n,
  ACCEPT: 1n << 29n,
} as const;

export const ClockId = { REALTIME: 0, MONOTONIC: 1, PROCESS: 2, THREAD: 3 } as const;

/** A piece of the program's memory. */
export interface Span {
  readonly at: number;
  readonly length: number;
}

/** The program's memory. Every access is checked: what lies outside is EFAULT. */
export class Memory {
  #memory: WebAssembly.Memory | null = null;
  #bytes = new Uint8Array(0);
  #view = new DataView(new ArrayBuffer(0));

  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
  }

  #reach(at: number, length: number): void {
    const memory = this.#memory;
    if (memory === null) throw new WasiErrno(Errno.FAULT);
    // Growing detaches the old buffer.
    if (this.#bytes.buffer !== memory.buffer) {
      this.#bytes = new Uint8Array(memory.buffer);
      this.#view = new DataView(memory.buffer);
    }
    if (at + length > this.#bytes.length) throw new WasiErrno(Errno.FAULT);
  }

  /** What is there now; copy it before anything can run. Addresses come as signed numbers. */
  bytes(pointer: number, size: number): Uint8Array {
    const [at, length] = [pointer >>> 0, size >>> 0];
    this.#reach(at, length);
    return this.#bytes.subarray(at, at + length);
  }

  set(pointer: number, bytes: Uint8Array): void {
    this.#reach(pointer >>> 0, bytes.length);
    this.#bytes.set(bytes, pointer >>> 0);
  }

  u8(pointer: number): number {
    this.#reach(pointer >>> 0, 1);
    return this.#view.getUint8(pointer >>> 0);
  }

  u16(pointer: number): number {
    this.#reach(pointer >>> 0, 2);
    return this.#view.getUint16(pointer >>> 0, true);
  }

  u32(pointer: number): number {
    this.#reach(pointer >>> 0, 4);
    return this.#view.getUint32(pointer >>> 0, true);
  }

  u64(pointer: number): bigint {
    this.#reach(pointer >>> 0, 8);
    return this.#view.getBigUint64(pointer >>> 0, true);
  }

  setU8(pointer: number, value: number): void {
    this.#reach(pointer >>> 0, 1);
    this.#view.setUint8(pointer >>> 0, value);
  }

  setU16(pointer: number, value: number): void {
    this.#reach(pointer >>> 0, 2);
    this.#view.setUint16(pointer >>> 0, value, true);
  }

  setU32(pointer: number, value: number): void {
    this.#reach(pointer >>> 0, 4);
    this.#view.setUint32(pointer >>> 0, value, true);
  }

  setU64(pointer: number, value: bigint): void {
    this.#reach(pointer >>> 0, 8);
    this.#view.setBigUint64(pointer >>> 0, value, true);
  }

  /** The pieces of a scattered read or write, all within the memory. */
  vectors(pointer: number, count: number): Span[] {
    const spans: Span[] = [];
    this.#reach(pointer >>> 0, (count >>> 0) * 8);
    for (let i = 0; i < count >>> 0; ++i) {
      const at = this.u32((pointer >>> 0) + 8 * i);
      const length = this.u32((pointer >>> 0) + 8 * i + 4);
      this.#reach(at, length);
      if (length > 0) spans.push({ at, length });
    }
    return spans;
  }

  /** Put bytes into pieces, one after another. */
  scatter(spans: readonly Span[], bytes: Uint8Array): void {
    let from = 0;
    for (const { at, length } of spans) {
      if (from === bytes.length) return;
      const piece = bytes.subarray(from, from + length);
      this.set(at, piece);
      from += piece.length;
    }
  }

  /** A copy of what pieces hold, `most` bytes of it at most. */
  gather(spans: readonly Span[], most: number): Uint8Array<ArrayBuffer> {
    const made = new Uint8Array(Math.min(most, sizeOf(spans)));
    let to = 0;
    for (const { at, length } of spans) {
      const piece = this.bytes(at, Math.min(length, made.length - to));
      made.set(piece, to);
      to += piece.length;
    }
    return made;
  }
}

export function sizeOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { length }) => sum + length, 0);
}
