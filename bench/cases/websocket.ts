import * as websocket from '../contenders/websocket.ts';
import type { Case } from '../harness.ts';

export const websocketEcho: Case = {
  name: 'websocket',
  about: `Messages of 64 bytes there and back on n websockets that stay open, one under way on each; the client is a process
beside each (C, epoll). The baseline is the ws library in callbacks, which is what ours stands on; it knows no back-pressure.`,
  groups({ quick }) {
    return [1, 100, 1000].map((n) => {
      const total = quick ? 20_000 : 50_000;
      return {
        params: { n },
        unit: 'ns/echo',
        contenders: [websocket.bare(n, total), websocket.engine(n, total)],
        samples: quick ? 6 : 15,
      };
    });
  },
};
