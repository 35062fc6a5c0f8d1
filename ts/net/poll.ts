// Readiness: what can be polled, waits for several of them, and the loop's watchers `io`, `stat` and `child`.
//
// A pollable is a socket or file of ours, or one of Node's streams. Asking one for readability makes it read ahead, as far
// as its flow control lets it, because Node tells of bytes only by reading them; they stay for whoever reads.

import { ChildProcess } from 'node:child_process';
import { type Stats, statSync, unwatchFile, watchFile } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { describe, needOptions, wrongRange, wrongType } from '../core/arguments.ts';
import { type Seconds, toWaitMs } from '../core/clock.ts';
import { GeventError } from '../exceptions.ts';
import type { AnyFunction, Callback } from '../hub/callback.ts';
import type { Hub } from '../hub/hub.ts';
import { type Loop, setWatchers } from '../hub/loop.ts';
import { type Operation, SingleUse } from '../hub/operation.ts';
import { Watcher, type WatcherOptions } from '../hub/watcher.ts';
import { expired, limitMs } from '../limit.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { livingChild, waitStatus } from './children.ts';
import { canRead, canWrite, type NodeStream, streamOf } from './descriptors.ts';
import { Socket } from './endpoint.ts';
import { badDescriptor, closedError, type SocketError, SocketTimeout, unsupported } from './errors.ts';
import { sharedReader, sharedWriter, sidesOf } from './shared.ts';
import { Side } from './side.ts';
import { StreamFile } from './stream.ts';

export const READ = 1;
export const WRITE = 2;
/** An error is pending, or the peer is gone. */
export const FAULT = 4;
/** It is closed. */
export const CLOSED = 8;

/** What a handle is asked for. */
export interface Pollable {
  /** READ, WRITE, FAULT and CLOSED as they are now. */
  state(): number;
  /** Call `fn` when that may have changed. `events` says for what: READ makes it read ahead. */
  watch(fn: () => void, events: number): void;
  unwatch(fn: () => void): void;
}

class SocketPoll implements Pollable {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  state(): number {
    const { closed, $listener, $datagrams, $reader, $writer, $attempt, $node } = this.#socket;
    if (closed) return CLOSED;
    if ($listener !== null) return $listener.ready ? READ : 0;
    if ($datagrams !== null) return ($datagrams.ready ? READ : 0) | WRITE;
    if ($attempt?.error) return READ | WRITE | FAULT;
    if ($node === null) return this.#socket.type === 2 ? WRITE : 0;
    const fault = $reader.error !== null || $writer.error !== null ? FAULT : 0;
    return ($reader.ready ? READ : 0) | ($writer.ready ? WRITE : 0) | fault;
  }

