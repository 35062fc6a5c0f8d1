// `gevent-wasm/assembly`: what guests written in AssemblyScript import. All of it are plain calls that block; only their own greenlet
// waits. docs/guest-sdk.md.

export * from './errno';
export { Greenlet, getcurrent, log, now, sleep, spawn, start, yield_ } from './greenlet';
export {
  APPEND,
  CREATE,
  connect,
  errno,
  File,
  Listener,
  listen,
  NEW,
  open,
  READ,
  Socket,
  TRUNCATE,
  WRITE,
} from './io';
export { Channel, Event, Queue, Semaphore } from './sync';
