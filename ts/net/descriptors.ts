// Bare descriptors that Node can poll: pipes, sockets, terminals. Node does so by making a stream of one, which then owns it; so
// each is taken up once, and all who use that descriptor share the stream.
//
//   D1  a stream stays in the table until its descriptor is given up by `forget`: Node closes the descriptor of a stream whose end has
//       come, so that the number may be another's by the time its owner closes it

import { constants, fstatSync, readFileSync } from 'node:fs';
import { Socket as NodeSocket } from 'node:net';
import { type Duplex, Readable, Writable } from 'node:stream';
import { isatty, ReadStream, WriteStream } from 'node:tty';
import { isMainThread } from 'node:worker_threads';
import { wrongRange, wrongType } from '../core/arguments.ts';
import { fromNode, OSError, unsupported } from './errors.ts';

export type NodeStream = Readable | Writable | Duplex;

/** What a descriptor is of; `file` is all that needs no waiting, and cannot be polled. */
export type Kind = 'pipe' | 'socket' | 'terminal' | 'file';

/** @throws OSError EBADF if it is not open */
export function kindOf(fd: number): Kind {
  try {
    const stats = fstatSync(fd);
    if (stats.isFIFO()) return 'pipe';
    if (stats.isSocket()) return 'socket';
  } catch (error) {
    throw fromNode(error, OSError);
  }
  return isatty(fd) ? 'terminal' : 'file';
}

export function checkFd(fd: unknown, where: string): number {
  if (typeof fd !== 'number') throw wrongType(where, 'a file descriptor', fd);
  if (!Number.isInteger(fd) || fd < 0) throw wrongRange(where, 'a file descriptor', fd);
  return fd;
}

/** What a descriptor was opened for, if the system tells: Linux does. */
export function accessOf(fd: number): { read: boolean; write: boolean } | null {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
    if (flags === undefined) return null;
    const access = Number.parseInt(flags, 8) & 3;
    return { read: access !== constants.O_WRONLY, write: access !== constants.O_RDONLY };
  } catch {
    return null;
  }
}

/** D1 */
const taken = new Map<number, NodeStream>();
/** The same, the other way round. */
const numbers = new WeakMap<NodeStream, number>();

/** The stream that has taken `fd` up, if one has. */
export function streamOf(fd: number): NodeStream | undefined {
  return taken.get(fd);
}

/** The descriptor behind a stream, if it is known. */
export function fdOf(stream: NodeStream): number | undefined {
  const { fd } = stream as { fd?: unknown };
  return typeof fd === 'number' ? fd : numbers.get(stream);
}

/** The process's own streams, which are there for good. */
export function isStandard(stream: NodeStream): boolean {
  const fd = fdOf(stream);
  return fd !== undefined && fd <= 2 && isMainThread && stream === standard(fd);
}

function standard(fd: number): NodeStream {
  return fd === 0 ? process.stdin : fd === 1 ? process.stdout : process.stderr;
}

/**
 * The stream of `fd`, made if there is none. Of a pipe it is for the one direction that the pipe has.
 * @throws GeventError `GEVENT_FD_UNSUPPORTED` for what cannot be polled
 */
export function takeUp(fd: number, writing: boolean, where: string): NodeStream {
  const there = taken.get(fd);
  if (there !== undefined && !there.destroyed) return there;
  let kind: Kind;
  try {
    kind = kindOf(fd);
  } catch (error) {
    // Its end has come.
    if (there !== undefined) return there;
    throw error;
  }
  if (kind === 'file') {
    throw unsupported(`${where}: ${fd} is a file that Node cannot poll; FileObjectThread and tpRead are for such`);
  }
  const access = accessOf(fd);
  if (access !== null && kind === 'pipe' && !access[writing ? 'write' : 'read']) {
    throw new OSError('EBADF', `${where}: ${fd} is the other end of its pipe`);
  }
  const stream = made(fd, kind, writing);
  taken.set(fd, stream);
  numbers.set(stream, fd);
  return stream;
}

/** Whoever has the number closes it. Gives the stream that had taken it up, if one had. */
export function forget(fd: number): NodeStream | undefined {
  const stream = taken.get(fd);
  taken.delete(fd);
  return stream;
}

function made(fd: number, kind: Kind, writing: boolean): NodeStream {
  if (fd <= 2 && isMainThread) return standard(fd);
  try {
    if (kind === 'terminal') return writing ? new WriteStream(fd) : new ReadStream(fd);
    const both = kind === 'socket';
    return new NodeSocket({ fd, readable: both || !writing, writable: both || writing, allowHalfOpen: true });
  } catch (error) {
    throw fromNode(error, OSError);
  }
}

export function canRead(stream: NodeStream): boolean {
  return stream instanceof Readable && (stream.readable || stream.readableEnded);
}

export function canWrite(stream: NodeStream): boolean {
  return (stream instanceof Writable || 'write' in stream) && (stream as Writable).writable;
}
