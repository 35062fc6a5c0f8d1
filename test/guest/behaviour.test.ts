// What guests do, on every backend that this engine has. One suite: a guest must not be able to tell them apart.

import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { settrace } from '../../ts/greenlet.ts';
import type { NativeEngine } from '../../ts/guest/engine.ts';
import { blocking, GuestGreenlet, GuestTrap, type LoadOptions, type Program } from '../../ts/guest/guest.ts';
import { Greenlet, GreenletExit, getcurrent, joinall, shield, sleep, spawn, Timeout } from '../../ts/index.ts';
import { Pool } from '../../ts/pool.ts';
import { Queue } from '../../ts/queue.ts';
import { rejected, told } from '../support/cores.ts';
import { assembly, BACKENDS, BUNDLED, c, hasClang, LIFTED, wat } from '../support/guests.ts';
import { loaded } from '../support/loaded.ts';
import { leftIn, type World, world } from '../support/worlds.ts';

const TURNS = wat(`(module
  (import "gevent" "yield" (func $yield))
  (import "gevent" "sleep" (func $sleep (param f64)))
  (import "env" "say" (func $say (param i32)))
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (func (export "turns") (param $id i32) (param $n i32) (result i32)
    (local $i i32)
    (loop $l
      (call $say (i32.add (i32.mul (local.get $id) (i32.const 100)) (local.get $i)))
      (call $yield)
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_s (local.get $i) (local.get $n))))
    (local.get $i))
  (func (export "nap") (param $id i32) (param $s f64)
    (call $sleep (local.get $s))
    (call $say (local.get $id)))
  (func (export "ask") (param $x i32) (result i32)
    (i32.add (call $wait (local.get $x)) (call $wait (i32.add (local.get $x) (i32.const 1)))))
  (func (export "forever") (loop $l (call $yield) (br $l)))
  (func (export "trap") (call $yield) (unreachable))
  (func (export "trapNow") (unreachable))
  (func $deep (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1)))))
      (else (call $yield) (call $yield) (i32.const 0))))
  (func (export "deep") (param $n i32) (result i32) (call $deep (local.get $n)))
  (func $endless (param $n i64) (result i64) (i64.add (i64.const 1) (call $endless (i64.add (local.get $n) (i64.const 1)))))
  (func (export "overflow") (call $yield) (drop (call $endless (i64.const 0))))
)`);

const VALUES = wat(`(module
  (import "gevent" "yield" (func $yield))
  (import "env" "swap" (func $swap (param i32 i64 f32 f64) (result f64 f32 i64 i32)))
  (func (export "all") (param i32 i64 f32 f64) (result i32 i64 f32 f64)
    (call $yield)
    (local.get 0) (local.get 1) (local.get 2) (local.get 3))
  (func (export "swapped") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
    (call $swap (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (func (export "one") (param i64) (result i64) (call $yield) (i64.add (local.get 0) (i64.const 1)))
)`);

const SPAWNS = wat(`(module
  (import "gevent" "yield" (func $yield))
  (import "gevent" "spawn" (func $spawn (param i32 i32) (result i32)))
  (import "env" "say" (func $say (param i32)))
  (table (export "table") 3 funcref)
  (elem (i32.const 0) $child $bad $silent)
  (global $sum (export "sum") (mut i32) (i32.const 0))
  (func $child (param $x i32)
    (call $say (local.get $x)) (call $yield) (call $say (i32.add (local.get $x) (i32.const 10))))
  (func $silent (param $x i32)
    (call $yield) (call $yield)
    (global.set $sum (i32.add (global.get $sum) (local.get $x))))
  (func $bad (param $x i32) (call $yield) (unreachable))
  (func (export "family") (param $n i32)
    (local $i i32)
    (loop $l
      (drop (call $spawn (i32.const 0) (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_s (local.get $i) (local.get $n)))))
  (func (export "crowd") (param $n i32)
    (loop $l
      (drop (call $spawn (i32.const 2) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "bad") (drop (call $spawn (i32.const 1) (i32.const 0))))
)`);

