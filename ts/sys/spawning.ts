// Starting a child: Python's arguments as Node's, and why it did not start, in time for the caller to hear of it.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, wrongType } from '../core/arguments.ts';
import { checkFd, fdOf, type NodeStream } from '../net/descriptors.ts';
import { Socket } from '../net/endpoint.ts';
import { fromNode, OSError, unsupported } from '../net/errors.ts';
import type { StreamFile } from '../net/stream.ts';
import type { Command } from './process-errors.ts';
import { closedFile, FileObjectPosix } from './stream-object.ts';

/** A pipe to the child. */
export const PIPE: -1 = -1;
/** For stderr: where stdout goes. */
export const STDOUT: -2 = -2;
/** Nowhere, and from nowhere. */
export const DEVNULL: -3 = -3;

/**
 * What a child's stdin, stdout or stderr is: PIPE, STDOUT (stderr only), DEVNULL, a descriptor, a file or socket of ours, a stream
 * of Node's with a descriptor; null or `inherit`: this process's own.
 */
export type Stdio = number | null | 'inherit' | { fileno(): number } | Socket | StreamFile | NodeStream;

export interface SpawnSettings {
  stdin?: Stdio;
  stdout?: Stdio;
  stderr?: Stdio;
  /** The child's working directory. Default: this process's. */
  cwd?: string | URL | null;
  /** The child's environment, whole. Default: this process's. */
  env?: Readonly<Record<string, string | undefined>> | null;
  /** Run the command by a shell: a text is its program, of a list the first item is, and the others are its arguments. */
  shell?: boolean;
  /** The program to run in place of the first argument (with `shell`: the shell), which the child still sees as its name. */
  executable?: string | null;
  /** A session of its own (a process group on Windows): it does not get the terminal's signals. */
  startNewSession?: boolean;
  /** The same, as Node calls it. The child is waited for all the same; see `Popen.ref`. */
  detached?: boolean;
  /** Further descriptors that the child keeps, under their numbers. All others are closed in it. */
  passFds?: readonly number[];
  /** File mode creation mask of the child. Not in worker threads. */
  umask?: number;
  /** User and group id of the child. */
  user?: number;
  group?: number;
  /** Windows: no console window. Default true. */
  windowsHide?: boolean;
}

const POSIX = process.platform !== 'win32';

/** A child that has begun to run, and what of its stdio is ours. */
export interface Started {
  readonly child: ChildProcess;
  /** stdin comes from a stream that was read from already: it has to be copied. */
  readonly copyFrom: FileObjectPosix | NodeStream | null;
}

/** @internal */
export function text(value: unknown, where: string): string {
  if (typeof value !== 'string') throw wrongType(where, 'a string', value);
  if (value.includes('\0')) throw new TypeError(`${where}: a string with a zero byte: ${describe(value)}`);
  return value;
}

/** The program and its arguments, its own name the first of them. */
function commandLine(args: Command, { shell = false, executable }: SpawnSettings): [file: string, argv: string[]] {
  let argv: string[];
  if (typeof args === 'string') argv = [text(args, 'Popen(args)')];
  else if (Array.isArray(args)) argv = args.map((arg, i) => text(arg, `Popen(args[${i}])`));
  else throw wrongType('Popen(args)', 'a string or an array of strings', args);
  if (argv.length === 0 || argv[0] === '') throw new RangeError('Popen(args): expected a program, got nothing');
  if (shell) {
    const sh = executable ?? (POSIX ? '/bin/sh' : (process.env.comspec ?? 'cmd.exe'));
    return [sh, POSIX ? [sh, '-c', ...argv] : [sh, '/d', '/s', '/c', `"${argv.join(' ')}"`]];
  }
  return [executable === null || executable === undefined ? argv[0] : text(executable, 'Popen(executable)'), argv];
}

type NodeStdio = 'pipe' | 'ignore' | 'inherit' | number | NodeStream;

