// What a file on disk is read and written by: Node's pool of threads, or the thread itself.
//
//   K1  what was begun is finished: one who stops waiting leaves its effect in place, and the next one waits for it

import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';

export type Done = (error: Error | null, value?: any) => void;

export interface Disk {
  /** Bytes from `position` (null: where the descriptor stands) into `into`: how many. */
  read(fd: number, into: Buffer, position: number | null, done: Done): void;
  /** All of `bytes`. `written` is told of each part. */
  write(fd: number, bytes: Uint8Array, position: number | null, written: (count: number) => void, done: Done): void;
  truncate(fd: number, size: number, done: Done): void;
  close(fd: number, done: Done): void;
}

export const pool: Disk = {
  read: (fd, into, position, done) => fs.read(fd, into, 0, into.length, position, done),
  write(fd, bytes, position, written, done) {
    let at = 0;
    const go = (): void => {
      if (at >= bytes.length) return done(null);
      fs.write(fd, bytes, at, bytes.length - at, position === null ? null : position + at, (error, count) => {
        if (error) return done(error);
        at += count;
        written(count);
        go();
      });
    };
    go();
  },
  truncate: (fd, size, done) => fs.ftruncate(fd, size, done),
  close: (fd, done) => fs.close(fd, done),
};

function settled(done: Done, act: () => unknown): void {
  let value: unknown;
  try {
    value = act();
  } catch (error) {
    return done(error as Error);
  }
  done(null, value);
}

/** Everything waits: no greenlet runs meanwhile. */
export const blocking: Disk = {
  read: (fd, into, position, done) => settled(done, () => fs.readSync(fd, into, 0, into.length, position)),
  write(fd, bytes, position, written, done) {
    settled(done, () => {
      for (let at = 0; at < bytes.length; ) {
        const count = fs.writeSync(fd, bytes, at, bytes.length - at, position === null ? null : position + at);
        at += count;
        written(count);
      }
    });
  },
  truncate: (fd, size, done) => settled(done, () => fs.ftruncateSync(fd, size)),
  close: (fd, done) => settled(done, () => fs.closeSync(fd)),
};

/** Where a descriptor stands, if the system tells: Linux does. Null for what has no places. */
export function positionOf(fd: number): number | null {
  try {
    if (!fs.fstatSync(fd).isFile()) return null;
    const info = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
    return Number(/^pos:\s*(\d+)/m.exec(info)?.[1] ?? Number.NaN);
  } catch {
    return null;
  }
}

/** Bytes from `from` to the end of a file, as far as it is known; 0 for what has no size. */
export function sizeLeft(fd: number, from: number): number {
  try {
    return Math.max(0, fs.fstatSync(fd).size - from);
  } catch {
    return 0;
  }
}

export const CHUNK = 64 * 1024;

export const buffer = (size: number): Buffer => Buffer.allocUnsafeSlow(size);
