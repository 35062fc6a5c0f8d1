// The targets of docs/design.md, in a form that a run can be held against. Each names two rows of one run.

import type { Row } from './harness.ts';

/** What a report needs to know of a row; a JSON document has it as well. */
export type Figure = Pick<Row, 'case' | 'params' | 'contender' | 'unit' | 'p50'>;

export interface Target {
  readonly case: string;
  /** Parameters that choose the group; a row may have more. */
  readonly params?: Choice;
  readonly contender: string;
  /** The row to compare with: a contender, `npm:*` for the fastest of npm, or a figure in the group's unit. */
  readonly against: string | number;
  /** At most so many times what `against` takes; of an `over`, at most so much more. */
  readonly most: number;
  /** A difference is judged, not a ratio. */
  readonly over?: true;
  /** The other side's parameters, where they differ from `params`. */
  readonly theirs?: Choice;
}

/** Parameters a row must have; one that is undefined must be absent. */
type Choice = Readonly<Record<string, number | string | undefined>>;

export interface Verdict {
  readonly target: Target;
  readonly own: number;
  readonly other: number;
  /** own / other; of an `over` own - other. */
  readonly ratio: number;
  readonly met: boolean;
}

const WASM = 'engine:wasm';
const GO = 'go';
const GEVENT = 'python:gevent';

