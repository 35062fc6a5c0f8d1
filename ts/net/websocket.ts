// Entry `gevent-wasm/websocket`: websockets on the `ws` library, received from and sent to in sequence.

export { type ConnectOptions, connect } from './websocket/client.ts';
export { type Data, WebSocket, WebSocketClosed } from './websocket/connection.ts';
export { type WebSocketHandler, type WebSocketOptions, WebSocketServer, websocket } from './websocket/server.ts';
