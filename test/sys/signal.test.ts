// One handler a signal. Signals are real ones, sent to this process.

import { describe, expect, onTestFinished, test } from 'vitest';
import { getcurrent, getHub, sleep } from '../../ts/index.ts';
import * as os from '../../ts/sys/os.ts';
import { getsignal, SIG_DFL, SIG_IGN, signal } from '../../ts/sys/signal.ts';
import { Popen } from '../../ts/sys/subprocess.ts';
import { CORES, program, rejected, thrown } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

/** Until it is true, for ten seconds at most. */
async function soon(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); ++i) await sleep(0.01);
  expect(condition()).toBe(true);
}

// In a worker of the test runner no signal comes; its forks are processes.
describe.skipIf(process.platform === 'win32').each(CORES)('on the %s core', (core) => {
  function signals(): void {
    realWorld(core);
    onTestFinished(() => {
      for (const name of ['SIGUSR2', 'SIGCHLD', 'SIGWINCH']) signal(name, SIG_DFL);
    });
  }

  test('one handler each: the one before is given back', () => {
    signals();
    const one = () => {};
    const two = () => {};
    expect(getsignal('SIGUSR2')).toBe(SIG_DFL);
    expect(signal('SIGUSR2', one)).toBe(SIG_DFL);
    expect([getsignal('SIGUSR2'), getsignal(12), process.listenerCount('SIGUSR2')]).toEqual([one, one, 1]);
    expect(signal(12, two)).toBe(one);
    expect([getsignal('SIGUSR2'), process.listenerCount('SIGUSR2')]).toEqual([two, 1]);
    expect(signal('SIGUSR2', SIG_IGN)).toBe(two);
    expect([getsignal('SIGUSR2'), process.listenerCount('SIGUSR2')]).toEqual([SIG_IGN, 1]);
    expect(signal('SIGUSR2', SIG_DFL)).toBe(SIG_IGN);
    expect([getsignal('SIGUSR2'), process.listenerCount('SIGUSR2')]).toEqual([SIG_DFL, 0]);
    const theirs = () => {};
    process.on('SIGUSR2', theirs);
    expect(getsignal('SIGUSR2')).toBe(null);
    expect(signal('SIGUSR2', one)).toBe(null);
    process.off('SIGUSR2', theirs);
  });

  test('a handler runs in a greenlet, may block, and gets the number', async () => {
    signals();
    const log: unknown[] = [];
    signal('SIGUSR2', function* (this: unknown, signum, frame) {
      log.push([signum, frame, getcurrent() === this]);
      yield* sleep(0.01);
      log.push('after a sleep');
    });
    process.kill(process.pid, 'SIGUSR2');
    await soon(() => log.length === 2);
    expect(log).toEqual([[12, null, true], 'after a sleep']);
    signal('SIGUSR2', SIG_IGN);
    process.kill(process.pid, 'SIGUSR2');
    await sleep(0.05);
    expect(log.length).toBe(2);
  });

  test('what it throws is raised in main', async () => {
    const { reported } = realWorld(core);
    onTestFinished(() => void signal('SIGUSR2', SIG_DFL));
    signal('SIGUSR2', () => {
      throw new Error('of the handler');
    });
    process.kill(process.pid, 'SIGUSR2');
    expect(await rejected(sleep(10))).toBe('Error: of the handler');
    expect(reported().length).toBe(1);
  });

  test('at SIGCHLD the end of the child has been noticed', async () => {
    signals();
    const seen: unknown[] = [];
    signal('SIGCHLD', async () => {
      for (;;) {
        const [pid, status] = await os.waitpid(-1, os.WNOHANG).then(null, () => [0, 0]);
        if (pid === 0) break;
        seen.push([pid, status]);
      }
    });
    const p = new Popen(['sh', '-c', 'exit 5']);
    const pid = os.posixSpawn('/bin/true', ['true'], process.env as Record<string, string>);
    await soon(() => seen.length === 2);
    expect(new Map(seen as [number, number][])).toEqual(
      new Map([
        [p.pid, 5 << 8],
        [pid, 0],
      ]),
    );
    expect(await p.wait()).toBe(5);
  });

  test('a hub that is destroyed takes its handlers along', async () => {
    const world = realWorld(core);
    signal('SIGWINCH', () => {});
    expect(getsignal('SIGWINCH')).not.toBe(SIG_DFL);
    expect(getHub()).toBe(world.hub);
    world.hub.destroy();
    expect(getsignal('SIGWINCH')).toBe(SIG_DFL);
  });

  test('what cannot be is refused', () => {
    signals();
    expect(thrown(() => signal('SIGKILL', () => {}))).toBe(
      'OSError [EINVAL]: signal: EINVAL: SIGKILL cannot be handled',
    );
    expect(thrown(() => signal('SIGNO', () => {}))).toMatch(/^RangeError: signal: expected a name/);
    expect(thrown(() => signal('SIGUSR2', 5 as never))).toBe(
      'TypeError: signal(handler): expected a function, SIG_DFL or SIG_IGN, got 5',
    );
    expect(thrown(() => getsignal(1000))).toMatch(/^RangeError/);
  });
});

test('a handler does not keep the process, and the default ends it', async () => {
  const ends = await program(`
    import { signal, SIG_DFL } from '#sys/signal.ts';
    signal('SIGUSR2', () => console.log('never'));
    console.log('done');
  `);
  expect([ends.code, ends.stdout]).toEqual([0, ['done']]);
  const killed = await program(`
    import { signal, SIG_DFL } from '#sys/signal.ts';
    import { sleep } from '#index.ts';
    signal('SIGTERM', () => console.log('handled'));
    process.kill(process.pid, 'SIGTERM');
    await sleep(0.1);
    signal('SIGTERM', SIG_DFL);
    process.kill(process.pid, 'SIGTERM');
    await sleep(5);
  `);
  expect([killed.code, killed.stdout]).toEqual([null, ['handled']]);
});

test('in a worker thread it is refused', async () => {
  const { stdout } = await program(`
    import { Worker, isMainThread } from 'node:worker_threads';
    import { once } from 'node:events';
    const url = '${new URL('../../ts/sys/signal.ts', import.meta.url).href}';
    const worker = new Worker(\`import('\${url}').then(({ signal }) => { try { signal('SIGUSR2', () => 1); } catch (e) { console.log(e.code); } })\`, { eval: true });
    await once(worker, 'exit');
  `);
  expect(stdout).toEqual(['GEVENT_SIGNAL_THREAD']);
});
