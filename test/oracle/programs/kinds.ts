// The objects of random programs: how they are made, what can be done with them, what is left in them.

import * as event from '../../../ts/event.ts';
import * as lock from '../../../ts/lock.ts';
import * as pool from '../../../ts/pool.ts';
import * as queue from '../../../ts/queue.ts';
import { MODES, says } from './basic.ts';
import { BODY, type ObjectKind, type Op, type Pair } from './grammar.ts';

/** Names that programs use beside those of the main entry. */
export const api: Record<string, unknown> = { ...event, ...lock, ...queue, ...pool };

/** A call without arguments, of the same name but for its case. */
const call = (weight: number, python: string, ts = camel(python)): Op =>
  says(weight, [], (_args, o) => [`${o}.${python}()`, `${o}.${ts}()`]);
const camel = (name: string) => name.replaceAll(/_(.)/g, (_all, letter: string) => letter.toUpperCase());

// Waits and links begin in a turn that no notification brought about: see the scenarios of the last to be woken, who links or waits
// again. And objects that are linked to are kinds of their own, that nobody waits for otherwise: see the scenario of the link that
// is made while a notification is pending.

// And nobody waits for what is there: see the scenario of the one whom gevent forgets.

/** A wait without a limit, or with one of 0, unless `ready` says that there is nothing to wait for. */
const waits = (
  weight: number,
  name: string,
  ready: (o: string) => Pair = (o) => [`${o}.ready()`, `${o}.ready()`],
): Op =>
  says(weight, [3], ([how], o) => {
    const [py, js] = ready(o);
    return [
      `behind(lambda: 'ready' if ${py} else ${o}.${name}(${how === 0 ? 'timeout=0' : ''}))`,
      `behind(() => (${js}) ? 'ready' : ${o}.${camel(name)}(${how === 0 ? '{ timeout: 0 }' : ''}))`,
    ];
  });

const ACQUIRES: Pair[] = [MODES[0], MODES[0], ['blocking=False', '{ blocking: false }'], MODES[2]];
const acquire = says(10, [4], ([how], o) => [`${o}.acquire(${ACQUIRES[how][0]})`, `${o}.acquire(${ACQUIRES[how][1]})`]);

const link: Op = says(3, [], (_args, o, n) => [
  `behind(lambda: ${o}.rawlink(lambda _: log('link', ${n})))`,
  `behind(() => ${o}.rawlink(() => log('link', ${n})))`,
]);

const waitFor: Op = says(3, [2], ([how], o) => [
  `behind(lambda: len(wait([${o}]${how === 0 ? ', timeout=0' : ''})))`,
  `behind(() => sized(wait([${o}]${how === 0 ? ', { timeout: 0 }' : ''})))`,
]);

/** A block that holds the lock. */
const held: Op = {
  weight: 6,
  ranges: [],
  blocks: 1,
  around: (_args, o, n) => ({
    python: [`${o}.acquire()`, 'try:', `    log(me, ${n}, 'holds')`, '    {0}', 'finally:', `    ${o}.release()`],
    ts: [
      `yield* ${o}.acquire();`,
      'try {',
      `    log(me, ${n}, 'holds');`,
      '    {0}',
      '} finally {',
      `    ${o}.release();`,
      '}',
    ],
  }),
};

const semaphore = (python: string): ObjectKind => ({
  ranges: [3],
  make: ([permits]) => [`${python}(${permits})`, `new ${python}(${permits})`],
  rest: (o) => [`${o}.counter`, `${o}.counter`],
  ops: {
    acquire,
    release: call(10, 'release'),
    wait: waits(3, 'wait'),
    locked: call(1, 'locked'),
    ready: call(1, 'ready'),
    held,
  },
});

/** Every item is another number: those of a loop aside. */
const put = says(10, [5], ([how], o, n) => [
  `${o}.put(${(n * 7) % 10}${WAITS[how][0] && `, ${WAITS[how][0]}`})`,
  `${o}.put(${(n * 7) % 10}${WAITS[how][1] && `, ${WAITS[how][1]}`})`,
]);
const get = says(10, [5], ([how], o) => [`${o}.get(${WAITS[how][0]})`, `${o}.get(${WAITS[how][1]})`]);
/** Mostly without a limit. */
const WAITS: Pair[] = [MODES[0], MODES[0], MODES[0], MODES[1], MODES[2]];

const queueKind = (name: string, sizes: number, more: Record<string, Op> = {}): ObjectKind => ({
  ranges: [sizes],
  make: ([size]) => [`${name}(${size || ''})`, `new ${name}(${size || ''})`],
  rest: (o) => [
    `${o}.qsize(), [${o}.get_nowait() for _ in range(${o}.qsize())]`,
    `${o}.qsize(), Array.from({ length: ${o}.qsize() }, () => ${o}.getNowait())`,
  ],
  ops: {
    put,
    get,
    peek: says(2, [5], ([how], o) => [`${o}.peek(${WAITS[how][0]})`, `${o}.peek(${WAITS[how][1]})`]),
    qsize: call(2, 'qsize'),
    empty: call(1, 'empty'),
    full: call(1, 'full'),
    ...more,
  },
});

