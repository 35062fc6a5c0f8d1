import * as native from '../contenders/native.ts';
import * as wasi from '../contenders/wasi.ts';
import type { Case } from '../harness.ts';

const BACKENDS = ['asyncify', 'wasmfx', 'jspi'] as const;

export const guestWasi: Case = {
  name: 'guest-wasi',
  about: `Programs for WASI preview 1, unmodified. sched_yield: n programs, each with a memory of its own, yield in turn, their
start included; the baseline awaits null. start: a program that ends at once, 10 alive at a time, its instance included.`,
  groups({ quick }) {
    const total = 1_000_000;
    const count = quick ? 500 : 2000;
    return [
      ...[2, 100].map((n) => ({
        params: { what: 'sched_yield', n },
        unit: 'ns/switch',
        contenders: [native.switching(n, total), ...BACKENDS.map((backend) => wasi.switching(backend, n, total))],
      })),
      {
        params: { what: 'start' },
        unit: 'ns/program',
        contenders: BACKENDS.map((backend) => wasi.starting(backend, 10, count)),
      },
    ];
  },
};

export const guestPython: Case = {
  name: 'guest-python',
  about: `n unmodified CPythons that sleep a second each, in one thread; and the memory that each takes, pages looked at while all
sleep. The baseline is node:wasi, which blocks its thread, in a thread each, with a poll_oneoff that was mended.`,
  groups({ quick }) {
    const n = 20;
    return (['time', 'rss'] as const).map((measure) => ({
      params: { n, measure },
      unit: measure === 'time' ? 'ms' : 'MiB/interpreter',
      samples: measure === 'rss' ? 2 : quick ? 3 : 10,
      fresh: true,
      contenders: [wasi.threads(n, measure), wasi.pythons('wasmfx', n, measure), wasi.pythons('jspi', n, measure)],
    }));
  },
};
