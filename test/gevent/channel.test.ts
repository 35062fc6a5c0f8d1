// Channel.

import { describe, expect, test } from 'vitest';
import { createHub, first, sleep, spawn, Timeout } from '../../ts/index.ts';
import { Channel, END, forEach } from '../../ts/queue.ts';
import { CORES, type CoreName, rejected, thrown } from '../support/cores.ts';
import { leftIn, world as worldOf } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

// With debug mode off, operations take shorter ways.
describe.each(CORES.flatMap((core) => [true, false].map((debug) => [core, debug] as const)))(
  'on the %s core, debug mode %s',
  (core, debug) => {
    const world = (name: CoreName, options = {}) => worldOf(name, { debug, ...options });

    test.each(['putter', 'getter'])(
      'the %s first: who gets goes on before who put, each pair before the next',
      (starts) => {
        const { hub, clock, trace, log } = world(core);
        const channel = new Channel<number>();
        const produce = function* (): Body {
          for (let i = 0; i < 3; ++i) {
            yield* channel.put(i);
            trace(`p${i}`);
          }
        };
        const consume = function* (): Body {
          for (let i = 0; i < 3; ++i) trace(`c${yield* channel.get()}`);
        };
        for (const body of starts === 'putter' ? [produce, consume] : [consume, produce]) spawn(body);
        clock.advance();
        expect(log.join(' ')).toBe('c0 p0 c1 p1 c2 p2');
        expect(leftIn(hub)).toEqual({});
      },
    );

    test('keeps nothing; balance tells who waits', () => {
      const { hub, clock, trace, log } = world(core);
      const channel = new Channel<string>();
      expect([
        channel.qsize(),
        channel.length,
        channel.empty(),
        channel.full(),
        channel.maxsize,
        channel.balance,
      ]).toEqual([0, 0, true, true, 1, 0]);
      for (const item of ['a', 'b']) spawn(() => channel.put(item) as any);
      clock.advance();
      expect([channel.balance, channel.empty(), channel.full(), String(channel)]).toEqual([
        2,
        true,
        true,
        '<Channel balance=2>',
      ]);
      for (let i = 0; i < 3; ++i) {
        spawn(function* (): Body {
          trace(i, yield* channel.get());
        });
      }
      clock.advance();
      expect([log, channel.balance]).toEqual([['0 a', '1 b'], -1]);
      channel.putNowait('c');
      clock.advance();
      expect(log.at(-1)).toBe('2 c');
      expect(thrown(() => new Channel(2))).toBe('RangeError: Channels have a maxsize of 1: expected 1, got 2');
      expect(leftIn(hub)).toEqual({});
    });

    test('timeouts: without blocking it only lets run what is ready', () => {
      const { hub, clock, trace, log } = world(core);
      const channel = new Channel<number>();
      const told = function* (op: () => any): Body {
        try {
          trace('ok', yield* op());
        } catch (e) {
          trace((e as Error).name, (e as Error).message, hub.clock.now());
        }
      };
      spawn(function* (): Body {
        yield* told(() => channel.put(1, { block: false }));
        yield* told(() => channel.get({ block: false }));
        yield* told(() => channel.put(1, { timeout: 1 }));
        yield* told(() => channel.get({ timeout: 1 }));
        yield* told(() => channel.put(1, { timeout: new Timeout(1) }));
        yield* told(() => channel.get({ timeout: new Timeout(1, new RangeError('mine')) }));
        spawn(() => channel.put(7) as any);
        yield* told(() => channel.get({ block: false }));
        spawn(() => channel.get() as any);
        yield* told(() => channel.put(8, { timeout: 5 }));
      });
      clock.advance(20);
      expect(log).toEqual([
        'Full Channel.put: nobody got the item in time 0',
        'Empty Channel.get: nobody put an item in time 0',
        'Full Channel.put: nobody got the item in time 1000',
        'Empty Channel.get: nobody put an item in time 2000',
        'Timeout 1 second 3000',
        'RangeError mine 4000',
        'ok 7',
        'ok undefined',
      ]);
      expect(thrown(() => channel.put(1, { timeout: -1 }))).toContain('RangeError: put(timeout)');
      expect(thrown(() => channel.get({ timeout: -1 }))).toContain('RangeError: get(timeout)');
      expect(leftIn(hub)).toEqual({});
    });

    test('who is killed or timed out hands nothing over and takes nothing', () => {
      const { hub, clock, trace, log } = world(core);
      const channel = new Channel<string>();
      hub.exceptionStream = null;
      const a = spawn(() => channel.put('a') as any);
      spawn(() => channel.put('b', { timeout: 1 }) as any);
      spawn(() => channel.put('c') as any);
      clock.advance();
      a.kill({ block: false });
      clock.advance(1);
      const killed = spawn(() => channel.get() as any);
      const getter = spawn(function* (): Body {
        trace(yield* channel.get());
      });
      killed.kill({ block: false });
      clock.advance();
      expect([log, channel.balance, getter.successful()]).toEqual([['c'], 0, true]);
      expect(leftIn(hub)).toEqual({});
    });

    test('a pair whose getter is killed before the notification: the putter waits for the next', () => {
      const { hub, clock, trace, log } = world(core);
      const channel = new Channel<string>();
      const getter = spawn(() => channel.get() as any);
      clock.advance();
      getter.kill({ block: false });
      spawn(function* (): Body {
        yield* channel.put('a');
        trace('put');
      });
      clock.advance();
      expect([log, channel.balance]).toEqual([[], 1]);
      expect(channel.getNowait()).toBe('a');
      clock.advance();
      expect(log).toEqual(['put']);
      expect(leftIn(hub)).toEqual({});
    });

    test('putNowait and getNowait need somebody who waits; an item put for one who is killed waits for the next', () => {
      const { hub, clock, trace, log } = world(core);
      const channel = new Channel<string>();
      expect(thrown(() => channel.putNowait('x'))).toBe('Full [GEVENT_QUEUE_FULL]: Channel.put: nobody waits to get');
      expect(thrown(() => channel.getNowait())).toBe('Empty [GEVENT_QUEUE_EMPTY]: Channel.get: nobody waits to put');
      const killed = spawn(() => channel.get() as any);
      clock.advance();
      expect(thrown(() => channel.getNowait())).toContain('Empty');
      killed.kill({ block: false });
      channel.putNowait('y');
      expect(thrown(() => channel.putNowait('z'))).toContain('Full');
      clock.advance();
      spawn(function* (): Body {
        trace(yield* channel.get({ timeout: 1 }));
      });
      clock.advance();
      expect(log).toEqual(['y']);
      // After a wait that timed out the reason of the next is its own.
      spawn(function* (): Body {
        try {
          yield* channel.put('p', { timeout: 1 });
        } catch (e) {
          trace((e as Error).name);
        }
        yield* channel.put('q', { timeout: 1 });
        trace('q is taken');
      });
      clock.advance(1);
      expect(channel.getNowait()).toBe('q');
      clock.advance(5);
      expect(log).toEqual(['y', 'Full', 'q is taken']);
      expect(leftIn(hub)).toEqual({});
    });

    test('in a callback of the hub an item is not put to one who waits to put', () => {
      const { hub, clock, trace, log } = world(core);
      const channel = new Channel<string>();
      spawn(() => channel.put('a') as any);
      clock.advance();
      hub.runCallback(() => trace(thrown(() => channel.putNowait('b'))));
      clock.advance();
      expect(log).toEqual(['Full [GEVENT_QUEUE_FULL]: Channel.put: nobody waits to get']);
      expect(channel.getNowait()).toBe('a');
      clock.advance();
      expect(leftIn(hub)).toEqual({});
    });

    test('in a callback of the hub a getter that waits goes on at once, a putter in its turn; nothing blocks', () => {
      const { hub, clock, trace, log, reported } = world(core);
      const channel = new Channel<string>();
      spawn(function* (): Body {
        trace('got', yield* channel.get());
        yield* channel.put('back');
        trace('back is taken');
      });
      clock.advance();
      hub.runCallback(() => {
        channel.putNowait('a');
        trace('put', channel.balance);
        trace(channel.getNowait());
        trace(
          thrown(() => channel.getNowait()),
          thrown(() => channel.putNowait('b')),
        );
        trace(
          thrown(() => [...(channel.get() as any)]),
          thrown(() => [...(channel.put('c') as any)]),
        );
      });
      clock.advance();
      expect(log).toEqual([
        'got a',
        'put 1',
        'back',
        expect.stringMatching(/^Empty.*Full/),
        expect.stringMatching(/^Empty.*Full/),
        'back is taken',
      ]);
      expect(reported()).toEqual([]);
      expect(leftIn(hub)).toEqual({});
    });

    test('await works as well; first() of puts and gets hands over once', async () => {
      const { hub, clock, trace, log } = world(core);
      const [a, b] = [new Channel<number>(), new Channel<number>()];
      spawn(async () => trace(JSON.stringify(await first([a.put(1), b.get()]))));
      spawn(function* (): Body {
        trace(JSON.stringify(yield* first([a.get(), b.put(2)])));
      });
      await clock.advanceAsync();
      expect(log.sort()).toEqual(['{"index":0,"value":1}', '{"index":0}']);
      expect([a.balance, b.balance]).toEqual([0, 0]);
      expect(leftIn(hub)).toEqual({});
    });

    test('iteration ends at END', async () => {
      const { hub, clock, trace, log } = world(core);
      const channel = new Channel<number>();
      spawn(function* (): Body {
        for (const item of [1, 2, END, 3, END] as const) yield* channel.put(item);
        trace('all put');
      });
      spawn(function* (): Body {
        trace('count', yield* forEach(channel, (item) => trace(item)));
        trace(JSON.stringify(yield* channel.next()));
      });
      await clock.advanceAsync();
      spawn(async () => {
        for await (const item of channel) trace(item);
        trace('over');
      });
      await clock.advanceAsync();
      expect(log).toEqual([1, 2, 'count 2', '{"done":false,"value":3}', 'over', 'all put']);
      expect(leftIn(hub)).toEqual({});
    });

    test('items of all kinds are handed over, undefined too, and none is kept', () => {
      const { hub, clock } = world(core);
      const channel = new Channel<unknown>();
      const items = [undefined, null, 0, '', Number.NaN, {}, channel];
      const got: unknown[] = [];
      spawn(() => forEach(channel, (item) => got.push(item) && undefined) as any);
      spawn(function* (): Body {
        for (const item of [...items, END]) yield* channel.put(item);
      });
      clock.advance();
      expect(got).toEqual(items);
      expect(hub.cargo.filter((item) => item !== undefined)).toEqual([]);
      expect(leftIn(hub)).toEqual({});
    });

    test('belongs to one hub; LoopExit and dumps name it', async () => {
      const { hub, clock } = world(core);
      const channel = new Channel<number>();
      spawn(() => channel.put(1) as any);
      clock.advance();
      expect(hub.whoWaits().map((line) => line.replace(/^<.*> in/, 'in'))).toEqual(['in Channel.put']);
      const other = createHub({ core: 'pure' });
      other.exceptionStream = null;
      const g = other.spawn(() => channel.get() as any);
      other.turn();
      expect(String(g.exception)).toContain('InvalidThreadUseError: <Channel balance=1> belongs to <Hub');
      other.destroy();
      const refused = rejected(new Channel().get());
      await clock.advanceAsync();
      expect(await refused).toContain('main in Channel.get');
    });

    test('many hand-overs between many, with kills, leave nothing', () => {
      const { hub, clock } = world(core);
      const channel = new Channel<number>();
      let [put, got] = [0, 0];
      const alive = new Set<any>();
      for (let i = 0; i < 30; ++i) {
        alive.add(
          spawn(function* (): Body {
            for (;;) {
              yield* channel.put(1);
              ++put;
            }
          }),
        );
        alive.add(
          spawn(function* (): Body {
            for (;;) {
              const item = yield* channel.get();
              got += item;
              yield* sleep(1);
            }
          }),
        );
      }
      clock.advance(300);
      for (const g of alive) g.kill({ block: false });
      clock.advance(1);
      expect([put === got, put > 5000]).toEqual([true, true]);
      expect(leftIn(hub)).toEqual({});
    });
  },
);
