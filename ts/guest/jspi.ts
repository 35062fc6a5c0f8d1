// The jspi backend: each greenlet is one call of a promising export, and the platform parks its stack while an import's
// promise is pending. The order is ours all the same: a guest that waits has a slot in the core, and its promise is settled
// when the slot's turn comes, one at a time; the loop then waits, letting microtasks run, until the guest parks or ends.
//
// J1  `running` is the guest that runs, from its turn until it parks or ends, and hub.held is true just then
// J2  a promise that a guest waits for is always settled in the end: one that is dropped keeps its stack for good

import { NIL, Priority } from '../core/contract.ts';
import { HubDestroyed } from '../exceptions.ts';
import { debugging, kept, setActive } from '../hub/current.ts';
import { NOTHING, traced } from '../hub/drive.ts';
import type { Hub } from '../hub/hub.ts';
import { isOperation, later, Operation } from '../hub/operation.ts';
import { Fired, type Fires } from '../hub/protocol.ts';
import type { RawGreenlet } from '../hub/raw.ts';
import { until } from '../until.ts';
import { isThenable } from '../unwind.ts';
import { cannotSwitch, type Engine } from './engine.ts';
import { fromGuest } from './errors.ts';
import type { GuestGreenlet } from './guest-greenlet.ts';
import { giveStack, noStack, takeStack } from './stacks.ts';

/** Ends the wait of an import. */
export interface Settle {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export class JspiEngine implements Engine {
  readonly backend = 'jspi' as const;
  readonly hub: Hub;
  /** J1 */
  running: GuestGreenlet | null = null;
  /** JavaScript frames of imports below which nothing may switch. */
  #below = 0;
  #limit = 0;
  #stacks = 0;
  readonly #guests = new Set<GuestGreenlet>();

  constructor(hub: Hub) {
    this.hub = hub;
    // J2
    hub.closers.push(() => {
      for (const g of this.#guests) {
        if (g.$settle === null) continue;
        hub.withdraw(g.$slot);
        this.raise(g, new HubDestroyed('the hub is destroyed'));
      }
    });
  }

  limit(stacks: number): void {
    this.#limit = Math.max(this.#limit, stacks);
  }

  /** Stacks in use. */
  get live(): number {
    return this.#stacks;
  }

  begin(g: GuestGreenlet, _slot: number): number {
    try {
      g.instance.$entered(g);
      if (this.#stacks >= this.#limit || !takeStack()) throw noStack(this.#limit);
    } catch (error) {
      g.$concluded(false, error);
      return Fired.DONE;
    }
    this.#guests.add(g);
    const run = g.instance.$runOf(g);
    const args = g.instance.$handed(g.args);
    ++this.#stacks;
    this.#enter(g);
    // In a microtask, as every later turn, so that guest code finds itself outside the loop each time.
    later(() => {
      let ended: Promise<unknown>;
      try {
        ended = run(...args);
      } catch (error) {
        this.#left(g, false, error);
        return;
      }
      ended.then(
        (value) => this.#left(g, true, value),
        (error: unknown) => this.#left(g, false, fromGuest(g.$what, error)),
      );
    });
    return Fired.SETTLED;
  }

  /** It runs from now on, and the loop waits for it. */
  #enter(g: GuestGreenlet): void {
    const { hub } = this;
    this.running = g;
    hub.held = true;
    g.instance.shadows?.use(g);
    if (hub.tracer !== null) this.#trace(hub, g);
  }

  /** It has parked, or is through. */
  #leave(g: GuestGreenlet): void {
    const { hub } = this;
    this.running = null;
    hub.held = false;
    if (hub.tracer !== null) this.#trace(g, hub);
  }

