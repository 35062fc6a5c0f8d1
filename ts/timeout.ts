// Timeout: an exception that arrives in the greenlet that started it, unless it is cancelled first.

import { needOptions } from './core/arguments.ts';
import { type Seconds, toMs } from './core/clock.ts';
import { Kind, NIL, Priority } from './core/contract.ts';
import { ControlException, GeventError } from './exceptions.ts';
import { deliver } from './hub/drive.ts';
import type { Hub } from './hub/hub.ts';
import { Fired, type Fires } from './hub/protocol.ts';
import { exceptionFrom, type RawGreenlet, waitingGreenlet } from './hub/raw.ts';
import { moment, takeBack } from './hub/shielding.ts';
import { disarm } from './hub/timer-watcher.ts';
import { checkPriority } from './hub/watcher.ts';
// Whoever is loaded first brings the hub along.
import './hub.ts';

/** What is raised instead of the Timeout: an exception or class; null: the Timeout itself; false: itself, silently. */
export type TimeoutException = Error | (new (...args: any[]) => Error) | string | null | false;

export interface TimeoutOptions {
  /** False: a pending timeout does not keep the loop going. Default true. */
  ref?: boolean;
  /** Among what is due at the same instant, 2 (first) to -2. Default -1: whatever became ready wins. */
  priority?: number;
}

// `#state`: the priority, and
const PRIORITY = 7;
/** `ref: false` was asked for. */
const UNREF = 8;
/** Among the hub's unrefTimers. */
const COUNTED = 16;
const CLOSED = 32;

/**
 * Raise an exception in the current greenlet after some time.
 *
 *     const timeout = new Timeout(2); timeout.start();
 *     try { yield* work(); } catch (e) { if (e !== timeout) throw e; ... } finally { timeout.close(); }
 *
 * or `using timeout = Timeout.startNew(2)` for a block. It arrives at a switch point; computation is not interrupted.
 * In main it rejects the oldest pending operation that was consumed after the start, else the next one.
 *
 * @param seconds - 0 or less: as soon as the loop has run what is ready; null: never
 * @param exception - raised instead of the Timeout itself
 * @see `gevent.Timeout`, the source.
 */
export class Timeout extends ControlException implements Fires<Hub> {
  static override readonly name: string = 'Timeout';
  static {
    Object.defineProperty(Timeout.prototype, 'code', { value: 'GEVENT_TIMEOUT' });
    // Composed when it is read, so that making one costs no text.
    Object.defineProperty(Timeout.prototype, 'message', {
      configurable: true,
      get(this: Timeout): string {
        return this.$text();
      },
      set(this: Timeout, value: unknown) {
        Object.defineProperty(this, 'message', { value, writable: true, configurable: true });
      },
    });
  }

  /** Seconds, as given; null: never expires. */
  readonly seconds: number | null;
  /** Raised instead of the Timeout itself. */
  readonly exception: TimeoutException;
  #slot = NIL;
  #greenlet: RawGreenlet | null = null;
  /** The moment of its start; in main, where there are no sections, the operation consumed last. */
  #since = 0;
  /** Fired, and on its way to the next operation of a body that is not in one. */
  #late: { greenlet: RawGreenlet; error: unknown } | null = null;
  /** The core's priority, and flags. One Timeout is made for each block that must end in time: the fewer fields the better. */
  #state: number;

  constructor(seconds: Seconds | null = null, exception: TimeoutException = null, options?: TimeoutOptions) {
    // What is rare is done elsewhere: V8 inlines a constructor, start() and cancel() together only as long as they are short.
    super();
    this.seconds = typeof seconds === 'number' && !Number.isNaN(seconds) ? seconds : secondsOf(seconds);
    this.exception = exception ?? null;
    this.#state = options === undefined ? Priority.LATE : stateOf(options);
  }

  /** Make one and start it. A Timeout is started if it is not pending, and given back itself. */
  static startNew(
    seconds: Seconds | Timeout | null = null,
    exception: TimeoutException = null,
    options?: TimeoutOptions,
  ): Timeout {
    if (seconds instanceof Timeout) {
      if (!seconds.pending) seconds.start();
      return seconds;
    }
    const timeout = new Timeout(seconds, exception, options);
    timeout.start();
    return timeout;
  }

