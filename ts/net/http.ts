// Entry `gevent-wasm/http`: a server whose requests are greenlets, and its client.

export { type FetchOptions, fetch } from './http/client.ts';
export { ConnectionClosed, HTTPError } from './http/errors.ts';
export { type Log, LoggingLogAdapter } from './http/log.ts';
export { platformRequest, type RequestInfo } from './http/request.ts';
export { Response } from './http/response.ts';
export {
  type FetchHandler,
  HTTPServer,
  type HTTPServerOptions,
  type InformedHandler,
  type Listener,
  type NodeHandler,
  type Spawn,
  type UpgradeHandler,
} from './http/server.ts';
export {
  type BodyReader,
  type BodyWriter,
  type EventWriter,
  eventStream,
  readBody,
  type ServerSentEvent,
  type Streamed,
  stream,
  write,
} from './http/streaming.ts';
