// Files, pipes and terminals: what each call gives, who waits for whom, what is left when a wait ends early.

import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { config, createConfig } from '../../ts/config.ts';
import { type Greenlet, getHub, kill, sleep, spawn, Timeout } from '../../ts/index.ts';
import { FileObject, FileObjectBlock, FileObjectPosix, FileObjectThread } from '../../ts/sys/fileobject.ts';
import { checkOutput } from '../../ts/sys/subprocess.ts';
import { CORES, program, rejected, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

type Body<T = any> = Generator<any, T, any>;

const LINUX = process.platform === 'linux';
const descriptors = (): number => fs.readdirSync('/proc/self/fd').length;

/** The descriptors are as many as before, soon. */
async function expectDescriptors(before: number): Promise<void> {
  for (let i = 0; i < 200 && descriptors() > before; ++i) await sleep(0.01);
  expect(descriptors()).toBeLessThanOrEqual(before);
}

function temporary(): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'gw-'));
  onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function file(text: string | Buffer): string {
  const path = join(temporary(), 'file');
  fs.writeFileSync(path, text);
  return path;
}

function fifo(): string {
  const path = join(temporary(), 'pipe');
  execFileSync('mkfifo', [path]);
  return path;
}

/** Run a body to its end, and give what it gives. */
async function inGreenlet<T>(body: () => Body<T>): Promise<T> {
  const g = spawn(body);
  g.$quiet = true;
  return (await g.get({ timeout: 30 })) as T;
}

const KINDS = [
  ['FileObjectThread', FileObjectThread],
  ['FileObjectBlock', FileObjectBlock],
] as const;

