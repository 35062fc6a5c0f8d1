// Peers that read slowly, write slowly, or are gone on one side only.

import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Event } from '../../ts/event.ts';
import type { GeventError } from '../../ts/exceptions.ts';
import { type Greenlet, getcurrent, sleep, spawn, withTimeout } from '../../ts/index.ts';
import { HTTPServer, Response, stream } from '../../ts/net/http.ts';
import { StreamServer } from '../../ts/net/server.ts';
import type { socket as Socket } from '../../ts/net/socket.ts';
import { CORES } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

type Body<T = void> = Generator<any, T, any>;

const MB = 2 ** 20;

async function serving(handle: (socket: Socket) => Body): Promise<net.Socket> {
  const server = new StreamServer(['127.0.0.1', 0], handle as never);
  await server.start();
  const peer = net.connect({ port: server.serverPort as number, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(async () => {
    peer.destroy();
    await server.stop();
  });
  peer.on('error', () => {});
  peer.pause();
  await once(peer, 'connect');
  return peer;
}

/** Text in which every place can be told from every other. */
const pattern = (size: number): Buffer =>
  Buffer.from(Array.from({ length: size / 8 }, (_, i) => `${i}`.padStart(8)).join(''));

describe.each(CORES)('on the %s core', (core) => {
  test('a line that comes a byte at a time is one line, and the next one is not lost', async () => {
    realWorld(core);
    const lines: string[] = [];
    const over = new Event();
    const peer = await serving(function* (socket) {
      const file = socket.makefile('r');
      for (let line = yield* file.readline(); line !== ''; line = yield* file.readline()) lines.push(line);
      over.set();
    });
    peer.setNoDelay(true);
    for (const byte of 'first line\nsecond\nrest') {
      peer.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    peer.end();
    await over.wait({ timeout: 10 });
    expect(lines).toEqual(['first line\n', 'second\n', 'rest']);
  });

  test('a sender whose peer does not read waits with a chunk in hand; killed, it has sent a prefix and nothing else', async () => {
    realWorld(core);
    const data = pattern(24 * MB);
    let sender: Greenlet | null = null;
    let socket: Socket | null = null;
    const over = new Event();
    const peer = await serving(function* (mine) {
      sender = getcurrent() as Greenlet;
      socket = mine;
      try {
        yield* mine.sendall(data);
      } finally {
        over.set();
      }
    });
    while (socket === null) await sleep(0.001);
    // Until nothing moves: the kernel's buffers are full.
    for (let before = -1, now = 0; before !== now; ) {
      before = now;
      await sleep(0.05);
      now = (socket as Socket).bytesSent;
    }
    const given = (socket as Socket).bytesSent;
    expect(given).toBeLessThan(data.length);
    (sender as unknown as Greenlet).kill({ block: false });
    await over.wait({ timeout: 10 });
    const pieces: Buffer[] = [];
    peer.on('data', (piece: Buffer) => pieces.push(piece));
    peer.resume();
    await once(peer, 'end');
    peer.end();
    const got = Buffer.concat(pieces);
    expect(got.length).toBeLessThanOrEqual(given);
    expect(got.equals(data.subarray(0, got.length))).toBe(true);
  });

  test('what a slow reader gets is whole and in order, by sendall after sendall', async () => {
    realWorld(core);
    const data = pattern(4 * MB);
    const peer = await serving(function* (socket) {
      for (let at = 0; at < data.length; at += 300_000) yield* socket.sendall(data.subarray(at, at + 300_000));
    });
    const pieces: Buffer[] = [];
    for (let size = 0; size < data.length; ) {
      const piece = peer.read() as Buffer | null;
      if (piece === null) {
        await once(peer, 'readable');
        continue;
      }
      pieces.push(piece);
      size += piece.length;
      if (pieces.length % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(Buffer.concat(pieces).equals(data)).toBe(true);
  });

  test('a send after sends that are over is one of its own: they can be made ahead, and used once each', async () => {
    realWorld(core);
    const peer = await serving(function* (socket) {
      yield* socket.sendall('a');
      const early = socket.sendall('c');
      yield* socket.sendall('b');
      yield* early;
      let again = '';
      try {
        yield* early;
      } catch (error) {
        again = (error as GeventError).code;
      }
      yield* socket.sendall(again);
      yield* socket.sendall(new Uint8Array(0));
      expect(yield* socket.sendall('é')).toBe(2);
    });
    let text = '';
    peer.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    peer.resume();
    await once(peer, 'end');
    peer.end();
    expect(text).toBe('abcGEVENT_OPERATION_REUSEDé');
  });

  test('who has ended his side still reads: the rest is sent, and the end behind it', async () => {
    realWorld(core);
    const peer = await serving(function* (socket) {
      let asked = '';
      for (let data = yield* socket.recv(); data.length > 0; data = yield* socket.recv()) asked += data;
      yield* sleep(0.01);
      yield* socket.sendall(`${asked}, answered`);
    });
    peer.end('asked');
    let text = '';
    peer.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    peer.resume();
    await once(peer, 'end');
    expect(text).toBe('asked, answered');
  });

  test('who is gone is an error for a sender that waits, and for the next send', async () => {
    realWorld(core);
    const ends: string[] = [];
    const over = new Event();
    const peer = await serving(function* (socket) {
      for (let i = 0; i < 2; ++i) {
        try {
          yield* socket.sendall(Buffer.alloc(32 * MB));
          ends.push('sent');
        } catch (error) {
          ends.push((error as GeventError).code);
        }
      }
      over.set();
    });
    await sleep(0.05);
    peer.resetAndDestroy();
    await over.wait({ timeout: 10 });
    expect(ends).toHaveLength(2);
    for (const code of ends) expect(['EPIPE', 'ECONNRESET']).toContain(code);
  });

  test('a reader and a writer on one connection go each at their own pace', async () => {
    realWorld(core);
    const data = pattern(8 * MB);
    let read = 0;
    const over = new Event();
    const peer = await serving(function* (socket) {
      const writer = spawn(function* (): Body {
        yield* socket.sendall(data);
      });
      // The peer reads nothing before it has sent all, and that it could not if the writer held up the reader.
      for (let piece = yield* socket.recv(1000); piece.length > 0; piece = yield* socket.recv(1000))
        read += piece.length;
      yield* writer.join();
      over.set();
    });
    peer.end(data);
    await once(peer, 'finish');
    let size = 0;
    peer.on('data', (piece) => {
      size += piece.length;
    });
    peer.resume();
    await over.wait({ timeout: 20 });
    await once(peer, 'end');
    expect([read, size]).toEqual([data.length, data.length]);
  });

  test('a handler that throws in the middle of a stream closes its connection alone: others go on, and new ones come', async () => {
    const world = realWorld(core);
    const go = new Event();
    const server = new HTTPServer(
      ['127.0.0.1', 0],
      (request: Request) =>
        new Response(
          stream(function* (out) {
            yield* out.write('begun ');
            yield* go.wait();
            if (request.url.endsWith('/bad')) throw new Error('in the middle');
            yield* out.write('ended');
          }),
        ),
    );
    await server.start();
    onTestFinished(async () => void (await server.stop(0)));
    const names = ['good', 'bad', 'good', 'bad', 'good'];
    const answers = await Promise.all(names.map((name) => fetch(`${server.url}/${name}`)));
    go.set();
    const texts = await Promise.all(answers.map((answer) => answer.text().catch(() => 'broken off')));
    expect(texts).toEqual(names.map((name) => (name === 'good' ? 'begun ended' : 'broken off')));
    expect(await (await fetch(`${server.url}/good`)).text()).toBe('begun ended');
    expect(world.reported()).toEqual(Array(2).fill('Error: in the middle | GET /bad failed with Error'));
    expect(server.requests).toBe(0);
  });

  test('a streamed body to a client that stops reading is given up by a Timeout, and its connection with it', async () => {
    const world = realWorld(core);
    const server = new HTTPServer(
      ['127.0.0.1', 0],
      () =>
        new Response(
          stream(function* (out) {
            yield* withTimeout(0.05, function* (): Body {
              for (;;) yield* out.write('x'.repeat(100_000));
            });
          }),
        ),
    );
    await server.start();
    onTestFinished(async () => void (await server.stop(0)));
    const peer = net.connect(server.serverPort as number, '127.0.0.1');
    peer.on('error', () => {});
    peer.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    peer.pause();
    while (server.requests === 0) await sleep(0.001);
    while (server.requests > 0) await sleep(0.001);
    peer.resume();
    await once(peer, 'close');
    expect(world.reported()).toEqual(['Timeout: 0.05 seconds | GET / failed with Timeout']);
  });
});
