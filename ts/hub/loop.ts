// The loop's face: callbacks and watchers, after libev as gevent shows it. All of them run in the hub's own context, where
// nothing may block. Callbacks and timers are slots of the core; prepare, check and idle watchers are called by the hub
// between the phases of a turn; async and signal watchers queue themselves as callbacks.

import { describe, needFunction, type Seconds, toMs, wrongRange, wrongType } from '../core/clock.ts';
import { Counter, Kind, NIL, Place } from '../core/contract.ts';
import { GeventError } from '../exceptions.ts';
import { platformTimers } from './host.ts';
import type { Hub } from './hub.ts';
import { Fired, type Fires } from './protocol.ts';
import type { SliceContext } from './raw.ts';

export type AnyFunction = (...args: any[]) => unknown;

/** A function waiting for its turn in the ready ring. @see gevent's `loop.run_callback` */
export class Callback implements Fires<Hub> {
  callback: AnyFunction | null;
  args: unknown[] | null;
  readonly #hub: Hub;
  #slot: number;
  #running: AnyFunction | null = null;
  readonly #context: SliceContext | null;

  /** @internal */
  constructor(hub: Hub, fn: AnyFunction, args: unknown[]) {
    this.#hub = hub;
    this.callback = fn;
    this.args = args;
    this.#context = hub.slices?.capture() ?? null;
    this.#slot = hub.take(Kind.CALLBACK, this);
    hub.core.ready(this.#slot);
    hub.kick();
  }

  /** True until just before it runs. */
  get pending(): boolean {
    return this.#slot !== NIL;
  }

  /** True while it is pending or running. */
  get active(): boolean {
    return this.args !== null;
  }

  /** Never run it. Harmless when it has run. */
  stop(): void {
    const slot = this.#slot;
    if (slot !== NIL) {
      this.#slot = NIL;
      this.#hub.core.unready(slot);
      this.#hub.release(slot);
    }
    this.callback = this.args = null;
  }

  close(): void {
    this.stop();
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    this.#slot = NIL;
    hub.release(slot);
    const { callback, args } = this;
    this.#running = callback;
    this.callback = null;
    if (hub.slices === null) hub.callback(this, callback as AnyFunction, args as unknown[]);
    else hub.slices.call(this.#context, () => hub.callback(this, callback as AnyFunction, args as unknown[]));
    this.args = this.#running = null;
    return Fired.DONE;
  }

  toString(): string {
    const fn = this.callback ?? this.#running;
    if (fn === null) return '<callback stopped>';
    return `<callback ${fn.name || 'anonymous'} args=(${(this.args ?? []).map(describe).join(', ')})>`;
  }
}

/** `priority`, if it is an integer from -2 to 2. */
export function checkPriority(where: string, priority: number): number {
  if (!Number.isInteger(priority) || priority < -2 || priority > 2) {
    throw wrongRange(where, 'an integer from -2 to 2', priority);
  }
  return priority;
}

const NAMES = ['highest', 'high', 'normal', 'low', 'lowest'];

/** What all watchers share. `start` arms, `stop` disarms, `close` ends it for good. */
export abstract class Watcher {
  readonly loop: Loop;
  callback: AnyFunction | null = null;
  args: unknown[] = [];
  #ref: boolean;
  #context: SliceContext | null = null;
  #counted = false;
  #priority = 0;
  #closed = false;

  /** @internal */
  constructor(loop: Loop, ref: boolean, priority: number | null | undefined) {
    this.loop = loop;
    this.#ref = ref;
    this.#priority = checkPriority('priority', priority ?? 0);
  }

  abstract get active(): boolean;

  get pending(): boolean {
    return false;
  }

  /** False: does not keep the loop going. */
  get ref(): boolean {
    return this.#ref;
  }

  set ref(ref: boolean) {
    if (ref === this.#ref) return;
    const active = this.active;
    if (active) this.$uncount();
    this.#ref = ref;
    if (!active) return;
    this.$count();
    // The platform's timer goes by it, too.
    this.loop.$hub.kick();
  }

  /** 2 (first) to -2, settable while inactive. */
  get priority(): number {
    return this.#priority;
  }

  set priority(priority: number) {
    checkPriority('priority', priority);
    if (this.active) throw new GeventError('GEVENT_WATCHER_ACTIVE', 'cannot set the priority of an active watcher');
    this.#priority = priority;
  }

  start(callback: AnyFunction, ...args: unknown[]): void {
    if (typeof callback !== 'function') throw wrongType(`${this.$kind}.start(callback)`, 'a function', callback);
    this.$open();
    if (this.active) this.stop();
    this.$set(callback, args);
    this.$count();
    this.$arm();
    this.loop.$hub.kick();
  }

  /** @internal */
  protected $set(callback: AnyFunction, args: unknown[]): void {
    this.callback = callback;
    this.args = args;
    this.#context = this.loop.$hub.slices?.capture() ?? null;
  }

  /** @internal Refuse what a closed watcher cannot do. */
  protected $open(): void {
    if (this.#closed) throw new GeventError('GEVENT_WATCHER_CLOSED', `${this}: this watcher is closed`);
  }

  stop(): void {
    if (this.active) {
      this.$disarm();
      this.$uncount();
    }
    this.callback = null;
    this.args = [];
  }

  close(): void {
    this.stop();
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  abstract get $kind(): string;
  /** @internal */
  protected abstract $arm(): void;
  /** @internal */
  protected abstract $disarm(): void;

  /** @internal Timers are counted by the core, so theirs are the exceptions. */
  protected $count(): void {
    if (this.#counted || !this.#ref) return;
    this.#counted = true;
    ++this.loop.$hub.refs;
  }

  /** @internal */
  protected $uncount(): void {
    if (!this.#counted) return;
    this.#counted = false;
    --this.loop.$hub.refs;
  }

  /** @internal Call the callback in the hub, in the async context of where it was started. */
  $invoke(): void {
    if (this.callback !== null) this.$call(this.callback, this.args);
  }

  /** @internal */
  protected $call(callback: AnyFunction, args: unknown[]): void {
    const hub = this.loop.$hub;
    if (hub.slices === null) hub.callback(this, callback, args);
    else hub.slices.call(this.#context, () => hub.callback(this, callback, args));
  }

  toString(): string {
    return `<${this.$kind}${this.active ? ' active' : ''}${this.callback === null ? '' : ` callback=${this.callback.name || 'anonymous'}`}>`;
  }
}

/** Take back a timer that has not been called: it is armed, or due and waits in the ring for continuations to run first. */
export function disarm({ core }: Hub, slot: number): void {
  if (!core.disarm(slot) && core.place(slot) === Place.READY) core.unready(slot);
}

/** Calls back after `after` seconds, then every `repeat` seconds if that is not 0. */
export class TimerWatcher extends Watcher implements Fires<Hub> {
  readonly #afterMs: number;
  readonly #repeatMs: number;
  #slot = NIL;
  /** Active, with nothing armed. */
  #endless = false;
  #unref = false;

  /** @internal */
  constructor(loop: Loop, after: Seconds, repeat: Seconds, ref: boolean, priority: number | null | undefined) {
    super(loop, ref, priority);
    this.#afterMs = toMs(after, 'timer(after)');
    this.#repeatMs = toMs(repeat, 'timer(repeat)');
    if (this.#repeatMs < 0) throw wrongRange('timer(repeat)', '0 or more seconds', repeat);
  }

  get $kind(): string {
    return `timer priority=${NAMES[2 - this.priority]}`;
  }

  get active(): boolean {
    return this.#slot !== NIL;
  }

  protected $arm(): void {
    this.#armFor(this.#afterMs);
  }

  #armFor(ms: number): void {
    const hub = this.loop.$hub;
    this.#slot = hub.take(Kind.TIMER, this);
    this.#endless = ms === Infinity;
    this.$count();
    hub.arm(this.#slot, ms, 2 - this.priority);
  }

  protected $disarm(): void {
    const hub = this.loop.$hub;
    disarm(hub, this.#slot);
    if (this.#unref) --hub.unrefTimers;
    this.#unref = false;
    hub.release(this.#slot);
    this.#slot = NIL;
  }

  protected override $count(): void {
    // Counted by the core while armed; a change of `ref` while armed moves it to the other side.
    if (this.active && !this.ref && !this.#endless && !this.#unref) {
      this.#unref = true;
      ++this.loop.$hub.unrefTimers;
    }
  }

  protected override $uncount(): void {
    if (this.active && this.#unref) {
      this.#unref = false;
      --this.loop.$hub.unrefTimers;
    }
  }

  /** Arm again, `repeat` seconds from now. */
  again(callback: AnyFunction, ...args: unknown[]): void {
    needFunction('timer.again(callback)', callback);
    this.$open();
    this.stop();
    if (this.#repeatMs === 0) return;
    this.$set(callback, args);
    this.#armFor(this.#repeatMs);
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    const { callback, args } = this;
    if (this.#repeatMs > 0 && this.#repeatMs !== Infinity) {
      hub.arm(slot, this.#repeatMs, 2 - this.priority);
    } else {
      this.#slot = NIL;
      if (this.#unref) --hub.unrefTimers;
      this.#unref = false;
      hub.release(slot);
      this.callback = null;
      this.args = [];
    }
    this.$call(callback as AnyFunction, args);
    return Fired.DONE;
  }
}

/**
 * A watcher whose events come from where the platform does not look: no handle of its keeps a process alive for them, so a
 * referenced one holds it by a timer.
 */
abstract class OutsideWatcher extends Watcher {
  protected override $count(): void {
    super.$count();
    this.loop.$outside.add(this);
    this.loop.$hold(this, this.ref);
  }

  protected override $uncount(): void {
    super.$uncount();
    this.loop.$outside.delete(this);
    this.loop.$hold(this, false);
  }
}

/** Called once for each `send()` that is seen, from wherever it came. */
export class AsyncWatcher extends OutsideWatcher {
  #active = false;
  #queued: Callback | null = null;

  get $kind(): string {
    return 'async';
  }

  get active(): boolean {
    return this.#active;
  }

  override get pending(): boolean {
    return this.#queued?.pending ?? false;
  }

  protected $arm(): void {
    this.#active = true;
  }

  protected $disarm(): void {
    this.#active = false;
    this.#queued?.stop();
    this.#queued = null;
  }

  /** Wake the loop; several before it runs count as one. */
  send(): void {
    if (!this.#active || this.pending) return;
    this.#queued = this.loop.runCallback(() => this.$invoke());
  }

  /** `send()` for callers that pass something. */
  sendIgnoringArg(_ignored?: unknown): void {
    this.send();
  }
}

/** Called in every turn: before (`prepare`), after (`check`), or when nothing else is left (`idle`). */
export class PhaseWatcher extends Watcher {
  readonly #phase: 'prepare' | 'check' | 'idle';
  #active = false;

  /** @internal */
  constructor(loop: Loop, phase: 'prepare' | 'check' | 'idle', ref: boolean, priority: number | null | undefined) {
    super(loop, ref, priority);
    this.#phase = phase;
  }

  get $kind(): string {
    return this.#phase;
  }

  get active(): boolean {
    return this.#active;
  }

  protected $arm(): void {
    this.#active = true;
    this.loop.$phase(this.#phase).add(this);
  }

  protected $disarm(): void {
    this.#active = false;
    this.loop.$phase(this.#phase).delete(this);
  }

  // libev counts these; but prepare and check fire only in turns that something else causes, so here they never keep
  // the loop going by themselves. An idle watcher does: it makes turns.
  protected override $count(): void {
    if (this.#phase === 'idle') super.$count();
  }
}

/** Calls back when the process gets a signal. */
export class SignalWatcher extends OutsideWatcher {
  readonly #name: string;
  #active = false;
  readonly #handler = () => {
    this.loop.runCallback(() => this.$invoke());
  };

  /** @internal */
  constructor(loop: Loop, signal: string | number, ref: boolean, priority: number | null | undefined) {
    super(loop, ref, priority);
    this.#name = signalName(signal);
  }

  get $kind(): string {
    return `signal ${this.#name}`;
  }

  get active(): boolean {
    return this.#active;
  }

  protected $arm(): void {
    this.#active = true;
    process.on(this.#name, this.#handler);
  }

  protected $disarm(): void {
    this.#active = false;
    process.off(this.#name, this.#handler);
  }
}

/** `SIGTERM`, `'SIGTERM'` or 15 as Node's name. */
export function signalName(signal: string | number): string {
  const os = process.getBuiltinModule('node:os');
  const names = os.constants.signals as Record<string, number>;
  if (typeof signal === 'string' && signal in names) return signal;
  if (typeof signal === 'number') {
    for (const name in names) if (names[name] === signal) return name;
  }
  throw wrongRange('signal', "a name such as 'SIGTERM' or its number", signal);
}

export interface WatcherOptions {
  /** Default true. */
  ref?: boolean;
  /** 2 to -2, default 0. */
  priority?: number | null;
}

/** Watchers of what only the platform can poll. ts/net provides them; nothing here may import a module of Node. */
export interface PlatformWatchers {
  io(loop: Loop, handle: unknown, events: number, options: WatcherOptions & { passEvents?: boolean }): Watcher;
  stat(loop: Loop, path: string, interval: Seconds, options: WatcherOptions): Watcher;
  child(loop: Loop, child: unknown, options: WatcherOptions): Watcher;
  closing(loop: Loop, handle: unknown): boolean;
}

let platform: PlatformWatchers | null = null;

/** @internal */
export function setWatchers(watchers: PlatformWatchers): void {
  platform = watchers;
}

function watchers(what: string): PlatformWatchers {
  if (platform !== null) return platform;
  throw new GeventError('GEVENT_FD_UNSUPPORTED', `loop.${what}: import gevent-wasm/select first; it needs Node`);
}

/** gevent's `hub.loop`. */
export class Loop {
  /** @internal */ readonly $hub: Hub;
  /** @internal True while there are prepare, check or idle watchers. */ $phases = false;
  readonly #phases: Record<string, Set<PhaseWatcher>> = { prepare: new Set(), check: new Set(), idle: new Set() };
  /** @internal Active watchers of events from outside. */ readonly $outside = new Set<Watcher>();
  readonly #held = new Map<unknown, unknown>();
  #iteration = 0;
  #explicitRefs = 0;
  readonly MAXPRI = 2;
  readonly MINPRI = -2;

  /** @internal */
  constructor(hub: Hub) {
    this.$hub = hub;
  }

  /** Queue `fn(...args)` behind all that is ready; it runs in the hub's context, in this turn if the loop runs. */
  runCallback(fn: AnyFunction, ...args: unknown[]): Callback {
    needFunction('runCallback(fn)', fn);
    return new Callback(this.$hub, fn, args);
  }

  timer(after: Seconds, repeat: Seconds = 0, { ref = true, priority }: WatcherOptions = {}): TimerWatcher {
    return new TimerWatcher(this, after, repeat, ref, priority);
  }

  async({ ref = true, priority }: WatcherOptions = {}): AsyncWatcher {
    return new AsyncWatcher(this, ref, priority);
  }

  idle({ ref = true, priority }: WatcherOptions = {}): PhaseWatcher {
    return new PhaseWatcher(this, 'idle', ref, priority);
  }

  prepare({ ref = true, priority }: WatcherOptions = {}): PhaseWatcher {
    return new PhaseWatcher(this, 'prepare', ref, priority);
  }

  check({ ref = true, priority }: WatcherOptions = {}): PhaseWatcher {
    return new PhaseWatcher(this, 'check', ref, priority);
  }

  signal(signal: string | number, { ref = true, priority }: WatcherOptions = {}): SignalWatcher {
    return new SignalWatcher(this, signal, ref, priority);
  }

  /**
   * Calls back in every turn in which `handle` (a socket, a file, a stream of Node's) is ready for `events`: 1 READ, 2 WRITE.
   * @param options.passEvents - give the callback what it is ready for as its first argument
   * @throws GeventError `GEVENT_FD_UNSUPPORTED` for a bare descriptor
   */
  io(handle: unknown, events: number, options: WatcherOptions & { passEvents?: boolean } = {}): Watcher {
    return watchers('io').io(this, handle, events, options);
  }

  /** Calls back when the status of a file changes, looking every `interval` seconds. Default 5. */
  stat(path: string, interval: Seconds = 0, options: WatcherOptions = {}): Watcher {
    return watchers('stat').stat(this, path, interval, options);
  }

  /** Calls back when a child has ended: a ChildProcess, or the id of one that this library started. */
  child(child: unknown, options: WatcherOptions = {}): Watcher {
    return watchers('child').child(this, child, options);
  }

  /**
   * `handle` is about to be closed: its `io` watchers are called once more. True if there are any. Sockets and files that are closed
   * tell theirs by themselves.
   */
  closingFd(handle: unknown): boolean {
    return platform?.closing(this, handle) ?? false;
  }

  /** Seconds on the loop's clock, as of the running turn. */
  now(): number {
    return this.$hub.now() / 1000;
  }

  /** Read the clock afresh. */
  updateNow(): void {
    this.$hub.updateNow();
  }

  /** Keep the loop going until `unref()`. */
  ref(): void {
    ++this.#explicitRefs;
    ++this.$hub.refs;
    this.$hold(this, true);
  }

  unref(): void {
    if (this.#explicitRefs === 0) throw new GeventError('GEVENT_LOOP_UNREF', 'loop.unref() without a matching ref()');
    --this.#explicitRefs;
    --this.$hub.refs;
    if (this.#explicitRefs === 0) this.$hold(this, false);
  }

  /** Turns so far. */
  get iteration(): number {
    return this.#iteration;
  }

  get backend(): string {
    return this.$hub.core.name;
  }

  get default(): boolean {
    return !this.$hub.isolated;
  }

  /** Entries waiting in the ready ring. */
  get pendingcnt(): number {
    return this.$hub.core.counter(Counter.READY);
  }

  /** Armed timers and active watchers. */
  get activecnt(): number {
    this.$hub.handOver();
    return this.$hub.core.counter(Counter.TIMERS) + this.$hub.refs;
  }

  /** Seconds. The platform's timers have a resolution of a millisecond. */
  get approxTimerResolution(): number {
    return 0.001;
  }

  /** @internal Keep the process alive while `on`. */
  $hold(key: unknown, on: boolean): void {
    const held = this.#held.get(key);
    if (on && held === undefined)
      this.#held.set(
        key,
        platformTimers().setInterval(() => {}, 2 ** 30),
      );
    else if (!on && held !== undefined) {
      this.#held.delete(key);
      platformTimers().clearInterval(held);
    }
  }

  /** @internal */
  $phase(name: string): Set<PhaseWatcher> {
    this.$phases = true;
    return this.#phases[name];
  }

  /** @internal */
  $prepare(): void {
    ++this.#iteration;
    this.#invoke(this.#phases.prepare);
  }

  /** @internal */
  $check(): void {
    this.#invoke(this.#phases.check);
  }

  /** @internal Nothing is ready: run the idle watchers. True if there were any. */
  $idle(): boolean {
    const ran = this.#invoke(this.#phases.idle);
    if (this.#phases.idle.size + this.#phases.check.size + this.#phases.prepare.size === 0) this.$phases = false;
    return ran;
  }

  #invoke(watchers: Set<PhaseWatcher>): boolean {
    if (watchers.size === 0) return false;
    const hub = this.$hub;
    hub.cur = NIL;
    hub.aside = hub;
    for (const watcher of [...watchers].sort((a, b) => b.priority - a.priority)) {
      if (watcher.active) watcher.$invoke();
    }
    return true;
  }

  /** @internal */
  $destroy(): void {
    for (const watcher of this.$outside) watcher.close();
    for (const held of this.#held.values()) platformTimers().clearInterval(held);
    this.#held.clear();
    for (const set of Object.values(this.#phases)) for (const watcher of set) watcher.close();
  }
}
