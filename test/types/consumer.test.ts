// The declarations as a consumer's compiler reads them, who looks into libraries (skipLibCheck false) and has no `dom`.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const TSC = join(ROOT, 'node_modules/.bin/tsc');
const MANIFEST = readFileSync(join(ROOT, 'package.json'), 'utf8');
const ENTRIES = Object.entries(JSON.parse(MANIFEST).exports as Record<string, string | { types: string }>)
  .filter(([, target]) => typeof target === 'object')
  .map(([entry]) => `gevent-wasm${entry.slice(1)}`);

let folder = '';

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'gevent-consumer-')));
  const installed = join(folder, 'node_modules/gevent-wasm');
  mkdirSync(installed, { recursive: true });
  writeFileSync(join(installed, 'package.json'), MANIFEST);
  const emitting = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      emitDeclarationOnly: true,
      rootDir: join(ROOT, 'ts'),
      outDir: join(installed, 'dist'),
      typeRoots: [join(ROOT, 'node_modules/@types')],
    },
    include: [join(ROOT, 'ts')],
  };
  writeFileSync(join(folder, 'emit.json'), JSON.stringify(emitting));
  execFileSync(TSC, ['-p', join(folder, 'emit.json')]);
  // What the declarations import.
  for (const name of ['@types', '@bjorn3', 'binaryen', 'piscina', 'undici-types', 'ws']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  }
  writeFileSync(
    join(folder, 'all.mts'),
    ENTRIES.map((entry, i) => `import * as m${i} from '${entry}'; void m${i};\n`).join(''),
  );
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['nodenext', 'nodenext', 'es2024,esnext.disposable'],
  ['nodenext', 'nodenext', 'es2024,esnext.disposable,dom'],
  ['bundler', 'esnext', 'es2024,esnext.disposable'],
  ['bundler', 'esnext', 'es2024,esnext.disposable,dom'],
])('every entry passes a strict compiler: %s, %s, lib %s', (moduleResolution, module, lib) => {
  const flags = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022'];
  const options = ['--types', 'node', '--lib', lib, '--module', module, '--moduleResolution', moduleResolution];
  const { stdout, status } = spawnSync(TSC, [...flags, ...options, 'all.mts'], { cwd: folder, encoding: 'utf8' });
  const ours = stdout.split('\n').filter((line) => /gevent-wasm\/dist|^all\.mts/.test(line));
  expect({ ours, status }).toEqual({ ours: [], status: 0 });
});
