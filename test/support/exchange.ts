// Something goes wrong at every switch of an exchange between a client and a server: one exchange after the other, on one
// server, each hurt one switch later than the last, until one comes to its end before it would have been hurt.

import { readdirSync } from 'node:fs';
import type * as net from 'node:net';
import { expect } from 'vitest';
import type { Hub } from '../../ts/hub/hub.ts';
import type { RawGreenlet } from '../../ts/hub/raw.ts';
import { type Greenlet, kill, sleep, spawn, Timeout } from '../../ts/index.ts';

type Body<T = any> = Generator<any, T, any>;

export type How = 'kill' | 'timeout' | 'reset';
export type Who = 'client' | 'server';

/** What the two sides tell of themselves while an exchange runs. */
export class Scene {
  /** The greenlets that serve, in the order they began. */
  readonly serving: RawGreenlet[] = [];
  /** Node's sockets of either side. */
  clientSocket: net.Socket | null = null;
  serverSocket: net.Socket | null = null;
}

export interface Exchange {
  /** The client's side, in a greenlet; gives what `whole` is. */
  ask(scene: Scene): Body;
  /** What an exchange gives that nothing happened to. */
  whole: unknown;
  /** Switches to hurt at most. */
  most?: number;
  /** Things of the server that are to be none behind an exchange. */
  open?: () => number;
}

/** A server that is used for all exchanges: it fills the scene in `current()`. */
export type Current = () => Scene;

export const LINUX = process.platform === 'linux';
export const descriptors = (): number => (LINUX ? readdirSync('/proc/self/fd').length : 0);

/** The descriptors are as many as before, soon. */
export async function expectDescriptors(before: number): Promise<void> {
  for (let i = 0; i < 300 && descriptors() > before; ++i) await sleep(0.01);
  expect(descriptors()).toBeLessThanOrEqual(before);
}

/** Hurt the exchange at every switch of one side's greenlet. Gives how often. */
export async function hurtEverywhere(
  hub: Hub,
  how: How,
  who: Who,
  exchange: Exchange,
  use: (scene: Scene) => void,
): Promise<number> {
  const { most = 40 } = exchange;
  for (let at = 1; at <= most; ++at) {
    const hit = await hurtOnce(hub, how, who, at, exchange, use);
    if (!hit) return at - 1;
  }
  return most;
}

async function hurtOnce(
  hub: Hub,
  how: How,
  who: Who,
  at: number,
  { ask, whole, open }: Exchange,
  use: (scene: Scene) => void,
): Promise<boolean> {
  const scene = new Scene();
  use(scene);
  const asking = spawn(ask, scene) as Greenlet;
  asking.$quiet = true;
  let count = 0;
  let hit = false;
  hub.tracer = (_event, _origin, target) => {
    const victim = who === 'client' ? asking : scene.serving[0];
    if (hit || victim === undefined || target !== victim || ++count < at) return;
    hit = true;
    if (how === 'kill') kill(victim);
    else if (how === 'timeout') new Timeout(0).start();
    else (who === 'client' ? scene.serverSocket : scene.clientSocket)?.resetAndDestroy();
  };
  const ended = await asking.join({ timeout: 15 });
  hub.tracer = null;
  expect(asking.ready(), `the client's side of an exchange hurt at switch ${at} hangs: ${ended}`).toBe(true);
  if (!hit) expect(asking.value).toEqual(whole);
  for (let i = 0; i < 1500 && (scene.serving.some((g) => !g.dead) || (open?.() ?? 0) > 0); ++i) await sleep(0.002);
  expect(
    [scene.serving.filter((g) => !g.dead).length, open?.() ?? 0],
    `left on the server's side of one hurt at switch ${at}`,
  ).toEqual([0, 0]);
  return hit;
}
