// Many players for the game server: each a greenlet that joins, changes its direction four times a second, and takes the time until a
// snapshot says that it was heard. Half of them speak TCP, half websockets.
//
//     npm run example game-load [players] [seconds] [tcp://host:port ws://host:port]     100 players, 5 seconds, a server of its own

import { spawn as startProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { defer, first, type Operation, rethrowControl, signalHandler, sleep, spawn, use } from 'gevent-wasm';
import { Event } from 'gevent-wasm/event';
import { Semaphore } from 'gevent-wasm/lock';
import { Group } from 'gevent-wasm/pool';
import { createConnection } from 'gevent-wasm/socket';
import { connect } from 'gevent-wasm/websocket';
import { build } from 'hdr-histogram-js';

const [players, seconds] = [process.argv[2] ?? 100, process.argv[3] ?? 5].map(Number);
const given = process.argv.slice(4);
if (!(Number.isInteger(players) && players > 0 && seconds > 0) || ![0, 2].includes(given.length)) {
  console.error('usage: npm run example game-load [players] [seconds] [tcp://host:port ws://host:port]');
  process.exit(2);
}

/** From an order to the snapshot that follows it, in microseconds: half a tick on average, and what the machine adds. */
const latency = build({ highestTrackableValue: 60e6 });
const count = { arrived: 0, refused: 0, cutOff: 0, snapshots: 0, characters: 0 };
let measuring = false;
const everybody = new Event();
/** So many connect at the same time. */
const door = new Semaphore(100);

// ---- one player -------------------------------------------------------------------------------------------------------

interface Connection {
  receive(): Operation<string | Buffer | null>;
  send(text: string): Operation<unknown>;
}

function* overTcp(url: string) {
  const { hostname, port } = new URL(url);
  const socket = yield* use(yield* createConnection([hostname, Number(port)], { timeout: 30 }));
  socket.settimeout(null);
  const lines = socket.makefile('r');
  return { receive: () => lines.readline(), send: (text: string) => socket.sendall(`${text}\n`) };
}

function* overWebSocket(url: string) {
  const socket = yield* connect(url, { timeout: 30 });
  yield* defer(() => socket.terminate());
  return { receive: () => socket.receive(), send: (text: string) => socket.send(text) };
}

function* join(number: number, [tcp, web]: string[]) {
  yield* door.acquire();
  try {
    const connection: Connection = number % 2 === 0 ? yield* overTcp(tcp) : yield* overWebSocket(web);
    yield* connection.send(JSON.stringify({ join: `player ${number}` }));
    const { welcome } = JSON.parse(String(yield* connection.receive()));
    return { connection, me: welcome as number, seen: 0, orders: [] as Order[] };
  } finally {
    door.release();
  }
}

type Player = Generated<ReturnType<typeof join>>;
type Generated<G> = G extends Generator<any, infer T, any> ? T : never;

interface Order {
  readonly n: number;
  readonly at: number;
}

/** An order four times a second, whether or not the last one was heard. */
function* speak(player: Player) {
  try {
    for (let n = 1; ; ++n) {
      yield* sleep(0.2 + Math.random() * 0.1);
      player.orders.push({ n, at: performance.now() });
      const go = [Math.random() - 0.5, Math.random() - 0.5];
      yield* player.connection.send(JSON.stringify({ go, n, seen: player.seen }));
    }
  } catch (error) {
    // The connection broke: who listens hears that too.
    rethrowControl(error);
  }
}

/** Take what comes, until the server ends it. */
function* listen(player: Player) {
  const { connection, me, orders } = player;
  for (;;) {
    const text = yield* connection.receive();
    if (text === null || text.length === 0) return;
    const { tick, players } = JSON.parse(String(text));
    player.seen = tick;
    const heard = players.find(([id]: number[]) => id === me)?.[4] ?? 0;
    while (orders.length > 0 && orders[0].n <= heard) {
      const { at } = orders.shift() as Order;
      if (measuring) latency.recordValue(Math.round((performance.now() - at) * 1000));
    }
    if (!measuring) continue;
    ++count.snapshots;
    count.characters += text.length;
  }
}

function* play(number: number) {
  try {
    let player: Player;
    try {
      player = yield* join(number, urls);
    } catch (error) {
      rethrowControl(error);
      ++count.refused;
      return;
    } finally {
      if (++count.arrived === players) everybody.set();
    }
    const speaker = spawn(speak, player);
    yield* defer(() => speaker.kill());
    yield* listen(player);
    ++count.cutOff;
  } catch (error) {
    rethrowControl(error);
    ++count.cutOff;
  }
}

// ---- the program ------------------------------------------------------------------------------------------------------

/** A server of our own, in a process of its own. */
async function serverOfOurOwn() {
  const program = fileURLToPath(new URL('game-server.ts', import.meta.url));
  const child = startProcess(process.execPath, [...process.execArgv, program, '0', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  while (!said.includes('\n')) await once(child.stdout, 'data');
  const ended = once(child, 'close');
  return {
    urls: said.match(/\w+:\/\/\S+/g) as string[],
    /** End it, and give its summary. */
    async stop(): Promise<string> {
      child.kill('SIGTERM');
      await ended;
      return said.slice(said.indexOf('\n') + 1);
    },
  };
}

const server = given.length === 0 ? await serverOfOurOwn() : null;
const urls = server?.urls ?? given;
const stopped = new Event();
signalHandler('SIGINT', () => stopped.set());

const start = performance.now();
const all = new Group();
for (let i = 0; i < players; ++i) all.spawnNowait(play, i);
await first([everybody.wait(), stopped.wait()]);
const joined = count.arrived - count.refused;
console.log(
  `${joined} players joined in ${((performance.now() - start) / 1000).toFixed(1)} s, ${count.refused} could not`,
);
if (joined === 0) {
  console.log('nobody plays');
  process.exit();
}

// The first second is the crowd's at the door.
await stopped.wait({ timeout: 1 });
measuring = true;
const from = performance.now();
await stopped.wait({ timeout: seconds });
measuring = false;
const elapsed = (performance.now() - from) / 1000;
const rate = count.snapshots / elapsed;
const { cutOff } = count;
await all.kill();

console.log(
  `${count.snapshots} snapshots in ${elapsed.toFixed(1)} s, ${(rate / joined).toFixed(2)} a second for each; ` +
    `${((count.characters / elapsed) * 1e-6).toFixed(1)} MB a second; ${cutOff} cut off`,
);
console.log(`from an order to the snapshot that follows it, ${latency.totalCount} orders:`);
const most = latency.maxValue;
for (const percent of [1, 10, 25, 50, 75, 90, 99, 99.9, 100]) {
  const value = latency.getValueAtPercentile(percent);
  const bar = '#'.repeat(Math.round((value / most) * 50));
  console.log(`  ${`${percent} %`.padStart(6)} ${(value / 1000).toFixed(1).padStart(8)} ms  ${bar}`);
}
if (server !== null) process.stdout.write(`server: ${(await server.stop()).replaceAll(/\n(?=.)/g, '\nserver: ')}`);
