// FileObjectPosix: a file over what Node can poll.

import type { Buffer } from 'node:buffer';
import { closeSync, type PathLike } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { wrongType } from '../core/arguments.ts';
import type { Hub } from '../hub/hub.ts';
import { type Operation, SingleUse } from '../hub/operation.ts';
import { timeoutOf } from '../limit.ts';
import { canRead, canWrite, checkFd, fdOf, isStandard, type NodeStream, takeUp } from '../net/descriptors.ts';
import { OSError, unsupported } from '../net/errors.ts';
import { Order } from '../net/order.ts';
import { msOf, type Reader } from '../net/reader.ts';
import { leaveReader, leaveWriter, sharedReader, sharedWriter } from '../net/shared.ts';
import { type FileOptions, type IoOptions, StreamFile } from '../net/stream.ts';
import type { Data, Writer } from '../net/writer.ts';
import type { Limit } from '../timeout.ts';
import { openFile, parseMode } from './file-mode.ts';

/** What a FileObject is made of: a descriptor, a path, something with `fileno()` or `fd`, or one of Node's streams. */
export type FileSource = number | PathLike | { fileno(): number } | { readonly fd: number } | NodeStream;

export interface FileObjectOptions extends FileOptions {
  /** False: closing the object leaves the descriptor open. Default true. */
  closefd?: boolean;
  /** What dumps and errors call it. Default: its path or descriptor. */
  name?: string;
}

/** @internal */
export function closedFile(): OSError {
  return new OSError('EBADF', 'FileObject was closed');
}

/** @internal The descriptor that something stands for; a path is opened, by whoever gets it. */
export function sourceOf(fobj: FileSource, where: string): NodeStream | number | PathLike {
  if (typeof fobj === 'number') return checkFd(fobj, where);
  if (typeof fobj === 'string' || fobj instanceof URL || fobj instanceof Uint8Array) return fobj;
  if (fobj instanceof Readable || fobj instanceof Writable) return fobj;
  const any = fobj as { fileno?: unknown; fd?: unknown } | null;
  if (any !== null && typeof any === 'object') {
    if (typeof any.fileno === 'function') return checkFd(any.fileno(), `${where}.fileno()`);
    if (typeof any.fd === 'number') return checkFd(any.fd, `${where}.fd`);
  }
  throw wrongType(where, `a descriptor, a path, something with fileno() or fd, or a stream of Node's`, fobj);
}

/** What the constructor finds out before there is an object. */
interface Made {
  readonly stream: NodeStream;
  readonly reader: Reader | null;
  readonly writer: Writer | null;
  readonly closed: Order<void>;
  close(): void;
}

