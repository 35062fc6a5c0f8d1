// `gevent-wasm monkey [--no-time …] script.js args…`: patch, then run a program as if Node had been called with it.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PATCH_NAMES, type PatchAllOptions, patchAll } from './all.ts';

const USAGE = `gevent-wasm monkey [--PATCH | --no-PATCH]… [--module] script.js [arguments…]
    Patch Node's modules for greenlets, then run script.js. Without options every patch is made. --PATCH alone is the same as
    leaving it out; --no-PATCH leaves that one out. Patches: ${PATCH_NAMES.join(', ')}
    --module   script.js is the name of a module as import takes it
`;

/** What one flag says, `no-time` or `time`. Null for a name that is none. */
function setting(flag: string): [keyof PatchAllOptions, boolean] | null {
  const on = !flag.startsWith('no-');
  const name = (on ? flag : flag.slice(3)) as keyof PatchAllOptions;
  return PATCH_NAMES.includes(name) ? [name, on] : null;
}

/** `patchAll` as `GEVENT_MONKEY` says: patches to leave out, `no-thread,no-time`. */
export function patchFromEnvironment(env: Readonly<Record<string, string | undefined>> = process.env): void {
  const options: PatchAllOptions = {};
  for (const flag of (env.GEVENT_MONKEY ?? '').split(',').map((each) => each.trim())) {
    if (flag === '') continue;
    const found = setting(flag);
    if (found === null)
      throw new TypeError(`GEVENT_MONKEY: expected names such as no-time of ${PATCH_NAMES.join(', ')}, got ${flag}`);
    options[found[0]] = found[1];
  }
  patchAll(options);
}

/**
 * What `gevent-wasm monkey` does: patch as the flags say, and run the script that follows them, which sees itself as the main program.
 * @param argv - the command's arguments. Default: the process's
 * @returns the exit code, if there is nothing to run
 * @see `gevent.monkey.main`, the source.
 */
export async function main(argv: readonly string[] = process.argv.slice(2)): Promise<number> {
  const options: PatchAllOptions = {};
  let at = 0;
  let asModule = false;
  for (; at < argv.length && argv[at].startsWith('--'); ++at) {
    const flag = argv[at].slice(2);
    if (flag === '') {
      ++at;
      break;
    }
    if (flag === 'help') {
      process.stdout.write(USAGE);
      return 0;
    }
    if (flag === 'module') {
      asModule = true;
      continue;
    }
    const named = setting(flag);
    if (named === null) return refuse(`no patch ${flag}`);
    options[named[0]] = named[1];
  }
  const script = argv[at];
  if (script === undefined) return refuse('no script');
  // As Node finds it: the name of a directory or one without .js will do. Of a file it is the address that counts, whatever its name has in it.
  const path = asModule ? script : found(resolve(script));
  if (path === null) return refuse(`cannot find ${script}`);
  patchAll(options);
  process.argv.splice(1, Number.POSITIVE_INFINITY, path, ...argv.slice(at + 1));
  await import(asModule ? script : pathToFileURL(path).href);
  return 0;
}

function found(path: string): string | null {
  try {
    return createRequire(path).resolve(path);
  } catch {
    return existsSync(path) ? path : null;
  }
}

function refuse(why: string): number {
  process.stderr.write(`gevent-wasm monkey: ${why}\n\n${USAGE}`);
  return 2;
}
