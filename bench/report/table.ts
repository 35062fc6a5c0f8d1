// Rows for people, a block a group.

import type { Environment } from '../environment.ts';
import { type Case, format, type Missing, type Params, type Row, type Warning } from '../harness.ts';
import { type Verdict, verdict } from '../statistics.ts';

const WORDS: Readonly<Record<Verdict, string>> = { faster: 'less', slower: 'more', same: 'no difference' };

export function stamp(env: Environment, mode: { isolation: string }): string {
  const build = [
    `measured: ${env.measured === 'dist' ? 'dist/ (built)' : 'ts/ (sources)'}`,
    env.wasmBytes === null ? 'WASM core not built' : `WASM core ${env.wasmBytes} bytes`,
    env.commit === null ? 'no commit' : `commit ${env.commit}${env.dirty ? ' + changes' : ''}`,
    mode.isolation,
    `seed ${env.seed}`,
  ];
  return [
    `${env.cpu}, ${env.cores} cores, ${env.memoryGiB} GiB, ${env.system}, load ${env.load}`,
    `Node ${env.node}, V8 ${env.v8}, flags ${env.flags.length > 0 ? env.flags.join(' ') : 'none'}, ${env.date}`,
    build.join(', '),
  ].join('\n');
}

export function caseBlock(item: Case, rows: readonly Row[], warnings: readonly Warning[]): string {
  const lines = [
    `\n${bold(item.name)}  ${item.about.replace(/\n/g, ' ')}`.replace(/(.{1,118})(\s|$)/g, '$1\n').trimEnd(),
  ];
  for (const group of groupRows(rows)) lines.push('', ...groupBlock(group));
  if (warnings.length > 0) lines.push('');
  for (const { params, contender, text } of warnings) lines.push(`  ! ${format(params)} ${contender}: ${text}`);
  return lines.join('\n');
}

/** What could not be measured, once at the end. */
export function missingBlock(missing: readonly Missing[]): string {
  const lines = missing.map(({ contender, why, where }) => `  ${contender}: ${why} (${where.join(', ')})`);
  return ['', bold('missing'), ...lines.sort()].join('\n');
}

/** Rows that were measured together: same unit and same parameters, leaving out those that tell forms of one contender apart. */
export function groupRows(rows: readonly Row[]): Row[][] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const { by: _, ...params } = row.params as Params & { by?: string };
    const key = `${row.case} ${format(params)} ${row.unit}`;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()];
}

/** The parameters that all rows of a group share. */
export function sharedParams(rows: readonly Row[]): Params {
  const shared = Object.entries(rows[0].params).filter(([key, value]) =>
    rows.every((row) => row.params[key] === value),
  );
  return Object.fromEntries(shared);
}

/** What to call a row inside its group. */
export function label(row: Row, shared: Params): string {
  const own = Object.entries(row.params).filter(([key]) => !(key in shared));
  return [row.contender, ...own.map(([, value]) => `(${value})`)].join(' ');
}

function groupBlock(rows: readonly Row[]): string[] {
  const shared = sharedParams(rows);
  const hasFloor = rows.some((row) => row.ratioToFloor !== null);
  const hasBaseline = rows.some((row) => row.ratioToBaseline !== null);
  const header = [`${row0(rows).unit}`, 'min', 'p50', 'p99', 'samples'];
  if (hasFloor) header.push('x floor');
  if (hasBaseline) header.push('x baseline', '');
  const body = rows.map((row) => {
    const cells = [label(row, shared), ...[row.min, row.p50, row.p99].map(figure), String(row.samples)];
    if (hasFloor) cells.push(ratio(row.ratioToFloor));
    if (hasBaseline) cells.push(ratio(row.ratioToBaseline), remark(row));
    return cells;
  });
  return [`  ${bold(`${row0(rows).case} ${format(shared)}`)}`, ...align([header, ...body]), ...asides(rows)];
}

function row0(rows: readonly Row[]): Row {
  return rows[0];
}

function remark(row: Row): string {
  if (row.role === 'baseline') return 'baseline';
  if (row.role === 'floor') return 'floor';
  return row.versusBaseline ? WORDS[row.versusBaseline] : '';
}

/** Comparisons that are no ratio to floor or baseline but that targets are set for. */
function asides(rows: readonly Row[]): string[] {
  const lines: string[] = [];
  const shared = sharedParams(rows);
  for (const wasm of rows.filter((row) => row.contender === 'engine:wasm')) {
    const pure = rows.find((row) => row.contender === 'engine:pure' && row.params.by === wasm.params.by);
    if (!pure) continue;
    const against = WORDS[verdict(wasm.values, pure.values)];
    lines.push(`    ${label(wasm, shared)} / engine:pure = ${ratio(wasm.p50 / pure.p50)} (${against})`);
  }
  const floor = rows.find((row) => row.role === 'floor');
  if (floor && floor.unit === 'ms') {
    for (const row of rows.filter((each) => each.role === 'engine')) {
      lines.push(`    ${row.contender} - ${floor.contender} = ${figure(row.p50 - floor.p50)} ms`);
    }
  }
  return lines;
}

/** Three significant digits, grouped: what a shared machine can be believed. */
export function figure(value: number): string {
  if (value >= 1000) return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ' ');
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

export function ratio(value: number | null): string {
  if (value === null) return '';
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

function align(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const text = column === 0 || column === 7 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]);
      return text;
    });
    return `    ${cells.join('  ')}`.trimEnd();
  });
}

function bold(text: string): string {
  return process.stdout.isTTY ? `\x1b[1m${text}\x1b[22m` : text;
}
