// FileObjectThread and FileObjectBlock: files on disk. Whoever works on the file holds its lock, so several greenlets may use one file, one
// after another; what is read and written, and where, is DiskAccess's business.

import { Buffer } from 'node:buffer';
import type { PathLike } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { wrongRange, wrongType } from '../core/arguments.ts';
import type { Operation } from '../hub/operation.ts';
import { limitMs, timeoutOf } from '../limit.ts';
import { Semaphore } from '../lock.ts';
import { fdOf } from '../net/descriptors.ts';
import { OSError, unsupported } from '../net/errors.ts';
import { Order } from '../net/order.ts';
import type { IoOptions } from '../net/stream.ts';
import { CharacterScan, TextCodec } from '../net/text.ts';
import type { Data } from '../net/writer.ts';
import { blocking, CHUNK, type Disk, pool, positionOf, sizeLeft } from './disk.ts';
import { DiskAccess } from './disk-access.ts';
import { type Mode, openFile, parseMode } from './file-mode.ts';
import { type Frame, Turn, within } from './file-turn.ts';
import { closedFile, collected, type FileObjectOptions, type FileSource, nameOf, sourceOf } from './stream-object.ts';

const NEWLINE = 10;

export interface DiskFileOptions extends FileObjectOptions {
  /** False: calls of several greenlets are not put in a row; then one alone may use the file. Default true. */
  lock?: boolean;
}

abstract class DiskFile<T extends Buffer | string> {
  /** As it was given. */
  readonly mode: string;
  /** The path or descriptor it was made of. */
  readonly name: string | number;
  readonly #access: DiskAccess;
  readonly #mode: Mode;
  readonly #text: TextCodec | null;
  readonly #buffering: number;
  readonly #closefd: boolean;
  readonly #lock: Semaphore | null;
  /** Collected, and not written yet. */
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #closing: Order<void> | null = null;
  /** Whoever made it keeps it from being collected, and closed. */
  protected readonly source: unknown;

  constructor(disk: Disk, fobj: FileSource, mode: string, options: DiskFileOptions) {
    const parsed = parseMode(mode, 'FileObject(mode)');
    const { closefd = true, lock = true, buffering } = options;
    const codec = new TextCodec(options);
    const bytes = collected(buffering);
    if (!Number.isInteger(bytes) || bytes < 0) {
      throw wrongRange('buffering', 'a number of bytes from 0', buffering);
    }
    const where = 'FileObject(fobj)';
    const from = sourceOf(fobj, where);
    let position: number | null = null;
    let fd: number | undefined;
    if (typeof from === 'number') fd = from;
    else if (from instanceof Readable || from instanceof Writable) {
      fd = fdOf(from);
      if (fd === undefined) throw unsupported(`${where}: Node does not tell the descriptor of this stream`);
    } else {
      if (!closefd) throw new TypeError(`${where}: closefd must be true for a path, got false`);
      fd = openFile(from as PathLike, parsed);
      // Appending begins at the end, for who asks.
      if (positionOf(fd) !== null) position = parsed.append ? sizeLeft(fd, 0) : 0;
    }
    this.source = fobj;
    this.mode = mode;
    this.name = options.name ?? nameOf(fobj);
    this.#access = new DiskAccess(disk, fd, this.name, parsed.append, position);
    this.#mode = parsed;
    this.#text = parsed.bytes ? null : codec;
    this.#buffering = bytes;
    // The process's own stay open, as streams of Node's do.
    this.#closefd = closefd && fd > 2;
    this.#lock = lock ? new Semaphore(1) : null;
  }

  get closed(): boolean {
    return this.#closing !== null;
  }

  /** Null: no stream of Node's is below. */
  get io(): null {
    return null;
  }

  #open(): void {
    if (this.#closing !== null) throw closedFile();
  }

