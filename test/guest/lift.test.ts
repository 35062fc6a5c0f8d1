// Guests of asyncify that turn out to block deep get stacks of wasmfx, and give them back. That they behave as before is behaviour.test.ts's.

import { describe, expect, test } from 'vitest';
import type { NativeEngine } from '../../ts/guest/engine.ts';
import { liftOf } from '../../ts/guest/engines.ts';
import { asyncify, blocking, type GuestGreenlet, type LoadOptions, load, type Program } from '../../ts/guest/guest.ts';
import type { Lift } from '../../ts/guest/lift.ts';
import { stacksInUse } from '../../ts/guest/stacks.ts';
import { GreenletExit, getcurrent, sleep, spawn } from '../../ts/index.ts';
import { told } from '../support/cores.ts';
import { BACKENDS, c, hasClang, wat } from '../support/guests.ts';
import { leftIn, type World, world } from '../support/worlds.ts';

// Yields `n` times so many frames deep, says `depth`, does what `end` tells there (1 waits, 2 traps, 3 sleeps), yields `m` times on the
// ground, says 0.
const DEEP = wat(`(module
  (import "gevent" "yield" (func $yield))
  (import "gevent" "sleep" (func $sleep (param f64)))
  (import "env" "say" (func $say (param i32)))
  (import "env" "wait" (func $wait))
  (func $turns (param $n i32)
    (if (local.get $n) (then
      (loop $l
        (call $yield)
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))))
  (func $down (param $depth i32) (param $n i32) (param $end i32) (result i32)
    (if (local.get $depth)
      (then
        (return (i32.add
          (local.get $depth)
          (call $down (i32.sub (local.get $depth) (i32.const 1)) (local.get $n) (local.get $end))))))
    (call $turns (local.get $n))
    (call $say (i32.const 1))
    (if (i32.eq (local.get $end) (i32.const 1)) (then (call $wait)))
    (if (i32.eq (local.get $end) (i32.const 2)) (then (unreachable)))
    (if (i32.eq (local.get $end) (i32.const 3)) (then (call $sleep (f64.const inf))))
    (i32.const 0))
  (func (export "go") (param $depth i32) (param $n i32) (param $m i32) (param $end i32) (result i32)
    (local $sum i32)
    (local.set $sum (call $down (local.get $depth) (local.get $n) (local.get $end)))
    (call $turns (local.get $m))
    (call $say (i32.const 0))
    (local.get $sum)))`);

const [WAITS, TRAPS, SLEEPS] = [1, 2, 3];

// Each level has an array of its own in the memory, and looks after it when it is back.
const STACKED = `
  __attribute__((import_module("gevent"), import_name("yield"))) void yield(void);
  static void fill(volatile int *a, int seed) { for (int i = 0; i < 16; i++) a[i] = seed + i; }
  static int bad(volatile int *a, int seed) { int n = 0; for (int i = 0; i < 16; i++) n += a[i] != seed + i; return n; }
  __attribute__((noinline)) static int level(int id, int depth, int rounds) {
    volatile int a[16];
    int wrong = 0;
    fill(a, id * 1000 + depth);
    if (depth) wrong += level(id, depth - 1, rounds);
    else for (int i = 0; i < rounds; i++) { yield(); wrong += bad(a, id * 1000); }
    return wrong + bad(a, id * 1000 + depth);
  }
  __attribute__((export_name("work"))) int work(int id, int depth, int rounds) { return level(id, depth, rounds); }
`;

