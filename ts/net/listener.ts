// A listening socket: connections that nobody has accepted yet. Node accepts by itself and cannot be asked to stop, so they
// wait here, paused before their first byte, as they would in the kernel; no more than MOST.

import { createServer, type ListenOptions, type Socket as NodeSocket, type Server } from 'node:net';
import type { Hub } from '../hub/hub.ts';
import { Operation } from '../hub/operation.ts';
import { expired } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { badDescriptor, closedError, fromNode, SocketTimeout, wouldBlock } from './errors.ts';
import type { Order } from './order.ts';
import { msOf } from './reader.ts';
import { Side } from './side.ts';

/** Connections that may wait to be accepted; further ones are closed at once. */
const MOST = 4096;

export class Listener {
  readonly side = new Side('accept');
  readonly server: Server;
  limitMs: number | null = null;
  closed = false;
  /** An error of accepting, until somebody hears of it. */
  #error: Error | null = null;
  #waiting: NodeSocket[] = [];
  #first = 0;
  #to: ((connection: NodeSocket) => void) | null = null;
  /** Connections refused because too many waited. */
  dropped = 0;

  constructor() {
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (connection) => this.#came(connection));
  }

  /** Listen; `order` hears of it. */
  open(options: ListenOptions, order: Order<void>): void {
    const { server } = this;
    server.on('error', (error) => {
      const ours = fromNode(error);
      if (!order.settled) {
        this.closed = true;
        return order.fail(ours);
      }
      this.#error = ours;
      this.side.wake();
      this.side.changed();
    });
    server.on('listening', () => order.settle());
    server.listen(options);
  }

  /** Connections go to `to` from now on, those first that wait here. For who takes this listener's place. */
  handOn(to: (connection: NodeSocket) => void): void {
    for (let node = this.take(); node !== undefined; node = this.take()) to(node);
    this.#to = to;
  }

  #came(connection: NodeSocket): void {
    if (this.#to !== null && !this.closed) return this.#to(connection);
    if (this.closed || this.#waiting.length - this.#first >= MOST) {
      ++this.dropped;
      connection.resetAndDestroy();
      return;
    }
    this.#waiting.push(connection);
    this.side.wake();
    if (this.side.watched) this.side.changed();
  }

  get ready(): boolean {
    return this.closed || this.#error !== null || this.#first < this.#waiting.length;
  }

  /** How many wait to be accepted. */
  get backlog(): number {
    return this.#waiting.length - this.#first;
  }

  /** The oldest connection, or undefined. Throws what went wrong with accepting, once. */
  take(): NodeSocket | undefined {
    if (this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      throw error;
    }
    const all = this.#waiting;
    if (this.#first === all.length) return undefined;
    const connection = all[this.#first];
    if (++this.#first === all.length) {
      all.length = 0;
      this.#first = 0;
    } else if (this.#first >= 1024) {
      all.splice(0, this.#first);
      this.#first = 0;
    }
    return connection;
  }

  /** Stop listening; who waits to be accepted is closed, as the kernel does. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.server.listening) this.server.close();
    // Not listening yet: Node is still asking for the host's address.
    else this.server.once('listening', () => this.server.close());
    for (const connection of this.#waiting.splice(this.#first)) connection.resetAndDestroy();
    this.#waiting = [];
    this.#first = 0;
    this.side.wake();
    this.side.changed();
    this.side.end();
  }
}

/** The next connection. */
export class Accept<T> extends Operation<T> {
  readonly #listener: Listener;
  readonly #make: (connection: NodeSocket) => T;
  readonly #limit: Limit | undefined;

  constructor(listener: Listener, make: (connection: NodeSocket) => T, limit: Limit | undefined) {
    super();
    this.#listener = listener;
    this.#make = make;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'accept(timeout)');
  }

  describe(): string {
    return this.#listener.side.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    const listener = this.#listener;
    if (listener.closed) throw badDescriptor('accept');
    listener.side.claim();
    if (listener.ready) return true;
    const ms = msOf(this.#limit, listener.limitMs, 'accept(timeout)');
    if (ms === 0) throw wouldBlock('accept');
    listener.side.park(hub, slot, ms);
    return false;
  }

  complete(hub: Hub, slot: number): T {
    const listener = this.#listener;
    const late = listener.side.leave(hub, slot);
    if (listener.closed) throw closedError();
    const connection = listener.take();
    if (connection !== undefined) return this.#make(connection);
    if (late && this.#limit instanceof Timeout) throw expired(hub, this.#limit);
    throw new SocketTimeout();
  }

  override abandon(hub: Hub, slot: number): void {
    this.#listener.side.leave(hub, slot);
  }
}
