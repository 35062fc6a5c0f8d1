// What waits: queues, events, semaphores, many waiters, many links.

import { go } from '../contenders/go.ts';
import * as python from '../contenders/python.ts';
import * as sync from '../contenders/sync.ts';
import * as native from '../contenders/sync-native.ts';
import * as npm from '../contenders/sync-npm.ts';
import type { Case } from '../harness.ts';

const CORES = ['wasm', 'pure'] as const;

export const queue: Case = {
  name: 'queue',
  about: `one body puts items, another gets them, over room for one, any number, or none (a channel); one operation is one
item. The floor resumes two bare generators in turn over an array. The baseline is an async queue as one writes it by hand:
no timeout, no kill, no fairness. fastq calls a worker, effection's add never waits; neither has a form with room for one.`,
  groups({ quick }) {
    const total = quick ? 100_000 : 400_000;
    const few = total / 10;
    return (['one', 'unbounded', 'channel'] as const).map((form) => ({
      params: { room: form },
      unit: 'ns/item',
      contenders: [
        native.floorHanding(total),
        native.handing(form, total),
        ...CORES.map((core) => sync.handing(core, form, total)),
        sync.handingAsync('wasm', form, few),
        npm.csp(form === 'unbounded' ? 1024 : 1, few),
        ...(form === 'channel' ? [] : [npm.effectQueue(form === 'one' ? 1 : 0, few)]),
        ...(form === 'unbounded' ? [npm.fastq(few), npm.effectionQueue(quick ? 500 : 2000)] : []),
        go('hand', [form === 'one' ? 1 : form === 'channel' ? 0 : total, total], total),
        python.gevent('hand', [form === 'one' ? 1 : form === 'channel' ? 0 : -1, few], few),
      ],
    }));
  },
};

export const event: Case = {
  name: 'event',
  about: `two bodies, each sets the other's event and waits for its own; one operation is one hand-over. The floor resumes two bare
generators in turn, engine:*-yield two greenlets by sleep(0). The baseline resolves promises; go has channels for events.`,
  groups({ quick }) {
    const total = quick ? 100_000 : 400_000;
    const few = total / 10;
    return [
      {
        params: { n: 2 },
        unit: 'ns/hand-over',
        contenders: [
          native.floorSwitching(2 * total),
          native.pingPong(total),
          ...CORES.flatMap((core) => [sync.yielding(core, total), sync.pingPong(core, total)]),
          go('ping_pong', [total], total),
          python.gevent('ping_pong', [few], few),
        ],
      },
    ];
  },
};

export const semaphore: Case = {
  name: 'semaphore',
  about: `free: one body takes and gives back a permit that nobody else wants, against a chain of promises and a mutex from npm.
passed on: n bodies hand one permit around; one operation is one hand-over, against bare generators, greenlets that yield, and
promises.`,
  groups({ quick }) {
    const total = quick ? 100_000 : 400_000;
    const few = total / 10;
    return [
      {
        params: { form: 'free' },
        unit: 'ns/acquire',
        contenders: [
          native.permits(total),
          ...CORES.map((core) => sync.permits(core, total)),
          npm.mutex(few),
          python.gevent('permits', [few], few),
        ],
      },
      ...[2, 100].map((n) => ({
        params: { form: 'passed on', n },
        unit: 'ns/hand-over',
        contenders: [
          native.floorSwitching(2 * total),
          native.pingPong(total),
          ...CORES.flatMap((core) => [sync.yielding(core, total), sync.passing(core, n, total)]),
          npm.passing(n, few),
          python.gevent('passing', [n, few], few),
        ],
      })),
    ];
  },
};

export const waiters: Case = {
  name: 'waiters',
  about: `n bodies wait for one event, again and again; it is set and all wake. One operation is one waiter woken, its share of
starting it included. The baseline makes n async functions that await one promise each time.`,
  groups({ quick }) {
    const times = quick ? 5 : 20;
    return [10_000].map((n) => ({
      params: { n },
      unit: 'ns/waiter',
      contenders: [
        native.floorSwitching(2 * n * times),
        native.waking(n, times),
        ...CORES.map((core) => sync.waking(core, n, times)),
        python.gevent('waking', [n, times], n * times),
      ],
    }));
  },
};

export const links: Case = {
  name: 'links',
  about: `n functions are linked to an event, it is set, and all are called: once each, in order, in one turn of the hub. The floor calls
functions in an array, the baseline is then() of one promise each. once() and emit() of Node's EventEmitter search for each one they take
off, which is quadratic: it is left out where that takes minutes.`,
  groups({ quick }) {
    return [10, 1000, 100_000].map((n) => {
      const times = Math.max(1, (quick ? 20_000 : 100_000) / n);
      return {
        params: { n },
        unit: 'ns/link',
        contenders: [
          native.floorLinking(n, times),
          native.chaining(n, times),
          ...CORES.map((core) => sync.linking(core, n, times)),
          ...(n > 1000 ? [] : [native.emitting(n, times)]),
          python.gevent('linking', [n, Math.ceil(times / 10)], n * Math.ceil(times / 10)),
        ],
        ...(quick && { samples: 10 }),
      };
    });
  },
};

export const local: Case = {
  name: 'local',
  about: `Read a value of the current greenlet, and write one back: a property of a local. The floor is a Proxy whose two traps read and write
an object at hand, the baseline getStore() of an AsyncLocalStorage, whose value is an object with that property.`,
  groups({ quick }) {
    const total = quick ? 200_000 : 1_000_000;
    return [
      {
        params: {},
        unit: 'ns/read+write',
        contenders: [
          native.floorProxy(total),
          native.store(total),
          ...CORES.map((core) => sync.localReads(core, total)),
          python.gevent('local', [total / 10], total / 10),
        ],
        ...(quick && { samples: 10 }),
      },
    ];
  },
};
