// A block of a program that an operation runs: in a generator body on its greenlet's own stack, by await in a greenlet of its own.

import { Greenlet } from './gevent-greenlet.ts';
import { active, debugging, setActive } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { type Operation, SingleUse } from './hub/operation.ts';
import { type Body, CALL, type Park, RESUME } from './hub/protocol.ts';

/** A greenlet of `hub` that was not started. */
export function makeOn<T>(hub: Hub, fn: (...args: any[]) => any, args: unknown[]): Greenlet<T> {
  const before = hub.activate();
  try {
    return new Greenlet<T>(fn, ...args);
  } finally {
    setActive(before);
  }
}

/** A generator run as a frame in a generator body, as a greenlet of its own elsewhere. */
export class Framed<T> extends SingleUse<T> {
  readonly #what: string;
  readonly #frame: () => Generator<Park, T, any>;
  #child: Greenlet<T> | null = null;
  #get: Operation<T> | null = null;

  constructor(what: string, frame: () => Generator<Park, T, any>) {
    super();
    this.#what = what;
    this.#frame = frame;
  }

  /** What runs where there are no frames; queued. */
  protected child(hub: Hub): Greenlet<T> {
    return hub.spawn(this.#frame) as Greenlet<T>;
  }

  describe(): string {
    return this.#what;
  }

  override next(sent?: unknown): IteratorResult<Park, T> {
    const hub = active;
    if (hub === null) return super.next(sent);
    if (sent === RESUME) return { done: true, value: hub.takeFrameValue() as T };
    this.use();
    if (debugging) hub.debug.consumed(this);
    hub.callee = this.#frame() as Body;
    return CALL;
  }

  // Its frame has had the exception already.
  override throw(error: unknown): IteratorResult<Park, T> {
    throw error;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const child = this.child(hub);
    // Its failure is ours to tell.
    child.$quiet = true;
    this.#child = child;
    this.#get = child.get();
    if (debugging) hub.debug.consumed(this.#get);
    return this.#get.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): T {
    return (this.#get as Operation<T>).complete(hub, slot);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#get?.abandon(hub, slot);
    if (this.#child !== null) this.left(this.#child);
  }

  /** The wait was given up. */
  protected left(child: Greenlet<T>): void {
    child.kill({ block: false });
  }
}
