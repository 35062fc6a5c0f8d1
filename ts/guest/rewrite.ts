// Rewriting a guest for the asyncify backend, by Binaryen, which is loaded when it is first needed and nowhere else. Large
// modules are rewritten in a worker, and kept on disk, since theirs takes seconds.

import { ABI } from './abi.ts';
import { Extern } from './emit.ts';
import { GuestError } from './errors.ts';
import { type Pilot, pilotOf } from './pilot.ts';
import { positions } from './positions.ts';
import { readShape, type Shape, withCustom, withExports } from './read.ts';

/** Names a rewritten module, and what may switch in it. */
export const SECTION = 'gevent.asyncify';
/** Raised when what is written changes: an older module is then refused, an older cache entry not found. */
const VERSION = 2;
/** The module that the engine's exports are imported from. */
export const OURS = 'gevent:engine';
/** Bytes of a module from which on rewriting takes so long that it is done in a worker, and kept on disk. */
export const LARGE = 100_000;

const FRAMES = 'frames';

export interface RewriteOptions {
  /** The imports that may switch, as `module.name`. `module.*` is all of a module. */
  readonly blocking: readonly string[];
  /** Do it in this thread, whatever the size. Default false. */
  readonly here?: boolean;
  /** The module's shape, if it is known better than by reading it. */
  readonly shape?: Shape;
  /** Where rewritten modules are kept; false: nowhere. Default: a folder of the user's, for large ones. */
  readonly cache?: string | boolean;
}

export interface Rewritten {
  readonly v: number;
  readonly blocking: readonly string[];
}

/** What a module says of its rewriting, or null. @throws GuestError if another version of this package wrote it */
export function rewritten(shape: Shape): Rewritten | null {
  const section = shape.customs.get(SECTION);
  if (section === undefined) return null;
  let said: Rewritten | null = null;
  try {
    said = JSON.parse(new TextDecoder().decode(section)) as Rewritten;
  } catch {
    // Below.
  }
  if (said === null || said.v !== VERSION || !Array.isArray(said.blocking)) {
    throw new GuestError(
      'GEVENT_GUEST_REWRITTEN',
      'the module was rewritten by another version of gevent-wasm: rewrite the original again',
    );
  }
  return said;
}

/** What guests can call of `gevent`, and switches. */
export const SWITCHING = [
  'gevent.yield',
  'gevent.sleep',
  ...[...ABI].filter(([, { kind }]) => kind === 'blocking').map(([name]) => `gevent.${name}`),
];

/** Exports that we need and a module may lack. */
export function withOurExports(bytes: Uint8Array, shape: Shape): Uint8Array<ArrayBuffer> {
  const added: { name: string; kind: number; index: number }[] = [];
  const add = (name: string, kind: number, index: number) => {
    if (!shape.exports.some((it) => it.name === name)) added.push({ name, kind, index });
  };
  const sp = shape.stackPointer;
  if (sp.kind === 'global') add(OUR.sp, Extern.GLOBAL, sp.index);
  if (shape.memories > 0) add(OUR.memory, Extern.MEMORY, 0);
  if (shape.tables > 0) add(OUR.table, Extern.TABLE, 0);
  return withExports(bytes, added);
}

export const OUR = { sp: 'gevent:sp', memory: 'gevent:memory', table: 'gevent:table' } as const;

/**
 * Rewrite a module so that its calls of `blocking` imports can leave its frames and come back to them.
 * @throws GuestError `GEVENT_GUEST_NO_BINARYEN` where the package binaryen is not installed
 * @throws GuestError `GEVENT_GUEST_NOT_REWRITABLE` if the module uses what asyncify does not know: tail calls, `try_table`,
 *   locals that are references
 */
export async function asyncify(bytes: Uint8Array, options: RewriteOptions): Promise<Uint8Array<ArrayBuffer>> {
  const shape = options.shape ?? readShape(bytes);
  if (rewritten(shape) !== null) return new Uint8Array(bytes);
  const imports = shape.imports.filter((it) => it.kind === Extern.FUNC).map((it) => `${it.module}.${it.name}`);
  const wanted = [...options.blocking, ...SWITCHING];
  const blocking = imports.filter((name) =>
    wanted.some((it) => it === name || (it.endsWith('.*') && name.startsWith(it.slice(0, -1)))),
  );
  const sp = shape.stackPointer.kind === 'global' ? shape.stackPointer.index : -1;
  const key = await keyOf(bytes, [...blocking, String(sp)]);
  const remembered = memory.get(key)?.deref();
  if (remembered !== undefined) return remembered;
  const store = bytes.length >= LARGE || typeof options.cache === 'string' ? diskCache(options.cache ?? true) : null;
  const kept = store?.read(key) ?? null;
  if (kept !== null) {
    memory.set(key, new WeakRef(kept));
    return kept;
  }
  // Binaryen is harsh to what is no module, and prints what it thinks of it.
  await compile(new Uint8Array(bytes));
  const input = withOurExports(bytes, shape);
  const work: Work = { blocking, pilot: pilotOf(withOurShape(input, shape)), optimize: true };
  const away = bytes.length >= LARGE && options.here !== true;
  const rewrite = async (how: Work) =>
    inPlaces(away ? await inWorker(input, how) : rewriteWith(await binaryen(), input, how));
  // What an optimizer makes of the pattern could be more than positions.ts knows; as asyncify writes it, it is known.
  const raw = (await rewrite(work)) ?? (await rewrite({ ...work, optimize: false }));
  if (raw === null) throw refused(new Error('refused: its frames are not written as they should be'));
  const made = withCustom(raw, SECTION, JSON.stringify({ v: VERSION, blocking } satisfies Rewritten));
  memory.set(key, new WeakRef(made));
  store?.write(key, made);
  return made;
}

