// Run mutations of real modules, in a process of its own, since a crash has to be seen from outside. A line of JSON each:
// its number before it is run, and what came of it behind.
//
//     node test/support/fuzz-guests.ts seed from to folder
//
// The modules are in `folder`: guest-*.wasm are loaded and their exports spawned, wasi-*.wasm are run as programs.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { whyNot } from '../../ts/guest/detect.ts';
import { type BackendName, enableWasmfx, GuestError, GuestTrap, load } from '../../ts/guest/guest.ts';
import { loadWasi, runWasi } from '../../ts/guest/wasi/wasi.ts';
import { GreenletExit, getHub, Timeout, withTimeout } from '../../ts/index.ts';

enableWasmfx();

const [seed, from, to] = process.argv.slice(2, 5).map(Number);
const folder = process.argv[5];
const MODULES = readdirSync(folder).map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
const BACKENDS = (['asyncify', 'wasmfx', 'jspi'] as const).filter((backend) => whyNot(backend) === null);

/** Numbers from 0 to below 1; every mutation has a stream of its own, so that one can be run alone. */
function randomness(of: number): () => number {
  let a = (seed * 2654435761 + of * 40503) >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function mutate(bytes: Uint8Array, random: () => number): Uint8Array<ArrayBuffer> {
  const below = (n: number): number => Math.floor(random() * n);
  if (random() < 0.2) return bytes.slice(0, below(bytes.length));
  let made = new Uint8Array(bytes);
  for (let left = 1 + below(4); left > 0; --left) {
    // Half of them near the beginning, where types, imports and signatures are.
    const at = random() < 0.5 ? below(Math.min(400, made.length)) : below(made.length);
    const kind = below(4);
    if (kind === 0) made[at] ^= 1 << below(8);
    else if (kind === 1) made[at] = below(256);
    else if (kind === 2) made = new Uint8Array([...made.slice(0, at), below(256), ...made.slice(at)]);
    else made = new Uint8Array([...made.slice(0, at), ...made.slice(at + 1 + below(4))]);
  }
  return made;
}

/** What came of it: a word for what may be, else the error. */
function told(error: unknown): string {
  if (error instanceof GuestTrap) return 'trap';
  if (error instanceof GuestError) return error.code;
  if (error instanceof Timeout || error instanceof GreenletExit) return 'ended';
  return `? ${(error as Error)?.stack ?? String(error)}`;
}

async function attempt(
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  backend: BackendName,
  seconds: number,
): Promise<string> {
  try {
    if (name.startsWith('wasi')) {
      const program = await loadWasi(bytes, { backend });
      const options = { stdin: 'x\ny\n', stdout: 'ignore', stderr: 'ignore' } as const;
      return `exit ${await runWasi(program, { ...options, timeout: seconds }).get()}`;
    }
    const program = await load(bytes, { backend, imports: { env: { say: () => {}, wait: () => 0 } }, log: () => {} });
    const functions = Object.entries(program.instance.exports).filter(([, it]) => typeof it === 'function');
    let last = 'ran';
    for (const [each] of functions) {
      const greenlet = program.spawn(each, ...program.signatureOf(each).params.map((type) => (type === 0x7e ? 3n : 3)));
      try {
        await withTimeout(0.02, () => greenlet.get());
      } catch (error) {
        last = told(error);
        if (last.startsWith('?')) return last;
      }
      if (!greenlet.dead) await greenlet.kill({ timeout: 0.05 });
    }
    program.instance.close();
    return last;
  } catch (error) {
    return told(error);
  }
}

getHub().exceptionStream = null;
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
for (let i = from; i < to; ++i) {
  const random = randomness(i);
  const { name, bytes } = MODULES[i % MODULES.length];
  const backend = BACKENDS[Math.floor(i / MODULES.length) % BACKENDS.length];
  say({ i, name, backend });
  say({ i, told: await attempt(name, mutate(bytes, random), backend, 0.05) });
}

// The engines are as good as before.
for (const backend of BACKENDS) {
  for (const { name, bytes } of MODULES) say({ sound: name, backend, told: await attempt(name, bytes, backend, 10) });
}
process.exit(0);
