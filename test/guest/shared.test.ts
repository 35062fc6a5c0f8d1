// Guests reach semaphores and events without JavaScript (asm/waits, asm/switch/waits.wat), if they are of our own classes and not of
// derived ones. So random programs of guests and generator bodies must run alike with objects of both: same order, same results, with kills
// and limits in between. GEVENT_SEED=… runs earlier ones again.

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Event } from '../../ts/event.ts';
import type { NativeEngine } from '../../ts/guest/engine.ts';
import { liftOf } from '../../ts/guest/engines.ts';
import { bundle, load, type Program } from '../../ts/guest/guest.ts';
import { type Greenlet, GreenletExit, sleep, spawn } from '../../ts/index.ts';
import { BoundedSemaphore, Semaphore } from '../../ts/lock.ts';
import { Channel, Empty, END, Full } from '../../ts/queue.ts';
import { BACKENDS, BUNDLED, wat } from '../support/guests.ts';
import { leftIn, type World, world } from '../support/worlds.ts';

const SEED = Number(process.env.GEVENT_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`test/guest/shared.test.ts: GEVENT_SEED=${SEED}`);

class OtherSemaphore extends Semaphore {}
class OtherEvent extends Event {}
class OtherChannel extends Channel<number> {}

type Where = (typeof BACKENDS)[number] | 'bundled' | 'lifted';
const LIFTED = BACKENDS.includes('wasmfx') && BACKENDS.includes('asyncify') ? (['lifted'] as const) : [];
const ALL: readonly Where[] = [...BACKENDS, ...BUNDLED, ...LIFTED];

const bundles = new Map<Uint8Array, Promise<Uint8Array<ArrayBuffer>>>();

const program = async (where: Where, imports = {}, bytes = BYTES) => {
  if (where === 'lifted') {
    const p = await load(bytes, { backend: 'asyncify', imports });
    liftOf(p.instance.engine as NativeEngine, p.limits).eager = true;
    return p;
  }
  if (where !== 'bundled') return load(bytes, { backend: where, imports });
  const made = bundles.get(bytes) ?? bundle(bytes, { blocking: [] });
  bundles.set(bytes, made);
  return load(await made, { imports });
};

