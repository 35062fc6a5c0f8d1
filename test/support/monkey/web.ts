// undici as a client, express, fastify and ws as servers, all unchanged, from greenlets.

import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import undici from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import { first, getcurrent, isControl, run, sleep, spawn, Timeout, until } from '../../../ts/index.ts';
import { local } from '../../../ts/local.ts';
import { atOnce, fault, note, report } from './report.ts';

const portOf = (server: http.Server): number => (server.address() as AddressInfo).port;

function* expressAndUndici() {
  const app = express();
  const events = new EventEmitter();
  const mine = new local() as { id?: string };
  app.use(express.json());
  // An async handler, one that is a greenlet, one that never answers, one that fails, one by callbacks and timers.
  app.get('/async/:id', async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    response.send(`async ${request.params.id}`);
  });
  app.get('/greenlet/:id', async (request, response) => {
    const text = await run(function* () {
      mine.id = request.params.id as string;
      yield* sleep(0.005);
      return `greenlet ${mine.id}`;
    });
    response.send(text);
  });
  app.get('/never', (_request, response) => {
    events.emit('came');
    response.on('close', () => events.emit('gone'));
  });
  app.get('/fails', async () => {
    await sleep(0.001);
    throw new Error('in the handler');
  });
  app.post('/json', (request, response) => {
    setTimeout(() => response.json({ got: request.body }), 5);
  });
  app.use((error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
    response.status(500).send(error.message);
  });
  const server = yield* http.createServer(app).listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${portOf(server)}`;

  const texts = yield* atOnce(100, function* (i) {
    const kind = i % 2 === 0 ? 'async' : 'greenlet';
    const { body, statusCode } = yield* undici.request(`${url}/${kind}/${i}`);
    return statusCode === 200 && (yield* body.text()) === `${kind} ${i}`;
  });
  note('express: 100 at once', texts.every(Boolean));
  const failed = yield* fetch(`${url}/fails`);
  note('express: a handler that fails', [failed.status, yield* failed.text()]);
  const json = yield* undici.fetch(`${url}/json`, {
    method: 'POST',
    body: JSON.stringify([1, 2]),
    headers: { 'content-type': 'application/json' },
  });
  note('express: JSON', yield* json.json());

  // The global fetch ends with its waiter; what undici itself is asked for goes by its own signal and its own timeouts.
  for (const end of ['kill', 'timeout', 'first']) {
    const came = once(events, 'came');
    const gone = once(events, 'gone');
    const g = spawn(function* () {
      using _ = end === 'timeout' ? Timeout.startNew(0.05) : new Timeout();
      if (end === 'first') return (yield* first([fetch(`${url}/never`), sleep(0.05)])).index;
      return (yield* fetch(`${url}/never`)).status;
    });
    g.$quiet = true;
    yield* came;
    if (end === 'kill') yield* g.kill();
    yield* gone;
    yield* g.join();
    note(`fetch, ${end}`, end === 'kill' ? isControl(g.value) : end === 'timeout' ? fault(g.exception) : g.value);
  }
  const own = new AbortController();
  const gone = once(events, 'gone');
  setTimeout(() => own.abort(), 30);
  try {
    yield* undici.request(`${url}/never`, { signal: own.signal });
  } catch (error) {
    note('undici: its signal', (error as Error).name);
  }
  yield* gone;
  const pool = new undici.Pool(url, { connections: 10, headersTimeout: 300 });
  const came = once(events, 'came');
  const killed = spawn(function* () {
    yield* pool.request({ path: '/never', method: 'GET' });
  });
  yield* came;
  yield* killed.kill();
  const many = yield* atOnce(100, function* (i) {
    const { body } = yield* pool.request({ path: `/async/${i}`, method: 'GET' });
    return (yield* body.text()) === `async ${i}`;
  });
  note('undici: a pool of 10 for 100, one of them killed', many.every(Boolean));
  try {
    yield* pool.request({ path: '/never', method: 'GET' });
  } catch (error) {
    note('undici: its timeout', (error as Error).name);
  }
  yield* pool.close();
  server.closeAllConnections();
  yield* new Promise((resolve) => server.close(resolve));
}

function* withFastify() {
  const app = fastify({ forceCloseConnections: true });
  app.addHook('onRequest', async () => {
    await sleep(0.001);
  });
  app.get('/:id', async (request) => {
    const { id } = request.params as { id: string };
    return run(function* () {
      yield* sleep(0.002);
      return { id: Number(id), greenlet: getcurrent() !== getcurrent().$hub.main };
    });
  });
  app.get('/fails', async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    throw Object.assign(new Error('no'), { statusCode: 418 });
  });
  const url = yield* app.listen({ port: 0, host: '127.0.0.1' });
  const answers = yield* atOnce(100, function* (i) {
    const response = yield* fetch(`${url}/${i}`);
    const { id, greenlet } = (yield* response.json()) as { id: number; greenlet: boolean };
    return id === i && greenlet;
  });
  note('fastify: 100 at once', answers.every(Boolean));
  note('fastify: a handler that fails', (yield* fetch(`${url}/fails`)).status);
  // A thenable that is no promise.
  note('fastify: injected', (yield* until(app.inject('/7'))).json());
  yield* app.close();
}

function* withWs() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  yield* once(server, 'listening');
  let alive = 0;
  server.on('connection', (socket) => {
    ++alive;
    // A heartbeat on the patched timers.
    const beat = setInterval(() => socket.ping(), 10);
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('close', () => {
      clearInterval(beat);
      --alive;
    });
  });
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const echoes = yield* atOnce(100, function* (i) {
    const socket = new WebSocket(url);
    try {
      yield* once(socket, 'open');
      for (let n = 0; n < 3; ++n) {
        const answer = once(socket, 'message');
        socket.send(`${i} ${n}`);
        if (String((yield* answer)[0]) !== `${i} ${n}`) return false;
      }
      return true;
    } finally {
      const closed = once(socket, 'close');
      socket.close();
      yield* closed;
    }
  });
  note('ws: 100 at once', echoes.every(Boolean));

  const socket = new WebSocket(url);
  yield* once(socket, 'open');
  const waiting = spawn(function* () {
    yield* once(socket, 'message');
  });
  yield* sleep(0.01);
  yield* waiting.kill();
  note('ws: killed, no listener is left', socket.listenerCount('message'));
  try {
    using _ = Timeout.startNew(0.02);
    yield* once(socket, 'message');
  } catch (error) {
    note('ws: timed out', [fault(error), socket.listenerCount('message')]);
  }
  const answer = once(socket, 'message');
  socket.send('still there');
  note('ws: usable', String((yield* answer)[0]));
  yield* once(socket, 'ping');
  socket.terminate();
  // A server that never answers the handshake: the library's own timer.
  const silent = yield* (http.createServer().on('upgrade', () => {}) as http.Server).listen(0, '127.0.0.1');
  const late = new WebSocket(`ws://127.0.0.1:${portOf(silent)}`, { handshakeTimeout: 50 });
  try {
    yield* once(late, 'open');
  } catch (error) {
    note('ws: its timeout', (error as Error).message);
  }
  silent.closeAllConnections();
  silent.close();
  while (alive > 0) yield* sleep(0.01);
  server.close();
}

await report(function* () {
  yield* expressAndUndici();
  yield* withFastify();
  yield* withWs();
});
