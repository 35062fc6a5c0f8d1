// One document for machines. Its fields are fixed, and consumers rely on them; remarks about figures go into `env`.

import type { Environment } from '../environment.ts';
import { format, type Outcome } from '../harness.ts';

export function toJson(env: Environment, mode: object, notes: readonly string[], outcome: Outcome): string {
  const warnings = outcome.warnings.map(({ case: name, params, contender, text }) =>
    [name, format(params), contender].filter(Boolean).join(' ').concat(`: ${text}`),
  );
  const document = {
    env: { ...env, ...mode, warnings: [...notes, ...warnings] },
    rows: outcome.rows.map((row) => ({
      case: row.case,
      params: row.params,
      contender: row.contender,
      role: row.role,
      unit: row.unit,
      samples: row.samples,
      min: digits(row.min),
      p50: digits(row.p50),
      p99: digits(row.p99),
      ratioToFloor: digits(row.ratioToFloor),
      ratioToBaseline: digits(row.ratioToBaseline),
    })),
    missing: outcome.missing.map(({ contender, why, where }) => ({ contender, why: `${why} (${where.join(', ')})` })),
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

/** Five digits: more would claim what no clock here can tell. */
function digits<T extends number | null>(value: T): T {
  return (value === null ? null : Number(value.toPrecision(5))) as T;
}
