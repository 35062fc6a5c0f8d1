// Objects that greenlets wait on and that can be linked to: events, semaphores, queues.
//
// Such an object has a row of the core only while somebody waits. Before, its state is a number or two of its own, and an
// operation that need not wait makes no call at all. So a million idle locks cost the core nothing, and one that is
// dropped leaves nothing behind, without finalizers. The row is kept until the hub has nothing ready, because taking and
// giving back one at each hand-over would cost as much as the hand-over.
//
//   O3  while there is a row, the object's state is the row's word; $open() moves it in, $close() out again
//   O4  an object whose last waiter left is in hub.leftAlone, once ($alone), or has no row

import { needFunction } from '../core/arguments.ts';
import { Kind } from '../core/contract.ts';
import { InvalidThreadUseError } from '../exceptions.ts';
import { active, greenletOfContext, threadHub } from './current.ts';
import type { Hub } from './hub.ts';
import type { RowOwner } from './owners.ts';
import { Fired, type Fires } from './protocol.ts';

// A constant of this file: see raw.ts.
const NIL = -1;

type Callback = (source: any) => unknown;

/** What has a row while somebody waits on it. */
export abstract class Rowed implements RowOwner {
  /** @internal The hub of its first use, or null. */ $hub: Hub | null = null;
  /** @internal */ $row = NIL;
  /** @internal O4 */ $alone = false;

  /** @internal What `slot` waits for here, as the dump names it. */
  abstract describe(slot?: number): string;

  /** @internal Make the row (O3). */
  protected abstract $open(hub: Hub): number;

  /** @internal The row goes: take the state back (O3). */
  protected abstract $close(hub: Hub, row: number): void;

  /** The hub of its first use, whose greenlets alone may wait on it. */
  get hub(): Hub | null {
    return this.$hub;
  }

  /** How many wait on it, links included. */
  protected get $waiting(): number {
    return this.$row === NIL ? 0 : (this.$hub as Hub).core.waiting(this.$row);
  }

  /** @internal The row to wait on, made if there is none. */
  $rowFor(hub: Hub): number {
    const row = this.$row;
    return row !== NIL && this.$hub === hub ? row : this.$newRow(hub);
  }

  $newRow(hub: Hub): number {
    if (this.$hub !== hub) this.#bind(hub);
    if (this.$row === NIL) this.$row = this.$open(hub);
    return this.$row;
  }

  #bind(hub: Hub): void {
    const mine = this.$hub;
    if (mine !== null || hub.destroyed) {
      const whose = mine === null || mine === hub ? 'is used' : `belongs to ${mine}`;
      const dead = (mine ?? hub).destroyed ? ', which is destroyed,' : '';
      throw new InvalidThreadUseError(`${this} ${whose}${dead} and cannot be waited for on ${hub}`);
    }
    this.$hub = hub;
  }

  /** @internal Something has been scheduled: see that its hub runs. */
  protected $kick(): void {
    const hub = this.$hub as Hub;
    if (active !== hub) hub.kick();
  }

  /** @internal One who waited in `slot` was taken out of his wait. */
  $abandoned(hub: Hub, _slot: number): void {
    this.$left(hub);
  }

  /** @internal One who waited has gone. */
  $left(hub: Hub): void {
    if (this.$alone === true) return;
    this.$alone = true;
    hub.leave(this);
  }

  /** @internal O4. False: it has to be looked at again. */
  $giveBack(hub: Hub): boolean {
    const row = this.$row;
    if (row !== NIL) {
      // Guests leave without a word.
      if (hub.core.waiting(row) > 0) return (this.$alone = hub.shared?.has(row) === true) === false;
      // A pass goes on until its end: who joins it keeps his place.
      if (!hub.core.quiet(row)) return false;
      this.$close(hub, row);
      this.$row = NIL;
      hub.core.rowFree(row);
      hub.shared?.gone(row);
    }
    this.$alone = false;
    return true;
  }
}

/** What can be linked to as well: in the list of those who wait, a link is one of them. */
export abstract class Waitable extends Rowed {
  #links: Map<Callback, ObjectLink> | null = null;

  /**
   * Have `callback(this)` called in the hub, once, when this is or becomes ready: in its turn among those who wait, never
   * from inside this call. It must not block. Linked twice it is called once.
   */
  rawlink(callback: (source: this) => void): void {
    needFunction('rawlink', callback);
    const hub = this.$hub ?? active ?? greenletOfContext()?.$hub ?? threadHub();
    const row = this.$rowFor(hub);
    const link = new ObjectLink(this, callback);
    try {
      link.slot = hub.take(Kind.LINK, link);
    } catch (error) {
      this.$left(hub);
      throw error;
    }
    this.#links ??= new Map();
    const twin = this.#links.get(callback);
    if (twin === undefined) this.#links.set(callback, link);
    else {
      link.twin = twin.twin;
      twin.twin = link;
    }
    hub.core.park(link.slot, row);
    this.$kick();
  }

  /** Take a link off again; an unknown one is ignored. */
  unlink(callback: (source: any) => void): void {
    const link = this.#links?.get(callback);
    if (link === undefined) return;
    if (link.twin === null) this.#links?.delete(callback);
    else this.#links?.set(callback, link.twin);
    this.#drop(link);
  }

  /** How many wait to be told: links and greenlets. */
  linkcount(): number {
    return this.$waiting;
  }

  /** @internal A link's turn has come: it is off before it is called. */
  $unlinked(fired: ObjectLink): void {
    const links = this.#links as Map<Callback, ObjectLink>;
    const first = links.get(fired.callback) as ObjectLink;
    links.delete(fired.callback);
    for (let twin: ObjectLink | null = first; twin !== null; twin = twin.twin) {
      if (twin !== fired) this.#drop(twin);
    }
  }

  #drop(link: ObjectLink): void {
    const hub = this.$hub as Hub;
    hub.core.leave(link.slot);
    hub.release(link.slot);
    this.$left(hub);
  }
}

/** A function in the list of those who wait on an object. */
class ObjectLink implements Fires<Hub> {
  readonly callback: Callback;
  readonly #object: Waitable;
  slot = NIL;
  /** The same function, linked again. */ twin: ObjectLink | null = null;

  constructor(object: Waitable, callback: Callback) {
    this.#object = object;
    this.callback = callback;
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    const { callback } = this;
    const object = this.#object;
    hub.release(slot);
    object.$unlinked(this);
    object.$left(hub);
    hub.callback([callback, object], callback, [object]);
    return Fired.DONE;
  }
}
