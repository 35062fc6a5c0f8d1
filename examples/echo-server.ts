// An echo server: each connection has a greenlet that reads lines and sends them back. After gevent's example of that name.
//
//     npm run example echo-server [port]     16000 unless you say otherwise; then: nc 127.0.0.1 16000, `quit` to leave

import { signalHandler } from 'gevent-wasm';
import { StreamServer } from 'gevent-wasm/server';
import type { Address, socket } from 'gevent-wasm/socket';

const port = Number(process.argv[2] ?? 16000);
if (!Number.isInteger(port) || port < 0 || port > 65535 || process.argv.length > 3) {
  console.error('usage: npm run example echo-server [port]');
  process.exit(2);
}

function* echo(client: socket, address: Address) {
  const name = (address as [string, number]).join(':');
  console.log(`new connection from ${name}`);
  const file = client.makefile('rw');
  yield* file.write('Welcome to the echo server! Type quit to exit.\r\n');
  for (;;) {
    const line = yield* file.readline(4096);
    if (line === '') {
      console.log(`client disconnected: ${name}`);
      break;
    }
    if (line.trim().toLowerCase() === 'quit') {
      console.log(`client quit: ${name}`);
      break;
    }
    yield* file.write(line);
    console.log(`echoed ${JSON.stringify(line)}`);
  }
  file.close();
}

// A pool limits how many are served at once; the others wait to be accepted.
const server = new StreamServer(['127.0.0.1', port], echo, { spawn: 1000 });
await server.start();
console.log(`starting echo server on port ${server.serverPort}`);
for (const signal of ['SIGINT', 'SIGTERM']) signalHandler(signal, () => server.stop());
await server.serveForever();
console.log('stopped');
