// What guests know things of the host by: numbers of their own instance, so that a guest reaches what it was given and nothing else.

import { describe } from '../core/arguments.ts';
import { GuestError } from './errors.ts';

/** An object that has to be closed when nobody can close it any more. */
export interface Closes {
  close(): unknown;
}

/** The handles of one instance. The same object has the same handle for as long as it has one. */
export class Handles {
  readonly #name: string;
  readonly #objects: (object | null)[] = [null];
  readonly #numbers = new Map<object, number>();
  readonly #free: number[] = [];
  /** What the guest opened itself. */
  readonly #own = new Set<Closes>();

  constructor(name: string) {
    this.#name = name;
  }

  /** The object's number, given if it has none. */
  of(object: object): number {
    let handle = this.#numbers.get(object);
    if (handle !== undefined) return handle;
    handle = this.#free.pop() ?? this.#objects.length;
    this.#objects[handle] = object;
    this.#numbers.set(object, handle);
    return handle;
  }

  /** The same, for what the guest opened: closed with the instance. */
  opened(object: Closes): number {
    this.#own.add(object);
    return this.of(object);
  }

  /** @throws GuestError GEVENT_GUEST_HANDLE if there is none, or `is` says that it is of another kind */
  get<T extends object>(handle: number, is: (object: object) => object is T, what: string): T {
    const object = this.#objects[handle] ?? null;
    if (object !== null && is(object)) return object;
    const found = object === null ? 'names nothing' : `is ${describe(object)}`;
    throw new GuestError(
      'GEVENT_GUEST_HANDLE',
      `${this.#name}: expected the handle of ${what}, and ${handle} ${found}`,
    );
  }

  /** Forget a handle; what it stood for, or null. */
  drop(handle: number): object | null {
    const object = this.#objects[handle] ?? null;
    if (object === null) return null;
    this.#objects[handle] = null;
    this.#numbers.delete(object);
    this.#own.delete(object as Closes);
    this.#free.push(handle);
    return object;
  }

  /** How many there are. */
  get size(): number {
    return this.#numbers.size;
  }

  /** Close what the guest opened and left open, and forget everything. */
  clear(): void {
    for (const object of [...this.#own]) object.close();
    this.#own.clear();
    this.#numbers.clear();
    this.#objects.length = 1;
    this.#free.length = 0;
  }
}
