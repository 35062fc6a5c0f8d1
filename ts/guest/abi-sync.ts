// For guests: channels and queues, semaphores, events. The objects are the very ones that JavaScript has.
//
// Items are numbers (f64) by channel_put and channel_get, bytes by queue_put and queue_get; both take a Channel or any queue.

import { Channel } from '../channel.ts';
import { Event } from '../event.ts';
import type { Operation } from '../hub/operation.ts';
import { getcurrent } from '../hub/raw.ts';
import { END, ShutDown } from '../iteration.ts';
import { BoundedSemaphore, RLock, Semaphore } from '../lock.ts';
import { Queue } from '../queue.ts';
import { Empty, Full, SimpleQueue } from '../simple-queue.ts';
import { Answer, rethrow } from './answer.ts';
import { type Builtin, blocks, direct, limitOf, native, plain } from './builtin.ts';
import { LATE, OVER } from './errno.ts';
import { GuestGreenlet } from './guest-greenlet.ts';
import type { Instance } from './instance.ts';
import { bytesAt, storeDouble, viewOf } from './memory.ts';

type Items = Channel | SimpleQueue;
const isItems = (it: object): it is Items => it instanceof Channel || it instanceof SimpleQueue;
const isClosable = (it: object): it is Queue => it instanceof Queue;
const isLock = (it: object): it is Semaphore | RLock => it instanceof Semaphore || it instanceof RLock;
const isEvent = (it: object): it is Event => it instanceof Event;

const items = (instance: Instance, handle: number, waits = false): Items => {
  const it = instance.handles.get(handle, isItems, 'a channel or a queue');
  if (waits && it.constructor === Channel) instance.$share(handle, it as Channel, 0, true);
  return it;
};

// What is of our own classes, not of one derived from them, guest code may reach by itself from then on.
const event = (instance: Instance, handle: number, waits = false): Event => {
  const it = instance.handles.get(handle, isEvent, 'an event');
  if (it.constructor === Event) instance.$share(handle, it, 0, waits);
  return it;
};
const lock = (instance: Instance, handle: number, waits = false): Semaphore | RLock => {
  const it = instance.handles.get(handle, isLock, 'a semaphore or a lock');
  if (it.constructor === Semaphore) instance.$share(handle, it, 1, waits);
  // Its release looks at how many there were.
  else if (it.constructor === BoundedSemaphore) instance.$share(handle, it as Semaphore, 0, waits);
  return it;
};

/** Nobody came in time; there is no more. */
function ended(error: unknown): number {
  if (error instanceof Empty || error instanceof Full) return LATE;
  if (error instanceof ShutDown) return OVER;
  throw error;
}

/** The same to one who waited for an item: what was there when the queue was shut down comes before the end. */
const endedGet = (from: Items, told: (item: unknown) => number) => (error: unknown) =>
  error instanceof ShutDown && from.qsize() > 0 ? told(from.getNowait()) : ended(error);

const done = () => 0;

function put(into: Items, item: unknown, limit: number | null): Operation<unknown> {
  // Its value, undefined, is 0 to the guest, and nothing else can come of it.
  if (limit === null) return into instanceof Channel ? into.put(item) : new Answer(() => into.put(item), done, ended);
  return new Answer(() => into.put(item, { timeout: limit }), done, ended);
}

/** Refuse what a guest cannot have. The item is gone then: whoever put it did not mean it for guests. */
export function numberOf(item: unknown, from: Items): number {
  if (typeof item === 'number' || typeof item === 'boolean') return Number(item);
  throw new TypeError(`channel_get: expected a number from ${from}, got ${typeof item}`);
}

const encoder = new TextEncoder();

function bytesOf(item: unknown, from: Items): Uint8Array {
  if (typeof item === 'string') return encoder.encode(item);
  if (ArrayBuffer.isView(item)) return new Uint8Array(item.buffer, item.byteOffset, item.byteLength);
  if (item instanceof ArrayBuffer) return new Uint8Array(item);
  throw new TypeError(`queue_get: expected bytes or text from ${from}, got ${typeof item}`);
}

/** What queue_get got for a greenlet, until it is taken. */
const received = new WeakMap<object, Uint8Array>();
const nobody = {};
const caller = (): object => {
  const me = getcurrent();
  return me instanceof GuestGreenlet ? me : nobody;
};

