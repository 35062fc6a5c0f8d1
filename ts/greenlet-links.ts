// Who is told of a greenlet's end: links, each a slot in the row of those who wait for it, and collectors, which need none.

import { Kind, NIL } from './core/contract.ts';
import type { Greenlet } from './gevent-greenlet.ts';
import { follow, start } from './hub/drive.ts';
import type { Hub } from './hub/hub.ts';
import { Fired, type Fires } from './hub/protocol.ts';
import { RawGreenlet, type RawRun, type SliceContext, State } from './hub/raw.ts';
import { isAsync } from './unwind.ts';

/** A function in the list of those who wait for a greenlet. */
export class Link implements Fires<Hub> {
  readonly callback: (greenlet: any) => unknown;
  protected readonly greenlet: Greenlet<any>;
  /** @internal The async context of where it was linked. */ context: SliceContext | null = null;
  #slot = NIL;

  constructor(greenlet: Greenlet<any>, callback: (greenlet: any) => unknown) {
    this.greenlet = greenlet;
    this.callback = callback;
  }

  attach(): void {
    const { greenlet } = this;
    const hub = greenlet.$hub;
    const row = greenlet.$latch();
    try {
      this.#slot = hub.take(Kind.LINK, this);
    } catch (error) {
      greenlet.$unlatch();
      throw error;
    }
    hub.core.park(this.#slot, row);
    if (greenlet.$state === State.DEAD) hub.kick();
  }

  detach(): void {
    const slot = this.#slot;
    if (slot === NIL) return;
    this.#slot = NIL;
    const hub = this.greenlet.$hub;
    hub.core.leave(slot);
    hub.release(slot);
    this.greenlet.$more?.links?.delete(this);
    this.greenlet.$unlatch();
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    this.#slot = NIL;
    hub.release(slot);
    this.greenlet.$more?.links?.delete(this);
    if (hub.slices === null) this.call(hub);
    else hub.slices.call(this.context, () => this.call(hub));
    return Fired.DONE;
  }

  protected call(hub: Hub): void {
    hub.callback([this.callback, this.greenlet], this.callback, [this.greenlet]);
  }
}

/** Who collects greenlets as they end: joinall and wait. */
export interface Collector {
  /** It has ended, and this is the turn of those who wait for that. True if somebody was woken, and is the next to run. */
  found(greenlet: Greenlet<any>): boolean;
}

/** One that is told by the greenlet itself, without a link, while it is the only one who waits. */
export interface SoleCollector extends Collector {
  /** It has ended; those who wait for that have not had their turn yet. True: `found` is to be called in that turn. */
  ended(greenlet: Greenlet<any>): boolean;
  /** It is not the only one any more: this link takes its place. */
  linked(link: Link): void;
}

const nothing = () => {};

/** Tells a collector. One small object a greenlet, in no list but the core's. */
export class CollectLink extends Link {
  readonly #collector: Collector;

  constructor(greenlet: Greenlet<any>, collector: Collector) {
    super(greenlet, nothing);
    this.#collector = collector;
  }

  protected override call(): void {
    this.#collector.found(this.greenlet);
  }
}

/** Have `collector` told of the end of `greenlet`, in its place among those who were there before. */
export function collectEnd(greenlet: Greenlet<any>, collector: SoleCollector): void {
  if (greenlet.$isFree) {
    greenlet.$collector = collector;
    return;
  }
  const link = new CollectLink(greenlet, collector);
  link.attach();
  collector.linked(link);
}

/** Runs its function in a raw greenlet of its own, switched to at its place in the order. */
export class SpawnedLink extends Link {
  protected override call(hub: Hub): void {
    if (isAsync(this.callback)) {
      hub.spawn(this.callback as (g: unknown) => Promise<unknown>, this.greenlet);
      return;
    }
    const raw = new LinkRunner(this.callback, this.greenlet);
    if (this.context !== null) raw.$extras().context = this.context;
    const next = start(hub, raw, [this.greenlet]);
    follow(hub, next, hub.takeThrown());
    hub.cur = NIL;
    hub.aside = hub;
  }
}

/** The raw greenlet of a link. Its failure is reported as the link's. */
class LinkRunner extends RawGreenlet {
  readonly #callback: unknown;
  readonly #greenlet: Greenlet<any>;

  constructor(callback: RawRun, greenlet: Greenlet<any>) {
    super(callback, greenlet.$hub, greenlet.$hub);
    this.#callback = callback;
    this.#greenlet = greenlet;
  }

  override $failed(error: unknown): boolean {
    this.$end();
    this.$hub.$route([this.#callback, this.#greenlet], error);
    return false;
  }
}

export class ValueLink extends SpawnedLink {
  protected override call(hub: Hub): void {
    if (this.greenlet.successful()) super.call(hub);
  }
}

export class ExceptionLink extends SpawnedLink {
  protected override call(hub: Hub): void {
    if (!this.greenlet.successful()) super.call(hub);
  }
}
