// posixSpawn and waitpid: children by their process ids, which nobody holds an object for.

import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { wrongRange, wrongType } from '../core/arguments.ts';
import { ForeignWait } from '../foreign.ts';
import type { Hub } from '../hub/hub.ts';
import type { Operation } from '../hub/operation.ts';
import { livingChild, livingChildren, registerChild, takeStatus } from '../net/children.ts';
import { checkFd } from '../net/descriptors.ts';
import { fromNode, OSError } from '../net/errors.ts';
import { checkEnv, launch, text } from './spawning.ts';

/** For `waitpid`: do not wait. */
export const WNOHANG = 1;

/** For `fileActions`: `[POSIX_SPAWN_OPEN, fd, path, flags, mode]`, `[POSIX_SPAWN_CLOSE, fd]`, `[POSIX_SPAWN_DUP2, fd, newFd]`. */
export const POSIX_SPAWN_OPEN = 0;
export const POSIX_SPAWN_CLOSE = 1;
export const POSIX_SPAWN_DUP2 = 2;

export type FileAction =
  | readonly [action: 0, fd: number, path: string, flags: number | string, mode?: number]
  | readonly [action: 1, fd: number]
  | readonly [action: 2, fd: number, newFd: number];

export interface PosixSpawnOptions {
  /** What becomes of the child's descriptors, in order. Otherwise it has 0, 1 and 2 of this process. */
  fileActions?: readonly FileAction[];
  /** A session of its own. */
  setsid?: boolean;
}

/** Children that do not keep the process going but while somebody waits for them. */
const unheld = new WeakSet<ChildProcess>();

/**
 * Start a program: its process id, which `waitpid` and `loop.child` know. Never a switch point. Neither hub nor process is kept
 * going by it, but while somebody waits for it.
 * @param path - the program's file
 * @param argv - its arguments, its own name the first of them
 * @param env - its environment, whole
 * @throws OSError if it cannot be started
 * @see `gevent.os.posix_spawn`, the source. Differs: of the keyword arguments `file_actions` and `setsid` alone; what is closed of
 *   0, 1 and 2 is /dev/null.
 */
export function posixSpawn(
  path: string,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  options: PosixSpawnOptions = {},
): number {
  text(path, 'posixSpawn(path)');
  return spawned(path.includes('/') ? path : `./${path}`, argv, env, options, 'posixSpawn');
}

/** The same; a name without `/` is looked for in PATH. */
export function posixSpawnp(
  path: string,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  options: PosixSpawnOptions = {},
): number {
  return spawned(text(path, 'posixSpawnp(path)'), argv, env, options, 'posixSpawnp');
}

function spawned(
  file: string,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  { fileActions = [], setsid = false }: PosixSpawnOptions,
  where: string,
): number {
  if (!Array.isArray(argv) || argv.length === 0) {
    throw wrongType(`${where}(argv)`, `arguments, the program's name the first of them`, argv);
  }
  const args = argv.map((arg, i) => text(arg, `${where}(argv[${i}])`));
  const opened: number[] = [];
  try {
    const options: SpawnOptions = {
      argv0: args[0],
      env: checkEnv(env),
      detached: setsid,
      stdio: descriptorsOf(fileActions, opened, where) as NonNullable<SpawnOptions['stdio']>,
    };
    const child = launch(file, args.slice(1), options);
    registerChild(child);
    unheld.add(child);
    child.unref();
    return child.pid as number;
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** The child's descriptors: of this process, by their numbers there. */
function descriptorsOf(actions: readonly FileAction[], opened: number[], where: string): (number | 'ignore')[] {
  const table = new Map<number, number>([0, 1, 2].map((fd) => [fd, fd]));
  for (const action of actions) {
    const fd = checkFd(action[1], `${where}(fileActions)`);
    if (action[0] === POSIX_SPAWN_OPEN) {
      try {
        opened.push(openSync(action[2], action[3], action[4] ?? 0o666));
      } catch (error) {
        throw fromNode(error, OSError);
      }
      table.set(fd, opened[opened.length - 1]);
    } else if (action[0] === POSIX_SPAWN_CLOSE) table.delete(fd);
    else if (action[0] === POSIX_SPAWN_DUP2) {
      table.set(checkFd(action[2], `${where}(fileActions)`), table.get(fd) ?? fd);
    } else throw wrongRange(`${where}(fileActions)`, 'POSIX_SPAWN_OPEN, _CLOSE or _DUP2', action[0]);
  }
  const all: (number | 'ignore')[] = ['ignore', 'ignore', 'ignore'];
  for (const [fd, mine] of table) {
    while (all.length <= fd) all.push('ignore');
    all[fd] = mine;
  }
  return all;
}

/**
 * How a child ended: `[pid, status]`. Switch point, unless it has ended; the others run meanwhile.
 * @param pid - a child that this library started; -1 for any: the one that ended first
 * @param options - WNOHANG: `[0, 0]` at once if none has ended
 * @throws OSError ECHILD if there is no such child, or somebody has been told of its end already
 * @see `gevent.os.waitpid`, the source. Differs: knows the children of Popen and posixSpawn, and ends for a minute.
 */
export function waitpid(pid: number, options = 0): Operation<[pid: number, status: number]> {
  if (!Number.isInteger(pid)) throw wrongType('waitpid(pid)', 'a process id', pid);
  if (options !== 0 && options !== WNOHANG) {
    throw wrongRange('waitpid(options)', '0 or WNOHANG', options);
  }
  return new WaitPid(pid, options === WNOHANG);
}

class WaitPid extends ForeignWait<[number, number]> {
  readonly #pid: number | null;
  readonly #poll: boolean;
  #children: ChildProcess[] = [];
  #found: [number, number] | null = null;
  readonly #exited = (): void => this.happened();

  constructor(pid: number, poll: boolean) {
    super();
    this.#pid = pid > 0 ? pid : null;
    this.#poll = poll;
  }

  describe(): string {
    return `waitpid of ${this.#pid ?? 'any child'}`;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    this.#found = takeStatus(this.#pid);
    if (this.#found !== null) return true;
    const one = this.#pid === null ? [...livingChildren()] : [livingChild(this.#pid)];
    this.#children = one.filter((child) => child !== undefined);
    if (this.#children.length === 0) throw this.#none();
    if (this.#poll) {
      this.#children = [];
      this.#found = [0, 0];
      return true;
    }
    this.wait(hub, slot, null);
    for (const child of this.#children) {
      child.once('exit', this.#exited);
      if (unheld.has(child)) child.ref();
    }
    return false;
  }

  #none(): OSError {
    return new OSError('ECHILD', `waitpid: ECHILD: no child ${this.#pid ?? ''} that this program waits for`);
  }

  protected override ended(): void {
    for (const child of this.#children.splice(0)) {
      child.off('exit', this.#exited);
      if (unheld.has(child)) child.unref();
    }
  }

  complete(hub: Hub): [number, number] {
    this.unwait(hub);
    // Another one may have been quicker.
    this.#found ??= takeStatus(this.#pid);
    if (this.#found === null) throw this.#none();
    return this.#found;
  }
}

/** The exit code in what `waitpid` gives: minus the signal's number for a child that was killed. */
export function waitstatusToExitcode(status: number): number {
  if (!Number.isInteger(status) || status < 0) {
    throw wrongRange('waitstatusToExitcode(status)', 'what waitpid gives', status);
  }
  return (status & 0x7f) === 0 ? status >> 8 : -(status & 0x7f);
}
