import * as tcp from '../contenders/tcp.ts';
import type { Case, Group } from '../harness.ts';

export const tcpEcho: Case = {
  name: 'tcp',
  about: `Servers over loopback; the client is a process beside each, in callbacks, and does the timing, so its own work is in every
figure alike. echo: messages of 64 bytes there and back on n connections that stay open, one under way on each. connect:
connect, one message there and back, close, 10 at a time. send: 50 MB from the server to one client that only counts. The
baselines are node:net in callbacks, for send a Readable of 64 KB pieces piped into the socket.`,
  groups({ quick }) {
    const group = (work: tcp.Work, n: number, total: number, unit: string): Group => ({
      params: { work, n },
      unit,
      contenders: [tcp.native(work, n, total), tcp.engine(work, n, total), tcp.gevent(work, n, total)],
      samples: quick ? 6 : 15,
    });
    return [
      group('echo', 1, quick ? 4000 : 10_000, 'ns/echo'),
      group('echo', 100, quick ? 20_000 : 50_000, 'ns/echo'),
      group('echo', 1000, quick ? 20_000 : 50_000, 'ns/echo'),
      group('connect', 10, quick ? 500 : 2000, 'ns/connection'),
      group('send', 1, 50 * 1024, 'ns/KB'),
    ];
  },
};
