// Making a socket in several steps.

import type { Park } from '../hub/protocol.ts';
import type { Socket } from './endpoint.ts';

/** `socket`, when `steps` have been gone through; if one fails, or is cut short, it is closed. */
export function* closedOnFailure(
  socket: Socket,
  steps: (socket: Socket) => Generator<Park, void, any>,
): Generator<Park, Socket, any> {
  let ok = false;
  try {
    yield* steps(socket);
    ok = true;
    return socket;
  } finally {
    if (!ok) socket.close();
  }
}
