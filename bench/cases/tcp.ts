import * as tcp from '../contenders/tcp.ts';
import type { Case, Group } from '../harness.ts';

const group = (work: tcp.Work, n: number, total: number, unit: string, quick: boolean): Group => ({
  params: { work, n },
  unit,
  contenders: [tcp.native(work, n, total), tcp.engine(work, n, total), tcp.gevent(work, n, total)],
  samples: quick ? 6 : 15,
});

export const tcpEcho: Case = {
  name: 'tcp',
  about: `Servers over loopback; the client is a process beside each (C, epoll) and does the timing. Messages of 64 bytes there and
back on n connections that stay open, one under way on each. The baseline is node:net in callbacks.`,
  groups({ quick }) {
    const total = quick ? 20_000 : 50_000;
    return [1, 100, 1000, 10_000].map((n) => group('echo', n, total, 'ns/echo', quick));
  },
};

export const tcpConnections: Case = {
  name: 'tcp-connections',
  about: `connect: connect, one message there and back, close, 10 at a time; most of it is the kernel's work for a connection.
receive: 50 MB from the server to one client that only counts. The client is as in the case tcp. The baselines are node:net
in callbacks, for receive a Readable of 64 KB pieces piped into the socket.`,
  groups({ quick }) {
    return [
      group('connect', 10, quick ? 5000 : 8000, 'ns/connection', quick),
      group('receive', 1, 50 * 1024, 'ns/KB', quick),
    ];
  },
};
