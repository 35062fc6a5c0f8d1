// Watchers without a slot of the core: async and signal watchers queue a callback when something happens, prepare, check and idle
// watchers are called by the hub between the phases of a turn.

import { wrongRange } from '../core/arguments.ts';
import type { Callback } from './callback.ts';
import type { Loop } from './loop.ts';
import { OutsideWatcher, Watcher } from './watcher.ts';

/** Called once for each `send()` that is seen, from wherever it came. */
export class AsyncWatcher extends OutsideWatcher {
  #active = false;
  #queued: Callback | null = null;

  get $kind(): string {
    return 'async';
  }

  get active(): boolean {
    return this.#active;
  }

  override get pending(): boolean {
    return this.#queued?.pending ?? false;
  }

  protected $arm(): void {
    this.#active = true;
  }

  protected $disarm(): void {
    this.#active = false;
    this.#queued?.stop();
    this.#queued = null;
  }

  /** Wake the loop; several before it runs count as one. */
  send(): void {
    if (!this.#active || this.pending) return;
    this.#queued = this.loop.runCallback(() => this.$invoke());
  }

  /** `send()` for callers that pass something. */
  sendIgnoringArg(_ignored?: unknown): void {
    this.send();
  }
}

/** When in a turn. */
export type Phase = 'prepare' | 'check' | 'idle';

/** Called in every turn: before (`prepare`), after (`check`), or when nothing else is left (`idle`). */
export class PhaseWatcher extends Watcher {
  readonly #phase: Phase;
  #active = false;

  /** @internal */
  constructor(loop: Loop, phase: Phase, ref: boolean, priority: number | null | undefined) {
    super(loop, ref, priority);
    this.#phase = phase;
  }

  get $kind(): string {
    return this.#phase;
  }

  get active(): boolean {
    return this.#active;
  }

  protected $arm(): void {
    this.#active = true;
    this.loop.$phase(this.#phase).add(this);
  }

  protected $disarm(): void {
    this.#active = false;
    this.loop.$phase(this.#phase).delete(this);
  }

  // libev counts these; but prepare and check fire only in turns that something else causes, so here they never keep
  // the loop going by themselves. An idle watcher does: it makes turns.
  protected override $count(): void {
    if (this.#phase === 'idle') super.$count();
  }
}

/** Calls back when the process gets a signal. */
export class SignalWatcher extends OutsideWatcher {
  readonly #name: string;
  #active = false;
  readonly #handler = () => {
    this.loop.runCallback(() => this.$invoke());
  };

  /** @internal */
  constructor(loop: Loop, signal: string | number, ref: boolean, priority: number | null | undefined) {
    super(loop, ref, priority);
    this.#name = signalName(signal);
  }

  get $kind(): string {
    return `signal ${this.#name}`;
  }

  get active(): boolean {
    return this.#active;
  }

  protected $arm(): void {
    this.#active = true;
    process.on(this.#name, this.#handler);
  }

  protected $disarm(): void {
    this.#active = false;
    process.off(this.#name, this.#handler);
  }
}

/** `SIGTERM`, `'SIGTERM'` or 15 as Node's name. */
export function signalName(signal: string | number): string {
  const os = process.getBuiltinModule('node:os');
  const names = os.constants.signals as Record<string, number>;
  if (typeof signal === 'string' && signal in names) return signal;
  if (typeof signal === 'number') {
    for (const name in names) if (names[name] === signal) return name;
  }
  throw wrongRange('signal', "a name such as 'SIGTERM' or its number", signal);
}
