// Entry `gevent-wasm/os`: descriptors and processes by their numbers.

import { Buffer } from 'node:buffer';
import { closeSync, read, write } from 'node:fs';
import { wrongType } from '../core/arguments.ts';
import { ForeignWait } from '../foreign.ts';
import type { Hub } from '../hub/hub.ts';
import type { Operation } from '../hub/operation.ts';
import { hubHere } from '../limit.ts';
import {
  accessOf,
  checkFd,
  forget,
  isStandard,
  kindOf,
  type NodeStream,
  streamOf,
  takeUp,
} from '../net/descriptors.ts';
import { fromNode, OSError } from '../net/errors.ts';
import { Recv } from '../net/reads.ts';
import { sharedReader, sharedWriter, sidesOf } from '../net/shared.ts';
import { type Data, Send, toBytes } from '../net/writer.ts';
import { buffer } from './disk.ts';
// For whoever imports only this: the hub of the thread.
import '../hub.ts';

export { OSError, OSError as error } from '../net/errors.ts';
export {
  POSIX_SPAWN_CLOSE,
  POSIX_SPAWN_DUP2,
  POSIX_SPAWN_OPEN,
  type PosixSpawnOptions,
  posixSpawn,
  posixSpawnp,
  WNOHANG,
  waitpid,
  waitstatusToExitcode,
} from './posix.ts';

/** What has a descriptor. */
export type Descriptor = number | { fileno(): number } | { readonly fd: number };

function fdOf(fd: Descriptor, where: string): number {
  const any = fd as { fileno?: () => number; fd?: unknown } | null;
  if (typeof any === 'object' && any !== null) {
    return checkFd(typeof any.fileno === 'function' ? any.fileno() : any.fd, where);
  }
  return checkFd(fd, where);
}

/** The streams that nbRead and nbWrite use: in use until close(). */
const used = new WeakSet<NodeStream>();

/**
 * Have Node poll a descriptor from now on: of a pipe, a socket or a terminal. True if that is new; false also for files on disk,
 * which never need polling. Then `nbRead`, `nbWrite`, select and `loop.io` take its number. Node owns it: close it by `close()`.
 * @see `gevent.os.make_nonblocking`, the source.
 */
export function makeNonblocking(fd: Descriptor): boolean {
  const number = fdOf(fd, 'makeNonblocking(fd)');
  if (kindOf(number) === 'file') return false;
  const access = accessOf(number);
  const stream = takeUp(number, access !== null && !access.read, 'makeNonblocking(fd)');
  if (used.has(stream)) return false;
  used.add(stream);
  return true;
}

/**
 * Read up to `n` bytes from a pipe, a socket or a terminal: empty at the end. Switch point, unless there are some. Of a file on
 * disk as `tpRead`. What came before a kill is there for the next read.
 * @see `gevent.os.nb_read`, the source. Differs: Node reads ahead, so read such a descriptor by nothing else.
 */
export function nbRead(fd: Descriptor, n: number): Operation<Buffer> {
  const number = fdOf(fd, 'nbRead(fd)');
  count(n, 'nbRead(n)');
  const stream = polled(number, false);
  return stream === null ? tpRead(number, n) : new Recv(sharedReader(stream, number), n, undefined);
}

/** Write bytes to a pipe, a socket or a terminal: how many. Switch point if there is no room. Of a file on disk as `tpWrite`. */
export function nbWrite(fd: Descriptor, data: Data): Operation<number> {
  const number = fdOf(fd, 'nbWrite(fd)');
  const bytes = toBytes(data, 'nbWrite(data)');
  const stream = polled(number, true);
  return stream === null ? tpWrite(number, data) : new Send(sharedWriter(stream, number), bytes, true, undefined);
}

/** The stream of a descriptor; null of a file on disk. */
function polled(fd: number, writing: boolean): NodeStream | null {
  if (streamOf(fd) === undefined && kindOf(fd) === 'file') return null;
  const stream = takeUp(fd, writing, writing ? 'nbWrite(fd)' : 'nbRead(fd)');
  used.add(stream);
  return stream;
}

function count(n: unknown, where: string): number {
  if (typeof n !== 'number') throw wrongType(where, 'a number of bytes', n);
  if (!Number.isInteger(n) || n < 0) throw new RangeError(`${where}: expected a number of bytes from 0, got ${n}`);
  return n;
}

/** What a thread of Node's pool does for one greenlet. */
class InPool<T> extends ForeignWait<T> {
  readonly #what: string;
  readonly #act: (done: (error: Error | null, value?: T) => void) => void;
  #error: Error | null = null;
  #value: T | undefined;

  constructor(what: string, act: (done: (error: Error | null, value?: T) => void) => void) {
    super();
    this.#what = what;
    this.#act = act;
  }

  describe(): string {
    return this.#what;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#act((error, value) => {
      this.#error = error;
      this.#value = value;
      this.happened();
    });
    this.wait(hub, slot, null);
    return false;
  }

  complete(hub: Hub): T {
    this.unwait(hub);
    if (this.#error !== null) throw fromNode(this.#error, OSError);
    return this.#value as T;
  }
}

/**
 * Read up to `n` bytes in a thread of Node's pool: empty at the end. Switch point, always. Killed meanwhile, what the thread reads is lost.
 * @see `gevent.os.tp_read`, the source.
 */
export function tpRead(fd: Descriptor, n: number): Operation<Buffer> {
  const number = fdOf(fd, 'tpRead(fd)');
  const into = buffer(count(n, 'tpRead(n)'));
  return new InPool<Buffer>(`tpRead of ${number}`, (done) => {
    read(number, into, 0, n, null, (error, got) => done(error, into.subarray(0, got)));
  });
}

/** Write bytes in a thread of Node's pool: how many. Switch point, always. */
export function tpWrite(fd: Descriptor, data: Data): Operation<number> {
  const number = fdOf(fd, 'tpWrite(fd)');
  const given = toBytes(data, 'tpWrite(data)');
  const bytes = typeof given === 'string' ? Buffer.from(given) : given;
  return new InPool<number>(`tpWrite of ${number}`, (done) => {
    write(number, bytes, 0, bytes.length, null, (error, written) => done(error, written));
  });
}

/**
 * Close a descriptor. Who waits in `nbRead` or `nbWrite` for it gets EBADF, watchers of the loop are called, and then it is closed.
 * Never a switch point.
 * @see `gevent.os.close`, the source.
 */
export function close(fd: number): void {
  checkFd(fd, 'close(fd)');
  hubHere().loop.closingFd(fd);
  const stream = forget(fd);
  if (stream === undefined) {
    try {
      closeSync(fd);
    } catch (error) {
      throw fromNode(error, OSError);
    }
    return;
  }
  const { reader, writer } = sidesOf(stream);
  reader?.close();
  writer?.close();
  if (!isStandard(stream)) stream.destroy();
}
