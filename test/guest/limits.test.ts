// What guests may not do, and what must not end the process: limits, bad modules, bad arguments, killed cleanup.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { NativeEngine } from '../../ts/guest/engine.ts';
import { engineOf } from '../../ts/guest/engines.ts';
import { asyncify, blocking, direct, GuestError, type LoadOptions, load } from '../../ts/guest/guest.ts';
import { hardCap } from '../../ts/guest/stacks.ts';
import { GreenletExit, sleep, spawn } from '../../ts/index.ts';
import { program, rejected, told } from '../support/cores.ts';
import { BACKENDS, wat } from '../support/guests.ts';
import { leftIn, world } from '../support/worlds.ts';

const SIMPLE = wat(`(module
  (import "gevent" "yield" (func $yield))
  (import "gevent" "sleep" (func $sleep (param f64)))
  (func $deep (param $n i32) (param $a i64) (param $b f64) (result i64)
    (if (result i64) (local.get $n)
      (then (i64.add (local.get $a) (call $deep (i32.sub (local.get $n) (i32.const 1)) (i64.add (local.get $a) (i64.const 1)) (local.get $b))))
      (else (call $sleep (local.get $b)) (i64.const 0))))
  (func (export "deep") (param $n i32) (result i64) (call $deep (local.get $n) (i64.const 1) (f64.const 0)))
  (func (export "deepNap") (param $n i32) (result i64) (call $deep (local.get $n) (i64.const 1) (f64.const 1)))
  (func (export "nap") (param f64) (call $sleep (local.get 0)))
  (func (export "one") (call $yield))
)`);

/** Wants a cleanup on its way out; under asyncify there is no try_table. */
const CATCHES = wat(`(module
  (import "gevent" "sleep" (func $sleep (param f64)))
  (import "env" "say" (func $say (param i32)))
  (func (export "cleans")
    (block $out (result exnref)
      (try_table (catch_all_ref $out) (call $sleep (f64.const 9)))
      (return))
    (call $say (i32.const 1))
    (call $sleep (f64.const 0.5))
    (call $say (i32.const 2))
    (throw_ref))
  (func (export "swallows")
    (block $out
      (try_table (catch_all $out) (call $sleep (f64.const 9)))
      (return))
    (call $say (i32.const 3))
    (call $sleep (f64.const 0.5))
    (call $say (i32.const 4)))
)`);

const EXTERN = wat(`(module
  (import "env" "wait" (func $wait (param externref) (result externref)))
  (func (export "pass") (param externref) (result externref) (call $wait (local.get 0)))
)`);

const MANY = Array.from({ length: 20 }, () => 'externref').join(' ');
const LAST = wat(`(module (func (export "last") (param ${MANY}) (result externref) (local.get 19)))`);

