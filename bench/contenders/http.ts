// HTTP servers under wrk (Debian: apt install wrk). Each lives in its contender's process; wrk is a process beside it.

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { type Contender, type Reading, Unavailable } from '../harness.ts';
import { moduleUrl, source } from '../source.ts';
import { interpreter } from './python.ts';

const TEXT = 'hello world';
const HEADERS = { 'content-type': 'text/plain', 'content-length': TEXT.length };
const CONNECTIONS = 50;
const COUNT = 10_000;

type Api = typeof import('../../ts/net/http.ts');

/** A second of requests. Any answer that is none of ours fails the sample. */
async function load(port: number): Promise<Reading> {
  const { stdout } = await promisify(execFile)('wrk', ['-t1', `-c${CONNECTIONS}`, '-d1', `http://127.0.0.1:${port}/`]);
  const done = /(\d+) requests in ([\d.]+)(m?s)/.exec(stdout);
  if (done === null) throw new Error(`wrk said: ${stdout}`);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk met errors: ${stdout}`);
  const ns = Number(done[2]) * (done[3] === 's' ? 1e9 : 1e6);
  // The harness wants a count that is known beforehand: the time that so many took at this rate.
  return { count: COUNT, amount: (ns / Number(done[1])) * COUNT };
}

function needWrk(): void {
  if (spawnSync('wrk', ['-v'], { stdio: 'ignore' }).error)
    throw new Unavailable('wrk is not installed (Debian: apt install wrk)');
}

/** Bodies that are written in pieces: so many, of so many bytes. */
export const STREAMS = {
  chunks: { count: 16, piece: Buffer.alloc(1024, 'x') },
  events: { count: 16, piece: Buffer.from(`event: tick\ndata: ${'x'.repeat(40)}\n\n`) },
  // Beyond what Node takes at once: the writer has to wait for the client.
  large: { count: 16, piece: Buffer.alloc(65536, 'x') },
} as const;

/** By hand: a promise that waits for room, as one writes it. */
export function bareStream(form: keyof typeof STREAMS): Contender {
  const { count, piece } = STREAMS[form];
  return {
    id: 'native:http',
    role: 'baseline',
    async load() {
      needWrk();
      const server = createServer(async (_req, res) => {
        res.writeHead(200, { 'content-type': form === 'events' ? 'text/event-stream' : 'text/plain' });
        res.flushHeaders();
        for (let i = 0; i < count; ++i) {
          if (!res.write(piece)) await new Promise((resolve) => res.once('drain', resolve));
        }
        res.end();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      return { expect: COUNT, sample: () => load(port), close: () => void server.close() };
    },
  };
}

export function engineStream(form: keyof typeof STREAMS): Contender {
  const { count, piece } = STREAMS[form];
  return {
    id: 'engine:wasm',
    role: 'engine',
    env: { GEVENT_CORE: 'wasm' },
    async load() {
      needWrk();
      const api: Api = await import(moduleUrl(source() === 'dist' ? 'http' : 'net/http'));
      const tick = { event: 'tick', data: 'x'.repeat(40) };
      const body =
        form === 'events'
          ? () =>
              api.eventStream(function* (events) {
                for (let i = 0; i < count; ++i) yield* events.send(tick);
              })
          : () =>
              api.stream(function* (out) {
                for (let i = 0; i < count; ++i) yield* out.write(piece);
              });
      const server = new api.HTTPServer(['127.0.0.1', 0], (_request) => new api.Response(body()));
      await server.start();
      return { expect: COUNT, sample: () => load(server.serverPort as number), close: () => void server.close() };
    },
  };
}

export function bare(): Contender {
  return {
    id: 'native:http',
    role: 'baseline',
    async load() {
      needWrk();
      const server = createServer((_req, res) => {
        res.writeHead(200, HEADERS);
        res.end(TEXT);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      return { expect: COUNT, sample: () => load(port), close: () => void server.close() };
    },
  };
}

export function engine(form: 'req-res' | 'request' | 'platform-response'): Contender {
  return {
    id: 'engine:wasm',
    role: 'engine',
    params: { form },
    env: { GEVENT_CORE: 'wasm' },
    async load() {
      needWrk();
      const { HTTPServer, Response: Light }: Api = await import(moduleUrl(source() === 'dist' ? 'http' : 'net/http'));
      const at: [string, number] = ['127.0.0.1', 0];
      const server =
        form === 'req-res'
          ? HTTPServer.node(at, (_req, res) => {
              res.writeHead(200, HEADERS);
              res.end(TEXT);
            })
          : form === 'request'
            ? new HTTPServer(at, (_request) => new Light(TEXT, { headers: { 'content-type': 'text/plain' } }))
            : new HTTPServer(at, (_request) => new Response(TEXT, { headers: { 'content-type': 'text/plain' } }));
      await server.start();
      return { expect: COUNT, sample: () => load(server.serverPort as number), close: () => void server.close() };
    },
  };
}

const WSGI = `
import sys
from gevent.pywsgi import WSGIServer
def hello(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '11')])
    return [b'hello world']
server = WSGIServer(('127.0.0.1', 0), hello, log=None)
server.start()
print(server.server_port, flush=True)
server.serve_forever()
`;

export function pywsgi(): Contender {
  return {
    id: 'python:gevent',
    role: 'peer',
    waits: true,
    async load() {
      needWrk();
      const child: ChildProcess = spawn(interpreter('gevent'), ['-c', WSGI], { stdio: ['ignore', 'pipe', 'inherit'] });
      const port = await new Promise<number>((resolve, reject) => {
        child.once('exit', () => reject(new Error('the Python process ended')));
        createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', (line) => resolve(Number(line)));
      });
      return { expect: COUNT, sample: () => load(port), close: () => void child.kill() };
    },
  };
}
