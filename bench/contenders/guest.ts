// Guests: WebAssembly code that blocks, on each backend; and the bare loops below them, which schedule nothing.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackendName } from '../../ts/guest/detect.ts';
import { type Contender, type Reading, Unavailable } from '../harness.ts';
import { moduleUrl } from '../source.ts';
import { Gauge, inWindow, roundsFor, timed, timedAsync } from './gauge.ts';
import { type Sleepers, sleepersContender } from './memory.ts';

type Guest = typeof import('../../ts/guest/guest.ts');

const guest = (): Promise<Guest> =>
  import(moduleUrl(moduleUrl('x').includes('/dist/') ? 'guest' : 'guest/guest')) as Promise<Guest>;
const main = (): Promise<typeof import('../../ts/index.ts')> =>
  import(moduleUrl('index')) as Promise<typeof import('../../ts/index.ts')>;

async function binaryen(): Promise<any> {
  return (await import('binaryen')).default;
}

/** A module from its text, optimised as a compiler would. */
export async function wat(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const b = await binaryen();
  const module = b.parseText(text);
  module.setFeatures(b.Features.All & ~(b.Features.CompactImports ?? 0));
  module.optimize();
  return new Uint8Array(module.emitBinary());
}

// Each body is resumed rounds + 2 times; the window is that of gauge.ts.
const BODY = `(module
  (import "gevent" "yield" (func $yield))
  (import "env" "open" (func $open (param i32)))
  (import "env" "close" (func $close (param i32)))
  (global $turns (mut i32) (i32.const 0))
  (func $turn (call $yield) (global.set $turns (i32.add (global.get $turns) (i32.const 1))))
  (func (export "body") (param $rounds i32) (param $place i32)
    (call $yield)
    (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
    (if (i32.and (local.get $place) (i32.const 1)) (then (call $open (global.get $turns))))
    (loop $l
      (call $yield)
      (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
      (br_if $l (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (if (i32.and (local.get $place) (i32.const 2)) (then (call $close (global.get $turns))))
    (call $yield))
  (func $down (param $depth i32) (param $rounds i32) (param $place i32) (result i32)
    (local $x i32)
    (if (local.get $depth)
      (then
        (local.set $x (call $down (i32.sub (local.get $depth) (i32.const 1)) (local.get $rounds) (local.get $place)))
        (return (i32.add (local.get $x) (local.get $depth)))))
    (call $yield)
    (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
    (if (i32.and (local.get $place) (i32.const 1)) (then (call $open (global.get $turns))))
    (loop $l
      (call $yield)
      (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
      (br_if $l (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (if (i32.and (local.get $place) (i32.const 2)) (then (call $close (global.get $turns))))
    (call $yield)
    (local.get $x))
  (func (export "deep") (param $rounds i32) (param $place i32) (param $depth i32)
    (drop (call $down (local.get $depth) (local.get $rounds) (local.get $place)))))`;

export async function available(backend: BackendName): Promise<Guest> {
  const api = await guest();
  if (backend === 'wasmfx') {
    const why = api.enableWasmfx();
    if (why !== null) throw new Unavailable(why);
  }
  if (backend === 'jspi' && !('Suspending' in WebAssembly)) throw new Unavailable('no WebAssembly.Suspending');
  return api;
}

/** `n` guests that yield in turn, suspended `depth` frames below their export. */
export function switching(
  backend: BackendName | 'auto',
  n: number,
  total: number,
  depth = 0,
  how: 'linked' | 'bundled' = 'linked',
): Contender {
  const gauge = new Gauge();
  return {
    id: how === 'bundled' ? `guest:${backend}-bundled` : `guest:${backend}`,
    role: 'engine',
    async load() {
      const { bundle, load } = await available(backend === 'auto' ? 'wasmfx' : backend);
      const { joinall } = await main();
      const rounds = roundsFor(n, total);
      const imports = {
        env: { open: (turns: number) => gauge.open(turns), close: (turns: number) => gauge.close(turns) },
      };
      const bytes = await wat(BODY);
      const module = how === 'bundled' ? await bundle(bytes, { blocking: [] }) : bytes;
      const program = await load(module, { backend, imports, maxStacks: 30_000 });
      const sample = async (): Promise<Reading> => {
        const all = [];
        for (let i = 0; i < n; i++) {
          const place = (i === 0 ? 1 : 0) | (i === n - 1 ? 2 : 0);
          all.push(depth === 0 ? program.spawn('body', rounds, place) : program.spawn('deep', rounds, place, depth));
        }
        await joinall(all);
        return gauge.read();
      };
      return { expect: inWindow(n, rounds), sample };
    },
  };
}

