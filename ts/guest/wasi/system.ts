// The calls of preview 1 for one program: what may block and what concerns the program itself is here, the rest is passed on
// to a file system.
//
// P1  a call gives an error number for whatever the program did wrong; what it throws is the end of the program
// P2  nothing of the memory is kept across a wait but addresses: growing detaches the buffer
// P3  once the program is over no call does anything but throw that again: its code may have caught it

import { GreenletExit } from '../../exceptions.ts';
import type { Hub } from '../../hub/hub.ts';
import { isOperation, type Operation } from '../../hub/operation.ts';
import { GuestError } from '../errors.ts';
import { blocking, type Imports, type ImportValue, yielding } from '../imports.ts';
import { ClockId, Errno, FDFLAGS, Memory, NONBLOCK, sizeOf, WasiErrno } from './abi.ts';
import { Clocks } from './clocks.ts';
import { CHUNK, type Descriptor, errnoFor, Mapped } from './descriptor.ts';
import type { Host } from './host.ts';
import { BLOCKING, MODULE } from './names.ts';
import { type Places, pollOneoff } from './poll.ts';
import { isOpened, Table } from './table.ts';

/** Thrown by proc_exit: ends the program without a word, as a kill does. */
export class ProgramExit extends GreenletExit {
  static override readonly name: string = 'ProgramExit';
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Calls of a file system, and where in their arguments descriptors are. */
const PASSED_ON: Readonly<Record<string, readonly number[]>> = {
  fd_advise: [0],
  fd_allocate: [0],
  fd_datasync: [0],
  fd_fdstat_set_rights: [0],
  fd_filestat_set_size: [0],
  fd_filestat_set_times: [0],
  fd_pread: [0],
  fd_prestat_dir_name: [0],
  fd_prestat_get: [0],
  fd_pwrite: [0],
  fd_readdir: [0],
  fd_sync: [0],
  fd_tell: [0],
  path_create_directory: [0],
  path_filestat_get: [0],
  path_filestat_set_times: [0],
  path_link: [0, 4],
  path_readlink: [0],
  path_remove_directory: [0],
  path_rename: [0, 3],
  path_symlink: [2],
  path_unlink_file: [0],
};

/** What those give for a descriptor that is no file. */
const NOT_ON_STREAMS: Readonly<Record<string, number>> = {
  fd_advise: Errno.SPIPE,
  fd_allocate: Errno.SPIPE,
  fd_datasync: Errno.INVAL,
  fd_fdstat_set_rights: Errno.SUCCESS,
  fd_filestat_set_size: Errno.INVAL,
  fd_filestat_set_times: Errno.INVAL,
  fd_pread: Errno.SPIPE,
  fd_pwrite: Errno.SPIPE,
  fd_sync: Errno.INVAL,
  fd_tell: Errno.SPIPE,
};

const OWN = [
  ...['args_get', 'args_sizes_get', 'clock_res_get', 'clock_time_get', 'environ_get', 'environ_sizes_get', 'fd_close'],
  ...['fd_fdstat_get', 'fd_fdstat_set_flags', 'fd_filestat_get', 'fd_renumber', 'fd_seek', 'path_open', 'proc_exit'],
  ...['proc_raise', 'random_get', 'sock_shutdown'],
];

/** Stand-ins of the right kind, for loading a program that runs later. */
export function standIns(): Imports {
  const made: Record<string, ImportValue> = {};
  for (const name of [...OWN, ...Object.keys(PASSED_ON)]) made[name] = () => Errno.NOSYS;
  for (const name of BLOCKING) made[name] = name === 'sched_yield' ? yielding : blocking(() => Errno.NOSYS);
  return { [MODULE]: made };
}

const RECV_PEEK = 1;
const RECV_WAITALL = 2;
const SHUT_RD = 1;
const SHUT_WR = 2;

export class System implements Places {
  readonly memory = new Memory();
  readonly table = new Table();
  readonly hub: Hub;
  readonly clocks: Clocks;
  readonly #name: string;
  readonly #args: Uint8Array[];
  readonly #env: Uint8Array[];
  /** P3 */
  #over: unknown = null;

