// What a program's file descriptors are, as far as they are ours and not a file system's: something to read from, to write
// to or to accept on, which may have to wait. A program must not notice what is behind one.

import { debugging } from '../../hub/current.ts';
import type { Hub } from '../../hub/hub.ts';
import { Operation } from '../../hub/operation.ts';
import { Errno, errnoOf, FileType, Right, WasiErrno } from './abi.ts';

/** Most bytes of one read or write: what is longer is done in part, as by any pipe. */
export const CHUNK = 65536;

export abstract class Descriptor {
  filetype: number = FileType.UNKNOWN;
  /** NONBLOCK and the like. */
  flags = 0;

  get rights(): bigint {
    return Right.SET_FLAGS | Right.STAT | Right.POLL;
  }

  /** Bytes that can be read without waiting, 0 if that is the end; null: a read would wait; undefined: there is nothing to read here, ever. */
  get readable(): number | null | undefined {
    return undefined;
  }

  /** True if a write would not wait; undefined: this cannot be written to. */
  get writable(): boolean | undefined {
    return undefined;
  }

  /** Over when `readable` may be no null; takes nothing. */
  untilReadable(): Operation<unknown> {
    throw new WasiErrno(Errno.BADF);
  }

  untilWritable(): Operation<unknown> {
    throw new WasiErrno(Errno.BADF);
  }

  /** Up to `max` bytes, none at the end; an operation if that has to be waited for. */
  read(_max: number): Uint8Array | Operation<Uint8Array> {
    throw new WasiErrno(Errno.BADF);
  }

  /** Take `bytes`, or some of them, and say how many. */
  write(_bytes: Uint8Array<ArrayBuffer>): number | Operation<number> {
    throw new WasiErrno(Errno.BADF);
  }

  accept(): Operation<Descriptor> {
    throw new WasiErrno(Errno.NOTSOCK);
  }

  /** As many as asked for, fewer only at the end. */
  readAll(_count: number): Uint8Array | Operation<Uint8Array> {
    throw new WasiErrno(Errno.NOTSOCK);
  }

  /** What `read` would give, which stays. */
  peek(_max: number): Uint8Array | Operation<Uint8Array> {
    throw new WasiErrno(Errno.NOTSOCK);
  }

  shutdown(_receiving: boolean, _sending: boolean): void {
    throw new WasiErrno(Errno.NOTSOCK);
  }

  /** True for what `sock_…` may be used on. */
  get socket(): boolean {
    return false;
  }

  /** The program has closed it, or is over. */
  close(): void {}
}

/** An operation with its value turned into another. */
export class Mapped<T, U> extends Operation<U> {
  readonly #inner: Operation<T>;
  readonly #map: (value: T) => U;
  readonly #failed: ((error: unknown) => U) | null;
  /** It failed before it began to wait. */
  #early: { value: U } | null = null;

  /** @param failed - what it gives in place of an error; may throw */
  constructor(inner: Operation<T>, map: (value: T) => U, failed: ((error: unknown) => U) | null = null) {
    super();
    this.#inner = inner;
    this.#map = map;
    this.#failed = failed;
  }

  describe(): string {
    return this.#inner.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    if (debugging) hub.debug.consumed(this.#inner);
    this.#early = null;
    try {
      return this.#inner.begin(hub, slot);
    } catch (error) {
      if (this.#failed === null) throw error;
      this.#early = { value: this.#failed(error) };
      return true;
    }
  }

  complete(hub: Hub, slot: number): U {
    if (this.#early !== null) return this.#early.value;
    let value: T;
    try {
      value = this.#inner.complete(hub, slot);
    } catch (error) {
      if (this.#failed === null) throw error;
      return this.#failed(error);
    }
    return this.#map(value);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#inner.abandon(hub, slot);
  }
}

/** The number that a call gives for an error; what is no error of the system is thrown on. */
export function errnoFor(error: unknown): number {
  if (error instanceof WasiErrno) return error.errno;
  const errno = errnoOf((error as { code?: unknown } | null)?.code);
  if (errno === undefined) throw error;
  return errno;
}
