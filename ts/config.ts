// Settings of the whole process, gevent's `gevent.config`. Every layer above the core may read them.
//
//   C1  a setting is what was assigned, else what the environment says, else its default
//   C2  the environment is looked at when a setting is first read, never at import, and then no more: whoever read a
//       setting and whoever reads it later agree
//   C3  what is kept has passed the setting's check, wherever it came from
//
// Most settings are read once, by the first hub or the first pool: assign them before anything else.

import { describe } from './core/arguments.ts';
import type { DurationLike } from './core/clock.ts';

/** Either core behind the scheduler. */
export type CoreName = 'wasm' | 'pure';
/** Turns whatever an error happened in (a greenlet, a watcher, a callback) into one line of a report. */
export type FormatContext = (context: unknown) => string;
type Class = abstract new (...args: any[]) => unknown;
/** Seconds: a number, text that is one (as the environment has it), or a `Temporal.Duration`. */
type Seconds = number | string | DurationLike;
type Env = Readonly<Record<string, string | undefined>>;

export interface Settings {
  /** The core of hubs created from now on. `GEVENT_CORE`, default `wasm`. */
  core: CoreName;
  /**
   * Report operations that are created and never consumed, and a kill that was caught and ignored. Costs time and memory
   * an operation. `GEVENT_DEBUG`, default off.
   */
  get debug(): boolean;
  set debug(value: boolean | string | number);
  /** Seconds a turn may last before Node's loop gets its share. `GEVENT_SWITCH_INTERVAL`, default 0.005. */
  get switchInterval(): number;
  set switchInterval(value: Seconds);
  /** Remember who spawned whom, and where. `GEVENT_TRACK_GREENLET_TREE`, default on. */
  get trackGreenletTree(): boolean;
  set trackGreenletTree(value: boolean | string | number);
  /** A signal at which the thread's hub writes its dump, `SIGUSR2` say; null: none. `GEVENT_DUMP_SIGNAL`, default null. */
  get dumpSignal(): string | null;
  set dumpSignal(value: string | null);
  /** Start the monitor with the hub. `GEVENT_MONITOR_THREAD_ENABLE`, default off. */
  get monitorThread(): boolean;
  set monitorThread(value: boolean | string | number);
  /** Seconds without a switch after which the loop counts as blocked; null: never. `GEVENT_MAX_BLOCKING_TIME`, default 0.1. */
  get maxBlockingTime(): number | null;
  set maxBlockingTime(value: Seconds | null);
  /** Whether the monitor prints its reports or only emits events. `GEVENT_MONITOR_PRINT_BLOCKING_REPORTS`, default on. */
  get printBlockingReports(): boolean;
  set printBlockingReports(value: boolean | string | number);
  /** Seconds between two looks at memory; null: none. `GEVENT_MONITOR_MEMORY_PERIOD`, default 5. */
  get memoryMonitorPeriod(): number | null;
  set memoryMonitorPeriod(value: Seconds | null);
  /** Bytes, or text as `512mb` (kb, mb, gb); null: no limit. `GEVENT_MONITOR_MEMORY_MAX`, default null. */
  get maxMemoryUsage(): number | null;
  set maxMemoryUsage(value: number | string | null);
  /** `thread` (the system's resolver) or `ares` (DNS by Node's c-ares), or a class. `GEVENT_RESOLVER`, default `thread`. */
  get resolver(): 'thread' | 'ares' | Class;
  set resolver(value: string | Class | readonly (string | Class)[]);
  /** Name servers to ask, `10.0.0.1` or `10.0.0.1:5353`; null: the system's. For `ares`. `GEVENT_RESOLVER_NAMESERVERS`, default null. */
  get resolverNameservers(): readonly string[] | null;
  set resolverNameservers(value: string | readonly string[] | null);
  /** Seconds a name server has to answer; null: c-ares' own choice. For `ares`. `GEVENT_RESOLVER_TIMEOUT`, default null. */
  get resolverTimeout(): number | null;
  set resolverTimeout(value: Seconds | null);
  /** The same as `resolverNameservers`, and before it. `GEVENTARES_SERVERS`, default null. */
  get aresServers(): readonly string[] | null;
  set aresServers(value: string | readonly string[] | null);
  /** The same as `resolverTimeout`, and before it. `GEVENTARES_TIMEOUT`, default null. */
  get aresTimeout(): number | null;
  set aresTimeout(value: Seconds | null);
  /** How often each name server is asked; null: c-ares' own choice. `GEVENTARES_TRIES`, default null. */
  get aresTries(): number | null;
  set aresTries(value: number | string | null);
  /** The class of a hub's thread pool: `ThreadPool`, or a class. `GEVENT_THREADPOOL`, default `ThreadPool`. */
  get threadpool(): 'ThreadPool' | Class;
  set threadpool(value: string | Class | readonly (string | Class)[]);
  /** Seconds a pool's idle thread lives; null: for ever. `GEVENT_THREADPOOL_IDLE_TASK_TIMEOUT`, default 5. */
  get threadpoolIdleTaskTimeout(): number | null;
  set threadpoolIdleTaskTimeout(value: Seconds | null);
  /** What `FileObject` means: `posix`, `thread`, `block`, or a class. `GEVENT_FILE`, default `posix`. */
  get fileobject(): 'posix' | 'thread' | 'block' | Class;
  set fileobject(value: string | Class | readonly (string | Class)[]);
  /** The event loop under the hub: `host`, the one of Node, Deno, Bun or the browser. `GEVENT_LOOP`, default `host`. */
  get loop(): 'host' | Class;
  set loop(value: string | Class | readonly (string | Class)[]);
  /** How error reports write their context. No environment variable: it is a function. */
  formatContext: FormatContext;
}