// ---- the bare loops -------------------------------------------------------------------------------------------------

const LOOPING = `(module (import "gevent" "yield" (func $yield)) (global $turns (export "turns") (mut i32) (i32.const 0))
  (func (export "body") (loop $l (call $yield) (global.set $turns (i32.add (global.get $turns) (i32.const 1))) (br $l))))`;

/** Stacks in a table, resumed one after another: no ring, no budget, no ends. */
const BARE_WASMFX = `(module
  (type $f (func)) (type $k (cont $f)) (tag $yield)
  (table $ks 1 40000 (ref null $k)) (table (export "body") 1 funcref)
  (elem declare func $run)
  (func (export "yield") (suspend $yield))
  (func $run (call_indirect 1 (type $f) (i32.const 0)))
  (func (export "start") (param $n i32)
    (local $i i32)
    (drop (table.grow $ks (ref.null $k) (local.get $n)))
    (loop $l
      (table.set $ks (local.get $i) (cont.new $k (ref.func $run)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))))
  (func (export "go") (param $n i32) (param $total i32)
    (local $i i32) (local $t (ref null $k))
    (loop $l
      (block $h (result (ref $k))
        (resume $k (on $yield $h) (table.get $ks (local.get $i)))
        (unreachable))
      (local.set $t)
      (table.set $ks (local.get $i) (local.get $t))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.eq (local.get $i) (local.get $n)) (then (local.set $i (i32.const 0))))
      (br_if $l (local.tee $total (i32.sub (local.get $total) (i32.const 1)))))))`;

/**
 * A guest as asyncify makes it, by hand: its frame goes to a block of 64 bytes that nobody guards, and `yield` is its own. Blocks
 * are taken in turn: no ring, no budget, no ends.
 */
const BARE_ASYNCIFY = `(module
  (type $f (func))
  (memory 1100 65536) (table (export "body") 1 funcref)
  (global $state (export "state") (mut i32) (i32.const 0))
  (global $data (export "data") (mut i32) (i32.const 0))
  (global $at (export "at") (mut i32) (i32.const 0))
  (export "frames" (memory 0))
  (func (export "start") (param $n i32)
    (local $p i32)
    (loop $l
      (global.set $at (local.tee $p (i32.add (local.get $p) (i32.const 64))))
      (call_indirect (type $f) (i32.const 0))
      (global.set $state (i32.const 0))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "go") (param $n i32) (param $total i32)
    (local $i i32)
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (global.set $at (i32.shl (local.get $i) (i32.const 6)))
      (global.set $data (i32.add (global.get $at) (i32.const 4)))
      (global.set $state (i32.const 2))
      (call_indirect (type $f) (i32.const 0))
      (global.set $state (i32.const 0))
      (if (i32.eq (local.get $i) (local.get $n)) (then (local.set $i (i32.const 0))))
      (br_if $l (local.tee $total (i32.sub (local.get $total) (i32.const 1)))))))`;

const BARE_GUEST = `(module
  (import "e" "frames" (memory 0 65536))
  (import "e" "state" (global $state (mut i32)))
  (import "e" "data" (global $data (mut i32)))
  (import "e" "at" (global $at (mut i32)))
  (global $turns (export "turns") (mut i32) (i32.const 0))
  (func $yield
    (if (global.get $state)
      (then (global.set $state (i32.const 0)))
      (else (global.set $state (i32.const 1)) (global.set $data (global.get $at)))))
  (func (export "body") (local $call i32)
    (local.set $call
      (block $unwind (result i32)
        (if (i32.eq (global.get $state) (i32.const 2))
          (then
            (global.set $data (i32.sub (global.get $data) (i32.const 4)))
            (local.set $call (i32.load (global.get $data)))))
        (loop $l
          (if (i32.or (i32.eqz (global.get $state)) (i32.eqz (local.get $call)))
            (then
              (call $yield)
              (drop (br_if $unwind (i32.const 0) (i32.eq (global.get $state) (i32.const 1))))))
          (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
          (br $l))
        (unreachable)))
    (i32.store (global.get $data) (local.get $call))
    (global.set $data (i32.add (global.get $data) (i32.const 4)))))`;

interface Bare {
  body: WebAssembly.Table;
  start(n: number): void;
  go(n: number, total: number): void;
}

