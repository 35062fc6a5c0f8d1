// A kill, a Timeout and a reset by the peer at every switch of each protocol's exchange, on either side, with one server
// for all of them: it goes on serving, and nothing is left. TCP's own is in faults.test.ts.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type * as net from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Hub } from '../../ts/hub/hub.ts';
import { type Greenlet, getcurrent, sleep, spawn } from '../../ts/index.ts';
import {
  eventStream,
  fetch as gfetch,
  HTTPServer,
  type HTTPServerOptions,
  Response,
  readBody,
  stream,
  write,
} from '../../ts/net/http.ts';
import { DatagramServer, StreamServer } from '../../ts/net/server.ts';
import * as S from '../../ts/net/socket.ts';
import * as ssl from '../../ts/net/ssl.ts';
import { connect as connectWebSocket, WebSocketServer } from '../../ts/net/websocket.ts';
import { CORES } from '../support/cores.ts';
import {
  descriptors,
  type Exchange,
  expectDescriptors,
  type How,
  hurtEverywhere,
  Scene,
  type Who,
} from '../support/exchange.ts';
import { realWorld } from '../support/real.ts';

type Body<T = any> = Generator<any, T, any>;

/** A server, and how a client talks to it. */
interface Protocol {
  exchange: Exchange;
  stop(): PromiseLike<unknown>;
}

/** Makes a server that tells the present scene of itself. */
type Make = (scene: () => Scene) => Promise<Protocol>;

const AT: S.InetAddress = ['127.0.0.1', 0];
const file = (name: string): string => join(import.meta.dirname, '../support/certs', name);
const BIG = Buffer.alloc(300_000, 'x');

/** Handlers in greenlets that the scene knows, and whose ends nobody reports. */
const known =
  (scene: () => Scene) =>
  (fn: (...args: any[]) => any, ...args: any[]): unknown => {
    const handler = spawn(fn as () => void, ...(args as [])) as Greenlet;
    handler.$quiet = true;
    scene().serving.push(handler);
    return handler;
  };

const tls: Make = async (scene) => {
  const context = ssl.createDefaultContext(ssl.Purpose.CLIENT_AUTH, {
    certfile: file('server.pem'),
    keyfile: file('server.key'),
  });
  const trusting = ssl.createDefaultContext(ssl.Purpose.SERVER_AUTH, { cafile: file('ca.pem') });
  const server = new StreamServer(
    AT,
    function* (socket) {
      const lines = socket.makefile('rb');
      const line = yield* lines.readline();
      yield* socket.sendall(BIG);
      yield* socket.sendall(line);
      socket.shutdown(S.SHUT_WR);
      while ((yield* socket.recv()).length > 0) yield* sleep(0);
    },
    {
      sslContext: context,
      spawn: (fn, ...args) => {
        scene().serverSocket = args[2]?.args?.[0]?.$node ?? null;
        return known(scene)(fn, ...args);
      },
    },
  );
  await server.start();
  return {
    exchange: {
      whole: BIG.length + 6,
      *ask(here): Body<number> {
        const plain = yield* S.createConnection(server.address);
        here.clientSocket = plain.$node;
        const socket = yield* trusting.wrapSocket(plain, { serverHostname: 'localhost' });
        try {
          yield* socket.sendall('hello\n');
          let got = 0;
          for (;;) {
            const { length } = yield* socket.recv();
            if (length === 0) return got;
            got += length;
          }
        } finally {
          socket.close();
        }
      },
    },
    stop: () => server.stop(),
  };
};

/** A POST whose body comes in pieces, and all of the answer, by a client of ours that knows no HTTP. */
function* post(here: Scene, address: S.Address): Body<string> {
  const socket = yield* S.createConnection(address);
  here.clientSocket = socket.$node;
  try {
    yield* socket.sendall('POST /path HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n');
    yield* sleep(0.001);
    yield* socket.sendall('hello');
    yield* sleep(0.001);
    yield* socket.sendall('world');
    const text = String(yield* socket.makefile('rb').read());
    return `${text.slice(9, 12)} ${text.slice(text.indexOf('\r\n\r\n') + 4)}`;
  } finally {
    // The file as well.
    socket.$finish();
  }
}

async function http(
  scene: () => Scene,
  handler: any,
  ask: (here: Scene, server: HTTPServer) => Body,
  whole: unknown,
  options: HTTPServerOptions = {},
): Promise<Protocol> {
  const server = new HTTPServer(AT, handler, { spawn: known(scene), ...options });
  server.server.on('connection', (socket) => {
    scene().serverSocket = socket;
  });
  await server.start();
  return {
    exchange: { ask: (here) => ask(here, server), whole, open: () => server.requests },
    stop: () => server.stop(0),
  };
}

const request: Make = (scene) =>
  http(
    scene,
    function* (asked: Request): Body {
      const body = readBody(asked);
      const first = yield* body.read(3);
      yield* sleep(0);
      return new Response(`${first}|${yield* body.read()}`);
    },
    (here, server) => post(here, server.address),
    '200 hel|loworld',
  );

const nodeStyle: Make = (scene) =>
  http(
    scene,
    function* (incoming: IncomingMessage, outgoing: ServerResponse): Body {
      const body = yield* readBody(incoming).read();
      outgoing.setHeader('content-length', body.length);
      yield* write(outgoing, body.subarray(0, 5));
      yield* sleep(0.001);
      yield* write(outgoing, body.subarray(5));
      outgoing.end();
    },
    (here, server) => post(here, server.address),
    '200 helloworld',
  );

