// What callers pass: how an error shows it, and the refusals that are the same everywhere.

/** A value as an error message shows it: short, typed, never throwing. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (typeof value === 'symbol') return String(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  try {
    if (isGenerator(value)) return 'a generator';
    const name = (value as object).constructor?.name;
    return `an object${typeof name === 'string' && name !== '' ? ` (${name})` : ''}`;
  } catch {
    return 'an object';
  }
}

/** What a generator function gives when it is called. */
export function isGenerator(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Generator]';
}

/** The error for an argument of a wrong type. `where` names the function and the argument: `spawn(fn)`. */
export function wrongType(where: string, expected: string, got: unknown): TypeError {
  return new TypeError(`${where}: expected ${expected}, got ${describe(got)}`);
}

/** The error for an argument out of its range. */
export function wrongRange(where: string, expected: string, got: unknown): RangeError {
  return new RangeError(`${where}: expected ${expected}, got ${describe(got)}`);
}

/** Names of options, as `needOptions` takes them. */
export const TIMEOUT: readonly string[] = ['timeout'];
export const BLOCK_TIMEOUT: readonly string[] = ['block', 'timeout'];
export const KILL_OPTIONS: readonly string[] = ['exception', 'block', 'timeout'];

/**
 * Refuse what is no object of options, and names that there are not among them: a habit brought from Python, `q.get(true, 1)`,
 * or a slip, `{ tmeout: 1 }`, would else wait for ever without a word. `where` is as in `wrongType`: `get(options)`.
 */
export function needOptions(where: string, given: object | undefined, names: readonly string[]): void {
  if (given === undefined) return;
  if (typeof given !== 'object' || given === null) {
    throw wrongType(where, `an object { ${names.join(', ')} }`, given);
  }
  for (const name in given) {
    // The last is `timeout` mostly, and mostly the one given.
    if (name !== names[names.length - 1] && !names.includes(name)) {
      throw new TypeError(
        `${where}: there is no option ${describe(name)}; there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`,
      );
    }
  }
}

/** Refuse what is no function. */
export function needFunction(where: string, given: unknown): void {
  if (typeof given === 'function') return;
  const called = given as { next?: unknown; then?: unknown } | null | undefined;
  const hint =
    typeof called?.next === 'function' || typeof called?.then === 'function'
      ? '; do not call the function, pass it and its arguments'
      : '';
  throw new TypeError(`${where}: expected a function, got ${describe(given)}${hint}`);
}
