// gevent.h and gevent.rs: they name what there is, with the types it has; and guests that use them do what they say.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ABI } from '../../ts/guest/abi.ts';
import { type Signature, Type } from '../../ts/guest/emit.ts';
import { GuestTrap, type LoadOptions, load, type Program } from '../../ts/guest/guest.ts';
import { readShape } from '../../ts/guest/read.ts';
import { loadWasi, runWasi } from '../../ts/guest/wasi/wasi.ts';
import * as socket from '../../ts/net/socket.ts';
import { Queue } from '../../ts/queue.ts';
import { BACKENDS, c, hasClang, hasRust, hasWasi, rust, wasi } from '../support/guests.ts';
import { realWorld } from '../support/real.ts';
import { leftIn, type World, world } from '../support/worlds.ts';

const BINDINGS = join(import.meta.dirname, '../../ts/guest/bindings');
const FLAGS = ['-Wl,--export-table', '-I', BINDINGS];
const PROGRAMS = join(import.meta.dirname, 'programs');
const HEADER = readFileSync(join(BINDINGS, 'gevent.h'), 'utf8');
const CRATE = readFileSync(join(BINDINGS, 'gevent.rs'), 'utf8');

/** Of the AssemblyScript SDK's own. */
const PRIVATE = ['stacks', 'stackless'];
const ALL: Record<string, Signature> = {
  yield: { params: [], results: [] },
  sleep: { params: [Type.F64], results: [] },
  spawn: { params: [Type.I32, Type.I32], results: [Type.I32] },
  ...Object.fromEntries(
    [...ABI].filter(([name]) => !PRIVATE.includes(name)).map(([name, { signature }]) => [name, signature]),
  ),
};

/** What a module imports from `gevent`. */
function imported(bytes: Uint8Array): Record<string, Signature> {
  const all = readShape(bytes).imports.filter(({ module }) => module === 'gevent');
  return Object.fromEntries(all.map(({ name, signature }) => [name, signature as Signature]));
}