// Op, object and limit come from the seed, as in `numbers` below. 0: where an item lies.
const BYTES = wat(`(module
  (import "gevent" "yield" (func $yield))
  (import "gevent" "sleep" (func $sleep (param f64)))
  (import "gevent" "semaphore_acquire" (func $acquire (param i32 f64) (result i32)))
  (import "gevent" "semaphore_try" (func $try (param i32) (result i32)))
  (import "gevent" "semaphore_release" (func $release (param i32 i32)))
  (import "gevent" "event_wait" (func $wait (param i32 f64) (result i32)))
  (import "gevent" "event_set" (func $set (param i32)))
  (import "gevent" "event_clear" (func $clear (param i32)))
  (import "gevent" "event_is_set" (func $up (param i32) (result i32)))
  (import "gevent" "channel_put" (func $put (param i32 f64 f64) (result i32)))
  (import "gevent" "channel_get" (func $get (param i32 i32 f64) (result i32)))
  (import "env" "log" (func $log (param i32 i32 i32 f64)))
  (memory (export "memory") 1)
  (func $op (param $id i32) (param $x i32) (param $semaphore i32) (param $event i32) (param $channel i32)
    (local $what i32) (local $result i32) (local $item f64) (local $limit f64)
    (local.set $what (i32.rem_u (i32.shr_u (local.get $x) (i32.const 4)) (i32.const 12)))
    (local.set $limit
      (f64.sub (f64.mul (f64.convert_i32_u (i32.rem_u (i32.shr_u (local.get $x) (i32.const 9)) (i32.const 6))) (f64.const 0.02)) (f64.const 0.02)))
    (if (i32.and (i32.eq (local.get $what) (i32.const 0)) (i32.const 1)) (then (call $yield)))
    (if (i32.eq (local.get $what) (i32.const 1)) (then (call $sleep (local.get $limit))))
    (if (i32.eq (local.get $what) (i32.const 2)) (then (local.set $result (call $acquire (local.get $semaphore) (local.get $limit)))))
    (if (i32.eq (local.get $what) (i32.const 3)) (then (local.set $result (call $try (local.get $semaphore)))))
    (if (i32.or (i32.eq (local.get $what) (i32.const 4)) (i32.eq (local.get $what) (i32.const 5)))
      (then (call $release (local.get $semaphore) (i32.add (i32.const 1) (i32.eq (i32.and (local.get $x) (i32.const 15)) (i32.const 15))))))
    (if (i32.eq (local.get $what) (i32.const 6)) (then (local.set $result (call $wait (local.get $event) (local.get $limit)))))
    (if (i32.eq (local.get $what) (i32.const 7)) (then (call $set (local.get $event))))
    (if (i32.eq (local.get $what) (i32.const 8)) (then (call $clear (local.get $event))))
    (if (i32.eq (local.get $what) (i32.const 9)) (then (local.set $result (call $up (local.get $event)))))
    (if (i32.eq (local.get $what) (i32.const 10))
      (then (local.set $result (call $put (local.get $channel) (f64.convert_i32_s (local.get $id)) (local.get $limit)))))
    (if (i32.eq (local.get $what) (i32.const 11))
      (then
        (local.set $result (call $get (local.get $channel) (i32.const 0) (local.get $limit)))
        (if (i32.eqz (local.get $result)) (then (local.set $item (f64.load (i32.const 0)))))))
    (call $log (local.get $id) (local.get $what) (local.get $result) (local.get $item)))
  (func (export "run") (param $id i32) (param $x i32) (param $steps i32)
    (param $s0 i32) (param $s1 i32) (param $e0 i32) (param $e1 i32) (param $c0 i32) (param $c1 i32)
    (loop $l
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1103515245)) (i32.const 12345)))
      (call $op (local.get $id) (i32.shr_u (local.get $x) (i32.const 8))
        (select (local.get $s0) (local.get $s1) (i32.and (local.get $x) (i32.const 0x1000)))
        (select (local.get $e0) (local.get $e1) (i32.and (local.get $x) (i32.const 0x2000)))
        (select (local.get $c0) (local.get $c1) (i32.and (local.get $x) (i32.const 0x4000))))
      (br_if $l (i32.gt_s (local.tee $steps (i32.sub (local.get $steps) (i32.const 1))) (i32.const 0))))))`);

const OPS = ['yield', 'sleep', 'acquire', 'try', 'release', 'release', 'wait', 'set', 'clear', 'up', 'put', 'get'];

/** The same by a generator body. */
function* body(
  log: (...what: number[]) => void,
  id: number,
  seed: number,
  steps: number,
  ...[s0, s1, e0, e1, c0, c1]: [Semaphore, Semaphore, Event, Event, Channel<number>, Channel<number>]
): Generator<any, void, any> {
  let x = seed;
  for (let i = Math.max(1, steps); i > 0; --i) {
    x = (Math.imul(x, 1103515245) + 12345) | 0;
    const y = x >>> 8;
    const what = (y >>> 4) % 12;
    const seconds = ((y >>> 9) % 6) * 0.02 - 0.02;
    const timeout = seconds < 0 ? {} : { timeout: seconds };
    const semaphore = x & 0x1000 ? s0 : s1;
    const event = x & 0x2000 ? e0 : e1;
    const channel = x & 0x4000 ? c0 : c1;
    let [result, item] = [0, 0];
    if (what === 0) yield* sleep(0);
    else if (what === 1) yield* sleep(Math.max(0, seconds));
    else if (what === 2) result = (yield* semaphore.acquire(timeout)) ? 0 : -73;
    else if (what === 3) result = Number(semaphore.acquireNowait());
    else if (what === 4 || what === 5) semaphore.release(1 + Number((y & 15) === 15));
    else if (what === 6) result = (yield* event.wait(timeout)) ? 0 : -73;
    else if (what === 7) event.set();
    else if (what === 8) event.clear();
    else if (what === 9) result = Number(event.isSet());
    else {
      try {
        if (what === 10) yield* channel.put(id, timeout);
        else item = yield* channel.get(timeout);
      } catch (error) {
        if (!(error instanceof Empty || error instanceof Full)) throw error;
        result = -73;
      }
    }
    log(id, what, result, item);
  }
}

