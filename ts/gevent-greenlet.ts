// Greenlet: a greenlet that the hub runs. What gevent users spawn.
//
// It holds a slot of the core from start to end. Who joins it or links to it waits on a LATCH row that exists only while
// somebody does; when the body ends the latch fires, and its notifier calls the links in order, in one turn of the hub.

import { config } from './config.ts';
import { describe, type Seconds, toMs } from './core/clock.ts';
import { Kind, MAX_SLOTS, NIL, Place, Priority, RowKind } from './core/contract.ts';
import { GeventError, GreenletExit, InvalidThreadUseError } from './exceptions.ts';
import { runAs } from './hub/context.ts';
import { active, debugging, greenletOfContext, setActive, threadHub } from './hub/current.ts';
import { deliver, follow, start } from './hub/drive.ts';
import { type Hub, type RowOwner, setSpawner } from './hub/hub.ts';
import { type Operation, SingleUse, Waiter } from './hub/operation.ts';
import { type Body, Fired, type Fires, isBody, type Park } from './hub/protocol.ts';
import {
  exceptionFrom,
  getcurrent,
  RawGreenlet,
  type RawRun,
  type SliceContext,
  State,
  SwitchOperation,
} from './hub/raw.ts';
import { expired, limitMs } from './limit.ts';
import { type Limit, Timeout } from './timeout.ts';
import { isThenable, settle, unwind } from './unwind.ts';

/** A generator body: what `yield*` may block in. */
export type GeneratorBody<A extends unknown[], R> = (this: any, ...args: A) => Generator<Park, R, any>;
/** An async or plain body. Not a generator: a `yield` without star must not slip through as a plain function. */
export type OtherBody<A extends unknown[], R> = (
  this: any,
  ...args: A
) => R extends Generator<any, any, any> ? never : R;
/** What a body of any kind gives in the end. */
export type ResultOf<R> = R extends Generator<any, infer T, any> ? T : Awaited<R>;

export interface KillOptions {
  /** Default GreenletExit. */
  exception?: unknown;
  /** Wait until it has ended. Default true. */
  block?: boolean;
  /** Seconds to wait at most; then it is left to itself. Default: no limit. */
  timeout?: Limit;
}

export interface GetOptions {
  /** False: raise Timeout at once if it has not ended. Default true. */
  block?: boolean;
  /** Seconds; then Timeout is raised. Default: no limit. */
  timeout?: Limit;
}

const NO_ARGS: unknown[] = [];
/** Numbers given to greenlets that had no slot yet. */
let earlyIdents = 0;

/** It ended with an error. */
const FAILED = 1;
/** Its error is told by somebody else. */
const QUIET = 2;
/** Its error is raised in main: a signal's handler. */
const TO_MAIN = 4;

type SpawnCallback = (greenlet: Greenlet<any>) => void;
const spawnCallbacks = new Set<SpawnCallback>();

/**
 * A function running concurrently with others, switched at its blocking calls.
 *
 * The body is a generator function (blocks by `yield*`), an async function (by `await`) or a plain one. Subclasses define
 * `_run`. Made by `new Greenlet(fn, ...args)` it waits for `start()`; `Greenlet.spawn(fn, ...args)` does both.
 *
 * @see `gevent.Greenlet`, the source. Differs: keyword arguments are one options object; `args` only.
 */
export class Greenlet<T = any> extends RawGreenlet {
  /** Frames kept of the place of spawning, when they are kept at all (debug mode). */
  static spawningStackLimit = 10;

  /** @internal */ $args: unknown[];
  /** @internal Value, or error if FAILED. */ $result: unknown = undefined;
  /** @internal */ $flags = 0;
  /** @internal LATCH row, or NIL. */ $links = NIL;
  /** @internal Told of its end, if nobody but one joinall waits for it: then no row is needed. */
  $collector: SoleCollector | null = null;
  /** @internal Handle of the greenlet that made this one, or NIL for main. */ $spawner = NIL;
  /** @internal Values of the spawn tree it belongs to; null while it is main's child and has none of its own. */
  $tree: Record<string, unknown> | null = null;

