// A small web application: routes, long polling, Server-Sent Events and a websocket chat, each request plain sequential code.
//
//     npm run example web-app          then open http://localhost:8080/ in two windows
//     npm run example web-app self     talks to itself and ends

import { joinall, signalHandler, sleep, spawn, until } from 'gevent-wasm';
import { Event } from 'gevent-wasm/event';
import { eventStream, fetch, HTTPError, HTTPServer, Response } from 'gevent-wasm/http';
import { connect, type WebSocket, websocket } from 'gevent-wasm/websocket';

// ---- the room: what was said, and who waits for more ------------------------------------------------------------------

const said: string[] = [];
let news = new Event();

function say(text: string): void {
  said.push(text);
  // All who wait now wake; who comes later waits for the next.
  const told = news;
  news = new Event();
  told.set();
}

/** What was said behind `seen`; waits for it, `seconds` at most. */
function* after(seen: number, seconds: number): Generator<any, string[], any> {
  if (seen >= said.length) yield* news.wait({ timeout: seconds });
  return said.slice(seen);
}

// ---- requests -----------------------------------------------------------------------------------------------------------

const PAGE = `<!doctype html><meta charset="utf-8"><title>Chat</title>
<style>body{font:16px sans-serif;max-width:40em;margin:2em auto}input{width:100%}</style>
<h1>Chat</h1><ul id="list"></ul><form><input autofocus placeholder="say something"></form>
<script>
const socket = new WebSocket(location.href.replace('http', 'ws') + 'chat');
socket.onmessage = (e) => { const li = document.createElement('li'); li.textContent = e.data; list.append(li); };
document.forms[0].onsubmit = (e) => { e.preventDefault(); socket.send(e.target[0].value); e.target.reset(); };
</script>`;

function* handle(request: Request): Generator<any, globalThis.Response, any> {
  const url = new URL(request.url);
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /':
      return new Response(PAGE, { headers: { 'content-type': 'text/html; charset=utf-8' } });
    case 'POST /say':
      say(yield* until(request.text()));
      return new Response(null, { status: 204 });
    case 'GET /poll': {
      // Long polling: the answer comes when there is one.
      const seen = Number(url.searchParams.get('seen') ?? 0);
      if (!Number.isInteger(seen) || seen < 0) throw new HTTPError(400, 'seen: expected an integer of 0 or more');
      return Response.json({ messages: yield* after(seen, 30), seen: said.length });
    }
    case 'GET /events':
      return new Response(
        eventStream(function* (events) {
          for (let seen = said.length; ; ) {
            const texts = yield* after(seen, 15);
            for (const text of texts) yield* events.send({ event: 'said', id: String(++seen), data: text });
            // Keeps the connection, and notices a client that has gone.
            if (texts.length === 0) yield* events.comment();
          }
        }) as any,
      );
    default:
      throw new HTTPError(404);
  }
}

/** One visitor's websocket: what he says is said, and what others say is sent to him. */
function* chat(socket: WebSocket): Generator<any, void, any> {
  const listener = spawn(function* () {
    for (let seen = said.length; ; ) {
      for (const text of yield* after(seen, 3600)) {
        yield* socket.send(text);
        ++seen;
      }
    }
  });
  try {
    for (let text = yield* socket.receive(); text !== null; text = yield* socket.receive()) say(String(text));
  } finally {
    yield* listener.kill();
  }
}

// ---- the program --------------------------------------------------------------------------------------------------------

const alone = process.argv[2] === 'self';
const server = new HTTPServer(alone ? ['127.0.0.1', 0] : Number(process.argv[2] ?? 8080), handle, {
  upgrade: websocket(chat, { heartbeat: 30 }),
  log: alone ? null : 'default',
});
await server.start();

if (!alone) {
  console.log(`listening on ${server.url}`);
  signalHandler('SIGINT', () => server.stop());
  await server.serveForever();
} else {
  const { url } = server;
  const poll = spawn(() => fetch.json(`${url}/poll?seen=0`));
  const socket = await connect(`${url.replace('http', 'ws')}/chat`);
  const events = await fetch(`${url}/events`);
  const reader = (events.body as ReadableStream<any>).pipeThrough(new TextDecoderStream()).getReader();
  await sleep(0.05);
  await fetch(`${url}/say`, { method: 'POST', body: 'hello from a form' });
  await joinall([poll]);
  console.log('long polling:', JSON.stringify(poll.value));
  console.log('websocket:', await socket.receive());
  console.log('event:', JSON.stringify((await reader.read()).value));
  await socket.send('hello from a socket');
  console.log('websocket:', await socket.receive());
  console.log('polling:', JSON.stringify(await fetch.json(`${url}/poll?seen=1`)));
  console.log('nowhere:', (await fetch(`${url}/nowhere`)).status);
  await reader.cancel();
  await socket.close();
  await server.stop();
  console.log('stopped, requests under way:', server.requests);
}
