// The command line.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { command } from '../../ts/guest/command.ts';
import { blocking, load } from '../../ts/guest/guest.ts';
import { sleep } from '../../ts/index.ts';
import { wat } from '../support/guests.ts';
import { world } from '../support/worlds.ts';

const BYTES = wat(
  '(module (import "env" "wait" (func $w (result i32))) (memory 1) (func (export "f") (result i32) (call $w)))',
);

async function run(
  ...argv: string[]
): Promise<{ code: number; said: string; warned: string; files: Map<string, Uint8Array> }> {
  const files = new Map<string, Uint8Array>([['in.wasm', BYTES]]);
  let said = '';
  let warned = '';
  const code = await command(argv, {
    read(path) {
      const bytes = files.get(path);
      if (bytes === undefined) throw new Error(`no file ${path}`);
      return bytes;
    },
    write: (path, bytes) => void files.set(path, bytes),
    print: (text) => {
      said += text;
    },
    warn: (text) => {
      warned += text;
    },
    version: () => '1.2.3',
  });
  return { code, said, warned, files };
}

test.each(['asyncify', 'bundle'])('%s writes a module that load() takes as it is', async (name) => {
  const w = world('wasm');
  const { code, said, files } = await run(name, 'in.wasm', '-o', 'out.wasm', '--imports', 'env.*');
  expect([code, said]).toEqual([
    0,
    expect.stringMatching(/^out\.wasm: \d+ bytes, [\d.]+ times in\.wasm; env\.wait may block\n$/),
  ]);
  const p = await load(files.get('out.wasm') as Uint8Array<ArrayBuffer>, {
    imports: { env: { wait: blocking(() => sleep(1).then(() => 5)) } },
  });
  expect(p.explain().reason).toContain(name === 'bundle' ? 'bundled with its engine' : 'rewritten for it');
  const g = p.spawn('f');
  await w.clock.advanceAsync(1);
  expect(g.value).toBe(5);
});

test('inspect tells what is in a module', async () => {
  const { code, said } = await run('inspect', 'in.wasm');
  expect([code, said.split('\n').slice(1)]).toEqual([
    0,
    ['shadow stack: none', 'import func env.wait', 'export func f', ''],
  ]);
});

test.each([
  [['asyncify'], 2, /expected a module and -o/],
  [['asyncify', 'in.wasm', '-o'], 2, /-o: expected a value/],
  [['asyncify', 'in.wasm', '-o', 'x', '--imports', 'env.none'], 2, /does not import env\.none; it imports env\.wait/],
  [['asyncify', 'none.wasm', '-o', 'x'], 1, /no file none\.wasm/],
  [['fly'], 2, /no command fly/],
  [['inspect', '--fast', 'in.wasm'], 2, /no option --fast/],
])('%j is a mistake that is told on stderr, by exit code %i', async (argv, expected, text) => {
  const { code, said, warned } = await run(...argv);
  expect([code, said, warned]).toEqual([expected, '', expect.stringMatching(text)]);
});

test.each([[[]], [['--help']], [['-h']], [['help']], [['bundle', '--help']], [['inspect', '-h']]])(
  '%j shows the usage',
  async (argv) => {
    const { code, said, warned } = await run(...argv);
    expect([code, said, warned]).toEqual([0, expect.stringMatching(/^gevent-wasm asyncify in\.wasm/), '']);
  },
);

test('--version gives the version', async () => {
  const { code, said } = await run('--version');
  expect([code, said]).toEqual([0, '1.2.3\n']);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(execFileSync(process.execPath, ['ts/guest/cli.ts', '--version'], { encoding: 'utf8' })).toBe(`${version}\n`);
});
