// Greenlet: a greenlet that the hub runs. What gevent users spawn.
//
// It holds a slot of the core from start to end. Who joins it or links to it waits on a LATCH row that exists only while
// somebody does; when the body ends the latch fires, and its notifier calls the links in order, in one turn of the hub.

import { config } from './config.ts';
import {
  BLOCK_TIMEOUT,
  describe,
  KILL_OPTIONS,
  needFunction,
  needOptions,
  TIMEOUT,
  wrongType,
} from './core/arguments.ts';
import { type Seconds, toMs } from './core/clock.ts';
import { Kind, MAX_SLOTS, NIL, Place, RowKind } from './core/contract.ts';
import { GeventError, GreenletExit } from './exceptions.ts';
import { Get, Join, Kill, KillOrder, NoSwitch } from './greenlet-end.ts';
import { CollectLink, ExceptionLink, Link, type SoleCollector, SpawnedLink, ValueLink } from './greenlet-links.ts';
import { type Origin, originHere, remember, treeOf } from './greenlet-origin.ts';
import { concluded, startAsync, startOther, startWithCare } from './greenlet-start.ts';
import { active, debugging, madeByMain, setActive, threadHub } from './hub/current.ts';
import type { Hub } from './hub/hub.ts';
import { setSpawner } from './hub/layers-above.ts';
import { type Operation, Waiter } from './hub/operation.ts';
import type { RowOwner } from './hub/owners.ts';
import { type Body, Fired, PARK, type Park, RESUME, resumeBody } from './hub/protocol.ts';
import { exceptionFrom, RawGreenlet, type RawRun, State, type SwitchOperation } from './hub/raw.ts';
import { limitMs } from './limit.ts';
import type { Limit } from './timeout.ts';
import { isAsync, unwind } from './unwind.ts';
// Whoever is loaded first brings the hub along.
import './hub.ts';

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

/** @internal */
export const NO_ARGS: unknown[] = [];
/** No async function: it has been looked at. */
let latestBody: unknown = null;
// Constants of this file: an import is a load at each use.
const GO_ON = RESUME;
const PARKED = PARK;
const go = resumeBody;
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

/** @internal Nobody wants to hear of greenlets that are started. */
export function startsUnheard(): boolean {
  return spawnCallbacks.size === 0;
}

/**
 * A function running concurrently with others, switched at its blocking calls.
 *
 * The body is a generator function (blocks by `yield*`), an async function (by `await`) or a plain one. Subclasses define
 * `_run`. Made by `new Greenlet(fn, ...args)` it waits for `start()`; `Greenlet.spawn(fn, ...args)` does both.
 *
 * @see `gevent.Greenlet`, the source. Differs: keyword arguments are one options object; `args` only.
 */
export class Greenlet<T = any> extends RawGreenlet {
  // Not a field, with which a spawn takes 138 ns instead of 115 (V8 14.6).
  static override get name(): string {
    return 'Greenlet';
  }

  /** Frames kept of the place of spawning, when they are kept at all (debug mode). */
  static spawningStackLimit = 10;

  /** @internal */ $args: unknown[];
  /** @internal Value, or error if FAILED. */ $result: unknown = undefined;
  /** @internal */ $flags = 0;
  /** @internal LATCH row, or NIL. */ $links = NIL;
  /** @internal Told of its end, if nobody but one joinall waits for it: then no row is needed. */
  $collector: SoleCollector | null = null;
  /** @internal null: main made it, and nobody has asked for its spawn tree. */ $origin: Origin | null = null;

  constructor(fn?: GeneratorBody<any[], T> | OtherBody<any[], T> | null, ...args: unknown[]) {
    const hub = active ?? threadHub();
    super(fn as RawRun, null, hub);
    if (fn !== undefined && fn !== null && typeof fn !== 'function') {
      throw wrongType('Greenlet(run)', 'a function', fn);
    }
    this.$args = args.length === 0 ? NO_ARGS : args;
    if (!madeByMain()) this.$origin = originHere(hub);
    if (debugging || hub.slices !== null) remember(this);
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
    this.$slot = hub.takeReady(this.$kind, this);
    this.$state = State.QUEUED;
    if (active !== hub) hub.kick();
  }

