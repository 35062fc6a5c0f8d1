// The class `socket`: one of Node's stream, server or datagram sockets, used as a greenlet uses a file descriptor.
//
//   fresh --bind--> fresh --listen--> listening
//     |                                  | accept gives connected ones
//     +--connect--> connecting ----> connected --shutdown, peer's end--> half open --close--> closed
//
// Node binds a stream socket when it listens or connects, so bind() only remembers the address.

import type { Buffer } from 'node:buffer';
import type { Socket as NodeDatagram } from 'node:dgram';
import { Socket as NodeSocket, type Server } from 'node:net';
import { Readable } from 'node:stream';
import { wrongRange, wrongType } from '../core/arguments.ts';
import { Framed } from '../framed.ts';
import { debugging } from '../hub/current.ts';
import type { Operation } from '../hub/operation.ts';
import { timeoutOf } from '../limit.ts';
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  anyHost,
  type InetAddress,
  inetAddress,
  SOCK_DGRAM,
  SOCK_STREAM,
  shown,
  unixAddress,
} from './address.ts';
import { Connect, ConnectEx } from './connect.ts';
import { type Datagram, Datagrams, RecvFrom, SendTo } from './datagram.ts';
import { fromNode, SocketError } from './errors.ts';
import { Accept, Listener } from './listener.ts';
import * as opt from './options.ts';
import { Order } from './order.ts';
import { Recv, RecvInto } from './reads.ts';
import { cut, sending } from './sendfile.ts';
import { SocketState } from './socket-state.ts';
import { type FileMode, type FileOptions, type IoOptions, StreamFile } from './stream.ts';
import { type Data, Send, Sent, toBytes } from './writer.ts';

/** Ms that bytes may take to leave a closed socket whose peer does not read. */
const LINGER_MS = 5000;

const OWNER: unique symbol = Symbol('gevent.socket');
type Owned = NodeSocket & { [OWNER]?: Socket };

function onError(this: NodeSocket, error: unknown): void {
  const { $reader, $writer } = (this as Owned)[OWNER] as Socket;
  const ours = fromNode(error);
  $reader.finish(ours);
  $writer.fail(ours);
}

/** Node's own object behind a socket. */
export type Detached = NodeSocket | Server | NodeDatagram;

/** A cooperative socket. @see `gevent.socket.socket`, the source. Differs: Node binds at `listen` and `connect`; no descriptors. */
export class Socket extends SocketState {
  /** Open files of makefile(): they keep the connection. */
  #files: Set<StreamFile<any>> | null = null;
  #gone = false;
  #recv: Recv | null = null;
  #recvMax = 0;

  /** A connected one over one of Node's, which belongs to it from now on. */
  static from(node: NodeSocket): Socket {
    if (!(node instanceof NodeSocket)) {
      throw wrongType('socket.from(node)', 'a net.Socket', node);
    }
    const family = node.remoteFamily === 'IPv6' ? AF_INET6 : node.remoteFamily === 'IPv4' ? AF_INET : AF_UNIX;
    const made = new Socket(family);
    made.$connected(node, true, Sent.MARKED);
    return made;
  }

  /** @internal It has a connection. @param events - its bytes come as events */
  $connected(node: NodeSocket, events: boolean, sent: Sent): void {
    this.$node = node;
    this.$reader.attach(node, events);
    this.$writer.attach(node, sent);
    (node as Owned)[OWNER] = this;
    node.on('error', onError);
    this.$options?.applyTo(node);
    if (!this.$ref) node.unref();
  }

  // ---- binding and listening ------------------------------------------------------------------------------------------

