// Who waits on what, and who is next: the rules for all of it, over the memory of either core.
//
// The records are drawn in waits/records.ts; lists and notifiers are in waits/lists.ts, and each kind of row has a file.
//
// Who changes a row wakes nobody. He puts the row's notifier, ~row, into the ring; when its turn comes the loop calls
// `notify`, which gives one waiter after another. Such a notification is
//
//   NONE ---- schedule: ~row at the back of the ring ----> PENDING ---- notify: the pass begins ----> PASS
//     ^                                                                     after each waiter, ~row at the front
//     +---- endPass; scheduled again at once if the row is still ready for those who wait ------------+
//
// PENDING is an EVENT's or a SEMAPHORE's alone; the others have no edge to set when a pass begins, and are scheduled as PASS. A pending one is
// called off when the last waiter leaves: who comes then does not wait behind nobody.
//
// VALUE says whether a row is ready: a raised flag, permits left, a latch that has fired; a LIST never is. Nobody is overtaken: who
// parks late, while a notification is under way, queues behind the older ones. Only a permit may be taken past them (barging,
// as in gevent). A pass of an EVENT or a SEMAPHORE wakes the waiters up to EDGE: those who were there when it began,
// whatever the flag is by now, and those who parked since while the row was ready. A LATCH has no edge: its pass ends with its list.
//
// A CHANNEL pairs getters and putters; between turns one side is empty. A pass of a QUEUE lets go on in turn a putter, whose
// item goes in, and a getter, until neither can; whoever runs may put and get as he likes meanwhile, since each step looks
// at the count anew. Raising its limit wakes nobody, so putters may wait while there is room, as in gevent, until somebody gets.
//
// Invariants, walked by waits-check.ts:
//   W1  from FIRST along NEXT to LAST, and back along PREV, are the same COUNT slots, whose PLACE is there
//   W2  a slot whose PLACE is negative is in no list
//   W3  EDGE is NIL or in the list; but for channels and queues it is NIL outside a pass, and always for a LIST or a LATCH
//   C1  in a CHANNEL or QUEUE those up to EDGE are the getters (TAKE, PEEK), those behind it the putters (WAIT)
//   N1  NOTE is not NONE exactly while ~row is in the ring (the loop calls `notify` at once when it takes it out)
//   N2  a row that is ready for those who wait has a notification under way; without it they would never wake
//   N3  below `$rowsUsed` a row is alive or in the free chain; from there on none was ever used
//   P2  a word is 0 or more; a flag is 0 or 1; a LIST's and a CHANNEL's is 0

import { Queues } from './waits/queues.ts';
import {
  CHANNEL,
  COUNT,
  FIRST,
  KIND,
  LAST,
  LATCH,
  LINK,
  LOOSE,
  NIL,
  NONE,
  NOTE,
  PENDING,
  PLACE,
  POS,
  QUEUE,
  ROW,
  TAKE,
  UNARMED,
  VALUE,
} from './waits/records.ts';

/** What both cores are made of, but for slots, timers and the memory itself. */
export abstract class Waits extends Queues {
  notify(row: number): number {
    const { rows, links } = this;
    const r = row << ROW;
    const slot = rows[r | FIRST];
    // One who waits for an event or for a permit, as it mostly is: the pass begins and ends with him. Short, so that it is inlined.
    const value = rows[r | VALUE];
    if (slot !== rows[r | LAST] || rows[r | NOTE] !== PENDING || value === 0) {
      return this.$notify(row);
    }
    const at = slot << LINK;
    rows[r | VALUE] = value - (links[at | PLACE] & TAKE);
    if (links[at | POS] !== UNARMED) this.disarm(slot);
    links[at | PLACE] = LOOSE;
    rows[r | FIRST] = rows[r | LAST] = NIL;
    rows[r | COUNT] = 0;
    rows[r | NOTE] = NONE;
    this.$partner = NIL;
    return slot;
  }

  /** The same in general. */
  $notify(row: number): number {
    switch (this.rows[(row << ROW) | KIND]) {
      case QUEUE:
        return this.$notifyQueue(row);
      case CHANNEL:
        return this.$notifyPair(row);
      case LATCH:
        return this.$notifyLatch(row);
      default:
        return this.$notifyFlag(row);
    }
  }
}
