// What guests import from `gevent` to reach the world outside: sockets and files, on the real clock.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Event } from '../../ts/event.ts';
import { type LoadOptions, load } from '../../ts/guest/guest.ts';
import { type Greenlet, joinall, sleep, spawn } from '../../ts/index.ts';
import * as socket from '../../ts/net/socket.ts';
import { told } from '../support/cores.ts';
import { assembly, BACKENDS, BUNDLED, LIFTED, wat } from '../support/guests.ts';
import { loaded } from '../support/loaded.ts';
import { realWorld } from '../support/real.ts';

const IO = `
  import { APPEND, connect, CREATE, errno, File, listen, log, NEW, open, READ, sleep, Socket, spawn, TRUNCATE, WRITE } from 'gevent-wasm/assembly';

  export function serve(count: i32): i32 {
    const listener = listen('127.0.0.1', 0);
    if (listener == null) return errno();
    log('port ' + listener.port.toString());
    for (let i = 0; i < count; ++i) {
      const peer = listener.accept(20);
      if (peer == null) return errno();
      spawn<Socket>((socket: Socket) => {
        const buffer = new ArrayBuffer(4);
        for (;;) {
          const length = socket.recv(buffer);
          if (length <= 0) break;
          socket.send(buffer.slice(0, length));
        }
        socket.close();
      }, peer);
    }
    listener.close();
    return 0;
  }
  export function ask(port: i32): i32 {
    const socket = connect('127.0.0.1', port, 20);
    if (socket == null) return errno();
    socket.sendText('hello from a guest');
    socket.end();
    let text = '';
    const buffer = new ArrayBuffer(7);
    for (let length = socket.recv(buffer); length > 0; length = socket.recv(buffer)) text += String.UTF8.decode(buffer.slice(0, length));
    socket.close();
    const closed = socket.recv(buffer);
    log(text);
    return closed;
  }
  export function late(port: i32): i32 {
    const socket = connect('127.0.0.1', port, 20);
    if (socket == null) return errno();
    return socket.recv(new ArrayBuffer(8), 0.02);
  }
  export function talk(handle: i32): i32 { return new Socket(handle).sendText('given'); }

  const names: string[] = ['a.txt', '../a.txt', '/a.txt', 'sub/../a.txt', 'none', 'sub', 'out', 'nowhere', 'sub/out/b', '../../etc/passwd'];
  export function reads(index: i32): i32 {
    const file = open(names[index]);
    if (file == null) return errno();
    const all = file.readAll();
    file.close();
    if (all == null) return errno();
    log(String.UTF8.decode(all));
    return all.byteLength;
  }
  export function writes(): i32 {
    const file = open('new.txt', READ | WRITE | CREATE | TRUNCATE);
    if (file == null) return errno();
    if (open('new.txt', WRITE | NEW) != null) return 1;
    log(errno().toString());
    if (open('x', READ | CREATE) != null) return 2;
    log(errno().toString());
    file.writeText('0123456789');
    file.seek(2);
    file.writeText('ab');
    const part = new ArrayBuffer(3);
    const count = file.read(part);
    log(count.toString() + String.UTF8.decode(part));
    file.seek(20);
    log(file.read(part).toString());
    const more = open('new.txt', APPEND) as File;
    more.writeText('!');
    // Left open: the host closes them with the instance.
    return 0;
  }
`;

const NETLESS = wat(`(module
  (import "gevent" "connect" (func $connect (param i32 i32 i32 f64) (result i32)))
  (import "gevent" "listen" (func $listen (param i32 i32 i32) (result i32)))
  (import "gevent" "open" (func $open (param i32 i32 i32) (result i32)))
  (import "gevent" "log" (func $log (param i32 i32)))
  (import "gevent" "event_wait" (func $wait (param i32 f64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\\ff\\fe")
  (func (export "net") (result i32) (i32.add
    (call $connect (i32.const 0) (i32.const 0) (i32.const 80) (f64.const -1))
    (call $listen (i32.const 0) (i32.const 0) (i32.const 0))))
  (func (export "files") (result i32) (call $open (i32.const 0) (i32.const 0) (i32.const 1)))
  (func (export "outside") (call $log (i32.const 65530) (i32.const 7)))
  (func (export "far") (call $log (i32.const -1) (i32.const -1)))
  (func (export "bad") (call $log (i32.const 8) (i32.const 2)))
  (func (export "nan") (param i32) (drop (call $wait (local.get 0) (f64.const nan)))))`);

