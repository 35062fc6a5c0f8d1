// Guests loaded on a backend, or bundled with their engine: the same suites run on both.

import type { NativeEngine } from '../../ts/guest/engine.ts';
import { engineOf, liftOf } from '../../ts/guest/engines.ts';
import {
  type BackendName,
  Blocking,
  type Instance,
  type LoadOptions,
  load,
  type Program,
} from '../../ts/guest/guest.ts';
import { getHub } from '../../ts/hub.ts';
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
    if (program.lifts) {
      const engine = engineOf(getHub(), 'asyncify', program.limits) as NativeEngine;
      liftOf(engine, program.limits).eager = true;
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