export const SYNC: readonly [string, Builtin][] = [
  // ---- channels and queues ------------------------------------------------------------------------------------------
  ['channel_new', plain('>i', (instance) => () => instance.handles.of(new Channel()))],
  native(
    'channel_put',
    blocks('idd>i', (instance) => (handle: number, item: number, timeout: number) => {
      return put(items(instance, handle, true), item, limitOf(timeout, 'channel_put'));
    }),
  ),
  native(
    'channel_get',
    blocks('iid>i', (instance) => (handle: number, out: number, timeout: number) => {
      const from = items(instance, handle, true);
      const limit = limitOf(timeout, 'channel_get');
      viewOf(instance, out, 8);
      const op = () => (limit === null ? from.get() : from.get({ timeout: limit }));
      const told = (item: unknown) => {
        if (item === END) return OVER;
        storeDouble(instance, out, numberOf(item, from));
        return 0;
      };
      return new Answer(op, told, endedGet(from, told));
    }),
    1,
  ),
  [
    'channel_end',
    blocks('id>i', (instance) => (handle: number, timeout: number) => {
      return put(items(instance, handle), END, limitOf(timeout, 'channel_end'));
    }),
  ],
  ['queue_new', plain('i>i', (instance) => (maxsize: number) => instance.handles.of(new Queue(maxsize)))],
  [
    'queue_put',
    blocks('iiid>i', (instance) => (handle: number, at: number, length: number, timeout: number) => {
      const into = items(instance, handle);
      return put(into, bytesAt(instance, at, length), limitOf(timeout, 'queue_put'));
    }),
  ],
  [
    'queue_get',
    blocks(
      'id>i',
      (instance) =>
        function (this: object | undefined, handle: number, timeout: number) {
          const from = items(instance, handle);
          const limit = limitOf(timeout, 'queue_get');
          const op = () => (limit === null ? from.get() : from.get({ timeout: limit }));
          const told = (item: unknown) => {
            if (item === END) return OVER;
            const bytes = bytesOf(item, from);
            received.set(this ?? nobody, bytes);
            return bytes.length;
          };
          return new Answer(op, told, endedGet(from, told));
        },
    ),
  ],
  [
    'queue_take',
    plain('ii>i', (instance) => (at: number, room: number) => {
      const me = caller();
      const bytes = received.get(me);
      if (bytes === undefined) return 0;
      const into = viewOf(instance, at, Math.min(room >>> 0, bytes.length));
      received.delete(me);
      into.set(bytes.subarray(0, into.length));
      return into.length;
    }),
  ],
  ['queue_size', direct('i>i', (instance) => (handle: number) => items(instance, handle).qsize())],
  [
    'queue_shutdown',
    plain('i>', (instance) => (handle: number) => {
      instance.handles.get(handle, isClosable, 'a Queue').shutdown();
    }),
  ],
  // ---- semaphores and locks -----------------------------------------------------------------------------------------
  ['semaphore_new', plain('i>i', (instance) => (permits: number) => instance.handles.of(new Semaphore(permits)))],
  native(
    'semaphore_acquire',
    blocks('id>i', (instance) => (handle: number, timeout: number) => {
      const it = lock(instance, handle, true);
      const limit = limitOf(timeout, 'semaphore_acquire');
      const op = () => (limit === null ? it.acquire() : it.acquire({ timeout: limit }));
      return new Answer(op, (taken) => (taken ? 0 : LATE), rethrow);
    }),
  ),
  native(
    'semaphore_try',
    plain('i>i', (instance) => (handle: number) => (lock(instance, handle).acquireNowait() ? 1 : 0)),
  ),
  native(
    'semaphore_release',
    plain('ii>', (instance) => (handle: number, count: number) => {
      const it = lock(instance, handle);
      if (it instanceof Semaphore) it.release(count);
      else it.release();
    }),
  ),
  // ---- events -------------------------------------------------------------------------------------------------------
  ['event_new', plain('>i', (instance) => () => instance.handles.of(new Event()))],
  native(
    'event_set',
    plain('i>', (instance) => (handle: number) => event(instance, handle).set()),
  ),
  native(
    'event_clear',
    plain('i>', (instance) => (handle: number) => event(instance, handle).clear()),
  ),
  native(
    'event_is_set',
    plain('i>i', (instance) => (handle: number) => (event(instance, handle).isSet() ? 1 : 0)),
  ),
  native(
    'event_wait',
    blocks('id>i', (instance) => (handle: number, timeout: number) => {
      const it = event(instance, handle, true);
      const limit = limitOf(timeout, 'event_wait');
      const op = () => (limit === null ? it.wait() : it.wait({ timeout: limit }));
      return new Answer(op, (set) => (set ? 0 : LATE), rethrow);
    }),
  ),
];
