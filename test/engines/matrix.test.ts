// Every engine and every backend: the guests' behaviour suite and a smoke test of the main library, in processes and pages of their
// own, from the JavaScript that is shipped. What runs where is the table in docs/guests.md.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { make } from './build.ts';
import { CELLS, ENGINES } from './engines.ts';

const ROOT = join(import.meta.dirname, '../..');
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gevent-engines-'));
  await make(folder);
  // This Node has the compilers: it keeps what they make for the others.
  const env = {
    ...process.env,
    GEVENT_CELL: 'asyncify',
    GEVENT_RECORD: join(folder, 'made.js'),
    GEVENT_SDK: join(ROOT, 'asm/guest'),
  };
  await promisify(execFile)(process.execPath, [join(folder, 'suite.js')], { env, timeout: 200_000 });
}, 240_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The table: what is said of an engine and a cell. */
function documented(): Map<string, string> {
  const text = readFileSync(join(ROOT, 'docs/guests.md'), 'utf8');
  const section = text.slice(text.indexOf('\n## Engines\n')).split('\n## ')[1];
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  const [heads, , ...lines] = rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((it) => it.trim().replaceAll('`', '')),
  );
  return new Map(
    lines.flatMap(([engine, ...said]) => said.map((it, i): [string, string] => [`${engine}: ${heads[i + 1]}`, it])),
  );
}

const table = documented();

describe.each(ENGINES)('$name', (engine) => {
  test.skipIf(engine.missing !== null).each(CELLS)(
    `%s${engine.missing === null ? '' : ` (${engine.missing})`}`,
    async (cell) => {
      const { passed, skipped, failed, cannot } = await engine.run(folder, cell);
      expect(failed).toEqual({});
      const said = table.get(`${engine.name}: ${cell}`);
      if (cannot !== null) {
        expect(said, `the table, since ${cannot}`).toMatch(/^no/);
        return;
      }
      expect(said).toMatch(Object.keys(skipped).length === 0 ? /^yes$/ : /^yes, but/);
      expect(passed.length).toBeGreaterThan(10);
    },
    180_000,
  );
});

test('the table has every engine and cell, and nothing else', () => {
  const all = ENGINES.flatMap(({ name }) => CELLS.map((cell) => `${name}: ${cell}`));
  expect([...table.keys()].sort()).toEqual(all.sort());
});

test('a bundler makes a page of every entry that needs no Node', async () => {
  const names = ['index', 'core', 'deadline', 'event', 'events', 'exceptions', 'greenlet', 'guest', 'hub', 'local'];
  for (const name of [...names, 'lock', 'pool', 'queue', 'testing', 'timeout', 'util']) {
    const { errors } = await build({
      entryPoints: [join(folder, `dist/${name}.js`)],
      bundle: true,
      platform: 'browser',
      format: 'esm',
      // An optional peer, loaded when a guest is to be rewritten.
      external: ['binaryen'],
      write: false,
      logLevel: 'silent',
    }).catch((error) => error);
    expect([name, (errors ?? []).map((it: { text: string }) => it.text)]).toEqual([name, []]);
  }
});
