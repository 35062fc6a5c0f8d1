// A fixed number of threads, which run tasks until they are told to end. Threads, messages and idle times are piscina's.

import { Piscina } from 'piscina';

const WORKER = new URL(import.meta.url.endsWith('.ts') ? './thread-worker.ts' : './thread-worker.js', import.meta.url)
  .href;

export class Engine {
  readonly piscina: Piscina;
  readonly ended = Promise.withResolvers<void>();
  busy = 0;
  #retired = false;
  readonly #gone: (engine: Engine) => void;

  constructor(
    threads: number,
    least: number,
    idleMs: number,
    gone: (engine: Engine) => void,
    failed: (e: unknown) => void,
  ) {
    this.#gone = gone;
    // Without 'sync', which has a thread without work stand still: connections and timers that a module keeps there would as well.
    this.piscina = new Piscina({
      filename: WORKER,
      name: 'run',
      minThreads: least,
      maxThreads: threads,
      idleTimeout: idleMs,
      atomics: 'disabled',
    });
    this.piscina.on('error', failed);
  }

  /** End it when its tasks have. */
  retire(): void {
    this.#retired = true;
    if (this.busy === 0) this.end();
  }

  /** One task less. */
  left(): void {
    if (--this.busy === 0 && this.#retired) this.end();
  }

  /** End its threads, whatever they do. */
  end(): void {
    this.#retired = true;
    this.piscina.destroy().then(() => {
      this.#gone(this);
      this.ended.resolve();
    });
  }
}
