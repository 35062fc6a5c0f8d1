import { describe, expect, test } from 'vitest';
import { createConfig, type SettingName } from '../../ts/config.ts';

/** What a call threw, as class, code and message. */
function thrown(action: () => unknown): { name: string; code: unknown; message: string } {
  try {
    action();
  } catch (error) {
    const { name, code, message } = error as Error & { code?: unknown };
    return { name, code, message };
  }
  throw new Error('nothing was thrown');
}

describe('where a value comes from', () => {
  test('without anything said, every setting has its default', () => {
    const { formatContext, ...rest } = { ...createConfig({}) };
    expect(rest).toEqual({
      core: 'wasm',
      debug: false,
      dumpSignal: null,
      switchInterval: 0.005,
      trackGreenletTree: true,
      monitorThread: false,
      maxBlockingTime: 0.1,
      printBlockingReports: true,
      memoryMonitorPeriod: 5,
      maxMemoryUsage: null,
      resolver: 'thread',
      resolverNameservers: null,
      resolverTimeout: null,
      aresServers: null,
      aresTimeout: null,
      aresTries: null,
      threadpool: 'ThreadPool',
      threadpoolIdleTaskTimeout: 5,
      fileobject: 'posix',
      loop: 'host',
    });
    expect(formatContext('Greenlet#1')).toBe('Greenlet#1');
  });

  test('the environment comes before the default, and is parsed', () => {
    const fromEnvironment = createConfig({
      GEVENT_CORE: 'pure',
      GEVENT_DEBUG: '1',
      GEVENT_SWITCH_INTERVAL: '0.02',
      GEVENT_TRACK_GREENLET_TREE: 'off',
      GEVENT_MONITOR_THREAD_ENABLE: 'Yes',
      GEVENT_MAX_BLOCKING_TIME: '0',
      GEVENT_MONITOR_PRINT_BLOCKING_REPORTS: '',
      GEVENT_MONITOR_MEMORY_PERIOD: '2.5',
      GEVENT_MONITOR_MEMORY_MAX: '512MB',
      GEVENT_RESOLVER: 'dnspython,ares,thread',
      GEVENT_RESOLVER_NAMESERVERS: '10.0.0.1, [::1]:53',
      GEVENT_RESOLVER_TIMEOUT: '1.5',
      GEVENTARES_SERVERS: '',
      GEVENTARES_TRIES: '3',
      GEVENT_THREADPOOL_IDLE_TASK_TIMEOUT: '',
      GEVENT_FILE: 'block',
    });
    expect({ ...fromEnvironment }).toMatchObject({
      core: 'pure',
      debug: true,
      switchInterval: 0.02,
      trackGreenletTree: false,
      monitorThread: true,
      maxBlockingTime: null,
      printBlockingReports: false,
      memoryMonitorPeriod: 2.5,
      maxMemoryUsage: 512 * 1024 * 1024,
      resolver: 'ares',
      resolverNameservers: ['10.0.0.1', '[::1]:53'],
      resolverTimeout: 1.5,
      aresServers: null,
      aresTries: 3,
      threadpoolIdleTaskTimeout: null,
      fileobject: 'block',
    });
  });

  test('an assigned value comes before the environment, and may be changed again', () => {
    const mine = createConfig({ GEVENT_CORE: 'pure' });
    mine.core = 'wasm';
    expect(mine.core).toBe('wasm');
    mine.set('core', 'pure');
    expect(mine.get('core')).toBe('pure');
  });

  test('the environment is read at the first read, and then no more', () => {
    const env: Record<string, string> = {};
    const mine = createConfig(env);
    env.GEVENT_SWITCH_INTERVAL = '0.01';
    expect(mine.switchInterval).toBe(0.01);
    env.GEVENT_SWITCH_INTERVAL = '0.5';
    expect(mine.switchInterval).toBe(0.01);
    expect(mine.maxBlockingTime).toBe(0.1);
    env.GEVENT_MAX_BLOCKING_TIME = '3';
    expect(mine.maxBlockingTime).toBe(0.1);
  });

  test('without a process, as in browsers, the defaults hold', () => {
    const { process } = globalThis;
    Object.defineProperty(globalThis, 'process', { value: undefined, configurable: true, writable: true });
    try {
      expect(createConfig().core).toBe('wasm');
    } finally {
      globalThis.process = process;
    }
  });

  test('an environment that may not be read, as in Deno, counts as empty', () => {
    const { env } = process;
    process.env = new Proxy(env, {
      get() {
        throw new Error('requires env access');
      },
    });
    try {
      expect(createConfig().debug).toBe(false);
    } finally {
      process.env = env;
    }
  });
});

