// The programs of the wasmfx suite (fiber-c), as guests in WAT: c10m, skynet, sieve, itersum, treesum. They hand values over in the
// memory that they share, and take turns by `yield`. Beside them the same by JavaScript's generators, and by goroutines and channels.

import { readFileSync } from 'node:fs';
import type { BackendName } from '../../ts/guest/detect.ts';
import type { Contender } from '../harness.ts';
import { timed, timedAsync } from './gauge.ts';
import { available, goBuild, goRun, wat } from './guest.ts';

export type Program = 'c10m' | 'skynet' | 'sieve' | 'itersum' | 'treesum';

/** What `run(size)` must give, and how many operations that is. */
export function expected(program: Program, size: number): { result: number; count: number } {
  switch (program) {
    case 'c10m':
      return { result: size, count: size };
    case 'skynet':
      // Leaves are numbered from 0, and each node gives the sum of those below it.
      return { result: (size * (size - 1)) / 2, count: size };
    case 'sieve':
      return { result: nthPrime(size), count: size };
    case 'itersum':
      return { result: (size * (size - 1)) / 2, count: size };
    case 'treesum':
      return { result: (2 ** size * (2 ** size - 1)) / 2, count: 2 ** size };
  }
}

function nthPrime(n: number): number {
  const primes: number[] = [];
  for (let x = 2; primes.length < n; ++x) if (primes.every((p) => x % p !== 0)) primes.push(x);
  return primes[n - 1];
}

// 0: value on its way   4: there is one   8: guests alive   16, of i64: sum
const HEAD = `
  (import "gevent" "yield" (func $yield))
  (import "gevent" "spawn" (func $spawn (param i32 i32) (result i32)))
  (memory (export "memory") 200)
  (func $give (param $value i32)
    (i32.store (i32.const 0) (local.get $value))
    (i32.store (i32.const 4) (i32.const 1))
    (call $yield))
  (func $took (result i32)
    (loop $wait
      (if (i32.eqz (i32.load (i32.const 4))) (then (call $yield) (br $wait))))
    (i32.store (i32.const 4) (i32.const 0))
    (i32.load (i32.const 0)))
  (func $sum (param $n i32) (result f64)
    (local $sum f64)
    (loop $l
      (local.set $sum (f64.add (local.get $sum) (f64.convert_i32_u (call $took))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))`;

