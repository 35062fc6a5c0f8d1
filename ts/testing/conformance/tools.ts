// What the cases are written with.

import { type Core, Counter, HOLE, Kind, NIL, Priority, RowKind, Word } from '../../core/contract.ts';

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

export type Body = (makeCore: MakeCore) => void;

export function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function same(actual: unknown, expected: unknown, what: string): void {
  if (show(actual) !== show(expected)) throw new Error(`${what}: expected ${show(expected)}, got ${show(actual)}`);
}

export const { GREENLET } = Kind;
export const { NORMAL } = Priority;

export function takeMany(core: Core, count: number): number[] {
  return Array.from({ length: count }, () => core.take(GREENLET));
}

/** The entries of the ready ring, as the loop would take them: without the holes. */
export function entriesOf(core: Core): number[] {
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
export function takeEntry(core: Core): number | undefined {
  const { words, ring } = core;
  while (words[Word.HEAD] !== words[Word.TAIL]) {
    const entry = ring[words[Word.HEAD]];
    words[Word.HEAD] = (words[Word.HEAD] + 1) & words[Word.MASK];
    if (entry !== HOLE) return entry;
  }
  return undefined;
}

/** Append a slot in place, as the hub's loop does. */
export function append(core: Core, slot: number): void {
  const { words, ring } = core;
  ring[words[Word.TAIL]] = slot;
  words[Word.TAIL] = (words[Word.TAIL] + 1) & words[Word.MASK];
}

/** One round of the hub's loop: the slot that would run, NIL if a pass ended without one, undefined: empty. */
export function turn(core: Core): number | undefined {
  const entry = takeEntry(core);
  return entry === undefined || entry >= 0 ? entry : core.notify(~entry);
}

/** Run the ring empty; the slots in the order they ran. `ran` is what each of them does. */
export function runAll(core: Core, ran: (slot: number) => void = () => {}): number[] {
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
export function waitersOf(core: Core, row: number): number[] {
  const slots: number[] = [];
  for (let slot = core.first(row); slot !== NIL; slot = core.next(slot)) {
    slots.push(slot);
    if (slots.length > core.waiting(row)) throw new Error(`the list of row ${row} is longer than waiting() says`);
  }
  return slots;
}

/** A whole timer pass. */
export function runDue(core: Core, nowMs: number): number[] {
  const slots: number[] = [];
  core.beginDue();
  for (let slot = core.nextDue(nowMs); slot !== NIL; slot = core.nextDue(nowMs)) {
    if (slots.push(slot) > 1e6) throw new Error('the timer pass never ends');
  }
  return slots;
}

export function placesOf(core: Core, slots: number[]): number[] {
  return slots.map((slot) => core.place(slot));
}

/** Let the ring go round until its next entries go over its end. A core whose ring always begins at 0 stays there. */
export function turnToEnd(core: Core, slot: number): void {
  for (let i = core.ring.length * 2; i > 0 && core.words[Word.HEAD] !== core.words[Word.MASK] - 1; --i) {
    core.ready(slot);
    takeEntry(core);
  }
}

/** What must be zero when all is given back. */
export function leftBehind(core: Core): number[] {
  const { SLOTS, ROWS, READY, WAITING, TIMERS, KIND } = Counter;
  const kinds = Object.values(Kind).map((kind) => KIND + kind);
  return [SLOTS, ROWS, READY, WAITING, TIMERS, ...kinds].map((which) => core.counter(which));
}

export function nothingLeft(core: Core, what: string): void {
  const counters = leftBehind(core);
  same(
    counters,
    counters.map(() => 0),
    what,
  );
}

// The same numbers on every machine and in every year; good enough for tests, and small.
export class Random {
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

export function count(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** A core with `count` slots parked on a row of `kind`. */
export function parked(makeCore: MakeCore, kind: RowKind, size: number): { core: Core; row: number; slots: number[] } {
  const core = makeCore();
  const row = core.rowNew(kind, 0);
  const slots = takeMany(core, size);
  for (const slot of slots) {
    if (kind === RowKind.SEMAPHORE) core.semAcquire(row, slot);
    else core.park(slot, row);
  }
  return { core, row, slots };
}

export interface Armed {
  slot: number;
  at: number;
  priority: number;
  seq: number;
}

export function inOrder(timers: Armed[]): number[] {
  return timers.toSorted((a, b) => a.priority - b.priority || a.at - b.at || a.seq - b.seq).map((timer) => timer.slot);
}

export function armMany(core: Core, size: number, random: Random, deadlines: number, priorities: number): Armed[] {
  return random.shuffled(takeMany(core, size)).map((slot, seq) => {
    const timer = { slot, at: random.below(deadlines), priority: random.below(priorities), seq };
    core.arm(slot, timer.at, timer.priority);
    return timer;
  });
}
