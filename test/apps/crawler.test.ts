// The crawler on its own site, whose whole outcome is known, in a terminal, and on hosts that are not there.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { EXAMPLES, lines, run, start, which } from '../support/programs.ts';

const plain = (text: string): string =>
  text.replaceAll(/127\.0\.0\.1:\d+/g, 'HOST').replace(/in \d+\.\d s, \d+ pages/, 'in T s, N pages');
const progress = /^\d+ pages, \d+ to do, \d+ being read, \d+ failed$/;

const outcome = [
  '153 pages, 14 moved, 8 failed, after 14 retries',
  'left alone: 3 forbidden, 3 too deep, 0 beyond 1000 pages',
  '  http://HOST/missing: status 404, linked from http://HOST/',
  '  http://HOST/missing: status 404, linked from http://HOST/',
  '  http://HOST/missing: status 404, linked from http://HOST/',
  '  http://HOST/page/38: status 500, linked from http://HOST/page/19',
  '  http://HOST/page/7: status 500, linked from http://HOST/page/3',
  '  http://HOST/silent: no answer in 1 s, linked from http://HOST/',
  '  http://HOST/silent: no answer in 1 s, linked from http://HOST/',
  '  http://HOST/silent: no answer in 1 s, linked from http://HOST/',
  '3.2 MB in T s, N pages a second',
  'the site saw 189 requests, 2 at once of a host, 0 of what it forbids',
];
// Hosts differ in their ports, and so does the order of failures.
const sorted = (text: string): string[] => plain(text).trimEnd().split('\n').sort();

describe('crawler', { timeout: 60_000 }, () => {
  test('finds every page once, keeps to the rules, tries again, and names what failed', async () => {
    const { stdout, stderr, code } = await run('crawler');
    expect(sorted(stdout)).toEqual([...outcome].sort());
    expect(code).toBe(0);
    const shown = stderr.trimEnd().split('\n');
    expect(shown.length).toBeGreaterThanOrEqual(2);
    for (const line of shown) expect(line).toMatch(progress);
  });

  test.skipIf(which('script') === null)('in a terminal the progress is one line that is written over', async () => {
    const program = [process.execPath, '--conditions=source', join(EXAMPLES, 'crawler.ts'), '40'].join(' ');
    const { stdout } = await promisify(execFile)('script', ['-qec', program, '/dev/null']);
    const text = stdout.replaceAll('\x1b', 'ESC');
    const parts = text.split('\r');
    expect(parts.filter((part) => /^\d+ pages, .* failedESC\[K$/.test(part)).length).toBeGreaterThan(10);
    expect(text).toMatch(/\rESC\[K\d+ pages, \d+ moved, \d+ failed, after \d+ retries\r\n/);
  });

  test('Ctrl-C ends it with what it has', async () => {
    const { child, ended } = start('crawler');
    await once(child.stderr, 'data');
    child.kill('SIGINT');
    const { stdout, code, seconds } = await ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^called off with \d+ pages to do\n\d+ pages, /);
    expect(seconds).toBeLessThan(20);
  });

  test('goes no further than it may, stays on the hosts it was given, and waits as long as it is asked to', async () => {
    const asked: [path: string, at: number][] = [];
    const server = createServer((request, response) => {
      asked.push([request.url as string, performance.now()]);
      if (request.url === '/robots.txt') {
        response.end('User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /no\n');
        return;
      }
      if (request.url === '/busy' && asked.filter(([path]) => path === '/busy').length === 1) {
        response.writeHead(429, { 'retry-after': '1' }).end();
        return;
      }
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end(
        `<a href='/busy'> <a href=http://127.0.0.1:9/> <a href="/no/way"> <a title=x href="?a=1&amp;b=2"> <A HREF=/last>`,
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close().closeAllConnections());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { stdout, code } = await run('crawler', '5', url);
    expect(code).toBe(0);
    expect(plain(stdout)).toBe(
      lines(
        '4 pages, 0 moved, 0 failed, after 1 retries',
        'left alone: 1 forbidden, 0 too deep, 4 beyond 5 pages',
        '0.0 MB in T s, N pages a second',
      ).replace('4 beyond', `${/(\d+) beyond/.exec(stdout)?.[1]} beyond`),
    );
    expect(asked.map(([path]) => path).sort()).toEqual(
      ['/', '/?a=1&b=2', '/busy', '/busy', '/last', '/robots.txt'].sort(),
    );
    const { stdout: other } = await run('crawler', `http://127.0.0.1:${await freePort()}/`);
    expect(plain(other)).toContain('  http://HOST/: connect ECONNREFUSED HOST, linked from the start\n');
  });

  test.each([[['x']], [['0']], [['5', 'ftp://host/']]])('wrong arguments %j get a usage line', async (args) => {
    expect(await run('crawler', ...args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'usage: npm run example crawler [pages] [http://host/ …]\n',
    });
  });
});

/** A port where nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
