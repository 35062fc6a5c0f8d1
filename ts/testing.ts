// Entry `gevent-wasm/testing`: time under control, traces, and what holds a core to its contract.

import { config } from './config.ts';
import { needOptions } from './core/arguments.ts';
import { type Seconds, toWaitMs, VirtualClock } from './core/clock.ts';
import type { Core } from './core/contract.ts';
import { GeventError } from './exceptions.ts';
import { debugging, replaceThreadHub, setDebugging } from './hub/current.ts';
import { type Host, platformHost } from './hub/host.ts';
import { Hub } from './hub/hub.ts';
import { createCore } from './hub.ts';

export { VirtualClock } from './core/clock.ts';
export * from './testing/conformance.ts';
export * from './testing/differential.ts';

export interface SimulateOptions {
  /** Default: `config.core`. */
  core?: 'wasm' | 'pure' | Core;
  /** True: when everybody waits, time jumps to the next deadline by itself. Default false: only `advance` moves it. */
  auto?: boolean;
  /** Watch for operations that are never consumed. Default true; costs a stack an operation. */
  debug?: boolean;
}

/** A hub of its own on a virtual clock, standing in as the thread's hub until disposed. */
export interface Simulation {
  readonly hub: Hub;
  readonly clock: SimulatedClock;
  /** Append to `log`. */
  readonly trace: (...what: unknown[]) => void;
  /** What was traced, in order; several values of one call as one string. */
  readonly log: unknown[];
  /** What the hub would have written to stderr. */
  readonly reports: string[];
  /** End the simulation: the thread has its own hub again. */
  close(): void;
  [Symbol.dispose](): void;
}

/** Virtual time in seconds. */
export class SimulatedClock extends VirtualClock {
  #hub: Hub | null = null;

  /** @internal */
  $drive(hub: Hub): void {
    this.#hub = hub;
  }

  /** Seconds since the simulation began. */
  get seconds(): number {
    return this.now() / 1000;
  }

  /**
   * Let time pass, running everything that becomes ready or due, in order, before returning.
   * @throws GeventError `GEVENT_ASYNC_READY` if an async body has to run, which it can only in a microtask: `advanceAsync`
   */
  advance(seconds: Seconds = 0): void {
    const hub = this.#hub as Hub;
    const target = this.now() + toWaitMs(seconds, 'advance(seconds)');
    for (;;) {
      while (!hub.turn()) {
        if (hub.asyncBodies.size > 0 || hub.held) {
          throw new GeventError(
            'GEVENT_ASYNC_READY',
            'advance(): an async body is ready to run; use await advanceAsync()',
          );
        }
      }
      const next = hub.core.nextDeadline();
      if (next > target) break;
      this.moveTo(next);
    }
    this.moveTo(target);
    // Have the hub notice if nothing is left that could wake main.
    hub.kick();
  }

  /** The same, with async bodies and promises: they run between the steps. */
  async advanceAsync(seconds: Seconds = 0): Promise<void> {
    const hub = this.#hub as Hub;
    const target = this.now() + toWaitMs(seconds, 'advanceAsync(seconds)');
    for (;;) {
      await rounds();
      hub.turn();
      hub.kick();
      await rounds();
      if (hub.core.words[0] !== hub.core.words[1]) continue;
      const next = hub.core.nextDeadline();
      if (next > target) break;
      this.moveTo(next);
    }
    this.moveTo(target);
  }

  /** Let time pass until nothing is armed any more. */
  runAll(): void {
    const hub = this.#hub as Hub;
    for (;;) {
      this.advance(0);
      const next = hub.core.nextDeadline();
      if (next === Infinity) return;
      this.moveTo(next);
    }
  }
}

// Its `soon` is the platform's, also where the globals wait by this very clock.
let host: Host | null = null;

function soon(fn: () => void): void {
  host ??= platformHost();
  host.soon(fn);
}

/** Let pending promises and the platform's callbacks have their turn. */
function rounds(): Promise<void> {
  return new Promise((resolve) => soon(() => soon(resolve)));
}

let running: Simulation | null = null;

/**
 * A hub on virtual time, for tests: the same code as in production, no real sleeping, the same order every time.
 * It stands in as the thread's hub until `close()` (or the end of a `using` block, or the next `simulate()`).
 *
 *     const { hub, clock, trace, log } = simulate();
 *     hub.spawn(function* () { yield* sleep(5); trace('woke'); });
 *     clock.advance(5);
 */
export function simulate(options: SimulateOptions = {}): Simulation {
  needOptions('simulate(options)', options, ['core', 'debug', 'auto']);
  running?.close();
  const { core, auto = false, debug = true } = options;
  const clock = new SimulatedClock();
  const hub = new Hub({
    core: core === undefined || typeof core === 'string' ? createCore(core ?? config.core) : core,
    clock,
    isolated: true,
  });
  clock.$drive(hub);
  const reports: string[] = [];
  hub.exceptionStream = { write: (text: string) => reports.push(text) };
  if (auto) {
    hub.onRest = () => {
      const at = hub.core.nextDeadline();
      if (at === Infinity || hub.mainWaiters.first === null) return;
      clock.moveTo(at);
      hub.kick();
    };
  }
  const wasDebugging = debugging;
  setDebugging(debug);
  const before = replaceThreadHub(hub);
  const log: unknown[] = [];
  let open = true;
  const simulation: Simulation = {
    hub,
    clock,
    log,
    reports,
    trace: (...what) => void log.push(what.length === 1 ? what[0] : what.map(String).join(' ')),
    close() {
      if (!open) return;
      open = false;
      if (running === simulation) running = null;
      // What a test leaves waiting in main is over without a word.
      while (hub.mainWaiters.first !== null) hub.mainWaiters.first.$drop(hub);
      hub.destroy();
      replaceThreadHub(before);
      setDebugging(wasDebugging);
    },
    [Symbol.dispose]() {
      this.close();
    },
  };
  running = simulation;
  return simulation;
}
