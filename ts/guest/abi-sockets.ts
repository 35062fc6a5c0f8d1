// For guests: stream sockets. `load({ net })` is what they are made by; without it a guest reaches no network, and this file
// imports none, so that browsers can load it.

import type { Operation } from '../hub/operation.ts';
import { Answer } from './answer.ts';
import { type Builtin, blocks, limitOf, plain } from './builtin.ts';
import { Errno, errnoOf, FORBIDDEN } from './errno.ts';
import type { Instance } from './instance.ts';
import { bytesAt, textAt, viewOf } from './memory.ts';

type Address = readonly [host: string, port: number] | string;

/** What guests use of a socket. */
export interface GuestSocket {
  recv(size: number, options: { timeout: number | null }): Operation<Uint8Array>;
  sendall(data: Uint8Array, options: { timeout: number | null }): Operation<number>;
  accept(options: { timeout: number | null }): Operation<[GuestSocket, unknown]>;
  shutdown(how: number): void;
  getsockname(): Address;
  close(): void;
}

/** What makes the sockets of guests: the module `gevent-wasm/socket`, or two functions of yours that allow less. */
export interface Net {
  createConnection(address: Address, options: { timeout: number | null }): Operation<GuestSocket>;
  createServer(address: Address): Operation<GuestSocket>;
}

const METHODS = ['recv', 'sendall', 'accept', 'shutdown', 'getsockname', 'close'] as const;
export const isSocket = (it: object): it is GuestSocket =>
  METHODS.every((name) => typeof (it as any)[name] === 'function');
const socket = (instance: Instance, handle: number) => instance.handles.get(handle, isSocket, 'a socket');

function told<T>(make: () => Operation<T>, value: (it: T) => number): Operation<number> {
  return new Answer(make, value, errnoOf);
}

/** A host and a port; a path if the port is -1. */
function addressOf(instance: Instance, at: number, length: number, port: number): Address {
  const text = textAt(instance, at, length);
  return port === -1 ? text : [text, port];
}

export const SOCKETS: readonly [string, Builtin][] = [
  [
    'connect',
    blocks('iiid>i', (instance) => (at: number, length: number, port: number, timeout: number) => {
      const { net } = instance.program;
      if (net === null) return FORBIDDEN;
      const address = addressOf(instance, at, length, port);
      const limit = limitOf(timeout, 'connect');
      return told(
        () => net.createConnection(address, { timeout: limit }),
        (it) => instance.handles.opened(it),
      );
    }),
  ],
  [
    'listen',
    blocks('iii>i', (instance) => (at: number, length: number, port: number) => {
      const { net } = instance.program;
      if (net === null) return FORBIDDEN;
      const address = addressOf(instance, at, length, port);
      return told(
        () => net.createServer(address),
        (it) => instance.handles.opened(it),
      );
    }),
  ],
  [
    'accept',
    blocks('id>i', (instance) => (handle: number, timeout: number) => {
      const from = socket(instance, handle);
      const limit = limitOf(timeout, 'accept');
      return told(
        () => from.accept({ timeout: limit }),
        ([it]) => instance.handles.opened(it),
      );
    }),
  ],
  [
    'port',
    plain('i>i', (instance) => (handle: number) => {
      try {
        const name = socket(instance, handle).getsockname();
        return typeof name === 'string' ? -1 : name[1];
      } catch (error) {
        return errnoOf(error);
      }
    }),
  ],
  [
    'recv',
    blocks('iiid>i', (instance) => (handle: number, at: number, room: number, timeout: number) => {
      const from = socket(instance, handle);
      const limit = limitOf(timeout, 'recv');
      const { length } = viewOf(instance, at, room);
      // Nothing at all would read as the end of the stream.
      if (length === 0) return -Errno.EINVAL;
      return told(
        () => from.recv(length, { timeout: limit }),
        (bytes) => {
          viewOf(instance, at, bytes.length).set(bytes);
          return bytes.length;
        },
      );
    }),
  ],
  [
    'send',
    blocks('iiid>i', (instance) => (handle: number, at: number, length: number, timeout: number) => {
      const to = socket(instance, handle);
      const limit = limitOf(timeout, 'send');
      const bytes = bytesAt(instance, at, length);
      return told(
        () => to.sendall(bytes, { timeout: limit }),
        () => bytes.length,
      );
    }),
  ],
  [
    'shutdown',
    plain('ii>i', (instance) => (handle: number, how: number) => {
      try {
        socket(instance, handle).shutdown(how);
        return 0;
      } catch (error) {
        return errnoOf(error);
      }
    }),
  ],
];
