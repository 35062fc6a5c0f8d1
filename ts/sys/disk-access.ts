// One open file on disk: what was read from it lies in a queue until somebody takes it, and the disk is busy with one thing at a time (K1),
// so one whose wait is cut short loses nothing. Who may use it next is the caller's business.

import { Buffer } from 'node:buffer';
import { hubHere } from '../limit.ts';
import { fromNode, OSError } from '../net/errors.ts';
import { carryOut, Order } from '../net/order.ts';
import { Reader } from '../net/reader.ts';
import { buffer, CHUNK, type Disk, type Done, positionOf, sizeLeft } from './disk.ts';
import type { Frame } from './file-turn.ts';
import { closedFile } from './stream-object.ts';

/** Bytes that are read at once at most. */
const MOST = 16 * 2 ** 20;

export class DiskAccess {
  readonly fd: number;
  readonly name: string | number;
  /** Read and not taken. It is the queue of a Reader; nothing waits there. */
  readonly queue: Reader;
  readonly #disk: Disk;
  readonly #append: boolean;
  /** Where the next read or write is, behind the queue; null: where the descriptor stands. */
  #position: number | null;
  #busy: Order<number> | null = null;
  /** Those who wait for that. */
  readonly #waits = new Set<Order<number>>();
  #closed = false;

  /** @param append - writes go to the end, wherever it stands */
  constructor(disk: Disk, fd: number, name: string | number, append: boolean, position: number | null) {
    this.#disk = disk;
    this.fd = fd;
    this.name = name;
    this.queue = new Reader(`read of ${name}`);
    this.#append = append;
    this.#position = position;
  }

  get busy(): boolean {
    return this.#busy !== null;
  }

  /** Have the disk do something, and wait for it. */
  *#do(what: string, act: (done: Done) => void): Frame<number> {
    const order = new Order<number>(`${what} of ${this.name}`);
    this.#busy = order;
    act((error, value) => {
      this.#busy = null;
      if (error === null || error === undefined) order.settle(value ?? 0);
      else order.fail(fromNode(error, OSError));
    });
    return yield* this.#wait(order);
  }

  *#wait(order: Order<number>): Frame<number> {
    const mine = new Order<number>(order.describe());
    order.follow(mine);
    this.#waits.add(mine);
    try {
      return yield* mine;
    } finally {
      this.#waits.delete(mine);
    }
  }

  /** Wait for what another one began and left behind. */
  *idle(): Frame<void> {
    while (this.#busy !== null) {
      try {
        yield* this.#wait(this.#busy);
      } catch (error) {
        // Its failure was told to that one; but one's own kill goes on.
        if (!(error instanceof OSError) || this.#closed) throw error;
      }
    }
  }

  // ---- reading ------------------------------------------------------------------------------------------------------

  /**
   * Read until `length()`, asked for before and after each piece, is not below 0; gives it, or at the end of the file all there is.
   * @param want - bytes that are read at once; Infinity: all
   */
  *enough(length: () => number, want: number): Frame<number> {
    for (;;) {
      const found = length();
      if (found >= 0) return found;
      try {
        if (!(yield* this.#fill(want))) return this.queue.size;
      } catch (error) {
        // Closed meanwhile: who reads all gets what there is.
        if (want === Infinity && this.#closed && error instanceof OSError) return this.queue.size;
        throw error;
      }
    }
  }

  /** Have more in the queue, `want` bytes if possible; false at the end. */
  *#fill(want: number): Frame<boolean> {
    const known = want === Infinity && this.#position !== null ? sizeLeft(this.fd, this.#position) : 0;
    // One byte more, so that the end is seen as well.
    const into = buffer(Math.max(CHUNK, Math.min(want === Infinity ? known + 1 : want, MOST)));
    const position = this.#position;
    const count = yield* this.#do('read', (done) =>
      this.#disk.read(this.fd, into, position, (error, got: number) => {
        if (!error && got > 0) {
          // Of a small piece in a large buffer the buffer is not kept.
          const piece = into.subarray(0, got);
          this.queue.arrived(got * 4 < into.length ? Buffer.from(piece) : piece);
          if (position !== null) this.#position = position + got;
        }
        done(error, got);
      }),
    );
    return count > 0;
  }

  // ---- writing ------------------------------------------------------------------------------------------------------

  *put(pieces: readonly Uint8Array[]): Frame<void> {
    this.#forgetRead();
    const bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    if (bytes.length === 0) return;
    const position = this.#append ? null : this.#position;
    const written = (count: number): void => {
      if (this.#position !== null) this.#position += count;
    };
    yield* this.#do('write', (done) => this.#disk.write(this.fd, bytes, position, written, done));
    if (this.#append && this.#position !== null) this.#position = sizeLeft(this.fd, 0);
  }

  *truncate(size: number): Frame<void> {
    yield* this.#do('truncate', (done) => this.#disk.truncate(this.fd, size, done));
  }

  /** A write goes where the reader stands, not where the reading ahead does. */
  #forgetRead(): void {
    const { size } = this.queue;
    if (size === 0) return;
    this.#position = this.#here() - size;
    this.queue.drop();
  }

  // ---- places -------------------------------------------------------------------------------------------------------

  /** True for what has places: not for pipes and terminals. */
  get seekable(): boolean {
    return this.#position !== null || positionOf(this.fd) !== null;
  }

  /** Where the next byte is taken. @throws OSError ESPIPE for what has no places */
  get place(): number {
    return this.#here() - this.queue.size;
  }

  /** Go there; what was read ahead is forgotten. */
  set place(place: number) {
    this.queue.drop();
    this.#position = place;
  }

  #here(): number {
    const position = this.#position ?? positionOf(this.fd);
    if (position === null || Number.isNaN(position)) throw new OSError('ESPIPE', `${this.name}: ESPIPE: Illegal seek`);
    return position;
  }

  // ---- the end ------------------------------------------------------------------------------------------------------

  /**
   * Who waits gets EBADF. What the disk is busy with is waited for, and `rest` is written before the descriptor is closed.
   * @param closefd - false: the descriptor stays open
   */
  close(rest: Uint8Array | null, closefd: boolean): Order<void> {
    this.#closed = true;
    for (const wait of this.#waits) wait.fail(closedFile());
    this.#waits.clear();
    if (this.#busy === null && rest === null) return this.#shut(closefd);
    const self = this;
    return carryOut(hubHere(), `close of ${this.name}`, function* (): Frame<void> {
      try {
        while (self.#busy !== null) {
          const busy = new Order<number>('close');
          self.#busy.follow(busy);
          yield* settledOnly(busy);
        }
        if (rest !== null) yield* self.#last(rest);
      } finally {
        yield* self.#shut(closefd);
      }
    });
  }

  #last(bytes: Uint8Array): Order<void> {
    this.#forgetRead();
    const order = new Order<void>('close');
    const position = this.#append ? null : this.#position;
    const written = (): void => {};
    this.#disk.write(this.fd, bytes, position, written, (error) => conclude(order, error));
    return order;
  }

  #shut(closefd: boolean): Order<void> {
    const order = new Order<void>(`close of ${this.name}`);
    if (closefd) this.#disk.close(this.fd, (error) => conclude(order, error));
    else order.settle();
    return order;
  }
}

function conclude(order: Order<void>, error: Error | null): void {
  if (error) order.fail(fromNode(error, OSError));
  else order.settle();
}

/** Its failure was told to who began it. */
function* settledOnly(order: Order<number>): Frame<void> {
  try {
    yield* order;
  } catch (error) {
    if (!(error instanceof OSError)) throw error;
  }
}
