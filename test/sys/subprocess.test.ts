// Child processes, real ones: what they are given, what they say, how they end, what is left when a wait for them ends early.

import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  first,
  type Greenlet,
  GreenletExit,
  getHub,
  kill,
  sleep,
  spawn,
  Timeout,
  use,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import * as S from '../../ts/net/socket.ts';
import { Pool } from '../../ts/pool.ts';
import {
  type CalledProcessError,
  CompletedProcess,
  call,
  checkCall,
  checkOutput,
  DEVNULL,
  getoutput,
  getstatusoutput,
  PIPE,
  Popen,
  run,
  STDOUT,
  TimeoutExpired,
} from '../../ts/sys/subprocess.ts';
import { CORES, program, rejected, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

type Body<T = any> = Generator<any, T, any>;

const LINUX = process.platform === 'linux';
const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** The descriptors are as many as before, soon. */
async function expectDescriptors(before: number): Promise<void> {
  for (let i = 0; i < 200 && descriptors() > before; ++i) await sleep(0.01);
  expect(descriptors()).toBeLessThanOrEqual(before);
}

/** Run a body to its end, and give what it gives. */
async function inGreenlet<T>(body: () => Body<T>): Promise<T> {
  const g = spawn(body);
  g.$quiet = true;
  return (await g.get({ timeout: 30 })) as T;
}

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gw-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Until it is true, for ten seconds at most. */
async function soon(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); ++i) await sleep(0.01);
  expect(condition()).toBe(true);
}

