// An order: it acts when it is called, and the operation it gives only waits for the outcome. For what must not get lost
// because somebody forgot to consume it: bind, listen, a server's start and stop.

import { ForeignWait } from '../foreign.ts';
import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import type { Park } from '../hub/protocol.ts';
import { hubHere } from '../limit.ts';

export class Order<T> extends ForeignWait<T> {
  readonly #what: string;
  #settled = false;
  #error: unknown;
  #failed = false;
  #value: T | undefined;
  #heard = false;
  readonly #followers: Order<T>[] = [];

  constructor(what: string) {
    super();
    this.#what = what;
    if (debugging) hubHere().debug.consumed(this);
  }

  /** One that is carried out already. */
  static done<T>(what: string, value: T): Order<T> {
    const order = new Order<T>(what);
    order.settle(value);
    return order;
  }

  /** Somebody waits, or has waited, for it. */
  get heard(): boolean {
    return this.#heard;
  }

  /** Have `other` share the outcome. */
  follow(other: Order<T>): void {
    if (this.#settled) this.#tell(other);
    else this.#followers.push(other);
  }

  #tell(other: Order<T>): void {
    if (this.#failed) other.fail(this.#error);
    else other.settle(this.#value as T);
  }

  describe(): string {
    return this.#what;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** It is carried out. */
  settle(value: T): void {
    this.#value = value;
    this.#over();
  }

  /** It cannot be carried out. */
  fail(error: unknown): void {
    this.#error = error;
    this.#failed = true;
    this.#over();
  }

  #over(): void {
    if (this.#settled) return;
    this.#settled = true;
    for (const other of this.#followers.splice(0)) this.#tell(other);
    this.happened();
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#heard = true;
    if (this.#settled) return true;
    this.wait(hub, slot, null);
    return false;
  }

  complete(hub: Hub): T {
    this.unwait(hub);
    if (this.#failed) throw this.#error;
    return this.#value as T;
  }
}

/** Have `body` run in a greenlet of its own, as an order: a failure that nobody waits for is reported. */
export function carryOut<T>(hub: Hub, what: string, body: () => Generator<Park, T, any>): Order<T> {
  const order = new Order<T>(what);
  const work = hub.spawn(body);
  work.$quiet = true;
  work.rawlink((done) => {
    if (done.successful()) return order.settle(done.value as T);
    if (!order.heard) hub.$route(done, done.exception);
    order.fail(done.exception);
  });
  return order;
}
