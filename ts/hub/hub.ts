// The hub: one turn after another of the core's queues inside the platform's loop.
//
//   turn    1. the ready ring, in order, entries added meanwhile included, until it is empty or the slice is over
//           2. timers due, by priority, deadline and arming
//           3. back to 1 while there is something ready; else to the platform until an event or the next deadline
//
// A slice of the platform's time is `switchInterval` long (5 ms); then I/O has its turn. Settling a promise ends phase 1
// early: continuations of async bodies run before the loop goes on, so that what they do next keeps its place in the order.
//
// U1  active === this exactly while bodies or callbacks of this hub run on the JavaScript stack
// U2  owners[slot] and bodies[slot] belong to the slot from take() to release(); bodies[slot] is null unless a
//     generator is suspended or running there
// U3  a waiting slot is woken exactly once: by the core, or by withdraw() when an exception is thrown in

import { config } from '../config.ts';
import { needOptions, TIMEOUT } from '../core/arguments.ts';
import { type Clock, realClock, type Seconds, toWaitMs } from '../core/clock.ts';
import { type Core, Counter, HOLE, Kind, NIL, Priority, type RowKind, Word } from '../core/contract.ts';
import { BlockingSwitchOutError, GeventError, HubDestroyed, LoopExit, OperationError } from '../exceptions.ts';
import type { GeneratorBody, Greenlet, OtherBody } from '../gevent-greenlet.ts';
import type { ThreadPool } from '../sys/threads.ts';
import { makeBatch, Pass, runWithCare } from './batch.ts';
import { type Slices, unwatchStores, watchStores } from './context.ts';
import { active, debugging, replaceThreadHub, setActive, setDebugging, threadHub, threadHubIfAny } from './current.ts';
import { Debug } from './debug.ts';
import { after, follow, NOTHING, threw, traced } from './drive.ts';
import { Dump } from './dump.ts';
import { ErrorRouting } from './error-routing.ts';
import { type Host, platformHost } from './host.ts';
import { JoinHub } from './join.ts';
import { type Monitor, makeMonitor, makeThreadPool, spawnOn } from './layers-above.ts';
import { Loop } from './loop.ts';
import { exitMessage } from './loop-exit.ts';
import { Main } from './main.ts';
import { later, type Operation, Waiter, WaiterList } from './operation.ts';
import { NOBODY, type RowOwner, type SharedRows, VACANT } from './owners.ts';
import { type Body, Fired, type Fires, type Park, RESUME } from './protocol.ts';
import { type RawGreenlet, State, type SwitchOperation } from './raw.ts';
import { statisticsOf } from './statistics.ts';
import { WaitFor } from './wait-for.ts';
import type { Rowed } from './waitable.ts';
import type { Watcher } from './watcher.ts';

const { HEAD, TAIL, MASK, BUDGET } = Word;

/** Entries between two looks at the clock: few while slices are long, many while they are short. */
const MIN_BATCH = 16;
const MAX_BATCH = 4096;
/** Objects without waiters whose rows are kept for the next. */
const MAX_LEFT_ALONE = 256;
/** Events served singly after one that came alone. */
const ALONE = 32;
/** A switch flood under a virtual clock would never end, since no time passes in it. */
const VIRTUAL_LIMIT = 20_000_000;
/** Arms that share one reading of the clock. */
const CLOCK_SHARES = 32;
/** No BUDGET: the clock has not been read in this slice. Many timers that are due take it below 0. */
const UNREAD = -0x80000000;
/** Rounds of continuations that share one reading of the clock, at most: so many may be slow before it is noticed. */
const MAX_ROUNDS = 8;
/** Of events that come together so many share a slice: what belongs to them is still in the cache. */
const TOGETHER = 64;
/** A shared reading that was off by less is left as it is. */
const SHARED_GAP_MS = 0.5;

export type Tracer = (event: 'switch' | 'throw', origin: RawGreenlet, target: RawGreenlet) => void;

export interface HubOptions {
  core: Core;
  clock?: Clock;
  host?: Host;
  /** True: quiescence is decided by this hub alone and at once, as its own little world. */
  isolated?: boolean;
}

