// What the parts of the pure core share.

export type Column = Int32Array | Uint8Array | Float64Array;

/** The same column, `length` long, its contents in place. Throws a RangeError if there is no memory for it. */
export function grown<T extends Column>(column: T, length: number): T {
  const wider = new (column.constructor as new (length: number) => T)(length);
  wider.set(column);
  return wider;
}

/** For `verify`. */
export function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`core:pure is broken: ${message}`);
}
