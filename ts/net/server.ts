// Entry `gevent-wasm/server`: StreamServer and DatagramServer.

import { describe, wrongRange, wrongType } from '../core/arguments.ts';
import { Framed } from '../framed.ts';
import type { Operation } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import type { Limit } from '../timeout.ts';
import { settle } from '../unwind.ts';
import { type Address, type AddressFamily, AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM } from './address.ts';
import { BaseServer, type Handle } from './base-server.ts';
import { Socket } from './endpoint.ts';
import { SocketError } from './errors.ts';
import { closedOnFailure } from './making.ts';
import { IPPROTO_IPV6, IPV6_V6ONLY, SO_REUSEADDR, SOL_SOCKET } from './options.ts';
import { Order } from './order.ts';
import type { Spawn } from './running.ts';
import { limitOf, type StopOptions } from './server-life.ts';
import { SSLContext as Context, createDefaultContext, Purpose, type SSLContext, type SSLOptions } from './tls.ts';
import { Cluster } from './workers.ts';
import type { Data } from './writer.ts';

export { parseAddress } from './address.ts';
export { BaseServer, type Handle } from './base-server.ts';
export type { PoolLike, Spawn } from './running.ts';
export type { StopOptions } from './server-life.ts';

/**
 * What handles a connection: it may block, and the socket is closed when it has ended. One with a single parameter is given the
 * socket alone, which knows its peer as well.
 */
export type StreamHandle = (socket: Socket, address: Address) => unknown;

export interface StreamServerOptions extends SSLOptions {
  /** How handlers run. Default: a Greenlet each. */
  spawn?: Spawn;
  /** Connections that may wait in the kernel. Default 128. */
  backlog?: number;
  /** TLS by this context; certificates and the like by themselves also turn TLS on. */
  sslContext?: SSLContext;
  /**
   * Serve in so many processes, which run this same program: an integer from 1, or `'auto'` for one a core. The handlers run
   * in these; here only `start`, `stop` and `restart` are of use.
   */
  workers?: number | 'auto';
}

const TLS_NAMES = [
  'key',
  'cert',
  'pfx',
  'ca',
  'passphrase',
  'ciphers',
  'ALPNProtocols',
  'SNICallback',
  'minVersion',
  'maxVersion',
  'requestCert',
  'rejectUnauthorized',
  'keyfile',
  'certfile',
  'cafile',
];

/** A server of connections. @see `gevent.server.StreamServer`, the source. */
export class StreamServer extends BaseServer {
  /** Default of `backlog`. */
  static backlog = 128;
  /** 1: an address may be used again at once after a server has ended. Node always does so. */
  static reuseAddr = 1;
  /** True if connections speak TLS. */
  readonly sslEnabled: boolean;
  /** The context of TLS, or null. */
  readonly sslContext: SSLContext | null;
  readonly #backlog: number;
  readonly #secured: Handle = (client: Socket, address: Address) => this.wrapSocketAndHandle(client, address);
  readonly #cluster: Cluster | null;
  /** The handler takes no address, and nobody else looks at it. */
  #spares = false;

  /**
   * @param listener - a socket that was bound, or an address: `[host, port]`, `'host:port'`, a port
   * @param handle - `(socket, address)`, in a greenlet each; the socket is closed behind it
   * @throws TypeError for a backlog with a socket, or TLS both by a context and by options
   */
  constructor(listener: unknown, handle: StreamHandle | null = null, options: StreamServerOptions = {}) {
    if (typeof options !== 'object' || options === null) throw wrongType('StreamServer(options)', 'an object', options);
    const { spawn, backlog, sslContext, workers, ...rest } = options;
    super(listener, handle, spawn === undefined ? {} : { spawn });
    if (backlog !== undefined && listener instanceof Socket) {
      throw new TypeError('backlog must be omitted when a socket instance is given');
    }
    if (backlog !== undefined && (!Number.isInteger(backlog) || backlog < 1)) {
      throw wrongRange('backlog', 'an integer from 1', backlog);
    }
    const given = Object.keys(rest).filter((name) => rest[name as keyof typeof rest] !== undefined);
    const unknown = given.find((name) => !TLS_NAMES.includes(name));
    if (unknown !== undefined) throw new TypeError(`StreamServer: unknown option ${describe(unknown)}`);
    if (sslContext !== undefined && given.length > 0) {
      throw new TypeError('StreamServer: give sslContext, or certificates and the like, not both');
    }
    if (sslContext !== undefined && !(sslContext instanceof Context)) {
      throw wrongType('sslContext', 'an SSLContext', sslContext);
    }
    this.sslContext = sslContext ?? (given.length > 0 ? createDefaultContext(Purpose.CLIENT_AUTH, rest) : null);
    this.sslEnabled = this.sslContext !== null;
    this.#backlog = backlog ?? (this.constructor as typeof StreamServer).backlog;
    this.#cluster = workers === undefined ? null : Cluster.of(this, workers);
  }

  /** A socket that listens at an address. Switch point. */
  static getListener(
    address: Address,
    backlog = StreamServer.backlog,
    family: AddressFamily = AF_INET,
  ): Operation<Socket> {
    return new Framed('getListener', () =>
      closedOnFailure(new Socket(family), function* (socket) {
        yield* socket.bind(address);
        yield* socket.listen(backlog);
      }),
    );
  }

