// The border between the scheduler's state and everything else. Two cores implement it, `wasm.ts` (asm/ compiled)
// and `pure.ts`, over one set of rules for who waits, `waits.ts`; given the same calls they answer the same numbers, so
// either is a drop-in for the other. The conformance suite in ts/testing/ holds any core to what this page says.
//
// Integers in, integers out; times are f64 milliseconds. A core trusts its caller: arguments are checked in the facade.
// Nothing here allocates per wait.
//
// Words. A *slot* is something that can be queued or wake up: a greenlet, one `then` of an operation, a callback, a
// link, a timer. A *row* is something to wait on: a list with a word of state. An *entry* is what the ready ring holds:
// a slot (0 or more), or ~row, the turn of that row's notifier.
//
// The ready ring is read and written in place by the hub's loop, because a call a switch costs more than the switch:
//
//   words[HEAD]  index of the next entry      words[MASK]  ring.length - 1, ring.length is a power of two
//   words[TAIL]  index of the first free cell words[BUDGET] entries the loop may still take before it looks at the clock
//
//   R1  HEAD === TAIL means empty; the ring is longer than all slots, rows and holes together, so it is never full;
//       a core closes the holes up when they would fill it, also when it grows
//   R2  a slot is in at most one place, the ring or one row's list; a loose slot is in none
//   R3  a row's notifier is in the ring at most once
//   R4  an armed slot is not in the ring; it waits in a list, or is loose
//
// `words` and `ring` are replaced when the core grows: read them from the core after any call, keep no copy across one.

import './platform.ts';

/** No slot, no row. */
export const NIL = -1;

/** What `unready` and `rowFree` leave in the ring in place of an entry: neither a slot nor ~row. */
export const HOLE = -0x80000000;

/** Slots and rows are below this, so that slot + generation * 2^24 is exact in a double. */
export const MAX_SLOTS = 2 ** 24 - 2;

/** Indices into `Core.words`. */
export const Word = { HEAD: 0, TAIL: 1, MASK: 2, BUDGET: 3 } as const;

