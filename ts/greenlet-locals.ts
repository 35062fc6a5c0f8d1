// Where a greenlet keeps what is its own: the values of local objects, its context. Gone when it ends.

import type { RawGreenlet } from './hub/raw.ts';

export type Dict = Record<PropertyKey, unknown>;

/** What values can belong to. It remembers whose it gave last, so that a read costs no look-up while one greenlet runs. */
export class Keeper {
  /** @internal */ $locals: Locals | null = null;
  /** @internal Its values in $locals. */ $dict: Dict | null = null;

  /** @internal */
  $forget(locals: Locals): void {
    if (this.$locals !== locals) return;
    this.$locals = null;
    this.$dict = null;
  }
}

/** What one greenlet keeps, by the object it belongs to. An object that is dropped takes its values along. */
export class Locals {
  readonly #dicts = new WeakMap<object, Dict>();
  #objects: WeakRef<object>[] = [];
  #room = 16;

  get(object: object): Dict | undefined {
    return this.#dicts.get(object);
  }

  set(object: object, dict: Dict): void {
    this.#dicts.set(object, dict);
    if (this.#objects.length === this.#room) {
      this.#objects = this.#objects.filter((each) => each.deref() !== undefined);
      this.#room = Math.max(16, this.#objects.length * 2);
    }
    this.#objects.push(new WeakRef(object));
  }

  delete(object: object): void {
    this.#dicts.delete(object);
    if (object instanceof Keeper) object.$forget(this);
  }

  /** @internal Their greenlet has ended, or begins anew: nobody keeps them from the collector. */
  $end(): void {
    for (const each of this.#objects) {
      const object = each.deref();
      if (object instanceof Keeper) object.$forget(this);
    }
  }

  *[Symbol.iterator](): Generator<[object, Dict], void, undefined> {
    for (const each of this.#objects) {
      const object = each.deref();
      const dict = object === undefined ? undefined : this.#dicts.get(object);
      if (dict !== undefined) yield [object as object, dict];
    }
  }
}

/** Those of `greenlet`, made if need be. */
export function localsOf(greenlet: RawGreenlet): Locals {
  const more = greenlet.$extras();
  more.locals ??= new Locals();
  return more.locals as Locals;
}
