// What a core must do, as cases that anybody can run on his own core, under any test runner or none, and a
// differential driver that plays one random script to two cores and tells where they part.
//
//   runCoreConformance(() => createMyCore());                                       // throws, naming the failed cases
//   for (const { name, run } of coreConformance()) test(name, () => run(makeCore)); // one test a case
//   compareCores(createModelCore(), createMyCore(), randomScript(seed, 300)); // undefined, or the first difference
//
// The cases hold a core to the sentences of contract.ts one by one; the driver finds what happens between them. The
// naive core in model.ts is the oracle for it.

import {
  type Core,
  Counter,
  HOLE,
  Kind,
  MAX_SLOTS,
  NIL,
  Place,
  Priority,
  Role,
  RowKind,
  Why,
  Word,
} from '../core/contract.ts';

/** Limits that a case wants near. `rows` is a wish; a core that does not keep to the others says `limits: false`. */
export interface CoreLimits {
  /** Storage reserved at first. */
  rows?: number;
  /** Most slots, and most rows. */
  maxSlots?: number;
  /** Lives of a slot before it is retired. */
  generations?: number;
}

export type MakeCore = (limits?: CoreLimits) => Core;

export interface ConformanceCase {
  /** What holds, as a sentence. */
  readonly name: string;
  /** `limits`: works only on a core that keeps to `CoreLimits`; `large`: takes long on a naive core. */
  readonly needs: 'nothing' | 'limits' | 'large';
  /** Throws if it does not hold. */
  run(makeCore: MakeCore): void;
}

export interface ConformanceOptions {
  /** Whether `makeCore` keeps to the limits it is given. Default: true. */
  limits?: boolean;
  /** Whether to run the large cases, which take an efficient core under a second. Default: true. */
  large?: boolean;
}

/** The cases, in the order of contract.ts. */
export function coreConformance({ limits = true, large = true }: ConformanceOptions = {}): ConformanceCase[] {
  const cases = (bodies: Record<string, Body>, needs: ConformanceCase['needs']) =>
    Object.entries(bodies).map(([name, body]) => ({ name, needs, run: verified(body) }));
  const any = {
    ...SLOTS,
    ...RING,
    ...TIMERS,
    ...LISTS,
    ...EVENTS,
    ...SEMAPHORES,
    ...LATCHES,
    ...CHANNELS,
    ...QUEUES,
    ...ROWS,
  };
  return [
    ...cases(any, 'nothing'),
    ...(limits ? cases(LIMITS, 'limits') : []),
    ...(large ? cases(LARGE, 'large') : []),
  ];
}

/**
 * Run every case on cores from `makeCore`, a fresh one each.
 *
 * @throws AggregateError that names each failed case; its `errors` have the cases' errors as `cause`
 */
export function runCoreConformance(makeCore: MakeCore, options: ConformanceOptions = {}): void {
  const errors: Error[] = [];
  const cases = coreConformance(options);
  for (const { name, run } of cases) {
    try {
      run(makeCore);
    } catch (cause) {
      errors.push(new Error(`${name}: ${cause instanceof Error ? cause.message : cause}`, { cause }));
    }
  }
  if (errors.length === 0) return;
  const failed = errors.map((error) => `\n  ${error.message}`).join('');
  throw new AggregateError(errors, `${errors.length} of ${cases.length} cases of core conformance failed:${failed}`);
}

type Body = (makeCore: MakeCore) => void;

/** The case, with a walk over every core it made at its end. */
function verified(body: Body): Body {
  return (makeCore) => {
    const made: Core[] = [];
    body((limits) => {
      const core = makeCore(limits);
      made.push(core);
      return core;
    });
    for (const core of made) core.verify();
  };
}

// ---- tools --------------------------------------------------------------------------------------------------------

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function same(actual: unknown, expected: unknown, what: string): void {
  if (show(actual) !== show(expected)) throw new Error(`${what}: expected ${show(expected)}, got ${show(actual)}`);
}

const { GREENLET } = Kind;
const { NORMAL } = Priority;

function takeMany(core: Core, count: number): number[] {
  return Array.from({ length: count }, () => core.take(GREENLET));
}

/** The entries of the ready ring, as the loop would take them: without the holes. */
function entriesOf(core: Core): number[] {
  const { words, ring } = core;
  const entries: number[] = [];
  let cells = 0;
  for (let i = words[Word.HEAD]; i !== words[Word.TAIL]; i = (i + 1) & words[Word.MASK]) {
    if (++cells > ring.length) throw new Error('HEAD, TAIL and MASK do not fit the ring');
    if (ring[i] !== HOLE) entries.push(ring[i]);
  }
  return entries;
}

/** Take the next entry out of the ring in place, as the hub's loop does; `undefined` if there is none. */
function takeEntry(core: Core): number | undefined {
  const { words, ring } = core;
  while (words[Word.HEAD] !== words[Word.TAIL]) {
    const entry = ring[words[Word.HEAD]];
    words[Word.HEAD] = (words[Word.HEAD] + 1) & words[Word.MASK];
    if (entry !== HOLE) return entry;
  }
  return undefined;
}

/** Append a slot in place, as the hub's loop does. */
function append(core: Core, slot: number): void {
  const { words, ring } = core;
  ring[words[Word.TAIL]] = slot;
  words[Word.TAIL] = (words[Word.TAIL] + 1) & words[Word.MASK];
}

/** One round of the hub's loop: the slot that would run, NIL if a pass ended without one, undefined: empty. */
function turn(core: Core): number | undefined {
  const entry = takeEntry(core);
  return entry === undefined || entry >= 0 ? entry : core.notify(~entry);
}

/** Run the ring empty; the slots in the order they ran. `ran` is what each of them does. */
function runAll(core: Core, ran: (slot: number) => void = () => {}): number[] {
  const trace: number[] = [];
  let turns = 0;
  for (let slot = turn(core); slot !== undefined; slot = turn(core)) {
    if (++turns > 1e6) throw new Error('the ready ring never runs empty');
    if (slot === NIL) continue;
    trace.push(slot);
    ran(slot);
  }
  return trace;
}

/** The waiters of a row, by `first` and `next`. */
function waitersOf(core: Core, row: number): number[] {
  const slots: number[] = [];
  for (let slot = core.first(row); slot !== NIL; slot = core.next(slot)) {
    slots.push(slot);
    if (slots.length > core.waiting(row)) throw new Error(`the list of row ${row} is longer than waiting() says`);
  }
  return slots;
}

/** A whole timer pass. */
function runDue(core: Core, nowMs: number): number[] {
  const slots: number[] = [];
  core.beginDue();
  for (let slot = core.nextDue(nowMs); slot !== NIL; slot = core.nextDue(nowMs)) {
    if (slots.push(slot) > 1e6) throw new Error('the timer pass never ends');
  }
  return slots;
}

function placesOf(core: Core, slots: number[]): number[] {
  return slots.map((slot) => core.place(slot));
}

/** Let the ring go round until its next entries go over its end. A core whose ring always begins at 0 stays there. */
function turnToEnd(core: Core, slot: number): void {
  for (let i = core.ring.length * 2; i > 0 && core.words[Word.HEAD] !== core.words[Word.MASK] - 1; --i) {
    core.ready(slot);
    takeEntry(core);
  }
}

/** What must be zero when all is given back. */
function leftBehind(core: Core): number[] {
  const { SLOTS, ROWS, READY, WAITING, TIMERS, KIND } = Counter;
  const kinds = Object.values(Kind).map((kind) => KIND + kind);
  return [SLOTS, ROWS, READY, WAITING, TIMERS, ...kinds].map((which) => core.counter(which));
}

function nothingLeft(core: Core, what: string): void {
  const counters = leftBehind(core);
  same(
    counters,
    counters.map(() => 0),
    what,
  );
}

// The same numbers on every machine and in every year; good enough for tests, and small.
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A u32 (splitmix32). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; --i) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }
}