describe.each(CORES)('on the %s core', (core) => {
  describe.each(KINDS)('%s, a file on disk', (_name, File) => {
    test('lines, the rest, and the end; text and bytes', async () => {
      realWorld(core);
      const path = file('one\ntwä\r\nthree');
      await inGreenlet(function* () {
        const text = new File(path);
        expect([yield* text.readline(), yield* text.readline(), yield* text.read(), yield* text.read()]).toEqual([
          'one\n',
          'twä\n',
          'three',
          '',
        ]);
        expect([text.name, text.mode, text.closed, text.readable(), text.writable(), text.seekable()]).toEqual([
          path,
          'r',
          false,
          true,
          false,
          true,
        ]);
        yield* text.close();
        const bytes = new File(path, 'rb');
        expect(yield* bytes.read(3)).toEqual(Buffer.from('one'));
        expect(yield* bytes.readline(2)).toEqual(Buffer.from('\n'));
        const into = new Uint8Array(4);
        expect([yield* bytes.readinto(into), Buffer.from(into).toString()]).toEqual([4, 'twä']);
        expect(yield* bytes.readlines()).toEqual([Buffer.from('\r\n'), Buffer.from('three')]);
        expect([yield* bytes.readinto(into), yield* bytes.readinto(new Uint8Array(0))]).toEqual([0, 0]);
        yield* bytes.close();
        const characters = new File(path, 'r', { newline: '' });
        yield* characters.seek(4);
        expect([yield* characters.read(3), yield* characters.readall()]).toEqual(['twä', '\r\nthree']);
        yield* characters.close();
      });
    });

    test('writing: anew, at the end, in the middle, only if it is not there', async () => {
      realWorld(core);
      const path = join(temporary(), 'new');
      await inGreenlet(function* () {
        const made = new File(path, 'x');
        expect([yield* made.write('häl'), yield* made.writelines(['l', Buffer.from('o')]), made.tell()]).toEqual([
          4, 2, 6,
        ]);
        yield* made.close();
        expect(thrown(() => new File(path, 'x'))).toMatch(/^OSError \[EEXIST\]/);
        const more = new File(path, 'a+');
        expect([more.tell(), yield* more.read()]).toEqual([6, '']);
        yield* more.writeall(' wörld');
        expect([more.tell(), yield* more.seek(0), yield* more.readline()]).toEqual([13, 0, 'hällo wörld']);
        // Wherever it reads, it writes at the end.
        yield* more.seek(2);
        yield* more.write('!');
        yield* more.close();
        expect(fs.readFileSync(path, 'utf8')).toBe('hällo wörld!');
        const both = new File(path, 'r+b');
        expect(String(yield* both.read(3))).toBe('hä');
        // Where the reader stands, however much was read ahead.
        yield* both.write('LL');
        expect([both.tell(), String(yield* both.read(2))]).toEqual([5, 'o ']);
        expect([yield* both.seek(-2, 1), yield* both.seek(-1, 2), yield* both.truncate(5)]).toEqual([5, 13, 5]);
        expect(yield* both.truncate(7)).toBe(7);
        yield* both.close();
        expect(fs.readFileSync(path)).toEqual(Buffer.from('häLL\0\0'));
        const anew = new File(path, 'w');
        expect(anew.readable()).toBe(false);
        yield* anew.close();
        expect(fs.statSync(path).size).toBe(0);
      });
    });

    test('what is collected is written by flush, by reading, by much, and by close', async () => {
      realWorld(core);
      const path = file('');
      const there = () => fs.readFileSync(path, 'utf8');
      await inGreenlet(function* () {
        const f = new File(path, 'r+', { buffering: 10 });
        const own = Buffer.from('abc');
        yield* f.write(own);
        own.fill('x');
        expect([there(), f.tell()]).toEqual(['', 3]);
        yield* f.flush();
        expect(there()).toBe('abc');
        yield* f.write('defghijklmn');
        expect(there()).toBe('abcdefghijklmn');
        yield* f.write('o');
        expect(yield* f.seek(0)).toBe(0);
        expect([there(), yield* f.read()]).toEqual(['abcdefghijklmno', 'abcdefghijklmno']);
        yield* f.write('p');
        yield* f.close();
        expect(there()).toBe('abcdefghijklmnop');
      });
    });

    test('a large file comes whole, and what is added later comes later', async () => {
      realWorld(core);
      const big = Buffer.alloc(3 * 2 ** 20 + 17, 'abcdefg\n');
      const path = file(big);
      await inGreenlet(function* () {
        const f = new File<Buffer>(path, 'rb');
        expect((yield* f.read()).equals(big)).toBe(true);
        expect((yield* f.read()).length).toBe(0);
        fs.appendFileSync(path, 'more\n');
        expect(String(yield* f.readline())).toBe('more\n');
        yield* f.close();
      });
      const lines = new File(path);
      let count = 0;
      for await (const line of lines) {
        if (line === 'abcdefg\n') ++count;
      }
      expect(count).toBe((big.length - 1) >> 3);
      lines.close();
    });

    test('descriptors are shared or owned, as asked', async () => {
      realWorld(core);
      const path = file('0123456789');
      const fd = fs.openSync(path, 'r+');
      const f = new File(fd, 'r', { closefd: false });
      expect([f.name, f.fileno(), await f.read(2), f.isatty(), f.io]).toEqual([fd, fd, '01', false, null]);
      if (LINUX) {
        expect(f.tell()).toBe(2);
        const both = new File({ fileno: () => fd }, 'r+', { closefd: false });
        await both.seek(5);
        await both.write('x');
        await both.close();
        expect(fs.readFileSync(path, 'utf8')).toBe('01234x6789');
      }
      await f.close();
      expect(fs.fstatSync(fd).isFile()).toBe(true);
      await new File(fd).close();
      expect(thrown(() => fs.fstatSync(fd))).toMatch(/EBADF/);
      const handle = await fs.promises.open(path);
      const of = new File(handle, 'r', { closefd: false });
      expect(await of.read(3)).toBe('012');
      of.close();
      await handle.close();
    });

    test('after close every use is EBADF', async () => {
      realWorld(core);
      const path = file('x');
      const f = new File(path, 'r+');
      await f.close();
      const closed = 'OSError [EBADF]: FileObject was closed';
      for (const use of [
        () => f.read(),
        () => f.readline(),
        () => f.readlines(),
        () => f.readinto(new Uint8Array(1)),
        () => f.write('x'),
        () => f.writelines(['x']),
        () => f.flush(),
        () => f.seek(0),
        () => f.tell(),
        () => f.truncate(),
        () => f.fileno(),
        () => f.isatty(),
        () => f.readable(),
        () => f.writable(),
        () => f.seekable(),
      ]) {
        expect(thrown(use as () => unknown)).toBe(closed);
      }
      await f.close();
      expect([f.closed, String(f)]).toEqual([true, `<${File.name} ${path} r+ closed>`]);
    });

    test('bad arguments and bad files are told', async () => {
      realWorld(core);
      const path = file('x');
      const cases: [() => unknown, string | RegExp][] = [
        [
          () => new File('/no/such/file'),
          /^OSError \[ENOENT\]: ENOENT: no such file or directory, open '\/no\/such\/file'/,
        ],
        [
          () => new File(path, 'rr'),
          'RangeError: FileObject(mode): expected r, w, a or x, with + and b or t if you like, or rw; got "rr"',
        ],
        [() => new File(path, 5 as never), /^RangeError: FileObject\(mode\)/],
        [() => new File(path, 'rbt'), /^RangeError: FileObject\(mode\)/],
        [() => new File(-1), 'RangeError: FileObject(fobj): expected a file descriptor, got -1'],
        [() => new File(null as never), /^TypeError: FileObject\(fobj\): expected a descriptor, a path/],
        [
          () => new File(path, 'r', { closefd: false }),
          /^TypeError: FileObject\(fobj\): closefd must be true for a path/,
        ],
        [
          () => new File(path, 'w', { buffering: -3 }),
          'RangeError: buffering: expected a number of bytes from 0, got -3',
        ],
        [() => new File(path, 'r', { encoding: 'x' as never }), /^RangeError: encoding/],
        [() => new File(path).read(1.5), 'RangeError: read(size): expected an integer, got 1.5'],
        [() => new File(path).write('x'), 'OSError [EBADF]: write: the file is not open for writing'],
        [() => new File(path, 'a').read(), 'OSError [EBADF]: read: the file is not open for reading'],
        [() => new File(path).seek(0, 3 as never), 'RangeError: seek(whence): expected 0, 1 or 2, got 3'],
        [() => new File(path, 'a').truncate(-1), 'RangeError: truncate(size): expected a number of bytes, got -1'],
        [() => new File(path).readinto([] as never), /^TypeError: readinto\(into\): expected bytes/],
      ];
      for (const [act, expected] of cases) {
        if (typeof expected === 'string') expect(thrown(act)).toBe(expected);
        else expect(thrown(act)).toMatch(expected);
      }
      const f = new File(path);
      expect(await rejected(f.seek(-5))).toBe(`OSError [EINVAL]: seek: EINVAL: -5 is before the start of ${path}`);
      f.close();
      const directory = new File(temporary());
      expect(await rejected(directory.read())).toMatch(/^OSError \[EISDIR\]/);
      directory.close();
      if (!LINUX) return;
      const full = new File('/dev/full', 'w');
      expect(await rejected(full.write('x'))).toMatch(/^OSError \[ENOSPC\]/);
      await full.close();
      const collects = new File('/dev/full', 'w', { buffering: 10 });
      await collects.write('x');
      expect(await rejected(collects.close())).toMatch(/^OSError \[ENOSPC\]/);
      const zero = new File('/dev/zero', 'rb');
      expect([(await zero.read(3)).length, zero.seekable(), thrown(() => zero.tell())]).toEqual([
        3,
        false,
        'OSError [ESPIPE]: /dev/zero: ESPIPE: Illegal seek',
      ]);
      zero.close();
    });
  });

  describe('FileObjectThread', () => {
    test('others run meanwhile; several that use it take turns', async () => {
      realWorld(core);
      const path = file(Buffer.alloc(2 ** 20, '0123456789abcde\n'));
      const f = new FileObjectThread<string>(path);
      let ticks = 0;
      const ticking = spawn(function* () {
        for (;;) {
          ++ticks;
          yield* sleep(0);
        }
      });
      const lines: string[] = [];
      const readers = [1, 2, 3].map(() =>
        spawn(function* () {
          for (let line = yield* f.readline(); line !== ''; line = yield* f.readline()) lines.push(line);
        }),
      );
      for (const g of readers) await g.join();
      await ticking.kill();
      expect([lines.length, new Set(lines).size]).toEqual([2 ** 16, 1]);
      expect(ticks).toBeGreaterThan(0);
      await f.close();
    });

    test.each(['kill', 'timeout'] as const)(
      'a %s at every switch of reading and writing loses nothing',
      async (how) => {
        const { hub } = realWorld(core);
        const text = Array.from({ length: 20_000 }, (_, n) => `line ${n}\n`).join('');
        const path = file(text);
        let hits = 0;
        for (let at = 1; at < 60; ++at) {
          const f = new FileObjectThread<string>(path);
          const out = new FileObjectThread(`${path}.out`, 'w');
          let read = '';
          let written = '';
          const work = function* (): Body<void> {
            for (;;) {
              const line = yield* f.readline();
              read += line;
              if (line === '') break;
              if (line.endsWith('000\n')) {
                written += line;
                yield* out.write(line);
              }
            }
          };
          const victim = spawn(work);
          victim.$quiet = true;
          let count = 0;
          let hit = false;
          hub.tracer = (_event, _origin, target) => {
            if (hit || target !== (victim as Greenlet) || ++count < at) return;
            hit = true;
            if (how === 'kill') kill(victim);
            else new Timeout(0).start();
          };
          await victim.join();
          hub.tracer = null;
          if (hit) ++hits;
          await inGreenlet(work);
          await out.close();
          await f.close();
          expect(read === text).toBe(true);
          expect(fs.readFileSync(`${path}.out`, 'utf8')).toBe(written);
          if (!hit) break;
        }
        expect(hits).toBeGreaterThan(5);
      },
    );

    test('closing wakes who waits: EBADF, and who reads all gets what was read', async () => {
      realWorld(core);
      if (!LINUX) return;
      const path = fifo();
      // Kept open by a writer that does not write: the thread of the pool waits.
      const hold = fs.openSync(path, fs.constants.O_RDWR);
      for (const [what, expected] of [
        ['readline', 'OSError [EBADF]: FileObject was closed'],
        ['read', 'some'],
      ] as const) {
        const f = new FileObjectThread(fs.openSync(path, 'r'), 'r');
        fs.writeSync(hold, 'some');
        const waiting = spawn(() => f[what]() as any);
        const behind = spawn(() => f.readline());
        for (const g of [waiting, behind]) g.$quiet = true;
        await sleep(0.05);
        expect([waiting.dead, String(getHub().dump()).includes(`read of ${f.name}`)]).toEqual([false, true]);
        const closing = f.close();
        expect(await waiting.get({ timeout: 5 }).then(String, told)).toBe(expected);
        expect(await behind.get({ timeout: 5 }).then(String, told)).toBe('OSError [EBADF]: FileObject was closed');
        // The thread comes back.
        fs.writeSync(hold, 'x');
        await closing;
      }
      fs.closeSync(hold);
    });

    test('a timeout of a call', async () => {
      realWorld(core);
      if (!LINUX) return;
      const path = fifo();
      const hold = fs.openSync(path, fs.constants.O_RDWR);
      const f = new FileObjectThread(fs.openSync(path, 'r'), 'r');
      expect(await rejected(f.readline(-1, { timeout: 0.02 }))).toBe('SocketTimeout [ETIMEDOUT]: timed out');
      class Late extends Error {
        override name = 'Late';
      }
      expect(await rejected(f.readline(-1, { timeout: new Timeout(0.02, Late) }))).toBe('Late: ');
      fs.writeSync(hold, 'here\n');
      expect(await f.readline()).toBe('here\n');
      fs.closeSync(hold);
      await f.close();
    });
  });

  describe('FileObjectPosix', () => {
    test('a pipe with a name, both ends of it', async () => {
      realWorld(core);
      const path = fifo();
      await inGreenlet(function* () {
        const reader = new FileObject(path);
        expect(reader).toBeInstanceOf(FileObjectPosix);
        const got = spawn(() => reader.readline());
        yield* sleep(0.01);
        const writer = new FileObject(path, 'wb');
        yield* writer.write('through the pipe\nand');
        expect(yield* got.get()).toBe('through the pipe\n');
        yield* writer.close();
        expect([yield* reader.read(), yield* reader.read(), reader.seekable()]).toEqual(['and', '', false]);
        yield* reader.close();
        expect(thrown(() => new FileObject(path, 'w'))).toMatch(/^OSError \[ENXIO\]/);
      });
    });

    test('large data, slowly read: the writer waits', async () => {
      realWorld(core);
      const path = fifo();
      const big = Buffer.alloc(2 * 2 ** 20, 'x');
      await inGreenlet(function* () {
        const reader = new FileObjectPosix(path, 'rb');
        const writer = new FileObjectPosix(path, 'wb');
        const writing = spawn(function* () {
          yield* writer.write(big);
          yield* writer.close();
        });
        yield* sleep(0.02);
        expect(writing.dead).toBe(false);
        let got = 0;
        for (;;) {
          const piece = yield* reader.read(100_000);
          if (piece.length === 0) break;
          got += piece.length;
        }
        expect([got, writing.dead]).toEqual([big.length, true]);
        yield* reader.close();
      });
    });

    test('closing wakes a reader, and one that reads all gets what has come', async () => {
      realWorld(core);
      const path = fifo();
      await inGreenlet(function* () {
        for (const [what, expected] of [
          ['readline', 'SocketError [EBADF]: File descriptor was closed in another greenlet'],
          ['read', 'some'],
        ] as const) {
          const reader = new FileObjectPosix(path);
          const writer = new FileObjectPosix(path, 'w');
          const waiting = spawn(() => reader[what]() as any);
          waiting.$quiet = true;
          yield* sleep(0);
          yield* writer.write('some');
          yield* sleep(0.02);
          const second = spawn(() => reader.readline());
          second.$quiet = true;
          yield* second.join();
          expect(told(second.exception)).toMatch(/^ConcurrentObjectUseError/);
          reader.close();
          yield* waiting.join();
          expect(waiting.successful() ? waiting.value : told(waiting.exception)).toBe(expected);
          expect(thrown(() => reader.read())).toBe('OSError [EBADF]: FileObject was closed');
          expect(thrown(() => reader.fileno())).toBe('OSError [EBADF]: FileObject was closed');
          yield* writer.close();
        }
      });
    });

    test('descriptors: taken up once, shared by what is made of them', async () => {
      realWorld(core);
      const before = LINUX ? descriptors() : 0;
      const path = fifo();
      const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      const writer = new FileObjectPosix(path, 'w');
      const one = new FileObject(fd, 'r', { closefd: false });
      await writer.write('a\nb\nc\n');
      expect([one.name, one.fileno(), await one.readline()]).toEqual([fd, fd, 'a\n']);
      const two = new FileObject(fd, 'r', { closefd: false });
      expect(await two.readline()).toBe('b\n');
      one.close();
      // What was read ahead is there for the next.
      const three = new FileObject(fd);
      two.close();
      expect(await three.readline()).toBe('c\n');
      await writer.close();
      expect(await three.read()).toBe('');
      await three.close();
      if (LINUX) await expectDescriptors(before);
      expect(thrown(() => new FileObjectPosix(fs.openSync(file('x'), 'r')))).toMatch(
        /^GeventError \[GEVENT_FD_UNSUPPORTED\]/,
      );
    });

    test("any of Node's streams", async () => {
      realWorld(core);
      const pass = new PassThrough();
      const f = new FileObject(pass, 'rw');
      await f.write('there and back\n');
      expect([await f.readline(), f.isatty(), thrown(() => f.fileno())]).toEqual([
        'there and back\n',
        false,
        expect.stringMatching(/^GeventError \[GEVENT_FD_UNSUPPORTED\]/),
      ]);
      expect((f as FileObjectPosix).io).toBe(pass);
      await f.close();
      expect(pass.destroyed).toBe(true);
      const kept = new PassThrough();
      const g = new FileObject(kept, 'w', { closefd: false });
      await g.write('x');
      await g.close();
      expect([kept.destroyed, String(kept.read())]).toEqual([false, 'x']);
    });

    test('what comes behind the line that is waited for, before its turn, is bounded', async () => {
      realWorld(core);
      const pass = new PassThrough();
      const f = new FileObject(pass, 'r') as FileObjectPosix;
      const line = Promise.resolve(f.readline());
      await new Promise(setImmediate);
      pass.write('line\n');
      for (let i = 0; i < 64; ++i) pass.write('x'.repeat(65536));
      expect(await line).toBe('line\n');
      expect(f.$reader?.size).toBeLessThan(512 * 1024);
      pass.end();
      expect((await f.read()).length).toBe(64 * 65536);
      await f.close();
    });

    test('who waits for so many characters gets no more of them, however much comes before his turn', async () => {
      realWorld(core);
      const pass = new PassThrough();
      const f = new FileObject(pass, 'r');
      const reading = f.read(2);
      const got = Promise.resolve(reading);
      await new Promise(setImmediate);
      pass.write('\u00e4b');
      pass.write('cd');
      pass.write('ef');
      expect(await got).toBe('\u00e4b');
      pass.end();
      expect(await f.read()).toBe('cdef');
      await f.close();
    });
  });

  test('FileObject chooses by what it gets, and by the configuration', async () => {
    realWorld(core);
    const path = file('x');
    const made = (): string => {
      const f = new FileObject(path);
      f.close();
      expect(f).toBeInstanceOf(FileObject);
      return f.constructor.name;
    };
    expect(made()).toBe('FileObjectThread');
    const before = config.fileobject;
    try {
      config.fileobject = 'block' as never;
      expect(made()).toBe('FileObjectBlock');
      config.fileobject = 'thread' as never;
      expect(made()).toBe('FileObjectThread');
      config.fileobject = class Mine extends FileObjectThread {} as never;
      expect(made()).toBe('Mine');
    } finally {
      config.fileobject = before;
    }
    expect(createConfig({ GEVENT_FILE: 'block' }).fileobject).toBe('block');
    expect({} instanceof FileObject).toBe(false);
    for (let i = 0; i < 3; ++i) await sleep(0.01);
  });
});

