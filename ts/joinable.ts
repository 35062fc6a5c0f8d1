// Queue and its kin: a SimpleQueue that counts what is to be done, can be waited for until it is, and can be shut down.

import { needOptions, TIMEOUT, wrongRange, wrongType } from './core/arguments.ts';
import { Event } from './event.ts';
import type { Operation } from './hub/operation.ts';
import { $OWN, SimpleQueue } from './simple-queue.ts';
import type { Limit } from './timeout.ts';

export interface QueueOptions<T = any> {
  /** Tasks that are to be done already. Default: one for each item. */
  unfinishedTasks?: number;
  /** PriorityQueue: less than 0 if `a` comes before `b`. Default: by `<`; arrays element by element. */
  compare?: (a: T, b: T) => number;
}

const QUEUE_OPTIONS: readonly string[] = ['unfinishedTasks', 'compare'];

/**
 * A queue of tasks: those who get an item say `taskDone()` when it is dealt with, and `join()` waits for all.
 * @see `gevent.queue.Queue`, the source.
 */
export class Queue<T = any> extends SimpleQueue<T> {
  static override readonly name: string = 'Queue';
  #unfinished: number;
  /** Up while nothing is to be done; made when somebody joins. */
  #done: Event | null = null;

  /**
   * @param maxsize - most items; 0 or less, null or undefined: any number
   * @param items - there at the beginning, even if they are more than `maxsize`
   */
  constructor(maxsize?: number | null, items: Iterable<T> = [], options: QueueOptions<T> = {}) {
    needOptions(`${new.target.name}(options)`, options, QUEUE_OPTIONS);
    super(maxsize, items, options);
    const { unfinishedTasks } = options;
    if (unfinishedTasks !== undefined && !(Number.isInteger(unfinishedTasks) && unfinishedTasks >= 0)) {
      throw wrongRange(`${new.target.name}(unfinishedTasks)`, 'an integer from 0', unfinishedTasks);
    }
    this.#unfinished = unfinishedTasks ?? this._qsize();
  }

  /** Tasks that were put and not done. */
  get unfinishedTasks(): number {
    return this.#unfinished;
  }

  /** @internal */
  protected override $counted(): void {
    ++this.#unfinished;
    this.#done?.clear();
  }