function count(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

// ---- slots --------------------------------------------------------------------------------------------------------

const SLOTS: Record<string, Body> = {
  'a fresh core is empty, and takes its slots and rows from 0 upwards'(makeCore) {
    const core = makeCore();
    same(core.words[Word.HEAD], core.words[Word.TAIL], 'HEAD and TAIL');
    same(core.nextDeadline(), Infinity, 'nextDeadline()');
    nothingLeft(core, 'counters');
    same(takeMany(core, 5), count(5), 'slots');
    same(
      count(5).map(() => core.rowNew(RowKind.LIST, 0)),
      count(5),
      'rows',
    );
  },

  'a slot is taken loose, waits nowhere, has no timer and was woken by nobody'(makeCore) {
    const core = makeCore();
    const slot = core.take(Kind.WAITER);
    same(core.place(slot), Place.LOOSE, 'place');
    same(core.rowOf(slot), NIL, 'rowOf');
    same(core.next(slot), NIL, 'next');
    same(core.why(slot), Why.WOKEN, 'why');
    same(core.deadline(slot), Infinity, 'deadline');
    same(core.disarm(slot), false, 'disarm');
    same(core.leave(slot), false, 'leave');
    same(core.unready(slot), false, 'unready');
  },

  'takeReady gives the slot that take would, at the back of the ring'(makeCore) {
    const core = makeCore();
    const slots = takeMany(core, 3);
    core.ready(slots[0]);
    for (const slot of [1, 2]) core.free(slots[slot]);
    const taken = count(3).map(() => core.takeReady(Kind.WAITER));
    same(taken, [2, 1, 3], 'slots');
    same(core.counter(Counter.KIND + Kind.WAITER), 3, 'waiters');
    same(core.place(taken[2]), Place.READY, 'place');
    same(runAll(core), [slots[0], ...taken], 'trace');
    same(core.why(taken[0]), Why.WOKEN, 'why');
  },

  'the slot freed last is taken first'(makeCore) {
    const core = makeCore();
    const slots = takeMany(core, 6);
    for (const slot of [4, 1, 3]) core.free(slots[slot]);
    same(takeMany(core, 4), [3, 1, 4, 6], 'slots');
  },

  'slots are counted, each kind by itself'(makeCore) {
    const core = makeCore();
    const kinds = Object.values(Kind);
    const taken = kinds.flatMap((kind, i) => count(i + 1).map(() => core.take(kind)));
    for (const [i, kind] of kinds.entries()) same(core.counter(Counter.KIND + kind), i + 1, `slots of kind ${kind}`);
    same(core.counter(Counter.SLOTS), 21, 'slots');
    for (const slot of taken) core.free(slot);
    nothingLeft(core, 'counters');
    core.take(Kind.LINK); // a slot that was something else before
    same(core.counter(Counter.KIND + Kind.LINK), 1, 'links');
    same(core.counter(Counter.SLOTS), 1, 'slots');
  },

  'a handle is slot + generation * 2^24, and names one life of a slot'(makeCore) {
    const core = makeCore();
    const [, , slot] = takeMany(core, 3);
    const handles: number[] = [];
    for (const life of count(50)) {
      handles.push(core.handle(slot));
      same(core.handle(slot), slot + life * 2 ** 24, `handle of life ${life}`);
      same(core.resolve(handles[life]), slot, `resolve in life ${life}`);
      core.free(slot);
      same(core.resolve(handles[life]), NIL, `resolve after life ${life}`);
      same(core.resolve(handles[life] + 2 ** 24), NIL, 'resolve of a life that has not begun');
      same(core.take(GREENLET), slot, 'the slot of the next life');
    }
    for (const handle of handles) same(core.resolve(handle), NIL, 'resolve of a life long over');
    same(core.resolve(core.handle(slot)), slot, 'resolve of the present life');
  },

  'a new life begins woken, however the last one ended'(makeCore) {
    const core = makeCore();
    const slot = core.take(GREENLET);
    const row = core.rowNew(RowKind.LIST, 0);
    core.park(slot, row);
    core.arm(slot, 1, NORMAL);
    runDue(core, 1);
    same(core.why(slot), Why.TIMED_OUT, 'why');
    core.free(slot);
    same(core.take(GREENLET), slot, 'slot');
    same(core.why(slot), Why.WOKEN, 'why in the next life');
  },

  'CAPACITY and BYTES say what is reserved'(makeCore) {
    const core = makeCore();
    takeMany(core, 1000);
    same(core.counter(Counter.CAPACITY) >= 1000, true, 'capacity for the slots taken');
    same(core.counter(Counter.BYTES) >= 1000 * 4, true, 'bytes for the slots taken');
    same(core.counter(Counter.RETIRED), 0, 'retired');
  },

  'slots grow with everything in place, wherever the ring stands'(makeCore) {
    for (const turned of [false, true]) {
      const core = makeCore({ rows: 3 });
      const random = new Random(1);
      const [a, b, c, d, e] = takeMany(core, 5);
      const sleepers = takeMany(core, 60);
      const row = core.rowNew(RowKind.LIST, 0);
      const event = core.rowNew(RowKind.EVENT, 0);
      const semaphore = core.rowNew(RowKind.SEMAPHORE, 0);
      const [taker, timedOut] = takeMany(core, 2);
      core.park(timedOut, row);
      core.arm(timedOut, 0, NORMAL);
      runDue(core, 0);
      core.semAcquire(semaphore, taker);
      if (turned) turnToEnd(core, a);
      for (const sleeper of sleepers) core.arm(sleeper, random.below(20), random.below(5));
      for (const slot of [a, b]) core.ready(slot);
      core.park(c, row);
      core.park(d, row);
      core.park(e, event);
      core.eventSet(event);
      core.words[Word.BUDGET] = 77;
      const deadlines = sleepers.map((slot) => core.deadline(slot));
      const handles = [a, b, c, d, e].map((slot) => core.handle(slot));
      const { ring } = core;
      const capacity = core.counter(Counter.CAPACITY);

      for (let i = 0; core.counter(Counter.CAPACITY) === capacity || core.ring.length === ring.length; ++i) {
        if (i > 1e6) throw new Error('a million slots more, and CAPACITY or the ring is as it was');
        core.take(GREENLET);
      }

      same(core.ring.length > ring.length, true, 'the ring is longer');
      same(core.words[Word.MASK], core.ring.length - 1, 'MASK');
      same(core.words[Word.BUDGET], 77, 'BUDGET');
      same([core.why(a), core.why(timedOut)], [Why.WOKEN, Why.TIMED_OUT], 'reasons');
      same(entriesOf(core), [a, b, ~event], 'ring');
      same(placesOf(core, [a, b, c, d, e]), [1, 1, 2, 2, 2], 'places');
      same([waitersOf(core, row), waitersOf(core, event)], [[c, d], [e]], 'waiters');
      same([core.rowOf(d), core.rowOf(e)], [row, event], 'rows');
      same(
        handles.map((handle) => core.resolve(handle)),
        [a, b, c, d, e],
        'resolved',
      );
      same(
        sleepers.map((slot) => core.deadline(slot)),
        deadlines,
        'deadlines',
      );
      same(core.semRelease(semaphore, 3), 3, 'permits');
      same(runAll(core), [a, b, e, taker], 'trace');
      same(core.value(semaphore), 2, 'permits');
      for (const sleeper of sleepers.filter((_, i) => i % 3 === 0)) same(core.disarm(sleeper), true, 'disarm');
      same(runDue(core, 20).length, 40, 'timers that fire');
      core.verify();
    }
  },

  'rows grow with everything in place, wherever the ring stands'(makeCore) {
    for (const turned of [false, true]) {
      const core = makeCore({ rows: 3 });
      const [a, b, c] = takeMany(core, 3);
      const event = core.rowNew(RowKind.EVENT, 0);
      if (turned) turnToEnd(core, a);
      core.ready(a);
      core.ready(b);
      core.park(c, event);
      core.eventSet(event);
      const rows = count(5000).map((i) => core.rowNew(RowKind.SEMAPHORE, i));
      same(entriesOf(core), [a, b, ~event], 'ring');
      same(
        rows.map((row) => core.value(row)),
        count(5000),
        'permits',
      );
      same(core.waiting(event), 1, 'waiters');
      same(core.counter(Counter.ROWS), 5001, 'rows');
      same(runAll(core), [a, b, c], 'trace');
    }
  },
};

// ---- ready ring ---------------------------------------------------------------------------------------------------

const RING: Record<string, Body> = {
  'ready slots run in the order they became ready'(makeCore) {
    const core = makeCore();
    const slots = new Random(2).shuffled(takeMany(core, 50));
    for (const slot of slots) core.ready(slot);
    same(core.counter(Counter.READY), 50, 'ready');
    same(entriesOf(core), slots, 'ring');
    same(runAll(core), slots, 'trace');
    same(core.counter(Counter.READY), 0, 'ready');
  },

  'a slot made ready at the front runs before all others'(makeCore) {
    const core = makeCore();
    const [a, b, c, d] = takeMany(core, 4);
    core.readyFront(a);
    core.ready(b);
    core.readyFront(c);
    core.readyFront(d);
    same(entriesOf(core), [d, c, a, b], 'ring');
    same(placesOf(core, [a, b, c, d]), [1, 1, 1, 1], 'places');
    same(runAll(core), [d, c, a, b], 'trace');
  },

  'the ring is a power of two long, masked, and goes round'(makeCore) {
    const core = makeCore();
    const slots = takeMany(core, 7);
    const expected: number[] = [];
    const trace: number[] = [];
    for (const slot of slots.slice(0, 3)) core.ready(slot);
    expected.push(...slots.slice(0, 3));
    for (let i = 3; i < core.ring.length * 3 + 5; ++i) {
      core.ready(slots[i % 7]);
      expected.push(slots[i % 7]);
      trace.push(turn(core) as number);
      same(core.words[Word.MASK], core.ring.length - 1, 'MASK');
      same(core.counter(Counter.READY), 3, 'ready');
    }
    same(Math.log2(core.ring.length) % 1, 0, 'log2 of the ring length, its fraction');
    same([...trace, ...runAll(core)], expected, 'trace');
  },

  'the front of the ring goes round as well'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    for (let i = 0; i < core.ring.length * 2 + 3; ++i) {
      core.readyFront(a);
      core.readyFront(b);
      core.ready(c);
      same(entriesOf(core), [b, a, c], 'ring');
      runAll(core);
      core.readyFront(c);
      core.readyFront(b);
      same(runAll(core), [b, c], 'trace');
    }
  },

  'the ring holds all slots and all notifiers at once'(makeCore) {
    for (const size of [1, 2, 3, 4, 30, 256, 700]) {
      const core = makeCore({ rows: 1 });
      const slots = takeMany(core, size);
      const rows = count(size).map(() => core.rowNew(RowKind.LATCH, 0));
      for (const i of count(size)) {
        core.park(slots[i], rows[i]);
        core.latchFire(rows[i]);
        core.leave(slots[i]);
        core.ready(slots[i]);
      }
      same(
        entriesOf(core),
        count(size).flatMap((i) => [~rows[i], slots[i]]),
        `ring of ${size} slots and rows`,
      );
      same(core.counter(Counter.READY), size * 2, 'ready');
      same(runAll(core), slots, 'trace');
    }
  },

  'a slot is loose, ready or waiting, and loose again when the loop took it'(makeCore) {
    const core = makeCore();
    const [a, b] = takeMany(core, 2);
    const row = core.rowNew(RowKind.LIST, 0);
    core.ready(a);
    same(placesOf(core, [a, b]), [Place.READY, Place.LOOSE], 'places');
    same(core.rowOf(a), NIL, 'rowOf');
    takeEntry(core);
    same(core.place(a), Place.LOOSE, 'place of the slot that was taken');
    core.park(a, row);
    same([core.place(a), core.rowOf(a)], [Place.WAITING, row], 'place and row');
    core.wakeOne(row);
    same([core.place(a), core.rowOf(a)], [Place.READY, NIL], 'place and row');
    core.arm(b, 5, NORMAL);
    same(core.place(b), Place.LOOSE, 'place of a sleeper');
  },

  'a slot that the loop appends in place is as ready as any'(makeCore) {
    const core = makeCore();
    const [a, b, c, d] = takeMany(core, 4);
    core.ready(a);
    append(core, b);
    core.ready(c);
    append(core, d);
    same(placesOf(core, [a, b, c, d]), [1, 1, 1, 1], 'places');
    same(core.counter(Counter.READY), 4, 'ready');
    same([core.unready(b), core.unready(b)], [true, false], 'unready');
    same(runAll(core), [a, c, d], 'trace');
    same(placesOf(core, [a, b, c, d]), [0, 0, 0, 0], 'places');
    for (let i = 0; i < core.ring.length * 2; ++i) append(core, takeEntry(core) ?? a);
    same(placesOf(core, [a, b]), [1, 0], 'places after two rounds');
  },

  'a slot is taken out of the ring again, and leaves a hole'(makeCore) {
    const core = makeCore();
    takeMany(core, 20);
    const [a, b, c, d] = takeMany(core, 4);
    for (const slot of [a, b, c]) core.ready(slot);
    const cell = (core.words[Word.HEAD] + 1) & core.words[Word.MASK];
    same(core.unready(b), true, 'unready');
    same(core.ring[cell], HOLE, 'its cell');
    same(core.counter(Counter.READY), 2, 'ready');
    same([core.unready(b), core.unready(d)], [false, false], 'unready of slots that are not there');
    same(core.place(b), Place.LOOSE, 'place');
    core.ready(b);
    same(entriesOf(core), [a, c, b], 'ring');
    same(core.unready(a), true, 'unready of the first');
    same(core.unready(b), true, 'unready of the last');
    same(runAll(core), [c], 'trace');
    same(core.unready(c), false, 'unready of one that ran');
    same(core.counter(Counter.READY), 0, 'ready');
  },

  'unready tells a slot from the notifier of the row of that number, and a waiter from a ready slot'(makeCore) {
    const core = makeCore();
    const [a, b] = takeMany(core, 2);
    const [, row] = [core.rowNew(RowKind.EVENT, 0), core.rowNew(RowKind.EVENT, 0)];
    core.park(a, row);
    core.eventSet(row);
    same([row, b], [1, 1], 'numbers');
    same([core.unready(a), core.unready(b)], [false, false], 'unready');
    same(entriesOf(core), [~row], 'ring');
    same(core.waiting(row), 1, 'waiters');
  },

  'slots are taken out of every position, and the others keep their order'(makeCore) {
    for (const turned of [false, true]) {
      for (const size of count(8)) {
        for (const position of count(size)) {
          const core = makeCore({ rows: 4 });
          const slots = takeMany(core, size);
          if (turned) turnToEnd(core, slots[0]);
          for (const slot of slots) core.ready(slot);
          same(core.unready(slots[position]), true, `unready ${position} of ${size}`);
          same(core.counter(Counter.READY), size - 1, 'ready');
          same(runAll(core), slots.toSpliced(position, 1), 'trace');
        }
      }
    }
  },

  'any number of slots may be taken out, in any order, and holes never fill the ring'(makeCore) {
    for (const size of [10, 31, 44, 96]) {
      const core = makeCore({ rows: 3 });
      const slots = takeMany(core, size);
      const random = new Random(size);
      for (const slot of slots) core.ready(slot);
      let order = slots;
      for (let i = 0; i < 1000; ++i) {
        const slot = slots[random.below(size)];
        same(core.unready(slot), true, 'unready');
        core.ready(slot);
        order = [...order.filter((other) => other !== slot), slot];
        if (random.below(4) > 0) {
          same(turn(core), order[0], 'what runs');
          core.ready(order[0]);
          order = [...order.slice(1), order[0]];
        }
        if (i % 50 === 0) same(entriesOf(core), order, 'ring');
      }
      for (const slot of random.shuffled(order.splice(2, size - 5))) same(core.unready(slot), true, 'unready');
      same(core.counter(Counter.READY), 5, 'ready');
      same(runAll(core), order, 'trace');
    }
  },

  'holes that were there before the core grew do not fill the ring after it'(makeCore) {
    for (const holes of count(40)) {
      const core = makeCore({ rows: 3 });
      const slots = takeMany(core, 6);
      core.ready(slots[0]);
      for (let i = 0; i < holes; ++i) {
        core.ready(slots[1]);
        core.unready(slots[1]);
      }
      const rows = count(6).map(() => core.rowNew(RowKind.LATCH, 0));
      for (const [i, row] of rows.entries()) {
        core.park(slots[5], row);
        core.latchFire(row);
        core.leave(slots[5]);
        if (i > 0) core.ready(slots[i]);
      }
      const expected = [slots[0], ~rows[0], ...count(5).flatMap((i) => [~rows[i + 1], slots[i + 1]])];
      same(entriesOf(core), expected, `ring after ${holes} holes`);
    }
  },

  'holes that the loop has skipped are not counted any more'(makeCore) {
    const core = makeCore();
    const [a, b, c, d] = takeMany(core, 4);
    for (const slot of [a, b, c]) core.ready(slot);
    core.unready(a);
    core.unready(b);
    same(core.counter(Counter.READY), 1, 'ready');
    same(turn(core), c, 'what runs');
    core.ready(d);
    core.ready(a);
    same(core.counter(Counter.READY), 2, 'ready');
    same(runAll(core), [d, a], 'trace');
    same(core.counter(Counter.READY), 0, 'ready');
  },

  'the whole ring can be taken out, forwards and backwards'(makeCore) {
    for (const backwards of [false, true]) {
      const core = makeCore();
      const slots = takeMany(core, 120);
      turnToEnd(core, slots[0]);
      for (const slot of slots) core.ready(slot);
      for (const slot of backwards ? slots.toReversed() : slots) same(core.unready(slot), true, `unready ${slot}`);
      same(core.counter(Counter.READY), 0, 'ready');
      same(runAll(core), [], 'trace');
    }
  },
};

// ---- timers -------------------------------------------------------------------------------------------------------

interface Armed {
  slot: number;
  at: number;
  priority: number;
  seq: number;
}

function inOrder(timers: Armed[]): number[] {
  return timers.toSorted((a, b) => a.priority - b.priority || a.at - b.at || a.seq - b.seq).map((timer) => timer.slot);
}

function armMany(core: Core, size: number, random: Random, deadlines: number, priorities: number): Armed[] {
  return random.shuffled(takeMany(core, size)).map((slot, seq) => {
    const timer = { slot, at: random.below(deadlines), priority: random.below(priorities), seq };
    core.arm(slot, timer.at, timer.priority);
    return timer;
  });
}

