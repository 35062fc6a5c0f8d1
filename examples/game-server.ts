// A game server: rooms of twenty, with a state of their own that steps twenty times a second and is told to all of them ten times,
// over TCP and websockets alike.
//
//     npm run example game-server [tcp port] [websocket port]     9000 and 9001 unless you say otherwise
//     npm run example game-load 2000                              two thousand players, and how they fared
//
// The protocol, a JSON object a line or message:
//
//   client   {"join": "ann"}   {"go": [1, -1], "n": 7, "seen": 812}
//   server   {"welcome": 1, "room": 3, "field": 1000}
//            {"tick": 813, "players": [[id, x, y, score, n], …], "food": [[x, y], …]}     n: the last order it heard
//            {"error": "…"}, and the connection is closed
//
// The server alone knows the state; clients send wishes. Nobody is waited for: who has not said for five seconds what he has
// seen, or does not take what he is sent, is dropped.

import {
  type Greenlet,
  getcurrent,
  joinall,
  type Operation,
  type Park,
  rethrowControl,
  signalHandler,
  sleep,
  spawn,
  Timeout,
} from 'gevent-wasm';
import { Group } from 'gevent-wasm/pool';
import { Full, Queue } from 'gevent-wasm/queue';
import { StreamServer } from 'gevent-wasm/server';
import { IPPROTO_TCP, type socket, TCP_NODELAY } from 'gevent-wasm/socket';
import { type WebSocket, WebSocketServer } from 'gevent-wasm/websocket';
import { build } from 'hdr-histogram-js';
import { Arena, direction, FIELD, type Player as Figure } from './game/arena.ts';

const TICKS_A_SECOND = 20;
/** Of two ticks one is told to the players. */
const TOLD = 2;
const PLAYERS_A_ROOM = 20;
/** Snapshots that may wait for a client, and ticks that he may be behind. */
const MOST_UNSENT = 2 * TICKS_A_SECOND;
const MOST_BEHIND = 5 * TICKS_A_SECOND;
/** Messages of a client from one snapshot to the next, and bytes in a message. */
const MOST_HEARD = 20;
const LONGEST = 1024;

// ---- connections ------------------------------------------------------------------------------------------------------

/** What a player needs of a connection, whatever it is. */
interface Wire {
  /** The next message, or null at the end, however it came. */
  receive(): Generator<Park, string | null, any>;
  send(text: string): Operation<unknown>;
}

function overTcp(client: socket): Wire {
  // Small messages go out at once.
  client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
  const lines = client.makefile('r', { errors: 'replace' });
  return {
    receive: () => orEnd(lines.readline(LONGEST)),
    send: (text) => client.sendall(text),
  };
}

function overWebSocket(client: WebSocket): Wire {
  return {
    receive: () => orEnd(client.receive()),
    send: (text) => client.send(text),
  };
}

function* orEnd(received: Operation<string | Buffer | null>) {
  try {
    const message = yield* received;
    return message === null || message.length === 0 ? null : String(message);
  } catch (error) {
    rethrowControl(error);
    return null;
  }
}

// ---- players ----------------------------------------------------------------------------------------------------------

/** What a client did wrong. */
class Refused extends Error {}

interface Player extends Figure {
  /** What he is to be sent. */
  readonly outbox: Queue<string>;
  /** Runs his connection; killed when he is dropped. */
  readonly session: Greenlet;
  seen: number;
  messages: number;
}

