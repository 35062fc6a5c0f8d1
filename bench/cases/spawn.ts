import * as engine from '../contenders/engine.ts';
import * as generator from '../contenders/generator.ts';
import * as native from '../contenders/native.ts';
import { effect, effection } from '../contenders/npm.ts';
import * as python from '../contenders/python.ts';
import type { Case, Contender, Group } from '../harness.ts';

export const spawn: Case = {
  name: 'spawn',
  about: `Start n empty bodies, then wait for all of them. The floor creates n bare generators and then finishes each:
nobody can be told of the end. The baseline starts n async functions with one await and joins them by Promise.all.`,
  groups({ quick }) {
    return (quick ? [1000] : [1000, 100_000]).map((n) => group(n, quick));
  },
};

function group(n: number, quick: boolean): Group {
  const batches = Math.max(1, (quick ? 50_000 : 100_000) / n);
  const contenders: Contender[] = [
    generator.spawning(n, batches * 4),
    native.spawning(n, batches),
    engine.spawning('wasm', n, batches),
    engine.spawning('pure', n, batches),
    effect.spawning(n, Math.max(1, batches / 5)),
  ];
  // With 100 000 alive one sample of Effection takes seconds.
  if (n <= 1000) contenders.push(effection.spawning(n, 1));
  const pythonBatches = Math.max(1, batches / 50);
  contenders.push(python.gevent('spawn', [n, pythonBatches], n * pythonBatches));
  return { params: { n }, unit: 'ns/spawn+join', contenders };
}
