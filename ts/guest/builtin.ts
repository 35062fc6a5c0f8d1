// How the functions of module `gevent` are written down: a signature, how they are linked, and what makes one for an instance.

import { type Signature, Type } from './emit.ts';
import type { Instance } from './instance.ts';

/** What makes the function that one instance imports. */
type Make = (instance: Instance) => (...args: any[]) => unknown;

export interface Builtin {
  readonly signature: Signature;
  /** direct: linked as it is; plain: knows who calls; blocking: may wait. */
  readonly kind: 'direct' | 'plain' | 'blocking';
  readonly make: Make;
  /** The engine may do it by itself: its function of this name, if the object that the first parameter names is shared. */
  readonly native?: string;
  /** Which parameter says where the guest wants the number that the engine has got for it. */
  readonly out?: number;
}

/** `'id>i'`: an i32 and an f64 give an i32. */
function signatureOf(text: string): Signature {
  const [params, results] = text.split('>').map((side) => [...side].map((it) => (it === 'i' ? Type.I32 : Type.F64)));
  return { params, results };
}

const builtin =
  (kind: Builtin['kind']) =>
  (signature: string, make: Make): Builtin => ({ signature: signatureOf(signature), kind, make });

export const direct = builtin('direct');
export const plain = builtin('plain');
/** Its function gives an operation, or a number if it need not wait. */
export const blocks = builtin('blocking');

/** One that the engine does by itself, once the object was shared. Its results are a number, or none. */
export function native(name: string, { signature, kind, make }: Builtin, out?: number): [string, Builtin] {
  return [name, { signature, kind, make, native: name, ...(out === undefined ? {} : { out }) }];
}

/** A guest's limit as ours: null for none. */
export function limitOf(seconds: number, what: string): number | null {
  if (Number.isNaN(seconds)) throw new RangeError(`${what}(timeout): expected a number of seconds, got NaN`);
  return seconds < 0 || seconds === Infinity ? null : seconds;
}
