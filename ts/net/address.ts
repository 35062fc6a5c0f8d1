// Addresses as gevent takes them, families and kinds of sockets, addresses as bytes.

import { Buffer } from 'node:buffer';
import { isIP, isIPv4 } from 'node:net';
import { describe, wrongRange, wrongType } from '../core/arguments.ts';
import { SocketError } from './errors.ts';

/** Families of addresses; the numbers are Linux's and mean nothing outside this library. */
export const AddressFamily = { AF_UNSPEC: 0, AF_UNIX: 1, AF_INET: 2, AF_INET6: 10 } as const;
export type AddressFamily = (typeof AddressFamily)[keyof typeof AddressFamily];

/** Kinds of sockets. */
export const SocketKind = { SOCK_STREAM: 1, SOCK_DGRAM: 2 } as const;
export type SocketKind = (typeof SocketKind)[keyof typeof SocketKind];

export const { AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6 } = AddressFamily;
export const { SOCK_STREAM, SOCK_DGRAM } = SocketKind;

/** An IPv4 or IPv6 address and port. */
export type InetAddress = readonly [host: string, port: number];
/** What a server listens on: a port, `'host:port'`, `':port'`, `[host, port]`, or a Unix socket's path; see `parseAddress`. */
export type ListenAddress = number | string | InetAddress | { path: string };
/** Where a socket is: `[host, port]`, or the path of a Unix socket. */
export type Address = InetAddress | string;

function checkPort(port: unknown, where: string): number {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw wrongRange(where, 'a port from 0 to 65535', port);
  }
  return port;
}

/** `[host, port]`, checked. */
export function inetAddress(address: unknown, where: string): InetAddress {
  if (!Array.isArray(address) || address.length < 2) {
    throw wrongType(where, '[host, port]', address);
  }
  const [host, port] = address;
  if (typeof host !== 'string') throw wrongType(where, 'a host name', host);
  if (host.includes('\0')) throw new TypeError(`${where}: a host name with a zero byte: ${describe(host)}`);
  return [host, checkPort(port, where)];
}

/** The path of a Unix socket, checked. One that begins with a zero byte is abstract (Linux). */
export function unixAddress(address: unknown, where: string): string {
  if (typeof address !== 'string' || address === '') {
    throw wrongType(where, 'the path of a Unix socket', address);
  }
  if (Buffer.byteLength(address) > 107) throw new RangeError(`${where}: AF_UNIX path too long: ${describe(address)}`);
  return address;
}

/** `''` and `'*'` are any address of the family. */
export function anyHost(host: string, family: AddressFamily): string {
  if (host !== '' && host !== '*') return host;
  return family === AF_INET6 ? '::' : '0.0.0.0';
}

/** The family of a literal address, or AF_UNSPEC for a name. Brackets are no part of a literal. */
export function familyOf(host: string): AddressFamily {
  const version = isIP(host);
  return version === 4 ? AF_INET : version === 6 ? AF_INET6 : AF_UNSPEC;
}

/**
 * What a server is to listen on: a port (any address, IPv6 and IPv4), `'host:port'`, `'[v6]:port'`, `':port'` or `'*:port'`
 * (IPv4), `[host, port]`, where the host `''` is any, of both; or a Unix socket: `{ path }`, or a path from the root.
 *
 * @returns the family, and the address for a socket of that family
 * @throws TypeError, RangeError if it is none of these
 * @see `gevent.baseserver.parse_address`, the source.
 */
