// The request a handler receives: a WHATWG Request whose parts are made when they are looked at. Most handlers read the
// method and the path, and the platform's own Request costs two microseconds, its body stream another three.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ConnectionClosed, HTTPError } from './errors.ts';
import { standInFor } from './stand-in.ts';

/** What the server knows of a request beside what the request says. */
export interface RequestInfo {
  /** The peer's address. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Node's own objects, for what this page does not cover. */
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

export interface BodyLimits {
  /** Bytes of body that are read before 413 is answered. */
  maxBodySize: number;
}

// Host and port, or an address in brackets: what may stand in a URL. Anything else would let a client choose its path.
const HOST = /^(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/;

/** True if the Host header can be part of a URL. */
export function isHost(host: string): boolean {
  return HOST.test(host);
}

/** @internal */
export class ServerRequest {
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #limits: BodyLimits;
  #url: string | null = null;
  #headers: Headers | null = null;
  #used = false;
  #controller: AbortController | null = null;
  #platform: Request | null = null;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, limits: BodyLimits) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#limits = limits;
  }

  get method(): string {
    return this.#incoming.method as string;
  }

  get url(): string {
    this.#url ??= urlOf(this.#incoming);
    return this.#url;
  }

  get headers(): Headers {
    if (this.#headers !== null) return this.#headers;
    const { rawHeaders } = this.#incoming;
    const headers = new Headers();
    for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i], rawHeaders[i + 1]);
    this.#headers = headers;
    return headers;
  }

  /** Aborts when the client goes away before it has its answer. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      const controller = new AbortController();
      this.#controller = controller;
      const outgoing = this.#outgoing;
      const closed = () => {
        if (!outgoing.writableFinished) controller.abort(new ConnectionClosed('request'));
      };
      if (outgoing.destroyed) closed();
      else outgoing.once('close', closed);
    }
    return this.#controller.signal;
  }

  get bodyUsed(): boolean {
    return this.#used || (this.#platform?.bodyUsed ?? false);
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = await this.#collect();
    return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.arrayBuffer());
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.#collect());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /** @internal For reading in sequence: Node's message and the limit. */
  $take(): { incoming: IncomingMessage; limits: BodyLimits } {
    if (this.bodyUsed) throw unusable();
    this.#used = true;
    return { incoming: this.#incoming, limits: this.#limits };
  }

  /** @internal The whole, of the platform's making: for everything else that a Request has. */
  get $platform(): Request {
    if (this.#platform !== null) return this.#platform;
    if (this.#used) throw unusable();
    const incoming = this.#incoming;
    const { method } = incoming;
    const init: RequestInit & { duplex?: 'half' } = {
      method: method as string,
      headers: this.headers,
      signal: this.signal,
    };
    if (hasBody(incoming)) {
      init.body = Readable.toWeb(guarded(incoming, this.#limits)) as unknown as ReadableStream;
      init.duplex = 'half';
    }
    this.#platform = new Request(this.url, init);
    return this.#platform;
  }

  async #collect(): Promise<Buffer> {
    if (this.bodyUsed) throw unusable();
    if (this.#platform !== null) return Buffer.from(await this.#platform.arrayBuffer());
    this.#used = true;
    return collect(this.#incoming, this.#limits);
  }
}

standInFor(ServerRequest, Request);

/** A Request for what Node has received. Nothing is read before the handler asks. */
export function requestFrom(incoming: IncomingMessage, outgoing: ServerResponse, limits: BodyLimits): Request {
  return new ServerRequest(incoming, outgoing, limits) as unknown as Request;
}

/**
 * The platform's own Request behind the one a handler received: for `fetch(platformRequest(request))` and others that look
 * inside. Its body can be read there or here, once.
 */
export function platformRequest(request: Request): Request {
  return request instanceof ServerRequest ? request.$platform : request;
}

/** Whether a body follows, by its headers. */
export function hasBody(incoming: IncomingMessage): boolean {
  return incoming.headers['transfer-encoding'] !== undefined || Number(incoming.headers['content-length'] ?? 0) > 0;
}

function urlOf(incoming: IncomingMessage): string {
  const target = incoming.url as string;
  if (!target.startsWith('/') && target !== '*') {
    // A proxy's form of request: the whole URL.
    return URL.canParse(target) ? new URL(target).href : 'http://localhost/';
  }
  const scheme = (incoming.socket as TLSSocket).encrypted ? 'https' : 'http';
  const { host } = incoming.headers;
  return `${scheme}://${host === undefined || !isHost(host) ? 'localhost' : host}${target === '*' ? '/' : target}`;
}

function unusable(): TypeError {
  return new TypeError('Body is unusable: it has been read already');
}

export function tooLarge(limit: number): HTTPError {
  return new HTTPError(413, `the request body is larger than ${limit} bytes`);
}

/** The body as a stream that fails at the limit. */
function guarded(incoming: IncomingMessage, limits: BodyLimits): Readable {
  if (limits.maxBodySize === Infinity) return incoming;
  async function* counted(): AsyncGenerator<Buffer> {
    let size = 0;
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limits.maxBodySize) throw tooLarge(limits.maxBodySize);
      yield chunk;
    }
  }
  return Readable.from(counted(), { objectMode: false });
}

function collect(incoming: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const data = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.maxBodySize) return end(tooLarge(limits.maxBodySize));
      chunks.push(chunk);
    };
    const done = () => end(null);
    const closed = () => end(new ConnectionClosed('read of the request body'));
    const failed = (error: Error & { code?: string }) =>
      end(error.code === 'ECONNRESET' ? new ConnectionClosed('read of the request body') : error);
    const end = (error: Error | null) => {
      incoming.off('data', data).off('end', done).off('error', failed).off('close', closed);
      if (error !== null) {
        incoming.pause();
        reject(error);
      } else resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size));
    };
    if (incoming.readableEnded) return resolve(Buffer.alloc(0));
    if (incoming.destroyed) return closed();
    incoming.on('data', data).on('end', done).on('error', failed).on('close', closed);
  });
}
