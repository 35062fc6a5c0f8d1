// Which targets a run met.

import type { Verdict } from '../targets.ts';
import { figure, ratio } from './table.ts';

/** A line a target, those that were missed marked. */
export function targetBlock(verdicts: readonly Verdict[]): string {
  const missed = verdicts.filter(({ met }) => !met).length;
  const lines = verdicts.map((each) => `  ${each.met ? 'met   ' : 'MISSED'}  ${sentence(each)}`);
  return ['', `targets: ${verdicts.length - missed} met, ${missed} missed`, ...lines].join('\n');
}

/** "switch n=2: engine:wasm 27.7, at most 1.7 x floor:generator 17.4; is 1.59 x" */
export function sentence({ target, own, other, ratio: is }: Verdict): string {
  const params = Object.entries(target.params ?? {}).filter(([, value]) => value !== undefined);
  const place = [target.case, ...params.map(([key, value]) => `${key}=${value}`)].join(' ');
  const head = `${place}: ${target.contender} ${figure(own)}`;
  if (target.over) {
    return `${head}, at most ${target.most} ms over ${target.against} ${figure(other)}; is ${figure(is)}`;
  }
  if (typeof target.against === 'number') return `${head}, at most ${figure(other * target.most)}`;
  const theirs = target.theirs === undefined ? '' : ` (${Object.values(target.theirs).join(' ')})`;
  const against = `${target.against}${theirs.length > 3 ? theirs : ''} ${figure(other)}`;
  // A limit below one reads better as a factor.
  if (target.most < 1) return `${head}, ${ratio(1 / target.most)} times under ${against}; is ${ratio(1 / is)} times`;
  return `${head}, at most ${ratio(target.most)} x ${against}; is ${ratio(is)} x`;
}
