// Guests loaded on a backend, or bundled with their engine: the same suites run on both.

import type { NativeEngine } from '../../ts/guest/engine.ts';
import {
  type BackendName,
  Blocking,
  type Instance,
  type LoadOptions,
  load,
  type Program,
} from '../../ts/guest/guest.ts';
import { bundled } from './guests.ts';

/**
 * `load`; for `bundled` what `load` makes of a module that was bundled with its engine; for `lifted` a guest of asyncify whose greenlets
 * have stacks from the start, and come down from them now and then.
 */
export async function loaded(
  bytes: Uint8Array,
  backend: BackendName | 'bundled' | 'lifted',
  options: LoadOptions,
): Promise<Program> {
  if (backend === 'lifted') {
    const program = await load(bytes as Uint8Array<ArrayBuffer>, options);
    let engine: NativeEngine;
    try {
      engine = program.instance.engine as NativeEngine;
    } catch {
      // The test sees it again.
      return program;
    }
    // By the engine only: other modules are copies where these suites run in other engines.
    if (engine.lifting !== null) {
      engine.lifting.eager = true;
      engine.exports.hold.value = 3;
    }
    return program;
  }
  if (backend !== 'bundled') return load(bytes as Uint8Array<ArrayBuffer>, { backend, ...options });
  const { stackPointer, ...rest } = options;
  const { imports = {} } = rest;
  const given = typeof imports === 'function' ? imports({} as Instance) : imports;
  const blocking = Object.entries(given).flatMap(([module, all]) =>
    Object.entries(all).flatMap(([name, it]) => (it instanceof Blocking ? [`${module}.${name}`] : [])),
  );
  return load(await bundled(bytes, blocking, stackPointer), rest);
}
