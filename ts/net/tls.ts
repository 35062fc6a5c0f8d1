// TLS by node:tls: contexts, and sockets that speak it. A plain socket is wrapped: its connection goes over to the new one, which
// is there when the handshake is done.

import type { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { Socket as NodeSocket } from 'node:net';
import * as tls from 'node:tls';
import { wrongRange, wrongType } from '../core/arguments.ts';
import type { Hub } from '../hub/hub.ts';
import { type Operation, SingleUse } from '../hub/operation.ts';
import { expired, timeoutOf } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { AF_UNIX } from './address.ts';
import { Socket } from './endpoint.ts';
import { closedError, fromNode, SocketError, SocketTimeout, wouldBlock } from './errors.ts';
import { msOf } from './reader.ts';
import { Side } from './side.ts';
import type { IoOptions } from './stream.ts';
import { type Data, Sent } from './writer.ts';

export const CERT_NONE = 0;
export const CERT_OPTIONAL = 1;
export const CERT_REQUIRED = 2;

/** What a default context is for. */
export const Purpose = { SERVER_AUTH: 'serverAuth', CLIENT_AUTH: 'clientAuth' } as const;
export type Purpose = (typeof Purpose)[keyof typeof Purpose];

/** An error of TLS: `code` is OpenSSL's or Node's. */
export class SSLError extends SocketError {
  static override readonly name: string = 'SSLError';
}
/** A certificate was not accepted: `code` says why, as `DEPTH_ZERO_SELF_SIGNED_CERT`. */
export class SSLCertVerificationError extends SSLError {
  static override readonly name: string = 'SSLCertVerificationError';
}

/** Node's error of TLS as one of ours. */
function sslError(error: unknown, verifying = false): Error {
  const { code, message, syscall } = error as { code?: string; message?: string; syscall?: string };
  // What the system says stays what it is.
  if (syscall === 'read' && code === 'ECONNRESET') return fromNode(error);
  const certificate =
    verifying || code === 'ERR_TLS_CERT_ALTNAME_INVALID' || /CERT|ISSUER|SIGNATURE|CRL|CHAIN/.test(code ?? '');
  const Class = certificate ? SSLCertVerificationError : SSLError;
  return new Class(code ?? 'ERR_SSL', message, { cause: error });
}

/** Certificates and the like, by Node's names; and files, by Python's. */
export interface SSLOptions {
  key?: string | Buffer;
  cert?: string | Buffer;
  pfx?: string | Buffer;
  ca?: string | Buffer | (string | Buffer)[];
  passphrase?: string;
  ciphers?: string;
  minVersion?: tls.SecureVersion;
  maxVersion?: tls.SecureVersion;
  ALPNProtocols?: string[];
  SNICallback?: (servername: string, done: (error: Error | null, context?: tls.SecureContext) => void) => void;
  /** Server: ask clients for a certificate. */
  requestCert?: boolean;
  /** Refuse a peer whose certificate is not accepted. */
  rejectUnauthorized?: boolean;
  keyfile?: string;
  certfile?: string;
  cafile?: string;
}

export interface WrapOptions {
  /** Be the server. Default false. */
  serverSide?: boolean;
  /** Client: the name the server must prove to have, and which it is told. */
  serverHostname?: string;
  /** Wait for the handshake. Default true; else it goes on by itself, and `doHandshake` waits for it. */
  doHandshakeOnConnect?: boolean;
  /** Client: a session to go on with, `SSLSocket.session` of before. */
  session?: Buffer;
  /** Seconds for the handshake, in place of the socket's timeout. */
  timeout?: Limit;
}

/** How connections are to speak TLS. @see `ssl.SSLContext`, the source. Differs: made of Node's options. */
export class SSLContext {
  #options: tls.SecureContextOptions = {};
  #made: tls.SecureContext | null = null;
  #server: tls.Server | null = null;
  #alpn: string[] | null = null;
  readonly #pending = new Map<string, Handshake>();
  /** Why the last handshake failed; it is told just before its connection is closed. */
  #lastError: unknown = null;
  /** CERT_NONE, CERT_OPTIONAL (server: ask, take any) or CERT_REQUIRED. */
  verifyMode: number;
  /** Client: the certificate must be for `serverHostname`. */
  checkHostname: boolean;
  /** Server: another context for a name a client asks for: `(servername, done)`. */
  sniCallback: SSLOptions['SNICallback'] | null = null;

  constructor(options: SSLOptions = {}) {
    const { ALPNProtocols, SNICallback, requestCert, rejectUnauthorized, keyfile, certfile, cafile, ...rest } = options;
    this.#options = { ...rest };
    if (certfile !== undefined) this.loadCertChain(certfile, keyfile);
    if (cafile !== undefined) this.loadVerifyLocations({ cafile });
    if (ALPNProtocols !== undefined) this.setAlpnProtocols(ALPNProtocols);
    this.sniCallback = SNICallback ?? null;
    if (requestCert) this.verifyMode = rejectUnauthorized === false ? CERT_OPTIONAL : CERT_REQUIRED;
    else this.verifyMode = rejectUnauthorized ? CERT_REQUIRED : CERT_NONE;
    this.checkHostname = this.verifyMode === CERT_REQUIRED;
  }

  #changed(): void {
    this.#made = null;
    this.#server = null;
  }

  /** The certificate to show, and its key: PEM files; the key may be in the first one. */
  loadCertChain(certfile: string, keyfile: string | undefined = certfile, password?: string): void {
    this.#options.cert = readFileSync(certfile);
    this.#options.key = readFileSync(keyfile);
    if (password !== undefined) this.#options.passphrase = password;
    this.#changed();
  }

  /** Whom to trust: a PEM file, or PEM text. Node's own list is then no longer trusted. */
  loadVerifyLocations({ cafile, cadata }: { cafile?: string; cadata?: string | Buffer }): void {
    const all = [this.#options.ca ?? []].flat();
    if (cafile !== undefined) all.push(readFileSync(cafile));
    if (cadata !== undefined) all.push(cadata);
    this.#options.ca = all;
    this.#changed();
  }

  setCiphers(ciphers: string): void {
    this.#options.ciphers = ciphers;
    this.#changed();
  }

  /** Protocols to agree on, best first. */
  setAlpnProtocols(protocols: string[]): void {
    this.#alpn = [...protocols];
    this.#changed();
  }

  get minimumVersion(): tls.SecureVersion | undefined {
    return this.#options.minVersion ?? undefined;
  }
  set minimumVersion(version: tls.SecureVersion) {
    this.#options.minVersion = version;
    this.#changed();
  }

  get maximumVersion(): tls.SecureVersion | undefined {
    return this.#options.maxVersion ?? undefined;
  }
  set maximumVersion(version: tls.SecureVersion) {
    this.#options.maxVersion = version;
    this.#changed();
  }

  /** Node's context, made at its first use. @throws SSLError if certificates and keys make no sense */
  get secureContext(): tls.SecureContext {
    try {
      this.#made ??= tls.createSecureContext(this.#options);
    } catch (error) {
      throw sslError(error);
    }
    return this.#made;
  }

  /**
   * Speak TLS over a connected socket. Switch point, until the handshake is done. The plain socket is closed: its connection is
   * the new one's. Killed, timed out or refused, the connection is closed.
   *
   * @throws SSLCertVerificationError if the peer's certificate is not accepted, SSLError if the peers cannot agree
   */
  wrapSocket(socket: Socket, options: WrapOptions = {}): Operation<SSLSocket> {
    if (!(socket instanceof Socket)) throw wrongType('wrapSocket(socket)', 'a socket', socket);
    if (socket.$secure) throw new TypeError('wrapSocket(socket): it speaks TLS already');
    const { doHandshakeOnConnect = true, serverSide = false, serverHostname } = options;
    if (doHandshakeOnConnect && socket.timeout === 0) {
      throw new RangeError('doHandshakeOnConnect should not be specified for non-blocking sockets');
    }
    if (serverSide && serverHostname !== undefined) {
      throw new TypeError('wrapSocket: serverHostname can only be specified in client mode');
    }
    if (!serverSide && this.checkHostname && serverHostname === undefined) {
      throw new TypeError('wrapSocket: checkHostname requires serverHostname');
    }
    return new Wrap(this, socket, options);
  }

  /** @internal Begin a handshake over `node`. */
  $begin(node: NodeSocket, options: WrapOptions, handshake: Handshake): void {
    // An end in the middle of a handshake is its end; behind it each direction ends by itself.
    node.allowHalfOpen = false;
    if (options.serverSide) this.#serve(node, handshake);
    else this.#connect(node, options, handshake);
  }

  #connect(node: NodeSocket, { serverHostname, session }: WrapOptions, handshake: Handshake): void {
    const socket = tls.connect({
      socket: node,
      secureContext: this.secureContext,
      // We look at the outcome ourselves, to tell it by its code.
      rejectUnauthorized: false,
      ...(serverHostname !== undefined && !/^[\d.]+$|:/.test(serverHostname) && { servername: serverHostname }),
      ...(serverHostname !== undefined && { host: serverHostname }),
      ...(session !== undefined && { session }),
      ...(this.#alpn !== null && { ALPNProtocols: this.#alpn }),
      ...(!this.checkHostname && { checkServerIdentity: () => undefined }),
    });
    socket.once('secureConnect', () => {
      const refused = this.verifyMode === CERT_REQUIRED && !socket.authorized ? socket.authorizationError : null;
      if (refused) {
        const told =
          refused instanceof Error
            ? refused
            : { code: String(refused), message: `certificate verify failed: ${refused}` };
        handshake.fail(sslError(told, true));
      } else handshake.done(socket);
    });
    handshake.watch(socket);
  }

  // Of a tls.Server only what it does with a connection is used: it never listens. Connections are put in by its event
  // `connection`, and known again by their ports.
  #serve(node: NodeSocket, handshake: Handshake): void {
    const { remoteAddress, remotePort, localPort } = node;
    if (remotePort === undefined) return this.#serveAlone(node, handshake);
    const key = `${remoteAddress} ${remotePort} ${localPort}`;
    this.#pending.set(key, handshake);
    node.once('close', () => {
      if (this.#pending.get(key) === handshake) this.#pending.delete(key);
      handshake.fail(this.#why());
    });
    this.#server ??= this.#makeServer((socket) => {
      const its = `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`;
      const found = this.#pending.get(its);
      this.#pending.delete(its);
      if (found === undefined) socket.destroy();
      else found.done(socket);
    });
    this.#server.emit('connection', node);
  }

  /** A Unix socket has nothing to know it by. */
  #serveAlone(node: NodeSocket, handshake: Handshake): void {
    node.once('close', () => handshake.fail(this.#why()));
    this.#makeServer((socket) => handshake.done(socket)).emit('connection', node);
  }

  #why(): Error {
    const error = this.#lastError;
    this.#lastError = null;
    if (error !== null) return sslError(error);
    return new SSLError('ECONNRESET', 'the connection was closed in the middle of the handshake');
  }

  #makeServer(secured: (socket: tls.TLSSocket) => void): tls.Server {
    let server: tls.Server;
    try {
      server = tls.createServer({
        ...this.#options,
        requestCert: this.verifyMode !== CERT_NONE,
        rejectUnauthorized: this.verifyMode === CERT_REQUIRED,
        ...(this.#alpn !== null && { ALPNProtocols: this.#alpn }),
        ...(this.sniCallback !== null && { SNICallback: this.sniCallback as never }),
      });
    } catch (error) {
      throw sslError(error);
    }
    server.on('secureConnection', secured);
    server.on('tlsClientError', (error) => {
      this.#lastError = error;
      // Of a connection that is closed by now; it says nothing about later ones.
      setImmediate(() => (this.#lastError = null));
    });
    return server;
  }
}

/** A handshake under way. */
class Handshake {
  readonly side = new Side('TLS handshake');
  node: NodeSocket;
  socket: tls.TLSSocket | null = null;
  error: Error | null = null;
  onDone: (() => void) | null = null;

  constructor(node: NodeSocket) {
    this.node = node;
  }

  get over(): boolean {
    return this.socket !== null || this.error !== null;
  }

  watch(socket: tls.TLSSocket): void {
    socket.once('error', (error) => this.fail(sslError(error)));
    socket.once('close', () =>
      this.fail(new SSLError('ECONNRESET', 'the connection was closed in the middle of the handshake')),
    );
    this.node = socket;
  }

  done(socket: tls.TLSSocket): void {
    if (this.over) return;
    socket.allowHalfOpen = true;
    this.socket = socket;
    this.node = socket;
    this.onDone?.();
    this.side.wake();
    this.side.end();
  }

  fail(error: Error): void {
    if (this.over) return;
    this.error = error;
    this.node.on('error', () => {});
    this.node.destroy();
    this.onDone?.();
    this.side.wake();
    this.side.end();
  }
}

/** `wrapSocket`. */
class Wrap extends SingleUse<SSLSocket> {
  readonly #context: SSLContext;
  readonly #plain: Socket;
  readonly #options: WrapOptions;
  #made: SSLSocket | null = null;

  constructor(context: SSLContext, plain: Socket, options: WrapOptions) {
    super();
    this.#context = context;
    this.#plain = plain;
    this.#options = options;
    if (options.timeout !== undefined) msOf(options.timeout, null, 'wrapSocket(timeout)');
  }

  describe(): string {
    return 'TLS handshake';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const plain = this.#plain;
    plain.$open('wrapSocket');
    if (plain.$node === null) throw new SocketError('ENOTCONN', 'wrapSocket: ENOTCONN: the socket is not connected');
    if (this.#options.serverSide) this.#context.secureContext;
    const made = new SSLSocket(this.#context, plain, this.#options);
    this.#made = made;
    if (this.#options.doHandshakeOnConnect === false) return true;
    return made.$await(hub, slot, msOf(this.#options.timeout, made.$limitMs, 'wrapSocket(timeout)'));
  }

  complete(hub: Hub, slot: number): SSLSocket {
    const made = this.#made as SSLSocket;
    if (this.#options.doHandshakeOnConnect === false) return made;
    try {
      made.$awaited(hub, slot, this.#options.timeout);
    } catch (error) {
      made.close();
      throw error;
    }
    return made;
  }

  override abandon(hub: Hub, slot: number): void {
    this.#made?.$handshake.side.leave(hub, slot);
    this.#made?.close();
  }
}

/** Waits for a handshake that goes on by itself. */
class DoHandshake extends SingleUse<void> {
  readonly #socket: SSLSocket;
  readonly #limit: Limit | undefined;

  constructor(socket: SSLSocket, limit: Limit | undefined) {
    super();
    this.#socket = socket;
    this.#limit = limit;
  }

  describe(): string {
    return 'TLS handshake';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#socket.$handshake.side.claim();
    const ms = msOf(this.#limit, this.#socket.$limitMs, 'doHandshake(timeout)');
    if (ms === 0 && !this.#socket.$handshake.over) throw wouldBlock('doHandshake');
    return this.#socket.$await(hub, slot, ms);
  }

  complete(hub: Hub, slot: number): void {
    this.#socket.$awaited(hub, slot, this.#limit);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#socket.$handshake.side.leave(hub, slot);
  }
}

/** A socket that speaks TLS. @see `ssl.SSLSocket`, the source. */
export class SSLSocket extends Socket {
  readonly #context: SSLContext;
  /** True if it is the server of the two. */
  readonly serverSide: boolean;
  readonly serverHostname: string | null;
  /** @internal */ readonly $handshake: Handshake;

  /** @internal Made by `wrapSocket`. */
  constructor(context: SSLContext, plain: Socket, options: WrapOptions) {
    super(plain.family, plain.type, plain.proto);
    this.#context = context;
    this.serverSide = options.serverSide ?? false;
    this.serverHostname = options.serverHostname ?? null;
    this.settimeout(plain.timeout);
    this.$reader.late = 'The read operation timed out';
    this.$writer.late = 'The write operation timed out';
    if (plain.family === AF_UNIX) this.$paired('');
    const handshake = new Handshake(plain.detach() as NodeSocket);
    this.$handshake = handshake;
    handshake.onDone = () => {
      if (handshake.socket !== null) this.$connected(handshake.socket, true, Sent.CALLED);
      else {
        this.$reader.finish(handshake.error);
        this.$writer.fail(handshake.error as Error);
      }
    };
    context.$begin(handshake.node, options, handshake);
  }

  get context(): SSLContext {
    return this.#context;
  }

  /** @internal */
  override get $secure(): boolean {
    return true;
  }

  /** @internal */
  $await(hub: Hub, slot: number, ms: number | null): boolean {
    const { $handshake: handshake } = this;
    if (handshake.over) return true;
    handshake.side.park(hub, slot, ms);
    return false;
  }

  /** @internal */
  $awaited(hub: Hub, slot: number, limit: Limit | undefined): void {
    const { $handshake: handshake } = this;
    const late = handshake.side.leave(hub, slot);
    if (handshake.error !== null) throw handshake.error;
    if (handshake.socket !== null) return;
    if (this.closed) throw closedError();
    if (late && limit instanceof Timeout) throw expired(hub, limit);
    throw new SocketTimeout('The handshake operation timed out');
  }

  /** Wait for the handshake. Switch point, unless it is done. */
  doHandshake(options?: IoOptions): Operation<void> {
    const timeout = timeoutOf('doHandshake(options)', options);
    this.$open('doHandshake');
    return new DoHandshake(this, timeout);
  }

  override close(): void {
    if (this.closed) return;
    super.close();
    const { $handshake: handshake } = this;
    if (handshake.socket === null) handshake.fail(closedError());
  }

  #tls(what: string): tls.TLSSocket {
    this.$open(what);
    const { socket, error } = this.$handshake;
    if (socket === null) throw error ?? new SSLError('ERR_SSL_NOT_READY', `${what}: the handshake is not done`);
    return socket;
  }

  /** `recv`. */
  read(size?: number, options?: IoOptions): Operation<Buffer> {
    return this.recv(size, options);
  }

  /** `send`. */
  write(data: Data, options?: IoOptions): Operation<number> {
    return this.send(data, options);
  }

  /** Bytes that have come and can be read without waiting. */
  pending(): number {
    return this.$reader.size;
  }

  /** The peer's certificate as Node describes it; null if it showed none. `binary`: as DER. */
  getpeercert(binary: true): Buffer | null;
  getpeercert(binary?: false): tls.PeerCertificate | null;
  getpeercert(binary = false): tls.PeerCertificate | Buffer | null {
    const certificate = this.#tls('getpeercert').getPeerCertificate();
    if (certificate === null || Object.keys(certificate).length === 0) return null;
    return binary ? certificate.raw : certificate;
  }

  /** `[name, protocol]` of the cipher. */
  cipher(): [name: string, protocol: string] {
    const { name, version } = this.#tls('cipher').getCipher();
    return [name, version];
  }

  /** The protocol: `'TLSv1.3'` and the like. */
  version(): string | null {
    return this.#tls('version').getProtocol();
  }

  /** The protocol both agreed on by ALPN, or null. */
  selectedAlpnProtocol(): string | null {
    return this.#tls('selectedAlpnProtocol').alpnProtocol || null;
  }

  /** What `wrapSocket` can go on with. */
  get session(): Buffer | undefined {
    return this.#tls('session').getSession();
  }

  get sessionReused(): boolean {
    return this.#tls('sessionReused').isSessionReused();
  }

  /** The binding `tls-unique`, or null: TLS 1.3 has none. */
  getChannelBinding(type = 'tls-unique'): Buffer | null {
    if (type !== 'tls-unique') throw wrongRange('getChannelBinding(type)', 'tls-unique', type);
    const socket = this.#tls('getChannelBinding');
    if (socket.getProtocol() === 'TLSv1.3') return null;
    // The first of the two messages: the client's, or the server's where a session goes on.
    return (this.serverSide !== socket.isSessionReused() ? socket.getPeerFinished() : socket.getFinished()) ?? null;
  }
}

/** A context with safe settings. @param purpose - SERVER_AUTH (default): for clients; CLIENT_AUTH: for servers */
export function createDefaultContext(purpose: Purpose = Purpose.SERVER_AUTH, options: SSLOptions = {}): SSLContext {
  if (purpose !== Purpose.SERVER_AUTH && purpose !== Purpose.CLIENT_AUTH) {
    throw wrongRange('createDefaultContext(purpose)', 'SERVER_AUTH or CLIENT_AUTH', purpose);
  }
  const client = purpose === Purpose.SERVER_AUTH;
  return new SSLContext(client ? { rejectUnauthorized: true, ...options } : options);
}
