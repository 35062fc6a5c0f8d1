// Websockets over loopback: our server and client with each other, with the platform's own client, and with raw frames.

import { once } from 'node:events';
import { connect as tcp } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConcurrentObjectUseError, GreenletExit } from '../../ts/exceptions.ts';
import { type Greenlet, getcurrent, joinall, killall, sleep, spawn, Timeout } from '../../ts/index.ts';
import { HTTPError, HTTPServer, Response as Light } from '../../ts/net/http.ts';
import {
  connect,
  type WebSocket as GSocket,
  WebSocketClosed,
  type WebSocketOptions,
  WebSocketServer,
  websocket,
} from '../../ts/net/websocket.ts';
import { CORES } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';
import { leftIn } from '../support/worlds.ts';

async function serving(
  handler: (socket: GSocket) => unknown,
  options: WebSocketOptions & { stopTimeout?: number } = {},
) {
  const server = new WebSocketServer(['127.0.0.1', 0], handler, options);
  await server.start();
  onTestFinished(async () => void (await server.stop(0)));
  return { server, url: `ws://127.0.0.1:${server.serverPort}/` };
}

function* echo(socket: GSocket) {
  for (let m = yield* socket.receive(); m !== null; m = yield* socket.receive()) yield* socket.send(m);
}

async function raw(port: number, frames: Buffer): Promise<Buffer> {
  const socket = tcp(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  expect(String(head)).toMatch(/^HTTP\/1\.1 101/);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk as Buffer));
  socket.write(frames);
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

