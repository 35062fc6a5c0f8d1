// Options of sockets: those that Node can set, by the names and Linux's numbers of the system's own.

import type { Socket as NodeSocket } from 'node:net';
import { wrongType } from '../core/arguments.ts';
import { SOCK_DGRAM } from './address.ts';
import type { Datagrams } from './datagram.ts';
import { SocketError } from './errors.ts';

export const SOL_SOCKET = 1;
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const IP_TTL = 2;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_TTL = 33;
export const IP_MULTICAST_LOOP = 34;
export const IP_ADD_MEMBERSHIP = 35;
export const IP_DROP_MEMBERSHIP = 36;
export const IPV6_V6ONLY = 26;

export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

/** What an option takes: a number or boolean; for memberships `[group, interface?]`, for SO_LINGER `[on, seconds]`. */
export type OptionValue = number | boolean | string | readonly [unknown, unknown?];

const key = (level: number, option: number): number => level * 65536 + option;

const STREAM = new Set([
  key(SOL_SOCKET, SO_REUSEADDR),
  key(SOL_SOCKET, SO_KEEPALIVE),
  key(SOL_SOCKET, SO_LINGER),
  key(SOL_SOCKET, SO_REUSEPORT),
  key(IPPROTO_TCP, TCP_NODELAY),
  key(IPPROTO_TCP, TCP_KEEPIDLE),
  key(IPPROTO_IPV6, IPV6_V6ONLY),
]);
const DATAGRAM = new Set([
  key(SOL_SOCKET, SO_REUSEADDR),
  key(SOL_SOCKET, SO_REUSEPORT),
  key(SOL_SOCKET, SO_BROADCAST),
  key(SOL_SOCKET, SO_SNDBUF),
  key(SOL_SOCKET, SO_RCVBUF),
  key(IPPROTO_IP, IP_TTL),
  key(IPPROTO_IP, IP_MULTICAST_IF),
  key(IPPROTO_IP, IP_MULTICAST_TTL),
  key(IPPROTO_IP, IP_MULTICAST_LOOP),
  key(IPPROTO_IP, IP_ADD_MEMBERSHIP),
  key(IPPROTO_IP, IP_DROP_MEMBERSHIP),
  key(IPPROTO_IPV6, IPV6_V6ONLY),
]);

const NONE: Map<number, OptionValue> = new Map();

/** What was set. Some options can be set only when a socket is made or connected: they wait here until then. */
export class Options {
  readonly #kind: number;
  /** Most sockets have none. */
  #set: Map<number, OptionValue> = NONE;

  constructor(kind: number) {
    this.#kind = kind;
  }

  #known(level: number, option: number): number {
    const id = key(level, option);
    if (!(this.#kind === SOCK_DGRAM ? DATAGRAM : STREAM).has(id)) {
      throw new SocketError(
        'ENOPROTOOPT',
        `setsockopt: ENOPROTOOPT: Node has no option ${option} of level ${level} here`,
      );
    }
    return id;
  }

  set(level: number, option: number, value: OptionValue): void {
    const id = this.#known(level, option);
    if (typeof value === 'number' && !Number.isInteger(value)) {
      throw wrongType('setsockopt(value)', 'an integer', value);
    }
    if (this.#set === NONE) this.#set = new Map();
    this.#set.set(id, value);
  }

  get(level: number, option: number): OptionValue {
    if (level === SOL_SOCKET && option === SO_TYPE) return this.#kind;
    return this.#set.get(this.#known(level, option)) ?? 0;
  }

  on(level: number, option: number): boolean {
    return Boolean(this.#set.get(key(level, option)));
  }

  number(level: number, option: number): number {
    return Number(this.#set.get(key(level, option)) ?? 0);
  }

  /** Seconds to linger at close, or null. */
  linger(): number | null {
    const value = this.#set.get(key(SOL_SOCKET, SO_LINGER));
    if (!Array.isArray(value)) return null;
    return value[0] ? Number(value[1] ?? 0) : null;
  }

  /** Bring a connected socket to what was set. */
  applyTo(node: NodeSocket): void {
    if (this.#set.size === 0) return;
    if (this.#set.has(key(IPPROTO_TCP, TCP_NODELAY))) node.setNoDelay(this.on(IPPROTO_TCP, TCP_NODELAY));
    if (this.#set.has(key(SOL_SOCKET, SO_KEEPALIVE))) {
      node.setKeepAlive(this.on(SOL_SOCKET, SO_KEEPALIVE), this.number(IPPROTO_TCP, TCP_KEEPIDLE) * 1000);
    }
  }

  /** Bring a bound datagram socket to what was set. */
  applyToDatagrams({ node }: Datagrams): void {
    for (const [id, value] of this.#set) this.#apply(node, id, value);
  }

  #apply(node: Datagrams['node'], id: number, value: OptionValue): void {
    const [group, where] = Array.isArray(value) ? (value as [string, string?]) : [String(value)];
    switch (id) {
      case key(SOL_SOCKET, SO_BROADCAST):
        return node.setBroadcast(Boolean(value));
      case key(SOL_SOCKET, SO_SNDBUF):
        return node.setSendBufferSize(Number(value));
      case key(SOL_SOCKET, SO_RCVBUF):
        return node.setRecvBufferSize(Number(value));
      case key(IPPROTO_IP, IP_TTL):
        return void node.setTTL(Number(value));
      case key(IPPROTO_IP, IP_MULTICAST_IF):
        return node.setMulticastInterface(String(value));
      case key(IPPROTO_IP, IP_MULTICAST_TTL):
        return void node.setMulticastTTL(Number(value));
      case key(IPPROTO_IP, IP_MULTICAST_LOOP):
        return void node.setMulticastLoopback(Boolean(value));
      case key(IPPROTO_IP, IP_ADD_MEMBERSHIP):
        return node.addMembership(group, where);
      case key(IPPROTO_IP, IP_DROP_MEMBERSHIP):
        return node.dropMembership(group, where);
    }
  }

  /** Bring what is open already to one option. */
  applyOne(level: number, option: number, node: NodeSocket | null, datagrams: Datagrams | null): void {
    if (node !== null) this.applyTo(node);
    const value = this.#set.get(key(level, option));
    if (datagrams !== null && value !== undefined) this.#apply(datagrams.node, key(level, option), value);
  }
}
