// What this run is to do: by the environment, or by the address of the page.

const { process, location } = globalThis as { process?: NodeJS.Process; location?: { search: string } };

function parameter(name: string): string | null {
  return process?.env?.[name] ?? new URLSearchParams(location?.search ?? '').get(name);
}

/** `main`: the main library; else a backend of guests. */
export const CELL = parameter('GEVENT_CELL') ?? 'main';
/** Where to keep what was compiled, for runs that have no compilers. */
export const RECORD = parameter('GEVENT_RECORD');
/** In a page. */
export const IN_PAGE = process === undefined;
