// The game server: a hundred players of the load script, and single ones who behave badly.

import { once } from 'node:events';
import * as net from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { printed, run, start } from '../support/programs.ts';

const number = (text: string, pattern: RegExp): number => Number((pattern.exec(text) as RegExpExecArray)[1]);

/** A client by hand: what it says, and what it was told. */
class Client {
  readonly socket: net.Socket;
  readonly told: any[] = [];
  closed = false;
  #rest = '';
  #news = () => {};

  constructor(port: number) {
    this.socket = net.connect(port, '127.0.0.1');
    onTestFinished(() => void this.socket.destroy());
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() as string;
      this.told.push(...lines.map((line) => JSON.parse(line)));
      this.#news();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#news();
    });
  }

  say(message: unknown): void {
    this.socket.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
  }

  /** Wait until something that was told fits, or the end. */
  async until(fits: (message: any) => boolean): Promise<any> {
    for (;;) {
      const found = this.told.find(fits);
      if (found !== undefined || this.closed) return found;
      await new Promise<void>((resolve) => (this.#news = resolve));
    }
  }
}

describe('game-load', { timeout: 120_000 }, () => {
  test('a hundred players are told at the rate of the clock, and nobody is dropped', async () => {
    const { stdout, stderr, code } = await run('game-load', '100', '3');
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout).toMatch(/^100 players joined in \d+\.\d s, 0 could not\n/);
    expect(stdout).toMatch(/; 0 cut off\n/);
    expect(stdout).toMatch(/server: 100 players in 5 rooms, 0 dropped\n/);
    // Late ticks are made up for: only the last one before the end may be missing.
    const rate = number(stdout, /(\d+\.\d+) a second for each/);
    expect(rate).toBeGreaterThan(9.2);
    expect(rate).toBeLessThan(10.4);
    expect(number(stdout, /, (\d+) orders:/)).toBeGreaterThan(800);
    expect(number(stdout, / 50 % +(\d+\.\d) ms/)).toBeLessThan(200);
  });

  test('players who find no server are counted, and it ends', async () => {
    const none = net.createServer().listen(0, '127.0.0.1');
    await once(none, 'listening');
    const { port } = none.address() as net.AddressInfo;
    none.close();
    const { stdout, code } = await run('game-load', '4', '0.1', `tcp://127.0.0.1:${port}`, `ws://127.0.0.1:${port}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^0 players joined in \d+\.\d s, 4 could not\nnobody plays\n$/);
  });

  test.each([[['x']], [['0']], [['1', '0']], [['1', '1', 'tcp://x:1']]])('wrong arguments %j', async (args) => {
    expect(await run('game-load', ...args)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^usage: npm run example/),
    });
  });
});

describe('game-server', { timeout: 60_000 }, () => {
  let server: ReturnType<typeof start>;
  let port: number;
  let web: string;
  beforeAll(async () => {
    server = start('game-server', '0', '0');
    const text = await printed(server.child, '\n');
    port = number(text, /tcp:\/\/127\.0\.0\.1:(\d+)/);
    web = (/ws:\S+/.exec(text) as RegExpExecArray)[0];
  });
  afterAll(() => void server.child.kill('SIGKILL'));

  async function join(name: string): Promise<Client & { id: number }> {
    const client = new Client(port);
    client.say({ join: name });
    const { welcome } = await client.until(({ welcome }) => welcome);
    return Object.assign(client, { id: welcome });
  }

  test('one by TCP and one by websocket are in one room, and see each other move as the server has it', async () => {
    const ann = await join('ann');
    const bob = new WebSocket(web);
    onTestFinished(() => bob.terminate());
    await once(bob, 'open');
    bob.send(JSON.stringify({ join: 'bob' }));
    const [first] = await once(bob, 'message');
    const { welcome, room, field } = JSON.parse(String(first));
    expect(ann.told[0]).toEqual({ welcome: ann.id, room, field });
    // Far more than allowed: a wish is a direction, and the speed is the server's.
    bob.send(JSON.stringify({ go: [1e6, 0], n: 1 }));
    const at = await ann.until(({ players }) => players?.some(([id, , , , n]: number[]) => id === welcome && n === 1));
    const later = await ann.until(({ tick }) => tick === at.tick + 4);
    const x = (state: any): number => state.players.find(([id]: number[]) => id === welcome)[1];
    expect((x(later) - x(at) + field) % field).toBe(40);
    ann.socket.destroy();
  });

  test.each([
    ['no JSON', 'hello', /expected a JSON object/],
    ['a number', '5', /expected a JSON object/],
    ['no name', '{"join": 5}', /join: expected a name/],
  ])('whose first word is %s is told so and let go', async (_what, text, why) => {
    const client = new Client(port);
    client.say(text);
    expect((await client.until(({ error }) => error)).error).toMatch(why);
    await client.until(() => false);
    expect(client.closed).toBe(true);
  });

  test('bad orders, too many of them, and lines too long end the connection of who sends them', async () => {
    const [wild, fast, long, calm] = await Promise.all(['wild', 'fast', 'long', 'calm'].map(join));
    wild.say({ go: ['x', null] });
    expect((await wild.until(({ error }) => error)).error).toMatch(/go: expected two numbers/);
    for (let i = 0; i < 100; ++i) fast.say({ n: i });
    expect((await fast.until(({ error }) => error)).error).toMatch(/too many messages/);
    long.say({ go: [1, 0], padding: 'x'.repeat(5000) });
    expect((await long.until(({ error }) => error)).error).toMatch(/expected a JSON object/);
    const { tick } = await calm.until(({ tick }) => tick > 0);
    await calm.until((state) => state.tick > tick + 5);
    expect(calm.closed).toBe(false);
    calm.socket.destroy();
  });

  test('who says nothing, and who does not keep up, is dropped; the others go on at their pace', async () => {
    const silent = new Client(port);
    const [idle, alive] = await Promise.all(['idle', 'alive'].map(join));
    idle.socket.pause();
    const began = performance.now();
    const { tick } = await alive.until(({ tick }) => tick > 0);
    const keepUp = setInterval(() => alive.say({ seen: alive.told.at(-1).tick }), 500);
    onTestFinished(() => clearInterval(keepUp));
    expect(await silent.until(({ error }) => error)).toEqual({ error: 'expected to be joined' });
    await alive.until(({ players, tick: now }) => now > tick + 10 && !players.some(([id]: number[]) => id === idle.id));
    const passed = (performance.now() - began) / 1000;
    const ticks = alive.told.at(-1).tick - tick;
    expect(ticks).toBeGreaterThan(passed * 20 * 0.9 - 2);
    expect(ticks).toBeLessThan(passed * 20 * 1.1 + 2);
    expect(alive.closed).toBe(false);
    idle.socket.resume();
    await idle.until(() => false);
    expect(idle.closed).toBe(true);
    alive.socket.destroy();
  });

  test('Ctrl-C ends it with its figures, players or not', async () => {
    const last = await join('last');
    server.child.kill('SIGINT');
    await last.until(() => false);
    const { stdout, ...rest } = await server.ended;
    expect(rest).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(stdout).toMatch(/\n\d+ players in \d+ rooms, 1 dropped\n\d+ ticks, \d+ skipped; late by .* \(most\)\n$/);
  });

  test.each([[['x']], [['1', '70000']], [['1', '2', '3']]])('wrong arguments %j get a usage line', async (args) => {
    expect(await run('game-server', ...args)).toMatchObject({
      code: 2,
      stderr: 'usage: npm run example game-server [tcp port] [websocket port]\n',
    });
  });
});
