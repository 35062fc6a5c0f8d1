// Unmodified programs for WASI: C as Debian's clang compiles it, on each backend. What is said here holds on all of them.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { command } from '../../ts/guest/command.ts';
import { GuestTrap, load, type Program } from '../../ts/guest/guest.ts';
import {
  loadWasi,
  type RunOptions,
  runWasi,
  startReactor,
  WasiExitError,
  type WasiProcess,
} from '../../ts/guest/wasi/wasi.ts';
import { Greenlet, GreenletExit, joinall, sleep, spawn, Timeout } from '../../ts/index.ts';
import { createConnection, createServer, socketpair } from '../../ts/net/socket.ts';
import { Channel, END, Queue } from '../../ts/queue.ts';
import { FileObject } from '../../ts/sys/fileobject.ts';
import { rejected, thrown, told } from '../support/cores.ts';
import { BACKENDS, hasWasi, wasi, wat } from '../support/guests.ts';
import { realWorld } from '../support/real.ts';
import { leftIn, type World, world } from '../support/worlds.ts';

const TOOL = hasWasi
  ? wasi(readFileSync(join(import.meta.dirname, 'programs/tool.c'), 'utf8'), '-Wl,--strip-debug')
  : new Uint8Array();

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** A folder that is gone after the test. */
function folder(files: Record<string, string> = {}): string {
  const made = mkdtempSync(join(tmpdir(), 'gevent-wasi-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(made, name), content);
  return made;
}

/** Descriptors of this process that are open on something below a path. */
function openBelow(path: string): number {
  return readdirSync('/proc/self/fd', { encoding: 'utf8' }).filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
    } catch {
      return false;
    }
  }).length;
}

// Loaded once: making a program of it takes asyncify a second.
const programs = new Map<string, Promise<Program>>();
function tool(backend: (typeof BACKENDS)[number]): Promise<Program> {
  let program = programs.get(backend);
  if (program === undefined) {
    program = Promise.resolve(loadWasi(TOOL, { backend, name: 'tool' }));
    programs.set(backend, program);
  }
  return program;
}