  constructor(fn?: GeneratorBody<any[], T> | OtherBody<any[], T> | null, ...args: unknown[]) {
    const hub = active ?? threadHub();
    super(fn as RawRun, null, hub);
    if (fn !== undefined && fn !== null && typeof fn !== 'function') {
      throw new TypeError(`Greenlet(run): expected a function, got ${describe(fn)}`);
    }
    this.$args = args.length === 0 ? NO_ARGS : args;
    const by = active === null ? (greenletOfContext()?.$slot ?? NIL) : active.cur;
    if (by >= 0) {
      this.$spawner = hub.core.handle(by);
      const parent: unknown = hub.owners[by];
      if (parent instanceof Greenlet) this.$tree = parent.$tree ??= {};
    }
    if (debugging) this.$extras().spawnSite = spawnStack();
    if (hub.slices !== null) this.$extras().context = hub.slices.capture();
  }

  /** Make one and start it. */
  static spawn<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
  static spawn<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Greenlet<Awaited<R>>;
  static spawn(this: new (...args: any[]) => Greenlet<any>, ...args: any[]): any;
  static spawn(this: new (...args: any[]) => Greenlet<any>, ...args: any[]): any {
    const greenlet = new this(...args);
    greenlet.start();
    return greenlet;
  }

  /** Make one and start it in `seconds`. */
  static spawnLater<A extends unknown[], R>(seconds: Seconds, fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
  static spawnLater<A extends unknown[], R>(seconds: Seconds, fn: OtherBody<A, R>, ...args: A): Greenlet<Awaited<R>>;
  static spawnLater(this: new (...args: any[]) => Greenlet<any>, seconds: Seconds, ...args: any[]): any;
  static spawnLater(this: new (...args: any[]) => Greenlet<any>, seconds: Seconds, ...args: any[]): any {
    const greenlet = new this(...args);
    greenlet.startLater(seconds);
    return greenlet;
  }

  /** What subclasses run. */
  _run(..._args: any[]): unknown {
    return undefined;
  }

  // ---- starting -----------------------------------------------------------------------------------------------------

  /** Queue it to run on the next turn. A second call, or one after a kill, does nothing. */
  start(): void {
    if (this.$state !== State.FRESH) return;
    const hub = this.$hub;
    if (spawnCallbacks.size > 0) notifySpawned(this);
    const slot = hub.take(Kind.GREENLET, this);
    this.$slot = slot;
    this.$state = State.QUEUED;
    hub.core.ready(slot);
    if (active !== hub) hub.kick();
  }

  /** The same in `seconds`; 0 or less: after all that is ready now. */
  startLater(seconds: Seconds): void {
    const ms = toMs(seconds, 'startLater(seconds)');
    if (this.$state !== State.FRESH) return;
    const hub = this.$hub;
    if (spawnCallbacks.size > 0) notifySpawned(this);
    const slot = hub.take(Kind.GREENLET, this);
    this.$slot = slot;
    this.$state = State.QUEUED;
    hub.arm(slot, ms);
  }

  /** @internal Its turn has come: start the body. */
  override $fire(hub: Hub, slot: number): number {
    if (this.$state === State.DEAD) return this.#tellCollector(hub, slot);
    this.$state = State.LIVE;
    const run = this.$run ?? this._run;
    const args = this.$args;
    if (run instanceof AsyncFunction) return this.#startAsync(hub, run as RawRun, args);
    hub.cur = slot;
    let result: unknown;
    try {
      if (hub.slices === null) result = args === NO_ARGS ? run.call(this) : run.apply(this, args);
      else result = hub.slices.call(this.$more?.context ?? null, () => run.apply(this, args));
    } catch (error) {
      hub.cur = NIL;
      this.#concluded(false, error);
      return Fired.DONE;
    }
    if (result instanceof GeneratorObject || isBody(result)) {
      hub.bodies[slot] = result as Body;
      return Fired.RUN;
    }
    if (isThenable(result)) {
      hub.bodies[slot] = settle(result);
      return Fired.RUN;
    }
    hub.cur = NIL;
    this.#concluded(true, result);
    return Fired.DONE;
  }

  #startAsync(hub: Hub, run: RawRun, args: unknown[]): number {
    hub.asyncBodies.add(this);
    const begin = () => runAs(this, () => run.apply(this, args) as Promise<unknown>);
    hub.cur = this.$slot;
    const promise = hub.slices === null ? begin() : hub.slices.call(this.$more?.context ?? null, begin);
    hub.cur = NIL;
    promise.then(
      (value) => this.#asyncEnded(value, true),
      (error: unknown) => this.#asyncEnded(error, false),
    );
    return Fired.SETTLED;
  }

