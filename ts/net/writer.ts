// Writing to one of Node's writable streams as a greenlet does: it goes on when the bytes are out of our hands.
//
//   W1  a send that returned has given all its bytes to the kernel: its buffer may be used again, nothing is piled up here
//   W2  at most CHUNK bytes of one send are in Node's hands at a time. A kill or Timeout stops between two chunks; what
//       was handed over goes out, in order, before whatever is sent later
//
// Node tells by an empty queue behind write() that the kernel took all at once, as it mostly does: then nothing waits, and
// no callback is made. Else an empty write is queued behind as a marker; its callback is the moment.

import { Buffer } from 'node:buffer';
import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { Operation, reused } from '../hub/operation.ts';
import { expired } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { badDescriptor, closedError, fromNode, SocketError, SocketTimeout, wouldBlock } from './errors.ts';
import { EMPTY, msOf } from './reader.ts';
import { Side } from './side.ts';

/** W2 */
const CHUNK = 256 * 1024;

const WRITER: unique symbol = Symbol('gevent.writer');

/** What of Node's stream is used here. */
export interface Sink {
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  write(chunk: Uint8Array | string, callback?: (error?: Error | null) => void): boolean;
  end(): unknown;
  readonly writableLength: number;
  readonly writableNeedDrain: boolean;
  readonly errored: Error | null;
  readonly destroyed: boolean;
  /** Who writes to it by the listeners that all share. */
  [WRITER]?: Writer | undefined;
}

/** When bytes count as sent. */
export const Sent = {
  /** The kernel has them; told by a marker. For sockets and pipes. */
  MARKED: 0,
  /** The stream's own callback said so. For TLS. */
  CALLED: 1,
  /** The stream asks for no pause. For anything else: files, HTTP responses, transforms. */
  DRAINED: 2,
} as const;
export type Sent = (typeof Sent)[keyof typeof Sent];

const gone = (): SocketError => new SocketError('EPIPE', 'write: EPIPE: the stream was closed');

/** What listens to a stream for a writer. */
function listenersOf(writer: (stream: Sink) => Writer) {
  return {
    drain(this: Sink): void {
      writer(this).$flushed();
    },
    close(this: Sink): void {
      writer(this).$close();
    },
  };
}

/** For all streams that one writer writes to, as nearly all are. */
const SHARED = listenersOf((stream) => stream[WRITER] as Writer);

export class Writer {
  readonly side: Side;
  /** The limit of waits that have none of their own, ms; null: none; 0: never wait. */
  limitMs: number | null = null;
  /** What its timeout says. */
  late = 'timed out';
  error: Error | null = null;
  /** The end was sent: `shutdown`. */
  ended = false;
  /** Closed from this side. */
  closed = false;
  /** Bytes handed over so far. */
  given = 0;
  #stream: Sink | null = null;
  #sent: Sent = Sent.MARKED;
  #marked = false;
  #dirty = false;
  #op: Send | null = null;
  /** One that is over and may be used again: see `all`. */
  #spare: Send | null = null;
  #shut = false;
  #onFlushed: ((error?: Error | null) => void) | null = null;
  #listeners = SHARED;

  constructor(what: string) {
    this.side = new Side(what);
  }