/** The least that switching `n` stacks costs on this backend. */
export function bare(backend: 'asyncify' | 'wasmfx', n: number, total: number): Contender {
  return {
    id: `floor:${backend}`,
    role: 'floor',
    async load() {
      await available(backend);
      const [loop, stack] = backend === 'asyncify' ? [BARE_ASYNCIFY, BARE_GUEST] : [BARE_WASMFX, LOOPING];
      const engine = new WebAssembly.Instance(new WebAssembly.Module(await wat(loop)), {}).exports as any;
      const { body, turns } = new WebAssembly.Instance(new WebAssembly.Module(await wat(stack)), {
        gevent: engine,
        e: engine,
      }).exports as any;
      (engine as Bare).body.set(0, body);
      (engine as Bare).start(n);
      (engine as Bare).go(n, 2 * n);
      const sample = () =>
        timed(() => {
          const before = turns.value;
          (engine as Bare).go(n, total);
          return turns.value - before;
        });
      return { expect: total, sample };
    },
  };
}

// ---- guests that guests spawn ---------------------------------------------------------------------------------------

const CROWD = `(module
  (import "gevent" "yield" (func $yield))
  (import "gevent" "sleep" (func $sleep (param f64)))
  (import "gevent" "spawn" (func $spawn (param i32 i32) (result i32)))
  (import "env" "open" (func $open (param i32)))
  (import "env" "close" (func $close (param i32)))
  (table (export "table") 3 funcref)
  (elem (i32.const 0) $once $stay $turner)
  (global $done (export "done") (mut i32) (i32.const 0))
  (global $turns (mut i32) (i32.const 0))
  (global $rounds (mut i32) (i32.const 0))
  (func $once (param i32)
    (call $yield)
    (global.set $done (i32.add (global.get $done) (i32.const 1))))
  (func $stay (param i32)
    (global.set $done (i32.add (global.get $done) (i32.const 1)))
    (call $sleep (f64.const inf)))
  (func $turner (param $place i32)
    (local $left i32)
    (call $yield)
    (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
    (if (i32.and (local.get $place) (i32.const 1)) (then (call $open (global.get $turns))))
    (local.set $left (global.get $rounds))
    (loop $l
      (call $yield)
      (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
      (br_if $l (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (if (i32.and (local.get $place) (i32.const 2)) (then (call $close (global.get $turns))))
    (call $yield)
    (global.set $done (i32.add (global.get $done) (i32.const 1))))
  (func (export "waves") (param $alive i32) (param $waves i32)
    (local $i i32)
    (loop $w
      (local.set $i (local.get $alive))
      (loop $l
        (drop (call $spawn (i32.const 0) (local.get $i)))
        (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (call $yield) (call $yield)
      (br_if $w (local.tee $waves (i32.sub (local.get $waves) (i32.const 1))))))
  (func (export "fill") (param $n i32)
    (loop $l
      (drop (call $spawn (i32.const 1) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "turning") (param $n i32) (param $r i32)
    (local $left i32)
    (global.set $rounds (local.get $r))
    (local.set $left (local.get $n))
    (loop $l
      (drop (call $spawn (i32.const 2)
        (i32.or (i32.eq (local.get $left) (local.get $n)) (i32.shl (i32.eq (local.get $left) (i32.const 1)) (i32.const 1)))))
      (br_if $l (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (loop $wait
      (call $sleep (f64.const 0.001))
      (br_if $wait (i32.lt_u (global.get $done) (local.get $n))))
    (global.set $done (i32.const 0))))`;

/** As `switching`, by guests that a guest has spawned: no object of JavaScript stands for them. */
export function crowdSwitching(backend: BackendName, n: number, total: number): Contender {
  const gauge = new Gauge();
  return {
    id: `guest:${backend}`,
    role: 'engine',
    async load() {
      const { load } = await available(backend);
      const rounds = roundsFor(n, total);
      const imports = {
        env: { open: (turns: number) => gauge.open(turns), close: (turns: number) => gauge.close(turns) },
      };
      const program = await load(await wat(CROWD), { backend, imports, maxStacks: 30_000 });
      const sample = async (): Promise<Reading> => {
        await program.spawn('turning', n, rounds).get();
        return gauge.read();
      };
      return { expect: inWindow(n, rounds), sample };
    },
  };
}

