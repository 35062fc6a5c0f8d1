// Items of a map that are to run one after another, as greenlets that are made when their turn comes.
//
// A map begins as many items at once as there is room for. Their greenlets would stand in the ready ring side by side, and those that end
// without having blocked would be told of side by side as well. So one entry of the ring stands for all that are to run, and one for all
// that have ended; and where nothing else is ready, the next items begin at once.
//
//   C1  order, members and results are as if each item had had a greenlet from the beginning. Who looks at the members, or at all
//       that is alive, has those made that are not ($expand)
//   C2  it is in its group's crowds until the last of its items that was not seen has been told of
//   C3  values[n] is the result of an item that has ended unseen, until it is told; else ELSEWHERE: its greenlet tells itself

import { Kind, Word } from './core/contract.ts';
import { type Greenlet, NO_ARGS, SpawnedGreenlet, startsUnheard } from './gevent-greenlet.ts';
import type { Link, SoleCollector } from './greenlet-links.ts';
import { lastOrigin, type Origin, originHere } from './greenlet-origin.ts';
import { concluded, startOther } from './greenlet-start.ts';
import type { Group } from './group.ts';
import { debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Fired, type Fires, State } from './hub/protocol.ts';
import type { Work } from './map-work.ts';
import { isAsync, isThenable } from './unwind.ts';

// Constants of this file: see hub/raw.ts.
const NIL = -1;
const { HEAD, TAIL, MASK, BUDGET } = Word;
const { DONE, RUN } = Fired;
const { QUEUED, LIVE, DEAD } = State;

/** Its greenlet tells of it. */
const ELSEWHERE: unique symbol = Symbol('gevent.elsewhere');

const Generators = function* () {}.constructor as new () => object;

/** Certainly nothing that has to be waited for. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  const prototype = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === Array.prototype) && !isThenable(value);
}

/** @internal Nobody could tell a crowd from greenlets. */
export function mayCrowd(hub: Hub, group: Group, fn: unknown): boolean {
  return (
    group.$takesCrowds && !debugging && hub.slices === null && hub.tracer === null && startsUnheard() && !isAsync(fn)
  );
}

export class Crowd implements Fires<Hub>, SoleCollector {
  readonly #hub: Hub;
  readonly #group: Group;
  readonly #work: Work;
  readonly #origin: Origin | null;
  /** Its function is one of generators. */
  readonly #generators: boolean;
  readonly #items: unknown[] = [];
  readonly #values: unknown[] = [];
  /** How many items it has. */
  #count = 0;
  /** The position of its first item in the map. */
  #first = 0;
  /** The next to run. */
  #at = 0;
  /** A greenlet's first slice runs that is not seen. It is the slot's owner: a field for it would be a write barrier an item. */
  #running = false;
  /** Its arguments, while it is not seen: when it has ended it has none. */
  #args: unknown[] = [undefined];
  /** For the next greenlet. */
  #slot = NIL;
  /** Ends that were not told. */
  #untold = 0;
  /** The last to tell. */
  #teller: Teller | null = null;
  /** Greenlets that were made before their turn, in order. */
  #made: Greenlet[] | null = null;
  /** Of those that had ended. */
  #dead: Map<number, Greenlet> | null = null;
  /** What others have linked to in its first slice. */
  #linked: Map<Greenlet, number> | null = null;

  constructor(hub: Hub, group: Group, work: Work) {
    this.#hub = hub;
    this.#group = group;
    this.#work = work;
    this.#origin = originHere(hub);
    this.#generators = work.fn instanceof Generators;
  }