const TIMERS: Record<string, Body> = {
  'a timer is due at its deadline, not before, and fires once'(makeCore) {
    const core = makeCore();
    const slot = core.take(GREENLET);
    core.arm(slot, 10.5, NORMAL);
    same([core.deadline(slot), core.nextDeadline(), core.counter(Counter.TIMERS)], [10.5, 10.5, 1], 'the armed timer');
    same(runDue(core, 10.499), [], 'due before');
    same(runDue(core, 10.5), [slot], 'due');
    same(core.place(slot), Place.LOOSE, 'place');
    same(
      [core.deadline(slot), core.nextDeadline(), core.counter(Counter.TIMERS)],
      [Infinity, Infinity, 0],
      'afterwards',
    );
    same(core.disarm(slot), false, 'disarm');
    same(runDue(core, 11), [], 'due again');
    core.arm(slot, 12, NORMAL);
    same(runDue(core, 12), [slot], 'due when armed again');
  },

  'deadlines are kept exactly'(makeCore) {
    const core = makeCore();
    const deadlines = [0.1 + 0.2, 2 ** 53 - 1, 1e-300, 1e300, 1700000000000.125, Math.PI, -0.5, 2 ** 31, 2 ** 32 + 0.5];
    const slots = takeMany(core, deadlines.length);
    for (const [i, slot] of slots.entries()) core.arm(slot, deadlines[i], i % 5);
    same(
      slots.map((slot) => core.deadline(slot)),
      deadlines,
      'deadlines',
    );
    same(core.nextDeadline(), -0.5, 'nextDeadline()');
  },

  'timers of one deadline fire in the order they were armed'(makeCore) {
    const core = makeCore();
    const slots = new Random(4).shuffled(takeMany(core, 200));
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    same(runDue(core, 5), slots, 'order');
  },

  'a timer armed anew goes behind the others of its deadline'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    for (const slot of [a, b, c]) core.arm(slot, 5, NORMAL);
    same(core.disarm(a), true, 'disarm');
    core.arm(a, 5, NORMAL);
    same(runDue(core, 5), [b, c, a], 'order');
  },

  'due timers come by priority, then deadline, then arming'(makeCore) {
    const core = makeCore();
    const random = new Random(5);
    same([Priority.HIGHEST, Priority.HIGH, NORMAL, Priority.LATE, Priority.LATEST], count(5), 'priorities');
    for (const size of [2, 3, 5, 9, 17, 100, 400]) {
      const timers = armMany(core, size, random, 12, 5);
      const due = timers.filter((timer) => timer.at <= 8);
      same(core.nextDeadline(), Math.min(...timers.map((timer) => timer.at)), 'nextDeadline()');
      same(runDue(core, 8), inOrder(due), `order of ${size}`);
      same(runDue(core, 12), inOrder(timers.filter((timer) => timer.at > 8)), 'the rest');
    }
  },

  'a timer of a high priority that is not due holds up nobody'(makeCore) {
    const core = makeCore();
    const [a, b] = takeMany(core, 2);
    core.arm(a, 9, Priority.HIGHEST);
    core.arm(b, 5, Priority.LATEST);
    same(core.nextDeadline(), 5, 'nextDeadline()');
    same(runDue(core, 5), [b], 'due');
    same(core.nextDeadline(), 9, 'nextDeadline()');
  },

  'a timer is cancelled in every position of the heap, and the others keep their order'(makeCore) {
    const random = new Random(6);
    for (let size = 1; size <= 45; ++size) {
      for (let position = 0; position < size; ++position) {
        const core = makeCore({ rows: 64 });
        runDue(core, -0.5 + size * 2 * (position % 2)); // once they are to come, and once they are in the past
        const timers = armMany(core, size, random, size * 2, 1);
        const [cancelled] = timers.splice(position, 1);
        same(core.disarm(cancelled.slot), true, 'disarm');
        same(core.disarm(cancelled.slot), false, 'disarm again');
        same(core.deadline(cancelled.slot), Infinity, 'deadline');
        same(core.nextDeadline(), Math.min(Infinity, ...timers.map((timer) => timer.at)), 'nextDeadline()');
        same(runDue(core, size * 2), inOrder(timers), `order of ${size} without number ${position}`);
      }
    }
  },

  'timers of every scale come in order, wherever time stands and however it jumps'(makeCore) {
    const random = new Random(10);
    const DAY = 86_400_000;
    for (const start of [0, 0.3, 255.9, 4096, 2 ** 30 - 5, 2 ** 30 + DAY, 2 ** 32 - 1, 1.7e12, 2 ** 50 - 3, 2 ** 52]) {
      const core = makeCore();
      let timers: Armed[] = [];
      let now = start;
      for (const round of count(40)) {
        // Every second round the clock has been read before.
        if (round % 2) runDue(core, now - 1e-3);
        timers = timers.filter(({ at }) => at > now - 1e-3 || round % 2 === 0);
        for (const slot of takeMany(core, 12)) {
          const ahead = 2 ** (random.below(38) - 5) * (1 + random.below(3) / 4);
          const at = now + (random.below(6) === 0 ? -ahead : ahead);
          const timer = { slot, at, priority: random.below(5), seq: core.counter(Counter.SLOTS) };
          core.arm(slot, at, timer.priority);
          timers.push(timer);
        }
        for (const gone of count(2)) same(core.disarm(timers.splice(gone * 5, 1)[0].slot), true, 'disarm');
        if (round % 3 === 0) same(core.nextDeadline(), Math.min(...timers.map(({ at }) => at)), 'nextDeadline()');
        now += round % 4 ? 2 ** random.below(16) / 8 : 2 ** random.below(34);
        const due = timers.filter(({ at }) => at <= now);
        timers = timers.filter(({ at }) => at > now);
        same(runDue(core, now), inOrder(due), `from ${start}, round ${round}, ${now}`);
        same(core.nextDeadline(), Math.min(Infinity, ...timers.map(({ at }) => at)), 'nextDeadline()');
        core.verify();
      }
      same(runDue(core, Infinity), inOrder(timers), 'the rest');
    }
  },

  'a timer is due at its very deadline, on whatever boundary'(makeCore) {
    const core = makeCore();
    const [a, b] = takeMany(core, 2);
    let now = 0;
    for (const step of [4, 64, 1024, 2 ** 14, 2 ** 18, 2 ** 22, 2 ** 26, 2 ** 30]) {
      for (const off of [-1, -1e-4, -1e-6, -1e-7, -(2 ** -24), 0, 2 ** -24, 1e-7, 1]) {
        const at = now + step + off;
        core.arm(a, at, NORMAL);
        core.arm(b, now + step, Priority.LATE);
        const first = Math.min(at, now + step);
        const tie = at === now + step;
        same(core.deadline(a), at, 'deadline');
        if (off < 0) same(core.nextDeadline(), first, 'nextDeadline()');
        const early = runDue(core, first - 2 ** -16);
        same(early, [], `${step} ms and ${off}: before the first`);
        same(runDue(core, first), tie ? [a, b] : at === first ? [a] : [b], `${step} ms and ${off}: the first`);
        same(runDue(core, now + step + 1).length, tie ? 0 : 1, 'the second');
        now += step + 1;
      }
      now = Math.ceil(now / step) * step;
      runDue(core, now);
    }
  },

  'many timers of a few deadlines are cancelled from the middle, and the others fire in the order of arming'(makeCore) {
    const core = makeCore();
    const random = new Random(11);
    const timers: Armed[] = takeMany(core, 600).map((slot, seq) => {
      const timer = { slot, at: 30_000 + 7 * random.below(4), priority: 2 + random.below(2), seq };
      core.arm(slot, timer.at, timer.priority);
      return timer;
    });
    const left = timers.filter(({ slot }) => {
      if (random.below(3) > 0) return true;
      same(core.disarm(slot), true, 'disarm');
      return false;
    });
    core.verify();
    same(
      left.map(({ slot }) => core.deadline(slot)),
      left.map(({ at }) => at),
      'deadlines',
    );
    runDue(core, 29_999);
    core.verify();
    for (const at of [30_000, 30_007, 30_014, 30_021]) {
      same(core.nextDeadline(), at, 'nextDeadline()');
      same(runDue(core, at), inOrder(left.filter((timer) => timer.at === at)), `due at ${at}`);
    }
  },

  'a slot taken armed is one that was taken and armed, and freed armed it is gone with its timer'(makeCore) {
    const core = makeCore({ rows: 3 });
    const row = core.rowNew(RowKind.LIST, 0);
    const [a, b] = takeMany(core, 2);
    core.arm(a, 7000, NORMAL);
    const slots = count(20).map(() => core.takeArmed(Kind.TIMER, 7000, NORMAL));
    same(
      slots,
      count(20).map((i) => i + 2),
      'slots',
    );
    same([core.counter(Counter.TIMERS), core.counter(Counter.KIND + Kind.TIMER)], [21, 20], 'timers and their slots');
    same(
      [core.place(slots[9]), core.why(slots[9]), core.deadline(slots[9])],
      [Place.LOOSE, Why.WOKEN, 7000],
      'one of them',
    );
    const handle = core.handle(slots[3]);
    same([core.freeArmed(slots[3]), core.resolve(handle)], [true, NIL], 'freeArmed');
    same(core.takeArmed(Kind.TIMER, -1, Priority.LATE), slots[3], 'the slot freed last');
    same([core.freeArmed(b), core.resolve(core.handle(b))], [false, b], 'freeArmed of one that is not armed');
    core.park(b, row);
    same([core.freeArmed(b), core.rowOf(b)], [false, row], 'freeArmed of one that waits');
    core.verify();
    same(runDue(core, 0), [slots[3]], 'due at once');
    same(core.freeArmed(slots[3]), false, 'freeArmed of one that has fired');
    same(runDue(core, 7000), [a, ...slots.filter((slot) => slot !== slots[3])], 'due');
  },

  'deadlines may be past, zero, negative or infinite'(makeCore) {
    const core = makeCore();
    const [a, b, c, d, e] = takeMany(core, 5);
    core.arm(a, Infinity, NORMAL);
    core.arm(b, 0, NORMAL);
    core.arm(c, -5, NORMAL);
    core.arm(d, -Infinity, NORMAL);
    core.arm(e, Infinity, NORMAL);
    same(core.nextDeadline(), -Infinity, 'nextDeadline()');
    same(core.counter(Counter.TIMERS), 5, 'timers');
    same(runDue(core, 1e300), [d, c, b], 'due');
    same([core.nextDeadline(), core.counter(Counter.TIMERS)], [Infinity, 2], 'what is left');
    same([core.disarm(a), core.disarm(a)], [true, false], 'disarm of one at Infinity');
    same(runDue(core, Infinity), [e], 'due at the end of time');
  },

  'timers armed during a pass belong to the next one, though they are due and earlier'(makeCore) {
    const core = makeCore();
    const [a, b, c, d, e] = takeMany(core, 5);
    core.arm(a, 5, NORMAL);
    core.arm(b, 6, NORMAL);
    core.arm(c, 6, Priority.LATE);
    core.beginDue();
    core.arm(d, 1, Priority.HIGHEST);
    same(core.nextDue(10), a, 'first');
    core.arm(a, 2, NORMAL); // one that rearms itself for the past
    core.arm(e, 3, Priority.LATE);
    same(core.nextDue(10), b, 'second');
    same(core.nextDue(10), c, 'third');
    same(core.nextDue(10), NIL, 'end of the pass');
    same(core.nextDue(10), NIL, 'end of the pass, asked again');
    same(runDue(core, 10), [d, a, e], 'next pass');
  },

  'timers armed during a pass count, show and can be cancelled like any'(makeCore) {
    const core = makeCore();
    const slots = takeMany(core, 12);
    const late = takeMany(core, 9);
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    core.beginDue();
    same(core.nextDue(5), slots[0], 'first');
    for (const [i, slot] of late.entries()) core.arm(slot, -i, i % 2 ? NORMAL : Priority.HIGH);
    same(core.nextDue(5), slots[1], 'second');
    same(core.nextDeadline(), -8, 'nextDeadline()');
    same(
      late.map((slot) => core.deadline(slot)),
      late.map((_, i) => -i),
      'deadlines',
    );
    same(core.counter(Counter.TIMERS), 19, 'timers');
    same([core.disarm(late[8]), core.disarm(late[8]), core.disarm(late[3])], [true, false, true], 'disarm');
    same(core.nextDeadline(), -7, 'nextDeadline()');
    core.arm(late[3], 5, NORMAL);
    same(core.disarm(slots[5]), true, 'disarm of an older one');
    core.verify();
    // The pass is broken off; the next one has them all.
    const expected = [6, 4, 2, 0].map((i) => late[i]).concat(late[7], late[5], late[1]);
    same(runDue(core, 5), [...expected, ...slots.slice(2).filter((slot) => slot !== slots[5]), late[3]], 'next pass');
  },

  'a timer cancelled during a pass does not fire, and one armed anew waits for the next pass'(makeCore) {
    const core = makeCore();
    const [a, b, c, d] = takeMany(core, 4);
    for (const slot of [a, b, c, d]) core.arm(slot, 5, NORMAL);
    core.beginDue();
    same(core.nextDue(5), a, 'first');
    core.disarm(b);
    core.disarm(c);
    core.arm(c, 5, NORMAL);
    same([core.nextDue(5), core.nextDue(5)], [d, NIL], 'rest of the pass');
    same(runDue(core, 5), [c], 'next pass');
  },

  'within a pass time may go on'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    core.arm(a, 5, Priority.LATE);
    core.arm(b, 7, NORMAL);
    core.arm(c, 9, Priority.HIGHEST);
    core.beginDue();
    same([core.nextDue(5), core.nextDue(5), core.nextDue(7), core.nextDue(9)], [a, NIL, b, c], 'what is due');
  },

  'every timer armed before a pass can fire in it, wherever the younger ones stand'(makeCore) {
    const core = makeCore();
    const random = new Random(8);
    for (const round of count(20)) {
      const older = armMany(core, 30 + round, random, 50, 3);
      core.beginDue();
      const fired: number[] = [];
      const younger: Armed[] = [];
      for (let slot = core.nextDue(40); slot !== NIL; slot = core.nextDue(40)) {
        fired.push(slot);
        const timer = { slot, at: random.below(60), priority: random.below(5), seq: 1000 + fired.length };
        core.arm(slot, timer.at, timer.priority);
        younger.push(timer);
      }
      const due = older.filter((timer) => timer.at <= 40);
      const left = older.filter((timer) => timer.at > 40);
      same(fired, inOrder(due), 'the pass');
      same(runDue(core, 60), inOrder([...left, ...younger]), 'the next pass');
    }
  },

  'a slot whose timer fires while it waits leaves its row, timed out'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.LIST, 0);
    const [a, b, c] = takeMany(core, 3);
    for (const slot of [a, b, c]) core.park(slot, row);
    core.arm(b, 5, Priority.LATE);
    same(core.place(b), Place.WAITING, 'place of a waiter with a timer');
    same(runDue(core, 5), [b], 'due');
    same([core.place(b), core.rowOf(b), core.why(b)], [Place.LOOSE, NIL, Why.TIMED_OUT], 'place, row and reason');
    same(waitersOf(core, row), [a, c], 'who waits');
    same([core.waiting(row), core.counter(Counter.WAITING)], [2, 2], 'how many wait');
    same(entriesOf(core), [], 'ring');
    core.park(b, row);
    core.wakeAll(row);
    same(
      [a, c, b].map((slot) => core.why(slot)),
      [Why.WOKEN, Why.WOKEN, Why.WOKEN],
      'reasons',
    );
  },
};

// ---- rows: waiting ------------------------------------------------------------------------------------------------