  #sides(): Side[] {
    const { $listener, $datagrams, $reader, $writer } = this.#socket;
    const sides = [$reader.side, $writer.side];
    if ($listener !== null) sides.push($listener.side);
    if ($datagrams !== null) sides.push($datagrams.reading, $datagrams.writing);
    return sides;
  }

  watch(fn: () => void, events: number): void {
    const socket = this.#socket;
    for (const side of this.#sides()) side.watch(fn);
    if (events & READ && socket.$node !== null) socket.$reader.flow();
    if (events & WRITE && socket.$node !== null && !socket.$writer.ready) socket.$writer.mark();
  }

  unwatch(fn: () => void): void {
    for (const side of this.#sides()) side.unwatch(fn);
  }
}

class FilePoll implements Pollable {
  readonly #file: StreamFile;

  constructor(file: StreamFile) {
    this.#file = file;
  }

  state(): number {
    const { closed, $reader, $writer } = this.#file;
    if (closed) return CLOSED;
    const fault = ($reader?.error ?? $writer?.error ?? null) !== null ? FAULT : 0;
    return ($reader?.ready ? READ : 0) | ($writer?.ready ? WRITE : 0) | fault;
  }

  watch(fn: () => void, events: number): void {
    const { $reader, $writer } = this.#file;
    $reader?.side.watch(fn);
    $writer?.side.watch(fn);
    if (events & READ) $reader?.flow();
    if (events & WRITE && $writer !== null && !$writer.ready) $writer.mark();
  }

  unwatch(fn: () => void): void {
    this.#file.$reader?.side.unwatch(fn);
    this.#file.$writer?.side.unwatch(fn);
  }
}

/** A descriptor that was taken up; `nbRead` and files of the same one share what is read ahead. */
class DescriptorPoll implements Pollable {
  readonly #stream: NodeStream;
  readonly #name: number;

  constructor(stream: NodeStream, fd: number) {
    this.#stream = stream;
    this.#name = fd;
  }

  state(): number {
    const stream = this.#stream;
    const { reader, writer } = sidesOf(stream);
    const rest = reader?.ready && !reader.closed;
    if (stream.destroyed && !rest) return CLOSED;
    const fault = (reader?.error ?? writer?.error ?? null) !== null ? FAULT : 0;
    const read = reader === undefined ? 0 : reader.ready ? READ : 0;
    return read | (canWrite(stream) && (writer?.ready ?? true) ? WRITE : 0) | fault;
  }

  watch(fn: () => void, events: number): void {
    const stream = this.#stream;
    // For good, that is until close(): who looked wants to find what was read ahead.
    if (events & READ && canRead(stream)) {
      const reader = sidesOf(stream).reader ?? sharedReader(stream, this.#name);
      reader.side.watch(fn);
      reader.flow();
    }
    if (events & WRITE && canWrite(stream)) {
      const writer = sidesOf(stream).writer ?? sharedWriter(stream, this.#name);
      writer.side.watch(fn);
      if (!writer.ready) writer.mark();
    }
  }

  unwatch(fn: () => void): void {
    const { reader, writer } = sidesOf(this.#stream);
    reader?.side.unwatch(fn);
    writer?.side.unwatch(fn);
  }
}

const EVENTS = ['readable', 'drain', 'end', 'finish', 'close', 'error'];

class NodePoll implements Pollable {
  readonly #stream: any;

  constructor(stream: Readable | Writable) {
    this.#stream = stream;
  }

  state(): number {
    const it = this.#stream;
    if (it.destroyed) return CLOSED;
    let state = 0;
    if (it.readableLength > 0 || it.readableEnded) state |= READ;
    if (it.writable && !it.writableNeedDrain) state |= WRITE;
    if (it.errored) state |= FAULT | READ | WRITE;
    return state;
  }

  watch(fn: () => void, events: number): void {
    // A listener for `readable` makes the stream read ahead.
    for (const event of EVENTS) if (event !== 'readable' || events & READ) this.#stream.on(event, fn);
  }

  unwatch(fn: () => void): void {
    for (const event of EVENTS) this.#stream.off(event, fn);
  }
}

/**
 * How to poll `handle`. @throws GeventError `GEVENT_FD_UNSUPPORTED` for a bare descriptor that nobody took up, and for what cannot be polled
 */
export function pollableOf(handle: unknown, where: string): Pollable {
  if (handle instanceof Socket) return new SocketPoll(handle);
  if (handle instanceof StreamFile) return new FilePoll(handle);
  if (handle instanceof Readable || handle instanceof Writable) return new NodePoll(handle);
  const stream = typeof handle === 'number' ? streamOf(handle) : undefined;
  if (stream !== undefined) return new DescriptorPoll(stream, handle as number);
  throw unsupported(
    `${where}: expected a socket, a file or a stream of Node's, got ${describe(handle)}: Node cannot poll bare descriptors; makeNonblocking() of gevent-wasm/os takes up those of pipes, sockets and terminals`,
  );
}

// ---- waiting for several ----------------------------------------------------------------------------------------------

/** One of several that are waited for. */
export interface Wanted {
  readonly poll: Pollable;
  /** READ, WRITE. */
  readonly events: number;
}

/** What of the events wanted is there; trouble counts as all of them. */
export function stateOf({ poll, events }: Wanted): number {
  const state = poll.state();
  return state & (FAULT | CLOSED) ? (state & (FAULT | CLOSED)) | events : state & events;
}

/** Wait until one of several is ready, and give what `collect` makes of it. */
export class WaitReady<T> extends SingleUse<T> {
  readonly #what: string;
  readonly #wanted: readonly Wanted[];
  readonly #limit: Limit;
  readonly #collect: (late: unknown) => T;
  readonly #side: Side;
  #hub: Hub | null = null;
  #error: unknown = null;
  readonly #look = (): void => {
    if (this.#wanted.some((each) => stateOf(each) !== 0)) this.#side.wake();
  };

  /** @param collect - told, if nothing is ready and the time is up, what to throw or why */
  constructor(what: string, wanted: readonly Wanted[], limit: Limit, collect: (late: unknown) => T) {
    limitMs(limit, `${what}(timeout)`);
    super();
    this.#what = what;
    this.#wanted = wanted;
    this.#limit = limit;
    this.#collect = collect;
    this.#side = new Side(what);
  }

  describe(): string {
    return this.#what;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const ms = limitMs(this.#limit, 'timeout');
    this.#hub = hub;
    for (const { poll, events } of this.#wanted) poll.watch(this.#look, events);
    this.#side.park(hub, slot, ms === 0 ? null : ms);
    // Ready at once, or only a look: the others have their turn all the same.
    if (ms === 0) this.#side.wake();
    else this.#look();
    return false;
  }

  #leave(hub: Hub, slot: number): boolean {
    const late = this.#side.leave(hub, slot);
    this.#side.end();
    for (const { poll } of this.#wanted) poll.unwatch(this.#look);
    return late;
  }

  /** End the wait with an error. */
  cancel(error: unknown): void {
    if (this.#hub === null) return;
    this.#error = error;
    this.#side.wake();
  }

  complete(hub: Hub, slot: number): T {
    const late = this.#leave(hub, slot);
    if (this.#error !== null) throw this.#error;
    const raised = late ? (this.#limit instanceof Timeout ? expired(hub, this.#limit) : new SocketTimeout()) : null;
    return this.#collect(raised);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#leave(hub, slot);
  }
}

export interface WaitForOptions {
  /** Seconds, 0 or more. Default: no limit. */
  timeout?: Limit;
  /** Thrown when the time is up. Default: the socket module's `timeout`; null: gevent's Timeout. */
  timeoutExc?: unknown;
}

function waitFor(what: string, handle: unknown, events: number, options: WaitForOptions): Operation<void> {
  needOptions(`${what}(options)`, options, ['timeoutExc', 'timeout']);
  const { timeout = null, timeoutExc } = options;
  const poll = pollableOf(handle, what);
  if (poll.state() & CLOSED) throw badDescriptor(what);
  const limit = timeoutExc === null && typeof timeout === 'number' ? new Timeout(timeout) : timeout;
  return new WaitReady(what, [{ poll, events }], limit, (late) => {
    const state = poll.state();
    if (state & CLOSED) throw closedError();
    if (late !== null && !(state & (events | FAULT))) throw timeoutExc ?? late;
  });
}

/** Wait until a socket can be read. Switch point. @see `gevent.socket.wait_read`, the source. Differs: takes the socket. */
export function waitRead(handle: unknown, options: WaitForOptions = {}): Operation<void> {
  return waitFor('waitRead', handle, READ, options);
}

/** Wait until a socket can be written to. Switch point. */
export function waitWrite(handle: unknown, options: WaitForOptions = {}): Operation<void> {
  return waitFor('waitWrite', handle, WRITE, options);
}

/** Wait until a socket can be read or written to. Switch point. */
export function waitReadwrite(handle: unknown, options: WaitForOptions = {}): Operation<void> {
  return waitFor('waitReadwrite', handle, READ | WRITE, options);
}

const waits = new WeakMap<Watcher, WaitReady<void>>();

/** Wait until a watcher of `loop.io` would fire. Switch point. @see `gevent.socket.wait`, the source. */
export function wait(watcher: IoWatcher, options: WaitForOptions = {}): Operation<void> {
  if (!(watcher instanceof IoWatcher)) {
    throw wrongType('wait(watcher)', 'one of loop.io()', watcher);
  }
  if (waits.has(watcher)) throw new GeventError('GEVENT_CONCURRENT_USE', `${watcher}: a greenlet waits for it already`);
  const op = waitFor('wait', watcher.handle, watcher.events, options) as WaitReady<void>;
  waits.set(watcher, op);
  return op;
}

/** End the `wait` for a watcher with an error. @see `gevent.socket.cancel_wait`, the source. */
export function cancelWait(watcher: IoWatcher, error: unknown = cancelWaitEx): void {
  const op = waits.get(watcher);
  waits.delete(watcher);
  op?.cancel(error);
}

/** What a cancelled wait raises if nothing else is given. */
export const cancelWaitEx: SocketError = closedError();

// ---- watchers of the loop ---------------------------------------------------------------------------------------------

/** Active watchers by handle. */
const watching = new Map<unknown, Set<IoWatcher>>();

/** Tell the watchers of a loop that their handle is about to be closed. True if there are any. */
export function closing(loop: Loop, handle: unknown): boolean {
  const mine = [...(watching.get(handle) ?? [])].filter((watcher) => watcher.loop === loop);
  for (const watcher of mine) watcher.$feed();
  return mine.length > 0;
}

/** Calls back in every turn in which its handle is ready. */
export class IoWatcher extends Watcher {
  readonly handle: unknown;
  readonly events: number;
  readonly #poll: Pollable;
  readonly #passEvents: boolean;
  #active = false;
  #queued: Callback | null = null;
  #again = false;
  readonly #look = (): void => this.#check();

  /** @internal */
  constructor(loop: Loop, handle: unknown, events: number, options: WatcherOptions & { passEvents?: boolean }) {
    super(loop, options.ref ?? true, options.priority);
    if (events !== READ && events !== WRITE && events !== (READ | WRITE)) {
      throw wrongRange('loop.io(events)', '1 (READ), 2 (WRITE) or 3', events);
    }
    this.handle = handle;
    this.events = events;
    this.#passEvents = options.passEvents ?? false;
    this.#poll = pollableOf(handle, 'loop.io(handle)');
  }

  get $kind(): string {
    return `io events=${['', 'READ', 'WRITE', 'READ|WRITE'][this.events]}`;
  }

  get active(): boolean {
    return this.#active;
  }

  override get pending(): boolean {
    return this.#queued?.pending ?? false;
  }

  #check(): void {
    if (!this.#active || this.pending || this.#again) return;
    const state = stateOf({ poll: this.#poll, events: this.events });
    if (state === 0) return;
    this.#queued = this.loop.runCallback(() => this.#fire(state & this.events));
  }

  /** @internal Its handle is about to be closed: it hears of that as of everything it waits for. */
  $feed(): void {
    if (this.#active && !this.pending) this.#queued = this.loop.runCallback(() => this.#fire(this.events));
  }

  /** The handle, as gevent calls it. */
  get fd(): unknown {
    return this.handle;
  }

  #fire(events: number): void {
    const callback = this.callback as AnyFunction;
    this.$call(callback, this.#passEvents ? [events, ...this.args] : this.args);
    // As long as it is ready, once a turn: the platform looks for events in between. What is closed says so once; what is not
    // ready tells of it when it is.
    if (!this.#active || this.#again) return;
    const state = this.#poll.state();
    if (state & CLOSED || (state & (this.events | FAULT)) === 0) return;
    this.#again = true;
    this.loop.$hub.host.soon(() => {
      this.#again = false;
      this.#check();
    });
  }

  protected $arm(): void {
    this.#active = true;
    const others = watching.get(this.handle);
    if (others === undefined) watching.set(this.handle, new Set([this]));
    else others.add(this);
    this.#poll.watch(this.#look, this.events);
    this.#check();
  }

  protected $disarm(): void {
    this.#active = false;
    const others = watching.get(this.handle);
    others?.delete(this);
    if (others?.size === 0) watching.delete(this.handle);
    this.#poll.unwatch(this.#look);
    this.#queued?.stop();
    this.#queued = null;
  }

  override stop(): void {
    super.stop();
    cancelWait(this);
  }
}

/** Calls back when a file's status changes. */
export class StatWatcher extends Watcher {
  readonly path: string;
  /** Seconds between two looks. */
  readonly interval: number;
  /** The file's status; null: there is none. */
  attr: Stats | null = null;
  /** The one before. */
  prev: Stats | null = null;
  #active = false;
  readonly #changed = (now: Stats, before: Stats): void => {
    // Node tells at once of a file that is not there: that is no change.
    if (now.nlink === 0 && before.nlink === 0) return;
    this.attr = now.nlink === 0 ? null : now;
    this.prev = before.nlink === 0 ? null : before;
    this.loop.runCallback(() => this.$invoke());
  };

  /** @internal */
  constructor(loop: Loop, path: string, interval: Seconds, options: WatcherOptions) {
    super(loop, options.ref ?? true, options.priority);
    if (typeof path !== 'string') throw wrongType('loop.stat(path)', 'a path', path);
    this.path = path;
    // 0 leaves it to the system: libev's own choice is 5 s.
    this.interval = toWaitMs(interval, 'loop.stat(interval)') / 1000 || 5;
  }

  get $kind(): string {
    return `stat ${this.path}`;
  }

  get active(): boolean {
    return this.#active;
  }

  protected $arm(): void {
    this.#active = true;
    this.attr = statSync(this.path, { throwIfNoEntry: false }) ?? null;
    watchFile(this.path, { interval: this.interval * 1000, persistent: this.ref }, this.#changed);
  }

  protected $disarm(): void {
    this.#active = false;
    unwatchFile(this.path, this.#changed);
  }
}

/** Calls back when a child of ours has ended. */
export class ChildWatcher extends Watcher {
  readonly pid: number;
  /** The child that ended, or 0. */
  rpid = 0;
  /** How, as `waitpid` tells it: exit code times 256, or the signal's number. */
  rstatus = 0;
  readonly #child: ChildProcess;
  #active = false;
  readonly #ended = (code: number | null, signal: NodeJS.Signals | null): void => {
    this.rpid = this.pid;
    this.rstatus = waitStatus(code, signal);
    this.loop.runCallback(() => {
      if (!this.#active) return;
      const { callback, args } = this;
      this.stop();
      this.$call(callback as AnyFunction, args);
    });
  };

  /** @internal */
  constructor(loop: Loop, child: ChildProcess | number, options: WatcherOptions) {
    super(loop, options.ref ?? true, options.priority);
    const found = child instanceof ChildProcess ? child : livingChild(child);
    if (found === undefined || found.pid === undefined) {
      throw unsupported(`loop.child(pid): ${describe(child)} is no living child that this program started`);
    }
    this.#child = found;
    this.pid = found.pid;
  }

  get $kind(): string {
    return `child ${this.pid}`;
  }

  get active(): boolean {
    return this.#active;
  }

  protected $arm(): void {
    this.#active = true;
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) this.#ended(child.exitCode, child.signalCode);
    else child.once('exit', this.#ended);
  }

  protected $disarm(): void {
    this.#active = false;
    this.#child.off('exit', this.#ended);
  }
}

setWatchers({
  io: (loop, handle, events, options) => new IoWatcher(loop, handle, events, options),
  stat: (loop, path, interval, options) => new StatWatcher(loop, path, interval, options),
  child: (loop, child, options) => new ChildWatcher(loop, child as ChildProcess | number, options),
  closing,
});
