// What the crawler crawls unless told otherwise: a site on three hosts of this machine, with what makes sites hard. Some pages are
// slow, some fail once and some always, some move, two lead to each other, a calendar goes on for ever, one page never
// answers and one never ends. It keeps account of how it was treated.

import { sleep, until } from 'gevent-wasm';
import { HTTPError, HTTPServer, Response, stream } from 'gevent-wasm/http';

const PAGES = 150;
const LINKS = [
  '/page/1#top',
  '/page/2',
  '/page/2#again',
  '/loop/a',
  '/calendar/1',
  '/silent',
  '/flood',
  '/picture',
  '/missing',
  '/private/diary',
  'mailto:nobody@example.org',
  'http://[broken',
];

export class Site {
  /** What was asked for, most at once of one host, and what robots.txt forbids and was asked for all the same. */
  readonly seen = { requests: 0, mostAtOnce: 0, forbidden: 0 };
  readonly #servers: HTTPServer[] = [];
  readonly #asked = new Set<string>();

  *start() {
    for (let host = 0; host < 3; ++host) {
      const server = new HTTPServer(['127.0.0.1', 0], this.#host());
      yield* server.start();
      this.#servers.push(server);
    }
  }

  /** The handler of a host. */
  #host() {
    let atOnce = 0;
    const site = this;
    return function* (request: Request) {
      const url = new URL(request.url);
      if (url.pathname === '/robots.txt') {
        return new Response('User-agent: *\nDisallow: /private\nCrawl-delay: 0.005\n');
      }
      const { seen } = site;
      ++seen.requests;
      seen.mostAtOnce = Math.max(seen.mostAtOnce, ++atOnce);
      try {
        return yield* site.#answer(url, request);
      } finally {
        --atOnce;
      }
    };
  }

  get urls(): string[] {
    return this.#servers.map((server) => `${server.url}/`);
  }

  *stop() {
    for (const server of this.#servers) yield* server.stop(0);
  }

  /** The page `n`, which lives on one of the hosts. */
  #page(n: number): string {
    return new URL(`/page/${n}`, this.urls[n % 3]).href;
  }

  *#answer(url: URL, request: Request) {
    const [, kind, number] = url.pathname.split('/');
    const n = Number(number);
    switch (kind) {
      case '':
        return html(LINKS);
      case 'page':
        if (!(n >= 1 && n <= PAGES)) throw new HTTPError(404);
        if (n % 10 === 3) yield* sleep(0.1);
        if (n % 12 === 5 && !this.#asked.has(url.pathname)) {
          this.#asked.add(url.pathname);
          return new Response('busy', { status: 503, headers: { 'retry-after': '0' } });
        }
        if (n % 31 === 7) throw new HTTPError(500);
        if (n % 14 === 8) return Response.redirect(`/moved/${n}`);
        return html([2 * n, 2 * n + 1].filter((to) => to <= PAGES).map((to) => this.#page(to)));
      case 'moved':
        return html([`/page/${(n % PAGES) + 1}`, '../']);
      case 'loop':
        return Response.redirect(`/loop/${number === 'a' ? 'b' : 'a'}`);
      case 'calendar':
        return html([`${n + 1}`]);
      case 'silent':
        // Until the client has enough of it.
        yield* until(new Promise((resolve) => request.signal.addEventListener('abort', resolve)));
        break;
      case 'flood':
        return new Response(
          stream(function* (out) {
            for (;;) yield* out.write(' '.repeat(65536));
          }),
          { headers: { 'content-type': 'text/html' } },
        );
      case 'picture':
        return new Response('<a href="/from-a-picture">', { headers: { 'content-type': 'image/png' } });
      case 'private':
        ++this.seen.forbidden;
    }
    throw new HTTPError(404);
  }
}

function html(links: string[]) {
  const anchors = links.map((to) => `<li><a class="x" href="${to.replaceAll('&', '&amp;')}">there</a>`);
  return new Response(`<!doctype html><title>A page</title><ul>${anchors.join('\n')}</ul>`, {
    headers: { 'content-type': 'text/html; charset=utf-8' },
  });
}
