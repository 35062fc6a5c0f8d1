// The engines there are, and how a cell of the matrix is run in each: a process or a page of its own, whose lines are the result.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, resolve } from 'node:path';
import { chromium } from 'playwright-core';

export interface Cell {
  readonly passed: string[];
  /** Why each was left out. */
  readonly skipped: Record<string, string>;
  readonly failed: Record<string, string>;
  /** Why nothing was run. */
  readonly cannot: string | null;
  /** Anything else that was printed. */
  readonly said: string;
}

export interface Engine {
  readonly name: string;
  /** Why it is not here, or null. */
  readonly missing: string | null;
  run(folder: string, cell: string): Promise<Cell>;
}

const LIMIT_MS = 120_000;

function read(output: string, ended: string): Cell {
  const made = { passed: [] as string[], skipped: {} as Record<string, string>, failed: {} as Record<string, string> };
  let cannot: string | null = null;
  let done = false;
  let said = '';
  for (const line of output.split('\n')) {
    if (!line.startsWith('gevent: ')) {
      said += line === '' ? '' : `${line}\n`;
      continue;
    }
    const it = JSON.parse(line.slice('gevent: '.length));
    if (it.cannot !== undefined) cannot = it.cannot;
    else if (it.done) done = true;
    else if (it.skipped !== undefined) made.skipped[it.name] = it.skipped;
    else if (it.ok) made.passed.push(it.name);
    else made.failed[it.name] = it.error;
  }
  if (!done && cannot === null) made.failed['(the run)'] = `did not come to its end: ${ended}\n${said}`;
  return { ...made, cannot, said };
}

function inProcess(name: string, file: string, args: (cell: string) => string[]): Engine {
  return {
    name,
    missing: existsSync(file) ? null : 'not installed: npm ci --prefix test/engines',
    run: (folder, cell) =>
      new Promise((done, failed) => {
        const env = { ...process.env, GEVENT_CELL: cell, NO_COLOR: '1' };
        const child = spawn(file, [...args(cell), join(folder, 'suite.js')], {
          cwd: folder,
          env,
          stdio: ['ignore', 'pipe', 'pipe'],
          timeout: LIMIT_MS,
        });
        let output = '';
        let errors = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
        child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
        child.on('error', failed);
        child.on('close', (code, signal) =>
          done(read(output, `${signal ?? `exit code ${code}`}\n${errors.slice(-3000)}`)),
        );
      }),
  };
}

// ---- Chromium -------------------------------------------------------------------------------------------------------

const CHROMIUM = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (file) => file !== '' && existsSync(file),
);

const PAGE = `<!doctype html><meta charset="utf-8"><title>gevent-wasm</title>
<script type="importmap">{ "imports": { "binaryen": "/node_modules/binaryen/index.js" } }</script>
<script type="module" src="/suite.js"></script>`;

const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.map': 'application/json',
};

/** The pages of the folder, on a port of this machine. */
async function serve(folder: string): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
    if (path === '/favicon.ico') return void response.writeHead(204).end();
    if (path === '/') return void response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    const file = ['pages', '.'].map((part) => resolve(folder, part, `.${path}`)).find((it) => existsSync(it));
    if (file === undefined || !file.startsWith(folder)) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain' }).end(readFileSync(file));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const inChromium: Engine = {
  name: 'Chromium',
  missing: CHROMIUM === undefined ? 'not installed: apt-get install chromium' : null,
  async run(folder, cell) {
    const { url, close } = await serve(folder);
    const args = ['--no-sandbox', ...(cell === 'wasmfx' ? ['--js-flags=--wasm-wasmfx'] : [])];
    const browser = await chromium.launch({ executablePath: CHROMIUM as string, args });
    try {
      const page = await browser.newPage();
      let output = '';
      let ended = 'time is up';
      const over = new Promise<void>((done) => {
        const timer = setTimeout(done, LIMIT_MS);
        page.on('console', (message) => {
          output += `${message.text()}\n`;
          if (!/^gevent: \{"(done|cannot)"/.test(message.text())) return;
          clearTimeout(timer);
          done();
        });
        page.on('pageerror', (error) => {
          output += `${error.message}\n`;
        });
        page.on('crash', () => {
          ended = 'the page crashed';
          clearTimeout(timer);
          done();
        });
      });
      // Its module waits for the whole suite, and the page for the module.
      await page.goto(`${url}?GEVENT_CELL=${cell}`, { waitUntil: 'commit' });
      await over;
      return read(output, ended);
    } finally {
      await browser.close();
      close();
    }
  },
};

// ---- all ------------------------------------------------------------------------------------------------------------

const MODULES = join(import.meta.dirname, 'node_modules');

export const ENGINES: readonly Engine[] = [
  inProcess('Node 26', process.execPath, () => []),
  inProcess('Node 24', join(MODULES, 'node-24/bin/node'), () => []),
  inProcess('Node 22', join(MODULES, 'node-22/bin/node'), () => []),
  inProcess('Deno 2.9', join(MODULES, '.bin/deno'), (cell) => [
    'run',
    '--allow-all',
    '--quiet',
    '--node-modules-dir=manual',
    ...(cell === 'wasmfx' ? ['--v8-flags=--experimental-wasm-wasmfx'] : []),
  ]),
  inProcess('Bun 1.4', join(MODULES, '.bin/bun'), () => ['run']),
  inChromium,
];

export const CELLS = ['main', 'asyncify', 'bundled', 'wasmfx', 'jspi'] as const;
