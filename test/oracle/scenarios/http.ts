// pywsgi and HTTPServer, byte for byte: what is sent on a connection, and what comes back until it is closed. `normal` in
// live.ts takes out what means nothing: dates, names of servers, the texts of errors.

import { sleep } from '../../../ts/index.ts';
import { HTTPServer, type HTTPServerOptions, Response, readBody, stream, write } from '../../../ts/net/http.ts';
import { T, talk } from '../live.ts';
import { differs, Oops, type Scenario, type ScenarioBody, same } from '../scenario.ts';

type Body = Generator<any, any, any>;
type Pieces = (string | number | null)[];

function* serving(handler: any, options: HTTPServerOptions, use: (server: HTTPServer) => Body): Body {
  const server = new HTTPServer(['127.0.0.1', 0], handler, options);
  yield* server.start();
  try {
    yield* use(server);
  } finally {
    yield* server.stop(0);
  }
}

/** `def application(environ, start_response)` in Python, a handler here: `<method> <path> <body>` by what the request says. */
const ECHO = `
    def application(environ, start_response):
        log('asked', environ['REQUEST_METHOD'], environ['PATH_INFO'])
        try:
            body = environ['wsgi.input'].read()
        except IOError as e:
            log('read failed')
            body = b''
        text = environ['PATH_INFO'].encode() + b':' + body
        start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(text)))])
        return [text]`;

const SERVE = `
    server = WSGIServer(('127.0.0.1', 0), application, log=None, error_log=None)
    server.start()`;

function echo(log: (...what: unknown[]) => void) {
  return function* (request: Request): Body {
    const { pathname } = new URL(request.url);
    log('asked', request.method, pathname);
    let body: Buffer;
    try {
      body = yield* readBody(request).read();
    } catch {
      log('read failed');
      body = Buffer.alloc(0);
    }
    return new Response(`${pathname}:${body.toString('latin1')}`);
  };
}

/** A number of pauses among the pieces is in units of T. */
const python = (pieces: Pieces): string =>
  pieces
    .map((piece) => (piece === null ? 'None' : typeof piece === 'number' ? `${piece} * T` : JSON.stringify(piece)))
    .join(', ');

/** The echo server is told `pieces` on a connection; both sides are to answer alike. */
function told(name: string, ...pieces: Pieces): Scenario {
  const body: ScenarioBody = function* (log) {
    yield* serving(echo(log), {}, function* (server) {
      log(yield* talk(server, ...pieces.map((piece) => (typeof piece === 'number' ? piece * T : piece))));
    });
  };
  return same(name, `${ECHO}${SERVE}\n    log(talk(server, ${python(pieces)}))\n    server.stop()`, body);
}

/** The same, where they are not to. */
function unlike(
  difference: { why: string; gevent: string[]; here: string[] },
  name: string,
  ...pieces: Pieces
): Scenario {
  const one = told(name, ...pieces);
  return differs(difference, name, one.python, one.body);
}

/** Why requests are refused by which others could be smuggled. */
const STRICT = 'could be read in two ways, so it is refused; this gevent reads it in one';

const LONG = 'x'.repeat(10_000);
const GET = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const LAST = (path: string) => GET(path, 'Connection: close\r\n');

