// Who runs: the hub whose loop is on the JavaScript stack, the hub of this thread, and, for async bodies, the greenlet
// that the platform carries along its awaits.

import { NIL } from '../core/contract.ts';
import type { Hub } from './hub.ts';
import type { RawGreenlet } from './raw.ts';

/** The hub whose loop is on the stack, or null: main, or a continuation of an async body. */
export let active: Hub | null = null;

export function setActive(hub: Hub | null): void {
  active = hub;
}

/** True while operations are watched for never being consumed (`GEVENT_DEBUG`, the test kit). */
export let debugging = false;

export function setDebugging(on: boolean): void {
  debugging = on;
}

/** An operation that is kept to serve all who want one like it: nobody has forgotten it. */
export function kept<T>(make: () => T): T {
  const was = debugging;
  debugging = false;
  try {
    return make();
  } finally {
    debugging = was;
  }
}

let ofThread: Hub | null = null;
let make: (() => Hub) | null = null;

/** How the first `getHub()` makes the hub of this thread. */
export function setHubMaker(maker: () => Hub): void {
  make = maker;
}

/** The hub of this thread, made at the first call. Another may stand in for it while a test runs. */
export function threadHub(): Hub {
  if (ofThread === null) {
    if (make === null) throw new Error('gevent-wasm: no hub implementation is loaded');
    ofThread = make();
  }
  return ofThread;
}

/** The hub of this thread if there is one yet. */
export function threadHubIfAny(): Hub | null {
  return ofThread;
}

/** Make `hub` the one that `getHub()` gives; returns the one before. */
export function replaceThreadHub(hub: Hub | null): Hub | null {
  const before = ofThread;
  ofThread = hub;
  return before;
}

// Set by context.ts when the first async body starts: until then no AsyncLocalStorage exists and this costs one test.
let lookUp: (() => RawGreenlet | undefined) | null = null;

export function setContextLookUp(fn: () => RawGreenlet | undefined): void {
  lookUp = fn;
}

/** The greenlet in whose async body we are, or null. */
export function greenletOfContext(): RawGreenlet | null {
  if (lookUp === null) return null;
  const g = lookUp() ?? null;
  // Behind the end of a body, what it left in the platform is main's.
  return g === null || g.dead ? null : g;
}

/**
 * Stands in the platform's context for a greenlet that waits in its own loop, not in the platform's: what it began there knows whose it
 * is, and is no part of its body. To the engine it is dead, so that waits and Timeouts are main's.
 */
export class Carried {
  readonly dead = true;
  readonly greenlet: RawGreenlet;

  constructor(greenlet: RawGreenlet) {
    this.greenlet = greenlet;
  }
}

/** The greenlet that began what runs here, if greenlets are carried along and it lives, or null. */
export function carriedGreenlet(): RawGreenlet | null {
  const found: unknown = lookUp?.();
  return found instanceof Carried && !found.greenlet.dead ? found.greenlet : null;
}

/** True once greenlets are in the platform's context: it must be kept along with what is to be called later. */
export function contextsInUse(): boolean {
  return lookUp !== null;
}

/** True outside any greenlet, as far as that can be told at no cost. */
export function madeByMain(): boolean {
  return active === null ? lookUp === null : active.cur === NIL;
}

// Each copy of this library has hubs of its own, and greenlets and operations of one mean nothing to another.
const COPIES = Symbol.for('gevent-wasm.copies');
const copies: string[] = ((globalThis as any)[COPIES] ??= []);
copies.push(import.meta.url ?? 'a script');

/** For messages about what is not of this copy, perhaps: that there are several. */
export function otherCopies(): string {
  return copies.length < 2 ? '' : `; ${copies.length} copies of gevent-wasm are loaded: ${copies.join(', ')}`;
}