describe('what a value may be', () => {
  const mine = createConfig({});
  const set = (name: SettingName, value: unknown): unknown => {
    mine.set(name, value);
    return mine.get(name);
  };

  test.each([
    ...[true, 1, '1', 'true', 'TRUE', ' on ', 'yes'].map((value) => [value, true] as const),
    ...[false, 0, '0', 'false', 'off', 'No', ''].map((value) => [value, false] as const),
  ])('the boolean %j is %j', (value, expected) => {
    expect(set('debug', value)).toBe(expected);
  });

  test.each([
    [2, 'RangeError'],
    ['maybe', 'RangeError'],
    ['2', 'RangeError'],
    [null, 'TypeError'],
    [undefined, 'TypeError'],
    [{}, 'TypeError'],
  ])('the boolean %j is a %s', (value, name) => {
    expect(thrown(() => set('debug', value))).toMatchObject({ name, code: 'GEVENT_CONFIG_VALUE' });
  });

  test.each([
    [1.5, 1.5],
    ['0.25', 0.25],
    [{ total: (unit: string) => (unit === 'milliseconds' ? 90_000 : Number.NaN) }, 90],
    [0, null],
    ['0', null],
    ['', null],
    [null, null],
    [undefined, null],
  ])('the seconds %j are %j', (value, expected) => {
    expect(set('maxBlockingTime', value)).toBe(expected);
  });

  test.each([
    [-1, 'RangeError'],
    ['-0.5', 'RangeError'],
    [Number.NaN, 'RangeError'],
    [Infinity, 'RangeError'],
    ['soon', 'RangeError'],
    [true, 'TypeError'],
    [{}, 'TypeError'],
  ])('the seconds %j are a %s', (value, name) => {
    expect(thrown(() => set('maxBlockingTime', value))).toMatchObject({ name, code: 'GEVENT_CONFIG_VALUE' });
  });

  test.each([[0], ['0'], [''], [-1], [Number.NaN]])('a switch interval cannot be unset: %j', (value) => {
    expect(thrown(() => set('switchInterval', value)).name).toBe('RangeError');
  });

  test.each([
    [4096, 4096],
    ['4096', 4096],
    ['16kb', 16 * 1024],
    ['3MB', 3 * 1024 ** 2],
    ['2 gb', 2 * 1024 ** 3],
    ['', null],
    [null, null],
  ])('the size %j is %j', (value, expected) => {
    expect(set('maxMemoryUsage', value)).toBe(expected);
  });

  test.each([
    [0, 'RangeError'],
    [-5, 'RangeError'],
    [1.5, 'RangeError'],
    ['1.5gb', 'RangeError'],
    ['mb', 'RangeError'],
    ['9999999999999gb', 'RangeError'],
    [true, 'TypeError'],
  ])('the size %j is a %s', (value, name) => {
    expect(thrown(() => set('maxMemoryUsage', value))).toMatchObject({ name, code: 'GEVENT_CONFIG_VALUE' });
  });

  test('a choice is a name, a list of which the first known wins, or a class', () => {
    class Own {}
    expect(set('resolver', 'ares')).toBe('ares');
    expect(set('resolver', 'dnspython, ares')).toBe('ares');
    expect(set('resolver', ['dnspython', 'thread', 'ares'])).toBe('thread');
    expect(set('resolver', Own)).toBe(Own);
    expect(set('resolverNameservers', ['10.0.0.1:5353', 'fe80::1%eth0'])).toEqual(['10.0.0.1:5353', 'fe80::1%eth0']);
    expect(thrown(() => set('aresServers', 'dns.example')).name).toBe('RangeError');
    expect(thrown(() => set('aresServers', [53])).name).toBe('TypeError');
    expect(thrown(() => set('aresTries', 0)).name).toBe('RangeError');
    expect(thrown(() => set('aresTries', {})).name).toBe('TypeError');
    expect(thrown(() => set('aresTimeout', -1)).name).toBe('RangeError');
    expect(set('resolver', ['dnspython', Own])).toBe(Own);
    expect(thrown(() => set('resolver', 'dnspython')).name).toBe('RangeError');
    expect(thrown(() => set('resolver', [])).name).toBe('RangeError');
    expect(thrown(() => set('resolver', 7)).name).toBe('TypeError');
    expect(thrown(() => set('resolver', [7])).name).toBe('TypeError');
  });

  test('a core is one of two names', () => {
    expect(thrown(() => set('core', 'fast'))).toEqual({
      name: 'RangeError',
      code: 'GEVENT_CONFIG_VALUE',
      message: "config.core: expected 'wasm' or 'pure', got \"fast\"",
    });
    expect(thrown(() => set('core', 1)).name).toBe('TypeError');
  });

  test('a rejected value leaves the setting as it was', () => {
    const other = createConfig({ GEVENT_CORE: 'pure' });
    expect(() => other.set('core', 'fast')).toThrow();
    expect(other.core).toBe('pure');
  });

  test('a bad environment variable is named, each time the setting is read, and spoils no other', () => {
    const other = createConfig({ GEVENT_DEBUG: 'trace', GEVENT_CORE: 'pure' });
    const expected = {
      name: 'RangeError',
      code: 'GEVENT_CONFIG_VALUE',
      message:
        'config.debug: expected a boolean: 1, true, on, yes, or 0, false, off, no or empty, got "trace" from GEVENT_DEBUG',
    };
    expect(thrown(() => other.debug)).toEqual(expected);
    expect(thrown(() => other.debug)).toEqual(expected);
    expect(other.core).toBe('pure');
    other.debug = true;
    expect(other.debug).toBe(true);
  });

  test('a context that cannot be written does not break the report', () => {
    const { formatContext } = createConfig({});
    const hostile = {
      toString() {
        throw new Error('no text');
      },
    };
    expect(formatContext([function link() {}, 'Greenlet#2', hostile])).toBe(
      '(<function link>, Greenlet#2, <object that cannot be written>)',
    );
  });
});

