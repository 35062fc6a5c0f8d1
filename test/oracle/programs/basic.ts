// What every program can do: spawn, yield, kill, join, link, raise, catch, time out.

import { BODY, type Op, type Pair } from './grammar.ts';

export const MODES: Pair[] = [
  ['', ''],
  ['block=False', '{ block: false }'],
  ['timeout=0', '{ timeout: 0 }'],
];

export const says = (weight: number, ranges: number[], say: NonNullable<Op['say']>): Op => ({ weight, ranges, say });

const KILLS: Pair[] = [
  ['', ''],
  ['block=False', '{ block: false }'],
  ['timeout=0', '{ timeout: 0 }'],
  ["Oops('killed')", "{ exception: new Oops('killed') }"],
  ["Oops('shot'), block=False", "{ exception: new Oops('shot'), block: false }"],
];
const LINKS: Pair[] = [
  ['rawlink', 'rawlink'],
  ['link', 'link'],
  ['link_value', 'linkValue'],
  ['link_exception', 'linkException'],
];

export const basic: Record<string, Op> = {
  sleep: says(16, [], () => ['sleep(0)', 'sleep(0)']),
  spawn: says(22, [BODY], ([b]) => [`go(spawn, b${b})`, `go(spawn, b${b})`]),
  kill: says(5, [7, 5], ([k, how]) => [`at(me, ${k}).kill(${KILLS[how][0]})`, `at(me, ${k}).kill(${KILLS[how][1]})`]),
  order: says(5, [7], ([k]) => [`gevent.kill(at(me, ${k}))`, `kill(at(me, ${k}))`]),
  killSelf: says(1, [5], ([how]) => [
    `gs[int(me[1:])].kill(${KILLS[how][0]}) if gs[int(me[1:])] is not None else None`,
    `gs[Number(me.slice(1))]?.kill(${KILLS[how][1]})`,
  ]),
  // Nor this: what has ended in the instant of the timeout was in time.
  killall: says(2, [7, 7, 2], ([j, k, how]) => [
    `gevent.killall([at(me, ${j}), at(me, ${k})]${how === 0 ? '' : `, ${MODES[how][0]}`})`,
    `killall([at(me, ${j}), at(me, ${k})], ${MODES[how][1] || '{}'})`,
  ]),
  join: says(7, [7, 2], ([k, how]) => [
    `at(me, ${k}).join(${how === 0 ? '' : 'timeout=0'})`,
    `at(me, ${k}).join(${how === 0 ? '' : '{ timeout: 0 }'})`,
  ]),
  // Not with a timeout of 0: see the scenario of the greenlet that ends in the instant of it.
  get: says(5, [7, 2], ([k, how]) => [`at(me, ${k}).get(${MODES[how][0]})`, `at(me, ${k}).get(${MODES[how][1]})`]),
  // linked: see the scenario of the link to one that joinall has heard of.
  joinall: says(4, [7, 7, 4], ([j, k, how]) => {
    const [py, js] = JOINS[how];
    return [
      `len(joinall(linked([at(me, ${j}), at(me, ${k})])${py}))`,
      `sized(joinall(linked([at(me, ${j}), at(me, ${k})]), ${js}))`,
    ];
  }),
  wait: says(3, [7, 7, 3], ([j, k, how]) => {
    const [py, js] = JOINS[how];
    return [
      `len(wait(linked([at(me, ${j}), at(me, ${k})])${py}))`,
      `sized(wait(linked([at(me, ${j}), at(me, ${k})]), ${js}))`,
    ];
  }),
  link: says(6, [7, 4], ([k, how], _o, n) => [
    `at(me, ${k}).${LINKS[how][0]}(lambda g: log('link', ${n}, g.successful()))`,
    `at(me, ${k}).${LINKS[how][1]}((g) => log('link', ${n}, g.successful()))`,
  ]),
  linkSpawns: says(1, [7, BODY], ([k, b]) => [
    `at(me, ${k}).rawlink(lambda _: go(spawn, b${b}) and None)`,
    `at(me, ${k}).rawlink(() => void go(spawn, b${b}).next())`,
  ]),
  state: says(3, [7], ([k]) => [
    `(lambda g: [g.dead, g.ready(), g.successful(), g.value, bool(g)])(at(me, ${k}))`,
    `((g) => [g.dead, g.ready(), g.successful(), g.value, g.active])(at(me, ${k}))`,
  ]),
  raise: {
    weight: 2,
    ranges: [],
    around: (_args, _object, n) => ({ python: [`raise Oops('${n}')`], ts: [`throw new Oops('${n}');`] }),
  },
  finally: {
    weight: 4,
    ranges: [],
    blocks: 2,
    around: (_args, _object, n) => ({
      python: ['try:', '    {0}', 'finally:', `    log(me, ${n}, 'finally')`, '    {1}'],
      ts: ['try {', '    {0}', '} finally {', `    log(me, ${n}, 'finally');`, '    {1}', '}'],
    }),
  },
  resist: {
    weight: 3,
    ranges: [],
    blocks: 2,
    around: (_args, _object, n) => ({
      python: ['try:', '    {0}', 'except BaseException as e:', `    log(me, ${n}, 'caught', e)`, '    {1}'],
      ts: ['try {', '    {0}', '} catch (e) {', `    log(me, ${n}, 'caught', e);`, '    {1}', '}'],
    }),
  },
  timeout: {
    weight: 5,
    ranges: [2],
    blocks: 1,
    around: ([quiet], _object, n) => ({
      python: [
        `t${n} = Timeout(0${quiet ? ', False' : ''})`,
        `t${n}.start()`,
        'try:',
        '    {0}',
        `    log(me, ${n}, 'in time', t${n}.pending)`,
        'except Timeout as e:',
        `    log(me, ${n}, 'out of time', e is t${n})`,
        `    if e is not t${n}: raise`,
        'finally:',
        `    t${n}.close()`,
      ],
      ts: [
        `const t${n} = new Timeout(0${quiet ? ', false' : ''});`,
        `t${n}.start();`,
        'try {',
        '    {0}',
        `    log(me, ${n}, 'in time', t${n}.pending);`,
        '} catch (e) {',
        '    if (!(e instanceof Timeout)) throw e;',
        `    log(me, ${n}, 'out of time', e === t${n});`,
        `    if (e !== t${n}) throw e;`,
        '} finally {',
        `    t${n}.close();`,
        '}',
      ],
    }),
  },
  repeat: {
    weight: 3,
    ranges: [2],
    blocks: 1,
    around: ([more], _object, n) => ({
      python: [`for i${n} in range(${2 + more}):`, '    {0}'],
      ts: [`for (let i${n} = 0; i${n} < ${2 + more}; ++i${n}) {`, '    {0}', '}'],
    }),
  },
};

const JOINS: Pair[] = [
  ['', '{}'],
  [', timeout=0', '{ timeout: 0 }'],
  [', count=1', '{ count: 1 }'],
  [', raise_error=True', '{ raiseError: true }'],
];