  constructor(hub: Hub, name: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.hub = hub;
    this.#name = name;
    this.clocks = new Clocks(hub);
    const encode = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);
    this.#args = args.map(encode);
    this.#env = Object.entries(env).map(([key, value]) => encode(`${key}=${value}`));
  }

  /** The instance is there. */
  attach(memory: WebAssembly.Memory): void {
    this.memory.attach(memory);
    for (const host of this.table.hosts()) host.attach(memory);
  }

  /** The program is over, whatever of it still runs. */
  end(why: unknown): void {
    this.#over ??= why;
    const trouble = this.table.closeAll();
    if (trouble !== undefined) throw trouble;
  }

  // ---- imports ------------------------------------------------------------------------------------------------------

  imports(): Imports {
    const made: Record<string, ImportValue> = {};
    for (const name of OWN) made[name] = this.#plain((this as any)[`$${name}`].bind(this));
    for (const [name, at] of Object.entries(PASSED_ON))
      made[name] = this.#plain((...args) => this.#pass(name, at, args));
    for (const name of BLOCKING) {
      made[name] = name === 'sched_yield' ? yielding : this.#blocking((this as any)[`$${name}`].bind(this));
    }
    return { [MODULE]: made };
  }

  #plain(call: (...args: any[]) => number): (...args: any[]) => number {
    return (...args) => {
      if (this.#over !== null) throw this.#over;
      try {
        return call(...args);
      } catch (error) {
        return errnoFor(error);
      }
    };
  }

  #blocking(call: (...args: any[]) => number | Operation<number>): ImportValue {
    const failed = (error: unknown): number => errnoFor(error);
    return blocking((...args) => {
      if (this.#over !== null) throw this.#over;
      let said: number | Operation<number>;
      try {
        said = call(...args);
      } catch (error) {
        return errnoFor(error);
      }
      return isOperation(said) ? new Mapped(said, (errno) => errno as number, failed) : said;
    });
  }

