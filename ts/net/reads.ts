// What a greenlet may ask a reader for: whatever has come, so many bytes, bytes up to a delimiter, bytes into its own buffer.

import { Buffer } from 'node:buffer';
import type { Hub } from '../hub/hub.ts';
import { Operation, SingleUse } from '../hub/operation.ts';
import type { Limit } from '../timeout.ts';
import { closedError } from './errors.ts';
import { EMPTY, msOf, type Reader, type Target } from './reader.ts';

/** Whatever has come. Holds no state, so that one serves a socket for life. */
export class Recv extends Operation<Buffer> {
  protected readonly reader: Reader;
  readonly #max: number;
  readonly #limit: Limit | undefined;

  constructor(reader: Reader, max: number, limit: Limit | undefined) {
    super();
    this.reader = reader;
    this.#max = max;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'recv(timeout)');
  }

  describe(): string {
    return this.reader.side.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    const { reader } = this;
    reader.check('recv');
    if (reader.ready || this.#max === 0) return true;
    reader.wait(hub, slot, msOf(this.#limit, reader.limitMs, 'recv(timeout)'), 'recv', null, 1);
    return false;
  }

  complete(hub: Hub, slot: number): Buffer {
    const { reader } = this;
    const late = reader.leave(hub, slot);
    if (this.#max === 0) return EMPTY;
    if (reader.size > 0) return reader.take(this.#max);
    return reader.nothing(hub, late, this.#limit) ?? EMPTY;
  }

  override abandon(hub: Hub, slot: number): void {
    this.reader.leave(hub, slot);
  }
}

/** Bytes into a buffer of the caller's: how many. */
export class RecvInto extends SingleUse<number> implements Target {
  readonly #reader: Reader;
  readonly into: Uint8Array;
  readonly #limit: Limit | undefined;
  filled = 0;

  constructor(reader: Reader, into: Uint8Array, limit: Limit | undefined) {
    super();
    this.#reader = reader;
    this.into = into;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'recvInto(timeout)');
  }

  describe(): string {
    return this.#reader.side.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    const reader = this.#reader;
    reader.check('recvInto');
    this.use();
    if (reader.ready || this.into.length === 0) return true;
    reader.wait(hub, slot, msOf(this.#limit, reader.limitMs, 'recvInto(timeout)'), 'recvInto', null, 1);
    reader.aim(this);
    return false;
  }

  complete(hub: Hub, slot: number): number {
    const reader = this.#reader;
    const late = reader.leave(hub, slot);
    reader.aim(null);
    if (this.filled > 0) {
      if (reader.closed) throw closedError();
      reader.taken += this.filled;
      return this.filled;
    }
    if (this.into.length === 0) return 0;
    if (reader.size > 0) return reader.takeInto(this.into);
    return reader.nothing(hub, late, this.#limit) ?? 0;
  }

  override abandon(hub: Hub, slot: number): void {
    const reader = this.#reader;
    reader.leave(hub, slot);
    reader.aim(null);
    if (this.filled === 0 || reader.closed) return;
    // Taken as far as putBack() counts.
    reader.taken += this.filled;
    reader.putBack(Buffer.from(this.into.subarray(0, this.filled)));
  }
}

/** `count` bytes, fewer at the end of the stream. Infinity: all to the end. */
export class ReadExactly extends SingleUse<Buffer> {
  readonly #reader: Reader;
  readonly #count: number;
  readonly #limit: Limit | undefined;

  constructor(reader: Reader, count: number, limit: Limit | undefined) {
    super();
    this.#reader = reader;
    this.#count = count;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'read(timeout)');
  }

  describe(): string {
    return this.#reader.side.describe();
  }

  #enough(): boolean {
    return this.#reader.size >= this.#count;
  }

  begin(hub: Hub, slot: number): boolean {
    const reader = this.#reader;
    reader.check('read');
    this.use();
    if (this.#enough() || reader.ended || reader.error !== null) return true;
    const ms = msOf(this.#limit, reader.limitMs, 'read(timeout)');
    reader.wait(hub, slot, ms, 'read', () => this.#enough(), this.#count);
    return false;
  }

  complete(hub: Hub, slot: number): Buffer {
    const reader = this.#reader;
    const late = reader.leave(hub, slot);
    if (!this.#enough() || reader.closed) reader.nothing(hub, late, this.#limit);
    return reader.takeExactly(this.#count);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#reader.leave(hub, slot);
  }
}

/** Bytes up to a place that has to be found in them; fewer at the end of the stream. */
export abstract class ReadTo extends SingleUse<Buffer> {
  protected readonly reader: Reader;
  readonly #what: string;
  readonly #limit: Limit | undefined;
  readonly #most: number;
  /** Bytes up to there, or -1. */
  #length = -1;

  /** @param what - the call, for errors. @param most - bytes it may take to find it: the queue may be as long */
  constructor(reader: Reader, what: string, most: number, limit: Limit | undefined) {
    super();
    this.reader = reader;
    this.#what = what;
    this.#most = most;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, `${what}(timeout)`);
  }

  describe(): string {
    return this.reader.side.describe();
  }

  /** Where it is among the bytes that have come, or -1. Not asked again when it was found. */
  protected abstract find(): number;

  #found(): boolean {
    // It may have been, and more has come before our turn.
    if (this.#length < 0) this.#length = this.find();
    return this.#length >= 0;
  }

  begin(hub: Hub, slot: number): boolean {
    const { reader } = this;
    const what = this.#what;
    reader.check(what);
    this.use();
    if (this.#found() || reader.ended || reader.error !== null) return true;
    const ms = msOf(this.#limit, reader.limitMs, `${what}(timeout)`);
    reader.wait(hub, slot, ms, what, () => this.#found(), this.#most);
    return false;
  }

  complete(hub: Hub, slot: number): Buffer {
    const { reader } = this;
    const late = reader.leave(hub, slot);
    if (this.#length < 0 || reader.closed) reader.nothing(hub, late, this.#limit);
    return reader.takeExactly(this.#length < 0 ? reader.size : this.#length);
  }

  override abandon(hub: Hub, slot: number): void {
    this.reader.leave(hub, slot);
  }
}

/** Bytes up to a delimiter, it included, or `max` of them: a line may be longer than the queue. */
export class ReadUntil extends ReadTo {
  readonly #delimiter: number;
  readonly #max: number;
  #searched = 0;

  constructor(reader: Reader, delimiter: number, max: number, limit: Limit | undefined) {
    super(reader, 'readline', max, limit);
    this.#delimiter = delimiter;
    this.#max = max;
  }

  protected find(): number {
    const { reader } = this;
    const at = reader.find(this.#delimiter, this.#searched);
    this.#searched = reader.size;
    if (at >= 0) return Math.min(at, this.#max);
    return reader.size >= this.#max ? this.#max : -1;
  }
}
