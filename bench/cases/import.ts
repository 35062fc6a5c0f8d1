import * as importing from '../contenders/importing.ts';
import type { Case } from '../harness.ts';

export const coldImport: Case = {
  name: 'import',
  about: `Importing the package in a new Node process, against an empty module. process: from start to exit; import: the
import statement alone; first join: import, then spawn a greenlet that yields once and join it (this is where a core is
made). minified, gzipped: facade and cores bundled by esbuild.`,
  groups({ quick }) {
    const samples = quick ? 5 : 20;
    const times = (['process', 'import'] as const).map((span) => ({
      params: { measure: span },
      unit: 'ms',
      samples,
      contenders: [
        importing.empty(span),
        importing.engine('wasm', span),
        importing.engine('pure', span),
        importing.peer('effection', span),
        importing.peer('effect', span),
      ],
    }));
    const inUse = {
      params: { measure: 'first join' },
      unit: 'ms',
      samples,
      contenders: [
        importing.empty('import'),
        ...(['wasm', 'pure'] as const).map((core) => importing.engineInUse(core, 'import')),
      ],
    };
    const size = (measure: string, gzip: boolean) => ({
      params: { measure },
      unit: 'bytes',
      samples: 1,
      contenders: [importing.bundle(gzip)],
    });
    return [...times, inUse, size('minified', false), size('gzipped', true)];
  },
};
