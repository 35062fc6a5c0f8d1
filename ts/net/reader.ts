// Reading from one of Node's readable streams as a greenlet does: ask, wait, get. What has arrived waits in a queue here
// until somebody takes it; when too much does, the stream is paused, and the peer hears of it by TCP's own flow control.
//
//   N1  bytes leave the queue only in complete(): a wait that is killed or times out loses none (S1)
//   N2  nothing is read before the first wait: a socket that was accepted and is wrapped in TLS first is untouched
//   N3  the queue holds HIGH bytes, or what one wait asked for, and one chunk of Node's (64 KB)

import { Buffer } from 'node:buffer';
import { Socket as NodeSocket } from 'node:net';
import type { Hub } from '../hub/hub.ts';
import { expired, limitMs } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { badDescriptor, closedError, SocketError, SocketTimeout, wouldBlock } from './errors.ts';
import { Side } from './side.ts';

/** Pause at this many bytes that nobody took, go on reading below LOW. */
const HIGH = 128 * 1024;
const LOW = 32 * 1024;

export const EMPTY: Buffer<ArrayBufferLike> = Buffer.alloc(0);

const READER: unique symbol = Symbol('gevent.reader');

/** What of Node's stream is used here. */
export interface Source {
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  pause(): unknown;
  resume(): unknown;
  unshift(chunk: Uint8Array): void;
  readonly destroyed: boolean;
  readonly readableEnded: boolean;
  /** Who reads from it by the listeners that all share. */
  [READER]?: Reader | undefined;
}

/** One `wait` of a reader: when it has enough. */
type Enough = () => boolean;

/** Where a read buffer of Node's is copied to at once, and how much was. */
export interface Target {
  readonly into: Uint8Array;
  filled: number;
}

/** What listens to a stream for a reader. A closure an event and stream would be 300 bytes a connection. */
function listenersOf(reader: (stream: Source) => Reader) {
  return {
    data(this: Source, chunk: Buffer | string): void {
      reader(this).$data(chunk);
    },
    end(this: Source): void {
      reader(this).finish(null);
    },
    close(this: Source): void {
      reader(this).$close();
    },
  };
}

/** For all streams that one reader reads from, as nearly all are. */
const SHARED = listenersOf((stream) => stream[READER] as Reader);

export class Reader {
  readonly side: Side;
  /** The limit of waits that have none of their own, ms; null: none; 0: never wait. */
  limitMs: number | null = null;
  /** What its timeout says. */
  late = 'timed out';
  /** Nothing more will come. */
  ended = false;
  /** Nothing more will come, for a reason. */
  error: Error | null = null;
  /** Closed from this side. */
  closed = false;
  /** Bytes taken so far. */
  taken = 0;
  #size = 0;
  /** What lies first; null: nothing. */
  #head: Buffer | null = null;
  /** What lies behind it, from #first on. */
  readonly #more: Buffer[] = [];
  #first = 0;
  #flowing = false;
  #most = HIGH;
  #enough: Enough | null = null;
  #shut = false;
  #clean = false;
  #target: Target | null = null;
  #stream: Source | null = null;
  #listeners = SHARED;

  constructor(what: string) {
    this.side = new Side(what);
  }

  /** Read from `stream`. `data` false: its bytes come through arrived() instead of events. */
  attach(stream: Source, data: boolean): void {
    this.#stream = stream;
    if (stream[READER] === undefined) stream[READER] = this;
    else this.#listeners = listenersOf(() => this);
    const listeners = this.#listeners;
    // Nobody pushes into a socket but Node, from its event loop.
    this.#clean = stream instanceof NodeSocket;
    if (data) {
      // Paused before, so that the listener starts nothing (N2).
      stream.pause();
      stream.on('data', listeners.data);
    }
    stream.on('end', listeners.end);
    stream.on('close', listeners.close);
    if (stream.readableEnded) this.ended = true;
  }

