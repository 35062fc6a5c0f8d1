// patchAll: every patch, in order, with its events and warnings.

import { createRequire } from 'node:module';
import { wrongType } from '../../core/arguments.ts';
import {
  DoNotPatch,
  GeventDidPatchAllEvent,
  GeventDidPatchBuiltinModulesEvent,
  GeventWillPatchAllEvent,
  notify,
} from '../../events.ts';
import {
  patchDns,
  patchOs,
  patchPromise,
  patchSelect,
  patchSelectors,
  patchSignal,
  patchSocket,
  patchSsl,
  patchSubprocess,
  patchThread,
  patchTime,
  unpatchEffects,
} from './patch.ts';
import { restore, warn } from './registry.ts';

/** What `patchAll` patches; each is true unless it is set to false. */
export interface PatchAllOptions {
  /** `fs` and `fs.promises`. */
  os?: boolean;
  /** Greenlets carried along callbacks; `crypto` and `zlib`. */
  thread?: boolean;
  /** Timers. */
  time?: boolean;
  /** `yield* promise`. */
  promise?: boolean;
  /** Sockets, servers, requests, `fetch`. */
  socket?: boolean;
  dns?: boolean;
  /** Streams. */
  select?: boolean;
  /** Events. */
  selectors?: boolean;
  ssl?: boolean;
  subprocess?: boolean;
  signal?: boolean;
}

// In order.
const PATCHES: Record<keyof PatchAllOptions, () => boolean> = {
  os: patchOs,
  thread: patchThread,
  time: patchTime,
  promise: patchPromise,
  socket: () => patchSocket({ dns: false }),
  dns: patchDns,
  select: patchSelect,
  selectors: patchSelectors,
  ssl: patchSsl,
  subprocess: patchSubprocess,
  signal: patchSignal,
};
export const PATCH_NAMES = Object.keys(PATCHES) as (keyof PatchAllOptions)[];

type Settings = Record<keyof PatchAllOptions, boolean>;

/** What was asked for so far, or null. */
let asked: Settings | null = null;
const source = {};

function settingsOf(options: PatchAllOptions): Settings {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(PATCHES, name))
      throw new TypeError(`patchAll(options): there is no patch ${name}; there are ${PATCH_NAMES.join(', ')}`);
    if (value !== undefined && typeof value !== 'boolean') throw wrongType(`patchAll(${name})`, 'true or false', value);
  }
  const settings = {} as Settings;
  for (const name of PATCH_NAMES) settings[name] = options[name] ?? true;
  return settings;
}

/** Packages that were loaded before, as far as can be seen: what is loaded by `require`. */
function loadedPackages(): string[] {
  const found = new Set<string>();
  for (const [path, module] of Object.entries(createRequire(process.execPath).cache ?? {})) {
    // What is imported further down the same file is there already, and has not run.
    if (module?.loaded !== true) continue;
    const name = /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(path)?.[1];
    if (name !== undefined && !OWN.has(name)) found.add(name.replaceAll('\\', '/'));
  }
  return [...found];
}

/** What this library loads itself. */
const OWN = new Set(['gevent-wasm', 'piscina', 'ws', 'binaryen']);

/**
 * Make Node's own modules co-operate: each patch that is not set to false. Do this first, before other modules are loaded: by
 * `node --import gevent-wasm/monkey/auto`, or by importing `gevent-wasm/monkey/auto` on the first line.
 *
 * @param extra - for subscribers: `patchAllKwargs` of the events
 * @returns true; false if a subscriber refused by DoNotPatch; null if there was nothing new to do
 * @throws TypeError for an option that is none
 * @see `gevent.monkey.patch_all`, the source. Differs: keyword arguments for subscribers are a second object.
 */
export function patchAll(options: PatchAllOptions = {}, extra: Readonly<Record<string, unknown>> = {}): boolean | null {
  const settings = settingsOf(options);
  const before = asked;
  const todo = PATCH_NAMES.filter((name) => settings[name] && !before?.[name]);
  if (before !== null && PATCH_NAMES.some((name) => settings[name] !== before[name])) {
    warn(
      'patchAll() was called before with other arguments: what was patched stays, and what is asked for now comes on top',
    );
  }
  if (todo.length === 0) return null;
  if (before === null) {
    const late = loadedPackages();
    if (late.length > 0) {
      const names = late.length > 8 ? `${late.slice(0, 8).join(', ')} and ${late.length - 8} more` : late.join(', ');
      warn(
        `patched too late: ${names} had been loaded before, and functions taken from Node's modules there stay as they were. Begin the program with import 'gevent-wasm/monkey/auto', or run it by node --import gevent-wasm/monkey/auto`,
      );
    }
  }
  const args = Object.fromEntries(PATCH_NAMES.map((name) => [name, todo.includes(name)]));
  try {
    notify(new GeventWillPatchAllEvent(args, extra, source));
  } catch (error) {
    if (error instanceof DoNotPatch) return false;
    throw error;
  }
  asked = { ...settings };
  if (before !== null) for (const name of PATCH_NAMES) asked[name] ||= before[name];
  for (const name of todo) PATCHES[name]();
  notify(new GeventDidPatchBuiltinModulesEvent(args, extra, source));
  notify(new GeventDidPatchAllEvent(args, extra, source));
  return true;
}

/**
 * Put everything back as it was before the first patch: for tests. Timers that were made meanwhile go on; what other modules have taken
 * meanwhile stays patched with them.
 */
export function unpatchAll(): void {
  restore();
  unpatchEffects();
  asked = null;
}
