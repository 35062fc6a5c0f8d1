// The shadow stacks of one instance. Compiled C, Rust and AssemblyScript keep what has an address on a stack in the guest's own memory,
// below a pointer in a global; each greenlet in the instance needs one of its own. A stack is known by its top.

import { GuestError } from './errors.ts';
import type { GuestGreenlet } from './guest-greenlet.ts';
import type { Instance } from './instance.ts';

export class ShadowStacks {
  readonly #instance: Instance;
  readonly #pointer: WebAssembly.Global;
  /** Free for one greenlet each. The first is the stack that the module was linked with. */
  readonly #free: number[];
  /** For a collector: all but that first one, */
  readonly #tops: number[] = [];
  /** and who has started and not ended. */
  readonly #guests = new Set<GuestGreenlet>();

  constructor(instance: Instance, pointer: WebAssembly.Global) {
    this.#instance = instance;
    this.#pointer = pointer;
    this.#free = [pointer.value];
  }

  /** Give `g` a stack. @throws GuestError if there is no memory for one more, or the guest's collector would not look there */
  take(g: GuestGreenlet): void {
    g.$sp = g.$stack = this.#free.pop() ?? this.#grow();
    if (this.#instance.program.collects) this.#guests.add(g);
  }

  /** `g` has ended; `ok`: by returning. */
  giveBack(g: GuestGreenlet, ok: boolean): void {
    if (g.$stack === 0) return;
    if (this.#guests.delete(g) && !ok) this.#clear(g.$stack);
    this.#free.push(g.$stack);
    g.$stack = 0;
  }

  #grow(): number {
    const { program, name, memory } = this.#instance;
    const { stackSize, shape, collects } = program;
    const sp = shape?.stackPointer;
    if (sp?.kind === 'global' && sp.from === 'assemblyscript' && !program.sharedStack && !collects) {
      throw new GuestError(
        'GEVENT_GUEST_COLLECTOR',
        `${name}: AssemblyScript's incremental runtime looks for references on one stack only, so a second greenlet in this instance could lose its objects: let it import 'gevent-wasm/assembly', which visits them all, compile with --runtime minimal or stub, or give each greenlet an instance (program.instantiate())`,
      );
    }
    const pages = Math.ceil(stackSize / 65536);
    let from: number;
    try {
      from = memory.grow(pages) * 65536;
    } catch (cause) {
      throw new GuestError('GEVENT_GUEST_MEMORY', `${name}: no memory for the stack of another greenlet`, { cause });
    }
    for (let top = from + stackSize; top <= from + pages * 65536; top += stackSize) {
      this.#free.push(top);
      if (collects) this.#tops.push(top);
    }
    return this.#free.pop() as number;
  }

  /** Whoever was cut short has left references in it that nobody keeps alive, and the pointer may still be below them. */
  #clear(top: number): void {
    const { program, memory } = this.#instance;
    const bottom = this.#tops.includes(top) ? top - program.stackSize : (program.shape?.dataEnd ?? top);
    new Uint8Array(memory.buffer, bottom, top - bottom).fill(0);
  }

  /**
   * For a collector in the guest: write pairs of pointer and top, of each stack in which references may be, as far as there is room for;
   * how many there are. Left out is what the collector visits itself: the module's own stack, while it is in use.
   */
  write(at: number, room: number): number {
    const { engine, program, memory } = this.#instance;
    const sp = this.#pointer.value as number;
    const inUse = this.#tops.find((top) => sp <= top && sp > top - program.stackSize) ?? 0;
    const pairs: [number, number][] = inUse === 0 ? [] : [[0, inUse]];
    for (const g of this.#guests) if (!engine.runs(g)) pairs.push([engine.stackOf(g), g.$stack]);
    const into = new DataView(memory.buffer);
    pairs.slice(0, room).forEach(([from, top], i) => {
      into.setUint32(at + 8 * i, from, true);
      into.setUint32(at + 8 * i + 4, top, true);
    });
    return pairs.length;
  }

  /** For JSPI, where nothing in the guest does it: put the pointer of `g` in place, */
  use(g: GuestGreenlet): void {
    this.#pointer.value = g.$sp;
  }

  /** and take it back. */
  keep(g: GuestGreenlet): void {
    g.$sp = this.#pointer.value;
  }
}
