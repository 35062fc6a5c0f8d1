// Libraries of the ecosystem under patchAll, unchanged, against real servers: 100 greenlets at once, kills and Timeouts in the middle.
// Each program is a process of its own, patched by --import, as a user would run it; it says what it saw, and must end by itself.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { CORES } from '../support/cores.ts';
import {
  postgresPrograms,
  type RunningServer,
  redisServer,
  startPostgres,
  startRedis,
} from '../support/monkey/servers.ts';

const AUTO = new URL('../../ts/sys/monkey-auto.ts', import.meta.url).href;

interface Ran {
  code: number | null;
  stderr: string;
  saw: unknown;
}

function run(name: string, env: Record<string, string>): Promise<Ran> {
  const program = fileURLToPath(new URL(`../support/monkey/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, ['--import', AUTO, program], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 90_000,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => (stdout += data));
  child.stderr.setEncoding('utf8').on('data', (data: string) => (stderr += data));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      let saw: unknown = stdout;
      try {
        saw = JSON.parse(stdout);
      } catch {
        // It is shown as it is.
      }
      resolve({ code, stderr, saw });
    });
  });
}

/** `body` with a server that is stopped whatever happens. */
async function beside(start: () => Promise<RunningServer>, body: (env: Record<string, string>) => Promise<void>) {
  const server = await start();
  try {
    await body(server.env);
  } finally {
    await server.stop();
  }
}

describe.each(CORES)('on the %s core', { timeout: 180_000 }, (core) => {
  test.skipIf(redisServer() === null)('ioredis with redis-server (skipped where that is not installed)', async () => {
    await beside(startRedis, async (env) => {
      expect(await run('redis', { ...env, GEVENT_CORE: core })).toEqual({
        code: 0,
        stderr: '',
        saw: {
          ping: 'PONG',
          '100 at once': true,
          counted: '100',
          'an error of the server': 'ReplyError',
          killed: true,
          'behind the command that blocks': 'Timeout: 0.05 seconds',
          then: 'in step',
          'timed out': 'Timeout: 0.05 seconds',
          'in step again': 'yes',
          'half of them killed': [50, 50],
          published: [true, 'hello', true],
          reconnected: 'PONG',
          'its own timeout': 'Error: Command timed out',
          left: {},
        },
      });
    });
  });

  test.skipIf(postgresPrograms() === null)('pg with PostgreSQL (skipped where that is not installed)', async () => {
    await beside(startPostgres, async (env) => {
      expect(await run('postgres', { ...env, GEVENT_CORE: core })).toEqual({
        code: 0,
        stderr: '',
        saw: {
          select: [{ two: 2 }],
          'an error of the server': '42P01',
          'timed out': 'Timeout: 0.05 seconds',
          'the next one has its own answer': [true, 'mine'],
          'and came behind': true,
          killed: [true, 3],
          cancelled: '57014',
          '100 at once, 10 clients': true,
          moved: [80, 80, 80, 80, 80, 120, 120, 120, 120, 120],
          clients: true,
          'killed in transactions': true,
          'rolled back': 1000,
          'async functions': true,
          'idle ones ended': 0,
          "the pool's timeout": 'timeout exceeded when trying to connect',
          notified: 'hello',
          left: {},
        },
      });
    });
  });

  test('undici, express, fastify and ws', async () => {
    expect(await run('web', { GEVENT_CORE: core })).toEqual({
      code: 0,
      stderr: '',
      saw: {
        'express: 100 at once': true,
        'express: a handler that fails': [500, 'in the handler'],
        'express: JSON': { got: [1, 2] },
        'fetch, kill': true,
        'fetch, timeout': 'Timeout: 0.05 seconds',
        'fetch, first': 1,
        'undici: its signal': 'AbortError',
        'undici: a pool of 10 for 100, one of them killed': true,
        'undici: its timeout': 'HeadersTimeoutError',
        'fastify: 100 at once': true,
        'fastify: a handler that fails': 418,
        'fastify: injected': { id: 7, greenlet: true },
        'ws: 100 at once': true,
        'ws: killed, no listener is left': 0,
        'ws: timed out': ['Timeout: 0.02 seconds', 0],
        'ws: usable': 'still there',
        'ws: its timeout': 'Opening handshake has timed out',
        left: {},
      },
    });
  });
});