function stdio(value: Stdio | undefined, name: string): NodeStdio | { copy: FileObjectPosix | NodeStream } {
  if (value === undefined || value === null || value === 'inherit') return 'inherit';
  if (value === PIPE) return 'pipe';
  if (value === DEVNULL) return 'ignore';
  if (value === STDOUT) throw new RangeError('STDOUT can only be used for stderr');
  const where = `Popen(${name})`;
  if (typeof value === 'number') return checkFd(value, where);
  let node: NodeStream | null = null;
  // Read here and not taken: the child would not get it.
  let unread = 0;
  if (value instanceof Socket) {
    node = value.$node;
    unread = value.$reader.size;
  } else if (value instanceof FileObjectPosix) {
    if (value.closed) throw closedFile();
    node = value.io;
    const reader = value.$reader;
    if (name === 'stdin' && reader !== null && (reader.size > 0 || node.destroyed)) return { copy: value };
  } else if (value instanceof Readable || value instanceof Writable) node = value;
  else if (typeof (value as { fileno?: unknown } | undefined)?.fileno === 'function') {
    return checkFd((value as { fileno(): number }).fileno(), `${where}.fileno()`);
  }
  if (node === null || node.destroyed) {
    throw wrongType(where, 'PIPE, STDOUT, DEVNULL, a descriptor or an open file', value);
  }
  if (name === 'stdin' && node instanceof Readable && unread + node.readableLength > 0) {
    return { copy: value as NodeStream };
  }
  const fd = fdOf(node);
  if (fd !== undefined) return fd;
  if ('remoteAddress' in node) return node;
  throw unsupported(`${where}: this stream has no descriptor that a child could have; use PIPE and copy`);
}

/** @throws OSError with the code of the system: why it could not be started */
export function start(args: Command, settings: SpawnSettings): Started {
  let [file, argv] = commandLine(args, settings);
  const { stderr, env, user, group, passFds = [] } = settings;
  const cwd = settings.cwd instanceof URL ? fileURLToPath(settings.cwd) : settings.cwd;
  if (cwd !== undefined && cwd !== null) text(cwd, 'Popen(cwd)');
  const input = stdio(settings.stdin, 'stdin');
  const output = stdio(settings.stdout, 'stdout') as NodeStdio;
  let errors: NodeStdio;
  if (stderr !== STDOUT) errors = stdio(stderr, 'stderr') as NodeStdio;
  else if (output === 'pipe') {
    // Node makes one pipe for each. A shell duplicates the one, and is gone before the program begins.
    if (!POSIX) throw unsupported('Popen(stderr): STDOUT with stdout PIPE needs a POSIX shell');
    errors = 'ignore';
    // What that shell would not find is told here.
    const trouble = missing(file, cwd ?? null, env ?? process.env);
    if (trouble !== null) throw trouble;
    [file, argv] = joined(file, argv, settings);
  } else errors = output === 'inherit' ? 1 : output;
  const copied = typeof input === 'object' && 'copy' in input ? input.copy : null;
  const all: NodeStdio[] = [copied === null ? (input as NodeStdio) : 'pipe', output, errors];
  for (const fd of passFds) {
    checkFd(fd, 'Popen(passFds)');
    while (all.length <= fd) all.push('ignore');
    all[fd] = fd;
  }
  const options: SpawnOptions = {
    stdio: all as SpawnOptions['stdio'],
    windowsHide: settings.windowsHide ?? true,
    detached: (settings.startNewSession ?? false) || (settings.detached ?? false),
  };
  if (argv[0] !== file) options.argv0 = argv[0];
  if (cwd !== undefined && cwd !== null) options.cwd = cwd;
  if (env !== undefined && env !== null) options.env = checkEnv(env);
  if (user !== undefined) options.uid = user;
  if (group !== undefined) options.gid = group;
  if (!POSIX && settings.shell) options.windowsVerbatimArguments = true;
  return { child: launch(file, argv.slice(1), options, settings.umask), copyFrom: copied };
}

/** node:child_process.spawn, and the reason if there is no process. */
export function launch(file: string, args: string[], options: SpawnOptions, umask?: number): ChildProcess {
  const child = begin(file, args, options, umask);
  if (child.pid !== undefined) return child;
  // Without descriptors left there is not even this.
  for (const stream of child.stdio ?? []) stream?.destroy();
  throw reason(file, (options.cwd as string | undefined) ?? null, options.env);
}

