// Functions and classes of Node before and after they are patched, as gevent's tutorial shows it with socket and select; and what that
// is good for: Node's own modules in plain sequential code.
//
//     npm run example monkey

import { readFile } from 'node:fs/promises';
import net from 'node:net';
import stream from 'node:stream';
import { text } from 'node:stream/consumers';
import { spawn, Timeout } from 'gevent-wasm';
import { getOriginal, isModulePatched, isObjectPatched, patchAll, patchSelect, patchSocket } from 'gevent-wasm/monkey';

console.log('net.Socket, yield*:', net.Socket.prototype[Symbol.iterator]);
patchSocket();
console.log('After monkey patch');
console.log('net.Socket, yield*:', net.Socket.prototype[Symbol.iterator]);

console.log('stream.pipeline:', stream.pipeline === getOriginal('stream', 'pipeline') ? "Node's" : 'patched');
patchSelect();
console.log('After monkey patch');
console.log('stream.pipeline:', stream.pipeline === getOriginal('stream', 'pipeline') ? "Node's" : 'patched');
console.log('is patched:', isModulePatched('net'), isObjectPatched('timers', 'setTimeout'));

patchAll();
console.log('is patched:', isModulePatched('net'), isObjectPatched('timers', 'setTimeout'));

const main = spawn(function* () {
  const source = yield* readFile(new URL(import.meta.url), 'utf8');
  console.log('this file begins with', source.slice(0, 24));

  const server = yield* net
    .createServer((socket) => socket.end('hello from a plain net.Server'))
    .listen(0, '127.0.0.1');
  const client = yield* net.connect((server.address() as net.AddressInfo).port);
  console.log('the server says:', yield* text(client));
  server.close();

  try {
    using _ = Timeout.startNew(0.02);
    yield* new Promise(() => {});
  } catch (error) {
    console.log('a promise that never settles:', String(error));
  }
});
await main.join();
