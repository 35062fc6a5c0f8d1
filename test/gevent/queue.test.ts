// SimpleQueue, Queue, LifoQueue, PriorityQueue, UnboundQueue, and iteration.

import { describe, expect, test } from 'vitest';
import { createHub, first, sleep, spawn, Timeout } from '../../ts/index.ts';
import {
  Deque,
  Empty,
  END,
  Full,
  forEach,
  JoinableQueue,
  LifoQueue,
  PriorityQueue,
  Queue,
  ShutDown,
  SimpleQueue,
  UnboundQueue,
} from '../../ts/queue.ts';
import { CORES, type CoreName, rejected, thrown } from '../support/cores.ts';
import { leftIn, world as worldOf } from '../support/worlds.ts';

type Body = Generator<any, any, any>;

// With debug mode off, operations take shorter ways.
describe.each(CORES.flatMap((core) => [true, false].map((debug) => [core, debug] as const)))(
  'on the %s core, debug mode %s',
  (core, debug) => {
    const world = (name: CoreName, options = {}) => worldOf(name, { debug, ...options });

    const getters = (queue: SimpleQueue, trace: (...what: unknown[]) => void, count: number) => {
      for (let i = 0; i < count; ++i) {
        spawn(function* (): Body {
          trace(i, yield* queue.get());
        });
      }
    };

    describe('order', () => {
      test('an item put while others wait can be taken first by who put it; they get the next ones, in order', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<string>();
        getters(queue, trace, 3);
        clock.advance();
        spawn(function* (): Body {
          for (const item of ['a', 'b', 'c']) yield* queue.put(item);
          trace('nowait', queue.getNowait());
          queue.putNowait('d');
        });
        clock.advance();
        expect(log).toEqual(['nowait a', '0 b', '1 c', '2 d']);
        expect(leftIn(hub)).toEqual({});
      });

      test('with room for one and four who put, each get lets one go on, when its turn comes', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<number>(1);
        for (let i = 0; i < 4; ++i) {
          spawn(function* (): Body {
            yield* queue.put(i);
            trace(`put${i}`);
          });
        }
        clock.advance();
        log.length = 0;
        spawn(function* (): Body {
          for (let i = 0; i < 4; ++i) {
            trace(`got${yield* queue.get()}`, queue.length);
            yield* sleep(0);
          }
        });
        clock.advance();
        expect(log).toEqual(['got0 0', 'put1', 'got1 0', 'put2', 'got2 0', 'put3', 'got3 0']);
        expect(leftIn(hub)).toEqual({});
      });

      test.each([
        [1, 'p0 c0 p1 c1 p2 c2 p3 c3 p4 c4', 'p0 c0 p1 c1 p2 c2 p3 c3 p4 c4'],
        [2, 'p0 p1 c0 c1 p2 p3 c2 c3 p4 c4', 'p0 p1 c0 c1 p2 p3 c2 c3 p4 c4'],
        [null, 'p0 p1 p2 p3 p4 c0 c1 c2 c3 c4', 'p0 p1 p2 p3 p4 c0 c1 c2 c3 c4'],
      ])('producer and consumer over room for %s', (maxsize, producerFirst, consumerFirst) => {
        for (const [starts, expected] of [
          ['p', producerFirst],
          ['c', consumerFirst],
        ]) {
          const { hub, clock, trace, log } = world(core);
          const queue = new Queue<number>(maxsize);
          const produce = function* (): Body {
            for (let i = 0; i < 5; ++i) {
              yield* queue.put(i);
              trace(`p${i}`);
            }
          };
          const consume = function* (): Body {
            for (let i = 0; i < 5; ++i) trace(`c${yield* queue.get()}`);
          };
          for (const body of starts === 'p' ? [produce, consume] : [consume, produce]) spawn(body);
          clock.advance();
          expect(log.join(' ')).toBe(expected);
          expect(leftIn(hub)).toEqual({});
        }
      });

      test('last in first out; smallest first, of those inside', () => {
        const { hub, clock, trace, log } = world(core);
        const lifo = new LifoQueue<number>(null, [1, 2]);
        lifo.putNowait(3);
        expect([lifo.peekNowait(), lifo.getNowait(), lifo.getNowait(), lifo.getNowait()]).toEqual([3, 3, 2, 1]);
        const queue = new PriorityQueue<number>(2, [5, 1]);
        for (const item of [4, 0, 3]) {
          spawn(function* (): Body {
            yield* queue.put(item);
            trace('put', item);
          });
        }
        clock.advance();
        const taken: number[] = [];
        for (let i = 0; i < 5; ++i) {
          taken.push(queue.getNowait());
          clock.advance();
        }
        expect(taken).toEqual([1, 4, 0, 3, 5]);
        expect(log).toEqual(['put 4', 'put 0', 'put 3']);
        expect(leftIn(hub)).toEqual({});
      });

      test('priorities: arrays element by element, or as compare says; equal ones as from heapq', () => {
        world(core);
        const drain = (queue: PriorityQueue) => Array.from({ length: queue.length }, () => queue.getNowait());
        expect(drain(new PriorityQueue(null, [[10, 'a'], [9, 'b'], [9, 'a'], [9]]))).toEqual([
          [9],
          [9, 'a'],
          [9, 'b'],
          [10, 'a'],
        ]);
        expect(drain(new PriorityQueue(null, [3, 1, 2], { compare: (a, b) => b - a }))).toEqual([3, 2, 1]);
        const jobs = new PriorityQueue<{ p: number; n: string }>(null, [], { compare: (a, b) => a.p - b.p });
        for (const n of 'abcdefg') jobs.putNowait({ p: n.charCodeAt(0) % 2, n });
        const names = (queue: PriorityQueue<{ p: number; n: string }>) => drain(queue).map(({ n }) => n);
        expect([names(jobs.copy()).join(''), names(jobs).join('')]).toEqual(['fbdcgea', 'bfdcgea']);
        expect(thrown(() => new PriorityQueue(null, [], { compare: 5 as any }))).toBe(
          'TypeError: PriorityQueue(compare): expected a function, got 5',
        );
      });

      test('a peek does not take; one who peeks and waits is woken and leaves the item', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<string>();
        spawn(function* (): Body {
          trace('peek', yield* queue.peek(), queue.length);
        });
        spawn(function* (): Body {
          trace('get', yield* queue.get());
        });
        spawn(function* (): Body {
          try {
            yield* queue.peek({ timeout: 1 });
          } catch (e) {
            trace('late peek', (e as Error).name);
          }
        });
        clock.advance();
        expect(
          hub
            .whoWaits()
            .map((line) => line.replace(/^<.*> in/, 'in'))
            .slice(0, 2),
        ).toEqual(['in Queue.peek', 'in Queue.get']);
        queue.putNowait('a');
        clock.advance(2);
        expect(log).toEqual(['peek a 1', 'get a', 'late peek Empty']);
        expect(thrown(() => queue.peekNowait())).toBe('Empty [GEVENT_QUEUE_EMPTY]: Queue.get: the queue is empty');
        expect(leftIn(hub)).toEqual({});
      });
    });

    describe('waiting', () => {
      test('not blocking, and the timeouts of put and get', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<number>(1);
        const told = function* (op: () => any): Body {
          try {
            trace('ok', yield* op());
          } catch (e) {
            trace((e as Error).name, (e as Error).message, hub.clock.now());
          }
        };
        spawn(function* (): Body {
          yield* told(() => queue.get({ block: false }));
          yield* told(() => queue.get({ timeout: 0 }));
          yield* told(() => queue.get({ timeout: 1 }));
          yield* told(() => queue.peek({ timeout: 1 }));
          yield* queue.put(1);
          yield* told(() => queue.put(2, { block: false }));
          yield* told(() => queue.put(2, { timeout: 1 }));
          yield* told(() => queue.put(2, { timeout: new Timeout(1) }));
          yield* told(() => queue.put(2, { timeout: new Timeout(1, new RangeError('mine')) }));
          yield* told(() => queue.peek({ block: false }));
          yield* told(() => queue.get({ timeout: 1 }));
          yield* told(() => queue.get({ timeout: new Timeout(1) }));
          yield* told(() => queue.put(3, { timeout: 0 }));
        });
        clock.advance(20);
        expect(log).toEqual([
          'Empty Queue.get: the queue is empty 0',
          'Empty Queue.get: the queue is empty 0',
          'Empty Queue.get: the queue is empty 1000',
          'Empty Queue.get: the queue is empty 2000',
          'Full Queue.put: the queue is full, 1 of 1 items 2000',
          'Full Queue.put: the queue is full, 1 of 1 items 3000',
          'Timeout 1 second 4000',
          'RangeError mine 5000',
          'ok 1',
          'ok 1',
          'Timeout 1 second 6000',
          'ok undefined',
        ]);
        for (const op of [
          () => queue.get({ timeout: -1 }),
          () => queue.put(1, { timeout: -1 }),
          () => queue.peek({ timeout: -1 }),
        ]) {
          expect(thrown(op)).toMatch(/^RangeError: \w+\(timeout\): expected 0 or more seconds, got -1$/);
        }
        expect([new Full() instanceof Error, new Empty().name, new ShutDown().name]).toEqual([
          true,
          'Empty',
          'ShutDown',
        ]);
        expect(leftIn(hub)).toEqual({});
      });

      test('who is killed or timed out while waiting takes and brings nothing', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<string>(1);
        const killed = spawn(() => queue.get() as any);
        spawn(function* (): Body {
          yield* sleep(0);
        });
        getters(queue, trace, 1);
        clock.advance();
        queue.putNowait('x');
        // Behind the notification: it has the item.
        killed.kill({ block: false });
        clock.advance();
        expect([killed.value, queue.length]).toEqual(['x', 0]);
        queue.putNowait('y');
        clock.advance();
        expect(log.at(-1)).toBe('0 y');
        queue.putNowait('z');
        const putters = ['p', 'q', 'r'].map((item) =>
          spawn(() => queue.put(item, item === 'q' ? { timeout: 1 } : {}) as any),
        );
        clock.advance();
        putters[0].kill({ block: false });
        hub.exceptionStream = null;
        clock.advance(2);
        expect([String(putters[1].exception), queue.getNowait()]).toEqual([expect.stringContaining('Full'), 'z']);
        clock.advance();
        expect([queue.getNowait(), queue.empty(), putters[2].successful()]).toEqual(['r', true, true]);
        expect(leftIn(hub)).toEqual({});
      });

      test('in a callback of the hub nothing blocks: those who wait run there, to make room or to bring an item', () => {
        const { hub, clock, trace, log, reported } = world(core);
        const queue = new Queue<string>(1);
        spawn(function* (): Body {
          yield* queue.put('a');
          yield* queue.put('b');
          trace('b is in');
          yield* queue.put('c');
          trace('c is in');
        });
        clock.advance();
        hub.runCallback(() => {
          trace(queue.getNowait(), queue.length);
          trace(queue.getNowait());
          trace(queue.getNowait());
          trace(
            thrown(() => queue.getNowait()),
            thrown(() => queue.peekNowait()),
          );
          queue.putNowait('d');
          trace(thrown(() => queue.putNowait('e')));
          trace([...(queue.get() as any)]);
          trace(thrown(() => [...(queue.get() as any)]));
        });
        clock.advance();
        expect(log.map(String)).toEqual([
          'a 0',
          'b is in',
          'b',
          'c is in',
          'c',
          'Empty [GEVENT_QUEUE_EMPTY]: Queue.get: the queue is empty Empty [GEVENT_QUEUE_EMPTY]: Queue.get: the queue is empty',
          'Full [GEVENT_QUEUE_FULL]: Queue.put: the queue is full, 1 of 1 items',
          '',
          'Empty [GEVENT_QUEUE_EMPTY]: Queue.get: the queue is empty',
        ]);
        log.length = 0;
        spawn(function* (): Body {
          trace('got', yield* queue.get());
          trace('got', yield* queue.get());
          yield* sleep(5);
        });
        clock.advance();
        hub.runCallback(() => {
          queue.putNowait('f');
          // The one who waits takes f here, and then there is room.
          queue.putNowait('g');
          trace('put', queue.length);
        });
        hub.runCallback(async () => {
          await queue.put('h').then(null, (e) => trace((e as Error).name));
        });
        clock.advance();
        expect(log).toEqual(['got f', 'put 1', 'got g']);
        expect(reported()).toEqual([]);
        clock.advance(9);
      });

      test('setting maxsize wakes nobody; what is put then goes past those who wait', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<string>(1, ['a']);
        spawn(function* (): Body {
          yield* queue.put('waits');
          trace('in');
        });
        clock.advance();
        queue.maxsize = 3;
        clock.advance();
        expect([log, queue.maxsize]).toEqual([[], 3]);
        queue.putNowait('past');
        clock.advance();
        expect([log, queue.getNowait()]).toEqual([[], 'a']);
        clock.advance();
        expect([log, [...queue.queue]]).toEqual([['in'], ['past', 'waits']]);
        queue.maxsize = null;
        expect([queue.maxsize, queue.full()]).toEqual([null, false]);
        queue.maxsize = -1;
        expect(queue.maxsize).toBe(null);
        expect(thrown(() => (queue.maxsize = 1.5))).toContain('RangeError: Queue.maxsize: expected an integer');
        expect(leftIn(hub)).toEqual({});
      });

      test('await works as well; first() of gets and puts commits to one', async () => {
        const { hub, clock, trace, log } = world(core);
        const [a, b] = [new Queue<number>(1), new Queue<number>(1, [0])];
        spawn(async () => {
          trace('first', JSON.stringify(await first([a.get(), b.put(1)])));
          trace('second', JSON.stringify(await first([a.get(), b.put(2)])));
        });
        spawn(async () => trace('other', await a.get()));
        await clock.advanceAsync();
        a.putNowait(5);
        await clock.advanceAsync();
        expect(b.getNowait()).toBe(0);
        await clock.advanceAsync();
        a.putNowait(6);
        await clock.advanceAsync();
        expect(log).toEqual(['first {"index":0,"value":5}', 'second {"index":1}', 'other 6']);
        expect([b.getNowait(), b.empty(), a.empty()]).toEqual([2, true, true]);
        expect(leftIn(hub)).toEqual({});
      });

      test('LoopExit and dumps name what is waited for', async () => {
        const { hub, clock } = world(core);
        const queue = new Queue<number>(1, [1]);
        spawn(() => queue.put(2) as any);
        spawn(() => new LifoQueue().get() as any);
        spawn(() => queue.join() as any);
        clock.advance();
        expect(hub.whoWaits().map((line) => line.replace(/^<.*> in/, 'in'))).toEqual([
          'in Queue.put, 1 of 1 items',
          'in LifoQueue.get',
          'in Queue.join, 1 tasks to be done',
        ]);
        const refused = rejected(new SimpleQueue().get());
        await clock.advanceAsync();
        expect(await refused).toContain('main in SimpleQueue.get');
        expect(String(queue)).toBe('<Queue maxsize=1 items=1 waiting=1>');
      });

      test('belongs to the hub on which somebody waited first', () => {
        const { clock } = world(core);
        const queue = new Queue<number>();
        spawn(() => queue.get({ timeout: 0 }).then(null, () => {}) as any);
        clock.advance();
        const other = createHub({ core: 'pure' });
        other.exceptionStream = null;
        const g = other.spawn(() => queue.get() as any);
        other.turn();
        expect(String(g.exception)).toContain('InvalidThreadUseError: <Queue items=0 waiting=0> belongs to <Hub');
        other.destroy();
      });
    });

    describe('tasks', () => {
      test('join waits until each item was dealt with', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<number>(2, [1, 2]);
        expect(queue.unfinishedTasks).toBe(2);
        spawn(function* (): Body {
          trace('joined', yield* queue.join({ timeout: 1 }), hub.clock.now());
          trace('joined', yield* queue.join(), hub.clock.now());
          trace('joined', yield* queue.join());
        });
        spawn(function* (): Body {
          yield* queue.put(3);
        });
        spawn(function* (): Body {
          for (let i = 0; i < 3; ++i) {
            yield* queue.get();
            yield* sleep(1);
            queue.taskDone();
          }
        });
        clock.advance(9);
        expect(log).toEqual(['joined false 1000', 'joined true 3000', 'joined true']);
        expect(thrown(() => queue.taskDone())).toBe(
          'RangeError: task_done() called too many times: nothing is left to be done',
        );
        expect([new Queue(null, [], { unfinishedTasks: 3 }).unfinishedTasks, JoinableQueue === Queue]).toEqual([
          3,
          true,
        ]);
        expect(thrown(() => new Queue(null, [], { unfinishedTasks: -1 }))).toContain(
          'RangeError: Queue(unfinishedTasks)',
        );
        expect(leftIn(hub)).toEqual({});
      });
    });

    describe('shutdown', () => {
      test('those who wait have ShutDown raised, getters before putters; puts are refused, gets go on until it is empty', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<string>(1, ['last']);
        const told = (name: string, op: () => any) =>
          spawn(function* (): Body {
            try {
              trace(name, yield* op());
            } catch (e) {
              trace(name, (e as Error).name);
            }
          });
        told('put', () => queue.put('dropped'));
        clock.advance();
        queue.shutdown();
        expect([queue.isShutdown, queue.length]).toEqual([true, 1]);
        clock.advance();
        told('put', () => queue.put('x'));
        told('get', () => queue.get());
        told('get', () => queue.get());
        told('get', () => queue.get({ timeout: 5 }));
        clock.advance();
        expect(log).toEqual(['put ShutDown', 'put ShutDown', 'get last', 'get ShutDown', 'get ShutDown']);
        expect(thrown(() => queue.putNowait('x'))).toBe(
          'ShutDown [GEVENT_QUEUE_SHUT_DOWN]: Queue.put: the queue was shut down',
        );
        expect(thrown(() => queue.getNowait())).toContain('ShutDown');
        expect(leftIn(hub)).toEqual({});
      });

      test('a getter that waits while an item is on its way has ShutDown raised, and the item stays', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<string>();
        for (const i of [0, 1, 2]) {
          spawn(function* (): Body {
            try {
              trace(i, yield* queue.get(i === 1 ? { timeout: 5 } : undefined));
            } catch (e) {
              trace(i, (e as Error).name);
            }
          });
        }
        clock.advance();
        queue.putNowait('a');
        queue.shutdown();
        clock.advance();
        expect([log, queue.getNowait()]).toEqual([['0 ShutDown', '1 ShutDown', '2 ShutDown'], 'a']);
        expect(leftIn(hub)).toEqual({});
      });

      test('at once it drops the items and counts them as done', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<number>(null, [1, 2, 3]);
        spawn(function* (): Body {
          trace('joined', yield* queue.join());
        });
        clock.advance();
        queue.shutdown(true);
        clock.advance();
        expect([log, queue.length, queue.unfinishedTasks]).toEqual([['joined true'], 0, 0]);
        queue.shutdown();
        expect(leftIn(hub)).toEqual({});
      });

      test('one that waits and is killed on the same turn is killed', () => {
        const { hub, clock } = world(core);
        const queue = new Queue<number>();
        const g = spawn(() => queue.get() as any);
        clock.advance();
        g.kill({ block: false });
        queue.shutdown();
        clock.advance();
        expect(String(g.value)).toContain('GreenletExit');
        expect(leftIn(hub)).toEqual({});
      });
    });

    describe('iteration', () => {
      test('forEach runs a function of any kind for each item, until END or shutdown', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<number>(1);
        spawn(function* (): Body {
          const count = yield* forEach(queue, function* (item) {
            yield* sleep(1);
            trace(item);
          });
          trace('count', count);
          trace('count', yield* forEach(queue, (item) => trace(item)));
          try {
            yield* forEach(queue, () => {
              throw new ShutDown('of something else');
            });
          } catch (e) {
            trace(e);
          }
          trace('end', yield* forEach(queue, () => {}));
        });
        spawn(function* (): Body {
          for (const item of [1, 2, END, 3, END, 4] as const) yield* queue.put(item);
          yield* sleep(1);
          queue.shutdown();
        });
        clock.advance(9);
        expect(log.map(String)).toEqual(['1', '2', 'count 2', '3', 'count 1', 'ShutDown: of something else', 'end 0']);
        expect(thrown(() => forEach({} as any, () => {}))).toContain(
          'TypeError: forEach(source): expected a queue or channel',
        );
        expect(thrown(() => forEach(queue, 1 as any))).toContain('TypeError: forEach(fn): expected a function');
        expect(leftIn(hub)).toEqual({});
      });

      test('who waits in a loop when it is shut down takes what came in the same slice before the loop ends', async () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<number>();
        hub.spawn(function* () {
          trace('count', yield* forEach(queue, (item) => trace('each', item)));
        });
        const other = new Queue<number>();
        hub.spawn(async () => {
          for await (const item of other) trace('await', item);
          trace('over');
        });
        hub.spawn(function* () {
          yield* sleep(1);
          for (const each of [queue, other]) {
            each.putNowait(1);
            each.putNowait(2);
            each.shutdown();
          }
        });
        await clock.advanceAsync(2);
        expect([...log].sort()).toEqual(['await 1', 'await 2', 'count 2', 'each 1', 'each 2', 'over']);
        expect(leftIn(hub)).toEqual({});
      });

      test('for await takes items until END or shutdown; breaking off loses none', async () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<number>(1);
        const producer = spawn(function* (): Body {
          for (let i = 0; i < 5; ++i) yield* queue.put(i);
          yield* queue.put(END);
          yield* queue.put(9);
          yield* sleep(1);
          queue.shutdown();
        });
        const consumer = spawn(async () => {
          for await (const item of queue) {
            trace(item);
            if (item === 2) break;
          }
          trace('broke off');
          for await (const item of queue) trace(item);
          trace('END');
          for await (const item of queue) trace(item);
          trace('shut down');
        });
        await clock.advanceAsync(1);
        expect(log).toEqual([0, 1, 2, 'broke off', 3, 4, 'END', 9, 'shut down']);
        expect([producer.successful(), consumer.successful()]).toEqual([true, true]);
        expect(leftIn(hub)).toEqual({});
      });

      test('next() is one step', () => {
        const { hub, clock, trace, log } = world(core);
        const queue = new Queue<number>(null, [1]);
        spawn(function* (): Body {
          trace(JSON.stringify(yield* queue.next()));
          trace(JSON.stringify(yield* queue.next()));
          trace(JSON.stringify(yield* queue.next()));
        });
        clock.advance();
        queue.putNowait(END);
        clock.advance();
        queue.shutdown();
        clock.advance();
        expect(log).toEqual(['{"done":false,"value":1}', '{"done":true}', '{"done":true}']);
        expect(leftIn(hub)).toEqual({});
      });

      test('waiting in a loop', () => {
        const { clock, trace, log } = world(core);
        const queue = new Queue<number>(null, [3, 2, 1, 0]);
        spawn(function* (): Body {
          for (let item = yield* queue.get(); item > 0; item = yield* queue.get()) trace(item);
        });
        clock.advance();
        expect(log).toEqual([3, 2, 1]);
      });
    });

    describe('containers', () => {
      test('a copy has the same size, items and tasks', () => {
        world(core);
        const queue = new Queue<number>(3, [1, 2, 3, 4], { unfinishedTasks: 7 });
        const copy = queue.copy();
        expect([copy.maxsize, [...copy.queue], copy.unfinishedTasks, copy.full()]).toEqual([3, [1, 2, 3, 4], 7, true]);
        copy.getNowait();
        expect([queue.qsize(), copy.qsize()]).toEqual([4, 3]);
        expect([...new LifoQueue(null, [1, 2]).copy().queue]).toEqual([1, 2]);
        expect([new UnboundQueue(null, [1]).copy().length, new SimpleQueue(2, [1]).copy().maxsize]).toEqual([1, 2]);
        expect(thrown(() => new UnboundQueue(5 as any))).toContain('RangeError: UnboundQueue has no maxsize');
        expect(thrown(() => new Queue('1' as any))).toBe(
          'TypeError: Queue(maxsize): expected an integer or null, got "1"',
        );
        expect(thrown(() => new Queue(Number.NaN))).toContain('RangeError');
        expect(thrown(() => new Queue(null, 5 as any))).toBe('TypeError: Queue(items): expected an iterable, got 5');
        expect([new Queue(0).maxsize, new Queue(-3).maxsize, new Queue().maxsize]).toEqual([null, null, null]);
      });

      test('a subclass may keep its items otherwise, and refuse some', () => {
        const { hub, clock, trace, log } = world(core);
        class SetQueue extends Queue<string> {
          override _init(_maxsize: number | null, items: Iterable<string>): void {
            this.queue = new Set(items);
          }
          override _qsize(): number {
            return this.queue.size;
          }
          override _put(item: string): void {
            if (item === 'bad') throw new Error('refused');
            this.queue.add(item);
          }
          override _get(): string {
            const [item] = this.queue;
            this.queue.delete(item);
            return item;
          }
          override _peek(): string {
            return [...this.queue][0];
          }
        }
        const queue = new SetQueue(1, ['a']);
        for (const item of ['b', 'bad', 'b', 'c']) {
          spawn(function* (): Body {
            try {
              yield* queue.put(item);
              trace('put', item);
            } catch (e) {
              trace(item, e);
            }
          });
        }
        clock.advance();
        expect(queue.getNowait()).toBe('a');
        clock.advance();
        expect([log.splice(0), queue.getNowait()]).toEqual([['put b'], 'b']);
        clock.advance();
        expect([log.splice(0).map(String), queue.length]).toEqual([['bad Error: refused', 'put b'], 1]);
        expect([queue.getNowait(), queue.empty()]).toEqual(['b', true]);
        clock.advance();
        expect([log, queue.peekNowait()]).toEqual([['put c'], 'c']);
        expect(leftIn(hub)).toEqual({});
      });

      test('a deque keeps order over growing and shrinking, and forgets what was taken', () => {
        const deque = new Deque<number>();
        const model: number[] = [];
        for (let i = 0, n = 0; i < 2000; ++i) {
          if ((i * 7919) % 5 < 3 || model.length === 0) {
            deque.push(n);
            model.push(n++);
          } else expect(deque.shift()).toBe(model.shift());
          expect(deque.length).toBe(model.length);
          expect(deque.peek()).toBe(model[0]);
        }
        expect([...deque]).toEqual(model);
        expect(new Deque().shift()).toBe(undefined);
      });

      test('who looks through a deque sees what was there when he began, whatever is taken and added meanwhile', () => {
        const deque = new Deque<number>();
        for (let i = 0; i < 30; ++i) deque.push(i);
        const seen: number[] = [];
        for (const item of deque) {
          seen.push(item);
          for (let i = 0; i < 3; ++i) deque.shift();
          deque.push(100 + item);
        }
        expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => i));
      });

      test('a deque that swells and is emptied again and again is in order all the time', () => {
        const deque = new Deque<number>();
        let [put, got] = [0, 0];
        // Past the largest chunk and back, by steps that hit every edge of one: full, just begun, empty.
        for (const most of [1, 8, 9, 24, 25, 1016, 2040, 2041, 5000, 3, 1024, 1]) {
          while (deque.length < most) deque.push(put++);
          expect([...deque]).toEqual(Array.from({ length: most }, (_, i) => got + i));
          for (let i = 0; i < 1500; ++i) {
            deque.push(put++);
            expect(deque.shift()).toBe(got++);
          }
          while (deque.length > 0) {
            expect(deque.peek()).toBe(got);
            expect(deque.shift()).toBe(got++);
          }
          expect([deque.peek(), deque.shift(), [...deque]]).toEqual([undefined, undefined, []]);
        }
      });
    });
  },
);
