// redis-server and PostgreSQL in directories of their own, on Unix sockets, for one test file.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RunningServer {
  /** What its clients need to find it. */
  readonly env: Record<string, string>;
  stop(): Promise<void>;
}

function found(name: string): string | null {
  for (const dir of [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/bin'])
    if (existsSync(join(dir, name))) return join(dir, name);
  return null;
}

/** Where it is, or null. */
export const redisServer = (): string | null => found('redis-server');

/** The directory of PostgreSQL's programs, or null. Debian keeps them out of the PATH. */
export function postgresPrograms(): string | null {
  const dirs = globSync('/usr/lib/postgresql/*/bin').sort();
  return dirs.findLast((dir) => existsSync(join(dir, 'initdb'))) ?? null;
}

/** PostgreSQL refuses to be root: then the user that Debian has made for it. */
function notRoot(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string, user: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
  const user = ['postgres', 'nobody'].find((name) => {
    try {
      return id('-u', name) > 0;
    } catch {
      return false;
    }
  }) as string;
  return { uid: id('-u', user), gid: id('-g', user) };
}

/** Until somebody listens at `path`. */
async function answering(path: string, child: ChildProcess, said: () => string): Promise<void> {
  const end = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended before it listened: ${said()}`);
    if (Date.now() > end) throw new Error(`it does not listen: ${said()}`);
    const socket = connect(path);
    const open = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function run(
  program: string,
  args: string[],
  listens: string,
  dir: string,
  env: Record<string, string>,
  signal: NodeJS.Signals,
  user: { uid?: number; gid?: number } = {},
): Promise<RunningServer> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: dir, ...user });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text = (text + data).slice(-2000)));
  const ended = once(child, 'close');
  const stop = async () => {
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(late);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await answering(listens, child, () => text);
  } catch (error) {
    await stop();
    throw error;
  }
  return { env, stop };
}

export function startRedis(): Promise<RunningServer> {
  const dir = mkdtempSync(join(tmpdir(), 'gevent-redis-'));
  const path = join(dir, 'redis.sock');
  const args = ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', dir];
  return run(redisServer() as string, args, path, dir, { REDIS_PATH: path }, 'SIGTERM');
}

export function startPostgres(): Promise<RunningServer> {
  const bin = postgresPrograms() as string;
  const user = notRoot();
  const dir = mkdtempSync(join(tmpdir(), 'gevent-pg-'));
  if (user.uid !== undefined) chownSync(dir, user.uid, user.gid as number);
  const data = join(dir, 'data');
  const made = ['-D', data, '-U', 'gevent', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--locale=C'];
  execFileSync(join(bin, 'initdb'), made, { stdio: 'pipe', cwd: dir, ...user });
  const settings = ["listen_addresses=''", 'fsync=off', 'max_connections=40', 'shared_buffers=8MB'];
  const args = ['-D', data, '-k', dir, '-p', '5432', ...settings.flatMap((setting) => ['-c', setting])];
  // Its fast way: clients are thrown out.
  return run(
    join(bin, 'postgres'),
    args.map((arg) => arg.replace("''", '')),
    join(dir, '.s.PGSQL.5432'),
    dir,
    { PGHOST: dir, PGPORT: '5432', PGUSER: 'gevent', PGDATABASE: 'postgres' },
    'SIGINT',
    user,
  );
}
