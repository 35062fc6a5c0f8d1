// Entry `gevent-wasm/ssl`: TLS over cooperative sockets.

import { Framed } from '../framed.ts';
import type { Operation } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { createConnection, type InetAddress, type socket } from './socket.ts';
import { SSLContext, type SSLOptions, type SSLSocket, type WrapOptions } from './tls.ts';

export {
  CERT_NONE,
  CERT_OPTIONAL,
  CERT_REQUIRED,
  createDefaultContext,
  Purpose,
  SSLCertVerificationError,
  SSLContext,
  SSLError,
  type SSLOptions,
  SSLSocket,
  type WrapOptions,
} from './tls.ts';

/**
 * Speak TLS over a connected socket, with a context of these options alone: without `rejectUnauthorized` no certificate is
 * checked. @see `gevent.ssl.wrap_socket`, the source.
 */
export function wrapSocket(sock: socket, options: SSLOptions & WrapOptions = {}): Operation<SSLSocket> {
  const { serverSide, serverHostname, doHandshakeOnConnect, session, timeout, ...rest } = options;
  const wrap: WrapOptions = {};
  if (serverSide !== undefined) wrap.serverSide = serverSide;
  if (serverHostname !== undefined) wrap.serverHostname = serverHostname;
  if (doHandshakeOnConnect !== undefined) wrap.doHandshakeOnConnect = doHandshakeOnConnect;
  if (session !== undefined) wrap.session = session;
  if (timeout !== undefined) wrap.timeout = timeout;
  return new SSLContext(rest).wrapSocket(sock, wrap);
}

function* fetchCertificate(address: InetAddress, options: SSLOptions): Generator<Park, string, any> {
  const plain = yield* createConnection(address);
  const context = new SSLContext(options);
  const secure = yield* context.wrapSocket(plain, { serverHostname: address[0] });
  try {
    const der = (secure.getpeercert(true) as Buffer).toString('base64');
    return `-----BEGIN CERTIFICATE-----\n${der.replace(/(.{64})(?=.)/g, '$1\n')}\n-----END CERTIFICATE-----\n`;
  } finally {
    secure.close();
  }
}

/** A server's certificate as PEM text, checked only if `options` say whom to trust. Switch point. */
export function getServerCertificate(address: InetAddress, options: SSLOptions = {}): Operation<string> {
  return new Framed('getServerCertificate', () =>
    fetchCertificate(address, options.ca || options.cafile ? { rejectUnauthorized: true, ...options } : options),
  );
}
