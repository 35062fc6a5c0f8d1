// The access log, a line a request, in the form that gevent and the web servers before it write.

import type { IncomingMessage, ServerResponse } from 'node:http';

/** Where lines go: something with `write`, or a function. */
export type Log = { write(line: string): unknown } | ((line: string) => void);

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n: number) => String(n).padStart(2, '0');

/** `bytes`: of the body, none shown as `-`. `203.0.113.5 - - [25/Nov/2026:09:00:00 +0000] "GET /a HTTP/1.1" 200 13 0.000123`. */
function logLine(incoming: IncomingMessage, outgoing: ServerResponse, bytes: number, seconds: number): string {
  const now = new Date();
  const day = `${two(now.getUTCDate())}/${MONTHS[now.getUTCMonth()]}/${now.getUTCFullYear()}`;
  const time = `${two(now.getUTCHours())}:${two(now.getUTCMinutes())}:${two(now.getUTCSeconds())}`;
  const from = incoming.socket.remoteAddress ?? '-';
  // A target may hold quotes and control characters: nobody may forge a line.
  const target = (incoming.url as string).replace(
    /["\\\p{Cc}]/gu,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  const request = `${incoming.method} ${target} HTTP/${incoming.httpVersion}`;
  return `${from} - - [${day}:${time} +0000] "${request}" ${outgoing.statusCode} ${bytes || '-'} ${seconds.toFixed(6)}`;
}

function writeLog(log: Log, line: string): void {
  try {
    if (typeof log === 'function') log(line);
    else log.write(`${line}\n`);
  } catch {
    // A log that fails loses a line and nothing else.
  }
}

const NO_BODY = new Set([204, 304]);

/** Watch a request; call what it gives at the end, for a line. */
export function logged(log: Log, incoming: IncomingMessage, outgoing: ServerResponse): () => void {
  const began = performance.now();
  const { write, end } = outgoing;
  let bytes = 0;
  const count = (chunk: unknown, encoding: unknown): void => {
    if (typeof chunk === 'string') {
      bytes += Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
    } else if (chunk instanceof Uint8Array) bytes += chunk.length;
  };
  outgoing.write = function (this: ServerResponse, ...args: any[]) {
    count(args[0], args[1]);
    return write.apply(this, args as never);
  } as typeof write;
  outgoing.end = function (this: ServerResponse, ...args: any[]) {
    count(args[0], args[1]);
    return end.apply(this, args as never);
  } as typeof end;
  return () => {
    const sent = incoming.method === 'HEAD' || NO_BODY.has(outgoing.statusCode) ? 0 : bytes;
    writeLog(log, logLine(incoming, outgoing, sent, (performance.now() - began) / 1000));
  };
}

/** A logger's method as a log: `new LoggingLogAdapter(console, 'info')`. */
export class LoggingLogAdapter {
  readonly #logger: any;
  readonly #level: string;

  constructor(logger: object, level = 'info') {
    if (typeof (logger as any)?.[level] !== 'function') {
      throw new TypeError(`LoggingLogAdapter(logger, level): the logger has no method ${level}`);
    }
    this.#logger = logger;
    this.#level = level;
  }

  write(line: string): void {
    this.#logger[this.#level](line.trimEnd());
  }
}
