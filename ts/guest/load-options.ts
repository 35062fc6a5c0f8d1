// What `load` is told, and what is wrong with that at first sight.

import { wrongRange, wrongType } from '../core/arguments.ts';
import type { Greenlet } from '../gevent-greenlet.ts';
import type { Net } from './abi-sockets.ts';
import { BACKENDS, type BackendName } from './detect.ts';
import type { Limits } from './engines.ts';
import type { Imports } from './imports.ts';
import type { Instance } from './instance.ts';

/** A module: its bytes, or compiled. */
export type GuestSource = ArrayBuffer | ArrayBufferView<ArrayBuffer> | WebAssembly.Module;

export interface LoadOptions {
  /** What the guest imports; a function is called for each instance, with that instance. */
  imports?: Imports | ((instance: Instance) => Imports);
  /** Default `'auto'`; `explain()` tells what that chose, and why. */
  backend?: 'auto' | BackendName;
  /** As errors and dumps name it. Default `guest`. */
  name?: string;
  /** Bytes of shadow stack for each greenlet after the first of an instance. Default 65536. */
  stackSize?: number;
  /**
   * The global that is the shadow stack pointer: its number in the module, or the name it is exported by; null: there is none.
   * Default: found by name, or by what LLVM's linker leaves in a module.
   */
  stackPointer?: string | number | null;
  /** asyncify: bytes of frames that one greenlet may leave behind when it switches. Default 1 MiB. */
  frameLimit?: number;
  /**
   * How many frames below its export the guest blocks as a rule, for `backend: 'auto'`: what asyncify costs grows with it, and from some 14
   * on (5 on V8 15) wasmfx is taken at once, if it was enabled. Default 0: `auto` finds out who blocks deep as they run.
   */
  depth?: number;
  /** wasmfx, jspi: stacks alive at a time, in this thread. Default 4096. */
  maxStacks?: number;
  /** What makes the guest's sockets: the module `gevent-wasm/socket`, or functions of yours. Default: it has none. */
  net?: Net;
  /** The folder that the guest's files are in. Default: it has none. */
  files?: string;
  /** What is done with lines that the guest logs. Default: `console.log`. */
  log?: (line: string, greenlet: Greenlet | null) => void;
  /** Where rewritten modules are kept: a folder, or false. Default: in the user's cache folder, from 100 kB on. */
  cache?: string | boolean;
}

/** @internal The limits, with what holds if nothing is said. */
export function limitsOf({
  frameLimit = 1 << 20,
  maxStacks = 4096,
  stackSize = 65536,
}: LoadOptions): Limits & { readonly stackSize: number } {
  return { frameLimit, maxStacks, stackSize };
}

/** @internal The source as `load` takes it. @throws TypeError or RangeError for what is wrong with the arguments by themselves */
export function checkLoad(source: unknown, options: LoadOptions): Uint8Array | WebAssembly.Module {
  const { backend = 'auto', depth = 0 } = options;
  const { frameLimit, maxStacks, stackSize } = limitsOf(options);
  if (backend !== 'auto' && !BACKENDS.includes(backend)) {
    throw wrongType('load({ backend })', `auto, ${BACKENDS.join(', ')}`, backend);
  }
  const integer = (name: string, value: number, least: number, most: number) => {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw wrongRange(`load({ ${name} })`, `an integer from ${least} to ${most}`, value);
    }
  };
  integer('stackSize', stackSize, 1024, 1 << 28);
  if (stackSize % 16 !== 0) throw new RangeError(`load({ stackSize }): expected a multiple of 16, got ${stackSize}`);
  integer('frameLimit', frameLimit, 1024, 1 << 28);
  integer('maxStacks', maxStacks, 1, 30_000);
  integer('depth', depth, 0, 1 << 24);
  const { net, files, log } = options;
  if (net !== undefined && (typeof net?.createConnection !== 'function' || typeof net.createServer !== 'function')) {
    throw wrongType(
      'load({ net })',
      'the module gevent-wasm/socket, or an object with createConnection and createServer',
      net,
    );
  }
  if (files !== undefined && typeof files !== 'string') {
    throw wrongType('load({ files })', 'the path of a folder', files);
  }
  if (log !== undefined && typeof log !== 'function') {
    throw wrongType('load({ log })', 'a function', log);
  }
  if (source instanceof WebAssembly.Module) return source;
  if (
    source instanceof ArrayBuffer ||
    (typeof SharedArrayBuffer !== 'undefined' && source instanceof SharedArrayBuffer)
  ) {
    return new Uint8Array(source);
  }
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  throw wrongType('load(source)', 'the bytes of a module, or a WebAssembly.Module', source);
}