/** @throws GuestError with the engine's own words */
export async function compile(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new GuestError('GEVENT_GUEST_MALFORMED', `the engine refuses this module: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

const memory = new Map<string, WeakRef<Uint8Array<ArrayBuffer>>>();

async function keyOf(bytes: Uint8Array, blocking: readonly string[]): Promise<string> {
  const of = new TextEncoder().encode(`${VERSION} ${blocking.join()} `);
  const all = new Uint8Array(of.length + bytes.length);
  all.set(of);
  all.set(bytes, of.length);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// ---- Binaryen -------------------------------------------------------------------------------------------------------

interface Work {
  readonly blocking: readonly string[];
  readonly pilot: Pilot;
  readonly optimize: boolean;
}

/** With the exports that `withOurExports` adds, as the stack pointer was known before. */
function withOurShape(bytes: Uint8Array, shape: Shape): Shape {
  return { ...readShape(bytes), stackPointer: shape.stackPointer };
}

function inPlaces(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const indexOf = (kind: number, name: string) =>
    readShape(bytes)
      .imports.filter((it) => it.kind === kind)
      .findIndex((it) => it.name === name);
  return positions(bytes, indexOf(Extern.GLOBAL, '__asyncify_data'), indexOf(Extern.MEMORY, FRAMES));
}

let loading: Promise<any> | null = null;

function binaryen(): Promise<any> {
  loading ??= import('binaryen').then(
    (it) => it.default,
    (cause: unknown) => {
      loading = null;
      throw noBinaryen(cause);
    },
  );
  return loading;
}

function noBinaryen(cause: unknown): GuestError {
  return new GuestError(
    'GEVENT_GUEST_NO_BINARYEN',
    'the asyncify backend rewrites guests by the package binaryen, which is not there: npm install binaryen, or rewrite ahead of time (npx gevent-wasm asyncify), or use another backend',
    { cause },
  );
}

// Its text is sent to the worker: it may use nothing of this module. Throws a string that says what was refused.
function rewriteAll(b: any, bytes: Uint8Array, work: Work): Uint8Array<ArrayBuffer> {
  let module: any;
  try {
    module = b.readBinary(bytes);
  } catch (error) {
    throw new Error(`malformed: ${error}`);
  }
  try {
    // Compact imports are read by no engine that is shipped.
    module.setFeatures(b.Features.All & ~(b.Features.CompactImports ?? 0));
    b.setOptimizeLevel(work.optimize ? 2 : 0);
    b.setShrinkLevel(work.optimize ? 1 : 0);
    b.setPassArgument('asyncify-imports', work.blocking.length > 0 ? work.blocking.join(',') : 'gevent.none');
    b.setPassArgument('asyncify-import-globals', '1');
    b.setPassArgument('asyncify-memory', '__gevent_frames');
    module.addMemoryImport('__gevent_frames', 'gevent:engine', 'frames', false);
    module.addMemoryExport('__gevent_frames', '__gevent_frames');
    module.runPasses(['asyncify']);
    for (const name of ['start_unwind', 'stop_unwind', 'start_rewind', 'stop_rewind', 'get_state']) {
      module.removeExport(`asyncify_${name}`);
      module.removeFunction(`asyncify_${name}`);
    }
    module.removeExport('__gevent_frames');
    const { pilot } = work;
    for (const name of ['records', 'core']) {
      module.addMemoryImport(`gevent:${name}`, 'gevent:engine', name, false);
    }
    for (const name of ['cur', 'may', 'base', 'raising']) {
      module.addGlobalImport(`gevent:${name}`, 'gevent:engine', name, b.i32, true);
    }
    for (const name of ['words', 'ring']) {
      module.addGlobalImport(`gevent:${name}`, 'gevent:engine', name, b.i32, false);
    }
    // Texts have `$"@name"` for what is exported by that name.
    const inside = (name: string) => b.getExportInfo(module.getExport(name)).value as string;
    const named = (line: string) =>
      line.replaceAll(/@([^"]+)/g, (_, name) => inside(name).replaceAll(/[\\"]/g, (char) => `\\${char}`));
    // Two exports may be one function.
    const declared = new Set<string>();
    let functions = '';
    for (const { declaration, text: one } of pilot.added) {
      declared.add(named(declaration));
      functions += named(one);
    }
    const donor = b.parseText(
      `(module ${named(pilot.imports)} ${[...declared].join(' ')} ${pilot.yields ?? ''} ${functions})`,
    );
    const copy = (from: string, as: string) => {
      const { vars, body } = b.getFunctionInfo(donor.getFunction(from));
      module.addFunction(as, b.none, b.none, vars, module.copyExpression(body));
    };
    if (pilot.yields !== null) {
      for (let i = 0; ; ++i) {
        const found = b.getFunctionInfo(module.getFunctionByIndex(i));
        if (found.module !== 'gevent' || found.base !== 'yield') continue;
        module.removeFunction(found.name);
        module.addFunctionImport('gevent:engine.yield', 'gevent', 'yield', b.none, b.none);
        copy('gevent:yields', found.name);
        break;
      }
    }
    for (const { name } of pilot.added) {
      copy(name, name);
      module.addFunctionExport(name, name);
    }
    donor.dispose();
    const out = module.emitBinary();
    return new Uint8Array(out);
  } catch (error) {
    throw new Error(`refused: ${error}`);
  } finally {
    b.clearPassArguments();
    module.dispose();
  }
}

function rewriteWith(b: any, bytes: Uint8Array, work: Work): Uint8Array<ArrayBuffer> {
  // Binaryen says on the console what it dislikes; we say it in the error.
  const said: string[] = [];
  const { error: before, warn } = console;
  console.error = console.warn = (...what: unknown[]) => void said.push(what.join(' '));
  try {
    return rewriteAll(b, bytes, work);
  } catch (error) {
    throw refused(error, said);
  } finally {
    console.error = before;
    console.warn = warn;
  }
}

function refused(error: unknown, said: readonly string[] = []): GuestError {
  const text = error instanceof Error ? error.message : String(error);
  const why = [text.replace(/^(refused|malformed): /, ''), ...said].join('; ').slice(0, 500);
  return text.startsWith('malformed')
    ? new GuestError('GEVENT_GUEST_MALFORMED', `this is no WebAssembly module that can be read: ${why}`, {
        cause: error,
      })
    : new GuestError(
        'GEVENT_GUEST_NOT_REWRITABLE',
        `asyncify cannot rewrite this module (tail calls, try_table and locals that are references are beyond it): ${why}. Use backend 'wasmfx' or 'jspi'`,
        { cause: error },
      );
}

async function inWorker(bytes: Uint8Array, work: Work): Promise<Uint8Array<ArrayBuffer>> {
  const { Worker } = globalThis.process?.getBuiltinModule?.('node:worker_threads') ?? {};
  if (Worker === undefined) return rewriteWith(await binaryen(), bytes, work);
  let where: string;
  try {
    where = import.meta.resolve('binaryen');
  } catch (cause) {
    throw noBinaryen(cause);
  }
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const rewrite = ${rewriteAll};
    console.error = console.warn = () => {};
    import(workerData.where)
      .then((b) => rewrite(b.default, workerData.bytes, workerData.work))
      .then((made) => parentPort.postMessage({ made }), (error) => parentPort.postMessage({ error: String(error?.message ?? error) }));
  `;
  return new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true, workerData: { where, bytes, work }, execArgv: [] });
    worker.once('message', (said: { made?: Uint8Array<ArrayBuffer>; error?: string }) => {
      void worker.terminate();
      if (said.made !== undefined) resolve(said.made);
      else reject(refused(new Error(said.error)));
    });
    worker.once('error', (error: unknown) => reject(refused(error)));
    worker.once('exit', () => reject(refused(new Error('refused: the worker ended'))));
  });
}

