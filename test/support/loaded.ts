// Guests loaded on a backend, or bundled with their engine: the same suites run on both.

import {
  type BackendName,
  Blocking,
  type Instance,
  type LoadOptions,
  load,
  type Program,
} from '../../ts/guest/guest.ts';
import { bundled } from './guests.ts';

/** `load`, or for `bundled` what `load` makes of a module that was bundled with its engine. */
export async function loaded(
  bytes: Uint8Array,
  backend: BackendName | 'bundled',
  options: LoadOptions,
): Promise<Program> {
  if (backend !== 'bundled') return load(bytes as Uint8Array<ArrayBuffer>, { backend, ...options });
  const { stackPointer, ...rest } = options;
  const { imports = {} } = rest;
  const given = typeof imports === 'function' ? imports({} as Instance) : imports;
  const blocking = Object.entries(given).flatMap(([module, all]) =>
    Object.entries(all).flatMap(([name, it]) => (it instanceof Blocking ? [`${module}.${name}`] : [])),
  );
  return load(await bundled(bytes, blocking, stackPointer), rest);
}
