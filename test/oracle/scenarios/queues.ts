// Queue, JoinableQueue, SimpleQueue, LifoQueue, PriorityQueue, Channel.

import { getHub, joinall, kill, sleep, spawn, spawnLater, Timeout } from '../../../ts/index.ts';
import { Channel, END, JoinableQueue, LifoQueue, PriorityQueue, Queue, SimpleQueue } from '../../../ts/queue.ts';
import { differs, Oops, same, T, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

export const queues = [
  same(
    'interleaving 12: who takes an item at once comes before those who were waiting; they get the next',
    `
    q = Queue()
    def getter(n): log(n, q.get())
    for n in range(3): spawn(getter, n)
    sleep(0)
    for item in 'abc': q.put(item)
    log('took', q.get_nowait())
    q.put('d')
    `,
    function* (log) {
      const q = new Queue<string>();
      function* getter(n: number): Body {
        log(n, yield* q.get());
      }
      for (let n = 0; n < 3; ++n) spawn(getter, n);
      yield* sleep(0);
      for (const item of 'abc') yield* q.put(item);
      log('took', q.getNowait());
      yield* q.put('d');
    },
  ),

  same(
    'interleaving 13: Queue(1): those who put and who gets take turns; room is there once the putter has run',
    `
    q = Queue(1)
    def putter(n):
        q.put(n)
        log('put', n)
    for n in range(4): spawn(putter, n)
    sleep(0)
    log('got', q.get(), len(q))
    for _ in range(3): log('got', q.get())
    `,
    function* (log) {
      const q = new Queue<number>(1);
      function* putter(n: number): Body {
        yield* q.put(n);
        log('put', n);
      }
      for (let n = 0; n < 4; ++n) spawn(putter, n);
      yield* sleep(0);
      log('got', yield* q.get(), q.length);
      for (let n = 0; n < 3; ++n) log('got', yield* q.get());
    },
  ),

  ...[null, 1, 2, 3].flatMap((size) =>
    [true, false].map((producerFirst) =>
      same(
        `producer and consumer, ${producerFirst ? 'producer' : 'consumer'} first, over ${size === null ? 'any number' : size} of items`,
        `
        q = Queue(${size ?? ''})
        def producer():
            for n in range(6):
                q.put(n)
                log('p', n, q.qsize())
        def consumer():
            for _ in range(6): log('c', q.get(), q.qsize())
        for body in ${producerFirst ? '(producer, consumer)' : '(consumer, producer)'}: spawn(body)
        `,
        function* (log) {
          const q = new Queue<number>(size);
          function* producer(): Body {
            for (let n = 0; n < 6; ++n) {
              yield* q.put(n);
              log('p', n, q.qsize());
            }
          }
          function* consumer(): Body {
            for (let n = 0; n < 6; ++n) log('c', yield* q.get(), q.qsize());
          }
          for (const body of producerFirst ? [producer, consumer] : [consumer, producer]) spawn(body);
        },
      ),
    ),
  ),

  same(
    'Queue: state, items from the start, copies, maxsize',
    `
    q = Queue(2, [1, 2, 3])
    log(q.qsize(), len(q), q.empty(), q.full(), q.maxsize, bool(q))
    c = q.copy()
    log(q.get(), q.get(), q.full(), q.get(), q.empty(), bool(q))
    log(c.maxsize, c.qsize(), c.get())
    for size in (None, -1): log(Queue(size).maxsize, Queue(size).full())
    q.maxsize = 1
    log(q.maxsize, q.put(1), q.full())
    `,
    function* (log) {
      const q = new Queue<number>(2, [1, 2, 3]);
      log(q.qsize(), q.length, q.empty(), q.full(), q.maxsize, true);
      const c = q.copy();
      log(yield* q.get(), yield* q.get(), q.full(), yield* q.get(), q.empty(), true);
      log(c.maxsize, c.qsize(), yield* c.get());
      for (const size of [null, -1]) log(new Queue(size).maxsize, new Queue(size).full());
      q.maxsize = 1;
      log(q.maxsize, yield* q.put(1), q.full());
    },
  ),

  same(
    'Queue: without blocking or out of time it is Empty and Full',
    `
    q = Queue(1)
    log(told(q.get_nowait), told(lambda: q.get(block=False)), told(lambda: q.get(timeout=0)), told(lambda: q.get(timeout=T)))
    log(told(q.peek_nowait), told(lambda: q.peek(timeout=T)))
    q.put(1)
    log(told(lambda: q.put_nowait(2)), told(lambda: q.put(2, block=False)), told(lambda: q.put(2, timeout=0)))
    log(told(lambda: q.put(2, timeout=T)), q.qsize(), q.peek(), q.peek_nowait(), q.get())
    spawn_later(T, q.put, 'late')
    log(q.get(timeout=3 * T))
    q.put('full')
    spawn_later(T, q.get)
    log(q.put('room', timeout=3 * T), q.get())
    `,
    function* (log) {
      const q = new Queue<any>(1);
      log(
        yield* told(() => q.getNowait()),
        yield* told(() => q.get({ block: false })),
        yield* told(() => q.get({ timeout: 0 })),
        yield* told(() => q.get({ timeout: T })),
      );
      log(yield* told(() => q.peekNowait()), yield* told(() => q.peek({ timeout: T })));
      yield* q.put(1);
      log(
        yield* told(() => q.putNowait(2)),
        yield* told(() => q.put(2, { block: false })),
        yield* told(() => q.put(2, { timeout: 0 })),
      );
      log(yield* told(() => q.put(2, { timeout: T })), q.qsize(), yield* q.peek(), q.peekNowait(), yield* q.get());
      spawnLater(T, () => q.put('late'));
      log(yield* q.get({ timeout: 3 * T }));
      yield* q.put('full');
      spawnLater(T, () => q.get());
      log(yield* q.put('room', { timeout: 3 * T }), yield* q.get());
    },
  ),

  same(
    'Queue: a Timeout object as the limit brings its own exception; one from outside goes through',
    `
    q = Queue(1, [1])
    log(told(lambda: q.put(2, timeout=Timeout(T, Oops('put')))))
    q.get()
    log(told(lambda: q.get(timeout=Timeout(T, Oops('get')))))
    t = Timeout.start_new(T)
    log(told(lambda: q.get(timeout=3 * T)) is t, q.qsize())
    `,
    function* (log) {
      const q = new Queue<number>(1, [1]);
      log(yield* told(() => q.put(2, { timeout: new Timeout(T, new Oops('put')) })));
      yield* q.get();
      log(yield* told(() => q.get({ timeout: new Timeout(T, new Oops('get')) })));
      const t = Timeout.startNew(T);
      log((yield* told(() => q.get({ timeout: 3 * T }))) === t, q.qsize());
    },
  ),

  same(
    'Queue: who is killed while waiting takes no item along and leaves none behind',
    `
    q = Queue(1)
    def getter(n):
        try:
            log(n, q.get())
        except BaseException as e:
            log(n, e)
    gs = [spawn(getter, n) for n in range(3)]
    sleep(0)
    gevent.kill(gs[0])
    q.put('a')
    gevent.kill(gs[1])
    sleep(0)
    log(q.qsize())
    q.put('b')
    sleep(0)
    q.put('c')
    def putter(n):
        try:
            q.put(n)
            log('put', n)
        except BaseException as e:
            log('put', n, e)
    ps = [spawn(putter, n) for n in range(3)]
    sleep(0)
    ps[1].kill()
    log([q.get() for _ in range(3)], q.qsize())
    `,
    function* (log) {
      const q = new Queue<any>(1);
      function* getter(n: number): Body {
        try {
          log(n, yield* q.get());
        } catch (e) {
          log(n, e);
        }
      }
      const gs = [0, 1, 2].map((n) => spawn(getter, n));
      yield* sleep(0);
      kill(gs[0]);
      yield* q.put('a');
      kill(gs[1]);
      yield* sleep(0);
      log(q.qsize());
      yield* q.put('b');
      yield* sleep(0);
      yield* q.put('c');
      function* putter(n: number): Body {
        try {
          yield* q.put(n);
          log('put', n);
        } catch (e) {
          log('put', n, e);
        }
      }
      const ps = [0, 1, 2].map((n) => spawn(putter, n));
      yield* sleep(0);
      yield* ps[1].kill();
      log([yield* q.get(), yield* q.get(), yield* q.get()], q.qsize());
    },
  ),

  same(
    'Queue: those who peek leave the item, and all who wait for it are served',
    `
    q = Queue()
    def peeker(n): log('peek', n, q.peek())
    spawn(peeker, 0)
    spawn(lambda: log('get', q.get()))
    spawn(peeker, 1)
    sleep(0)
    q.put('a')
    sleep(0)
    log(q.qsize())
    q.put('b')
    sleep(0)
    log(q.qsize())
    `,
    function* (log) {
      const q = new Queue<string>();
      function* peeker(n: number): Body {
        log('peek', n, yield* q.peek());
      }
      spawn(peeker, 0);
      spawn(function* (): Body {
        log('get', yield* q.get());
      });
      spawn(peeker, 1);
      yield* sleep(0);
      yield* q.put('a');
      yield* sleep(0);
      log(q.qsize());
      yield* q.put('b');
      yield* sleep(0);
      log(q.qsize());
    },
  ),

  same(
    'Queue: iteration ends at the mark that says so',
    `
    q = Queue()
    def consumer():
        for item in q: log(item)
        log('end')
    g = spawn(consumer)
    sleep(0)
    for item in (1, 2, StopIteration): q.put(item)
    g.join()
    log(q.qsize())
    `,
    function* (log) {
      const q = new Queue<number>();
      const g = spawn(function* (): Body {
        for (let step = yield* q.next(); !step.done; step = yield* q.next()) log(step.value);
        log('end');
      });
      yield* sleep(0);
      for (const item of [1, 2, END]) yield* q.put(item as number);
      yield* g.join();
      log(q.qsize());
    },
  ),

  same(
    'Queue: in a callback of the hub nothing blocks; those who wait run there to make room',
    `
    q = Queue(1)
    def getter(): log('got', q.get())
    spawn(getter)
    sleep(0)
    def callback():
        log('put', told(lambda: q.put('a')))
        log('put', told(lambda: q.put('b')))
        log('put', told(lambda: q.put('c')))
        log('get', told(q.get))
        log('get', told(q.get))
    hub.loop.run_callback(callback)
    sleep(0)
    log(q.qsize())
    `,
    function* (log) {
      const q = new Queue<string>(1);
      spawn(function* (): Body {
        log('got', yield* q.get());
      });
      yield* sleep(0);
      getHub().loop.runCallback(() => {
        for (const item of 'abc')
          log(
            'put',
            attempt(() => q.putNowait(item)),
          );
        log(
          'get',
          attempt(() => q.getNowait()),
        );
        log(
          'get',
          attempt(() => q.getNowait()),
        );
      });
      yield* sleep(0);
      log(q.qsize());
    },
  ),

  same(
    'Queue: as the link of greenlets it gets them as they end',
    `
    q = Queue()
    def worker(n):
        sleep(n * T)
        return n
    for n in (3, 1, 2): spawn(worker, n).link(q.put)
    log([q.get().value for _ in range(3)])
    `,
    function* (log) {
      const q = new Queue<any>();
      function* worker(n: number): Body {
        yield* sleep(n * T);
        return n;
      }
      for (const n of [3, 1, 2]) spawn(worker, n).rawlink((g) => q.putNowait(g));
      const values: unknown[] = [];
      for (let n = 0; n < 3; ++n) values.push((yield* q.get()).value);
      log(values);
    },
  ),

  same(
    'JoinableQueue: join ends when each item was done; done too often is refused',
    `
    q = JoinableQueue()
    log(q.join(), q.unfinished_tasks)
    def worker():
        while True:
            item = q.get()
            sleep(T)
            log('done', item)
            q.task_done()
    spawn(worker)
    for n in range(3): q.put(n)
    log(q.unfinished_tasks, bool(q.join(timeout=1.5 * T)), q.unfinished_tasks)
    log(bool(q.join()), q.unfinished_tasks, told(q.task_done))
    q.put('again')
    log(q.unfinished_tasks, bool(q.join(timeout=0)))
    `,
    function* (log) {
      const q = new JoinableQueue<any>();
      log(yield* q.join(), q.unfinishedTasks);
      spawn(function* (): Body {
        for (;;) {
          const item = yield* q.get();
          yield* sleep(T);
          log('done', item);
          q.taskDone();
        }
      });
      for (let n = 0; n < 3; ++n) yield* q.put(n);
      log(q.unfinishedTasks, yield* q.join({ timeout: 1.5 * T }), q.unfinishedTasks);
      log(yield* q.join(), q.unfinishedTasks, yield* told(() => q.taskDone()));
      yield* q.put('again');
      log(q.unfinishedTasks, yield* q.join({ timeout: 0 }));
    },
  ),

  same(
    'JoinableQueue: items of the start count, and several join',
    `
    q = JoinableQueue(None, [1, 2])
    def joiner(n): log(n, bool(q.join()))
    gs = [spawn(joiner, n) for n in range(3)]
    sleep(0)
    gs[1].kill()
    log(q.unfinished_tasks)
    q.task_done()
    q.task_done()
    log('done')
    sleep(0)
    log(q.qsize())
    `,
    function* (log) {
      const q = new JoinableQueue<number>(null, [1, 2]);
      function* joiner(n: number): Body {
        log(n, yield* q.join());
      }
      const gs = [0, 1, 2].map((n) => spawn(joiner, n));
      yield* sleep(0);
      yield* gs[1].kill();
      log(q.unfinishedTasks);
      q.taskDone();
      q.taskDone();
      log('done');
      yield* sleep(0);
      log(q.qsize());
    },
  ),

  same(
    'LifoQueue: the latest first; those who wait to put come in their order',
    `
    q = LifoQueue(2, [1, 2])
    log(q.peek(), q.full())
    def putter(n):
        q.put(n)
        log('put', n)
    for n in (3, 4): spawn(putter, n)
    sleep(0)
    log([q.get() for _ in range(4)], q.empty())
    `,
    function* (log) {
      const q = new LifoQueue<number>(2, [1, 2]);
      log(yield* q.peek(), q.full());
      function* putter(n: number): Body {
        yield* q.put(n);
        log('put', n);
      }
      for (const n of [3, 4]) spawn(putter, n);
      yield* sleep(0);
      log([yield* q.get(), yield* q.get(), yield* q.get(), yield* q.get()], q.empty());
    },
  ),

  same(
    'PriorityQueue: the smallest first, of those that are in; tuples by their parts',
    `
    q = PriorityQueue(None, [5, 3, 8])
    q.put(4)
    log(q.peek(), [q.get() for _ in range(4)], told(q.get_nowait))
    q = PriorityQueue(2, [5, 3])
    def putter(n):
        q.put(n)
        log('put', n)
    for n in (1, 9, 0): spawn(putter, n)
    sleep(0)
    log([q.get() for _ in range(5)])
    q = PriorityQueue()
    for item in ((2, 'b'), (1, 'z'), (2, 'a')): q.put(item)
    log([q.get() for _ in range(3)])
    `,
    function* (log) {
      let q = new PriorityQueue<any>(null, [5, 3, 8]);
      yield* q.put(4);
      log(
        yield* q.peek(),
        [yield* q.get(), yield* q.get(), yield* q.get(), yield* q.get()],
        yield* told(() => q.getNowait()),
      );
      q = new PriorityQueue<any>(2, [5, 3]);
      function* putter(n: number): Body {
        yield* q.put(n);
        log('put', n);
      }
      for (const n of [1, 9, 0]) spawn(putter, n);
      yield* sleep(0);
      log([yield* q.get(), yield* q.get(), yield* q.get(), yield* q.get(), yield* q.get()]);
      q = new PriorityQueue<any>();
      for (const item of [
        [2, 'b'],
        [1, 'z'],
        [2, 'a'],
      ]) {
        yield* q.put(item);
      }
      log([yield* q.get(), yield* q.get(), yield* q.get()]);
    },
  ),

  same(
    'SimpleQueue: put never waits, get does',
    `
    q = SimpleQueue()
    def getter(n): log(n, q.get())
    for n in range(2): spawn(getter, n)
    sleep(0)
    q.put('a')
    q.put_nowait('b')
    q.put('c')
    log(q.qsize(), q.empty())
    sleep(0)
    log(q.qsize(), q.get_nowait(), told(q.get_nowait), told(lambda: q.get(timeout=T)), told(lambda: q.get(block=False)))
    `,
    function* (log) {
      const q = new SimpleQueue<string>();
      function* getter(n: number): Body {
        log(n, yield* q.get());
      }
      for (let n = 0; n < 2; ++n) spawn(getter, n);
      yield* sleep(0);
      yield* q.put('a');
      q.putNowait('b');
      yield* q.put('c');
      log(q.qsize(), q.empty());
      yield* sleep(0);
      log(
        q.qsize(),
        q.getNowait(),
        yield* told(() => q.getNowait()),
        yield* told(() => q.get({ timeout: T })),
        yield* told(() => q.get({ block: false })),
      );
    },
  ),

  same(
    'Channel: who gets goes on before who put; the one waits for the other',
    `
    c = Channel()
    def producer():
        for n in range(3):
            c.put(n)
            log('p', n)
    def consumer():
        for _ in range(3): log('c', c.get())
    spawn(producer)
    spawn(consumer)
    sleep(0)
    log(c.qsize(), c.empty(), c.full(), c.balance)
    `,
    function* (log) {
      const c = new Channel<number>();
      spawn(function* (): Body {
        for (let n = 0; n < 3; ++n) {
          yield* c.put(n);
          log('p', n);
        }
      });
      spawn(function* (): Body {
        for (let n = 0; n < 3; ++n) log('c', yield* c.get());
      });
      yield* sleep(0);
      log(c.qsize(), c.empty(), c.full(), c.balance);
    },
  ),

  same(
    'Channel: several on one side, balance, timeouts and kills; nothing is lost',
    `
    c = Channel()
    log(told(c.get_nowait), told(lambda: c.put_nowait(1)), told(lambda: c.get(timeout=T)), told(lambda: c.put(1, timeout=T)))
    def putter(n):
        try:
            c.put(n)
            log('put', n)
        except BaseException as e:
            log('put', n, e)
    ps = [spawn(putter, n) for n in range(3)]
    sleep(0)
    log(c.balance)
    ps[1].kill()
    log(c.balance, c.get(), c.get(), c.balance)
    def getter(n):
        try:
            log('get', n, c.get())
        except BaseException as e:
            log('get', n, e)
    gs = [spawn(getter, n) for n in range(3)]
    sleep(0)
    log(c.balance)
    gs[0].kill()
    c.put('x')
    log(c.balance)
    c.put('y')
    `,
    function* (log) {
      const c = new Channel<any>();
      log(
        yield* told(() => c.get({ block: false })),
        yield* told(() => c.put(1, { block: false })),
        yield* told(() => c.get({ timeout: T })),
        yield* told(() => c.put(1, { timeout: T })),
      );
      function* putter(n: number): Body {
        try {
          yield* c.put(n);
          log('put', n);
        } catch (e) {
          log('put', n, e);
        }
      }
      const ps = [0, 1, 2].map((n) => spawn(putter, n));
      yield* sleep(0);
      log(c.balance);
      yield* ps[1].kill();
      log(c.balance, yield* c.get(), yield* c.get(), c.balance);
      function* getter(n: number): Body {
        try {
          log('get', n, yield* c.get());
        } catch (e) {
          log('get', n, e);
        }
      }
      const gs = [0, 1, 2].map((n) => spawn(getter, n));
      yield* sleep(0);
      log(c.balance);
      yield* gs[0].kill();
      yield* c.put('x');
      log(c.balance);
      yield* c.put('y');
    },
  ),

  differs(
    {
      why: 'a negative timeout is refused, as newer gevent does for queues; 22.10 takes it for none left',
      gevent: ['Empty Full', 'done'],
      here: ['ValueError ValueError', 'done'],
    },
    'Queue: a negative timeout',
    `
    q = Queue(1)
    a = told(lambda: q.get(timeout=-1))
    q.put(1)
    log(a, told(lambda: q.put(1, timeout=-1)))
    log('done')
    `,
    function* (log) {
      const q = new Queue<number>(1);
      const a = yield* told(() => q.get({ timeout: -1 }));
      yield* q.put(1);
      log(a, yield* told(() => q.put(1, { timeout: -1 })));
      log('done');
    },
  ),

  differs(
    {
      why: 'newer gevent has shutdown; 22.10 has not',
      gevent: ['AttributeError'],
      here: ['getter ShutDown', 'none true', 'ShutDown', '1', 'ShutDown'],
    },
    'Queue: shutdown lets gets go on until it is empty, and refuses puts',
    `
    log(told(lambda: Queue().shutdown()))
    `,
    function* (log) {
      const empty = new Queue<number>();
      const g = spawn(function* (): Body {
        log('getter', yield* told(() => empty.get()));
      });
      yield* sleep(0);
      empty.shutdown();
      yield* g.join();
      const q = new Queue<number>(null, [1]);
      log(q.shutdown(), q.isShutdown);
      log(yield* told(() => q.put(2)));
      log(yield* q.get());
      log(yield* told(() => q.get()));
    },
  ),

  same(
    'workers over one queue end at their sentinels, whoever is killed in between',
    `
    q = Queue(2)
    def worker(n):
        while True:
            item = q.get()
            if item is None: break
            log(n, item)
            sleep((n + 1) * T)
        log(n, 'ends')
    ws = [spawn(worker, n) for n in range(3)]
    def producer():
        for item in range(1, 8): q.put(item)
        for _ in range(3): q.put(None)
    spawn(producer)
    sleep(T / 2)
    ws[2].kill()
    gevent.joinall(ws)
    log(q.qsize())
    `,
    function* (log) {
      const q = new Queue<number | null>(2);
      function* worker(n: number): Body {
        for (;;) {
          const item = yield* q.get();
          if (item === null) break;
          log(n, item);
          yield* sleep((n + 1) * T);
        }
        log(n, 'ends');
      }
      const ws = [0, 1, 2].map((n) => spawn(worker, n));
      spawn(function* (): Body {
        for (let item = 1; item < 8; ++item) yield* q.put(item);
        for (let n = 0; n < 3; ++n) yield* q.put(null);
      });
      yield* sleep(T / 2);
      yield* ws[2].kill();
      yield* joinall(ws);
      log(q.qsize());
    },
  ),
];

/** What `fn()` gives or throws. */
function attempt(fn: () => unknown): unknown {
  try {
    return fn();
  } catch (error) {
    return error;
  }
}
