// The schedule as a Chrome trace: one track a greenlet, with what it ran and what it waited in, and arrows from who woke it.

import { wrongRange } from './core/arguments.ts';
import { NIL, Word } from './core/contract.ts';
import { GeventError } from './exceptions.ts';
import type { Hub } from './hub/hub.ts';
import { addTracer } from './hub/observe.ts';
import { Waiter } from './hub/operation.ts';
import { RawGreenlet, State } from './hub/raw.ts';
import { hubHere } from './limit.ts';

export interface TraceOptions {
  /** Also what greenlets wait in. Default true. */
  waits?: boolean;
  /** Events kept at most; then the trace stops and says so. Default 1 000 000. */
  limit?: number;
  /** Default: the hub of the caller. */
  hub?: Hub;
}

/** One event of the trace event format; times in microseconds since the start. */
export interface TraceEvent {
  /** X: a span. M: a name. s, f: an arrow's ends. i: a moment. */
  readonly ph: 'X' | 'M' | 's' | 'f' | 'i';
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: number;
  readonly bp?: 'e';
  readonly s?: 't';
  readonly args?: Record<string, unknown>;
}

interface Track {
  readonly tid: number;
  /** When its slice began, or null. */
  running: number | null;
  /** Since when it waits, and in what. */
  waiting: { at: number; where: string } | null;
  /** The arrow that leads to its next slice. */
  wokenBy: number;
}

/** A schedule being recorded, or recorded. `JSON.stringify(trace)` is what viewers load. */
export class ScheduleTrace {
  readonly events: TraceEvent[] = [];
  /** True if there was more than `limit` allowed. */
  truncated = false;
  readonly #hub: Hub;
  readonly #waits: boolean;
  readonly #limit: number;
  readonly #start: number;
  readonly #tracks = new Map<RawGreenlet, Track>();
  #arrows = 0;
  /** The ready ring as the running slice found it. */
  #ring: Int32Array | null = null;
  #head = 0;
  #tail = 0;
  #end: (() => void) | null;

  /** @internal */
  constructor(hub: Hub, waits: boolean, limit: number) {
    this.#hub = hub;
    this.#waits = waits;
    this.#limit = limit;
    this.#start = hub.clock.now();
    this.#add({ ph: 'M', name: 'process_name', tid: 0, ts: 0, args: { name: String(hub) } });
    this.#end = addTracer(hub, (event, origin, target) => this.#switched(event, origin, target));
  }

  /** Record no more. What waits now is recorded up to now. */
  stop(): this {
    if (this.#end === null) return this;
    this.#end();
    this.#end = null;
    const now = this.#now();
    for (const [greenlet, track] of this.#tracks) {
      if (track.running !== null) this.#endSlice(greenlet, track, now);
      else this.#endWait(track, now);
    }
    return this;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  toJSON(): { displayTimeUnit: 'ms'; traceEvents: TraceEvent[] } {
    return { displayTimeUnit: 'ms', traceEvents: this.events };
  }

  /** In steps of 1/1024: a start and a duration have an exact sum then, and no span reaches into the next by an ulp. */
  #now(): number {
    return Math.round((this.#hub.clock.now() - this.#start) * 1_024_000) / 1024;
  }

  #add(event: Omit<TraceEvent, 'pid'>): void {
    if (this.events.length < this.#limit) this.events.push({ pid: 1, ...event });
    else {
      this.truncated = true;
      this.#end?.();
      this.#end = null;
    }
  }

  #track(greenlet: RawGreenlet): Track {
    let track = this.#tracks.get(greenlet);
    if (track === undefined) {
      track = { tid: this.#tracks.size + 1, running: null, waiting: null, wokenBy: 0 };
      this.#tracks.set(greenlet, track);
      const name = greenlet === this.#hub.main ? 'main' : String(greenlet);
      this.#add({ ph: 'M', name: 'thread_name', tid: track.tid, ts: 0, args: { name } });
    }
    return track;
  }

  #switched(event: 'switch' | 'throw', origin: RawGreenlet, target: RawGreenlet): void {
    const now = this.#now();
    const hub = this.#hub;
    if (origin !== hub) {
      const track = this.#track(origin);
      this.#woken(track, origin, now);
      this.#endSlice(origin, track, now);
    }
    if (target === hub) return;
    const track = this.#track(target);
    this.#endWait(track, now);
    if (track.wokenBy !== 0) {
      this.#add({ ph: 'f', bp: 'e', name: 'wakes', cat: 'wake', id: track.wokenBy, tid: track.tid, ts: now });
      track.wokenBy = 0;
    }
    if (event === 'throw') this.#add({ ph: 'i', s: 't', name: 'thrown into', cat: 'throw', tid: track.tid, ts: now });
    track.running = now;
    this.#look();
  }

  #endSlice(greenlet: RawGreenlet, track: Track, now: number): void {
    if (track.running !== null) {
      const dur = now - track.running;
      this.#add({ ph: 'X', name: 'runs', cat: 'run', tid: track.tid, ts: track.running, dur });
      track.running = null;
    }
    if (this.#waits && !greenlet.dead) track.waiting = { at: now, where: this.#where(greenlet) };
  }

  #endWait(track: Track, now: number): void {
    const { waiting } = track;
    if (waiting === null) return;
    track.waiting = null;
    this.#add({ ph: 'X', name: waiting.where, cat: 'wait', tid: track.tid, ts: waiting.at, dur: now - waiting.at });
  }

  #where(greenlet: RawGreenlet): string {
    const { core, rowOwners } = this.#hub;
    if (greenlet.$state === State.SWITCHED) return 'switched away';
    const slot = greenlet.$slot;
    if (slot < 0) return 'waits';
    const row = core.rowOf(slot);
    if (row !== NIL) return rowOwners[row].describe(slot);
    return core.deadline(slot) === Infinity ? 'ready' : 'sleep';
  }