describe.skipIf(process.platform === 'win32').each(CORES)('on the %s core', (core) => {
  describe('talking to a child', () => {
    test('communicate gives what it writes to both, and the exit code is there', async () => {
      realWorld(core);
      await inGreenlet(function* () {
        const p = new Popen('cat; echo wrong >&2; exit 3', {
          shell: true,
          stdin: PIPE,
          stdout: PIPE,
          stderr: PIPE,
          text: true,
        });
        expect([p.returncode, p.poll(), p.ready()]).toEqual([null, null, false]);
        expect(yield* p.communicate('given\n')).toEqual(['given\n', 'wrong\n']);
        expect([p.returncode, p.poll(), p.ready(), p.result.value]).toEqual([3, 3, true, 3]);
        expect([p.stdin?.closed, p.stdout?.closed, p.stderr?.closed]).toEqual([true, true, true]);
      });
    });

    test('bytes by default, null for what is no pipe', async () => {
      realWorld(core);
      const p = new Popen(['printf', '\\377\\000x'], { stdout: PIPE, stderr: DEVNULL });
      expect(await p.communicate()).toEqual([Buffer.from([255, 0, 120]), null]);
      const silent = new Popen(['true'], { stdout: DEVNULL });
      expect(await silent.communicate()).toEqual([null, null]);
    });

    test('the pipes are files: lines come one by one while others run', async () => {
      realWorld(core);
      const seen: string[] = [];
      await inGreenlet(function* () {
        const p = new Popen('while read x; do echo "got $x"; done; echo end', {
          shell: true,
          stdin: PIPE,
          stdout: PIPE,
          text: true,
        });
        const { stdin, stdout } = p;
        const ticking = spawn(function* () {
          for (;;) {
            seen.push('tick');
            yield* sleep(0.001);
          }
        });
        for (const line of ['one', 'two']) {
          yield* stdin.write(`${line}\n`);
          seen.push(yield* stdout.readline());
        }
        stdin.close();
        seen.push(yield* stdout.read());
        expect(yield* p.wait()).toBe(0);
        yield* ticking.kill();
        p.close();
      });
      expect(seen.filter((line) => line !== 'tick')).toEqual(['got one\n', 'got two\n', 'end\n']);
      expect(seen).toContain('tick');
    });

    test('async bodies and main do it by await, and iterate', async () => {
      realWorld(core);
      const p = new Popen(['printf', 'a\\nb\\n'], { stdout: PIPE, text: true });
      const lines: string[] = [];
      for await (const line of p.stdout) lines.push(line);
      expect([lines, await p.wait()]).toEqual([['a\n', 'b\n'], 0]);
      p.close();
      const g = spawn(async () => await checkOutput(['echo', 'async'], { text: true }));
      expect(await g.get()).toBe('async\n');
    });

    test('large input and output go on at once, whoever is slower', { timeout: 30_000 }, async () => {
      realWorld(core);
      const big = Buffer.alloc(20 * 2 ** 20, 'x');
      await inGreenlet(function* () {
        const both = `head -c ${big.length} /dev/zero | tr '\\0' x >&2 & cat; wait`;
        const p = new Popen(both, { shell: true, stdin: PIPE, stdout: PIPE, stderr: PIPE });
        const [out, err] = yield* p.communicate(big);
        expect([out?.equals(big), err?.equals(big)]).toEqual([true, true]);
      });
    });

    test('a child that does not read its input is no error', async () => {
      realWorld(core);
      const big = 'x'.repeat(5 * 2 ** 20);
      await inGreenlet(function* () {
        const p = new Popen(['true'], { stdin: PIPE });
        expect(yield* p.communicate(big)).toEqual([null, null]);
        const closes = new Popen('exec <&-; sleep 0.1; echo done', {
          shell: true,
          stdin: PIPE,
          stdout: PIPE,
          text: true,
        });
        expect(yield* closes.communicate(big)).toEqual(['done\n', null]);
      });
    });

    test('writing to one that is gone is EPIPE, and no more', async () => {
      realWorld(core);
      await inGreenlet(function* () {
        const p = new Popen(['true'], { stdin: PIPE });
        yield* p.wait();
        let error: unknown = null;
        try {
          for (let i = 0; i < 100; ++i) yield* p.stdin.write('x'.repeat(65536));
        } catch (e) {
          error = e;
        }
        expect((error as { code: string }).code).toBe('EPIPE');
        yield* p.stdin.close();
        const closes = new Popen('exec <&-; echo; exec sleep 10', { shell: true, stdin: PIPE, stdout: PIPE });
        yield* closes.stdout.readline();
        error = null;
        try {
          for (let i = 0; i < 100; ++i) yield* closes.stdin.write('x'.repeat(65536));
        } catch (e) {
          error = e;
        }
        expect((error as { code: string }).code).toBe('EPIPE');
        closes.kill();
        yield* closes.wait();
        closes.close();
      });
    });

    test('without input stdin is closed, so that a reader ends', async () => {
      realWorld(core);
      const p = new Popen(['cat'], { stdin: PIPE, stdout: PIPE, text: true });
      expect(await p.communicate()).toEqual(['', null]);
      const late = new Popen(['cat'], { stdin: PIPE, stdout: PIPE, text: true });
      expect(await rejected(late.communicate(null, { timeout: 0 }))).toMatch(/^TimeoutExpired/);
      expect(thrown(() => late.communicate('late'))).toBe(
        'RangeError: communicate(input): cannot send input after starting communication',
      );
      expect(await late.communicate()).toEqual(['', null]);
    });

    test('text in pieces: characters that are cut, other encodings, what is none', async () => {
      realWorld(core);
      const cut = new Popen("printf '\\303'; sleep 0.1; printf '\\244'; exec sleep 10", {
        shell: true,
        stdout: PIPE,
        text: true,
      });
      await sleep(0.05);
      const error = (await cut.communicate(null, { timeout: 0 }).then(null, (e) => e)) as TimeoutExpired;
      expect(['', 'ä']).toContain(error.output);
      let more = '';
      for (let i = 0; i < 100 && more !== 'ä'; ++i) {
        const late = await cut.communicate(null, { timeout: 0.05 }).then(null, (e) => e);
        more = (late as TimeoutExpired).output as string;
        expect(['', 'ä']).toContain(more);
      }
      expect(more).toBe('ä');
      cut.kill();
      expect(await cut.communicate()).toEqual(['ä', null]);
      expect(await checkOutput(['printf', '\\344'], { encoding: 'latin1' })).toBe('ä');
      expect(await checkOutput(['printf', 'x\\377'], { errors: 'replace' })).toBe('x\uFFFD');
      expect(await rejected(checkOutput(['printf', '\\377'], { text: true }))).toMatch(/^TypeError/);
    });
  });

  describe('waiting', () => {
    test('wait gives the code, minus the signal for one that was killed', async () => {
      realWorld(core);
      await inGreenlet(function* () {
        expect(yield* new Popen(['true']).wait()).toBe(0);
        expect(yield* new Popen(['sh', '-c', 'exit 42']).wait()).toBe(42);
        const p = new Popen(['sleep', '60']);
        p.terminate();
        expect([yield* p.wait(), p.returncode]).toEqual([-15, -15]);
        const hard = new Popen(['sleep', '60']);
        hard.kill();
        expect(yield* hard.wait()).toBe(-9);
        const asked = new Popen(['sleep', '60']);
        asked.sendSignal(10);
        expect(yield* asked.wait()).toBe(-10);
        // Nothing happens to one that is gone.
        asked.sendSignal('SIGTERM');
        asked.kill();
        expect(yield* asked.wait()).toBe(-10);
        expect(thrown(() => asked.sendSignal('SIGNO'))).toMatch(/^RangeError: signal: expected a name/);
      });
    });

    test('a wait that is over in time says so, and the child goes on', async () => {
      realWorld(core);
      const p = new Popen(['sleep', '60']);
      const error = (await p.wait({ timeout: 0.02 }).then(null, (e) => e)) as TimeoutExpired;
      expect(told(error)).toBe(
        "TimeoutExpired [GEVENT_PROCESS_TIMEOUT]: Command ['sleep', '60'] timed out after 0.02 seconds",
      );
      expect([error.cmd, error.timeout, error.output]).toEqual([['sleep', '60'], 0.02, null]);
      expect(await rejected(p.wait({ timeout: 0 }))).toMatch(/^TimeoutExpired/);
      class Late extends Error {}
      expect(await rejected(p.wait({ timeout: new Timeout(0.01, Late) }))).toBe('Error: ');
      expect(alive(p.pid)).toBe(true);
      p.kill();
      expect(await p.wait({ timeout: 10 })).toBe(-9);
      expect(await p.wait({ timeout: 0 })).toBe(-9);
    });

    test('a killed waiter leaves the child and its pipes whole', async () => {
      realWorld(core);
      const p = new Popen(['cat'], { stdin: PIPE, stdout: PIPE, text: true });
      const waiting = [
        spawn(() => p.wait()),
        spawn(() => p.communicate('through\n', { timeout: 60 })),
        spawn(function* () {
          yield* withTimeout({ seconds: 0.01, timeoutValue: null }, () => p.wait());
        }),
      ];
      await sleep(0.02);
      for (const g of waiting) await g.kill();
      expect(await p.communicate()).toEqual(['through\n', null]);
      expect(p.returncode).toBe(0);
      const reads = new Popen(['cat'], { stdin: PIPE, stdout: PIPE, text: true });
      const reader = spawn(() => reads.stdout.readline());
      await sleep(0.01);
      await reader.kill();
      await reads.stdin.write('still\n');
      expect(await reads.stdout.readline()).toBe('still\n');
      expect(await reads.communicate()).toEqual(['', null]);
    });

    test('communicate after a timeout has what was written so far, and another goes on', async () => {
      realWorld(core);
      await inGreenlet(function* () {
        const p = new Popen('echo one; echo bad >&2; read x; echo $x', {
          shell: true,
          stdin: PIPE,
          stdout: PIPE,
          stderr: PIPE,
          text: true,
        });
        // Its own stdin: communicate would close it.
        const { stdin } = p;
        const line = yield* p.stdout.readline();
        expect(line).toBe('one\n');
        yield* stdin.write('two\n');
        expect(yield* p.communicate()).toEqual(['two\n', 'bad\n']);
        const slow = new Popen('echo a; echo b >&2; sleep 0.25; echo c', {
          shell: true,
          stdout: PIPE,
          stderr: PIPE,
          text: true,
        });
        let error: TimeoutExpired | null = null;
        for (;;) {
          try {
            const both = yield* slow.communicate(null, { timeout: 0.1 });
            expect(both).toEqual(['a\nc\n', 'b\n']);
            break;
          } catch (e) {
            if (!(e instanceof TimeoutExpired)) throw e;
            error = e;
            expect([e.stdout, e.timeout]).toEqual([e.output, 0.1]);
            // On a busy machine it has not come to that yet.
            expect(`${e.output} ${e.stderr}`).toMatch(/^(a\n(c\n)?)? (b\n)?$/);
          }
        }
        expect(error).not.toBe(null);
      });
    });

    test('communicate also limits the wait for one that has closed its pipes and goes on', async () => {
      realWorld(core);
      const p = new Popen('exec >&-; exec sleep 60', { shell: true, stdout: PIPE });
      expect(await rejected(p.communicate(null, { timeout: 0.1 }))).toMatch(/^TimeoutExpired .* 0.1 seconds$/);
      p.kill();
      expect((await p.communicate())[0]?.length).toBe(0);
    });

    test('a Timeout object raises what it was given, in communicate too', async () => {
      realWorld(core);
      const p = new Popen(['sleep', '60'], { stdout: PIPE });
      class Late extends Error {
        override name = 'Late';
      }
      const late = new Timeout(0.02, Late);
      expect(await rejected(p.communicate(null, { timeout: late }))).toBe('Late: ');
      expect(late.pending).toBe(false);
      const own = new Timeout(0.02);
      expect(await p.communicate(null, { timeout: own }).then(null, (e) => e)).toBe(own);
      p.kill();
      await p.communicate();
    });

    test('links, wait and first take it as they take a greenlet', async () => {
      realWorld(core);
      const log: unknown[] = [];
      const quick = new Popen(['true']);
      const slow = new Popen(['sleep', '60']);
      const link = (p: Popen) => log.push(['link', p === quick, p.returncode]);
      const never = () => log.push('never');
      quick.rawlink(link);
      quick.rawlink(never);
      quick.unlink(never);
      quick.unlink(never);
      expect(await wait([slow, quick], { count: 1 })).toEqual([quick]);
      expect(log).toEqual([['link', true, 0]]);
      // It has ended: told all the same.
      quick.rawlink(link);
      await sleep(0);
      await sleep(0);
      expect(log.length).toBe(2);
      const chosen = await first({ slow: slow.wait(), quick: quick.wait() });
      expect(chosen).toEqual({ key: 'quick', value: 0 });
      expect(thrown(() => quick.rawlink(1 as never))).toBe('TypeError: rawlink: expected a function, got 1');
      slow.kill();
      expect(await wait([slow], { timeout: 10 })).toEqual([slow]);
    });

    test('one that runs keeps the hub going, unless it is not to', async () => {
      const { hub } = realWorld(core);
      const p = new Popen(['sleep', '0.05']);
      expect([hub.quiescent(), p.ref]).toEqual([false, true]);
      p.ref = false;
      expect(hub.quiescent()).toBe(true);
      p.ref = true;
      expect(hub.quiescent()).toBe(false);
      expect(await hub.join({ timeout: 10 })).toBe(true);
      expect([p.returncode, hub.quiescent()]).toEqual([0, true]);
      p.ref = false;
      p.ref = true;
      expect(hub.quiescent()).toBe(true);
    });
  });

  describe('what it is given', () => {
    test('stderr where stdout goes, in the order of writing', async () => {
      realWorld(core);
      const script = 'for i in 1 2 3; do echo out$i; echo err$i >&2; done';
      const mixed = 'out1\nerr1\nout2\nerr2\nout3\nerr3\n';
      expect(await checkOutput(['sh', '-c', script], { stderr: STDOUT, text: true })).toBe(mixed);
      expect(await checkOutput(script, { stderr: STDOUT, text: true, shell: true })).toBe(mixed);
      // Arguments come through the shell in front as they are.
      const odd = ['a b', '$x', '"', "'", '*', ''];
      const got = await checkOutput(['printf', '<%s>', ...odd], { stderr: STDOUT, text: true });
      expect(got).toBe(odd.map((arg) => `<${arg}>`).join(''));
      const file = join(temporary(), 'out');
      const fd = openSync(file, 'w');
      expect(await call(script, { shell: true, stdout: fd, stderr: STDOUT })).toBe(0);
      closeSync(fd);
      expect(readFileSync(file, 'utf8')).toBe(mixed);
      expect(await call(script, { shell: true, stdout: DEVNULL, stderr: STDOUT })).toBe(0);
      expect(await getstatusoutput('if')).toEqual([2, expect.stringMatching(/./)]);
      // What is not there is not hidden by the shell in front.
      expect(await rejected(run(['no-such-program'], { stdout: PIPE, stderr: STDOUT }))).toMatch(/^OSError \[ENOENT\]/);
    });

    test('descriptors, files, sockets and streams of Node', async () => {
      realWorld(core);
      const directory = temporary();
      const path = join(directory, 'in');
      writeFileSync(path, 'from a file\n');
      const fd = openSync(path, 'r');
      expect(await checkOutput(['cat'], { stdin: fd, text: true })).toBe('from a file\n');
      closeSync(fd);
      const stream = createReadStream(path);
      await once(stream, 'open');
      expect(await checkOutput(['cat'], { stdin: stream, text: true })).toBe('from a file\n');
      stream.destroy();
      // As inetd does.
      const [here, there] = await S.socketpair();
      const p = new Popen(['cat'], { stdin: there, stdout: there });
      there.close();
      await here.sendall('to and fro');
      here.shutdown(S.SHUT_WR);
      expect(String(await here.recv())).toBe('to and fro');
      expect((await here.recv()).length).toBe(0);
      expect(await p.wait()).toBe(0);
      here.close();
      expect([p.stdin, p.stdout, p.stderr]).toEqual([null, null, null]);
    });

    test('the output of one is the input of another, also if some of it was read here', async () => {
      realWorld(core);
      await inGreenlet(function* () {
        for (const pause of [0, 0.1]) {
          const one = new Popen("printf 'a1\\nb2\\na3\\n'", { shell: true, stdout: PIPE, text: true });
          if (pause > 0) {
            yield* sleep(pause);
            expect(yield* one.stdout.readline()).toBe('a1\n');
          }
          const two = new Popen(['grep', 'a'], { stdin: one.stdout, stdout: PIPE, text: true });
          one.stdout.close();
          expect(two.stdin).toBe(null);
          expect(yield* two.communicate()).toEqual([pause > 0 ? 'a3\n' : 'a1\na3\n', null]);
          expect(yield* one.wait()).toBe(0);
        }
      });
    });

    test('who writes to one that has ended is told, through the middle too', async () => {
      realWorld(core);
      for (const pause of [0, 0.1]) {
        const one = new Popen(['yes'], { stdout: PIPE, stderr: DEVNULL });
        if (pause > 0) await one.stdout.readline();
        const two = new Popen(['head', '-n', '2'], { stdin: one.stdout, stdout: PIPE, text: true });
        one.stdout.close();
        expect(await two.communicate()).toEqual(['y\ny\n', null]);
        // SIGPIPE; or, since Node's pipes are sockets, ECONNRESET if bytes were on their way.
        expect([-13, 1]).toContain(await one.wait({ timeout: 10 }));
      }
    });

    test('directory, environment, program, mask, session, descriptors', async () => {
      realWorld(core);
      const directory = temporary();
      const text = { text: true } as const;
      expect(await checkOutput(['pwd'], { cwd: directory, ...text })).toBe(`${directory}\n`);
      expect(await checkOutput(['pwd'], { cwd: new URL(`file://${directory}`), ...text })).toBe(`${directory}\n`);
      const env = { PATH: process.env.PATH, A: 'b', not: undefined };
      expect(await checkOutput('echo $A $HOME', { shell: true, env, ...text })).toBe('b\n');
      expect(await checkOutput(['my name', '-c', 'echo $0'], { executable: '/bin/sh', ...text })).toBe('my name\n');
      expect(await checkOutput(['echo $0 $1', 'zero', 'one'], { shell: true, ...text })).toBe('zero one\n');
      const before = process.umask();
      expect(await checkOutput('umask', { shell: true, umask: 0o77, ...text })).toMatch(/^0*77\n$/);
      expect(process.umask()).toBe(before);
      if (!LINUX) return;
      const sid = (options: object) =>
        checkOutput('cut -d" " -f6 /proc/$$/stat; echo $$', { shell: true, ...text, ...options });
      for (const options of [{ startNewSession: true }, { detached: true }]) {
        const [session, pid] = (await sid(options)).split('\n');
        expect(session).toBe(pid);
      }
      const [session, pid] = (await sid({})).split('\n');
      expect(session).not.toBe(pid);
      const fd = openSync('/dev/null', 'r');
      const open = await checkOutput(['ls', '/proc/self/fd'], { passFds: [fd], ...text });
      expect(open.split('\n')).toContain(String(fd));
      expect((await checkOutput(['ls', '/proc/self/fd'], text)).split('\n')).not.toContain(String(fd));
      closeSync(fd);
    });

    test('a program that cannot be started is told to who asked, with the reason', async () => {
      realWorld(core);
      const before = LINUX ? descriptors() : 0;
      const directory = temporary();
      const script = (name: string, text: string, mode: number): string => {
        const path = join(directory, name);
        writeFileSync(path, text);
        chmodSync(path, mode);
        return path;
      };
      const plain = script('plain', '', 0o644);
      const lost = script('lost', '#!/no/such/interpreter -x\n', 0o755);
      const cases: [string[] | string, object, string][] = [
        [['no-such-program'], {}, 'OSError [ENOENT]: spawn: ENOENT: no program no-such-program in PATH'],
        ['no such program', {}, 'OSError [ENOENT]: spawn: ENOENT: no program no such program in PATH'],
        [['true'], { env: { PATH: '/nowhere' } }, 'OSError [ENOENT]: spawn: ENOENT: no program true in PATH'],
        [['/no/such'], {}, 'OSError [ENOENT]: spawn: ENOENT: /no/such: there is no such program'],
        [[plain], {}, `OSError [EACCES]: spawn: EACCES: ${plain}: the program may not be executed`],
        [['./plain'], { cwd: directory }, 'OSError [EACCES]: spawn: EACCES: ./plain: the program may not be executed'],
        [[directory], {}, `OSError [EACCES]: spawn: EACCES: ${directory} is a directory`],
        [[lost], {}, `OSError [ENOENT]: spawn: ENOENT: ${lost}: its interpreter /no/such/interpreter cannot be run`],
        [
          ['true'],
          { cwd: '/no/where' },
          'OSError [ENOENT]: spawn: ENOENT: the working directory /no/where cannot be entered',
        ],
        [['true', 'x'.repeat(4e6)], {}, 'OSError [E2BIG]: spawn E2BIG'],
      ];
      for (const [args, options, expected] of cases) {
        for (const pipes of [{}, { stdin: PIPE, stdout: PIPE, stderr: PIPE }]) {
          expect(thrown(() => new Popen(args, { ...options, ...pipes } as object))).toBe(expected);
        }
        expect(await rejected(run(args, options))).toBe(expected);
      }
      expect(thrown(() => new Popen(['true'], { cwd: plain }))).toMatch(/^OSError \[ENOTDIR\]/);
      let error: any;
      try {
        new Popen(['no-such-program']);
      } catch (e) {
        error = e;
      }
      expect([error.errno, error.syscall, error.path]).toEqual([2, 'spawn', 'no-such-program']);
      await sleep(0.01);
      if (LINUX) await expectDescriptors(before);
    });

    test('arguments that make no sense are refused where they are given', () => {
      realWorld(core);
      const cases: [() => unknown, string][] = [
        [() => new Popen(5 as never), 'TypeError: Popen(args): expected a string or an array of strings, got 5'],
        [() => new Popen([]), 'RangeError: Popen(args): expected a program, got nothing'],
        [() => new Popen(''), 'RangeError: Popen(args): expected a program, got nothing'],
        [() => new Popen(['echo', 5 as never]), 'TypeError: Popen(args[1]): expected a string, got 5'],
        [() => new Popen(['echo', 'a\0b']), 'TypeError: Popen(args[1]): a string with a zero byte: "a\\u0000b"'],
        [() => new Popen(['true'], { cwd: 5 as never }), 'TypeError: Popen(cwd): expected a string, got 5'],
        [() => new Popen(['true'], { env: { A: 5 as never } }), 'TypeError: Popen(env.A): expected a string, got 5'],
        [() => new Popen(['true'], { stdout: STDOUT }), 'RangeError: STDOUT can only be used for stderr'],
        [() => new Popen(['true'], { stdin: -7 }), 'RangeError: Popen(stdin): expected a file descriptor, got -7'],
        [
          () => new Popen(['true'], { stdin: true as never }),
          'TypeError: Popen(stdin): expected PIPE, STDOUT, DEVNULL, a descriptor or an open file, got true',
        ],
        [
          () => new Popen(['true'], { encoding: 'ebcdic' as never, stdout: PIPE }),
          'RangeError: encoding: expected utf8, latin1 or ascii, got "ebcdic"',
        ],
        [
          () => checkOutput(['true'], { stdout: PIPE }),
          'RangeError: checkOutput: stdout argument not allowed, it will be overridden',
        ],
        [
          () => checkOutput(['true'], { check: true } as never),
          'RangeError: checkOutput: check argument not allowed, it will be overridden',
        ],
        [
          () => checkOutput(['true'], { input: 'x', stdin: PIPE }),
          'RangeError: checkOutput: stdin and input arguments may not both be used',
        ],
        [
          () => run(['true'], { input: 'x', stdin: PIPE }),
          'RangeError: run: stdin and input arguments may not both be used',
        ],
        [
          () => run(['true'], { captureOutput: true, stderr: PIPE }),
          'RangeError: run: stdout and stderr arguments may not be used with captureOutput',
        ],
        [() => run(['true'], { timeout: -1 }), 'RangeError: run(timeout): expected 0 or more seconds, got -1'],
        [() => call(['true'], null as never), 'TypeError: call(options): expected an object, got null'],
        [() => getoutput(5 as never), 'TypeError: getoutput(cmd): expected a string, got 5'],
      ];
      for (const [act, expected] of cases) expect(thrown(act)).toBe(expected);
    });
  });

  describe('run and its kin', () => {
    test('run gives what there is to know', async () => {
      realWorld(core);
      const done = await run(['sh', '-c', 'cat; echo bad >&2; exit 2'], {
        input: 'in',
        captureOutput: true,
        text: true,
      });
      expect(done).toBeInstanceOf(CompletedProcess);
      expect([done.args, done.returncode, done.stdout, done.stderr]).toEqual([
        ['sh', '-c', 'cat; echo bad >&2; exit 2'],
        2,
        'in',
        'bad\n',
      ]);
      expect(thrown(() => done.checkReturncode())).toBe(
        "CalledProcessError [GEVENT_PROCESS_FAILED]: Command ['sh', '-c', 'cat; echo bad >&2; exit 2'] returned non-zero exit status 2",
      );
      expect((await run(['true'])).checkReturncode()).toBe(undefined);
      const error = (await run('echo out; exit 1', { shell: true, stdout: PIPE, check: true }).then(
        null,
        (e) => e,
      )) as CalledProcessError;
      expect([told(error), error.returncode, error.cmd, String(error.output), error.stderr]).toEqual([
        "CalledProcessError [GEVENT_PROCESS_FAILED]: Command 'echo out; exit 1' returned non-zero exit status 1",
        1,
        'echo out; exit 1',
        'out\n',
        null,
      ]);
    });

    test('call, checkCall, checkOutput, getoutput, getstatusoutput', async () => {
      realWorld(core);
      await inGreenlet(function* () {
        expect(yield* call(['sh', '-c', 'exit 7'])).toBe(7);
        expect(yield* checkCall(['true'])).toBe(0);
        expect(yield* checkOutput(['cat'], { input: Buffer.from('x') })).toEqual(Buffer.from('x'));
        expect(yield* getoutput('echo a; echo b >&2; echo')).toBe('a\nb\n');
        expect(yield* getstatusoutput('kill -9 $$')).toEqual([-9, '']);
      });
      expect(await rejected(checkCall('kill -9 $$', { shell: true }))).toBe(
        "CalledProcessError [GEVENT_PROCESS_FAILED]: Command 'kill -9 $$' died of SIGKILL (9)",
      );
      const error = (await checkOutput('echo some; exit 4', { shell: true }).then(
        null,
        (e) => e,
      )) as CalledProcessError;
      expect([error.returncode, String(error.stdout)]).toEqual([4, 'some\n']);
    });

    test('a timeout kills the child, and has what it had written', async () => {
      realWorld(core);
      for (const make of [
        () => run('echo $$; exec sleep 60', { shell: true, stdout: PIPE, text: true, timeout: 1 }),
        () => checkOutput('echo $$; exec sleep 60', { shell: true, text: true, timeout: 1 }),
      ]) {
        const error = (await (make() as any).then(null, (e: unknown) => e)) as TimeoutExpired;
        expect(told(error)).toMatch(/^TimeoutExpired .* timed out after 1 seconds$/);
        expect(error.output).toMatch(/^\d+\n$/);
        expect(alive(Number(error.output))).toBe(false);
      }
      expect(await rejected(call(['sleep', '60'], { timeout: 0.02 }))).toMatch(/^TimeoutExpired/);
      expect(await rejected(checkCall(['sleep', '60'], { timeout: 0 }))).toMatch(/^TimeoutExpired/);
    });

    test('a timeout does not wait for grandchildren that hold the pipe', async () => {
      realWorld(core);
      const began = performance.now();
      const error = (await run('echo $$; sleep 20 2>/dev/null; echo', {
        shell: true,
        stdout: PIPE,
        text: true,
        timeout: 1,
      }).then(null, (e) => e)) as TimeoutExpired;
      expect(error.output).toMatch(/^\d+\n$/);
      expect(performance.now() - began).toBeLessThan(15_000);
    });

    test.each(['kill', 'timeout'] as const)(
      'a %s at every switch of run leaves no child',
      { timeout: 60_000 },
      async (how) => {
        const { hub, reported } = realWorld(core);
        const before = LINUX ? descriptors() : 0;
        let hits = 0;
        for (let at = 1; at < 40; ++at) {
          const pids: number[] = [];
          function* work(): Body<unknown> {
            const done = yield* run('echo $$; cat; echo bad >&2', {
              shell: true,
              input: 'x'.repeat(300_000),
              captureOutput: true,
              text: true,
            });
            pids.push(Number(done.stdout.slice(0, done.stdout.indexOf('\n'))));
            return done.stdout.length;
          }
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
          await victim.join({ timeout: 20 });
          hub.tracer = null;
          expect(victim.dead).toBe(true);
          if (hit) ++hits;
          else {
            expect(victim.value as number).toBeGreaterThan(300_000);
            break;
          }
        }
        expect(hits).toBeGreaterThan(1);
        reported();
        expect(hub.refs).toBe(0);
        if (LINUX) await expectDescriptors(before);
      },
    );

    test.each(['kill', 'timeout'] as const)(
      'a %s at every switch of communicate and wait loses nothing',
      { timeout: 60_000 },
      async (how) => {
        const { hub, reported } = realWorld(core);
        const big = 'x'.repeat(300_000);
        let hits = 0;
        for (let at = 1; at < 40; ++at) {
          const p = new Popen('cat; echo bad >&2; exit 5', {
            shell: true,
            stdin: PIPE,
            stdout: PIPE,
            stderr: PIPE,
            text: true,
          });
          let begun = false;
          const victim = spawn(function* (): Body<unknown> {
            yield* sleep(0);
            begun = true;
            const both = yield* p.communicate(big);
            return [both, yield* p.wait()];
          });
          victim.$quiet = true;
          let count = 0;
          let hit = false;
          hub.tracer = (_event, _origin, target) => {
            if (hit || target !== (victim as Greenlet) || ++count < at) return;
            hit = true;
            if (how === 'kill') kill(victim);
            else new Timeout(0).start();
          };
          await victim.join({ timeout: 20 });
          hub.tracer = null;
          const whole = [[big, 'bad\n'], 5];
          if (!hit) expect(victim.value).toEqual(whole);
          else {
            ++hits;
            const given = begun && p.stdin.closed;
            const both = await p.communicate(begun ? undefined : big, { timeout: 20 }).then(null, (e) => e);
            expect([given, [both, await p.wait()]]).toEqual([given, whole]);
          }
          if (!hit) break;
        }
        expect(hits).toBeGreaterThan(1);
        reported();
      },
    );

    test('await of run in an async body that is killed kills the child', async () => {
      realWorld(core);
      const file = join(temporary(), 'pid');
      const g = spawn(async () => {
        await run(`echo $$ >${file}; exec sleep 60`, { shell: true });
      });
      const pid = () => {
        try {
          return Number(readFileSync(file, 'utf8'));
        } catch {
          return 0;
        }
      };
      await soon(() => pid() > 0);
      await g.kill();
      expect(g.value as unknown).toBeInstanceOf(GreenletExit);
      await soon(() => !alive(pid()));
    });
  });

  describe('the end of a block', () => {
    test('await using and use wait for the end; using closes the pipes', async () => {
      realWorld(core);
      let p: Popen<any>;
      {
        await using popen = new Popen(['cat'], { stdin: PIPE, stdout: PIPE });
        p = popen;
      }
      expect([p.returncode, p.stdout?.closed]).toEqual([0, true]);
      await inGreenlet(function* () {
        const popen = yield* use(new Popen(['cat'], { stdin: PIPE }));
        p = popen;
        yield* popen.stdin.write('x');
      });
      await soon(() => p.returncode === 0);
      {
        using popen = new Popen(['cat'], { stdin: PIPE });
        p = popen;
      }
      expect(p.returncode).toBe(null);
      expect(await p.wait()).toBe(0);
    });

    test('output that nobody reads is bounded, also from those that outlive the child', async () => {
      realWorld(core);
      const p = new Popen('yes & echo $! >&2', { shell: true, stdout: PIPE, stderr: PIPE, text: true });
      const yes = Number(await p.stderr.readline());
      await p.stdout.readline();
      expect(await p.wait()).toBe(0);
      for (let i = 0; i < 20; ++i) await sleep(0.005);
      expect(p.stdout.$reader?.size).toBeLessThan(512 * 1024);
      expect(alive(yes)).toBe(true);
      p.close();
      await soon(() => !alive(yes));
    });

    test('what a child wrote is there after its end', async () => {
      realWorld(core);
      const p = new Popen(['echo', 'last words'], { stdout: PIPE, text: true });
      await p.wait();
      for (let i = 0; i < 5; ++i) await sleep(0.002);
      expect(await p.stdout.readline()).toBe('last words\n');
      expect(await p.communicate()).toEqual(['', null]);
    });

    test('a thousand children in a pool leave no descriptor', { timeout: 120_000 }, async () => {
      const { hub } = realWorld(core);
      const before = LINUX ? descriptors() : 0;
      const many = core === 'wasm' ? 1000 : 100;
      const pool = new Pool(20);
      const codes = await pool.map(
        function* (n: number): Body<number> {
          const p = new Popen(['sh', '-c', `cat >&2; exit ${n % 7}`], {
            stdin: PIPE,
            stdout: PIPE,
            stderr: PIPE,
            text: true,
          });
          if (n % 3 === 0) {
            // Left by its waiter.
            yield* withTimeout({ seconds: 0, timeoutValue: null }, () => p.communicate('x'));
          }
          const [, err] = yield* p.communicate(n % 3 === 0 && p.stdin.closed ? null : undefined);
          expect(['', 'x']).toContain(err);
          return p.returncode as number;
        },
        Array.from({ length: many }, (_, n) => n),
      );
      expect(codes).toEqual(Array.from({ length: many }, (_, n) => n % 7));
      expect(hub.refs).toBe(0);
      if (LINUX) await expectDescriptors(before);
    });

    test('it says what it is', async () => {
      realWorld(core);
      const p = new Popen(['sleep', '60'], { stdout: PIPE });
      expect(String(p)).toBe(`<Popen pid=${p.pid} ['sleep', '60'] running>`);
      expect(p.stdout.name).toBe(`stdout of process ${p.pid}`);
      const g = spawn(() => p.wait());
      await sleep(0);
      expect(String(getHub().dump())).toContain(`wait of <Popen pid=${p.pid}`);
      p.kill();
      await g.join();
      p.close();
      expect(String(p)).toBe(`<Popen pid=${p.pid} ['sleep', '60'] returncode=-9>`);
      expect(String(new CompletedProcess(['x'], 1))).toBe("<CompletedProcess ['x'] returncode=1>");
    });
  });
});

