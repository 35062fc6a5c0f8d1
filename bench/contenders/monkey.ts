// Node's timers under the patch: the very code of the native contenders, patched before. And what it costs to carry greenlets along.

import type { Contender } from '../harness.ts';
import { Unavailable } from '../harness.ts';
import { moduleExists, moduleUrl, source } from '../source.ts';
import * as engine from './engine.ts';
import { timedAsync } from './gauge.ts';
import * as native from './native.ts';

type Monkey = typeof import('../../ts/sys/monkey.ts');

async function monkey(): Promise<Monkey> {
  const name = source() === 'dist' ? 'monkey' : 'sys/monkey';
  if (!moduleExists(name)) throw new Unavailable(`${name} is not built yet`);
  return (await import(moduleUrl(name))) as Monkey;
}

/** `bare`, with the globals patched. */
function patched(core: engine.CoreName, bare: Contender): Contender {
  return {
    id: `engine:${core}`,
    role: 'engine',
    env: { GEVENT_CORE: core },
    async load() {
      (await monkey()).patchTime();
      return bare.load();
    },
  };
}

/** setTimeout and clearTimeout; nothing fires. */
export const armClear = (core: engine.CoreName, ...how: Parameters<typeof native.timers>): Contender =>
  patched(core, native.timers(...how));

/** `n` timers of a millisecond, until all have been called. */
export function firing(n: number): Contender {
  const all = () =>
    new Promise<number>((resolve) => {
      let called = 0;
      const call = () => {
        if (++called === n) resolve(called);
      };
      for (let i = 0; i < n; i++) setTimeout(call, 1);
    });
  return {
    id: 'native:setTimeout',
    role: 'baseline',
    load: () => ({ expect: n, sample: () => timedAsync(all) }),
  };
}

export const patchedFiring = (core: engine.CoreName, n: number): Contender => patched(core, firing(n));

/** A yield of each of `n` greenlets that are carried along what they begin. */
export function carried(core: engine.CoreName, n: number, total: number): Contender {
  const plain = engine.switching(core, n, total);
  return {
    ...plain,
    id: `engine:${core}-carried`,
    async load() {
      (await monkey()).patchThread();
      return plain.load();
    },
  };
}
