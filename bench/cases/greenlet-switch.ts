import * as engine from '../contenders/engine.ts';
import * as generator from '../contenders/generator.ts';
import * as native from '../contenders/native.ts';
import * as python from '../contenders/python.ts';
import type { Case } from '../harness.ts';

export const greenletSwitch: Case = {
  name: 'greenlet-switch',
  about: `Two raw greenlets switch to each other, without hub or scheduler; one switch is one arrival. The floor calls
two generators in turn, where the caller knows who is next. The baseline is two async functions that await null.`,
  groups({ quick }) {
    const total = quick ? 300_000 : 1_000_000;
    const contenders = [
      generator.alternating(2 * total),
      native.switching(2, total),
      engine.greenletSwitching('wasm', total),
      engine.greenletSwitching('pure', total),
      python.greenlet('greenlet_ring', [2, total / 10], total / 10),
    ];
    return [{ params: { n: 2 }, unit: 'ns/switch', contenders }];
  },
};
