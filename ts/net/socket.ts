// Entry `gevent-wasm/socket`: cooperative sockets over Node's own, with gevent's names.

import { randomBytes } from 'node:crypto';
import { Socket as NodeSocket } from 'node:net';
import { hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { needOptions, wrongType } from '../core/arguments.ts';
import type { Seconds } from '../core/clock.ts';
import { Framed } from '../framed.ts';
import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { type Operation, SingleUse } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import {
  type Address,
  type AddressFamily,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  familyOf,
  type InetAddress,
  inetAddress,
  SOCK_STREAM,
  unixAddress,
} from './address.ts';
import type { Connect } from './connect.ts';
import { Socket } from './endpoint.ts';
import { AddressError, SocketError, unsupported } from './errors.ts';
import { closedOnFailure } from './making.ts';
import { IPPROTO_IPV6, IPV6_V6ONLY, SO_REUSEPORT, SOL_SOCKET } from './options.ts';
import { type AddressInfo, type AddressInfoOptions, getResolver, type HostEntry } from './resolver.ts';

export {
  type Address,
  AddressFamily,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AF_UNSPEC,
  type InetAddress,
  inetAton,
  inetNtoa,
  inetNtop,
  inetPton,
  SOCK_DGRAM,
  SOCK_STREAM,
  SocketKind,
} from './address.ts';
export { type Detached, Socket as socket, Socket as SocketType } from './endpoint.ts';
export {
  AddressError as gaierror,
  HostError as herror,
  SocketError as error,
  SocketTimeout as timeout,
} from './errors.ts';
export {
  IP_ADD_MEMBERSHIP,
  IP_DROP_MEMBERSHIP,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  type OptionValue,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_BROADCAST,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_TYPE,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from './options.ts';
export { cancelWait, cancelWaitEx, type WaitForOptions, wait, waitRead, waitReadwrite, waitWrite } from './poll.ts';
export type { AddressInfo, AddressInfoOptions, HostEntry } from './resolver.ts';
export { getdefaulttimeout, setdefaulttimeout } from './socket-state.ts';
export type { FileMode, FileOptions, IoOptions, StreamFile, TextEncoding } from './stream.ts';
export type { Data } from './writer.ts';

// ---- connections and servers ------------------------------------------------------------------------------------------

export interface ConnectionOptions {
  /** Seconds for each attempt, and the socket's timeout from then on; null: none. Default: `getdefaulttimeout()`. */
  timeout?: Seconds | null;
  /** `[host, port]` to come from; port 0: any. */
  sourceAddress?: InetAddress;
  /** True: if all attempts fail, throw an AggregateError of what each one failed with. Default: the last one's error. */
  allErrors?: boolean;
}

function prepared(family: AddressFamily, { timeout, sourceAddress }: ConnectionOptions): Socket {
  const socket = new Socket(family);
  if (timeout !== undefined) socket.settimeout(timeout);
  if (sourceAddress !== undefined) socket.bind(sourceAddress);
  return socket;
}

/** A connection to a literal address or path: one attempt, nothing to look up. */
class Dial extends SingleUse<Socket> {
  readonly #address: Address;
  readonly #options: ConnectionOptions;
  #socket: Socket | null = null;
  #connect: Connect | null = null;

  constructor(address: Address, options: ConnectionOptions) {
    super();
    this.#address = address;
    this.#options = options;
  }

  describe(): string {
    return `createConnection to ${this.#address}`;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const address = this.#address;
    const socket = prepared(typeof address === 'string' ? AF_UNIX : familyOf(address[0]), this.#options);
    this.#socket = socket;
    this.#connect = socket.connect(address) as Connect;
    if (debugging) hub.debug.consumed(this.#connect);
    try {
      return this.#connect.begin(hub, slot);
    } catch (error) {
      socket.close();
      throw this.#told(error);
    }
  }

  #told(error: unknown): unknown {
    return this.#options.allErrors ? new AggregateError([error], 'createConnection failed') : error;
  }

  complete(hub: Hub, slot: number): Socket {
    const socket = this.#socket as Socket;
    try {
      (this.#connect as Connect).complete(hub, slot);
    } catch (error) {
      socket.close();
      throw this.#told(error);
    }
    return socket;
  }

  override abandon(hub: Hub, slot: number): void {
    this.#connect?.abandon(hub, slot);
    this.#socket?.close();
  }
}

function* tryAll(address: InetAddress, options: ConnectionOptions): Generator<Park, Socket, any> {
  const found = yield* getResolver().getaddrinfo(address[0], address[1], { type: SOCK_STREAM });
  const errors: unknown[] = [];
  for (const [family, , , , each] of found) {
    let socket: Socket | null = null;
    let connected = false;
    try {
      socket = prepared(family, options);
      yield* socket.connect(each);
      connected = true;
      return socket;
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      errors.push(error);
    } finally {
      // However it was left: a kill or a Timeout leaves no socket either.
      if (!connected) socket?.close();
    }
  }
  if (errors.length === 0) throw new AddressError('ENOTFOUND', `createConnection: ${address[0]} has no address`);
  throw options.allErrors ? new AggregateError(errors, 'createConnection failed') : errors.at(-1);
}

/**
 * A connected socket: each address of the host is tried in turn. Switch point. A kill or Timeout closes what it had.
 *
 *     const conn = yield* createConnection(['example.org', 80], { timeout: 5 });
 *
 * @param address - `[host, port]`, or the path of a Unix socket
 * @throws SocketError of the last attempt; `timeout`; `gaierror` if the name cannot be resolved
 * @see `gevent.socket.create_connection`, the source.
 */
export function createConnection(address: Address, options: ConnectionOptions = {}): Operation<Socket> {
  needOptions('createConnection(options)', options, ['sourceAddress', 'allErrors', 'timeout']);
  if (typeof address === 'string') return new Dial(unixAddress(address, 'createConnection(address)'), options);
  const checked = inetAddress(address, 'createConnection(address)');
  if (familyOf(checked[0]) !== 0) return new Dial(checked, options);
  return new Framed(`createConnection to ${checked[0]}`, () => tryAll(checked, options));
}

export interface ServerOptions {
  /** AF_INET (default), AF_INET6 or AF_UNIX. */
  family?: AddressFamily;
  /** Default 128. */
  backlog?: number;
  /** Several processes may listen on the port. Default false. */
  reusePort?: boolean;
  /** IPv6: take IPv4 connections too. Default false. */
  dualstackIpv6?: boolean;
}

function* listening(address: Address, options: ServerOptions): Generator<Park, Socket, any> {
  const { family = typeof address === 'string' ? AF_UNIX : AF_INET, backlog, reusePort, dualstackIpv6 } = options;
  return yield* closedOnFailure(new Socket(dualstackIpv6 ? AF_INET6 : family), function* (socket) {
    if (reusePort) socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
    if (socket.family === AF_INET6 && !dualstackIpv6) socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1);
    yield* socket.bind(address);
    yield* socket.listen(backlog);
  });
}

/** A listening socket. Switch point. @see `socket.create_server`, the source. */
export function createServer(address: Address, options: ServerOptions = {}): Operation<Socket> {
  needOptions('createServer(options)', options, ['family', 'backlog', 'reusePort', 'dualstackIpv6']);
  return new Framed('createServer', () => listening(address, options));
}

function* pair(): Generator<Park, [Socket, Socket], any> {
  // The name is a secret of this moment: nobody else can connect to it.
  const name = `gevent-${randomBytes(16).toString('hex')}`;
  const path = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name);
  const server = new Socket(AF_UNIX);
  const one = new Socket(AF_UNIX);
  let ok = false;
  try {
    yield* server.bind(path);
    yield* server.listen(1);
    yield* one.connect(path);
    const [two] = yield* server.accept();
    one.$paired('');
    ok = true;
    return [one, two];
  } finally {
    server.close();
    if (!ok) one.close();
  }
}

/** Two Unix sockets connected to each other. Switch point. @see `gevent.socket.socketpair`, the source. */
export function socketpair(): Operation<[Socket, Socket]> {
  return new Framed('socketpair', pair);
}

/**
 * A socket over a connected stream's descriptor, which belongs to it from now on.
 * @throws GeventError `GEVENT_FD_UNSUPPORTED` if it is no stream that Node can watch
 * @see `gevent.socket.fromfd`, the source. Differs: the descriptor is taken over, not duplicated.
 */
export function fromfd(fd: number): Socket {
  if (!Number.isInteger(fd) || fd < 0) throw wrongType('fromfd(fd)', 'a descriptor', fd);
  try {
    return Socket.from(new NodeSocket({ fd, allowHalfOpen: true }));
  } catch (error) {
    throw unsupported(`fromfd(${fd}): Node cannot watch this descriptor as a socket: ${(error as Error).message}`);
  }
}

// ---- names ------------------------------------------------------------------------------------------------------------

/** Ways to reach a host; see `Resolver.getaddrinfo`. Switch point. */
export function getaddrinfo(
  host: string | null,
  port: number | string | null,
  options: AddressInfoOptions = {},
): Operation<AddressInfo[]> {
  return getResolver().getaddrinfo(host, port, options);
}

/** A host's first IPv4 address. Switch point. */
export function gethostbyname(host: string): Operation<string> {
  return getResolver().gethostbyname(host);
}

/** A host's name, aliases and IPv4 addresses. Switch point. */
export function gethostbynameEx(host: string): Operation<HostEntry> {
  return getResolver().gethostbynameEx(host);
}

/** An address's name. Switch point. */
export function gethostbyaddr(address: string): Operation<HostEntry> {
  return getResolver().gethostbyaddr(address);
}

/** The names of a host and service. Switch point. */
export function getnameinfo(address: InetAddress): Operation<[host: string, service: string]> {
  return getResolver().getnameinfo(address);
}

function* fullName(name: string): Generator<Park, string, any> {
  const host = name === '' || name === '0.0.0.0' || name === '::' ? hostname() : name;
  try {
    const [full, aliases] = yield* gethostbyaddr(host);
    return [full, ...aliases].find((each) => each.includes('.')) ?? full;
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    return host;
  }
}

/** The fully qualified name of a host; without argument, of this one. Switch point. */
export function getfqdn(name = ''): Operation<string> {
  return new Framed('getfqdn', () => fullName(name));
}

/** This host's name. */
export function gethostname(): string {
  return hostname();
}

/** True if IPv6 sockets can take IPv4 connections here. */
export function hasDualstackIpv6(): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === 'IPv6'));
}
