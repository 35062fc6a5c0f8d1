// Semaphore, BoundedSemaphore, RLock, DummySemaphore.

import { joinall, kill, sleep, spawn, spawnLater, Timeout, wait } from '../../../ts/index.ts';
import { BoundedSemaphore, DummySemaphore, RLock, Semaphore } from '../../../ts/lock.ts';
import { Oops, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const locks = [
  same(
    'interleaving 14: who releases may take it again past those who wait',
    `
    s = Semaphore(1)
    s.acquire()
    def waiter(n):
        s.acquire()
        log(n)
        s.release()
    for n in range(4): spawn(waiter, n)
    sleep(0)
    log(s.release(), s.acquire(), s.counter)
    log('holder')
    sleep(0)
    log(s.release())
    `,
    function* (log) {
      const s = new Semaphore(1);
      yield* s.acquire();
      function* waiter(n: number): Body {
        yield* s.acquire();
        log(n);
        s.release();
      }
      for (let n = 0; n < 4; ++n) spawn(waiter, n);
      yield* sleep(0);
      log(s.release(), yield* s.acquire(), s.counter);
      log('holder');
      yield* sleep(0);
      log(s.release());
    },
  ),

  same(
    'interleaving 15: wait takes nothing, so the one who acquires behind it gets the permit',
    `
    s = Semaphore(0)
    spawn(lambda: log('wait', s.wait()))
    spawn(lambda: log('acquire', s.acquire()))
    sleep(0)
    s.release()
    sleep(0)
    log(s.counter, s.wait(0))
    `,
    function* (log) {
      const s = new Semaphore(0);
      spawn(function* (): Body {
        log('wait', yield* s.wait());
      });
      spawn(function* (): Body {
        log('acquire', yield* s.acquire());
      });
      yield* sleep(0);
      s.release();
      yield* sleep(0);
      log(s.counter, yield* s.wait({ timeout: 0 }));
    },
  ),

  same(
    'Semaphore: counter, locked, ready, acquire that does not block or is timed out',
    `
    s = Semaphore(2)
    log(s.counter, s.locked(), s.ready(), s.wait())
    log(s.acquire(), s.acquire(blocking=False), s.acquire(blocking=False))
    log(s.counter, s.locked(), s.ready(), s.acquire(timeout=T), s.acquire(timeout=0))
    log(s.release(), s.release(), s.release(), s.counter)
    log(told(lambda: Semaphore(-1)))
    s = Semaphore(0)
    spawn_later(T, s.release)
    log(s.acquire(timeout=3 * T), s.counter)
    `,
    function* (log) {
      let s = new Semaphore(2);
      log(s.counter, s.locked(), s.ready(), yield* s.wait());
      log(yield* s.acquire(), yield* s.acquire({ blocking: false }), yield* s.acquire({ blocking: false }));
      log(s.counter, s.locked(), s.ready(), yield* s.acquire({ timeout: T }), yield* s.acquire({ timeout: 0 }));
      log(s.release(), s.release(), s.release(), s.counter);
      log(yield* told(() => new Semaphore(-1)));
      s = new Semaphore(0);
      spawnLater(T, () => s.release());
      log(yield* s.acquire({ timeout: 3 * T }), s.counter);
    },
  ),

  same(
    'Semaphore: several permits at once wake as many, one after another',
    `
    s = Semaphore(0)
    def worker(n):
        log(n, 'waits')
        s.acquire()
        log(n, 'has', s.counter)
    for n in range(4): spawn(worker, n)
    sleep(0)
    for _ in range(3): s.release()
    log('released', s.counter)
    sleep(0)
    log('then', s.counter)
    s.release()
    sleep(0)
    `,
    function* (log) {
      const s = new Semaphore(0);
      function* worker(n: number): Body {
        log(n, 'waits');
        yield* s.acquire();
        log(n, 'has', s.counter);
      }
      for (let n = 0; n < 4; ++n) spawn(worker, n);
      yield* sleep(0);
      for (let n = 0; n < 3; ++n) s.release();
      log('released', s.counter);
      yield* sleep(0);
      log('then', s.counter);
      s.release();
      yield* sleep(0);
    },
  ),

  same(
    'Semaphore: who is killed or timed out while waiting takes nothing; the next gets it',
    `
    s = Semaphore(0)
    def worker(n, timeout):
        try:
            log(n, s.acquire(timeout=timeout))
        except BaseException as e:
            log(n, e)
    a = spawn(worker, 'killed', None)
    spawn(worker, 'late', T)
    spawn(worker, 'third', None)
    sleep(0)
    gevent.kill(a)
    s.release()
    sleep(2 * T)
    log(s.counter)
    s.release()
    sleep(0)
    log(s.counter)
    `,
    function* (log) {
      const s = new Semaphore(0);
      function* worker(n: string, timeout: number | null): Body {
        try {
          log(n, yield* s.acquire({ timeout }));
        } catch (e) {
          log(n, e);
        }
      }
      const a = spawn(worker, 'killed', null);
      spawn(worker, 'late', T);
      spawn(worker, 'third', null);
      yield* sleep(0);
      kill(a);
      s.release();
      yield* sleep(2 * T);
      log(s.counter);
      s.release();
      yield* sleep(0);
      log(s.counter);
    },
  ),

  same(
    'Semaphore: a kill behind the release comes too late: the permit was handed over',
    `
    s = Semaphore(0)
    def worker(n):
        try:
            log(n, s.acquire())
            sleep(T)
        except BaseException as e:
            log(n, e)
            s.release()
    a = spawn(worker, 'a')
    spawn(worker, 'b')
    sleep(0)
    s.release()
    gevent.kill(a)
    sleep(3 * T)
    log(s.counter)
    `,
    function* (log) {
      const s = new Semaphore(0);
      function* worker(n: string): Body {
        try {
          log(n, yield* s.acquire());
          yield* sleep(T);
        } catch (e) {
          log(n, e);
          s.release();
        }
      }
      const a = spawn(worker, 'a');
      spawn(worker, 'b');
      yield* sleep(0);
      s.release();
      kill(a);
      yield* sleep(3 * T);
      log(s.counter);
    },
  ),

  same(
    'Semaphore: an outer timeout goes through acquire, and a Timeout as its limit brings its own exception',
    `
    s = Semaphore(0)
    t = Timeout.start_new(T)
    log(told(lambda: s.acquire(timeout=3 * T)) is t)
    log(told(lambda: s.acquire(timeout=Timeout(T, Oops('mine')))))
    log(s.counter)
    `,
    function* (log) {
      const s = new Semaphore(0);
      const t = Timeout.startNew(T);
      log((yield* told(() => s.acquire({ timeout: 3 * T }))) === t);
      log(yield* told(() => s.acquire({ timeout: new Timeout(T, new Oops('mine')) })));
      log(s.counter);
    },
  ),

  same(
    'Semaphore: as a block it is given back however the block ends',
    `
    s = Semaphore(1)
    def worker(n):
        with s:
            log(n, 'in')
            sleep(T)
            if n == 1: raise Oops('out')
            log(n, 'out')
    gs = [spawn(worker, n) for n in range(3)]
    sleep(T / 2)
    gs[0].kill()
    gevent.joinall(gs)
    log(s.counter)
    `,
    function* (log) {
      const s = new Semaphore(1);
      function* worker(n: number): Body {
        using _ = yield* s.lock();
        log(n, 'in');
        yield* sleep(T);
        if (n === 1) throw new Oops('out');
        log(n, 'out');
      }
      const gs = [0, 1, 2].map((n) => spawn(worker, n));
      yield* sleep(T / 2);
      yield* gs[0].kill();
      yield* joinall(gs);
      log(s.counter);
    },
  ),

  same(
    'Semaphore: links are called when a permit is there, and only while one is',
    `
    s = Semaphore(0)
    s.rawlink(lambda o: log('one', o.counter))
    s.rawlink(lambda o: log('takes', o.acquire(blocking=False)))
    s.rawlink(lambda o: log('three', o.counter))
    def gone(_): log('never')
    s.rawlink(gone)
    s.unlink(gone)
    s.release()
    log('released')
    sleep(0)
    log('then')
    s.release()
    sleep(0)
    log(len(wait([s])), s.counter)
    `,
    function* (log) {
      const s = new Semaphore(0);
      s.rawlink((o) => log('one', o.counter));
      s.rawlink((o) => log('takes', o.acquireNowait()));
      s.rawlink((o) => log('three', o.counter));
      const gone = () => log('never');
      s.rawlink(gone);
      s.unlink(gone);
      s.release();
      log('released');
      yield* sleep(0);
      log('then');
      s.release();
      yield* sleep(0);
      log((yield* wait([s])).length, s.counter);
    },
  ),

  same(
    'BoundedSemaphore: a release above where it began is refused and changes nothing',
    `
    s = BoundedSemaphore(2)
    log(told(s.release), s.counter)
    s.acquire()
    log(s.release(), told(s.release), s.counter)
    s.acquire()
    s.acquire()
    spawn(lambda: log('waiter', s.acquire()))
    sleep(0)
    s.release()
    log(s.counter)
    sleep(0)
    log(s.counter, s.locked())
    `,
    function* (log) {
      const s = new BoundedSemaphore(2);
      log(yield* told(() => s.release()), s.counter);
      yield* s.acquire();
      log(s.release(), yield* told(() => s.release()), s.counter);
      yield* s.acquire();
      yield* s.acquire();
      spawn(function* (): Body {
        log('waiter', yield* s.acquire());
      });
      yield* sleep(0);
      s.release();
      log(s.counter);
      yield* sleep(0);
      log(s.counter, s.locked());
    },
  ),

  same(
    'RLock: its holder may take it again; it is free when it was given back as often',
    `
    r = RLock()
    def other():
        log('other', r.acquire(blocking=False), bool(r.acquire(timeout=T)))
        log('other', bool(r.acquire()))
        r.release()
    log(bool(r.acquire()), bool(r.acquire()), bool(r.acquire(blocking=False)))
    spawn(other)
    sleep(2 * T)
    r.release()
    r.release()
    log('one left')
    sleep(0)
    r.release()
    log(told(r.release))
    sleep(0)
    log('over', told(r.release))
    `,
    function* (log) {
      const r = new RLock();
      log(yield* r.acquire(), yield* r.acquire(), yield* r.acquire({ blocking: false }));
      spawn(function* (): Body {
        log('other', yield* r.acquire({ blocking: false }), yield* r.acquire({ timeout: T }));
        log('other', yield* r.acquire());
        r.release();
      });
      yield* sleep(2 * T);
      r.release();
      r.release();
      log('one left');
      yield* sleep(0);
      r.release();
      log(yield* told(() => r.release()));
      yield* sleep(0);
      log('over', yield* told(() => r.release()));
    },
  ),

  same(
    'RLock: those who wait get it in turn; one that is killed meanwhile does not',
    `
    r = RLock()
    def worker(n):
        with r:
            with r:
                log(n, 'in')
                sleep(T)
            log(n, 'out')
    gs = [spawn(worker, n) for n in range(4)]
    sleep(T / 2)
    gs[1].kill()
    gs[0].kill()
    gevent.joinall(gs)
    log(told(r.release))
    `,
    function* (log) {
      const r = new RLock();
      function* worker(n: number): Body {
        using _outer = yield* r.lock();
        {
          using _inner = yield* r.lock();
          log(n, 'in');
          yield* sleep(T);
        }
        log(n, 'out');
      }
      const gs = [0, 1, 2, 3].map((n) => spawn(worker, n));
      yield* sleep(T / 2);
      yield* gs[1].kill();
      yield* gs[0].kill();
      yield* joinall(gs);
      log(yield* told(() => r.release()));
    },
  ),

  same(
    'DummySemaphore: it never blocks',
    `
    d = DummySemaphore()
    log(d.acquire(), d.acquire(), d.acquire(blocking=False), d.acquire(timeout=T))
    log(d.locked(), d.ready(), d.wait(), d.release(), d.release())
    d.rawlink(lambda _: log('never'))
    d.unlink(log)
    with d: log('in')
    sleep(0)
    `,
    function* (log) {
      const d = new DummySemaphore();
      log(
        yield* d.acquire(),
        yield* d.acquire(),
        yield* d.acquire({ blocking: false }),
        yield* d.acquire({ timeout: T }),
      );
      log(d.locked(), d.ready(), yield* d.wait(), d.release(), d.release());
      d.rawlink(() => log('never'));
      d.unlink(log);
      {
        using _ = yield* d.lock();
        log('in');
      }
      yield* sleep(0);
    },
  ),

  same(
    'a lock in finally: the permit is back before the joiner goes on',
    `
    s = Semaphore(1)
    def worker():
        s.acquire()
        try:
            sleep(T)
        finally:
            s.release()
    g = spawn(worker)
    sleep(0)
    g.kill()
    log(s.counter, s.acquire(blocking=False))
    `,
    function* (log) {
      const s = new Semaphore(1);
      const g = spawn(function* (): Body {
        yield* s.acquire();
        try {
          yield* sleep(T);
        } finally {
          s.release();
        }
      });
      yield* sleep(0);
      yield* g.kill();
      log(s.counter, yield* s.acquire({ blocking: false }));
    },
  ),
];
