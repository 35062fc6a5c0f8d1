// Plays a script to two cores and compares all that they say. Books of its own tell where each slot must be by now, so a script suits any
// two cores, and only calls that the contract allows are made.

import { type Core, Counter, Kind, NIL, Role, RowKind, Word } from '../core/contract.ts';
import { append, entriesOf, leftBehind, NORMAL, show, takeEntry, waitersOf } from './conformance/tools.ts';
import type { Script, Step } from './script.ts';

export interface CompareOptions {
  /** Call `verify` of both cores after each step. Default: false. */
  verify?: boolean;
  /** Most slots alive at a time. Default: 120. */
  mostSlots?: number;
}

/** Thrown where the two answer differently. */
export class Parting {
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

export class Player {
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
