// The core as one would write it without a thought for speed: arrays, linear scans, a sort for the timers. It is the
// oracle of the differential tests, so each method is the sentence of contract.ts and nothing more.
//
// It replaces `words` and `ring` at every change, which finds those who keep a copy across a call.

import {
  type Core,
  Counter,
  HOLE,
  type Kind,
  MAX_SLOTS,
  NIL,
  Place,
  Role,
  RowKind,
  Why,
  Word,
} from '../core/contract.ts';

interface Slot {
  kind: number; // 0: free
  generation: number;
  why: number;
}

interface Row {
  kind: number;
  value: number;
  /** In order of arrival. */
  waiters: Waiter[];
  /** ~row is in the ring, or was just taken out of it. */
  underWay: boolean;
  /** The waiters of the pass that has begun. */
  pass: Set<number> | undefined;
  /** QUEUE: most items, and whether a putter was the last to go on in the pass that has begun. */
  limit: number;
  putterWent: boolean;
}

interface Waiter {
  slot: number;
  role: 'waits' | 'takes' | 'gets' | 'peeks' | 'puts';
}

interface Timer {
  slot: number;
  at: number;
  priority: number;
  seq: number;
}

export interface ModelOptions {
  maxSlots?: number;
  generations?: number;
}

/** The naive core: slow, and obviously right. */
export function createModelCore(options: ModelOptions = {}): Core {
  return new ModelCore(options);
}

class ModelCore implements Core {
  readonly name = 'model';
  words = new Int32Array(4);
  ring = new Int32Array(4);

  readonly #maxSlots: number;
  readonly #generations: number;
  readonly #slots: Slot[] = [];
  readonly #freeSlots: number[] = [];
  readonly #rows: (Row | undefined)[] = [];
  readonly #freeRows: number[] = [];
  #timers: Timer[] = [];
  #armings = 0;
  #passLimit = 0;
  #partner = NIL;

  constructor({ maxSlots = MAX_SLOTS, generations = 2 ** 29 }: ModelOptions) {
    this.#maxSlots = maxSlots;
    this.#generations = generations;
    this.#setEntries([]);
  }

  // ---- slots ----------------------------------------------------------------------------------------------------

  take(kind: Kind): number {
    let slot = this.#freeSlots.pop();
    if (slot === undefined) {
      if (this.#slots.length === this.#maxSlots) return NIL;
      slot = this.#slots.push({ kind: 0, generation: 0, why: Why.WOKEN }) - 1;
    }
    this.#slots[slot].kind = kind;
    this.#slots[slot].why = Why.WOKEN;
    this.#setEntries(this.#entries());
    return slot;
  }

  takeReady(kind: Kind): number {
    const slot = this.take(kind);
    if (slot !== NIL) this.ready(slot);
    return slot;
  }

  free(slot: number): void {
    const it = this.#slots[slot];
    it.kind = 0;
    it.generation += 1;
    if (it.generation < this.#generations) this.#freeSlots.push(slot);
  }

  handle(slot: number): number {
    return slot + this.#slots[slot].generation * 2 ** 24;
  }

  resolve(handle: number): number {
    return this.#slots.findIndex((it, slot) => it.kind !== 0 && this.handle(slot) === handle);
  }

  place(slot: number): number {
    if (this.rowOf(slot) !== NIL) return Place.WAITING;
    return this.#entries().includes(slot) ? Place.READY : Place.LOOSE;
  }

  rowOf(slot: number): number {
    return this.#rows.findIndex((row) => row?.waiters.some((waiter) => waiter.slot === slot));
  }

  role(slot: number): number {
    const waiter = this.#rows.flatMap((row) => row?.waiters ?? []).find((it) => it.slot === slot);
    if (waiter?.role === 'peeks') return Role.PEEK;
    return waiter?.role === 'takes' || waiter?.role === 'gets' ? Role.TAKE : Role.WAIT;
  }

  why(slot: number): number {
    return this.#slots[slot].why;
  }

  // ---- ready ring -----------------------------------------------------------------------------------------------

  /** What is in the ring, without the holes. */
  #entries(): number[] {
    const entries: number[] = [];
    const mask = this.words[Word.MASK];
    for (let i = this.words[Word.HEAD]; i !== this.words[Word.TAIL]; i = (i + 1) & mask) entries.push(this.ring[i]);
    return entries.filter((entry) => entry !== HOLE);
  }

  #setEntries(entries: number[]): void {
    let length = 4;
    while (length <= this.#slots.length + this.#rows.length + entries.length) length *= 2;
    this.ring = new Int32Array(length);
    this.ring.set(entries);
    this.words = this.words.slice();
    this.words[Word.HEAD] = 0;
    this.words[Word.TAIL] = entries.length;
    this.words[Word.MASK] = length - 1;
  }

  ready(slot: number): void {
    this.#setEntries([...this.#entries(), slot]);
  }

  readyFront(slot: number): void {
    this.#setEntries([slot, ...this.#entries()]);
  }

  unready(slot: number): boolean {
    return this.#punch(slot);
  }

  #punch(entry: number): boolean {
    const entries = this.#entries();
    this.#setEntries(entries.map((other) => (other === entry ? HOLE : other)));
    return entries.includes(entry);
  }

