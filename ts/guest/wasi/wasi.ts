// Entry `gevent-wasm/wasi`: unmodified programs for WASI preview 1 as greenlets.

import { Framed } from '../../framed.ts';
import { Greenlet } from '../../gevent-greenlet.ts';
import type { Operation } from '../../hub/operation.ts';
import type { Park } from '../../hub/protocol.ts';
import { getHub, type Hub } from '../../hub.ts';
import type { Queue } from '../../joinable.ts';
import { Timeout } from '../../timeout.ts';
import { until } from '../../until.ts';
import { needsWasm } from '../engine.ts';
import { GuestError } from '../errors.ts';
import type { GuestGreenlet } from '../guest-greenlet.ts';
import type { Imports } from '../imports.ts';
import type { Instance } from '../instance.ts';
import { load } from '../load.ts';
import { checkLoad, type GuestSource, type LoadOptions } from '../load-options.ts';
import { Program } from '../program.ts';
import { type Opened, openAll } from './host.ts';
import { MODULE } from './names.ts';
import { type RunOptions, Setup, type WasiOptions } from './options.ts';
import { ProgramExit, System, standIns } from './system.ts';

export type { FileLike } from './handles.ts';
export type { MemoryTree, Preopen, ShimDirectory } from './host.ts';
export type { RunOptions, WasiInput, WasiOptions, WasiOutput } from './options.ts';
export type { Bytes, ItemSink, ItemSource } from './streams.ts';

/** What can be run: the bytes, a compiled module (by `jspi` only), or what `loadWasi` gave. */
export type WasiSource = GuestSource | Program;

/** A program ended with another exit code than 0, and `check` was asked for. */
export class WasiExitError extends GuestError {
  static override readonly name: string = 'WasiExitError';
  readonly exitCode: number;