function understand(text: string): Record<string, unknown> {
  try {
    const message: unknown = JSON.parse(text);
    if (message !== null && typeof message === 'object') return message as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new Refused('expected a JSON object');
}

function hear(player: Player, text: string): void {
  if (++player.messages > MOST_HEARD) throw new Refused('too many messages');
  const { go, n, seen } = understand(text);
  if (go !== undefined) {
    const wish = direction(go);
    if (wish === null) throw new Refused('go: expected two numbers');
    player.go = wish;
  }
  if (Number.isSafeInteger(n)) player.heard = n as number;
  if (Number.isSafeInteger(seen)) player.seen = Math.max(player.seen, seen as number);
}

/** One client, from the first word to the last. */
function* play(wire: Wire) {
  let leave = () => {};
  const patience = Timeout.startNew(5);
  try {
    const first = yield* wire.receive();
    patience.cancel();
    if (first === null) return;
    const { join } = understand(first);
    if (typeof join !== 'string' || join === '') throw new Refused('join: expected a name');
    const room = vacancy();
    const player = room.enter(join.slice(0, 40), getcurrent() as Greenlet);
    const writer = spawn(write, wire, player.outbox);
    leave = () => {
      room.leave(player);
      writer.kill({ block: false });
    };
    for (let text = yield* wire.receive(); text !== null; text = yield* wire.receive()) hear(player, text);
  } catch (error) {
    if (error !== patience && !(error instanceof Refused)) throw error;
    leave();
    yield* refuse(wire, error instanceof Refused ? error.message : 'expected to be joined');
  } finally {
    patience.cancel();
    leave();
  }
}

function* write(wire: Wire, outbox: Queue<string>) {
  try {
    for (;;) yield* wire.send(yield* outbox.get());
  } catch (error) {
    // The connection broke: who reads it hears that too.
    rethrowControl(error);
  }
}

function* refuse(wire: Wire, why: string) {
  try {
    yield* wire.send(`${JSON.stringify({ error: why })}\n`);
  } catch (error) {
    rethrowControl(error);
  }
}

// ---- rooms ------------------------------------------------------------------------------------------------------------

const rooms = new Set<Room>();
const counts = { players: 0, dropped: 0, rooms: 0, ticks: 0, skipped: 0 };
/** How late ticks are, in microseconds. */
const lateness = build({ highestTrackableValue: 60e6 });

class Room extends Arena<Player> {
  readonly number = ++counts.rooms;

  enter(name: string, session: Greenlet): Player {
    const figure = Arena.player(++counts.players, name);
    const player: Player = { ...figure, outbox: new Queue(MOST_UNSENT), session, seen: this.tick, messages: 0 };
    player.outbox.putNowait(`${JSON.stringify({ welcome: player.id, room: this.number, field: FIELD })}\n`);
    this.players.add(player);
    return player;
  }

  leave(player: Player): void {
    this.players.delete(player);
  }

  /** As long as somebody is here. Each tick is due at a time counted from the first one, so that lateness does not add up. */
  *run() {
    const period = 1000 / TICKS_A_SECOND;
    for (let due = performance.now(); this.players.size > 0; due += period) {
      const late = performance.now() - due;
      if (late > 1000) {
        // The machine was elsewhere for long. The game goes on from here.
        counts.skipped += Math.floor(late / period);
        due += late;
      }
      lateness.recordValue(Math.max(0, Math.round(late * 1000)));
      ++counts.ticks;
      this.step();
      if (this.tick % TOLD === 0) this.publish();
      yield* sleep(Math.max(0, due + period - performance.now()) / 1000);
    }
    rooms.delete(this);
  }

  publish(): void {
    const text = `${this.snapshot()}\n`;
    for (const player of this.players) {
      player.messages = 0;
      try {
        if (this.tick - player.seen > MOST_BEHIND) throw new Full();
        player.outbox.putNowait(text);
      } catch (error) {
        if (!(error instanceof Full)) throw error;
        ++counts.dropped;
        this.leave(player);
        player.session.kill({ block: false });
      }
    }
  }
}

/** A room with a place. */
function vacancy(): Room {
  for (const room of rooms) if (room.players.size < PLAYERS_A_ROOM) return room;
  const room = new Room();
  rooms.add(room);
  // Its first player enters before its first turn.
  spawn(() => room.run());
  return room;
}

// ---- the program ------------------------------------------------------------------------------------------------------

const ports = [process.argv[2] ?? 9000, process.argv[3] ?? 9001].map(Number);
if (!ports.every((port) => Number.isInteger(port) && port >= 0 && port < 65536) || process.argv.length > 4) {
  console.error('usage: npm run example game-server [tcp port] [websocket port]');
  process.exit(2);
}

const tcp = new StreamServer(['127.0.0.1', ports[0]], (client: socket) => play(overTcp(client)), {
  spawn: new Group(),
});
const web = new WebSocketServer(['127.0.0.1', ports[1]], (client) => play(overWebSocket(client)));
await tcp.start();
await web.start();
console.log(`listening on tcp://127.0.0.1:${tcp.serverPort} and ${web.url.replace('http', 'ws')}`);

for (const signal of ['SIGINT', 'SIGTERM'])
  signalHandler(signal, () => joinall([spawn(() => web.stop(0)), spawn(() => tcp.stop({ timeout: 0 }))]));
await tcp.serveForever();
await web.stop(0);

const late = (percent: number) => (lateness.getValueAtPercentile(percent) / 1000).toFixed(1);
console.log(`${counts.players} players in ${counts.rooms} rooms, ${counts.dropped} dropped`);
console.log(
  `${counts.ticks} ticks, ${counts.skipped} skipped; late by ${late(50)} ms (p50), ${late(99)} ms (p99), ${late(100)} ms (most)`,
);
