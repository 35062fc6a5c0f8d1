// As much of vitest as the suites use that run inside of other engines: they import it by the name `vitest`. Tests are collected, and
// run by suite.ts.

type Body = (...args: any[]) => unknown;

interface Case {
  readonly name: string;
  readonly body: () => unknown;
  readonly skipped: boolean;
}

export const cases: Case[] = [];
const path: string[] = [];

function title(name: string, args: readonly unknown[]): string {
  let at = 0;
  return name.replaceAll('%s', () => String(args[at++]));
}

export function describe(name: string, body: () => void): void {
  path.push(name);
  body();
  path.pop();
}
describe.each = (rows: readonly any[]) => (name: string, body: (...args: any[]) => void) => {
  for (const row of rows) {
    const args = Array.isArray(row) ? row : [row];
    describe(title(name, args), () => body(...args));
  }
};

function add(name: string, body: Body, skipped: boolean): void {
  cases.push({ name: [...path, name].join(' '), body, skipped });
}

export function test(name: string, body: Body): void {
  add(name, body, false);
}
test.runIf = (condition: unknown) => (name: string, body: Body) => add(name, body, !condition);
test.skipIf = (condition: unknown) => (name: string, body: Body) => add(name, body, Boolean(condition));
test.each = (rows: readonly any[]) => (name: string, body: Body) => {
  for (const row of rows) {
    const args = Array.isArray(row) ? row : [row];
    add(title(name, args), () => body(...args), false);
  }
};

const finished: (() => unknown)[] = [];

export function onTestFinished(fn: () => unknown): void {
  finished.push(fn);
}

/** Run a test and what it leaves to be done. */
export async function run({ body }: Case): Promise<void> {
  try {
    await body();
  } finally {
    for (const fn of finished.splice(0).reverse()) await fn();
  }
}

// ---- expect ---------------------------------------------------------------------------------------------------------

class Asymmetric {
  readonly what: string;
  readonly matches: (value: unknown) => boolean;

  constructor(what: string, matches: (value: unknown) => boolean) {
    this.what = what;
    this.matches = matches;
  }
}

function shown(value: unknown): string {
  if (value instanceof Asymmetric) return value.what;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return (
      JSON.stringify(value, (_key, it) =>
        it instanceof Asymmetric
          ? it.what
          : typeof it === 'bigint'
            ? `${it}n`
            : it instanceof Error
              ? `${it.name}: ${it.message}`
              : it === undefined
                ? '(undefined)'
                : it,
      ) ?? String(value)
    );
  } catch {
    return String(value);
  }
}

/** `partly`: of objects, what is expected must be there, and there may be more. */
function equal(a: unknown, b: unknown, partly: boolean): boolean {
  if (b instanceof Asymmetric) return b.matches(a);
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Error || b instanceof Error) {
    return a instanceof Error && b instanceof Error && a.name === b.name && a.message === b.message;
  }
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b) && !partly) return false;
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) return false;
  const own = (it: object) => Object.keys(it).filter((key) => (it as any)[key] !== undefined);
  const keys = own(b);
  if (!partly && own(a).length !== keys.length) return false;
  return keys.every((key) => equal((a as any)[key], (b as any)[key], partly));
}

function matches(text: unknown, pattern: RegExp | string): boolean {
  return typeof text === 'string' && (typeof pattern === 'string' ? text.includes(pattern) : pattern.test(text));
}

function thrown(fn: unknown): { error: unknown } | null {
  try {
    (fn as () => unknown)();
    return null;
  } catch (error) {
    return { error };
  }
}

export function expect(value: any, what = '') {
  const check = (ok: boolean, verb: string, expected: unknown) => {
    if (!ok) throw new Error(`${what && `${what}: `}expected ${shown(value)} ${verb} ${shown(expected)}`);
  };
  return {
    toBe: (it: unknown) => check(Object.is(value, it), 'to be', it),
    toEqual: (it: unknown) => check(equal(value, it, false), 'to equal', it),
    toMatchObject: (it: object) => check(equal(value, it, true), 'to have in it', it),
    toMatch: (it: RegExp | string) => check(matches(value, it), 'to match', String(it)),
    toContain: (it: unknown) => check(value.includes(it), 'to contain', it),
    toHaveLength: (it: number) => check(value.length === it, 'to have length', it),
    toBeInstanceOf: (it: new (...args: any[]) => unknown) => check(value instanceof it, 'to be a', it.name),
    toBeLessThan: (it: number) => check(value < it, 'to be less than', it),
    toBeLessThanOrEqual: (it: number) => check(value <= it, 'to be at most', it),
    toBeNull: () => check(value === null, 'to be', null),
    toThrow: (it: RegExp | string | (new (...args: any[]) => Error)) => {
      const found = thrown(value);
      const ok =
        found !== null &&
        (typeof it === 'function' ? found.error instanceof it : matches(String((found.error as Error).message), it));
      check(ok, 'to throw', String(it));
    },
  };
}
expect.stringContaining = (text: string) =>
  new Asymmetric(`text with ${text}`, (it) => typeof it === 'string' && it.includes(text)) as any;
expect.stringMatching = (pattern: RegExp) =>
  new Asymmetric(`text like ${pattern}`, (it) => matches(it, pattern)) as any;
expect.any = (kind: new (...args: any[]) => unknown) =>
  new Asymmetric(`a ${kind.name}`, (it) => it instanceof kind) as any;
