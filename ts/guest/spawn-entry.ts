// What the engine calls to start what guests of one instance spawn by themselves (`gevent.spawn`): a function in its table; and a number,
// by which it tells whose they are once JavaScript meets them.

import type { NativeEngine } from './engine.ts';
import { GuestError } from './errors.ts';
import type { Instance } from './instance.ts';
import { SPAWNED } from './pilot.ts';
import { OUR } from './rewrite.ts';

export class SpawnEntry {
  readonly #engine: NativeEngine;
  readonly #number: number;
  readonly #entry: number;

  /** Takes both places; `open` fills the first when the instance is there. */
  constructor(engine: NativeEngine, instance: Instance) {
    this.#engine = engine;
    this.#number = takeNumber(engine, instance);
    this.#entry = engine.addEntry(null);
  }

  /** What shims know of the instance. */
  static globals(entry: SpawnEntry | null): Record<string, WebAssembly.Global> {
    return {
      entry: new WebAssembly.Global({ value: 'i32' }, entry === null ? 0 : entry.#entry),
      number: new WebAssembly.Global({ value: 'i32' }, entry === null ? 0 : entry.#number),
    };
  }

  /** `raw`: what the instance exports. */
  open(raw: Record<string, any>, instance: Instance): void {
    const { exports } = this.#engine;
    let start: unknown = raw[SPAWNED];
    if (start === undefined) {
      const table = functionsOf(raw);
      if (table === null) {
        throw new GuestError('GEVENT_GUEST_IMPORT', `${instance.name} imports gevent.spawn, and has no ${TABLE}`);
      }
      const module = instance.program.spawnedModule();
      const imports = { e: exports as unknown as Record<string, any>, i: { table } };
      start = new WebAssembly.Instance(module, imports).exports['0'];
    }
    exports.entries.set(this.#entry, start);
  }

  /** Give the places back. */
  close(): void {
    this.#engine.instances[this.#number] = null;
    this.#engine.dropEntry(this.#entry);
  }
}

/** The table of functions that a guest exports, or null. */
export function functionsOf(raw: Record<string, any>): WebAssembly.Table | null {
  const table = raw[OUR.table] ?? raw.__indirect_function_table ?? raw.table;
  return table instanceof WebAssembly.Table ? table : null;
}

/** For messages. */
export const TABLE = 'table of functions (is the table exported? asc --exportTable, clang -Wl,--export-table)';

/** Number 0 is nobody's. */
function takeNumber(engine: NativeEngine, instance: Instance): number {
  if (engine.instances.length === 0) engine.instances.push(null);
  const free = engine.instances.indexOf(null, 1);
  if (free > 0) {
    engine.instances[free] = instance;
    return free;
  }
  if (engine.instances.length >= 1 << 24) throw new GuestError('GEVENT_GUEST_MEMORY', 'too many instances that spawn');
  return engine.instances.push(instance) - 1;
}
