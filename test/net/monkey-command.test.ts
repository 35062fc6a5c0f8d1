// `gevent-wasm monkey`, `--import gevent-wasm/monkey/auto`, and the warning when a patch comes too late.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const CLI = at('ts/guest/cli.ts');
const AUTO = new URL('../../ts/sys/monkey-auto.ts', import.meta.url).href;
const MONKEY = new URL('../../ts/sys/monkey.ts', import.meta.url).href;
const dir = mkdtempSync(join(tmpdir(), 'gevent-monkey-'));
afterAll(() => rmSync(dir, { recursive: true }));

function node(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => (stdout += data));
  child.stderr.setEncoding('utf8').on('data', (data: string) => (stderr += data));
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function script(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const TELLS = `console.log(typeof Promise.prototype[Symbol.iterator], String(setTimeout).includes('native') || setTimeout.toString().slice(0, 8));
  console.log(JSON.stringify(process.argv.slice(2)), process.argv[1].split('/').at(-1));`;

describe('the command', { timeout: 60_000 }, () => {
  test('runs a script patched, with its own arguments and its exit code', async () => {
    const path = script('with #hash.mjs', `${TELLS}\nprocess.exitCode = 3;`);
    const ran = await node([CLI, 'monkey', path, '--no-time', 'x']);
    expect(ran).toMatchObject({ code: 3, stderr: '' });
    expect(ran.stdout.split('\n').slice(0, 2)).toEqual([
      expect.stringMatching(/^function /),
      '["--no-time","x"] with #hash.mjs',
    ]);
  });

  test('leaves out what it is told to, and runs modules by name', async () => {
    const path = script('promise.mjs', 'console.log(typeof Promise.prototype[Symbol.iterator]);');
    expect(await node([CLI, 'monkey', '--no-promise', '--time', path])).toEqual({
      code: 0,
      stdout: 'undefined\n',
      stderr: '',
    });
    const ran = await node([CLI, 'monkey', '--module', 'data:text/javascript,console.log(process.argv.length)', 'a']);
    expect(ran).toEqual({ code: 0, stdout: '3\n', stderr: '' });
  });

  test('says what is wrong', async () => {
    const bad = await node([CLI, 'monkey', '--no-such', 'x.js']);
    expect([bad.code, bad.stdout]).toEqual([2, '']);
    expect(bad.stderr).toMatch(/no patch no-such\n\n.*gevent-wasm monkey \[/s);
    expect((await node([CLI, 'monkey'])).stderr).toMatch(/no script/);
    const missing = await node([CLI, 'monkey', 'no-such-script']);
    expect([missing.code, missing.stdout]).toEqual([2, '']);
    expect(missing.stderr).toMatch(/^gevent-wasm monkey: cannot find no-such-script\n/);
    const help = await node([CLI, 'monkey', '--help']);
    expect([help.code, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toMatch(/Patches: os, thread, time, promise/);
    const failing = await node([CLI, 'monkey', script('throws.mjs', 'throw new Error("mine")')]);
    expect([failing.code, failing.stderr]).toEqual([1, expect.stringMatching(/Error: mine/)]);
  });
});

describe('--import', { timeout: 60_000 }, () => {
  test('patches before the script, CommonJS too; the environment leaves patches out', async () => {
    const path = script(
      'main.cjs',
      `const { setTimeout: bound } = require('node:timers'); console.log(typeof Promise.prototype[Symbol.iterator], bound === setTimeout, require('fs').readFile.name);`,
    );
    expect(await node(['--import', AUTO, path])).toEqual({ code: 0, stdout: 'function true readFile\n', stderr: '' });
    const without = await node(['--import', AUTO, path], { GEVENT_MONKEY: 'no-promise, no-os' });
    expect(without).toEqual({ code: 0, stdout: 'undefined true readFile\n', stderr: '' });
    const wrong = await node(['--import', AUTO, path], { GEVENT_MONKEY: 'no-tiem' });
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/TypeError: GEVENT_MONKEY: .*got no-tiem/)]);
  });

  test('what comes too late is told, by the names of the packages; patching first is silent', async () => {
    const late = script(
      'late.mjs',
      `import '${at('node_modules/pg/lib/index.js')}'; const { patchAll } = await import('${MONKEY}'); console.log(patchAll());`,
    );
    const ran = await node([late]);
    expect([ran.code, ran.stdout]).toEqual([0, 'true\n']);
    expect(ran.stderr).toMatch(/MonkeyPatchWarning: patched too late: .*pg.* had been loaded before/);
    const early = script(
      'early.mjs',
      `import '${AUTO}'; import '${at('node_modules/pg/lib/index.js')}'; console.log('silent');`,
    );
    expect(await node([early])).toEqual({ code: 0, stdout: 'silent\n', stderr: '' });
  });

  test('a worker thread is patched by its own --import', async () => {
    const path = script(
      'worker.mjs',
      `import { Worker, isMainThread } from 'node:worker_threads';
       if (isMainThread) { const w = new Worker(new URL(import.meta.url)); w.on('exit', (code) => console.log('exit', code)); }
       setTimeout(() => console.log(isMainThread, typeof Promise.prototype[Symbol.iterator]), isMainThread ? 1 : 5);`,
    );
    const ran = await node(['--import', AUTO, path]);
    expect([ran.code, ran.stderr]).toEqual([0, '']);
    expect(ran.stdout.split('\n').sort()).toEqual(['', 'exit 0', 'false function', 'true function']);
  });
});
