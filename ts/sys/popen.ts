// Popen: a child process as greenlets see it.
//
//   P1  `returncode` is null until Node has told of the end, and then never changes; `result` is set in that moment
//   P2  a child that lives counts in hub.refs, unless `ref` is false: the hub is not done while it runs

import type { Buffer } from 'node:buffer';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { needFunction, needOptions } from '../core/arguments.ts';
import { AsyncResult } from '../event.ts';
import { Framed } from '../framed.ts';
import { debugging } from '../hub/current.ts';
import type { Hub } from '../hub/hub.ts';
import { type Operation, SingleUse } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { signalName } from '../hub/watchers.ts';
import { hubHere, limitMs, timeoutOf } from '../limit.ts';
import { exitCodeOf, registerChild } from '../net/children.ts';
import type { NodeStream } from '../net/descriptors.ts';
import { fromNode, OSError } from '../net/errors.ts';
import type { Reader } from '../net/reader.ts';
import { Recv } from '../net/reads.ts';
import { readerOf, type StreamFile } from '../net/stream.ts';
import type { TextEncoding } from '../net/text.ts';
import { type Data, toBytes } from '../net/writer.ts';
import { type Limit, Timeout } from '../timeout.ts';
import { joinall } from '../waiting.ts';
import { PEER_GONE, Talk } from './communicate.ts';
import { type Command, shown, TimeoutExpired } from './process-errors.ts';
import { type PIPE, type SpawnSettings, start } from './spawning.ts';
import { type FileObjectOptions, FileObjectPosix } from './stream-object.ts';

export interface PopenOptions extends SpawnSettings {
  /** True: the pipes are of text, in UTF-8 unless `encoding` says otherwise. Default: bytes. */
  text?: boolean;
  /** The same, under its old name. */
  universalNewlines?: boolean;
  /** Makes the pipes be of text. */
  encoding?: TextEncoding;
  /** Makes the pipes be of text. What is not in the encoding: `strict` throws, `replace` puts U+FFFD in its place. */
  errors?: 'strict' | 'replace';
  /** Bytes of writes to stdin to collect before they are sent; `flush` and `close` send what there is. Default 0: none. */
  bufsize?: number;
}

const OPTIONS: readonly (keyof PopenOptions)[] = [
  'stdin',
  'stdout',
  'stderr',
  'text',
  'universalNewlines',
  'encoding',
  'errors',
  'bufsize',
  'cwd',
  'env',
  'shell',
  'executable',
  'startNewSession',
  'detached',
  'passFds',
  'umask',
  'user',
  'group',
  'windowsHide',
];

/** Options that make the pipes be of text. */
export type TextPopenOptions =
  | { text: true }
  | { universalNewlines: true }
  | { encoding: TextEncoding }
  | { errors: 'strict' | 'replace' };

export interface WaitOptions {
  /** Seconds, 0 or more; then TimeoutExpired is thrown. A Timeout object raises what it was given. Default: no limit. */
  timeout?: Limit;
}

/** What a child's pipe is. */
export type Pipe<T extends Buffer | string> = FileObjectPosix<T>;

/** Dumps name the process. */
class ExitCode extends AsyncResult<number> {
  readonly #popen: PopenObject<any>;

  constructor(popen: PopenObject<any>) {
    super();
    this.#popen = popen;
  }

  override describe(): string {
    return `wait of ${this.#popen}`;
  }
}

class PopenObject<T extends Buffer | string = Buffer> {
  /** The command, as given. */
  readonly args: Command;
  /** Its process id. */
  readonly pid: number;
  /** What the child reads, if that was to be a PIPE; else null. */
  readonly stdin: Pipe<T> | null;
  /** What the child writes. */
  readonly stdout: Pipe<T> | null;
  readonly stderr: Pipe<T> | null;
  /** Holds the exit code as soon as there is one. */
  readonly result: AsyncResult<number> = new ExitCode(this);
  readonly #child: ChildProcess;
  readonly #hub: Hub;
  readonly #options: PopenOptions;
  readonly #text: boolean;
  readonly #links = new Map<(popen: any) => unknown, () => void>();
  #returncode: number | null = null;
  #ref = true;
  #talk: Talk | null = null;
  #trouble: unknown = null;

