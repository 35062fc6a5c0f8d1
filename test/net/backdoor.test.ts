// The backdoor, by plain clients of Node's: what sessions know, what their errors do, and how they end.

import { spawn as spawnChild } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Event } from '../../ts/event.ts';
import { type Greenlet, sleep, spawn } from '../../ts/index.ts';
import { local } from '../../ts/local.ts';
import { type BackdoorOptions, BackdoorServer } from '../../ts/net/backdoor.ts';
import type * as S from '../../ts/net/socket.ts';
import { CORES, rejected, thrown } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

/** A user at the other end. */
class Visitor {
  readonly socket: net.Socket;
  #got = '';

  constructor(address: S.Address) {
    this.socket =
      typeof address === 'string' ? net.connect(address) : net.connect({ host: address[0], port: address[1] });
    this.socket
      .setMaxListeners(0)
      .setEncoding('utf8')
      .on('data', (text: string) => (this.#got += text));
    this.socket.on('error', () => {});
  }

  /** All that came up to a prompt behind which nothing stands. */
  async prompt(mark = '>'): Promise<string> {
    const end = new RegExp(`(^|\\n)[${mark}] $`);
    for (;;) {
      if (end.test(this.#got)) {
        const text = this.#got.replace(end, '');
        this.#got = '';
        return text;
      }
      if (this.socket.closed) throw new Error(`closed before a prompt, got ${JSON.stringify(this.#got)}`);
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')]);
    }
  }

  /** What one line gives, up to the next prompt. */
  async say(line: string): Promise<string> {
    this.socket.write(`${line}\n`);
    return this.prompt();
  }

  /** All that came until the other end closed. */
  async rest(): Promise<string> {
    if (!this.socket.closed) await once(this.socket, 'close');
    return this.#got;
  }
}

async function open(options: BackdoorOptions = {}, listener: unknown = 0) {
  const server = new BackdoorServer(listener, options);
  await server.start();
  onTestFinished(async () => {
    await server.stop({ timeout: 0 });
  });
  const visit = async (): Promise<Visitor> => {
    const visitor = new Visitor(server.address);
    onTestFinished(() => void visitor.socket.destroy());
    await visitor.prompt();
    return visitor;
  };
  return { server, visit };
}

describe.each(CORES)('on the %s core', (core) => {
  test('a session evaluates lines, pieces of several lines, and awaits at the top level', async () => {
    realWorld(core);
    const { visit } = await open();
    const visitor = await visit();
    expect(await visitor.say('1 + 1')).toBe('2');
    expect(await visitor.say('let x = "sum"')).toBe('');
    expect(await visitor.say('x')).toBe("'sum'");
    expect(await visitor.say('_ + "s"')).toBe("'sums'");
    expect(await visitor.say('await gevent.sleep(0.01), 7')).toBe('7');
    expect(await visitor.say('console.log("to me")')).toBe('to me');
    visitor.socket.write('function twice(n) {\n');
    await visitor.prompt('|');
    expect(await visitor.say('return 2 * n }')).toBe('');
    expect(await visitor.say('twice(4)')).toBe('8');
  });

  test('lines that come all at once are evaluated in order, each when the one before is over', async () => {
    realWorld(core);
    const { server } = await open();
    const visitor = new Visitor(server.address);
    visitor.socket.end('a = []; await gevent.sleep(0.02); a.push(1)\na.push(2)\nawait gevent.sleep(0); a.join()');
    expect((await visitor.rest()).split('\n').slice(1)).toEqual(['> 1', '> 2', "> '1,2'", '> ']);
  });

  test('locals are there in a copy for each session, getters included; what they lead to is the process itself', async () => {
    realWorld(core);
    const state = { count: 1 };
    const { visit, server } = await open({
      locals: {
        state,
        mine: 1,
        get now() {
          return state.count;
        },
      },
    });
    const [one, two] = [await visit(), await visit()];
    expect(await one.say('mine = 5; state.count += 1; now')).toBe('2');
    expect(await two.say('[mine, now]')).toBe('[ 1, 2 ]');
    expect(await two.say('mine')).toBe('1');
    expect(state.count).toBe(2);
    expect(server.locals.mine).toBe(1);
    expect(await one.say('.clear')).toMatch(/Clearing context/);
    expect(await one.say('[mine, quit.name]')).toBe("[ 1, 'leave' ]");
  });

  test('the dump is at hand, and names what each greenlet waits for', async () => {
    realWorld(core);
    const stuck = new Event();
    const waiter = spawn(function* waiter() {
      yield* stuck.wait();
    });
    const { visit } = await open({ locals: { stuck } });
    const visitor = await visit();
    expect(await visitor.say('.greenlets')).toMatch(/waiter\(\)> in Event\.wait/);
    expect(await visitor.say('.runinfo')).toMatch(/Greenlet "backdoor for 127\.0\.0\.1:\d+"/);
    expect(await visitor.say('hub === gevent.getHub()')).toBe('true');
    expect(await visitor.say('stuck.set(); await gevent.sleep(0)')).toBe('');
    expect(waiter.dead).toBe(true);
  });

  test('a line runs in a greenlet of its own: a Timeout, a kill and locals mean that line', async () => {
    realWorld(core);
    const own = new local();
    const { visit } = await open({ locals: { own } });
    const visitor = await visit();
    expect(await visitor.say('String(gevent.getcurrent())')).toMatch(/Greenlet "line of backdoor for 127/);
    expect(await visitor.say('await gevent.sleep(0); own.x = 1; String(gevent.getcurrent())')).toMatch(/line of/);
    expect(await visitor.say('own.x')).toBe('');
    expect(await visitor.say('t = gevent.Timeout.startNew(0.01); await gevent.sleep(5)')).toMatch(/Timeout: 0\.01/);
    expect(
      await visitor.say('me = gevent.getcurrent(); gevent.spawn(() => { me.kill() }); await gevent.sleep(5)'),
    ).toMatch(/GreenletExit/);
    expect(await visitor.say('"still " + "here"')).toBe("'still here'");
  });

  test('greenlets spawned from a session are like any others, async and generator bodies alike', async () => {
    const { reported } = realWorld(core);
    const { visit } = await open();
    const visitor = await visit();
    await visitor.say('g = gevent.spawn(function* (n) { yield* gevent.sleep(0.01); return n + 1 }, 1)');
    expect(await visitor.say('await g.get()')).toBe('2');
    const watched = 'async () => { try { await gevent.sleep(50) } finally { seen = String(gevent.getcurrent()) } }';
    await visitor.say(`g = gevent.spawn(${watched})`);
    expect(await visitor.say('await gevent.sleep(0); await g.kill(); [g.dead, seen === String(g)]')).toBe(
      '[ true, true ]',
    );
    await visitor.say('gevent.spawn(() => { throw new Error("mine") })');
    await sleep(0.01);
    expect(reported()).toEqual([expect.stringMatching(/Error: mine/)]);
  });

  test('errors of every kind stay in the session', async () => {
    realWorld(core);
    const { visit } = await open();
    const visitor = await visit();
    expect(await visitor.say('throw new Error("at once")')).toBe('Uncaught Error: at once');
    expect(await visitor.say('null.x')).toMatch(/^Uncaught TypeError/);
    expect(await visitor.say('throw null')).toBe('Uncaught null');
    expect(await visitor.say('a b')).toMatch(/SyntaxError/);
    expect(await visitor.say('await Promise.reject(new Error("awaited"))')).toMatch(/^Uncaught Error: awaited/);
    expect(await visitor.say('.nonsense')).toMatch(/Invalid REPL keyword/);
    expect(await visitor.say('void setTimeout(() => { throw new Error("later") }, 1)')).toBe('');
    expect(await visitor.prompt()).toMatch(/^Uncaught Error: later/);
    visitor.socket.write(Buffer.from([0xff, 0xf4, 0xff, 0xfd, 0x06, 10]));
    expect(await visitor.prompt()).toMatch(/SyntaxError/);
    expect(await visitor.say('1')).toBe('1');
  });

  test('what a session left behind may fail when it is over', async () => {
    realWorld(core);
    const { visit, server } = await open();
    const visitor = await visit();
    await visitor.say('void setTimeout(() => { console.log("x"); throw new Error("too late") }, 20)');
    visitor.socket.end('quit()\n');
    await visitor.rest();
    await sleep(0.05);
    expect(server.sessions).toEqual([]);
    expect(await (await visit()).say('1')).toBe('1');
  });

  test.each(['quit()', 'exit()', '.exit'])('%s ends this session and no other', async (bye) => {
    realWorld(core);
    const { server, visit } = await open();
    const [one, two] = [await visit(), await visit()];
    expect(server.sessions).toHaveLength(2);
    one.socket.write(`${bye}\n1 + 1\n`);
    expect(await one.rest()).not.toContain('2');
    expect(await two.say('1 + 1')).toBe('2');
    expect(server.sessions).toHaveLength(1);
  });

  test('stop ends sessions, in a prompt, in an operation, and in a promise that never settles', async () => {
    const { hub } = realWorld(core);
    const { server, visit } = await open();
    const [, waiting, forever] = [await visit(), await visit(), await visit()];
    waiting.socket.write('try { await gevent.sleep(1000) } finally { globalThis.hub.ended = true }\n');
    forever.socket.write('await new Promise(() => {})\n');
    await sleep(0.05);
    await server.stop({ timeout: 0.01 });
    await Promise.all([waiting.rest(), forever.rest()]);
    expect(server.sessions).toEqual([]);
    expect((hub as any).ended).toBe(true);
  });

  test('killing a session closes its connection; a peer that resets ends its session', async () => {
    realWorld(core);
    const { server, visit } = await open();
    const [one, two] = [await visit(), await visit()];
    await (server.sessions[0] as Greenlet).kill();
    expect(await one.rest()).toBe('');
    two.socket.resetAndDestroy();
    for (let i = 0; i < 100 && server.sessions.length > 0; ++i) await sleep(0.01);
    expect(server.sessions).toEqual([]);
  });

  test('who does not read gets nothing more evaluated', async () => {
    realWorld(core);
    const { visit } = await open({ locals: { seen: [] as number[] } });
    const visitor = await visit();
    visitor.socket.pause();
    const line = 'seen.push(1); console.log("x".repeat(1 << 20))\n';
    visitor.socket.write(line.repeat(40));
    await sleep(0.2);
    const other = await visit();
    const evaluated = Number(await other.say('seen.length'));
    expect(evaluated).toBeLessThan(30);
    visitor.socket.resume();
    for (let i = 0; i < 200 && (await other.say('seen.length')) !== '40'; ++i) await sleep(0.01);
    expect(await other.say('seen.length')).toBe('40');
  });

  test.skipIf(process.platform === 'win32')('over a Unix socket, which only its owner may enter', async () => {
    realWorld(core);
    const dir = mkdtempSync(join(tmpdir(), 'backdoor-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const path = join(dir, 'socket');
    const { visit, server } = await open({ banner: 'welcome' }, { path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const visitor = await visit();
    expect(await visitor.say('6 * 7')).toBe('42');
    expect(server.address).toBe(path);
  });
});

test('a rejection that nobody handles does not end the process, and is shown to the session that made it', async () => {
  const program = `
    import { BackdoorServer } from 'gevent-wasm/backdoor';
    const server = new BackdoorServer(0);
    await server.start();
    console.log(server.serverPort);
    process.stdin.resume().on('end', () => server.stop());`;
  const child = spawnChild(process.execPath, ['--conditions=source', '--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 30_000,
  });
  const [port] = await once(child.stdout, 'data');
  const visitor = new Visitor(['127.0.0.1', Number(port)]);
  await visitor.prompt();
  expect(await visitor.say('void Promise.reject(new Error("nobody"))')).toBe('');
  expect(await visitor.prompt()).toMatch(/^Uncaught Error: nobody/);
  expect(await visitor.say('void setTimeout(() => { throw new Error("later") }, 1)')).toBe('');
  expect(await visitor.prompt()).toMatch(/^Uncaught Error: later/);
  expect(await visitor.say('hub.handleError.name')).toBe("'handleError'");
  child.stdin.end();
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  await visitor.rest();
});

test('a port alone is one of 127.0.0.1; other addresses are taken as they are', async () => {
  for (const listener of [0, '0', ':0']) {
    const server = new BackdoorServer(listener);
    await server.start();
    expect(server.serverHost).toBe('127.0.0.1');
    await server.stop();
  }
  expect(new BackdoorServer(['::1', 0]).address).toEqual(['::1', 0]);
  expect(new BackdoorServer('*:0').address).toEqual(['', 0]);
});

test('bad arguments are refused by name', async () => {
  expect(thrown(() => new BackdoorServer(0, { locals: 1 as never }))).toMatch(/^TypeError: BackdoorServer\(locals\)/);
  expect(thrown(() => new BackdoorServer(0, { banner: 1 as never }))).toMatch(/^TypeError: banner: expected a string/);
  expect(thrown(() => new BackdoorServer(0, { spawn: 1 } as never))).toMatch(/unknown option "spawn"/);
  expect(thrown(() => new BackdoorServer({ path: '' }))).toMatch(/^TypeError: BackdoorServer\(listener\)/);
  expect(thrown(() => new BackdoorServer('nowhere'))).toMatch(/^RangeError: address/);
  const busy = net.createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  expect(await rejected(new BackdoorServer((busy.address() as net.AddressInfo).port).start())).toMatch(/EADDRINUSE/);
  busy.close();
});
