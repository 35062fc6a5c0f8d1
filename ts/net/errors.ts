// What goes wrong with sockets: errors of the system with their codes, Python's `OSError` and its family.

import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { GeventError } from '../exceptions.ts';

/** Numbers of the codes, positive as in Python; what the system does not number has 0. */
const NUMBERS = constants.errno as unknown as Readonly<Record<string, number>>;

/** The number of `ECONNRESET` and the like on this system, or 0. */
export function errnoOf(code: string): number {
  return NUMBERS[code] ?? 0;
}

/** The system's text for a code. */
function textOf(code: string): string {
  const entry = getSystemErrorMap().get(-errnoOf(code));
  return entry === undefined ? code : entry[1];
}

/** What an error was about, beside its code. */
export interface ErrorDetails {
  syscall?: string | undefined;
  /** The file it was about. */
  path?: string | undefined;
  address?: string | undefined;
  port?: number | undefined;
  cause?: unknown;
}

/**
 * An error of the system: `code` is `'ENOENT'` and the like, `errno` its number.
 * @see `OSError`, the source.
 */
export class OSError extends Error {
  static override readonly name: string = 'OSError';
  readonly code: string;
  readonly errno: number;
  declare readonly syscall?: string;
  /** The file it was about, if it was about one. */
  declare readonly path?: string;
  declare readonly address?: string;
  declare readonly port?: number;

  constructor(code: string, message = `${code}: ${textOf(code)}`, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.errno = errnoOf(code);
    const { syscall, path, address, port } = details;
    if (syscall !== undefined) this.syscall = syscall;
    if (path !== undefined) this.path = path;
    if (address !== undefined) this.address = address;
    if (port !== undefined) this.port = port;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** An error of the system about a socket or pipe, `gevent.socket.error`: `code` is `'ECONNRESET'` and the like. */
export class SocketError extends OSError {
  static override readonly name: string = 'SocketError';
}

/** A socket's own timeout ran out: `gevent.socket.timeout`. Not gevent's `Timeout`. */
export class SocketTimeout extends SocketError {
  static override readonly name: string = 'SocketTimeout';
  constructor(message = 'timed out', details: ErrorDetails = {}) {
    super('ETIMEDOUT', message, details);
  }
}

/** A name could not be resolved: `gevent.socket.gaierror`. `code` is Node's: `ENOTFOUND`, `EAI_AGAIN` and the like. */
export class AddressError extends SocketError {
  static override readonly name: string = 'AddressError';
}

/** An address has no name: `gevent.socket.herror`. */
export class HostError extends SocketError {
  static override readonly name: string = 'HostError';
}

/** A waiter, or a later caller, hears that the socket was closed. */
export function closedError(): SocketError {
  return new SocketError('EBADF', 'File descriptor was closed in another greenlet');
}

/** A closed socket was used. */
export function badDescriptor(what: string): SocketError {
  return new SocketError('EBADF', `${what}: EBADF: the socket is closed`);
}

/** Nothing can be done without waiting, and the timeout is 0. */
export function wouldBlock(what: string): SocketError {
  return new SocketError('EAGAIN', `${what}: EAGAIN: the operation would block, and the timeout is 0`);
}

interface NodeError {
  code?: unknown;
  message?: unknown;
  syscall?: unknown;
  path?: unknown;
  address?: unknown;
  port?: unknown;
  hostname?: unknown;
}

/** Node's error as one of ours, with its own as the cause. What is no error of the system stays as it is. */
export function fromNode(error: unknown, Class: new (...args: any[]) => OSError = SocketError): Error {
  if (error instanceof OSError) return error;
  if (typeof error !== 'object' || error === null) return new SocketError('EIO', String(error));
  const { code, message, syscall, path, address, port } = error as NodeError;
  // ERR_… are Node's own: wrong arguments, TLS and the like.
  if (typeof code !== 'string' || code.startsWith('ERR_')) return error as Error;
  return new Class(code, typeof message === 'string' ? message : undefined, {
    syscall: typeof syscall === 'string' ? syscall : undefined,
    path: typeof path === 'string' ? path : undefined,
    address: typeof address === 'string' ? address : undefined,
    port: typeof port === 'number' ? port : undefined,
    cause: error,
  });
}

/** What was not meant for Node's event loop. */
export function unsupported(what: string): GeventError {
  return new GeventError('GEVENT_FD_UNSUPPORTED', what);
}
