// Functions that the tests of threads run by module and name.

let count = 0;

export function raise(): number {
  return ++count;
}

export async function later(ms: number, value: unknown): Promise<unknown> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return value;
}

export class Odd extends Error {
  override name = 'Odd';
  readonly detail = { at: 7 };
  readonly code = 'E_ODD';
}

export function odd(): never {
  throw new Odd('odd', { cause: new RangeError('below') });
}

export default (text: string): string => text.toUpperCase();
