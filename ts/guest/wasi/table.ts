// The file descriptors of one program: its own numbering over descriptors of ours and those of the file systems.

import { Errno, WasiErrno } from './abi.ts';
import type { Descriptor } from './descriptor.ts';
import type { Host, Opened } from './host.ts';

export type Entry = Descriptor | Opened;

/** More than any program asks for; a limit, so that a wild one cannot fill the memory. */
const MOST = 65536;

export function isOpened(entry: Entry): entry is Opened {
  return 'host' in entry;
}

export class Table {
  readonly #entries = new Map<number, Entry>();
  /** No number below it is free. */
  #lowest = 0;

  /** @throws WasiErrno EBADF */
  at(fd: number): Entry {
    const entry = this.#entries.get(fd >>> 0);
    if (entry === undefined) throw new WasiErrno(Errno.BADF);
    return entry;
  }

  /** The descriptor of ours behind a number, or null for a file. */
  ours(fd: number): Descriptor | null {
    const entry = this.at(fd);
    return isOpened(entry) ? null : entry;
  }

  put(fd: number, entry: Entry): void {
    this.#entries.set(fd, entry);
  }

  /** Under the lowest number that is free. */
  add(entry: Entry): number {
    let fd = this.#lowest;
    while (this.#entries.has(fd)) ++fd;
    if (fd >= MOST) throw new WasiErrno(Errno.MFILE);
    this.#entries.set(fd, entry);
    this.#lowest = fd + 1;
    return fd;
  }

  close(fd: number): number {
    const entry = this.at(fd);
    this.#entries.delete(fd >>> 0);
    this.#lowest = Math.min(this.#lowest, fd >>> 0);
    return closeEntry(entry);
  }

  /** `to` is closed and becomes what `from` was. */
  renumber(from: number, to: number): number {
    const entry = this.at(from);
    this.at(to);
    if (from >>> 0 === to >>> 0) return Errno.SUCCESS;
    this.close(to);
    this.#entries.delete(from >>> 0);
    this.#lowest = Math.min(this.#lowest, from >>> 0);
    this.#entries.set(to >>> 0, entry);
    return Errno.SUCCESS;
  }

  /** Numbers in use. */
  get size(): number {
    return this.#entries.size;
  }

  /** All file systems in use. */
  hosts(): Set<Host> {
    return new Set([...this.#entries.values()].filter(isOpened).map(({ host }) => host));
  }

  /** Close everything. Gives the first error. */
  closeAll(): unknown {
    let first: unknown;
    for (const entry of this.#entries.values()) {
      try {
        closeEntry(entry);
      } catch (error) {
        first ??= error;
      }
    }
    this.#entries.clear();
    this.#lowest = 0;
    return first;
  }
}

function closeEntry(entry: Entry): number {
  if (isOpened(entry)) return entry.host.calls.fd_close(entry.fd);
  entry.close();
  return Errno.SUCCESS;
}
