// BaseServer: accepts from a listening socket and has each connection handled, in a greenlet as a rule.
//
//   B1  while accepting, a watcher of the loop calls doRead() up to maxAccept times a turn; each result goes to doHandle()
//   B2  while the pool is full nothing is read; the watcher is back when there is room
//   B3  an error of doRead() or doHandle() is reported, and accepting pauses for `delay`, which doubles up to maxDelay and is
//       minDelay again after a success; a fatal one closes the server
//   B4  doClose() is called once for whatever doHandle() was given, however its handling ends

import { describe, type Seconds, toWaitMs } from '../core/clock.ts';
import { Event } from '../event.ts';
import { BlockingSwitchOutError, GeventError } from '../exceptions.ts';
import { Framed } from '../framed.ts';
import { spawnRaw } from '../gevent.ts';
import type { Hub } from '../hub/hub.ts';
import type { Watcher } from '../hub/loop.ts';
import type { Operation } from '../hub/operation.ts';
import { isBody, type Park } from '../hub/protocol.ts';
import { hubHere } from '../limit.ts';
import { Pool } from '../pool.ts';
import type { Limit } from '../timeout.ts';
import { isThenable, settle } from '../unwind.ts';
import { type Address, type AddressFamily, parseAddress } from './address.ts';
import { Socket } from './endpoint.ts';
import { SocketError } from './errors.ts';
import { carryOut, Order } from './order.ts';
import { READ } from './poll.ts';

/** Whose `spawn` runs handlers, with a limit of its own perhaps. */
export interface PoolLike {
  spawn(fn: (...args: any[]) => any, ...args: any[]): unknown;
  spawnNowait?(fn: (...args: any[]) => any, ...args: any[]): unknown;
  full?(): boolean;
  join?(options?: { timeout?: Limit }): Operation<unknown>;
  kill?(options?: { block?: boolean; timeout?: Limit }): Operation<unknown>;
}

/**
 * How handlers run: `'default'` a Greenlet each; `'raw'` a raw greenlet; a number: a Pool of that size, which holds back what
 * comes while it is full; a pool; a function `(fn, ...args)`; null: in the hub itself, where nothing may block.
 */
export type Spawn =
  | 'default'
  | 'raw'
  | number
  | PoolLike
  | ((fn: (...args: any[]) => any, ...args: any[]) => unknown)
  | null;

export type Handle = (...args: any[]) => unknown;

export interface StopOptions {
  /** Seconds to wait for the handlers in the pool before they are killed. Default: `stopTimeout`. */
  timeout?: Limit;
}

/** Something that is being handled, and its place in the list of these; -1: no longer. */
interface Served {
  readonly args: unknown[];
  at: number;
}

/** What all servers share. @see `gevent.baseserver.BaseServer`, the source. */
export abstract class BaseServer {
  /** Seconds that accepting pauses after an error, at first and at most. */
  minDelay = 0.01;
  maxDelay = 1;
  /** Connections taken in one turn at most, from 1. */
  maxAccept = 100;
  /** Seconds that `stop` gives to the handlers in the pool. */
  stopTimeout = 1;
  /** Codes of errors after which there is nothing to accept from. */
  fatalErrors: ReadonlySet<string> = new Set(['EBADF', 'EINVAL', 'ENOTSOCK']);
  /** The pause after the next error. */
  delay = this.minDelay;
  /** The listening socket, from `initSocket` on. */
  socket: Socket | null = null;
  /** The pool of handlers, or null. */
  pool: PoolLike | null = null;
  /** The greenlets' hub. */
  readonly hub: Hub;
  #family: AddressFamily | null = null;
  #address: Address | null = null;
  #spawn: ((fn: Handle, ...args: any[]) => unknown) | null = null;
  #handle: Handle | null = null;
  #watcher: Watcher | null = null;
  #timer: Watcher | null = null;
  #started = false;
  #accepting = false;
  #closed = false;
  #starting: Order<void> | null = null;
  #stopping: Order<void> | null = null;
  readonly #stopped = new Event();
  /** What is being handled; each knows its place, so that leaving is one step. */
  readonly #served: Served[] = [];
  readonly #onRoom = (): void => {
    this.#awaitsRoom = false;
    if (this.#accepting) this.#watch();
  };
  #awaitsRoom = false;

