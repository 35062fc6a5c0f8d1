// For guests: files below the folder of `load({ files })`, and none without it. Read and written by Node's thread pool; only the
// greenlet waits.

import type { Hub } from '../hub/hub.ts';
import { until } from '../until.ts';
import { Answer } from './answer.ts';
import { type Builtin, blocks, plain } from './builtin.ts';
import { Errno, errnoOf, FORBIDDEN } from './errno.ts';
import type { Instance } from './instance.ts';
import { bytesAt, textAt, viewOf } from './memory.ts';

/** What a guest may do with a file; the bits of `open`. */
const Flag = { READ: 1, WRITE: 2, CREATE: 4, TRUNCATE: 8, APPEND: 16, NEW: 32 } as const;

type Fs = typeof import('node:fs');
type Path = typeof import('node:path');

function system(): { fs: Fs; path: Path } | null {
  const builtin = globalThis.process?.getBuiltinModule;
  const fs = builtin?.('node:fs');
  const path = builtin?.('node:path');
  return fs === undefined || path === undefined ? null : { fs, path };
}

class Refused extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * Where the path is, below the folder; `..` and links lead nowhere else. Who can change links in the folder while a guest opens a
 * file could lead it out: such a folder is not one to give to a guest.
 */
async function locate({ fs, path }: { fs: Fs; path: Path }, folder: string, name: string): Promise<string> {
  if (name.includes('\0')) throw new Refused('EINVAL');
  const { realpath, lstat } = fs.promises;
  const root = await realpath(folder);
  const wanted = path.join(root, path.normalize(`/${name}`));
  const inside = (at: string) => at === root || at.startsWith(root.endsWith(path.sep) ? root : root + path.sep);
  if (wanted === root) return root;
  const parent = await realpath(path.dirname(wanted));
  const at = path.join(parent, path.basename(wanted));
  if (!inside(parent)) throw new Refused('ENOTCAPABLE');
  let there = true;
  try {
    await lstat(at);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
    there = false;
  }
  // A link to nowhere is there as well, and would be made where it points to.
  const final = there ? await realpath(at) : at;
  if (!inside(final)) throw new Refused('ENOTCAPABLE');
  return final;
}

/** An open file. Its place is kept here, so that a read that is given up has read nothing. */
class GuestFile {
  readonly #fs: Fs;
  readonly #fd: number;
  /** Null: it has none, as a pipe. */
  #at: number | null;
  #busy = 0;
  #closed = false;

  constructor(fs: Fs, fd: number, at: number | null) {
    this.#fs = fs;
    this.#fd = fd;
    this.#at = at;
  }

  #use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Refused('EBADF'));
    ++this.#busy;
    return work().finally(() => {
      --this.#busy;
      this.#free();
    });
  }

  /** Its number is given back when nobody in another thread uses it any more. */
  #free(): void {
    if (this.#closed && this.#busy === 0) this.#fs.close(this.#fd, () => {});
  }

  read(length: number): Promise<Uint8Array> {
    return this.#use(
      () =>
        new Promise((resolve, reject) => {
          const into = new Uint8Array(length);
          this.#fs.read(this.#fd, into, 0, length, this.#at, (error, count) =>
            error === null ? resolve(into.subarray(0, count)) : reject(error),
          );
        }),
    );
  }

  /** What was read has arrived. */
  passed(count: number): void {
    if (this.#at !== null) this.#at += count;
  }

  async #writeAll(bytes: Uint8Array, from: number | null): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      done += await new Promise<number>((resolve, reject) => {
        const at = from === null ? null : from + done;
        this.#fs.write(this.#fd, bytes, done, bytes.length - done, at, (error, count) =>
          error === null ? resolve(count) : reject(error),
        );
      });
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    const from = this.#at;
    this.passed(bytes.length);
    return this.#use(() => this.#writeAll(bytes, from));
  }

  seek(position: number): number {
    if (this.#closed) return -Errno.EBADF;
    if (this.#at === null || !Number.isSafeInteger(position) || position < 0) return -Errno.EINVAL;
    this.#at = position;
    return 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#free();
  }
}

async function open(folder: string, name: string, flags: number): Promise<GuestFile> {
  const there = system();
  if (there === null) throw new Refused('ENOSYS');
  const { fs } = there;
  const { constants: C } = fs;
  const reads = (flags & Flag.READ) !== 0;
  const writes = (flags & (Flag.WRITE | Flag.APPEND)) !== 0;
  if ((!reads && !writes) || (!writes && (flags & (Flag.CREATE | Flag.TRUNCATE | Flag.NEW)) !== 0)) {
    throw new Refused('EINVAL');
  }
  let mode = writes ? (reads ? C.O_RDWR : C.O_WRONLY) : C.O_RDONLY;
  if (flags & (Flag.CREATE | Flag.NEW)) mode |= C.O_CREAT;
  if (flags & Flag.TRUNCATE) mode |= C.O_TRUNC;
  if (flags & Flag.APPEND) mode |= C.O_APPEND;
  if (flags & Flag.NEW) mode |= C.O_EXCL;
  const at = await locate(there, folder, name);
  const fd = await new Promise<number>((resolve, reject) => {
    fs.open(at, mode, 0o666, (error, made) => (error === null ? resolve(made) : reject(error)));
  });
  const file = await new Promise<boolean>((resolve, reject) => {
    fs.fstat(fd, (error, found) => {
      if (error === null && !found.isDirectory()) return resolve(found.isFile());
      fs.close(fd, () => reject(error ?? new Refused('EISDIR')));
    });
  });
  return new GuestFile(fs, fd, file ? 0 : null);
}

const isFile = (it: object): it is GuestFile => it instanceof GuestFile;
const fileOf = (instance: Instance, handle: number) => instance.handles.get(handle, isFile, 'an open file');

export const FILES: readonly [string, Builtin][] = [
  [
    'open',
    blocks('iii>i', (instance) => (at: number, length: number, flags: number) => {
      const { files } = instance.program;
      if (files === null) return FORBIDDEN;
      const name = textAt(instance, at, length);
      return new Opening(
        () => open(files, name, flags),
        (file) => instance.handles.opened(file),
      );
    }),
  ],
  [
    'read',
    blocks('iii>i', (instance) => (handle: number, at: number, room: number) => {
      const file = fileOf(instance, handle);
      const { length } = viewOf(instance, at, room);
      const told = (bytes: Uint8Array) => {
        file.passed(bytes.length);
        viewOf(instance, at, bytes.length).set(bytes);
        return bytes.length;
      };
      return new Answer(() => until(file.read(length)), told, errnoOf);
    }),
  ],
  [
    'write',
    blocks('iii>i', (instance) => (handle: number, at: number, length: number) => {
      const file = fileOf(instance, handle);
      const bytes = bytesAt(instance, at, length);
      return new Answer(
        () => until(file.write(bytes)),
        () => bytes.length,
        errnoOf,
      );
    }),
  ],
  ['seek', plain('id>i', (instance) => (handle: number, to: number) => fileOf(instance, handle).seek(to))],
];

/** Its file is closed if nobody waits for it any more. */
class Opening extends Answer<GuestFile> {
  #opening: Promise<GuestFile> | null = null;

  constructor(start: () => Promise<GuestFile>, told: (file: GuestFile) => number) {
    const make = () => {
      this.#opening = start();
      return until(this.#opening);
    };
    super(make, told, errnoOf);
  }

  override abandon(hub: Hub, slot: number): void {
    super.abandon(hub, slot);
    this.#opening?.then(
      (file) => file.close(),
      () => {},
    );
  }
}
