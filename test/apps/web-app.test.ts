// The web application, by the clients it is for: undici, the ws library, wrk, and two pages in a browser.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { Client, request } from 'undici';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { clean, lines, run, serving, which } from '../support/programs.ts';

const execute = promisify(execFile);

async function get(url: string, options: Parameters<typeof request>[1] = {}) {
  const { statusCode, headers, body } = await request(url, options);
  return { status: statusCode, headers, text: await body.text() };
}

/** A visitor of the chat, and what he has heard. */
async function visit(url: string, query: string) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/chat?${query}`);
  onTestFinished(() => socket.terminate());
  const heard: string[] = [];
  let arrived = () => {};
  socket.on('message', (data) => {
    const { name, text, error } = JSON.parse(String(data));
    heard.push(error ?? `${name}: ${text}`);
    arrived();
  });
  await once(socket, 'open');
  /** The first `count` of what was heard. */
  const hears = async (count: number): Promise<string[]> => {
    while (heard.length < count) await new Promise<void>((resolve) => (arrived = resolve));
    return heard;
  };
  return { socket, hears };
}

describe('web-app', { timeout: 60_000 }, () => {
  let server: Awaited<ReturnType<typeof serving>>;
  let url: string;
  beforeAll(async () => {
    server = await serving('web-app', '0');
    url = server.url;
  });
  afterAll(() => void server.child.kill('SIGKILL'));

  test('answers its routes, and refuses what is none', async () => {
    expect(await get(url)).toMatchObject({ status: 200, text: expect.stringContaining('<h1>Chat</h1>') });
    expect(JSON.parse((await get(`${url}/status`)).text)).toMatchObject({ visitors: 0, requests: 1 });
    expect((await get(`${url}/nowhere`)).status).toBe(404);
    expect((await get(`${url}/say`)).status).toBe(405);
    expect(await get(`${url}/poll?seen=x`)).toMatchObject({
      status: 400,
      text: expect.stringContaining('seen: expected'),
    });
    expect((await get(`${url}/say`, { method: 'POST', body: '' })).status).toBe(400);
    expect((await get(`${url}/say`, { method: 'POST', body: 'x'.repeat(3000) })).status).toBe(400);
    expect((await get(`${url}/say`, { method: 'POST', body: 'x'.repeat(20_000) })).status).toBe(413);
  });

  test('long polling answers when somebody speaks, with all that was missed', async () => {
    const { seen } = JSON.parse((await say('first')).text);
    const answers = Promise.all([1, 2, 3].map(() => get(`${url}/poll?seen=${seen}`)));
    await say('second');
    for (const { text } of await answers)
      expect(JSON.parse(text).messages).toMatchObject([{ name: 'ann', text: 'second' }]);
  });

  async function say(text: string) {
    expect((await get(`${url}/say?name=ann`, { method: 'POST', body: text })).status).toBe(204);
    return get(`${url}/poll?seen=0`);
  }

  test('events go on where the client was cut off', async () => {
    const { seen } = JSON.parse((await say('before')).text);
    const client = new Client(url);
    onTestFinished(() => client.destroy());
    const { body } = await client.request({
      path: '/events',
      method: 'GET',
      headers: { 'last-event-id': String(seen - 1) },
    });
    let got = '';
    body.setEncoding('utf8').on('data', (text: string) => (got += text));
    while (!got.includes('before')) await once(body, 'data');
    await say('after');
    while (!got.includes('after')) await once(body, 'data');
    expect(got.match(/^(id|event): .*$/gm)).toEqual([`event: said`, `id: ${seen}`, `event: said`, `id: ${seen + 1}`]);
  });

  test('what one says in a websocket all hear, in one order, later ones too', async () => {
    const { seen } = JSON.parse((await say('start')).text);
    const [ann, bob] = await Promise.all([visit(url, `name=ann&seen=${seen}`), visit(url, `name=bob&seen=${seen}`)]);
    for (let i = 0; i < 100; ++i) {
      ann.socket.send(`a${i}`);
      bob.socket.send(`b${i}`);
    }
    const heard = await ann.hears(200);
    expect(await bob.hears(200)).toEqual(heard);
    expect(heard.filter((text) => text.startsWith('ann'))).toEqual(Array.from({ length: 100 }, (_, i) => `ann: a${i}`));
    const late = await visit(url, `name=eve&seen=${seen + 150}`);
    expect(await late.hears(50)).toEqual(heard.slice(150));
    expect(JSON.parse((await get(`${url}/status`)).text).visitors).toBe(3);
    late.socket.send('');
    expect((await late.hears(51))[50]).toMatch(/^text: expected 1 to 2000/);
    late.socket.close();
    await once(late.socket, 'close');
    // Her end of the connection is closed a moment before the server's.
    await expect.poll(async () => JSON.parse((await get(`${url}/status`)).text).visitors).toBe(2);
  });

  test('a message too large, a page of another site and a connection that breaks harm nobody', async () => {
    const { socket } = await visit(url, 'name=big');
    socket.send('x'.repeat(20_000));
    const [code] = await once(socket, 'close');
    expect(code).toBe(1009);
    const foreign = new WebSocket(`${url.replace('http', 'ws')}/chat`, { origin: 'https://elsewhere.example' });
    const [error] = await once(foreign, 'error');
    expect(String(error)).toMatch(/403/);
    (await visit(url, 'name=gone')).socket.terminate();
    expect((await get(url)).status).toBe(200);
  });

  test.skipIf(which('wrk') === null)('wrk: no errors under load, while a chat goes on', async () => {
    const { seen } = JSON.parse((await say('load')).text);
    const { socket, hears } = await visit(url, `name=ann&seen=${seen}`);
    const load = execute('wrk', ['-t1', '-c50', '-d2s', url]);
    for (let i = 1; i <= 20; ++i) {
      socket.send(`under load ${i}`);
      expect((await hears(i))[i - 1]).toBe(`ann: under load ${i}`);
    }
    const { stdout } = await load;
    expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
    expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(500);
  });

  test('Ctrl-C ends it, requests that wait included', async () => {
    const { socket } = await visit(url, 'name=ann');
    const poll = request(`${url}/poll?seen=${JSON.parse((await say('last')).text).seen}`).then(
      ({ statusCode }) => statusCode,
      String,
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    server.child.kill('SIGINT');
    const [code] = await once(socket, 'close');
    expect(code).toBe(1001);
    expect(await poll).toBe(500);
    const { stdout, stderr, ...rest } = await server.ended;
    expect(rest).toMatchObject({ code: 0, signal: null });
    // Who sent too much is cut off, not reported.
    expect(stderr).toBe('');
    expect(stdout).toBe(lines(`listening on ${url}`, 'stopped'));
  });

  test.each([['x'], ['70000'], ['1', '2']])('wrong arguments %j get a usage line', async (...args) => {
    expect(await run('web-app', ...args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'usage: npm run example web-app [port]\n',
    });
  });
});

const executablePath = which('chromium');

describe.skipIf(executablePath === null)('web-app in a browser', { timeout: 60_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox'] });
  }, 60_000);
  afterAll(() => browser?.close());

  const last = (page: Page) => page.locator('#list li').last();
  async function say(page: Page, text: string) {
    await page.locator('#text').fill(text);
    await page.locator('button').click();
  }

  test('two pages talk to each other, markup stays text, and a page comes back to a server that was restarted', async () => {
    let server = await serving('web-app', '0');
    onTestFinished(() => void server.child.kill('SIGKILL'));
    const context = await browser.newContext({ viewport: { width: 420, height: 460 }, colorScheme: 'light' });
    onTestFinished(() => context.close());
    const errors: string[] = [];
    const open = async (name: string) => {
      const page = await context.newPage();
      page.on('pageerror', (error) => errors.push(String(error)));
      await page.goto(`${server.url}/?name=${name}`);
      await page.getByText('connected', { exact: true }).waitFor();
      return page;
    };
    const [ann, bob] = await Promise.all([open('ann'), open('bob')]);
    const talk: [Page, Page, string][] = [
      [ann, bob, 'Is anybody there?'],
      [bob, ann, 'Yes: one greenlet for you, one for me.'],
      [ann, bob, '<b onclick="x">And if you are slow?</b>'],
      [bob, ann, 'Then I wait, and nobody else does.'],
    ];
    for (const [from, to, text] of talk) {
      await say(from, text);
      await last(to).getByText(text, { exact: true }).waitFor();
      await last(from).getByText(text, { exact: true }).waitFor();
    }
    expect(await bob.locator('#list li').count()).toBe(4);
    expect(await bob.locator('#list li.own').count()).toBe(2);
    if (process.env.SCREENSHOT) await bob.screenshot({ path: process.env.SCREENSHOT });
    server.child.kill('SIGINT');
    expect(await server.ended).toMatchObject(clean);
    await ann.getByText('cut off, trying again').waitFor();
    server = await serving('web-app', new URL(server.url).port);
    await Promise.all([ann, bob].map((page) => page.getByText('connected', { exact: true }).waitFor()));
    await say(ann, 'We are back.');
    await last(bob).getByText('We are back.', { exact: true }).waitFor();
    expect(errors).toEqual([]);
  });
});
