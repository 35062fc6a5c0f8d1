import { joinall, getHub } from '../../ts/index.ts';
import { load } from '../../ts/guest/guest.ts';
import binaryen from 'binaryen';
const wat = `(module
 (import "gevent" "yield" (func $yield))
 (func (export "count") (param $n i32) (loop $l (call $yield) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
)`;
const m = binaryen.parseText(wat); m.setFeatures(binaryen.Features.All & ~(binaryen.Features as any).CompactImports); m.optimize(); const bytes = m.emitBinary();
async function aw(n: number, total: number) { const each = total / n; const t = performance.now(); await Promise.all(Array.from({ length: n }, async () => { for (let i = 0; i < each; i++) await null; })); return (performance.now() - t) * 1e6 / total; }
for (const backend of (process.argv[2] ?? 'asyncify,wasmfx,jspi').split(',')) {
  const hub = getHub(); const p = await load(bytes, { backend: backend as any });
  for (const n of [2, 16, 1000]) {
    const total = backend === 'jspi' ? 1e5 : 2e6; const out: number[] = []; const base: number[] = [];
    for (let k = 0; k < 7; k++) {
      const each = total / n;
      const t = performance.now();
      await joinall(Array.from({ length: n }, () => p.spawn('count', each)));
      out.push((performance.now() - t) * 1e6 / total);
      base.push(await aw(n, total));
    }
    { const e = (p.instance.engine as any); console.log('runs', (e.constructor as any).runs, 'budget', hub.core.words[3]); } out.sort((a, b) => a - b); base.sort((a, b) => a - b);
    console.log(backend, n, 'ns/yield min', out[0].toFixed(1), 'med', out[3].toFixed(1), 'await med', base[3].toFixed(1));
  }
}
