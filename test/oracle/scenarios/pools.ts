// Group, Pool, map and imap, local.

import { Greenlet, joinall, sleep, spawn } from '../../../ts/index.ts';
import { local } from '../../../ts/local.ts';
import { Group, Pool } from '../../../ts/pool.ts';
import { differs, Oops, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

function* sleeper(n: number): Body {
  yield* sleep(n * T);
  return n;
}

/** All that an imap gives, errors included. */
function* drained(it: { next(): any }): Body {
  const found: unknown[] = [];
  for (;;) {
    const step = yield* told(() => it.next());
    if (step instanceof Error) found.push(step);
    else if (step.done) return found;
    else found.push(step.value);
  }
}

/** The same, as every Python text that needs it has it. */
const DRAINED = `
        def drained(it):
            found = []
            while True:
                try:
                    found.append(next(it))
                except StopIteration:
                    return found
                except Exception as e:
                    found.append(e)`;

export const pools = [
  same(
    'interleaving 17: Pool(2).map over sleeps of three, two and one',
    `
    def work(n):
        log('s', n)
        sleep((3 - n) * T)
        log('e', n)
        return n * 10
    log(Pool(2).map(work, range(3)))
    `,
    function* (log) {
      function* work(n: number): Body {
        log('s', n);
        yield* sleep((3 - n) * T);
        log('e', n);
        return n * 10;
      }
      log(yield* new Pool(2).map(work, [0, 1, 2]));
    },
  ),

  same(
    'Group: members come by add, start and spawn, and leave when they end, before their joiners go on',
    `
    group = Group()
    a = spawn(sleep, T)
    b = Greenlet(sleep, 2 * T)
    group.add(a)
    group.start(b)
    c = group.spawn(sleep, 3 * T)
    log(len(group), a in group, b in group, c in group, group.full(), bool(group))
    a.join()
    log(len(group), a in group)
    group.discard(b)
    log(len(group), b.dead)
    log(group.join(timeout=0), group.join(), len(group), bool(group), group.join())
    `,
    function* (log) {
      const group = new Group();
      const a = spawn(sleeper, 1);
      const b = new Greenlet(sleeper, 2);
      yield* group.add(a);
      yield* group.start(b);
      const c = yield* group.spawn(sleeper, 3);
      log(group.length, group.has(a), group.has(b), group.has(c), group.full(), group.length > 0);
      yield* a.join();
      log(group.length, group.has(a));
      group.discard(b);
      log(group.length, b.dead);
      log(yield* group.join({ timeout: 0 }), yield* group.join(), group.length, group.length > 0, yield* group.join());
    },
  ),

  same(
    'Group: join with raise_error raises the failure of one that was a member then',
    `
    group = Group()
    def fails(n):
        sleep(n * T)
        raise Oops(str(n))
    group.spawn(fails, 2)
    group.spawn(sleep, T)
    log(told(lambda: group.join(raise_error=True)), len(group))
    group.spawn(fails, 0).join()
    log(told(lambda: group.join(raise_error=True)))
    `,
    function* (log) {
      const group = new Group();
      function* fails(n: number): Body {
        yield* sleep(n * T);
        throw new Oops(String(n));
      }
      yield* group.spawn(fails, 2);
      yield* group.spawn(sleeper, 1);
      log(yield* told(() => group.join({ raiseError: true })), group.length);
      yield* (yield* group.spawn(fails, 0)).join();
      log(yield* told(() => group.join({ raiseError: true })));
    },
  ),

  same(
    'Group: kill waits for all, shoots each once, and also those who came meanwhile',
    `
    group = Group()
    def worker(n):
        try:
            sleep(10 * T)
        except BaseException as e:
            log(n, e)
            if n == 0: group.spawn(worker, 9)
            sleep(T)
            log(n, 'over')
    # One only: who is first of several is up to Python's set.
    group.spawn(worker, 0)
    sleep(0)
    log(group.kill(), len(group))
    g = group.spawn(worker, 5)
    sleep(0)
    log(group.kill(Oops('x'), block=False), len(group))
    sleep(0)
    group.kill(timeout=T / 2)
    log('timeout', len(group))
    group.join()
    `,
    function* (log) {
      const group = new Group();
      function* worker(n: number): Body {
        try {
          yield* sleep(10 * T);
        } catch (e) {
          log(n, e);
          if (n === 0) group.spawnNowait(worker, 9);
          yield* sleep(T);
          log(n, 'over');
        }
      }
      yield* group.spawn(worker, 0);
      yield* sleep(0);
      log(yield* group.kill(), group.length);
      yield* group.spawn(worker, 5);
      yield* sleep(0);
      log(yield* group.kill({ exception: new Oops('x'), block: false }), group.length);
      yield* sleep(0);
      yield* group.kill({ timeout: T / 2 });
      log('timeout', group.length);
      yield* group.join();
    },
  ),

  same(
    'Group: killone ends one member and no other',
    `
    group = Group()
    a, b = group.spawn(sleep, T), group.spawn(sleep, 2 * T)
    stranger = spawn(sleep, T)
    sleep(0)
    log(group.killone(a), a.dead, b.dead, len(group))
    log(group.killone(stranger), stranger.dead)
    log(group.killone(b, block=False), b.dead)
    sleep(0)
    log(b.dead, len(group))
    `,
    function* (log) {
      const group = new Group();
      const [a, b] = [yield* group.spawn(sleeper, 1), yield* group.spawn(sleeper, 2)];
      const stranger = spawn(sleeper, 1);
      yield* sleep(0);
      log(yield* group.killone(a), a.dead, b.dead, group.length);
      log(yield* group.killone(stranger), stranger.dead);
      log(yield* group.killone(b, { block: false }), b.dead);
      yield* sleep(0);
      log(b.dead, group.length);
    },
  ),

  same(
    'Group: apply gives the result or raises; a member that calls it runs the function itself',
    `
    group = Group()
    def work(n):
        sleep(T)
        if n == 2: raise Oops('two')
        return n
    log(group.apply(work, (1,)), told(lambda: group.apply(work, (2,))))
    pool = Pool(1)
    def member(): return pool.apply(work, (7,)), pool.free_count()
    log(pool.apply(member))
    `,
    function* (log) {
      const group = new Group();
      function* work(n: number): Body {
        yield* sleep(T);
        if (n === 2) throw new Oops('two');
        return n;
      }
      log(yield* group.apply(work, [1]), yield* told(() => group.apply(work, [2])));
      const pool = new Pool(1);
      function* member(): Body {
        return [yield* pool.apply(work, [7]), pool.freeCount()];
      }
      log(yield* pool.apply(member));
    },
  ),

  same(
    'Group: apply_async and apply_cb call back with the value, and only with that',
    `
    pool = Pool(1)
    def work(n):
        log('works', n)
        sleep(T)
        if n == 2: raise Oops('two')
        return n
    called = lambda value: log('called', value)
    gs = [pool.apply_async(work, (n,), callback=called) for n in (1, 2, 3)]
    log('async', len(pool))
    gevent.joinall(gs)
    sleep(T)
    log([g.value for g in gs])
    log(pool.apply_cb(work, (4,), callback=called))
    log('returned')
    `,
    function* (log) {
      const pool = new Pool(1);
      function* work(n: number): Body {
        log('works', n);
        yield* sleep(T);
        if (n === 2) throw new Oops('two');
        return n;
      }
      const called = (value: unknown) => log('called', value);
      const gs = [1, 2, 3].map((n) => pool.applyAsync(work, [n], called));
      log('async', pool.length);
      yield* joinall(gs);
      yield* sleep(T);
      log(gs.map((g) => g.value));
      log(yield* pool.applyCb(work, [4], called));
      log('returned');
    },
  ),

  differs(
    {
      why: 'the error of the helper that map runs in is raised by map, so it is not reported as well: those of the items were',
      gevent: [
        'done 0',
        'done 3',
        '[3 0]',
        'done 1',
        'reported Oops(1)',
        'done 2',
        'reported Oops(2)',
        'done 4',
        'reported Oops(2)',
        'Oops(2)',
        '[]',
      ],
      here: [
        'done 0',
        'done 3',
        '[3 0]',
        'done 1',
        'reported Oops(1)',
        'done 2',
        'reported Oops(2)',
        'done 4',
        'Oops(2)',
        '[]',
      ],
    },
    'Group: map in order, all at once; the first failing position is raised and the rest goes on',
    `
    def work(n):
        sleep(n * T)
        log('done', n)
        if n in (1, 2): raise Oops(str(n))
        return n
    log(Group().map(work, (3, 0)))
    log(told(lambda: Group().map(work, (4, 2, 1))))
    log(Group().map(work, ()))
    `,
    function* (log) {
      function* work(n: number): Body {
        yield* sleep(n * T);
        log('done', n);
        if (n === 1 || n === 2) throw new Oops(String(n));
        return n;
      }
      log(yield* new Group().map(work, [3, 0]));
      log(yield* told(() => new Group().map(work, [4, 2, 1])));
      log(yield* new Group().map(work, []));
    },
  ),

  same(
    'Group: map_async gives a greenlet with the list; map_cb calls back before it returns',
    `
    def work(n):
        sleep(n * T)
        return n
    called = lambda values: log('called', values)
    g = Group().map_async(work, (2, 1), callback=called)
    log('async', g.ready())
    log(g.get())
    log(Group().map_cb(work, (1, 2), callback=called))
    `,
    function* (log) {
      const called = (values: unknown) => log('called', values);
      const g = new Group().mapAsync(sleeper, [2, 1], called);
      log('async', g.ready());
      log(yield* g.get());
      log(yield* new Group().mapCb(sleeper, [1, 2], called));
    },
  ),

  same(
    'Pool: spawn waits while it is full; a slot is free when its member has been told',
    `
    pool = Pool(2)
    def work(n):
        log('runs', n, pool.free_count())
        sleep(T)
    for n in range(4):
        pool.spawn(work, n)
        log('spawned', n, pool.full(), pool.free_count(), len(pool))
    pool.join()
    log(pool.free_count(), pool.size)
    `,
    function* (log) {
      const pool = new Pool(2);
      function* work(n: number): Body {
        log('runs', n, pool.freeCount());
        yield* sleep(T);
      }
      for (let n = 0; n < 4; ++n) {
        yield* pool.spawn(work, n);
        log('spawned', n, pool.full(), pool.freeCount(), pool.length);
      }
      yield* pool.join();
      log(pool.freeCount(), pool.size);
    },
  ),

  same(
    'Pool(1): one at a time, from start to end',
    `
    pool = Pool(1)
    for n in range(3):
        pool.spawn(log, 'run', n)
        log('spawned', n)
    pool.join()
    `,
    function* (log) {
      const pool = new Pool(1);
      for (let n = 0; n < 3; ++n) {
        yield* pool.spawn(() => log('run', n));
        log('spawned', n);
      }
      yield* pool.join();
    },
  ),

  same(
    'Pool: wait_available, and PoolFull when there is no room in time',
    `
    pool = Pool(1)
    log(pool.wait_available(), pool.full(), Pool().free_count(), Pool().full(), told(lambda: Pool(-1)))
    pool.spawn(sleep, 2 * T)
    log(pool.wait_available(timeout=T), pool.full())
    g = Greenlet(lambda: None)
    log(told(lambda: pool.add(g, blocking=False)), told(lambda: pool.start(g, blocking=False)))
    log(told(lambda: pool.start(g, timeout=T / 2)), len(pool), bool(g))
    log(pool.wait_available(), pool.start(g), pool.join())
    log(Pool(0).full(), Pool(0).free_count(), Pool(0).wait_available(timeout=T))
    `,
    function* (log) {
      const pool = new Pool(1);
      log(
        yield* pool.waitAvailable(),
        pool.full(),
        new Pool().freeCount(),
        new Pool().full(),
        yield* told(() => new Pool(-1)),
      );
      yield* pool.spawn(sleeper, 2);
      log(yield* pool.waitAvailable({ timeout: T }), pool.full());
      const g = new Greenlet(() => null);
      log(yield* told(() => pool.add(g, { blocking: false })), yield* told(() => pool.start(g, { blocking: false })));
      log(yield* told(() => pool.start(g, { timeout: T / 2 })), pool.length, g.active);
      log(yield* pool.waitAvailable(), yield* pool.start(g), yield* pool.join());
      const none = new Pool(0);
      log(none.full(), none.freeCount(), yield* none.waitAvailable({ timeout: T }));
    },
  ),

  same(
    'Pool: who waits to spawn goes on after a kill of all, and its task runs',
    `
    pool = Pool(1)
    pool.spawn(sleep, 10 * T)
    def spawner():
        pool.spawn(log, 'task')
        log('spawned')
    spawn(spawner)
    sleep(0)
    pool.kill(block=False)
    log('killed')
    sleep(T)
    pool.join()
    log(len(pool), pool.free_count())
    `,
    function* (log) {
      const pool = new Pool(1);
      yield* pool.spawn(sleeper, 10);
      spawn(function* (): Body {
        yield* pool.spawn(() => log('task'));
        log('spawned');
      });
      yield* sleep(0);
      yield* pool.kill({ block: false });
      log('killed');
      yield* sleep(T);
      yield* pool.join();
      log(pool.length, pool.freeCount());
    },
  ),

  same(
    'Pool: who waits to spawn and is killed leaves no slot taken',
    `
    pool = Pool(1)
    pool.spawn(sleep, 2 * T)
    def spawner(n):
        try:
            pool.spawn(log, 'task', n)
            log('spawned', n)
        except BaseException as e:
            log(n, e)
    gs = [spawn(spawner, n) for n in range(3)]
    sleep(0)
    gs[0].kill()
    sleep(3 * T)
    pool.join()
    log(pool.free_count(), len(pool))
    `,
    function* (log) {
      const pool = new Pool(1);
      yield* pool.spawn(sleeper, 2);
      function* spawner(n: number): Body {
        try {
          yield* pool.spawn(() => log('task', n));
          log('spawned', n);
        } catch (e) {
          log(n, e);
        }
      }
      const gs = [0, 1, 2].map((n) => spawn(spawner, n));
      yield* sleep(0);
      yield* gs[0].kill();
      yield* sleep(3 * T);
      yield* pool.join();
      log(pool.freeCount(), pool.length);
    },
  ),

  same(
    'Pool: one that never ran and is killed gives its slot back',
    `
    pool = Pool(1)
    g = pool.spawn(log, 'never')
    g.kill()
    log(g.dead, pool.free_count())
    pool.spawn(log, 'next')
    pool.join()
    log(pool.free_count())
    `,
    function* (log) {
      const pool = new Pool(1);
      const g = yield* pool.spawn(() => log('never'));
      yield* g.kill();
      log(g.dead, pool.freeCount());
      yield* pool.spawn(() => log('next'));
      yield* pool.join();
      log(pool.freeCount());
    },
  ),

  same(
    'imap: in order, whoever is done first; several iterables are zipped; errors come in their places',
    `${DRAINED}
        def work(n):
            sleep((3 - n) * T)
            if n == 1: raise Oops('one')
            return n
        log(drained(Pool(2).imap(work, range(4))))
        log(drained(Group().imap(lambda a, b: a + b, (1, 2, 3), (10, 20))))
        log(drained(Group().imap(work, ())))
    `,
    function* (log) {
      function* work(n: number): Body {
        yield* sleep((3 - n) * T);
        if (n === 1) throw new Oops('one');
        return n;
      }
      log(yield* drained(new Pool(2).imap(work, [0, 1, 2, 3])));
      log(yield* drained(new Group().imap((a: number, b: number) => a + b, [1, 2, 3], [10, 20])));
      log(yield* drained(new Group().imap(work, [])));
    },
  ),

  same(
    'imap_unordered: in the order in which they are done',
    `${DRAINED}
        def work(n):
            sleep(n * T)
            if n == 2: raise Oops('two')
            return n
        log(drained(Group().imap_unordered(work, (3, 1, 2, 4))))
        log(drained(Pool(2).imap_unordered(work, (4, 1, 5, 3))))
    `,
    function* (log) {
      function* work(n: number): Body {
        yield* sleep(n * T);
        if (n === 2) throw new Oops('two');
        return n;
      }
      log(yield* drained(new Group().imapUnordered(work, [3, 1, 2, 4])));
      log(yield* drained(new Pool(2).imapUnordered(work, [4, 1, 5, 3])));
    },
  ),

  same(
    'imap: with maxsize it runs only so far ahead of who takes the results',
    `
    def work(n):
        log('works', n)
        return n
    it = Group().imap(work, range(5), maxsize=2)
    sleep(T)
    for _ in range(3):
        log('next', next(it))
        sleep(T)
    `,
    function* (log) {
      function work(n: number): number {
        log('works', n);
        return n;
      }
      const it = new Group().imap(work, [0, 1, 2, 3, 4], { maxsize: 2 });
      yield* sleep(T);
      for (let n = 0; n < 3; ++n) {
        log('next', (yield* it.next()).value);
        yield* sleep(T);
      }
    },
  ),

  same(
    'imap: it is a greenlet of its own, begins when control is given away, and can be killed',
    `
    def work(n):
        log('works', n)
        sleep(T)
        return n
    pool = Pool(1)
    it = pool.imap(work, range(4))
    log('made', len(pool))
    log(next(it))
    it.kill()
    log(it.dead)
    sleep(5 * T)
    log(len(pool))
    `,
    function* (log) {
      function* work(n: number): Body {
        log('works', n);
        yield* sleep(T);
        return n;
      }
      const pool = new Pool(1);
      const it = pool.imap(work, [0, 1, 2, 3]);
      log('made', pool.length);
      log((yield* it.next()).value);
      yield* it.kill();
      log(it.dead);
      yield* sleep(5 * T);
      log(pool.length);
    },
  ),

  same(
    'local: each greenlet has values of its own, and begins with none',
    `
    l = local()
    l.x = 'outer'
    def worker(n):
        log(n, getattr(l, 'x', None))
        l.x = n
        sleep(T)
        log(n, l.x)
        del l.x
        log(n, getattr(l, 'x', None))
    gs = [spawn(worker, n) for n in range(2)]
    gevent.joinall(gs)
    log(l.x, sorted(l.__dict__))
    `,
    function* (log) {
      const l = new local();
      l.x = 'outer';
      function* worker(n: number): Body {
        log(n, l.x);
        l.x = n;
        yield* sleep(T);
        log(n, l.x);
        delete l.x;
        log(n, l.x);
      }
      const gs = [0, 1].map((n) => spawn(worker, n));
      yield* joinall(gs);
      log(l.x, Object.keys(l).sort());
    },
  ),

  same(
    "local: a subclass's constructor runs once in each greenlet that touches it; arguments without one are refused",
    `
    class Mine(local):
        def __init__(self, a):
            log('init', a)
            self.a = a
    m = Mine(5)
    def worker(n):
        log(n, m.a)
        m.a = n
        log(n, m.a)
    for n in range(2): spawn(worker, n)
    sleep(0)
    log(m.a, told(lambda: local(1)))
    `,
    function* (log) {
      class Mine extends local {
        constructor(a: number) {
          super(a);
          log('init', a);
          this.a = a;
        }
      }
      const m = new Mine(5);
      function* worker(n: number): Body {
        log(n, m.a);
        m.a = n;
        log(n, m.a);
      }
      for (let n = 0; n < 2; ++n) spawn(worker, n);
      yield* sleep(0);
      log(m.a, yield* told(() => new local(1)));
    },
  ),
];
