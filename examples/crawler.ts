// A crawler: a queue of pages, a greenlet a host that sees to politeness, a pool that reads, and retries with back-off.
//
//     npm run example crawler                      crawls a site of its own, which is no easy one
//     npm run example crawler 500 http://localhost:8000/
//
// It stays on the hosts it was given, keeps to their robots.txt, and ends at Ctrl-C with what it has.

import { killall, rethrowControl, signalHandler, sleep, spawn, Timeout, until } from 'gevent-wasm';
import { fetch } from 'gevent-wasm/http';
import { Semaphore } from 'gevent-wasm/lock';
import { Pool } from 'gevent-wasm/pool';
import { forEach, JoinableQueue } from 'gevent-wasm/queue';
import { Site } from './crawler/site.ts';

/** Pages read at once, of all hosts and of one. */
const AT_ONCE = 20;
const AT_ONCE_OF_A_HOST = 2;
/** Seconds that a page may take, tries, and seconds before the second one; each further pause is twice as long. */
const PATIENCE = 1;
const TRIES = 3;
const PAUSE = 0.1;
/** Bytes of a page, and links from the start to it, at most. */
const MOST_BYTES = 1 << 20;
const DEEPEST = 20;
const NAME = 'gevent-wasm-example';

interface Task {
  readonly url: URL;
  readonly depth: number;
  readonly from: string;
}

// ---- what is to be done -----------------------------------------------------------------------------------------------

const tasks = new JoinableQueue<Task>();
const known = new Set<string>();
const hosts = new Map<string, Host>();
const pool = new Pool(AT_ONCE);
const result = { pages: 0, bytes: 0, retries: 0, moved: 0, forbidden: 0, tooDeep: 0, overLimit: 0 };
const failed: string[] = [];

function add(link: string, depth: number, base?: URL): void {
  const url = URL.parse(link, base);
  if (url === null || !hosts.has(url.host)) return;
  url.hash = '';
  if (known.has(url.href)) return;
  if (depth > DEEPEST) ++result.tooDeep;
  else if (known.size >= mostPages) ++result.overLimit;
  else {
    known.add(url.href);
    tasks.putNowait({ url, depth, from: base?.href ?? 'the start' });
  }
}

/** Each page to the queue of its host, so that a slow host keeps nobody from the others. */
function* sort() {
  yield* forEach(tasks, (task) => hosts.get(task.url.host)?.queue.putNowait(task));
}

// ---- hosts ------------------------------------------------------------------------------------------------------------