describe.skipIf(process.platform === 'win32')('in a process of its own', () => {
  test('it waits for a child, and not for one that is not to keep it', async () => {
    const source = (ref: boolean) => `
      import { Popen } from '#sys/subprocess.ts';
      const p = new Popen(['sleep', '1']);
      p.ref = ${ref};
      process.on('exit', () => console.log(p.returncode));
    `;
    const [kept, left] = await Promise.all([program(source(true)), program(source(false))]);
    expect([kept.stdout, left.stdout, kept.stderr, left.stderr]).toEqual([['0'], ['null'], '', '']);
  });

  test('descriptors that run out are EMFILE, and back when some are closed', async () => {
    const { stdout, stderr } = await program(
      `
      import { openSync, closeSync } from 'node:fs';
      import { execFileSync } from 'node:child_process';
      import { Popen, PIPE, run } from '#sys/subprocess.ts';
      import { sleep } from '#index.ts';
      execFileSync('true');
      const open = [];
      try { for (;;) open.push(openSync('/dev/null', 'r')); } catch {}
      try { new Popen(['true'], { stdin: PIPE, stdout: PIPE }); } catch (error) { console.log(error.code, error.syscall); }
      for (const fd of open) closeSync(fd);
      await sleep(0.01);
      console.log((await run(['echo', 'again'], { captureOutput: true, text: true })).stdout.trim());
      process.exit();
    `.replace('execFileSync', 'execFileSync'),
      { NODE_OPTIONS: '' },
    );
    expect([stdout, stderr]).toEqual([['EMFILE spawn', 'again'], '']);
  });
});
