// What standard input and output can be, as far as it needs nothing of Node: bytes, queues, functions. Sockets, files and
// Node's streams are in handles.ts, which is loaded when one is given.

import { wrongType } from '../../core/arguments.ts';
import { Framed } from '../../framed.ts';
import type { Operation } from '../../hub/operation.ts';
import { isOperation } from '../../hub/operation.ts';
import type { Park } from '../../hub/protocol.ts';
import { END, ShutDown } from '../../iteration.ts';
import { Queue } from '../../joinable.ts';
import { until } from '../../until.ts';
import { isThenable } from '../../unwind.ts';
import { Errno, FileType, Right, WasiErrno } from './abi.ts';
import { CHUNK, Descriptor, Mapped } from './descriptor.ts';

/** What can be turned into bytes. */
export type Bytes = string | ArrayBufferView | ArrayBuffer;

/** Anything with a `get` that waits: queues and channels. */
export interface ItemSource {
  get(): Operation<any>;
}

/** Anything with a `put` that waits. */
export interface ItemSink {
  put(item: any): Operation<void>;
}

const encoder = new TextEncoder();

/** Bytes of what was given; null: nothing that can be turned into some. */
export function toBytes(data: unknown): Uint8Array | null {
  if (typeof data === 'string') return encoder.encode(data);
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : null;
}

/** Input that is at its end, output that goes nowhere. */
export class Nothing extends Descriptor {
  override get rights(): bigint {
    return super.rights | Right.READ | Right.WRITE;
  }

  override get readable(): number {
    return 0;
  }

  override get writable(): boolean {
    return true;
  }

  override read(): Uint8Array {
    return new Uint8Array(0);
  }

  override write(bytes: Uint8Array): number {
    return bytes.length;
  }
}

/** Input that is all there. */
export class BytesInput extends Descriptor {
  #left: Uint8Array;

  constructor(bytes: Uint8Array) {
    super();
    this.#left = bytes;
  }

  override get rights(): bigint {
    return super.rights | Right.READ;
  }

  override get readable(): number {
    return this.#left.length;
  }

  override read(max: number): Uint8Array {
    const piece = this.#left.subarray(0, max);
    this.#left = this.#left.subarray(piece.length);
    return piece;
  }
}

/** Input from a queue or channel: each item some bytes, the end where it is shut down or gives END. */
export class QueueInput extends Descriptor {
  readonly #source: ItemSource;
  /** Of an item that was longer than a read. */
  #rest: Uint8Array | null = null;
  #ended = false;

  constructor(source: ItemSource) {
    super();
    this.#source = source;
  }

  override get rights(): bigint {
    return super.rights | Right.READ;
  }

  override get readable(): number | null {
    this.#look();
    if (this.#rest !== null) return this.#rest.length;
    return this.#ended ? 0 : null;
  }

  /** Take an item that is there. A channel is not asked: it holds none. */
  #look(): void {
    const source = this.#source;
    while (this.#rest === null && !this.#ended && source instanceof Queue) {
      if (source.empty()) {
        this.#ended = source.isShutdown;
        return;
      }
      this.#accept(source.getNowait());
    }
  }

  #accept(item: unknown): void {
    if (item === END) {
      this.#ended = true;
      return;
    }
    const bytes = toBytes(item);
    if (bytes === null) {
      throw wrongType('stdin', `strings or bytes from ${this.#source}`, item);
    }
    // An empty one would be taken for the end.
    if (bytes.length > 0) this.#rest = bytes;
  }

  override untilReadable(): Operation<void> {
    return new Framed(`stdin from ${this.#source.constructor.name}`, () => this.#waiting());
  }

  *#waiting(): Generator<Park, void, any> {
    while (this.#rest === null && !this.#ended) {
      try {
        this.#accept(yield* this.#source.get());
      } catch (error) {
        if (!(error instanceof ShutDown)) throw error;
        // An item put right before the shutdown is still there.
        this.#look();
        this.#ended = this.#rest === null;
      }
    }
  }

  override read(max: number): Uint8Array | Operation<Uint8Array> {
    if (this.readable !== null) return this.#take(max);
    return new Mapped(this.untilReadable(), () => this.#take(max));
  }

  #take(max: number): Uint8Array {
    const bytes = this.#rest;
    if (bytes === null) return new Uint8Array(0);
    this.#rest = bytes.length > max ? bytes.subarray(max) : null;
    return bytes.subarray(0, max);
  }
}

abstract class Output extends Descriptor {
  override get rights(): bigint {
    return super.rights | Right.WRITE;
  }

  override get writable(): boolean {
    return true;
  }
}

/** Output that is kept, to be asked for as text. */
export class Collector extends Output {
  readonly #decoder = new TextDecoder();
  #text = '';

  override write(bytes: Uint8Array): number {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    return bytes.length;
  }

  get text(): string {
    return this.#text;
  }

  override close(): void {
    this.#text += this.#decoder.decode();
  }
}

