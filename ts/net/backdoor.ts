// Entry `gevent-wasm/backdoor`: a REPL into the running process, by `node:repl`, over TCP or a Unix socket.
//
// A session is a greenlet of the server's group. It reads lines and hands them to a REPL of its own, one at a time; each line
// is evaluated in an async greenlet, so that `getcurrent()`, a Timeout and a kill mean that line and nobody else. The REPL is
// loaded with the first session: Node's module switches on things that cost the whole process time.

import { chmodSync } from 'node:fs';
import type { REPLServer } from 'node:repl';
import { Readable, Writable } from 'node:stream';
import { describe, wrongType } from '../core/arguments.ts';
import { Greenlet } from '../gevent-greenlet.ts';
import { Group } from '../group.ts';
import type { Operation } from '../hub/operation.ts';
import type { Park } from '../hub/protocol.ts';
import { getcurrent, type RawGreenlet } from '../hub/raw.ts';
import { until } from '../until.ts';
import { formatRunInfo } from '../util.ts';
import { type Address, AF_UNIX, shown, unixAddress } from './address.ts';
import { Socket } from './endpoint.ts';
import { SocketError } from './errors.ts';
import { SO_KEEPALIVE, SOL_SOCKET } from './options.ts';
import { waitWrite } from './poll.ts';
import { StreamServer, type StreamServerOptions } from './server.ts';

/** A peer that lets so much output lie unread is cut off: 16 MB. */
const MOST_UNREAD = 1 << 24;

export interface BackdoorOptions extends Omit<StreamServerOptions, 'spawn' | 'workers'> {
  /** Names that each session finds, in a copy of its own. */
  locals?: Record<string, unknown>;
  /** What a session is greeted with. Default: what this is, and how to leave. */
  banner?: string;
}

/**
 * A server of REPL sessions in this process. **Whoever can connect can do all that the process can**, and there is no
 * password: listen on 127.0.0.1 or a Unix socket in a directory that is yours alone, or ask for client certificates.
 *
 * Sessions know `gevent` (the main entry), `hub`, `quit()` and `exit()`, which end the session alone, and `locals`; `await` works
 * at the top level; `.greenlets` shows who waits on what, `.runinfo` the trees of greenlets.
 *
 * @see `gevent.backdoor.BackdoorServer`, the source. Differs: `locals` and `banner` are options; a bare port is one of 127.0.0.1;
 *   sessions have a console of their own, in place of swapped standard streams.
 */
export class BackdoorServer extends StreamServer {
  /** What each session's own names are copied from. */
  readonly locals: Record<string, unknown>;
  readonly banner: string;
  readonly #path: string | null;

  /**
   * @param listener - a port or `':port'` (of 127.0.0.1), `[host, port]`, `'host:port'`, `{ path }` for a Unix socket, which only its
   *   owner may enter, or a socket that was bound
   */
  constructor(listener: unknown, { locals, banner = BANNER, ...options }: BackdoorOptions = {}) {
    for (const name of ['spawn', 'workers'] as const) {
      if (name in options) throw new TypeError(`BackdoorServer: unknown option ${describe(name)}`);
    }
    if (locals !== undefined && (locals === null || typeof locals !== 'object')) {
      throw wrongType('BackdoorServer(locals)', 'an object', locals);
    }
    if (typeof banner !== 'string') throw wrongType('banner', 'a string', banner);
    const path = pathOf(listener);
    super(path === null ? near(listener) : bound(path), null, { ...options, spawn: new Group() });
    this.#path = path;
    this.locals = Object.defineProperties({}, Object.getOwnPropertyDescriptors(locals ?? {}));
    this.banner = banner;
  }

  /** The sessions. */
  get sessions(): RawGreenlet[] {
    return [...(this.pool as Group)];
  }