  // ---- arrows -------------------------------------------------------------------------------------------------------
  // Whom a slice wakes, it puts into the ready ring: at the tail, or in front of the head.

  #look(): void {
    const { words, ring } = this.#hub.core;
    this.#ring = ring;
    this.#head = words[Word.HEAD];
    this.#tail = words[Word.TAIL];
  }

  #woken(by: Track, origin: RawGreenlet, now: number): void {
    const { words, ring } = this.#hub.core;
    // It has grown: what is new in it cannot be told.
    if (ring !== this.#ring || by.running === null) return;
    const mask = words[Word.MASK];
    for (let at = words[Word.HEAD]; at !== this.#head; at = (at + 1) & mask) this.#entry(ring[at], by, origin, now);
    for (let at = this.#tail; at !== words[Word.TAIL]; at = (at + 1) & mask) this.#entry(ring[at], by, origin, now);
  }

  #entry(entry: number, by: Track, origin: RawGreenlet, now: number): void {
    const { core, owners, rowOwners } = this.#hub;
    if (entry >= 0) return this.#arrow(owners[entry], by, origin, now);
    // A row's notifier: all who wait there may go on. A hole is no row.
    const row = ~entry;
    if (rowOwners[row] === undefined) return;
    for (let slot = core.first(row); slot !== NIL; slot = core.next(slot)) this.#arrow(owners[slot], by, origin, now);
  }

  #arrow(owner: unknown, by: Track, origin: RawGreenlet, now: number): void {
    const woken = owner instanceof Waiter ? owner.owner : owner;
    if (!(woken instanceof RawGreenlet) || woken === origin) return;
    const track = this.#track(woken);
    if (track.wokenBy !== 0) return;
    track.wokenBy = ++this.#arrows;
    // The arrow begins where the slice is, which has no end yet.
    const ts = Math.max(by.running as number, now);
    this.#add({ ph: 's', name: 'wakes', cat: 'wake', id: track.wokenBy, tid: by.tid, ts });
    if (this.#waits && woken.$state === State.QUEUED) track.waiting = { at: now, where: 'not started' };
  }
}

/**
 * Record the schedule from now on: who runs when, what the others wait in, who wakes whom. Ends by `stop()` or with its `using` block.
 *
 *     using trace = traceSchedule();
 *     …
 *     writeFileSync('trace.json', JSON.stringify(trace.stop()));   // for ui.perfetto.dev or chrome://tracing
 *
 * Greenlets with generator and plain bodies are recorded; an async body's slices are the platform's. Switches cost several times as
 * much while it records, and nothing when it does not.
 * @throws RangeError if `limit` is not an integer from 1
 */
export function traceSchedule(options: TraceOptions = {}): ScheduleTrace {
  const { waits = true, limit = 1_000_000, hub = hubHere() } = options;
  if (!Number.isInteger(limit) || limit < 1) {
    throw wrongRange('traceSchedule(limit)', 'an integer from 1', limit);
  }
  if (hub.destroyed) throw new GeventError('GEVENT_HUB_DESTROYED', `traceSchedule(hub): ${hub} is destroyed`);
  return new ScheduleTrace(hub, waits, limit);
}
