// How calls of several greenlets on one file follow each other: a call is a body of its own, which may have its result without waiting.

import { Framed } from '../framed.ts';
import { active, debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { type Park, RESUME } from '../hub/protocol.ts';
import { limitMs } from '../limit.ts';
import { SocketTimeout } from '../net/errors.ts';
import { type Limit, Timeout } from '../timeout.ts';

export type Frame<T> = Generator<Park, T, any>;

/** Run `body` for as long as `limit` allows; seconds that are over are a SocketTimeout, a Timeout raises its own. */
export function* within<T>(limit: Limit | undefined, body: () => Frame<T>): Frame<T> {
  if (limit === undefined || limit === null) return yield* body();
  const own =
    limit instanceof Timeout ? limit : new Timeout((limitMs(limit, 'timeout') as number) / 1000, new SocketTimeout());
  const started = !own.pending;
  if (started) own.start();
  try {
    return yield* body();
  } finally {
    if (started) own.cancel();
  }
}

/** A call that takes its turn; at once, if what it wants is here. */
export class Turn<R> extends Framed<R> {
  readonly #now: () => R | null;
  #found: { value: R } | null = null;

  /** @param now - the result, if it can be had without waiting, else null */
  constructor(what: string, frame: () => Frame<R>, now: () => R | null) {
    super(what, frame);
    this.#now = now;
  }

  override next(sent?: unknown): IteratorResult<Park, R> {
    if (sent !== RESUME && active !== null) {
      const now = this.#now();
      if (now !== null) {
        this.use();
        if (debugging) active.debug.consumed(this);
        return { done: true, value: now };
      }
    }
    return super.next(sent);
  }

  override begin(hub: Hub, slot: number): boolean {
    const now = this.#now();
    if (now === null) return super.begin(hub, slot);
    this.use();
    this.#found = { value: now };
    return true;
  }

  override complete(hub: Hub, slot: number): R {
    return this.#found === null ? super.complete(hub, slot) : this.#found.value;
  }
}
