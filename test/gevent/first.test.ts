// first: of several operations exactly one happens, and nothing is left of the others.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  first,
  type Greenlet,
  getcurrent,
  joinall,
  Operation,
  run,
  sleep,
  spawn,
  Timeout,
  until,
  wait,
  withTimeout,
} from '../../ts/index.ts';
import { CORES, rejected, simulateOn, thrown, told } from '../support/cores.ts';
import { atEverySwitch } from '../support/inject.ts';
import { Items, Permits } from '../support/small.ts';
import { leftIn, world } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

function* sleeper(seconds: number, value?: unknown): Body {
  yield* sleep(seconds);
  return value;
}

describe.each(CORES)('on the %s core', (core) => {
  describe('who wins', () => {
    test('the one that is ready first, with its index and value; the others leave nothing', () => {
      const { hub, clock, trace, log } = world(core);
      const slow = spawn(sleeper, 3, 'slow');
      const quick = spawn(sleeper, 2, 'quick');
      spawn(function* () {
        const won = yield* first([sleep(5), slow.get(), quick.get()]);
        trace(won.index, won.value, clock.seconds);
      });
      clock.advance(10);
      expect(log).toEqual(['2 quick 2']);
      expect(leftIn(hub)).toEqual({});
    });

    test('of those that complete at once the first in order, and those behind it are not begun', () => {
      const { hub, clock, trace, log } = world(core);
      const permits = new Permits(hub, 2);
      const items = new Items(hub);
      items.put('item');
      spawn(function* () {
        const won = yield* first([sleep(1), items.get(), permits.acquire()]);
        trace(won.index, won.value, permits.free, clock.seconds);
      });
      clock.advance(5);
      expect(log).toEqual(['1 item 2 0']);
      permits.close();
      items.close();
      expect(leftIn(hub)).toEqual({});
    });

    test('the object form tells the key', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        const won = yield* first({ never: sleep(100), soon: sleep(1) });
        trace(won.key, won.value, clock.seconds);
      });
      clock.advance(5);
      expect(log).toEqual(['soon undefined 1']);
    });

    test('equal deadlines: the candidate in front wins', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        trace((yield* first([sleep(1), sleep(1)])).index);
        trace((yield* first([sleep(0), sleep(0)])).index);
      });
      clock.advance(1);
      expect(log).toEqual([0, 0]);
    });

    test('a promise counts as until of it; a rejection is raised', async () => {
      const { clock, hub, trace, log } = world(core);
      spawn(function* () {
        trace((yield* first([sleep(1), Promise.resolve('value')])).value);
        try {
          yield* first([until(Promise.reject(new Error('rejected'))), sleep(1)]);
        } catch (error) {
          trace(told(error));
        }
      });
      await clock.advanceAsync(5);
      expect(log).toEqual(['value', 'Error: rejected']);
      expect(leftIn(hub)).toEqual({});
    });

    test('a candidate that fails wins with its error', () => {
      const { clock, hub, trace, log } = world(core);
      const failing = spawn(function* () {
        yield* sleep(1);
        throw new RangeError('no');
      });
      failing.$quiet = true;
      spawn(function* () {
        try {
          yield* first([sleep(2), failing.get()]);
        } catch (error) {
          trace(told(error), clock.seconds);
        }
      });
      clock.advance(5);
      expect(log).toEqual(['RangeError: no 1']);
      expect(leftIn(hub)).toEqual({});
    });

    test('they nest, and joinall, wait and withTimeout are candidates like any other', () => {
      const { clock, hub, trace, log } = world(core);
      spawn(function* () {
        const greenlets = [spawn(sleeper, 1, 'a'), spawn(sleeper, 2, 'b')];
        const won = yield* first([
          first([sleep(7), sleep(6)]),
          joinall(greenlets),
          withTimeout(4, sleeper, 3, 'c'),
          wait([spawn(sleeper, 9)]),
        ]);
        trace(won.index, clock.seconds);
        const nested = yield* first([sleep(9), first([sleep(5), first({ x: sleep(1) })])]);
        trace(JSON.stringify(nested), clock.seconds);
      });
      clock.advance(20);
      expect(log).toEqual(['1 2', '{"index":1,"value":{"index":1,"value":{"key":"x"}}} 3']);
      expect(leftIn(hub)).toEqual({});
    });
  });

  describe('its limit', () => {
    test('Timeout is raised, the one given if one was given, and no other is swallowed', () => {
      const { clock, hub, trace, log } = world(core);
      const mine = new Timeout(1);
      spawn(function* () {
        for (const timeout of [2, mine]) {
          try {
            yield* first([sleep(10), sleep(20)], { timeout });
          } catch (error) {
            trace(told(error), error === mine, clock.seconds);
          }
        }
      });
      clock.advance(5);
      expect(log).toEqual(['Timeout [GEVENT_TIMEOUT]: 2 seconds false 2', 'Timeout [GEVENT_TIMEOUT]: 1 second true 3']);
      expect(leftIn(hub)).toEqual({});
    });

    test('with a default that is given instead; alone it means: what is there by now', () => {
      const { clock, hub, trace, log } = world(core);
      const items = new Items(hub);
      spawn(function* () {
        trace(JSON.stringify(yield* first([items.get()], { timeout: 1, default: 'none' })), clock.seconds);
        trace(JSON.stringify(yield* first({ item: items.get() }, { default: null })), clock.seconds);
        items.put(1);
        trace(JSON.stringify(yield* first({ item: items.get() }, { default: null })), clock.seconds);
      });
      clock.advance(5);
      expect(log).toEqual([
        '{"index":-1,"value":"none"} 1',
        '{"key":null,"value":null} 1',
        '{"key":"item","value":1} 1',
      ]);
      items.close();
      expect(leftIn(hub)).toEqual({});
    });

    test('what becomes ready in the same instant as the limit wins over it', () => {
      const { clock, trace, log } = world(core);
      spawn(function* () {
        trace((yield* first([sleep(1)], { timeout: 1, default: 0 })).index);
      });
      clock.advance(1);
      expect(log).toEqual([0]);
    });
  });

  describe('losers', () => {
    test('one that was woken and handed something before it lost gives it back', () => {
      const { hub, clock, trace, log } = world(core);
      const [left, right] = [new Items(hub), new Items(hub)];
      spawn(function* () {
        const won = yield* first([left.get(), right.get()]);
        trace(won.index, won.value);
      });
      spawn(function* () {
        // Both candidates are in the ring before either has its turn.
        right.put('r');
        left.put('l');
      });
      clock.advance(0);
      expect(log).toEqual(['1 r']);
      expect([left.items, right.items, left.handed.size, right.handed.size]).toEqual([['l'], [], 0, 0]);
      left.close();
      right.close();
      expect(leftIn(hub)).toEqual({});
    });

    test('what a loser gives back goes to the next who waits', () => {
      const { hub, clock, trace, log } = world(core);
      const [left, right] = [new Items(hub), new Items(hub)];
      spawn(function* () {
        const { value } = yield* first([left.get(), right.get()]);
        trace('chooser', value);
      });
      spawn(function* () {
        trace('waiter', yield* left.get());
      });
      spawn(function* () {
        right.put('r');
        left.put('l');
      });
      clock.advance(0);
      expect(log).toEqual(['chooser r', 'waiter l']);
      left.close();
      right.close();
    });

    test('one whose abandoning fails is reported, and the others leave all the same', () => {
      const w = world(core);
      class Bad extends Operation<void> {
        describe(): string {
          return 'bad';
        }
        begin(): boolean {
          return false;
        }
        complete(): void {}
        override abandon(): void {
          throw new Error('abandon failed');
        }
      }
      spawn(function* () {
        w.trace((yield* first([new Bad(), sleep(5), sleep(1)])).index);
      });
      w.clock.advance(9);
      expect(w.log).toEqual([2]);
      expect(w.reported()).toEqual(['Error: abandon failed | bad failed with Error']);
      expect(leftIn(w.hub)).toEqual({});
    });

    test('if the beginning of one fails, those begun before it leave, and the error is raised', () => {
      const { hub, clock, trace, log } = world(core);
      spawn(function* () {
        const self = getcurrent() as Greenlet;
        try {
          yield* first([sleep(1), self.join(), sleep(2)]);
        } catch (error) {
          trace(told(error).slice(0, 35), hub.statistics().timers, hub.statistics().waiters);
        }
      });
      clock.advance(0);
      expect(log).toEqual(['GeventError [GEVENT_JOIN_SELF]: <Gr 0 0']);
      expect(leftIn(hub)).toEqual({});
    });
  });

  test('one that could not begin is not abandoned (O2)', () => {
    const { hub, clock, trace, log } = world(core);
    class Refuses extends Operation<void> {
      describe(): string {
        return 'refuses';
      }
      begin(): boolean {
        throw new Error('no');
      }
      complete(): void {}
      override abandon(): void {
        trace('abandoned');
      }
    }
    spawn(function* () {
      try {
        yield* first([sleep(1), new Refuses()]);
      } catch (error) {
        trace(told(error));
      }
    });
    clock.advance(0);
    expect(log).toEqual(['Error: no']);
    expect(leftIn(hub)).toEqual({});
  });

  describe('async bodies and main', () => {
    test('an async body and main wait by await', async () => {
      const { hub, clock } = world(core);
      const inBody = run(async () => (await first([sleep(3), sleep(2)])).index);
      const inMain = first({ a: sleep(4), b: spawn(sleeper, 1, 'b').get() }).then((won) => won);
      await clock.advanceAsync(5);
      expect(await inBody).toBe(1);
      expect(await inMain).toEqual({ key: 'b', value: 'b' });
      expect(leftIn(hub)).toEqual({});
    });

    test('main that can never be woken gets LoopExit, which names all candidates', async () => {
      const { hub } = world(core);
      const items = new Items(hub);
      const text = await rejected(first([items.get(), sleep(Infinity)]));
      expect(text).toBe(
        'LoopExit [GEVENT_LOOP_EXIT]: This operation would block forever: 1 waiting, no timer armed\n' +
          '  main in first of Items.get | sleep(Infinity)',
      );
      items.close();
      expect(leftIn(hub)).toEqual({});
    });

    test('a limit that is due while continuations run loses to a candidate that is put in front of it', async () => {
      const { hub, clock, trace, log } = world(core);
      // All due at once: an await whose continuation comes first, then the limit.
      const other = spawn(sleeper, 1, 'other');
      const body = run(async () => {
        await sleep(1);
        trace('continuation');
      });
      spawn(function* () {
        const { index } = yield* first([joinall([other]), sleep(9)], { timeout: 1, default: 'limit' });
        trace(index);
      });
      await clock.advanceAsync(3);
      await body;
      expect(log.length).toBe(2);
      expect(leftIn(hub)).toEqual({});
    });
  });

  test.each([
    [() => first([]), 'RangeError: first(candidates): expected at least one operation, got none'],
    [() => first(5 as any), 'TypeError: first(candidates): expected an array or an object of operations, got 5'],
    [
      () => first(sleep(1) as any),
      'TypeError: first(candidates): expected an array or an object of operations, got an object (Sleep)',
    ],
    [() => first([1 as any]), 'TypeError: first: expected an operation or a promise at position 0, got 1'],
    [() => first({ a: null as any }), 'TypeError: first: expected an operation or a promise at key "a", got null'],
    [() => first([sleep(1)], { timeout: -1 }), 'RangeError: first(timeout): expected 0 or more seconds, got -1'],
  ])('bad input %# is refused', (make, message) => {
    world(core, { debug: false });
    expect(thrown(make)).toBe(message);
  });

  test('a greenlet is no operation, nor is a switch', () => {
    const { clock, trace, log } = world(core, { debug: false });
    const idle = spawn(sleeper, 1);
    spawn(function* () {
      trace(thrown(() => first([idle as any])));
      trace(thrown(() => first([idle.switch()])).slice(0, 60));
    });
    clock.advance(2);
    expect(log).toEqual([
      'TypeError: first: expected an operation at position 0, got <Greenlet "Greenlet-0": sleeper(1, undefined)>: use its get() or join()'.replace(
        ', undefined',
        '',
      ),
      'TypeError: first: expected something to wait for at position',
    ]);
  });

  test.each(['kill', 'timeout'] as const)('a %s at every switch point loses no permit, item, timer or slot', (how) => {
    const hits = atEverySwitch(core, how, ({ hub }) => {
      const permits = new Permits(hub, 0);
      const items = new Items(hub);
      let got = 0;
      let held = 0;
      const victim = spawn(function* () {
        for (let i = 0; i < 4; ++i) {
          const won = yield* first({ item: items.get(), permit: permits.acquire(), nap: sleep(1) });
          if (won.key === 'item') ++got;
          if (won.key === 'permit') ++held;
          yield* sleep(0);
        }
      });
      spawn(function* () {
        for (let i = 0; i < 3; ++i) {
          items.put(i);
          permits.release();
          yield* sleep(0);
        }
        yield* sleep(1.5);
        items.put(9);
      });
      return {
        victim,
        check() {
          expect([got + items.items.length, items.handed.size]).toEqual([4, 0]);
          expect(held + permits.free).toBe(3);
        },
        close() {
          permits.close();
          items.close();
        },
      };
    });
    expect(hits).toBeGreaterThan(8);
  });

  // Two can never commit: items put = items got + items left, permits given = permits held + permits free, whatever happens when.
  test('random choosers, putters, releasers, killers and timeouts: all is conserved', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ op: fc.constant('put' as const), on: fc.nat(1) }) },
      { weight: 4, arbitrary: fc.record({ op: fc.constant('release' as const), on: fc.nat(1) }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('kill' as const), on: fc.nat(5) }) },
      { weight: 3, arbitrary: fc.record({ op: fc.constant('pause' as const), on: fc.nat(2) }) },
    );
    const choosing = fc.array(fc.array(fc.nat(6), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(choosing, { minLength: 1, maxLength: 6 }),
        fc.array(step, { maxLength: 40 }),
        fc.nat(3),
        (choosers, steps, limit) => {
          const simulation = simulateOn(core, { debug: false });
          const { hub, clock } = simulation;
          try {
            const items = [new Items(hub), new Items(hub)];
            const permits = [new Permits(hub, 1), new Permits(hub, 0)];
            const got: unknown[] = [];
            let put = 0;
            let released = 1;
            let held = 0;
            const greenlets = choosers.map((rounds) =>
              spawn(function* () {
                for (const kinds of rounds) {
                  const candidates = kinds.map((kind) => {
                    if (kind < 2) return items[kind].get();
                    if (kind < 4) return permits[kind - 2].acquire();
                    if (kind === 4) return first([items[0].get(), permits[1].acquire()]);
                    return sleep(kind - 5);
                  });
                  const won = yield* first(candidates as Operation<any>[], { timeout: limit, default: undefined });
                  let value: any = won.value;
                  if (value !== null && typeof value === 'object' && 'index' in value) value = value.value;
                  if (value === 'permit') ++held;
                  else if (value !== undefined) got.push(value);
                }
              }),
            );
            spawn(function* () {
              for (const { op, on } of steps) {
                if (op === 'put') items[on].put(`item ${put++}`);
                else if (op === 'release') {
                  ++released;
                  permits[on].release();
                } else if (op === 'kill') greenlets[on]?.kill({ block: false });
                else yield* sleep(on / 2);
              }
            });
            clock.advance(1000);
            const left = items.flatMap((queue) => queue.items);
            expect(items[0].handed.size + items[1].handed.size).toBe(0);
            expect([...got, ...left].sort()).toEqual(Array.from({ length: put }, (_, i) => `item ${i}`).sort());
            expect(held + permits[0].free + permits[1].free).toBe(released);
            for (const thing of [...items, ...permits]) thing.close();
            hub.core.verify();
            expect(leftIn(hub)).toEqual({});
          } finally {
            simulation.close();
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
