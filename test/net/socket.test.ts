// Sockets over real loopback connections: what each method does, who waits for whom, what is left when a wait ends early.

import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { joinall, kill, sleep, spawn, Timeout, withTimeout } from '../../ts/index.ts';
import * as S from '../../ts/net/socket.ts';
import { streamFile } from '../../ts/net/stream.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

const LOCAL: S.InetAddress = ['127.0.0.1', 0];
const CLOSED = 'SocketError [EBADF]: File descriptor was closed in another greenlet';

type Body<T = any> = Generator<any, T, any>;

/** Two sockets connected over TCP: who connected, who was accepted. */
function* connected(): Body<[S.socket, S.socket]> {
  const server = yield* S.createServer(LOCAL);
  const here = yield* S.createConnection(server.getsockname());
  const [there] = yield* server.accept();
  server.close();
  return [here, there];
}

/** Run a body to its end, and give what it gives. */
async function run<T>(body: () => Body<T>): Promise<T> {
  const g = spawn(body);
  g.$quiet = true;
  return (await g.get({ timeout: 20 })) as T;
}

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gw-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

describe.each(CORES)('on the %s core', (core) => {
  describe('streams', () => {
    test('bytes go both ways, and the end is an empty read', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        expect(yield* a.sendall('hello')).toBe(5);
        expect((yield* b.recv()).toString()).toBe('hello');
        expect(yield* b.send(Buffer.from('back'))).toBe(4);
        expect((yield* a.recv(2)).toString()).toBe('ba');
        expect((yield* a.recv(100)).toString()).toBe('ck');
        a.close();
        expect((yield* b.recv()).length).toBe(0);
        expect((yield* b.recv()).length).toBe(0);
        b.close();
      });
    });

    test('main and async bodies wait by await', async () => {
      realWorld(core);
      const server = await S.createServer(LOCAL);
      const echo = spawn(async () => {
        const [conn, address] = await server.accept();
        for (;;) {
          const data = await conn.recv();
          if (data.length === 0) break;
          await conn.sendall(data);
        }
        conn.close();
        return address;
      });
      const conn = await S.createConnection(server.getsockname());
      await conn.sendall('by await');
      expect((await conn.recv()).toString()).toBe('by await');
      const name = conn.getsockname();
      conn.close();
      expect(await echo.get()).toEqual(name);
      server.close();
    });

    test('names: own and peer, before and behind', async () => {
      realWorld(core);
      await run(function* () {
        const fresh = new S.socket();
        expect([fresh.getsockname(), thrown(() => fresh.getpeername())]).toEqual([
          ['0.0.0.0', 0],
          'SocketError [ENOTCONN]: getpeername: ENOTCONN: the socket is not connected',
        ]);
        fresh.close();
        const [a, b] = yield* connected();
        expect([a.getsockname(), a.getpeername()]).toEqual([b.getpeername(), b.getsockname()]);
        expect([a.family, a.type, a.proto, b.family]).toEqual([S.AF_INET, S.SOCK_STREAM, 0, S.AF_INET]);
        expect(String(a)).toMatch(/^<Socket connected 127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+>$/);
        a.close();
        b.close();
        expect([String(a), a.closed, thrown(() => a.getsockname())]).toEqual([
          '<Socket closed>',
          true,
          'SocketError [EBADF]: getsockname: EBADF: the socket is closed',
        ]);
      });
    });

    test('recvInto fills a buffer, on both ends, and leaves the rest', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        for (const [from, to] of [
          [a, b],
          [b, a],
        ]) {
          const into = new Uint8Array(8).fill(46);
          const got = spawn(function* () {
            return yield* to.recvInto(into, 4);
          });
          yield* sleep(0);
          yield* from.sendall('abcdef');
          expect(yield* got.get()).toBe(4);
          expect(Buffer.from(into).toString()).toBe('abcd....');
          expect(yield* to.recvInto(new Uint16Array(into.buffer, 4))).toBe(2);
          expect(Buffer.from(into).toString()).toBe('abcdef..');
        }
        a.close();
        expect(yield* b.recvInto(new Uint8Array(4))).toBe(0);
        expect(thrown(() => b.recvInto(new Uint8Array(4), 5))).toMatch(/^RangeError: recvInto\(buffer\): 5 bytes/);
        b.close();
      });
    });

    test('text, views and buffers are sent as their bytes; anything else is refused', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const file = b.makefile('rb');
        yield* a.sendall('ä');
        yield* a.sendall(new Uint16Array([0x6261]));
        yield* a.sendall(new Uint8Array([99]).buffer);
        yield* a.sendall('');
        yield* a.sendall(new Uint8Array(0));
        expect((yield* file.read(5)).toString()).toBe('äabc');
        expect(thrown(() => a.sendall(5 as never))).toBe(
          'TypeError: sendall(data): expected a string, a Buffer or another view of bytes, got number',
        );
        for (const s of [a, b, file]) s.close();
      });
    });

    test('half-close: the other direction goes on', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        yield* a.sendall('question');
        a.shutdown(S.SHUT_WR);
        const file = b.makefile('rb');
        expect((yield* file.read()).toString()).toBe('question');
        yield* b.sendall('answer');
        expect((yield* a.recv()).toString()).toBe('answer');
        expect(yield* caught(a.sendall('more'))).toBe(
          'SocketError [EPIPE]: send: EPIPE: the sending side was shut down',
        );
        for (const s of [a, b, file]) s.close();
      });
    });

    test('shutdown of a direction tells who waits in it', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const reader = spawn(caught, a.recv());
        yield* sleep(0.001);
        a.shutdown(S.SHUT_RD);
        expect(yield* reader.get()).toBe(CLOSED);
        expect((yield* a.recv()).length).toBe(0);
        const writer = spawn(caught, a.sendall(Buffer.alloc(32 * 2 ** 20)));
        yield* sleep(0.01);
        a.shutdown(S.SHUT_WR);
        expect(yield* writer.get()).toBe(CLOSED);
        a.close();
        b.close();
      });
    });

    test('close wakes who waits in either direction, and accept', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const server = yield* S.createServer(LOCAL);
        const waiting = [
          spawn(caught, a.recv()),
          spawn(caught, a.sendall(Buffer.alloc(32 * 2 ** 20))),
          spawn(caught, server.accept()),
        ];
        yield* sleep(0.01);
        a.close();
        server.close();
        yield* joinall(waiting);
        expect(waiting.map((g) => g.value)).toEqual([CLOSED, CLOSED, CLOSED]);
        expect(thrown(() => a.recv())).toBe('SocketError [EBADF]: recv: EBADF: the socket is closed');
        a.close();
        b.close();
      });
    });

    test('one greenlet reads and one writes; a second in a direction is refused', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const reader = spawn(caught, a.recv());
        const writer = spawn(caught, a.sendall(Buffer.alloc(32 * 2 ** 20)));
        yield* sleep(0.001);
        const used =
          'ConcurrentObjectUseError [GEVENT_CONCURRENT_USE]: This socket is already used by another greenlet: ';
        expect(yield* caught(a.recv())).toBe(`${used}recv`);
        expect(yield* caught(a.makefile('rb').read(3))).toBe(`${used}recv`);
        expect(yield* caught(a.sendall('x'))).toBe(`${used}send`);
        const server = yield* S.createServer(LOCAL);
        const accepting = spawn(caught, server.accept());
        yield* sleep(0);
        expect(yield* caught(server.accept())).toBe(`${used}accept`);
        server.close();
        // Its file keeps it.
        kill(writer);
        kill(reader);
        b.close();
        yield* joinall([reader, writer, accepting]);
        a.detach();
      });
    });
  });

  describe('flow control', () => {
    test('sendall goes on when the kernel has all, and no more than a chunk lies in between', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const size = 24 * 2 ** 20;
        const data = Buffer.alloc(size, 'abcdefg');
        const writer = spawn(function* () {
          return yield* a.sendall(data);
        });
        yield* sleep(0.05);
        expect(writer.ready()).toBe(false);
        const stuck = a.bytesSent;
        yield* sleep(0.02);
        expect(a.bytesSent).toBe(stuck);
        expect(a.$writer.pending).toBeLessThanOrEqual(256 * 1024);
        let got = 0;
        const seen: Buffer[] = [];
        while (got < size) {
          const piece = yield* b.recv();
          seen.push(piece);
          got += piece.length;
        }
        expect(yield* writer.get()).toBe(size);
        expect(Buffer.concat(seen).equals(data)).toBe(true);
        a.close();
        b.close();
      });
    });

    test('a reader that is not read from holds a bounded number of bytes, from either end', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        for (const [from, to] of [
          [a, b],
          [b, a],
        ]) {
          const sender = spawn(caught, from.sendall(Buffer.alloc(40 * 2 ** 20)));
          yield* to.recv(1);
          for (let i = 0; i < 20; ++i) yield* sleep(0.002);
          expect(to.$reader.size).toBeLessThanOrEqual(3 * 64 * 1024);
          expect(sender.ready()).toBe(false);
          yield* sender.kill();
        }
        a.close();
        b.close();
      });
    });

    test('a buffer may be used again as soon as sendall is back', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const piece = new Uint8Array(256 * 1024);
        const writer = spawn(function* () {
          for (let i = 1; i <= 60; ++i) {
            piece.fill(i);
            yield* a.sendall(piece);
          }
          a.shutdown(S.SHUT_WR);
        });
        yield* sleep(0.01);
        const all: Buffer = yield* b.makefile('rb').read();
        yield* writer.get();
        expect(all.length).toBe(60 * piece.length);
        for (let i = 1; i <= 60; ++i) {
          const part = all.subarray((i - 1) * piece.length, i * piece.length);
          expect(part.every((byte) => byte === i)).toBe(true);
        }
        a.close();
        (b.detach() as net.Socket).destroy();
      });
    });
  });

  describe('limits of time', () => {
    test("a socket's timeout ends each call with `timeout`, and loses no byte", async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        b.settimeout(0.01);
        expect(yield* caught(b.recv())).toBe('SocketTimeout [ETIMEDOUT]: timed out');
        expect(yield* caught(b.recvInto(new Uint8Array(3)))).toBe('SocketTimeout [ETIMEDOUT]: timed out');
        const file = b.makefile('rb');
        yield* a.sendall('no end of line');
        expect(yield* caught(file.readline())).toBe('SocketTimeout [ETIMEDOUT]: timed out');
        expect(yield* caught(file.read(100))).toBe('SocketTimeout [ETIMEDOUT]: timed out');
        yield* a.sendall('\n');
        expect((yield* file.readline()).toString()).toBe('no end of line\n');
        expect([b.gettimeout(), b.timeout, b.getblocking()]).toEqual([0.01, 0.01, true]);
        b.settimeout(null);
        expect(b.gettimeout()).toBe(null);
        expect(thrown(() => b.settimeout(-1))).toMatch(/^RangeError/);
        expect(thrown(() => b.settimeout('1' as never))).toMatch(/^TypeError/);
        for (const s of [a, b, file]) s.close();
      });
    });

    test("a call's own timeout wins over the socket's; a Timeout raises what it was given", async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        b.settimeout(60);
        expect(yield* caught(b.recv(10, { timeout: 0.01 }))).toBe('SocketTimeout [ETIMEDOUT]: timed out');
        const mine = new Timeout(0.01, new Error('mine'));
        expect(yield* caught(b.recv(10, { timeout: mine }))).toBe('Error: mine');
        expect(yield* caught(withTimeout(0.01, () => b.recv()))).toMatch(/^Timeout \[GEVENT_TIMEOUT\]/);
        const late = a.sendall(Buffer.alloc(32 * 2 ** 20), { timeout: 0.02 });
        expect(yield* caught(late)).toBe('SocketTimeout [ETIMEDOUT]: timed out');
        const server = yield* S.createServer(LOCAL);
        const own = new Timeout(0.01, new Error('own'));
        expect(yield* caught(server.accept({ timeout: own }))).toBe('Error: own');
        for (const s of [a, b, server]) s.close();
      });
    });

    test('with timeout 0 nothing waits', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        b.setblocking(false);
        expect(b.getblocking()).toBe(false);
        expect(yield* caught(b.recv())).toMatch(/^SocketError \[EAGAIN\]: recv: EAGAIN/);
        yield* a.sendall('here');
        yield* S.waitRead(b);
        expect((yield* b.recv()).toString()).toBe('here');
        a.setblocking(false);
        let sent = 0;
        let refused = '';
        while (refused === '') {
          try {
            sent += yield* a.send(Buffer.alloc(65536));
          } catch (error) {
            refused = told(error);
          }
        }
        expect(refused).toMatch(/^SocketError \[EAGAIN\]: send: EAGAIN/);
        a.setblocking(true);
        a.shutdown(S.SHUT_WR);
        b.setblocking(true);
        expect((yield* b.makefile('rb').read()).length).toBe(sent);
        const server = yield* S.createServer(LOCAL);
        server.settimeout(0);
        expect(yield* caught(server.accept())).toMatch(/^SocketError \[EAGAIN\]/);
        const late = new S.socket();
        late.setblocking(false);
        expect(yield* late.connectEx(server.getsockname())).toBe(S_EINPROGRESS);
        expect(yield* late.connectEx(server.getsockname())).toBe(S_EALREADY);
        yield* S.waitWrite(late);
        expect(yield* late.connectEx(server.getsockname())).toBe(S_EISCONN);
        for (const s of [a, late, server]) s.close();
        (b.detach() as net.Socket).destroy();
      });
    });

    test('new sockets have the default timeout', async () => {
      realWorld(core);
      S.setdefaulttimeout(2.5);
      try {
        expect([S.getdefaulttimeout(), new S.socket().timeout]).toEqual([2.5, 2.5]);
      } finally {
        S.setdefaulttimeout(null);
      }
      expect([S.getdefaulttimeout(), new S.socket().timeout]).toEqual([null, null]);
    });
  });

  describe('connecting', () => {
    test('refused, by error and by number; the socket may try again', async () => {
      realWorld(core);
      await run(function* () {
        const server = yield* S.createServer(LOCAL);
        const address = server.getsockname() as S.InetAddress;
        server.close();
        const s = new S.socket();
        yield* sleep(0.01);
        expect(yield* caught(s.connect(address))).toMatch(/^SocketError \[ECONNREFUSED\]: connect ECONNREFUSED 127/);
        expect(yield* s.connectEx(address)).toBe(111);
        const again = new S.socket();
        yield* again.bind(address);
        yield* again.listen();
        yield* s.connect(address);
        expect(yield* caught(s.connect(address))).toMatch(/^SocketError \[EISCONN\]/);
        const [peer] = yield* again.accept();
        for (const it of [s, again, peer]) it.close();
      });
    });

    test('a kill and a timeout leave no attempt behind', async () => {
      realWorld(core);
      await run(function* () {
        // A full backlog: further connections hang.
        const server = net.createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 });
        yield* sleep(0.02);
        const { port } = server.address() as net.AddressInfo;
        // An address that answers nobody, where there is one; else it is refused at once.
        const nowhere: S.InetAddress = ['192.0.2.1', port];
        const s = new S.socket();
        const g = spawn(function* () {
          yield* s.connect(nowhere);
        });
        g.$quiet = true;
        yield* sleep(0);
        yield* g.kill();
        expect(s.$attempt).toBe(null);
        expect(yield* caught(s.connect(nowhere, { timeout: 0.02 }))).toMatch(/ETIMEDOUT|UNREACH|ECONNREFUSED/);
        expect(s.$attempt).toBe(null);
        const gone = spawn(function* () {
          yield* S.createConnection(nowhere, { timeout: 5 });
        });
        gone.$quiet = true;
        yield* sleep(0);
        yield* gone.kill();
        s.close();
        server.close();
      });
    });

    test('names are resolved, literal addresses are not; what has no address is a gaierror', async () => {
      realWorld(core);
      await run(function* () {
        const server = yield* S.createServer(LOCAL);
        const [, port] = server.getsockname() as S.InetAddress;
        const s = yield* S.createConnection(['localhost', port]);
        expect(s.getpeername()).toEqual(['127.0.0.1', port]);
        s.close();
        const wrong = new S.socket(S.AF_INET);
        expect(yield* caught(wrong.connect(['::1', port]))).toMatch(/^AddressError \[ENOTFOUND\]/);
        wrong.close();
        const all = yield* caught(S.createConnection(['localhost', 1], { allErrors: true }));
        expect(all).toMatch(/^AggregateError/);
        server.close();
      });
    });

    test('comes from the address that was bound', async () => {
      realWorld(core);
      await run(function* () {
        const server = yield* S.createServer(LOCAL);
        const s = yield* S.createConnection(server.getsockname(), { sourceAddress: ['127.0.0.5', 0], timeout: 3 });
        const [peer, address] = yield* server.accept();
        expect([(address as S.InetAddress)[0], s.timeout]).toEqual(['127.0.0.5', 3]);
        for (const it of [s, peer, server]) it.close();
      });
    });

    test('IPv6, and both by one socket', async () => {
      realWorld(core);
      if (!S.hasDualstackIpv6()) return;
      await run(function* () {
        const server = yield* S.createServer(['::', 0], { dualstackIpv6: true });
        const [, port] = server.getsockname() as S.InetAddress;
        const four = yield* S.createConnection(['127.0.0.1', port]);
        const six = yield* S.createConnection(['::1', port]);
        const hosts = [(yield* server.accept())[1][0], (yield* server.accept())[1][0]];
        expect(hosts.sort()).toEqual(['::1', '::ffff:127.0.0.1']);
        for (const it of [four, six, server]) it.close();
      });
    });

    test('an address in use is an error of listen', async () => {
      realWorld(core);
      await run(function* () {
        const server = yield* S.createServer(LOCAL);
        expect(yield* caught(S.createServer(server.getsockname()))).toMatch(/^SocketError \[EADDRINUSE\]/);
        server.close();
      });
    });
  });

  describe('Unix sockets and pairs', () => {
    test('by path and abstract', async () => {
      realWorld(core);
      const paths = [join(temporary(), 'socket')];
      if (process.platform === 'linux') paths.push(`\0gevent-wasm-test-${process.pid}`);
      await run(function* () {
        for (const path of paths) {
          const server = yield* S.createServer(path);
          expect(server.getsockname()).toBe(path);
          const s = yield* S.createConnection(path);
          const [peer, address] = yield* server.accept();
          expect([address, s.getpeername(), peer.getpeername(), s.family]).toEqual(['', path, '', S.AF_UNIX]);
          yield* s.sendall('x');
          expect((yield* peer.recv()).toString()).toBe('x');
          for (const it of [s, peer, server]) it.close();
        }
      });
    });

    test('socketpair gives two that talk to each other', async () => {
      realWorld(core);
      const [a, b] = await S.socketpair();
      await a.sendall('1');
      await b.sendall('2');
      expect([String(await a.recv()), String(await b.recv())]).toEqual(['2', '1']);
      a.close();
      expect((await b.recv()).length).toBe(0);
      b.close();
    });
  });

  describe('datagrams', () => {
    test('go as a whole, with where they came from', async () => {
      realWorld(core);
      await run(function* () {
        const a = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        const b = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        yield* a.bind(LOCAL);
        expect(yield* b.sendto('first', a.getsockname())).toBe(5);
        yield* b.sendto('second', a.getsockname());
        yield* b.sendto(new Uint8Array(0), a.getsockname());
        const [data, from] = yield* a.recvfrom(3);
        expect([String(data), from]).toEqual(['fir', ['127.0.0.1', (b.getsockname() as S.InetAddress)[1]]]);
        expect(yield* a.recvfromInto(new Uint8Array(10))).toEqual([6, from]);
        expect((yield* a.recv()).length).toBe(0);
        yield* a.connect(from);
        yield* a.send('back');
        expect(String(yield* b.recv())).toBe('back');
        expect(thrown(() => b.send('nobody'))).toMatch(/^SocketError \[EDESTADDRREQ\]/);
        a.settimeout(0.01);
        expect(yield* caught(a.recvfrom())).toBe('SocketTimeout [ETIMEDOUT]: timed out');
        a.close();
        b.close();
      });
    });

    test('close wakes who waits; a bad address is an error of bind', async () => {
      realWorld(core);
      await run(function* () {
        const a = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        yield* a.bind(LOCAL);
        const reader = spawn(caught, a.recvfrom());
        yield* sleep(0);
        const other = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        expect(yield* caught(other.bind(a.getsockname()))).toMatch(/^SocketError \[EADDRINUSE\]/);
        a.close();
        other.close();
        expect(yield* reader.get()).toBe(CLOSED);
        const sender = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        const sending = spawn(caught, sender.sendto('x', ['localhost', 9]));
        yield* sleep(0);
        sender.close();
        expect([CLOSED, undefined, 1]).toContain(yield* sending.get());
      });
    });

    test('what nobody takes is dropped beyond a limit', async () => {
      realWorld(core);
      await run(function* () {
        const a = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        const b = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        yield* a.bind(LOCAL);
        const piece = Buffer.alloc(32 * 1024);
        for (let i = 0; i < 60; ++i) {
          yield* b.sendto(piece, a.getsockname());
          yield* sleep(0.001);
        }
        expect((a.$datagrams as any).dropped).toBeGreaterThan(0);
        a.close();
        b.close();
      });
    });

    test('Unix datagrams do not exist in Node', () => {
      expect(thrown(() => new S.socket(S.AF_UNIX, S.SOCK_DGRAM))).toMatch(/^SocketError \[EPROTONOSUPPORT\]/);
    });
  });

  describe('files', () => {
    test('a line is one line, also when more come before the reader has its turn', async () => {
      realWorld(core);
      const stream = new Readable({ read() {} });
      const file = streamFile(stream, 'r');
      const reader = spawn(function* () {
        const first = yield* file.readline();
        return [first, yield* file.readline(), yield* file.read(2), yield* file.read(2), yield* file.read()];
      });
      await sleep(0.01);
      for (const text of ['on', 'e\ntwo', '\nthree', '\nfour\n']) stream.emit('data', Buffer.from(text));
      stream.push(null);
      expect(await reader.get()).toEqual(['one\n', 'two\n', 'th', 're', 'e\nfour\n']);
      file.close();
    });

    test('lines, pieces and the rest, as text', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const file = b.makefile();
        const text = 'one\r\ntwo\nthrée\n\nlast';
        // Split inside of characters and line ends.
        const bytes = Buffer.from(text);
        spawn(function* () {
          for (const byte of bytes) {
            yield* a.sendall(new Uint8Array([byte]));
            yield* sleep(0);
          }
          a.close();
        });
        expect(yield* file.readline()).toBe('one\n');
        expect(yield* file.read(2)).toBe('tw');
        expect(yield* file.readline()).toBe('o\n');
        expect(yield* file.read(4)).toBe('thré');
        expect(yield* file.readline(1)).toBe('e');
        expect(yield* file.readline()).toBe('\n');
        expect(yield* file.readline()).toBe('\n');
        expect(yield* file.readline()).toBe('last');
        expect(yield* file.readline()).toBe('');
        expect(yield* file.read()).toBe('');
        file.close();
        b.close();
      });
    });

    test('for await gives lines; readlines gives all', async () => {
      realWorld(core);
      const [a, b] = await run(connected);
      await a.sendall('1\n2\n3\n4\n5');
      a.close();
      const file = b.makefile('r');
      const seen: string[] = [];
      for await (const line of file) {
        seen.push(line);
        if (seen.length === 2) break;
      }
      expect([seen, await file.readlines()]).toEqual([
        ['1\n', '2\n'],
        ['3\n', '4\n', '5'],
      ]);
      file.close();
      b.close();
    });

    test('writes are sent at once, or collected until there is enough, a flush or the end', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const plain = a.makefile('w');
        yield* plain.write('now');
        expect(String(yield* b.recv())).toBe('now');
        const slow = a.makefile('wb', { buffering: 10 });
        yield* slow.write('12345');
        expect(yield* caught(b.recv(9, { timeout: 0.01 }))).toMatch(/timed out/);
        yield* slow.writelines(['678', '90', 'x']);
        expect(String(yield* b.recv())).toBe('1234567890x');
        yield* slow.write('flush');
        yield* slow.flush();
        expect(String(yield* b.recv())).toBe('flush');
        yield* slow.write('end');
        a.close();
        plain.close();
        slow.close();
        expect(String(yield* b.makefile('rb').read())).toBe('end');
        expect(thrown(() => slow.write('x'))).toMatch(/^SocketError \[EBADF\]/);
        (b.detach() as net.Socket).destroy();
      });
    });

    test('a file keeps the connection of a closed socket', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        const file = a.makefile('rw');
        a.close();
        expect(thrown(() => a.recv())).toMatch(/EBADF/);
        yield* file.write('still here');
        expect(String(yield* b.recv())).toBe('still here');
        const end = spawn(caught, b.recv());
        yield* sleep(0.005);
        expect(end.ready()).toBe(false);
        file.close();
        yield* end.get();
        b.close();
      });
    });

    test('text that is no UTF-8 is an error, or replaced', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        yield* a.sendall(new Uint8Array([0xff, 10, 0xff, 10, 0xe4, 10]));
        const strict = b.makefile('r');
        expect(yield* caught(strict.readline())).toMatch(/^TypeError \[ERR_ENCODING_INVALID_ENCODED_DATA\]/);
        const lax = b.makefile('r', { errors: 'replace' });
        expect(yield* lax.readline()).toBe('\ufffd\n');
        const latin = b.makefile('r', { encoding: 'latin1' });
        expect(yield* latin.read(2)).toBe('ä\n');
        for (const it of [strict, lax, latin, a, b]) it.close();
      });
    });

    test('bad modes and options are refused', async () => {
      realWorld(core);
      const [a, b] = await run(connected);
      expect(thrown(() => a.makefile('x' as never))).toBe(
        'RangeError: mode: expected r, w or rw, and b for bytes, got "x"',
      );
      expect(thrown(() => a.makefile('r', { encoding: 'utf16le' as never }))).toMatch(/^RangeError: encoding/);
      expect(thrown(() => a.makefile('r', { buffering: -1 }))).toMatch(/^RangeError: buffering/);
      expect(thrown(() => a.makefile('r').write('x'))).toMatch(/not open for writing/);
      a.detach();
      b.close();
    });

    test('sendfile sends a file, or a part', async () => {
      realWorld(core);
      const path = join(temporary(), 'file');
      writeFileSync(path, Buffer.alloc(300_000, 'abcdefghij'));
      await run(function* () {
        const [a, b] = yield* connected();
        const g = spawn(function* () {
          const counts = [yield* a.sendfile(path), yield* a.sendfile(path, 5, 10)];
          a.close();
          return counts;
        });
        const all: Buffer = yield* b.makefile('rb').read();
        expect(yield* g.get()).toEqual([300_000, 10]);
        expect([all.length, String(all.subarray(300_000))]).toEqual([300_010, 'fghijabcde']);
        (b.detach() as net.Socket).destroy();
      });
    });

    test('sendfile of a stream passes over all that is before the offset, in however many pieces it comes', async () => {
      realWorld(core);
      const path = join(temporary(), 'file');
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
      writeFileSync(path, bytes);
      await run(function* () {
        const [a, b] = yield* connected();
        const g = spawn(function* () {
          const count = yield* a.sendfile(createReadStream(path), 100_001, 150_000);
          a.close();
          return count;
        });
        const all: Buffer = yield* b.makefile('rb').read();
        expect(yield* g.get()).toBe(150_000);
        expect(all.equals(bytes.subarray(100_001, 250_001))).toBe(true);
        (b.detach() as net.Socket).destroy();
      });
    });
  });

  describe("beside Node's own", () => {
    test('detach gives the net.Socket, with what was not taken; from takes one', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        yield* a.sendall('abcdef');
        expect(String(yield* b.recv(2))).toBe('ab');
        const node = b.detach() as net.Socket;
        expect([node instanceof net.Socket, b.closed, thrown(() => b.recv())]).toEqual([
          true,
          true,
          'SocketError [EBADF]: recv: EBADF: the socket is closed',
        ]);
        const c = S.socket.from(node);
        expect(String(yield* c.recv())).toBe('cdef');
        yield* c.sendall('x');
        expect(String(yield* a.recv())).toBe('x');
        a.close();
        c.close();
      });
    });

    test('options that Node can set are set, others are refused', async () => {
      realWorld(core);
      await run(function* () {
        const [a, b] = yield* connected();
        a.setsockopt(S.IPPROTO_TCP, S.TCP_NODELAY, 1);
        a.setsockopt(S.SOL_SOCKET, S.SO_KEEPALIVE, true);
        expect([
          a.getsockopt(S.IPPROTO_TCP, S.TCP_NODELAY),
          a.getsockopt(S.SOL_SOCKET, S.SO_TYPE),
          a.getsockopt(S.SOL_SOCKET, S.SO_ERROR),
        ]).toEqual([1, S.SOCK_STREAM, 0]);
        expect(thrown(() => a.setsockopt(1, 99, 1))).toMatch(/^SocketError \[ENOPROTOOPT\]/);
        // A reset instead of an end.
        a.setsockopt(S.SOL_SOCKET, S.SO_LINGER, [1, 0]);
        const reader = spawn(caught, b.recv());
        yield* sleep(0.002);
        a.close();
        expect(yield* reader.get()).toMatch(/^SocketError \[ECONNRESET\]: read ECONNRESET/);
        expect(b.getsockopt(S.SOL_SOCKET, S.SO_ERROR)).toBe(104);
        expect(yield* caught(b.sendall('x'))).toMatch(/^SocketError \[(ECONNRESET|EPIPE)\]/);
        b.close();
        const u = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        u.setsockopt(S.SOL_SOCKET, S.SO_BROADCAST, 1);
        yield* u.bind(LOCAL);
        u.setsockopt(S.IPPROTO_IP, S.IP_TTL, 5);
        u.close();
      });
    });

    test('a bare descriptor that Node cannot watch is refused', () => {
      expect(thrown(() => S.fromfd(2 ** 20))).toMatch(/\[GEVENT_FD_UNSUPPORTED\]: fromfd/);
      expect(thrown(() => S.socket.from({} as never))).toMatch(/^TypeError: socket\.from/);
    });
  });

  test('a plain number of mistakes is told by name', () => {
    expect(thrown(() => new S.socket(7 as never))).toMatch(/^SocketError \[EAFNOSUPPORT\]/);
    const s = new S.socket();
    expect(thrown(() => s.connect('/x' as never))).toBe('TypeError: connect(address): expected [host, port], got "/x"');
    expect(thrown(() => s.connect(['x', 70000]))).toBe(
      'RangeError: connect(address): expected a port from 0 to 65535, got 70000',
    );
    expect(thrown(() => s.connect(['a\0b', 1]))).toMatch(/zero byte/);
    expect(thrown(() => s.recv(-1))).toBe('RangeError: recv(size): expected 0 or more bytes, got -1');
    expect(thrown(() => s.shutdown(9))).toMatch(/^RangeError: shutdown/);
    expect(thrown(() => s.shutdown(S.SHUT_WR))).toMatch(/ENOTCONN/);
    expect(thrown(() => s.accept())).toMatch(/^SocketError \[EINVAL\]: accept/);
    s.close();
  });

  test('what is not connected says so', async () => {
    realWorld(core);
    const s = new S.socket();
    expect(await rejected(s.recv())).toMatch(/^SocketError \[ENOTCONN\]: recv/);
    expect(await rejected(s.sendall('x'))).toMatch(/^SocketError \[ENOTCONN\]: send/);
    s.close();
  });

  test('who waits in a socket is named by the dump', async () => {
    const { hub } = realWorld(core);
    const [a, b] = await run(connected);
    const g = spawn(caught, a.recv());
    await sleep(0);
    expect(hub.whoWaits().join('\n')).toMatch(/caught\(.*in recv/);
    a.close();
    b.close();
    await g.join();
  });
});

const S_EINPROGRESS = 115;
const S_EALREADY = 114;
const S_EISCONN = 106;

/** What an operation throws, as `told` tells it; undefined if it does not. */
function* caught(op: any): Body<string | undefined> {
  try {
    yield* op;
    return undefined;
  } catch (error) {
    return told(error);
  }
}
