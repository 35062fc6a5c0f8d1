// Runs inside each engine: one suite, one line of JSON a case. What may be left out, and why, is said here.

import { cannot, record } from './guests.ts';
import { CELL, IN_PAGE, RECORD } from './parameters.ts';
import { cases, run } from './vitest.ts';

const NO_CONTEXT = 'browsers have no AsyncLocalStorage';
const NO_WORLD = 'browsers have neither sockets nor files';

/** Cases that need what the engine has not, by name. */
const LEFT_OUT: [when: boolean, which: RegExp, why: string][] = [
  [IN_PAGE, /an async context is the guest’s own|the current greenlet is known behind awaits/, NO_CONTEXT],
];

const say = (line: object) => console.log(`gevent: ${JSON.stringify(line)}`);

/** A case that hangs is one that failed. */
async function inTime(it: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it did not end in 20 seconds')), 20_000);
  });
  try {
    await Promise.race([it, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function main(): Promise<void> {
  if (cannot !== null) return say({ cannot });
  if (CELL === 'main') await import('./smoke.ts');
  else {
    await import('../guest/behaviour.test.ts');
    await import('../guest/imports.test.ts');
    if (IN_PAGE) say({ name: 'what guests do in the world outside', skipped: NO_WORLD });
    else await import('../guest/outside.test.ts');
  }
  for (const it of cases) {
    const out = LEFT_OUT.find(([when, which]) => when && which.test(it.name));
    if (out !== undefined || it.skipped) {
      say({ name: it.name, skipped: out?.[2] ?? 'no compiler for C' });
      continue;
    }
    try {
      await inTime(run(it));
      say({ name: it.name, ok: true });
    } catch (error) {
      say({ name: it.name, ok: false, error: String((error as Error)?.stack ?? error).slice(0, 2000) });
    }
  }
  if (RECORD !== null) globalThis.process.getBuiltinModule('node:fs').writeFileSync(RECORD, record());
  say({ done: true });
}

await main();
