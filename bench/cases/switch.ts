import * as engine from '../contenders/engine.ts';
import { inWindow, roundsFor } from '../contenders/gauge.ts';
import * as generator from '../contenders/generator.ts';
import * as native from '../contenders/native.ts';
import { effect, effection } from '../contenders/npm.ts';
import * as python from '../contenders/python.ts';
import * as threads from '../contenders/threads.ts';
import type { Case, Contender, Group } from '../harness.ts';

export const switching: Case = {
  name: 'switch',
  about: `n bodies yield in turn; one switch is one resumption of a body. The floor drives bare generators by hand. The
baseline awaits null: it has no handle to kill, no timeout, no fairness towards Node's loop. setImmediate goes through
that loop each time; the threads cross between two system threads.`,
  groups({ quick }) {
    return (quick ? [2, 1000] : [2, 1000, 100_000]).map((n) => group(n, quick));
  },
};

function group(n: number, quick: boolean): Group {
  const total = quick ? 300_000 : 1_000_000;
  // Contenders that take microseconds do fewer, so that their samples take about as long as the others'.
  const few = quick ? 1000 : 5000;
  const some = Math.max(2 * n, total / 10);
  const pythonRounds = roundsFor(n, some);
  const contenders: Contender[] = [
    // The fastest does twice the work: in a shorter sample the processor's waking up would be part of the figure.
    generator.switching(n, 2 * total),
    native.switching(n, total),
    engine.switching('wasm', n, total),
    engine.switching('pure', n, total),
    engine.switchingAsync('wasm', n, some),
    native.microtask(n, total),
    native.immediate(n, some),
  ];
  if (n === 2) contenders.push(threads.atomics(few), threads.messageport(few));
  // Effection's cost a switch grows with the number of tasks.
  if (!quick) contenders.push(effect.switching(n, some));
  if (!quick && n <= 1000) contenders.push(effection.switching(n, some));
  contenders.push(
    python.gevent('switch', [n, pythonRounds], inWindow(n, pythonRounds)),
    python.greenlet('greenlet_ring', [n, some], some),
  );
  return { params: { n }, unit: 'ns/switch', contenders };
}