/** Guests started, yielding once and finished, `alive` at a time. */
export function spawning(backend: BackendName, alive: number, waves: number): Contender {
  return {
    id: `guest:${backend}`,
    role: 'engine',
    async load() {
      const { load } = await available(backend);
      const imports = { env: { open: () => {}, close: () => {} } };
      const program = await load(await wat(CROWD), { backend, imports, maxStacks: 30_000 });
      const { done } = program.instance.exports;
      const sample = () =>
        timedAsync(async () => {
          const before = done.value;
          await program.spawn('waves', alive, waves).get();
          // The last wave ends behind it.
          await program.spawn('waves', 1, 1).get();
          return done.value - before - 1;
        });
      return { expect: alive * waves, sample };
    },
  };
}

/** Bytes of a guest that waits. */
export function alive(backend: BackendName, n: number, what: Sleepers): Contender {
  return sleepersContender(`guest:${backend}`, 'engine', n, what, async () => {
    const { load } = await available(backend);
    const imports = { env: { open: () => {}, close: () => {} } };
    const program = await load(await wat(CROWD), { backend, imports, maxStacks: 30_000 });
    const { done } = program.instance.exports;
    const { core } = (await main()).getHub();
    const engine = (program.instance.engine as any).exports;
    return {
      start: (count) => void program.spawn('fill', count),
      asleep: () => done.value,
      hidden: () => core.counter(7) + engine.frames.buffer.byteLength + engine.records.buffer.byteLength,
    };
  });
}

// ---- with JavaScript ------------------------------------------------------------------------------------------------

const MIXED = `(module
  (import "gevent" "yield" (func $yield))
  (import "env" "take" (func $take (result i32)))
  (func (export "hop") (param $n i32) (result i32)
    (local $i i32)
    (loop $l
      (call $yield)
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $i))
  (func (export "sum") (param $n i32) (result i32)
    (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (call $take)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))`;

/** A generator body and a guest that yield in turn; null: two generator bodies. */
export function hopping(backend: BackendName | null, total: number): Contender {
  const rounds = total / 2;
  return {
    id: backend === null ? 'engine:wasm' : `guest:${backend}`,
    role: 'engine',
    async load() {
      const { joinall, sleep, spawn } = await main();
      const p = backend === null ? null : await mixed(backend, () => 0);
      function* body(): Generator<any, number, any> {
        let i = 0;
        for (; i < rounds; ++i) yield* sleep(0);
        return i;
      }
      const sample = () =>
        timedAsync(async () => {
          const both = [spawn(body), p === null ? spawn(body) : p.spawn('hop', rounds)];
          await joinall(both);
          return both.reduce((sum, it) => sum + (it.value as number), 0);
        });
      return { expect: total, sample };
    },
  };
}

/** Items through a Channel to a guest; null: to a generator body. */
export function handing(backend: BackendName | null, total: number): Contender {
  return {
    id: backend === null ? 'engine:wasm' : `guest:${backend}`,
    role: 'engine',
    async load() {
      const { joinall, spawn } = await main();
      const { Channel } = (await import(moduleUrl('queue'))) as typeof import('../../ts/queue.ts');
      const channel = new Channel<number>();
      const p = backend === null ? null : await mixed(backend, () => channel.get());
      function* source(): Generator<any, void, any> {
        for (let i = 0; i < total; ++i) yield* channel.put(1);
      }
      function* sink(): Generator<any, number, any> {
        let sum = 0;
        for (let i = 0; i < total; ++i) sum += yield* channel.get();
        return sum;
      }
      const sample = () =>
        timedAsync(async () => {
          const taking = p === null ? spawn(sink) : p.spawn('sum', total);
          await joinall([spawn(source), taking]);
          return taking.value as number;
        });
      return { expect: total, sample };
    },
  };
}

// 0: where an item lies.
const HANDS = `(module
  (import "gevent" "semaphore_acquire" (func $acquire (param i32 f64) (result i32)))
  (import "gevent" "semaphore_release" (func $release (param i32 i32)))
  (import "gevent" "channel_put" (func $put (param i32 f64 f64) (result i32)))
  (import "gevent" "channel_get" (func $get (param i32 i32 f64) (result i32)))
  (memory (export "memory") 1)
  (func (export "pass") (param $mine i32) (param $other i32) (param $n i32) (result i32)
    (local $done i32)
    (loop $l
      (call $release (local.get $other) (i32.const 1))
      (drop (call $acquire (local.get $mine) (f64.const -1)))
      (local.set $done (i32.add (local.get $done) (i32.const 1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $done))
  (func (export "source") (param $channel i32) (param $n i32) (result i32)
    (loop $l
      (drop (call $put (local.get $channel) (f64.const 1) (f64.const -1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.const 0))
  (func (export "sink") (param $channel i32) (param $n i32) (result i32)
    (local $sum i32)
    (loop $l
      (drop (call $get (local.get $channel) (i32.const 0) (f64.const -1)))
      (local.set $sum (i32.add (local.get $sum) (i32.trunc_f64_s (f64.load (i32.const 0)))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))`;

