// Connecting: an attempt, and the operations that wait for one.

import { Socket as NodeSocket } from 'node:net';
import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { SingleUse } from '../hub/operation.ts';
import { expired } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { type Address, AF_INET6, anyHost, familyOf, type InetAddress, SOCK_DGRAM, shown } from './address.ts';
import type { Socket } from './endpoint.ts';
import { AddressError, closedError, fromNode, SocketError, SocketTimeout } from './errors.ts';
import { Order } from './order.ts';
import { msOf } from './reader.ts';
import { getResolver } from './resolver.ts';
import { Side } from './side.ts';

/** Bytes of one read; all sockets that connect share one buffer, since each copies at once what came. */
const shared = new Uint8Array(65536);

/** One attempt to connect. It lives as long as the wait for it, or, with timeout 0, by itself. */
export class Attempt {
  readonly side = new Side('connect');
  readonly node: NodeSocket;
  error: Error | null = null;
  done = false;
  readonly #socket: Socket;

  constructor(socket: Socket, address: Address) {
    this.#socket = socket;
    const { $reader: reader } = socket;
    const node = new NodeSocket({
      allowHalfOpen: true,
      onread: { buffer: shared, callback: (length: number, buffer: Uint8Array) => reader.received(length, buffer) },
    });
    this.node = node;
    // Nothing is read before the first wait.
    node.pause();
    node.once('connect', () => this.#settle(null, address));
    node.once('error', (error) => this.#settle(fromNode(error, isLookup(error) ? AddressError : SocketError), address));
    if (!socket.ref) node.unref();
    if (typeof address === 'string') node.connect({ path: address });
    else node.connect(connectOptions(socket, address));
  }

  #settle(error: Error | null, address: Address): void {
    if (this.done) return;
    this.done = true;
    this.error = error;
    const socket = this.#socket;
    if (error === null) {
      socket.$attempt = null;
      socket.$joined(this.node, address);
    }
    this.side.wake();
    socket.$writer.side.changed();
    socket.$reader.side.changed();
  }

  /** Nobody wants it any more. */
  cancel(): void {
    if (this.#socket.$attempt === this) this.#socket.$attempt = null;
    if (this.done && this.error === null) return;
    this.done = true;
    this.error ??= closedError();
    this.node.on('error', () => {});
    this.node.destroy();
    this.side.wake();
  }
}

const isLookup = (error: unknown): boolean => (error as { syscall?: string }).syscall === 'getaddrinfo';

function connectOptions(socket: Socket, [host, port]: InetAddress) {
  const bound = socket.$bound as InetAddress | null;
  const target = host === '' ? (socket.family === AF_INET6 ? '::1' : '127.0.0.1') : host;
  const literal = familyOf(target);
  if (literal !== 0 && literal !== socket.family) {
    throw new AddressError('ENOTFOUND', `connect: ${target} is not an address of the socket's family`);
  }
  return {
    host: target,
    port,
    family: socket.family === AF_INET6 ? 6 : 4,
    autoSelectFamily: false,
    ...(bound !== null && {
      localAddress: anyHost(bound[0], socket.family),
      ...(bound[1] !== 0 && { localPort: bound[1] }),
    }),
    lookup(name: string, _options: unknown, done: (error: Error | null, address: string, family: number) => void) {
      getResolver().$first(name, socket.family, (error, address) =>
        done(error as Error | null, address as string, socket.family === AF_INET6 ? 6 : 4),
      );
    },
  };
}

/** Waits for an attempt. */
export class Connect extends SingleUse<void> {
  readonly #socket: Socket;
  readonly #address: Address;
  readonly #limit: Limit | undefined;
  #attempt: Attempt | null = null;
  #paired: Order<void> | null = null;

  constructor(socket: Socket, address: Address, limit: Limit | undefined) {
    super();
    this.#socket = socket;
    this.#address = address;
    this.#limit = limit;
    if (limit !== undefined) msOf(limit, null, 'connect(timeout)');
  }

  describe(): string {
    return `connect to ${shown(this.#address)}`;
  }

  begin(hub: Hub, slot: number): boolean {
    const socket = this.#socket;
    socket.$open('connect');
    this.use();
    if (socket.type === SOCK_DGRAM) return this.#pair(hub, slot);
    if (socket.$node !== null) throw new SocketError('EISCONN', 'connect: EISCONN: the socket is connected already');
    if (socket.$listener !== null) throw new SocketError('EINVAL', 'connect: EINVAL: the socket listens');
    const before = socket.$attempt;
    if (before !== null) {
      if (!before.done) throw new SocketError('EALREADY', 'connect: EALREADY: an attempt is under way');
      socket.$attempt = null;
      if (before.error !== null) throw before.error;
    }
    const ms = msOf(this.#limit, socket.$limitMs, 'connect(timeout)');
    const attempt = new Attempt(socket, this.#address);
    this.#attempt = attempt;
    socket.$attempt = attempt;
    if (ms === 0) throw new SocketError('EINPROGRESS', 'connect: EINPROGRESS: the attempt goes on');
    attempt.side.ref = socket.ref;
    attempt.side.what = this.describe();
    attempt.side.park(hub, slot, ms);
    return false;
  }

  /** A datagram socket only notes its peer, but the name may have to be looked up. */
  #pair(hub: Hub, slot: number): boolean {
    const order = new Order<void>(this.describe());
    this.#paired = order;
    this.#socket.$datagram().pair(this.#address as InetAddress, order);
    return order.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): void {
    const socket = this.#socket;
    if (this.#paired !== null) {
      this.#paired.complete(hub);
      socket.$paired(this.#address);
      return;
    }
    const attempt = this.#attempt as Attempt;
    const late = attempt.side.leave(hub, slot);
    attempt.side.end();
    if (attempt.done) {
      if (socket.$attempt === attempt) socket.$attempt = null;
      if (attempt.error !== null) throw attempt.error;
      return;
    }
    attempt.cancel();
    if (late && this.#limit instanceof Timeout) throw expired(hub, this.#limit);
    throw new SocketTimeout();
  }

  override abandon(hub: Hub, slot: number): void {
    if (this.#paired !== null) return this.#paired.abandon(hub, slot);
    const attempt = this.#attempt as Attempt;
    attempt.side.leave(hub, slot);
    attempt.side.end();
    // It may have come about in this very moment; then the socket is connected.
    attempt.cancel();
  }
}

/** Connect, with errors as numbers. */
export class ConnectEx extends SingleUse<number> {
  readonly #connect: Connect;
  #errno = 0;

  constructor(connect: Connect) {
    super();
    this.#connect = connect;
  }

  describe(): string {
    return this.#connect.describe();
  }

  #number(error: unknown): number {
    if (!(error instanceof SocketError) || error instanceof AddressError) throw error;
    return error instanceof SocketTimeout ? errnoAgain() : error.errno;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (debugging) hub.debug.consumed(this.#connect);
    try {
      return this.#connect.begin(hub, slot);
    } catch (error) {
      this.#errno = this.#number(error);
      return true;
    }
  }

  complete(hub: Hub, slot: number): number {
    if (this.#errno !== 0) return this.#errno;
    try {
      this.#connect.complete(hub, slot);
      return 0;
    } catch (error) {
      return this.#number(error);
    }
  }

  override abandon(hub: Hub, slot: number): void {
    this.#connect.abandon(hub, slot);
  }
}

/** What Python's connect_ex gives when the time is up. */
const errnoAgain = (): number => new SocketError('EAGAIN').errno;