const LISTS: Record<string, Body> = {
  'waiters stand in the order they parked'(makeCore) {
    const core = makeCore();
    const slots = new Random(10).shuffled(takeMany(core, 20));
    const [row, other] = [core.rowNew(RowKind.LIST, 0), core.rowNew(RowKind.LIST, 0)];
    same([core.first(row), core.waiting(row), core.value(row)], [NIL, 0, 0], 'an empty row');
    for (const slot of slots) core.park(slot, slot % 2 ? row : other);
    const odd = slots.filter((slot) => slot % 2);
    same(waitersOf(core, row), odd, 'waiters');
    same([core.first(row), core.next(odd[0]), core.next(odd[9])], [odd[0], odd[1], NIL], 'first, second and last');
    same([core.waiting(row), core.waiting(other), core.counter(Counter.WAITING)], [10, 10, 20], 'how many');
    same(entriesOf(core), [], 'ring');
  },

  'wakeOne moves the first waiter to the back of the ring'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    const row = core.rowNew(RowKind.LIST, 0);
    core.park(a, row);
    core.park(b, row);
    core.arm(a, 1, NORMAL);
    core.ready(c);
    same(core.wakeOne(row), a, 'woken');
    same([core.place(a), core.why(a), core.deadline(a)], [Place.READY, Why.WOKEN, Infinity], 'place, reason, deadline');
    same([core.wakeOne(row), core.wakeOne(row)], [b, NIL], 'woken');
    same(entriesOf(core), [c, a, b], 'ring');
    same(core.counter(Counter.TIMERS), 0, 'timers');
  },

  'wakeAll moves all waiters to the back of the ring, in order'(makeCore) {
    const core = makeCore();
    const [x, ...slots] = takeMany(core, 9);
    const row = core.rowNew(RowKind.LIST, 0);
    same(core.wakeAll(row), 0, 'woken of nobody');
    core.ready(x);
    for (const slot of slots) core.park(slot, row);
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    same(core.wakeAll(row), 8, 'woken');
    same([core.waiting(row), core.first(row), core.counter(Counter.WAITING)], [0, NIL, 0], 'who is left');
    same([core.counter(Counter.TIMERS), core.nextDeadline()], [0, Infinity], 'timers');
    same(runAll(core), [x, ...slots], 'trace');
  },

  'a waiter leaves from every position, and the others keep their order'(makeCore) {
    for (const size of count(7)) {
      for (const position of count(size)) {
        const core = makeCore();
        const slots = takeMany(core, size);
        const row = core.rowNew(RowKind.LIST, 0);
        for (const slot of slots) core.park(slot, row);
        const gone = slots[position];
        core.arm(gone, 5, NORMAL);
        same(core.leave(gone), true, 'leave');
        same([core.place(gone), core.rowOf(gone), core.next(gone)], [Place.LOOSE, NIL, NIL], 'place, row, next');
        same(core.leave(gone), false, 'leave again');
        same([core.deadline(gone), core.counter(Counter.TIMERS)], [Infinity, 0], 'timer');
        core.park(gone, row);
        const order = [...slots.toSpliced(position, 1), gone];
        same(waitersOf(core, row), order, `waiters, ${position} of ${size} parked anew`);
        core.wakeAll(row);
        same(runAll(core), order, 'trace');
      }
    }
  },

  'leave takes a sleeper its timer, and leaves a ready slot in the ring'(makeCore) {
    const core = makeCore();
    const [sleeper, ready] = takeMany(core, 2);
    core.arm(sleeper, 5, NORMAL);
    core.ready(ready);
    same([core.leave(sleeper), core.leave(ready)], [false, false], 'leave');
    same(core.counter(Counter.TIMERS), 0, 'timers');
    same(runDue(core, 9), [], 'due');
    same(entriesOf(core), [ready], 'ring');
  },

  'a slot parks here, leaves, and parks there'(makeCore) {
    const core = makeCore();
    const [a, b, c] = takeMany(core, 3);
    const [here, there] = [core.rowNew(RowKind.LIST, 0), core.rowNew(RowKind.LIST, 0)];
    for (const slot of [a, b, c]) core.park(slot, here);
    core.leave(b);
    core.park(b, there);
    same([waitersOf(core, here), waitersOf(core, there)], [[a, c], [b]], 'waiters');
    same([core.rowOf(a), core.rowOf(b), core.rowOf(c)], [here, there, here], 'rows');
    same([core.wakeOne(there), core.wakeAll(here)], [b, 2], 'woken');
    same(runAll(core), [b, a, c], 'trace');
  },
};

// ---- rows: notification -------------------------------------------------------------------------------------------

/** A core with `count` slots parked on a row of `kind`. */
function parked(makeCore: MakeCore, kind: RowKind, size: number): { core: Core; row: number; slots: number[] } {
  const core = makeCore();
  const row = core.rowNew(kind, 0);
  const slots = takeMany(core, size);
  for (const slot of slots) {
    if (kind === RowKind.SEMAPHORE) core.semAcquire(row, slot);
    else core.park(slot, row);
  }
  return { core, row, slots };
}

const EVENTS: Record<string, Body> = {
  'setting an event schedules its notifier once, behind what is ready, and only if somebody waits'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.EVENT, 0);
    const [a, b] = takeMany(core, 2);
    core.eventSet(row);
    same([core.value(row), entriesOf(core)], [1, []], 'flag and ring');
    core.eventClear(row);
    same(core.value(row), 0, 'flag');
    same(core.eventWait(row, a), 0, 'eventWait');
    same([core.place(a), core.rowOf(a)], [Place.WAITING, row], 'place and row');
    core.ready(b);
    core.eventSet(row);
    core.eventSet(row);
    same(entriesOf(core), [b, ~row], 'ring');
    same(core.counter(Counter.READY), 2, 'ready');
    same(runAll(core), [b, a], 'trace');
  },

  'an event that was new with its flag up is up'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.EVENT, 1);
    same([core.value(row), core.eventWait(row, core.take(GREENLET))], [1, 1], 'flag and eventWait');
    same([core.waiting(row), entriesOf(core)], [0, []], 'waiters and ring');
  },

  'the waiters of an event run in order, before anything else goes on, loose, woken and without timer'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    const other = core.take(GREENLET);
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    core.eventSet(row);
    core.ready(other);
    for (const [i, slot] of slots.entries()) {
      same(entriesOf(core), [~row, other], 'ring');
      same(turn(core), slot, 'what runs');
      same([core.place(slot), core.why(slot), core.deadline(slot)], [Place.LOOSE, Why.WOKEN, Infinity], 'its state');
      same([core.waiting(row), core.counter(Counter.TIMERS)], [2 - i, 2 - i], 'waiters and timers left');
    }
    same(entriesOf(core), [other], 'ring after the last waiter');
    same(core.value(row), 1, 'flag');
  },

  'what a waiter makes ready runs behind the pass, and what it puts in front runs before the pass goes on'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    const [first, behind, front] = [slots[0], ...takeMany(core, 2)];
    core.eventSet(row);
    const trace = runAll(core, (slot) => {
      if (slot !== first) return;
      core.ready(behind);
      core.readyFront(front);
    });
    same(trace, [first, front, slots[1], slots[2], behind], 'trace');
  },

  'a flag lowered before or during the pass stops nobody who was there when it began'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    const [late, later] = takeMany(core, 2);
    core.eventSet(row);
    core.park(late, row);
    core.eventClear(row);
    same(core.eventWait(row, later), 0, 'eventWait before the pass begins');
    same(entriesOf(core), [~row], 'ring');
    same(runAll(core), [...slots, late, later], 'trace');
    same(core.value(row), 0, 'flag');

    for (const slot of slots) core.park(slot, row);
    core.eventSet(row);
    same(
      runAll(core, () => core.eventClear(row)),
      slots,
      'trace',
    );
  },

  'who parks during a pass while the flag is down waits for another'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 2);
    const [late, other] = takeMany(core, 2);
    core.eventSet(row);
    core.ready(other);
    same(turn(core), slots[0], 'first');
    core.eventClear(row);
    same(core.eventWait(row, late), 0, 'eventWait');
    same(runAll(core), [slots[1], other], 'trace');
    same(waitersOf(core, row), [late], 'who waits');
    core.eventSet(row);
    same(runAll(core), [late], 'trace');
  },

  'a flag raised again during the pass gives those who came in between a pass of their own, at the back'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 2);
    const [late, other] = takeMany(core, 2);
    core.eventSet(row);
    core.ready(other);
    same(turn(core), slots[0], 'first');
    core.eventClear(row);
    core.eventWait(row, late);
    core.eventSet(row);
    same(entriesOf(core), [~row, other], 'ring');
    same(turn(core), slots[1], 'last of the pass');
    same(entriesOf(core), [other, ~row], 'ring');
    same(runAll(core), [other, late], 'trace');
  },

  'who waits on a raised flag while its notification is under way queues behind the older ones'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 2);
    const [early, late, other] = takeMany(core, 3);
    core.eventSet(row);
    core.ready(other);
    same(core.eventWait(row, early), 0, 'eventWait before the pass begins');
    same(turn(core), slots[0], 'first');
    same(core.eventWait(row, late), 0, 'eventWait during the pass');
    same(entriesOf(core), [~row, other], 'ring');
    same([turn(core), turn(core)], [slots[1], early], 'what runs');
    same(entriesOf(core), [~row, other], 'ring');
    same(runAll(core), [late, other], 'trace');
  },

  'a late waiter brings those into the pass who parked before it while the flag was down'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 2);
    const [between, late, other] = takeMany(core, 3);
    core.eventSet(row);
    core.ready(other);
    same(turn(core), slots[0], 'first');
    core.eventClear(row);
    core.eventWait(row, between);
    core.eventSet(row);
    core.eventWait(row, late);
    same(runAll(core), [slots[1], between, late, other], 'trace');
  },

  'once the last waiter of the pass is given, the notification is over'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 1);
    const next = core.take(GREENLET);
    core.eventSet(row);
    same(turn(core), slots[0], 'what runs');
    same([entriesOf(core), core.eventWait(row, next)], [[], 1], 'ring and eventWait');
    same(core.place(next), Place.LOOSE, 'place');
  },

  'a slot parked on a raised flag is notified'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.EVENT, 1);
    const [a, b] = takeMany(core, 2);
    core.park(a, row);
    core.park(b, row);
    same(entriesOf(core), [~row], 'ring');
    same(runAll(core), [a, b], 'trace');
  },

  'who leaves during a pass is not notified, wherever it stood, and the pass ends where it would have'(makeCore) {
    for (const leavers of [[1], [2], [3], [1, 2], [3, 2], [1, 3], [1, 2, 3], [3, 2, 1]]) {
      const { core, row, slots } = parked(makeCore, RowKind.EVENT, 4);
      const late = core.take(GREENLET);
      core.eventSet(row);
      same(turn(core), slots[0], 'first');
      core.eventClear(row);
      core.eventWait(row, late);
      for (const i of leavers) same(core.leave(slots[i]), true, 'leave');
      core.verify();
      const rest = slots.filter((_, i) => i > 0 && !leavers.includes(i));
      same(runAll(core), rest, `trace without ${leavers}`);
      same(waitersOf(core, row), [late], 'who waits');
      core.eventSet(row);
      same(runAll(core), [late], 'the next pass');
    }
  },

  'a pass is called off when all have left before it began; one that has begun takes in who comes while the flag is up'(
    makeCore,
  ) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    core.eventSet(row);
    core.leave(slots[0]);
    core.arm(slots[1], 5, Priority.LATE);
    same(runDue(core, 5), [slots[1]], 'due');
    same(entriesOf(core), [~row], 'while one is left');
    core.leave(slots[2]);
    same([entriesOf(core), turn(core)], [[], undefined], 'the pass');
    same(core.eventWait(row, slots[0]), 1, 'eventWait');
    core.park(slots[0], row);
    same([entriesOf(core), turn(core), turn(core)], [[~row], slots[0], undefined], 'another');

    core.eventClear(row);
    for (const slot of slots) core.park(slot, row);
    core.eventSet(row);
    same(turn(core), slots[0], 'first');
    for (const slot of slots.slice(1)) core.leave(slot);
    same(core.eventWait(row, slots[2]), 0, 'eventWait');
    same([turn(core), turn(core)], [slots[2], undefined], 'the rest of the pass');
  },

  'a waiter whose time runs out during a pass is timed out, not notified'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    for (const slot of slots) core.arm(slot, slot === slots[0] ? 9 : 5, Priority.LATE);
    core.eventSet(row);
    same(turn(core), slots[0], 'first');
    same(runDue(core, 5), [slots[1], slots[2]], 'due');
    same(core.why(slots[1]), Why.TIMED_OUT, 'why');
    same([turn(core), turn(core)], [NIL, undefined], 'the rest of the pass');
  },

  'a waiter that parks again during the pass is served once, unless the flag is up'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    core.eventSet(row);
    core.eventClear(row);
    same(
      runAll(core, (slot) => core.park(slot, row)),
      slots,
      'trace with the flag down',
    );
    same(waitersOf(core, row), slots, 'who waits');
    core.eventSet(row);
    const trace: number[] = [];
    for (let i = 0; i < 7; ++i) {
      const slot = turn(core) as number;
      trace.push(slot);
      core.park(slot, row);
    }
    const [a, b, c] = slots;
    same(trace, [a, b, c, a, b, c, a], 'trace with the flag up');
  },
};

