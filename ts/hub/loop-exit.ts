// What LoopExit says: who waits on what, who for one another, and what may have been forgotten.

import { Counter } from '../core/contract.ts';
import { debugging } from './current.ts';
import type { Hub } from './hub.ts';

/** Main waits, and nothing of `hub` can wake it. */
export function exitMessage(hub: Hub): string {
  const dump = hub.dump();
  const lines = dump.lines();
  const timers = hub.core.counter(Counter.TIMERS);
  const head = `This operation would block forever: ${lines.length} waiting, ${timers === 0 ? 'no timer' : `${timers} unreferenced timers`} armed`;
  const shown = lines.slice(0, 50).map((line) => `\n  ${line}`);
  if (lines.length > shown.length) shown.push(`\n  and ${lines.length - shown.length} more`);
  for (const circle of dump.deadlockLines()) shown.push(`\n  ${circle}`);
  // What is missing is often a call that did nothing.
  if (!debugging)
    shown.push(
      '\n  a call that blocks does nothing without yield* or await: GEVENT_DEBUG=1 names those that were left so',
    );
  else {
    for (const g of new Set([hub.main, ...dump.entries.map((entry) => entry.greenlet ?? hub.main)])) {
      for (const text of hub.debug.unconsumed(g)) shown.push(`\n  ${text.replaceAll('\n', '\n  ')}`);
    }
  }
  return head + shown.join('');
}
