// Entry `gevent-wasm/fileobject`: files, pipes and terminals as greenlets use them.

import type { Buffer } from 'node:buffer';
import { statSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { config } from '../config.ts';
import { kindOf } from '../net/descriptors.ts';
import { type DiskFileOptions, FileObjectBlock, FileObjectThread } from './disk-object.ts';
import { FileObjectPosix, type FileSource, sourceOf } from './stream-object.ts';
// For whoever imports only this: the hub of the thread.
import '../hub.ts';

export { OSError } from '../net/errors.ts';
export type { IoOptions, TextEncoding } from '../net/stream.ts';
export type { FileObjectOptions, FileSource } from './stream-object.ts';
export { type DiskFileOptions, FileObjectBlock, FileObjectPosix, FileObjectThread };

/** What `new FileObject(…)` gives. */
export type FileObject<T extends Buffer | string = Buffer | string> =
  | FileObjectPosix<T>
  | FileObjectThread<T>
  | FileObjectBlock<T>;

type ModeWithout<B extends string> = B extends `${string}b${string}` ? Buffer : string;

/** What `config.fileobject` says, as far as it goes: a file on disk cannot be polled, whatever it says. */
function choose(fobj: FileSource, mode: string | undefined, options: DiskFileOptions | undefined): FileObject {
  const chosen = config.fileobject;
  if (typeof chosen === 'function') return new (chosen as typeof FileObjectThread)(fobj, mode, options);
  if (chosen === 'block') return new FileObjectBlock(fobj, mode, options);
  if (chosen === 'thread') return new FileObjectThread(fobj, mode, options);
  const source = sourceOf(fobj, 'FileObject(fobj)');
  if (source instanceof Readable || source instanceof Writable) return new FileObjectPosix(fobj, mode, options);
  if (typeof source === 'number') {
    return new (kindOf(source) === 'file' ? FileObjectThread : FileObjectPosix)(fobj, mode, options);
  }
  const stats = statSync(source, { throwIfNoEntry: false });
  if (stats?.isFIFO()) return new FileObjectPosix(fobj, mode, options);
  if (stats?.isCharacterDevice()) {
    // A terminal, perhaps: whoever opens it can tell.
    try {
      return new FileObjectPosix(fobj, mode, options);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'GEVENT_FD_UNSUPPORTED') throw error;
    }
  }
  return new FileObjectThread(fobj, mode, options);
}

interface FileObjectConstructor {
  new <const M extends string = 'r'>(fobj: FileSource, mode?: M, options?: DiskFileOptions): FileObject<ModeWithout<M>>;
  [Symbol.hasInstance](value: unknown): boolean;
}

/**
 * A file as greenlets use it: what blocks in it blocks one of them.
 *
 *     const file = new FileObject('notes.txt');
 *     for (let line = yield* file.readline(); line !== ''; line = yield* file.readline()) …
 *
 * Pipes, sockets, terminals and Node's streams are polled (FileObjectPosix); files on disk are read and written by Node's pool of
 * threads (FileObjectThread). `config.fileobject` may say otherwise.
 *
 * @param fobj - a descriptor (which the object then owns, unless `closefd` is false), a path, something with `fileno()` or `fd`, a stream
 * @param mode - as Python's: `r` (default), `w`, `a`, `x`, with `+`; text, or bytes with `b`
 * @throws OSError why it cannot be opened
 * @see `gevent.fileobject.FileObject`, the source.
 */
export const FileObject: FileObjectConstructor = function FileObject(
  fobj: FileSource,
  mode?: string,
  options?: DiskFileOptions,
): FileObject {
  return choose(fobj, mode, options);
} as unknown as FileObjectConstructor;
Object.defineProperty(FileObject, Symbol.hasInstance, {
  value: (value: unknown) =>
    value instanceof FileObjectPosix || value instanceof FileObjectThread || value instanceof FileObjectBlock,
});