  attach(stream: Sink, sent: Sent): void {
    this.#stream = stream;
    this.#sent = sent;
    if (stream[WRITER] === undefined) stream[WRITER] = this;
    else this.#listeners = listenersOf(() => this);
    if (sent === Sent.DRAINED) stream.on('drain', this.#listeners.drain);
    stream.on('close', this.#listeners.close);
  }

  /** Leave the stream to somebody else. */
  detach(): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    const listeners = this.#listeners;
    stream.off('drain', listeners.drain);
    stream.off('close', listeners.close);
    if (listeners === SHARED) stream[WRITER] = undefined;
  }

  /** What Node calls when a write is over; few writers need it. */
  get #flushedCallback(): (error?: Error | null) => void {
    this.#onFlushed ??= (error) => {
      this.#marked = false;
      if (error) this.fail(fromNode(error));
      else this.$flushed();
    };
    return this.#onFlushed;
  }

  /** @internal The stream is closed. */
  $close(): void {
    if (this.closed || this.error !== null) return;
    this.fail(gone());
  }

  /** Bytes that are neither with the kernel nor refused. */
  get pending(): number {
    return this.#stream?.writableLength ?? 0;
  }

  /** True if a send would not wait. */
  get ready(): boolean {
    if (this.closed || this.error !== null || this.ended) return true;
    return this.#stream !== null && !this.#busy(this.#stream);
  }

  #busy(stream: Sink): boolean {
    return this.#sent === Sent.DRAINED ? stream.writableNeedDrain : stream.writableLength > 0;
  }

  /** Hand bytes over. Throws if the stream refused them at once. */
  put(bytes: Uint8Array | string): void {
    const stream = this.#stream as Sink;
    const more = this.#sent === Sent.CALLED ? stream.write(bytes, this.#flushedCallback) : stream.write(bytes);
    // Never true of a stream that has failed or is destroyed.
    if (more) return;
    if (stream.errored !== null || stream.destroyed) {
      // One that is destroyed drops what it is given without a word; its `close` is on its way.
      this.error ??= stream.errored === null ? gone() : fromNode(stream.errored);
      throw this.error;
    }
  }

  /** True if something was handed over whose end we wait to hear of. */
  get dirty(): boolean {
    return this.#dirty;
  }

  /** True if all that was handed over is sent; else `$pump` of the waiting send is called when it is. */
  flushed(): boolean {
    const stream = this.#stream as Sink;
    this.#dirty = this.#busy(stream);
    if (!this.#dirty) return true;
    this.mark();
    return false;
  }

  /** See that we are told when it is sent. */
  mark(): void {
    const stream = this.#stream;
    if (stream === null || this.#sent !== Sent.MARKED || this.#marked || this.ended) return;
    this.#marked = true;
    stream.write(EMPTY, this.#flushedCallback);
  }

  /** @internal What was handed over may be sent. */
  $flushed(): void {
    const stream = this.#stream;
    if (stream === null || this.#busy(stream)) return;
    const op = this.#op;
    if (op?.$pumped()) this.side.wake();
    this.side.changed();
  }

  /** Nothing can be sent any more. The first reason counts. */
  fail(error: Error): void {
    this.error ??= error;
    this.side.wake();
    this.side.changed();
  }

  /** Closed from this side: who waits hears of it. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.side.wake();
    this.side.changed();
    this.side.end();
  }

  /** Send the end. Who waits is told, and what it had not handed over is not sent. */
  shut(): void {
    if (this.ended || this.#stream === null) return;
    this.ended = true;
    this.#shut = this.side.waiting;
    this.side.wake();
    this.side.changed();
    this.#stream.end();
  }

  /** A send of all of `bytes`, without a limit of its own. Most are over at once and are used for the next. */
  all(bytes: Uint8Array | string): Send {
    const spare = this.#spare;
    if (spare === null || debugging) return new Send(this, bytes, false, undefined);
    this.#spare = null;
    spare.$again(bytes);
    return spare;
  }

  /** That one is over. */
  over(op: Send): void {
    this.#spare = op;
  }

  /** Refuse a send that cannot be. */
  check(what: string): void {
    if (this.closed) throw badDescriptor(what);
    this.side.claim();
    if (this.error !== null) throw this.error;
    if (this.ended) throw new SocketError('EPIPE', `${what}: EPIPE: the sending side was shut down`);
    if (this.#stream === null) throw new SocketError('ENOTCONN', `${what}: ENOTCONN: the socket is not connected`);
  }

  wait(hub: Hub, slot: number, ms: number | null, op: Send): void {
    this.#op = op;
    this.side.park(hub, slot, ms);
  }

  /** The wait is over; true if its limit ended it. */
  leave(hub: Hub, slot: number): boolean {
    this.#op = null;
    return this.side.leave(hub, slot);
  }

  /** Throw what ended a send early, if it was ended. */
  verdict(): void {
    if (this.closed) throw closedError();
    if (this.#shut) {
      this.#shut = false;
      throw closedError();
    }
    if (this.error !== null) throw this.error;
  }
}

export type Data = string | ArrayBufferView | ArrayBuffer;

/** Bytes of whatever may be sent, without copying them; short text stays text. */
export function toBytes(data: Data, where: string): Uint8Array | string {
  if (typeof data === 'string') return data.length * 3 <= CHUNK ? data : Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new TypeError(`${where}: expected a string, a Buffer or another view of bytes, got ${typeof data}`);
}

/** Send bytes: all of them, or (`part`) as many as go at once. Gives how many. */
export class Send extends Operation<number> {
  readonly #writer: Writer;
  #bytes: Uint8Array | string;
  #length: number;
  readonly #part: boolean;
  #limit: Limit | undefined;
  #given = 0;
  #used = false;
  #parked = false;
  #done = false;

  constructor(writer: Writer, bytes: Uint8Array | string, part: boolean, limit: Limit | undefined) {
    super();
    this.#writer = writer;
    this.#bytes = bytes;
    this.#length = typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length;
    this.#part = part;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'send(timeout)');
  }

  describe(): string {
    return `${this.#writer.side.describe()}, ${this.#given} of ${this.#length} bytes handed over`;
  }

  begin(hub: Hub, slot: number): boolean {
    const writer = this.#writer;
    writer.check('send');
    if (this.#used) throw reused(this);
    this.#used = true;
    if (this.#length === 0) {
      this.#done = true;
      return true;
    }
    const limit = this.#limit;
    const ms = limit === undefined ? writer.limitMs : msOf(limit, null, 'send(timeout)');
    if (ms === 0) return this.#atOnce(writer);
    if (this.#pump(writer)) return true;
    this.#parked = true;
    writer.wait(hub, slot, ms, this);
    return false;
  }

  /** @internal Another limit, before it is consumed. */
  $limit(limit: Limit): void {
    this.#limit = limit;
  }

  /** @internal Over, it sends something else. */
  $again(bytes: Uint8Array | string): void {
    this.#bytes = bytes;
    this.#length = typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length;
    this.#given = 0;
    this.#used = this.#parked = this.#done = false;
  }

  /** Hand over until something has to be waited for; true when all is sent. */
  #pump(writer: Writer): boolean {
    const bytes = this.#bytes;
    if (writer.dirty && !writer.flushed()) return false;
    while (this.#given < this.#length && !(this.#part && this.#given > 0)) {
      if (typeof bytes === 'string' || (this.#given === 0 && bytes.length <= CHUNK)) {
        this.#gave(writer, this.#length);
        writer.put(bytes);
      } else {
        const piece = bytes.subarray(this.#given, this.#given + CHUNK);
        this.#gave(writer, piece.length);
        writer.put(piece);
      }
      if (!writer.flushed()) return false;
    }
    this.#done = true;
    return true;
  }

  #gave(writer: Writer, count: number): void {
    this.#given += count;
    writer.given += count;
  }

  /** Timeout 0: what goes, goes, from a copy, since nobody waits until it is gone. */
  #atOnce(writer: Writer): boolean {
    if (!writer.flushed()) throw wouldBlock('send');
    const bytes = this.#bytes;
    const whole = typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.subarray(0, CHUNK));
    this.#gave(writer, whole.length);
    writer.put(whole);
    writer.flushed();
    if (whole.length < this.#length && !this.#part) throw wouldBlock('sendall');
    this.#done = true;
    return true;
  }

  /** @internal What was handed over is sent: go on. True if the waiter is to run. */
  $pumped(): boolean {
    const writer = this.#writer;
    if (writer.closed || writer.ended) return true;
    try {
      return this.#pump(writer);
    } catch {
      // The writer keeps it.
      return true;
    }
  }

  complete(hub: Hub, slot: number): number {
    const writer = this.#writer;
    const late = this.#parked && writer.leave(hub, slot);
    const given = this.#given;
    if (this.#done) {
      if (!this.#part && this.#limit === undefined) {
        // Not held any longer than the send.
        this.#bytes = '';
        writer.over(this);
      }
      return given;
    }
    writer.verdict();
    if (late) throw this.#limit instanceof Timeout ? expired(hub, this.#limit) : new SocketTimeout(writer.late);
    return given;
  }

  override abandon(hub: Hub, slot: number): void {
    this.#writer.leave(hub, slot);
  }
}