  constructor(name: string, exitCode: number) {
    super('GEVENT_WASI_EXIT', `${name} ended with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Programs that were loaded for this. */
const loaded = new WeakSet<Program>();

/** The stand-ins, with what the user supplies beside them. */
function withStandIns(given: LoadOptions['imports']): (instance: Instance) => Imports {
  return (instance) => ({ ...(typeof given === 'function' ? given(instance) : given), ...standIns() });
}

function checkSource(source: WasiSource, options: LoadOptions, what: string): void {
  const hub = getHub();
  if (hub.core.native === undefined) throw needsWasm(hub);
  if (source instanceof Program) {
    if (loaded.has(source)) return;
    throw new TypeError(`${what}(source): expected bytes, or what loadWasi() gave, got ${source} of load()`);
  }
  const bytes = checkLoad(source, options);
  if (bytes instanceof Uint8Array && bytes[4] === 0x0d && bytes[6] === 0x01) {
    throw new GuestError(
      'GEVENT_GUEST_MALFORMED',
      `${what}: this is a component (WASI preview 2 or later): only modules of preview 1 can be run`,
    );
  }
}

/**
 * Load a program once, to run it many times: `runWasi(program, …)` then starts at once. Switch point.
 * @param options - as for `load`; what the program imports from WASI need not be given
 * @throws GuestError as `load` does; `GEVENT_GUEST_MALFORMED` for a component
 */
export function loadWasi(source: GuestSource, options: LoadOptions = {}): Operation<Program> {
  checkSource(source, options, 'loadWasi');
  return new Framed('loadWasi', () => loading(source, options));
}

function* loading(source: GuestSource, options: LoadOptions): Generator<Park, Program, any> {
  const { name = 'program', imports } = options;
  const program = yield* load(source, { ...options, name, imports: withStandIns(imports) });
  if (WebAssembly.Module.imports(program.module).some((it) => it.module === 'wasi_unstable')) {
    throw new GuestError('GEVENT_GUEST_IMPORT', `${name} was made for an older WASI (wasi_unstable): compile it anew`);
  }
  program.$initializes = false;
  loaded.add(program);
  return program;
}

/** A program that is about to start. */
interface Started {
  readonly system: System;
  readonly instance: Instance;
}

/** Load it, open what it gets, make an instance. What was opened is closed again if that fails. */
function* starting(hub: Hub, source: WasiSource, options: WasiOptions, setup: Setup): Generator<Park, Started, any> {
  let opened: Opened[] | null = null;
  const system = new System(hub, setup.name, setup.args, setup.env);
  try {
    const program = source instanceof Program ? source : yield* loading(source, options);
    const handles = setup.needsHandles ? yield* until(import('./handles.ts')) : null;
    if (setup.preopens.length > 0) {
      const opening = openAll(setup.preopens);
      try {
        opened = yield* until(opening);
      } finally {
        // Left while they were being opened.
        if (opened === null)
          opening.then(
            (late) => close(late),
            () => {},
          );
      }
    }
    setup.open((fd, entry) => system.table.put(fd, entry), handles, opened ?? []);
    opened = null;
    const imports = system.imports();
    // The user's go in front: who supplies a call of WASI means it.
    const instance = program.instantiate((made) => {
      const given = typeof options.imports === 'function' ? options.imports(made) : options.imports;
      const before = given ?? program.importsFor(made);
      return { ...before, [MODULE]: { ...imports[MODULE], ...given?.[MODULE] } };
    });
    system.attach(instance.memory);
    return { system, instance };
  } catch (error) {
    if (opened !== null) close(opened);
    system.end(error);
    throw error;
  }
}

function close(opened: readonly Opened[]): void {
  for (const { host, fd } of opened) host.calls.fd_close(fd);
}

/** A running program: a Greenlet whose value is the exit code. Made by `runWasi`. */
export class WasiProcess extends Greenlet<number> {
  readonly #source: WasiSource;
  readonly #options: RunOptions;
  readonly #setup: Setup;
  #instance: Instance | null = null;

  /** @internal */
  constructor(source: WasiSource, options: RunOptions) {
    super();
    checkSource(source, options, 'runWasi');
    this.#source = source;
    this.#options = options;
    this.#setup = new Setup(options, 'runWasi', source instanceof Program ? source.name : undefined);
  }

  /** What it has written so far, if `stdout` was `'collect'`. */
  get out(): string {
    return this.#setup.out.text;
  }

  /** The same of `stderr`. */
  get err(): string {
    return this.#setup.err.text;
  }

  /** What it writes, if `stdout` was `'pipe'`: a queue of bytes, shut down when the program closes it or ends. */
  get stdout(): Queue<Uint8Array> | null {
    return this.#setup.stdout;
  }

  /** The same of `stderr`. */
  get stderr(): Queue<Uint8Array> | null {
    return this.#setup.stderr;
  }

  /** The instance it runs in; null before it has started. */
  get instance(): Instance | null {
    return this.#instance;
  }

  /** @internal */
  override get $label(): string {
    return `${this.constructor.name} ${JSON.stringify(this.name)}: ${this.#setup.args.join(' ').slice(0, 60)}`;
  }

  override *_run(): Generator<Park, number, any> {
    const setup = this.#setup;
    const { check: checked = false, timeout = null } = this.#options;
    const limit = timeout === null ? null : Timeout.startNew(timeout);
    let started: Started | null = null;
    let end: unknown = new GuestError('GEVENT_GUEST_CLOSED', `${setup.name} is over`);
    try {
      started = yield* starting(this.$hub, this.#source, this.#options, setup);
      this.#instance = started.instance;
      const exitCode = yield* run(started.instance, '_start', setup.name);
      if (checked && exitCode !== 0) throw new WasiExitError(setup.name, exitCode);
      return exitCode;
    } catch (error) {
      end = error;
      throw error;
    } finally {
      limit?.cancel();
      started?.instance.close();
      started?.system.end(end);
      setup.never();
    }
  }

  /** @internal It was killed before it ran. */
  override $cancel(error: unknown): void {
    super.$cancel(error);
    this.#setup.never();
  }
}

/** Run an export in a greenlet of its own: its exit code. */
function* run(instance: Instance, name: string, program: string): Generator<Park, number, any> {
  if (typeof instance.exports[name] !== 'function') {
    throw new GuestError(
      'GEVENT_WASI_NO_START',
      `${program} exports no ${name}: it is no program to run, but may be a reactor: startReactor(source), then reactor.spawn(name)`,
    );
  }
  const guest = instance.greenlet<void>(name);
  // Its error is ours to tell.
  guest.$quiet = true;
  guest.start();
  try {
    const value: unknown = yield* guest.get();
    if (value instanceof ProgramExit) return value.exitCode;
    // Killed, as anybody may who has got hold of it.
    if (value !== undefined) throw value;
    return 0;
  } finally {
    if (!guest.dead) yield* guest.kill();
  }
}

/**
 * Run a program for WASI preview 1, as its compiler made it, as a greenlet: when it sleeps, reads, writes or polls, only that greenlet waits.
 * Its value is the exit code. It starts on the next turn.
 *
 *     const program = runWasi(await readFile('tool.wasm'), { args: ['tool', '-v'], preopens: { '/data': './data' }, stdout: 'collect' });
 *     const code = await program.get();
 *     console.log(code, program.out);
 *
 * A kill, or `timeout`, ends the program where it waits. What it had opened is closed, however it ends.
 *
 * @param source - the bytes; to run a program many times, what `loadWasi` gave
 * @throws TypeError, RangeError for options that cannot be, here; all else is raised by `get()`: GuestTrap if the program trapped,
 *   GuestError if it cannot be loaded or `GEVENT_WASI_NO_START`, `GEVENT_WASI_PREOPEN`; with `check` WasiExitError
 */
export function runWasi(source: WasiSource, options: RunOptions = {}): WasiProcess {
  const process = new WasiProcess(source, options);
  process.start();
  return process;
}

/** A reactor: a module for WASI whose exports are called. Made by `startReactor`. */
export class WasiReactor {
  readonly instance: Instance;
  readonly #system: System;
  readonly #setup: Setup;
  #closed = false;

  /** @internal */
  constructor({ instance, system }: Started, setup: Setup) {
    this.instance = instance;
    this.#system = system;
    this.#setup = setup;
  }

  /** Run an export as a greenlet; see `Instance.spawn`. One that calls `exit` ends as a killed one does, and the reactor with it. */
  spawn<T = any>(name: string, ...args: unknown[]): GuestGreenlet<T> {
    return this.instance.spawn<T>(name, ...args);
  }

  /** The same, not started. */
  greenlet<T = any>(name: string, ...args: unknown[]): GuestGreenlet<T> {
    return this.instance.greenlet<T>(name, ...args);
  }

  /** What the module exports; calling it directly runs it at once, and it must not block then. */
  get exports(): Readonly<Record<string, any>> {
    return this.instance.exports;
  }

  get out(): string {
    return this.#setup.out.text;
  }

  get err(): string {
    return this.#setup.err.text;
  }

  get stdout(): Queue<Uint8Array> | null {
    return this.#setup.stdout;
  }

  get stderr(): Queue<Uint8Array> | null {
    return this.#setup.stderr;
  }

  /** Close what it has opened. Greenlets that still run in it have an error raised at their next call of WASI. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.instance.close();
    this.#system.end(new GuestError('GEVENT_GUEST_CLOSED', `${this.#setup.name} is closed`));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return `<WasiReactor ${this.#setup.name}${this.#closed ? ' closed' : ''}>`;
  }
}

/**
 * Start a reactor, a module without a `_start`: its `_initialize` is run, then its exports can be spawned. Switch point. Close it when you are
 * done.
 * @throws what `_initialize` ended with; else as `runWasi`
 */
export function startReactor(source: WasiSource, options: WasiOptions = {}): Operation<WasiReactor> {
  checkSource(source, options, 'startReactor');
  const setup = new Setup(options, 'startReactor', source instanceof Program ? source.name : undefined);
  return new Framed('startReactor', () => reacting(getHub(), source, options, setup));
}

function* reacting(
  hub: Hub,
  source: WasiSource,
  options: WasiOptions,
  setup: Setup,
): Generator<Park, WasiReactor, any> {
  const started = yield* starting(hub, source, options, setup);
  try {
    if (started.instance.exports._initialize !== undefined) {
      const exitCode = yield* run(started.instance, '_initialize', setup.name);
      if (exitCode !== 0) throw new WasiExitError(setup.name, exitCode);
    }
    return new WasiReactor(started, setup);
  } catch (error) {
    started.instance.close();
    started.system.end(error);
    throw error;
  }
}