  #trace(from: RawGreenlet, to: RawGreenlet): void {
    const fault = traced(this.hub, 'switch', from, to);
    if (fault !== NOTHING) this.hub.$route(to, fault);
  }

  #left(g: GuestGreenlet, ok: boolean, outcome: unknown): void {
    --this.#stacks;
    giveStack();
    this.#guests.delete(g);
    this.#leave(g);
    g.$concluded(ok, outcome);
    this.hub.kick();
  }

  // The result is fetched here, in the loop, and settles the very promise that the platform waits for: one microtask later
  // the guest runs, and its end is known before the loop goes on, which is two later.
  resume(g: GuestGreenlet, slot: number): number {
    const { hub } = this;
    const op = g.$op as Operation<unknown>;
    g.$op = null;
    hub.cur = slot;
    try {
      const value = op.complete(hub, slot);
      hub.cur = NIL;
      this.#go(g, true, value);
    } catch (error) {
      hub.cur = NIL;
      this.#go(g, false, error);
    }
    return Fired.SETTLED;
  }

  raise(g: GuestGreenlet, error: unknown): void {
    const { hub } = this;
    const op = g.$op;
    g.$op = null;
    let thrown = error;
    try {
      op?.abandon(hub, g.$slot);
    } catch (e) {
      thrown = e;
    }
    hub.settledMain = true;
    this.#go(g, false, thrown);
  }

  #go(g: GuestGreenlet, ok: boolean, outcome: unknown): void {
    const settle = g.$settle as Settle;
    g.$settle = null;
    this.#enter(g);
    if (ok) settle.resolve(outcome);
    else settle.reject(outcome);
  }

  runs(g: GuestGreenlet): boolean {
    return this.running === g;
  }

  stackOf(g: GuestGreenlet): number {
    return g.$sp;
  }

  ownerOf(slot: number): Fires<Hub> {
    return this.hub.owners[slot];
  }

  /** Call `fn` as the running greenlet. */
  #as<T>(g: GuestGreenlet | null, fn: () => T): T {
    const { hub } = this;
    if (g === null) return fn();
    const { cur, aside } = hub;
    const before = hub.activate();
    hub.cur = g.$slot;
    ++this.#below;
    try {
      return hub.slices === null ? fn() : hub.slices.call(g.$more?.context ?? null, fn);
    } finally {
      --this.#below;
      hub.cur = cur;
      hub.aside = aside;
      setActive(before);
    }
  }

  plain(fn: (...args: any[]) => unknown): (...args: any[]) => unknown {
    return (...args) => this.#as(this.running, () => fn(...args));
  }

  /** What `Suspending` wraps. */
  blocking(fn: (...args: any[]) => unknown, what: string): (...args: any[]) => unknown {
    const { hub } = this;
    return (...args) => {
      const g = this.running;
      const outcome = this.#as(g, () => fn.apply(g ?? undefined, args));
      const op = isOperation(outcome) ? outcome : isThenable(outcome) ? until(outcome) : null;
      if (op === null) return outcome;
      if (debugging) hub.debug.consumed(op);
      if (g === null) throw cannotSwitch(false, what);
      if (this.#below > 0) throw cannotSwitch(true, what);
      const slot = g.$slot;
      if (this.#as(g, () => op.begin(hub, slot))) return this.#as(g, () => op.complete(hub, slot));
      g.$op = op;
      hub.kick();
      g.instance.shadows?.keep(g);
      this.#leave(g);
      return new Promise((resolve, reject) => {
        g.$settle = { resolve, reject };
      });
    };
  }

  yielding(): Operation<void> {
    return YIELDS;
  }

  sleeping(seconds: number): Operation<void> {
    if (Number.isNaN(seconds)) throw new RangeError('sleep(seconds): expected a number of seconds, got NaN');
    return seconds <= 0 ? YIELDS : new GuestSleep(seconds * 1000);
  }
}

class GuestYield extends Operation<void> {
  describe(): string {
    return 'yield';
  }

  begin(hub: Hub, slot: number): boolean {
    hub.core.ready(slot);
    return false;
  }

  complete(): void {}
}

const YIELDS = kept(() => new GuestYield());

class GuestSleep extends Operation<void> {
  readonly #ms: number;

  constructor(ms: number) {
    super();
    this.#ms = ms;
  }

  describe(): string {
    return `sleep(${this.#ms / 1000})`;
  }

  begin(hub: Hub, slot: number): boolean {
    hub.arm(slot, this.#ms, Priority.NORMAL);
    return false;
  }

  complete(): void {}
}
