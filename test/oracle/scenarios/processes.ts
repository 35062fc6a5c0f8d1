// Child processes and files: real ones on both sides, on the real clock. Run by processes.test.ts.

import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, spawn, wait } from '../../../ts/index.ts';
import { FileObject, FileObjectPosix, FileObjectThread } from '../../../ts/sys/fileobject.ts';
import * as os from '../../../ts/sys/os.ts';
import {
  type CalledProcessError,
  call,
  checkOutput,
  getstatusoutput,
  PIPE,
  Popen,
  run,
  STDOUT,
  type TimeoutExpired,
} from '../../../ts/sys/subprocess.ts';
import { differs, type Scenario, same, told } from '../scenario.ts';

/** Seconds, here and there. */
export const T = 0.05;

/** What their Python texts begin with. */
export const IMPORTS = `
import os, tempfile
from gevent.subprocess import PIPE, STDOUT, Popen, TimeoutExpired, call, check_output, getstatusoutput, run
from gevent.fileobject import FileObject, FileObjectPosix, FileObjectThread
from gevent.os import nb_read, nb_write, make_nonblocking
def pipe():
    path = tempfile.mktemp()
    os.mkfifo(path)
    ends = os.open(path, os.O_RDONLY | os.O_NONBLOCK), os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.unlink(path)
    return ends
`;

