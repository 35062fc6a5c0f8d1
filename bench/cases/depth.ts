import * as engine from '../contenders/engine.ts';
import * as generator from '../contenders/generator.ts';
import * as native from '../contenders/native.ts';
import type { Case, Contender } from '../harness.ts';

export const depth: Case = {
  name: 'depth',
  about: `Two bodies yield in turn from under a chain of calls. by=call: frames kept by the engine. by=yield*: frames
chained by the language, all of which V8 passes through on every resumption. by=await: a chain of async functions, of
which only the innermost is resumed. The floor is the bare generator without any chain.`,
  groups({ quick }) {
    return (quick ? [1, 64] : [1, 4, 16, 64]).map((levels) => {
      const total = quick ? 300_000 : 1_000_000;
      // A switch under 64 levels of yield* takes over a microsecond.
      const deep = Math.round(total / Math.max(1, levels / 4));
      const contenders: Contender[] = [
        { ...generator.switching(2, 2 * total), params: { by: 'none' } },
        native.delegating(levels, total, { by: 'await' }),
        generator.delegating(levels, deep, { by: 'yield*' }),
        ...engine.CORES.map((core) => engine.delegating(core, 'call', levels, total)),
        ...engine.CORES.map((core) => engine.delegating(core, 'yield*', levels, deep)),
      ];
      return { params: { depth: levels }, unit: 'ns/switch', contenders };
    });
  },
};
