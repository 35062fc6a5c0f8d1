// Greenlet: states, start, join, get, kill, throw, links.

import {
  Greenlet,
  GreenletExit,
  getcurrent,
  getHub,
  joinall,
  kill,
  killall,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  Timeout,
} from '../../../ts/index.ts';
import { differs, type Log, Oops, refused, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

function* sleeper(): Body {
  yield* sleep(10 * T);
}

/** Logs how it goes on after each exception, `times` times. */
function* stubborn(log: Log, times: number): Body {
  for (let n = 0; n < times; ++n) {
    try {
      yield* sleep(10 * T);
    } catch (e) {
      log('resists', e);
    }
  }
  log('gives in');
}

export const greenlets = [
  same(
    'its states from made to returned, raised and killed',
    `
    def states(what, g):
        log(what, bool(g), g.started, g.dead, g.ready(), g.successful(), g.value, g.exception)
    def fails():
        raise Oops('no')
    for run in (lambda: 7, fails, lambda: sleep(10 * T)):
        g = Greenlet(run)
        states('made', g)
        g.start()
        states('started', g)
        sleep(0)
        states('ran', g)
        g.kill()
        states('killed', g)
    `,
    function* (log) {
      const states = (what: string, g: Greenlet) =>
        log(what, g.active, g.started, g.dead, g.ready(), g.successful(), g.value, g.exception);
      const fails = () => {
        throw new Oops('no');
      };
      for (const run of [() => 7, fails, sleeper]) {
        const g = new Greenlet(run as () => number);
        states('made', g);
        g.start();
        states('started', g);
        yield* sleep(0);
        states('ran', g);
        yield* g.kill();
        states('killed', g);
      }
    },
  ),

  same(
    'start counts once, and one that was killed before never runs',
    `
    g = Greenlet(lambda: log('runs'))
    g.start()
    g.start()
    g.start_later(T)
    g.join()
    g.start()
    sleep(2 * T)
    h = Greenlet(lambda: log('never'))
    h.rawlink(lambda _: log('told'))
    h.kill()
    log(h.dead, h.value, h.successful())
    h.start()
    sleep(0)
    `,
    function* (log) {
      const g = new Greenlet(() => log('runs'));
      g.start();
      g.start();
      g.startLater(T);
      yield* g.join();
      g.start();
      yield* sleep(2 * T);
      const h = new Greenlet(() => log('never'));
      h.rawlink(() => log('told'));
      yield* h.kill();
      log(h.dead, h.value, h.successful());
      h.start();
      yield* sleep(0);
    },
  ),

  same(
    'start_later runs by the time, and after all that is ready when the time is 0',
    `
    for seconds in (2 * T, T, 0):
        g = Greenlet(log, 'after', 'more' if seconds else 'none')
        g.start_later(seconds)
    Greenlet.spawn_later(3 * T, log, 'spawn_later').join(T)
    def yields():
        for n in range(3):
            log('ready', n)
            sleep(0)
    spawn(yields)
    spawn_later(0, log, 'zero')
    sleep(5 * T)
    `,
    function* (log) {
      for (const seconds of [2 * T, T, 0]) {
        const g = new Greenlet(log, 'after', seconds > 0 ? 'more' : 'none');
        g.startLater(seconds);
      }
      yield* Greenlet.spawnLater(3 * T, () => log('spawn_later')).join({ timeout: T });
      spawn(function* (): Body {
        for (let n = 0; n < 3; ++n) {
          log('ready', n);
          yield* sleep(0);
        }
      });
      Greenlet.spawnLater(0, () => log('zero'));
      yield* sleep(5 * T);
    },
  ),

  same(
    'one to be started later that is killed never runs',
    `
    g = Greenlet.spawn_later(T, log, 'never')
    g.kill()
    log(g.dead, g.value)
    sleep(2 * T)
    log('over')
    `,
    function* (log) {
      const g = Greenlet.spawnLater(T, () => log('never'));
      yield* g.kill();
      log(g.dead, g.value);
      yield* sleep(2 * T);
      log('over');
    },
  ),

  same(
    'join never raises, and ends on its timeout while the other lives on',
    `
    def fails():
        sleep(T)
        raise Oops('late')
    g = spawn(fails)
    log(g.join(0), g.dead)
    log(g.join(T / 2), g.dead)
    log(g.join(), g.dead, g.exception)
    log(g.join(), g.join(0))
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        yield* sleep(T);
        throw new Oops('late');
      });
      log(yield* g.join({ timeout: 0 }), g.dead);
      log(yield* g.join({ timeout: T / 2 }), g.dead);
      log(yield* g.join(), g.dead, g.exception);
      log(yield* g.join(), yield* g.join({ timeout: 0 }));
    },
  ),

  same(
    'several who join one wake in the order they came, also when some gave up',
    `
    def worker():
        sleep(3 * T)
    g = spawn(worker)
    def joiner(n, timeout):
        g.join(timeout)
        log(n, g.dead)
    for n in range(4): spawn(joiner, n, T if n % 2 else None)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        yield* sleep(3 * T);
      });
      function* joiner(n: number, timeout: number | null): Body {
        yield* g.join({ timeout });
        log(n, g.dead);
      }
      for (let n = 0; n < 4; ++n) spawn(joiner, n, n % 2 === 1 ? T : null);
    },
  ),

  same(
    'get gives the value, raises the same error each time, and Timeout when it is not ready',
    `
    g = spawn(lambda: 7)
    log(told(lambda: g.get(block=False)))
    log(told(lambda: g.get(timeout=0)))
    log(g.get(), g.get())
    def fails():
        sleep(T)
        raise Oops('mine')
    h = spawn(fails)
    log(told(lambda: h.get(timeout=T / 2)))
    first = told(h.get)
    log(first, told(h.get) is first, h.exception is first)
    k = spawn(sleep, T)
    k.kill()
    log(k.get())
    `,
    function* (log) {
      const g = spawn(() => 7);
      log(yield* told(() => g.get({ block: false })));
      log(yield* told(() => g.get({ timeout: 0 })));
      log(yield* g.get(), yield* g.get());
      const h = spawn(function* (): Body {
        yield* sleep(T);
        throw new Oops('mine');
      });
      log(yield* told(() => h.get({ timeout: T / 2 })));
      const first = yield* told(() => h.get());
      log(first, (yield* told(() => h.get())) === first, h.exception === first);
      const k = spawn(sleeper);
      yield* k.kill();
      log(yield* k.get());
    },
  ),

  same(
    'a Timeout object as the limit of get brings its own exception',
    `
    g = spawn(sleep, 5 * T)
    log(told(lambda: g.get(timeout=Timeout(T, Oops('mine')))))
    t = Timeout(T)
    log(told(lambda: g.get(timeout=t)) is t)
    outer = Timeout.start_new(T)
    log(told(lambda: g.get(timeout=3 * T)) is outer)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        yield* sleep(5 * T);
      });
      log(yield* told(() => g.get({ timeout: new Timeout(T, new Oops('mine')) })));
      const t = new Timeout(T);
      log((yield* told(() => g.get({ timeout: t }))) === t);
      const outer = Timeout.startNew(T);
      log((yield* told(() => g.get({ timeout: 3 * T }))) === outer);
    },
  ),

  same(
    'kill raises where it is suspended, and waits for the end of what runs in finally',
    `
    def victim():
        try:
            sleep(10 * T)
        finally:
            log('finally')
            sleep(T)
            log('cleaned')
    g = spawn(victim)
    sleep(0)
    log('killed', g.kill(), g.dead, g.value)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        try {
          yield* sleep(10 * T);
        } finally {
          log('finally');
          yield* sleep(T);
          log('cleaned');
        }
      });
      yield* sleep(0);
      log('killed', yield* g.kill(), g.dead, g.value);
    },
  ),

  same(
    'kill with a timeout stops waiting for one that resists',
    `
    def stubborn(times):
        for _ in range(times):
            try:
                sleep(10 * T)
            except BaseException as e:
                log('resists', e)
        log('gives in')
    g = spawn(stubborn, 3)
    sleep(0)
    log(g.kill(timeout=T), g.dead)
    log(g.kill(Oops('a'), block=False), g.dead)
    sleep(0)
    log(g.kill(Oops), g.dead, g.value, g.exception)
    `,
    function* (log) {
      const g = spawn(stubborn, log, 3);
      yield* sleep(0);
      log(yield* g.kill({ timeout: T }), g.dead);
      log(yield* g.kill({ exception: new Oops('a'), block: false }), g.dead);
      yield* sleep(0);
      log(yield* g.kill({ exception: Oops }), g.dead, g.value, g.exception);
    },
  ),

  same(
    'killed with an error it has failed, and that is reported',
    `
    g = spawn(sleep, 10 * T)
    sleep(0)
    g.kill(Oops('deadly'))
    log(g.successful(), g.value, g.exception)
    log(told(g.get))
    `,
    function* (log) {
      const g = spawn(sleeper);
      yield* sleep(0);
      yield* g.kill({ exception: new Oops('deadly') });
      log(g.successful(), g.value, g.exception);
      log(yield* told(() => g.get()));
    },
  ),

  same(
    'one that kills itself: at once, or where it blocks next',
    `
    def now():
        try:
            gevent.getcurrent().kill()
        finally:
            log('now')
    def then():
        gevent.getcurrent().kill(block=False)
        log('not yet')
        sleep(10 * T)
        log('never')
    for body in (now, then):
        g = spawn(body)
        g.join()
        log(g.value)
    `,
    function* (log) {
      function* now(): Body {
        try {
          yield* (getcurrent() as Greenlet).kill();
        } finally {
          log('now');
        }
      }
      function* then(): Body {
        yield* (getcurrent() as Greenlet).kill({ block: false });
        log('not yet');
        yield* sleep(10 * T);
        log('never');
      }
      for (const body of [now, then]) {
        const g = spawn(body);
        yield* g.join();
        log(g.value);
      }
    },
  ),

  same(
    'a kill of one that runs to its end without blocking comes too late',
    `
    def victim():
        log('runs')
        sleep(0)
        log('ends')
        return 'value'
    g = spawn(victim)
    sleep(0)
    g.kill(block=False)
    g.join()
    log(g.value)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        log('runs');
        yield* sleep(0);
        log('ends');
        return 'value';
      });
      yield* sleep(0);
      yield* g.kill({ block: false });
      yield* g.join();
      log(g.value);
    },
  ),

  same(
    'two kills of one: the first is caught, the second ends it',
    `
    def victim():
        try:
            sleep(10 * T)
        except GreenletExit:
            log('first')
        sleep(10 * T)
        log('never')
    g = spawn(victim)
    sleep(0)
    gevent.kill(g)
    gevent.kill(g, Oops('second'))
    g.join()
    log(g.value, g.exception)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        try {
          yield* sleep(10 * T);
        } catch (e) {
          if (!(e instanceof GreenletExit)) throw e;
          log('first');
        }
        yield* sleep(10 * T);
        log('never');
      });
      yield* sleep(0);
      kill(g);
      kill(g, new Oops('second'));
      yield* g.join();
      log(g.value, g.exception);
    },
  ),

  same(
    'who waits in a kill can be killed itself; the victim dies all the same',
    `
    def victim():
        try:
            sleep(10 * T)
        finally:
            log('victim dies')
            sleep(T)
            log('victim dead')
    v = spawn(victim)
    sleep(0)
    def killer():
        try:
            v.kill()
            log('never')
        except GreenletExit:
            log('killer dies')
    k = spawn(killer)
    sleep(0)
    k.kill()
    log(k.dead, v.dead)
    v.join()
    log(v.dead)
    `,
    function* (log) {
      const v = spawn(function* (): Body {
        try {
          yield* sleep(10 * T);
        } finally {
          log('victim dies');
          yield* sleep(T);
          log('victim dead');
        }
      });
      yield* sleep(0);
      const k = spawn(function* (): Body {
        try {
          yield* v.kill();
          log('never');
        } catch {
          log('killer dies');
        }
      });
      yield* sleep(0);
      yield* k.kill();
      log(k.dead, v.dead);
      yield* v.join();
      log(v.dead);
    },
  ),

  same(
    'throw from a callback arrives at once; on the dead and the unborn it is no switch',
    `
    def victim():
        try:
            sleep(10 * T)
        except Oops as e:
            log('caught', e)
    g = spawn(victim)
    sleep(0)
    def callback():
        log('throws')
        g.throw(Oops('in'))
        log('thrown', g.dead)
    hub.loop.run_callback(callback)
    g.join()
    log(g.throw(Oops('again')), g.successful())
    h = Greenlet(lambda: log('never'))
    h.throw(Oops('unborn'))
    log(h.dead, h.exception)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        try {
          yield* sleep(10 * T);
        } catch (e) {
          log('caught', e);
        }
      });
      yield* sleep(0);
      getHub().loop.runCallback(() => {
        log('throws');
        g.throw(new Oops('in'));
        log('thrown', g.dead);
      });
      yield* g.join();
      log(yield* g.throw(new Oops('again')), g.successful());
      const h = new Greenlet(() => log('never'));
      yield* h.throw(new Oops('unborn'));
      log(h.dead, h.exception);
    },
  ),

  same(
    'link, link_value and link_exception by how it ended; what they run may block',
    `
    def fails():
        raise Oops('no')
    def slow(what):
        def callback(g):
            log(what, 'begins', g.successful())
            sleep(T)
            log(what, 'ends')
        return callback
    for body in (lambda: 'value', fails, lambda: sleep(10 * T)):
        g = spawn(body)
        g.link(slow('any'))
        g.link_value(slow('value'))
        g.link_exception(slow('exception'))
        sleep(0)
        g.kill()
        sleep(3 * T)
    `,
    function* (log) {
      const fails = () => {
        throw new Oops('no');
      };
      const slow = (what: string) =>
        function* (g: Greenlet): Body {
          log(what, 'begins', g.successful());
          yield* sleep(T);
          log(what, 'ends');
        };
      for (const body of [() => 'value', fails, sleeper]) {
        const g = spawn(body as () => string);
        g.link(slow('any'));
        g.linkValue(slow('value'));
        g.linkException(slow('exception'));
        yield* sleep(0);
        yield* g.kill();
        yield* sleep(3 * T);
      }
    },
  ),

  same(
    'a link that raises is reported and the others are called; unlinked ones are not',
    `
    def raises(g):
        log('raises')
        raise Oops('link')
    def gone(g):
        log('never')
    g = spawn(lambda: 1)
    g.rawlink(lambda _: g.unlink(gone))
    g.rawlink(raises)
    g.rawlink(gone)
    g.link(raises)
    g.link(lambda _: log('last'))
    log(bool(g.has_links()))
    sleep(0)
    sleep(0)
    log(bool(g.has_links()))
    h = spawn(lambda: 1)
    h.link(gone)
    h.rawlink(gone)
    h.unlink_all()
    h.unlink(gone)
    sleep(0)
    sleep(0)
    log('end')
    `,
    function* (log) {
      const raises = () => {
        log('raises');
        throw new Oops('link');
      };
      const gone = () => log('never');
      const g = spawn(() => 1);
      g.rawlink(() => g.unlink(gone));
      g.rawlink(raises);
      g.rawlink(gone);
      g.link(raises);
      g.link(() => log('last'));
      log(g.hasLinks() > 0);
      yield* sleep(0);
      yield* sleep(0);
      log(g.hasLinks() > 0);
      const h = spawn(() => 1);
      h.link(gone);
      h.rawlink(gone);
      h.unlinkAll();
      h.unlink(gone);
      yield* sleep(0);
      yield* sleep(0);
      log('end');
    },
  ),

  same(
    'a link to one that has ended is called later, never at once',
    `
    g = spawn(lambda: 'v')
    g.join()
    g.rawlink(lambda g: log('raw', g.value))
    g.link(lambda g: log('link', g.value))
    log('linked')
    sleep(0)
    log('yielded')
    sleep(0)
    `,
    function* (log) {
      const g = spawn(() => 'v');
      yield* g.join();
      g.rawlink(() => log('raw', g.value));
      g.link(() => log('link', g.value));
      log('linked');
      yield* sleep(0);
      log('yielded');
      yield* sleep(0);
    },
  ),

  same(
    'a blocking call in a rawlink is refused',
    `
    g = spawn(lambda: 1)
    def blocks(_):
        log(told(lambda: sleep(0)))
        log(told(lambda: sleep(T)))
    g.rawlink(blocks)
    sleep(0)
    sleep(0)
    `,
    function* (log) {
      const g = spawn(() => 1);
      g.rawlink(() => {
        log(refused(() => sleep(0)));
        log(refused(() => sleep(T)));
      });
      yield* sleep(0);
      yield* sleep(0);
    },
  ),

  same(
    'an error leaves the others alone, and main too',
    `
    def fails():
        log('fails')
        raise Oops('no')
    spawn(fails)
    g = spawn(sleep, T)
    spawn(fails)
    g.join()
    log('goes on')
    `,
    function* (log) {
      const fails = () => {
        log('fails');
        throw new Oops('no');
      };
      spawn(fails);
      const g = spawn(function* (): Body {
        yield* sleep(T);
      });
      spawn(fails);
      yield* g.join();
      log('goes on');
    },
  ),

  same(
    'a subclass runs its _run, with its arguments',
    `
    class Mine(Greenlet):
        def _run(self, a, b):
            log('runs', a, b, gevent.getcurrent() is self)
            sleep(0)
            return a + b
    log(Mine.spawn(1, 2).get())
    `,
    function* (log) {
      class Mine extends Greenlet<number> {
        override *_run(a: number, b: number): Body {
          log('runs', a, b, getcurrent() === this);
          yield* sleep(0);
          return a + b;
        }
      }
      log(yield* Mine.spawn(1, 2).get());
    },
  ),

  same(
    'spawn callbacks see each one that is started, before it is queued',
    `
    def callback(g):
        log('spawned', bool(g))
    Greenlet.add_spawn_callback(callback)
    Greenlet.add_spawn_callback(callback)
    g = Greenlet(lambda: log('runs'))
    log('made')
    g.start()
    g.start()
    gevent.spawn_raw(lambda: log('raw'))
    spawn_later(T, lambda: log('later'))
    Greenlet.remove_spawn_callback(callback)
    Greenlet.remove_spawn_callback(callback)
    spawn(lambda: log('unseen'))
    sleep(2 * T)
    `,
    function* (log) {
      const callback = (g: Greenlet) => log('spawned', g.active);
      Greenlet.addSpawnCallback(callback);
      Greenlet.addSpawnCallback(callback);
      const g = new Greenlet(() => log('runs'));
      log('made');
      g.start();
      g.start();
      spawnRaw(() => log('raw'));
      spawnLater(T, () => log('later'));
      Greenlet.removeSpawnCallback(callback);
      Greenlet.removeSpawnCallback(callback);
      spawn(() => log('unseen'));
      yield* sleep(2 * T);
    },
  ),

  same(
    'its name, and its arguments while it has them',
    `
    g = Greenlet(lambda a: log(a), 5)
    g.name = 'mine'
    log(g.name, list(g.args))
    g.start()
    g.join()
    log(g.name, list(g.args))
    `,
    function* (log) {
      const g = new Greenlet((a: number) => log(a), 5);
      g.name = 'mine';
      log(g.name, [...g.args]);
      g.start();
      yield* g.join();
      log(g.name, [...g.args]);
    },
  ),

  same(
    'killall: those who never ran die unseen, the others where they are; all are waited for',
    `
    def victim(n):
        try:
            log(n, 'runs')
            sleep(10 * T)
        finally:
            sleep(n * T)
            log(n, 'dies')
    gs = [spawn(victim, n) for n in range(3)]
    sleep(0)
    gs.append(spawn(victim, 9))
    gs.append(Greenlet(victim, 8))
    log(gevent.killall(gs))
    log([g.dead for g in gs])
    log(gevent.killall(gs), gevent.killall([]))
    `,
    function* (log) {
      function* victim(n: number): Body {
        try {
          log(n, 'runs');
          yield* sleep(10 * T);
        } finally {
          yield* sleep(n * T);
          log(n, 'dies');
        }
      }
      const gs = [0, 1, 2].map((n) => spawn(victim, n));
      yield* sleep(0);
      gs.push(spawn(victim, 9));
      gs.push(new Greenlet(victim, 8));
      log(yield* killall(gs));
      log(gs.map((g) => g.dead));
      log(yield* killall(gs), yield* killall([]));
    },
  ),

  same(
    'killall with a timeout raises it when one resists, and without blocking only gives the order',
    `
    def stubborn(times):
        for _ in range(times):
            try:
                sleep(10 * T)
            except BaseException as e:
                log('resists', e)
        log('gives in')
    gs = [spawn(stubborn, 3), spawn(stubborn, 1)]
    sleep(0)
    log(told(lambda: gevent.killall(gs, timeout=T)))
    log(gevent.killall(gs, exception=Oops('x'), block=False))
    log('ordered', [g.dead for g in gs])
    sleep(0)
    log(gevent.killall(gs, Oops))
    log([g.dead for g in gs])
    `,
    function* (log) {
      const gs = [spawn(stubborn, log, 3), spawn(stubborn, log, 1)];
      yield* sleep(0);
      log(yield* told(() => killall(gs, { timeout: T })));
      log(yield* killall(gs, { exception: new Oops('x'), block: false }));
      log(
        'ordered',
        gs.map((g) => g.dead),
      );
      yield* sleep(0);
      log(yield* killall(gs, { exception: Oops }));
      log(gs.map((g) => g.dead));
    },
  ),

  same(
    'joinall gives them as they end, up to a count or a time',
    `
    def worker(n):
        sleep(n * T)
        return n
    gs = [spawn(worker, n) for n in (3, 1, 2)]
    log([g.value for g in joinall(gs, count=1)])
    log([g.value for g in joinall(gs, timeout=0)])
    log([g.value for g in joinall(gs, timeout=1.5 * T)])
    log([g.value for g in joinall(gs)])
    log(joinall([]), [g.value for g in joinall([gs[0], gs[0]])])
    `,
    function* (log) {
      function* worker(n: number): Body {
        yield* sleep(n * T);
        return n;
      }
      const gs = [3, 1, 2].map((n) => spawn(worker, n));
      const values = (all: Greenlet[]) => all.map((g) => g.value);
      log(values(yield* joinall(gs, { count: 1 })));
      log(values(yield* joinall(gs, { timeout: 0 })));
      log(values(yield* joinall(gs, { timeout: 1.5 * T })));
      log(values(yield* joinall(gs)));
      log(yield* joinall([]), values(yield* joinall([gs[0], gs[0]])));
    },
  ),

  same(
    'joinall with raise_error raises the first failure as it comes; the others run on',
    `
    def worker(n):
        sleep(n * T)
        log('ends', n)
        if n == 2: raise Oops('second')
    gs = [spawn(worker, n) for n in (3, 1, 2)]
    log(told(lambda: joinall(gs, raise_error=True)))
    log([g.dead for g in gs])
    log(len(joinall(gs)))
    log(told(lambda: joinall(gs, raise_error=True)))
    `,
    function* (log) {
      function* worker(n: number): Body {
        yield* sleep(n * T);
        log('ends', n);
        if (n === 2) throw new Oops('second');
      }
      const gs = [3, 1, 2].map((n) => spawn(worker, n));
      log(yield* told(() => joinall(gs, { raiseError: true })));
      log(gs.map((g) => g.dead));
      log((yield* joinall(gs)).length);
      log(yield* told(() => joinall(gs, { raiseError: true })));
    },
  ),

  differs(
    {
      why: 'what is there when the timeout is delivered is given, not refused',
      gevent: ['Timeout true value', 'Timeout true value'],
      here: ['value true value', 'value true value'],
    },
    'one that ends in the instant of the timeout of get was in time',
    `
    def worker():
        sleep(T)
        return 'value'
    g = Greenlet(worker)
    def getter():
        t = Timeout(T)
        e = told(lambda: g.get(timeout=t))
        log(e, g.dead, g.value)
    def lagging():
        # Both are due in one phase, whatever the machine does.
        import time
        time.sleep(3 * T)
    g.start()
    spawn(getter)
    spawn(getter)
    spawn(lagging)
    `,
    function* (log) {
      const g = new Greenlet(function* (): Body {
        yield* sleep(T);
        return 'value';
      });
      function* getter(): Body {
        const e = yield* told(() => g.get({ timeout: new Timeout(T) }));
        log(e, g.dead, g.value);
      }
      g.start();
      spawn(getter);
      spawn(getter);
    },
  ),

  differs(
    {
      why: 'unlink_all takes links off, not those who wait in join or get: there they would wait for ever',
      gevent: ['waits', 'dead true'],
      here: ['waits', 'dead true', 'joined'],
    },
    'unlink_all while somebody joins',
    `
    g = spawn(sleep, 2 * T)
    def joiner():
        log('waits')
        g.join()
        log('joined')
    spawn(joiner)
    sleep(T)
    g.unlink_all()
    sleep(0)
    spawn_later(2 * T, lambda: log('dead', g.dead))
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        yield* sleep(2 * T);
        log('dead', g.ready() || true);
      });
      spawn(function* (): Body {
        log('waits');
        yield* g.join();
        log('joined');
      });
      yield* sleep(T);
      g.unlinkAll();
    },
  ),

  same(
    'who kills goes on as soon as the order was carried out, in front of those who joined before',
    `
    v = spawn(sleep, 10 * T)
    def joiner():
        v.join()
        log('joined')
    def killer():
        v.kill()
        log('killed', v.dead)
    spawn(joiner)
    sleep(0)
    spawn(killer)
    v.rawlink(lambda _: log('link'))
    `,
    function* (log) {
      const v = spawn(sleeper);
      spawn(function* (): Body {
        yield* v.join();
        log('joined');
      });
      yield* sleep(0);
      spawn(function* (): Body {
        yield* v.kill();
        log('killed', v.dead);
      });
      v.rawlink(() => log('link'));
    },
  ),

  same(
    'who kills itself dies when the order is carried out, behind what is ready',
    `
    def suicide():
        spawn(log, 'spawned before')
        try:
            gevent.getcurrent().kill()
        finally:
            log('dies')
    spawn(suicide)
    `,
    function* (log) {
      spawn(function* (): Body {
        spawn(() => log('spawned before'));
        try {
          yield* (getcurrent() as Greenlet).kill();
        } finally {
          log('dies');
        }
      });
    },
  ),

  same(
    'joined again by who was just told, the last to end is told first',
    `
    a, b = spawn(sleep, 0), spawn(sleep, 0)
    a.name, b.name = 'a', 'b'
    def joiner():
        for _ in range(2): log([g.name for g in joinall([a, b])])
    spawn(joiner)
    `,
    function* (log) {
      function* once(): Body {
        yield* sleep(0);
      }
      const [a, b] = [spawn(once), spawn(once)];
      [a.name, b.name] = ['a', 'b'];
      spawn(function* (): Body {
        for (let n = 0; n < 2; ++n) log((yield* joinall([a, b])).map((g) => g.name));
      });
    },
  ),

  same(
    'killall of one named twice shoots twice',
    `
    def victim():
        for _ in range(2):
            try:
                sleep(10 * T)
            except GreenletExit:
                log('shot')
        log('lives')
    g = spawn(victim)
    sleep(0)
    gevent.killall([g, g])
    log(g.dead)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        for (let n = 0; n < 2; ++n) {
          try {
            yield* sleep(10 * T);
          } catch (e) {
            if (!(e instanceof GreenletExit)) throw e;
            log('shot');
          }
        }
        log('lives');
      });
      yield* sleep(0);
      yield* killall([g, g]);
      log(g.dead);
    },
  ),

  differs(
    {
      why: 'joinall hears of all but the last at their end, not in a turn; a link made in between has a turn of its own',
      gevent: ['linked', 'link of a', 'other', 'joined'],
      here: ['linked', 'other', 'link of a', 'joined'],
    },
    'a link to one that has ended, and that a joinall of several has heard of',
    `
    a, b = spawn(lambda: None), spawn(sleep, 2 * T)
    def linker():
        spawn(log, 'other')
        a.rawlink(lambda _: log('link of a'))
        log('linked')
    def joiner():
        joinall([a, b])
        log('joined')
    gevent.kill(a)
    a = spawn(lambda: spawn(linker) and None)
    joiner()
    `,
    function* (log) {
      const a: Greenlet = spawn(() => {
        spawn(() => {
          spawn(() => log('other'));
          a.rawlink(() => log('link of a'));
          log('linked');
        });
      });
      const b = spawn(function* (): Body {
        yield* sleep(2 * T);
      });
      yield* joinall([a, b]);
      log('joined');
    },
  ),

  differs(
    {
      why: 'what has ended when the timeout is delivered was in time, as for get',
      gevent: ['Timeout true'],
      here: ['none true'],
    },
    'killall: the last one ends in the instant of the timeout',
    `
    def victim():
        try:
            sleep(10 * T)
        finally:
            sleep(T)
    g = spawn(victim)
    def lagging():
        import time
        time.sleep(3 * T)
    sleep(0)
    spawn_later(0, spawn, lagging)
    e = told(lambda: gevent.killall([g], timeout=T))
    log(e, g.dead)
    `,
    function* (log) {
      const g = spawn(function* (): Body {
        try {
          yield* sleep(10 * T);
        } finally {
          yield* sleep(T);
        }
      });
      yield* sleep(0);
      const e = yield* told(() => killall([g], { timeout: T }));
      log(e, g.dead);
    },
  ),
];
