// A server in several processes, by node:cluster. The first process only keeps the others: it starts as many as there are to
// be, starts another when one dies, and replaces them one after another on restart(). Each runs the same program; there the
// server listens as always, and Node spreads the connections.
//
//   first process  -> worker   { gevent: 'stop', timeout }       stop all servers, then end
//   worker -> first process    { gevent: 'listening', at, address } server number `at` of the program listens
//                              { gevent: 'failed', at, message }    … cannot

import cluster, { type Worker } from 'node:cluster';
import { availableParallelism } from 'node:os';
import { wrongRange } from '../core/arguments.ts';
import { GeventError } from '../exceptions.ts';
import type { Operation } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { hubHere } from '../limit.ts';
import { sleep } from '../sleep.ts';
import type { Limit } from '../timeout.ts';
import type { Address } from './address.ts';
import { carryOut, Order } from './order.ts';

/** What of a server is used here. */
interface Served {
  readonly address: Address;
  stop(options?: { timeout?: Limit }): Operation<void>;
}

interface Message {
  gevent?: 'stop' | 'listening' | 'failed';
  at?: number;
  address?: Address;
  message?: string;
  timeout?: number;
}

/** Seconds before a worker that died is replaced: at first, and at most. */
const MIN_DELAY = 0.01;
const MAX_DELAY = 1;
/** Seconds that a worker has, beyond the time for its handlers, to end by itself. */
const GRACE = 2;

class Process {
  readonly worker: Worker;
  /** Addresses of its servers, by their number. */
  readonly listening = new Map<number, Address>();
  leaving = false;
  readonly ready: Order<void>[] = [];
  readonly gone = new Order<void>('end of a worker');

  constructor(worker: Worker) {
    this.worker = worker;
  }
}

/** The processes of a program, and the server's place among its servers with workers. */
export class Cluster {
  static #all: Cluster[] = [];
  static #processes = new Set<Process>();
  static #delay = MIN_DELAY;

  /** True in the first process. */
  readonly primary = cluster.isPrimary;
  readonly #at: number;
  readonly #server: Served;
  readonly #count: number;
  #started = false;
  #address: Address | null = null;

  private constructor(server: Served, count: number) {
    this.#server = server;
    this.#count = count;
    this.#at = Cluster.#all.push(this) - 1;
    if (!this.primary) this.#obey();
  }

  static of(server: Served, workers: number | 'auto'): Cluster {
    const count = workers === 'auto' ? availableParallelism() : workers;
    if (!Number.isInteger(count) || count < 1) {
      throw wrongRange('workers', `an integer from 1 or 'auto'`, workers);
    }
    return new Cluster(server, count);
  }

  get started(): boolean {
    return this.#started;
  }

  /** Where the workers listen, as soon as one does. */
  get address(): Address | null {
    return this.#address;
  }

  get pids(): number[] {
    return [...Cluster.#processes].map(({ worker }) => worker.process.pid as number);
  }

  // ---- in a worker ----------------------------------------------------------------------------------------------------

  #obey(): void {
    if (this.#at > 0) return;
    const hub = hubHere();
    process.on('message', (message: Message) => {
      if (message?.gevent !== 'stop') return;
      hub.spawn(
        leaving,
        Cluster.#all.map((each) => each.#server),
        message.timeout ?? null,
      );
    });
    // The first process ended without a word: so does this one.
    process.on('disconnect', () => process.exit(0));
  }

  /** In a worker: tell how the start went. */
  report(outcome: { address: Address } | { error: unknown }): void {
    const told: Message =
      'address' in outcome
        ? { gevent: 'listening', at: this.#at, address: outcome.address }
        : { gevent: 'failed', at: this.#at, message: String(outcome.error) };
    process.send?.(told);
  }

  // ---- in the first process ---------------------------------------------------------------------------------------------

  /** Start the workers that are missing; waits until this server listens in all of them. */
  start(): Operation<void> {
    this.#started = true;
    while (Cluster.#processes.size < this.#count) this.#fork();
    const waits = [...Cluster.#processes].map((each) => this.#listens(each));
    return carryOut(hubHere(), 'start of workers', function* (): Generator<Park, void, any> {
      for (const wait of waits) yield* wait;
    });
  }

  #listens(process: Process): Order<void> {
    const order = new Order<void>('start of a worker');
    if (process.listening.has(this.#at)) order.settle();
    else process.ready[this.#at] = order;
    return order;
  }

  #fork(): Process {
    const made = new Process(cluster.fork());
    Cluster.#processes.add(made);
    made.worker.on('message', (message: Message) => {
      if (message?.gevent === 'listening') {
        Cluster.#delay = MIN_DELAY;
        const { at, address } = message as { at: number; address: Address };
        made.listening.set(at, address);
        const its = Cluster.#all[at];
        if (its !== undefined) its.#address = address;
        made.ready[at]?.settle();
      } else if (message?.gevent === 'failed') {
        made.ready[message.at as number]?.fail(
          new GeventError('GEVENT_WORKER_FAILED', `a worker cannot serve: ${message.message}`),
        );
      }
    });
    made.worker.on('exit', (code, signal) => this.#ended(made, code, signal));
    return made;
  }

  #ended(process: Process, code: number | null, signal: string | null): void {
    Cluster.#processes.delete(process);
    process.gone.settle();
    const how = new GeventError('GEVENT_WORKER_FAILED', `a worker ended, by ${signal ?? `exit code ${code}`}`);
    for (const order of process.ready) order?.fail(how);
    if (process.leaving || !this.#started) return;
    hubHere().$route(this.#server, how);
    // In its place, but not at once if they die young.
    setTimeout(() => {
      if (this.#started && Cluster.#processes.size < this.#count) this.#fork();
    }, Cluster.#delay * 1000);
    Cluster.#delay = Math.min(MAX_DELAY, Cluster.#delay * 2);
  }

  /** Have a worker end; waits until it has. */
  *#leave(process: Process, timeout: Limit): Generator<Park, void, any> {
    process.leaving = true;
    const seconds = typeof timeout === 'number' ? timeout : null;
    process.worker.send({ gevent: 'stop', ...(seconds !== null && { timeout: seconds }) } satisfies Message, () => {});
    const kill = setTimeout(() => process.worker.process.kill('SIGKILL'), ((seconds ?? 1) + GRACE) * 1000);
    try {
      yield* process.gone;
    } finally {
      clearTimeout(kill);
    }
  }

  /** Stop all workers; waits until they have ended. */
  stop(timeout: Limit): Operation<void> {
    this.#started = false;
    const hub = hubHere();
    const all = [...Cluster.#processes].map((each) => hub.spawn(() => this.#leave(each, timeout)));
    return carryOut(hub, 'stop of workers', function* (): Generator<Park, void, any> {
      for (const each of all) yield* each.join();
    });
  }

  /** Replace the workers one after another. */
  restart(): Operation<void> {
    const old = [...Cluster.#processes];
    return carryOut(hubHere(), 'restart of workers', () => this.#replace(old));
  }

  *#replace(old: Process[]): Generator<Park, void, any> {
    for (const each of old) {
      if (!this.#started) return;
      yield* this.#listens(this.#fork());
      yield* this.#leave(each, 1);
    }
  }
}

function* leaving(servers: Served[], timeout: number | null): Generator<Park, void, any> {
  for (const server of servers) yield* server.stop(timeout === null ? {} : { timeout });
  // Answers on their way get out.
  yield* sleep(0.01);
  process.exit(0);
}
