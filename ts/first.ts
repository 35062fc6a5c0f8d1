// first: several operations begun at once, of which exactly one commits.
//
// Each candidate waits in a slot of its own, so each is to its operation what a greenlet is. When the first of those slots has its
// turn, the others are withdrawn and abandoned in that very step, by the path that a kill takes: what an operation does
// right when its greenlet is killed, it does right when it loses, also if it had been woken already. Then the one who waits
// for the whole goes on at once; only there is the winner completed, so that nothing can come between.
//
// F1  while it waits, every candidate's slot is parked, ready or armed, and the slot of the whole is parked on a row of its own
// F2  between the turn of the winning slot and its complete() no other code of a program runs
// F3  of the operations begun, one is completed or none, all others are abandoned

import { describe, needOptions, wrongType } from './core/arguments.ts';
import { Kind, NIL } from './core/contract.ts';
import { GeventError } from './exceptions.ts';
import { debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { isOperation, type Operation, RowWait } from './hub/operation.ts';
import { Fired, type Fires } from './hub/protocol.ts';
import { RawGreenlet, SwitchOperation } from './hub/raw.ts';
import { expired, limitMs } from './limit.ts';
import type { Limit } from './timeout.ts';
import { until } from './until.ts';
import { isThenable } from './unwind.ts';

/** What `first` takes: an operation, or a promise (as `until` of it). */
export type Candidate = Operation<any> | PromiseLike<any>;
type ValueOf<C> = C extends PromiseLike<infer T> ? T : never;
type IndexOf<K> = K extends `${infer N extends number}` ? N : number;

/** Which one won, by its place, and what it gave. */
export type FirstOf<C extends readonly Candidate[]> = number extends C['length']
  ? { index: number; value: ValueOf<C[number]> }
  : { [K in keyof C]: { index: IndexOf<K>; value: ValueOf<C[K]> } }[number];

/** Which one won, by its key, and what it gave. */
export type FirstKey<C extends Record<string, Candidate>> = {
  [K in keyof C]: { key: K; value: ValueOf<C[K]> };
}[keyof C];

export interface FirstOptions {
  /** Seconds, 0 or more; 0 only lets run what is ready. Then Timeout is raised. Default: no limit. */
  timeout?: Limit;
}

/** With a `default`, that is given when the timeout comes first, at place -1 or key null. */
export interface FirstDefault<D> {
  /** Default 0: the default is given once all that is ready has run. */
  timeout?: Limit;
  default: D;
}

/** One of the operations, and the slot it waits in. */
class Entrant implements Fires<Hub> {
  readonly op: Operation<unknown>;
  readonly index: number;
  readonly #whole: First;
  slot = NIL;

  constructor(whole: First, op: Operation<unknown>, index: number) {
    this.#whole = whole;
    this.op = op;
    this.index = index;
  }

  /** True if it completes at once. */
  enter(hub: Hub): boolean {
    this.slot = hub.take(Kind.WAITER, this);
    try {
      return this.op.begin(hub, this.slot);
    } catch (error) {
      this.release(hub);
      throw error;
    }
  }

  release(hub: Hub): void {
    hub.release(this.slot);
    this.slot = NIL;
  }

  /** @internal Its turn has come: it wins. */
  $fire(hub: Hub): number {
    const slot = this.#whole.won(hub, this);
    // Not by way of the ring: a Timeout could come between, and the winner's item belong to nobody.
    return hub.$fireSlot(slot) ? Fired.SETTLED : Fired.DONE;
  }
}

class First extends RowWait<any> {
  readonly #entrants: Entrant[];
  readonly #keys: readonly string[] | null;
  readonly #limit: Limit;
  readonly #fallback: { value: unknown } | null;
  #winner: Entrant | null = null;
  #slot = NIL;

  constructor(
    ops: Operation<unknown>[],
    keys: readonly string[] | null,
    limit: Limit,
    fallback: { value: unknown } | null,
  ) {
    limitMs(limit, 'first(timeout)');
    super();
    this.#entrants = ops.map((op, index) => new Entrant(this, op, index));
    this.#keys = keys;
    this.#limit = limit;
    this.#fallback = fallback;
  }

  describe(): string {
    const all = this.#entrants.map(({ op }) => op.describe());
    const shown = all.length > 4 ? [...all.slice(0, 3), `${all.length - 3} more`] : all;
    return `first of ${shown.join(' | ')}`;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const entrants = this.#entrants;
    if (debugging) for (const { op } of entrants) hub.debug.consumed(op);
    try {
      for (const entrant of entrants) {
        if (!entrant.enter(hub)) continue;
        this.#winner = entrant;
        this.#withdrawOthers(hub);
        return true;
      }
      this.#refuseMeeting(hub);
      this.wait(hub, slot, limitMs(this.#limit, 'timeout'));
    } catch (error) {
      this.#withdrawOthers(hub);
      throw error;
    }
    this.#slot = slot;
    return false;
  }

  /** A put and a get of one channel would meet each other here, and of these two neither can lose. */
  #refuseMeeting(hub: Hub): void {
    const { core, rowOwners } = hub;
    const roles = new Map<number, number>();
    for (const slot of this.#slots()) {
      const row = core.rowOf(slot);
      if (row === NIL || rowOwners[row].$pairs !== true) continue;
      const role = core.role(slot);
      if ((roles.get(row) ?? role) !== role) {
        throw new GeventError(
          'GEVENT_FIRST_MEETS_ITSELF',
          `${this.describe()}: both sides of one channel would meet here`,
        );
      }
      roles.set(row, role);
    }
  }

  /** Of all that wait, those of a candidate that is a `first` itself included. */
  *#slots(): Generator<number> {
    for (const { op, slot } of this.#entrants) {
      if (slot === NIL) continue;
      if (op instanceof First) yield* op.#slots();
      else yield slot;
    }
  }

  /** @internal The winner's turn has come. Gives the slot of the whole, loose. */
  won(hub: Hub, winner: Entrant): number {
    this.#winner = winner;
    this.#withdrawOthers(hub);
    // In the ring rather than on its row if its time was up and continuations had to run before its turn.
    hub.withdraw(this.#slot);
    return this.#slot;
  }

  /** F3. Those that have begun, in order, all but the winner. */
  #withdrawOthers(hub: Hub): void {
    for (const entrant of this.#entrants) {
      const { slot, op } = entrant;
      if (slot === NIL || entrant === this.#winner) continue;
      hub.withdraw(slot);
      try {
        op.abandon(hub, slot);
      } catch (error) {
        // Its own trouble: the others leave all the same.
        hub.$route(op.describe(), error);
      }
      entrant.release(hub);
    }
  }

  complete(hub: Hub, slot: number): unknown {
    const winner = this.#winner;
    if (winner === null) {
      // It was the limit that woke the whole.
      this.abandon(hub, slot);
      if (this.#fallback === null) throw expired(hub, this.#limit);
      return this.#told(-1, null, this.#fallback.value);
    }
    this.unwait(hub);
    try {
      return this.#told(winner.index, this.#keys?.[winner.index] ?? null, winner.op.complete(hub, winner.slot));
    } finally {
      winner.release(hub);
    }
  }

  #told(index: number, key: string | null, value: unknown): unknown {
    return this.#keys === null ? { index, value } : { key, value };
  }

  override abandon(hub: Hub, slot: number): void {
    super.abandon(hub, slot);
    this.#withdrawOthers(hub);
  }
}

/** What was given for a candidate, as an operation. */
function candidate(value: unknown, where: string): Operation<unknown> {
  if (value instanceof SwitchOperation) {
    throw new TypeError(
      `first: expected something to wait for at ${where}, got ${value.describe()}: control cannot be tried`,
    );
  }
  if (isOperation(value)) return value;
  if (value instanceof RawGreenlet) {
    throw new TypeError(`first: expected an operation at ${where}, got ${value}: use its get() or join()`);
  }
  if (isThenable(value)) return until(value);
  throw wrongType('first', `an operation or a promise at ${where}`, value);
}

/**
 * Wait for the first of several operations: gets, puts, events, permits, joins, sleeps, promises, other `first`s. Exactly one
 * of them happens. The others have no effect: a get that loses takes nothing, an acquire that loses takes no permit.
 * Switch point, unless one can be had at once; then the first such in order wins, and those behind it are not begun.
 *
 *     const { index, value } = yield* first([queue.get(), stopped.wait(), sleep(5)]);
 *     const won = yield* first({ job: queue.get(), stop: stopped.wait() }, { timeout: 2, default: null });
 *     if (won.key === 'job') handle(won.value);
 *
 * @param candidates - an array, or an object by whose keys they are told apart. Operations are consumed by it
 * @param options.timeout - seconds, 0 or more; 0 only lets run what is ready. Default: no limit; 0 with a `default`
 * @param options.default - given as the value at index -1 or key null when the timeout comes first
 * @returns `{ index, value }` or `{ key, value }` of the winner. If the winner fails, its error is raised
 * @throws Timeout if `timeout` came first and there is no `default`
 * @throws GeventError `GEVENT_FIRST_MEETS_ITSELF` if one puts to and one gets from the same channel
 * @throws TypeError if a candidate cannot be waited for, RangeError if there is none
 */
export function first<const C extends readonly Candidate[]>(
  candidates: C,
  options?: FirstOptions,
): Operation<FirstOf<C>>;
/** Wait for the first of several operations; `{ index: -1, value: default }` if the timeout comes before it. */
export function first<const C extends readonly Candidate[], D>(
  candidates: C,
  options: FirstDefault<D>,
): Operation<FirstOf<C> | { index: -1; value: D }>;
/** Wait for the first of several operations, told apart by key: `{ key, value }`. The others have no effect. */
export function first<C extends Record<string, Candidate>>(
  candidates: C,
  options?: FirstOptions,
): Operation<FirstKey<C>>;
/** Wait for the first of several operations, told apart by key; `{ key: null, value: default }` if the timeout comes before it. */
export function first<C extends Record<string, Candidate>, D>(
  candidates: C,
  options: FirstDefault<D>,
): Operation<FirstKey<C> | { key: null; value: D }>;
export function first(
  candidates: readonly Candidate[] | Record<string, Candidate>,
  options: FirstOptions & { default?: unknown } = {},
): Operation<any> {
  if (candidates === null || typeof candidates !== 'object' || isOperation(candidates) || isThenable(candidates)) {
    throw wrongType('first(candidates)', 'an array or an object of operations', candidates);
  }
  needOptions('first(options)', options, ['default', 'timeout']);
  const keys = Array.isArray(candidates) ? null : Object.keys(candidates);
  const given: readonly unknown[] = Array.isArray(candidates) ? candidates : Object.values(candidates);
  if (given.length === 0) throw new RangeError('first(candidates): expected at least one operation, got none');
  const ops = given.map((value, at) =>
    candidate(value, keys === null ? `position ${at}` : `key ${describe(keys[at])}`),
  );
  const fallback = 'default' in options ? { value: options.default } : null;
  return new First(ops, keys, options.timeout ?? (fallback === null ? null : 0), fallback);
}
