// map and imap to the turn: what is begun when, beside others who want the same places, and what outlives an item.

import { GreenletExit, getcurrent, kill, killall, sleep, spawn, Timeout } from '../../../ts/index.ts';
import { Group, Pool } from '../../../ts/pool.ts';
import { Oops, same, T } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const mapping = [
  same(
    'Pool.map: who spawns beside it gets every other place',
    `
    pool = Pool(1)
    def other():
        for n in range(4):
            pool.spawn(log, 'other', n)
            log('spawned', n)
    g = spawn(other)
    log(pool.map(lambda n: log('item', n) or n, range(6)))
    g.join()
    pool.join()
    log(pool.free_count())
    `,
    function* (log) {
      const pool = new Pool(1);
      const g = spawn(function* () {
        for (let n = 0; n < 4; ++n) {
          yield* pool.spawn(() => log('other', n));
          log('spawned', n);
        }
      });
      const item = (n: number) => {
        log('item', n);
        return n;
      };
      log(yield* pool.map(item, [0, 1, 2, 3, 4, 5]));
      yield* g.join();
      yield* pool.join();
      log(pool.freeCount());
    },
  ),

  same(
    'Pool.map: two of them share the places, and so does an imap',
    `
    pool = Pool(2)
    def nap(n):
        log('begins', n)
        sleep(T)
        log('ends', n)
        return n
    def third():
        for n in pool.imap(nap, range(20, 24)): log('taken', n)
    gs = [pool.map_async(nap, range(4)), pool.map_async(nap, range(10, 14)), spawn(third)]
    gevent.joinall(gs)
    log(gs[0].value, gs[1].value, len(pool), pool.free_count())
    `,
    function* (log) {
      const pool = new Pool(2);
      function* nap(n: number): Body {
        log('begins', n);
        yield* sleep(T);
        log('ends', n);
        return n;
      }
      const third = function* () {
        const it = pool.imap(nap, [20, 21, 22, 23]);
        for (let step = yield* it.next(); !step.done; step = yield* it.next()) log('taken', step.value);
      };
      const a = pool.mapAsync(nap, [0, 1, 2, 3]);
      const b = pool.mapAsync(nap, [10, 11, 12, 13]);
      const c = spawn(third);
      for (const g of [a, b, c]) yield* g.join();
      log(a.value, b.value, pool.length, pool.freeCount());
    },
  ),

  same(
    'Pool.map: who waits for the greenlet of an item is told when that item is done',
    `
    pool = Pool(1)
    def item(n):
        g = getcurrent()
        if n < 2:
            g.rawlink(lambda g: log('linked', n, g.dead, g.value))
            spawn(lambda: log('joined', n, g.join(), g.value))
        sleep(0)
        log('item', n)
        return n
    log(pool.map(item, range(4)))
    `,
    function* (log) {
      function* item(n: number): Body {
        const g = getcurrent() as any;
        if (n < 2) {
          g.rawlink((ended: any) => log('linked', n, ended.dead, ended.value));
          spawn(function* () {
            yield* g.join();
            log('joined', n, null, g.value);
          });
        }
        yield* sleep(0);
        log('item', n);
        return n;
      }
      log(yield* new Pool(1).map(item, [0, 1, 2, 3]));
    },
  ),

  same(
    'Pool.map: a Timeout that an item leaves running, and a kill that comes too late, harm no other item',
    `
    pool = Pool(1)
    def item(n):
        g = getcurrent()
        if n == 0: Timeout(T).start()
        if n == 1: gevent.kill(g)
        if n == 2: gevent.killall([g], block=False)
        if n == 3: g.kill(block=False)
        if n > 3: sleep(T)
        log('item', n)
        return n
    log(pool.map(item, range(7)))
    `,
    function* (log) {
      function item(n: number): unknown {
        const g = getcurrent() as any;
        if (n === 0) Timeout.startNew(T);
        if (n === 1) kill(g);
        if (n === 2) killall([g], { block: false });
        if (n === 3) g.kill({ block: false });
        if (n > 3) return late(n);
        log('item', n);
        return n;
      }
      function* late(n: number): Body {
        yield* sleep(T);
        log('item', n);
        return n;
      }
      log(yield* new Pool(1).map(item, [0, 1, 2, 3, 4, 5, 6]));
    },
  ),

  same(
    'map without a limit: all are members until all have run, and leave one after another',
    `
    group = Group()
    def item(n):
        log('item', n, len(group), getcurrent() in group)
        if n % 3 == 1: spawn(lambda: log('of', n, len(group)))
        return n
    spawn(log, 'before')
    g = spawn(lambda: log(group.map(item, range(7)), len(group)))
    sleep(0)
    sleep(0)
    spawn(lambda: log('behind', len(group)))
    g.join()
    log(len(group))
    `,
    function* (log) {
      const group = new Group();
      const item = (n: number) => {
        log('item', n, group.length, group.has(getcurrent()));
        if (n % 3 === 1) spawn(() => log('of', n, group.length));
        return n;
      };
      spawn(() => log('before'));
      const g = spawn(function* () {
        const got = yield* group.map(item, [0, 1, 2, 3, 4, 5, 6]);
        log(got, group.length);
      });
      yield* sleep(0);
      yield* sleep(0);
      spawn(() => log('behind', group.length));
      yield* g.join();
      log(group.length);
    },
  ),

  same(
    'map without a limit: killed in the midst of it, the items that have not begun never do',
    `
    group = Group()
    def item(n):
        log('item', n)
        if n == 1: group.kill(block=False)
        if n == 2: sleep(T)
        return n
    got = group.map(item, range(5))
    log([isinstance(v, gevent.GreenletExit) or v for v in got], len(group))
    g = spawn(group.map, item, [0, 2, 3, 4])
    sleep(0)
    sleep(0)
    group.killone(list(group.greenlets)[0])
    group.kill()
    log(len(g.get()), len(group))
    `,
    function* (log) {
      const group = new Group();
      function* item(n: number): Body {
        log('item', n);
        if (n === 1) group.kill({ block: false });
        if (n === 2) yield* sleep(T);
        return n;
      }
      const got = yield* group.map(item, [0, 1, 2, 3, 4]);
      log(
        got.map((v) => v instanceof GreenletExit || v),
        group.length,
      );
      const g = spawn(() => group.map(item, [0, 2, 3, 4]));
      yield* sleep(0);
      yield* sleep(0);
      yield* group.killone([...group.greenlets][0]);
      yield* group.kill();
      log((yield* g.get()).length, group.length);
    },
  ),

  same(
    'imap: who takes the results goes on in his turn, without a limit and with places and room for results',
    `
    def item(n):
        log('item', n)
        if n == 2: raise Oops('two')
        if n == 3: sleep(T)
        return n
    for group in Group(), Pool(1), Pool(2):
        for many in None, 1, 2:
            it = group.imap_unordered(item, range(7), maxsize=many)
            while True:
                try: log('taken', next(it), len(group))
                except StopIteration: break
                except Oops as e: log(e, len(group))
            log('over', len(group))
    `,
    function* (log) {
      const item = (n: number) => {
        log('item', n);
        if (n === 2) throw new Oops('two');
        return n === 3 ? late(n) : n;
      };
      function* late(n: number): Body {
        yield* sleep(T);
        return n;
      }
      for (const group of [new Group(), new Pool(1), new Pool(2)]) {
        for (const maxsize of [null, 1, 2]) {
          const it = group.imapUnordered(item, [0, 1, 2, 3, 4, 5, 6], { maxsize });
          for (;;) {
            try {
              const { done, value } = yield* it.next();
              if (done) break;
              log('taken', value, group.length);
            } catch (e) {
              log(e, group.length);
            }
          }
          log('over', group.length);
        }
      }
    },
  ),

  same(
    'imap: two who take from it get different results; one who is killed while he waits takes none',
    `
    pool = Pool(2)
    def nap(n):
        sleep(n * T)
        return n
    it = pool.imap(nap, [1, 3, 5, 7, 9])
    def taker(name):
        while True:
            try: log(name, next(it))
            except StopIteration: return
            except gevent.GreenletExit: return log(name, 'killed')
    gs = [spawn(taker, name) for name in 'ab']
    sleep(2 * T)
    gs[1].kill()
    spawn(taker, 'c')
    sleep(16 * T)
    log(len(pool))
    `,
    function* (log) {
      const pool = new Pool(2);
      function* nap(n: number): Body {
        yield* sleep(n * T);
        return n;
      }
      const it = pool.imap(nap, [1, 3, 5, 7, 9]);
      function* taker(name: string): Body {
        for (;;) {
          try {
            const { done, value } = yield* it.next();
            if (done) return;
            log(name, value);
          } catch (e) {
            if (!(e instanceof GreenletExit)) throw e;
            return log(name, 'killed');
          }
        }
      }
      const gs = ['a', 'b'].map((name) => spawn(taker, name));
      yield* sleep(2 * T);
      yield* gs[1].kill();
      spawn(taker, 'c');
      yield* sleep(16 * T);
      log(pool.length);
    },
  ),
];