export function parseAddress(address: unknown): [AddressFamily, Address] {
  if (Array.isArray(address)) {
    const [host, port] = inetAddress(address, 'address');
    const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
    return [bare === '' || bare.includes(':') ? AF_INET6 : AF_INET, [bare, port]];
  }
  if (typeof address === 'number') return [AF_INET6, ['', checkPort(address, 'address')]];
  const path = (address as { path?: unknown } | null)?.path;
  if (path !== undefined) return [AF_UNIX, unixAddress(path, 'address.path')];
  if (typeof address !== 'string') {
    throw wrongType('address', `[host, port], 'host:port', a port or { path }`, address);
  }
  if (address.startsWith('/')) return [AF_UNIX, unixAddress(address, 'address')];
  if (/^\d+$/.test(address)) return [AF_INET6, ['', checkPort(Number(address), 'address')]];
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(address);
  if (match === null) throw wrongRange('address', `'host:port'`, address);
  const port = checkPort(Number(match[3]), 'address');
  if (match[1] !== undefined) return [AF_INET6, [match[1], port]];
  return [AF_INET, [match[2] === '*' ? '' : match[2], port]];
}

/** An IPv4 address as four bytes. @see `socket.inet_aton`, the source. */
export function inetAton(text: string): Buffer {
  if (!isIPv4(text)) throw new SocketError('EINVAL', `inetAton: illegal IP address string: ${describe(text)}`);
  return Buffer.from(text.split('.').map(Number));
}

/** Four bytes as an IPv4 address. @see `socket.inet_ntoa`, the source. */
export function inetNtoa(bytes: Uint8Array): string {
  if (bytes.length !== 4) throw new RangeError(`inetNtoa: expected 4 bytes, got ${bytes.length}`);
  return [...bytes].join('.');
}

/** An address as bytes: 4 or 16. @see `socket.inet_pton`, the source. */
export function inetPton(family: AddressFamily, text: string): Buffer {
  if (family === AF_INET) return inetAton(text);
  if (family !== AF_INET6) throw new SocketError('EAFNOSUPPORT');
  if (familyOf(text) !== AF_INET6 || text.includes('%')) {
    throw new SocketError('EINVAL', `inetPton: illegal IP address string: ${describe(text)}`);
  }
  // The last 32 bits may be written as IPv4.
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) =>
    [(Number(a) << 8) | Number(b), (Number(c) << 8) | Number(d)].map((word) => word.toString(16)).join(':'),
  );
  const [front, back] = plain.split('::');
  const words = (part: string | undefined) => (part ? part.split(':').map((word) => Number.parseInt(word, 16)) : []);
  const [before, behind] = [words(front), words(back)];
  const all = [...before, ...new Array(8 - before.length - behind.length).fill(0), ...behind];
  const bytes = Buffer.alloc(16);
  all.forEach((word, i) => void bytes.writeUInt16BE(word, i * 2));
  return bytes;
}

/** 4 or 16 bytes as an address. @see `socket.inet_ntop`, the source. */
export function inetNtop(family: AddressFamily, bytes: Uint8Array): string {
  if (family === AF_INET) return inetNtoa(bytes);
  if (family !== AF_INET6) throw new SocketError('EAFNOSUPPORT');
  if (bytes.length !== 16) throw new RangeError(`inetNtop: expected 16 bytes, got ${bytes.length}`);
  const view = Buffer.from(bytes);
  const words = Array.from({ length: 8 }, (_unused, i) => view.readUInt16BE(i * 2));
  // An address of IPv4 in IPv6's clothes is written with its own digits.
  const mapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (mapped) return `::ffff:${inetNtoa(view.subarray(12))}`;
  // The longest run of zeros, of two or more, is left out.
  let [start, length] = [-1, 1];
  for (let i = 0; i < 8; ++i) {
    let end = i;
    while (end < 8 && words[end] === 0) ++end;
    if (end - i > length) [start, length] = [i, end - i];
    if (end > i) i = end - 1;
  }
  const hex = words.map((word) => word.toString(16));
  if (start < 0) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** An address as messages show it. */
export function shown(address: Address): string {
  if (typeof address === 'string') return address === '' ? 'unnamed' : address.replace('\0', '@');
  return address[0].includes(':') ? `[${address[0]}]:${address[1]}` : `${address[0]}:${address[1]}`;
}
