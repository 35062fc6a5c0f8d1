// Which members of which class do the scenarios use? Every one that docs/gevent-map.md calls gevent's and done, but for those
// below, is used by one at least: on our side as watched at run time, on gevent's as written.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { live } from './live.ts';
import { here } from './scenario.ts';
import { areas } from './scenarios/index.ts';
import { threads } from './scenarios/threads.ts';

const ROOT = join(import.meta.dirname, '../..');
const MODULES = ['index', 'timeout', 'event', 'lock', 'queue', 'pool', 'local', 'util', 'threadpool'];

/** What no scenario can compare, and what does. */
const ELSEWHERE: Record<string, string> = {
  'config.': 'a setting: test/gevent/config.test.ts',
  'SignalHandler.': "the process's signals: test/gevent/hub.test.ts",
  'Greenlet.run': 'the method that a switch starts; scenarios subclass `_run`',
  'RLock.locked': 'newer than the gevent of Debian: test/gevent/lock.test.ts',
  'Queue.isShutdown': 'newer than the gevent of Debian: test/gevent/queue.test.ts',
  'Queue._init': 'newer than the gevent of Debian: test/gevent/queue.test.ts',
  'Queue._qsize': 'newer than the gevent of Debian: test/gevent/queue.test.ts',
  'Channel.maxsize': 'newer than the gevent of Debian: test/gevent/channel.test.ts',
  'Greenlet.loop': "the hub's, an object that is not compared",
  'Event.hub': 'an object that is not compared',
  'AsyncResult.hub': 'an object that is not compared',
};

interface Member {
  gevent: string;
  type: string;
  name: string;
}

const wanted: Member[] = [];
let entry = '';
for (const line of readFileSync(join(ROOT, 'docs/gevent-map.md'), 'utf8').split('\n')) {
  const heading = /^## (\S+) · `gevent-wasm(?:\/(\w+))?`/.exec(line);
  if (line.startsWith('## ')) entry = heading === null || heading[1] === 'Ours' ? '' : (heading[2] ?? 'index');
  const row = /^\| `(\w+)(?:\(\))?\.([^`]+)` \| `(\w+)\.([^`]+)` \| (?:done|differs)/.exec(line);
  if (row === null || !MODULES.includes(entry)) continue;
  const [, , gevent, type, name] = row;
  if (!Object.keys(ELSEWHERE).some((known) => `${type}.${name}`.startsWith(known))) wanted.push({ gevent, type, name });
}

const exported: Record<string, unknown> = {};
for (const name of MODULES)
  Object.assign(exported, await import(join(ROOT, name === 'threadpool' ? 'ts/sys/threadpool.ts' : `ts/${name}.ts`)));

/** `Class.member` of all that is called or read while `work` runs, for the class itself and those above it. */
async function usedBy(work: () => Promise<void>): Promise<Set<string>> {
  const used = new Set<string>();
  const restore: (() => void)[] = [];
  const seen = new Set<object>([Object.prototype, Error.prototype, Function.prototype]);
  function watch(holder: object, classesOf: (self: any) => any): void {
    if (seen.has(holder)) return;
    seen.add(holder);
    for (const key of Reflect.ownKeys(holder)) {
      const old = Object.getOwnPropertyDescriptor(holder, key) as PropertyDescriptor;
      if (key === 'constructor' || key === 'prototype' || !old.configurable) continue;
      // What a class is called: `tell` asks that itself.
      if (key === 'name' && typeof holder === 'function') continue;
      const name = typeof key === 'symbol' ? `[${key.description}]` : key;
      const tell = (self: unknown) => {
        for (let at = classesOf(self); typeof at === 'function' && at.name !== ''; at = Object.getPrototypeOf(at))
          used.add(`${at.name}.${name}`);
      };
      const { get, set, value } = old;
      const now = { ...old };
      if (get) {
        now.get = function () {
          tell(this);
          return get.call(this);
        };
      }
      if (set) {
        now.set = function (to) {
          tell(this);
          set.call(this, to);
        };
      }
      if (typeof value === 'function' && !/^class\b/.test(String(value))) {
        now.value = function (...args: unknown[]) {
          tell(this);
          return value.apply(this, args);
        };
      }
      Object.defineProperty(holder, key, now);
      restore.push(() => Object.defineProperty(holder, key, old));
    }
  }
  for (const { type } of wanted) {
    const start = exported[type];
    if (typeof start !== 'function') continue;
    for (let at: any = start; typeof at === 'function' && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
      watch(at, (self) => self);
      if (at.prototype) watch(at.prototype, (self) => self?.constructor);
    }
  }
  try {
    await work();
  } finally {
    for (const one of restore) one();
  }
  return used;
}

test('every member that both sides have is used by a scenario', async () => {
  const simulated = Object.values(areas).flat();
  const scenarios = [...simulated, ...threads];
  const used = await usedBy(async () => {
    for (const { body } of simulated) await here('pure', body);
    for (const { body } of threads) await live('pure', body, 0.02);
  });
  const ours = scenarios.map(({ body }) => String(body)).join('\n');
  const theirs = scenarios.map(({ python }) => python).join('\n');
  const written = (name: string, where: string) => new RegExp(`\\b${name}\\b`).test(where);
  // Fields are nobody's accessors: those are looked for in the text.
  const isField = ({ type, name }: Member) => {
    const at = exported[type] as any;
    const holders = [at, at.prototype].flatMap(function up(one: any): object[] {
      return one == null || one === Function.prototype ? [] : [one, ...up(Object.getPrototypeOf(one))];
    });
    const property = holders.map((one) => Object.getOwnPropertyDescriptor(one, name)).find((one) => one !== undefined);
    return property === undefined || (property.get === undefined && typeof property.value !== 'function');
  };
  const idle = wanted.filter((member) => {
    const { gevent, type, name } = member;
    const here = isField(member) ? written(name, ours) : used.has(`${type}.${name}`);
    const there = gevent.startsWith('__') || written(gevent, theirs);
    return !here || !there;
  });
  expect(idle.map(({ type, name, gevent }) => `${type}.${name} (${gevent})`)).toEqual([]);
  expect(wanted.length).toBeGreaterThan(150);
  console.log(`oracle: ${wanted.length} members of both sides, each used by a scenario`);
});
