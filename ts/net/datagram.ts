// Datagrams: a socket of node:dgram, and what has come and was not taken. Node cannot be asked to stop reading, so what
// comes while MOST bytes wait is dropped, as the kernel does when its own buffer is full.

import type { Buffer } from 'node:buffer';
import { createSocket, type Socket as NodeDatagram, type RemoteInfo, type SocketType } from 'node:dgram';
import type { Hub } from '../hub/hub.ts';
import { Operation, SingleUse } from '../hub/operation.ts';
import { expired } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import type { InetAddress } from './address.ts';
import { badDescriptor, closedError, fromNode, SocketTimeout, wouldBlock } from './errors.ts';
import type { Order } from './order.ts';
import { EMPTY, msOf } from './reader.ts';
import { Side } from './side.ts';

const MOST = 1024 * 1024;
/** What a datagram costs beside its bytes. */
const OVERHEAD = 64;

export interface Datagram {
  readonly data: Buffer;
  readonly address: InetAddress;
}

export interface DatagramOptions {
  ipv6: boolean;
  reuseAddr: boolean;
  reusePort: boolean;
  ipv6Only: boolean;
}

export class Datagrams {
  readonly reading = new Side('recvfrom');
  readonly writing = new Side('sendto');
  /** Sends under way. */ readonly senders = new Set<Side>();
  readonly node: NodeDatagram;
  limitMs: number | null = null;
  closed = false;
  /** Datagrams that came while too many waited. */
  dropped = 0;
  #error: Error | null = null;
  #queue: Datagram[] = [];
  #first = 0;
  #size = 0;

  constructor({ ipv6, reuseAddr, reusePort, ipv6Only }: DatagramOptions) {
    const type: SocketType = ipv6 ? 'udp6' : 'udp4';
    this.node = createSocket({ type, reuseAddr, reusePort, ipv6Only });
    this.node.on('message', (data, from) => this.#came(data, from));
    // An error of binding is its order's to tell.
    this.node.on('error', (error) => {
      if (this.node.listenerCount('error') === 1) this.fail(fromNode(error));
    });
  }

  /** Take the address; `order` hears of it. `bound` is called before that. */
  bind(port: number, address: string, bound: () => void, order: Order<void>): void {
    const { node } = this;
    const failed = (error: Error) => order.fail(fromNode(error));
    node.once('error', failed);
    node.bind({ port, address }, () => {
      node.off('error', failed);
      try {
        bound();
        order.settle();
      } catch (error) {
        order.fail(fromNode(error));
      }
    });
  }

  /** Fix the peer; `order` hears of it. */
  pair([host, port]: InetAddress, order: Order<void>): void {
    const connect = () =>
      this.node.connect(port, host, (error?: Error) => (error ? order.fail(fromNode(error)) : order.settle()));
    try {
      this.node.remoteAddress();
      this.node.disconnect();
    } catch {
      // It had none.
    }
    connect();
  }

  #came(data: Buffer, from: RemoteInfo): void {
    const size = data.length + OVERHEAD;
    if (this.#size + size > MOST) {
      ++this.dropped;
      return;
    }
    this.#size += size;
    this.#queue.push({ data, address: [from.address, from.port] });
    this.reading.wake();
    if (this.reading.watched) this.reading.changed();
  }

  /** An error that came by itself, such as ECONNREFUSED on a connected socket: the next call hears of it. */
  fail(error: Error): void {
    this.#error = error;
    this.reading.wake();
    this.reading.changed();
  }

  get ready(): boolean {
    return this.closed || this.#error !== null || this.#first < this.#queue.length;
  }

  /** The oldest datagram, or undefined. Throws a pending error, once. */
  take(): Datagram | undefined {
    if (this.#first < this.#queue.length) {
      const datagram = this.#queue[this.#first];
      if (++this.#first === this.#queue.length) {
        this.#queue.length = 0;
        this.#first = 0;
      } else if (this.#first >= 1024) {
        this.#queue.splice(0, this.#first);
        this.#first = 0;
      }
      this.#size -= datagram.data.length + OVERHEAD;
      return datagram;
    }
    this.raise();
    return undefined;
  }

