// Descriptors over what waits by itself: our sockets and files, and Node's readable streams. Loaded when one is given, so that
// programs without run where there is no Node.

import type { Readable } from 'node:stream';
import type { Operation } from '../../hub/operation.ts';
import type { Socket } from '../../net/endpoint.ts';
import { CLOSED, FAULT, type Pollable, pollableOf, READ, WaitReady, type Wanted, WRITE } from '../../net/poll.ts';
import { EMPTY, type Reader } from '../../net/reader.ts';
import { ReadExactly, Recv } from '../../net/reads.ts';
import { readerOf, StreamFile } from '../../net/stream.ts';
import { Errno, FileType, Right, WasiErrno } from './abi.ts';
import { Descriptor, Mapped } from './descriptor.ts';

const waitFor = (what: string, wanted: Wanted): Operation<void> => new WaitReady(what, [wanted], null, () => {});

/** A socket that was given, or accepted. */
export class SocketDescriptor extends Descriptor {
  readonly #socket: Socket;
  readonly #own: boolean;

  /** @param own - it ends with the program */
  constructor(socket: Socket, own: boolean) {
    super();
    this.#socket = socket;
    this.#own = own;
    this.filetype = socket.type === 1 ? FileType.SOCKET_STREAM : FileType.SOCKET_DGRAM;
  }

  override get socket(): boolean {
    return true;
  }

  override get rights(): bigint {
    return super.rights | Right.READ | Right.WRITE | Right.SHUTDOWN | Right.ACCEPT;
  }

  get #wanted(): Wanted {
    return { poll: pollableOf(this.#socket, 'fds'), events: READ };
  }

  override get readable(): number | null {
    const state = this.#wanted.poll.state();
    if ((state & (READ | FAULT | CLOSED)) === 0) return null;
    const { $listener, $reader } = this.#socket;
    return $listener?.backlog ?? $reader.size;
  }

  override get writable(): boolean {
    return (this.#wanted.poll.state() & (WRITE | FAULT | CLOSED)) !== 0;
  }

  override untilReadable(): Operation<void> {
    return waitFor('poll of a socket', this.#wanted);
  }

  override untilWritable(): Operation<void> {
    return waitFor('poll of a socket', { ...this.#wanted, events: WRITE });
  }

  override read(max: number): Operation<Uint8Array> {
    return this.#socket.recv(max);
  }

  override readAll(count: number): Operation<Uint8Array> {
    return new ReadExactly(this.#socket.$reader, count, undefined);
  }

  override peek(max: number): Uint8Array | Operation<Uint8Array> {
    const { $reader } = this.#socket;
    if (this.#socket.type !== 1) throw new WasiErrno(Errno.NOTSUP);
    const look = (): Uint8Array =>
      $reader.size === 0 ? EMPTY : Uint8Array.from($reader.peek(Math.min(max, $reader.size)));
    return this.readable === null ? new Mapped(this.untilReadable(), look) : look();
  }

  override write(bytes: Uint8Array): Operation<number> {
    return this.#socket.send(bytes);
  }

  override accept(): Operation<Descriptor> {
    return new Mapped(this.#socket.accept(), ([socket]) => new SocketDescriptor(socket, true));
  }

  override shutdown(receiving: boolean, sending: boolean): void {
    this.#socket.shutdown(receiving && sending ? 2 : sending ? 1 : 0);
  }

  override close(): void {
    if (this.#own) this.#socket.close();
  }
}

/** A file of ours, as `makefile` gives them: it is not closed. */
export interface FileLike {
  readinto?(buffer: Uint8Array): Operation<number>;
  write?(data: Uint8Array): Operation<number>;
  readable?(): boolean;
  writable?(): boolean;
}

export class FileDescriptor extends Descriptor {
  readonly #file: FileLike;
  readonly #poll: Pollable | null;

  constructor(file: FileLike) {
    super();
    this.#file = file;
    let poll: Pollable | null = null;
    try {
      poll = pollableOf(file, 'fds');
    } catch {
      // As a file on disk: always ready, and never waits long.
    }
    this.#poll = poll;
  }

  override get rights(): bigint {
    return super.rights | Right.READ | Right.WRITE;
  }

  override get readable(): number | null | undefined {
    if (this.#file.readable?.() === false || this.#file.readinto === undefined) return undefined;
    if (this.#poll === null) return 1;
    if ((this.#poll.state() & (READ | FAULT | CLOSED)) === 0) return null;
    return this.#file instanceof StreamFile ? (this.#file.$reader?.size ?? 0) : 1;
  }

  override get writable(): boolean | undefined {
    if (this.#file.writable?.() === false || this.#file.write === undefined) return undefined;
    return this.#poll === null || (this.#poll.state() & (WRITE | FAULT | CLOSED)) !== 0;
  }

  override untilReadable(): Operation<void> {
    return waitFor('poll of a file', { poll: this.#poll as Pollable, events: READ });
  }

  override untilWritable(): Operation<void> {
    return waitFor('poll of a file', { poll: this.#poll as Pollable, events: WRITE });
  }

  override read(max: number): Operation<Uint8Array> {
    if (this.readable === undefined) throw new WasiErrno(Errno.BADF);
    const into = new Uint8Array(max);
    return new Mapped((this.#file as Required<FileLike>).readinto(into), (count) => into.subarray(0, count));
  }

  override write(bytes: Uint8Array): Operation<number> {
    if (this.writable === undefined) throw new WasiErrno(Errno.BADF);
    return new Mapped((this.#file as Required<FileLike>).write(bytes), () => bytes.length);
  }
}

/** One of Node's readable streams, read by any number of programs, one at a time. */
interface Shared {
  readonly reader: Reader;
  users: number;
}

const readers = new WeakMap<Readable, Shared>();

export class ReadableInput extends Descriptor {
  readonly #stream: Readable;
  readonly #shared: Shared;

  constructor(stream: Readable) {
    super();
    this.#stream = stream;
    let shared = readers.get(stream);
    if (shared === undefined) readers.set(stream, (shared = { reader: readerOf(stream, 'read of stdin'), users: 0 }));
    ++shared.users;
    this.#shared = shared;
    if ((stream as { isTTY?: boolean }).isTTY) this.filetype = FileType.CHARACTER_DEVICE;
  }

  override get rights(): bigint {
    return super.rights | Right.READ;
  }

  override get readable(): number | null {
    const { reader } = this.#shared;
    return reader.ready ? reader.size : null;
  }

  override untilReadable(): Operation<void> {
    const { reader } = this.#shared;
    return waitFor('poll of stdin', {
      poll: {
        state: () => (reader.ready ? READ : 0),
        watch: (fn) => {
          reader.side.watch(fn);
          reader.flow();
        },
        unwatch: (fn) => reader.side.unwatch(fn),
      },
      events: READ,
    });
  }

  override read(max: number): Operation<Uint8Array> {
    return new Recv(this.#shared.reader, max, undefined);
  }

  // What was read ahead is in the stream again.
  override close(): void {
    if (--this.#shared.users > 0) return;
    readers.delete(this.#stream);
    this.#shared.reader.detach();
    this.#shared.reader.close();
  }
}