const SEMAPHORES: Record<string, Body> = {
  'permits are counted, taken at once while there are any, and given back'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.SEMAPHORE, 3);
    const [a, b] = takeMany(core, 2);
    same([core.value(row), core.semTry(row), core.value(row)], [3, 1, 2], 'permits');
    same([core.semAcquire(row, a), core.semAcquire(row, b), core.value(row)], [1, 1, 0], 'permits');
    same([core.semTry(row), core.value(row)], [0, 0], 'permits');
    same(placesOf(core, [a, b]), [0, 0], 'places');
    same([core.semRelease(row, 1), core.semRelease(row, 4)], [1, 5], 'permits');
    same([entriesOf(core), core.waiting(row)], [[], 0], 'ring and waiters');
  },

  'as many waiters run as permits are released, in order, and each takes one'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 5);
    const other = core.take(GREENLET);
    for (const slot of slots) core.arm(slot, 5, NORMAL);
    same([core.place(slots[0]), core.rowOf(slots[0])], [Place.WAITING, row], 'place and row');
    same(core.semRelease(row, 1), 1, 'permits');
    same(core.semRelease(row, 2), 3, 'permits');
    core.ready(other);
    same(entriesOf(core), [~row, other], 'ring');
    same([turn(core), core.value(row)], [slots[0], 2], 'first');
    same(core.place(slots[0]), Place.LOOSE, 'place');
    same(runAll(core), [slots[1], slots[2], other], 'trace');
    same([core.value(row), waitersOf(core, row)], [0, slots.slice(3)], 'what is left');
    same(core.counter(Counter.TIMERS), 2, 'timers');
  },

  'whoever asks before the notification has the permit, and the waiter stays'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 2);
    const barger = core.take(GREENLET);
    core.semRelease(row, 1);
    same([core.semAcquire(row, barger), core.value(row)], [1, 0], 'the barger');
    same([turn(core), turn(core)], [NIL, undefined], 'the pass');
    same(waitersOf(core, row), slots, 'who waits');
    core.semRelease(row, 1);
    same(core.semTry(row), 1, 'semTry');
    same(runAll(core), [], 'trace');
    core.semRelease(row, 1);
    same(runAll(core), [slots[0]], 'trace');
  },

  'permits taken during the pass end it, and a later release begins another'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 4);
    core.semRelease(row, 3);
    same(turn(core), slots[0], 'first');
    same([core.semTry(row), core.semTry(row)], [1, 1], 'semTry');
    same(runAll(core), [], 'trace');
    core.semRelease(row, 2);
    same(runAll(core), [slots[1], slots[2]], 'trace');
  },

  'a permit that the waiter running now gives back goes on with the same pass'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 3);
    const other = core.take(GREENLET);
    core.semRelease(row, 1);
    core.ready(other);
    same(
      runAll(core, (slot) => slot !== other && core.semRelease(row, 1)),
      [...slots, other],
      'trace',
    );
    same(core.value(row), 1, 'permits');
  },

  'who parks without asking for a permit is notified while there are any, and takes none'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.SEMAPHORE, 0);
    const [taker, watcher, second, last] = takeMany(core, 4);
    core.park(watcher, row);
    core.semAcquire(row, taker);
    core.semAcquire(row, second);
    core.park(last, row);
    core.semRelease(row, 1);
    same([turn(core), core.value(row)], [watcher, 1], 'first');
    same([turn(core), core.value(row)], [taker, 0], 'second');
    same(runAll(core), [], 'trace');
    same(waitersOf(core, row), [second, last], 'who waits');
    core.semRelease(row, 2);
    same(runAll(core), [second, last], 'trace');
    same(core.value(row), 1, 'permits');
  },

  'a slot parked on a semaphore with permits is notified, and belongs to a pass that is under way'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.SEMAPHORE, 2);
    const [a, b, c, other] = takeMany(core, 4);
    core.park(a, row);
    core.park(b, row);
    core.ready(other);
    same(entriesOf(core), [~row, other], 'ring');
    same(turn(core), a, 'first');
    core.park(c, row);
    same(runAll(core), [b, c, other], 'trace');
  },

  'acquirers that come during the pass wait for another, which is scheduled at the back'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 2);
    const [late, other] = takeMany(core, 2);
    core.semRelease(row, 1);
    same(turn(core), slots[0], 'first');
    same(core.semAcquire(row, late), 0, 'semAcquire');
    core.semRelease(row, 2);
    core.ready(other);
    same(turn(core), slots[1], 'last of the pass');
    same(entriesOf(core), [other, ~row], 'ring');
    same(runAll(core), [other, late], 'trace');
    same(core.value(row), 0, 'permits');
  },

  'a waiter that is killed between release and notification loses no permit'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 3);
    core.semRelease(row, 1);
    same(core.leave(slots[0]), true, 'leave');
    same(core.value(row), 1, 'permits');
    same([runAll(core), core.value(row)], [[slots[1]], 0], 'trace and permits');
    core.semRelease(row, 1);
    core.leave(slots[2]);
    same([turn(core), core.value(row)], [undefined, 1], 'the pass that was called off');
    same([core.semTry(row), core.value(row)], [1, 0], 'semTry');
  },

  'waiters that leave or time out during the pass take nothing'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 5);
    core.arm(slots[3], 5, Priority.LATE);
    core.semRelease(row, 4);
    same(turn(core), slots[0], 'first');
    core.leave(slots[1]);
    same(runDue(core, 5), [slots[3]], 'due');
    same(core.why(slots[3]), Why.TIMED_OUT, 'why');
    same([runAll(core), core.value(row)], [[slots[2], slots[4]], 1], 'trace and permits');
  },

  'permits are conserved, whoever comes and goes'(makeCore) {
    const core = makeCore();
    const random = new Random(11);
    const row = core.rowNew(RowKind.SEMAPHORE, 4);
    const slots = takeMany(core, 12);
    const holders = new Set<number>();
    for (let i = 0; i < 4000; ++i) {
      const slot = slots[random.below(12)];
      if (holders.delete(slot)) core.semRelease(row, 1);
      else if (core.place(slot) === Place.WAITING) core.leave(slot);
      else if (core.semAcquire(row, slot)) holders.add(slot);
      if (random.below(2)) {
        const given = turn(core);
        if (given !== undefined && given !== NIL) holders.add(given);
      }
      same(core.value(row) + holders.size, 4, 'permits and holders');
    }
  },
};

const LATCHES: Record<string, Body> = {
  'a latch fires for good: whoever parks later is notified too'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.LATCH, 0);
    const [a, b] = takeMany(core, 2);
    same(core.value(row), 0, 'value');
    core.latchFire(row);
    same([core.value(row), entriesOf(core)], [1, []], 'value and ring');
    core.ready(b);
    core.park(a, row);
    same(entriesOf(core), [b, ~row], 'ring');
    same(runAll(core), [b, a], 'trace');
    core.park(a, row);
    core.latchFire(row);
    same(entriesOf(core), [~row], 'ring');
    same(runAll(core), [a], 'trace');
  },

  'the pass of a latch takes in all who arrive meanwhile, and ends with an extra NIL'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.LATCH, 2);
    const [late, later, last, other] = takeMany(core, 4);
    same(entriesOf(core), [], 'ring before it fires');
    core.latchFire(row);
    core.latchFire(row);
    core.ready(other);
    same(entriesOf(core), [~row, other], 'ring');
    same(turn(core), slots[0], 'first');
    core.park(late, row);
    same([turn(core), turn(core)], [slots[1], late], 'what runs');
    same(entriesOf(core), [~row, other], 'ring when the list is empty');
    core.park(later, row);
    same(turn(core), later, 'what runs');
    same(turn(core), NIL, 'end of the pass');
    same(entriesOf(core), [other], 'ring');
    core.park(last, row);
    same(entriesOf(core), [other, ~row], 'ring');
    same([turn(core), turn(core), turn(core), turn(core)], [other, last, NIL, undefined], 'the next pass');
  },

  'waiters of a latch are disarmed and woken, and those who left are not notified'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.LATCH, 4);
    for (const slot of slots) core.arm(slot, slot === slots[2] ? 5 : 9, Priority.LATE);
    core.latchFire(row);
    core.leave(slots[0]);
    same(turn(core), slots[1], 'first');
    same(runDue(core, 5), [slots[2]], 'due');
    same(runAll(core), [slots[3]], 'trace');
    same([core.why(slots[1]), core.why(slots[2])], [Why.WOKEN, Why.TIMED_OUT], 'reasons');
    same(core.counter(Counter.TIMERS), 0, 'timers');
  },
};

const CHANNELS: Record<string, Body> = {
  'putter and getter park, and the second of a pair schedules the notifier at the back'(makeCore) {
    for (const putFirst of [true, false]) {
      const core = makeCore();
      const row = core.rowNew(RowKind.CHANNEL, 0);
      const [putter, getter, other] = takeMany(core, 3);
      core.ready(other);
      if (putFirst) core.chanPut(row, putter);
      else core.chanGet(row, getter);
      same([core.balance(row), core.waiting(row), entriesOf(core)], [putFirst ? 1 : -1, 1, [other]], 'one of the pair');
      if (putFirst) core.chanGet(row, getter);
      else core.chanPut(row, putter);
      same([core.balance(row), core.waiting(row), entriesOf(core)], [0, 2, [other, ~row]], 'both');
      same(placesOf(core, [putter, getter]), [Place.WAITING, Place.WAITING], 'places');
      same([turn(core), turn(core)], [other, getter], 'what runs');
      same([core.partner(), entriesOf(core)], [putter, [putter, ~row]], 'partner and ring');
      same(placesOf(core, [putter, getter]), [Place.READY, Place.LOOSE], 'places');
      same([runAll(core), core.waiting(row)], [[putter], 0], 'trace and waiters');
    }
  },

  'two of a side are no pair'(makeCore) {
    for (const how of ['chanPut', 'chanGet'] as const) {
      const core = makeCore();
      const row = core.rowNew(RowKind.CHANNEL, 0);
      for (const slot of takeMany(core, 3)) core[how](row, slot);
      same([core.waiting(row), entriesOf(core)], [3, []], `waiters and ring after three times ${how}`);
    }
  },

  'pairs are served in order of arrival, getter before putter, each before the next'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [p1, p2, p3, g1, g2, other] = takeMany(core, 6);
    for (const putter of [p1, p2, p3]) core.chanPut(row, putter);
    for (const getter of [g1, g2]) core.chanGet(row, getter);
    core.ready(other);
    same([core.balance(row), entriesOf(core)], [1, [~row, other]], 'balance and ring');
    same([turn(core), core.partner()], [g1, p1], 'first pair');
    same(entriesOf(core), [p1, ~row, other], 'ring');
    same([turn(core), turn(core), core.partner()], [p1, g2, p2], 'second pair');
    same(entriesOf(core), [p2, ~row, other], 'ring after the last pair');
    same(runAll(core), [p2, other], 'trace');
    same([core.balance(row), core.waiting(row), core.first(row)], [1, 1, p3], 'who is left');
  },

  'both of a pair are woken and disarmed'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [putter, getter] = takeMany(core, 2);
    core.park(putter, core.rowNew(RowKind.LIST, 0));
    core.arm(putter, 1, NORMAL);
    runDue(core, 1);
    same(core.why(putter), Why.TIMED_OUT, 'why');
    core.chanPut(row, putter);
    core.chanGet(row, getter);
    core.arm(putter, 5, NORMAL);
    core.arm(getter, 5, NORMAL);
    same(turn(core), getter, 'what runs');
    same([core.why(putter), core.why(getter)], [Why.WOKEN, Why.WOKEN], 'reasons');
    same([core.counter(Counter.TIMERS), core.counter(Counter.WAITING)], [0, 0], 'timers and waiters');
  },

  'partner is NIL before the first pair, and after a notification that gave none'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const event = core.rowNew(RowKind.EVENT, 1);
    const [putter, getter, waiter] = takeMany(core, 3);
    same(core.partner(), NIL, 'partner');
    core.chanPut(row, putter);
    core.chanGet(row, getter);
    turn(core);
    same(core.partner(), putter, 'partner');
    core.park(waiter, event);
    same(runAll(core), [putter, waiter], 'trace');
    same(core.partner(), NIL, 'partner after the pass of an event');
  },

  'a pair that one side leaves is none: the other side stays, and pairs with the next'(makeCore) {
    for (const [leaver, left] of [
      [0, 1],
      [1, 0],
    ]) {
      const core = makeCore();
      const row = core.rowNew(RowKind.CHANNEL, 0);
      const pair = takeMany(core, 2);
      const next = core.take(GREENLET);
      core.chanPut(row, pair[0]);
      core.chanGet(row, pair[1]);
      same(core.leave(pair[leaver]), true, 'leave');
      same([turn(core), turn(core), core.partner()], [NIL, undefined, NIL], 'the pass');
      same([core.balance(row), waitersOf(core, row)], [left ? -1 : 1, [pair[left]]], 'who is left');
      if (leaver) core.chanGet(row, next);
      else core.chanPut(row, next);
      same(entriesOf(core), [~row], 'ring');
      same(runAll(core), leaver ? [next, pair[0]] : [pair[1], next], 'trace');
    }
  },

  'who leaves during the pass does not break the other pairs'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [p1, p2, p3, g1, g2, g3] = takeMany(core, 6);
    for (const putter of [p1, p2, p3]) core.chanPut(row, putter);
    for (const getter of [g1, g2, g3]) core.chanGet(row, getter);
    core.arm(p3, 5, Priority.LATE);
    same(turn(core), g1, 'first');
    core.leave(p2);
    core.leave(g2);
    same(runAll(core), [p1, g3, p3], 'trace');
    same([core.why(p3), core.counter(Counter.TIMERS)], [Why.WOKEN, 0], 'reason and timers');
  },

  'a putter times out of a channel'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [p1, p2, getter] = takeMany(core, 3);
    core.chanPut(row, p1);
    core.chanPut(row, p2);
    core.arm(p1, 5, Priority.LATE);
    same([runDue(core, 5), core.why(p1), core.balance(row)], [[p1], Why.TIMED_OUT, 1], 'due, reason and balance');
    core.chanGet(row, getter);
    same(runAll(core), [getter, p2], 'trace');
  },

  'pairs that arrive while a pass goes on are served in it, those that its last pair makes as well'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const [p1, p2, p3, p4, g1, g2, g3, g4] = takeMany(core, 8);
    const other = core.take(GREENLET);
    for (const putter of [p1, p2]) core.chanPut(row, putter);
    for (const getter of [g1, g2]) core.chanGet(row, getter);
    core.ready(other);
    same(turn(core), g1, 'first');
    core.chanPut(row, p3);
    core.chanGet(row, g3);
    same(entriesOf(core), [p1, ~row, other], 'ring');
    same([turn(core), turn(core), turn(core), turn(core)], [p1, g2, p2, g3], 'what runs');
    core.chanPut(row, p4);
    core.chanGet(row, g4);
    same(entriesOf(core), [p3, ~row, other], 'ring');
    same(runAll(core), [p3, g4, p4, other], 'trace');
  },

  'first and next show all who wait on a channel, each side in order'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.CHANNEL, 0);
    const putters = takeMany(core, 3);
    const getters = takeMany(core, 4);
    for (const i of count(4)) {
      if (i < 3) core.chanPut(row, putters[i]);
      core.chanGet(row, getters[i]);
    }
    const seen = waitersOf(core, row);
    same([core.waiting(row), seen.length], [7, 7], 'how many wait');
    same(
      seen.filter((slot) => getters.includes(slot)),
      getters,
      'getters',
    );
    same(
      seen.filter((slot) => putters.includes(slot)),
      putters,
      'putters',
    );
    same(
      seen.map((slot) => core.rowOf(slot)),
      seen.map(() => row),
      'rows',
    );
  },
};

