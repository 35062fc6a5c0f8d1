// Readiness over real sockets: select, poll, selectors, waits for one socket, and the loop's io, stat and child watchers.

import { spawn as child } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sleep, spawn } from '../../ts/index.ts';
import { registerChild } from '../../ts/net/children.ts';
import * as sel from '../../ts/net/select.ts';
import * as S from '../../ts/net/socket.ts';
import { CORES, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

type Body<T = any> = Generator<any, T, any>;

async function run<T>(body: () => Body<T>): Promise<T> {
  const g = spawn(body);
  g.$quiet = true;
  return (await g.get({ timeout: 20 })) as T;
}

function* caught(op: any): Body<string | undefined> {
  try {
    yield* op;
    return undefined;
  } catch (error) {
    return told(error);
  }
}

describe.each(CORES)('on the %s core', (core) => {
  test('select tells what can be read and written, and takes nothing', async () => {
    realWorld(core);
    await run(function* () {
      const [a, b] = yield* S.socketpair();
      expect(yield* sel.select([a, b], [a], [], { timeout: 0 })).toEqual([[], [a], []]);
      expect(yield* sel.select([a, b], [], [], { timeout: 0.005 })).toEqual([[], [], []]);
      const g = spawn(function* () {
        return yield* sel.select(new Set([b]), []);
      });
      yield* sleep(0.002);
      expect(g.ready()).toBe(false);
      yield* a.sendall('x');
      expect(yield* g.get()).toEqual([[b], [], []]);
      expect(yield* sel.select([b], [], [], { timeout: 0 })).toEqual([[b], [], []]);
      expect(String(yield* b.recv())).toBe('x');
      a.close();
      expect((yield* sel.select([b], []))[0]).toEqual([b]);
      b.close();
    });
  });

  test('a listener is readable when somebody came, a full connection becomes writable when the peer reads', async () => {
    realWorld(core);
    await run(function* () {
      const server = yield* S.createServer(['127.0.0.1', 0]);
      const waiting = spawn(function* () {
        return yield* sel.select([server], []);
      });
      const a = yield* S.createConnection(server.getsockname());
      expect(yield* waiting.get()).toEqual([[server], [], []]);
      const [b] = yield* server.accept();
      a.setblocking(false);
      let full = false;
      while (!full) full = (yield* caught(a.send(Buffer.alloc(65536)))) !== undefined;
      expect(yield* sel.select([], [a], [], { timeout: 0 })).toEqual([[], [], []]);
      const writable = spawn(function* () {
        return yield* sel.select([], [a]);
      });
      yield* sleep(0.002);
      expect(writable.ready()).toBe(false);
      const reading = spawn(function* () {
        for (;;) if ((yield* b.recv()).length === 0) return;
      });
      expect(yield* writable.get()).toEqual([[], [a], []]);
      a.close();
      yield* reading.get();
      b.close();
      server.close();
    });
  });

  test('what cannot be polled is refused', async () => {
    realWorld(core);
    await run(function* () {
      const [a, b] = yield* S.socketpair();
      expect(thrown(() => sel.select([5], []))).toMatch(
        /^GeventError \[GEVENT_FD_UNSUPPORTED\]: select\(rlist\): .* got 5: Node cannot poll bare descriptors; /,
      );
      expect(thrown(() => sel.select(null as never, []))).toMatch(/^TypeError: object null is not iterable|^TypeError/);
      expect(thrown(() => sel.select([a], [], [], { timeout: -1 }))).toMatch(/^RangeError/);
      a.close();
      expect(thrown(() => sel.select([a], []))).toMatch(/^SocketError \[EBADF\]/);
      b.close();
    });
  });

  test('a wait that is killed leaves nothing', async () => {
    realWorld(core);
    await run(function* () {
      const [a, b] = yield* S.socketpair();
      const g = spawn(function* () {
        yield* sel.select([a, b], []);
      });
      yield* sleep(0);
      yield* g.kill();
      expect([a.$reader.side.watched, b.$reader.side.watched]).toEqual([false, false]);
      a.close();
      b.close();
    });
  });

  test("Node's streams and files are polled too", async () => {
    realWorld(core);
    await run(function* () {
      const stream = new PassThrough();
      const [a, b] = yield* S.socketpair();
      const file = b.makefile('rb');
      expect(yield* sel.select([stream, file], [stream], [], { timeout: 0 })).toEqual([[], [stream], []]);
      setTimeout(() => stream.write('x'), 2);
      expect((yield* sel.select([stream, file], []))[0]).toEqual([stream]);
      yield* a.sendall('y');
      expect((yield* sel.select([file], []))[0]).toEqual([file]);
      stream.destroy();
      for (const it of [a, b, file]) it.close();
    });
  });

  test('poll: masks, changes of mind, what is closed', async () => {
    realWorld(core);
    await run(function* () {
      const [a, b] = yield* S.socketpair();
      const poll = new sel.poll<S.socket>();
      poll.register(a);
      poll.register(b, sel.POLLIN);
      expect(yield* poll.poll(0)).toEqual([[a, sel.POLLOUT]]);
      poll.modify(a, sel.POLLIN);
      expect(yield* poll.poll(2)).toEqual([]);
      yield* a.sendall('x');
      expect(yield* poll.poll()).toEqual([[b, sel.POLLIN]]);
      b.close();
      expect(yield* poll.poll(-1)).toContainEqual([b, sel.POLLNVAL]);
      poll.unregister(b);
      expect(thrown(() => poll.unregister(b))).toMatch(/\[GEVENT_NOT_REGISTERED\]: poll\.unregister/);
      expect(thrown(() => poll.modify(b, 1))).toMatch(/\[GEVENT_NOT_REGISTERED\]: poll\.modify/);
      a.close();
    });
  });

  test('selectors: keys with data', async () => {
    realWorld(core);
    await run(function* () {
      const [a, b] = yield* S.socketpair();
      using selector = new sel.DefaultSelector<S.socket>();
      selector.register(a, sel.EVENT_WRITE, 'a');
      const key = selector.register(b, sel.EVENT_READ, 'b');
      expect(yield* selector.select(-1)).toEqual([[{ fileobj: a, events: 2, data: 'a' }, 2]]);
      selector.unregister(a);
      expect(yield* selector.select(0.002)).toEqual([]);
      yield* a.sendall('x');
      expect(yield* selector.select()).toEqual([[key, 1]]);
      expect([selector.getKey(b), selector.getMap().size]).toEqual([key, 1]);
      expect(selector.modify(b, 3).data).toBe(null);
      expect(thrown(() => selector.register(b, 1))).toMatch(/\[GEVENT_REGISTERED\]/);
      expect(thrown(() => selector.register(a, 8))).toMatch(/^RangeError/);
      expect(thrown(() => selector.getKey(a))).toMatch(/\[GEVENT_NOT_REGISTERED\]/);
      a.close();
      b.close();
    });
  });

  test('waitRead, waitWrite and the errors of their timeouts', async () => {
    realWorld(core);
    await run(function* () {
      const [a, b] = yield* S.socketpair();
      yield* S.waitWrite(a);
      yield* S.waitReadwrite(a);
      expect(yield* caught(S.waitRead(a, { timeout: 0.002 }))).toBe('SocketTimeout [ETIMEDOUT]: timed out');
      expect(yield* caught(S.waitRead(a, { timeout: 0.002, timeoutExc: new Error('mine') }))).toBe('Error: mine');
      expect(yield* caught(S.waitRead(a, { timeout: 0.002, timeoutExc: null }))).toMatch(/^Timeout \[GEVENT_TIMEOUT\]/);
      const g = spawn(caught, S.waitRead(a));
      yield* sleep(0);
      a.close();
      expect(yield* g.get()).toBe('SocketError [EBADF]: File descriptor was closed in another greenlet');
      b.close();
    });
  });

  test('loop.io calls back as long as its handle is ready; wait and cancelWait', async () => {
    const { hub } = realWorld(core);
    await run(function* () {
      const [a, b] = yield* S.socketpair();
      const seen: unknown[] = [];
      const io = hub.loop.io(b, 1, { passEvents: true });
      io.start((...args) => seen.push(args), 'arg');
      yield* sleep(0.003);
      expect([seen, io.active]).toEqual([[], true]);
      yield* a.sendall('x');
      yield* sleep(0.01);
      expect(seen.length).toBeGreaterThan(1);
      expect(seen[0]).toEqual([1, 'arg']);
      yield* b.recv();
      const before = seen.length;
      yield* sleep(0.005);
      expect(seen.length - before).toBeLessThanOrEqual(1);
      io.stop();
      const waiting = spawn(caught, S.wait(io as never));
      yield* sleep(0);
      S.cancelWait(io as never, new Error('cancelled'));
      expect(yield* waiting.get()).toBe('Error: cancelled');
      io.close();
      expect(thrown(() => hub.loop.io(0, 1))).toMatch(/\[GEVENT_FD_UNSUPPORTED\]/);
      expect(thrown(() => hub.loop.io(b, 4))).toMatch(/^RangeError: loop\.io\(events\)/);
      a.close();
      b.close();
    });
  });

  test('loop.stat and loop.child', async () => {
    const { hub } = realWorld(core);
    const directory = mkdtempSync(join(tmpdir(), 'gw-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    await run(function* () {
      const path = join(directory, 'file');
      const stat = hub.loop.stat(path, 0.01) as sel.StatWatcher;
      let called = 0;
      stat.start(() => ++called);
      yield* sleep(0.05);
      writeFileSync(path, 'text');
      for (let i = 0; i < 200 && stat.attr === null; ++i) yield* sleep(0.01);
      expect([stat.attr?.size, stat.prev, called > 0]).toEqual([4, null, true]);
      stat.close();
      const process1 = child(process.execPath, ['-e', 'process.exit(3)']);
      registerChild(process1);
      const watcher = hub.loop.child(process1.pid) as sel.ChildWatcher;
      let ended = false;
      watcher.start(() => (ended = true));
      for (let i = 0; i < 500 && !ended; ++i) yield* sleep(0.01);
      expect([watcher.rpid, watcher.rstatus, watcher.active]).toEqual([process1.pid, 3 << 8, false]);
      expect(thrown(() => hub.loop.child(1))).toMatch(/\[GEVENT_FD_UNSUPPORTED\]: loop\.child/);
    });
  });
});