  /**
   * Arm it for the current greenlet. Never a switch point.
   * @throws GeventError `GEVENT_TIMEOUT_PENDING` if it is pending, `GEVENT_TIMEOUT_CLOSED` after `close()`
   */
  start(): void {
    if (this.#slot !== NIL || (this.#state & CLOSED) !== 0) throw this.#unstartable();
    if (this.seconds === null) return;
    const greenlet = waitingGreenlet();
    const hub = greenlet.$hub;
    const ms = this.$ms(hub);
    this.#slot = ms === Infinity ? hub.take(Kind.TIMER, this) : hub.takeTimer(this, ms, this.#state & PRIORITY);
    this.#greenlet = greenlet;
    this.#since = greenlet === hub.main ? hub.waiterSerial : moment();
    if ((this.#state & UNREF) !== 0) this.#unref(hub);
  }

  #unref(hub: Hub): void {
    if (this.seconds === Infinity) return;
    this.#state |= COUNTED;
    ++hub.unrefTimers;
  }

  #unstartable(): GeventError {
    return this.#slot !== NIL
      ? new GeventError('GEVENT_TIMEOUT_PENDING', `${this} is already started; to restart it, cancel it first`)
      : new GeventError('GEVENT_TIMEOUT_CLOSED', `${this} is closed and cannot be started again`);
  }

  /** @internal Milliseconds from now. */
  protected $ms(_hub: Hub): number {
    return (this.seconds as number) * 1000;
  }

  /** @internal What a wait with this limit arms, or null: it is pending and comes by itself, or never. */
  $limitMs(): number | null {
    return this.pending || this.seconds === null ? null : Math.max(0, this.seconds * 1000);
  }

  /** Disarm it; it can be started again. */
  cancel(): void {
    const slot = this.#slot;
    if (slot === NIL) return this.#takeBack();
    const hub = (this.#greenlet as RawGreenlet).$hub;
    if (!hub.releaseTimer(slot)) {
      disarm(hub, slot);
      hub.release(slot);
    }
    this.#settled(hub);
  }

  /** What it was for is over: the body must not hear of it in some later operation. */
  #takeBack(): void {
    const late = this.#late;
    this.#late = null;
    if (late === null) return;
    takeBack(late.greenlet, late.error);
  }

  /** Disarm it for good. */
  close(): void {
    this.cancel();
    this.#state |= CLOSED;
  }

  /** Armed and not yet fired. */
  get pending(): boolean {
    return this.#slot !== NIL;
  }

  #settled(hub: Hub): void {
    this.#slot = NIL;
    this.#greenlet = null;
    if ((this.#state & COUNTED) !== 0) this.#uncount(hub);
  }

  #uncount(hub: Hub): void {
    this.#state &= ~COUNTED;
    --hub.unrefTimers;
  }

  /** @internal Whom it will wake: for dumps. */
  get $interrupts(): RawGreenlet | null {
    return this.#greenlet;
  }

  /** @internal */
  $fire(hub: Hub, slot: number): number {
    const greenlet = this.#greenlet as RawGreenlet;
    hub.release(slot);
    this.#settled(hub);
    this.onExpiration(greenlet, this.$raised(hub));
    return Fired.DONE;
  }

  /** @internal What is thrown. NIL-like undefined if the exception given is none: then the block is not interrupted. */
  $raised(hub: Hub): unknown {
    const { exception } = this;
    if (exception === null || exception === false || typeof exception === 'string') return this;
    try {
      return exceptionFrom(exception);
    } catch (error) {
      hub.$route(this, error);
      return undefined;
    }
  }

  /** For subclasses: raise `exception` in `greenlet`, which started this. Runs in the hub. */
  protected onExpiration(greenlet: RawGreenlet, exception: unknown): void {
    if (exception === undefined) return;
    const hub = greenlet.$hub;
    if (greenlet === hub.main) {
      if (!hub.throwInMain(exception, this.#since)) {
        hub.throwInMainLater(exception);
        this.#late = { greenlet, error: exception };
      }
    } else {
      deliver(hub, greenlet, exception, this.#since);
      const more = greenlet.$more;
      if (more?.pendingErrors?.includes(exception) || more?.shield?.held.some((held) => held.error === exception)) {
        this.#late = { greenlet, error: exception };
      }
    }
  }

  /** @internal */
  $text(): string {
    const { seconds, exception } = this;
    if (seconds === null) return '';
    const unit = seconds === 1 ? 'second' : 'seconds';
    if (exception === null) return `${seconds} ${unit}`;
    if (exception === false) return `${seconds} ${unit} (silent)`;
    const about = typeof exception === 'function' ? exception.name : String(exception);
    return `${seconds} ${unit}: ${about}`;
  }

  /** Ends a `using` block: closes it. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function secondsOf(seconds: Seconds | null | undefined): number | null {
  return seconds === null || seconds === undefined ? null : toMs(seconds, 'Timeout(seconds)') / 1000;
}

function stateOf(options: TimeoutOptions): number {
  needOptions('Timeout(options)', options, ['priority', 'ref']);
  const { priority = -1, ref = true } = options;
  return (2 - checkPriority('Timeout(priority)', priority)) | (ref ? 0 : UNREF);
}

/** A number of seconds (or none), or a Timeout with an exception of its own: what waiting calls take. */
export type Limit = Seconds | Timeout | null;
