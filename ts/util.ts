// Entry `gevent-wasm/util`: what is going on, and whether anything is.

import { wrongRange, wrongType } from './core/arguments.ts';
import { type Seconds, toMs } from './core/clock.ts';
import { GeventError } from './exceptions.ts';
import { Framed } from './framed.ts';
import type { GeneratorBody, OtherBody } from './gevent-greenlet.ts';
import { GreenletTree } from './greenlet-tree.ts';
import { addTracer } from './hub/observe.ts';
import type { Operation } from './hub/operation.ts';
import { isBody, type Park } from './hub/protocol.ts';
import { hubHere } from './limit.ts';
import { isThenable, settle } from './unwind.ts';

export { GreenletTree } from './greenlet-tree.ts';
export { Dump, type Dumped } from './hub/dump.ts';
export { ScheduleTrace, type TraceEvent, type TraceOptions, traceSchedule } from './trace.ts';

export interface RunInfoOptions {
  /** The JavaScript stack of the caller. Default true. */
  threadStacks?: boolean;
  /** Where greenlets wait and were spawned, as far as it is kept. Default true. */
  greenletStacks?: boolean;
  /** Stack lines at most. Default: `Error.stackTraceLimit`. */
  limit?: number;
}

const RULE = '*'.repeat(80);

/**
 * The thread and all greenlets of its hub, by who spawned whom, as lines.
 * @see `gevent.util.format_run_info`, the source. Differs: this thread only; a suspended generator has no stack to show, so where a greenlet
 *   waits is told by what it waits in, and in debug mode by the place.
 */
export function formatRunInfo(options: RunInfoOptions = {}): string[] {
  const { threadStacks = true, greenletStacks = true, limit = Error.stackTraceLimit } = options;
  if (!Number.isInteger(limit) || limit < 0) {
    throw wrongRange('formatRunInfo(limit)', 'an integer from 0', limit);
  }
  const hub = hubHere();
  const lines = [RULE, '* Thread', RULE, String(hub)];
  if (threadStacks) {
    const before = Error.stackTraceLimit;
    Error.stackTraceLimit = limit + 1;
    const stack = (new Error().stack ?? '').split('\n').slice(2);
    Error.stackTraceLimit = before;
    lines.push(...stack.map((line) => `  ${line.trim()}`));
  }
  lines.push(RULE, '* Greenlets', RULE);
  for (const tree of GreenletTree.forest(hub)) lines.push(...tree.formatLines({ details: greenletStacks }));
  lines.push(...hub.dump().deadlockLines());
  return lines;
}

/** Write `formatRunInfo()` to `file`, else to the hub's exception stream. @see `gevent.util.print_run_info`, the source. */
export function printRunInfo(options: RunInfoOptions & { file?: { write(text: string): unknown } } = {}): void {
  const { file, ...rest } = options;
  const text = `${formatRunInfo(rest).join('\n')}\n`;
  if (file === undefined) hubHere().report(text);
  else file.write(text);
}

/** What `assertSwitches` raises. */
export class FailedToSwitch extends GeventError {
  static override readonly name: string = 'FailedToSwitch';
  constructor(message: string) {
    super('GEVENT_FAILED_TO_SWITCH', message);
  }
}

export interface AssertSwitchesOptions {
  /** Seconds that may pass between two switches. Default: there need only be one. */
  maxBlockingTime?: Seconds | null;
  /** Count only switches to the hub. Default false. */
  hubOnly?: boolean;
}

function* watched(
  options: AssertSwitchesOptions,
  fn: (...args: any[]) => unknown,
  args: unknown[],
): Generator<Park, any, any> {
  const { maxBlockingTime = null, hubOnly = false } = options;
  const hub = hubHere();
  let count = 0;
  let last = hub.clock.now();
  let longest = 0;
  const seen = () => {
    const now = hub.clock.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const end = addTracer(hub, (_event, origin, target) => {
    if (hubOnly && target !== hub) {
      // Control comes back from the hub: what was spent there blocked nobody.
      if (origin === hub) last = hub.clock.now();
      return;
    }
    ++count;
    if (origin === hub) last = hub.clock.now();
    else seen();
  });
  let value: unknown;
  try {
    value = yield* settle(fn(...args));
  } finally {
    end();
  }
  if (maxBlockingTime === null) {
    if (count === 0) throw new FailedToSwitch(`assertSwitches: ${fn.name || 'the function'} did not switch`);
    return value;
  }
  seen();
  const max = toMs(maxBlockingTime, 'assertSwitches(maxBlockingTime)');
  if (longest > max) {
    throw new FailedToSwitch(
      `assertSwitches: ${fn.name || 'the function'} blocked for ${longest / 1000} seconds, at most ${max / 1000} were allowed`,
    );
  }
  return value;
}

/**
 * Run `fn(...args)` and raise FailedToSwitch if nobody switched meanwhile; with `maxBlockingTime`, if nobody did for so long. An error of `fn` goes
 * first. Switch point if `fn` switches.
 *
 *     yield* assertSwitches({ maxBlockingTime: 0.05 }, handle, request);
 *
 * @see `gevent.util.assert_switches`, the source. Differs: takes the function, for a `using` block cannot tell whether it failed.
 */
export function assertSwitches<A extends unknown[], R>(
  options: AssertSwitchesOptions,
  fn: GeneratorBody<A, R>,
  ...args: A
): Operation<R>;
export function assertSwitches<A extends unknown[], R>(
  options: AssertSwitchesOptions,
  fn: OtherBody<A, R>,
  ...args: A
): Operation<Awaited<R>>;
export function assertSwitches(
  options: AssertSwitchesOptions,
  fn: (...args: any[]) => unknown,
  ...args: unknown[]
): Operation<any> {
  if (typeof fn !== 'function') throw wrongType('assertSwitches(options, fn)', 'a function', fn);
  const { maxBlockingTime = null } = options;
  if (maxBlockingTime !== null && !(toMs(maxBlockingTime, 'assertSwitches(maxBlockingTime)') > 0)) {
    throw wrongRange('assertSwitches(maxBlockingTime)', 'more than 0 seconds', maxBlockingTime);
  }
  return new Framed(`assertSwitches of ${fn.name || 'anonymous'}`, () => watched(options, fn, args));
}

type ErrorClass<E> = abstract new (...args: any[]) => E;

/**
 * `fn`, except that errors of the given classes are returned, not raised. Generator and async functions stay what they are.
 * Properties of `fn` are to be had of it as well.
 * @see `gevent.util.wrap_errors`, the source.
 */
export function wrapErrors<F extends (...args: any[]) => any, E>(
  errors: ErrorClass<E> | readonly ErrorClass<E>[],
  fn: F,
): F {
  const classes = Array.isArray(errors) ? errors : [errors];
  for (const type of classes) {
    if (typeof type !== 'function') throw wrongType('wrapErrors(errors)', 'classes of errors', type);
  }
  if (typeof fn !== 'function') throw wrongType('wrapErrors(errors, fn)', 'a function', fn);
  const caught = (error: unknown): unknown => {
    if (classes.some((type) => error instanceof type)) return error;
    throw error;
  };
  function* wrapped(body: Generator<Park, any, any>): Generator<Park, any, any> {
    try {
      return yield* body;
    } catch (error) {
      return caught(error);
    }
  }
  return new Proxy(fn, {
    apply(target, self, args) {
      try {
        const result: unknown = Reflect.apply(target, self, args);
        if (isBody(result)) return wrapped(result);
        return isThenable(result) ? result.then(undefined, caught) : result;
      } catch (error) {
        return caught(error);
      }
    },
  });
}
