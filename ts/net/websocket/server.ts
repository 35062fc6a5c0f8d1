// Websockets taken over from an HTTP server: a greenlet each.

import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer as Acceptor, WebSocket as Socket } from 'ws';
import { needOptions, wrongType } from '../../core/arguments.ts';
import { type Seconds, toWaitMs } from '../../core/clock.ts';
import { isControl } from '../../exceptions.ts';
import { Framed } from '../../framed.ts';
import { isBody, type Park } from '../../hub/protocol.ts';
import { shield } from '../../shield.ts';
import { Timeout } from '../../timeout.ts';
import { settle } from '../../unwind.ts';
import type { ListenAddress } from '../address.ts';
import type { Socket as BoundSocket } from '../endpoint.ts';
import { HTTPError } from '../http/errors.ts';
import { Response } from '../http/response.ts';
import { HTTPServer, type HTTPServerOptions, type UpgradeHandler } from '../http/server.ts';
import { WebSocket, WebSocketClosed } from './connection.ts';

/** Runs in a greenlet a connection; when it ends the websocket is closed. */
export type WebSocketHandler = (socket: WebSocket) => unknown;

export interface WebSocketOptions {
  /** Bytes of the largest message taken. Default 1 MB; a larger one closes the connection with 1009. */
  maxPayload?: number;
  /** Compress messages. Default false: it costs memory and time. */
  perMessageDeflate?: boolean;
  /** Choose one of the subprotocols that the client offers, or none: false. */
  handleProtocols?: (protocols: Set<string>, request: IncomingMessage) => string | false;
  /** Asked before the handshake; false, or an HTTP status from 400, refuses, as an HTTPError does; what else it throws is answered 500. May block. */
  verify?: (request: IncomingMessage) => unknown;
  /** Seconds between pings; a peer that does not answer one before the next is closed. Default: none. */
  heartbeat?: Seconds;
}

const OPTIONS: readonly (keyof WebSocketOptions)[] = [
  'maxPayload',
  'perMessageDeflate',
  'handleProtocols',
  'verify',
  'heartbeat',
];

/** The `upgrade` of an HTTPServer that makes websockets for `handler`. */
export function websocket(handler: WebSocketHandler, options: WebSocketOptions = {}): UpgradeHandler {
  if (typeof handler !== 'function') throw wrongType('websocket(handler)', 'a function', handler);
  needOptions('websocket(options)', options, OPTIONS);
  const { verify, heartbeat, maxPayload = 1 << 20, perMessageDeflate = false, handleProtocols } = options;
  const beat = heartbeat === undefined ? null : toWaitMs(heartbeat, 'websocket(heartbeat)');
  const acceptor = new Acceptor({
    noServer: true,
    clientTracking: false,
    maxPayload,
    perMessageDeflate,
    ...(handleProtocols && { handleProtocols }),
  });
  return function* (request, duplex, head) {
    let socket: Socket | null = null;
    try {
      if (verify !== undefined) {
        const verdict: unknown = yield* settle(verify(request));
        if (verdict === false || (typeof verdict === 'number' && verdict >= 400))
          return refuse(duplex, verdict === false ? 403 : (verdict as number));
      }
      // At once, or not at all: then it has answered 400 itself.
      if (!duplex.destroyed) acceptor.handleUpgrade(request, duplex, head, (made) => (socket = made));
    } catch (error) {
      // Answered as it is to any other request.
      const told = error instanceof HTTPError;
      refuse(duplex, told ? error.status : 500);
      if (told) return;
      throw error;
    }
    if (socket !== null) yield* serve(new WebSocket(socket, request), handler, beat);
  };
}

function* serve(socket: WebSocket, handler: WebSocketHandler, beat: number | null): Generator<Park, void, any> {
  const stop = beat === null ? null : keepAlive(socket, beat);
  let code = 1000;
  try {
    const result: unknown = handler(socket);
    // A frame of its own: each message would come down through all who called it else, 3 us with a thousand sockets.
    yield* isBody(result) ? new Framed(`handler of ${socket}`, () => result) : settle(result);
  } catch (error) {
    code = isControl(error) && !(error instanceof Timeout) ? 1001 : 1011;
    // That the peer broke off, or the protocol, is no failure of this program: it is closed and nothing is reported, as with HTTP.
    if (!(error instanceof WebSocketClosed || socket.$broke(error))) throw error;
  } finally {
    stop?.();
    // The peer gets a moment to answer; a kill of the greenlet does not hang on it.
    if (!socket.closed) yield* shield(closing, socket, code);
    else if (socket.socket.readyState !== Socket.CLOSED) yield* shield(closing, socket, 1000);
  }
}

function* closing(socket: WebSocket, code: number): Generator<Park, void, any> {
  const limit = Timeout.startNew(1);
  try {
    yield* socket.close(code);
  } catch (error) {
    if (error !== limit) throw error;
  } finally {
    limit.cancel();
    socket.terminate();
  }
}

function keepAlive(socket: WebSocket, ms: number): () => void {
  let answered = true;
  const pong = () => {
    answered = true;
  };
  socket.socket.on('pong', pong);
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    if (!socket.closed) socket.socket.ping();
  }, ms);
  timer.unref();
  return () => {
    clearInterval(timer);
    socket.socket.off('pong', pong);
  };
}

function refuse(duplex: Duplex, status: number): void {
  if (duplex.destroyed) return;
  duplex.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  );
}

/**
 * A server of websockets alone: other requests are answered 426. For both on one port, give an HTTPServer
 * `upgrade: websocket(handler)`.
 *
 *     const server = new WebSocketServer(8080, function* (socket) {
 *       for (let text = yield* socket.receive(); text !== null; text = yield* socket.receive()) yield* socket.send(text);
 *     });
 *     await server.serveForever();
 */
export class WebSocketServer extends HTTPServer {
  constructor(
    listener: ListenAddress | BoundSocket,
    handler: WebSocketHandler,
    options: WebSocketOptions & Omit<HTTPServerOptions, 'upgrade' | 'style'> = {},
  ) {
    const { maxPayload, perMessageDeflate, handleProtocols, verify, heartbeat, ...rest } = options;
    super(
      listener,
      (_request: Request) =>
        new Response('a websocket is expected\n', { status: 426, headers: { upgrade: 'websocket' } }),
      {
        ...rest,
        upgrade: websocket(handler, {
          maxPayload,
          perMessageDeflate,
          handleProtocols,
          verify,
          heartbeat,
        } as WebSocketOptions),
      },
    );
  }
}