  /**
   * A task that somebody got is done. Never a switch point.
   * @throws RangeError if there are none left to be done
   */
  taskDone(): void {
    if (this.#unfinished === 0) throw new RangeError('task_done() called too many times: nothing is left to be done');
    if (--this.#unfinished === 0) this.#done?.set();
  }

  /**
   * Wait until all tasks are done: true; false if `timeout` came first. Switch point, unless they are.
   * @param options.timeout - seconds, 0 or more. Default: no limit.
   */
  join(options?: { timeout?: Limit }): Operation<boolean> {
    needOptions('join(options)', options, TIMEOUT);
    if (this.#done === null) {
      this.#done = new Joined(this);
      if (this.#unfinished === 0) this.#done.set();
    }
    return this.#done.wait(options);
  }

  /** True once `shutdown` was called. */
  get isShutdown(): boolean {
    return this.$closed;
  }

  /**
   * Let nobody put any more: that raises ShutDown, and so does getting once the queue is empty. Those who wait to put or get have it
   * raised; what the putters brought is dropped. Never a switch point.
   * @param immediate - drop the items as well, and count them as done. Default false
   */
  shutdown(immediate = false): void {
    this.$closed = true;
    if (immediate) {
      while (this._qsize() > 0) {
        this._get();
        if (this.#unfinished > 0) this.taskDone();
      }
    }
    this.$evict();
    this.$emptied();
  }

  /** Another queue with the same `maxsize`, the same items, and as much to be done. */
  override copy(): this {
    return new (this.constructor as any)(this.maxsize, this.queue, this.$copyOptions());
  }

  /** @internal */
  protected $copyOptions(): QueueOptions<T> {
    return { unfinishedTasks: this.#unfinished };
  }
}

/** As dumps and LoopExit name who joins a queue. */
class Joined extends Event {
  readonly #queue: Queue<any>;

  constructor(queue: Queue<any>) {
    super();
    this.#queue = queue;
  }

  override describe(): string {
    return `${this.#queue.constructor.name}.join, ${this.#queue.unfinishedTasks} tasks to be done`;
  }

  override toString(): string {
    return String(this.#queue);
  }
}

/** What Queue is, under the name it had in gevent. */
export const JoinableQueue = Queue;
export type JoinableQueue<T = any> = Queue<T>;

/**
 * Last in, first out.
 * @see `gevent.queue.LifoQueue`, the source.
 */
export class LifoQueue<T = any> extends Queue<T> {
  static override readonly name: string = 'LifoQueue';
  override _init(_maxsize: number | null, items: Iterable<T>): void {
    this.queue = [...items];
  }

  override _get(): T {
    return this.queue.pop();
  }

  override _peek(): T {
    return this.queue[this.queue.length - 1];
  }
}

/** By `<`; arrays element by element, a shorter one first, as Python's tuples. */
function before(a: any, b: any): number {
  if (Array.isArray(a) && Array.isArray(b)) {
    const shared = Math.min(a.length, b.length);
    for (let i = 0; i < shared; ++i) {
      const order = before(a[i], b[i]);
      if (order !== 0) return order;
    }
    return a.length - b.length;
  }
  return a < b ? -1 : b < a ? 1 : 0;
}

function rise<T>(heap: T[], from: number, top: number, compare: (a: T, b: T) => number): void {
  const item = heap[from];
  let pos = from;
  while (pos > top) {
    const parent = (pos - 1) >> 1;
    if (compare(item, heap[parent]) >= 0) break;
    heap[pos] = heap[parent];
    pos = parent;
  }
  heap[pos] = item;
}

// Down to a leaf by the smaller child, then up to its place: heapq's way, so that equal ones come out as there.
function sink<T>(heap: T[], from: number, compare: (a: T, b: T) => number): void {
  const item = heap[from];
  let pos = from;
  for (let child = pos * 2 + 1; child < heap.length; child = pos * 2 + 1) {
    const right = child + 1;
    if (right < heap.length && compare(heap[child], heap[right]) >= 0) child = right;
    heap[pos] = heap[child];
    pos = child;
  }
  heap[pos] = item;
  rise(heap, pos, from, compare);
}

/**
 * The smallest first. Only the items inside are in order: who waits for room enters in order of arrival.
 *
 *     const queue = new PriorityQueue<[number, string]>();
 *     const jobs = new PriorityQueue<Job>(null, [], { compare: (a, b) => a.due - b.due });
 *
 * @see `gevent.queue.PriorityQueue`, the source. Equal ones come out as from Python's heapq, whose steps it takes.
 */
export class PriorityQueue<T = any> extends Queue<T> {
  static override readonly name: string = 'PriorityQueue';
  /** Set by `_init`, which runs before the fields of a subclass. */
  declare compare: (a: T, b: T) => number;

  constructor(maxsize?: number | null, items: Iterable<T> = [], options: QueueOptions<T> = {}) {
    const compare = options?.compare;
    if (compare !== undefined && typeof compare !== 'function') {
      throw wrongType(`${new.target.name}(compare)`, 'a function', compare);
    }
    super(maxsize, items, options);
  }

  override _init(_maxsize: number | null, items: Iterable<T>, options: QueueOptions<T> = {}): void {
    this.compare = options.compare ?? before;
    const heap = (this.queue = [...items]);
    for (let i = (heap.length >> 1) - 1; i >= 0; --i) sink(heap, i, this.compare);
  }

  override _put(item: T): void {
    rise(this.queue, this.queue.push(item) - 1, 0, this.compare);
  }

  override _get(): T {
    const heap = this.queue as T[];
    const last = heap.pop() as T;
    if (heap.length === 0) return last;
    const top = heap[0];
    heap[0] = last;
    sink(heap, 0, this.compare);
    return top;
  }

  override _peek(): T {
    return this.queue[0];
  }

  /** @internal */
  protected override $copyOptions(): QueueOptions<T> {
    return { ...super.$copyOptions(), compare: this.compare };
  }
}

/**
 * A queue without limit.
 * @see `gevent.queue.UnboundQueue`, the source.
 */
export class UnboundQueue<T = any> extends Queue<T> {
  constructor(maxsize: null | undefined = null, items: Iterable<T> = [], options: QueueOptions<T> = {}) {
    if (maxsize !== null && maxsize !== undefined) {
      throw wrongRange('UnboundQueue has no maxsize', 'null', maxsize);
    }
    super(null, items, options);
  }
}

for (const { prototype } of [LifoQueue, PriorityQueue]) $OWN.add(prototype._put).add(prototype._get);
