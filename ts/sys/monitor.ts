// Entry `gevent-wasm/monitor`: who blocks the loop, and how much memory is in use.
//
// A thread of its own looks at a shared number that every switch raises, and a timer while nobody switches. If it stands still for
// `config.maxBlockingTime`, somebody computes, in a greenlet, in the continuation of an async body or anywhere else, and is asked where.

import { Worker } from 'node:worker_threads';
import { config } from '../config.ts';
import { wrongRange, wrongType } from '../core/arguments.ts';
import { type Seconds, toMs } from '../core/clock.ts';
import { Word } from '../core/contract.ts';
import {
  EventLoopBlocked,
  MemoryUsageThresholdExceeded,
  MemoryUsageUnderThreshold,
  notify,
  PeriodicMonitorThreadStartedEvent,
} from '../events.ts';
import { GeventError } from '../exceptions.ts';
import type { Hub } from '../hub/hub.ts';
import { setMonitorMaker } from '../hub/layers-above.ts';
import { getcurrent, type RawGreenlet } from '../hub/raw.ts';
import { ASKED, type BlockReport, Shared, watch } from './monitor-thread.ts';

/** A function that is called every so often. */
export interface MonitoringFunction {
  readonly fn: (hub: Hub) => unknown;
  /** Seconds. */
  readonly period: number;
}

/** Something cannot be monitored here. */
export class MonitorWarning extends Error {
  static override readonly name: string = 'MonitorWarning';
  override get name(): string {
    return 'MonitorWarning';
  }
}

/** Beats while nobody switches, for each look of the worker. */
const BEATS_A_LOOK = 4;

/**
 * Watches one hub. Made by `hub.startPeriodicMonitoringThread()`, or with the hub by `config.monitorThread`.
 * @see `gevent._monitor.PeriodicMonitoringThread`, the source. Differs: monitoring functions run on the hub's own thread; reports are sent when
 *   that is free again, and printed by the monitor if it does not come free.
 */
export class PeriodicMonitoringThread {
  readonly hub: Hub;
  readonly #shared = new Int32Array(new SharedArrayBuffer(16));
  readonly #functions = new Map<(hub: Hub) => unknown, { period: number; timer: NodeJS.Timeout }>();
  readonly #ignored = new WeakSet<RawGreenlet>();
  /** Who ran when a report was made, by its number. */
  readonly #caught = new Map<number, RawGreenlet>();
  #worker: Worker | null;
  #beat: NodeJS.Timeout;
  #lastUsage = 0;
  #worstUsage = 0;

