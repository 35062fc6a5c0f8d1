// The rows as a picture: one panel a group, one bar a contender. The scale is logarithmic, since contenders lie factors of
// a thousand apart; a bar ends at p50, the whisker goes from min to p99, and the figure beside it is p50.
//
// Written by hand: a few rectangles need no library. Styles are classes, so that a dark page can recolour them.

import type { Environment } from '../environment.ts';
import { format, grouped, type Row } from '../harness.ts';
import { figure, groupRows, label, ratio, sharedParams } from './table.ts';

const PANEL = 560;
const GAP = 28;
const MARGIN = 32;
const LABEL = 178;
const VALUE = 132;
const PLOT = PANEL - LABEL - VALUE;
const ROW = 24;
const BAR = 14;
const HEAD = 46;
const FOOT = 26;

const STYLE = `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #24292f; }
  .page { fill: #ffffff; } .panel { fill: #f6f8fa; }
  .title { font-size: 20px; font-weight: 600; } .head { font-size: 14px; font-weight: 600; }
  .faint { fill: #6e7781; font-size: 11px; } .value { font-weight: 600; font-variant-numeric: tabular-nums; }
  .grid { stroke: #d0d7de; stroke-width: 1; } .whisker { stroke: #24292f; stroke-width: 1.25; }
  .engine { fill: #1a7f72; } .floor { fill: #afb8c1; } .baseline { fill: #bf8700; } .peer { fill: #8da4c4; }
  .mark { stroke: #bf8700; stroke-width: 1.25; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .page { fill: #0d1117; } .panel { fill: #161b22; } .faint { fill: #8d96a0; }
    .grid { stroke: #30363d; } .whisker { stroke: #e6edf3; } .engine { fill: #2fa898; } .floor { fill: #57606a; }
    .baseline { fill: #d29922; } .peer { fill: #54719c; } .mark { stroke: #d29922; }
  }
`;

const ROLES = [
  ['engine', 'this engine'],
  ['baseline', 'baseline (dashed line)'],
  ['floor', 'floor'],
  ['peer', 'others'],
] as const;

export function toSvg(env: Environment, mode: { isolation: string }, rows: readonly Row[]): string {
  const groups = groupRows(rows).filter((group) => group.some((row) => row.p50 > 0));
  const width = MARGIN * 2 + PANEL * 2 + GAP;
  // Two columns; each panel goes under the shorter one.
  const bottoms = [116, 116];
  const panels = groups.map((group) => {
    const column = bottoms[0] <= bottoms[1] ? 0 : 1;
    const height = HEAD + group.length * ROW + FOOT;
    const drawn = panel(group, MARGIN + column * (PANEL + GAP), bottoms[column], height);
    bottoms[column] += height + GAP;
    return drawn;
  });
  const height = Math.max(...bottoms) + MARGIN - GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>gevent-wasm benchmark</title><style>${STYLE}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    ...heading(env, mode),
    ...panels,
    '</svg>\n',
  ].join('\n');
}

function heading(env: Environment, { isolation }: { isolation: string }): string[] {
  const machine = `${env.cpu}, ${env.cores} cores, Node ${env.node}, V8 ${env.v8}`;
  const build = `${env.commit ?? 'no commit'}${env.dirty ? ' + changes' : ''}, ${isolation}, ${env.date.slice(0, 10)}`;
  const lines = [text(MARGIN, 44, 'gevent-wasm benchmark', 'title'), text(MARGIN, 66, `${machine}, ${build}`, 'faint')];
  let x = MARGIN;
  for (const [role, meaning] of ROLES) {
    lines.push(
      `<rect class="${role}" x="${x}" y="84" width="12" height="12" rx="2"/>`,
      text(x + 18, 94.5, meaning, 'faint'),
    );
    x += 34 + meaning.length * 6.2;
  }
  lines.push(
    text(x, 94.5, 'bar and figure: p50; x: to baseline; whisker: min to p99; logarithmic; less is better', 'faint'),
  );
  return lines;
}

