// Two things that drift apart unless somebody looks: the names in docs/gevent-map.md and those the package exports, and
// the layers of style and who really imports whom.

import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const ROOT = dirname(import.meta.dirname);

interface Row {
  readonly line: number;
  /** The heading it stands under. */
  readonly section: string;
  readonly entry: string;
  readonly gevent: string;
  /** Our name, or null for a dash. */
  readonly ours: string | null;
  readonly state: string;
}

const STATE = /^(done|differs: \S.*|not meaningful: \S.*|ours: \S.*)$/;

/** The rows of the map; a line that looks like one and is not fails here. */
function readMap(): Row[] {
  const rows: Row[] = [];
  let entry: string | null = null;
  let section = '';
  const lines = readFileSync(join(ROOT, 'docs/gevent-map.md'), 'utf8').split('\n');
  lines.forEach((text, index) => {
    const heading = /^## (?:\S+|Ours) · `(gevent-wasm(?:\/[a-z]+)?)`$/.exec(text);
    if (text.startsWith('## ')) [section, entry] = [text, heading?.[1] ?? null];
    if (entry === null || !text.startsWith('| ') || /^\| (gevent \| ours|--- \|)/.test(text)) return;
    const row = /^\| (?:`(\S+|\S+\([^)|`]*\))`|(—)) \| (?:`(\S+)`|—) \| ([^|]+) \|$/.exec(text);
    if (row === null) throw new Error(`docs/gevent-map.md:${index + 1}: not a row of three columns: ${text}`);
    rows.push({ line: index + 1, section, entry, gevent: row[1] ?? row[2], ours: row[3] ?? null, state: row[4] });
  });
  return rows;
}

const packageJson = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
type Target = { source: string; default: string };
const everyTarget: [entry: string, target: Target][] = Object.entries<Target | string>(packageJson.exports)
  .filter((pair): pair is [string, Target] => typeof pair[1] === 'object')
  .map(([key, target]) => [key.replace(/^\./, 'gevent-wasm'), target]);

/** Importing it is what it is for: that is done in its own tests. */
const ACTS = 'gevent-wasm/monkey/auto';
const targets = everyTarget.filter(([entry]) => entry !== ACTS);

const load = (file: string): Promise<Record<string, any>> => import(pathToFileURL(join(ROOT, file)).href);
const modules: Record<string, Record<string, any>> = {};
for (const [entry, target] of targets) modules[entry] = await load(target.source);

// How to get one object of each class whose members the map names: instance fields are not to be seen on a prototype.
const { Greenlet, getHub, signalHandler, Timeout, config } = modules['gevent-wasm'];
const samples: Record<string, () => object> = {
  Greenlet: () => new Greenlet(() => 1),
  greenlet: () => new modules['gevent-wasm/greenlet'].greenlet(() => 1),
  Timeout: () => new Timeout(1),
  LoopExit: () => new modules['gevent-wasm/exceptions'].LoopExit('text', getHub()),
  config: () => config,
  SignalHandler: () => {
    const handler = signalHandler('SIGINT', () => 1);
    handler.cancel();
    return handler;
  },
  Group: () => new modules['gevent-wasm/pool'].Group(),
  Pool: () => new modules['gevent-wasm/pool'].Pool(1),
  ContextVar: () => new modules['gevent-wasm/local'].ContextVar('x'),
  Token: () => new modules['gevent-wasm/local'].ContextVar('x').set(1),
  FileObject: () => new modules['gevent-wasm/fileobject'].FileObject('/dev/null'),
  IoWatcher: () => getHub().loop.io(new modules['gevent-wasm/socket'].socket(), 1),
  ChildWatcher: () =>
    getHub().loop.child(new modules['gevent-wasm/subprocess'].Popen(['true'], { stdin: -3, stdout: -3 }).pid),
  StatWatcher: () => getHub().loop.stat('/'),
  Popen: () => new modules['gevent-wasm/subprocess'].Popen(['true'], { stdin: -1, stdout: -1, stderr: -1 }),
  ThreadPool: () => new modules['gevent-wasm/threadpool'].ThreadPool(1),
  HTTPServer: () => new modules['gevent-wasm/http'].HTTPServer(0, () => 1),
  PeriodicMonitoringThread: () => {
    const monitor = getHub().startPeriodicMonitoringThread();
    monitor.kill();
    return monitor;
  },
  PeriodicMonitorThreadStartedEvent: () => new modules['gevent-wasm/events'].PeriodicMonitorThreadStartedEvent({}),
  EventLoopBlocked: () => new modules['gevent-wasm/events'].EventLoopBlocked(null, 1, [], getHub()),
  MemoryUsageThresholdExceeded: () => new modules['gevent-wasm/events'].MemoryUsageThresholdExceeded(1, 1, {}),
  MemoryUsageUnderThreshold: () => new modules['gevent-wasm/events'].MemoryUsageUnderThreshold(1, 1, {}, 1),
  GeventPatchEvent: () => new modules['gevent-wasm/events'].GeventPatchEvent({}, {}),
  GeventWillPatchAllEvent: () => new modules['gevent-wasm/events'].GeventWillPatchAllEvent({}, {}, {}),
  GeventWillPatchModuleEvent: () => new modules['gevent-wasm/events'].GeventWillPatchModuleEvent('x', {}, {}, []),
  GeventDidPatchModuleEvent: () => new modules['gevent-wasm/events'].GeventDidPatchModuleEvent('x', {}, {}),
  GeventDidPatchBuiltinModulesEvent: () =>
    new modules['gevent-wasm/events'].GeventDidPatchBuiltinModulesEvent({}, {}, {}),
  GeventDidPatchAllEvent: () => new modules['gevent-wasm/events'].GeventDidPatchAllEvent({}, {}, {}),
  GreenletTree: () => modules['gevent-wasm/util'].GreenletTree.forest()[0],
  BaseServer: () => new modules['gevent-wasm/server'].StreamServer(0, () => 1),
  StreamServer: () => new modules['gevent-wasm/server'].StreamServer(0, () => 1),
  socket: () => new modules['gevent-wasm/socket'].socket(),
  Hub: () => getHub(),
  SimpleQueue: () => new modules['gevent-wasm/queue'].SimpleQueue(),
  Waiter: () => new modules['gevent-wasm/hub'].Waiter(),
  loop: () => getHub().loop,
  watcher: () => getHub().loop.timer(1),
  timer: () => getHub().loop.timer(1, 1),
  async: () => getHub().loop.async(),
  callback: () => {
    const callback = getHub().loop.runCallback(() => 1);
    callback.stop();
    return callback;
  },
};

/** Whether the entry has `name`, or `Class.member`, static or not. The state may name another entry. */
function exists({ entry: own, ours, state }: Row): boolean {
  const entry = /only from `(\S+)`/.exec(state)?.[1] ?? own;
  const [root, ...rest] = (ours as string).split('.');
  const exported = modules[entry]?.[root];
  if (rest.length === 0) return exported !== undefined || samples[root] !== undefined;
  const member = rest.join('.');
  const key = member.startsWith('[Symbol.') ? (Symbol as any)[member.slice('[Symbol.'.length, -1)] : member;
  const holders = [exported, exported?.prototype, samples[root]?.()].filter((holder) => holder != null).map(Object);
  // What every object has does not count: `toString` is there if it is the class's own.
  const plain = (Object.prototype as any)[key];
  return holders.some((holder) => key in holder && (plain === undefined || holder[key] !== plain));
}

describe('docs/gevent-map.md', () => {
  const rows = readMap();

  test('every state is one of five', () => {
    expect(rows.filter((row) => !STATE.test(row.state))).toEqual([]);
  });

  test('no name is listed twice in one section', () => {
    const keys = rows.map(({ section, gevent, ours }) => `${section}: ${gevent === '—' ? ours : gevent}`);
    expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
  });

  test('what is done, differs or is ours, exists', () => {
    const missing = rows.filter((row) => /^(done|differs|ours)/.test(row.state) && (row.ours === null || !exists(row)));
    expect(missing).toEqual([]);
  });

  test('what is not meaningful has no name of ours', () => {
    expect(rows.filter(({ ours, state }) => state.startsWith('not') && ours !== null)).toEqual([]);
  });

  test.each(Object.keys(modules))('every export of %s is listed', (entry) => {
    const listed = new Set(rows.filter((row) => row.entry === entry).map((row) => row.ours));
    expect(Object.keys(modules[entry]).filter((name) => !listed.has(name))).toEqual([]);
  });
});

describe('each entry by itself', () => {
  // In a process of its own: here all of them are loaded. Two know nothing of hubs.
  const withHub = targets.filter(([entry]) => !/\/(exceptions|core)$/.test(entry));
  test.each(withHub)('%s brings the hub along', async (_entry, target) => {
    const text = `await import(${JSON.stringify(pathToFileURL(join(ROOT, target.source)).href)});
      const { threadHub } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'ts/hub/current.ts')).href)});
      process.stdout.write(threadHub().constructor.name);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', text]);
    expect(stdout).toBe('Hub');
  });
});