  constructor(args: Command, options: PopenOptions = {}) {
    needOptions('Popen(options)', options, OPTIONS);
    const { text, universalNewlines, encoding, errors, bufsize } = options;
    const hub = hubHere();
    const { child, copyFrom } = start(args, options);
    this.args = args;
    this.pid = child.pid as number;
    this.#child = child;
    this.#hub = hub;
    this.#options = options;
    this.#text = text === true || universalNewlines === true || encoding !== undefined || errors !== undefined;
    registerChild(child);
    ++hub.refs;
    child.once('exit', (code, signal) => this.#ended(exitCodeOf(code, signal)));
    child.on('error', (error) => {
      this.#trouble = error;
    });
    const pipe = (stream: NodeStream | null, name: string, mode: string): Pipe<T> | null => {
      if (stream === null) return null;
      const file = stripped({ encoding, errors, buffering: mode === 'w' ? bufsize : 0 }) as FileObjectOptions;
      file.name = `${name} of process ${this.pid}`;
      return new FileObjectPosix<T>(stream, this.#text ? mode : `${mode}b`, file);
    };
    const stdin = pipe(child.stdin, 'stdin', 'w');
    this.stdin = copyFrom === null ? stdin : null;
    this.stdout = pipe(child.stdout, 'stdout', 'r');
    this.stderr = pipe(child.stderr, 'stderr', 'r');
    if (copyFrom !== null) {
      const ours = copyFrom instanceof FileObjectPosix;
      const reader = ours ? copyFrom.$giveAway() : readerOf(copyFrom as Readable, 'copy to a process');
      hub.spawn(copy, reader, ours ? copyFrom.io : copyFrom, stdin as Pipe<T>);
    }
  }

  #ended(returncode: number): void {
    const hub = this.#hub;
    this.#returncode = returncode;
    if (hub.destroyed) return;
    if (this.#ref) --hub.refs;
    this.result.set(returncode);
    // Somebody may wait for the hub to have nothing left.
    hub.kick();
  }

  /** The exit code; minus the number of the signal that killed it; null while it lives. */
  get returncode(): number | null {
    return this.#returncode;
  }

  /** The exit code if it has ended, else null. Never a switch point: the loop must run to notice an end. */
  poll(): number | null {
    return this.#returncode;
  }

  /** True when it has ended. */
  ready(): boolean {
    return this.#returncode !== null;
  }

  /** False: it keeps neither hub nor process going; nor do its pipes. */
  get ref(): boolean {
    return this.#ref;
  }

  set ref(ref: boolean) {
    if (ref === this.#ref) return;
    this.#ref = ref;
    if (this.#returncode !== null) return;
    this.#hub.refs += ref ? 1 : -1;
    for (const handle of [this.#child, ...this.#child.stdio])
      (handle as ChildProcess | null)?.[ref ? 'ref' : 'unref']?.();
  }

  /**
   * Wait until it has ended, and give the exit code. Switch point, unless it has ended. Whoever is killed or timed out here leaves
   * the child as it is.
   * @throws TimeoutExpired if `timeout` came first
   * @see `gevent.subprocess.Popen.wait`, the source. Differs: a pipe that nobody reads can hold the child up, as everywhere.
   */
  wait(options?: WaitOptions): Operation<number> {
    const timeout = timeoutOf('wait(options)', options) ?? null;
    return new WaitForEnd(this as PopenObject<any>, timeout);
  }

  /**
   * Give it `input`, read all it writes, and wait for its end: `[stdout, stderr]`, null for what is no PIPE. Switch point, mostly.
   *
   * All goes on at once, so that neither side waits for the other however much there is; a child that does not read its input is no
   * error. After a timeout or a kill nothing is lost: the child goes on, and another call goes on with what it has written.
   *
   * @param input - text or bytes for its stdin, which must be a PIPE; then stdin is closed, without input at once
   * @throws TimeoutExpired if `timeout` came first: with what has been written so far
   */
  communicate(input?: Data | null, options?: WaitOptions): Operation<[T | null, T | null]> {
    const timeout = timeoutOf('communicate(options)', options) ?? null;
    if (input !== undefined && input !== null) {
      if (this.stdin === null) throw new RangeError(`communicate(input): stdin of ${this} is no PIPE`);
      if (this.#talk !== null)
        throw new RangeError('communicate(input): cannot send input after starting communication');
      toBytes(input, 'communicate(input)');
    }
    limitMs(timeout, 'communicate(timeout)');
    return new Framed(`communicate with ${this}`, () => this.#communicate(input ?? null, timeout));
  }

  *#communicate(input: Data | null, limit: Limit): Generator<Park, [T | null, T | null], any> {
    const hub = this.#hub;
    this.#talk ??= new Talk(hub, this, input, this.#text ? stripped(this.#options) : null);
    const talk = this.#talk;
    const given = limit instanceof Timeout ? limit : null;
    const ms = given === null ? limitMs(limit, 'communicate(timeout)') : null;
    const endsAt = ms === null ? null : hub.updateNow() + ms;
    const left = () => (endsAt === null ? null : Math.max(0, endsAt - hub.updateNow()) / 1000);
    const started = given !== null && !given.pending;
    if (started) given.start();
    try {
      yield* joinall(talk.greenlets, { timeout: left() });
      talk.check();
      if (!talk.greenlets.every((greenlet) => greenlet.dead)) throw this.#expired(ms as number);
      this.stdout?.close();
      this.stderr?.close();
      if (this.#returncode === null) {
        try {
          yield* this.wait({ timeout: left() });
        } catch (error) {
          throw error instanceof TimeoutExpired ? this.#expired(ms as number) : error;
        }
      }
      return talk.output(true);
    } finally {
      if (started) given.cancel();
    }
  }

  #expired(ms: number): TimeoutExpired {
    return new TimeoutExpired(this.args, ms / 1000, ...((this.#talk as Talk).output(false) as [Buffer, Buffer]));
  }

  /** @internal It was killed: what it has written, without waiting for others who hold its pipes open. */
  *$rest(): Generator<Park, [T | null, T | null], any> {
    const talk = this.#talk;
    if (talk === null) return [null, null];
    yield* joinall(talk.greenlets, { timeout: 0.1 });
    return talk.output(false);
  }

  /** Send it a signal, by name or number. Nothing happens if it has ended. */
  sendSignal(signal: string | number): void {
    const name = signalName(signal) as NodeJS.Signals;
    if (this.#returncode !== null) return;
    this.#trouble = null;
    this.#child.kill(name);
    if (this.#trouble !== null) throw fromNode(this.#trouble, OSError);
  }

  /** Ask it to end: SIGTERM. */
  terminate(): void {
    this.sendSignal('SIGTERM');
  }

  /** Have it ended: SIGKILL. */
  kill(): void {
    this.sendSignal('SIGKILL');
  }

  /** Have `callback(this)` called in the hub, once, when it has ended. */
  rawlink(callback: (popen: this) => void): void {
    needFunction('rawlink', callback);
    let link = this.#links.get(callback);
    if (link === undefined) {
      link = () => {
        this.#links.delete(callback);
        callback(this);
      };
      this.#links.set(callback, link);
    }
    this.result.rawlink(link);
  }

  /** Take a link off again; an unknown one is ignored. */
  unlink(callback: (popen: any) => void): void {
    const link = this.#links.get(callback);
    if (link === undefined) return;
    this.#links.delete(callback);
    this.result.unlink(link);
  }

  /** Close its pipes. What was written to it goes out. */
  close(): void {
    this.stdout?.close();
    this.stderr?.close();
    this.stdin?.close();
  }

  /** Ends a `using` block: closes its pipes, and does not wait for it. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Ends an `await using` block, and what `use()` promises: closes its pipes and waits for it. */
  [Symbol.asyncDispose](): PromiseLike<void> {
    this.close();
    return this.wait() as unknown as PromiseLike<void>;
  }

  toString(): string {
    const state = this.#returncode === null ? 'running' : `returncode=${this.#returncode}`;
    return `<Popen pid=${this.pid} ${shown(this.args)} ${state}>`;
  }
}

/** Without what is undefined, which options do not take for absent. */
function stripped<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as O;
}

/** What the child reads comes from a stream that was read from already. */
function* copy(reader: Reader, from: NodeStream, to: StreamFile): Generator<Park, void, any> {
  try {
    for (;;) {
      const piece = yield* new Recv(reader, 65536, undefined);
      if (piece.length === 0) return;
      yield* to.write(piece);
    }
  } catch (error) {
    if (!PEER_GONE.includes((error as { code?: string }).code ?? '')) throw error;
  } finally {
    to.close();
    reader.close();
    // Whoever writes there is to hear that nobody reads.
    from.destroy();
  }
}

class WaitForEnd extends SingleUse<number> {
  readonly #popen: PopenObject<any>;
  readonly #limit: Limit;
  readonly #inner: Operation<number | undefined>;
  #begun = false;

  constructor(popen: PopenObject<any>, limit: Limit) {
    super();
    this.#popen = popen;
    this.#limit = limit;
    const { result } = popen;
    this.#inner = limit instanceof Timeout ? result.get({ timeout: limit }) : result.wait({ timeout: limit });
  }

  describe(): string {
    return `wait of ${this.#popen}`;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    if (debugging) hub.debug.consumed(this.#inner);
    if (this.#popen.returncode !== null) return true;
    this.#begun = true;
    return this.#inner.begin(hub, slot);
  }

  complete(hub: Hub, slot: number): number {
    if (this.#begun) this.#inner.complete(hub, slot);
    // Not by why it woke: who ended in the very instant of the timeout was in time.
    const code = this.#popen.returncode;
    if (code !== null) return code;
    throw new TimeoutExpired(this.#popen.args, (limitMs(this.#limit, 'wait(timeout)') as number) / 1000);
  }

  override abandon(hub: Hub, slot: number): void {
    this.#inner.abandon(hub, slot);
  }
}

/** What the pipes are of. */
export type PipesOf<O> = O extends TextPopenOptions ? string : Buffer;
/** A pipe that was asked for is there. */
type PipeOf<O, Name extends 'stdin' | 'stdout' | 'stderr'> =
  O extends Record<Name, typeof PIPE> ? Pipe<PipesOf<O>> : Pipe<PipesOf<O>> | null;

/** What is read from one. */
type OutputOf<O, Name extends 'stdout' | 'stderr'> =
  O extends Record<Name, typeof PIPE> ? PipesOf<O> : PipesOf<O> | null;

/** `new Popen(args, options)`. */
export interface PopenConstructor {
  new <const O extends PopenOptions = PopenOptions>(
    args: Command,
    options?: O,
  ): {
    readonly stdin: PipeOf<O, 'stdin'>;
    readonly stdout: PipeOf<O, 'stdout'>;
    readonly stderr: PipeOf<O, 'stderr'>;
    communicate(
      input?: Data | null,
      options?: WaitOptions,
    ): Operation<[stdout: OutputOf<O, 'stdout'>, stderr: OutputOf<O, 'stderr'>]>;
  } & Popen<PipesOf<O>>;
  readonly prototype: Popen<any>;
}

/**
 * Start a program in a process of its own.
 *
 *     const p = new Popen(['sort', '-n'], { stdin: PIPE, stdout: PIPE, text: true });
 *     const [sorted] = yield* p.communicate('3\n1\n2\n');
 *
 * Never a switch point. Its end is noticed by the loop.
 *
 * @param args - the program and its arguments; a text alone is a program without arguments, or with `shell` a command line
 * @throws OSError why it cannot be started: ENOENT, EACCES, ENOTDIR, EMFILE …, about the program or the directory
 * @throws TypeError, RangeError for arguments that make no sense
 * @see `gevent.subprocess.Popen`, the source. Differs: keyword arguments are one options object; no `preexec_fn`; descriptors
 *   are closed in the child always, but for `passFds`.
 */
export const Popen: PopenConstructor = PopenObject as unknown as PopenConstructor;
export type Popen<T extends Buffer | string = Buffer> = PopenObject<T>;
Object.defineProperty(PopenObject, 'name', { value: 'Popen' });