  // ---- timers ---------------------------------------------------------------------------------------------------

  arm(slot: number, atMs: number, priority: number): void {
    this.#armings += 1;
    this.#timers.push({ slot, at: atMs, priority, seq: this.#armings });
  }

  disarm(slot: number): boolean {
    const others = this.#timers.filter((timer) => timer.slot !== slot);
    const wasArmed = others.length < this.#timers.length;
    this.#timers = others;
    return wasArmed;
  }

  takeArmed(kind: Kind, atMs: number, priority: number): number {
    const slot = this.take(kind);
    if (slot !== NIL) this.arm(slot, atMs, priority);
    return slot;
  }

  freeArmed(slot: number): boolean {
    if (!this.disarm(slot)) return false;
    this.free(slot);
    return true;
  }

  deadline(slot: number): number {
    return this.#timers.find((timer) => timer.slot === slot)?.at ?? Infinity;
  }

  nextDeadline(): number {
    return Math.min(Infinity, ...this.#timers.map((timer) => timer.at));
  }

  beginDue(): void {
    this.#passLimit = this.#armings;
  }

  nextDue(nowMs: number): number {
    const [due] = this.#timers
      .filter((timer) => timer.at <= nowMs && timer.seq <= this.#passLimit)
      .sort((a, b) => a.priority - b.priority || a.at - b.at || a.seq - b.seq);
    if (due === undefined) return NIL;
    this.#slots[due.slot].why = this.leave(due.slot) ? Why.TIMED_OUT : Why.WOKEN;
    return due.slot;
  }

  // ---- rows: waiting --------------------------------------------------------------------------------------------

  rowNew(kind: RowKind, value: number): number {
    let row = this.#freeRows.pop();
    if (row === undefined) {
      if (this.#rows.length === this.#maxSlots) return NIL;
      row = this.#rows.length;
    }
    this.#rows[row] = {
      kind,
      value,
      waiters: [],
      underWay: false,
      pass: undefined,
      limit: Infinity,
      putterWent: false,
    };
    this.#setEntries(this.#entries());
    return row;
  }

  rowFree(row: number): void {
    this.#punch(~row);
    this.#rows[row] = undefined;
    this.#freeRows.push(row);
  }

  #row(row: number): Row {
    const it = this.#rows[row];
    if (it === undefined) throw new Error(`model: there is no row ${row}`);
    return it;
  }

  value(row: number): number {
    return this.#row(row).value;
  }

  waiting(row: number): number {
    return this.#row(row).waiters.length;
  }

  quiet(row: number): boolean {
    return this.waiting(row) === 0 && !this.#row(row).underWay;
  }

  /** Arrival order; of a channel or queue the getters, then the putters. */
  #list(row: number): number[] {
    const { waiters } = this.#row(row);
    const putters = waiters.filter((waiter) => waiter.role === 'puts');
    const others = waiters.filter((waiter) => waiter.role !== 'puts');
    return [...others, ...putters].map((waiter) => waiter.slot);
  }

  first(row: number): number {
    return this.#list(row)[0] ?? NIL;
  }

  next(slot: number): number {
    const row = this.rowOf(slot);
    if (row === NIL) return NIL;
    const list = this.#list(row);
    return list[list.indexOf(slot) + 1] ?? NIL;
  }

