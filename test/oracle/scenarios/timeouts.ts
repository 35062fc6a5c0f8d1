// Timeout and with_timeout.

import { getcurrent, getHub, kill, sleep, spawn, Timeout, withTimeout } from '../../../ts/index.ts';
import { Oops, Other, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const timeouts = [
  same(
    'it is raised in the block that outlasts it, and not in one that does not',
    `
    t = Timeout.start_new(T)
    log(t.pending)
    try:
        sleep(3 * T)
        log('never')
    except Timeout as e:
        log(e is t, t.pending)
    t = Timeout.start_new(2 * T)
    sleep(T)
    t.cancel()
    log(t.pending)
    sleep(3 * T)
    log('undisturbed')
    `,
    function* (log) {
      let t = Timeout.startNew(T);
      log(t.pending);
      try {
        yield* sleep(3 * T);
        log('never');
      } catch (e) {
        log(e === t, t.pending);
      }
      t = Timeout.startNew(2 * T);
      yield* sleep(T);
      t.cancel();
      log(t.pending);
      yield* sleep(3 * T);
      log('undisturbed');
    },
  ),

  same(
    'what is raised: itself, a class, an instance; text and False mean itself',
    `
    for exception in (None, False, 'text', Oops, Oops('mine')):
        t = Timeout(T, exception)
        t.start()
        e = told(lambda: sleep(5 * T))
        log(e, e is t, e is exception)
    `,
    function* (log) {
      for (const exception of [null, false, 'text', Oops, new Oops('mine')] as const) {
        const t = new Timeout(T, exception);
        t.start();
        const e = yield* told(() => sleep(5 * T));
        log(e, e === t, e === exception);
      }
    },
  ),

  same(
    'what cannot be raised is reported, and the block is not interrupted',
    `
    Timeout.start_new(T, 42)
    sleep(3 * T)
    log('goes on')
    `,
    function* (log) {
      Timeout.startNew(T, 42 as any);
      yield* sleep(3 * T);
      log('goes on');
    },
  ),

  same(
    'without seconds it never comes, and may be started over and over',
    `
    t = Timeout(None)
    t.start()
    t.start()
    log(t.pending, t.seconds)
    sleep(T)
    t.cancel()
    log('over')
    `,
    function* (log) {
      const t = new Timeout(null);
      t.start();
      t.start();
      log(t.pending, t.seconds);
      yield* sleep(T);
      t.cancel();
      log('over');
    },
  ),

  same(
    'started twice it complains; cancelled it may start again, closed it may not',
    `
    t = Timeout.start_new(T)
    log(told(t.start))
    t.cancel()
    t.cancel()
    t.start()
    log(told(lambda: sleep(3 * T)) is t)
    t.start()
    t.close()
    log(t.pending, told(t.start))
    sleep(2 * T)
    `,
    function* (log) {
      const t = Timeout.startNew(T);
      log(yield* told(() => t.start()));
      t.cancel();
      t.cancel();
      t.start();
      log((yield* told(() => sleep(3 * T))) === t);
      t.start();
      t.close();
      log(t.pending, yield* told(() => t.start()));
      yield* sleep(2 * T);
    },
  ),

  same(
    'of nothing but ready greenlets, a timeout of 0 comes behind all',
    `
    def yields(n):
        for i in range(3):
            log(n, i)
            sleep(0)
    spawn(yields, 'a')
    t = Timeout.start_new(0)
    try:
        yields('b')
        sleep(T)
    except Timeout as e:
        log('timeout', e is t)
    t = Timeout.start_new(-1)
    log(told(lambda: sleep(T)) is t)
    `,
    function* (log) {
      function* yields(n: string): Body {
        for (let i = 0; i < 3; ++i) {
          log(n, i);
          yield* sleep(0);
        }
      }
      spawn(yields, 'a');
      let t = Timeout.startNew(0);
      try {
        yield* yields('b');
        yield* sleep(T);
      } catch (e) {
        log('timeout', e === t);
      }
      t = Timeout.startNew(-1);
      log((yield* told(() => sleep(T))) === t);
    },
  ),

  same(
    'nested: the shorter fires; an outer one goes through the inner; of equal ones the outer fires',
    `
    for out, inn in ((3, 1), (1, 3)):
        outer = Timeout.start_new(out * T)
        inner = Timeout.start_new(inn * T)
        try:
            try:
                sleep(10 * T)
            except Timeout as e:
                log('first', 'inner' if e is inner else 'outer', inner.pending, outer.pending)
                if e is not inner: raise
            finally:
                inner.close()
        except Timeout as e:
            log('outer', e is outer)
        finally:
            outer.close()
    `,
    function* (log) {
      for (const [out, inn] of [
        [3, 1],
        [1, 3],
      ]) {
        const outer = Timeout.startNew(out * T);
        const inner = Timeout.startNew(inn * T);
        try {
          try {
            yield* sleep(10 * T);
          } catch (e) {
            log('first', e === inner ? 'inner' : 'outer', inner.pending, outer.pending);
            if (e !== inner) throw e;
          } finally {
            inner.close();
          }
        } catch (e) {
          log('outer', e === outer);
        } finally {
          outer.close();
        }
      }
    },
  ),

  same(
    'it belongs to who started it, not to who made it',
    `
    t = Timeout(T)
    def starter():
        t.start()
        try:
            sleep(5 * T)
        except Timeout as e:
            log('starter', e is t)
    g = spawn(starter)
    sleep(3 * T)
    log('maker undisturbed', g.dead)
    `,
    function* (log) {
      const t = new Timeout(T);
      const g = spawn(function* (): Body {
        t.start();
        try {
          yield* sleep(5 * T);
        } catch (e) {
          log('starter', e === t);
        }
      });
      yield* sleep(3 * T);
      log('maker undisturbed', g.dead);
    },
  ),

  same(
    'what nobody catches ends the greenlet, is reported and is its error',
    `
    def victim():
        Timeout.start_new(T)
        sleep(5 * T)
    g = spawn(victim)
    g.join()
    log(g.successful(), g.exception)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        Timeout.startNew(T);
        yield* sleep(5 * T);
      });
      yield* g.join();
      log(g.successful(), g.exception);
    },
  ),

  same(
    'its text',
    `
    for t in (Timeout(), Timeout(0.5), Timeout(1), Timeout(2, False)): log('<%s>' % t)
    log('<%s>' % Timeout(0.5, 'why'))
    `,
    function* (log) {
      for (const t of [new Timeout(), new Timeout(0.5), new Timeout(1), new Timeout(2, false)]) log(`<${t.message}>`);
      log(`<${new Timeout(0.5, 'why').message}>`);
    },
  ),

  same(
    'start_new of a Timeout starts it, unless it is started, and gives it back',
    `
    t = Timeout(T)
    log(Timeout.start_new(t) is t, t.pending, Timeout.start_new(t) is t)
    log(told(lambda: sleep(3 * T)) is t)
    `,
    function* (log) {
      const t = new Timeout(T);
      log(Timeout.startNew(t) === t, t.pending, Timeout.startNew(t) === t);
      log((yield* told(() => sleep(3 * T))) === t);
    },
  ),

  same(
    'a kill and a timeout of one instant: the kill, which is ready, comes first',
    `
    def victim():
        t = Timeout.start_new(0)
        try:
            sleep(5 * T)
        except BaseException as e:
            log('first', e)
        log('second', told(lambda: sleep(T)))
        t.close()
    g = spawn(victim)
    sleep(0)
    gevent.kill(g)
    g.join()
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        const t = Timeout.startNew(0);
        try {
          yield* sleep(5 * T);
        } catch (e) {
          log('first', e);
        }
        log('second', yield* told(() => sleep(T)));
        t.close();
      });
      yield* sleep(0);
      kill(g);
      yield* g.join();
    },
  ),

  same(
    'with_timeout gives the result, or its value, or raises',
    `
    def slow(n):
        sleep(n * T)
        return n
    log(gevent.with_timeout(3 * T, slow, 1))
    log(told(lambda: gevent.with_timeout(T, slow, 3)))
    log(gevent.with_timeout(T, slow, 3, timeout_value='late'))
    log(gevent.with_timeout(None, slow, 1))
    def raises(): raise Oops('own')
    log(told(lambda: gevent.with_timeout(T, raises, timeout_value='late')))
    t = Timeout(T, Other('given'))
    log(told(lambda: gevent.with_timeout(t, slow, 3)))
    `,
    function* (log) {
      function* slow(n: number): Body {
        yield* sleep(n * T);
        return n;
      }
      log(yield* withTimeout(3 * T, slow, 1));
      log(yield* told(() => withTimeout(T, slow, 3)));
      log(yield* withTimeout({ seconds: T, timeoutValue: 'late' }, slow, 3));
      log(yield* withTimeout(null, slow, 1));
      const raises = () => {
        throw new Oops('own');
      };
      log(yield* told(() => withTimeout({ seconds: T, timeoutValue: 'late' }, raises)));
      const t = new Timeout(T, new Other('given'));
      log(yield* told(() => withTimeout(t, slow, 3)));
    },
  ),

  same(
    'with_timeout does not take an outer timeout for its own',
    `
    outer = Timeout.start_new(T)
    log(told(lambda: gevent.with_timeout(3 * T, sleep, 5 * T, timeout_value='inner')) is outer)
    sleep(4 * T)
    log('inner is closed')
    `,
    function* (log) {
      const outer = Timeout.startNew(T);
      const inner = { seconds: 3 * T, timeoutValue: 'inner' };
      log(
        (yield* told(() =>
          withTimeout(inner, function* (): Body {
            yield* sleep(5 * T);
          }),
        )) === outer,
      );
      yield* sleep(4 * T);
      log('inner is closed');
    },
  ),

  same(
    'a sleep of exactly the time of with_timeout ends first',
    `
    log(gevent.with_timeout(T, sleep, T, timeout_value='late'))
    `,
    function* (log) {
      function* slept(): Body {
        yield* sleep(T);
      }
      log(yield* withTimeout({ seconds: T, timeoutValue: 'late' }, slept));
    },
  ),

  same(
    'in main it is raised where main waits',
    `
    t = Timeout.start_new(T)
    log(told(lambda: sleep(5 * T)) is t)
    log(gevent.getcurrent() is hub.parent)
    `,
    async (log) => {
      const t = Timeout.startNew(T);
      try {
        await sleep(5 * T);
      } catch (e) {
        log(e === t);
      }
      log(getcurrent() === getHub().main);
    },
  ),
];
