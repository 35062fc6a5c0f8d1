// The monitor, in real time and in processes of its own; its events; diagnostics channels.

import diagnostics from 'node:diagnostics_channel';
import { afterEach, describe, expect, test } from 'vitest';
import { config } from '../../ts/config.ts';
import {
  MemoryUsageThresholdExceeded,
  MemoryUsageUnderThreshold,
  PeriodicMonitorThreadStartedEvent,
  publishDiagnostics,
  subscribers,
} from '../../ts/events.ts';
import { createHub, getHub, sleep, spawn } from '../../ts/index.ts';
import { PeriodicMonitoringThread } from '../../ts/sys/monitor.ts';
import { program, thrown } from '../support/cores.ts';
import { world } from '../support/worlds.ts';

const HEAD = `
  import { getHub, sleep, spawn } from '#index.ts';
  import { subscribers } from '#events.ts';
  subscribers.push((event) => { if (event.greenlet !== undefined) console.log(event.constructor.name, String(event.greenlet), event.blockingTime); });
  function compute(seconds) { const end = performance.now() + seconds * 1000; while (performance.now() < end); }
`;

describe('who blocks', { timeout: 30_000 }, () => {
  test('a greenlet that computes too long is named, with its stack; on the event and on stderr', async () => {
    const { code, stdout, stderr } = await program(
      `${HEAD}
      import diagnostics from 'node:diagnostics_channel';
      diagnostics.subscribe('gevent:block', ({ info }) => console.log('channel', info.length > 2));
      spawn(function* hog() { yield* sleep(0.3); compute(0.6); });
      await sleep(1.2);
      console.log('on it goes');
      `,
      { GEVENT_MONITOR_THREAD_ENABLE: '1' },
    );
    expect([code, stdout]).toEqual([
      0,
      ['EventLoopBlocked <Greenlet "Greenlet-0": hog()> 0.1', 'channel true', 'on it goes'],
    ]);
    expect(stderr).toMatch(
      /^={80}\n.*Z : <Greenlet "Greenlet-0": hog\(\)> appears to be blocked: no switch for 0\.1 s\n {4}at /,
    );
    expect(stderr).toMatch(/\n {4}at compute \(.*\n {4}at hog \(/);
  });

  test('so is an async body behind an await; one who asked for it is left alone; many switches are none', async () => {
    const { stdout, stderr } = await program(
      `${HEAD}
      const monitor = getHub().startPeriodicMonitoringThread();
      spawn(function* allowed() {
        yield* sleep(0.3);
        monitor.ignoreCurrentGreenletBlocking();
        compute(0.5);
      });
      await sleep(0.9);
      spawn(function* fine() { for (let i = 0; i < 200; ++i) { compute(0.002); yield* sleep(0); } });
      await sleep(0.6);
      spawn(async function hog() { await sleep(0.1); compute(0.6); });
      await sleep(1);
      `,
      { GEVENT_MONITOR_PRINT_BLOCKING_REPORTS: '0' },
    );
    expect(stdout).toEqual(['EventLoopBlocked <Greenlet "Greenlet-0": hog()> 0.1']);
    expect(stderr).toBe('');
  });

  test('one that never comes back is printed by the monitor itself', async () => {
    const { stderr } = await program(
      `${HEAD}
      getHub().startPeriodicMonitoringThread();
      await sleep(0.3);
      setTimeout(() => {}, 10);
      spawn(function* endless() { compute(2.5); process.exit(3); });
      await sleep(1);
      `,
    );
    expect(stderr).toMatch(
      /<Greenlet "Greenlet-0": endless\(\)> appears to be blocked, and still is after 1\.\d s\n {4}at /,
    );
  });

  test('a program with a monitor ends when it would without one', async () => {
    const { code, stdout } = await program(`${HEAD} getHub().startPeriodicMonitoringThread(); console.log('end');`);
    expect([code, stdout]).toEqual([0, ['end']]);
  });
});

describe('the monitor', () => {
  afterEach(() => {
    getHub().periodicMonitoringThread?.kill();
    subscribers.length = 0;
    config.maxMemoryUsage = null;
  });

  test('is started once, says so, and can be killed and started again', () => {
    const events: unknown[] = [];
    subscribers.push((event) => events.push(event));
    const hub = getHub();
    const monitor = hub.startPeriodicMonitoringThread() as PeriodicMonitoringThread;
    expect(monitor).toBeInstanceOf(PeriodicMonitoringThread);
    expect(events).toEqual([new PeriodicMonitorThreadStartedEvent(monitor)]);
    expect([hub.startPeriodicMonitoringThread(), hub.periodicMonitoringThread]).toEqual([monitor, monitor]);
    expect(thrown(() => createHub().startPeriodicMonitoringThread())).toMatch(/^GeventError \[GEVENT_MONITOR_TWICE\]/);
    monitor.kill();
    monitor.kill();
    expect([hub.periodicMonitoringThread, hub.pulse, String(monitor)]).toEqual([
      null,
      null,
      `<PeriodicMonitoringThread of ${hub} killed>`,
    ]);
    const hub2 = createHub();
    expect(hub2.startPeriodicMonitoringThread()).not.toBe(monitor);
    hub2.destroy();
    expect(hub2.periodicMonitoringThread).toBe(null);
  });

  test('monitoring functions: added, listed, changed, taken off; bad ones are refused', async () => {
    const monitor = getHub().startPeriodicMonitoringThread() as PeriodicMonitoringThread;
    const called = Promise.withResolvers<unknown>();
    const fn = (hub: unknown) => called.resolve(hub);
    monitor.addMonitoringFunction(fn, 10);
    monitor.addMonitoringFunction(fn, 0.001);
    expect(monitor.monitoringFunctions()).toEqual([{ fn, period: 0.001 }]);
    expect(await called.promise).toBe(getHub());
    monitor.addMonitoringFunction(fn, null);
    expect(monitor.monitoringFunctions()).toEqual([]);
    expect(thrown(() => monitor.addMonitoringFunction(1 as any, 1))).toBe(
      'TypeError: addMonitoringFunction(fn): expected a function, got 1',
    );
    expect(thrown(() => monitor.addMonitoringFunction(fn, 0))).toBe(
      'RangeError: addMonitoringFunction(period): expected more than 0 seconds or null, got 0',
    );
  });

  test('memory: told while it grows above the limit, and once when it is below again', () => {
    const events: unknown[] = [];
    const monitor = getHub().startPeriodicMonitoringThread() as PeriodicMonitoringThread;
    subscribers.push((event) => events.push(event.constructor));
    expect([monitor.canMonitorMemoryUsage(), monitor.monitorMemoryUsage()]).toEqual([true, -1]);
    config.maxMemoryUsage = '1mb';
    expect(monitor.monitorMemoryUsage()).toBeGreaterThan(2 ** 20);
    config.maxMemoryUsage = '100gb';
    monitor.monitorMemoryUsage();
    monitor.monitorMemoryUsage();
    expect(events).toEqual([MemoryUsageThresholdExceeded, MemoryUsageUnderThreshold]);
    monitor.installMonitorMemoryUsage();
    expect(monitor.monitoringFunctions()).toMatchObject([{ period: 5 }]);
  });

  test('virtual time has none; an exception of a subscriber keeps the event from those behind it', () => {
    const { hub } = world('pure');
    expect(thrown(() => hub.startPeriodicMonitoringThread())).toMatch(/^GeventError \[GEVENT_MONITOR_VIRTUAL\]/);
  });
});

test('diagnostics channels: spawn, exit and kill, while they are on and have subscribers', () => {
  const { clock } = world('pure');
  const heard: string[] = [];
  const hear = (message: any, name: string | symbol) => heard.push(`${String(name)} ${message.greenlet.name}`);
  const names = ['gevent:spawn', 'gevent:exit', 'gevent:kill'];
  const end = publishDiagnostics();
  const named = (name: string, seconds: number) => {
    const g = spawn(sleep, seconds);
    g.name = name;
    return g;
  };
  named('unheard', 1);
  for (const name of names) diagnostics.subscribe(name, hear);
  named('a', 1);
  const b = named('b', 9);
  clock.advance(2);
  b.kill({ block: false });
  clock.advance(0);
  end();
  end();
  named('c', 1);
  clock.advance(2);
  for (const name of names) diagnostics.unsubscribe(name, hear);
  expect(heard.map((line) => line.replace(/Greenlet-\d+/, '?'))).toEqual([
    'gevent:spawn ?',
    'gevent:spawn ?',
    'gevent:exit a',
    'gevent:kill b',
    'gevent:exit b',
  ]);
});
