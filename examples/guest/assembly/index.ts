// A rocket: counts down as it likes, asks for permission through two channels, and watches its own engines. Each call that waits
// looks like any other; only this greenlet waits.

import { Channel, Event, Greenlet, log, sleep, spawn } from 'gevent-wasm/assembly';

class Engine {
  constructor(
    public rocket: i32,
    public number: i32,
    public running: Event,
  ) {}
}

/** Runs as a greenlet of its own, with an object as its argument. */
function ignite(engine: Engine): void {
  sleep(0.01 * engine.number);
  log(`rocket ${engine.rocket}: engine ${engine.number} is running`);
  engine.running.set();
}

/**
 * @param requests a Channel of JavaScript: the rocket's number goes out,
 * @param answers and comes back if it may fly, its negative if not
 */
export function launch(rocket: i32, count: i32, requests: i32, answers: i32): bool {
  for (; count > 0; --count) {
    log(`rocket ${rocket}: ${count}`);
    sleep(0.1 + 0.02 * rocket);
  }
  new Channel<i32>(requests).put(rocket);
  if (new Channel<i32>(answers).get() !== rocket) return false;

  const engines: Greenlet[] = [];
  const running = new Event();
  for (let number = 1; number <= 2; ++number) {
    engines.push(spawn<Engine>(ignite, new Engine(rocket, number, running)));
  }
  running.wait();
  for (let i = 0; i < engines.length; ++i) engines[i].join();
  return true;
}
