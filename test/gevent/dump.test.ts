// hub.dump(): who waits on what, and who can never go on.

import { describe, expect, test } from 'vitest';
import { Deadline } from '../../ts/deadline.ts';
import { Dump } from '../../ts/hub.ts';
import { first, type Greenlet, joinall, shield, sleep, spawn, Timeout, until } from '../../ts/index.ts';
import { RLock } from '../../ts/lock.ts';
import { CORES, program, rejected } from '../support/cores.ts';
import { Items, Permits } from '../support/small.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

describe.each(CORES)('on the %s core', (core) => {
  test('each that is alive: its state, in what it waits, on which object, until when', () => {
    const { hub, clock } = world(core, { debug: false });
    const items = new Items(hub);
    const named = (name: string, body: () => Body) => {
      const g = spawn(body);
      g.name = name;
      return g;
    };
    named('sleeper', function* s(): Body {
      yield* sleep(2);
    });
    const getter = named('getter', function* g(): Body {
      yield* items.get();
    });
    named('joiner', function* j(): Body {
      yield* getter.join({ timeout: 5 });
    });
    named('shielded', function* h(): Body {
      yield* shield(() => first([items.get(), sleep(9)]));
    });
    clock.advance(1);
    named('looker', function* l(): Body {
      const dump = hub.dump();
      expect(dump).toBeInstanceOf(Dump);
      expect(dump.entries.map(({ name, state, where, due }) => [/"(.*)"/.exec(name)?.[1], state, where, due])).toEqual([
        ['sleeper', 'waiting', 'sleep, due in 1.000 s', 1],
        ['getter', 'waiting', 'Items.get', null],
        ['joiner', 'waiting', `join of ${getter}, due in 4.000 s`, 4],
        ['shielded', 'waiting', 'first of Items.get | sleep(9)', null],
        ['looker', 'running', 'sleep(Infinity)', null],
        ['new', 'new', 'sleep(Infinity)', null],
      ]);
      expect(dump.entries[1].on).toBe(items);
      expect(dump.entries[2].on).toBe(getter);
      expect([dump.entries[3].shielded, dump.entries[0].waited]).toEqual([1, null]);
      expect(String(dump)).toBe(
        `<Hub core=${hub.core.name}> at 1.000 s: 6 alive, 1 ready, 3 timers\n` +
          '  <Greenlet "sleeper": s()> in sleep, due in 1.000 s\n' +
          '  <Greenlet "getter": g()> in Items.get\n' +
          `  <Greenlet "joiner": j()> in join of ${getter}, due in 4.000 s\n` +
          '  <Greenlet "shielded": h()> in first of Items.get | sleep(9), shielded\n' +
          '  <Greenlet "looker": l()> running\n' +
          '  <Greenlet "new": n()> not started yet\n',
      );
    });
    named('new', function* n(): Body {});
    clock.advance(0);
    items.put(1);
    items.put(2);
    clock.advance(9);
    items.close();
    expect(leftIn(hub)).toEqual({});
  });

  test('in debug mode also since when, where it waits, and where it was spawned', () => {
    const { hub, clock } = world(core);
    spawn(function* waits() {
      yield* sleep(10);
    });
    clock.advance(3);
    const [entry] = hub.dump().entries;
    expect(entry.waited).toBe(3);
    expect(entry.site).toMatch(/dump\.test\.ts:\d+/);
    expect(entry.spawnSite).toMatch(/dump\.test\.ts:\d+/);
    expect(String(hub.dump())).toMatch(
      /in sleep, due in 7\.000 s, for 3\.000 s\n {6}at .*dump\.test\.ts.*\n(?:.*\n)* {6}spawned at/,
    );
  });

  describe('deadlocks', () => {
    test('greenlets that join each other in a circle are named, by LoopExit too', async () => {
      const { hub, clock } = world(core);
      const all: Greenlet[] = [];
      for (const next of [1, 2, 0]) {
        all.push(
          spawn(function* waits(): Body {
            yield* sleep(0);
            yield* all[next].join();
          }),
        );
      }
      const outside = spawn(function* outside(): Body {
        yield* joinall([all[0]]);
      });
      clock.advance(0);
      const line = `deadlock: ${all[0]} waits for ${all[1]}, which waits for ${all[2]}, which waits for ${all[0]}`;
      expect(hub.dump().deadlockLines()).toEqual([line]);
      expect(hub.dump().deadlocks).toEqual([[...all]]);
      expect(await rejected(outside.join())).toContain(`\n  ${line}`);
    });

    test('a joinall of all, and an owner that a row knows of, count; async bodies too', async () => {
      const { hub, clock } = world(core);
      const permits = new Permits(hub, 0);
      const [holder, other] = [
        spawn(async function holder(): Promise<void> {
          await sleep(0);
          await joinall([other]);
        }),
        spawn(function* other(): Body {
          yield* permits.acquire();
        }),
      ];
      hub.rowOwners[permits.row].$blockers = () => [holder];
      await clock.advanceAsync(0);
      expect(hub.dump().deadlocks).toEqual([[holder, other]]);
      permits.release();
      await clock.advanceAsync(0);
      expect(hub.dump().deadlocks).toEqual([]);
      permits.close();
      expect(leftIn(hub)).toEqual({});
    });

    test('two that take two locks in different order', () => {
      const { hub, clock } = world(core);
      const locks = [new RLock(), new RLock()];
      const both = [0, 1].map((at) =>
        spawn(function* (): Body {
          yield* locks[at].acquire();
          yield* sleep(1);
          yield* locks[1 - at].acquire();
        }),
      );
      clock.advance(2);
      expect(hub.dump().deadlockLines()).toEqual([
        `deadlock: ${both[0]} waits for ${both[1]}, which waits for ${both[0]}`,
      ]);
    });

    test('none is claimed where a timeout, a timer or somebody else can still end the wait', async () => {
      const { hub, clock } = world(core);
      const circle = (wait: (g: Greenlet) => Iterable<any>) => {
        const all: Greenlet[] = [];
        for (const next of [1, 0]) {
          all.push(
            spawn(function* (): Body {
              yield* sleep(0);
              yield* wait(all[next]) as Body;
            }),
          );
        }
      };
      circle((g) => g.join({ timeout: 5 }));
      circle((g) => first([g.join(), until(new Promise(() => {}))]));
      circle((g) => joinall([g, spawn(sleep, 9)], { count: 1 }));
      circle(function* (g): Body {
        using _timeout = Timeout.startNew(5, false);
        yield* g.join();
      });
      circle(function* (g): Body {
        using _deadline = Deadline.startNew(5);
        yield* g.join();
      });
      clock.advance(0);
      expect(hub.dump().deadlocks).toEqual([]);
      hub.exceptionStream = null;
    });
  });
});

test.skipIf(process.platform === 'win32')('GEVENT_DUMP_SIGNAL: the dump is written at that signal', async () => {
  const { code, stdout, stderr } = await program(
    `
    import { sleep, spawn } from '#index.ts';
    spawn(function* waits() { yield* sleep(0.3); });
    await sleep(0.05);
    process.kill(process.pid, 'SIGUSR2');
    await sleep(0.2);
    console.log('still here');
    `,
    { GEVENT_DUMP_SIGNAL: 'SIGUSR2' },
  );
  expect([code, stdout]).toEqual([0, ['still here']]);
  expect(stderr).toMatch(
    /^<Hub core=wasm> at [\d.]+ s: 2 alive.*\n {2}main in sleep\(0\.2\).*\n {2}<Greenlet "Greenlet-0": waits\(\)> in sleep, due/,
  );
});
