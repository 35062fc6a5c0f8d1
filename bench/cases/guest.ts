import { go as goSide } from '../contenders/go.ts';
import * as guest from '../contenders/guest.ts';
import * as suite from '../contenders/guest-suite.ts';
import * as memory from '../contenders/memory.ts';
import * as native from '../contenders/native.ts';
import type { Case, Contender, Group } from '../harness.ts';

export const guests: Case = {
  name: 'guest',
  about: `n guests, one frame deep, yield in turn, linked to the engine or bundled with it; see guest-depth for deeper ones. The floors switch
bare stacks in a loop: no ring, no time slice, no ends, and for asyncify nothing that guards one's frames from another's.
The baseline awaits null. go is runtime.Gosched with GOMAXPROCS=1. With 100 000 and more, guests were spawned by a guest.`,
  groups({ quick }) {
    const total = quick ? 300_000 : 1_000_000;
    const groups: Group[] = [];
    for (const n of [2, 1000]) {
      groups.push(group('asyncify', n, total), group('wasmfx', n, total), group('jspi', n, total / 10));
    }
    if (!quick) for (const n of [100_000, 1_000_000]) groups.push(crowd(n));
    return groups;
  },
};

function group(backend: 'asyncify' | 'wasmfx' | 'jspi', n: number, total: number): Group {
  const contenders: Contender[] = [
    ...(backend === 'jspi' ? [] : [guest.bare(backend, n, total)]),
    native.switching(n, total),
    guest.switching(backend, n, total),
    ...(backend === 'asyncify' ? [guest.switching(backend, n, total, 0, 'bundled')] : []),
    guest.go('switch', n, total),
  ];
  return { params: { backend, n }, unit: 'ns/switch', contenders };
}

function crowd(n: number): Group {
  const total = 4 * n;
  const contenders = [
    guest.bare('asyncify', n, total),
    guest.crowdSwitching('asyncify', n, total),
    guest.go('switch', n, total),
  ];
  return { params: { backend: 'asyncify', n }, unit: 'ns/switch', contenders, samples: 5 };
}

export const guestDepth: Case = {
  name: 'guest-depth',
  about: `100 guests that yield, suspended so many frames below their export. Asyncify unwinds and rewinds each frame at each
switch; wasmfx and jspi keep the stack; auto begins as asyncify and measures, wasmfx enabled: what
that takes is in its row, in which a guest has 1 000 turns or more.`,
  groups({ quick }) {
    return (quick ? [0, 8, 64] : [0, 1, 2, 4, 8, 16, 32, 64]).map((depth) => {
      const total = quick ? 100_000 : 300_000;
      const contenders: Contender[] = [
        native.switching(100, total),
        guest.switching('asyncify', 100, total, depth),
        guest.switching('wasmfx', 100, total, depth),
        guest.switching('jspi', 100, total / 10, depth),
        guest.switching('auto', 100, total, depth),
      ];
      return { params: { depth }, unit: 'ns/switch', contenders };
    });
  },
};

export const guestSpawn: Case = {
  name: 'guest-spawn',
  about: `Guests that a guest spawns, which yield once and end, so many alive at a time; wasmfx runs them on stacks of its
pool. go does the same with goroutines and a WaitGroup, GOMAXPROCS=1. With --large also ten million in all, asyncify and go.`,
  groups({ quick, large }) {
    const groups: Group[] = [100, 10_000].map((alive) => {
      const waves = Math.max(1, (quick ? 200_000 : 1_000_000) / alive);
      const contenders: Contender[] = [
        guest.spawning('asyncify', alive, waves),
        guest.spawning('wasmfx', alive, Math.max(1, waves / 10)),
        guest.go('spawn', alive, waves),
      ];
      return { params: { alive }, unit: 'ns/guest', contenders };
    });
    if (large) {
      const [alive, waves] = [10_000, 1000];
      const contenders = [guest.spawning('asyncify', alive, waves), guest.go('spawn', alive, waves)];
      groups.push({ params: { alive, of: alive * waves }, unit: 'ns/guest', contenders, samples: 3 });
    }
    return groups;
  },
};

