// A first-in first-out container: chunks of cells, one behind the other. Nothing is copied as it grows, and a chunk goes when its
// last item does; one is kept, so that items which come and go in turn allocate nothing.

const FEWEST = 8;
const MOST = 1024;

/** Cells that are filled from the first to the last, and emptied so. */
class Chunk<T> {
  readonly cells: (T | undefined)[];
  next: Chunk<T> | null = null;

  constructor(length: number) {
    this.cells = new Array(length).fill(undefined);
  }
}

/** What a Queue keeps its items in. */
export class Deque<T> {
  /** Items are from `#head` of the first chunk to before `#end` of the last; chunks between are full. */
  #first: Chunk<T>;
  #last: Chunk<T>;
  #spare: Chunk<T> | null = null;
  #head = 0;
  #end = 0;
  #size = 0;

  constructor(items: Iterable<T> = []) {
    this.#first = this.#last = new Chunk(FEWEST);
    for (const item of items) this.push(item);
  }

  get length(): number {
    return this.#size;
  }

  /** Append. */
  push(item: T): void {
    let { cells } = this.#last;
    if (this.#end === cells.length) cells = this.#more();
    cells[this.#end++] = item;
    ++this.#size;
  }

  /** Take the oldest; undefined if there is none. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const { cells } = this.#first;
    const head = this.#head;
    const item = cells[head];
    // Or what was taken would live as long as the queue.
    cells[head] = undefined;
    this.#head = head + 1;
    if (--this.#size === 0) this.#head = this.#end = 0;
    else if (head + 1 === cells.length) this.#less();
    return item;
  }

  /** The oldest, left where it is; undefined if there is none. */
  peek(): T | undefined {
    return this.#first.cells[this.#head];
  }

  /** Another chunk behind the last, which is full. */
  #more(): (T | undefined)[] {
    const { length } = this.#last.cells;
    const chunk = this.#spare ?? new Chunk<T>(Math.min(length * 2, MOST));
    this.#spare = null;
    this.#last = this.#last.next = chunk;
    this.#end = 0;
    return chunk.cells;
  }

  /** The first chunk is empty, and not the last. */
  #less(): void {
    const chunk = this.#first;
    this.#first = chunk.next as Chunk<T>;
    this.#head = 0;
    chunk.next = null;
    this.#spare = chunk;
  }

  /** From the oldest to the newest, as they are at its beginning: others may take and add items meanwhile, and chunks come back. */
  *[Symbol.iterator](): Iterator<T> {
    const items: T[] = [];
    let at = this.#head;
    for (let chunk: Chunk<T> | null = this.#first; items.length < this.#size; chunk = (chunk as Chunk<T>).next) {
      const { cells } = chunk as Chunk<T>;
      while (at < cells.length && items.length < this.#size) items.push(cells[at++] as T);
      at = 0;
    }
    yield* items;
  }
}
