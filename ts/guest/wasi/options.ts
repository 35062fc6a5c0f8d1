// What a program is run with: read and checked once, where the caller is.

import type { Readable, Writable } from 'node:stream';
import { describe, wrongType } from '../../core/arguments.ts';
import type { Queue } from '../../joinable.ts';
import { limitMs } from '../../limit.ts';
import type { Socket } from '../../net/endpoint.ts';
import type { Limit } from '../../timeout.ts';
import type { LoadOptions } from '../load-options.ts';
import type { Descriptor } from './descriptor.ts';
import type { FileLike } from './handles.ts';
import { inMemory, type Opened, type Preopen } from './host.ts';
import {
  type Bytes,
  BytesInput,
  CallbackOutput,
  Collector,
  ConsoleOutput,
  type ItemSink,
  type ItemSource,
  Nothing,
  pipe,
  QueueInput,
  QueueOutput,
  StreamOutput,
  toBytes,
  type WritableLike,
} from './streams.ts';

/** What a program reads: nothing, bytes, what a queue gives, a stream or a socket. */
export type WasiInput = null | Bytes | ItemSource | Readable | Socket | FileLike;

/**
 * Where output goes: `'inherit'` to this process's own, `'ignore'` or null nowhere, `'collect'` into `out` or `err`, `'pipe'` into a queue
 * of the process; or a queue, one of Node's streams, a socket, a file of ours, a function that is given the bytes.
 */
export type WasiOutput =
  | null
  | 'inherit'
  | 'ignore'
  | 'collect'
  | 'pipe'
  | ItemSink
  | Writable
  | Socket
  | FileLike
  | ((bytes: Uint8Array<ArrayBuffer>) => unknown);

/** What a program is run with; and, if it is given as bytes, what `load` takes. `imports` are those besides WASI's. */
export interface WasiOptions extends LoadOptions {
  /** `argv`, the program's name first. Default: `name` alone. */
  args?: readonly string[];
  /** Its environment. Default: empty. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Directories it may open, by the path it knows them by: paths of the system, or directories in memory. Default: none. */
  preopens?: Readonly<Record<string, Preopen>>;
  /** Default: at its end. */
  stdin?: WasiInput;
  /** Default `'inherit'`. */
  stdout?: WasiOutput;
  /** Default `'inherit'`. */
  stderr?: WasiOutput;
  /** Further descriptors by number: sockets, connected or listening, and files. They stay open when the program ends. */
  fds?: Readonly<Record<number, Socket | FileLike>>;
}

export interface RunOptions extends WasiOptions {
  /** True: another exit code than 0 is raised, as WasiExitError. Default false. */
  check?: boolean;
  /** Seconds after which the program is ended, and Timeout raised. Default: no limit. */
  timeout?: Limit;
}

type Handles = typeof import('./handles.ts');

const isSocket = (it: any): it is Socket => typeof it?.recv === 'function' && typeof it.sendall === 'function';
const isStream = (it: any): boolean => typeof it?.on === 'function' && typeof it.off === 'function';
const isFile = (it: any): it is FileLike =>
  !isStream(it) && (typeof it?.readinto === 'function' || typeof it?.write === 'function');

/** The options, checked. */
export class Setup {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly preopens: readonly (readonly [string, Preopen])[];
  readonly out = new Collector();
  readonly err = new Collector();
  /** For `'pipe'`. */
  readonly stdout: Queue<Uint8Array> | null;
  readonly stderr: Queue<Uint8Array> | null;
  readonly #stdin: WasiInput;
  readonly #outputs: readonly [WasiOutput, WasiOutput];
  readonly #fds: readonly (readonly [number, Socket | FileLike])[];

