// What the platform carries along asynchronous work, and how greenlets keep it apart.
//
// Two things, both free until they are used. (1) The greenlet of an async body: one AsyncLocalStorage of ours, made at the
// first async spawn, is how getcurrent() is right behind an await. (2) The program's own AsyncLocalStorages: a greenlet
// sees what was set where it was spawned. Capturing that costs 31 ns a spawn and 12 to 28 ns a switch, so it begins when
// the first store is set: `run` and `enterWith` are watched by thin wrappers; those come off when the last thing they can tell is known.
// A store set before the first hub exists is seen by all greenlets alike, since the loop runs inside it.

import { NIL, Word } from '../core/contract.ts';
import { active, Carried, setContextLookUp, threadHub } from './current.ts';
import { resume } from './drive.ts';
import type { Hub } from './hub.ts';
import type { Body, Park } from './protocol.ts';
import type { RawGreenlet, SliceContext } from './raw.ts';

interface Storage<T> {
  run<R>(store: T, fn: () => R): R;
  getStore(): T | undefined;
}

interface Hooks {
  AsyncLocalStorage: { new <T>(): Storage<T>; prototype: Record<string, (...args: any[]) => unknown> };
  AsyncResource: new (type: string) => SliceContext;
}

function hooks(): Hooks | null {
  if (typeof process === 'undefined' || typeof process.getBuiltinModule !== 'function') return null;
  return (process.getBuiltinModule('node:async_hooks') as unknown as Hooks | undefined) ?? null;
}

// ---- the greenlet of an async body ----------------------------------------------------------------------------------

let greenlets: Storage<RawGreenlet> | null | undefined;

function storeGreenlets(): Storage<RawGreenlet> | null {
  if (greenlets === undefined) {
    const platform = hooks();
    greenlets = platform === null ? null : new platform.AsyncLocalStorage<RawGreenlet>();
    const storage = greenlets;
    if (storage !== null) setContextLookUp(() => storage.getStore());
  }
  return greenlets;
}

/** Call `fn` such that getcurrent() gives `g` in it and behind its awaits. */
export function runAs<R>(g: RawGreenlet, fn: () => R): R {
  const greenlets = storeGreenlets();
  if (greenlets === null) return fn();
  const run = originalRun ?? greenlets.run;
  return run.call(greenlets, g, fn) as R;
}

// ---- the program's stores -------------------------------------------------------------------------------------------

/** Runs slices each in its greenlet's own context. Present in a hub once a store is in use. */
export interface Slices {
  run(g: RawGreenlet, body: Body, sent: unknown, thrown: unknown): IteratorResult<Park, unknown>;
  /** Call `fn` in the context captured for `context`. */
  call<R>(context: SliceContext | null, fn: () => R): R;
  capture(): SliceContext;
  /** The context that `g` begins with. */
  captureFor(g: RawGreenlet): SliceContext;
}

let originalRun: ((...args: any[]) => unknown) | null = null;
let inUse = false;
let enters = false;
/** What greenlets begin in the platform knows whose it is. */
let carrying = false;
const hubs = new Set<Hub>();

/** A store is in use: greenlets have contexts from here on. */
function begin(platform: Hooks): void {
  if (inUse) return;
  inUse = true;
  for (const each of hubs) {
    each.slices = makeSlices(platform);
    each.core.words[Word.BUDGET] = 0;
  }
  hubs.clear();
}

/**
 * Have the greenlets that are made from now on carried along what they begin in the platform, as async bodies are anyway; or not any
 * more. False where the platform has no such thing.
 */
export function carryGreenlets(on: boolean): boolean {
  const platform = hooks();
  if (platform === null || storeGreenlets() === null) return false;
  carrying = on;
  if (on) {
    threadHub();
    begin(platform);
  }
  return true;
}

/** Have `hub` told when stores come into use. */
export function watchStores(hub: Hub): void {
  const found = hooks();
  if (found === null) return;
  const platform: Hooks = found;
  if (inUse) {
    hub.slices = makeSlices(platform);
    return;
  }
  hubs.add(hub);
  if (originalRun !== null) return;
  const prototype = platform.AsyncLocalStorage.prototype;
  const { run, enterWith } = prototype;
  originalRun = run;
  // The platform's run() may be made of two enterWith(); those undo each other within the slice and do not count.
  let inRun = 0;
  function watchedRun(this: unknown, ...args: unknown[]): unknown {
    begin(platform);
    ++inRun;
    try {
      return run.apply(this, args);
    } finally {
      --inRun;
    }
  }
  function watchedEnterWith(this: unknown, ...args: unknown[]): unknown {
    const first = inRun === 0 && this !== greenlets;
    if (first) {
      if (prototype.run === watchedRun) prototype.run = run;
      if (prototype.enterWith === watchedEnterWith) prototype.enterWith = enterWith;
      enters = true;
      begin(platform);
    }
    const entered = enterWith.apply(this, args);
    // It runs in a slice that nobody watched yet: what it entered is its own, and the loop goes on with care from here.
    if (first && active !== null && active.cur !== NIL)
      (active.owners[active.cur] as RawGreenlet).$extras().context = capture(platform);
    return entered;
  }
  prototype.run = watchedRun;
  prototype.enterWith = watchedEnterWith;
}

/** The hub is gone; it need not hear of stores. */
export function unwatchStores(hub: Hub): void {
  hubs.delete(hub);
}

function capture(platform: Hooks): SliceContext {
  return new platform.AsyncResource('GEVENT_GREENLET');
}

function makeSlices(platform: Hooks): Slices {
  // Greenlets from before see what was set at the time the first store was.
  const root = capture(platform);
  // enterWith() inside a slice changes the context for the rest of the greenlet, so it is captured again at the slice's end.
  function slice(g: RawGreenlet, body: Body, sent: unknown, thrown: unknown): IteratorResult<Park, unknown> {
    try {
      return resume(body, sent, thrown);
    } finally {
      if (enters) g.$extras().context = capture(platform);
    }
  }
  return {
    run(g, body, sent, thrown) {
      const context = g.$more?.context ?? root;
      return context.runInAsyncScope(slice, undefined, g, body, sent, thrown);
    },
    call(context, fn) {
      return (context ?? root).runInAsyncScope(fn, undefined);
    },
    capture: () => capture(platform),
    captureFor(g) {
      if (!carrying) return capture(platform);
      return runAs(new Carried(g) as unknown as RawGreenlet, () => capture(platform));
    },
  };
}
