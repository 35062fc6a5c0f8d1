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

/** `n` promises that are settled already, awaited one after another in an async function. */
export function awaiting(n: number): Contender {
  const all = async () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += await Promise.resolve(1);
    return sum;
  };
  return {
    id: 'native:await',
    role: 'baseline',
    load: () => ({ expect: n, sample: () => timedAsync(all) }),
  };
}

/** The same code under `patchAll`: a program that knows nothing of greenlets. `thread` false: without carrying them along. */
export function patchedAwaiting(core: engine.CoreName, n: number, thread: boolean): Contender {
  return {
    ...awaiting(n),
    id: `engine:${core}`,
    role: 'engine',
    params: { thread: thread ? 'on' : 'off' },
    env: { GEVENT_CORE: core },
    async load() {
      (await monkey()).patchAll({ thread });
      return awaiting(n).load();
    },
  };
}

/** `yield*` of such promises in the body of a greenlet. */
export function yieldingPromises(core: engine.CoreName, n: number, thread: boolean): Contender {
  return {
    id: `engine:${core}-yield`,
    role: 'engine',
    params: { thread: thread ? 'on' : 'off' },
    env: { GEVENT_CORE: core },
    async load() {
      (await monkey()).patchAll({ thread });
      const { spawn }: typeof import('../../ts/index.ts') = await import(moduleUrl('index'));
      const body = function* (): Generator<any, number, any> {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += yield* Promise.resolve(1) as any;
        return sum;
      };
      const all = async (): Promise<number> => (await spawn(body).get()) as number;
      return { expect: n, sample: () => timedAsync(all) };
    },
  };
}
