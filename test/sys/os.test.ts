// Descriptors and processes by their numbers, and the loop's watchers of them.

import { spawn as childSpawn, execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { getHub, sleep, spawn, Timeout } from '../../ts/index.ts';
import { READ, select, WRITE } from '../../ts/net/select.ts';
import * as S from '../../ts/net/socket.ts';
import * as os from '../../ts/sys/os.ts';
import { Popen } from '../../ts/sys/subprocess.ts';
import { CORES, program, rejected, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

const LINUX = process.platform === 'linux';

function temporary(): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'gw-'));
  onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The two ends of a pipe, by a name that is gone. */
function pipe(): [read: number, write: number] {
  const path = join(temporary(), 'pipe');
  execFileSync('mkfifo', [path]);
  const read = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  const write = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  return [read, write];
}

const env = process.env as Record<string, string>;

describe.skipIf(!LINUX).each(CORES)('on the %s core', (core) => {
  describe('descriptors', () => {
    test('nbRead and nbWrite wait for one greenlet only', async () => {
      realWorld(core);
      const [r, w] = pipe();
      const got = spawn(() => os.nbRead(r, 5));
      await sleep(0.01);
      expect(got.dead).toBe(false);
      expect(await os.nbWrite(w, 'hello world')).toBe(11);
      expect(String(await got.get())).toBe('hello');
      const killed = spawn(() => os.nbRead(r, 0));
      expect((await killed.get()) as Buffer).toHaveLength(0);
      expect(String(await os.nbRead(r, 100))).toBe(' world');
      // Waits, is killed, and has taken nothing.
      const reader = spawn(() => os.nbRead(r, 100));
      await sleep(0);
      const killing = reader.kill();
      await os.nbWrite(w, 'kept');
      await killing;
      expect(String(await os.nbRead(r, 100))).toBe('kept');
      os.close(w);
      expect([(await os.nbRead(r, 1)).length, (await os.nbRead(r, 1)).length]).toEqual([0, 0]);
      os.close(r);
      for (const fd of [r, w]) expect(thrown(() => os.nbRead(fd, 1))).toMatch(/^OSError \[EBADF\]/);
    });

    test('nbWrite waits for room', async () => {
      realWorld(core);
      const [r, w] = pipe();
      const writing = spawn(function* () {
        let sent = 0;
        while (sent < 300_000) sent += yield* os.nbWrite(w, Buffer.alloc(300_000 - sent, 'x'));
        os.close(w);
      });
      await sleep(0.02);
      expect(writing.dead).toBe(false);
      let got = 0;
      for (;;) {
        const { length } = await os.nbRead(r, 65536);
        if (length === 0) break;
        got += length;
      }
      expect(got).toBe(300_000);
      os.close(r);
    });

    test('close wakes who waits, and closes then', async () => {
      realWorld(core);
      const [r, w] = pipe();
      const reader = spawn(() => os.nbRead(r, 1));
      reader.$quiet = true;
      await sleep(0);
      os.close(r);
      await reader.join();
      expect(told(reader.exception)).toBe('SocketError [EBADF]: File descriptor was closed in another greenlet');
      await sleep(0.01);
      expect(thrown(() => fs.fstatSync(r))).toMatch(/EBADF/);
      expect(thrown(() => os.close(r))).toMatch(/^OSError \[EBADF\]/);
      os.close(w);
      const fd = fs.openSync('/dev/null', 'r');
      os.close(fd);
      expect(thrown(() => fs.fstatSync(fd))).toMatch(/EBADF/);
    });

    test('makeNonblocking has Node poll a descriptor: select and the loop take its number', async () => {
      realWorld(core);
      const [r, w] = pipe();
      expect(thrown(() => getHub().loop.io(r, READ))).toMatch(/^GeventError \[GEVENT_FD_UNSUPPORTED\]/);
      expect([
        os.makeNonblocking(r),
        os.makeNonblocking(r),
        os.makeNonblocking(w),
        os.makeNonblocking({ fd: w }),
      ]).toEqual([true, false, true, false]);
      expect(await select([r], [w], [], { timeout: 0 })).toEqual([[], [w], []]);
      const calls: unknown[] = [];
      const watcher = getHub().loop.io(r, READ, { passEvents: true });
      watcher.start((events) => {
        calls.push(events);
        watcher.stop();
      });
      await os.nbWrite(w, 'x');
      for (let i = 0; i < 100 && calls.length === 0; ++i) await sleep(0.001);
      expect([calls, (watcher as any).fd, watcher.active]).toEqual([[READ], r, false]);
      expect(await select([r], [], [], { timeout: 1 })).toEqual([[r], [], []]);
      expect(String(await os.nbRead(r, 10))).toBe('x');
      const writable = getHub().loop.io(w, WRITE);
      writable.start(() => {
        calls.push('writable');
        writable.close();
      });
      for (let i = 0; i < 100 && calls.length === 1; ++i) await sleep(0.001);
      expect(calls).toEqual([READ, 'writable']);
      // Closing calls those who watch once more.
      watcher.start(() => {
        calls.push('closing');
        watcher.stop();
      });
      os.close(r);
      await sleep(0);
      await sleep(0);
      expect(calls).toEqual([READ, 'writable', 'closing']);
      os.close(w);
      const fd = fs.openSync('/dev/null', 'r');
      expect(os.makeNonblocking(fd)).toBe(false);
      expect(await os.nbRead(fd, 10)).toHaveLength(0);
      os.close(fd);
    });

    test('closingFd calls the watchers of any handle, of this loop', async () => {
      realWorld(core);
      const { loop } = getHub();
      const [a, b] = await S.socketpair();
      const calls: string[] = [];
      expect(loop.closingFd(a)).toBe(false);
      const watcher = loop.io(a, READ);
      watcher.start(() => calls.push('called'));
      expect([loop.closingFd(a), loop.closingFd(b)]).toEqual([true, false]);
      await sleep(0);
      await sleep(0);
      expect(calls).toEqual(['called']);
      watcher.close();
      expect(loop.closingFd(a)).toBe(false);
      a.close();
      b.close();
    });

    test('tpRead and tpWrite use the pool of threads', async () => {
      realWorld(core);
      const path = join(temporary(), 'file');
      const w = fs.openSync(path, 'w');
      expect([await os.tpWrite(w, 'abc'), await os.nbWrite(w, Buffer.from('def'))]).toEqual([3, 3]);
      os.close(w);
      const r = fs.openSync(path, 'r');
      expect([
        String(await os.tpRead(r, 2)),
        String(await os.nbRead(r, 2)),
        String(await os.tpRead({ fileno: () => r }, 9)),
      ]).toEqual(['ab', 'cd', 'ef']);
      expect((await os.tpRead(r, 5)).length).toBe(0);
      os.close(r);
      expect(await rejected(os.tpRead(r, 5))).toMatch(/^OSError \[EBADF\]/);
      expect(thrown(() => os.tpRead(-1, 5))).toBe('RangeError: tpRead(fd): expected a file descriptor, got -1');
      expect(thrown(() => os.nbRead('x' as never, 5))).toBe(
        'TypeError: nbRead(fd): expected a file descriptor, got "x"',
      );
      expect(thrown(() => os.tpRead(0, -5))).toBe('RangeError: tpRead(n): expected a number of bytes from 0, got -5');
      expect(thrown(() => os.tpWrite(0, 5 as never))).toMatch(/^TypeError: tpWrite\(data\)/);
    });
  });

  describe('children', () => {
    test('posixSpawn starts one, waitpid tells of its end, once', async () => {
      realWorld(core);
      const pid = os.posixSpawn('/bin/sh', ['sh', '-c', 'exit 7'], env);
      expect(await os.waitpid(pid)).toEqual([pid, 7 << 8]);
      expect(await rejected(os.waitpid(pid))).toMatch(/^OSError \[ECHILD\]/);
      const killed = os.posixSpawnp('sleep', ['sleep', '60'], env);
      expect(await os.waitpid(killed, os.WNOHANG)).toEqual([0, 0]);
      process.kill(killed, 'SIGTERM');
      const status = await os.waitpid(killed);
      expect([status, os.waitstatusToExitcode(status[1]), os.waitstatusToExitcode(7 << 8)]).toEqual([
        [killed, 15],
        -15,
        7,
      ]);
      expect(await rejected(os.waitpid(-1))).toMatch(/^OSError \[ECHILD\]/);
      expect(await rejected(os.waitpid(1, os.WNOHANG))).toMatch(/^OSError \[ECHILD\]/);
    });

    test('any child: the one that ends first; one who is killed in it leaves it to others', async () => {
      realWorld(core);
      const slow = os.posixSpawn('/bin/sleep', ['sleep', '60'], env);
      const quick = new Popen(['true']);
      const waiting = spawn(() => os.waitpid(slow));
      await sleep(0);
      await waiting.kill();
      expect(await os.waitpid(-1)).toEqual([quick.pid, 0]);
      expect(await quick.wait()).toBe(0);
      process.kill(slow, 'SIGKILL');
      const both = [spawn(() => os.waitpid(slow)), spawn(() => os.waitpid(slow))];
      for (const g of both) g.$quiet = true;
      const results = await Promise.all(both.map((g) => g.get().then(String, told)));
      expect(results.sort()).toEqual([`${slow},9`, expect.stringMatching(/^OSError \[ECHILD\]/)]);
    });

    test('file actions: opened, closed and duplicated, in order', async () => {
      realWorld(core);
      const path = join(temporary(), 'out');
      const { O_CREAT, O_WRONLY } = fs.constants;
      const run = (script: string, fileActions: os.PosixSpawnOptions['fileActions'] = []) =>
        os.waitpid(os.posixSpawn('/bin/sh', ['sh', '-c', script], env, { fileActions }));
      await run('echo out; echo err >&2; echo five >&5', [
        [os.POSIX_SPAWN_OPEN, 1, path, O_WRONLY | O_CREAT, 0o600],
        [os.POSIX_SPAWN_DUP2, 1, 2],
        [os.POSIX_SPAWN_DUP2, 2, 5],
        [os.POSIX_SPAWN_CLOSE, 0],
      ]);
      expect(fs.readFileSync(path, 'utf8')).toBe('out\nerr\nfive\n');
      expect(fs.statSync(path).mode & 0o777).toBe(0o600 & ~process.umask());
      expect(await run('cat', [[os.POSIX_SPAWN_CLOSE, 0]])).toEqual([expect.any(Number), 0]);
      expect(thrown(() => os.posixSpawn('/no/such', ['x'], env))).toMatch(/^OSError \[ENOENT\]/);
      expect(thrown(() => os.posixSpawn('sh', ['sh'], env))).toMatch(/^OSError \[ENOENT\]/);
      expect(thrown(() => os.posixSpawnp('no-such', ['x'], env))).toMatch(/^OSError \[ENOENT\]/);
      expect(thrown(() => os.posixSpawn('/bin/sh', [], env))).toMatch(/^TypeError: posixSpawn\(argv\)/);
      const bad = [[os.POSIX_SPAWN_OPEN, 1, '/no/such/dir/x', O_WRONLY]] as const;
      expect(thrown(() => os.posixSpawn('/bin/sh', ['sh'], env, { fileActions: bad }))).toMatch(/^OSError \[ENOENT\]/);
      const session = os.posixSpawn('/bin/sh', ['sh', '-c', 'test $(cut -d" " -f6 /proc/$$/stat) = $$'], env, {
        setsid: true,
      });
      expect(await os.waitpid(session)).toEqual([session, 0]);
    });

    test('loop.child takes the number of one that lives', async () => {
      realWorld(core);
      const pid = os.posixSpawn('/bin/sh', ['sh', '-c', 'exit 3'], env);
      const watcher = getHub().loop.child(pid) as any;
      await getHub().wait(watcher);
      expect([watcher.pid, watcher.rpid, watcher.rstatus]).toEqual([pid, pid, 3 << 8]);
      watcher.close();
      expect(await os.waitpid(pid)).toEqual([pid, 3 << 8]);
      const child = childSpawn('true');
      const other = getHub().loop.child(child) as any;
      await getHub().wait(other);
      expect(other.rstatus).toBe(0);
    });
  });

  test('loop.stat: what a file is, and what it was', async () => {
    realWorld(core);
    const path = join(temporary(), 'file');
    const watcher = getHub().loop.stat(path, 0.01) as any;
    const calls: unknown[] = [];
    watcher.start(() => calls.push([watcher.prev?.size, watcher.attr?.size]));
    expect([watcher.path, watcher.interval, watcher.attr, watcher.prev]).toEqual([path, 0.01, null, null]);
    const until = async (count: number) => {
      for (let i = 0; i < 300 && calls.length < count; ++i) await sleep(0.01);
    };
    await sleep(0.05);
    expect(calls).toEqual([]);
    fs.writeFileSync(path, 'abc');
    await until(1);
    fs.appendFileSync(path, 'de');
    await until(2);
    fs.unlinkSync(path);
    await until(3);
    expect([calls[0], calls.at(-1)]).toEqual([
      [undefined, expect.any(Number)],
      [expect.any(Number), undefined],
    ]);
    watcher.close();
    fs.writeFileSync(path, 'abc');
    const there = getHub().loop.stat(path, 0.01) as any;
    there.start(() => {});
    expect(there.attr.size).toBe(3);
    there.close();
  });
});

describe.skipIf(!LINUX)('in a process of its own', () => {
  test('a child of posixSpawn keeps the process only while somebody waits for it', async () => {
    const source = (wait: boolean) => `
      import { posixSpawn, waitpid } from '#sys/os.ts';
      const pid = posixSpawn('/bin/sleep', ['sleep', '1'], process.env);
      process.on('exit', () => console.log('out'));
      ${wait ? 'console.log((await waitpid(pid))[1]);' : ''}
    `;
    const [waited, left] = await Promise.all([program(source(true)), program(source(false))]);
    expect([waited.stdout, left.stdout]).toEqual([['0', 'out'], ['out']]);
  });
});

test('a Timeout while waiting for a child', async () => {
  realWorld('wasm');
  if (!LINUX) return;
  const pid = os.posixSpawn('/bin/sleep', ['sleep', '60'], env);
  using _timeout = Timeout.startNew(0.02);
  expect(await rejected(os.waitpid(pid))).toMatch(/^Timeout/);
  process.kill(pid, 'SIGKILL');
  expect(await os.waitpid(pid)).toEqual([pid, 9]);
});