describe.skipIf(!LINUX)('in a process of its own', () => {
  test('standard input and output: closing leaves them, and reading does not keep the process', async () => {
    const source = `
      import { FileObject } from '#sys/fileobject.ts';
      const input = new FileObject(0);
      const output = new FileObject(1, 'w');
      for (let line = await input.readline(); line !== 'end\\n'; line = await input.readline()) await output.write(line.toUpperCase());
      input.close();
      await output.close();
      console.log('still here');
    `;
    const text = source.replaceAll(/from '#/g, `from '${new URL('../../ts/', import.meta.url).href}`);
    const got = await checkOutput([process.execPath, '--input-type=module-typescript', '--eval', text], {
      input: 'a\nb\nend\nc\n',
      text: true,
    });
    expect(got).toBe('A\nB\nstill here\n');
  });

  test('a terminal', async () => {
    const source = `
      import { FileObject, FileObjectPosix } from '#sys/fileobject.ts';
      const tty = new FileObject('/dev/tty', 'w');
      await tty.write('to the terminal\\n');
      console.log(\`\${tty.isatty()} \${tty instanceof FileObjectPosix}\`);
      await tty.close();
      const input = new FileObject(0);
      console.log(\`\${input.isatty()} \${JSON.stringify(await input.readline())}\`);
      input.close();
    `;
    const text = source.replaceAll(/from '#/g, `from '${new URL('../../ts/', import.meta.url).href}`);
    const path = join(temporary(), 'program.mts');
    fs.writeFileSync(path, text);
    // script(1) gives it a terminal.
    const got = await checkOutput(['script', '-qec', `${process.execPath} ${path}`, '/dev/null'], {
      input: 'typed\n',
      text: true,
      timeout: 20,
    });
    expect(got).toContain('to the terminal');
    expect(got).toContain('true true');
    expect(got).toContain('true "typed\\n"');
  });

  test('what was not closed does not keep a process, and loses nothing that was awaited', async () => {
    const path = join(temporary(), 'left');
    const { stdout, stderr } = await program(`
      import { FileObject } from '#sys/fileobject.ts';
      const f = new FileObject('${path}', 'w');
      await f.write('written');
      console.log('done');
    `);
    expect([stdout, stderr, fs.readFileSync(path, 'utf8')]).toEqual([['done'], '', 'written']);
  });
});