const groupOps = (more: Record<string, Op>): Record<string, Op> => ({
  spawn: says(12, [BODY], ([b], o) => [`go(${o}.spawn, b${b})`, `go((...a) => ${o}.spawn(...a), b${b})`]),
  join: waits(4, 'join', (o) => [`len(${o}) == 0`, `${o}.length === 0`]),
  length: says(2, [], (_args, o) => [`len(${o})`, `${o}.length`]),
  apply: says(4, [], (_args, o, n) => [
    `${o}.apply(lambda: (log('applied', ${n}), sleep(0), ${n})[2])`,
    `${o}.apply(function* () { log('applied', ${n}); yield* sleep(0); return ${n}; })`,
  ]),
  ...more,
});

export const kinds: Record<string, ObjectKind> = {
  event: {
    ranges: [],
    make: () => ['Event()', 'new Event()'],
    rest: (o) => [`${o}.is_set()`, `${o}.isSet()`],
    ops: {
      set: call(6, 'set'),
      clear: call(5, 'clear'),
      wait: waits(10, 'wait'),
      isSet: call(1, 'is_set'),
    },
  },

  linkedEvent: {
    ranges: [],
    make: () => ['Event()', 'new Event()'],
    rest: (o) => [`${o}.is_set()`, `${o}.isSet()`],
    ops: { set: call(4, 'set'), clear: call(3, 'clear'), link, waitFor },
  },

  result: {
    ranges: [],
    make: () => ['AsyncResult()', 'new AsyncResult()'],
    rest: (o) => [`${o}.ready(), ${o}.value, ${o}.exception`, `${o}.ready(), ${o}.value, ${o}.exception`],
    ops: {
      set: says(3, [], (_args, o, n) => [`${o}.set(${n})`, `${o}.set(${n})`]),
      setException: says(2, [], (_args, o, n) => [
        `${o}.set_exception(Oops('${n}'))`,
        `${o}.setException(new Oops('${n}'))`,
      ]),
      get: says(8, [3], ([how], o) => [
        `behind(lambda: ${o}.get_nowait() if ${o}.ready() else ${o}.get(${MODES[how][0]}))`,
        `behind(() => (${o}.ready() ? ${o}.getNowait() : ${o}.get(${MODES[how][1]})))`,
      ]),
      wait: waits(6, 'wait'),
      successful: call(1, 'successful'),
    },
  },

  semaphore: semaphore('Semaphore'),
  bounded: semaphore('BoundedSemaphore'),

  linkedSemaphore: {
    ranges: [2],
    make: ([permits]) => [`Semaphore(${permits})`, `new Semaphore(${permits})`],
    rest: (o) => [`${o}.counter`, `${o}.counter`],
    ops: {
      take: says(6, [], (_args, o) => [`${o}.acquire(blocking=False)`, `${o}.acquire({ blocking: false })`]),
      release: call(5, 'release'),
      link,
      waitFor,
    },
  },

  rlock: {
    ranges: [],
    make: () => ['RLock()', 'new RLock()'],
    rest: (o) => [`${o}._block.locked()`, `${o}.locked()`],
    ops: {
      acquire: says(10, [4], ([how], o) => [
        `bool(${o}.acquire(${ACQUIRES[how][0]}))`,
        `${o}.acquire(${ACQUIRES[how][1]})`,
      ]),
      release: call(10, 'release'),
      held,
    },
  },

  queue: queueKind('Queue', 3),
  joinable: queueKind('JoinableQueue', 3, {
    taskDone: call(5, 'task_done'),
    join: waits(4, 'join', (o) => [`${o}.unfinished_tasks == 0`, `${o}.unfinishedTasks === 0`]),
    unfinished: says(1, [], (_args, o) => [`${o}.unfinished_tasks`, `${o}.unfinishedTasks`]),
  }),
  lifo: queueKind('LifoQueue', 3),
  priority: queueKind('PriorityQueue', 3),
  simple: queueKind('SimpleQueue', 1),

  channel: {
    ranges: [],
    make: () => ['Channel()', 'new Channel()'],
    rest: (o) => [`${o}.qsize(), ${o}.balance`, `${o}.qsize(), ${o}.balance`],
    ops: { put, get, empty: call(1, 'empty'), full: call(1, 'full') },
  },

  pool: {
    ranges: [3],
    make: ([size]) => [`Pool(${size || 3})`, `new Pool(${size || 3})`],
    rest: (o) => [`len(${o}), ${o}.free_count()`, `${o}.length, ${o}.freeCount()`],
    ops: groupOps({
      full: call(1, 'full'),
      freeCount: call(1, 'free_count'),
      waitAvailable: waits(2, 'wait_available', (o) => [`not ${o}.full()`, `!${o}.full()`]),
    }),
  },

  group: {
    ranges: [],
    make: () => ['Group()', 'new Group()'],
    rest: (o) => [`len(${o})`, `${o}.length`],
    ops: groupOps({}),
  },
};
