// Talking to a child: what it is given, and all it says. Three greenlets of its own do that, so that one who is killed or timed out
// while he waits for them has lost nothing, and may ask again.

import { Buffer } from 'node:buffer';
import type { Greenlet } from '../gevent-greenlet.ts';
import type { Hub } from '../hub/hub.ts';
import type { Park } from '../hub/protocol.ts';
import { Recv } from '../net/reads.ts';
import { TextCodec, type TextOptions } from '../net/text.ts';
import type { Data } from '../net/writer.ts';
import type { FileObjectPosix } from './stream-object.ts';

/** What a child's end does to who writes to it. */
export const PEER_GONE = ['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED'];

/** Everything one pipe gives. */
class Collected {
  readonly file: FileObjectPosix;
  readonly pieces: Buffer[] = [];
  readonly greenlet: Greenlet<void>;

  constructor(hub: Hub, file: FileObjectPosix) {
    this.file = file;
    this.greenlet = hub.spawn(collect, file, this.pieces);
    this.greenlet.$quiet = true;
  }

  bytes(): Buffer {
    if (this.pieces.length > 1) this.pieces.splice(0, Infinity, Buffer.concat(this.pieces));
    return this.pieces[0] ?? Buffer.alloc(0);
  }
}

function* collect(file: FileObjectPosix, into: Buffer[]): Generator<Park, void, any> {
  const { $reader: reader } = file;
  if (reader === null) return;
  for (;;) {
    const piece = yield* new Recv(reader, Infinity, undefined);
    if (piece.length === 0) return;
    into.push(piece);
  }
}

function* supply(stdin: FileObjectPosix, input: Data): Generator<Park, void, any> {
  try {
    yield* stdin.write(input);
    yield* stdin.flush();
  } catch (error) {
    if (!PEER_GONE.includes((error as { code?: string }).code ?? '')) throw error;
  } finally {
    stdin.close();
  }
}

interface Pipes {
  readonly stdin: FileObjectPosix<any> | null;
  readonly stdout: FileObjectPosix<any> | null;
  readonly stderr: FileObjectPosix<any> | null;
}

export class Talk {
  readonly #out: Collected | null;
  readonly #err: Collected | null;
  readonly #text: TextOptions | null;
  readonly greenlets: readonly Greenlet<void>[];

  constructor(hub: Hub, { stdin, stdout, stderr }: Pipes, input: Data | null, text: TextOptions | null) {
    this.#text = text;
    const greenlets: Greenlet<void>[] = [];
    if (stdin !== null && !stdin.closed && input === null) stdin.close();
    else if (stdin !== null && !stdin.closed) {
      const writing = hub.spawn(supply, stdin, input as Data);
      writing.$quiet = true;
      greenlets.push(writing);
    }
    this.#out = stdout === null || stdout.closed ? null : new Collected(hub, stdout);
    this.#err = stderr === null || stderr.closed ? null : new Collected(hub, stderr);
    for (const side of [this.#out, this.#err]) if (side !== null) greenlets.push(side.greenlet);
    this.greenlets = greenlets;
  }

  /** The first failure among those that have ended: also before a timeout is told. */
  check(): void {
    for (const greenlet of this.greenlets) if (greenlet.exception !== undefined) throw greenlet.exception;
  }

  #one(side: Collected | null, whole: boolean): Buffer | string | null {
    if (side === null) return null;
    const bytes = side.bytes();
    if (this.#text === null) return bytes;
    const codec = new TextCodec(this.#text);
    if (whole || !codec.utf8) return codec.decode(bytes);
    // Cut anywhere: without the character that is not whole.
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });
  }

  /** What stdout and stderr have given. `whole` false: so far. */
  output(whole: boolean): [any, any] {
    return [this.#one(this.#out, whole), this.#one(this.#err, whole)];
  }
}
