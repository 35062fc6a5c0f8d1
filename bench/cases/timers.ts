import * as engine from '../contenders/engine.ts';
import * as native from '../contenders/native.ts';
import * as python from '../contenders/python.ts';
import type { Case } from '../harness.ts';

const IN_FLIGHT = 1000;

export const timers: Case = {
  name: 'timers',
  about: `Arm a timer and cancel one, with many others armed; nothing fires. arm+cancel: ${IN_FLIGHT} more are in flight
and the oldest of them is cancelled, as in a server that guards its requests; on the bare cores against setTimeout +
clearTimeout. Timeout: start and cancel at once, as in a block that did not run out of time. withTimeout: a call that ends at once,
against a race of promises. "delays" is the number of
different delays: few of them suit Node, which keeps one list a delay.`,
  groups({ quick }) {
    const total = quick ? 100_000 : 300_000;
    const armed = 1_000_000;
    const armCancel = (delays: number) => ({
      params: { op: 'arm+cancel', armed, delays },
      unit: 'ns/arm+cancel',
      contenders: [
        native.timers(armed, delays, IN_FLIGHT, total),
        ...engine.CORES.map((core) => engine.coreTimers(core, armed, delays, IN_FLIGHT, total)),
      ],
    });
    const timeout = (others: number) => ({
      params: { op: 'Timeout', armed: others, delays: 16 },
      unit: 'ns/start+cancel',
      contenders: [
        native.timers(others, 16, 1, total),
        ...engine.CORES.map((core) => engine.timeouts(core, others, 16, total)),
        ...(others === 0 ? [python.gevent('timeout', [total / 10], total / 10)] : []),
      ],
    });
    const limited = {
      params: { op: 'withTimeout' },
      unit: 'ns/call',
      contenders: [
        native.racing(total),
        ...engine.CORES.map((core) => engine.limited(core, total)),
        python.gevent('with_timeout', [total / 10], total / 10),
      ],
    };
    return quick
      ? [armCancel(16), timeout(armed), limited]
      : [armCancel(16), armCancel(3600), timeout(0), timeout(armed), limited];
  },
};