describe('names', () => {
  const mine = createConfig({});

  test('a name that is no setting is refused by get, set and assignment, with the names there are', () => {
    const expected = {
      name: 'TypeError',
      code: 'GEVENT_CONFIG_NAME',
      message: `no configuration setting named "maxBlockTime"; there are ${mine.dir().join(', ')}`,
    };
    const name = 'maxBlockTime' as SettingName;
    expect(thrown(() => mine.get(name))).toEqual(expected);
    expect(thrown(() => mine.set(name, 1))).toEqual(expected);
    expect(thrown(() => Object.assign(mine, { [name]: 1 }))).toEqual(expected);
    expect(thrown(() => mine.get('toString' as SettingName)).code).toBe('GEVENT_CONFIG_NAME');
  });

  test('dir, settings and the object itself list the same names', () => {
    expect(mine.settings().map((row) => row.name)).toEqual(mine.dir());
    expect(Object.keys(mine)).toEqual(mine.dir());
  });

  test('every default passes the setting it belongs to', () => {
    for (const row of mine.settings()) {
      mine.set(row.name, row.default);
      expect(mine.get(row.name), row.name).toEqual(row.default);
    }
  });

  test('printHelp names every setting with its variable and default, reading none', () => {
    const lines: string[] = [];
    createConfig({ GEVENT_CORE: 'nonsense' }).printHelp((text) => lines.push(text));
    const text = lines.join('\n');
    for (const row of mine.settings()) {
      expect(text).toContain(`${row.name}\n    ${row.description}`);
      if (row.env !== null) expect(text).toContain(`environment ${row.env}.`);
    }
  });
});
