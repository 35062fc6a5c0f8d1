// The HTTP server and client, with real connections on loopback. Raw bytes where a client library would be too polite.

import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Event } from '../../ts/event.ts';
import { GreenletExit } from '../../ts/exceptions.ts';
import { type Greenlet, getcurrent, sleep, spawn, Timeout, until } from '../../ts/index.ts';
import {
  ConnectionClosed,
  eventStream,
  fetch as gfetch,
  HTTPError,
  HTTPServer,
  type HTTPServerOptions,
  Response as Light,
  LoggingLogAdapter,
  platformRequest,
  readBody,
  stream,
  write,
} from '../../ts/net/http.ts';
import { AF_INET, AF_UNIX, socket as Bound, SOCK_DGRAM } from '../../ts/net/socket.ts';
import { Pool } from '../../ts/pool.ts';
import { CORES } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';
import { leftIn } from '../support/worlds.ts';

async function serving(handler: any, options: HTTPServerOptions = {}): Promise<HTTPServer> {
  const server = new HTTPServer([`127.0.0.1`, 0], handler, options);
  await server.start();
  onTestFinished(async () => void (await server.stop(0)));
  return server;
}

/** Send bytes, give all that comes back until the server closes or says nothing for a while. */
async function raw(server: HTTPServer, bytes: string): Promise<string> {
  const socket = connect(server.serverPort as number, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  await once(socket, 'close');
  return text;
}

const status = (text: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);

describe.each(CORES)('HTTPServer on the %s core', (core) => {
  test('a handler may be a generator, an async or a plain function, and each request has a greenlet of its own', async () => {
    realWorld(core);
    const kinds: [string, any][] = [
      [
        'generator',
        function* (request: Request) {
          yield* sleep(0.001);
          return new Light(`${request.method} ${new URL(request.url).pathname}`);
        },
      ],
      [
        'async',
        async (request: Request) => {
          await sleep(0.001);
          return new Response(`${request.method} ${new URL(request.url).pathname}`);
        },
      ],
      ['plain', (request: Request) => new Light(`${request.method} ${new URL(request.url).pathname}`)],
    ];
    for (const [, handler] of kinds) {
      const server = await serving(handler);
      const response = await fetch(`${server.url}/a/b?c`);
      expect(await response.text()).toBe('GET /a/b');
      expect(response.headers.get('content-type')?.toLowerCase()).toContain('text/plain');
      expect(response.headers.get('content-length')).toBe('8');
      await server.stop();
    }
    const greenlets = new Set<unknown>();
    const server = await serving(function* (_: Request) {
      greenlets.add(getcurrent());
      yield* sleep(0);
      return Light.json({ at: greenlets.size });
    });
    const all = await Promise.all(Array.from({ length: 20 }, () => fetch(server.url).then((r) => r.json())));
    expect(all).toHaveLength(20);
    expect(greenlets.size).toBe(20);
  });

  test('the Request has method, URL, headers, body and signal, and is a Request', async () => {
    realWorld(core);
    const server = await serving(async (request: Request) => {
      expect(request).toBeInstanceOf(Request);
      return Light.json({
        url: new URL(request.url).pathname,
        header: request.headers.get('X-One'),
        aborted: request.signal.aborted,
        body: await request.json(),
        used: request.bodyUsed,
        again: await request.text().catch((error: Error) => error.name),
      });
    });
    const response = await fetch(`${server.url}/p`, { method: 'POST', body: '{"a":1}', headers: { 'x-one': 'two' } });
    expect(await response.json()).toEqual({
      url: '/p',
      header: 'two',
      aborted: false,
      body: { a: 1 },
      used: true,
      again: 'TypeError',
    });
  });

  test('forms, blobs, clones and body streams come from the platform', async () => {
    realWorld(core);
    const server = await serving(async (request: Request) => {
      if (request.url.endsWith('/form')) return new Light(String((await request.formData()).get('a')));
      if (request.url.endsWith('/clone')) return new Light(`${await request.clone().text()} ${await request.text()}`);
      if (request.url.endsWith('/blob')) return new Light(String((await request.blob()).size));
      if (request.url.endsWith('/platform')) return new Light(await platformRequest(request).text());
      let size = 0;
      for await (const chunk of request.body as any) size += chunk.length;
      return new Light(String(size));
    });
    const post = (path: string, body: any) => fetch(server.url + path, { method: 'POST', body }).then((r) => r.text());
    const form = new FormData();
    form.append('a', 'ü');
    expect(await post('/form', form)).toBe('ü');
    expect(await post('/clone', 'twice')).toBe('twice twice');
    expect(await post('/blob', 'x'.repeat(1000))).toBe('1000');
    expect(await post('/platform', 'whole')).toBe('whole');
    expect(await post('/body', 'x'.repeat(100_000))).toBe('100000');
  });

  test('a Response of ours and one of the platform are sent alike', async () => {
    realWorld(core);
    const make = (R: typeof Light, path: string): any => {
      if (path === '/empty') return new R(null, { status: 204 });
      if (path === '/json') return R.json({ a: 1 });
      if (path === '/moved') return R.redirect('http://127.0.0.1/x', 301);
      if (path === '/bytes') return new R(new Uint8Array([1, 2, 3]), { headers: { 'x-b': 'y' } });
      if (path === '/cookies') {
        const headers = new Headers();
        headers.append('set-cookie', 'a=1');
        headers.append('set-cookie', 'b=2');
        return new R('c', { headers, status: 201, statusText: 'Made' });
      }
      return new R('text');
    };
    for (const path of ['/empty', '/json', '/moved', '/bytes', '/cookies', '/text']) {
      const seen: unknown[] = [];
      for (const R of [Light, Response as any]) {
        const server = await serving((request: Request) => make(R, new URL(request.url).pathname));
        const response = await fetch(server.url + path, { redirect: 'manual' });
        const { date, ...headers } = Object.fromEntries(response.headers);
        seen.push([
          response.status,
          response.statusText,
          headers,
          response.headers.getSetCookie(),
          await response.text(),
        ]);
        await server.stop();
      }
      const [ours, platform] = seen as [any[], any[]];
      expect(ours[0], path).toBe(platform[0]);
      expect(ours[4], path).toBe(platform[4]);
      expect(ours[3], path).toEqual(platform[3]);
      expect(ours[2]['content-type']?.toLowerCase(), path).toBe(platform[2]['content-type']?.toLowerCase());
      expect(ours[2]['content-length'], path).toBe(platform[2]['content-length']);
    }
  });

  test('bad Responses are refused where they are made', () => {
    expect(() => new Light('x', { status: 99 })).toThrow(RangeError);
    expect(() => new Light('x', { status: 204 })).toThrow(TypeError);
    expect(() => Light.redirect('/', 200)).toThrow(RangeError);
    expect(() => Light.json(undefined)).toThrow(TypeError);
    expect(() => new HTTPError(200)).toThrow(RangeError);
  });

  test('an error in a handler is reported and answered 500; the server lives', async () => {
    const world = realWorld(core);
    let fail = true;
    const server = await serving(function* (_: Request) {
      yield* sleep(0);
      if (fail) throw new Error('handler');
      return new Light('fine');
    });
    const response = await fetch(server.url);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe('Internal Server Error\n');
    expect(world.reported()).toEqual(['Error: handler | GET / failed with Error']);
    fail = false;
    expect(await (await fetch(server.url)).text()).toBe('fine');
  });

  test('HTTPError answers with its status and is not reported; something else than a Response is', async () => {
    const world = realWorld(core);
    const server = await serving((request: Request) => {
      if (request.url.endsWith('/404')) throw new HTTPError(404);
      if (request.url.endsWith('/text')) throw new HTTPError(418, 'short and stout');
      return 42 as any;
    });
    expect(await fetch(`${server.url}/404`).then(async (r) => [r.status, await r.text()])).toEqual([
      404,
      'Not Found\n',
    ]);
    expect(await fetch(`${server.url}/text`).then(async (r) => [r.status, await r.text()])).toEqual([
      418,
      'short and stout\n',
    ]);
    expect((await fetch(`${server.url}/x`)).status).toBe(500);
    expect(world.reported()).toEqual([
      'TypeError: the handler of GET requests gave 42: expected a Response | GET /x failed with TypeError',
    ]);
  });

  test('headers that would split the response are refused with 500', async () => {
    const world = realWorld(core);
    const server = await serving((_: Request) => new Light('x', { headers: { 'x-a': 'b\r\nx-c: d' } }));
    const text = await raw(server, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(status(text)).toBe(500);
    expect(text).not.toContain('x-c');
    expect(world.reported()).toHaveLength(1);
  });

  test('a failure after the head was sent closes the connection, so that nobody takes the body for whole', async () => {
    const world = realWorld(core);
    const server = await serving(
      (_: Request) =>
        new Light(
          stream(function* (out) {
            yield* out.write('part');
            yield* sleep(0.01);
            throw new Error('in the middle');
          }) as any,
        ),
    );
    const response = await fetch(server.url);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    expect(world.reported()).toEqual(['Error: in the middle | GET / failed with Error']);
  });

  test('streamed bodies are written in sequence and wait for a slow client', async () => {
    const { hub } = realWorld(core);
    let written = 0;
    const server = await serving(
      (_: Request) =>
        new Light(
          stream(function* (out) {
            for (let i = 0; i < 200; ++i) {
              yield* out.write('x'.repeat(100_000));
              ++written;
            }
          }) as any,
        ),
    );
    const socket = connect(server.serverPort as number, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 150));
    const early = written;
    expect(early).toBeLessThan(200);
    expect(hub.statistics().greenlets).toBe(1);
    let size = 0;
    socket.on('data', (chunk) => {
      size += chunk.length;
    });
    socket.resume();
    await once(socket, 'close');
    expect(written).toBe(200);
    expect(size).toBeGreaterThan(20_000_000);
  });

  test('a client that goes away ends the write with ConnectionClosed and aborts the signal', async () => {
    realWorld(core);
    const seen: unknown[] = [];
    let over!: () => void;
    const done = new Promise<void>((resolve) => {
      over = resolve;
    });
    const server = await serving((request: Request) => {
      request.signal.addEventListener('abort', () => seen.push('aborted'));
      return new Light(
        stream(function* (out) {
          try {
            for (;;) yield* out.write('x'.repeat(100_000));
          } catch (error) {
            seen.push((error as Error).constructor.name, (error as any).code);
            throw error;
          } finally {
            over();
          }
        }) as any,
      );
    });
    const socket = connect(server.serverPort as number, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    await done;
    expect(seen.sort()).toEqual(['ConnectionClosed', 'ECONNRESET', 'aborted']);
  });

  test('Server-Sent Events arrive one by one', async () => {
    realWorld(core);
    const server = await serving(
      (_: Request) =>
        new Light(
          eventStream(function* (events) {
            yield* events.send({ event: 'tick', id: '1', data: 'a\nb', retry: 500 });
            yield* events.comment('still here');
            yield* sleep(0.005);
            yield* events.send('plain');
          }) as any,
        ),
    );
    const response = await fetch(server.url);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(await response.text()).toBe(
      'event: tick\nid: 1\nretry: 500\ndata: a\ndata: b\n\n: still here\n\ndata: plain\n\n',
    );
  });

  test('an event whose name or id has a line break is refused', async () => {
    const world = realWorld(core);
    const server = await serving(
      (_: Request) => new Light(eventStream((events) => events.send({ event: 'a\ndata: forged', data: '' })) as any),
    );
    await expect(fetch(server.url).then((r) => r.text())).rejects.toThrow();
    expect(world.reported()[0]).toMatch(/^TypeError: send\(event\): event has a line break/);
  });

  test('long polling: a request waits for an event that another sets', async () => {
    realWorld(core);
    const event = new Event();
    const server = await serving(function* (request: Request) {
      if (request.method === 'POST') {
        event.set();
        return new Light(null, { status: 204 });
      }
      return new Light((yield* event.wait({ timeout: 5 })) ? 'news' : 'nothing');
    });
    const polls = [fetch(server.url), fetch(server.url)];
    await new Promise((resolve) => setTimeout(resolve, 20));
    await fetch(server.url, { method: 'POST' });
    expect(await Promise.all(polls.map((p) => p.then((r) => r.text())))).toEqual(['news', 'news']);
  });

  test('request bodies are read in sequence by readBody', async () => {
    realWorld(core);
    const server = await serving(function* (request: Request) {
      const body = readBody(request);
      const lines: string[] = [];
      lines.push(String(yield* body.readline()), String(yield* body.read(3)), String((yield* body.read()).length));
      return Light.json([...lines, (yield* body.read()).length]);
    });
    const text = await raw(
      server,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nli\nab\r\n3\r\ncde\r\n0\r\n\r\n',
    );
    expect(text).toContain(JSON.stringify(['li\n', 'abc', '2', 0]));
  });

  test('100-continue is sent when the handler first reads the body, and not if it does not', async () => {
    realWorld(core);
    const server = await serving(
      async (request: Request) => new Light(request.url.endsWith('/read') ? await request.text() : 'unread'),
    );
    const ask = async (path: string) => {
      const socket = connect(server.serverPort as number, '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (text.startsWith('HTTP/1.1 100') && !text.includes('200')) socket.write('hello');
      });
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`,
      );
      await once(socket, 'close');
      return text;
    };
    const read = await ask('/read');
    expect(read).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
    expect(read).toContain('hello');
    expect(await ask('/not')).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  test('a body beyond maxBodySize is answered 413, declared or not', async () => {
    realWorld(core);
    const server = await serving(async (request: Request) => new Light(String((await request.text()).length)), {
      maxBodySize: 10,
    });
    expect((await fetch(server.url, { method: 'POST', body: 'x'.repeat(10) })).status).toBe(200);
    expect((await fetch(server.url, { method: 'POST', body: 'x'.repeat(11) })).status).toBe(413);
    const chunked = await raw(
      server,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nxxxxxxxxxxx\r\n0\r\n\r\n',
    );
    expect(status(chunked)).toBe(413);
  });

  test('what smuggles requests is refused, and the connection closed', async () => {
    realWorld(core);
    let handled = 0;
    const server = await serving((_: Request) => {
      ++handled;
      return new Light('x');
    });
    const bad = [
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello',
      'GET / HTTP/1.1\r\nHost: a\r\n Folded: x\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a\r\nBad\0Name: x\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      'NONSENSE\r\n\r\n',
    ];
    for (const bytes of bad) {
      const text = await raw(server, bytes);
      expect([400, 501], JSON.stringify(bytes)).toContain(status(text));
    }
    expect(handled).toBeLessThanOrEqual(1);
    // A chunk whose size is none, after a good head: the handler has its request, and reading fails.
    const odd = await raw(server, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
    expect(odd).not.toContain('GET');
    expect(status(await raw(server, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`))).toBe(431);
    expect(status(await raw(server, 'GET / HTTP/1.1\r\nHost: a/../b\r\nConnection: close\r\n\r\n'))).toBe(400);
  });

  test('what is no HTTP behind a request that is being answered closes the connection, and nothing gets into the answer', async () => {
    realWorld(core);
    const ended: unknown[] = [];
    const server = await serving(
      () =>
        new Light(
          stream(function* (out) {
            try {
              for (;;) {
                yield* out.write('part');
                yield* sleep(0.005);
              }
            } catch (error) {
              ended.push(error instanceof ConnectionClosed);
            }
          }),
        ),
    );
    const socket = connect(server.serverPort as number, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      if (text === '') socket.write('NONSENSE\r\n\r\n');
      text += chunk;
    });
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(text.match(/HTTP/g)).toHaveLength(1);
    while (ended.length === 0) await sleep(0.005);
    expect(ended).toEqual([true]);
  });

  test('who sends his head or his body too slowly is answered 408, and his handler hears that he is gone', async () => {
    realWorld(core);
    const ends: string[] = [];
    const server = await serving(
      function* (request: Request) {
        try {
          return new Light(String((yield* readBody(request).read()).length));
        } catch (error) {
          ends.push((error as Error).name);
          throw error;
        }
      },
      { node: { headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 20 } },
    );
    expect(status(await raw(server, 'GET / HTTP/1.1\r\nHost: a\r\nSlow'))).toBe(408);
    expect(ends).toEqual([]);
    expect(status(await raw(server, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhal'))).toBe(408);
    while (ends.length === 0) await sleep(0.005);
    expect(ends).toEqual(['ConnectionClosed']);
    expect(await fetch(server.url, { method: 'POST', body: 'in time' }).then((r) => r.text())).toBe('7');
  });

  test('keep-alive and pipelined requests are answered in order', async () => {
    realWorld(core);
    const server = await serving(function* (request: Request) {
      yield* sleep(request.url.endsWith('/1') ? 0.02 : 0);
      return new Light(new URL(request.url).pathname);
    });
    const text = await raw(
      server,
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    expect([...text.matchAll(/\r\n\r\n(\/\d)/g)].map(([, path]) => path)).toEqual(['/1', '/2', '/3']);
  });

  test('HEAD has the length and no body; an unread body does not disturb the next request', async () => {
    realWorld(core);
    const server = await serving((_: Request) => new Light('12345'));
    const head = await fetch(server.url, { method: 'HEAD' });
    expect([head.headers.get('content-length'), await head.text()]).toEqual(['5', '']);
    const text = await raw(
      server,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  });

  test('a number as spawn limits the requests that run; the others wait in order', async () => {
    const { hub } = realWorld(core);
    let now = 0;
    let most = 0;
    const order: string[] = [];
    const server = await serving(
      function* (request: Request) {
        most = Math.max(most, ++now);
        order.push(request.url.slice(-1));
        yield* sleep(0.005);
        --now;
        return new Light('x');
      },
      { spawn: 2 },
    );
    const all: Promise<Response>[] = [];
    for (let i = 0; i < 8; ++i) {
      all.push(fetch(`${server.url}/${i}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all.map((r) => r.then((it) => it.text())));
    expect(most).toBe(2);
    expect(order).toHaveLength(8);
    expect(hub.statistics().greenlets).toBe(0);
  });

  test('a pool runs the requests; those for which it has no room wait, and one without a word about room is asked again', async () => {
    realWorld(core);
    const pool = new Pool(2);
    const mute = { spawn: (fn: any, ...args: any[]) => pool.spawnNowait(fn, ...args), full: () => pool.full() };
    for (const spawn of [pool, mute]) {
      let most = 0;
      let running = 0;
      const server = await serving(
        function* () {
          most = Math.max(most, ++running);
          yield* sleep(0.005);
          --running;
          return new Light('x');
        },
        { spawn },
      );
      const texts = await Promise.all(Array.from({ length: 9 }, () => fetch(server.url).then((r) => r.text())));
      expect([texts.join(''), most]).toEqual(['xxxxxxxxx', 2]);
      await server.stop();
    }
  });

  test('a request that is killed before its greenlet ran is answered 500', async () => {
    realWorld(core);
    const server = await serving(() => new Light('never'), {
      spawn: (fn, ...args) => {
        const g = spawn(fn as () => void, ...(args as []));
        g.kill();
        return g;
      },
    });
    expect(await fetch(server.url).then((r) => r.status)).toBe(500);
  });

  test('stop acts when it is called: nobody has to wait for it', async () => {
    realWorld(core);
    const ends: string[] = [];
    const server = await serving(function* () {
      try {
        yield* sleep(60);
      } catch (error) {
        ends.push((error as Error).name);
        throw error;
      }
      return new Light('never');
    });
    const asked = fetch(server.url).then((r) => r.status);
    while (server.requests === 0) await sleep(0.001);
    server.stop(0.01);
    expect([await asked, ends, server.started]).toEqual([500, ['GreenletExit'], false]);
  });

  test('an answer that is still to come when stop is called says that the connection ends', async () => {
    realWorld(core);
    const go = new Event();
    const server = await serving(function* () {
      yield* go.wait();
      return new Light('last');
    });
    const answer = raw(server, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    while (server.requests === 0) await sleep(0.001);
    const stopped = server.stop(60);
    go.set();
    await stopped;
    expect(await answer).toMatch(/\nconnection: close\r\n(.|\n|\r)*last$/i);
  });

  test('a Unix socket will do', async () => {
    realWorld(core);
    const directory = mkdtempSync(join(tmpdir(), 'gw-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, 'http');
    const server = new HTTPServer({ path }, () => new Light('by path'));
    await server.start();
    expect([server.address, server.serverHost, server.serverPort]).toEqual([path, null, null]);
    const socket = connect(path);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await once(socket, 'close');
    expect(text).toMatch(/by path$/);
    await server.stop();
  });

  test('a bound socket will do, and one that listens already, with whom it has not accepted; stop closes it', async () => {
    realWorld(core);
    for (const listens of [false, true]) {
      const bound = new Bound();
      bound.bind(['127.0.0.1', 0]);
      let early: Promise<Response> | null = null;
      if (listens) {
        await bound.listen();
        early = fetch(`http://127.0.0.1:${(bound.getsockname() as [string, number])[1]}/early`);
        while (bound.$listener?.backlog === 0) await sleep(0.001);
      }
      const server = new HTTPServer(bound, (request: Request) => new Light(new URL(request.url).pathname));
      await server.start();
      if (listens) expect(server.address).toEqual(bound.getsockname());
      expect(await (await early)?.text()).toBe(listens ? '/early' : undefined);
      expect(await (await fetch(`${server.url}/late`)).text()).toBe('/late');
      await server.stop();
      expect(bound.closed).toBe(true);
      await expect(fetch(`${server.url}/gone`)).rejects.toThrow();
    }
    const directory = mkdtempSync(join(tmpdir(), 'gw-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    for (const listens of [false, true]) {
      const path = join(directory, `http${listens}`);
      const asked = async (): Promise<string> => {
        const socket = connect(path);
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.write('GET /unix HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
        await once(socket, 'close');
        return text.slice(text.lastIndexOf('\n') + 1);
      };
      const bound = new Bound(AF_UNIX);
      bound.bind(path);
      let early: Promise<string> | null = null;
      if (listens) {
        await bound.listen();
        early = asked();
        while (bound.$listener?.backlog === 0) await sleep(0.001);
      }
      const server = new HTTPServer(bound, function* (request: Request) {
        yield* sleep(0.005);
        return new Light(new URL(request.url).pathname);
      });
      await server.start();
      expect(server.address).toBe(path);
      expect(await early).toBe(listens ? '/unix' : null);
      const late = asked();
      await sleep(0.003);
      await server.stop();
      expect(await late).toBe('/unix');
      expect([bound.closed, existsSync(path)]).toEqual([true, false]);
    }
    const taken = new Bound();
    const other = await serving(() => new Light('x'));
    taken.bind(other.address);
    await expect(Promise.resolve(new HTTPServer(taken, () => new Light('x')).start())).rejects.toThrow('EADDRINUSE');
    expect(taken.closed).toBe(true);
    expect(() => new HTTPServer(new Bound(AF_INET, SOCK_DGRAM), () => new Light('x'))).toThrow('bound stream socket');
  });

  test('without a greenlet (spawn null) a handler that blocks is refused, one that does not is served', async () => {
    const world = realWorld(core);
    const server = await serving(
      function* (request: Request) {
        if (request.url.endsWith('/block')) yield* sleep(0);
        return new Light('x');
      },
      { spawn: null },
    );
    expect((await fetch(`${server.url}/`)).status).toBe(200);
    expect((await fetch(`${server.url}/block`)).status).toBe(500);
    expect(world.reported()[0]).toMatch(/Impossible to call blocking function in the event loop callback/);
  });

  test("applications of Node's style run unchanged: Express", async () => {
    realWorld(core);
    const app = express();
    app.use(express.json());
    app.get('/late', (_, res) => void setTimeout(() => res.json({ late: true }), 5));
    app.post('/echo', (req, res) => void res.send(req.body));
    const server = await serving(app);
    expect(await fetch(`${server.url}/late`).then((r) => r.json())).toEqual({ late: true });
    const echoed = await fetch(`${server.url}/echo`, {
      method: 'POST',
      body: '{"a":[1]}',
      headers: { 'content-type': 'application/json' },
    });
    expect(await echoed.json()).toEqual({ a: [1] });
    expect((await fetch(`${server.url}/none`)).status).toBe(404);
  });

  test('a generator of (req, res) writes in sequence', async () => {
    realWorld(core);
    const server = await serving(function* (_req: IncomingMessage, res: ServerResponse) {
      res.writeHead(200, { 'content-type': 'text/plain' });
      for (const part of ['a', 'b', 'c']) {
        yield* write(res, part);
        yield* sleep(0.001);
      }
      res.end();
    });
    expect(await fetch(server.url).then((r) => r.text())).toBe('abc');
  });

  test('the access log has one line a request, and nobody can forge another', async () => {
    realWorld(core);
    const lines: string[] = [];
    const server = await serving((_: Request) => new Light('hello'), { log: (line) => lines.push(line) });
    await fetch(`${server.url}/a`).then((r) => r.text());
    await raw(server, 'GET /"%0a\\ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await raw(server, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/"HEAD \/ HTTP\/1\.1" 200 - /);
    const streamed = await serving(
      () =>
        new Light(
          stream(function* (out) {
            yield* out.write('four');
            yield* out.write(Buffer.alloc(5));
          }),
        ),
      { log: (line) => lines.push(line) },
    );
    await fetch(streamed.url).then((r) => r.text());
    expect(lines[3]).toMatch(/ 200 9 /);
    expect(lines[0]).toMatch(
      /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/a HTTP\/1\.1" 200 5 \d\.\d{6}$/,
    );
    expect(lines[1]).toContain('"GET /\\x22%0a\\x5c HTTP/1.1" 200');
    const logged: string[] = [];
    new LoggingLogAdapter({ warn: (line: string) => logged.push(line) }, 'warn').write('x\n');
    expect(logged).toEqual(['x']);
    expect(() => new LoggingLogAdapter({}, 'warn')).toThrow(TypeError);
  });

  test('stop lets requests under way finish, refuses new ones, and kills what takes longer', async () => {
    const { hub } = realWorld(core);
    const ends: string[] = [];
    const server = await serving(function* (request: Request) {
      try {
        yield* sleep(request.url.endsWith('/long') ? 60 : 0.03);
        ends.push('answered');
      } catch (error) {
        ends.push((error as Error).constructor.name);
        throw error;
      }
      return new Light('x');
    });
    const { url } = server;
    const short = fetch(`${url}/short`).then((r) => r.text());
    const long = fetch(`${url}/long`).then((r) => r.status);
    await new Promise((resolve) => setTimeout(resolve, 15));
    const stopped = server.stop(0.1);
    await expect(fetch(`${url}/late`)).rejects.toThrow();
    await stopped;
    expect(await short).toBe('x');
    expect(await long).toBe(500);
    expect(ends).toEqual(['answered', 'GreenletExit']);
    expect(server.closed).toBe(true);
    await sleep(0.001);
    expect(leftIn(hub)).toEqual({});
    await server.stop();
    expect(() => server.start()).toThrow(/cannot be started again/);
  });

  test('serveForever ends with stop, and a kill of its greenlet stops the server', async () => {
    realWorld(core);
    const server = new HTTPServer(['127.0.0.1', 0], (_: Request) => new Light('x'));
    const g = spawn(function* () {
      yield* server.serveForever();
      return 'over';
    });
    while (!server.started) await sleep(0.001);
    expect(await fetch(server.url).then((r) => r.text())).toBe('x');
    await g.kill();
    expect(server.closed).toBe(true);
    expect(g.value).toBeInstanceOf(GreenletExit);
    const other = new HTTPServer(['127.0.0.1', 0], (_: Request) => new Light('x'));
    const h = spawn(() => other.serveForever());
    while (!other.started) await sleep(0.001);
    await other.stop();
    await h.join();
    expect(h.successful()).toBe(true);
  });

  test('an address that is taken is an error of start and serveForever, and leaves nothing', async () => {
    realWorld(core);
    const server = await serving((_: Request) => new Light('x'));
    const second = new HTTPServer(['127.0.0.1', server.serverPort as number], (_: Request) => new Light('x'));
    await expect(Promise.resolve(second.start())).rejects.toThrow(/EADDRINUSE/);
    expect(second.closed).toBe(true);
  });

  test('killing a request closes its connection; a Timeout in it is reported and answered 500', async () => {
    const world = realWorld(core);
    const running: Greenlet[] = [];
    const server = await serving(function* (request: Request) {
      running.push(getcurrent() as Greenlet);
      if (request.url.endsWith('/timeout')) Timeout.startNew(0.005);
      yield* sleep(60);
      return new Light('x');
    });
    const killed = fetch(server.url);
    while (running.length === 0) await sleep(0.001);
    await running[0].kill();
    expect((await killed).status).toBe(500);
    expect((await fetch(`${server.url}/timeout`)).status).toBe(500);
    expect(world.reported()).toEqual(['Timeout: 0.005 seconds | GET /timeout failed with Timeout']);
  });

  test('an upgrade hands the connection to a greenlet', async () => {
    realWorld(core);
    const server = await serving((_: Request) => new Light('ordinary'), {
      upgrade: function* (_incoming, socket) {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: own\r\nConnection: Upgrade\r\n\r\n');
        const [chunk] = (yield* until(once(socket, 'data'))) as [Buffer];
        socket.write(`got ${chunk}`);
      },
    });
    const socket: Socket = connect(server.serverPort as number, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nUpgrade: own\r\nConnection: Upgrade\r\n\r\n');
    let text = String((await once(socket, 'data'))[0]);
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.write('hi');
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 101 [\s\S]*got hi$/);
    expect(await fetch(server.url).then((r) => r.text())).toBe('ordinary');
  });

  test('300 connections of which a third break off in the middle leave nothing', async () => {
    const { hub } = realWorld(core);
    const server = await serving(function* (request: Request) {
      const body = readBody(request);
      const first = yield* body.read(4);
      yield* sleep(0.002);
      return new Light(String(first) + String(yield* body.read()));
    });
    const port = (server.server.address() as AddressInfo).port;
    const outcome = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nConnection: close\r\n\r\nabcd');
        await new Promise((resolve) => setTimeout(resolve, i % 7));
        if (i % 3 === 0) socket.destroy();
        else socket.write('efgh');
        if (!socket.closed) await once(socket, 'close');
        return text.endsWith('abcdefgh');
      }),
    );
    expect(outcome.filter(Boolean)).toHaveLength(200);
    await server.stop();
    await sleep(0.001);
    expect(leftIn(hub)).toEqual({});
    expect(server.requests).toBe(0);
  });

  test('fetch gives a response, its text and its JSON; kill and Timeout reach the connection', async () => {
    realWorld(core);
    const closed = new Event();
    const server = await serving(function* (request: Request) {
      if (request.url.endsWith('/slow')) {
        request.signal.addEventListener('abort', () => closed.set());
        yield* closed.wait();
      }
      return Light.json({ a: 1 });
    });
    const g = spawn(function* () {
      const response = yield* gfetch(server.url);
      return [
        response.status,
        yield* until(response.json()),
        yield* gfetch.text(server.url),
        yield* gfetch.json(server.url),
      ];
    });
    expect(await g.get()).toEqual([200, { a: 1 }, '{"a":1}', { a: 1 }]);
    for (const how of ['kill', 'timeout']) {
      closed.clear();
      const slow = spawn(function* () {
        if (how === 'timeout') Timeout.startNew(0.03, false);
        try {
          return yield* gfetch(`${server.url}/slow`);
        } catch (error) {
          return (error as Error).constructor.name;
        }
      });
      if (how === 'kill') {
        await sleep(0.03);
        await slow.kill();
      }
      expect(await slow.get()).toBe(how === 'kill' ? 'GreenletExit' : 'Timeout');
      expect(await closed.wait({ timeout: 5 }), how).toBe(true);
    }
  });

  test('wrong arguments are refused with their value', () => {
    const handler = () => new Light('x');
    expect(() => new HTTPServer(0, 42 as any)).toThrow('HTTPServer(listener, handler): expected a function, got 42');
    expect(() => new HTTPServer('nowhere', handler)).toThrow(/got "?'?nowhere/);
    expect(() => new HTTPServer(70000, handler)).toThrow(RangeError);
    expect(() => new HTTPServer(0, handler, { spawn: 0 })).toThrow(RangeError);
    expect(() => new HTTPServer(0, handler, { spawn: {} as any })).toThrow(TypeError);
    expect(() => new HTTPServer(0, handler, { style: 'wsgi' as any })).toThrow(TypeError);
    expect(() => new HTTPServer(0, handler, { maxBodySize: -1 })).toThrow(RangeError);
    expect(() => stream(1 as any)).toThrow(TypeError);
    expect(() => write({} as any, 5 as any)).toThrow(TypeError);
    expect(new ConnectionClosed('x').code).toBe('ECONNRESET');
  });
});
