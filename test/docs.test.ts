// The documentation holds what it shows: every ```ts block of README.md and docs/ is checked by the compiler, every one that is a
// whole program runs and prints what it says; examples and files that are named exist, and links lead somewhere.

import { execFile } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = dirname(import.meta.dirname);
const execute = promisify(execFile);

const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/*.md', { cwd: ROOT })].sort();
const text = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

interface Block {
  readonly where: string;
  readonly code: string;
}

const blocks = pages.flatMap((page) =>
  [...text(page).matchAll(/^```ts\n(.*?)^```$/gms)].map(({ index, 1: code }): Block => {
    const line = text(page).slice(0, index).split('\n').length;
    return { where: `${page}:${line}`, code };
  }),
);

/** What the page leaves out around a block, which is found by a line of it. A block that has no entry is a whole program. */
interface Around {
  /** A line of the block. */
  readonly with: string;
  /** In front of it. */
  readonly before?: string;
  /** It stands in the body of a greenlet, async or generator. */
  readonly inside?: 'async' | 'function*';
  /** Lines that are replaced, so that it ends. */
  readonly instead?: [line: string, by: string];
  readonly after?: string;
  /** What it prints. Not given: it is compiled and not run. */
  readonly prints?: string;
}

const AROUND: Around[] = [
  {
    with: "const workers = [spawn(worker, 'ann'), spawn(worker, 'bob')];",
    prints: 'ann did 1\nbob did 2\nann did 3\nann did 5\nann did 6\nann goes home\nbob goes home\n',
  },
  {
    with: 'const server = new HTTPServer(8080, function* (request) {',
    instead: [
      'await server.serveForever();',
      "await server.start(); console.log(await (await fetch(server.url + '/x')).text()); await server.stop();",
    ],
    prints: 'hello /x\n',
  },
  {
    with: 'return new Response(stream(function* (out) {',
    before: `import { eventStream, Response, stream } from 'gevent-wasm/http'; import { Event } from 'gevent-wasm/event';
      declare const rows: string[]; declare const news: Event;`,
    inside: 'function*',
  },
  {
    with: 'const server = new WebSocketServer(8081, function* (socket) {',
    after:
      "const c = await connect(server.url.replace('http', 'ws')); await c.send('hi'); console.log(await c.receive()); await c.close(); await server.stop();",
    prints: 'you said hi\n',
  },
  {
    with: 'const state = { visitors: 0 };',
    after: 'await backdoor.stop();',
    prints: '',
  },
  { with: 'using trace = traceSchedule();', prints: '' },
  {
    with: 'const op = sleep(1);   // nothing yet',
    before: "import { sleep } from 'gevent-wasm';",
    inside: 'function*',
  },
  {
    with: '  report(e);',
    before:
      "import { type Operation, rethrowControl } from 'gevent-wasm'; declare function work(): Operation<void>; declare function report(e: unknown): void;",
    inside: 'function*',
  },
  {
    with: '  using _ = yield* semaphore.lock();   // released at the end of the block, however it ends',
    before: `import { Semaphore, RLock } from 'gevent-wasm/lock'; import { forEach, Queue } from 'gevent-wasm/queue';
      declare const semaphore: Semaphore; declare const lock: RLock; declare const queue: Queue<string>; declare const argument: string;
      declare function work(x?: string): Generator<any, void, any>; declare function report(x: string): Promise<void>;`,
    inside: 'async',
  },
  { with: 'using world = simulate();', after: 'console.log(world.log.join());', prints: 'an hour later\n' },
  { with: "await conn.sendall('hello\\n');", prints: 'HELLO\n\n' },
  {
    with: "const secure = yield* context.wrapSocket(yield* createConnection(['example.org', 443]), { serverHostname: 'example.org' });",
    before:
      "import { createDefaultContext } from 'gevent-wasm/ssl'; import { createConnection } from 'gevent-wasm/socket';",
    inside: 'function*',
  },
  {
    with: "const greenlet = program.spawn('main', 3);",
    before: 'declare const bytes: Uint8Array; declare const prices: Map<number, number>;',
  },
  { with: 'const python = await loadWasi(bytes);', before: 'declare const bytes: Uint8Array;' },
  {
    with: "import * as socket from 'gevent-wasm/socket';",
    before: "import { load } from 'gevent-wasm/guest'; declare const bytes: Uint8Array;",
  },
  // Its programs are there or not.
  { with: "const text = await checkOutput(['git', 'log', '-1'], { text: true });" },
  { with: "const file = new FileObject('notes.txt');", prints: 'a note\n\n' },
  {
    with: "const program = await load(await readFile('build/guest.wasm'));",
    before:
      "import { readFile } from 'node:fs/promises'; import { load } from 'gevent-wasm/guest'; import { Channel } from 'gevent-wasm/queue';",
  },
];