export type SettingName = keyof Settings;

/** What `config.settings()` tells of a setting, without reading it. */
export interface SettingInfo {
  readonly name: SettingName;
  /** The environment variable, or null. */
  readonly env: string | null;
  readonly default: unknown;
  /** What may be assigned, in words. */
  readonly expects: string;
  readonly description: string;
}

interface Kind {
  readonly expects: string;
  /** The value to keep, or WRONG_TYPE or WRONG_VALUE, from which `checked` makes the error. */
  check(value: unknown): unknown;
}

const WRONG_TYPE = Symbol('wrong type');
const WRONG_VALUE = Symbol('wrong value');

const boolean: Kind = {
  expects: 'a boolean: 1, true, on, yes, or 0, false, off, no or empty',
  check(value) {
    if (typeof value === 'boolean') return value;
    if (value === 0 || value === 1) return value === 1;
    if (typeof value !== 'string') return typeof value === 'number' ? WRONG_VALUE : WRONG_TYPE;
    const word = value.trim().toLowerCase();
    if (['1', 'true', 'on', 'yes'].includes(word)) return true;
    return ['0', 'false', 'off', 'no', ''].includes(word) ? false : WRONG_VALUE;
  },
};

function toSeconds(value: unknown): number | typeof WRONG_TYPE {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return value.trim() === '' ? 0 : Number(value);
  const duration = value as Partial<DurationLike> | null | undefined;
  return typeof duration?.total === 'function' ? duration.total('milliseconds') / 1000 : WRONG_TYPE;
}

// gevent reads 0 and the empty text as "unset": maxBlockingTime = 0 turns the check off.
const secondsOrNone: Kind = {
  expects: 'seconds, a finite number above 0, or 0 or null for none',
  check(value) {
    const seconds = value === null || value === undefined ? 0 : toSeconds(value);
    if (typeof seconds === 'symbol') return seconds;
    if (seconds === 0) return null;
    return seconds > 0 && seconds < Infinity ? seconds : WRONG_VALUE;
  },
};

