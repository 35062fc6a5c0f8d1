// How a file is opened: Python's modes.

import { constants, openSync, type PathLike, statSync } from 'node:fs';
import { describe } from '../core/arguments.ts';
import { fromNode, OSError } from '../net/errors.ts';
import type { FileMode } from '../net/stream.ts';

export interface Mode {
  /** As it was given. */
  readonly text: string;
  readonly read: boolean;
  readonly write: boolean;
  readonly bytes: boolean;
  readonly append: boolean;
  /** For open(2). */
  readonly flags: number;
  /** The mode of a stream that does the same. */
  readonly stream: FileMode;
}

/** `r`, `w`, `a`, `x`, each with `+`, `b` or `t` if you like; and `rw`, as sockets' files have it. */
export function parseMode(mode: unknown, where: string): Mode {
  const match = typeof mode === 'string' ? /^(?=[^bt]*[bt]?[^bt]*$)([bt]?)(rw|[rwax])([bt+]{0,2})$/.exec(mode) : null;
  if (match === null || /\+.*\+/.test(mode as string) || (match[2] === 'rw' && match[3].includes('+'))) {
    throw new RangeError(
      `${where}: expected r, w, a or x, with + and b or t if you like, or rw; got ${describe(mode)}`,
    );
  }
  const text = mode as string;
  const plus = text.includes('+') || match[2] === 'rw';
  const kind = match[2];
  const read = plus || kind === 'r';
  const write = plus || kind !== 'r';
  const access = read && write ? constants.O_RDWR : write ? constants.O_WRONLY : constants.O_RDONLY;
  const create = {
    r: 0,
    rw: 0,
    w: constants.O_CREAT | constants.O_TRUNC,
    a: constants.O_CREAT | constants.O_APPEND,
    x: constants.O_CREAT | constants.O_EXCL,
  }[kind] as number;
  const bytes = text.includes('b');
  const stream = `${read ? 'r' : ''}${write ? 'w' : ''}${bytes ? 'b' : ''}` as FileMode;
  return { text, read, write, bytes, append: kind === 'a', flags: access | create, stream };
}

/**
 * Open a file. Pipes with a name and terminals are opened so that nobody waits: a pipe for writing that nobody reads is ENXIO.
 * @throws OSError as open(2)
 */
export function openFile(path: PathLike, mode: Mode): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  const waits = stats !== undefined && (stats.isFIFO() || stats.isCharacterDevice());
  try {
    return openSync(path, waits ? mode.flags | constants.O_NONBLOCK | constants.O_NOCTTY : mode.flags, 0o666);
  } catch (error) {
    throw fromNode(error, OSError);
  }
}