  park(slot: number, row: number): void {
    this.#park(slot, row, 'waits');
  }

  #park(slot: number, row: number, role: Waiter['role']): void {
    const it = this.#row(row);
    it.waiters.push({ slot, role });
    this.#slots[slot].why = Why.WOKEN;
    // A late waiter belongs to the pass, and so do all it queues behind.
    if (this.#isReady(row) && it.pass !== undefined) it.pass = new Set(this.#list(row));
    this.#scheduleIfReady(row);
  }

  leave(slot: number): boolean {
    this.disarm(slot);
    const row = this.rowOf(slot);
    if (row === NIL) return false;
    const it = this.#row(row);
    it.waiters = it.waiters.filter((waiter) => waiter.slot !== slot);
    it.pass?.delete(slot);
    const flagOrPermits = it.kind === RowKind.EVENT || it.kind === RowKind.SEMAPHORE;
    if (flagOrPermits && it.waiters.length === 0 && it.underWay && it.pass === undefined) {
      it.underWay = false;
      this.#punch(~row);
    }
    return true;
  }

  wakeOne(row: number): number {
    const slot = this.first(row);
    if (slot === NIL) return NIL;
    this.#wake(slot);
    this.ready(slot);
    return slot;
  }

  wakeAll(row: number): number {
    const count = this.waiting(row);
    for (let i = 0; i < count; ++i) this.wakeOne(row);
    return count;
  }

