// Entry `gevent-wasm/resolver`: names to addresses and back, by Node's dns. `thread` asks as the system does (its hosts
// file and all, on Node's thread pool), `ares` asks name servers directly. Literal addresses ask nobody.

import * as dns from 'node:dns';
import { isIP, isIPv4 } from 'node:net';
import { config } from '../config.ts';
import { describe, wrongType } from '../core/arguments.ts';
import { ForeignWait } from '../foreign.ts';
import type { Hub } from '../hub/hub.ts';
import type { Operation } from '../hub/operation.ts';
// For whoever imports only this: the hub of the thread.
import '../hub.ts';
import {
  type AddressFamily,
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  type InetAddress,
  SOCK_DGRAM,
  SOCK_STREAM,
} from './address.ts';
import { AddressError, fromNode, HostError, type SocketError } from './errors.ts';

/** One way to reach a host, as getaddrinfo tells of it. */
export type AddressInfo = [family: AddressFamily, type: number, proto: number, canonname: string, address: InetAddress];
/** A host's name, its other names, its addresses. */
export type HostEntry = [name: string, aliases: string[], addresses: string[]];

type Settle = (error: unknown, value?: any) => void;

/** A question to Node, asked when it is consumed. Answers that come too late are dropped. */
class Ask<T> extends ForeignWait<T> {
  readonly #what: string;
  readonly #ask: (settle: Settle) => void;
  readonly #Class: new (
    ...args: any[]
  ) => SocketError;
  #settled = false;
  #error: unknown = null;
  #value: T | undefined;

  constructor(what: string, ask: (settle: Settle) => void, Class: new (...args: any[]) => SocketError = AddressError) {
    super();
    this.#what = what;
    this.#ask = ask;
    this.#Class = Class;
  }

  describe(): string {
    return this.#what;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#ask((error, value) => {
      if (this.#settled) return;
      this.#settled = true;
      this.#error = error ?? null;
      this.#value = value;
      this.happened();
    });
    if (this.#settled) return true;
    this.wait(hub, slot, null);
    return false;
  }

  complete(hub: Hub): T {
    this.unwait(hub);
    if (this.#error !== null) throw fromNode(this.#error, this.#Class);
    return this.#value as T;
  }
}

function checkHost(host: unknown, where: string): string {
  if (typeof host !== 'string') throw wrongType(where, 'a host name', host);
  if (host.includes('\0')) throw new TypeError(`${where}: a host name with a zero byte: ${describe(host)}`);
  return host;
}

const numberOf = (family: AddressFamily): 0 | 4 | 6 => (family === AF_INET ? 4 : family === AF_INET6 ? 6 : 0);
const familyOf = (address: string): AddressFamily => (isIPv4(address) ? AF_INET : AF_INET6);

function noSuchName(host: string, family: AddressFamily): AddressError {
  const kind = family === AF_INET ? 'IPv4 ' : family === AF_INET6 ? 'IPv6 ' : '';
  return new AddressError('ENOTFOUND', `getaddrinfo ENOTFOUND ${host}: no ${kind}address`, { syscall: 'getaddrinfo' });
}

/** What getaddrinfo may be told. */
export interface AddressInfoOptions {
  /** AF_INET or AF_INET6; AF_UNSPEC (default): both. */
  family?: AddressFamily;
  /** SOCK_STREAM or SOCK_DGRAM; 0 (default): an entry for each. */
  type?: number;
  /** 0 (default), or IPPROTO_TCP or IPPROTO_UDP. */
  proto?: number;
}

/** Port numbers of services by name: the few that any program may rely on. */
const SERVICES: Readonly<Record<string, number>> = {
  echo: 7,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  http: 80,
  pop3: 110,
  ntp: 123,
  imap: 143,
  https: 443,
};

