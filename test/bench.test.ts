// The benchmark's own logic: which rows a target is held against.

import { describe, expect, test } from 'vitest';
import { CASES } from '../bench/cases/index.ts';
import { sentence } from '../bench/report/targets.ts';
import { type Figure, judge, TARGETS } from '../bench/targets.ts';

/** What a whole run would measure, each row with a figure of 1. */
const planned: readonly Figure[] = CASES.flatMap((item) =>
  item.groups({ quick: false, large: true }).flatMap(({ params, unit, contenders }) =>
    contenders.map((each) => ({
      case: item.name,
      params: { ...params, ...each.params },
      contender: each.id,
      unit,
      p50: 1,
    })),
  ),
);

describe('targets', () => {
  test.each(TARGETS.map((target) => [JSON.stringify(target), target] as const))(
    'a whole run measures both sides of %s',
    (_, target) => expect(judge(planned, [target])).toHaveLength(1),
  );

  const rows = (own: number, other: number): Figure[] => [
    { case: 'c', params: { n: 2 }, contender: 'engine:wasm', unit: 'ns', p50: own },
    { case: 'c', params: { n: 2 }, contender: 'npm:a', unit: 'ns', p50: other },
    { case: 'c', params: { n: 2 }, contender: 'npm:b', unit: 'ns', p50: other * 2 },
    { case: 'c', params: { n: 3 }, contender: 'npm:a', unit: 'ns', p50: 0.001 },
  ];
  const target = { case: 'c', params: { n: 2 }, contender: 'engine:wasm', against: 'npm:*', most: 1.5 };

  test('a target is met up to its limit, against the fastest of its kind with the same parameters', () => {
    expect(judge(rows(15, 10), [target])).toMatchObject([{ own: 15, other: 10, ratio: 1.5, met: true }]);
    expect(judge(rows(15.1, 10), [target])).toMatchObject([{ met: false }]);
  });

  test('a target says nothing where a side was not measured', () => {
    expect(judge(rows(15, 10), [{ ...target, against: 'go' }])).toEqual([]);
    expect(judge(rows(15, 10), [{ ...target, params: { n: 4 } }])).toEqual([]);
  });

  test('a parameter that must be absent rules a row out', () => {
    expect(judge(rows(15, 10), [{ ...target, params: { n: 2, by: undefined } }])).toHaveLength(1);
    expect(judge(rows(15, 10), [{ ...target, params: { n: undefined } }])).toEqual([]);
  });

  test('the sentence names both sides, the limit and what was measured', () => {
    expect(sentence(judge(rows(15, 10), [target])[0])).toBe(
      'c n=2: engine:wasm 15.0, at most 1.50 x npm:* 10.0; is 1.50 x',
    );
    expect(sentence(judge(rows(15, 60), [{ ...target, most: 1 / 5 }])[0])).toBe(
      'c n=2: engine:wasm 15.0, 5.00 times under npm:* 60.0; is 4.00 times',
    );
  });
});
