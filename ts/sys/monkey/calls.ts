// Functions that take a callback as their last argument, called without it: `yield* fs.readFile(path)`.
//
// The originals throw there, so no program that runs today can notice. What comes back is an operation, which only describes, as all of this
// library do: the platform is called when it is consumed.

import { promisify } from 'node:util';
import { ForeignWait } from '../../foreign.ts';
import type { Hub } from '../../hub/hub.ts';
import { dress, type Place, withSignal } from './promises.ts';

type AnyFunction = (...args: any[]) => any;

class PlatformCall extends ForeignWait<unknown> {
  readonly #what: string;
  readonly #call: (signal: AbortSignal | null) => PromiseLike<unknown>;
  readonly #controller: AbortController | null;
  #failed = false;
  #value: unknown;

  constructor(what: string, call: (signal: AbortSignal | null) => PromiseLike<unknown>, abortable: boolean) {
    super();
    this.#what = what;
    this.#call = call;
    this.#controller = abortable ? new AbortController() : null;
  }

  describe(): string {
    return this.#what;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    // Before the wait: what is wrong with the arguments is thrown here.
    const promise = this.#call(this.#controller?.signal ?? null);
    this.wait(hub, slot, null);
    promise.then(
      (value) => this.#settle(false, value),
      (error: unknown) => this.#settle(true, error),
    );
    return false;
  }

  #settle(failed: boolean, value: unknown): void {
    if (!this.expecting) return;
    this.#failed = failed;
    this.#value = value;
    this.happened();
  }

  complete(hub: Hub): unknown {
    this.unwait(hub);
    if (this.#failed) throw this.#value;
    return this.#value;
  }

  override abandon(hub: Hub, slot: number): void {
    super.abandon(hub, slot);
    this.#controller?.abort();
  }
}

/**
 * `original`, which needs a callback behind its other arguments; without one it gives an operation of what its promise form gives.
 * @param place - where it takes options with a `signal`, if it does: it is aborted when the waiter is killed or timed out
 */
export function withoutCallback<F extends AnyFunction>(name: string, original: F, place: Place | null = null): F {
  const promised = promisify(original) as AnyFunction;
  return dress(function (this: unknown, ...args: any[]): unknown {
    // Wherever a function stands last it is the callback, or the original says what is wrong.
    if (args.length === 0 || typeof args[args.length - 1] === 'function') return original.apply(this, args);
    const call = (signal: AbortSignal | null): PromiseLike<unknown> => {
      const all = signal === null ? null : withSignal(args, place as Place, signal);
      return promised.apply(this, all ?? args);
    };
    return new PlatformCall(name, call, place !== null);
  }, original);
}
