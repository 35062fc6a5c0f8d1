// In place of test/support/guests.ts. Text is compiled by Binaryen, which runs in every engine; AssemblyScript and C were compiled, and
// guests bundled with their engine, by the run that records, which is one of this machine's own Node.

import binaryen from 'binaryen';
import { type BackendName, enableWasmfx, load } from '../../ts/guest/guest.ts';
import { CELL, RECORD } from './parameters.ts';

const FEATURES =
  binaryen.Features.All & ~((binaryen.Features as unknown as { CompactImports?: number }).CompactImports ?? 0);

/** A module from its text. */
export function wat(text: string): Uint8Array<ArrayBuffer> {
  const module = binaryen.parseText(text);
  module.setFeatures(FEATURES);
  try {
    return new Uint8Array(module.emitBinary());
  } finally {
    module.dispose();
  }
}

/** Null, or why this engine does not have the backend. */
export const cannot: string | null = await (async () => {
  if (CELL === 'main') return null;
  if (CELL === 'wasmfx') enableWasmfx();
  try {
    await load(wat('(module)'), { backend: CELL === 'bundled' ? 'asyncify' : (CELL as BackendName) });
    return null;
  } catch (error) {
    return (error as Error).message;
  }
})();

// The run that records compiles for all of them.
const cells = cannot !== null ? [] : RECORD === null ? [CELL] : ['asyncify', 'bundled'];

export const BACKENDS = (['asyncify', 'wasmfx', 'jspi'] as const).filter((it) => cells.includes(it));
export const LIFTED = (['lifted'] as const).filter(() => cells.includes('wasmfx'));
export const BUNDLED = (['bundled'] as const).filter((it) => cells.includes(it));

// ---- compilers ------------------------------------------------------------------------------------------------------

type Compilers = typeof import('../support/guests.ts');

const compilers: Compilers | null = RECORD === null ? null : await import('../support/guests.ts');
const made: Record<string, string> = compilers !== null ? {} : (await import('./made.js' as string)).made;

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

function remember(key: string, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  made[key] = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  return bytes;
}

function recorded(key: string): Uint8Array<ArrayBuffer> {
  if (!(key in made)) throw new Error(`not recorded: ${key.slice(0, 60)}`);
  return bytesOf(made[key]);
}

/** What was compiled, as the text of a module. */
export const record = (): string => `export const made = ${JSON.stringify(made)};\n`;

export const hasClang = compilers === null ? made.clang === 'yes' : compilers.hasClang;
if (compilers?.hasClang) made.clang = 'yes';

export async function assembly(source: string, ...flags: string[]): Promise<Uint8Array<ArrayBuffer>> {
  const key = JSON.stringify([source, ...flags]);
  return compilers === null ? recorded(key) : remember(key, await compilers.assembly(source, ...flags));
}

export function c(source: string, ...flags: string[]): Uint8Array<ArrayBuffer> {
  const key = JSON.stringify([source, ...flags]);
  return compilers === null ? recorded(key) : remember(key, compilers.c(source, ...flags));
}

export async function bundled(
  bytes: Uint8Array,
  blocking: readonly string[],
  stackPointer?: string | number | null,
): Promise<Uint8Array<ArrayBuffer>> {
  const sum = bytes.reduce((before, byte) => Math.imul(before ^ byte, 0x01000193), bytes.length);
  const key = JSON.stringify(['bundled', sum, ...blocking, stackPointer]);
  return compilers === null ? recorded(key) : remember(key, await compilers.bundled(bytes, blocking, stackPointer));
}