describe.each(BACKENDS)('%s:', (backend) => {
  const loaded = (bytes: Uint8Array<ArrayBuffer>, options: LoadOptions = {}) => load(bytes, { backend, ...options });

  const itsPlaces = async () => {
    const w = world('wasm');
    const p = await loaded(wat('(module (import "gevent" "spawn" (func (param i32 i32) (result i32))))'));
    expect(() => p.instance).toThrow(/no table of functions/);
    const { instances } = engineOf(w.hub, backend, p.limits) as NativeEngine;
    expect(instances.filter((it) => it !== null)).toEqual([]);
  };
  // Under jspi instances have no places.
  if (backend !== 'jspi') test('an instance that cannot be made leaves no place taken', itsPlaces);

  test('arguments that are references are as many as the function takes', async () => {
    const w = world('wasm');
    const given = Array.from({ length: 20 }, (_, i) => ({ i }));
    const p = await loaded(LAST);
    const g = p.spawn('last', ...given);
    await w.clock.advanceAsync(0);
    expect(g.value).toBe(given[19]);
  });

  test('frames beyond the limit are an error of that greenlet, and overwrite nothing', async () => {
    const w = world('wasm');
    const p = await loaded(SIMPLE, { frameLimit: 65536 });
    const others = Array.from({ length: 20 }, (_, i) => p.spawn('deepNap', i * 10));
    await w.clock.advanceAsync(0);
    const far = p.spawn('deep', 4000);
    await w.clock.advanceAsync(0);
    if (backend === 'asyncify') {
      // The engine keeps at least a mebibyte.
      const further = p.spawn('deep', 60_000);
      await w.clock.advanceAsync(0);
      expect(told(further.exception)).toMatch(/GEVENT_GUEST_(STACK|TRAP)/);
      expect(w.reported()).toHaveLength(1);
    }
    expect(far.value).toBe((4000n * 4001n) / 2n);
    await w.clock.advanceAsync(1);
    expect(others.map((it) => it.value)).toEqual(others.map((_, i) => (BigInt(i * 10) * BigInt(i * 10 + 1)) / 2n));
    expect(leftIn(w.hub)).toEqual({});
  });

  test('truncated and changed modules are errors, never more', async () => {
    world('wasm');
    let refused = 0;
    const attempts: Uint8Array<ArrayBuffer>[] = [];
    for (let length = 0; length < SIMPLE.length; length += 7) attempts.push(SIMPLE.slice(0, length));
    let state = 12345;
    for (let i = 0; i < 60; ++i) {
      const changed = SIMPLE.slice();
      for (let k = 0; k < 3; ++k) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        changed[8 + (state % (changed.length - 8))] = state >>> 24;
      }
      attempts.push(changed);
    }
    for (const bytes of attempts) {
      if (WebAssembly.validate(bytes)) continue;
      try {
        await loaded(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(GuestError);
        ++refused;
      }
    }
    expect(refused).toBeGreaterThan(50);
    // And what is well still is.
    const p = await loaded(SIMPLE);
    await p.spawn('one').join();
  });

  if (backend !== 'asyncify') {
    test('kill runs the guest’s cleanup, which may wait; who swallows it goes on', async () => {
      const w = world('wasm');
      const p = await loaded(CATCHES, { imports: { env: { say: (x: number) => w.trace(x) } } });
      const cleans = p.spawn('cleans');
      const swallows = p.spawn('swallows');
      await w.clock.advanceAsync(0.1);
      cleans.kill({ block: false });
      swallows.kill({ block: false });
      await w.clock.advanceAsync(0.1);
      expect(w.seen()).toEqual([1, 3]);
      expect([cleans.dead, swallows.dead]).toEqual([false, false]);
      await w.clock.advanceAsync(1);
      expect(w.seen()).toEqual([2, 4]);
      expect(cleans.value).toBeInstanceOf(GreenletExit);
      expect(swallows.value).toBe(undefined);
      expect(leftIn(w.hub)).toEqual({});
    });

    test('references go in, through a blocking import, and out', async () => {
      const w = world('wasm');
      const it = { any: 'thing' };
      const p = await loaded(EXTERN, { imports: { env: { wait: blocking((x) => sleep(1).then(() => x)) } } });
      const g = p.spawn('pass', it);
      await w.clock.advanceAsync(1);
      expect(g.value).toBe(it);
    });

    test('the cap is an error of those beyond it, and room is there again when others end', async () => {
      const w = world('wasm');
      const p = await loaded(SIMPLE, { maxStacks: 10 });
      const all = Array.from({ length: 15 }, () => p.spawn('nap', 1));
      await w.clock.advanceAsync(0);
      expect(all.map((it) => told(it.exception).slice(0, 32))).toEqual([
        ...Array(10).fill('no error: undefined'),
        ...Array(5).fill('GuestError [GEVENT_GUEST_STACKS]'),
      ]);
      expect(w.reported()).toHaveLength(5);
      await w.clock.advanceAsync(1);
      const again = Array.from({ length: 10 }, () => p.spawn('nap', 1));
      await w.clock.advanceAsync(1);
      expect(again.every((it) => it.successful())).toBe(true);
      expect(leftIn(w.hub)).toEqual({});
    });
  }

  test('40 000 at once are served, or told why not: the process goes on', { timeout: 60_000 }, async () => {
    const ran = await program(`
      import { load, enableWasmfx } from '#guest/guest.ts';
      import { joinall, sleep, getHub } from '#index.ts';
      getHub().exceptionStream = null;
      const bytes = new Uint8Array([${SIMPLE.join()}]);
      const p = await load(bytes, { backend: '${backend}', maxStacks: 30000 });
      const all = Array.from({ length: 40000 }, () => p.spawn('nap', 3));
      await joinall(all);
      const refused = all.filter((g) => g.exception);
      console.log(all.length - refused.length, refused.length, refused[0]?.exception.code);
      const more = p.spawn('nap', 0);
      await more.get();
      console.log('goes on');
    `);
    expect(ran.stderr.split('\n').slice(0, 5).join('\n')).toBe('');
    expect(ran.code).toBe(0);
    expect(ran.stdout[1]).toBe('goes on');
    const [served, refused, code] = ran.stdout[0].split(' ');
    expect(Number(served) + Number(refused)).toBe(40_000);
    if (backend === 'asyncify') expect(served).toBe('40000');
    else {
      // Some may have ended before the last began.
      expect(Number(served)).toBeGreaterThanOrEqual(hardCap());
      expect(Number(refused)).toBeGreaterThan(0);
      expect(code).toBe('GEVENT_GUEST_STACKS');
    }
  });
});

