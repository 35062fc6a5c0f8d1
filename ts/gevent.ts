// gevent's top-level functions.

import { describe, type Seconds } from './core/clock.ts';
import { GreenletExit, SystemExit } from './exceptions.ts';
import { active, threadHubIfAny } from './hub/current.ts';
import { deliver } from './hub/drive.ts';
import type { Hub } from './hub/hub.ts';
import { type Operation, SingleUse } from './hub/operation.ts';
import type { Park } from './hub/protocol.ts';
import { exceptionFrom, RawGreenlet, type RawRun, State } from './hub/raw.ts';
import { type GeneratorBody, Greenlet, type KillOptions, type OtherBody } from './gevent-greenlet.ts';
import { hubHere, type Limit, Timeout } from './timeout.ts';
import { joinall } from './waiting.ts';

/**
 * Make a greenlet that runs `fn(...args)` and queue it. It never runs before the caller next lets others run.
 *
 * @param fn - generator function (blocks by `yield*`), async function (by `await`) or plain function. Pass arguments rather than
 *   a closure: making a generator function costs thirty times a call of one
 * @returns the Greenlet: `join()`, `get()`, `kill()`, links
 * @throws TypeError if `fn` is not a function
 * @see `gevent.spawn`, the source.
 */
export function spawn<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
export function spawn<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Greenlet<Awaited<R>>;
export function spawn(fn: (...args: any[]) => any, ...args: unknown[]): Greenlet<any> {
  if (typeof fn !== 'function') throw new TypeError(`spawn(fn): expected a function, got ${describe(fn)}`);
  const greenlet = new Greenlet<any>(fn, ...args);
  greenlet.start();
  return greenlet;
}

/**
 * The same, but queued in `seconds`; 0 or less: in the next timer phase, after all that is ready now.
 * @see `gevent.spawn_later`, the source.
 */
