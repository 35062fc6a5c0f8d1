import * as pool from '../contenders/pool.ts';
import * as python from '../contenders/python.ts';
import type { Case } from '../harness.ts';

export const poolMap: Case = {
  name: 'pool',
  about: `A pool maps a no-op over n items, at most size at once; the results are added up. The baseline is a loop by hand: size
async functions (without a limit: one an item) that take the next index, await the no-op and store what it gave. It has no kill, no slots that others share, no error
by position. fastq and p-queue are queues of tasks; effect runs native effects, without a promise an item.`,
  groups({ quick }) {
    return (
      [
        [1, 20_000],
        [10, 100_000],
        [100, 100_000],
        [1000, 100_000],
        [Infinity, 100_000],
      ] as const
    ).map(([size, full]) => {
      const n = quick ? full / 5 : full;
      return {
        params: { size: size === Infinity ? 'unlimited' : size, n },
        unit: 'ns/item',
        contenders: [
          pool.byHand(size, n),
          ...pool.CORES.map((core) => pool.map(core, size, n)),
          pool.imap(size, n),
          pool.pMap(size, n),
          pool.pLimit(size, n),
          pool.pQueue(size, n / 10),
          pool.fastqPromise(size, n),
          pool.effect(size, n),
          python.gevent('pool', [size === Infinity ? 0 : size, 2000], 2000),
          { ...python.gevent('imap', [size === Infinity ? 0 : size, 2000], 2000), params: { by: 'imap' } },
        ],
        ...(quick && { samples: 10 }),
      };
    });
  },
};