describe.each([...BACKENDS, ...BUNDLED, ...LIFTED])('%s, the world outside:', (backend) => {
  let io: Promise<Uint8Array<ArrayBuffer>> | null = null;

  async function outside(options: LoadOptions) {
    const w = realWorld('wasm');
    const lines: string[] = [];
    io ??= assembly(IO, '--exportTable', '--use', 'abort=');
    const p = await loaded(await io, backend, { log: (line) => lines.push(line), ...options });
    onTestFinished(() => p.instance.close());
    return { w, p, lines };
  }

  test('guests serve and connect', async () => {
    const { p, lines } = await outside({ net: socket });
    const server = p.spawn<number>('serve', 4);
    while (lines.length === 0) await sleep(0.001);
    const port = Number(/^port (\d+)$/.exec(lines.shift() as string)?.[1]);
    const clients = [1, 2].map(() => p.spawn<number>('ask', port));
    const late = p.spawn<number>('late', port);
    const js = spawn(function* () {
      const socket_ = yield* socket.createConnection(['127.0.0.1', port]);
      yield* socket_.sendall('from JavaScript');
      socket_.shutdown(socket.SHUT_WR);
      let text = '';
      for (;;) {
        const bytes = yield* socket_.recv();
        if (bytes.length === 0) break;
        text += bytes;
      }
      socket_.close();
      return text;
    });
    await joinall([server, ...clients, js, late] as Greenlet<unknown>[], { timeout: 20 });
    expect([server.value, js.value, late.value, ...clients.map((it) => it.value)]).toEqual([
      0,
      'from JavaScript',
      -73,
      -8,
      -8,
    ]);
    expect(lines).toEqual(['hello from a guest', 'hello from a guest']);
  });

  test('a refused connection is a number, a socket of the host is a handle', async () => {
    const { p } = await outside({ net: socket });
    const refused = p.spawn<number>('ask', 1);
    const [one, two] = await socket.socketpair();
    const talk = p.spawn<number>('talk', one);
    await joinall([refused, talk], { timeout: 20 });
    expect([refused.value, talk.value]).toEqual([-14, 5]);
    expect(String(await two.recv())).toBe('given');
    one.close();
    two.close();
  });

  test('files below a folder, and nothing else', async () => {
    const root = mkdtempSync(join(tmpdir(), 'gevent-files-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const folder = join(root, 'inside');
    mkdirSync(join(folder, 'sub'), { recursive: true });
    writeFileSync(join(folder, 'a.txt'), 'inside');
    writeFileSync(join(root, 'a.txt'), 'outside');
    symlinkSync(join(root, 'a.txt'), join(folder, 'out'));
    symlinkSync(join(root, 'nowhere'), join(folder, 'nowhere'));
    symlinkSync(root, join(folder, 'sub/out'));
    const { p, lines } = await outside({ files: folder });
    const all = Array.from({ length: 10 }, (_, i) => p.spawn<number>('reads', i));
    await joinall(all, { timeout: 20 });
    expect(all.map((it) => it.value)).toEqual([6, 6, 6, 6, -44, -31, -76, -44, -76, -44]);
    expect(lines.splice(0)).toEqual(['inside', 'inside', 'inside', 'inside']);
    const writes = p.spawn<number>('writes');
    await writes.join({ timeout: 20 });
    expect(writes.value).toBe(0);
    expect(lines).toEqual(['-20', '-28', '3456', '0']);
    expect(readFileSync(join(folder, 'new.txt'), 'utf8')).toBe('01ab456789!');
  });

  test('nothing of it without being allowed, and no pointer outside of the memory', async () => {
    const w = realWorld('wasm');
    const p = await loaded(NETLESS, backend, {});
    const it = ['net', 'files', 'outside', 'far', 'bad', 'nan'].map((name) => p.spawn<number>(name, new Event()));
    await joinall(it, { timeout: 20 });
    expect(it.slice(0, 2).map((each) => each.value)).toEqual([-152, -76]);
    expect(it.slice(2).map((each) => told(each.exception))).toEqual([
      expect.stringContaining('GEVENT_GUEST_POINTER'),
      expect.stringContaining('GEVENT_GUEST_POINTER'),
      expect.stringContaining('GEVENT_GUEST_TEXT'),
      'RangeError: event_wait(timeout): expected a number of seconds, got NaN',
    ]);
    expect(w.reported()).toHaveLength(4);
  });
});

test('load() says what is wrong with what it is given', async () => {
  const bytes = NETLESS;
  for (const backend of BACKENDS) {
    expect(() => load(bytes, { backend, net: {} as never })).toThrow(/load\(\{ net \}\)/);
    expect(() => load(bytes, { backend, files: 5 as never })).toThrow(/load\(\{ files \}\)/);
    expect(() => load(bytes, { backend, log: 'x' as never })).toThrow(/load\(\{ log \}\)/);
  }
});