export const guestAlive: Case = {
  name: 'guest-alive',
  about: `What a guest costs that waits for good, spawned by another, each sample in a new process. rss: pages the process
holds; the floor is a suspended generator and a number in an array.`,
  groups({ quick }) {
    const n = quick ? 100_000 : 1_000_000;
    const contenders: Contender[] = [memory.generators(n, 'rss'), guest.alive('asyncify', n, 'rss')];
    return [{ params: { n }, unit: 'bytes/guest', contenders, samples: 3, fresh: true }];
  },
};

/** Sizes: of a `--quick` run, and of a whole one. */
const SUITE: readonly [suite.Program, number, number][] = [
  ['c10m', 1_000_000, 10_000_000],
  ['skynet', 10_000, 1_000_000],
  ['sieve', 100, 400],
  ['itersum', 200_000, 2_000_000],
  ['treesum', 15, 18],
];

export const guestSuite: Case = {
  name: 'guest-suite',
  about: `The programs of the wasmfx suite. c10m: guests started, yielding once and ended, 10 000 alive at a time (the original also
touches 32 KB of each stack). skynet: a tree of guests, ten below each, that sum their leaves. sieve: primes, a guest each. itersum: a
sum of what one guest gives another. treesum: the same from as many frames deep as the tree. Ours hand over in shared memory and
take turns by yield; who waits for several asks at each of its turns. native:generator calls generators by hand: no scheduler. go has
channels, GOMAXPROCS=1.`,
  groups({ quick }) {
    return SUITE.map(([program, small, large]) => {
      const size = quick ? small : large;
      // A stack for each guest that is alive: as many as there are for the tree of 10 000.
      const fits = program !== 'skynet' || size <= 10_000;
      const contenders: Contender[] = [
        suite.generators(program, size),
        suite.guests(program, 'asyncify', size),
        ...(fits ? [suite.guests(program, 'wasmfx', size)] : []),
        suite.goroutines(program, size),
      ];
      return { params: { program, size }, unit: 'ns/item', contenders, samples: quick ? 5 : 3 };
    });
  },
};

export const guestSync: Case = {
  name: 'guest-sync',
  about: `Two guests of an instance hand over by imports of the module gevent. semaphore: each releases the other's and acquires its own. item:
one puts numbers into a Channel, the other gets them; from or to JavaScript: one of them is a generator body. JSPI does all of it in
JavaScript. native:await awaits null, once a hand-over. go: an unbuffered channel, or two with room for one; GOMAXPROCS as it is.`,
  groups({ quick }) {
    const total = quick ? 100_000 : 400_000;
    return (['semaphore', 'item', 'from JavaScript', 'to JavaScript'] as const).map((what) => ({
      params: { what },
      unit: what === 'semaphore' ? 'ns/hand-over' : 'ns/item',
      contenders: [
        native.switching(2, total),
        guest.handsOver(what, 'asyncify', total),
        guest.handsOver(what, 'wasmfx', total),
        ...(quick ? [] : [guest.handsOver(what, 'jspi', total / 10)]),
        what === 'semaphore' ? goSide('ping_pong', [total], total) : goSide('hand', [0, total], total),
      ],
    }));
  },
};

export const guestMixed: Case = {
  name: 'guest-mixed',
  about: `hop: a generator body and a guest yield in turn, so that each switch goes from JavaScript to WebAssembly or back; two
generator bodies beside it. item: a generator body puts items into a Channel, and a guest takes them through a blocking import.`,
  groups({ quick }) {
    const total = quick ? 100_000 : 500_000;
    return [
      {
        params: { what: 'hop' },
        unit: 'ns/switch',
        contenders: [
          guest.hopping(null, total),
          native.switching(2, total),
          guest.hopping('asyncify', total),
          guest.hopping('wasmfx', total),
        ],
      },
      {
        params: { what: 'item' },
        unit: 'ns/item',
        contenders: [
          guest.handing(null, total / 4),
          guest.handing('asyncify', total / 4),
          guest.handing('wasmfx', total / 4),
          goSide('hand', [0, total / 4], total / 4),
        ],
      },
    ];
  },
};
