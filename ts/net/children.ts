// The children that this program has started and wants found by their process ids: those that live, and how the others ended.
// Node reaps them all; what `waitpid` would have told is kept here until somebody asks, for a minute at most.

import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';

/** As long as gevent keeps it. */
const KEPT_MS = 60_000;

const living = new Map<number, ChildProcess>();
/** Oldest first. */
const over = new Map<number, { status: number; at: number }>();

/** How a child ended, as `waitpid` tells it: exit code times 256, or the signal's number. */
export function waitStatus(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code as number) << 8 : constants.signals[signal];
}

/** Python's exit code for it: negative for a signal. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code as number) : -constants.signals[signal];
}

/** Have `loop.child(pid)` and `waitpid` know a child. */
export function registerChild(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  const now = Date.now();
  for (const [old, { at }] of over) {
    if (now - at < KEPT_MS) break;
    over.delete(old);
  }
  over.delete(pid);
  living.set(pid, child);
  child.once('exit', (code, signal) => {
    living.delete(pid);
    over.set(pid, { status: waitStatus(code, signal), at: Date.now() });
  });
}

/** The living child with that id. */
export function livingChild(pid: number): ChildProcess | undefined {
  return living.get(pid);
}

export function livingChildren(): Iterable<ChildProcess> {
  return living.values();
}

/** How a child ended that nobody has asked about; null: any, the oldest first. It is told once. */
export function takeStatus(pid: number | null): [pid: number, status: number] | null {
  const found = pid ?? over.keys().next().value;
  const end = found === undefined ? undefined : over.get(found);
  if (end === undefined) return null;
  over.delete(found as number);
  return [found as number, end.status];
}