  /** A call for a file system, with its numbers for descriptors. */
  #pass(name: string, at: readonly number[], args: unknown[]): number {
    let host: Host | null = null;
    for (const i of at) {
      const entry = this.table.at(args[i] as number);
      if (!isOpened(entry)) return NOT_ON_STREAMS[name] ?? Errno.BADF;
      // What is in two file systems cannot be linked or renamed across.
      if (host !== null && host !== entry.host) return Errno.XDEV;
      host = entry.host;
      args[i] = entry.fd;
    }
    return (host as Host).calls[name](...args) ?? Errno.SUCCESS;
  }

  // ---- the program --------------------------------------------------------------------------------------------------

  #sizes(strings: readonly Uint8Array[], count: number, size: number): number {
    this.memory.setU32(count, strings.length);
    this.memory.setU32(
      size,
      strings.reduce((sum, { length }) => sum + length, 0),
    );
    return Errno.SUCCESS;
  }

  #strings(strings: readonly Uint8Array[], pointers: number, buffer: number): number {
    let at = buffer >>> 0;
    strings.forEach((bytes, i) => {
      this.memory.setU32((pointers >>> 0) + 4 * i, at);
      this.memory.set(at, bytes);
      at += bytes.length;
    });
    return Errno.SUCCESS;
  }

  $args_sizes_get(count: number, size: number): number {
    return this.#sizes(this.#args, count, size);
  }

  $args_get(pointers: number, buffer: number): number {
    return this.#strings(this.#args, pointers, buffer);
  }

  $environ_sizes_get(count: number, size: number): number {
    return this.#sizes(this.#env, count, size);
  }

  $environ_get(pointers: number, buffer: number): number {
    return this.#strings(this.#env, pointers, buffer);
  }

  $clock_res_get(id: number, at: number): number {
    if (id >>> 0 > ClockId.THREAD) return Errno.INVAL;
    this.memory.setU64(at, this.clocks.resolution(id));
    return Errno.SUCCESS;
  }

  $clock_time_get(id: number, _precision: bigint, at: number): number {
    if (id >>> 0 > ClockId.THREAD) return Errno.INVAL;
    this.memory.setU64(at, this.clocks.now(id));
    return Errno.SUCCESS;
  }

  $random_get(at: number, size: number): number {
    const into = this.memory.bytes(at, size);
    // Not straight into it: no shared memory is taken, nor more than this at a time.
    for (let from = 0; from < into.length; from += CHUNK) {
      const piece = crypto.getRandomValues(new Uint8Array(Math.min(CHUNK, into.length - from)));
      into.set(piece, from);
    }
    return Errno.SUCCESS;
  }

  $proc_exit(code: number): number {
    this.#over = new ProgramExit(code >>> 0);
    throw this.#over;
  }

  $proc_raise(signal: number): number {
    this.#over = new GuestError('GEVENT_WASI_SIGNAL', `${this.#name} raised signal ${signal}`);
    throw this.#over;
  }

  // ---- descriptors --------------------------------------------------------------------------------------------------

  $fd_close(fd: number): number {
    return this.table.close(fd);
  }

  $fd_renumber(from: number, to: number): number {
    return this.table.renumber(from, to);
  }

  $fd_seek(fd: number, offset: bigint, whence: number, at: number): number {
    const entry = this.table.at(fd);
    return isOpened(entry) ? entry.host.calls.fd_seek(entry.fd, offset, whence, at) : Errno.SPIPE;
  }

  $path_open(fd: number, ...args: any[]): number {
    const entry = this.table.at(fd);
    if (!isOpened(entry)) return Errno.BADF;
    // Where the number goes must be there before anything is opened.
    const at = args[7] as number;
    this.memory.setU32(at, 0);
    const errno = entry.host.calls.path_open(entry.fd, ...args);
    if (errno !== Errno.SUCCESS) return errno;
    const opened = { host: entry.host, fd: this.memory.u32(at) };
    try {
      this.memory.setU32(at, this.table.add(opened));
    } catch (error) {
      opened.host.calls.fd_close(opened.fd);
      throw error;
    }
    return Errno.SUCCESS;
  }

  $fd_fdstat_get(fd: number, at: number): number {
    const entry = this.table.at(fd);
    if (isOpened(entry)) return entry.host.calls.fd_fdstat_get(entry.fd, at);
    this.memory.bytes(at, 24).fill(0);
    this.memory.setU8(at, entry.filetype);
    this.memory.setU16(at + 2, entry.flags);
    this.memory.setU64(at + 8, entry.rights);
    return Errno.SUCCESS;
  }

  $fd_fdstat_set_flags(fd: number, flags: number): number {
    const entry = this.table.at(fd);
    if (isOpened(entry)) return entry.host.calls.fd_fdstat_set_flags(entry.fd, flags);
    if (flags & ~FDFLAGS) return Errno.INVAL;
    entry.flags = flags;
    return Errno.SUCCESS;
  }

  $fd_filestat_get(fd: number, at: number): number {
    const entry = this.table.at(fd);
    if (isOpened(entry)) return entry.host.calls.fd_filestat_get(entry.fd, at);
    this.memory.bytes(at, 64).fill(0);
    this.memory.setU8(at + 16, entry.filetype);
    return Errno.SUCCESS;
  }

  // ---- what may wait ------------------------------------------------------------------------------------------------

  /** EAGAIN for a descriptor that must not wait and would have to. */
  #mayWait(descriptor: Descriptor, ready: boolean): void {
    if (!ready && (descriptor.flags & NONBLOCK) !== 0) throw new WasiErrno(Errno.AGAIN);
  }

  /** `said` or what it gives, turned into the number of the call. */
  #then<T>(said: T | Operation<T>, store: (value: T) => void): number | Operation<number> {
    const done = (value: T): number => {
      store(value);
      return Errno.SUCCESS;
    };
    return isOperation(said) ? new Mapped(said as Operation<T>, done) : done(said as T);
  }

  $fd_read(fd: number, at: number, count: number, stored: number): number | Operation<number> {
    const entry = this.table.at(fd);
    if (isOpened(entry)) return entry.host.calls.fd_read(entry.fd, at, count, stored);
    return this.#receive(entry, at, count, stored, (max) => entry.read(max));
  }

  #receive(
    from: Descriptor,
    at: number,
    count: number,
    stored: number,
    read: (max: number) => Uint8Array | Operation<Uint8Array>,
  ): number | Operation<number> {
    const { memory } = this;
    const spans = memory.vectors(at, count);
    memory.setU32(stored, 0);
    const { readable } = from;
    if (readable === undefined) return Errno.BADF;
    if (spans.length === 0) return Errno.SUCCESS;
    this.#mayWait(from, readable !== null);
    return this.#then(read(Math.min(sizeOf(spans), CHUNK)), (bytes) => {
      memory.scatter(spans, bytes);
      memory.setU32(stored, bytes.length);
    });
  }

  $fd_write(fd: number, at: number, count: number, stored: number): number | Operation<number> {
    const entry = this.table.at(fd);
    if (isOpened(entry)) return entry.host.calls.fd_write(entry.fd, at, count, stored);
    return this.#send(entry, at, count, stored);
  }

  #send(to: Descriptor, at: number, count: number, stored: number): number | Operation<number> {
    const { memory } = this;
    const bytes = memory.gather(memory.vectors(at, count), CHUNK);
    memory.setU32(stored, 0);
    const { writable } = to;
    if (writable === undefined) return Errno.BADF;
    if (bytes.length === 0) return Errno.SUCCESS;
    this.#mayWait(to, writable);
    return this.#then(to.write(bytes), (written) => memory.setU32(stored, written));
  }

  $poll_oneoff(at: number, events: number, count: number, stored: number): number | Operation<number> {
    return pollOneoff(this, at, events, count, stored);
  }

  #socket(fd: number): Descriptor {
    const entry = this.table.at(fd);
    if (isOpened(entry) || !entry.socket) throw new WasiErrno(Errno.NOTSOCK);
    return entry;
  }

  $sock_accept(fd: number, flags: number, stored: number): number | Operation<number> {
    const socket = this.#socket(fd);
    this.memory.setU32(stored, 0);
    this.#mayWait(socket, socket.readable !== null);
    return this.#then(socket.accept(), (accepted) => {
      accepted.flags = flags & NONBLOCK;
      try {
        this.memory.setU32(stored, this.table.add(accepted));
      } catch (error) {
        accepted.close();
        throw error;
      }
    });
  }

  $sock_recv(
    fd: number,
    at: number,
    count: number,
    flags: number,
    stored: number,
    outFlags: number,
  ): number | Operation<number> {
    const socket = this.#socket(fd);
    if (flags & ~(RECV_PEEK | RECV_WAITALL)) return Errno.INVAL;
    this.memory.setU16(outFlags, 0);
    return this.#receive(socket, at, count, stored, (max) =>
      flags & RECV_PEEK ? socket.peek(max) : flags & RECV_WAITALL ? socket.readAll(max) : socket.read(max),
    );
  }

  $sock_send(fd: number, at: number, count: number, flags: number, stored: number): number | Operation<number> {
    const socket = this.#socket(fd);
    return flags === 0 ? this.#send(socket, at, count, stored) : Errno.INVAL;
  }

  $sock_shutdown(fd: number, how: number): number {
    if (how === 0 || how & ~(SHUT_RD | SHUT_WR)) return Errno.INVAL;
    this.#socket(fd).shutdown((how & SHUT_RD) !== 0, (how & SHUT_WR) !== 0);
    return Errno.SUCCESS;
  }
}
