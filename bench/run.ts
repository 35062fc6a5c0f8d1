// Entry: node bench/run.ts [case...] [--quick] [--large] [--json] [--svg file] [--list] [--samples n] [--only id,...]
//                          [--one-process] [--from dist|ts]
//
// Tables and the JSON document go to standard output, everything else to standard error. Exit code 1: a contender did
// wrong work or broke; 2: the command line is wrong.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CASES, findCase } from './cases/index.ts';
import { environment, environmentWarnings } from './environment.ts';
import { type Case, format, measure, type Outcome, WrongCount } from './harness.ts';
import { toJson } from './report/json.ts';
import { toSvg } from './report/svg.ts';
import { caseBlock, missingBlock, stamp } from './report/table.ts';
import { targetBlock } from './report/targets.ts';
import { judge } from './targets.ts';

const QUICK_CASES = ['switch', 'spawn', 'timers'];

const USAGE = `node bench/run.ts [case...] [options]

  --quick          small sizes, few samples; without a case: ${QUICK_CASES.join(', ')}
  --large          also sizes that take minutes or gigabytes (sleepers: a million)
  --samples n      samples of each contender
  --only id,...    only contenders whose id starts so, besides floor and baseline
  --one-process    all contenders of a group in one process, as when a program loads both cores
  --from dist|ts   measure the built package or the sources; without it the built one, if there is one
  --json           one JSON document on standard output, nothing else
  --svg file       also draw the results
  --list           say what would be measured

cases: ${CASES.map((item) => item.name).join(', ')}
`;

let shownGroup = '';
const command = parse();
// Children inherit the environment, so they choose the same source.
if (command.from) process.env.GEVENT_BENCH_FROM = command.from;
process.exitCode = command.list ? list() : await run();

function parse() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        large: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        'one-process': { type: 'boolean', default: false },
        samples: { type: 'string' },
        only: { type: 'string' },
        svg: { type: 'string' },
        from: { type: 'string' },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    const samples = values.samples === undefined ? undefined : Number(values.samples);
    if (samples !== undefined && (!Number.isInteger(samples) || samples < 1)) {
      throw new RangeError(`--samples: expected an integer from 1, got ${values.samples}`);
    }
    if (values.from !== undefined && values.from !== 'dist' && values.from !== 'ts') {
      throw new RangeError(`--from: expected dist or ts, got ${values.from}`);
    }
    const named = positionals.length > 0 ? positionals : values.quick ? QUICK_CASES : CASES.map((item) => item.name);
    return { ...values, samples, cases: named.map(findCase), only: values.only?.split(',') };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

function list(): number {
  for (const item of command.cases) {
    process.stdout.write(`${item.name}\n`);
    for (const { params, unit, contenders } of item.groups(command)) {
      const ids = contenders.map(({ id, params: own }) => (own ? `${id} (${Object.values(own).join(' ')})` : id));
      process.stdout.write(`  ${format(params)}  [${unit}]\n    ${ids.join(', ')}\n`);
    }
  }
  return 0;
}

async function run(): Promise<number> {
  const env = environment();
  const mode = {
    quick: command.quick,
    isolation: command['one-process'] ? 'one process for all contenders' : 'one process a contender',
  };
  const notes = environmentWarnings(env);
  const outcome: Outcome = { rows: [], missing: [], warnings: [], broken: false };
  const print = (text: string) => {
    if (!command.json) process.stdout.write(`${text}\n`);
  };
  print(stamp(env, mode));
  for (const note of notes) print(`! ${note}`);
  try {
    for (const item of command.cases) await one(item, outcome, print);
  } catch (error) {
    if (!(error instanceof WrongCount)) throw error;
    progress('');
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  const verdicts = judge(outcome.rows);
  if (verdicts.length > 0) print(targetBlock(verdicts));
  if (outcome.missing.length > 0) print(missingBlock(outcome.missing));
  if (command.json) process.stdout.write(toJson(env, mode, notes, outcome));
  if (command.svg !== undefined) {
    mkdirSync(dirname(resolve(command.svg)), { recursive: true });
    writeFileSync(command.svg, toSvg(env, mode, outcome.rows));
    process.stderr.write(`drawn: ${command.svg}\n`);
  }
  return outcome.broken ? 1 : 0;
}

async function one(item: Case, outcome: Outcome, print: (text: string) => void): Promise<void> {
  const from = { rows: outcome.rows.length, warnings: outcome.warnings.length };
  const { quick, large, samples, only } = command;
  await measure(
    item,
    { quick, large, oneProcess: command['one-process'], progress, ...(samples && { samples }), ...(only && { only }) },
    outcome,
  );
  progress('');
  print(caseBlock(item, outcome.rows.slice(from.rows), outcome.warnings.slice(from.warnings)));
}

/** One line that is overwritten on a terminal; elsewhere (a log) a line now and then. An empty text wipes it. */
function progress(text: string): void {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
    return;
  }
  const group = text.split(':')[0];
  if (text === '' || group === shownGroup) return;
  shownGroup = group;
  process.stderr.write(`bench: ${group}\n`);
}