describe.each(CORES)('websockets on the %s core', (core) => {
  test('text and bytes go to and fro, from generator and async bodies', async () => {
    realWorld(core);
    const { url } = await serving(echo);
    const g = spawn(function* () {
      const socket = yield* connect(url);
      const seen: unknown[] = [];
      for (const data of ['a', 'ü€', '', new Uint8Array([0, 255])]) {
        yield* socket.send(data);
        seen.push(yield* socket.receive());
      }
      yield* socket.close(1000, 'enough');
      return [...seen, socket.closeCode, socket.closed];
    });
    expect(await g.get()).toEqual(['a', 'ü€', '', Buffer.from([0, 255]), 1000, true]);
    const socket = await connect(url);
    await socket.send('x');
    for await (const message of socket) {
      expect(message).toBe('x');
      break;
    }
    await socket.close();
  });

  test("the platform's own client is served, and hears the code the handler closes with", async () => {
    realWorld(core);
    const { url } = await serving(function* (socket) {
      yield* socket.send(`hello ${yield* socket.receive()}`);
      yield* socket.close(4000, 'bye');
    });
    const client = new WebSocket(url);
    await once(client as any, 'open');
    client.send('you');
    const [message] = (await once(client as any, 'message')) as [MessageEvent];
    const [close] = (await once(client as any, 'close')) as [CloseEvent];
    expect([message.data, close.code, close.reason]).toEqual(['hello you', 4000, 'bye']);
  });

  test('receive gives null once the peer has closed, again and again; send raises WebSocketClosed', async () => {
    realWorld(core);
    const ends: unknown[] = [];
    const { url } = await serving(function* (socket) {
      ends.push(yield* socket.receive(), yield* socket.receive(), socket.closeCode, socket.closeReason);
      try {
        yield* socket.send('late');
      } catch (error) {
        ends.push(error instanceof WebSocketClosed && error.closeCode);
      }
    });
    const client = await connect(url);
    await client.close(4001, 'done');
    while (ends.length < 5) await sleep(0.001);
    expect(ends).toEqual([null, null, 4001, 'done', 4001]);
  });

  test('a handler that returns closes with 1000, one that fails with 1011 and is reported, one that is killed with 1001', async () => {
    const world = realWorld(core);
    let mode = '';
    let running: Greenlet | null = null;
    const { url } = await serving(function* () {
      running = getcurrent() as Greenlet;
      if (mode === 'fail') throw new Error('handler');
      if (mode === 'kill') yield* sleep(60);
    });
    for (const [how, code] of [
      ['return', 1000],
      ['fail', 1011],
      ['kill', 1001],
    ] as const) {
      mode = how;
      running = null;
      const client = await connect(url);
      while (running === null) await sleep(0.001);
      if (how === 'kill') (running as Greenlet).kill({ block: false });
      expect(await client.receive()).toBe(null);
      expect(client.closeCode, how).toBe(code);
    }
    await sleep(0.01);
    expect(world.reported().map((line) => line.split(' | ')[0])).toEqual(['Error: handler']);
  });

  test('two greenlets cannot receive from one websocket; a timeout or kill leaves it whole', async () => {
    realWorld(core);
    const { url } = await serving(function* (socket) {
      yield* sleep(0.05);
      yield* socket.send('first');
      yield* echo(socket);
    });
    const client = await connect(url);
    const first = spawn(() => client.receive());
    await sleep(0.001);
    const second = spawn(function* () {
      try {
        return yield* client.receive();
      } catch (error) {
        return error;
      }
    });
    expect(await second.get()).toBeInstanceOf(ConcurrentObjectUseError);
    await first.kill();
    await expect(Promise.resolve(client.receive({ timeout: 0.001 }))).rejects.toBeInstanceOf(Timeout);
    expect(await client.receive()).toBe('first');
    await client.close();
  });

  test('a peer that sends faster than it is read is slowed down, and nothing is lost', async () => {
    realWorld(core);
    let server!: GSocket;
    let go!: () => void;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let count = 0;
    const { url } = await serving(async (socket) => {
      server = socket;
      await gate;
      for await (const message of socket) {
        expect(message).toHaveLength(10_000);
        ++count;
      }
    });
    const client = await connect(url);
    const sender = spawn(function* () {
      for (let i = 0; i < 3000; ++i) yield* client.send('x'.repeat(10_000));
      yield* client.close();
    });
    await sleep(0.2);
    expect(sender.ready()).toBe(false);
    expect(server.pending).toBeLessThan(500);
    go();
    await sender.get();
    while (count < 3000) await sleep(0.005);
    expect(count).toBe(3000);
  });

  test('what breaks the protocol is an error of receive and closes with its code', async () => {
    const world = realWorld(core);
    const errors: string[] = [];
    const { server } = await serving(
      function* (socket) {
        try {
          yield* echo(socket);
        } catch (error) {
          errors.push((error as Error).message);
        }
      },
      { maxPayload: 100 },
    );
    const port = server.serverPort as number;
    const masked = (opcode: number, payload: Buffer) =>
      Buffer.concat([Buffer.from([opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
    const code = (answer: Buffer): number => answer.readUInt16BE(answer.indexOf(0x88) + 2);
    expect(code(await raw(port, masked(0x81, Buffer.from([0xff, 0xfe]))))).toBe(1007); // bad UTF-8
    expect(code(await raw(port, Buffer.from([0x81, 0x01, 0x61])))).toBe(1002); // not masked
    expect(code(await raw(port, masked(0x83, Buffer.alloc(0))))).toBe(1002); // no such opcode
    expect(code(await raw(port, masked(0x81, Buffer.alloc(120))))).toBe(1009); // larger than maxPayload
    while (errors.length < 4) await sleep(0.001);
    expect(errors.map((text) => /UTF|MASK|opcode|payload/i.test(text))).toEqual([true, true, true, true]);
    expect(world.reported()).toEqual([]);
  });

  test('a peer that breaks the protocol is not reported, if the handler lets the error pass; another error is', async () => {
    const world = realWorld(core);
    let own = false;
    const { server } = await serving(function* (socket) {
      try {
        yield* echo(socket);
      } catch (error) {
        if (own) throw new Error('own', { cause: error });
        throw error;
      }
    });
    const bad = Buffer.from([0x81, 0x01, 0x61]);
    const code = (answer: Buffer): number => answer.readUInt16BE(answer.indexOf(0x88) + 2);
    expect(code(await raw(server.serverPort as number, bad))).toBe(1002);
    await sleep(0.01);
    expect(world.reported()).toEqual([]);
    own = true;
    expect(code(await raw(server.serverPort as number, bad))).toBe(1002);
    await sleep(0.01);
    expect(world.reported().map((line) => line.split(' | ')[0])).toEqual(['Error: own']);
  });

  test('verify that throws is answered 500 and reported; an HTTPError answers with its status', async () => {
    const world = realWorld(core);
    const { url } = await serving(echo, {
      verify: function* (request) {
        yield* sleep(0.001);
        throw request.url === '/404' ? new HTTPError(404) : new Error('verify');
      },
    });
    await expect(Promise.resolve(connect(`${url}404`))).rejects.toThrow('404');
    expect(world.reported()).toEqual([]);
    await expect(Promise.resolve(connect(url))).rejects.toThrow('500');
    await sleep(0.01);
    expect(world.reported().map((line) => line.split(' | ')[0])).toEqual(['Error: verify']);
  });

  test('verify refuses before the handshake, and may block; a bad handshake is answered 400', async () => {
    realWorld(core);
    let handled = 0;
    const { url, server } = await serving(
      function* () {
        ++handled;
      },
      {
        verify: function* (request) {
          yield* sleep(0.001);
          return request.url === '/no' ? false : request.url === '/401' ? 401 : true;
        },
      },
    );
    await expect(Promise.resolve(connect(`${url}no`))).rejects.toThrow('403');
    await expect(Promise.resolve(connect(`${url}401`))).rejects.toThrow('401');
    expect(handled).toBe(0);
    await (await connect(url)).receive();
    expect(handled).toBe(1);
    const socket = tcp(server.serverPort as number, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 400/);
    expect((await fetch(server.url)).status).toBe(426);
  });

  test('ping gives the time it took; a peer that is dead is noticed by the heartbeat', async () => {
    realWorld(core);
    const ends: unknown[] = [];
    const { url, server } = await serving(
      function* (socket) {
        ends.push(yield* socket.receive());
      },
      { heartbeat: 0.02 },
    );
    const client = await connect(url);
    expect(await client.ping({ timeout: 5 })).toBeGreaterThan(0);
    await client.close();
    const dead = tcp(server.serverPort as number, '127.0.0.1');
    dead.on('error', () => {});
    dead.write(
      'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    dead.resume();
    await once(dead, 'close');
    while (ends.length < 2) await sleep(0.001);
    expect(ends).toEqual([null, null]);
  });

  test('websockets and ordinary requests share a port', async () => {
    realWorld(core);
    const server = new HTTPServer(['127.0.0.1', 0], () => new Light('page'), { upgrade: websocket(echo) });
    await server.start();
    onTestFinished(async () => void (await server.stop(0)));
    expect(await fetch(server.url).then((r) => r.text())).toBe('page');
    const socket = await connect(`ws://127.0.0.1:${server.serverPort}/`);
    await socket.send('x');
    expect(await socket.receive()).toBe('x');
    await socket.close();
  });

  test('stop closes what is open with 1001; 90 connections of which a third break leave nothing', async () => {
    const { hub } = realWorld(core);
    const { url, server } = await serving(echo);
    const clients = await joinall(Array.from({ length: 90 }, () => spawn(() => connect(url))));
    const sockets = clients.map((g) => g.value as GSocket);
    const talks = sockets.map((socket, i) =>
      spawn(function* () {
        let answer: unknown = '';
        for (let n = 0; answer !== null; ++n) {
          try {
            yield* socket.send(`${i}:${n}`);
          } catch (error) {
            if (!(error instanceof WebSocketClosed)) throw error;
          }
          answer = yield* socket.receive();
          if (answer !== null && answer !== `${i}:${n}`) throw new Error(`got ${answer}`);
        }
        return socket.closeCode;
      }),
    );
    await sleep(0.02);
    sockets.forEach((socket, i) => {
      if (i % 3 === 0) socket.terminate();
    });
    await sleep(0.02);
    await server.stop(0.05);
    await sleep(0.01);
    await killall(talks);
    expect(talks.filter((g) => g.value === 1001).length).toBeGreaterThan(30);
    await sleep(0.01);
    expect(leftIn(hub)).toEqual({});
  });

  test('stop does not wait for websockets that are over', async () => {
    realWorld(core);
    const { server, url } = await serving(echo, { stopTimeout: 3600 });
    const socket = await connect(url);
    await socket.close();
    await server.stop();
    expect(server.started).toBe(false);
  });

  test('a Timeout or a kill during connect leaves nothing', async () => {
    realWorld(core);
    const { createServer } = await import('node:net');
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const url = `ws://127.0.0.1:${(silent.address() as { port: number }).port}/`;
    await expect(Promise.resolve(connect(url, { timeout: 0.02 }))).rejects.toBeInstanceOf(Timeout);
    const g = spawn(() => connect(url));
    await sleep(0.02);
    await g.kill();
    expect(g.value).toBeInstanceOf(GreenletExit);
    await expect(Promise.resolve(connect('ws://127.0.0.1:1/'))).rejects.toThrow(/ECONNREFUSED/);
  });

  test('wrong arguments are refused with their value', async () => {
    realWorld(core);
    expect(() => websocket(1 as any)).toThrow('got 1');
    const { url } = await serving(echo);
    const socket = await connect(url);
    expect(() => socket.send(5 as any)).toThrow('send(data): expected a string or bytes, got 5');
    expect(() => socket.close(999)).toThrow(RangeError);
    expect(() => socket.close(1000, 'x'.repeat(124))).toThrow(RangeError);
    await socket.close();
  });
});
