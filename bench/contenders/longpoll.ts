// What a request that waits for an event costs a server in memory: one process a sample, as in memory.ts.

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as soon } from 'node:timers/promises';
import { type Contender, type Role, Unavailable } from '../harness.ts';
import { moduleUrl, source } from '../source.ts';
import { KIND, Load } from './load.ts';

export type Measure = 'heap' | 'rss';

interface Held {
  port: number;
  /** Requests that wait. */
  waiting(): number;
  /** Bytes that V8 does not know of. */
  hidden(): number;
}

const FIRST = 100;

async function footprint(measure: Measure, hidden: number): Promise<number> {
  const collect = globalThis.gc;
  if (!collect) throw new Unavailable('needs --expose-gc');
  for (let i = 0; i < 3; ++i) {
    collect();
    await soon();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return measure === 'rss' ? rss : heapUsed + external + hidden;
}

function contender(
  id: string,
  role: Role,
  n: number,
  measure: Measure,
  open: () => Promise<Held>,
  form?: string,
): Contender {
  return {
    id,
    role,
    ...(form !== undefined && { params: { form } }),
    flags: ['--expose-gc'],
    env: { GEVENT_CORE: 'wasm' },
    waits: true,
    async load() {
      const held = await open();
      const clients: Load[] = [];
      const add = async (count: number) => {
        const client = new Load();
        clients.push(client);
        const goal = held.waiting() + count;
        await client.run('open', held.port, count, KIND.http);
        while (held.waiting() < goal) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      // Code, shapes and first growths are paid for before the first look.
      await add(FIRST);
      return {
        expect: n,
        async sample() {
          const already = held.waiting();
          const before = await footprint(measure, held.hidden());
          await add(n);
          const after = await footprint(measure, held.hidden());
          return { count: held.waiting() - already, amount: after - before };
        },
        close() {
          for (const client of clients) client.close();
        },
      };
    },
  };
}

export function bare(n: number, measure: Measure): Contender {
  return contender('native:http', 'baseline', n, measure, async () => {
    const waiting: ServerResponse[] = [];
    const server = createServer((_req, res) => void waiting.push(res));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));
    return { port: (server.address() as AddressInfo).port, waiting: () => waiting.length, hidden: () => 0 };
  });
}

export function engine(n: number, measure: Measure, form: 'req-res' | 'request'): Contender {
  return contender(
    'engine:wasm',
    'engine',
    n,
    measure,
    async () => {
      const { HTTPServer, Response: Light }: typeof import('../../ts/net/http.ts') = await import(
        moduleUrl(source() === 'dist' ? 'http' : 'net/http')
      );
      const { Event }: typeof import('../../ts/event.ts') = await import(moduleUrl('event'));
      const { getHub }: typeof import('../../ts/index.ts') = await import(moduleUrl('index'));
      const news = new Event();
      const at: [string, number] = ['127.0.0.1', 0];
      const server =
        form === 'request'
          ? new HTTPServer(
              at,
              function* () {
                yield* news.wait();
                return new Light('news');
              },
              { backlog: 4096 },
            )
          : HTTPServer.node(
              at,
              function* (_req, res) {
                yield* news.wait();
                res.end('news');
              },
              { backlog: 4096 },
            );
      await server.start();
      const { core } = getHub() as unknown as { core: { memory?: WebAssembly.Memory } };
      return {
        port: server.serverPort as number,
        waiting: () => server.requests,
        hidden: () => core.memory?.buffer.byteLength ?? 0,
      };
    },
    form,
  );
}
