// Loading a guest: its bytes are read, a backend is chosen, and the module made ready for that one.

import type { Operation } from '../hub/operation.ts';
import { getHub } from '../hub.ts';
import { until } from '../until.ts';
import { bundled } from './bundle.ts';
import { choose } from './choose.ts';
import { enableWasmfx, switchAborts } from './detect.ts';
import { needsWasm } from './engine.ts';
import { GuestError } from './errors.ts';
import { Blocking, type Imports } from './imports.ts';
import { Instance } from './instance.ts';
import { checkLoad, type GuestSource, type LoadOptions, limitsOf } from './load-options.ts';
import { Program } from './program.ts';
import { readShape, type Shape } from './read.ts';
import { asyncify, compile, withOurExports } from './rewrite.ts';
import { withStackPointer } from './stack-pointer.ts';
import { refuseSwitch } from './switches.ts';

/**
 * Load a guest: a WebAssembly module whose exports can run as greenlets, blocking in their imports as they like. Switch point.
 *
 *     const program = await load(bytes, { imports: { env: { pause: blocking((ms) => sleep(ms / 1000)) } } });
 *     const greenlet = program.spawn('main', 3);
 *     await greenlet.get();
 *
 * @param source - the bytes; or a compiled module, which only `jspi` can run
 * @param options.backend - `asyncify` (every engine; rewrites the module by Binaryen, unless that was done ahead of time),
 *   `wasmfx` (stack switching, where the engine has it), `jspi`. Default `auto`
 * @throws GuestError GEVENT_GUEST_NEEDS_WASM under the pure core; GEVENT_GUEST_NO_BACKEND if none fits, with each one's reason;
 *   GEVENT_GUEST_MALFORMED, GEVENT_GUEST_NOT_REWRITABLE, GEVENT_GUEST_NO_BINARYEN
 */
export function load(source: GuestSource, options: LoadOptions = {}): Operation<Program> {
  const hub = getHub();
  if (hub.core.native === undefined) throw needsWasm(hub);
  return until(loading(checkLoad(source, options), options));
}

async function loading(source: Uint8Array | WebAssembly.Module, options: LoadOptions): Promise<Program> {
  const bytes = source instanceof Uint8Array ? source : null;
  const shape = bytes === null ? null : asBefore(readShape(bytes), options.stackPointer);
  if (options.backend === 'wasmfx') enableWasmfx();
  // Only with types of continuations, which are read as types of the collector.
  if (bytes !== null && shape?.collected && switchAborts()) refuseSwitch(bytes);
  const given = shape === null ? {} : asked(options.imports);
  let choice = choose(shape, options, given);
  let ready: Uint8Array<ArrayBuffer> | null = null;
  if (choice.backend === 'asyncify' && bytes !== null && shape !== null) {
    const { cache } = options;
    try {
      const blocking = blockingIn(shape, given);
      ready = await asyncify(bytes, { blocking, shape, ...(cache === undefined ? {} : { cache }) });
    } catch (error) {
      const auto = (options.backend ?? 'auto') === 'auto';
      if (!auto || !(error instanceof GuestError) || error.code !== 'GEVENT_GUEST_NOT_REWRITABLE') throw error;
      choice = choose(shape, options, given, error.message);
    }
  }
  const { backend } = choice;
  if (backend !== 'asyncify' && bytes !== null && shape !== null) ready = withOurExports(bytes, shape);
  const module = ready === null ? (source as WebAssembly.Module) : await compile(ready);
  const final = ready === null ? null : backend === 'asyncify' ? readShape(ready) : shape;
  const stack = shape?.stackPointer;
  return new Program(
    module,
    final === null || shape === null ? final : { ...final, stackPointer: shape.stackPointer, dataEnd: shape.dataEnd },
    options,
    {
      ...choice,
      rewritten: backend === 'asyncify',
      bytes: ready?.length ?? 0,
      stack:
        stack === undefined
          ? 'not known: the bytes were not given'
          : stack.kind === 'global'
            ? `global ${stack.index}, as ${stack.from} has it`
            : stack.kind === 'none'
              ? 'none'
              : `perhaps: ${stack.why}; name it by load({ stackPointer })`,
      limits: limitsOf(options),
    },
  );
}

/** A bundled module says what was known of it. */
function asBefore(shape: Shape, named: string | number | null | undefined): Shape {
  const said = bundled(shape);
  if (said === null) return withStackPointer(shape, named, 'load({ stackPointer })');
  if (named != null) throw new TypeError('load({ stackPointer }): this module is bundled; name it to bundle()');
  return { ...shape, stackPointer: said.stackPointer, dataEnd: said.dataEnd };
}

/** The imports that are given as blocking. */
function blockingIn(shape: Shape, given: Imports): string[] {
  return shape.imports
    .filter((it) => given[it.module]?.[it.name] instanceof Blocking)
    .map((it) => `${it.module}.${it.name}`);
}

/** What the user gives. A function is asked with a stand-in for the instance: it may look at nothing of it yet, only close over it. */
function asked(imports: LoadOptions['imports']): Imports {
  return (typeof imports === 'function' ? imports(Object.create(Instance.prototype) as Instance) : imports) ?? {};
}