const TEXTS: Record<Program, string> = {
  // 10 000 at a time: as many as end are replaced.
  c10m: `${HEAD}
    (table (export "table") 1 funcref) (elem (i32.const 0) $one)
    (global $alive (mut i32) (i32.const 0)) (global $done (mut i32) (i32.const 0))
    (func $one (param i32)
      (call $yield)
      (global.set $alive (i32.sub (global.get $alive) (i32.const 1)))
      (global.set $done (i32.add (global.get $done) (i32.const 1))))
    (func (export "run") (param $n i32) (result f64)
      (local $left i32)
      (global.set $done (i32.const 0))
      (local.set $left (local.get $n))
      (loop $more
        (loop $fill
          (if (i32.and (i32.lt_u (global.get $alive) (i32.const 10000)) (i32.gt_u (local.get $left) (i32.const 0)))
            (then
              (drop (call $spawn (i32.const 0) (i32.const 0)))
              (global.set $alive (i32.add (global.get $alive) (i32.const 1)))
              (local.set $left (i32.sub (local.get $left) (i32.const 1)))
              (br $fill))))
        (call $yield)
        (br_if $more (i32.or (global.get $alive) (local.get $left))))
      (f64.convert_i32_u (global.get $done)))`,
  // Nodes of 24 bytes from 64 on: +0 first leaf  +4 leaves below  +8 the node above  +12 children left  +16 sum. A node of one leaf gives it
  // to the node above; others spawn ten, and wait until all have given.
  skynet: `${HEAD}
    (table (export "table") 1 funcref) (elem (i32.const 0) $node)
    (global $free (mut i32) (i32.const 64))
    (func $make (param $first i32) (param $size i32) (param $above i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $free))
      (global.set $free (i32.add (local.get $at) (i32.const 24)))
      (if (i32.gt_u (global.get $free) (i32.shl (memory.size) (i32.const 16)))
        (then (drop (memory.grow (i32.const 64)))))
      (i32.store (local.get $at) (local.get $first))
      (i32.store offset=4 (local.get $at) (local.get $size))
      (i32.store offset=8 (local.get $at) (local.get $above))
      (i32.store offset=12 (local.get $at) (i32.const 10))
      (f64.store offset=16 (local.get $at) (f64.const 0))
      (local.get $at))
    (func $tell (param $above i32) (param $sum f64)
      (i32.store offset=12 (local.get $above) (i32.sub (i32.load offset=12 (local.get $above)) (i32.const 1)))
      (f64.store offset=16 (local.get $above) (f64.add (f64.load offset=16 (local.get $above)) (local.get $sum))))
    (func $node (param $at i32)
      (local $i i32) (local $part i32)
      (if (i32.eq (i32.load offset=4 (local.get $at)) (i32.const 1))
        (then
          (call $tell (i32.load offset=8 (local.get $at)) (f64.convert_i32_u (i32.load (local.get $at))))
          (return)))
      (local.set $part (i32.div_u (i32.load offset=4 (local.get $at)) (i32.const 10)))
      (loop $l
        (drop (call $spawn (i32.const 0)
          (call $make
            (i32.add (i32.load (local.get $at)) (i32.mul (local.get $i) (local.get $part)))
            (local.get $part) (local.get $at))))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
      (loop $wait
        (call $yield)
        (br_if $wait (i32.load offset=12 (local.get $at))))
      (call $tell (i32.load offset=8 (local.get $at)) (f64.load offset=16 (local.get $at))))
    (func (export "run") (param $n i32) (result f64)
      (local $top i32)
      (global.set $free (i32.const 64))
      (local.set $top (call $make (i32.const 0) (i32.const 0) (i32.const 0)))
      (i32.store offset=12 (local.get $top) (i32.const 1))
      (drop (call $spawn (i32.const 0) (call $make (i32.const 0) (local.get $n) (local.get $top))))
      (loop $wait
        (call $yield)
        (br_if $wait (i32.load offset=12 (local.get $top))))
      (f64.load offset=16 (local.get $top)))`,
  // Stage i has a mailbox of 8 bytes at 64 + 8 i: +0 a number or 0   +4 its prime. It makes the next stage of the first that comes through.
  sieve: `${HEAD}
    (table (export "table") 1 funcref) (elem (i32.const 0) $stage)
    (global $found (mut i32) (i32.const 0)) (global $wanted (mut i32) (i32.const 0)) (global $last (mut i32) (i32.const 0))
    (global $ended (mut i32) (i32.const 0))
    (func $put (param $box i32) (param $x i32)
      (loop $wait
        (if (i32.and (i32.load (local.get $box)) (i32.lt_u (global.get $found) (global.get $wanted)))
          (then (call $yield) (br $wait))))
      (i32.store (local.get $box) (local.get $x)))
    (func $stage (param $box i32)
      (local $prime i32) (local $x i32)
      (local.set $prime (i32.load (local.get $box)))
      (i32.store (local.get $box) (i32.const 0))
      (global.set $found (i32.add (global.get $found) (i32.const 1)))
      (global.set $last (local.get $prime))
      (block $over
        (loop $l
          (br_if $over (i32.ge_u (global.get $found) (global.get $wanted)))
          (if (i32.eqz (local.tee $x (i32.load (local.get $box)))) (then (call $yield) (br $l)))
          (i32.store (local.get $box) (i32.const 0))
          (if (i32.rem_u (local.get $x) (local.get $prime))
            (then
              (if (i32.load offset=4 (local.get $box))
                (then (call $put (i32.add (local.get $box) (i32.const 8)) (local.get $x)))
                (else
                  (i32.store offset=4 (local.get $box) (i32.const 1))
                  (i32.store (i32.add (local.get $box) (i32.const 8)) (local.get $x))
                  (drop (call $spawn (i32.const 0) (i32.add (local.get $box) (i32.const 8))))))))
          (br $l)))
      (global.set $ended (i32.add (global.get $ended) (i32.const 1))))
    (func (export "run") (param $n i32) (result f64)
      (local $x i32)
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 100000))
      (global.set $found (i32.const 0)) (global.set $ended (i32.const 0)) (global.set $wanted (local.get $n))
      (i32.store (i32.const 64) (i32.const 2))
      (drop (call $spawn (i32.const 0) (i32.const 64)))
      (call $yield)
      (local.set $x (i32.const 3))
      (loop $l
        (call $put (i32.const 64) (local.get $x))
        (local.set $x (i32.add (local.get $x) (i32.const 1)))
        (br_if $l (i32.lt_u (global.get $found) (local.get $n))))
      (loop $wait
        (if (i32.lt_u (global.get $ended) (local.get $n)) (then (call $yield) (br $wait))))
      (f64.convert_i32_u (global.get $last)))`,
  itersum: `${HEAD}
    (table (export "table") 1 funcref) (elem (i32.const 0) $iterate)
    (func $iterate (param $n i32)
      (local $i i32)
      (loop $l
        (call $give (local.get $i))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))))
    (func (export "run") (param $n i32) (result f64)
      (drop (call $spawn (i32.const 0) (local.get $n)))
      (call $yield)
      (call $sum (local.get $n)))`,
  // Leaf after leaf of a binary tree of that depth, each given from below as many frames.
  treesum: `${HEAD}
    (table (export "table") 1 funcref) (elem (i32.const 0) $tree)
    (func $walk (param $depth i32) (param $number i32)
      (if (i32.eqz (local.get $depth)) (then (call $give (local.get $number)) (return)))
      (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
      (call $walk (local.get $depth) (i32.shl (local.get $number) (i32.const 1)))
      (call $walk (local.get $depth) (i32.or (i32.shl (local.get $number) (i32.const 1)) (i32.const 1))))
    (func $tree (param $depth i32) (call $walk (local.get $depth) (i32.const 0)))
    (func (export "run") (param $depth i32) (result f64)
      (drop (call $spawn (i32.const 0) (local.get $depth)))
      (call $yield)
      (call $sum (i32.shl (i32.const 1) (local.get $depth))))`,
};

