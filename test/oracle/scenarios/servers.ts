// StreamServer and DatagramServer: how handlers run, what their end does to the connection, what stop does to them.

import { getcurrent, kill, sleep, spawn } from '../../../ts/index.ts';
import { DatagramServer, StreamServer } from '../../../ts/net/server.ts';
import * as S from '../../../ts/net/socket.ts';
import { Pool } from '../../../ts/pool.ts';
import { allOf, T } from '../live.ts';
import { differs, Oops, same, told } from '../scenario.ts';

type Body = Generator<any, any, any>;

const AT: S.InetAddress = ['127.0.0.1', 0];

function* ask(server: StreamServer, text: string): Body {
  const c = yield* S.createConnection(server.address);
  yield* c.sendall(text);
  const answer = yield* allOf(c);
  c.close();
  return answer;
}

/** The same, as each Python text has it. */
const ASK = `
    AT = ('127.0.0.1', 0)
    def ask(server, text):
        c = socket.create_connection(server.address)
        c.sendall(text)
        answer = all_of(c)
        c.close()
        return answer`;

/** What a raised error is, but for its name, which may be each side's own. */
const refused = (error: unknown) => error instanceof Error;

export const servers = [
  same(
    'each connection has a greenlet, and is closed when its handler is done',
    `${ASK}
    def handle(sock, address):
        log('handled', sock.recv(10), address[0], getcurrent() is not outer)
        sock.sendall(b'bye')
    outer = getcurrent()
    server = StreamServer(AT, handle)
    log(server.started)
    server.start()
    log(server.started, server.server_host, server.server_port > 0, server.full())
    log(ask(server, b'hello'), ask(server, b'again'))
    server.stop()
    log(server.started, server.closed)
    `,
    function* (log) {
      const outer = getcurrent();
      const server = new StreamServer(AT, function* (sock, address) {
        log('handled', yield* sock.recv(10), address[0], getcurrent() !== outer);
        yield* sock.sendall('bye');
      });
      log(server.started);
      yield* server.start();
      log(server.started, server.serverHost, (server.serverPort ?? 0) > 0, server.full());
      log(yield* ask(server, 'hello'), yield* ask(server, 'again'));
      yield* server.stop();
      log(server.started, server.closed);
    },
  ),
  differs(
    {
      why: 'closed means that it was closed: gevent takes it from the socket, which there is only after the start',
      gevent: ['false true', 'true false', 'false true'],
      here: ['false false', 'true false', 'false true'],
    },
    'a server that has not started',
    `
    server = StreamServer(('127.0.0.1', 0), lambda s, a: None)
    log(server.started, server.closed)
    server.start()
    log(server.started, server.closed)
    server.stop()
    log(server.started, server.closed)
    `,
    function* (log) {
      const server = new StreamServer(AT, () => {});
      log(server.started, server.closed);
      yield* server.start();
      log(server.started, server.closed);
      yield* server.stop();
      log(server.started, server.closed);
    },
  ),
  same(
    'a handler that raises closes its connection, is reported, and the server goes on',
    `${ASK}
    def handle(sock, address):
        if sock.recv(10) == b'bad': raise Oops('in a handler')
        sock.sendall(b'good')
    server = StreamServer(AT, handle)
    server.start()
    log(ask(server, b'bad'), ask(server, b'ok'))
    server.stop()
    `,
    function* (log) {
      const server = new StreamServer(AT, function* (sock) {
        if (String(yield* sock.recv(10)) === 'bad') throw new Oops('in a handler');
        yield* sock.sendall('good');
      });
      yield* server.start();
      log(yield* ask(server, 'bad'), yield* ask(server, 'ok'));
      yield* server.stop();
    },
  ),
  same(
    'a handler that is killed closes its connection',
    `${ASK}
    handlers = []
    def handle(sock, address):
        handlers.append(getcurrent())
        sleep(100)
    server = StreamServer(AT, handle)
    server.start()
    c = socket.create_connection(server.address)
    while not handlers: sleep(T / 4)
    kill(handlers[0])
    log('the end', all_of(c))
    c.close()
    server.stop()
    `,
    function* (log) {
      const handlers: any[] = [];
      const server = new StreamServer(AT, function* () {
        handlers.push(getcurrent());
        yield* sleep(100);
      });
      yield* server.start();
      const c = yield* S.createConnection(server.address);
      while (handlers.length === 0) yield* sleep(T / 4);
      kill(handlers[0]);
      log('the end', yield* allOf(c));
      c.close();
      yield* server.stop();
    },
  ),
  same(
    'spawn raw: handlers without a Greenlet',
    `${ASK}
    def handle(sock, address):
        log(isinstance(getcurrent(), Greenlet))
        sock.sendall(sock.recv(10))
    server = StreamServer(AT, handle, spawn=spawn_raw)
    server.start()
    log(ask(server, b'echo'))
    server.stop()
    `,
    function* (log) {
      const server = new StreamServer(
        AT,
        function* (sock) {
          log('join' in getcurrent());
          yield* sock.sendall(yield* sock.recv(10));
        },
        { spawn: 'raw' },
      );
      yield* server.start();
      log(yield* ask(server, 'echo'));
      yield* server.stop();
    },
  ),
  same(
    'spawn a number: who comes while the pool is full waits, and then is served',
    `${ASK}
    def handle(sock, address):
        name = sock.recv(10)
        log('begin', name)
        sleep(2 * T)
        log('end', name)
        sock.sendall(name)
    server = StreamServer(AT, handle, spawn=1)
    server.start()
    clients = []
    for name in (b'a', b'b', b'c'):
        clients.append(spawn(ask, server, name))
        sleep(T / 2)
    log('full', server.full())
    joinall(clients)
    log([c.value for c in clients], server.full())
    server.stop()
    `,
    function* (log) {
      const server = new StreamServer(
        AT,
        function* (sock) {
          const name = yield* sock.recv(10);
          log('begin', name);
          yield* sleep(2 * T);
          log('end', name);
          yield* sock.sendall(name);
        },
        { spawn: 1 },
      );
      yield* server.start();
      const clients = [];
      for (const name of ['a', 'b', 'c']) {
        clients.push(spawn(ask, server, name));
        yield* sleep(T / 2);
      }
      log('full', server.full());
      for (const client of clients) yield* client.join();
      log(
        clients.map((client) => client.value),
        server.full(),
      );
      yield* server.stop();
    },
  ),
  same(
    'a pool of one is shared by two servers',
    `${ASK}
    pool = Pool(1)
    def handle(sock, address):
        log('begin', pool.free_count())
        sleep(T)
        log('end')
        sock.sendall(sock.recv(10))
    one = StreamServer(AT, handle, spawn=pool)
    two = StreamServer(AT, handle, spawn=pool)
    one.start(); two.start()
    clients = [spawn(ask, one, b'one')]
    sleep(T / 2)
    clients.append(spawn(ask, two, b'two'))
    joinall(clients)
    log([c.value for c in clients])
    one.stop(); two.stop()
    `,
    function* (log) {
      const pool = new Pool(1);
      function* handle(sock: S.socket): Body {
        log('begin', pool.freeCount());
        yield* sleep(T);
        log('end');
        yield* sock.sendall(yield* sock.recv(10));
      }
      const one = new StreamServer(AT, handle, { spawn: pool });
      const two = new StreamServer(AT, handle, { spawn: pool });
      yield* one.start();
      yield* two.start();
      const clients = [spawn(ask, one, 'one')];
      yield* sleep(T / 2);
      clients.push(spawn(ask, two, 'two'));
      for (const client of clients) yield* client.join();
      log(clients.map((client) => client.value));
      yield* one.stop();
      yield* two.stop();
    },
  ),
  same(
    'stop gives a pool its time and kills the rest',
    `${ASK}
    def handle(sock, address):
        seconds = float(sock.recv(10)) * T
        try:
            sleep(seconds)
            sock.sendall(b'done')
        except BaseException as e:
            log('ended by', e)
            raise
    server = StreamServer(AT, handle, spawn=10)
    server.start()
    clients = [spawn(ask, server, b'2'), spawn(ask, server, b'100')]
    sleep(T)
    server.stop(timeout=4 * T)
    log('stopped')
    joinall(clients)
    log([c.value for c in clients])
    `,
    function* (log) {
      const server = new StreamServer(
        AT,
        function* (sock) {
          const seconds = Number(yield* sock.recv(10)) * T;
          try {
            yield* sleep(seconds);
            yield* sock.sendall('done');
          } catch (error) {
            log('ended by', error);
            throw error;
          }
        },
        { spawn: 10 },
      );
      yield* server.start();
      const clients = [spawn(ask, server, '2'), spawn(ask, server, '100')];
      yield* sleep(T);
      yield* server.stop({ timeout: 4 * T });
      log('stopped');
      for (const client of clients) yield* client.join();
      log(clients.map((client) => client.value));
    },
  ),
  same(
    'without a pool stop does not wait, and handlers go on',
    `${ASK}
    def handle(sock, address):
        sleep(2 * T)
        log('handler is done')
        sock.sendall(b'done')
    server = StreamServer(AT, handle)
    server.start()
    client = spawn(ask, server, b'x')
    sleep(T)
    server.stop()
    log('stopped')
    client.join()
    log(client.value)
    `,
    function* (log) {
      const server = new StreamServer(AT, function* (sock) {
        yield* sleep(2 * T);
        log('handler is done');
        yield* sock.sendall('done');
      });
      yield* server.start();
      const client = spawn(ask, server, 'x');
      yield* sleep(T);
      yield* server.stop();
      log('stopped');
      yield* client.join();
      log(client.value);
    },
  ),
  same(
    'start again is nothing, stop again is nothing, and a stopped server does not start',
    `${ASK}
    server = StreamServer(AT, lambda s, a: None)
    server.start()
    server.start()
    log(server.started)
    server.stop()
    server.stop()
    log(server.started, server.closed, isinstance(told(server.start), Exception))
    `,
    function* (log) {
      const server = new StreamServer(AT, () => {});
      yield* server.start();
      yield* server.start();
      log(server.started);
      yield* server.stop();
      yield* server.stop();
      log(server.started, server.closed, refused(yield* told(() => server.start())));
    },
  ),
  same(
    'serve_forever ends by stop; killed in it, the server is stopped',
    `${ASK}
    one = StreamServer(AT, lambda s, a: None)
    g = spawn(one.serve_forever)
    sleep(T)
    log(one.started)
    one.stop()
    g.join()
    log('ended', g.successful())
    two = StreamServer(AT, lambda s, a: None)
    g = spawn(two.serve_forever)
    sleep(T)
    g.kill()
    log(two.started, two.closed, g.value)
    `,
    function* (log) {
      const one = new StreamServer(AT, () => {});
      const first = spawn(function* () {
        yield* one.serveForever();
      });
      yield* sleep(T);
      log(one.started);
      yield* one.stop();
      yield* first.join();
      log('ended', first.successful());
      const two = new StreamServer(AT, () => {});
      const second = spawn(function* () {
        yield* two.serveForever();
      });
      yield* sleep(T);
      yield* second.kill();
      log(two.started, two.closed, second.value);
    },
  ),
  same(
    'stop_accepting makes connections wait, start_accepting takes them',
    `${ASK}
    def handle(sock, address):
        log('handled')
        sock.sendall(sock.recv(10))
    server = StreamServer(AT, handle)
    server.start()
    server.stop_accepting()
    client = spawn(ask, server, b'x')
    sleep(2 * T)
    log('nothing yet', client.ready())
    server.start_accepting()
    client.join()
    log(client.value)
    server.stop()
    `,
    function* (log) {
      const server = new StreamServer(AT, function* (sock) {
        log('handled');
        yield* sock.sendall(yield* sock.recv(10));
      });
      yield* server.start();
      server.stopAccepting();
      const client = spawn(ask, server, 'x');
      yield* sleep(2 * T);
      log('nothing yet', client.ready());
      server.startAccepting();
      yield* client.join();
      log(client.value);
      yield* server.stop();
    },
  ),
  same(
    'spawn None: the handler runs in the hub, where nothing may block',
    `${ASK}
    calls = []
    def handle(sock, address):
        calls.append(getcurrent() is hub)
        if len(calls) == 2: sleep(T)
    server = StreamServer(AT, handle, spawn=None)
    server.min_delay = 0.001
    server.start()
    log(ask(server, b''), calls)
    c = socket.create_connection(server.address)
    log(all_of(c), calls)
    c.close()
    server.stop()
    `,
    function* (log) {
      const calls: boolean[] = [];
      const server = new StreamServer(
        AT,
        () => {
          calls.push(true);
          return calls.length === 2 ? sleep(T) : undefined;
        },
        { spawn: null },
      );
      server.minDelay = 0.001;
      yield* server.start();
      log(yield* ask(server, ''), calls);
      const c = yield* S.createConnection(server.address);
      log(yield* allOf(c), calls);
      c.close();
      yield* server.stop();
    },
  ),
  same(
    'what is no handler, no listener and no backlog is refused',
    `${ASK}
    s = socket.socket()
    s.bind(AT)
    for make in (
        lambda: StreamServer(s, lambda s, a: None, backlog=1),
        lambda: StreamServer('localhost', lambda s, a: None),
        lambda: StreamServer(None, lambda s, a: None),
        lambda: StreamServer(AT).start(),
    ):
        log(isinstance(told(make), Exception))
    s.close()
    `,
    function* (log) {
      const s = new S.socket();
      yield* s.bind(AT);
      for (const make of [
        () => new StreamServer(s, () => {}, { backlog: 1 }),
        () => new StreamServer('localhost', () => {}),
        () => new StreamServer(null, () => {}),
        () => new StreamServer(AT).start(),
      ]) {
        log(refused(yield* told(make)));
      }
      s.close();
    },
  ),
  same(
    'a socket that was bound may be given, and who asks is told its address',
    `${ASK}
    s = socket.socket()
    s.bind(AT)
    s.listen(1)
    server = StreamServer(s, lambda sock, a: (sock.sendall(b'given'), sock.recv(10)))
    server.start()
    log(server.address == s.getsockname(), ask(server, b'x'))
    server.stop()
    log(told(lambda: s.accept()))
    `,
    function* (log) {
      const s = new S.socket();
      yield* s.bind(AT);
      yield* s.listen(1);
      const server = new StreamServer(s, function* (sock) {
        yield* sock.sendall('given');
        yield* sock.recv();
      });
      yield* server.start();
      log(String(server.address) === String(s.getsockname()), yield* ask(server, 'x'));
      yield* server.stop();
      log(yield* told(() => s.accept()));
    },
  ),
  same(
    'a handler may close its socket, or end one direction of it',
    `${ASK}
    def handle(sock, address):
        text = sock.recv(10)
        sock.sendall(b'got ' + text)
        if text == b'close': sock.close()
        else: sock.shutdown(socket.SHUT_WR)
        sleep(T)
        log('handler ends', text)
    server = StreamServer(AT, handle)
    server.start()
    log(ask(server, b'close'))
    sleep(2 * T)
    log(ask(server, b'half'))
    sleep(2 * T)
    server.stop()
    `,
    function* (log) {
      const server = new StreamServer(AT, function* (sock) {
        const text = yield* sock.recv(10);
        yield* sock.sendall(`got ${text}`);
        if (String(text) === 'close') sock.close();
        else sock.shutdown(S.SHUT_WR);
        yield* sleep(T);
        log('handler ends', text);
      });
      yield* server.start();
      log(yield* ask(server, 'close'));
      yield* sleep(2 * T);
      log(yield* ask(server, 'half'));
      yield* sleep(2 * T);
      yield* server.stop();
    },
  ),
  same(
    'a server of datagrams answers from its address, and goes on after an error',
    `${ASK}
    def handle(data, address):
        if data == b'bad': raise Oops('datagram')
        server.sendto(b'got ' + data, address)
    server = DatagramServer(AT, handle)
    server.start()
    c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    c.connect(server.address)
    for text in (b'one', b'bad', b'two'): c.send(text)
    log(c.recvfrom(100)[1] == server.address, c.recv(100))
    c.settimeout(T)
    log(told(lambda: c.recv(100)))
    server.stop()
    c.close()
    `,
    function* (log) {
      const server: DatagramServer = new DatagramServer(AT, function* (data, address) {
        if (String(data) === 'bad') throw new Oops('datagram');
        yield* server.sendto(`got ${data}`, address);
      });
      yield* server.start();
      const c = new S.socket(S.AF_INET, S.SOCK_DGRAM);
      yield* c.connect(server.address);
      for (const text of ['one', 'bad', 'two']) yield* c.send(text);
      log(String((yield* c.recvfrom(100))[1]) === String(server.address), yield* c.recv(100));
      c.settimeout(T);
      log(yield* told(() => c.recv(100)));
      yield* server.stop();
      c.close();
    },
  ),
];
