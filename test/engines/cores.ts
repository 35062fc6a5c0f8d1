// In place of test/support/cores.ts: the release core, which is what users of other engines run.

import { type Core, createWasmCore } from '../../ts/core.ts';

export { rejected, thrown, told } from '../support/told.ts';

export type CoreName = 'wasm' | 'pure';

export const smallCore = (_name: CoreName): Core => createWasmCore({ rows: 3 });
