// Looking on while greenlets switch: tracers one upon the other, each of which can go in any order.

import { Word } from '../core/contract.ts';
import { active, threadHub } from './current.ts';
import type { Hub, Tracer } from './hub.ts';
import { RawGreenlet } from './raw.ts';

/** Have `tracer` called besides the one in force; gives what ends that. */
export function addTracer(hub: Hub, tracer: Tracer): () => void {
  const before = hub.tracer;
  let on = true;
  const chained: Tracer = (event, origin, target) => {
    before?.(event, origin, target);
    if (on) tracer(event, origin, target);
  };
  hub.tracer = chained;
  // The loop looks for a tracer between its batches: this ends the one that runs.
  hub.core.words[Word.BUDGET] = 0;
  return () => {
    on = false;
    if (hub.tracer === chained) hub.tracer = before;
  };
}

/**
 * Have `tracer(event, origin, target)` called after each transfer of control; null: no more. Gives the one before.
 * `event` is `'switch'` or `'throw'`.
 * @see `greenlet.settrace`, the source.
 */
export function settrace(tracer: Tracer | null): Tracer | null {
  if (tracer !== null && typeof tracer !== 'function')
    throw new TypeError('settrace(tracer): expected a function or null');
  const hub = active ?? threadHub();
  const before = hub.tracer;
  hub.tracer = tracer;
  // The loop looks for a tracer between its batches: this ends the one that runs.
  hub.core.words[Word.BUDGET] = 0;
  return before;
}

/** The tracer in force, or null. */
export function gettrace(): Tracer | null {
  return (active ?? threadHub()).tracer;
}

// Also under the class, as in greenlet.
Object.assign(RawGreenlet, { settrace, gettrace });
