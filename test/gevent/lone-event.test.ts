// An event of the platform's that comes alone is served on the platform's stack, and neither clock nor timers are looked at unless they
// have to be. The platform here is moved by hand and counts.

import { describe, expect, onTestFinished, test } from 'vitest';
import type { Clock } from '../../ts/core/clock.ts';
import { Event } from '../../ts/event.ts';
import { replaceThreadHub } from '../../ts/hub/current.ts';
import type { Host } from '../../ts/hub/host.ts';
import { Operation } from '../../ts/hub/operation.ts';
import { Hub } from '../../ts/hub.ts';
import { sleep, spawnLater, Timeout, until } from '../../ts/index.ts';
import { Side } from '../../ts/net/side.ts';
import { CORES, type CoreName } from '../support/cores.ts';
import { leftIn, smallCore } from '../support/worlds.ts';

class Platform implements Host, Clock {
  readonly virtual = false;
  time = 0;
  readings = 0;
  soons: (() => void)[] = [];
  timer: { at: number; fn: () => void } | null = null;

  now(): number {
    ++this.readings;
    return this.time;
  }
  soon(fn: () => void): void {
    this.soons.push(fn);
  }
  after(ms: number, fn: () => void): unknown {
    this.timer = { at: this.time + ms, fn };
    return this.timer;
  }
  cancel(timer: unknown): void {
    if (this.timer === timer) this.timer = null;
  }
  onIdle(): () => void {
    return () => {};
  }
  uncaught(error: unknown): void {
    throw error;
  }
  print(): void {}

  /** The ticks that were asked for. */
  tick(): void {
    for (const fn of this.soons.splice(0)) fn();
  }

  /** Time goes on, and the platform's timer comes when it is due. */
  pass(ms: number): void {
    const to = this.time + ms;
    for (let left = 100; left > 0 && this.timer !== null && this.timer.at <= to; --left) {
      const { at, fn } = this.timer;
      this.timer = null;
      this.time = Math.max(this.time, at);
      fn();
    }
    this.time = to;
  }
}

/** Waits until something comes through a side. */
class Come extends Operation<void> {
  readonly #side: Side;

  constructor(side: Side) {
    super();
    this.#side = side;
  }
  describe(): string {
    return this.#side.describe();
  }
  begin(hub: Hub, slot: number): boolean {
    this.#side.claim();
    this.#side.park(hub, slot, null);
    return false;
  }
  complete(hub: Hub, slot: number): void {
    this.#side.leave(hub, slot);
  }
  override abandon(hub: Hub, slot: number): void {
    this.#side.leave(hub, slot);
  }
}

/** A hub on that platform, and a side whose next event counts as one that comes alone. */
function quiet(name: CoreName) {
  const platform = new Platform();
  const hub = new Hub({ core: smallCore(name), clock: platform, host: platform });
  const before = replaceThreadHub(hub);
  const side = new Side('event');
  onTestFinished(() => {
    side.end();
    try {
      hub.core.verify();
      expect(leftIn(hub)).toEqual({});
    } finally {
      hub.destroy();
      replaceThreadHub(before);
    }
  });
  hub.kickIo(true);
  platform.tick();
  return { platform, hub, side, come: () => new Come(side) };
}

