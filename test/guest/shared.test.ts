// Guests reach semaphores and events without JavaScript (asm/waits, asm/switch/waits.wat), if they are of our own classes and not of
// derived ones. So random programs of guests and generator bodies must run alike with objects of both: same order, same results, with kills
// and limits in between. GEVENT_SEED=… runs earlier ones again.

import { expect, test } from 'vitest';
import { Event } from '../../ts/event.ts';
import type { NativeEngine } from '../../ts/guest/engine.ts';
import { liftOf } from '../../ts/guest/engines.ts';
import { bundle, load } from '../../ts/guest/guest.ts';
import { type Greenlet, GreenletExit, sleep, spawn } from '../../ts/index.ts';
import { Semaphore } from '../../ts/lock.ts';
import { Channel, Empty, Full } from '../../ts/queue.ts';
import { BACKENDS, BUNDLED, wat } from '../support/guests.ts';
import { leftIn, world } from '../support/worlds.ts';

const SEED = Number(process.env.GEVENT_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`test/guest/shared.test.ts: GEVENT_SEED=${SEED}`);

class OtherSemaphore extends Semaphore {}
class OtherEvent extends Event {}
class OtherChannel extends Channel<number> {}

type Where = (typeof BACKENDS)[number] | 'bundled' | 'lifted';
const LIFTED = BACKENDS.includes('wasmfx') && BACKENDS.includes('asyncify') ? (['lifted'] as const) : [];
const ALL: readonly Where[] = [...BACKENDS, ...BUNDLED, ...LIFTED];

let bundled: Promise<Uint8Array<ArrayBuffer>> | undefined;

const program = async (where: Where, imports = {}) => {
  if (where === 'lifted') {
    const p = await load(BYTES, { backend: 'asyncify', imports });
    liftOf(p.instance.engine as NativeEngine, p.limits).eager = true;
    return p;
  }
  if (where !== 'bundled') return load(BYTES, { backend: where, imports });
  bundled ??= bundle(BYTES, { blocking: [] });
  return load(await bundled, { imports });
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
