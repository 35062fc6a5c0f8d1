// Guests that start, yield, sleep, wait, spawn, trap and are killed at random, many at a time. In the end nothing is left.

import { expect, test } from 'vitest';
import { blocking, type GuestGreenlet, load } from '../../ts/guest/guest.ts';
import { stacksInUse } from '../../ts/guest/stacks.ts';
import { sleep, spawn, until } from '../../ts/index.ts';
import { BACKENDS, wat } from '../support/guests.ts';
import { leftIn, world } from '../support/worlds.ts';

const SEED = Number(process.env.GEVENT_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Guests on each backend, besides those that they spawn. */
const GUESTS = Number(process.env.GEVENT_SOAK ?? 100_000);

const BYTES = wat(`(module
  (import "gevent" "yield" (func $yield))
  (import "gevent" "sleep" (func $sleep (param f64)))
  (import "gevent" "spawn" (func $spawn (param i32 i32) (result i32)))
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (import "env" "plain" (func $plain (param i32)))
  (table (export "table") 1 funcref) (elem (i32.const 0) $child)
  (global $spawned (export "spawned") (mut i32) (i32.const 0))
  (global $children (export "children") (mut i32) (i32.const 0))
  ;; Ends by itself, or traps one time in four.
  (func $child (param $seed i32)
    (drop (call $deep (i32.and (local.get $seed) (i32.const 7)) (i32.and (i32.shr_u (local.get $seed) (i32.const 3)) (i32.const 3)) (f64.const 1)))
    (global.set $children (i32.add (global.get $children) (i32.const 1))))
  (func $deep (param $n i32) (param $what i32) (param $x f64) (result f64)
    (if (result f64) (local.get $n)
      (then (f64.add (f64.convert_i32_s (local.get $n)) (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $what) (f64.mul (local.get $x) (f64.const 1.5)))))
      (else
        (if (i32.eq (local.get $what) (i32.const 0)) (then (call $yield)))
        (if (i32.eq (local.get $what) (i32.const 1)) (then (call $sleep (f64.const 0.001))))
        (if (i32.eq (local.get $what) (i32.const 2)) (then (drop (call $wait (i32.const 1)))))
        (if (i32.eq (local.get $what) (i32.const 3)) (then (unreachable)))
        (if (i32.eq (local.get $what) (i32.const 4)) (then (call $plain (i32.const 1)) (call $yield)))
        (if (i32.eq (local.get $what) (i32.const 5)) (then (loop $l (call $sleep (f64.const 0.01)) (br $l))))
        (if (i32.eq (local.get $what) (i32.const 7))
          (then
            (global.set $spawned (i32.add (global.get $spawned) (i32.const 1)))
            (drop (call $spawn (i32.const 0) (global.get $spawned)))
            (call $yield)))
        (if (i32.eq (local.get $what) (i32.const 6)) (then (drop (call $wait (i32.const -1)))))
        (f64.const 0))))
  (func (export "run") (param $seed i32) (param $steps i32) (param $last i32) (result f64)
    (local $sum f64)
    (loop $l
      (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1103515245)) (i32.const 12345)))
      (local.set $sum (f64.add (local.get $sum)
        (call $deep
          (i32.and (i32.shr_u (local.get $seed) (i32.const 16)) (i32.const 15))
          (i32.rem_u (i32.shr_u (local.get $seed) (i32.const 8)) (i32.const 3))
          (f64.const 1))))
      (br_if $l (i32.gt_s (local.tee $steps (i32.sub (local.get $steps) (i32.const 1))) (i32.const 0))))
    (drop (call $deep (i32.const 3) (local.get $last) (f64.const 1)))
    (local.get $sum))
)`);

function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test.each(BACKENDS)(
  `%s: ${GUESTS} guests at random leave nothing (seed ${SEED})`,
  { timeout: 300_000 },
  async (backend) => {
    const w = world('wasm', { debug: false });
    const pick = random(SEED);
    const stacks = stacksInUse();
    const imports = {
      env: {
        wait: blocking((x: number) => {
          if (x < 0) throw new RangeError('wait');
          const how = pick(3);
          return how === 0 ? sleep(0.002) : how === 1 ? until(Promise.resolve(x)) : x;
        }),
        plain: () => {
          if (pick(4) === 0) throw new RangeError('plain');
        },
      },
    };
    const p = await load(BYTES, { backend, imports, maxStacks: 30_000 });
    const alive = new Set<GuestGreenlet>();
    const ends: Record<string, number> = {};
    let started = 0;
    spawn(function* () {
      while (started < GUESTS) {
        for (let burst = pick(60); burst >= 0 && started < GUESTS; --burst) {
          const g = p.spawn('run', pick(2 ** 31), pick(6), pick(8));
          ++started;
          alive.add(g);
          g.rawlink(() => {
            alive.delete(g);
            const how = g.successful() ? (g.value instanceof Error ? 'killed' : 'done') : (g.exception as Error).name;
            ends[how] = (ends[how] ?? 0) + 1;
          });
        }
        for (const g of alive) {
          if (pick(10) === 0) g.kill({ block: false, ...(pick(3) === 0 ? { exception: new EvalError('shot') } : {}) });
          if (pick(5) === 0) break;
        }
        yield* sleep(pick(2) * 0.001);
      }
      while (alive.size > 0) {
        yield* sleep(0.05);
        for (const g of [...alive]) g.kill({ block: false });
      }
    });
    for (let i = 0; i < 100_000 && (alive.size > 0 || started < GUESTS); ++i) await w.clock.advanceAsync(0.05);
    await w.clock.advanceAsync(1);
    w.reported();
    expect(started).toBe(GUESTS);
    expect(Object.values(ends).reduce((sum, n) => sum + n)).toBe(GUESTS);
    for (const how of ['done', 'killed', 'GuestTrap', 'RangeError', 'EvalError'])
      expect(ends[how], how).toBeGreaterThan(0);
    expect(leftIn(w.hub)).toEqual({});
    const engine = p.instance.engine as unknown as {
      exports?: { live: WebAssembly.Global; trim?(n: number): void };
      live: number;
    };
    engine.exports?.trim?.(0);
    expect(engine.exports?.live.value ?? engine.live).toBe(0);
    expect(p.instance.alive).toBe(0);
    const { spawned, children } = p.instance.exports;
    expect(spawned.value).toBeGreaterThan(GUESTS / 30);
    let trapped = 0;
    for (let seed = 1; seed <= spawned.value; ++seed) if (((seed >> 3) & 3) === 3) ++trapped;
    expect(children.value).toBe(spawned.value - trapped);
    expect(stacksInUse()).toBe(stacks);
  },
);
