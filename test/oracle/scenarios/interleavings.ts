// The twenty canonical interleavings: orders that gevent's users and its own tests rely on.

import { greenlet } from '../../../ts/greenlet.ts';
import { getcurrent, getHub, idle, joinall, kill, SystemExit, sleep, spawn, Timeout } from '../../../ts/index.ts';
import { Oops, Other, same, T } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const interleavings = [
  same(
    '1: a child spawned before a yield runs behind those who were queued',
    `
    def a():
        log('A1')
        spawn(log, 'child')
        sleep(0)
        log('A2')
    def b():
        log('B1')
        sleep(0)
        log('B2')
    joinall([spawn(a), spawn(b)])
    log('joined')
    `,
    function* (log) {
      function* a(): Body {
        log('A1');
        spawn(log, 'child');
        yield* sleep(0);
        log('A2');
      }
      function* b(): Body {
        log('B1');
        yield* sleep(0);
        log('B2');
      }
      yield* joinall([spawn(a), spawn(b)]);
      log('joined');
    },
  ),

  same(
    '2: two that yield take turns',
    `
    def both(n):
        log(n, 'A')
        sleep(0)
        log(n, 'B')
    spawn(both, 1)
    spawn(both, 2)
    `,
    function* (log) {
      function* both(n: number): Body {
        log(n, 'A');
        yield* sleep(0);
        log(n, 'B');
      }
      spawn(both, 1);
      spawn(both, 2);
    },
  ),

  same(
    '3: those spawned run in that order, and sleepers of equal delay wake in it',
    `
    def sleeper(n):
        log('runs', n)
        sleep(T)
        log('wakes', n)
    for n in range(5): spawn(sleeper, n)
    `,
    function* (log) {
      function* sleeper(n: number): Body {
        log('runs', n);
        yield* sleep(T);
        log('wakes', n);
      }
      for (let n = 0; n < 5; ++n) spawn(sleeper, n);
    },
  ),

  same(
    '4: a timer however short comes behind all that is ready',
    `
    def t():
        for n in range(2):
            sleep(1e-6)
            log('t', n)
    def z():
        for n in range(3):
            sleep(0)
            log('z', n)
    spawn(t)
    spawn(z)
    `,
    function* (log) {
      function* t(): Body {
        for (let n = 0; n < 2; ++n) {
          yield* sleep(1e-6);
          log('t', n);
        }
      }
      function* z(): Body {
        for (let n = 0; n < 3; ++n) {
          yield* sleep(0);
          log('z', n);
        }
      }
      spawn(t);
      spawn(z);
    },
  ),

  same(
    '5: idle waits for those who yield, not for timers',
    `
    def yields():
        for _ in range(3):
            sleep(0)
            log('s0')
        sleep(T)
        log('timer')
    def idler():
        gevent.idle()
        log('idle')
    spawn(idler)
    spawn(yields)
    `,
    function* (log) {
      function* yields(): Body {
        for (let n = 0; n < 3; ++n) {
          yield* sleep(0);
          log('s0');
        }
        yield* sleep(T);
        log('timer');
      }
      function* idler(): Body {
        yield* idle();
        log('idle');
      }
      spawn(idler);
      spawn(yields);
    },
  ),

  same(
    '8: links of every kind are called in the order they were made',
    `
    def who(what):
        return lambda g: log(what, gevent.getcurrent() is hub)
    g = spawn(lambda: 'value')
    for n in range(3): g.link(who('link %s' % n))
    g.rawlink(who('raw'))
    g.link_value(who('value'))
    g.link_exception(who('exception'))
    `,
    function* (log) {
      const hub = getHub();
      const who = (what: string) => () => log(what, getcurrent() === hub);
      const g = spawn(() => 'value');
      for (let n = 0; n < 3; ++n) g.link(who(`link ${n}`));
      g.rawlink(who('raw'));
      g.linkValue(who('value'));
      g.linkException(who('exception'));
    },
  ),

  same(
    '9: one spawned by the dying runs before its links',
    `
    def g():
        log('g')
        spawn(log, 'other')
    spawn(g).link(lambda _: log('link'))
    `,
    function* (log) {
      spawn(() => {
        log('g');
        spawn(log, 'other');
      }).link(() => log('link'));
    },
  ),

  same(
    '10: who joined first wakes before a link made later',
    `
    g = spawn(log, 'run')
    def joiner():
        g.join()
        log('joined')
    spawn(joiner)
    spawn(lambda: g.link(lambda _: log('link')))
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        yield* sleep(0);
        log('run');
      });
      spawn(function* (): Body {
        yield* g.join();
        log('joined');
      });
      spawn(() => g.link(() => log('link')));
    },
  ),

  same(
    '11: a link added by a link comes behind all that were there',
    `
    def run():
        sleep(0)
        log('run')
    g = spawn(run)
    def first(_):
        log('cb1')
        g.rawlink(lambda _: log('added during'))
    g.rawlink(first)
    g.rawlink(lambda _: log('cb2'))
    g.join()
    log('joined')
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        yield* sleep(0);
        log('run');
      });
      g.rawlink(() => {
        log('cb1');
        g.rawlink(() => log('added during'));
      });
      g.rawlink(() => log('cb2'));
      yield* g.join();
      log('joined');
    },
  ),

  same(
    '16: one that is ready when it is killed goes on, and dies where it blocks next',
    `
    def victim():
        try:
            log('yields')
            sleep(0)
            log('goes on')
            sleep(0)
            log('never')
        finally:
            log('over')
    g = spawn(victim)
    sleep(0)
    gevent.kill(g)
    log('ordered')
    g.join()
    log('joined')
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        try {
          log('yields');
          yield* sleep(0);
          log('goes on');
          yield* sleep(0);
          log('never');
        } finally {
          log('over');
        }
      });
      yield* sleep(0);
      kill(g);
      log('ordered');
      yield* g.join();
      log('joined');
    },
  ),

  same(
    '18: of two timeouts in one block the shorter fires first, and the longer next',
    `
    outer, inner = Timeout(2 * T), Timeout(T)
    outer.start()
    inner.start()
    for _ in range(2):
        try:
            sleep(10 * T)
        except Timeout as t:
            log('outer' if t is outer else 'inner', outer.pending, inner.pending)
    `,
    function* (log) {
      const [outer, inner] = [new Timeout(2 * T), new Timeout(T)];
      outer.start();
      inner.start();
      for (let n = 0; n < 2; ++n) {
        try {
          yield* sleep(10 * T);
        } catch (t) {
          log(t === outer ? 'outer' : 'inner', outer.pending, inner.pending);
        }
      }
    },
  ),

  same(
    '19: errors go to the parent that is parked, and past those who never ran',
    `
    def child():
        raise Oops('of the child')
    def parent():
        try:
            greenlet(child).switch()
        except Oops as e:
            log('caught', e)
        return 'done'
    log('back', greenlet(parent).switch())
    grand = greenlet(lambda: log('never'))
    young = greenlet(lambda: log('never'), grand)
    try:
        young.throw(Other('thrown'))
    except Other as e:
        log('arrived', e)
    log(young.dead, grand.dead)
    `,
    function* (log) {
      function child(): never {
        throw new Oops('of the child');
      }
      function* parent(): Body {
        try {
          yield* new greenlet(child).switch();
        } catch (e) {
          log('caught', e);
        }
        return 'done';
      }
      log('back', yield* new greenlet(parent).switch());
      const grand = new greenlet(() => log('never'));
      const young = new greenlet(() => log('never'), grand);
      try {
        yield* young.throw(new Other('thrown'));
      } catch (e) {
        log('arrived', e);
      }
      log(young.dead, grand.dead);
    },
  ),

  same(
    '20: an exit in a greenlet is raised in main, which sleeps, and nothing is reported',
    `
    import sys
    g = spawn(sys.exit)
    try:
        sleep(10 * T)
    except SystemExit as e:
        log('main', e, g.exception is e, g.successful())
    `,
    async (log) => {
      const g = spawn(() => {
        throw new SystemExit();
      });
      try {
        await sleep(10 * T);
      } catch (e) {
        log('main', e, g.exception === e, g.successful());
      }
    },
  ),
];
