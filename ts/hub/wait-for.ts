// hub.wait(watcher): a greenlet waits until a watcher of the loop fires.

import { ConcurrentObjectUseError } from '../exceptions.ts';
import type { Hub } from './hub.ts';
import { RowWait } from './operation.ts';
import type { Watcher } from './watcher.ts';

/** Who waits for which watcher. */
const waits = new WeakMap<Watcher, WaitFor>();

export class WaitFor extends RowWait<void> {
  readonly #watcher: Watcher;
  #failure: { error: unknown } | null = null;

  constructor(watcher: Watcher) {
    super();
    this.#watcher = watcher;
  }

  /** True if somebody waits for it and will hear `error`. */
  static cancel(hub: Hub, watcher: Watcher | null, error: unknown, close: boolean): boolean {
    const wait = watcher === null ? undefined : waits.get(watcher);
    const waited = wait !== undefined && wait.#failure === null;
    if (waited) {
      wait.#failure = { error };
      wait.wake(hub, false);
    }
    if (close) watcher?.close();
    return waited;
  }

  describe(): string {
    return `wait for ${this.#watcher}`;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const watcher = this.#watcher;
    if (watcher.active || waits.has(watcher)) {
      throw new ConcurrentObjectUseError(`hub.wait(watcher): ${watcher} is in use already`);
    }
    this.wait(hub, slot, null);
    try {
      watcher.start(() => this.wake(hub, true));
    } catch (error) {
      hub.core.leave(slot);
      this.unwait(hub);
      throw error;
    }
    waits.set(watcher, this);
    return false;
  }

  complete(hub: Hub): void {
    this.abandon(hub);
    if (this.#failure !== null) throw this.#failure.error;
  }

  override abandon(hub: Hub): void {
    this.unwait(hub);
    waits.delete(this.#watcher);
    this.#watcher.stop();
  }
}
