// Rewriting a guest for the asyncify backend. Large modules are rewritten in a worker, and kept on disk, since theirs takes seconds.

import { ABI } from './abi.ts';
import { inThread, inWorker, refused, type Work } from './binaryen.ts';
import { joined } from './bytes.ts';
import { withCustom, withExports } from './edit.ts';
import { Extern } from './emit.ts';
import { GuestError } from './errors.ts';
import { diskCache } from './module-cache.ts';
import { pilotOf } from './pilot.ts';
import { positions } from './positions.ts';
import { readShape, type Shape } from './read.ts';

/** Names a rewritten module, and what may switch in it. */
export const SECTION = 'gevent.asyncify';
/** Raised when what is written changes: an older module is then refused, an older cache entry not found. */
const VERSION = 4;
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
  const remembered = recent.get(key)?.deref();
  if (remembered !== undefined) return remembered;
  const store = bytes.length >= LARGE || typeof options.cache === 'string' ? diskCache(options.cache ?? true) : null;
  const kept = store?.read(key) ?? null;
  if (kept !== null) {
    recent.set(key, new WeakRef(kept));
    return kept;
  }
  // Binaryen is harsh to what is no module, and prints what it thinks of it.
  await compile(new Uint8Array(bytes));
  const input = withOurExports(bytes, shape);
  const work: Work = { blocking, pilot: pilotOf(withOurShape(input, shape)), optimize: true };
  const away = bytes.length >= LARGE && options.here !== true;
  const rewrite = async (how: Work) => inPlaces(await (away ? inWorker(input, how) : inThread(input, how)));
  // What an optimizer makes of the pattern could be more than positions.ts knows; as asyncify writes it, it is known.
  const raw = (await rewrite(work)) ?? (await rewrite({ ...work, optimize: false }));
  if (raw === null) throw refused(new Error('refused: its frames are not written as they should be'));
  const made = withCustom(raw, SECTION, JSON.stringify({ v: VERSION, blocking } satisfies Rewritten));
  recent.set(key, new WeakRef(made));
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

/** What was made and is still in use somewhere. */
const recent = new Map<string, WeakRef<Uint8Array<ArrayBuffer>>>();

async function keyOf(bytes: Uint8Array, blocking: readonly string[]): Promise<string> {
  const of = new TextEncoder().encode(`${VERSION} ${blocking.join()} `);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', joined([of, bytes])));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
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