function portOf(port: unknown): number {
  if (port === null || port === undefined) return 0;
  const number = typeof port === 'string' && !/^\d+$/.test(port) ? SERVICES[port] : Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65535) {
    throw new AddressError('EAI_SERVICE', `getaddrinfo: unknown service or bad port ${describe(port)}`);
  }
  return number;
}

function infos(addresses: readonly string[], port: number, { type = 0, proto = 0 }: AddressInfoOptions): AddressInfo[] {
  const kinds: [number, number][] = [];
  if ((type === 0 || type === SOCK_STREAM) && (proto === 0 || proto === 6)) kinds.push([SOCK_STREAM, 6]);
  if ((type === 0 || type === SOCK_DGRAM) && (proto === 0 || proto === 17)) kinds.push([SOCK_DGRAM, 17]);
  return addresses.flatMap((address) =>
    kinds.map(([kind, its]): AddressInfo => [familyOf(address), kind, its, '', [address, port]]),
  );
}

/**
 * Asks for names. All its calls are switch points, except for literal addresses; one that is killed or timed out goes on
 * unheard in Node.
 * @see `gevent.resolver`, the source.
 */
export class Resolver {
  /** @internal All addresses of `host`, in the order to try them. */
  protected $lookup(host: string, family: AddressFamily, settle: Settle): void {
    dns.lookup(host, { all: true, family: numberOf(family) }, (error, found) =>
      settle(error, error ? undefined : found.map(({ address }) => address)),
    );
  }

  #addresses(host: string, family: AddressFamily, settle: Settle): void {
    if (isIP(host) !== 0 || (host.includes('%') && isIP(host.split('%')[0]) === 6)) {
      const right = family === AF_UNSPEC || familyOf(host) === family;
      return settle(right ? null : noSuchName(host, family), [host]);
    }
    if (host === 'localhost' && family === AF_INET) return settle(null, ['127.0.0.1']);
    if (host === 'localhost' && family === AF_INET6) return settle(null, ['::1']);
    this.$lookup(host, family, settle);
  }

  /** @internal One address, for a connection. */
  $first(host: string, family: AddressFamily, settle: Settle): void {
    this.#addresses(host, family, (error, found: string[]) => settle(error, found?.[0]));
  }

  /** The first IPv4 address of a host. @throws AddressError (`gaierror`) if it has none */
  gethostbyname(host: string): Operation<string> {
    checkHost(host, 'gethostbyname(host)');
    return new Ask(`gethostbyname(${host})`, (settle) =>
      this.#addresses(host, AF_INET, (error, found: string[]) => settle(error, found?.[0])),
    );
  }

  /** A host's name, aliases (Node tells none) and IPv4 addresses. */
  gethostbynameEx(host: string): Operation<HostEntry> {
    checkHost(host, 'gethostbynameEx(host)');
    return new Ask(`gethostbynameEx(${host})`, (settle) =>
      this.#addresses(host, AF_INET, (error, found: string[]) => settle(error, [host, [], [...new Set(found)]])),
    );
  }

  /**
   * Ways to reach a host: `[family, type, proto, canonname, [address, port]]` each, in the order to try them.
   * @param host - a name or literal address; null: the loopback addresses
   * @param port - a number, a well-known service's name, or null
   */
  getaddrinfo(
    host: string | null,
    port: number | string | null,
    options: AddressInfoOptions = {},
  ): Operation<AddressInfo[]> {
    const { family = AF_UNSPEC } = options;
    if (host !== null) checkHost(host, 'getaddrinfo(host)');
    return new Ask(`getaddrinfo(${host})`, (settle) => {
      let number: number;
      try {
        number = portOf(port);
      } catch (error) {
        return settle(error);
      }
      if (host === null) {
        const loopback = ['::1', '127.0.0.1'].filter((it) => family === AF_UNSPEC || familyOf(it) === family);
        return settle(null, infos(loopback, number, options));
      }
      this.#addresses(host, family, (error, found: string[]) =>
        settle(error, error ? undefined : infos(found, number, options)),
      );
    });
  }

  /** The name of an address. @throws HostError (`herror`) if it has none */
  gethostbyaddr(address: string): Operation<HostEntry> {
    checkHost(address, 'gethostbyaddr(address)');
    return new Ask(
      `gethostbyaddr(${address})`,
      (settle) =>
        this.#addresses(address, AF_UNSPEC, (error, found: string[]) => {
          if (error) return settle(error);
          dns.lookupService(found[0], 0, (failure, name) => {
            // The system gives the address back if it knows no name.
            if (failure || name === found[0]) {
              return settle(failure ?? new HostError('ENOTFOUND', `gethostbyaddr: unknown host ${address}`));
            }
            settle(null, [name, [], [found[0]]]);
          });
        }),
      HostError,
    );
  }

  /** The names of a host and service at an address: `[host, service]`. */
  getnameinfo(address: InetAddress): Operation<[host: string, service: string]> {
    if (!Array.isArray(address)) throw wrongType('getnameinfo(address)', '[host, port]', address);
    const [host, port] = address as [string, number];
    checkHost(host, 'getnameinfo(host)');
    return new Ask(`getnameinfo(${host})`, (settle) => {
      if (isIP(host) === 0) return settle(new AddressError('ENOTFOUND', `getnameinfo: ${host} is not an address`));
      try {
        dns.lookupService(host, port, (error, name, service) => settle(error, [name, service]));
      } catch (error) {
        settle(error);
      }
    });
  }

  /** Nothing is kept open between questions: for gevent's sake. */
  close(): void {}
}