  /** The address to be at. Acts at once; the operation waits for the outcome, which a stream socket has only at `listen`. */
  bind(address: Address): Operation<void> {
    this.$open('bind');
    if (this.$bound !== null) throw new SocketError('EINVAL', 'bind: EINVAL: the socket is bound already');
    this.$bound = this.#checked(address, 'bind(address)');
    if (this.type === SOCK_STREAM) return Order.done('bind', undefined);
    const order = new Order<void>('bind');
    const datagrams = this.$datagram();
    const [host, port] = this.$bound as InetAddress;
    datagrams.bind(port, anyHost(host, this.family), () => this.$options?.applyToDatagrams(datagrams), order);
    return order;
  }

  #checked(address: Address, where: string): Address {
    return this.family === AF_UNIX ? unixAddress(address, where) : inetAddress(address, where);
  }

  /** @internal The datagram socket, made at its first use. */
  $datagram(): Datagrams {
    if (this.type !== SOCK_DGRAM) throw new SocketError('EOPNOTSUPP', 'EOPNOTSUPP: not a datagram socket');
    if (this.$datagrams === null) {
      const options = this.$allOptions;
      this.$datagrams = new Datagrams({
        ipv6: this.family === AF_INET6,
        reuseAddr: options.on(opt.SOL_SOCKET, opt.SO_REUSEADDR),
        reusePort: options.on(opt.SOL_SOCKET, opt.SO_REUSEPORT),
        ipv6Only: options.on(opt.IPPROTO_IPV6, opt.IPV6_V6ONLY),
      });
      this.$spread();
      if (!this.$ref) this.ref = false;
    }
    return this.$datagrams;
  }

  /**
   * Take connections, at the address that was bound, or any. Acts at once; the operation waits until the socket listens.
   * @param backlog - connections that may wait in the kernel. Default 128
   */
  listen(backlog = 128): Operation<void> {
    this.$open('listen');
    if (!Number.isInteger(backlog)) throw wrongType('listen(backlog)', 'an integer', backlog);
    if (this.type !== SOCK_STREAM) throw new SocketError('EOPNOTSUPP', 'listen: EOPNOTSUPP: a datagram socket');
    if (this.$listener !== null) return Order.done('listen', undefined);
    if (this.$node !== null || this.$attempt !== null) {
      throw new SocketError('EINVAL', 'listen: EINVAL: the socket is connected');
    }
    const listener = new Listener();
    this.$listener = listener;
    this.$spread();
    if (!this.$ref) this.ref = false;
    const order = new Order<void>('listen');
    const least = Math.max(backlog, 1);
    if (this.family === AF_UNIX) listener.open({ path: this.$bound as string, backlog: least }, order);
    else {
      const [host, port] = (this.$bound ?? ['', 0]) as InetAddress;
      const options = this.$allOptions;
      listener.open(
        {
          host: anyHost(host, this.family),
          port,
          backlog: least,
          ipv6Only: options.on(opt.IPPROTO_IPV6, opt.IPV6_V6ONLY),
          reusePort: options.on(opt.SOL_SOCKET, opt.SO_REUSEPORT),
        },
        order,
      );
    }
    return order;
  }

  /** A connection: `[socket, address]`. Switch point, unless one has come. */
  accept(options?: IoOptions): Operation<[Socket, Address]> {
    const timeout = timeoutOf('accept(options)', options);
    return new Accept(this.#listening('accept'), (node) => this.$accepted(node), timeout);
  }

  #listening(what: string): Listener {
    this.$open(what);
    if (this.$listener === null) throw new SocketError('EINVAL', `${what}: EINVAL: the socket does not listen`);
    return this.$listener;
  }

  /** A connection that has come, or null. Never a switch point. */
  acceptNowait(): [Socket, Address] | null {
    const node = this.#listening('acceptNowait').take();
    return node === undefined ? null : this.$accepted(node);
  }

  /** @internal The same without asking for the peer's address. */
  $acceptUnnamed(): Socket | null {
    const node = this.#listening('acceptNowait').take();
    if (node === undefined) return null;
    const made = new Socket(this.family);
    if (this.family === AF_UNIX) made.$peer = '';
    made.$connected(node, true, Sent.MARKED);
    return made;
  }

  /** @internal */
  $accepted(node: NodeSocket): [Socket, Address] {
    const made = new Socket(this.family);
    const address: Address = this.family === AF_UNIX ? '' : [node.remoteAddress ?? '', node.remotePort ?? 0];
    made.$peer = address;
    made.$connected(node, true, Sent.MARKED);
    return [made, address];
  }

  // ---- connecting -----------------------------------------------------------------------------------------------------

  /**
   * Connect to `[host, port]` or a path. Switch point. Names are looked up by the hub's resolver, literal addresses are not.
   * Killed, timed out or refused, the socket is as before and may try again.
   *
   * @throws SocketError `ECONNREFUSED` and the like; `timeout` when the socket's or this call's timeout came first;
   *   `gaierror` if the name cannot be resolved
   */
  connect(address: Address, options?: IoOptions): Operation<void> {
    const timeout = timeoutOf('connect(options)', options);
    this.$open('connect');
    return new Connect(this, this.#checked(address, 'connect(address)'), timeout);
  }

  /** The same, with the number of the error instead of the error: 0 is success. A name that cannot be resolved is raised. */
  connectEx(address: Address, options?: IoOptions): Operation<number> {
    const timeout = timeoutOf('connectEx(options)', options);
    this.$open('connectEx');
    return new ConnectEx(new Connect(this, this.#checked(address, 'connectEx(address)'), timeout));
  }

  /** @internal */
  $joined(node: NodeSocket, peer: Address): void {
    this.$peer = peer === '' || typeof peer === 'string' ? peer : null;
    this.$connected(node, false, Sent.MARKED);
  }

  /** @internal A datagram socket has a fixed peer. */
  $paired(peer: Address | null): void {
    this.$peer = peer;
  }

  // ---- receiving ------------------------------------------------------------------------------------------------------

  /**
   * Bytes: those that have come, `size` at most; empty at the end of the stream. Switch point, unless some have come. One
   * greenlet at a time. A wait that is killed or times out loses none.
   * @param size - default: as they came, 64 KB at most
   */
  recv(size?: number, options?: IoOptions): Operation<Buffer> {
    const max = size ?? 65536;
    const timeout = timeoutOf('recv(options)', options);
    if (options === undefined && !debugging) {
      // It holds no state of a call: one serves all of the same size.
      const last = this.#recv;
      if (last !== null && this.#recvMax === max && !this.$closed) return last;
    }
    this.$open('recv');
    checkSize(max, 'recv(size)');
    if (this.type === SOCK_DGRAM) {
      return new RecvFrom(this.$datagram(), ({ data }) => cut(data, max), timeout);
    }
    const made = new Recv(this.$reader, max, timeout);
    if (options === undefined) {
      this.#recv = made;
      this.#recvMax = max;
    }
    return made;
  }

  /** Bytes into `buffer`, `size` at most: how many, 0 at the end of the stream. Switch point, unless some have come. */
  recvInto(buffer: ArrayBufferView, size = 0, options?: IoOptions): Operation<number> {
    const timeout = timeoutOf('recvInto(options)', options);
    this.$open('recvInto');
    const into = intoBytes(buffer, size, 'recvInto(buffer)');
    if (this.type === SOCK_DGRAM) {
      return new RecvFrom(this.$datagram(), ({ data }) => fill(into, data), timeout);
    }
    return new RecvInto(this.$reader, into, timeout);
  }

  /** A datagram and where it came from: `[data, address]`; what is longer than `size` is cut off. Switch point likewise. */
  recvfrom(size = 65536, options?: IoOptions): Operation<[Buffer, Address]> {
    const timeout = timeoutOf('recvfrom(options)', options);
    this.$open('recvfrom');
    checkSize(size, 'recvfrom(size)');
    return new RecvFrom(this.$datagram(), ({ data, address }: Datagram) => [cut(data, size), address], timeout);
  }

  /** A datagram into `buffer`: `[bytes, address]`. */
  recvfromInto(buffer: ArrayBufferView, size = 0, options?: IoOptions): Operation<[number, Address]> {
    const timeout = timeoutOf('recvfromInto(options)', options);
    this.$open('recvfromInto');
    const into = intoBytes(buffer, size, 'recvfromInto(buffer)');
    return new RecvFrom(this.$datagram(), ({ data, address }: Datagram) => [fill(into, data), address], timeout);
  }

  // ---- sending --------------------------------------------------------------------------------------------------------

  /**
   * Send some of `data`: how many bytes. Switch point if the peer is slow. The buffer may be used again behind it; after a
   * kill or a Timeout its bytes may still be on their way.
   */
  send(data: Data, options?: IoOptions): Operation<number> {
    const timeout = timeoutOf('send(options)', options);
    this.$open('send');
    const bytes = toBytes(data, 'send(data)');
    if (this.type === SOCK_DGRAM) return new SendTo(this.#connectedDatagrams(), bytes, null, timeout);
    return new Send(this.$writer, bytes, true, timeout);
  }

  /**
   * Send all of `data`. Switch point if the peer is slow: it goes on when the kernel has all bytes. Of a kill or a Timeout in
   * between `bytesSent` tells how far it came.
   */
  sendall(data: Data, options?: IoOptions): Operation<number> {
    const timeout = timeoutOf('sendall(options)', options);
    this.$open('sendall');
    const bytes = toBytes(data, 'sendall(data)');
    if (this.type === SOCK_DGRAM) return new SendTo(this.#connectedDatagrams(), bytes, null, timeout);
    return new Send(this.$writer, bytes, false, timeout);
  }

  /** Send a datagram: how many bytes. Switch point. */
  sendto(data: Data, address: Address, options?: IoOptions): Operation<number> {
    const timeout = timeoutOf('sendto(options)', options);
    this.$open('sendto');
    const to = inetAddress(address, 'sendto(address)');
    return new SendTo(this.$datagram(), toBytes(data, 'sendto(data)'), to, timeout);
  }

  /**
   * Send a file, by its path, or what a readable stream of Node's gives: how many bytes. Switch point.
   * @param offset - bytes to leave out in front. Default 0
   * @param count - bytes at most. Default: all
   */
  sendfile(file: string | Readable, offset = 0, count = Infinity): Operation<number> {
    this.$open('sendfile');
    if (this.type !== SOCK_STREAM) throw new SocketError('EINVAL', 'sendfile: EINVAL: not a stream socket');
    if (typeof file !== 'string' && !(file instanceof Readable)) {
      throw wrongType('sendfile(file)', 'a path or a Readable', file);
    }
    return new Framed('sendfile', () => sending(this, file, offset, count));
  }

  #connectedDatagrams(): Datagrams {
    if (this.$peer === null) throw new SocketError('EDESTADDRREQ', 'send: EDESTADDRREQ: connect it, or use sendto');
    return this.$datagram();
  }

  /** Bytes handed over for sending so far, those on their way included. */
  get bytesSent(): number {
    return this.$writer.given;
  }

  /** Bytes received so far. */
  get bytesReceived(): number {
    return this.$reader.taken;
  }

  /** A file over the socket, which stays open until both are closed. @param mode - r, w or rw, and b for bytes */
  makefile(mode: 'rb' | 'wb' | 'rwb', options?: FileOptions): StreamFile<Buffer>;
  makefile(mode?: 'r' | 'w' | 'rw', options?: FileOptions): StreamFile<string>;
  makefile(mode: FileMode = 'r', options: FileOptions = {}): StreamFile<any> {
    this.$open('makefile');
    const file: StreamFile<any> = new StreamFile<any>(this.$reader, this.$writer, mode, options, () => {
      this.#files?.delete(file);
      if (this.$closed && !this.#files?.size) this.#release();
    });
    this.#files ??= new Set();
    this.#files.add(file);
    return file;
  }

  // ---- ending ---------------------------------------------------------------------------------------------------------

  /** End one direction or both: SHUT_RD, SHUT_WR, SHUT_RDWR. Who waits in it gets an error. Never a switch point. */
  shutdown(how: number): void {
    this.$open('shutdown');
    if (how !== opt.SHUT_RD && how !== opt.SHUT_WR && how !== opt.SHUT_RDWR) {
      throw wrongRange('shutdown(how)', 'SHUT_RD, SHUT_WR or SHUT_RDWR', how);
    }
    if (this.$node === null) throw new SocketError('ENOTCONN', 'shutdown: ENOTCONN: the socket is not connected');
    if (how !== opt.SHUT_WR) this.$reader.shut();
    if (how !== opt.SHUT_RD) this.$writer.shut();
  }

  /** Close it. Who waits in it gets an error; a file of `makefile` keeps the connection. Harmless when it is closed. */
  close(): void {
    if (this.$closed) return;
    this.$closed = true;
    this.#recv = null;
    if (!this.#files?.size) this.#release();
  }

  /** @internal Close it and its files: who served it is done with it, and nobody collects what was left open. */
  $finish(): void {
    this.close();
    for (const file of [...(this.#files ?? [])]) file.close();
  }

  #release(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.$reader.close();
    this.$writer.close();
    this.$listener?.close();
    this.$datagrams?.close();
    this.$attempt?.cancel();
    const node = this.$node;
    if (node !== null) this.#end(node);
  }

  #end(node: NodeSocket): void {
    const linger = this.$options?.linger() ?? null;
    if (linger === 0) return void node.resetAndDestroy();
    // What the kernel has it sends by itself; what was handed over and is still here goes first.
    if (node.writableLength === 0 || node.destroyed || this.$writer.error !== null) return void node.destroy();
    node.destroySoon();
    const timer = setTimeout(() => node.destroy(), linger === null ? LINGER_MS : linger * 1000);
    timer.unref();
    node.once('close', () => clearTimeout(timer));
  }

  /**
   * Give up the socket without closing it: Node's own object, or null if there is none yet. What was received and not taken
   * is in that object again.
   */
  detach(): Detached | null {
    this.$open('detach');
    this.$closed = this.#gone = true;
    this.#recv = null;
    this.$reader.detach();
    this.$writer.detach();
    this.$reader.close();
    this.$writer.close();
    const node = this.$node ?? this.$listener?.server ?? this.$datagrams?.node ?? null;
    this.$node = null;
    return node;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  override toString(): string {
    const parts = [
      this.closed ? 'closed' : this.$listener !== null ? 'listening' : this.$node !== null ? 'connected' : 'fresh',
    ];
    if (!this.closed) {
      try {
        parts.push(shown(this.getsockname()));
        parts.push(`to ${shown(this.getpeername())}`);
      } catch {
        // Not connected: no peer to name.
      }
    }
    return `<${this.constructor.name} ${parts.join(' ')}>`;
  }
}

function checkSize(size: unknown, where: string): void {
  if (typeof size !== 'number' || !Number.isInteger(size)) {
    throw wrongType(where, 'a number of bytes', size);
  }
  if (size < 0) throw new RangeError(`${where}: expected 0 or more bytes, got ${size}`);
}

function intoBytes(buffer: ArrayBufferView, size: number, where: string): Uint8Array {
  if (!ArrayBuffer.isView(buffer)) throw wrongType(where, 'a view of bytes', buffer);
  checkSize(size, where);
  if (size > buffer.byteLength) throw new RangeError(`${where}: ${size} bytes do not fit into ${buffer.byteLength}`);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, size === 0 ? buffer.byteLength : size);
}

function fill(into: Uint8Array, data: Buffer): number {
  const fits = cut(data, into.length);
  into.set(fits);
  return fits.length;
}
