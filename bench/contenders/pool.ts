// Bounded parallel maps: ours, by hand, and those of npm.

import type { Contender } from '../harness.ts';
import { moduleUrl } from '../source.ts';
import { timedAsync } from './gauge.ts';

type PoolApi = typeof import('../../ts/pool.ts');
type Api = typeof import('../../ts/index.ts');

export const CORES = ['wasm', 'pure'] as const;

function add(results: readonly unknown[]): number {
  let sum = 0;
  for (const each of results) sum += each as number;
  return sum;
}

function peer(
  id: string,
  n: number,
  load: () => Promise<() => Promise<number>>,
  role: Contender['role'] = 'peer',
): Contender {
  return {
    id,
    role,
    async load() {
      const work = await load();
      return { expect: n, sample: () => timedAsync(work) };
    },
  };
}

const ones = (n: number): number[] => new Array(n).fill(1);
const noop = async (x: number): Promise<number> => x;

export function byHand(size: number, n: number): Contender {
  return peer(
    'native:workers',
    n,
    async () => {
      const items = ones(n);
      return async () => {
        const results = new Array<number>(n);
        let next = 0;
        const worker = async () => {
          while (next < n) {
            const at = next++;
            results[at] = await noop(items[at]);
          }
        };
        await Promise.all(Array.from({ length: Math.min(size, n) }, worker));
        return add(results);
      };
    },
    'baseline',
  );
}

export function map(core: (typeof CORES)[number], size: number, n: number): Contender {
  return {
    ...peer(
      `engine:${core}`,
      n,
      async () => {
        const { Pool }: PoolApi = await import(moduleUrl('pool'));
        const pool = new Pool(size === Infinity ? null : size);
        const items = ones(n);
        const body = (x: number) => x;
        return async () => add((await pool.map(body, items)) as number[]);
      },
      'engine',
    ),
    env: { GEVENT_CORE: core },
  };
}

export function imap(size: number, n: number): Contender {
  return {
    ...peer(
      'engine:wasm',
      n,
      async () => {
        const { Pool }: PoolApi = await import(moduleUrl('pool'));
        const { spawn }: Api = await import(moduleUrl('index'));
        const pool = new Pool(size === Infinity ? null : size);
        const items = ones(n);
        const body = (x: number) => x;
        function* all(): Generator<any, number, any> {
          let sum = 0;
          const it = pool.imap(body, items);
          for (let step = yield* it.next(); !step.done; step = yield* it.next()) sum += step.value as number;
          return sum;
        }
        return async () => await spawn(all).get();
      },
      'engine',
    ),
    params: { by: 'imap' },
    env: { GEVENT_CORE: 'wasm' },
  };
}

export function pMap(size: number, n: number): Contender {
  return peer('npm:p-map', n, async () => {
    const { default: mapper } = await import('p-map');
    const items = ones(n);
    return async () => add(await mapper(items, noop, { concurrency: size }));
  });
}

export function pLimit(size: number, n: number): Contender {
  return peer('npm:p-limit', n, async () => {
    const { default: limiter } = await import('p-limit');
    const limit = limiter(size);
    const items = ones(n);
    return async () => add(await Promise.all(items.map((x) => limit(noop, x))));
  });
}

export function pQueue(size: number, n: number): Contender {
  return peer('npm:p-queue', n, async () => {
    const { default: Queue } = await import('p-queue');
    const queue = new Queue({ concurrency: size });
    const items = ones(n);
    return async () => add(await queue.addAll(items.map((x) => () => noop(x))));
  });
}

export function fastqPromise(size: number, n: number): Contender {
  return peer('npm:fastq', n, async () => {
    const { promise } = await import('fastq');
    const queue = promise<unknown, number, number>(noop, Math.min(size, 2 ** 30));
    const items = ones(n);
    return async () => add(await Promise.all(items.map((x) => queue.push(x))));
  });
}

export function effect(size: number, n: number): Contender {
  return peer('npm:effect', n, async () => {
    const { Effect } = await import('effect');
    const items = ones(n);
    const all = Effect.forEach(items, (x) => Effect.succeed(x), {
      concurrency: size === Infinity ? 'unbounded' : size,
    });
    return async () => add(await Effect.runPromise(all));
  });
}
