// What one would write for queues, events and locks without a library: arrays of resolve functions. No timeout, no kill.

import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import type { Contender } from '../harness.ts';
import { timed, timedAsync } from './gauge.ts';
import type { Form } from './sync.ts';

function native(id: string, role: Contender['role'], expect: number, work: () => Promise<number>): Contender {
  return { id, role, load: () => ({ expect, sample: () => timedAsync(work) }) };
}

/** An async queue with room for `limit` items; 0: a hand-over. */
class AsyncQueue<T> {
  readonly #limit: number;
  readonly #items: T[] = [];
  readonly #getters: ((item: T) => void)[] = [];
  readonly #putters: { item: T; done: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  put(item: T): Promise<void> | undefined {
    const getter = this.#getters.shift();
    if (getter !== undefined) {
      getter(item);
      return undefined;
    }
    if (this.#items.length < this.#limit) {
      this.#items.push(item);
      return undefined;
    }
    return new Promise((done) => this.#putters.push({ item, done }));
  }

  get(): T | Promise<T> {
    if (this.#items.length > 0) {
      const item = this.#items.shift() as T;
      const putter = this.#putters.shift();
      if (putter !== undefined) {
        this.#items.push(putter.item);
        putter.done();
      }
      return item;
    }
    const putter = this.#putters.shift();
    if (putter !== undefined) {
      putter.done();
      return putter.item;
    }
    return new Promise((resolve) => this.#getters.push(resolve));
  }
}

export function handing(form: Form, total: number): Contender {
  return native('native:async-queue', 'baseline', total, async () => {
    const queue = new AsyncQueue<number>(form === 'one' ? 1 : form === 'channel' ? 0 : Infinity);
    let seen = 0;
    const produce = async () => {
      for (let i = 0; i < total; i++) await queue.put(i);
    };
    const consume = async () => {
      for (let i = 0; i < total; i++) {
        await queue.get();
        seen++;
      }
    };
    await Promise.all([produce(), consume()]);
    return seen;
  });
}

/** Two bare generators resumed in turn, one pushing to an array, the other taking from it: no scheduler, nothing waits. */
export function floorHanding(total: number): Contender {
  function* produce(items: number[]): Generator<void, void, void> {
    for (let i = 0; i < total; i++) {
      items.push(i);
      yield;
    }
  }
  function* consume(items: number[]): Generator<void, number, void> {
    let seen = 0;
    for (let i = 0; i < total; i++) {
      items.pop();
      seen++;
      yield;
    }
    return seen;
  }
  const work = () => {
    const items: number[] = [];
    const [putter, getter] = [produce(items), consume(items)];
    for (;;) {
      putter.next();
      const step = getter.next();
      if (step.done) return step.value;
    }
  };
  return { id: 'floor:generator', role: 'floor', load: () => ({ expect: total, sample: () => timed(work) }) };
}

/** Two bare generators resumed in turn. */
export function floorSwitching(total: number): Contender {
  let seen = 0;
  function* body(): Generator<void, void, void> {
    for (let i = 0; i < total / 2; i++) {
      seen++;
      yield;
    }
  }
  const work = () => {
    seen = 0;
    const [a, b] = [body(), body()];
    while (!a.next().done) b.next();
    return seen;
  };
  return { id: 'floor:generator', role: 'floor', load: () => ({ expect: total, sample: () => timed(work) }) };
}

/** Two async functions that resolve each other's promise in turn. */
export function pingPong(total: number): Contender {
  return native('native:await', 'baseline', total, async () => {
    const wake: ((value: undefined) => void)[] = [];
    let seen = 0;
    const body = async (mine: number) => {
      for (let i = 0; i < total / 2; i++) {
        const waiting = new Promise<undefined>((resolve) => (wake[mine] = resolve));
        wake[1 - mine]?.(undefined);
        await waiting;
        seen++;
      }
      wake[1 - mine]?.(undefined);
    };
    await Promise.all([body(0), body(1)]);
    return seen;
  });
}

/** A lock as a chain of promises. */
export function permits(total: number): Contender {
  return native('native:promise-chain', 'baseline', total, async () => {
    let last: Promise<void> = Promise.resolve();
    let seen = 0;
    for (let i = 0; i < total; i++) {
      const before = last;
      let release = () => {};
      last = new Promise((resolve) => (release = resolve));
      await before;
      seen++;
      release();
    }
    return seen;
  });
}

/** `n` async functions wait for one promise. */
export function waking(n: number, times: number): Contender {
  return native('native:await', 'baseline', n * times, async () => {
    let seen = 0;
    for (let i = 0; i < times; i++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const body = async () => {
        await promise;
        seen++;
      };
      const all = Array.from({ length: n }, body);
      resolve();
      await Promise.all(all);
    }
    return seen;
  });
}

/** A loop over an array of functions. */
export function floorLinking(n: number, times: number): Contender {
  const work = () => {
    let seen = 0;
    for (let k = 0; k < times; k++) {
      const links: (() => void)[] = [];
      for (let i = 0; i < n; i++) links.push(() => seen++);
      for (const link of links) link();
    }
    return seen;
  };
  return { id: 'floor:array', role: 'floor', load: () => ({ expect: n * times, sample: () => timed(work) }) };
}

/** `n` reactions to one promise. */
export function chaining(n: number, times: number): Contender {
  return native('native:then', 'baseline', n * times, async () => {
    let seen = 0;
    for (let k = 0; k < times; k++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      for (let i = 0; i < n; i++) promise.then(() => seen++);
      resolve();
      await promise;
    }
    return seen;
  });
}

/** `once` of Node's EventEmitter. */
export function emitting(n: number, times: number): Contender {
  const work = () => {
    let seen = 0;
    for (let k = 0; k < times; k++) {
      const emitter = new EventEmitter();
      emitter.setMaxListeners(0);
      for (let i = 0; i < n; i++) emitter.once('set', () => seen++);
      emitter.emit('set');
    }
    return seen;
  };
  return { id: 'native:EventEmitter', role: 'peer', load: () => ({ expect: n * times, sample: () => timed(work) }) };
}

/** A property behind a Proxy, whose traps read and write one object. */
export function floorProxy(total: number): Contender {
  const mine = new Proxy(
    { values: { count: 0 } as Record<PropertyKey, number> },
    {
      get: ({ values }, key) => values[key],
      set({ values }, key, value) {
        values[key] = value;
        return true;
      },
    },
  ) as unknown as { count: number };
  const work = () => {
    mine.count = 0;
    for (let i = 0; i < total; i++) mine.count = mine.count + 1;
    return mine.count;
  };
  return { id: 'floor:proxy', role: 'floor', load: () => ({ expect: total, sample: () => timed(work) }) };
}

/** A property of what an AsyncLocalStorage holds, asked for at each read and each write. */
export function store(total: number): Contender {
  const storage = new AsyncLocalStorage<{ count: number }>();
  const mine = () => storage.getStore() as { count: number };
  return native('native:AsyncLocalStorage', 'baseline', total, () =>
    storage.run({ count: 0 }, async () => {
      for (let i = 0; i < total; i++) mine().count = mine().count + 1;
      return mine().count;
    }),
  );
}