/** One thread's scheduler. Made by `getHub()`; isolated ones by `createHub()` and `simulate()`. */
export class Hub extends ErrorRouting {
  // Declared only: stored once, in the constructor, they are constants to the compiler.
  declare readonly core: Core;
  declare readonly clock: Clock;
  declare readonly host: Host;
  declare readonly isolated: boolean;
  declare readonly main: RawGreenlet;
  declare readonly loop: Loop;
  /** @internal U2 */ readonly owners: Fires<Hub>[] = [];
  /** @internal U2 */ readonly bodies: (Body | null)[] = [];
  /** @internal What a row of the core belongs to. */ readonly rowOwners: RowOwner[] = [];
  /** @internal D1 */ cur: number = NIL;
  /** @internal D1 */ aside: RawGreenlet;
  /** @internal For switches that are consumed where they are made. */ spareSwitch: SwitchOperation | null = null;
  /** @internal What the last hop of drive.ts ended with; null: its batch was over. */
  ended: IteratorResult<Park, unknown> | null = null;
  /**
   * @internal An operation that has parked its body and whose PARK has not reached the loop yet; true: one that is known by the row it waits
   * on. To store an operation, which is young as a rule, in a hub, which is old, costs a write barrier.
   */
  parking: Operation<unknown> | true | null = null;
  /** @internal Body on its way onto a greenlet's frames. */ callee: Body | null = null;
  /** @internal Value on its way to a frame's caller. */ frameValue: unknown = undefined;
  /** @internal What the next resumed body is sent. */ reply: unknown = RESUME;
  /** @internal */ mainSwitch: SwitchOperation | null = null;
  /** @internal A raw switch gave control to a waiting main. */ settledMain = false;
  /** @internal */ readonly mainWaiters = new WaiterList();
  /** @internal */ waiterSerial = 0;
  /** @internal Its first number is raised with every switch, for a monitor that looks at it. */ pulse: Int32Array | null =
    null;
  /** Threads of its pool, at most. */ threadpoolSize = 10;
  /** The class of its pool. Default: `config.threadpool`. */ threadpoolClass: unknown = null;
  #threadpool: ThreadPool | null = null;
  /** Who watches it, or null. */ periodicMonitoringThread: Monitor | null = null;
  /** @internal Those who wait for the loop to have nothing left. */ readonly joiners = new Set<JoinHub>();
  /** @internal Present while the program uses AsyncLocalStorage. */ slices: Slices | null = null;
  /** @internal */ tracer: Tracer | null = null;
  /** @internal */ readonly debug: Debug;
  /** @internal Operations that wait for something outside this hub: promises. */ foreign = 0;
  /** @internal Async bodies that have not ended. */ readonly asyncBodies = new Set<RawGreenlet>();
  /** @internal Armed timers that do not keep the loop going. */ unrefTimers = 0;
  /** @internal Active watchers that keep the loop going, timers aside. */ refs = 0;
  /** @internal Called when the hub is destroyed. */ readonly closers: (() => void)[] = [];
  /** @internal A guest runs in microtasks, and the loop waits until it parks or ends. */ held = false;
  /** @internal Runs slots that nobody here owns: of guests that guests have spawned. */ crowd: Fires<Hub> | null =
    null;

  /** @internal Objects whose last waiter may have left: their rows go back when there is time. */
  readonly leftAlone: Rowed[] = [];
  /** @internal A slot runs that is not the next of the ring: who runs it goes on with nobody else. */ single = false;
  /** @internal Rows that guests wait on without a word to anybody here. */ shared: SharedRows | null = null;
  /** @internal By slot: the item that a putter waits with on a channel. */ readonly cargo: unknown[] = [];

  /** @internal A virtual clock is told that nobody can go on now. */ onRest: (() => void) | null = null;

