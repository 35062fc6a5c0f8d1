// TLS between our own ends, and with node:tls at the other one.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { sleep, spawn } from '../../ts/index.ts';
import { StreamServer } from '../../ts/net/server.ts';
import * as S from '../../ts/net/socket.ts';
import * as ssl from '../../ts/net/ssl.ts';
import { CORES, thrown, told } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

type Body<T = any> = Generator<any, T, any>;

const file = (name: string): string => join(import.meta.dirname, '../support/certs', name);
const CA = { cafile: file('ca.pem') };
const SERVER = { certfile: file('server.pem'), keyfile: file('server.key') };

async function run<T>(body: () => Body<T>): Promise<T> {
  const g = spawn(body);
  g.$quiet = true;
  return (await g.get({ timeout: 30 })) as T;
}

function* caught(op: any): Body<any> {
  try {
    return yield* op;
  } catch (error) {
    return told(error);
  }
}

function* echo(socket: S.socket): Body<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendall(data);
  }
}

const serverContext = (): ssl.SSLContext => ssl.createDefaultContext(ssl.Purpose.CLIENT_AUTH, SERVER);
const clientContext = (): ssl.SSLContext => ssl.createDefaultContext(ssl.Purpose.SERVER_AUTH, CA);

/** Both ends of a connection, over TCP or a Unix pair. */
function* secured(client: ssl.SSLContext, server: ssl.SSLContext, unix = false): Body<[ssl.SSLSocket, ssl.SSLSocket]> {
  let [a, b]: S.socket[] = [];
  if (unix) [a, b] = yield* S.socketpair();
  else {
    const listener = yield* S.createServer(['127.0.0.1', 0]);
    a = yield* S.createConnection(listener.getsockname());
    [b] = yield* listener.accept();
    listener.close();
  }
  const there = spawn(function* () {
    return yield* server.wrapSocket(b, { serverSide: true });
  });
  there.$quiet = true;
  const here = yield* client.wrapSocket(a, { serverHostname: 'localhost' });
  return [here, yield* there.get()];
}

