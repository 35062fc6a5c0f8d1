// One scenario: the same little program for gevent and for this library, side by side, and what each wrote to its log.

import { GeventError } from '../../ts/exceptions.ts';
import { Hub } from '../../ts/hub/hub.ts';
import { RawGreenlet } from '../../ts/hub/raw.ts';
import { Operation, Timeout } from '../../ts/index.ts';
import { AddressError, SocketError, SocketTimeout } from '../../ts/net/errors.ts';
import { simulate } from '../../ts/testing.ts';
import { type CoreName, smallCore } from '../support/cores.ts';

export type Log = (...what: unknown[]) => void;
/** A generator runs in a greenlet of its own, an async function in main. */
export type ScenarioBody = (log: Log) => Generator<any, any, any> | Promise<void>;

/** Where we are not as the original, and why. The difference itself is asserted. */
export interface Difference {
  why: string;
  /** The whole trace of the original. */
  gevent: string[];
  /** The whole trace of this library. */
  here: string[];
}

export interface Scenario {
  name: string;
  /** The body of a Python function: `log`, `told`, `T`, `Oops`, `Other`, `hub` and all names of gevent are there. */
  python: string;
  body: ScenarioBody;
  differs?: Difference;
}

/** The same program twice. */
export function same(name: string, python: string, body: ScenarioBody): Scenario {
  return { name, python, body };
}

/** The same program twice, with a difference that is meant. */
export function differs(difference: Difference, name: string, python: string, body: ScenarioBody): Scenario {
  return { name, python, body, differs: difference };
}

export const isMain = ({ body }: Scenario): boolean => body instanceof AsyncFunction;
const AsyncFunction = (async () => {}).constructor as new () => object;

/** The unit of time in scenarios: seconds of the virtual clock here, of the real one there. */
export const T = 0.01;

/** An error of a program. */
export class Oops extends Error {}
/** Another. */
export class Other extends Error {}

/** What `fn()` gives, or what its operation gives; or the error either raised. */
export function* told(fn: () => unknown): Generator<any, any, any> {
  try {
    const value = fn();
    return value instanceof Operation ? yield* value : value;
  } catch (error) {
    return error;
  }
}

/** Errors that have another name there. */
const NAMES: Record<string, string> = {
  RangeError: 'ValueError',
  GEVENT_TIMEOUT_PENDING: 'AssertionError',
  GEVENT_TIMEOUT_CLOSED: 'AssertionError',
  GEVENT_NOT_OWNER: 'RuntimeError',
};

/** One value of a trace: the same text as `shown` in side.py makes of its counterpart. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (Array.isArray(value)) return `[${value.map(shown).join(' ')}]`;
  if (value instanceof Hub) return 'hub';
  if (value instanceof RawGreenlet) return 'greenlet';
  if (value instanceof Oops || value instanceof Other) return `${value.constructor.name}(${value.message})`;
  if (value instanceof Timeout) return 'Timeout';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (value instanceof SocketTimeout) return 'timeout';
  if (value instanceof SocketError && !(value instanceof AddressError)) return value.code;
  if (value instanceof Error) {
    const code = value instanceof GeventError ? (value as { code: string }).code : '';
    return NAMES[code] ?? NAMES[value.name] ?? value.name;
  }
  if (typeof value === 'function') return value.name;
  return String(value);
}

/** Run our side of a scenario, or of anything else with a log. */
export async function here(core: CoreName, body: ScenarioBody, debug = true): Promise<string[]> {
  const simulation = simulate({ core: smallCore(core), auto: true, debug });
  const { hub, clock } = simulation;
  const lines: string[] = [];
  const log: Log = (...what) => void lines.push(what.map(shown).join(' '));
  hub.printException = (_context, error) => log('reported', error);
  hub.exceptionStream = {
    write(text) {
      // Debug mode's hint; Python has no such thing, and scenarios swallow kills on purpose.
      if (!text.startsWith('GEVENT_KILL_SWALLOWED')) lines.push(text);
    },
  };
  hub.handleSystemError = (error) => {
    if (!hub.throwInMain(error)) log('main got', error);
  };
  try {
    if (body instanceof AsyncFunction) {
      try {
        await body(log);
      } catch (error) {
        log('main got', error);
      }
      await clock.advanceAsync(1000);
    } else {
      hub.spawn(body as (log: Log) => Generator<any, any, any>, log);
      clock.runAll();
    }
    hub.core.verify();
    return [...lines];
  } finally {
    simulation.close();
  }
}

/** How an operation is refused that is consumed in a callback of the hub. */
export function refused(make: () => Operation<any>): unknown {
  try {
    make()[Symbol.iterator]().next();
    return 'nothing';
  } catch (error) {
    return error;
  }
}