  #thrown: unknown = NOTHING;
  #mainErrors: { error: unknown }[] = [];
  #now: number;
  /** BUDGET at the last reading: it changes with every slice. */
  #stamp = UNREAD;
  readonly #shared: number[] = [];
  /** How many more arms may share that reading. */
  #sharesLeft = 0;
  // Y1: the Timeout that was started last in this slice is one that the core does not know yet, since most are cancelled before anybody
  // asks. Its slot is taken; cancelled, it stays idle for the next. At most one of the two is there.
  #youngSlot = NIL;
  #idleSlot = NIL;
  #youngAt = 0;
  #youngPriority = 0;
  /** By a shared reading of the clock. */
  #youngShares = false;
  #batch = 64;
  #mostLeftAlone = MAX_LEFT_ALONE;
  /** Left at the last look, and how often it was at rest since. */
  #keptAlone = 0;
  #rests = 0;
  #checked: number;
  /** When the slice of the platform's time is over; a change of `switchInterval` counts from the next one on. */
  #sliceEnd = 0;
  /** What runs has not read the clock: rounds of async bodies are short, a lone event too, and a reading takes as long as two switches. */
  #unread = false;
  #rounds = 1;
  #roundsLeft = 0;
  #virtualLeft = VIRTUAL_LIMIT;
  #scheduled = false;
  #draining = false;
  /** Events since the loop was called for by one; events to come that are taken to be alone. */
  #together = 0;
  #alone = 0;
  #timer: unknown = null;
  #timerAt = Infinity;
  #timerRef = true;
  #destroyed = false;
  readonly #runBatch: () => number;
  readonly #stopIdle: () => void;
  readonly #tick = () => this.#run(true);
  readonly #lone = () => this.#runAlone();
  readonly #ioTick = () => {
    this.#alone = this.#together === 0 ? ALONE : 0;
    this.#run(true);
  };
  readonly #hop = () => later(this.#continue);
  readonly #continue = () => this.#run(false);
  readonly #onTimer = () => {
    this.#timer = null;
    this.#timerAt = Infinity;
    this.#run(true);
  };

  constructor(options: HubOptions) {
    super(null, null, null);
    this.$hub = this;
    this.core = options.core;
    this.clock = options.clock ?? realClock;
    this.host = options.host ?? platformHost();
    this.isolated = options.isolated ?? false;
    this.main = new Main(null, null, this);
    this.main.$state = State.LIVE;
    this.$parent = this.main;
    this.$state = State.LIVE;
    this.aside = this;
    this.debug = new Debug(this);
    if (config.debug) setDebugging(true);
    this.loop = new Loop(this);
    this.exceptionStream = { write: (text: string) => this.host.print(text) };
    this.#now = this.#checked = this.clock.now();
    this.core.words[BUDGET] = this.#batch;
    this.#runBatch = makeBatch(this);
    watchStores(this);
    this.#stopIdle = this.isolated ? () => {} : this.host.onIdle(() => this.#idle());
  }

  // ---- slots --------------------------------------------------------------------------------------------------------

  /** @internal A slot for `owner`. */
  take(kind: Kind, owner: Fires<Hub>): number {
    const slot = this.core.take(kind);
    if (slot >= this.owners.length || slot === NIL) this.#moreOwners(slot);
    this.owners[slot] = owner;
    return slot;
  }

  /** @internal The same, and its turn comes. */
  takeReady(kind: Kind, owner: Fires<Hub>): number {
    const slot = this.core.takeReady(kind);
    if (slot >= this.owners.length || slot === NIL) this.#moreOwners(slot);
    this.owners[slot] = owner;
    return slot;
  }

  /** @internal A slot for a Timeout, armed as by `arm`: finite `ms` from now. In a slice the core hears of it at `handOver` (Y1). */
  takeTimer(owner: Fires<Hub>, ms: number, priority: number): number {
    // The common case, small enough to be inlined: the one before was cancelled, in this slice.
    const slot = this.#idleSlot;
    if (slot === NIL || this.#stamp !== this.core.words[BUDGET] || this.#sharesLeft === 0) {
      return this.#takeTimer(owner, ms, priority);
    }
    --this.#sharesLeft;
    this.#idleSlot = NIL;
    this.#youngSlot = slot;
    this.owners[slot] = owner;
    this.#youngAt = this.#now + (ms > 0 ? ms : 0);
    this.#youngPriority = priority;
    this.#youngShares = true;
    return slot;
  }

  #takeTimer(owner: Fires<Hub>, ms: number, priority: number): number {
    if (this.#youngSlot !== NIL) this.handOver();
    if (active !== this || !this.#draining) {
      const slot = this.core.takeArmed(Kind.TIMER, this.updateNow() + (ms > 0 ? ms : 0), priority);
      if (slot >= this.owners.length || slot === NIL) this.#moreOwners(slot);
      this.owners[slot] = owner;
      if (active !== this) this.kick();
      return slot;
    }
    let slot = this.#idleSlot;
    if (slot === NIL) slot = this.take(Kind.TIMER, owner);
    else this.owners[slot] = owner;
    this.#idleSlot = NIL;
    this.#youngShares = this.#sharesClock();
    this.#youngAt = (this.#youngShares ? this.#now : this.updateNow()) + (ms > 0 ? ms : 0);
    this.#youngSlot = slot;
    this.#youngPriority = priority;
    return slot;
  }

  /** @internal Give back what `takeTimer` gave. False if it is not armed any more, and still to be released. */
  releaseTimer(slot: number): boolean {
    this.owners[slot] = VACANT;
    if (slot === this.#youngSlot) {
      this.#youngSlot = NIL;
      this.#idleSlot = slot;
      return true;
    }
    return this.core.freeArmed(slot);
  }

  /** @internal Y1: whoever arms a timer, looks at them or counts has the core know all first. */
  handOver(): void {
    const idle = this.#idleSlot;
    if (idle !== NIL) {
      this.#idleSlot = NIL;
      this.core.free(idle);
    }
    const slot = this.#youngSlot;
    if (slot === NIL) return;
    this.#youngSlot = NIL;
    this.core.arm(slot, this.#youngAt, this.#youngPriority);
    if (this.#youngShares) this.#shared.push(slot, this.#youngAt, this.#youngPriority);
  }

  #moreOwners(slot: number): void {
    if (slot === NIL) {
      throw new GeventError(
        'GEVENT_CORE_FULL',
        `the core has no room for another greenlet or waiter: ${this.core.counter(Counter.SLOTS)} are alive`,
      );
    }
    while (this.owners.length <= slot) {
      this.owners.push(VACANT);
      this.bodies.push(null);
    }
  }

  /** @internal The slot is done with. It is loose, without timer. */
  release(slot: number): void {
    this.owners[slot] = VACANT;
    this.bodies[slot] = null;
    this.core.free(slot);
  }

  /** @internal A row for something to wait on. */
  row(kind: RowKind, value: number, owner: RowOwner): number {
    const row = this.core.rowNew(kind, value);
    if (row === NIL) throw new GeventError('GEVENT_CORE_FULL', 'the core has no room for another wait queue');
    while (this.rowOwners.length < row) this.rowOwners.push(NOBODY);
    this.rowOwners[row] = owner;
    return row;
  }

  /** @internal Nobody may be left who waits on it: look, when nothing is ready, whether its row can go back. */
  leave(object: Rowed): void {
    this.leftAlone.push(object);
    // Who never rests must not collect them without end.
    if (this.leftAlone.length >= this.#mostLeftAlone || active !== this) this.#giveRowsBack();
  }

  #giveRowsBack(): void {
    const objects = this.leftAlone;
    let kept = 0;
    for (const object of objects) if (!object.$giveBack(this)) objects[kept++] = object;
    objects.length = this.#keptAlone = kept;
    this.#rests = 0;
    this.#mostLeftAlone = MAX_LEFT_ALONE + 2 * kept;
  }

  /**
   * @internal For callbacks of the hub: run a slot now, not in its turn. It is loose; control comes back when it waits
   * again or its promise is settled.
   */
  runNow(slot: number): void {
    const { cur, aside, single } = this;
    this.single = true;
    if (this.$fireSlot(slot)) this.settledMain = true;
    this.single = single;
    this.cur = cur;
    this.aside = aside;
  }

  /** @internal The slot of a greenlet, made if it has none: it is about to wait. */
  slotOf(g: RawGreenlet): number {
    if (g.$slot === NIL) {
      const body = g.$body;
      const slot = this.take(1, g);
      g.$body = null;
      g.$slot = slot;
      this.bodies[slot] = body;
    }
    return g.$slot;
  }

  /** @internal The running greenlet has no slot and is about to wait. */
  adopt(op: { describe(): string }): number {
    const g = this.aside;
    if (g === this || g === this.main) {
      throw new BlockingSwitchOutError(
        `Impossible to call blocking function in the event loop callback: ${op.describe()}`,
      );
    }
    this.cur = this.slotOf(g);
    return this.cur;
  }

  /** @internal Take a slot out of whatever it waits in (U3). */
  withdraw(slot: number): void {
    const { core } = this;
    const armed = core.disarm(slot);
    // Looking through the ring is linear, so only for one that can be nowhere else.
    if (!core.leave(slot) && !armed) core.unready(slot);
  }

  /** @internal Take a greenlet that waits for the hub out of its wait, to throw into it. */
  interrupt(g: RawGreenlet): void {
    if (g.$slot !== NIL) this.withdraw(g.$slot);
  }

  // ---- messages between bodies and the loop -------------------------------------------------------------------------

  /** @internal */
  throwNext(error: unknown): void {
    this.#thrown = error;
  }

  /** @internal */
  takeThrown(): unknown {
    const thrown = this.#thrown;
    this.#thrown = NOTHING;
    return thrown;
  }

  /** @internal */
  takeCallee(): Body {
    const callee = this.callee as Body;
    this.callee = null;
    return callee;
  }

  /** @internal */
  takeFrameValue(): unknown {
    const value = this.frameValue;
    this.frameValue = undefined;
    return value;
  }

  // ---- time ---------------------------------------------------------------------------------------------------------

  /** @internal The time, in ms, as of the last reading in this slice. */
  now(): number {
    return active === this && !this.#unread && !this.clock.virtual ? this.#now : this.updateNow();
  }

  /** @internal Read the clock. */
  updateNow(): number {
    if (this.#youngSlot !== NIL) this.handOver();
    const now = this.clock.now();
    const before = this.#now;
    this.#now = now;
    this.#unread = false;
    this.#stamp = this.core.words[BUDGET];
    this.#sharesLeft = this.clock.virtual ? 0 : CLOCK_SHARES;
    if (this.#shared.length > 0) this.#settleShared(now - before);
    return now;
  }

  /** @internal Arm the slot's timer `ms` from now; Infinity: not at all. */
  arm(slot: number, ms: number, priority: number = Priority.NORMAL): void {
    if (ms === Infinity) return;
    if (this.#youngSlot !== NIL) this.handOver();
    const { core } = this;
    const wait = ms > 0 ? ms : 0;
    if (active !== this) {
      core.arm(slot, this.updateNow() + wait, priority);
      this.kick();
      return;
    }
    // Reading the clock costs twice a switch. So arms that follow one another in one slice share a reading, and if the
    // slice turns out to have computed meanwhile, they are put off by that much: late rather than early.
    if (!this.#sharesClock()) {
      core.arm(slot, this.updateNow() + wait, priority);
      return;
    }
    const at = this.#now + wait;
    core.arm(slot, at, priority);
    this.#shared.push(slot, at, priority);
  }

  /** True if an arm may share the reading of the clock, and it has. */
  #sharesClock(): boolean {
    if (this.#stamp !== this.core.words[BUDGET] || this.#sharesLeft === 0) return false;
    --this.#sharesLeft;
    return true;
  }

  #settleShared(gapMs: number): void {
    const shared = this.#shared;
    const { core } = this;
    if (gapMs > SHARED_GAP_MS) {
      for (let i = 0; i < shared.length; i += 3) {
        // Still the same timer: not disarmed, fired, or armed for something else since.
        if (core.deadline(shared[i]) !== shared[i + 1]) continue;
        core.disarm(shared[i]);
        core.arm(shared[i], shared[i + 1] + gapMs, shared[i + 2]);
      }
    }
    shared.length = 0;
  }

  // ---- the loop -----------------------------------------------------------------------------------------------------

  /** @internal There is work, or an earlier deadline: have the loop run soon. Needless while it runs. */
  kick(): void {
    if (this.#draining || this.#scheduled || this.#destroyed) return;
    this.#scheduled = true;
    this.host.soon(this.#tick);
  }

  /**
   * @internal The same, for an event of the platform's. Another round of the platform's costs 3 us, where an echo over TCP
   * takes 13; so an event that comes alone is served at once: here and now if `clean`, when nobody's code is on the stack but
   * the platform's, else in a microtask. Of events that come together each would pay for a slice: a look now and then tells
   * which it is.
   */
  kickIo(clean: boolean): void {
    if (this.#draining || this.#destroyed) return;
    if (this.#scheduled) {
      ++this.#together;
      if (clean && this.#together % TOGETHER === 0) this.#runLean();
      return;
    }
    this.#scheduled = true;
    if (this.#alone > 0) {
      --this.#alone;
      if (clean) this.#runAlone();
      else later(this.#lone);
      return;
    }
    this.#together = 0;
    this.host.soon(this.#ioTick);
  }

  /** @internal True inside a callback of this hub, where nothing may block. */
  inCallback(): boolean {
    return active === this && this.cur === NIL && this.aside === this;
  }

  /** @internal The async body whose first slice runs, or null. */
  asyncStarter(): RawGreenlet | null {
    if (this.cur === NIL) return null;
    const g = this.owners[this.cur] as RawGreenlet;
    return this.asyncBodies.has(g) ? g : null;
  }

  /** @internal A generator that blocks was driven by `next()` or `for…of` instead of `yield*`: take its wait back. */
  undoParking(): OperationError {
    const { parking, cur } = this;
    this.parking = null;
    const owner = parking === true ? (this.rowOwners[this.core.rowOf(cur)] as Rowed) : null;
    const what = owner?.describe(cur) ?? (parking as Operation<unknown>).describe();
    this.withdraw(cur);
    if (owner !== null) owner.$abandoned(this, cur);
    else (parking as Operation<unknown>).abandon(this, cur);
    return new OperationError(
      'GEVENT_DRIVEN_BY_HAND',
      `${what} blocks, and its generator was driven by next() or for-of: use yield* in the body of a greenlet`,
    );
  }

  /** @internal Make this the running hub; gives the one before. */
  activate(): Hub | null {
    const before = active;
    setActive(this);
    return before;
  }

  /** @internal Call `fn` as if no hub ran. */
  outside(fn: () => void): void {
    const before = active;
    setActive(null);
    try {
      fn();
    } finally {
      setActive(before);
    }
  }

  /** @internal Run all that is ready and due now. False if a promise was settled, whose continuations come first. */
  turn(): boolean {
    if (this.#draining) throw new GeventError('GEVENT_HUB_RUNNING', 'the hub runs already');
    return this.#slice(true) !== Pass.SETTLED;
  }

  #run(fresh: boolean): void {
    if (this.#draining || this.#destroyed) return;
    this.#scheduled = true;
    if (this.held) {
      later(this.#continue);
      return;
    }
    const outcome = this.#slice(fresh);
    if (outcome === Pass.SETTLED) {
      // Two microtasks later: the continuations run in the first round, and what they await next is consumed in the second.
      // Microtasks go before everything of the platform's, so its time is looked at here as well.
      if (this.clock.virtual || this.#now < this.#sliceEnd) later(this.#hop);
      else this.host.soon(this.#tick);
      return;
    }
    if (outcome === Pass.TIME) {
      this.host.soon(this.#tick);
      return;
    }
    this.#scheduled = false;
    this.#rest();
  }

  /** The slice of an event that comes alone. */
  #runAlone(): void {
    if (this.#draining || this.#destroyed) return;
    const outcome = this.#runLean();
    if (outcome === Pass.EMPTY && this.#nothingElse()) {
      this.#scheduled = false;
      return;
    }
    if (outcome !== Pass.SETTLED) return this.#run(true);
    // As in #run: the continuations come first.
    this.#sliceEnd = this.updateNow() + config.switchInterval * 1000;
    later(this.#hop);
  }

  /**
   * A batch on the platform's stack. Mostly one greenlet goes on and waits again, so what costs as much as that, the clock and the
   * timers, is not looked at. TIME: nothing was done, since somebody must be told of it.
   */
  #runLean(): number {
    if (this.isolated || this.clock.virtual || this.#watched()) return Pass.TIME;
    if (this.slices !== null || this.tracer !== null || this.pulse !== null) return Pass.TIME;
    const { words } = this.core;
    const { cur, aside } = this;
    const before = this.activate();
    this.#draining = true;
    if (words[BUDGET] <= 0) words[BUDGET] = this.#batch;
    this.#stamp = UNREAD;
    this.#unread = true;
    try {
      return this.#runBatch();
    } finally {
      this.handOver();
      this.#unread = false;
      this.#draining = false;
      this.cur = cur;
      this.aside = aside;
      setActive(before);
    }
  }

  /** Somebody has a part in how slices begin or end. */
  #watched(): boolean {
    return this.loop.$phases || this.held || this.joiners.size > 0;
  }

  /** After a lean batch that has left nothing ready: true if nothing is due before the platform's timer comes. */
  #nothingElse(): boolean {
    if (this.#watched()) return false;
    if (this.leftAlone.length > 0) this.#giveRowsBack();
    if (this.#shared.length > 0) this.updateNow();
    const at = this.core.nextDeadline();
    if (at === Infinity || this.#timer === null) return at === Infinity && this.#timer === null;
    return this.#timerAt <= at && this.#timerRef === this.#timersCount();
  }

  /** Turns until nothing is ready, a promise was settled, or time is up. */
  #slice(fresh: boolean): number {
    const before = this.activate();
    const { cur, aside } = this;
    this.#draining = true;
    const words = this.core.words;
    if (!fresh && this.#roundsLeft > 0 && this.#shared.length === 0 && !this.clock.virtual) {
      --this.#roundsLeft;
      this.#unread = true;
    } else {
      const before = this.#checked;
      this.#checked = this.updateNow();
      this.#rounds = !fresh && this.#checked - before < 0.1 ? Math.min(2 * this.#rounds, MAX_ROUNDS) : 1;
      this.#roundsLeft = this.#rounds - 1;
    }
    if (fresh) {
      this.#sliceEnd = this.#now + config.switchInterval * 1000;
      this.#virtualLeft = VIRTUAL_LIMIT;
    }
    if (words[BUDGET] <= 0) words[BUDGET] = this.#batch;
    this.#stamp = UNREAD;
    try {
      for (;;) {
        if (this.loop.$phases) this.loop.$prepare();
        const outcome = this.#pass();
        // A flood of ready ones ends its pass on time, and what is due is not kept waiting by it.
        const settled = this.#due();
        if (this.loop.$phases) this.loop.$check();
        if (settled || outcome === Pass.SETTLED) return Pass.SETTLED;
        if (outcome === Pass.TIME) return outcome;
        if (this.#nothingReady()) {
          // Those that guests wait on are looked at again and again: the more they are, the rarer.
          if (this.leftAlone.length > 0 && ++this.#rests * MAX_LEFT_ALONE >= this.#keptAlone) this.#giveRowsBack();
          // Armed during that phase and due already: its turn is the next one, and before anything idle.
          this.handOver();
          const due = this.core.nextDeadline() <= this.#now;
          if (!due && (!this.loop.$phases || !this.loop.$idle())) return Pass.EMPTY;
          // An idle watcher asks for another turn, but not at the expense of the platform's.
          if (!due && this.#nothingReady()) return this.clock.virtual ? Pass.EMPTY : Pass.TIME;
        }
        if (!this.clock.virtual && this.#now >= this.#sliceEnd) return Pass.TIME;
      }
    } finally {
      this.handOver();
      this.#draining = this.single = false;
      this.cur = cur;
      this.aside = aside;
      setActive(before);
    }
  }

  /** @internal Move the entry that was put into the ring last to its front. */
  lastToFront(): void {
    const { words, ring } = this.core;
    const last = (words[TAIL] - 1) & words[MASK];
    const entry = ring[last];
    words[TAIL] = last;
    words[HEAD] = (words[HEAD] - 1) & words[MASK];
    ring[words[HEAD]] = entry;
  }

  /** @internal Put a loose slot behind the first entry of the ring. */
  behindFront(slot: number): void {
    this.core.readyFront(slot);
    const { words, ring } = this.core;
    const second = (words[HEAD] + 1) & words[MASK];
    ring[words[HEAD]] = ring[second];
    ring[second] = slot;
  }

  /** True if the ring is empty. Holes are nothing: a core closes them up when it likes, and no order may depend on that. */
  #nothingReady(): boolean {
    const { words, ring } = this.core;
    while (words[HEAD] !== words[TAIL] && ring[words[HEAD]] === HOLE) words[HEAD] = (words[HEAD] + 1) & words[MASK];
    return words[HEAD] === words[TAIL];
  }

  /** Phase 1: the ready ring, a batch at a time. */
  #pass(): number {
    for (;;) {
      const outcome =
        this.slices === null && this.tracer === null && this.pulse === null ? this.#runBatch() : runWithCare(this);
      if (outcome !== Pass.BATCH) return outcome;
      if (this.#checkpoint()) return Pass.TIME;
    }
  }

  /** @internal Run one slot whose turn has come. True if a promise was settled. */
  $fireSlot(slot: number): boolean {
    if (this.pulse !== null) ++this.pulse[0];
    if (this.bodies[slot] === null) {
      this.cur = NIL;
      this.aside = this;
      const fired = this.owners[slot].$fire(this, slot);
      if (fired !== Fired.RUN) return fired === Fired.SETTLED || this.settledMain;
    }
    const g = this.owners[slot] as RawGreenlet;
    follow(this, g, traced(this, 'switch', this, g));
    return this.settledMain;
  }

  /** @internal The turn of a row's notifier. The waiter to run, or NIL. */
  $notified(entry: number): number {
    if (entry === HOLE) return NIL;
    const row = ~entry;
    const slot = this.core.notify(row);
    if (slot === NIL) this.rowOwners[row].$rowDone?.(this, row);
    return slot;
  }

  /** @internal A slice ended with more than a yield or a park. */
  $after(slot: number, result: IteratorResult<never, unknown>): void {
    const next = after(this, this.owners[slot] as RawGreenlet, result);
    if (next !== null) follow(this, next, this.takeThrown());
  }

  /** @internal A slice threw. */
  $threw(slot: number, error: unknown): void {
    const next = threw(this, this.owners[slot] as RawGreenlet, error);
    if (next !== null) follow(this, next, this.takeThrown());
  }

  /** @internal A promise was settled. Others that are next in line for the same are settled with it, in one round of microtasks. */
  $settled(): number {
    this.settledMain = false;
    for (;;) {
      const { words, ring } = this.core;
      const head = words[HEAD];
      if (head === words[TAIL]) break;
      const entry = ring[head];
      if (entry === HOLE) {
        // Nothing: a core may have closed it up as well.
        words[HEAD] = (head + 1) & words[MASK];
        continue;
      }
      if (entry < 0 || this.bodies[entry] !== null) break;
      const owner = this.owners[entry];
      if (!(owner instanceof Waiter)) break;
      words[HEAD] = (head + 1) & words[MASK];
      --words[BUDGET];
      owner.$fire(this, entry);
    }
    return Pass.SETTLED;
  }

  /** Phase 2. True if a promise was settled. */
  #due(): boolean {
    const core = this.core;
    if (this.held) return true;
    this.handOver();
    if (core.nextDeadline() === Infinity) return false;
    const now = this.updateNow();
    this.#stamp = UNREAD;
    if (core.nextDeadline() > now) return false;
    let settled = false;
    core.beginDue();
    this.single = true;
    for (;;) {
      const slot = core.nextDue(now);
      if (slot === NIL) break;
      // Each is a slice of its own for now().
      --core.words[BUDGET];
      if (settled && !(this.owners[slot] instanceof Waiter)) {
        // Behind the continuations of those that were due before it, and in front of all else.
        core.readyFront(slot);
        break;
      }
      if (this.$fireSlot(slot)) settled = true;
    }
    this.single = false;
    this.settledMain = false;
    return settled;
  }

  /** The batch is over: look at the clock. True if the platform's turn has come. */
  #checkpoint(): boolean {
    const now = this.updateNow();
    const words = this.core.words;
    this.#stamp = UNREAD;
    if (this.clock.virtual) {
      words[BUDGET] = MAX_BATCH;
      this.#virtualLeft -= MAX_BATCH;
      if (this.#virtualLeft < 0) {
        this.#virtualLeft = VIRTUAL_LIMIT;
        throw new GeventError(
          'GEVENT_VIRTUAL_FLOOD',
          `${VIRTUAL_LIMIT} switches in a row while the virtual clock stood still: a greenlet never sleeps`,
        );
      }
      return false;
    }
    const spent = now - this.#checked;
    this.#checked = now;
    if (spent < 0.1 && this.#batch < MAX_BATCH) this.#batch *= 2;
    else if (spent > 0.5 && this.#batch > MIN_BATCH) this.#batch >>= 1;
    words[BUDGET] = this.#batch;
    return now >= this.#sliceEnd;
  }

  /** Nothing is ready. Wake those who wait for just that, and leave the rest to the platform and its timer. */
  #rest(): void {
    if (this.quiescent()) {
      if (this.#wakeJoiners()) return;
      if (this.isolated) this.#exit();
    }
    if (this.clock.virtual) this.onRest?.();
    else this.#armTimer();
  }

  #armTimer(): void {
    const at = this.core.nextDeadline();
    if (at === Infinity) {
      if (this.#timer !== null) this.#disarmTimer();
      return;
    }
    const ref = this.#timersCount();
    // One that comes too early only looks again.
    if (this.#timer !== null && this.#timerAt <= at && this.#timerRef === ref) return;
    this.#disarmTimer();
    const ms = Math.ceil(at - this.clock.now());
    this.#timerAt = at;
    this.#timerRef = ref;
    this.#timer = this.host.after(ms > 0 ? ms : 0, this.#onTimer, ref);
  }

  /** True if some timer keeps the loop going. */
  #timersCount(): boolean {
    return this.core.counter(Counter.TIMERS) > this.unrefTimers;
  }

  #disarmTimer(): void {
    if (this.#timer === null) return;
    this.host.cancel(this.#timer);
    this.#timer = null;
    this.#timerAt = Infinity;
  }

  /** True if nothing of ours is left that could wake anybody. */
  quiescent(): boolean {
    this.handOver();
    const { core } = this;
    if (core.counter(Counter.READY) > 0 || this.refs > 0 || this.foreign > 0) return false;
    if (this.#timersCount()) return false;
    for (const g of this.asyncBodies) {
      // One without a pending operation awaits something we do not know.
      if (g.$firstWaiter() === null) return false;
    }
    return true;
  }

  /** The platform has nothing left to do. */
  #idle(): void {
    if (this.#destroyed || threadHubIfAny() !== this) return;
    if (this.#wakeJoiners()) return;
    this.#exit();
    if (debugging) this.debug.left(this.main);
  }

  /** Tell those in `join()` that nothing is left. False if there are none. */
  #wakeJoiners(): boolean {
    if (this.joiners.size === 0) return false;
    for (const join of this.joiners) join.wake(this);
    this.kick();
    return true;
  }

  /** Main waits and nothing can wake it. */
  #exit(): void {
    if (this.mainSwitch === null && this.mainWaiters.first === null) return;
    this.#failMain(new LoopExit(exitMessage(this), this));
  }

  /** Whatever main waits for ends with `error`. */
  #failMain(error: unknown): void {
    const op = this.mainSwitch;
    if (op !== null) {
      this.mainSwitch = null;
      this.main.$state = State.LIVE;
      op.fail(error);
    }
    let waiter = this.mainWaiters.first;
    while (waiter !== null) {
      waiter.$throw(this, error);
      waiter = this.mainWaiters.first;
    }
  }

  /** One line for each greenlet and main operation that waits: who, in what. */
  whoWaits(): string[] {
    return this.dump().lines();
  }

  /**
   * All that is alive: who waits in what, on which object, until when; who is shielded; who waits for one another in a circle. In debug
   * mode also since when, and where each waits and was spawned. `String(hub.dump())` is for people.
   */
  dump(): Dump {
    this.handOver();
    return new Dump(this);
  }

  /** Write `dump()` to the exception stream whenever the process gets `signal`; gives what stops that. */
  dumpOn(signal: string | number): { cancel(): void } {
    const watcher = this.loop.signal(signal, { ref: false });
    watcher.start(() => this.report(String(this.dump())));
    return { cancel: () => watcher.close() };
  }

  // ---- main ---------------------------------------------------------------------------------------------------------

  /**
   * @internal Raise `error` in main: in its oldest pending operation, of those consumed after `since`.
   * False if there is none.
   */
  throwInMain(error: unknown, since = 0): boolean {
    for (let waiter = this.mainWaiters.first; waiter !== null; waiter = waiter.after) {
      if (waiter.serial > since) {
        waiter.$throw(this, error);
        return true;
      }
    }
    return false;
  }

  /** @internal Raise `error` in main's next operation. */
  throwInMainLater(error: unknown): void {
    this.#mainErrors.push({ error });
  }

  /** @internal Not any more. */
  forgetInMain(error: unknown): void {
    this.#mainErrors = this.#mainErrors.filter((pending) => pending.error !== error);
  }

  /** @internal */
  takeMainError(): { error: unknown } | null {
    return this.#mainErrors.length === 0 ? null : (this.#mainErrors.shift() as { error: unknown });
  }

  /** Raise `error` in main: in its oldest pending operation, or else as the platform's uncaught exception. */
  handleSystemError(error: unknown): void {
    if (!this.throwInMain(error)) this.host.uncaught(error);
  }

  // ---- the public rest ----------------------------------------------------------------------------------------------

  /** Wait until the loop has nothing left to do: true; or until `timeout` seconds are over: false. Only main may. */
  join(options: { timeout?: Seconds | null } = {}): Operation<boolean> {
    needOptions('hub.join(options)', options, TIMEOUT);
    const { timeout } = options;
    return new JoinHub(this, timeout === undefined || timeout === null ? null : toWaitMs(timeout, 'hub.join(timeout)'));
  }

  /**
   * Start `watcher` and wait until it fires. Switch point, always. The watcher is stopped in any case.
   * @throws ConcurrentObjectUseError if the watcher is in use
   */
  wait(watcher: Watcher): Operation<void> {
    return new WaitFor(watcher);
  }

  /** Raise `error` in whoever is in `wait(watcher)`, soon; and close the watcher. Without watcher, or if nobody waits, nothing is raised. */
  cancelWait(watcher: Watcher | null | undefined, error: unknown, closeWatcher = false): void {
    WaitFor.cancel(this, watcher ?? null, error, closeWatcher);
  }

  /** The same for several watchers, which are closed; then `then(...args)` is called: at once if nobody waits, else behind them. */
  cancelWaitsCloseAndThen<A extends unknown[]>(
    watchers: Iterable<Watcher | null | undefined>,
    error: unknown,
    then: (...args: A) => unknown,
    ...args: A
  ): void {
    let waited = false;
    for (const watcher of watchers) waited = WaitFor.cancel(this, watcher ?? null, error, true) || waited;
    if (waited) this.runCallback(then, ...args);
    else then(...args);
  }

  /** Give control to the loop; only a raw greenlet of one's own making can take it back, by `switch`. */
  override switch(...args: unknown[]): SwitchOperation {
    return super.switch(...args);
  }

  /** `spawn` on this hub, from wherever. */
  spawn<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
  spawn<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Greenlet<Awaited<R>>;
  spawn(fn: (...args: any[]) => unknown, ...args: unknown[]): unknown {
    return spawnOn(this, fn, args);
  }

  /** Run `fn(...args)` in the hub on its next turn; gives something to `stop()`. */
  runCallback<A extends unknown[]>(fn: (...args: A) => unknown, ...args: A): ReturnType<Loop['runCallback']> {
    return this.loop.runCallback(fn as (...args: unknown[]) => unknown, ...args);
  }

  /** Counts of what is alive. Two equal ones before and after mean that nothing was left behind. */
  statistics(): Record<string, number> {
    this.handOver();
    return statisticsOf(this);
  }

  /**
   * Have a thread watch for greenlets that block the loop, and for memory; see `gevent-wasm/monitor`. Gives the one there is, if there is one.
   * @throws GeventError `GEVENT_NO_MONITOR` where it cannot be loaded by itself
   */
  startPeriodicMonitoringThread(): Monitor {
    this.periodicMonitoringThread ??= makeMonitor(this);
    return this.periodicMonitoringThread;
  }

  /** Its pool of threads, made when it is first asked for: `threadpoolSize` at most, idle ones end after `config.threadpoolIdleTaskTimeout`. */
  get threadpool(): ThreadPool {
    if (this.#threadpool === null) {
      const { threadpoolSize: size, threadpoolClass } = this;
      this.#threadpool = makeThreadPool(
        this,
        threadpoolClass ?? config.threadpool,
        size,
        config.threadpoolIdleTaskTimeout,
      );
    }
    return this.#threadpool;
  }

  /** Another in its place; null: a new one when it is next asked for. */
  set threadpool(pool: ThreadPool | null) {
    this.#threadpool = pool;
  }

  /** End the hub: pending timers and callbacks never run, and `getHub()` makes a new one. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.periodicMonitoringThread?.kill();
    // Main would wait for ever.
    this.#failMain(new HubDestroyed(`${this} was destroyed`));
    this.#disarmTimer();
    this.#stopIdle();
    unwatchStores(this);
    for (const close of this.closers.splice(0)) close();
    this.loop.$destroy();
    if (threadHubIfAny() === this) replaceThreadHub(null);
  }

  /** True after `destroy()`. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** @internal */
  override get $label(): string {
    return `Hub${this.name ? ` ${this.name}` : ''} core=${this.core.name}`;
  }

  override toString(): string {
    return `<${this.$label}>`;
  }
}

/** The hub of this thread, made at the first call. */
export function getHub(): Hub {
  return active ?? threadHub();
}