/** What happened, line by line. */
async function play(where: Where, seed: number, own: boolean): Promise<string[]> {
  const w = world('wasm');
  const { hub } = w;
  const lines: string[] = [];
  const log = (id: number, what: number, result: number, item: number) => {
    lines.push(`${hub.clock.now()} ${id} ${OPS[what]} ${result} ${item}`);
    hub.core.verify();
  };
  const [S, E, C] = own ? [Semaphore, Event, Channel<number>] : [OtherSemaphore, OtherEvent, OtherChannel];
  const objects = [new S(1), new S(0), new E(), new E(), new C(), new C()] as const;
  let state = seed;
  const pick = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const all: Greenlet[] = [];
  const started = Promise.withResolvers<void>();
  spawn(async () => {
    const p = await program(where, { env: { log } });
    // Two instances: the same objects have other handles there.
    const instances = [p.instance, p.instantiate()];
    instances[1].handle(new Event());
    for (let id = 0; id < 12; ++id) {
      const [from, steps] = [pick(2 ** 31), 4 + pick(30)];
      const g =
        pick(3) === 0
          ? spawn(function* () {
              yield* body(log, id, from, steps, ...objects);
            })
          : instances[pick(2)].spawn('run', id, from, steps, ...objects);
      g.rawlink(() => lines.push(`${id} ends ${g.value instanceof GreenletExit ? 'killed' : String(g.exception)}`));
      all.push(g as Greenlet);
    }
    spawn(function* () {
      for (let i = 0; i < 30; ++i) {
        yield* sleep(pick(4) * 0.01);
        if (pick(3) === 0) all[pick(all.length)].kill({ block: false });
      }
      for (const g of all) g.kill({ block: false });
    });
    started.resolve();
  });
  for (let i = 0; i < 100_000 && lines.length === 0 && all.length === 0; ++i)
    await new Promise((go) => setImmediate(go));
  await started.promise;
  await w.clock.advanceAsync(3);
  expect(all.every((g) => g.dead)).toBe(true);
  expect(leftIn(hub)).toEqual({});
  const [a, b, c, d] = objects;
  return [...lines, `${a.counter} ${b.counter} ${c.isSet()} ${d.isSet()}`];
}

const PROGRAMS = Number(process.env.GEVENT_PROGRAMS ?? 40);

test.each(ALL)('%s: guests and generator bodies at random on the same objects', { timeout: 240_000 }, async (where) => {
  let most = 0;
  for (let seed = SEED; seed < SEED + PROGRAMS; ++seed) {
    const expected = await play(where, seed, false);
    expect(await play(where, seed, true), `GEVENT_SEED=${seed}`).toEqual(expected);
    most = Math.max(most, expected.length);
  }
  expect(most).toBeGreaterThan(60);
});