export const TARGETS: readonly Target[] = [
  ...[2, 1000].flatMap((n) => [
    of('switch', WASM, 'floor:generator', 1.7, { n }),
    of('switch', WASM, 'native:await', 1, { n }),
  ]),
  of('switch', WASM, 'native:await', 1 / 2.5, { n: 100_000 }),
  of('switch', WASM, 'engine:pure', 1.3, { n: 1000 }),
  of('switch', 'engine:wasm-async', 'native:await', 5, { n: 1000 }),
  of('greenlet-switch', WASM, 'floor:generator', 2.5),
  of('greenlet-switch', WASM, 'python:greenlet', 1 / 10),
  of('depth', WASM, WASM, 1.3, { depth: 64, by: 'call' }, { depth: 1, by: 'call' }),
  of('spawn', WASM, 'floor:generator', 3.5, { n: 1000 }),
  of('spawn', WASM, 'native:await', 1, { n: 1000 }),
  of('spawn', WASM, GEVENT, 1 / 40, { n: 1000 }),
  of('timers', WASM, 'native:setTimeout', 1 / 5, { op: 'arm+cancel', delays: 16 }),
  of('timers', 'engine:pure', 'native:setTimeout', 1 / 5, { op: 'arm+cancel', delays: 16 }),
  of('timers', WASM, 'engine:pure', 1, { op: 'arm+cancel', delays: 16 }),
  of('timers', WASM, 'native:setTimeout', 1 / 5, { op: 'Timeout', armed: 1_000_000 }),
  of('timers', WASM, GEVENT, 1 / 30, { op: 'withTimeout' }),
  of('sleepers', WASM, 450, 1, { n: 100_000, measure: 'heap' }),
  of('sleepers', WASM, 'native:await', 0.55, { n: 100_000, measure: 'heap' }),
  of('sleepers', WASM, 'engine:pure', 1, { n: 100_000, measure: 'heap' }),
  of('sleepers', WASM, GEVENT, 1 / 12, { n: 100_000, measure: 'rss' }),
  of('kill', WASM, 300, 1, { body: 'plain', by: undefined }),
  of('kill', WASM, GEVENT, 1 / 30, { body: 'plain', by: undefined }),
  of('kill', WASM, GEVENT, 1 / 30, { by: 'killall' }),
  ...['one', 'channel'].flatMap((room) => [
    of('queue', WASM, 'native:async-queue', 1, { room }),
    of('queue', WASM, GO, 1, { room }),
  ]),
  ...['one', 'channel', 'unbounded'].map((room) => of('queue', WASM, GEVENT, 1 / 30, { room })),
  of('event', WASM, 'engine:wasm-yield', 1.5),
  of('event', WASM, GEVENT, 1 / 30),
  ...[2, 100].flatMap((n) => [
    of('semaphore', WASM, 'engine:wasm-yield', 1.5, { form: 'passed on', n }),
    of('semaphore', WASM, GEVENT, 1 / 30, { form: 'passed on', n }),
  ]),
  of('semaphore', WASM, GEVENT, 1 / 30, { form: 'free' }),
  of('waiters', WASM, GEVENT, 1 / 30),
  ...[10, 1000, 100_000].map((n) => of('links', WASM, GEVENT, 1 / 30, { n })),
  of('local', WASM, GEVENT, 1 / 30),
  of('pool', WASM, 'native:workers', 1.2, { size: 100, by: undefined }),
  ...([1, 10, 100, 1000, 'unlimited'] as const).flatMap((size) => [
    of('pool', WASM, 'npm:*', 1, { size, by: undefined }),
    of('pool', WASM, GEVENT, 1 / 30, { size, by: undefined }),
    of('pool', WASM, 'npm:p-map', 1, { size, by: 'imap' }, { size }),
  ]),
  { ...of('import', WASM, 'floor:empty-module', 15, { measure: 'import' }), over: true },
  of('import', WASM, 60 * 1000, 1, { measure: 'minified' }),
  of('import', WASM, 20 * 1000, 1, { measure: 'gzipped' }),
  ...[1, 100, 1000, 10_000].flatMap((n) => [
    of('tcp', WASM, 'native:net', 1 / 0.97, { n }),
    of('tcp', WASM, GEVENT, 1 / 3, { n }),
  ]),
  of('tcp-connections', WASM, GEVENT, 1 / 2, { work: 'connect' }),
  of('tcp-connections', WASM, 'native:net', 1 / 0.9, { work: 'receive' }),
  of('http', WASM, 'native:http', 1 / 0.95, { form: 'req-res' }, {}),
  of('http', WASM, 'native:http', 1 / 0.85, { form: 'request' }, {}),
  ...['req-res', 'request'].map((form) => of('http', WASM, GEVENT, 1 / 4, { form }, {})),
  ...[1, 100, 1000].map((n) => of('websocket', WASM, 'native:ws', 1 / 0.9, { n })),
  ...[10, 50].map((atOnce) => of('fetch', WASM, 'native:fetch', 1.05, { atOnce })),
  ...['req-res', 'request'].map((form) =>
    of('longpoll', WASM, 'native:http', 1.3, { measure: 'heap', form }, { measure: 'heap' }),
  ),
  ...['alone', 'pipes'].flatMap((form) => [1, 10].map((n) => of('popen', WASM, 'native:spawn', 1.1, { form, n }))),
  ...[2, 1000].flatMap((n) => [
    of('guest', 'guest:asyncify', 'native:await', 1, { backend: 'asyncify', n }),
    of('guest', 'guest:asyncify', GO, 1 / 3, { backend: 'asyncify', n }),
    of('guest', 'guest:asyncify-bundled', 'native:await', 0.4, { backend: 'asyncify', n }),
    of('guest', 'guest:asyncify-bundled', GO, 1 / 8, { backend: 'asyncify', n }),
    of('guest', 'guest:wasmfx', 'floor:wasmfx', 1.3, { backend: 'wasmfx', n }),
  ]),
  of(
    'guest',
    'guest:asyncify',
    'guest:asyncify',
    1.5,
    { backend: 'asyncify', n: 1_000_000 },
    { backend: 'asyncify', n: 1000 },
  ),
  ...[0, 1, 2, 4, 8, 16, 32, 64].flatMap((depth) =>
    ['guest:asyncify', 'guest:wasmfx'].map((other) => of('guest-depth', 'guest:auto', other, 1.3, { depth })),
  ),
  of('guest-spawn', 'guest:asyncify', GO, 1 / 10, { alive: 10_000 }),
  of('guest-alive', 'guest:asyncify', 100, 1),
  of('guest-python', 'guest:wasmfx', 2500, 1, { measure: 'time' }),
  of('guest-python', 'guest:wasmfx', 15, 1, { measure: 'rss' }),
];

/** The targets that these rows decide; rows come from one run. */
export function judge(figures: readonly Figure[], targets: readonly Target[] = TARGETS): Verdict[] {
  return targets.flatMap((target) => {
    const { params = {}, theirs = params, against } = target;
    const own = find(figures, target.case, params, target.contender)[0];
    if (!own) return [];
    const others =
      typeof against === 'number' ? [against] : find(figures, target.case, theirs, against).map((row) => row.p50);
    if (others.length === 0) return [];
    const other = Math.min(...others);
    const ratio = target.over ? own.p50 - other : own.p50 / other;
    return [{ target, own: own.p50, other, ratio, met: ratio <= target.most }];
  });
}

function of(
  name: string,
  contender: string,
  against: string | number,
  most: number,
  params: Choice = {},
  theirs?: Choice,
): Target {
  return { case: name, contender, against, most, params, ...(theirs && { theirs }) };
}

function find(figures: readonly Figure[], name: string, params: Choice, contender: string): Figure[] {
  return figures.filter(
    (row) =>
      row.case === name &&
      (contender.endsWith('*') ? row.contender.startsWith(contender.slice(0, -1)) : row.contender === contender) &&
      Object.entries(params).every(([key, value]) => row.params[key] === value),
  );
}
