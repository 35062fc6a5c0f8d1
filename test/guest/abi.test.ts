// The imports of `gevent` are written down three times: in the code, in docs/guest-imports.md, and in the SDK of AssemblyScript. They
// must not drift apart.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ABI } from '../../ts/guest/abi.ts';
import { type Signature, Type } from '../../ts/guest/emit.ts';
import { SWITCHING } from '../../ts/guest/rewrite.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

const short = ({ params, results }: Signature) => {
  const names = (types: readonly number[]) => types.map((type) => (type === Type.I32 ? 'i32' : 'f64')).join(', ');
  return `(${names(params)})${results.length === 0 ? '' : ` -> ${names(results)}`}`;
};

const inCode = new Map<string, string>([
  ['yield', '() B'],
  ['sleep', '(f64) B'],
  ['spawn', '(i32, i32) -> i32'],
  ...[...ABI].map(([name, it]): [string, string] => [
    name,
    `${short(it.signature)}${it.kind === 'blocking' ? ' B' : ''}`,
  ]),
]);

test('the documentation has every import, its type, and whether it blocks', () => {
  const inDocs = new Map<string, string>();
  for (const [, names, type, blocks] of read('docs/guest-imports.md').matchAll(
    /^\| (`[^|]+`) \| (\([^|]*) \| (B?) ?\| /gm,
  )) {
    const bare = type.replace(/(i32|f64) \w+/g, '$1');
    for (const [, name] of names.matchAll(/`(\w+)`/g)) inDocs.set(name, `${bare}${blocks === 'B' ? ' B' : ''}`);
  }
  for (const name of ['stacks', 'stackless']) inDocs.set(name, inCode.get(name) as string);
  expect(Object.fromEntries(inDocs)).toEqual(Object.fromEntries(inCode));
});

test('AssemblyScript declares every import with its type', () => {
  const declared = new Map<string, string>();
  for (const [, name, params, result] of read('asm/guest/imports.ts').matchAll(
    /^@external\("gevent", "(\w+)"\) export declare function \w+\((.*)\): (\w+);$/gm,
  )) {
    const types = params.replace(/\w+: (\w+)/g, '$1').replaceAll('usize', 'i32');
    declared.set(name, `(${types})${result === 'void' ? '' : ` -> ${result}`}`);
  }
  const bare = [...inCode].map(([name, type]): [string, string] => [name, type.replace(/ B$/, '')]);
  expect(Object.fromEntries(declared)).toEqual(Object.fromEntries(bare));
});

test('a rewritten module may leave its frames in every import that blocks', () => {
  const blocking = [...inCode].filter(([, type]) => type.endsWith(' B')).map(([name]) => `gevent.${name}`);
  expect([...SWITCHING].sort()).toEqual(blocking.sort());
});
