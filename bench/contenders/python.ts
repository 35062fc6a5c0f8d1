// The originals, gevent and greenlet under CPython, where they are installed. `gevent_side.py` answers one line for each
// line we send; Python times itself, so the pipe is no part of a figure.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Contender, type Reading, Unavailable } from '../harness.ts';

const SCRIPT = fileURLToPath(new URL('./gevent_side.py', import.meta.url));

export function gevent(work: string, args: readonly number[], expect: number): Contender {
  return python('python:gevent', 'gevent', work, args, expect);
}

export function greenlet(work: string, args: readonly number[], expect: number): Contender {
  return python('python:greenlet', 'greenlet', work, args, expect);
}

function python(id: string, module: string, work: string, args: readonly number[], expect: number): Contender {
  return {
    id,
    role: 'peer',
    waits: true,
    load() {
      const child = spawn(interpreter(module), [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
      const lines = createInterface({ input: child.stdout });
      const sample = () => ask(child, lines, `${work} ${args.join(' ')}\n`);
      return { expect, sample, close: () => void child.kill() };
    },
  };
}

function ask(child: ChildProcess, lines: ReturnType<typeof createInterface>, request: string): Promise<Reading> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error('the Python process ended'));
    child.once('exit', onExit);
    lines.once('line', (line) => {
      child.off('exit', onExit);
      const [count, amount] = line.split(' ').map(Number);
      resolve({ count, amount });
    });
    child.stdin?.write(request);
  });
}

/** The first Python that can import `module`. The second choice is for where another Python hides the system's. */
export function interpreter(module: string): string {
  const chosen = process.env.GEVENT_BENCH_PYTHON;
  for (const command of chosen ? [chosen] : ['python3', '/usr/bin/python3']) {
    if (spawnSync(command, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0) return command;
  }
  throw new Unavailable(`no Python here can import ${module} (Debian: apt install python3-gevent)`);
}
