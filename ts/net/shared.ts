// One reader and one writer for each stream of Node's that several objects may be made of: of a descriptor, say, which has a FileObject,
// a call of nbRead and a watcher of the loop. Each byte goes to one of them.

import { Socket as NodeSocket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { fdOf, type NodeStream } from './descriptors.ts';
import { closedError } from './errors.ts';
import type { Reader } from './reader.ts';
import { readerOf, writerOf } from './stream.ts';
import { Sent, type Writer } from './writer.ts';

interface Shared<Side> {
  readonly side: Side;
  users: number;
}

const readers = new WeakMap<NodeStream, Shared<Reader>>();
const writers = new WeakMap<NodeStream, Shared<Writer>>();

function share<Side extends { readonly closed: boolean }>(
  all: WeakMap<NodeStream, Shared<Side>>,
  stream: NodeStream,
  make: () => Side,
): Side {
  let shared = all.get(stream);
  if (shared === undefined || shared.side.closed) {
    shared = { side: make(), users: 0 };
    all.set(stream, shared);
  }
  ++shared.users;
  return shared.side;
}

/** The reader of a stream, until `leaveReader` or the reader's close(). */
export function sharedReader(stream: NodeStream, name: string | number): Reader {
  return share(readers, stream, () => {
    const reader = readerOf(stream as Readable, `read of ${name}`);
    // Its events are past.
    if (stream.destroyed && !reader.ended) reader.finish(closedError());
    return reader;
  });
}

export function sharedWriter(stream: NodeStream, name: string | number): Writer {
  const pipe = stream instanceof NodeSocket && !isatty(fdOf(stream) ?? -1);
  return share(writers, stream, () =>
    writerOf(stream as Writable, `write of ${name}`, pipe ? Sent.MARKED : Sent.DRAINED),
  );
}

/** The reader is needed no more here. The last to say so leaves the stream to others, with what was not taken. */
export function leaveReader(stream: NodeStream): void {
  const shared = readers.get(stream);
  if (shared === undefined || --shared.users > 0) return;
  const { side } = shared;
  // A stream that has ended takes nothing back: it stays for who comes next.
  if (side.size > 0 && (side.ended || side.error !== null || stream.destroyed)) return;
  readers.delete(stream);
  side.detach();
  side.close();
}

export function leaveWriter(stream: NodeStream): void {
  const shared = writers.get(stream);
  if (shared === undefined || --shared.users > 0) return;
  writers.delete(stream);
  shared.side.detach();
  shared.side.close();
}

/** Who uses a stream now. */
export function sidesOf(stream: NodeStream): { reader: Reader | undefined; writer: Writer | undefined } {
  return { reader: readers.get(stream)?.side, writer: writers.get(stream)?.side };
}
