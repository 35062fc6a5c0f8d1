// A kill or a Timeout at every switch point of a program: the program runs once for each switch it makes, and each time a
// different one is hit.

import { expect } from 'vitest';
import { type Greenlet, kill, Timeout } from '../../ts/index.ts';
import type { Simulation } from '../../ts/testing.ts';
import { type CoreName, simulateOn } from './cores.ts';
import { leftIn } from './worlds.ts';

export interface Injected {
  /** Who is hit. */
  victim: Greenlet;
  /** What must hold when all is over. */
  check?(): void;
  /** Give back what the program keeps. */
  close?(): void;
}

/** How many switches were hit. `program` sets everything up; then time runs until nothing is armed. */
export function atEverySwitch(
  core: CoreName,
  how: 'kill' | 'timeout',
  program: (simulation: Simulation) => Injected,
): number {
  for (let at = 1; ; ++at) {
    const simulation = simulateOn(core, { debug: false });
    const { hub, clock } = simulation;
    hub.exceptionStream = null;
    try {
      const { victim, check, close } = program(simulation);
      let count = 0;
      let hit = false;
      hub.tracer = (_event, _origin, target) => {
        // A Timeout belongs to who starts it, so it is started where the victim goes on.
        const now = ++count >= at && !hit && !victim.dead && (how === 'kill' || target === victim);
        if (!now) return;
        hit = true;
        if (how === 'kill') kill(victim);
        else new Timeout(0).start();
      };
      clock.runAll();
      hub.tracer = null;
      check?.();
      close?.();
      expect([at, leftIn(hub)]).toEqual([at, {}]);
      hub.core.verify();
      if (!hit) return at - 1;
    } finally {
      simulation.close();
    }
  }
}
