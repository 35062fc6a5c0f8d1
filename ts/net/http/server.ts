// The HTTP server: Node's parser and sockets, a greenlet a request.
//
//   node:http 'request' --> #accept --> spawn(serve) --> the handler --> send() or Node's response
//                              |  while the pool is full, requests wait here in order
//
// S1  a request is in `#open` from its arrival to the end of its response; stop() waits for those
// S2  whatever leaves a handler is answered (500, or HTTPError's status) if nothing was sent, else the connection is closed

import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type ServerOptions as SecureOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, needOptions, wrongRange, wrongType } from '../../core/arguments.ts';
import { type Seconds, toWaitMs } from '../../core/clock.ts';
import { Event } from '../../event.ts';
import { isControl } from '../../exceptions.ts';
import { killall } from '../../gevent.ts';
import { Greenlet } from '../../gevent-greenlet.ts';
import type { Operation } from '../../hub/operation.ts';
import { isBody, type Park } from '../../hub/protocol.ts';
import type { RawGreenlet } from '../../hub/raw.ts';
import { sleep } from '../../sleep.ts';
import { type Limit, Timeout } from '../../timeout.ts';
import { settle } from '../../unwind.ts';
import {
  type Address,
  type AddressFamily,
  AF_INET6,
  anyHost,
  type ListenAddress,
  parseAddress,
  SOCK_STREAM,
} from '../address.ts';
import { Socket as BoundSocket } from '../endpoint.ts';
import { fromNode } from '../errors.ts';
import type { Listener } from '../listener.ts';
import { Order } from '../order.ts';
import { type PoolLike, RoomWatch, type Spawn } from '../running.ts';
import { ServerLife } from '../server-life.ts';
import { HTTPError } from './errors.ts';
import { answer, continueOnRead, Info, inHub, refuse, serve, upgrade } from './exchange.ts';
import type { Log } from './log.ts';
import { isHost, type RequestInfo, requestFrom, tooLarge } from './request.ts';
import { isResponse, send } from './response.ts';
import { ended } from './streaming.ts';

/** A handler of WHATWG objects: may be a generator, async or plain function. */
export type FetchHandler = (request: Request) => unknown;
/** The same with what the server knows beside; needs `style: 'fetch'`, for two parameters are Node's `(req, res)`. */
export type InformedHandler = (request: Request, info: RequestInfo) => unknown;
/** A handler of Node's objects, as Express, Fastify and others are. */
export type NodeHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown;
/** What takes a connection over after an `Upgrade` request; a greenlet runs it. */
export type UpgradeHandler = (incoming: IncomingMessage, socket: Duplex, head: Buffer) => unknown;

export interface HTTPServerOptions {
  /** `'fetch'`: the handler takes a Request and gives a Response. `'node'`: it takes `(req, res)`. Default: by its number of parameters. */
  style?: 'fetch' | 'node';
  /** How requests are run. A number is the most at a time; further ones wait. Default: a Greenlet each. */
  spawn?: Spawn;
  /** Access log: a line a request. Default null: none. */
  log?: Log | 'default' | null;
  /** Bytes of body that a fetch-style handler may read; more are answered 413. Default: no limit. */
  maxBodySize?: number;
  /** Seconds that `stop()` waits for requests under way. Default 1, as in gevent. */
  stopTimeout?: Seconds;
  /** Connections that wait to be accepted. Default: Node's, 511. */
  backlog?: number;
  /** Takes connections over after `Upgrade`. Without it they are answered as ordinary requests. */
  upgrade?: UpgradeHandler | null;
  /** Key, certificate and so on: TLS. */
  tls?: SecureOptions;
  /** Further settings of Node's server: `requestTimeout`, `headersTimeout`, `keepAliveTimeout`, `maxHeaderSize`, … (ms and bytes). */
  node?: ServerOptions;
}

const OPTIONS: readonly (keyof HTTPServerOptions)[] = [
  'style',
  'spawn',
  'log',
  'maxBodySize',
  'stopTimeout',
  'backlog',
  'upgrade',
  'tls',
  'node',
];

/**
 * An HTTP server whose requests are greenlets.
 *
 *     const server = new HTTPServer(8080, function* (request) {
 *       yield* sleep(1);
 *       return new Response('hello');
 *     });
 *     await server.serveForever();
 *
 * A handler with one parameter takes a WHATWG Request and gives a Response; one with two or more takes Node's `(req, res)`,
 * so Express and others run unchanged.
 * @see `gevent.pywsgi.WSGIServer`, the source.
 */