  protected initSocket(): Operation<void> {
    const given = this.socket;
    if (given !== null) return given.listen(this.#backlog);
    const { family, address } = this;
    const socket = new Socket(family);
    this.socket = socket;
    socket.bind(address);
    const listening = socket.listen(this.#backlog);
    if (family !== AF_INET6 || address[0] !== '') return listening;
    // Any address: where there is no IPv6 that is IPv4's.
    return new Framed('listen', () => this.#anywhere(listening, address[1] as number));
  }

  *#anywhere(listening: Operation<void>, port: number): Generator<Park, void, any> {
    try {
      yield* listening;
    } catch (error) {
      if (!(error instanceof SocketError) || (error.code !== 'EAFNOSUPPORT' && error.code !== 'EADDRNOTAVAIL'))
        throw error;
      const four = new Socket(AF_INET);
      this.socket = four;
      four.bind(['', port]);
      yield* four.listen(this.#backlog);
    }
  }

  protected doRead(): unknown[] | null {
    const socket = this.socket as Socket;
    if (!this.#spares) return socket.acceptNowait();
    const accepted = socket.$acceptUnnamed();
    return accepted === null ? null : [accepted];
  }

  /** @internal */
  override $check(): void {
    super.$check();
    // Asking the kernel for the peer's address is a twentieth of what a short connection costs.
    this.#spares = this.$handle?.length === 1 && !this.sslEnabled && this.doHandle === StreamServer.prototype.doHandle;
  }

  protected override doClose(socket: unknown): void {
    (socket as Socket).$finish();
  }

  protected override $handler(): Handle {
    return this.sslEnabled ? this.#secured : (this.$handle as Handle);
  }

  /** Speak TLS with a client, then handle it. For subclasses. */
  *wrapSocketAndHandle(client: Socket, address: Address): Generator<Park, void, any> {
    const secure = yield* (this.sslContext as SSLContext).wrapSocket(client, { serverSide: true });
    try {
      yield* settle((this.$handle as Handle)(secure, address));
    } finally {
      secure.$finish();
    }
  }

  override start(): Operation<void> {
    return this.#cluster?.primary ? this.#cluster.start() : super.start();
  }

  /** @internal */
  override $listening(): void {
    super.$listening();
    if (this.#cluster !== null) this.#cluster.report({ address: this.address });
  }

  /** @internal */
  override $failed(error: unknown): void {
    this.#cluster?.report({ error });
  }

  override stop(timeout: Limit | StopOptions = this.stopTimeout): Operation<void> {
    if (!this.#cluster?.primary) return super.stop(timeout);
    super.close();
    return this.#cluster.stop(limitOf(timeout, this.stopTimeout));
  }

  override get started(): boolean {
    return this.#cluster?.primary ? this.#cluster.started : super.started;
  }

  override get address(): Address {
    return (this.#cluster?.primary ? this.#cluster.address : null) ?? super.address;
  }

  /**
   * Replace the worker processes one after another: each new one listens before an old one is told to stop, so that no
   * connection is refused. Only with `workers`, in the first process. The operation waits for the end.
   */
  restart(): Operation<void> {
    if (!this.#cluster?.primary) throw new TypeError('restart: only a server with workers, and in the first process');
    return this.#cluster.restart();
  }

  /** The ids of the worker processes, in the first process. */
  get workerPids(): number[] {
    return this.#cluster?.pids ?? [];
  }
}

/** What handles a datagram. */
export type DatagramHandle = (data: Buffer, address: Address) => unknown;

/** A server of datagrams. @see `gevent.server.DatagramServer`, the source. */
export class DatagramServer extends BaseServer {
  /** 1: the address may be shared with other sockets that allow it too. */
  static reuseAddr = 1;

  constructor(listener: unknown, handle: DatagramHandle | null = null, options: { spawn?: Spawn } = {}) {
    super(listener, handle as Handle | null, options);
    if (this.family === AF_UNIX) throw new SocketError('EPROTONOSUPPORT', 'DatagramServer: Node has no Unix datagrams');
    if (listener instanceof Socket && listener.type !== SOCK_DGRAM) {
      throw new TypeError(`DatagramServer(listener): expected a datagram socket, got ${listener}`);
    }
  }

  /** A socket bound to an address. Switch point. */
  static getListener(address: Address, family: AddressFamily = AF_INET): Operation<Socket> {
    return new Framed('getListener', () =>
      closedOnFailure(new Socket(family, SOCK_DGRAM), function* (socket) {
        if (DatagramServer.reuseAddr) socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
        yield* socket.bind(address);
      }),
    );
  }

  protected initSocket(): Operation<void> {
    if (this.socket !== null) return Order.done('bind', undefined);
    const { address } = this;
    const socket = new Socket(this.family, SOCK_DGRAM);
    this.socket = socket;
    if ((this.constructor as typeof DatagramServer).reuseAddr) socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    if (this.family === AF_INET6) socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0);
    return socket.bind(address);
  }

  protected doRead(): unknown[] | null {
    const datagram = (this.socket as Socket).$datagram().take();
    if (datagram === undefined) return null;
    return [datagram.data.subarray(0, 8192), datagram.address];
  }

  /** Send a datagram from the server's address: how many bytes. Switch point. */
  sendto(data: Data, address: Address): Operation<number> {
    return (this.socket as Socket).sendto(data, address);
  }
}
