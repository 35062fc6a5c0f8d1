// V8 up to 15 ends the process by a segmentation fault when code that JSPI suspends runs on a stack of wasmfx and not under a
// `promising` export. Such a function can reach a guest by ways nobody sees: a table, a reference, an export of another module. So
// once wasmfx is on, what `WebAssembly.Suspending` wraps looks where it is called, and throws there: then nothing is suspended.
//
// Functions that were wrapped before that are not guarded, but our own: enable wasmfx first.

import { GuestError } from './errors.ts';

/** What is next below on this thread's stack: a guest on a stack of wasmfx, with no `promising` call above it. */
export const below = { wasmfx: false };

/** Throws where a suspension would end the process. */
export function mindWasmfx(): void {
  if (!below.wasmfx) return;
  throw new GuestError(
    'GEVENT_GUEST_JS_FRAME',
    'a function of WebAssembly.Suspending was called by a guest on wasmfx, whose stack JSPI cannot switch: give it to load({ imports }) as blocking(fn)',
  );
}

interface Jspi {
  Suspending?: new (fn: (...args: any[]) => unknown) => object;
  promising?: (fn: any) => (...args: unknown[]) => unknown;
}

let guarded = false;

/** Have what is wrapped from now on look first. Only where the engine would crash. */
export function guardSuspending(): void {
  const jspi = WebAssembly as unknown as Jspi;
  const { Suspending, promising } = jspi;
  if (guarded || Suspending === undefined || promising === undefined) return;
  guarded = true;
  jspi.Suspending = new Proxy(Suspending, {
    construct(target, [fn, ...rest], newTarget) {
      if (typeof fn !== 'function') return Reflect.construct(target, [fn, ...rest], newTarget);
      const minding = function (this: unknown, ...args: unknown[]): unknown {
        mindWasmfx();
        return fn.apply(this, args);
      };
      return Reflect.construct(target, [minding, ...rest], newTarget);
    },
  });
  // Below such a call is a stack that can be suspended.
  jspi.promising = new Proxy(promising, {
    apply(target, self, given) {
      const run: (...args: unknown[]) => unknown = Reflect.apply(target, self, given);
      return (...args: unknown[]) => {
        const before = below.wasmfx;
        below.wasmfx = false;
        try {
          return run(...args);
        } finally {
          below.wasmfx = before;
        }
      };
    },
  });
}
