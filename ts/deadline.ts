// Entry `gevent-wasm/deadline`: a Timeout by absolute time that everything called in its scope inherits.
//
// A scope belongs to one greenlet. Its timer raises the Deadline where the greenlet waits, and again whenever it still waits
// when timers are due next, until the scope is left: a `catch` that goes on cannot outlive it. Of nested scopes only those
// have a timer that come before all around them. A shielded section that began later holds it back, as it does any Timeout.

import { wrongType } from './core/arguments.ts';
import { type Seconds, toMs } from './core/clock.ts';
import { Kind, NIL, Priority } from './core/contract.ts';
import { Framed, makeOn } from './framed.ts';
import { type GeneratorBody, Greenlet, type OtherBody } from './gevent-greenlet.ts';
import { deliver } from './hub/drive.ts';
import type { Hub } from './hub/hub.ts';
import type { Operation } from './hub/operation.ts';
import { Fired, type Fires, type Park } from './hub/protocol.ts';
import { type RawGreenlet, waitingGreenlet } from './hub/raw.ts';
import { type Bounds, moment, takeBack } from './hub/shielding.ts';
import { hubHere } from './limit.ts';
import { Timeout, type TimeoutException } from './timeout.ts';
import { settle } from './unwind.ts';

/**
 * A point in time by which all that is done in its scope must have ended. `withDeadline` opens a scope around a function, `using
 * deadline = Deadline.startNew(2)` one around a block. It is what is raised, so compare with `===`; it is a Timeout to those
 * who catch these. As a `timeout` of a wait it means the time that is left.
 */
export class Deadline extends Timeout {
  static override readonly name: string = 'Deadline';
  /** Milliseconds on the hub's clock. */
  readonly #atMs: number;
  readonly #clock: Hub['clock'];

  /**
   * @param seconds - from now; 0 or less: as soon as anything waits; null: never
   * @param exception - raised instead of the Deadline itself, as with Timeout
   */
  constructor(seconds: Seconds | null = null, exception: TimeoutException = null) {
    super(seconds, exception);
    const hub = hubHere();
    this.#clock = hub.clock;
    this.#atMs = this.seconds === null ? Infinity : hub.now() + this.seconds * 1000;
  }

  /** The Deadline at `when`, seconds on the clock of `getHub().loop.now()`. */
  static at(when: Seconds, exception: TimeoutException = null): Deadline {
    return new Deadline((toMs(when, 'Deadline.at(when)') - hubHere().now()) / 1000, exception);
  }

  /** Make one and open its scope in the current greenlet. One that is given is entered, and given back itself. */
  static override startNew(seconds: Seconds | Timeout | null = null, exception: TimeoutException = null): Deadline {
    if (seconds instanceof Timeout && !(seconds instanceof Deadline)) {
      throw wrongType('Deadline.startNew(seconds)', 'seconds or a Deadline', seconds);
    }
    const deadline = seconds instanceof Deadline ? seconds : new Deadline(seconds, exception);
    deadline.start();
    return deadline;
  }

  /** When it is: seconds on the clock of `getHub().loop.now()`; Infinity: never. */
  get when(): number {
    return this.#atMs / 1000;
  }

  /** Seconds left, 0 when it is over. */
  get remaining(): number {
    return Math.max(0, this.#atMs - this.#clock.now()) / 1000;
  }

  /** True once its time has come. */
  get expired(): boolean {
    return this.#clock.now() >= this.#atMs;
  }

  /** True while the current greenlet is in a scope of it whose time has not come. */
  override get pending(): boolean {
    if (super.pending) return true;
    if (this.expired) return false;
    for (let scope = scopeOf(waitingGreenlet()); scope !== null; scope = scope.outer)
      if (scope.deadline === this) return true;
    return false;
  }

  /** @internal */
  get $atMs(): number {
    return this.#atMs;
  }

  /** @internal */
  protected override $ms(): number {
    return this.#atMs - this.#clock.now();
  }

  /** @internal */
  override $limitMs(): number | null {
    return this.#atMs === Infinity ? null : Math.max(0, this.$ms());
  }

  /** Open a scope in the current greenlet. In main it acts once, as a Timeout does. */
  override start(): void {
    const greenlet = waitingGreenlet();
    if (greenlet === greenlet.$hub.main) super.start();
    else new Scope(greenlet, this);
  }

  /** Leave the innermost scope of it that the current greenlet is in. */
  override cancel(): void {
    super.cancel();
    for (let scope = scopeOf(waitingGreenlet()); scope !== null; scope = scope.outer) {
      if (scope.deadline === this) return scope.$leave();
    }
  }

  /** The same. A Deadline may be entered again. */
  override close(): void {
    this.cancel();
  }

  /** `spawn`, of a greenlet that is bound by this Deadline from start to end. */
  spawn<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
  spawn<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Greenlet<Awaited<R>>;
  spawn(fn: (...args: any[]) => unknown, ...args: unknown[]): Greenlet<any> {
    if (typeof fn !== 'function') throw wrongType('Deadline.spawn(fn)', 'a function', fn);
    const child = new Greenlet<any>(fn, ...args);
    new Scope(child, this);
    child.start();
    return child;
  }
}

function scopeOf(greenlet: RawGreenlet): Scope | null {
  return (greenlet.$more === null ? null : greenlet.$more.deadline) as Scope | null;
}

/** One greenlet under one Deadline. */
class Scope implements Fires<Hub>, Bounds {
  readonly greenlet: RawGreenlet;
  readonly deadline: Deadline;
  outer: Scope | null;
  /** What bounds the greenlet here: this, or an outer one that comes no later. */
  bound: Scope;
  readonly #moment = moment();
  #slot = NIL;
  #over = false;