const NESTED = wat(`(module
  (import "gevent" "yield" (func $yield))
  (import "env" "call" (func $call))
  (import "env" "wait" (func $wait))
  (func (export "outer") (call $call) (call $yield))
  (func (export "inner") (call $yield))
  (func (export "innerWait") (call $wait))
  (func (export "innerPlain") (nop))
)`);

describe.each([...BACKENDS, ...BUNDLED, ...LIFTED])('%s:', (backend) => {
  interface Guests {
    readonly w: World;
    readonly p: Program;
    /** Let everything that is ready or due run. */
    run(seconds?: number): Promise<void>;
  }

  async function guests(
    bytes: Uint8Array,
    imports: LoadOptions['imports'] = {},
    options: LoadOptions = {},
  ): Promise<Guests> {
    const w = world('wasm');
    const given =
      typeof imports === 'function'
        ? imports
        : { ...imports, env: { say: (x: number) => w.trace(x), wait: () => 0, ...imports.env } };
    const p = await loaded(bytes, backend, { imports: given, ...options });
    return { w, p, run: (seconds = 0) => w.clock.advanceAsync(seconds) };
  }

  /** Nothing of it is left anywhere. */
  async function nothingLeft({ w, p, run }: Guests): Promise<void> {
    await run();
    expect(leftIn(w.hub)).toEqual({});
    expect(p.instance.alive).toBe(0);
    const engine = p.instance.engine as unknown as {
      exports?: { live: WebAssembly.Global; trim?(n: number): void };
      live?: number;
    };
    engine.exports?.trim?.(0);
    expect(engine.exports?.live.value ?? engine.live).toBe(0);
    if (backend === 'lifted') {
      const { lifting } = p.instance.engine as NativeEngine;
      lifting?.trim();
      expect(lifting?.stacks ?? 0).toBe(0);
    }
  }

  describe('running', () => {
    test('guests and JavaScript greenlets take turns in one order', async () => {
      const g = await guests(TURNS);
      const a = g.p.spawn('turns', 1, 3);
      const js = spawn(function* () {
        for (let i = 0; i < 3; ++i) {
          g.w.trace(`js${i}`);
          yield* sleep(0);
        }
      });
      const b = g.p.spawn('turns', 2, 3);
      await g.run();
      expect(g.w.seen()).toEqual([100, 'js0', 200, 101, 'js1', 201, 102, 'js2', 202]);
      expect([a.value, b.value, js.dead]).toEqual([3, 3, true]);
      await nothingLeft(g);
    });

    test('an end in the middle of the ring keeps its place: who joined is told behind those that were ready', async () => {
      const g = await guests(TURNS);
      const short = g.p.spawn('turns', 1, 1);
      short.rawlink(() => g.w.trace('ended'));
      spawn(function* () {
        for (let i = 0; i < 4; ++i) {
          g.w.trace(`js${i}`);
          yield* sleep(0);
        }
      });
      g.p.spawn('turns', 2, 4);
      await g.run();
      expect(g.w.seen()).toEqual([100, 'js0', 200, 'js1', 201, 'ended', 'js2', 202, 'js3', 203]);
      await nothingLeft(g);
    });

    test('sleepers wake in the order of their deadlines, and of their falling asleep', async () => {
      const g = await guests(TURNS);
      g.p.spawn('nap', 1, 0.3);
      g.p.spawn('nap', 2, 0.1);
      g.p.spawn('nap', 3, 0.1);
      g.p.spawn('nap', 4, 0);
      g.p.spawn('nap', 5, -1);
      await g.run();
      expect(g.w.seen()).toEqual([4, 5]);
      await g.run(0.2);
      expect(g.w.seen()).toEqual([2, 3]);
      await g.run(0.1);
      expect(g.w.seen()).toEqual([1]);
      await nothingLeft(g);
    });

    test('values of all types go in and come out, several at once', async () => {
      const g = await guests(VALUES, { env: { swap: blocking((a, b, c2, d) => sleep(0).then(() => [d, c2, b, a])) } });
      const all = g.p.spawn('all', -7, 2n ** 63n - 1n, 1.5, Math.PI);
      const swapped = g.p.spawn('swapped', 2 ** 31, -1n, -0.25, 1e300);
      const one = g.p.spawn('one', 41n);
      await g.run();
      expect(all.value).toEqual([-7, 2n ** 63n - 1n, 1.5, Math.PI]);
      expect(swapped.value).toEqual([1e300, -0.25, -1n, -(2 ** 31)]);
      expect(one.value).toBe(42n);
      await nothingLeft(g);
    });

    test('a BigInt is wanted for an i64, as in a direct call', async () => {
      const g = await guests(VALUES, { env: { swap: () => [0, 0, 0n, 0] } });
      const bad = g.p.spawn('one', 1);
      await g.run();
      expect(bad.exception).toBeInstanceOf(TypeError);
      expect(g.w.reported()).toHaveLength(1);
      await nothingLeft(g);
    });

    test('frames of any depth are kept, and of changing depth', async () => {
      const g = await guests(TURNS);
      const depths = [0, 1, 2, 3, 7, 40, 300, 1000];
      const all = depths.map((depth) => g.p.spawn('deep', depth));
      await g.run();
      expect(all.map((it) => it.value)).toEqual(depths);
      await nothingLeft(g);
    });

    test('several instances have memories of their own, and one engine', async () => {
      const g = await guests(SPAWNS);
      const other = g.p.instantiate({ env: { say: (x: number) => g.w.trace(`other ${x}`) } });
      g.p.spawn('family', 2);
      other.spawn('family', 2);
      await g.run();
      expect(g.w.seen()).toEqual([0, 1, 'other 0', 'other 1', 10, 11, 'other 10', 'other 11']);
      other.close();
      await nothingLeft(g);
    });

    test('many instances that come and go leave nothing in the engine', async () => {
      const g = await guests(TURNS);
      for (let i = 0; i < 150; ++i) {
        const instance = g.p.instantiate({ env: { say: () => {}, wait: () => 0 } });
        const done = instance.spawn('turns', 1, 2);
        await g.run();
        expect(done.value).toBe(2);
      }
      const { exports } = g.p.instance.engine as unknown as { exports?: { entries: WebAssembly.Table } };
      expect(exports?.entries.length ?? 0).toBeLessThanOrEqual(256);
      await nothingLeft(g);
    });
  });

  describe('imports', () => {
    test('a blocking import waits for an operation, a promise, or not at all', async () => {
      const g = await guests(TURNS, {
        env: {
          wait: blocking((x: number) => (x === 1 ? sleep(0.5).then(() => 10) : x === 2 ? Promise.resolve(20) : x)),
        },
      });
      const a = g.p.spawn('ask', 1);
      const b = g.p.spawn('ask', 5);
      await g.run();
      expect(b.value).toBe(11);
      expect(a.dead).toBe(false);
      await g.run(0.5);
      expect(a.value).toBe(30);
      await nothingLeft(g);
    });

    test('others run while one waits in an import', async () => {
      const g = await guests(TURNS, { env: { wait: blocking(() => sleep(1)), say: (x: number) => g.w.trace(x) } });
      g.p.spawn('ask', 1);
      g.p.spawn('turns', 1, 2);
      await g.run();
      expect(g.w.seen()).toEqual([100, 101]);
      await g.run(2);
      await nothingLeft(g);
    });

    test('a thousand greenlets wait in one import at once', async () => {
      const g = await guests(TURNS, { env: { wait: blocking((x: number) => sleep(1).then(() => x)) } });
      const all = Array.from({ length: 1000 }, (_, i) => g.p.spawn('ask', i));
      await g.run(2);
      expect(all.map((it) => it.value)).toEqual(all.map((_, i) => 2 * i + 1));
      await nothingLeft(g);
    });

    test('the current greenlet, and `this`, is the guest’s', async () => {
      const seen: unknown[] = [];
      const g = await guests(TURNS, {
        env: {
          say: () => void seen.push(getcurrent()),
          wait: blocking(function (this: unknown) {
            seen.push(this, getcurrent());
            return 1;
          }),
        },
      });
      const turns = g.p.spawn('turns', 1, 1);
      const ask = g.p.spawn('ask', 1);
      await g.run();
      expect(seen).toEqual([turns, ask, ask, ask, ask]);
      expect(turns).toBeInstanceOf(GuestGreenlet);
      expect(turns).toBeInstanceOf(Greenlet);
      await nothingLeft(g);
    });

    test('what an import throws, at once or later, is the end of that greenlet', async () => {
      const g = await guests(TURNS, {
        env: {
          say: () => {
            throw new RangeError('said no');
          },
          wait: blocking((x: number) => {
            if (x === 0) throw new RangeError('refused');
            return x === 1
              ? Promise.reject(new RangeError('rejected'))
              : sleep(0).then(() => Promise.reject(new RangeError('late')));
          }),
        },
      });
      const all = [g.p.spawn('turns', 1, 1), g.p.spawn('ask', 0), g.p.spawn('ask', 1), g.p.spawn('ask', 2)];
      await g.run();
      expect(all.map((it) => told(it.exception))).toEqual(
        ['said no', 'refused', 'rejected', 'late'].map((text) => `RangeError: ${text}`),
      );
      expect(g.w.reported()).toHaveLength(4);
      await nothingLeft(g);
    });

    test('a wrong result of an import is a TypeError in the guest', async () => {
      const g = await guests(TURNS, { env: { wait: blocking(() => sleep(0).then(() => 5n)) } });
      const bad = g.p.spawn('ask', 1);
      await g.run();
      expect(bad.exception).toBeInstanceOf(TypeError);
      g.w.reported();
      await nothingLeft(g);
    });

    test('below a JavaScript frame nothing may switch, and a call that does not is fine', async () => {
      let which = '';
      const g = await guests(NESTED, {
        env: { call: () => g.p.instance.exports[which](), wait: blocking(() => sleep(0)) },
      });
      for (which of ['inner', 'innerWait']) {
        const bad = g.p.spawn('outer');
        await g.run();
        expect(told(bad.exception)).toMatch(/JS_FRAME|SuspendError/);
      }
      which = 'innerPlain';
      const good = g.p.spawn('outer');
      await g.run();
      expect(good.successful()).toBe(true);
      expect(g.w.reported()).toHaveLength(2);
      await nothingLeft(g);
    });

    test('an export that blocks, called directly, is told to be spawned', async () => {
      const g = await guests(NESTED, { env: { call: () => {}, wait: blocking(() => sleep(0)) } });
      const { inner, innerWait, innerPlain } = g.p.instance.exports;
      innerPlain();
      for (const f of [inner, innerWait])
        expect(await rejected(Promise.resolve().then(f))).toMatch(/NOT_SPAWNED|SuspendError/);
      await nothingLeft(g);
    });

    test('a function that is missing is named', async () => {
      world('wasm');
      const p = await loaded(TURNS, backend, {});
      expect(() => p.spawn('turns', 1, 1)).toThrow(/imports the function env\.say/);
    });
  });

  describe('ending', () => {
    test('kill reaches a guest wherever it waits', async () => {
      const g = await guests(TURNS, { env: { wait: blocking(() => sleep(10)) } });
      const all = [g.p.spawn('forever'), g.p.spawn('nap', 1, 5), g.p.spawn('ask', 1), g.p.spawn('nap', 1, Infinity)];
      const other = g.p.spawn('turns', 1, 2);
      spawn(function* () {
        yield* sleep(0);
        for (const it of all) yield* it.kill();
        g.w.trace('killed');
      });
      await g.run();
      expect(all.every((it) => it.dead && it.value instanceof GreenletExit)).toBe(true);
      expect(other.value).toBe(2);
      expect(g.w.log).toContain('killed');
      await nothingLeft(g);
    });

    test('kill takes back what the guest’s import waited for', async () => {
      const g = await guests(TURNS, {
        env: { wait: blocking((x: number) => (x === 1 ? new Promise(() => {}) : new Queue(1).get())) },
      });
      const all = [g.p.spawn('ask', 1), g.p.spawn('ask', 2)];
      await g.run();
      expect(leftIn(g.w.hub)).toMatchObject({ guests: 2, foreign: 1 });
      for (const it of all) it.kill({ block: false });
      await g.run();
      expect(all.every((it) => it.value instanceof GreenletExit)).toBe(true);
      await nothingLeft(g);
    });

    test('one that was killed before it started never runs', async () => {
      const g = await guests(TURNS);
      const never = g.p.spawn('turns', 1, 1);
      never.kill({ block: false });
      const fresh = g.p.greenlet('turns', 2, 1);
      fresh.kill({ block: false });
      await g.run();
      expect(g.w.seen()).toEqual([]);
      expect([never.dead, fresh.dead]).toEqual([true, true]);
      await nothingLeft(g);
    });

    test('the exception of a kill is the guest’s', async () => {
      const g = await guests(TURNS);
      const it = g.p.spawn('forever');
      spawn(function* () {
        yield* it.kill({ exception: new RangeError('enough') });
        g.w.trace('killed');
      });
      await g.run();
      expect(g.w.seen()).toEqual(['killed']);
      expect(told(it.exception)).toBe('RangeError: enough');
      expect(g.w.reported()).toEqual([expect.stringContaining('RangeError: enough')]);
      await nothingLeft(g);
    });

    test('a Timeout that an import started ends the guest', async () => {
      const g = await guests(TURNS, {
        env: {
          wait: blocking(() => {
            const timeout = new Timeout(1);
            timeout.start();
            return sleep(5);
          }),
        },
      });
      const it = g.p.spawn('ask', 1);
      await g.run(1);
      expect(it.exception).toBeInstanceOf(Timeout);
      g.w.reported();
      await nothingLeft(g);
    });

    test('who waits for a guest may time out, and it goes on', async () => {
      const g = await guests(TURNS);
      const it = g.p.spawn('nap', 7, 2);
      const waiter = spawn(function* () {
        yield* it.get({ timeout: 1 });
      });
      await g.run(1);
      expect(waiter.exception).toBeInstanceOf(Timeout);
      g.w.reported();
      await g.run(1);
      expect(g.w.seen()).toEqual([7]);
      await nothingLeft(g);
    });

    test('a trap is that greenlet’s exception, with the guest’s stack; the others go on', async () => {
      const g = await guests(TURNS);
      const all = [g.p.spawn('trap'), g.p.spawn('turns', 1, 3), g.p.spawn('trapNow'), g.p.spawn('turns', 2, 3)];
      await g.run();
      for (const it of [all[0], all[2]]) {
        expect(it.exception).toBeInstanceOf(GuestTrap);
        expect((it.exception as Error).message).toMatch(/guest\.trap(Now)? trapped: unreachable/i);
        // JavaScriptCore does not name them.
        expect((it.exception as Error).stack).toMatch(/wasm|at unknown/);
      }
      expect([all[1].value, all[3].value]).toEqual([3, 3]);
      expect(g.w.seen()).toEqual([100, 200, 101, 201, 102, 202]);
      expect(g.w.reported()).toHaveLength(2);
      await nothingLeft(g);
    });

    test('an overflow of the stack is a trap like another', async () => {
      const g = await guests(TURNS);
      const bad = g.p.spawn('overflow');
      const good = g.p.spawn('turns', 1, 3);
      await g.run();
      expect(told(bad.exception)).toMatch(/^GuestTrap \[GEVENT_GUEST_TRAP\]: guest.overflow trapped/);
      expect(good.value).toBe(3);
      g.w.reported();
      await nothingLeft(g);
    });

    test('links, joins and results are those of any greenlet', async () => {
      const g = await guests(TURNS);
      const it = g.p.spawn('turns', 1, 1);
      it.link((done) => g.w.trace('link', done === it));
      it.linkException(() => g.w.trace('never'));
      const later = g.p.greenlet('turns', 2, 1);
      later.startLater(1);
      const all = spawn(function* () {
        return (yield* joinall([it, later])).map((done) => done.value);
      });
      await g.run(1);
      expect(all.value).toEqual([1, 1]);
      expect(g.w.seen()).toEqual([100, 'link true', 200]);
      expect(String(it)).toBe('<GuestGreenlet "GuestGreenlet-0": guest.turns()>');
      await nothingLeft(g);
    });
  });

  describe('guests that spawn guests', () => {
    test('run behind those that are ready, in order', async () => {
      const g = await guests(SPAWNS);
      g.p.spawn('family', 3);
      spawn(function* () {
        g.w.trace('js');
      });
      await g.run();
      expect(g.w.seen()).toEqual(['js', 0, 1, 2, 10, 11, 12]);
      g.p.instance.close();
      await nothingLeft(g);
    });

    test('by the thousand, without an object for each', async () => {
      const g = await guests(SPAWNS);
      const n = backend === 'asyncify' || backend === 'bundled' ? 20_000 : 2_000;
      g.p.spawn('crowd', n);
      await g.run();
      expect(g.p.instance.exports.sum.value).toBe((n * (n + 1)) / 2);
      g.p.instance.close();
      await nothingLeft(g);
    });

    test('are greenlets as soon as JavaScript meets them', async () => {
      const met: GuestGreenlet[] = [];
      const g = await guests(SPAWNS, {
        env: {
          say: (x: number) => {
            const it = getcurrent() as GuestGreenlet;
            met.push(it);
            if (x === 1) it.kill({ block: false });
          },
        },
      });
      g.p.spawn('family', 2);
      await g.run();
      expect(met.map((it) => it instanceof GuestGreenlet)).toEqual([true, true, true]);
      expect(met[2]).toBe(met[0]);
      expect(met[1].value).toBeInstanceOf(GreenletExit);
      expect(met[0].successful()).toBe(true);
      g.p.instance.close();
      await nothingLeft(g);
    });

    test('are heard of when they trap', async () => {
      const g = await guests(SPAWNS);
      g.p.spawn('bad');
      await g.run();
      expect(g.w.reported()).toEqual([expect.stringMatching(/GuestTrap: guest\..* trapped: unreachable/i)]);
      g.p.instance.close();
      await nothingLeft(g);
    });
  });

  describe('beside the rest', () => {
    test('items pass from guest to JavaScript to guest, through queues of one place, in order', async () => {
      const there = new Queue<number>(1);
      const back = new Queue<number>(1);
      const wait = blocking((x: number) => (x < 10 ? there.put(x) : back.get()));
      const g = await guests(TURNS, { env: { wait } });
      const putter = g.p.spawn('ask', 3);
      const getter = g.p.spawn('ask', 10);
      spawn(function* () {
        for (let i = 0; i < 2; ++i) {
          const item = yield* there.get();
          g.w.trace(item);
          yield* back.put(item + 20);
        }
      });
      await g.run();
      expect(g.w.seen()).toEqual([3, 4]);
      expect([putter.value, getter.value]).toEqual([0, 23 + 24]);
      await nothingLeft(g);
    });

    test('a pool limits how many run', async () => {
      const pool = new Pool(2);
      const g = await guests(TURNS);
      spawn(function* () {
        for (let id = 1; id <= 4; ++id) yield* pool.start(g.p.greenlet('nap', id, 0.1));
        yield* pool.join();
        g.w.trace('joined');
      });
      await g.run(0.15);
      expect(g.w.seen()).toEqual([1, 2]);
      await g.run(0.1);
      expect(g.w.seen()).toEqual([3, 4, 'joined']);
      await nothingLeft(g);
    });

    test('kill waits for the end of a shielded import', async () => {
      const g = await guests(TURNS, { env: { wait: blocking(() => shield(() => sleep(1))) } });
      const it = g.p.spawn('ask', 1);
      await g.run(0.5);
      it.kill({ block: false });
      await g.run(0.25);
      expect(it.dead).toBe(false);
      await g.run(0.5);
      expect(it.value).toBeInstanceOf(GreenletExit);
      await nothingLeft(g);
    });

    test('a tracer sees guests switch', async () => {
      const g = await guests(TURNS);
      const seen: string[] = [];
      settrace((event, from, to) => void seen.push(`${event} ${name(from)} ${name(to)}`));
      try {
        g.p.spawn('turns', 1, 1);
        await g.run();
      } finally {
        settrace(null);
      }
      expect(seen.slice(0, 2)).toEqual(['switch hub guest', 'switch guest hub']);
      await nothingLeft(g);
    });

    test('an async context is the guest’s own', async () => {
      const storage = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      const g = await guests(TURNS, { env: { say: () => void seen.push(storage.getStore()) } });
      storage.run('a', () => g.p.spawn('turns', 1, 2));
      storage.run('b', () => g.p.spawn('turns', 2, 2));
      await g.run();
      expect(seen).toEqual(['a', 'b', 'a', 'b']);
      await nothingLeft(g);
    });

    test('main that waits for one that never wakes gets LoopExit', async () => {
      const g = await guests(TURNS);
      const it = g.p.spawn('nap', 1, Infinity);
      expect(await rejected(it.join())).toMatch(/GEVENT_LOOP_EXIT[\s\S]*guest\.nap/);
      it.kill({ block: false });
      await nothingLeft(g);
    });
  });

  describe('shadow stacks', () => {
    const STACKED = `
      extern __attribute__((import_module("gevent"), import_name("yield"))) void yield_(void);
      extern __attribute__((import_module("env"), import_name("wait"))) int wait(int);
      __attribute__((noinline)) static void fill(volatile int *a, int n, int v) { for (int i = 0; i < n; i++) a[i] = v; }
      __attribute__((noinline)) static int bad(volatile int *a, int n, int v) { int e = 0; for (int i = 0; i < n; i++) e += a[i] != v; return e; }
      __attribute__((noinline)) static int level(int id, int depth, int rounds) {
        volatile int a[16];
        int e = 0;
        fill(a, 16, id * 100 + depth);
        if (depth) e += level(id, depth - 1, rounds);
        else for (int r = 0; r < rounds; r++) { if (r & 1) yield_(); else wait(id); }
        e += bad(a, 16, id * 100 + depth);
        yield_();
        return e;
      }
      __attribute__((export_name("work"))) int work(int id) { return level(id, id % 7, 5 + id % 3); }
      __attribute__((export_name("sp"))) int sp(void) { volatile int here; return (int)&here; }
    `;

    test.runIf(hasClang)('greenlets in one instance of a C guest do not write on one another’s', async () => {
      for (const flags of [[], ['-mmutable-globals', '-Wl,--export=__stack_pointer']]) {
        const g = await guests(c(STACKED, ...flags), {
          env: { wait: blocking((x: number) => (x % 2 ? sleep(0) : x)) },
        });
        const before = g.p.instance.exports.sp();
        const all = Array.from({ length: 50 }, (_, id) => g.p.spawn('work', id));
        await g.run();
        expect(all.map((it) => it.value)).toEqual(all.map(() => 0));
        expect(g.p.explain().stack).toMatch(/llvm/);
        const pages = g.p.instance.memory.buffer.byteLength;
        const more = Array.from({ length: 50 }, (_, id) => g.p.spawn('work', id));
        await g.run();
        expect(more.map((it) => it.value)).toEqual(all.map(() => 0));
        // Stacks are used again.
        expect(g.p.instance.memory.buffer.byteLength).toBe(pages);
        expect(typeof before).toBe('number');
        await nothingLeft(g);
      }
    });

    test.runIf(hasClang)(
      'what may be a stack pointer has to be named before several greenlets share an instance',
      async () => {
        const bytes = c(STACKED, '-Wl,--strip-all');
        const imports = { env: { wait: blocking((x: number) => (x % 2 ? sleep(0) : x)) } };
        const g = await guests(bytes, imports);
        expect(g.p.explain().stack).toMatch(/perhaps: global 0/);
        const [first, second] = [g.p.spawn('work', 3), g.p.spawn('work', 4)];
        await g.run();
        expect(first.value).toBe(0);
        expect(told(second.exception)).toMatch(/GEVENT_GUEST_STACK_POINTER/);
        expect(g.w.reported()).toHaveLength(1);
        await nothingLeft(g);

        const p = await loaded(bytes, backend, { imports, stackPointer: 0 });
        const all = Array.from({ length: 20 }, (_, id) => p.spawn('work', id));
        await g.run();
        expect(all.map((it) => it.value)).toEqual(all.map(() => 0));
      },
    );

    test.runIf(hasClang)('killed ones give their stack back', async () => {
      const g = await guests(c(STACKED), { env: { wait: blocking(() => sleep(9)) } });
      for (let round = 0; round < 5; ++round) {
        const all = Array.from({ length: 20 }, (_, id) => g.p.spawn('work', id));
        await g.run();
        for (const it of all) it.kill({ block: false });
        await g.run();
        expect(all.every((it) => it.dead)).toBe(true);
      }
      expect(g.p.instance.memory.buffer.byteLength).toBeLessThan(40 * 65536);
      await nothingLeft(g);
    });
  });

  describe('AssemblyScript', () => {
    const SOURCE = `
      @external("gevent", "yield") declare function yield_(): void;
      @external("gevent", "sleep") declare function sleep(seconds: f64): void;
      @external("env", "say") declare function say(x: i32): void;
      @external("env", "wait") declare function wait(x: i32): i32;
      class Box { constructor(public value: i32) {} }
      export function work(id: i32, rounds: i32): i32 {
        const boxes: Box[] = [];
        for (let i = 0; i < rounds; i++) {
          boxes.push(new Box(wait(id + i)));
          yield_();
        }
        let sum = 0;
        for (let i = 0; i < boxes.length; i++) sum += boxes[i].value;
        say(sum);
        return sum;
      }
    `;

    test.each(['stub', 'minimal', 'incremental'])('with --runtime %s', async (runtime) => {
      const bytes = await assembly(
        SOURCE,
        '--runtime',
        runtime,
        '--use',
        'abort=',
        ...(runtime === 'incremental' ? ['--debug'] : []),
      );
      const g = await guests(bytes, { env: { wait: blocking((x: number) => sleep(0.1).then(() => x)) } });
      const one = g.p.spawn('work', 1, 3);
      await g.run(1);
      expect(one.value).toBe(6);
      const all = [g.p.spawn('work', 1, 3), g.p.spawn('work', 10, 3)];
      await g.run(1);
      if (runtime === 'incremental') {
        expect(told(all[1].exception)).toMatch(/GEVENT_GUEST_COLLECTOR/);
        g.w.reported();
      } else expect(all.map((it) => it.value)).toEqual([6, 33]);
      await nothingLeft(g);
    });
  });
});

function name(it: unknown): string {
  return it instanceof GuestGreenlet ? 'guest' : it instanceof Greenlet ? 'greenlet' : 'hub';
}
