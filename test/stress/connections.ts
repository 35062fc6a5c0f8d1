// A server under many connections, of which a third are killed, and then all end: is everything as it was? A program:
//
//   node test/stress/connections.ts 10000          figures for each kind of server, in words
//   node test/stress/connections.ts 1000 --json    the same for machines
//
// The client is a process beside it (bench/contenders/load.c, needs a C compiler). Exit code 1 if something is left.

import { readdirSync } from 'node:fs';
import { KIND, Load } from '../../bench/contenders/load.ts';
import { Event } from '../../ts/event.ts';
import { type Greenlet, getcurrent, getHub, sleep, spawn } from '../../ts/index.ts';
import { HTTPServer, Response } from '../../ts/net/http.ts';
import { StreamServer } from '../../ts/net/server.ts';
import { WebSocketServer } from '../../ts/net/websocket.ts';

export interface Figures {
  kind: string;
  n: number;
  /** Milliseconds until all had their first answer (long polls: until all wait). */
  openMs: number;
  /** Descriptors and greenlets while all are open, more than before. */
  descriptors: number;
  greenlets: number;
  /** Bytes of resident memory for each. */
  rss: number;
  /** Milliseconds from the first kill to the end of the last killed one. */
  killMs: number;
  /** Of the clients: who had another answer behind the kills, and who found the end. */
  answered: number;
  ended: number;
  /** Milliseconds from the clients' end to everything being as before. */
  endMs: number;
  /** What is left: counts of the core and descriptors. */
  left: Record<string, number>;
}

interface Subject {
  port: number;
  /** Who serves the connections. */
  handlers: Greenlet[];
  /** Called behind the kills, before the clients look. */
  release(): void;
  stop(): PromiseLike<unknown>;
}

const AT: [string, number] = ['127.0.0.1', 0];
const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** Runs handlers and keeps them in a list. */
function kept(handlers: Greenlet[]) {
  return (fn: (...args: any[]) => any, ...args: any[]): unknown => {
    const handler = spawn(fn as () => void, ...(args as [])) as Greenlet;
    handlers.push(handler);
    return handler;
  };
}

const SUBJECTS: Record<keyof typeof KIND, () => Promise<Subject>> = {
  async echo() {
    const handlers: Greenlet[] = [];
    const server = new StreamServer(
      AT,
      function* (socket) {
        for (;;) {
          const data = yield* socket.recv();
          if (data.length === 0) return;
          yield* socket.sendall(data);
        }
      },
      { backlog: 4096, spawn: kept(handlers) },
    );
    await server.start();
    return { port: server.serverPort as number, handlers, release() {}, stop: () => server.stop() };
  },
  async ws() {
    const handlers: Greenlet[] = [];
    const server = new WebSocketServer(
      AT,
      function* (socket) {
        handlers.push(getcurrent() as Greenlet);
        for (let m = yield* socket.receive(); m !== null; m = yield* socket.receive()) yield* socket.send(m);
      },
      { backlog: 4096 },
    );
    await server.start();
    return { port: server.serverPort as number, handlers, release() {}, stop: () => server.stop(0) };
  },
  async http() {
    const handlers: Greenlet[] = [];
    const news = new Event();
    const server = new HTTPServer(
      AT,
      function* () {
        yield* news.wait();
        return new Response('news');
      },
      { backlog: 4096, spawn: kept(handlers) },
    );
    await server.start();
    return { port: server.serverPort as number, handlers, release: () => news.set(), stop: () => server.stop(0) };
  },
};

async function measure(kind: keyof typeof KIND, n: number): Promise<Figures> {
  const hub = getHub();
  const counts = (): Record<string, number> => ({ ...hub.statistics() });
  globalThis.gc?.();
  const client = new Load();
  await client.run('drop');
  const [fds, before, rss] = [descriptors(), counts(), process.memoryUsage().rss];
  const subject = await SUBJECTS[kind]();
  const { handlers } = subject;

  let start = performance.now();
  await client.run('open', subject.port, n, KIND[kind]);
  while (handlers.length < n) await sleep(0.001);
  const openMs = performance.now() - start;
  const open = { descriptors: descriptors() - fds, greenlets: counts().greenlets - before.greenlets };
  const each = (process.memoryUsage().rss - rss) / n;

  start = performance.now();
  const killed = handlers.filter((_handler, i) => i % 3 === 0);
  for (const handler of killed) handler.kill({ block: false });
  // Who is killed says good-bye: a websocket's close frame and the wait for its answer, a 500.
  const looking = kind === 'echo' ? null : client.run('round');
  for (const handler of killed) await handler.join();
  const killMs = performance.now() - start;
  subject.release();
  const [answered, ended] = await (looking ?? client.run('round'));

  await client.run('drop');
  start = performance.now();
  for (const handler of handlers) await handler.join();
  await subject.stop();
  let left: Record<string, number> = {};
  for (let i = 0; i < 500; ++i) {
    const now = counts();
    left = Object.fromEntries(Object.keys(now).map((name) => [name, now[name] - before[name]]));
    // What the kind before this one still had may be gone meanwhile.
    left.descriptors = Math.max(0, descriptors() - fds);
    left = Object.fromEntries(Object.entries(left).filter(([, count]) => count !== 0));
    if (Object.keys(left).length === 0) break;
    await sleep(0.01);
  }
  const endMs = performance.now() - start;
  client.close();
  return { kind, n, openMs, ...open, rss: each, killMs, answered, ended, endMs, left };
}

const n = Number(process.argv[2] ?? 10_000);
const all: Figures[] = [];
for (const kind of ['echo', 'ws', 'http'] as const) all.push(await measure(kind, n));
if (process.argv.includes('--json')) console.log(JSON.stringify(all));
else {
  for (const one of all) {
    console.log(
      `${one.kind}: ${one.n} connections open in ${one.openMs.toFixed(0)} ms, ${one.descriptors} descriptors, ` +
        `${one.greenlets} greenlets, ${(one.rss / 1024).toFixed(1)} KB each; a third killed in ${one.killMs.toFixed(0)} ms: ` +
        `${one.answered} answered, ${one.ended} ended; over in ${one.endMs.toFixed(0)} ms, left: ${JSON.stringify(one.left)}`,
    );
  }
}
process.exit(all.some(({ left }) => Object.keys(left).length > 0) ? 1 : 0);
