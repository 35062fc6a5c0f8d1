// Requests that two readers could take apart in two ways. What is hidden in them must never be handled as a request of its own, and
// the connection on which one came is closed.

import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HTTPServer, Response, readBody } from '../../ts/net/http.ts';
import { CORES } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n';
const head = (...lines: string[]): string => `POST /seen HTTP/1.1\r\nHost: a\r\n${lines.join('\r\n')}\r\n\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked';

/** Refused before a handler sees anything. */
const REFUSED: Record<string, string> = {
  'a length and chunks': `${head('Content-Length: 5', CHUNKED)}0\r\n\r\n${HIDDEN}`,
  'chunks and a length': `${head(CHUNKED, 'Content-Length: 5')}0\r\n\r\n${HIDDEN}`,
  'two lengths': head('Content-Length: 0', `Content-Length: ${HIDDEN.length}`) + HIDDEN,
  'one length twice': `${head('Content-Length: 5', 'Content-Length: 5')}hello${HIDDEN}`,
  'a list of lengths': head(`Content-Length: 0, ${HIDDEN.length}`) + HIDDEN,
  'a length with a sign': head('Content-Length: +0') + HIDDEN,
  'a length below zero': head('Content-Length: -1') + HIDDEN,
  'a length in hexadecimal': head('Content-Length: 0x0') + HIDDEN,
  'a length with a gap': head('Content-Length: 0 0') + HIDDEN,
  'a length beyond counting': head('Content-Length: 99999999999999999999999') + HIDDEN,
  'no length in its field': head('Content-Length:') + HIDDEN,
  'a gap before the colon': head('Content-Length : 0') + HIDDEN,
  'chunks that are not the last coding': `${head('Transfer-Encoding: chunked, identity')}0\r\n\r\n${HIDDEN}`,
  'a folded coding': `${head('Transfer-Encoding:\r\n chunked')}0\r\n\r\n${HIDDEN}`,
  'a folded field': head('X: a\r\n b', 'Content-Length: 0') + HIDDEN,
  'a space in front of the first field': `POST /seen HTTP/1.1\r\n Content-Length: 0\r\nHost: a\r\n\r\n${HIDDEN}`,
  'a carriage return in a value': head('X: a\rContent-Length: 40', 'Content-Length: 0') + HIDDEN,
  'a NUL in a value': head('X: a\0b', 'Content-Length: 0') + HIDDEN,
  'a NUL in a name': head('X\0: a', 'Content-Length: 0') + HIDDEN,
  'no name': head(': a', 'Content-Length: 0') + HIDDEN,
  'no colon': head('Content-Length 0') + HIDDEN,
  'no host': 'POST /seen HTTP/1.1\r\nContent-Length: 0\r\n\r\n',
  'a host with a path': `POST /seen HTTP/1.1\r\nHost: a/b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  'a version that is none': `POST /seen HTTP/1.10\r\nHost: a\r\nContent-Length: 0\r\n\r\n${HIDDEN}`,
  'the preface of HTTP/2': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${HIDDEN}`,
  'a method with a colon': `PO:ST /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n${HIDDEN}`,
  'too much head': head(`X: ${'y'.repeat(20_000)}`) + HIDDEN,
};

/** Good heads with bodies that are none: the handler is told when it reads. */
const BROKEN: Record<string, string> = {
  'a length in the trailer': `${head(CHUNKED)}5\r\nhello\r\n0\r\nContent-Length: 40\r\n\r\n${HIDDEN}`,
  'chunks in quotes': `${head('Transfer-Encoding: "chunked"')}0\r\n\r\n${HIDDEN}`,
  'a coding that is none': `${head('Transfer-Encoding: xchunked')}0\r\n\r\n${HIDDEN}`,
  'a chunk whose size is none': `${head(CHUNKED)}zz\r\n${HIDDEN}`,
  'a chunk with a sign': `${head(CHUNKED)}+5\r\nhello\r\n0\r\n\r\n${HIDDEN}`,
  'a chunk with 0x': `${head(CHUNKED)}0x5\r\nhello\r\n0\r\n\r\n${HIDDEN}`,
  'a chunk beyond counting': `${head(CHUNKED)}FFFFFFFFFFFFFFFFFF\r\n${HIDDEN}`,
  'a chunk that is longer than its size': `${head(CHUNKED)}3\r\nhello\r\n0\r\n\r\n${HIDDEN}`,
  'a chunk without its end': `${head(CHUNKED)}5\r\nhello0\r\n\r\n${HIDDEN}`,
  'a line feed alone behind a size': `${head(CHUNKED)}5\nhello\r\n0\r\n\r\n${HIDDEN}`,
  'a carriage return in an extension': `${head(CHUNKED)}5;a\rb\r\nhello\r\n0\r\n\r\n${HIDDEN}`,
  'a space in front of a size': `${head(CHUNKED)} 5\r\nhello\r\n0\r\n\r\n${HIDDEN}`,
};

interface Seen {
  paths: string[];
  bodies: Record<string, string>;
  text: string;
}

async function sent(bytes: string): Promise<Seen> {
  const seen: Seen = { paths: [], bodies: {}, text: '' };
  const server = new HTTPServer(['127.0.0.1', 0], function* (request: Request) {
    const { pathname } = new URL(request.url);
    seen.paths.push(pathname);
    seen.bodies[pathname] = String(yield* readBody(request).read());
    return new Response('answered\n');
  });
  await server.start();
  onTestFinished(async () => void (await server.stop(0)));
  const socket = connect(server.serverPort as number, '127.0.0.1');
  socket.setEncoding('latin1').on('data', (data) => {
    seen.text += data;
  });
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  await once(socket, 'close');
  return seen;
}

const statuses = (text: string): number[] => [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code]) => Number(code));

describe.each(CORES)('on the %s core', (core) => {
  test.each(Object.entries(REFUSED))('%s: refused', async (_, bytes) => {
    realWorld(core);
    const { paths, text } = await sent(bytes);
    expect(paths).toEqual([]);
    expect(statuses(text)).toHaveLength(1);
    expect([400, 414, 431, 501, 505]).toContain(statuses(text)[0]);
  });

  test.each(Object.entries(BROKEN))('%s: the handler does not get a whole body', async (_, bytes) => {
    realWorld(core);
    const { paths, bodies, text } = await sent(bytes);
    expect(paths.filter((path) => path !== '/seen')).toEqual([]);
    expect(bodies).toEqual({});
    expect(statuses(text).filter((code) => code < 400)).toEqual([]);
  });

  test('a body of the length that was told is a body, whatever is in it; what follows is the next request', async () => {
    realWorld(core);
    const { paths, bodies, text } = await sent(
      `${head(`Content-Length: ${HIDDEN.length}`)}${HIDDEN}GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    expect([paths, bodies]).toEqual([['/seen', '/next'], { '/seen': HIDDEN, '/next': '' }]);
    expect(statuses(text)).toEqual([200, 200]);
  });

  test('what is in a trailer is in no head', async () => {
    realWorld(core);
    const { paths, bodies } = await sent(
      `${head(CHUNKED)}5\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: b\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    expect([paths, bodies]).toEqual([['/seen', '/next'], { '/seen': 'hello', '/next': '' }]);
  });
});
