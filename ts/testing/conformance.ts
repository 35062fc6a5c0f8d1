// What a core must do, as cases that anybody can run on his own core, under any test runner or none.
//
//   runCoreConformance(() => createMyCore());                                       // throws, naming the failed cases
//   for (const { name, run } of coreConformance()) test(name, () => run(makeCore)); // one test a case
//   compareCores(createModelCore(), createMyCore(), randomScript(seed, 300)); // undefined, or the first difference
//
// The cases hold a core to the sentences of contract.ts one by one; the driver in differential.ts finds what happens between
// them, with the naive core in model.ts as its oracle.

import type { Core } from '../core/contract.ts';
import { CHANNELS } from './conformance/channels.ts';
import { EVENTS } from './conformance/events.ts';
import { LARGE } from './conformance/large.ts';
import { LATCHES } from './conformance/latches.ts';
import { LIMITS } from './conformance/limits.ts';
import { LISTS } from './conformance/lists.ts';
import { QUEUES } from './conformance/queues.ts';
import { RING } from './conformance/ring.ts';
import { ROWS } from './conformance/rows.ts';
import { SEMAPHORES } from './conformance/semaphores.ts';
import { SLOTS } from './conformance/slots.ts';
import { TIMERS } from './conformance/timers.ts';
import type { Body, MakeCore } from './conformance/tools.ts';

export type { CoreLimits, MakeCore } from './conformance/tools.ts';

export interface ConformanceCase {
  /** What holds, as a sentence. */
  readonly name: string;
  /** `limits`: works only on a core that keeps to `CoreLimits`; `large`: takes long on a naive core. */
  readonly needs: 'nothing' | 'limits' | 'large';
  /** Throws if it does not hold. */
  run(makeCore: MakeCore): void;
}

export interface ConformanceOptions {
  /** Whether `makeCore` keeps to the limits it is given. Default: true. */
  limits?: boolean;
  /** Whether to run the large cases, which take an efficient core under a second. Default: true. */
  large?: boolean;
}

/** The cases, in the order of contract.ts. */
export function coreConformance({ limits = true, large = true }: ConformanceOptions = {}): ConformanceCase[] {
  const cases = (bodies: Record<string, Body>, needs: ConformanceCase['needs']) =>
    Object.entries(bodies).map(([name, body]) => ({ name, needs, run: verified(body) }));
  const any = {
    ...SLOTS,
    ...RING,
    ...TIMERS,
    ...LISTS,
    ...EVENTS,
    ...SEMAPHORES,
    ...LATCHES,
    ...CHANNELS,
    ...QUEUES,
    ...ROWS,
  };
  return [
    ...cases(any, 'nothing'),
    ...(limits ? cases(LIMITS, 'limits') : []),
    ...(large ? cases(LARGE, 'large') : []),
  ];
}

/**
 * Run every case on cores from `makeCore`, a fresh one each.
 *
 * @throws AggregateError that names each failed case; its `errors` have the cases' errors as `cause`
 */
export function runCoreConformance(makeCore: MakeCore, options: ConformanceOptions = {}): void {
  const errors: Error[] = [];
  const cases = coreConformance(options);
  for (const { name, run } of cases) {
    try {
      run(makeCore);
    } catch (cause) {
      errors.push(new Error(`${name}: ${cause instanceof Error ? cause.message : cause}`, { cause }));
    }
  }
  if (errors.length === 0) return;
  const failed = errors.map((error) => `\n  ${error.message}`).join('');
  throw new AggregateError(errors, `${errors.length} of ${cases.length} cases of core conformance failed:${failed}`);
}

/** The case, with a walk over every core it made at its end. */
function verified(body: Body): Body {
  return (makeCore) => {
    const made: Core[] = [];
    body((limits) => {
      const core = makeCore(limits);
      made.push(core);
      return core;
    });
    for (const core of made) core.verify();
  };
}