  constructor(options: RunOptions, what: string, called = 'program') {
    const { name = called, args = [name], env = {}, preopens = {}, stdin = null, fds = {} } = options;
    const { stdout = 'inherit', stderr = 'inherit', timeout = null } = options;
    if (typeof name !== 'string') throw wrongType(`${what}({ name })`, 'a string', name);
    limitMs(timeout, `${what}({ timeout })`);
    this.name = name;
    this.args = args;
    const text = (value: unknown, where: string): string => {
      if (typeof value !== 'string') throw wrongType(`${what}({ ${where} })`, 'a string', value);
      if (value.includes('\0')) throw new TypeError(`${what}({ ${where} }): expected no NUL in ${describe(value)}`);
      return value;
    };
    if (!Array.isArray(args)) throw wrongType(`${what}({ args })`, 'an array', args);
    for (const [i, arg] of args.entries()) text(arg, `args[${i}]`);
    const record = (value: unknown, where: string): void => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
      throw wrongType(`${what}({ ${where} })`, 'an object', value);
    };
    record(env, 'env');
    this.env = Object.fromEntries(
      Object.entries(env)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => {
          if (key === '' || key.includes('=')) throw wrongType(`${what}({ env })`, 'a name', key);
          return [text(key, 'env'), text(value, `env.${key}`)];
        }),
    );
    record(preopens, 'preopens');
    this.preopens = Object.entries(preopens);
    for (const [path, where] of this.preopens) {
      text(path, 'preopens');
      if (typeof where === 'string' ? where === '' : !inMemory(where)) {
        throw wrongType(
          `${what}({ preopens })`,
          `the path of a directory, or one in memory, for ${describe(path)}`,
          where,
        );
      }
    }
    this.#stdin = this.#checkInput(stdin, what);
    this.#outputs = [
      this.#checkOutput(stdout, `${what}({ stdout })`),
      this.#checkOutput(stderr, `${what}({ stderr })`),
    ];
    this.stdout = stdout === 'pipe' ? pipe() : null;
    this.stderr = stderr === 'pipe' ? pipe() : null;
    record(fds, 'fds');
    this.#fds = Object.entries(fds).map(([number, what_]) => [Number(number), what_]);
    const least = 3 + this.preopens.length;
    for (const [fd, handle] of this.#fds) {
      // The C library looks for preopened directories from 3 on, to the first number that is none.
      if (!Number.isInteger(fd) || fd < least || fd >= 1024) {
        throw new RangeError(
          `${what}({ fds }): expected numbers from ${least}, behind the preopens, to 1023, got ${fd}`,
        );
      }
      if (!isSocket(handle) && !isFile(handle)) {
        throw wrongType(`${what}({ fds })`, `a socket or a file for ${fd}`, handle);
      }
    }
  }

  #checkInput(given: WasiInput, what: string): WasiInput {
    const it = given as any;
    const readable = isStream(it) && typeof it.resume === 'function';
    const file = isFile(it) && typeof it.readinto === 'function';
    if (given === null || toBytes(given) !== null || typeof it.get === 'function' || readable || isSocket(it) || file) {
      return given;
    }
    throw wrongType(
      `${what}({ stdin })`,
      'null, a string, bytes, a queue, a readable stream, a socket or a file',
      given,
    );
  }

  #checkOutput(given: WasiOutput, what: string): WasiOutput {
    const it = given as any;
    if (given === null || typeof given === 'function') return given;
    if (typeof given === 'string' ? ['inherit', 'ignore', 'collect', 'pipe'].includes(given) : false) return given;
    if (typeof given === 'object' && ['put', 'write', 'sendall'].some((name) => typeof it[name] === 'function'))
      return given;
    throw wrongType(
      what,
      'inherit, ignore, collect, pipe, null, a queue, a writable stream, a socket, a file or a function',
      given,
    );
  }

  /** True if something of Node's is among them. */
  get needsHandles(): boolean {
    const all: unknown[] = [this.#stdin, ...this.#outputs, ...this.#fds.map(([, handle]) => handle)];
    return all.some((it) => typeof it === 'object' && it !== null && (isSocket(it) || isFile(it) || isStream(it)));
  }

  /** Everything that the program has open when it starts. */
  open(
    put: (fd: number, entry: Descriptor | Opened) => void,
    handles: Handles | null,
    opened: readonly Opened[],
  ): void {
    put(0, this.#input(this.#stdin, handles));
    put(1, this.#output(0, handles));
    put(2, this.#output(1, handles));
    for (const [i, entry] of opened.entries()) put(3 + i, entry);
    for (const [fd, handle] of this.#fds) put(fd, this.#handle(handle, handles as Handles));
  }

  #handle(handle: Socket | FileLike, handles: Handles): Descriptor {
    return isSocket(handle) ? new handles.SocketDescriptor(handle, false) : new handles.FileDescriptor(handle);
  }

  #input(given: WasiInput, handles: Handles | null): Descriptor {
    if (given === null) return new Nothing();
    const bytes = toBytes(given);
    if (bytes !== null) return new BytesInput(bytes);
    if (typeof (given as ItemSource).get === 'function') return new QueueInput(given as ItemSource);
    if (isStream(given)) return new (handles as Handles).ReadableInput(given as Readable);
    return this.#handle(given as Socket | FileLike, handles as Handles);
  }

  #output(which: 0 | 1, handles: Handles | null): Descriptor {
    const given = this.#outputs[which];
    if (given === null || given === 'ignore') return new Nothing();
    if (given === 'collect') return which === 0 ? this.out : this.err;
    if (given === 'pipe') return new QueueOutput((which === 0 ? this.stdout : this.stderr) as Queue, true);
    if (given === 'inherit') {
      const stream = which === 0 ? globalThis.process?.stdout : globalThis.process?.stderr;
      if (stream !== undefined) return new StreamOutput(stream as WritableLike);
      return new ConsoleOutput(which === 0 ? (text) => console.log(text) : (text) => console.error(text));
    }
    if (typeof given === 'function') return new CallbackOutput(given);
    if (typeof (given as ItemSink).put === 'function') return new QueueOutput(given as ItemSink);
    if (isStream(given)) return new StreamOutput(given as unknown as WritableLike);
    return this.#handle(given as Socket | FileLike, handles as Handles);
  }

  /** The program never ran: who reads its pipes hears of the end. */
  never(): void {
    this.stdout?.shutdown();
    this.stderr?.shutdown();
  }
}
