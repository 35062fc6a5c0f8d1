// BaseServer: accepts from a listening socket and has each connection handled, in a greenlet as a rule.
//
//   B1  while accepting, a watcher of the loop calls doRead() up to maxAccept times a turn; each result goes to doHandle()
//   B2  while the pool is full nothing is read; the watcher is back when there is room
//   B3  an error of doRead() or doHandle() is reported, and accepting pauses for `delay`, which doubles up to maxDelay and is
//       minDelay again after a success; a fatal one closes the server
//   B4  doClose() is called once for whatever doHandle() was given, however its handling ends

import { wrongRange, wrongType } from '../core/arguments.ts';
import { BlockingSwitchOutError } from '../exceptions.ts';
import { call } from '../hub/call.ts';
import type { Operation } from '../hub/operation.ts';
import { isBody, type Park } from '../hub/protocol.ts';
import type { Watcher } from '../hub/watcher.ts';
import type { Limit } from '../timeout.ts';
import { isThenable, settle } from '../unwind.ts';
import { type Address, type AddressFamily, parseAddress } from './address.ts';
import { Socket } from './endpoint.ts';
import { SocketError } from './errors.ts';
import { READ } from './poll.ts';
import { type PoolLike, RoomWatch, type Spawn } from './running.ts';
import { ServerLife } from './server-life.ts';

export type Handle = (...args: any[]) => unknown;

/** Something that is being handled, and its place in the list of these; -1: no longer. */
interface Served {
  readonly args: unknown[];
  at: number;
}

/** What all servers share. @see `gevent.baseserver.BaseServer`, the source. */
export abstract class BaseServer extends ServerLife {
  /** Seconds that accepting pauses after an error, at first and at most. */
  minDelay = 0.01;
  maxDelay = 1;
  /** Connections taken in one turn at most, from 1. */
  maxAccept = 100;
  /** Codes of errors after which there is nothing to accept from. */
  fatalErrors: ReadonlySet<string> = new Set(['EBADF', 'EINVAL', 'ENOTSOCK']);
  /** The pause after the next error. */
  delay = this.minDelay;
  /** The listening socket, from `initSocket` on. */
  socket: Socket | null = null;
  #family: AddressFamily | null = null;
  #address: Address | null = null;
  #handle: Handle | null = null;
  #watcher: Watcher | null = null;
  #timer: Watcher | null = null;
  #accepting = false;
  /** What is being handled; each knows its place, so that leaving is one step. */
  readonly #served: Served[] = [];
  readonly #room = new RoomWatch(this.hub, () => {
    if (this.#accepting) this.#watch();
  });

  /**
   * @param listener - a socket that was bound, or an address: `[host, port]`, `'host:port'`, a port
   * @param handle - called for each connection; or a subclass defines `handle`
   */
  constructor(listener: unknown, handle: Handle | null = null, { spawn = 'default' }: { spawn?: Spawn } = {}) {
    super(spawn);
    this.setListener(listener);
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

  /** What is called for each connection. */
  setHandle(handle: Handle | null): void {
    const own: unknown = handle ?? (this as { handle?: unknown }).handle;
    if (own !== null && own !== undefined && typeof own !== 'function') {
      throw wrongType(`${this.constructor.name}(handle)`, 'a function', own);
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
    const run = this.$run;
    const served: Served = { args, at: this.#served.length };
    this.#served.push(served);
    try {
      if (run === null) return this.#inHub(handle, served);
      run(serving(handle), this, handle, served);
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
    if (this.closed || this.socket === null) return;
    this.#accepting = true;
    this.#watch();
  }

  /** Take no connections for now: they wait. */
  stopAccepting(): void {
    this.#accepting = false;
    this.#unwatch();
    this.#timer?.close();
    this.#timer = null;
    this.#room.stop();
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
    this.#room.start(this.pool as PoolLike, this.minDelay);
  }

  // ---- life -----------------------------------------------------------------------------------------------------------

  /** @internal */
  override $check(): void {
    if (this.#handle === null) throw new TypeError(`${this.constructor.name}: handle must be provided`);
    if (!Number.isInteger(this.maxAccept) || this.maxAccept < 1) {
      throw wrongRange('maxAccept', 'an integer from 1', this.maxAccept);
    }
  }

  /** @internal */
  override $listen(): Operation<void> {
    return this.initSocket();
  }

  /** @internal */
  override $listening(): void {
    if (!this.closed) this.startAccepting();
    super.$listening();
  }

  /** @internal */
  override $shut(): void {
    this.stopAccepting();
    this.socket?.close();
    this.#handle = null;
  }

  /** @internal Without a pool nobody is waited for. */
  override $drain(timeout: Limit): Generator<Park, void, any> | null {
    return this.pool === null ? null : this.#draining(this.pool, timeout);
  }

  *#draining(pool: PoolLike, timeout: Limit): Generator<Park, void, any> {
    const ended = pool.join === undefined ? true : yield* pool.join({ timeout });
    if (ended === false) yield* pool.kill?.({ timeout: 1 }) ?? [];
    // Whatever became of them.
    for (const served of [...this.#served]) this.$served(served);
  }
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
    // A frame of its own: resumed through one generator less, an echo of 10 000 connections takes 3 % less.
    yield* call(handle as (...args: any[]) => Generator<Park, unknown, any>, ...served.args);
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

// Killed before it ran, a handler has closed nothing (B4).
for (const body of [servingGenerator, servingBody, servingAsync]) {
  (body as { $never?: (...args: any[]) => void }).$never = (server: BaseServer, _handle: Handle, served: Served) =>
    server.$served(served);
}
