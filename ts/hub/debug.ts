// Debug mode (GEVENT_DEBUG=1; always on in the test kit): operations that were made in a body and never consumed.
// `sleep(1);` without `yield*` does nothing at all, and nothing else would say so.

import type { Hub } from './hub.ts';
import { getcurrent, type RawGreenlet } from './raw.ts';

interface Made {
  readonly op: { describe(): string };
  readonly site: string;
}

export class Debug {
  readonly #hub: Hub;
  readonly #made = new Map<RawGreenlet, Made[]>();
  readonly #consumed = new WeakSet<object>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  created(op: { describe(): string }): void {
    const site = callSite();
    const by = getcurrent();
    // Main has no end at which to look, and hub callbacks cannot consume.
    if (by === this.#hub.main || by === this.#hub) return;
    const made = this.#made.get(by);
    if (made === undefined) this.#made.set(by, [{ op, site }]);
    else made.push({ op, site });
  }

  consumed(op: object): void {
    this.#consumed.add(op);
  }

  /** `g` has ended: report what it made and left. */
  ended(g: RawGreenlet): void {
    const made = this.#made.get(g);
    if (made === undefined) return;
    this.#made.delete(g);
    for (const { op, site } of made) {
      if (this.#consumed.has(op)) continue;
      this.#hub.report(
        `GEVENT_UNCONSUMED: ${op.describe()} was made in ${g} and never consumed, so it did nothing; write yield* or await before it\n${site}\n`,
      );
    }
  }
}

/** The first frames outside this library. */
function callSite(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 12;
  const lines = (new Error().stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = limit;
  const own = import.meta.url.replace(/hub\/debug\.[jt]s$/, '');
  const outside = lines.filter((line) => !line.includes(own) && !line.includes('node:internal'));
  return (outside.length > 0 ? outside : lines).slice(0, 3).join('\n');
}
