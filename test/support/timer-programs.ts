// Programs about Node's timers whose output is the same with the originals and with ours. Each is run both ways.

export const TIMER_PROGRAMS: Record<string, string> = {
  'timers of one delay run in the order they were made, shorter ones first': `
    setTimeout(() => console.log('b 20'), 20);
    setTimeout(() => console.log('a 1'), 1);
    setTimeout(() => console.log('a 20'), 20);
    setTimeout(() => console.log('b 1'), 1);
    setTimeout(() => console.log('none'));
    setTimeout(() => console.log('0'), 0);`,
  'nextTick and microtasks run between two that are due at once': `
    const end = performance.now() + 20;
    for (const name of ['a', 'b', 'c'])
      setTimeout(() => {
        console.log(name);
        process.nextTick(() => console.log(name, 'tick'));
        Promise.resolve().then(() => console.log(name, 'micro')).then(() => console.log(name, 'micro 2'));
      }, 5);
    while (performance.now() < end);`,
  'one that is cancelled in a callback before it does not run, though it was due': `
    const end = performance.now() + 20;
    setTimeout(() => { console.log('a'); clearTimeout(b); clearTimeout(+c); clearTimeout(String(+d)); }, 1);
    const b = setTimeout(() => console.log('b'), 2);
    const c = setTimeout(() => console.log('c'), 3);
    const d = setTimeout(() => console.log('d'), 4);
    setTimeout(() => console.log('e'), 5);
    +c; +d;
    while (performance.now() < end);`,
  'nested timers without delay come one after another, and let I/O and immediates have their turns': `
    import { readFile } from 'node:fs';
    let n = 0;
    const again = () => { if (++n < 50) setTimeout(again, 0); else console.log('done', n); };
    again();
    readFile(process.execPath + '-none', (error) => console.log(error.code, n < 50));`,
  'an exception in a callback is uncaught, and those behind it run': `
    process.on('uncaughtException', (error, origin) => console.log('uncaught', error.message, origin));
    const end = performance.now() + 20;
    setTimeout(() => console.log('a'), 1);
    setTimeout(() => { throw new Error('b'); }, 1);
    setTimeout(() => console.log('c'), 1);
    let n = 0;
    const t = setInterval(() => { if (++n === 3) clearInterval(t); throw new Error('interval ' + n); }, 5);
    while (performance.now() < end);`,
  'without a handler it ends the process with its stack': `
    setTimeout(function thrower() { throw new Error('nobody catches'); }, 1);
    setTimeout(() => console.log('never'), 200);`,
  "arguments arrive, this is the timer, and generator objects are nobody's": `
    const t = setTimeout(function (...args) { console.log(this === t, args); }, 1, 'x', 2);
    const i = setInterval(function (a) { console.log(this === i, a); clearInterval(this);
      const m = setImmediate(function (a) { console.log(this === m, a); }, 'z'); }, 1, 'y');`,
  'what is no function, and delays out of range': `
    for (const f of [setTimeout, setInterval, setImmediate]) for (const bad of [undefined, 'x', null])
      try { f(bad, 1); } catch (error) { console.log(error.name, error.code, error.message); }
    process.on('warning', (w) => console.log(w.name, w.message));
    for (const ms of [-5, NaN, 'abc', 2 ** 31, Infinity, '3', null, true, 0.5, 1.7])
      setTimeout(() => console.log('ran'), ms);
    clearTimeout(); clearTimeout(null); clearTimeout({}); clearTimeout('x'); clearTimeout(12345); clearInterval(undefined); clearImmediate(null);`,
  'ref, unref and hasRef; one that is unrefed keeps nobody waiting': `
    const t = setTimeout(() => console.log('never'), 60_000);
    console.log(t.hasRef(), t.unref() === t, t.hasRef(), t.ref() === t, t.hasRef());
    t.unref();
    const i = setInterval(() => console.log('never'), 60_000).unref();
    console.log(i.hasRef());
    setTimeout(() => console.log('last'), 20);
    setTimeout(() => console.log('in time'), 5).unref();
    process.on('exit', () => console.log('exit'));`,
  'one that is refed again is waited for': `
    const t = setTimeout(() => console.log('ran'), 30).unref();
    setTimeout(() => t.ref(), 5);`,
  'refresh starts anew, also behind the end, and not behind a cancel': `
    let n = 0;
    const t = setTimeout(() => {
      console.log('fired', ++n);
      if (n < 3) t.refresh();
      if (n === 3) setTimeout(() => { console.log('later'); t.refresh(); more(); }, 20);
    }, 5);
    function more() {
      const renewed = setTimeout(() => console.log('renewed'), 300);
      setTimeout(() => { console.log(renewed.refresh() === renewed); setTimeout(() => console.log('before it'), 250); }, 200);
    }
    const gone = setTimeout(() => console.log('gone'), 5);
    clearTimeout(gone); gone.refresh();`,
  'close and dispose cancel': `
    setTimeout(() => console.log('never'), 5).close();
    { using t = setTimeout(() => console.log('never'), 5); using i = setInterval(() => console.log('never'), 1); }
    { using m = setImmediate(() => console.log('never')); }
    setTimeout(() => console.log('end'), 20);`,
  'an interval counts from the beginning of its callback, and is none the worse for a long one': `
    let n = 0; let last = performance.now(); const periods = [];
    const t = setInterval(() => {
      const now = performance.now(); periods.push(now - last); last = now;
      while (performance.now() < now + 30);
      if (++n === 8) { clearInterval(t); const least = Math.min(...periods); console.log(n, least >= 20 && least < 79); }
    }, 50);`,
  'an interval that is cancelled in its own callback, and one cleared by clearTimeout': `
    const a = setInterval(() => { console.log('a'); clearInterval(a); }, 1);
    const b = setInterval(() => { console.log('b'); clearTimeout(b); }, 1);
    const c = setTimeout(() => console.log('never'), 1); clearInterval(c);`,
  'behind I/O the immediate comes before the timer': `
    import { stat } from 'node:fs';
    stat('.', () => { setTimeout(() => console.log('timeout'), 0); setImmediate(() => console.log('immediate')); });`,
  'an AsyncLocalStorage is that of where the timer was made': `
    import { AsyncLocalStorage } from 'node:async_hooks';
    const als = new AsyncLocalStorage();
    setTimeout(() => console.log('none', als.getStore()), 3);
    als.run(1, () => { setTimeout(() => { console.log('one', als.getStore()); setTimeout(() => console.log('nested', als.getStore()), 1); }, 5); });
    als.run(3, () => setImmediate(() => setTimeout(() => console.log('three', als.getStore()), 150)));
    als.run(2, () => { const t = setInterval(() => { console.log('two', als.getStore()); clearInterval(t); als.enterWith(5); setTimeout(() => console.log('five', als.getStore()), 400); }, 400); });
    als.enterWith(4);
    setTimeout(() => console.log('four', als.getStore()), 600);`,
  'promisify gives the promise forms': `
    import { promisify } from 'node:util';
    import timers from 'node:timers/promises';
    console.log(promisify(setTimeout) === timers.setTimeout, promisify(setImmediate) === timers.setImmediate);
    console.log(await promisify(setTimeout)(1, 'value'), await promisify(setImmediate)('now'));`,
  'timers/promises: values, signals, refs and wrong arguments': `
    import { setTimeout as sleep, setImmediate as now, setInterval as every, scheduler } from 'node:timers/promises';
    const tell = (error) => console.log(error.name, error.code, error.message, error.cause?.message);
    console.log(await sleep(1), await sleep(1, 'x'), await now('y'), await scheduler.wait(1), await scheduler.yield());
    const ac = new AbortController();
    const waiting = [sleep(60_000, 0, ac), now(0, ac), scheduler.wait(60_000, ac)].map((p) => p.catch(tell));
    ac.abort(new Error('why'));
    await Promise.all(waiting);
    await sleep(1, 0, { signal: AbortSignal.abort(new Error('before')) }).catch(tell);
    for (const bad of [3, 'x', { signal: 3 }, { ref: 3 }]) await sleep(1, 0, bad).catch((e) => console.log(e.name, e.code));
    await sleep('x').catch((e) => console.log(e.name, e.code));
    let n = 0;
    for await (const v of every(2, 'tick')) { console.log(v); if (++n === 3) break; }
    const ac2 = new AbortController();
    try { for await (const v of every(2, 'tock', { signal: ac2.signal })) { console.log(v); ac2.abort(new Error('enough')); } } catch (error) { tell(error); }
    sleep(60_000, 0, { ref: false });
    console.log('end');`,
  'bindings of every kind are the same functions': `
    import { setTimeout as a, clearTimeout as b } from 'node:timers';
    import * as timers from 'timers';
    import promises from 'node:timers/promises';
    import { createRequire } from 'node:module';
    const require = createRequire(process.cwd() + '/x.js');
    console.log(a === setTimeout, b === clearTimeout, timers.setInterval === globalThis.setInterval, require('timers').setTimeout === a);
    console.log(timers.promises === promises, require('node:timers/promises').setTimeout === promises.setTimeout, setTimeout.name, setTimeout.length);`,
  'drift: a hundred ticks of an interval take a hundred periods': `
    let n = 0; const began = performance.now();
    const t = setInterval(() => { if (++n === 100) { clearInterval(t); const ms = performance.now() - began; console.log(ms >= 499, ms < 10_000); } }, 5);`,
};