describe.skipIf(!BACKENDS.includes('wasmfx'))('guests that block deep:', () => {
  interface Guests {
    readonly w: World;
    readonly p: Program;
    readonly lift: Lift;
    /** Of each greenlet: whether it had a stack when it spoke. */
    readonly said: Map<GuestGreenlet, boolean[]>;
    go(depth: number, n: number, m?: number, end?: number): GuestGreenlet<number>;
    run(): Promise<void>;
  }

  async function guests(options: LoadOptions = {}): Promise<Guests> {
    const w = world('wasm');
    const said = new Map<GuestGreenlet, boolean[]>();
    const say = () => {
      const g = getcurrent() as GuestGreenlet;
      said.set(g, [...(said.get(g) ?? []), lift.isLifted(g.$slot)]);
    };
    const imports = { env: { say, wait: blocking(() => sleep(1000)) } };
    const p = await load(DEEP, { imports, ...options });
    const lift = liftOf(p.instance.engine as NativeEngine, p.limits);
    const go = (depth: number, n: number, m = 0, end = 0) => p.spawn<number>('go', depth, n, m, end);
    return { w, p, lift, said, go, run: () => w.clock.advanceAsync(0) };
  }

  function nothingLeft({ w, p, lift }: Guests): void {
    expect(leftIn(w.hub)).toEqual({});
    expect(p.instance.alive).toBe(0);
    lift.trim();
    expect(lift.stacks).toBe(0);
  }

  test('get a stack, and those beside them that do not block deep stay as they are', async () => {
    const g = await guests();
    expect(g.p.explain()).toMatchObject({ backend: 'asyncify', deep: 'wasmfx' });
    const deep = [1, 2, 3].map(() => g.go(300, 500));
    const flat = [1, 2, 3].map(() => g.go(0, 500));
    await g.run();
    expect(deep.map((it) => it.value)).toEqual(Array(3).fill((300 * 301) / 2));
    expect(deep.map((it) => g.said.get(it))).toEqual(
      Array(3)
        .fill([true, false])
        .map((it) => [it[0], expect.any(Boolean)]),
    );
    expect(flat.map((it) => g.said.get(it))).toEqual(Array(3).fill([false, false]));
    expect(flat.map((it) => it.value)).toEqual([0, 0, 0]);
    nothingLeft(g);
  });

  test('give it back when they do not any more', async () => {
    const g = await guests();
    const it = g.go(300, 500, 5000);
    await g.run();
    expect(g.said.get(it)).toEqual([true, false]);
    nothingLeft(g);
  });

  test('keep the order of the ring', async () => {
    const order = async (backend: LoadOptions['backend']) => {
      const seen: number[] = [];
      const w = world('wasm');
      const imports = { env: { say: (what: number) => seen.push(what), wait: blocking(() => sleep(1)) } };
      const p = await load(DEEP, { imports, backend: backend as 'auto' });
      for (let i = 0; i < 6; ++i) {
        p.spawn('go', i % 2 === 0 ? 0 : 300, 400 + 7 * i, 50, 0);
        spawn(function* () {
          for (let k = 0; k < 420; ++k) yield* sleep(0);
          seen.push(100 + i);
        });
      }
      await w.clock.advanceAsync(0);
      return seen;
    };
    expect(await order('auto')).toEqual(await order('asyncify'));
  });

  test('have no more stacks than there may be: the others unwind', async () => {
    const g = await guests({ maxStacks: 2 });
    const all = Array.from({ length: 6 }, () => g.go(300, 600));
    await g.run();
    expect(g.lift.stacks).toBe(2);
    expect(all.map((it) => it.value)).toEqual(Array(6).fill((300 * 301) / 2));
    nothingLeft(g);
  });

  test('are killed, trap, and give their stacks back', async () => {
    const g = await guests();
    const before = stacksInUse();
    const waits = g.go(300, 500, 0, WAITS);
    const sleeps = g.go(300, 500, 0, SLEEPS);
    const traps = g.go(300, 500, 0, TRAPS);
    await g.run();
    expect([waits, sleeps].map((it) => g.lift.isLifted(it.$slot))).toEqual([true, true]);
    expect(told(traps.exception)).toMatch(/GEVENT_GUEST_TRAP/);
    expect(g.w.reported()).toHaveLength(1);
    expect(g.lift.stacks).toBe(2);
    for (const it of [waits, sleeps]) it.kill({ block: false });
    await g.run();
    expect([waits.value, sleeps.value]).toEqual([expect.any(GreenletExit), expect.any(GreenletExit)]);
    nothingLeft(g);
    expect(stacksInUse()).toBe(before);
  });

  test('are ended with their hub', async () => {
    const before = stacksInUse();
    const g = await guests();
    for (let i = 0; i < 4; ++i) g.go(300, 500, 0, i % 2 === 0 ? WAITS : SLEEPS);
    await g.run();
    expect(stacksInUse()).toBe(before + 4);
    g.w.hub.destroy();
    expect(stacksInUse()).toBe(before);
  });

  test('do so only where auto has chosen, and wasmfx is there', async () => {
    const g = await guests({ backend: 'asyncify' });
    expect(g.p.explain().deep).toBeUndefined();
    const it = g.go(300, 500);
    await g.run();
    expect([it.value, g.said.get(it)]).toEqual([45_150, [false, false]]);
    nothingLeft(g);
  });

  test('also if they were rewritten ahead of time', async () => {
    world('wasm');
    const p = await load(await asyncify(DEEP, { blocking: ['env.wait'] }));
    expect(p.explain()).toMatchObject({ backend: 'asyncify', deep: 'wasmfx' });
  });

  test.runIf(hasClang)('keep their shadow stacks apart, up there and down here', async () => {
    const w = world('wasm');
    const p = await load(c(STACKED));
    const lift = liftOf(p.instance.engine as NativeEngine, p.limits);
    const all = Array.from({ length: 12 }, (_, id) => p.spawn<number>('work', id, id % 3 === 0 ? 0 : 100, 1000));
    await w.clock.advanceAsync(0);
    expect(all.map((it) => it.value)).toEqual(all.map(() => 0));
    expect(lift.stacks).toBeGreaterThan(3);
    expect(leftIn(w.hub)).toEqual({});
  });
});
