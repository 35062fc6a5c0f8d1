// TCP servers. Each lives in its contender's process (gevent's in a Python beside it); the client is one more process.

import { spawn } from 'node:child_process';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Contender, Sampler } from '../harness.ts';
import { moduleUrl, source } from '../source.ts';
import { Load } from './load.ts';
import { interpreter } from './python.ts';

export type Work = 'echo' | 'connect' | 'receive';

const MB = 2 ** 20;

function sampler(port: number, work: Work, n: number, total: number, close: () => void): Sampler {
  const client = new Load();
  return {
    expect: total,
    async sample() {
      const [count, amount] = await client.run(work, port, n, total);
      return { count, amount };
    },
    close() {
      client.close();
      close();
    },
  };
}

function echoing(socket: Socket): void {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => socket.destroy());
}

const BYTES = Buffer.alloc(50 * MB, 'x');

function piping(socket: Socket): void {
  let at = 0;
  const file = new Readable({
    read() {
      this.push(at < BYTES.length ? BYTES.subarray(at, (at += 65536)) : null);
    },
  });
  file.pipe(socket);
  socket.on('error', () => socket.destroy());
}

export function native(work: Work, n: number, total: number): Contender {
  return {
    id: 'native:net',
    role: 'baseline',
    waits: true,
    async load() {
      const server = createServer(work === 'receive' ? piping : echoing);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));
      return sampler((server.address() as AddressInfo).port, work, n, total, () => void server.close());
    },
  };
}

type Api = typeof import('../../ts/net/server.ts');
type Cooperative = import('../../ts/net/socket.ts').socket;

function* echo(socket: Cooperative) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendall(data);
  }
}

function* sending(socket: Cooperative) {
  yield* socket.sendall(BYTES);
}

export function engine(work: Work, n: number, total: number): Contender {
  return {
    id: 'engine:wasm',
    role: 'engine',
    waits: true,
    env: { GEVENT_CORE: 'wasm' },
    async load() {
      const { StreamServer }: Api = await import(moduleUrl(source() === 'dist' ? 'server' : 'net/server'));
      const server = new StreamServer(['127.0.0.1', 0], work === 'receive' ? sending : echo, { backlog: 4096 });
      await server.start();
      return sampler(server.serverPort as number, work, n, total, () => void server.stop());
    },
  };
}

const PYTHON = `
import sys
from gevent.server import StreamServer
BYTES = b'x' * (50 * 2**20)
def echo(socket, address):
    while True:
        data = socket.recv(65536)
        if not data:
            return
        socket.sendall(data)
def send(socket, address):
    socket.sendall(BYTES)
server = StreamServer(('127.0.0.1', 0), send if sys.argv[1] == 'receive' else echo, backlog=4096)
server.start()
print(server.server_port, flush=True)
server.serve_forever()
`;

export function gevent(work: Work, n: number, total: number): Contender {
  return {
    id: 'python:gevent',
    role: 'peer',
    waits: true,
    async load() {
      const child = spawn(interpreter('gevent'), ['-c', PYTHON, work], { stdio: ['ignore', 'pipe', 'inherit'] });
      const port = await new Promise<number>((resolve, reject) => {
        child.once('exit', () => reject(new Error('the Python process ended')));
        createInterface({ input: child.stdout }).once('line', (line) => resolve(Number(line)));
      });
      return sampler(port, work, n, total, () => void child.kill());
    },
  };
}
