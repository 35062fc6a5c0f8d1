// Runs random programs on this library and compares with what gevent's side said.

import * as lib from '../../../ts/index.ts';
import { GreenletExit, Operation } from '../../../ts/index.ts';
import { simulate } from '../../../ts/testing.ts';
import { type CoreName, smallCore } from '../../support/cores.ts';
import { original } from '../original.ts';
import { Oops, shown } from '../scenario.ts';
import { basic } from './basic.ts';
import { type Grammar, makeProgram, type Program, smaller, type Written, write } from './grammar.ts';
import { api, kinds } from './kinds.ts';

export const grammar: Grammar = { basic, kinds };

/** What `fn()` gives, or its operation or generator; or the error raised. A kill goes on. */
function* tried(fn: () => unknown): Generator<any, unknown, any> {
  try {
    const value = fn();
    const blocks = value instanceof Operation || (value as any)?.[Symbol.toStringTag] === 'Generator';
    return blocks ? yield* value as Operation<unknown> : value;
  } catch (error) {
    if (error instanceof GreenletExit) throw error;
    return error;
  }
}

/** What `fn()` gives in a turn that no notification brought about. */
function* behind(fn: () => unknown): Generator<any, unknown, any> {
  yield* lib.sleep(0);
  const value = fn() as any;
  return value instanceof Operation || value?.[Symbol.toStringTag] === 'Generator' ? yield* value : value;
}

function* sized(op: Operation<unknown[]>): Generator<any, number, any> {
  return (yield* op).length;
}

const GeneratorFunction = function* () {}.constructor as new (...args: string[]) => (...args: any[]) => any;
const names: Record<string, unknown> = { ...lib, ...api, Oops, tried, behind, sized };

/** The trace of a program on this library, as it is or with some names replaced. */
export function runHere(core: CoreName, written: Written, replaced: Record<string, unknown> = {}): string[] {
  const simulation = simulate({ core: smallCore(core), debug: false });
  const { hub, clock } = simulation;
  const lines: string[] = [];
  const log = (...what: unknown[]) => void lines.push(what.map(shown).join(' '));
  const all = { ...names, log, hub, ...replaced };
  hub.printException = (_context, error) => log('reported', error);
  hub.exceptionStream = { write: (text) => lines.push(text) };
  try {
    const program = new GeneratorFunction(...Object.keys(all), written.ts);
    const g = hub.spawn(function* (): Generator<any, any, any> {
      return yield* program(...Object.values(all));
    });
    clock.runAll();
    const atEnd = g.value as (() => Iterator<unknown>) | undefined;
    if (atEnd === undefined) throw g.exception;
    atEnd().next();
    hub.core.verify();
  } catch (error) {
    lines.push(`broken: ${(error as Error).stack}`);
  } finally {
    simulation.close();
  }
  return lines;
}

/** Programs that share a process. */
const EACH = 100;
/** Programs compared before the next are made. */
const BATCH = 1000;

/** For each program, what differs; null: nothing. */
export async function compare(
  programs: readonly Program[],
  cores: readonly CoreName[],
  replaced: Record<string, unknown> = {},
): Promise<(Difference | null)[]> {
  const texts = programs.map((program) => write(grammar, program));
  const answers = await original(
    texts.map(({ python }) => ({ text: python })),
    { each: EACH, distinct: true },
  );
  return texts.map((written, i) => {
    const theirs = answers[i].lines ?? [answers[i].error as string];
    for (const core of cores) {
      const ours = runHere(core, written, replaced);
      if (ours.length !== theirs.length || ours.some((line, k) => line !== theirs[k])) {
        return { core, theirs, ours, written, program: programs[i] };
      }
    }
    return null;
  });
}

export interface Difference {
  core: CoreName;
  theirs: string[];
  ours: string[];
  written: Written;
  program: Program;
}

/** The smallest program found that still differs. */
export async function shrink(from: Difference, replaced: Record<string, unknown> = {}): Promise<Difference> {
  let smallest = from;
  for (let rounds = 0; rounds < 200; ++rounds) {
    const found = await compare(smaller(smallest.program), [smallest.core], replaced);
    const next = found.find((one) => one !== null);
    if (next === undefined || next === null) break;
    smallest = next;
  }
  return smallest;
}

/** Makes `count` programs from `seed` on and compares them. The first difference, as small as can be, or null. */
export async function search(
  seed: number,
  count: number,
  cores: readonly CoreName[],
  replaced: Record<string, unknown> = {},
): Promise<{ seed: number; others: number; text: string } | null> {
  for (let first = 0; first < count; first += BATCH) {
    const seeds = Array.from({ length: Math.min(BATCH, count - first) }, (_, i) => seed + first + i);
    const programs = seeds.map((one) => makeProgram(grammar, one));
    const found = await compare(programs, cores, replaced);
    const at = found.findIndex((one) => one !== null);
    if (at < 0) continue;
    const others = found.filter((one) => one !== null).length - 1;
    return { seed: seeds[at], others, text: report(await shrink(found[at] as Difference, replaced)) };
  }
  return null;
}

/** A difference as somebody can read and run it. */
export function report({ core, theirs, ours, written }: Difference): string {
  const at = theirs.findIndex((line, i) => line !== ours[i]);
  const split = at < 0 ? theirs.length : at;
  return [
    `---- gevent\n${written.python}`,
    `---- here, on the ${core} core\n${written.ts}`,
    `---- both\n${theirs.slice(0, split).join('\n')}`,
    `---- then gevent\n${theirs.slice(split).join('\n')}`,
    `---- then here\n${ours.slice(split).join('\n')}`,
  ].join('\n');
}

// node test/oracle/programs/run.ts 1000 42        a thousand programs, from seed 42 on
if (import.meta.main) {
  const [count = 1000, seed = 1] = process.argv.slice(2).map(Number);
  const started = performance.now();
  const found = await search(seed, count, ['wasm', 'pure']);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (found === null) console.log(`${count} programs from seed ${seed}: no difference, ${seconds} s`);
  else {
    console.log(`seed ${found.seed} differs, and ${found.others} more of its batch\n${found.text}`);
    process.exitCode = 1;
  }
}
