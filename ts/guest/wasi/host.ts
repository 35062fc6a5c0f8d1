// File systems: libraries that have the calls of preview 1 already. `node:wasi` (Node's, Deno's or Bun's) for directories of the
// system; browser_wasi_shim, where it is installed, for directories in memory. Each has descriptors of its own numbering; the
// table of a program says which of its numbers is which of theirs, and the calls are passed on with the number changed.

import { wrongType } from '../../core/arguments.ts';
import { GuestError } from '../errors.ts';

type Call = (...args: any[]) => number;

/** One file system library, as one program sees it. */
export interface Host {
  readonly calls: Readonly<Record<string, Call>>;
  attach(memory: WebAssembly.Memory): void;
}

/** Files in memory: text, bytes, or a folder. */
export interface MemoryTree {
  readonly [name: string]: string | Uint8Array | MemoryTree;
}

/** A directory of browser_wasi_shim, or a `PreopenDirectory`. */
export interface ShimDirectory {
  readonly contents: Map<string, unknown>;
}

/** What a program may open: the path of a directory, or one in memory. */
export type Preopen = string | MemoryTree | ShimDirectory;

/** Where a preopened directory is: the host, and its number there. */
export interface Opened {
  readonly host: Host;
  readonly fd: number;
}

function noPreopen(path: string, why: string, cause?: unknown): GuestError {
  return new GuestError('GEVENT_WASI_PREOPEN', `preopens: ${JSON.stringify(path)} cannot be opened: ${why}`, { cause });
}

/** True if `value` is a directory in memory. */
export function inMemory(value: unknown): value is MemoryTree | ShimDirectory {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** Open directories, in the order given. @throws GuestError `GEVENT_WASI_PREOPEN`, `GEVENT_WASI_NO_HOST` */
export async function openAll(preopens: readonly (readonly [path: string, what: Preopen])[]): Promise<Opened[]> {
  const real = preopens.filter((it): it is [string, string] => typeof it[1] === 'string');
  const memory = preopens.filter((it): it is [string, MemoryTree | ShimDirectory] => typeof it[1] !== 'string');
  const system = real.length === 0 ? null : await openReal(real);
  const shim = memory.length === 0 ? null : await openMemory(memory);
  let nextReal = 3;
  let nextMemory = 0;
  return preopens.map(([, what]) =>
    typeof what === 'string' ? { host: system as Host, fd: nextReal++ } : { host: shim as Host, fd: nextMemory++ },
  );
}

async function openReal(preopens: readonly [string, string][]): Promise<Host> {
  let WASI: any;
  let statSync: any;
  try {
    ({ WASI } = await import('node:wasi'));
    ({ statSync } = await import('node:fs'));
  } catch (cause) {
    throw new GuestError(
      'GEVENT_WASI_NO_HOST',
      'preopens: directories of the system need the module node:wasi, which this engine does not have; give a directory in memory',
      { cause },
    );
  }
  for (const [path, where] of preopens) {
    let directory = false;
    try {
      directory = statSync(where).isDirectory();
    } catch (cause) {
      throw noPreopen(path, (cause as Error).message, cause);
    }
    if (!directory) throw noPreopen(path, `${where} is no directory`);
  }
  let wasi: any;
  try {
    wasi = new WASI({
      version: 'preview1',
      args: [],
      env: {},
      preopens: Object.fromEntries(preopens),
      returnOnExit: true,
    });
  } catch (cause) {
    throw noPreopen(preopens[0][0], (cause as Error).message, cause);
  }
  return {
    calls: wasi.wasiImport,
    // Node's and Deno's want an instance, and of that only the memory; Bun's wants the memory.
    attach: (memory) =>
      typeof wasi.initialize === 'function' ? wasi.initialize({ exports: { memory } }) : wasi.setMemory(memory),
  };
}

async function openMemory(preopens: readonly [string, MemoryTree | ShimDirectory][]): Promise<Host> {
  let library: any;
  try {
    library = await import('@bjorn3/browser_wasi_shim');
  } catch (cause) {
    throw new GuestError(
      'GEVENT_WASI_NO_HOST',
      'preopens: directories in memory need the package @bjorn3/browser_wasi_shim, which is not there: npm install @bjorn3/browser_wasi_shim',
      { cause },
    );
  }
  const { WASI, PreopenDirectory, Directory, File } = library;
  const contentsOf = (tree: MemoryTree, path: string): Map<string, unknown> =>
    new Map(
      Object.entries(tree).map(([name, what]) => {
        if (name === '' || name === '.' || name === '..' || name.includes('/')) {
          throw wrongType('preopens', `the name of a file in ${path}`, name);
        }
        if (typeof what === 'string') return [name, new File(new TextEncoder().encode(what))];
        if (what instanceof Uint8Array) return [name, new File(what.slice())];
        if (inMemory(what)) return [name, new Directory(contentsOf(what as MemoryTree, `${path}/${name}`))];
        throw wrongType('preopens', `text, bytes or an object for ${path}/${name}`, what);
      }),
    );
  const descriptors = preopens.map(([path, what]) => {
    const contents = (what as ShimDirectory).contents;
    return new PreopenDirectory(path, contents instanceof Map ? contents : contentsOf(what as MemoryTree, path));
  });
  const wasi = new WASI([], [], descriptors, { debug: false });
  return {
    calls: wasi.wasiImport,
    attach: (memory) => {
      wasi.inst = { exports: { memory } };
    },
  };
}
