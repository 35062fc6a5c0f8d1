// TCP servers. Each lives in its contender's process (gevent's in a Python beside it); the client is one more process, which
// answers one line for each line we send.

import { type ChildProcess, spawn } from 'node:child_process';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Contender, Reading, Sampler } from '../harness.ts';
import { moduleUrl, source } from '../source.ts';
import { interpreter } from './python.ts';

export type Work = 'echo' | 'connect' | 'send';

const CLIENT = fileURLToPath(new URL('./tcp_client.ts', import.meta.url));
const MB = 2 ** 20;

/** The client of one contender. */
class Client {
  readonly #child: ChildProcess = spawn(process.execPath, [CLIENT], { stdio: ['pipe', 'pipe', 'inherit'] });
  readonly #lines: Interface = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });

  run(work: Work, port: number, n: number, total: number): Promise<Reading> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error('the client ended'));
      this.#child.once('exit', onExit);
      this.#lines.once('line', (line) => {
        this.#child.off('exit', onExit);
        const [count, amount] = line.split(' ').map(Number);
        resolve({ count, amount });
      });
      this.#child.stdin?.write(`${work} ${port} ${n} ${total}\n`);
    });
  }

  close(): void {
    this.#child.kill();
  }
}

function sampler(port: number, work: Work, n: number, total: number, close: () => void): Sampler {
  const client = new Client();
  return {
    expect: total,
    sample: () => client.run(work, port, n, total),
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
      const server = createServer(work === 'send' ? piping : echoing);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1000, resolve));
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
      const server = new StreamServer(['127.0.0.1', 0], work === 'send' ? sending : echo, { backlog: 1000 });
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
server = StreamServer(('127.0.0.1', 0), send if sys.argv[1] == 'send' else echo, backlog=1000)
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
