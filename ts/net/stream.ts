// A cooperative file over a reader and a writer: read, readline, write, iteration, in bytes or text. What `makefile` gives;
// and, by `streamFile`, what any Readable, Writable or Duplex of Node's becomes: pipes, files, terminals, HTTP bodies.

import { Buffer } from 'node:buffer';
import type { Duplex, Readable, Writable } from 'node:stream';
import { wrongRange } from '../core/arguments.ts';
import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { Operation, SingleUse } from '../hub/operation.ts';
import { timeoutOf } from '../limit.ts';
import type { Limit } from '../timeout.ts';
import { badDescriptor, fromNode, SocketError } from './errors.ts';
import { EMPTY, Reader } from './reader.ts';
import { ReadExactly, ReadTo, ReadUntil, RecvInto } from './reads.ts';
import { CharacterScan, TextCodec, type TextOptions } from './text.ts';
import { type Data, Send, Sent, type Sink, Writer } from './writer.ts';

export type { TextEncoding } from './text.ts';

const NEWLINE = 10;

/** What every reading or writing call takes. */
export interface IoOptions {
  /** Seconds, 0 or more, in place of the stream's own timeout; or a Timeout with an exception of its own. */
  timeout?: Limit;
}

export type FileMode = 'r' | 'w' | 'rw' | 'rb' | 'wb' | 'rwb';

export interface FileOptions extends TextOptions {
  /** Bytes of writes to collect before they are sent; `flush` and `close` send what there is. Default 0: none. */
  buffering?: number;
}

/** Turns the bytes an operation gives into what the file gives. */
class Decoded<T> extends Operation<T> {
  readonly #inner: Operation<Buffer>;
  readonly #decode: (bytes: Buffer) => T;

  constructor(inner: Operation<Buffer>, decode: (bytes: Buffer) => T) {
    super();
    this.#inner = inner;
    this.#decode = decode;
  }

  describe(): string {
    return this.#inner.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    if (debugging) hub.debug.consumed(this.#inner);
    return this.#inner.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): T {
    return this.#decode(this.#inner.complete(hub, slot));
  }

  override abandon(hub: Hub, slot: number): void {
    this.#inner.abandon(hub, slot);
  }
}

/** `count` characters of UTF-8, fewer at the end. */
class ReadCharacters extends ReadTo {
  readonly #count: number;
  readonly #scan: CharacterScan;

  constructor(reader: Reader, count: number, limit: Limit | undefined) {
    super(reader, 'read', count * 4, limit);
    this.#count = count;
    this.#scan = new CharacterScan(count);
  }

  protected find(): number {
    return this.#count === 0 ? 0 : this.#scan.end(this.reader.peek(this.reader.size));
  }
}

/** A file of bytes (`Buffer`) or text (`string`), by its mode. Reads give empty ones at the end of the stream. */
export class StreamFile<T extends Buffer | string = Buffer | string> {
  readonly mode: FileMode;
  /** @internal */ readonly $reader: Reader | null;
  /** @internal */ readonly $writer: Writer | null;
  /** Null: bytes. */
  readonly #text: TextCodec | null;
  readonly #buffering: number;
  readonly #onClose: () => void;
  #unsent: Buffer[] = [];
  #unsentBytes = 0;
  #closed = false;

  /** @internal Made by `makefile` and `streamFile`. */
  constructor(reader: Reader | null, writer: Writer | null, mode: FileMode, options: FileOptions, onClose: () => void) {
    if (!/^(r|w|rw)b?$/.test(mode)) {
      throw wrongRange('mode', 'r, w or rw, and b for bytes', mode);
    }
    const { buffering = 0 } = options;
    if (!Number.isInteger(buffering) || buffering < 0) {
      throw wrongRange('buffering', 'a number of bytes from 0', buffering);
    }
    this.mode = mode;
    this.$reader = mode.includes('r') ? reader : null;
    this.$writer = mode.includes('w') ? writer : null;
    const text = new TextCodec(options);
    this.#text = mode.endsWith('b') ? null : text;
    this.#buffering = buffering;
    this.#onClose = onClose;
  }

  get closed(): boolean {
    return this.#closed;
  }

  readable(): boolean {
    return this.$reader !== null;
  }

  writable(): boolean {
    return this.$writer !== null;
  }

