// What a socket is and how it is set, apart from what it does: family and type, limits, options, names, whether it is closed.

import type { Socket as NodeSocket, Server } from 'node:net';
import { describe } from '../core/arguments.ts';
import { type Seconds, toWaitMs } from '../core/clock.ts';
import {
  type Address,
  type AddressFamily,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  anyHost,
  SOCK_DGRAM,
  SOCK_STREAM,
} from './address.ts';
import type { Attempt } from './connect.ts';
import type { Datagrams } from './datagram.ts';
import { badDescriptor, fromNode, SocketError } from './errors.ts';
import type { Listener } from './listener.ts';
import * as opt from './options.ts';
import { Reader } from './reader.ts';
import type { Side } from './side.ts';
import { Writer } from './writer.ts';

let defaultTimeoutMs: number | null = null;

/** Seconds that new sockets have as their timeout, or null. */
export function getdefaulttimeout(): number | null {
  return defaultTimeoutMs === null ? null : defaultTimeoutMs / 1000;
}

/** Give new sockets a timeout of so many seconds; null: none. */
export function setdefaulttimeout(seconds: Seconds | null): void {
  defaultTimeoutMs = seconds === null ? null : toWaitMs(seconds, 'setdefaulttimeout(seconds)');
}

/** What `Socket` stands on. */
export class SocketState {
  readonly family: AddressFamily;
  readonly type: number;
  readonly proto: number;
  /** @internal */ readonly $reader = new Reader('recv');
  /** @internal */ readonly $writer = new Writer('send');
  /** @internal */ $node: NodeSocket | null = null;
  /** @internal */ $listener: Listener | null = null;
  /** @internal */ $datagrams: Datagrams | null = null;
  /** @internal An attempt to connect that goes on. */ $attempt: Attempt | null = null;
  /** @internal It speaks TLS. */
  get $secure(): boolean {
    return false;
  }
  /** @internal Null while none was set, as on most. */
  $options: opt.Options | null = null;
  /** @internal Where it was bound to. */ $bound: Address | null = null;
  /** @internal Where its peer is, if that needs no asking. */ $peer: Address | null = null;
  #limitMs = defaultTimeoutMs;
  /** @internal */ $ref = true;
  /** @internal */ $closed = false;

  constructor(family: AddressFamily = AF_INET, type: number = SOCK_STREAM, proto = 0) {
    if (family !== AF_INET && family !== AF_INET6 && family !== AF_UNIX) {
      throw new SocketError('EAFNOSUPPORT', `socket(family): EAFNOSUPPORT: ${describe(family)}`);
    }
    if (type !== SOCK_STREAM && (type !== SOCK_DGRAM || family === AF_UNIX)) {
      throw new SocketError(
        'EPROTONOSUPPORT',
        `socket(type): EPROTONOSUPPORT: Node has no such socket: ${describe(type)}`,
      );
    }
    this.family = family;
    this.type = type;
    this.proto = proto;
    if (this.#limitMs !== null) this.$spread();
  }

  /** @internal */
  get $allOptions(): opt.Options {
    this.$options ??= new opt.Options(this.type);
    return this.$options;
  }

  // ---- state ----------------------------------------------------------------------------------------------------------

  /** True after `close()` or `detach()`. */
  get closed(): boolean {
    return this.$closed;
  }

  /** @internal */
  $open(what: string): void {
    if (this.$closed) throw badDescriptor(what);
  }

  /** Seconds that each blocking call may take, null: any time, 0: none. Its error is `timeout`. */
  get timeout(): number | null {
    return this.#limitMs === null ? null : this.#limitMs / 1000;
  }

  gettimeout(): number | null {
    return this.timeout;
  }

  /** @throws RangeError if `seconds` is negative, TypeError if it is no number of seconds */
  settimeout(seconds: Seconds | null): void {
    this.#limitMs = seconds === null || seconds === undefined ? null : toWaitMs(seconds, 'settimeout(seconds)');
    this.$spread();
  }

  /** @internal */
  $spread(): void {
    const ms = this.#limitMs;
    this.$reader.limitMs = this.$writer.limitMs = ms;
    if (this.$listener !== null) this.$listener.limitMs = ms;
    if (this.$datagrams !== null) this.$datagrams.limitMs = ms;
  }

  /** @internal */
  get $limitMs(): number | null {
    return this.#limitMs;
  }

  getblocking(): boolean {
    return this.#limitMs !== 0;
  }

  /** False is `settimeout(0)`, true `settimeout(null)`. */
  setblocking(blocking: boolean): void {
    this.settimeout(blocking ? null : 0);
  }

  /** False: neither the socket nor a wait on it keeps the program going. Default true. */
  get ref(): boolean {
    return this.$ref;
  }

  set ref(ref: boolean) {
    this.$ref = ref;
    for (const side of this.#sides()) side.ref = ref;
    for (const node of [this.$node, this.$listener?.server, this.$datagrams?.node, this.$attempt?.node]) {
      if (ref) node?.ref();
      else node?.unref();
    }
  }

  #sides(): Side[] {
    const sides = [this.$reader.side, this.$writer.side];
    if (this.$listener !== null) sides.push(this.$listener.side);
    if (this.$datagrams !== null) sides.push(this.$datagrams.reading, this.$datagrams.writing);
    return sides;
  }

  setsockopt(level: number, option: number, value: opt.OptionValue): void {
    this.$open('setsockopt');
    this.$allOptions.set(level, option, value);
    try {
      this.$allOptions.applyOne(level, option, this.$node, this.$datagrams);
    } catch (error) {
      throw fromNode(error);
    }
  }

  /** What was set, or 0; SO_TYPE, and SO_ERROR as a number. */
  getsockopt(level: number, option: number): opt.OptionValue {
    this.$open('getsockopt');
    if (level === opt.SOL_SOCKET && option === opt.SO_ERROR) {
      const error = this.$attempt?.error ?? this.$reader.error ?? this.$writer.error;
      return error instanceof SocketError ? error.errno : 0;
    }
    return this.$allOptions.get(level, option);
  }

  /** Where it is: `[host, port]` or a path; before it is bound any address. */
  getsockname(): Address {
    this.$open('getsockname');
    const node = this.$node;
    if (node !== null && this.family !== AF_UNIX) {
      if (node.localAddress !== undefined) return [node.localAddress, node.localPort as number];
    }
    let address: ReturnType<Server['address']> = null;
    try {
      address = this.$listener?.server.address() ?? this.$datagrams?.node.address() ?? null;
    } catch {
      // Node throws where it is not bound yet.
    }
    if (typeof address === 'string') return address;
    if (address !== null) return [address.address, address.port];
    if (this.$bound !== null) return this.$bound;
    return this.family === AF_UNIX ? '' : [anyHost('', this.family), 0];
  }

  /** Where its peer is. @throws SocketError `ENOTCONN` */
  getpeername(): Address {
    this.$open('getpeername');
    if (this.$peer !== null) return this.$peer;
    const node = this.$node;
    if (node !== null) {
      if (this.family === AF_UNIX) return '';
      if (node.remoteAddress !== undefined) return [node.remoteAddress, node.remotePort as number];
    }
    throw new SocketError('ENOTCONN', 'getpeername: ENOTCONN: the socket is not connected');
  }
}
