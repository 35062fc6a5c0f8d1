// Node's timers on the hub: the same programs with the originals and with ours; the hub's clock; what keeps a process alive.

import { spawn as spawnProcess } from 'node:child_process';
import timers from 'node:timers';
import { setTimeout as tick } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { getcurrent, sleep, spawn, Timeout } from '../../ts/index.ts';
import { getOriginal, patchPromise, patchTime, unpatchAll } from '../../ts/sys/monkey.ts';
import { CORES } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';
import { TIMER_PROGRAMS } from '../support/timer-programs.ts';
import { leftIn, world } from '../support/worlds.ts';

const AUTO = new URL('../../ts/sys/monkey-auto.ts', import.meta.url).href;

interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

function node(source: string, patched: boolean, env: Record<string, string> = {}): Promise<Ran> {
  const flags = patched ? ['--import', AUTO] : [];
  const child = spawnProcess(process.execPath, [...flags, '--input-type=module', '--eval', source], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
  const ran = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (data: string) => (ran.stdout += data));
  child.stderr.setEncoding('utf8').on('data', (data: string) => (ran.stderr += data));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...ran }));
  });
}

/** Of what went to stderr the lines that tell what, without places and process numbers. */
function gist(stderr: string): string[] {
  return stderr
    .split('\n')
    .filter((line) => /^\w*(Error|Warning)|thrower|throw /.test(line.trim()))
    .map((line) =>
      line
        .replace(/\d+/g, 'n')
        .replace(/Timeout\.thrower(?: \[as _onTimeout\])?/, 'thrower')
        .trim(),
    )
    .map((line) => line.replace(/ ?\((\[eval1?n?\]|file|node).*\)/, ''));
}

describe('the same program prints the same with the timers of Node and with ours', { timeout: 60_000 }, () => {
  test.each(Object.entries(TIMER_PROGRAMS))('%s', async (_name, source) => {
    const [theirs, ours] = await Promise.all([node(source, false), node(source, true)]);
    expect(ours.stdout).toBe(theirs.stdout);
    expect(ours.code).toBe(theirs.code);
    expect(gist(ours.stderr)).toEqual(gist(theirs.stderr));
    expect(theirs.stdout + theirs.stderr).not.toBe('');
  });

  test('on the pure core as well', async () => {
    const source = TIMER_PROGRAMS['an exception in a callback is uncaught, and those behind it run'];
    const [theirs, ours] = await Promise.all([node(source, false), node(source, true, { GEVENT_CORE: 'pure' })]);
    expect(ours).toEqual(theirs);
  });
});

describe('a process with patched timers', { timeout: 60_000 }, () => {
  test('ends when only unrefed ones are left, at once', async () => {
    const began = performance.now();
    const ran = await node(
      `setTimeout(() => console.log('never'), 15_000).unref(); setInterval(() => {}, 10).unref();`,
      true,
    );
    expect(ran).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(performance.now() - began).toBeLessThan(12_000);
  });

  test('keeps those of a hub that is destroyed', async () => {
    const source = `
      import { getHub, sleep } from ${JSON.stringify(new URL('../../ts/index.ts', import.meta.url).href)};
      setTimeout(() => console.log('timeout'), 20);
      const t = setInterval(() => { console.log('interval'); clearInterval(t); }, 30);
      const gone = setTimeout(() => console.log('never'), 25);
      const first = getHub();
      await sleep(0.001);
      first.destroy();
      clearTimeout(gone);
      setTimeout(() => console.log('another hub', getHub() !== first), 40);`;
    expect(await node(source, true)).toEqual({ code: 0, stdout: 'timeout\ninterval\nanother hub true\n', stderr: '' });
  });

  test('also those that are due just then', async () => {
    const source = `
      import { getHub, sleep } from ${JSON.stringify(new URL('../../ts/index.ts', import.meta.url).href)};
      const first = getHub();
      const slept = (async () => { await sleep(0.001); first.destroy(); })();
      setTimeout(() => console.log('a'), 2);
      setTimeout(() => console.log('b'), 3);
      const end = performance.now() + 20;
      while (performance.now() < end);
      await slept;`;
    expect(await node(source, true)).toEqual({ code: 0, stdout: 'a\nb\n', stderr: '' });
  });

  test('gevent.wait() and hub.join() wait for them, too', async () => {
    const source = `
      import { wait, getHub } from ${JSON.stringify(new URL('../../ts/index.ts', import.meta.url).href)};
      setTimeout(() => console.log('one'), 10);
      setTimeout(() => setTimeout(() => console.log('nested'), 10), 10);
      setTimeout(() => console.log('never'), 60_000).unref();
      console.log(await getHub().join());`;
    expect(await node(source, true)).toEqual({ code: 0, stdout: 'one\nnested\ntrue\n', stderr: '' });
  });
});

