// Each example runs as a user would run it, in a process of its own, on the sources; its whole output is compared.

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clean, EXAMPLES, lines, printed, run, start } from './support/programs.ts';

/** Ask a port of ours, and give what came until the other end closed. */
function ask(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text);
  let got = '';
  socket.setEncoding('utf8').on('data', (data) => (got += data));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => resolve(got));
  });
}

// Generous: several processes start, perhaps on a busy machine.
describe('examples', { timeout: 60_000 }, () => {
  test('producer-consumer: a queue holds the producer up, and ends when all is done', async () => {
    expect(await run('producer-consumer')).toMatchObject({
      ...clean,
      stdout: lines(
        'ordered 1',
        'ordered 2',
        'ordered 3',
        'ordered 4',
        'ann baked 1',
        'ordered 5',
        'bob baked 2',
        'ann baked 3',
        'bob baked 4',
        'ann baked 5',
        'bob went home',
        'ann went home',
      ),
    });
  });

  test('threads: this thread goes on while others compute, and a task without end is called off', async () => {
    expect(await run('threads')).toMatchObject({
      ...clean,
      stdout: lines(
        'sums: 500500, 500000500000, 450000015000000',
        'meanwhile this thread went on: true',
        'called off: true',
        'threads left: 0',
      ),
    });
  });

  test('guest: AssemblyScript counts down, is killed, asks through channels, and spawns', async () => {
    expect(await run('guest')).toMatchObject({
      ...clean,
      stdout: lines(
        'rocket 1: 2',
        'rocket 2: 3',
        'rocket 3: 4',
        'rocket 1: 1',
        'rocket 2: 2',
        'rocket 3: 3',
        'ground: rocket 2 stays',
        'ground: rocket 1 asks',
        'rocket 1: engine 1 is running',
        'rocket 1: engine 2 is running',
        'rocket 3: 2',
        'rocket 3: 1',
        'ground: rocket 3 asks',
        'rocket 1: flies',
        'rocket 2: GreenletExit',
        'rocket 3: has no permission',
      ),
    });
  });

  test('cpython: interpreters sleep at the same time, and one gets its lines from a queue', async () => {
    const { stdout, ...rest } = await run('cpython', '3', '0.3');
    expect(rest).toMatchObject(clean);
    const [names, took, ...talk] = stdout.split('\n');
    expect(names).toBe('#1 #2 #3 ');
    expect(took).toMatch(/^3 interpreters slept 0\.3 s each, in \d+\.\d s, by (wasmfx|jspi)$/);
    expect(talk).toEqual([
      'javascript: 2 ** 100',
      'python: 1267650600228229401496703205376',
      'javascript: sum(range(1000))',
      'python: 499500',
      'javascript: "gevent"[::-1]',
      'python: tneveg',
      'python: bye',
      'exit code 0',
      '',
    ]);
  });

  test('three-languages: C, AssemblyScript and JavaScript pass items through channels', async () => {
    expect(await run('three-languages')).toMatchObject({
      ...clean,
      stdout: lines(
        'C made 99 numbers',
        'AssemblyScript found 2 3 5 7 11 13 17 19 23 29 31 37',
        'JavaScript got what is left: 41 43 47 53 59 61 67 71 73 79 83 89 97',
      ),
    });
  });

  test('subclass: two ways to a greenlet, started in the order they were queued', async () => {
    expect(await run('subclass')).toMatchObject({
      ...clean,
      stdout: lines(
        'task 0 says: spawned by the function',
        'task 1 says: spawned by the class',
        'the subclass says: made first, started later',
        'task 0 is done',
        'task 1 is done',
        'the subclass is done',
        'all tasks done',
      ),
    });
  });

  test('ping-pong: A and B take turns until A has had its rounds', async () => {
    expect(await run('ping-pong', '3', '0')).toMatchObject({
      ...clean,
      stdout: lines('---A--', '---B--', '---A--', '---B--', '---A--', '---B--', 'gr1 is dead, gr2 is alive'),
    });
  });

  test('ping-pong: the delay halts the thread each time a switch comes back', async () => {
    const { seconds, stdout } = await run('ping-pong', '2', '0.1');
    expect(stdout).toBe(lines('---A--', '---B--', '---A--', '---B--', 'gr1 is dead, gr2 is alive'));
    expect(seconds).toBeGreaterThan(0.3); // A twice, B once
  });

  test('timeout: the join is given up, and the process ends without waiting for the sleeper', async () => {
    const result = await run('timeout', '0.05', '60');
    expect(result).toMatchObject({ ...clean, stdout: lines('Could not complete') });
    expect(result.seconds).toBeLessThan(20);
  });

  test.skipIf(process.platform === 'win32')('sigquit: shutdown ends a sleep of 1000 seconds at once', async () => {
    const { child, ended } = start('sigquit');
    child.stdout.once('data', () => child.kill('SIGQUIT'));
    const result = await ended;
    expect(result).toMatchObject({ ...clean, stdout: lines('running', 'cleaned up', 'ended: true') });
    expect(result.seconds).toBeLessThan(20);
  });

  test.skipIf(process.platform === 'win32')('sigquit: it can send itself the signal', async () => {
    expect(await run('sigquit', 'self')).toMatchObject({
      ...clean,
      stdout: lines('running', 'cleaned up', 'ended: true'),
    });
  });

  test('states: from the making to each kind of end', async () => {
    expect(await run('states')).toMatchObject({
      ...clean,
      stdout: lines(
        'created              started false  ready false  successful false  value undefined     exception undefined',
        'start() called       started true   ready false  successful false  value undefined     exception undefined',
        'suspended            started true   ready false  successful false  value undefined     exception undefined',
        'returned             started false  ready true   successful true   value 42            exception undefined',
        'raised               started false  ready true   successful false  value undefined     exception RangeError: no luck',
        'get() throws the very exception: true',
        'killed               started false  ready true   successful true   value GreenletExit  exception undefined',
        'killed before start  started false  ready true   successful true   value GreenletExit  exception undefined',
        'started after that   started false  ready true   successful true   value GreenletExit  exception undefined',
      ),
    });
  });

  test('determinism: the same program gives the same trace, in one process and in two', async () => {
    const [one, two] = await Promise.all([run('determinism'), run('determinism')]);
    expect(one).toMatchObject(clean);
    expect(one.stdout).toBe(two.stdout);
    const [trace, verdict] = one.stdout.split('\n');
    expect(verdict).toBe('second run: identical');
    // Python's gevent gives this very trace.
    expect(trace).toBe(
      'a1, b1, c1, d1, a2, b2, c2, d2, ac+, a!, bc+, b3, cc+, c3, dc+, d3, ac-, bc-, cc-, dc-, a linked, b linked, ' +
        'c linked, d linked, kill, d!, killed, b!, c4, c!, joined a, joined d, joined b, joined c',
    );
  });

  test('links: in the order they were made, each kind on its occasion', async () => {
    expect(await run('links')).toMatchObject({
      ...clean,
      stdout: lines(
        'one that ends well:',
        '  rawlink, in the hub: the result',
        '  link, in a greenlet of its own: the result',
        '  linkValue, on success only: the result',
        '  which may block, while the other links go on',
        'one that fails:',
        '  rawlink, in the hub: Error: the failure',
        '  link, in a greenlet of its own: Error: the failure',
        '  linkException, on failure only: Error: the failure',
        '  which may block, while the other links go on',
      ),
    });
  });

  test('control: first, shield, a deadline and a deadlock that is named', async () => {
    expect(await run('control')).toMatchObject({
      ...clean,
      stdout: lines(
        'written whole: the reply',
        'served until told to stop: true',
        'time is left: true',
        'request ended by Deadline, a Timeout: true',
        'deadlock: <Greenlet "left": clumsy()> waits for <Greenlet "right": clumsy()>, which waits for <Greenlet "left": clumsy()>',
      ),
    });
  });

  test('trace: a track for each greenlet', async () => {
    expect(await run('trace')).toMatchObject({ ...clean, stdout: lines('5 greenlets, arrows in pairs: true') });
  });

  test('run: all of them in turn, each under its name', async () => {
    const { code, stdout } = await run('run');
    expect(code).toBe(0);
    const headings = stdout.match(/^-- .*/gm);
    expect(headings).toEqual([
      '-- subclass',
      '-- ping-pong 3 0',
      '-- timeout 0.05',
      '-- sigquit self',
      '-- states',
      '-- determinism',
      '-- links',
      '-- threads',
      '-- control',
      '-- trace',
      '-- monkey',
      '-- guest',
    ]);
    expect(stdout.trimEnd().endsWith('12 examples ran')).toBe(true);
  });

  test('every example is run here or in test/apps', () => {
    const apps = join(import.meta.dirname, 'apps');
    const files = [import.meta.filename, ...readdirSync(apps).map((name) => join(apps, name))];
    const text = files.map((file) => readFileSync(file, 'utf8')).join('\n');
    const names = readdirSync(EXAMPLES)
      .filter((name) => name.endsWith('.ts'))
      .map((name) => name.slice(0, -'.ts'.length));
    expect(names.filter((name) => !new RegExp(`(run|start)\\('${name}'`).test(text))).toEqual([]);
  });

  test('pool: ten workers at once; the first failure of a group ends the others', async () => {
    expect(await run('pool')).toMatchObject({
      ...clean,
      stdout: lines(
        '100 squares, the last is 9801; 10 at once',
        'the slow one is ended',
        'the group failed: no such page',
      ),
    });
  });

  test('monkey: functions before and after, and what that is good for', async () => {
    expect(await run('monkey')).toMatchObject({
      ...clean,
      stdout: lines(
        'net.Socket, yield*: undefined',
        'After monkey patch',
        'net.Socket, yield*: [Function: [Symbol.iterator] of gevent-wasm/monkey]',
        "stream.pipeline: Node's",
        'After monkey patch',
        'stream.pipeline: patched',
        'is patched: true false',
        'is patched: true true',
        'this file begins with // Functions and classes',
        'the server says: hello from a plain net.Server',
        'a promise that never settles: Timeout: 0.02 seconds',
      ),
    });
  });

  test.skipIf(process.platform === 'win32')(
    'processes: talked to, piped, several at once, killed, followed',
    async () => {
      expect(await run('processes')).toMatchObject({
        ...clean,
        stdout: lines(
          'sorted: 1,2,3',
          'with a nine: 19',
          'squares, in order: 1,4,9,16',
          'killed after 1 seconds, had said: begun',
          'log: entry 1',
          'log: entry 2',
          'log: entry 3',
        ),
      });
    },
  );

  test('echo-server: lines come back until quit; Ctrl-C stops it', async () => {
    const { child, ended } = start('echo-server', '0');
    const port = Number(/port (\d+)/.exec(await printed(child, 'on port'))?.[1]);
    expect(await ask(port, 'one\ntwo\nquit\nthree\n')).toBe(
      'Welcome to the echo server! Type quit to exit.\r\none\ntwo\n',
    );
    expect(await ask(port, 'last')).toBe('Welcome to the echo server! Type quit to exit.\r\nlast');
    child.kill('SIGINT');
    const { stdout, ...rest } = await ended;
    expect(rest).toMatchObject(clean);
    expect(stdout.replaceAll(/127\.0\.0\.1:\d+/g, 'A')).toBe(
      lines(
        `starting echo server on port ${port}`,
        'new connection from A',
        'echoed "one\\n"',
        'echoed "two\\n"',
        'client quit: A',
        'new connection from A',
        'echoed "last"',
        'client disconnected: A',
        'stopped',
      ),
    );
  });

  test('port-forwarder: both ways, halves closed one by one, and an error for a target that is not there', async () => {
    const echo = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const target = (echo.address() as AddressInfo).port;
    const { child, ended } = start('port-forwarder', '0', `127.0.0.1:${target}`);
    const port = Number(/port (\d+)/.exec(await printed(child, 'forwarding'))?.[1]);
    const text = 'x'.repeat(1_000_000);
    expect(await Promise.all([ask(port, text), ask(port, 'short')])).toEqual([text, 'short']);
    echo.close();
    await once(echo, 'close');
    expect(await ask(port, '')).toBe('');
    child.kill('SIGTERM');
    const { stdout, ...rest } = await ended;
    expect(rest).toMatchObject(clean);
    expect(stdout.match(/connected|done|failed|stopped/g)?.sort()).toEqual([
      'connected',
      'connected',
      'done',
      'done',
      'failed',
      'stopped',
    ]);
  });

  test('port-forwarder: Ctrl-C lets connections end, a second one does not', async () => {
    const held = createServer(() => {}).listen(0, '127.0.0.1');
    await once(held, 'listening');
    const { child, ended } = start('port-forwarder', '0', `127.0.0.1:${(held.address() as AddressInfo).port}`);
    const port = Number(/port (\d+)/.exec(await printed(child, 'forwarding'))?.[1]);
    const connected = printed(child, 'connected');
    const client = connect(port, '127.0.0.1').on('error', () => {});
    await connected;
    child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect([child.exitCode, client.closed]).toEqual([null, false]);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, stderr: '' });
    client.destroy();
    held.close();
  });

  test.each([
    ['echo-server', ['x'], '[port]'],
    ['echo-server', ['1', '2'], '[port]'],
    ['port-forwarder', [], 'port host:port'],
    ['port-forwarder', ['80'], 'port host:port'],
    ['port-forwarder', ['x', 'host:80'], 'port host:port'],
    ['port-forwarder', ['80', 'host'], 'port host:port'],
  ])('%s: wrong arguments %j get a usage line', async (name, args, usage) => {
    expect(await run(name, ...args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: lines(`usage: npm run example ${name} ${usage}`),
    });
  });
});
