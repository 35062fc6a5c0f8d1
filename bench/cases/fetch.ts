import * as client from '../contenders/fetch.ts';
import type { Case } from '../harness.ts';

export const fetching: Case = {
  name: 'fetch',
  about: `fetch of a small text from a server beside (bare node:http), so many at a time, body included. The baseline is as many
async functions around the platform's fetch (undici), which nothing can stop; ours are the greenlets of a Pool, which a kill or
a Timeout stops, connection and all.`,
  groups({ quick }) {
    return [10, 50].map((atOnce) => {
      const total = quick ? 2000 : 5000;
      return {
        params: { atOnce },
        unit: 'ns/fetch',
        contenders: [client.bare(atOnce, total), client.engine(atOnce, total)],
        samples: quick ? 6 : 15,
      };
    });
  },
};