const { WAIT, TAKE, PEEK } = Role;

const QUEUES: Record<string, Body> = {
  'a getter and an item meet: the notifier is scheduled, and the item is counted off when it runs'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    const [getter, other] = takeMany(core, 2);
    core.queueWait(row, getter, TAKE);
    same([entriesOf(core), core.role(getter), core.waiting(row)], [[], TAKE, 1], 'ring, role, waiters');
    core.queueItems(row, 1);
    core.ready(other);
    same([entriesOf(core), core.value(row)], [[~row, other], 1], 'ring and items');
    core.queueItems(row, 2);
    same([turn(core), core.value(row), entriesOf(core)], [getter, 1, [~row, other]], 'getter, items, ring');
    same([runAll(core), core.value(row)], [[other], 1], 'trace and items');
  },

  'a putter waits for room: the notifier is scheduled when somebody gets, and counts its item'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 2);
    core.queueLimit(row, 2);
    const [first, second] = takeMany(core, 2);
    core.queueWait(row, first, WAIT);
    core.queueWait(row, second, WAIT);
    same([entriesOf(core), core.role(first)], [[], WAIT], 'ring and role');
    core.queueItems(row, 1);
    same([entriesOf(core), turn(core), core.value(row)], [[~row], first, 2], 'ring, putter, items');
    same([turn(core), turn(core), waitersOf(core, row)], [NIL, undefined, [second]], 'the pass ends, and one waits');
  },

  'putters and getters go on in turn, a putter first'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 1);
    core.queueLimit(row, 1);
    const [p1, p2, p3, g1, g2, g3, g4, other] = takeMany(core, 8);
    for (const putter of [p1, p2, p3]) core.queueWait(row, putter, WAIT);
    core.queueItems(row, 0);
    for (const getter of [g1, g2, g3, g4]) core.queueWait(row, getter, TAKE);
    core.ready(other);
    same(waitersOf(core, row), [g1, g2, g3, g4, p1, p2, p3], 'getters, then putters');
    same(runAll(core), [p1, g1, p2, g2, p3, g3, other], 'trace');
    same([core.value(row), waitersOf(core, row)], [0, [g4]], 'items, and who waits');
  },

  'with room for all, each putter is followed by a getter as long as there are any'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    const [p1, p2, p3, g1] = takeMany(core, 4);
    for (const putter of [p1, p2, p3]) core.queueWait(row, putter, WAIT);
    core.queueWait(row, g1, TAKE);
    same([runAll(core), core.value(row)], [[p1, g1, p2, p3], 2], 'trace and items');
  },

  'a putter that queues behind a getter has them meet'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    const [getter, putter] = takeMany(core, 2);
    core.queueWait(row, getter, TAKE);
    same(entriesOf(core), [], 'ring');
    core.queueWait(row, putter, WAIT);
    same([entriesOf(core), runAll(core), core.value(row)], [[~row], [putter, getter], 0], 'ring, trace, items');
  },

  'one who only looks is woken by an item and leaves it to the next'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    const [looks, getter, late] = takeMany(core, 3);
    core.queueWait(row, looks, PEEK);
    core.queueWait(row, getter, TAKE);
    core.queueWait(row, late, PEEK);
    same(core.role(looks), PEEK, 'role');
    core.queueItems(row, 1);
    same([runAll(core), core.value(row), waitersOf(core, row)], [[looks, getter], 0, [late]], 'trace, items, waiters');
  },

  'what happens while one of the pass runs counts: it goes on, without a second notification'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    core.queueLimit(row, 1);
    const [g1, g2, other] = takeMany(core, 3);
    core.queueWait(row, g1, TAKE);
    core.queueItems(row, 1);
    core.ready(other);
    same(turn(core), g1, 'the getter');
    core.queueItems(row, 1);
    core.queueWait(row, g2, TAKE);
    same(
      [entriesOf(core), runAll(core)],
      [
        [~row, other],
        [g2, other],
      ],
      'ring and trace',
    );
  },

  'raising the limit wakes nobody; 0 is any number'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 1);
    core.queueLimit(row, 1);
    const [putter, next] = takeMany(core, 2);
    core.queueWait(row, putter, WAIT);
    core.queueLimit(row, 0);
    same(entriesOf(core), [], 'ring');
    core.queueItems(row, 2);
    same(entriesOf(core), [], 'ring after an item more');
    core.queueWait(row, next, WAIT);
    core.queueItems(row, 1);
    same([runAll(core), core.value(row)], [[putter, next], 3], 'trace and items');
  },

  'who leaves before its turn takes and brings nothing'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    core.queueLimit(row, 1);
    const [g1, g2, p1, p2] = takeMany(core, 4);
    core.queueWait(row, g1, TAKE);
    core.queueWait(row, g2, TAKE);
    core.queueItems(row, 1);
    core.arm(g1, 5, Priority.LATE);
    same([runDue(core, 5), core.why(g1)], [[g1], Why.TIMED_OUT], 'due and reason');
    core.leave(g2);
    same([turn(core), core.value(row), entriesOf(core)], [NIL, 1, []], 'the pass is empty');
    core.queueWait(row, p1, WAIT);
    core.queueWait(row, p2, WAIT);
    core.queueItems(row, 0);
    core.leave(p1);
    same([runAll(core), core.value(row), core.why(p2)], [[p2], 1, Why.WOKEN], 'trace, items, reason');
  },

  'a step takes the first of a side, whatever there is'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    core.queueLimit(row, 1);
    const [p1, p2, g1, looks] = takeMany(core, 4);
    same([core.queueStep(row, WAIT), core.queueStep(row, TAKE)], [NIL, NIL], 'of nobody');
    core.queueWait(row, p1, WAIT);
    core.queueWait(row, p2, WAIT);
    core.arm(p1, 5, NORMAL);
    same(
      [core.queueStep(row, WAIT), core.value(row), core.counter(Counter.TIMERS)],
      [p1, 1, 0],
      'putter, items, timers',
    );
    core.queueStep(row, WAIT);
    same(core.value(row), 2, 'items beyond the limit');
    core.queueItems(row, 1);
    core.queueWait(row, g1, TAKE);
    core.queueWait(row, looks, PEEK);
    same([core.queueStep(row, TAKE), core.value(row)], [g1, 0], 'getter and items');
    same([core.queueStep(row, TAKE), core.value(row)], [looks, 0], 'one who looks, and items');
    same(placesOf(core, [p1, p2, g1, looks]), [Place.LOOSE, Place.LOOSE, Place.LOOSE, Place.LOOSE], 'places');
    same(runAll(core), [], 'what is left of the notification');
  },

  'all are woken at once, getters before putters'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 1);
    core.queueLimit(row, 1);
    const [p1, p2, g1, g2] = takeMany(core, 4);
    core.queueWait(row, p1, WAIT);
    core.queueWait(row, p2, WAIT);
    core.queueItems(row, 0);
    core.queueWait(row, g1, TAKE);
    core.queueWait(row, g2, TAKE);
    core.arm(g2, 5, NORMAL);
    same([core.wakeOne(row), core.wakeAll(row)], [g1, 3], 'woken');
    same([entriesOf(core), core.counter(Counter.TIMERS)], [[~row, g1, g2, p1, p2], 0], 'ring and timers');
    same([runAll(core), core.value(row)], [[g1, g2, p1, p2], 0], 'trace and items');
    core.rowFree(row);
  },

  'a row that was a queue has no limit left in its next life'(makeCore) {
    const core = makeCore();
    const row = core.rowNew(RowKind.QUEUE, 0);
    core.queueLimit(row, 1);
    core.rowFree(row);
    const next = core.rowNew(RowKind.QUEUE, 5);
    const [putter, getter] = takeMany(core, 2);
    same(next, row, 'the same row');
    core.queueWait(next, putter, WAIT);
    core.queueWait(next, getter, TAKE);
    same([runAll(core), core.value(next)], [[putter, getter], 5], 'trace and items');
  },
};

const ROWS: Record<string, Body> = {
  'several rows that are pending have their passes one after the other, in order'(makeCore) {
    const core = makeCore();
    const rows = [RowKind.EVENT, RowKind.SEMAPHORE, RowKind.LATCH, RowKind.EVENT].map((kind) => core.rowNew(kind, 0));
    const [event, semaphore, latch, second] = rows;
    const channel = core.rowNew(RowKind.CHANNEL, 0);
    const waiters = rows.map((row) => {
      const slots = takeMany(core, 3);
      for (const slot of slots) row === semaphore ? core.semAcquire(row, slot) : core.park(slot, row);
      return slots;
    });
    const [getter, putter] = takeMany(core, 2);
    core.eventSet(second);
    core.semRelease(semaphore, 2);
    core.chanGet(channel, getter);
    core.chanPut(channel, putter);
    core.eventSet(event);
    core.latchFire(latch);
    same(
      entriesOf(core),
      [second, semaphore, channel, event, latch].map((row) => ~row),
      'ring',
    );
    same(
      runAll(core),
      [...waiters[3], ...waiters[1].slice(0, 2), getter, putter, ...waiters[0], ...waiters[2]],
      'trace',
    );
  },

  'a notification scheduled during a pass waits for its turn'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
    const latch = core.rowNew(RowKind.LATCH, 0);
    const [waiter, other] = takeMany(core, 2);
    core.park(waiter, latch);
    core.eventSet(row);
    core.ready(other);
    same(turn(core), slots[0], 'first');
    core.latchFire(latch);
    same(entriesOf(core), [~row, other, ~latch], 'ring');
    same(runAll(core), [slots[1], slots[2], other, waiter], 'trace');
  },

  'the row freed last is made first, and is as new'(makeCore) {
    const core = makeCore();
    const [a, b, c] = count(3).map(() => core.rowNew(RowKind.SEMAPHORE, 7));
    core.rowFree(b);
    core.rowFree(a);
    same(core.counter(Counter.ROWS), 1, 'rows');
    same([core.rowNew(RowKind.LIST, 0), core.rowNew(RowKind.EVENT, 1)], [a, b], 'rows');
    same([core.value(a), core.waiting(a), core.first(a)], [0, 0, NIL], 'the new row');
    same([core.value(b), core.value(c), core.counter(Counter.ROWS)], [1, 7, 3], 'the others');
  },

  'a row that is freed takes its notifier with it'(makeCore) {
    for (const began of [false, true]) {
      const { core, row, slots } = parked(makeCore, RowKind.EVENT, 3);
      const [a, b] = takeMany(core, 2);
      core.ready(a);
      core.eventSet(row);
      core.ready(b);
      if (began) {
        same([turn(core), turn(core)], [a, slots[0]], 'what runs');
        core.readyFront(a);
      }
      for (const slot of slots) core.leave(slot);
      core.rowFree(row);
      same([entriesOf(core), core.counter(Counter.READY)], [[a, b], 2], 'ring');
      same(core.rowNew(RowKind.EVENT, 0), row, 'the next row');
      core.park(slots[0], row);
      same(entriesOf(core), [a, b], 'ring');
      core.eventSet(row);
      same(entriesOf(core), [a, b, ~row], 'ring');
      same(runAll(core), [a, b, slots[0]], 'trace');
    }
  },

  'rows are freed with their notifiers any number of times, and holes never fill the ring'(makeCore) {
    const core = makeCore({ rows: 3 });
    const [a, ...others] = takeMany(core, 10);
    for (const slot of others) core.ready(slot);
    for (let i = 0; i < core.ring.length * 2 + 100; ++i) {
      const row = core.rowNew(RowKind.LATCH, 0);
      core.latchFire(row);
      core.park(a, row);
      core.leave(a);
      core.rowFree(row);
    }
    same([entriesOf(core), core.counter(Counter.READY)], [others, 9], 'ring');
  },

  'a row that becomes ready with a notification under way has one entry in the ring'(makeCore) {
    const { core, row, slots } = parked(makeCore, RowKind.SEMAPHORE, 4);
    for (let i = 0; i < 3; ++i) core.semRelease(row, 1);
    same(entriesOf(core), [~row], 'ring');
    same(turn(core), slots[0], 'first');
    core.semRelease(row, 1);
    same(entriesOf(core), [~row], 'ring');
    same(runAll(core), slots.slice(1), 'trace');
  },

  'when all is given back, all counters are back at zero'(makeCore) {
    const core = makeCore({ rows: 3 });
    for (const round of count(3)) {
      const slots = takeMany(core, 64);
      const rows = Object.values(RowKind).map((kind) => core.rowNew(kind, 0));
      for (const [i, slot] of slots.entries()) {
        const row = rows[i % 5];
        if (i % 5 === RowKind.CHANNEL) i % 2 ? core.chanPut(row, slot) : core.chanGet(row, slot);
        else if (i % 5 === RowKind.SEMAPHORE) core.semAcquire(row, slot);
        else core.park(slot, row);
        if (i % 3 === 0) core.arm(slot, i, i % 5);
      }
      core.wakeOne(rows[RowKind.LIST]);
      core.eventSet(rows[RowKind.EVENT]);
      core.semRelease(rows[RowKind.SEMAPHORE], 2);
      core.latchFire(rows[RowKind.LATCH]);
      if (round > 0) for (let i = 0; i < 9; ++i) turn(core);
      runDue(core, 30);
      for (const slot of slots) {
        core.leave(slot);
        core.unready(slot);
        core.free(slot);
      }
      for (const row of rows) core.rowFree(row);
      nothingLeft(core, `counters after round ${round}`);
      same([core.nextDeadline(), entriesOf(core)], [Infinity, []], 'deadline and ring');
    }
  },
};

// ---- limits -------------------------------------------------------------------------------------------------------

