// What the compiler must know of events, locks and queues. Checked by `tsc`, never run.

import { expectTypeOf } from 'vitest';
import { AsyncResult, Event } from '../../ts/event.ts';
import { type Operation, type Park, spawn } from '../../ts/index.ts';
import { type Held, RLock, Semaphore } from '../../ts/lock.ts';
import { Channel, END, forEach, PriorityQueue, Queue } from '../../ts/queue.ts';

type Body<T> = Generator<Park, T, any>;

export function* inABody(): Body<void> {
  const queue = new Queue<string>(1);
  expectTypeOf(yield* queue.get()).toEqualTypeOf<string>();
  expectTypeOf(yield* queue.peek({ timeout: 1 })).toEqualTypeOf<string>();
  expectTypeOf(queue.getNowait()).toEqualTypeOf<string>();
  expectTypeOf(queue.put('x')).toEqualTypeOf<Operation<void>>();
  expectTypeOf(yield* queue.join()).toEqualTypeOf<boolean>();
  queue.putNowait(END);
  // @ts-expect-error an item of another type
  queue.put(5);
  // @ts-expect-error an option that there is not
  queue.get({ wait: false });
  expectTypeOf(yield* forEach(queue, (item) => expectTypeOf(item).toEqualTypeOf<string>())).toEqualTypeOf<number>();
  expectTypeOf(yield* new Event().wait()).toEqualTypeOf<boolean>();
  expectTypeOf(yield* new AsyncResult<number>().get()).toEqualTypeOf<number>();
  expectTypeOf(yield* new AsyncResult<number>().wait()).toEqualTypeOf<number | undefined>();
  expectTypeOf(yield* new Semaphore().lock()).toEqualTypeOf<Held>();
  expectTypeOf(yield* new RLock().with((x: number) => String(x), 5)).toEqualTypeOf<string>();
  // @ts-expect-error the function takes a number
  new RLock().with((x: number) => x, 'five');
  const five = yield* new Semaphore().with(function* (): Body<5> {
    return 5;
  });
  expectTypeOf(five).toEqualTypeOf<5>();
  // @ts-expect-error a result of another type
  new AsyncResult<number>().set('x');
}

export async function awaited(): Promise<void> {
  for await (const item of new Channel<number>()) expectTypeOf(item).toEqualTypeOf<number>();
  expectTypeOf(await new PriorityQueue<[number, string]>().get()).toEqualTypeOf<[number, string]>();
  expectTypeOf(await new Semaphore().acquire({ blocking: false })).toEqualTypeOf<boolean>();
  new PriorityQueue<Date>(null, [], { compare: (a, b) => a.getTime() - b.getTime() });
  spawn(() => 5).rawlink(new AsyncResult<number>().copyFrom);
}