function make(fobj: FileSource, mode: ReturnType<typeof parseMode>, closefd: boolean, name: string | number): Made {
  const where = 'FileObject(fobj)';
  const source = sourceOf(fobj, where);
  let stream: NodeStream;
  if (source instanceof Readable || source instanceof Writable) stream = source;
  else if (typeof source === 'number') stream = takeUp(source, !mode.read, where);
  else {
    if (!closefd) throw new TypeError(`${where}: closefd must be true for a path, got false`);
    const fd = openFile(source, mode);
    try {
      stream = takeUp(fd, !mode.read, where);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
  if (mode.read && !canRead(stream)) throw new OSError('EBADF', `${where}: ${name} cannot be read`);
  if (mode.write && !canWrite(stream)) throw new OSError('EBADF', `${where}: ${name} cannot be written to`);
  const reader = mode.read ? sharedReader(stream, name) : null;
  const writer = mode.write ? sharedWriter(stream, name) : null;
  const closed = new Order<void>(`close of ${name}`);
  return {
    stream,
    reader,
    writer,
    closed,
    close() {
      if (closefd && !isStandard(stream)) {
        reader?.close();
        writer?.close();
        end(stream, writer !== null, closed);
        return;
      }
      if (reader !== null) leaveReader(stream);
      if (writer !== null) leaveWriter(stream);
      closed.settle();
    },
  };
}

/** What was written goes out, then the stream ends. */
function end(stream: NodeStream, written: boolean, closed: Order<void>): void {
  if (stream.destroyed || !written) {
    stream.destroy();
    return closed.settle();
  }
  const writable = stream as Writable;
  const over = (): void => {
    writable.destroy();
    if (writable.errored) closed.fail(writable.errored);
    else closed.settle();
  };
  writable.once('finish', over).once('close', over);
  // Its reports have another listener.
  writable.on('error', () => {});
  writable.end();
}

export function nameOf(fobj: FileSource): string | number {
  if (typeof fobj === 'number') return fobj;
  if (typeof fobj === 'string' || fobj instanceof URL || fobj instanceof Uint8Array) return String(fobj);
  const fd = fobj instanceof Readable || fobj instanceof Writable ? fdOf(fobj) : undefined;
  const { path, name } = fobj as { path?: unknown; name?: unknown };
  if (typeof path === 'string' || typeof path === 'number') return path;
  if (typeof name === 'string') return name;
  return fd ?? 'stream';
}

/** All to the end; who closes the file meanwhile leaves it what had come. */
class ReadAll extends SingleUse<Buffer> {
  readonly #reader: Reader;
  readonly #limit: Limit | undefined;
  readonly #file: FileObjectPosix;
  #rest: Buffer | null = null;

  constructor(file: FileObjectPosix, reader: Reader, limit: Limit | undefined) {
    super();
    this.#file = file;
    this.#reader = reader;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'read(timeout)');
  }

  describe(): string {
    return this.#reader.side.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    const reader = this.#reader;
    reader.check('read');
    this.use();
    if (reader.ended || reader.error !== null) return true;
    reader.wait(hub, slot, msOf(this.#limit, reader.limitMs, 'read(timeout)'), 'read', () => false, Infinity);
    this.#file.$readingAll = this;
    return false;
  }

  /** The file is about to be closed. */
  salvage(): void {
    this.#rest = this.#reader.takeExactly(Infinity);
  }

  #leave(hub: Hub, slot: number): boolean {
    this.#file.$readingAll = null;
    return this.#reader.leave(hub, slot);
  }

  complete(hub: Hub, slot: number): Buffer {
    const reader = this.#reader;
    const late = this.#leave(hub, slot);
    if (this.#rest !== null) return this.#rest;
    if (!reader.ended || reader.closed) reader.nothing(hub, late, this.#limit);
    return reader.takeExactly(Infinity);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#leave(hub, slot);
  }
}

/**
 * A file over a pipe, a socket, a terminal or any of Node's streams: waits block one greenlet, and lose nothing when they are
 * cut short. One greenlet reads and one writes at a time.
 *
 * @param fobj - a descriptor (which Node then owns), a path, something with `fileno()`, or a stream of Node's
 * @param mode - as Python's: `r`, `w`, `a`, `r+` and so on, with `b` for bytes
 * @throws GeventError `GEVENT_FD_UNSUPPORTED` for a file on disk: that is FileObjectThread's
 * @see `gevent.fileobject.FileObjectPosix`, the source. Differs: writes are not collected unless `buffering` says so.
 */
export class FileObjectPosix<T extends Buffer | string = Buffer | string> extends StreamFile<T> {
  /** The path or descriptor it was made of. */
  readonly name: string | number;
  readonly #made: Made;
  /** @internal */ $readingAll: ReadAll | null = null;

  constructor(fobj: FileSource, mode = 'r', options: FileObjectOptions = {}) {
    const parsed = parseMode(mode, 'FileObject(mode)');
    const { closefd = true, buffering } = options;
    const made = make(fobj, parsed, closefd, options.name ?? nameOf(fobj));
    try {
      super(made.reader, made.writer, parsed.stream, { ...options, buffering: collected(buffering) }, () =>
        made.close(),
      );
    } catch (error) {
      made.close();
      throw error;
    }
    this.#made = made;
    this.name = options.name ?? nameOf(fobj);
  }

  /** Node's stream below. */
  get io(): NodeStream {
    return this.#made.stream;
  }

  protected override $badUse(): Error {
    return closedFile();
  }

  override read(size = -1, options: IoOptions = {}): Operation<T> {
    if (size === -1 && !this.closed && this.$reader !== null) {
      return this.$decoded(
        new ReadAll(this as FileObjectPosix<any>, this.$reader, timeoutOf('read(options)', options)),
      );
    }
    return super.read(size, options);
  }

  /** All to the end: `read()`. */
  readall(options: IoOptions = {}): Operation<T> {
    return this.read(-1, options);
  }

  /** The same as `write`, which writes all as well. */
  writeall(data: Data, options: IoOptions = {}): Operation<number> {
    return this.write(data, options);
  }

  /**
   * Close it: who waits in it gets EBADF, who reads all gets what had come. What was written goes out; the operation waits for
   * that. Never a switch point itself.
   */
  override close(): Order<void> {
    if (!this.closed) {
      this.$readingAll?.salvage();
      super.close();
    }
    const order = new Order<void>(`close of ${this.name}`);
    this.#made.closed.follow(order);
    return order;
  }

  /** @internal Close it, and leave its reader and stream, with what was read and not taken, to somebody else. */
  $giveAway(): Reader {
    this.#made.close = () => this.#made.closed.settle();
    this.close();
    return this.$reader as Reader;
  }

  /** The descriptor. @throws GeventError `GEVENT_FD_UNSUPPORTED` if Node does not tell it, as for the pipes of a child */
  fileno(): number {
    if (this.closed) throw closedFile();
    const fd = fdOf(this.io);
    if (fd === undefined) throw unsupported(`${this}.fileno(): Node does not tell the descriptor of this stream`);
    return fd;
  }

  isatty(): boolean {
    if (this.closed) throw closedFile();
    return (this.io as { isTTY?: boolean }).isTTY === true;
  }

  /** False: what comes and goes has no places. */
  seekable(): boolean {
    return false;
  }

  override toString(): string {
    return `<FileObjectPosix ${this.name} ${this.mode}${this.closed ? ' closed' : ''}>`;
  }
}

/** `buffering` as Python has it: -1 is our default, 1 is by lines, which is what no collecting gives. */
export function collected(buffering: number | undefined): number {
  return buffering === undefined || buffering === -1 || buffering === 1 ? 0 : buffering;
}
