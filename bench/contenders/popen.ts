// Children that do nothing, one after another or some at a time: what starting one and hearing of its end costs.

import { spawn } from 'node:child_process';
import type { Contender } from '../harness.ts';
import { moduleUrl, source } from '../source.ts';
import { timedAsync } from './gauge.ts';
import * as python from './python.ts';

export type Form = 'alone' | 'pipes';

const PATH = '/bin/true';

/** As many workers as go at once, each starting the next child when its last has ended. */
async function byHand(at: number, total: number, one: () => Promise<number>): Promise<number> {
  let left = total;
  let done = 0;
  const worker = async (): Promise<void> => {
    while (left-- > 0) if ((await one()) === 0) ++done;
  };
  await Promise.all(Array.from({ length: at }, worker));
  return done;
}

export function native(form: Form, at: number, total: number): Contender {
  const alone = () =>
    new Promise<number>((resolve, reject) => {
      const child = spawn(PATH, [], { stdio: 'inherit' });
      child.on('error', reject);
      child.on('exit', (code) => resolve(code ?? -1));
    });
  const pipes = () =>
    new Promise<number>((resolve, reject) => {
      const child = spawn(PATH, [], { stdio: ['pipe', 'pipe', 'pipe'] });
      const pieces: Buffer[] = [];
      child.on('error', reject);
      child.stdin.end();
      child.stdout.on('data', (piece) => pieces.push(piece));
      child.stderr.on('data', (piece) => pieces.push(piece));
      child.on('close', (code) => resolve((code ?? -1) + Buffer.concat(pieces).length));
    });
  return {
    id: 'native:spawn',
    role: 'baseline',
    waits: true,
    load: () => ({
      expect: total,
      sample: () => timedAsync(() => byHand(at, total, form === 'alone' ? alone : pipes)),
    }),
  };
}

type Api = typeof import('../../ts/index.ts');
type Processes = typeof import('../../ts/sys/subprocess.ts');

export function engine(form: Form, at: number, total: number): Contender {
  return {
    id: 'engine:wasm',
    role: 'engine',
    waits: true,
    env: { GEVENT_CORE: 'wasm' },
    async load() {
      const { spawn, joinall }: Api = await import(moduleUrl('index'));
      const { Popen, PIPE }: Processes = await import(moduleUrl(source() === 'dist' ? 'subprocess' : 'sys/subprocess'));
      let left = 0;
      let done = 0;
      const alone = function* (): Generator<any, void, any> {
        while (left-- > 0) if ((yield* new Popen([PATH]).wait()) === 0) ++done;
      };
      const pipes = function* (): Generator<any, void, any> {
        while (left-- > 0) {
          const p = new Popen([PATH], { stdin: PIPE, stdout: PIPE, stderr: PIPE });
          const [out, err] = yield* p.communicate();
          if (p.returncode === 0 && out.length + err.length === 0) ++done;
        }
      };
      const work = async (): Promise<number> => {
        left = total;
        done = 0;
        await joinall(Array.from({ length: at }, () => spawn(form === 'alone' ? alone : pipes)));
        return done;
      };
      return { expect: total, sample: () => timedAsync(work) };
    },
  };
}

export function gevent(form: Form, at: number, total: number): Contender {
  return python.gevent('popen', [form === 'alone' ? 0 : 1, at, total], total);
}
