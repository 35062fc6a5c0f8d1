import { sleep, getHub, spawn, Timeout, getcurrent } from '/work/wt/guests/ts/index.ts';
import { load, blocking, enableWasmfx } from '/work/wt/guests/ts/guest/guest.ts';
import binaryen from 'binaryen';
const wat = `(module
 (import "gevent" "yield" (func $yield))
 (import "gevent" "sleep" (func $sleep (param f64)))
 (import "env" "log" (func $log (param i32)))
 (import "env" "fetch" (func $fetch (param i32) (result i32)))
 (func (export "count") (param $n i32) (param $id i32) (result i32) (local $i i32)
   (loop $l
     (call $log (i32.add (local.get $i) (i32.mul (i32.const 100) (local.get $id))))
     (call $yield)
     (local.set $i (i32.add (local.get $i) (i32.const 1)))
     (br_if $l (i32.lt_s (local.get $i) (local.get $n))))
   (i32.add (local.get $i) (call $fetch (local.get $id))))
 (func (export "nap") (param f64) (result f64) (call $sleep (local.get 0)) (f64.mul (local.get 0) (f64.const 2)))
 (func (export "trap") (call $yield) (unreachable))
 (func (export "loop") (loop $l (call $yield) (br $l)))
)`;
const m = binaryen.parseText(wat); m.setFeatures(binaryen.Features.All & ~binaryen.Features.CompactImports); const bytes = m.emitBinary();
for (const backend of (process.argv[2] ?? 'asyncify,wasmfx,jspi').split(',')) {
  console.log('==', backend);
  const log: unknown[] = [];
  const p = await load(bytes, { backend: backend as any, imports: { env: { log: (x: number) => { log.push(x); }, fetch: blocking((id: number) => sleep(0.01).then(() => id * 1000)) } } });
  console.log(p.explain());
  const a = p.spawn('count', 3, 1), b = p.spawn('count', 3, 2);
  const j = spawn(function* () { for (let i = 0; i < 3; i++) { log.push('js' + i); yield* sleep(0); } });
  console.log(await a.get(), await b.get(), log.join());
  console.log(await p.spawn('nap', 0.02).get());
  const t = p.spawn('trap'); 
  try { await t.get(); } catch (e) { console.log(String(e), (e as any).stack); }
  const l = p.spawn('loop'); await sleep(0); await l.kill(); console.log(l.value, String(l));
  console.log(getHub().statistics());
}