  /**
   * @param listener - a socket that was bound, or an address: `[host, port]`, `'host:port'`, a port
   * @param handle - called for each connection; or a subclass defines `handle`
   */
  constructor(listener: unknown, handle: Handle | null = null, { spawn = 'default' }: { spawn?: Spawn } = {}) {
    this.hub = hubHere();
    this.setListener(listener);
    this.setSpawn(spawn);
    this.setHandle(handle);
  }

  // ---- what it is made of ---------------------------------------------------------------------------------------------

  /** Listen on a socket that was bound, or at an address. */
  setListener(listener: unknown): void {
    if (listener instanceof Socket) {
      if (listener.$secure) throw new TypeError(`Expected a regular socket, not an SSLSocket: ${listener}`);
      this.socket = listener;
      this.#family = listener.family;
      this.#address = listener.getsockname();
    } else [this.#family, this.#address] = parseAddress(listener);
  }

  /** How handlers run; see `Spawn`. */
  setSpawn(spawn: Spawn): void {
    this.pool = null;
    if (spawn === 'default') this.#spawn = (fn, ...args) => this.hub.spawn(fn as () => unknown, ...(args as []));
    else if (spawn === 'raw') this.#spawn = spawnRaw as never;
    else if (spawn === null) this.#spawn = null;
    else if (typeof spawn === 'function') this.#spawn = spawn;
    else {
      const pool: PoolLike = typeof spawn === 'number' ? (new Pool(spawn) as never) : spawn;
      if (typeof pool?.spawn !== 'function') {
        throw new TypeError(
          `spawn: expected 'default', 'raw', a number, a pool, a function or null, got ${describe(spawn)}`,
        );
      }
      this.pool = pool;
      this.#spawn = (fn, ...args) => (pool.spawnNowait ? pool.spawnNowait(fn, ...args) : pool.spawn(fn, ...args));
    }
  }

  /** What is called for each connection. */
  setHandle(handle: Handle | null): void {
    const own: unknown = handle ?? (this as { handle?: unknown }).handle;
    if (own !== null && own !== undefined && typeof own !== 'function') {
      throw new TypeError(`${this.constructor.name}(handle): expected a function, got ${describe(own)}`);
    }
    this.#handle = handle ?? (typeof own === 'function' ? (own as Handle).bind(this) : null);
  }

  /** @internal */
  get $handle(): Handle | null {
    return this.#handle;
  }

  get family(): AddressFamily {
    return this.#family as AddressFamily;
  }

  /** Where it listens; the one that was asked for until it does. */
  get address(): Address {
    const { socket } = this;
    return socket !== null && !socket.closed ? socket.getsockname() : (this.#address as Address);
  }

  /** The host it listens at, if it is no Unix socket. */
  get serverHost(): string | null {
    const { address } = this;
    return typeof address === 'string' ? null : address[0];
  }

  /** The port it listens at, if it is no Unix socket. */
  get serverPort(): number | null {
    const { address } = this;
    return typeof address === 'string' ? null : address[1];
  }

  get loop(): Hub['loop'] {
    return this.hub.loop;
  }

  /** True between `start` and `stop`. */
  get started(): boolean {
    return this.#started;
  }

  /** True if it has been closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** True while no more handlers can run. */
  full(): boolean {
    return this.pool?.full?.() ?? false;
  }

  // ---- for subclasses -------------------------------------------------------------------------------------------------

  /** Make `this.socket` listen; `order` hears of it. Called once, by `start`. */
  protected abstract initSocket(): Operation<void>;

  /** One thing to handle: the arguments for `doHandle`, or null if there is none. Must not block. */
  protected abstract doRead(): unknown[] | null;

  /** Give up what `doRead` gave. Called when its handling has ended. */
  protected doClose(..._args: unknown[]): void {}

  /** Handle what `doRead` gave. */
  protected doHandle(...args: unknown[]): void {
    const handle = this.$handler();
    const spawn = this.#spawn;
    const served: Served = { args, at: this.#served.length };
    this.#served.push(served);
    try {
      if (spawn === null) return this.#inHub(handle, served);
      spawn(serving(handle), this, handle, served);
    } catch (error) {
      this.$served(served);
      throw error;
    }
  }

  /** @internal What runs for each. */
  protected $handler(): Handle {
    return this.#handle as Handle;
  }

  #inHub(handle: Handle, served: Served): void {
    try {
      const result = handle(...served.args);
      if (isBody(result) || isThenable(result)) {
        // A generator has not begun, an operation is never consumed; a promise's failure must not go unheard.
        if (result instanceof Promise) result.catch((error: unknown) => this.hub.$route(this, error));
        throw new BlockingSwitchOutError(
          'Impossible to call blocking function in the event loop callback: with spawn null a handler must be a plain function',
        );
      }
    } finally {
      this.$served(served);
    }
  }

  /** @internal B4 */
  $served(served: Served): void {
    const { args, at } = served;
    if (at < 0) return;
    served.at = -1;
    const last = this.#served.pop() as Served;
    if (last !== served) {
      last.at = at;
      this.#served[at] = last;
    }
    this.doClose(...args);
  }

  /** True if after this error there is nothing to accept from. */
  protected isFatalError(error: unknown): boolean {
    return error instanceof SocketError && this.fatalErrors.has(error.code);
  }

  // ---- accepting ------------------------------------------------------------------------------------------------------

  /** Take connections again after `stopAccepting`. */
  startAccepting(): void {
    if (this.#closed || this.socket === null) return;
    this.#accepting = true;
    this.#watch();
  }

  /** Take no connections for now: they wait. */
  stopAccepting(): void {
    this.#accepting = false;
    this.#unwatch();
    this.#timer?.close();
    this.#timer = null;
    if (this.#awaitsRoom) (this.pool as any).$offRoom?.(this.#onRoom);
    this.#awaitsRoom = false;
  }

  #watch(): void {
    if (this.#watcher !== null || this.#timer !== null || this.socket === null) return;
    this.#watcher = this.hub.loop.io(this.socket, READ, { priority: 2 });
    this.#watcher.start(() => this.#accept());
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #accept(): void {
    for (let left = this.maxAccept; left > 0 && this.#accepting; --left) {
      if (this.full()) return this.#awaitRoom();
      let args: unknown[] | null = null;
      try {
        args = this.doRead();
        if (args === null) return;
        this.doHandle(...args);
        this.delay = this.minDelay;
      } catch (error) {
        if (this.#trouble(error, args)) return;
      }
    }
  }

  /** B3. True if no more is to be taken now. */
  #trouble(error: unknown, args: unknown[] | null): boolean {
    this.hub.$route(args === null ? this : [...args, this], error);
    if (this.isFatalError(error)) {
      this.close();
      return true;
    }
    if (this.delay <= 0) return false;
    this.#pause(this.delay);
    this.delay = Math.min(this.maxDelay, this.delay * 2);
    return true;
  }

  #pause(seconds: number): void {
    this.#unwatch();
    this.#timer = this.hub.loop.timer(seconds, 0, { ref: false });
    this.#timer.start(() => {
      this.#timer = null;
      if (this.#accepting) this.#watch();
    });
  }

  /** B2 */
  #awaitRoom(): void {
    this.#unwatch();
    const pool = this.pool as { $onRoom?: (callback: () => void) => void };
    if (pool.$onRoom === undefined) return this.#pause(this.minDelay);
    if (this.#awaitsRoom) return;
    this.#awaitsRoom = true;
    pool.$onRoom(this.#onRoom);
  }

  // ---- life -----------------------------------------------------------------------------------------------------------

  /**
   * Listen and take connections. Acts at once; the operation waits until it listens. A server that is started is left alone.
   * @throws SocketError `EADDRINUSE` and the like, by the operation; reported, if nobody waits for it
   */
  start(): Operation<void> {
    if (this.#closed) {
      throw new GeventError('GEVENT_SERVER_STOPPED', `${this} was stopped and cannot be started again`);
    }
    if (this.#started) return this.#starting?.settled === false ? this.#follow() : Order.done('start', undefined);
    if (this.#handle === null) throw new TypeError(`${this.constructor.name}: handle must be provided`);
    toWaitMs(this.stopTimeout, 'stopTimeout');
    if (!Number.isInteger(this.maxAccept) || this.maxAccept < 1) {
      throw new RangeError(`maxAccept: expected an integer from 1, got ${describe(this.maxAccept)}`);
    }
    this.#started = true;
    this.#stopped.clear();
    this.#starting = new Order<void>('start');
    const first = this.#follow();
    let listening: Operation<void> | null = null;
    try {
      listening = this.initSocket();
    } catch (error) {
      this.#cannotStart(error);
      return first;
    }
    // A greenlet of its own: whoever starts the server may be killed meanwhile.
    this.hub.spawn(function* (server: BaseServer): Generator<Park, void, any> {
      try {
        yield* listening as Operation<void>;
      } catch (error) {
        return server.#cannotStart(error, first);
      }
      server.$listening();
    }, this);
    return first;
  }

  /** @internal It listens. */
  $listening(): void {
    if (!this.#closed) this.startAccepting();
    this.#starting?.settle();
  }

  #cannotStart(error: unknown, order: Order<void> | null = null): void {
    const heard = order === null || order.heard;
    this.close();
    this.#starting?.fail(error);
    if (!heard) this.hub.$route(this, error);
    this.$failed(error);
  }

  /** @internal It does not listen. */
  $failed(_error: unknown): void {}

  /** An operation that waits for the start under way. */
  #follow(): Order<void> {
    const own = new Order<void>('start');
    (this.#starting as Order<void>).follow(own);
    return own;
  }

  /** Listen no more, and forget the handler. Handlers that run go on. Harmless when it is closed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#started = false;
    this.stopAccepting();
    this.socket?.close();
    this.#handle = null;
    this.#stopped.set();
  }

  /**
   * Close it and, if handlers run in a pool, give them `timeout` seconds and kill the rest. Acts at once; the operation waits for
   * the end. Without a pool handlers go on.
   */
  stop({ timeout = this.stopTimeout }: StopOptions = {}): Operation<void> {
    if (typeof timeout === 'number') toWaitMs(timeout, 'stop(timeout)');
    this.close();
    if (this.pool === null) return Order.done('stop', undefined);
    const { pool } = this;
    this.#stopping ??= carryOut(this.hub, 'stop', () => draining(this, pool, timeout));
    const own = new Order<void>('stop');
    this.#stopping.follow(own);
    return own;
  }

  /** @internal Killed before they began, handlers have closed nothing. */
  $closeLeft(): void {
    for (const args of [...this.#served]) this.$served(args);
  }

  /**
   * Start it, if it was not, and wait until it is stopped. Switch point. Who is killed meanwhile stops the server.
   * @param options.stopTimeout - as `stop` takes it
   */
  serveForever({ stopTimeout }: { stopTimeout?: Seconds } = {}): Operation<void> {
    return new Framed('serveForever', () => this.#serving(stopTimeout));
  }

  *#serving(stopTimeout: Seconds | undefined): Generator<Park, void, any> {
    if (!this.#started) yield* this.start();
    try {
      yield* this.#stopped.wait();
    } finally {
      // In a greenlet of its own: it must come to its end even if this one is killed again.
      yield* this.hub
        .spawn(function* (server: BaseServer) {
          yield* server.stop(stopTimeout === undefined ? {} : { timeout: stopTimeout });
        }, this)
        .join();
    }
  }

  /** Ends a `using` block: stops it. */
  [Symbol.dispose](): void {
    this.stop();
  }

  toString(): string {
    const state = this.#closed ? 'closed' : this.#started ? 'started' : 'not started';
    const at = typeof this.address === 'string' ? this.address : this.address.join(':');
    return `<${this.constructor.name} ${at} ${state}>`;
  }
}

function* draining(server: BaseServer, pool: PoolLike, timeout: Limit): Generator<Park, void, any> {
  const ended = pool.join === undefined ? true : yield* pool.join({ timeout });
  if (ended === false) yield* pool.kill?.({ timeout: 1 }) ?? [];
  server.$closeLeft();
}

const AsyncFunction = (async () => {}).constructor;
const GeneratorFunction = function* () {}.constructor;

/** The body that handles one connection with `handle`. */
function serving(handle: Handle): Handle {
  const kind = handle.constructor;
  return kind === GeneratorFunction ? servingGenerator : kind === AsyncFunction ? servingAsync : servingBody;
}

function* servingGenerator(server: BaseServer, handle: Handle, served: Served): Generator<Park, void, any> {
  try {
    yield* handle(...served.args) as Generator<Park, unknown, any>;
  } finally {
    server.$served(served);
  }
}

function* servingBody(server: BaseServer, handle: Handle, served: Served): Generator<Park, void, any> {
  try {
    yield* settle(handle(...served.args));
  } finally {
    server.$served(served);
  }
}

// A body of its own, so that a kill reaches what it awaits.
async function servingAsync(server: BaseServer, handle: Handle, served: Served): Promise<void> {
  try {
    await handle(...served.args);
  } finally {
    server.$served(served);
  }
}