describe.each(CORES)('an event that comes alone, on the %s core', (name) => {
  test('is served at once, and the clock is not read for it', () => {
    const { platform, hub, side, come } = quiet(name);
    const log: string[] = [];
    const g = hub.spawn(function* () {
      for (const what of ['first', 'second', 'third']) {
        yield* come();
        log.push(what);
      }
    });
    platform.tick();
    platform.readings = 0;
    side.wake(true);
    side.wake(true);
    expect([log, platform.readings, platform.soons.length]).toEqual([['first', 'second'], 0, 0]);
    side.wake(true);
    expect([log.length, g.dead]).toEqual([3, true]);
  });

  test('has the time when its greenlet asks for it', () => {
    const { platform, hub, side, come } = quiet(name);
    const seen: number[] = [];
    hub.spawn(function* () {
      yield* come();
      seen.push(hub.now());
      yield* come();
      seen.push(hub.now());
    });
    platform.tick();
    platform.time = 70;
    side.wake(true);
    platform.time = 90;
    side.wake(true);
    expect(seen).toEqual([70, 90]);
  });

  test('may arm timers, which are not put off by the time that passes behind it', () => {
    const { platform, hub, side, come } = quiet(name);
    const log: unknown[] = [];
    hub.spawn(function* () {
      yield* sleep(1.02);
      log.push(['before', platform.time]);
    });
    hub.spawn(function* () {
      yield* come();
      for (let j = 0; j < 3; ++j) spawnLater(0.05, () => log.push([j, platform.time]));
    });
    platform.tick();
    platform.pass(1000);
    side.wake(true);
    platform.pass(49);
    expect(log).toEqual([['before', 1020]]);
    platform.pass(1);
    expect(log.slice(1)).toEqual([
      [0, 1050],
      [1, 1050],
      [2, 1050],
    ]);
  });

  test('leaves a timer that is armed as it is, and moves it forward for an earlier one', () => {
    const { platform, hub, side, come } = quiet(name);
    const log: unknown[] = [];
    hub.spawn(function* () {
      yield* sleep(0.1);
      log.push(['slept', platform.time]);
    });
    hub.spawn(function* () {
      yield* come();
      yield* come();
      const limit = Timeout.startNew(0.02);
      try {
        yield* come();
      } catch (error) {
        log.push([error === limit, platform.time]);
      }
    });
    platform.tick();
    const armed = platform.timer;
    side.wake(true);
    expect(platform.timer).toBe(armed);
    platform.pass(10);
    side.wake(true);
    platform.pass(90);
    expect(log).toEqual([
      [true, 30],
      ['slept', 100],
    ]);
  });

  test('that makes more ready than a batch goes on, and gives way when the time is up', () => {
    const { platform, hub, side, come } = quiet(name);
    let rounds = 0;
    hub.spawn(function* () {
      yield* come();
      for (; rounds < 20_000; ++rounds) {
        platform.time += 0.01;
        yield* sleep(0);
      }
    });
    platform.tick();
    side.wake(true);
    // 5 ms of 0.01 each, and the batch that was not looked at.
    expect(rounds).toBeGreaterThan(400);
    expect(rounds).toBeLessThan(6000);
    expect(platform.soons.length).toBe(1);
    for (let i = 0; i < 200; ++i) platform.tick();
    expect(rounds).toBe(20_000);
  });

  test('that settles a promise lets its continuations run before what is ready behind them', async () => {
    const { platform, hub, side, come } = quiet(name);
    const log: string[] = [];
    const happened = new Event();
    const main = (async () => {
      await happened.wait();
      log.push('settled');
      await sleep(0);
      log.push('again');
    })();
    hub.spawn(function* () {
      yield* come();
      happened.set();
      hub.spawn(() => {
        log.push('ready');
      });
    });
    // An await begins its operation a microtask later.
    await Promise.resolve();
    platform.tick();
    side.wake(true);
    for (let i = 0; i < 50; ++i) {
      await Promise.resolve();
      platform.tick();
    }
    await main;
    expect(log).toEqual(['settled', 'ready', 'again']);
  });

  test('of many that come together each 64 are served in one slice, and the last in the tick', () => {
    const { platform, hub } = quiet(name);
    const sides = Array.from({ length: 150 }, (_, i) => new Side(`event ${i}`));
    let served = 0;
    for (const side of sides) {
      hub.spawn(function* () {
        yield* new Come(side);
        ++served;
      });
    }
    platform.tick();
    // 32 events are taken to be alone; the next one waits for others.
    for (let i = 0; i < 33; ++i) hub.kickIo(true);
    const seen: number[] = [];
    for (const side of sides) {
      side.wake(true);
      if (seen.at(-1) !== served) seen.push(served);
    }
    platform.tick();
    seen.push(served);
    for (const side of sides) side.end();
    expect(seen.slice(2)).toEqual([128, 150]);
  });

  test('keeps the loop of an async body going: its continuation is not lost', async () => {
    const { platform, hub, side, come } = quiet(name);
    const log: string[] = [];
    const g = hub.spawn(async () => {
      await come();
      log.push('one');
      await until(Promise.resolve());
      log.push('two');
      await come();
      log.push('three');
    });
    platform.tick();
    for (let i = 0; i < 200 && !g.dead; ++i) {
      if (side.waiting) side.wake(true);
      await Promise.resolve();
      if (i % 10 === 0) platform.tick();
    }
    expect([log, g.dead]).toEqual([['one', 'two', 'three'], true]);
  });
});
