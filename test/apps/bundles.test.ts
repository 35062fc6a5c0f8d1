// Programs as bundlers make them: one file, minified or not, as a module, as CommonJS and as a script.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { rolldown } from 'rolldown';
import { afterAll, describe, expect, test } from 'vitest';

const TS = resolve(import.meta.dirname, '../../ts');
const folder = mkdtempSync(join(tmpdir(), 'gevent-bundles-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const main = join(folder, 'main.js');
writeFileSync(
  main,
  `import { createHub, getHub, Greenlet, joinall, sleep, spawn } from '${TS}/index.ts';
import { Event } from '${TS}/event.ts';
import { Semaphore } from '${TS}/lock.ts';
import { Pool } from '${TS}/pool.ts';
import { Queue } from '${TS}/queue.ts';

const queue = new Queue();
const named = async (operation) => { try { await operation; } catch (error) { return error.name; } };
const deep = function* () { yield* sleep(0); throw new TypeError('told'); };
function* producer() {
  for (let i = 0; i < 3; i++) {
    yield* sleep(0.001);
    yield* queue.put(i);
  }
}
async function tell() {
  const got = await spawn(function* () {
    const all = [];
    while (all.length < 3) all.push(yield* queue.get());
    return all;
  }).get();
  const squares = await new Pool(2).map(function* (n) { yield* sleep(0.001); return n * n; }, [1, 2, 3]);
  getHub().exceptionStream = null;
  let pure;
  try { createHub({ core: 'pure' }); pure = 'found'; } catch (error) { pure = error.code; }
  const text = JSON.stringify([got, squares, pure, String(new Greenlet(deep)).slice(0, 11), await named(spawn(deep).get()),
    await named(queue.get({ timeout: 0.001 })), await named(spawn(sleep, 1).get({ timeout: 0.001 })),
    globalThis.document ? 'LoopExit' : await named(new Event().wait())]);
  if (globalThis.document) document.title = text;
  else console.log(text);
}
spawn(producer);
tell();
`,
);
const TOLD = JSON.stringify([
  [0, 1, 2],
  [1, 4, 9],
  'GEVENT_NO_PURE_CORE',
  '<Greenlet "',
  'TypeError',
  'Empty',
  'Timeout',
  'LoopExit',
]);

function ran(file: string): unknown {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 30_000 });
  return { status, stdout, stderr };
}

describe.each(['esm', 'cjs', 'iife'] as const)('as %s', { timeout: 60_000 }, (format) => {
  test.each([true, false])('esbuild, minify %s', async (minify) => {
    const outfile = join(folder, `esbuild-${minify}.${format === 'esm' ? 'mjs' : 'cjs'}`);
    const { warnings } = await build({
      entryPoints: [main],
      bundle: true,
      format,
      minify,
      platform: 'node',
      target: 'es2024',
      outfile,
      logOverride: { 'empty-import-meta': 'silent' },
    });
    expect(warnings).toEqual([]);
    expect(ran(outfile)).toEqual({ status: 0, stdout: `${TOLD}\n`, stderr: '' });
  });

  test.each([true, false])('rolldown, minify %s', async (minify) => {
    const file = join(folder, `rolldown-${minify}.${format === 'esm' ? 'mjs' : 'cjs'}`);
    const bundle = await rolldown({ input: main, platform: 'node', onwarn: () => {} });
    await bundle.write({ file, format, minify });
    await bundle.close();
    expect(ran(file)).toEqual({ status: 0, stdout: `${TOLD}\n`, stderr: '' });
  });
});
