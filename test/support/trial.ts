// Programs that are hit by a kill, a Timeout or an error at every point at which they switch: each greenlet of the program, at each
// switch, in a run of its own. Whatever is hit, nothing may be lost or left.

import type { Core } from '../../ts/core/contract.ts';
import type { Hub } from '../../ts/hub.ts';
import { type Greenlet, kill, killall, spawn, Timeout } from '../../ts/index.ts';
import { type Simulation, simulate } from '../../ts/testing.ts';
import { type CoreName, smallCore } from './cores.ts';
import { leftIn } from './worlds.ts';

export const HOWS = ['kill', 'timeout', 'error'] as const;
export type How = (typeof HOWS)[number];

class Hit extends Error {}

/** One run of a program. */
export class Trial {
  readonly simulation: Simulation;
  readonly greenlets: Greenlet[] = [];
  readonly #checks: (() => void)[] = [];

  constructor(simulation: Simulation) {
    this.simulation = simulation;
  }

  get hub(): Hub {
    return this.simulation.hub;
  }

  /** A greenlet that may be hit. */
  spawn<A extends unknown[]>(fn: (...args: A) => Generator<any, any, any>, ...args: A): Greenlet {
    const greenlet = spawn(fn as (...args: unknown[]) => Generator<any, any, any>, ...args);
    this.greenlets.push(greenlet);
    return greenlet;
  }

  /** What must hold when nobody can go on any more; throws if it does not. Some may wait still. */
  check(fn: () => void): void {
    this.#checks.push(fn);
  }

  /** How many of these have not ended. */
  alive(greenlets: readonly Greenlet[]): number {
    return greenlets.filter((greenlet) => !greenlet.dead).length;
  }

  /** @internal */
  end(): void {
    const { hub, simulation } = this;
    for (const check of this.#checks) check();
    killall(this.greenlets, { block: false });
    simulation.clock.runAll();
    const left = leftIn(hub);
    if (Object.keys(left).length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`);
    hub.core.verify();
  }
}

export type Program = (trial: Trial) => void;

/** The kind of core, or what makes one. */
export type CoreMaker = CoreName | (() => Core);

/** Run it with the greenlet at `victim` hit at its `at`-th chance; false if it made fewer switches or there is no such greenlet. */
function run(make: CoreMaker, program: Program, how: How, victim: number, at: number): 'hit' | 'missed' | 'none' {
  const core = typeof make === 'function' ? make() : smallCore(make);
  const simulation = simulate({ core, debug: false });
  const { hub, clock } = simulation;
  hub.exceptionStream = null;
  const trial = new Trial(simulation);
  try {
    program(trial);
    const greenlet = trial.greenlets[victim];
    if (greenlet === undefined) return 'none';
    let chances = 0;
    let hit = false;
    hub.tracer = (_event, _origin, target) => {
      if (hit || greenlet.dead) return;
      // A Timeout belongs to who starts it, so it is started where the victim goes on.
      if (how === 'timeout' && target !== greenlet) return;
      if (++chances < at) return;
      hit = true;
      if (how === 'timeout') new Timeout(0).start();
      else kill(greenlet, how === 'error' ? new Hit() : undefined);
    };
    clock.runAll();
    hub.tracer = null;
    try {
      trial.end();
    } catch (error) {
      const where = hit ? `greenlet ${victim} hit by ${how} at switch ${at}` : 'nobody hit';
      throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
    }
    return hit ? 'hit' : 'missed';
  } finally {
    simulation.close();
  }
}

/** Hit every greenlet at every switch. How many hits there were. Throws at the first that loses or leaves something. */
export function everywhere(make: CoreMaker, program: Program, hows: readonly How[] = HOWS): number {
  let hits = 0;
  for (const how of hows) {
    for (let victim = 0; ; ++victim) {
      let outcome = run(make, program, how, victim, 1);
      for (let at = 2; outcome === 'hit'; ++at) {
        ++hits;
        outcome = run(make, program, how, victim, at);
      }
      if (outcome === 'none') break;
    }
  }
  return hits;
}