const seconds: Kind = {
  expects: 'seconds, a finite number above 0',
  check(value) {
    const result = toSeconds(value);
    if (typeof result === 'symbol') return result;
    return result > 0 && result < Infinity ? result : WRONG_VALUE;
  },
};

const bytes: Kind = {
  expects: 'bytes, a whole number above 0, with kb, mb or gb behind it if you like, or null for none',
  check(value) {
    if (value === null || value === undefined) return null;
    if (typeof value !== 'number' && typeof value !== 'string') return WRONG_TYPE;
    const text = String(value).trim().toLowerCase();
    if (text === '') return null;
    const match = /^(\d+)\s*([kmg]b)?$/.exec(text);
    if (match === null) return WRONG_VALUE;
    const size = Number(match[1]) * 1024 ** (['kb', 'mb', 'gb'].indexOf(match[2]) + 1);
    return size > 0 && Number.isSafeInteger(size) ? size : WRONG_VALUE;
  },
};

/** One of `names`, in text that may list several with commas, or in an array: the first one known here wins. */
function choice(...names: string[]): Kind {
  return {
    expects: `one of ${names.join(', ')}, a list of them (the first known wins), or a class`,
    check(value) {
      if (typeof value === 'function') return value;
      const candidates = typeof value === 'string' ? value.split(',') : value;
      if (!Array.isArray(candidates)) return WRONG_TYPE;
      for (const candidate of candidates) {
        if (typeof candidate === 'function') return candidate;
        if (typeof candidate !== 'string') return WRONG_TYPE;
        if (names.includes(candidate.trim())) return candidate.trim();
      }
      return WRONG_VALUE;
    },
  };
}

const addresses: Kind = {
  expects: 'addresses of name servers, in text that may list several with commas or in an array, or null for none',
  check(value) {
    if (value === null || value === undefined) return null;
    const all: unknown = typeof value === 'string' ? value.split(',') : value;
    if (!Array.isArray(all) || all.some((each) => typeof each !== 'string')) return WRONG_TYPE;
    const named = all.map((each: string) => each.trim()).filter((each) => each !== '');
    if (named.some((each) => !/^(\[[0-9a-f:.]+(%[\w.-]+)?\](:\d+)?|[\d.]+(:\d+)?|[0-9a-f:.]+(%[\w.-]+)?)$/i.test(each)))
      return WRONG_VALUE;
    return named.length === 0 ? null : named;
  },
};

const countOrNone: Kind = {
  expects: 'a whole number above 0, or null for none',
  check(value) {
    if (value === null || value === undefined || value === '') return null;
    if (typeof value !== 'number' && typeof value !== 'string') return WRONG_TYPE;
    const number = Number(value);
    return Number.isSafeInteger(number) && number > 0 ? number : WRONG_VALUE;
  },
};

const coreName: Kind = {
  expects: "'wasm' or 'pure'",
  check(value) {
    if (typeof value !== 'string') return WRONG_TYPE;
    return value === 'wasm' || value === 'pure' ? value : WRONG_VALUE;
  },
};

const signalName: Kind = {
  expects: "the name of a signal, as 'SIGUSR2', or null for none",
  check(value) {
    if (value === null || value === undefined || value === '') return null;
    if (typeof value !== 'string') return WRONG_TYPE;
    return /^SIG[A-Z0-9]+$/.test(value) ? value : WRONG_VALUE;
  },
};

const formatter: Kind = {
  expects: 'a function from the context to text',
  check: (value) => (typeof value === 'function' ? value : WRONG_TYPE),
};

/** A context that cannot even be written must not hide the error that happened in it. */
function plainText(context: unknown): string {
  try {
    if (Array.isArray(context)) return `(${context.map(plainText).join(', ')})`;
    if (typeof context === 'function') return `<function ${context.name || 'anonymous'}>`;
    return String(context);
  } catch {
    return `<${typeof context} that cannot be written>`;
  }
}

interface Definition extends Kind {
  readonly env: string | null;
  readonly default: unknown;
  readonly description: string;
}