describe.each(CORES)('in this process, on the %s core', (core) => {
  afterEach(unpatchAll);

  test('on a virtual clock they run in order with sleeps, at their times', () => {
    const { hub, clock, log, trace } = world(core);
    patchTime();
    hub.spawn(function* () {
      for (const seconds of [1, 1, 1]) {
        yield* sleep(seconds);
        trace('slept', clock.seconds);
      }
    });
    setTimeout((text: string) => trace(text, clock.seconds), 1500, 'timeout');
    const interval = setInterval(() => trace('interval', clock.seconds), 1000);
    setImmediate(() => trace('immediate', clock.seconds));
    clock.advance(3.2);
    // At equal times the one that was armed first.
    expect(log).toEqual([
      'immediate 0',
      'interval 1',
      'slept 1',
      'timeout 1.5',
      'interval 2',
      'slept 2',
      'interval 3',
      'slept 3',
    ]);
    clearInterval(interval);
    expect(leftIn(hub)).toEqual({});
  });

  test('there a callback runs outside of any greenlet, and its error is reported', () => {
    const { hub, clock, log, trace, reported } = world(core);
    patchTime();
    setTimeout(() => trace(getcurrent() === hub.main), 1000);
    setTimeout(() => {
      throw new Error('in a callback');
    }, 1000);
    setTimeout(() => trace('behind it'), 1000);
    clock.advance(1);
    expect(log).toEqual([true, 'behind it']);
    expect(reported()).toEqual([
      expect.stringMatching(/^Error: in a callback \| <Timeout 1000 ms.*failed with Error$/),
    ]);
    expect(leftIn(hub)).toEqual({});
  });

  test('continuations run between those that are due, under advanceAsync', async () => {
    const { clock, log, trace } = world(core);
    patchTime();
    for (const name of ['a', 'b'])
      void tick(1000, name)
        .then((value) => trace(value))
        .then(() => trace(name, 'then'));
    await clock.advanceAsync(1);
    expect(log).toEqual(['a', 'a then', 'b', 'b then']);
  });

  test('nothing is left of timers that were cancelled, armed, due or about to be called', async () => {
    const { hub } = realWorld(core);
    patchTime();
    const armed = Array.from({ length: 100 }, (_, i) => setTimeout(() => {}, 1000 + i));
    for (let i = 0; i < 100; ++i) armed[(i * 37) % 100].unref();
    for (let i = 0; i < 100; ++i) clearTimeout(armed[(i * 73) % 100]);
    const seen: string[] = [];
    let b: NodeJS.Timeout;
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        clearTimeout(b);
        seen.push('a');
      }, 1);
      b = setTimeout(() => seen.push('b'), 1);
      setTimeout(resolve, 5);
      const end = performance.now() + 10;
      while (performance.now() < end);
    });
    expect(seen).toEqual(['a']);
    expect(hub.unrefTimers).toBe(0);
  });

  test('originals that are older than the patch are still cleared, and nobody is called early', async () => {
    realWorld(core);
    const old = setTimeout(() => expect.unreachable(), 20);
    patchTime();
    clearTimeout(old);
    const early: number[] = [];
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => {
        const began = performance.now();
        return new Promise<void>((resolve) =>
          setTimeout(
            () => {
              if (performance.now() - began < (i % 40) + 1) early.push(i);
              resolve();
            },
            (i % 40) + 1,
          ),
        );
      }),
    );
    expect(early).toEqual([]);
  });

  test('a generator function as callback runs as a greenlet', async () => {
    const { hub } = realWorld(core);
    patchTime();
    const seen: unknown[] = [];
    setTimeout(
      function* (this: unknown, name: string): any {
        yield* sleep(0.001);
        seen.push(name, getcurrent() !== hub.main);
      } as any,
      1,
      'x',
    );
    setImmediate(function* (): any {
      yield* sleep(0.001);
      seen.push('immediate');
    } as any);
    await hub.join();
    expect(seen.sort()).toEqual(['immediate', 'x', true].sort());
  });

  test('timers/promises in a body: what is killed or timed out leaves no timer', async () => {
    const { hub } = realWorld(core);
    patchTime();
    patchPromise();
    const seen: unknown[] = [];
    const waits = spawn(function* () {
      try {
        using _ = Timeout.startNew(0.005);
        yield* tick(60_000);
      } catch (error) {
        seen.push(String(error));
      }
      seen.push(yield* tick(1, 'value'));
      yield* timers.promises.scheduler.wait(60_000);
    });
    while (seen.length < 2) await sleep(0.002);
    await sleep(0.002);
    await waits.kill();
    expect(seen).toEqual(['Timeout: 0.005 seconds', 'value']);
    expect(leftIn(hub)).toEqual({});
  });

  test('unpatched, the originals are back, and timers made meanwhile go on', async () => {
    const { hub } = realWorld(core);
    const original = setTimeout;
    patchTime();
    expect(setTimeout).not.toBe(original);
    expect([getOriginal('timers', 'setTimeout'), getOriginal('globalThis', 'setTimeout')]).toEqual([
      original,
      original,
    ]);
    const called = new Promise<string>((resolve) => setTimeout(resolve, 10, 'called'));
    unpatchAll();
    expect([setTimeout, timers.setTimeout]).toEqual([original, original]);
    expect(await called).toBe('called');
    expect(leftIn(hub)).toEqual({});
  });
});
