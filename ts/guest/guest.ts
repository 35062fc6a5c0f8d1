// Entry `gevent-wasm/guest`: WebAssembly modules whose functions run as greenlets.

export { type BundleOptions, bundle } from './bundle.ts';
export { type BackendName, enableWasmfx } from './detect.ts';
export { GuestError, GuestTrap } from './errors.ts';
export { GuestGreenlet } from './guest-greenlet.ts';
export { Blocking, blocking, direct, type Imports, type ImportValue } from './imports.ts';
export { Instance } from './instance.ts';
export { load } from './load.ts';
export type { LoadOptions } from './load-options.ts';
export { type Explanation, Program } from './program.ts';
export { asyncify, type RewriteOptions } from './rewrite.ts';