  /** Begin the next items: one, for which room was taken, and all for which there is room. */
  begin(): void {
    const hub = this.#hub;
    const work = this.#work;
    const group = this.#group;
    let slot = NIL;
    try {
      slot = hub.take(Kind.CALLBACK, this);
      this.#slot = hub.take(Kind.GREENLET, this);
    } catch (error) {
      if (slot !== NIL) hub.release(slot);
      group.$giveRoom();
      throw error;
    }
    this.#first = work.begun;
    const items = this.#items;
    do {
      items.push(work.item);
      this.#values.push(ELSEWHERE);
      work.begin();
    } while (work.mayBegin && group.$takesRoom());
    this.#count = items.length;
    group.$crowdEnters(this, this.#count);
    hub.core.ready(slot);
  }

  /** It is the one whose first slice runs. */
  isRunning(greenlet: unknown): boolean {
    return this.#running && this.#hub.owners[this.#slot] === greenlet;
  }

  // ---- running ------------------------------------------------------------------------------------------------------

  /** @internal The turn of the next items. */
  $fire(hub: Hub, slot: number): number {
    const { core } = hub;
    const head = core.words[HEAD];
    for (;;) {
      if (this.#made !== null) return this.#handOver(hub, slot);
      const begun = this.#runNext(hub);
      if (begun !== null) {
        // The loop goes on with its body, and then here.
        if (this.#at < this.#count || this.#made !== null) core.readyFront(slot);
        else this.#allBegun(hub, slot);
        core.readyFront(begun.$slot);
        return DONE;
      }
      const { words } = core;
      if (this.#at === this.#count && this.#made === null) {
        if (!this.#again(hub, head)) {
          this.#allBegun(hub, slot);
          return DONE;
        }
        if (words[TAIL] !== head) {
          // Who takes the results was woken, and goes on before the next items.
          core.ready(slot);
          return DONE;
        }
      }
      if (hub.slices !== null || hub.tracer !== null) this.$expand();
      else if (words[HEAD] === head && words[BUDGET] > 0 && hub.pulse === null && !hub.settledMain) {
        --words[BUDGET];
        continue;
      }
      core.readyFront(slot);
      return DONE;
    }
  }

  /** Make a greenlet for the next item and run its first slice. Gives it if its body is in place and to be resumed. */
  #runNext(hub: Hub): Greenlet | null {
    const work = this.#work;
    const at = this.#at++;
    const item = this.#items[at];
    let slot = this.#slot;
    if (slot === NIL) {
      try {
        slot = this.#slot = hub.take(Kind.GREENLET, this);
      } catch (error) {
        // Nobody is there to hear of it but who waits for the result.
        hub.$route(this, error);
        this.#group.$leftUnseen();
        work.fail(this.#first + at, error);
        return null;
      }
    }
    let args = this.#args;
    if (work.spread) args = item as unknown[];
    else args[0] = item;
    const greenlet = new SpawnedGreenlet(hub, work.fn, args);
    greenlet.$origin = this.#origin;
    greenlet.$slot = slot;
    greenlet.$state = QUEUED;
    greenlet.$collector = this;
    hub.owners[slot] = greenlet;
    this.#running = true;
    const origin = lastOrigin();
    const fired = this.#generators ? greenlet.$fire(hub, slot) : this.#call(hub, greenlet, item);
    // It lives on.
    if (this.#running) this.#see(greenlet, at);
    else if (lastOrigin() !== origin && this.#slot !== NIL) {
      // What it has spawned knows it by its slot.
      hub.release(this.#slot);
      this.#slot = NIL;
    }
    hub.cur = NIL;
    hub.aside = hub;
    return fired === RUN ? greenlet : null;
  }

  /** What Greenlet's $fire does, for a plain function that leaves nothing but its value: that is all there is to its end. */
  #call(hub: Hub, greenlet: Greenlet, item: unknown): number {
    const { fn, spread } = this.#work;
    greenlet.$state = LIVE;
    hub.cur = greenlet.$slot;
    let value: unknown;
    try {
      value = spread ? fn.apply(greenlet, item as unknown[]) : fn.call(greenlet, item);
    } catch (error) {
      return concluded(hub, greenlet, false, error);
    }
    if (greenlet.$more !== null || !this.#running || hub.slices !== null || hub.tracer !== null || !isPlain(value)) {
      return startOther(hub, greenlet, value);
    }
    greenlet.$state = DEAD;
    greenlet.$result = value;
    greenlet.$collector = null;
    greenlet.$args = NO_ARGS;
    this.#endedUnseen(greenlet);
    return DONE;
  }

  /** The running greenlet is a member like any other from now on. */
  #see(greenlet: Greenlet, at: number): void {
    this.#running = false;
    this.#slot = NIL;
    this.#args = [undefined];
    this.#group.$seen(greenlet);
    if (greenlet.$collector === this) greenlet.$collector = new ItemEnd(this.#work, this.#group, this.#first + at);
  }

  /** @internal The running greenlet has ended. True: it tells of that itself. */
  ended(greenlet: Greenlet): boolean {
    const at = this.#at - 1;
    if (greenlet.$links !== NIL || greenlet.$more !== null || !greenlet.successful()) {
      this.#see(greenlet, at);
      return true;
    }
    this.#endedUnseen(greenlet);
    return false;
  }

  #endedUnseen(greenlet: Greenlet): void {
    const at = this.#at - 1;
    this.#running = false;
    // It keeps no slot, only its number.
    greenlet.$slot = -2 - this.#slot;
    this.#values[at] = greenlet.$result;
    this.#tell(at);
  }

  /** @internal Somebody waits for the end of the running greenlet. */
  linked(_link: Link): void {
    const greenlet = this.#hub.owners[this.#slot] as Greenlet;
    this.#linked ??= new Map();
    this.#linked.set(greenlet, this.#first + this.#at - 1);
    this.#see(greenlet, this.#at - 1);
  }

  /** @internal The end of one that somebody linked to is told. */
  found(greenlet: Greenlet): boolean {
    const index = this.#linked?.get(greenlet) as number;
    this.#linked?.delete(greenlet);
    this.#group.$left(greenlet);
    return this.#work.ended(index, greenlet);
  }

  /** All items have been begun, and `slot` is not needed any more. */
  #allBegun(hub: Hub, slot: number): void {
    hub.release(slot);
    if (this.#slot !== NIL) hub.release(this.#slot);
    this.#slot = NIL;
    if (this.#teller?.idle) hub.release(this.#teller.slot);
    this.#teller = null;
    if (this.#untold === 0) this.#group.$crowdOver(this);
  }

  // ---- telling ------------------------------------------------------------------------------------------------------

  /** The end of an item is told behind all that is ready now. */
  #tell(at: number): void {
    const hub = this.#hub;
    const { core } = hub;
    ++this.#untold;
    const last = this.#teller;
    if (last !== null && last.to === at && last.mark === core.words[TAIL]) {
      last.to = at + 1;
      return;
    }
    let teller = last;
    if (teller === null || !teller.idle) {
      teller = this.#teller = new Teller(this);
      teller.slot = hub.take(Kind.CALLBACK, teller);
    }
    teller.from = at;
    teller.to = at + 1;
    core.ready(teller.slot);
    teller.mark = core.words[TAIL];
  }

  /** A teller is through. */
  toldAll(hub: Hub, teller: Teller): void {
    if (this.#teller === teller) this.#teller = null;
    hub.release(teller.slot);
  }

  /** The turn to tell of an end. True if that woke somebody, who is the next to run. */
  told(at: number): boolean {
    const value = this.#values[at];
    this.#values[at] = ELSEWHERE;
    --this.#untold;
    const dead = this.#dead?.get(at);
    if (dead === undefined) this.#group.$leftUnseen();
    else this.#group.$left(dead);
    if (this.#untold === 0 && this.#at === this.#count) this.#group.$crowdOver(this);
    return this.#work.set(this.#first + at, value);
  }

  /**
   * All have ended, and nothing else is ready. Then the turn to tell of it comes next, and behind it that of who hands the items out, who
   * begins as many more and waits again. If nobody sees that, it is all done at once.
   */
  #again(hub: Hub, head: number): boolean {
    const { words, ring } = hub.core;
    const teller = this.#teller;
    const count = this.#count;
    const work = this.#work;
    const group = this.#group;
    if (teller === null || this.#untold !== count || teller.to !== count || this.#slot === NIL) return false;
    if (words[HEAD] !== head || ring[head] !== teller.slot || words[TAIL] !== ((head + 1) & words[MASK])) return false;
    if (!group.$passesRoom(work.waiter?.inLine === true) || !group.$isUnjoined) return false;
    if (teller.from !== 0 || this.#dead !== null) return false;
    const first = this.#first;
    const next = work.begun;
    if (!work.beginMore(count, this.#items)) return false;
    words[TAIL] = head;
    const values = this.#values;
    for (let at = 0; at < count; ++at) {
      work.set(first + at, values[at]);
      values[at] = ELSEWHERE;
    }
    teller.from = teller.to = 0;
    teller.mark = NIL;
    this.#untold = 0;
    this.#first = next;
    this.#at = 0;
    return true;
  }

  // ---- being looked at ----------------------------------------------------------------------------------------------

  /** @internal C1 */
  $expand(): void {
    const hub = this.#hub;
    if (this.#running) this.#see(hub.owners[this.#slot] as Greenlet, this.#at - 1);
    for (let at = 0; at < this.#at; ++at) {
      const value = this.#values[at];
      if (value === ELSEWHERE || this.#dead?.has(at)) continue;
      const greenlet = this.#make(hub, at);
      greenlet.$state = DEAD;
      greenlet.$result = value;
      greenlet.$args = NO_ARGS;
      this.#dead ??= new Map();
      this.#dead.set(at, greenlet);
      this.#group.$seen(greenlet);
    }
    if (this.#made !== null) return;
    this.#made = [];
    for (let at = this.#at; at < this.#count; ++at) {
      const greenlet = this.#make(hub, at);
      greenlet.$slot = hub.take(Kind.GREENLET, greenlet);
      greenlet.$state = QUEUED;
      greenlet.$collector = new ItemEnd(this.#work, this.#group, this.#first + at);
      this.#group.$seen(greenlet);
      this.#made.push(greenlet);
    }
  }

  #make(hub: Hub, at: number): Greenlet {
    const item = this.#items[at];
    const greenlet = new SpawnedGreenlet(hub, this.#work.fn, this.#work.spread ? (item as unknown[]) : [item]);
    greenlet.$origin = this.#origin;
    return greenlet;
  }

  /** The turn of those that were made before it: they are the next in the ring. */
  #handOver(hub: Hub, slot: number): number {
    const made = this.#made as Greenlet[];
    this.#made = null;
    this.#at += made.length;
    if (this.#at < this.#count) hub.core.readyFront(slot);
    else this.#allBegun(hub, slot);
    for (let i = made.length - 1; i >= 0; --i) {
      const greenlet = made[i];
      // Not one that was killed meanwhile: its slot tells of its end.
      if (greenlet.$state === QUEUED) hub.core.readyFront(greenlet.$slot);
    }
    return DONE;
  }

  toString(): string {
    return `a map of ${this.#work.fn.name || 'anonymous'}`;
  }
}

/** Tells of items that have ended one right behind the other. */
class Teller implements Fires<Hub> {
  readonly #crowd: Crowd;
  slot = NIL;
  /** Where the ready ring ended, when nothing was behind it. */
  mark = NIL;
  from = 0;
  to = 0;

  constructor(crowd: Crowd) {
    this.#crowd = crowd;
  }

  /** It is not in the ring; its slot is kept. */
  get idle(): boolean {
    return this.from === this.to;
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    while (this.from < this.to) {
      if (this.#crowd.told(this.from++) && this.from < this.to) {
        hub.behindFront(slot);
        return DONE;
      }
    }
    this.mark = NIL;
    this.#crowd.toldAll(hub, this);
    return DONE;
  }

  /** @internal */
  $expand(): void {
    this.#crowd.$expand();
  }
}

/** Tells of the end of the greenlet of one item. */
export class ItemEnd implements SoleCollector {
  readonly #work: Work;
  readonly #group: Group;
  readonly #index: number;

  constructor(work: Work, group: Group, index: number) {
    this.#work = work;
    this.#group = group;
    this.#index = index;
  }

  found(greenlet: Greenlet<any>): boolean {
    this.#group.$left(greenlet);
    return this.#work.ended(this.#index, greenlet);
  }

  ended(): boolean {
    return true;
  }

  linked(): void {}
}