/** Output to a function, which may make the program wait. */
export class CallbackOutput extends Output {
  readonly #fn: (bytes: Uint8Array<ArrayBuffer>) => unknown;

  constructor(fn: (bytes: Uint8Array<ArrayBuffer>) => unknown) {
    super();
    this.#fn = fn;
  }

  override write(bytes: Uint8Array<ArrayBuffer>): number | Operation<number> {
    const { length } = bytes;
    const said = this.#fn(bytes);
    const op = isOperation(said) ? said : isThenable(said) ? until(said) : null;
    return op === null ? length : new Mapped(op, () => length);
  }
}

/** Output to a queue or channel, an item a write. */
export class QueueOutput extends Output {
  readonly #sink: ItemSink;
  /** The queue is the program's own, and ends with it. */
  readonly #own: boolean;

  constructor(sink: ItemSink, own = false) {
    super();
    this.#sink = sink;
    this.#own = own;
  }

  override write(bytes: Uint8Array<ArrayBuffer>): Operation<number> {
    return new Mapped<void, number>(
      this.#sink.put(bytes),
      () => bytes.length,
      (error) => {
        if (error instanceof ShutDown) throw new WasiErrno(Errno.PIPE);
        throw error;
      },
    );
  }

  override close(): void {
    if (this.#own) (this.#sink as Queue).shutdown();
  }
}

/** Output to the console, by lines, where there are no standard streams. */
export class ConsoleOutput extends Output {
  readonly #print: (text: string) => void;
  readonly #decoder = new TextDecoder();
  #line = '';

  constructor(print: (text: string) => void) {
    super();
    this.#print = print;
  }

  override write(bytes: Uint8Array): number {
    const lines = (this.#line + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#line = lines.pop() as string;
    for (const line of lines) this.#print(line);
    return bytes.length;
  }

  override close(): void {
    if (this.#line !== '') this.#print(this.#line);
    this.#line = '';
  }
}

/** What of Node's writable streams is used here. */
export interface WritableLike {
  write(chunk: Uint8Array): boolean;
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  readonly writableNeedDrain?: boolean;
  readonly destroyed?: boolean;
  readonly writableEnded?: boolean;
  readonly isTTY?: boolean;
}

/** One of Node's streams, written to by any number of programs, with one set of listeners for all. */
class SharedSink {
  readonly stream: WritableLike;
  users = 0;
  #error: unknown = null;
  #drained: PromiseWithResolvers<void> | null = null;
  readonly #onDrain = (): void => {
    this.#drained?.resolve();
    this.#drained = null;
  };
  readonly #onError = (error: unknown): void => {
    this.#error = error;
    this.#onDrain();
  };

  constructor(stream: WritableLike) {
    this.stream = stream;
  }

  enter(): void {
    if (this.users++ > 0) return;
    this.stream.on('drain', this.#onDrain);
    this.stream.on('close', this.#onDrain);
    this.stream.on('error', this.#onError);
  }

  leave(): void {
    if (--this.users > 0) return;
    this.stream.off('drain', this.#onDrain);
    this.stream.off('close', this.#onDrain);
    this.stream.off('error', this.#onError);
    sinks.delete(this.stream);
  }

  check(): void {
    if (this.#error !== null) throw this.#error;
    if (this.stream.destroyed || this.stream.writableEnded) throw new WasiErrno(Errno.PIPE);
  }

  get full(): boolean {
    return this.stream.writableNeedDrain === true && this.#error === null && this.stream.destroyed !== true;
  }

  drained(): Operation<void> {
    this.#drained ??= Promise.withResolvers();
    return until(this.#drained.promise);
  }
}

const sinks = new WeakMap<WritableLike, SharedSink>();

/** Output to one of Node's writable streams, which is left open. */
export class StreamOutput extends Output {
  readonly #sink: SharedSink;

  constructor(stream: WritableLike) {
    super();
    let sink = sinks.get(stream);
    if (sink === undefined) sinks.set(stream, (sink = new SharedSink(stream)));
    this.#sink = sink;
    if (stream.isTTY) this.filetype = FileType.CHARACTER_DEVICE;
    sink.enter();
  }

  override get writable(): boolean {
    return !this.#sink.full;
  }

  override untilWritable(): Operation<void> {
    return this.#sink.drained();
  }

  override write(bytes: Uint8Array): number | Operation<number> {
    const sink = this.#sink;
    sink.check();
    sink.stream.write(bytes);
    if (!sink.full) return bytes.length;
    return new Mapped(sink.drained(), () => {
      sink.check();
      return bytes.length;
    });
  }

  override close(): void {
    this.#sink.leave();
  }
}

/** A queue for `'pipe'`: as much as fits into a pipe of the system, if the program writes in full pieces. */
export function pipe<T>(): Queue<T> {
  return new Queue<T>(Math.max(1, (16 * CHUNK) / CHUNK));
}