  #asyncEnded(outcome: unknown, ok: boolean): void {
    const hub = this.$hub;
    hub.asyncBodies.delete(this);
    this.#concluded(ok, outcome);
    hub.kick();
  }

  /** A body that is no generator ended. What it deferred runs in its slot. */
  #concluded(ok: boolean, outcome: unknown): void {
    const cleanup = this.$more === null ? null : this.$cleanup(ok, outcome);
    if (cleanup !== null) {
      this.$hub.bodies[this.$slot] = cleanup;
      this.$hub.core.ready(this.$slot);
    } else if (ok) this.$finished(outcome);
    else this.$failed(outcome);
  }

  // ---- ending -------------------------------------------------------------------------------------------------------

  /** @internal */
  override $cleanup(ok: boolean, value: unknown): Body | null {
    const more = this.$more;
    if (more === null || more.deferred === null) return null;
    const { deferred } = more;
    more.deferred = null;
    more.outcome ??= { ok, value };
    return unwind(this, deferred);
  }

  /** @internal */
  override $finished(value: unknown): unknown {
    const outcome = this.$more === null ? null : this.$more.outcome;
    if (outcome !== null) {
      // That was the cleanup; the body ended before it.
      (this.$more as { outcome: unknown }).outcome = null;
      if (!outcome.ok) {
        this.$failed(outcome.value);
        return undefined;
      }
      this.$result = outcome.value;
      this.#ended();
      this.$args = NO_ARGS;
      return outcome.value;
    }
    this.$result = value;
    this.#ended();
    this.$args = NO_ARGS;
    return value;
  }

  /** @internal */
  override $failed(error: unknown): boolean {
    if (error instanceof GreenletExit) {
      this.$result = error;
      this.#ended();
      this.$args = NO_ARGS;
      return false;
    }
    this.$flags |= FAILED;
    this.$result = error;
    const quiet = (this.$flags & QUIET) !== 0;
    this.#ended();
    if (!quiet) this.$hub.$route((this.$flags & TO_MAIN) === 0 ? this : null, error);
    // Last, so that the report has them.
    this.$args = NO_ARGS;
    return false;
  }

  #ended(): void {
    const hub = this.$hub;
    // Operations that an async body left behind, one of them perhaps in its own slot: nobody will hear of them.
    const waiters = this.$more === null ? null : this.$more.waiters;
    while (waiters !== null && waiters.first !== null) waiters.first.$drop(hub);
    this.$state = State.DEAD;
    const slot = this.$slot;
    if (this.$collector !== null) {
      // Its own slot is the notifier: see $fire.
      if (slot === NIL) this.$slot = hub.take(Kind.GREENLET, this);
      else hub.bodies[slot] = null;
      hub.core.ready(this.$slot);
      if (active !== hub) hub.kick();
    } else if (slot !== NIL) this.#giveBack(hub, slot);
    const row = this.$links;
    if (row !== NIL) {
      if (hub.core.waiting(row) > 0) {
        hub.core.latchFire(row);
        if (active !== hub) hub.kick();
      } else {
        this.$links = NIL;
        hub.core.rowFree(row);
      }
    }
    const more = this.$more;
    if (more !== null) {
      more.callers = null;
      more.pendingErrors = null;
      if (more.deadline !== null) more.deadline.$end();
      if (this.#cutShort()) this.$abort(this.$result);
      more.locals = null;
    }
    if (debugging) hub.debug.ended(this);
  }

  #giveBack(hub: Hub, slot: number): void {
    // The number stays, for its name: reports are written after the end.
    this.$slot = -2 - slot;
    hub.release(slot);
  }

  /** Dead, and the turn to say so has come. */
  #tellCollector(hub: Hub, slot: number): number {
    this.#giveBack(hub, slot);
    const collector = this.$collector;
    this.$collector = null;
    collector?.found(this);
    return Fired.DONE;
  }

  /** It ended before it was through: killed, timed out or failed. */
  #cutShort(): boolean {
    return (this.$flags & FAILED) !== 0 || this.$result instanceof GreenletExit;
  }

  // ---- state --------------------------------------------------------------------------------------------------------

  /** Started and not ended: Python's `bool(g)`. */
  override get active(): boolean {
    return this.$state !== State.FRESH && this.$state !== State.DEAD;
  }

  /** The same, under its old name. */
  get started(): boolean {
    return this.active;
  }

  /** True once it has ended, in whatever way. */
  ready(): boolean {
    return this.$state === State.DEAD;
  }

  /** True if it has ended without an error. A killed one has. */
  successful(): boolean {
    return this.$state === State.DEAD && (this.$flags & FAILED) === 0;
  }

  /** What it returned; the GreenletExit if it was killed; undefined before, and after an error. */
  get value(): T | undefined {
    return (this.$flags & FAILED) === 0 ? (this.$result as T | undefined) : undefined;
  }

  /** The error it ended with, else undefined. */
  get exception(): unknown {
    return (this.$flags & FAILED) === 0 ? undefined : this.$result;
  }

  /** `[class, error, stack]` of the error it ended with, else undefined. */
  get excInfo(): [unknown, unknown, string | undefined] | undefined {
    if ((this.$flags & FAILED) === 0) return undefined;
    const error = this.$result;
    return [(error as object)?.constructor, error, error instanceof Error ? error.stack : undefined];
  }

  /** What the body is called with; empty once it has ended. */
  get args(): readonly unknown[] {
    return this.$args;
  }

  /** The loop it runs on. */
  get loop(): Hub['loop'] {
    return this.$hub.loop;
  }

  /**
   * An integer, unique among the living greenlets of its hub, used again after its end. Small, unless it was asked for
   * before the start.
   */
  get minimalIdent(): number {
    const early = this.$more?.ident ?? null;
    if (early !== null) return early;
    const slot = this.$slot;
    if (slot !== NIL) return slot >= 0 ? slot : -2 - slot;
    // No slot will ever be that, however far the core grows.
    return (this.$extras().ident = MAX_SLOTS + ++earlyIdents);
  }

  /** `Greenlet-N` unless set. */
  get name(): string {
    return this.$more?.name ?? `${this.constructor.name}-${this.minimalIdent}`;
  }

  set name(name: string) {
    this.$extras().name = String(name);
  }

  /** The greenlet that made this one, while it is alive. */
  get spawningGreenlet(): RawGreenlet | null {
    if (!config.trackGreenletTree) return null;
    if (this.$spawner === NIL) return this.$hub.main;
    const slot = this.$hub.core.resolve(this.$spawner);
    if (slot === NIL) return null;
    const owner: unknown = this.$hub.owners[slot];
    return owner instanceof Waiter ? owner.owner : (owner as RawGreenlet);
  }

  /** Values shared down the spawn tree; each greenlet that main spawns begins a tree. */
  get spawnTreeLocals(): Record<string, unknown> | null {
    if (!config.trackGreenletTree) return null;
    this.$tree ??= {};
    return this.$tree;
  }

  /** Where it was made, as stack lines. Kept in debug mode only, since a stack costs ten spawns. */
  get spawningStack(): string | null {
    return this.$more?.spawnSite ?? null;
  }

  /** Aborts when the greenlet is killed or fails: for `fetch` and other calls of the platform. Made when first read. */
  get signal(): AbortSignal {
    const more = this.$extras();
    if (more.controller === null) {
      more.controller = new AbortController();
      if (this.#cutShort()) more.controller.abort(this.$result);
    }
    return more.controller.signal;
  }

  // ---- waiting for it -----------------------------------------------------------------------------------------------

  /**
   * Wait until it has ended. Never raises its error. Switch point, unless it has ended.
   * @param options.timeout - seconds, after which the wait just ends
   */
  join(options?: { timeout?: Limit }): Operation<void> {
    return new Join(this, options?.timeout ?? null);
  }

  /**
   * Wait for its result: gives the value, or raises the very error it ended with. A killed one gives its GreenletExit.
   * Switch point, unless it has ended.
   * @throws Timeout if `timeout` came first, or at once with `block: false`
   */
  get(options: GetOptions = {}): Operation<T> {
    return new Get<T>(this, options.block ?? true, options.timeout ?? null);
  }

  /**
   * Raise an exception in it, where it is suspended. The order is given at once; the operation waits until it has ended.
   * One that never ran ends at once; one that has ended is left alone; itself: raised when the operation is consumed.
   */
  kill(options: KillOptions = {}): Operation<void> {
    const { exception = GreenletExit, block = true, timeout = null } = options;
    limitMs(timeout, 'kill(timeout)');
    if (this.$state === State.DEAD) return new Kill(this, block, timeout, null, null);
    const error = killer(exception);
    return new Kill(this, block, timeout, this.$shoot(error), error);
  }

  /** @internal Order the death of one that is not dead. Null: it was carried out at once. */
  $shoot(error: unknown): KillOrder | null {
    if (this.$state !== State.FRESH && this.$state !== State.QUEUED) return new KillOrder(this, error);
    this.$cancel(error);
    return null;
  }

  /** @internal Somebody else tells of its error. */
  set $quiet(on: boolean) {
    this.$flags = on ? this.$flags | QUIET : this.$flags & ~QUIET;
  }

  /** @internal Its error is raised in main. */
  set $routeToMain(on: boolean) {
    this.$flags = on ? this.$flags | TO_MAIN : this.$flags & ~TO_MAIN;
  }

  /**
   * Raise an exception in it at once, where it is suspended: for callbacks of the hub; who calls it in a greenlet has given
   * control away for good. One that never ran ends at once, and one that has ended is left alone; neither is a switch.
   */
  override throw(error: unknown = GreenletExit, ...args: unknown[]): SwitchOperation {
    if (this.active && this.$state !== State.QUEUED) return super.throw(error, ...args);
    const raised = exceptionFrom(error, args);
    if (this.$state !== State.DEAD) this.$cancel(raised);
    return new NoSwitch(this);
  }

  /** @internal It has not run yet: it never will. */
  $cancel(error: unknown): void {
    this.#unqueue();
    this.$failed(error);
  }

  /** Take back a start that is on its way. */
  #unqueue(): void {
    const { core } = this.$hub;
    if (this.$state !== State.QUEUED) return;
    core.disarm(this.$slot);
    if (core.place(this.$slot) === Place.READY) core.unready(this.$slot);
  }

  // ---- links --------------------------------------------------------------------------------------------------------

  /** Have `callback(this)` called in the hub when it has ended. It must not block. */
  rawlink(callback: (greenlet: this) => void): void {
    this.#addLink(callback, Link);
  }

  /** Have `callback(this)` run in a greenlet of its own when it has ended. */
  link(callback: (greenlet: this) => unknown): void {
    this.#addLink(callback, SpawnedLink);
  }

  /** The same, only if it succeeded. */
  linkValue(callback: (greenlet: this) => unknown): void {
    this.#addLink(callback, ValueLink);
  }

  /** The same, only if it failed. */
  linkException(callback: (greenlet: this) => unknown): void {
    this.#addLink(callback, ExceptionLink);
  }

  #addLink(callback: unknown, type: new (greenlet: Greenlet, callback: any) => Link): void {
    if (typeof callback !== 'function') throw new TypeError(`link: expected a function, got ${describe(callback)}`);
    const link = new type(this, callback);
    link.context = this.$hub.slices?.capture() ?? null;
    const more = this.$extras();
    more.links ??= new Set();
    // In this order: without room for it, it is not there.
    link.attach();
    more.links.add(link);
  }

  /** Take a link off again; an unknown one is ignored. */
  unlink(callback: unknown): void {
    for (const link of (this.$more?.links ?? []) as Set<Link>) {
      if (link.callback === callback) return link.detach();
    }
  }

  /** Take all links off. */
  unlinkAll(): void {
    for (const link of (this.$more?.links ?? []) as Set<Link>) link.detach();
  }

  /** How many links there are, waiting joiners included. */
  hasLinks(): number {
    if (this.$collector !== null) return 1;
    return this.$links === NIL ? 0 : this.$hub.core.waiting(this.$links);
  }

  /** @internal The row to wait on for its end. */
  $latch(): number {
    if (this.$links === NIL) {
      this.$links = this.$hub.row(RowKind.LATCH, 0, this as unknown as RowOwner);
      if (this.$state === State.DEAD) this.$hub.core.latchFire(this.$links);
      else if (this.$collector !== null) {
        // The first in the row is who was here before it.
        const collector = this.$collector;
        this.$collector = null;
        const link = new CollectLink(this, collector);
        link.attach();
        collector.linked(link);
      }
    }
    return this.$links;
  }

  /** @internal One who waited has left: the row goes with the last. */
  $unlatch(): void {
    const row = this.$links;
    if (row === NIL || this.$state === State.DEAD || this.$hub.core.waiting(row) > 0) return;
    this.$links = NIL;
    this.$hub.core.rowFree(row);
  }

  /** @internal All links have been told. */
  $rowDone(hub: Hub, row: number): void {
    if (this.$links !== row) return;
    this.$links = NIL;
    hub.core.rowFree(row);
  }

  /** @internal As the dump names those who wait on it. */
  describe(): string {
    return `join of ${this}`;
  }

  /** @internal Who waits for its end waits for itself to act. */
  $blockers(): RawGreenlet[] {
    return [this];
  }

  /** Called with each greenlet that is started, before it is queued. */
  static addSpawnCallback(callback: SpawnCallback): void {
    if (typeof callback !== 'function')
      throw new TypeError(`addSpawnCallback: expected a function, got ${describe(callback)}`);
    spawnCallbacks.add(callback);
  }

  static removeSpawnCallback(callback: SpawnCallback): void {
    spawnCallbacks.delete(callback);
  }

  // ---- the rest -----------------------------------------------------------------------------------------------------

  /** Ends a `using` block: kills it without waiting. */
  [Symbol.dispose](): void {
    this.kill({ block: false });
  }

  /** Ends an `await using` block: waits for its end, then makes sure of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.join();
    await this.kill();
  }

  /** @internal */
  override get $isRaw(): boolean {
    return false;
  }

  /** @internal */
  override $function(): RawRun {
    // Somebody switches to it before its turn.
    this.#unqueue();
    return (this.$run ?? this._run) as RawRun;
  }

  /** @internal */
  override $arguments(): unknown[] {
    return this.$args;
  }

  /** @internal */
  override $end(): void {
    this.$finished(undefined);
  }

  /** @internal */
  override get $label(): string {
    const fn = this.$run ?? this._run;
    const args = this.$args.map((arg) => describe(arg).slice(0, 50)).join(', ');
    return `${this.constructor.name} ${JSON.stringify(this.name)}: ${fn.name || 'anonymous'}(${args})`;
  }

  override toString(): string {
    return `<${this.$label}>`;
  }
}