describe.skipIf(!hasWasi).each(BACKENDS)('%s:', (backend) => {
  interface Shell {
    readonly w: World;
    readonly program: Program;
    /** Start the tool with these arguments. */
    start(args: string, options?: RunOptions): WasiProcess;
    /** Let time pass. */
    run(seconds?: number): Promise<void>;
    /** Start it, let an hour pass, and give what came of it. */
    ran(args: string, options?: RunOptions): Promise<{ code: unknown; out: string; err: string }>;
  }

  async function shell(): Promise<Shell> {
    const program = await tool(backend);
    const w = world('wasm');
    const start = (args: string, options: RunOptions = {}): WasiProcess =>
      runWasi(program, { args: ['tool', ...args.split(' ')], stdout: 'collect', stderr: 'collect', ...options });
    const run = (seconds = 0): Promise<void> => w.clock.advanceAsync(seconds);
    const made: Shell = {
      w,
      program,
      start,
      run,
      async ran(args, options) {
        const p = start(args, options);
        for (let i = 0; i < 200 && !p.dead; ++i) {
          await run(i < 100 ? 0 : 3600);
          // Directories are opened by the platform.
          if (!p.dead) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        if (!p.dead) throw new Error(`${p} does not end`);
        return { code: p.exception === undefined ? p.value : told(p.exception), out: p.out, err: p.err };
      },
    };
    onTestFinished(async () => {
      await run();
      expect(leftIn(w.hub), 'left').toEqual({});
    });
    return made;
  }

  describe('a program', () => {
    test('gets its arguments and environment, and its exit code is the value', async () => {
      const { ran } = await shell();
      expect(await ran('echo ä', { env: { HOME: '/höme', GONE: undefined } })).toEqual({
        code: 3,
        out: '[tool][echo][ä] HOME=/höme\n',
        err: 'to stderr\n',
      });
      expect(await ran('exit 200')).toEqual({ code: 200, out: '', err: '' });
      expect((await ran('random')).code).toBe(0);
    });

    test('without options has its name as argument, no environment, and nothing to read', async () => {
      const { program, run } = await shell();
      const p = runWasi(program, { stdout: 'collect', stderr: 'ignore', name: 'bare' });
      await run();
      expect([p.value, p.out]).toEqual([1, '[bare] HOME=(none)\n']);
    });

    test('sleeps with the others running', async () => {
      const { w, start, run } = await shell();
      const say = (bytes: Uint8Array): void => w.trace(text(bytes).trim());
      const a = start('naps a 4 100', { stdout: say });
      const b = start('naps b 3 130', { stdout: say });
      const js = spawn(function* () {
        for (let i = 0; i < 3; ++i) {
          yield* sleep(0.16);
          w.trace(`js${i}`);
        }
      });
      await run(0.449);
      expect(w.seen()).toEqual(['a0', 'b0', 'js0', 'a1', 'b1', 'a2', 'js1', 'b2', 'a3']);
      await run(0.051);
      expect(w.seen()).toEqual(['js2']);
      expect([a.value, b.value, js.dead]).toEqual([0, 0, true]);
    });

    test('sees all clocks go with the hub, and absolute deadlines kept', async () => {
      const { ran } = await shell();
      expect((await ran('clocks')).out).toBe('1.5 1.5\n3.5\n4.5\n');
    });

    test('lets others run when it yields', async () => {
      const { w, start, run } = await shell();
      const say = (bytes: Uint8Array): void => w.trace(text(bytes).trim());
      start('yields a 3', { stdout: say });
      start('yields b 3', { stdout: say });
      await run();
      expect(w.seen()).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
    });

    test('can be one of many in one pool, each with a memory of its own', async () => {
      const { start, run } = await shell();
      const all = Array.from({ length: 50 }, (_, i) => start(`naps ${i}: 2 ${100 + i}`));
      const done = spawn(() => joinall(all));
      await run(0.2 + 0.098);
      expect(done.dead).toBe(true);
      expect(all.map((p) => p.out)).toEqual(all.map((_, i) => `${i}:0\n${i}:1\n`));
    });
  });

  describe('standard input', () => {
    test.each([
      ['text', () => '1 2\n39'],
      ['bytes', () => new TextEncoder().encode('1 2\n39')],
      ['an ArrayBuffer', () => new TextEncoder().encode('1 2\n39').buffer],
      ['a queue that was shut down', () => shut(new Queue(null, ['1 ', '', '2\n3', new TextEncoder().encode('9')]))],
      ['a queue with an END', () => new Queue(null, ['1 ', '2\n39', END as unknown as string])],
    ])('is %s', async (_what, stdin) => {
      const { ran } = await shell();
      expect(await ran('sum', { stdin: stdin() })).toEqual({ code: 0, out: '42\n', err: '' });
    });

    function shut<T extends Queue>(queue: T): T {
      queue.shutdown();
      return queue;
    }

    test('from a queue is waited for, item by item', async () => {
      const { w, start, run } = await shell();
      const queue = new Queue<string>();
      const p = start('cat >', { stdin: queue, stdout: (bytes) => w.trace(text(bytes).trim()) });
      await run(5);
      expect(w.seen()).toEqual([]);
      await queue.put('one\n').then();
      await run();
      expect(w.seen()).toEqual(['>one']);
      await queue.put('half').then();
      await run();
      await queue.put(' and half\nlast').then();
      await run();
      expect(w.seen()).toEqual(['>half and half']);
      queue.shutdown();
      await run();
      expect([w.seen(), p.value]).toEqual([['>last'], 3]);
    });

    test('from a channel ends the wait of who puts', async () => {
      const { w, start, run } = await shell();
      const channel = new Channel<string>();
      const p = start('cat >', { stdin: channel });
      spawn(function* () {
        yield* channel.put('a\n');
        w.trace('taken');
        yield* channel.put(END as unknown as string);
      });
      await run();
      expect([p.out, p.value, w.seen()]).toEqual(['>a\n', 1, ['taken']]);
    });

    test('of something that is no bytes is the error of the program', async () => {
      const { w, ran } = await shell();
      expect((await ran('cat >', { stdin: new Queue<any>(null, [42]) })).code).toMatch(
        /^TypeError: stdin: expected strings or bytes from <Queue.*>, got 42$/,
      );
      expect(w.reported()).toHaveLength(1);
    });

    test('is polled with a time limit', async () => {
      const { start, run } = await shell();
      const queue = new Queue<string>();
      const p = start('polls', { stdin: queue });
      await run(2.5);
      expect(p.out).toBe('tick\ntick\n');
      await queue.put('abc').then();
      await run(1.2);
      expect(p.out).toBe('tick\ntick\n3\ntick\n');
      queue.shutdown();
      await run();
      expect([p.out, p.value]).toEqual(['tick\ntick\n3\ntick\n0 hangup\n', 0]);
    });

    test('is selected together with output, and a number that is not open is told', async () => {
      const { ran } = await shell();
      expect((await ran('selects', { stdin: new Queue() })).out).toBe('1 0 1\n1 1\n');
      expect((await ran('selects', { stdin: 'x' })).out).toBe('2 1 1\n1 1\n');
    });

    test('that must not wait gives EAGAIN', async () => {
      const { start, run } = await shell();
      const queue = new Queue<string>();
      const p = start('nonblock', { stdin: queue });
      await run(0.5);
      await queue.put('abc').then();
      await run(0.5);
      expect(p.out).toBe('-1 1\n3\n');
    });

    test('that nobody could ever put is a LoopExit, which names the queue', async () => {
      const { start, run } = await shell();
      const p = start('cat >', { stdin: new Queue<string>() });
      await run();
      const told = rejected(p.get());
      await run();
      const said = await told;
      expect(said).toMatch(/^LoopExit \[GEVENT_LOOP_EXIT\]: This operation would block forever/);
      expect(said).toMatch(/ in Queue\.get$/);
      p.kill({ block: false });
    });
  });

  describe('standard output', () => {
    test('to a function that waits holds the program', async () => {
      const { w, start, run } = await shell();
      const p = start('naps x 2 100', {
        stdout: (bytes) => {
          w.trace(text(bytes).trim());
          return sleep(1);
        },
      });
      await run(1.09);
      expect(w.seen()).toEqual(['x0']);
      await run(0.11);
      expect(w.seen()).toEqual(['x1']);
      await run(1);
      expect(p.value).toBe(0);
    });

    test('whose function throws ends the program with that error', async () => {
      const { w, ran } = await shell();
      const ended = await ran('naps x 2 1', {
        stdout: () => {
          throw new Error('no paper');
        },
      });
      expect(ended.code).toBe('Error: no paper');
      expect(w.reported()).toHaveLength(1);
    });

    test('to a queue waits for room', async () => {
      const { start, run } = await shell();
      const queue = new Queue<Uint8Array>(1);
      const p = start('naps x 3 0', { stdout: queue });
      await run();
      expect([queue.qsize(), p.dead]).toEqual([1, false]);
      const got: string[] = [];
      spawn(function* () {
        for (let i = 0; i < 3; ++i) got.push(text(yield* queue.get()).trim());
      });
      await run();
      expect([got, p.value, queue.isShutdown]).toEqual([['x0', 'x1', 'x2'], 0, false]);
    });

    test('to a queue that was shut down is a broken pipe', async () => {
      const { ran } = await shell();
      const queue = new Queue<Uint8Array>();
      queue.shutdown();
      expect((await ran('flood 10', { stdout: queue })).code).toBe(32);
    });

    test('as a pipe feeds another program, which sees its end', async () => {
      const { start, run } = await shell();
      const a = start('naps x 3 100', { stdout: 'pipe' });
      const b = start('cat >', { stdin: a.stdout, stdout: 'pipe' });
      const c = start('cat >', { stdin: b.stdout });
      await run(0.3);
      expect([a.value, b.value, c.value, c.out]).toEqual([0, 3, 3, '>>x0\n>>x1\n>>x2\n']);
    });

    test('as a pipe ends also when the program was killed, before it ran or later', async () => {
      const { start, run } = await shell();
      const first = start('naps x 3 100', { stdout: 'pipe' });
      const second = start('naps x 3 100', { stderr: 'pipe' });
      first.kill({ block: false });
      await run(0.1);
      second.kill({ block: false });
      await run();
      expect([first.stdout?.isShutdown, second.stderr?.isShutdown, first.stderr]).toEqual([true, true, null]);
    });

    test('is written in pieces where it is long', async () => {
      const { start, run } = await shell();
      const pieces: number[] = [];
      const p = start('flood 150000', { stdout: (bytes) => void pieces.push(bytes.length) });
      await run();
      expect([p.value, pieces]).toEqual([0, [65536, 65536, 18928]]);
    });

    test('that the program closed takes no more', async () => {
      const { ran } = await shell();
      expect(await ran('closing')).toEqual({ code: 0, out: 'a', err: '1 -1 1\n' });
    });
  });

  describe('files', () => {
    const SAID =
      'from outside\nby C\nentries 2\nrename 0\nstat 0 12\nmkdir 0\nrmdir 0\nentries 2\noutside refused\nnowhere refused\n';

    test('are in directories of the system that were opened for it, and nowhere else', async () => {
      const { ran } = await shell();
      const outer = folder({ 'secret.txt': 'secret' });
      const inner = join(outer, 'inner');
      mkdirSync(inner);
      writeFileSync(join(inner, 'in.txt'), 'from outside');
      expect(await ran('files /data', { preopens: { '/data': inner } })).toEqual({ code: 0, out: SAID, err: '' });
      expect(readFileSync(join(inner, 'moved.txt'), 'utf8')).toBe('written by C');
      expect(openBelow(outer)).toBe(0);
    });

    test('are in directories in memory', async () => {
      const { ran } = await shell();
      const tree = { 'in.txt': 'from outside' };
      expect(await ran('files /data', { preopens: { '/data': tree } })).toEqual({ code: 0, out: SAID, err: '' });
      expect(tree).toEqual({ 'in.txt': 'from outside' });
    });

    test('can be in several directories of both kinds', async () => {
      const { ran } = await shell();
      const preopens = {
        '/a': { 'in.txt': 'in memory' },
        '/b': folder({ 'in.txt': 'on disk' }),
        '/c': { 'in.txt': '3' },
      };
      const firsts = [];
      for (const path of Object.keys(preopens))
        firsts.push((await ran(`files ${path}`, { preopens })).out.split('\n')[0]);
      expect(firsts).toEqual(['in memory', 'on disk', '3']);
    });

    test('that are open when the program is killed are closed', async () => {
      const { start, run } = await shell();
      const path = folder({ 'in.txt': '' });
      const before = openBelow(path);
      const p = start('hold /data/in.txt', { preopens: { '/data': path } });
      for (let i = 0; i < 100 && p.out === ''; ++i) {
        await run();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect([p.out, openBelow(path) - before]).toEqual(['open\n', 4]);
      p.kill({ block: false });
      await run();
      expect([(p.value as unknown) instanceof GreenletExit, openBelow(path) - before]).toEqual([true, 0]);
    });

    test('cannot be opened where there is no directory: a clear error', async () => {
      const { w, ran } = await shell();
      const path = folder({ file: '' });
      expect((await ran('echo', { preopens: { '/data': join(path, 'none') } })).code).toMatch(
        /^GuestError \[GEVENT_WASI_PREOPEN\]: preopens: "\/data" cannot be opened: ENOENT/,
      );
      expect((await ran('echo', { preopens: { '/data': join(path, 'file') } })).code).toMatch(/is no directory$/);
      expect(w.reported()).toHaveLength(2);
    });
  });

  describe('the end', () => {
    test.each(['abort', 'null', 'wild', 'overflow'])('by a trap is a GuestTrap: %s', async (how) => {
      const { w, start, run } = await shell();
      const p = start(`trap ${how}`);
      const other = start('naps a 1 10');
      await run(0.01);
      expect(p.exception).toBeInstanceOf(GuestTrap);
      expect(p.exception).toMatchObject({ code: 'GEVENT_GUEST_TRAP' });
      expect([p.out, other.value]).toEqual(['before\n', 0]);
      expect(w.reported()).toEqual([expect.stringMatching(/^GuestTrap: tool\._start trapped: .* \| <WasiProcess/)]);
    });

    test('by another exit code is raised where that was asked for', async () => {
      const { w, start, run, ran } = await shell();
      expect((await ran('exit 0', { check: true })).code).toBe(0);
      const p = start('exit 3', { check: true });
      await run();
      expect(p.exception).toBeInstanceOf(WasiExitError);
      expect(p.exception).toMatchObject({
        code: 'GEVENT_WASI_EXIT',
        exitCode: 3,
        message: 'tool ended with exit code 3',
      });
      expect(w.reported()).toHaveLength(1);
    });

    test('by a kill comes where it waits: in a sleep, a read, a write, a poll', async () => {
      const { start, run } = await shell();
      const full = new Queue<Uint8Array>(1, [new Uint8Array(1)]);
      const all = [
        start('naps x 9 1000'),
        start('cat >', { stdin: new Queue<string>() }),
        start('flood 10', { stdout: full }),
        start('polls', { stdin: new Queue<string>() }),
      ];
      await run(0.5);
      expect(all.map((p) => p.dead)).toEqual([false, false, false, false]);
      const killed = spawn(function* () {
        for (const p of all) yield* p.kill();
      });
      await run();
      expect(killed.successful()).toBe(true);
      expect(all.map((p) => (p.value as unknown) instanceof GreenletExit)).toEqual([true, true, true, true]);
      expect(full.qsize()).toBe(1);
    });

    test('by its timeout is raised, and the program is over', async () => {
      const { w, start, run } = await shell();
      const p = start('naps x 9 1000', { timeout: 2.5 });
      await run(2.5);
      expect(p.exception).toBeInstanceOf(Timeout);
      expect(p.out).toBe('x0\nx1\n');
      expect(w.reported()).toHaveLength(1);
    });

    test('of who waits for it does not end the program', async () => {
      const { w, start, run } = await shell();
      const p = start('naps x 2 1000');
      const waiter = spawn(function* () {
        try {
          yield* p.get({ timeout: 0.5 });
        } catch (error) {
          w.trace((error as Error).name);
        }
      });
      await run(2);
      expect([waiter.dead, w.seen(), p.value]).toEqual([true, ['Timeout'], 0]);
    });

    test('of the hub ends it', async () => {
      const program = await tool(backend);
      const w = world('wasm');
      const p = runWasi(program, { args: ['tool', 'naps', 'x', '9', '1000'], stdout: 'collect' });
      await w.clock.advanceAsync(0.5);
      w.hub.destroy();
      await new Promise((resolve) => setTimeout(resolve, 1));
      expect(p.instance).not.toBeNull();
    });
  });

  describe('from bytes', () => {
    test('a program is loaded and run in one call', async () => {
      const w = realWorld('wasm');
      const p = runWasi(TOOL, { backend, args: ['tool', 'echo'], stdout: 'collect', stderr: 'collect' });
      expect(await p.get()).toBe(2);
      expect(p.out).toBe('[tool][echo] HOME=(none)\n');
      expect(w.reported()).toEqual([]);
    });

    test('a kill while it is loaded leaves nothing', async () => {
      realWorld('wasm');
      const p = runWasi(TOOL, { backend, args: ['tool', 'echo'] });
      await sleep(0);
      await p.kill();
      expect(p.value).toBeInstanceOf(GreenletExit);
    });
  });

  describe('over the network and streams of Node', () => {
    test('a listening socket is accepted on, and its connections are served', async () => {
      realWorld('wasm');
      const program = await tool(backend);
      const listener = await createServer(['127.0.0.1', 0]);
      const p = runWasi(program, { args: ['tool', 'serve', '3', '2'], stdout: 'collect', fds: { 3: listener } });
      for (const word of ['hello', 'world']) {
        const connection = await createConnection(listener.getsockname());
        await connection.sendall(word);
        expect(String(await connection.recv())).toBe(word);
        connection.shutdown(1);
        expect((await connection.recv()).length).toBe(0);
        connection.close();
      }
      expect([await p.get(), p.out]).toEqual([0, 'served 0, peeked 1\nserved 1, peeked 1\n']);
      expect(listener.closed).toBe(false);
      listener.close();
    });

    test('a kill while it accepts leaves the socket to its owner', async () => {
      realWorld('wasm');
      const program = await tool(backend);
      const listener = await createServer(['127.0.0.1', 0]);
      const p = runWasi(program, { args: ['tool', 'serve', '3', '1'], stdout: 'collect', fds: { 3: listener } });
      await sleep(0.01);
      await p.kill();
      const accepted = listener.accept();
      const client = spawn(() => createConnection(listener.getsockname()));
      const [connection] = await accepted;
      connection.close();
      (await client.get()).close();
      listener.close();
    });

    test('a socket can be both ends of a program', async () => {
      realWorld('wasm');
      const program = await tool(backend);
      const listener = await createServer(['127.0.0.1', 0]);
      const client = await createConnection(listener.getsockname());
      const [served] = await listener.accept();
      const p = runWasi(program, { args: ['tool', 'cat', '>'], stdin: served, stdout: served });
      await client.sendall('one\n');
      expect(String(await client.recv())).toBe('>one\n');
      await client.sendall('two\n');
      client.shutdown(1);
      expect(await p.get()).toBe(2);
      expect(String(await client.recv())).toBe('>two\n');
      for (const it of [served, client, listener]) it.close();
    });

    test('a readable stream is read, and what was not taken stays in it', async () => {
      realWorld('wasm');
      const program = await tool(backend);
      const stream = new PassThrough();
      const p = runWasi(program, { args: ['tool', 'cat', '>'], stdin: stream, stdout: 'collect' });
      stream.write('one\n');
      await sleep(0.01);
      stream.end('two\n');
      expect([await p.get(), p.out]).toEqual([2, '>one\n>two\n']);
    });

    test('a writable stream that is full holds the program', async () => {
      realWorld('wasm');
      const program = await tool(backend);
      let release = (): void => {};
      const got: string[] = [];
      const stream = new Writable({
        highWaterMark: 4,
        write(chunk, _encoding, done) {
          got.push(String(chunk));
          release = done;
        },
      });
      const p = runWasi(program, { args: ['tool', 'naps', 'long', '2', '1'], stdout: stream });
      await sleep(0.05);
      expect(got).toEqual(['long0\n']);
      release();
      await sleep(0.05);
      expect([got, p.dead]).toEqual([['long0\n', 'long1\n'], false]);
      release();
      expect(await p.get()).toBe(0);
      expect(['drain', 'error', 'close'].map((event) => stream.listenerCount(event))).toEqual([0, 0, 0]);
    });

    test('files of ours are read and written, on disk and over a socket, and stay open', async () => {
      realWorld('wasm');
      const program = await tool(backend);
      const path = folder({ 'in.txt': 'one\ntwo\n' });
      const from = new FileObject(join(path, 'in.txt'), 'rb');
      const to = new FileObject(join(path, 'out.txt'), 'wb');
      expect(await runWasi(program, { args: ['tool', 'cat', '>'], stdin: from, stdout: to }).get()).toBe(2);
      expect([from.closed, to.closed]).toEqual([false, false]);
      await from.close();
      await to.close();
      expect(readFileSync(join(path, 'out.txt'), 'utf8')).toBe('>one\n>two\n');

      const [a, b] = await socketpair();
      const file = a.makefile('rb');
      const p = runWasi(program, { args: ['tool', 'polls'], stdin: file, stdout: 'collect' });
      await b.sendall('abc');
      await sleep(0.01);
      b.shutdown(1);
      expect([await p.get(), p.out]).toEqual([0, '3\n0 hangup\n']);
      file.close();
      a.close();
      b.close();
    });

    test('a writable stream that breaks is a broken pipe', async () => {
      realWorld('wasm');
      const program = await tool(backend);
      const stream = new PassThrough();
      stream.on('error', () => {});
      const p = runWasi(program, { args: ['tool', 'flood', '400000'], stdout: stream });
      await sleep(0.01);
      stream.destroy();
      expect(await p.get()).toBe(32);
    });
  });
});

describe.each(BACKENDS)('%s, without a compiler:', (backend) => {
  const TEXT = `(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (global $state (mut i32) (i32.const 0))
    (data (i32.const 16) "\\18\\00\\00\\00\\06\\00\\00\\00hello\\n")
    (func $say (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8))))
    BODY)`;
  const START = (code: string): Uint8Array<ArrayBuffer> =>
    wat(TEXT.replace('BODY', `(func (export "_start") ${code})`));

  async function codeOf(code: string, options: RunOptions = {}): Promise<unknown> {
    realWorld('wasm');
    return runWasi(START(code), { backend, stdout: 'collect', ...options }).get();
  }

  test('what points outside the memory is EFAULT, of every kind of call', async () => {
    // Each bit: a call that gave another number than 21.
    const fault = (call: string, bit: number): string =>
      `(if (i32.ne (call ${call}) (i32.const 21)) (then (global.set $state (i32.or (global.get $state) (i32.const ${1 << bit})))))`;
    const far = '(i32.const -8)';
    expect(
      await codeOf(`
        ${fault(`$write (i32.const 1) ${far} (i32.const 1) (i32.const 8)`, 0)}
        ${fault(`$write (i32.const 1) (i32.const 16) (i32.const 1) ${far}`, 1)}
        ${fault(`$write (i32.const 1) (i32.const 16) (i32.const -1) (i32.const 8)`, 2)}
        ${fault(`$read (i32.const 0) ${far} (i32.const 1) (i32.const 8)`, 3)}
        ${fault(`$poll ${far} (i32.const 0) (i32.const 1) (i32.const 0)`, 4)}
        ${fault(`$poll (i32.const 0) ${far} (i32.const 1) (i32.const 0)`, 5)}
        ${fault(`$poll (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)`, 6)}
        ${fault(`$random ${far} (i32.const 100)`, 7)}
        (call $exit (global.get $state))`),
    ).toBe(0);
  });

  test('numbers that are not open are EBADF, and one can be put in place of another', async () => {
    expect(
      await codeOf(`
        (if (i32.ne (call $write (i32.const 9) (i32.const 16) (i32.const 1) (i32.const 8)) (i32.const 8)) (then (call $exit (i32.const 1))))
        (if (i32.ne (call $renumber (i32.const 9) (i32.const 1)) (i32.const 8)) (then (call $exit (i32.const 2))))
        (if (i32.ne (call $renumber (i32.const 1) (i32.const 9)) (i32.const 8)) (then (call $exit (i32.const 3))))
        (if (i32.ne (call $renumber (i32.const 1) (i32.const 2)) (i32.const 0)) (then (call $exit (i32.const 4))))
        (if (i32.ne (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8)) (i32.const 8)) (then (call $exit (i32.const 5))))
        (if (i32.ne (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 8)) (i32.const 0)) (then (call $exit (i32.const 6))))
        (if (i32.ne (call $open (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0))
          (i32.const 8)) (then (call $exit (i32.const 7))))`),
    ).toBe(0);
  });

  test('a wait for nothing is EINVAL', async () => {
    expect(await codeOf('(call $exit (call $poll (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))')).toBe(28);
  });

  test('a signal that it raises is its error', async () => {
    const w = realWorld('wasm');
    const p = runWasi(START('(drop (call $raise (i32.const 6)))'), { backend, name: 'sad' });
    expect(await rejected(p.get())).toBe('GuestError [GEVENT_WASI_SIGNAL]: sad raised signal 6');
    expect(w.reported()).toHaveLength(1);
  });

  // Asyncify cannot rewrite `try_table`.
  if (backend !== 'asyncify') {
    test('an exit that its code catches ends it at the next call', async () => {
      const code = `(block $caught (try_table (catch_all $caught) (call $exit (i32.const 5)))) (call $say)`;
      expect(await codeOf(code)).toBe(5);
    });
  }

  describe('a reactor', () => {
    const REACTOR = wat(
      TEXT.replace(
        'BODY',
        `(func (export "_initialize") (drop (call $yield)) (call $say) (global.set $state (i32.const 40)))
         (func (export "add") (param i32) (result i32) (drop (call $yield)) (i32.add (local.get 0) (global.get $state)))
         (func (export "quit") (call $exit (i32.const 3)))`,
      ),
    );

    test('is initialised as a greenlet, and its exports are spawned', async () => {
      realWorld('wasm');
      const reactor = await startReactor(REACTOR, { backend, stdout: 'collect' });
      const [a, b] = [reactor.spawn<number>('add', 1), reactor.spawn<number>('add', 2)];
      expect([await a.get(), await b.get(), reactor.out]).toEqual([41, 42, 'hello\n']);
      reactor.close();
      expect(thrown(() => reactor.spawn('add', 1))).toBe('GuestError [GEVENT_GUEST_CLOSED]: program is closed');
    });

    test('that exits ends that greenlet without a word, and is over', async () => {
      realWorld('wasm');
      using reactor = await startReactor(REACTOR, { backend, stdout: 'ignore' });
      const quit = reactor.spawn('quit');
      await quit.join();
      expect([quit.successful(), quit.value instanceof GreenletExit, (quit.value as any).exitCode]).toEqual([
        true,
        true,
        3,
      ]);
    });

    test('is no program to run, and a program no reactor', async () => {
      const w = realWorld('wasm');
      expect(await rejected(runWasi(REACTOR, { backend, name: 'r' }).get())).toMatch(
        /^GuestError \[GEVENT_WASI_NO_START\]: r exports no _start: .* startReactor/,
      );
      expect(w.reported()).toHaveLength(1);
    });

    test('that fails to initialise is closed', async () => {
      realWorld('wasm');
      const bad = wat(TEXT.replace('BODY', '(func (export "_initialize") (unreachable))'));
      expect(await rejected(startReactor(bad, { backend }))).toMatch(/^GuestTrap \[GEVENT_GUEST_TRAP\]/);
      const exits = wat(TEXT.replace('BODY', '(func (export "_initialize") (call $exit (i32.const 9)))'));
      expect(await rejected(startReactor(exits, { backend }))).toMatch(/exit code 9$/);
    });
  });
});

test.skipIf(!hasWasi)('a program that was rewritten ahead of time by the command line runs as it is', async () => {
  const written = new Map<string, Uint8Array>([
    ['in', wasi('#include <stdio.h>\nint main(void) { puts("hi"); return 4; }')],
  ]);
  const code = await command(['asyncify', 'in', '-o', 'out', '--wasi'], {
    read: (path) => written.get(path) as Uint8Array,
    write: (path, bytes) => void written.set(path, bytes),
    print: () => {},
    warn: () => {},
    version: () => '',
  });
  const w = realWorld('wasm');
  const program = await loadWasi(written.get('out') as Uint8Array<ArrayBuffer>);
  const p = runWasi(program, { stdout: 'collect' });
  expect([code, await p.get(), p.out]).toEqual([0, 4, 'hi\n']);
  expect(program.explain().reason).toBe('the module was rewritten for it ahead of time');
  expect(w.reported()).toEqual([]);
});

describe('options', () => {
  const EMPTY = wat('(module (memory (export "memory") 1) (func (export "_start")))');

  test.each<[string, RunOptions | Record<string, unknown>, RegExp]>([
    ['args', { args: 'x' }, /^TypeError: runWasi\(\{ args \}\): expected an array, got "x"$/],
    ['an argument', { args: ['a', 1] }, /^TypeError: runWasi\(\{ args\[1\] \}\): expected a string, got 1$/],
    ['a NUL', { args: ['a\0b'] }, /^TypeError: runWasi\(\{ args\[0\] \}\): expected no NUL/],
    ['env', { env: [] }, /^TypeError: runWasi\(\{ env \}\): expected an object, got an array of 0$/],
    ['a value of env', { env: { A: 1 } }, /^TypeError: runWasi\(\{ env\.A \}\): expected a string, got 1$/],
    ['a name of env', { env: { 'A=B': '1' } }, /^TypeError: runWasi\(\{ env \}\): expected a name, got "A=B"$/],
    ['preopens', { preopens: '/' }, /^TypeError: runWasi\(\{ preopens \}\): expected an object, got "\/"$/],
    ['a preopen', { preopens: { '/': 3 } }, /^TypeError: runWasi\(\{ preopens \}\): expected the path .* got 3$/],
    ['stdin', { stdin: 3 }, /^TypeError: runWasi\(\{ stdin \}\): expected null, a string, .* got 3$/],
    [
      'stdin',
      { stdin: new Writable() },
      /^TypeError: runWasi\(\{ stdin \}\): expected null, a string, .* got an object/,
    ],
    ['stdout', { stdout: 'file' }, /^TypeError: runWasi\(\{ stdout \}\): expected inherit, .* got "file"$/],
    ['stderr', { stderr: {} }, /^TypeError: runWasi\(\{ stderr \}\): expected inherit, .* got an object/],
    ['fds', { fds: { 3: {} } }, /^TypeError: runWasi\(\{ fds \}\): expected a socket or a file for 3, got an object/],
    [
      'fds',
      { fds: { 1: {} } },
      /^RangeError: runWasi\(\{ fds \}\): expected numbers from 3, behind the preopens, to 1023, got 1$/,
    ],
    ['timeout', { timeout: -1 }, /^RangeError: runWasi\(\{ timeout \}\): expected 0 or more seconds, got -1$/],
    ['backend', { backend: 'fast' }, /^TypeError: load\(\{ backend \}\): expected auto, /],
  ])('that cannot be are refused where they are given: %s', (_what, options, told) => {
    world('wasm');
    expect(thrown(() => runWasi(EMPTY, options as RunOptions))).toMatch(told);
  });

  test('a source that is none, a component, an older WASI, and a program of load() are refused', async () => {
    const w = realWorld('wasm');
    expect(thrown(() => runWasi('x.wasm' as any))).toMatch(
      /^TypeError: load\(source\): expected the bytes of a module/,
    );
    const component = new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]);
    expect(thrown(() => runWasi(component))).toMatch(/^GuestError \[GEVENT_GUEST_MALFORMED\]: .* a component/);
    const older = wat('(module (import "wasi_unstable" "proc_exit" (func (param i32))) (memory (export "memory") 1))');
    expect(await rejected(loadWasi(older, { backend: 'jspi' }))).toMatch(/wasi_unstable/);
    expect(thrown(() => runWasi(EMPTY.subarray(0, 0)))).toBe('nothing was thrown');
    const program = await load(EMPTY);
    expect(thrown(() => runWasi(program))).toMatch(/^TypeError: runWasi\(source\): expected bytes, or what loadWasi/);
    await sleep(0);
    expect(w.reported()).toHaveLength(1);
  });

  test('under the pure core there is a clear error', () => {
    world('pure');
    expect(thrown(() => runWasi(EMPTY))).toMatch(/^GuestError \[GEVENT_GUEST_NEEDS_WASM\]/);
  });

  test('a process is a Greenlet with a name and a label', async () => {
    realWorld('wasm');
    const p = runWasi(EMPTY, { name: 'nothing', args: ['nothing', '-v'] });
    expect(p).toBeInstanceOf(Greenlet);
    expect(String(p)).toMatch(/^<WasiProcess "WasiProcess-\d+": nothing -v/);
    expect(await p.get()).toBe(0);
  });
});