/** The program as guests of one instance. */
export function guests(program: Program, backend: BackendName, size: number): Contender {
  return {
    id: `guest:${backend}`,
    role: 'engine',
    async load() {
      const { load } = await available(backend);
      const loaded = await load(await wat(`(module ${TEXTS[program]})`), { backend, maxStacks: 30_000 });
      const { result, count } = expected(program, size);
      const sample = () => timedAsync(async () => ((await loaded.spawn('run', size).get()) === result ? count : -1));
      return { expect: count, sample };
    },
  };
}

// ---- generators -----------------------------------------------------------------------------------------------------

function* one(): Generator<undefined, void> {
  yield;
}

function c10m(n: number): number {
  let done = 0;
  for (let left = n; left > 0; left -= 10_000) {
    const bodies = Array.from({ length: Math.min(left, 10_000) }, one);
    for (const body of bodies) body.next();
    for (const body of bodies) if (body.next().done) ++done;
  }
  return done;
}

function* node(first: number, size: number): Generator<undefined, number> {
  if (size === 1) return first;
  const part = size / 10;
  let sum = 0;
  for (let i = 0; i < 10; ++i) {
    const child = node(first + i * part, part);
    for (;;) {
      const { done, value } = child.next();
      if (done) {
        sum += value as number;
        break;
      }
      yield;
    }
  }
  return sum;
}

function* count(): Generator<number, void> {
  for (let x = 2; ; ++x) yield x;
}

function* filter(source: Generator<number, void>, prime: number): Generator<number, void> {
  for (;;) {
    const x = source.next().value as number;
    if (x % prime !== 0) yield x;
  }
}

function sieve(n: number): number {
  let source = count();
  let prime = 0;
  for (let i = 0; i < n; ++i) {
    prime = source.next().value as number;
    source = filter(source, prime);
  }
  return prime;
}

function* iterate(n: number): Generator<number, void> {
  for (let i = 0; i < n; ++i) yield i;
}

function* walk(depth: number, number: number): Generator<number, void> {
  if (depth === 0) {
    yield number;
    return;
  }
  yield* walk(depth - 1, number * 2);
  yield* walk(depth - 1, number * 2 + 1);
}

function sum(of: Iterable<number>): number {
  let all = 0;
  for (const x of of) all += x;
  return all;
}

const BY_GENERATORS: Record<Program, (size: number) => number> = {
  c10m,
  skynet: (size) => node(0, size).next().value as number,
  sieve,
  itersum: (size) => sum(iterate(size)),
  treesum: (size) => sum(walk(size, 0)),
};

/** The same by generators that call each other: no scheduler, and nothing of it could wait for anything else. */
export function generators(program: Program, size: number): Contender {
  return {
    id: 'native:generator',
    role: 'baseline',
    load() {
      const { result, count: all } = expected(program, size);
      const sample = () => timed(() => (BY_GENERATORS[program](size) === result ? all : -1));
      return { expect: all, sample };
    },
  };
}

/** The same by goroutines and unbuffered channels. */
export function goroutines(program: Program, size: number): Contender {
  return {
    id: 'go',
    role: 'peer',
    waits: true,
    load() {
      const binary = goBuild(readFileSync(new URL('./guest_suite_side.go', import.meta.url), 'utf8'));
      const { result, count: all } = expected(program, size);
      const sample = () => {
        const [got, amount] = goRun(binary, [program, size]);
        return { count: got === result ? all : -1, amount };
      };
      return { expect: all, sample };
    },
  };
}