describe('the built package', () => {
  const built = targets.filter(([, target]) => existsSync(join(ROOT, target.default)));
  const newest = Math.max(...globSync('ts/**/*.ts', { cwd: ROOT }).map((file) => statSync(join(ROOT, file)).mtimeMs));
  const current = built.every(([, target]) => statSync(join(ROOT, target.default)).mtimeMs >= newest);

  // A build that is missing or older than a source says nothing; CI builds first.
  test.skipIf(built.length < targets.length || !current).each(targets)(
    '%s exports what its source exports',
    async (entry, target) => {
      expect(Object.keys(await load(target.default)).sort()).toEqual(Object.keys(modules[entry]).sort());
    },
  );
});

const source = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/**
 * Static and dynamic imports of a file, as paths from the root; packages by their name. Type-only imports are left out:
 * they are erased, and Hub may name the type of what `hub.spawn` gives.
 */
function importsOf(file: string): string[] {
  const found = source(file).matchAll(
    /^(?:import|export)\s(?!type\s)(?:[^;'"]*?\sfrom\s*)?['"]([^'"]+)['"]|^[^/*\n]*\bimport\(\s*['"]([^'"]+)['"]/gm,
  );
  return [...found].map(([, still, dynamic]) => {
    const specifier = still ?? dynamic;
    return specifier.startsWith('.')
      ? relative(ROOT, join(ROOT, dirname(file), specifier))
          .split(sep)
          .join('/')
      : specifier;
  });
}

