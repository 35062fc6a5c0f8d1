// shield: a section that kill and Timeout do not cut short. See hub/shielding.ts for who holds back what.

import { needFunction } from './core/arguments.ts';
import { Framed, makeOn } from './framed.ts';
import type { GeneratorBody, Greenlet, OtherBody } from './gevent-greenlet.ts';
import { debugging } from './hub/current.ts';
import { deliver } from './hub/drive.ts';
import type { Hub } from './hub/hub.ts';
import type { Operation } from './hub/operation.ts';
import type { Park } from './hub/protocol.ts';
import { type RawGreenlet, waitingGreenlet } from './hub/raw.ts';
import { flush, Shielding } from './hub/shielding.ts';
import { settle } from './unwind.ts';

function enter(greenlet: RawGreenlet): number {
  const more = greenlet.$extras();
  more.shield ??= new Shielding();
  return more.shield.enter();
}

/**
 * The section is over. If it ended well, gives the first of what waited for that, to be raised here and now; the rest, or all,
 * arrives at the next waits.
 */
function leave(greenlet: RawGreenlet, section: number, well: boolean): { error: unknown } | null {
  const more = greenlet.$extras();
  const shielding = more.shield as Shielding;
  shielding.leave(section);
  for (let bounds = more.deadline; bounds !== null; bounds = bounds.outer) bounds.$again();
  if (shielding.held.length === 0) return null;
  const hub = greenlet.$hub;
  const first = well ? shielding.take() : null;
  if (first !== null) {
    if (debugging) hub.debug.thrown(greenlet, first.error);
    greenlet.$abort(first.error);
  }
  if (shielding.held.length > 0) hub.loop.runCallback(flush, hub, greenlet, deliver);
  return first;
}

function* section(fn: (...args: any[]) => unknown, args: unknown[]): Generator<Park, any, any> {
  const greenlet = waitingGreenlet();
  const number = enter(greenlet);
  let well = false;
  let waited: { error: unknown } | null = null;
  let value: unknown;
  try {
    value = yield* settle(fn(...args));
    well = true;
  } finally {
    waited = leave(greenlet, number, well);
  }
  if (waited !== null) throw waited.error;
  return value;
}

class Shield<T> extends Framed<T> {
  readonly #fn: (...args: any[]) => any;
  readonly #args: unknown[];
  /** Who waits for the section by await; null: main, or it is a frame. */
  #caller: RawGreenlet | null = null;
  #section = 0;

  constructor(fn: (...args: any[]) => any, args: unknown[]) {
    super(`shield of ${fn.name || 'anonymous'}`, () => section(fn, args));
    this.#fn = fn;
    this.#args = args;
  }

  protected override child(hub: Hub): Greenlet<T> {
    const child = makeOn<T>(hub, this.#fn, this.#args);
    // It is the section itself: nothing cuts it short, from its start to its end.
    enter(child);
    child.start();
    return child;
  }

  override begin(hub: Hub, slot: number): boolean {
    const parked = super.begin(hub, slot);
    const caller = waitingGreenlet();
    if (caller !== hub.main) {
      this.#caller = caller;
      this.#section = enter(caller);
    }
    return parked;
  }

  override complete(hub: Hub, slot: number): T {
    let value: T;
    try {
      value = super.complete(hub, slot);
    } catch (error) {
      this.#leave(false);
      throw error;
    }
    const waited = this.#leave(true);
    if (waited !== null) throw waited.error;
    return value;
  }

  override abandon(hub: Hub, slot: number): void {
    super.abandon(hub, slot);
    this.#leave(false);
  }

  /** Nobody waits for it any more; it goes on to its end, and tells of its own error. */
  protected override left(child: Greenlet<T>): void {
    child.$quiet = false;
  }

  #leave(well: boolean): { error: unknown } | null {
    const caller = this.#caller;
    this.#caller = null;
    return caller === null ? null : leave(caller, this.#section, well);
  }
}

/**
 * Run `fn(...args)` as a section in which kills and Timeouts from outside wait: they arrive at its end, in the order they came, the
 * first in place of the section's value, the others at the waits that follow. Switch point if `fn` switches. Sections nest.
 *
 *     yield* shield(function* () {
 *       yield* connection.write(reply);    // goes out whole
 *       pool.giveBack(connection);
 *     });
 *
 * A blocking `kill()` waits until the section and then the greenlet has ended. A Timeout that is started inside works inside, so
 * `withTimeout` bounds what must not take for ever. If the section fails, its error goes first. A greenlet that kills itself, and
 * `throw()` of a raw switch, are not held back.
 *
 * In a generator body `fn` runs in the current greenlet; with `await` in one of its own. In main nothing is held back, but
 * the section goes on to its end.
 * @returns what `fn` gives
 * @throws TypeError if `fn` is not a function
 */
export function shield<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Operation<R>;
/** Run the async or plain function `fn(...args)` as a section in which kills and Timeouts wait: they arrive at its end. */
export function shield<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Operation<Awaited<R>>;
export function shield(fn: (...args: any[]) => unknown, ...args: unknown[]): Operation<any> {
  needFunction('shield(fn)', fn);
  return new Shield(fn, args);
}
