// fetch, and the parts of what it gives, as cooperative calls: a kill or a Timeout of the greenlet reaches the connection.

import { Framed } from '../../framed.ts';
import type { Operation } from '../../hub/operation.ts';
import type { Park } from '../../hub/protocol.ts';
import { until } from '../../until.ts';
import { platformRequest } from './request.ts';

export interface FetchOptions extends RequestInit {
  /** The fetch to call, of undici or of an agent's own. Default: the platform's. */
  fetch?: (input: any, init?: any) => Promise<any>;
}

/**
 * The platform's `fetch`, as an operation: `const response = yield* fetch(url)`. Switch point. Killed or timed out, the request
 * is aborted and its connection closed. The body of the response is read by `yield* until(response.text())`, or whole with
 * the request: `const text = yield* fetch.text(url)`.
 * @throws what fetch throws: TypeError if there is no answer
 */
export function fetch(input: string | URL | Request, options: FetchOptions = {}): Operation<Response> {
  return new Framed('fetch', () => fetching(input, options, null));
}

/** The whole text of the response. */
fetch.text = (input: string | URL | Request, options: FetchOptions = {}): Operation<string> =>
  new Framed('fetch', () => fetching(input, options, (response) => response.text()));

/** The whole response as JSON. */
fetch.json = (input: string | URL | Request, options: FetchOptions = {}): Operation<any> =>
  new Framed('fetch', () => fetching(input, options, (response) => response.json()));

function* fetching<T>(
  input: string | URL | Request,
  options: FetchOptions,
  read: ((response: Response) => Promise<T>) | null,
): Generator<Park, any, any> {
  const { fetch: call = globalThis.fetch, signal, ...init } = options;
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  if (signal) {
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  }
  let done = false;
  try {
    const response: Response = yield* until(
      call(input instanceof Request ? platformRequest(input) : input, { ...init, signal: controller.signal }),
    );
    const result = read === null ? response : yield* until(read(response));
    done = true;
    return result;
  } finally {
    signal?.removeEventListener('abort', abort);
    if (!done) controller.abort();
  }
}
