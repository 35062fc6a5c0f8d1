import * as longpoll from '../contenders/longpoll.ts';
import type { Case } from '../harness.ts';

export const longPolling: Case = {
  name: 'longpoll',
  about: `Memory of an HTTP server for each of n requests that wait for an event, each sample in a new process. heap: JS heap +
external + the core's memory, after a full collection; rss: pages the process holds. The baseline is bare node:http with the
responses in an array: no greenlet, no timeout, nobody who could be killed.`,
  groups({ quick }) {
    return (['heap', 'rss'] as const).map((measure) => {
      const n = quick ? 3000 : 10_000;
      return {
        params: { n, measure },
        unit: 'bytes/request',
        contenders: [
          longpoll.bare(n, measure),
          longpoll.engine(n, measure, 'req-res'),
          longpoll.engine(n, measure, 'request'),
        ],
        samples: quick ? 2 : 5,
        fresh: true,
      };
    });
  },
};