class Host {
  readonly queue = new JoinableQueue<Task>();
  readonly #origin: string;
  readonly #free = new Semaphore(AT_ONCE_OF_A_HOST);
  #delay = 0;
  /** Seconds that it asked us to stay away. */
  #away = 0;

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Have its pages read: not what it forbids, not too many at once, not too fast. */
  *run() {
    const forbidden = yield* this.#rules();
    for (;;) {
      const task = yield* this.queue.get();
      if (forbidden.some((prefix) => task.url.pathname.startsWith(prefix))) {
        ++result.forbidden;
        tasks.taskDone();
        continue;
      }
      yield* this.#free.acquire();
      yield* sleep(this.#delay + this.#away);
      this.#away = 0;
      yield* pool.spawn(read, task, this);
    }
  }

  done(): void {
    this.#free.release();
    tasks.taskDone();
  }

  stayAway(seconds: number): void {
    this.#away = Math.max(this.#away, Math.min(seconds, 60));
  }

  *#rules() {
    const forbidden: string[] = [];
    try {
      const { status, text } = yield* ask(new URL('/robots.txt', this.#origin));
      let forUs = false;
      for (const line of status === 200 ? text.split(/\r?\n/) : []) {
        const [, key, value] = /^\s*([\w-]+)\s*:\s*(.*?)\s*(?:#.*)?$/.exec(line) ?? [];
        if (/^user-agent$/i.test(key)) forUs = value === '*' || value === NAME;
        else if (forUs && /^disallow$/i.test(key) && value !== '') forbidden.push(value);
        else if (forUs && /^crawl-delay$/i.test(key)) this.#delay = Math.min(Number(value) || 0, 10);
      }
    } catch (error) {
      rethrowControl(error);
      // It has no rules that we could read; the pages will tell what is wrong.
    }
    return forbidden;
  }
}

// ---- pages ------------------------------------------------------------------------------------------------------------

/** One page: ask for it, again if need be, and add what it leads to. */
function* read(task: Task, host: Host) {
  try {
    const { status, text, location, type } = yield* insist(task.url, host);
    if (location !== null) {
      ++result.moved;
      add(location, task.depth, task.url);
    } else if (status !== 200) throw new Error(`status ${status}`);
    else {
      ++result.pages;
      if (type.startsWith('text/html')) for (const link of linksIn(text)) add(link, task.depth + 1, task.url);
    }
  } catch (error) {
    rethrowControl(error);
    failed.push(`${task.url.href}: ${(error as Error).message}, linked from ${task.from}`);
  } finally {
    host.done();
  }
}

/** Try again what may be better next time, later each time. */
function* insist(url: URL, host: Host) {
  for (let attempt = 1; ; ++attempt) {
    let problem: Error;
    const limit = Timeout.startNew(PATIENCE);
    try {
      const answer = yield* ask(url);
      if (answer.status !== 429 && answer.status < 500) return answer;
      if (answer.retryAfter > 0) host.stayAway(answer.retryAfter);
      problem = new Error(`status ${answer.status}`);
    } catch (error) {
      // A kill goes on, and so does a Timeout of somebody else's.
      if (error !== limit) rethrowControl(error);
      problem = error === limit ? new Error(`no answer in ${PATIENCE} s`) : reason(error as Error);
    } finally {
      limit.cancel();
    }
    if (attempt === TRIES) throw problem;
    ++result.retries;
    yield* sleep(PAUSE * 2 ** (attempt - 1) * (0.5 + Math.random()));
  }
}

/** fetch hides why it failed. */
function reason(error: Error): Error {
  return error.cause instanceof Error ? error.cause : error;
}

function* ask(url: URL) {
  const response = yield* fetch(url, { redirect: 'manual', headers: { 'user-agent': NAME } });
  const { status, headers } = response;
  return {
    status,
    text: yield* beginning(response),
    location: status >= 300 && status < 400 ? headers.get('location') : null,
    type: headers.get('content-type') ?? '',
    retryAfter: Number(headers.get('retry-after')) || 0,
  };
}

/** The body as text, as far as it is of use. */
function* beginning(response: globalThis.Response) {
  if (response.body === null) return '';
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (let left = MOST_BYTES; left > 0; ) {
      const { done, value } = yield* until(reader.read());
      if (done) break;
      result.bytes += value.length;
      left -= value.length;
      text += decoder.decode(value, { stream: true });
    }
    return text;
  } finally {
    // Closes the connection, if it was not all.
    reader.cancel().catch(() => {});
  }
}

function linksIn(html: string): string[] {
  const links = html.matchAll(/<a\s[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/gi);
  return [...links].map(([, a, b, c]) => (a ?? b ?? c).replaceAll('&amp;', '&'));
}

// ---- progress ---------------------------------------------------------------------------------------------------------

/** A line that is written over in a terminal, and one a second elsewhere. */
function* showProgress() {
  const terminal = process.stderr.isTTY;
  try {
    for (;;) {
      yield* sleep(terminal ? 0.1 : 1);
      const line = `${result.pages} pages, ${tasks.unfinishedTasks} to do, ${pool.length} being read, ${failed.length} failed`;
      process.stderr.write(terminal ? `\r${line.slice(0, (process.stderr.columns || 80) - 1)}\x1b[K` : `${line}\n`);
    }
  } finally {
    if (terminal) process.stderr.write('\r\x1b[K');
  }
}

// ---- the program ------------------------------------------------------------------------------------------------------

const [first, ...rest] = process.argv.slice(2);
const mostPages = first === undefined || /^\d+$/.test(first) ? Number(first ?? 1000) : 1000;
const given = first === undefined || /^\d+$/.test(first) ? rest : [first, ...rest];
if (mostPages === 0 || !given.every((url) => /^https?:$/.test(URL.parse(url)?.protocol ?? ''))) {
  console.error('usage: npm run example crawler [pages] [http://host/ …]');
  process.exit(2);
}

const site = given.length === 0 ? new Site() : null;
if (site !== null) await spawn(() => site.start()).get();
const starts = site?.urls ?? given;

const began = performance.now();
for (const url of starts) hosts.set(new URL(url).host, new Host(new URL(url).origin));
for (const url of starts) add(url, 0);
const workers = [spawn(sort), spawn(showProgress), ...[...hosts.values()].map((host) => spawn(() => host.run()))];
const joining = spawn(() => tasks.join());
signalHandler('SIGINT', () => joining.kill());
await joining.join();
await killall(workers);
await pool.kill();

const seconds = (performance.now() - began) / 1000;
const { pages, bytes, retries, moved, forbidden, tooDeep, overLimit } = result;
if (tasks.unfinishedTasks > 0) console.log(`called off with ${tasks.unfinishedTasks} pages to do`);
console.log(`${pages} pages, ${moved} moved, ${failed.length} failed, after ${retries} retries`);
console.log(`left alone: ${forbidden} forbidden, ${tooDeep} too deep, ${overLimit} beyond ${mostPages} pages`);
for (const line of failed.sort()) console.log(`  ${line}`);
console.log(`${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s, ${Math.round(pages / seconds)} pages a second`);
if (site !== null) {
  const { requests, mostAtOnce } = site.seen;
  console.log(
    `the site saw ${requests} requests, ${mostAtOnce} at once of a host, ${site.seen.forbidden} of what it forbids`,
  );
  await spawn(() => site.stop()).get();
}
