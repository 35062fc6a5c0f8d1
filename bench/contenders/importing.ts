// Cold imports, each in a new Node process, and what a bundler makes of the package.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Contender, type Reading, type Role, Unavailable } from '../harness.ts';
import { moduleUrl, source } from '../source.ts';

/** What is timed: the whole life of the process, or only the import statement inside. */
export type Span = 'process' | 'import';

const EMPTY = 'data:text/javascript,';

export function empty(span: Span): Contender {
  return importer('floor:empty-module', 'floor', span, () => EMPTY, {});
}

export function engine(core: 'wasm' | 'pure', span: Span): Contender {
  return importer(`engine:${core}`, 'engine', span, packageUrl, { GEVENT_CORE: core });
}

/** Import, and then spawn one greenlet and join it: what is put off at import has to be paid here. */
export function engineInUse(core: 'wasm' | 'pure', span: Span): Contender {
  const then = 'const g = m.spawn(function* () { yield* m.sleep(0); }); await g.join();';
  return importer(`engine:${core}`, 'engine', span, packageUrl, { GEVENT_CORE: core }, then);
}

export function peer(name: string, span: Span): Contender {
  return importer(`npm:${name}`, 'peer', span, () => import.meta.resolve(name), {});
}

function packageUrl(): string {
  if (source() !== 'dist')
    throw new Unavailable('the package is not built: from sources, stripping types would be timed');
  return moduleUrl('index');
}

function importer(
  id: string,
  role: Role,
  span: Span,
  url: () => string,
  env: Readonly<Record<string, string>>,
  then = '',
): Contender {
  return {
    id,
    role,
    waits: true,
    load() {
      // The address is a literal, so that what is measured is a static program's import and not a lookup by name.
      const script = `const t = performance.now(); const m = await import(${JSON.stringify(url())}); ${then}
        console.log(performance.now() - t);`;
      return { expect: 1, sample: () => run(script, span, env) };
    },
  };
}

function run(script: string, span: Span, env: Readonly<Record<string, string>>): Reading {
  const start = performance.now();
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  const life = performance.now() - start;
  if (done.status !== 0) throw new Error(`the importing process failed: ${done.stderr.trim().split('\n').at(-1)}`);
  return { count: 1, amount: span === 'process' ? life : Number(done.stdout) };
}

/** Bytes of the facade and both cores in one minified bundle, as it is or compressed. */
export function bundle(gzip: boolean): Contender {
  return {
    id: 'engine:wasm',
    role: 'engine',
    load() {
      const entry = fileURLToPath(moduleUrl('index'));
      const sample = async (): Promise<Reading> => {
        const { build } = await import('esbuild');
        const { outputFiles } = await build({
          entryPoints: [entry],
          bundle: true,
          minify: true,
          format: 'esm',
          platform: 'node',
          target: 'node22',
          write: false,
        });
        const bytes = outputFiles[0].contents;
        return { count: 1, amount: gzip ? gzipSync(bytes, { level: 9 }).length : bytes.length };
      };
      return { expect: 1, sample };
    },
  };
}
