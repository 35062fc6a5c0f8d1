// Channels, queues, semaphores, events: the very objects that JavaScript and other guests have. Each is made anew, or is the one that
// a handle from the host names: an export takes it as i32, and the host passes the object itself.
//
//     export function produce(handle: i32): void {
//       const channel = new Channel<i32>(handle);
//       for (let i = 0; i < 3; ++i) channel.put(i);
//     }
//
// A `timeout` is in seconds; less than 0, as by default, is no limit.

import { E_OVER, E_TIMEDOUT } from './errno';
import * as gevent from './imports';
import './stacks';

/** Where channel_get leaves an item. Read before anybody else runs. */
const item: usize = memory.data(8, 8);

/** Hands numbers over, one for one: `put` is done when somebody has the item. T is a number of at most 53 bits, or bool. */
export class Channel<T> {
  readonly handle: i32;
  /** What the last `next` got. */
  value: T = <T>0;
  /** True once END came, or the queue that it is was shut down. */
  ended: bool = false;

  constructor(handle: i32 = 0) {
    if (!isInteger<T>() && !isFloat<T>()) ERROR('Channel<T>: T is a number or bool; bytes and text go through Queue');
    if (isInteger<T>() && sizeof<T>() > 4)
      ERROR('Channel<T>: items are f64 on the way; use an integer of 32 bits or less');
    this.handle = handle ? handle : gevent.channel_new();
  }

  /** Hand an item over: true; false if nobody took it in time. Switch point, always. */
  put(value: T, timeout: f64 = -1): bool {
    return gevent.channel_put(this.handle, <f64>value, timeout) === 0;
  }

  /** Wait for an item, which is then `value`: true; false if none came in time, or none will come (`ended`). Switch point. */
  next(timeout: f64 = -1): bool {
    const code = gevent.channel_get(this.handle, item, timeout);
    if (code < 0) {
      if (code === E_OVER) this.ended = true;
      return false;
    }
    const got = load<f64>(item);
    if (isBoolean<T>()) this.value = <T>(got !== 0);
    else this.value = <T>got;
    return true;
  }

  /** The next item. An error, which ends the greenlet, if none came in time or none will come. Switch point. */
  get(timeout: f64 = -1): T {
    if (!this.next(timeout))
      throw new Error(this.ended ? 'Channel.get: there are no more items' : 'Channel.get: no item came in time');
    return this.value;
  }

  /** Tell one who gets that there are no more items. True; false if nobody took it in time. Switch point, always. */
  end(timeout: f64 = -1): bool {
    return gevent.channel_end(this.handle, timeout) === 0;
  }
}

/** A queue of bytes or text. JavaScript gets Uint8Arrays from it, and may put those or strings. */
export class Queue {
  readonly handle: i32;
  /** What the last `next` got. */
  bytes: ArrayBuffer = new ArrayBuffer(0);
  /** True once it was shut down and is empty. */
  ended: bool = false;

  /**
   * @param maxsize most items; 0: any number
   * @param handle of one that the host gave
   */
  constructor(maxsize: i32 = 0, handle: i32 = 0) {
    this.handle = handle ? handle : gevent.queue_new(maxsize);
  }

  /** The queue that the host gave. */
  static of(handle: i32): Queue {
    return new Queue(0, handle);
  }

  /** Items in it. */
  get length(): i32 {
    return gevent.queue_size(this.handle);
  }

  /** Put a copy in: true; false if there was no room in time, or it was shut down (`ended`). Switch point, unless there is room. */
  put(bytes: ArrayBuffer, timeout: f64 = -1): bool {
    const code = gevent.queue_put(this.handle, changetype<usize>(bytes), bytes.byteLength, timeout);
    if (code === E_OVER) this.ended = true;
    return code === 0;
  }

  putText(text: string, timeout: f64 = -1): bool {
    return this.put(String.UTF8.encode(text), timeout);
  }

  /** Wait for an item, which is then `bytes`: true; false if none came in time, or none will come (`ended`). */
  next(timeout: f64 = -1): bool {
    const length = gevent.queue_get(this.handle, timeout);
    if (length < 0) {
      if (length === E_OVER) this.ended = true;
      return false;
    }
    const bytes = new ArrayBuffer(length);
    gevent.queue_take(changetype<usize>(bytes), length);
    this.bytes = bytes;
    return true;
  }

  /** What the last `next` got, as text. */
  get text(): string {
    return String.UTF8.decode(this.bytes);
  }

  /** Let nobody put any more; those who get are told once it is empty. */
  shutdown(): void {
    gevent.queue_shutdown(this.handle);
  }
}

/** So many permits. */
export class Semaphore {
  readonly handle: i32;

  constructor(permits: i32 = 1, handle: i32 = 0) {
    this.handle = handle ? handle : gevent.semaphore_new(permits);
  }

  /** The semaphore or lock that the host gave. */
  static of(handle: i32): Semaphore {
    return new Semaphore(0, handle);
  }

  /** Take a permit: true; false if none was free in time. Switch point, unless one is free. */
  acquire(timeout: f64 = -1): bool {
    return gevent.semaphore_acquire(this.handle, timeout) !== E_TIMEDOUT;
  }

  /** Take one if it is free. Never a switch point. */
  acquireNowait(): bool {
    return gevent.semaphore_try(this.handle) !== 0;
  }

  release(count: i32 = 1): void {
    gevent.semaphore_release(this.handle, count);
  }
}

/** A flag to wait for. */
export class Event {
  readonly handle: i32;

  constructor(handle: i32 = 0) {
    this.handle = handle ? handle : gevent.event_new();
  }

  get isSet(): bool {
    return gevent.event_is_set(this.handle) !== 0;
  }

  set(): void {
    gevent.event_set(this.handle);
  }

  clear(): void {
    gevent.event_clear(this.handle);
  }

  /** Wait until it is set: true; false if it was not in time. Switch point, unless it is set. */
  wait(timeout: f64 = -1): bool {
    return gevent.event_wait(this.handle, timeout) === 0;
  }
}