describe.each(CORES)('on the %s core', (core) => {
  test.each([false, true])('bytes go both ways, and both ends know what they agreed on (unix: %s)', async (unix) => {
    realWorld(core);
    await run(function* () {
      const [client, server] = [clientContext(), serverContext()];
      client.setAlpnProtocols(['x', 'y']);
      server.setAlpnProtocols(['y', 'z']);
      const [a, b] = yield* secured(client, server, unix);
      yield* a.sendall('hello');
      expect(String(yield* b.read())).toBe('hello');
      yield* b.write('back');
      expect(String(yield* a.recv(2))).toBe('ba');
      expect([a.pending(), String(yield* a.recv())]).toEqual([2, 'ck']);
      expect([a.version(), a.cipher()[1], a.selectedAlpnProtocol(), b.selectedAlpnProtocol()]).toEqual([
        'TLSv1.3',
        'TLSv1.3',
        'y',
        'y',
      ]);
      expect([a.getpeercert()?.subject.CN, b.getpeercert(), a.getpeercert(true) instanceof Buffer]).toEqual([
        'localhost',
        null,
        true,
      ]);
      expect([a.sessionReused, a.getChannelBinding(), a.serverSide, b.serverSide]).toEqual([false, null, false, true]);
      a.shutdown(S.SHUT_WR);
      expect((yield* b.recv()).length).toBe(0);
      yield* b.sendall('after');
      expect(String(yield* a.recv())).toBe('after');
      a.close();
      b.close();
    });
  });

  test('large amounts, both ways at once, by exact back-pressure', async () => {
    realWorld(core);
    await run(function* () {
      const [a, b] = yield* secured(clientContext(), serverContext());
      const data = Buffer.alloc(6 * 2 ** 20, 'abcdefg');
      function* send(socket: S.socket): Body<void> {
        yield* socket.sendall(data);
        socket.shutdown(S.SHUT_WR);
      }
      const senders = [spawn(send, a), spawn(send, b)];
      yield* sleep(0.02);
      const fileA = a.makefile('rb');
      const reader = spawn(function* () {
        return yield* b.makefile('rb').read();
      });
      const gotA: Buffer = yield* fileA.read();
      const gotB: Buffer = yield* reader.get();
      for (const g of senders) yield* g.get();
      expect([gotA.equals(data), gotB.equals(data)]).toEqual([true, true]);
      fileA.close();
      a.close();
      (b.detach() as tls.TLSSocket).destroy();
    });
  });

  test('a certificate that is not trusted, or for another name, is refused with its code', async () => {
    realWorld(core);
    await run(function* () {
      const refusals: string[] = [];
      const other = ssl.createDefaultContext(ssl.Purpose.CLIENT_AUTH, {
        certfile: file('other.pem'),
        keyfile: file('other.key'),
      });
      for (const [client, server] of [
        [ssl.createDefaultContext(), serverContext()],
        [clientContext(), other],
      ]) {
        refusals.push(yield* caught(secured(client, server)));
      }
      expect(refusals[0]).toMatch(
        /^SSLCertVerificationError \[(UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT_LOCALLY)\]/,
      );
      expect(refusals[1]).toMatch(/^SSLCertVerificationError \[ERR_TLS_CERT_ALTNAME_INVALID\]/);
      // Without checks both are taken.
      const [a, b] = yield* secured(new ssl.SSLContext(), other);
      a.close();
      b.close();
      yield* sleep(0.02);
    });
  });

  test('a server that wants certificates refuses clients without', async () => {
    realWorld(core);
    await run(function* () {
      const server = ssl.createDefaultContext(ssl.Purpose.CLIENT_AUTH, { ...SERVER, ...CA });
      server.verifyMode = ssl.CERT_REQUIRED;
      const client = clientContext();
      client.loadCertChain(file('client.pem'), file('client.key'));
      const [a, b] = yield* secured(client, server);
      expect(b.getpeercert()?.subject.CN).toBe('client');
      a.close();
      b.close();
      // With TLS 1.3 the client hears of it after its own handshake.
      expect(yield* caught(secured(clientContext(), server))).toMatch(/^SSL/);
      yield* sleep(0.02);
    });
  });

  test('what is no TLS, and an end in the middle, are errors of the handshake', async () => {
    realWorld(core);
    await run(function* () {
      for (const nonsense of ['GET / HTTP/1.0\r\n\r\n', '']) {
        const [a, b] = yield* S.socketpair();
        if (nonsense) yield* a.sendall(nonsense);
        else a.close();
        expect(yield* caught(serverContext().wrapSocket(b, { serverSide: true }))).toMatch(/^SSLError \[/);
        a.close();
      }
      const listener = yield* S.createServer(['127.0.0.1', 0]);
      const a = yield* S.createConnection(listener.getsockname());
      const [b] = yield* listener.accept();
      yield* b.sendall('220 not TLS\r\n');
      expect(yield* caught(clientContext().wrapSocket(a, { serverHostname: 'localhost' }))).toMatch(
        /^SSLError \[ERR_SSL_/,
      );
      b.close();
      listener.close();
    });
  });

  test('a handshake that does not come to its end: timeout, kill, and what a timeout of a read says', async () => {
    realWorld(core);
    await run(function* () {
      for (const how of ['timeout', 'kill']) {
        const [a, b] = yield* S.socketpair();
        const g = spawn(
          caught,
          serverContext().wrapSocket(b, { serverSide: true, timeout: how === 'timeout' ? 0.01 : 10 }),
        );
        yield* sleep(0.003);
        if (how === 'kill') yield* g.kill();
        else expect(yield* g.get()).toBe('SocketTimeout [ETIMEDOUT]: The handshake operation timed out');
        // The connection is closed.
        expect((yield* a.recv(10, { timeout: 5 })).length).toBe(0);
        a.close();
      }
      const [c, d] = yield* secured(clientContext(), serverContext());
      c.settimeout(0.01);
      expect(yield* caught(c.recv())).toBe('SocketTimeout [ETIMEDOUT]: The read operation timed out');
      c.close();
      d.close();
    });
  });

  test('who waits for a handshake is told that the socket was closed', async () => {
    realWorld(core);
    await run(function* () {
      const [a, b] = yield* S.socketpair();
      const secure = yield* serverContext().wrapSocket(b, { serverSide: true, doHandshakeOnConnect: false });
      const g = spawn(caught, secure.doHandshake());
      yield* sleep(0);
      secure.close();
      expect(yield* g.get({ timeout: 5 })).toMatch(/^SocketError \[EBADF\]/);
      a.close();
    });
  });

  test('a handshake may go on by itself', async () => {
    realWorld(core);
    await run(function* () {
      const listener = yield* S.createServer(['127.0.0.1', 0]);
      const plain = yield* S.createConnection(listener.getsockname());
      const [accepted] = yield* listener.accept();
      const a = yield* clientContext().wrapSocket(plain, { serverHostname: 'localhost', doHandshakeOnConnect: false });
      expect([plain.closed, thrown(() => a.cipher())]).toEqual([
        true,
        'SSLError [ERR_SSL_NOT_READY]: cipher: the handshake is not done',
      ]);
      const b = spawn(function* () {
        return yield* serverContext().wrapSocket(accepted, { serverSide: true });
      });
      yield* a.doHandshake();
      yield* a.doHandshake();
      expect(a.version()).toBe('TLSv1.3');
      (yield* b.get()).close();
      a.close();
      listener.close();
    });
  });

  test('StreamServer with TLS, asked by node:tls; who does not speak TLS is told off and does not disturb', async () => {
    const { reported } = realWorld(core);
    await run(function* () {
      const server = new StreamServer(['127.0.0.1', 0], echo, SERVER);
      expect(server.sslEnabled).toBe(true);
      yield* server.start();
      const plain = yield* S.createConnection(server.address);
      yield* plain.sendall('GET / HTTP/1.0\r\n\r\n');
      expect(yield* caught(plain.makefile('rb').read())).toEqual(expect.anything());
      (plain.detach() as tls.TLSSocket).destroy();
      const [host, port] = server.address as S.InetAddress;
      const node = tls.connect({ host, port, servername: 'localhost', ca: readFileSync(file('ca.pem')) });
      const answer = new Promise<string>((resolve) => node.once('data', (data) => resolve(String(data))));
      node.write('by node:tls');
      let got = '';
      answer.then((text) => (got = text));
      while (got === '') yield* sleep(0.002);
      expect(got).toBe('by node:tls');
      node.destroy();
      expect(yield* ssl.getServerCertificate([host, port])).toMatch(/^-----BEGIN CERTIFICATE-----\n[\s\S]+\n-----END/);
      yield* sleep(0.02);
      yield* server.stop();
    });
    expect(reported().every((line) => /SSLError|ECONNRESET/.test(line))).toBe(true);
  });

  test('mistakes are told by name', async () => {
    realWorld(core);
    const [a, b] = await S.socketpair();
    const context = clientContext();
    expect(thrown(() => context.wrapSocket(a))).toBe('TypeError: wrapSocket: checkHostname requires serverHostname');
    expect(thrown(() => context.wrapSocket({} as never))).toMatch(/^TypeError: wrapSocket\(socket\)/);
    expect(thrown(() => context.wrapSocket(a, { serverSide: true, serverHostname: 'x' }))).toMatch(/client mode/);
    a.setblocking(false);
    expect(thrown(() => context.wrapSocket(a, { serverHostname: 'x' }))).toBe(
      'RangeError: doHandshakeOnConnect should not be specified for non-blocking sockets',
    );
    expect(thrown(() => ssl.createDefaultContext('x' as never))).toMatch(/^RangeError/);
    expect(thrown(() => new ssl.SSLContext({ cert: 'nonsense' }).secureContext)).toMatch(/^SSLError \[ERR_/);
    a.close();
    b.close();
  });
});