  /** @internal It listens. */
  override $listening(): void {
    if (this.#path !== null && !this.#path.startsWith('\0')) chmodSync(this.#path, 0o600);
    super.$listening();
  }

  /** One session, until the peer has gone, or left by `quit()` or `.exit`. */
  *handle(socket: Socket, address: Address): Generator<Park, void, any> {
    socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
    const name = `backdoor for ${typeof address === 'string' ? 'a Unix socket' : shown(address)}`;
    const greenlet = getcurrent();
    if (greenlet instanceof Greenlet) greenlet.name = name;
    // At this time, since an import of all its names at the top would cost whoever imports the main entry alone.
    const gevent = yield* until(import('../index.ts'));
    const session = new Session(socket, name, this, gevent);
    try {
      yield* session.run();
    } catch (error) {
      // The peer has gone in the middle: no concern of the process.
      if (!(error instanceof SocketError)) throw error;
    } finally {
      session.end();
    }
  }
}

const BANNER = `gevent-wasm in process ${process.pid}, Node ${process.version}. await works; .greenlets shows who waits on what, quit() leaves.`;

/** The path, if a Unix socket is meant. */
function pathOf(listener: unknown): string | null {
  if (listener === null || typeof listener !== 'object' || !('path' in listener)) return null;
  return unixAddress(listener.path, 'BackdoorServer(listener)');
}

function bound(path: string): Socket {
  const socket = new Socket(AF_UNIX);
  socket.bind(path);
  return socket;
}

/** A port alone is one that others cannot reach. */
function near(listener: unknown): unknown {
  if (typeof listener === 'number') return ['127.0.0.1', listener];
  if (typeof listener === 'string' && /^:?\d+$/.test(listener)) return `127.0.0.1:${listener.replace(':', '')}`;
  return listener;
}

class Session {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #repl: REPLServer;
  readonly #server: BackdoorServer;
  readonly #gevent: object;
  /** The line that is being evaluated. */
  #line: Greenlet | null = null;
  #prompted: (() => void) | null = null;
  #over = false;

  constructor(socket: Socket, name: string, server: BackdoorServer, gevent: object) {
    this.#socket = socket;
    this.#name = name;
    this.#server = server;
    this.#gevent = gevent;
    this.#print(`${server.banner}\n`);
    // Its input stays empty: lines come by write().
    const input = new Readable({ read: () => {} });
    const output = new Writable({
      decodeStrings: false,
      write: (text: string, _encoding, done) => {
        this.#print(text);
        done();
      },
    });
    const { start } = process.getBuiltinModule('node:repl');
    const repl = start({ prompt: '> ', input, output, terminal: false, ignoreUndefined: true });
    this.#repl = repl;
    const displayPrompt = repl.displayPrompt;
    // Each line ends in a prompt, whatever became of it.
    repl.displayPrompt = (...args) => {
      displayPrompt.apply(repl, args);
      this.#ready();
    };
    repl.on('exit', () => {
      this.#over = true;
      this.#ready();
    });
    repl.on('reset', () => this.#define());
    this.#define();
    const command = (name: string, help: string, text: () => string): void => {
      repl.defineCommand(name, {
        help,
        action: () => {
          this.#print(`${text().trimEnd()}\n`);
          repl.displayPrompt();
        },
      });
    };
    command('greenlets', 'Show who waits on what', () => String(server.hub.dump()));
    command('runinfo', 'Show the trees of greenlets, and deadlocks', () => formatRunInfo().join('\n'));
  }

  #define(): void {
    const leave = (): void => void this.#repl.close();
    const names = { gevent: this.#gevent, hub: this.#server.hub, quit: leave, exit: leave };
    for (const from of [names, this.#server.locals]) {
      Object.defineProperties(this.#repl.context, Object.getOwnPropertyDescriptors(from));
    }
  }

  #ready(): void {
    const prompted = this.#prompted;
    this.#prompted = null;
    prompted?.();
  }

  #print(text: string): void {
    const node = this.#socket.$node;
    // Something that the session started may print when it is over.
    if (node === null || this.#socket.closed || node.destroyed || node.writableEnded) return;
    if (node.writableLength > MOST_UNREAD) node.destroy();
    else node.write(text);
  }

  *run(): Generator<Park, void, any> {
    const lines = this.#socket.makefile('rb');
    while (!this.#over) {
      // Who does not read what was printed gets nothing more evaluated.
      yield* waitWrite(this.#socket);
      const line = (yield* lines.readline()) as Buffer;
      if (line.length === 0) break;
      yield* this.#evaluate(String(line).replace(/\r?\n?$/, '\n'));
    }
    lines.close();
  }

  #evaluate(text: string): Operation<unknown> {
    const line: Greenlet = this.#server.hub.spawn(async () => {
      const prompt = Promise.withResolvers<void>();
      this.#prompted = prompt.resolve;
      this.#repl.write(text);
      await prompt.promise;
    });
    line.name = `line of ${this.#name}`;
    line.$quiet = true;
    this.#line = line;
    return line.join();
  }

  end(): void {
    this.#over = true;
    this.#line?.kill({ block: false });
    // It may wait for something foreign that no kill ends.
    this.#ready();
    this.#repl.close();
  }
}
