// One websocket of the `ws` library, on either side, received from and sent to in sequence.
//
// V1  what has arrived and was not received is in #arrived; beyond HIGH_WATER of it the socket is paused, so that a peer
//     that sends faster than it is read is slowed down by TCP
// V2  one greenlet receives at a time; any number may send

import type { IncomingMessage } from 'node:http';
import { type RawData, WebSocket as Socket } from 'ws';
import { describe, wrongRange, wrongType } from '../../core/arguments.ts';
import { ConcurrentObjectUseError, GeventError } from '../../exceptions.ts';
import { ForeignWait } from '../../foreign.ts';
import { debugging } from '../../hub/current.ts';
import type { Hub } from '../../hub/hub.ts';
import { Operation } from '../../hub/operation.ts';
import { expired, limitMs, timeoutOf } from '../../limit.ts';
import type { Limit } from '../../timeout.ts';
import { EmitterWait } from '../emitter.ts';
import { Side } from '../side.ts';

/** Messages, or bytes, that are held for a greenlet that does not receive, before the peer is slowed down. */
const HIGH_WATER = 64;
const HIGH_WATER_BYTES = 1 << 20;
/** Bytes on their way out before `send` waits. */
const SEND_WATER = 1 << 16;

export type Data = string | Uint8Array | ArrayBuffer;

/** The connection is closed and nothing can be sent any more, or it broke. */
export class WebSocketClosed extends GeventError {
  static override readonly name: string = 'WebSocketClosed';
  /** The code of the close frame; 1006 if there was none. */
  readonly closeCode: number;

  constructor(doing: string, closeCode: number, reason: string) {
    super(
      'GEVENT_WEBSOCKET_CLOSED',
      `${doing}: the websocket is closed, code ${closeCode}${reason && `, ${describe(reason)}`}`,
    );
    this.closeCode = closeCode;
  }
}

/** A websocket. Made by a server for its handler, and by `connect`. */
export class WebSocket {
  /** The `ws` library's own socket. */
  readonly socket: Socket;
  /** The request it began with; null for those made by `connect`. */
  readonly request: IncomingMessage | null;
  #arrived: (string | Buffer)[] = [];
  #bytes = 0;
  /** @internal */ readonly $side: Side = new Receiving(this);
  #receive: Receive | null = null;
  #error: Error | null = null;
  #code = 1006;
  #reason = '';
  #ended = false;