describe('asyncify refuses', () => {
  test.each([
    ['tail calls', '(func (export "f") (call $yield) (return_call $yield))'],
    ['try_table', '(func (export "f") (block $l (try_table (catch_all $l) (call $yield))))'],
    ['references in locals', '(func (export "f") (param externref) (result externref) (call $yield) (local.get 0))'],
  ])('%s, and says which backend to use', async (_, text) => {
    world('wasm');
    const bytes = wat(`(module (import "gevent" "yield" (func $yield)) ${text})`);
    const refused = await rejected(load(bytes, { backend: 'asyncify' }));
    expect(refused).toMatch(/GEVENT_GUEST_NOT_REWRITABLE.*Use backend 'wasmfx' or 'jspi'/s);
    // The library is usable afterwards.
    expect((await load(SIMPLE, { backend: 'asyncify' })).backend).toBe('asyncify');
  });
});

describe('rewriting ahead of time', () => {
  test('a rewritten module needs no Binaryen, and says what may block in it', async () => {
    const w = world('wasm');
    const bytes =
      wat(`(module (import "env" "wait" (func $wait (result i32))) (import "env" "other" (func $other (result i32)))
      (func (export "f") (result i32) (i32.add (call $wait) (call $other))))`);
    const done = await asyncify(bytes, { blocking: ['env.wait'] });
    expect(await asyncify(done, { blocking: ['env.wait'] })).toEqual(done);
    const wait = blocking(() => sleep(1).then(() => 40));
    const p = await load(done, { imports: { env: { wait, other: () => 2 } } });
    expect(p.explain()).toMatchObject({ backend: 'asyncify', reason: expect.stringContaining('ahead of time') });
    const g = p.spawn('f');
    await w.clock.advanceAsync(1);
    expect(g.value).toBe(42);
    const wrong = await load(done, { imports: { env: { wait, other: blocking(() => 2) } } });
    expect(() => wrong.spawn('f')).toThrow(/GEVENT_GUEST_REWRITTEN|env\.other is blocking/);
    expect(await rejected(load(done, { backend: 'jspi' }))).toMatch(/GEVENT_GUEST_NO_BACKEND.*rewritten for asyncify/s);
  });

  test('results are kept by content, in memory and in a folder', async () => {
    world('wasm');
    const folder = mkdtempSync(join(tmpdir(), 'gevent-cache-'));
    try {
      const bytes = wat('(module (import "gevent" "yield" (func $y)) (func (export "kept") (call $y)))');
      const first = await asyncify(bytes, { blocking: [], cache: folder });
      expect(await asyncify(bytes, { blocking: [], cache: folder })).toBe(first);
      expect(await asyncify(bytes, { blocking: ['gevent.*'], cache: folder })).toEqual(first);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a worker rewrites what is large', async () => {
    world('wasm');
    const data = 'x'.repeat(120_000);
    const bytes = wat(
      `(module (import "gevent" "yield" (func $y)) (memory 3) (data (i32.const 0) "${data}") (func (export "f") (result i32) (call $y) (i32.load8_u (i32.const 9))))`,
    );
    const p = await load(bytes, { backend: 'asyncify', cache: false });
    expect(await p.spawn('f').get()).toBe(120);
    expect(p.explain().bytes).toBeGreaterThan(120_000);
  });
});

describe('choosing', () => {
  test('auto takes asyncify for small modules, and says why', async () => {
    world('wasm');
    const p = await load(SIMPLE);
    expect(p.explain()).toMatchObject({ backend: 'asyncify', reason: expect.stringContaining('small') });
  });

  test.skipIf(!BACKENDS.includes('wasmfx'))('auto takes wasmfx for what is said to block deep', async () => {
    world('wasm');
    expect((await load(SIMPLE, { depth: 4 })).backend).toBe('asyncify');
    const p = await load(SIMPLE, { depth: 40 });
    expect(p.explain()).toMatchObject({ backend: 'wasmfx', reason: expect.stringContaining('40 frames') });
    expect(p.explain().others.asyncify).toMatch(/costs more/);
    expect(() => load(SIMPLE, { depth: -1 })).toThrow(/load\(\{ depth \}\)/);
  });

  test('auto takes another for what asyncify does not know', async () => {
    world('wasm');
    const bytes = wat(
      '(module (type $s (struct (field i32))) (import "gevent" "yield" (func $y)) (func (export "f") (result i32) (call $y) (struct.get $s 0 (struct.new $s (i32.const 7)))))',
    );
    const p = await load(bytes);
    expect(p.explain().backend).toBe('wasmfx');
    expect(p.explain().others.asyncify).toMatch(/collector/);
  });

  test('a compiled module can be run by jspi only', async () => {
    const w = world('wasm');
    const p = await load(new WebAssembly.Module(SIMPLE));
    expect(p.explain().backend).toBe('jspi');
    const g = p.spawn('deep', 10);
    await w.clock.advanceAsync(0);
    expect(g.value).toBe(55n);
    expect(await rejected(load(new WebAssembly.Module(SIMPLE), { backend: 'asyncify' }))).toMatch(
      /the bytes are needed/,
    );
  });

  test('the pure core runs no guests', async () => {
    world('pure');
    expect(() => load(SIMPLE)).toThrow(/guests need the WebAssembly core/);
    expect(() => load(SIMPLE)).toThrow(expect.objectContaining({ code: 'GEVENT_GUEST_NEEDS_WASM' }));
  });
});

describe('bad arguments', () => {
  test('are named, with what was expected', async () => {
    world('wasm');
    for (const bad of [undefined, null, 5, 'text', {}, []]) {
      expect(() => load(bad as never)).toThrow(/^load\(source\): expected/);
    }
    for (const backend of ['fast', 7, null])
      expect(() => load(SIMPLE, { backend: backend as never })).toThrow(/load\(\{ backend \}\)/);
    for (const stackSize of [0, 17, NaN, 2 ** 40]) expect(() => load(SIMPLE, { stackSize })).toThrow(/stackSize/);
    for (const maxStacks of [0, 1.5, 1e6]) expect(() => load(SIMPLE, { maxStacks })).toThrow(/maxStacks/);
    for (const frameLimit of [0, -1, Infinity]) expect(() => load(SIMPLE, { frameLimit })).toThrow(/frameLimit/);
    expect(() => blocking(5 as never)).toThrow(/blocking\(fn\)/);
    expect(() => blocking(function* () {})).toThrow(/generator function/);
    expect(() => direct(5 as never)).toThrow(/direct\(fn\)/);
    const p = await load(SIMPLE);
    for (const name of ['none', '', 'toString', '__proto__', 5]) {
      expect(() => p.spawn(name as never)).toThrow(/expected the name of an exported function/);
    }
    expect(await rejected(load(SIMPLE, { stackPointer: 'none' }))).toMatch(/stackPointer/);
    p.instance.close();
    expect(() => p.spawn('one')).toThrow(/closed/);
    spawn(() => {});
  });
});