type Hands = 'semaphore' | 'item' | 'to JavaScript' | 'from JavaScript';

/** Two that hand something over by imports of `gevent`: guests of one instance, or a guest and a generator body. */
export function handsOver(what: Hands, backend: BackendName, total: number): Contender {
  return {
    id: `guest:${backend}`,
    role: 'engine',
    async load() {
      const { joinall, spawn } = await main();
      const { Channel } = (await import(moduleUrl('queue'))) as typeof import('../../ts/queue.ts');
      const { Semaphore } = (await import(moduleUrl('lock'))) as typeof import('../../ts/lock.ts');
      const { load } = await available(backend);
      const p = await load(await wat(HANDS), { backend });
      const channel = new Channel<number>();
      const [a, b] = [new Semaphore(0), new Semaphore(0)];
      function* source(): Generator<any, number, any> {
        for (let i = 0; i < total; ++i) yield* channel.put(1);
        return 0;
      }
      function* sink(): Generator<any, number, any> {
        let sum = 0;
        for (let i = 0; i < total; ++i) sum += yield* channel.get();
        return sum;
      }
      const sample = () =>
        timedAsync(async () => {
          const both =
            what === 'semaphore'
              ? [p.spawn('pass', a, b, total / 2), p.spawn('pass', b, a, total / 2)]
              : [
                  what === 'from JavaScript' ? spawn(source) : p.spawn('source', channel, total),
                  what === 'to JavaScript' ? spawn(sink) : p.spawn('sink', channel, total),
                ];
          await joinall(both as any);
          return both.reduce((sum, it) => sum + (it.value as number), 0);
        });
      return { expect: total, sample };
    },
  };
}

async function mixed(backend: BackendName, take: () => unknown) {
  const { blocking, load } = await available(backend);
  return load(await wat(MIXED), { backend, imports: { env: { take: blocking(take) } } });
}

// ---- Go -------------------------------------------------------------------------------------------------------------

const GO = `package main
import ("fmt"; "os"; "runtime"; "strconv"; "sync"; "time")
func arg(i int) int { n, _ := strconv.Atoi(os.Args[i]); return n }
func main() {
	runtime.GOMAXPROCS(1)
	a, b := arg(2), arg(3)
	var wg sync.WaitGroup
	switch os.Args[1] {
	case "switch":
		per := b / a
		wg.Add(a)
		for i := 0; i < a; i++ { go func() { for j := 0; j < per; j++ { runtime.Gosched() }; wg.Done() }() }
		t := time.Now(); wg.Wait()
		fmt.Println(per * a, time.Since(t).Nanoseconds())
	case "spawn":
		t := time.Now()
		for w := 0; w < b; w++ {
			wg.Add(a)
			for i := 0; i < a; i++ { go func() { runtime.Gosched(); wg.Done() }() }
			wg.Wait()
		}
		fmt.Println(a * b, time.Since(t).Nanoseconds())
	}
}`;

/** Build a Go program: where it lies. */
export function goBuild(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gevent-go-'));
  writeFileSync(join(folder, 'main.go'), source);
  const built = spawnSync('go', ['build', '-o', 'bench', 'main.go'], {
    cwd: folder,
    env: { ...process.env, GOCACHE: join(tmpdir(), 'gevent-go-cache'), GO111MODULE: 'off' },
  });
  if (built.status !== 0) throw new Unavailable(`no Go compiler: ${built.error?.message ?? built.stderr}`);
  return join(folder, 'bench');
}

/** Run it: two numbers on one line. */
export function goRun(binary: string, args: readonly (string | number)[]): [number, number] {
  const said = execFileSync(binary, args.map(String), { encoding: 'utf8' });
  return said.split(' ').map(Number) as [number, number];
}

/** The same in Go, on one processor; a process a sample, timed by itself. */
export function go(what: 'switch' | 'spawn', a: number, b: number): Contender {
  return {
    id: 'go',
    role: 'peer',
    waits: true,
    load() {
      const binary = goBuild(GO);
      const sample = (): Reading => {
        const [count, amount] = goRun(binary, [what, a, b]);
        return { count, amount };
      };
      return { expect: what === 'switch' ? Math.floor(b / a) * a : a * b, sample };
    },
  };
}
