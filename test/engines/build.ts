// Makes a folder that any engine can run: the package as it is shipped, and the suites beside it, with stand-ins for what runs under
// Node only.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '../..');
const HERE = import.meta.dirname;

interface Target {
  readonly source: string;
  readonly default: string;
}

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  exports: Record<string, Target | string>;
};
/** Sources of entries, and their files in dist/. */
const entries = new Map(
  Object.values(exports)
    .filter((it): it is Target => typeof it === 'object')
    .map((it) => [join(ROOT, it.source), relative('dist', it.default)]),
);

/** The sources of the package are the files in dist/; what needs Node is ours. */
function plugin(inPage: boolean): Plugin {
  const standIns = new Map([
    [join(ROOT, 'test/support/guests.ts'), join(HERE, 'guests.ts')],
    [join(ROOT, 'test/support/cores.ts'), join(HERE, 'cores.ts')],
    [join(ROOT, 'test/support/real.ts'), join(HERE, 'real.ts')],
  ]);
  return {
    name: 'engines',
    setup(it) {
      it.onResolve({ filter: /^vitest$/ }, () => ({ path: join(HERE, 'vitest.ts') }));
      it.onResolve({ filter: /^binaryen$|^assemblyscript/ }, ({ path }) => ({ path, external: true }));
      if (inPage) {
        // In a page there is none, and nobody calls it.
        it.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'none' }));
        it.onLoad({ filter: /.*/, namespace: 'none' }, () => ({
          contents:
            'export class AsyncLocalStorage {}; export const execFileSync = null, existsSync = null, mkdirSync = null, mkdtempSync = null, readFileSync = null, rmSync = null, symlinkSync = null, writeFileSync = null, tmpdir = null, join = null;',
        }));
      }
      it.onResolve({ filter: /^\./ }, ({ path, resolveDir, importer }) => {
        if (path === './made.js') return { path, external: true };
        const file = resolve(resolveDir, path);
        const entry = entries.get(file);
        if (entry !== undefined) return { path: `./dist/${entry}`, external: true };
        const own = standIns.get(file);
        // The stand-in itself may want the original.
        return own !== undefined && importer !== own ? { path: own } : null;
      });
    },
  };
}

/** Fill the folder. `pages/` has what browsers load. */
export async function make(folder: string): Promise<void> {
  execFileSync('bash', [join(ROOT, 'build.sh'), 'pack', join(folder, 'dist')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  // For engines that want to be told of dependencies.
  writeFileSync(
    join(folder, 'package.json'),
    '{ "type": "module", "dependencies": { "binaryen": "*", "assemblyscript": "*" } }',
  );
  for (const inPage of [false, true]) {
    const out = inPage ? join(folder, 'pages') : folder;
    mkdirSync(out, { recursive: true });
    await build({
      entryPoints: {
        suite: join(HERE, 'suite.ts'),
        behaviour: join(ROOT, 'test/guest/behaviour.test.ts'),
        imports: join(ROOT, 'test/guest/imports.test.ts'),
        outside: join(ROOT, 'test/guest/outside.test.ts'),
        smoke: join(HERE, 'smoke.ts'),
      },
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: inPage ? 'browser' : 'node',
      target: 'es2023',
      outdir: out,
      plugins: [plugin(inPage)],
      logLevel: 'warning',
    });
  }
}
