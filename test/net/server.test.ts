// Servers with real clients: how handlers run, who is held back, what errors do, and what is left when they stop.

import { spawn as child } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Greenlet, GreenletExit, joinall, sleep, spawn } from '../../ts/index.ts';
import { DatagramServer, parseAddress, type Spawn, StreamServer } from '../../ts/net/server.ts';
import * as S from '../../ts/net/socket.ts';
import { Pool } from '../../ts/pool.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

type Body<T = any> = Generator<any, T, any>;

async function run<T>(body: () => Body<T>): Promise<T> {
  const g = spawn(body);
  g.$quiet = true;
  return (await g.get({ timeout: 30 })) as T;
}

function* echo(socket: S.socket): Body<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendall(data);
  }
}

/** Ask once, and give all that came until the end. */
function* ask(address: S.Address, text: string): Body<string> {
  const socket = yield* S.createConnection(address);
  try {
    yield* socket.sendall(text);
    socket.shutdown(S.SHUT_WR);
    return yield* socket.makefile('r').read();
  } finally {
    (socket.detach() as net.Socket).destroy();
  }
}

describe('addresses to listen on', () => {
  test.each([
    [
      ['127.0.0.1', 80],
      [S.AF_INET, ['127.0.0.1', 80]],
    ],
    [
      ['', 80],
      [S.AF_INET6, ['', 80]],
    ],
    [
      ['::1', 80],
      [S.AF_INET6, ['::1', 80]],
    ],
    ['localhost:80', [S.AF_INET, ['localhost', 80]]],
    ['[::1]:80', [S.AF_INET6, ['::1', 80]]],
    [':80', [S.AF_INET, ['', 80]]],
    ['*:80', [S.AF_INET, ['', 80]]],
    [80, [S.AF_INET6, ['', 80]]],
    ['80', [S.AF_INET6, ['', 80]]],
  ])('%j', (given, parsed) => {
    expect(parseAddress(given)).toEqual(parsed);
  });

  test.each([['host'], ['host:port'], [null], [{}], [['x']], [-1], [70000], ['a:b:80'], [1.5]])(
    '%j is none',
    (given) => {
      expect(thrown(() => parseAddress(given))).toMatch(/^(TypeError|RangeError): address/);
    },
  );
});