function pipe(): [number, number] {
  const path = join(fs.mkdtempSync(join(tmpdir(), 'gw-')), 'pipe');
  execFileSync('mkfifo', [path]);
  const { O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;
  const ends: [number, number] = [fs.openSync(path, O_RDONLY | O_NONBLOCK), fs.openSync(path, O_WRONLY | O_NONBLOCK)];
  fs.rmSync(join(path, '..'), { recursive: true });
  return ends;
}

export const processes: Scenario[] = [
  same(
    'communicate gives both outputs, then there is a code',
    `
    p = Popen('cat; echo bad >&2; exit 3', shell=True, stdin=PIPE, stdout=PIPE, stderr=PIPE, universal_newlines=True)
    log(p.poll())
    log(p.communicate('in'))
    log(p.returncode, p.poll(), p.result.get(), p.wait())
    `,
    function* (log) {
      const options = { shell: true, stdin: PIPE, stdout: PIPE, stderr: PIPE, universalNewlines: true } as const;
      const p = new Popen('cat; echo bad >&2; exit 3', options);
      log(p.poll());
      log(yield* p.communicate('in'));
      log(p.returncode, p.poll(), yield* p.result.get(), yield* p.wait());
    },
  ),
  same(
    'a wait that is over in time; the child goes on, is killed, and says so',
    `
    p = Popen(['sleep', '60'])
    e = told(lambda: p.wait(timeout=T))
    log(e, e.cmd, p.poll())
    p.kill()
    log(p.wait(), p.returncode)
    p.kill()
    p.terminate()
    q = Popen(['sleep', '60'])
    q.terminate()
    log(q.wait())
    r = Popen(['sleep', '60'])
    r.send_signal(10)
    log(r.wait(timeout=100))
    `,
    function* (log) {
      const p = new Popen(['sleep', '60']);
      const e = yield* told(() => p.wait({ timeout: T }));
      log(e, e.cmd, p.poll());
      p.kill();
      log(yield* p.wait(), p.returncode);
      p.kill();
      p.terminate();
      const q = new Popen(['sleep', '60']);
      q.terminate();
      log(yield* q.wait());
      const r = new Popen(['sleep', '60']);
      r.sendSignal(10);
      log(yield* r.wait({ timeout: 100 }));
    },
  ),
  same(
    'links and wait take a Popen',
    `
    p = Popen(['sleep', '60'])
    q = Popen(['true'])
    q.rawlink(lambda x: log('link', x is q, x.returncode))
    log([x is q for x in wait([p, q], count=1)])
    p.kill()
    log(len(wait([p, q])))
    q.rawlink(lambda x: log('late link'))
    sleep(0)
    sleep(0)
    log('end')
    `,
    function* (log) {
      const p = new Popen(['sleep', '60']);
      const q = new Popen(['true']);
      q.rawlink((x) => log('link', x === q, x.returncode));
      log((yield* wait([p, q], { count: 1 })).map((x) => x === q));
      p.kill();
      log((yield* wait([p, q])).length);
      q.rawlink(() => log('late link'));
      yield* sleep(0);
      yield* sleep(0);
      log('end');
    },
  ),
  same(
    'others run while one waits; one who is killed leaves the child',
    `
    p = Popen(['cat'], stdin=PIPE, stdout=PIPE)
    def waiter(): log('never', p.wait())
    g = spawn(waiter)
    sleep(T)
    g.kill()
    log(g.dead, p.poll())
    p.stdin.write(b'through')
    p.stdin.close()
    log(p.stdout.read().decode(), p.wait())
    `,
    function* (log) {
      const p = new Popen(['cat'], { stdin: PIPE, stdout: PIPE });
      const g = spawn(function* () {
        log('never', yield* p.wait());
      });
      yield* sleep(T);
      yield* g.kill();
      log(g.dead, p.poll());
      yield* p.stdin.write('through');
      p.stdin.close();
      log(String(yield* p.stdout.read()), yield* p.wait());
      p.close();
    },
  ),
  same(
    'communicate after a timeout goes on where it was',
    `
    p = Popen('echo a; sleep 0.5; echo b', shell=True, stdout=PIPE)
    log(told(lambda: p.communicate(timeout=T)))
    log(p.communicate()[0].decode())
    `,
    function* (log) {
      const p = new Popen('echo a; sleep 0.5; echo b', { shell: true, stdout: PIPE });
      log(yield* told(() => p.communicate(null, { timeout: T })));
      log(String((yield* p.communicate())[0]));
    },
  ),
  same(
    'check_output: what it gives, what it raises, what it refuses',
    `
    log(check_output(['cat'], input=b'given').decode())
    e = told(lambda: check_output('echo out; exit 4', shell=True))
    log(e, e.returncode, e.cmd, e.output.decode())
    e = told(lambda: check_output('echo some; exec sleep 60', shell=True, timeout=20*T))
    log(e, e.output.decode(), e.timeout == 20*T)
    log(told(lambda: check_output(['true'], stdout=PIPE)))
    log(told(lambda: check_output(['true'], input=b'', stdin=PIPE)))
    `,
    function* (log) {
      log(String(yield* checkOutput(['cat'], { input: 'given' })));
      let e = (yield* told(() => checkOutput('echo out; exit 4', { shell: true }))) as any;
      log(e, e.returncode, e.cmd, String(e.output));
      e = yield* told(() => checkOutput('echo some; exec sleep 60', { shell: true, timeout: 20 * T }));
      log(e, String(e.output), e.timeout === 20 * T);
      log(yield* told(() => checkOutput(['true'], { stdout: PIPE })));
      log(yield* told(() => checkOutput(['true'], { input: '', stdin: PIPE })));
    },
  ),
  same(
    'run and call',
    `
    r = run(['sh', '-c', 'cat; echo bad >&2; exit 2'], input='in', stdout=PIPE, stderr=PIPE, universal_newlines=True)
    log(r.args, r.returncode, r.stdout, r.stderr)
    log(told(r.check_returncode))
    e = told(lambda: run('kill -9 $$', shell=True, check=True))
    log(e, e.returncode, e.stdout, e.stderr)
    log(call(['sh', '-c', 'exit 7']), told(lambda: call(['sleep', '60'], timeout=T)))
    log(getstatusoutput('echo out; echo err >&2; exit 5'))
    `,
    function* (log) {
      const r = yield* run(['sh', '-c', 'cat; echo bad >&2; exit 2'], {
        input: 'in',
        stdout: PIPE,
        stderr: PIPE,
        universalNewlines: true,
      });
      log(r.args, r.returncode, r.stdout, r.stderr);
      log(yield* told(() => r.checkReturncode()));
      const e = (yield* told(() => run('kill -9 $$', { shell: true, check: true }))) as CalledProcessError;
      log(e, e.returncode, e.stdout, e.stderr);
      log(yield* call(['sh', '-c', 'exit 7']), yield* told(() => call(['sleep', '60'], { timeout: T })));
      log(yield* getstatusoutput('echo out; echo err >&2; exit 5'));
    },
  ),
  same(
    'a program that cannot be started is told in the caller',
    `
    for args, options in (['no-such-program'], {}), (['/etc/passwd'], {}), (['true'], dict(cwd='/no/where')), (['true'], dict(cwd='/etc/passwd')):
        e = told(lambda: Popen(args, **options))
        log(e.errno, e.filename)
    `,
    function* (log) {
      for (const [args, options] of [
        [['no-such-program'], {}],
        [['/etc/passwd'], {}],
        [['true'], { cwd: '/no/where' }],
        [['true'], { cwd: '/etc/passwd' }],
      ] as const) {
        const e = yield* told(() => new Popen(args, options));
        // Node throws that one itself, without the name.
        log(e.errno, e.path ?? '/etc/passwd');
      }
    },
  ),
  same(
    'a child that does not read, and one that writes where stdout goes',
    `
    p = Popen(['true'], stdin=PIPE)
    log(p.communicate(b'x' * 1000000))
    p = Popen('echo 1; echo 2 >&2; echo 3', shell=True, stdout=PIPE, stderr=STDOUT, universal_newlines=True)
    for line in p.stdout: log(line.strip())
    log(p.stderr, p.wait())
    with Popen(['cat'], stdin=PIPE) as q: log(q.poll())
    log(q.poll())
    `,
    function* (log) {
      let p: Popen<any> = new Popen(['true'], { stdin: PIPE });
      log(yield* p.communicate('x'.repeat(1_000_000)));
      const q = new Popen('echo 1; echo 2 >&2; echo 3', { shell: true, stdout: PIPE, stderr: STDOUT, text: true });
      for (let line = yield* q.stdout.readline(); line !== ''; line = yield* q.stdout.readline()) log(line.trim());
      log(q.stderr, yield* q.wait());
      q.close();
      p = new Popen(['cat'], { stdin: PIPE });
      log(p.poll());
      yield* p[Symbol.asyncDispose]() as any;
      log(p.poll());
    },
  ),
  same(
    'FileObject on a pipe: a reader waits while others run; the end',
    `
    r, w = pipe()
    reader, writer = FileObject(r, 'rb'), FileObject(w, 'wb', buffering=0)
    def read(): log('read', reader.readline().decode(), reader.read().decode(), len(reader.read()))
    g = spawn(read)
    sleep(T)
    log('meanwhile', g.dead)
    writer.write(b'one\\ntwo')
    writer.close()
    g.join()
    log(reader.closed, writer.closed)
    reader.close()
    log(reader.closed, told(lambda: reader.read()).errno)
    `,
    function* (log) {
      const [r, w] = pipe();
      const reader = new FileObject(r, 'rb');
      const writer = new FileObject(w, 'wb', { buffering: 0 });
      const g = spawn(function* () {
        log('read', String(yield* reader.readline()), String(yield* reader.read()), (yield* reader.read()).length);
      });
      yield* sleep(T);
      log('meanwhile', g.dead);
      yield* writer.write('one\ntwo');
      writer.close();
      yield* g.join();
      log(reader.closed, writer.closed);
      reader.close();
      log(reader.closed, (yield* told(() => reader.read())).errno);
    },
  ),
  same(
    'closing a file wakes who waits in it; who reads all gets what had come',
    `
    for what in 'readline', 'read':
        r, w = pipe()
        reader, writer = FileObjectPosix(r, 'rb', 0), FileObjectPosix(w, 'wb', 0)
        def read():
            try: log(getattr(reader, what)().decode())
            except OSError as e: log(e.errno)
        g = spawn(read)
        sleep(T)
        writer.write(b'some')
        sleep(T)
        reader.close()
        g.join()
        writer.close()
    `,
    function* (log) {
      for (const what of ['readline', 'read'] as const) {
        const [r, w] = pipe();
        const reader = new FileObjectPosix(r, 'rb');
        const writer = new FileObjectPosix(w, 'wb');
        const g = spawn(function* () {
          try {
            log(String(yield* reader[what]()));
          } catch (e) {
            log((e as { errno: number }).errno);
          }
        });
        yield* sleep(T);
        yield* writer.write('some');
        yield* sleep(T);
        reader.close();
        yield* g.join();
        yield* writer.close();
      }
    },
  ),
  same(
    'FileObjectThread: modes, places, the end',
    `
    path = tempfile.mktemp()
    f = FileObjectThread(path, 'x')
    f.write('one\\ntwo\\nthree')
    f.close()
    log(told(lambda: FileObjectThread(path, 'x')).errno, told(lambda: FileObjectThread('/no/such')).errno)
    f = FileObjectThread(path)
    log(f.readline(), f.readlines(), f.read(), f.closed, f.readable(), f.writable(), f.seekable())
    f.seek(4)
    log(f.read(3), f.tell())
    f.close()
    log(f.closed, told(lambda: f.read()).errno)
    f = FileObjectThread(path, 'a+b')
    log(f.tell(), f.read().decode())
    f.write(b'!')
    f.seek(0)
    log(f.readline().decode(), f.tell())
    f.close()
    f = FileObjectThread(path, 'r+b')
    f.read(2)
    f.write(b'E')
    f.seek(0)
    log(f.read().decode())
    f.truncate(3)
    f.seek(-1, 2)
    log(f.tell(), f.read().decode())
    f.close()
    os.unlink(path)
    `,
    function* (log) {
      const directory = fs.mkdtempSync(join(tmpdir(), 'gw-'));
      const path = join(directory, 'file');
      let f = new FileObjectThread(path, 'x');
      yield* f.write('one\ntwo\nthree');
      yield* f.close();
      const errno = function* (make: () => unknown) {
        return (yield* told(make)).errno;
      };
      log(yield* errno(() => new FileObjectThread(path, 'x')), yield* errno(() => new FileObjectThread('/no/such')));
      f = new FileObjectThread(path);
      log(
        yield* f.readline(),
        yield* f.readlines(),
        yield* f.read(),
        f.closed,
        f.readable(),
        f.writable(),
        f.seekable(),
      );
      yield* f.seek(4);
      log(yield* f.read(3), f.tell());
      yield* f.close();
      log(f.closed, yield* errno(() => f.read()));
      f = new FileObjectThread(path, 'a+b');
      log(f.tell(), String(yield* f.read()));
      yield* f.write('!');
      yield* f.seek(0);
      log(String(yield* f.readline()), f.tell());
      yield* f.close();
      f = new FileObjectThread(path, 'r+b');
      yield* f.read(2);
      yield* f.write('E');
      yield* f.seek(0);
      log(String(yield* f.read()));
      yield* f.truncate(3);
      yield* f.seek(-1, 2);
      log(f.tell(), String(yield* f.read()));
      yield* f.close();
      fs.rmSync(directory, { recursive: true });
    },
  ),
  same(
    'nb_read and nb_write',
    `
    r, w = pipe()
    make_nonblocking(r)
    def read(): log('read', nb_read(r, 3).decode(), nb_read(r, 100).decode(), len(nb_read(r, 1)))
    g = spawn(read)
    sleep(T)
    log('meanwhile', nb_write(w, b'abcdef'))
    sleep(T)
    os.close(w)
    g.join()
    os.close(r)
    log(told(lambda: nb_read(r, 1)).errno)
    `,
    function* (log) {
      const [r, w] = pipe();
      os.makeNonblocking(r);
      const g = spawn(function* () {
        log('read', String(yield* os.nbRead(r, 3)), String(yield* os.nbRead(r, 100)), (yield* os.nbRead(r, 1)).length);
      });
      yield* sleep(T);
      log('meanwhile', yield* os.nbWrite(w, 'abcdef'));
      yield* sleep(T);
      os.close(w);
      yield* g.join();
      os.close(r);
      log((yield* told(() => os.nbRead(r, 1))).errno);
    },
  ),
  differs(
    {
      why: 'who times out wants to know what there was: CPython tells that too, gevent only in check_output',
      gevent: ['TimeoutExpired none none'],
      here: ['TimeoutExpired some none'],
    },
    'what a communicate that is over in time has had',
    `
    p = Popen('echo -n some; exec sleep 60', shell=True, stdout=PIPE)
    e = told(lambda: p.communicate(timeout=20*T))
    log(e, e.output and e.output.decode(), e.stderr)
    p.kill()
    p.communicate()
    `,
    function* (log) {
      const p = new Popen('echo -n some; exec sleep 60', { shell: true, stdout: PIPE });
      const e = (yield* told(() => p.communicate(null, { timeout: 20 * T }))) as TimeoutExpired;
      log(e, e.output && String(e.output), e.stderr);
      p.kill();
      yield* p.communicate();
    },
  ),
];
