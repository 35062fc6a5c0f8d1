// What the classes tell of themselves, and their ways to be a block or a loop: members that no other scenario needs.

import { AsyncResult, Event } from '../../../ts/event.ts';
import { Greenlet, joinall, sleep, spawn, Timeout } from '../../../ts/index.ts';
import { Semaphore } from '../../../ts/lock.ts';
import { Group } from '../../../ts/pool.ts';
import { Channel, END, Queue, SimpleQueue } from '../../../ts/queue.ts';
import { GreenletTree } from '../../../ts/util.ts';
import { Oops, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const members = [
  same(
    'exc_info of a greenlet and of a result: nothing before, class and error after',
    `
    def kinds(info): return [] if not info or info[0] is None else [info[0].__name__, info[1]]
    def fails(): raise Oops('no')
    g = spawn(fails)
    r = AsyncResult()
    log(kinds(g.exc_info), kinds(r.exc_info))
    g.rawlink(r)
    sleep(T)
    log(kinds(g.exc_info))
    log(kinds(r.exc_info), r.linkcount() if hasattr(r, 'linkcount') else 0)
    g = spawn(lambda: 3)
    g.join()
    log(kinds(g.exc_info))
    `,
    function* (log) {
      const kinds = (info: any) => (!info?.[0] ? [] : [info[0].name, info[1]]);
      const g = spawn(() => {
        throw new Oops('no');
      });
      const r = new AsyncResult<unknown>();
      log(kinds(g.excInfo), kinds(r.excInfo));
      g.rawlink(r.copyFrom);
      yield* sleep(T);
      log(kinds(g.excInfo));
      log(kinds(r.excInfo), r.linkcount());
      const other = spawn(() => 3);
      yield* other.join();
      log(kinds(other.excInfo));
    },
  ),

  same(
    'a greenlet as a block is waited for',
    `
    def child(n):
        try:
            sleep(n * T)
            log('done', n)
        except BaseException as e:
            log('killed', n, e)
            raise
    with spawn(child, 1) as g:
        log(isinstance(g.minimal_ident, int), g.dead)
    log(g.dead, g.successful())
    `,
    async (log) => {
      function* child(n: number): Body {
        try {
          yield* sleep(n * T);
          log('done', n);
        } catch (e) {
          log('killed', n, e);
          throw e;
        }
      }
      let made: Greenlet;
      {
        await using g = spawn(child, 1);
        made = g;
        log(Number.isInteger(g.minimalIdent), g.dead);
      }
      log(made.dead, made.successful());
    },
  ),

  same(
    'a Timeout as a block: closed at its end; a subclass may say what it does when time is up',
    `
    class Loud(Timeout):
        def _on_expiration(self, prev, ex):
            log('expired', ex is self)
            super()._on_expiration(prev, ex)
    t = Timeout(5 * T)
    with t:
        log(t.pending, t.seconds == 5 * T, t.exception)
    log(t.pending)
    def waits():
        with Loud(T):
            sleep(9 * T)
    log(told(spawn(waits).get))
    `,
    function* (log) {
      class Loud extends Timeout {
        protected override onExpiration(greenlet: any, error: any): void {
          log('expired', error === this);
          super.onExpiration(greenlet, error);
        }
      }
      const t = new Timeout(5 * T);
      t.start();
      {
        using _ = t;
        log(t.pending, t.seconds === 5 * T, t.exception);
      }
      log(t.pending);
      function* waits(): Body {
        using loud = new Loud(T);
        loud.start();
        yield* sleep(9 * T);
      }
      const g = spawn(waits);
      log(yield* told(() => g.get()));
    },
  ),

  same(
    'how many links an event, a result and a semaphore hold, and isSet by its old name',
    `
    def noop(_): pass
    e, s = Event(), Semaphore(0)
    log(e.isSet(), e.linkcount(), s.linkcount())
    e.rawlink(noop)
    s.rawlink(noop)
    log(e.linkcount(), s.linkcount())
    w = spawn(e.wait)
    sleep(0)
    log(e.linkcount())
    w.kill()
    e.unlink(noop)
    s.unlink(noop)
    log(e.linkcount(), s.linkcount())
    e.set()
    log(e.isSet())
    `,
    function* (log) {
      const noop = () => {};
      const [e, s] = [new Event(), new Semaphore(0)];
      log(e.isSet(), e.linkcount(), s.linkcount());
      e.rawlink(noop);
      s.rawlink(noop);
      log(e.linkcount(), s.linkcount());
      const w = spawn(() => e.wait());
      yield* sleep(0);
      log(e.linkcount());
      yield* w.kill();
      e.unlink(noop);
      s.unlink(noop);
      log(e.linkcount(), s.linkcount());
      e.set();
      log(e.isSet());
    },
  ),

  same(
    "a queue of one's own by _put and _get",
    `
    class Twice(Queue):
        def _put(self, item):
            log('puts', item)
            self.queue.append(item * 2)
        def _get(self): return -self.queue.popleft()
    q = Twice(2)
    q.put(1)
    q.put(2)
    w = spawn(q.put, 3)
    sleep(0)
    log(q.qsize(), q.full())
    log(q.get(), q.get(), w.dead)
    sleep(0)
    log(q.get(), w.dead)
    `,
    function* (log) {
      class Twice extends Queue<number> {
        override _put(item: number): void {
          log('puts', item);
          super._put(item * 2);
        }
        override _get(): number {
          return -super._get();
        }
      }
      const q = new Twice(2);
      yield* q.put(1);
      yield* q.put(2);
      const w = spawn(() => q.put(3));
      yield* sleep(0);
      log(q.qsize(), q.full());
      log(yield* q.get(), yield* q.get(), w.dead);
      yield* sleep(0);
      log(yield* q.get(), w.dead);
    },
  ),

  same(
    'a queue and a channel as loops, to the item that ends them; what a queue holds',
    `
    q = SimpleQueue()
    for n in range(3): q.put(n)
    log(list(q.queue))
    q.put(StopIteration)
    log([n for n in q])
    c = Channel()
    def producer():
        for n in range(3): c.put(n)
        c.put(StopIteration)
    spawn(producer)
    log(next(c))
    log([n for n in c])
    `,
    async (log) => {
      const q = new SimpleQueue<unknown>();
      for (let n = 0; n < 3; ++n) await q.put(n);
      log([...q.queue]);
      await q.put(END);
      const all: unknown[] = [];
      for await (const n of q) all.push(n);
      log(all);
      const c = new Channel<unknown>();
      spawn(function* (): Body {
        for (let n = 0; n < 3; ++n) yield* c.put(n);
        yield* c.put(END);
      });
      log((await c.next()).value);
      const rest: unknown[] = [];
      for await (const n of c) rest.push(n);
      log(rest);
    },
  ),

  same(
    'a channel at once: refused unless somebody waits on the other side',
    `
    c = Channel()
    log(told(lambda: c.put_nowait(1)), told(c.get_nowait))
    g = spawn(c.get)
    sleep(0)
    log(told(lambda: c.put_nowait(2)))
    log(g.get())
    p = spawn(c.put, 3)
    sleep(0)
    log(told(c.get_nowait))
    p.join()
    log(c.balance)
    `,
    function* (log) {
      const c = new Channel<number>();
      log(yield* told(() => c.putNowait(1)), yield* told(() => c.getNowait()));
      const g = spawn(() => c.get());
      yield* sleep(0);
      log(yield* told(() => c.putNowait(2)));
      log(yield* g.get());
      const p = spawn(() => c.put(3));
      yield* sleep(0);
      log(yield* told(() => c.getNowait()));
      yield* p.join();
      log(c.balance);
    },
  ),

  same(
    'who is in a group: alive, dying, gone; a class of its own for what it spawns',
    `
    class Mine(Greenlet): pass
    class Those(Group):
        greenlet_class = Mine
    group = Those()
    def stays():
        try:
            sleep(9 * T)
        finally:
            sleep(T)
    gs = [group.spawn(stays) for _ in range(2)]
    log(all(isinstance(g, Mine) for g in gs), len(group.greenlets), len(list(group)))
    sleep(0)
    group.kill(block=False)
    sleep(0)
    log(len(group.greenlets), len(group.dying))
    group.join()
    log(len(group.greenlets), len(group.dying), list(group))
    `,
    function* (log) {
      class Mine extends Greenlet {}
      class Those extends Group {
        override greenletClass: typeof Greenlet = Mine;
      }
      const group = new Those();
      function* stays(): Body {
        try {
          yield* sleep(9 * T);
        } finally {
          yield* sleep(T);
        }
      }
      const gs = [yield* group.spawn(stays), yield* group.spawn(stays)];
      log(
        gs.every((g) => g instanceof Mine),
        group.greenlets.size,
        [...group].length,
      );
      yield* sleep(0);
      yield* group.kill({ block: false });
      yield* sleep(0);
      log(group.greenlets.size, group.dying.size);
      yield* group.join();
      log(group.greenlets.size, group.dying.size, [...group]);
    },
  ),

  same(
    'the tree of spawns as text names its root and the details that are asked for',
    `
    from gevent.util import GreenletTree
    g = spawn(sleep, T)
    g.name = 'Kid'
    sleep(0)
    tree = GreenletTree.current_tree()
    log(tree.root, 'Kid' in tree.format(details=False), 'Kid' in tree.format())
    joinall([g])
    `,
    function* (log) {
      const g = spawn(() => sleep(T));
      g.name = 'Kid';
      yield* sleep(0);
      const tree = GreenletTree.currentTree();
      log(tree.root, tree.format({ details: false }).includes('Kid'), tree.format().includes('Kid'));
      yield* joinall([g]);
    },
  ),
];