  /** @internal */
  constructor(socket: Socket, request: IncomingMessage | null) {
    this.socket = socket;
    this.request = request;
    socket.binaryType = 'nodebuffer';
    socket.on('message', (data, isBinary) => this.#message(data, isBinary));
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', (code, reason) => {
      this.#code = code;
      this.#reason = reason.toString();
      this.#ended = true;
      this.$side.wake();
      this.$side.end();
    });
  }

  #message(data: RawData, isBinary: boolean): void {
    const bytes = data as Buffer;
    this.#arrived.push(isBinary ? bytes : bytes.toString());
    this.#bytes += bytes.length;
    if (this.#full && !this.socket.isPaused) this.socket.pause(); // V1
    // A message that comes alone is served behind the platform's callback, and not a round later.
    this.$side.wake();
  }

  get #full(): boolean {
    return this.#arrived.length >= HIGH_WATER || this.#bytes >= HIGH_WATER_BYTES;
  }

  /**
   * The next message: a string or a Buffer, as it was sent; null once the peer has closed. Switch point, unless one is there.
   * @param options.timeout - seconds; then Timeout is raised. Default: no limit.
   * @throws ConcurrentObjectUseError if another greenlet receives
   * @throws Error of the `ws` library if the peer broke the protocol: bad frames, bad UTF-8, more than `maxPayload`. A server's
   *   handler that lets it pass is not reported
   */
  receive(options?: { timeout?: Limit }): Operation<string | Buffer | null> {
    if (options === undefined && !debugging) {
      this.#receive ??= new Receive(this, null);
      return this.#receive;
    }
    return new Receive(this, timeoutOf('receive(options)', options) ?? null);
  }

  /** @internal */
  $ready(): boolean {
    return this.#arrived.length > 0 || this.#ended;
  }

  /** @internal V2 */
  $enter(): void {
    if (this.$side.waiting) {
      throw new ConcurrentObjectUseError(
        `This websocket is already used by another greenlet: ${this} is being received from`,
      );
    }
  }

  /** @internal */
  $take(): string | Buffer | null {
    const message = this.#arrived.shift();
    if (message === undefined) {
      if (this.#error !== null) throw this.#error;
      return null;
    }
    this.#bytes -= message.length;
    if (this.socket.isPaused && !this.#full) this.socket.resume();
    return message;
  }

  /**
   * Send a message: a string as text, bytes as binary. Switch point only if the peer is slow: while 64 KB wait to be sent.
   * @throws WebSocketClosed if it is closed, or closes while this waits
   */
  send(data: Data): Operation<void> {
    if (typeof data !== 'string' && !(data instanceof Uint8Array) && !(data instanceof ArrayBuffer)) {
      throw wrongType('send(data)', 'a string or bytes', data);
    }
    return new Send(this, data);
  }

  /** @internal It is what the peer did that is told by `error`. */
  $broke(error: unknown): boolean {
    return error !== null && error === this.#error;
  }

  /** @internal */
  $closed(doing: string): WebSocketClosed {
    return new WebSocketClosed(doing, this.#code, this.#reason);
  }

  /**
   * Ping the peer and wait for its answer: gives the seconds it took. Switch point.
   * @throws Timeout if `timeout` came first, WebSocketClosed if the connection ended
   */
  ping(options?: { timeout?: Limit }): Operation<number> {
    const { socket } = this;
    const limit = timeoutOf('ping(options)', options) ?? null;
    let began = 0;
    return new EmitterWait<number>({
      what: 'WebSocket.ping',
      emitter: socket,
      events: ['pong', 'close'],
      limit,
      begin: () => {
        if (socket.readyState !== Socket.OPEN) throw this.$closed('ping');
        began = performance.now();
        socket.ping();
        return false;
      },
      end: (late, hub) => {
        if (late) throw expired(hub, limit);
        if (this.#ended) throw this.$closed('ping');
        return (performance.now() - began) / 1000;
      },
    });
  }

  /**
   * Begin to close, with a code and a reason of at most 123 bytes. Acts at once; the operation waits until the peer has
   * closed as well, which is given up after 30 seconds. Switch point, unless it is closed.
   */
  close(code = 1000, reason = ''): Operation<void> {
    if (
      !(code === 1000 || (Number.isInteger(code) && code >= 1001 && code <= 4999 && code !== 1005 && code !== 1006))
    ) {
      throw wrongRange('close(code)', '1000 to 4999, without 1005 and 1006', code);
    }
    if (Buffer.byteLength(reason) > 123) throw wrongRange('close(reason)', 'at most 123 bytes', reason);
    const { socket } = this;
    socket.close(code, reason);
    // Paused, it would not see the peer's close frame.
    this.#arrived = [];
    this.#bytes = 0;
    if (socket.isPaused) socket.resume();
    return new EmitterWait<void>({
      what: 'WebSocket.close',
      emitter: socket,
      events: ['close'],
      begin: () => socket.readyState === Socket.CLOSED,
      end() {},
    });
  }

  /** Close the connection without a word. */
  terminate(): void {
    this.socket.terminate();
  }

  /** True once nothing can be sent any more. */
  get closed(): boolean {
    return this.socket.readyState !== Socket.OPEN;
  }

  /** The peer's close code; 1006 if the connection ended without one, or has not ended. */
  get closeCode(): number {
    return this.#code;
  }

  get closeReason(): string {
    return this.#reason;
  }

  /** The subprotocol that was agreed on; empty: none. */
  get protocol(): string {
    return this.socket.protocol;
  }

  /** Messages that have arrived and were not received. */
  get pending(): number {
    return this.#arrived.length;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string | Buffer, void, void> {
    for (;;) {
      const message = await this.receive();
      if (message === null) return;
      yield message;
    }
  }

  [Symbol.dispose](): void {
    if (!this.closed) this.socket.close();
  }

  toString(): string {
    const state = ['connecting', 'open', 'closing', 'closed'][this.socket.readyState];
    return `<WebSocket ${this.request?.url ?? this.socket.url} ${state}>`;
  }
}

/** Who receives waits here; named by its websocket. */
class Receiving extends Side {
  readonly #of: WebSocket;

  constructor(of: WebSocket) {
    super('receive');
    this.#of = of;
  }

  override describe(): string {
    return `receive from ${this.#of}`;
  }
}

/** Without a limit it holds no state, so that one serves a websocket for life. */
class Receive extends Operation<string | Buffer | null> {
  readonly #from: WebSocket;
  readonly #limit: Limit;

  constructor(from: WebSocket, limit: Limit) {
    limitMs(limit, 'receive(timeout)');
    super();
    this.#from = from;
    this.#limit = limit;
  }

  describe(): string {
    return this.#from.$side.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    const from = this.#from;
    from.$enter();
    if (from.$ready()) return true;
    const limit = this.#limit;
    from.$side.park(hub, slot, limit === null ? null : limitMs(limit, 'receive(timeout)'));
    return false;
  }

  complete(hub: Hub, slot: number): string | Buffer | null {
    const from = this.#from;
    from.$side.leave(hub, slot);
    if (!from.$ready()) throw expired(hub, this.#limit);
    return from.$take();
  }

  override abandon(hub: Hub, slot: number): void {
    this.#from.$side.leave(hub, slot);
  }
}

class Send extends ForeignWait<void> {
  readonly #to: WebSocket;
  readonly #data: Data;
  #failed = false;

  constructor(to: WebSocket, data: Data) {
    super();
    this.#to = to;
    this.#data = data;
  }

  describe(): string {
    return `send to ${this.#to}, until the peer has read`;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const { socket } = this.#to;
    if (socket.readyState !== Socket.OPEN) throw this.#to.$closed('send');
    const data = this.#data;
    const size = typeof data === 'string' ? data.length : data.byteLength;
    if (socket.bufferedAmount + size < SEND_WATER) {
      socket.send(data);
      return true;
    }
    this.wait(hub, slot, null);
    // Called when all of it is with the system, or never will be.
    socket.send(data, (error) => {
      this.#failed = error !== undefined && error !== null;
      this.happened();
    });
    return false;
  }

  complete(hub: Hub): void {
    this.unwait(hub);
    if (this.#failed) throw this.#to.$closed('send');
  }
}
