import { CORES, switching } from '../contenders/engine.ts';
import * as monkey from '../contenders/monkey.ts';
import * as native from '../contenders/native.ts';
import type { Case } from '../harness.ts';

const IN_FLIGHT = 1000;
const DELAYS = 16;

export const monkeyPatch: Case = {
  name: 'monkey',
  about: `Node's timers as they are and under patchTime, by the same code. setTimeout+clear: ${IN_FLIGHT} are in flight and the oldest of
them is cancelled, with "armed" others that stay; nothing fires. fire: as many timers of a millisecond as "n" says, until the last callback
has run. promise: settled ones, awaited by a program that knows nothing of greenlets, bare and under patchAll; and waited for by yield* in a
greenlet. yield: greenlets under patchThread, which are carried along what they begin in the platform, beside the same without it.`,
  groups({ quick }) {
    const total = quick ? 100_000 : 300_000;
    const armClear = (armed: number) => ({
      params: { op: 'setTimeout+clear', armed },
      unit: 'ns/arm+clear',
      contenders: [
        native.timers(armed, DELAYS, IN_FLIGHT, total),
        ...CORES.map((core) => monkey.armClear(core, armed, DELAYS, IN_FLIGHT, total)),
      ],
    });
    const n = 50_000;
    return [
      armClear(0),
      ...(quick ? [] : [armClear(1_000_000)]),
      {
        params: { op: 'fire', n },
        unit: 'ns/timer',
        contenders: [monkey.firing(n), ...CORES.map((core) => monkey.patchedFiring(core, n))],
      },
      {
        params: { op: 'promise' },
        unit: 'ns/promise',
        contenders: [
          monkey.awaiting(n),
          ...[false, true].flatMap((thread) => [
            monkey.patchedAwaiting('wasm', n, thread),
            monkey.yieldingPromises('wasm', n, thread),
          ]),
        ],
      },
      {
        params: { op: 'yield', n: 1000 },
        unit: 'ns/switch',
        contenders: [
          native.switching(1000, 1_000_000),
          ...CORES.flatMap((core) => [switching(core, 1000, 1_000_000), monkey.carried(core, 1000, 1_000_000)]),
        ],
      },
    ];
  },
};
