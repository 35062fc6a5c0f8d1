// Operations as guests have them: the result is a number, and so is an error that the guest is told of.

import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { Operation } from '../hub/operation.ts';

/** An operation, made when it is to begin, whose value or error becomes a number. */
export class Answer<T> extends Operation<number> {
  readonly #make: () => Operation<T>;
  readonly #told: (value: T) => number;
  /** Throws what is not the guest's to hear. */
  readonly #failed: (error: unknown) => number;
  #op: Operation<T> | null = null;
  #early: number | null = null;

  constructor(make: () => Operation<T>, told: (value: T) => number, failed: (error: unknown) => number) {
    super();
    this.#make = make;
    this.#told = told;
    this.#failed = failed;
  }

  describe(): string {
    return this.#op?.describe() ?? 'an import of gevent';
  }

  begin(hub: Hub, slot: number): boolean {
    try {
      const op = this.#make();
      this.#op = op;
      if (debugging) hub.debug.consumed(op);
      return op.begin(hub, slot);
    } catch (error) {
      this.#early = this.#failed(error);
      return true;
    }
  }

  complete(hub: Hub, slot: number): number {
    if (this.#early !== null) return this.#early;
    let value: T;
    try {
      value = (this.#op as Operation<T>).complete(hub, slot);
    } catch (error) {
      return this.#failed(error);
    }
    return this.#told(value);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#op?.abandon(hub, slot);
  }
}

/** For an operation none of whose errors is the guest's to hear. */
export function rethrow(error: unknown): never {
  throw error;
}
