// Sockets and files, through the host's hub: only the greenlet that waits waits. What goes wrong is a negative number of `errno`.

import { E_BADF } from './errno';
import * as gevent from './imports';
import './stacks';

let last: i32 = 0;

/** Why the last `connect`, `listen`, `accept` or `open` gave null. Read it before anything else is called. */
export function errno(): i32 {
  return last;
}

abstract class Handle {
  constructor(public handle: i32) {}

  /** Close it. Harmless when it is closed. */
  close(): void {
    if (this.handle === 0) return;
    gevent.close(this.handle);
    this.handle = 0;
  }
}

/** A stream socket. The host gives guests a network by load({ net }). */
export class Socket extends Handle {
  /** Bytes into `buffer`: how many; 0: the end; less: an error. Switch point, unless some have come. */
  recv(buffer: ArrayBuffer, timeout: f64 = -1): i32 {
    if (this.handle === 0) return E_BADF;
    return gevent.recv(this.handle, changetype<usize>(buffer), buffer.byteLength, timeout);
  }

  /** All of the bytes: how many, or an error. Switch point. */
  send(bytes: ArrayBuffer, timeout: f64 = -1): i32 {
    if (this.handle === 0) return E_BADF;
    return gevent.send(this.handle, changetype<usize>(bytes), bytes.byteLength, timeout);
  }

  sendText(text: string, timeout: f64 = -1): i32 {
    return this.send(String.UTF8.encode(text), timeout);
  }

  /** Say that no more is sent. */
  end(): i32 {
    return this.handle === 0 ? E_BADF : gevent.shutdown(this.handle, 1);
  }
}

/** A socket that takes connections. */
export class Listener extends Handle {
  get port(): i32 {
    return this.handle === 0 ? E_BADF : gevent.port(this.handle);
  }

  /** The next connection, or null: `errno()`. Switch point. */
  accept(timeout: f64 = -1): Socket | null {
    const handle = this.handle === 0 ? E_BADF : gevent.accept(this.handle, timeout);
    last = handle;
    return handle < 0 ? null : new Socket(handle);
  }
}

/** Connect to a host; to the Unix socket of that path if the port is -1. Null: `errno()`. Switch point. */
export function connect(host: string, port: i32, timeout: f64 = -1): Socket | null {
  const name = String.UTF8.encode(host);
  const handle = gevent.connect(changetype<usize>(name), name.byteLength, port, timeout);
  last = handle;
  return handle < 0 ? null : new Socket(handle);
}

/** Listen; port 0: any. Null: `errno()`. Switch point. */
export function listen(host: string, port: i32): Listener | null {
  const name = String.UTF8.encode(host);
  const handle = gevent.listen(changetype<usize>(name), name.byteLength, port);
  last = handle;
  return handle < 0 ? null : new Listener(handle);
}

/** For `open`, added up. */
export const READ: i32 = 1;
export const WRITE: i32 = 2;
export const CREATE: i32 = 4;
export const TRUNCATE: i32 = 8;
export const APPEND: i32 = 16;
export const NEW: i32 = 32;

/** An open file of the folder that the host gave: load({ files }). */
export class File extends Handle {
  /** Bytes into `buffer`: how many; 0: the end; less: an error. Switch point. */
  read(buffer: ArrayBuffer): i32 {
    if (this.handle === 0) return E_BADF;
    return gevent.read(this.handle, changetype<usize>(buffer), buffer.byteLength);
  }

  /** All of the bytes: how many, or an error. Switch point. */
  write(bytes: ArrayBuffer): i32 {
    if (this.handle === 0) return E_BADF;
    return gevent.write(this.handle, changetype<usize>(bytes), bytes.byteLength);
  }

  writeText(text: string): i32 {
    return this.write(String.UTF8.encode(text));
  }

  /** Go on at that byte. */
  seek(position: f64): i32 {
    return this.handle === 0 ? E_BADF : gevent.seek(this.handle, position);
  }

  /** All that is left, or null: `errno()`. Switch point. */
  readAll(): ArrayBuffer | null {
    let all = new ArrayBuffer(0);
    const part = new ArrayBuffer(65536);
    let count = this.read(part);
    for (; count > 0; count = this.read(part)) {
      const longer = new ArrayBuffer(all.byteLength + count);
      memory.copy(changetype<usize>(longer), changetype<usize>(all), all.byteLength);
      memory.copy(changetype<usize>(longer) + all.byteLength, changetype<usize>(part), count);
      all = longer;
    }
    last = count;
    return count < 0 ? null : all;
  }
}

/** Open a file. Null: `errno()`. Switch point. */
export function open(path: string, flags: i32 = READ): File | null {
  const name = String.UTF8.encode(path);
  const handle = gevent.open(changetype<usize>(name), name.byteLength, flags);
  last = handle;
  return handle < 0 ? null : new File(handle);
}