  constructor(greenlet: RawGreenlet, deadline: Deadline) {
    this.greenlet = greenlet;
    this.deadline = deadline;
    this.outer = scopeOf(greenlet);
    this.bound = this.#tighter();
    if (this.bound === this && deadline.$atMs !== Infinity) {
      const hub = greenlet.$hub;
      this.#slot = hub.take(Kind.TIMER, this);
      this.#arm(hub);
    }
    greenlet.$extras().deadline = this;
  }

  #tighter(): Scope {
    const { outer } = this;
    return outer !== null && outer.bound.deadline.$atMs <= this.deadline.$atMs ? outer.bound : this;
  }

  #arm(hub: Hub): void {
    // By the absolute time, whatever the hub's last reading of the clock was.
    hub.handOver();
    hub.core.arm(this.#slot, this.deadline.$atMs, Priority.LATE);
    hub.kick();
  }

  /** Nothing of it arrives any more. */
  $leave(): void {
    const more = this.greenlet.$extras();
    if (more.deadline === this) more.deadline = this.outer;
    else {
      // Left out of turn: those inside it are bounded by what is around it.
      const inside: Scope[] = [];
      for (let scope = more.deadline as Scope | null; scope !== null && scope !== this; scope = scope.outer)
        inside.push(scope);
      (inside.at(-1) as Scope).outer = this.outer;
      for (const scope of inside.reverse()) scope.#rebound();
    }
    this.#release();
  }

  /** One around it is gone: it may have to keep its time itself now. */
  #rebound(): void {
    this.bound = this.#tighter();
    if (this.bound !== this || this.#slot !== NIL || this.deadline.$atMs === Infinity) return;
    const hub = this.greenlet.$hub;
    this.#slot = hub.take(Kind.TIMER, this);
    this.#arm(hub);
  }

  #release(): void {
    const { greenlet } = this;
    if (this.#over) takeBack(greenlet, this.#raised);
    const slot = this.#slot;
    if (slot === NIL) return;
    this.#slot = NIL;
    const hub = greenlet.$hub;
    hub.withdraw(slot);
    hub.release(slot);
  }

  #raised: unknown = undefined;

  /** @internal Whom it will wake: for dumps. */
  get $interrupts(): RawGreenlet {
    return this.greenlet;
  }

  /** @internal The greenlet has ended. */
  $end(): void {
    this.greenlet.$extras().deadline = null;
    for (let scope: Scope | null = this; scope !== null; scope = scope.outer) scope.#release();
  }

  /** @internal */
  $inherit(child: RawGreenlet): void {
    new Scope(child, this.bound.deadline);
  }

