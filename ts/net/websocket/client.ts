// Connecting to a websocket server.
import { WebSocket as Socket } from 'ws';
import { Framed } from '../../framed.ts';
import type { Operation } from '../../hub/operation.ts';
import type { Park } from '../../hub/protocol.ts';
import { expired, limitMs } from '../../limit.ts';
import type { Limit } from '../../timeout.ts';
import { EmitterWait } from '../emitter.ts';

import { WebSocket } from './connection.ts';

export interface ConnectOptions {
  /** Subprotocols to offer. */
  protocols?: string | string[];
  headers?: Record<string, string>;
  /** Seconds; then Timeout is raised and the attempt given up. Default: no limit. */
  timeout?: Limit;
  maxPayload?: number;
  perMessageDeflate?: boolean;
}

/**
 * Connect to a websocket server. Switch point.
 * @throws Error of the `ws` library if there is no server, or it refuses; Timeout if `timeout` came first
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Operation<WebSocket> {
  const { protocols = [], timeout = null, headers = {}, maxPayload = 1 << 20, perMessageDeflate = false } = options;
  limitMs(timeout, 'connect(timeout)');
  return new Framed('connect to a websocket', () =>
    connecting(url, protocols, timeout, { headers, maxPayload, perMessageDeflate }),
  );
}

function* connecting(
  url: string | URL,
  protocols: string | string[],
  limit: Limit,
  options: object,
): Generator<Park, WebSocket, any> {
  const socket = new Socket(url, protocols, options);
  const made = new WebSocket(socket, null);
  let failure: Error | null = null;
  socket.once('error', (error) => {
    failure = error;
  });
  let open = false;
  try {
    yield* new EmitterWait<void>({
      what: `connect to ${url}`,
      emitter: socket,
      events: ['open', 'close'],
      limit,
      begin: () => socket.readyState !== Socket.CONNECTING,
      end(late, hub) {
        if (late) throw expired(hub, limit);
      },
    });
    if (failure !== null) throw failure;
    open = true;
    return made;
  } finally {
    if (!open) socket.terminate();
  }
}
