// Entry: node bench/figures.ts <document.json...> > bench/FIGURES.md
//
// Tables for people from what `npm run -s bench -- <case...> --json` printed, one document a run, so that the published
// figures are those of the benchmark and not copied by hand. A target is judged within one document only.

import { readFileSync } from 'node:fs';
import type { Environment } from './environment.ts';
import { format, type Missing, type Params, type Row } from './harness.ts';
import { figure, groupRows, label, ratio, sharedParams } from './report/table.ts';
import { sentence } from './report/targets.ts';
import { judge } from './targets.ts';

interface Document {
  readonly env: Environment & { readonly quick: boolean; readonly warnings: readonly string[] };
  readonly rows: readonly Row[];
  readonly missing: readonly Missing[];
}

const files = process.argv.slice(2);
if (files.length === 0) {
  process.stderr.write(
    'usage: node bench/figures.ts <document.json...>   (made by npm run -s bench -- <case...> --json)\n',
  );
  process.exit(2);
}
const documents = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Document);
process.stdout.write(`${page(documents).join('\n')}\n`);

function page(runs: readonly Document[]): string[] {
  const verdicts = runs.flatMap((run) => judge(run.rows));
  const missed = verdicts.filter(({ met }) => !met);
  return [
    '# Figures',
    '',
    'Made by `node bench/figures.ts` from the JSON documents of the runs below; how to read them is in [README.md](README.md).',
    'Medians, with the least in brackets; ratios are of medians of one run.',
    '',
    `## Targets: ${verdicts.length - missed.length} met, ${missed.length} missed`,
    '',
    ...verdicts.map((each) => `- ${each.met ? '' : '**missed** '}${sentence(each)}`),
    ...runs.flatMap(runPart),
  ];
}

function runPart({ env, rows, missing }: Document): string[] {
  const lines = [
    '',
    `## ${[...new Set(rows.map((row) => row.case))].join(', ')}`,
    '',
    `${env.date.slice(0, 10)}, ${env.cpu}, ${env.cores} cores, load ${env.load}, Node ${env.node}, V8 ${env.v8}, commit ${env.commit}${
      env.dirty ? ' and changes' : ''
    }, ${env.quick ? '`--quick`' : 'full size'}.`,
  ];
  for (const group of groupRows(rows)) lines.push('', ...table(group));
  if (missing.length > 0) lines.push('', ...missing.map(({ contender, why }) => `- missing: \`${contender}\`: ${why}`));
  if (env.warnings.length > 0) lines.push('', 'To doubt:', '', ...env.warnings.map((text) => `- ${text}`));
  return lines;
}

function table(rows: readonly Row[]): string[] {
  const shared: Params = sharedParams(rows);
  return [
    `**${rows[0].case} ${format(shared)}** (${rows[0].unit})`.replace(' **', '**'),
    '',
    '| contender | median (least) | x floor | x baseline |',
    '| --- | --: | --: | --: |',
    ...rows.map(
      (row) =>
        `| \`${label(row, shared)}\` | ${figure(row.p50)} (${figure(row.min)}) | ${ratio(row.ratioToFloor)} | ${ratio(row.ratioToBaseline)} |`,
    ),
  ];
}