  /** @internal */
  $over(): { error: unknown } | null {
    const shield = this.greenlet.$more?.shield ?? null;
    for (let scope: Scope | null = this; scope !== null; scope = scope.outer) {
      if (scope.#over && (shield === null || shield.innermost <= scope.#moment)) return { error: scope.#raised };
    }
    return null;
  }

  /** @internal */
  $again(): void {
    const { greenlet } = this;
    const hub = greenlet.$hub;
    if (!this.#over || this.#slot === NIL || hub.asyncBodies.has(greenlet)) return;
    const { core } = hub;
    if (core.deadline(this.#slot) === Infinity) this.#arm(hub);
  }

  /** @internal Its time has come. */
  $fire(hub: Hub): number {
    const { greenlet, deadline } = this;
    if (!this.#over) {
      this.#over = true;
      this.#raised = deadline.$raised(hub);
    }
    if (this.#raised === undefined) return Fired.DONE;
    const shield = greenlet.$more?.shield ?? null;
    const held = shield !== null && shield.innermost > this.#moment;
    if (held && shield.held.some(({ error }) => error === this.#raised)) return Fired.DONE;
    deliver(hub, greenlet, this.#raised, this.#moment);
    // An async body hears of it again when it waits again, one in a section when that is over.
    if (!held && this.#slot !== NIL) this.$again();
    return Fired.DONE;
  }
}

/** The Deadline that bounds the current greenlet: the earliest of those it is in, or null. */
export function currentDeadline(): Deadline | null {
  return scopeOf(waitingGreenlet())?.bound.deadline ?? null;
}

function deadlineOf(limit: Seconds | Deadline | null): Deadline {
  return limit instanceof Deadline ? limit : new Deadline(limit);
}

class Bounded<T> extends Framed<T> {
  readonly #limit: Seconds | Deadline | null;
  /** Counted from when it is consumed. */
  #deadline: Deadline | null = null;
  readonly #fn: (...args: any[]) => any;
  readonly #args: unknown[];
  readonly #fallback: { value: any } | null;

  constructor(
    limit: Seconds | Deadline | null,
    fn: (...args: any[]) => any,
    args: unknown[],
    fallback: { value: any } | null,
  ) {
    super(`withDeadline of ${fn.name || 'anonymous'}`, () => bounded(deadlineOf(limit), fn, args, fallback));
    this.#limit = limit;
    this.#fn = fn;
    this.#args = args;
    this.#fallback = fallback;
  }

  protected override child(hub: Hub): Greenlet<T> {
    const child = makeOn<T>(hub, this.#fn, this.#args);
    this.#deadline = deadlineOf(this.#limit);
    scopeOf(waitingGreenlet())?.$inherit(child);
    new Scope(child, this.#deadline);
    child.start();
    return child;
  }

  override complete(hub: Hub, slot: number): T {
    try {
      return super.complete(hub, slot);
    } catch (error) {
      if (error === this.#deadline && this.#fallback !== null) return this.#fallback.value;
      throw error;
    }
  }
}

function* bounded(
  deadline: Deadline,
  fn: (...args: any[]) => unknown,
  args: unknown[],
  fallback: { value: unknown } | null,
): Generator<Park, any, any> {
  const scope = new Scope(waitingGreenlet(), deadline);
  try {
    return yield* settle(fn(...args));
  } catch (error) {
    if (error === deadline && fallback !== null) return fallback.value;
    throw error;
  } finally {
    scope.$leave();
  }
}

/**
 * Run `fn(...args)` such that every wait in it, however deep, ends by the deadline. Nested calls inherit it: one that asks for more time
 * does not get it, one that asks for less does. Switch point if `fn` switches.
 *
 *     const page = yield* withDeadline(2, fetchPage, url);
 *     const page = yield* withDeadline({ seconds: 2, timeoutValue: null }, fetchPage, url);
 *
 * Unlike a Timeout it does not come once: a wait that begins when it is over, and is not over by the next timers, raises it again, also
 * in `finally`; `shield` what must be done all the same. Greenlets spawned inside are not bound, unless by a TaskGroup or by
 * `currentDeadline().spawn()`.
 *
 * In a generator body `fn` runs in the current greenlet; with `await` in one of its own, which ends with the wait.
 * @param seconds - from now, or a Deadline; null: no bound but the one around
 * @throws Deadline, which is a Timeout, unless it is this one and a `timeoutValue` is given
 */
export function withDeadline<A extends unknown[], R>(
  seconds: Seconds | Deadline | null,
  fn: GeneratorBody<A, R>,
  ...args: A
): Operation<R>;
export function withDeadline<A extends unknown[], R>(
  seconds: Seconds | Deadline | null,
  fn: OtherBody<A, R>,
  ...args: A
): Operation<Awaited<R>>;
export function withDeadline<A extends unknown[], R, V>(
  limit: { seconds: Seconds | Deadline | null; timeoutValue: V },
  fn: GeneratorBody<A, R>,
  ...args: A
): Operation<R | V>;
export function withDeadline<A extends unknown[], R, V>(
  limit: { seconds: Seconds | Deadline | null; timeoutValue: V },
  fn: OtherBody<A, R>,
  ...args: A
): Operation<Awaited<R> | V>;
export function withDeadline(
  limit: Seconds | Deadline | null | { seconds: Seconds | Deadline | null; timeoutValue?: unknown },
  fn: (...args: any[]) => unknown,
  ...args: unknown[]
): Operation<any> {
  if (typeof fn !== 'function') throw wrongType('withDeadline(seconds, fn)', 'a function', fn);
  let seconds = limit as Seconds | Deadline | null;
  let fallback: { value: unknown } | null = null;
  if (limit !== null && typeof limit === 'object' && !(limit instanceof Deadline) && 'timeoutValue' in limit) {
    seconds = limit.seconds;
    fallback = { value: limit.timeoutValue };
  }
  // Refused here, where the caller is.
  if (seconds !== null && !(seconds instanceof Deadline)) toMs(seconds, 'withDeadline(seconds)');
  return new Bounded(seconds, fn, args, fallback);
}
