// What the programs here share: what they saw, printed as one line of JSON at the end, with what was left in the hub.

import { type Greenlet, getHub, joinall, sleep, spawn } from '../../../ts/index.ts';

const seen: Record<string, unknown> = {};

/** Note `value` under `name`. */
export function note(name: string, value: unknown): void {
  seen[name] = value;
}

/** What went wrong, in short. */
export function fault(error: unknown): string {
  const { name, message } = error as Error;
  return `${name}: ${message}`;
}

/** Run `body` with 0 to n - 1, all at once; what each gave. */
export function* atOnce<T>(n: number, body: (i: number) => Generator<any, T, any>): Generator<any, T[], any> {
  const greenlets = Array.from({ length: n }, (_, i) => spawn(body, i));
  yield* joinall(greenlets, { raiseError: true });
  return greenlets.map((g) => g.value as T);
}

/** Run `main`, and tell. */
export async function report(main: () => Generator<any, void, any>): Promise<void> {
  const g: Greenlet = spawn(main);
  await g.join();
  if (g.exception !== undefined) note('failed', (g.exception as Error).stack);
  const { hub } = { hub: getHub() };
  // Timers and sockets that the library is closing have their time; what is left then is left for good.
  for (let i = 0; i < 40 && busy(hub.statistics()); ++i) await sleep(0.05);
  note('left', Object.fromEntries(Object.entries(hub.statistics()).filter(([, count]) => count !== 0)));
  console.log(JSON.stringify(seen));
}

function busy(counts: Record<string, number>): boolean {
  return Object.values(counts).some((count) => count !== 0);
}