export const http = [
  told('a connection is kept until it is told to close', GET('/1'), 1, GET('/2'), 1, LAST('/3')),
  told('a client may end its side after it has asked', GET('/1'), 1, null),
  told('pipelined requests are answered in order', GET('/1') + GET('/2') + LAST('/3')),
  told('HTTP/1.0 closes', 'GET /old HTTP/1.0\r\n\r\n'),
  told(
    'HTTP/1.0 is kept where it is asked for',
    'GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    1,
    'GET /2 HTTP/1.0\r\n\r\n',
  ),
  told(
    'a request comes in pieces',
    'GET /pie',
    1,
    'ces HTTP/1.1\r\nHo',
    1,
    'st: a\r\nConnection: close\r\n\r',
    1,
    '\n',
  ),
  told('a body has its length', `POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello${LAST('/next')}`),
  told(
    'a body comes in pieces',
    'POST /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n',
    1,
    'hello',
    1,
    'world',
  ),
  told(
    'a body comes in chunks, with extensions',
    `POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;name=value\r\n world\r\n0\r\n\r\n${LAST('/next')}`,
  ),
  told(
    'chunks come in pieces',
    'POST /chunks HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r',
    1,
    '\nhel',
    1,
    'lo\r\n0\r\n\r\n',
  ),
  told('a target is decoded by nobody', LAST('/a//b?c=d&e')),
  told('a line that is no request', 'NONSENSE\r\n\r\n'),
  told('a version that is none', 'GET / HTTP/x\r\nHost: a\r\n\r\n'),
  unlike(
    {
      why: "Node's parser refuses what is no header; this gevent leaves it out",
      gevent: ['asked GET /', '200 length=2 /: | <timeout>'],
      here: ['400'],
    },
    'a header without a colon',
    'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n',
  ),
  told('a length that is no number', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\nhello'),
  told('a length with a sign', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello'),
  unlike(
    { why: STRICT, gevent: ['asked POST /', '200 length=7 /:hello | <timeout>'], here: ['400'] },
    'two lengths',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
  ),
  unlike(
    {
      why: STRICT,
      gevent: ['asked POST /', 'asked GET /smuggled', '200 length=2 /: | 200 length=10 /smuggled:'],
      here: ['400'],
    },
    'a length and chunks',
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${LAST('/smuggled')}`,
  ),
  unlike(
    { why: STRICT, gevent: ['asked POST /', '200 length=2 /: | 400'], here: ['asked POST /', 'read failed', '400'] },
    'a transfer coding that is not chunked',
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${LAST('/smuggled')}`,
  ),
  unlike(
    { why: STRICT, gevent: ['asked POST /', '200 length=2 /: | 400'], here: ['400'] },
    'chunked twice',
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n${LAST('/smuggled')}`,
  ),
  unlike(
    {
      why: STRICT,
      gevent: ['asked POST /', 'asked helloGET /smuggled', '200 length=2 /: | 200 length=10 /smuggled:'],
      here: ['400'],
    },
    'a space before the colon',
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello${LAST('/smuggled')}`,
  ),
  unlike(
    { why: STRICT, gevent: ['asked GET /', '200 length=2 /:'], here: ['400'] },
    'a folded header',
    'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\nConnection: close\r\n\r\n',
  ),
  unlike(
    {
      why: 'nothing is answered behind a body that could not be read but 400: where it ends is not known',
      gevent: ['asked POST /', 'read failed', '200 length=2 /: | 400'],
      here: ['asked POST /', 'read failed', '400'],
    },
    'a chunk whose size is none',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n',
  ),
  unlike(
    {
      why: "the same: 400 in place of the handler's answer",
      gevent: ['asked POST /', 'read failed', '200 length=2 /: | 400'],
      here: ['asked POST /', 'read failed', '400'],
    },
    'a chunk whose size has a sign or a prefix',
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n${LAST('/smuggled')}`,
  ),
  unlike(
    {
      why: STRICT,
      gevent: ['asked POST /', 'asked GET /smuggled', '200 length=5 /:hel | 200 length=10 /smuggled:'],
      here: ['asked POST /', 'read failed', '400'],
    },
    'a chunk that is longer than it says',
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n${LAST('/smuggled')}`,
  ),
  unlike(
    { why: STRICT, gevent: ['asked GET /', '200 length=2 /:'], here: ['400'] },
    'lines that end with LF alone',
    'GET / HTTP/1.1\nHost: a\nConnection: close\n\n',
  ),
  unlike(
    {
      why: "Node's parser leaves it out, as RFC 9112 asks of servers",
      gevent: ['400'],
      here: ['asked GET /after', '200 length=7 /after:'],
    },
    'an empty line before the request',
    `\r\n${LAST('/after')}`,
  ),
  told('a client that goes in the middle of its head', 'GET / HT', 1, null),
  unlike(
    {
      why: "Node's parser fails at the end, and 400 comes before the handler's answer",
      gevent: ['asked POST /', 'read failed', '200 length=2 /:'],
      here: ['asked POST /', 'read failed', '400'],
    },
    'a client that goes in the middle of its body',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello',
    1,
    null,
  ),
  unlike(
    {
      why: 'Node refuses HTTP/1.1 without a host, as RFC 9112 asks of servers',
      gevent: ['asked GET /', '200 length=2 /:'],
      here: ['400 chunked'],
    },
    'no host',
    'GET / HTTP/1.1\r\nConnection: close\r\n\r\n',
  ),
  unlike(
    { why: "Node's parser knows its methods", gevent: ['asked BREW /', '200 length=2 /:'], here: ['400'] },
    'a method of its own',
    'BREW / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  ),
  unlike(
    {
      why: 'a head may have 16 KB in all (maxHeaderSize), wherever they are',
      gevent: ['414'],
      here: [`asked GET /${LONG}`, `200 length=10002 /${LONG}:`],
    },
    'a target of ten thousand letters',
    LAST(`/${LONG}`),
  ),
  unlike(
    {
      why: 'what a handler gives as body of HEAD is not sent: it would be read as the next answer',
      gevent: ['asked HEAD /head', '200 length=6 /head:'],
      here: ['asked HEAD /head', '200 length=6'],
    },
    'HEAD has no body',
    'HEAD /head HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  ),
  told(
    'the client waits for 100 before it sends its body',
    'POST /expects HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
    2,
    'hello',
  ),

  same(
    'no 100 where nobody reads the body',
    `
    def application(environ, start_response):
        start_response('200 OK', [('Content-Length', '2')])
        return [b'ok']
    ${SERVE.trim()}
    log(talk(server, "POST / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\nExpect: 100-continue\\r\\nContent-Length: 5\\r\\n\\r\\n"))
    server.stop()
    `,
    function* (log) {
      yield* serving(
        () => new Response('ok'),
        {},
        function* (server) {
          log(
            yield* talk(
              server,
              'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
            ),
          );
        },
      );
    },
  ),
  same(
    'a body that nobody reads is left out before the next request',
    `
    def application(environ, start_response):
        log(environ['PATH_INFO'])
        start_response('200 OK', [('Content-Length', '2')])
        return [b'ok']
    ${SERVE.trim()}
    log(talk(server, "POST /1 HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 5\\r\\n\\r\\nGET /GET /2 HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"))
    server.stop()
    `,
    function* (log) {
      yield* serving(
        (request: Request) => {
          log(new URL(request.url).pathname);
          return new Response('ok');
        },
        {},
        function* (server) {
          log(
            yield* talk(
              server,
              `POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
            ),
          );
        },
      );
    },
  ),
  same(
    'a body without a length goes in chunks, to HTTP/1.0 until the end',
    `
    def application(environ, start_response):
        start_response('200 OK', [])
        yield b'one'
        sleep(T)
        yield b'two'
    ${SERVE.trim()}
    log(talk(server, "GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"))
    log(talk(server, "GET / HTTP/1.0\\r\\n\\r\\n"))
    server.stop()
    `,
    function* (log) {
      const handler = () =>
        new Response(
          stream(function* (out) {
            yield* out.write('one');
            yield* sleep(T);
            yield* out.write('two');
          }),
        );
      yield* serving(handler, {}, function* (server) {
        log(yield* talk(server, LAST('/')));
        log(yield* talk(server, 'GET / HTTP/1.0\r\n\r\n'));
      });
    },
  ),
  same(
    'a handler that raises is answered 500, and reported; the server lives',
    `
    def application(environ, start_response):
        if environ['PATH_INFO'] == '/bad': raise Oops('handler')
        start_response('200 OK', [('Content-Length', '2')])
        return [b'ok']
    ${SERVE.trim()}
    log(talk(server, "GET /bad HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"))
    log(talk(server, "GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"))
    server.stop()
    `,
    function* (log) {
      const handler = (request: Request) => {
        if (request.url.endsWith('/bad')) throw new Oops('handler');
        return new Response('ok');
      };
      yield* serving(handler, {}, function* (server) {
        log(yield* talk(server, LAST('/bad')));
        log(yield* talk(server, LAST('/')));
      });
    },
  ),
  same(
    'a handler that raises after its head has gone closes the connection',
    `
    def application(environ, start_response):
        start_response('200 OK', [])
        yield b'one'
        sleep(T)
        raise Oops('later')
    ${SERVE.trim()}
    log(talk(server, "GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"))
    server.stop()
    `,
    function* (log) {
      const handler = () =>
        new Response(
          stream(function* (out) {
            yield* out.write('one');
            yield* sleep(T);
            throw new Oops('later');
          }),
        );
      yield* serving(handler, {}, function* (server) {
        log(yield* talk(server, GET('/')));
      });
    },
  ),
  differs(
    {
      why: "Node's own error is a TypeError",
      gevent: ['reported ValueError', '500'],
      here: ['reported TypeError', '500'],
    },
    'no line break gets into a head',
    `
    def application(environ, start_response):
        start_response('200 OK', [('X', 'a\\r\\nSet-Cookie: forged'), ('Content-Length', '2')])
        return [b'ok']
    ${SERVE.trim()}
    log(talk(server, "GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"))
    server.stop()
    `,
    function* (log) {
      const handler = () => new Response('ok', { headers: { x: 'a\r\nSet-Cookie: forged' } });
      yield* serving(handler, {}, function* (server) {
        log(yield* talk(server, LAST('/')));
      });
    },
  ),
  same(
    'a response without content',
    `
    def application(environ, start_response):
        start_response('204 No Content', [])
        return []
    ${SERVE.trim()}
    log(talk(server, "GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\nGET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"))
    server.stop()
    `,
    function* (log) {
      yield* serving(
        () => new Response(null, { status: 204 }),
        {},
        function* (server) {
          log(yield* talk(server, GET('/') + LAST('/')));
        },
      );
    },
  ),
  same(
    "applications of the servers' own kind: Python's write, Node's res",
    `
    def application(environ, start_response):
        write = start_response('200 OK', [('X-Mine', '1')])
        write(b'one')
        sleep(T)
        write(b'two')
        return []
    ${SERVE.trim()}
    log(talk(server, "GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"))
    server.stop()
    `,
    function* (log) {
      function* handler(_req: any, res: any): Body {
        res.setHeader('X-Mine', '1');
        yield* write(res, 'one');
        yield* sleep(T);
        yield* write(res, 'two');
        res.end();
      }
      yield* serving(handler, {}, function* (server) {
        log(yield* talk(server, LAST('/')));
      });
    },
  ),
];
