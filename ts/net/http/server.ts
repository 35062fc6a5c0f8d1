// The HTTP server: Node's parser and sockets, a greenlet a request.
//
//   node:http 'request' --> #accept --> spawn(serve) --> the handler --> send() or Node's response
//                              |  while the pool is full, requests wait here in order
//
// S1  a request is in `#open` from its arrival to the end of its response; stop() waits for those
// S2  whatever leaves a handler is answered (500, or HTTPError's status) if nothing was sent, else the connection is closed

import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type ServerOptions as SecureOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, type Seconds, toWaitMs } from '../../core/clock.ts';
import { BlockingSwitchOutError, GeventError, isControl } from '../../exceptions.ts';
import { Framed } from '../../framed.ts';
import { killall, spawnRaw } from '../../gevent.ts';
import { Greenlet } from '../../gevent-greenlet.ts';
import type { Hub } from '../../hub/hub.ts';
import type { Operation } from '../../hub/operation.ts';
import type { Park } from '../../hub/protocol.ts';
import type { RawGreenlet } from '../../hub/raw.ts';
import { hubHere } from '../../limit.ts';
import '../../hub.ts';
import { sleep } from '../../sleep.ts';
import { type Limit, Timeout } from '../../timeout.ts';
import { until } from '../../until.ts';
import { settle } from '../../unwind.ts';
import { HTTPError } from './errors.ts';
import { type Log, logLine, writeLog } from './log.ts';
import { hasBody, isHost, type RequestInfo, requestFrom, tooLarge } from './request.ts';
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

/** How requests are run: each in a Greenlet, in raw greenlets, at most n at a time, by something with `spawn`, or in the hub. */
export type Spawn =
  | 'default'
  | 'raw'
  | number
  | null
  | ((fn: (...args: any[]) => unknown, ...args: unknown[]) => unknown)
  | { spawn(fn: (...args: any[]) => unknown, ...args: any[]): unknown };

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

/** A port, `'host:port'`, `':port'`, `[host, port]`, or `{ path }` of a Unix socket. */
export type Listener = number | string | [host: string, port: number] | { path: string };

/** An address from what gevent's servers take. */
export function listenOptions(listener: Listener): { host?: string; port?: number; path?: string } {
  if (typeof listener === 'number') return { port: portOf(listener, listener) };
  if (Array.isArray(listener)) return { host: listener[0], port: portOf(listener[1], listener) };
  if (typeof listener === 'object' && listener !== null && typeof listener.path === 'string')
    return { path: listener.path };
  if (typeof listener !== 'string') {
    throw new TypeError(
      `HTTPServer(listener): expected a port, 'host:port', [host, port] or { path }, got ${describe(listener)}`,
    );
  }
  if (listener.startsWith('/')) return { path: listener };
  const parts =
    /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(listener) ?? (/^\d+$/.test(listener) ? ['', undefined, '', listener] : null);
  if (parts === null) {
    throw new TypeError(
      `HTTPServer(listener): expected a port, 'host:port', [host, port] or { path }, got ${describe(listener)}`,
    );
  }
  const host = parts[1] ?? parts[2] ?? '';
  const port = portOf(Number(parts[3]), listener);
  return host === '' || host === '*' ? { port } : { host, port };
}

function portOf(port: unknown, listener: unknown): number {
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65535) {
    throw new RangeError(`HTTPServer(listener): expected a port from 0 to 65535 in ${describe(listener)}`);
  }
  return port as number;
}

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
export class HTTPServer {
  readonly hub: Hub;
  /** Node's server beneath. */
  readonly server: Server;
  readonly stopTimeout: Seconds;
  readonly log: Log | null;
  readonly #handler: InformedHandler | NodeHandler;
  readonly #fetch: boolean;
  readonly #spawn: (fn: (...args: any[]) => unknown, ...args: any[]) => unknown;
  readonly #limit: number;
  readonly #limits: { maxBodySize: number };
  readonly #address: { host?: string; port?: number; path?: string; backlog?: number };
  readonly #upgrade: UpgradeHandler | null;
  /** S1: who serves it, once somebody does. */
  readonly #open = new Map<ServerResponse, RawGreenlet | null>();
  readonly #upgraded = new Map<Duplex, RawGreenlet | null>();
  /** Arrived while all slots are taken. */
  #waiting: { incoming: IncomingMessage; outgoing: ServerResponse }[] = [];
  #running = 0;
  #state: 'new' | 'started' | 'closed' = 'new';
  #listening: Promise<void> | null = null;
  #stopped = Promise.withResolvers<void>();
  #drained: (() => void) | null = null;

