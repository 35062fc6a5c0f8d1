// Counts of what is alive in a hub.

import { Counter } from '../core/contract.ts';
import type { Hub } from './hub.ts';

export function statisticsOf(hub: Hub): Record<string, number> {
  const { core } = hub;
  const kind = (k: number) => core.counter(Counter.KIND + k);
  return {
    slots: core.counter(Counter.SLOTS),
    greenlets: kind(1),
    waiters: kind(2),
    callbacks: kind(3),
    links: kind(4),
    timerSlots: kind(5),
    guests: kind(6),
    rows: core.counter(Counter.ROWS),
    ready: core.counter(Counter.READY),
    waiting: core.counter(Counter.WAITING),
    timers: core.counter(Counter.TIMERS),
    foreign: hub.foreign,
    asyncBodies: hub.asyncBodies.size,
    refs: hub.refs,
  };
}
