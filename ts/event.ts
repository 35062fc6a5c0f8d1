// Entry `gevent-wasm/event`: Event and AsyncResult.

import { BLOCK_TIMEOUT, needOptions, TIMEOUT } from './core/arguments.ts';
import { RowKind } from './core/contract.ts';
import { active, debugging } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { Operation } from './hub/operation.ts';
import { PARK, type Park, RESUME } from './hub/protocol.ts';
import { Waitable } from './hub/waitable.ts';
import { LimitedWait, QuietWait } from './limited.ts';
import { type Limit, Timeout } from './timeout.ts';

// Constants of this file: see hub/raw.ts.
const NIL = -1;
const GO_ON = RESUME;
const PARKED = PARK;

/** What a wait that succeeded answers. `yield*` reads it at once, so one serves all. */
const WOKEN: IteratorReturnResult<boolean> = { done: true, value: true };

/** What Event and AsyncResult are beneath: a flag that wakes all who wait for it. */
abstract class Flag extends Waitable {
  /** Not while there is a row (O3). */
  #up = false;

  /** @internal */
  protected override $open(hub: Hub): number {
    return hub.row(RowKind.EVENT, this.#up ? 1 : 0, this);
  }

  /** @internal */
  protected override $close(hub: Hub, row: number): void {
    this.#up = hub.core.value(row) !== 0;
  }

  /** @internal */
  get $isUp(): boolean {
    return this.$row === NIL ? this.#up : (this.$hub as Hub).core.value(this.$row) !== 0;
  }

  /** @internal */
  protected $raise(): void {
    if (this.$row === NIL) {
      this.#up = true;
      return;
    }
    (this.$hub as Hub).core.eventSet(this.$row);
    this.$kick();
  }

  /** @internal */
  protected $lower(): void {
    if (this.$row === NIL) this.#up = false;
    else (this.$hub as Hub).core.eventClear(this.$row);
  }

  /** @internal True if the flag is up and nobody older is still to be woken; else parks. */
  $enter(hub: Hub, slot: number): boolean {
    if (this.$row === NIL && this.#up) return true;
    return hub.core.eventWait(this.$rowFor(hub), slot) !== 0;
  }

  /** @internal Nothing has to be asked of the core. */
  get $free(): boolean {
    return this.$row === NIL && this.#up;
  }

  override toString(): string {
    return `<${this.constructor.name} ${this.$isUp ? 'set' : 'clear'} _links[${this.linkcount()}]>`;
  }
}

/** Without a limit it has no state, so one object serves all who wait. */
class Wait extends Operation<boolean> {
  readonly #flag: Flag;

  constructor(flag: Flag) {
    super();
    this.#flag = flag;
  }

  describe(): string {
    return this.#flag.describe();
  }

  override $inCallback(): { value: boolean } | null {
    return this.#flag.$isUp ? WOKEN : null;
  }

  override next(sent?: unknown): IteratorResult<Park, boolean> {
    return sent === GO_ON && this.#flag.$alone === true ? WOKEN : this.$first(sent);
  }

  /** Apart, so that `next` is short and becomes a part of the body: being woken costs no call. */
  $first(sent: unknown): IteratorResult<Park, boolean> {
    const flag = this.#flag;
    const hub = active;
    if (sent === GO_ON || hub === null || hub.parking !== null || debugging) return super.next(sent);
    const slot = hub.cur;
    if (slot === NIL) return super.next(sent);
    if (flag.$enter(hub, slot)) return WOKEN;
    hub.parking = true;
    return PARKED;
  }

  begin(hub: Hub, slot: number): boolean {
    return this.#flag.$enter(hub, slot);
  }

  complete(hub: Hub): boolean {
    this.#flag.$left(hub);
    return true;
  }

  override abandon(hub: Hub): void {
    this.#flag.$left(hub);
  }
}

class TimedWait extends QuietWait<boolean> {
  readonly #flag: Flag;
  #certain = false;

  constructor(flag: Flag, limit: Limit) {
    super(limit, 'wait(timeout)');
    this.#flag = flag;
  }

  describe(): string {
    return this.#flag.describe();
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    // Up already: it only queues behind those who are being woken.
    this.#certain = this.#flag.$isUp;
    if (this.#flag.$enter(hub, slot)) return true;
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): boolean {
    this.#flag.$left(hub);
    return this.timedOut(hub, slot) && !this.#certain ? this.ranOut(hub) : true;
  }

  protected override late(): boolean {
    return false;
  }

  override abandon(hub: Hub): void {
    this.#flag.$left(hub);
  }
}

/**
 * A flag that greenlets wait for: `set()` wakes all of them, until `clear()`.
 * @see `gevent.event.Event`, the source.
 */
export class Event extends Flag {
  static override readonly name: string = 'Event';
  #wait: Wait | null = null;

  /** @internal */
  override describe(): string {
    return 'Event.wait';
  }

  /** True while the flag is up. */
  isSet(): boolean {
    return this.$isUp;
  }

  /** The same, as everything that can be waited for has it. */
  ready(): boolean {
    return this.$isUp;
  }

  /** Raise the flag. Never a switch point: those who wait wake later, all of them, in the order in which they began to wait. */
  set(): void {
    this.$raise();
  }

  /** Lower the flag. Those whom `set()` has woken still wake, and their `wait` gives true. */
  clear(): void {
    this.$lower();
  }

  /**
   * Wait until the flag is up: true, or false if `timeout` came first. Switch point, unless it is up.
   * @param options.timeout - seconds, 0 or more; 0 lets run what is ready. Default: no limit.
   * @throws InvalidThreadUseError if it was used on another hub before
   * @throws LoopExit if nothing could ever raise it
   */
  wait(options?: { timeout?: Limit }): Operation<boolean> {
    if (options !== undefined) {
      needOptions('wait(options)', options, TIMEOUT);
      const timeout = options?.timeout ?? null;
      if (timeout !== null) return new TimedWait(this, timeout);
    }
    if (debugging) return new Wait(this);
    if (this.#wait === null) this.#wait = new Wait(this);
    return this.#wait;
  }
}

/** Nothing was set. */
const UNSET: unique symbol = Symbol('unset');

/** What `AsyncResult` copies from: greenlets, other results. */
export interface ResultSource<T> {
  successful(): boolean;
  readonly value: T | undefined;
  readonly exception: unknown;
}

/**
 * A value, or an error, that greenlets wait for. It may be set again: the newest value counts, and a value counts more
 * than an error.
 * @see `gevent.event.AsyncResult`, the source.
 */
export class AsyncResult<T = unknown> extends Flag {
  static override readonly name: string = 'AsyncResult';
  #value: T | typeof UNSET = UNSET;
  #error: { error: unknown } | null = null;
  #copier: ((source: ResultSource<T>) => void) | null = null;

  /** @internal */
  override describe(): string {
    return 'AsyncResult.get';
  }

  /** True once a value or an error is there. */
  ready(): boolean {
    return this.#value !== UNSET || this.#error !== null;
  }

  /** True once a value is there. */
  successful(): boolean {
    return this.#value !== UNSET;
  }

  /** The value; undefined before. */
  get value(): T | undefined {
    return this.#value === UNSET ? undefined : this.#value;
  }

  /** The error of `setException`, also if a value came later; else undefined. */
  get exception(): unknown {
    return this.#error?.error;
  }

  /** `[class, error, stack]` of it; an empty array if there is none. */
  get excInfo(): [] | [unknown, unknown, string | undefined] {
    if (this.#error === null) return [];
    const { error } = this.#error;
    return [(error as object)?.constructor, error, error instanceof Error ? error.stack : undefined];
  }

  /** Store the value and wake all who wait. Never a switch point. */
  set(value: T): void;
  /** Wake all who wait, with undefined for the value. */
  set(this: AsyncResult<undefined> | AsyncResult<void> | AsyncResult<unknown>): void;
  set(value?: T): void {
    this.#value = value as T;
    this.$raise();
  }

  /** The same, under the name that futures have. */
  setResult(value: T): void {
    this.set(value);
  }

  /** Store a failure: `get` raises this very error. Never a switch point. */
  setException(error: unknown): void {
    this.#error = { error };
    this.$raise();
  }

  /**
   * Wait for the value, or raise the error. Switch point, unless one is there.
   * @param options.block - false: raise Timeout at once if nothing is there. Default true.
   * @param options.timeout - seconds; then Timeout is raised. Default: no limit.
   * @throws Timeout if `timeout` came first
   */
  get(options?: { block?: boolean; timeout?: Limit }): Operation<T> {
    needOptions('get(options)', options, BLOCK_TIMEOUT);
    return new Get<T>(this, options?.block ?? true, options?.timeout ?? null);
  }

  /** The value now, or its error. Never a switch point. */
  getNowait(): T {
    if (this.#value !== UNSET) return this.#value;
    if (this.#error !== null) throw this.#error.error;
    throw new Timeout();
  }

  /** The same as `get`, under the name that futures have. */
  result(options?: { timeout?: Limit }): Operation<T> {
    return this.get(options);
  }

  /** Wait until something is there: gives the value; undefined for an error or when `timeout` came first. */
  wait(options?: { timeout?: Limit }): Operation<T | undefined> {
    needOptions('wait(options)', options, TIMEOUT);
    return new WaitForResult<T>(this, options?.timeout ?? null);
  }

  /** `ready()`, under the name that futures have. */
  done(): boolean {
    return this.ready();
  }

  /** False: it cannot be cancelled. */
  cancel(): boolean {
    return false;
  }

  /** False. */
  cancelled(): boolean {
    return false;
  }

  /**
   * Take over what `source` ended with: for links.
   *
   *     greenlet.rawlink(result.copyFrom);
   */
  get copyFrom(): (source: ResultSource<T>) => void {
    this.#copier ??= (source) => {
      if (source.successful()) this.set(source.value as T);
      else this.setException(source.exception);
    };
    return this.#copier;
  }
}

class Get<T> extends LimitedWait<T> {
  readonly #result: AsyncResult<T>;
  readonly #block: boolean;

  constructor(result: AsyncResult<T>, block: boolean, limit: Limit) {
    super(limit, 'get(timeout)');
    this.#result = result;
    this.#block = block;
  }

  describe(): string {
    return 'AsyncResult.get';
  }

  begin(hub: Hub, slot: number): boolean {
    const result = this.#result;
    if (result.ready()) return true;
    if (!this.#block) throw new Timeout();
    this.use();
    result.$enter(hub, slot);
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): T {
    const result = this.#result;
    if (this.waited) result.$left(hub);
    if (this.timedOut(hub, slot)) throw this.expired(hub);
    return result.getNowait();
  }

  override abandon(hub: Hub): void {
    this.#result.$left(hub);
  }
}

class WaitForResult<T> extends QuietWait<T | undefined> {
  readonly #result: AsyncResult<T>;

  constructor(result: AsyncResult<T>, limit: Limit) {
    super(limit, 'wait(timeout)');
    this.#result = result;
  }

  describe(): string {
    return 'AsyncResult.wait';
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (this.#result.$enter(hub, slot)) return true;
    this.parked(hub, slot);
    return false;
  }

  complete(hub: Hub, slot: number): T | undefined {
    const result = this.#result;
    result.$left(hub);
    return this.timedOut(hub, slot) && !result.ready() ? this.ranOut(hub) : result.value;
  }

  protected override late(): T | undefined {
    return undefined;
  }

  override abandon(hub: Hub): void {
    this.#result.$left(hub);
  }
}
