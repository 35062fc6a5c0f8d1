// Entry `gevent-wasm/select`: select, poll and selectors over our sockets, files and Node's streams; and, with it, the loop's
// watchers for these.

import { describe, wrongRange, wrongType } from '../core/arguments.ts';
import type { Seconds } from '../core/clock.ts';
import { GeventError } from '../exceptions.ts';
import type { Operation } from '../hub/operation.ts';
import { limitMs } from '../limit.ts';
import type { Limit } from '../timeout.ts';
import { badDescriptor, SocketError } from './errors.ts';
import { CLOSED, FAULT, pollableOf, READ, stateOf, WaitReady, type Wanted, WRITE } from './poll.ts';

export { SocketError as error } from './errors.ts';
export { ChildWatcher, IoWatcher, READ, StatWatcher, WRITE } from './poll.ts';

function wantedOf(list: Iterable<unknown>, events: number, where: string): Wanted[] {
  if (list === null || typeof (list as any)?.[Symbol.iterator] !== 'function') {
    throw wrongType(`select(${where})`, 'an iterable of sockets', list);
  }
  return [...list].map((handle) => {
    const poll = pollableOf(handle, `select(${where})`);
    if (poll.state() & CLOSED) throw badDescriptor('select');
    return { poll, events };
  });
}

/**
 * Wait until some of several can be read or written to: `[readable, writable, []]`, all empty if the time came first.
 * Switch point, always.
 *
 * @param xlist - exceptional conditions: Node tells of none, so these never become ready
 * @param options.timeout - seconds, 0 or more; 0 only looks. Default: no limit
 * @throws SocketError `EBADF` for one that is closed; GeventError `GEVENT_FD_UNSUPPORTED` for a bare descriptor
 * @see `gevent.select.select`, the source.
 */
export function select<R, W, X = never>(
  rlist: Iterable<R>,
  wlist: Iterable<W>,
  xlist: Iterable<X> = [],
  { timeout = null }: { timeout?: Limit } = {},
): Operation<[R[], W[], X[]]> {
  // Before anything is made: what is wrong is no operation that was forgotten.
  limitMs(timeout, 'select(timeout)');
  const [readers, writers] = [[...rlist], [...wlist]];
  const reading = wantedOf(readers, READ, 'rlist');
  const writing = wantedOf(writers, WRITE, 'wlist');
  wantedOf(xlist, 0, 'xlist');
  const ready = <T>(all: T[], wanted: Wanted[]): T[] => all.filter((_one, i) => stateOf(wanted[i]) !== 0);
  return new WaitReady('select', [...reading, ...writing], timeout, () => [
    ready(readers, reading),
    ready(writers, writing),
    [],
  ]);
}

export const POLLIN = 1;
export const POLLPRI = 2;
export const POLLOUT = 4;
export const POLLERR = 8;
export const POLLHUP = 16;
export const POLLNVAL = 32;

function notRegistered(what: string, handle: unknown): GeventError {
  return new GeventError('GEVENT_NOT_REGISTERED', `${what}: ${describe(handle)} is not registered`);
}

/** Sockets and what they are polled for. @see `gevent.select.poll`, the source. Differs: gives the sockets themselves. */
export class poll<H = unknown> {
  readonly #registered = new Map<H, { wanted: Wanted; mask: number }>();

  /** Poll `handle` for POLLIN, POLLOUT or both (default); again: for something else. */
  register(handle: H, mask: number = POLLIN | POLLPRI | POLLOUT): void {
    const events = (mask & (POLLIN | POLLPRI) ? READ : 0) | (mask & POLLOUT ? WRITE : 0);
    this.#registered.set(handle, { wanted: { poll: pollableOf(handle, 'poll.register(handle)'), events }, mask });
  }

