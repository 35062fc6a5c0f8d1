// Bytes as text and back, for files of every kind.

import { Buffer } from 'node:buffer';
import { wrongRange } from '../core/arguments.ts';
import { type Data, toBytes } from './writer.ts';

export type TextEncoding = 'utf8' | 'utf-8' | 'latin1' | 'ascii';

export interface TextOptions {
  /** Text only. Default utf8. */
  encoding?: TextEncoding;
  /** Text that is not in the encoding: `strict` (default) throws, `replace` puts U+FFFD in its place. */
  errors?: 'strict' | 'replace';
  /** Text only. Default: `\r\n` is read as `\n`. `''`: lines end in what they end in. */
  newline?: '' | null;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class TextCodec {
  readonly utf8: boolean;
  readonly #strict: boolean;
  readonly #universal: boolean;

  constructor({ encoding = 'utf8', errors = 'strict', newline = null }: TextOptions) {
    if (!['utf8', 'utf-8', 'latin1', 'ascii'].includes(encoding)) {
      throw wrongRange('encoding', 'utf8, latin1 or ascii', encoding);
    }
    if (errors !== 'strict' && errors !== 'replace') {
      throw wrongRange('errors', 'strict or replace', errors);
    }
    this.utf8 = encoding.startsWith('utf');
    this.#strict = errors === 'strict';
    this.#universal = newline === null;
  }

  decode(bytes: Buffer): string {
    if (bytes.length === 0) return '';
    let text: string;
    if (!this.utf8) text = bytes.toString('latin1');
    else if (this.#strict) text = strict.decode(bytes);
    else text = bytes.toString('utf8');
    return this.#universal ? text.replaceAll('\r\n', '\n') : text;
  }

  encode(data: Data, where: string): string | Uint8Array {
    return typeof data === 'string' && !this.utf8 ? Buffer.from(data, 'latin1') : toBytes(data, where);
  }
}

/** Finds the end of so many characters of UTF-8, in bytes that come piece by piece. */
export class CharacterScan {
  readonly #count: number;
  #scanned = 0;
  #begun = 0;

  constructor(count: number) {
    this.#count = count;
  }

  /**
   * Bytes up to the end of the last character, or -1 if it is not there. `bytes` are all there are, those seen before included.
   * A character is whole when it has as many bytes as its first one says.
   */
  end(bytes: Uint8Array): number {
    let at = this.#scanned;
    while (at < bytes.length) {
      const first = bytes[at];
      const length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
      if (at + length > bytes.length) break;
      at += length;
      this.#scanned = at;
      if (++this.#begun === this.#count) return at;
    }
    return -1;
  }
}