  #wake(slot: number): void {
    this.leave(slot);
    this.#slots[slot].why = Why.WOKEN;
  }

  notify(row: number): number {
    const it = this.#row(row);
    this.#partner = NIL;
    switch (it.kind) {
      case RowKind.CHANNEL: {
        const getter = it.waiters.find((waiter) => waiter.role === 'gets');
        const putter = it.waiters.find((waiter) => waiter.role === 'puts');
        if (getter === undefined || putter === undefined) return this.#passIsOver(row);
        this.#wake(getter.slot);
        this.#wake(putter.slot);
        this.readyFront(~row);
        this.readyFront(putter.slot);
        this.#partner = putter.slot;
        return getter.slot;
      }
      case RowKind.QUEUE: {
        const { putterWent } = it;
        const canPut = this.#putters(row).length > 0 && it.value < it.limit;
        const canGet = this.#getters(row).length > 0 && it.value > 0;
        it.putterWent = false;
        if (!canPut && !canGet) {
          it.underWay = false;
          return NIL;
        }
        it.putterWent = canPut && !(canGet && putterWent);
        const slot = this.queueStep(row, it.putterWent ? Role.WAIT : Role.TAKE);
        this.readyFront(~row);
        return slot;
      }
      case RowKind.LATCH: {
        const slot = this.first(row);
        if (slot === NIL) return this.#passIsOver(row);
        this.#wake(slot);
        this.readyFront(~row);
        return slot;
      }
      default: {
        it.pass ??= new Set(this.#list(row));
        if (it.pass.size === 0 || (it.kind === RowKind.SEMAPHORE && it.value === 0)) return this.#passIsOver(row);
        const [{ slot, role }] = it.waiters;
        if (role === 'takes') it.value -= 1;
        this.#wake(slot);
        if (it.pass.size > 0) this.readyFront(~row);
        else this.#passIsOver(row);
        return slot;
      }
    }
  }

  #passIsOver(row: number): number {
    const it = this.#row(row);
    it.pass = undefined;
    it.underWay = false;
    this.#scheduleIfReady(row);
    return NIL;
  }

  #isReady(row: number): boolean {
    const it = this.#row(row);
    if (it.kind !== RowKind.CHANNEL) return it.value > 0;
    return it.waiters.some(({ role }) => role === 'gets') && it.waiters.some(({ role }) => role === 'puts');
  }

  #scheduleIfReady(row: number): void {
    if (this.#isReady(row) && this.#row(row).waiters.length > 0) this.#schedule(row);
  }

  #schedule(row: number): void {
    const it = this.#row(row);
    if (it.underWay) return;
    it.underWay = true;
    this.ready(~row);
  }

  // ---- rows: words ----------------------------------------------------------------------------------------------

  eventSet(row: number): void {
    this.#row(row).value = 1;
    this.#scheduleIfReady(row);
  }

  eventClear(row: number): void {
    this.#row(row).value = 0;
  }

  eventWait(row: number, slot: number): number {
    if (this.value(row) === 1 && !this.#row(row).underWay) return 1;
    this.#park(slot, row, 'waits');
    return 0;
  }

  latchFire(row: number): void {
    this.#row(row).value = 1;
    this.#scheduleIfReady(row);
  }

  semAcquire(row: number, slot: number): number {
    if (this.semTry(row) === 1) return 1;
    this.#park(slot, row, 'takes');
    return 0;
  }

  semTry(row: number): number {
    if (this.value(row) === 0) return 0;
    this.#row(row).value -= 1;
    return 1;
  }

  semRelease(row: number, count: number): number {
    this.#row(row).value += count;
    this.#scheduleIfReady(row);
    return this.value(row);
  }

  chanPut(row: number, slot: number): void {
    this.#park(slot, row, 'puts');
  }

  chanGet(row: number, slot: number): void {
    this.#park(slot, row, 'gets');
  }

  balance(row: number): number {
    const { waiters } = this.#row(row);
    return waiters.filter(({ role }) => role === 'puts').length - waiters.filter(({ role }) => role === 'gets').length;
  }

  #putters(row: number): Waiter[] {
    return this.#row(row).waiters.filter(({ role }) => role === 'puts');
  }

  #getters(row: number): Waiter[] {
    return this.#row(row).waiters.filter(({ role }) => role !== 'puts');
  }

  queueLimit(row: number, limit: number): void {
    this.#row(row).limit = limit === 0 ? Infinity : limit;
  }

  queueItems(row: number, items: number): void {
    const it = this.#row(row);
    const before = it.value;
    it.value = items;
    if (items > before && this.#getters(row).length > 0) this.#schedule(row);
    if (items < before && this.#putters(row).length > 0) this.#schedule(row);
  }

  queueWait(row: number, slot: number, role: Role): void {
    const it = this.#row(row);
    it.waiters.push({ slot, role: role === Role.WAIT ? 'puts' : role === Role.TAKE ? 'gets' : 'peeks' });
    if (this.#getters(row).length > 0 && (this.#putters(row).length > 0 || it.value > 0)) this.#schedule(row);
  }

  queueStep(row: number, role: Role): number {
    const [waiter] = role === Role.WAIT ? this.#putters(row) : this.#getters(row);
    if (waiter === undefined) return NIL;
    const it = this.#row(row);
    if (role === Role.WAIT) it.value += 1;
    else if (waiter.role === 'gets') it.value = Math.max(0, it.value - 1);
    this.#wake(waiter.slot);
    return waiter.slot;
  }

  partner(): number {
    return this.#partner;
  }

  // ---- accounts -------------------------------------------------------------------------------------------------

  counter(which: number): number {
    const alive = this.#slots.filter((slot) => slot.kind !== 0);
    const rows = this.#rows.filter((row) => row !== undefined);
    switch (which) {
      case Counter.SLOTS:
        return alive.length;
      case Counter.ROWS:
        return rows.length;
      case Counter.READY:
        return this.#entries().length;
      case Counter.WAITING:
        return rows.reduce((sum, row) => sum + row.waiters.length, 0);
      case Counter.TIMERS:
        return this.#timers.length;
      case Counter.CAPACITY:
        return this.#slots.length;
      case Counter.RETIRED:
        return this.#slots.filter((slot) => slot.generation === this.#generations).length;
      case Counter.BYTES:
        return this.ring.byteLength + this.words.byteLength;
      default:
        return alive.filter((slot) => slot.kind === which - Counter.KIND).length;
    }
  }

  /** What cannot be seen by construction: R2 and R3, and that nobody who should be notified is forgotten. */
  verify(): void {
    const entries = this.#entries();
    const waiters = this.#rows.flatMap((row) => row?.waiters ?? []).map((waiter) => waiter.slot);
    const everywhere = [...entries, ...waiters];
    if (new Set(everywhere).size !== everywhere.length) throw new Error('model: something is in two places');
    for (const [row, it] of this.#rows.entries()) {
      if (it !== undefined && it.underWay !== entries.includes(~row))
        throw new Error(`model: row ${row} lost its entry`);
    }
  }
}
