// A function that waits for its turn in the ready ring and runs in the hub's own context.

import { describe } from '../core/arguments.ts';
import { Kind, NIL } from '../core/contract.ts';
import type { Hub } from './hub.ts';
import { Fired, type Fires } from './protocol.ts';
import type { SliceContext } from './raw.ts';

export type AnyFunction = (...args: any[]) => unknown;

/** A function waiting for its turn in the ready ring. @see gevent's `loop.run_callback` */
export class Callback implements Fires<Hub> {
  callback: AnyFunction | null;
  args: unknown[] | null;
  readonly #hub: Hub;
  #slot: number;
  #running: AnyFunction | null = null;
  readonly #context: SliceContext | null;

  /** @internal */
  constructor(hub: Hub, fn: AnyFunction, args: unknown[]) {
    this.#hub = hub;
    this.callback = fn;
    this.args = args;
    this.#context = hub.slices?.capture() ?? null;
    this.#slot = hub.take(Kind.CALLBACK, this);
    hub.core.ready(this.#slot);
    hub.kick();
  }

  /** True until just before it runs. */
  get pending(): boolean {
    return this.#slot !== NIL;
  }

  /** True while it is pending or running. */
  get active(): boolean {
    return this.args !== null;
  }

  /** Never run it. Harmless when it has run. */
  stop(): void {
    const slot = this.#slot;
    if (slot !== NIL) {
      this.#slot = NIL;
      this.#hub.core.unready(slot);
      this.#hub.release(slot);
    }
    this.callback = this.args = null;
  }

  close(): void {
    this.stop();
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    this.#slot = NIL;
    hub.release(slot);
    const { callback, args } = this;
    this.#running = callback;
    this.callback = null;
    if (hub.slices === null) hub.callback(this, callback as AnyFunction, args as unknown[]);
    else hub.slices.call(this.#context, () => hub.callback(this, callback as AnyFunction, args as unknown[]));
    this.args = this.#running = null;
    return Fired.DONE;
  }

  toString(): string {
    const fn = this.callback ?? this.#running;
    if (fn === null) return '<callback stopped>';
    return `<callback ${fn.name || 'anonymous'} args=(${(this.args ?? []).map(describe).join(', ')})>`;
  }
}