export class HTTPServer extends ServerLife {
  /** Node's server beneath. */
  readonly server: Server;
  readonly log: Log | null;
  readonly #handler: InformedHandler | NodeHandler;
  readonly #fetch: boolean;
  readonly #limits: { maxBodySize: number };
  readonly #asked: { family: AddressFamily; address: Address; backlog: number | undefined };
  readonly #upgrade: UpgradeHandler | null;
  /** Bound, or listening, by somebody else; ours from `start` on. */
  readonly #given: BoundSocket | null = null;
  /** What listens is the given socket, and not Node's server. */
  #handedOn = false;
  /** S1: who serves it, once somebody does. */
  readonly #open = new Map<ServerResponse, RawGreenlet | null>();
  readonly #upgraded = new Map<Duplex, RawGreenlet | null>();
  /** Arrived while the pool is full. */
  readonly #waiting: { incoming: IncomingMessage; outgoing: ServerResponse }[] = [];
  readonly #room = new RoomWatch(this.hub, () => this.#admit());
  /** Set when nothing is open any more; there is one while somebody waits for that. */
  #idle: Event | null = null;
  /** It listens, or did, and its connections are not all gone. */
  #holds = false;
  readonly #over = new Event();
  /** One for all: requests that wait are many. */
  readonly #onClose: (this: ServerResponse) => void;