  #check(reading: boolean, what: string): void {
    this.#open();
    if (reading ? !this.#mode.read : !this.#mode.write) {
      throw new OSError('EBADF', `${what}: the file is not open for ${reading ? 'reading' : 'writing'}`);
    }
  }

  readable(): boolean {
    this.#open();
    return this.#mode.read;
  }

  writable(): boolean {
    this.#open();
    return this.#mode.write;
  }

  /** The descriptor. */
  fileno(): number {
    this.#open();
    return this.#access.fd;
  }

  isatty(): boolean {
    this.#open();
    return isatty(this.#access.fd);
  }

  /** True for what has places: not for pipes and terminals. */
  seekable(): boolean {
    this.#open();
    return this.#access.seekable;
  }

  // ---- taking turns ---------------------------------------------------------------------------------------------------

  /** @param now - the result, if it can be had from what is here */
  #turn<R>(
    what: string,
    options: IoOptions | undefined,
    body: () => Frame<R>,
    now: (() => R | null) | null = null,
  ): Operation<R> {
    const limit = timeoutOf(`${what}(options)`, options);
    if (limit !== undefined) limitMs(limit, `${what}(timeout)`);
    const frame = () => within(limit, () => this.#alone(body));
    return new Turn(`${what} of ${this.name}`, frame, () => (now === null || !this.#free() ? null : now()));
  }

  /** Nobody is at work on it, and nothing is to be written. */
  #free(): boolean {
    return (
      this.#closing === null &&
      !this.#access.busy &&
      this.#unsentBytes === 0 &&
      (this.#lock === null || !this.#lock.locked())
    );
  }

  *#alone<R>(body: () => Frame<R>): Frame<R> {
    const lock = this.#lock;
    if (lock !== null) yield* lock.acquire();
    try {
      this.#open();
      // What another one left behind.
      if (this.#access.busy) yield* this.#access.idle();
      return yield* body();
    } finally {
      lock?.release();
    }
  }

  // ---- reading --------------------------------------------------------------------------------------------------------

  #take(count: number): T {
    const bytes = this.#access.queue.takeExactly(count);
    return (this.#text === null ? bytes : this.#text.decode(bytes)) as T;
  }

  /**
   * `size` bytes or characters; fewer only at the end, where more may come later. Without `size`, or below 0: all to the end.
   * Switch point, unless they were read before.
   */
  read(size = -1, options?: IoOptions): Operation<T> {
    this.#check(true, 'read');
    if (!Number.isInteger(size)) throw wrongRange('read(size)', 'an integer', size);
    const self = this;
    return this.#turn(
      'read',
      options,
      function* (): Frame<T> {
        yield* self.#sync();
        const queue = self.#access.queue;
        let length: () => number;
        if (size < 0) length = () => -1;
        else if (self.#text?.utf8 && size > 0) {
          const scan = new CharacterScan(size);
          length = () => scan.end(queue.peek(queue.size));
        } else length = () => (queue.size >= size ? size : -1);
        return self.#take(yield* self.#access.enough(length, size < 0 ? Infinity : size));
      },
      size < 0 || this.#text?.utf8 ? null : () => (this.#access.queue.size >= size ? this.#take(size) : null),
    );
  }

  /** All to the end: `read()`. */
  readall(options?: IoOptions): Operation<T> {
    return this.read(-1, options);
  }

  /** A line with its end; the rest at the end of the file; empty behind it. Switch point, unless it was read before. */
  readline(limit = -1, options?: IoOptions): Operation<T> {
    this.#check(true, 'readline');
    if (!Number.isInteger(limit)) throw wrongRange('readline(limit)', 'an integer', limit);
    const self = this;
    return this.#turn(
      'readline',
      options,
      function* (): Frame<T> {
        yield* self.#sync();
        const queue = self.#access.queue;
        const max = limit < 0 ? Infinity : limit;
        let searched = 0;
        const length = (): number => {
          const at = queue.find(NEWLINE, searched);
          searched = queue.size;
          if (at >= 0) return Math.min(at, max);
          return queue.size >= max ? max : -1;
        };
        return self.#take(yield* self.#access.enough(length, CHUNK));
      },
      limit < 0 ? () => this.#lineNow() : null,
    );
  }

  #lineNow(): T | null {
    const at = this.#access.queue.find(NEWLINE, 0);
    return at < 0 ? null : this.#take(at);
  }

  /** All lines to the end. */
  readlines(options?: IoOptions): Operation<T[]> {
    this.#check(true, 'readlines');
    const self = this;
    return this.#turn('readlines', options, function* (): Frame<T[]> {
      yield* self.#sync();
      yield* self.#access.enough(() => -1, Infinity);
      const lines: T[] = [];
      while (self.#access.queue.size > 0) {
        const at = self.#access.queue.find(NEWLINE, 0);
        lines.push(self.#take(at < 0 ? self.#access.queue.size : at));
      }
      return lines;
    });
  }

  /** Bytes into `into`: how many, 0 at the end. */
  readinto(into: Uint8Array, options?: IoOptions): Operation<number> {
    this.#check(true, 'readinto');
    if (!(into instanceof Uint8Array)) throw wrongType('readinto(into)', 'bytes', into);
    const self = this;
    return this.#turn('readinto', options, function* (): Frame<number> {
      yield* self.#sync();
      yield* self.#access.enough(() => (self.#access.queue.size > 0 || into.length === 0 ? 0 : -1), into.length);
      return self.#access.queue.takeInto(into);
    });
  }

  // ---- writing --------------------------------------------------------------------------------------------------------

  /**
   * Write all of `data`; how many bytes that was. Switch point, unless they are collected (`buffering`). Cut short it has begun: the
   * bytes are written all the same, and must not be changed before the next call on the file is over.
   */
  write(data: Data, options?: IoOptions): Operation<number> {
    this.#check(false, 'write');
    const given = (this.#text ?? UTF8).encode(data, 'write(data)');
    const bytes = typeof given === 'string' ? Buffer.from(given) : given;
    const self = this;
    return this.#turn('write', options, function* (): Frame<number> {
      if (self.#buffering === 0) yield* self.#access.put([bytes]);
      else {
        // From here on they are the file's.
        self.#unsent.push(typeof given === 'string' ? bytes : Uint8Array.from(bytes));
        self.#unsentBytes += bytes.length;
        if (self.#unsentBytes >= self.#buffering) yield* self.#sync();
      }
      return bytes.length;
    });
  }

  /** The same as `write`, which writes all as well. */
  writeall(data: Data, options?: IoOptions): Operation<number> {
    return this.write(data, options);
  }

  /** Write all of several. */
  writelines(lines: Iterable<Data>, options?: IoOptions): Operation<number> {
    this.#check(false, 'writelines');
    const all = [...lines].map((line) => {
      const bytes = (this.#text ?? UTF8).encode(line, 'writelines(lines)');
      return typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    });
    return this.write(Buffer.concat(all), options);
  }

  /** Write what was collected. */
  flush(options?: IoOptions): Operation<void> {
    this.#open();
    return this.#turn('flush', options, () => this.#sync());
  }

  *#sync(): Frame<void> {
    if (this.#unsentBytes === 0) return;
    const pieces = this.#unsent;
    this.#unsent = [];
    this.#unsentBytes = 0;
    yield* this.#access.put(pieces);
  }

  // ---- places ---------------------------------------------------------------------------------------------------------

  /** Where the next byte is read or written. @throws OSError ESPIPE for what has no places */
  tell(): number {
    this.#open();
    return this.#access.place + this.#unsentBytes;
  }

  /**
   * Go to another place: `offset` bytes from the start (0), from here (1) or from the end (2). Gives it.
   * @throws OSError ESPIPE for what has no places, EINVAL for one before the start
   */
  seek(offset: number, whence: 0 | 1 | 2 = 0): Operation<number> {
    this.#open();
    if (!Number.isSafeInteger(offset)) throw wrongRange('seek(offset)', 'an integer', offset);
    if (whence !== 0 && whence !== 1 && whence !== 2) {
      throw wrongRange('seek(whence)', '0, 1 or 2', whence);
    }
    const self = this;
    return this.#turn('seek', undefined, function* (): Frame<number> {
      yield* self.#sync();
      const here = self.tell();
      const place = offset + (whence === 0 ? 0 : whence === 1 ? here : sizeLeft(self.#access.fd, 0));
      if (place < 0) throw new OSError('EINVAL', `seek: EINVAL: ${place} is before the start of ${self.name}`);
      self.#access.place = place;
      return place;
    });
  }

  /** Cut the file off, or fill it up with zeros, at `size` bytes; default: here. Gives the size. */
  truncate(size?: number): Operation<number> {
    this.#check(false, 'truncate');
    if (size !== undefined && (!Number.isSafeInteger(size) || size < 0)) {
      throw wrongRange('truncate(size)', 'a number of bytes', size);
    }
    const self = this;
    return this.#turn('truncate', undefined, function* (): Frame<number> {
      yield* self.#sync();
      const to = size ?? self.tell();
      yield* self.#access.truncate(to);
      return to;
    });
  }

  // ---- the end --------------------------------------------------------------------------------------------------------

  /**
   * Close it: who waits in it gets EBADF, who reads all gets what was read. What was collected is written first. The operation waits
   * for that; a failure that nobody waits for is reported.
   */
  close(): Order<void> {
    // The first to close it is the one who hears of a failure.
    if (this.#closing === null) {
      const rest = this.#unsentBytes === 0 ? null : Buffer.concat(this.#unsent);
      this.#unsent = [];
      this.#unsentBytes = 0;
      this.#closing = this.#access.close(rest, this.#closefd);
      return this.#closing;
    }
    const order = new Order<void>(`close of ${this.name}`);
    this.#closing.follow(order);
    return order;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.close();
  }

  /** Lines, for async bodies: `for await (const line of file)`. In a generator body call `readline` until it is empty. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const line = (this.#free() ? this.#lineNow() : null) ?? (await this.readline());
      if (line.length === 0) return;
      yield line;
    }
  }

  toString(): string {
    return `<${this.constructor.name} ${this.name} ${this.mode}${this.closed ? ' closed' : ''}>`;
  }
}

/** Text that is written to a file of bytes. */
const UTF8 = new TextCodec({});

/**
 * A file that Node's pool of threads reads and writes, while other greenlets run. Files on disk have no other way: no system tells
 * when they can be read.
 *
 * Several greenlets may use it; each call is whole. The pool has four threads, which names are looked up by as well
 * (`UV_THREADPOOL_SIZE`), so give it no pipes or terminals that can block one for long: FileObjectPosix is for those.
 *
 * @see `gevent.fileobject.FileObjectThread`, the source. Differs: no `threadpool`; writes are not collected unless `buffering` says so.
 */
export class FileObjectThread<T extends Buffer | string = Buffer | string> extends DiskFile<T> {
  constructor(fobj: FileSource, mode = 'r', options: DiskFileOptions = {}) {
    super(pool, fobj, mode, options);
  }
}

/** A file by plain blocking calls: all greenlets wait. For what is known to be fast. */
export class FileObjectBlock<T extends Buffer | string = Buffer | string> extends DiskFile<T> {
  constructor(fobj: FileSource, mode = 'r', options: DiskFileOptions = {}) {
    super(blocking, fobj, mode, options);
  }
}
