// Crowds: greenlets of a map that are made when their turn comes. Nobody can tell them from greenlets that were there from the start: random
// programs run both ways, and all that they see is the same.

import { describe, expect, test } from 'vitest';
import { random as fromSeed } from '../../bench/random.ts';
import { defer } from '../../ts/guard.ts';
import { type Greenlet, getcurrent, killall, sleep, spawn, Timeout } from '../../ts/index.ts';
import { Group, Pool } from '../../ts/pool.ts';
import { CORES, type CoreName } from '../support/cores.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

const RUNS = Number(process.env.GEVENT_CROWD_RUNS ?? 150);

/** What a random program sees; `made`: the greenlets of its maps are there from the start. */
function seenBy(core: CoreName, seed: number, made: boolean): unknown {
  const random = fromSeed(seed);
  const upTo = (n: number) => Math.floor(random() * n);
  const { hub, clock, trace, log, reported } = world(core, { debug: false });
  const size = [null, null, 1, 2, 3, 7][upTo(6)];
  const group = size === null && upTo(2) === 0 ? new Group() : new Pool(size);
  if (made) void group.greenlets;
  const about = (n: unknown, what: string) => trace(n, what, group.length, group.has(getcurrent()));
  const saved: Greenlet[] = [];
  const others = upTo(3);

  // What an item does is decided before it runs, so that both ways decide alike.
  const actions = Array.from({ length: 3 + upTo(20) }, () => (upTo(3) > 0 ? 0 : 1 + upTo(19)));
  const nap = function* (n: number, seconds: number): Body {
    yield* sleep(seconds);
    about(n, 'slept');
    return n;
  };
  const act = (n: number): unknown => {
    const me = getcurrent() as Greenlet;
    about(n, `does ${actions[n]}`);
    switch (actions[n]) {
      case 1:
        spawn(function* () {
          about(n, 'child');
          yield* sleep(0);
          yield* sleep(0);
          about(n, `child of ${(getcurrent() as Greenlet).spawningGreenlet === null}`);
        });
        break;
      case 2:
        throw new Error(`item ${n}`);
      case 3:
        return nap(n, 0);
      case 4:
        return nap(n, n / 8);
      case 5:
        me.rawlink((g) => about(n, `link ${g.dead} ${g.value} ${group.has(g)}`));
        break;
      case 6:
        spawn(function* () {
          yield* me.join();
          about(n, `joined ${me.value}`);
        });
        break;
      case 7:
        // Whom a group kills first is not promised, if others have entered meanwhile.
        if (others < 2) group.kill({ block: false });
        break;
      case 8:
        me.kill({ block: false });
        return upTo(2) === 0 ? n : nap(n, 0);
      case 9:
        trace(n, [...group].length, [...group].filter((g) => g.dead).length);
        break;
      case 10:
        group.discard(me);
        break;
      case 11:
        return { n };
      case 12:
        Timeout.startNew(0.01, false);
        return nap(n, n % 2);
      case 13:
        return [n, me.args.length];
      case 14:
        trace(n, hub.dump().entries.length);
        break;
      case 15:
        saved.push(me);
        break;
      case 16:
        for (const g of saved) if (!g.dead) group.discard(g);
        break;
      case 17:
        if (others < 2) killall([...group].filter((g) => !g.dead).slice(0, 2) as Greenlet[], { block: false });
        break;
      case 18:
        spawn(function* () {
          trace(n, 'empty', yield* group.join({ timeout: 0.2 }), group.length);
        });
        break;
      case 19:
        return { then: undefined, n };
    }
    return n;
  };
  const deferring = function* (n: number): Body {
    if (n % 3 === 0) yield* defer(() => about(n, 'deferred'));
    const given = act(n);
    if (given instanceof Object && Symbol.iterator in given && !Array.isArray(given)) return yield* given as Body;
    return given;
  };
  const fn = upTo(3) === 0 ? deferring : act;
  const items = actions.map((_, n) => n);
  const source = upTo(3) === 0 ? new Set(items) : items;
  const how = upTo(4);
  const maxsize = upTo(3) === 0 ? 1 + upTo(3) : null;
  hub.spawn(function* () {
    if (how === 0) {
      try {
        trace('all', yield* group.map(fn as any, source));
      } catch (error) {
        trace('failed', (error as Error).message, group.length);
      }
      return;
    }
    const it =
      how < 3 ? group.imap(fn as any, source, { maxsize }) : group.imapUnordered(fn as any, source, { maxsize });
    for (;;) {
      try {
        const { done, value } = yield* it.next();
        trace('taken', done, String(value), group.length);
        if (done) return;
      } catch (error) {
        trace('taken', (error as Error).message, group.length);
      }
    }
  });
  for (let each = 0; each < others; ++each) {
    hub.spawn(function* () {
      for (let n = 0; n < 6; ++n) {
        if (each === 1) yield* group.spawn(() => about(n, 'other'));
        else yield* sleep(0);
        about(n, `turn of ${each}`);
      }
    });
  }
  clock.advance(20);
  return {
    log: [...log],
    reported: reported().map((line) => line.split(' | ')[0]),
    left: leftIn(hub),
    length: group.length,
  };
}

describe.each(CORES)('on the %s core', (core) => {
  test(`what a random program sees does not depend on when greenlets are made, ${RUNS} of them`, () => {
    const first = Number(process.env.GEVENT_CROWD_SEED ?? (Date.now() % 1e9) * 1000);
    for (let seed = first; seed < first + RUNS; ++seed) {
      const lazily = seenBy(core, seed, false);
      expect(lazily, `GEVENT_CROWD_SEED=${seed}`).toEqual(seenBy(core, seed, true));
      expect((lazily as { left: unknown }).left).toEqual({});
    }
  });
});
