// A first-in first-out container: a ring of a power of two cells, which only grows.

const FEWEST = 8;

/** What a Queue keeps its items in. */
export class Deque<T> {
  #cells: (T | undefined)[];
  #head = 0;
  #size = 0;

  constructor(items: Iterable<T> = []) {
    this.#cells = new Array(FEWEST).fill(undefined);
    for (const item of items) this.push(item);
  }

  get length(): number {
    return this.#size;
  }

  /** Append. */
  push(item: T): void {
    if (this.#size === this.#cells.length) this.#grow();
    this.#cells[(this.#head + this.#size++) & (this.#cells.length - 1)] = item;
  }

  /** Take the oldest; undefined if there is none. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const cells = this.#cells;
    const head = this.#head;
    const item = cells[head];
    // Or what was taken would live as long as the queue.
    cells[head] = undefined;
    this.#head = (head + 1) & (cells.length - 1);
    --this.#size;
    return item;
  }

  /** The oldest, left where it is; undefined if there is none. */
  peek(): T | undefined {
    return this.#cells[this.#head];
  }

  #grow(): void {
    const cells = this.#cells;
    const wider = new Array<T | undefined>(cells.length * 2).fill(undefined);
    for (let i = 0; i < this.#size; ++i) wider[i] = cells[(this.#head + i) & (cells.length - 1)];
    this.#cells = wider;
    this.#head = 0;
  }

  /** From the oldest to the newest. */
  *[Symbol.iterator](): Iterator<T> {
    for (let i = 0; i < this.#size; ++i) yield this.#cells[(this.#head + i) & (this.#cells.length - 1)] as T;
  }
}