  /** Throw a pending error, once. */
  raise(): void {
    const error = this.#error;
    this.#error = null;
    if (error !== null) throw error;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.node.close();
    this.#queue = [];
    this.#first = this.#size = 0;
    // Node forgets a send whose host name was being looked up.
    for (const side of [this.reading, this.writing, ...this.senders]) {
      side.wake();
      side.changed();
      side.end();
    }
  }
}

/** The next datagram, cut to `max` bytes, as `make` gives it. */
export class RecvFrom<T> extends Operation<T> {
  readonly #socket: Datagrams;
  readonly #make: (datagram: Datagram) => T;
  readonly #limit: Limit | undefined;

  constructor(socket: Datagrams, make: (datagram: Datagram) => T, limit: Limit | undefined) {
    super();
    this.#socket = socket;
    this.#make = make;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'recvfrom(timeout)');
  }

  describe(): string {
    return this.#socket.reading.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    const socket = this.#socket;
    if (socket.closed) throw badDescriptor('recvfrom');
    socket.reading.claim();
    if (socket.ready) return true;
    const ms = msOf(this.#limit, socket.limitMs, 'recvfrom(timeout)');
    if (ms === 0) throw wouldBlock('recvfrom');
    socket.reading.park(hub, slot, ms);
    return false;
  }

  complete(hub: Hub, slot: number): T {
    const socket = this.#socket;
    const late = socket.reading.leave(hub, slot);
    if (socket.closed) throw closedError();
    const datagram = socket.take();
    if (datagram !== undefined) return this.#make(datagram);
    if (late && this.#limit instanceof Timeout) throw expired(hub, this.#limit);
    throw new SocketTimeout();
  }

  override abandon(hub: Hub, slot: number): void {
    this.#socket.reading.leave(hub, slot);
  }
}

/** Send a datagram: how many bytes. Several greenlets may send at once: each goes as a whole. */
export class SendTo extends SingleUse<number> {
  readonly #socket: Datagrams;
  readonly #bytes: Uint8Array | string;
  readonly #to: InetAddress | null;
  readonly #limit: Limit | undefined;
  readonly #side = new Side('sendto');
  #error: Error | null = null;
  #sent = -1;

  constructor(socket: Datagrams, bytes: Uint8Array | string, to: InetAddress | null, limit: Limit | undefined) {
    super();
    this.#socket = socket;
    this.#bytes = bytes;
    this.#to = to;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'sendto(timeout)');
  }

  describe(): string {
    return this.#to === null ? 'send of a datagram' : `sendto ${this.#to[0]}:${this.#to[1]}`;
  }

  begin(hub: Hub, slot: number): boolean {
    const socket = this.#socket;
    if (socket.closed) throw badDescriptor('sendto');
    this.use();
    socket.raise();
    const ms = msOf(this.#limit, socket.limitMs, 'sendto(timeout)');
    const done = (error: Error | null, sent?: number) => {
      if (error) this.#error = fromNode(error);
      else this.#sent = sent as number;
      this.#side.wake();
    };
    const bytes = typeof this.#bytes === 'string' || this.#bytes.length > 0 ? this.#bytes : EMPTY;
    if (this.#to === null) socket.node.send(bytes, done);
    else socket.node.send(bytes, this.#to[1], this.#to[0], done);
    if (ms === 0) {
      // It is on its way; nobody waits to hear.
      this.#sent = typeof bytes === 'string' ? new TextEncoder().encode(bytes).length : bytes.length;
      return true;
    }
    this.#side.park(hub, slot, ms);
    socket.senders.add(this.#side);
    return false;
  }

  complete(hub: Hub, slot: number): number {
    const late = this.#leave(hub, slot);
    if (this.#error !== null) throw this.#error;
    if (this.#sent >= 0) return this.#sent;
    if (this.#socket.closed) throw closedError();
    if (late && this.#limit instanceof Timeout) throw expired(hub, this.#limit);
    throw new SocketTimeout();
  }

  #leave(hub: Hub, slot: number): boolean {
    this.#socket.senders.delete(this.#side);
    const late = this.#side.leave(hub, slot);
    this.#side.end();
    return late;
  }

  override abandon(hub: Hub, slot: number): void {
    this.#leave(hub, slot);
  }
}