  constructor(listener: ListenAddress | BoundSocket, handler: FetchHandler, options?: HTTPServerOptions);
  constructor(
    listener: ListenAddress | BoundSocket,
    handler: InformedHandler,
    options: HTTPServerOptions & { style: 'fetch' },
  );
  constructor(listener: ListenAddress | BoundSocket, handler: NodeHandler, options?: HTTPServerOptions);
  constructor(
    listener: ListenAddress | BoundSocket,
    handler: InformedHandler | NodeHandler,
    options: HTTPServerOptions = {},
  ) {
    needOptions('HTTPServer(options)', options, OPTIONS);
    super(options.spawn === undefined ? 'default' : options.spawn);
    if (typeof handler !== 'function') {
      throw wrongType('HTTPServer(listener, handler)', 'a function', handler);
    }
    const { style, log = null, maxBodySize = Infinity, stopTimeout = 1, backlog, upgrade = null, tls } = options;
    if (style !== undefined && style !== 'fetch' && style !== 'node') {
      throw wrongType('HTTPServer(style)', `'fetch' or 'node'`, style);
    }
    if (typeof maxBodySize !== 'number' || !(maxBodySize >= 0)) {
      throw wrongRange('HTTPServer(maxBodySize)', 'bytes, 0 or more', maxBodySize);
    }
    toWaitMs(stopTimeout, 'HTTPServer(stopTimeout)');
    const server = this;
    this.#onClose = function () {
      if (server.#open.delete(this)) server.#left();
    };
    if (listener instanceof BoundSocket) {
      if (listener.$secure || listener.type !== SOCK_STREAM || listener.$node !== null) {
        throw new TypeError(`HTTPServer(listener): expected an address or a bound stream socket, got ${listener}`);
      }
      this.#given = listener;
    }
    const [family, address] =
      listener instanceof BoundSocket ? [listener.family, listener.getsockname()] : parseAddress(listener);
    this.#asked = { family, address, backlog };
    this.#handler = handler;
    this.#fetch = (style ?? (handler.length >= 2 ? 'node' : 'fetch')) === 'fetch';
    this.#limits = { maxBodySize };
    this.#upgrade = upgrade;
    this.stopTimeout = stopTimeout;
    this.log = log === 'default' ? process.stderr : log;
    this.server =
      tls === undefined
        ? createServer(options.node ?? {})
        : (createSecureServer({ ...options.node, ...tls }) as unknown as Server);
    this.server.on('request', (incoming, outgoing) => this.#accept(incoming, outgoing));
    if (this.#fetch) {
      // The body is asked for when the handler first looks at it.
      this.server.on('checkContinue', (incoming, outgoing) => this.#accept(incoming, outgoing));
    }
    if (upgrade !== null) this.server.on('upgrade', (incoming, socket, head) => this.#takeOver(incoming, socket, head));
    this.server.on('clientError', (error, socket) => this.#refuse(error, socket));
  }

  /** A server of a handler of Node's style. The same as the constructor; here TypeScript knows what the parameters are. */
  static node(
    listener: ListenAddress | BoundSocket,
    handler: NodeHandler,
    options: HTTPServerOptions = {},
  ): HTTPServer {
    return new HTTPServer(listener, handler, { ...options, style: 'node' });
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  /** Where it listens; the address that was asked for until it does. */
  override get address(): Address {
    const address = this.server.address() as AddressInfo | string | null;
    if (address === null) return this.#asked.address;
    return typeof address === 'string' ? address : [address.address, address.port];
  }

  /** @internal */
  override $listen(): Operation<void> {
    const { server } = this;
    const { family, address, backlog } = this.#asked;
    const order = new Order<void>('listen');
    server.on('error', (error) => {
      const ours = fromNode(error);
      if (order.settled) return this.hub.$route(this, ours);
      this.#end();
      order.fail(ours);
    });
    this.#holds = true;
    ++this.hub.refs;
    const extra = backlog === undefined ? {} : { backlog };
    const listening = () => order.settle();
    if (this.#given !== null) {
      this.#adopt(this.#given, backlog, order);
      return order;
    }
    if (typeof address === 'string') server.listen({ path: address, ...extra }, listening);
    // Node's own any address is of both families, or of the one that there is.
    else if (family === AF_INET6 && address[0] === '') server.listen({ port: address[1], ...extra }, listening);
    else server.listen({ host: anyHost(address[0], family), port: address[1], ...extra }, listening);
    return order;
  }

  /** Listen through a socket of ours: it begins to, if it does not, then Node's server takes its place. */
  #adopt(socket: BoundSocket, backlog: number | undefined, order: Order<void>): void {
    const failed = (error: unknown): void => {
      socket.close();
      this.#end();
      order.fail(error);
    };
    try {
      socket.listen(backlog);
    } catch (error) {
      return failed(error);
    }
    const listener = socket.$listener as Listener;
    // What came before waits there, paused.
    const hand = (): void => {
      listener.handOn((node) => {
        this.server.emit('connection', node);
        node.resume();
      });
      order.settle();
    };
    // Node cannot listen a second time on a Unix socket (EEXIST, as of 26): there the listener stays and hands on.
    this.#handedOn = typeof socket.getsockname() === 'string';
    const take = (): void => void (this.#handedOn ? hand() : this.server.listen(listener.server, hand));
    if (listener.server.listening) return take();
    listener.server.once('error', (error) => failed(fromNode(error)));
    listener.server.once('listening', take);
  }

  /** @internal */
  override $listening(): void {
    if (this.closed) this.#shutDoor();
    super.$listening();
  }

  /** @internal Take no more connections; those that are there go on. */
  override $shut(): void {
    for (const outgoing of this.#open.keys()) if (!outgoing.headersSent) outgoing.shouldKeepAlive = false;
    // Still asking for its host's address, Node cannot be stopped: see $listening.
    if (this.server.listening || this.#handedOn) this.#shutDoor();
    else if (!this.#holds) this.#over.set();
  }

  #shutDoor(): void {
    this.server.close(() => this.#end());
    this.#given?.close();
    this.server.closeIdleConnections();
  }

  /** Nothing listens any more and no connection is left. */
  #end(): void {
    this.#over.set();
    if (!this.#holds) return;
    this.#holds = false;
    --this.hub.refs;
    this.hub.kick();
  }

  /** @internal Requests under way get their time; those that are killed are answered 500. */
  override *$drain(timeout: Limit): Generator<Park, void, any> {
    try {
      if (this.#open.size + this.#upgraded.size > 0) {
        this.#idle ??= new Event();
        yield* this.#idle.wait({ timeout });
      }
    } finally {
      this.#room.stop();
      this.#waiting.length = 0;
      yield* this.#killAll();
    }
  }

  *#killAll(): Generator<Park, void, any> {
    const left = [...this.#open.values(), ...this.#upgraded.values()].filter((g) => g instanceof Greenlet);
    // They may say good-bye to their clients: 500, or a close frame.
    const patience = new Timeout(1);
    try {
      yield* killall(left, { timeout: patience });
    } catch (error) {
      if (error !== patience) throw error;
    }
    for (const socket of this.#upgraded.keys()) socket.destroy();
    this.server.closeAllConnections();
    yield* this.#over.wait();
    // The killed get their turn before this returns.
    yield* sleep(0);
  }

  /** `http://host:port` of what it listens on, for clients on this machine. */
  get url(): string {
    const { address } = this;
    const [host, port] = typeof address === 'string' ? ['localhost', 80] : address;
    const name =
      host === '' || host === '::' || host === '0.0.0.0' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
    return `${'key' in this.server || 'setSecureContext' in this.server ? 'https' : 'http'}://${name}:${port}`;
  }

  /** Requests under way, waiting ones included. */
  get requests(): number {
    return this.#open.size;
  }

  // ---- a request ----------------------------------------------------------------------------------------------------

  #accept(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.#open.set(outgoing, null);
    outgoing.on('close', this.#onClose);
    if (this.closed) outgoing.shouldKeepAlive = false;
    if (this.pool === null) return this.#serve(incoming, outgoing);
    this.#waiting.push({ incoming, outgoing });
    this.#admit();
  }

  /** Serve those that wait, as far as there is room. */
  #admit(): void {
    const pool = this.pool as PoolLike;
    while (this.#waiting.length > 0) {
      if (this.full()) return this.#room.start(pool, 0.01);
      const { incoming, outgoing } = this.#waiting.shift() as { incoming: IncomingMessage; outgoing: ServerResponse };
      if (!outgoing.destroyed) this.#serve(incoming, outgoing);
    }
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const run = this.$run;
    try {
      // In the hub itself: what blocks there is refused by the hub, and the client gets 500.
      if (run === null) return void this.hub.loop.runCallback(inHub, serve, [this, incoming, outgoing]);
      const greenlet = run(serve, this, incoming, outgoing);
      if (greenlet instanceof Greenlet && this.#open.has(outgoing)) this.#open.set(outgoing, greenlet);
    } catch (error) {
      this.hub.$route(this, error);
      answer(outgoing, 503);
    }
  }

  /** One less to wait for. */
  #left(): void {
    if (this.#open.size + this.#upgraded.size === 0) this.#idle?.set();
  }

  /** @internal Run the handler and send what it gives. */
  *$handle(incoming: IncomingMessage, outgoing: ServerResponse): Generator<Park, void, any> {
    if (!this.#fetch) {
      const given = (this.#handler as NodeHandler)(incoming, outgoing);
      if (isBody(given)) yield* given;
      else yield* settle(given);
      // Callback-style applications answer later.
      if (!outgoing.writableEnded) yield* ended(outgoing);
      return;
    }
    const host = incoming.headers.host;
    if (host !== undefined && !isHost(host)) throw new HTTPError(400, 'the Host header is no host');
    const { maxBodySize } = this.#limits;
    if (Number(incoming.headers['content-length'] ?? 0) > maxBodySize) throw tooLarge(maxBodySize);
    if (incoming.headers.expect !== undefined) continueOnRead(incoming, outgoing);
    const request = requestFrom(incoming, outgoing, this.#limits);
    const handler = this.#handler as InformedHandler;
    const given = handler.length > 1 ? handler(request, new Info(incoming, outgoing)) : (handler as any)(request);
    const response = isResponse(given) ? given : isBody(given) ? yield* given : yield* settle(given);
    if (outgoing.destroyed) return;
    if (!isResponse(response)) {
      throw new TypeError(`the handler of ${incoming.method} requests gave ${describe(response)}: expected a Response`);
    }
    const rest = send(outgoing, response);
    if (rest !== undefined) yield* rest;
  }

  /** @internal S2 */
  $raised(error: unknown, incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (error instanceof HTTPError) {
      // What is left of a body that is too large is not read.
      if (error.status === 413 || !incoming.complete) outgoing.shouldKeepAlive = false;
      return answer(outgoing, error.status, error.message);
    }
    const gone = outgoing.destroyed && (error as { code?: string })?.code === 'ECONNRESET';
    if (!isControl(error)) {
      if (!gone) this.hub.$route(`${incoming.method} ${incoming.url}`, error);
    } else if (error instanceof Timeout) this.hub.$route(`${incoming.method} ${incoming.url}`, error);
    answer(outgoing, 500);
  }

  /** What is no HTTP is answered and closed. */
  #refuse(error: Error & { code?: string }, socket: Duplex): void {
    let sending = false;
    for (const outgoing of this.#open.keys()) sending ||= outgoing.socket === socket && outgoing.headersSent;
    // In the middle of another answer it would be taken for a part of that.
    if (sending || error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    refuse(error, socket);
  }

  #takeOver(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.closed) return void socket.destroy();
    this.#upgraded.set(socket, null);
    socket.once('close', () => {
      this.#upgraded.delete(socket);
      this.#left();
    });
    this.#upgraded.set(socket, this.hub.spawn(upgrade, this.#upgrade as UpgradeHandler, incoming, socket, head));
  }
}