  /** The same in `seconds`; 0 or less: after all that is ready now. */
  startLater(seconds: Seconds): void {
    const ms = toMs(seconds, 'startLater(seconds)');
    if (this.$state !== State.FRESH) return;
    const hub = this.$hub;
    if (spawnCallbacks.size > 0) notifySpawned(this);
    const slot = hub.take(this.$kind, this);
    this.$slot = slot;
    this.$state = State.QUEUED;
    hub.arm(slot, ms);
  }

  /** @internal What its slot counts as. */
  get $kind(): Kind {
    return Kind.GREENLET;
  }

  /** @internal Its turn has come: start the body. */
  override $fire(hub: Hub, slot: number): number {
    if (this.$state === State.DEAD) return this.$tellCollector(hub, slot);
    this.$state = State.LIVE;
    const run = this.$run ?? this._run;
    if (run !== latestBody) {
      if (isAsync(run)) return startAsync(hub, this, run as RawRun);
      latestBody = run;
    }
    hub.cur = slot;
    if (hub.slices !== null || hub.tracer !== null) return startWithCare(hub, this, run as RawRun);
    const args = this.$args;
    let body: unknown = null;
    let result: IteratorResult<Park, unknown>;
    try {
      const made = args === NO_ARGS ? run.call(this) : run.apply(this, args);
      if (!(made instanceof GeneratorObject)) return startOther(hub, this, made);
      // Its first slice, at once. Only one that goes on after it is stored.
      body = made;
      result = go.call(made as Body, GO_ON);
    } catch (error) {
      if (body === null) return concluded(hub, this, false, error);
      hub.bodies[slot] = body as Body;
      hub.$threw(slot, error);
      return Fired.DONE;
    }
    // A tracer may have been set in it.
    const plain = hub.tracer === null && this.$parent === null;
    if (plain && result.done === true && this.$more === null && hub.parking === null) this.$finished(result.value);
    else {
      hub.bodies[slot] = body as Body;
      if (plain && result === PARKED) hub.parking = null;
      else hub.$after(slot, result as IteratorResult<never, unknown>);
    }
    return Fired.DONE;
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
      this.$ended();
      this.$args = NO_ARGS;
      return outcome.value;
    }
    this.$result = value;
    this.$ended();
    this.$args = NO_ARGS;
    return value;
  }

  /** @internal */
  override $failed(error: unknown): boolean {
    if (error instanceof GreenletExit) {
      this.$result = error;
      this.$ended();
      this.$args = NO_ARGS;
      return false;
    }
    this.$flags |= FAILED;
    this.$result = error;
    const quiet = (this.$flags & QUIET) !== 0;
    this.$ended();
    if (!quiet) this.$hub.$route((this.$flags & TO_MAIN) === 0 ? this : null, error);
    // Last, so that the report has them.
    this.$args = NO_ARGS;
    return false;
  }

  /** @internal */
  $ended(): void {
    const hub = this.$hub;
    const more = this.$more;
    this.$state = State.DEAD;
    const slot = this.$slot;
    const collector = this.$collector;
    if (collector?.ended(this)) {
      // Its own slot is the notifier: see $fire.
      if (slot === NIL) this.$slot = hub.take(this.$kind, this);
      else hub.bodies[slot] = null;
      hub.core.ready(this.$slot);
      if (active !== hub) hub.kick();
    } else {
      if (collector !== null) this.$collector = null;
      // Unless the collector has kept it.
      if (slot !== NIL && this.$slot === slot) this.$giveBack(hub, slot);
    }
    if (this.$links !== NIL) this.$fireLinks(hub);
    if (more !== null) {
      more.callers = null;
      more.pendingErrors = null;
      // Begun while its clean-up ran.
      if (more.waiters !== null) while (more.waiters.first !== null) more.waiters.first.$drop(hub);
      if (more.deadline !== null) more.deadline.$end();
      if (this.$cutShort()) this.$abort(this.$result);
      more.locals?.$end();
      more.locals = null;
    }
    if (debugging) hub.debug.ended(this);
  }

  /** @internal */
  $fireLinks(hub: Hub): void {
    const row = this.$links;
    if (hub.core.waiting(row) > 0) {
      hub.core.latchFire(row);
      if (active !== hub) hub.kick();
    } else {
      this.$links = NIL;
      hub.core.rowFree(row);
    }
  }

  /** @internal */
  $giveBack(hub: Hub, slot: number): void {
    // The number stays, for its name: reports are written after the end.
    this.$slot = -2 - slot;
    hub.release(slot);
  }

  /** @internal Dead, and the turn to say so has come. */
  $tellCollector(hub: Hub, slot: number): number {
    const collector = this.$collector;
    this.$collector = null;
    const row = this.$links;
    if (row === NIL) {
      if (collector?.found(this)) {
        // Whom that wakes may link to this one again, and is told in this same turn.
        hub.behindFront(slot);
        return Fired.DONE;
      }
      this.$giveBack(hub, slot);
      return Fired.DONE;
    }
    this.$giveBack(hub, slot);
    if (hub.core.waiting(row) > 0) {
      hub.core.latchFire(row);
      hub.lastToFront();
    } else {
      this.$links = NIL;
      hub.core.rowFree(row);
    }
    // Last, for whom this wakes comes in front.
    collector?.found(this);
    return Fired.DONE;
  }

  /** @internal It ended before it was through: killed, timed out or failed. */
  $cutShort(): boolean {
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
    const spawner = this.$origin === null ? NIL : this.$origin.spawner;
    if (spawner === NIL) return this.$hub.main;
    const slot = this.$hub.core.resolve(spawner);
    if (slot === NIL) return null;
    const owner: unknown = this.$hub.owners[slot];
    return owner instanceof Waiter ? owner.owner : (owner as RawGreenlet);
  }

  /** Values shared down the spawn tree; each greenlet that main spawns begins a tree. */
  get spawnTreeLocals(): Record<string, unknown> | null {
    if (!config.trackGreenletTree) return null;
    return treeOf(this);
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
      if (this.$cutShort()) more.controller.abort(this.$result);
    }
    return more.controller.signal;
  }

  // ---- waiting for it -----------------------------------------------------------------------------------------------

  /**
   * Wait until it has ended. Never raises its error. Switch point, unless it has ended.
   * @param options.timeout - seconds, after which the wait just ends
   */
  join(options?: { timeout?: Limit }): Operation<void> {
    needOptions('join(options)', options, TIMEOUT);
    return new Join(this, options?.timeout ?? null);
  }

  /**
   * Wait for its result: gives the value, or raises the very error it ended with. A killed one gives its GreenletExit.
   * Switch point, unless it has ended.
   * @throws Timeout if `timeout` came first, or at once with `block: false`
   */
  get(options: GetOptions = {}): Operation<T> {
    needOptions('get(options)', options, BLOCK_TIMEOUT);
    return new Get<T>(this, options.block ?? true, options.timeout ?? null);
  }

  /**
   * Raise an exception in it, where it is suspended. The order is given at once; the operation waits until it has ended.
   * One that never ran ends at once; one that has ended is left alone; itself: raised when the order's turn has come.
   */
  kill(options: KillOptions = {}): Operation<void> {
    needOptions('kill(options)', options, KILL_OPTIONS);
    const { exception = GreenletExit, block = true, timeout = null } = options;
    limitMs(timeout, 'kill(timeout)');
    if (this.$state === State.DEAD) return new Kill(this, block, timeout, null);
    const error = killer(exception);
    return new Kill(this, block, timeout, this.$shoot(error));
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

  /** @internal It has not run yet: it never will. Who counts on its body's end is told by `$never` of the body. */
  $cancel(error: unknown): void {
    const { $never } = (this.$run ?? this._run) as { $never?: (...args: unknown[]) => void };
    const args = this.$args;
    this.$unqueue();
    this.$failed(error);
    $never?.(...args);
  }

  /** @internal Take back a start that is on its way. */
  $unqueue(): void {
    const { core } = this.$hub;
    if (this.$state !== State.QUEUED) return;
    core.disarm(this.$slot);
    if (core.place(this.$slot) === Place.READY) core.unready(this.$slot);
  }

  // ---- links --------------------------------------------------------------------------------------------------------

  /** Have `callback(this)` called in the hub when it has ended. It must not block. */
  rawlink(callback: (greenlet: this) => void): void {
    this.$addLink(callback, Link);
  }

  /** Have `callback(this)` run in a greenlet of its own when it has ended. */
  link(callback: (greenlet: this) => unknown): void {
    this.$addLink(callback, SpawnedLink);
  }

  /** The same, only if it succeeded. */
  linkValue(callback: (greenlet: this) => unknown): void {
    this.$addLink(callback, ValueLink);
  }

  /** The same, only if it failed. */
  linkException(callback: (greenlet: this) => unknown): void {
    this.$addLink(callback, ExceptionLink);
  }

  /** @internal */
  $addLink(callback: unknown, type: new (greenlet: Greenlet, callback: any) => Link): void {
    needFunction('link', callback);
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

  /** @internal Nobody waits for its end, which is to come. */
  get $isFree(): boolean {
    return this.$links === NIL && this.$collector === null && this.$state !== State.DEAD;
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
      // While its own slot is in the ring to tell the collector, that tells those on the row as well.
      if (this.$state === State.DEAD) {
        if (this.$slot < 0) this.$hub.core.latchFire(this.$links);
      } else if (this.$collector !== null) {
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
    needFunction('addSpawnCallback', callback);
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
    this.$unqueue();
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

/**
 * @internal A Greenlet as `spawn` makes it: what the constructors of RawGreenlet and Greenlet do, in one. V8 inlines no
 * `super()`, and walking through it is a fifth of a spawn. A test holds the fields to those of `new Greenlet(fn)`.
 */
export const SpawnedGreenlet = function SpawnedGreenlet(this: Greenlet, hub: Hub, run: RawRun, args: unknown[]): void {
  this.$hub = hub;
  this.$state = State.FRESH;
  this.$slot = NIL;
  this.$parent = null;
  this.$run = run;
  this.$more = null;
  this.$body = null;
  this.$hop = null;
  this.$args = args;
  this.$result = undefined;
  this.$flags = 0;
  this.$links = NIL;
  this.$collector = null;
  this.$origin = madeByMain() ? null : originHere(hub);
  if (debugging || hub.slices !== null) remember(this);
} as unknown as new (
  hub: Hub,
  run: unknown,
  args: unknown[],
) => Greenlet;
(SpawnedGreenlet as { prototype: unknown }).prototype = Greenlet.prototype;

/** What generators of this realm are instances of. */
const GeneratorObject = function GeneratorObject() {} as unknown as abstract new () => object;
GeneratorObject.prototype = Object.getPrototypeOf(Object.getPrototypeOf((function* () {})()));
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

/** @internal What a kill raises. Python wraps what is no exception; so do we, naming it. */
export function killer(exception: unknown): unknown {
  if (exception instanceof Error) return exception;
  if (typeof exception === 'function') return exceptionFrom(exception);
  return new GeventError('GEVENT_KILLED_WITH', `killed with ${describe(exception)}, which is no exception`, {
    cause: exception,
  });
}
