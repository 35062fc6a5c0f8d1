// What a handler throws to answer with a status, and what reads and writes raise on a connection that is gone.

import { STATUS_CODES } from 'node:http';
import { wrongRange } from '../../core/arguments.ts';
import { GeventError } from '../../exceptions.ts';

/**
 * Thrown by a handler, answers the request with `status` and a short text. Not reported as a failure.
 * @throws RangeError if `status` is not an integer from 400 to 599
 */
export class HTTPError extends GeventError {
  static override readonly name: string = 'HTTPError';
  readonly status: number;

  /** @param message - sent as the body; default: the status's standard text */
  constructor(status: number, message?: string) {
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw wrongRange('HTTPError(status)', 'an integer from 400 to 599', status);
    }
    super('GEVENT_HTTP', message ?? STATUS_CODES[status] ?? `status ${status}`);
    this.status = status;
  }
}

/** The peer closed the connection while it was read from or written to. `code` is `ECONNRESET`, as in Node. */
export class ConnectionClosed extends GeventError {
  static override readonly name: string = 'ConnectionClosed';
  constructor(doing: string) {
    super('ECONNRESET', `${doing}: the client closed the connection`);
  }
}
