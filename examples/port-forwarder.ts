// A port forwarder: whatever comes to one address is sent on to another, and back. After gevent's example of that name.
//
//     npm run example port-forwarder 8080 example.org:80
//
// Ctrl-C once: no new connections, those there are may end, for a minute. Twice: at once.

import { joinall, rethrowControl, signalHandler, spawn } from 'gevent-wasm';
import { parseAddress, StreamServer } from 'gevent-wasm/server';
import { type Address, createConnection, SHUT_WR, type socket } from 'gevent-wasm/socket';

const [from = '', to = '', ...rest] = process.argv.slice(2);
if (!/^\d+$/.test(from) || Number(from) > 65535 || !/^.+:\d+$/.test(to) || rest.length > 0) {
  console.error('usage: npm run example port-forwarder port host:port');
  process.exit(2);
}
const source: [string, number] = ['127.0.0.1', Number(from)];
const [, target] = parseAddress(to);

/** Everything that comes from one end goes to the other, as fast as that one takes it. */
function* forward(one: socket, other: socket) {
  try {
    for (;;) {
      const data = yield* one.recv();
      if (data.length === 0) break;
      yield* other.sendall(data);
    }
    // The end of one direction is passed on; the other goes on.
    other.shutdown(SHUT_WR);
  } catch (error) {
    rethrowControl(error);
    other.close();
  }
}

function* handle(client: socket, address: Address) {
  const name = (address as [string, number]).join(':');
  let upstream: socket;
  try {
    upstream = yield* createConnection(target, { timeout: 10 });
    upstream.settimeout(null);
  } catch (error) {
    rethrowControl(error);
    console.log(`${name} failed to connect to ${to}: ${(error as Error).message}`);
    return;
  }
  console.log(`${name} connected`);
  try {
    yield* joinall([spawn(forward, client, upstream), spawn(forward, upstream, client)]);
  } finally {
    upstream.close();
    console.log(`${name} done`);
  }
}

const server = new StreamServer(source, handle, { spawn: 100 });
await server.start();
console.log(`forwarding port ${server.serverPort} to ${to}`);
for (const signal of ['SIGINT', 'SIGTERM']) {
  signalHandler(signal, () => (server.closed ? process.exit(130) : server.stop({ timeout: 60 })));
}
await server.serveForever({ stopTimeout: 60 });
console.log('stopped');