  /** @throws GeventError `GEVENT_NOT_REGISTERED` */
  modify(handle: H, mask: number): void {
    if (!this.#registered.has(handle)) throw notRegistered('poll.modify', handle);
    this.register(handle, mask);
  }

  /** @throws GeventError `GEVENT_NOT_REGISTERED` */
  unregister(handle: H): void {
    if (!this.#registered.delete(handle)) throw notRegistered('poll.unregister', handle);
  }

  /**
   * Those that are ready: `[handle, mask]` each, POLLNVAL for what is closed. Switch point, always.
   * @param timeout - *milliseconds*, as in Python; below 0 or none: no limit
   */
  poll(timeout: number | null = null): Operation<[H, number][]> {
    if (timeout !== null && (typeof timeout !== 'number' || Number.isNaN(timeout))) {
      throw wrongType('poll(timeout)', 'milliseconds', timeout);
    }
    const limit = timeout === null || timeout < 0 ? null : timeout / 1000;
    const all = [...this.#registered];
    const wanted = all.map(([, entry]) => entry.wanted);
    return new WaitReady('poll', wanted, limit, () =>
      all.flatMap(([handle, entry]): [H, number][] => {
        const state = entry.wanted.poll.state();
        if (state & CLOSED) return [[handle, POLLNVAL]];
        let mask = (state & READ ? POLLIN : 0) | (state & WRITE ? POLLOUT : 0);
        mask &= entry.mask;
        if (state & FAULT) mask |= POLLERR | POLLHUP;
        return mask === 0 ? [] : [[handle, mask]];
      }),
    );
  }
}

export const EVENT_READ: number = READ;
export const EVENT_WRITE: number = WRITE;

/** What a selector knows of a handle. */
export interface SelectorKey<H = unknown> {
  readonly fileobj: H;
  readonly events: number;
  readonly data: unknown;
}

function checkEvents(events: number, where: string): void {
  if (events !== READ && events !== WRITE && events !== (READ | WRITE)) {
    throw wrongRange(where, 'EVENT_READ, EVENT_WRITE or both', events);
  }
}

/** Python's selectors. @see `gevent.selectors.GeventSelector`, the source. Differs: keys name the sockets themselves. */
export class GeventSelector<H = unknown> {
  readonly #keys = new Map<H, { key: SelectorKey<H>; wanted: Wanted }>();
  #closed = false;

  #open(): void {
    if (this.#closed) throw new SocketError('EBADF', 'selector: EBADF: it is closed');
  }

  register(fileobj: H, events: number, data: unknown = null): SelectorKey<H> {
    this.#open();
    checkEvents(events, 'register(events)');
    if (this.#keys.has(fileobj)) {
      throw new GeventError('GEVENT_REGISTERED', `register: ${describe(fileobj)} is registered already`);
    }
    const key = { fileobj, events, data };
    this.#keys.set(fileobj, { key, wanted: { poll: pollableOf(fileobj, 'register(fileobj)'), events } });
    return key;
  }

  /** @throws GeventError `GEVENT_NOT_REGISTERED` */
  unregister(fileobj: H): SelectorKey<H> {
    const entry = this.#keys.get(fileobj);
    if (entry === undefined) throw notRegistered('unregister', fileobj);
    this.#keys.delete(fileobj);
    return entry.key;
  }

  /** @throws GeventError `GEVENT_NOT_REGISTERED` */
  modify(fileobj: H, events: number, data: unknown = null): SelectorKey<H> {
    checkEvents(events, 'modify(events)');
    this.unregister(fileobj);
    return this.register(fileobj, events, data);
  }

  /** @throws GeventError `GEVENT_NOT_REGISTERED` */
  getKey(fileobj: H): SelectorKey<H> {
    const entry = this.#keys.get(fileobj);
    if (entry === undefined) throw notRegistered('getKey', fileobj);
    return entry.key;
  }

  getMap(): ReadonlyMap<H, SelectorKey<H>> {
    return new Map([...this.#keys].map(([handle, { key }]) => [handle, key]));
  }

  /**
   * Those that are ready: `[key, events]` each. Switch point, always.
   * @param timeout - seconds; 0 or less only looks; null: no limit
   */
  select(timeout: Seconds | null = null): Operation<[SelectorKey<H>, number][]> {
    this.#open();
    const all = [...this.#keys.values()];
    const limit = typeof timeout === 'number' && timeout < 0 ? 0 : timeout;
    return new WaitReady(
      'selector.select',
      all.map(({ wanted }) => wanted),
      limit,
      () =>
        all.flatMap(({ key, wanted }): [SelectorKey<H>, number][] => {
          const events = stateOf(wanted) & key.events;
          return events === 0 ? [] : [[key, events]];
        }),
    );
  }

  close(): void {
    this.#closed = true;
    this.#keys.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export { GeventSelector as DefaultSelector };