/** Read slowly, and count. */
function* slowly(here: Scene, address: S.Address): Body<number> {
  const socket = yield* S.createConnection(address);
  here.clientSocket = socket.$node;
  try {
    yield* socket.sendall('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    let got = 0;
    for (;;) {
      const data = yield* socket.recv();
      if (data.length === 0) return got >= 3 * BIG.length ? 3 : got;
      got += data.length;
      yield* sleep(0);
    }
  } finally {
    socket.close();
  }
}

const streaming: Make = (scene) =>
  http(
    scene,
    () =>
      new Response(
        stream(function* (out) {
          for (let i = 0; i < 3; ++i) {
            yield* out.write(BIG);
            yield* sleep(0);
          }
        }),
      ),
    (here, server) => slowly(here, server.address),
    3,
  );

const events: Make = (scene) =>
  http(
    scene,
    () =>
      new Response(
        eventStream(function* (out) {
          for (let i = 0; i < 4; ++i) {
            yield* out.send({ event: 'tick', data: String(i) });
            yield* sleep(0.001);
          }
        }),
      ),
    function* (here, server): Body {
      const socket = yield* S.createConnection(server.address);
      here.clientSocket = socket.$node;
      try {
        yield* socket.sendall('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
        const lines = socket.makefile('r');
        const data: string[] = [];
        for (let line = yield* lines.readline(); line !== ''; line = yield* lines.readline()) {
          if (line.startsWith('data: ')) data.push(line.slice(6, -1));
        }
        return data;
      } finally {
        socket.$finish();
      }
    },
    ['0', '1', '2', '3'],
  );

const client: Make = (scene) =>
  http(
    scene,
    function* (asked: Request): Body {
      const text = String(yield* readBody(asked).read());
      yield* sleep(0.001);
      return Response.json({ text });
    },
    function* (here, server): Body {
      const opened = (socket: net.Socket) => {
        here.serverSocket = socket;
      };
      server.server.once('connection', opened);
      return yield* gfetch.json(server.url, { method: 'POST', body: 'question', headers: { connection: 'close' } });
    },
    { text: 'question' },
  );

const websockets: Make = async (scene) => {
  const server = new WebSocketServer(
    AT,
    function* (socket) {
      for (let m = yield* socket.receive(); m !== null; m = yield* socket.receive()) {
        yield* sleep(0);
        yield* socket.send(`${m}!`);
      }
    },
    {
      verify: () => {
        const serving = getcurrent() as Greenlet;
        serving.$quiet = true;
        scene().serving.push(serving);
      },
    },
  );
  server.server.on('connection', (socket) => {
    scene().serverSocket = socket;
  });
  await server.start();
  return {
    exchange: {
      whole: ['0!', '1!', '2!'],
      *ask(here): Body {
        const socket = yield* connectWebSocket(server.url.replace('http', 'ws'));
        here.clientSocket = (socket.socket as any)._socket;
        try {
          const got: unknown[] = [];
          for (let i = 0; i < 3; ++i) {
            yield* socket.send(`${i}`);
            got.push(yield* socket.receive());
          }
          yield* socket.close();
          return got;
        } finally {
          socket.terminate();
        }
      },
    },
    stop: () => server.stop(0),
  };
};

const datagrams: Make = async (scene) => {
  const server: DatagramServer = new DatagramServer(
    AT,
    function* (data, address) {
      yield* sleep(0);
      yield* server.sendto(`${data}!`, address);
    },
    { spawn: known(scene) },
  );
  await server.start();
  return {
    exchange: {
      whole: ['0!', '1!', '2!'],
      *ask(): Body {
        const socket = new S.socket(S.AF_INET, S.SOCK_DGRAM);
        // An answer that never comes.
        socket.settimeout(0.05);
        try {
          yield* socket.connect(server.address);
          const got: string[] = [];
          for (let i = 0; i < 3; ++i) {
            yield* socket.send(`${i}`);
            got.push(String(yield* socket.recv(10)));
          }
          return got;
        } finally {
          socket.close();
        }
      },
    },
    stop: () => server.stop(),
  };
};

const PROTOCOLS: Record<string, Make> = {
  TLS: tls,
  'HTTP, Request and Response': request,
  'HTTP, (req, res)': nodeStyle,
  'HTTP, a streamed body': streaming,
  'Server-Sent Events': events,
  'fetch as a client': client,
  websockets,
  datagrams,
};

const HOW: readonly How[] = ['kill', 'timeout', 'reset'];
const WHO: readonly Who[] = ['client', 'server'];
const cases = Object.keys(PROTOCOLS).flatMap((name) =>
  HOW.filter((how) => name !== 'datagrams' || how !== 'reset').flatMap((how) =>
    WHO.map((who) => [how, who, name] as const),
  ),
);

async function hurt(hub: Hub, how: How, who: Who, make: Make): Promise<number> {
  let scene = new Scene();
  const { exchange, stop } = await make(() => scene);
  const hits = await hurtEverywhere(hub, how, who, exchange, (next) => {
    scene = next;
  });
  // It serves as if nothing had been.
  scene = new Scene();
  const asking = spawn(exchange.ask, scene) as Greenlet;
  expect(await asking.get({ timeout: 15 })).toEqual(exchange.whole);
  await stop();
  return hits;
}

describe.each(CORES)('on the %s core', (core) => {
  test.each(cases)('%s of the %s at every switch: %s', { timeout: 60_000 }, async (how, who, name) => {
    const { hub, reported } = realWorld(core);
    const before = descriptors();
    const hits = await hurt(hub, how, who, PROTOCOLS[name]);
    expect(hits).toBeGreaterThan(0);
    reported();
    await expectDescriptors(before + (name.startsWith('fetch') ? 2 : 0));
  });
});
