// FileObjectThread and FileObjectBlock: files on disk. What was read lies in a queue until somebody takes it, and whoever works on
// the file holds its lock: so several greenlets may use one file, one after another, and one that is killed loses nothing (K1).

import { Buffer } from 'node:buffer';
import type { PathLike } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { wrongRange, wrongType } from '../core/clock.ts';
import { Framed } from '../framed.ts';
import { active, debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import type { Operation } from '../hub/operation.ts';
import { type Park, RESUME } from '../hub/protocol.ts';
import { hubHere, limitMs, timeoutOf } from '../limit.ts';
import { Semaphore } from '../lock.ts';
import { fdOf } from '../net/descriptors.ts';
import { fromNode, OSError, SocketTimeout, unsupported } from '../net/errors.ts';
import { carryOut, Order } from '../net/order.ts';
import { Reader } from '../net/reader.ts';
import type { IoOptions } from '../net/stream.ts';
import { CharacterScan, TextCodec } from '../net/text.ts';
import type { Data } from '../net/writer.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { blocking, buffer, CHUNK, type Disk, pool, positionOf, sizeLeft } from './disk.ts';
import { type Mode, openFile, parseMode } from './file-mode.ts';
import { closedFile, collected, type FileObjectOptions, type FileSource, nameOf, sourceOf } from './stream-object.ts';

const NEWLINE = 10;

export interface DiskFileOptions extends FileObjectOptions {
  /** False: calls of several greenlets are not put in a row; then one alone may use the file. Default true. */
  lock?: boolean;
}

type Frame<T> = Generator<Park, T, any>;

/** A wait that the time was up for. */
function* within<T>(limit: Limit | undefined, body: () => Frame<T>): Frame<T> {
  if (limit === undefined || limit === null) return yield* body();
  const own =
    limit instanceof Timeout ? limit : new Timeout((limitMs(limit, 'timeout') as number) / 1000, new SocketTimeout());
  const started = !own.pending;
  if (started) own.start();
  try {
    return yield* body();
  } finally {
    if (started) own.cancel();
  }
}

/** A call that takes its turn; at once, if what it wants is here. */
class Turn<R> extends Framed<R> {
  readonly #now: () => R | null;
  #found: { value: R } | null = null;

  constructor(what: string, frame: () => Frame<R>, now: () => R | null) {
    super(what, frame);
    this.#now = now;
  }

  override next(sent?: unknown): IteratorResult<Park, R> {
    if (sent !== RESUME && active !== null) {
      const now = this.#now();
      if (now !== null) {
        this.use();
        if (debugging) active.debug.consumed(this);
        return { done: true, value: now };
      }
    }
    return super.next(sent);
  }

  override begin(hub: Hub, slot: number): boolean {
    const now = this.#now();
    if (now === null) return super.begin(hub, slot);
    this.use();
    this.#found = { value: now };
    return true;
  }

  override complete(hub: Hub, slot: number): R {
    return this.#found === null ? super.complete(hub, slot) : this.#found.value;
  }
}

abstract class DiskFile<T extends Buffer | string> {
  /** As it was given. */
  readonly mode: string;
  /** The path or descriptor it was made of. */
  readonly name: string | number;
  readonly #disk: Disk;
  readonly #fd: number;
  readonly #mode: Mode;
  readonly #text: TextCodec | null;
  readonly #buffering: number;
  readonly #closefd: boolean;
  readonly #lock: Semaphore | null;
  /** Read and not taken. It is the queue of a Reader; nothing waits there. */
  readonly #queue: Reader;
  /** Where the next read or write is, behind the queue; null: where the descriptor stands. */
  #position: number | null;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  /** What the disk is busy with (K1). */
  #busy: Order<number> | null = null;
  /** What those wait for who wait for that. */
  readonly #waits = new Set<Order<number>>();
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
    if (typeof from === 'number') this.#fd = from;
    else if (from instanceof Readable || from instanceof Writable) {
      const fd = fdOf(from);
      if (fd === undefined) throw unsupported(`${where}: Node does not tell the descriptor of this stream`);
      this.#fd = fd;
    } else {
      if (!closefd) throw new TypeError(`${where}: closefd must be true for a path, got false`);
      this.#fd = openFile(from as PathLike, parsed);
      // Appending begins at the end, for who asks.
      if (positionOf(this.#fd) !== null) position = parsed.append ? sizeLeft(this.#fd, 0) : 0;
    }
    this.source = fobj;
    this.mode = mode;
    this.name = options.name ?? nameOf(fobj);
    this.#disk = disk;
    this.#mode = parsed;
    this.#text = parsed.bytes ? null : codec;
    this.#buffering = bytes;
    // The process's own stay open, as streams of Node's do.
    this.#closefd = closefd && this.#fd > 2;
    this.#lock = lock ? new Semaphore(1) : null;
    this.#queue = new Reader(`read of ${this.name}`);
    this.#position = position;
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
    return this.#fd;
  }

  isatty(): boolean {
    this.#open();
    return isatty(this.#fd);
  }

  /** True for what has places: not for pipes and terminals. */
  seekable(): boolean {
    this.#open();
    return this.#position !== null || positionOf(this.#fd) !== null;
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
      this.#busy === null &&
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
      if (this.#busy !== null) yield* this.#idle();
      return yield* body();
    } finally {
      lock?.release();
    }
  }

  /** Have the disk do something, and wait for it. */
  *#do(what: string, act: (done: (error: Error | null, value?: any) => void) => void): Frame<number> {
    const order = new Order<number>(`${what} of ${this.name}`);
    this.#busy = order;
    act((error, value) => {
      this.#busy = null;
      if (error === null || error === undefined) order.settle(value ?? 0);
      else order.fail(fromNode(error, OSError));
    });
    return yield* this.#wait(order);
  }

  *#wait(order: Order<number>): Frame<number> {
    const mine = new Order<number>(order.describe());
    order.follow(mine);
    this.#waits.add(mine);
    try {
      return yield* mine;
    } finally {
      this.#waits.delete(mine);
    }
  }

  *#idle(): Frame<void> {
    while (this.#busy !== null) {
      try {
        yield* this.#wait(this.#busy);
      } catch (error) {
        // Of what another one began; but one's own kill goes on.
        if (!(error instanceof OSError) || this.#closing !== null) throw error;
      }
    }
  }

  // ---- reading --------------------------------------------------------------------------------------------------------

  /** Have more in the queue, `want` bytes if possible; false at the end. */
  *#fill(want: number): Frame<boolean> {
    const known = want === Infinity && this.#position !== null ? sizeLeft(this.#fd, this.#position) : 0;
    // One byte more, so that the end is seen as well.
    const into = buffer(Math.max(CHUNK, Math.min(want === Infinity ? known + 1 : want, 16 * 2 ** 20)));
    const position = this.#position;
    const count = yield* this.#do('read', (done) =>
      this.#disk.read(this.#fd, into, position, (error, got: number) => {
        if (!error && got > 0) {
          // Of a small piece in a large buffer the buffer is not kept.
          const piece = into.subarray(0, got);
          this.#queue.arrived(got * 4 < into.length ? Buffer.from(piece) : piece);
          if (position !== null) this.#position = position + got;
        }
        done(error, got);
      }),
    );
    return count > 0;
  }

  #take(count: number): T {
    const bytes = this.#queue.takeExactly(count);
    return (this.#text === null ? bytes : this.#text.decode(bytes)) as T;
  }

  *#enough(length: () => number, want: number): Frame<number> {
    for (;;) {
      const found = length();
      if (found >= 0) return found;
      try {
        if (!(yield* this.#fill(want))) return this.#queue.size;
      } catch (error) {
        // Closed meanwhile: who reads all gets what there is.
        if (want === Infinity && this.#closing !== null && error instanceof OSError) return this.#queue.size;
        throw error;
      }
    }
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
        const queue = self.#queue;
        let length: () => number;
        if (size < 0) length = () => -1;
        else if (self.#text?.utf8 && size > 0) {
          const scan = new CharacterScan(size);
          length = () => scan.end(queue.peek(queue.size));
        } else length = () => (queue.size >= size ? size : -1);
        return self.#take(yield* self.#enough(length, size < 0 ? Infinity : size));
      },
      size < 0 || this.#text?.utf8 ? null : () => (this.#queue.size >= size ? this.#take(size) : null),
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
        const queue = self.#queue;
        const max = limit < 0 ? Infinity : limit;
        let searched = 0;
        const length = (): number => {
          const at = queue.find(NEWLINE, searched);
          searched = queue.size;
          if (at >= 0) return Math.min(at, max);
          return queue.size >= max ? max : -1;
        };
        return self.#take(yield* self.#enough(length, CHUNK));
      },
      limit < 0 ? () => this.#lineNow() : null,
    );
  }

  #lineNow(): T | null {
    const at = this.#queue.find(NEWLINE, 0);
    return at < 0 ? null : this.#take(at);
  }

  /** All lines to the end. */
  readlines(options?: IoOptions): Operation<T[]> {
    this.#check(true, 'readlines');
    const self = this;
    return this.#turn('readlines', options, function* (): Frame<T[]> {
      yield* self.#sync();
      yield* self.#enough(() => -1, Infinity);
      const lines: T[] = [];
      while (self.#queue.size > 0) {
        const at = self.#queue.find(NEWLINE, 0);
        lines.push(self.#take(at < 0 ? self.#queue.size : at));
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
      yield* self.#enough(() => (self.#queue.size > 0 || into.length === 0 ? 0 : -1), into.length);
      return self.#queue.takeInto(into);
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
      if (self.#buffering === 0) yield* self.#put([bytes]);
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
    yield* this.#put(pieces);
  }

  *#put(pieces: readonly Uint8Array[]): Frame<void> {
    this.#forgetRead();
    const bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    if (bytes.length === 0) return;
    const position = this.#mode.append ? null : this.#position;
    yield* this.#do('write', (done) => {
      const written = (count: number): void => {
        if (this.#position !== null) this.#position += count;
      };
      this.#disk.write(this.#fd, bytes, position, written, done);
    });
    if (this.#mode.append && this.#position !== null) this.#position = sizeLeft(this.#fd, 0);
  }

  /** A write goes where the reader stands, not where the reading ahead does. */
  #forgetRead(): void {
    const { size } = this.#queue;
    if (size === 0) return;
    this.#place();
    this.#position = (this.#position as number) - size;
    this.#queue.drop();
  }

  /** Have a position of our own. */
  #place(): void {
    if (this.#position !== null) return;
    const position = positionOf(this.#fd);
    if (position === null || Number.isNaN(position)) throw new OSError('ESPIPE', `${this.name}: ESPIPE: Illegal seek`);
    this.#position = position;
  }

  // ---- places ---------------------------------------------------------------------------------------------------------

  /** Where the next byte is read or written. @throws OSError ESPIPE for what has no places */
  tell(): number {
    this.#open();
    const position = this.#position ?? positionOf(this.#fd);
    if (position === null || Number.isNaN(position)) throw new OSError('ESPIPE', `${this.name}: ESPIPE: Illegal seek`);
    return position - this.#queue.size + this.#unsentBytes;
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
      const place = offset + (whence === 0 ? 0 : whence === 1 ? here : sizeLeft(self.#fd, 0));
      if (place < 0) throw new OSError('EINVAL', `seek: EINVAL: ${place} is before the start of ${self.name}`);
      self.#queue.drop();
      self.#position = place;
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
      yield* self.#do('truncate', (done) => self.#disk.truncate(self.#fd, to, done));
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
      this.#closing = this.#close();
      return this.#closing;
    }
    const order = new Order<void>(`close of ${this.name}`);
    this.#closing.follow(order);
    return order;
  }

  #close(): Order<void> {
    const rest = this.#unsentBytes === 0 ? null : Buffer.concat(this.#unsent);
    this.#unsent = [];
    this.#unsentBytes = 0;
    for (const wait of this.#waits) wait.fail(closedFile());
    this.#waits.clear();
    const self = this;
    const shut = (): Order<void> => {
      const order = new Order<void>(`close of ${this.name}`);
      if (!this.#closefd) order.settle();
      else {
        this.#disk.close(this.#fd, (error) => {
          if (error) order.fail(fromNode(error, OSError));
          else order.settle();
        });
      }
      return order;
    };
    if (this.#busy === null && rest === null) return shut();
    return carryOut(hubHere(), `close of ${this.name}`, function* (): Frame<void> {
      try {
        while (self.#busy !== null) {
          const busy = new Order<number>('close');
          self.#busy.follow(busy);
          // Its failure was told to who began it.
          yield* settledOnly(busy);
        }
        if (rest !== null) {
          self.#forgetRead();
          const position = self.#mode.append ? null : self.#position;
          const order = new Order<void>('close');
          self.#disk.write(
            self.#fd,
            rest,
            position,
            () => {},
            (error) => (error ? order.fail(fromNode(error, OSError)) : order.settle()),
          );
          yield* order;
        }
      } finally {
        yield* shut();
      }
    });
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

function* settledOnly(order: Order<number>): Frame<void> {
  try {
    yield* order;
  } catch (error) {
    if (!(error instanceof OSError)) throw error;
  }
}

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