function begin(file: string, args: string[], options: SpawnOptions, umask: number | undefined): ChildProcess {
  const before = umask === undefined ? null : process.umask(umask);
  try {
    const child = spawn(file, args, options);
    // What fails later (nothing does but a signal without permission, see Popen.sendSignal) has been told by then.
    child.on('error', () => {});
    return child;
  } catch (error) {
    throw fromNode(error, OSError);
  } finally {
    if (before !== null) process.umask(before);
  }
}

/** The same command by way of a shell that has stderr go where stdout goes. */
function joined(file: string, argv: string[], { shell = false }: SpawnSettings): [string, string[]] {
  // A line of its own, so that even what the shell cannot read is told there.
  if (shell) return [file, [argv[0], '-c', `exec 2>&1\n${argv[2]}`, ...argv.slice(3)]];
  return ['/bin/sh', ['sh', '-c', 'exec "$0" "$@" 2>&1', file, ...argv.slice(1)]];
}

/** @internal */
export function checkEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  if (typeof env !== 'object') throw wrongType('Popen(env)', 'an object', env);
  for (const [name, value] of Object.entries(env)) if (value !== undefined) text(value, `Popen(env.${name})`);
  return env as Record<string, string | undefined>;
}

// ---- why not ----------------------------------------------------------------------------------------------------------

/**
 * Node tells why a child could not be started by an event, when the caller is gone; and names the program when it means the
 * directory. What it would say is found out here.
 */
function reason(file: string, cwd: string | null, env: SpawnOptions['env']): OSError {
  return (
    missing(file, cwd, env ?? process.env) ??
    exhausted() ??
    failure('EAGAIN', `${file}: the system refused another process`, file)
  );
}

function failure(code: string, what: string, path: string): OSError {
  return new OSError(code, `spawn: ${code}: ${what}`, { syscall: 'spawn', path });
}

/** What is wrong with the directory or the program, or null. */
function missing(file: string, cwd: string | null, env: Readonly<Record<string, string | undefined>>): OSError | null {
  if (cwd !== null) {
    try {
      if (!statSync(cwd).isDirectory()) return failure('ENOTDIR', `the working directory ${cwd} is no directory`, cwd);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return failure(code as string, `the working directory ${cwd} cannot be entered`, cwd);
    }
  }
  if (!POSIX) return null;
  if (file.includes('/')) return refused(cwd === null || file.startsWith('/') ? file : join(cwd, file), file);
  let worst: OSError | null = null;
  for (const directory of (env.PATH ?? '/usr/bin:/bin').split(delimiter)) {
    const trouble = refused(join(cwd ?? '', directory, file), file);
    if (trouble === null) return null;
    // One that may not be run counts for more than one that is not there.
    if (trouble.code !== 'ENOENT' && trouble.code !== 'ENOTDIR') worst ??= trouble;
  }
  return worst ?? failure('ENOENT', `no program ${file} in PATH`, file);
}

/** Why a file cannot be executed, or null. */
function refused(path: string, name: string): OSError | null {
  try {
    if (statSync(path).isDirectory()) return failure('EACCES', `${name} is a directory`, name);
    accessSync(path, constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'there is no such program' : 'the program may not be executed';
    return failure(code as string, `${name}: ${what}`, name);
  }
  const interpreter = interpreterOf(path);
  if (interpreter === null) return null;
  const trouble = refused(interpreter, interpreter);
  return trouble === null ? null : failure(trouble.code, `${name}: its interpreter ${interpreter} cannot be run`, name);
}

/** What the first line of a script names. */
function interpreterOf(path: string): string | null {
  const head = Buffer.alloc(256);
  try {
    const fd = openSync(path, 'r');
    try {
      const length = readSync(fd, head);
      return /^#![ \t]*([^ \t\n\0]+)/.exec(head.toString('latin1', 0, length))?.[1] ?? null;
    } finally {
      closeSync(fd);
    }
  } catch {
    // It can be run and not read: then it is no script.
    return null;
  }
}

/** Whether descriptors have run out. */
function exhausted(): OSError | null {
  try {
    closeSync(openSync(process.execPath, 'r'));
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EMFILE' || code === 'ENFILE' ? failure(code, 'no descriptors are left', process.execPath) : null;
  }
}
