// A guest and the engine of asyncify in one module, made ahead of time: a switch then leaves it for nothing, and the optimizer sees both
// sides of each call between them. Such a guest is its own engine.
//
//   gevent:core gevent:js   what the engine imports       engine:…   what it exports, in the merged module
//   gevent:bundle           section: what was known of the guest before

import { withCustom, withNames } from './edit.ts';
import { CORE, ENGINE, JS } from './engine.ts';
import { engineBytes } from './engines.ts';
import { GuestError } from './errors.ts';
import { readShape, type Shape } from './read.ts';
import { asyncify, compile, OURS, type RewriteOptions, rewritten, SECTION } from './rewrite.ts';
import { type StackPointer, withStackPointer } from './stack-pointer.ts';

const BUNDLE = 'gevent:bundle';
const VERSION = 2;

/** What a bundled module says of itself. */
export interface Bundled {
  readonly v: number;
  readonly stackPointer: StackPointer;
  /** The user named it. */
  readonly sharedStack: boolean;
  readonly dataEnd: number;
  /** What is thrown into it may be caught there. */
  readonly catches: boolean;
}

export interface BundleOptions extends RewriteOptions {
  /** As for `load`, which cannot be told of it later. */
  readonly stackPointer?: string | number | null;
}

/** What a module says of its bundling, or null. @throws GuestError if another version of this package wrote it */
export function bundled(shape: Shape): Bundled | null {
  const section = shape.customs.get(BUNDLE);
  if (section === undefined) return null;
  try {
    const said = JSON.parse(new TextDecoder().decode(section)) as Bundled;
    if (said.v === VERSION) return said;
  } catch {
    // Below.
  }
  throw new GuestError(
    'GEVENT_GUEST_REWRITTEN',
    'the module was bundled by another version of gevent-wasm: bundle the original again',
  );
}

/** What is thrown into a module may be caught there. */
export function mayCatch(shape: Shape): boolean {
  const features = shape.customs.get('target_features');
  return shape.tags || (features !== undefined && new TextDecoder().decode(features).includes('exception-handling'));
}

/**
 * Rewrite a guest for asyncify and merge the engine into it. `load` runs what this gives as it is. Under Node, by the package binaryen.
 * Each instance of it has an engine of its own.
 * @throws GuestError as `asyncify`
 */
export async function bundle(bytes: Uint8Array, options: BundleOptions): Promise<Uint8Array<ArrayBuffer>> {
  const found = options.shape ?? readShape(bytes);
  if (bundled(found) !== null) return new Uint8Array(bytes);
  const shape = withStackPointer(found, options.stackPointer, 'bundle({ stackPointer })');
  const made = await asyncify(bytes, { ...options, shape });
  const after = readShape(made);
  const engine = withNames(
    engineBytes('asyncify'),
    (module, name) => [module === 'core' ? CORE : JS, name],
    (name) => `${ENGINE}${name}`,
  );
  const ofEngine = new Set(readShape(engine).exports.map((it) => it.name));
  const guest = withNames(
    made,
    (module, name) => {
      const its =
        module === OURS ||
        (module === 'env' && name.startsWith('__asyncify_')) ||
        (module === 'gevent' && (name === 'yield' || name === 'sleep'));
      return its && ofEngine.has(`${ENGINE}${name}`) ? [OURS, `${ENGINE}${name}`, true] : [module, name];
    },
    (name) => name,
  );
  const merged = await merge(engine, guest);
  const said: Bundled = {
    v: VERSION,
    stackPointer: shape.stackPointer,
    sharedStack: options.stackPointer !== undefined,
    dataEnd: shape.dataEnd,
    catches: mayCatch(shape),
  };
  const section = withCustom(merged, SECTION, JSON.stringify(rewritten(after)));
  const out = withCustom(section, BUNDLE, JSON.stringify(said));
  await compile(out);
  return out;
}

async function merge(engine: Uint8Array, guest: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const builtin = globalThis.process?.getBuiltinModule;
  const fs = builtin?.('node:fs');
  const os = builtin?.('node:os');
  const path = builtin?.('node:path');
  const child = builtin?.('node:child_process');
  const url = builtin?.('node:url');
  if (!fs || !os || !path || !child || !url) {
    throw new GuestError('GEVENT_GUEST_NO_BINARYEN', 'bundle() runs under Node: bundle ahead of time');
  }
  let tools: string;
  try {
    tools = path.join(path.dirname(url.fileURLToPath(import.meta.resolve('binaryen'))), 'bin');
  } catch (cause) {
    throw new GuestError('GEVENT_GUEST_NO_BINARYEN', 'bundle() needs the package binaryen: npm install binaryen', {
      cause,
    });
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gevent-bundle-'));
  const file = (name: string) => path.join(folder, name);
  // Compact imports are read by no engine that is shipped.
  const run = (tool: string, ...args: string[]) =>
    new Promise<void>((resolve, reject) => {
      const all = [path.join(tools, tool), ...args, '-all', '--disable-compact-imports'];
      child.execFile(process.execPath, all, { maxBuffer: 1 << 24 }, (error, _out, said) => {
        if (error === null) return resolve();
        const why = said.trim().slice(-500) || error.message;
        reject(new GuestError('GEVENT_GUEST_NOT_REWRITABLE', `${tool} could not bundle this module: ${why}`));
      });
    });
  try {
    fs.writeFileSync(file('engine.wasm'), engine);
    fs.writeFileSync(file('guest.wasm'), guest);
    await run('wasm-merge', file('engine.wasm'), OURS, file('guest.wasm'), 'guest', '-o', file('merged.wasm'));
    await run('wasm-opt', file('merged.wasm'), '-O3', '-o', file('out.wasm'));
    return new Uint8Array(fs.readFileSync(file('out.wasm')));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
