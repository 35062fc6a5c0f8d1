// Names: what is asked of Node, what is not, and how failures look. Nothing here leaves the machine.

import { createSocket } from 'node:dgram';
import * as dns from 'node:dns';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { config } from '../../ts/config.ts';
import { sleep, spawn } from '../../ts/index.ts';
import { getResolver, Resolver, resolver } from '../../ts/net/resolver.ts';
import * as S from '../../ts/net/socket.ts';
import { CORES, rejected, thrown } from '../support/cores.ts';
import { realWorld } from '../support/real.ts';

/** Answers by itself, late. */
class Canned extends Resolver {
  asked: string[] = [];
  protected override $lookup(
    host: string,
    _family: S.AddressFamily,
    settle: (error: unknown, value?: any) => void,
  ): void {
    this.asked.push(host);
    const found = host.startsWith('no') ? undefined : ['127.0.0.9', '127.0.0.1'];
    const error = found
      ? null
      : Object.assign(new Error('no such name'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' });
    setTimeout(settle, 2, error, found);
  }
}

describe.each(CORES)('on the %s core', (core) => {
  afterEach(() => {
    config.resolver = 'thread';
    vi.restoreAllMocks();
  });

  test('literal addresses and localhost ask nobody', async () => {
    realWorld(core);
    const canned = new Canned();
    expect([
      await canned.gethostbyname('127.0.0.2'),
      await canned.gethostbyname('localhost'),
      await canned.gethostbynameEx('10.0.0.1'),
      await rejected(canned.gethostbyname('::1')),
      canned.asked,
    ]).toEqual([
      '127.0.0.2',
      '127.0.0.1',
      ['10.0.0.1', [], ['10.0.0.1']],
      'AddressError [ENOTFOUND]: getaddrinfo ENOTFOUND ::1: no IPv4 address',
      [],
    ]);
    canned.close();
  });

  test('getaddrinfo gives an entry for each address and kind', async () => {
    realWorld(core);
    const canned = new Canned();
    expect(await canned.getaddrinfo('127.0.0.1', 80)).toEqual([
      [S.AF_INET, S.SOCK_STREAM, 6, '', ['127.0.0.1', 80]],
      [S.AF_INET, S.SOCK_DGRAM, 17, '', ['127.0.0.1', 80]],
    ]);
    expect(await canned.getaddrinfo(null, 'https', { type: S.SOCK_STREAM })).toEqual([
      [S.AF_INET6, S.SOCK_STREAM, 6, '', ['::1', 443]],
      [S.AF_INET, S.SOCK_STREAM, 6, '', ['127.0.0.1', 443]],
    ]);
    expect((await canned.getaddrinfo('name', '8080', { proto: 17 })).map((info) => info[4])).toEqual([
      ['127.0.0.9', 8080],
      ['127.0.0.1', 8080],
    ]);
    expect(await rejected(canned.getaddrinfo('name', 'no such service'))).toMatch(/^AddressError \[EAI_SERVICE\]/);
    expect(await rejected(canned.getaddrinfo('none', 1))).toBe('AddressError [ENOTFOUND]: no such name');
  });

  test('a kill ends the wait at once; the answer is dropped', async () => {
    realWorld(core);
    const canned = new Canned();
    const g = spawn(function* () {
      return yield* canned.gethostbyname('slow');
    });
    await sleep(0);
    await g.kill();
    await sleep(0.01);
    expect(canned.asked).toEqual(['slow']);
  });

  test('connections use the configured resolver, and try each address', async () => {
    realWorld(core);
    config.resolver = Canned as never;
    const server = await S.createServer(['127.0.0.1', 0]);
    const [, port] = server.getsockname() as S.InetAddress;
    const conn = await S.createConnection(['a.name', port]);
    expect(conn.getpeername()).toEqual(['127.0.0.1', port]);
    conn.close();
    expect(await rejected(S.createConnection(['no.name', port]))).toBe('AddressError [ENOTFOUND]: no such name');
    const direct = new S.socket();
    expect(await rejected(direct.connect(['no.name', port]))).toMatch(/^AddressError \[ENOTFOUND\]/);
    direct.close();
    expect((getResolver() as Canned).asked).toEqual(['a.name', 'no.name', 'no.name']);
    server.close();
  });

  test('names of addresses; what has none is a herror', async () => {
    realWorld(core);
    const [name] = await S.gethostbyaddr('127.0.0.1');
    expect(name.length).toBeGreaterThan(0);
    expect((await S.getnameinfo(['127.0.0.1', 22])).length).toBe(2);
    expect(await rejected(S.getnameinfo(['name', 22]))).toMatch(/^AddressError/);
    expect(thrown(() => S.gethostbyname(7 as never))).toBe(
      'TypeError: gethostbyname(host): expected a host name, got 7',
    );
    expect(typeof (await S.getfqdn())).toBe('string');
    expect(S.gethostname().length).toBeGreaterThan(0);
  });

  test('ares asks name servers', async () => {
    realWorld(core);
    const four = vi.spyOn(dns.Resolver.prototype, 'resolve4').mockImplementation((_host: any, done: any) => {
      setTimeout(done, 1, null, ['10.1.1.1']);
    });
    vi.spyOn(dns.Resolver.prototype, 'resolve6').mockImplementation((_host: any, done: any) => {
      setTimeout(done, 1, Object.assign(new Error('no data'), { code: 'ENODATA' }));
    });
    const ares = new resolver.ares();
    expect((await ares.getaddrinfo('name', 1, { type: S.SOCK_STREAM })).map((info) => info[4])).toEqual([
      ['10.1.1.1', 1],
    ]);
    expect(await rejected(ares.getaddrinfo('name', 1, { family: S.AF_INET6 }))).toBe('AddressError [ENODATA]: no data');
    expect(four).toHaveBeenCalledOnce();
    ares.close();
  });
});

describe('addresses as bytes', () => {
  test('IPv4', () => {
    expect([...S.inetAton('1.2.3.255')]).toEqual([1, 2, 3, 255]);
    expect(S.inetNtoa(new Uint8Array([1, 2, 3, 255]))).toBe('1.2.3.255');
    expect(thrown(() => S.inetAton('1.2.3'))).toMatch(/^SocketError \[EINVAL\]/);
    expect(thrown(() => S.inetNtoa(new Uint8Array(3)))).toMatch(/^RangeError/);
  });

  test.each([
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::1:0:0:1', '20010db8000000000001000000000001'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['fe80::', 'fe800000000000000000000000000000'],
    ['::ffff:1.2.3.4', '00000000000000000000ffff01020304'],
    ['1:0:3:4:5:6:7:8', '00010000000300040005000600070008'],
  ])('%s, there and back', (text, hex) => {
    expect(S.inetPton(S.AF_INET6, text).toString('hex')).toBe(hex);
    expect(S.inetNtop(S.AF_INET6, Buffer.from(hex, 'hex'))).toBe(text);
  });

  test('what is none is refused', () => {
    expect(thrown(() => S.inetPton(S.AF_INET6, '1.2.3.4'))).toMatch(/^SocketError \[EINVAL\]/);
    expect(thrown(() => S.inetPton(S.AF_UNIX, 'x'))).toMatch(/^SocketError \[EAFNOSUPPORT\]/);
    expect(thrown(() => S.inetNtop(S.AF_INET6, new Uint8Array(4)))).toMatch(/^RangeError/);
  });

  test('ares asks the servers of the configuration, as long and as often as it says', async () => {
    realWorld('wasm');
    let asked = 0;
    // Knows one name: answers a question for it with 10.1.2.3, and nothing else.
    const server = createSocket('udp4', (query, from) => {
      ++asked;
      const known = query.includes(Buffer.from('known'));
      const address = query.readUInt16BE(query.indexOf(0, 12) + 1) === 1;
      if (!known || !address) return;
      const question = query.subarray(12, query.indexOf(0, 12) + 5);
      const head = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
      const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3]);
      server.send(Buffer.concat([head, question, answer]), from.port, from.address);
    });
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
    config.resolverNameservers = `127.0.0.1:${server.address().port}`;
    config.resolverTimeout = 0.05;
    config.aresTries = 2;
    try {
      const ares = new resolver.ares();
      expect(await ares.gethostbyname('known.test')).toBe('10.1.2.3');
      asked = 0;
      expect(await rejected(ares.gethostbyname('other.test'))).toMatch(/^AddressError \[ETIMEOUT\]/);
      expect(asked).toBe(2);
      ares.close();
      config.aresServers = ['999.1.1.1'];
      expect(await rejected(new resolver.ares().gethostbyname('known.test'))).toMatch(/Invalid IP address/);
    } finally {
      config.resolverNameservers = config.aresServers = config.resolverTimeout = config.aresTries = null;
      server.close();
    }
  });
});