const LIMITS: Record<string, Body> = {
  'a slot whose generations are spent is retired, and its handles stay dead'(makeCore) {
    const core = makeCore({ generations: 3 });
    const [, slot] = takeMany(core, 2);
    const handles: number[] = [];
    for (const life of count(3)) {
      handles.push(core.handle(slot));
      core.free(slot);
      same(core.counter(Counter.RETIRED), life === 2 ? 1 : 0, `retired after life ${life}`);
      if (life < 2) same(core.take(GREENLET), slot, 'the next life');
    }
    same(core.take(GREENLET), 2, 'the next slot');
    for (const handle of handles) same(core.resolve(handle), NIL, 'resolve');
    same(core.counter(Counter.SLOTS), 2, 'slots');
  },

  'take gives NIL when the slots are exhausted, and goes on when one is freed'(makeCore) {
    for (const rows of [1, 3, 5]) {
      const core = makeCore({ rows, maxSlots: 5 });
      const slots = takeMany(core, 5);
      same(slots, count(5), 'slots');
      same([core.take(GREENLET), core.take(GREENLET)], [NIL, NIL], 'slots beyond the last');
      same(core.counter(Counter.SLOTS), 5, 'slots');
      for (const slot of slots) core.ready(slot);
      same(runAll(core), slots, 'trace');
      core.free(slots[2]);
      same([core.take(GREENLET), core.take(GREENLET)], [slots[2], NIL], 'slots');
    }
  },

  'rowNew gives NIL when the rows are exhausted, and goes on when one is freed'(makeCore) {
    const core = makeCore({ rows: 2, maxSlots: 5 });
    const rows = count(5).map((i) => core.rowNew(RowKind.SEMAPHORE, i));
    same(rows, count(5), 'rows');
    same(core.rowNew(RowKind.LIST, 0), NIL, 'a row beyond the last');
    same(core.counter(Counter.ROWS), 5, 'rows');
    same(
      rows.map((row) => core.value(row)),
      count(5),
      'permits',
    );
    core.rowFree(rows[3]);
    same([core.rowNew(RowKind.EVENT, 1), core.rowNew(RowKind.EVENT, 1)], [rows[3], NIL], 'rows');
  },

  'retired slots are gone from the slot space'(makeCore) {
    const core = makeCore({ rows: 1, maxSlots: 4, generations: 1 });
    for (const slot of takeMany(core, 4)) core.free(slot);
    same(
      [core.take(GREENLET), core.counter(Counter.RETIRED), core.counter(Counter.SLOTS)],
      [NIL, 4, 0],
      'what is left',
    );
  },
};

// ---- large --------------------------------------------------------------------------------------------------------

const LARGE: Record<string, Body> = {
  'a core takes a hundred thousand slots'(makeCore) {
    const core = makeCore({ rows: 3 });
    const slots = takeMany(core, 100_000);
    same(new Set(slots).size, 100_000, 'different slots');
    same(
      slots.every((slot) => slot >= 0 && slot < MAX_SLOTS),
      true,
      'slots within bounds',
    );
    for (const slot of slots) core.ready(slot);
    // In ring order this is one pass; a search from the front each time would take minutes.
    for (const slot of slots) if (slot % 10 > 0) core.unready(slot);
    same(core.counter(Counter.READY), 10_000, 'ready');
    for (const slot of slots) if (slot % 10 > 0) core.ready(slot);
    same(runAll(core).length, 100_000, 'slots that ran');
    for (const slot of slots) core.free(slot);
    same(core.counter(Counter.SLOTS), 0, 'slots');
  },

  'a million milliseconds of random timers fire in order'(makeCore) {
    const core = makeCore();
    const random = new Random(9);
    const timers = armMany(core, 20_000, random, 1_000_000, 5);
    const fired: number[] = [];
    for (let now = 0; now < 1_000_000; now += 1000) {
      const due = runDue(core, now);
      for (const slot of due) same(core.deadline(slot), Infinity, 'deadline of one that fired');
      same(core.nextDeadline() > now, true, 'the next deadline is to come');
      fired.push(...due);
    }
    const byPass = (at: number) => Math.ceil(at / 1000);
    const expected = timers
      .filter((timer) => byPass(timer.at) <= 999)
      .toSorted((a, b) => byPass(a.at) - byPass(b.at) || a.priority - b.priority || a.at - b.at || a.seq - b.seq);
    same(
      fired,
      expected.map((timer) => timer.slot),
      'order',
    );
  },

  'cancelling half of many timers keeps the order of the other half'(makeCore) {
    const core = makeCore();
    const random = new Random(7);
    for (const size of [10, 100, 3000]) {
      const timers = random.shuffled(armMany(core, size, random, size, 2));
      for (const timer of timers.splice(0, size / 2)) same(core.disarm(timer.slot), true, 'disarm');
      same(core.counter(Counter.TIMERS), size / 2, 'timers');
      same(runDue(core, size), inOrder(timers), `order of ${size / 2}`);
    }
  },
};

// ---- the differential driver --------------------------------------------------------------------------------------
//
// A step is an operation and three random numbers; what they choose (which slot, which row, which deadline) is decided
// when the step is played, from books the player keeps by itself. So a script suits any two cores, every part of it is
// a script as well, and only calls that the contract allows are made.

const OPS = [
  'take',
  'free',
  'resolve',
  'ready',
  'readyFront',
  'append',
  'unready',
  'turn',
  'arm',
  'disarm',
  'beginDue',
  'nextDue',
  'newRow',
  'freeRow',
  'wait',
  'signal',
  'leave',
] as const;
type Op = (typeof OPS)[number];

export type Step = readonly [op: Op, x: number, y: number, z: number];

export interface Script {
  readonly seed: number;
  readonly profile: Profile;
  readonly steps: readonly Step[];
}

// How often each operation comes. The weights let structures grow deep: with arm, disarm and nextDue equally likely a
// heap stays so flat that a disarm which sifts only one way is not found.
const PROFILES = {
  wheel: { take: 5, free: 1, arm: 14, disarm: 5, beginDue: 1, nextDue: 3, wait: 2, leave: 1, newRow: 1 },
  timers: { take: 4, free: 1, arm: 14, disarm: 6, beginDue: 1, nextDue: 1, wait: 1, leave: 1, newRow: 1 },
  ring: { take: 6, free: 1, ready: 8, readyFront: 3, append: 4, unready: 4, turn: 5, newRow: 1, wait: 1, signal: 1 },
  holes: { take: 3, newRow: 1, freeRow: 1, ready: 12, append: 4, unready: 14, turn: 2, wait: 1, signal: 1 },
  rows: { take: 4, free: 1, newRow: 2, freeRow: 1, wait: 16, signal: 8, leave: 3, turn: 8, arm: 1, nextDue: 1 },
  deepRows: { take: 6, newRow: 1, wait: 20, signal: 3, leave: 4, turn: 3, beginDue: 1, nextDue: 1, arm: 2 },
  lives: { take: 10, free: 10, resolve: 6, ready: 2, turn: 3, newRow: 3, freeRow: 3, wait: 4, signal: 2, leave: 1 },
  all: Object.fromEntries(OPS.map((op) => [op, 1])),
} as const satisfies Record<string, Partial<Record<Op, number>>>;
export type Profile = keyof typeof PROFILES;

/** A random script; the same numbers give the same script. `profile`: what it is mostly about. Default: by the seed. */
export function randomScript(seed: number, steps: number, profile?: Profile): Script {
  const random = new Random(seed);
  const names = Object.keys(PROFILES) as Profile[];
  const chosen = profile ?? names[random.below(names.length)];
  const bag = Object.entries(PROFILES[chosen]).flatMap(([op, weight]) => Array<Op>(weight).fill(op as Op));
  // A script that starts from nothing spends its first steps on finding nobody there; one that takes all its slots at
  // first never sees the ring grow while it is in use.
  const opening = Array.from(
    { length: Math.min(steps, random.below(2) ? 5 : steps / 6) },
    (_, i): Op => (i < 2 ? 'newRow' : 'take'),
  );
  const ops = [...opening, ...Array.from({ length: steps - opening.length }, () => bag[random.below(bag.length)])];
  return { seed, profile: chosen, steps: ops.map((op) => [op, random.next(), random.next(), random.next()]) };
}

export interface Difference {
  /** Index of the step after which they parted; the number of steps if it was in the clearing up. */
  readonly step: number;
  readonly op: Op | 'clear up';
  /** What was asked. */
  readonly what: string;
  /** The answers. */
  readonly a: string;
  readonly b: string;
  /** All of this, in one line. */
  readonly message: string;
}

export interface CompareOptions {
  /** Call `verify` of both cores after each step. Default: false. */
  verify?: boolean;
  /** Most slots alive at a time. Default: 120. */
  mostSlots?: number;
}

/**
 * Play a script to two fresh cores, and clear everything up behind it. All answers, the ring, the counters and all rows
 * are compared after each step; every slot now and then, and at the end.
 *
 * @returns the first difference; undefined if there is none
 */
export function compareCores(a: Core, b: Core, script: Script, options: CompareOptions = {}): Difference | undefined {
  const player = new Player(a, b, script, options);
  let step = 0;
  try {
    for (; step < script.steps.length; ++step) player.play(script.steps[step], step);
    player.clearUp();
    return undefined;
  } catch (parting) {
    if (!(parting instanceof Parting)) throw parting;
    const op = step < script.steps.length ? script.steps[step][0] : 'clear up';
    const where = `seed ${script.seed} (${script.profile}), step ${step} of ${script.steps.length} (${op})`;
    const answers = `${a.name} ${parting.a}, ${b.name} ${parting.b}`;
    return {
      step,
      op,
      what: parting.what,
      a: parting.a,
      b: parting.b,
      message: `${where}, ${parting.what}: ${answers}`,
    };
  }
}

/** The script without the steps it does without. `differs` says whether a script still shows the difference. */
export function shrinkScript(script: Script, differs: (script: Script) => boolean): Script {
  let { steps } = script;
  for (let chunk = steps.length >> 1; chunk >= 1; chunk >>= 1) {
    for (let from = steps.length - chunk; from >= 0; from -= chunk) {
      const fewer = steps.toSpliced(from, chunk);
      if (differs({ ...script, steps: fewer })) steps = fewer;
    }
  }
  return { ...script, steps };
}

class Parting {
  readonly what: string;
  readonly a: string;
  readonly b: string;

  constructor(what: string, a: string, b: string) {
    this.what = what;
    this.a = a;
    this.b = b;
  }
}

/** Slots one can draw at random from, each there once. */
class Bag {
  readonly #items: number[] = [];
  readonly #index = new Map<number, number>();

  get size(): number {
    return this.#items.length;
  }

  has(slot: number): boolean {
    return this.#index.has(slot);
  }

  add(slot: number): void {
    if (this.has(slot)) return;
    this.#index.set(slot, this.#items.push(slot) - 1);
  }

  delete(slot: number): void {
    const index = this.#index.get(slot);
    const last = this.#items.pop();
    if (index === undefined || last === undefined) {
      if (last !== undefined) this.#items.push(last);
      return;
    }
    this.#index.delete(slot);
    if (last === slot) return;
    this.#items[index] = last;
    this.#index.set(last, index);
  }

  draw(random: number): number {
    return this.#items.length === 0 ? NIL : this.#items[random % this.#items.length];
  }

  [Symbol.iterator](): Iterator<number> {
    return [...this.#items][Symbol.iterator]();
  }
}

const MOST_ROWS = 12;

/** Small: many timers are due at a time, and heaps grow deep. Large: few are, and they are spread widely. */
const SCALES_MS = [1 / 32, 1, 1, 40];

class Player {
  readonly #a: Core;
  readonly #b: Core;
  readonly #verify: boolean;
  readonly #mostSlots: number;

  // The books: where each slot must be by now.
  readonly #loose = new Bag();
  readonly #ready = new Bag();
  readonly #waiting = new Bag();
  readonly #armed = new Bag();
  readonly #rows = new Map<number, RowKind>();
  readonly #handles: number[] = [];
  /** Deadlines from the past to years ahead, time in jumps of up to days; else all within 64 `scaleMs`. */
  readonly #wide: boolean;
  readonly #scaleMs: number;
  #now = 0;
  #lastSlot = NIL;
  #lastRow = NIL;

  constructor(a: Core, b: Core, { seed, profile }: Script, { verify = false, mostSlots = 120 }: CompareOptions) {
    this.#a = a;
    this.#b = b;
    this.#wide = profile === 'wheel';
    this.#scaleMs = this.#wide ? 1 : SCALES_MS[seed % SCALES_MS.length];
    this.#verify = verify;
    this.#mostSlots = mostSlots;
  }

  play(step: Step, number: number): void {
    this.#act(step);
    // To ask for the earliest deadline may sort what is not sorted yet: some scripts do so rarely.
    this.#look(number % 16 === 15, !this.#wide || number % 8 === 7);
  }

