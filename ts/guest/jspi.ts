// The jspi backend: each greenlet is one call of a promising export, and the platform parks its stack while an import's
// promise is pending. The order is ours all the same: a guest that waits has a slot in the core, and its promise is settled
// when the slot's turn comes, one at a time; the loop then lets microtasks run before it goes on, as it does for async bodies.
//
// J1  between turns no guest runs; `running` is the slot of the one whose microtask runs
// J2  a promise that a guest waits for is always settled in the end: one that is dropped keeps its stack for good

import { NIL, Priority } from '../core/contract.ts';
import { setActive } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { isOperation, later, Operation } from '../hub/operation.ts';
import { Fired } from '../hub/protocol.ts';
import { until } from '../until.ts';
import { isThenable } from '../unwind.ts';
import { cannotSwitch, type Engine } from './engine.ts';
import { fromGuest, GuestError } from './errors.ts';
import type { GuestGreenlet } from './guest-greenlet.ts';

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

  constructor(hub: Hub) {
    this.hub = hub;
  }

  limit(stacks: number): void {
    this.#limit = Math.max(this.#limit, stacks);
  }

  /** Stacks in use. */
  get live(): number {
    return this.#stacks;
  }

  begin(g: GuestGreenlet, _slot: number): number {
    if (this.#stacks >= this.#limit) {
      g.$concluded(
        false,
        new GuestError('GEVENT_GUEST_STACKS', 'there are as many stacks as the limit allows (see maxStacks)'),
      );
      return Fired.DONE;
    }
    try {
      g.instance.$entered(g);
    } catch (error) {
      g.$concluded(false, error);
      return Fired.DONE;
    }
    const run = g.instance.$runOf(g);
    const { args } = g;
    ++this.#stacks;
    // In a microtask, as every later turn, so that guest code finds itself outside the loop each time.
    later(() => {
      if (g.dead) {
        --this.#stacks;
        return;
      }
      let ended: Promise<unknown>;
      this.running = g;
      try {
        g.instance.$useStack(g);
        ended = run(...args);
      } catch (error) {
        this.#left(g, false, error);
        return;
      }
      // Parked, or through: another may run.
      if (this.running === g) this.running = null;
      ended.then(
        (value) => this.#left(g, true, value),
        (error: unknown) => this.#left(g, false, fromGuest(g.$what, error)),
      );
    });
    return Fired.SETTLED;
  }

  #left(g: GuestGreenlet, ok: boolean, outcome: unknown): void {
    --this.#stacks;
    this.running = null;
    if (g.dead) return;
    const { hub } = this;
    hub.core.leave(g.$slot);
    g.$concluded(ok, outcome);
    hub.kick();
  }

  // The result is fetched here, in the loop, and settles the very promise that the platform waits for: one microtask later
  // the guest runs, and its end is known before the loop goes on, which is two later.
  resume(g: GuestGreenlet, slot: number): number {
    const { hub } = this;
    const op = g.$op as Operation<unknown>;
    g.$op = null;
    hub.cur = slot;
    let value: unknown;
    try {
      value = op.complete(hub, slot);
    } catch (error) {
      hub.cur = NIL;
      this.#go(g, false, error);
      return Fired.SETTLED;
    }
    hub.cur = NIL;
    this.#go(g, true, value);
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
    if (g.$settle !== null) this.#go(g, false, thrown);
    // It was to start in this very moment.
    else g.$concluded(false, thrown);
  }

  #go(g: GuestGreenlet, ok: boolean, outcome: unknown): void {
    const settle = g.$settle as Settle;
    g.$settle = null;
    this.running = g;
    g.instance.$useStack(g);
    if (ok) settle.resolve(outcome);
    else settle.reject(outcome);
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
      return fn();
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
      if (g === null) throw cannotSwitch(false, what);
      if (this.#below > 0) throw cannotSwitch(true, what);
      const slot = g.$slot;
      if (this.#as(g, () => op.begin(hub, slot))) return this.#as(g, () => op.complete(hub, slot));
      g.$op = op;
      hub.kick();
      g.instance.$keepStack(g);
      this.running = null;
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

const YIELDS = new GuestYield();

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
