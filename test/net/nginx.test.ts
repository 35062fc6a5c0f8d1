// nginx in front of our HTTP server, as most are run: connections it keeps, bodies both ways, streams, websockets, and what
// it makes of an upstream that fails. Skipped where there is no nginx (Debian: apt install nginx-light).

import { type ChildProcess, spawn as child, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sleep } from '../../ts/index.ts';
import { eventStream, HTTPServer, Response as Light, readBody, stream } from '../../ts/net/http.ts';
import { connect as connectWebSocket, websocket } from '../../ts/net/websocket.ts';
import { CORES } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

const NGINX = ['/usr/sbin/nginx', 'nginx'].find((name) => spawnSync(name, ['-v']).status === 0);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** nginx on a port of its own, which hands all to `upstream`. */
async function proxy(upstream: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'gw-nginx-'));
  const port = await freePort();
  writeFileSync(
    join(directory, 'nginx.conf'),
    `daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log;
    events { worker_connections 100; }
    http {
      access_log off;
      client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory};
      uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
      upstream app { server 127.0.0.1:${upstream}; keepalive 8; }
      map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
      server {
        listen 127.0.0.1:${port};
        client_max_body_size 20m;
        location / {
          proxy_pass http://app;
          proxy_http_version 1.1;
          proxy_set_header Connection $connection_upgrade;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Host $host;
          proxy_set_header X-Real-IP $remote_addr;
        }
      }
    }`,
  );
  const running: ChildProcess = child(NGINX as string, ['-p', directory, '-c', join(directory, 'nginx.conf')], {
    stdio: 'ignore',
  });
  onTestFinished(async () => {
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  for (let i = 0; i < 200; ++i) {
    const there = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (there) return port;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('nginx does not listen');
}

describe.skipIf(NGINX === undefined).each(CORES)('behind nginx, on the %s core', (core) => {
  test('requests, bodies, streams, events and websockets pass, on connections that are kept', async () => {
    realWorld(core);
    let connections = 0;
    const server = new HTTPServer(
      ['127.0.0.1', 0],
      function* (request: Request) {
        const { pathname } = new URL(request.url);
        if (pathname === '/body') return new Light(String((yield* readBody(request).read()).length));
        if (pathname === '/stream') {
          return new Light(
            stream(function* (out) {
              for (let i = 0; i < 20; ++i) yield* out.write(Buffer.alloc(100_000, 'x'));
            }),
          );
        }
        if (pathname === '/events') {
          return new Light(
            eventStream(function* (out) {
              for (let i = 0; i < 3; ++i) {
                yield* out.send(String(i));
                yield* sleep(0.005);
              }
            }),
          );
        }
        if (pathname === '/broken') {
          return new Light(
            stream(function* (out) {
              yield* out.write(Buffer.alloc(100_000));
              throw new Error('in the middle');
            }),
          );
        }
        return new Light(`${request.method} ${pathname} for ${request.headers.get('x-real-ip')}`);
      },
      {
        upgrade: websocket(function* (socket) {
          for (let m = yield* socket.receive(); m !== null; m = yield* socket.receive()) yield* socket.send(`${m}!`);
        }),
      },
    );
    server.hub.handleError = () => {};
    server.server.on('connection', () => ++connections);
    await server.start();
    const url = `http://127.0.0.1:${await proxy(server.serverPort as number)}`;
    for (let i = 0; i < 10; ++i) {
      expect(await fetch(`${url}/hello`).then((r) => r.text())).toBe('GET /hello for 127.0.0.1');
    }
    expect(connections).toBeLessThan(5);
    const size = 3_000_000;
    const sent = await fetch(`${url}/body`, { method: 'POST', body: Buffer.alloc(size) });
    expect(await sent.text()).toBe(String(size));
    expect((await fetch(`${url}/stream`).then((r) => r.arrayBuffer())).byteLength).toBe(2_000_000);
    const events = await fetch(`${url}/events`).then((r) => r.text());
    expect(events.match(/data: [0-9]/g)).toHaveLength(3);
    await expect(fetch(`${url}/broken`).then((r) => r.arrayBuffer())).rejects.toThrow();
    const socket = await connectWebSocket(url.replace('http', 'ws'));
    await socket.send('over nginx');
    expect(await socket.receive()).toBe('over nginx!');
    await socket.close();
    await server.stop(0.1);
    expect((await fetch(`${url}/gone`)).status).toBe(502);
  });
});
