// poll_oneoff: wait for the first of several clocks and descriptors. Its subscriptions are read when it is called, its events
// written when it is over, since the memory belongs to the program in between.

import { Priority } from '../../core/contract.ts';
import { first } from '../../first.ts';
import { Framed } from '../../framed.ts';
import type { Hub } from '../../hub/hub.ts';
import { Operation } from '../../hub/operation.ts';
import type { Park } from '../../hub/protocol.ts';
import { sleep } from '../../sleep.ts';
import { ClockId, Errno, type Memory, WasiErrno } from './abi.ts';
import type { Clocks } from './clocks.ts';
import type { Descriptor } from './descriptor.ts';
import type { Table } from './table.ts';

const CLOCK = 0;
const FD_READ = 1;
const FD_WRITE = 2;
const ABSOLUTE = 1;
const SUBSCRIPTION = 48;
const EVENT = 32;
const HANGUP = 1;

interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  /** When its time is up, on the hub's clock in ms; Infinity: never, or no clock. */
  readonly atMs: number;
  /** What it is about; null: a clock, or a file, which is always ready. */
  readonly descriptor: Descriptor | null;
  /** Wrong in itself: it is told at once. */
  readonly errno: number;
}

interface Event {
  readonly of: Subscription;
  readonly errno: number;
  readonly bytes: number;
  readonly flags: number;
}

export interface Places {
  readonly memory: Memory;
  readonly table: Table;
  readonly clocks: Clocks;
  readonly hub: Hub;
}

/** The call. Gives the errno, or what has to be waited for. */
export function pollOneoff(
  on: Places,
  at: number,
  events: number,
  count: number,
  stored: number,
): number | Operation<number> {
  if (count === 0) return Errno.INVAL;
  const { memory, hub } = on;
  // All of both must be there before anything is waited for.
  memory.bytes(at, (count >>> 0) * SUBSCRIPTION);
  memory.bytes(events, (count >>> 0) * EVENT);
  memory.bytes(stored, 4);
  const all = Array.from({ length: count >>> 0 }, (_, i) => read(on, (at >>> 0) + SUBSCRIPTION * i));
  const write = (happened: readonly Event[]): number => {
    happened.forEach((event, i) => {
      put(memory, (events >>> 0) + EVENT * i, event);
    });
    memory.setU32(stored, happened.length);
    return Errno.SUCCESS;
  };
  const due = Math.min(...all.map(({ atMs }) => atMs));
  if (all.every(({ type, errno }) => type === CLOCK && errno === 0)) {
    // What a sleep is.
    return new ClockWait(hub, due, () => write(all.filter(({ atMs }) => atMs <= due).map(quiet)));
  }
  return new Framed('poll_oneoff', () => polling(on, all, due, write));
}

function read({ memory, table, clocks, hub }: Places, at: number): Subscription {
  const userdata = memory.u64(at);
  const type = memory.u8(at + 8);
  const said = { userdata, type, atMs: Infinity, descriptor: null, errno: 0 };
  if (type === CLOCK) {
    const id = memory.u32(at + 16);
    if (id > ClockId.THREAD) return { ...said, errno: Errno.INVAL };
    const timeout = memory.u64(at + 24);
    const absolute = (memory.u16(at + 40) & ABSOLUTE) !== 0;
    const left = absolute ? timeout - clocks.now(id) : timeout;
    return { ...said, atMs: hub.clock.now() + Math.max(0, Number(left) / 1e6) };
  }
  if (type !== FD_READ && type !== FD_WRITE) return { ...said, errno: Errno.INVAL };
  try {
    return { ...said, descriptor: table.ours(memory.u32(at + 16)) };
  } catch (error) {
    if (error instanceof WasiErrno) return { ...said, errno: error.errno };
    throw error;
  }
}

/** It happened, and there is nothing more to say. */
function quiet(of: Subscription): Event {
  return { of, errno: of.errno, bytes: 0, flags: 0 };
}

/** What happened with it, or null: nothing. */
function look(of: Subscription, nowMs: number): Event | null {
  if (of.errno !== 0) return quiet(of);
  if (of.type === CLOCK) return of.atMs <= nowMs ? quiet(of) : null;
  const { descriptor } = of;
  if (descriptor === null) return { ...quiet(of), bytes: 1 };
  if (of.type === FD_READ) {
    const { readable } = descriptor;
    if (readable === null) return null;
    if (readable === undefined) return { ...quiet(of), errno: Errno.BADF };
    return { of, errno: 0, bytes: readable, flags: readable === 0 ? HANGUP : 0 };
  }
  const { writable } = descriptor;
  if (writable === undefined) return { ...quiet(of), errno: Errno.BADF };
  return writable ? { ...quiet(of), bytes: 65536 } : null;
}

function* polling(
  { hub }: Places,
  all: readonly Subscription[],
  due: number,
  write: (happened: readonly Event[]) => number,
): Generator<Park, number, any> {
  // One that only looks lets the others have their turn, or a program that asks in a loop would be alone.
  if (due <= hub.clock.now()) yield* sleep(0);
  for (;;) {
    const now = hub.clock.now();
    const happened = all.map((it) => look(it, now)).filter((event) => event !== null);
    if (happened.length > 0) return write(happened);
    const waits = all
      .filter(({ descriptor }) => descriptor !== null)
      .map(({ type, descriptor }) =>
        type === FD_READ ? (descriptor as Descriptor).untilReadable() : (descriptor as Descriptor).untilWritable(),
      );
    const seconds = (due - now) / 1000;
    yield* due === Infinity ? first(waits) : first(waits, { timeout: seconds, default: null });
  }
}

function put(memory: Memory, at: number, { of, errno, bytes, flags }: Event): void {
  memory.bytes(at, EVENT).fill(0);
  memory.setU64(at, of.userdata);
  memory.setU16(at + 8, errno);
  memory.setU8(at + 10, of.type);
  memory.setU64(at + 16, BigInt(bytes));
  memory.setU16(at + 24, flags);
}

/** Until a time. One whose time is up gives the others a turn. */
class ClockWait extends Operation<number> {
  readonly #hub: Hub;
  readonly #atMs: number;
  readonly #over: () => number;

  constructor(hub: Hub, atMs: number, over: () => number) {
    super();
    this.#hub = hub;
    this.#atMs = atMs;
    this.#over = over;
  }

  describe(): string {
    return `sleep(${((this.#atMs - this.#hub.clock.now()) / 1000).toFixed(3)}) left`;
  }

  begin(hub: Hub, slot: number): boolean {
    const ms = this.#atMs - hub.clock.now();
    if (ms > 0) hub.arm(slot, ms, Priority.NORMAL);
    else hub.core.ready(slot);
    return false;
  }

  complete(): number {
    return this.#over();
  }
}