/** Written in another language that ends in .ts. */
const isAssembly = ({ code }: Block): boolean => code.includes("from 'gevent-wasm/assembly'");
const checked = blocks.filter((block) => !isAssembly(block));

function around({ code }: Block): Around | undefined {
  return AROUND.find((one) => code.split('\n').some((line) => line.startsWith(one.with)));
}

/** The whole of it. */
function program(block: Block): string {
  const entry = around(block);
  let { code } = block;
  // Ports of the pages may be taken on this machine.
  code = code.replaceAll(/(Server\()\d{4}\b/g, '$10');
  if (entry?.instead) code = code.replace(entry.instead[0], entry.instead[1]);
  if (entry?.inside)
    code = `export ${entry.inside === 'async' ? 'async function*' : 'function*'} body(): any {\n${code}}\n`;
  return `${entry?.before ?? ''}\n${code}\n${entry?.after ?? ''}\nexport {};\n`;
}

const file = ({ where }: Block): string => `${where.replaceAll(/\W/g, '-')}.ts`;

describe('code blocks', { timeout: 120_000 }, () => {
  // Inside the package, so that it is found by its name.
  const dir = mkdtempSync(join(ROOT, '.docs-'));
  const elsewhere = mkdtempSync(join(tmpdir(), 'docs-'));
  beforeAll(() => {
    writeFileSync(join(elsewhere, 'notes.txt'), 'a note\n');
    for (const block of checked) writeFileSync(join(dir, file(block)), program(block));
  });
  afterAll(() => {
    for (const each of [dir, elsewhere]) rmSync(each, { recursive: true });
  });

  test('there are some, and what stands around them is of use', () => {
    expect(blocks.length).toBeGreaterThan(15);
    const unused = AROUND.filter((one) => !checked.some((block) => around(block) === one));
    expect(unused.map((one) => one.with)).toEqual([]);
  });

  test('each is accepted by the compiler', async () => {
    const config = {
      extends: '../tsconfig.json',
      compilerOptions: { noUnusedLocals: false, noImplicitReturns: false },
      include: ['*.ts'],
    };
    writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(ROOT, 'node_modules/.bin/tsc');
    const { stdout } = await execute(tsc, ['-p', dir, '--noEmit'], { cwd: ROOT }).catch((error) => error);
    expect(stdout.replaceAll(/^.*?\.docs-[^/]*\//gm, '')).toBe('');
  });

  test('those in JavaScript are JavaScript', async () => {
    const scripts = pages.flatMap((page) => [...text(page).matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code));
    expect(scripts.length).toBeGreaterThan(1);
    for (const code of scripts) {
      const path = join(elsewhere, 'block.mjs');
      writeFileSync(path, code);
      await execute(process.execPath, ['--check', path]);
    }
  });

  const runnable = checked.filter((block) => around(block)?.prints !== undefined || around(block) === undefined);
  test.each(runnable.map((block) => [block.where, block] as const))(
    '%s runs, and prints what it says',
    async (_where, block) => {
      const { stdout, stderr } = await execute(process.execPath, ['--conditions=source', join(dir, file(block))], {
        cwd: elsewhere,
        timeout: 60_000,
      });
      expect(stderr).toBe('');
      if (around(block)?.prints !== undefined) expect(stdout).toBe(around(block)?.prints);
    },
  );
});

describe.each(pages)('%s', (page) => {
  test('names examples and scripts that exist', () => {
    const { scripts } = JSON.parse(text('package.json'));
    for (const [, name] of text(page).matchAll(/npm run ([\w:-]+)/g)) expect(scripts).toHaveProperty(name);
    const examples = [...text(page).matchAll(/npm run example ([\w-]+)/g)]
      .map(([, name]) => name)
      .filter((name) => name !== 'name');
    for (const name of examples) expect(existsSync(join(ROOT, `examples/${name}.ts`)), name).toBe(true);
  });

  test('links to files and headings that are there', () => {
    const prose = text(page).replaceAll(/^```.*?^```$/gms, '');
    const wrong: string[] = [];
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path, heading] = target.split('#');
      const to = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, to))) wrong.push(target);
      else if (heading !== undefined && !headings(to).includes(heading)) wrong.push(target);
    }
    expect(wrong).toEqual([]);
  });
});

/** The names by which headings of a page are reached. */
function headings(page: string): string[] {
  return [...text(page).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(/\s/g, '-'),
  );
}
