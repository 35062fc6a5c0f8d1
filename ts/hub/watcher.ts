// What all watchers share: start and stop, counting those that keep the loop going, and calling back in the hub's context.

import { wrongRange, wrongType } from '../core/arguments.ts';
import { GeventError } from '../exceptions.ts';
import type { AnyFunction } from './callback.ts';
import type { Loop } from './loop.ts';
import type { SliceContext } from './raw.ts';

export interface WatcherOptions {
  /** Default true. */
  ref?: boolean;
  /** 2 to -2, default 0. */
  priority?: number | null;
}

/** `priority`, if it is an integer from -2 to 2. */
export function checkPriority(where: string, priority: number): number {
  if (!Number.isInteger(priority) || priority < -2 || priority > 2) {
    throw wrongRange(where, 'an integer from -2 to 2', priority);
  }
  return priority;
}

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

/**
 * A watcher whose events come from where the platform does not look: no handle of its keeps a process alive for them, so a
 * referenced one holds it by a timer.
 */
export abstract class OutsideWatcher extends Watcher {
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
