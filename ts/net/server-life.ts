// The life of a server, whatever it serves: started once and stopped once, by orders, which act when they are called.
//
//   new --start()--> started --close(), stop(), a failed start--> closed
//
//   L1  close() shuts the door; what is being handled goes on. stop() also waits for it, and kills what takes too long
//   L2  whoever waits in serveForever() stops the server, however he is made to leave

import { type Seconds, toWaitMs } from '../core/clock.ts';
import { Event } from '../event.ts';
import { GeventError } from '../exceptions.ts';
import { Framed } from '../framed.ts';
import type { Hub } from '../hub/hub.ts';
import type { Operation } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { hubHere } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { type Address, shown } from './address.ts';
import { carryOut, Order } from './order.ts';
import { type PoolLike, type Run, running, type Spawn } from './running.ts';

export interface StopOptions {
  /** Seconds to wait for what is being handled before it is killed. Default: `stopTimeout`. */
  timeout?: Limit;
}

/** What all servers share. */
export abstract class ServerLife {
  /** Seconds that `stop` gives to what is being handled. */
  stopTimeout: Seconds = 1;
  /** The pool of handlers, or null. */
  pool: PoolLike | null = null;
  /** The greenlets' hub. */
  readonly hub: Hub;
  /** @internal How handlers are run; null: in the hub. */
  $run: Run | null = null;
  #started = false;
  #closed = false;
  #starting: Order<void> | null = null;
  readonly #stopped = new Event();

  constructor(spawn: Spawn) {
    this.hub = hubHere();
    this.setSpawn(spawn);
  }

  /** How handlers run; see `Spawn`. */
  setSpawn(spawn: Spawn): void {
    const { pool, run } = running(this.hub, spawn);
    this.pool = pool;
    this.$run = run;
  }

  /** Where it listens; the one that was asked for until it does. */
  abstract get address(): Address;

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

  /** @internal Refuse a start that cannot be. */
  $check(): void {}

  /** @internal Begin to listen. Called once. */
  abstract $listen(): Operation<void>;

  /** @internal It listens, unless it was closed meanwhile. */
  $listening(): void {
    this.#starting?.settle();
  }

  /** @internal It does not listen. */
  $failed(_error: unknown): void {}

  /** @internal Listen no more. Called once, by close(). */
  abstract $shut(): void;

  /** @internal Wait until nothing is handled any more, `timeout` at most, and kill the rest; null: nothing to wait for. */
  abstract $drain(timeout: Limit): Generator<Park, void, any> | null;

  // ---- life -----------------------------------------------------------------------------------------------------------

  /**
   * Listen and serve. Acts at once; the operation waits until it listens. A server that is started is left alone.
   * @throws SocketError `EADDRINUSE` and the like, by the operation; reported, if nobody waits for it
   */
  start(): Operation<void> {
    if (this.#closed) {
      throw new GeventError('GEVENT_SERVER_STOPPED', `${this} was stopped and cannot be started again`);
    }
    if (this.#started) return this.#starting?.settled === false ? this.#follow() : Order.done('start', undefined);
    this.$check();
    toWaitMs(this.stopTimeout, 'stopTimeout');
    this.#started = true;
    this.#stopped.clear();
    this.#starting = new Order<void>('start');
    const first = this.#follow();
    let listening: Operation<void> | null = null;
    try {
      listening = this.$listen();
    } catch (error) {
      this.#cannotStart(error);
      return first;
    }
    // A greenlet of its own: whoever starts the server may be killed meanwhile.
    this.hub.spawn(function* (server: ServerLife): Generator<Park, void, any> {
      try {
        yield* listening as Operation<void>;
      } catch (error) {
        return server.#cannotStart(error, first);
      }
      server.$listening();
    }, this);
    return first;
  }

  #cannotStart(error: unknown, order: Order<void> | null = null): void {
    const heard = order === null || order.heard;
    this.close();
    this.#starting?.fail(error);
    if (!heard) this.hub.$route(this, error);
    this.$failed(error);
  }

  /** An operation that waits for the start under way. */
  #follow(): Order<void> {
    const own = new Order<void>('start');
    (this.#starting as Order<void>).follow(own);
    return own;
  }

  /** Listen no more. What is being handled goes on. Harmless when it is closed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#started = false;
    this.$shut();
    this.#stopped.set();
  }

  /**
   * Close it, give what is being handled `timeout` seconds (a number, or `{ timeout }`) and kill the rest. Acts at once; the
   * operation waits for the end.
   */
  stop(timeout: Limit | StopOptions = this.stopTimeout): Operation<void> {
    const limit = limitOf(timeout, this.stopTimeout);
    if (limit !== null && !(limit instanceof Timeout)) toWaitMs(limit, 'stop(timeout)');
    this.close();
    const drain = this.$drain(limit);
    return drain === null ? Order.done('stop', undefined) : carryOut(this.hub, 'stop', () => drain);
  }

  /**
   * Start it, if it was not, and wait until it is stopped. Switch point. Who is killed meanwhile stops the server.
   * @param options.stopTimeout - as `stop` takes it
   */
  serveForever({ stopTimeout }: { stopTimeout?: Seconds } = {}): Operation<void> {
    return new Framed('serveForever', () => this.#serving(stopTimeout));
  }

  *#serving(stopTimeout: Seconds | undefined): Generator<Park, void, any> {
    if (!this.started) yield* this.start();
    try {
      yield* this.#stopped.wait();
    } finally {
      // L2. In a greenlet of its own: it must come to its end even if this one is killed again.
      yield* this.hub
        .spawn(function* (server: ServerLife) {
          yield* server.stop(stopTimeout);
        }, this)
        .join();
    }
  }

  /** Ends a `using` block: stops it. */
  [Symbol.dispose](): void {
    this.stop();
  }

  /** Ends an `await using` block: stops it, and waits for the end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  toString(): string {
    const state = this.#closed ? 'closed' : this.#started ? 'started' : 'not started';
    const { address } = this;
    return `<${this.constructor.name} ${typeof address === 'string' ? shown(address) : address.join(':')} ${state}>`;
  }
}

/** What `stop` was given: the time, or options with it. */
export function limitOf(given: Limit | StopOptions, otherwise: Seconds): Limit {
  if (typeof given !== 'object' || given === null || given instanceof Timeout || 'total' in given) return given;
  return given.timeout === undefined ? otherwise : given.timeout;
}