  /** @internal What use after close() raises. */
  protected $badUse(what: string): Error {
    return badDescriptor(what);
  }

  #reading(what: string): Reader {
    if (this.#closed) throw this.$badUse(what);
    if (this.$reader === null) throw new SocketError('EBADF', `${what}: the file is not open for reading`);
    return this.$reader;
  }

  #writing(what: string): Writer {
    if (this.#closed) throw this.$badUse(what);
    if (this.$writer === null) throw new SocketError('EBADF', `${what}: the file is not open for writing`);
    return this.$writer;
  }

  #decode(bytes: Buffer): T {
    return (this.#text === null ? bytes : this.#text.decode(bytes)) as T;
  }

  /** @internal */
  protected $decoded(inner: Operation<Buffer>): Operation<T> {
    if (this.#text === null) return inner as Operation<any>;
    return new Decoded(inner, (bytes) => this.#decode(bytes));
  }

  /**
   * `size` bytes or characters; fewer only at the end. Without `size`, or below 0: all to the end. Switch point, unless they
   * are here. What has come before a kill or a Timeout stays for the next read.
   */
  read(size = -1, options?: IoOptions): Operation<T> {
    const timeout = timeoutOf('read(options)', options);
    const reader = this.#reading('read');
    if (!Number.isInteger(size)) throw wrongRange('read(size)', 'an integer', size);
    if (size < 0) return this.$decoded(new ReadExactly(reader, Infinity, timeout));
    const characters = this.#text?.utf8 ?? false;
    return this.$decoded(
      characters ? new ReadCharacters(reader, size, timeout) : new ReadExactly(reader, size, timeout),
    );
  }

  /**
   * A line with its end; the rest at the end of the stream; empty behind it. Switch point, unless a line is here.
   * @param limit - bytes at most: a longer line comes in pieces. Default: no limit, so give one for peers you do not trust
   */
  readline(limit = -1, options?: IoOptions): Operation<T> {
    const timeout = timeoutOf('readline(options)', options);
    const reader = this.#reading('readline');
    if (!Number.isInteger(limit)) throw wrongRange('readline(limit)', 'an integer', limit);
    return this.$decoded(new ReadUntil(reader, NEWLINE, limit < 0 ? Infinity : limit, timeout));
  }

  /** All lines to the end. Switch point, unless the end is here. */
  readlines(options?: IoOptions): Operation<T[]> {
    const timeout = timeoutOf('readlines(options)', options);
    const whole = new ReadExactly(this.#reading('readlines'), Infinity, timeout);
    return new Decoded(whole, (bytes) => {
      const lines: T[] = [];
      for (let from = 0; from < bytes.length; ) {
        const at = bytes.indexOf(NEWLINE, from);
        const to = at < 0 ? bytes.length : at + 1;
        lines.push(this.#decode(bytes.subarray(from, to)));
        from = to;
      }
      return lines;
    });
  }

  /** Bytes into `buffer`: how many, 0 at the end. Switch point, unless some are here. */
  readinto(buffer: Uint8Array, options?: IoOptions): Operation<number> {
    const timeout = timeoutOf('readinto(options)', options);
    return new RecvInto(this.#reading('readinto'), buffer, timeout);
  }

  /**
   * Write all of `data`; how many bytes that was. Switch point if the peer is slow.
   * With `buffering` they may stay here until `flush`.
   */
  write(data: Data, options?: IoOptions): Operation<number> {
    const timeout = timeoutOf('write(options)', options);
    const writer = this.#writing('write');
    const bytes = this.#encode(data, 'write(data)');
    if (this.#buffering === 0 && timeout === undefined) return writer.all(bytes);
    if (this.#buffering === 0) return new Send(writer, bytes, false, timeout);
    return new Collected(this, typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes), timeout);
  }

  #encode(data: Data, where: string): string | Uint8Array {
    return (this.#text ?? UTF8).encode(data, where);
  }

  /** Write all of several. */
  writelines(lines: Iterable<Data>, options: IoOptions = {}): Operation<number> {
    const all = [...lines].map((line) => {
      const bytes = this.#encode(line, 'writelines(lines)');
      return typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    });
    return this.write(Buffer.concat(all), options);
  }

  /** Send what was collected. Switch point if there is something and the peer is slow. */
  flush(options?: IoOptions): Operation<number> {
    const timeout = timeoutOf('flush(options)', options);
    return new Collected(this, EMPTY, timeout, true);
  }

  /** @internal Add to what is collected; what is to be sent now, or null. */
  $collect(bytes: Buffer, flush: boolean): Send | null {
    const writer = this.#writing('write');
    if (bytes.length > 0) this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
    if (this.#unsentBytes === 0 || (!flush && this.#unsentBytes < this.#buffering)) return null;
    const whole = this.#unsent.length === 1 ? this.#unsent[0] : Buffer.concat(this.#unsent);
    this.#unsent = [];
    this.#unsentBytes = 0;
    return new Send(writer, whole, false, undefined);
  }

  /** Close the file: what was collected is handed over without waiting. The socket stays open if it has not been closed. */
  close(): void {
    if (this.#closed) return;
    try {
      if (this.#unsentBytes > 0 && this.$writer !== null) {
        const writer = this.$writer;
        if (writer.error === null && !writer.closed && !writer.ended) writer.put(Buffer.concat(this.#unsent));
      }
    } finally {
      this.#unsent = [];
      this.#unsentBytes = 0;
      this.#closed = true;
      this.#onClose();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Lines, for async bodies: `for await (const line of file)`. In a generator body call `readline` until it is empty. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const line = await this.readline();
      if (line.length === 0) return;
      yield line;
    }
  }

  toString(): string {
    return `<StreamFile ${this.mode}${this.#closed ? ' closed' : ''}>`;
  }
}

/** Text that is written to a file of bytes. */
const UTF8 = new TextCodec({});

/** A write that collects, and sends when there is enough. */
class Collected extends SingleUse<number> {
  readonly #file: StreamFile;
  readonly #bytes: Buffer;
  readonly #flush: boolean;
  readonly #limit: Limit | undefined;
  #send: Send | null = null;

  constructor(file: StreamFile, bytes: Buffer, limit: Limit | undefined, flush = false) {
    super();
    this.#file = file;
    this.#bytes = bytes;
    this.#limit = limit;
    this.#flush = flush;
  }

  describe(): string {
    return this.#send?.describe() ?? 'write';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const send = this.#file.$collect(this.#bytes, this.#flush);
    this.#send = send;
    if (send === null) return true;
    if (debugging) hub.debug.consumed(send);
    if (this.#limit !== undefined) send.$limit(this.#limit);
    return send.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): number {
    this.#send?.complete(hub, slot);
    return this.#bytes.length;
  }

  override abandon(hub: Hub, slot: number): void {
    this.#send?.abandon(hub, slot);
  }
}

// ---- Node's streams ---------------------------------------------------------------------------------------------------

/** A reader on any of Node's readable streams. Nothing is read before the first wait. */
export function readerOf(stream: Readable, what: string): Reader {
  const reader = new Reader(what);
  reader.attach(stream, true);
  stream.on('error', (error: unknown) => reader.finish(fromNode(error)));
  return reader;
}

/** A writer on any of Node's writable streams. @param sent - when bytes count as sent; default: when no pause is asked for */
export function writerOf(stream: Writable, what: string, sent: Sent = Sent.DRAINED): Writer {
  const writer = new Writer(what);
  writer.attach(stream as unknown as Sink, sent);
  stream.on('error', (error: unknown) => writer.fail(fromNode(error)));
  return writer;
}

/**
 * A cooperative file over one of Node's streams, read and written by the same rules as a socket: exclusive use of each
 * direction, flow control, waits that lose nothing. Closing it ends a writable (what was written goes out) and destroys a
 * readable.
 */
export function streamFile(
  stream: Readable | Writable | Duplex,
  mode: FileMode,
  options: FileOptions & { name?: string; sent?: Sent } = {},
): StreamFile {
  const { name = 'stream', sent } = options;
  const reader = mode.includes('r') ? readerOf(stream as Readable, `read of ${name}`) : null;
  const writer = mode.includes('w') ? writerOf(stream as Writable, `write of ${name}`, sent) : null;
  return new StreamFile(reader, writer, mode, options, () => {
    reader?.close();
    writer?.close();
    if (writer !== null) (stream as Writable).end();
    if (reader !== null && writer === null) stream.destroy();
  });
}