describe('who imports whom', () => {
  // Each layer, and what it may import. A file belongs to the first layer that names it.
  const layers: [name: string, files: RegExp, may: RegExp][] = [
    ["asm/ imports nothing outside itself but the compiler's memory", /^asm\//, /^asm\/|^memory$/],
    ['ts/core/ imports nothing outside itself', /^ts\/core\//, /^ts\/core\//],
    [
      'exceptions and config see nothing above the core',
      /^ts\/(exceptions|config)\.ts$/,
      /^ts\/core\/(clock|arguments)\.ts$/,
    ],
    ['ts/hub/ sees the core, exceptions and config', /^ts\/hub\//, /^ts\/(core|hub)\/|^ts\/(exceptions|config)\.ts$/],
    ['ts/testing/ sees all of ts/', /^ts\/testing(\/|\.ts$)/, /^ts\//],
    ['the gevent modules see the hub and each other', /^ts\/[^/]+\.ts$/, /^ts\/(hub\/|core\/|[^/]+\.ts$)/],
    [
      'ts/net/ and ts/sys/ see everything but guests, and Node',
      /^ts\/(net|sys)\//,
      /^ts\/(?!guest|testing)|^node:|^(ws|piscina)$/,
    ],
    [
      'ts/guest/ sees everything, Node, Binaryen, and a file system for WASI',
      /^ts\/guest\//,
      /^ts\/(?!testing)|^node:|^binaryen$|^@bjorn3\/browser_wasi_shim$/,
    ],
    [
      'examples are written as users write: by the package name',
      /^examples\//,
      /^gevent-wasm(\/|$)|^node:|^examples\/|^hdr-histogram-js$/,
    ],
  ];
  const files = globSync('{asm,ts,examples}/**/*.ts', { cwd: ROOT })
    .map((file) => file.split(sep).join('/'))
    .sort();

  test('the scan finds imports at all', () => {
    expect(importsOf('test/surface.test.ts')).toEqual([
      'node:child_process',
      'node:fs',
      'node:path',
      'node:url',
      'node:util',
      'vitest',
    ]);
    expect(importsOf('ts/hub/operation.ts')).toContain('ts/core/contract.ts');
  });

  test.each(layers)('%s', (name, mine, may) => {
    const wrong = files
      .filter((file) => layers.find(([, its]) => its.test(file))?.[0] === name && mine.test(file))
      .flatMap((file) => importsOf(file).map((imported) => ({ file, imported })))
      .filter(({ imported }) => !may.test(imported));
    expect(wrong).toEqual([]);
  });

  test('only ts/core/ sees the WebAssembly module, and only two entries choose a core', () => {
    const outside = files.filter((file) => file.startsWith('ts/') && !/^ts\/(core|guest)\//.test(file));
    expect(outside.filter((file) => /\bWebAssembly\.|\.generated\b/.test(source(file)))).toEqual([]);
    const cores = ['ts/core/wasm.ts', 'ts/core/wasm-debug.ts', 'ts/core/pure.ts'];
    expect(outside.filter((file) => importsOf(file).some((imported) => cores.includes(imported)))).toEqual([
      'ts/core.ts',
      'ts/hub.ts',
    ]);
  });

  test('nothing outside net/, sys/ and guest/ imports a module of Node, so that browsers and bundlers can load it', () => {
    const wrong = files.filter(
      (file) => /^ts\/(?!net|sys|guest)/.test(file) && importsOf(file).some((it) => it.startsWith('node:')),
    );
    expect(wrong).toEqual([]);
  });

  test('every file of ts/ belongs to a layer', () => {
    expect(files.filter((file) => !layers.some(([, its]) => its.test(file)))).toEqual([]);
  });
});