const define = (kind: Kind, env: string | null, fallback: unknown, description: string): Definition => ({
  ...kind,
  env,
  default: fallback,
  description,
});

const DEFINITIONS: Readonly<Record<SettingName, Definition>> = {
  core: define(coreName, 'GEVENT_CORE', 'wasm', 'The core of hubs created from now on.'),
  debug: define(
    boolean,
    'GEVENT_DEBUG',
    false,
    'Report operations never consumed and kills that were caught and ignored.',
  ),
  switchInterval: define(
    seconds,
    'GEVENT_SWITCH_INTERVAL',
    0.005,
    "Seconds a turn may last before the host's loop gets its share.",
  ),
  trackGreenletTree: define(boolean, 'GEVENT_TRACK_GREENLET_TREE', true, 'Remember who spawned whom, and where.'),
  dumpSignal: define(
    signalName,
    'GEVENT_DUMP_SIGNAL',
    null,
    'The signal at which the hub of the thread writes who waits on what.',
  ),
  monitorThread: define(boolean, 'GEVENT_MONITOR_THREAD_ENABLE', false, 'Start the monitor with the hub.'),
  maxBlockingTime: define(
    secondsOrNone,
    'GEVENT_MAX_BLOCKING_TIME',
    0.1,
    'Seconds without a switch after which the loop counts as blocked.',
  ),
  printBlockingReports: define(
    boolean,
    'GEVENT_MONITOR_PRINT_BLOCKING_REPORTS',
    true,
    'Print what the monitor finds, beside emitting events.',
  ),
  memoryMonitorPeriod: define(secondsOrNone, 'GEVENT_MONITOR_MEMORY_PERIOD', 5, 'Seconds between two looks at memory.'),
  maxMemoryUsage: define(bytes, 'GEVENT_MONITOR_MEMORY_MAX', null, 'Bytes above which an event is emitted.'),
  resolver: define(choice('thread', 'ares'), 'GEVENT_RESOLVER', 'thread', 'Who answers questions for names.'),
  resolverNameservers: define(addresses, 'GEVENT_RESOLVER_NAMESERVERS', null, 'Name servers to ask.'),
  resolverTimeout: define(secondsOrNone, 'GEVENT_RESOLVER_TIMEOUT', null, 'Seconds a name server has to answer.'),
  aresServers: define(addresses, 'GEVENTARES_SERVERS', null, 'Name servers to ask, before resolverNameservers.'),
  aresTimeout: define(
    secondsOrNone,
    'GEVENTARES_TIMEOUT',
    null,
    'Seconds a name server has to answer, before resolverTimeout.',
  ),
  aresTries: define(countOrNone, 'GEVENTARES_TRIES', null, 'How often each name server is asked.'),
  threadpool: define(choice('ThreadPool'), 'GEVENT_THREADPOOL', 'ThreadPool', "The class of a hub's thread pool."),
  threadpoolIdleTaskTimeout: define(
    secondsOrNone,
    'GEVENT_THREADPOOL_IDLE_TASK_TIMEOUT',
    5,
    "Seconds a pool's idle thread lives.",
  ),
  fileobject: define(choice('posix', 'thread', 'block'), 'GEVENT_FILE', 'posix', 'What FileObject means.'),
  loop: define(choice('host'), 'GEVENT_LOOP', 'host', 'The event loop under the hub.'),
  formatContext: define(formatter, null, plainText, 'How error reports write their context.'),
};

const NAMES = Object.keys(DEFINITIONS) as SettingName[];

function unknownSetting(name: unknown): TypeError {
  const message = `no configuration setting named ${describe(name)}; there are ${NAMES.join(', ')}`;
  return Object.assign(new TypeError(message), { code: 'GEVENT_CONFIG_NAME' });
}

