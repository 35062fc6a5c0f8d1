// sleep and idle: the two ways to let others run.

import { needOptions } from './core/arguments.ts';
import { type Seconds, toMs } from './core/clock.ts';
import { NIL, Priority } from './core/contract.ts';
import { active, debugging, kept } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Operation, RowWait } from './hub/operation.ts';
import { DONE, type Park, RESUME, YIELD } from './hub/protocol.ts';

/** sleep(0). Holds no state, so one object serves everybody; `next` is all there is to a yield. */
function makeYield(): { Yield: new () => Operation<void>; zero: Operation<void> } {
  // Constants of the closure: see batch.ts.
  const GO_ON = RESUME;
  const YIELDED = YIELD;
  const NOTHING_MORE = DONE;

  class Yield extends Operation<void> {
    describe(): string {
      return 'sleep(0)';
    }

    override next(sent?: unknown): IteratorResult<Park, void> {
      if (sent === GO_ON) return NOTHING_MORE;
      if (active !== null && active.cur !== NIL && this === zero) return YIELDED;
      return super.next(sent);
    }

    begin(hub: Hub, slot: number): boolean {
      hub.core.ready(slot);
      return false;
    }

    complete(): void {}
  }

  const zero = kept(() => new Yield());
  return { Yield, zero };
}

const { Yield, zero } = makeYield();

/** Holds only its length; the deadline is the core's. So equal ones can be one object, too. */
class Sleep extends Operation<void> {
  readonly ms: number;

  constructor(ms: number) {
    super();
    this.ms = ms;
  }

  describe(): string {
    return `sleep(${this.ms / 1000})`;
  }

  begin(hub: Hub, slot: number): boolean {
    hub.arm(slot, this.ms, Priority.NORMAL);
    return false;
  }

  complete(_hub?: Hub): void {}
}

/** A sleep that does not keep the loop going. */
class UnrefSleep extends Sleep {
  override begin(hub: Hub, slot: number): boolean {
    if (this.ms !== Infinity) ++hub.unrefTimers;
    return super.begin(hub, slot);
  }

  override complete(hub?: Hub): void {
    if (hub !== undefined && this.ms !== Infinity) --hub.unrefTimers;
  }

  override abandon(hub: Hub): void {
    this.complete(hub);
  }
}

let last = kept(() => new Sleep(1000));

/**
 * Let others run, for at least `seconds`. Switch point, always: `sleep()` puts the greenlet behind all that are ready now.
 *
 * @param seconds - 0 or less: only behind the ready ones; Infinity: until killed. A Temporal.Duration is taken as well
 * @param options.ref - false: `wait()` and `hub.join()` do not wait for this sleep. Default true
 * @throws TypeError if `seconds` is no number of seconds, RangeError if it is NaN
 * @see `gevent.sleep`, the source.
 */
export function sleep(seconds: Seconds = 0, options?: { ref?: boolean }): Operation<void> {
  if (options !== undefined) needOptions('sleep(options)', options, ['ref']);
  if (seconds === 0 && !debugging) return zero;
  const ms = typeof seconds === 'number' && !Number.isNaN(seconds) ? seconds * 1000 : toMs(seconds, 'sleep(seconds)');
  if (ms <= 0) return debugging ? new Yield() : zero;
  if (options?.ref === false) return new UnrefSleep(ms);
  if (last.ms === ms && !debugging) return last;
  last = new Sleep(ms);
  return last;
}

class Idle extends RowWait<void> {
  readonly #priority: number;
  #stop: (() => void) | null = null;

  constructor(priority: number) {
    super();
    this.#priority = priority;
  }

  describe(): string {
    return 'idle';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const watcher = hub.loop.idle({ priority: this.#priority });
    this.wait(hub, slot, null);
    watcher.start(() => {
      watcher.close();
      this.wake(hub, false);
    });
    this.#stop = () => watcher.close();
    return false;
  }

  complete(hub: Hub): void {
    this.abandon(hub);
  }

  override abandon(hub: Hub): void {
    this.#stop?.();
    this.unwait(hub);
  }
}

/**
 * Wait until nothing else is ready or due. Switch point, always.
 * @param priority - of the wait among other idle ones, 2 (first) to -2. Default 0
 * @see `gevent.idle`, the source.
 */
export function idle(priority = 0): Operation<void> {
  return new Idle(priority);
}
