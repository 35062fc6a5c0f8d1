// gevent's functions, and main.

import {
  Greenlet,
  GreenletExit,
  getcurrent,
  getHub,
  idle,
  iwait,
  KeyboardInterrupt,
  kill,
  killall,
  sleep,
  spawn,
  spawnLater,
  spawnRaw,
  wait,
} from '../../../ts/index.ts';
import { differs, Oops, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const topLevel = [
  same(
    'spawn never runs the body before the spawner gives control away',
    `
    g = spawn(lambda x: log('runs', x), 1)
    log('spawned', bool(g), g.dead)
    sleep(0)
    log('ran', g.dead)
    log(told(lambda: spawn(42)))
    `,
    function* (log) {
      const g = spawn((x: number) => log('runs', x), 1);
      log('spawned', g.active, g.dead);
      yield* sleep(0);
      log('ran', g.dead);
      log(yield* told(() => spawn(42 as any)));
    },
  ),

  same(
    'spawn_later runs by time; 0 and less come in the next timer phase',
    `
    spawn_later(2 * T, log, 'two')
    spawn_later(T, log, 'one')
    spawn_later(0, log, 'zero')
    spawn(log, 'spawned')
    sleep(0)
    log('yielded')
    sleep(3 * T)
    `,
    function* (log) {
      spawnLater(2 * T, () => log('two'));
      spawnLater(T, () => log('one'));
      spawnLater(0, () => log('zero'));
      spawn(() => log('spawned'));
      yield* sleep(0);
      log('yielded');
      yield* sleep(3 * T);
    },
  ),

  same(
    'a raw greenlet runs in its turn, has no result and reports its error',
    `
    def body(x):
        log('runs', x, gevent.getcurrent() is g)
        sleep(T)
        log('slept')
        raise Oops('raw')
    g = gevent.spawn_raw(body, 1)
    log(bool(g), g.dead)
    sleep(0)
    log(bool(g), g.dead)
    sleep(2 * T)
    log(bool(g), g.dead)
    `,
    function* (log) {
      const g = spawnRaw(function* (x: number): Body {
        log('runs', x, getcurrent() === g);
        yield* sleep(T);
        log('slept');
        throw new Oops('raw');
      }, 1);
      log(g.active, g.dead);
      yield* sleep(0);
      log(g.active, g.dead);
      yield* sleep(2 * T);
      log(g.active, g.dead);
    },
  ),

  same(
    'a raw greenlet that is killed before it ran runs first, and dies where it blocks',
    `
    def body():
        log('runs')
        try:
            sleep(10 * T)
        except BaseException as e:
            log(e)
            raise
    g = gevent.spawn_raw(body)
    gevent.kill(g)
    log('ordered')
    sleep(0)
    log(g.dead)
    `,
    function* (log) {
      const g = spawnRaw(function* (): Body {
        log('runs');
        try {
          yield* sleep(10 * T);
        } catch (e) {
          log(e);
          throw e;
        }
      });
      kill(g);
      log('ordered');
      yield* sleep(0);
      log(g.dead);
    },
  ),

  same(
    'killall takes raw ones as well',
    `
    def body(n):
        try:
            sleep(10 * T)
        except BaseException as e:
            log(n, e)
    gs = [gevent.spawn_raw(body, 'raw'), spawn(body, 'greenlet')]
    sleep(0)
    log(gevent.killall(gs, Oops('all')))
    log([g.dead for g in gs])
    `,
    function* (log) {
      function* body(n: string): Body {
        try {
          yield* sleep(10 * T);
        } catch (e) {
          log(n, e);
        }
      }
      const gs = [spawnRaw(body, 'raw'), spawn(body, 'greenlet')];
      yield* sleep(0);
      log(yield* killall(gs, { exception: new Oops('all') }));
      log(gs.map((g) => g.dead));
    },
  ),

  same(
    'sleep: zero and less only let the others run; what is no number is refused',
    `
    spawn(log, 'other')
    sleep()
    log('zero')
    spawn(log, 'another')
    sleep(-1)
    log('less')
    log(told(lambda: sleep('x')))
    `,
    function* (log) {
      spawn(() => log('other'));
      yield* sleep();
      log('zero');
      spawn(() => log('another'));
      yield* sleep(-1);
      log('less');
      log(yield* told(() => sleep('x' as any)));
    },
  ),

  same(
    'sleepers wake by time, whatever the order they went to sleep in',
    `
    def sleeper(n):
        sleep(n * T)
        log(n)
    for n in (3, 1, 4, 2, 5): spawn(sleeper, n)
    `,
    function* (log) {
      function* sleeper(n: number): Body {
        yield* sleep(n * T);
        log(n);
      }
      for (const n of [3, 1, 4, 2, 5]) spawn(sleeper, n);
    },
  ),

  differs(
    {
      why: 'libev serves idle watchers of one priority last started first; here the order is that of waiting, as everywhere',
      gevent: ['0', '1', '2', '3', 'idle 1', 'idle 0'],
      here: ['0', '1', '2', '3', 'idle 0', 'idle 1'],
    },
    'idle comes when nothing is ready, also to several',
    `
    def idler(n):
        gevent.idle()
        log('idle', n)
    for n in range(2): spawn(idler, n)
    def yields():
        for n in range(4):
            log(n)
            sleep(0)
    spawn(yields)
    `,
    function* (log) {
      function* idler(n: number): Body {
        yield* idle();
        log('idle', n);
      }
      for (let n = 0; n < 2; ++n) spawn(idler, n);
      spawn(function* (): Body {
        for (let n = 0; n < 4; ++n) {
          log(n);
          yield* sleep(0);
        }
      });
    },
  ),

  same(
    'wait gives what became ready, in that order; a timeout cuts it short',
    `
    def worker(n):
        sleep(n * T)
        return n
    gs = [spawn(worker, n) for n in (3, 1, 2)]
    log([g.value for g in gevent.wait(gs, timeout=0)])
    log([g.value for g in gevent.wait(gs, timeout=2.5 * T)])
    log([g.value for g in gevent.wait(gs, count=1)])
    log([g.value for g in gevent.wait(gs)], gevent.wait([]))
    `,
    function* (log) {
      function* worker(n: number): Body {
        yield* sleep(n * T);
        return n;
      }
      const gs = [3, 1, 2].map((n) => spawn(worker, n));
      const values = (all: Greenlet[]) => all.map((g) => g.value);
      log(values(yield* wait(gs, { timeout: 0 })));
      log(values(yield* wait(gs, { timeout: 2.5 * T })));
      log(values(yield* wait(gs, { count: 1 })));
      log(values(yield* wait(gs)), yield* wait([]));
    },
  ),

  same(
    'iwait gives one at a time, up to a count or a time',
    `
    def worker(n):
        sleep(n * T)
        return n
    gs = [spawn(worker, n) for n in (3, 1, 2)]
    for g in gevent.iwait(gs): log(g.value)
    gs = [spawn(worker, n) for n in (3, 1, 2)]
    for g in gevent.iwait(gs, count=2): log(g.value)
    gs = [spawn(worker, n) for n in (3, 1, 2)]
    for g in gevent.iwait(gs, timeout=1.5 * T): log(g.value)
    log('over')
    `,
    function* (log) {
      function* worker(n: number): Body {
        yield* sleep(n * T);
        return n;
      }
      for (const options of [{}, { count: 2 }, { timeout: 1.5 * T }]) {
        const each = iwait(
          [3, 1, 2].map((n) => spawn(worker, n)),
          options,
        );
        for (let step = yield* each.next(); !step.done; step = yield* each.next()) log(step.value.value);
      }
      log('over');
    },
  ),

  same(
    'getcurrent is the greenlet in a body, the hub in a callback',
    `
    log(gevent.getcurrent())
    hub.loop.run_callback(lambda: log(gevent.getcurrent()))
    g = spawn(lambda: log(gevent.getcurrent() is g))
    sleep(0)
    `,
    function* (log) {
      log(getcurrent());
      getHub().loop.runCallback(() => log(getcurrent()));
      const g: Greenlet = spawn(() => log(getcurrent() === g));
      yield* sleep(0);
    },
  ),

  same(
    'callbacks run in their order among the spawned, stopped ones not at all',
    `
    run = hub.loop.run_callback
    run(log, 'a')
    spawn(log, 'spawned')
    cb = run(log, 'never')
    run(log, 'b')
    log(cb.pending)
    cb.stop()
    def raises(): raise Oops('callback')
    run(raises)
    run(log, 'c')
    sleep(0)
    log('over', cb.pending)
    `,
    function* (log) {
      const { loop } = getHub();
      loop.runCallback(() => log('a'));
      spawn(() => log('spawned'));
      const cb = loop.runCallback(() => log('never'));
      loop.runCallback(() => log('b'));
      log(cb.pending);
      cb.stop();
      loop.runCallback(() => {
        throw new Oops('callback');
      });
      loop.runCallback(() => log('c'));
      yield* sleep(0);
      log('over', cb.pending);
    },
  ),

  same(
    'main: it waits like any other; wait() without objects ends when nothing is left',
    `
    def worker():
        sleep(2 * T)
        log('worker')
    g = spawn(worker)
    log(gevent.wait(timeout=T), g.dead)
    log(gevent.wait(), g.dead)
    log(gevent.wait(timeout=T))
    log(gevent.getcurrent() is hub.parent)
    `,
    async (log) => {
      const g = spawn(function* (): Body {
        yield* sleep(2 * T);
        log('worker');
      });
      log(await wait(null, { timeout: T }), g.dead);
      log(await wait(), g.dead);
      log(await wait(null, { timeout: T }));
      log(getcurrent() === getHub().main);
    },
  ),

  same(
    'main: what can never end is a LoopExit, and those who wait are left alone',
    `
    g = Greenlet(lambda: None)
    def joiner():
        log('joins', told(g.join))
    h = spawn(joiner)
    log(told(h.join))
    log(h.dead, bool(h))
    g.start()
    h.join()
    log(h.dead)
    `,
    async (log) => {
      const g = new Greenlet(() => null);
      const h = spawn(function* (): Body {
        log('joins', yield* told(() => g.join()));
      });
      try {
        log(await h.join());
      } catch (e) {
        log(e);
      }
      log(h.dead, h.active);
      g.start();
      await h.join();
      log(h.dead);
    },
  ),

  same(
    'main: a sleep without ref does not keep wait() going',
    `
    def sleeper():
        sleep(100 * T, ref=False)
        log('never')
    spawn(sleeper)
    log(gevent.wait(timeout=5 * T))
    `,
    async (log) => {
      const g = spawn(function* (): Body {
        yield* sleep(100 * T, { ref: false });
        log('never');
      });
      log(await wait(null, { timeout: 5 * T }));
      kill(g);
    },
  ),

  same(
    'main: it can be killed',
    `
    spawn(gevent.kill, gevent.getcurrent(), Oops('main'))
    log(told(lambda: sleep(10 * T)))
    spawn(gevent.kill, gevent.getcurrent())
    log(told(lambda: sleep(10 * T)))
    `,
    async (log) => {
      const main = getcurrent();
      spawn(() => kill(main, new Oops('main')));
      await sleep(10 * T).then(log, log);
      spawn(() => kill(main));
      await sleep(10 * T).then(log, log);
    },
  ),

  same(
    'main: errors of greenlets stay there; those of system are raised in main',
    `
    def fails(error):
        raise error
    g = spawn(fails, Oops('stays'))
    sleep(T)
    log(g.exception)
    h = spawn(fails, KeyboardInterrupt())
    e = told(lambda: sleep(5 * T))
    log(e, e is h.exception)
    k = spawn(fails, GreenletExit())
    sleep(T)
    log(k.value, k.successful())
    `,
    async (log) => {
      const fails = (error: Error) => {
        throw error;
      };
      const g = spawn(fails, new Oops('stays'));
      await sleep(T);
      log(g.exception);
      const h = spawn(fails, new KeyboardInterrupt());
      const e = await sleep(5 * T).then(
        () => null,
        (error) => error,
      );
      log(e, e === h.exception);
      const k = spawn(fails, new GreenletExit());
      await sleep(T);
      log(k.value, k.successful());
    },
  ),
];
