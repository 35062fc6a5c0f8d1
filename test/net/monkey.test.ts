// patchAll and its kin: what is patched, who is asked, who is told; promises, callbacks and objects that can be waited for.

import { EventEmitter, once } from 'node:events';
import fs, { readFile as boundEarly } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import {
  DoNotPatch,
  type GeventDidPatchAllEvent,
  GeventWillPatchAllEvent,
  GeventWillPatchModuleEvent,
  subscribers,
} from '../../ts/events.ts';
import { first, getcurrent, getHub, joinall, kill, sleep, spawn, Timeout, until } from '../../ts/index.ts';
import { ContextVar, local } from '../../ts/local.ts';
import { RLock } from '../../ts/lock.ts';
import {
  getOriginal,
  isAnythingPatched,
  isModulePatched,
  isObjectPatched,
  MonkeyPatchWarning,
  patchAll,
  patchDns,
  patchItem,
  patchModule,
  patchOs,
  patchPromise,
  patchSelect,
  patchSelectors,
  patchSignal,
  patchSocket,
  patchSubprocess,
  patchThread,
  patchTime,
  removeItem,
  saved,
  unpatchAll,
} from '../../ts/sys/monkey.ts';
import { CORES, rejected, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

const builtin = (name: string) => process.getBuiltinModule(name) as any;

afterEach(() => {
  unpatchAll();
  subscribers.length = 0;
});

/** The warnings that `fn` causes. */
async function warnings(fn: () => unknown): Promise<MonkeyPatchWarning[]> {
  const seen: unknown[] = [];
  const listen = (warning: unknown) => seen.push(warning);
  process.on('warning', listen);
  fn();
  await new Promise((resolve) => getOriginal('timers', 'setImmediate')(resolve));
  process.off('warning', listen);
  return seen.filter((each): each is MonkeyPatchWarning => each instanceof MonkeyPatchWarning);
}

describe('what is patched', () => {
  test('patchAll: true, then null; everything back after unpatchAll', () => {
    const before = [setTimeout, fetch, fs.readFile, builtin('events').once, builtin('crypto').scrypt];
    expect(isAnythingPatched()).toBe(false);
    expect([patchAll(), patchAll(), patchAll({})]).toEqual([true, null, null]);
    expect(isAnythingPatched()).toBe(true);
    for (const name of ['timers', 'fs', 'net', 'dns', 'events', 'stream', 'tls', 'child_process', 'process', 'crypto'])
      expect([name, isModulePatched(name)]).toEqual([name, true]);
    expect(isModulePatched('path')).toBe(false);
    unpatchAll();
    expect([setTimeout, fetch, fs.readFile, builtin('events').once, builtin('crypto').scrypt]).toEqual(before);
    expect([isAnythingPatched(), Object.keys(saved), Symbol.iterator in Promise.prototype]).toEqual([false, [], false]);
    expect(patchAll({ os: false, thread: false })).toBe(true);
    expect([isModulePatched('fs'), isModulePatched('zlib'), isModulePatched('dns')]).toEqual([false, false, true]);
  });

  test('queries by name, with and without scheme, by module, by namespace', async () => {
    patchTime();
    patchSocket({ dns: false });
    const namespace = await import('node:timers');
    for (const timers of ['timers', 'node:timers', builtin('timers'), namespace])
      expect([
        isModulePatched(timers),
        isObjectPatched(timers, 'setTimeout'),
        isObjectPatched(timers, 'promises'),
      ]).toEqual([true, true, false]);
    expect(isObjectPatched(net.Socket.prototype, Symbol.iterator)).toBe(true);
    expect(isObjectPatched('net.Socket.prototype', Symbol.iterator)).toBe(true);
    expect(isObjectPatched('net', 'connect')).toBe(false);
    expect(isModulePatched(net)).toBe(true);
    expect(isModulePatched('dns')).toBe(false);
    expect(getOriginal('net', ['connect', 'isIP'])).toEqual([net.connect, net.isIP]);
    expect(getOriginal('timers', 'setTimeout')).not.toBe(setTimeout);
    expect(thrown(() => getOriginal('no such', 'x'))).toMatch(/TypeError.*no module "no such"/);
  });

  test('bindings of modules made before follow', () => {
    const original = boundEarly;
    patchOs();
    expect(boundEarly).not.toBe(original);
    expect(boundEarly).toBe(fs.readFile);
    expect([boundEarly.name, boundEarly.length]).toEqual([original.name, original.length]);
  });

  test('patching again replaces nothing by something new, and the first original is kept', () => {
    patchOs();
    const mine = fs.readFile;
    const original = getOriginal('fs', 'readFile');
    patchOs();
    expect([fs.readFile, getOriginal('fs', 'readFile')]).toEqual([mine, original]);
  });

  test('items of ones own: patchItem, removeItem, patchModule with its hooks', () => {
    const target = { a: 1, b: 2 } as Record<string, unknown>;
    patchItem(target, 'a', 10);
    patchItem(target, 'a', 20);
    patchItem(target, 'c', 30);
    removeItem(target, 'b');
    removeItem(target, 'none');
    expect(target).toEqual({ a: 20 });
    expect([target.c, getOriginal(target, ['a', 'b', 'c'])]).toEqual([30, [1, 2, undefined]]);
    const calls: unknown[] = [];
    const source = {
      __implements__: ['a'],
      a: 'patched',
      geventWillMonkeyPatch: (...args: unknown[]) => calls.push('will', args.slice(0, 2)),
      geventDidMonkeyPatch: (...args: unknown[]) => calls.push('did', args),
    };
    expect(patchModule(target, source)).toBe(true);
    expect(calls).toEqual(['will', [target, ['a']], 'did', [target]]);
    expect(target.a).toBe('patched');
    unpatchAll();
    expect(target).toEqual({ a: 1, b: 2 });
  });

  test('what cannot be is refused by name', () => {
    const fixed = Object.freeze({ x: 1 });
    expect(thrown(() => patchItem(fixed, 'x', 2))).toMatch(/TypeError.*x cannot be changed/);
    expect(thrown(() => removeItem(fixed, 'x'))).toMatch(/TypeError.*x cannot be removed/);
    expect(thrown(() => patchModule({}, {}))).toMatch(/TypeError.*no __implements__/);
    expect(thrown(() => patchModule({}, {}, { items: ['y'] }))).toMatch(/TypeError.*it has no y/);
    expect(thrown(() => patchItem(3 as any, 'x', 2))).toMatch(/TypeError.*got 3/);
    expect(thrown(() => patchAll({ tiem: false } as any))).toMatch(/TypeError.*no patch tiem; there are os, thread/);
    expect(thrown(() => patchAll({ time: 1 } as any))).toMatch(/TypeError.*patchAll\(time\): expected true or false/);
    expect(thrown(() => patchPromise({ classes: [Map as any] }))).toMatch(/TypeError.*then\(\)/);
    expect(isAnythingPatched()).toBe(false);
  });

  test('whatever is patched to do without its callback fails without it in Node', () => {
    patchAll();
    const works: string[] = [];
    let tried = 0;
    for (const module of ['fs', 'dns', 'crypto', 'zlib', 'stream'])
      for (const name of Object.keys(saved[module])) {
        // It looks for its callback when it has removed the file, and then nobody can catch that.
        if (name === 'rm') continue;
        const args = module === 'crypto' || module === 'zlib' ? [] : ['/no/such/file'];
        if (!/^TypeError/.test(thrown(() => getOriginal(module, name).apply(builtin(module), args)))) works.push(name);
        ++tried;
      }
    expect(works).toEqual([]);
    expect(tried).toBeGreaterThan(60);
  });
});

describe('who is told', () => {
  test('events: all, modules in pairs, all; with the arguments and what subscribers were handed', () => {
    const seen: any[] = [];
    subscribers.push((event) => seen.push(event));
    patchAll({ dns: false }, { plugin: 'x' });
    const names = seen.map((event) => event.constructor.name);
    expect([names[0], ...names.slice(-2)]).toEqual([
      'GeventWillPatchAllEvent',
      'GeventDidPatchBuiltinModulesEvent',
      'GeventDidPatchAllEvent',
    ]);
    const pairs = seen.slice(1, -2);
    for (let i = 0; i < pairs.length; i += 2) {
      expect([names[i + 1], names[i + 2]]).toEqual(['GeventWillPatchModuleEvent', 'GeventDidPatchModuleEvent']);
      expect(pairs[i + 1].moduleName).toBe(pairs[i].moduleName);
    }
    const [will] = seen as [GeventWillPatchAllEvent];
    expect([will.willPatchModule('time'), will.willPatchModule('dns'), will.patchAllKwargs]).toEqual([
      true,
      false,
      { plugin: 'x' },
    ]);
    expect((seen.at(-1) as GeventDidPatchAllEvent).patchAllArguments).toMatchObject({ os: true, dns: false });
    expect(
      pairs.map((event) => event.moduleName).filter((name, i) => i % 2 === 0 && name.startsWith('timers')),
    ).toEqual(['timers', 'timers/promises', 'timers/promises.scheduler']);
  });

  test('DoNotPatch at the first event keeps all as it is; false is given, and a later call patches', () => {
    subscribers.push((event) => {
      if (event instanceof GeventWillPatchAllEvent) throw new DoNotPatch('no');
    });
    expect([patchAll(), isAnythingPatched()]).toEqual([false, false]);
    subscribers.length = 0;
    expect(patchAll()).toBe(true);
  });

  test('DoNotPatch at a module keeps that one; names taken out of the list stay', () => {
    const original = setInterval;
    subscribers.push((event) => {
      if (!(event instanceof GeventWillPatchModuleEvent)) return;
      if (event.moduleName === 'zlib') throw new DoNotPatch();
      const at = event.targetItemNames.indexOf('setInterval');
      if (at >= 0) event.targetItemNames.splice(at, 1);
    });
    expect(patchAll()).toBe(true);
    expect([isModulePatched('zlib'), isModulePatched('crypto')]).toEqual([false, true]);
    expect([setInterval === original, setTimeout === getOriginal('timers', 'setTimeout')]).toEqual([true, false]);
    expect(isObjectPatched('timers', 'setInterval')).toBe(false);
  });

  test('another error of a subscriber goes to who patches', () => {
    subscribers.push(() => {
      throw new Error('subscriber');
    });
    expect(thrown(() => patchTime())).toBe('Error: subscriber');
  });

  test('a second call with other arguments warns and adds; the same ones, or the whole, do not warn', async () => {
    await warnings(() => patchAll({ os: false }));
    expect(await warnings(() => patchAll({ os: false }))).toEqual([]);
    const [warning, ...more] = await warnings(() => expect(patchAll({ os: true, time: false })).toBe(true));
    expect(more).toEqual([]);
    expect([warning.name, (warning as any).code, isModulePatched('fs'), isModulePatched('timers')]).toEqual([
      'MonkeyPatchWarning',
      'GEVENT_MONKEY_PATCH',
      true,
      true,
    ]);
    expect(warning.message).toMatch(/called before with other arguments/);
  });
});

describe.each(CORES)('in greenlets, on the %s core', (core) => {
  test('any promise can be waited for by yield*; what it gives, how it fails, killed, timed out', async () => {
    realWorld(core);
    patchPromise();
    class Mine<T> extends Promise<T> {}
    const g = spawn(function* () {
      const seen: unknown[] = [];
      seen.push(yield* Promise.resolve(1), yield* Mine.resolve('mine'), yield* Promise.all([1, sleep(0.001)]));
      try {
        yield* Promise.reject(new Error('rejected'));
      } catch (error) {
        seen.push(told(error));
      }
      try {
        using _ = Timeout.startNew(0.005);
        yield* new Promise(() => {});
      } catch (error) {
        seen.push(String(error));
      }
      seen.push((yield* first([new Promise(() => {}), Promise.resolve('second')])).value);
      return seen;
    });
    expect(await g.get()).toEqual([1, 'mine', [1, undefined], 'Error: rejected', 'Timeout: 0.005 seconds', 'second']);
    const killed = spawn(function* () {
      yield* Promise.withResolvers().promise;
    });
    await sleep(0.001);
    await killed.kill();
    expect(killed.value).toBeInstanceOf(Error);
    expect(thrown(() => [...(Promise.resolve(1) as any)])).toMatch(/GEVENT_NOT_IN_GREENLET/);
  });

  test('thenables by their class', async () => {
    realWorld(core);
    class Query {
      then(done: (value: string) => void) {
        done('rows');
      }
    }
    patchPromise({ classes: [Query as any] });
    expect(
      await spawn(function* () {
        return yield* new Query() as any;
      }).get(),
    ).toBe('rows');
    expect(isObjectPatched(Query.prototype, Symbol.iterator)).toBe(true);
  });

  test('functions without their callback: what they give, how they fail; they act when they are consumed', async () => {
    realWorld(core);
    patchOs();
    patchDns();
    patchThread({ callbacks: false });
    patchSelect();
    const dir = await mkdtemp(join(tmpdir(), 'gevent-monkey-'));
    const at = (name: string) => join(dir, name);
    const f = fs as any;
    const g = spawn(function* (): any {
      f.writeFile(at('never'), 'x');
      yield* f.writeFile(at('a'), 'hello');
      const gzip = yield* builtin('zlib').gzip('text');
      const read = yield* f.open(at('a'));
      const { bytesRead, buffer } = yield* f.read(read, Buffer.alloc(5), 0, 5, 0);
      fs.closeSync(read);
      const through = new PassThrough();
      const piped = spawn(function* () {
        yield* builtin('stream').pipeline(fs.createReadStream(at('a')), through);
      });
      through.resume();
      yield* piped.join();
      const missing = yield* missingFile(at('none'));
      return [
        yield* f.readFile(at('a'), 'utf8'),
        yield* f.readdir(dir),
        String(yield* builtin('zlib').gunzip(gzip)),
        [bytesRead, String(buffer)],
        missing,
        (yield* builtin('dns').lookup('127.0.0.1')).address,
        (yield* builtin('crypto').scrypt('a', 'b', 8)).length,
        piped.successful(),
        yield* f.exists(at('a')),
      ];
    });
    function* missingFile(path: string): any {
      try {
        yield* f.readFile(path);
      } catch (error) {
        return (error as any).code;
      }
    }
    expect(await g.get()).toEqual(['hello', ['a'], 'text', [5, 'hello'], 'ENOENT', '127.0.0.1', 8, true, true]);
    // With it they are what they were; wrong arguments are Node's to refuse, when they are consumed.
    expect(await new Promise((resolve) => fs.readFile(at('a'), 'utf8', (_error, text) => resolve(text)))).toBe('hello');
    expect(await rejected(f.readFile(3.5))).toMatch(/ERR_INVALID_ARG_TYPE/);
    expect(thrown(() => f.readFile())).toMatch(/ERR_INVALID_ARG_TYPE/);
    await rm(dir, { recursive: true });
  });

  test('what is waited for ends with its waiter: listeners, requests, files, children', async () => {
    realWorld(core);
    patchPromise();
    patchSocket();
    patchSelectors();
    patchOs();
    patchSubprocess();
    patchSelect();
    const emitter = new EventEmitter();
    const requests: string[] = [];
    const server = http.createServer((request, response) => {
      requests.push('came');
      response.on('close', () => requests.push('gone'));
      request.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/`;
    const { exec } = builtin('child_process');
    const { promisify } = builtin('util');
    const waits: (() => Generator<any, any, any>)[] = [
      function* () {
        yield* builtin('events').once(emitter, 'never');
      },
      function* () {
        yield* fetch(url);
      },
      function* () {
        yield* http.get(url);
      },
      function* () {
        yield* promisify(exec)('sleep 20');
      },
      function* () {
        yield* builtin('stream/promises').finished(new PassThrough());
      },
    ];
    for (const end of ['kill', 'timeout']) {
      requests.length = 0;
      const greenlets = waits.map((body) =>
        spawn(function* () {
          using _ = end === 'timeout' ? Timeout.startNew(0.15, false) : new Timeout();
          try {
            yield* body();
          } catch (error) {
            if (!(error instanceof Timeout)) throw error;
          }
        }),
      );
      while (requests.length < 2) await sleep(0.005);
      expect(emitter.listenerCount('never')).toBe(1);
      if (end === 'kill') for (const g of greenlets) await g.kill();
      await joinall(greenlets);
      expect(greenlets.map((g) => g.exception)).toEqual(greenlets.map(() => undefined));
      expect(emitter.listenerCount('never')).toBe(0);
      while (requests.length < 4) await sleep(0.005);
    }
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  test('a loser of first() is ended as well, and a signal of ones own still works', async () => {
    realWorld(core);
    patchPromise();
    patchSelectors();
    const emitter = new EventEmitter();
    const { once: patchedOnce } = builtin('events');
    const g = spawn(function* () {
      const won = yield* first([patchedOnce(emitter, 'a'), sleep(0.002)]);
      const own = new AbortController();
      spawn(() => own.abort(new Error('own')));
      let why: unknown;
      try {
        yield* patchedOnce(emitter, 'b', { signal: own.signal });
      } catch (error) {
        why = (error as Error).cause;
      }
      spawn(() => emitter.emit('c', 1, 2));
      return [won.index, told(why), yield* patchedOnce(emitter, 'c')];
    });
    expect(await g.get()).toEqual([1, 'Error: own', [1, 2]]);
    expect(emitter.eventNames()).toEqual([]);
  });

  test('outside of bodies these functions are what they were: nobody passes signals', async () => {
    realWorld(core);
    patchPromise();
    patchSelectors();
    const emitter = new EventEmitter();
    const waiting = builtin('events').once(emitter, 'x');
    expect(waiting).toBeInstanceOf(Promise);
    emitter.emit('x', 1);
    expect(await waiting).toEqual([1]);
  });

  test('sockets, servers, requests and children: waited for, there already, failed, killed', async () => {
    realWorld(core);
    patchSocket();
    patchSubprocess();
    patchPromise();
    const { spawn: run } = builtin('child_process');
    const g = spawn(function* () {
      const seen: unknown[] = [];
      const server = yield* net.createServer((socket) => socket.on('error', () => {}).end('x')).listen(0, '127.0.0.1');
      seen.push((yield* server) === server);
      const { port } = server.address() as net.AddressInfo;
      const socket = yield* net.connect(port, '127.0.0.1');
      seen.push(socket.remotePort === port, (yield* socket) === socket);
      socket.destroy();
      for (const wait of [() => net.connect({ port: 1, host: '127.0.0.1' }), () => socket, () => run('/no/such')]) {
        try {
          yield* wait();
        } catch (error) {
          seen.push((error as any).code);
        }
      }
      try {
        yield* net.createServer().listen(port, '127.0.0.1');
      } catch (error) {
        seen.push((error as any).code);
      }
      server.close();
      const web = yield* http.createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
      const response = yield* http.get({ port: (web.address() as net.AddressInfo).port, agent: false });
      seen.push(response.statusCode, yield* builtin('stream/consumers').text(response));
      web.close();
      const child = run('true');
      seen.push(yield* child, yield* child, yield* run('sh', ['-c', 'exit 7']), yield* run('sh', ['-c', 'kill -9 $$']));
      const udp = yield* builtin('dgram').createSocket('udp4').bind(0, '127.0.0.1');
      seen.push(udp.address().address);
      udp.close();
      return seen;
    });
    expect(await g.get()).toEqual([
      true,
      true,
      true,
      'ECONNREFUSED',
      'ECONNABORTED',
      'ENOENT',
      'EADDRINUSE',
      200,
      'ok',
      0,
      0,
      7,
      -9,
      '127.0.0.1',
    ]);
  });

  test('a connection that is being made is destroyed when its waiter is killed, and a child goes on', async () => {
    const { hub } = realWorld(core);
    patchSocket();
    patchSubprocess();
    let socket: net.Socket | undefined;
    let child: any;
    // 192.0.2.0/24 is nowhere: the attempt neither fails nor succeeds soon; a lookup that hangs does the same.
    const lookup = () => {};
    const connecting = spawn(function* () {
      socket = net.connect({ host: 'nowhere.invalid', port: 1, lookup });
      yield* socket;
    });
    const running = spawn(function* () {
      child = builtin('child_process').spawn('sleep', ['20']);
      yield* child;
    });
    await sleep(0.005);
    expect(String(hub.dump())).toMatch(/net\.Socket connecting[\s\S]*ChildProcess running/);
    await connecting.kill();
    await running.kill();
    expect([socket?.destroyed, child.exitCode, child.killed]).toEqual([true, null, false]);
    expect(child.listenerCount('exit')).toBe(0);
    child.kill();
    await once(child, 'exit');
  });

  test('a generator function that handles a signal runs as a greenlet, and can be taken off', async () => {
    const { hub } = realWorld(core);
    patchSignal();
    const seen: unknown[] = [];
    function* handler(signal: string) {
      yield* sleep(0.001);
      seen.push(signal, getcurrent() !== hub.main);
    }
    process.on('SIGUSR2', handler as any);
    process.kill(process.pid, 'SIGUSR2');
    while (seen.length < 2) await sleep(0.002);
    expect(seen).toEqual(['SIGUSR2', true]);
    process.off('SIGUSR2', handler as any);
    expect(process.listenerCount('SIGUSR2')).toBe(0);
  });
});

describe.each(CORES)('carried along, on the %s core', (core) => {
  const settle = () => new Promise((resolve) => getOriginal('timers', 'setTimeout')(resolve, 5));

  test('callbacks and continuations know their greenlet, its locals and context, until it has ended', async () => {
    const { hub } = realWorld(core);
    patchThread();
    patchTime();
    const mine = new local() as any;
    const variable = new ContextVar<string>('v', { default: 'none' });
    const seen: Record<string, unknown[]> = { a: [], b: [] };
    const look = (name: string, g: unknown) => {
      const current = getcurrent();
      seen[name].push(current === g ? 'itself' : current === hub.main ? 'main' : 'another', mine.name, variable.get());
    };
    const body = function* (name: string, seconds: number) {
      const g = getcurrent();
      mine.name = name;
      variable.set(`var ${name}`);
      setTimeout(() => look(name, g), 2);
      fs.stat('.', () => look(name, g));
      void Promise.resolve().then(() => look(name, g));
      process.nextTick(() => look(name, g));
      setImmediate(() => look(name, g));
      yield* until(Promise.resolve());
      queueMicrotask(() => look(name, g));
      // Behind its end.
      setTimeout(() => seen[name].push(getcurrent() === hub.main), 60);
      yield* sleep(seconds);
    };
    await joinall([spawn(body, 'a', 0.03), spawn(body, 'b', 0.03)]);
    const each = (name: string) => ['itself', name, `var ${name}`];
    for (const name of ['a', 'b']) expect(seen[name]).toEqual(Array.from({ length: 6 }, () => each(name)).flat());
    await new Promise((resolve) => setTimeout(resolve, 80));
    for (const name of ['a', 'b']) expect(seen[name].at(-1)).toBe(true);
  });

  test("a callback is no part of the body: what waits there is main's, and outlives the greenlet; locks know it", async () => {
    realWorld(core);
    patchThread();
    const seen: unknown[] = [];
    const lock = new RLock();
    const g = spawn(function* () {
      yield* lock.acquire();
      fs.stat('.', async () => {
        seen.push(String(getcurrent() === g));
        using timeout = new Timeout(0.02);
        timeout.start();
        try {
          await sleep(1);
        } catch (error) {
          seen.push(error === timeout);
        }
        // Held by the greenlet, not by its callbacks.
        seen.push(await lock.acquire({ timeout: 0 }));
        await sleep(0.01);
        seen.push('behind');
      });
      try {
        yield* sleep(0.1);
      } finally {
        seen.push('ended');
      }
    });
    await g.join();
    await sleep(0.03);
    expect(seen).toEqual(['true', true, false, 'behind', 'ended']);
    await settle();
  });

  test('a watchdog in a callback kills its greenlet', async () => {
    realWorld(core);
    patchThread();
    patchTime();
    const g = spawn(function* () {
      setTimeout(() => kill(getcurrent()), 5);
      yield* sleep(100);
    });
    await g.join();
    expect(String(g.value)).toMatch(/GreenletExit/);
  });

  test('async bodies, and greenlets that async bodies make, keep their own', async () => {
    realWorld(core);
    patchThread();
    const seen: unknown[] = [];
    const outer = spawn(async () => {
      const g = spawn(function* () {
        const me = getcurrent();
        fs.stat('.', () => seen.push(getcurrent() === me));
        yield* sleep(0.02);
      });
      await new Promise((resolve) => fs.stat('.', resolve));
      seen.push(getcurrent() === outer);
      await g.join();
      seen.push(getcurrent() === outer);
    });
    await outer.join();
    expect(seen).toEqual([true, true, true]);
    expect(getcurrent()).toBe(getHub().main);
  });
});