  constructor(listener: Listener, handler: FetchHandler, options?: HTTPServerOptions);
  constructor(listener: Listener, handler: InformedHandler, options: HTTPServerOptions & { style: 'fetch' });
  constructor(listener: Listener, handler: NodeHandler, options?: HTTPServerOptions);
  constructor(listener: Listener, handler: InformedHandler | NodeHandler, options: HTTPServerOptions = {}) {
    if (typeof handler !== 'function') {
      throw new TypeError(`HTTPServer(listener, handler): expected a function, got ${describe(handler)}`);
    }
    const {
      style,
      spawn = 'default',
      log = null,
      maxBodySize = Infinity,
      stopTimeout = 1,
      backlog,
      upgrade = null,
      tls,
    } = options;
    if (style !== undefined && style !== 'fetch' && style !== 'node') {
      throw new TypeError(`HTTPServer(style): expected 'fetch' or 'node', got ${describe(style)}`);
    }
    if (typeof maxBodySize !== 'number' || !(maxBodySize >= 0)) {
      throw new RangeError(`HTTPServer(maxBodySize): expected bytes, 0 or more, got ${describe(maxBodySize)}`);
    }
    toWaitMs(stopTimeout, 'HTTPServer(stopTimeout)');
    this.hub = hubHere();
    this.#handler = handler;
    this.#fetch = (style ?? (handler.length >= 2 ? 'node' : 'fetch')) === 'fetch';
    this.#address = { ...listenOptions(listener), ...(backlog === undefined ? {} : { backlog }) };
    this.#limits = { maxBodySize };
    this.#limit = typeof spawn === 'number' ? spawn : Infinity;
    this.#spawn = spawner(this.hub, spawn);
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
  static node(listener: Listener, handler: NodeHandler, options: HTTPServerOptions = {}): HTTPServer {
    return new HTTPServer(listener, handler, { ...options, style: 'node' });
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  /** Listen. Acts at once; the operation waits until connections are taken. Switch point. */
  start(): Operation<void> {
    if (this.#state === 'closed')
      throw new GeventError('GEVENT_SERVER_CLOSED', `${this}: a stopped server cannot be started again`);
    if (this.#listening === null) {
      this.#state = 'started';
      ++this.hub.refs;
      this.#listening = new Promise<void>((resolve, reject) => {
        const failed = (error: Error) => {
          this.#end();
          reject(error);
        };
        this.server.once('error', failed);
        this.server.listen(this.#address, () => {
          this.server.off('error', failed);
          this.server.on('error', (error) => this.hub.$route(this, error));
          resolve();
        });
      });
      // Whoever starts and does not wait hears of it by serveForever() or stop().
      this.#listening.catch(() => {});
    }
    return until(this.#listening);
  }

  /** Start if need be, and wait until the server is stopped. A kill of the waiting greenlet stops it. Switch point. */
  serveForever(): Operation<void> {
    return new Framed('HTTPServer.serveForever', () => this.#serving());
  }

  *#serving(): Generator<Park, void, any> {
    yield* this.start();
    try {
      yield* until(this.#stopped.promise);
    } finally {
      if (!this.closed) yield* this.stop();
    }
  }

  /** Take no more connections; those that are there go on. */
  close(): void {
    if (this.#state === 'closed') return;
    const started = this.#state === 'started';
    this.#state = 'closed';
    for (const outgoing of this.#open.keys()) if (!outgoing.headersSent) outgoing.shouldKeepAlive = false;
    if (!started) return this.#stopped.resolve();
    this.server.close(() => this.#end());
    this.server.closeIdleConnections();
  }

  /**
   * Close, wait `timeout` seconds for requests under way, then kill their greenlets, which are answered 500, and close what is left.
   * Acts at once. Switch point.
   */
  stop(timeout: Limit = this.stopTimeout): Operation<void> {
    if (!(timeout instanceof Timeout) && timeout !== null) toWaitMs(timeout, 'stop(timeout)');
    this.close();
    return new Framed('HTTPServer.stop', () => this.#stop(timeout));
  }

  *#stop(timeout: Limit): Generator<Park, void, any> {
    const limit = Timeout.startNew(timeout);
    try {
      while (this.#open.size + this.#upgraded.size > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#drained = resolve;
        yield* until(promise);
      }
    } catch (error) {
      if (error !== limit) throw error;
    } finally {
      limit.cancel();
    }
    this.#waiting = [];
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
    yield* until(this.#stopped.promise);
    // The killed get their turn before this returns.
    yield* sleep(0);
  }

  /** Nothing listens any more and no connection is left. */
  #end(): void {
    if (this.#listening !== null) {
      this.#listening = null;
      this.#state = 'closed';
      --this.hub.refs;
      this.hub.kick();
    }
    this.#stopped.resolve();
  }

  get started(): boolean {
    return this.#state === 'started' && this.server.listening;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** What it listens on: `[host, port]`, a path, or null before it listens. */
  get address(): [host: string, port: number] | string | null {
    const address = this.server.address() as AddressInfo | string | null;
    return address === null || typeof address === 'string' ? address : [address.address, address.port];
  }

  get serverHost(): string | null {
    return Array.isArray(this.address) ? this.address[0] : null;
  }

  get serverPort(): number | null {
    return Array.isArray(this.address) ? this.address[1] : null;
  }

  /** `http://host:port` of what it listens on, for clients on this machine. */
  get url(): string {
    const [host, port] = Array.isArray(this.address) ? this.address : ['localhost', 80];
    const name = host === '::' || host === '0.0.0.0' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
    return `${'key' in this.server || 'setSecureContext' in this.server ? 'https' : 'http'}://${name}:${port}`;
  }

  /** True while further requests have to wait. */
  full(): boolean {
    return this.#running >= this.#limit;
  }

  /** Requests under way, waiting ones included. */
  get requests(): number {
    return this.#open.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  toString(): string {
    const at =
      this.address === null ? this.#state : Array.isArray(this.address) ? this.address.join(':') : this.address;
    return `<HTTPServer ${at}>`;
  }

  // ---- a request ----------------------------------------------------------------------------------------------------

  #accept(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.#open.set(outgoing, null);
    outgoing.once('close', () => this.#gone(outgoing));
    if (this.#state === 'closed') outgoing.shouldKeepAlive = false;
    if (this.#running >= this.#limit) this.#waiting.push({ incoming, outgoing });
    else this.#run(incoming, outgoing);
  }

  #run(incoming: IncomingMessage, outgoing: ServerResponse): void {
    ++this.#running;
    try {
      const greenlet = this.#spawn(serve, this, incoming, outgoing);
      if (greenlet instanceof Greenlet && this.#open.has(outgoing)) this.#open.set(outgoing, greenlet);
    } catch (error) {
      this.$done();
      this.hub.$route(this, error);
      answer(outgoing, 503);
    }
  }

  /** @internal A handler has ended. */
  $done(): void {
    --this.#running;
    while (this.#waiting.length > 0 && this.#running < this.#limit) {
      const { incoming, outgoing } = this.#waiting.shift() as { incoming: IncomingMessage; outgoing: ServerResponse };
      if (!outgoing.destroyed) this.#run(incoming, outgoing);
    }
  }

  #gone(outgoing: ServerResponse): void {
    this.#open.delete(outgoing);
    this.#left();
  }

  /** One less to wait for. */
  #left(): void {
    if (this.#open.size + this.#upgraded.size > 0) return;
    this.#drained?.();
    this.#drained = null;
  }

  /** @internal Run the handler and send what it gives. */
  *$handle(incoming: IncomingMessage, outgoing: ServerResponse): Generator<Park, void, any> {
    if (!this.#fetch) {
      yield* settle((this.#handler as NodeHandler)(incoming, outgoing));
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
    const response = yield* settle(given);
    if (outgoing.destroyed) return;
    if (!isResponse(response)) {
      throw new TypeError(`the handler of ${incoming.method} requests gave ${describe(response)}: expected a Response`);
    }
    const rest = send(outgoing, response);
    if (rest !== undefined) yield* rest;
  }

  /** @internal S2 */
  $failed(error: unknown, incoming: IncomingMessage, outgoing: ServerResponse): void {
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
    if (this.#state === 'closed') return void socket.destroy();
    this.#upgraded.set(socket, null);
    socket.once('close', () => {
      this.#upgraded.delete(socket);
      this.#left();
    });
    this.#upgraded.set(socket, this.hub.spawn(upgrade, this.#upgrade as UpgradeHandler, incoming, socket, head));
  }
}

/** The body of a request's greenlet. */
function* serve(server: HTTPServer, incoming: IncomingMessage, outgoing: ServerResponse): Generator<Park, void, any> {
  const { log } = server;
  const began = log === null ? 0 : performance.now();
  try {
    yield* server.$handle(incoming, outgoing);
  } catch (error) {
    server.$failed(error, incoming, outgoing);
  } finally {
    server.$done();
    if (log !== null) {
      const length = contentLength(outgoing);
      writeLog(log, logLine(incoming, outgoing, length, (performance.now() - began) / 1000));
    }
  }
}

function* upgrade(
  handler: UpgradeHandler,
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Generator<Park, void, any> {
  // One that is reset while nobody listens would end the process.
  socket.on('error', () => {});
  try {
    yield* settle(handler(incoming, socket, head));
  } finally {
    if (!socket.destroyed) socket.end();
  }
}

class Info implements RequestInfo {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.incoming = incoming;
    this.outgoing = outgoing;
  }

  get remoteAddress(): string {
    return this.incoming.socket.remoteAddress ?? '';
  }

  get remotePort(): number {
    return this.incoming.socket.remotePort ?? 0;
  }
}

function contentLength(outgoing: ServerResponse): number | null {
  const header = /\r\ncontent-length: (\d+)/i.exec((outgoing as { _header?: string | null })._header ?? '');
  return header === null ? null : Number(header[1]);
}

/** Answer with a status and its text, if nothing was sent; else close the connection: the client must not take it for whole. */
function answer(outgoing: ServerResponse, status: number, text?: string): void {
  if (outgoing.destroyed || outgoing.writableEnded) return;
  if (outgoing.headersSent) return void outgoing.destroy();
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
  const body = `${text ?? (status === 500 ? 'Internal Server Error' : 'Service Unavailable')}\n`;
  outgoing.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  outgoing.end(body);
}

/** `Expect: 100-continue`: the client is told to send the body when somebody first reads it. */
function continueOnRead(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (!hasBody(incoming)) return;
  if (incoming.headers.expect?.toLowerCase() !== '100-continue') throw new HTTPError(417);
  let told = false;
  const read = incoming._read.bind(incoming);
  incoming._read = (size) => {
    if (!told && !outgoing.headersSent && !outgoing.destroyed) outgoing.writeContinue();
    told = true;
    read(size);
  };
}

function refuse(error: Error & { code?: string }, socket: Duplex): void {
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
    (socket as Socket).destroySoon?.(),
  );
}

function spawner(hub: Hub, spawn: Spawn): (fn: (...args: any[]) => unknown, ...args: any[]) => unknown {
  if (spawn === 'default' || typeof spawn === 'number') {
    if (typeof spawn === 'number' && (!Number.isInteger(spawn) || spawn < 1)) {
      throw new RangeError(`HTTPServer(spawn): expected an integer from 1, got ${describe(spawn)}`);
    }
    return (fn, ...args) => hub.spawn(fn as () => unknown, ...(args as []));
  }
  if (spawn === 'raw') return spawnRaw as (fn: (...args: any[]) => unknown, ...args: any[]) => unknown;
  // In the hub itself: what blocks there is refused by the hub, and the client gets 500.
  if (spawn === null) return (fn, ...args) => hub.loop.runCallback(inHub, fn, args);
  if (typeof spawn === 'function') return spawn;
  if (typeof spawn?.spawn === 'function') return (fn, ...args) => spawn.spawn(fn, ...args);
  throw new TypeError(
    `HTTPServer(spawn): expected 'default', 'raw', a number, null, a function or something with spawn(), got ${describe(spawn)}`,
  );
}

/** Drive the body of a request without a greenlet: good for handlers that never block. */
function inHub(fn: (...args: any[]) => Generator<unknown, unknown, unknown>, args: unknown[]): void {
  const body = fn(...args);
  const step = body.next();
  if (!step.done) body.throw(new BlockingSwitchOutError());
}
