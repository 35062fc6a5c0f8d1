// gevent's top-level functions.

import { KILL_OPTIONS, needFunction, needOptions, wrongType } from './core/arguments.ts';
import type { Seconds } from './core/clock.ts';
import { GreenletExit, SystemExit } from './exceptions.ts';
import {
  type GeneratorBody,
  Greenlet,
  type KillOptions,
  killer,
  NO_ARGS,
  type OtherBody,
  SpawnedGreenlet,
} from './gevent-greenlet.ts';
import { CollectLink, type Collector } from './greenlet-links.ts';
import { active, debugging, threadHub, threadHubIfAny } from './hub/current.ts';
import { deliver } from './hub/drive.ts';
import { expandAll } from './hub/dump.ts';
import type { Hub } from './hub/hub.ts';
import { type Operation, RowWait } from './hub/operation.ts';
import { exceptionFrom, RawGreenlet, type RawRun, State, waitingGreenlet } from './hub/raw.ts';
import { expired, hubHere, limitMs } from './limit.ts';
import type { Limit } from './timeout.ts';

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
/** Make a greenlet that runs the async or plain function `fn(...args)`, and queue it: it blocks by `await`, or not at all. Gives the Greenlet. */
export function spawn<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Greenlet<Awaited<R>>;
export function spawn(fn: (...args: any[]) => any, ...args: unknown[]): Greenlet<any> {
  needFunction('spawn(fn)', fn);
  // biome-ignore lint/complexity/noArguments: without arguments, none are collected in an array
  const greenlet = new SpawnedGreenlet(active ?? threadHub(), fn, arguments.length === 1 ? NO_ARGS : args);
  greenlet.start();
  return greenlet;
}

/**
 * The same, but queued in `seconds`; 0 or less: in the next timer phase, after all that is ready now.
 * @see `gevent.spawn_later`, the source.
 */
export function spawnLater<A extends unknown[], R>(seconds: Seconds, fn: GeneratorBody<A, R>, ...args: A): Greenlet<R>;
/** Make a greenlet that runs the async or plain function `fn(...args)`, and queue it in `seconds`. */
export function spawnLater<A extends unknown[], R>(
  seconds: Seconds,
  fn: OtherBody<A, R>,
  ...args: A
): Greenlet<Awaited<R>>;
export function spawnLater(seconds: Seconds, fn: (...args: any[]) => any, ...args: unknown[]): Greenlet<any> {
  needFunction('spawnLater(seconds, fn)', fn);
  const greenlet = new SpawnedGreenlet(active ?? threadHub(), fn, args.length === 0 ? NO_ARGS : args);
  greenlet.startLater(seconds);
  return greenlet;
}

/**
 * A raw greenlet under the hub: cheaper than a Greenlet, without result, links or join.
 * @see `gevent.spawn_raw`, the source. Differs: the body is a generator or plain function.
 */