/** A guest that calls one import so often. */
const CALLS = wat(`(module
  (import "gevent" "semaphore_acquire" (func $acquire (param i32 f64) (result i32)))
  (import "gevent" "semaphore_release" (func $release (param i32 i32)))
  (import "gevent" "channel_put" (func $put (param i32 f64 f64) (result i32)))
  (import "gevent" "channel_get" (func $get (param i32 i32 f64) (result i32)))
  (import "gevent" "close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "acquire") (param $h i32) (param $n i32) (result i32)
    (local $result i32)
    (loop $l
      (local.set $result (call $acquire (local.get $h) (f64.const -1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $result))
  (func (export "release") (param $h i32) (param $n i32) (param $count i32)
    (loop $l
      (call $release (local.get $h) (local.get $count))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "put") (param $h i32) (param $n i32) (result i32)
    (local $result i32)
    (loop $l
      (local.set $result (call $put (local.get $h) (f64.convert_i32_s (local.get $n)) (f64.const -1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $result))
  ;; The sum of them, or the result of the last one, if that was an error.
  (func (export "get") (param $h i32) (param $n i32) (param $out i32) (result f64)
    (local $result i32) (local $sum f64)
    (loop $l
      (local.set $result (call $get (local.get $h) (local.get $out) (f64.const -1)))
      (if (local.get $result) (then (return (f64.convert_i32_s (local.get $result)))))
      (local.set $sum (f64.add (local.get $sum) (f64.load (local.get $out))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "shut") (param $h i32) (result i32)
    (drop (call $acquire (local.get $h) (f64.const -1)))
    (drop (call $acquire (local.get $h) (f64.const -1)))
    (drop (call $close (local.get $h)))
    (call $acquire (local.get $h) (f64.const 0))))`);

/** Play `what` in a world with a program of those calls. */
async function calling(where: Where, what: (p: Program, w: World) => void, imports = {}): Promise<World> {
  const w = world('wasm');
  let ready = false;
  spawn(async () => {
    what(await program(where, imports, CALLS), w);
    ready = true;
  });
  while (!ready) await new Promise((go) => setImmediate(go));
  await w.clock.advanceAsync(1);
  return w;
}

