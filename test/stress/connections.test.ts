// Each kind of server under two thousand connections, a third of them killed; connections.ts says what is done.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Figures } from './connections.ts';

const PROGRAM = fileURLToPath(new URL('connections.ts', import.meta.url));
const possible = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;

test.runIf(possible)(
  'behind two thousand connections, a third of them killed, everything is as before',
  { timeout: 120_000 },
  () => {
    const n = 2000;
    const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', PROGRAM, String(n), '--json'], {
      encoding: 'utf8',
      timeout: 100_000,
    });
    expect(stderr).toBe('');
    const third = Math.ceil(n / 3);
    const told = (JSON.parse(stdout) as Figures[]).map(({ kind, greenlets, answered, ended, left }) => ({
      kind,
      open: greenlets >= n,
      answered,
      ended,
      left,
    }));
    expect(told).toEqual([
      { kind: 'echo', open: true, answered: n - third, ended: third, left: {} },
      { kind: 'ws', open: true, answered: n - third, ended: third, left: {} },
      // Killed requests are answered too: 500.
      { kind: 'http', open: true, answered: n, ended: 0, left: {} },
    ]);
  },
);
