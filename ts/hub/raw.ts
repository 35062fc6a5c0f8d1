// The greenlet primitive: a body that control is switched into and out of by name, with a parent that gets its result.
//
// JavaScript frames cannot be switched, so a body is a generator and `switch()` inside it an operation. The rest is
// greenlet's: packing of arguments, parents, death, throw. The loop that carries control from one to the next is drive.ts.
//
//   FRESH --first switch--> LIVE --body ends--> DEAD        QUEUED: a Greenlet whose start is in the ready ring
//                           LIVE <--> SWITCHED              SWITCHED: suspended in switch(), until somebody switches to it
//
// A raw greenlet holds a slot of the core only while it waits for the hub, so that one that is dropped in a switch is plain
// garbage. A gevent Greenlet holds one from start to end.

import { describe, wrongType } from '../core/arguments.ts';
import { NIL } from '../core/contract.ts';
import { GreenletError, GreenletExit } from '../exceptions.ts';
import { active, carriedGreenlet, debugging, greenletOfContext, threadHub } from './current.ts';
import { enterFromHub, enterFromMain } from './drive.ts';
import type { Hub, Tracer } from './hub.ts';
import { Operation, reused, Waiter, WaiterList } from './operation.ts';
import { ARRIVED, type Body, type Park, RESUME, State, SwitchMessage } from './protocol.ts';
import type { Bounds, Shielding } from './shielding.ts';

export { State } from './protocol.ts';

// Constants of this file: what is imported or exported is loaded from a cell at each use, and then compared by a call.
const GO_ON = RESUME;
const THERE = ARRIVED;

/** What a raw greenlet can run: a generator function, or a plain function, which cannot switch. */
export type RawRun = (this: any, ...args: any[]) => unknown;

/** What few greenlets have; made when first needed. */
export class Extras {
  /** Bodies below the running one, innermost last; see drive.ts. */
  callers: (Body | null)[] | null = null;
  /** The name given by the user. */
  name: string | null = null;
  /** Pending operations of an async body, but for the one that waits in the body's own slot. */
  waiters: WaiterList | null = null;
  /** Thrown into an async body that was not in an operation: for its next ones. */
  pendingErrors: unknown[] | null = null;
  controller: AbortController | null = null;
  /** The async context its slices run in. */
  context: SliceContext | null = null;
  /** Cleanup registered by defer(), latest last. */
  deferred: (() => unknown)[] | null = null;
  /** How the body ended, while the cleanup runs. */
  outcome: { ok: boolean; value: unknown } | null = null;
  /** The values of local objects; see local.ts. */
  locals: { $end(): void } | null = null;
  treeLocals: Record<string, unknown> | null = null;
  spawnSite: string | null = null;
  ident: number | null = null;
  /** Sections in which kill and Timeout wait, once it has been in one. */
  shield: Shielding | null = null;
  /** The innermost deadline. */
  deadline: Bounds | null = null;
  /** Links made by callback, in order. */
  links: Set<{ readonly callback: unknown }> | null = null;
}

/** The part of `AsyncResource` that is used. */
export interface SliceContext {
  runInAsyncScope<T, A extends unknown[]>(fn: (this: any, ...args: A) => T, thisArg: unknown, ...args: A): T;
}