export function spawnLater<A extends unknown[], R>(seconds: Seconds, fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
export function spawnLater<A extends unknown[], R>(
  seconds: Seconds,
  fn: OtherBody<A, R>,
  ...args: A
): Greenlet<Awaited<R>>;
export function spawnLater(seconds: Seconds, fn: (...args: any[]) => any, ...args: unknown[]): Greenlet<any> {
  if (typeof fn !== 'function') throw new TypeError(`spawnLater(seconds, fn): expected a function, got ${describe(fn)}`);
  const greenlet = new Greenlet<any>(fn, ...args);
  greenlet.startLater(seconds);
  return greenlet;
}

/**
 * A raw greenlet under the hub: cheaper than a Greenlet, without result, links or join.
 * @see `gevent.spawn_raw`, the source. Differs: the body is a generator or plain function.
 */
export function spawnRaw<A extends unknown[]>(
  fn: (...args: A) => Generator<Park, unknown, any> | unknown,
  ...args: A
): RawGreenlet {
  if (typeof fn !== 'function') throw new TypeError(`spawnRaw(fn): expected a function, got ${describe(fn)}`);
  const hub = hubHere();
  const raw = new RawGreenlet(fn as RawRun, hub, hub);
  hub.loop.runCallback(startRaw, raw, args);
  return raw;
}

function startRaw(raw: RawGreenlet, args: unknown[]): void {
  if (raw.$state === State.FRESH) raw.switch(...args);
}

/**
 * Raise an exception in a greenlet soon, without waiting for it.
 * @see `gevent.kill`, the source.
 */
export function kill(greenlet: RawGreenlet, exception: unknown = GreenletExit): void {
  if (!(greenlet instanceof RawGreenlet)) throw new TypeError(`kill(greenlet): expected a greenlet, got ${describe(greenlet)}`);
  if (greenlet instanceof Greenlet) {
    greenlet.kill({ exception, block: false });
    return;
  }
  if (greenlet.dead) return;
  const hub = greenlet.$hub;
  const error = exceptionFrom(exception);
  if (greenlet === hub.main) {
    hub.loop.runCallback(() => {
      if (!hub.throwInMain(error)) hub.throwInMainLater(error);
    });
  } else hub.loop.runCallback(deliver, hub, greenlet, error);
}

/**
 * Raise an exception in each of several greenlets. The order is given at once; the operation waits until all have ended.
 * Those that never ran end at once.
 * @throws Timeout if `timeout` came first (they are left to themselves)
 * @see `gevent.killall`, the source.
 */
export function killall(greenlets: Iterable<RawGreenlet>, options: KillOptions = {}): Operation<void> {
  const { exception = GreenletExit, block = true, timeout = null } = options;
  const living: RawGreenlet[] = [];
  let hub: Hub | null = null;
  for (const greenlet of greenlets) {
    if (!(greenlet instanceof RawGreenlet)) {
      throw new TypeError(`killall(greenlets): expected greenlets, got ${describe(greenlet)}`);
    }
    if (greenlet.dead) continue;
    if (greenlet instanceof Greenlet && (greenlet.$state === State.FRESH || greenlet.$state === State.QUEUED)) {
      greenlet.kill({ exception, block: false });
      continue;
    }
    hub = greenlet.$hub;
    living.push(greenlet);
  }
  if (hub !== null) hub.loop.runCallback(shootAll, hub, living, exception);
  return new KillAll(block ? living : [], timeout);
}

function shootAll(hub: Hub, living: RawGreenlet[], exception: unknown): void {
  for (const greenlet of living) deliver(hub, greenlet, exceptionFrom(exception));
}

class KillAll extends SingleUse<void> {
  readonly #living: RawGreenlet[];
  readonly #limit: Limit;
  #join: Operation<unknown[]> | null = null;
  #greenlets: Greenlet[] = [];

  constructor(living: RawGreenlet[], limit: Limit) {
    super();
    this.#living = living;
    this.#limit = limit;
  }

  describe(): string {
    return `killall of ${this.#living.length} greenlets`;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#greenlets = this.#living.filter((g): g is Greenlet => g instanceof Greenlet && !g.dead);
    if (this.#greenlets.length === 0) return true;
    this.#join = joinall(this.#greenlets, { timeout: this.#limit });
    return this.#join.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): void {
    this.#join?.complete(hub, slot);
    if (this.#greenlets.some((g) => !g.dead)) {
      throw new Timeout(this.#limit instanceof Timeout ? this.#limit.seconds : this.#limit);
    }
  }

  override abandon(hub: Hub, slot: number): void {
    this.#join?.abandon(hub, slot);
  }
}

/** What `signalHandler` gives. */
export interface SignalHandler {
  /** Stop handling the signal. */
  cancel(): void;
  /** True: waiting for the signal keeps the process alive. Default false. */
  ref: boolean;
}

/**
 * Call `handler(...args)` in a new greenlet when the process gets a signal. Its errors are raised in main.
 * @param signal - `'SIGTERM'` or its number
 * @see `gevent.signal_handler`, the source.
 */
export function signalHandler<A extends unknown[]>(
  signal: string | number,
  handler: (...args: A) => unknown,
  ...args: A
): SignalHandler {
  if (typeof handler !== 'function') {
    throw new TypeError(`signalHandler(signal, handler): expected a function, got ${describe(handler)}`);
  }
  const hub = hubHere();
  const watcher = hub.loop.signal(signal, { ref: false });
  watcher.start(() => {
    const greenlet = new Greenlet<unknown>(handler as (...args: unknown[]) => unknown, ...args);
    greenlet.$routeToMain = true;
    greenlet.start();
  });
  return {
    cancel: () => watcher.close(),
    get ref() {
      return watcher.ref;
    },
    set ref(ref: boolean) {
      watcher.ref = ref;
    },
  };
}

/**
 * End everything on this hub: every greenlet is killed, then what main still waits for is rejected with SystemExit.
 * The order is given at once. The process ends by itself when nothing of the platform's keeps it.
 * @see `gevent.shutdown` of old, as its tutorials use it: `signalHandler('SIGQUIT', shutdown)`.
 */
export function shutdown(): void {
  const hub = active ?? threadHubIfAny();
  if (hub === null || hub === undefined) return;
  const caller = hub.cur >= 0 ? hub.owners[hub.cur] : null;
  const greenlets: Greenlet[] = [];
  for (const owner of hub.owners) if (owner instanceof Greenlet && !owner.dead && (owner as unknown) !== caller) greenlets.push(owner);
  killall(greenlets, { block: false });
  // Behind the kills, and behind what main was waiting for among the killed.
  hub.loop.runCallback(() => {
    hub.loop.runCallback(() => {
      while (hub.throwInMain(new SystemExit(0)));
    });
  });
}

/** A promise for what `fn(...args)` gives, run as a greenlet: the way in from promise code. Aborting `signal` kills it. */
export function run<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Promise<R>;
export function run<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Promise<Awaited<R>>;
export async function run(fn: (...args: any[]) => any, ...args: unknown[]): Promise<unknown> {
  const greenlet = spawn(fn as (...args: unknown[]) => unknown, ...args);
  return await greenlet.get();
}
