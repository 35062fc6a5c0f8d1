// The jspi backend: each greenlet is one call of a promising export, and the platform parks its stack while an import's
// promise is pending. The order is ours all the same: a guest that waits has a slot in the core, and its promise is settled
// when the slot's turn comes, one at a time; the loop then lets microtasks run before it goes on, as it does for async bodies.
//
// J1  between turns no guest runs; `running` is the slot of the one whose microtask runs
// J2  a promise that a guest waits for is always settled in the end: one that is dropped keeps its stack for good

import { Priority } from '../core/contract.ts';
import { setActive } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { isOperation, later, Operation } from '../hub/operation.ts';
import { Fired } from '../hub/protocol.ts';
import { until } from '../until.ts';
import { isThenable } from '../unwind.ts';
import { cannotSwitch, type Engine } from './engine.ts';
import { fromGuest, GuestError } from './errors.ts';
import type { GuestGreenlet } from './guest-greenlet.ts';

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
      this.#enter(g);
      try {
        g.instance.$useStack(g);
        ended = run(...args);
      } catch (error) {
        this.#left(g, false, error);
        return;
      } finally {
        this.#leave();
      }
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

  resume(g: GuestGreenlet, _slot: number): number {
    const go = g.$resolve;
    g.$resolve = null;
    go?.();
    return Fired.SETTLED;
  }

  raise(g: GuestGreenlet, error: unknown): void {
    g.$error = { error };
    const go = g.$resolve;
    g.$resolve = null;
    if (go !== null) go();
    this.hub.settledMain = true;
  }

  #enter(g: GuestGreenlet): void {
    this.running = g;
  }

  #leave(): void {
    this.running = null;
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
  blocking(
    fn: (...args: any[]) => unknown,
    what: string,
    sp: () => WebAssembly.Global | null,
  ): (...args: any[]) => unknown {
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
      const stack = sp()?.value as number | undefined;
      this.running = null;
      return new Promise<void>((resolve) => {
        g.$resolve = resolve;
      }).then(() => {
        this.running = g;
        if (stack !== undefined) (sp() as WebAssembly.Global).value = stack;
        g.$op = null;
        const error = g.$error;
        g.$error = null;
        return this.#as(g, () => {
          if (error === null) return op.complete(hub, slot);
          op.abandon(hub, slot);
          throw error.error;
        });
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
