// One request and its answer, whoever runs it: from the handler to the log, and what is said when something is wrong.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BlockingSwitchOutError } from '../../exceptions.ts';
import type { Park } from '../../hub/protocol.ts';
import { settle } from '../../unwind.ts';
import { HTTPError } from './errors.ts';
import { type Log, logged } from './log.ts';
import { hasBody, type RequestInfo } from './request.ts';
import type { UpgradeHandler } from './server.ts';

/** What of a server is used here. */
interface Served {
  readonly log: Log | null;
  $handle(incoming: IncomingMessage, outgoing: ServerResponse): Generator<Park, void, any>;
  $raised(error: unknown, incoming: IncomingMessage, outgoing: ServerResponse): void;
}

/** The body of a request's greenlet. */
export function* serve(
  server: Served,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Generator<Park, void, any> {
  const { log } = server;
  const line = log === null ? null : logged(log, incoming, outgoing);
  try {
    yield* server.$handle(incoming, outgoing);
  } catch (error) {
    server.$raised(error, incoming, outgoing);
  } finally {
    line?.();
  }
}

/** Killed before it ran. */
serve.$never = (_server: Served, _incoming: IncomingMessage, outgoing: ServerResponse): void => answer(outgoing, 500);

export function* upgrade(
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

upgrade.$never = (_handler: UpgradeHandler, _incoming: IncomingMessage, socket: Duplex): void => void socket.destroy();

export class Info implements RequestInfo {
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

/** Answer with a status and its text, if nothing was sent; else close the connection: the client must not take it for whole. */
export function answer(outgoing: ServerResponse, status: number, text?: string): void {
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
export function continueOnRead(incoming: IncomingMessage, outgoing: ServerResponse): void {
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

/** Answer what is no HTTP, and close. */
export function refuse(error: Error & { code?: string }, socket: Duplex): void {
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

/** Drive the body of a request without a greenlet: good for handlers that never block. */
export function inHub(fn: (...args: any[]) => Generator<unknown, unknown, unknown>, args: unknown[]): void {
  const body = fn(...args);
  const step = body.next();
  if (!step.done) body.throw(new BlockingSwitchOutError());
}
