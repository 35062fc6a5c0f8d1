// Objects of the platform that are under way to something: `yield*` waits for it. `const socket = yield* net.connect(port)`.

import { ChildProcess } from 'node:child_process';
import { Socket as Datagram } from 'node:dgram';
import type { EventEmitter } from 'node:events';
import { ClientRequest, type IncomingMessage } from 'node:http';
import { Server, Socket } from 'node:net';
import { constants } from 'node:os';
import { TLSSocket } from 'node:tls';
import { ForeignWait } from '../../foreign.ts';
import type { Hub } from '../../hub/hub.ts';
import type { Park } from '../../hub/protocol.ts';
import { ours } from './promises.ts';

type Found<T> = { value: T } | null;

interface Aim<E extends EventEmitter, T> {
  /** As the dump shows it. */
  what: string;
  /** The event that brings it; `error` and `close` end the wait as well. */
  event: string;
  /** What is there already. */
  now(emitter: E): Found<T>;
  /** True if it can never come. */
  gone?(emitter: E): boolean;
  /** What the event brings. */
  got(emitter: E, args: readonly any[]): Found<T>;
  /** The waiter was killed or timed out. */
  left?(emitter: E): void;
}

class Arrival<E extends EventEmitter, T> extends ForeignWait<T> {
  readonly #emitter: E;
  readonly #aim: Aim<E, T>;
  #found: Found<T> = null;
  #error: { error: unknown } | null = null;

  constructor(emitter: E, aim: Aim<E, T>) {
    super();
    this.#emitter = emitter;
    this.#aim = aim;
  }

  describe(): string {
    return this.#aim.what;
  }

  begin(hub: Hub, slot: number): boolean {
    this.use();
    const emitter = this.#emitter;
    this.#found = this.#aim.now(emitter);
    if (this.#found !== null) return true;
    if (this.#aim.gone?.(emitter)) throw this.#closed();
    this.wait(hub, slot, null);
    emitter.on(this.#aim.event, this.#onEvent);
    emitter.on('error', this.#onError);
    emitter.on('close', this.#onClose);
    return false;
  }

  readonly #onEvent = (...args: unknown[]): void => {
    this.#found = this.#aim.got(this.#emitter, args);
    this.happened();
  };

  readonly #onError = (error: unknown): void => {
    this.#error = { error };
    this.happened();
  };

  readonly #onClose = (): void => this.happened();

  protected override ended(): void {
    const emitter = this.#emitter;
    emitter.off(this.#aim.event, this.#onEvent);
    emitter.off('error', this.#onError);
    emitter.off('close', this.#onClose);
  }

  complete(hub: Hub): T {
    this.unwait(hub);
    if (this.#error !== null) throw this.#error.error;
    if (this.#found === null) throw this.#closed();
    return this.#found.value;
  }

  override abandon(hub: Hub, slot: number): void {
    super.abandon(hub, slot);
    if (this.#found === null && this.#error === null) this.#aim.left?.(this.#emitter);
  }

  #closed(): Error {
    return Object.assign(new Error(`${this.#aim.what}: it is closed`), { code: 'ECONNABORTED' });
  }
}

function iterator<E extends EventEmitter, T>(aim: Aim<E, T>): (this: E) => Iterator<Park, T, any> {
  function iterate(this: E): Iterator<Park, T, any> {
    return new Arrival(this, aim)[Symbol.iterator]();
  }
  Object.defineProperty(iterate, 'name', { value: '[Symbol.iterator]' });
  return ours(iterate);
}

/** Nobody has what was being made, a connection or an answer. That it breaks off must not be an error of nobody. */
function destroy(emitter: EventEmitter & { destroy(): unknown }): void {
  emitter.on('error', () => {});
  emitter.destroy();
}

const connected = iterator<Socket, Socket>({
  what: 'net.Socket connecting',
  event: 'connect',
  now: (socket) => (socket.pending || socket.connecting || socket.destroyed ? null : { value: socket }),
  gone: (socket) => socket.destroyed,
  got: (socket) => ({ value: socket }),
  left: destroy,
});

const secured = iterator<TLSSocket, TLSSocket>({
  what: 'tls.TLSSocket connecting',
  event: 'secureConnect',
  now: (socket) => {
    const busy = (socket as TLSSocket & { secureConnecting?: boolean }).secureConnecting !== false;
    return busy || socket.connecting || socket.destroyed ? null : { value: socket };
  },
  gone: (socket) => socket.destroyed,
  got: (socket) => ({ value: socket }),
  left: destroy,
});

const listening = iterator<Server, Server>({
  what: 'net.Server listening',
  event: 'listening',
  now: (server) => (server.listening ? { value: server } : null),
  got: (server) => ({ value: server }),
});

const bound = iterator<Datagram, Datagram>({
  what: 'dgram.Socket binding',
  event: 'listening',
  now(socket) {
    try {
      socket.address();
      return { value: socket };
    } catch {
      return null;
    }
  },
  got: (socket) => ({ value: socket }),
});

const responded = iterator<ClientRequest, IncomingMessage>({
  what: 'http.ClientRequest waiting for the response',
  event: 'response',
  now: () => null,
  gone: (request) => request.destroyed,
  got: (_request, [response]) => ({ value: response }),
  left: destroy,
});

const exited = iterator<ChildProcess, number>({
  what: 'ChildProcess running',
  event: 'exit',
  now: ({ exitCode, signalCode }) => codeOf(exitCode, signalCode),
  got: (_child, [code, signal]) => codeOf(code, signal),
});

/** As subprocess has it: the exit code, or the signal's number below zero. */
function codeOf(code: number | null, signal: NodeJS.Signals | null): Found<number> {
  if (signal !== null) return { value: -constants.signals[signal] };
  return code === null ? null : { value: code };
}

/** Whose objects can be waited for, and how. */
export const arrivals = {
  connected: { prototype: Socket.prototype, iterate: connected },
  listening: { prototype: Server.prototype, iterate: listening },
  secured: { prototype: TLSSocket.prototype, iterate: secured },
  bound: { prototype: Datagram.prototype, iterate: bound },
  responded: { prototype: ClientRequest.prototype, iterate: responded },
  exited: { prototype: ChildProcess.prototype, iterate: exited },
};