const GeneratorObject = function GeneratorObject() {} as unknown as abstract new () => object;
GeneratorObject.prototype = Object.getPrototypeOf(Object.getPrototypeOf((function* () {})()));
const AsyncFunction = (async () => {}).constructor as new () => object;

setSpawner((hub, fn, args) => {
  // Made as if the hub were running, so that it is the one it belongs to.
  const before = hub.activate();
  let greenlet: Greenlet;
  try {
    greenlet = new Greenlet(fn as OtherBody<any[], any>, ...args);
  } finally {
    setActive(before);
  }
  greenlet.start();
  return greenlet;
});

function notifySpawned(greenlet: Greenlet): void {
  for (const callback of [...spawnCallbacks]) callback(greenlet);
}

function spawnStack(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = Greenlet.spawningStackLimit + 3;
  const lines = (new Error().stack ?? '').split('\n').slice(4);
  Error.stackTraceLimit = limit;
  return lines.join('\n');
}

/** @internal What a kill raises. Python wraps what is no exception; so do we, naming it. */
export function killer(exception: unknown): unknown {
  if (exception instanceof Error) return exception;
  if (typeof exception === 'function') return exceptionFrom(exception);
  return new GeventError('GEVENT_KILLED_WITH', `killed with ${describe(exception)}, which is no exception`, {
    cause: exception,
  });
}

