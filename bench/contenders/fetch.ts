// HTTP clients: all call the platform's fetch (undici), so many at a time. The server is bare node:http in a process beside.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Contender } from '../harness.ts';
import { moduleUrl, source } from '../source.ts';

const SERVER = `
const server = require('node:http').createServer((req, res) => {
  res.writeHead(200, { 'content-type': 'text/plain', 'content-length': 11 });
  res.end('hello world');
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

async function serve(): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((resolve, reject) => {
    child.once('exit', () => reject(new Error('the server ended')));
    createInterface({ input: child.stdout }).once('line', resolve);
  });
  return { url: `http://127.0.0.1:${port}/`, child };
}

function contender(
  id: string,
  role: 'baseline' | 'engine',
  total: number,
  make: (url: string) => Promise<() => Promise<number>>,
): Contender {
  return {
    id,
    role,
    waits: true,
    ...(role === 'engine' && { env: { GEVENT_CORE: 'wasm' } }),
    async load() {
      const { url, child } = await serve();
      const run = await make(url);
      return {
        expect: total,
        async sample() {
          const start = process.hrtime.bigint();
          const count = await run();
          return { count, amount: Number(process.hrtime.bigint() - start) };
        },
        close: () => void child.kill(),
      };
    },
  };
}

export function bare(atOnce: number, total: number): Contender {
  return contender('native:fetch', 'baseline', total, async (url) => async () => {
    let begun = 0;
    let good = 0;
    const worker = async () => {
      while (begun++ < total) {
        const text = await (await fetch(url)).text();
        if (text === 'hello world') ++good;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    return good;
  });
}

export function engine(atOnce: number, total: number): Contender {
  return contender('engine:wasm', 'engine', total, async (url) => {
    const { Pool }: typeof import('../../ts/pool.ts') = await import(moduleUrl('pool'));
    const { spawn: start }: typeof import('../../ts/index.ts') = await import(moduleUrl('index'));
    const http: typeof import('../../ts/net/http.ts') = await import(
      moduleUrl(source() === 'dist' ? 'http' : 'net/http')
    );
    return async () => {
      let good = 0;
      function* one(address: string) {
        const text = yield* http.fetch.text(address);
        if (text === 'hello world') ++good;
      }
      const all = start(function* () {
        const pool = new Pool(atOnce);
        for (let i = 0; i < total; ++i) yield* pool.spawn(one, url);
        yield* pool.join();
      });
      await all.get();
      return good;
    };
  });
}
