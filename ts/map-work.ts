// Items on their way through the members of a group: what map and imap have in common.
//
// Each item is run by a greenlet of its own, as many at once as there is room for. They are made by a crowd, if they can be: see there.
//
//   M1  an item that was begun has a result: what fn gave, its error, or the GreenletExit its greenlet was killed with
//   M2  the error of an item is reported when it happens, as any greenlet's, and raised by position
//   M3  who waits for the last result finds the group without its greenlet: it is given when the group is told of the end

import { Crowd, ItemEnd, mayCrowd } from './crowd.ts';
import { SpawnedGreenlet } from './gevent-greenlet.ts';
import type { Group } from './group.ts';
import { active, threadHub } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { RowWait, SingleUse } from './hub/operation.ts';
import type { Park } from './hub/protocol.ts';

// A constant of this file: see hub/raw.ts.
const NIL = -1;

/** What an iterable or an item's function threw. */
export interface Failure {
  readonly error: unknown;
}

/** Items, one taken ahead so that their end is known, and who is told of their results. */
export abstract class Work {
  readonly fn: (...args: any[]) => unknown;
  /** An item is a list of arguments. */
  readonly spread: boolean;
  /** The next item, if there is `more`. */
  item: unknown = undefined;
  /** There is an item that nobody has begun. */
  more = true;
  /** And it may be begun now. */
  mayBegin = true;
  /** Items begun: the position of the next. */
  begun = 0;
  /** What the iterable threw. */
  failure: Failure | null = null;
  waiter: Waiting | null = null;
  /** An array needs no iterator. */
  readonly #list: unknown[] | null;
  readonly #items: Iterator<unknown> | null;

  constructor(fn: (...args: any[]) => unknown, items: Iterable<unknown>, spread: boolean) {
    this.fn = fn;
    this.spread = spread;
    this.#list = Array.isArray(items) ? items : null;
    this.#items = this.#list === null ? items[Symbol.iterator]() : null;
    this.#lookAhead();
  }

  #lookAhead(): void {
    const list = this.#list;
    if (list !== null) {
      this.more = this.mayBegin = this.begun < list.length;
      this.item = list[this.begun];
      return;
    }
    const { done, value } = (this.#items as Iterator<unknown>).next();
    this.more = this.mayBegin = !done;
    this.item = value;
  }

  /** The next item is begun, by somebody who has read it. Gives its position. */
  begin(): number {
    const index = this.begun++;
    try {
      this.#lookAhead();
    } catch (error) {
      this.failure ??= { error };
      this.more = this.mayBegin = false;
    }
    if (!this.more && this.waiter !== null) this.waiter.tell();
    return index;
  }

  /** Nothing is left that whoever hands the items out waits for. */
  abstract get over(): boolean;

  /** A result. True if that woke somebody, who is the next to run. */
  abstract set(index: number, value: unknown): boolean;

  abstract fail(index: number, error: unknown): boolean;

  /** The result of one who has ended. */
  ended(index: number, greenlet: { successful(): boolean; value: unknown; exception: unknown }): boolean {
    return greenlet.successful() ? this.set(index, greenlet.value) : this.fail(index, greenlet.exception);
  }

  /** Begin `count` items, of an array that has more than that: they are put into `into`. False: it is none, or has not so many. */
  beginMore(count: number, into: unknown[]): boolean {
    const list = this.#list;
    if (list === null || this.begun + count >= list.length) return false;
    for (let i = 0; i < count; ++i) into[i] = list[this.begun + i];
    this.begun += count;
    this.item = list[this.begun];
    return true;
  }

  abstract describe(): string;
}

/** Who hands items out, while he waits. */
export interface Waiting {
  /** He waits for room in the group. */
  readonly inLine: boolean;
  /** Have him look again, in his turn. */
  tell(): void;
  /** The same, and he is the next to run. False if he was told before. */
  tellFirst(): boolean;
}

/** Waits until work is over, or another of its items can be begun. */
export class WaitForWork extends RowWait<void> implements Waiting {
  readonly #work: Work;
  readonly #hub: Hub;

  constructor(work: Work) {
    super();
    this.#work = work;
    this.#hub = active ?? threadHub();
  }

  get inLine(): boolean {
    return false;
  }

  describe(): string {
    return this.#work.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (this.#work.over) return true;
    this.#work.waiter = this;
    this.wait(hub, slot, null);
    return false;
  }

  tell(): void {
    this.wake(this.#hub, false);
  }

  tellFirst(): boolean {
    return this.wake(this.#hub, true);
  }

  complete(hub: Hub): void {
    this.#work.waiter = null;
    this.unwait(hub);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#work.waiter = null;
    super.abandon(hub, slot);
  }
}

/** Waits in a group's line for room, and takes it: true; false if meanwhile others have begun what there was to begin. */
class WaitForRoom extends SingleUse<boolean> implements Waiting {
  readonly #work: Work;
  readonly #group: Group;
  readonly #hub: Hub;
  #slot = NIL;
  #told = false;

  constructor(work: Work, group: Group) {
    super();
    this.#work = work;
    this.#group = group;
    this.#hub = active ?? threadHub();
  }

  get inLine(): boolean {
    return this.#slot !== NIL;
  }

  describe(): string {
    return this.#work.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (this.#group.$enterRoom(hub, slot)) return true;
    this.#work.waiter = this;
    this.#slot = slot;
    return false;
  }

  tell(): void {
    this.#wake(false);
  }

  tellFirst(): boolean {
    return this.#wake(true);
  }

  #wake(front: boolean): boolean {
    const slot = this.#slot;
    const hub = this.#hub;
    this.#slot = NIL;
    if (slot === NIL || !hub.core.leave(slot)) return false;
    this.#told = true;
    if (front) hub.core.readyFront(slot);
    else hub.core.ready(slot);
    hub.kick();
    return true;
  }

  complete(hub: Hub): boolean {
    this.#left(hub);
    return !this.#told;
  }

  override abandon(hub: Hub): void {
    this.#left(hub);
  }

  #left(hub: Hub): void {
    if (this.#work.waiter !== this) return;
    this.#work.waiter = null;
    this.#slot = NIL;
    this.#group.$leftRoom(hub);
  }
}

/** @internal Have members of `group` run the items, as many at once as there is room for; over when the last has been begun. */
export function* handOut(group: Group, work: Work): Generator<Park, void, any> {
  const { fn, spread } = work;
  const hub = active ?? threadHub();
  while (work.more) {
    if (!work.mayBegin) {
      yield* new WaitForWork(work);
      continue;
    }
    if (!group.$takesRoom() && !(yield* new WaitForRoom(work, group))) continue;
    if (!work.mayBegin) group.$giveRoom();
    else if (mayCrowd(hub, group, fn)) new Crowd(hub, group, work).begin();
    else {
      const args = spread ? (work.item as unknown[]) : [work.item];
      const greenlet = new SpawnedGreenlet(hub, fn, args);
      group.$startTold(greenlet, new ItemEnd(work, group, work.begin()));
    }
  }
}
