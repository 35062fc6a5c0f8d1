// hub.join(): main waits until the loop has nothing left.

import { NIL, Place, Priority } from '../core/contract.ts';
import { GeventError } from '../exceptions.ts';
import type { Hub } from './hub.ts';
import { SingleUse } from './operation.ts';
import { waitingGreenlet } from './raw.ts';

export class JoinHub extends SingleUse<boolean> {
  readonly #timeoutMs: number | null;
  #slot = NIL;

  readonly #hub: Hub;

  constructor(hub: Hub, timeoutMs: number | null) {
    super();
    this.#hub = hub;
    this.#timeoutMs = timeoutMs === Infinity ? null : timeoutMs;
  }

  describe(): string {
    return 'Hub.join';
  }

  override get $home(): Hub {
    return this.#hub;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const me = waitingGreenlet();
    if (me !== me.$hub.main || hub !== this.#hub) {
      throw new GeventError('GEVENT_MAIN_ONLY', 'hub.join(): only possible from the MAIN greenlet');
    }
    this.#slot = slot;
    hub.joiners.add(this);
    if (this.#timeoutMs !== null) {
      hub.arm(slot, this.#timeoutMs, Priority.LATE);
      ++hub.unrefTimers;
    }
    return false;
  }

  /** The loop has nothing left. */
  wake(hub: Hub): void {
    const slot = this.#slot;
    if (slot === NIL || hub.core.place(slot) !== Place.LOOSE) return;
    if (hub.core.disarm(slot)) --hub.unrefTimers;
    this.#slot = NIL;
    hub.joiners.delete(this);
    hub.core.ready(slot);
  }

  complete(hub: Hub, _slot: number): boolean {
    // Still registered: it was the timer that woke it.
    if (this.#slot === NIL) return true;
    this.abandon(hub);
    return false;
  }

  override abandon(hub: Hub): void {
    if (this.#slot === NIL) return;
    this.#slot = NIL;
    hub.joiners.delete(this);
    if (this.#timeoutMs !== null) --hub.unrefTimers;
  }
}
