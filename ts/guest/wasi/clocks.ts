// The clocks of a program. They follow the hub's, so that on a virtual one a program sleeps in no time.

import type { Hub } from '../../hub/hub.ts';
import { ClockId } from './abi.ts';

export class Clocks {
  readonly #hub: Hub;
  readonly #startMs: number;
  /** What the hub's clock has to be moved by to tell the date. */
  readonly #epochMs: number;

  constructor(hub: Hub) {
    this.#hub = hub;
    this.#startMs = hub.clock.now();
    this.#epochMs = Date.now() - this.#startMs;
  }

  /** Nanoseconds. Processor time is counted from the start of the program, waits included. */
  now(id: number): bigint {
    const ms = this.#hub.clock.now();
    if (id === ClockId.REALTIME) {
      // The date may be set while the program runs.
      return this.#hub.clock.virtual ? nanoseconds(ms + this.#epochMs) : BigInt(Date.now()) * 1_000_000n;
    }
    return nanoseconds(id === ClockId.MONOTONIC ? ms : ms - this.#startMs);
  }

  resolution(id: number): bigint {
    return id === ClockId.REALTIME ? 1_000_000n : 1000n;
  }
}

function nanoseconds(ms: number): bigint {
  const whole = Math.floor(ms);
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((ms - whole) * 1e6));
}
