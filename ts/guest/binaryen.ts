// Binaryen's part of rewriting a guest, in this thread or in a worker. Binaryen is loaded when it is first needed, and nowhere else.

import { GuestError } from './errors.ts';
import type { Pilot } from './pilot.ts';

/** What is to be done to a module. */
export interface Work {
  readonly blocking: readonly string[];
  readonly pilot: Pilot;
  readonly optimize: boolean;
}

let loading: Promise<any> | null = null;

function binaryen(): Promise<any> {
  loading ??= import('binaryen').then(
    (it) => it.default,
    (cause: unknown) => {
      loading = null;
      throw noBinaryen(cause);
    },
  );
  return loading;
}

function noBinaryen(cause: unknown): GuestError {
  return new GuestError(
    'GEVENT_GUEST_NO_BINARYEN',
    'the asyncify backend rewrites guests by the package binaryen, which is not there: npm install binaryen, or rewrite ahead of time (npx gevent-wasm asyncify), or use another backend',
    { cause },
  );
}

// Its text is sent to the worker: it may use nothing of this module. Throws a string that says what was refused.
function rewriteAll(b: any, bytes: Uint8Array, work: Work): Uint8Array<ArrayBuffer> {
  let module: any;
  try {
    module = b.readBinary(bytes);
  } catch (error) {
    throw new Error(`malformed: ${error}`);
  }
  try {
    // Compact imports are read by no engine that is shipped.
    module.setFeatures(b.Features.All & ~(b.Features.CompactImports ?? 0));
    b.setOptimizeLevel(work.optimize ? 2 : 0);
    b.setShrinkLevel(work.optimize ? 1 : 0);
    b.setPassArgument('asyncify-imports', work.blocking.length > 0 ? work.blocking.join(',') : 'gevent.none');
    b.setPassArgument('asyncify-import-globals', '1');
    b.setPassArgument('asyncify-memory', '__gevent_frames');
    module.addMemoryImport('__gevent_frames', 'gevent:engine', 'frames', false);
    module.addMemoryExport('__gevent_frames', '__gevent_frames');
    module.runPasses(['asyncify']);
    for (const name of ['start_unwind', 'stop_unwind', 'start_rewind', 'stop_rewind', 'get_state']) {
      module.removeExport(`asyncify_${name}`);
      module.removeFunction(`asyncify_${name}`);
    }
    module.removeExport('__gevent_frames');
    const { pilot } = work;
    for (const name of ['records', 'core']) {
      module.addMemoryImport(`gevent:${name}`, 'gevent:engine', name, false);
    }
    for (const name of ['cur', 'may', 'base', 'raising']) {
      module.addGlobalImport(`gevent:${name}`, 'gevent:engine', name, b.i32, true);
    }
    module.addGlobalImport('gevent:item', 'gevent:engine', 'item', b.f64, true);
    module.addGlobalImport('gevent:out', 'gevent:engine', 'out', b.i32, true);
    for (const name of ['words', 'ring', 'serial']) {
      module.addGlobalImport(`gevent:${name}`, 'gevent:engine', name, b.i32, false);
    }
    // Texts have `$"@name"` for what is exported by that name.
    const inside = (name: string) => b.getExportInfo(module.getExport(name)).value as string;
    const named = (line: string) =>
      line.replaceAll(/@([^"]+)/g, (_, name) => inside(name).replaceAll(/[\\"]/g, (char) => `\\${char}`));
    // Two exports may be one function.
    const declared = new Set<string>();
    let functions = '';
    for (const { declaration, text: one } of pilot.added) {
      declared.add(named(declaration));
      functions += named(one);
    }
    for (const native of pilot.natives) {
      declared.add(native.imports);
      functions += named(native.text);
    }
    const donor = b.parseText(
      `(module ${named(pilot.imports)} ${[...declared].join(' ')} ${pilot.yields ?? ''} ${functions})`,
    );
    const copy = (from: string, as: string) => {
      const { vars, body } = b.getFunctionInfo(donor.getFunction(from));
      module.addFunction(as, b.none, b.none, vars, module.copyExpression(body));
    };
    const imports = new Map<string, any>();
    for (let i = module.getNumFunctions() - 1; i >= 0; --i) {
      const found = b.getFunctionInfo(module.getFunctionByIndex(i));
      if (found.module === 'gevent') imports.set(found.base, found);
    }
    if (pilot.yields !== null) {
      const { name } = imports.get('yield');
      module.removeFunction(name);
      module.addFunctionImport('gevent:engine.yield', 'gevent', 'yield', b.none, b.none);
      copy('gevent:yields', name);
    }
    for (const { name: base } of pilot.natives) {
      const { name, params, results } = imports.get(base);
      module.removeFunction(name);
      module.addFunctionImport(`gevent:shim.${base}`, 'gevent', base, params, results);
      const all = b.createType([b.i32, ...b.expandType(params)]);
      module.addFunctionImport(`gevent:engine.${base}`, 'gevent:engine', base, all, b.i32);
      const { vars, body } = b.getFunctionInfo(donor.getFunction(`gevent:native.${base}`));
      module.addFunction(name, params, results, vars, module.copyExpression(body));
    }
    for (const { name } of pilot.added) {
      copy(name, name);
      module.addFunctionExport(name, name);
    }
    donor.dispose();
    const out = module.emitBinary();
    return new Uint8Array(out);
  } catch (error) {
    throw new Error(`refused: ${error}`);
  } finally {
    b.clearPassArguments();
    module.dispose();
  }
}