test.skipIf(!hasClang)('gevent.h declares every import with its type, for C and for C++', () => {
  const names = [...HEADER.matchAll(/^(?:GEVENT_IMPORT\("\w+"\)\s*)[\w ]+? \*?(gevent_\w+)\(/gm)].map(
    ([, name]) => name,
  );
  const uses = names.map((name) => `(void *)${name}`).join(',');
  const source = `#include "gevent.h"\nvoid *const all[] = {${uses}};\n__attribute__((export_name("f"))) void *const *f(void) { return all; }`;
  expect(imported(c(source, '-Wall', '-Wextra', '-Werror', ...FLAGS))).toEqual(ALL);
  const plus = `#include "gevent.h"\nextern "C" GEVENT_EXPORT("f") void f() { gevent_sleep(1); }`;
  expect(Object.keys(imported(c(plus, '-x', 'c++', '-Wall', '-Werror', ...FLAGS)))).toEqual(['sleep']);
});

test.skipIf(!hasRust)('gevent.rs declares every import with its type', () => {
  const raw = /pub mod raw \{(.*?)\n\}\n/s.exec(CRATE)?.[1] as string;
  const names = [...raw.matchAll(/pub fn (\w+)\(/g)].map(([, name]) => name);
  const uses = names.map((name) => `gevent::raw::${name} as usize`).join(',');
  const source = `mod gevent;\n#[no_mangle] pub extern "C" fn f() -> *const usize { static ALL: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());
    let mut all = ALL.lock().unwrap(); *all = vec![${uses}]; all.as_ptr() }`;
  expect(imported(rust({ 'guest.rs': source, 'gevent.rs': CRATE }))).toEqual(ALL);
});

interface Language {
  readonly name: string;
  readonly there: boolean;
  compile(): Uint8Array<ArrayBuffer>;
}

const LANGUAGES: readonly Language[] = [
  {
    name: 'C',
    there: hasClang,
    compile: () => c(readFileSync(join(PROGRAMS, 'guest.c'), 'utf8'), ...FLAGS),
  },
  {
    name: 'Rust',
    there: hasRust,
    compile: () => rust({ 'guest.rs': readFileSync(join(PROGRAMS, 'guest.rs'), 'utf8'), 'gevent.rs': CRATE }),
  },
];

describe.each(LANGUAGES)('$name', ({ name, there, compile }) => {
  const inC = name === 'C';
  const bytes = there ? compile() : new Uint8Array();

  describe.skipIf(!there).each(BACKENDS)('on %s:', (backend) => {
    async function loaded(options: LoadOptions = {}): Promise<{ w: World; p: Program }> {
      const w = world('wasm');
      const p = await load(bytes, { backend, log: (line) => w.trace(line), ...options });
      onTestFinished(async () => {
        await w.clock.advanceAsync(0);
        expect(leftIn(w.hub), 'left').toEqual({});
      });
      return { w, p };
    }

    test('numbers go through a channel to its end', async () => {
      const { w, p } = await loaded();
      const g = p.spawn('channels', 5);
      await w.clock.advanceAsync(0.5);
      expect([g.value, w.seen()]).toEqual([30, inC ? ['ended -64', 'timed out -73'] : ['then Err(timed out)']]);
    });

    test('bytes come from JavaScript through one queue and go back through another', async () => {
      const { w, p } = await loaded();
      const [there_, back] = [new Queue<string>(), new Queue<Uint8Array>(2)];
      const g = p.spawn('shout', there_, back);
      const said: string[] = [];
      const reader = w.hub.spawn(function* () {
        for (let i = 0; i < 3; ++i) said.push(new TextDecoder().decode(yield* back.get()));
      });
      for (const word of ['one', 'Two', '3 x']) {
        await there_.put(word).then();
        await w.clock.advanceAsync(0);
      }
      there_.shutdown();
      await w.clock.advanceAsync(0);
      expect([said, g.value, reader.dead, back.isShutdown]).toEqual([['ONE', 'TWO', '3 X'], 3, true, true]);
      expect(w.seen()).toEqual([inC ? 'left 0' : 'left 0 true']);
    });

    test('greenlets of one instance start at an event, two at a time', async () => {
      const { w, p } = await loaded();
      const g = p.spawn('workers', 5);
      await w.clock.advanceAsync(0.29);
      const workers = [0, 1, 2, 3].map((n) => `worker ${n}`);
      expect(w.seen()).toEqual(inC ? ['set 0', ...workers] : workers);
      await w.clock.advanceAsync(1);
      const rest = inC ? ['late -73', 'taken 1', 'alive 0'] : ['joined true', 'late true taken true false'];
      expect([w.seen(), g.value]).toEqual([['worker 4', ...rest], 2]);
    });

    test('one kills another, and waits for its end', async () => {
      const { w, p } = await loaded();
      const g = p.spawn('kills');
      await w.clock.advanceAsync(1);
      expect(g.value).toBe(1);
      expect(w.seen()).toEqual(
        inC
          ? ['late -73', 'waited 1', 'killed 1', 'joined 0', 'killed 0']
          : ['late true after 1', 'killed true joined true killed false'],
      );
    });

    test('sockets and files are opened where load() allows it', async () => {
      const w = realWorld('wasm');
      const folder = mkdtempSync(join(tmpdir(), 'gevent-bindings-'));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const lines: string[] = [];
      const p = await load(bytes, { backend, net: socket, files: folder, log: (line) => void lines.push(line) });
      expect(await p.spawn('sockets').get()).toBe(inC ? 5 : undefined);
      expect(await p.spawn('files').get()).toBe(inC ? -44 : 44);
      expect(lines).toEqual(inC ? ['end 0', 'hello', 'file', 'again -8'] : ['Ok("hello")', 'file']);
      const refused = await load(bytes, { backend, log: (line) => void lines.push(line) });
      expect([await refused.spawn('sockets').get(), lines.at(-1)]).toEqual(
        inC ? [-76, 'again -8'] : [undefined, 'Err(not allowed by load())'],
      );
      expect(w.reported()).toEqual([]);
    });

    test(inC ? 'a number that is no handle ends its greenlet' : 'a panic says why and ends its greenlet', async () => {
      const { w, p } = await loaded();
      if (inC) {
        const g = p.spawn('misuse');
        await w.clock.advanceAsync(0);
        expect(g.exception).toMatchObject({ code: 'GEVENT_GUEST_HANDLE' });
      } else {
        p.spawn('channels', 0);
        await w.clock.advanceAsync(0.5);
        w.seen();
        const g = p.spawn('panics');
        await w.clock.advanceAsync(0);
        expect(g.exception).toBeInstanceOf(GuestTrap);
        expect(w.seen()).toEqual([expect.stringMatching(/no fuel/)]);
      }
      expect(w.reported()).toHaveLength(1);
    });
  });
});

test.skipIf(!hasWasi).each(BACKENDS)(
  'a program for WASI can use gevent.h beside its C library: %s',
  async (backend) => {
    realWorld('wasm');
    const source = `
    #include <stdio.h>
    #include <unistd.h>
    #include "gevent.h"
    static gevent_handle numbers;
    static void child(int32_t n) {
      char name[20];
      snprintf(name, sizeof name, "child %d", n);
      usleep(1000 * n);
      puts(name);
      gevent_channel_put(numbers, n, GEVENT_FOREVER);
    }
    int main(void) {
      numbers = gevent_channel_new();
      for (int n = 3; n > 0; --n) gevent_spawn(child, n);
      double sum = 0, item;
      for (int i = 0; i < 3 && gevent_channel_get(numbers, &item, GEVENT_FOREVER) == 0; ++i) sum += item;
      printf("sum %g\\n", sum);
      return 0;
    }`;
    const program = await loadWasi(wasi(source, '-Wl,--strip-debug', ...FLAGS), { backend });
    const p = runWasi(program, { stdout: 'collect' });
    expect([await p.get(), p.out]).toEqual([0, 'child 1\nchild 2\nchild 3\nsum 6\n']);
  },
);