  /** The answer of both cores, if they agree. */
  #ask<T extends number | boolean | undefined>(what: string, call: (core: Core) => T): T {
    const a = call(this.#a);
    let b: T;
    try {
      b = call(this.#b);
    } catch (error) {
      throw new Parting(what, String(a), `throws ${error instanceof Error ? error.message : error}`);
    }
    if (a !== b) throw new Parting(what, String(a), String(b));
    return a;
  }

  #tell(what: string, call: (core: Core) => void): void {
    this.#ask(what, (core) => {
      call(core);
      return undefined;
    });
  }

  // ---- the steps

  #act([op, x, y, z]: Step): void {
    switch (op) {
      case 'take':
        return this.#take(x, z);
      case 'free':
        return this.#free(this.#drawLoose(x, z));
      case 'resolve':
        return this.#resolve(x);
      case 'ready':
      case 'readyFront':
      case 'append':
        return this.#makeReady(op, this.#drawLoose(x, z));
      case 'unready':
        return this.#unready(z % 8 === 0 ? this.#draw(x) : this.#ready.draw(x));
      case 'turn':
        for (let i = z % 8 === 0 ? 5 : 1; i > 0; --i) this.#turn();
        return;
      case 'arm':
        return this.#arm(this.#drawUnarmed(x, z), y, z);
      case 'disarm':
        return this.#disarm(z % 16 === 0 ? this.#draw(x) : this.#armed.draw(x));
      case 'beginDue':
        return this.#tell('beginDue()', (core) => core.beginDue());
      case 'nextDue':
        this.#now += this.#wide ? this.#jump(x) : (x % 4) * this.#scaleMs;
        for (let i = y % 4; i >= 0; --i) this.#nextDue(this.#now);
        return;
      case 'newRow':
        return this.#newRow(x, y);
      case 'freeRow':
        return this.#freeRow(this.#drawRow(x));
      case 'wait':
        return this.#wait(this.#drawLoose(x, z >>> 8), this.#drawRow(y), z);
      case 'signal':
        return this.#signal(this.#drawRow(y), x, z);
      case 'leave':
        return this.#leave(z % 16 === 0 ? this.#draw(x) : this.#waiting.draw(x));
    }
  }

  #draw(random: number): number {
    const bags = [this.#loose, this.#ready, this.#waiting].filter((bag) => bag.size > 0);
    return bags.length === 0 ? NIL : bags[random % bags.length].draw(random >>> 2);
  }

  /** A loose slot; often the one that ran last, because that is who acts in a hub. */
  #drawLoose(random: number, choice: number): number {
    if (choice % 4 === 0 && this.#loose.has(this.#lastSlot)) return this.#lastSlot;
    return this.#loose.draw(random);
  }

  /** A loose or waiting slot that is not armed, if it can be had in a few draws. */
  #drawUnarmed(random: number, choice: number): number {
    const bag = choice % 4 === 0 ? this.#waiting : this.#loose;
    let slot = bag.draw(random);
    for (let i = 1; i < 5 && this.#armed.has(slot); ++i) slot = bag.draw(random >>> (i * 4));
    return slot;
  }

  #drawRow(random: number): number {
    if (random % 3 === 0 && this.#rows.has(this.#lastRow)) return this.#lastRow;
    const rows = [...this.#rows.keys()];
    if (rows.length > 0) this.#lastRow = rows[(random >>> 2) % rows.length];
    return rows.length === 0 ? NIL : this.#lastRow;
  }

  #take(x: number, z: number): void {
    if (this.#loose.size + this.#ready.size + this.#waiting.size >= this.#mostSlots) return;
    const kind = (1 + (x % 6)) as Kind;
    const queued = z % 4 === 0;
    const armed = z % 4 === 1;
    const at = this.#now + this.#jump(x);
    const slot = queued
      ? this.#ask(`takeReady(${kind})`, (core) => core.takeReady(kind))
      : armed
        ? this.#ask(`takeArmed(${kind}, ${at})`, (core) => core.takeArmed(kind, at, NORMAL))
        : this.#ask(`take(${kind})`, (core) => core.take(kind));
    if (slot === NIL) return;
    (queued ? this.#ready : this.#loose).add(slot);
    if (armed) this.#armed.add(slot);
    this.#ask(`why(${slot})`, (core) => core.why(slot));
    this.#handles[x % 50] = this.#ask(`handle(${slot})`, (core) => core.handle(slot));
  }

  #free(slot: number): void {
    if (slot === NIL) return;
    if (this.#ask(`freeArmed(${slot})`, (core) => core.freeArmed(slot))) {
      this.#armed.delete(slot);
      this.#loose.delete(slot);
      return;
    }
    this.#tell(`free(${slot})`, (core) => core.free(slot));
    this.#loose.delete(slot);
  }

  #resolve(x: number): void {
    const handle = this.#handles[x % 50];
    if (handle !== undefined) this.#ask(`resolve(${handle})`, (core) => core.resolve(handle));
  }

  #makeReady(how: 'ready' | 'readyFront' | 'append', slot: number): void {
    if (slot === NIL) return;
    if (this.#armed.has(slot)) this.#leave(slot);
    if (how === 'append') {
      append(this.#a, slot);
      append(this.#b, slot);
    } else {
      this.#tell(`${how}(${slot})`, (core) => core[how](slot));
    }
    this.#loose.delete(slot);
    this.#ready.add(slot);
  }

  #unready(slot: number): void {
    if (slot === NIL) return;
    if (!this.#ask(`unready(${slot})`, (core) => core.unready(slot))) return;
    this.#ready.delete(slot);
    this.#loose.add(slot);
  }

  #turn(): void {
    const entry = this.#ask('the next entry', takeEntry);
    if (entry === undefined) return;
    if (entry >= 0) return this.#runs(entry);
    const row = ~entry;
    this.#lastRow = row;
    const slot = this.#ask(`notify(${row})`, (core) => core.notify(row));
    const partner = this.#ask('partner()', (core) => core.partner());
    if (slot === NIL) return;
    this.#woken(slot);
    this.#runs(slot);
    if (partner === NIL) return;
    this.#woken(partner);
    this.#ready.add(partner);
  }

  #runs(slot: number): void {
    this.#ready.delete(slot);
    this.#loose.add(slot);
    this.#lastSlot = slot;
  }

  #woken(slot: number): void {
    this.#waiting.delete(slot);
    this.#armed.delete(slot);
    this.#ask(`why(${slot})`, (core) => core.why(slot));
  }

  #arm(slot: number, y: number, z: number): void {
    if (slot === NIL) return;
    if (this.#armed.has(slot)) this.#disarm(slot);
    const fancy = [Infinity, -1, this.#now, this.#now - 3, this.#now + 0.5, this.#now + 1000, -Infinity, 1e300];
    const ahead = this.#wide ? this.#jump(y) : (y % 64) * this.#scaleMs;
    const at = z % 8 === 0 ? fancy[(z >>> 3) % fancy.length] : this.#now + ahead;
    const priority = z % 3 === 0 ? (z >>> 6) % 5 : NORMAL;
    this.#tell(`arm(${slot}, ${at}, ${priority})`, (core) => core.arm(slot, at, priority));
    this.#armed.add(slot);
  }

  /** From 1/32 ms to two years, all orders of magnitude alike; often the same ones, often on a power of two. */
  #jump(random: number): number {
    const bits = random % 8 === 0 ? 42 : 25;
    const power = 2 ** ((random >>> 3) % bits) / 32;
    const mantissa = 1 + ((random >>> 10) % 64) / 64;
    return (random >>> 20) % 4 === 0 ? power : power * mantissa;
  }

  #disarm(slot: number): void {
    if (slot === NIL) return;
    this.#ask(`disarm(${slot})`, (core) => core.disarm(slot));
    this.#armed.delete(slot);
  }

  #nextDue(now: number): number {
    const slot = this.#ask(`nextDue(${now})`, (core) => core.nextDue(now));
    if (slot === NIL) return NIL;
    this.#armed.delete(slot);
    if (this.#waiting.has(slot)) this.#ask(`why(${slot})`, (core) => core.why(slot));
    this.#waiting.delete(slot);
    this.#runs(slot);
    return slot;
  }

  #newRow(x: number, y: number): void {
    if (this.#rows.size >= MOST_ROWS) return;
    const kind = (x % 6) as RowKind;
    const counts = kind === RowKind.SEMAPHORE || kind === RowKind.QUEUE;
    const value = kind === RowKind.EVENT ? y % 2 : counts ? y % 4 : 0;
    const row = this.#ask(`rowNew(${kind}, ${value})`, (core) => core.rowNew(kind, value));
    if (row !== NIL) this.#rows.set(row, kind);
    if (row !== NIL && kind === RowKind.QUEUE) this.#tell('queueLimit', (core) => core.queueLimit(row, y % 3));
  }

  #freeRow(row: number): void {
    if (row === NIL) return;
    for (const slot of waitersOf(this.#a, row)) this.#leave(slot);
    this.#tell(`rowFree(${row})`, (core) => core.rowFree(row));
    this.#rows.delete(row);
  }

  #wait(slot: number, row: number, z: number): void {
    if (slot === NIL || row === NIL) return;
    const kind = this.#rows.get(row);
    let waits = true;
    if (kind === RowKind.CHANNEL) {
      const how = z % 2 ? 'chanPut' : 'chanGet';
      this.#tell(`${how}(${row}, ${slot})`, (core) => core[how](row, slot));
    } else if (kind === RowKind.QUEUE) {
      const role = [Role.WAIT, Role.TAKE, Role.WAIT, Role.TAKE, Role.PEEK][z % 5];
      this.#tell(`queueWait(${row}, ${slot}, ${role})`, (core) => core.queueWait(row, slot, role));
    } else if (z % 4 > 0 && (kind === RowKind.EVENT || kind === RowKind.SEMAPHORE)) {
      const how = kind === RowKind.EVENT ? 'eventWait' : 'semAcquire';
      waits = this.#ask(`${how}(${row}, ${slot})`, (core) => core[how](row, slot)) === 0;
    } else {
      this.#tell(`park(${slot}, ${row})`, (core) => core.park(slot, row));
    }
    if (!waits) return;
    this.#loose.delete(slot);
    this.#waiting.add(slot);
    if ((z >>> 2) % 4 === 0) this.#arm(slot, z >>> 4, z >>> 12);
  }

  #signal(row: number, x: number, z: number): void {
    if (row === NIL) return;
    switch (this.#rows.get(row)) {
      case RowKind.LIST:
        return this.#wake(row, z % 3 === 0);
      case RowKind.EVENT:
        if (z % 3 === 0) return this.#tell(`eventClear(${row})`, (core) => core.eventClear(row));
        return this.#tell(`eventSet(${row})`, (core) => core.eventSet(row));
      case RowKind.SEMAPHORE: {
        const permits = 1 + (x % 4);
        if (z % 3 === 0) this.#ask(`semTry(${row})`, (core) => core.semTry(row));
        else this.#ask(`semRelease(${row}, ${permits})`, (core) => core.semRelease(row, permits));
        return;
      }
      case RowKind.QUEUE:
        return this.#signalQueue(row, x, z);
      case RowKind.LATCH:
        return this.#tell(`latchFire(${row})`, (core) => core.latchFire(row));
      default:
        return this.#wait(this.#drawLoose(x, z >>> 8), row, z);
    }
  }

  #signalQueue(row: number, x: number, z: number): void {
    const how = z % 16;
    if (how === 0) return this.#wake(row, x % 2 === 0);
    if (how === 1) return this.#tell(`queueLimit(${row}, ${x % 5})`, (core) => core.queueLimit(row, x % 5));
    if (how < 4) {
      const role = how === 2 ? Role.WAIT : Role.TAKE;
      const slot = this.#ask(`queueStep(${row}, ${role})`, (core) => core.queueStep(row, role));
      if (slot === NIL) return;
      this.#woken(slot);
      return this.#runs(slot);
    }
    // What the facade does at a put or get that need not wait.
    const items = Math.max(0, this.#a.value(row) + (how < 11 ? 1 : -1));
    this.#tell(`queueItems(${row}, ${items})`, (core) => core.queueItems(row, items));
  }

  #wake(row: number, all: boolean): void {
    const woken = waitersOf(this.#a, row);
    if (all) this.#ask(`wakeAll(${row})`, (core) => core.wakeAll(row));
    else this.#ask(`wakeOne(${row})`, (core) => core.wakeOne(row));
    for (const slot of all ? woken : woken.slice(0, 1)) {
      this.#woken(slot);
      this.#ready.add(slot);
    }
  }

  #leave(slot: number): void {
    if (slot === NIL) return;
    this.#ask(`leave(${slot})`, (core) => core.leave(slot));
    this.#armed.delete(slot);
    if (!this.#waiting.has(slot)) return;
    this.#waiting.delete(slot);
    this.#loose.add(slot);
  }

  // ---- what must be the same after each of them

  #look(closely: boolean, earliest = true): void {
    if (this.#verify) {
      this.#a.verify();
      this.#tell('verify()', (core) => core.verify());
    }
    const rings = [entriesOf(this.#a), entriesOf(this.#b)].map(show);
    if (rings[0] !== rings[1]) throw new Parting('ring', rings[0], rings[1]);
    if (earliest) this.#ask('nextDeadline()', (core) => core.nextDeadline());
    this.#ask(`words[MASK] against the ring's length`, (core) => core.words[Word.MASK] - core.ring.length);
    for (const [name, which] of Object.entries(Counter)) {
      if (which === Counter.CAPACITY || which === Counter.BYTES || which === Counter.KIND) continue;
      this.#ask(`counter(${name})`, (core) => core.counter(which));
    }
    for (const [row] of this.#rows) {
      this.#ask(`value(${row})`, (core) => core.value(row));
      this.#ask(`waiting(${row})`, (core) => core.waiting(row));
      this.#ask(`first(${row})`, (core) => core.first(row));
      this.#ask(`quiet(${row})`, (core) => core.quiet(row));
    }
    if (closely) this.#lookClosely();
  }

  #lookClosely(): void {
    for (const [name, kind] of Object.entries(Kind)) {
      this.#ask(`counter(KIND + ${name})`, (core) => core.counter(Counter.KIND + kind));
    }
    for (const [row, kind] of this.#rows) {
      if (kind === RowKind.CHANNEL) this.#ask(`balance(${row})`, (core) => core.balance(row));
    }
    for (const bag of [this.#loose, this.#ready, this.#waiting]) {
      for (const slot of bag) {
        this.#ask(`place(${slot})`, (core) => core.place(slot));
        this.#ask(`rowOf(${slot})`, (core) => core.rowOf(slot));
        this.#ask(`next(${slot})`, (core) => core.next(slot));
        if (bag === this.#waiting) this.#ask(`role(${slot})`, (core) => core.role(slot));
        this.#ask(`deadline(${slot})`, (core) => core.deadline(slot));
        this.#ask(`handle(${slot})`, (core) => core.handle(slot));
      }
    }
    for (const handle of this.#handles) {
      if (handle !== undefined) this.#ask(`resolve(${handle})`, (core) => core.resolve(handle));
    }
  }

  /** Fire all timers, run the ring empty, let everyone leave, and give everything back: nothing may be left behind. */
  clearUp(): void {
    this.#look(true);
    this.#tell('beginDue()', (core) => core.beginDue());
    for (let i = 0; this.#nextDue(Infinity) !== NIL; ++i) this.#mustEnd(i, 'the timer pass');
    for (let i = 0; this.#a.counter(Counter.READY) > 0; ++i) {
      this.#mustEnd(i, 'the ring');
      this.#turn();
    }
    this.#look(true);
    for (const slot of this.#waiting) this.#leave(slot);
    for (const slot of this.#loose) this.#free(slot);
    for (const row of this.#rows.keys()) this.#freeRow(row);
    this.#look(true);
    const zero = show(leftBehind(this.#a).map(() => 0));
    const left = [show(leftBehind(this.#a)), show(leftBehind(this.#b))];
    if (left[0] !== zero || left[1] !== zero) throw new Parting('what is left behind', left[0], left[1]);
  }

  #mustEnd(rounds: number, what: string): void {
    if (rounds > 10 * this.#mostSlots) throw new Parting(`${what} never ends`, 'goes on', 'goes on');
  }
}
