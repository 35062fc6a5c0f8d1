// A fixed number of threads, which run tasks until they are told to end. Threads, messages and idle times are piscina's.

import { existsSync } from 'node:fs';
import { Piscina } from 'piscina';
import { GeventError } from '../exceptions.ts';

/** What threads begin with: a file beside this one, which a bundler leaves behind. */
function workerFile(): string {
  const here: string | undefined = import.meta.url;
  const file = here && new URL(here.endsWith('.ts') ? './thread-worker.ts' : './thread-worker.js', here);
  if (file && existsSync(file)) return file.href;
  throw new GeventError(
    'GEVENT_NO_THREADS',
    'threads begin with a file of gevent-wasm that is not here: leave gevent-wasm out of the bundle (as external)',
  );
}

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
      filename: workerFile(),
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
