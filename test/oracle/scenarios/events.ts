// Event and AsyncResult.

import { AsyncResult, Event } from '../../../ts/event.ts';
import { kill, sleep, spawn, spawnLater, Timeout, wait } from '../../../ts/index.ts';
import { differs, Oops, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const events = [
  same(
    'interleaving 6: a set wakes all who wait, also when it is cleared at once; who sets and waits comes behind them',
    `
    e = Event()
    def waiter(n): log(n, e.wait())
    for n in range(3): spawn(waiter, n)
    sleep(0)
    e.set()
    log('main')
    e.clear()
    sleep(0)
    for n in range(2): spawn(waiter, n)
    sleep(0)
    e.set()
    e.wait()
    log('main')
    `,
    function* (log) {
      const e = new Event();
      function* waiter(n: number): Body {
        log(n, yield* e.wait());
      }
      for (let n = 0; n < 3; ++n) spawn(waiter, n);
      yield* sleep(0);
      e.set();
      log('main');
      e.clear();
      yield* sleep(0);
      for (let n = 0; n < 2; ++n) spawn(waiter, n);
      yield* sleep(0);
      e.set();
      yield* e.wait();
      log('main');
    },
  ),

  same(
    'interleaving 7: one that is woken clears it and spawns another, which waits for the next set',
    `
    e = Event()
    def w3(): log('w3', e.wait(T))
    def w1():
        e.wait()
        log('w1')
        e.clear()
        spawn(w3)
    def w2(): log('w2', e.wait(), e.is_set())
    spawn(w1)
    spawn(w2)
    sleep(0)
    e.set()
    `,
    function* (log) {
      const e = new Event();
      function* w3(): Body {
        log('w3', yield* e.wait({ timeout: T }));
      }
      spawn(function* (): Body {
        yield* e.wait();
        log('w1');
        e.clear();
        spawn(w3);
      });
      spawn(function* (): Body {
        log('w2', yield* e.wait(), e.isSet());
      });
      yield* sleep(0);
      e.set();
    },
  ),

  same(
    'Event: is_set, ready; wait on a set one is true at once, with a timeout false when it comes',
    `
    e = Event()
    log(e.is_set(), e.ready(), e.wait(0), e.wait(T), e.wait(timeout=T))
    spawn(log, 'other')
    e.set()
    e.set()
    log(e.is_set(), e.ready(), e.wait(), e.wait(0))
    e.clear()
    e.clear()
    log(e.is_set(), e.ready())
    spawn_later(T, e.set)
    log(e.wait(3 * T))
    `,
    function* (log) {
      const e = new Event();
      log(
        e.isSet(),
        e.ready(),
        yield* e.wait({ timeout: 0 }),
        yield* e.wait({ timeout: T }),
        yield* e.wait({ timeout: T }),
      );
      spawn(() => log('other'));
      e.set();
      e.set();
      log(e.isSet(), e.ready(), yield* e.wait(), yield* e.wait({ timeout: 0 }));
      e.clear();
      e.clear();
      log(e.isSet(), e.ready());
      spawnLater(T, () => e.set());
      log(yield* e.wait({ timeout: 3 * T }));
    },
  ),

  same(
    'Event: a waiter that is killed, and one that is timed out from outside, are gone when it is set',
    `
    e = Event()
    def waiter(n):
        try:
            log(n, e.wait())
        except BaseException as ex:
            log(n, ex)
    gs = [spawn(waiter, n) for n in range(3)]
    def outer():
        t = Timeout.start_new(T)
        log('outer', told(lambda: e.wait(5 * T)) is t)
    spawn(outer)
    sleep(0)
    gs[1].kill()
    sleep(2 * T)
    log(e.linkcount() if hasattr(e, 'linkcount') else 2)
    e.set()
    `,
    function* (log) {
      const e = new Event();
      function* waiter(n: number): Body {
        try {
          log(n, yield* e.wait());
        } catch (ex) {
          log(n, ex);
        }
      }
      const gs = [0, 1, 2].map((n) => spawn(waiter, n));
      spawn(function* (): Body {
        const t = Timeout.startNew(T);
        log('outer', (yield* told(() => e.wait({ timeout: 5 * T }))) === t);
      });
      yield* sleep(0);
      yield* gs[1].kill();
      yield* sleep(2 * T);
      log(e.linkcount());
      e.set();
    },
  ),

  same(
    'Event: a kill ordered after the set comes too late, one before it does not',
    `
    e = Event()
    def waiter(n):
        log(n, told(e.wait))
        log(n, told(lambda: sleep(T)))
    a, b = spawn(waiter, 'a'), spawn(waiter, 'b')
    sleep(0)
    gevent.kill(a)
    e.set()
    gevent.kill(b)
    `,
    function* (log) {
      const e = new Event();
      function* waiter(n: string): Body {
        log(n, yield* told(() => e.wait()));
        log(n, yield* told(() => sleep(T)));
      }
      const [a, b] = [spawn(waiter, 'a'), spawn(waiter, 'b')];
      yield* sleep(0);
      kill(a);
      e.set();
      kill(b);
    },
  ),

  same(
    'Event: links are called when it is set, in their order among waiters; unlinked ones are not; one on a set event soon',
    `
    e = Event()
    def gone(_): log('never')
    e.rawlink(lambda o: log('link', o is e))
    spawn(lambda: log('waiter', e.wait()))
    sleep(0)
    e.rawlink(gone)
    e.rawlink(lambda o: log('last'))
    e.unlink(gone)
    e.unlink(gone)
    e.set()
    log('set')
    sleep(0)
    e.rawlink(lambda o: log('late'))
    log('linked')
    sleep(0)
    def raises(_): raise Oops('link')
    e.rawlink(raises)
    e.rawlink(lambda _: log('after'))
    sleep(0)
    log(told(lambda: e.rawlink(42)))
    `,
    function* (log) {
      const e = new Event();
      const gone = () => log('never');
      e.rawlink((o) => log('link', o === e));
      spawn(function* (): Body {
        log('waiter', yield* e.wait());
      });
      yield* sleep(0);
      e.rawlink(gone);
      e.rawlink(() => log('last'));
      e.unlink(gone);
      e.unlink(gone);
      e.set();
      log('set');
      yield* sleep(0);
      e.rawlink(() => log('late'));
      log('linked');
      yield* sleep(0);
      e.rawlink(() => {
        throw new Oops('link');
      });
      e.rawlink(() => log('after'));
      yield* sleep(0);
      log(yield* told(() => e.rawlink(42 as any)));
    },
  ),

  differs(
    {
      why: 'a notification is over when its last waiter is taken from the list, not when that one has run',
      gevent: ['woken', 'linked', 'other', 'link'],
      here: ['woken', 'linked', 'link', 'other'],
    },
    'Event: the last to be woken links again',
    `
    e = Event()
    def waiter():
        e.wait()
        log('woken')
        e.rawlink(lambda _: log('link'))
        spawn(log, 'other')
        log('linked')
        sleep(0)
    spawn(waiter)
    sleep(0)
    e.set()
    `,
    function* (log) {
      const e = new Event();
      spawn(function* (): Body {
        yield* e.wait();
        log('woken');
        e.rawlink(() => log('link'));
        spawn(() => log('other'));
        log('linked');
        yield* sleep(0);
      });
      yield* sleep(0);
      e.set();
    },
  ),

  differs(
    {
      why: 'nobody is being notified any more, and the flag is up: there is nothing to wait for',
      gevent: ['1', '2', 'other', '3'],
      here: ['1', '2', '3', 'other'],
    },
    'Event: the last to be woken waits again and again',
    `
    e = Event()
    def waiter():
        e.wait()
        log(1)
        spawn(log, 'other')
        e.wait()
        log(2)
        e.wait()
        log(3)
    spawn(waiter)
    sleep(0)
    e.set()
    `,
    function* (log) {
      const e = new Event();
      spawn(function* (): Body {
        yield* e.wait();
        log(1);
        spawn(() => log('other'));
        yield* e.wait();
        log(2);
        yield* e.wait();
        log(3);
      });
      yield* sleep(0);
      e.set();
    },
  ),

  differs(
    {
      why: 'who comes while a notification is pending queues in the order of coming, links and waiters alike',
      gevent: ['first', 'link', 'waiter true'],
      here: ['first', 'waiter true', 'link'],
    },
    'Event: a link is made while a notification is pending and somebody waits for that',
    `
    e = Event()
    e.rawlink(lambda _: log('first'))
    spawn(lambda: e.rawlink(lambda _: log('link')))
    e.set()
    log('waiter', e.wait())
    `,
    function* (log) {
      const e = new Event();
      e.rawlink(() => log('first'));
      spawn(() => e.rawlink(() => log('link')));
      e.set();
      log('waiter', yield* e.wait());
    },
  ),

  differs(
    {
      why: 'gevent forgets who came while a notification was pending when the last of those it was for leaves; here he is told',
      gevent: ['comes', 'killed GreenletExit', 'over'],
      here: ['comes', 'killed GreenletExit', 'woken true', 'over'],
    },
    'Event: who is to be notified is killed, and another had come meanwhile',
    `
    e = Event()
    def first():
        try:
            e.wait()
        except GreenletExit as ex:
            log('killed', ex)
    def second():
        log('comes')
        log('woken', e.wait())
    g = spawn(first)
    sleep(0)
    spawn(second)
    gevent.kill(g)
    e.set()
    sleep(T)
    log('over')
    `,
    function* (log) {
      const e = new Event();
      const g = spawn(function* (): Body {
        try {
          yield* e.wait();
        } catch (ex) {
          log('killed', ex);
          throw ex;
        }
      });
      yield* sleep(0);
      spawn(function* (): Body {
        log('comes');
        log('woken', yield* e.wait());
      });
      kill(g);
      e.set();
      yield* sleep(T);
      log('over');
    },
  ),

  same(
    'AsyncResult: set wakes those who wait; the newest value wins',
    `
    a = AsyncResult()
    log(a.ready(), a.successful(), a.value, a.exception)
    def getter(n): log(n, a.get())
    for n in range(2): spawn(getter, n)
    def waiter(): log('wait', a.wait())
    spawn(waiter)
    sleep(0)
    a.set('one')
    log(a.ready(), a.successful(), a.value, a.exception)
    a.set('two')
    sleep(0)
    log(a.get(), a.get_nowait(), a.wait())
    a.set()
    log(a.get(), a.ready())
    `,
    function* (log) {
      const a = new AsyncResult<any>();
      log(a.ready(), a.successful(), a.value, a.exception);
      function* getter(n: number): Body {
        log(n, yield* a.get());
      }
      for (let n = 0; n < 2; ++n) spawn(getter, n);
      spawn(function* (): Body {
        log('wait', yield* a.wait());
      });
      yield* sleep(0);
      a.set('one');
      log(a.ready(), a.successful(), a.value, a.exception);
      a.set('two');
      yield* sleep(0);
      log(yield* a.get(), a.getNowait(), yield* a.wait());
      a.set();
      log(yield* a.get(), a.ready());
    },
  ),

  same(
    'AsyncResult: an exception is raised by get each time, and wait gives nothing',
    `
    a = AsyncResult()
    e = Oops('stored')
    def getter(): log(told(a.get) is e)
    spawn(getter)
    spawn(lambda: log('wait', a.wait()))
    sleep(0)
    a.set_exception(e)
    sleep(0)
    log(a.ready(), a.successful(), a.value, a.exception is e, told(a.get) is e, told(a.get_nowait) is e, a.wait())
    a.set(5)
    log(told(a.get), a.successful(), a.exception)
    `,
    function* (log) {
      const a = new AsyncResult<any>();
      const e = new Oops('stored');
      spawn(function* (): Body {
        log((yield* told(() => a.get())) === e);
      });
      spawn(function* (): Body {
        log('wait', yield* a.wait());
      });
      yield* sleep(0);
      a.setException(e);
      yield* sleep(0);
      log(
        a.ready(),
        a.successful(),
        a.value,
        a.exception === e,
        (yield* told(() => a.get())) === e,
        (yield* told(() => a.getNowait())) === e,
        yield* a.wait(),
      );
      a.set(5);
      log(yield* told(() => a.get()), a.successful(), a.exception);
    },
  ),

  same(
    'AsyncResult: get that does not block or is timed out raises Timeout; wait gives nothing then',
    `
    a = AsyncResult()
    log(told(lambda: a.get(block=False)), told(a.get_nowait), told(lambda: a.get(timeout=0)), told(lambda: a.get(timeout=T)))
    log(a.wait(0), a.wait(T))
    t = Timeout(T, Oops('mine'))
    log(told(lambda: a.get(timeout=t)))
    spawn_later(T, a.set, 'late')
    log(a.get(timeout=3 * T))
    `,
    function* (log) {
      const a = new AsyncResult<string>();
      log(
        yield* told(() => a.get({ block: false })),
        yield* told(() => a.getNowait()),
        yield* told(() => a.get({ timeout: 0 })),
        yield* told(() => a.get({ timeout: T })),
      );
      log(yield* a.wait({ timeout: 0 }), yield* a.wait({ timeout: T }));
      const t = new Timeout(T, new Oops('mine'));
      log(yield* told(() => a.get({ timeout: t })));
      spawnLater(T, () => a.set('late'));
      log(yield* a.get({ timeout: 3 * T }));
    },
  ),

  same(
    'AsyncResult: as the link of a greenlet it has its result or its error',
    `
    def fails(): raise Oops('no')
    for body in (lambda: 'value', fails, lambda: sleep(10 * T)):
        a = AsyncResult()
        g = spawn(body)
        g.link(a)
        sleep(0)
        g.kill(block=False)
        log(told(a.get), a.successful(), a.exception)
    `,
    function* (log) {
      const fails = () => {
        throw new Oops('no');
      };
      for (const body of [() => 'value', fails, () => sleep(10 * T)]) {
        const a = new AsyncResult<any>();
        const g = spawn(body as () => any);
        g.link(a.copyFrom as any);
        yield* sleep(0);
        g.kill({ block: false });
        log(yield* told(() => a.get()), a.successful(), a.exception);
      }
    },
  ),

  same(
    'AsyncResult: done, cancel, cancelled, result, set_result, as futures have them',
    `
    a = AsyncResult()
    log(a.done(), a.cancel(), a.cancelled())
    a.set_result(1)
    log(a.done(), a.result(), a.result(timeout=0))
    log(told(lambda: AsyncResult().result(timeout=T)))
    `,
    function* (log) {
      const a = new AsyncResult<number>();
      log(a.done(), a.cancel(), a.cancelled());
      a.setResult(1);
      log(a.done(), yield* a.result(), yield* a.result({ timeout: 0 }));
      log(yield* told(() => new AsyncResult().result({ timeout: T })));
    },
  ),

  same(
    'wait on events, results and greenlets at once: in the order they become ready',
    `
    e, a = Event(), AsyncResult()
    g = spawn(sleep, 2 * T)
    names = {id(e): 'event', id(a): 'result', id(g): 'greenlet'}
    spawn_later(3 * T, e.set)
    spawn_later(T, a.set, 1)
    log([names[id(o)] for o in wait([e, a, g], timeout=0)])
    log([names[id(o)] for o in wait([e, a, g], count=1)])
    log([names[id(o)] for o in wait([e, a, g], timeout=1.5 * T)])
    log([names[id(o)] for o in wait([e, a, g])])
    `,
    function* (log) {
      const [e, a] = [new Event(), new AsyncResult<number>()];
      const g = spawn(function* (): Body {
        yield* sleep(2 * T);
      });
      const names = new Map<unknown, string>([
        [e, 'event'],
        [a, 'result'],
        [g, 'greenlet'],
      ]);
      spawnLater(3 * T, () => e.set());
      spawnLater(T, () => a.set(1));
      const all = [e, a, g];
      for (const options of [{ timeout: 0 }, { count: 1 }, { timeout: 1.5 * T }, {}]) {
        log((yield* wait<any>(all, options)).map((o) => names.get(o)));
      }
    },
  ),
];
