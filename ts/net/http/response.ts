// Answers. A handler may give the platform's Response; the one exported here means the same and is made of what it was
// given, so that a text goes out without a stream in between (the platform's own costs three to five microseconds).

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { describe, wrongRange } from '../../core/arguments.ts';
import type { Park } from '../../hub/protocol.ts';
import { until } from '../../until.ts';
import { standInFor } from './stand-in.ts';
import { isStreamed, runStreamed, type Streamed, write } from './streaming.ts';

const Platform = globalThis.Response;
const NO_BODY = new Set([101, 204, 205, 304]);
const TEXT = 'text/plain;charset=UTF-8';

class LightResponse {
  /** @internal */ readonly $body: unknown;
  /** @internal */ readonly $init: ResponseInit;
  #platform: globalThis.Response | null = null;

  constructor(body?: unknown, init: ResponseInit = {}) {
    const { status = 200 } = init;
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw wrongRange('Response(init.status)', 'an integer from 200 to 599', status);
    }
    if (NO_BODY.has(status) && body !== undefined && body !== null) {
      throw new TypeError(`Response: status ${status} has no body`);
    }
    this.$body = body ?? null;
    this.$init = init;
  }

  get status(): number {
    return this.$init.status ?? 200;
  }

  get statusText(): string {
    return this.$init.statusText ?? '';
  }

  get ok(): boolean {
    return this.status < 300;
  }

  /** @internal The platform's own, once something looked into it: headers may have been set there. */
  get $made(): globalThis.Response | null {
    return this.#platform;
  }

  /** @internal */
  get $platform(): globalThis.Response {
    if (this.#platform === null) {
      const body = this.$body;
      const init = this.$init;
      this.#platform = new Platform(isStreamed(body) ? null : (body as NonNullable<RequestInit['body']>), init);
    }
    return this.#platform;
  }

  static json(data: unknown, init: ResponseInit = {}): LightResponse {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError(`Response.json(data): ${describe(data)} has no JSON`);
    const headers = new Headers(init.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new LightResponse(text, { ...init, headers });
  }

  static redirect(url: string | URL, status = 302): LightResponse {
    if (![301, 302, 303, 307, 308].includes(status)) {
      throw wrongRange('Response.redirect(status)', '301, 302, 303, 307 or 308', status);
    }
    return new LightResponse(null, { status, headers: { location: String(url) } });
  }

  static error(): globalThis.Response {
    return Platform.error();
  }
}

standInFor(LightResponse, Platform);

type Body = NonNullable<RequestInit['body']> | Streamed | null;

/**
 * A WHATWG Response, cheaper to send than the platform's. `instanceof Response` holds. Its body may also be what `stream` or
 * `eventStream` gives.
 */
export const Response: {
  new (body?: Body, init?: ResponseInit): globalThis.Response;
  json(data: unknown, init?: ResponseInit): globalThis.Response;
  redirect(url: string | URL, status?: number): globalThis.Response;
  error(): globalThis.Response;
} = LightResponse as any;

/** True for what a handler may return. */
export function isResponse(value: unknown): value is globalThis.Response {
  return value instanceof Platform;
}

function headersOf(init: HeadersInit | undefined): OutgoingHttpHeaders {
  if (init === undefined) return {};
  if (init instanceof Headers) return fromHeaders(init);
  if (typeof (init as Iterable<[string, string]>)[Symbol.iterator] === 'function')
    return fromHeaders(new Headers(init));
  return { ...(init as Record<string, string>) };
}

function fromHeaders(headers: Headers): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = {};
  headers.forEach((value, name) => {
    out[name] = name === 'set-cookie' ? headers.getSetCookie() : value;
  });
  return out;
}

function has(headers: OutgoingHttpHeaders, name: string): boolean {
  for (const key in headers) if (key.length === name.length && key.toLowerCase() === name) return true;
  return false;
}

/**
 * Answer with `response`. Gives undefined if that is done, else a body that goes on, for whoever can block.
 */
export function send(outgoing: ServerResponse, response: globalThis.Response): Generator<Park, void, any> | undefined {
  if (response instanceof LightResponse && response.$made === null) {
    const body = response.$body;
    if (typeof body === 'string' || body === null || body instanceof Uint8Array) {
      sendWhole(outgoing, response, body);
      return undefined;
    }
    if (isStreamed(body)) {
      const headers = { ...body.headers, ...headersOf(response.$init.headers) };
      outgoing.writeHead(response.status, response.statusText || undefined, headers);
      return runStreamed(outgoing, body);
    }
  }
  return sendStream(outgoing, response instanceof LightResponse ? response.$platform : response);
}

function sendWhole(outgoing: ServerResponse, response: LightResponse, body: string | Uint8Array | null): void {
  const { status, statusText } = response;
  const headers = headersOf(response.$init.headers);
  if (body === null) {
    if (!NO_BODY.has(status)) headers['content-length'] = 0;
  } else {
    if (typeof body === 'string' && !has(headers, 'content-type')) headers['content-type'] = TEXT;
    if (!has(headers, 'content-length')) {
      headers['content-length'] = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
    }
  }
  if (statusText === '') outgoing.writeHead(status, headers);
  else outgoing.writeHead(status, statusText, headers);
  if (body === null) outgoing.end();
  else outgoing.end(body);
}

function* sendStream(outgoing: ServerResponse, response: globalThis.Response): Generator<Park, void, any> {
  const headers = fromHeaders(response.headers);
  const { body, status, statusText } = response;
  if (body === null) {
    if (!NO_BODY.has(status) && !has(headers, 'content-length')) headers['content-length'] = 0;
    outgoing.writeHead(status, statusText || undefined, headers);
    outgoing.end();
    return;
  }
  const reader = body.getReader();
  let finished = false;
  try {
    // One that is over with its first chunk, as texts are, goes out with its length.
    const first = yield* until(reader.read());
    const second = first.done ? first : yield* until(reader.read());
    if (second.done && !has(headers, 'content-length')) headers['content-length'] = first.value?.byteLength ?? 0;
    outgoing.writeHead(status, statusText || undefined, headers);
    if (!first.done) yield* write(outgoing, first.value);
    if (!second.done) {
      yield* write(outgoing, second.value);
      for (;;) {
        const { done, value } = yield* until(reader.read());
        if (done) break;
        yield* write(outgoing, value);
      }
    }
    outgoing.end();
    finished = true;
  } finally {
    // Whoever makes the body hears that nobody wants it any more.
    if (!finished) reader.cancel().catch(() => {});
  }
}