export function spawnRaw<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): RawGreenlet;
/** A raw greenlet under the hub, of a plain function: cheaper than a Greenlet, without result, links or join. */
export function spawnRaw<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): RawGreenlet;
export function spawnRaw(fn: (...args: any[]) => unknown, ...args: unknown[]): RawGreenlet {
  needFunction('spawnRaw(fn)', fn);
  const hub = hubHere();
  const raw = new RawGreenlet(fn as RawRun, hub, hub);
  if (hub.slices !== null) raw.$extras().context = hub.slices.captureFor(raw);
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
  if (!(greenlet instanceof RawGreenlet)) throw wrongType('kill(greenlet)', 'a greenlet', greenlet);
  if (greenlet instanceof Greenlet) {
    if (!greenlet.dead) greenlet.$shoot(killer(exception));
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
 * Raise an exception in each of several greenlets. The order is given at once; the operation waits until all have ended
 * (raw ones: until they were thrown into). Those that never ran end at once.
 * @throws Timeout if `timeout` came first (they are left to themselves)
 * @see `gevent.killall`, the source.
 */
export function killall(greenlets: Iterable<RawGreenlet>, options: KillOptions = {}): Operation<void> {
  needOptions('killall(options)', options, KILL_OPTIONS);
  const { exception = GreenletExit, block = true, timeout = null } = options;
  const all = [...greenlets];
  for (const greenlet of all) {
    if (!(greenlet instanceof RawGreenlet)) {
      throw wrongType('killall(greenlets)', 'greenlets', greenlet);
    }
  }
  killer(exception);
  const living: RawGreenlet[] = [];
  for (const greenlet of all) {
    if (greenlet.dead) continue;
    if (greenlet instanceof Greenlet && (greenlet.$state === State.FRESH || greenlet.$state === State.QUEUED)) {
      greenlet.$cancel(killer(exception));
    } else living.push(greenlet);
  }
  const hubs = new Set(living.map((greenlet) => greenlet.$hub));
  const order = new KillAll(living, exception, block, timeout, hubs.size);
  for (const hub of hubs) hub.loop.runCallback(() => order.shoot(hub));
  return order;
}

class KillAll extends RowWait<void> implements Collector {
  readonly #living: RawGreenlet[];
  readonly #exception: unknown;
  readonly #block: boolean;
  readonly #limit: Limit;
  readonly #links: CollectLink[] = [];
  /** Those who lived on when they were shot; raw ones are not waited for. */
  readonly #outliving: Greenlet[] = [];
  /** Hubs on which the order was not carried out yet. */
  #orders: number;
  #left = 0;
  #failure: { error: unknown } | null = null;
  #hub: Hub | null = null;

  constructor(living: RawGreenlet[], exception: unknown, block: boolean, limit: Limit, orders: number) {
    limitMs(limit, 'killall(timeout)');
    super();
    this.#living = living;
    this.#exception = exception;
    this.#block = block;
    this.#limit = limit;
    this.#orders = orders;
    // The order stands, whether or not anybody waits for the end.
    if (debugging) hubHere().debug.consumed(this);
  }

  describe(): string {
    return `killall of ${this.#living.length} greenlets, ${this.#left} left`;
  }

  /** @internal */
  $blockers(): RawGreenlet[] {
    return this.#living.filter((greenlet) => greenlet instanceof Greenlet && !greenlet.dead);
  }

  /** The order's turn has come. */
  shoot(hub: Hub): void {
    for (const greenlet of this.#living) {
      if (greenlet.$hub !== hub || greenlet.dead) continue;
      try {
        deliver(hub, greenlet, killer(this.#exception));
      } catch (error) {
        hub.$route(greenlet, error);
      }
      // As it stands now: it may be named, and shot, again.
      if (greenlet instanceof Greenlet && !greenlet.dead) this.#outliving.push(greenlet);
    }
    if (--this.#orders === 0 && this.#hub !== null) this.#shot(this.#hub);
  }

  /** All orders were carried out. Who outlived them is waited for. */
  #shot(hub: Hub): void {
    const outliving = this.#outliving;
    this.#left = outliving.length;
    if (outliving.length === 0) {
      this.wake(hub, true);
      return;
    }
    try {
      for (const greenlet of outliving) {
        const link = new CollectLink(greenlet, this);
        link.attach();
        this.#links.push(link);
      }
    } catch (error) {
      // No room for a link: nobody would ever tell.
      this.#failure = { error };
      this.wake(hub, true);
    }
  }

  begin(hub: Hub, slot: number): boolean {
    this.#left = this.#living.length;
    if (!this.#block || (this.#orders === 0 && this.#outliving.every((greenlet) => greenlet.dead))) return true;
    this.use();
    this.#hub = hub;
    this.wait(hub, slot, limitMs(this.#limit, 'killall(timeout)'));
    if (this.#orders === 0) this.#shot(hub);
    return false;
  }

  /** @internal One has ended. */
  found(): boolean {
    return --this.#left === 0 && this.wake(this.#hub as Hub, true);
  }

  complete(hub: Hub, slot: number): void {
    if (this.#hub === null) return;
    const over = this.#orders === 0 && (this.#left === 0 || this.#living.every((greenlet) => greenlet.dead));
    this.abandon(hub, slot);
    if (this.#failure !== null) throw this.#failure.error;
    if (!over) throw expired(hub, this.#limit);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#hub = null;
    for (const link of this.#links) link.detach();
    super.abandon(hub, slot);
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
  needFunction('signalHandler(signal, handler)', handler);
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
  if (active === null && threadHubIfAny() === null) return;
  const hub = hubHere();
  const caller = waitingGreenlet();
  const greenlets = new Set<RawGreenlet>(hub.asyncBodies);
  expandAll(hub);
  for (const owner of hub.owners as unknown[]) if (owner instanceof RawGreenlet) greenlets.add(owner);
  greenlets.delete(caller);
  killall(greenlets, { block: false });
  // Behind the kills, and behind what main was waiting for among the killed.
  hub.loop.runCallback(() => {
    hub.loop.runCallback(() => {
      while (hub.throwInMain(new SystemExit(0)));
    });
  });
}

/**
 * A promise for what `fn(...args)` gives, run as a greenlet: the way in from promise code. Its error is the promise's, and
 * not reported by the hub.
 */
export function run<A extends unknown[], R>(fn: GeneratorBody<A, R>, ...args: A): Promise<R>;
/** A promise for what the async or plain function `fn(...args)` gives, run as a greenlet. Its error is the promise's, and not reported by the hub. */
export function run<A extends unknown[], R>(fn: OtherBody<A, R>, ...args: A): Promise<Awaited<R>>;
export async function run(fn: (...args: any[]) => any, ...args: unknown[]): Promise<unknown> {
  const greenlet = spawn(fn as (...args: unknown[]) => unknown, ...args);
  greenlet.$quiet = true;
  return await greenlet.get();
}
