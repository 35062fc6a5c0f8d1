// The client of socket benchmarks, load.c, built when it is first needed (Debian: apt install gcc): a client in JavaScript
// takes longer for an echo than the server that is to be measured.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Unavailable } from '../harness.ts';

const SOURCE = fileURLToPath(new URL('./load.c', import.meta.url));

function program(): string {
  const directory = join(tmpdir(), `gevent-wasm-bench-${process.getuid?.() ?? ''}`);
  const made = join(directory, 'load');
  if (existsSync(made) && statSync(made).mtimeMs > statSync(SOURCE).mtimeMs) return made;
  mkdirSync(directory, { recursive: true });
  const own = `${made}.${process.pid}`;
  const { error, status, stderr } = spawnSync('cc', ['-O2', '-o', own, SOURCE], { encoding: 'utf8' });
  if (error) throw new Unavailable('no C compiler for the client (Debian: apt install gcc)');
  if (status !== 0) throw new Error(`cc: ${stderr}`);
  renameSync(own, made);
  return made;
}

export type Verb = 'echo' | 'ws' | 'connect' | 'receive' | 'open' | 'round' | 'drop';

/** Kinds of connections that `open` makes. */
export const KIND = { echo: 0, ws: 1, http: 2 } as const;

export class Load {
  readonly #child: ChildProcess = spawn(program(), { stdio: ['pipe', 'pipe', 'inherit'] });
  readonly #lines: Interface = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });

  /** What the client answers: two numbers, see load.c. */
  run(verb: Verb, port = 0, n = 0, total = 0): Promise<[number, number]> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error(`the client ended in ${verb}`));
      this.#child.once('exit', onExit);
      this.#lines.once('line', (line) => {
        this.#child.off('exit', onExit);
        const [first, second] = line.split(' ').map(Number);
        resolve([first, second]);
      });
      this.#child.stdin?.write(`${verb} ${port} ${n} ${total}\n`);
    });
  }

  close(): void {
    this.#child.kill();
  }
}