  /** @internal */
  constructor(hub: Hub) {
    this.hub = hub;
    if (hub.clock.virtual) {
      throw new GeventError('GEVENT_MONITOR_VIRTUAL', `${hub} runs on virtual time, in which nothing blocks for long`);
    }
    if (watcher !== null) {
      throw new GeventError('GEVENT_MONITOR_TWICE', `${watcher.hub} of this thread has a monitor: one is enough`);
    }
    watcher = this;
    (globalThis as Record<symbol, unknown>)[Symbol.for(ASKED)] = (id: number) => this.#asked(id);
    this.#worker = new Worker(`(${watch})()`, {
      eval: true,
      name: 'gevent-monitor',
      workerData: { shared: this.#shared.buffer, asked: ASKED },
    });
    this.#worker.on('message', (report: BlockReport) => this.#blocked(report));
    this.#worker.on('error', (error) => {
      hub.$route(this, error);
      this.kill();
    });
    this.#worker.unref();
    this.#beat = setTimeout(() => this.#tick(), 0).unref();
    this.#settings();
    hub.pulse = this.#shared;
    hub.core.words[Word.BUDGET] = 0;
    hub.periodicMonitoringThread = this;
    if (config.maxMemoryUsage !== null) this.installMonitorMemoryUsage();
    notify(new PeriodicMonitorThreadStartedEvent(this));
  }

  // ---- blocking -----------------------------------------------------------------------------------------------------

  /** They may be changed while it runs. */
  #settings(): number {
    const limitMs = (config.maxBlockingTime ?? 0) * 1000;
    Atomics.store(this.#shared, Shared.LIMIT, Math.ceil(limitMs));
    Atomics.store(this.#shared, Shared.PRINT, config.printBlockingReports && this.hub.exceptionStream !== null ? 1 : 0);
    return limitMs;
  }

  #tick(): void {
    Atomics.add(this.#shared, Shared.BEATS, 1);
    const limitMs = this.#settings();
    this.#beat = setTimeout(() => this.#tick(), limitMs === 0 ? 100 : limitMs / BEATS_A_LOOK).unref();
  }

  /** The worker has stopped this thread and asks who runs. Null: leave that one alone. */
  #asked(id: number): string | null {
    const greenlet = getcurrent();
    if (this.#ignored.has(greenlet)) return null;
    this.#caught.set(id, greenlet);
    return String(greenlet);
  }

  #blocked({ id, limitMs, name, stack }: BlockReport): void {
    const { hub } = this;
    const greenlet = this.#caught.get(id) ?? null;
    this.#caught.delete(id);
    const info = [
      '='.repeat(80),
      `${new Date().toISOString()} : ${name ?? 'The main thread'} appears to be blocked: no switch for ${limitMs / 1000} s`,
      ...(stack ?? ['    (in native code, or no inspector: no stack)']),
    ];
    try {
      notify(new EventLoopBlocked(greenlet, limitMs / 1000, info, hub), 'block');
    } catch (error) {
      hub.$route(this, error);
    }
    if (config.printBlockingReports && Atomics.load(this.#shared, Shared.PRINTED) < id)
      hub.report(`${info.join('\n')}\n`);
  }

  /** The current greenlet may compute as long as it likes. */
  ignoreCurrentGreenletBlocking(): void {
    this.#ignored.add(getcurrent());
  }

  /** It may not any more. */
  monitorCurrentGreenletBlocking(): void {
    this.#ignored.delete(getcurrent());
  }

  // ---- functions ----------------------------------------------------------------------------------------------------

  /**
   * Have `fn(hub)` called every `period` seconds, or not any more: null. It runs on the hub's thread, between its turns.
   * @throws TypeError if `fn` is no function, RangeError if `period` is not above 0
   */
  addMonitoringFunction(fn: (hub: Hub) => unknown, period: Seconds | null): void {
    if (typeof fn !== 'function') {
      throw wrongType('addMonitoringFunction(fn)', 'a function', fn);
    }
    const ms = period === null ? null : toMs(period, 'addMonitoringFunction(period)');
    if (ms !== null && !(ms > 0)) {
      throw wrongRange('addMonitoringFunction(period)', 'more than 0 seconds or null', period);
    }
    clearInterval(this.#functions.get(fn)?.timer);
    this.#functions.delete(fn);
    if (ms === null || this.#worker === null) return;
    const timer = setInterval(() => {
      try {
        fn(this.hub);
      } catch (error) {
        this.hub.$route(this, error);
      }
    }, ms).unref();
    this.#functions.set(fn, { period: ms / 1000, timer });
  }

  /** Those that are called, with their periods. */
  monitoringFunctions(): MonitoringFunction[] {
    return [...this.#functions].map(([fn, { period }]) => ({ fn, period }));
  }

  // ---- memory -------------------------------------------------------------------------------------------------------

  /** True: the platform tells what it uses. */
  canMonitorMemoryUsage(): boolean {
    return typeof process.memoryUsage === 'function';
  }

  /** Look at the memory every `config.memoryMonitorPeriod`. Done at the start if `config.maxMemoryUsage` is set. */
  installMonitorMemoryUsage(): void {
    if (!this.canMonitorMemoryUsage()) {
      process.emitWarning(
        new MonitorWarning('memory cannot be monitored: the platform does not tell how much is used'),
      );
      return;
    }
    this.addMonitoringFunction(this.#lookAtMemory, config.memoryMonitorPeriod);
  }

  readonly #lookAtMemory = () => this.monitorMemoryUsage();

  /** Look at the memory now, and tell subscribers if it is above `config.maxMemoryUsage` and grows, or no more. Gives bytes resident, or -1 without limit. */
  monitorMemoryUsage(_hub: Hub = this.hub): number {
    const max = config.maxMemoryUsage;
    if (max === null) return -1;
    const info = process.memoryUsage();
    const usage = info.rss;
    if (usage > max) {
      if (usage > this.#lastUsage) notify(new MemoryUsageThresholdExceeded(usage, max, info), 'memory');
      this.#lastUsage = usage;
      this.#worstUsage = Math.max(this.#worstUsage, usage);
    } else if (this.#lastUsage > 0) {
      const worst = this.#worstUsage;
      this.#lastUsage = this.#worstUsage = 0;
      notify(new MemoryUsageUnderThreshold(usage, max, info, worst), 'memory');
    }
    return usage;
  }

  // ---- the end ------------------------------------------------------------------------------------------------------

  /** Stop watching. The hub can be given another monitor. */
  kill(): void {
    const worker = this.#worker;
    if (worker === null) return;
    this.#worker = null;
    watcher = null;
    delete (globalThis as Record<symbol, unknown>)[Symbol.for(ASKED)];
    clearTimeout(this.#beat);
    for (const { timer } of this.#functions.values()) clearInterval(timer);
    this.#functions.clear();
    this.hub.pulse = null;
    this.hub.periodicMonitoringThread = null;
    worker.removeAllListeners('message');
    void worker.terminate();
  }

  /** Ends a `using` block: kills it. */
  [Symbol.dispose](): void {
    this.kill();
  }

  toString(): string {
    return `<PeriodicMonitoringThread of ${this.hub}${this.#worker === null ? ' killed' : ''}>`;
  }
}

/** The one of this thread. */
let watcher: PeriodicMonitoringThread | null = null;

setMonitorMaker((hub) => new PeriodicMonitoringThread(hub));
