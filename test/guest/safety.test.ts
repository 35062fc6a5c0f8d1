// What ends the process in V8 14.6 and what it does instead here. Each in a process of its own, since that is what would end.

import { describe, expect, test } from 'vitest';
import { asyncify, load } from '../../ts/guest/guest.ts';
import { program, rejected } from '../support/cores.ts';
import { BACKENDS, wat } from '../support/guests.ts';
import { world } from '../support/worlds.ts';

const text = (bytes: Uint8Array) => `new Uint8Array([${bytes.join()}])`;

const CONTINUATIONS = `(rec (type $f (func (param (ref null $k)))) (type $k (cont $f))) (type $g (func)) (type $c (cont $g))
  (tag $t) (elem declare func $g) (func $g (export "fine"))`;
const SWITCHES = {
  'the instruction switch': `(func (export "bad") (param (ref null $k)) (drop (switch $k $t (local.get 0))))`,
  'a handler for it': `(func (export "bad") (resume $c (on $t switch) (cont.new $c (ref.func $g))))`,
};

/** Runs a function of a table that is imported, and one of its own. */
const TABLES = wat(`(module
  (import "env" "table" (table 1 funcref))
  (import "gevent" "yield" (func $yield))
  (table $own (export "own") 1 funcref)
  (func (export "imported") (call $yield) (call_indirect 0 (i32.const 0)) (call $yield))
  (func (export "own_table") (call $yield) (call_indirect $own (i32.const 0)) (call $yield)))`);

/** Suspended by JSPI where it is called. */
const SUSPENDED = wat(`(module (import "e" "s" (func $s)) (func (export "f") (call $s)))`);

const NAPS = wat(
  `(module (import "gevent" "sleep" (func $sleep (param f64))) (func (export "nap") (call $sleep (f64.const inf))))`,
);

const PLAIN = `
  import { enableWasmfx, load } from '#guest/guest.ts';
  import { createHub, getHub, setHub } from '#hub.ts';
  getHub().exceptionStream = null;
  const told = (error) => error.code + ': ' + error.message.slice(0, 80);`;

describe.skipIf(!BACKENDS.includes('wasmfx'))('what ends the process is refused:', () => {
  test.each(Object.entries(SWITCHES))('a module with %s, on whatever backend', async (_, func) => {
    const bytes = text(wat(`(module ${CONTINUATIONS} ${func})`));
    const ran = await program(`${PLAIN}
      enableWasmfx();
      for (const backend of ['wasmfx', 'jspi', 'asyncify', 'auto']) {
        await load(${bytes}, { backend }).then(() => console.log('loaded'), (error) => console.log(told(error)));
      }
      const p = await load(${text(wat(`(module ${CONTINUATIONS} (func (export "good") (resume $c (cont.new $c (ref.func $g)))))`))}, { backend: 'wasmfx' });
      await p.spawn('good').get();
      console.log('goes on');
    `);
    expect(ran.stderr).toBe('');
    expect(ran.stdout.slice(0, 4).every((line) => /GEVENT_GUEST_NO_BACKEND.*has switch/.test(line))).toBe(true);
    expect(ran.stdout[4]).toBe('goes on');
    expect(ran.code).toBe(0);
  });

  test('a function that JSPI suspends, reached by a table, is that guest’s error', async () => {
    const ran = await program(`${PLAIN}
      enableWasmfx();
      const { Suspending, promising, Table, Instance, Module } = WebAssembly;
      const suspended = (fn) => new Instance(new Module(${text(SUSPENDED)}), { e: { s: new WebAssembly.Suspending(fn) } }).exports.f;
      const slow = suspended(() => Promise.resolve(1));
      const table = new Table({ element: 'anyfunc', initial: 1 });
      table.set(0, slow);
      const p = await load(${text(TABLES)}, { backend: 'wasmfx', imports: { env: { table } } });
      p.instance.exports.own.set(0, suspended(() => 1));
      for (const name of ['imported', 'own_table']) {
        const g = p.spawn(name);
        await g.join();
        console.log(told(g.exception));
      }
      // Where it may be suspended it is.
      await WebAssembly.promising(slow)();
      // And from JavaScript that a guest on wasmfx calls, if what is suspended is a stack of its own.
      let inner;
      table.set(0, new Instance(new Module(${text(SUSPENDED)}), { e: { s: () => { inner = WebAssembly.promising(slow)(); } } }).exports.f);
      await p.spawn('imported').get();
      await inner;
      console.log(new WebAssembly.Suspending(() => {}) instanceof WebAssembly.Suspending);
    `);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toEqual([
      expect.stringMatching(/GEVENT_GUEST_JS_FRAME/),
      expect.stringMatching(/GEVENT_GUEST_JS_FRAME/),
      'true',
    ]);
    expect(ran.code).toBe(0);
  });

  test.each(BACKENDS)(
    '%s: 40 000 stacks in all, of hubs that go away with guests that wait',
    { timeout: 60_000 },
    async (backend) => {
      const ran = await program(`${PLAIN}
      if ('${backend}' === 'wasmfx') enableWasmfx();
      const p = await load(${text(NAPS)}, { backend: '${backend}', maxStacks: 4000 });
      for (let round = 0; round < 20; ++round) {
        const hub = createHub();
        setHub(hub);
        for (let i = 0; i < 2000; ++i) p.spawn('nap');
        while (p.instance.alive < 2000) await new Promise((resolve) => setTimeout(resolve, 2));
        hub.destroy();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      console.log('goes on');
    `);
      expect(ran.stderr.slice(0, 500)).toBe('');
      expect(ran.stdout).toEqual(['goes on']);
      expect(ran.code).toBe(0);
    },
  );
});

test('auto runs elsewhere what asyncify finds that it cannot rewrite', async () => {
  world('wasm');
  const bytes = wat(`(module (import "gevent" "yield" (func $yield))
    (func (export "f") (param externref) (result externref) (call $yield) (local.get 0)))`);
  const p = await load(bytes);
  expect(p.backend).not.toBe('asyncify');
  expect(p.explain().others.asyncify).toMatch(/locals that are references/);
  const it = {};
  expect(await p.spawn('f', it).get()).toBe(it);
  expect(await rejected(asyncify(bytes, { blocking: [] }))).toMatch(/GEVENT_GUEST_NOT_REWRITABLE/);
});
