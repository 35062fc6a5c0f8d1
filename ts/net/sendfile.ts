// A file, or what a readable stream of Node's gives, sent in pieces.

import type { Buffer } from 'node:buffer';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Park } from '../hub/protocol.ts';
import type { Socket } from './endpoint.ts';
import { Recv } from './reads.ts';
import { readerOf } from './stream.ts';

/** The first `max` bytes, or all. */
export const cut = (data: Buffer, max: number): Buffer => (data.length > max ? data.subarray(0, max) : data);

/** Send `count` bytes of `file` from `offset` on, or as many as there are; how many. */
export function* sending(
  to: Socket,
  file: string | Readable,
  offset: number,
  count: number,
): Generator<Park, number, any> {
  const stream = typeof file === 'string' ? createReadStream(file, { start: offset }) : file;
  const reader = readerOf(stream, 'sendfile');
  let skip = typeof file === 'string' ? 0 : offset;
  let sent = 0;
  try {
    while (sent < count) {
      let piece = yield* new Recv(reader, 65536, undefined);
      if (piece.length === 0) break;
      if (skip > 0) {
        const skipped = Math.min(skip, piece.length);
        skip -= skipped;
        piece = piece.subarray(skipped);
      }
      piece = cut(piece, count - sent);
      yield* to.sendall(piece);
      sent += piece.length;
    }
    return sent;
  } finally {
    reader.close();
    stream.destroy();
  }
}
