// Entry `gevent-wasm/greenlet`: the primitive, under the names of Python's greenlet package.

import { Word } from './core/contract.ts';
import type { Tracer } from './hub/hub.ts';
import { getHub } from './hub.ts';

export { GreenletError as error, GreenletExit } from './exceptions.ts';
export { getcurrent, RawGreenlet as greenlet, SwitchOperation } from './hub/raw.ts';

/**
 * Have `tracer(event, origin, target)` called after each transfer of control; null: no more. Gives the one before.
 * `event` is `'switch'` or `'throw'`.
 * @see `greenlet.settrace`, the source.
 */
export function settrace(tracer: Tracer | null): Tracer | null {
  if (tracer !== null && typeof tracer !== 'function')
    throw new TypeError('settrace(tracer): expected a function or null');
  const hub = getHub();
  const before = hub.tracer;
  hub.tracer = tracer;
  // The loop looks for a tracer between its batches: this ends the one that runs.
  hub.core.words[Word.BUDGET] = 0;
  return before;
}

/** The tracer in force, or null. */
export function gettrace(): Tracer | null {
  return getHub().tracer;
}