describe.each(ALL)('%s:', (where) => {
  const native = where !== 'jspi';

  test('hundreds of hand-overs between guests go to JavaScript a few times, the first of each object', async () => {
    const acquires = vi.spyOn(Semaphore.prototype, '$enter');
    const puts = vi.spyOn(Channel.prototype, '$offer');
    const gets = vi.spyOn(Channel.prototype, '$ask');
    onTestFinished(() => void vi.restoreAllMocks());
    const semaphore = new Semaphore(0);
    const channel = new Channel<number>();
    let guests: Greenlet[] = [];
    const w = await calling(where, (p) => {
      guests = [
        p.spawn('acquire', semaphore, 300),
        p.spawn('release', semaphore, 300, 1),
        p.spawn('get', channel, 300, 8),
        p.spawn('put', channel, 300),
      ];
    });
    expect(guests.map((g) => g.value)).toEqual([0, undefined, (300 * 301) / 2, 0]);
    for (const spy of [acquires, puts, gets]) {
      if (native) expect(spy.mock.calls.length).toBeLessThan(5);
      else expect(spy.mock.calls.length).toBeGreaterThan(100);
    }
    expect(leftIn(w.hub)).toEqual({});
  });

  test('a pointer outside of the memory is refused before the guest waits, also for a channel that it knows', async () => {
    const channel = new Channel<number>();
    let [good, bad, put]: Greenlet[] = [];
    const w = await calling(where, (p) => {
      put = spawn(function* () {
        for (let i = 0; i < 4; ++i) yield* channel.put(i);
      });
      good = p.spawn('get', channel, 3, 65528);
      spawn(function* () {
        yield* sleep(0.1);
        bad = p.spawn('get', channel, 1, 65529);
        yield* sleep(0.1);
        put.kill({ block: false });
      });
    });
    expect(good.value).toBe(3);
    expect(bad.exception).toMatchObject({ code: 'GEVENT_GUEST_POINTER' });
    expect(put.value).toBeInstanceOf(GreenletExit);
    expect(channel.balance).toBe(0);
    expect(w.reported()).toHaveLength(1);
  });

  test('a getter hears of END, and fails at what is no number', async () => {
    const channel = new Channel<any>();
    let guests: Greenlet[] = [];
    const w = await calling(where, (p) => {
      guests = [p.spawn('get', channel, 9, 0), p.spawn('get', channel, 9, 0)];
      spawn(function* () {
        for (const item of [1, 2, END, 'three']) yield* channel.put(item);
      });
    });
    expect(guests[0].value).toBe(-64);
    expect(guests[1].exception).toBeInstanceOf(TypeError);
    expect(w.reported()).toHaveLength(1);
    expect(leftIn(w.hub)).toEqual({});
  });

  test('who gets the slot of a guest that was killed while it waited waits in JavaScript as anybody', async () => {
    const channel = new OtherChannel();
    let [killed, next]: Greenlet[] = [];
    const w = await calling(where, (p) => {
      const semaphore = new Semaphore(1);
      killed = p.spawn('acquire', semaphore, 2);
      spawn(function* () {
        yield* sleep(0.1);
        yield* killed.kill();
        next = p.spawn('get', channel, 2, 0);
        yield* channel.put(40);
        yield* channel.put(2);
      });
    });
    expect(next.value).toBe(42);
    expect(leftIn(w.hub)).toEqual({});
  });

  test('a handle that was closed names nothing', async () => {
    const semaphore = new Semaphore(9);
    let guest: Greenlet | null = null;
    const w = await calling(where, (p) => {
      guest = p.spawn('shut', semaphore);
    });
    expect((guest as unknown as Greenlet).exception).toMatchObject({ code: 'GEVENT_GUEST_HANDLE' });
    expect(semaphore.counter).toBe(7);
    expect(w.reported()).toHaveLength(1);
  });

  test('a BoundedSemaphore counts what guests release, and a Semaphore how much at once', async () => {
    const bounded = new BoundedSemaphore(1);
    const semaphore = new Semaphore(0);
    let guests: Greenlet[] = [];
    const w = await calling(where, (p) => {
      guests = [
        p.spawn('acquire', bounded, 1),
        p.spawn('release', bounded, 2, 1),
        p.spawn('acquire', semaphore, 6),
        p.spawn('release', semaphore, 2, 3),
        p.spawn('release', semaphore, 1, 0),
      ];
    });
    expect(guests[1].exception).toBeInstanceOf(RangeError);
    expect(guests[2].value).toBe(0);
    expect(guests[4].exception).toBeInstanceOf(RangeError);
    expect([bounded.counter, semaphore.counter]).toEqual([1, 0]);
    expect(w.reported()).toHaveLength(2);
  });

  test("a name of gevent that the user gives is the user's, whatever the guest has waited in", async () => {
    const seen: number[] = [];
    let guest: Greenlet | null = null;
    const semaphore = new Semaphore(5);
    await calling(
      where,
      (p) => {
        guest = p.spawn('acquire', semaphore, 2);
        spawn(function* () {
          yield* sleep(0.1);
          p.spawn('release', semaphore, 3, 1);
        });
      },
      { gevent: { semaphore_release: (_: number, count: number) => void seen.push(count) } },
    );
    expect((guest as unknown as Greenlet).value).toBe(0);
    expect(seen).toEqual([1, 1, 1]);
    expect(semaphore.counter).toBe(3);
  });

  test('as many objects as guests wait on, and no row is left when they have gone', async () => {
    const all = Array.from({ length: 700 }, () => new Semaphore(0));
    let guests: Greenlet[] = [];
    const w = await calling(where, (p) => {
      guests = all.map((it) => p.spawn('acquire', it, 2));
      spawn(function* () {
        yield* sleep(0.1);
        for (const it of all) it.release();
        yield* sleep(0.1);
        for (const g of guests.slice(0, 350)) g.kill({ block: false });
        for (const it of all.slice(350)) it.release();
        for (let i = 0; i < 20; ++i) yield* sleep(0.01);
      });
    });
    expect(guests.every((g) => g.dead)).toBe(true);
    expect(leftIn(w.hub)).toEqual({});
  });
});
