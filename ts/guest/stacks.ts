// Stacks that the engine holds for us, of wasmfx and jspi together. V8 reserves two mappings for each, and aborts the process
// when the system has no more (Linux: vm.max_map_count), so we stop well before. Counted by thread: programs with several
// threads give each a share by load({ maxStacks }).

import { GuestError } from './errors.ts';

let inUse = 0;
let cap: number | null = null;

/** The most stacks, for all hubs of this thread. */
export function hardCap(): number {
  if (cap !== null) return cap;
  cap = 30_000;
  const fs = globalThis.process?.getBuiltinModule?.('node:fs');
  try {
    const maps = Number(fs?.readFileSync('/proc/sys/vm/max_map_count', 'utf8'));
    if (maps > 0) cap = Math.max(64, Math.min(cap, Math.floor(maps / 2) - 2000));
  } catch {
    // Not Linux.
  }
  return cap;
}

/** Count one more. False: there may be none. */
export function takeStack(): boolean {
  if (inUse >= hardCap()) return false;
  ++inUse;
  return true;
}

export function giveStack(): void {
  --inUse;
}

/** Stacks in use in this thread. */
export function stacksInUse(): number {
  return inUse;
}

export function noStack(limit: number): GuestError {
  return new GuestError(
    'GEVENT_GUEST_STACKS',
    `no stack for another guest: ${inUse} are in use, the limit is ${Math.min(limit, hardCap())} (load({ maxStacks }), at most ${hardCap()} in this process). The asyncify backend needs none`,
  );
}
