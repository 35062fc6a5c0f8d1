// gevent's `hub.loop`, after libev: it makes callbacks and watchers, and calls those that belong to a phase of the turn. All of them run in
// the hub's own context, where nothing may block.

import { needFunction } from '../core/arguments.ts';
import type { Seconds } from '../core/clock.ts';
import { Counter, NIL } from '../core/contract.ts';
import { GeventError } from '../exceptions.ts';
import { type AnyFunction, Callback } from './callback.ts';
import { platformTimers } from './host.ts';
import type { Hub } from './hub.ts';
import { TimerWatcher } from './timer-watcher.ts';
import type { Watcher, WatcherOptions } from './watcher.ts';
import { AsyncWatcher, type Phase, PhaseWatcher, SignalWatcher } from './watchers.ts';

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
  readonly #phases: Record<Phase, Set<PhaseWatcher>> = { prepare: new Set(), check: new Set(), idle: new Set() };
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
  $phase(name: Phase): Set<PhaseWatcher> {
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