/**
 * A coroutine with explicit transfer of control. Nothing schedules it; whoever wants it to run switches to it.
 * @see `greenlet.greenlet`, the source. Differs: the body is a generator function (`yield* g.switch(x)`) or a plain one.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see `run` below
export class RawGreenlet {
  static GreenletExit: typeof GreenletExit = GreenletExit;
  static error: typeof GreenletError = GreenletError;
  static getcurrent: () => RawGreenlet = () => getcurrent();
  /** Set by observe.ts. */
  declare static settrace: (tracer: Tracer | null) => Tracer | null;
  declare static gettrace: () => Tracer | null;
  /** @internal */ $hub: Hub;
  /** @internal */ $state: number = State.FRESH;
  /** @internal Row in the core, or NIL. */ $slot: number = NIL;
  /** @internal null: the hub. */ $parent: RawGreenlet | null;
  /** @internal */ $run: RawRun | null;
  /** @internal */ $more: Extras | null = null;
  /** @internal Top body while there is no slot. */ $body: Body | null = null;
  /** @internal The switch to it without a value. */ $hop: Hop | null = null;

  /**
   * @param run - generator or plain function; it may also come from a subclass as method `run`, or be assigned later
   * @param parent - who gets the result, on whose hub it runs; default: the current greenlet
   */
  constructor(run?: RawRun | null, parent?: RawGreenlet | null, hub?: Hub | null) {
    if (parent !== undefined && parent !== null && !(parent instanceof RawGreenlet)) {
      throw wrongType('greenlet(run, parent)', 'a greenlet as parent', parent);
    }
    this.$run = run ?? null;
    if (hub === undefined) {
      this.$hub = parent?.$hub ?? active ?? threadHub();
      this.$parent = parent ?? this.$defaultParent();
    } else {
      // Internal: hubs set their own, and neither they nor main have a parent that receives anything.
      this.$hub = hub as Hub;
      this.$parent = parent ?? null;
    }
  }

  /** @internal */
  $defaultParent(): RawGreenlet | null {
    return waitingGreenlet();
  }

  /** Who gets the result, or the exception, when this one ends. */
  get parent(): RawGreenlet | null {
    return this.$parent ?? this.$hub;
  }

  set parent(parent: RawGreenlet) {
    if (!(parent instanceof RawGreenlet)) {
      throw wrongType('parent', 'a greenlet', parent);
    }
    for (let g: RawGreenlet | null = parent; g !== null; g = g.parent) {
      if (g === this) throw new RangeError('cyclic parent chain');
    }
    if (parent.$hub !== this.$hub) throw new RangeError('parent cannot be on a different hub');
    this.$parent = parent;
  }

  /** True once it has ended. */
  get dead(): boolean {
    return this.$state === State.DEAD;
  }

  /** True from its first switch to its end: Python's `bool(g)`. */
  get active(): boolean {
    return this.$state === State.LIVE || this.$state === State.SWITCHED;
  }

  /**
   * Give control to this greenlet. Inside a greenlet an operation (`yield*`), whose result is what is next sent to the *caller*,
   * by anyone. Called by main, or by a hub callback, it runs at once, until control comes back to the caller or goes to the hub.
   *
   * No argument arrives as undefined, one as itself, several as an array. A greenlet that was never switched to starts with
   * them as its arguments.
   * @throws GreenletError in the caller if there is nothing to run
   */
  switch(...args: unknown[]): SwitchOperation;
  switch(value?: unknown, ...rest: unknown[]): SwitchOperation {
    const hub = active;
    // biome-ignore lint/complexity/noArguments: an array for every switch is a tenth of its cost
    const count = arguments.length;
    if (hub !== null && count <= 1 && !hub.inCallback() && !debugging) {
      // Without a value it holds no state, and one serves all who switch here.
      if (count === 0) return this.$hop ?? this.$makeHop();
      // Made and consumed in one breath, as it mostly is, one object serves every switch of the hub.
      const spare = hub.spareSwitch;
      if (spare !== null && !spare.$made) {
        spare.$made = true;
        spare.target = this;
        spare.count = 1;
        spare.payload = value;
        return spare;
      }
    }
    const inside = hub !== null && !hub.inCallback();
    if (inside && count === 0) return new Hop(this);
    const made = new SwitchOperation(this, count, count > 1 ? [value, ...rest] : value, null);
    if (inside && !debugging) hub.spareSwitch ??= made;
    return transfer(made);
  }

  /** @internal */
  $makeHop(): SwitchOperation {
    this.$hop = new Hop(this);
    return this.$hop;
  }

  /**
   * Raise an exception where this greenlet is suspended; else like `switch`. Without argument a GreenletExit. One that never
   * started dies without running, and the exception goes to its parent.
   * @param error - an Error, or a class of errors, which is made with `args`
   * @throws TypeError in the caller if it is neither
   */
  throw(error: unknown = GreenletExit, ...args: unknown[]): SwitchOperation {
    return transfer(new SwitchOperation(this, 0, undefined, { error: exceptionFrom(error, args) }));
  }

  /** @internal Where the body's frame is kept. */
  get $top(): Body | null {
    return this.$slot === NIL ? this.$body : this.$hub.bodies[this.$slot];
  }

  /** @internal */
  set $top(body: Body | null) {
    if (this.$slot === NIL) this.$body = body;
    else this.$hub.bodies[this.$slot] = body;
  }

  /** @internal The extras, made if need be. */
  $extras(): Extras {
    this.$more ??= new Extras();
    return this.$more;
  }

  /** @internal The oldest pending operation, if the body is async. */
  $firstWaiter(): Waiter | null {
    const slot = this.$slot;
    if (slot >= 0) {
      const owner: unknown = this.$hub.owners[slot];
      if (owner !== this && owner instanceof Waiter) return owner;
    }
    const more = this.$more;
    return more === null || more.waiters === null ? null : more.waiters.first;
  }

  /** @internal Nothing waits in the slot of this async body, nor for it. */
  $ownSlotIsFree(): boolean {
    const slot = this.$slot;
    return slot >= 0 && this.$hub.bodies[slot] === null && this.$firstWaiter() === null;
  }

  /** @internal Those that have slots of their own. */
  $waiters(): WaiterList {
    const more = this.$extras();
    more.waiters ??= new WaiterList();
    return more.waiters;
  }

  /** @internal Abort the signal, if there is one. The next reader gets a new one, should the body go on. */
  $abort(error: unknown): void {
    const controller = this.$more === null ? null : this.$more.controller;
    if (controller === null) return;
    (this.$more as Extras).controller = null;
    controller.abort(error);
  }

  /** @internal An exception that waits for the next operation of an async body. */
  $takeError(): { error: unknown } | null {
    const more = this.$more;
    if (more === null) return null;
    if (more.pendingErrors === null) return more.deadline === null ? null : more.deadline.$over();
    const error = more.pendingErrors.shift();
    if (more.pendingErrors.length === 0) more.pendingErrors = null;
    return { error };
  }

  /** @internal Its slot's turn, which a raw greenlet has only while its body is in place. */
  $fire(_hub: Hub, _slot: number): number {
    return 0;
  }

  /** @internal Raise in a body that is no generator. True if that was done, and control is the hub's. */
  $raise(_error: unknown): boolean {
    return false;
  }

  /** @internal The body ended: what must run before that counts, as a body in its place; or null. */
  $cleanup(_ok: boolean, _value: unknown): Body | null {
    return null;
  }

  /** @internal The body returned. Gives what the parent receives. */
  $finished(value: unknown): unknown {
    this.$end();
    return value;
  }

  /** @internal The body threw. True if the parent must get the error, false if `$finished` was told instead. */
  $failed(error: unknown): boolean {
    this.$end();
    return !(error instanceof GreenletExit);
  }

  /** @internal Dead, with nothing left in the core. */
  $end(): void {
    if (debugging) this.$hub.debug.ended(this);
    this.$state = State.DEAD;
    const more = this.$more;
    if (more !== null) {
      if (more.deadline !== null) more.deadline.$end();
      more.locals?.$end();
    }
    this.$run = null;
    this.$body = null;
    const slot = this.$slot;
    if (slot !== NIL) {
      this.$slot = NIL;
      this.$hub.release(slot);
    }
  }

  /** @internal What runs, found at the first switch: the instance's, else the class's `run` method. */
  $function(): RawRun {
    const run = this.$run ?? (this.run as RawRun | undefined);
    if (run === undefined || run === null) {
      throw new GreenletError('greenlet has no run function', 'GEVENT_GREENLET_NO_RUN');
    }
    return run;
  }

  /** @internal What `$function` gets. */
  $arguments(sent: unknown[]): unknown[] {
    return sent;
  }

  /** @internal False for gevent's Greenlet: it keeps its slot from start to end. */
  get $isRaw(): boolean {
    return true;
  }

  /** How it stands, in greenlet's words. */
  get state(): string {
    switch (this.$state) {
      case State.FRESH:
      case State.QUEUED:
        return 'pending';
      case State.DEAD:
        return 'dead';
      default:
        return `${getcurrent() === this ? 'current' : 'suspended'} active started`;
    }
  }

  /** @internal */
  get $label(): string {
    const name = this.$run?.name;
    return `${this.constructor.name}${name ? ` ${name}` : ''}`;
  }

  toString(): string {
    return `<${this.$label} ${this.state}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

// Declared as a method, for TypeScript lets a subclass override one by a method, and an accessor by nothing else.
export interface RawGreenlet {
  /**
   * What it will run. Gone once it has started, as in greenlet: reading it then gives undefined, setting it throws.
   * A subclass may define it as a method.
   */
  run(...args: any[]): unknown;
}

Object.defineProperty(RawGreenlet.prototype, 'run', {
  configurable: true,
  get(this: RawGreenlet): RawRun | undefined {
    return this.$state === State.FRESH ? (this.$run ?? undefined) : undefined;
  },
  set(this: RawGreenlet, run: RawRun) {
    if (this.$state !== State.FRESH) {
      throw new GreenletError('run cannot be set after the start of the greenlet', 'GEVENT_GREENLET_STARTED');
    }
    this.$run = run;
  },
});

// It is `greenlet` to its users; the capital keeps it apart from gevent's Greenlet in here.
Object.defineProperty(RawGreenlet, 'name', { value: 'greenlet' });

/** Control on its way to another greenlet. In a body `yield*` it; from main, `value` has what came back. */
export class SwitchOperation extends Operation<any> {
  /** @internal */ target: RawGreenlet;
  /** @internal How many arguments. */ count: number;
  /** @internal They, as greenlet packs them: none, one, an array of several. */ payload: unknown;
  /** @internal */ error: { error: unknown } | null;
  /** @internal Described and not consumed. */ $made = true;
  /** @internal Filled when main got control back. */ result: { value: unknown } | null = null;
  /** @internal Made by main or a callback, and carried out at once. */ $begun = false;
  /** @internal That is going on now: an error is thrown where main called. */ $immediate = false;
  #message: SwitchMessage<SwitchOperation> | null = null;
  #failure: { error: unknown } | null = null;
  #promise: PromiseWithResolvers<unknown> | null = null;

  constructor(target: RawGreenlet, count: number, payload: unknown, error: { error: unknown } | null) {
    super();
    this.target = target;
    this.count = count;
    this.payload = payload;
    this.error = error;
  }

  /** @internal The arguments, for one that starts with them. */
  get args(): unknown[] {
    if (this.count > 1) return this.payload as unknown[];
    return this.count === 0 ? [] : [this.payload];
  }

  describe(): string {
    return `switch to ${this.target}`;
  }

  /** What came back to main. Only for switches made by main that have come back. */
  get value(): any {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.result === null) {
      throw new GreenletError(
        `${this.describe()}: control went to the hub and has not come back to main; await the switch for its value`,
        'GEVENT_MAIN_NOT_PARKED',
      );
    }
    return this.result.value;
  }

  /** @internal Main gets control back by this. */
  settle(value: unknown): void {
    this.result = { value };
    this.#promise?.resolve(value);
  }

  /** @internal */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#promise?.reject(error);
  }

  /** @internal */
  $begin(): void {
    if (!this.$made) throw reused(this);
    this.$made = false;
    this.$begun = this.$immediate = true;
    if (debugging) this.target.$hub.debug.carriedOut(this);
  }

  /** @internal Somebody will hear of an error. */
  get $heard(): boolean {
    return this.$immediate || this.#promise !== null;
  }

  override next(sent?: unknown): IteratorResult<Park, any> {
    const hub = active;
    if (hub === null) return super.next(sent);
    if (sent === GO_ON) return THERE;
    if (!this.$made) throw reused(this);
    this.$made = false;
    if (debugging) hub.debug.consumed(this);
    this.#message ??= new SwitchMessage(this as SwitchOperation);
    return this.#message;
  }

  override then<A = any, B = never>(
    onDone?: ((value: any) => A | PromiseLike<A>) | null,
    onFailed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (this.#promise === null) {
      this.#promise = Promise.withResolvers();
      if (this.#failure !== null) this.#promise.reject(this.#failure.error);
      else if (this.result !== null) this.#promise.resolve(this.result.value);
      else if (!this.$begun) {
        this.#promise.reject(
          new GreenletError(
            `${this.describe()}: an async body cannot switch; use a generator body`,
            'GEVENT_SWITCH_IN_ASYNC',
          ),
        );
      }
    }
    return this.#promise.promise.then(onDone, onFailed);
  }

  /** @internal Control came back to main. */
  get $settled(): boolean {
    return this.result !== null || this.#failure !== null;
  }

  begin(): boolean {
    return true;
  }

  complete(): unknown {
    return undefined;
  }
}

/** A switch without a value, made inside a greenlet. Whoever consumes it, as often as he likes, switches. */
class Hop extends SwitchOperation {
  readonly #message = new SwitchMessage<SwitchOperation>(this);

  constructor(target: RawGreenlet) {
    super(target, 0, undefined, null);
    this.$made = false;
  }

  override next(sent?: unknown): IteratorResult<Park, any> {
    if (sent === GO_ON) return THERE;
    if (active === null) return super.next(sent);
    if (debugging) active.debug.consumed(this);
    return this.#message;
  }

  // Shared, so it keeps no promise.
  override then<A = any, B = never>(
    onDone?: ((value: any) => A | PromiseLike<A>) | null,
    onFailed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return new SwitchOperation(this.target, 0, undefined, null).then(onDone, onFailed);
  }
}

function transfer(op: SwitchOperation): SwitchOperation {
  if (active === null) {
    if (greenletOfContext() === null) enterFromMain(op.target.$hub, op);
  } else if (active.inCallback()) enterFromHub(active, op);
  return op;
}

/** An exception from what `throw` accepts: a value, or a class and its arguments. */
export function exceptionFrom(error: unknown, args: unknown[] = []): unknown {
  if (typeof error === 'function') {
    const isClass = error === Error || error.prototype instanceof Error;
    if (!isClass) {
      throw new TypeError(`exceptions must be classes, or instances, not ${describe(error)}`);
    }
    if (args.length === 1 && args[0] instanceof (error as new () => object)) return args[0];
    return Reflect.construct(error, args);
  }
  if (!(error instanceof Error)) {
    throw new TypeError(`exceptions must be classes, or instances, not ${describe(error)}`);
  }
  if (args.length > 0) throw new TypeError('instance exception may not have a separate value');
  return error;
}

/**
 * The greenlet that runs: a Greenlet, a raw greenlet, the hub inside its callbacks, or main.
 * @see `greenlet.getcurrent`
 */
export function getcurrent(): RawGreenlet {
  const hub = active;
  if (hub !== null) return hub.cur === NIL ? hub.aside : (hub.owners[hub.cur] as RawGreenlet);
  return greenletOfContext() ?? carriedGreenlet() ?? threadHub().main;
}

/**
 * The greenlet that a wait, a Timeout or a lock taken here is of. It differs from `getcurrent()` in a callback of the platform's that a
 * greenlet has begun and is carried along to: that is no part of its body, and what waits there is main's.
 */
export function waitingGreenlet(): RawGreenlet {
  return active === null ? (greenletOfContext() ?? threadHub().main) : getcurrent();
}
