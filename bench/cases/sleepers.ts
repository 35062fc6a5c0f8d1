import * as engine from '../contenders/engine.ts';
import * as memory from '../contenders/memory.ts';
import { effect, effection } from '../contenders/npm.ts';
import * as python from '../contenders/python.ts';
import type { Case, Contender, Group } from '../harness.ts';

export const sleepers: Case = {
  name: 'sleepers',
  about: `What n bodies cost that sleep for an hour, each sample in a new process. heap: JS heap + external + the core's
memory, after a full collection. rss: pages the process holds, for comparing with gevent. The floor is a suspended
generator and a deadline in an array; bare setTimeout suspends no body at all.`,
  groups({ quick, large }) {
    const sizes = large ? [100_000, 1_000_000] : [100_000];
    return sizes.flatMap((n) => [group(n, 'heap', quick), group(n, 'rss', quick)]);
  },
};

function group(n: number, measure: memory.Sleepers, quick: boolean): Group {
  const contenders: Contender[] = [
    memory.generators(n, measure),
    memory.promises(n, measure),
    ...engine.CORES.map((core) => engine.sleepers(core, n, measure)),
    memory.timeouts(n, measure),
  ];
  // Effection needs more than 10 KB each: at a million it would take the machine down.
  if (!quick && n <= 100_000) contenders.push(effect.sleepers(n, measure), effection.sleepers(n, measure));
  if (measure === 'rss') contenders.push(python.gevent('sleepers', [n], n));
  return { params: { n, measure }, unit: 'bytes/sleeper', contenders, samples: quick ? 3 : 5, fresh: true };
}
