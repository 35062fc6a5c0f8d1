// Guests for tests, compiled where they are used: from WAT by Binaryen, from AssemblyScript, and from C where clang is.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import binaryen from 'binaryen';
import { whyNot } from '../../ts/guest/detect.ts';
import { type BackendName, bundle, enableWasmfx } from '../../ts/guest/guest.ts';

enableWasmfx();

export const ALL_BACKENDS: readonly BackendName[] = ['asyncify', 'wasmfx', 'jspi'];
/** Those this process has. */
export const BACKENDS = ALL_BACKENDS.filter((backend) => whyNot(backend) === null);

/** A guest with its engine in one module behaves like any other. */
export const BUNDLED: readonly 'bundled'[] = BACKENDS.includes('asyncify') ? ['bundled'] : [];

/** Guests of asyncify that have stacks of wasmfx. */
export const LIFTED: readonly 'lifted'[] = BACKENDS.includes('wasmfx') ? ['lifted'] : [];

const FEATURES =
  binaryen.Features.All & ~((binaryen.Features as unknown as { CompactImports?: number }).CompactImports ?? 0);

/** A module from its text. */
export function wat(text: string): Uint8Array<ArrayBuffer> {
  const module = binaryen.parseText(text);
  module.setFeatures(FEATURES);
  try {
    if (!module.validate()) throw new Error('the WAT of this test is not valid');
    return new Uint8Array(module.emitBinary());
  } finally {
    module.dispose();
  }
}

const bundles = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

/** A guest with its engine inside; `blocking` are its imports that may wait. */
export function bundled(
  bytes: Uint8Array,
  blocking: readonly string[],
  stackPointer?: string | number | null,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = `${blocking} ${stackPointer} ${bytes}`;
  let made = bundles.get(key);
  if (made === undefined) {
    bundles.set(key, (made = bundle(bytes, stackPointer === undefined ? { blocking } : { blocking, stackPointer })));
  }
  return made;
}

const SDK = process.env.GEVENT_SDK ?? join(import.meta.dirname, '../../asm/guest');

/** `gevent-wasm/assembly`, where the compiler looks for packages. */
function ofSdk(name: string): string | null {
  const file = /^node_modules\/gevent-wasm\/assembly\/(.*)$/.exec(name)?.[1];
  const path = join(SDK, file ?? '');
  return file !== undefined && existsSync(path) ? readFileSync(path, 'utf8') : null;
}

/** A module from AssemblyScript. */
export async function assembly(source: string, ...flags: string[]): Promise<Uint8Array<ArrayBuffer>> {
  let made: Uint8Array<ArrayBuffer> | null = null;
  const { error, stderr } = await asc.main(['guest.ts', '-o', 'guest.wasm', '-O2', ...flags], {
    readFile: (name: string) => (name === 'guest.ts' ? source : ofSdk(name)),
    writeFile: (name: string, contents: Uint8Array | string) => {
      if (name === 'guest.wasm') made = new Uint8Array(contents as Uint8Array);
    },
    listFiles: () => [],
  });
  if (error || made === null) throw new Error(`AssemblyScript: ${error?.message}\n${stderr.toString()}`);
  return made;
}

const CLANG = ['clang', 'clang-19', 'clang-18', 'clang-17', 'clang-16', 'clang-15', 'clang-14'].find((name) => {
  try {
    return /wasm32/.test(
      execFileSync(name, ['--print-targets'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return false;
  }
});

/** True if C can be compiled to WebAssembly here. */
export const hasClang = CLANG !== undefined;

/** A module from C, without a library. */
export function c(source: string, ...flags: string[]): Uint8Array<ArrayBuffer> {
  return clang(source, ['--target=wasm32', '-O1', '-nostdlib', '-Wl,--no-entry', ...flags]);
}

const HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }';

/** True if programs for WASI can be compiled here: clang finds a C library and its own. */
export const hasWasi = hasClang && compiles();

function compiles(): boolean {
  try {
    wasi(HELLO);
    return true;
  } catch {
    return false;
  }
}

/** A program for WASI from C, as a user would compile it. */
export function wasi(source: string, ...flags: string[]): Uint8Array<ArrayBuffer> {
  return clang(source, ['--target=wasm32-wasi', '-O1', ...flags]);
}

function clang(source: string, flags: readonly string[]): Uint8Array<ArrayBuffer> {
  const folder = mkdtempSync(join(tmpdir(), 'gevent-guest-'));
  try {
    writeFileSync(join(folder, 'guest.c'), source);
    execFileSync(CLANG as string, [...flags, '-o', 'guest.wasm', 'guest.c'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return new Uint8Array(readFileSync(join(folder, 'guest.wasm')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const RUSTC = ['rustc', '/usr/bin/rustc'].find((name) => {
  try {
    const root = execFileSync(name, ['--print', 'sysroot'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return existsSync(join(root.trim(), 'lib/rustlib/wasm32-unknown-unknown'));
  } catch {
    return false;
  }
});

/** True if Rust can be compiled to WebAssembly here. */
export const hasRust = RUSTC !== undefined;

/** A module from Rust: `files` by name, of which `guest.rs` is the root. */
export function rust(files: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const folder = mkdtempSync(join(tmpdir(), 'gevent-guest-'));
  try {
    for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, name), source);
    const flags = ['-C', 'lto', '-C', 'opt-level=s', '-C', 'strip=debuginfo', '-D', 'warnings'];
    execFileSync(
      RUSTC as string,
      [
        '--edition=2021',
        '--target=wasm32-unknown-unknown',
        '--crate-type=cdylib',
        ...flags,
        'guest.rs',
        '-o',
        'guest.wasm',
      ],
      { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    return new Uint8Array(readFileSync(join(folder, 'guest.wasm')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