// ---- operations -----------------------------------------------------------------------------------------------------

/** Parks on the greenlet's latch until it has ended or the limit came. */
abstract class AwaitEnd<G, T> extends SingleUse<T> {
  readonly greenlet: Greenlet<G>;
  protected readonly limit: Limit;

  constructor(greenlet: Greenlet<G>, limit: Limit) {
    super();
    this.greenlet = greenlet;
    this.limit = limit;
    if (limit !== null) limitMs(limit, 'timeout');
  }

  begin(hub: Hub, slot: number): boolean {
    const { greenlet, limit } = this;
    if (greenlet.$state === State.DEAD) return true;
    this.use();
    if (getcurrent() === greenlet) throw new GeventError('GEVENT_JOIN_SELF', `${greenlet} cannot wait for itself`);
    if (greenlet.$hub !== hub) {
      throw new InvalidThreadUseError(`${greenlet} belongs to ${greenlet.$hub} and cannot be waited for on ${hub}`);
    }
    hub.core.park(slot, greenlet.$latch());
    const ms = limit === null ? null : limitMs(limit, 'timeout');
    if (ms !== null) hub.arm(slot, ms, Priority.LATE);
    return false;
  }

  abstract override complete(hub: Hub, slot: number): T;

  override abandon(): void {
    this.greenlet.$unlatch();
  }
}

