// What goes wrong goes wrong everywhere: a kill, a Timeout and a reset by the peer at every switch of an exchange, descriptors
// that run out, peers that vanish, a thousand connections of which a third are killed. Nothing may be left.

import { spawn as child } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Greenlet, GreenletExit, joinall, kill, sleep, spawn, Timeout } from '../../ts/index.ts';
import { StreamServer } from '../../ts/net/server.ts';
import * as S from '../../ts/net/socket.ts';
import { CORES, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

type Body<T = any> = Generator<any, T, any>;

const LINUX = process.platform === 'linux';
const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** The descriptors are as many as before, soon. */
async function expectDescriptors(before: number): Promise<void> {
  for (let i = 0; i < 200 && descriptors() > before; ++i) await sleep(0.01);
  expect(descriptors()).toBeLessThanOrEqual(before);
}

const BIG = Buffer.alloc(3 * 2 ** 20, 'x');

/** A conversation with every kind of wait in it: connect, lines, exact reads, a large answer, half-close, end. */
function* ask(address: S.Address, mine: { socket?: S.socket }): Body<string> {
  const socket = yield* S.createConnection(address);
  mine.socket = socket;
  const file = socket.makefile('rb');
  try {
    yield* socket.sendall('hello\n');
    const line = String(yield* file.readline());
    yield* socket.sendall(BIG);
    socket.shutdown(S.SHUT_WR);
    const rest: Buffer = yield* file.read();
    return `${line}${rest.length}`;
  } finally {
    file.close();
    socket.close();
  }
}

function* answer(socket: S.socket): Body<void> {
  const file = socket.makefile('rb');
  try {
    const line = yield* file.readline();
    yield* socket.sendall(line);
    const into = new Uint8Array(65536);
    let got = 0;
    for (;;) {
      const count = yield* socket.recvInto(into);
      if (count === 0) break;
      got += count;
      yield* sleep(0);
    }
    yield* socket.sendall(Buffer.alloc(got));
  } finally {
    file.close();
  }
}

const WHOLE = `hello\n${BIG.length}`;

describe.each(CORES)('on the %s core', (core) => {
  test.each([
    ['kill', 'client'],
    ['kill', 'server'],
    ['timeout', 'client'],
    ['timeout', 'server'],
    ['reset', 'client'],
    ['reset', 'server'],
  ] as const)('%s of the %s at every switch of an exchange', { timeout: 60_000 }, async (how, who) => {
    const { hub, reported } = realWorld(core);
    const before = LINUX ? descriptors() : 0;
    let hits = 0;
    // Later switches repeat what earlier ones were: bytes of the large answer.
    for (let at = 1; at <= 40; ++at) {
      const handlers: Greenlet[] = [];
      const theirs: { socket?: S.socket } = {};
      const mine: { socket?: S.socket } = {};
      const server = new StreamServer(
        ['127.0.0.1', 0],
        function* (socket) {
          theirs.socket = socket;
          yield* answer(socket);
        },
        {
          spawn: (fn, ...args) => {
            const handler = spawn(fn as () => void, ...(args as []));
            (handler as Greenlet).$quiet = true;
            handlers.push(handler as never);
            return handler;
          },
        },
      );
      await server.start();
      const asking = spawn(ask, server.address, mine);
      asking.$quiet = true;
      let count = 0;
      let hit = false;
      hub.tracer = (_event, _origin, target) => {
        const victim = who === 'client' ? asking : handlers[0];
        if (hit || victim === undefined || target !== victim || ++count < at) return;
        hit = true;
        if (how === 'kill') kill(victim);
        else if (how === 'timeout') new Timeout(0).start();
        else {
          const node = (who === 'client' ? theirs : mine).socket?.$node;
          node?.resetAndDestroy();
        }
      };
      await joinall([asking]);
      await joinall(handlers);
      hub.tracer = null;
      server.stop();
      if (!hit) expect(asking.value).toBe(WHOLE);
      else ++hits;
      // Whatever it was, the connection is gone on both sides.
      expect([mine.socket?.closed ?? true, theirs.socket?.closed ?? true]).toEqual([true, true]);
      if (!hit) break;
    }
    expect(hits).toBeGreaterThan(3);
    reported();
    if (LINUX) await expectDescriptors(before);
  });

  test('bytes that came are there after a kill and a timeout, whatever waited for them', async () => {
    realWorld(core);
    const [a, b] = await S.socketpair();
    const waits = [
      () => b.recv(),
      () => b.recvInto(new Uint8Array(3)),
      () => b.makefile('rb').read(1000),
      () => b.makefile('rb').readline(),
      () => b.makefile('r').read(1000),
    ];
    let sent = '';
    for (let i = 0; i < 50; ++i) {
      const wait = waits[i % waits.length];
      const g = spawn(function* () {
        yield* wait() as any;
      });
      g.$quiet = true;
      await sleep(0);
      const text = `${i} `;
      const sender = spawn(function* () {
        yield* a.sendall(text);
      });
      // In the same turn as the bytes, before or behind them.
      await sender.join();
      if (i % 2) await sleep(0);
      await g.kill();
      // What it got is gone: all that had come.
      if ((g.value as unknown) instanceof GreenletExit) sent += text;
      else sent = '';
    }
    a.shutdown(S.SHUT_WR);
    const file = b.makefile('r');
    const rest = await file.read();
    expect(rest.endsWith(sent)).toBe(true);
    expect(sent.length).toBeGreaterThan(0);
    a.close();
    b.detach();
  });

  test('bytes that lie in the buffer of a read that is killed just then are there for the next one', async () => {
    realWorld(core);
    const [a, b] = await S.socketpair();
    const into = new Uint8Array(4);
    const g = spawn(function* () {
      yield* a.recvInto(into);
    });
    await sleep(0);
    // The kill is on its way when six bytes come, as Node would tell of them.
    const killing = g.kill();
    a.$reader.received(6, Buffer.from('abcdef'));
    expect(Buffer.from(into).toString()).toBe('abcd');
    await killing;
    into.fill(0);
    expect([a.bytesReceived, String(await a.recv(3)), String(await a.recv()), String(await a.recv())]).toEqual([
      0,
      'abc',
      'd',
      'ef',
    ]);
    a.close();
    b.close();
  });

  test.runIf(LINUX)('a connect that hangs leaves no descriptor when it is killed or times out', async () => {
    realWorld(core);
    // A listener that is stopped, with a full queue: further connections get no answer.
    const listener = child(
      process.execPath,
      [
        '-e',
        `require('net').createServer().listen({port: 0, host: '127.0.0.1', backlog: 1}, function () { console.log(this.address().port) })`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const fillers: net.Socket[] = [];
    try {
      const port = await new Promise<number>((resolve) =>
        listener.stdout.once('data', (data) => resolve(Number(data))),
      );
      listener.kill('SIGSTOP');
      for (let i = 0; i < 4; ++i) {
        fillers.push(net.connect(port, '127.0.0.1').on('error', () => {}));
        await sleep(0.05);
      }
      expect(fillers.at(-1)?.connecting).toBe(true);
      const before = descriptors();
      const socket = new S.socket();
      const killed = spawn(function* () {
        yield* socket.connect(['127.0.0.1', port]);
      });
      await sleep(0.01);
      expect([descriptors() > before, killed.dead]).toEqual([true, false]);
      await killed.kill();
      await expectDescriptors(before);
      let how = '';
      await socket.connect(['127.0.0.1', port], { timeout: 0.01 }).then(null, (error) => (how = told(error)));
      await S.createConnection(['127.0.0.1', port], { timeout: 0.01 }).then(null, (error) => (how += told(error)));
      expect(how).toBe('SocketTimeout [ETIMEDOUT]: timed outSocketTimeout [ETIMEDOUT]: timed out');
      await expectDescriptors(before);
      socket.close();
    } finally {
      listener.kill('SIGKILL');
      for (const filler of fillers) filler.destroy();
    }
  });

  test('a half-open peer is found by a timeout', async () => {
    realWorld(core);
    const server = new StreamServer(['127.0.0.1', 0], function* (socket) {
      socket.settimeout(0.02);
      try {
        yield* socket.recv();
      } catch (error) {
        yield* socket.sendall(told(error));
      }
    });
    await server.start();
    const [host, port] = server.address as S.InetAddress;
    const silent = net.connect(port, host);
    const text = await new Promise<string>((resolve) => silent.once('data', (data) => resolve(String(data))));
    expect(text).toBe('SocketTimeout [ETIMEDOUT]: timed out');
    silent.destroy();
    server.stop();
    await sleep(0.02);
  });

  test.runIf(LINUX)(
    'a thousand connections, a third killed: descriptors, greenlets and counters are as before',
    {
      timeout: 60_000,
    },
    async () => {
      const { hub } = realWorld(core);
      const before = descriptors();
      const handlers: Greenlet[] = [];
      const server = new StreamServer(
        ['127.0.0.1', 0],
        function* (socket) {
          for (;;) {
            const data = yield* socket.recv();
            if (data.length === 0) return;
            yield* socket.sendall(data);
          }
        },
        {
          backlog: 1000,
          spawn: (fn, ...args) => handlers.push(spawn(fn as () => void, ...(args as [])) as never),
        },
      );
      await server.start();
      function* client(i: number): Body<number> {
        const socket = yield* S.createConnection(server.address);
        let answers = 0;
        try {
          for (let round = 0; round < 3; ++round) {
            yield* socket.sendall(`${i}`);
            if ((yield* socket.recv()).length === 0) break;
            ++answers;
            yield* sleep(0.02);
          }
        } catch {
          // Reset by the killed one.
        } finally {
          socket.close();
        }
        return answers;
      }
      const clients = Array.from({ length: 1000 }, (_unused, i) => spawn(client, i));
      while (handlers.length < 1000) await sleep(0.005);
      for (let i = 0; i < 1000; i += 3) handlers[i].kill({ block: false });
      await joinall(clients, { raiseError: true });
      await joinall(handlers);
      expect(clients.filter((g) => g.value === 3).length).toBeGreaterThanOrEqual(666);
      await server.stop();
      expect(hub.statistics().greenlets).toBe(0);
      await expectDescriptors(before);
    },
  );
});

/** A server in a process of its own, its port, and what a request of its protocol is. */
const SCARCE = {
  StreamServer: {
    source: `
      import { StreamServer } from '#net/server.ts';
      const server = new StreamServer(['127.0.0.1', 0], function* (socket) {
        for (;;) {
          const data = yield* socket.recv();
          if (data.length === 0) return;
          yield* socket.sendall(data);
        }
      });
      await server.start();
      console.log(server.serverPort);
      await server.serveForever();
    `,
    request: 'x',
  },
  HTTPServer: {
    source: `
      import { HTTPServer, Response } from '#net/http.ts';
      const server = new HTTPServer(['127.0.0.1', 0], function* () {
        return new Response('answer');
      });
      await server.start();
      console.log(server.serverPort);
      await server.serveForever();
    `,
    request: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  },
};

/** Ticks of processor time that a process has had. */
const ticks = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

describe('in a process with few descriptors', () => {
  test.runIf(LINUX).each(Object.entries(SCARCE))(
    'a %s whose descriptors run out does not spin, and serves again when there are some',
    { timeout: 60_000 },
    async (_, { source, request }) => {
      const directory = mkdtempSync(join(tmpdir(), 'gw-'));
      onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
      const file = join(directory, 'program.mts');
      writeFileSync(file, source.replaceAll(/from '#/g, `from '${new URL('../../ts/', import.meta.url).href}`));
      const running = child('bash', ['-c', `ulimit -n 60; exec "$0" "$1"`, process.execPath, file], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      onTestFinished(() => void running.kill('SIGKILL'));
      let stderr = '';
      running.stderr.on('data', (data) => (stderr += data));
      const port = await new Promise<number>((resolve) => running.stdout.once('data', (data) => resolve(Number(data))));
      const open = await Promise.all(
        Array.from(
          { length: 120 },
          () =>
            new Promise<net.Socket>((resolve) => {
              const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
              socket.on('error', () => resolve(socket));
            }),
        ),
      );
      const echoes = (socket: net.Socket): Promise<boolean> =>
        new Promise((resolve) => {
          if (socket.destroyed) return resolve(false);
          const timer = setTimeout(resolve, 300, false);
          socket.once('data', () => {
            clearTimeout(timer);
            resolve(true);
          });
          socket.once('close', () => resolve(false));
          socket.write(request);
        });
      const served = (await Promise.all(open.map(echoes))).filter(Boolean).length;
      expect(served).toBeGreaterThan(10);
      expect(served).toBeLessThan(60);
      // Half a second without descriptors, while clients wait: hardly any of it is spent on trying.
      const before = ticks(running.pid as number);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(ticks(running.pid as number) - before).toBeLessThan(25);
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => setTimeout(resolve, 200));
      let again = false;
      for (let i = 0; i < 30 && !again; ++i) {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', () => {});
        again = await echoes(socket);
        socket.destroy();
      }
      expect([again, running.exitCode, stderr.includes('uncaught')]).toEqual([true, null, false]);
    },
  );
});
