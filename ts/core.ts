// Entry `gevent-wasm/core`: the border between scheduler state and everything else, and both cores.

export * from './core/contract.ts';
export { createPureCore } from './core/pure.ts';
export { createWasmCore } from './core/wasm-debug.ts';