class Join extends AwaitEnd<any, void> {
  describe(): string {
    return `join of ${this.greenlet}`;
  }

  complete(): void {
    this.greenlet.$unlatch();
  }
}

class Get<T> extends AwaitEnd<T, T> {
  readonly #block: boolean;

  constructor(greenlet: Greenlet<T>, block: boolean, limit: Limit) {
    super(greenlet, limit);
    this.#block = block;
  }

  describe(): string {
    return `get of ${this.greenlet}`;
  }

  override begin(hub: Hub, slot: number): boolean {
    if (!this.#block && this.greenlet.$state !== State.DEAD) throw new Timeout();
    return super.begin(hub, slot);
  }

  complete(hub: Hub): T {
    const { greenlet, limit } = this;
    if (greenlet.$state !== State.DEAD) {
      greenlet.$unlatch();
      throw expired(hub, limit);
    }
    if ((greenlet.$flags & FAILED) !== 0) throw greenlet.$result;
    return greenlet.$result as T;
  }
}

/** A throw at a greenlet that is not there to be switched to. */
class NoSwitch extends SwitchOperation {
  constructor(greenlet: Greenlet<any>) {
    super(greenlet, 0, undefined, null);
    this.result = { value: undefined };
    if (debugging) greenlet.$hub.debug.consumed(this);
  }