/** @throws GuestError as `asyncify` */
export async function inThread(bytes: Uint8Array, work: Work): Promise<Uint8Array<ArrayBuffer>> {
  const b = await binaryen();
  // Binaryen says on the console what it dislikes; we say it in the error.
  const said: string[] = [];
  const { error: before, warn } = console;
  console.error = console.warn = (...what: unknown[]) => void said.push(what.join(' '));
  try {
    return rewriteAll(b, bytes, work);
  } catch (error) {
    throw refused(error, said);
  } finally {
    console.error = before;
    console.warn = warn;
  }
}

export function refused(error: unknown, said: readonly string[] = []): GuestError {
  const text = error instanceof Error ? error.message : String(error);
  const why = [text.replace(/^(refused|malformed): /, ''), ...said].join('; ').slice(0, 500);
  return text.startsWith('malformed')
    ? new GuestError('GEVENT_GUEST_MALFORMED', `this is no WebAssembly module that can be read: ${why}`, {
        cause: error,
      })
    : new GuestError(
        'GEVENT_GUEST_NOT_REWRITABLE',
        `asyncify cannot rewrite this module (tail calls, try_table and locals that are references are beyond it): ${why}. Use backend 'wasmfx' or 'jspi'`,
        { cause: error },
      );
}

/** The same in a thread of its own, where there are such. */
export async function inWorker(bytes: Uint8Array, work: Work): Promise<Uint8Array<ArrayBuffer>> {
  const { Worker } = globalThis.process?.getBuiltinModule?.('node:worker_threads') ?? {};
  if (Worker === undefined) return inThread(bytes, work);
  let where: string;
  try {
    where = import.meta.resolve('binaryen');
  } catch (cause) {
    throw noBinaryen(cause);
  }
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const rewrite = ${rewriteAll};
    console.error = console.warn = () => {};
    import(workerData.where)
      .then((b) => rewrite(b.default, workerData.bytes, workerData.work))
      .then((made) => parentPort.postMessage({ made }), (error) => parentPort.postMessage({ error: String(error?.message ?? error) }));
  `;
  return new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true, workerData: { where, bytes, work }, execArgv: [] });
    worker.once('message', (said: { made?: Uint8Array<ArrayBuffer>; error?: string }) => {
      void worker.terminate();
      if (said.made !== undefined) resolve(said.made);
      else reject(refused(new Error(said.error)));
    });
    worker.once('error', (error: unknown) => reject(refused(error)));
    worker.once('exit', () => reject(refused(new Error('refused: the worker ended'))));
  });
}
