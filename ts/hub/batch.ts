// The loop that everything is measured by: take an entry from the ready ring, resume it, put it back if it yields.
//
// Its shape is V8's, found by measuring (ns a switch at 1 000 greenlets, a bare generator loop at 12.4):
//
//   - It *returns* after each batch. A function that loops for long is compiled where it stands (on-stack replacement), and
//     that code costs 18.5 where the same function, called often, costs 14.
//   - It is a closure over one hub, made once: the compiler then folds the hub, its core and tables into the code (16.5; as
//     a method 18.7). With several hubs in a process that is lost, and only that.
//   - The messages of protocol.ts are copied into constants of the closure: an import is a load from a cell at each use
//     (19.5 against 22), and a bundler that writes `var` for a module's constants makes them no constants (26).
//   - Generators are resumed by calling %GeneratorPrototype%.next itself; looked up on the generator it is megamorphic.

import { Word } from '../core/contract.ts';
import type { Hub } from './hub.ts';
import { PARK, RESUME, resumeBody, YIELD } from './protocol.ts';

const { HEAD, TAIL, MASK, BUDGET } = Word;
const NIL = -1;

/** How a pass or a batch of one ended. BATCH: the budget is used up, look at the clock. */
export const Pass = { EMPTY: 0, SETTLED: 1, TIME: 2, BATCH: 3 } as const;
const { EMPTY, BATCH } = Pass;

/** The loop of one hub. */
export function makeBatch(hub: Hub): () => number {
  const core = hub.core;
  const bodies = hub.bodies;
  const YIELDED = YIELD;
  const PARKED = PARK;
  const GO_ON = RESUME;
  const resume = resumeBody;

  /** A slot that is no suspended generator. Gives -1 when the loop may go on, or how the batch ended. */
  function runOther(slot: number): number {
    return hub.$fireSlot(slot) ? hub.$settled() : -1;
  }

  return function runBatch(): number {
    for (;;) {
      const words = core.words;
      const head = words[HEAD];
      if (head === words[TAIL]) return EMPTY;
      const left = words[BUDGET] - 1;
      words[BUDGET] = left;
      if (left < 0) return BATCH;
      let entry = core.ring[head];
      words[HEAD] = (head + 1) & words[MASK];
      if (entry < 0) {
        entry = hub.$notified(entry);
        if (entry === NIL) continue;
      }
      const body = bodies[entry];
      if (body === null) {
        const ended = runOther(entry);
        if (ended !== -1) return ended;
        continue;
      }
      hub.cur = entry;
      let result: IteratorResult<unknown, unknown>;
      try {
        result = resume.call(body, GO_ON);
      } catch (error) {
        hub.$threw(entry, error);
        if (hub.settledMain) return hub.$settled();
        continue;
      }
      // A generator driven by hand may have parked before: then the long way.
      if (result === YIELDED && hub.parking === null) {
        const now = core.words;
        const tail = now[TAIL];
        core.ring[tail] = entry;
        now[TAIL] = (tail + 1) & now[MASK];
      } else if (result === PARKED) {
        hub.parking = null;
      } else {
        hub.$after(entry, result as IteratorResult<never, unknown>);
        if (hub.settledMain) return hub.$settled();
        // A store or a tracer came into use: from here on with care.
        if (hub.slices !== null || hub.tracer !== null) return BATCH;
      }
    }
  };
}

/** The same while slices have contexts of their own or switches are traced: every entry goes the long way. */
export function runWithCare(hub: Hub): number {
  for (;;) {
    const { words } = hub.core;
    const head = words[HEAD];
    if (head === words[TAIL]) return EMPTY;
    if (--words[BUDGET] < 0) return BATCH;
    let entry = hub.core.ring[head];
    words[HEAD] = (head + 1) & words[MASK];
    if (entry < 0) {
      entry = hub.$notified(entry);
      if (entry === NIL) continue;
    }
    if (hub.$fireSlot(entry)) return hub.$settled();
  }
}