/** What a slot is. The core only counts them; it treats all kinds alike. */
export const Kind = { GREENLET: 1, WAITER: 2, CALLBACK: 3, LINK: 4, TIMER: 5, GUEST: 6 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** What a row is; see `notify` for what each does with its waiters. */
export const RowKind = { LIST: 0, EVENT: 1, SEMAPHORE: 2, LATCH: 3, CHANNEL: 4, QUEUE: 5 } as const;
export type RowKind = (typeof RowKind)[keyof typeof RowKind];

/** Why a parked slot woke. */
export const Why = { WOKEN: 0, TIMED_OUT: 1 } as const;

/** What a waiting slot does when its turn comes: nothing more, or put an item; take a permit or an item; look at an item. */
export const Role = { WAIT: 0, TAKE: 1, PEEK: 2 } as const;
export type Role = (typeof Role)[keyof typeof Role];

/** Where a slot is. */
export const Place = { LOOSE: 0, READY: 1, WAITING: 2 } as const;

/**
 * Timer priorities, gevent's 2 to -2 as 0 to 4. Due timers of one instant run in this order, then by deadline, then by
 * arming. A sleep is NORMAL; every timeout is LATE, so that what became ready in the same instant wins.
 */
export const Priority = { HIGHEST: 0, HIGH: 1, NORMAL: 2, LATE: 3, LATEST: 4 } as const;

/** Indices for `Core.counter`. */
export const Counter = {
  /** Slots taken and not freed, all kinds. */
  SLOTS: 0,
  /** Rows alive. */
  ROWS: 1,
  /** Entries in the ready ring. */
  READY: 2,
  /** Slots in some row's list. */
  WAITING: 3,
  /** Armed timers. */
  TIMERS: 4,
  /** Rows of slot storage reserved. */
  CAPACITY: 5,
  /** Slots retired because their generation was spent. */
  RETIRED: 6,
  /** Bytes of memory behind the core. */
  BYTES: 7,
  /** `KIND + kind`: slots alive of that kind. */
  KIND: 8,
} as const;

/** What other WebAssembly modules link to, so that they reach the ring without JavaScript. */
export interface NativeCore {
  readonly memory: WebAssembly.Memory;
  /** Addresses of the words and of the ring: they stay. */
  readonly words: number;
  readonly ring: number;
  /** Where the records of slots and of rows begin: globals, since they move. */
  readonly LINKS: WebAssembly.Global;
  readonly ROWS: WebAssembly.Global;
  take(kind: Kind): number;
  free(slot: number): void;
  disarm(slot: number): number;
  unready(entry: number): number;
  /** To be called when `take`, called from there, gave a slot that is not below the capacity known so far. */
  grown(): void;
}

export interface Core {
  readonly name: string;
  /** Absent in a core that is not made of WebAssembly. */
  readonly native?: NativeCore;
  /** Control words of the ready ring. Replaced on growth. */
  readonly words: Int32Array;
  /** The ready ring. Replaced on growth. */
  readonly ring: Int32Array;

  // ---- slots ----------------------------------------------------------------------------------------------------
  /**
   * A loose slot of `kind`, its wake reason WOKEN; NIL when memory or the slot space is exhausted. Numbered from 0, and the
   * last one freed is the next one given; rows likewise.
   */
  take(kind: Kind): number;
  /** `take`, and `ready` at once: one call for what a spawn needs. */
  takeReady(kind: Kind): number;
  /** Give a loose slot without timer back. Its generation moves on, so that older handles miss. */
  free(slot: number): void;
  /** slot + generation * 2^24: names this life of the slot for good. */
  handle(slot: number): number;
  /** The slot a handle names, or NIL if that life is over. */
  resolve(handle: number): number;
  /** `Place` of a slot. Linear in the ring for one that neither waits nor is armed: for dumps, not for the loop. */
  place(slot: number): number;
  /** The row in whose list the slot waits, or NIL. */
  rowOf(slot: number): number;
  /** `Role` of a slot that waits; of another it means nothing. */
  role(slot: number): number;
  /** `Why` the slot woke last. WOKEN for one that waits, or was taken out by `leave`. */
  why(slot: number): number;

  // ---- ready ring -----------------------------------------------------------------------------------------------
  /** Append a loose slot. */
  ready(slot: number): void;
  /** Put a loose slot in front of all others. */
  readyFront(slot: number): void;
  /**
   * Take a slot out of the ring again, leaving HOLE in its cell; the loop skips holes and `counter(READY)` leaves them out.
   * False if it is not there. Linear in the ring from the cell behind the last one found, so that taking out many in
   * ring order costs one pass.
   */
  unready(slot: number): boolean;

  // ---- timers ---------------------------------------------------------------------------------------------------
  /** Arm the slot's one timer for `atMs`. It must not be armed. */
  arm(slot: number, atMs: number, priority: number): void;
  /** Disarm. False if it was not armed: it fired, or never was. */
  disarm(slot: number): boolean;
  /** `take` and `arm` in one: what a block that must end in time begins with. NIL, and nothing is armed, if `take` gives NIL. */
  takeArmed(kind: Kind, atMs: number, priority: number): number;
  /** `disarm` and `free` in one. False, and nothing has changed, if it was not armed. It must not wait. */
  freeArmed(slot: number): boolean;
  /** When the slot's timer is due, or Infinity if it is not armed. */
  deadline(slot: number): number;
  /** The earliest deadline of all armed timers, or Infinity. */
  nextDeadline(): number;
  /** Start a timer pass: fixes which timers `nextDue` may give, those armed before this call. */
  beginDue(): void;
  /**
   * Take the next timer due at `nowMs` out of the heap, in order of (priority, deadline, arming); NIL when none is left
   * in this pass. If its slot waits on a row it leaves it, with `why` TIMED_OUT, else `why` is WOKEN.
   * The slot is left loose.
   */
  nextDue(nowMs: number): number;

  // ---- rows: waiting --------------------------------------------------------------------------------------------
  /** A new row. `value`: EVENT 0 or 1, SEMAPHORE the permits, QUEUE the items, else 0. NIL when memory is exhausted. */
  rowNew(kind: RowKind, value: number): number;
  /** Give an empty row back. A pending notifier entry in the ring becomes a HOLE. */
  rowFree(row: number): void;
  /** The row's word: permits, items, flag, fired. */
  value(row: number): number;
  /** Slots in the row's list. */
  waiting(row: number): number;
  /** True if nobody waits on the row and no notification is under way: it can be given back without anybody noticing. */
  quiet(row: number): boolean;
  /** First slot in the row's list, or NIL. Of a CHANNEL or QUEUE: getters, then putters. */
  first(row: number): number;
  /** The slot behind `slot` in its list, or NIL. */
  next(slot: number): number;
  /**
   * Append a loose slot to the row's list. If the row is ready and its notification is under way, the slot belongs to
   * that pass (a late waiter queues behind the older ones and is still served); on a ready row without a notification one is scheduled.
   */
  park(slot: number, row: number): void;
  /** Take the slot out of its row's list, if it is in one, and disarm its timer, if armed. True if it waited. */
  leave(slot: number): boolean;
  /** LIST, QUEUE: move the first waiter to the ready ring, disarmed. Its slot, or NIL. */
  wakeOne(row: number): number;
  /** LIST, QUEUE: move all waiters to the ready ring, in order, getters before putters. How many. */
  wakeAll(row: number): number;
  /**
   * Run one step of a row's notifier: what the loop does with an entry ~row that it took from the ring. Gives the waiter
   * to run now, loose and disarmed, or NIL when the pass is over. While waiters of the pass are left, ~row goes
   * back to the *front* of the ring, so that the pass goes on as soon as that waiter has run.
   *
   *   EVENT      every waiter that was there when the pass began, in order, whatever the flag says by then
   *   SEMAPHORE  the same, but only while permits are left; a waiter of `semAcquire` takes one
   *   LATCH      until the list is empty, those who arrive meanwhile included; the pass ends with an extra NIL
   *   CHANNEL    one pair: the getter first, then the putter (as an entry at the front of the ring); while there are pairs, those
   *              that these make included; the pass ends with an extra NIL
   *   QUEUE      in turn a putter, if there is room, and its item counts from then on; and a getter, if there is an item;
   *              until neither can go on, which ends the pass with an extra NIL
   *
   * When a pass ends on a row that is ready and has waiters, another is scheduled at the back of the ring. A pass of an EVENT or a
   * SEMAPHORE that has not begun is called off when the last waiter leaves.
   */
  notify(row: number): number;

  // ---- rows: words ----------------------------------------------------------------------------------------------
  /** Raise the flag and schedule the notifier if somebody waits. */
  eventSet(row: number): void;
  /** Lower the flag. A scheduled notification still runs. */
  eventClear(row: number): void;
  /** 1 at once if the flag is up and no notification is under way, else `park` and 0. */
  eventWait(row: number, slot: number): number;
  /** Fire for good: schedules the notifier if somebody waits; a waiter that parks later schedules it again. */
  latchFire(row: number): void;
  /** Take a permit: 1 at once if there is one (barging), else park as one who takes, and 0. */
  semAcquire(row: number, slot: number): number;
  /** Take a permit if there is one: 1 or 0. */
  semTry(row: number): number;
  /** Add `count` permits, schedule the notifier if somebody waits; the new number of permits. */
  semRelease(row: number, count: number): number;
  /** Park as putter; schedules the notifier if a getter waits. */
  chanPut(row: number, slot: number): void;
  /** Park as getter; schedules the notifier if a putter waits. */
  chanGet(row: number, slot: number): void;
  /** CHANNEL: waiting putters minus waiting getters. */
  balance(row: number): number;
  /** QUEUE: how many items it has room for; 0: any number. Wakes nobody. A new one has room for any number. */
  queueLimit(row: number, limit: number): void;
  /** QUEUE: it has that many items now. Schedules the notifier if there are more and a getter waits, or fewer and a putter waits. */
  queueItems(row: number, items: number): void;
  /**
   * QUEUE: park a loose slot as putter (WAIT), getter (TAKE), or as getter that leaves the item (PEEK); schedules the notifier if
   * somebody waits on the other side, or a getter and an item meet.
   */
  queueWait(row: number, slot: number, role: Role): void;
  /**
   * QUEUE: what `notify` does for the first putter (WAIT) or getter (TAKE), now, whether or not there is room or an item. Its slot,
   * loose and disarmed, or NIL.
   */
  queueStep(row: number, role: Role): number;
  /** The putter paired with the getter that `notify` gave last, or NIL. Valid until the next call of `notify`. */
  partner(): number;

  // ---- accounts -------------------------------------------------------------------------------------------------
  /** One of `Counter`. READY is linear in the ring while there are holes in it, WAITING in the rows. */
  counter(which: number): number;
  /** Walk every structure and throw on a broken invariant. Debug build and pure core; a no-op in the release build. */
  verify(): void;
}
