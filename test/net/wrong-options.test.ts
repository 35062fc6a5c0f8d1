// As test/gevent/wrong-options.test.ts, for what talks to the world.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { HTTPServer } from '../../ts/net/http.ts';
import { StreamServer } from '../../ts/net/server.ts';
import { createConnection, createServer, socket, waitRead } from '../../ts/net/socket.ts';
import { WebSocketServer, websocket } from '../../ts/net/websocket.ts';
import { FileObjectThread } from '../../ts/sys/fileobject.ts';
import { checkOutput, Popen, run } from '../../ts/sys/subprocess.ts';
import { ThreadPool } from '../../ts/sys/threadpool.ts';
import { type Simulation, simulate } from '../../ts/testing.ts';
import { thrown } from '../support/cores.ts';

let sim: Simulation;
beforeEach(() => {
  sim = simulate();
});
afterEach(() => sim.close());

const file = () => new FileObjectThread(import.meta.filename, 'rb');

test.each<[string, (options: any) => unknown, string]>([
  ['socket.recv', (o) => new socket().recv(1, o), 'recv(options)'],
  ['socket.recvInto', (o) => new socket().recvInto(new Uint8Array(1), 1, o), 'recvInto(options)'],
  ['socket.send', (o) => new socket().send('x', o), 'send(options)'],
  ['socket.sendall', (o) => new socket().sendall('x', o), 'sendall(options)'],
  ['socket.connect', (o) => new socket().connect(['127.0.0.1', 1], o), 'connect(options)'],
  ['socket.accept', (o) => new socket().accept(o), 'accept(options)'],
  ['createConnection', (o) => createConnection(['127.0.0.1', 1], o), 'createConnection(options)'],
  ['createServer', (o) => createServer(['127.0.0.1', 0], o), 'createServer(options)'],
  ['FileObjectThread.read', (o) => file().read(1, o), 'read(options)'],
  ['FileObjectThread.readline', (o) => file().readline(-1, o), 'readline(options)'],
  ['HTTPServer', (o) => new HTTPServer(0, () => new Response(), o), 'HTTPServer(options)'],
  ['WebSocketServer', (o) => new WebSocketServer(0, function* () {}, o), 'HTTPServer(options)'],
  ['websocket', (o) => websocket(function* () {}, o), 'websocket(options)'],
  ['Popen', (o) => new Popen(['true'], o), 'Popen(options)'],
  ['ThreadPool', (o) => new ThreadPool(1, o), 'ThreadPool(options)'],
])('%s tells a name that it does not know', (_name, call, where) => {
  expect(thrown(() => call({ tmeout: 1 }))).toMatch(`TypeError: ${where}: there is no option "tmeout"; there`);
});

test('run and its kin hear of it from Popen, and a number where a backlog stands in Python is refused', async () => {
  sim.close();
  for (const operation of [
    run(['true'], { capture_output: true } as never),
    checkOutput(['true'], { universal: 1 } as never),
  ]) {
    await expect(Promise.resolve(operation)).rejects.toThrow(/^Popen\(options\): there is no option/);
  }
  expect(thrown(() => new StreamServer(0, function* () {}, 10 as never))).toBe(
    'TypeError: StreamServer(options): expected an object, got 10',
  );
  expect(thrown(() => waitRead(new socket(), 1 as never))).toMatch(
    /^TypeError: waitRead\(options\): expected an object/,
  );
});