function panel(rows: readonly Row[], x: number, y: number, height: number): string {
  const shared = sharedParams(rows);
  const scale = logScale(rows);
  const left = x + LABEL;
  const top = y + HEAD;
  const bottom = top + rows.length * ROW;
  const lines = [
    `<rect class="panel" x="${x}" y="${y}" width="${PANEL}" height="${height}" rx="8"/>`,
    text(x + 14, y + 24, `${rows[0].case}  ${format(shared)}`, 'head'),
    text(x + PANEL - 14, y + 24, rows[0].unit, 'faint', 'end'),
  ];
  for (const tick of scale.ticks) {
    const at = round(left + scale.at(tick));
    lines.push(
      `<path class="grid" d="M${at} ${top - 4}V${bottom}"/>`,
      text(at, bottom + 15, tickLabel(tick), 'faint', 'middle'),
    );
  }
  const baseline = rows.find((row) => row.role === 'baseline');
  rows.forEach((row, i) => {
    lines.push(...bar(row, label(row, shared), left, top + i * ROW, scale, x + PANEL - 14));
  });
  if (baseline) {
    const at = round(left + scale.at(baseline.p50));
    lines.push(`<path class="mark" d="M${at} ${top - 4}V${bottom}"/>`);
  }
  return `<g>${lines.join('\n')}</g>`;
}

function bar(row: Row, name: string, left: number, top: number, scale: Scale, right: number): string[] {
  const middle = top + ROW / 2;
  const end = left + scale.at(row.p50);
  const [from, to] = [left + scale.at(row.min), left + scale.at(row.p99)].map(round);
  const against = row.ratioToBaseline ?? row.ratioToFloor;
  const lines = [
    text(left - 10, middle + 4, name, row.role === 'engine' ? 'value' : '', 'end'),
    `<rect class="${row.role}" x="${left}" y="${middle - BAR / 2}" width="${round(Math.max(1, end - left))}" height="${BAR}" rx="2"/>`,
    `<path class="whisker" d="M${from} ${middle}H${to}M${from} ${middle - 3.5}v7M${to} ${middle - 3.5}v7"/>`,
    text(right - 52, middle + 4, figure(row.p50), 'value', 'end'),
  ];
  if (against !== null) lines.push(text(right, middle + 4, `${ratio(against)} x`, 'faint', 'end'));
  return lines;
}

interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** Starts a step of 1, 2, 5 below the least value, so that the shortest bar is still one; ends above the largest whisker. */
function logScale(rows: readonly Row[]): Scale {
  const least = Math.min(...rows.map((row) => row.min).filter((value) => value > 0));
  const most = Math.max(...rows.map((row) => row.p99));
  const from = step(least / 1.5, Math.floor);
  const to = Math.max(step(most, Math.ceil), from * 10);
  const span = Math.log(to / from);
  const at = (value: number) => (Math.log(Math.max(value, from) / from) / span) * PLOT;
  const decades = Math.log10(to / from);
  const mantissas = decades <= 2 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    for (const mantissa of mantissas) {
      const tick = mantissa * 10 ** power;
      if (tick >= from * 0.999 && tick <= to * 1.001) ticks.push(tick);
    }
  }
  return { ticks, at };
}

/** The nearest of 1, 2, 5 times a power of ten, below or above. */
function step(value: number, towards: (value: number) => number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 2, 5, 10];
  const chosen =
    towards === Math.floor
      ? steps.findLast((each) => each * power <= value * 1.0001)
      : steps.find((each) => each * power >= value * 0.9999);
  return (chosen ?? 1) * power;
}

function tickLabel(tick: number): string {
  if (tick >= 1e6) return `${tick / 1e6}M`;
  if (tick >= 1e4) return `${tick / 1e3}k`;
  return tick >= 1 ? grouped(Math.round(tick)) : String(Number(tick.toPrecision(1)));
}

function text(x: number, y: number, content: string, style = '', anchor = ''): string {
  const attributes = [style && ` class="${style}"`, anchor && ` text-anchor="${anchor}"`].join('');
  return `<text x="${round(x)}" y="${round(y)}"${attributes}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