// ---- disk -----------------------------------------------------------------------------------------------------------

interface Store {
  read(key: string): Uint8Array<ArrayBuffer> | null;
  write(key: string, bytes: Uint8Array): void;
}

// Below the user's own cache folder, never in a shared one: whoever can write there decides what code runs.
function diskCache(where: string | boolean): Store | null {
  const { process } = globalThis;
  if (where === false || process?.getBuiltinModule === undefined) return null;
  const fs = process.getBuiltinModule('node:fs');
  const path = process.getBuiltinModule('node:path');
  const os = process.getBuiltinModule('node:os');
  if (fs === undefined || path === undefined || os === undefined) return null;
  const home = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache');
  const folder = typeof where === 'string' ? where : path.join(home, 'gevent-wasm');
  const file = (key: string) => path.join(folder, `${key}.wasm`);
  return {
    read(key) {
      try {
        const bytes = new Uint8Array(fs.readFileSync(file(key)));
        return WebAssembly.validate(bytes) ? bytes : null;
      } catch {
        return null;
      }
    },
    write(key, bytes) {
      try {
        fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
        // Renamed into place, so that nobody reads half of it.
        const part = `${file(key)}.${process.pid}.${Math.random().toString(36).slice(2)}`;
        fs.writeFileSync(part, bytes, { mode: 0o600 });
        fs.renameSync(part, file(key));
      } catch {
        // A cache that cannot be written is only slow.
      }
    },
  };
}