  /** Leave the stream to somebody else, with what was read and not taken. */
  detach(): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    const listeners = this.#listeners;
    stream.off('data', listeners.data);
    stream.off('end', listeners.end);
    stream.off('close', listeners.close);
    if (listeners === SHARED) stream[READER] = undefined;
    if (this.#flowing) stream.pause();
    this.#flowing = false;
    if (this.#size > 0 && !stream.destroyed) stream.unshift(this.#takeAll());
    this.drop();
  }

  /** @internal The stream gave bytes. */
  $data(chunk: Buffer | string): void {
    // Somebody else had the stream go on, as Node does with the pipes of a child that has exited.
    if (!this.#flowing) this.#stream?.pause();
    this.arrived(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  }

  /** @internal The stream is closed. */
  $close(): void {
    // Mostly closed by us: an error that nobody will read costs as much as an echo.
    if (this.closed || this.ended) return;
    const stream = this.#stream as Source;
    this.finish(stream.readableEnded ? null : new SocketError('ECONNABORTED', 'the stream was closed before its end'));
  }

  /** Bytes that can be taken without waiting. */
  get size(): number {
    return this.#size;
  }

  /** True if a read would not wait. */
  get ready(): boolean {
    return this.#size > 0 || this.ended || this.error !== null || this.closed;
  }

  /** Bytes have come. False if no more are wanted now. */
  arrived(chunk: Buffer): boolean {
    if (this.#head === null) this.#head = chunk;
    else this.#more.push(chunk);
    this.#size += chunk.length;
    const enough = this.#enough;
    const wakes = enough === null || enough();
    // A line may be longer than the queue; what comes behind it, before its reader's turn, is bounded as ever.
    if (wakes) this.#most = HIGH;
    if (this.#size >= this.#most && this.#flowing) {
      this.#flowing = false;
      this.#stream?.pause();
    }
    if (this.side.watched) this.side.changed();
    if (wakes) this.side.wake(this.#clean);
    return this.#flowing;
  }

  /** Bytes have come in a buffer that the platform uses again: they are copied, at best to where they are wanted. */
  received(length: number, buffer: Uint8Array): boolean {
    const target = this.#target;
    if (target !== null && target.filled === 0 && this.#size === 0) {
      const fits = Math.min(length, target.into.length);
      target.into.set(buffer.subarray(0, fits));
      target.filled = fits;
      if (fits === length) {
        this.side.wake(this.#clean);
        return this.#flowing;
      }
      return this.arrived(Buffer.from(buffer.subarray(fits, length)));
    }
    return this.arrived(Buffer.from(buffer.subarray(0, length)));
  }

  /** Nothing more will come. The first to say so counts. */
  finish(error: Error | null): void {
    if (this.ended || this.error !== null) return;
    if (error === null) this.ended = true;
    else this.error = error;
    this.side.wake();
    this.side.changed();
  }

  /** Closed from this side: who waits hears of it, and what came is dropped. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.drop();
    this.side.wake();
    this.side.changed();
    this.side.end();
  }

  /** No more reading, by `shutdown`: who waits is told, later ones get what came and then the end. */
  shut(): void {
    if (this.side.waiting) this.#shut = true;
    this.finish(null);
  }

  /** Forget what came. */
  drop(): void {
    this.#head = null;
    this.#more.length = 0;
    this.#first = this.#size = 0;
  }

  /** Have the stream send what it has. */
  flow(): void {
    if (this.#flowing || this.#stream === null || this.ended || this.error !== null) return;
    this.#flowing = true;
    this.#stream.resume();
  }

  // ---- waiting --------------------------------------------------------------------------------------------------------

  /** Refuse a read that cannot be. */
  check(what: string): void {
    if (this.closed) throw badDescriptor(what);
    this.side.claim();
    if (this.#stream === null && !this.ended && this.error === null) {
      throw new SocketError('ENOTCONN', `${what}: ENOTCONN: the socket is not connected`);
    }
  }

  /** Wait until `enough` (null: anything) has come, `want` bytes at most. */
  wait(hub: Hub, slot: number, ms: number | null, what: string, enough: Enough | null, want: number): void {
    if (want > HIGH) this.#most = want;
    this.flow();
    if (ms === 0) {
      this.#most = HIGH;
      throw wouldBlock(what);
    }
    this.#enough = enough;
    this.side.park(hub, slot, ms);
  }

  /** Have the next bytes copied to `target` if they come in a shared buffer. */
  aim(target: Target | null): void {
    this.#target = target;
  }

  /** The wait is over; true if its limit ended it. */
  leave(hub: Hub, slot: number): boolean {
    this.#enough = null;
    this.#most = HIGH;
    return this.side.leave(hub, slot);
  }

  /** What a read that found nothing gives: the end as `undefined`, or an error. */
  nothing(hub: Hub, late: boolean, limit: Limit | undefined): undefined {
    if (this.closed) throw closedError();
    if (this.#shut) {
      this.#shut = false;
      throw closedError();
    }
    if (this.error !== null) throw this.error;
    if (late && !this.ended) throw limit instanceof Timeout ? expired(hub, limit) : new SocketTimeout(this.late);
    return undefined;
  }

  // ---- taking ---------------------------------------------------------------------------------------------------------

  /** What lies first, `max` bytes of it at most. */
  take(max: number): Buffer {
    let chunk = this.#head as Buffer;
    if (chunk.length > max) {
      this.#head = chunk.subarray(max);
      chunk = chunk.subarray(0, max);
    } else if (this.#more.length === 0) this.#head = null;
    else this.#advance();
    this.#took(chunk.length);
    return chunk;
  }

  #advance(): void {
    const more = this.#more;
    this.#head = more[this.#first];
    if (++this.#first === more.length) more.length = this.#first = 0;
    else if (this.#first >= 64) {
      more.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** All that lies here, in order. */
  #all(): Buffer[] {
    return this.#head === null ? [] : [this.#head, ...this.#more.slice(this.#first)];
  }

  #took(count: number): void {
    this.#size -= count;
    this.taken += count;
    if (this.#size <= LOW && this.#stream !== null && !this.#flowing) this.flow();
  }

  /** Exactly `count` bytes, or all there are if fewer. */
  takeExactly(count: number): Buffer {
    const total = Math.min(count, this.#size);
    if (total === 0) return EMPTY;
    if ((this.#head as Buffer).length >= total) return this.take(total);
    const whole = Buffer.allocUnsafe(total);
    this.takeInto(whole);
    return whole;
  }

  /** Fill `into` as far as there are bytes; how many. */
  takeInto(into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length && this.#size > 0) {
      const piece = this.take(into.length - filled);
      into.set(piece, filled);
      filled += piece.length;
    }
    return filled;
  }

  #takeAll(): Buffer {
    return Buffer.concat(this.#all());
  }

  /** Put bytes back in front. */
  putBack(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#head !== null) {
      if (this.#first > 0) this.#more[--this.#first] = this.#head;
      else this.#more.unshift(this.#head);
    }
    this.#head = bytes;
    this.#size += bytes.length;
    this.taken -= bytes.length;
    if (this.side.watched) this.side.changed();
  }

  /** A copy of the first bytes, `max` at most, left where they are. */
  peek(max: number): Buffer {
    return Buffer.concat(this.#all()).subarray(0, max);
  }

  /** How many bytes to the first `delimiter` behind the first `from` bytes, it included; -1 if it is not there. */
  find(delimiter: number, from: number): number {
    let before = 0;
    for (let chunk = this.#head, i = this.#first; chunk !== null; chunk = this.#more[i++] ?? null) {
      if (before + chunk.length > from) {
        const at = chunk.indexOf(delimiter, Math.max(0, from - before));
        if (at >= 0) return before + at + 1;
      }
      before += chunk.length;
    }
    return -1;
  }
}

/** Milliseconds of a limit given for one wait, or else of the side. */
export function msOf(limit: Limit | undefined, sides: number | null, where: string): number | null {
  return limit === undefined ? sides : limitMs(limit, where);
}
