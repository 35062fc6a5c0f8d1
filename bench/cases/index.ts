import type { Case } from '../harness.ts';
import { depth } from './depth.ts';
import { fetching } from './fetch.ts';
import { greenletSwitch } from './greenlet-switch.ts';
import { guestAlive, guestDepth, guestMixed, guestSpawn, guestSuite, guestSync, guests } from './guest.ts';
import { httpHello, httpStream } from './http.ts';
import { coldImport } from './import.ts';
import { kill } from './kill.ts';
import { longPolling } from './longpoll.ts';
import { monkeyPatch } from './monkey.ts';
import { poolMap } from './pool.ts';
import { popenTrue } from './popen.ts';
import { sleepers } from './sleepers.ts';
import { spawn } from './spawn.ts';
import { switching } from './switch.ts';
import { event, links, local, queue, semaphore, waiters } from './sync.ts';
import { tcpConnections, tcpEcho } from './tcp.ts';
import { timers } from './timers.ts';
import { guestPython, guestWasi } from './wasi.ts';
import { websocketEcho } from './websocket.ts';

export const CASES: readonly Case[] = [
  switching,
  greenletSwitch,
  spawn,
  timers,
  sleepers,
  depth,
  kill,
  queue,
  event,
  semaphore,
  waiters,
  links,
  local,
  coldImport,
  poolMap,
  monkeyPatch,
  httpHello,
  httpStream,
  tcpEcho,
  popenTrue,
  tcpConnections,
  websocketEcho,
  fetching,
  longPolling,
  guests,
  guestDepth,
  guestSpawn,
  guestAlive,
  guestSuite,
  guestSync,
  guestMixed,
  guestWasi,
  guestPython,
];

export function findCase(name: string): Case {
  const found = CASES.find((item) => item.name === name);
  if (!found) throw new RangeError(`no case is called ${name}; there are ${CASES.map((item) => item.name).join(', ')}`);
  return found;
}