function checked(name: SettingName, value: unknown, source: string): unknown {
  const { check, expects } = DEFINITIONS[name];
  const result = check(value);
  if (result !== WRONG_TYPE && result !== WRONG_VALUE) return result;
  const message = `config.${name}: expected ${expects}, got ${describe(value)}${source}`;
  const error = result === WRONG_TYPE ? new TypeError(message) : new RangeError(message);
  throw Object.assign(error, { code: 'GEVENT_CONFIG_VALUE' });
}

/** The host's environment: none in browsers, and none for a Deno program that may not read it. */
function hostVariable(name: string): string | undefined {
  try {
    return (globalThis as { process?: { env?: Env } }).process?.env?.[name];
  } catch {
    return undefined;
  }
}

// The end of the prototype chain, reached by assignments to names that are no setting. Reads are left alone: other
// people's code asks any object for `then`, `toJSON` and the like.
const noOtherNames: object = new Proxy(Object.prototype, {
  set(_target, name) {
    throw unknownSetting(name);
  },
});

class Store {
  readonly #values = new Map<SettingName, unknown>();
  readonly #variable: (name: string) => string | undefined;

  constructor(env?: Env) {
    this.#variable = env === undefined ? hostVariable : (name) => env[name];
    for (const name of NAMES) {
      Object.defineProperty(this, name, {
        enumerable: true,
        get: () => this.get(name),
        set: (value) => this.set(name, value),
      });
    }
  }

  /**
   * The setting's value: assigned, else from the environment, else the default.
   *
   * @throws TypeError `GEVENT_CONFIG_NAME` if there is no such setting
   * @throws TypeError, RangeError `GEVENT_CONFIG_VALUE` if the environment variable makes no sense
   */
  get<K extends SettingName>(name: K): Settings[K] {
    const values = this.#values;
    if (!values.has(name)) {
      const definition = this.#definition(name);
      const variable = definition.env === null ? undefined : this.#variable(definition.env);
      values.set(
        name,
        variable === undefined ? definition.default : checked(name, variable, ` from ${definition.env}`),
      );
    }
    return values.get(name) as Settings[K];
  }

  /**
   * Assign a setting by name; the same as `config[name] = value`.
   *
   * @throws TypeError `GEVENT_CONFIG_NAME` if there is no such setting
   * @throws TypeError `GEVENT_CONFIG_VALUE` if the value is of a wrong type, RangeError if it is out of range; the
   *   setting stays as it was
   */
  set(name: SettingName, value: unknown): void {
    this.#definition(name);
    this.#values.set(name, checked(name, value, ''));
  }

  /** The names of all settings. */
  dir(): SettingName[] {
    return [...NAMES];
  }

  /** What there is to set, with environment variables and defaults. Reads no setting. */
  settings(): SettingInfo[] {
    return NAMES.map((name) => {
      const { env, default: fallback, expects, description } = DEFINITIONS[name];
      return { name, env, default: fallback, expects, description };
    });
  }

  /** Print all settings, each with its meaning, environment variable and default. */
  printHelp(write: (text: string) => void = (text) => console.log(text)): void {
    for (const { name, env, default: fallback, expects, description } of this.settings()) {
      write(`${name}\n    ${description}\n    Expects ${expects}.`);
      write(`    Default ${plainText(fallback)}${env === null ? '' : `, environment ${env}`}.\n`);
    }
  }

  #definition(name: SettingName): Definition {
    if (!Object.hasOwn(DEFINITIONS, name)) throw unknownSetting(name);
    return DEFINITIONS[name];
  }
}

Object.setPrototypeOf(Store.prototype, noOtherNames);

/** The settings as properties, and what there is to ask of them. */
export type Config = Store & Settings;

/**
 * Another configuration, for tests; the library reads `config`.
 *
 * @param env - stands in for the process's environment
 */
export function createConfig(env?: Env): Config {
  return new Store(env) as Config; // the constructor made the accessors
}

/** The one configuration of this process. Source: `gevent.config`. Differs: names in camelCase, classes by name. */
export const config: Config = createConfig();
