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

/** Runs a function of a table that is imported. */
const TABLES = wat(`(module
  (import "env" "table" (table 1 funcref))
  (import "gevent" "yield" (func $yield))
  (func (export "imported") (call $yield) (call_indirect (i32.const 0)) (call $yield)))`);

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

  test('a table of functions that nobody vouches for, since JSPI may suspend one of them', async () => {
    const ran = await program(`${PLAIN}
      import { direct } from '#guest/guest.ts';
      const { Suspending, Table, Instance, Module } = WebAssembly;
      enableWasmfx();
      const suspended = new Instance(new Module(${text(SUSPENDED)}), { e: { s: new Suspending(() => Promise.resolve(1)) } }).exports.f;
      const table = new Table({ element: 'anyfunc', initial: 1 });
      table.set(0, suspended);
      const bytes = ${text(TABLES)};
      const imports = { env: { table } };
      await load(bytes, { backend: 'wasmfx', imports }).then(null, (error) => console.log(error.code, /wasmfx: .*direct.table/.test(error.message)));
      console.log((await load(bytes, { imports })).backend);
      const other = new Table({ element: 'anyfunc', initial: 1 });
      other.set(0, new Instance(new Module(${text(SUSPENDED)}), { e: { s: () => console.log('called') } }).exports.f);
      const q = await load(bytes, { backend: 'wasmfx', imports: { env: { table: direct(other) } } });
      await q.spawn('imported').get();
      try {
        q.instantiate(imports);
      } catch (error) {
        console.log(error.code);
      }
      // By an import it has a frame of JavaScript below it: an error.
      const r = await load(${text(SUSPENDED)}, { backend: 'wasmfx', imports: { e: { s: direct(suspended) } } });
      const g = r.spawn('f');
      await g.join();
      console.log(g.exception.name);
    `);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toEqual([
      'GEVENT_GUEST_NO_BACKEND true',
      'asyncify',
      'called',
      'GEVENT_GUEST_IMPORT',
      expect.stringMatching(/SuspendError|GuestTrap/),
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
