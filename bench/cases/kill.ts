import * as engine from '../contenders/engine.ts';
import * as generator from '../contenders/generator.ts';
import * as native from '../contenders/native.ts';
import * as python from '../contenders/python.ts';
import type { Case } from '../harness.ts';

export const kill: Case = {
  name: 'kill',
  about: `n bodies sleep; all are killed without waiting, then unwind and are joined; body tells whether the sleep stands
inside try/finally. by=killall: one killall() that waits for all ends, as gevent's own benchmark has it. The floor throws one error into n bare generators. The baseline rejects the promise each async
function waits for: no timer to clear, no signal. native:abort has both, by an AbortController each.`,
  groups({ quick }) {
    const n = 10_000;
    const killall = {
      params: { n, body: 'plain', by: 'killall' },
      unit: 'ns/kill',
      contenders: [
        native.rejecting(n, 'plain'),
        ...engine.CORES.map((core) => engine.killingAll(core, n)),
        python.gevent('killall', [n], n),
      ],
      ...(quick && { samples: 10 }),
    };
    const each = (['plain', 'finally'] as const).map((body) => ({
      params: { n, body },
      unit: 'ns/kill',
      contenders: [
        generator.killing(n, body),
        native.rejecting(n, body),
        ...engine.CORES.map((core) => engine.killing(core, n, body)),
        native.aborting(n, body),
        generator.returning(n, body),
        python.gevent('kill', [n, body === 'plain' ? 0 : 1], n),
      ],
      ...(quick && { samples: 10 }),
    }));
    return [...each, killall];
  },
};