/** Asks as the system does: hosts file, name service switch. */
class ThreadResolver extends Resolver {}

/** Asks name servers, by c-ares. Does not know the system's other sources of names. */
class AresResolver extends Resolver {
  #resolver: dns.Resolver | null = null;

  /** Made at the first question, as the configuration says then. */
  #make(): dns.Resolver {
    const options: dns.ResolverOptions = {};
    const timeout = config.aresTimeout ?? config.resolverTimeout;
    if (timeout !== null) options.timeout = Math.ceil(timeout * 1000);
    if (config.aresTries !== null) options.tries = config.aresTries;
    const resolver = new dns.Resolver(options);
    const servers = config.aresServers ?? config.resolverNameservers;
    if (servers !== null) resolver.setServers(servers);
    return resolver;
  }

  protected override $lookup(host: string, family: AddressFamily, settle: Settle): void {
    try {
      this.#resolver ??= this.#make();
    } catch (error) {
      return settle(error);
    }
    const resolver = this.#resolver;
    const found: string[][] = [[], []];
    const wanted = [AF_INET, AF_INET6].filter((it) => family === AF_UNSPEC || family === it);
    let left = wanted.length;
    let failure: unknown = null;
    for (const each of wanted) {
      const done = (error: unknown, addresses: string[]) => {
        if (error) failure = error;
        else found[each === AF_INET ? 0 : 1] = addresses;
        if (--left > 0) return;
        const all = found.flat();
        settle(all.length > 0 ? null : (failure ?? noSuchName(host, family)), all);
      };
      if (each === AF_INET) resolver.resolve4(host, done);
      else resolver.resolve6(host, done);
    }
  }

  override close(): void {
    this.#resolver?.cancel();
    this.#resolver = null;
  }
}

/** The classes `config.resolver` names. */
export const resolver: { readonly thread: typeof Resolver; readonly ares: typeof Resolver } = {
  thread: ThreadResolver,
  ares: AresResolver,
};

let ours: Resolver | null = null;
let madeFor: unknown = null;

/** The resolver of this thread, as `config.resolver` has it. */
export function getResolver(): Resolver {
  const wanted = config.resolver;
  if (ours === null || madeFor !== wanted) {
    const Class = typeof wanted === 'string' ? resolver[wanted] : (wanted as unknown as typeof Resolver);
    ours = new Class();
    madeFor = wanted;
  }
  return ours;
}
