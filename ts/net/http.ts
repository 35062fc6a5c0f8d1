// Entry `gevent-wasm/http`: a server whose requests are greenlets, and its client.

export type { Address, ListenAddress } from './address.ts';
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
  type NodeHandler,
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
export type { PoolLike, Spawn } from './running.ts';
export type { StopOptions } from './server-life.ts';
