// Looking on while greenlets switch: tracers one upon the other, each of which can go in any order.

import { Word } from '../core/contract.ts';
import type { Hub, Tracer } from './hub.ts';

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
