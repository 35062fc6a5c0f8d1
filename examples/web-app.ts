// A web application: a chat over websockets, Server-Sent Events and long polling, each request plain sequential code.
//
//     npm run example web-app [port]     8080 unless you say otherwise; open it in two windows, Ctrl-C ends it

import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { first, signalHandler, until } from 'gevent-wasm';
import { Event } from 'gevent-wasm/event';
import { eventStream, HTTPError, HTTPServer, Response } from 'gevent-wasm/http';
import { type WebSocket, websocket } from 'gevent-wasm/websocket';

// ---- the room: what was said, and who waits for more ------------------------------------------------------------------

interface Message {
  /** 1, 2, 3 … */
  readonly id: number;
  readonly name: string;
  readonly text: string;
  readonly at: string;
}

/** Messages that are kept for those who come later, or are slow: who is further behind misses some, and holds up nobody. */
const KEPT = 1000;

const said: Message[] = [];
let latest = 0;
let news = new Event();
let visitors = 0;

function say(name: string, text: string): void {
  if (text === '' || text.length > 2000) throw new HTTPError(400, 'text: expected 1 to 2000 characters');
  said.push({ id: ++latest, name: name.slice(0, 40) || 'somebody', text, at: new Date().toISOString() });
  if (said.length > KEPT) said.shift();
  // All who wait now wake; who comes later waits for the next.
  const told = news;
  news = new Event();
  told.set();
}

/** What was said behind the message `seen`, as far as it is kept. */
function since(seen: number): Message[] {
  return said.slice(Math.max(0, said.length - Math.max(0, latest - seen)));
}

/** The same, but waits for something, `seconds` at most. */
function* after(seen: number, seconds: number) {
  if (seen >= latest) yield* news.wait({ timeout: seconds });
  return since(seen);
}

// ---- requests -----------------------------------------------------------------------------------------------------------

const PAGE = readFileSync(new URL('web-app/page.html', import.meta.url));
const HTML = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'self' 'unsafe-inline'; connect-src 'self'; img-src data:",
};

/** The number of the last message that a client has seen. One from the future was counted by an earlier run of this server. */
function lastSeen(given: string | null): number {
  const seen = Number(given ?? 0);
  if (!Number.isSafeInteger(seen) || seen < 0) throw new HTTPError(400, 'seen: expected an integer of 0 or more');
  return seen > latest ? 0 : seen;
}

function* handle(request: Request) {
  const url = new URL(request.url);
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /':
      return new Response(PAGE, { headers: HTML });
    case 'GET /status':
      return Response.json({ visitors, messages: latest, requests: server.requests });
    case 'POST /say':
      say(url.searchParams.get('name') ?? '', yield* until(request.text()));
      return new Response(null, { status: 204 });
    case 'GET /poll': {
      // Long polling: the answer comes when there is one.
      const messages = yield* after(lastSeen(url.searchParams.get('seen')), 30);
      return Response.json({ messages, seen: latest });
    }
    case 'GET /events': {
      // A browser that was cut off says what it saw last.
      let seen = lastSeen(request.headers.get('last-event-id') ?? String(latest));
      return new Response(
        eventStream(function* (events) {
          yield* events.comment('welcome');
          for (;;) {
            const messages = yield* after(seen, 15);
            for (const message of messages) {
              yield* events.send({ event: 'said', id: String(message.id), data: JSON.stringify(message) });
              seen = message.id;
            }
            // Keeps the connection, and notices a client that has gone.
            if (messages.length === 0) yield* events.comment();
          }
        }),
      );
    }
    default:
      throw new HTTPError(['/', '/status', '/say', '/poll', '/events'].includes(url.pathname) ? 405 : 404);
  }
}

/** One visitor's websocket: what he says is said, and what is said, by him too, is sent to him. */
function* chat(socket: WebSocket) {
  const url = new URL(socket.request?.url ?? '', 'http://here');
  const name = url.searchParams.get('name') ?? '';
  let seen = lastSeen(url.searchParams.get('seen'));
  ++visitors;
  try {
    for (;;) {
      // While he is slow to take it, more may be said.
      while (seen < latest) {
        for (const message of since(seen)) {
          yield* socket.send(JSON.stringify(message));
          seen = message.id;
        }
      }
      const { key, value } = yield* first({ heard: socket.receive(), news: news.wait() });
      if (key === 'news') continue;
      if (value === null) break;
      try {
        say(name, String(value));
      } catch (error) {
        if (!(error instanceof HTTPError)) throw error;
        yield* socket.send(JSON.stringify({ error: error.message }));
      }
    }
  } finally {
    --visitors;
  }
}

/** Pages of other sites may not speak in the name of who looks at them. */
function fromHere({ headers }: IncomingMessage): boolean {
  return headers.origin === undefined || headers.origin.replace(/^https?:\/\//, '') === headers.host;
}

// ---- the program --------------------------------------------------------------------------------------------------------

const port = Number(process.argv[2] ?? 8080);
if (!Number.isInteger(port) || port < 0 || port > 65535 || process.argv.length > 3) {
  console.error('usage: npm run example web-app [port]');
  process.exit(2);
}

const server = new HTTPServer(['127.0.0.1', port], handle, {
  upgrade: websocket(chat, { verify: fromHere, heartbeat: 30, maxPayload: 10_000 }),
  maxBodySize: 10_000,
  log: process.stdout.isTTY ? 'default' : null,
});
await server.start();
console.log(`listening on ${server.url}`);
for (const signal of ['SIGINT', 'SIGTERM']) signalHandler(signal, () => server.stop());
await server.serveForever();
console.log('stopped');
