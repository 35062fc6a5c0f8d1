// Go on one processor (GOMAXPROCS=1), where it is installed: `go_side.go` answers one line for each line we send, and
// times itself.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Contender, type Reading, Unavailable } from '../harness.ts';

const SOURCE = fileURLToPath(new URL('./go_side.go', import.meta.url));

export function go(work: string, args: readonly number[], expect: number): Contender {
  return {
    id: 'go',
    role: 'peer',
    waits: true,
    load() {
      const folder = mkdtempSync(join(tmpdir(), 'gevent-wasm-go-'));
      const program = join(folder, 'side');
      const built = spawnSync('go', ['build', '-o', program, SOURCE], { encoding: 'utf8' });
      if (built.status !== 0) {
        rmSync(folder, { recursive: true });
        throw new Unavailable(
          built.error ? 'go is not installed (Debian: apt install golang-go)' : `go build: ${built.stderr}`,
        );
      }
      const child = spawn(program, [], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, GOMAXPROCS: '1' },
      });
      const lines = createInterface({ input: child.stdout });
      const sample = () => ask(child, lines, `${work} ${args.join(' ')}\n`);
      const close = () => {
        child.kill();
        rmSync(folder, { recursive: true });
      };
      return { expect, sample, close };
    },
  };
}

function ask(child: ChildProcess, lines: ReturnType<typeof createInterface>, request: string): Promise<Reading> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error('the Go process ended'));
    child.once('exit', onExit);
    lines.once('line', (line) => {
      child.off('exit', onExit);
      const [count, amount] = line.split(' ').map(Number);
      resolve({ count, amount });
    });
    child.stdin?.write(request);
  });
}