describe.each(CORES)('on the %s core', (core) => {
  test.each<[string, () => Spawn]>([
    ['default', () => 'default'],
    ['raw', () => 'raw'],
    ['a number', () => 3],
    ['a pool', () => new Pool(2) as never],
    [
      'a function',
      () =>
        (fn, ...args) =>
          spawn(fn as () => void, ...(args as [])),
    ],
  ])('spawn %s: each connection has a greenlet, and is closed behind it', async (_name, make) => {
    realWorld(core);
    await run(function* () {
      const server = new StreamServer(['127.0.0.1', 0], echo, { spawn: make() });
      yield* server.start();
      yield* server.start();
      const asked = Array.from({ length: 20 }, (_unused, i) => spawn(ask, server.address, `question ${i}`));
      yield* joinall(asked, { raiseError: true });
      expect(asked.map((g) => g.value)).toEqual(Array.from({ length: 20 }, (_unused, i) => `question ${i}`));
      expect([server.started, server.closed, server.serverHost, server.family]).toEqual([
        true,
        false,
        '127.0.0.1',
        S.AF_INET,
      ]);
      yield* server.stop();
      yield* server.stop();
      expect([server.started, server.closed]).toEqual([false, true]);
      expect(thrown(() => server.start())).toMatch(/\[GEVENT_SERVER_STOPPED\]/);
    });
  });

  test('spawn null: the handler runs in the hub, where nothing may block', async () => {
    const { reported } = realWorld(core);
    await run(function* () {
      const plain = new StreamServer(['127.0.0.1', 0], (socket: S.socket) => void socket.$node?.write('hub'), {
        spawn: null,
      });
      yield* plain.start();
      expect(yield* ask(plain.address, '')).toBe('hub');
      plain.stop();
      const blocking = new StreamServer(['127.0.0.1', 0], echo, { spawn: null });
      yield* blocking.start();
      expect(yield* caught(ask(blocking.address, 'x'))).toMatch(/^$|ECONNRESET/);
      blocking.stop();
    });
    expect(reported().join()).toMatch(
      /^BlockingSwitchOutError: Impossible to call blocking function in the event loop callback/,
    );
  });

  test('async and plain handlers; a subclass has a handler of its own', async () => {
    realWorld(core);
    class Greeter extends StreamServer {
      greeting = 'hello ';
      *handle(socket: S.socket): Body<void> {
        yield* socket.sendall(this.greeting);
        yield* echo(socket);
      }
    }
    await run(function* () {
      const answers: string[] = [];
      for (const server of [
        new StreamServer(['127.0.0.1', 0], async (socket) => {
          await socket.sendall(`${await socket.recv()}!`);
        }),
        new StreamServer(['127.0.0.1', 0], (socket) => socket.sendall('plain')),
        new Greeter(['127.0.0.1', 0]),
      ]) {
        yield* server.start();
        answers.push(yield* ask(server.address, answers.length === 1 ? '' : 'you'));
        server.stop();
      }
      expect(answers).toEqual(['you!', 'plain', 'hello you']);
    });
  });

  test('a pool holds back what comes while it is full', async () => {
    realWorld(core);
    await run(function* () {
      let now = 0;
      let most = 0;
      const server = new StreamServer(
        ['127.0.0.1', 0],
        function* (socket) {
          most = Math.max(most, ++now);
          yield* sleep(0.005);
          yield* socket.sendall('done');
          --now;
        },
        { spawn: 3 },
      );
      yield* server.start();
      const asked = Array.from({ length: 30 }, () => spawn(ask, server.address, ''));
      while (!server.full()) yield* sleep(0.001);
      yield* joinall(asked, { raiseError: true });
      expect([most, asked.every((g) => g.value === 'done')]).toEqual([3, true]);
      yield* server.stop();
    });
  });

  test('stop gives the pool its time, then kills; without a pool handlers go on', async () => {
    realWorld(core);
    await run(function* () {
      const ends: string[] = [];
      function* slow(_socket: S.socket): Body<void> {
        try {
          yield* sleep(0.03);
          ends.push('done');
        } catch (error) {
          ends.push(told(error));
          throw error;
        }
      }
      for (const [spawning, timeout] of [
        [5, 5],
        [5, 0.005],
        ['default', 0],
      ] as const) {
        const server = new StreamServer(['127.0.0.1', 0], slow, { spawn: spawning });
        yield* server.start();
        const asked = spawn(caught, ask(server.address, ''));
        yield* sleep(0.01);
        yield* server.stop({ timeout });
        ends.push('stopped');
        yield* asked.join();
        yield* sleep(0.03);
      }
      expect(ends).toEqual(['done', 'stopped', 'GreenletExit [GEVENT_GREENLET_EXIT]: ', 'stopped', 'stopped', 'done']);
    });
  });

  test('a Unix socket is listened on by its path', async () => {
    realWorld(core);
    const directory = mkdtempSync(join(tmpdir(), 'gw-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, 'echo');
    const server = new StreamServer(path, echo);
    await server.start();
    expect([server.family, server.address, server.serverPort]).toEqual([S.AF_UNIX, path, null]);
    expect(await run(() => ask(path, 'by path'))).toBe('by path');
    await server.stop();
  });

  test.each([
    ['generator', echo],
    ['async', async () => {}],
    ['plain', () => {}],
  ])('a handler that is killed before it ran closes its connection (%s)', async (_kind, handler) => {
    realWorld(core);
    const server = new StreamServer(['127.0.0.1', 0], handler as never, {
      spawn: (fn, ...args) => {
        const g = spawn(fn as () => void, ...(args as []));
        g.kill();
        return g;
      },
    });
    await server.start();
    expect(
      await run(function* () {
        const socket = yield* S.createConnection(server.address);
        const end = yield* socket.recv();
        socket.close();
        return end.length;
      }),
    ).toBe(0);
    await server.stop();
  });

  test('a handler that throws closes its connection and nothing else', async () => {
    const { reported } = realWorld(core);
    await run(function* () {
      const server = new StreamServer(['127.0.0.1', 0], function* (socket) {
        const text = String(yield* socket.recv());
        if (text === 'bad') throw new Error('handler failed');
        yield* socket.sendall(text);
      });
      yield* server.start();
      expect(yield* ask(server.address, 'good')).toBe('good');
      expect(yield* ask(server.address, 'bad')).toBe('');
      expect(yield* ask(server.address, 'good')).toBe('good');
      server.stop();
    });
    expect(reported()).toEqual([expect.stringMatching(/^Error: handler failed \| <Greenlet .* failed with Error$/)]);
  });

  test('files that a handler left open do not keep its connection', async () => {
    realWorld(core);
    await run(function* () {
      const server = new StreamServer(['127.0.0.1', 0], function* (socket) {
        const file = socket.makefile('rw', { buffering: 1000 });
        yield* file.write((yield* file.readline()).toUpperCase());
      });
      yield* server.start();
      expect(yield* ask(server.address, 'line\n')).toBe('LINE\n');
      server.stop();
    });
  });

  test('a handler that is killed closes its connection, async ones too', async () => {
    realWorld(core);
    await run(function* () {
      for (const handle of [echo, async (socket: S.socket) => void (await socket.recv())]) {
        const pool = new Pool(5);
        const server = new StreamServer(['127.0.0.1', 0], handle, { spawn: pool as never });
        yield* server.start();
        const socket = yield* S.createConnection(server.address);
        while (pool.length === 0) yield* sleep(0.001);
        yield* sleep(0.001);
        yield* pool.kill();
        expect((yield* socket.recv()).length).toBe(0);
        socket.close();
        server.stop();
      }
    });
  });

  test('errors of accepting are reported and pause it, for longer each time; a fatal one closes', async () => {
    const { reported } = realWorld(core);
    await run(function* () {
      let failures = 3;
      class Failing extends StreamServer {
        protected override doRead(): unknown[] | null {
          if (failures-- > 0) throw new S.error('EMFILE');
          return super.doRead();
        }
      }
      const server = new Failing(['127.0.0.1', 0], echo);
      yield* server.start();
      const before = performance.now();
      expect(yield* ask(server.address, 'x')).toBe('x');
      // 10, 20 and 40 ms.
      expect(performance.now() - before).toBeGreaterThan(68);
      expect(server.delay).toBe(server.minDelay);
      expect(reported().length).toBe(3);
      failures = 0;
      (server as any).doRead = () => {
        throw new S.error('EBADF');
      };
      const conn = yield* S.createConnection(server.address);
      while (!server.closed) yield* sleep(0.001);
      expect(reported().length).toBe(1);
      conn.close();
    });
  });

  test('stopAccepting makes them wait, startAccepting takes them', async () => {
    realWorld(core);
    await run(function* () {
      const server = new StreamServer(['127.0.0.1', 0], echo);
      yield* server.start();
      server.stopAccepting();
      const asked = spawn(ask, server.address, 'later');
      yield* sleep(0.01);
      expect(asked.ready()).toBe(false);
      server.startAccepting();
      expect(yield* asked.get()).toBe('later');
      server.stop();
    });
  });

  test('serveForever ends by stop; who is killed in it stops the server', async () => {
    realWorld(core);
    await run(function* () {
      const one = new StreamServer(['127.0.0.1', 0], echo);
      const serving = spawn(function* () {
        yield* one.serveForever();
        return 'served';
      });
      while (!one.started || one.serverPort === 0) yield* sleep(0.001);
      expect(yield* ask(one.address, 'x')).toBe('x');
      one.stop();
      expect(yield* serving.get()).toBe('served');
      const two = new StreamServer(['127.0.0.1', 0], echo);
      const killed = spawn(function* () {
        yield* two.serveForever({ stopTimeout: 0.1 });
      });
      yield* sleep(0.01);
      yield* killed.kill();
      expect([two.closed, (killed.value as unknown) instanceof GreenletExit]).toEqual([true, true]);
    });
  });

  test('an address in use: told to who waits for the start, else reported', async () => {
    const { reported } = realWorld(core);
    const first = new StreamServer(['127.0.0.1', 0], echo);
    await first.start();
    const second = new StreamServer(first.address, echo);
    expect(await rejected(second.start())).toMatch(/^SocketError \[EADDRINUSE\]/);
    expect(second.closed).toBe(true);
    new StreamServer(first.address, echo).start();
    await sleep(0.02);
    expect(reported()).toEqual([expect.stringMatching(/^SocketError: listen EADDRINUSE/)]);
    first.stop();
  });

  test('a socket that was bound, or listens, may be given; using ends it', async () => {
    realWorld(core);
    const path = process.platform === 'linux' ? `\0gevent-wasm-server-${process.pid}-${core}` : '';
    const socket = await S.createServer(path === '' ? ['127.0.0.1', 0] : path);
    let address: S.Address;
    {
      using server = new StreamServer(socket, echo);
      await server.start();
      address = server.address;
      expect([address, server.serverPort === null]).toEqual([socket.getsockname(), path !== '']);
      expect(await run(() => ask(address, 'x'))).toBe('x');
    }
    expect(await rejected(S.createConnection(address))).toMatch(/ECONNREFUSED/);
    expect(thrown(() => new StreamServer(new S.socket(), echo, { backlog: 5 }))).toBe(
      'TypeError: backlog must be omitted when a socket instance is given',
    );
  });

  test('wrong arguments are told by name', () => {
    realWorld(core);
    expect(thrown(() => new StreamServer(['127.0.0.1', 0]).start())).toBe(
      'TypeError: StreamServer: handle must be provided',
    );
    expect(thrown(() => new StreamServer(['127.0.0.1', 0], 5 as never))).toBe(
      'TypeError: StreamServer(handle): expected a function, got 5',
    );
    expect(thrown(() => new StreamServer(['127.0.0.1', 0], echo, { spawn: {} as never }))).toMatch(
      /^TypeError: spawn: expected/,
    );
    expect(thrown(() => new StreamServer(['127.0.0.1', 0], echo, { backlog: 0 }))).toMatch(/^RangeError: backlog/);
    expect(thrown(() => new StreamServer(['127.0.0.1', 0], echo, { sertfile: 'x' } as never))).toBe(
      'TypeError: StreamServer: unknown option "sertfile"',
    );
  });

  test('datagrams: each is handled, and answered from the same address', async () => {
    realWorld(core);
    await run(function* () {
      const server: DatagramServer = new DatagramServer(['127.0.0.1', 0], function* (data, address): Body<void> {
        yield* server.sendto(`got ${data.length}`, address);
      });
      yield* server.start();
      const client = new S.socket(S.AF_INET, S.SOCK_DGRAM);
      for (const size of [1, 100, 9000]) {
        yield* client.sendto(Buffer.alloc(size), server.address);
        const [answer, from] = yield* client.recvfrom(100, { timeout: 5 });
        expect([String(answer), from]).toEqual([`got ${Math.min(size, 8192)}`, server.address]);
      }
      client.close();
      yield* server.stop();
    });
  });

  test('three hundred connections, a third of them killed, leave nothing', async () => {
    const { hub } = realWorld(core);
    await run(function* () {
      const handlers: Greenlet[] = [];
      const server = new StreamServer(['127.0.0.1', 0], echo, {
        spawn: (fn, ...args) => handlers.push(spawn(fn as () => void, ...(args as [])) as never),
      });
      yield* server.start();
      const clients: S.socket[] = [];
      for (let i = 0; i < 300; ++i) clients.push(yield* S.createConnection(server.address));
      while (handlers.length < 300) yield* sleep(0.001);
      for (let i = 0; i < 300; i += 3) handlers[i].kill({ block: false });
      const answers: number[] = [];
      for (const client of clients) {
        try {
          yield* client.sendall('x');
          answers.push((yield* client.recv()).length);
        } catch {
          answers.push(0);
        }
        client.close();
      }
      expect(answers.filter((length) => length === 1).length).toBe(200);
      yield* joinall(handlers);
      yield* server.stop();
    });
    expect(hub.statistics().rows).toBeLessThan(5);
  });
});

/** Run a program from a file, which the processes that it starts can run again. `import` of `'#…'` is from ts/. */
async function programInFile(source: string): Promise<{ code: number | null; stdout: string[]; stderr: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'gw-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'program.mts');
  writeFileSync(file, source.replaceAll(/from '#/g, `from '${new URL('../../ts/', import.meta.url).href}`));
  const running = child(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 25_000 });
  let stdout = '';
  let stderr = '';
  running.stdout.on('data', (data) => (stdout += data));
  running.stderr.on('data', (data) => (stderr += data));
  const code = await new Promise<number | null>((resolve) => running.on('close', resolve));
  return { code, stdout: stdout.split('\n').slice(0, -1), stderr };
}

describe('in several processes', () => {
  test('workers serve, are replaced when they die and on restart, and stop', async () => {
    const { stdout, stderr, code } = await programInFile(
      `
      import { StreamServer } from '#net/server.ts';
      import { createConnection } from '#net/socket.ts';
      import { sleep, spawn } from '#index.ts';
      import cluster from 'node:cluster';
      const server = new StreamServer(['127.0.0.1', 0], function* (socket) {
        const text = String(yield* socket.recv());
        if (text === 'die') process.exit(1);
        yield* socket.sendall(String(process.pid));
      }, { workers: 2, spawn: 100 });
      await server.start();
      if (cluster.isPrimary) {
        const ask = async (text) => {
          const socket = await createConnection(server.address);
          await socket.sendall(text);
          const answer = String(await socket.recv());
          socket.close();
          return Number(answer);
        };
        const served = async () => {
          const pids = new Set();
          for (let i = 0; i < 40 && pids.size < 2; ++i) pids.add(await ask('pid'));
          return [...pids].sort();
        };
        const first = await served();
        console.log('both', JSON.stringify(first) === JSON.stringify(server.workerPids.sort()));
        await server.restart();
        const second = await served();
        console.log('replaced', second.length, second.some((pid) => first.includes(pid)));
        await ask('die').catch(() => 0);
        for (let i = 0; i < 100 && (server.workerPids.length < 2 || server.workerPids.every((pid) => second.includes(pid))); ++i) await sleep(0.05);
        console.log('again', server.workerPids.length);
        await sleep(0.5);
        await ask('pid');
        await server.stop();
        console.log('stopped', server.workerPids.length);
      }
    `,
    );
    expect([stdout, code]).toEqual([['both true', 'replaced 2 false', 'again 2', 'stopped 0'], 0]);
    expect(stderr).toMatch(/a worker ended, by exit code 1/);
  });
});

/** What an operation or body throws, as `told` tells it; what it gives if it does not. */
function* caught(op: any): Body<any> {
  try {
    return yield* op;
  } catch (error) {
    return told(error);
  }
}
