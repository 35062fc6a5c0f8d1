// Websocket servers that send back what they get. Each lives in its contender's process; the client is load.c.

import { WebSocketServer as Bare } from 'ws';
import type { Contender, Sampler } from '../harness.ts';
import { moduleUrl, source } from '../source.ts';
import { Load } from './load.ts';

function sampler(port: number, n: number, total: number, close: () => void): Sampler {
  const client = new Load();
  return {
    expect: total,
    async sample() {
      const [count, amount] = await client.run('ws', port, n, total);
      return { count, amount };
    },
    close() {
      client.close();
      close();
    },
  };
}

export function bare(n: number, total: number): Contender {
  return {
    id: 'native:ws',
    role: 'baseline',
    waits: true,
    async load() {
      const server = new Bare({ host: '127.0.0.1', port: 0, backlog: 4096 });
      server.on('connection', (socket) => {
        socket.on('message', (data, binary) => socket.send(data, { binary }));
        socket.on('error', () => socket.terminate());
      });
      await new Promise<void>((resolve) => server.once('listening', resolve));
      return sampler((server.address() as { port: number }).port, n, total, () => void server.close());
    },
  };
}

type Api = typeof import('../../ts/net/websocket.ts');

export function engine(n: number, total: number): Contender {
  return {
    id: 'engine:wasm',
    role: 'engine',
    waits: true,
    env: { GEVENT_CORE: 'wasm' },
    async load() {
      const { WebSocketServer }: Api = await import(moduleUrl(source() === 'dist' ? 'websocket' : 'net/websocket'));
      const server = new WebSocketServer(
        ['127.0.0.1', 0],
        function* (socket) {
          for (let m = yield* socket.receive(); m !== null; m = yield* socket.receive()) yield* socket.send(m);
        },
        { backlog: 4096 },
      );
      await server.start();
      return sampler(server.serverPort as number, n, total, () => void server.stop(0));
    },
  };
}