  override next(): IteratorResult<Park, undefined> {
    return { done: true, value: undefined };
  }
}

/** An exception on its way into a greenlet: a callback of the hub, without the generality. */
class KillOrder implements Fires<Hub> {
  readonly #greenlet: Greenlet<any>;
  readonly #error: unknown;
  #slot: number;

  constructor(greenlet: Greenlet<any>, error: unknown) {
    const hub = greenlet.$hub;
    this.#greenlet = greenlet;
    this.#error = error;
    this.#slot = hub.take(Kind.CALLBACK, this);
    hub.core.ready(this.#slot);
    hub.kick();
  }

  stop(): void {
    const slot = this.#slot;
    if (slot === NIL) return;
    this.#slot = NIL;
    const hub = this.#greenlet.$hub;
    hub.core.unready(slot);
    hub.release(slot);
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    this.#slot = NIL;
    hub.release(slot);
    try {
      deliver(hub, this.#greenlet, this.#error);
    } catch (error) {
      hub.$route(this.#greenlet, error);
    }
    return Fired.DONE;
  }
}

/** Waits for a greenlet whose death is ordered. */
class Kill extends Join {
  readonly #block: boolean;
  readonly #order: KillOrder | null;
  readonly #error: unknown;

  constructor(greenlet: Greenlet<any>, block: boolean, limit: Limit, order: KillOrder | null, error: unknown) {
    super(greenlet, limit);
    this.#block = block;
    this.#order = order;
    this.#error = error;
    // The order stands, whether or not anybody waits for the end.
    if (debugging) this.greenlet.$hub.debug.consumed(this);
  }

  override describe(): string {
    return `kill of ${this.greenlet}`;
  }

  override begin(hub: Hub, slot: number): boolean {
    const { greenlet } = this;
    if (greenlet.$state === State.DEAD || !this.#block) return true;
    if (getcurrent() === greenlet) {
      // Killing oneself: now, not by the order.
      this.#order?.stop();
      throw this.#error;
    }
    return super.begin(hub, slot);
  }
}

// ---- links ----------------------------------------------------------------------------------------------------------

/** A function in the list of those who wait for a greenlet. */
export class Link implements Fires<Hub> {
  readonly callback: (greenlet: any) => unknown;
  protected readonly greenlet: Greenlet<any>;
  /** @internal The async context of where it was linked. */ context: SliceContext | null = null;
  #slot = NIL;

  constructor(greenlet: Greenlet<any>, callback: (greenlet: any) => unknown) {
    this.greenlet = greenlet;
    this.callback = callback;
  }

  attach(): void {
    const { greenlet } = this;
    const hub = greenlet.$hub;
    const row = greenlet.$latch();
    try {
      this.#slot = hub.take(Kind.LINK, this);
    } catch (error) {
      greenlet.$unlatch();
      throw error;
    }
    hub.core.park(this.#slot, row);
    if (greenlet.$state === State.DEAD) hub.kick();
  }

  detach(): void {
    const slot = this.#slot;
    if (slot === NIL) return;
    this.#slot = NIL;
    const hub = this.greenlet.$hub;
    hub.core.leave(slot);
    hub.release(slot);
    this.greenlet.$more?.links?.delete(this);
    this.greenlet.$unlatch();
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    this.#slot = NIL;
    hub.release(slot);
    this.greenlet.$more?.links?.delete(this);
    if (hub.slices === null) this.call(hub);
    else hub.slices.call(this.context, () => this.call(hub));
    return Fired.DONE;
  }

  protected call(hub: Hub): void {
    hub.callback([this.callback, this.greenlet], this.callback, [this.greenlet]);
  }
}

/** Who collects greenlets as they end: joinall and wait. */
export interface Collector {
  /** It has ended, and this is the turn of those who wait for that. */
  found(greenlet: Greenlet<any>): void;
}

/** One that is told by the greenlet itself, without a link, while it is the only one who waits. */
export interface SoleCollector extends Collector {
  /** It is not the only one any more: this link takes its place. */
  linked(link: Link): void;
}

const nothing = () => {};

/** Tells a collector. One small object a greenlet, in no list but the core's. */
export class CollectLink extends Link {
  readonly #collector: Collector;

  constructor(greenlet: Greenlet<any>, collector: Collector) {
    super(greenlet, nothing);
    this.#collector = collector;
  }

  protected override call(): void {
    this.#collector.found(this.greenlet);
  }
}

/** Runs its function in a raw greenlet of its own, switched to at its place in the order. */
class SpawnedLink extends Link {
  protected override call(hub: Hub): void {
    if (this.callback instanceof AsyncFunction) {
      Greenlet.spawn(this.callback as (g: unknown) => Promise<unknown>, this.greenlet);
      return;
    }
    const raw = new LinkRunner(this.callback, this.greenlet);
    if (this.context !== null) raw.$extras().context = this.context;
    const next = start(hub, raw, [this.greenlet]);
    follow(hub, next, hub.takeThrown());
    hub.cur = NIL;
    hub.aside = hub;
  }
}

/** The raw greenlet of a link. Its failure is reported as the link's. */
class LinkRunner extends RawGreenlet {
  readonly #callback: unknown;
  readonly #greenlet: Greenlet<any>;

  constructor(callback: RawRun, greenlet: Greenlet<any>) {
    super(callback, greenlet.$hub, greenlet.$hub);
    this.#callback = callback;
    this.#greenlet = greenlet;
  }

  override $failed(error: unknown): boolean {
    this.$end();
    this.$hub.$route([this.#callback, this.#greenlet], error);
    return false;
  }
}

class ValueLink extends SpawnedLink {
  protected override call(hub: Hub): void {
    if (this.greenlet.successful()) super.call(hub);
  }
}

class ExceptionLink extends SpawnedLink {
  protected override call(hub: Hub): void {
    if (!this.greenlet.successful()) super.call(hub);
  }
}
